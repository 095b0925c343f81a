/* SPDX-License-Identifier: MIT */
/* The public verbs of the receiver, and the walk that they share: gaps first, then the frame or run at hand, then what
 * is due from the spill, then the ring, then what waits beside it. A batch ends where going on would end the life of
 * its views. */
#include <stdatomic.h>

#include "bytes.h"
#include "error.h"
#include "fetch.h"
#include "record.h"
#include "settle.h"

/* ---- handing out ---- */

static uint32_t flags(const hopper_receiver *rcv)
{
    return rcv->next_seq < rcv->recovered_end ? HOPPER_RECORD_REDELIVERED : 0;
}

static void put_gap(hopper_receiver *rcv, struct hopper_record *rec, uint64_t lost, uint32_t reason)
{
    *rec =
        (struct hopper_record){ .data = NULL, .lost = lost, .seq = rcv->next_seq, .gap = reason, .flags = flags(rcv) };
    if (hpr_channel_survives(rcv->channel)) hpr_settle_note_gap(rcv, lost, reason);
    rcv->next_seq += lost;
}

static void put_record(hopper_receiver *rcv, struct hopper_record *rec, const void *data, uint64_t len)
{
    rec->data  = data;
    rec->len   = len;
    rec->seq   = rcv->next_seq;
    rec->gap   = HOPPER_GAP_NONE;
    rec->flags = flags(rcv);
    rcv->next_seq++;
    rcv->handed_out++;
}

static void put_late_gap(hopper_receiver *rcv, struct hopper_record *rec, uint64_t lost, uint32_t reason)
{
    hpr_fetch_count_lost(rcv->channel, lost, reason);
    put_gap(rcv, rec, lost, reason);
}

/* A record that stands in packed form: its bytes, or the item that they make. */
static void put_packed(hopper_receiver *rcv, struct hopper_record *rec, const void *data, uint64_t len)
{
    const struct hopper_item_type *type = rcv->channel->options.item_type;
    void *item                          = NULL;

    if (!type) put_record(rcv, rec, data, len);
    else if (type->unpack(type->ctx, data, (size_t)len, &item) == 0) put_record(rcv, rec, item, 0);
    else put_late_gap(rcv, rec, 1, HOPPER_GAP_UNPACK);
}

/* The next record of the frame at hand. */
static void put_from_frame(hopper_receiver *rcv, struct hopper_record *rec)
{
    const unsigned char *data;
    size_t bytes;

    if (!hpr_records_take(&rcv->frame, &data, &bytes)) { /* the checksum is right, so somebody wrote it like that */
        put_late_gap(rcv, rec, rcv->frame_records, HOPPER_GAP_CORRUPT);
        rcv->frame_records = 0;
        return;
    }
    rcv->frame_records--;
    put_packed(rcv, rec, data, bytes);
}

/* Up to MAX records that stand bare in the frame at hand. */
static size_t put_bare(const hopper_receiver *rcv, struct hpr_records *frame, struct hopper_record *recs, size_t max,
                       uint32_t record_flags)
{
    const size_t bytes = frame->record_bytes, n = hpr_min_size(max, frame->left / bytes);
    const unsigned char *at = frame->at;
    const uint64_t seq      = rcv->next_seq;

    for (size_t i = 0; i < n; i++, at += bytes)
        recs[i] = (struct hopper_record){ .data = at, .len = bytes, .seq = seq + i, .flags = record_flags };
    frame->at = at;
    frame->left -= n * bytes;
    return n;
}

/* Up to MAX records with short headers; fewer where one has another. */
static size_t put_short(const hopper_receiver *rcv, struct hpr_records *frame, struct hopper_record *recs, size_t max,
                        uint32_t record_flags)
{
    const unsigned char *at = frame->at;
    size_t left             = frame->left, n;

    for (n = 0; n < max; n++) {
        const unsigned char *data = NULL;
        size_t bytes = 0, taken = hpr_record_get_short(at, left, &data, &bytes);

        if (taken == 0) break;
        recs[n] = (struct hopper_record){ .data = data, .len = bytes, .seq = rcv->next_seq + n, .flags = record_flags };
        at += taken;
        left -= taken;
    }
    frame->at   = at;
    frame->left = left;
    return n;
}

/* As many records as stand in the frame at hand one after the other, bare or with short headers, up to MAX: what a
 * record from disk costs. All are of an earlier run, or none is. */
