/* SPDX-License-Identifier: MIT */
/* Scenarios of the library's own mutex and condition variable, lib/sync_futex.c, on futexes of ours: one thread at a
 * time, and whoever sleeps is woken. The library's other scenarios run with the C library's, which are one step where
 * these are several. */
#include <pthread.h>
#include <stdlib.h>

#include "futex_model.h"
#include "lock.h"
#include "sched.h"
#include "sync.h"

#define THREADS_MAX 3

struct shared {
    struct hpr_mutex mutex;
    struct hpr_cond cond;
    unsigned inside; /* [mutex] and so are these */
    unsigned rounds;
    unsigned turn;
    unsigned handles;
    bool is_set;
};

static struct shared *shared; /* on the heap: what uses it when it is gone is found */

static void begin(void)
{
    futex_model_begin();
    shared = calloc(1, sizeof *shared);
    SCHED_CHECK(shared != NULL);
    SCHED_CHECK(hpr_mutex_init(&shared->mutex) == HOPPER_OK && hpr_cond_init(&shared->cond) == HOPPER_OK);
}

static void end(void)
{
    hpr_cond_fini(&shared->cond);
    hpr_mutex_fini(&shared->mutex);
    free(shared);
    futex_model_end();
}

/* Run COUNT threads with RUN, which is given its number; this one is the first. */
static void run_threads(unsigned count, void *(*run)(void *arg))
{
    static const unsigned number[THREADS_MAX] = { 0, 1, 2 };
    pthread_t ids[THREADS_MAX];

    for (unsigned i = 1; i < count; i++)
        SCHED_CHECK(pthread_create(&ids[i], NULL, run, (void *)(uintptr_t)&number[i]) == 0);
    (void)run((void *)(uintptr_t)&number[0]);
    for (unsigned i = 1; i < count; i++) SCHED_CHECK(pthread_join(ids[i], NULL) == 0);
}

/* ---- one at a time ---- */

static void enter(void)
{
    hpr_mutex_lock(&shared->mutex);
    SCHED_CHECK(shared->inside++ == 0);
    sched_touch(shared, "inside");
    SCHED_CHECK(--shared->inside == 0);
    shared->rounds++;
    hpr_mutex_unlock(&shared->mutex);
}

static void *enter_once(void *arg)
{
    enter();
    return arg;
}

static void *enter_twice(void *arg)
{
    enter();
    enter();
    return arg;
}

static void two_by_two(void)
{
    begin();
    run_threads(2, enter_twice);
    SCHED_CHECK(shared->rounds == 4);
    end();
}

static void three_once(void)
{
    begin();
    run_threads(3, enter_once);
    SCHED_CHECK(shared->rounds == 3);
    end();
}

static void three_twice(void)
{
    begin();
    run_threads(3, enter_twice);
    SCHED_CHECK(shared->rounds == 6);
    end();
}

/* ---- taking turns: nobody waits for ever ---- */

#define TURNS 2 /* of each */

static void take_turn(unsigned me, unsigned count)
{
    hpr_mutex_lock(&shared->mutex);
    while (shared->turn % count != me) hpr_cond_wait(&shared->cond, &shared->mutex, UINT64_MAX);
    shared->turn++;
    hpr_cond_broadcast(&shared->cond);
    hpr_mutex_unlock(&shared->mutex);
}

static void *play_of_two(void *arg)
{
    for (int i = 0; i < TURNS; i++) take_turn(*(const unsigned *)arg, 2);
    return NULL;
}

static void *play_of_three(void *arg)
{
    take_turn(*(const unsigned *)arg, 3);
    return NULL;
}

static void turns_of_two(void)
{
    begin();
    run_threads(2, play_of_two);
    SCHED_CHECK(shared->turn == 2 * TURNS);
    end();
}

static void turns_of_three(void)
{
    begin();
    run_threads(3, play_of_three);
    SCHED_CHECK(shared->turn == 3);
    end();
}

/* ---- with a deadline ---- */

#define DEADLINE_NS 1000

/* Until somebody sets it, or the time is over. */
static void *wait_until(void *arg)
{
    hpr_mutex_lock(&shared->mutex);
    while (!shared->is_set && sched_now_ns() < DEADLINE_NS)
        hpr_cond_wait(&shared->cond, &shared->mutex, DEADLINE_NS - sched_now_ns());
    SCHED_CHECK(shared->is_set || sched_now_ns() >= DEADLINE_NS);
    hpr_mutex_unlock(&shared->mutex);
    return arg;
}

