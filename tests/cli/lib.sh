# SPDX-License-Identifier: MIT
#
# For the tests of hopper-cat: TAP, a scratch directory, waiting for conditions. Sourced by bash.
#
# Each test is a function or a command line given to `check NAME COMMAND...`, which prints the TAP line. Everything
# happens in $scratch; hopper-cat's private directories are made in $TMPDIR, which has to be empty after each run.

set -u
export LC_ALL=C
unset HOPPER_DIR POSIXLY_CORRECT

# A job in the background of a script, or of nohup, has signals ignored, a shell cannot change that, and hopper-cat leaves
# ignored what it finds ignored: begin again with all signals as they are by default.
if [ -z "${HOPPER_TEST_SIGNALS-}" ]; then
    HOPPER_TEST_SIGNALS=default exec env --default-signal bash "$0" "$@"
fi

srcdir=$(cd "$srcdir" && pwd) || exit 99
hopper_cat=${HOPPER_CAT:-$builddir/cli/hopper-cat}
helper=${CLI_HELPER:-$builddir/tests/cli/helper}
for program in "$hopper_cat" "$helper"; do
    if [ ! -x "$program" ]; then
        echo "Bail out! $program is not there: 'make check' builds it"
        exit 99
    fi
done
seed=${HOPPER_TEST_SEED:-$(date +%s%N)}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/hopper-test.XXXXXX") || exit 99
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
cd "$scratch" || exit 99

jobs_started=()
cleanup() {
    local pid
    for pid in "${jobs_started[@]-}"; do
        if [ -n "$pid" ]; then kill -CONT "$pid" 2>/dev/null; kill -KILL "$pid" 2>/dev/null; fi
    done
    cd / && rm -rf "$scratch"
}
trap cleanup EXIT

tests=0
diag() { printf '%s\n' "$@" | sed 's/^/# /'; }

# check NAME COMMAND...: the command succeeds
check() {
    local name=$1 what
    shift
    tests=$((tests + 1))
    if what=$("$@" 2>&1); then
        echo "ok $tests - $name"
    else
        echo "not ok $tests - $name"
        diag "$*" "$what"
    fi
}

# is NAME WANTED GOT
is() {
    tests=$((tests + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $tests - $1"
    else
        echo "not ok $tests - $1"
        diag "wanted: $2" "got:    $3"
    fi
}

# like NAME PATTERN FILE: a line of FILE matches the extended regular expression
like() {
    tests=$((tests + 1))
    if grep -Eq -- "$2" "$3"; then
        echo "ok $tests - $1"
    else
        echo "not ok $tests - $1"
        diag "no line like: $2" "$(head -n 20 "$3")"
    fi
}

same() { check "$1" cmp "$2" "$3"; }
empty() { is "$1" "" "$(head -c 2000 "$2")"; }
# What is in TMPDIR, but for what TSan's own start leaves there when it is killed.
temporary_files() { find "$TMPDIR" -mindepth 1 -maxdepth 1 ! -name 'tsan.*' -printf '%f\n'; }
no_temporary_files() { is "$1: nothing left in TMPDIR" "" "$(temporary_files)"; }
skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}
finish() {
    diag "HOPPER_TEST_SEED=$seed"
    echo "1..$tests"
}

# wait_for COMMAND...: until it succeeds; at most a minute, then a failed test says what did not happen
wait_for() {
    local tries=0
    until "$@" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 3000 ]; then
            tests=$((tests + 1))
            echo "not ok $tests - waited in vain for: $*"
            return 1
        fi
        sleep 0.02
    done
}

alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! kill -0 "$1" 2>/dev/null; }
has_line() { grep -Eq -- "$1" "$2"; }
grows_by() { [ "$(wc -l <"$3")" -ge $(($2 + $1)) ]; } # LINES BEFORE FILE
has_temporary_files() { [ -n "$(temporary_files)" ]; }
is_empty_directory() { [ -z "$(ls -A "$1")" ]; }
size_is() { [ "$(stat -c %s "$2" 2>/dev/null)" = "$1" ]; }

# The last progress line in FILE shows that nothing moves, with records taken in.
stands_still() {
    local line
    line=$(tail -n 1 "$1")
    [[ $line == *" rec "* && $line != "0 rec "* && $line == *"[in 0/s out 0/s]"* ]]
}

# start NAME COMMAND...: run it in the background with NAME.in and NAME.out (FIFOs, made here) and NAME.err; its process
# id is in $pid. The caller opens both FIFOs. Signals that a shell ignores for background jobs have their defaults.
start() {
    local name=$1
    shift
    rm -f "$name.in" "$name.out"
    mkfifo "$name.in" "$name.out"
    : >"$name.err" # what an earlier one has said must not be waited for: the new one is opened after the pipes
    set -m
    "$@" <"$name.in" >"$name.out" 2>"$name.err" &
    pid=$!
    set +m
    jobs_started+=("$pid")
}

# full_pipe NAME: a FIFO with not a byte of room, held open as descriptor 9, that nobody reads
full_pipe() {
    rm -f "$1"
    mkfifo "$1"
    exec 9<>"$1"
    dd if=/dev/zero of="$1" oflag=nonblock bs=4096 count=1024 2>"$1.dd"
    dd if=/dev/zero of="$1" oflag=nonblock bs=1 count=8192 2>"$1.dd"
}

# Wait for the end of process $1; its exit status is in $status.
reap() {
    wait "$1" 2>/dev/null
    status=$?
}