static size_t put_frame_run(hopper_receiver *rcv, struct hopper_record *recs, size_t max)
{
    const uint32_t record_flags = flags(rcv);
    size_t n;

    if (rcv->channel->options.item_type) return 0; /* items are unpacked one by one */
    max = hpr_min_size(max, rcv->frame_records);
    if (record_flags) max = (size_t)hpr_min_u64(max, rcv->recovered_end - rcv->next_seq);
    n = rcv->frame.record_bytes ? put_bare(rcv, &rcv->frame, recs, max, record_flags)
                                : put_short(rcv, &rcv->frame, recs, max, record_flags);
    rcv->frame_records -= (uint32_t)n;
    rcv->next_seq += n;
    rcv->handed_out += n;
    return n;
}

/* As many records as stand in the ring one after the other, as far as was looked, up to MAX. Ring and head are kept in
 * registers meanwhile: for all that the compiler knows, what is handed out may change them. */
static size_t put_plains(hopper_receiver *rcv, struct hopper_record *recs, size_t max, uint32_t record_flags)
{
    struct hpr_deque *dq       = &rcv->channel->deque;
    const struct hpr_ring ring = dq->ring;
    const uint64_t end = dq->published_seen, seq = rcv->next_seq;
    struct hpr_cursor head = dq->head;
    size_t n;

    for (n = 0; n < max && head.pos != end; n++) {
        uint64_t word;

        if (!hpr_ring_is_record(&ring, &head, &word)) break;
        recs[n].data  = hpr_ring_take_record(&ring, &head, word);
        recs[n].len   = word >> 3;
        recs[n].seq   = seq + n;
        recs[n].gap   = HOPPER_GAP_NONE;
        recs[n].flags = record_flags;
    }
    hpr_deque_take_to(dq, &head);
    rcv->next_seq += n;
    rcv->handed_out += n;
    return n;
}

/* The next records of the run at hand, up to MAX; it is not in a channel that survives. */
static size_t put_joined(hopper_receiver *rcv, struct hopper_record *recs, size_t max)
{
    struct hpr_run *run       = &rcv->run;
    const size_t n            = hpr_min_size(max, run->records);
    const unsigned char *ends = run->ends, *data = run->data;
    const uint64_t seq = rcv->next_seq;
    size_t at          = run->at;

    for (size_t i = 0; i < n; i++) {
        const size_t end = hpr_ring_run_end(ends, i);

        recs[i] = (struct hopper_record){ .data = data + at, .len = end - at, .seq = seq + i };
        at      = end;
    }
    run->at = at;
    run->ends += n * sizeof(uint16_t);
    run->records -= n;
    rcv->next_seq += n;
    rcv->handed_out += n;
    if (run->records == 0) hpr_deque_leave_run(&rcv->channel->deque, run->bytes);
    return n;
}

/* One entry of the ring; false when it was one that hands out nothing itself. */
static bool put_entry(hopper_receiver *rcv, struct hopper_record *rec)
{
    struct hpr_entry entry;
    const uint64_t run_bytes = hpr_deque_take(&rcv->channel->deque, &entry);

    switch (entry.kind) {
    case HPR_PLACE_RUN:
        rcv->run = (struct hpr_run){ .ends    = entry.data,
                                     .data    = entry.data + entry.value * sizeof(uint16_t),
                                     .records = (size_t)entry.value,
                                     .bytes   = run_bytes };
        return false;
    case HPR_PLACE_RECORD: put_packed(rcv, rec, entry.data, entry.value); return true;
    case HPR_PLACE_ITEM: put_record(rcv, rec, entry.item, 0); return true;
    case HPR_PLACE_GAP:
        rcv->dropped_seen += entry.value;
        put_gap(rcv, rec, entry.value, HOPPER_GAP_DROPPED_NEWEST);
        return true;
    case HPR_PLACE_DISK:
        rcv->due               = entry.value;
        rcv->due_dropped_total = rcv->dropped_seen + entry.dropped;
        return false;
    case HPR_PLACE_NUMBERED:
        hpr_memory_note_number(&rcv->channel->memory, hpr_get_u64(entry.data), hpr_get_u64(entry.data + 8));
        put_packed(rcv, rec, entry.data + HPR_RING_NUMBER_BYTES, entry.value - HPR_RING_NUMBER_BYTES);
        return true;
    case HPR_PLACE_SKIP:
        rcv->aside_untold -= entry.value;
        rcv->aside_untold_dropped -= entry.dropped;
        return false;
    case HPR_PLACE_PAD: break;
    }
    assert(0 && "an entry of the ring");
    return false;
}

/* The next entry of the ring, which is there, and what of its kind stands behind it, up to MAX records; none when it
 * was one that hands out nothing itself. All are of an earlier run, or none is. */
