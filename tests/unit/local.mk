# SPDX-License-Identifier: MIT
#
# Unit tests of the pure modules of lib/, and the golden files of the format.

# The golden files are written by tests/golden/generate when the format changes; test_golden makes them anew and compares.
golden_sources = tests/golden/break.c tests/golden/engines.c tests/golden/golden.h tests/golden/make.c
check_PROGRAMS += tests/golden/generate
tests_golden_generate_SOURCES = tests/golden/generate.c $(golden_sources)
tests_golden_generate_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/support $(GOLDEN_CFLAGS)
tests_golden_generate_LDADD = tests/support/libtestplatform.la $(HOPPER_CORE) $(LIBDEFLATE_LIBS)
# One by one: programs are built beside them.
EXTRA_DIST += tests/golden/README.md tests/golden/broken-bare-rest \
	tests/golden/broken-codec-unknown tests/golden/broken-copied-file \
	tests/golden/broken-cut-header tests/golden/broken-cut-inside tests/golden/broken-cut-tail \
	tests/golden/broken-deflate-bomb tests/golden/broken-deflate-short tests/golden/broken-file-header \
	tests/golden/broken-file-missing tests/golden/broken-first-seq-ahead tests/golden/broken-footer-byte \
	tests/golden/broken-header-byte tests/golden/broken-length-prefix tests/golden/broken-no-footer \
	tests/golden/broken-not-a-queue-file tests/golden/broken-only-file-header tests/golden/broken-payload-byte \
	tests/golden/broken-raw-length tests/golden/broken-record-count tests/golden/broken-record-short \
	tests/golden/broken-repeated-frame tests/golden/broken-stored-length tests/golden/broken-zero-tail \
	tests/golden/broken-zeros-behind \
	tests/golden/future-version tests/golden/valid-bare-deflate tests/golden/valid-bare-stored \
	tests/golden/valid-big-record tests/golden/valid-bytes-deflate \
	tests/golden/valid-bytes-stored tests/golden/valid-deflate-isal tests/golden/valid-deflate-libdeflate \
	tests/golden/valid-deflate-odd tests/golden/valid-deflate-zlib tests/golden/valid-dropped-newest \
	tests/golden/valid-items tests/golden/valid-rotated

# Who includes whom in lib/; what libhopper(3) says.
dist_check_SCRIPTS += %D%/layers.sh %D%/manpage.sh %D%/mutants.sh
TESTS += %D%/layers.sh %D%/manpage.sh %D%/mutants.sh

if HAVE_CHECK
UNIT_DIR_LIBS = tests/support/libtestchan.la tests/support/libtestplatform.la $(UNIT_LIBS)
core_unit_tests = %D%/test_ahead %D%/test_codec %D%/test_file_scan %D%/test_frame %D%/test_golden %D%/test_memory %D%/test_numbers \
	%D%/test_options \
	%D%/test_queue_file %D%/test_record %D%/test_ring %D%/test_state %D%/test_sync
check_PROGRAMS += $(core_unit_tests)
TESTS += $(core_unit_tests)

%C%_test_ahead_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_ahead_LDADD = $(UNIT_DIR_LIBS)
%C%_test_codec_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_codec_LDADD = tests/support/libtestplatform.la $(UNIT_LIBS)
%C%_test_file_scan_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_file_scan_LDADD = $(UNIT_LIBS)
%C%_test_frame_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_frame_LDADD = $(UNIT_LIBS)
%C%_test_memory_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_memory_LDADD = $(UNIT_DIR_LIBS)
%C%_test_numbers_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_numbers_LDADD = tests/support/libtestplatform.la $(UNIT_LIBS)
%C%_test_state_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_state_LDADD = $(UNIT_DIR_LIBS)
%C%_test_options_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_options_LDADD = $(UNIT_LIBS)
%C%_test_queue_file_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_queue_file_LDADD = tests/support/libtestplatform.la $(UNIT_LIBS)
%C%_test_record_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_record_LDADD = $(UNIT_LIBS)
%C%_test_ring_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_ring_LDADD = $(UNIT_LIBS)
%C%_test_sync_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_test_sync_LDADD = $(UNIT_LIBS)

%C%_test_golden_SOURCES = %D%/test_golden.c tests/golden/reader.c tests/golden/reader.h $(golden_sources)
%C%_test_golden_CPPFLAGS = $(UNIT_CPPFLAGS) $(GOLDEN_CFLAGS)
%C%_test_golden_LDADD = tests/support/libtestplatform.la $(UNIT_LIBS) $(LIBDEFLATE_LIBS)
endif
