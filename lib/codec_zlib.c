/* SPDX-License-Identifier: MIT */
/* Deflate by zlib, for codec.c. Its state comes from a slab inside the channel's arena, so that the memory budget holds
 * by construction. How much a state needs depends on the zlib at hand, so it is measured once, at open, with an
 * allocator that counts. zlib frees only at the end, and the slab is dropped as a whole, so "free" has nothing to do. */
#include <stdlib.h>

#include "codec_engine.h"

static voidpf slab_alloc(voidpf opaque, uInt items, uInt size)
{
    return hpr_slab_take(opaque, (size_t)items * size);
}

static void slab_free(voidpf opaque, voidpf ptr)
{
    (void)opaque, (void)ptr;
}

static voidpf counting_alloc(voidpf opaque, uInt items, uInt size)
{
    struct hpr_slab *slab = opaque;
    size_t bytes          = (size_t)items * size;

    slab->used += hpr_round_up(bytes, HPR_CACHE_LINE);
    return calloc(1, bytes);
}

static void counting_free(voidpf opaque, voidpf ptr)
{
    (void)opaque;
    free(ptr);
}

/* ---- deflating ---- */

static int deflater_open(struct hpr_deflater *d, const struct hpr_codec_params *params)
{
    return deflateInit2(&d->z, params->level, Z_DEFLATED, -params->window_bits, params->memory_level,
                        Z_DEFAULT_STRATEGY);
}

static struct hpr_codec_bytes deflater_bytes(const struct hpr_codec_params *params)
{
    struct hpr_deflater d;

    memset(&d, 0, sizeof d);
    d.z.zalloc = counting_alloc;
    d.z.zfree  = counting_free;
    d.z.opaque = &d.slab;
    if (deflater_open(&d, params) != Z_OK) return (struct hpr_codec_bytes){ 0, 0 };
    (void)deflateEnd(&d.z);
    return (struct hpr_codec_bytes){ d.slab.used, 0 };
}

static bool deflater_init(struct hpr_deflater *d)
{
    d->z.zalloc = slab_alloc;
    d->z.zfree  = slab_free;
    d->z.opaque = &d->slab;
    return deflater_open(d, &d->params) == Z_OK;
}

void hpr_codec_zlib_deflate_begin(struct hpr_deflater *d)
{
    (void)deflateReset(&d->z); /* fails only for a state that was never made */
}

bool hpr_codec_zlib_deflate_step(struct hpr_deflater *d, bool is_last)
{
    int res;

    d->z.next_in   = (z_const Bytef *)(uintptr_t)d->flow.in;
    d->z.avail_in  = (uInt)d->flow.in_bytes;
    d->z.next_out  = d->flow.out;
    d->z.avail_out = (uInt)d->flow.out_bytes;
    res            = deflate(&d->z, is_last ? Z_FINISH : Z_NO_FLUSH);
    d->flow        = (struct hpr_flow){ d->z.next_in, d->z.avail_in, d->z.next_out, d->z.avail_out };
    return is_last ? res == Z_STREAM_END : d->z.avail_in == 0;
}

static size_t deflate_whole(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity)
{
    hpr_codec_zlib_deflate_begin(d);
    d->flow = (struct hpr_flow){ in, len, out, capacity };
    if (!hpr_codec_zlib_deflate_step(d, true)) return 0;
    return capacity - d->flow.out_bytes < capacity ? capacity - d->flow.out_bytes : 0;
}

/* ---- inflating ---- */

static void inflate_begin(struct hpr_inflater *i, void *out, size_t len)
{
    (void)inflateReset(&i->z);
    i->z.next_out  = out;
    i->z.avail_out = (uInt)len;
}

/* The last piece is given with Z_FINISH: zlib then makes no window, as it knows that it will not be asked again. */
static enum hpr_inflate_result inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last)
{
    int res;

    i->z.next_in  = (z_const Bytef *)(uintptr_t)in;
    i->z.avail_in = (uInt)len;
    res           = inflate(&i->z, is_last ? Z_FINISH : Z_NO_FLUSH);
    if (res == Z_STREAM_END)
        return i->z.avail_in == 0 && i->z.avail_out == 0 && is_last ? HPR_INFLATE_DONE : HPR_INFLATE_BAD;
    if (res != Z_OK && res != Z_BUF_ERROR) return HPR_INFLATE_BAD;
    return i->z.avail_in == 0 && !is_last ? HPR_INFLATE_MORE : HPR_INFLATE_BAD;
}

/* An inflater makes its window when it first stops between two pieces: let it. */
static struct hpr_codec_bytes inflater_bytes(int window_bits)
{
    static const unsigned char piece[] = { 0x00, 0x01, 0x00, 0xfe, 0xff, 'a' }; /* a stored block, and more to come */
    struct hpr_inflater i;
    unsigned char out[16];

    memset(&i, 0, sizeof i);
    i.z.zalloc = counting_alloc;
    i.z.zfree  = counting_free;
    i.z.opaque = &i.slab;
    if (inflateInit2(&i.z, -window_bits) != Z_OK) return (struct hpr_codec_bytes){ 0, 0 };
    inflate_begin(&i, out, sizeof out);
    (void)inflate_step(&i, piece, sizeof piece, false);
    (void)inflateEnd(&i.z);
    return (struct hpr_codec_bytes){
        hpr_max_size(i.slab.used, hpr_round_up(((size_t)1 << window_bits) + 8192, HPR_CACHE_LINE)), 0
    };
}

static bool inflater_init(struct hpr_inflater *i, int window_bits)
{
    i->z.zalloc = slab_alloc;
    i->z.zfree  = slab_free;
    i->z.opaque = &i->slab;
    return inflateInit2(&i->z, -window_bits) == Z_OK;
}

const struct hpr_codec_engine hpr_codec_zlib = {
    .deflater_bytes = deflater_bytes,
    .deflater_init  = deflater_init,
    .deflate        = deflate_whole,
    .deflate_begin  = hpr_codec_zlib_deflate_begin,
    .deflate_step   = hpr_codec_zlib_deflate_step,
    .inflater_bytes = inflater_bytes,
    .inflater_init  = inflater_init,
    .inflate_begin  = inflate_begin,
    .inflate_step   = inflate_step,
};