static void *set_or_wait(void *arg)
{
    if (*(const unsigned *)arg == 0) return wait_until(arg);
    hpr_mutex_lock(&shared->mutex);
    shared->is_set = true;
    hpr_cond_broadcast(&shared->cond);
    hpr_mutex_unlock(&shared->mutex);
    return NULL;
}

static void nobody_sets(void)
{
    begin();
    run_threads(2, wait_until);
    SCHED_CHECK(shared->cond.waiters == 0);
    end();
}

static void one_sets(void)
{
    begin();
    run_threads(3, set_or_wait);
    SCHED_CHECK(shared->cond.waiters == 0);
    end();
}

/* ---- the last one frees what the mutex is in ---- */

static void *leave(void *arg)
{
    bool is_last;

    hpr_mutex_lock(&shared->mutex);
    is_last = --shared->handles == 0;
    hpr_mutex_unlock(&shared->mutex);
    if (is_last) free(shared);
    return arg;
}

static void last_frees(void)
{
    begin();
    shared->handles = 3;
    run_threads(3, leave);
    futex_model_end();
}

/* ---- */

static const struct sched_scenario list[] = {
    { "lock_two_by_two", two_by_two, SCHED_CLEAN, { { .mode = SCHED_DFS, .bound = SCHED_ALL_PREEMPTIONS } } },
    { "lock_three_once", three_once, SCHED_CLEAN, { { .mode = SCHED_DFS, .bound = SCHED_ALL_PREEMPTIONS } } },
    { "lock_three_twice",
      three_twice,
      SCHED_CLEAN,
      { { .mode = SCHED_DFS, .bound = 3 },
        { .mode = SCHED_DFS, .bound = 2, .spurious = 1 },
        { .mode = SCHED_RANDOM, .schedules = 20000, .spurious = 1 },
        { .mode = SCHED_PCT, .schedules = 20000, .bound = 4 } } },
    { "lock_turns_of_two",
      turns_of_two,
      SCHED_CLEAN,
      { { .mode = SCHED_DFS, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER },
        { .mode = SCHED_DFS, .bound = 3, .spurious = 1, .timeouts = SCHED_TIMEOUTS_NEVER },
        { .mode = SCHED_RANDOM, .schedules = 20000, .spurious = 2, .timeouts = SCHED_TIMEOUTS_NEVER } } },
    { "lock_turns_of_three",
      turns_of_three,
      SCHED_CLEAN,
      { { .mode = SCHED_DFS, .bound = 3, .timeouts = SCHED_TIMEOUTS_NEVER },
        { .mode = SCHED_RANDOM, .schedules = 20000, .spurious = 1, .timeouts = SCHED_TIMEOUTS_NEVER },
        { .mode = SCHED_PCT, .schedules = 20000, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER } } },
    { "lock_nobody_sets",
      nobody_sets,
      SCHED_CLEAN,
      { { .mode = SCHED_DFS, .bound = 3 }, { .mode = SCHED_RANDOM, .schedules = 20000, .spurious = 1 } } },
    { "lock_one_sets",
      one_sets,
      SCHED_CLEAN,
      { { .mode = SCHED_DFS, .bound = 3 },
        { .mode = SCHED_DFS, .bound = 3, .timeouts = SCHED_TIMEOUTS_LATE },
        { .mode = SCHED_RANDOM, .schedules = 20000, .spurious = 1 } } },
    { "lock_last_frees",
      last_frees,
      SCHED_CLEAN,
      { { .mode = SCHED_DFS, .bound = 3 }, { .mode = SCHED_RANDOM, .schedules = 20000, .spurious = 1 } } },
};

size_t lock_scenarios(const struct sched_scenario *scenarios[LOCK_SCENARIOS_MAX])
{
    const size_t count = sizeof list / sizeof list[0];

    _Static_assert(sizeof list / sizeof list[0] <= LOCK_SCENARIOS_MAX, "room for all");
    for (size_t i = 0; i < count; i++) scenarios[i] = &list[i];
    return count;
}
