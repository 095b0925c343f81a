#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build the fuzz targets for an engine, with flags of their own, apart from how the tree was configured, and run them.
#
#   fuzz/build.sh ENGINE [TARGET...]          compile into $FUZZ_BUILD (build-fuzz/ENGINE)
#   fuzz/build.sh run ENGINE [TARGET...]      and run each target for $TIME seconds; stops at the first finding
#
# ENGINE: libfuzzer   clang's engine with ASan and UBSan
#         afl         AFL++ (afl-clang-fast), the same sources
#         standalone  a main() that replays files, with ASan and UBSan: for debugging
#         coverage    the same with clang's coverage counters, for llvm-cov
# Without TARGET: all of them. Environment: CC, CFLAGS (added), TIME, FUZZ_BUILD, FUZZ_WORK (where found inputs go),
# FUZZ_DEFLATE: the engines of deflate beside zlib's: isal, libdeflate, "isal libdeflate", zlib (none), auto (all that are
# found, for the target frame more than a build of the library has; the default).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
all_targets='queue_file ops dir survive lines frame'

die() {
    echo "fuzz: $*" >&2
    exit 1
}

find_clang() {
    for cc in ${CC:-} clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
        if command -v "$cc" >/dev/null 2>&1 && "$cc" --version 2>/dev/null | grep -q clang; then
            echo "$cc"
            return
        fi
    done
    die 'clang was not found (Debian: apt-get install clang)'
}

# The compiler in $cc, its flags in $flags. Only what is tested counts for coverage: lib/ and cli/ are compiled by
# $guided_cc with $guide as well, and so is the link, with $link.
choose_engine() {
    sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'
    common='-g -fno-omit-frame-pointer -UNDEBUG'
    guide=
    guided_cc=
    link=
    case $1 in
    libfuzzer)
        cc=$(find_clang)
        flags="-O1 $common $sanitize"
        guide='-fsanitize=fuzzer-no-link'
        link='-fsanitize=fuzzer'
        ;;
    afl)
        command -v afl-clang-fast >/dev/null 2>&1 || die 'afl-clang-fast was not found (Debian: apt-get install afl++)'
        cc=$(find_clang)
        guided_cc=afl-clang-fast
        flags="-O2 $common -fsanitize=undefined -fno-sanitize-recover=all"
        link='-fsanitize=fuzzer'
        AFL_QUIET=1
        export AFL_QUIET
        ;;
    standalone)
        cc=${CC:-cc}
        flags="-O1 $common $sanitize"
        ;;
    coverage)
        cc=$(find_clang)
        flags="-O1 $common -fprofile-instr-generate -fcoverage-mapping"
        ;;
    *)
        die "no engine is called $1: libfuzzer, afl, standalone or coverage"
        ;;
    esac
}

add_codec() { # isal, libdeflate or zlib
    case $1 in
    isal) module=libisal macro=HPR_ISAL ;;
    libdeflate) module=libdeflate macro=HPR_LIBDEFLATE ;;
    zlib) return ;;
    *) die "FUZZ_DEFLATE is auto or some of zlib, isal, libdeflate, not $FUZZ_DEFLATE" ;;
    esac
    if ! pkg-config --exists $module 2>/dev/null; then
        [ -z "${FUZZ_DEFLATE:-}" ] || [ "$FUZZ_DEFLATE" = auto ] ||
            die "$module was not found (Debian: apt-get install libisal-dev or libdeflate-dev)"
        return 0
    fi
    flags="$flags -D$macro $(pkg-config --cflags $module)"
    libs_deflate="$libs_deflate $(pkg-config --libs $module)"
}

choose_deflate() {
    libs_deflate=
    case ${FUZZ_DEFLATE:-auto} in
    auto) codecs='isal libdeflate' ;;
    *) codecs=$FUZZ_DEFLATE ;;
    esac
    for codec in $codecs; do add_codec "$codec"; done
}

# What a target is made of besides fuzz_TARGET.c and fuzz.c.
sources_of() {
    case $1 in
    lines) echo cli/lines.c ;;
    frame) echo fuzz/fuzz_inflate.c lib/frame.c lib/codec.c lib/codec_isal.c lib/codec_libdeflate.c lib/codec_zlib.c
        echo lib/record.c ;;
    ops | dir)
        echo lib fuzz/fuzz_channel.c fuzz/fuzz_platform.c
        (cd "$top" && ls tests/support/platform_mem.c tests/support/mem_*.c)
        ;;
    queue_file) echo "$(sources_of ops)" fuzz/fuzz_image.c ;;
    survive)
        echo lib fuzz/fuzz_base.c fuzz/fuzz_platform.c
        (cd "$top" && ls tests/support/platform_mem.c tests/support/mem_*.c)
        ;;
    *) die "no target is called $1: $all_targets" ;;
    esac
}

