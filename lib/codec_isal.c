/* SPDX-License-Identifier: MIT */
/* Deflate by ISA-L, for codec.c. Its states are structs that the caller provides, so they stand in the slab as they
 * are; what stream each step belongs to is in them, and nothing is allocated. What does not fit into the room for it is
 * the caller's to store; what does not inflate to exactly the bytes asked for is bad, as with zlib. */
#include "codec_engine.h"

#ifdef HPR_ISAL
#include <isa-l/igzip_lib.h>

/* Room for 16 Ki tokens (literals and matches) at a time: a block of 64 KiB that shrinks well has no more. */
static size_t buffer_bytes(int level)
{
    return level == 1 ? ISAL_DEF_LVL1_SMALL : level == 2 ? ISAL_DEF_LVL2_SMALL : ISAL_DEF_LVL3_SMALL;
}

/* The buffer stands behind the stream. */
#define STREAM_BYTES (hpr_round_up(sizeof(struct isal_zstream), HPR_CACHE_LINE))

static struct hpr_codec_bytes deflater_bytes(const struct hpr_codec_params *params)
{
    if (params->level < 1 || params->level > 3) return (struct hpr_codec_bytes){ 0, 0 };
    return (struct hpr_codec_bytes){ STREAM_BYTES + hpr_round_up(buffer_bytes(params->level), HPR_CACHE_LINE), 0 };
}

static bool deflater_init(struct hpr_deflater *d)
{
    d->state = hpr_slab_take(&d->slab, deflater_bytes(&d->params).slab);
    return d->state != NULL;
}

/* ---- deflating ---- */

/* What the initialisers of ISA-L leave at its defaults. */
static void set_params(struct hpr_deflater *d)
{
    struct isal_zstream *s = d->state;

    s->level          = (uint32_t)d->params.level;
    s->level_buf      = (uint8_t *)d->state + STREAM_BYTES;
    s->level_buf_size = (uint32_t)buffer_bytes(d->params.level);
    s->hist_bits      = (uint16_t)d->params.window_bits;
}

static size_t deflate_whole(struct hpr_deflater *d, const void *in, size_t len, void *out, size_t capacity)
{
    struct isal_zstream *s = d->state;

    isal_deflate_stateless_init(s);
    set_params(d);
    s->end_of_stream = 1;
    s->flush         = NO_FLUSH;
    s->next_in       = (uint8_t *)(uintptr_t)in;
    s->avail_in      = (uint32_t)len;
    s->next_out      = out;
    s->avail_out     = (uint32_t)capacity;
    if (isal_deflate_stateless(s) != COMP_OK || s->avail_in > 0 || s->avail_out == 0) return 0;
    return capacity - s->avail_out;
}

static void deflate_begin(struct hpr_deflater *d)
{
    isal_deflate_init(d->state);
    set_params(d);
}

static bool deflate_step(struct hpr_deflater *d, bool is_last)
{
    struct isal_zstream *s = d->state;

    s->end_of_stream = is_last;
    s->flush         = NO_FLUSH;
    s->next_in       = (uint8_t *)(uintptr_t)d->flow.in;
    s->avail_in      = (uint32_t)d->flow.in_bytes;
    s->next_out      = d->flow.out;
    s->avail_out     = (uint32_t)d->flow.out_bytes;
    (void)isal_deflate(s); /* fails only for parameters that it does not know */
    d->flow = (struct hpr_flow){ s->next_in, s->avail_in, s->next_out, s->avail_out };
    return is_last ? s->internal_state.state == ZSTATE_END : s->avail_in == 0;
}

/* ---- inflating ---- */

static struct hpr_codec_bytes inflater_bytes(int window_bits)
{
    (void)window_bits; /* always the largest */
    return (struct hpr_codec_bytes){ hpr_round_up(sizeof(struct inflate_state), HPR_CACHE_LINE), 0 };
}

static bool inflater_init(struct hpr_inflater *i, int window_bits)
{
    i->state = hpr_slab_take(&i->slab, inflater_bytes(window_bits).slab);
    return i->state != NULL;
}

static void inflate_begin(struct hpr_inflater *i, void *out, size_t len)
{
    struct inflate_state *s = i->state;

    isal_inflate_init(s);
    s->next_out  = out;
    s->avail_out = (uint32_t)len;
    i->is_begun  = false;
}

/* Every byte of input was needed: none is left, nor a whole one among the bits that were read ahead. */
static bool is_used_up(const struct inflate_state *s)
{
    return s->avail_in == 0 && s->read_in_length < 8;
}

/* A stream that comes in one piece is inflated straight to where it belongs, without a window. */
static enum hpr_inflate_result inflate_step(struct hpr_inflater *i, const void *in, size_t len, bool is_last)
{
    struct inflate_state *s = i->state;
    int res;

    s->next_in  = (uint8_t *)(uintptr_t)in;
    s->avail_in = (uint32_t)len;
    res         = is_last && !i->is_begun ? isal_inflate_stateless(s) : isal_inflate(s);
    i->is_begun = true;
    if (s->block_state == ISAL_BLOCK_FINISH)
        return res == ISAL_DECOMP_OK && is_last && is_used_up(s) && s->avail_out == 0 ? HPR_INFLATE_DONE
                                                                                      : HPR_INFLATE_BAD;
    if (res != ISAL_DECOMP_OK && res != ISAL_END_INPUT) return HPR_INFLATE_BAD;
    return s->avail_in == 0 && !is_last ? HPR_INFLATE_MORE : HPR_INFLATE_BAD;
}

const struct hpr_codec_engine hpr_codec_isal = {
    .deflater_bytes = deflater_bytes,
    .deflater_init  = deflater_init,
    .deflate        = deflate_whole,
    .deflate_begin  = deflate_begin,
    .deflate_step   = deflate_step,
    .inflater_bytes = inflater_bytes,
    .inflater_init  = inflater_init,
    .inflate_begin  = inflate_begin,
    .inflate_step   = inflate_step,
};

#else

/* ISO C wants something in every file. */
typedef int hpr_no_isal;

#endif
