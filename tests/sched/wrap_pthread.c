/* SPDX-License-Identifier: MIT */
/*
 * The pthread calls of the code under test, linked in with --wrap: README.md lists them. On a fiber of a schedule they
 * work on the scheduler's objects; the caller's pthread_mutex_t and pthread_cond_t only lend their addresses. Anywhere
 * else the real function is called.
 *
 * Taking a mutex, waiting, signalling and joining are visible steps, with a choice before them. Unlocking is not: what
 * a thread does between an unlock and its next visible step nobody else can see.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "objects.h"

#define HERE __builtin_return_address(0)

/* __wrap_NAME stands in for NAME, which is still there as __real_NAME. */
#define WRAPPED(type, name, ...)     \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

/* ---- threads ---- */

unsigned sched_waits(int id)
{
    if (id >= sched_thread_count()) return 0;
    sched_learned(sched_self(), sched_thread(id)->history); /* looked at */
    return sched_thread(id)->waits;
}

WRAPPED(int, pthread_create, pthread_t *idp, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    if (!sched_is_on()) return __real_pthread_create(idp, attr, start, arg);
    if (sched_threads_refused() != 0) return sched_threads_refused();
    *idp = (pthread_t)sched_thread_new(start, arg) + 1;
    return 0;
}

WRAPPED(int, pthread_join, pthread_t id, void **resultp)
{
    int other = (int)id - 1;

    if (!sched_is_on()) return __real_pthread_join(id, resultp);
    if (other < 0 || other >= sched_thread_count() || sched_thread(other)->was_joined || other == sched_self())
        sched_end(SCHED_MISUSE, "join of a thread that cannot be joined");
    sched_thread(sched_self())->joined = other;
    sched_point(THREAD_JOINING, "pthread_join", HERE);
    sched_learned(sched_self(), sched_thread(other)->history);
    sched_thread(other)->was_joined = true;
    if (resultp != NULL) *resultp = sched_thread(other)->result;
    return 0;
}

WRAPPED(pthread_t, pthread_self, void)
{
    return sched_is_on() ? (pthread_t)sched_self() + 1 : __real_pthread_self();
}

bool sched_is_waiting(int id)
{
    sched_learned(sched_self(), sched_thread(id)->history);
    return id < sched_thread_count() && sched_thread(id)->state == THREAD_WAITING;
}

/* There are no real threads to name. */
WRAPPED(int, pthread_setname_np, pthread_t id, const char *name)
{
    if (!sched_is_on()) return __real_pthread_setname_np(id, name);
    return 0;
}

WRAPPED(int, sched_yield, void)
{
    if (!sched_is_on()) return __real_sched_yield();
    sched_point(THREAD_YIELDED, "sched_yield", HERE);
    return 0;
}

/* ---- mutexes ---- */

/* The calling thread is at M and has been chosen, so M is free. */
static void take(struct sched_object *m)
{
    m->owner = sched_self();
    sched_changed(m);
}

static void lock(struct sched_object *m, const char *what, const void *pc)
{
    if (m->owner == sched_self())
        sched_end(SCHED_MISUSE, "a mutex is locked again by its owner (pc 0x%lx)", sched_pc(pc));
    sched_thread(sched_self())->object = m;
    sched_point(THREAD_LOCKING, what, pc);
    if (m->kind != OBJECT_MUTEX)
        sched_end(SCHED_MISUSE, "a mutex was destroyed while a thread was about to lock it (pc 0x%lx)", sched_pc(pc));
    take(m);
}

static void unlock(struct sched_object *m, const void *pc)
{
    if (m->owner != sched_self())
        sched_end(SCHED_MISUSE, "unlock of a mutex that the thread does not hold (pc 0x%lx)", sched_pc(pc));
    sched_changed(m);
    m->owner = SCHED_NOBODY;
}

WRAPPED(int, pthread_mutex_init, pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    if (!sched_is_on()) return __real_pthread_mutex_init(mutex, attr);
    sched_changed(objects_reinit(mutex, OBJECT_MUTEX));
    return 0;
}

/* A thread that is about to lock it has not been harmed yet; it fails when it comes to it. */
WRAPPED(int, pthread_mutex_destroy, pthread_mutex_t *mutex)
{
    struct sched_object *m;

    if (!sched_is_on()) return __real_pthread_mutex_destroy(mutex);
    if (sched_is_concurrent()) sched_point(THREAD_READY, "pthread_mutex_destroy", HERE);
    m = sched_object(mutex, OBJECT_MUTEX);
    if (m->owner != SCHED_NOBODY) sched_end(SCHED_MISUSE, "a locked mutex is destroyed (pc 0x%lx)", sched_pc(HERE));
    for (int id = 0; id < sched_thread_count(); id++) {
        if (sched_thread(id)->state == THREAD_WAITING && sched_thread(id)->mutex == m)
            sched_end(SCHED_MISUSE, "a mutex is destroyed while thread %c waits with it (pc 0x%lx)", 'a' + id,
                      sched_pc(HERE));
    }
    sched_changed(m);
    m->kind = OBJECT_DESTROYED;
    return 0;
}

WRAPPED(int, pthread_mutex_lock, pthread_mutex_t *mutex)
{
    if (!sched_is_on()) return __real_pthread_mutex_lock(mutex);
    lock(sched_object(mutex, OBJECT_MUTEX), "pthread_mutex_lock", HERE);
    return 0;
}

WRAPPED(int, pthread_mutex_trylock, pthread_mutex_t *mutex)
{
    struct sched_object *m;

    if (!sched_is_on()) return __real_pthread_mutex_trylock(mutex);
    sched_point(THREAD_READY, "pthread_mutex_trylock", HERE);
    m = sched_object(mutex, OBJECT_MUTEX);
    if (m->owner == SCHED_NOBODY) {
        take(m);
        return 0;
    }
    sched_saw(m);
    return EBUSY;
}

