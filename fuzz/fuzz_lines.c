/* SPDX-License-Identifier: MIT */
/*
 * hopper-cat's record splitter against a splitter of ten lines that has the whole input before it.
 *
 * The input: how long records may be and what becomes of longer ones, the terminator, how much a read brings each time,
 * how many records are taken at once; the rest is the text. The records have to be those of the plain splitter, byte
 * for byte, however the text was cut into reads, so that records put together are the input again; views have to stay
 * as they were until lines_space(); the buffer has to stay within its bound. Where the input says so the text is given
 * as two inputs, and in a part of the runs the first is left in the middle.
 */
#include "fuzz.h"

#include "cli/lines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { TAKE_MAX = 192, STEPS_MAX = 255 };

/* ---- what is right --------------------------------------------------------------------------------------------- */

struct plain {
    const uint8_t *text;
    size_t len;
    size_t at;          /* of the next record or piece */
    uint64_t truncated; /* records that were longer */
    int is_refused;     /* LINES_REFUSE met a long record */
};

struct plain_record {
    const uint8_t *bytes;
    size_t len;
    int has_end; /* the terminator belongs to it as well; not always next to the bytes: LINES_TRUNCATE */
};

/* The next record; 0 when there is none. */
static int plain_next(struct plain *plain, const struct lines_options *options, struct plain_record *record)
{
    const uint8_t *start = plain->text + plain->at;
    size_t left          = plain->len - plain->at;
    const uint8_t *end   = left > 0 ? memchr(start, (unsigned char)options->terminator, left) : NULL;
    size_t len           = end != NULL ? (size_t)(end - start) : left;

    if (left == 0 || plain->is_refused) return 0;
    *record = (struct plain_record){ start, len, end != NULL };
    plain->at += len + (end != NULL);
    if (len <= options->record_bytes_max) return 1;
    record->len = options->record_bytes_max;
    if (options->long_records == LINES_SPLIT) {
        record->has_end = 0;
        plain->at       = (size_t)(start - plain->text) + record->len;
    }
    plain->truncated += options->long_records == LINES_TRUNCATE;
    plain->is_refused = options->long_records == LINES_REFUSE;
    return !plain->is_refused;
}

/* ---- the splitter ---------------------------------------------------------------------------------------------- */

struct run {
    struct lines lines;
    struct lines_options options;
    struct plain plain;
    size_t take;                      /* records at once */
    size_t offsets[TAKE_MAX + 1];     /* as they were given out last */
    struct iovec views[2 * TAKE_MAX]; /* not yet compared */
    size_t view_count;
    uint64_t records;
};

static void compare_views(struct run *run)
{
    for (size_t i = 0; i < run->view_count; i++) {
        const struct iovec *got  = &run->views[i];
        struct plain_record want = { NULL, 0, 0 };
        int is_there             = plain_next(&run->plain, &run->options, &want);

        run->records++;
        FUZZ_REQUIRE(is_there, "record %llu is one too many", (unsigned long long)run->records);
        FUZZ_REQUIRE(got->iov_len == want.len + (want.has_end ? 1 : 0), "record %llu has %zu bytes, not %zu",
                     (unsigned long long)run->records, got->iov_len, want.len + (want.has_end ? 1 : 0));
        FUZZ_REQUIRE(memcmp(got->iov_base, want.bytes, want.len) == 0, "record %llu differs",
                     (unsigned long long)run->records);
        FUZZ_REQUIRE(!want.has_end || ((const char *)got->iov_base)[want.len] == run->options.terminator,
                     "record %llu has another terminator", (unsigned long long)run->records);
    }
    run->view_count = 0;
}

static void take_all(struct run *run)
{
    size_t count;

    while ((count = lines_take(&run->lines, run->offsets, run->take)) > 0) {
        FUZZ_REQUIRE(count <= run->take, "%zu records of %zu", count, run->take);
        for (size_t i = 0; i < count; i++) {
            FUZZ_REQUIRE(run->offsets[i] <= run->offsets[i + 1], "record %zu of %zu ends before it begins", i, count);
            run->views[run->view_count++] =
                (struct iovec){ run->lines.buf + run->offsets[i], run->offsets[i + 1] - run->offsets[i] };
        }
        if (run->view_count > TAKE_MAX) compare_views(run);
    }
}

