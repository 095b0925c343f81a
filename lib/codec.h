/* SPDX-License-Identifier: MIT */
/* Raw deflate of blocks, in memory that the caller provides once: no allocation per block. Pure.
 *
 * All engines write and read the same format: zlib, which is always there; and beside it, as configure --with-deflate
 * says, ISA-L, several times as fast, which has levels 1 to 3 only; or libdeflate, in between, for level 1, which does
 * whole blocks only, so that zlib does large records, and has to allocate its states by itself. */
#ifndef HPR_CODEC_H
#define HPR_CODEC_H

#include <zlib.h>

#include "base.h"

enum hpr_engine { HPR_ENGINE_ZLIB, HPR_ENGINE_ISAL, HPR_ENGINE_LIBDEFLATE, HPR_ENGINES };

/* An engine's memory, handed out from one piece and taken back as a whole. */
struct hpr_slab {
    unsigned char *base;
    size_t bytes;
    size_t used;
};

/* What an engine's state takes: bytes of the slab, and bytes that it allocates by itself; these count as well. */
struct hpr_codec_bytes {
    size_t slab; /* 0: the engine refuses */
    size_t own;
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
    z_stream z;  /* zlib, libdeflate */
    void *state; /* ISA-L: in the slab; libdeflate: its own; else NULL */
    struct hpr_slab slab;
};

struct hpr_inflater {
    enum hpr_engine engine;
    z_stream z;    /* zlib, libdeflate */
    void *state;   /* as above */
    bool is_begun; /* ISA-L, libdeflate: a step of this stream was made */
    struct hpr_slab slab;
};

/* More of a slab than any deflater needs. */
#define HPR_DEFLATER_BYTES_MAX ((size_t)400 << 10)

/* Whether ENGINE is built in. */
bool hpr_codec_has(enum hpr_engine engine);

/* Parameters for blocks of BLOCK_BYTES at LEVEL 1 to 9, with the fastest engine that there is for them: a window of
 * half a block, 32 KiB at the most; and with zlib, whose state is eight times its window, WINDOW_MAX at the most, or
 * twice that from 16 KiB on, with tables for the half of it. */
struct hpr_codec_params hpr_codec_params(int level, size_t block_bytes, size_t window_max);

/* The engine to inflate with where blocks are of BLOCK_BYTES, whichever engine deflated. */
enum hpr_engine hpr_codec_inflate_engine(size_t block_bytes);

/* What a deflater with PARAMS needs, or an inflater of streams with a window of WINDOW_BITS at the most. What libdeflate
 * deflates has one of 15, and comes whole; with it, as with ISA-L, WINDOW_BITS is of what comes in pieces. */
struct hpr_codec_bytes hpr_deflater_bytes(const struct hpr_codec_params *params);
struct hpr_codec_bytes hpr_inflater_bytes(enum hpr_engine engine, int window_bits);

/* Make one in SLAB, of as many bytes as was asked for above. HOPPER_ENOMEM: too few, or the engine gets none itself. */
hopper_status hpr_deflater_init(struct hpr_deflater *d, const struct hpr_codec_params *params, void *slab,
                                size_t slab_bytes);
hopper_status hpr_inflater_init(struct hpr_inflater *i, enum hpr_engine engine, int window_bits, void *slab,
                                size_t slab_bytes);

/* Release what an engine allocated by itself; the slab is the caller's. Also for one that could not be made, or that is
 * all zeros. */
void hpr_deflater_fini(struct hpr_deflater *d);
void hpr_inflater_fini(struct hpr_inflater *i);

/* Deflate LEN bytes at IN whole. Returns the bytes written to OUT; 0 when they are not fewer than CAPACITY, or with
 * engines but zlib, which want some room to work in, not fewer by HPR_DEFLATE_SLACK. */
#define HPR_DEFLATE_SLACK 64
size_t hpr_deflate(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity);

/* Deflate piece by piece: begin, then put input and room for output into d->flow, and step with IS_LAST for the last
 * piece until it says that all is out. A piece is at most a gigabyte: the engines count in 32 bits. */
void hpr_deflate_begin(struct hpr_deflater *d);
bool hpr_deflate_step(struct hpr_deflater *d, bool is_last); /* true: input used up and, if last, all written */

/* Inflate piece by piece to the LEN bytes at OUT: begin, then step with each piece of input. */
enum hpr_inflate_result { HPR_INFLATE_MORE, HPR_INFLATE_DONE, HPR_INFLATE_BAD };
void hpr_inflate_begin(struct hpr_inflater *i, void *out, size_t len);
enum hpr_inflate_result hpr_inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last);

#endif
