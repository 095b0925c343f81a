/* SPDX-License-Identifier: MIT */
/*
 * GLib's GAsyncQueue: a list of pointers under a mutex with a condition, without a bound.
 *
 * Messages of eight bytes travel as the pointer itself where pointers have 64 bits (plus one, as a queue does not take
 * NULL); larger ones as a copy on the heap, freed by the receiver. Batches: the queue is locked once for all messages
 * of a batch, by both sides; the receiver takes what is there, up to a batch. Variant "chunk": a whole batch as one
 * message on the heap, which is what a user does who wants speed.
 */
#include "bench.h"

#include <glib.h>
#include <stdlib.h>

#define AS_POINTER (sizeof(gpointer) >= sizeof(uint64_t))

/* A batch as one message. */
struct chunk {
    size_t count;
    char   bytes[];
};

static GAsyncQueue *queue;

static int is_chunk(const struct bench_work *work)
{
    return strcmp(work->variant, "chunk") == 0;
}

static const char *peer_name(const struct bench_work *work)
{
    if (work->kind != BENCH_MEM || (is_chunk(work) && work->batch == 1)) return NULL;
    return is_chunk(work) ? "gasyncqueue-chunk" : "gasyncqueue";
}

static void peer_open(const struct bench_work *work)
{
    (void)work;
    queue = g_async_queue_new_full(g_free);
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    g_async_queue_unref(queue);
}

/* ---- senders ---- */

static gpointer message_make(const char *message, size_t size)
{
    gpointer copy;

    if (AS_POINTER && size == sizeof(uint64_t)) return (gpointer)(uintptr_t)(bench_load(message) + 1);
    copy = g_malloc(size);
    memcpy(copy, message, size);
    return copy;
}

static void chunk_send(const char *group, size_t size, size_t count)
{
    struct chunk *chunk = g_malloc(sizeof *chunk + count * size);

    chunk->count = count;
    memcpy(chunk->bytes, group, count * size);
    g_async_queue_push(queue, chunk);
}

static void batch_send(const char *group, size_t size, size_t count)
{
    gpointer message[BENCH_BATCH_MAX];

    for (size_t i = 0; i < count; i++) message[i] = message_make(group + i * size, size);
    g_async_queue_lock(queue);
    for (size_t i = 0; i < count; i++) g_async_queue_push_unlocked(queue, message[i]);
    g_async_queue_unlock(queue);
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    size_t size = work->size;
    char  *group = bench_alloc(bench_group_max(work), size);

    while (count > 0) {
        size_t some = bench_group(work, count);

        bench_group_fill(group, size, sender, first, some);
        if (is_chunk(work)) {
            chunk_send(group, size, some);
        } else if (work->batch > 1) {
            batch_send(group, size, some);
        } else {
            for (size_t i = 0; i < some; i++) g_async_queue_push(queue, message_make(group + i * size, size));
        }
        first += some;
        count -= some;
    }
    free(group);
}

/* ---- the receiver ---- */

static void message_take(struct bench_check *check, gpointer message, size_t size)
{
    if (AS_POINTER && size == sizeof(uint64_t)) {
        bench_value_check(check, (uint64_t)(uintptr_t)message - 1);
        return;
    }
    bench_message_check(check, message, size, size);
    g_free(message);
}

static void receive_chunks(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    size_t size = work->size;

    while (count > 0) {
        struct chunk *chunk = g_async_queue_pop(queue);

        for (size_t i = 0; i < chunk->count; i++)
            bench_message_check(check, chunk->bytes + i * size, size, size);
        count -= chunk->count;
        g_free(chunk);
    }
}

static void receive_batches(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    gpointer message[BENCH_BATCH_MAX];

    while (count > 0) {
        size_t batch = 0;

        g_async_queue_lock(queue);
        message[batch++] = g_async_queue_pop_unlocked(queue);
        while (batch < work->batch && (message[batch] = g_async_queue_try_pop_unlocked(queue)) != NULL) batch++;
        g_async_queue_unlock(queue);
        for (size_t i = 0; i < batch; i++) message_take(check, message[i], work->size);
        count -= batch;
    }
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    if (is_chunk(work)) {
        receive_chunks(work, check, count);
    } else if (work->batch > 1) {
        receive_batches(work, check, count);
    } else {
        for (; count > 0; count--) message_take(check, g_async_queue_pop(queue), work->size);
    }
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive};
