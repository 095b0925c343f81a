/* SPDX-License-Identifier: MIT */
/* Deflate by libdeflate, for codec.c. It does whole blocks only: what comes piece by piece is zlib's, whose state it has
 * beside it. It allocates its states by itself (the functions that it does so with can be replaced for the whole process
 * only, which is not for a library to do), when a codec is made and never again. How much that is cannot be asked for;
 * what is stated here is what 1.14 takes, rounded up, and tests/unit/test_codec compares it with the one at hand. */
#include "codec_engine.h"

#ifdef HPR_LIBDEFLATE
#include <libdeflate.h>

#define LEVEL          1
#define DEFLATER_BYTES ((size_t)200 << 10) /* 202759 */
#define INFLATER_BYTES ((size_t)12 << 10)  /* 11560 */

/* ---- deflating ---- */

static struct hpr_codec_bytes deflater_bytes(const struct hpr_codec_params *params)
{
    struct hpr_codec_bytes bytes = hpr_codec_zlib.deflater_bytes(params);

    if (params->level != LEVEL) return (struct hpr_codec_bytes){ 0, 0 };
    bytes.own = DEFLATER_BYTES;
    return bytes;
}

static bool deflater_init(struct hpr_deflater *d)
{
    if (d->params.level != LEVEL || !hpr_codec_zlib.deflater_init(d)) return false;
    d->state = libdeflate_alloc_compressor(LEVEL);
    return d->state != NULL;
}

static void deflater_fini(struct hpr_deflater *d)
{
    libdeflate_free_compressor(d->state);
    d->state = NULL;
}

static size_t deflate_whole(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity)
{
    const size_t bytes = libdeflate_deflate_compress(d->state, in, len, out, capacity);

    return bytes < capacity ? bytes : 0;
}

/* ---- inflating ---- */

static struct hpr_codec_bytes inflater_bytes(int window_bits)
{
    struct hpr_codec_bytes bytes = hpr_codec_zlib.inflater_bytes(window_bits);

    bytes.own = INFLATER_BYTES;
    return bytes;
}

static bool inflater_init(struct hpr_inflater *i, int window_bits)
{
    if (!hpr_codec_zlib.inflater_init(i, window_bits)) return false;
    i->state = libdeflate_alloc_decompressor();
    return i->state != NULL;
}

static void inflater_fini(struct hpr_inflater *i)
{
    libdeflate_free_decompressor(i->state);
    i->state = NULL;
}

static void inflate_begin(struct hpr_inflater *i, void *out, size_t len)
{
    hpr_codec_zlib.inflate_begin(i, out, len);
    i->is_begun = false;
}

/* As many bytes as there is room for, and none of the input left. */
static enum hpr_inflate_result inflate_whole(struct hpr_inflater *i, const void *in, size_t len)
{
    size_t used = 0;
    const enum libdeflate_result res =
        libdeflate_deflate_decompress_ex(i->state, in, len, i->z.next_out, i->z.avail_out, &used, NULL);

    return res == LIBDEFLATE_SUCCESS && used == len ? HPR_INFLATE_DONE : HPR_INFLATE_BAD;
}

static enum hpr_inflate_result inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last)
{
    const bool is_whole = is_last && !i->is_begun;

    i->is_begun = true;
    return is_whole ? inflate_whole(i, in, len) : hpr_codec_zlib.inflate_step(i, in, len, is_last);
}

const struct hpr_codec_engine hpr_codec_libdeflate = {
    .deflater_bytes = deflater_bytes,
    .deflater_init  = deflater_init,
    .deflater_fini  = deflater_fini,
    .deflate        = deflate_whole,
    .deflate_begin  = hpr_codec_zlib_deflate_begin,
    .deflate_step   = hpr_codec_zlib_deflate_step,
    .inflater_bytes = inflater_bytes,
    .inflater_init  = inflater_init,
    .inflater_fini  = inflater_fini,
    .inflate_begin  = inflate_begin,
    .inflate_step   = inflate_step,
};

#else

/* ISO C wants something in every file. */
typedef int hpr_no_libdeflate;

#endif
