/* SPDX-License-Identifier: MIT */
/* A bounded ring of bytes with placements in order: a record itself, an item, or Disk(n). Pure: no locks, no waiting.
 *
 * A run is many records in one entry, for senders that have them at once: their ends as uint16_t, counted from the first
 * one's beginning, and then all their bytes. So a short record costs two bytes beside its own, and records that stand
 * side by side are one copy. Where the ring survives (docs/format.md) there are none.
 *
 * An entry is a head of eight bytes (value and kind) and, for a record, its bytes, all padded to eight; an entry never
 * wraps: where it would, HPR_PLACE_PAD fills the ring's end. Cursors move only forward; POS is the total of bytes ever
 * passed. Who writes at which cursor when there is room is the deque's business. */
#ifndef HPR_RING_H
#define HPR_RING_H

#include "base.h"

enum hpr_place {                       /* of an entry that survives never 0: what was not written is no entry */
                 HPR_PLACE_RUN    = 0, /* value: how many records; see above */
                 HPR_PLACE_RECORD = 7, /* value: its bytes */
                 HPR_PLACE_ITEM   = 1, /* value: its weight; a pointer follows */
                 HPR_PLACE_DISK =
                     2, /* value: so many sequence numbers are on disk or in blocks, next in order; the number of those
                             that HOPPER_FULL_DROP_NEWEST dropped follows */
                 HPR_PLACE_GAP = 3, /* value: so many records were dropped here (HOPPER_GAP_DROPPED_NEWEST) */
                 HPR_PLACE_PAD = 4, /* value: bytes to skip to the ring's start, head included */
                 HPR_PLACE_SKIP =
                     6, /* as HPR_PLACE_DISK, but the receiver has them already: it took them when the ring was empty */
                 HPR_PLACE_NUMBERED =
                     5 /* a record of a producer that numbers its own; value: its bytes and those 16 before it, which
                              are the producer's id and the number in format order */
};

struct hpr_ring {
    unsigned char *base;
    size_t bytes; /* multiple of 8 */
};

struct hpr_cursor {
    uint64_t pos;  /* bytes passed since the beginning */
    size_t offset; /* where that is in the ring */
};

struct hpr_entry {
    enum hpr_place kind;
    uint64_t value;
    const unsigned char *data; /* HPR_PLACE_RECORD: the bytes; HPR_PLACE_RUN: the ends */
    void *item;                /* HPR_PLACE_ITEM */
    uint64_t dropped;          /* HPR_PLACE_DISK */
};

#define HPR_RING_HEAD_BYTES 8
#define HPR_RING_VALUE_MAX  (UINT64_MAX >> 3)

#define HPR_RING_NUMBER_BYTES 16

#define HPR_RING_RUN_BYTES_MAX 32768 /* of an entry: an end has 16 bits */
#define HPR_RING_RUN_MEAN_MAX  512   /* of a record, in the mean: gathering longer ones gains nothing */

/* Bytes of the entry of a record of LEN bytes. */
static inline size_t hpr_ring_record_bytes(size_t len)
{
    return HPR_RING_HEAD_BYTES + hpr_round_up(len, 8);
}

/* Bytes of an entry of KIND with LEN bytes of record. */
static inline size_t hpr_ring_entry_bytes(enum hpr_place kind, size_t len)
{
    if (kind == HPR_PLACE_RECORD || kind == HPR_PLACE_NUMBERED) return hpr_ring_record_bytes(len);
    return kind == HPR_PLACE_GAP ? HPR_RING_HEAD_BYTES : HPR_RING_HEAD_BYTES + 8;
}

/* Bytes by which CURSOR moves when an entry of ENTRY_BYTES is put there, padding included. */
static inline size_t hpr_ring_need(const struct hpr_ring *ring, const struct hpr_cursor *cursor, size_t entry_bytes)
{
    size_t to_end = ring->bytes - cursor->offset;

    return entry_bytes <= to_end ? entry_bytes : to_end + entry_bytes;
}

