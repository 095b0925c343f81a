/* SPDX-License-Identifier: MIT */
/* What the receiver gets from beside the ring: from queue files while they hold what is next, else from the oldest
 * block that has not reached them. What is missing before a frame is divided by reason and counted here; files that are
 * done with are removed here. */
#include "fetch.h"

#include <stdatomic.h>

#include "cleanup.h"
#include "record.h"
#include "settle.h"

#define DISCARD_BYTES (UINT64_C(1) << 20) /* files that are done with go at once when they hold this much */

/* Whoever reads the ring's entries after a kill has to learn that there are numbers before the next one. */
static void note_taken(struct hpr_channel *ch, struct hopper_receiver *rcv, uint64_t seqs, uint64_t dropped)
{
    if (!ch->memory.header) return;
    ch->aside_taken += seqs;
    ch->aside_taken_dropped += dropped;
    rcv->aside_untold += seqs;
    rcv->aside_untold_dropped += dropped;
}

hopper_status hpr_fetch_aside(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    hopper_status st = HOPPER_OK;
    bool wants_room  = false;

    hpr_mutex_lock(&ch->deque.back);
    if (hpr_deque_has_entry(&ch->deque)) {
        /* came while we took the lock, and comes first */
    } else if (ch->overflow > 0) {
        hpr_spill_seal_locked(&ch->spill);
        rcv->due               = ch->overflow;
        rcv->due_dropped_total = rcv->dropped_seen + ch->overflow_dropped;
        note_taken(ch, rcv, ch->overflow, ch->overflow_dropped);
        ch->overflow = ch->overflow_dropped = 0;
    } else if (ch->tail_gap > 0) {
        rcv->gaps[0]   = (struct hpr_gap){ ch->tail_gap, HOPPER_GAP_DROPPED_NEWEST };
        rcv->gap_count = 1;
        rcv->gap_next  = 0;
        rcv->dropped_seen += ch->tail_gap;
        note_taken(ch, rcv, ch->tail_gap, ch->tail_gap);
        ch->tail_gap = 0;
    } else if (ch->dir.wants_room && rcv->passed.seq + 1 >= ch->spill.end_seq) {
        ch->dir.wants_room = false;
        wants_room         = true;
    } else if (ch->senders == 0) {
        st = HOPPER_END;
    }
    hpr_channel_update_aside_locked(ch);
    hpr_mutex_unlock(&ch->deque.back);
    if (wants_room) hpr_settle_files(rcv, true);
    return st;
}

/* What a machine that stopped took with it looks like a file that was cut short, or like nothing at all. */
static uint32_t reason_for(const struct hpr_channel *ch, const struct hopper_receiver *rcv, uint32_t reason)
{
    const bool is_earlier_run = rcv->next_seq < rcv->recovered_end;
    const bool had_no_file    = rcv->next_seq >= rcv->recovered_files_end;

    if (reason == HOPPER_GAP_NONE) return is_earlier_run ? ch->missing_reason : HOPPER_GAP_CORRUPT;
    if (!is_earlier_run || ch->missing_reason != HOPPER_GAP_MACHINE_DOWN) return reason;
    if (reason == HOPPER_GAP_TRUNCATED || (reason == HOPPER_GAP_VANISHED && had_no_file))
        return HOPPER_GAP_MACHINE_DOWN;
    return reason;
}

static void add_gap(struct hopper_receiver *rcv, uint64_t lost, uint32_t reason)
{
    if (lost > 0) rcv->gaps[rcv->gap_count++] = (struct hpr_gap){ lost, reason };
}

/* What is next in order is a frame at SEQ of RECORDS; all between the receiver's place and it is missing, each part for
 * its reason. DROPPED_TOTAL is the value at SEQ. */
static void claim_frame(struct hpr_channel *ch, struct hopper_receiver *rcv, uint64_t seq, uint32_t records,
                        uint64_t dropped_total, uint32_t reason)
{
    struct hpr_spill *sp = &ch->spill;
    uint64_t missing     = seq > rcv->next_seq ? seq - rcv->next_seq : 0; /* else a part of it was handed out before */
    uint64_t floor       = hpr_min_u64(sp->drop_floor_seq, seq);
    uint64_t oldest      = floor > rcv->next_seq ? floor - rcv->next_seq : 0;
    uint64_t newest, lost;

    records -= (uint32_t)(rcv->next_seq + missing - seq);
    records = (uint32_t)hpr_min_u64(records, rcv->due - missing); /* memory may have the rest */
    if (rcv->has_unknown_dropped && dropped_total > rcv->dropped_seen) rcv->dropped_seen = dropped_total;
    rcv->has_unknown_dropped = false;
    dropped_total            = hpr_min_u64(dropped_total, rcv->due_dropped_total);
    newest                   = dropped_total > rcv->dropped_seen ? dropped_total - rcv->dropped_seen : 0;
    newest                   = hpr_min_u64(newest, missing - oldest);
    lost                     = missing - oldest - newest;
    rcv->gap_count = rcv->gap_next = 0;
    reason                         = reason_for(ch, rcv, reason);
    add_gap(rcv, oldest, HOPPER_GAP_DROPPED_OLDEST);
    add_gap(rcv, lost, reason);
    add_gap(rcv, newest, HOPPER_GAP_DROPPED_NEWEST);
    ch->gap_records[reason] += lost;
    hpr_spill_claim_locked(sp, lost);
    rcv->dropped_seen += newest;
    rcv->due -= missing + records;
    sp->claimed_seq    = rcv->next_seq + missing + records;
    rcv->frame_records = records;
}

