/* SPDX-License-Identifier: MIT */
/*
 * hopper-cat's splitter alone: a buffer divided at its line ends, in one thread, beside a call of memchr for each line.
 *
 *     bench-lines --work part --variant lines|memchr --data short|log|huge [--bytes N] [--passes N]
 *
 * short: lines of two bytes, newline included; huge: of 1 MiB; log: those of the overflow work. Both are given the text
 * in pieces and copy each once, as read(2) would. The first pass warms up; in each the lines are counted and compared.
 * A line as from harness.c, phase "mem".
 */
#include "bench.h"

#include <stdlib.h>

#include "cli/lines.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define SHORT_BYTES 2
#define HUGE_BYTES  ((size_t)1 << 20)

/* WORK's bytes of text whose lines are of --data; at its end a line ends. */
static char *text_make(const struct bench_work *work, size_t *lenp)
{
    const size_t fixed = strcmp(work->data, "short") == 0  ? SHORT_BYTES
                         : strcmp(work->data, "huge") == 0 ? HUGE_BYTES
                                                           : 0;
    size_t len         = (size_t)work->bytes;
    char *text         = bench_alloc(len, 1);

    if (fixed > 0) {
        memset(text, 'x', len);
        for (size_t at = fixed; at <= len; at += fixed) text[at - 1] = '\n';
    } else {
        struct bench_data data;

        bench_data_make(&data, work);
        memset(text, '\n', len);
        for (size_t i = 0, at = 0; i < data.count && at + data.records[i].iov_len < len; i++) {
            memcpy(text + at, data.records[i].iov_base, data.records[i].iov_len);
            at += data.records[i].iov_len + 1;
        }
        bench_data_free(&data);
    }
    text[len - 1] = '\n';
    *lenp         = len;
    return text;
}

static uint64_t lines_of_splitter(struct lines *ln, const char *text, size_t len)
{
    uint64_t count = 0;

    lines_begin(ln);
    while (len > 0) {
        size_t offsets[1025];
        size_t room, some;
        void *to = lines_space(ln, &room);

        if (to == NULL) bench_die("lines_space", "no memory");
        if (room > len) room = len;
        memcpy(to, text, room); /* read(2) does as much */
        lines_fill(ln, room);
        text += room;
        len -= room;
        while ((some = lines_take(ln, offsets, 1024)) > 0) count += some;
    }
    return count;
}

/* The same copies, then a call for each line. */
static uint64_t lines_of_memchr(const char *text, size_t len)
{
    static char piece[PIECE_BYTES];
    uint64_t count = 0;

    while (len > 0) {
        size_t some    = len < PIECE_BYTES ? len : PIECE_BYTES;
        const char *at = piece, *end = at + some, *hit;

        memcpy(piece, text, some);
        for (; (hit = memchr(at, '\n', (size_t)(end - at))) != NULL; at = hit + 1) count++;
        text += some;
        len -= some;
    }
    return count;
}

static int run_lines(const struct bench_work *work)
{
    const struct lines_options options = { .record_bytes_max = 2 * HUGE_BYTES,
                                           .read_bytes       = PIECE_BYTES,
                                           .terminator       = '\n' };
    const bool is_ours                 = strcmp(work->variant, "lines") == 0;
    struct lines ln;
    size_t len;
    char *text     = text_make(work, &len);
    uint64_t count = 0, start = 0, want = 0, ns;

    if (lines_init(&ln, &options) != 0) bench_die("lines_init", "no memory");
    for (const char *at = text; (at = memchr(at, '\n', (size_t)(text + len - at))) != NULL; at++) want++;
    for (uint64_t i = 0; i <= work->passes; i++) {
        if (i == 1) start = bench_now_ns();
        count = is_ours ? lines_of_splitter(&ln, text, len) : lines_of_memchr(text, len);
        if (count != want) bench_die(work->variant, "did not find every line");
    }
    ns = bench_now_ns() - start;
    printf("peer=part-%s phase=mem messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=1\n", work->variant,
           (unsigned long long)(count * work->passes), (unsigned long long)(len * work->passes), (double)ns / 1e9,
           (double)ns / 1e9);
    lines_fini(&ln);
    free(text);
    return BENCH_OK;
}

int main(int argc, char **argv)
{
    struct bench_work work;
    int status = bench_args(argc, argv, &work);

    if (status != BENCH_OK) return status;
    if (strcmp(work.variant, "lines") != 0 && strcmp(work.variant, "memchr") != 0) return BENCH_UNSUPPORTED;
    bench_cpus(&work);
    bench_pin(&work, 0);
    return run_lines(&work);
}
