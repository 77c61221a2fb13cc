#!/usr/bin/env bash
# Puts Debian's arm64 libraries that the engine and its tests are linked with under build/arm64-libraries, when they are not
# there. The packages are unpacked, not installed, and apt asks for them with state of its own: dpkg need not know of arm64.
# Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=build/arm64-libraries
[ -d $target ] && exit 0

mkdir -p build
work=$(mktemp -d "$PWD/build/arm64-libraries.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists" "$work/cache"
: >"$work/status"
apt=(apt-get --quiet --quiet -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
  -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" -o Acquire::Languages=none)
"${apt[@]}" update
(cd "$work" && "${apt[@]}" download libssl-dev libgtest-dev libgmock-dev libexpected-dev)
for package in "$work"/*.deb; do
  dpkg-deb --extract "$package" "$work/root"
done
chmod 755 "$work/root"
mv -T "$work/root" $target