/* The first records of the frame at hand that were handed out before are passed over. */
static void skip_to_next(struct hopper_receiver *rcv, uint64_t first_seq)
{
    for (; first_seq < rcv->next_seq; first_seq++) {
        const unsigned char *data;
        size_t bytes;

        if (!hpr_records_take(&rcv->frame, &data, &bytes)) return; /* put_from_frame() will find that out */
    }
}

/* Behind the receiver: files that it has left are removed, and all of them when nothing in them is wanted any more. */
static void clean_up_locked(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    struct hpr_dir *dir   = &ch->dir;
    struct hpr_replay *rp = &rcv->replay;
    bool is_wanted = atomic_load(&ch->deque.wake_at) != UINT64_MAX || dir->written - dir->removed >= DISCARD_BYTES;
    bool is_at_end = rp->number >= dir->end.number;

    if (rp->number > dir->end.number)
        hpr_dir_abandon_locked(dir);      /* the active file cannot be read: write no more to it */
    if (hpr_channel_survives(ch)) return; /* settle.c removes what is acknowledged */
    if (rp->number > dir->oldest)
        hpr_cleanup_below_locked(ch, is_at_end ? dir->end.number : rp->number, is_at_end ? dir->end.start : rp->start);
    if (is_wanted && hpr_spill_is_done_locked(&ch->spill)) {
        hpr_replay_close(rp);
        hpr_cleanup_all_locked(ch);
    } else if (hpr_spill_is_all_claimed_locked(&ch->spill)) {
        hpr_replay_pause(rp); /* a sender that needs the room may remove it before the receiver comes back */
    }
    hpr_cond_broadcast(&ch->deque.room);
}

/* Whether what was looked for since dir.rewrites was BEFORE may have been in a file that was cut back: it is in the next
 * one then. Waits until it is. */
static bool was_moved(struct hpr_channel *ch, uint64_t before)
{
    const bool is_moving = before % 2 != 0;

    while (ch->dir.rewrites % 2 != 0) hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX);
    return is_moving || ch->dir.rewrites != before;
}

/* From the files, where the next record was written. `back` held, and dropped meanwhile. */
static hopper_status load_from_disk(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    struct hpr_spill *sp            = &ch->spill;
    const bool is_before_early      = sp->early && sp->early->first_seq < rcv->next_seq + rcv->due;
    const uint64_t due_seq          = is_before_early ? sp->early->first_seq : rcv->next_seq + rcv->due;
    const uint64_t due_dropped      = is_before_early ? sp->early->dropped_total : rcv->due_dropped_total;
    const uint64_t first            = hpr_dir_first_wanted_locked(&ch->dir);
    const struct hpr_replay_end end = { ch->dir.end, first, sp->end_seq, due_seq };
    const uint64_t dropped_total    = end.seq < due_seq ? sp->end_dropped_total : due_dropped;
    const uint64_t rewrites         = ch->dir.rewrites;
    struct hpr_replay_frame frame;
    hopper_status st;

    hpr_dir_begin_read_locked(&ch->dir);
    hpr_mutex_unlock(&ch->deque.back);
    st = hpr_replay_next(&rcv->replay, &end, rcv->next_seq, &frame, &rcv->error);
    atomic_store_explicit(&ch->read_errors, rcv->replay.read_errors, memory_order_relaxed);
    if (rcv->replay.is_brief) hpr_replay_pause(&rcv->replay); /* see there; before `held` is given back */
    hpr_mutex_lock(&ch->deque.back);
    if (hpr_dir_end_read_locked(&ch->dir)) {
        sp->gains++;
        hpr_cond_broadcast(&ch->deque.room);
    }
    if (st == HOPPER_OK && frame.first_seq < sp->drop_floor_seq) return HOPPER_EAGAIN; /* dropped while it was read */
    if (st == HOPPER_END && was_moved(ch, rewrites)) return HOPPER_EAGAIN;
    if (st == HOPPER_END) {
        claim_frame(ch, rcv, hpr_min_u64(end.seq, due_seq), 0, dropped_total, frame.reason);
        st = HOPPER_OK;
    } else if (st == HOPPER_OK) {
        claim_frame(ch, rcv, frame.first_seq, frame.records, frame.dropped_total, frame.reason);
        hpr_spill_claim_locked(sp, rcv->frame_records);
        rcv->frame = frame.payload;
        skip_to_next(rcv, frame.first_seq);
    }
    if (st == HOPPER_OK) clean_up_locked(ch, rcv);
    return st;
}

