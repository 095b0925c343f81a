/* SPDX-License-Identifier: MIT */
/* What an engine of deflate is to codec.c. Each has a file of its own, codec_ENGINE.c, which is empty where the engine
 * is not built in. */
#ifndef HPR_CODEC_ENGINE_H
#define HPR_CODEC_ENGINE_H

#include "codec.h"

/* The functions of codec.h for one engine. Initialisers find params, or engine, and the slab set, all else zero. */
struct hpr_codec_engine {
    struct hpr_codec_bytes (*deflater_bytes)(const struct hpr_codec_params *params);
    bool (*deflater_init)(struct hpr_deflater *d);
    void (*deflater_fini)(struct hpr_deflater *d); /* NULL: nothing to release */
    size_t (*deflate)(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity);
    void (*deflate_begin)(struct hpr_deflater *d);
    bool (*deflate_step)(struct hpr_deflater *d, bool is_last);

    struct hpr_codec_bytes (*inflater_bytes)(int window_bits);
    bool (*inflater_init)(struct hpr_inflater *i, int window_bits);
    void (*inflater_fini)(struct hpr_inflater *i); /* NULL: nothing to release */
    void (*inflate_begin)(struct hpr_inflater *i, void *out, size_t len);
    enum hpr_inflate_result (*inflate_step)(struct hpr_inflater *i, const void *in, size_t len, bool is_last);
};

extern const struct hpr_codec_engine hpr_codec_zlib;

/* zlib's, for an engine that does whole blocks only. */
void hpr_codec_zlib_deflate_begin(struct hpr_deflater *d);
bool hpr_codec_zlib_deflate_step(struct hpr_deflater *d, bool is_last);

#ifdef HPR_ISAL
extern const struct hpr_codec_engine hpr_codec_isal;
#endif

#ifdef HPR_LIBDEFLATE
extern const struct hpr_codec_engine hpr_codec_libdeflate;
#endif

/* BYTES of SLAB, aligned as it is; NULL when they are not there. */
void *hpr_slab_take(struct hpr_slab *slab, size_t bytes);

#endif
