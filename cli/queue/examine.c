/* SPDX-License-Identifier: MIT */
/*
 * See examine.h. How many records damage took is known from three sides, as docs/format.md says under "Counting what is
 * missing":
 *
 *   a frame with a good header says it itself
 *   a place with no good header: the footer of its file, or the record offset of the next one, says how many there were
 *     in all; so one such place in a file is told when its file has been counted, a second one tells only where it is
 *   sequence numbers: in a channel that survives power loss every record is in a file, so that a hole is a loss
 *
 * While the queue is in use, what is found in its last file, and what is missing where a file was removed under way,
 * may be of the moment: that is "unsure".
 */
#include "examine.h"

#include "ring_walk.h"
#include "tally.h"

struct look {
    const struct place *place;
    struct findings *all;
    struct examined *sum;
    struct hpr_passed passed;
    bool is_in_use;
    uint64_t last_number;

    /* the file at hand */
    uint64_t number;
    uint64_t counted; /* records of its frames with good headers */
    bool is_sealed;
    bool has_pending; /* a place with no good header waits to be told */
    bool has_several; /* and there were others in this file */
    struct finding pending;

    /* over all files */
    bool has_expected;
    uint64_t expected;  /* record offset that the next file should have */
    uint64_t next_seq;  /* expected next, 0: not known */
    uint64_t files_end; /* behind the frames; 0: there was none */
    uint64_t dropped_total;
    uint64_t no_files; /* what is no plain file under the name of one; it may have nothing to do with the queue */
    bool is_explained; /* something was told since the last good frame: a hole is no news */
};

/* ---- telling ---- */

static void tell(struct look *l, struct finding f)
{
    if (f.severity == SEVERITY_DAMAGE && l->is_in_use && (f.number == 0 || f.number >= l->last_number))
        f.severity = SEVERITY_UNSURE;
    if ((f.severity != SEVERITY_NOTE && f.fault != FAULT_NO_FILE) || f.fault == FAULT_MISSING) l->is_explained = true;
    finding_put(l->all, &f);
}

/* The place that waits has cost LOST records (HAS_LOST: that is known). */
static void tell_pending(struct look *l, bool has_lost, uint64_t lost)
{
    if (!l->has_pending) return;
    l->has_pending = false;
    if (has_lost && !l->has_several) {
        l->pending.has_records = true;
        l->pending.is_at_most  = false;
        l->pending.records     = lost;
    }
    tell(l, l->pending);
}

static void hold(struct look *l, const struct scan_event *ev)
{
    if (l->has_pending) {
        l->has_several = true;
        tell_pending(l, false, 0);
    }
    l->has_pending  = true;
    l->is_explained = true;
    l->pending      = (struct finding){ .severity   = SEVERITY_DAMAGE,
                                        .fault      = ev->fault,
                                        .number     = ev->number,
                                        .has_offset = true,
                                        .offset     = ev->offset,
                                        .bytes      = ev->bytes,
                                        .res        = ev->res };
}

/* Records that are missing at a place where a repair put something aside are no news. */
static enum severity severity_at(const struct look *l, uint64_t number)
{
    if (place_has_kept(l->place, number) || (l->number > 0 && place_has_kept(l->place, l->number)))
        return SEVERITY_NOTE;
    return SEVERITY_DAMAGE;
}

/* ---- counting by file ---- */

/* The file at hand has had WRITTEN records; what is missing is where damage was, or where nothing shows it. */
static void close_count(struct look *l, uint64_t written, uint64_t at_number, const char *text)
{
    uint64_t lost = written > l->counted ? written - l->counted : 0;

    if (l->has_pending) {
        tell_pending(l, true, lost);
        if (!l->has_several) return;
    }
    if (lost > 0)
        tell(l, (struct finding){ .severity    = l->has_several ? SEVERITY_NOTE : severity_at(l, at_number),
                                  .fault       = FAULT_MISSING,
                                  .number      = at_number,
                                  .text        = l->has_several ? "lost in the damaged places of this file" : text,
                                  .has_records = true,
                                  .records     = lost });
    if (lost > 0 && l->has_several) l->all->lost += lost;
    if (written < l->counted)
        tell(l, (struct finding){ .severity = severity_at(l, at_number),
                                  .fault    = FAULT_COUNT,
                                  .number   = at_number,
                                  .text     = "more records are here than the headers around them say" });
}

