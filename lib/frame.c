/* SPDX-License-Identifier: MIT */
/* See frame.h and docs/format.md. Nothing here trusts its input: a header counts only when its checksum is right, and
 * the numbers in it that later code relies on are checked against each other here. */
#include "frame.h"

#if defined HPR_ISAL
#include <isa-l/crc.h>
#elif defined HPR_LIBDEFLATE
#include <libdeflate.h>
#else
#include <zlib.h>
#endif

#include "bytes.h"

#define FRAME_MAGIC  0x48514652U /* "HQFR" */
#define FOOTER_MAGIC 0x48514654U /* "HQFT" */
#define TABLE_MAGIC  0x48514650U /* "HQFP" */
#define HAS_TABLE    1U

static const unsigned char file_magic[8] = { 0x89, 'H', 'Q', 'F', '\r', '\n', 0x1a, '\n' };

uint32_t hpr_crc32(uint32_t crc, const void *data, size_t len)
{
#if defined HPR_ISAL /* the same by carry-less multiplication: five times as fast */
    return crc32_gzip_refl(crc, data, len);
#elif defined HPR_LIBDEFLATE
    return libdeflate_crc32(crc, data, len);
#else
    return (uint32_t)crc32_z(crc, data, len);
#endif
}

/* The checksum of the N bytes at IN as a header at PLACE. */
static uint32_t placed_crc(const unsigned char *in, size_t n, const struct hpr_frame_place *place)
{
    unsigned char where[HPR_CHANNEL_ID_BYTES + 16];

    memcpy(where, place->channel_id, HPR_CHANNEL_ID_BYTES);
    hpr_put_u64(where + HPR_CHANNEL_ID_BYTES, place->number);
    hpr_put_u64(where + HPR_CHANNEL_ID_BYTES + 8, place->offset);
    return hpr_crc32(hpr_crc32(0, where, sizeof where), in, n);
}

void hpr_frame_put_file_header(unsigned char *out, const struct hpr_file_header *h)
{
    memset(out, 0, HPR_FILE_HEADER_BYTES);
    memcpy(out, file_magic, sizeof file_magic);
    hpr_put_u16(out + 8, HOPPER_FORMAT_VERSION);
    hpr_put_u16(out + 10, HPR_FILE_HEADER_BYTES);
    out[12] = h->survive;
    out[13] = h->content;
    out[15] = h->has_table ? HAS_TABLE : 0;
    memcpy(out + 16, h->channel_id, HPR_CHANNEL_ID_BYTES);
    hpr_put_u64(out + 32, h->number);
    hpr_put_u64(out + 40, h->first_seq);
    hpr_put_u64(out + 48, h->stream_offset);
    hpr_put_u64(out + 56, h->record_offset);
    hpr_put_u32(out + 64, h->raw_max);
    hpr_put_u32(out + 68, hpr_crc32(0, out, 68));
}

enum hpr_file_verdict hpr_frame_get_file_header(const unsigned char *in, size_t len, struct hpr_file_header *h)
{
    memset(h, 0, sizeof *h);
    if (len < 10 || memcmp(in, file_magic, sizeof file_magic) != 0) return HPR_FILE_FOREIGN;
    if (hpr_get_u16(in + 8) > HOPPER_FORMAT_VERSION) return HPR_FILE_NEWER;
    if (len < HPR_FILE_HEADER_BYTES || hpr_get_u32(in + 68) != hpr_crc32(0, in, 68) ||
        hpr_get_u16(in + 8) != HOPPER_FORMAT_VERSION || hpr_get_u16(in + 10) != HPR_FILE_HEADER_BYTES)
        return HPR_FILE_DAMAGED;
    h->survive   = in[12];
    h->content   = in[13];
    h->has_table = in[15] & HAS_TABLE;
    memcpy(h->channel_id, in + 16, HPR_CHANNEL_ID_BYTES);
    h->number        = hpr_get_u64(in + 32);
    h->first_seq     = hpr_get_u64(in + 40);
    h->stream_offset = hpr_get_u64(in + 48);
    h->record_offset = hpr_get_u64(in + 56);
    h->raw_max       = hpr_get_u32(in + 64);
    return HPR_FILE_OURS;
}

bool hpr_frame_is_beginning(const unsigned char *in, size_t len)
{
    return len == 0 || memcmp(in, file_magic, hpr_min_size(len, sizeof file_magic)) == 0;
}

void hpr_frame_put_header(unsigned char *out, const struct hpr_frame_header *h, const struct hpr_frame_place *place)
{
    hpr_put_u32(out, HPR_FRAME_HEADER_BYTES - 4 + h->stored_bytes);
    hpr_put_u32(out + 4, FRAME_MAGIC);
    hpr_put_u32(out + 8, hpr_frame_codec(h));
    hpr_put_u32(out + 12, h->records);
    hpr_put_u32(out + 16, h->raw_bytes);
    hpr_put_u64(out + 20, h->first_seq);
    hpr_put_u64(out + 28, h->dropped_total);
    hpr_put_u64(out + 36, h->opened_ms);
    hpr_put_u32(out + 44, h->payload_crc);
    hpr_put_u32(out + 48, placed_crc(out, 48, place));
}

