/* SPDX-License-Identifier: MIT */
/* See restore.h. Sequence numbers from the first that is not acknowledged to the next one free fall into
 *
 *   due        before the first ring entry: in files, or in blocks
 *   the ring   records, and Disk(n) for what is in files or in blocks between them
 *   the tail   behind the last ring entry: in files, then in blocks; this is the overflow since the last Disk(n)
 *
 * Without MEMORY all of it is tail. Nothing is moved between memory and files: the ring's entries are copied as they
 * are. */
#include "restore.h"

#include "bytes.h"
#include "error.h"
#include "settle.h"

#define SEQ_MAX (UINT64_C(1) << 60) /* no channel lives to see it; an entry of the ring takes no number of 2^61 */

struct parts {
    uint64_t due, due_dropped;
    uint64_t start;         /* of the ring's entries that are wanted */
    uint64_t start_seq;     /* the first one's sequence number */
    uint64_t start_dropped; /* dropped_total there */
    struct hpr_ring_sum ring;
    uint64_t ring_end;         /* sequence number behind the ring's entries */
    uint64_t ring_end_dropped; /* dropped_total there */
    uint64_t tail, tail_dropped;
    uint64_t in_blocks;
    uint64_t behind; /* of those: behind the ring and the files, and behind the receiver */
};

static hopper_status memory_error(const struct hpr_channel *ch, int res, struct hopper_error *err)
{
    return hpr_error_io(err, res, "read MEMORY in", ch->dir.path);
}

/* ---- memory ---- */

static void note_ring_numbers(struct hpr_channel *ch, const unsigned char *base, size_t len)
{
    const struct hpr_ring ring = { (unsigned char *)(uintptr_t)base, len };
    struct hpr_cursor cursor   = { 0, 0 };
    struct hpr_entry entry;

    while (len > 0 && cursor.pos < len) {
        hpr_ring_get(&ring, &cursor, &entry);
        if (entry.kind == HPR_PLACE_NUMBERED)
            hpr_producers_note(ch->producers, hpr_get_u64(entry.data), hpr_get_u64(entry.data + 8));
    }
}

