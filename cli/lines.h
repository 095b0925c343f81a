/* SPDX-License-Identifier: MIT */
/*
 * Record splitter: bytes in, records out. Pure: no input or output, no locks, no clock; memory comes from malloc.
 *
 *     lines_init(&ln, &options);
 *     for each input: lines_begin(&ln);
 *         while ((room = lines_space(&ln, &len)) != NULL && (got = read(fd, room, len)) > 0) {
 *             lines_fill(&ln, got);
 *             while ((count = lines_take(&ln, offsets, 1024)) > 0) use(ln.buf, offsets, count);
 *         }
 *         lines_end(&ln);
 *         while ((count = lines_take(&ln, offsets, 1024)) > 0) use(ln.buf, offsets, count);
 *     lines_fini(&ln);
 *
 * A record is a view into the splitter's buffer, where one stands behind the other, and carries its terminator; only the
 * last record of an input may come without one. Records put together are therefore the input, byte for byte, and nothing
 * is copied for a record. (The two exceptions are asked for: LINES_TRUNCATE leaves bytes out, LINES_REFUSE stops.) An
 * input that ends in a terminator has no empty record after it.
 *
 * Memory: one buffer. It starts with room for two reads, doubles when one record does not fit, and never holds more
 * than record_bytes_max + 1 + read_bytes.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What becomes of a record longer than record_bytes_max. */
enum lines_long {
    LINES_REFUSE   = 0, /* it is not given out and nothing after it is: is_refused becomes true */
    LINES_SPLIT    = 1, /* it comes in pieces of record_bytes_max bytes; the last piece has the terminator */
    LINES_TRUNCATE = 2  /* its first record_bytes_max bytes come, then its terminator; the rest is left out */
};

#define LINES_RECORD_BYTES_LIMIT (SIZE_MAX / 4)

struct lines_options {
    size_t record_bytes_max; /* of a record without its terminator; 1 to LINES_RECORD_BYTES_LIMIT */
    size_t read_bytes;       /* the room that lines_space() offers at least; 1 to LINES_RECORD_BYTES_LIMIT */
    enum lines_long long_records;
    char terminator;
};

struct lines {
    struct lines_options options;

    char *buf; /* moves with lines_space() only */
    size_t capacity;
    size_t start;   /* of the first record not given out */
    size_t scanned; /* between start and here there is no terminator */
    size_t end;     /* of the bytes that have come in */

    bool is_ended;   /* lines_end() was called: what is left is the last record */
    bool is_cut;     /* the record at start has lost bytes after its first record_bytes_max */
    bool is_refused; /* a record was longer than record_bytes_max (LINES_REFUSE); it is number records + 1 */

    uint64_t records;   /* given out since lines_begin() */
    uint64_t truncated; /* records shortened since lines_init() */
};

/* Returns 0, or -1 when there is no memory; LN may be given to lines_fini() either way. */
int lines_init(struct lines *ln, const struct lines_options *options);
void lines_fini(struct lines *ln);

/* Start with an input: whatever an earlier one left is forgotten. */
void lines_begin(struct lines *ln);

/* Where the next bytes go; *LENP is how many may come, at least read_bytes. Ends the life of all views given out.
 * NULL when there is no memory: nothing is lost then. */
void *lines_space(struct lines *ln, size_t *lenp);

/* LEN bytes were put where lines_space() said. */
void lines_fill(struct lines *ln, size_t len);

/* The input has no more bytes. */
void lines_end(struct lines *ln);

/* Up to MAX of the next records: number i is the bytes from OFFSETS[i] up to OFFSETS[i + 1] of ln->buf; so OFFSETS has
 * room for MAX + 1. 0 when more bytes are needed, at the end, and when is_refused; less than MAX may come at any time.
 * Views stay valid until lines_space(), lines_begin() or lines_fini(). */
size_t lines_take(struct lines *ln, size_t *offsets, size_t max);

/* Bytes that have come in and are not given out. */
size_t lines_held(const struct lines *ln);

#endif
