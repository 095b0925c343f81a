/* SPDX-License-Identifier: MIT */
/*
 * repair: nobody has the queue. In this order, each step whole or not at all, so that a run after one that was stopped
 * does the rest:
 *
 *   a queue file with damage     a copy is kept as NUMBER.hq.damaged; then a file with its good frames takes its place, or
 *                                none when it has none and its header is damaged as well
 *   the last file's tail         kept as NUMBER.hq.tail, then cut off
 *   a MEMORY that makes no sense renamed to MEMORY.damaged
 *   no good slot in STATE, or    kept as STATE.damaged; a new one says that all before the first record is acknowledged
 *   it is of another kind
 *   MEMORY.spare, PRODUCERS or   renamed to MEMORY.spare.damaged and so on
 *   REWRITE is no plain file
 *
 * Files of others, and of newer versions, are not touched. What cannot be mended (records that are gone) is told at the
 * end.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "change.h"
#include "examine.h"
#include "own.h"
#include "queue_file.h"
#include "rebuild.h"
#include "say.h"
#include "status.h"
#include "tally.h"

#define TAIL_SUFFIX ".tail"

struct repair {
    const struct args *args;
    struct place *place;
    struct payload *payload;
    struct json json;
    uint64_t changes;
    int res;

    /* the file at hand */
    uint64_t number;
    uint64_t bytes;
    struct hpr_file_header header;
    bool has_header;
    bool is_damaged;
    bool is_empty; /* just made, not even a whole header */
    uint64_t tail_at;
    uint64_t tail_bytes;
    uint64_t good_frames;
    uint64_t good_first; /* sequence number */

    bool has_offsets;       /* a header was good, of this file or of one before it: then the next two are known */
    uint64_t record_offset; /* what its header says, or by the files before it must have said */
    uint64_t stream_offset;
    uint64_t records; /* of frames with good headers, or what its footer says */
};

/* ---- saying ---- */

SAY_FORMAT(2, 3) static void tell(struct repair *r, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->changes++;
    if (r->args->is_json) json_string(&r->json, NULL, text);
    else (void)printf("%s%s\n", r->args->is_dry_run ? "would: " : "", text);
}

static bool is_for_real(const struct repair *r)
{
    return !r->args->is_dry_run && r->res == 0;
}

/* ---- queue files ---- */

static void cut_tail(struct repair *r)
{
    char name[CHANGE_NAME_BYTES];

    change_name(name, r->number, "");
    tell(r, "%s: cut off the incomplete tail, %" PRIu64 " bytes at offset %" PRIu64 ", kept in %s" TAIL_SUFFIX, name,
         r->tail_bytes, r->tail_at, name);
    if (is_for_real(r)) r->res = change_keep(r->place, name, TAIL_SUFFIX, r->tail_at, r->tail_bytes);
    if (is_for_real(r)) r->res = change_cut(r->place, name, r->tail_at);
}

/* Its header was not even written: the library would remove it, we put it aside. */
static void remove_empty(struct repair *r)
{
    char name[CHANGE_NAME_BYTES];

    change_name(name, r->number, "");
    tell(r, "%s: remove the file, which is not even a whole header%s", name,
         r->bytes > 0 ? ", and keep its bytes" : "");
    if (is_for_real(r) && r->bytes > 0) r->res = change_keep(r->place, name, TAIL_SUFFIX, 0, r->bytes);
    if (is_for_real(r)) r->res = change_remove(r->place, name);
    if (is_for_real(r)) r->res = change_sync_dir(r->place);
}

/* With no good header before, the one behind tells where this file began. */
static void infer_offsets(struct repair *r)
{
    struct hpr_file_header next;

    if (r->has_offsets || place_read_header(r->place, r->number + 1, &next) != HPR_FILE_OURS ||
        memcmp(next.channel_id, r->place->channel_id, sizeof next.channel_id) != 0)
        return;
    r->record_offset = next.record_offset - hpr_min_u64(r->records, next.record_offset);
    r->stream_offset = next.stream_offset - hpr_min_u64(r->bytes, next.stream_offset);
    r->has_offsets   = true;
}

