/* SPDX-License-Identifier: MIT */
/* Where a record goes, in the order tried:
 *
 *   memory mode (nothing has overflowed since the last Disk(n)), room in the ring     into the ring
 *   disk mode, half of the ring free again, or the disk refuses                       Disk(n), then into the ring
 *   else, small                                                                       into the open block
 *   else, large                                                                       a frame of its own, now
 *
 * and when none of these has room, the channel is full and the policy decides. The receiver turns disk mode back into
 * memory mode itself when it finds the ring empty (fetch.c), so nothing waits for a further send.
 *
 * A record that HOPPER_FULL_DROP_NEWEST drops is counted in tail_gap and placed as a gap before the next one
 * accepted. */
#include "admit.h"

#include "bytes.h"
#include "error.h"
#include "record.h"

#define RETRY_NS UINT64_C(100000000) /* between tries to write to a full device, which tells nobody when it has room */

/* ---- placing one record ---- */

void hpr_admit_show_receiver(struct hpr_channel *ch)
{
    hpr_channel_publish_locked(ch);
    hpr_channel_update_aside_locked(ch);
    hpr_deque_wake(&ch->deque);
}

/* Items travel as they are, but where they are to survive: there packed, as bytes. */
static bool is_item_in_ring(const struct hpr_channel *ch, const struct hpr_send *send)
{
    return send->source.type && !hpr_channel_survives(ch);
}

static size_t ring_entry_bytes(const struct hpr_channel *ch, const struct hpr_send *send)
{
    if (is_item_in_ring(ch, send)) return hpr_ring_entry_bytes(HPR_PLACE_ITEM, 0);
    if (send->source.producer)
        return hpr_ring_entry_bytes(HPR_PLACE_NUMBERED, HPR_RING_NUMBER_BYTES + (size_t)send->source.len);
    return hpr_ring_entry_bytes(HPR_PLACE_RECORD, (size_t)send->source.len);
}

/* Room that the record needs in the ring, with the placements that have to go before it and any padding. UINT64_MAX
 * when it may never go there. */
static uint64_t ring_need(const struct hpr_channel *ch, const struct hpr_send *send)
{
    const struct hpr_deque *dq = &ch->deque;
    size_t entry               = ring_entry_bytes(ch, send);
    size_t before              = (ch->overflow ? hpr_ring_entry_bytes(HPR_PLACE_DISK, 0) : 0) +
                    (ch->tail_gap ? hpr_ring_entry_bytes(HPR_PLACE_GAP, 0) : 0) +
                    (ch->aside_taken ? hpr_ring_entry_bytes(HPR_PLACE_SKIP, 0) : 0);

    if (entry > hpr_deque_entry_limit(dq) || send->weight > hpr_deque_weight_limit(dq)) return UINT64_MAX;
    return hpr_ring_need(&dq->ring, &dq->tail, before + entry) + before + send->weight;
}

/* Where memory survives, the number stands with the record; else only in the file. */
static void put_numbered(struct hpr_channel *ch, const struct hpr_send *send)
{
    unsigned char number[HPR_RING_NUMBER_BYTES];

    hpr_put_u64(number, send->source.producer);
    hpr_put_u64(number + 8, send->source.number);
    hpr_deque_put_numbered_locked(&ch->deque, number, send->source.data, (size_t)send->source.len);
}

bool hpr_admit_put_in_ring(struct hpr_channel *ch, const struct hpr_send *send)
{
    struct hpr_deque *dq = &ch->deque;
    uint64_t need        = ring_need(ch, send);

    if (need == UINT64_MAX || !hpr_deque_has_room_locked(dq, need)) return false;
    if (ch->aside_taken > 0) {
        hpr_deque_put_locked(dq, HPR_PLACE_SKIP, ch->aside_taken, &ch->aside_taken_dropped, 0);
        ch->aside_taken = ch->aside_taken_dropped = 0;
    }
    if (ch->overflow > 0) {
        hpr_spill_seal_locked(&ch->spill);
        hpr_deque_put_locked(dq, HPR_PLACE_DISK, ch->overflow, &ch->overflow_dropped, 0);
        ch->overflow = ch->overflow_dropped = 0;
    }
    if (ch->tail_gap > 0) {
        hpr_deque_put_locked(dq, HPR_PLACE_GAP, ch->tail_gap, NULL, 0);
        ch->tail_gap = 0;
    }
    if (is_item_in_ring(ch, send))
        hpr_deque_put_locked(dq, HPR_PLACE_ITEM, send->weight, send->source.item, send->weight);
    else if (send->source.producer && ch->memory.header) put_numbered(ch, send);
    else hpr_deque_put_locked(dq, HPR_PLACE_RECORD, send->source.len, send->source.data, 0);
    return true;
}

