/* SPDX-License-Identifier: MIT */
/*
 * What all fuzz targets share: a reader that turns the engine's bytes into decisions, checks that stay in every build,
 * and record contents that cost nothing to make and little to compare.
 *
 * A target is one file with LLVMFuzzerTestOneInput(), and nothing in it lasts from one input to the next: libFuzzer and
 * AFL++ in persistent mode call it a million times in one process, standalone.c once for each file. No target makes a
 * thread, looks at the clock or touches the file system.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- input ----------------------------------------------------------------------------------------------------- */

/* The engine's bytes, read from the front. Past the end every number is 0. */
struct fuzz_input {
    const uint8_t *next;
    size_t left; /* bytes */
};

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
    if (in->left == 0) return 0;
    in->left--;
    return *in->next++;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
    uint16_t low = fuzz_u8(in);

    return (uint16_t)(low | (uint16_t)(fuzz_u8(in) << 8));
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
    uint32_t low = fuzz_u16(in);

    return low | (uint32_t)fuzz_u16(in) << 16;
}

/* Up to LEN bytes of the input itself; *LENP is how many there were. Valid as long as the input. */
static inline const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t len, size_t *lenp)
{
    const uint8_t *bytes = in->next;

    *lenp = len < in->left ? len : in->left;
    in->next += *lenp;
    in->left -= *lenp;
    return bytes;
}

/* ---- findings -------------------------------------------------------------------------------------------------- */

/* Report a finding and abort, which is what both engines save an input for. */
_Noreturn void fuzz_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Stays in every build, whatever NDEBUG says. The text is for the person who replays the input. */
#define FUZZ_REQUIRE(condition, ...) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, __VA_ARGS__))

/* Set by standalone.c's -v: print what is done, for a person. */
extern int fuzz_trace;

/* ---- record contents ------------------------------------------------------------------------------------------- */

#define FUZZ_CONTENT_BYTES_MAX ((size_t)1 << 20)

/* The bytes of record ID of LEN <= FUZZ_CONTENT_BYTES_MAX: a place in one constant table, so that nothing is written
 * per record and a comparison is a memcmp(). Odd IDs deflate well, even ones not at all. */
const uint8_t *fuzz_content(uint64_t id, size_t len);

#endif
