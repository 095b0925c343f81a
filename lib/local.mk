# SPDX-License-Identifier: MIT
#
# The library. All of it is compiled once into libhopper_core, which feeds libhopper and the unit tests.

noinst_LTLIBRARIES += %D%/libhopper_core.la
%C%_libhopper_core_la_SOURCES = \
	%D%/admit.c %D%/admit.h \
	%D%/ahead.c %D%/ahead.h \
	%D%/annotate.h \
	%D%/arena.c %D%/arena.h \
	%D%/base.h \
	%D%/bytes.h \
	%D%/channel.c %D%/channel.h \
	%D%/cleanup.c %D%/cleanup.h \
	%D%/codec.c %D%/codec.h %D%/codec_engine.h %D%/codec_isal.c %D%/codec_libdeflate.c \
	%D%/codec_zlib.c \
	%D%/commit.c %D%/commit.h \
	%D%/deque.c %D%/deque.h \
	%D%/dir.c %D%/dir.h %D%/dir_open.c %D%/dir_remove.c %D%/dir_sync.c \
	%D%/error.c %D%/error.h \
	%D%/fetch.c %D%/fetch.h \
	%D%/file_scan.c %D%/file_scan.h \
	%D%/frame.c %D%/frame.h \
	%D%/futex.c %D%/futex.h \
	%D%/io.c %D%/io.h \
	%D%/memory.c %D%/memory.h \
	%D%/memory_old.c %D%/memory_old.h \
	%D%/numbers.c %D%/numbers.h \
	%D%/options.c %D%/options.h \
	%D%/packer.c %D%/packer.h \
	%D%/payload.c %D%/payload.h \
	%D%/platform_posix.c \
	%D%/producers.c %D%/producers.h \
	%D%/queue_file.c %D%/queue_file.h \
	%D%/receiver.c \
	%D%/record.c %D%/record.h \
	%D%/recover.c %D%/recover.h \
	%D%/replay.c %D%/replay.h \
	%D%/restore.c %D%/restore.h \
	%D%/ring.c %D%/ring.h \
	%D%/sender.c \
	%D%/settle.c %D%/settle.h \
	%D%/spill.c %D%/spill.h \
	%D%/state.c %D%/state.h \
	%D%/stats.c \
	%D%/stream.c %D%/stream.h \
	%D%/sync.c %D%/sync.h %D%/sync_futex.c %D%/sync_pthread.c \
	%D%/version.c
%C%_libhopper_core_la_CPPFLAGS = $(CORE_CPPFLAGS)
%C%_libhopper_core_la_CFLAGS = $(AM_CFLAGS) $(VISIBILITY_CFLAGS)
%C%_libhopper_core_la_LIBADD = $(MSGPACK_LIBS) $(DEFLATE_LIBS)

# -version-info CURRENT:REVISION:AGE counts interfaces; it has nothing to do with the package's version.
lib_LTLIBRARIES += %D%/libhopper.la
%C%_libhopper_la_SOURCES =
%C%_libhopper_la_LIBADD = %D%/libhopper_core.la
%C%_libhopper_la_LDFLAGS = $(HARDEN_LDFLAGS) $(DEFS_LDFLAGS) $(SAN_CFLAGS) -no-undefined -version-info 0:0:0 \
	-Wl,--version-script=$(top_srcdir)/lib/libhopper.map
EXTRA_lib_libhopper_la_DEPENDENCIES = %D%/libhopper.map
EXTRA_DIST += %D%/libhopper.map

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = %D%/libhopper.pc

hopperdir = $(includedir)/hopper
dist_hopper_HEADERS = \
	include/hopper/error.h \
	include/hopper/hopper.h \
	include/hopper/options.h \
	include/hopper/platform.h \
	include/hopper/stats.h
nodist_hopper_HEADERS = include/hopper/version.h
