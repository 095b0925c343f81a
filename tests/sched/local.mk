# SPDX-License-Identifier: MIT
#
# The deterministic scheduler, its canaries, and the library under it (README.md). The code under test is compiled with
# -fsanitize=thread for the sake of the calls that this puts into it, but linked with our own hooks, never with the
# sanitizer's runtime; so it is compiled here a second time, into static libraries, and nothing of this is built when
# configure was told to use a sanitizer.

EXTRA_DIST += %D%/README.md %D%/mutants.sh
check_LIBRARIES =

if !SANITIZER

# What the schedule takes over. Linked in by every program here.
SCHED_LINK = $(AM_LDFLAGS) \
	-Wl,--wrap=pthread_create -Wl,--wrap=pthread_join -Wl,--wrap=pthread_self -Wl,--wrap=sched_yield \
	-Wl,--wrap=pthread_setname_np \
	-Wl,--wrap=pthread_mutex_init -Wl,--wrap=pthread_mutex_destroy -Wl,--wrap=pthread_mutex_lock \
	-Wl,--wrap=pthread_mutex_trylock -Wl,--wrap=pthread_mutex_unlock \
	-Wl,--wrap=pthread_cond_init -Wl,--wrap=pthread_cond_destroy -Wl,--wrap=pthread_cond_wait \
	-Wl,--wrap=pthread_cond_timedwait -Wl,--wrap=pthread_cond_clockwait \
	-Wl,--wrap=pthread_cond_signal -Wl,--wrap=pthread_cond_broadcast \
	-Wl,--wrap=clock_gettime -Wl,--wrap=__assert_fail -Wl,--wrap=abort \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free
SCHED_COMPILE = $(LANG_CFLAGS) $(WARN_CFLAGS) $(HARDEN_CFLAGS) $(PTHREAD_CFLAGS)
# The receiver's few looks before it sleeps are so many more steps in every schedule, and show nothing new.
SCHED_COMPILE_TESTED = $(SCHED_COMPILE) -fsanitize=thread

# ---- the scheduler
check_LIBRARIES += %D%/libsched.a
%C%_libsched_a_SOURCES = \
	%D%/cache.c %D%/cache.h \
	%D%/core.c %D%/core.h \
	%D%/explore.c %D%/explore.h \
	%D%/fiber.c %D%/fiber.h \
	%D%/heap.c %D%/heap.h \
	%D%/objects.c %D%/objects.h \
	%D%/runner.c \
	%D%/sched.h \
	%D%/tsan_hooks.c \
	%D%/wrap_pthread.c
%C%_libsched_a_CFLAGS = $(SCHED_COMPILE)

# ---- proof that it works: numbers that are known, and faults that are planted
check_LIBRARIES += %D%/libcanaries.a
%C%_libcanaries_a_SOURCES = \
	%D%/canaries.h %D%/deque.h \
	%D%/canary_destroy_early.c \
	%D%/canary_if_empty.c \
	%D%/canary_if_full.c \
	%D%/canary_late_clear.c \
	%D%/canary_leak.c \
	%D%/canary_lock_order.c \
	%D%/canary_no_second_look.c \
	%D%/canary_plain_counter.c \
	%D%/canary_signal_one.c \
	%D%/canary_signal_unlocked.c \
	%D%/canary_timeout.c \
	%D%/canary_unlock_twice.c \
	%D%/deque_sound.c
%C%_libcanaries_a_CFLAGS = $(SCHED_COMPILE_TESTED)

sched_tests = %D%/sched_selftest %D%/sched_canaries %D%/sched_lock %D%/sched_channel
check_PROGRAMS += $(sched_tests)
TESTS += $(sched_tests)

%C%_sched_selftest_SOURCES = %D%/selftest.c
%C%_sched_selftest_CFLAGS = $(SCHED_COMPILE)
%C%_sched_selftest_LDFLAGS = $(SCHED_LINK)
%C%_sched_selftest_LDADD = %D%/libsched.a

%C%_sched_canaries_SOURCES = %D%/canaries.c
%C%_sched_canaries_CFLAGS = $(SCHED_COMPILE)
%C%_sched_canaries_LDFLAGS = $(SCHED_LINK)
%C%_sched_canaries_LDADD = %D%/libcanaries.a %D%/libsched.a

# ---- mutex and condition variable of the library, on futexes of ours
check_LIBRARIES += %D%/liblock_sched.a
%C%_liblock_sched_a_SOURCES = %D%/futex_model.c %D%/futex_model.h %D%/lock.h %D%/scenarios_lock.c lib/sync_futex.c
%C%_liblock_sched_a_CPPFLAGS = $(CORE_CPPFLAGS) -UHPR_FUTEX -DHPR_FUTEX
%C%_liblock_sched_a_CFLAGS = $(SCHED_COMPILE_TESTED)

%C%_sched_lock_SOURCES = %D%/lock.c
%C%_sched_lock_CFLAGS = $(SCHED_COMPILE)
%C%_sched_lock_LDFLAGS = $(SCHED_LINK)
%C%_sched_lock_LDADD = %D%/liblock_sched.a %D%/libsched.a

# ---- the library: all of lib/ once more, and scenarios that use the public headers
check_LIBRARIES += %D%/libhopper_sched.a
%C%_libhopper_sched_a_SOURCES = $(lib_libhopper_core_la_SOURCES)
# Each look of a polling receiver is a step like any other: one is as good as ten. A mutex is the C library's, which is
# one step where ours are several: those have scenarios of their own.
%C%_libhopper_sched_a_CPPFLAGS = $(CORE_CPPFLAGS) -UHPR_FUTEX -DHPR_POLL_ROUNDS=1 -DHPR_AHEAD_ROUNDS=1 -DHPR_DEBUG
%C%_libhopper_sched_a_CFLAGS = $(SCHED_COMPILE_TESTED)

%C%_sched_channel_SOURCES = \
	%D%/rig.c %D%/rig.h \
	%D%/rig_judge.c %D%/rig_judge.h \
	%D%/rig_platform.c %D%/rig_platform.h \
	%D%/scenarios.c %D%/scenarios.h \
	%D%/scenarios_ahead.c \
	%D%/scenarios_close.c \
	%D%/scenarios_commit.c \
	%D%/scenarios_survive.c \
	%D%/scenarios_disk.c \
	%D%/scenarios_full.c \
	%D%/scenarios_memory.c \
	%D%/scenarios_packer.c
%C%_sched_channel_CPPFLAGS = $(AM_CPPFLAGS) $(MSGPACK_CFLAGS) -I$(top_srcdir)/tests/support
%C%_sched_channel_CFLAGS = $(SCHED_COMPILE)
%C%_sched_channel_LDFLAGS = $(SCHED_LINK)
%C%_sched_channel_LDADD = tests/support/libtestplatform.la %D%/libhopper_sched.a %D%/libsched.a \
	$(MSGPACK_LIBS) $(DEFLATE_LIBS)

endif
