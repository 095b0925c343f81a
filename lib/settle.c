/* SPDX-License-Identifier: MIT */
/* See settle.h. Where an acknowledgement is noted:
 *
 *   HOPPER_SURVIVE_CRASH        in MEMORY, at each; in STATE before files are removed
 *   HOPPER_SURVIVE_POWER_LOSS   in STATE, at each; it is synced before files are removed
 *
 * STATE has its room on the device since it was made, so this works on a full one, and so does removing files. */
#include "settle.h"

#include "cleanup.h"
#include "error.h"

/* ---- the books of what is behind ---- */

/* More gaps than can be told apart: the last two become one, which counts when both are acknowledged. */
void hpr_settle_note_gap(struct hopper_receiver *rcv, uint64_t lost, uint32_t reason)
{
    struct hpr_gap_noted *last = rcv->noted_count > 0 ? &rcv->noted[rcv->noted_count - 1] : NULL;

    if (last && (last->gap.reason == reason || rcv->noted_count == HPR_GAPS_NOTED_MAX) &&
        (last->end_seq == rcv->next_seq || rcv->noted_count == HPR_GAPS_NOTED_MAX)) {
        last->gap.lost += lost;
        last->end_seq = rcv->next_seq + lost;
        return;
    }
    rcv->noted[rcv->noted_count++] = (struct hpr_gap_noted){ rcv->next_seq + lost, { lost, reason } };
}

/* Count the gaps up to SEQ as behind; a gap that SEQ divides counts by its part. How many records they stand for. */
static uint64_t pass_gaps(struct hopper_receiver *rcv, uint64_t seq)
{
    uint64_t sum = 0;
    size_t done  = 0;

    for (; done < rcv->noted_count; done++) {
        struct hpr_gap_noted *noted = &rcv->noted[done];
        uint64_t behind             = noted->end_seq - 1 > seq ? noted->end_seq - 1 - seq : 0; /* still ahead */
        uint64_t part               = noted->gap.lost > behind ? noted->gap.lost - behind : 0;

        rcv->passed.gap_records[noted->gap.reason] += part;
        if (noted->gap.reason == HOPPER_GAP_DROPPED_NEWEST) rcv->passed.dropped_total += part;
        sum += part;
        noted->gap.lost -= part;
        if (noted->gap.lost > 0) break;
    }
    rcv->noted_count -= done;
    memmove(rcv->noted, rcv->noted + done, rcv->noted_count * sizeof rcv->noted[0]);
    return sum;
}

/* True when there were gaps in it. */
static bool pass(struct hopper_receiver *rcv, uint64_t seq)
{
    uint64_t gaps = rcv->noted_count > 0 ? pass_gaps(rcv, seq) : 0;

    rcv->passed.records += seq - rcv->passed.seq - gaps;
    rcv->passed.seq = seq;
    return gaps > 0;
}

/* ---- the ring ---- */

static uint64_t sum_of_gaps(const struct hopper_receiver *rcv)
{
    uint64_t sum = 0;

    for (size_t i = rcv->gap_next; i < rcv->gap_count; i++) sum += rcv->gaps[i].lost;
    return sum;
}

/* All that was taken from the ring is acknowledged: it is kept from where the receiver stands.
 *
 * Taking an entry has just stored the two halves of the ring's head, each by itself: one load of both, as compilers
 * like to make of a copy, would wait for the stores to leave the CPU, longer than all the rest takes. */
static void keep_from_head(struct hopper_receiver *rcv)
{
    const struct hpr_cursor *head = &rcv->channel->deque.head;

    rcv->kept_from.pos    = head->pos;
    rcv->kept_from.offset = *(const volatile size_t *)&head->offset;
    rcv->kept_seq         = rcv->next_seq + sum_of_gaps(rcv) + rcv->frame_records + rcv->due - rcv->aside_untold;
    rcv->kept_dropped     = rcv->due > 0 ? hpr_max_u64(rcv->due_dropped_total, rcv->dropped_seen) : rcv->dropped_seen;
    rcv->kept_dropped -= hpr_min_u64(rcv->aside_untold_dropped, rcv->kept_dropped);
}