/* The header that a file with a damaged one must have had. */
static void infer_header(struct repair *r, struct hpr_file_header *header)
{
    infer_offsets(r);
    *header = (struct hpr_file_header){ .survive       = r->place->survive,
                                        .content       = r->place->content,
                                        .number        = r->number,
                                        .first_seq     = r->good_first,
                                        .stream_offset = r->stream_offset,
                                        .record_offset = r->record_offset };
    memcpy(header->channel_id, r->place->channel_id, sizeof header->channel_id);
}

static void rebuild(struct repair *r)
{
    const struct place *place    = r->place;
    struct rebuild_source source = { .number = r->number, .header = r->header };
    uint64_t frames = r->good_frames, records = 0;
    char name[CHANGE_NAME_BYTES];

    change_name(name, r->number, "");
    if (!r->has_header && r->good_frames == 0) {
        tell(r, "%s: nothing in it is good; keep it as %s" PLACE_KEPT_SUFFIX, name, name);
        if (is_for_real(r)) r->res = change_keep(place, name, PLACE_KEPT_SUFFIX, 0, r->bytes);
        if (is_for_real(r)) r->res = change_remove(place, name);
        if (is_for_real(r)) r->res = change_sync_dir(place);
        return;
    }
    if (!r->has_header) infer_header(r, &source.header);
    if (is_for_real(r)) r->res = change_keep(place, name, PLACE_KEPT_SUFFIX, 0, r->bytes);
    if (is_for_real(r)) r->res = rebuild_file(place, r->payload, &source, &frames, &records);
    tell(r, "%s: damaged; kept as %s" PLACE_KEPT_SUFFIX ", and written anew with its %" PRIu64 " good frames", name,
         name, frames);
}

static void begin_file(struct repair *r, const struct scan_event *ev)
{
    r->record_offset = ev->has_header ? ev->file.record_offset : r->record_offset + r->records;
    r->stream_offset = ev->has_header ? ev->file.stream_offset : r->stream_offset + r->bytes;
    r->number        = ev->number;
    r->bytes         = ev->bytes;
    r->has_header    = ev->has_header;
    r->header        = ev->file;
    r->has_offsets |= ev->has_header;
    r->is_damaged = ev->fault != FAULT_NONE;
    r->is_empty   = ev->fault == FAULT_NONE && !ev->has_header;
    r->tail_bytes = r->good_frames = r->good_first = r->records = 0;
}

static void take_frame(struct repair *r, const struct scan_event *ev)
{
    r->records += ev->frame.records;
    r->is_damaged |= ev->fault != FAULT_NONE;
    if (ev->good == 0) return;
    if (r->good_frames++ == 0) r->good_first = ev->frame.first_seq;
}

static void end_file(struct repair *r)
{
    if (r->is_empty) remove_empty(r);
    else if (r->is_damaged) rebuild(r);
    else if (r->tail_bytes > 0) cut_tail(r);
}

static void take_event(struct repair *r, const struct scan_event *ev)
{
    switch (ev->kind) {
    case SCAN_FILE: begin_file(r, ev); break;
    case SCAN_FRAME: take_frame(r, ev); break;
    case SCAN_DAMAGE: r->is_damaged = true; break;
    case SCAN_TAIL:
        r->tail_at    = ev->offset;
        r->tail_bytes = ev->bytes;
        break;
    case SCAN_FOOTER: r->records = hpr_max_u64(r->records, ev->footer.records); break;
    case SCAN_ZEROS:      /* the library cuts them off, or leaves them */
    case SCAN_END: break; /* its file is still open: see repair_files() */
    case SCAN_REFUSED: break;
    }
}

static void repair_files(struct repair *r)
{
    struct scan_event ev;
    struct scan scan;

    scan_init(&scan, r->place, r->payload);
    while (r->res == 0 && scan_next(&scan, &ev)) {
        take_event(r, &ev);
        if (ev.kind == SCAN_END) end_file(r); /* the scan goes on with the next file, whatever became of this one */
    }
    scan_fini(&scan);
}

/* ---- STATE and MEMORY ---- */

/* What is no file is nobody's to keep a copy of. */
static bool is_file(const struct place *place, const char *name)
{
    struct hopper_io_stat st = { 0 };

    (void)place->io->stat_at(place->io->ctx, place->fd, name, &st);
    if (st.kind != HOPPER_IO_FILE) say("%s/%s is not a file, and is left alone", place->path, name);
    return st.kind == HOPPER_IO_FILE;
}