void hpr_admit_note_overflow(struct hpr_channel *ch, struct hpr_send *send)
{
    ch->overflow += ch->tail_gap + 1;
    ch->overflow_dropped += ch->tail_gap;
    ch->tail_gap = 0;
    ch->overflowed++;
    send->is_spilled = true;
}

enum hpr_result hpr_admit_make_disk_room(struct hpr_channel *ch, const struct hpr_send *send)
{
    uint64_t dropped;
    enum hpr_result res;

    if (ch->dir.is_removing || ch->dir.held > 0) return HPR_WAIT; /* there will be room, which is made already */
    if (hpr_dir_remove_unwanted_locked(&ch->dir, NULL) || hpr_spill_reclaim_locked(&ch->spill)) return HPR_AGAIN;
    hpr_dir_want_room_locked(&ch->dir, ch->spill.end_seq);
    if (ch->options.when_full != HOPPER_FULL_DROP_OLDEST || !send->may_drop) return HPR_FULL;
    res = hpr_spill_drop_oldest_locked(&ch->spill, &dropped);
    ch->gap_records[HOPPER_GAP_DROPPED_OLDEST] += dropped;
    return res;
}

static enum hpr_result append_small(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    enum hpr_result res;

    if (ch->memory.header) hpr_channel_publish_locked(ch); /* what is older survives first */
    res = hpr_spill_append_locked(&ch->spill, ch->next_seq, ch->dropped_total, &send->source);

    if (res == HPR_DONE) {
        hpr_admit_note_overflow(ch, send);
        return HPR_DONE;
    }
    if (res == HPR_FULL) return hpr_admit_make_disk_room(ch, send);
    hpr_admit_show_receiver(ch);
    res = hpr_spill_work_locked(&ch->spill, err);
    if (res == HPR_FULL) /* the block that is to be written has spent its promise on waste */
        return hpr_admit_make_disk_room(ch, send);
    if (res == HPR_DONE && hpr_channel_survives(ch)) /* all blocks were handed out, until they are acknowledged */
        return hpr_admit_make_disk_room(ch, send);
    return res == HPR_DONE ? HPR_WAIT : res;
}

/* Alone, with all blocks written, and then the record itself. */
static enum hpr_result write_big(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    enum hpr_result res;

    sp->is_exclusive = true;
    hpr_admit_show_receiver(ch);
    hpr_spill_seal_locked(sp);
    do {
        if (sp->is_writing) res = HPR_WAIT;
        else if (sp->oldest) res = hpr_spill_work_locked(sp, err);
        else res = hpr_spill_write_big_locked(sp, ch->next_seq, ch->dropped_total, &send->source, err);
        if (res == HPR_FULL) res = hpr_admit_make_disk_room(ch, send);
        if (res == HPR_WAIT) hpr_cond_wait(sp->room, sp->back, UINT64_MAX);
    } while (res == HPR_AGAIN || res == HPR_WAIT);
    sp->is_exclusive = false;
    if (res == HPR_DONE) hpr_admit_note_overflow(ch, send);
    hpr_cond_broadcast(sp->room);
    return res;
}

