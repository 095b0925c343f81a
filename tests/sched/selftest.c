/* SPDX-License-Identifier: MIT */
/*
 * The scheduler against numbers that can be had without it. Two threads take N atomic steps each while a third joins
 * them; how many schedules that makes is counted here by a recursion of a few lines, for every bound on preemptions.
 * The depth-first search must run exactly so many, no two alike; with its memory of states it may run fewer, but must
 * come to the same ends.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "explore.h"

#define STEPS 3

static atomic_uint shared;
static unsigned order[2 * STEPS]; /* who took the n-th step on `shared` */
static int checks;
static int failures;

static void check(bool is_true, const char *what)
{
    checks++;
    failures += !is_true;
    printf("%s %d - %s\n", is_true ? "ok" : "not ok", checks, what);
}

/* ---- the scenario ---- */

static void *stepper(void *arg)
{
    for (int i = 0; i < STEPS; i++) {
        sched_touch(&shared, "step");
        order[atomic_load_explicit(&shared, memory_order_relaxed)] = *(const unsigned *)arg;
        atomic_fetch_add_explicit(&shared, 1, memory_order_relaxed);
    }
    return NULL;
}

static void two_steppers(void)
{
    static const unsigned ids[2] = { 1, 2 };
    pthread_t thread[2];

    atomic_store(&shared, 0);
    for (int i = 0; i < 2; i++) pthread_create(&thread[i], NULL, stepper, (void *)(uintptr_t)&ids[i]);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
}

/* ---- how many schedules there are ---- */

/* Threads 1 and 2 have LEFT[] segments to run (from the start to the first step, from step to step, to the end), thread
 * 0 two: after 1 has ended, and after 2. CURRENT has run last; leaving it while it could go on costs one of BUDGET. */
static uint64_t count_schedules(const int left[3], int current, unsigned budget)
{
    const bool can[3] = { left[0] == 2 ? left[1] == 0 : left[0] == 1 && left[2] == 0, left[1] > 0, left[2] > 0 };
    uint64_t total    = 0;

    if (left[0] == 0) return 1;
    for (int id = 0; id < 3; id++) {
        unsigned cost = id != current && can[current];
        int after[3]  = { left[0], left[1], left[2] };

        if (!can[id] || cost > budget) continue;
        after[id]--;
        total += count_schedules(after, id, budget - cost);
    }
    return total;
}

/* ---- running them ---- */

/* Orders of steps that were seen, each as a number of 2 * STEPS bits. */
static bool seen[1 << (2 * STEPS)];
static unsigned seen_count;

static void note_end(void)
{
    unsigned end = 0;

    for (int i = 0; i < 2 * STEPS; i++) end = end * 2 + (order[i] == 2);
    seen_count += !seen[end];
    seen[end] = true;
}

static uint64_t run_all(unsigned bound, bool cache)
{
    const struct sched_plan plan         = { .mode = SCHED_DFS, .bound = bound };
    const struct sched_settings settings = { .plan = &plan, .step_cap = 1000 };
    const struct explore_setup setup     = { .plan = &plan, .cache = cache };
    struct explore_report report;

    memset(seen, 0, sizeof seen);
    seen_count = 0;
    (void)explore_start(&setup);
    do {
        enum sched_outcome outcome;

        explore_begin();
        outcome = sched_run(two_steppers, &settings);
        if (outcome == SCHED_CLEAN) note_end();
        else if (outcome != SCHED_PRUNED) check(false, sched_failure_text());
    } while (explore_next());
    explore_get_report(&report);
    return report.is_exhausted ? report.schedules : 0;
}

static void test_bound(unsigned bound)
{
    static const int left[3] = { 2, STEPS + 1, STEPS + 1 };
    uint64_t expected        = count_schedules(left, 0, bound);
    uint64_t plain           = run_all(bound, false);
    unsigned ends            = seen_count;
    uint64_t cached          = run_all(bound, true);
    char text[160];

    (void)snprintf(text, sizeof text, "bound %u: %llu schedules, counted %llu", bound, (unsigned long long)plain,
                   (unsigned long long)expected);
    check(plain == expected, text);
    (void)snprintf(text, sizeof text, "bound %u: %u orders of steps, with states remembered %u in %llu schedules",
                   bound, ends, seen_count, (unsigned long long)cached);
    check(seen_count == ends && cached <= plain, text);
}

/* A schedule is repeated from its record, and a record that does not fit is refused. */
static void test_replay(void)
{
    const struct sched_plan plan         = { .mode = SCHED_RANDOM, .schedules = 1 };
    const struct sched_settings settings = { .plan = &plan, .step_cap = 1000 };
    struct explore_setup setup           = { .plan = &plan, .seed = 7 };
    unsigned first[2 * STEPS];
    char *record;

    (void)explore_start(&setup);
    explore_begin();
    (void)sched_run(two_steppers, &settings);
    memcpy(first, order, sizeof first);
    record = explore_schedule_text();
    memset(order, 0, sizeof order);
    setup.replay = record;
    (void)explore_start(&setup);
    explore_begin();
    check(sched_run(two_steppers, &settings) == SCHED_CLEAN && memcmp(first, order, sizeof first) == 0,
          "a random schedule is repeated from its record");
    free(record);
    setup.replay = "bx99";
    (void)explore_start(&setup);
    explore_begin();
    check(sched_run(two_steppers, &settings) == SCHED_DIVERGED, "a record that does not fit is refused");
    setup.replay = "b.?";
    check(!explore_start(&setup), "a record that makes no sense is refused");
}

int main(void)
{
    for (unsigned bound = 0; bound <= 5; bound++) test_bound(bound);
    test_bound(SCHED_ALL_PREEMPTIONS);
    test_replay();
    printf("1..%d\n", checks);
    return failures > 0;
}
