/* SPDX-License-Identifier: MIT */
/* Mutex and condition variable on futexes, for sync.h.
 *
 * The mutex's word says whether it is free, held, or held while others may sleep. Whoever finds it held says that others
 * sleep before it does, and keeps saying so when it gets the mutex: it cannot know whether it was the only one. So of
 * two sleepers each unlock wakes one, and an unlock that nobody waits for is one exchange.
 *
 * The condition variable's sequence changes with each broadcast, under the mutex; a waiter notes it before it lets go
 * of the mutex, so that it sleeps only if there was no broadcast since. */
#include "sync.h"

#ifdef HPR_FUTEX

hopper_status hpr_mutex_init(struct hpr_mutex *m)
{
    hpr_mutex_note(m, false);
    atomic_init(&m->word, HPR_MUTEX_FREE);
    return HOPPER_OK;
}

void hpr_mutex_fini(struct hpr_mutex *m)
{
    (void)m;
}

void hpr_mutex_lock_contended(struct hpr_mutex *m)
{
    while (atomic_exchange_explicit(&m->word, HPR_MUTEX_CONTENDED, memory_order_acquire) != HPR_MUTEX_FREE)
        hpr_futex_wait(&m->word, HPR_MUTEX_CONTENDED, UINT64_MAX);
}

hopper_status hpr_cond_init(struct hpr_cond *c)
{
    atomic_init(&c->sequence, 0);
    c->waiters = 0;
    return HOPPER_OK;
}

void hpr_cond_fini(struct hpr_cond *c)
{
    (void)c;
}

void hpr_cond_wait(struct hpr_cond *c, struct hpr_mutex *m, uint64_t timeout_ns)
{
    const uint32_t sequence = atomic_load_explicit(&c->sequence, memory_order_relaxed);

    c->waiters++;
    hpr_mutex_unlock(m);
    hpr_futex_wait(&c->sequence, sequence, timeout_ns);
    hpr_mutex_lock(m);
    c->waiters--;
}

void hpr_cond_broadcast(struct hpr_cond *c)
{
    const uint32_t sequence = atomic_load_explicit(&c->sequence, memory_order_relaxed);

    atomic_store_explicit(&c->sequence, sequence + 1, memory_order_relaxed);
    if (c->waiters > 0) hpr_futex_wake_all(&c->sequence);
}

#else

/* ISO C wants something in every file. */
typedef int hpr_no_sync_futex;

#endif
