/* SPDX-License-Identifier: MIT */
/*
 * A small deque with two locks, and scenarios around it: what the scheduler is tried on. Its wakeups work as those of
 * the library: a receiver that finds nothing says that it sleeps, and senders wake it only then; senders that find no
 * room wait for the receiver to make some.
 *
 * Not a header in the usual sense: deque_sound.c and each canary_*.c include it once, the latter after defining one
 * FAULT_*, which plants one fault. The scheduler has to find each of them, and nothing in the sound one.
 *
 *     push   back:  wait while full, put, publish        then, if the receiver sleeps:  front: wake it
 *     pop    front: wait while empty, take, publish      then, if senders wait:         back:  wake them
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "sched.h"

#ifndef DEQUE_SLOTS
#define DEQUE_SLOTS 2
#endif
#ifndef DEQUE_SENDERS
#define DEQUE_SENDERS 2
#endif
#ifndef DEQUE_EACH
#define DEQUE_EACH 2 /* values per sender */
#endif

static struct {
    pthread_mutex_t back;
    pthread_mutex_t front;
    pthread_cond_t not_full;  /* with back */
    pthread_cond_t not_empty; /* with front */
    atomic_uint tail;         /* next slot to fill; changes under back */
    atomic_uint head;         /* next slot to empty; changes under front */
    atomic_bool sleeps;       /* the receiver is about to wait, or waits */
    atomic_uint waiting;      /* senders that are about to wait, or wait */
    unsigned pushes;          /* counted by FAULT_PLAIN_COUNTER */
    int slot[DEQUE_SLOTS];
} dq;

static bool is_full(void)
{
    return atomic_load(&dq.tail) - atomic_load(&dq.head) == DEQUE_SLOTS;
}

static bool is_empty(void)
{
    return atomic_load(&dq.tail) == atomic_load(&dq.head);
}

/* ---- the sender's side ---- */

static void wake_receiver(void)
{
    if (!atomic_load(&dq.sleeps)) return;
#if defined FAULT_SIGNAL_UNLOCKED /* the receiver may be between its check and its wait */
    pthread_cond_signal(&dq.not_empty);
#else
    pthread_mutex_lock(&dq.front);
#if !defined FAULT_LATE_CLEAR
    atomic_store(&dq.sleeps, false);
#endif
    pthread_cond_signal(&dq.not_empty);
    pthread_mutex_unlock(&dq.front);
#endif
#if defined FAULT_LATE_CLEAR /* the receiver may have gone to sleep again */
    atomic_store(&dq.sleeps, false);
#endif
}

