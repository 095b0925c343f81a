#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The lists of faults that are planted into the library now and then (tests/sched/mutants.sh, tests/crash/mutants.sh, too
# slow for `make check`) follow it: each pattern is still there.
set -eu
srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v perl >/dev/null || { echo 'no perl'; exit 77; }
export srcdir
bash "$srcdir/tests/sched/mutants.sh" --patterns
bash "$srcdir/tests/crash/mutants.sh" --patterns
