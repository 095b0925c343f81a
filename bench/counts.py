#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions, system calls and allocations for each record, counted by callgrind, beside the last accepted numbers.

    counts.py [--accept] [--only TEXT] [--flags CFLAGS] PROGRAM ACCEPTED.tsv

PROGRAM is bench-counts (counts.c). Everything that it lists runs once under callgrind; what libraries did between call
and return of its measured() is divided by the records moved. The loops of the program itself do not count. The numbers
are the same in every run of the same build, on a busy machine as well, so that a difference of a few per cent means
something; they do not tell what a cache miss or a lock between CPUs costs. They do depend on the compiler and its
flags, on the C library (whose memcpy() is chosen by processor) and on zlib: rows are compared only with accepted ones
of the same compiler, flags, processor and deflate engine.

Ends with 1 when the library's own instructions or all of them grew by more than 3 %, or system calls or allocations
appeared where none were; 77 without valgrind; 0 also when nothing was accepted yet for this compiler, and says so.
--accept writes what was counted into ACCEPTED.tsv, in place of earlier rows of the same compiler.
"""

import argparse
import csv
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

GROWTH = 0.03
KEYS = ["compiler", "flags", "machine", "engine", "work", "size"]
COUNTS = ["own", "all", "syscalls", "allocations"]
ALLOCATORS = {"malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign", "mmap"}
HEAD = """\
# Instructions for each record as bench/counts.py accepted them: own is what runs in libhopper, all adds the C library
# and the codec. System calls and allocations are for each record as well. `make bench-counts-accept` writes this file.
"""


class Profile:
    """What callgrind wrote: costs by object, calls of allocation functions."""

    def __init__(self, path):
        self.instructions = {}
        self.syscalls = 0
        self.allocations = 0
        self.names = {"ob": {}, "fn": {}}
        with open(path, encoding="utf-8", errors="replace") as lines:
            self.parse(lines)

    def name(self, kind, text):
        """The name in "(ID) NAME" or, when it was told before, "(ID)"."""
        match = re.match(r"\((\d+)\)(?: (.*))?$", text)
        if match is None:
            return text
        if match.group(2) is not None:
            self.names[kind][match.group(1)] = match.group(2)
        return self.names[kind].get(match.group(1), "")

    def parse(self, lines):
        events, here, callee, calls, is_call = [], "", "", 0, False
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith("ob="):
                here = self.name("ob", line[3:])
            elif line.startswith("cob="):
                self.name("ob", line[4:])
            elif line.startswith("fn="):
                self.name("fn", line[3:])
            elif line.startswith("cfn="):
                callee = self.name("fn", line[4:])
            elif line.startswith("calls="):
                is_call = True
                calls = int(line[6:].split()[0])
            elif line[:1] in "0123456789+-*" and line:
                costs = dict(zip(events, map(int, line.split()[1:])))
                if not is_call:
                    self.instructions[here] = self.instructions.get(here, 0) + costs.get("Ir", 0)
                    self.syscalls += costs.get("sysCount", 0)
                elif callee in ALLOCATORS and "libc" not in os.path.basename(here) and costs.get("Ir", 0) > 0:
                    self.allocations += calls  # calls that cost nothing were made outside of measured()
                is_call = False


def count(program, work, size, records):
    """Run one piece of work under callgrind; its row without the keys."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-systime=yes",
                   "--toggle-collect=measured", program, work, str(size)]
        if subprocess.run(command, check=False, env=dict(os.environ, LD_BIND_NOW="1")).returncode != 0:
            sys.exit(f"counts.py: {work}, {size} B, failed; a valgrind that cannot read clang's debugging information "
                     "needs a build with CFLAGS='-O2 -gdwarf-4'")
        profile = Profile(out)
    own = sum(n for ob, n in profile.instructions.items() if "libhopper" in os.path.basename(ob))
    ours = os.path.basename(program)
    every = sum(n for ob, n in profile.instructions.items() if os.path.basename(ob) != ours)
    if own == 0:
        sys.exit(f"counts.py: {work}: nothing was counted in libhopper; is it linked statically?")
    return {"own": own / records, "all": every / records, "syscalls": profile.syscalls / records,
            "allocations": profile.allocations / records}


def accepted_read(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return list(csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t"))


def accepted_write(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        out.write(HEAD)
        writer = csv.DictWriter(out, KEYS + COUNTS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def key_of(row):
    return tuple(str(row[key]) for key in KEYS)


def compare(row, before):
    """The words for a row and whether something grew too much."""
    if before is None:
        return "nothing accepted yet", False
    words, is_worse = [], False
    for name in ("own", "all"):
        change = float(row[name]) / float(before[name]) - 1
        words.append(f"{name} {100 * change:+.1f} %")
        is_worse = is_worse or change > GROWTH
    for name in ("syscalls", "allocations"):
        if float(row[name]) > float(before[name]) * (1 + GROWTH) + 0.0001:
            words.append(f"{name} {before[name]} -> {row[name]}")
            is_worse = True
    return ", ".join(words) + (" GREW" if is_worse else ""), is_worse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true", help="make these the accepted numbers of this compiler")
    parser.add_argument("--only", default="", help="only work whose name contains this")
    parser.add_argument("--flags", default="", help="what the library was compiled with")
    parser.add_argument("program")
    parser.add_argument("accepted")
    return parser.parse_args()


def main():
    args = arguments()
    if shutil.which("valgrind") is None:
        print("counts.py: no valgrind (Debian: valgrind)", file=sys.stderr)
        return 77
    program = os.path.abspath(args.program)
    compiler, version = subprocess.run([program, "--about"], check=True, capture_output=True,
                                       text=True).stdout.splitlines()[:2]
    engine = version.partition("deflate ")[2] or "unknown"
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.splitlines()
    before = {key_of(row): row for row in accepted_read(args.accepted)}
    keep, grew = dict(before), 0
    print(f"{compiler} {args.flags}, {platform.machine()}, {engine}; for each record:")
    print(f"{'':24}{'own':>9}{'all':>10}{'syscalls':>10}{'allocs':>9}")
    for work, size, records in (line.split() for line in listed):
        if args.only not in work:
            continue
        counts = count(program, work, size, int(records))
        row = {"compiler": compiler, "flags": args.flags, "machine": platform.machine(), "engine": engine,
               "work": work, "size": size, "own": f"{counts['own']:.1f}", "all": f"{counts['all']:.1f}",
               "syscalls": f"{counts['syscalls']:.5f}", "allocations": f"{counts['allocations']:.5f}"}
        words, is_worse = compare(row, before.get(key_of(row)))
        grew += is_worse
        keep[key_of(row)] = row
        print(f"{work + ', ' + size + ' B':24}{row['own']:>9}{row['all']:>10}{row['syscalls']:>10}"
              f"{row['allocations']:>9}  {words}", flush=True)
    if args.accept:
        accepted_write(args.accepted, keep.values())
        print(f"accepted: {args.accepted}")
        return 0
    if grew:
        print(f"{grew} grew by more than {100 * GROWTH:.0f} %. If that is worth it: make bench-counts-accept")
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
