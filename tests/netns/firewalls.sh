#!/usr/bin/env bash
# Puts Debian's ufw and firewalld under build/firewalls, for the tests that run them in namespaces, when they are not there. The
# packages are unpacked, not installed: installed they would close this machine's own network. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=build/firewalls
[ -d $target ] && exit 0

mkdir -p build
work=$(mktemp -d build/firewalls.XXXXXX)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get -o APT::Sandbox::User=root download --quiet --quiet ufw firewalld python3-firewall)
for package in "$work"/*.deb; do
  dpkg-deb --extract "$package" "$work/root"
done
# What the packages copy there when it is installed (their postinst).
templates=$work/root/usr/share/ufw
cp "$templates"/*.init "$templates/ufw.conf" "$templates"/iptables/*.rules "$work/root/etc/ufw/"
cp -r "$work/root/lib/ufw" "$work/root/usr/lib/"  # /lib is a link to it
(cd "$work/root/usr/share/polkit-1/actions" && cp org.fedoraproject.FirewallD1.server.policy.choice org.fedoraproject.FirewallD1.policy)
chmod 755 "$work/root"
mv -T "$work/root" $target
