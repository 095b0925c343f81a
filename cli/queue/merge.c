/* SPDX-License-Identifier: MIT */
/* See merge.h. Each source shows the first thing that it has at or behind `next`; the lowest sequence number is taken.
 * A hole before it is told as a gap when something must have been there: damage was met, records were dropped by
 * policy, or the channel keeps every record in what was read. */
#include "merge.h"

#include "say.h"
#include "tally.h"

bool merge_init(struct merge *m, const struct place *place)
{
    struct hpr_passed passed;

    memset(m, 0, sizeof *m);
    m->place          = place;
    m->frame_payload  = payload_new();
    m->memory_payload = payload_new();
    m->dropped_total  = UINT64_MAX;
    if (!m->frame_payload || !m->memory_payload) {
        say("no memory");
        return false;
    }
    scan_init(&m->scan, place, m->frame_payload);
    m->has_memory = tally_trusts_memory(place);
    tally_passed(place, &passed);
    if (m->has_memory) {
        ring_walk_init(&m->ring, &place->memory);
        ring_walk_place_blocks(&place->memory, passed.seq, m->has_place);
    }
    if (place->state_part == PART_GOOD || place->memory_part == PART_GOOD) {
        m->floor         = passed.seq + 1;
        m->floor_dropped = passed.dropped_total;
    }
    m->is_complete = place->survive != HOPPER_SURVIVE_NOTHING && place->owner == PLACE_FREE;
    if (m->is_complete) m->end = tally_next_seq(place);
    m->why_missing = tally_machine_was_down(place) ? HOPPER_GAP_MACHINE_DOWN : HOPPER_GAP_VANISHED;
    return true;
}

void merge_fini(struct merge *m)
{
    if (m->frame_payload) scan_fini(&m->scan);
    payload_free(m->frame_payload);
    payload_free(m->memory_payload);
}

static enum hopper_gap reason_of(enum fault fault)
{
    switch (fault) {
    case FAULT_UNREADABLE:
    case FAULT_NO_FILE:
    case FAULT_VERSION: return HOPPER_GAP_UNREADABLE;
    case FAULT_MISSING:
    case FAULT_MAGIC: return HOPPER_GAP_VANISHED;
    default: return HOPPER_GAP_CORRUPT;
    }
}

/* ---- what each source has next ---- */

/* Where sources say the same numbers, which damage makes, what was shown may have come from another one meanwhile. */
static void drop_what_came(struct merge *m)
{
    if (m->has_frame && m->frame.frame.first_seq + m->frame.good <= m->next) m->has_frame = false;
    if (m->has_entry && m->entry.seq + m->entry.seqs <= m->next) m->has_entry = false;
}

static void find_frame(struct merge *m)
{
    while (!m->has_frame && scan_next(&m->scan, &m->frame)) {
        const struct scan_event *ev = &m->frame;

        if (ev->kind == SCAN_REFUSED) {
            if (ev->fault == FAULT_VERSION) m->is_newer = true;
            if (ev->fault == FAULT_UNREADABLE || ev->fault == FAULT_NO_FILE || ev->fault == FAULT_VERSION ||
                ev->fault == FAULT_HEADER)
                m->unreadable++;
            if (ev->fault != FAULT_GONE && ev->fault != FAULT_CHANNEL) m->damage = reason_of(ev->fault);
        } else if (ev->kind == SCAN_DAMAGE || (ev->kind == SCAN_FRAME && ev->fault != FAULT_NONE)) {
            m->damage = reason_of(ev->fault);
        }
        m->has_frame = scan_has_records(ev) && ev->frame.first_seq + ev->good > m->next;
    }
}

static void find_entry(struct merge *m)
{
    while (m->has_memory && !m->has_entry && ring_walk_next(&m->ring, &m->entry))
        m->has_entry = m->entry.kind != RING_ELSEWHERE && m->entry.seq + m->entry.seqs > m->next;
    if (m->has_memory && m->ring.is_broken && !m->has_entry) m->damage = HOPPER_GAP_CORRUPT;
}

static const struct hpr_memory_old_block *find_block(struct merge *m)
{
    const struct hpr_memory_old *old = &m->place->memory;

    for (; m->has_memory && m->block < old->block_count; m->block++) {
        const struct hpr_memory_old_block *block = &old->blocks[m->block];

        if (m->has_place[m->block] && block->first_seq + block->records > m->next) return block;
    }
    return NULL;
}

/* ---- holes ---- */

/* Before SEQ, where the dropped total is DROPPED (UINT64_MAX: not known), something is missing. True: PIECE tells of
 * it. */
