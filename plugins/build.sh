#!/bin/sh
# Builds the bundled policies: build.sh [-o DIR] [NAME...]. Needs clang and lld.
# The output is the same wherever it is built: no paths, names or tool versions
# are left in it. The committed files come from clang 14.0.6 (Debian 12).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$here
if [ "${1-}" = -o ]; then
	out=$2
	shift 2
fi
[ $# -gt 0 ] || set -- adaptive fixed histogram kinds pressure quantile share skirental

# The first Wasm version and mutable globals, nothing later: any runtime takes
# it. -fno-builtin keeps loops from becoming calls to a library that is not there.
for name in "$@"; do
	"${CLANG:-clang}" --target=wasm32 -mcpu=mvp -std=c11 -Os \
		-ffreestanding -fno-builtin -nostdlib -fno-strict-aliasing -fno-ident \
		-Wall -Wextra -Werror -I "$here/../sdk/c" \
		-Wl,--no-entry,--strip-all,-z,stack-size=1024 \
		-o "$out/$name.wasm" "$here/$name/$name.c"
	chmod 644 "$out/$name.wasm"
done
