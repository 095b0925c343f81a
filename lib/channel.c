/* SPDX-License-Identifier: MIT */
/* Where a record goes, in the order tried:
 *
 *   memory mode (nothing has overflowed since the last Disk(n)), room in the ring     into the ring
 *   disk mode, half of the ring free again, or the disk refuses                       Disk(n), then into the ring
 *   else, small                                                                       into the open block
 *   else, large                                                                       a frame of its own, now
 *
 * and when none of these has room, the channel is full and the policy decides. The receiver turns disk mode back into
 * memory mode itself when it finds the ring empty (claim_aside), so nothing waits for a further send.
 *
 * A record that HOPPER_FULL_DROP_NEWEST drops is counted in tail_gap and placed as a gap before the next one accepted. */
#include "channel.h"

#include "annotate.h"
#include "error.h"
#include "record.h"
#include "stream.h"

#define RETRY_NS        UINT64_C(100000000) /* between tries to write to a full device, which tells nobody when it has room */
#define DISCARD_BYTES   (UINT64_C(1) << 20) /* files that are done with go at once when they hold this much */

/* ---- opening ---- */

static hopper_status make_lane(struct hpr_channel *ch, size_t deflater_bytes)
{
    struct hpr_lane *lane = hpr_arena_take(&ch->arena, sizeof *lane);

    if (!lane)
        return HOPPER_ENOMEM;
    if (ch->plan.has_codec) {
        void *slab = hpr_arena_take(&ch->arena, deflater_bytes);

        lane->frame = hpr_arena_take(&ch->arena, HPR_FRAME_HEADER_BYTES + ch->plan.block_bytes);
        if (!slab || !lane->frame)
            return HOPPER_ENOMEM;
        if (hpr_deflater_init(&lane->deflater, &ch->plan.codec, slab, deflater_bytes) != HOPPER_OK)
            return HOPPER_ENOMEM;
    }
    lane->next = ch->spill.free_lanes;
    ch->spill.free_lanes = lane;
    return HOPPER_OK;
}

static hopper_status make_block(struct hpr_channel *ch)
{
    struct hpr_block *block = hpr_arena_take(&ch->arena, sizeof *block);

    if (!block || !(block->frame = hpr_arena_take(&ch->arena, HPR_FRAME_HEADER_BYTES + ch->plan.block_bytes)))
        return HOPPER_ENOMEM;
    block->raw = block->frame + HPR_FRAME_HEADER_BYTES;
    block->next = ch->spill.free_blocks;
    ch->spill.free_blocks = block;
    return HOPPER_OK;
}

static hopper_status make_spill(struct hpr_channel *ch)
{
    struct hpr_spill *sp = &ch->spill;
    size_t deflater_bytes = ch->plan.has_codec ? hpr_deflater_bytes(&ch->plan.codec) : 0;
    hopper_status st = HOPPER_OK;

    if (ch->plan.has_codec && deflater_bytes == 0)
        return HOPPER_ENOMEM;
    sp->dir = &ch->dir;
    sp->back = &ch->deque.back;
    sp->room = &ch->deque.room;
    sp->block_bytes = ch->plan.block_bytes;
    sp->has_codec = ch->plan.has_codec;
    sp->end_seq = sp->claimed_seq = 1;
    for (size_t i = 0; i < ch->plan.lanes && st == HOPPER_OK; i++)
        st = make_lane(ch, deflater_bytes);
    for (size_t i = 0; i < ch->plan.blocks && st == HOPPER_OK; i++)
        st = make_block(ch);
    if (st == HOPPER_OK && ch->options.item_type && !(ch->scratch = hpr_arena_take(&ch->arena, ch->plan.block_bytes)))
        st = HOPPER_ENOMEM;
    return st;
}

