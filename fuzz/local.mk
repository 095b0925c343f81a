# SPDX-License-Identifier: MIT
#
# Fuzzing. `make check` replays the corpora through the targets without an engine, under the sanitizer that the tree was
# configured with, if any. `make fuzz` and `make fuzz-afl` build the same sources for an engine with build.sh, apart from
# this tree's configuration, into build-fuzz/, and run each target TIME seconds. README.md explains.

fuzz_replays = %D%/replay_lines %D%/replay_frame %D%/replay_ops %D%/replay_queue_file %D%/replay_dir \
	%D%/replay_survive
check_PROGRAMS += $(fuzz_replays)
TESTS += $(fuzz_replays)

FUZZ_SHARED = %D%/fuzz.c %D%/fuzz.h %D%/standalone.c
FUZZ_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir) -I$(top_srcdir)/%D% -I$(top_srcdir)/tests/support
FUZZ_CHANNEL = %D%/fuzz_channel.c %D%/fuzz_channel.h %D%/fuzz_platform.c %D%/fuzz_platform.h
FUZZ_LIBS = tests/support/libtestplatform.la $(HOPPER_CORE)

%C%_replay_lines_SOURCES = %D%/fuzz_lines.c cli/lines.c cli/lines.h $(FUZZ_SHARED)
%C%_replay_lines_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_TARGET='"lines"'

%C%_replay_frame_SOURCES = %D%/fuzz_frame.c %D%/fuzz_inflate.c %D%/fuzz_inflate.h $(FUZZ_SHARED)
%C%_replay_frame_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_TARGET='"frame"'
%C%_replay_frame_LDADD = $(HOPPER_CORE)

%C%_replay_ops_SOURCES = %D%/fuzz_ops.c $(FUZZ_CHANNEL) $(FUZZ_SHARED)
%C%_replay_ops_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_TARGET='"ops"'
%C%_replay_ops_LDADD = $(FUZZ_LIBS)

%C%_replay_queue_file_SOURCES = %D%/fuzz_queue_file.c %D%/fuzz_image.c %D%/fuzz_image.h $(FUZZ_CHANNEL) $(FUZZ_SHARED)
%C%_replay_queue_file_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_TARGET='"queue_file"'
%C%_replay_queue_file_LDADD = $(FUZZ_LIBS)

%C%_replay_dir_SOURCES = %D%/fuzz_dir.c $(FUZZ_CHANNEL) $(FUZZ_SHARED)
%C%_replay_dir_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_TARGET='"dir"'
%C%_replay_dir_LDADD = $(FUZZ_LIBS)

%C%_replay_survive_SOURCES = %D%/fuzz_survive.c %D%/fuzz_base.c %D%/fuzz_base.h \
	%D%/fuzz_platform.c %D%/fuzz_platform.h $(FUZZ_SHARED)
%C%_replay_survive_CPPFLAGS = $(FUZZ_CPPFLAGS) -DFUZZ_TARGET='"survive"'
%C%_replay_survive_LDADD = $(FUZZ_LIBS)

EXTRA_DIST += %D%/build.sh %D%/README.md %D%/corpus

FUZZ_BUILD = $(abs_top_builddir)/build-fuzz
TIME = 60

.PHONY: fuzz fuzz-afl fuzz-clean
fuzz:
	FUZZ_BUILD='$(FUZZ_BUILD)' TIME='$(TIME)' $(SHELL) $(top_srcdir)/%D%/build.sh run libfuzzer $(TARGETS)
fuzz-afl:
	FUZZ_BUILD='$(FUZZ_BUILD)' TIME='$(TIME)' $(SHELL) $(top_srcdir)/%D%/build.sh run afl $(TARGETS)
fuzz-clean:
	rm -rf '$(FUZZ_BUILD)'