/* Only a part: entries are passed as long as they begin at or below SEQ. */
static void keep_from_seq(struct hopper_receiver *rcv, uint64_t seq)
{
    const struct hpr_deque *dq = &rcv->channel->deque;

    while (rcv->kept_seq <= seq && rcv->kept_from.pos < dq->head.pos) {
        struct hpr_entry entry;

        hpr_ring_get(&dq->ring, &rcv->kept_from, &entry);
        switch (entry.kind) {
        case HPR_PLACE_DISK:
        case HPR_PLACE_SKIP:
            rcv->kept_seq += entry.value;
            rcv->kept_dropped += entry.dropped;
            break;
        case HPR_PLACE_GAP:
            rcv->kept_seq += entry.value;
            rcv->kept_dropped += entry.value;
            break;
        default: rcv->kept_seq++; break;
        }
    }
}

static void keep_ring(struct hopper_receiver *rcv, uint64_t seq, bool has_new_gaps)
{
    struct hpr_channel *ch = rcv->channel;

    if (!ch->memory.header) return; /* files have it as well, and its room was given back when it was handed out */
    if (seq + 1 == rcv->next_seq) keep_from_head(rcv);
    else keep_from_seq(rcv, seq);
    hpr_memory_set_place(&ch->memory, rcv->kept_from.pos, rcv->kept_seq, rcv->kept_dropped, &rcv->passed, has_new_gaps);
    hpr_deque_give_back_to(&ch->deque, rcv->kept_from.pos);
}

/* ---- blocks ---- */

static void free_held(struct hopper_receiver *rcv)
{
    struct hpr_channel *ch = rcv->channel;

    if (!rcv->held || rcv->held->first_seq + rcv->held->records > rcv->passed.seq + 1) return;
    hpr_mutex_lock(&ch->deque.back);
    while (rcv->held && rcv->held->first_seq + rcv->held->records <= rcv->passed.seq + 1) {
        struct hpr_block *block = rcv->held;

        rcv->held = block->next;
        hpr_spill_give_back_locked(&ch->spill, block);
    }
    hpr_mutex_unlock(&ch->deque.back);
}

void hpr_settle_views(struct hopper_receiver *rcv)
{
    struct hpr_block **end = &rcv->held;

    if (rcv->channel->options.survive == HOPPER_SURVIVE_POWER_LOSS)
        hpr_deque_give_back_to(&rcv->channel->deque, rcv->channel->deque.head.pos); /* files have it as well */
    if (!rcv->block || rcv->frame_records > 0) return;
    while (*end) end = &(*end)->next;
    *end             = rcv->block;
    rcv->block->next = NULL;
    rcv->block       = NULL;
    free_held(rcv);
}

/* ---- STATE ---- */

void hpr_settle_fill_state(struct hpr_channel *ch, const struct hpr_passed *passed, uint64_t next_seq,
                           uint64_t dropped_total)
{
    ch->state.is_closed     = false;
    ch->state.passed        = *passed;
    ch->state.next_seq      = hpr_max_u64(hpr_max_u64(ch->state.next_seq, next_seq), passed->seq + 1);
    ch->state.dropped_total = hpr_max_u64(hpr_max_u64(ch->state.dropped_total, dropped_total), passed->dropped_total);
}

/* Failing costs that records come again, and that files stay until it works. */
static bool write_state(struct hopper_receiver *rcv, uint64_t next_seq, uint64_t dropped_total, bool is_synced)
{
    struct hpr_channel *ch     = rcv->channel;
    const struct hopper_io *io = ch->dir.io;
    int res;

    hpr_settle_fill_state(ch, &rcv->passed, next_seq, dropped_total);
    res = hpr_state_write(io, ch->dir.state_fd, &ch->state);
    if (res == 0 && is_synced) res = io->fdatasync(io->ctx, ch->dir.state_fd);
    rcv->is_state_behind = res < 0;
    if (res < 0) (void)hpr_error_io(&rcv->error, res, "write STATE in", ch->dir.path);
    return res == 0;
}

void hpr_settle_again(struct hopper_receiver *rcv)
{
    (void)write_state(rcv, 0, 0, false);
}

/* ---- files ---- */

void hpr_settle_find_removable_locked(struct hpr_channel *ch)
{
    struct hpr_dir *dir  = &ch->dir;
    const uint64_t first = hpr_dir_first_wanted_locked(dir);
    struct hpr_dir_end next;

    atomic_store(&dir->removable_seq, UINT64_MAX);
    if (dir->end.number == 0) return;
    if (first < dir->end.number && hpr_dir_next_file_locked(dir, first, &next))
        atomic_store(&dir->removable_seq, next.first_seq);
    else hpr_dir_note_removable_locked(dir, ch->spill.end_seq);
}

