/* SPDX-License-Identifier: MIT */
/* Raw deflate of blocks by zlib, in memory that the caller provides once: no allocation per block. Pure. */
#ifndef HPR_CODEC_H
#define HPR_CODEC_H

#include <zlib.h>

#include "base.h"

/* zlib's memory, handed out from one piece and taken back as a whole. */
struct hpr_slab {
    unsigned char *base;
    size_t bytes;
    size_t used;
};

struct hpr_deflater {
    z_stream z;
    struct hpr_slab slab;
};

struct hpr_inflater {
    z_stream z;
    struct hpr_slab slab;
};

/* Which deflate this is: WINDOW_BITS 9 to 15, MEMORY_LEVEL 1 to 9, as zlib's deflateInit2. */
struct hpr_codec_params {
    int level;
    int window_bits;
    int memory_level;
};

/* More than any deflater needs. */
#define HPR_DEFLATER_BYTES_MAX ((size_t)400 << 10)

/* Parameters for blocks of BLOCK_BYTES at LEVEL 1 to 9: a window of half a block, 32 KiB at the most. */
struct hpr_codec_params hpr_codec_params(int level, size_t block_bytes);

/* Bytes of slab that a deflater with PARAMS, or an inflater with WINDOW_BITS, needs; asks zlib itself. 0: zlib refuses. */
size_t hpr_deflater_bytes(const struct hpr_codec_params *params);
size_t hpr_inflater_bytes(int window_bits);

/* Make one in SLAB, of as many bytes as was asked for above. There is nothing to release. */
hopper_status hpr_deflater_init(struct hpr_deflater *d, const struct hpr_codec_params *params, void *slab,
                                size_t slab_bytes);
hopper_status hpr_inflater_init(struct hpr_inflater *i, int window_bits, void *slab, size_t slab_bytes);

/* Deflate LEN bytes at IN whole. Returns the bytes written to OUT; 0 when they are not fewer than CAPACITY. */
size_t hpr_deflate(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity);

/* Deflate piece by piece: begin, then put input in z.next_in and z.avail_in, output room in z.next_out and z.avail_out,
 * and step with IS_LAST for the last piece until it says that all is out. */
void hpr_deflate_begin(struct hpr_deflater *d);
bool hpr_deflate_step(struct hpr_deflater *d, bool is_last); /* true: input used up and, if last, all written */

/* Inflate piece by piece to the LEN bytes at OUT: begin, then step with each piece of input. */
enum hpr_inflate_result { HPR_INFLATE_MORE, HPR_INFLATE_DONE, HPR_INFLATE_BAD };
void hpr_inflate_begin(struct hpr_inflater *i, void *out, size_t len);
enum hpr_inflate_result hpr_inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last);

#endif
