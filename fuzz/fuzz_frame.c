/* SPDX-License-Identifier: MIT */
/*
 * The decoders of a queue file, called directly: file header, frame header, footer, records, raw deflate in pieces; and
 * the way round through the encoders. The first byte chooses the part and whether its checksum is made right, so that
 * what stands behind the checksum is reached as well.
 *
 * Checked beside "no crash": a header that is accepted keeps the promises that later code relies on and is, when
 * written again, the same bytes; at another place it is refused; a record is found exactly where msgpack-c finds a
 * `bin`, or a numbered one; each engine inflates, in pieces and whole, to what zlib gives, and accepts exactly what
 * fills the output to the byte (fuzz_inflate.c).
 */
#include "fuzz.h"
#include "fuzz_inflate.h"

#include "bytes.h"
#include "codec.h"
#include "frame.h"
#include "record.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

enum { RAW_BYTES_MAX = 1 << 16, SLAB_BYTES = 1 << 20 };

static const uint8_t channel_id[HPR_CHANNEL_ID_BYTES] = "0123456789abcde";

/* Scratch, alike for each input as far as any decoder can tell. */
static uint8_t raw[RAW_BYTES_MAX + HPR_RECORD_HEADER_MAX];
static uint8_t packed[2 * RAW_BYTES_MAX];
static alignas(64) uint8_t slab[SLAB_BYTES];

/* ---- headers --------------------------------------------------------------------------------------------------- */

/* LEN bytes of the input in a block of just that size, so that a sanitizer sees each byte too far. */
static uint8_t *exact_copy(struct fuzz_input *in, size_t len, size_t *lenp)
{
    const uint8_t *bytes = fuzz_bytes(in, len, lenp);
    uint8_t *copy        = malloc(*lenp > 0 ? *lenp : 1);

    FUZZ_REQUIRE(copy != NULL, "no memory");
    memcpy(copy, bytes, *lenp);
    return copy;
}

static void fuzz_file_header(struct fuzz_input *in, int forge)
{
    struct hpr_file_header h;
    struct hpr_file_header again;
    uint8_t out[HPR_FILE_HEADER_BYTES];
    size_t len;
    uint8_t *bytes = exact_copy(in, HPR_FILE_HEADER_BYTES, &len);

    if (forge && len == HPR_FILE_HEADER_BYTES) {
        memset(&h, 0, sizeof h);
        hpr_frame_put_file_header(out, &h);
        memcpy(bytes, out, 12); /* magic, version, length */
        hpr_put_u32(bytes + HPR_FILE_HEADER_BYTES - 4, hpr_crc32(0, bytes, HPR_FILE_HEADER_BYTES - 4));
    }
    if (hpr_frame_get_file_header(bytes, len, &h) == HPR_FILE_OURS) {
        hpr_frame_put_file_header(out, &h);
        FUZZ_REQUIRE(hpr_frame_get_file_header(out, sizeof out, &again) == HPR_FILE_OURS &&
                         again.survive == h.survive && again.content == h.content && again.number == h.number &&
                         again.first_seq == h.first_seq && again.stream_offset == h.stream_offset &&
                         again.record_offset == h.record_offset && again.raw_max == h.raw_max &&
                         memcmp(again.channel_id, h.channel_id, sizeof h.channel_id) == 0,
                     "a file header changes on the way round");
    } else {
        FUZZ_REQUIRE(!forge || len < HPR_FILE_HEADER_BYTES, "a file header with a good checksum is refused");
    }
    free(bytes);
}

static void check_frame(const uint8_t *bytes, const struct hpr_frame_header *h, const struct hpr_frame_place *place)
{
    uint8_t out[HPR_FRAME_HEADER_BYTES];

    FUZZ_REQUIRE(h->records > 0 && h->first_seq > 0 && h->first_seq + h->records > h->first_seq, "%u records from %llu",
                 (unsigned)h->records, (unsigned long long)h->first_seq);
    FUZZ_REQUIRE(
        (h->record_bytes ? h->raw_bytes == (uint64_t)h->records * h->record_bytes : h->records <= h->raw_bytes / 2) &&
            h->stored_bytes <= h->raw_bytes,
        "%u records in %u bytes, stored in %u", (unsigned)h->records, (unsigned)h->raw_bytes,
        (unsigned)h->stored_bytes);
    FUZZ_REQUIRE(h->codec == HPR_CODEC_DEFLATE || (h->codec == HPR_CODEC_STORED && h->stored_bytes == h->raw_bytes),
                 "codec %u", (unsigned)h->codec);
    FUZZ_REQUIRE(h->dropped_total < h->first_seq, "more dropped than there were");
    hpr_frame_put_header(out, h, place);
    FUZZ_REQUIRE(memcmp(out, bytes, sizeof out) == 0, "a frame header changes on the way round");
}

