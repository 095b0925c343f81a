/* SPDX-License-Identifier: MIT */
/* The one place that joins memory and disk. A channel is a deque, a way to disk, and the books; its handles are the
 * senders and the receiver.
 *
 * Locks, in the order in which they may be taken:
 *
 *   rank  name   where           guards
 *   1     back   deque.back      the ring's tail, the open block and the queue of blocks, the disk budget, the books,
 *                                the life of the handles. Never held while compressing, writing a frame or calling back;
 *                                held while dropping oldest files
 *   2     front  deque.front     the receiver's sleep and its event
 *
 * Roles instead of locks: the writer (spill.is_writing) owns the files being written, the receiver's thread owns what
 * is tagged [receiver]. Fields tagged [atomic] have one writing side and say which.
 *
 * Where a record goes is told in admit.c, how it comes back in fetch.c. */
#ifndef HPR_CHANNEL_H
#define HPR_CHANNEL_H

#include "arena.h"
#include "commit.h"
#include "deque.h"
#include "dir.h"
#include "memory.h"
#include "options.h"
#include "replay.h"
#include "spill.h"
#include "state.h"

#define HPR_INFLATERS_MAX 2 /* the receiver's, and that of the thread that reads ahead */

struct hpr_channel {
    struct hopper_options options;     /* [const after open] */
    struct hopper_item_type item_type; /* [const after open] valid when options.item_type is set */
    struct hpr_plan plan;              /* [const after open] */
    struct hpr_arena arena;            /* [const after open] this struct is in it */
    void *big;                         /* [const after open] NULL, or a mapping of plan.big_raw_bytes */
    size_t fixed_bytes; /* [const after open] of memory_bytes: all but waiting records, blocks, handles */

    /* [const after open] what codecs have besides the arena, of fixed_bytes; and where they are, to release that */
    size_t codec_own_bytes;
    struct hpr_lane *lanes; /* all, by `other` */
    struct hpr_inflater *inflaters[HPR_INFLATERS_MAX];

    struct hpr_deque deque;
    struct hpr_dir dir;
    struct hpr_spill spill;
    struct hpr_ahead *ahead;  /* [const after open] NULL: no thread reads ahead */
    struct hpr_memory memory; /* HOPPER_SURVIVE_CRASH */
    struct hpr_commit commit; /* HOPPER_SURVIVE_POWER_LOSS */
    struct hpr_state state;   /* [receiver], and whoever closes the last handle */

    /* on a line of their own: each send writes or reads here */
    alignas(HPR_CACHE_LINE) uint64_t next_seq; /* [back] of the next record accepted */
    uint64_t accepted_bytes;                   /* [back] */
    uint64_t overflow;                         /* [back] sequence numbers gone to the spill since the last Disk(n) */
    uint64_t overflowed;                       /* [back] */
    uint64_t tail_gap; /* [back] dropped by policy behind the last accepted record, not placed yet */
    /* [back] where memory survives: sequence numbers that the receiver took from beside the ring since its last entry,
     * which the next one is to tell */
    uint64_t aside_taken;
    bool is_refusing;      /* [back] the receiver is closing or closed: nothing is accepted any more */
    bool receiver_is_open; /* [back] its handle holds the channel */

    uint64_t overflow_dropped;    /* [back] of `overflow`: dropped by policy */
    uint64_t aside_taken_dropped; /* [back] of `aside_taken`: dropped by policy */
    uint64_t dropped_total;       /* [back] dropped by HOPPER_FULL_DROP_NEWEST since open */

    unsigned char *scratch; /* [const after open] block_bytes to pack an item into; NULL for bytes */
    bool scratch_is_busy;   /* [back] */

    uint64_t gap_records[HOPPER_GAP_SLOTS]; /* [back] */
    uint64_t refused;                       /* [back] */
    uint64_t senders;                       /* [back] open sender handles; as many as plan.handle_bytes allows */
    struct hpr_producers *producers;        /* [back] NULL where nothing survives */
    uint64_t duplicates;                    /* [back] */
    uint32_t missing_reason; /* [const after open] enum hopper_gap: for what is missing and nothing else tells why */

    /* on a line of their own: each receive writes here, each send above */
    alignas(HPR_CACHE_LINE) _Atomic uint64_t acknowledged; /* [atomic: written by the receiver] records */
    _Atomic uint64_t delivered_seq; /* [atomic: written by the receiver] of the last record or gap handed out */
    _Atomic uint64_t read_errors;   /* [atomic: written by the receiver] */
    _Atomic uint64_t passed_seq;    /* [atomic: written by the receiver] all up to it is acknowledged */
};