static hopper_status make_receiver(struct hpr_channel *ch, struct hopper_receiver **rcvp)
{
    struct hopper_receiver *rcv = hpr_arena_take(&ch->arena, sizeof *rcv);
    size_t inflater_bytes = hpr_inflater_bytes(ch->plan.codec.window_bits);
    struct hpr_replay *rp;
    void *slab;

    if (!rcv)
        return HOPPER_ENOMEM;
    rp = &rcv->replay;
    rcv->channel = ch;
    rcv->next_seq = 1;
    rp->dir = &ch->dir;
    rp->io = ch->dir.io;
    rp->fd = -1;
    rp->raw_bytes = ch->plan.read_raw_bytes;
    rp->raw = hpr_arena_take(&ch->arena, rp->raw_bytes);
    rp->big = ch->big;
    rp->big_bytes = ch->plan.big_raw_bytes;
    rp->stored_bytes = ch->plan.block_bytes;
    rp->stored = hpr_arena_take(&ch->arena, rp->stored_bytes);
    slab = hpr_arena_take(&ch->arena, inflater_bytes);
    if (!rp->raw || !rp->stored || !slab)
        return HOPPER_ENOMEM;
    *rcvp = rcv;
    return hpr_inflater_init(&rp->inflater, ch->plan.codec.window_bits, slab, inflater_bytes);
}

/* All memory is taken here, the ring last: it gets what is left. */
static hopper_status make_parts(struct hpr_channel *ch, struct hopper_receiver **rcvp)
{
    struct hpr_ring ring;
    hopper_status st;

    if ((st = make_spill(ch)) != HOPPER_OK || (st = make_receiver(ch, rcvp)) != HOPPER_OK)
        return st;
    ring.base = hpr_arena_take_rest(&ch->arena, &ring.bytes);
    if (ring.bytes < HPR_CACHE_LINE)
        return HOPPER_ENOMEM;
    ch->fixed_bytes = (size_t)ch->options.memory_bytes - ring.bytes - ch->plan.blocks * ch->plan.block_bytes;
    return hpr_deque_init(&ch->deque, &ring, ch->options.platform);
}

static void unmap_all(struct hpr_channel *ch)
{
    struct hpr_arena arena = ch->arena; /* the channel is in it */

    if (ch->big)
        (void)arena.io->unmap(arena.io->ctx, ch->big, ch->plan.big_raw_bytes);
    hpr_arena_close(&arena);
}

static hopper_status make_channel(const struct hopper_options *options, const struct hpr_plan *plan,
                                  struct hpr_channel **chp, struct hopper_receiver **rcvp)
{
    const struct hopper_io *io = &options->platform->io;
    struct hpr_arena arena;
    struct hpr_channel *ch;
    hopper_status st;

    if ((st = hpr_arena_open(&arena, io, (size_t)options->memory_bytes)) != HOPPER_OK)
        return st;
    ch = hpr_arena_take(&arena, sizeof *ch);
    ch->arena = arena;
    ch->options = *options;
    ch->plan = *plan;
    if (options->item_type) {
        ch->item_type = *options->item_type;
        ch->options.item_type = &ch->item_type;
    }
    ch->next_seq = 1;
    HPR_IS_ATOMIC(&ch->acknowledged);
    HPR_IS_ATOMIC(&ch->delivered_seq);
    HPR_IS_ATOMIC(&ch->read_errors);
    if (plan->big_raw_bytes > 0 && !(ch->big = io->map(io->ctx, -1, plan->big_raw_bytes)))
        st = HOPPER_ENOMEM;
    ch->dir.io = io;
    if (st == HOPPER_OK)
        st = make_parts(ch, rcvp);
    if (st != HOPPER_OK) {
        unmap_all(ch);
        return st;
    }
    *chp = ch;
    return HOPPER_OK;
}

static struct hopper_sender *make_sender(struct hpr_channel *ch)
{
    const struct hopper_allocator *al = &ch->options.platform->allocator;
    struct hopper_sender *snd = al->alloc(al->ctx, sizeof *snd);

    if (snd) {
        memset(snd, 0, sizeof *snd);
        snd->channel = ch;
    }
    return snd;
}

