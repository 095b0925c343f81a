# SPDX-License-Identifier: MIT
#
# For the tests of hopper-queue, beside lib.sh.

# The program has one thread, and these tests start it some thousand times: TSan would only take its time.
case ${HOPPER_TEST_SANITIZER-} in
*thread*)
    echo "1..0 # SKIP hopper-queue has one thread"
    exit 0
    ;;
esac

. "$srcdir/tests/cli/lib.sh"

queue=${HOPPER_QUEUE:-$builddir/cli/hopper-queue}
rig=${QUEUE_RIG:-$builddir/tests/cli/queue_rig}
golden=$srcdir/tests/golden

# All that is in directory $1: names, sizes, modes, times of change, bytes (of what is not giant).
picture() {
    (cd "$1" && find . -printf '%P %y %s %m %n %T@ %C@ %l\n' | sort && find . -type f -size -100M -exec cksum {} + | sort)
}

# reads_only NAME DIR COMMAND...: the command, whatever it exits with, changes nothing in DIR; its output is in `out`
reads_only() {
    local name=$1 dir=$2 before
    shift 2
    before=$(picture "$dir")
    timeout 60 "$@" >out 2>err </dev/null
    status=$?
    is "$name: changes nothing" "$before" "$(picture "$dir")"
}

# verdict DIR: the exit status of verify
verdict() {
    "$queue" verify "$1" >verdict.out 2>&1
    echo $?
}

# The value of KEY in FILE, as info or the rig print it.
value() { awk -v key="$1" '$1 == key { print $2 }' "$2"; }

json_of() { "$queue" cat --json "$@" 2>json.err; }