/* Callbacks run without the lock; afterwards everything is looked at again. */
static enum hpr_result measure_item(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    hopper_status st;

    hpr_admit_show_receiver(ch);
    hpr_mutex_unlock(&ch->deque.back);
    st = hpr_stream_measure(send->source.type, send->source.item, &send->source.len);
    hpr_mutex_lock(&ch->deque.back);
    if (st != HOPPER_OK) (void)hpr_error_set(err, HOPPER_EPACK, 0, "pack an item", NULL);
    else if (send->source.len > ch->plan.record_bytes_max)
        (void)hpr_error_set(err, HOPPER_ETOOBIG, 0, "take an item", NULL);
    else {
        send->is_measured = true;
        return HPR_AGAIN;
    }
    return HPR_FAILED;
}

static void release_scratch(struct hpr_channel *ch, struct hpr_send *send)
{
    if (!send->is_packed) return;
    send->is_packed     = false;
    send->source.data   = NULL;
    ch->scratch_is_busy = false;
    hpr_cond_broadcast(&ch->deque.room);
}

static enum hpr_result pack_item(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    hopper_status st;

    if (ch->scratch_is_busy) return HPR_WAIT;
    ch->scratch_is_busy = true;
    send->is_packed     = true;
    hpr_admit_show_receiver(ch);
    hpr_mutex_unlock(&ch->deque.back);
    st = hpr_stream_pack(send->source.type, send->source.item, ch->scratch, (size_t)send->source.len);
    hpr_mutex_lock(&ch->deque.back);
    if (st != HOPPER_OK) {
        (void)hpr_error_set(err, HOPPER_EPACK, 0, "pack an item", NULL);
        return HPR_FAILED;
    }
    send->source.data = ch->scratch;
    return HPR_AGAIN;
}

static enum hpr_result overflow_locked(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    if (send->source.type && !send->is_measured) return measure_item(ch, send, err);
    if (!hpr_spill_is_small(&ch->spill, &send->source)) return write_big(ch, send, err);
    if (send->source.type && !send->is_packed) return pack_item(ch, send, err);
    return append_small(ch, send, err);
}

/* One try; see the top of this file. */
static enum hpr_result place_locked(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    bool is_ring_first;
    enum hpr_result res, made;

    if (HPR_UNLIKELY(ch->spill.is_exclusive)) return HPR_WAIT;
    if (send->source.type && hpr_channel_survives(ch)) {
        if (!send->is_measured) return measure_item(ch, send, err);
        if (!send->is_packed && hpr_spill_is_small(&ch->spill, &send->source)) return pack_item(ch, send, err);
        if (!send->is_packed) return overflow_locked(ch, send, err);
    }
    is_ring_first = ch->overflow == 0 || ch->spill.failed_errno != 0 || hpr_deque_is_half_free_locked(&ch->deque);
    if (HPR_LIKELY(is_ring_first) && hpr_admit_put_in_ring(ch, send)) return HPR_DONE;
    res = overflow_locked(ch, send, err);
    if (res == HPR_FAILED && err->status == HOPPER_ENOSPC) {
        made = hpr_admit_make_disk_room(ch, send);
        if (made == HPR_AGAIN || made == HPR_WAIT) return made;
    }
    if (res == HPR_FAILED && (err->status == HOPPER_EPACK || err->status == HOPPER_ETOOBIG)) return res;
    /* the lock may have been dropped since the receiver was last seen */
    if ((res == HPR_FULL || res == HPR_FAILED) && !ch->is_refusing && hpr_admit_put_in_ring(ch, send)) return HPR_DONE;
    return res;
}

/* ---- sending ---- */

static void accept_locked(struct hpr_channel *ch, const struct hpr_send *send)
{
    ch->next_seq++;
    ch->accepted_bytes += send->source.type && !send->is_spilled ? 0 : send->source.len;
    if (HPR_UNLIKELY(send->source.producer))
        hpr_producers_note(ch->producers, send->source.producer, send->source.number);
}

void hpr_admit_drop(struct hpr_channel *ch, struct hpr_send *send)
{
    ch->next_seq++;
    ch->tail_gap++;
    ch->dropped_total++;
    ch->gap_records[HOPPER_GAP_DROPPED_NEWEST]++;
    ch->accepted_bytes += send->source.type && !send->is_measured ? 0 : send->source.len;
    send->is_dropped = true;
    if (send->source.producer) hpr_producers_note(ch->producers, send->source.producer, send->source.number);
}

