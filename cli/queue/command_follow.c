/* SPDX-License-Identifier: MIT */
/*
 * follow: records as they reach the files of a queue in use. The owner knows nothing of it: nothing is locked, and the
 * directory is looked at every so often (not by inotify, which other systems and network file systems do not have).
 *
 * One place is kept: a file, and where in it the next frame will stand. What stands there is read when it is good. When
 * it is not good yet, or not there, the next look decides: there is a file behind this one, so nothing more comes here
 * and it is read to its end as it is; the file has become shorter (a failed write), so it is read anew, passing over
 * what was written out; or the queue was opened anew and counts from 1 again.
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "emit.h"
#include "merge.h"
#include "say.h"
#include "scan.h"
#include "status.h"
#include "tally.h"

struct follow {
    const struct args *args;
    struct place place;
    struct payload *payload;
    struct emit emit;
    struct scan_file file;
    bool has_file;
    uint64_t next;     /* records below it were written out, or are not wanted */
    uint64_t expected; /* the next one when none is missing; 0: not known */
    uint64_t left;
    bool has_gaps;
    bool is_damaged; /* something was passed over since the last good frame */
};

static volatile sig_atomic_t is_stopped;

static void stop(int signal)
{
    (void)signal;
    is_stopped = 1;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- records ---- */

/* 0, or a negated errno of standard output. */
static int write_frame(struct follow *f, const struct scan_event *ev)
{
    const uint64_t first = ev->frame.first_seq;
    struct payload_record rec;
    int res = 0;

    if (f->is_damaged && f->expected > 0 && first > f->expected) {
        emit_gap(&f->emit, f->expected, first - f->expected, hopper_gap_name(HOPPER_GAP_CORRUPT));
        f->has_gaps = true;
    }
    f->is_damaged = false;
    f->expected   = hpr_max_u64(f->expected, first + ev->frame.records);
    if (first + ev->good <= f->next) return 0;
    payload_rewind(f->payload);
    for (uint64_t seq = first; seq < first + ev->good && f->left > 0 && res == 0; seq++) {
        if (!payload_record(f->payload, &rec)) break;
        if (seq < f->next) continue;
        res = emit_record(&f->emit, seq, &rec, f->payload);
        f->left--;
    }
    f->next = hpr_max_u64(f->next, first + ev->good);
    return res < 0 ? res : 0;
}

/* ---- one file ---- */

static uint64_t next_number(const struct follow *f)
{
    for (size_t i = 0; i < f->place.count; i++)
        if (!f->has_file || f->place.numbers[i] > f->file.number) return f->place.numbers[i];
    return 0;
}

/* Damage is what is not good though there is a good header, or a file, behind it. */
static int take_event(struct follow *f, const struct scan_event *ev)
{
    if (ev->kind == SCAN_DAMAGE || (ev->kind == SCAN_FRAME && ev->fault != FAULT_NONE)) {
        say("file %" PRIu64 ", offset %" PRIu64 ": %s", ev->number, ev->offset, fault_text(ev->fault));
        f->is_damaged = true;
    }
    return scan_has_records(ev) ? write_frame(f, ev) : 0;
}

/* All that is there by now, up to the first place that is not good yet; IS_FINAL: nothing more comes behind it. */
static int read_file(struct follow *f, bool is_final)
{
    const uint64_t offset = f->file.offset;
    struct scan_event ev;
    int res = scan_file_again(&f->file);

    if (res < 0) return 0;
    if (f->file.bytes < offset) f->file.offset = HPR_FILE_HEADER_BYTES; /* cut: what is below `next` is passed over */
    f->file.is_last = !is_final;
    while (res == 0 && f->left > 0 && !is_stopped && scan_file_next(&f->file, &ev)) {
        const uint64_t at = ev.offset;

        /* the last frame's payload may be on its way */
        if (!is_final && ev.kind == SCAN_FRAME && ev.fault != FAULT_NONE && f->file.offset >= f->file.bytes) {
            f->file.offset = at;
            break;
        }
        res = take_event(f, &ev);
        if (ev.kind == SCAN_FOOTER) break;
    }
    return res;
}

static void open_file(struct follow *f, uint64_t number)
{
    struct scan_event ev;

    scan_file_open(&f->file, &f->place, f->payload, number, true, &ev);
    f->has_file = true;
    if (ev.kind == SCAN_FILE && ev.fault == FAULT_NONE && !ev.has_header) {
        scan_file_close(&f->file); /* it is being made */
        f->has_file = false;
    }
    if (ev.kind == SCAN_REFUSED && ev.fault != FAULT_GONE && ev.fault != FAULT_CHANNEL && ev.fault != FAULT_MAGIC &&
        ev.fault != FAULT_NO_FILE) {
        say("file %" PRIu64 ": %s", number, fault_text(ev.fault));
        f->has_gaps = true;
    }
}

/* ---- the directory ---- */

/* The queue survives nothing and was opened again: another channel, which counts from 1. */
static bool is_another(const struct follow *f, const uint8_t *id, bool had_id)
{
    return had_id && f->place.has_id && memcmp(id, f->place.channel_id, sizeof f->place.channel_id) != 0;
}

static int look(struct follow *f)
{
    uint8_t id[HPR_CHANNEL_ID_BYTES];
    bool had_id = f->place.has_id;
    int res;

    memcpy(id, f->place.channel_id, sizeof id);
    if ((res = place_look(&f->place)) < 0) return res;
    if (!f->place.has_id && had_id) { /* no files just now: the id stays */
        memcpy(f->place.channel_id, id, sizeof id);
        f->place.has_id = true;
    }
    if (!is_another(f, id, had_id)) return 0;
    scan_file_close(&f->file);
    f->has_file = false;
    f->next = f->expected = 1;
    return 0;
}

/* Everything that can be read now. */
static int catch_up(struct follow *f)
{
    int res = look(f);

    while (res == 0 && f->left > 0 && !is_stopped) {
        uint64_t next = next_number(f);

        if (f->has_file) res = read_file(f, next != 0);
        if (next == 0 || res != 0) break;
        if (f->has_file) scan_file_close(&f->file);
        open_file(f, next);
        if (!f->has_file) break;
    }
    return res;
}

/* What is there at the start is not wanted unless it was asked for. */
static void find_start(struct follow *f)
{
    struct tally t;

    tally_take(&t, &f->place, NULL);
    if (f->args->from > 0) f->next = f->args->from;
    else if (f->args->is_unacked) f->next = t.passed.seq + 1;
    else f->next = t.last_seq + 1;
}

static int follow(struct follow *f)
{
    const uint64_t start = now_ms();
    int res;

    f->left = f->args->count;
    find_start(f);
    while ((res = catch_up(f)) == 0 && f->left > 0 && !is_stopped) {
        uint64_t wait = f->args->interval_ms, spent = now_ms() - start;

        if (fflush(stdout) != 0) return -EIO;
        if (f->args->timeout_ms > 0 && spent >= f->args->timeout_ms) break;
        if (f->args->timeout_ms > 0) wait = hpr_min_u64(wait, f->args->timeout_ms - spent);
        (void)poll(NULL, 0, (int)hpr_min_u64(wait, INT32_MAX));
    }
    return res;
}

int command_follow(const struct args *args)
{
    struct follow f         = { .args = args, .file = { .fd = -1 } };
    struct sigaction action = { .sa_handler = stop };
    int status              = STATUS_ERROR;

    if (!(f.payload = payload_new())) {
        say("no memory");
        return STATUS_ERROR;
    }
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (place_open(&f.place, args->dir, args->name) == 0) {
        f.file.place = &f.place;
        emit_init(&f.emit, args, f.place.content == HPR_CONTENT_ITEMS);
        status = follow(&f) < 0 ? STATUS_ERROR : f.has_gaps ? STATUS_UNSURE : STATUS_OK;
        emit_fini(&f.emit);
        scan_file_close(&f.file);
    }
    place_close(&f.place);
    payload_free(f.payload);
    return status;
}