/* The earlier ring's entries, from the new ring's start on. What makes no sense ends it; that is a gap then. */
static hopper_status copy_ring(struct hpr_channel *ch, const struct hpr_memory_old *old,
                               const struct hpr_passed *passed, struct parts *parts, struct hopper_error *err)
{
    struct hpr_deque *dq = &ch->deque;
    size_t bytes         = (size_t)hpr_memory_old_ring_bytes(old);
    int res;

    assert(bytes <= dq->ring.bytes);
    if (bytes > 0 && (res = hpr_memory_old_read_ring(old, old->place.start, dq->ring.base, bytes)) < 0)
        return memory_error(ch, res, err);
    hpr_ring_add_up(dq->ring.base, bytes, old->seqs_max, &parts->ring);
    parts->start_seq     = old->place.start_seq;
    parts->start_dropped = old->place.start_dropped;
    parts->start    = hpr_ring_normalise(dq->ring.base, (size_t)parts->ring.bytes, passed->seq, passed->dropped_total,
                                         &parts->start_seq, &parts->start_dropped);
    dq->tail.pos    = parts->ring.bytes;
    dq->tail.offset = (size_t)(parts->ring.bytes % dq->ring.bytes);
    dq->head.pos = dq->published_seen = dq->taken = parts->start;
    dq->head.offset                               = (size_t)(parts->start % dq->ring.bytes);
    note_ring_numbers(ch, dq->ring.base, (size_t)parts->ring.bytes);
    hpr_ring_add_up(dq->ring.base + parts->start, (size_t)(parts->ring.bytes - parts->start), HPR_RING_SEQS_MAX,
                    &parts->ring);
    atomic_store(&dq->freed, parts->start);
    return HOPPER_OK;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static hopper_status copy_blocks(struct hpr_channel *ch, const struct hpr_found *found, struct parts *parts,
                                 struct hopper_error *err)
{
    const uint64_t ring_end = parts->start_seq + parts->ring.seqs;
    bool has_place[HPR_MEMORY_BLOCKS_MAX];

    hpr_ring_place_blocks(ch->deque.ring.base + parts->start, (size_t)parts->ring.bytes, &found->old, parts->start_seq,
                          found->passed.seq, has_place);
    for (size_t i = 0; i < found->old.block_count; i++) {
        const struct hpr_memory_old_block *from = &found->old.blocks[i];
        const uint64_t begin                    = hpr_max_u64(from->first_seq, found->passed.seq + 1);
        const uint64_t end                      = from->first_seq + from->records;
        struct hpr_block *block;
        int res;

        if (!has_place[i] || !hpr_memory_old_wants_block(from, found->passed.seq, found->end_seq)) continue;
        block = hpr_spill_restore_block(&ch->spill, from->first_seq, from->records, from->bytes,
                                        from->first_seq < found->end_seq);
        if ((res = hpr_memory_old_read_block(&found->old, i, block->raw)) < 0) return memory_error(ch, res, err);
        if (from->record_bytes == 0) hpr_producers_note_raw(ch->producers, block->raw, from->bytes);
        block->record_bytes  = from->record_bytes;
        block->has_numbers   = from->record_bytes == 0 && ch->producers->count > 0;
        block->dropped_total = from->dropped_total;
        block->opened_ms     = from->opened_ms;
        hpr_spill_describe_kept(block);
        parts->in_blocks += end - begin;
        parts->behind += less(end, hpr_max_u64(begin, hpr_max_u64(ring_end, found->frames_end)));
        ch->next_seq = hpr_max_u64(ch->next_seq, end);
    }
    return HOPPER_OK;
}

/* ---- counting ---- */

/* MEMORY may have been damaged: what is in files or blocks was not dropped. */
static uint64_t most_dropped(const struct hpr_channel *ch, const struct hpr_found *found, const struct parts *p)
{
    const uint64_t known = hpr_max_u64(found->end_dropped_total, p->ring_end_dropped);
    const uint64_t rest  = ch->next_seq - hpr_min_u64(hpr_max_u64(found->frames_end, p->ring_end), ch->next_seq);

    return hpr_min_u64(known + less(rest, p->behind), ch->next_seq - 1);
}

static void add_parts(struct hpr_channel *ch, const struct hpr_found *found, struct parts *p)
{
    const struct hpr_passed *passed = &found->passed;

    ch->next_seq =
        hpr_max_u64(hpr_max_u64(ch->next_seq, passed->seq + 1), hpr_max_u64(found->next_seq, found->end_seq));
    p->ring_end         = passed->seq + 1;
    p->ring_end_dropped = passed->dropped_total;
    if (found->has_memory) {
        p->due              = less(p->start_seq, passed->seq + 1);
        p->due_dropped      = hpr_min_u64(less(p->start_dropped, passed->dropped_total), p->due);
        /* the ring's place may be before the receiver's, where that took what no entry tells of, gaps among it */
        p->ring_end         = hpr_max_u64(p->start_seq + p->ring.seqs, passed->seq + 1);
        p->ring_end_dropped = hpr_max_u64(p->start_dropped + p->ring.dropped, passed->dropped_total);
    }
    ch->next_seq      = hpr_max_u64(ch->next_seq, p->ring_end);
    ch->dropped_total = hpr_max_u64(hpr_max_u64(found->dropped_total, found->end_dropped_total), p->ring_end_dropped);
    ch->dropped_total = hpr_max_u64(ch->dropped_total, found->header_dropped);
    ch->dropped_total = hpr_min_u64(ch->dropped_total, most_dropped(ch, found, p));
    p->tail           = ch->next_seq - p->ring_end;
    p->tail_dropped   = hpr_min_u64(less(ch->dropped_total, p->ring_end_dropped), p->tail);
}

static void count_records(struct hpr_channel *ch, const struct hpr_found *found, const struct parts *p)
{
    struct hpr_spill *sp = &ch->spill;
    uint64_t elsewhere = p->due - hpr_min_u64(p->due_dropped, p->due) + p->ring.elsewhere - p->ring.elsewhere_dropped +
                         p->tail - p->tail_dropped;

    sp->records_written   = less(elsewhere, p->in_blocks);
    sp->claimed_seq       = found->passed.seq + 1;
    sp->end_seq           = sp->oldest ? sp->oldest->first_seq : ch->next_seq;
    sp->end_dropped_total = sp->oldest ? sp->oldest->dropped_total : ch->dropped_total;
    memcpy(ch->gap_records, found->passed.gap_records, sizeof ch->gap_records);
    ch->gap_records[HOPPER_GAP_DROPPED_NEWEST] += p->due_dropped + p->ring.dropped + p->tail_dropped;
    if (p->tail_dropped == p->tail) {
        ch->tail_gap = p->tail;
    } else {
        ch->overflow         = p->tail;
        ch->overflow_dropped = p->tail_dropped;
    }
    ch->missing_reason = found->is_machine_down ? HOPPER_GAP_MACHINE_DOWN : HOPPER_GAP_VANISHED;
    atomic_store(&ch->acknowledged, found->passed.records);
    atomic_store(&ch->delivered_seq, found->passed.seq);
    atomic_store(&ch->passed_seq, found->passed.seq);
}

static void place_receiver(struct hpr_channel *ch, struct hopper_receiver *rcv, const struct hpr_found *found,
                           const struct parts *p)
{
    rcv->passed              = found->passed;
    rcv->next_seq            = found->passed.seq + 1;
    rcv->dropped_seen        = found->passed.dropped_total;
    rcv->due                 = p->due;
    rcv->due_dropped_total   = found->passed.dropped_total + p->due_dropped;
    rcv->recovered_end       = ch->next_seq;
    rcv->recovered_files_end = found->end_seq;
    rcv->has_unknown_dropped = found->report.state_was_lost;
    rcv->kept_from           = ch->deque.head;
    rcv->kept_seq            = rcv->next_seq + p->due;
    rcv->kept_dropped        = rcv->due_dropped_total;
}

static void fill_report(const struct hpr_channel *ch, const struct hpr_found *found, const struct parts *p,
                        struct hopper_recovery *report)
{
    *report                = found->report;
    report->seq_first      = found->passed.seq + 1;
    report->seq_next       = ch->next_seq;
    report->records        = ch->next_seq - report->seq_first;
    report->memory_records = p->ring.records + p->in_blocks;
    report->was_closed |= found->has_memory && found->old.is_closed;
    if (found->is_machine_down)
        report->memory_lost = less(found->next_seq, hpr_max_u64(found->end_seq, found->passed.seq + 1));
}

/* ---- STATE and the new MEMORY ---- */

static hopper_status put_memory_in_place(struct hpr_channel *ch, const struct hopper_receiver *rcv,
                                         struct hopper_error *err)
{
    int res;

    for (size_t i = 0; i < ch->producers->count; i++)
        hpr_memory_note_number(&ch->memory, ch->producers->known[i].id, ch->producers->known[i].accepted);
    for (int slot = 0; slot < 2; slot++)
        hpr_memory_set_place(&ch->memory, ch->deque.head.pos, rcv->kept_seq, rcv->kept_dropped, &rcv->passed,
                             slot == 0);
    atomic_store(&ch->deque.published, ch->deque.tail.pos);
    hpr_memory_publish(&ch->memory, ch->deque.tail.pos);
    hpr_channel_publish_locked(ch);
    res = hpr_memory_put_in_place(&ch->memory, ch->dir.fd);
    return res < 0 ? hpr_error_io(err, res, "put the new MEMORY in place in", ch->dir.path) : HOPPER_OK;
}

static hopper_status put_state(struct hpr_channel *ch, const struct hpr_found *found, struct hopper_error *err)
{
    const struct hopper_io *io = ch->dir.io;
    int res;

    ch->state = found->state;
    if ((res = io->boot_id(io->ctx, ch->state.boot_id)) < 0) return hpr_error_io(err, res, "ask for the boot id", NULL);
    ch->state.survive = (uint8_t)ch->options.survive;
    ch->state.content = ch->dir.content;
    hpr_dir_keep(&ch->dir, HPR_STATE_FILE_BYTES + HPR_PRODUCERS_FILE_BYTES);
    memcpy(ch->state.channel_id, ch->dir.channel_id, HPR_CHANNEL_ID_BYTES);
    hpr_settle_fill_state(ch, &found->passed, ch->next_seq, ch->dropped_total);
    res = hpr_state_write(io, ch->dir.state_fd, &ch->state);
    if (res == 0) res = io->fdatasync(io->ctx, ch->dir.state_fd);
    if (res == 0) res = io->fsync(io->ctx, ch->dir.fd);
    return res < 0 ? hpr_error_io(err, res, "write STATE in", ch->dir.path) : HOPPER_OK;
}

static hopper_status restore_locked(struct hpr_channel *ch, struct hopper_receiver *rcv, const struct hpr_found *found,
                                    struct hopper_error *err)
{
    struct parts parts = { 0 };
    hopper_status st;

    *ch->producers = *ch->dir.producers = *ch->dir.producers_synced = found->producers; /* the latter as of files */
    if (found->has_memory) hpr_producers_merge(ch->producers, &found->old.producers);
    if (found->has_memory && ((st = copy_ring(ch, &found->old, &found->passed, &parts, err)) != HOPPER_OK ||
                              (st = copy_blocks(ch, found, &parts, err)) != HOPPER_OK))
        return st;
    add_parts(ch, found, &parts);
    if (ch->next_seq > SEQ_MAX)
        return hpr_error_set(err, HOPPER_EMISMATCH, 0, "go on with such sequence numbers in", ch->dir.path);
    count_records(ch, found, &parts);
    place_receiver(ch, rcv, found, &parts);
    fill_report(ch, found, &parts, &rcv->recovery);
    if (found->has_files && !found->report.was_closed) ch->dir.unsynced = ch->dir.oldest;
    hpr_settle_find_removable_locked(ch);
    hpr_channel_update_aside_locked(ch);
    if ((st = put_state(ch, found, err)) != HOPPER_OK) return st;
    return ch->memory.header ? put_memory_in_place(ch, rcv, err) : HOPPER_OK;
}

/* Nobody else is there yet; the lock is for those who assert it. */
hopper_status hpr_restore(struct hpr_channel *ch, struct hopper_receiver *rcv, const struct hpr_found *found,
                          struct hopper_error *err)
{
    hopper_status st;

    hpr_mutex_lock(&ch->deque.back);
    st = restore_locked(ch, rcv, found, err);
    hpr_mutex_unlock(&ch->deque.back);
    if (st == HOPPER_OK) hpr_settle_files(rcv, true); /* a kill may have come between acknowledging and removing */
    return st;
}
