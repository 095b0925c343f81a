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
	%D%/emit.c %D%/emit.h \
	%D%/examine.c %D%/examine.h \
	%D%/fault.c %D%/fault.h \
	%D%/finding.c %D%/finding.h \
	%D%/item.c %D%/item.h \
	%D%/json.c %D%/json.h \
	%D%/main.c \
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
