/* SPDX-License-Identifier: MIT */
/*
 * The books of a queue, from its files alone:
 *
 *     accepted = acknowledged + pending in memory + pending on disk + gaps by reason + missing
 *
 * "missing" is what should be there and is not, which the receiver will find to be gaps. Only a channel that survives
 * has books in its directory: of one that survives nothing, memory and owner know the rest.
 */
#ifndef QUEUE_TALLY_H
#define QUEUE_TALLY_H

#include "scan.h"

struct tally {
    /* queue files */
    uint64_t files; /* of this channel */
    uint64_t bytes;
    uint64_t sealed;
    uint64_t frames;
    uint64_t records;   /* that can be read, each counted once */
    uint64_t first_seq; /* 0: there is none */
    uint64_t last_seq;
    uint64_t first_dropped_total; /* of the first frame */
    uint64_t first_ms;            /* when the first frame's first record came */
    uint64_t damaged;             /* places */
    uint64_t refused;             /* files that are not of this channel, or cannot be read */
    uint64_t tail_file;
    uint64_t tail_bytes;
    bool is_newer; /* something is of a newer version */

    /* MEMORY, when it counts */
    uint64_t memory_ring;   /* records in the ring */
    uint64_t memory_blocks; /* records in blocks that no queue file has */

    /* the channel */
    struct hpr_passed passed; /* of STATE or MEMORY, whichever is ahead */
    uint64_t next_seq;        /* the next record accepted gets at least this one */
    uint64_t dropped_total;   /* below it */
    bool has_books;
    bool is_exact; /* no owner changes them meanwhile */
    uint64_t accepted;
    uint64_t pending_memory;
    uint64_t pending_disk;
    uint64_t gap_records[HOPPER_GAP_SLOTS];
    uint64_t missing;
};

/* Whether the records in MEMORY count: it is of this channel, nobody has it mapped, and the machine has not been
 * started again since, or it was closed. */
bool tally_trusts_memory(const struct place *place);

/* The next free number, as STATE and MEMORY have it; 0: not known. */
uint64_t tally_next_seq(const struct place *place);

/* Whether what was in memory went with the machine: then that is why records are nowhere. */
bool tally_machine_was_down(const struct place *place);

/* How far the receiver has come by what STATE and MEMORY say; all 0 when neither says. */
void tally_passed(const struct place *place, struct hpr_passed *passed);

/* Walk through PLACE. Only headers are read when PAYLOAD is NULL. */
void tally_take(struct tally *tally, const struct place *place, struct payload *payload);

#endif
