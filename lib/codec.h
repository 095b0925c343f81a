/* SPDX-License-Identifier: MIT */
/* Raw deflate of blocks, in memory that the caller provides once: no allocation per block. Pure.
 *
 * Two engines write and read the same format: zlib, which is always there, and ISA-L (configure --with-deflate),
 * several times as fast, which has levels 1 to 3 only and whose state does not fit the smallest budgets. */
#ifndef HPR_CODEC_H
#define HPR_CODEC_H

#include <zlib.h>

#include "base.h"

enum hpr_engine { HPR_ENGINE_ZLIB, HPR_ENGINE_ISAL };

#ifdef HPR_ISAL
#define HPR_HAS_ISAL 1
#else
#define HPR_HAS_ISAL 0
#endif

/* An engine's memory, handed out from one piece and taken back as a whole. */
struct hpr_slab {
    unsigned char *base;
    size_t bytes;
    size_t used;
};

/* What is left of input and of room for output. */
struct hpr_flow {
    const unsigned char *in;
    size_t in_bytes;
    unsigned char *out;
    size_t out_bytes;
};

/* Which deflate this is: WINDOW_BITS 9 to 15, MEMORY_LEVEL 1 to 9, as zlib's deflateInit2. */
struct hpr_codec_params {
    enum hpr_engine engine;
    int level;
    int window_bits;
    int memory_level; /* of zlib */
};

struct hpr_deflater {
    struct hpr_codec_params params;
    struct hpr_flow flow;
    z_stream z;                /* HPR_ENGINE_ZLIB */
    struct isal_zstream *isal; /* HPR_ENGINE_ISAL; in the slab, as is the next */
    unsigned char *isal_buffer;
    struct hpr_slab slab;
};

struct hpr_inflater {
    enum hpr_engine engine;
    z_stream z;                 /* HPR_ENGINE_ZLIB */
    struct inflate_state *isal; /* HPR_ENGINE_ISAL; in the slab */
    bool is_begun;              /* HPR_ENGINE_ISAL: a step of this stream was made */
    struct hpr_slab slab;
};

/* More than any deflater needs. */
#define HPR_DEFLATER_BYTES_MAX ((size_t)400 << 10)

/* Parameters for blocks of BLOCK_BYTES at LEVEL 1 to 9: a window of half a block, 32 KiB at the most; and with zlib,
 * whose state is eight times its window, WINDOW_MAX at the most. */
struct hpr_codec_params hpr_codec_params(int level, size_t block_bytes, size_t window_max);

/* The engine to inflate with where blocks are of BLOCK_BYTES, whichever engine deflated. */
enum hpr_engine hpr_codec_inflate_engine(size_t block_bytes);

/* Bytes of slab that a deflater with PARAMS, or an inflater with WINDOW_BITS, needs; asks zlib itself. 0: it
 * refuses. */
size_t hpr_deflater_bytes(const struct hpr_codec_params *params);
size_t hpr_inflater_bytes(enum hpr_engine engine, int window_bits);

/* Make one in SLAB, of as many bytes as was asked for above. There is nothing to release. */
hopper_status hpr_deflater_init(struct hpr_deflater *d, const struct hpr_codec_params *params, void *slab,
                                size_t slab_bytes);
hopper_status hpr_inflater_init(struct hpr_inflater *i, enum hpr_engine engine, int window_bits, void *slab,
                                size_t slab_bytes);

/* Deflate LEN bytes at IN whole. Returns the bytes written to OUT; 0 when they are not fewer than CAPACITY, or with
 * ISA-L, which wants some room to work in, not fewer by HPR_ISAL_SLACK. */
#define HPR_ISAL_SLACK 64
size_t hpr_deflate(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity);

/* Deflate piece by piece: begin, then put input and room for output into d->flow, and step with IS_LAST for the last
 * piece until it says that all is out. A piece is at most a gigabyte: the engines count in 32 bits. */
void hpr_deflate_begin(struct hpr_deflater *d);
bool hpr_deflate_step(struct hpr_deflater *d, bool is_last); /* true: input used up and, if last, all written */

/* Inflate piece by piece to the LEN bytes at OUT: begin, then step with each piece of input. */
enum hpr_inflate_result { HPR_INFLATE_MORE, HPR_INFLATE_DONE, HPR_INFLATE_BAD };
void hpr_inflate_begin(struct hpr_inflater *i, void *out, size_t len);
enum hpr_inflate_result hpr_inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last);

/* ---- codec_isal.c, compiled where HPR_HAS_ISAL: the same with ISA-L ---- */

size_t hpr_isal_deflater_bytes(int level);
size_t hpr_isal_inflater_bytes(void);
bool hpr_isal_deflater_init(struct hpr_deflater *d);
bool hpr_isal_inflater_init(struct hpr_inflater *i);
size_t hpr_isal_deflate(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity);
void hpr_isal_deflate_begin(struct hpr_deflater *d);
bool hpr_isal_deflate_step(struct hpr_deflater *d, bool is_last);
void hpr_isal_inflate_begin(struct hpr_inflater *i, void *out, size_t len);
enum hpr_inflate_result hpr_isal_inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last);

/* BYTES of SLAB, aligned as it is; NULL when they are not there. */
void *hpr_slab_take(struct hpr_slab *slab, size_t bytes);

#endif
