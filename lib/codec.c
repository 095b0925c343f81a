/* SPDX-License-Identifier: MIT */
/* See codec.h: which engine there is for what. */
#include "codec_engine.h"

#define FAST_BLOCK_BYTES_MIN 32768 /* smaller blocks are those of small budgets, which zlib's state fits */
#define ISAL_LEVEL_MAX       3     /* it has no more */

/* It has more, but what they leave is larger than what zlib leaves, with the highest in more time as well; and their
 * state is two thirds of a MiB. */
#define LIBDEFLATE_LEVEL_MAX 1
#define LIBDEFLATE_ZLIB_PART 4 /* of what zlib may take alone, when it does only large records */

/* A window that has to slide less often is worth an eighth of zlib's rate: from here on it may be twice as large, and only
 * the tables are not. */
#define WINDOW_IS_AMPLE 16384

#define WINDOW_BITS_MIN  10
#define MEMORY_LEVEL_MIN 3 /* tables for a window of as many bits */

static const struct hpr_codec_engine *const engines[HPR_ENGINES] = {
    [HPR_ENGINE_ZLIB] = &hpr_codec_zlib,
#ifdef HPR_ISAL
    [HPR_ENGINE_ISAL] = &hpr_codec_isal,
#endif
#ifdef HPR_LIBDEFLATE
    [HPR_ENGINE_LIBDEFLATE] = &hpr_codec_libdeflate,
#endif
};

bool hpr_codec_has(enum hpr_engine engine)
{
    return engines[engine] != NULL;
}

void *hpr_slab_take(struct hpr_slab *slab, size_t bytes)
{
    bytes = hpr_round_up(bytes, HPR_CACHE_LINE);
    if (bytes > slab->bytes - slab->used) return NULL;
    slab->used += bytes;
    return slab->base + slab->used - bytes;
}

/* ---- which engine ---- */

static enum hpr_engine deflate_engine(int level, size_t block_bytes)
{
    if (block_bytes < FAST_BLOCK_BYTES_MIN) return HPR_ENGINE_ZLIB;
    if (hpr_codec_has(HPR_ENGINE_ISAL) && level <= ISAL_LEVEL_MAX) return HPR_ENGINE_ISAL;
    if (hpr_codec_has(HPR_ENGINE_LIBDEFLATE) && level <= LIBDEFLATE_LEVEL_MAX) return HPR_ENGINE_LIBDEFLATE;
    return HPR_ENGINE_ZLIB;
}

enum hpr_engine hpr_codec_inflate_engine(size_t block_bytes)
{
    if (block_bytes < FAST_BLOCK_BYTES_MIN) return HPR_ENGINE_ZLIB;
    if (hpr_codec_has(HPR_ENGINE_ISAL)) return HPR_ENGINE_ISAL;
    return hpr_codec_has(HPR_ENGINE_LIBDEFLATE) ? HPR_ENGINE_LIBDEFLATE : HPR_ENGINE_ZLIB;
}

struct hpr_codec_params hpr_codec_params(int level, size_t block_bytes, size_t window_max)
{
    struct hpr_codec_params params = { deflate_engine(level, block_bytes), level, 15, 8 };
    size_t window                  = block_bytes / 2;
    size_t tables;

    if (params.engine == HPR_ENGINE_ISAL) window_max = SIZE_MAX; /* its state is always the same */
    if (params.engine == HPR_ENGINE_LIBDEFLATE) window_max /= LIBDEFLATE_ZLIB_PART;
    tables = hpr_min_size(window, window_max);
    if (params.engine == HPR_ENGINE_ZLIB && tables >= WINDOW_IS_AMPLE) window = hpr_min_size(window, 2 * tables);
    else window = tables;
    while (params.window_bits > WINDOW_BITS_MIN && (size_t)1 << params.window_bits > window) params.window_bits--;
    while (params.memory_level > MEMORY_LEVEL_MIN && (size_t)1 << (params.memory_level + 7) > tables)
        params.memory_level--;
    return params;
}

/* ---- as the engine does it ---- */

struct hpr_codec_bytes hpr_deflater_bytes(const struct hpr_codec_params *params)
{
    return engines[params->engine]->deflater_bytes(params);
}

struct hpr_codec_bytes hpr_inflater_bytes(enum hpr_engine engine, int window_bits)
{
    return engines[engine]->inflater_bytes(window_bits);
}

hopper_status hpr_deflater_init(struct hpr_deflater *d, const struct hpr_codec_params *params, void *slab,
                                size_t slab_bytes)
{
    memset(d, 0, sizeof *d);
    d->params     = *params;
    d->slab.base  = slab;
    d->slab.bytes = slab_bytes;
    return engines[params->engine]->deflater_init(d) ? HOPPER_OK : HOPPER_ENOMEM;
}

hopper_status hpr_inflater_init(struct hpr_inflater *i, enum hpr_engine engine, int window_bits, void *slab,
                                size_t slab_bytes)
{
    memset(i, 0, sizeof *i);
    i->engine     = engine;
    i->slab.base  = slab;
    i->slab.bytes = slab_bytes;
    return engines[engine]->inflater_init(i, window_bits) ? HOPPER_OK : HOPPER_ENOMEM;
}

void hpr_deflater_fini(struct hpr_deflater *d)
{
    if (engines[d->params.engine]->deflater_fini) engines[d->params.engine]->deflater_fini(d);
}

void hpr_inflater_fini(struct hpr_inflater *i)
{
    if (engines[i->engine]->inflater_fini) engines[i->engine]->inflater_fini(i);
}

size_t hpr_deflate(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity)
{
    return engines[d->params.engine]->deflate(d, in, len, out, capacity);
}

void hpr_deflate_begin(struct hpr_deflater *d)
{
    engines[d->params.engine]->deflate_begin(d);
}

bool hpr_deflate_step(struct hpr_deflater *d, bool is_last)
{
    return engines[d->params.engine]->deflate_step(d, is_last);
}

void hpr_inflate_begin(struct hpr_inflater *i, void *out, size_t len)
{
    engines[i->engine]->inflate_begin(i, out, len);
}

enum hpr_inflate_result hpr_inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last)
{
    return engines[i->engine]->inflate_step(i, in, len, is_last);
}
