#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The demonstration: real text through hopper-cat, with 1 MiB of memory and a slow reader.
#
# The text of this machine (package lists, dictionaries, documentation, logs) is collected and piped, repeated, through
# hopper-cat. The reader does not read at all at first, then slowly, then as fast as it can; the writer is not held up.
# Checksums of both ends, the books and the process's peak memory are shown at the end. Exits 0 only when what came out
# is what went in, the whole process stayed below 16 MiB, and no queue file is left behind.
#
#     demo.sh [HOPPER_CAT]     HOPPER_MB: MiB to pipe (default 256)
set -euo pipefail

hopper_cat=${1:-hopper-cat}
input_mb=${HOPPER_MB:-256}
memory=1M
peak_kb_max=16384

work=$(mktemp -d "${TMPDIR:-/tmp}/hopper-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/spool"

say() { printf '%s\n' "$*"; }
since() { awk -v a="$1" -v b="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.1f s", b - a }'; }

# The machine's text, at most 64 MiB of it. What a user may not read is left out.
collect()
{
    {
        find /var/lib/dpkg/status /usr/share/dict /usr/share/common-licenses /usr/share/perl* /usr/lib/python3* \
            /var/log /usr/include -type f -size -20000k -readable ! -name '*.gz' ! -name '*.xz' -print0 2>/dev/null || true
        find /var/lib/apt/lists -maxdepth 1 -name '*_Packages' -readable -print0 2>/dev/null || true
        find /usr/share/doc -name copyright -type f -readable -print0 2>/dev/null || true
    } | { xargs -0 -r cat 2>/dev/null || true; } | head -c 67108864 >"$work/text"
}

# INPUT_MB MiB of that text, again and again, and a part of it at the end.
produce()
{
    local size bytes=$((input_mb * 1048576))
    size=$(stat -c %s "$work/text")
    for (( ; bytes >= size; bytes -= size)); do cat "$work/text"; done
    head -c $bytes "$work/text"
}

# Stopped for 3 s, then 16 MiB every half second for 3 s, then all the rest.
read_slowly()
{
    sleep 3
    for ((i = 0; i < 6; i++)); do
        head -c 16777216
        sleep 0.5
    done
    cat
}

# The highest VmHWM of process $1, looked at until it is gone.
watch_peak()
{
    local kb
    while kb=$(awk '/^VmHWM/ { print $2 }' "/proc/$1/status" 2>/dev/null) && [ -n "$kb" ]; do
        echo "$kb" >"$work/peak.new" && mv "$work/peak.new" "$work/peak"
        sleep 0.1
    done
}

collect
[ -s "$work/text" ] || { say "demo: no text found on this machine" >&2; exit 1; }
say "text of this machine: $(stat -c %s "$work/text") bytes, $(wc -l <"$work/text") lines; piped until it is $input_mb MiB"
say "hopper-cat has $memory of memory and may use 2G of disk; the reader sleeps 3 s, then reads slowly, then fast"
say

mkfifo "$work/in" "$work/out" "$work/tee"
started=${EPOCHREALTIME/,/.}
sha256sum <"$work/tee" >"$work/in.sha256" &
sum_pid=$!
{
    produce | tee "$work/tee" >"$work/in"
    since "$started" >"$work/produced"
} &
producer_pid=$!
"$hopper_cat" -m $memory --max-disk=2G -s 16M -d "$work/spool" -p -f -i 0.5 -S <"$work/in" >"$work/out" &
cat_pid=$!
watch_peak $cat_pid &
watch_pid=$!
read_slowly <"$work/out" | sha256sum >"$work/out.sha256"
consumed=$(since "$started")

status=0
wait $cat_pid || status=$?
wait $producer_pid $sum_pid $watch_pid

sent=$(cut -d' ' -f1 "$work/in.sha256")
received=$(cut -d' ' -f1 "$work/out.sha256")
peak_kb=$(cat "$work/peak" 2>/dev/null || echo 0)
left=$(find "$work/spool" -type f -name '*.hq' | wc -l)
say
say "writer done after  $(cat "$work/produced")"
say "reader done after  $consumed"
say "sent      sha256   $sent"
say "received  sha256   $received"
if [ "$peak_kb" -gt 0 ]; then
    say "peak memory        $peak_kb KiB of the whole process; its queue's budget was $memory, the text $((input_mb * 1024)) KiB"
else
    say "peak memory        not known: no /proc"
fi
say "exit status        $status, queue files left: $left"

if [ $status -ne 0 ] || [ "$sent" != "$received" ] || [ "$peak_kb" -gt $peak_kb_max ] || [ "$left" -ne 0 ]; then
    say "demo: FAILED" >&2
    exit 1
fi
say "What came out is what went in."
