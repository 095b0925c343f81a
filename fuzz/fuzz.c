/* SPDX-License-Identifier: MIT */
/* The little that the fuzz targets share and that is not inline: reporting, and the table of record contents. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { OFFSETS = 4096 }; /* of record contents in the table; prime to none of the sizes that matter */

int fuzz_trace;

void fuzz_fail(const char *file, int line, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

/* [0] noise from xorshift64, [1] text-like lines that repeat. Constant once made: no input can tell that it was there
 * before. */
static uint8_t table[2][OFFSETS + FUZZ_CONTENT_BYTES_MAX];
static int table_is_made;

static void table_make(void)
{
    uint64_t x = UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < sizeof table[0]; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[0][i] = (uint8_t)(x >> 56);
        table[1][i] = i % 61 == 0 ? (uint8_t)(x >> 32) : (uint8_t)('a' + i % 23);
    }
    table_is_made = 1;
}

const uint8_t *fuzz_content(uint64_t id, size_t len)
{
    FUZZ_REQUIRE(len <= FUZZ_CONTENT_BYTES_MAX, "the target asks for a record of %zu bytes", len);
    if (!table_is_made) table_make();
    return &table[id & 1][(id >> 1) * 257 % OFFSETS];
}