static void repair_memory(struct repair *r)
{
    if (r->place->memory_part != PART_DAMAGED || !is_file(r->place, HPR_MEMORY_NAME)) return;
    tell(r, "MEMORY: makes no sense; renamed to MEMORY" PLACE_KEPT_SUFFIX);
    if (is_for_real(r)) {
        uint64_t bytes;
        int fd = place_open_file(r->place, HPR_MEMORY_NAME, &bytes);

        hpr_io_close(r->place->io, fd < 0 ? -1 : fd);
        r->res = change_keep(r->place, HPR_MEMORY_NAME, PLACE_KEPT_SUFFIX, 0, fd < 0 ? 0 : bytes);
    }
    if (is_for_real(r)) r->res = change_remove(r->place, HPR_MEMORY_NAME);
    if (is_for_real(r)) r->res = change_sync_dir(r->place);
}

/* MEMORY knows how far the receiver had come, and may have records that are older than those in files. Without it, all
 * before the first record that is there counts as acknowledged; what of it was dropped is known from its header. */
static void assume_state(const struct repair *r, struct hpr_state *state)
{
    struct tally t;

    tally_take(&t, r->place, NULL);
    *state = (struct hpr_state){ .survive = r->place->survive, .content = r->place->content };
    memcpy(state->channel_id, r->place->channel_id, sizeof state->channel_id);
    state->passed = t.passed;
    if (r->place->memory_part != PART_GOOD && t.first_seq > 1) {
        state->passed.seq                                    = t.first_seq - 1;
        state->passed.dropped_total                          = hpr_min_u64(t.first_dropped_total, state->passed.seq);
        state->passed.records                                = state->passed.seq - state->passed.dropped_total;
        state->passed.gap_records[HOPPER_GAP_DROPPED_NEWEST] = state->passed.dropped_total;
    }
    state->next_seq      = hpr_max_u64(t.next_seq, state->passed.seq + 1);
    state->dropped_total = hpr_max_u64(t.dropped_total, state->passed.dropped_total);
}

static int write_new_state(const struct place *place, struct hpr_state *state)
{
    static const unsigned char zeros[HPR_STATE_FILE_BYTES];
    int fd = change_begin(place, HPR_STATE_NAME), res;

    if (fd < 0) return fd;
    res = hpr_io_write(place->io, fd, zeros, sizeof zeros, 0);
    if (res == 0) res = hpr_state_write(place->io, fd, state);
    if (res == 0) return change_end(place, HPR_STATE_NAME, fd, 0600);
    say_failure(res, "%s/%s: cannot write it anew", place->path, HPR_STATE_NAME);
    change_drop(place, HPR_STATE_NAME, fd);
    return res;
}

static void repair_state(struct repair *r)
{
    const struct place *place = r->place;
    bool is_there             = place->state_part == PART_DAMAGED;
    struct hpr_state state;

    if (place->state_part == PART_GOOD || (!is_there && !place->has_id)) return;
    if (place->survive == HOPPER_SURVIVE_NOTHING && !is_there) return;
    if (is_there && !is_file(place, HPR_STATE_NAME)) return;
    if (is_there && is_for_real(r)) {
        struct hopper_io_stat st = { 0 };

        (void)place->io->stat_at(place->io->ctx, place->fd, HPR_STATE_NAME, &st);
        r->res = change_keep(place, HPR_STATE_NAME, PLACE_KEPT_SUFFIX, 0, st.bytes);
    }
    if (!place->has_id || place->survive == HOPPER_SURVIVE_NOTHING) {
        tell(r, "STATE: no good slot, and nothing to make a new one from; kept as STATE" PLACE_KEPT_SUFFIX);
        if (is_for_real(r)) r->res = change_remove(place, HPR_STATE_NAME);
        if (is_for_real(r)) r->res = change_sync_dir(place);
        return;
    }
    assume_state(r, &state);
    tell(r, "STATE: made anew%s, all up to number %" PRIu64 " acknowledged",
         is_there ? ", the old one kept as STATE" PLACE_KEPT_SUFFIX : "", state.passed.seq);
    if (is_for_real(r)) r->res = write_new_state(place, &state);
}