WRAPPED(int, pthread_mutex_unlock, pthread_mutex_t *mutex)
{
    if (!sched_is_on()) return __real_pthread_mutex_unlock(mutex);
    unlock(sched_object(mutex, OBJECT_MUTEX), HERE);
    return 0;
}

/* ---- condition variables ---- */

WRAPPED(int, pthread_cond_init, pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    if (!sched_is_on()) return __real_pthread_cond_init(cond, attr);
    sched_changed(objects_reinit(cond, OBJECT_COND));
    return 0;
}

/* Those who wait in C, into WAITERS; how many. */
static unsigned waiters_of(const struct sched_object *c, int waiters[SCHED_THREADS_MAX])
{
    unsigned count = 0;

    for (int id = 0; id < sched_thread_count(); id++) {
        if (sched_thread(id)->state == THREAD_WAITING && sched_thread(id)->object == c) waiters[count++] = id;
    }
    return count;
}

WRAPPED(int, pthread_cond_destroy, pthread_cond_t *cond)
{
    int waiters[SCHED_THREADS_MAX];
    struct sched_object *c;

    if (!sched_is_on()) return __real_pthread_cond_destroy(cond);
    if (sched_is_concurrent()) sched_point(THREAD_READY, "pthread_cond_destroy", HERE);
    c = sched_object(cond, OBJECT_COND);
    if (waiters_of(c, waiters) > 0)
        sched_end(SCHED_MISUSE, "a condition variable is destroyed while thread %c waits (pc 0x%lx)", 'a' + waiters[0],
                  sched_pc(HERE));
    sched_changed(c);
    c->kind = OBJECT_DESTROYED;
    return 0;
}

/* Release the mutex and wait in one step; whoever ends the wait makes the thread lock the mutex again. */
static int wait_in(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until, const void *pc)
{
    struct sched_thread *me = sched_thread(sched_self());
    struct sched_object *c;
    struct sched_object *m;

    sched_point(THREAD_READY, "pthread_cond_wait", pc);
    c = sched_object(cond, OBJECT_COND);
    m = sched_object(mutex, OBJECT_MUTEX);
    unlock(m, pc);
    sched_changed(c);
    me->object      = c;
    me->mutex       = m;
    me->wake        = 0;
    me->waits++;
    me->is_timed    = until != NULL;
    me->deadline_ns = until == NULL ? 0 : (uint64_t)until->tv_sec * 1000000000u + (uint64_t)until->tv_nsec;
    sched_point(THREAD_WAITING, "pthread_cond_wait", pc);
    if (m->kind != OBJECT_MUTEX)
        sched_end(SCHED_MISUSE, "a mutex was destroyed while a thread waited with it (pc 0x%lx)", sched_pc(pc));
    take(m);
    return me->wake;
}

WRAPPED(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (!sched_is_on()) return __real_pthread_cond_wait(cond, mutex);
    return wait_in(cond, mutex, NULL, HERE);
}

WRAPPED(int, pthread_cond_timedwait, pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    if (!sched_is_on()) return __real_pthread_cond_timedwait(cond, mutex, until);
    return wait_in(cond, mutex, until, HERE);
}

WRAPPED(int, pthread_cond_clockwait, pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
        const struct timespec *until)
{
    if (!sched_is_on()) return __real_pthread_cond_clockwait(cond, mutex, clock, until);
    return wait_in(cond, mutex, until, HERE);
}

static void wake(int id)
{
    struct sched_thread *t = sched_thread(id);

    sched_learned(id, sched_thread(sched_self())->history);
    t->wake   = 0;
    t->state  = THREAD_LOCKING;
    t->object = t->mutex;
}

WRAPPED(int, pthread_cond_signal, pthread_cond_t *cond)
{
    int waiters[SCHED_THREADS_MAX];
    struct sched_object *c;
    unsigned count;

    if (!sched_is_on()) return __real_pthread_cond_signal(cond);
    sched_point(THREAD_READY, "pthread_cond_signal", HERE);
    c = sched_object(cond, OBJECT_COND);
    sched_changed(c);
    count = waiters_of(c, waiters);
    if (count > 0) wake(waiters[sched_choose(count)]);
    return 0;
}

WRAPPED(int, pthread_cond_broadcast, pthread_cond_t *cond)
{
    int waiters[SCHED_THREADS_MAX];
    struct sched_object *c;
    unsigned count;

    if (!sched_is_on()) return __real_pthread_cond_broadcast(cond);
    sched_point(THREAD_READY, "pthread_cond_broadcast", HERE);
    c = sched_object(cond, OBJECT_COND);
    sched_changed(c);
    count = waiters_of(c, waiters);
    for (unsigned i = 0; i < count; i++) wake(waiters[i]);
    return 0;
}

/* ---- time and the end ---- */

/* Every clock is the virtual one. */
WRAPPED(int, clock_gettime, clockid_t clock, struct timespec *now)
{
    uint64_t ns;

    if (!sched_is_on()) return __real_clock_gettime(clock, now);
    ns           = sched_now_ns();
    now->tv_sec  = (time_t)(ns / 1000000000u);
    now->tv_nsec = (long)(ns % 1000000000u);
    return 0;
}

_Noreturn WRAPPED(void, __assert_fail, const char *text, const char *file, unsigned line, const char *function)
{
    if (!sched_is_on()) __real___assert_fail(text, file, line, function);
    sched_fail("%s:%u: %s: assertion failed: %s", file, line, function, text);
}

_Noreturn WRAPPED(void, abort, void)
{
    if (!sched_is_on()) __real_abort();
    sched_fail("abort() called (pc 0x%lx)", sched_pc(HERE));
}