static bool fits_in_ring(struct hpr_channel *ch, const struct hpr_send *send)
{
    uint64_t need = ring_need(ch, send);

    return need != UINT64_MAX && hpr_deque_has_room_locked(&ch->deque, need);
}

/* A full device does not tell when it has room (ST is HOPPER_ENOSPC), nor one that would not remove a file: it is tried
 * now and then. */
static bool is_tried_again(const struct hpr_channel *ch, hopper_status st)
{
    return st == HOPPER_ENOSPC || ch->dir.removal_is_due || hpr_dir_has_unwanted_locked(&ch->dir);
}

/* Until something has changed that may let SEND in, or DEADLINE has passed. Whoever has tried in vain wakes all who
 * wait for a thread at work, and with them those who wait here: they must not try again for that, or senders would wake
 * each other without end. */
void hpr_admit_wait_for_change(struct hpr_channel *ch, const struct hpr_send *send, hopper_status st,
                               uint64_t deadline_ns)
{
    struct hpr_deque *dq   = &ch->deque;
    const uint64_t gains   = ch->spill.gains;
    const uint64_t removed = ch->dir.removed;
    const uint64_t used    = hpr_dir_used_locked(&ch->dir);
    uint64_t freed_seen    = send->freed_seen;
    bool is_limited        = false, has_changed;

    hpr_admit_show_receiver(ch); /* who may have to make the room */
    do {
        uint64_t need = ring_need(ch, send);

        if (!is_limited && is_tried_again(ch, st)) {
            deadline_ns = hpr_min_u64(deadline_ns, dq->clock->monotonic_ns(dq->clock->ctx) + RETRY_NS);
            is_limited  = true;
        }
        hpr_deque_wait_room_locked(dq, need == UINT64_MAX ? 0 : need, freed_seen, deadline_ns);
        freed_seen  = dq->freed_seen;
        has_changed = ch->is_refusing || ch->spill.gains != gains || ch->dir.removed != removed;
        if (st == HOPPER_EFULL)
            has_changed =
                has_changed || hpr_dir_used_locked(&ch->dir) < used || hpr_spill_can_reclaim_locked(&ch->spill);
        has_changed = has_changed || (ch->options.survive != HOPPER_SURVIVE_POWER_LOSS && fits_in_ring(ch, send));
    } while (!has_changed && hpr_deque_time_left(dq, deadline_ns) > 0);
}

/* No room, as RES and ERR say. HOPPER_OK: waited, try again; else how the send ends. */
static hopper_status wait_for_room(struct hpr_channel *ch, struct hpr_send *send, enum hpr_result res,
                                   uint64_t deadline_ns, struct hopper_error *err)
{
    hopper_status st = res == HPR_FULL ? HOPPER_EFULL : err->status;

    release_scratch(ch, send);
    if (st != HOPPER_EFULL && st != HOPPER_ENOSPC) return st;
    if (hpr_deque_time_left(&ch->deque, deadline_ns) == 0) {
        if (st == HOPPER_EFULL) (void)hpr_error_set(err, st, 0, NULL, NULL);
        return st;
    }
    hpr_admit_wait_for_change(ch, send, st, deadline_ns);
    return HOPPER_OK;
}

/* A try that failed on the way is no failure of a call that succeeds. */
static void forget_tries(struct hopper_error *err)
{
    if (HPR_UNLIKELY(err->status != HOPPER_OK)) memset(err, 0, sizeof *err);
}

/* The deadline has passed since SEND was last tried, and now dropping the oldest is allowed: one more try. */
static bool drops_late(const struct hpr_channel *ch, const struct hpr_send *send)
{
    return ch->options.when_full == HOPPER_FULL_DROP_OLDEST && !send->may_drop;
}

