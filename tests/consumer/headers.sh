#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each header that a user may include compiles alone, twice, without warnings: as C11 and later, and as C++ where there is
# a C++ compiler; with the initialisers used. A warning in a header is a warning in every user's build.
set -euo pipefail

: "${srcdir:=.}" "${builddir:=.}" "${CC:=cc}" "${CXX:=c++}"
read -ra cc <<<"$CC"
read -ra cxx <<<"$CXX"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wcast-qual -Werror)
includes=(-I"$srcdir/include" -I"$builddir/include")
failed=0
count=0

try() # NAME COMPILER...: the source on standard input compiles
{
    local name=$1
    shift
    count=$((count + 1))
    if ! "$@" "${warnings[@]}" "${includes[@]}" -c -o "$work/out.o" -; then
        echo "FAILED: $name" >&2
        failed=1
    fi
}

source_of() # HEADER: a program that includes it twice and uses what it can
{
    printf '#include <hopper/%s>\n#include <hopper/%s>\n' "$1" "$1"
    cat <<'END'
extern struct hopper_options options;
extern struct hopper_stats stats;
extern struct hopper_item_type type;
struct hopper_options options = HOPPER_OPTIONS_INIT;
struct hopper_stats stats = HOPPER_STATS_INIT;
struct hopper_item_type type = HOPPER_ITEM_TYPE_INIT;
END
}

has_cxx=0
if command -v "${cxx[0]}" >/dev/null; then has_cxx=1; else echo "no C++ compiler ($CXX): C++ is not tried"; fi
for header in hopper.h platform.h; do
    for std in c11 gnu11 c17; do
        try "$header as $std" "${cc[@]}" -std=$std -Wstrict-prototypes -x c < <(source_of $header)
    done
    [ $has_cxx = 1 ] || continue
    for std in c++11 c++17 gnu++20; do
        try "$header as $std" "${cxx[@]}" -std=$std -x c++ < <(source_of $header)
    done
done
echo "$count compilations"
exit $failed
