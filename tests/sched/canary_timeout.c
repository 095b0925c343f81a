/* SPDX-License-Identifier: MIT */
/* Planted: a timed wait that timed out is taken for an empty queue without another look, so a value is left behind. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "canaries.h"

static pthread_mutex_t lock;
static pthread_cond_t not_empty;
static int value;

static void *put(void *unused)
{
    pthread_mutex_lock(&lock);
    value = 1;
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&lock);
    return unused;
}

static void canary_body(void)
{
    struct timespec until = { .tv_sec = 5 };
    bool was_late         = false;
    pthread_t thread;

    value = 0;
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&not_empty, NULL);
    pthread_create(&thread, NULL, put, NULL);
    pthread_mutex_lock(&lock);
    while (value == 0 && !was_late) was_late = pthread_cond_timedwait(&not_empty, &lock, &until) == ETIMEDOUT;
    SCHED_CHECK(!was_late || value == 0);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&not_empty);
    pthread_mutex_destroy(&lock);
}

const struct sched_scenario canary_timeout = {
    "canary_timeout",
    canary_body,
    SCHED_FAILED,
    { { .mode = SCHED_DFS, .bound = 1 }, { .mode = SCHED_RANDOM, .schedules = 50000 } },
};
