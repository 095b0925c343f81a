/* SPDX-License-Identifier: MIT */
/* The file MEMORY: what a channel that survives a crash keeps in memory is in this file, mapped and shared, so that
 * what was stored in it is in the page cache when the process is killed at any instruction. docs/format.md has the
 * layout.
 *
 * The writing side stores data first and then, by one store of 8 bytes, the word that makes it count: `published` for
 * the ring, `fill` for a block, `slot` for the receiver's position. An earlier run's file is never mapped: memory_old.c
 * reads it. */
#ifndef HPR_MEMORY_H
#define HPR_MEMORY_H

#include <stdatomic.h>

#include "ring.h"
#include "state.h"

#define HPR_MEMORY_NAME       "MEMORY"
#define HPR_MEMORY_SPARE_NAME "MEMORY.spare"

#define HPR_MEMORY_HEADER_BYTES 4096
#define HPR_MEMORY_BLOCKS_MAX   32
#define HPR_MEMORY_BLOCK_MAX    131072 /* bytes of records in one */
#define HPR_MEMORY_VERSION      1

struct hpr_memory_place {   /* where the receiver is */
    uint64_t start;         /* ring position of the first entry that is still wanted */
    uint64_t start_seq;     /* its sequence number */
    uint64_t start_dropped; /* dropped_total there */
    struct hpr_passed passed;
};

struct hpr_memory_block {
    _Atomic uint64_t fill; /* records << 32 | bytes; 0: not in use */
    uint64_t first_seq;
    uint64_t dropped_total;
    uint64_t opened_ms;
    uint32_t record_bytes; /* as in struct hpr_frame_header */
    uint32_t reserved0;
    uint64_t reserved[3];
};

struct hpr_memory_shape { /* bytes 0 to 99 of the file, in the machine's byte order */
    unsigned char magic[8];
    uint32_t byte_order;
    uint32_t version;
    uint8_t channel_id[HPR_CHANNEL_ID_BYTES];
    uint8_t boot_id[16];
    uint64_t file_bytes;
    uint64_t ring_offset;
    uint64_t ring_bytes;
    uint64_t blocks_offset;
    uint64_t block_stride;
    uint64_t block_bytes;
    uint32_t blocks;
    uint32_t crc;
};

struct hpr_memory_header {
    struct hpr_memory_shape shape;
    unsigned char reserved0[256 - sizeof(struct hpr_memory_shape)];
    _Atomic uint64_t published; /* 256 */
    _Atomic uint64_t next_seq;
    _Atomic uint64_t dropped_total;
    _Atomic uint32_t closed;
    unsigned char reserved1[320 - 284];
    _Atomic uint32_t slot; /* 320 */
    unsigned char reserved2[384 - 324];
    struct { /* 384, 640 */
        struct hpr_memory_place place;
        unsigned char reserved[256 - sizeof(struct hpr_memory_place)];
    } places[2];
    unsigned char reserved3[1024 - 896];
    struct hpr_memory_block blocks[HPR_MEMORY_BLOCKS_MAX]; /* 1024 */
    struct {                                               /* 3072: numbers that were received */
        _Atomic uint64_t id;                               /* 0: none from here on */
        _Atomic uint64_t number;
    } producers[HOPPER_PRODUCERS_MAX];
};

_Static_assert(sizeof(struct hpr_memory_header) == HPR_MEMORY_HEADER_BYTES, "docs/format.md");
_Static_assert(sizeof(struct hpr_memory_shape) == 104, "docs/format.md");
_Static_assert(sizeof(struct hpr_memory_place) == 176, "docs/format.md");
_Static_assert(sizeof(struct hpr_memory_block) == 64, "docs/format.md");
_Static_assert(offsetof(struct hpr_memory_header, published) == 256, "docs/format.md");
_Static_assert(offsetof(struct hpr_memory_header, slot) == 320, "docs/format.md");
_Static_assert(offsetof(struct hpr_memory_header, places) == 384, "docs/format.md");
_Static_assert(offsetof(struct hpr_memory_header, blocks) == 1024, "docs/format.md");
_Static_assert(offsetof(struct hpr_memory_header, producers) == 3072, "docs/format.md");

