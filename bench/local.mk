# SPDX-License-Identifier: MIT
#
# Benchmarks. Nothing here is built by `make` or `make check`; `make bench-quick` (two minutes) and `make bench` build
# what they need. Peers that need more than the library does are left out where that is not there. README.md explains.

BENCH_LIB = %D%/libbench.la
EXTRA_LTLIBRARIES = $(BENCH_LIB)
%C%_libbench_la_SOURCES = \
	%D%/args.c %D%/bench.h %D%/burst.c %D%/clock.c %D%/data.c %D%/durable.c %D%/harness.c %D%/wake.c
%C%_libbench_la_CPPFLAGS = $(BENCH_CPPFLAGS)

BENCH_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/%D%
BENCH_OURS = \
	%D%/bench-run$(EXEEXT) \
	%D%/bench-hopper$(EXEEXT) \
	%D%/bench-pipe$(EXEEXT) \
	%D%/bench-spsc$(EXEEXT) \
	%D%/bench-codec$(EXEEXT) \
	%D%/bench-file$(EXEEXT) \
	%D%/bench-futex$(EXEEXT) \
	%D%/bench-lines$(EXEEXT) \
	%D%/bench-parts$(EXEEXT) \
	%D%/bench-through$(EXEEXT)
BENCH_MAYBE =
EXTRA_PROGRAMS = \
	%D%/bench-run %D%/bench-hopper %D%/bench-pipe %D%/bench-spsc %D%/bench-codec %D%/bench-file %D%/bench-futex \
	%D%/bench-lines %D%/bench-parts %D%/bench-through %D%/bench-zmq %D%/bench-urcu %D%/bench-ck

%C%_bench_run_SOURCES = \
	%D%/added.c %D%/run.c %D%/run.h %D%/plan.c %D%/plan_disk.c %D%/plan_disk.h %D%/plan_parts.c %D%/plan_parts.h \
	%D%/child.c %D%/load.c %D%/report.c
%C%_bench_run_LDADD =

# The one test here: it measures nothing, and needs no other program than the runner.
dist_check_SCRIPTS += %D%/added.sh
TESTS += %D%/added.sh
%D%/added.log: %D%/bench-run$(EXEEXT)

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

%C%_bench_codec_SOURCES = %D%/peers/codec.c %D%/peers/codec.h
%C%_bench_codec_CPPFLAGS = $(BENCH_CPPFLAGS) $(ZLIB_CFLAGS)
%C%_bench_codec_LDADD = $(BENCH_LIB) $(ZLIB_LIBS)

%C%_bench_file_SOURCES = %D%/peers/file.c %D%/peers/commit.c %D%/peers/commit.h
%C%_bench_file_CPPFLAGS = $(BENCH_CPPFLAGS)
%C%_bench_file_LDADD = $(BENCH_LIB)

%C%_bench_futex_SOURCES = %D%/peers/futex.c
%C%_bench_futex_CPPFLAGS = $(BENCH_CPPFLAGS)
%C%_bench_futex_LDADD = $(BENCH_LIB)

# Parts of the library and of hopper-cat, from inside.
%C%_bench_parts_SOURCES = %D%/parts.c
%C%_bench_parts_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/%D%
%C%_bench_parts_LDADD = $(BENCH_LIB) $(HOPPER_CORE)

%C%_bench_lines_SOURCES = %D%/line_ends.c cli/lines.c cli/lines.h
%C%_bench_lines_CPPFLAGS = $(BENCH_CPPFLAGS) -I$(top_srcdir)
%C%_bench_lines_LDADD = $(BENCH_LIB)

# hopper-cat is run from where libtool linked it, not through libtool's shell script, which takes milliseconds to start.
%C%_bench_through_SOURCES = %D%/peers/through.c
%C%_bench_through_CPPFLAGS = $(BENCH_CPPFLAGS) -DBENCH_BUILD='"$(abs_top_builddir)"' -DBENCH_OBJDIR='"$(BENCH_OBJDIR)"'
%C%_bench_through_LDADD = $(BENCH_LIB)
EXTRA_%C%_bench_through_DEPENDENCIES = cli/hopper-cat$(EXEEXT)
BENCH_OBJDIR = .libs