hopper_status hpr_channel_open(const char *dir, const char *name, const struct hopper_options *options,
                               struct hopper_sender **sndp, struct hopper_receiver **rcvp, struct hopper_error *err)
{
    struct hopper_receiver *rcv = NULL;
    struct hpr_channel *ch = NULL;
    struct hopper_sender *snd;
    struct hopper_options known;
    struct hpr_plan plan;
    hopper_status st;

    if ((st = hpr_options_import(&known, options, err)) != HOPPER_OK)
        return st;
    if ((st = hpr_options_check_name(name, err)) != HOPPER_OK)
        return st;
    hpr_options_plan(&known, &plan);
    if ((st = make_channel(&known, &plan, &ch, &rcv)) != HOPPER_OK)
        return hpr_error_set(err, st, 0, "get the channel's memory", NULL);
    if (!(snd = make_sender(ch))) {
        st = hpr_error_set(err, HOPPER_ENOMEM, 0, "get memory for a sender", NULL);
        goto failed;
    }
    if ((st = hpr_dir_open(&ch->dir, dir, name, &known, &plan, err)) != HOPPER_OK)
        goto failed;
    ch->senders = 1;
    ch->receiver_is_open = true;
    ch->deque.charged = sizeof *snd;
    *sndp = snd;
    *rcvp = rcv;
    return HOPPER_OK;
failed:
    known.platform->allocator.free(known.platform->allocator.ctx, snd);
    hpr_deque_fini(&ch->deque);
    unmap_all(ch);
    return st;
}

/* ---- closing ---- */

static void destroy(struct hpr_channel *ch)
{
    hpr_dir_close(&ch->dir);
    hpr_deque_fini(&ch->deque);
    unmap_all(ch);
}

void hpr_channel_release_locked(struct hpr_channel *ch)
{
    bool is_last = ch->senders == 0 && !ch->receiver_is_open;

    hpr_mutex_unlock(&ch->deque.back);
    if (is_last)
        destroy(ch);
}

/* ---- placing one record ---- */

static void update_aside(struct hpr_channel *ch)
{
    hpr_deque_set_aside_locked(&ch->deque, ch->overflow > 0 || ch->tail_gap > 0 || ch->senders == 0);
}

/* Before the lock is dropped or a wait: the receiver sees what has been accepted up to now. */
static void show_receiver(struct hpr_channel *ch)
{
    hpr_deque_publish_locked(&ch->deque);
    update_aside(ch);
    hpr_deque_wake(&ch->deque);
}

static enum hpr_place ring_kind(const struct hpr_send *send)
{
    return send->source.type ? HPR_PLACE_ITEM : HPR_PLACE_RECORD;
}

static size_t ring_entry_bytes(const struct hpr_send *send)
{
    return hpr_ring_entry_bytes(ring_kind(send), send->source.type ? 0 : (size_t)send->source.len);
}

/* Room that the record needs in the ring, with the placements that have to go before it and any padding. UINT64_MAX when
 * it may never go there. */
static uint64_t ring_need(const struct hpr_channel *ch, const struct hpr_send *send)
{
    const struct hpr_deque *dq = &ch->deque;
    size_t entry = ring_entry_bytes(send);
    size_t before = (ch->overflow ? hpr_ring_entry_bytes(HPR_PLACE_DISK, 0) : 0) +
                    (ch->tail_gap ? hpr_ring_entry_bytes(HPR_PLACE_GAP, 0) : 0);

    if (entry > hpr_deque_entry_limit(dq) || send->weight > hpr_deque_entry_limit(dq))
        return UINT64_MAX;
    return hpr_ring_need(&dq->ring, &dq->tail, before + entry) + before + send->weight;
}

