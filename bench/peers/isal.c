/* SPDX-License-Identifier: MIT */
/* ISA-L's igzip as a bare codec: see codec.h. It has the levels 1 to 3 (and 0, which deflates as well). */
#include "codec.h"

#include <isa-l/igzip_lib.h>

static const uint32_t level_bytes[] = { ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT,
                                        ISAL_DEF_LVL3_DEFAULT };
static struct {
    struct isal_zstream deflate;
    struct inflate_state inflate;
    uint8_t *buffer;
    int level;
} igzip;

static const char *codec_name(int level)
{
    return level <= 3 ? "bare-isal-limit" : NULL;
}

static void codec_open(int level)
{
    igzip.level  = level;
    igzip.buffer = bench_alloc(level_bytes[level], 1);
}

static void codec_close(void)
{
    free(igzip.buffer);
}

static size_t codec_deflate(const char *in, size_t raw, char *out)
{
    struct isal_zstream *z = &igzip.deflate;

    isal_deflate_stateless_init(z);
    z->level          = (uint32_t)igzip.level;
    z->level_buf      = igzip.buffer;
    z->level_buf_size = level_bytes[igzip.level];
    z->gzip_flag      = IGZIP_DEFLATE;
    z->end_of_stream  = 1;
    z->flush          = NO_FLUSH;
    z->next_in        = (uint8_t *)in;
    z->avail_in       = (uint32_t)raw;
    z->next_out       = (uint8_t *)out;
    z->avail_out      = (uint32_t)ROOM_BYTES;
    if (isal_deflate_stateless(z) != COMP_OK) bench_die("isal_deflate_stateless", "no room");
    return z->total_out;
}

static void codec_inflate(const char *in, size_t len, char *out, size_t raw)
{
    struct inflate_state *z = &igzip.inflate;

    isal_inflate_init(z);
    z->crc_flag  = ISAL_DEFLATE;
    z->next_in   = (uint8_t *)in;
    z->avail_in  = (uint32_t)len;
    z->next_out  = (uint8_t *)out;
    z->avail_out = (uint32_t)BLOCK_BYTES;
    if (isal_inflate_stateless(z) != ISAL_DECOMP_OK || z->total_out != raw)
        bench_die("isal_inflate_stateless", "damaged");
}

CODEC_PEER;
