/* SPDX-License-Identifier: MIT */
/* The file MEMORY of an earlier run: read, checked, never mapped. Also for tools that look at a queue. */
#ifndef HPR_MEMORY_OLD_H
#define HPR_MEMORY_OLD_H

#include "memory.h"
#include "producers.h"
#include "record.h"

#define HPR_RING_SEQS_MAX   (UINT64_C(1) << 60)       /* more numbers than a channel lives to see */
#define HPR_RING_PEEK_BYTES (HPR_RING_HEAD_BYTES + 8) /* of an entry, what tells all but a record's bytes */

struct hpr_memory_old_block {
    uint32_t records;
    uint32_t bytes;
    uint32_t record_bytes; /* as in struct hpr_frame_header */
    uint64_t first_seq;
    uint64_t dropped_total;
    uint64_t opened_ms;
    uint64_t offset; /* of its bytes in the file */
};

struct hpr_memory_old {
    const struct hopper_io *io;
    int fd; /* -1: there is none */
    struct hpr_memory_shape shape;
    uint64_t published;
    uint64_t next_seq; /* 0: not known */
    uint64_t seqs_max; /* the ring's entries stand for no more numbers than these */
    uint64_t dropped_total;
    bool is_closed;
    bool is_same_boot;
    struct hpr_memory_place place;
    struct hpr_producers producers; /* as far as the receiver had come */
    size_t block_count;
    struct hpr_memory_old_block blocks[HPR_MEMORY_BLOCKS_MAX]; /* in use, in order of first_seq */
};

/* What an entry of the ring says. */
struct hpr_memory_old_entry {
    unsigned kind;    /* HPR_PLACE_... */
    uint64_t value;   /* bytes of a record, with the number of one that is numbered */
    uint64_t seqs;    /* sequence numbers that it stands for; padding: none */
    uint64_t dropped; /* of them: dropped by HOPPER_FULL_DROP_NEWEST */
};

/* Sequence numbers that are all in one place beside the ring: in queue files, blocks or nowhere. */
struct hpr_memory_old_beside {
    uint64_t begin;
    uint64_t end; /* the first that is not; UINT64_MAX: this is what is behind the ring's last entry */
};

/* What stands in a piece of a ring. */
struct hpr_ring_sum {
    uint64_t bytes;             /* of good entries, from the start */
    uint64_t seqs;              /* sequence numbers that they stand for */
    uint64_t records;           /* of them: records */
    uint64_t elsewhere;         /* of them: in queue files or blocks, dropped ones included */
    uint64_t elsewhere_dropped; /* of those: dropped by HOPPER_FULL_DROP_NEWEST */
    uint64_t dropped;           /* of all: dropped by HOPPER_FULL_DROP_NEWEST */
    bool is_whole;              /* all of the piece was good */
};

/* Open MEMORY in DIRFD and read its header. OURS: *OLD is filled in. FOREIGN: no such file (*RESP is -ENOENT), no plain
 * file (hpr_io_is_no_file()) or not one of ours; DAMAGED: its header makes no sense; NEWER. *RESP: a negated errno when
 * it could not be read. */
enum hpr_file_verdict hpr_memory_old_open(struct hpr_memory_old *old, const struct hopper_io *io, int dirfd, int *resp);
void hpr_memory_old_close(struct hpr_memory_old *old);

static inline bool hpr_memory_old_is_trusted(const struct hpr_memory_old *old)
{
    return old->is_closed || old->is_same_boot;
}

/* Whether records of a block are wanted that are in no file, where the receiver had PASSED_SEQ and the files' frames
 * end before FILES_END (0: there are none). Files are written in the order of the blocks, but for those that the
 * receiver has taken, which never get there; and the last one written may still stand in memory. */
static inline bool hpr_memory_old_wants_block(const struct hpr_memory_old_block *block, uint64_t passed_seq,
                                              uint64_t files_end)
{
    const uint64_t end = block->first_seq + block->records;

    return end > passed_seq + 1 && (block->first_seq >= files_end || end < files_end);
}

/* Bytes of ring that are wanted. */
static inline uint64_t hpr_memory_old_ring_bytes(const struct hpr_memory_old *old)
{
    return old->published - old->place.start;
}

/* Read LEN bytes of the ring from position POS into OUT. */
HPR_MUST_CHECK int hpr_memory_old_read_ring(const struct hpr_memory_old *old, uint64_t pos, void *out, size_t len);
HPR_MUST_CHECK int hpr_memory_old_read_block(const struct hpr_memory_old *old, size_t i, void *out);

/* The entry whose first bytes are at AT: HPR_RING_PEEK_BYTES of them, or all LEFT if those are fewer. LEFT: bytes of
 * ring from it on. Returns the bytes that it takes, 0 when it makes no sense. */
uint64_t hpr_memory_old_get_entry(const unsigned char *at, uint64_t left, struct hpr_memory_old_entry *entry);

/* Walk the LEN bytes of ring entries at BASE, which may be anything, as long as they stand for no more than SEQS_MAX
 * numbers. Padding is good when an entry follows it. */
void hpr_ring_add_up(const unsigned char *base, size_t len, uint64_t seqs_max, struct hpr_ring_sum *sum);

/* Which blocks have a place beside a ring whose good entries begin with the number SEQ, where the receiver had
 * PASSED_SEQ: one that stands for numbers which are all in one of the ring's places beside it, and in no block before.
 * Damage only makes others; they are left out, and their numbers are a gap. NEXT(CTX): those places in turn, in the end
 * what is behind the last entry. */
void hpr_memory_old_place_blocks(const struct hpr_memory_old *old, uint64_t seq, uint64_t passed_seq,
                                 struct hpr_memory_old_beside (*next)(void *ctx), void *ctx,
                                 bool has_place[HPR_MEMORY_BLOCKS_MAX]);

/* The same, where these entries are the LEN bytes at BASE. */
void hpr_ring_place_blocks(const unsigned char *base, size_t len, const struct hpr_memory_old *old, uint64_t seq,
                           uint64_t passed_seq, bool has_place[HPR_MEMORY_BLOCKS_MAX]);

/* Make the LEN bytes of good ring entries at BASE fit for another run, whose receiver has had nothing behind
 * PASSED_SEQ: what was taken from beside the ring is to be taken again. PASSED_DROPPED: dropped_total of what is
 * behind. *SEQP and *DROPPEDP are those of the first entry; entries and parts of entries up to PASSED_SEQ are passed
 * over. Returns where the wanted entries begin. */
uint64_t hpr_ring_normalise(unsigned char *base, size_t len, uint64_t passed_seq, uint64_t passed_dropped,
                            uint64_t *seqp, uint64_t *droppedp);

#endif
