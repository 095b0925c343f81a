# SPDX-License-Identifier: MIT
#
# The tests in C: support/ (simulated platforms, judges, fixtures), unit/ (modules of lib/), api/, fault/ and stress/
# (the public header and the shared library only).

# Platforms and judges, without Check: for the fuzz targets and the scheduler as well.
check_LTLIBRARIES += %D%/support/libtestplatform.la
%C%_support_libtestplatform_la_SOURCES = \
	%D%/support/checker.c %D%/support/checker.h \
	%D%/support/crash_disk.c %D%/support/crash_disk.h \
	%D%/support/crash_impl.h \
	%D%/support/crash_state.c \
	%D%/support/crash_tree.c \
	%D%/support/crowd.c %D%/support/crowd.h \
	%D%/support/mem_disk.c %D%/support/mem_disk.h \
	%D%/support/mem_files.c \
	%D%/support/mem_impl.h \
	%D%/support/mem_look.c \
	%D%/support/platform_fault.c %D%/support/platform_fault.h \
	%D%/support/platform_mem.c %D%/support/platform_mem.h \
	%D%/support/rng.h \
	%D%/support/tmpdir.c %D%/support/tmpdir.h

API_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -I$(top_srcdir)/tests/support
API_LIBS = %D%/support/libtestchan.la %D%/support/libtestplatform.la $(HOPPER_LIB) $(CHECK_LIBS)
EXTRA_DIST += %D%/support/chan.c %D%/support/chan.h %D%/support/dir_fixture.c %D%/support/dir_fixture.h %D%/support/suite.h

# Crash proofs, without Check: they fork and count for themselves. real_fs is run by real_fs.sh, as root.
crash_tests = %D%/crash/test_kill %D%/crash/test_machine %D%/crash/test_states %D%/crash/test_step %D%/fault/test_sweep_survive
check_PROGRAMS += $(crash_tests) %D%/crash/real_fs
TESTS += $(crash_tests) %D%/crash/real_fs.sh
dist_check_SCRIPTS += %D%/crash/real_fs.sh
EXTRA_DIST += %D%/crash/mutants.sh

CRASH_CPPFLAGS = $(AM_CPPFLAGS) $(MSGPACK_CFLAGS) -I$(top_srcdir)/tests/support
CRASH_LIBS = %D%/support/libtestplatform.la $(HOPPER_LIB) $(MSGPACK_LIBS)
crash_life = %D%/crash/ledger.c %D%/crash/ledger.h %D%/crash/life.c %D%/crash/life.h \
	%D%/crash/items.c %D%/crash/items.h %D%/crash/numbers.c %D%/crash/numbers.h
%C%_crash_test_kill_CPPFLAGS = $(CRASH_CPPFLAGS)
%C%_crash_test_kill_LDADD = $(CRASH_LIBS)
%C%_crash_test_machine_CPPFLAGS = $(CRASH_CPPFLAGS)
%C%_crash_test_machine_LDADD = $(CRASH_LIBS)
%C%_crash_test_states_SOURCES = %D%/crash/test_states.c $(crash_life) \
	%D%/crash/crash_run.c %D%/crash/crash_run.h %D%/crash/scenarios.c %D%/crash/scenarios.h \
	%D%/crash/scenarios_more.c %D%/crash/scenarios_more.h %D%/crash/tick.c %D%/crash/tick.h
%C%_crash_test_states_CPPFLAGS = $(CORE_CPPFLAGS) -I$(top_srcdir)/tests/support
%C%_crash_test_states_LDADD = %D%/support/libtestplatform.la $(HOPPER_CORE)
%C%_fault_test_sweep_survive_SOURCES = %D%/fault/test_sweep_survive.c $(crash_life)
%C%_fault_test_sweep_survive_CPPFLAGS = $(CRASH_CPPFLAGS) -I$(top_srcdir)/tests/crash
%C%_fault_test_sweep_survive_LDADD = $(CRASH_LIBS)
%C%_crash_test_step_SOURCES = %D%/crash/test_step.c $(crash_life)
%C%_crash_test_step_CPPFLAGS = $(CRASH_CPPFLAGS)
%C%_crash_test_step_LDADD = $(CRASH_LIBS)
%C%_crash_real_fs_SOURCES = %D%/crash/real_fs.c $(crash_life)
%C%_crash_real_fs_CPPFLAGS = $(CRASH_CPPFLAGS)
%C%_crash_real_fs_LDADD = $(CRASH_LIBS)

if HAVE_CHECK
check_LTLIBRARIES += %D%/support/libtestchan.la
%C%_support_libtestchan_la_SOURCES = %D%/support/chan.c %D%/support/chan.h \
	%D%/support/dir_fixture.c %D%/support/dir_fixture.h \
	%D%/support/suite.h
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

