/* SPDX-License-Identifier: MIT */
/* The way to disk: records that found no room go to the open block; full blocks wait in a queue, are compressed by
 * whichever sender needs a free block, and are written as frames in order.
 *
 *   free -> open -> sealed -> packing -> packed -> writing -> free
 *                     ^           (back to sealed when the write failed)
 *
 * The receiver may take a block at any stage before writing, once all that is older has been read: then it never
 * reaches the disk. Compressing and writing are done with `back` dropped; one thread at a time is the writer. With
 * options.compress_threads the channel's own thread (packer.c) does the same work before a sender has to.
 *
 * What was accepted into a block stays accepted: its worst case on disk is promised before its first record, and a
 * block that cannot be written waits in memory, in its place. */
#ifndef HPR_SPILL_H
#define HPR_SPILL_H

#include "dir.h"
#include "memory.h"
#include "record.h"
#include "stream.h"
#include "sync.h"

enum hpr_block_state {
    HPR_BLOCK_FREE,
    HPR_BLOCK_OPEN,
    HPR_BLOCK_SEALED,
    HPR_BLOCK_PACKING, /* a thread compresses it, without the lock */
    HPR_BLOCK_PACKED,  /* waits for its turn to be written */
    HPR_BLOCK_WRITING, /* the writer writes it, without the lock */
    HPR_BLOCK_WRITTEN, /* in a file, and kept until that is on the device (holds_written) */
    HPR_BLOCK_TAKEN    /* out of the queue, in the receiver's hands */
};

struct hpr_block {
    struct hpr_block *next;     /* [back] younger one in the queue, or next free one */
    struct hpr_lane *lane;      /* [back] while packing to writing */
    enum hpr_block_state state; /* [back] */
    bool has_numbers;           /* [back while open, then const] some records have producers */
    bool is_packing;            /* [back] a thread reads `raw`, also when the receiver has taken the block */
    uint64_t first_seq;         /* [back while open, then const] */
    uint64_t dropped_total;     /* as in struct hpr_frame_header */
    uint64_t opened_ms;
    uint64_t promise;              /* [back] bytes of disk promised for it */
    uint32_t records;              /* [back while open, then const] */
    uint32_t record_bytes;         /* [back while open, then const] as in struct hpr_frame_header */
    size_t raw_bytes;              /* [back while open, then const] */
    unsigned char *frame;          /* room for a frame header, then `raw` */
    unsigned char *raw;            /* block_bytes */
    struct hpr_memory_block *kept; /* [const after open] what survives a kill says of it; NULL: nothing does */
};

/* The channel's own thread, options.compress_threads; packer.c. */
struct hpr_packer {
    struct hpr_thread thread;
    struct hpr_cond wake;  /* [back] there is work for it */
    size_t blocks_kept;    /* [const after open] it works while more blocks are in use */
    bool is_on;            /* [back] there is such a thread, and it may work */
    bool is_asleep;        /* [back] on `wake`, and was not told yet */
    bool is_stopping;      /* [back] */
    bool has_failed;       /* [back] the last time */
    uint64_t failed_gains; /* [back] then: nothing to do for it until spill.gains is another */
};

struct hpr_spill {
    struct hpr_dir *dir;    /* [const after open] */
    struct hpr_mutex *back; /* [const after open] */
    struct hpr_cond *room;  /* [const after open] broadcast when a block, a lane or the writer's role is free */
    size_t block_bytes;     /* [const after open] */
    bool has_codec;         /* [const after open] */
    bool holds_written;     /* [const after open] blocks that are written wait in `written` */

    struct hpr_block *open;     /* [back] NULL: none */
    struct hpr_block *oldest;   /* [back] the queue of blocks behind it is sealed */
    struct hpr_block *youngest; /* [back] */
    struct hpr_block *written;  /* [back] oldest first */
    struct hpr_block *early;    /* [back] of an earlier run, which had handed them out: older than what is in files, so
                                      they never get there; oldest first */
    struct hpr_block *free_blocks; /* [back] */
    struct hpr_lane *free_lanes;   /* [back] */
    size_t blocks_busy;            /* [back] not free */
    bool is_writing;               /* [back] there is a writer */
    bool is_exclusive;             /* [back] a sender writes one big record: nobody else may accept anything */

    uint64_t end_seq;           /* [back] first sequence number that is not in a file: all below it are, were received,
                                    or are gone */
    uint64_t end_dropped_total; /* [back] dropped_total at end_seq */
    uint64_t records_written;   /* [back] to files since open */
    uint64_t records_gone;      /* [back] of them: claimed by the receiver, lost, or dropped. They go in order */
    uint64_t claimed_seq;       /* [back] first sequence number on disk that the receiver has not claimed */
    uint64_t drop_floor_seq;    /* [back] all on disk below it was dropped by policy */

    uint32_t bare_bytes; /* [back] the length of all records in the block that was sealed last, as far as is known; 0:
                            they differ */

    uint64_t gains;   /* [back] times that a block became free or a write succeeded: what waiting senders look for */
    int failed_errno; /* [back] of the write that holds up the overflow, 0: none does */
    uint64_t write_errors;  /* [back] */
    uint64_t written_bytes; /* [back] */

    struct hpr_packer packer;
};

enum hpr_result {
    HPR_DONE,
    HPR_AGAIN, /* the lock was dropped or something changed: look at everything again */
    HPR_WAIT,  /* another thread is at it: wait on `room` */
    HPR_FULL,  /* the disk budget is spent */
    HPR_FAILED /* the error says why; nothing was accepted */
};

static inline struct hpr_records hpr_block_records(const struct hpr_block *block)
{
    return (struct hpr_records){ block->raw, block->raw_bytes, block->record_bytes };
}