/* The first word of an entry, at AT. */
static inline void hpr_ring_put_head(unsigned char *at, enum hpr_place kind, uint64_t value)
{
    const uint64_t head = value << 3 | (uint64_t)kind;

    memcpy(at, &head, sizeof head);
}

/* Begin the entry of a record of LEN bytes at CURSOR, where it fits and does not reach the ring's end; returns where
 * the record's bytes go. */
static inline unsigned char *hpr_ring_begin_record(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t len)
{
    unsigned char *at = ring->base + cursor->offset;

    hpr_ring_put_head(at, HPR_PLACE_RECORD, len);
    cursor->pos += hpr_ring_record_bytes(len);
    cursor->offset += hpr_ring_record_bytes(len);
    return at + HPR_RING_HEAD_BYTES;
}

/* Whether the entry at CURSOR, which is there, is a record; *WORDP is its first word, for hpr_ring_take_record(). */
static inline bool hpr_ring_is_record(const struct hpr_ring *ring, const struct hpr_cursor *cursor, uint64_t *wordp)
{
    memcpy(wordp, ring->base + cursor->offset, sizeof *wordp);
    return HPR_LIKELY((*wordp & 7) == HPR_PLACE_RECORD);
}

/* Move CURSOR behind the record there, of this WORD; returns where its word >> 3 bytes are. */
static inline const unsigned char *hpr_ring_take_record(const struct hpr_ring *ring, struct hpr_cursor *cursor,
                                                        uint64_t word)
{
    const unsigned char *at = ring->base + cursor->offset;
    const size_t entry      = hpr_ring_record_bytes((size_t)(word >> 3));

    cursor->pos += entry;
    cursor->offset += entry;
    if (cursor->offset == ring->bytes) cursor->offset = 0;
    return at + HPR_RING_HEAD_BYTES;
}

/* Put a numbered record of LEN bytes at DATA; HPR_RING_NUMBER_BYTES at NUMBER go before it. */
void hpr_ring_put_numbered(const struct hpr_ring *ring, struct hpr_cursor *cursor, const unsigned char *number,
                           const void *data, size_t len);

/* Put an entry at CURSOR and move it. There must be room for hpr_ring_need(). DATA: a record's bytes, the item itself,
 * or for HPR_PLACE_DISK a uint64_t. */
void hpr_ring_put(const struct hpr_ring *ring, struct hpr_cursor *cursor, enum hpr_place kind, uint64_t value,
                  const void *data);

/* Put as many as fit of COUNT records, of which number i is the bytes from OFFSETS[i] to OFFSETS[i + 1] of DATA, as one
 * run into ROOM bytes, which are free and do not reach beyond the ring's end. Returns how many those are, 0 when they
 * would be less than two: then nothing was put. A record longer than RECORD_BYTES_MAX, or which ends before it begins,
 * and what follows it are left out. */
size_t hpr_ring_put_run(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t room, const unsigned char *data,
                        const size_t *offsets, size_t count, size_t record_bytes_max);

/* The same for COUNT records from anywhere; *BYTESP: theirs. One without an address is left out as well, and long ones
 * are not put so. */
size_t hpr_ring_put_gathered(const struct hpr_ring *ring, struct hpr_cursor *cursor, size_t room,
                             const struct iovec *records, size_t count, size_t record_bytes_max, uint64_t *bytesp);

/* End number I of a run's ENDS. */
static inline size_t hpr_ring_run_end(const unsigned char *ends, size_t i)
{
    uint16_t end;

    memcpy(&end, ends + i * sizeof end, sizeof end);
    return end;
}

/* Bytes of the entry of a run of COUNT records with these ENDS. */
static inline size_t hpr_ring_run_bytes(const unsigned char *ends, size_t count)
{
    return HPR_RING_HEAD_BYTES + hpr_round_up(count * sizeof(uint16_t) + hpr_ring_run_end(ends, count - 1), 8);
}

/* Read the entry at CURSOR, where there is one, and move behind it. Padding is passed over. */
void hpr_ring_get(const struct hpr_ring *ring, struct hpr_cursor *cursor, struct hpr_entry *entry);

#endif
