/* SPDX-License-Identifier: MIT */
/* The valid golden files by who deflated them: each engine of the library, libdeflate, and zlib asked for what no
 * engine here writes but the format allows. Records are alike in all of them.
 *
 * Made from the pure modules of lib/ (frame, record, codec), since which engine a channel deflates with follows from
 * its budget and from how the library was built. A file: frames of lines, whole blocks, at each level; a frame of bytes
 * that deflating does not help, stored; and large records, deflated piece by piece, whose matches reach back as far as
 * any may. Where an encoder is missing its case is not made, and the one in the tree is read all the same. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec.h"
#include "frame.h"
#include "golden.h"
#include "record.h"

#ifdef GOLDEN_LIBDEFLATE
#include <libdeflate.h>
#endif

#define RAW_MAX    131072 /* bytes of a payload before it is deflated */
#define FILE_MAX   32768
#define LINES      16
#define FAR_BACK   32768 /* how far back deflate can go */
#define LARGE      (3 * FAR_BACK + 500)
#define PIECE      5000
#define ODD_PIECE  200
#define FIRST_SEQ  7 /* as in the other cases */
#define CHANNEL_ID "hopper-golden-01"

/* A case that grows. */
struct book {
    struct golden_case *c;
    unsigned char raw[RAW_MAX]; /* the next frame's payload */
    size_t raw_bytes;
    uint32_t records;
    uint64_t seq; /* of the last record */
    uint32_t random;
};

/* How a payload is deflated: LEN bytes at IN to OUT of FILE_MAX bytes; returns how many. HOW is the encoder's own. */
typedef size_t encode_fn(int how, const unsigned char *in, size_t len, unsigned char *out);

/* ---- encoders ---- */

/* The library's codec: levels in steps of ten, so that 9 is whole blocks and 90 is the same level in pieces. */
static size_t by_engine(enum hpr_engine engine, int how, const unsigned char *in, size_t len, unsigned char *out)
{
    struct hpr_codec_params params = { engine, how < 10 ? how : how / 10, 15, 8 };
    size_t bytes                   = hpr_deflater_bytes(&params).slab;
    void *slab                     = aligned_alloc(HPR_CACHE_LINE, hpr_round_up(bytes, HPR_CACHE_LINE));
    static struct hpr_deflater d;

    golden_check(bytes > 0 && slab && hpr_deflater_init(&d, &params, slab, bytes) == HOPPER_OK, "a deflater");
    if (how < 10) {
        bytes = hpr_deflate(&d, in, len, out, FILE_MAX);
    } else {
        hpr_deflate_begin(&d);
        d.flow.out       = out;
        d.flow.out_bytes = FILE_MAX;
        for (size_t at = 0; at < len;) {
            bool is_last = len - at <= PIECE;

            d.flow.in       = in + at;
            d.flow.in_bytes = is_last ? len - at : PIECE;
            at += d.flow.in_bytes;
            golden_check(hpr_deflate_step(&d, is_last), "deflate a piece");
        }
        bytes = FILE_MAX - d.flow.out_bytes;
    }
    hpr_deflater_fini(&d);
    free(slab);
    return bytes;
}

static size_t by_zlib(int how, const unsigned char *in, size_t len, unsigned char *out)
{
    return by_engine(HPR_ENGINE_ZLIB, how, in, len, out);
}

static size_t by_isal(int how, const unsigned char *in, size_t len, unsigned char *out)
{
    return by_engine(HPR_ENGINE_ISAL, how, in, len, out);
}

#ifdef GOLDEN_LIBDEFLATE
static size_t by_libdeflate(int how, const unsigned char *in, size_t len, unsigned char *out)
{
    struct libdeflate_compressor *deflater = libdeflate_alloc_compressor(how);
    size_t bytes;

    golden_check(deflater != NULL, "libdeflate");
    bytes = libdeflate_deflate_compress(deflater, in, len, out, FILE_MAX);
    libdeflate_free_compressor(deflater);
    return bytes;
}
#endif

enum odd { ODD_MIXED, ODD_FIXED, ODD_HUFFMAN, ODD_RUNS, ODD_SMALL_WINDOW, ODD_EMPTY_BLOCKS, ODD_FORGETTING, ODDS };