/* Records in files that nobody has claimed. */
static inline uint64_t hpr_spill_records_on_disk(const struct hpr_spill *sp)
{
    return sp->records_written - sp->records_gone;
}

/* The receiver has all that files hold, though a frame may be on its way to one. */
static inline bool hpr_spill_is_all_claimed_locked(const struct hpr_spill *sp)
{
    HPR_ASSERT_HELD(sp->back);
    return hpr_spill_records_on_disk(sp) == 0 && sp->claimed_seq >= sp->end_seq;
}

/* RECORDS more are gone from the files. */
void hpr_spill_claim_locked(struct hpr_spill *sp, uint64_t records);

/* Put a record of SEQ into the open block, opening one if there is room for it.
 * HPR_WAIT: no free block; hpr_spill_work_locked() makes one. HPR_FULL: no promise to be had. */
enum hpr_result hpr_spill_append_locked(struct hpr_spill *sp, uint64_t seq, uint64_t dropped_total,
                                        const struct hpr_source *source);

/* Where the open block goes on, while records are put there that plainly fit: kept apart, as for all that the compiler
 * knows what is stored may change the block. In a channel whose memory does not survive. */
struct hpr_block_end {
    unsigned char *at;
    size_t room;
    uint32_t record_bytes;
};

/* False: the open block is not for SEQ, or there is none. */
static inline bool hpr_spill_begin_plain_locked(const struct hpr_spill *sp, uint64_t seq, struct hpr_block_end *end)
{
    const struct hpr_block *block = sp->open;

    if (!block || block->first_seq + block->records != seq) return false;
    *end = (struct hpr_block_end){ block->raw + block->raw_bytes, sp->block_bytes - block->raw_bytes,
                                   block->record_bytes };
    return true;
}

/* LEN bytes at DATA, with a header: the block's records are not bare. False: they do not fit, and were not put. */
static inline bool hpr_spill_put_plain(struct hpr_block_end *end, const void *data, size_t len)
{
    size_t header;

    if (HPR_UNLIKELY(len > end->room || hpr_record_packed_bytes(len) > end->room)) return false;
    header = hpr_record_put_header(end->at, (uint32_t)len);
    hpr_copy_record(end->at + header, data, len);
    end->at += header + len;
    end->room -= header + len;
    return true;
}

/* So many RECORDS were put. */
static inline void hpr_spill_end_plain_locked(const struct hpr_spill *sp, const struct hpr_block_end *end,
                                              size_t records)
{
    sp->open->raw_bytes = (size_t)(end->at - sp->open->raw);
    sp->open->records += (uint32_t)records;
}

/* Whether a record can go into a block. */
bool hpr_spill_is_small(const struct hpr_spill *sp, const struct hpr_source *source);

/* At open: put a block in the queue that an earlier run had filled, IS_EARLY: among those that files will never have;
 * there is a free one. What records it has is the caller's to fill in, with `raw`. */
struct hpr_block *hpr_spill_restore_block(struct hpr_spill *sp, uint64_t first_seq, uint32_t records, size_t raw_bytes,
                                          bool is_early);

/* Say all that survives of BLOCK. While its fill is 0 nobody looks at the rest. */
void hpr_spill_describe_kept(const struct hpr_block *block);

/* Free the oldest written block; and all blocks but those that nobody may take away, with what is in them. */
void hpr_spill_free_written_locked(struct hpr_spill *sp);
void hpr_spill_forget_all_locked(struct hpr_spill *sp);

/* Close the open block, if there is one, so that it can be written or taken. */
void hpr_spill_seal_locked(struct hpr_spill *sp);

/* Compress and write the oldest blocks that nobody is at. Drops the lock.
 * HPR_DONE: there is nothing to do. HPR_AGAIN: some progress. HPR_WAIT: others are at all of it. HPR_FULL, HPR_FAILED:
 * a block could not be written and waits in memory. */
enum hpr_result hpr_spill_work_locked(struct hpr_spill *sp, struct hopper_error *err);

/* Whether there is work that the packer is to do now. */
bool hpr_spill_needs_packer_locked(const struct hpr_spill *sp);

/* Write one record that is too large for a block, in a frame of its own, straight from the caller's memory. The caller
 * has set is_exclusive and the queue of blocks is empty. Drops the lock. */
enum hpr_result hpr_spill_write_big_locked(struct hpr_spill *sp, uint64_t seq, uint64_t dropped_total,
                                           const struct hpr_source *source, struct hopper_error *err);

/* Whether nothing on disk is wanted any more: all of it was claimed, and nothing is to survive. */
bool hpr_spill_is_done_locked(const struct hpr_spill *sp);

/* Win room on disk where that is so. True when room was won. */
bool hpr_spill_reclaim_locked(struct hpr_spill *sp);

/* Whether that may win any. */
bool hpr_spill_can_reclaim_locked(const struct hpr_spill *sp);

/* Drop the records of the oldest file that the receiver has not claimed, *DROPPEDP of them. HPR_AGAIN: room was won.
 * HPR_WAIT: another thread is about to win some. HPR_FULL: there is nothing to drop, or it could not be removed. */
enum hpr_result hpr_spill_drop_oldest_locked(struct hpr_spill *sp, uint64_t *droppedp);

/* For the receiver, when all on disk was claimed: take the oldest block. HPR_DONE: *BLOCKP is it; HPR_WAIT: it is being
 * written; HPR_AGAIN: there is none. Give it back when its records are done with. */
enum hpr_result hpr_spill_take_block_locked(struct hpr_spill *sp, struct hpr_block **blockp);

/* The oldest early block, which is there, in the same way. */
struct hpr_block *hpr_spill_take_early_locked(struct hpr_spill *sp);
void hpr_spill_give_back_locked(struct hpr_spill *sp, struct hpr_block *block);

#endif