/* The checksum at AT of the header BYTES as one at PLACE, found with an encoder and not by a second piece of code that
 * could have the same fault: both headers end in the checksum of what is before them. */
static void forge_header(uint8_t *bytes, size_t len, int footer, const struct hpr_frame_place *place)
{
    struct hpr_frame_header h;
    struct hpr_footer f;

    if (len >= 8) /* the mark at least: what is cut off after it has to be noticed */
        memcpy(bytes + 4, footer ? "HQFT" : "HQFR", 4);
    if (footer && len >= HPR_FOOTER_BYTES) {
        f = (struct hpr_footer){ hpr_get_u64(bytes + 8), hpr_get_u64(bytes + 16) };
        hpr_frame_put_footer(bytes, &f, place);
    } else if (!footer && len >= HPR_FRAME_HEADER_BYTES) {
        h = (struct hpr_frame_header){
            .codec         = hpr_get_u32(bytes + 8),
            .records       = hpr_get_u32(bytes + 12),
            .raw_bytes     = hpr_get_u32(bytes + 16),
            .stored_bytes  = hpr_get_u32(bytes) - (HPR_FRAME_HEADER_BYTES - 4),
            .first_seq     = hpr_get_u64(bytes + 20),
            .dropped_total = hpr_get_u64(bytes + 28),
            .opened_ms     = hpr_get_u64(bytes + 36),
            .payload_crc   = hpr_get_u32(bytes + 44),
        };
        hpr_frame_put_header(bytes, &h, place);
    }
}

static void fuzz_frame_header(struct fuzz_input *in, int forge)
{
    struct hpr_frame_place place = { channel_id, fuzz_u8(in), fuzz_u16(in) };
    int footer                   = fuzz_u8(in) & 1;
    struct hpr_frame_header h;
    struct hpr_footer f;
    enum hpr_verdict verdict;
    uint8_t out[HPR_FOOTER_BYTES];
    size_t len;
    uint8_t *bytes = exact_copy(in, HPR_FRAME_HEADER_BYTES, &len);

    if (forge) forge_header(bytes, len, footer, &place);
    verdict = hpr_frame_get(bytes, len, &place, &h, &f);
    if (verdict == HPR_VERDICT_FRAME) {
        check_frame(bytes, &h, &place);
    } else if (verdict == HPR_VERDICT_FOOTER) {
        hpr_frame_put_footer(out, &f, &place);
        FUZZ_REQUIRE(memcmp(out, bytes, 32) == 0, "a footer changes on the way round");
    } else {
        FUZZ_REQUIRE(!forge || !footer || len < HPR_FOOTER_BYTES, "a footer with a good checksum is refused");
    }
    place.offset ^= 1;
    FUZZ_REQUIRE(hpr_frame_get(bytes, len, &place, &h, &f) == HPR_VERDICT_BAD || verdict == HPR_VERDICT_BAD,
                 "a header is good at two places");
    free(bytes);
}

/* ---- records --------------------------------------------------------------------------------------------------- */

/* Whether msgpack-c finds a record at BYTES: a `bin`, or an `ext` of type 1 that begins with an id and a number, with a
 * length of one, two or four bytes. *USEDP: what it takes; *DATAP, *DATA_LENP: the record's bytes; *NUMBERP: its
 * number, 0 when it has none. */
static int msgpack_finds(const uint8_t *bytes, size_t len, size_t *usedp, const char **datap, size_t *data_lenp,
                         uint64_t *numberp)
{
    msgpack_unpacked whole;
    int is_record = 0;

    *usedp   = 0;
    *numberp = 0;
    msgpack_unpacked_init(&whole);
    if (len > 0 && bytes[0] >= 0xc4 && bytes[0] <= 0xc9 &&
        msgpack_unpack_next(&whole, (const char *)bytes, len, usedp) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object *object = &whole.data;

        if (object->type == MSGPACK_OBJECT_BIN) {
            is_record  = 1;
            *datap     = object->via.bin.ptr;
            *data_lenp = object->via.bin.size;
        } else if (object->type == MSGPACK_OBJECT_EXT && object->via.ext.type == 1 && object->via.ext.size >= 16) {
            is_record  = 1;
            *datap     = object->via.ext.ptr + 16;
            *data_lenp = object->via.ext.size - 16;
            *numberp   = hpr_get_u64((const uint8_t *)object->via.ext.ptr + 8);
        }
    }
    msgpack_unpacked_destroy(&whole); /* its views are into BYTES */
    return is_record;
}