# ---- peers that need something more; configure has looked for it (m4/hopper_bench.m4)
EXTRA_DIST += \
	%D%/README.md %D%/peers/gasync.c %D%/peers/pointer.h %D%/peers/queue.cc %D%/peers/harness.rs \
	%D%/peers/std_channel.rs %D%/peers/crossbeam.rs %D%/peers/go_channel.go docs/benchmarks.md
BENCH_COMMON = \
	$(srcdir)/%D%/args.c $(srcdir)/%D%/burst.c $(srcdir)/%D%/clock.c $(srcdir)/%D%/data.c $(srcdir)/%D%/durable.c \
	$(srcdir)/%D%/harness.c $(srcdir)/%D%/wake.c

%C%_bench_zmq_SOURCES = %D%/peers/zmq.c
%C%_bench_zmq_CPPFLAGS = $(BENCH_CPPFLAGS) $(BENCH_ZMQ_CFLAGS)
%C%_bench_zmq_LDADD = $(BENCH_LIB) $(BENCH_ZMQ_LIBS)
if BENCH_HAVE_ZMQ
BENCH_MAYBE += %D%/bench-zmq$(EXEEXT)
endif

%C%_bench_urcu_SOURCES = %D%/peers/urcu.c
%C%_bench_urcu_CPPFLAGS = $(BENCH_CPPFLAGS) $(BENCH_URCU_CFLAGS)
%C%_bench_urcu_LDADD = $(BENCH_LIB) $(BENCH_URCU_LIBS)
if BENCH_HAVE_URCU
BENCH_MAYBE += %D%/bench-urcu$(EXEEXT)
endif

%C%_bench_ck_SOURCES = %D%/peers/ck.c %D%/peers/pointer.h
%C%_bench_ck_CPPFLAGS = $(BENCH_CPPFLAGS) $(BENCH_CK_CFLAGS)
%C%_bench_ck_LDADD = $(BENCH_LIB) $(BENCH_CK_LIBS)
if BENCH_HAVE_CK
BENCH_MAYBE += %D%/bench-ck$(EXEEXT)
endif

# Without our warnings: GLib's headers are not written for them.
if BENCH_HAVE_GLIB
BENCH_MAYBE += %D%/bench-gasync
endif
%D%/bench-gasync: $(srcdir)/%D%/peers/gasync.c $(srcdir)/%D%/peers/pointer.h $(BENCH_COMMON) $(srcdir)/%D%/bench.h
	$(AM_V_CC)$(CC) -std=c11 $(DEFS) $(CPPFLAGS) $(CFLAGS) -I$(srcdir)/%D% $(BENCH_GLIB_CFLAGS) -pthread -o $@ \
	  $(srcdir)/%D%/peers/gasync.c $(BENCH_COMMON) $(LDFLAGS) $(BENCH_GLIB_LIBS)

# C++, by a compiler that nothing else needs. (-iquote: with -I, bench/compare would hide the header <compare>.)
if BENCH_HAVE_QUEUE
BENCH_MAYBE += %D%/bench-queue
endif
%D%/bench-queue: $(srcdir)/%D%/peers/queue.cc $(BENCH_LIB) $(srcdir)/%D%/bench.h
	$(AM_V_CC)$(BENCH_CXX) -std=c++20 $(DEFS) $(CPPFLAGS) -O2 -g -Wall -Wextra -iquote $(srcdir)/%D% $(BENCH_QUEUE_CFLAGS) \
	  -pthread -c -o $@.o $(srcdir)/%D%/peers/queue.cc
	$(AM_V_CCLD)$(LIBTOOL) $(AM_V_lt) --tag=CC --mode=link $(BENCH_CXX) -pthread -o $@ $@.o $(BENCH_LIB) $(LDFLAGS)