static bool is_all_passed(const struct hpr_channel *ch, uint64_t passed_seq)
{
    return !ch->spill.is_writing && !ch->spill.written && passed_seq + 1 >= ch->spill.end_seq &&
           ch->dir.end.number != 0;
}

enum removal { REMOVE_NONE, REMOVE_OLDEST, REMOVE_ALL };

/* What may go, files of which all is acknowledged; *NEXTP is where the stream begins then. */
static enum removal find_removal(struct hpr_channel *ch, uint64_t passed_seq, bool is_wanted, struct hpr_dir_end *nextp)
{
    struct hpr_dir *dir   = &ch->dir;
    enum removal removal  = REMOVE_NONE;
    struct hpr_dir_end at = { .number = hpr_dir_first_wanted_locked(dir) };

    if (dir->end.number == 0) return REMOVE_NONE;
    while (at.number < dir->end.number && hpr_dir_next_file_locked(dir, at.number, &at) &&
           at.first_seq <= passed_seq + 1) {
        *nextp  = at;
        removal = REMOVE_OLDEST;
    }
    if (is_all_passed(ch, passed_seq) && (is_wanted || dir->end.bytes >= dir->file_bytes / 2)) removal = REMOVE_ALL;
    return removal;
}

/* Only numbers of records that are behind the receiver: PRODUCERS may be on the device before what else was accepted,
 * and a producer that is told a number leaves out all up to it. */
int hpr_settle_note_numbers_locked(struct hpr_channel *ch, const struct hpr_producers *numbers)
{
    struct hpr_producers all = { .count = 0 };
    int res                  = hpr_producers_read(&all, ch->dir.io, ch->dir.fd, ch->dir.channel_id);

    if (res < 0) return res;
    all.generation        = hpr_max_u64(all.generation, ch->producers->generation);
    all.synced_generation = ch->producers->synced_generation;
    hpr_producers_merge(&all, numbers);
    res = hpr_producers_write(&all, ch->dir.io, ch->dir.fd, ch->dir.channel_id);
    if (res == 0) ch->producers->generation = ch->producers->synced_generation = all.generation;
    return res;
}

/* The numbers that stand in files which are about to go: all up to the table of file NEXT, or all. The lock is held
 * meanwhile: this is seldom, and short. */
static bool write_producers(struct hopper_receiver *rcv, enum removal removal, uint64_t next)
{
    struct hpr_channel *ch       = rcv->channel;
    struct hpr_producers numbers = { .count = 0 };
    bool is_passed;
    int res = 0;

    hpr_mutex_lock(&ch->deque.back);
    is_passed = removal == REMOVE_OLDEST || is_all_passed(ch, rcv->passed.seq);
    if (is_passed && ch->producers->count > 0) {
        if (removal == REMOVE_ALL ||
            !hpr_queue_file_read_table(ch->dir.io, ch->dir.fd, ch->dir.channel_id, next, &numbers))
            numbers = *ch->dir.producers;
        res = hpr_settle_note_numbers_locked(ch, &numbers);
    }
    hpr_mutex_unlock(&ch->deque.back);
    if (res < 0) (void)hpr_error_io(&rcv->error, res, "write PRODUCERS in", ch->dir.path);
    return is_passed && res == 0;
}

/* With `back` held: REMOVAL, NEXT and the NUMBER of the active file are as they were found, which has been noted. */
static void remove_files_locked(struct hopper_receiver *rcv, enum removal removal, const struct hpr_dir_end *next,
                                uint64_t number)
{
    struct hpr_channel *ch = rcv->channel;

    if (removal == REMOVE_ALL && is_all_passed(ch, rcv->passed.seq) && ch->dir.end.number == number) {
        hpr_replay_close(&rcv->replay);
        hpr_cleanup_all_locked(ch);
        ch->dir.wants_room = false;
    } else if (next->number != 0) {
        hpr_replay_leave_below(&rcv->replay, next->number); /* or closing would free what removing has not */
        hpr_cleanup_below_locked(ch, next->number, next->start);
    }
    hpr_settle_find_removable_locked(ch);
    ch->spill.gains++;
    hpr_cond_broadcast(&ch->deque.room);
}

