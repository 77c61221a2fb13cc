#!/usr/bin/env bash
# Puts Debian's kernel, /boot/vmlinuz and its modules, under build/kernel-image, for the tests that boot it, when it is not
# there. The package is unpacked, not installed: this machine's own boot is left alone. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=build/kernel-image
[ -d $target ] && exit 0

mkdir -p build
work=$(mktemp -d build/kernel-image.XXXXXX)
trap 'rm -rf "$work"' EXIT
package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
(cd "$work" && apt-get -o APT::Sandbox::User=root download --quiet --quiet "$package")
dpkg-deb --extract "$work"/*.deb "$work/root"
mkdir "$work/image"
mv "$work"/root/boot/vmlinuz-* "$work/image/vmlinuz"
mv "$work"/root/lib/modules/* "$work/image/modules"
chmod 755 "$work/image"
mv -T "$work/image" $target