# Rust: the standard library's channels, and crossbeam's from the sources of Debian's crates. (MAKEFLAGS: rustc would
# look for a jobserver.)
BENCH_RUST = MAKEFLAGS= $(RUSTC) -O --edition 2021
if BENCH_HAVE_RUSTC
BENCH_MAYBE += %D%/bench-std
endif
%D%/bench-std: $(srcdir)/%D%/peers/std_channel.rs $(srcdir)/%D%/peers/harness.rs
	$(AM_V_GEN)$(BENCH_RUST) -o $@ $(srcdir)/%D%/peers/std_channel.rs

if BENCH_HAVE_CROSSBEAM
BENCH_MAYBE += %D%/bench-crossbeam
endif
BENCH_CRATE = MAKEFLAGS= $(RUSTC) -O --edition 2018 --cap-lints allow --crate-type rlib --out-dir %D%/crates \
	-L %D%/crates --cfg 'feature="std"'
BENCH_CFG_IF = --extern cfg_if=%D%/crates/libcfg_if.rlib
BENCH_UTILS = --extern crossbeam_utils=%D%/crates/libcrossbeam_utils.rlib
%D%/bench-crossbeam: $(srcdir)/%D%/peers/crossbeam.rs $(srcdir)/%D%/peers/harness.rs
	@$(MKDIR_P) %D%/crates
	$(AM_V_GEN)$(BENCH_CRATE) --crate-name cfg_if "$(BENCH_CRATES)"/cfg-if-1.*/src/lib.rs
	$(AM_V_at)$(BENCH_CRATE) --crate-name crossbeam_utils $(BENCH_CFG_IF) "$(BENCH_CRATES)"/crossbeam-utils-*/src/lib.rs
	$(AM_V_at)$(BENCH_CRATE) --crate-name crossbeam_channel $(BENCH_CFG_IF) $(BENCH_UTILS) \
	  "$(BENCH_CRATES)"/crossbeam-channel-*/src/lib.rs
	$(AM_V_at)$(BENCH_RUST) -L %D%/crates --extern crossbeam_channel=%D%/crates/libcrossbeam_channel.rlib \
	  -o $@ $(srcdir)/%D%/peers/crossbeam.rs

# Go: its cache is thrown away, as it belongs to the user.
if BENCH_HAVE_GO
BENCH_MAYBE += %D%/bench-go
endif
%D%/bench-go: $(srcdir)/%D%/peers/go_channel.go
	$(AM_V_GEN)cache=`mktemp -d` && \
	GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOCACHE=$$cache $(GO) build -o $@ $(srcdir)/%D%/peers/go_channel.go; \
	status=$$?; rm -rf "$$cache"; exit $$status

# ---- running: queue files go to BENCH_DIR, raw results to BENCH_OUT; BENCH_FLAGS as bench-run understands them
BENCH_DIR = .
BENCH_OUT = bench-results.tsv
BENCH_FLAGS =
BENCH_RUN = %D%/bench-run$(EXEEXT)

.PHONY: bench bench-quick bench-build
bench-build: $(BENCH_OURS) $(BENCH_MAYBE)
	@test -z "$(BENCH_LEFT_OUT)" || echo "bench: not found by configure, so left out:$(BENCH_LEFT_OUT)" >&2
bench-quick: bench-build
	$(BENCH_RUN) --quick --bin %D% --dir '$(BENCH_DIR)' --out '$(BENCH_OUT)' $(BENCH_FLAGS)
bench: bench-build
	$(BENCH_RUN) --bin %D% --dir '$(BENCH_DIR)' --out '$(BENCH_OUT)' $(BENCH_FLAGS)
CLEANFILES += $(BENCH_OURS) $(BENCH_MAYBE) $(BENCH_LIB) bench-results.tsv bench-results.series.tsv
CLEANFILES += %D%/bench-queue.o %D%/crates/*.rlib