static bool put_in_ring(struct hpr_channel *ch, const struct hpr_send *send)
{
    struct hpr_deque *dq = &ch->deque;
    uint64_t need = ring_need(ch, send);

    if (need == UINT64_MAX || !hpr_deque_has_room_locked(dq, need))
        return false;
    if (ch->overflow > 0) {
        hpr_spill_seal_locked(&ch->spill);
        hpr_deque_put_locked(dq, HPR_PLACE_DISK, ch->overflow, &ch->overflow_dropped, 0);
        ch->overflow = ch->overflow_dropped = 0;
    }
    if (ch->tail_gap > 0) {
        hpr_deque_put_locked(dq, HPR_PLACE_GAP, ch->tail_gap, NULL, 0);
        ch->tail_gap = 0;
    }
    if (send->source.type)
        hpr_deque_put_locked(dq, HPR_PLACE_ITEM, send->weight, send->source.item, send->weight);
    else
        hpr_deque_put_locked(dq, HPR_PLACE_RECORD, send->source.len, send->source.data, 0);
    return true;
}

/* A record has gone to the spill, behind what was dropped before it. */
static void note_overflow(struct hpr_channel *ch, struct hpr_send *send)
{
    ch->overflow += ch->tail_gap + 1;
    ch->overflow_dropped += ch->tail_gap;
    ch->tail_gap = 0;
    ch->overflowed++;
    send->is_spilled = true;
}

/* The disk budget is spent: win room where nothing is wanted any more, or where the policy says so. */
static enum hpr_result make_disk_room(struct hpr_channel *ch)
{
    uint64_t dropped;
    enum hpr_result res;

    if (hpr_spill_reclaim_locked(&ch->spill))
        return HPR_AGAIN;
    if (ch->options.when_full != HOPPER_FULL_DROP_OLDEST)
        return HPR_FULL;
    res = hpr_spill_drop_oldest_locked(&ch->spill, &dropped);
    ch->gap_records[HOPPER_GAP_DROPPED_OLDEST] += dropped;
    return res;
}

static enum hpr_result append_small(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    enum hpr_result res = hpr_spill_append_locked(&ch->spill, ch->next_seq, ch->dropped_total, send->source.data,
                                                  (size_t)send->source.len);

    if (res == HPR_DONE) {
        note_overflow(ch, send);
        return HPR_DONE;
    }
    if (res == HPR_FULL)
        return make_disk_room(ch);
    show_receiver(ch);
    res = hpr_spill_work_locked(&ch->spill, err);
    return res == HPR_DONE ? HPR_WAIT : res;
}

/* Alone, with all blocks written, and then the record itself. */
static enum hpr_result write_big(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    enum hpr_result res;

    sp->is_exclusive = true;
    show_receiver(ch);
    hpr_spill_seal_locked(sp);
    do {
        if (sp->is_writing)
            res = HPR_WAIT;
        else if (sp->oldest)
            res = hpr_spill_work_locked(sp, err);
        else
            res = hpr_spill_write_big_locked(sp, ch->next_seq, ch->dropped_total, &send->source, err);
        if (res == HPR_FULL)
            res = make_disk_room(ch);
        if (res == HPR_WAIT)
            hpr_cond_wait(sp->room, sp->back, UINT64_MAX);
    } while (res == HPR_AGAIN || res == HPR_WAIT);
    sp->is_exclusive = false;
    if (res == HPR_DONE)
        note_overflow(ch, send);
    hpr_cond_broadcast(sp->room);
    return res;
}

/* Callbacks run without the lock; afterwards everything is looked at again. */
static enum hpr_result measure_item(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    hopper_status st;

    show_receiver(ch);
    hpr_mutex_unlock(&ch->deque.back);
    st = hpr_stream_measure(send->source.type, send->source.item, &send->source.len);
    hpr_mutex_lock(&ch->deque.back);
    if (st != HOPPER_OK)
        (void)hpr_error_set(err, HOPPER_EPACK, 0, "pack an item", NULL);
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
    if (!send->is_packed)
        return;
    send->is_packed = false;
    send->source.data = NULL;
    ch->scratch_is_busy = false;
    hpr_cond_broadcast(&ch->deque.room);
}