struct hpr_memory {
    const struct hopper_io *io;       /* [const after open], as all but the last two */
    struct hpr_memory_header *header; /* NULL: this channel has none */
    uint64_t bytes;
    int fd;
    bool is_in_place; /* it has its name: until then the earlier run's file counts */

    /* not on the line where senders look for `header` */
    alignas(HPR_CACHE_LINE) uint32_t slot; /* [receiver] the header's, which takes longer to reach */
    int stale_places; /* [receiver] of the two, those that do not have what was dropped and lost up to now */
};

/* How a budget of BYTES for the mapped part is divided: BLOCKS of BLOCK_BYTES, and a ring of what is left. */
void hpr_memory_plan(struct hpr_memory_shape *shape, uint64_t bytes, uint64_t block_bytes, uint32_t blocks);

/* Make the file for SHAPE as MEMORY.spare in DIRFD, preallocated, or use the one that is there, and map it. Its header
 * is written, and all is empty. 0 or a negated errno; -EOPNOTSUPP: this file system cannot preallocate or map;
 * -ENOMEM: there is no address space for the mapping. */
HPR_MUST_CHECK int hpr_memory_make(struct hpr_memory *memory, const struct hopper_io *io, int dirfd,
                                   const struct hpr_memory_shape *shape);

/* Give it its name, in place of the earlier run's: from now on it counts. */
HPR_MUST_CHECK int hpr_memory_put_in_place(struct hpr_memory *memory, int dirfd);

/* Then make a new spare for the next run, which may find the device full, if that can be had: without it that run needs
 * room, and nothing else is amiss. The earlier run's MEMORY is to be closed, as its room is what the spare takes. */
void hpr_memory_keep_spare(const struct hpr_memory *memory, int dirfd);

/* Where block I's frame room is; its raw bytes are HPR_FRAME_HEADER_BYTES behind. */
unsigned char *hpr_memory_block_frame(const struct hpr_memory *memory, size_t i);

static inline void hpr_memory_publish(const struct hpr_memory *memory, uint64_t pos)
{
    atomic_store_explicit(&memory->header->published, pos, memory_order_release);
}

static inline void hpr_memory_fill_block(struct hpr_memory_block *block, uint32_t records, size_t bytes)
{
    atomic_store_explicit(&block->fill, (uint64_t)records << 32 | bytes, memory_order_release);
}

/* The two places take turns: `slot` says which one counts, while the other is written. */
static inline struct hpr_memory_place *hpr_memory_other_place(const struct hpr_memory *m)
{
    return &m->header->places[m->slot ^ 1U].place;
}

static inline void hpr_memory_turn_places(struct hpr_memory *m)
{
    m->slot ^= 1U;
    atomic_store_explicit(&m->header->slot, m->slot, memory_order_release);
}

/* The receiver has acknowledged PASSED, and wants the ring from position START on, the entry of START_SEQ, below which
 * START_DROPPED were dropped. HAS_NEW_GAPS: the gaps in PASSED differ from the call before. They seldom change, and take
 * most of a place: both get them when they do, else neither. */
void hpr_memory_set_place(struct hpr_memory *m, uint64_t start, uint64_t start_seq, uint64_t start_dropped,
                          const struct hpr_passed *passed, bool has_new_gaps);

/* The same where both places have what has been dropped and what was lost in gaps up to now: PASSED_SEQ is
 * acknowledged, and with it so many RECORDS. */
static inline void hpr_memory_move_place(struct hpr_memory *m, uint64_t start, uint64_t start_seq, uint64_t passed_seq,
                                         uint64_t records)
{
    struct hpr_memory_place *place = hpr_memory_other_place(m);

    assert(m->stale_places == 0);
    place->start          = start;
    place->start_seq      = start_seq;
    place->passed.seq     = passed_seq;
    place->passed.records = records;
    hpr_memory_turn_places(m);
}

/* The record that producer ID calls NUMBER is in the receiver's hands: its number is kept when it is not any more. */
void hpr_memory_note_number(const struct hpr_memory *memory, uint64_t id, uint64_t number);

/* Unmap and close. IS_CLOSED: everything in it counts in later runs of the machine as well; it has to reach the device,
 * or the result says why it did not. */
int hpr_memory_close(struct hpr_memory *memory, bool is_closed);

#endif
