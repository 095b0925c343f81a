/* SPDX-License-Identifier: MIT */
/* See tally.h. */
#include "tally.h"

#include "ring_walk.h"

static bool has_own_memory(const struct place *place)
{
    return place->memory_part == PART_GOOD &&
           memcmp(place->memory.shape.channel_id, place->channel_id, sizeof place->channel_id) == 0;
}

bool tally_trusts_memory(const struct place *place)
{
    return place->owner == PLACE_FREE && has_own_memory(place) && hpr_memory_old_is_trusted(&place->memory);
}

uint64_t tally_next_seq(const struct place *place)
{
    const uint64_t of_state  = place->state_part == PART_GOOD ? place->state.next_seq : 0;
    const uint64_t of_memory = place->owner == PLACE_FREE && has_own_memory(place) ? place->memory.next_seq : 0;

    return hpr_max_u64(of_state, of_memory);
}

bool tally_machine_was_down(const struct place *place)
{
    if (place->survive != HOPPER_SURVIVE_CRASH || place->owner != PLACE_FREE) return false;
    switch (place->memory_part) {
    case PART_GOOD: return !tally_trusts_memory(place);
    case PART_DAMAGED: return true;
    case PART_ABSENT: return place->state_part == PART_GOOD && !place->state.is_closed;
    default: return false;
    }
}

/* A position in MEMORY counts whatever the start of the machine: what was acknowledged once stays so. */
void tally_passed(const struct place *place, struct hpr_passed *passed)
{
    memset(passed, 0, sizeof *passed);
    if (place->state_part == PART_GOOD) *passed = place->state.passed;
    if (has_own_memory(place) && place->memory.place.passed.seq >= passed->seq) *passed = place->memory.place.passed;
}

/* ---- queue files ---- */

struct counting {
    struct tally *tally;
    uint64_t next; /* sequence number expected next */
};

/* The part of records FIRST to FIRST + RECORDS that is not acknowledged and was not seen before. */
static uint64_t fresh_part(const struct counting *c, uint64_t first, uint64_t records)
{
    uint64_t from = hpr_max_u64(first, c->next), end = first + records;

    from = hpr_max_u64(from, c->tally->passed.seq + 1);
    return from < end ? end - from : 0;
}

static void count_frame(struct counting *c, const struct scan_event *ev)
{
    struct tally *t                  = c->tally;
    const struct hpr_frame_header *h = &ev->frame;
    uint64_t end                     = h->first_seq + h->records;

    t->frames++;
    if (ev->fault != FAULT_NONE) t->damaged++;
    if (t->first_seq == 0) {
        t->first_seq           = h->first_seq;
        t->first_ms            = h->opened_ms;
        t->first_dropped_total = h->dropped_total;
    }
    t->pending_disk += hpr_min_u64(fresh_part(c, h->first_seq, h->records), ev->good);
    if (end > c->next) {
        t->records += hpr_min_u64(ev->good, end - hpr_max_u64(h->first_seq, c->next));
        c->next          = end;
        t->dropped_total = hpr_max_u64(t->dropped_total, h->dropped_total);
    }
    t->last_seq = hpr_max_u64(t->last_seq, end - 1);
}

static void count_event(struct counting *c, const struct scan_event *ev)
{
    struct tally *t = c->tally;

    switch (ev->kind) {
    case SCAN_FILE:
        t->files++;
        t->bytes += ev->bytes;
        if (ev->fault != FAULT_NONE) t->damaged++;
        break;
    case SCAN_FRAME: count_frame(c, ev); break;
    case SCAN_DAMAGE: t->damaged++; break;
    case SCAN_TAIL:
        t->tail_file  = ev->number;
        t->tail_bytes = ev->bytes;
        break;
    case SCAN_FOOTER: t->sealed++; break;
    case SCAN_ZEROS:
    case SCAN_END: break;
    case SCAN_REFUSED:
        if (ev->fault == FAULT_VERSION) t->is_newer = true;
        if (ev->fault != FAULT_GONE) t->refused++;
        break;
    }
}

