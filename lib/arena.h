/* SPDX-License-Identifier: MIT */
/* All memory of a channel: one piece of memory_bytes, given out once at open and never given back. The budget is exact
 * by construction: what does not fit in here does not exist. */
#ifndef HPR_ARENA_H
#define HPR_ARENA_H

#include "base.h"

struct hpr_arena {
    const struct hopper_io *io;
    unsigned char *base; /* NULL: none */
    size_t bytes;
    size_t used;
};

hopper_status hpr_arena_open(struct hpr_arena *arena, const struct hopper_io *io, size_t bytes);
void hpr_arena_close(struct hpr_arena *arena);

/* BYTES of zeroed memory at a cache line of their own; NULL when the arena is used up. */
void *hpr_arena_take(struct hpr_arena *arena, size_t bytes);

#endif
