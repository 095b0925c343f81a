/* SPDX-License-Identifier: MIT */
/* See ring.h. */
#include "ring.h"

static void move_by(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t bytes)
{
    cursor->pos += bytes;
    cursor->offset += bytes;
    if (cursor->offset == ring->bytes) cursor->offset = 0;
}

/* Where an entry of ENTRY_BYTES is to stand; what is left before the ring's end is padded when it does not fit
 * there. */
static unsigned char *find_place(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t entry_bytes)
{
    size_t to_end = ring->bytes - cursor->offset;

    assert(entry_bytes <= ring->bytes);
    if (entry_bytes > to_end) {
        hpr_ring_put_head(ring->base + cursor->offset, HPR_PLACE_PAD, to_end);
        move_by(ring, cursor, to_end);
    }
    return ring->base + cursor->offset;
}

void hpr_ring_put(const struct hpr_ring *ring, struct hpr_cursor *cursor, enum hpr_place kind, uint64_t value,
                  const void *data)
{
    size_t entry_bytes = hpr_ring_entry_bytes(kind, kind == HPR_PLACE_RECORD ? (size_t)value : 0);
    unsigned char *at  = find_place(ring, cursor, entry_bytes);

    assert(value <= HPR_RING_VALUE_MAX);
    hpr_ring_put_head(at, kind, value);
    if (kind == HPR_PLACE_RECORD && value > 0) memcpy(at + HPR_RING_HEAD_BYTES, data, (size_t)value);
    else if (kind == HPR_PLACE_ITEM) memcpy(at + HPR_RING_HEAD_BYTES, &data, sizeof data);
    else if (kind == HPR_PLACE_DISK || kind == HPR_PLACE_SKIP) memcpy(at + HPR_RING_HEAD_BYTES, data, sizeof(uint64_t));
    move_by(ring, cursor, entry_bytes);
}

void hpr_ring_put_numbered(const struct hpr_ring *ring, struct hpr_cursor *cursor, const unsigned char *number,
                           const void *data, size_t len)
{
    size_t entry_bytes = hpr_ring_entry_bytes(HPR_PLACE_NUMBERED, HPR_RING_NUMBER_BYTES + len);
    unsigned char *at  = find_place(ring, cursor, entry_bytes);

    hpr_ring_put_head(at, HPR_PLACE_NUMBERED, HPR_RING_NUMBER_BYTES + len);
    memcpy(at + HPR_RING_HEAD_BYTES, number, HPR_RING_NUMBER_BYTES);
    if (len > 0) memcpy(at + HPR_RING_HEAD_BYTES + HPR_RING_NUMBER_BYTES, data, len);
    move_by(ring, cursor, entry_bytes);
}

/* The ends are stored while they are counted; the bytes go behind the last of them. */
size_t hpr_ring_put_run(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t room, const unsigned char *data,
                        const size_t *offsets, size_t count, size_t record_bytes_max)
{
    unsigned char *const at   = ring->base + cursor->offset;
    unsigned char *const ends = at + HPR_RING_HEAD_BYTES;
    const size_t first        = offsets[0];
    size_t last = first, n = 0;

    room = hpr_min_size(room, HPR_RING_RUN_BYTES_MAX) & ~(size_t)7;
    if (room <= HPR_RING_HEAD_BYTES) return 0;
    for (room -= HPR_RING_HEAD_BYTES; n < count; n++) {
        const size_t next  = offsets[n + 1];
        const uint16_t end = (uint16_t)(next - first);

        if (next - last > record_bytes_max || next - first + (n + 1) * sizeof end > room) break;
        memcpy(ends + n * sizeof end, &end, sizeof end);
        last = next;
    }
    if (n < 2) return 0;
    memcpy(ends + n * sizeof(uint16_t), data + first, last - first);
    hpr_ring_put_head(at, HPR_PLACE_RUN, n);
    move_by(ring, cursor, hpr_ring_run_bytes(ends, n));
    return n;
}

static size_t entry_bytes_of(const struct hpr_entry *entry)
{
    switch (entry->kind) {
    case HPR_PLACE_RUN: return hpr_ring_run_bytes(entry->data, (size_t)entry->value);
    case HPR_PLACE_RECORD:
    case HPR_PLACE_NUMBERED: return hpr_ring_entry_bytes(entry->kind, (size_t)entry->value);
    default: return hpr_ring_entry_bytes(entry->kind, 0);
    }
}

void hpr_ring_get(const struct hpr_ring *ring, struct hpr_cursor *cursor, struct hpr_entry *entry)
{
    const unsigned char *at = ring->base + cursor->offset;
    uint64_t head;

    memcpy(&head, at, sizeof head);
    if ((head & 7) == HPR_PLACE_PAD) {
        move_by(ring, cursor, (size_t)(head >> 3));
        at = ring->base + cursor->offset;
        memcpy(&head, at, sizeof head);
    }
    entry->kind  = (enum hpr_place)(head & 7);
    entry->value = head >> 3;
    entry->data  = at + HPR_RING_HEAD_BYTES;
    if (entry->kind == HPR_PLACE_ITEM) memcpy(&entry->item, at + HPR_RING_HEAD_BYTES, sizeof entry->item);
    else if (entry->kind == HPR_PLACE_DISK || entry->kind == HPR_PLACE_SKIP)
        memcpy(&entry->dropped, at + HPR_RING_HEAD_BYTES, sizeof entry->dropped);
    move_by(ring, cursor, entry_bytes_of(entry));
}
