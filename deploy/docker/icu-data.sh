#!/usr/bin/env bash
# Makes the ICU data that the image needs, in place of Debian's libicudata: that one holds 31 MB about every language, and MongoDB's
# library asks for one thing alone, the normal form of passwords (SASLprep, RFC 4013), which takes 75 kB of it.
# Usage: icu-data.sh ROOT     the library goes below ROOT, at the path that Debian's has below /
set -euo pipefail

library=$(echo /usr/lib/*/libicudata.so.*.*) # one version is installed
[ -f "$library" ] || { echo "$0: no libicudata, or several: $library" >&2; exit 1; }
soname=$(objdump -p "$library" | sed -n 's/^ *SONAME *//p')
symbol=icudt${soname##*.}_dat # all the data stand under this name, alone in .rodata

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir small
package=icudt${soname##*.}l.dat # the items bear this name too; l: little-endian, as amd64 and arm64 are
objcopy --output-target=binary --only-section=.rodata "$library" "$package"
printf '%s\n' rfc4013.spp nfkc.nrm >items.txt # the profile, and the normal form that it builds on
icupkg --extract items.txt --destdir . "$package"
icupkg --add items.txt --sourcedir . new "small/$package"

mkdir -p "$1${library%/*}"
cc -shared -nostdlib -Wl,-soname,"$soname" -o "$1${library%/*}/$soname" -x assembler - <<END
.section .rodata
.globl $symbol
.type $symbol, %object
.balign 16
$symbol: .incbin "small/$package"
.size $symbol, . - $symbol
.section .note.GNU-stack, "", %progbits
END
