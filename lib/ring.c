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

/* What a run may take of ROOM bytes behind its head; 0: nothing. */
static size_t run_room(size_t room)
{
    room = hpr_min_size(room, HPR_RING_RUN_BYTES_MAX) & ~(size_t)7;
    return room <= HPR_RING_HEAD_BYTES ? 0 : room - HPR_RING_HEAD_BYTES;
}

/* The run at CURSOR, of COUNT records, has its ends and bytes: now its head. */
static void end_run(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t count)
{
    unsigned char *at = ring->base + cursor->offset;

    hpr_ring_put_head(at, HPR_PLACE_RUN, count);
    move_by(ring, cursor, hpr_ring_run_bytes(at + HPR_RING_HEAD_BYTES, count));
}

/* The ends of COUNT records, where all of them fit; false when one of them may not be put, and then ENDS holds
 * nothing. No branch for each record: this is what a record of a run costs its sender. */
static bool put_all_ends(unsigned char *ends, const size_t *offsets, size_t count, size_t record_bytes_max)
{
    const size_t first = offsets[0];
    size_t longest     = 0;

    for (size_t i = 0; i < count; i++) {
        const uint16_t end = (uint16_t)(offsets[i + 1] - first);

        longest = hpr_max_size(longest, offsets[i + 1] - offsets[i]); /* huge when it ends before it begins */
        memcpy(ends + i * sizeof end, &end, sizeof end);
    }
    return longest <= record_bytes_max;
}

/* The ends of as many as fit and may be put; how many those are. */
static size_t put_some_ends(unsigned char *ends, size_t room, const size_t *offsets, size_t count,
                            size_t record_bytes_max)
{
    const size_t first = offsets[0];
    size_t n;

    for (n = 0; n < count; n++) {
        const uint16_t end = (uint16_t)(offsets[n + 1] - first);

        if (offsets[n + 1] - offsets[n] > record_bytes_max || offsets[n + 1] - first + (n + 1) * sizeof end > room)
            break;
        memcpy(ends + n * sizeof end, &end, sizeof end);
    }
    return n;
}

/* The bytes go behind the last of the ends. */
size_t hpr_ring_put_run(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t room, const unsigned char *data,
                        const size_t *offsets, size_t count, size_t record_bytes_max)
{
    unsigned char *const ends = ring->base + cursor->offset + HPR_RING_HEAD_BYTES;
    const size_t first        = offsets[0];
    size_t n                  = count;

    room = run_room(room);
    if (count > room / sizeof(uint16_t) || offsets[count] - first > room - count * sizeof(uint16_t) ||
        !put_all_ends(ends, offsets, count, record_bytes_max))
        n = put_some_ends(ends, room, offsets, count, record_bytes_max);
    if (n < 2) return 0;
    memcpy(ends + n * sizeof(uint16_t), data + first, offsets[n] - first);
    end_run(ring, cursor, n);
    return n;
}

size_t hpr_ring_put_gathered(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t room,
                             const struct iovec *records, size_t count, size_t record_bytes_max, uint64_t *bytesp)
{
    unsigned char *const ends = ring->base + cursor->offset + HPR_RING_HEAD_BYTES;
    unsigned char *to;
    size_t end = 0, n;

    room = run_room(room);
    for (n = 0; n < count; n++) {
        const size_t len = records[n].iov_len;
        uint16_t end_16;

        if (!records[n].iov_base || len > record_bytes_max || end + len + (n + 1) * sizeof end_16 > room) break;
        end += len;
        end_16 = (uint16_t)end;
        memcpy(ends + n * sizeof end_16, &end_16, sizeof end_16);
    }
    if (n < 2 || end > n * HPR_RING_RUN_MEAN_MAX) return 0;
    to = ends + n * sizeof(uint16_t);
    for (size_t i = 0; i < n; i++) {
        hpr_copy_record(to, records[i].iov_base, records[i].iov_len);
        to += records[i].iov_len;
    }
    end_run(ring, cursor, n);
    *bytesp = end;
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
