# SPDX-License-Identifier: MIT
#
# The library as its users see it: exported names and headers in `make check`, programs against the installed library in
# `make installcheck`.

dist_check_SCRIPTS += %D%/headers.sh %D%/symbols.sh
TESTS += %D%/headers.sh %D%/symbols.sh
EXTRA_DIST += %D%/consumer.c %D%/consumer.cpp %D%/installed.sh

installcheck-local:
	DESTDIR='$(DESTDIR)' libdir='$(libdir)' bindir='$(bindir)' version='$(PACKAGE_VERSION)' srcdir='$(top_srcdir)' \
	CC='$(CC)' CFLAGS='$(CFLAGS) $(SAN_CFLAGS)' $(BASH) $(top_srcdir)/%D%/installed.sh