/* It was accepted before, perhaps while we waited. */
static bool is_duplicate(struct hpr_channel *ch, struct hpr_send *send)
{
    const struct hpr_producer *known = hpr_producers_find(ch->producers, send->source.producer);

    if (!known || send->source.number > known->accepted) return false;
    ch->duplicates++;
    send->is_duplicate = true;
    return true;
}

/* Accept one record, waiting as long as DEADLINE allows. */
static hopper_status send_locked(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns,
                                 struct hopper_error *err)
{
    for (;;) {
        enum hpr_result res;
        hopper_status st;

        if (HPR_UNLIKELY(ch->is_refusing)) return hpr_error_set(err, HOPPER_ECLOSED, 0, NULL, NULL);
        if (HPR_UNLIKELY(send->source.producer) && is_duplicate(ch, send)) return HOPPER_OK;
        send->may_drop   = hpr_deque_time_left(&ch->deque, deadline_ns) == 0;
        send->freed_seen = ch->deque.freed_seen;
        res              = place_locked(ch, send, err);
        if (HPR_LIKELY(res == HPR_DONE)) {
            accept_locked(ch, send);
            forget_tries(err);
            return HOPPER_OK;
        }
        if (res == HPR_AGAIN) continue;
        if (res == HPR_WAIT) { /* for a thread that is at work, not for room */
            hpr_admit_show_receiver(ch);
            hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX);
            continue;
        }
        st = wait_for_room(ch, send, res, deadline_ns, err);
        if (st == HOPPER_OK || ((st == HOPPER_EFULL || st == HOPPER_ENOSPC) && drops_late(ch, send))) continue;
        if (ch->options.when_full == HOPPER_FULL_DROP_NEWEST && (st == HOPPER_EFULL || st == HOPPER_ENOSPC)) {
            hpr_admit_drop(ch, send);
            forget_tries(err);
            return HOPPER_OK;
        }
        ch->refused += st == HOPPER_EFULL || st == HOPPER_ENOSPC || st == HOPPER_EIO;
        return st;
    }
}

/* Whether records may go into the ring with nothing before them, as nearly always in a channel that is not full. */
static inline bool is_plain_locked(const struct hpr_channel *ch)
{
    return HPR_LIKELY((ch->overflow | ch->tail_gap | ch->aside_taken) == 0 && !ch->is_refusing &&
                      !ch->spill.is_exclusive);
}

static inline void count_plain_locked(struct hpr_channel *ch, size_t records, uint64_t bytes)
{
    ch->next_seq += records;
    ch->accepted_bytes += bytes;
}

/* As many of BATCH from record FIRST on as can go into the ring as one run; the receiver sees them. */
static size_t send_run_locked(struct hpr_channel *ch, const struct hpr_batch *batch, size_t first, uint64_t *bytesp)
{
    struct hpr_deque *dq = &ch->deque;
    const size_t left    = batch->count - first;
    size_t n;

    if (left < 2 || hpr_channel_survives(ch)) return 0;
    if (batch->joined) {
        n       = hpr_deque_put_run_locked(dq, batch->joined, batch->offsets + first, left);
        *bytesp = batch->offsets[first + n] - batch->offsets[first];
    } else {
        n = hpr_deque_put_gathered_locked(dq, batch->records + first, left, bytesp);
    }
    if (n > 0) hpr_deque_publish_locked(dq);
    return n;
}

/* As many as can go into the ring at once. None: the next one has to go by itself. */
static size_t send_plains_locked(struct hpr_channel *ch, const struct hpr_batch *batch, size_t first)
{
    uint64_t bytes = 0;
    size_t n;

    if (!is_plain_locked(ch)) return 0;
    n = send_run_locked(ch, batch, first, &bytes);
    if (n == 0 && batch->joined) {
        const struct iovec record = hpr_batch_joined(batch, first);

        n = hpr_deque_put_plains_locked(&ch->deque, &record, 1, &bytes);
    } else if (n == 0) {
        n = hpr_deque_put_plains_locked(&ch->deque, batch->records + first, batch->count - first, &bytes);
    }
    count_plain_locked(ch, n, bytes);
    return n;
}

/* As many records of BATCH from FIRST on, one after the other, as fit into the block that goes on at END, with headers;
 * *BYTESP: theirs. */
