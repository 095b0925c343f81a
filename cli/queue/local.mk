# SPDX-License-Identifier: MIT
#
# hopper-queue. It knows the format from inside, so it sees lib/ as well; the program is built beside hopper-cat.

bin_PROGRAMS += cli/hopper-queue
cli_hopper_queue_SOURCES = \
	cli/sizes.c cli/sizes.h \
	%D%/advance.c %D%/advance.h \
	%D%/args.c %D%/args.h \
	%D%/change.c %D%/change.h \
	%D%/command_ack.c \
	%D%/command_cat.c \
	%D%/command_copy.c \
	%D%/command_follow.c \
	%D%/command_info.c \
	%D%/command_ls.c \
	%D%/command_repair.c \
	%D%/command_verify.c \
	%D%/commands.h \
	%D%/copy_memory.c %D%/copy_memory.h \
	%D%/emit.c %D%/emit.h \
	%D%/examine.c %D%/examine.h \
	%D%/fault.c %D%/fault.h \
	%D%/finding.c %D%/finding.h \
	%D%/item.c %D%/item.h \
	%D%/json.c %D%/json.h \
	%D%/main.c \
	%D%/keep_numbers.c %D%/keep_numbers.h \
	%D%/merge.c %D%/merge.h \
	%D%/own.c %D%/own.h \
	%D%/payload.c %D%/payload.h \
	%D%/place.c %D%/place.h \
	%D%/rebuild.c %D%/rebuild.h \
	%D%/ring_walk.c %D%/ring_walk.h \
	%D%/say.c %D%/say.h \
	%D%/scan.c %D%/scan.h \
	%D%/status.h \
	%D%/tally.c %D%/tally.h \
	%D%/usage.c %D%/usage.h
cli_hopper_queue_CPPFLAGS = $(CORE_CPPFLAGS)
cli_hopper_queue_LDADD = $(HOPPER_CORE) $(ZLIB_LIBS)

dist_man_MANS += docs/hopper-queue.1

# ---- tests: from a shell; queues are made by a program that uses the library as any other does

check_PROGRAMS += tests/cli/queue_rig tests/golden/generate_surviving
tests_cli_queue_rig_SOURCES = tests/cli/queue_rig.c
tests_cli_queue_rig_LDADD = $(HOPPER_LIB)
tests_golden_generate_surviving_SOURCES = tests/golden/generate_surviving.c
tests_golden_generate_surviving_CPPFLAGS = $(CORE_CPPFLAGS)
tests_golden_generate_surviving_LDADD = $(HOPPER_CORE)

EXTRA_DIST += tests/golden/surviving
queue_shell_tests = \
	tests/cli/queue_golden.tap \
	tests/cli/queue_hostile.tap \
	tests/cli/queue_live.tap \
	tests/cli/queue_options.tap
TESTS += $(queue_shell_tests)
dist_check_SCRIPTS += $(queue_shell_tests)
EXTRA_DIST += tests/cli/queue_lib.sh
