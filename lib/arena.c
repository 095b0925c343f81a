/* SPDX-License-Identifier: MIT */
/* See arena.h. Mapped, not allocated: pages are real only once they are used, and go back to the system at once. */
#include "arena.h"

hopper_status hpr_arena_open(struct hpr_arena *arena, const struct hopper_io *io, size_t bytes)
{
    arena->io    = io;
    arena->used  = 0;
    arena->bytes = bytes;
    arena->base  = io->map(io->ctx, -1, bytes);
    return arena->base ? HOPPER_OK : HOPPER_ENOMEM;
}

void hpr_arena_close(struct hpr_arena *arena)
{
    if (arena->base) (void)arena->io->unmap(arena->io->ctx, arena->base, arena->bytes);
    arena->base = NULL;
}

void *hpr_arena_take(struct hpr_arena *arena, size_t bytes)
{
    void *piece = arena->base + arena->used;

    if (bytes > arena->bytes - arena->used) return NULL;
    arena->used = hpr_min_size(hpr_round_up(arena->used + bytes, HPR_CACHE_LINE), arena->bytes);
    return piece;
}