static void wait_for_room(void)
{
#if defined FAULT_IF_FULL /* another sender may have taken the room */
    if (is_full()) {
#else
    while (is_full()) {
#endif
        atomic_fetch_add(&dq.waiting, 1);
        if (is_full()) pthread_cond_wait(&dq.not_full, &dq.back);
        atomic_fetch_sub(&dq.waiting, 1);
    }
}

static void push(int value)
{
    unsigned tail;

    pthread_mutex_lock(&dq.back);
    wait_for_room();
    tail = atomic_load(&dq.tail);
    SCHED_CHECK(!is_full());
    dq.slot[tail % DEQUE_SLOTS] = value;
    atomic_store(&dq.tail, tail + 1);
#if defined FAULT_LOCK_ORDER /* pop takes them the other way round */
    wake_receiver();
    pthread_mutex_unlock(&dq.back);
#else
    pthread_mutex_unlock(&dq.back);
    wake_receiver();
#endif
#if defined FAULT_PLAIN_COUNTER /* not atomic, and under no lock */
    dq.pushes++;
#endif
}

/* ---- the receiver's side ---- */

static void wake_senders(void)
{
    if (atomic_load(&dq.waiting) == 0) return;
    pthread_mutex_lock(&dq.back);
#if defined FAULT_SIGNAL_ONE /* who is woken takes the room, and wakes nobody */
    if (atomic_load(&dq.waiting) == DEQUE_SENDERS) pthread_cond_signal(&dq.not_full);
#else
    pthread_cond_broadcast(&dq.not_full);
#endif
    pthread_mutex_unlock(&dq.back);
}

static void wait_for_value(void)
{
#if defined FAULT_IF_EMPTY /* a wait may end for no reason */
    if (is_empty()) {
#else
    while (is_empty()) {
#endif
        atomic_store(&dq.sleeps, true);
#if !defined FAULT_NO_SECOND_LOOK /* a sender may have put a value before it could see the flag */
        if (is_empty())
#endif
            pthread_cond_wait(&dq.not_empty, &dq.front);
    }
    atomic_store(&dq.sleeps, false);
}

static int pop(void)
{
    unsigned head;
    int value;

    pthread_mutex_lock(&dq.front);
    wait_for_value();
    SCHED_CHECK(!is_empty());
    head  = atomic_load(&dq.head);
    value = dq.slot[head % DEQUE_SLOTS];
    atomic_store(&dq.head, head + 1);
#if defined FAULT_LOCK_ORDER
    wake_senders();
    pthread_mutex_unlock(&dq.front);
#else
    pthread_mutex_unlock(&dq.front);
#if defined FAULT_UNLOCK_TWICE
    if (atomic_load(&dq.waiting) > 0) pthread_mutex_unlock(&dq.front);
#endif
    wake_senders();
#endif
    return value;
}

/* ---- the scenario ---- */

static void *sender(void *arg)
{
    int id = *(const int *)arg;

    for (int i = 0; i < DEQUE_EACH; i++) push(id * 100 + i);
    return NULL;
}

/* Takes everything and checks that each sender's values come in order. The node is freed unless FAULT_LEAK. */
static void *receiver(void *unused)
{
    int *next = calloc(DEQUE_SENDERS, sizeof *next);

    SCHED_CHECK(next != NULL);
    for (int i = 0; i < DEQUE_SENDERS * DEQUE_EACH; i++) {
        int value = pop();
        int id    = value / 100;

        SCHED_CHECK(id >= 0 && id < DEQUE_SENDERS);
        SCHED_CHECK(value % 100 == next[id]);
        next[id]++;
    }
#if defined FAULT_LEAK /* only when a sender waits at the end */
    if (atomic_load(&dq.head) == atomic_load(&dq.tail) && dq.slot[0] / 100 == 0) return NULL;
#endif
    free(next);
    return unused;
}

static void dq_init(void)
{
    pthread_mutex_init(&dq.back, NULL);
    pthread_mutex_init(&dq.front, NULL);
    pthread_cond_init(&dq.not_full, NULL);
    pthread_cond_init(&dq.not_empty, NULL);
    atomic_store(&dq.tail, 0);
    atomic_store(&dq.head, 0);
    atomic_store(&dq.sleeps, false);
    atomic_store(&dq.waiting, 0);
    dq.pushes = 0;
}

static void dq_fini(void)
{
    pthread_mutex_destroy(&dq.back);
    pthread_mutex_destroy(&dq.front);
    pthread_cond_destroy(&dq.not_full);
    pthread_cond_destroy(&dq.not_empty);
}

static void deque_body(void)
{
    static const int ids[] = { 0, 1, 2, 3 };
    pthread_t senders[DEQUE_SENDERS];
    pthread_t taker;

    dq_init();
    pthread_create(&taker, NULL, receiver, NULL);
    for (size_t i = 0; i < DEQUE_SENDERS; i++) pthread_create(&senders[i], NULL, sender, (void *)(uintptr_t)&ids[i]);
    for (size_t i = 0; i < DEQUE_SENDERS; i++) pthread_join(senders[i], NULL);
#if defined FAULT_DESTROY_EARLY /* the receiver may still be at work */
    dq_fini();
    pthread_join(taker, NULL);
#else
    pthread_join(taker, NULL);
    dq_fini();
#endif
#if defined FAULT_PLAIN_COUNTER
    SCHED_CHECK(dq.pushes == DEQUE_SENDERS * DEQUE_EACH);
#endif
    SCHED_CHECK(atomic_load(&dq.head) == DEQUE_SENDERS * DEQUE_EACH);
}
