/* SPDX-License-Identifier: MIT */
/*
 * The record splitter of hopper-cat; lines.h has the contract.
 *
 *     buf   given out   record being looked for        free
 *     |----------------|-------------------|----------------------|
 *     0              start   (scanned)    end                 capacity
 *
 * Normal path: lines_take() finds terminators from `scanned` on, 64 bytes at a time, and gives out [start, terminator]
 * for each. What stays at the end of a read is the head of the next record; lines_space() moves it to the front of the
 * buffer, so that the buffer stays as small as the reads are, and doubles the buffer only for a record that does not
 * fit. `scanned` keeps a long record from being searched again after each read: the work is linear in the input.
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
#if defined __SSE2__ && !defined LINES_PLAIN_C
#include <emmintrin.h>
#else
#include <endian.h>
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

/* Give out LEN bytes, up to *ENDP, and go on at NEXT, up to which (or up to SCANNED, if that is further) there is no
 * terminator. */
static bool give(struct lines *ln, size_t *endp, size_t len, size_t next)
{
    *endp     = ln->start + len;
    ln->start = next;
    if (ln->scanned < next) ln->scanned = next;
    ln->is_cut = false;
    return true;
}

/* A record of more than record_bytes_max bytes whose terminator is at `scanned`, or has not come when !HAS_END. */
static bool take_long(struct lines *ln, size_t *endp, bool has_end)
{
    size_t max = ln->options.record_bytes_max;

    switch (ln->options.long_records) {
    case LINES_REFUSE: ln->is_refused = true; return false;
    case LINES_SPLIT: return give(ln, endp, max, ln->start + max);
    case LINES_TRUNCATE:
    default: break;
    }
    if (has_end) {
        ln->buf[ln->start + max] = ln->options.terminator;
        ln->truncated++;
        return give(ln, endp, max + 1, ln->scanned + 1);
    }
    if (ln->is_ended) {
        ln->truncated++;
        return give(ln, endp, max, ln->end);
    }
    ln->end = ln->scanned = ln->start + max; /* forget the rest; is_cut remembers that there was one */
    ln->is_cut            = true;
    return false;
}

/* The record at `start`, of any length; *ENDP is where it ends. */
static bool take_one(struct lines *ln, size_t *endp)
{
    const char *found = memchr(ln->buf + ln->scanned, ln->options.terminator, ln->end - ln->scanned);
    size_t len;

    ln->scanned = found != NULL ? (size_t)(found - ln->buf) : ln->end;
    len         = ln->scanned - ln->start;
    if (len > ln->options.record_bytes_max || ln->is_cut) return take_long(ln, endp, found != NULL);
    if (found != NULL) return give(ln, endp, len + 1, ln->scanned + 1);
    if (ln->is_ended && len > 0) return give(ln, endp, len, ln->end);
    return false;
}

/* ---- many at a time ---- */

#define WINDOW_BYTES 64

/* Which of the WINDOW_BYTES from P on are TERMINATOR: bit i for the byte at P + i. */
#if defined __SSE2__ && !defined LINES_PLAIN_C
static inline __m128i compare(const char *p, __m128i wanted)
{
    return _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), wanted);
}

static inline uint64_t mask(__m128i found)
{
    return (unsigned)_mm_movemask_epi8(found);
}

static inline uint64_t find_terminators(const char *p, char terminator)
{
    const __m128i wanted = _mm_set1_epi8(terminator);
    const __m128i a = compare(p, wanted), b = compare(p + 16, wanted);
    const __m128i c = compare(p + 32, wanted), d = compare(p + 48, wanted);

    if (mask(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) == 0) return 0; /* most often, in long records */
    return mask(a) | mask(b) << 16 | mask(c) << 32 | mask(d) << 48;
}
#else
/* Eight bytes at a time: the highest bit of each byte that is one, and these bits then side by side. */
static inline uint64_t find_terminators(const char *p, char terminator)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t found = 0;

    for (int i = 0; i < WINDOW_BYTES / 8; i++) {
        uint64_t bytes, others; /* others: the highest bit of each byte that is not one */

        memcpy(&bytes, p + 8 * i, sizeof bytes);
        bytes  = le64toh(bytes) ^ ones * (unsigned char)terminator;
        others = ((bytes & low) + low) | bytes;
        found |= (((~others & ~low) >> 7) * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
    }
    return found;
}
#endif

/* The records that end in whole windows, up to MAX, of which OFFSETS has the beginning of the first. For short records
 * this is several times as fast as a call of memchr() for each; take_one() does the rest: what is left of less than a
 * window, and what may be too long, which in a window only the first one can be. */
static size_t take_windows(struct lines *ln, size_t *offsets, size_t max)
{
    const char terminator = ln->options.terminator;
    const size_t longest  = ln->options.record_bytes_max;
    const char *buf       = ln->buf;
    size_t at             = ln->scanned;
    size_t *next          = offsets + 1;
    size_t *const limit   = offsets + max;

    if (longest < WINDOW_BYTES) return 0;
    for (; ln->end - at >= WINDOW_BYTES && limit - next >= WINDOW_BYTES; at += WINDOW_BYTES) {
        if (at + WINDOW_BYTES - next[-1] > longest) break;
        for (uint64_t found = find_terminators(buf + at, terminator); found != 0; found &= found - 1)
            *next++ = at + (size_t)__builtin_ctzll(found) + 1;
    }
    ln->start = next[-1];
    if (ln->scanned < at) ln->scanned = at;
    return (size_t)(next - offsets) - 1;
}

/* A truncated record ends a run: what comes next does not stand behind it. */
size_t lines_take(struct lines *ln, size_t *offsets, size_t max)
{
    size_t count = 0;

    offsets[0] = ln->start;
    while (!ln->is_refused && count < max && offsets[count] == ln->start) {
        if (!ln->is_cut) count += take_windows(ln, offsets + count, max - count);
        if (count == max || !take_one(ln, &offsets[count + 1])) break;
        count++;
    }
    ln->records += count;
    return count;
}
