/* SPDX-License-Identifier: MIT */
/* See futex_model.h. The kernel compares the word and goes to sleep in one step, as others see it: here with `bucket`
 * held, which whoever wakes takes as well. */
#include "futex_model.h"

#include <pthread.h>
#include <time.h>

#include "futex.h"
#include "sched.h"

#define WORDS_MAX 3

static pthread_mutex_t bucket;
static struct {
    const _Atomic uint32_t *word;
    pthread_cond_t sleepers;
    unsigned count;
} queues[WORDS_MAX];

void futex_model_begin(void)
{
    (void)pthread_mutex_init(&bucket, NULL);
    for (size_t i = 0; i < WORDS_MAX; i++) {
        queues[i].word  = NULL;
        queues[i].count = 0;
        (void)pthread_cond_init(&queues[i].sleepers, NULL);
    }
}

void futex_model_end(void)
{
    for (size_t i = 0; i < WORDS_MAX; i++) {
        SCHED_CHECK(queues[i].count == 0);
        (void)pthread_cond_destroy(&queues[i].sleepers);
    }
    (void)pthread_mutex_destroy(&bucket);
}

static size_t queue_of(const _Atomic uint32_t *word)
{
    size_t i = 0;

    while (i < WORDS_MAX && queues[i].word && queues[i].word != word) i++;
    SCHED_CHECK(i < WORDS_MAX);
    queues[i].word = word;
    return i;
}

void hpr_futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    (void)pthread_mutex_lock(&bucket);
    if (atomic_load(word) == expected) {
        const size_t i       = queue_of(word);
        const uint64_t until = sched_now_ns() + timeout_ns;
        struct timespec at   = { .tv_sec = (time_t)(until / 1000000000U), .tv_nsec = (long)(until % 1000000000U) };

        queues[i].count++;
        if (timeout_ns == UINT64_MAX) (void)pthread_cond_wait(&queues[i].sleepers, &bucket);
        else (void)pthread_cond_timedwait(&queues[i].sleepers, &bucket, &at);
        queues[i].count--;
    }
    (void)pthread_mutex_unlock(&bucket);
}

void hpr_futex_wake_one(const _Atomic uint32_t *word)
{
    (void)pthread_mutex_lock(&bucket);
    (void)pthread_cond_signal(&queues[queue_of(word)].sleepers);
    (void)pthread_mutex_unlock(&bucket);
}

void hpr_futex_wake_all(const _Atomic uint32_t *word)
{
    (void)pthread_mutex_lock(&bucket);
    (void)pthread_cond_broadcast(&queues[queue_of(word)].sleepers);
    (void)pthread_mutex_unlock(&bucket);
}
