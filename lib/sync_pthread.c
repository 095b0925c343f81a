/* SPDX-License-Identifier: MIT */
/* Mutex and condition variable by the C library, for sync.h. Waits are relative because the channel's clock may be one
 * that a test has put in place of the system's. */
#include "sync.h"

#ifndef HPR_FUTEX
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

/* Far enough to be for ever, near enough that no time_t overflows. */
#define WAIT_NS_MAX (NS_PER_S * 3600 * 24 * 365)

hopper_status hpr_mutex_init(struct hpr_mutex *m)
{
    hpr_mutex_note(m, false);
    return pthread_mutex_init(&m->mutex, NULL) == 0 ? HOPPER_OK : HOPPER_ENOMEM;
}

void hpr_mutex_fini(struct hpr_mutex *m)
{
    (void)pthread_mutex_destroy(&m->mutex);
}

hopper_status hpr_cond_init(struct hpr_cond *c)
{
    pthread_condattr_t attr;
    int res;

    if (pthread_condattr_init(&attr) != 0) return HOPPER_ENOMEM;
    res = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (res == 0) res = pthread_cond_init(&c->cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return res == 0 ? HOPPER_OK : HOPPER_ENOMEM;
}

void hpr_cond_fini(struct hpr_cond *c)
{
    (void)pthread_cond_destroy(&c->cond);
}

void hpr_cond_wait(struct hpr_cond *c, struct hpr_mutex *m, uint64_t timeout_ns)
{
    hpr_mutex_note(m, false);
    if (timeout_ns == UINT64_MAX) {
        (void)pthread_cond_wait(&c->cond, &m->mutex);
    } else {
        struct timespec until;
        uint64_t ns;

        timeout_ns = hpr_min_u64(timeout_ns, WAIT_NS_MAX);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        ns = (uint64_t)until.tv_nsec + timeout_ns % NS_PER_S;
        until.tv_sec += (time_t)(timeout_ns / NS_PER_S + ns / NS_PER_S);
        until.tv_nsec = (long)(ns % NS_PER_S);
        (void)pthread_cond_timedwait(&c->cond, &m->mutex, &until);
    }
    hpr_mutex_note(m, true);
}

void hpr_cond_broadcast(struct hpr_cond *c)
{
    (void)pthread_cond_broadcast(&c->cond);
}

#else

/* ISO C wants something in every file. */
typedef int hpr_no_sync_pthread;

#endif
