#!/usr/bin/env bash
# Puts the processor of Bochs, as a Python module, into build/tools/bochscpu for the test of the AVX-512 kernel, when it is not
# there. Debian's Bochs has no AVX-512; this one comes from PyPI. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

package=bochscpu-python==0.4.0
target=build/tools/bochscpu
[ -d $target ] && exit 0

mkdir -p build/tools
work=$(mktemp -d build/tools/bochscpu.XXXXXX)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" $package
python3 -m zipfile --extract "$work"/*.whl "$work/wheel"
mv "$work/wheel" $target