void hpr_settle_files(struct hopper_receiver *rcv, bool is_wanted)
{
    struct hpr_channel *ch  = rcv->channel;
    struct hpr_mutex *back  = &ch->deque.back;
    struct hpr_dir_end next = { 0 };
    uint64_t next_seq, next_number, dropped_total, number;
    enum removal removal;
    bool is_noted;

    hpr_mutex_lock(back);
    removal       = find_removal(ch, rcv->passed.seq, is_wanted || ch->dir.wants_room, &next);
    next_seq      = ch->next_seq;
    next_number   = ch->dir.numbers_seen;
    dropped_total = ch->dropped_total;
    number        = ch->dir.end.number;
    if (removal == REMOVE_NONE) hpr_settle_find_removable_locked(ch);
    hpr_mutex_unlock(back);
    ch->state.next_number = hpr_max_u64(ch->state.next_number, next_number);
    if (removal == REMOVE_NONE) return;
    is_noted = write_producers(rcv, removal, next.number) && write_state(rcv, next_seq, dropped_total, true);
    hpr_mutex_lock(back);
    ch->dir.removal_is_due = !is_noted;
    if (is_noted) remove_files_locked(rcv, removal, &next, number);
    else hpr_cond_broadcast(&ch->deque.room); /* senders that wait for it see to it that it is tried again */
    hpr_mutex_unlock(back);
}

/* ---- acknowledging ---- */

HPR_SELDOM static void settle_any(struct hopper_receiver *rcv, uint64_t seq)
{
    struct hpr_channel *ch  = rcv->channel;
    const bool has_new_gaps = pass(rcv, seq);

    keep_ring(rcv, seq, has_new_gaps);
    if (ch->options.survive == HOPPER_SURVIVE_POWER_LOSS) (void)write_state(rcv, 0, 0, false);
    atomic_store_explicit(&ch->acknowledged, rcv->passed.records, memory_order_release);
    atomic_store(&ch->passed_seq, seq); /* before the look at what is removable: can_make_room() */
    free_held(rcv);
    if (seq + 1 >= atomic_load(&ch->dir.removable_seq)) hpr_settle_files(rcv, false);
}

void hpr_settle_until(struct hopper_receiver *rcv, uint64_t seq)
{
    if (seq <= rcv->passed.seq) return;
    if (HPR_UNLIKELY(seq + 1 != rcv->next_seq || hpr_has_more_at_hand(rcv) || !hpr_settle_is_plain(rcv))) {
        settle_any(rcv, seq);
        return;
    }
    keep_from_head(rcv);
    if (HPR_UNLIKELY(hpr_settle_plain(rcv))) hpr_settle_rest(rcv);
}

void hpr_settle_rest(struct hopper_receiver *rcv)
{
    struct hpr_channel *ch = rcv->channel;

    if (hpr_deque_is_awaited(&ch->deque, ch->deque.head.pos)) hpr_deque_wake_senders(&ch->deque);
    if (rcv->next_seq >= atomic_load(&ch->dir.removable_seq)) hpr_settle_files(rcv, false);
}

/* ---- closing ---- */

/* Everything that is not acknowledged is in MEMORY, or on its way to the device. */
void hpr_settle_close(struct hpr_channel *ch)
{
    const struct hopper_io *io = ch->dir.io;
    bool is_drained            = ch->state.passed.seq + 1 >= ch->next_seq;
    int res                    = hpr_dir_sync_all(&ch->dir);

    if (ch->memory.header) {
        int memory_res = hpr_memory_close(&ch->memory, true);

        if (res == 0) res = memory_res;
    }
    hpr_settle_fill_state(ch, &ch->state.passed, ch->next_seq, ch->dropped_total);
    ch->state.next_number = hpr_max_u64(ch->state.next_number, ch->dir.numbers_seen);
    if (res == 0 && ch->producers->count > 0)
        res = hpr_producers_write(ch->producers, io, ch->dir.fd, ch->dir.channel_id);
    ch->state.is_closed = res == 0;
    res                 = hpr_state_write(io, ch->dir.state_fd, &ch->state);
    if (res == 0) res = io->fdatasync(io->ctx, ch->dir.state_fd);
    if (res < 0 || !is_drained || ch->options.survive != HOPPER_SURVIVE_CRASH) return;
    (void)io->unlink_at(io->ctx, ch->dir.fd, HPR_MEMORY_NAME);
    (void)io->unlink_at(io->ctx, ch->dir.fd, HPR_MEMORY_SPARE_NAME);
}