static size_t put_from_ring(hopper_receiver *rcv, struct hopper_record *recs, size_t max)
{
    const struct hpr_deque *dq  = &rcv->channel->deque;
    const uint32_t record_flags = flags(rcv);
    uint64_t word;

    if (!hpr_ring_is_record(&dq->ring, &dq->head, &word) || rcv->channel->options.item_type)
        return put_entry(rcv, recs); /* items are unpacked one by one, if they are packed at all */
    if (record_flags) max = (size_t)hpr_min_u64(max, rcv->recovered_end - rcv->next_seq);
    return put_plains(rcv, recs, max, record_flags);
}

/* HOPPER_EAGAIN: there is nothing now. */
static hopper_status collect(hopper_receiver *rcv, struct hopper_record *recs, size_t max, size_t *countp)
{
    struct hpr_channel *ch = rcv->channel;
    hopper_status st       = HOPPER_OK;
    size_t n               = 0;

    while (n < max && st == HOPPER_OK) {
        if (rcv->gap_next < rcv->gap_count) {
            const struct hpr_gap *gap = &rcv->gaps[rcv->gap_next++];

            put_gap(rcv, &recs[n++], gap->lost, gap->reason);
        } else if (rcv->frame_records > 0) {
            size_t run = put_frame_run(rcv, recs + n, max - n);

            if (run == 0) put_from_frame(rcv, &recs[n]);
            n += run > 0 ? run : 1;
        } else if (rcv->run.records > 0) {
            n += put_joined(rcv, recs + n, max - n);
        } else if (rcv->due > 0) {
            if (n > 0) break; /* loading would replace the buffer or block that views point into */
            assert(!rcv->block);
            st = hpr_fetch_due(ch, rcv);
        } else if (hpr_deque_has_entry(&ch->deque)) {
            n += put_from_ring(rcv, recs + n, max - n);
        } else if (n > 0 || atomic_load(&ch->deque.aside) == 0) {
            break;
        } else {
            st = hpr_fetch_aside(ch, rcv);
        }
    }
    *countp = n;
    if (n > 0) return HOPPER_OK;
    return st == HOPPER_OK ? HOPPER_EAGAIN : st;
}

static void settle_surviving(hopper_receiver *rcv, bool is_all)
{
    const struct hopper_options *options = &rcv->channel->options;

    if (HPR_UNLIKELY(rcv->block || options->survive == HOPPER_SURVIVE_POWER_LOSS)) hpr_settle_views(rcv);
    if (rcv->is_state_behind) hpr_settle_again(rcv);
    if (is_all || options->acknowledge == HOPPER_ACKNOWLEDGE_AUTO) hpr_settle_until(rcv, rcv->next_seq - 1);
}

/* It was handed out whole, in a channel that survives nothing. */
HPR_SELDOM static void give_back_block(hopper_receiver *rcv)
{
    struct hpr_channel *ch = rcv->channel;

    hpr_mutex_lock(&ch->deque.back);
    hpr_spill_give_back_locked(&ch->spill, rcv->block);
    hpr_mutex_unlock(&ch->deque.back);
    rcv->block = NULL;
}

/* In a channel that survives nothing: what was handed out is acknowledged, and its room given back. True: senders that
 * wait are to be woken. */
static inline bool settle_memory(hopper_receiver *rcv)
{
    atomic_store_explicit(&rcv->channel->acknowledged, rcv->handed_out, memory_order_release);
    return hpr_deque_give_back(&rcv->channel->deque);
}

/* The caller is done with the views that it was handed; IS_ALL: and says that it is done with the records. */
static inline void settle(hopper_receiver *rcv, bool is_all)
{
    struct hpr_channel *ch = rcv->channel;

    if (hpr_channel_survives(ch)) {
        settle_surviving(rcv, is_all);
        return;
    }
    if (settle_memory(rcv)) hpr_deque_wake_senders(&ch->deque);
    if (HPR_UNLIKELY(rcv->block && rcv->frame_records == 0)) give_back_block(rcv);
}

/* Nothing to hand out: sleep, or say so. HOPPER_OK: look again. */
static hopper_status wait_for_more(hopper_receiver *rcv, uint64_t deadline_ns)
{
    struct hpr_deque *dq = &rcv->channel->deque;

    hpr_replay_pause(&rcv->replay); /* no file is kept alive by a receiver that waits */
    if (hpr_deque_sleep(dq, deadline_ns)) return HOPPER_OK;
    return hpr_deque_arm_event(dq) ? HOPPER_EAGAIN : HOPPER_OK;
}

/* ---- verbs ---- */

