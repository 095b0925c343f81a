/* SPDX-License-Identifier: MIT */
/*
 * Concurrency Kit's ck_ring: a bounded ring without locks. It does not wait: both sides look again after a while, and
 * give the CPU away now and then.
 *
 * Each sender has a ring of its own (SPSC) and the receiver goes through them in turn. The ring for several senders
 * (MPSC) would be closer to a channel, but a sender there waits, without ever giving the CPU away, until those that
 * came before it are done: with more senders than CPUs a message takes a time slice.
 *
 * It carries pointers (pointer.h). Variant "array": messages of 100 and 1024 bytes by value, for lengths that are known
 * when the program is compiled. It has no batches: several messages go as one pointer.
 */
#include "pointer.h"

#include <ck_ring.h>

struct array_100 {
    char bytes[100];
};

struct array_1024 {
    char bytes[1024];
};

CK_RING_PROTOTYPE(array_100, array_100)
CK_RING_PROTOTYPE(array_1024, array_1024)

struct ring {
    ck_ring_t ring;
    ck_ring_buffer_t *pointers;
    struct array_100 *short_arrays;
    struct array_1024 *long_arrays;
    char apart[128];
};

static struct {
    struct ring ring[BENCH_SENDERS_MAX];
    unsigned count;
    unsigned turn; /* whose ring the receiver looks at next */
} queue;

static bool is_array(const struct bench_work *work)
{
    return strcmp(work->variant, "array") == 0;
}

static const char *peer_name(const struct bench_work *work)
{
    if (work->kind != BENCH_MEM) return NULL;
    if (!is_array(work)) return work->variant[0] == '\0' ? "ck-ring" : NULL;
    if (work->mix || work->batch > 1 || (work->size != 100 && work->size != 1024)) return NULL;
    return "ck-ring-array";
}

/* All rings together have the slots that are asked for; a ring holds one less than its power of two. */
static void peer_open(const struct bench_work *work)
{
    uint64_t wanted   = (work->slots != 0 ? work->slots : work->messages) / work->batch / work->senders;
    unsigned int size = 4;

    while (size < wanted) size *= 2;
    queue.count = work->senders;
    for (unsigned i = 0; i < queue.count; i++) {
        struct ring *ring = &queue.ring[i];

        ck_ring_init(&ring->ring, size);
        if (!is_array(work)) ring->pointers = bench_alloc(size, sizeof *ring->pointers);
        if (is_array(work) && work->size == 100) ring->short_arrays = bench_alloc(size, sizeof *ring->short_arrays);
        if (is_array(work) && work->size == 1024) ring->long_arrays = bench_alloc(size, sizeof *ring->long_arrays);
    }
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    for (unsigned i = 0; i < queue.count; i++) {
        free(queue.ring[i].pointers);
        free(queue.ring[i].short_arrays);
        free(queue.ring[i].long_arrays);
    }
}

/* ---- senders ---- */

static _Thread_local struct ring *mine;

static inline void push(void *pointer)
{
    unsigned looks = 0;

    while (!ck_ring_enqueue_spsc(&mine->ring, mine->pointers, pointer)) bench_relax(&looks);
}

static inline bool array_put(void *message, size_t size)
{
    if (size == 100) return ck_ring_enqueue_spsc_array_100(&mine->ring, mine->short_arrays, message);
    return ck_ring_enqueue_spsc_array_1024(&mine->ring, mine->long_arrays, message);
}

static void send_arrays(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    char *group = bench_group_alloc(work, first);

    while (count > 0) {
        size_t some = bench_group(work, count);

        bench_group_fill(group, work->size, sender, first, some);
        for (size_t i = 0; i < some; i++) {
            unsigned looks = 0;

            while (!array_put(group + i * work->size, work->size)) bench_relax(&looks);
        }
        first += some;
        count -= some;
    }
    free(group);
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    mine = &queue.ring[sender];
    if (is_array(work)) {
        send_arrays(work, sender, first, count);
    } else {
        pointer_send(work, sender, first, count, push);
    }
}

/* ---- the receiver: stays with a ring while it has something ---- */

static inline void turn_next(unsigned *looks)
{
    if (++queue.turn < queue.count) return;
    queue.turn = 0;
    bench_relax(looks);
}

static inline void *pop(void)
{
    void *pointer;
    unsigned looks = 0;

    while (!ck_ring_dequeue_spsc(&queue.ring[queue.turn].ring, queue.ring[queue.turn].pointers, &pointer))
        turn_next(&looks);
    return pointer;
}

static inline bool array_take(struct ring *ring, void *message, size_t size)
{
    if (size == 100) return ck_ring_dequeue_spsc_array_100(&ring->ring, ring->short_arrays, message);
    return ck_ring_dequeue_spsc_array_1024(&ring->ring, ring->long_arrays, message);
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    char message[sizeof(struct array_1024)];
    unsigned looks = 0;

    if (!is_array(work)) {
        pointer_receive(work, check, count, pop);
        return;
    }
    for (; count > 0; count--) {
        while (!array_take(&queue.ring[queue.turn], message, work->size)) turn_next(&looks);
        bench_message_check(check, message, work->size, work->size);
    }
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive
};
