/* SPDX-License-Identifier: MIT */
/* See ring_walk.h and "MEMORY" in docs/format.md. */
#include "ring_walk.h"

void ring_walk_init(struct ring_walk *walk, const struct hpr_memory_old *old)
{
    *walk = (struct ring_walk){ .old = old, .pos = old->place.start, .seq = old->place.start_seq };
}

static void fill_entry(const struct ring_walk *walk, const struct hpr_memory_old_entry *from, struct ring_entry *entry)
{
    const struct hpr_memory_shape *shape = &walk->old->shape;

    *entry = (struct ring_entry){ .seq = walk->seq, .seqs = from->seqs, .dropped = from->dropped };
    switch (from->kind) {
    case HPR_PLACE_RECORD:
    case HPR_PLACE_NUMBERED:
        entry->kind   = from->kind == HPR_PLACE_RECORD ? RING_RECORD : RING_NUMBERED;
        entry->bytes  = (uint32_t)from->value;
        entry->offset = shape->ring_offset + (walk->pos + HPR_RING_HEAD_BYTES) % shape->ring_bytes;
        break;
    case HPR_PLACE_GAP: entry->kind = RING_DROPPED; break;
    default: entry->kind = RING_ELSEWHERE;
    }
}

bool ring_walk_next(struct ring_walk *walk, struct ring_entry *entry)
{
    while (walk->pos < walk->old->published && !walk->is_broken) {
        const uint64_t left = walk->old->published - walk->pos;
        unsigned char bytes[HPR_RING_PEEK_BYTES];
        struct hpr_memory_old_entry found = { 0 };
        uint64_t taken                    = 0;

        if (hpr_memory_old_read_ring(walk->old, walk->pos, bytes, (size_t)hpr_min_u64(left, sizeof bytes)) == 0)
            taken = hpr_memory_old_get_entry(bytes, left, &found);
        if (taken == 0 || taken > left || found.seqs > walk->old->seqs_max - (walk->seq - walk->old->place.start_seq) ||
            (walk->is_padded && found.kind == HPR_PLACE_PAD))
            break;
        walk->is_padded = found.kind == HPR_PLACE_PAD;
        fill_entry(walk, &found, entry);
        walk->pos += taken;
        walk->seq += found.seqs;
        if (!walk->is_padded) return true;
    }
    walk->is_broken |= walk->pos < walk->old->published || walk->is_padded;
    return false;
}

static struct hpr_memory_old_beside find_beside(void *ctx)
{
    struct ring_walk *walk = ctx;
    struct ring_entry entry;

    while (ring_walk_next(walk, &entry))
        if (entry.kind == RING_ELSEWHERE) return (struct hpr_memory_old_beside){ entry.seq, entry.seq + entry.seqs };
    return (struct hpr_memory_old_beside){ walk->seq, UINT64_MAX };
}

void ring_walk_place_blocks(const struct hpr_memory_old *old, uint64_t passed_seq,
                            bool has_place[HPR_MEMORY_BLOCKS_MAX])
{
    struct ring_walk walk;

    ring_walk_init(&walk, old);
    hpr_memory_old_place_blocks(old, old->place.start_seq, passed_seq, find_beside, &walk, has_place);
}
