/* SPDX-License-Identifier: MIT */
/*
 * The record splitter of hopper-cat; lines.h has the contract.
 *
 *     buf   given out   record being looked for        free
 *     |----------------|-------------------|----------------------|
 *     0              start   (scanned)    end                 capacity
 *
 * Normal path: lines_take() finds terminators from `scanned` on and gives out [start, terminator]. What stays at the
 * end of a read is the head of the next record; lines_space() moves it to the front of the buffer, so that the buffer
 * stays as small as the reads are, and doubles the buffer only for a record that does not fit. `scanned` keeps a long
 * record from being searched again after each read: the work is linear in the input.
 *
 * What can go wrong: no memory for a long record (lines_space() says so and changes nothing), and a record longer than
 * allowed, of which there are these cases:
 *     LINES_REFUSE    give out nothing more
 *     LINES_SPLIT     give out record_bytes_max bytes as soon as one more than that is there
 *     LINES_TRUNCATE  keep the first record_bytes_max bytes, forget what follows until the terminator or the end is
 *                     there (is_cut), then put the terminator behind what was kept
 */
#include "lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#if defined __SSE2__
#include <emmintrin.h>
#endif

int lines_init(struct lines *ln, const struct lines_options *options)
{
    assert(options->record_bytes_max >= 1 && options->record_bytes_max <= LINES_RECORD_BYTES_LIMIT);
    assert(options->read_bytes >= 1 && options->read_bytes <= LINES_RECORD_BYTES_LIMIT);
    *ln     = (struct lines){ .options = *options };
    ln->buf = malloc(2 * options->read_bytes);
    if (ln->buf == NULL) return -1;
    ln->capacity = 2 * options->read_bytes;
    return 0;
}

void lines_fini(struct lines *ln)
{
    free(ln->buf);
    ln->buf      = NULL;
    ln->capacity = ln->start = ln->scanned = ln->end = 0;
}

void lines_begin(struct lines *ln)
{
    ln->start = ln->scanned = ln->end = 0;
    ln->is_ended = ln->is_cut = ln->is_refused = false;
    ln->records                                = 0;
}

static void move_to_front(struct lines *ln)
{
    if (ln->start == 0) return;
    memmove(ln->buf, ln->buf + ln->start, ln->end - ln->start);
    ln->scanned -= ln->start;
    ln->end -= ln->start;
    ln->start = 0;
}

/* Twice the size, but not beyond what the longest record needs, and in any case enough for one read. */
static int grow(struct lines *ln)
{
    size_t limit    = ln->options.record_bytes_max + 1 + ln->options.read_bytes;
    size_t need     = ln->end + ln->options.read_bytes;
    size_t capacity = 2 * ln->capacity;
    char *buf;

    if (capacity > limit) capacity = limit;
    if (capacity < need) capacity = need;
    if ((buf = realloc(ln->buf, capacity)) == NULL) return -1;
    ln->buf      = buf;
    ln->capacity = capacity;
    return 0;
}

void *lines_space(struct lines *ln, size_t *lenp)
{
    *lenp = 0;
    move_to_front(ln);
    if (ln->capacity - ln->end < ln->options.read_bytes && grow(ln) != 0) return NULL;
    *lenp = ln->capacity - ln->end;
    return ln->buf + ln->end;
}

void lines_fill(struct lines *ln, size_t len)
{
    assert(len <= ln->capacity - ln->end && !ln->is_ended);
    ln->end += len;
}

void lines_end(struct lines *ln)
{
    ln->is_ended = true;
}

size_t lines_held(const struct lines *ln)
{
    return ln->end - ln->start;
}

/* Give out LEN bytes and go on at NEXT, up to which (or up to SCANNED, if that is further) there is no terminator. */
static bool give(struct lines *ln, struct iovec *record, size_t len, size_t next)
{
    record->iov_base = ln->buf + ln->start;
    record->iov_len  = len;
    ln->start        = next;
    if (ln->scanned < next) ln->scanned = next;
    ln->is_cut = false;
    return true;
}

/* A record of more than record_bytes_max bytes whose terminator is at `scanned`, or has not come when !HAS_END. */
static bool take_long(struct lines *ln, struct iovec *record, bool has_end)
{
    size_t max = ln->options.record_bytes_max;

    switch (ln->options.long_records) {
    case LINES_REFUSE: ln->is_refused = true; return false;
    case LINES_SPLIT: return give(ln, record, max, ln->start + max);
    case LINES_TRUNCATE:
    default: break;
    }
    if (has_end) {
        ln->buf[ln->start + max] = ln->options.terminator;
        ln->truncated++;
        return give(ln, record, max + 1, ln->scanned + 1);
    }
    if (ln->is_ended) {
        ln->truncated++;
        return give(ln, record, max, ln->end);
    }
    ln->end = ln->scanned = ln->start + max; /* forget the rest; is_cut remembers that there was one */
    ln->is_cut            = true;
    return false;
}

static bool take_one(struct lines *ln, struct iovec *record)
{
    const char *found = memchr(ln->buf + ln->scanned, ln->options.terminator, ln->end - ln->scanned);
    size_t len;

    ln->scanned = found != NULL ? (size_t)(found - ln->buf) : ln->end;
    len         = ln->scanned - ln->start;
    if (len > ln->options.record_bytes_max || ln->is_cut) return take_long(ln, record, found != NULL);
    if (found != NULL) return give(ln, record, len + 1, ln->scanned + 1);
    if (ln->is_ended && len > 0) return give(ln, record, len, ln->end);
    return false;
}

#if defined __SSE2__
#define WINDOW_BYTES 64

/* Which of the next WINDOW_BYTES are terminators: bit i for the byte at P + i. */
static uint64_t window_terminators(const char *p, __m128i terminator)
{
    uint64_t found = 0;

    for (int i = 0; i < WINDOW_BYTES / 16; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        found |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, terminator)) << 16 * i;
    }
    return found;
}

/* The records whose end is in a whole window, for as long as they are not too long. For short records this is several
 * times as fast as a call of memchr() for each; take_one() does the rest. */
static size_t take_windows(struct lines *ln, struct iovec *records, size_t max)
{
    const __m128i terminator = _mm_set1_epi8(ln->options.terminator);
    const size_t longest     = ln->options.record_bytes_max;
    size_t start = ln->start, at = ln->scanned, count = 0;

    for (; ln->end - at >= WINDOW_BYTES && count < max && at - start <= longest; at += WINDOW_BYTES) {
        uint64_t found = window_terminators(ln->buf + at, terminator);
        for (; found != 0; found &= found - 1) {
            size_t end = at + (size_t)__builtin_ctzll(found);
            if (count == max || end - start > longest) {
                at = end;
                goto out;
            }
            records[count++] = (struct iovec){ ln->buf + start, end + 1 - start };
            start            = end + 1;
        }
    }
out:
    ln->start   = start;
    ln->scanned = at > start ? at : start;
    return count;
}
#else
static size_t take_windows(struct lines *ln, struct iovec *records, size_t max)
{
    (void)ln;
    (void)records;
    (void)max;
    return 0;
}
#endif

size_t lines_take(struct lines *ln, struct iovec *records, size_t max)
{
    size_t count = 0;

    if (ln->is_refused) return 0;
    for (;;) {
        if (!ln->is_cut) count += take_windows(ln, records + count, max - count);
        if (count == max || !take_one(ln, &records[count])) break;
        count++;
    }
    ln->records += count;
    return count;
}
