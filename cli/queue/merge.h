/* SPDX-License-Identifier: MIT */
/*
 * The records of a queue in one order, from where they are: queue files, and in a channel that survives a crash the
 * ring and the blocks in MEMORY. The three are merged by sequence number; what is there twice comes once.
 */
#ifndef QUEUE_MERGE_H
#define QUEUE_MERGE_H

#include "ring_walk.h"
#include "scan.h"

enum merge_kind {
    MERGE_RECORDS, /* `count` records from `seq` on: read them by merge_record() */
    MERGE_GAP      /* `count` records from `seq` on are not there; see `reason` */
};

struct merge_piece {
    enum merge_kind kind;
    uint64_t seq;
    uint64_t count;
    enum hopper_gap reason;
};

struct merge {
    const struct place *place;
    struct scan scan;
    struct payload *frame_payload;
    struct payload *memory_payload;
    bool has_memory;
    bool is_complete; /* nobody has records elsewhere: what is not here is lost */
    struct ring_walk ring;
    bool has_place[HPR_MEMORY_BLOCKS_MAX]; /* the blocks that are beside the ring */
    size_t block;                          /* index of the next one */

    struct scan_event frame; /* the next frame, when has_frame */
    bool has_frame;
    bool is_frame_current; /* its records are being read */
    struct ring_entry entry;
    bool has_entry;

    enum hopper_gap damage;      /* why something since the last records was passed over, 0: nothing was */
    uint64_t dropped_total;      /* by the last frame; UINT64_MAX: not known */
    uint64_t next;               /* sequence number expected next; 0: not known */
    uint64_t floor;              /* what is below it is acknowledged: no loss */
    uint64_t floor_dropped;      /* dropped total there */
    enum hopper_gap why_missing; /* what nothing else tells of */
    uint64_t end;                /* what is known to have been accepted ends before it; 0: not known */

    struct payload *current; /* of the records at hand */
    struct payload_record single;
    bool is_single;
    uint64_t skip; /* records at its front that are not wanted */
    bool is_newer;
    uint64_t unreadable; /* files */
};

/* False: no memory, which is said. */
bool merge_init(struct merge *m, const struct place *place);
void merge_fini(struct merge *m);

bool merge_next(struct merge *m, struct merge_piece *piece);

/* The next of the records at hand; its bytes by payload_bytes(m->current). False: it cannot be read any more. */
bool merge_record(struct merge *m, struct payload_record *rec);

#endif