static void fuzz_records(struct fuzz_input *in)
{
    size_t len;
    uint8_t *bytes = exact_copy(in, SIZE_MAX, &len);
    size_t at      = 0;
    size_t used;

    do {
        const unsigned char *data = NULL;
        const char *wanted        = NULL;
        size_t data_len           = 0;
        size_t wanted_len         = 0;
        size_t msgpack_used;
        uint64_t wanted_number;
        uint64_t number = 0;
        uint64_t id;
        int is_record = msgpack_finds(bytes + at, len - at, &msgpack_used, &wanted, &wanted_len, &wanted_number);

        used = hpr_record_get(bytes + at, len - at, &data, &data_len);
        FUZZ_REQUIRE(used <= len - at, "a record of %zu bytes in %zu", used, len - at);
        FUZZ_REQUIRE(used == 0 || (data > bytes + at && data + data_len == bytes + at + used), "a record lies outside");
        FUZZ_REQUIRE(is_record == (used > 0) && (!is_record || (msgpack_used == used && wanted_len == data_len &&
                                                                (data_len == 0 || (const char *)data == wanted))),
                     "msgpack-c finds %zu bytes, here they are %zu", msgpack_used, used);
        if (hpr_record_get_number(bytes + at, len - at, &id, &number))
            FUZZ_REQUIRE(is_record && bytes[at] >= 0xc7, "a number of no record");
        FUZZ_REQUIRE(number == wanted_number, "the number is another");
        at += used;
    } while (used > 0);
    free(bytes);
}

/* ---- deflate --------------------------------------------------------------------------------------------------- */

/* Records of the sizes that the input says, one after another in RAW; *BYTESP of them. Returns how many. */
static uint32_t pack_records(struct fuzz_input *in, size_t *bytesp)
{
    uint32_t count = 0;
    size_t at      = 0;

    do {
        size_t len = fuzz_u8(in) < 200 ? fuzz_u8(in) : fuzz_u16(in);

        if (hpr_record_packed_bytes(len) > RAW_BYTES_MAX - at) break;
        at += hpr_record_put_header(raw + at, (uint32_t)len);
        memcpy(raw + at, fuzz_content(fuzz_u8(in), len), len);
        at += len;
        count++;
    } while (in->left > 64);
    *bytesp = at;
    return count;
}

/* Records of one length, without headers. */
static uint32_t pack_bare(struct fuzz_input *in, size_t *bytesp, uint32_t *record_bytesp)
{
    size_t len   = 1 + (size_t)fuzz_u8(in);
    size_t count = 1 + fuzz_u16(in) % (RAW_BYTES_MAX / len);

    for (size_t i = 0; i < count; i++) memcpy(raw + i * len, fuzz_content(fuzz_u8(in), len), len);
    *bytesp        = count * len;
    *record_bytesp = (uint32_t)len;
    return (uint32_t)count;
}

static void check_records(const uint8_t *bytes, size_t len, uint32_t count, uint32_t record_bytes)
{
    struct hpr_records records = { bytes, len, record_bytes };

    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *data, *at = records.at;
        size_t data_len;

        FUZZ_REQUIRE(hpr_records_take(&records, &data, &data_len), "record %u is not found again", (unsigned)i);
        FUZZ_REQUIRE(records.at == data + data_len &&
                         (size_t)(records.at - at) == (record_bytes ? record_bytes : hpr_record_packed_bytes(data_len)),
                     "record %u takes other bytes", (unsigned)i);
    }
    FUZZ_REQUIRE(records.left == 0, "%zu bytes are left after the last record", records.left);
}

