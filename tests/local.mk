# SPDX-License-Identifier: MIT
#
# The tests in C: support/ (simulated platforms, judges, fixtures), unit/ (modules of lib/), api/, fault/ and stress/
# (the public header and the shared library only).

# Platforms and judges, without Check: for the fuzz targets and the scheduler as well.
check_LTLIBRARIES += %D%/support/libtestplatform.la
%C%_support_libtestplatform_la_SOURCES = \
	%D%/support/checker.c %D%/support/checker.h \
	%D%/support/mem_disk.c %D%/support/mem_disk.h \
	%D%/support/mem_impl.h \
	%D%/support/mem_look.c \
	%D%/support/platform_fault.c %D%/support/platform_fault.h \
	%D%/support/platform_mem.c %D%/support/platform_mem.h \
	%D%/support/rng.h \
	%D%/support/tmpdir.c %D%/support/tmpdir.h

API_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -I$(top_srcdir)/tests/support
API_LIBS = %D%/support/libtestchan.la %D%/support/libtestplatform.la $(HOPPER_LIB) $(CHECK_LIBS)
EXTRA_DIST += %D%/support/chan.c %D%/support/chan.h %D%/support/suite.h

if HAVE_CHECK
check_LTLIBRARIES += %D%/support/libtestchan.la
%C%_support_libtestchan_la_SOURCES = %D%/support/chan.c %D%/support/chan.h %D%/support/suite.h
%C%_support_libtestchan_la_CPPFLAGS = $(API_CPPFLAGS)

unit_tests = %D%/unit/test_platform_posix %D%/unit/test_platform_mem %D%/unit/test_platform_fault
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

%C%_unit_test_platform_posix_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_unit_test_platform_posix_LDADD = %D%/support/libtestplatform.la $(UNIT_LIBS)
%C%_unit_test_platform_mem_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_unit_test_platform_mem_LDADD = %D%/support/libtestplatform.la $(UNIT_LIBS)
%C%_unit_test_platform_fault_CPPFLAGS = $(UNIT_CPPFLAGS)
%C%_unit_test_platform_fault_LDADD = %D%/support/libtestplatform.la $(UNIT_LIBS)
endif
