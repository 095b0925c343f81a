/* SPDX-License-Identifier: MIT */
/*
 * The MEMORY of a queue in use, as it was at one instant. Its owner goes on writing meanwhile; what makes a copy of it
 * whole:
 *
 *   ring      entries from the receiver's position on are not overwritten before the position has moved; so those between
 *             the last position and the first end that were read are as they were
 *   blocks    only grow until they are given back; one that was given back meanwhile is in a file, or acknowledged
 *   files     are listed and copied afterwards, so they hold what went there; what came later is cut off again
 *   position  is read last: a file that vanished while it was copied was acknowledged by then
 *
 * So the copy has all records up to one that was the last when copying began, or a later one, and nothing behind it.
 */
#ifndef QUEUE_COPY_MEMORY_H
#define QUEUE_COPY_MEMORY_H

#include "place.h"

union copy_memory_page {
    struct hpr_memory_header header;
    unsigned char bytes[HPR_MEMORY_HEADER_BYTES];
};

struct copy_memory {
    int from_fd, fd;              /* the original and the copy; -1: none */
    union copy_memory_page page;  /* what counts: as it was before the first byte was copied, then what the copy has */
    union copy_memory_page later; /* as it was behind the last byte */
    struct hpr_passed passed;     /* the receiver's position in the copy */
    uint64_t end_seq;             /* behind the last record of the copy */
    uint64_t dropped_total;       /* there */
};

/* Before the files: MEMORY of FROM into TO. 0, or a negated errno (said). */
int copy_memory_take(struct copy_memory *m, const struct place *from, const struct place *to);

/* After the files: cut off what came later, and let MEMORY say what it has. TO knows which channel it is. */
int copy_memory_fit(struct copy_memory *m, const struct place *from, struct place *to);

void copy_memory_close(struct copy_memory *m, const struct hopper_io *io);

#endif