void hpr_frame_put_footer(unsigned char *out, const struct hpr_footer *f, const struct hpr_frame_place *place)
{
    hpr_put_u32(out, HPR_FOOTER_BYTES - 4);
    hpr_put_u32(out + 4, FOOTER_MAGIC);
    hpr_put_u64(out + 8, f->records);
    hpr_put_u64(out + 16, f->last_seq);
    hpr_put_u64(out + 24, place->offset);
    hpr_put_u32(out + 32, 0);
    hpr_put_u32(out + 36, placed_crc(out, 36, place));
}

void hpr_frame_put_table_head(unsigned char *out, uint32_t count, const struct hpr_frame_place *place)
{
    hpr_put_u32(out, HPR_TABLE_HEAD_BYTES - 4 + 16 * count + 4);
    hpr_put_u32(out + 4, TABLE_MAGIC);
    hpr_put_u32(out + 8, count);
    hpr_put_u32(out + 12, placed_crc(out, 12, place));
}

static enum hpr_verdict get_table_head(const unsigned char *in, const struct hpr_frame_place *place,
                                       struct hpr_frame_header *h)
{
    if (place->offset != HPR_FILE_HEADER_BYTES || hpr_get_u32(in + 12) != placed_crc(in, 12, place) ||
        hpr_get_u32(in + 8) > HOPPER_PRODUCERS_MAX ||
        hpr_get_u32(in) != HPR_TABLE_HEAD_BYTES + 16 * hpr_get_u32(in + 8))
        return HPR_VERDICT_BAD;
    h->records      = hpr_get_u32(in + 8);
    h->stored_bytes = 16 * h->records + 4;
    return HPR_VERDICT_TABLE;
}

/* A header with a good checksum may still have been made by somebody who means harm. */
static bool is_sensible(const struct hpr_frame_header *h, uint32_t length)
{
    if (length < HPR_FRAME_HEADER_BYTES - 4 || h->records == 0 || h->first_seq == 0) return false;
    if (h->first_seq > UINT64_MAX - h->records || h->dropped_total >= h->first_seq) return false;
    if (h->record_bytes == 0 && h->raw_bytes / 2 < h->records) /* the shortest record takes two bytes */
        return false;
    if (h->record_bytes > 0 && h->raw_bytes % h->records != 0) return false;
    if (h->codec == HPR_CODEC_STORED) return h->stored_bytes == h->raw_bytes;
    return h->codec == HPR_CODEC_DEFLATE && h->stored_bytes < h->raw_bytes;
}

static enum hpr_verdict get_frame(const unsigned char *in, const struct hpr_frame_place *place,
                                  struct hpr_frame_header *h)
{
    uint32_t length = hpr_get_u32(in), codec;

    if (hpr_get_u32(in + 48) != placed_crc(in, 48, place)) return HPR_VERDICT_BAD;
    codec        = hpr_get_u32(in + 8);
    h->codec     = codec & ~HPR_CODEC_BARE;
    h->records   = hpr_get_u32(in + 12);
    h->raw_bytes = hpr_get_u32(in + 16);
    if ((codec & HPR_CODEC_BARE) && (h->records == 0 || (h->record_bytes = h->raw_bytes / h->records) == 0))
        return HPR_VERDICT_BAD;
    h->stored_bytes  = length - (HPR_FRAME_HEADER_BYTES - 4);
    h->first_seq     = hpr_get_u64(in + 20);
    h->dropped_total = hpr_get_u64(in + 28);
    h->opened_ms     = hpr_get_u64(in + 36);
    h->payload_crc   = hpr_get_u32(in + 44);
    return is_sensible(h, length) ? HPR_VERDICT_FRAME : HPR_VERDICT_BAD;
}

enum hpr_verdict hpr_frame_get(const unsigned char *in, size_t len, const struct hpr_frame_place *place,
                               struct hpr_frame_header *h, struct hpr_footer *f)
{
    memset(h, 0, sizeof *h);
    memset(f, 0, sizeof *f);
    if (len >= HPR_FRAME_HEADER_BYTES && hpr_get_u32(in + 4) == FRAME_MAGIC) return get_frame(in, place, h);
    if (len >= HPR_TABLE_HEAD_BYTES && hpr_get_u32(in + 4) == TABLE_MAGIC) return get_table_head(in, place, h);
    if (len < HPR_FOOTER_BYTES || hpr_get_u32(in + 4) != FOOTER_MAGIC ||
        hpr_get_u32(in + 36) != placed_crc(in, 36, place) || hpr_get_u64(in + 24) != place->offset)
        return HPR_VERDICT_BAD;
    f->records  = hpr_get_u64(in + 8);
    f->last_seq = hpr_get_u64(in + 16);
    return HPR_VERDICT_FOOTER;
}
