/* SPDX-License-Identifier: MIT */
/* A mutex that knows its owner with --enable-debug (on where a sanitizer is), a condition variable that waits on the
 * monotonic clock, and a thread of a channel's own.
 *
 * Mutex and condition variable are made of futexes where there are (sync_futex.c): a send in memory is little more than
 * taking and leaving one mutex, and does that a third to twice as often as with the C library's, which has more kinds of
 * mutex to tell apart. Elsewhere, for valgrind's tools, which know only the C library's, and under the deterministic
 * schedules they are the C library's (sync_pthread.c). */
#ifndef HPR_SYNC_H
#define HPR_SYNC_H

#include <pthread.h>

#include "futex.h"

enum hpr_mutex_state { HPR_MUTEX_FREE, HPR_MUTEX_HELD, HPR_MUTEX_CONTENDED /* and others may sleep */ };

struct hpr_mutex {
#ifdef HPR_FUTEX
    _Atomic uint32_t word; /* enum hpr_mutex_state */
#else
    pthread_mutex_t mutex;
#endif
#ifdef HPR_DEBUG
    bool is_held;    /* [this mutex] */
    pthread_t owner; /* [this mutex] */
#endif
};

hopper_status hpr_mutex_init(struct hpr_mutex *m);
void hpr_mutex_fini(struct hpr_mutex *m);

static inline void hpr_mutex_note(struct hpr_mutex *m, bool is_held)
{
#ifdef HPR_DEBUG
    m->is_held = is_held;
    if (is_held) m->owner = pthread_self();
#else
    (void)m, (void)is_held;
#endif
}

#ifdef HPR_FUTEX
void hpr_mutex_lock_contended(struct hpr_mutex *m);
#endif

/* hpr_mutex_lock() without waiting; false: not taken. May wait all the same, where the mutex is the C library's. */
static inline bool hpr_mutex_try(struct hpr_mutex *m)
{
#ifdef HPR_FUTEX
    uint32_t expected = HPR_MUTEX_FREE;

    if (HPR_UNLIKELY(!atomic_compare_exchange_strong_explicit(&m->word, &expected, HPR_MUTEX_HELD, memory_order_acquire,
                                                              memory_order_relaxed)))
        return false;
#else
    (void)pthread_mutex_lock(&m->mutex);
#endif
    hpr_mutex_note(m, true);
    return true;
}

static inline void hpr_mutex_lock(struct hpr_mutex *m)
{
    if (HPR_LIKELY(hpr_mutex_try(m))) return;
#ifdef HPR_FUTEX
    hpr_mutex_lock_contended(m);
    hpr_mutex_note(m, true);
#endif
}

/* hpr_mutex_unlock() without waking; true: somebody may sleep, and hpr_mutex_wake() has to follow. From here on the
 * mutex may be gone, with the last handle of another thread. */
static inline bool hpr_mutex_leave(struct hpr_mutex *m)
{
    hpr_mutex_note(m, false);
#ifdef HPR_FUTEX
    return HPR_UNLIKELY(atomic_exchange_explicit(&m->word, HPR_MUTEX_FREE, memory_order_release) ==
                        HPR_MUTEX_CONTENDED);
#else
    (void)pthread_mutex_unlock(&m->mutex);
    return false;
#endif
}

static inline void hpr_mutex_wake(const struct hpr_mutex *m)
{
#ifdef HPR_FUTEX
    hpr_futex_wake_one(&m->word);
#else
    (void)m;
#endif
}

static inline void hpr_mutex_unlock(struct hpr_mutex *m)
{
    if (hpr_mutex_leave(m)) hpr_mutex_wake(m);
}

/* First line of every function whose name ends in _locked. */
#ifdef HPR_DEBUG
#define HPR_ASSERT_HELD(m) assert((m)->is_held &&pthread_equal((m)->owner, pthread_self()))
#else
#define HPR_ASSERT_HELD(m) ((void)(m))
#endif

struct hpr_cond {
#ifdef HPR_FUTEX
    _Atomic uint32_t sequence; /* of broadcasts; changes under the mutex it is waited with */
    uint32_t waiters;          /* [the same mutex] */
#else
    pthread_cond_t cond;
#endif
};

hopper_status hpr_cond_init(struct hpr_cond *c);
void hpr_cond_fini(struct hpr_cond *c);

/* Wait for at most TIMEOUT_NS nanoseconds (UINT64_MAX: without limit). May return early: wait in a loop. */
void hpr_cond_wait(struct hpr_cond *c, struct hpr_mutex *m, uint64_t timeout_ns);

/* Wake all that wait. With the mutex held that they wait with. */
void hpr_cond_broadcast(struct hpr_cond *c);

/* Do nothing for so many times some 10 to 40 ns, and leave the CPU's resources to its other half. */
static inline void hpr_pause(int times)
{
    for (int i = 0; i < times; i++) {
#if defined __x86_64__ || defined __i386__
        __builtin_ia32_pause();
#elif defined __aarch64__
        __asm__ volatile("yield");
#endif
    }
}

/* ---- threads ---- */

#ifndef HPR_THREAD_STACK_BYTES
#define HPR_THREAD_STACK_BYTES ((size_t)256 << 10)
#endif

struct hpr_thread {
    bool is_running; /* all three: [const after open] */
    pthread_t id;
    const char *name; /* 15 characters at most */
    void (*run)(void *arg);
    void *arg;
};

/* Start RUN(ARG) in a thread called NAME, with all signals blocked, so that it takes none that are meant for the
 * program's own. 0, or why not as an errno. *T stays where it is until the thread has been joined. */
int hpr_thread_start(struct hpr_thread *t, const char *name, void (*run)(void *arg), void *arg);

/* Wait until it has returned; nothing when it was never started. */
void hpr_thread_join(struct hpr_thread *t);

#endif
