# SPDX-License-Identifier: MIT
#
# Benchmarks. Nothing here is built by `make` or `make check`; `make bench-quick` (two minutes) and `make bench` build
# what they need. Peers that need more than the library does are left out where that is not there. README.md explains.

BENCH_LIB = %D%/libbench.la
EXTRA_LTLIBRARIES = $(BENCH_LIB)
%C%_libbench_la_SOURCES = %D%/args.c %D%/bench.h %D%/data.c %D%/harness.c
%C%_libbench_la_CPPFLAGS = $(BENCH_CPPFLAGS)

BENCH_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/%D%
BENCH_OURS = \
	%D%/bench-run$(EXEEXT) \
	%D%/bench-hopper$(EXEEXT) \
	%D%/bench-pipe$(EXEEXT) \
	%D%/bench-spsc$(EXEEXT) \
	%D%/bench-codec$(EXEEXT) \
	%D%/bench-file$(EXEEXT)
BENCH_MAYBE = %D%/bench-gasync %D%/bench-std
EXTRA_PROGRAMS = \
	%D%/bench-run %D%/bench-hopper %D%/bench-pipe %D%/bench-spsc %D%/bench-codec %D%/bench-file

%C%_bench_run_SOURCES = %D%/run.c %D%/run.h %D%/plan.c %D%/child.c %D%/load.c %D%/report.c
%C%_bench_run_LDADD =

%C%_bench_hopper_SOURCES = %D%/bench_hopper.c
%C%_bench_hopper_CPPFLAGS = $(BENCH_CPPFLAGS)
%C%_bench_hopper_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_hopper_LDADD = $(BENCH_LIB) $(HOPPER_LIB)

%C%_bench_pipe_SOURCES = %D%/peers/pipe.c
%C%_bench_pipe_CPPFLAGS = $(BENCH_CPPFLAGS)
%C%_bench_pipe_LDADD = $(BENCH_LIB)

%C%_bench_spsc_SOURCES = %D%/peers/spsc.c
%C%_bench_spsc_CPPFLAGS = $(BENCH_CPPFLAGS)
%C%_bench_spsc_LDADD = $(BENCH_LIB)

%C%_bench_codec_SOURCES = %D%/peers/codec.c
%C%_bench_codec_CPPFLAGS = $(BENCH_CPPFLAGS) $(ZLIB_CFLAGS)
%C%_bench_codec_LDADD = $(BENCH_LIB) $(ZLIB_LIBS)

%C%_bench_file_SOURCES = %D%/peers/file.c
%C%_bench_file_CPPFLAGS = $(BENCH_CPPFLAGS)
%C%_bench_file_LDADD = $(BENCH_LIB)

EXTRA_DIST += %D%/README.md %D%/peers/gasync.c %D%/peers/std_channel.rs docs/benchmarks.md

# ---- peers that need something more
BENCH_COMMON = $(srcdir)/%D%/args.c $(srcdir)/%D%/data.c $(srcdir)/%D%/harness.c
RUSTC = rustc

%D%/bench-gasync: %D%/peers/gasync.c %D%/args.c %D%/data.c %D%/harness.c %D%/bench.h
	@if $(PKG_CONFIG) --exists glib-2.0; then \
	  echo '  CC       $@'; \
	  $(CC) -std=c11 $(DEFS) $(CPPFLAGS) $(CFLAGS) -I$(srcdir)/%D% `$(PKG_CONFIG) --cflags glib-2.0` -pthread -o $@ \
	    $(srcdir)/%D%/peers/gasync.c $(BENCH_COMMON) $(LDFLAGS) `$(PKG_CONFIG) --libs glib-2.0`; \
	else rm -f $@; echo 'bench: no GLib (Debian: libglib2.0-dev): without GAsyncQueue' >&2; fi

%D%/bench-std: %D%/peers/std_channel.rs
	@if $(RUSTC) --version >/dev/null 2>&1; then \
	  echo '  RUSTC    $@'; \
	  MAKEFLAGS= $(RUSTC) -O --edition 2021 -o $@ $(srcdir)/%D%/peers/std_channel.rs; \
	else rm -f $@; echo 'bench: no rustc (Debian: rustc): without the channels of Rust' >&2; fi

# ---- running: queue files go to BENCH_DIR, raw results to BENCH_OUT; BENCH_FLAGS as bench-run understands them
BENCH_DIR = .
BENCH_OUT = bench-results.tsv
BENCH_FLAGS =
BENCH_RUN = %D%/bench-run$(EXEEXT)

.PHONY: bench bench-quick bench-build
bench-build: $(BENCH_OURS) $(BENCH_MAYBE)
bench-quick: bench-build
	$(BENCH_RUN) --quick --bin %D% --dir '$(BENCH_DIR)' --out '$(BENCH_OUT)' $(BENCH_FLAGS)
bench: bench-build
	$(BENCH_RUN) --bin %D% --dir '$(BENCH_DIR)' --out '$(BENCH_OUT)' $(BENCH_FLAGS)
CLEANFILES += $(BENCH_OURS) $(BENCH_MAYBE) $(BENCH_LIB) bench-results.tsv
