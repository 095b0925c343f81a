#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What libhopper.so exports, what the public headers declare HOPPER_API, and what the version script lists must be the
# same names: a function missing from one of them is a link error for users, one too many a promise nobody meant.
set -euo pipefail

: "${srcdir:=.}" "${builddir:=.}"
library=$builddir/lib/.libs/libhopper.so
if [ ! -e "$library" ]; then
    echo "skipped: no shared library was built" >&2
    exit 77
fi

# Comments go first (they name functions too), then each declaration is one line up to its first parenthesis.
declared()
{
    cat "$srcdir"/include/hopper/*.h "$srcdir"/include/hopper/*.h.in | grep -v '^#' | tr '\n' ' ' |
        sed -e 's,/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/, ,g' | tr ';{}' '\n\n\n' |
        sed -n 's/.*HOPPER_API[^(]*\bhopper_\([a-z0-9_]*\) *(.*/hopper_\1/p' | sort
}

mapped() { sed -n 's/^ *\(hopper_[a-z0-9_]*\);$/\1/p' "$srcdir/lib/libhopper.map" | sort; }

exported() { nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort; }

compare() # WHAT A, WHAT B: two names of functions above
{
    if ! diff -u --label "$1" --label "$2" <("$1") <("$2"); then
        echo "FAILED: $1 and $2 differ" >&2
        failed=1
    fi
}

failed=0
count=$(declared | wc -l)
if [ "$count" -lt 20 ]; then
    echo "FAILED: only $count declarations found in the headers: this test no longer reads them rightly" >&2
    failed=1
fi
compare declared mapped
compare declared exported
echo "$count functions declared"
exit $failed
