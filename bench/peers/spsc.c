/* SPDX-License-Identifier: MIT */
/*
 * Lamport's ring for one sender and one receiver: nothing but a copy in and a look out.
 *
 * Each side writes one position and remembers the last position of the other that it saw; positions lie on cache lines
 * of their own and are published once for each call's messages. No lock, no length, no sleep, no second sender: not a
 * channel that one could use instead, but what is left when all the rest is taken away. It is no upper limit, though:
 * two sides in step share the lines that they work on, and a receiver that slept for a while reads faster after it.
 */
#include "bench.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CACHE_LINE    128 /* neighbours are fetched in pairs */
#define BETWEEN_LOOKS 300 /* about 0.7 us */
#define LOOKS_YIELD   100

static struct {
    alignas(CACHE_LINE) _Atomic uint64_t tail; /* messages sent */
    alignas(CACHE_LINE) _Atomic uint64_t head; /* messages taken */
    alignas(CACHE_LINE) char *slot;
    uint64_t mask;
} ring;

static const char *peer_name(const struct bench_work *work)
{
    if (work->kind == BENCH_WAKE) return "spsc-ring-spinning";
    return work->kind == BENCH_MEM && work->senders == 1 && !work->mix ? "spsc-ring" : NULL;
}

/* Slots are a power of two, room for all of a pass unless the work says less. */
static void peer_open(const struct bench_work *work)
{
    uint64_t wanted = work->slots != 0 ? work->slots : work->messages;
    uint64_t slots = 1;

    while (slots < wanted || slots < 2 * work->batch) slots *= 2;
    ring.slot = bench_alloc((size_t)slots, work->size);
    ring.mask = slots - 1;
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    free(ring.slot);
}

/* Wait until POSITION is at least AT; its value. Looks seldom: each look takes the line away from its writer. */
static uint64_t wait_for(_Atomic uint64_t *position, uint64_t at)
{
    uint64_t seen;
    unsigned looks = 0;

    while ((int64_t)((seen = atomic_load_explicit(position, memory_order_acquire)) - at) < 0) {
        for (volatile int i = 0; i < BETWEEN_LOOKS; i++) continue;
        if (++looks % LOOKS_YIELD == 0) sched_yield();
    }
    return seen;
}

/* Put COUNT messages from GROUP into the ring, PUBLISH at a time. Returns what is known of the head then. */
static inline uint64_t put_size(const char *group, size_t size, size_t count, size_t publish, uint64_t head)
{
    uint64_t tail = atomic_load_explicit(&ring.tail, memory_order_relaxed);
    uint64_t slots = ring.mask + 1;

    for (size_t i = 0; i < count;) {
        size_t end = count - i < publish ? count : i + publish;

        if (tail + publish - head > slots) head = wait_for(&ring.head, tail + publish - slots);
        for (; i < end; i++, tail++) memcpy(ring.slot + (tail & ring.mask) * size, group + i * size, size);
        atomic_store_explicit(&ring.tail, tail, memory_order_release);
    }
    return head;
}

/* The common sizes as constants, so that the compiler copies them in place. */
static uint64_t put(const char *group, size_t size, size_t count, size_t publish, uint64_t head)
{
    switch (size) {
    case 8: return put_size(group, 8, count, publish, head);
    case 100: return put_size(group, 100, count, publish, head);
    case 1024: return put_size(group, 1024, count, publish, head);
    default: return put_size(group, size, count, publish, head);
    }
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    char    *group = bench_alloc(bench_group_max(work), work->size);
    uint64_t head = atomic_load_explicit(&ring.head, memory_order_acquire);

    while (count > 0) {
        size_t some = bench_group(work, count);

        bench_group_fill(group, work->size, sender, first, some);
        head = put(group, work->size, some, work->batch, head);
        first += some;
        count -= some;
    }
    free(group);
}

static inline void receive_size(const struct bench_work *work, struct bench_check *check, uint64_t count, size_t size)
{
    uint64_t head = atomic_load_explicit(&ring.head, memory_order_relaxed);
    uint64_t tail = head;

    while (count > 0) {
        size_t batch;

        if (tail == head) tail = wait_for(&ring.tail, head + 1);
        batch = bench_batch(work, tail - head);
        for (size_t i = 0; i < batch; i++, head++)
            bench_message_check(check, ring.slot + (head & ring.mask) * size, size, size);
        atomic_store_explicit(&ring.head, head, memory_order_release);
        count -= batch;
    }
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    if (work->size == 8) {
        receive_size(work, check, count, 8);
    } else {
        receive_size(work, check, count, work->size);
    }
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive};
