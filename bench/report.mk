# SPDX-License-Identifier: MIT
#
# Instruction counts, and what is made of results: README.md explains. Needs python3; counts need valgrind.

EXTRA_PROGRAMS += %D%/bench-counts
%C%_bench_counts_SOURCES = %D%/counts.c
%C%_bench_counts_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_counts_LDADD = $(HOPPER_LIB)

EXTRA_PROGRAMS += %D%/bench-growth
%C%_bench_growth_SOURCES = %D%/growth.c
%C%_bench_growth_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_growth_LDADD = $(HOPPER_LIB)

EXTRA_DIST += %D%/compare %D%/counts.py %D%/counts.tsv %D%/plots.py %D%/report.py %D%/results.py \
	%D%/targets.py docs/benchmarks

BENCH_PY = python3
BENCH_COUNTS = $(BENCH_PY) $(srcdir)/%D%/counts.py --flags '$(CFLAGS)'

.PHONY: bench-counts bench-counts-accept
bench-counts: %D%/bench-counts$(EXEEXT)
	$(BENCH_COUNTS) %D%/bench-counts$(EXEEXT) $(srcdir)/%D%/counts.tsv
bench-counts-accept: %D%/bench-counts$(EXEEXT)
	$(BENCH_COUNTS) --accept %D%/bench-counts$(EXEEXT) $(srcdir)/%D%/counts.tsv

BENCH_LARGEST = 16
.PHONY: bench-growth
bench-growth: %D%/bench-growth$(EXEEXT)
	%D%/bench-growth$(EXEEXT) --dir '$(BENCH_DIR)' --largest '$(BENCH_LARGEST)'

# Writes into the source tree: the document's generated parts and its pictures.
.PHONY: bench-report
bench-report:
	$(BENCH_PY) $(srcdir)/%D%/report.py '$(BENCH_OUT)' $(srcdir)/%D%/counts.tsv $(top_srcdir)/docs/benchmarks.md

CLEANFILES += %D%/bench-counts$(EXEEXT) %D%/bench-growth$(EXEEXT)
