/* SPDX-License-Identifier: MIT */
/* Sending in channels that survive a power loss. A record is staged in a block; a round writes all that is staged to a
 * file and syncs it; then the records are accepted, in order: they count, the receiver sees them, their senders return.
 * One thread at a time runs a round, for all who wait: whoever stages a record while it runs is in the next. */
#ifndef HPR_COMMIT_H
#define HPR_COMMIT_H

#include <stdatomic.h>

#include "base.h"
#include "sync.h"

struct hpr_channel;
struct hpr_source;

struct hpr_commit_waiter { /* on the stack of a sender, in a list under `back` */
    struct hpr_commit_waiter *next;
    uint64_t seq;     /* of its last staged record */
    uint64_t end_seq; /* when it is done: all its records below this were accepted */
    bool is_done;
    hopper_status status;
};

struct hpr_commit {
    uint64_t staged_seq;               /* [back] of the next record to be staged */
    bool is_running;                   /* [back] a thread runs a round, or syncs */
    struct hpr_commit_waiter *waiters; /* [back] */
    struct hopper_error failure;       /* [back] of the last round that failed */
    struct hpr_cond done;              /* [back] a round has ended */
    _Atomic uint64_t durable_seq;      /* [atomic: written under back] */

    struct hpr_thread thread; /* HOPPER_SYNC_INTERVAL */
    bool is_stopping;         /* [back] */
    struct hpr_cond tick;     /* [back] */
};

hopper_status hpr_commit_open(struct hpr_channel *ch, struct hopper_error *err);
void hpr_commit_close(struct hpr_channel *ch);

/* What is sent in one call: COUNT records of bytes, each somewhere or side by side, or ONE of any kind. */
struct hpr_batch {
    const struct iovec *records;
    const struct hpr_source *one; /* NULL: `records` */
    const unsigned char *joined;  /* not NULL: these instead; hopper_send_joined() */
    const size_t *offsets;
    size_t count;
};

/* Record I of BATCH, which has JOINED ones. What ends before it begins is as a record of no address, that no send
 * takes. */
static inline struct iovec hpr_batch_joined(const struct hpr_batch *batch, size_t i)
{
    const size_t begin = batch->offsets[i], end = batch->offsets[i + 1];

    if (end < begin) return (struct iovec){ NULL, 1 };
    return (struct iovec){ (void *)(uintptr_t)(batch->joined + begin), end - begin };
}

/* Record I of BATCH, which has not ONE. */
static inline struct iovec hpr_batch_record(const struct hpr_batch *batch, size_t i)
{
    return batch->joined ? hpr_batch_joined(batch, i) : batch->records[i];
}

/* Accept the records of BATCH one after the other; *ACCEPTEDP of them, *SEQP is the last one's sequence number
 * (unchanged when there is none). Blocks, results: hopper_send_until(). */
hopper_status hpr_commit_send(struct hpr_channel *ch, const struct hpr_batch *batch, uint64_t deadline_ns,
                              size_t *acceptedp, uint64_t *seqp, struct hopper_error *err);

/* Results: hopper_wait_durable(), hopper_flush(). */
hopper_status hpr_commit_wait(struct hpr_channel *ch, uint64_t seq, uint64_t deadline_ns, struct hopper_error *err);
hopper_status hpr_commit_flush(struct hpr_channel *ch, struct hopper_error *err);

#endif
