/* SPDX-License-Identifier: MIT */
/* How records get into a channel: memory, block or file, waiting for room, and the policies. Used by senders. */
#ifndef HPR_ADMIT_H
#define HPR_ADMIT_H

#include "channel.h"
#include "stream.h"

/* One record, or item, on its way in. */
struct hpr_send {
    struct hpr_source source;
    uint64_t weight;     /* of an item */
    uint64_t freed_seen; /* what the receiver had given back, as far as was known before the last try */
    bool is_measured;    /* an item's source.len is known */
    bool is_packed;      /* an item is in the scratch, which is ours */
    bool may_drop;       /* its deadline has passed: HOPPER_FULL_DROP_OLDEST may make room */
    bool is_spilled;     /* result: it went the way of the disk */
    bool is_dropped;     /* result: accepted and dropped by policy */
    bool is_duplicate;   /* result: its producer had sent it before */
};

/* Accept one record of bytes. Blocks, results: hopper_send_until(). */
hopper_status hpr_admit_record(struct hpr_channel *ch, const void *data, size_t len, uint64_t deadline_ns,
                               uint64_t *seqp, struct hopper_error *err);

/* Accept the records of BATCH, of bytes, one after the other; *ACCEPTEDP of them; *SEQP is the last one's sequence
 * number, unchanged when there is none. Blocks, results: hopper_send_until(). */
hopper_status hpr_admit_batch(struct hpr_channel *ch, const struct hpr_batch *batch, uint64_t deadline_ns,
                              size_t *acceptedp, uint64_t *seqp, struct hopper_error *err);
hopper_status hpr_admit_item(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns, uint64_t *seqp,
                             struct hopper_error *err);

/* A record of a producer; what was accepted before counts as a duplicate. Results: hopper_send_numbered(). */
hopper_status hpr_admit_numbered(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns, uint64_t *seqp,
                                 struct hopper_error *err);

/* ---- for commit.c, `back` held ---- */

/* Before the lock is dropped or a wait: the receiver sees what has been accepted up to now. */
void hpr_admit_show_receiver(struct hpr_channel *ch);

/* Put SEND into the ring, behind the placements that have to go before it; false when there is no room. */
bool hpr_admit_put_in_ring(struct hpr_channel *ch, const struct hpr_send *send);

/* SEND has gone to the spill, behind what was dropped before it. */
void hpr_admit_note_overflow(struct hpr_channel *ch, struct hpr_send *send);

/* Count SEND as accepted and dropped by HOPPER_FULL_DROP_NEWEST. */
void hpr_admit_drop(struct hpr_channel *ch, struct hpr_send *send);

/* The disk budget is spent, or the device is full: win room where nothing is wanted any more, or where the policy says
 * so. */
enum hpr_result hpr_admit_make_disk_room(struct hpr_channel *ch, const struct hpr_send *send);

/* Until something has changed that may let SEND in, which has failed with ST, or DEADLINE has passed. */
void hpr_admit_wait_for_change(struct hpr_channel *ch, const struct hpr_send *send, hopper_status st,
                               uint64_t deadline_ns);

#endif