static size_t overflow_headed(struct hpr_block_end *end, const struct hpr_batch *batch, size_t first, uint64_t largest,
                              uint64_t *bytesp)
{
    const size_t count = batch->count - first;
    uint64_t bytes     = 0;
    size_t n;

    for (n = 0; n < count; n++) {
        const struct iovec record = hpr_batch_record(batch, first + n);

        if (!record.iov_base || record.iov_len > largest || !hpr_spill_put_plain(end, record.iov_base, record.iov_len))
            break;
        bytes += record.iov_len;
    }
    *bytesp = bytes;
    return n;
}

/* The same where the block's records are bare: as many as are of their length. */
static size_t overflow_bare(struct hpr_block_end *end, const struct hpr_batch *batch, size_t first, uint64_t *bytesp)
{
    const size_t len = end->record_bytes, most = hpr_min_size(batch->count - first, end->room / len);
    unsigned char *at = end->at;
    size_t n;

    for (n = 0; n < most; n++, at += len) {
        const struct iovec record = hpr_batch_record(batch, first + n);

        if (!record.iov_base || record.iov_len != len) break;
        hpr_copy_record(at, record.iov_base, len);
    }
    end->at = at;
    end->room -= n * len;
    *bytesp = n * len;
    return n;
}

/* As send_plains_locked(), where the channel has overflowed: into the open block. */
static size_t overflow_plains_locked(struct hpr_channel *ch, const struct hpr_batch *batch, size_t first)
{
    struct hpr_spill *sp     = &ch->spill;
    struct hpr_block_end end = { 0 };
    uint64_t bytes;
    size_t n;

    if (ch->overflow == 0 || ch->tail_gap > 0 || ch->is_refusing || sp->is_exclusive || sp->failed_errno != 0 ||
        ch->memory.header || hpr_deque_is_half_free_locked(&ch->deque) ||
        !hpr_spill_begin_plain_locked(sp, ch->next_seq, &end))
        return 0;
    n = end.record_bytes ? overflow_bare(&end, batch, first, &bytes)
                         : overflow_headed(&end, batch, first, ch->plan.record_bytes_max, &bytes);
    hpr_spill_end_plain_locked(sp, &end, n);
    ch->overflow += n;
    ch->overflowed += n;
    count_plain_locked(ch, n, bytes);
    return n;
}

/* What nearly all sends come to. None: the long way, for the next one. */
static size_t send_many_locked(struct hpr_channel *ch, const struct hpr_batch *batch, size_t first)
{
    const size_t n = send_plains_locked(ch, batch, first);

    return n > 0 ? n : overflow_plains_locked(ch, batch, first);
}

/* Any record of bytes. */
static hopper_status send_record_locked(struct hpr_channel *ch, const void *data, size_t len, uint64_t deadline_ns,
                                        struct hopper_error *err)
{
    struct hpr_send send = { .source = { .data = data, .len = len } };

    if (send.source.len > ch->plan.record_bytes_max) return hpr_error_set(err, HOPPER_ETOOBIG, 0, NULL, NULL);
    if (!send.source.data && send.source.len > 0) return hpr_error_set(err, HOPPER_EINVAL, 0, NULL, NULL);
    return send_locked(ch, &send, deadline_ns, err);
}

HPR_SELDOM static hopper_status commit_record(struct hpr_channel *ch, const void *data, size_t len,
                                              uint64_t deadline_ns, uint64_t *seqp, struct hopper_error *err)
{
    const struct iovec record    = { (void *)(uintptr_t)data, len };
    const struct hpr_batch batch = { .records = &record, .count = 1 };
    size_t accepted;

    return hpr_commit_send(ch, &batch, deadline_ns, &accepted, seqp, err);
}

/* ---- one record ----
 *
 * hpr_admit_record() itself is the short way: a record for which there is plain room, and a mutex that nobody else
 * holds. It calls nothing but in place of returning, and so needs no stack and saves no registers, which would be a
 * fifth of its instructions. What is seldom, or cannot do without a call, is in the functions before it. */