hopper_status hopper_receive_batch(hopper_receiver *rcv, struct hopper_record *recs, size_t max, uint64_t deadline_ns,
                                   size_t *countp)
{
    hopper_status st;

    if (countp) *countp = 0;
    if (!rcv || !recs || !countp || max == 0)
        return rcv ? hpr_error_set(&rcv->error, HOPPER_EINVAL, 0, NULL, NULL) : HOPPER_EINVAL;
    settle(rcv, false);
    if (deadline_ns != HOPPER_NOW && !hpr_has_more_at_hand(rcv)) hpr_deque_let_come(&rcv->channel->deque);
    do {
        st = collect(rcv, recs, max, countp);
        if (st == HOPPER_EAGAIN) st = wait_for_more(rcv, deadline_ns);
    } while (st == HOPPER_OK && *countp == 0);
    atomic_store_explicit(&rcv->channel->delivered_seq, rcv->next_seq - 1, memory_order_relaxed);
    return st;
}

/* ---- one record ----
 *
 * hopper_receive() itself is the short way, and as a send's (admit.c) it calls nothing but in place of returning. */

/* What nearly every receive comes to: a record of bytes is next in the ring, known to be there, and nothing goes
 * before. Its *WORDP: hpr_ring_is_record(). */
static inline bool is_plain_next(const hopper_receiver *rcv, uint64_t *wordp)
{
    const struct hpr_deque *dq = &rcv->channel->deque;

    return !rcv->channel->options.item_type && !rcv->block && !hpr_has_more_at_hand(rcv) &&
           dq->head.pos != dq->published_seen && hpr_ring_is_record(&dq->ring, &dq->head, wordp);
}

static inline void put_plain_next(hopper_receiver *rcv, struct hopper_record *rec, uint64_t word)
{
    put_record(rcv, rec, hpr_deque_take_plain(&rcv->channel->deque, word), word >> 3);
    atomic_store_explicit(&rcv->channel->delivered_seq, rec->seq, memory_order_relaxed);
}

HPR_APART static hopper_status settle_and_receive(hopper_receiver *rcv, struct hopper_record *rec, uint64_t word)
{
    settle_surviving(rcv, false);
    put_plain_next(rcv, rec, word);
    return HOPPER_OK;
}

HPR_SELDOM static hopper_status settle_rest_and_receive(hopper_receiver *rcv, struct hopper_record *rec, uint64_t word)
{
    hpr_settle_rest(rcv);
    put_plain_next(rcv, rec, word);
    return HOPPER_OK;
}

HPR_APART static hopper_status receive_surviving(hopper_receiver *rcv, struct hopper_record *rec, uint64_t word)
{
    if (HPR_UNLIKELY(rcv->channel->options.acknowledge != HOPPER_ACKNOWLEDGE_AUTO || rcv->is_state_behind ||
                     !hpr_settle_is_plain(rcv)))
        return settle_and_receive(rcv, rec, word);
    if (HPR_UNLIKELY(hpr_settle_plain(rcv))) return settle_rest_and_receive(rcv, rec, word);
    put_plain_next(rcv, rec, word);
    return HOPPER_OK;
}

HPR_SELDOM static hopper_status wake_senders(struct hpr_channel *ch)
{
    hpr_deque_wake_senders(&ch->deque);
    return HOPPER_OK;
}

HPR_SELDOM static hopper_status receive_any(hopper_receiver *rcv, struct hopper_record *rec, uint64_t deadline_ns)
{
    size_t count;

    return hopper_receive_batch(rcv, rec, 1, deadline_ns, &count);
}

/* As put_joined(), for one record that is not the run's last one: no room comes back with it. */
static inline void put_joined_next(hopper_receiver *rcv, struct hopper_record *rec)
{
    struct hpr_run *run = &rcv->run;
    const size_t at = run->at, end = hpr_ring_run_end(run->ends, 0);

    run->at = end;
    run->ends += sizeof(uint16_t);
    run->records--;
    put_record(rcv, rec, run->data + at, end - at);
    atomic_store_explicit(&rcv->channel->delivered_seq, rec->seq, memory_order_relaxed);
}

/* What is not a plain record in the ring. With a run at hand there is nothing else, but perhaps a block to give back. */
HPR_APART static hopper_status receive_other(hopper_receiver *rcv, struct hopper_record *rec, uint64_t deadline_ns)
{
    bool is_awaited;

    if (HPR_UNLIKELY(!rcv || !rec || rcv->run.records < 2 || rcv->block)) return receive_any(rcv, rec, deadline_ns);
    is_awaited = settle_memory(rcv);
    put_joined_next(rcv, rec);
    return HPR_UNLIKELY(is_awaited) ? wake_senders(rcv->channel) : HOPPER_OK;
}