static bool tell_hole(struct merge *m, uint64_t seq, uint64_t dropped, struct merge_piece *piece)
{
    bool is_at_floor = m->is_complete && m->floor > m->next;
    uint64_t from = is_at_floor ? m->floor : m->next, base = m->dropped_total, of_policy = 0;
    uint64_t hole = from > 0 && seq > from ? seq - from : 0;
    bool is_loss  = m->damage || m->is_complete || m->place->survive == HOPPER_SURVIVE_POWER_LOSS;

    if (is_at_floor) base = base == UINT64_MAX ? m->floor_dropped : hpr_max_u64(base, m->floor_dropped);
    if (hole > 0 && dropped != UINT64_MAX && base != UINT64_MAX && dropped > base)
        of_policy = hpr_min_u64(dropped - base, hole);
    if (dropped != UINT64_MAX) m->dropped_total = dropped;
    if (of_policy > 0) { /* where in the hole they were is not recorded; the rest is told next, if it is a loss */
        *piece  = (struct merge_piece){ MERGE_GAP, from, of_policy, HOPPER_GAP_DROPPED_NEWEST };
        m->next = is_loss ? from + of_policy : seq;
        return true;
    }
    if (hole > 0 && is_loss)
        *piece = (struct merge_piece){ MERGE_GAP, from, hole, m->damage ? m->damage : m->why_missing };
    m->damage = HOPPER_GAP_NONE;
    m->next   = seq;
    return hole > 0 && is_loss;
}

/* ---- taking ---- */

static void set_piece(struct merge *m, struct merge_piece *piece, uint64_t first, uint64_t count,
                      struct payload *payload)
{
    uint64_t seq = hpr_max_u64(first, m->next);

    m->skip      = seq - first;
    m->current   = payload;
    m->is_single = false;
    *piece       = (struct merge_piece){ MERGE_RECORDS, seq, first + count - seq, HOPPER_GAP_NONE };
    m->next      = first + count;
}

static bool take_frame(struct merge *m, struct merge_piece *piece)
{
    const struct hpr_frame_header *h = &m->frame.frame;

    if (tell_hole(m, hpr_max_u64(h->first_seq, m->next), h->dropped_total, piece)) return true;
    payload_rewind(m->frame_payload);
    set_piece(m, piece, h->first_seq, m->frame.good, m->frame_payload);
    if (m->frame.fault != FAULT_NONE) m->damage = reason_of(m->frame.fault); /* for what it should have had behind */
    m->has_frame = false;
    return true;
}

static bool take_entry(struct merge *m, struct merge_piece *piece)
{
    const struct ring_entry *e = &m->entry;

    if (tell_hole(m, hpr_max_u64(e->seq, m->next), UINT64_MAX, piece)) return true;
    if (e->kind == RING_DROPPED) {
        *piece  = (struct merge_piece){ MERGE_GAP, m->next, e->seq + e->seqs - m->next, HOPPER_GAP_DROPPED_NEWEST };
        m->next = e->seq + e->seqs;
    } else {
        bool is_good = payload_use_single(m->memory_payload, m->place->io, m->place->memory.fd, e->offset, e->bytes,
                                          e->kind == RING_NUMBERED, &m->single);

        set_piece(m, piece, e->seq, 1, m->memory_payload);
        m->is_single = true;
        if (!is_good) *piece = (struct merge_piece){ MERGE_GAP, e->seq, 1, HOPPER_GAP_CORRUPT };
    }
    m->has_entry = false;
    return true;
}

/* The records of BLOCK that are good; the payload is at the first of them. */
static uint32_t use_block(struct merge *m, const struct hpr_memory_old_block *block)
{
    const struct place *place = m->place;
    struct payload_record rec;
    uint32_t good = 0;

    payload_use(m->memory_payload, place->io, place->memory.fd, block->offset, block->bytes, block->record_bytes);
    while (good < block->records && payload_record(m->memory_payload, &rec)) good++;
    payload_use(m->memory_payload, place->io, place->memory.fd, block->offset, block->bytes, block->record_bytes);
    return good;
}

static bool take_block(struct merge *m, const struct hpr_memory_old_block *block, struct merge_piece *piece)
{
    const uint64_t first = hpr_max_u64(block->first_seq, m->next);
    uint32_t good;

    if (tell_hole(m, first, block->dropped_total, piece)) return true;
    good = use_block(m, block);
    m->block++;
    if (block->first_seq + good > first) set_piece(m, piece, block->first_seq, good, m->memory_payload);
    else
        *piece =
            (struct merge_piece){ MERGE_GAP, first, block->first_seq + block->records - first, HOPPER_GAP_CORRUPT };
    if (good < block->records) m->damage = HOPPER_GAP_CORRUPT;
    if (piece->kind == MERGE_GAP) m->next = block->first_seq + block->records;
    return true;
}

bool merge_next(struct merge *m, struct merge_piece *piece)
{
    const struct hpr_memory_old_block *block;
    uint64_t frame, entry, of_block;

    drop_what_came(m);
    find_frame(m);
    find_entry(m);
    block    = find_block(m);
    frame    = m->has_frame ? hpr_max_u64(m->frame.frame.first_seq, m->next) : UINT64_MAX;
    entry    = m->has_entry ? hpr_max_u64(m->entry.seq, m->next) : UINT64_MAX;
    of_block = block ? hpr_max_u64(block->first_seq, m->next) : UINT64_MAX;
    if (m->has_frame && frame <= entry && frame <= of_block) return take_frame(m, piece);
    if (m->has_entry && entry <= of_block) return take_entry(m, piece);
    if (block) return take_block(m, block, piece);
    if (m->end > m->next) return tell_hole(m, m->end, UINT64_MAX, piece);
    return false;
}

bool merge_record(struct merge *m, struct payload_record *rec)
{
    if (m->is_single) {
        *rec = m->single;
        return true;
    }
    for (; m->skip > 0; m->skip--)
        if (!payload_record(m->current, rec)) return false;
    return payload_record(m->current, rec);
}