/* The file before, whose records are not known from a footer, ends where a file with record offset OFFSET begins. */
static void count_between(struct look *l, uint64_t number, uint64_t offset)
{
    bool is_hole = number > l->number + 1;

    if (!l->has_expected || l->number == 0) return;
    if (l->is_sealed) {
        if (offset > l->expected)
            tell(l, (struct finding){ .severity    = severity_at(l, number),
                                      .fault       = FAULT_MISSING,
                                      .number      = l->number + 1,
                                      .text        = is_hole ? "gone, and files up to the next one"
                                                             : "records before this file are gone",
                                      .has_records = true,
                                      .records     = offset - l->expected });
        else if (offset < l->expected)
            tell(l, (struct finding){ .severity = severity_at(l, number), .fault = FAULT_COUNT, .number = number });
    } else {
        close_count(l, offset >= l->expected - l->counted ? offset - (l->expected - l->counted) : 0, l->number,
                    is_hole ? "this file or those behind it have lost records" : "the file ends before its records do");
    }
}

static void begin_file(struct look *l, const struct scan_event *ev)
{
    if (ev->has_header) count_between(l, ev->number, ev->file.record_offset);
    tell_pending(l, false, 0);
    if (ev->has_header) {
        l->has_expected = true;
        l->expected     = ev->file.record_offset;
    }
    l->number      = ev->number;
    l->counted     = 0;
    l->is_sealed   = false;
    l->has_several = false;
    l->sum->files++;
    if (ev->fault == FAULT_HEADER)
        tell(l, (struct finding){ .severity   = SEVERITY_DAMAGE,
                                  .fault      = FAULT_HEADER,
                                  .number     = ev->number,
                                  .has_offset = true,
                                  .text       = "the file's header is damaged; its frames are read all the same" });
}

static void take_footer(struct look *l, const struct scan_event *ev)
{
    close_count(l, ev->footer.records, ev->number, "fewer records are here than the footer says");
    l->expected += ev->footer.records - l->counted;
    l->is_sealed = true;
}

/* ---- sequence numbers ---- */

/* A hole in front of a frame is a loss where every record has to be in a file. */
static void look_at_hole(struct look *l, const struct scan_event *ev)
{
    const struct hpr_frame_header *h = &ev->frame;
    uint64_t hole, dropped;

    if (l->next_seq == 0 || h->first_seq <= l->next_seq) return;
    hole    = h->first_seq - l->next_seq;
    dropped = h->dropped_total > l->dropped_total ? h->dropped_total - l->dropped_total : 0;
    if (l->has_pending && !l->pending.has_records) {
        l->pending.has_records = l->pending.is_at_most = true;
        l->pending.records                             = hole - hpr_min_u64(dropped, hole);
        l->pending.first_seq                           = l->next_seq;
        if (l->place->survive == HOPPER_SURVIVE_POWER_LOSS) l->pending.is_at_most = false;
    }
    if (l->place->survive != HOPPER_SURVIVE_POWER_LOSS || l->is_explained || dropped >= hole) return;
    tell(l, (struct finding){ .severity    = severity_at(l, ev->number),
                              .fault       = FAULT_MISSING,
                              .number      = ev->number,
                              .has_offset  = true,
                              .offset      = ev->offset,
                              .text        = "records before this frame are not here",
                              .has_records = true,
                              .records     = hole - dropped,
                              .first_seq   = l->next_seq });
}

static void take_frame(struct look *l, const struct scan_event *ev)
{
    const struct hpr_frame_header *h = &ev->frame;

    l->sum->frames++;
    l->files_end = hpr_max_u64(l->files_end, h->first_seq + h->records);
    if (h->first_seq + ev->good > l->next_seq) /* each once: a block may have been written twice */
        l->sum->records += h->first_seq + ev->good - hpr_max_u64(h->first_seq, l->next_seq);
    l->counted += h->records;
    l->expected += h->records;
    look_at_hole(l, ev);
    if (ev->fault != FAULT_NONE)
        tell(l, (struct finding){ .severity    = SEVERITY_DAMAGE,
                                  .fault       = ev->fault,
                                  .number      = ev->number,
                                  .has_offset  = true,
                                  .offset      = ev->offset,
                                  .bytes       = ev->bytes,
                                  .has_records = true,
                                  .records     = h->records - ev->good,
                                  .first_seq   = h->first_seq + ev->good,
                                  .res         = ev->res });
    if (ev->fault != FAULT_NONE) return; /* its records may have been written again, further on */
    l->is_explained = false;
    if (h->first_seq + h->records > l->next_seq) {
        l->next_seq      = h->first_seq + h->records;
        l->dropped_total = h->dropped_total;
    }
}

/* ---- files that are not read ---- */

