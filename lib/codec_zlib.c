/* SPDX-License-Identifier: MIT */
/* See codec.h. zlib's state comes from a slab inside the channel's arena, so that the memory budget holds by
 * construction. How much a state needs depends on the zlib at hand, so it is measured once, at open, with an allocator
 * that counts. zlib frees only at the end, and the slab is dropped as a whole, so "free" has nothing to do. */
#include "codec.h"

#include <stdlib.h>

#define SLAB_ALIGN 64

#define ISAL_LEVEL_MAX       3
#define ISAL_BLOCK_BYTES_MIN 32768 /* smaller blocks are those of small budgets, which zlib's state fits */

void *hpr_slab_take(struct hpr_slab *slab, size_t bytes)
{
    bytes = hpr_round_up(bytes, SLAB_ALIGN);
    if (bytes > slab->bytes - slab->used) return NULL;
    slab->used += bytes;
    return slab->base + slab->used - bytes;
}

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

    slab->used += hpr_round_up(bytes, SLAB_ALIGN);
    return calloc(1, bytes);
}

static void counting_free(voidpf opaque, voidpf ptr)
{
    (void)opaque;
    free(ptr);
}

struct hpr_codec_params hpr_codec_params(int level, size_t block_bytes, size_t window_max)
{
    struct hpr_codec_params params = { HPR_ENGINE_ZLIB, level, 15, 8 };
    size_t window                  = block_bytes / 2;

    if (level <= ISAL_LEVEL_MAX) params.engine = hpr_codec_inflate_engine(block_bytes);
    if (params.engine == HPR_ENGINE_ZLIB) window = hpr_min_size(window, window_max);
    while (params.window_bits > 10 && (size_t)1 << params.window_bits > window) {
        params.window_bits--;
        params.memory_level--;
    }
    return params;
}

enum hpr_engine hpr_codec_inflate_engine(size_t block_bytes)
{
    return HPR_HAS_ISAL && block_bytes >= ISAL_BLOCK_BYTES_MIN ? HPR_ENGINE_ISAL : HPR_ENGINE_ZLIB;
}

static int deflater_open(struct hpr_deflater *d, const struct hpr_codec_params *params)
{
    return deflateInit2(&d->z, params->level, Z_DEFLATED, -params->window_bits, params->memory_level,
                        Z_DEFAULT_STRATEGY);
}

size_t hpr_deflater_bytes(const struct hpr_codec_params *params)
{
    struct hpr_deflater d;

#if HPR_HAS_ISAL
    if (params->engine == HPR_ENGINE_ISAL) return hpr_isal_deflater_bytes(params->level);
#endif
    memset(&d, 0, sizeof d);
    d.z.zalloc = counting_alloc;
    d.z.zfree  = counting_free;
    d.z.opaque = &d.slab;
    if (deflater_open(&d, params) != Z_OK) return 0;
    (void)deflateEnd(&d.z);
    return d.slab.used;
}

/* An inflater makes its window when it first stops between two pieces: let it. */
size_t hpr_inflater_bytes(enum hpr_engine engine, int window_bits)
{
    static const unsigned char piece[] = { 0x00, 0x01, 0x00, 0xfe, 0xff, 'a' }; /* a stored block, and more to come */
    struct hpr_inflater i;
    unsigned char out[16];

#if HPR_HAS_ISAL
    if (engine == HPR_ENGINE_ISAL) return hpr_isal_inflater_bytes();
#endif
    (void)engine; /* there is no other */
    memset(&i, 0, sizeof i);
    i.z.zalloc = counting_alloc;
    i.z.zfree  = counting_free;
    i.z.opaque = &i.slab;
    if (inflateInit2(&i.z, -window_bits) != Z_OK) return 0;
    hpr_inflate_begin(&i, out, sizeof out);
    (void)hpr_inflate_step(&i, piece, sizeof piece, false);
    (void)inflateEnd(&i.z);
    return hpr_max_size(i.slab.used, hpr_round_up(((size_t)1 << window_bits) + 8192, SLAB_ALIGN));
}