# See the public header and link the shared library, as a program of somebody else's does.
api_tests = \
	%D%/api/test_bare \
	%D%/api/test_gaps \
	%D%/api/test_hostile \
	%D%/api/test_items \
	%D%/api/test_joined \
	%D%/api/test_open \
	%D%/api/test_original \
	%D%/api/test_original_faults \
	%D%/api/test_packer \
	%D%/api/test_ahead_channel \
	%D%/api/test_quiet \
	%D%/api/test_producers \
	%D%/api/test_receive \
	%D%/api/test_send \
	%D%/api/test_survive \
	%D%/api/test_survive_hostile \
	%D%/api/test_zeros \
	%D%/api/test_words \
	%D%/fault/test_damage \
	%D%/fault/test_sweep \
	%D%/fault/test_tmpfs \
	%D%/stress/test_model \
	%D%/stress/test_model_survive \
	%D%/stress/test_threads \
	%D%/stress/test_threads_survive
check_PROGRAMS += $(api_tests)
TESTS += $(api_tests)

%C%_api_test_gaps_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_gaps_LDADD = $(API_LIBS)
%C%_api_test_hostile_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_hostile_LDADD = $(API_LIBS)
%C%_api_test_items_CPPFLAGS = $(API_CPPFLAGS) $(MSGPACK_CFLAGS)
%C%_api_test_items_LDADD = $(API_LIBS) $(MSGPACK_LIBS)
%C%_api_test_joined_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_joined_LDADD = $(API_LIBS)
%C%_api_test_open_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_open_LDADD = $(API_LIBS)
%C%_api_test_original_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_original_LDADD = $(API_LIBS)
%C%_api_test_original_faults_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_original_faults_LDADD = $(API_LIBS)
%C%_api_test_ahead_channel_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_ahead_channel_LDADD = $(API_LIBS)
%C%_api_test_packer_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_packer_LDADD = $(API_LIBS)
%C%_api_test_quiet_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_quiet_LDADD = $(API_LIBS)
%C%_api_test_producers_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_producers_LDADD = $(API_LIBS)
%C%_api_test_receive_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_receive_LDADD = $(API_LIBS)
%C%_api_test_send_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_send_LDADD = $(API_LIBS)
%C%_api_test_words_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_words_LDADD = $(API_LIBS)
%C%_fault_test_damage_CPPFLAGS = $(API_CPPFLAGS)
%C%_fault_test_damage_LDADD = $(API_LIBS)
%C%_fault_test_sweep_CPPFLAGS = $(API_CPPFLAGS)
%C%_fault_test_sweep_LDADD = $(API_LIBS)
%C%_fault_test_tmpfs_CPPFLAGS = $(API_CPPFLAGS)
%C%_fault_test_tmpfs_LDADD = $(API_LIBS)
surviving = %D%/api/survive.c %D%/api/survive.h
%C%_api_test_survive_SOURCES = %D%/api/test_survive.c $(surviving)
%C%_api_test_survive_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_survive_LDADD = $(API_LIBS)
%C%_api_test_survive_hostile_SOURCES = %D%/api/test_survive_hostile.c $(surviving)
%C%_api_test_survive_hostile_CPPFLAGS = $(API_CPPFLAGS) $(MSGPACK_CFLAGS)
%C%_api_test_survive_hostile_LDADD = $(API_LIBS) $(MSGPACK_LIBS)
%C%_api_test_bare_SOURCES = %D%/api/test_bare.c $(surviving)
%C%_api_test_bare_CPPFLAGS = $(API_CPPFLAGS) $(MSGPACK_CFLAGS)
%C%_api_test_bare_LDADD = $(API_LIBS) $(MSGPACK_LIBS)
%C%_api_test_zeros_SOURCES = %D%/api/test_zeros.c $(surviving)
%C%_api_test_zeros_CPPFLAGS = $(API_CPPFLAGS)
%C%_api_test_zeros_LDADD = $(API_LIBS)
%C%_stress_test_model_survive_SOURCES = %D%/stress/test_model_survive.c $(surviving)
%C%_stress_test_model_survive_CPPFLAGS = $(API_CPPFLAGS) -I$(top_srcdir)/tests/api
%C%_stress_test_model_survive_LDADD = $(API_LIBS)
%C%_stress_test_model_CPPFLAGS = $(API_CPPFLAGS)
%C%_stress_test_model_LDADD = $(API_LIBS)
%C%_stress_test_threads_survive_CPPFLAGS = $(API_CPPFLAGS)
%C%_stress_test_threads_survive_LDADD = $(API_LIBS)
%C%_stress_test_threads_CPPFLAGS = $(API_CPPFLAGS)
%C%_stress_test_threads_LDADD = $(API_LIBS)
endif