static void check_buffer(const struct run *run)
{
    const struct lines_options *o = &run->options;
    size_t most                   = o->record_bytes_max + 1 + o->read_bytes;

    if (most < 2 * o->read_bytes) most = 2 * o->read_bytes; /* with which it starts */
    FUZZ_REQUIRE(run->lines.capacity <= most, "a buffer of %zu bytes, at most %zu are needed", run->lines.capacity,
                 most);
    FUZZ_REQUIRE(lines_held(&run->lines) <= run->lines.capacity, "more is held than there is room for");
}

/* Feed TEXT in reads of as many bytes as STEPS say in turn (0: as many as there is room for). */
static void feed(struct run *run, const uint8_t *text, size_t len, const uint8_t *steps, size_t step_count)
{
    size_t at = 0;

    for (size_t step = 0; at < len && !run->lines.is_refused; step++) { /* after a refusal nobody reads on */
        size_t part = step_count > 0 ? steps[step % step_count] : 0;
        size_t room;
        void *space;

        compare_views(run); /* the last moment for it */
        space = lines_space(&run->lines, &room);
        FUZZ_REQUIRE(space != NULL && room >= run->options.read_bytes, "room for %zu bytes, not %zu", room,
                     run->options.read_bytes);
        check_buffer(run);
        part = part == 0 || part > room ? room : part;
        part = part < len - at ? part : len - at;
        memcpy(space, text + at, part);
        lines_fill(&run->lines, part);
        at += part;
        take_all(run);
    }
}

/* One input from begin to end; without an end when IS_LEFT. */
static void run_input(struct run *run, const uint8_t *text, size_t len, const uint8_t *steps, size_t step_count,
                      int is_left)
{
    struct plain_record rest;

    run->plain   = (struct plain){ text, len, 0, run->plain.truncated, 0 };
    run->records = 0;
    lines_begin(&run->lines);
    feed(run, text, len, steps, step_count);
    if (!is_left) {
        lines_end(&run->lines);
        take_all(run);
    }
    compare_views(run);
    FUZZ_REQUIRE(run->lines.records == run->records, "%llu records counted, %llu given out",
                 (unsigned long long)run->lines.records, (unsigned long long)run->records);
    if (is_left) return;
    FUZZ_REQUIRE(!plain_next(&run->plain, &run->options, &rest), "record %llu does not come",
                 (unsigned long long)run->records + 1);
    FUZZ_REQUIRE(run->lines.truncated == run->plain.truncated, "%llu records truncated, not %llu",
                 (unsigned long long)run->lines.truncated, (unsigned long long)run->plain.truncated);
    FUZZ_REQUIRE(run->lines.is_refused == (run->plain.is_refused != 0), "refused: %d", run->lines.is_refused);
    FUZZ_REQUIRE(run->plain.is_refused || lines_held(&run->lines) == 0, "%zu bytes are never given out",
                 lines_held(&run->lines));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum lines_long policies[4] = { LINES_REFUSE, LINES_SPLIT, LINES_TRUNCATE, LINES_SPLIT };
    struct fuzz_input in                     = { data, size };
    uint8_t mode                             = fuzz_u8(&in);
    uint8_t terminator                       = fuzz_u8(&in);
    const uint8_t *steps;
    size_t step_count;
    size_t first;
    struct run run;

    memset(&run, 0, sizeof run);
    run.options.long_records     = policies[mode & 3];
    run.options.terminator       = (mode & 4) != 0 ? (char)terminator : '\n';
    run.options.record_bytes_max = 1 + (size_t)fuzz_u16(&in);
    run.options.read_bytes       = 1 + (size_t)fuzz_u16(&in) % 8192;
    run.take                     = 1 + fuzz_u8(&in) % TAKE_MAX;
    steps                        = fuzz_bytes(&in, fuzz_u8(&in) % STEPS_MAX, &step_count);
    first                        = (mode & 8) != 0 ? in.left / 2 : in.left;

    FUZZ_REQUIRE(lines_init(&run.lines, &run.options) == 0, "no memory");
    run_input(&run, in.next, first, steps, step_count, (mode & 16) != 0);
    if ((mode & 8) != 0) run_input(&run, in.next + first, in.left - first, steps, step_count, 0);
    lines_fini(&run.lines);
    lines_fini(&run.lines); /* as often as one likes */
    return 0;
}
