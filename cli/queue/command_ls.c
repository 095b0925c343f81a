/* SPDX-License-Identifier: MIT */
/* ls: a line for each queue file, or with --frames one for each frame. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "queue_file.h"
#include "say.h"
#include "status.h"
#include "scan.h"

/* What is known of the file at hand. */
struct line {
    uint64_t number;
    uint64_t bytes;
    uint64_t frames;
    uint64_t records; /* that can be read */
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t first_ms;
    uint64_t damaged;
    uint64_t tail_bytes;
    bool is_sealed;
    enum fault refused;
};

struct listing {
    struct json json;
    struct line line;
    const struct args *args;
    bool is_newer;
};

static void put_heading(const struct args *args)
{
    if (args->is_json) return;
    if (args->is_frames)
        (void)printf("%20s %12s %10s %10s %8s %20s %-20s %s\n", "FILE", "OFFSET", "BYTES", "RAW", "RECORDS", "FIRST",
                     "TIME", "STATE");
    else
        (void)printf("%20s %12s %8s %10s %20s %20s %-20s %s\n", "FILE", "BYTES", "FRAMES", "RECORDS", "FIRST", "LAST",
                     "TIME", "STATE");
}

/* "sealed" or "open", and what is wrong. */
static const char *line_state(const struct line *line, char *buf, size_t len)
{
    if (line->refused != FAULT_NONE) return fault_word(line->refused);
    (void)snprintf(buf, len, "%s", line->is_sealed ? "sealed" : "open");
    if (line->damaged > 0)
        (void)snprintf(buf + strlen(buf), len - strlen(buf), ", damaged in %" PRIu64 " places", line->damaged);
    if (line->tail_bytes > 0)
        (void)snprintf(buf + strlen(buf), len - strlen(buf), ", incomplete tail of %" PRIu64, line->tail_bytes);
    return buf;
}

static void put_file_json(struct listing *ls)
{
    const struct line *line = &ls->line;
    struct json *j          = &ls->json;

    json_open_object(j, NULL);
    json_number(j, "file", line->number);
    json_number(j, "bytes", line->bytes);
    if (line->refused != FAULT_NONE) {
        json_string(j, "refused", fault_word(line->refused));
    } else {
        json_number(j, "frames", line->frames);
        json_number(j, "records", line->records);
        json_number(j, "first_sequence", line->first_seq);
        json_number(j, "last_sequence", line->last_seq);
        json_number(j, "first_time_ms", line->first_ms);
        json_bool(j, "sealed", line->is_sealed);
        json_number(j, "damaged_places", line->damaged);
        json_number(j, "incomplete_tail_bytes", line->tail_bytes);
    }
    json_close(j);
    json_end_line(j);
}

static void put_file(struct listing *ls)
{
    const struct line *line = &ls->line;
    char state[128], time[SAY_TIME_LEN];

    if (ls->args->is_frames) return;
    if (ls->args->is_json) {
        put_file_json(ls);
        return;
    }
    (void)printf("%020" PRIu64 " %12" PRIu64 " %8" PRIu64 " %10" PRIu64 " %20" PRIu64 " %20" PRIu64 " %-20s %s\n",
                 line->number, line->bytes, line->frames, line->records, line->first_seq, line->last_seq,
                 say_time(time, line->first_ms), line_state(line, state, sizeof state));
}

/* A frame, or what stands in the place of one. */
static void put_frame_json(struct listing *ls, const struct scan_event *ev, const char *what)
{
    struct json *j = &ls->json;

    json_open_object(j, NULL);
    json_number(j, "file", ev->number);
    json_number(j, "offset", ev->offset);
    json_number(j, "bytes", ev->bytes);
    json_string(j, "what", what);
    if (ev->kind == SCAN_FRAME) {
        json_number(j, "codec", hpr_frame_codec(&ev->frame));
        json_number(j, "raw_bytes", ev->frame.raw_bytes);
        json_number(j, "records", ev->frame.records);
        json_number(j, "first_sequence", ev->frame.first_seq);
        json_number(j, "dropped_total", ev->frame.dropped_total);
        json_number(j, "time_ms", ev->frame.opened_ms);
    }
    if (ev->kind == SCAN_FOOTER) {
        json_number(j, "records", ev->footer.records);
        json_number(j, "last_sequence", ev->footer.last_seq);
    }
    if (ev->fault != FAULT_NONE) json_string(j, "fault", fault_word(ev->fault));
    json_close(j);
    json_end_line(j);
}