/* What is in the way is nobody's to keep a copy of: it gets another name, as it is. */
static void put_aside(struct repair *r, const char *name)
{
    const struct place *place = r->place;
    char kept[CHANGE_NAME_BYTES];
    struct hopper_io_stat st;

    (void)snprintf(kept, sizeof kept, "%s" PLACE_KEPT_SUFFIX, name);
    for (unsigned i = 2; place->io->stat_at(place->io->ctx, place->fd, kept, &st) == 0; i++)
        (void)snprintf(kept, sizeof kept, "%s" PLACE_KEPT_SUFFIX ".%u", name, i);
    tell(r, "%s: not a plain file of its own; renamed to %s", name, kept);
    if (!is_for_real(r)) return;
    r->res = place->io->rename_at(place->io->ctx, place->fd, name, kept);
    if (r->res < 0) say_failure(r->res, "%s/%s: cannot rename it", place->path, name);
    else r->res = change_sync_dir(place);
}

static void repair_ways(struct repair *r)
{
    for (size_t i = 0; i < PLACE_WAYS && r->res == 0; i++)
        if (place_is_in_way(r->place, place_ways[i])) put_aside(r, place_ways[i]);
}

/* ---- the whole ---- */

/* Somebody else's version, or a place that cannot be read: better nothing than half. */
static int refuse(const struct place *place)
{
    int status = STATUS_OK;
    struct scan_event ev;
    struct scan scan;

    if (place->state_part == PART_NEWER || place->memory_part == PART_NEWER) status = STATUS_UNSURE;
    if (place->state_part == PART_UNREADABLE || place->memory_part == PART_UNREADABLE) status = STATUS_UNSURE;
    scan_init(&scan, place, NULL);
    while (scan_next(&scan, &ev)) {
        if (ev.kind == SCAN_REFUSED && (ev.fault == FAULT_VERSION || ev.fault == FAULT_UNREADABLE))
            status = STATUS_UNSURE;
        if (ev.fault == FAULT_UNREADABLE) status = STATUS_UNSURE;
    }
    scan_fini(&scan);
    if (status != STATUS_OK)
        say("%s: some of it cannot be read or is of a newer version of the format: nothing is changed", place->path);
    return status;
}

static int tell_rest(struct repair *r, uint64_t before)
{
    struct findings all = { .json = r->args->is_json ? &r->json : NULL };
    struct examined sum;

    if (r->args->is_json) {
        json_close(&r->json);
        json_open_array(&r->json, "remaining");
    }
    if (!r->args->is_dry_run) {
        if (place_look(r->place) < 0) return STATUS_ERROR;
        examine(r->place, r->payload, &all, &sum);
    }
    if (r->args->is_json) {
        json_close(&r->json);
        json_number(&r->json, "changes", r->changes);
        json_close(&r->json);
        json_end_line(&r->json);
    } else if (before == 0) {
        (void)printf("%s\n", all.damage > 0 ? "none of it can be repaired" : "nothing to repair");
    }
    return all.damage > 0 ? STATUS_ERROR : all.unsure > 0 ? STATUS_UNSURE : STATUS_OK;
}

static int run(const struct args *args, struct place *place, struct payload *payload)
{
    struct repair r = { .args = args, .place = place, .payload = payload };
    int status      = refuse(place);

    if (status != STATUS_OK) return status;
    json_init(&r.json, stdout);
    if (args->is_json) {
        json_open_object(&r.json, NULL);
        json_open_array(&r.json, "actions");
    }
    repair_files(&r);
    if (is_for_real(&r) && place_look(place) < 0) r.res = -1;
    if (r.res == 0) repair_memory(&r);
    if (is_for_real(&r) && place_look(place) < 0) r.res = -1;
    if (r.res == 0) repair_state(&r);
    if (r.res == 0) repair_ways(&r);
    status = tell_rest(&r, r.changes);
    return r.res < 0 ? STATUS_ERROR : status;
}

int command_repair(const struct args *args)
{
    struct payload *payload = payload_new();
    int status = STATUS_ERROR, lock = -1;
    struct place place;

    if (!payload) {
        say("no memory");
        return STATUS_ERROR;
    }
    if (place_open(&place, args->dir, args->name) == 0) {
        status = args->is_dry_run ? own_ask(&place) : own_take(&place, &lock);
        if (status == STATUS_OK) status = run(args, &place, payload);
        own_give_back(&place, lock);
    }
    place_close(&place);
    payload_free(payload);
    return status;
}