HPR_SELDOM static hopper_status wake_others(struct hpr_channel *ch)
{
    hpr_mutex_wake(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    return HOPPER_OK;
}

HPR_SELDOM static hopper_status wake_receiver(struct hpr_channel *ch)
{
    hpr_deque_wake_sleeper(&ch->deque);
    return HOPPER_OK;
}

/* A plain record has been put. It changes nothing of what may wait beside the ring. */
static inline hopper_status end_plain_locked(struct hpr_channel *ch, size_t len, uint64_t *seqp)
{
    *seqp = ch->next_seq;
    count_plain_locked(ch, 1, len);
    if (HPR_LIKELY(!ch->memory.header)) hpr_deque_publish_new_locked(&ch->deque);
    else hpr_channel_publish_locked(ch);
    if (HPR_UNLIKELY(hpr_mutex_leave(&ch->deque.back))) return wake_others(ch);
    if (HPR_UNLIKELY(hpr_deque_has_sleeper(&ch->deque))) return wake_receiver(ch);
    return HOPPER_OK;
}

HPR_APART static hopper_status end_copy_locked(struct hpr_channel *ch, unsigned char *at, const void *data, size_t len,
                                               uint64_t *seqp)
{
    memcpy(at, data, len);
    return end_plain_locked(ch, len, seqp);
}

/* Any record; `back` held, and released. */
HPR_APART static hopper_status admit_record_locked(struct hpr_channel *ch, const void *data, size_t len,
                                                   uint64_t deadline_ns, uint64_t *seqp, struct hopper_error *err)
{
    const struct iovec record    = { (void *)(uintptr_t)data, len };
    const struct hpr_batch batch = { .records = &record, .count = 1 };
    hopper_status st             = HOPPER_OK;

    if (send_many_locked(ch, &batch, 0) == 1) {
        *seqp = ch->next_seq - 1;
        hpr_channel_publish_locked(ch);
    } else {
        st = send_record_locked(ch, data, len, deadline_ns, err);
        if (st == HOPPER_OK) *seqp = ch->next_seq - 1;
        hpr_channel_publish_locked(ch);
        hpr_channel_update_aside_locked(ch);
    }
    hpr_mutex_unlock(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    return st;
}

HPR_APART static hopper_status wait_and_admit(struct hpr_channel *ch, const void *data, size_t len,
                                              uint64_t deadline_ns, uint64_t *seqp, struct hopper_error *err)
{
    hpr_mutex_lock(&ch->deque.back);
    return admit_record_locked(ch, data, len, deadline_ns, seqp, err);
}

hopper_status hpr_admit_record(struct hpr_channel *ch, const void *data, size_t len, uint64_t deadline_ns,
                               uint64_t *seqp, struct hopper_error *err)
{
    unsigned char *at;

    if (HPR_UNLIKELY(ch->options.survive == HOPPER_SURVIVE_POWER_LOSS))
        return commit_record(ch, data, len, deadline_ns, seqp, err);
    if (HPR_UNLIKELY(!hpr_mutex_try(&ch->deque.back))) return wait_and_admit(ch, data, len, deadline_ns, seqp, err);
    if (HPR_UNLIKELY(!is_plain_locked(ch) || !data || !hpr_deque_has_plain_room(&ch->deque, len)))
        return admit_record_locked(ch, data, len, deadline_ns, seqp, err);
    at = hpr_deque_put_plain_locked(&ch->deque, len);
    if (len != 8) return end_copy_locked(ch, at, data, len, seqp);
    memcpy(at, data, 8);
    return end_plain_locked(ch, len, seqp);
}

/* ---- many ---- */

hopper_status hpr_admit_batch(struct hpr_channel *ch, const struct hpr_batch *batch, uint64_t deadline_ns,
                              size_t *acceptedp, uint64_t *seqp, struct hopper_error *err)
{
    uint64_t last    = *seqp; /* other senders' records may come behind ours while we wait */
    hopper_status st = HOPPER_OK;
    size_t done      = 0;

    if (HPR_UNLIKELY(ch->options.survive == HOPPER_SURVIVE_POWER_LOSS))
        return hpr_commit_send(ch, batch, deadline_ns, acceptedp, seqp, err);
    hpr_mutex_lock(&ch->deque.back);
    while (done < batch->count) {
        size_t n = send_many_locked(ch, batch, done);

        if (n == 0) {
            const struct iovec record = hpr_batch_record(batch, done);

            st = send_record_locked(ch, record.iov_base, record.iov_len, deadline_ns, err);
            if (st != HOPPER_OK) break;
            n = 1;
        }
        done += n;
        last = ch->next_seq - 1;
    }
    *seqp = last;
    hpr_channel_publish_locked(ch);
    hpr_channel_update_aside_locked(ch);
    hpr_mutex_unlock(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    *acceptedp = done;
    return st;
}

/* Where each record is in a file before it is accepted. */
static hopper_status commit_item(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns, uint64_t *seqp,
                                 struct hopper_error *err)
{
    const struct hpr_batch batch = { .one = &send->source, .count = 1 };
    enum hpr_result res          = HPR_AGAIN;
    hopper_status st;
    size_t accepted;

    hpr_mutex_lock(&ch->deque.back);
    do {
        if (!send->is_measured) res = measure_item(ch, send, err);
        else if (!hpr_spill_is_small(&ch->spill, &send->source) || send->is_packed) res = HPR_DONE;
        else res = pack_item(ch, send, err);
        if (res == HPR_WAIT) hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX);
    } while (res == HPR_AGAIN || res == HPR_WAIT);
    hpr_mutex_unlock(&ch->deque.back);
    st = res == HPR_DONE ? hpr_commit_send(ch, &batch, deadline_ns, &accepted, seqp, err) : err->status;
    hpr_mutex_lock(&ch->deque.back);
    release_scratch(ch, send);
    hpr_mutex_unlock(&ch->deque.back);
    if (st == HOPPER_OK) send->source.type->free(send->source.type->ctx, (void *)(uintptr_t)send->source.item);
    return st;
}

hopper_status hpr_admit_item(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns, uint64_t *seqp,
                             struct hopper_error *err)
{
    bool is_library_item;
    hopper_status st;

    if (ch->options.survive == HOPPER_SURVIVE_POWER_LOSS) return commit_item(ch, send, deadline_ns, seqp, err);
    hpr_mutex_lock(&ch->deque.back);
    st = send_locked(ch, send, deadline_ns, err);
    if (st == HOPPER_OK) *seqp = ch->next_seq - 1;
    release_scratch(ch, send);
    hpr_channel_publish_locked(ch);
    hpr_channel_update_aside_locked(ch);
    is_library_item = st == HOPPER_OK && (send->is_spilled || send->is_dropped || hpr_channel_survives(ch));
    hpr_mutex_unlock(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    if (is_library_item) send->source.type->free(send->source.type->ctx, (void *)(uintptr_t)send->source.item);
    return st;
}

hopper_status hpr_admit_numbered(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns, uint64_t *seqp,
                                 struct hopper_error *err)
{
    const struct hpr_batch batch = { .one = &send->source, .count = 1 };
    hopper_status st             = HOPPER_OK;
    size_t accepted;

    if (ch->options.survive == HOPPER_SURVIVE_POWER_LOSS)
        return hpr_commit_send(ch, &batch, deadline_ns, &accepted, seqp, err);
    hpr_mutex_lock(&ch->deque.back);
    if (send->source.len > ch->plan.record_bytes_max) st = hpr_error_set(err, HOPPER_ETOOBIG, 0, NULL, NULL);
    else if (!send->source.data && send->source.len > 0) st = hpr_error_set(err, HOPPER_EINVAL, 0, NULL, NULL);
    else st = send_locked(ch, send, deadline_ns, err);
    if (st == HOPPER_OK && !send->is_duplicate) *seqp = ch->next_seq - 1;
    hpr_channel_publish_locked(ch);
    hpr_channel_update_aside_locked(ch);
    hpr_mutex_unlock(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    return st;
}
