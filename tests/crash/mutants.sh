#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Canaries in the library itself: each mutant below plants one durability fault into a copy of lib/, and the crash tests
# must find it. Not part of `make check`, because each mutant costs a build:
#
#     make check TESTS= && builddir=$PWD $srcdir/tests/crash/mutants.sh [NAME...]
#
# A mutant is a name, a test (states:TEXT of the scenarios' names, step, kill), a file, a pattern and a replacement (perl,
# over the whole file). A pattern that no longer matches is an error: the list has to follow the library.
# `mutants.sh --patterns` builds nothing and looks only for that.
set -u
patterns_only=
[ "${1-}" != --patterns ] || { patterns_only=1 && shift; }
srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
builddir=${builddir:-$PWD}
CC=${CC:-cc}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -D_GNU_SOURCE -O1 -w -I$srcdir/include -I$builddir/include -I$work/lib -I$srcdir/tests/support -I$srcdir/tests/crash"
found=0 missed=0 wanted=" $* "
export HOPPER_TEST_SEED=${HOPPER_TEST_SEED:-1} HOPPER_CRASH_SAMPLES=${HOPPER_CRASH_SAMPLES:-60}

compile() # OUTPUT-DIRECTORY FILE...
{
    local out=$1 file
    shift
    [ ! "$patterns_only" ] || return 0
    mkdir -p "$out"
    for file in "$@"; do
        # shellcheck disable=SC2086 # $flags is a list
        $CC $flags -c "$file" -o "$out/$(basename "$file" .c).o" || exit 99
    done
}

cp -r "$srcdir/lib" "$work/original"
cp -r "$work/original" "$work/lib"
compile "$work/support" "$srcdir"/tests/support/{checker,crash_disk,crash_state,crash_tree,mem_disk,mem_files,mem_look,platform_mem,tmpdir}.c
compile "$work/states" "$srcdir"/tests/crash/{test_states,scenarios,scenarios_more,tick,crash_run,items,life,ledger,numbers}.c
compile "$work/step" "$srcdir"/tests/crash/{test_step,items,life,ledger,numbers}.c
compile "$work/kill" "$srcdir"/tests/crash/test_kill.c
compile "$work/objects" "$work"/original/*.c

run() # TEST
{
    case $1 in
    states:*)
        $CC -o "$work/program" "$work"/{states,support,mutated}/*.o -pthread -lz -lmsgpackc || exit 99
        HOPPER_CRASH_ONLY=${1#states:} timeout 300 "$work/program" ;;
    step)
        $CC -o "$work/program" "$work"/{step,support,mutated}/*.o -pthread -lz -lmsgpackc || exit 99
        timeout 300 "$work/program" ;;
    kill)
        $CC -o "$work/program" "$work"/{kill,support,mutated}/*.o -pthread -lz -lmsgpackc || exit 99
        timeout 300 "$work/program" ;;
    esac
}

mutant() # NAME TEST FILE PATTERN REPLACEMENT
{
    local name=$1 file=$work/lib/$3 line
    [ "$wanted" = '  ' ] || [[ $wanted == *" $name "* ]] || return 0
    rm -rf "$work/lib" "$work/mutated"
    cp -r "$work/original" "$work/lib"
    PATTERN=$4 REPLACEMENT=$5 perl -0pi -e 's/$ENV{PATTERN}/$ENV{REPLACEMENT} =~ s,\\n,\n,gr/se' "$file"
    if cmp -s "$file" "$work/original/$3"; then
        echo "mutants.sh: $name: the pattern is not in lib/$3" >&2
        exit 2
    fi
    [ ! "$patterns_only" ] || return 0
    cp -r "$work/objects" "$work/mutated"
    case $file in
    *.h) compile "$work/mutated" "$work"/lib/*.c ;;
    *) compile "$work/mutated" "$file" ;;
    esac
    line=$(run "$2" 2>&1)
    case $? in
    0)
        missed=$((missed + 1))
        echo "MISSED $name ($2)" ;;
    99)
        echo "mutants.sh: $name: the test cannot be run: $line" >&2
        exit 2 ;;
    *)
        found=$((found + 1))
        echo "found  $name: $(grep -m1 FAIL <<<"$line" | cut -c1-150)" ;;
    esac
}

mutant parent-not-synced 'states:power: one' dir_open.c 'io->fsync\(io->ctx, parent\)' '0'
mutant names-not-synced 'states:power: several' dir_sync.c 'res = dir->io->fsync\(dir->io->ctx, dir->fd\);' 'res = 0;'
mutant data-not-synced 'states:power: few' dir_sync.c 'int res = dir->io->fdatasync\(dir->io->ctx, fd\);' 'int res = 0;'
mutant sync-tried-again 'states:power: a sync' dir_sync.c 'if \(res == 0\) count_sync' 'if (res < 0) res = dir->io->fdatasync(dir->io->ctx, fd);\n    if (res == 0) count_sync'
mutant state-not-synced 'states:power: files removed' settle.c 'if \(res == 0 && is_synced\) res = [^;]*;' ''
mutant state-in-one-slot 'states:power: acknowledged' state.c 'state->generation % HPR_STATE_SLOTS \* SLOT_STEP' '(uint64_t)0'
mutant zeros-on-frames 'states:power: zeros' queue_file.c '\(size_t\)\(end - file->bytes\), file->bytes\);' '(size_t)(end - file->bytes), file->bytes - 1);'
mutant tail-not-synced 'states:power: ' file_scan.c '\(res = io->fdatasync\(io->ctx, s->fd\)\) < 0 \|\|' ''
mutant tail-name-not-synced 'states:power: ' file_scan.c '\|\| \(res = io->fsync\(io->ctx, s->dir->fd\)\) < 0' ''
mutant boot-not-compared 'states:crash: cut' memory_old.c 'memcmp\(boot_id, old->shape.boot_id, sizeof boot_id\) == 0' '1'
mutant memory-not-synced 'states:crash: cut after' memory.c 'if \(is_closed\) \{' 'if (is_closed) atomic_store(&m->header->closed, 1);\n    if (0) {'
mutant slot-first step memory.c 'if \(has_new_gaps \|\|' 'atomic_store(&m->header->slot, m->slot ^ 1U);\n    if (has_new_gaps ||'
mutant plain-slot-first step memory.h 'assert\(m->stale_places == 0\);' 'atomic_store(&m->header->slot, m->slot ^ 1U);'
mutant published-first step deque.h 'dq->plain_room -= hpr_ring_record_bytes\(len\);' 'dq->plain_room -= hpr_ring_record_bytes(len);\n    if (dq->kept_published) atomic_store(dq->kept_published, dq->tail.pos + hpr_ring_record_bytes(len));'
mutant counted-first step spill.c 'append\(sp->open, source\);' 'if (sp->open->kept) hpr_memory_fill_block(sp->open->kept, sp->open->records + 1, sp->open->raw_bytes + bytes);\n    append(sp->open, source);'
mutant place-not-kept kill settle.c 'hpr_memory_set_place\([^;]*;' ';'
mutant plain-place-not-kept kill settle.h 'hpr_memory_move_place\([^;]*;' ';'

[ "$patterns_only" ] || echo "mutants.sh: $found found, $missed missed"
[ "$missed" = 0 ]
