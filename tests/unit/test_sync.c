/* SPDX-License-Identifier: MIT */
/* Mutex and condition variable with real threads: one at a time, nobody sleeps on, and waits end when their time is
 * over. What their steps can come to in any order is walked through in tests/sched. */
#include "sync.h"

#include <pthread.h>
#include <time.h>

#include "suite.h"

#define THREADS 4
#define ROUNDS  20000
#define NS      UINT64_C(1000000000)

static struct hpr_mutex mutex;
static struct hpr_cond cond;
static uint64_t count; /* [mutex] and so is this */
static bool is_set;

static void begin(void)
{
    ck_assert_int_eq(hpr_mutex_init(&mutex), HOPPER_OK);
    ck_assert_int_eq(hpr_cond_init(&cond), HOPPER_OK);
    count  = 0;
    is_set = false;
}

static void end(void)
{
    hpr_cond_fini(&cond);
    hpr_mutex_fini(&mutex);
}

/* Run RUN in THREADS threads, each with its number. */
static void run_threads(void *(*run)(void *arg))
{
    static const unsigned number[THREADS] = { 0, 1, 2, 3 };
    pthread_t ids[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&ids[i], NULL, run, (void *)(uintptr_t)&number[i]), 0);
    for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_join(ids[i], NULL), 0);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

static void *add(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        hpr_mutex_lock(&mutex);
        count++;
        hpr_mutex_unlock(&mutex);
    }
    return arg;
}

START_TEST(one_at_a_time)
{
    run_threads(add);
    ck_assert_uint_eq(count, (uint64_t)THREADS * ROUNDS);
}
END_TEST

static void *take_turns(void *arg)
{
    for (int i = 0; i < ROUNDS / 10; i++) {
        hpr_mutex_lock(&mutex);
        while (count % THREADS != *(const unsigned *)arg) hpr_cond_wait(&cond, &mutex, UINT64_MAX);
        count++;
        hpr_cond_broadcast(&cond);
        hpr_mutex_unlock(&mutex);
    }
    return NULL;
}

START_TEST(nobody_sleeps_on)
{
    run_threads(take_turns);
    ck_assert_uint_eq(count, (uint64_t)THREADS * (ROUNDS / 10));
}
END_TEST

/* Nobody wakes it. */
static uint64_t wait_for(uint64_t timeout_ns)
{
    const uint64_t began = now_ns();

    hpr_mutex_lock(&mutex);
    while (!is_set && now_ns() - began < timeout_ns) hpr_cond_wait(&cond, &mutex, timeout_ns - (now_ns() - began));
    hpr_mutex_unlock(&mutex);
    return now_ns() - began;
}

START_TEST(a_wait_ends_with_its_time)
{
    ck_assert_uint_ge(wait_for(1), 1);
    ck_assert_uint_ge(wait_for(NS / 50), NS / 50);
}
END_TEST

/* Almost for ever; a time that the system's types cannot hold. */
static void *wait_long(void *arg)
{
    static const uint64_t timeouts[THREADS] = { UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 62, 60 * NS };

    hpr_mutex_lock(&mutex);
    count++;
    while (!is_set) hpr_cond_wait(&cond, &mutex, timeouts[*(const unsigned *)arg]);
    count++;
    if (count == 2 * THREADS) hpr_cond_broadcast(&cond);
    hpr_mutex_unlock(&mutex);
    return NULL;
}

static void *set(void *arg)
{
    hpr_mutex_lock(&mutex);
    while (count < THREADS) hpr_cond_wait(&cond, &mutex, NS / 1000);
    is_set = true;
    hpr_cond_broadcast(&cond);
    while (count < (uint64_t)2 * THREADS) hpr_cond_wait(&cond, &mutex, UINT64_MAX);
    hpr_mutex_unlock(&mutex);
    return arg;
}

START_TEST(all_are_woken)
{
    pthread_t setter;

    ck_assert_int_eq(pthread_create(&setter, NULL, set, NULL), 0);
    run_threads(wait_long);
    ck_assert_int_eq(pthread_join(setter, NULL), 0);
    ck_assert_uint_eq(count, 2 * THREADS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sync");
    TCase *tcase = tcase_create("sync");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, one_at_a_time);
    tcase_add_test(tcase, nobody_sleeps_on);
    tcase_add_test(tcase, a_wait_ends_with_its_time);
    tcase_add_test(tcase, all_are_woken);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