/* What a deflate stream may be and the engines' are not. */
static size_t by_zlib_oddly(int how, const unsigned char *in, size_t len, unsigned char *out)
{
    static const int strategy[ODDS] = { [ODD_FIXED] = Z_FIXED, [ODD_HUFFMAN] = Z_HUFFMAN_ONLY, [ODD_RUNS] = Z_RLE };
    static const int flush[ODDS]    = { [ODD_EMPTY_BLOCKS] = Z_SYNC_FLUSH, [ODD_FORGETTING] = Z_FULL_FLUSH };
    z_stream z;

    memset(&z, 0, sizeof z);
    golden_check(deflateInit2(&z, 9, Z_DEFLATED, how == ODD_SMALL_WINDOW ? -9 : -15, 9, strategy[how]) == Z_OK,
                 "deflateInit2");
    z.next_out  = out;
    z.avail_out = FILE_MAX;
    for (size_t at = 0; at < len;) {
        size_t part = len - at < ODD_PIECE ? len - at : ODD_PIECE;

        if (how == ODD_MIXED) (void)deflateParams(&z, at < 2 * ODD_PIECE ? 0 : 9, Z_DEFAULT_STRATEGY);
        z.next_in  = (z_const Bytef *)(uintptr_t)(in + at);
        z.avail_in = (uInt)part;
        at += part;
        golden_check(deflate(&z, at == len ? Z_FINISH : flush[how]) == (at == len ? Z_STREAM_END : Z_OK), "deflate");
    }
    deflateEnd(&z);
    return FILE_MAX - z.avail_out;
}

/* ---- frames ---- */

static void begin(struct book *b, struct golden_case *c)
{
    struct hpr_file_header header = { .number = 1, .first_seq = FIRST_SEQ, .raw_max = RAW_MAX };

    memset(b, 0, sizeof *b);
    b->c               = c;
    b->seq             = FIRST_SEQ - 1;
    b->random          = 2463534242U;
    c->file_count      = 1;
    c->files[0].number = 1;
    c->files[0].data   = malloc(FILE_MAX);
    golden_check(c->files[0].data != NULL, "memory");
    memcpy(header.channel_id, CHANNEL_ID, sizeof header.channel_id);
    hpr_frame_put_file_header(c->files[0].data, &header);
    c->files[0].len = HPR_FILE_HEADER_BYTES;
}

static void add(struct book *b, const void *data, size_t len)
{
    b->seq++;
    golden_check(b->seq < GOLDEN_SENT_MAX && b->raw_bytes + hpr_record_packed_bytes(len) <= RAW_MAX, "room");
    b->raw_bytes += hpr_record_put_header(b->raw + b->raw_bytes, (uint32_t)len);
    memcpy(b->raw + b->raw_bytes, data, len);
    b->raw_bytes += len;
    b->records++;
    b->c->sent[b->seq] = (struct golden_sent){ len, hpr_crc32(0, data, len) };
}

/* Write what was added as a frame; ENCODE NULL: stored. */
static void end_frame(struct book *b, encode_fn *encode, int how)
{
    struct golden_file *file      = &b->c->files[0];
    struct hpr_frame_place place  = { (const uint8_t *)CHANNEL_ID, 1, file->len };
    struct hpr_frame_header frame = { .codec     = encode ? HPR_CODEC_DEFLATE : HPR_CODEC_STORED,
                                      .records   = b->records,
                                      .raw_bytes = (uint32_t)b->raw_bytes,
                                      .first_seq = b->seq + 1 - b->records,
                                      .opened_ms = UINT64_C(1700000000000) + 1000 * b->seq };
    static unsigned char out[FILE_MAX];
    const unsigned char *payload = encode ? out : b->raw;
    size_t len                   = encode ? encode(how, b->raw, b->raw_bytes, out) : b->raw_bytes;

    golden_check(len > 0 && (!encode || len < b->raw_bytes), "a payload that got smaller");
    golden_check(file->len + HPR_FRAME_HEADER_BYTES + len <= FILE_MAX, "room in the file");
    frame.stored_bytes = (uint32_t)len;
    frame.payload_crc  = hpr_crc32(0, payload, len);
    hpr_frame_put_header(file->data + file->len, &frame, &place);
    memcpy(file->data + file->len + HPR_FRAME_HEADER_BYTES, payload, len);
    file->len += HPR_FRAME_HEADER_BYTES + len;
    b->raw_bytes = 0;
    b->records   = 0;
}

