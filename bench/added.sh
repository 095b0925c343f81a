#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Peers that are given to bench-run by --peer: a row for what they do, under the name they were given, with the arguments
# that README.md promises them; no numbers from one that fails, and none at all where there is no such program. The peers
# here are scripts that measure nothing, and --bin has no others.
set -euo pipefail

run=${builddir:=.}/bench/bench-run
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -x "$run" ]

# Does the mem work and the overflow work, that only with level 1, and notes how it was called.
cat >"$work/good" <<'END'
#!/bin/bash
echo "$*" >>"${0%/*}/calls"
declare -A given=([--work]=mem [--level]=1)
while [ $# -gt 0 ]; do
    given[$1]=$2
    shift 2
done
line="messages=1000 bytes=8000 seconds=0.5 cpu=0.1 ok=${given[--ok]:-1}"
case ${given[--work]}${given[--level]} in
mem1) echo "peer=its-own-name phase=mem $line" ;;
overflow1) printf 'peer=its-own-name phase=%s %s disk_bytes=10\n' in "$line" out "$line" ;;
*) exit 77 ;;
esac
END
chmod +x "$work/good"

# measure NAME=PROGRAM [FLAG...]: what the runner says goes to $work/said, its tables to $work/tables.
measure() {
    local peer=$1 status=0
    shift
    rm -f "$work/calls" "$work/out.tsv"
    "$run" --bin "$work/nothing" --dir "$work" --out "$work/out.tsv" --rounds 1 --run-ms 1 --peer "$peer" "$@" \
        >"$work/tables" 2>"$work/said" || status=$?
    return $status
}

fail() {
    echo "$1" >&2
    cat "$work/said" "$work/calls" "$work/out.tsv" >&2 || true
    exit 1
}

# A row under the given name in the file and in the table; its arguments: the work's, and then its own.
measure "mine=$work/good" --only '8 bytes, batches of 64' || fail "a good peer fails"
rows=$(awk -F '\t' '$4 == "mine" && $5 == "mem" && $12 == 1 && $19 ~ /--batch 64/' "$work/out.tsv" | wc -l)
[ "$rows" = 3 ] || fail "$rows rows, not one for each column"
grep -q '^| mine |' "$work/tables" || fail "no row in the table"
if grep -q its-own-name "$work/out.tsv"; then fail "the name that it was given does not count"; fi
grep -q -- "--passes .* --dir $work --work mem .*--slots 131072 --senders 4" "$work/calls" || fail "other arguments"

# The first row's arguments come between, and its own last: stored is not what it does, until it says so itself.
measure "mine=$work/good" --only 'all out, stored' || fail "work that it does not do is a failure"
grep -q -- '--level 0$' "$work/calls" || fail "not the arguments of the first row"
if grep -q mine "$work/out.tsv"; then fail "a row for work that it does not do"; fi
measure "mine=$work/good --level 1" --only 'all out, stored' || fail "arguments of its own"
grep -q -- '--level 0 --level 1$' "$work/calls" || fail "its own arguments are not the last"
[ "$(awk -F '\t' '$4 == "mine"' "$work/out.tsv" | wc -l)" = 10 ] || fail "not in and out for each column"

# The pipe is for programs of another kind.
measure "mine=$work/good" --only 'The pipe' || fail "the pipe"
[ ! -e "$work/calls" ] || fail "called for the pipe"

# Two of them are two rows.
measure "mine=$work/good" --peer "other=$work/good" --only '8 bytes, room for 4096' || fail "two peers"
[ "$(cut -f 4 "$work/out.tsv" | grep -c '^mine$')" = "$(cut -f 4 "$work/out.tsv" | grep -c '^other$')" ] || fail "two rows"

# One whose checks fail makes the run fail.
if measure "mine=$work/good --ok 0" --only '8 bytes, batches'; then fail "ok=0 is no failure"; fi
grep -q 'FAILED.*good' "$work/said" || fail "who failed is not told"

# What is no peer is told before anything runs.
for peer in "$work/good" "=$work/good" 'mine=' "mine=$work/missing" "a b=$work/good"; do
    status=0
    measure "$peer" --only '8 bytes, batches' || status=$?
    [ "$status" = 2 ] || fail "'$peer' ends with $status"
    [ ! -e "$work/out.tsv" ] || fail "'$peer' begins to run"
done
