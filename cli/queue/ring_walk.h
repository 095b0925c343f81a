/* SPDX-License-Identifier: MIT */
/* The ring in the file MEMORY of a queue that is not in use, entry by entry. Nothing of it is held, and none of it is
 * believed: where an entry makes no sense the walk ends. */
#ifndef QUEUE_RING_WALK_H
#define QUEUE_RING_WALK_H

#include "memory_old.h"

enum ring_kind {
    RING_RECORD,    /* one record */
    RING_NUMBERED,  /* one of a producer that numbers its own */
    RING_ELSEWHERE, /* `seqs` sequence numbers are in queue files or blocks, `dropped` of them dropped by policy */
    RING_DROPPED    /* `seqs` records were dropped by policy */
};

struct ring_entry {
    enum ring_kind kind;
    uint64_t seq;
    uint64_t seqs;
    uint64_t dropped;
    uint64_t offset; /* of a record's bytes in the file */
    uint32_t bytes;
};

struct ring_walk {
    const struct hpr_memory_old *old;
    uint64_t pos;
    uint64_t seq;
    bool is_padded; /* what was passed last; an entry must follow */
    bool is_broken; /* it ended before its end */
};

void ring_walk_init(struct ring_walk *walk, const struct hpr_memory_old *old);

/* The next entry; false at the end. */
bool ring_walk_next(struct ring_walk *walk, struct ring_entry *entry);

/* Which of the blocks are beside the ring, where the receiver had PASSED_SEQ; records in others do not come. */
void ring_walk_place_blocks(const struct hpr_memory_old *old, uint64_t passed_seq,
                            bool has_place[HPR_MEMORY_BLOCKS_MAX]);

#endif
