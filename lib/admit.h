/* SPDX-License-Identifier: MIT */
/* How records get into a channel: memory, block or file, waiting for room, and the policies. Used by senders. */
#ifndef HPR_ADMIT_H
#define HPR_ADMIT_H

#include "channel.h"
#include "stream.h"

/* One record, or item, on its way in. */
struct hpr_send {
    struct hpr_source source;
    uint64_t weight;  /* of an item */
    bool is_measured; /* an item's source.len is known */
    bool is_packed;   /* an item is in the scratch, which is ours */
    bool may_drop;    /* its deadline has passed: HOPPER_FULL_DROP_OLDEST may make room */
    bool is_spilled;  /* result: it went the way of the disk */
    bool is_dropped;  /* result: accepted and dropped by policy */
};

/* Accept records [0, COUNT) one after the other; *ACCEPTEDP of them. Blocks, results: hopper_send_until(). */
hopper_status hpr_admit_records(struct hpr_channel *ch, const struct iovec *records, size_t count, uint64_t deadline_ns,
                                size_t *acceptedp, struct hopper_error *err);
hopper_status hpr_admit_item(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns,
                             struct hopper_error *err);

#endif
