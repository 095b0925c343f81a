/* SPDX-License-Identifier: MIT */
/* libdeflate as a bare codec: see codec.h. It works on whole blocks only, which is all that is asked for here. */
#include "codec.h"

#include <libdeflate.h>

static struct libdeflate_compressor *deflater;
static struct libdeflate_decompressor *inflater;

static const char *codec_name(int level)
{
    (void)level;
    return "bare-libdeflate-limit";
}

static void codec_open(int level)
{
    deflater = libdeflate_alloc_compressor(level);
    inflater = libdeflate_alloc_decompressor();
    if (deflater == NULL || inflater == NULL) bench_die("libdeflate", "no memory");
}

static void codec_close(void)
{
    libdeflate_free_compressor(deflater);
    libdeflate_free_decompressor(inflater);
}

static size_t codec_deflate(const char *in, size_t raw, char *out)
{
    size_t len = libdeflate_deflate_compress(deflater, in, raw, out, ROOM_BYTES);

    if (len == 0) bench_die("libdeflate_deflate_compress", "no room");
    return len;
}

static void codec_inflate(const char *in, size_t len, char *out, size_t raw)
{
    if (libdeflate_deflate_decompress(inflater, in, len, out, raw, NULL) != LIBDEFLATE_SUCCESS)
        bench_die("libdeflate_deflate_decompress", "damaged");
}

CODEC_PEER;