static const char *codec_words(const struct hpr_frame_header *h)
{
    if (h->codec == HPR_CODEC_DEFLATE) return h->record_bytes ? "deflated, bare" : "deflated";
    return h->record_bytes ? "stored, bare" : "stored";
}

static void put_frame(struct listing *ls, const struct scan_event *ev, const char *what)
{
    const struct hpr_frame_header *h = &ev->frame;
    char time[SAY_TIME_LEN];

    if (!ls->args->is_frames) return;
    if (ls->args->is_json) {
        put_frame_json(ls, ev, what);
    } else if (ev->kind == SCAN_FRAME) {
        (void)printf("%020" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu32 " %8" PRIu32 " %20" PRIu64 " %-20s %s\n",
                     ev->number, ev->offset, ev->bytes, h->raw_bytes, h->records, h->first_seq,
                     say_time(time, h->opened_ms), ev->fault != FAULT_NONE ? fault_word(ev->fault) : codec_words(h));
    } else {
        (void)printf("%020" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10s %8s %20s %-20s %s%s%s\n", ev->number, ev->offset,
                     ev->bytes, "-", "-", "-", "-", what, ev->fault != FAULT_NONE ? ": " : "",
                     ev->fault != FAULT_NONE ? fault_word(ev->fault) : "");
    }
}

static void take_frame(struct listing *ls, const struct scan_event *ev)
{
    struct line *line = &ls->line;

    line->frames++;
    line->records += ev->good;
    if (ev->fault != FAULT_NONE) line->damaged++;
    if (line->first_seq == 0) {
        line->first_seq = ev->frame.first_seq;
        line->first_ms  = ev->frame.opened_ms;
    }
    line->last_seq = ev->frame.first_seq + ev->frame.records - 1;
    put_frame(ls, ev, "frame");
}

static void take_event(struct listing *ls, const struct scan_event *ev)
{
    switch (ev->kind) {
    case SCAN_FILE:
        ls->line = (struct line){ .number = ev->number, .bytes = ev->bytes, .damaged = ev->fault != FAULT_NONE };
        if (ev->fault != FAULT_NONE) put_frame(ls, ev, "file");
        break;
    case SCAN_FRAME: take_frame(ls, ev); break;
    case SCAN_DAMAGE:
        ls->line.damaged++;
        put_frame(ls, ev, "damage");
        break;
    case SCAN_TAIL:
        ls->line.tail_bytes = ev->bytes;
        put_frame(ls, ev, "incomplete tail");
        break;
    case SCAN_ZEROS: put_frame(ls, ev, "zeros"); break;
    case SCAN_FOOTER:
        ls->line.is_sealed = true;
        put_frame(ls, ev, "footer");
        break;
    case SCAN_END: put_file(ls); break;
    case SCAN_REFUSED:
        if (ev->fault == FAULT_GONE) break;
        if (ev->fault == FAULT_VERSION) ls->is_newer = true;
        ls->line = (struct line){ .number = ev->number, .bytes = ev->bytes, .refused = ev->fault };
        put_frame(ls, ev, "file");
        put_file(ls);
        break;
    }
}

int command_ls(const struct args *args)
{
    struct listing ls       = { .args = args };
    struct payload *payload = args->is_quick ? NULL : payload_new();
    int status              = STATUS_ERROR;
    struct scan_event ev;
    struct place place;
    struct scan scan;

    if (place_open(&place, args->dir, args->name) == 0 && (payload || args->is_quick)) {
        json_init(&ls.json, stdout);
        put_heading(args);
        scan_init(&scan, &place, payload);
        while (scan_next(&scan, &ev)) take_event(&ls, &ev);
        scan_fini(&scan);
        status = ls.is_newer ? STATUS_UNSURE : STATUS_OK;
    }
    place_close(&place);
    payload_free(payload);
    return status;
}