/* ---- memory ---- */

static void count_ring(struct tally *t, const struct hpr_memory_old *old)
{
    struct ring_walk walk;
    struct ring_entry entry;

    ring_walk_init(&walk, old);
    while (ring_walk_next(&walk, &entry))
        if (entry.seqs == 1 && entry.dropped == 0 && entry.kind != RING_ELSEWHERE && entry.seq > t->passed.seq)
            t->memory_ring++;
    t->next_seq = hpr_max_u64(t->next_seq, walk.seq);
}

/* Blocks that are in a queue file already count there. */
static void count_blocks(struct tally *t, const struct hpr_memory_old *old)
{
    const uint64_t files_end = t->last_seq > 0 ? t->last_seq + 1 : 0;
    bool has_place[HPR_MEMORY_BLOCKS_MAX];

    ring_walk_place_blocks(old, t->passed.seq, has_place);
    for (size_t i = 0; i < old->block_count; i++) {
        const struct hpr_memory_old_block *block = &old->blocks[i];
        uint64_t end                             = block->first_seq + block->records;

        if (!has_place[i] || !hpr_memory_old_wants_block(block, t->passed.seq, files_end)) continue;
        t->next_seq = hpr_max_u64(t->next_seq, end);
        t->memory_blocks += end - hpr_max_u64(block->first_seq, t->passed.seq + 1);
    }
}

static void count_memory(struct tally *t, const struct place *place)
{
    if (place->owner != PLACE_FREE || !has_own_memory(place)) return;
    /* also when it is of an earlier start of the machine */
    t->dropped_total = hpr_max_u64(t->dropped_total, place->memory.dropped_total);
    if (!tally_trusts_memory(place)) return;
    count_ring(t, &place->memory);
    count_blocks(t, &place->memory);
    t->pending_memory = t->memory_ring + t->memory_blocks;
}

/* ---- the books ---- */

static void take_away(uint64_t *from, uint64_t part)
{
    *from -= hpr_min_u64(*from, part);
}

static void close_books(struct tally *t, const struct place *place)
{
    uint64_t dropped;

    t->has_books = place->survive != HOPPER_SURVIVE_NOTHING;
    t->is_exact  = place->owner == PLACE_FREE;
    if (!t->has_books) return;
    t->accepted = t->next_seq - 1;
    memcpy(t->gap_records, t->passed.gap_records, sizeof t->gap_records);
    t->missing = t->accepted;
    take_away(&t->missing, t->passed.records);
    for (size_t i = 0; i < HOPPER_GAP_SLOTS; i++) take_away(&t->missing, t->gap_records[i]);
    take_away(&t->missing, t->pending_memory);
    t->pending_disk = hpr_min_u64(t->pending_disk, t->missing); /* what damage has put into both comes from memory */
    take_away(&t->missing, t->pending_disk);
    dropped = t->dropped_total > t->passed.dropped_total ? t->dropped_total - t->passed.dropped_total : 0;
    dropped = hpr_min_u64(dropped, t->missing); /* what is there was not dropped */
    t->gap_records[HOPPER_GAP_DROPPED_NEWEST] += dropped;
    t->missing -= dropped;
}

void tally_take(struct tally *tally, const struct place *place, struct payload *payload)
{
    struct counting c = { .tally = tally };
    struct scan_event ev;
    struct scan scan;

    memset(tally, 0, sizeof *tally);
    tally_passed(place, &tally->passed);
    tally->next_seq = tally->passed.seq + 1;
    tally->next_seq = hpr_max_u64(tally->next_seq, tally_next_seq(place));
    if (place->state_part == PART_GOOD) tally->dropped_total = place->state.dropped_total;
    if (place->state_part == PART_NEWER || place->memory_part == PART_NEWER) tally->is_newer = true;
    scan_init(&scan, place, payload);
    while (scan_next(&scan, &ev)) count_event(&c, &ev);
    scan_fini(&scan);
    tally->next_seq = hpr_max_u64(tally->next_seq, c.next);
    count_memory(tally, place);
    close_books(tally, place);
}
