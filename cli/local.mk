# SPDX-License-Identifier: MIT
#
# hopper-cat. It sees the library through its public headers only, as any program does.

bin_PROGRAMS += %D%/hopper-cat
%C%_hopper_cat_SOURCES = \
	%D%/args.c %D%/args.h \
	%D%/books.c %D%/books.h \
	%D%/consume.c %D%/consume.h \
	%D%/control.h \
	%D%/lines.c %D%/lines.h \
	%D%/main.c \
	%D%/output.c %D%/output.h \
	%D%/pace.c %D%/pace.h \
	%D%/persist.c %D%/persist.h \
	%D%/pipe.h \
	%D%/produce.c %D%/produce.h \
	%D%/progress.c %D%/progress.h \
	%D%/report.c %D%/report.h \
	%D%/room.c %D%/room.h \
	%D%/signals.c %D%/signals.h \
	%D%/sizes.c %D%/sizes.h \
	%D%/status.h \
	%D%/taken.c %D%/taken.h \
	%D%/tempdir.c %D%/tempdir.h \
	%D%/usage.c %D%/usage.h \
	%D%/watch.c %D%/watch.h
%C%_hopper_cat_LDADD = $(HOPPER_LIB)

dist_man_MANS += docs/hopper-cat.1

# ---- tests: the pure modules alone, and the program from a shell

if HAVE_CHECK
cli_tests = tests/cli/test_lines tests/cli/test_lines_plain tests/cli/test_output tests/cli/test_report \
	tests/cli/test_room tests/cli/test_sizes tests/cli/test_taken
check_PROGRAMS += $(cli_tests)
TESTS += $(cli_tests)
CLI_TEST_CPPFLAGS = $(API_CPPFLAGS) -I$(top_srcdir)/cli
CLI_TEST_LIBS = $(HOPPER_LIB) $(CHECK_LIBS)

tests_cli_test_lines_SOURCES = tests/cli/test_lines.c cli/lines.c
tests_cli_test_lines_CPPFLAGS = $(CLI_TEST_CPPFLAGS)
tests_cli_test_lines_LDADD = $(CLI_TEST_LIBS)
tests_cli_test_lines_plain_SOURCES = tests/cli/test_lines.c cli/lines.c
tests_cli_test_lines_plain_CPPFLAGS = $(CLI_TEST_CPPFLAGS) -DLINES_PLAIN_C
tests_cli_test_lines_plain_LDADD = $(CLI_TEST_LIBS)
tests_cli_test_output_SOURCES = tests/cli/test_output.c cli/output.c
tests_cli_test_output_CPPFLAGS = $(CLI_TEST_CPPFLAGS)
tests_cli_test_output_LDADD = $(CLI_TEST_LIBS)
tests_cli_test_report_SOURCES = tests/cli/test_report.c cli/books.c cli/progress.c
tests_cli_test_report_CPPFLAGS = $(CLI_TEST_CPPFLAGS)
tests_cli_test_report_LDADD = $(CLI_TEST_LIBS)
tests_cli_test_room_SOURCES = tests/cli/test_room.c cli/room.c
tests_cli_test_room_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/cli
tests_cli_test_room_LDADD = $(UNIT_LIBS)
tests_cli_test_sizes_SOURCES = tests/cli/test_sizes.c cli/sizes.c
tests_cli_test_sizes_CPPFLAGS = $(CLI_TEST_CPPFLAGS)
tests_cli_test_sizes_LDADD = $(CLI_TEST_LIBS)
tests_cli_test_taken_SOURCES = tests/cli/test_taken.c cli/taken.c
tests_cli_test_taken_CPPFLAGS = $(CLI_TEST_CPPFLAGS)
tests_cli_test_taken_LDADD = $(CLI_TEST_LIBS)
endif

check_PROGRAMS += tests/cli/helper
tests_cli_helper_SOURCES = tests/cli/helper.c
tests_cli_helper_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support

cli_shell_tests = \
	tests/cli/files.tap \
	tests/cli/full.tap \
	tests/cli/looking.tap \
	tests/cli/options.tap \
	tests/cli/persist.tap \
	tests/cli/roundtrip.tap \
	tests/cli/signals.tap
TESTS += $(cli_shell_tests)
dist_check_SCRIPTS += $(cli_shell_tests)
EXTRA_DIST += tests/cli/lib.sh

include %D%/queue/local.mk