static enum hpr_result pack_item(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    hopper_status st;

    if (ch->scratch_is_busy)
        return HPR_WAIT;
    ch->scratch_is_busy = true;
    send->is_packed = true;
    show_receiver(ch);
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
    if (send->source.type && !send->is_measured)
        return measure_item(ch, send, err);
    if (!hpr_spill_is_small(&ch->spill, send->source.len))
        return write_big(ch, send, err);
    if (send->source.type && !send->is_packed)
        return pack_item(ch, send, err);
    return append_small(ch, send, err);
}

/* One try; see the top of this file. */
static enum hpr_result place_locked(struct hpr_channel *ch, struct hpr_send *send, struct hopper_error *err)
{
    bool is_ring_first;
    enum hpr_result res;

    if (HPR_UNLIKELY(ch->spill.is_exclusive))
        return HPR_WAIT;
    is_ring_first = ch->overflow == 0 || ch->spill.failed_errno != 0 || hpr_deque_is_half_free_locked(&ch->deque);
    if (HPR_LIKELY(is_ring_first) && put_in_ring(ch, send))
        return HPR_DONE;
    res = overflow_locked(ch, send, err);
    if ((res == HPR_FULL || (res == HPR_FAILED && err->status != HOPPER_EPACK && err->status != HOPPER_ETOOBIG)) &&
        put_in_ring(ch, send))
        return HPR_DONE;
    return res;
}

/* ---- sending ---- */

static void accept_locked(struct hpr_channel *ch, const struct hpr_send *send)
{
    ch->next_seq++;
    ch->accepted_bytes += send->source.type && !send->is_spilled ? 0 : send->source.len;
}

static void drop_locked(struct hpr_channel *ch)
{
    ch->next_seq++;
    ch->tail_gap++;
    ch->dropped_total++;
    ch->gap_records[HOPPER_GAP_DROPPED_NEWEST]++;
}

static bool fits_in_ring(struct hpr_channel *ch, const struct hpr_send *send)
{
    uint64_t need = ring_need(ch, send);

    return need != UINT64_MAX && hpr_deque_has_room_locked(&ch->deque, need);
}

/* Until something has changed that may let SEND in, or DEADLINE has passed. Whoever has tried in vain wakes all who wait
 * for a thread at work, and with them those who wait here: they must not try again for that, or senders would wake each
 * other without end. A full device does not tell when it has room (ST is HOPPER_ENOSPC): it is tried now and then. */
static void wait_for_change(struct hpr_channel *ch, const struct hpr_send *send, hopper_status st, uint64_t deadline_ns)
{
    struct hpr_deque *dq = &ch->deque;
    const uint64_t gains = ch->spill.gains;
    const uint64_t removed = ch->dir.removed;
    const uint64_t used = hpr_dir_used_locked(&ch->dir);
    bool has_changed;

    if (st == HOPPER_ENOSPC)
        deadline_ns = hpr_min_u64(deadline_ns, dq->clock->monotonic_ns(dq->clock->ctx) + RETRY_NS);
    do {
        uint64_t need = ring_need(ch, send);

        hpr_deque_wait_room_locked(dq, need == UINT64_MAX ? 0 : need, deadline_ns, UINT64_MAX);
        has_changed = ch->is_refusing || ch->spill.gains != gains || ch->dir.removed != removed;
        if (st == HOPPER_EFULL)
            has_changed = has_changed || hpr_dir_used_locked(&ch->dir) < used ||
                          hpr_spill_can_reclaim_locked(&ch->spill);
    } while (!has_changed && !fits_in_ring(ch, send) && hpr_deque_time_left(dq, deadline_ns) > 0);
}

/* No room, as RES and ERR say. HOPPER_OK: waited, try again; else how the send ends. */
static hopper_status wait_for_room(struct hpr_channel *ch, struct hpr_send *send, enum hpr_result res,
                                   uint64_t deadline_ns, struct hopper_error *err)
{
    hopper_status st = res == HPR_FULL ? HOPPER_EFULL : err->status;

    release_scratch(ch, send);
    if (st != HOPPER_EFULL && st != HOPPER_ENOSPC)
        return st;
    if (hpr_deque_time_left(&ch->deque, deadline_ns) == 0) {
        if (st == HOPPER_EFULL)
            (void)hpr_error_set(err, st, 0, NULL, NULL);
        return st;
    }
    show_receiver(ch);
    wait_for_change(ch, send, st, deadline_ns);
    return HOPPER_OK;
}