/* A block that is handed out is kept until it is acknowledged, which may be far behind: there would be none left. So it
 * goes to a file first. False: that cannot be had now. */
static bool write_first(struct hpr_channel *ch)
{
    struct hopper_error ignored; /* counted in write_errors; and the record is handed out all the same */

    if (!ch->spill.oldest) hpr_spill_seal_locked(&ch->spill);
    switch (hpr_spill_work_locked(&ch->spill, &ignored)) {
    case HPR_AGAIN: return true;
    case HPR_WAIT: hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX); return true;
    default: return false;
    }
}

/* A block may be given back without ever reaching a file. */
static void note_numbers(const struct hpr_channel *ch, const struct hpr_block *block)
{
    const unsigned char *at = block->raw, *data;
    uint64_t id, number;
    size_t bytes, taken;

    for (size_t left = block->raw_bytes; (taken = hpr_record_get(at, left, &data, &bytes)) > 0;
         left -= taken, at += taken)
        if (hpr_record_get_number(at, left, &id, &number)) hpr_memory_note_number(&ch->memory, id, number);
}

/* BLOCK's records are next. */
static void hand_out_block(struct hpr_channel *ch, struct hopper_receiver *rcv, struct hpr_block *block)
{
    claim_frame(ch, rcv, block->first_seq, block->records, block->dropped_total, HOPPER_GAP_NONE);
    if (block->has_numbers && ch->memory.header) note_numbers(ch, block);
    rcv->block = block;
    rcv->frame = hpr_block_records(block);
    skip_to_next(rcv, block->first_seq);
}

/* From memory, where the block has not reached the disk. */
static hopper_status take_block(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    struct hpr_block *block;
    enum hpr_result res;

    if (ch->options.acknowledge == HOPPER_ACKNOWLEDGE_EXPLICIT && hpr_channel_survives(ch) &&
        (write_first(ch) || rcv->next_seq < ch->spill.end_seq)) /* written by us, or before a later one failed */
        return HOPPER_EAGAIN;
    if (ch->spill.oldest && ch->spill.oldest->first_seq >= rcv->next_seq + rcv->due)
        res = HPR_AGAIN; /* of later ones */
    else res = hpr_spill_take_block_locked(&ch->spill, &block);
    if (res == HPR_AGAIN) { /* no file and no block has the rest of what an earlier run accepted */
        assert(hpr_channel_survives(ch));
        claim_frame(ch, rcv, rcv->next_seq + rcv->due, 0, rcv->due_dropped_total, HOPPER_GAP_NONE);
        return HOPPER_OK;
    }
    if (res != HPR_DONE) {
        hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX); /* it is being written just now */
        return HOPPER_EAGAIN;
    }
    hand_out_block(ch, rcv, block);
    return HOPPER_OK;
}

/* A damaged MEMORY may have had blocks that say what files say as well. */
static void drop_stale_early(struct hpr_channel *ch, const struct hopper_receiver *rcv)
{
    const struct hpr_block *early = ch->spill.early;

    for (; early && early->first_seq + early->records <= rcv->next_seq; early = ch->spill.early)
        hpr_spill_give_back_locked(&ch->spill, hpr_spill_take_early_locked(&ch->spill));
}

static hopper_status load_next(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    const struct hpr_block *early;

    if (HPR_UNLIKELY(ch->spill.early)) drop_stale_early(ch, rcv);
    early = ch->spill.early;
    if (early && early->first_seq <= rcv->next_seq) {
        hand_out_block(ch, rcv, hpr_spill_take_early_locked(&ch->spill));
        return HOPPER_OK;
    }
    return rcv->next_seq < ch->spill.end_seq ? load_from_disk(ch, rcv) : take_block(ch, rcv);
}

hopper_status hpr_fetch_due(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    hopper_status st;

    hpr_mutex_lock(&ch->deque.back);
    do st = load_next(ch, rcv);
    while (st == HOPPER_EAGAIN);
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

void hpr_fetch_count_lost(struct hpr_channel *ch, uint64_t records, uint32_t reason)
{
    hpr_mutex_lock(&ch->deque.back);
    ch->gap_records[reason] += records;
    hpr_mutex_unlock(&ch->deque.back);
}