hopper_status hpr_deflater_init(struct hpr_deflater *d, const struct hpr_codec_params *params, void *slab,
                                size_t slab_bytes)
{
    memset(d, 0, sizeof *d);
    d->params     = *params;
    d->slab.base  = slab;
    d->slab.bytes = slab_bytes;
#if HPR_HAS_ISAL
    if (params->engine == HPR_ENGINE_ISAL) return hpr_isal_deflater_init(d) ? HOPPER_OK : HOPPER_ENOMEM;
#endif
    d->z.zalloc = slab_alloc;
    d->z.zfree  = slab_free;
    d->z.opaque = &d->slab;
    return deflater_open(d, params) == Z_OK ? HOPPER_OK : HOPPER_ENOMEM;
}

hopper_status hpr_inflater_init(struct hpr_inflater *i, enum hpr_engine engine, int window_bits, void *slab,
                                size_t slab_bytes)
{
    memset(i, 0, sizeof *i);
    i->engine     = engine;
    i->slab.base  = slab;
    i->slab.bytes = slab_bytes;
#if HPR_HAS_ISAL
    if (engine == HPR_ENGINE_ISAL) return hpr_isal_inflater_init(i) ? HOPPER_OK : HOPPER_ENOMEM;
#endif
    i->z.zalloc = slab_alloc;
    i->z.zfree  = slab_free;
    i->z.opaque = &i->slab;
    return inflateInit2(&i->z, -window_bits) == Z_OK ? HOPPER_OK : HOPPER_ENOMEM;
}

void hpr_deflate_begin(struct hpr_deflater *d)
{
#if HPR_HAS_ISAL
    if (d->params.engine == HPR_ENGINE_ISAL) {
        hpr_isal_deflate_begin(d);
        return;
    }
#endif
    (void)deflateReset(&d->z); /* fails only for a state that was never made */
}

bool hpr_deflate_step(struct hpr_deflater *d, bool is_last)
{
    int res;

#if HPR_HAS_ISAL
    if (d->params.engine == HPR_ENGINE_ISAL) return hpr_isal_deflate_step(d, is_last);
#endif
    d->z.next_in   = (z_const Bytef *)(uintptr_t)d->flow.in;
    d->z.avail_in  = (uInt)d->flow.in_bytes;
    d->z.next_out  = d->flow.out;
    d->z.avail_out = (uInt)d->flow.out_bytes;
    res            = deflate(&d->z, is_last ? Z_FINISH : Z_NO_FLUSH);
    d->flow        = (struct hpr_flow){ d->z.next_in, d->z.avail_in, d->z.next_out, d->z.avail_out };
    return is_last ? res == Z_STREAM_END : d->z.avail_in == 0;
}

size_t hpr_deflate(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity)
{
#if HPR_HAS_ISAL
    if (d->params.engine == HPR_ENGINE_ISAL) return hpr_isal_deflate(d, in, len, out, capacity);
#endif
    hpr_deflate_begin(d);
    d->flow = (struct hpr_flow){ in, len, out, capacity };
    if (!hpr_deflate_step(d, true)) return 0;
    return capacity - d->flow.out_bytes < capacity ? capacity - d->flow.out_bytes : 0;
}

void hpr_inflate_begin(struct hpr_inflater *i, void *out, size_t len)
{
#if HPR_HAS_ISAL
    if (i->engine == HPR_ENGINE_ISAL) {
        hpr_isal_inflate_begin(i, out, len);
        return;
    }
#endif
    (void)inflateReset(&i->z);
    i->z.next_out  = out;
    i->z.avail_out = (uInt)len;
}

/* The last piece is given with Z_FINISH: zlib then makes no window, as it knows that it will not be asked again. */
enum hpr_inflate_result hpr_inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last)
{
    int res;

#if HPR_HAS_ISAL
    if (i->engine == HPR_ENGINE_ISAL) return hpr_isal_inflate_step(i, in, len, is_last);
#endif
    i->z.next_in  = (z_const Bytef *)(uintptr_t)in;
    i->z.avail_in = (uInt)len;
    res           = inflate(&i->z, is_last ? Z_FINISH : Z_NO_FLUSH);
    if (res == Z_STREAM_END)
        return i->z.avail_in == 0 && i->z.avail_out == 0 && is_last ? HPR_INFLATE_DONE : HPR_INFLATE_BAD;
    if (res != Z_OK && res != Z_BUF_ERROR) return HPR_INFLATE_BAD;
    return i->z.avail_in == 0 && !is_last ? HPR_INFLATE_MORE : HPR_INFLATE_BAD;
}