/* Accept one record, waiting as long as DEADLINE allows. */
static hopper_status send_locked(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns,
                                 struct hopper_error *err)
{
    for (;;) {
        enum hpr_result res;
        hopper_status st;

        if (HPR_UNLIKELY(ch->is_refusing))
            return hpr_error_set(err, HOPPER_ECLOSED, 0, NULL, NULL);
        res = place_locked(ch, send, err);
        if (HPR_LIKELY(res == HPR_DONE)) {
            accept_locked(ch, send);
            return HOPPER_OK;
        }
        if (res == HPR_AGAIN)
            continue;
        if (res == HPR_WAIT) { /* for a thread that is at work, not for room */
            show_receiver(ch);
            hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX);
            continue;
        }
        st = wait_for_room(ch, send, res, deadline_ns, err);
        if (st == HOPPER_OK)
            continue;
        if (ch->options.when_full == HOPPER_FULL_DROP_NEWEST && (st == HOPPER_EFULL || st == HOPPER_ENOSPC)) {
            drop_locked(ch);
            send->is_dropped = true;
            return HOPPER_OK;
        }
        ch->refused += st == HOPPER_EFULL || st == HOPPER_ENOSPC || st == HOPPER_EIO;
        return st;
    }
}

/* What nearly every send of a channel that is not full comes to. False: the long way. */
static inline bool send_plain_locked(struct hpr_channel *ch, const struct iovec *record)
{
    if (HPR_UNLIKELY((ch->overflow | ch->tail_gap) != 0 || ch->is_refusing || ch->spill.is_exclusive ||
                     !record->iov_base || record->iov_len > ch->plan.record_bytes_max))
        return false;
    if (HPR_UNLIKELY(!hpr_deque_put_plain_locked(&ch->deque, record->iov_base, record->iov_len)))
        return false;
    ch->next_seq++;
    ch->accepted_bytes += record->iov_len;
    return true;
}