/* ---- records ---- */

static uint32_t random_next(struct book *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 17;
    b->random ^= b->random << 5;
    return b->random;
}

/* Lines as a log has them: literals of all frequencies, matches of many lengths. */
static void add_lines(struct book *b, int count)
{
    static const char *const words[] = { "opened", "closed by the other side", "a line like others", "timeout",
                                         "retry" };
    char line[120];

    while (count-- > 0) {
        const uint32_t id = random_next(b); /* one after the other: arguments have no order */
        const char *word  = words[random_next(b) % 5];
        unsigned app      = 90 + random_next(b) % 20;
        unsigned second   = random_next(b) % 60;
        unsigned minute   = random_next(b) % 60;
        int len = snprintf(line, sizeof line, "2023-11-14 22:%02u:%02u app[%u]: %s %08" PRIx32, minute, second, app,
                           word, id);

        add(b, line, (size_t)len);
    }
}

static void add_noise(struct book *b, size_t len)
{
    unsigned char noise[400];

    for (size_t i = 0; i < len; i++) noise[i] = (unsigned char)(random_next(b) >> 24);
    add(b, noise, len);
}

/* Noise that comes again just as far back as a match may reach, runs of one byte in between. */
static void add_large(struct book *b)
{
    static unsigned char large[LARGE];

    memset(large, 'a', sizeof large);
    for (size_t i = 0; i < 300; i++) large[i] = (unsigned char)(random_next(b) >> 24);
    for (size_t at = FAR_BACK; at + 300 <= sizeof large; at += FAR_BACK) memcpy(large + at, large, 300);
    add(b, large, sizeof large);
}

/* ---- the cases ---- */

/* WHOLE and STREAMED: how to encode blocks and large records, ends with 0. */
static void make(struct golden_set *set, const char *name, const char *proves, encode_fn *encode, const int *whole,
                 const int *streamed)
{
    struct book *b = malloc(sizeof *b);

    golden_check(b != NULL, "memory");
    begin(b, golden_add(set, name, proves, false));
    for (; *whole; whole++) {
        add_lines(b, LINES);
        end_frame(b, encode, *whole);
    }
    add_noise(b, 400);
    end_frame(b, NULL, 0);
    for (; *streamed; streamed++) {
        add_large(b);
        end_frame(b, encode, *streamed);
    }
    add(b, "the end", 7);
    end_frame(b, NULL, 0);
    golden_describe(b->c);
    free(b);
}

static void make_odd(struct golden_set *set)
{
    struct book *b = malloc(sizeof *b);

    golden_check(b != NULL, "memory");
    begin(b,
          golden_add(set, "valid-deflate-odd",
                     "deflate as other writers may have it: blocks stored, of fixed codes, without matches, with runs "
                     "only, with a window of 512 bytes, with empty blocks in between",
                     false));
    for (int odd = 0; odd < ODDS; odd++) {
        add_lines(b, LINES);
        end_frame(b, by_zlib_oddly, odd);
    }
    golden_describe(b->c);
    free(b);
}

void golden_engines(struct golden_set *set)
{
    make(set, "valid-deflate-zlib",
         "deflated by zlib: blocks of levels 1 and 9, large records in pieces, a frame stored between them", by_zlib,
         (const int[]){ 1, 9, 0 }, (const int[]){ 10, 90, 0 });
    if (hpr_codec_has(HPR_ENGINE_ISAL))
        make(set, GOLDEN_ISAL, "the same by ISA-L: blocks of its levels 1, 2 and 3, large records in pieces", by_isal,
             (const int[]){ 1, 2, 3, 0 }, (const int[]){ 10, 30, 0 });
#ifdef GOLDEN_LIBDEFLATE
    make(set, GOLDEN_LIBDEFLATE_CASE, "the same by libdeflate: levels 1, 6, 9 and 12", by_libdeflate,
         (const int[]){ 1, 6, 9, 12, 0 }, (const int[]){ 1, 12, 0 });
#endif
    make_odd(set);
}
