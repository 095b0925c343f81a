# SPDX-License-Identifier: MIT
#
# Instruction counts, and what is made of results: README.md explains. Needs python3; counts need valgrind.

EXTRA_PROGRAMS += %D%/bench-counts
%C%_bench_counts_SOURCES = %D%/counts.c
%C%_bench_counts_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_counts_LDADD = $(HOPPER_LIB)

EXTRA_DIST += %D%/compare %D%/counts.py %D%/counts.tsv %D%/results.py

BENCH_PY = python3
BENCH_COUNTS = $(BENCH_PY) $(srcdir)/%D%/counts.py --flags '$(CFLAGS)'

.PHONY: bench-counts bench-counts-accept
bench-counts: %D%/bench-counts$(EXEEXT)
	$(BENCH_COUNTS) %D%/bench-counts$(EXEEXT) $(srcdir)/%D%/counts.tsv
bench-counts-accept: %D%/bench-counts$(EXEEXT)
	$(BENCH_COUNTS) --accept %D%/bench-counts$(EXEEXT) $(srcdir)/%D%/counts.tsv
CLEANFILES += %D%/bench-counts$(EXEEXT)