hopper_status hpr_channel_send(struct hpr_channel *ch, const struct iovec *records, size_t count, uint64_t deadline_ns,
                               size_t *acceptedp, struct hopper_error *err)
{
    hopper_status st = HOPPER_OK;
    size_t i;

    hpr_mutex_lock(&ch->deque.back);
    for (i = 0; i < count; i++) {
        struct hpr_send send;

        if (HPR_LIKELY(send_plain_locked(ch, &records[i])))
            continue;
        send = (struct hpr_send){.source = {.data = records[i].iov_base, .len = records[i].iov_len}};
        if (HPR_UNLIKELY(send.source.len > ch->plan.record_bytes_max))
            st = hpr_error_set(err, HOPPER_ETOOBIG, 0, NULL, NULL);
        else if (HPR_UNLIKELY(!send.source.data && send.source.len > 0))
            st = hpr_error_set(err, HOPPER_EINVAL, 0, NULL, NULL);
        else
            st = send_locked(ch, &send, deadline_ns, err);
        if (HPR_UNLIKELY(st != HOPPER_OK))
            break;
    }
    hpr_deque_publish_locked(&ch->deque);
    update_aside(ch);
    hpr_mutex_unlock(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    *acceptedp = i;
    return st;
}

hopper_status hpr_channel_send_item(struct hpr_channel *ch, struct hpr_send *send, uint64_t deadline_ns,
                                    struct hopper_error *err)
{
    bool is_library_item;
    hopper_status st;

    hpr_mutex_lock(&ch->deque.back);
    st = send_locked(ch, send, deadline_ns, err);
    release_scratch(ch, send);
    hpr_deque_publish_locked(&ch->deque);
    update_aside(ch);
    is_library_item = st == HOPPER_OK && (send->is_spilled || send->is_dropped);
    hpr_mutex_unlock(&ch->deque.back);
    hpr_deque_wake(&ch->deque);
    if (is_library_item)
        send->source.type->free(send->source.type->ctx, (void *)(uintptr_t)send->source.item);
    return st;
}

hopper_status hpr_channel_flush(struct hpr_channel *ch, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    hopper_status st = HOPPER_OK;
    uint64_t until;

    hpr_mutex_lock(&ch->deque.back);
    until = ch->next_seq;
    hpr_spill_seal_locked(sp);
    while (st == HOPPER_OK && sp->oldest && sp->oldest->first_seq < until) {
        switch (hpr_spill_work_locked(sp, err)) {
        case HPR_WAIT:
            hpr_cond_wait(sp->room, sp->back, UINT64_MAX);
            break;
        case HPR_FULL:
            st = hpr_error_set(err, HOPPER_EFULL, 0, "flush", NULL);
            break;
        case HPR_FAILED:
            st = err->status;
            break;
        case HPR_DONE:
        case HPR_AGAIN:
            break;
        }
    }
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

/* ---- receiving ---- */

hopper_status hpr_channel_claim_aside(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    hopper_status st = HOPPER_OK;

    hpr_mutex_lock(&ch->deque.back);
    if (hpr_deque_has_entry(&ch->deque)) {
        /* came while we took the lock, and comes first */
    } else if (ch->overflow > 0) {
        hpr_spill_seal_locked(&ch->spill);
        rcv->due = ch->overflow;
        rcv->due_dropped_total = rcv->dropped_seen + ch->overflow_dropped;
        ch->overflow = ch->overflow_dropped = 0;
    } else if (ch->tail_gap > 0) {
        rcv->gaps[0] = (struct hpr_gap){ch->tail_gap, HOPPER_GAP_DROPPED_NEWEST};
        rcv->gap_count = 1;
        rcv->gap_next = 0;
        rcv->dropped_seen += ch->tail_gap;
        ch->tail_gap = 0;
    } else if (ch->senders == 0) {
        st = HOPPER_END;
    }
    update_aside(ch);
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

static void add_gap(struct hopper_receiver *rcv, uint64_t lost, uint32_t reason)
{
    if (lost > 0)
        rcv->gaps[rcv->gap_count++] = (struct hpr_gap){lost, reason};
}

/* What is next in order is a frame at SEQ of RECORDS; all between the receiver's place and it is missing, each part for
 * its reason. DROPPED_TOTAL is the value at SEQ. */
static void claim_frame(struct hpr_channel *ch, struct hopper_receiver *rcv, uint64_t seq, uint32_t records,
                        uint64_t dropped_total, uint32_t reason)
{
    struct hpr_spill *sp = &ch->spill;
    uint64_t missing = seq - rcv->next_seq;
    uint64_t floor = hpr_min_u64(sp->drop_floor_seq, seq);
    uint64_t oldest = floor > rcv->next_seq ? floor - rcv->next_seq : 0;
    uint64_t newest, lost;

    dropped_total = hpr_min_u64(dropped_total, rcv->due_dropped_total);
    newest = dropped_total > rcv->dropped_seen ? dropped_total - rcv->dropped_seen : 0;
    newest = hpr_min_u64(newest, missing - oldest);
    lost = missing - oldest - newest;
    rcv->gap_count = rcv->gap_next = 0;
    reason = reason == HOPPER_GAP_NONE ? HOPPER_GAP_CORRUPT : reason;
    add_gap(rcv, oldest, HOPPER_GAP_DROPPED_OLDEST);
    add_gap(rcv, lost, reason);
    add_gap(rcv, newest, HOPPER_GAP_DROPPED_NEWEST);
    ch->gap_records[reason] += lost;
    hpr_spill_claim_locked(sp, lost);
    rcv->dropped_seen += newest;
    rcv->due -= missing + records;
    sp->claimed_seq = seq + records;
    rcv->frame_records = records;
}

/* Behind the receiver: files that it has left are removed, and all of them when nothing in them is wanted any more. */
static void clean_up_locked(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    struct hpr_dir *dir = &ch->dir;
    struct hpr_replay *rp = &rcv->replay;
    bool is_wanted = atomic_load(&ch->deque.wake_at) != UINT64_MAX || dir->written - dir->removed >= DISCARD_BYTES;
    bool is_at_end = rp->number >= dir->end.number;

    if (rp->number > dir->end.number)
        hpr_dir_abandon_locked(dir); /* the active file cannot be read: write no more to it */
    if (rp->number > dir->oldest)
        (void)hpr_dir_remove_below_locked(dir, &ch->deque.back, is_at_end ? dir->end.number : rp->number,
                                          is_at_end ? dir->end.start : rp->start);
    if (is_wanted && hpr_spill_records_on_disk(&ch->spill) == 0 && hpr_spill_reclaim_locked(&ch->spill))
        hpr_replay_close(rp);
    hpr_cond_broadcast(&ch->deque.room);
}

/* From the files, where the next record was written. `back` held, and dropped meanwhile. */
static hopper_status load_from_disk(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    struct hpr_spill *sp = &ch->spill;
    const uint64_t due_seq = rcv->next_seq + rcv->due;
    const struct hpr_replay_end end = {ch->dir.end, ch->dir.oldest, sp->end_seq, due_seq};
    const uint64_t dropped_total = end.seq < due_seq ? sp->end_dropped_total : rcv->due_dropped_total;
    struct hpr_replay_frame frame;
    hopper_status st;

    hpr_mutex_unlock(&ch->deque.back);
    st = hpr_replay_next(&rcv->replay, &end, rcv->next_seq, &frame, &rcv->error);
    atomic_store_explicit(&ch->read_errors, rcv->replay.read_errors, memory_order_relaxed);
    hpr_mutex_lock(&ch->deque.back);
    if (st == HOPPER_OK && frame.first_seq < sp->drop_floor_seq)
        return HOPPER_EAGAIN; /* dropped while it was read */
    if (st == HOPPER_END) {
        claim_frame(ch, rcv, hpr_min_u64(end.seq, due_seq), 0, dropped_total, frame.reason);
        st = HOPPER_OK;
    } else if (st == HOPPER_OK) {
        claim_frame(ch, rcv, frame.first_seq, frame.records, frame.dropped_total, frame.reason);
        hpr_spill_claim_locked(sp, frame.records);
        rcv->frame = frame.data;
        rcv->frame_bytes = frame.bytes;
    }
    if (st == HOPPER_OK)
        clean_up_locked(ch, rcv);
    return st;
}

/* From memory, where the block has not reached the disk. */
static hopper_status take_block(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    struct hpr_block *block;

    enum hpr_result res = hpr_spill_take_block_locked(&ch->spill, &block);

    assert(res != HPR_AGAIN); /* what is due is in files or in blocks */
    if (res != HPR_DONE) {
        hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX); /* it is being written just now */
        return HOPPER_EAGAIN;
    }
    claim_frame(ch, rcv, block->first_seq, block->records, block->dropped_total, HOPPER_GAP_NONE);
    rcv->block = block;
    rcv->frame = block->raw;
    rcv->frame_bytes = block->raw_bytes;
    return HOPPER_OK;
}

hopper_status hpr_channel_load_due(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    hopper_status st;

    hpr_mutex_lock(&ch->deque.back);
    do
        st = rcv->next_seq < ch->spill.end_seq ? load_from_disk(ch, rcv) : take_block(ch, rcv);
    while (st == HOPPER_EAGAIN);
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

void hpr_channel_count_lost(struct hpr_channel *ch, uint64_t records, uint32_t reason)
{
    hpr_mutex_lock(&ch->deque.back);
    ch->gap_records[reason] += records;
    hpr_mutex_unlock(&ch->deque.back);
}
