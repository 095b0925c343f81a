/* SPDX-License-Identifier: MIT */
/*
 * GLib's GAsyncQueue: a list of pointers under a mutex with a condition, without a bound.
 *
 * What a pointer carries stands in pointer.h. Batches: the queue is locked once for all messages of a batch, by both
 * sides; the receiver takes what is there, up to a batch. Variant "chunk": a whole batch as one message on the heap,
 * which is what a user does who wants speed.
 */
#include "pointer.h"

#include <glib.h>

static GAsyncQueue *queue;

static bool is_chunk(const struct bench_work *work)
{
    return strcmp(work->variant, "chunk") == 0;
}

/* The queue's own batches. */
static bool is_batch(const struct bench_work *work)
{
    return work->batch > 1 && !is_chunk(work);
}

static const char *peer_name(const struct bench_work *work)
{
    if (work->kind != BENCH_MEM && work->kind != BENCH_WAKE && work->kind != BENCH_BURST) return NULL;
    if (is_chunk(work) && work->batch == 1) return NULL;
    return is_chunk(work) ? "gasyncqueue-chunk" : "gasyncqueue";
}

static void peer_open(const struct bench_work *work)
{
    (void)work;
    queue = g_async_queue_new();
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    g_async_queue_unref(queue);
}

static inline void push(void *message)
{
    g_async_queue_push(queue, message);
}

static inline void *pop(void)
{
    return g_async_queue_pop(queue);
}

/* ---- batches under one lock ---- */

static void send_batches(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    struct iovec records[BENCH_BATCH_MAX];
    void *message[BENCH_BATCH_MAX];
    char *group = bench_group_alloc(work, first);

    while (count > 0) {
        size_t some = bench_group(work, count);

        bench_records_fill(work, group, records, sender, first, some);
        for (size_t i = 0; i < some; i++)
            message[i] =
                pointer_is_word(work) ? pointer_word(bench_value(sender, first + i)) : pointer_copy(&records[i], 1);
        g_async_queue_lock(queue);
        for (size_t i = 0; i < some; i++) g_async_queue_push_unlocked(queue, message[i]);
        g_async_queue_unlock(queue);
        first += some;
        count -= some;
    }
    free(group);
}

static void receive_batches(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    void *message[BENCH_BATCH_MAX];

    while (count > 0) {
        size_t most  = bench_batch(work, count);
        size_t batch = 0;

        g_async_queue_lock(queue);
        message[batch++] = g_async_queue_pop_unlocked(queue);
        while (batch < most && (message[batch] = g_async_queue_try_pop_unlocked(queue)) != NULL) batch++;
        g_async_queue_unlock(queue);
        for (size_t i = 0; i < batch; i++) pointer_take(work, check, message[i]);
        count -= batch;
    }
}

/* ---- the peer ---- */

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    if (is_batch(work)) {
        send_batches(work, sender, first, count);
    } else {
        pointer_send(work, sender, first, count, push);
    }
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    if (is_batch(work)) {
        receive_batches(work, check, count);
    } else {
        pointer_receive(work, check, count, pop);
    }
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive
};
