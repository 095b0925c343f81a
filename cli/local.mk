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
	%D%/pipe.h \
	%D%/produce.c %D%/produce.h \
	%D%/progress.c %D%/progress.h \
	%D%/report.c %D%/report.h \
	%D%/signals.c %D%/signals.h \
	%D%/sizes.c %D%/sizes.h \
	%D%/status.h \
	%D%/tempdir.c %D%/tempdir.h \
	%D%/usage.c %D%/usage.h \
	%D%/watch.c %D%/watch.h
%C%_hopper_cat_LDADD = $(HOPPER_LIB)
