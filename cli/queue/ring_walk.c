/* SPDX-License-Identifier: MIT */
/* See ring_walk.h and "MEMORY" in docs/format.md. */
#include "ring_walk.h"

#include "record.h"

void ring_walk_init(struct ring_walk *walk, const struct hpr_memory_old *old)
{
    *walk = (struct ring_walk){ .old = old, .pos = old->place.start, .seq = old->place.start_seq };
}

/* What follows a head of KIND and VALUE at walk->pos with LEFT bytes of ring from there on; the bytes that the entry
 * takes, 0 when it makes no sense. */
static uint64_t read_entry(const struct ring_walk *walk, unsigned kind, uint64_t value, uint64_t left,
                           struct ring_entry *entry)
{
    const struct hpr_memory_shape *shape = &walk->old->shape;

    switch (kind) {
    case HPR_PLACE_RECORD:
    case HPR_PLACE_NUMBERED:
        if (value > left - HPR_RING_HEAD_BYTES || value > HPR_RECORD_BYTES_LIMIT) return 0;
        if (kind == HPR_PLACE_NUMBERED && value < HPR_RING_NUMBER_BYTES) return 0;
        entry->kind   = kind == HPR_PLACE_RECORD ? RING_RECORD : RING_NUMBERED;
        entry->seqs   = 1;
        entry->bytes  = (uint32_t)value;
        entry->offset = shape->ring_offset + (walk->pos + HPR_RING_HEAD_BYTES) % shape->ring_bytes;
        return HPR_RING_HEAD_BYTES + ((value + 7) & ~UINT64_C(7));
    case HPR_PLACE_DISK:
    case HPR_PLACE_SKIP:
        if (left < HPR_RING_HEAD_BYTES + 8 ||
            hpr_memory_old_read_ring(walk->old, walk->pos + HPR_RING_HEAD_BYTES, &entry->dropped, 8) < 0 ||
            entry->dropped > value)
            return 0;
        entry->kind = RING_ELSEWHERE;
        entry->seqs = value;
        return value > 0 ? HPR_RING_HEAD_BYTES + 8 : 0;
    case HPR_PLACE_GAP:
        entry->kind = RING_DROPPED;
        entry->seqs = entry->dropped = value;
        return value > 0 ? HPR_RING_HEAD_BYTES : 0;
    default: return 0;
    }
}

bool ring_walk_next(struct ring_walk *walk, struct ring_entry *entry)
{
    while (walk->pos < walk->old->published && !walk->is_broken) {
        uint64_t left = walk->old->published - walk->pos, head = 0, taken = 0;

        memset(entry, 0, sizeof *entry);
        entry->seq = walk->seq;
        if (left >= sizeof head && hpr_memory_old_read_ring(walk->old, walk->pos, &head, sizeof head) == 0) {
            if ((head & 7) == HPR_PLACE_PAD) taken = (head >> 3) % 8 == 0 ? head >> 3 : 0;
            else taken = read_entry(walk, (unsigned)(head & 7), head >> 3, left, entry);
        }
        if (taken == 0 || taken > left || HPR_ADD_OVERFLOWS(walk->seq, entry->seqs, &walk->seq)) {
            walk->is_broken = true;
            return false;
        }
        walk->pos += taken;
        if (entry->seqs > 0) return true;
    }
    return false;
}
