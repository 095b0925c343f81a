/* SPDX-License-Identifier: MIT */
/*
 * The wfcqueue of liburcu: a linked list without a bound, wait-free for senders. A message is a node on the heap; the
 * receiver takes over all that is there at once (splice), goes through it, and looks again after a while when there is
 * nothing. It has no way to sleep. A batch is one node.
 */
#define _LGPL_SOURCE /* its functions inline */
#include "bench.h"

#include <stdlib.h>
#include <urcu/wfcqueue.h>

struct message {
    struct cds_wfcq_node node; /* first: a node is its message */
    size_t len;
    size_t count;
    char bytes[];
};

static struct {
    struct cds_wfcq_head __attribute__((aligned(128))) head;
    struct cds_wfcq_tail __attribute__((aligned(128))) tail;
} queue;

/* What the receiver has taken over; only it looks here. */
static struct {
    struct cds_wfcq_head head;
    struct cds_wfcq_tail tail;
} taken;

static const char *peer_name(const struct bench_work *work)
{
    return work->kind == BENCH_MEM ? "urcu-wfcqueue" : NULL;
}

static void peer_open(const struct bench_work *work)
{
    (void)work;
    cds_wfcq_init(&queue.head, &queue.tail);
    cds_wfcq_init(&taken.head, &taken.tail);
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    cds_wfcq_destroy(&queue.head, &queue.tail);
    cds_wfcq_destroy(&taken.head, &taken.tail);
}

/* COUNT records that lie one after the other as one node. */
static inline void push(const struct iovec *records, size_t count)
{
    const struct iovec *last = &records[count - 1];
    const char *front        = records->iov_base;
    size_t len               = (size_t)((const char *)last->iov_base - front) + last->iov_len;
    struct message *message  = malloc(sizeof *message + len);

    if (message == NULL) bench_die("malloc", "no memory");
    cds_wfcq_node_init(&message->node);
    message->len   = len;
    message->count = count;
    memcpy(message->bytes, front, len);
    cds_wfcq_enqueue(&queue.head, &queue.tail, &message->node);
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    struct iovec records[BENCH_BATCH_MAX];
    char *group = bench_group_alloc(work, first);

    while (count > 0) {
        size_t some = bench_group(work, count);
        size_t each = work->batch == 1 ? 1 : some;

        bench_records_fill(work, group, records, sender, first, some);
        for (size_t i = 0; i < some; i += each) push(&records[i], each);
        first += some;
        count -= some;
    }
    free(group);
}

static inline struct message *pop(void)
{
    struct cds_wfcq_node *node;
    unsigned looks = 0;

    while ((node = __cds_wfcq_dequeue_blocking(&taken.head, &taken.tail)) == NULL)
        if (__cds_wfcq_splice_blocking(&taken.head, &taken.tail, &queue.head, &queue.tail) == CDS_WFCQ_RET_SRC_EMPTY)
            bench_relax(&looks);
    return (struct message *)node;
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    while (count > 0) {
        struct message *message = pop();
        size_t at               = 0;

        for (size_t i = 0; i < message->count; i++) {
            size_t len = message->count == 1 ? message->len : bench_message_size(work, bench_load(message->bytes + at));

            bench_any_check(work, check, message->bytes + at, len);
            at += len;
        }
        check->errors += at != message->len;
        count -= message->count;
        free(message);
    }
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive
};