compile() { # SOURCE: an object for each, made anew when the source or any header is newer
    object=$out/obj/$(echo "${1%.c}" | tr / _).o
    objects="$objects $object"
    if [ ! -e "$object" ] || [ -n "$(find "$top/$1" "$out/stamp" "$top"/lib/*.h "$top"/include/hopper/*.h \
        "$top"/fuzz/*.h "$top"/cli/*.h "$top"/tests/support/*.h -newer "$object" -print -quit)" ]; then
        case $1 in
        lib/* | cli/*) compiler="${guided_cc:-$cc} $guide" ;;
        *) compiler=$cc ;;
        esac
        # shellcheck disable=SC2086
        $compiler -std=c11 -D_GNU_SOURCE $flags ${CFLAGS:-} -I"$out/include" -I"$top/include" -I"$top/lib" -I"$top" \
            -I"$top/fuzz" -I"$top/tests/support" -pthread -c "$top/$1" -o "$object" || exit 1
    fi
}

build() { # ENGINE TARGET
    objects=
    for part in fuzz/fuzz_$2.c fuzz/fuzz.c $(sources_of "$2"); do
        if [ "$part" = lib ]; then
            for file in "$top"/lib/*.c; do
                compile "lib/${file##*/}"
            done
        else
            compile "$part"
        fi
    done
    if [ -z "$link" ]; then
        object=$out/obj/standalone_$2.o
        # shellcheck disable=SC2086
        $cc -std=c11 -D_GNU_SOURCE $flags ${CFLAGS:-} "-DFUZZ_TARGET=\"$2\"" -c "$here/standalone.c" -o "$object"
        objects="$objects $object"
    fi
    # shellcheck disable=SC2086
    ${guided_cc:-$cc} $flags ${CFLAGS:-} $link $objects $libs -pthread -o "$out/fuzz_$2"
}

build_all() { # ENGINE TARGET...
    engine=$1
    shift
    choose_engine "$engine"
    out=${FUZZ_BUILD:-$top/build-fuzz}/$engine
    mkdir -p "$out/include/hopper" "$out/obj"
    version=$(sed -n 's/^AC_INIT(\[libhopper\], \[\([^]]*\)\].*/\1/p' "$top/configure.ac")
    sed "s/@PACKAGE_VERSION@/$version/" "$top/include/hopper/version.h.in" > "$out/include/hopper/version.h"
    choose_deflate
    echo "$cc $flags ${CFLAGS:-}" > "$out/stamp.new"
    cmp -s "$out/stamp" "$out/stamp.new" || mv "$out/stamp.new" "$out/stamp"
    libs="$(pkg-config --libs msgpack-c zlib 2>/dev/null || pkg-config --libs msgpack zlib 2>/dev/null ||
        echo '-lmsgpackc -lz') $libs_deflate"
    for target in "$@"; do
        build "$engine" "$target"
    done
}

run_libfuzzer() { # TARGET
    "$out/fuzz_$1" -max_total_time="$time" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$work/$1-" "$work/$1" "$here/corpus/$1" > "$work/$1.log" 2>&1 || {
        tail -n 40 "$work/$1.log" >&2
        die "$1: FINDING. The input is $work/$1-*; the whole log $work/$1.log; how to go on: fuzz/README.md"
    }
    grep -E 'number_of_executed_units|average_exec_per_sec' "$work/$1.log"
}

run_afl() { # TARGET
    AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1 \
        afl-fuzz -i "$here/corpus/$1" -o "$work/$1.afl" -V "$time" -t 5000 -m none -- "$out/fuzz_$1" \
        > "$work/$1.log" 2>&1 || die "$1: afl-fuzz did not run; see $work/$1.log"
    stats=$work/$1.afl/default/fuzzer_stats
    grep -E '^(execs_done|execs_per_sec|bitmap_cvg|stability|saved_crashes|saved_hangs)' "$stats"
    grep -Eq '^saved_(crashes|hangs) *: *[1-9]' "$stats" &&
        die "$1: FINDING. The inputs are in $work/$1.afl/default/{crashes,hangs}; how to go on: fuzz/README.md"
    return 0
}

[ $# -ge 1 ] || die 'which engine? See the top of this file'
is_run=no
if [ "$1" = run ]; then
    is_run=yes
    shift
    [ $# -ge 1 ] || die 'run which engine?'
fi
engine=$1
shift
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all_targets
build_all "$engine" "$@"
[ $is_run = yes ] || exit 0

time=${TIME:-60}
work=${FUZZ_WORK:-$out/work}
mkdir -p "$work"
for target in "$@"; do
    mkdir -p "$work/$target"
    echo "fuzz: $target with $engine for $time seconds"
    "run_$engine" "$target"
done
echo "fuzz: no finding"