static size_t deflate_pieces(struct hpr_deflater *deflater, struct fuzz_input *in, size_t len)
{
    size_t at = 0;

    hpr_deflate_begin(deflater);
    deflater->flow.out       = packed;
    deflater->flow.out_bytes = sizeof packed;
    while (at < len) {
        size_t part = 1 + (size_t)fuzz_u8(in) * 64;

        part                    = part < len - at ? part : len - at;
        deflater->flow.in       = raw + at;
        deflater->flow.in_bytes = part;
        at += part;
        FUZZ_REQUIRE(hpr_deflate_step(deflater, at == len), "deflating stops with room left");
    }
    return sizeof packed - deflater->flow.out_bytes;
}

/* Deflate RAW of LEN bytes, whole or in pieces; 0: did not get smaller. */
static size_t deflate_raw(struct fuzz_input *in, size_t len)
{
    struct hpr_codec_params params = hpr_codec_params(1 + fuzz_u8(in) % 9, (size_t)1024 << fuzz_u8(in) % 7, SIZE_MAX);
    uint8_t how                    = fuzz_u8(in);
    size_t bytes                   = (how & 2) != 0 ? hpr_deflater_bytes(&params).slab : sizeof slab;
    static struct hpr_deflater deflater;
    size_t stored;

    FUZZ_REQUIRE(bytes > 0 && bytes <= sizeof slab, "a deflater of %zu bytes", bytes);
    FUZZ_REQUIRE(hpr_deflater_init(&deflater, &params, slab, bytes) == HOPPER_OK, "no deflater");
    stored = (how & 1) == 0 ? hpr_deflate(&deflater, raw, len, packed, len) : deflate_pieces(&deflater, in, len);
    hpr_deflater_fini(&deflater);
    return stored;
}

/* PACKED, which one engine wrote, gives RAW by each. */
static void check_comes_back(struct fuzz_input *in, size_t stored, size_t raw_bytes)
{
    const uint8_t *inflated;

    for (int engine = 0; engine < HPR_ENGINES; engine++)
        FUZZ_REQUIRE(!hpr_codec_has((enum hpr_engine)engine) ||
                         (fuzz_inflate((enum hpr_engine)engine, in, packed, stored, raw_bytes, 0, &inflated) ==
                              HPR_INFLATE_DONE &&
                          memcmp(inflated, raw, raw_bytes) == 0),
                     "%zu bytes deflated to %zu do not come back by engine %d", raw_bytes, stored, engine);
}

static void fuzz_round_trip(struct fuzz_input *in)
{
    uint8_t header[HPR_FRAME_HEADER_BYTES];
    struct hpr_frame_place place = { channel_id, 1 + (uint64_t)fuzz_u8(in), fuzz_u32(in) };
    struct hpr_frame_header h    = { .codec = HPR_CODEC_DEFLATE };
    struct hpr_frame_header again;
    struct hpr_footer f;
    size_t raw_bytes;
    size_t stored;

    h.first_seq     = 1 + (uint64_t)fuzz_u32(in);
    h.dropped_total = fuzz_u32(in) % h.first_seq;
    h.records       = fuzz_u8(in) & 1 ? pack_bare(in, &raw_bytes, &h.record_bytes) : pack_records(in, &raw_bytes);
    if (h.records == 0) return;
    check_records(raw, raw_bytes, h.records, h.record_bytes);
    stored = deflate_raw(in, raw_bytes);
    if (stored == 0 || stored >= raw_bytes) {
        h.codec = HPR_CODEC_STORED;
        stored  = raw_bytes;
    } else {
        check_comes_back(in, stored, raw_bytes);
    }
    h.raw_bytes    = (uint32_t)raw_bytes;
    h.stored_bytes = (uint32_t)stored;
    h.payload_crc  = hpr_crc32(0, h.codec == HPR_CODEC_STORED ? raw : packed, stored);
    hpr_frame_put_header(header, &h, &place);
    FUZZ_REQUIRE(hpr_frame_get(header, sizeof header, &place, &again, &f) == HPR_VERDICT_FRAME,
                 "our own header is bad");
    check_frame(header, &again, &place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    uint8_t part         = fuzz_u8(&in);

    switch (part % 8) {
    case 0:
    case 1: fuzz_file_header(&in, part & 1); break;
    case 2:
    case 3: fuzz_frame_header(&in, part & 1); break;
    case 4: fuzz_records(&in); break;
    case 5:
    case 6:
        if (part < 128) fuzz_inflate_bytes(&in, part & 1);
        else fuzz_inflate_built(&in);
        break;
    default: fuzz_round_trip(&in); break;
    }
    return 0;
}
