#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Who includes whom in lib/, as drawn in docs/architecture.md: a module includes only what is listed for it here, and the
# modules that may be used by all. A new line here is a decision about the architecture; draw it there as well. And who
# calls the system: nobody but those named at the end.
set -euo pipefail

: "${srcdir:=.}"
lib=$srcdir/lib
for_all='base bytes sync error annotate'
failed=0

allowed() # MODULE: what it may include besides itself and what is for all
{
    case $1 in
    sender) echo 'admit settle channel' ;;
    receiver) echo 'fetch settle channel record' ;;
    stats) echo 'channel' ;;
    admit) echo 'channel record stream' ;;
    commit) echo 'admit channel record' ;;
    fetch) echo 'settle cleanup channel record' ;;
    settle) echo 'cleanup channel' ;;
    cleanup) echo 'channel' ;;
    restore) echo 'settle channel recover' ;;
    channel) echo 'cleanup commit settle restore recover packer ahead arena deque dir memory options replay spill state' ;;
    packer) echo 'spill' ;;
    recover) echo 'dir file_scan memory_old state' ;;
    file_scan) echo 'codec dir' ;;
    deque) echo 'ring' ;;
    spill) echo 'dir memory record stream' ;;
    replay) echo 'ahead codec dir payload record' ;;
    ahead) echo 'payload' ;;
    payload) echo 'codec frame io' ;;
    stream) echo 'codec dir record' ;;
    dir) echo 'numbers options producers queue_file' ;;
    producers) echo 'frame io record' ;;
    dir_open | dir_remove | dir_sync) echo 'dir' ;;
    memory_old) echo 'memory producers record' ;;
    memory) echo 'ring state' ;;
    state) echo 'frame io' ;;
    numbers) echo 'queue_file' ;;
    queue_file) echo 'frame io producers' ;;
    codec) echo 'codec_engine' ;;
    codec_engine) echo 'codec' ;;
    codec_isal | codec_libdeflate | codec_zlib) echo 'codec codec_engine' ;;
    sync) echo 'futex' ;;
    options) echo 'codec frame producers record state' ;;
    frame) echo 'record' ;;
    arena | base | bytes | futex | sync_futex | sync_pthread | error | annotate | ring | record | io | platform_posix | version) ;;
    *)
        echo "FAILED: module $1 is not in the picture" >&2
        echo '*'
        ;;
    esac
}

for file in "$lib"/*.[ch]; do
    module=$(basename "$file" | sed 's/\.[ch]$//')
    may=" $module $(allowed "$module") $for_all "
    case $may in *' * '*) failed=1 ;; esac
    for name in $(sed -n 's/^ *# *include "\([^"]*\)\.h".*/\1/p' "$file"); do
        case $may in
        *" $name "*) ;;
        *)
            echo "FAILED: ${file##*/} includes $name.h, which is not below it" >&2
            failed=1
            ;;
        esac
    done
done

# What is for all knows nothing of the queue.
for module in $for_all; do
    for file in "$lib/$module".[ch]; do
        [ -e "$file" ] || continue
        if grep -E '^ *# *include "(ring|deque|record|frame|codec|dir|spill|replay|channel|options)\.h"' "$file" >&2; then
            echo "FAILED: ${file##*/} includes a part of the queue" >&2
            failed=1
        fi
    done
done

# futex, sync_pthread: mutexes and condition variables. sync: threads. sender: hopper_after_ms(). codec_zlib: measures zlib at open. version: pthread_once().
calls='(open|openat|close|pread|pwrite|read|write|ftruncate|fallocate|fsync|fdatasync|unlink|unlinkat|rename|renameat|mkdir'
calls="$calls"'|mkdirat|fstat|fstatat|stat|mmap|munmap|fcntl|flock|eventfd|poll|usleep|nanosleep|clock_gettime|time|malloc'
calls="$calls"'|calloc|realloc|free|getenv|printf|fprintf|abort|exit)'
for file in "$lib"/*.[ch]; do
    case ${file##*/} in platform_posix.c | futex.c | sync.c | sync_pthread.c | sender.c | codec_zlib.c | version.c) continue ;; esac
    if sed 's,/\*.*\*/,,; s,^ *\*.*,,; s,/\*.*,,' "$file" | grep -nE "(^|[^a-zA-Z0-9_>.])$calls *\\(" >&2; then
        echo "FAILED: ${file##*/} calls the system" >&2
        failed=1
    fi
done
exit $failed
