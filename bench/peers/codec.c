/* SPDX-License-Identifier: MIT */
/* zlib as a bare codec: see codec.h. */
#include "codec.h"

#include <zlib.h>

static z_stream deflater;
static z_stream inflater;

static const char *codec_name(int level)
{
    (void)level;
    return "bare-zlib-limit";
}

static void codec_open(int level)
{
    if (deflateInit2(&deflater, level, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY) != Z_OK)
        bench_die("deflateInit2", "failed");
    if (inflateInit2(&inflater, -MAX_WBITS) != Z_OK) bench_die("inflateInit2", "failed");
}

static void codec_close(void)
{
    deflateEnd(&deflater);
    inflateEnd(&inflater);
}

static size_t codec_deflate(const char *in, size_t raw, char *out)
{
    deflateReset(&deflater);
    deflater.next_in   = (Bytef *)in;
    deflater.avail_in  = (uInt)raw;
    deflater.next_out  = (Bytef *)out;
    deflater.avail_out = ROOM_BYTES;
    if (deflate(&deflater, Z_FINISH) != Z_STREAM_END) bench_die("deflate", "no room");
    return ROOM_BYTES - deflater.avail_out;
}

static void codec_inflate(const char *in, size_t len, char *out, size_t raw)
{
    inflateReset(&inflater);
    inflater.next_in   = (Bytef *)in;
    inflater.avail_in  = (uInt)len;
    inflater.next_out  = (Bytef *)out;
    inflater.avail_out = BLOCK_BYTES;
    if (inflate(&inflater, Z_FINISH) != Z_STREAM_END || BLOCK_BYTES - inflater.avail_out != raw)
        bench_die("inflate", "damaged");
}

CODEC_PEER;