hopper_status hopper_receive(hopper_receiver *rcv, struct hopper_record *rec, uint64_t deadline_ns)
{
    bool is_awaited;
    uint64_t word;

    if (HPR_UNLIKELY(!rcv || !rec || !is_plain_next(rcv, &word))) return receive_other(rcv, rec, deadline_ns);
    if (hpr_channel_survives(rcv->channel)) return receive_surviving(rcv, rec, word);
    is_awaited = settle_memory(rcv);
    put_plain_next(rcv, rec, word);
    return HPR_UNLIKELY(is_awaited) ? wake_senders(rcv->channel) : HOPPER_OK;
}

void hopper_acknowledge(hopper_receiver *rcv)
{
    if (rcv) settle(rcv, true);
}

hopper_status hopper_acknowledge_until(hopper_receiver *rcv, uint64_t seq)
{
    if (!rcv) return HOPPER_EINVAL;
    if (!hpr_channel_survives(rcv->channel) || rcv->channel->options.acknowledge != HOPPER_ACKNOWLEDGE_EXPLICIT)
        return hpr_error_set(&rcv->error, HOPPER_EINVAL, 0, "acknowledge up to a record (acknowledging is automatic)",
                             NULL);
    if (seq >= rcv->next_seq)
        return hpr_error_set(&rcv->error, HOPPER_EINVAL, 0, "acknowledge what was not received yet", NULL);
    hpr_settle_views(rcv);
    hpr_settle_until(rcv, seq);
    return HOPPER_OK;
}

hopper_status hopper_recovery_report(const hopper_receiver *rcv, struct hopper_recovery *report)
{
    struct hopper_recovery r;
    size_t size;

    if (!rcv || !report || report->size < offsetof(struct hopper_recovery, was_closed) || report->size > 65536)
        return HOPPER_EINVAL;
    size = report->size;
    r    = rcv->recovery;
    if (!hpr_channel_survives(rcv->channel)) r.is_new = 1;
    memset(report, 0, size);
    r.size = size;
    memcpy(report, &r, hpr_min_size(size, sizeof r));
    return HOPPER_OK;
}

hopper_status hopper_receiver_fd(hopper_receiver *rcv, int *fdp)
{
    int fd;

    if (fdp) *fdp = -1;
    if (!rcv || !fdp) return HOPPER_EINVAL;
    fd = hpr_deque_event(&rcv->channel->deque);
    if (fd < 0) return hpr_error_set(&rcv->error, HOPPER_EIO, -fd, "make an event descriptor", NULL);
    *fdp = fd;
    return HOPPER_OK;
}

/* No sender adds anything any more; what is left of items is ours to free, without the lock. */
static void free_items(struct hpr_channel *ch)
{
    const struct hopper_item_type *type = ch->options.item_type;
    struct hpr_entry entry;

    while (type && !hpr_channel_survives(ch) && hpr_deque_has_entry(&ch->deque)) {
        (void)hpr_deque_take(&ch->deque, &entry);
        if (entry.kind == HPR_PLACE_ITEM) type->free(type->ctx, entry.item);
    }
}

void hopper_receiver_close(hopper_receiver *rcv)
{
    struct hpr_channel *ch;

    if (!rcv) return;
    ch = rcv->channel;
    settle(rcv, false);
    if (hpr_channel_survives(ch)) hpr_settle_fill_state(ch, &rcv->passed, 0, 0);
    hpr_replay_close(&rcv->replay);
    hpr_mutex_lock(&ch->deque.back);
    ch->is_refusing = true;
    if (!hpr_channel_survives(ch) && rcv->block) hpr_spill_give_back_locked(&ch->spill, rcv->block);
    rcv->block = NULL; /* where it survives, it waits for the next run */
    hpr_deque_publish_locked(&ch->deque);
    hpr_cond_broadcast(&ch->deque.room);
    hpr_mutex_unlock(&ch->deque.back);
    free_items(ch);
    hpr_mutex_lock(&ch->deque.back);
    ch->receiver_is_open = false;
    hpr_channel_release_locked(ch);
}

hopper_status hopper_receiver_stats(hopper_receiver *rcv, struct hopper_stats *stats)
{
    return rcv ? hpr_channel_stats(rcv->channel, stats) : HOPPER_EINVAL;
}

const struct hopper_error *hopper_receiver_error(const hopper_receiver *rcv)
{
    return rcv ? &rcv->error : NULL;
}
