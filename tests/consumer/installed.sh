#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `make installcheck`: the installed library as a stranger meets it. Programs in C and C++ and the README's example are
# compiled with what pkg-config says and run, against the shared and the static library; hopper-cat runs as installed.
#
#     DESTDIR=... libdir=... bindir=... version=... srcdir=... CC=... installed.sh
set -euo pipefail

: "${DESTDIR:=}" "${CC:=cc}" "${CXX:=c++}" "${CFLAGS:=}"
: "${libdir:?}" "${bindir:?}" "${version:?}" "${srcdir:?}"
read -ra cc <<<"$CC"
read -ra cxx <<<"$CXX"
read -ra cflags <<<"$CFLAGS"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only in a staged installation are the paths in the .pc file not yet true.
export PKG_CONFIG_PATH=$DESTDIR$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
if [ -n "$DESTDIR" ]; then
    export PKG_CONFIG_SYSROOT_DIR=$DESTDIR PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
fi
export LD_LIBRARY_PATH=$DESTDIR$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

failed=0
passed=0
check() # NAME COMMAND...
{
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "PASS: installed: $name"
    else
        failed=$((failed + 1))
        echo "FAIL: installed: $name: $*"
        cat "$work/log"
    fi
}

flags() # [--static]: what pkg-config says, one word each line
{
    pkg-config "$@" --cflags --libs libhopper | xargs -n 1
}

# The first C block of the README, which is a whole program.
readme_example() { awk '/^```c$/ { on = 1; next } /^```$/ && on { exit } on' "$srcdir/README.md"; }

filters() # hopper-cat gives back what it got
{
    seq 100000 | "$DESTDIR$bindir/hopper-cat" -m 256K | cmp - <(seq 100000)
}

warnings=(-Wall -Wextra -Wpedantic -Werror)
check "pkg-config knows the version" test "$(pkg-config --modversion libhopper)" = "$version"
mapfile -t shared < <(flags)
mapfile -t static < <(flags --static)

check "C program compiles" \
    "${cc[@]}" -std=c11 "${warnings[@]}" "${cflags[@]}" -o "$work/c" "$srcdir/tests/consumer/consumer.c" "${shared[@]}"
check "C program runs" "$work/c" "$work"

if [ -e "$DESTDIR$libdir/libhopper.a" ]; then
    mapfile -t static < <(printf '%s\n' "${static[@]}" | sed "s|^-lhopper$|$DESTDIR$libdir/libhopper.a|")
    check "C program links with the static library" \
        "${cc[@]}" -std=c11 "${cflags[@]}" -o "$work/s" "$srcdir/tests/consumer/consumer.c" "${static[@]}"
    check "C program with the static library runs" "$work/s" "$work"
fi

readme_example >"$work/readme.c"
check "README's example compiles" \
    "${cc[@]}" -std=c11 "${warnings[@]}" "${cflags[@]}" -o "$work/readme" "$work/readme.c" "${shared[@]}"
check "README's example runs" sh -c "cd '$work' && ./readme"

if command -v "${cxx[0]}" >/dev/null; then
    check "C++ program compiles" "${cxx[@]}" -std=c++11 "${warnings[@]}" "${cflags[@]}" -pthread -o "$work/cpp" \
        "$srcdir/tests/consumer/consumer.cpp" "${shared[@]}"
    check "C++ program runs" "$work/cpp" "$work"
else
    echo "SKIP: installed: C++ program: no C++ compiler ($CXX)"
fi

check "hopper-cat tells its version" "$DESTDIR$bindir/hopper-cat" --version
check "hopper-cat filters" filters

echo "installed: $passed passed, $failed failed"
[ $failed = 0 ]