struct hopper_sender {
    struct hpr_channel *channel;
    uint64_t last_seq;         /* [this sender's thread] of the last record accepted */
    uint64_t producer;         /* [this sender's thread] id, 0: none */
    struct hopper_error error; /* [this sender's thread]; last, as the next one's handle may begin in the same line */
};

struct hpr_gap {
    uint64_t lost;
    uint32_t reason;
};

#define HPR_GAPS_MAX 3 /* dropped-oldest, lost, dropped-newest: at one place, in this order */

struct hpr_gap_noted { /* a gap that was handed out and is not acknowledged yet */
    uint64_t end_seq;  /* behind it */
    struct hpr_gap gap;
};

#define HPR_GAPS_NOTED_MAX 64

struct hopper_receiver { /* [receiver] */
    struct hpr_channel *channel;
    struct hopper_error error;
    struct hpr_replay replay;

    uint64_t next_seq;          /* of the next record or gap to hand out */
    uint64_t due;               /* sequence numbers that come from the spill before the ring's next entry */
    uint64_t due_dropped_total; /* dropped_total at the end of them */
    uint64_t dropped_seen;      /* dropped_total up to next_seq */

    struct hpr_records frame; /* of the frame at hand, those that were not handed out yet */
    uint32_t frame_records;   /* how many they are to be */
    struct hpr_block *block;  /* the block that the frame is in, NULL when it is in replay's buffer */

    struct hpr_run {               /* of the ring, that was not handed out to its end */
        const unsigned char *ends; /* from the next record's on */
        const unsigned char *data;
        size_t at; /* the next record's beginning */
        size_t records;
        uint64_t bytes; /* of the ring, to be left with the last record */
    } run;

    struct hpr_gap gaps[HPR_GAPS_MAX]; /* to be handed out before the frame's records */
    size_t gap_count;
    size_t gap_next;

    uint64_t handed_out; /* records, ever */

    /* channels that survive; settle.c */
    uint64_t recovered_end;       /* sequence numbers below it were accepted by an earlier run */
    uint64_t recovered_files_end; /* behind the frames that files had then; 0: there were none */
    struct hpr_passed passed;     /* what is acknowledged */
    struct hpr_cursor kept_from;  /* of the ring: the first entry that is not acknowledged; up to date only where a part
                                     of what was handed out can be acknowledged */
    uint64_t kept_seq;            /* its sequence number, as far */
    uint64_t kept_dropped;        /* dropped_total there */
    uint64_t aside_untold;        /* sequence numbers taken from beside the ring that no entry taken so far has told */
    uint64_t aside_untold_dropped;
    struct hpr_block *held;      /* blocks that were handed out whole, oldest first, not acknowledged yet */
    struct hpr_gap_noted *noted; /* HPR_GAPS_NOTED_MAX, oldest first */
    size_t noted_count;
    bool is_state_behind;            /* STATE could not be written as of late */
    bool has_unknown_dropped;        /* dropped_seen says nothing until the first frame tells */
    struct hopper_recovery recovery; /* [const after open] */
};

hopper_status hpr_channel_open(const char *dir, const char *name, const struct hopper_options *options,
                               struct hopper_sender **sndp, struct hopper_receiver **rcvp, struct hopper_error *err);

/* One handle less; the last one takes the channel with it. `back` held; it is released. */
void hpr_channel_release_locked(struct hpr_channel *ch);

/* Write all blocks to files. Results: hopper_flush(). */
hopper_status hpr_channel_flush(struct hpr_channel *ch, struct hopper_error *err);

/* Whether there is something to hand out before the ring is looked at. */
static inline bool hpr_has_more_at_hand(const struct hopper_receiver *rcv)
{
    return rcv->gap_next < rcv->gap_count || (rcv->frame_records | rcv->due | rcv->run.records) != 0;
}

static inline bool hpr_channel_survives(const struct hpr_channel *ch)
{
    return ch->options.survive != HOPPER_SURVIVE_NOTHING;
}

/* What has been accepted up to now is seen by the receiver, and survives. In this order: a number that survives says
 * nothing of a record that does not. */
static inline void hpr_channel_publish_locked(struct hpr_channel *ch)
{
    struct hpr_memory_header *kept = ch->memory.header;

    hpr_deque_publish_locked(&ch->deque);
    if (HPR_LIKELY(!kept)) return;
    atomic_store_explicit(&kept->dropped_total, ch->dropped_total, memory_order_release);
    atomic_store_explicit(&kept->next_seq, ch->next_seq, memory_order_release);
}

/* Tell the receiver whether something beside the ring waits for it; after each change of what that may be. */
void hpr_channel_update_aside_locked(struct hpr_channel *ch);

/* stats.c. Results: hopper_sender_stats(). */
hopper_status hpr_channel_stats(struct hpr_channel *ch, struct hopper_stats *stats);

#endif
