#!/bin/bash
# SPDX-License-Identifier: MIT
#
# libhopper(3) names every function that the headers declare and no other, its example compiles without a warning, and,
# where mandoc is installed, the page is clean.
set -euo pipefail

: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}"
page=$srcdir/docs/libhopper.3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat "$srcdir"/include/hopper/*.h "$srcdir"/include/hopper/*.h.in | grep -v '^#' | tr '\n' ' ' |
    sed -e 's,/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/, ,g' | tr ';{}' '\n\n\n' |
    sed -n 's/.*HOPPER_API[^(]*\bhopper_\([a-z0-9_]*\) *(.*/hopper_\1/p' | sort -u >"$work/declared"
[ "$(wc -l <"$work/declared")" -ge 20 ]
sed -n '/^\.Ss Calls/,/^\.Ss Budgets/p' "$page" | grep -o '\bhopper_[a-z0-9_]*' | sort -u >"$work/described"
diff -u "$work/declared" "$work/described"

sed -n '/^\.Bd -literal/,/^\.Ed/p' "$page" | grep -v '^\.' | sed 's/\\e/\\/g' >"$work/example.c"
grep -q 'int main' "$work/example.c"
# shellcheck disable=SC2086 # CC may bring options
$CC -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -I"$srcdir/include" -I"$builddir/include" \
    -c "$work/example.c" -o "$work/example.o"

if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$page"
fi