static void take_refused(struct look *l, const struct scan_event *ev)
{
    struct finding f = { .severity = SEVERITY_UNSURE, .fault = ev->fault, .number = ev->number, .res = ev->res };

    switch (ev->fault) {
    case FAULT_GONE: /* acknowledged and removed by the owner: all before it is, too */
        l->has_expected = l->has_pending = false;
        l->next_seq                      = 0;
        return;
    case FAULT_MAGIC:
        f.severity = SEVERITY_NOTE;
        f.res      = 0;
        break;
    case FAULT_NO_FILE:
        f.res = 0;
        l->no_files++;
        break;
    case FAULT_HEADER:
        f.severity   = SEVERITY_DAMAGE;
        f.has_offset = true;
        f.text       = "the file's header is damaged, and nothing else here says which channel it is of";
        break;
    default: break;
    }
    tell(l, f);
}

static void take_event(struct look *l, const struct scan_event *ev)
{
    switch (ev->kind) {
    case SCAN_FILE: begin_file(l, ev); break;
    case SCAN_FRAME: take_frame(l, ev); break;
    case SCAN_DAMAGE: hold(l, ev); break;
    case SCAN_TAIL:
        l->sum->tail_file  = ev->number;
        l->sum->tail_bytes = ev->bytes;
        tell(l, (struct finding){ .severity   = SEVERITY_NOTE,
                                  .fault      = FAULT_NONE,
                                  .number     = ev->number,
                                  .has_offset = true,
                                  .offset     = ev->offset,
                                  .bytes      = ev->bytes,
                                  .text = "incomplete tail: a write that was cut short, no record was complete" });
        break;
    case SCAN_FOOTER: take_footer(l, ev); break;
    case SCAN_ZEROS: /* were records there, the files behind tell */
    case SCAN_END: break;
    case SCAN_REFUSED: take_refused(l, ev); break;
    }
}

/* ---- STATE and MEMORY ---- */

static void look_at_state(struct look *l)
{
    const struct place *place = l->place;
    struct finding f          = { .severity = SEVERITY_DAMAGE, .fault = FAULT_STATE, .object = HPR_STATE_NAME };

    switch (place->state_part) {
    case PART_GOOD:
        if (place->state_slots == 1 && place->state.generation > 1) {
            f.severity = SEVERITY_NOTE;
            f.fault    = FAULT_NONE;
            f.text     = "one of its two slots is not good: a write was cut short, the other one holds";
            tell(l, f);
        }
        return;
    case PART_ABSENT:
        if (!place->has_id || place->survive == HOPPER_SURVIVE_NOTHING) return;
        f.text = "is not there: how far the receiver had come is not known";
        break;
    case PART_DAMAGED:
        if (place->is_state_odd) f.fault = FAULT_KIND;
        break;
    case PART_NEWER:
        f.severity = SEVERITY_UNSURE;
        f.fault    = FAULT_VERSION;
        break;
    case PART_UNREADABLE:
        f.severity = SEVERITY_UNSURE;
        f.fault    = FAULT_UNREADABLE;
        break;
    }
    tell(l, f);
}

/* What no run gets past. */
static void look_at_ways(struct look *l)
{
    if (place_is_in_way(l->place, PLACE_LOCK_NAME)) /* not for repair to put aside: it could not know who else uses it */
        tell(l, (struct finding){ .severity = SEVERITY_DAMAGE, .fault = FAULT_IN_WAY, .object = PLACE_LOCK_NAME });
    for (size_t i = 0; i < PLACE_WAYS; i++)
        if (place_is_in_way(l->place, place_ways[i]))
            tell(l, (struct finding){ .severity = SEVERITY_DAMAGE, .fault = FAULT_IN_WAY, .object = place_ways[i] });
}

/* The records of a block must be there, one after the other. */
static bool is_block_good(const struct place *place, struct payload *payload, const struct hpr_memory_old_block *block)
{
    struct payload_record rec;
    uint32_t records = 0;

    payload_use(payload, place->io, place->memory.fd, block->offset, block->bytes, block->record_bytes);
    while (records < block->records && payload_record(payload, &rec)) records++;
    return records == block->records;
}

static void look_into_memory(struct look *l, struct payload *payload)
{
    const struct hpr_memory_old *old = &l->place->memory;
    struct finding f = { .severity = SEVERITY_DAMAGE, .fault = FAULT_MEMORY, .object = HPR_MEMORY_NAME };
    bool has_place[HPR_MEMORY_BLOCKS_MAX];
    struct ring_entry entry;
    struct ring_walk walk;

    ring_walk_init(&walk, old);
    while (ring_walk_next(&walk, &entry)) l->sum->records += entry.kind == RING_RECORD || entry.kind == RING_NUMBERED;
    ring_walk_place_blocks(old, l->passed.seq, has_place);
    if (walk.is_broken) {
        f.text      = "its ring makes no sense from some place on";
        f.first_seq = walk.seq;
        tell(l, f);
    }
    for (size_t i = 0; i < old->block_count; i++) {
        if (!hpr_memory_old_wants_block(&old->blocks[i], l->passed.seq, l->files_end)) continue;
        if (has_place[i] && is_block_good(l->place, payload, &old->blocks[i])) {
            l->sum->records += old->blocks[i].records;
            continue;
        }
        f.text        = has_place[i] ? "a block makes no sense" : "a block is where other records are";
        f.first_seq   = old->blocks[i].first_seq;
        f.has_records = true;
        f.records     = old->blocks[i].records;
        tell(l, f);
    }
}

static void look_at_memory(struct look *l, struct payload *payload)
{
    const struct place *place = l->place;
    struct finding f          = { .severity = SEVERITY_DAMAGE, .fault = FAULT_MEMORY, .object = HPR_MEMORY_NAME };

    switch (place->memory_part) {
    case PART_ABSENT: return;
    case PART_DAMAGED: break;
    case PART_NEWER:
        f.severity = SEVERITY_UNSURE;
        f.fault    = FAULT_VERSION;
        break;
    case PART_UNREADABLE:
        f.severity = SEVERITY_UNSURE;
        f.fault    = FAULT_UNREADABLE;
        break;
    case PART_GOOD:
        if (tally_trusts_memory(place)) {
            look_into_memory(l, payload);
            return;
        }
        f.severity = SEVERITY_NOTE;
        f.fault    = FAULT_NONE;
        f.text     = l->is_in_use ? "in use: the records in it were not looked at"
                                  : "of an earlier start of the machine: the records that were in it are lost";
        break;
    }
    tell(l, f);
}

static bool is_of_this_boot(const struct place *place)
{
    uint8_t boot_id[sizeof place->state.boot_id];

    return place->io->boot_id(place->io->ctx, boot_id) == 0 &&
           memcmp(boot_id, place->state.boot_id, sizeof boot_id) == 0;
}

/* Whether MEMORY had to be there, if anything was in it: whoever closes the channel leaves it, or has found it empty,
 * and a kill leaves it too. A power loss takes it away, and no repair brings back what it has put aside. */
static bool is_memory_wanted(const struct place *place)
{
    return (place->state.is_closed || is_of_this_boot(place)) && !place_has_kept_memory(place);
}

/* What the books say is missing, when nothing told so yet: records behind the last frame, or between memory and
 * files. */
static void look_at_books(struct look *l)
{
    const struct place *place = l->place;
    struct finding f          = { .severity    = SEVERITY_DAMAGE,
                                  .fault       = FAULT_MISSING,
                                  .has_records = true,
                                  .text        = "records that were accepted are nowhere" };
    struct tally tally;

    if (l->is_in_use || l->all->damage > 0 || l->all->unsure > l->no_files || place->state_part != PART_GOOD) return;
    if (place->survive == HOPPER_SURVIVE_NOTHING) return;
    tally_take(&tally, place, NULL);
    if (tally.missing == 0 || (place->kept > 0 && l->all->notes > 0))
        return; /* what was put aside was told in its place */
    f.records = tally.missing;
    if (place->survive == HOPPER_SURVIVE_CRASH && !tally_trusts_memory(place)) {
        f.text = "records that were in memory are not here";
        if (!is_memory_wanted(place)) f.severity = SEVERITY_NOTE;
        else if (place->memory_part == PART_ABSENT) f.object = HPR_MEMORY_NAME;
    }
    tell(l, f);
}

void examine(const struct place *place, struct payload *payload, struct findings *all, struct examined *sum)
{
    struct look l = { .place = place, .all = all, .sum = sum, .is_in_use = place->owner != PLACE_FREE };
    struct scan_event ev;
    struct scan scan;

    memset(sum, 0, sizeof *sum);
    tally_passed(place, &l.passed);
    if (place->state_part == PART_GOOD) {
        l.next_seq      = l.passed.seq + 1;
        l.dropped_total = l.passed.dropped_total;
    }
    scan_init(&scan, place, payload);
    if (place->count > 0) l.last_number = place->numbers[scan.last];
    while (scan_next(&scan, &ev)) take_event(&l, &ev);
    scan_fini(&scan);
    tell_pending(&l, false, 0);
    look_at_state(&l);
    look_at_memory(&l, payload);
    look_at_books(&l);
    look_at_ways(&l);
}
