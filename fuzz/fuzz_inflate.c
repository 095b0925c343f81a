/* SPDX-License-Identifier: MIT */
/*
 * See fuzz_inflate.h. Two sources of streams: the bytes of the input as they are, and streams built of blocks whose
 * codes and symbols the input chooses. The latter are good more often than not, and where they are bad, bad in one
 * place: an engine without source code here (they come as libraries) tells a fuzzer nothing of how near an
 * input came.
 */
#include "fuzz_inflate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    WANT_MAX         = 1 << 16,
    STREAM_BYTES_MAX = 1 << 17,
    SLAB_BYTES       = 1 << 20,
    BLOCKS_MAX       = 4,
    SYMBOLS_MAX      = 24, /* that a block's code has */
    BODY_MAX         = 60, /* symbols in a block */
};

static alignas(64) uint8_t slab[SLAB_BYTES];
static uint8_t before[WANT_MAX];

/* What an engine reads and writes ends where memory ends: ISA-L is written in assembler, which no sanitizer sees. */
struct edge {
    uint8_t *base;
    size_t bytes;
};
static struct edge input_edge;
static struct edge output_edge;

/* The last LEN bytes before the end of EDGE. */
static uint8_t *edge_take(struct edge *edge, size_t len)
{
    if (edge->base == NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        edge->bytes = hpr_round_up(STREAM_BYTES_MAX, page);
        edge->base  = mmap(NULL, edge->bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        FUZZ_REQUIRE(edge->base != MAP_FAILED && mprotect(edge->base + edge->bytes, page, PROT_NONE) == 0, "no memory");
    }
    FUZZ_REQUIRE(len <= edge->bytes, "%zu bytes", len);
    return edge->base + edge->bytes - len;
}

enum hpr_inflate_result fuzz_inflate(enum hpr_engine engine, struct fuzz_input *steps, const uint8_t *data, size_t len,
                                     size_t want, int measure, const uint8_t **inflatedp)
{
    enum hpr_inflate_result result = HPR_INFLATE_MORE;
    static struct hpr_inflater inflater;
    size_t bytes = measure ? hpr_inflater_bytes(engine, 15).slab : sizeof slab;
    uint8_t *out = edge_take(&output_edge, want);
    size_t at    = 0;

    FUZZ_REQUIRE(bytes > 0 && bytes <= sizeof slab, "an inflater of %zu bytes", bytes);
    FUZZ_REQUIRE(hpr_inflater_init(&inflater, engine, 15, slab, bytes) == HOPPER_OK, "no inflater");
    hpr_inflate_begin(&inflater, out, want);
    while (result == HPR_INFLATE_MORE) {
        size_t part = fuzz_u8(steps);
        uint8_t *piece;

        part  = part == 0 || part > len - at ? len - at : part;
        piece = edge_take(&input_edge, part);
        memcpy(piece, data + at, part);
        result = hpr_inflate_step(&inflater, piece, part, at + part == len);
        at += part;
        FUZZ_REQUIRE(result != HPR_INFLATE_MORE || at < len, "engine %d wants more than there is", (int)engine);
    }
    hpr_inflater_fini(&inflater);
    *inflatedp = out;
    return result;
}

/* What zlib itself says of a stream when it has it whole. */
struct judgement {
    int is_good;        /* WANT bytes, and nothing left */
    int is_code_bad;    /* it refuses a set of Huffman codes as incomplete */
    int is_symbol_none; /* it refuses a code for what is no symbol, or one that the set does not have */
    uint8_t *bytes;
};

/* ISA-L and libdeflate take sets of codes that are incomplete, as long as no code that is missing occurs. */
static int is_about_codes(const char *msg)
{
    return msg != NULL &&
           (strcmp(msg, "invalid code lengths set") == 0 || strcmp(msg, "invalid literal/lengths set") == 0 ||
            strcmp(msg, "invalid distances set") == 0);
}

/* libdeflate has two length and two distance symbols that stand for nothing, and reads a set of one code as if that were
 * both of a pair. */
static int is_about_symbols(const char *msg)
{
    return msg != NULL &&
           (strcmp(msg, "too many length or distance symbols") == 0 ||
            strcmp(msg, "invalid literal/length code") == 0 || strcmp(msg, "invalid distance code") == 0);
}

static struct judgement judge(const uint8_t *data, size_t len, size_t want)
{
    struct judgement by_zlib = { 0, 0, 0, malloc(want) };
    z_stream z;

    memset(&z, 0, sizeof z);
    FUZZ_REQUIRE(by_zlib.bytes != NULL && inflateInit2(&z, -15) == Z_OK, "no memory");
    z.next_in              = (z_const Bytef *)(uintptr_t)data;
    z.avail_in             = (uInt)len;
    z.next_out             = by_zlib.bytes;
    z.avail_out            = (uInt)want;
    by_zlib.is_good        = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
    by_zlib.is_code_bad    = is_about_codes(z.msg);
    by_zlib.is_symbol_none = is_about_symbols(z.msg);
    (void)inflateEnd(&z);
    return by_zlib;
}

/* Whether ENGINE may take what zlib refuses, as BY_ZLIB says. */
static int may_take(enum hpr_engine engine, const struct judgement *by_zlib)
{
    return (engine != HPR_ENGINE_ZLIB && by_zlib->is_code_bad) ||
           (engine == HPR_ENGINE_LIBDEFLATE && by_zlib->is_symbol_none);
}

/* What zlib takes each engine takes, with the same bytes, and what it refuses each refuses, but for what may_take()
 * lets pass: that the others may take, with whatever bytes, as long as they are as many as asked for, where they belong,
 * and the same in pieces (STEPS) and whole; but libdeflate does whole streams only, so that pieces are zlib's. A payload
 * has a checksum, so that such a stream is no damage but somebody's work, who could as well have deflated these bytes in
 * another way. */
static void check_engine(enum hpr_engine engine, struct fuzz_input steps, const uint8_t *data, size_t len, size_t want,
                         int measure, const struct judgement *by_zlib)
{
    struct fuzz_input none = { NULL, 0 };
    const int is_same      = engine != HPR_ENGINE_LIBDEFLATE || !may_take(engine, by_zlib);
    const uint8_t *inflated;
    int is_done = fuzz_inflate(engine, &steps, data, len, want, measure, &inflated) == HPR_INFLATE_DONE;

    FUZZ_REQUIRE(is_done || !by_zlib->is_good, "engine %d refuses what zlib takes", (int)engine);
    FUZZ_REQUIRE(!is_done || by_zlib->is_good || may_take(engine, by_zlib), "engine %d takes what zlib refuses",
                 (int)engine);
    FUZZ_REQUIRE(!by_zlib->is_good || memcmp(inflated, by_zlib->bytes, want) == 0,
                 "engine %d makes something else of it", (int)engine);
    if (!is_same) return;
    memcpy(before, inflated, want);
    FUZZ_REQUIRE((fuzz_inflate(engine, &none, data, len, want, measure, &inflated) == HPR_INFLATE_DONE) == is_done,
                 "engine %d %s it in pieces and not whole", (int)engine, is_done ? "takes" : "refuses");
    FUZZ_REQUIRE(!is_done || memcmp(inflated, before, want) == 0, "engine %d: whole it is something else", (int)engine);
}

static void check_engines(struct fuzz_input steps, const uint8_t *data, size_t len, size_t want, int measure)
{
    struct judgement by_zlib = judge(data, len, want);

    for (int engine = 0; engine < HPR_ENGINES; engine++)
        if (hpr_codec_has((enum hpr_engine)engine))
            check_engine((enum hpr_engine)engine, steps, data, len, want, measure, &by_zlib);
    free(by_zlib.bytes);
}

/* Sizes of pieces from the input. */
static struct fuzz_input steps_take(struct fuzz_input *in)
{
    struct fuzz_input steps;

    steps.next = fuzz_bytes(in, fuzz_u8(in) % 32, &steps.left);
    return steps;
}

void fuzz_inflate_bytes(struct fuzz_input *in, int measure)
{
    size_t want             = (size_t)fuzz_u16(in) + 1;
    struct fuzz_input steps = steps_take(in);
    size_t len;
    const uint8_t *bytes = fuzz_bytes(in, STREAM_BYTES_MAX, &len);

    check_engines(steps, bytes, len, want, measure);
}

/* ---- streams that are built ------------------------------------------------------------------------------------ */

struct bits {
    uint8_t bytes[8192];
    size_t count;
};

static void put(struct bits *out, uint32_t value, unsigned count)
{
    for (; count > 0 && out->count < 8 * sizeof out->bytes; count--, value >>= 1, out->count++)
        out->bytes[out->count / 8] |= (uint8_t)((value & 1) << out->count % 8);
}

/* A Huffman code: the lengths of SYMBOLS symbols, and which of them occur. */
struct code {
    unsigned symbols;
    uint8_t length[320];
    uint16_t word[320];
    unsigned used[SYMBOLS_MAX + 1];
    unsigned used_count;
};

static void put_symbol(struct bits *out, const struct code *code, unsigned symbol)
{
    for (unsigned bit = code->length[symbol]; bit-- > 0;) put(out, code->word[symbol] >> bit & 1U, 1);
}

static void words_give(struct code *code)
{
    uint16_t word = 0;

    for (unsigned length = 1; length <= 15; length++, word = (uint16_t)(word << 1))
        for (unsigned i = 0; i < code->symbols; i++)
            if (code->length[i] == length) code->word[i] = word++;
}

static void use(struct code *code, unsigned symbol)
{
    if (symbol >= code->symbols || code->used_count == SYMBOLS_MAX || code->length[symbol] != 0) return;
    code->length[symbol]           = 1;
    code->used[code->used_count++] = symbol;
}

/* Lengths for the used symbols: a tree, grown by splitting leaves that the input names, so that the code is complete;
 * then, now and then, one length is another. */
static void lengths_give(struct fuzz_input *in, struct code *code)
{
    unsigned spoiled = fuzz_u8(in);

    for (unsigned i = 0; i < code->used_count; i++) {
        unsigned leaf = i == 0 ? 0 : fuzz_u8(in) % i;

        while (i > 1 && code->length[code->used[leaf]] == 15) leaf = (leaf + 1) % i;
        if (i > 1) code->length[code->used[leaf]]++;
        code->length[code->used[i]] = code->length[code->used[leaf]];
    }
    if (spoiled >= 192 && code->used_count > 0) code->length[code->used[spoiled % code->used_count]] = fuzz_u8(in) % 16;
    words_give(code);
}

static void put_dynamic_head(struct fuzz_input *in, struct bits *out, const struct code *literals,
                             const struct code *distances)
{
    static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
    struct code lengths            = { .symbols = 19 };
    unsigned spoiled               = fuzz_u8(in);

    for (unsigned i = 0; i < 16; i++) lengths.length[i] = 4;
    if (spoiled >= 224) lengths.length[spoiled % 19] = fuzz_u8(in) % 8;
    words_give(&lengths);
    put(out, literals->symbols - 257, 5);
    put(out, distances->symbols - 1, 5);
    put(out, 19 - 4, 4);
    for (unsigned i = 0; i < 19; i++) put(out, lengths.length[order[i]], 3);
    for (unsigned i = 0; i < literals->symbols; i++) put_symbol(out, &lengths, literals->length[i]);
    for (unsigned i = 0; i < distances->symbols; i++) put_symbol(out, &lengths, distances->length[i]);
}

static void put_body(struct fuzz_input *in, struct bits *out, const struct code *literals, const struct code *distances)
{
    for (unsigned i = fuzz_u8(in) % BODY_MAX; i > 0; i--) {
        unsigned symbol = literals->used[fuzz_u8(in) % literals->used_count];

        if (symbol == 256) continue;
        put_symbol(out, literals, symbol);
        if (symbol < 256) continue;
        if (symbol >= 265 && symbol < 285) put(out, fuzz_u8(in), (symbol - 261) / 4);
        if (distances->used_count == 0) continue;
        symbol = distances->used[fuzz_u8(in) % distances->used_count];
        put_symbol(out, distances, symbol);
        if (symbol >= 4) put(out, fuzz_u16(in), symbol / 2 - 1);
    }
    put_symbol(out, literals, 256);
}

static void put_block(struct fuzz_input *in, struct bits *out, int is_last)
{
    struct code literals  = { .symbols = 257 + fuzz_u8(in) % 32 };
    struct code distances = { .symbols = 1 + fuzz_u8(in) % 32 };
    unsigned kind         = fuzz_u8(in);
    size_t len            = kind / 4;

    put(out, (is_last ? 1U : 0U) | (kind % 4 == 3 ? 2U : kind % 4) << 1, 3);
    if (kind % 4 == 0) { /* stored */
        out->count = (out->count + 7) / 8 * 8;
        put(out, (uint32_t)(len | (~len & 0xffff) << 16), 32);
        for (size_t i = 0; i < len; i++) put(out, fuzz_content(1, len)[i], 8);
        return;
    }
    if (kind % 4 == 1) literals.symbols = 288;
    use(&literals, 256);
    for (unsigned i = fuzz_u8(in) % SYMBOLS_MAX; i > 0; i--) use(&literals, fuzz_u8(in) + (fuzz_u8(in) & 1U) * 32U);
    for (unsigned i = fuzz_u8(in) % 8; i > 0; i--) use(&distances, fuzz_u8(in) % 32);
    if (kind % 4 == 1) { /* fixed */
        for (unsigned i = 0; i < 288; i++) literals.length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
        distances.symbols = 32;
        memset(distances.length, 5, 32);
        words_give(&literals);
        words_give(&distances);
    } else {
        lengths_give(in, &literals);
        lengths_give(in, &distances);
        put_dynamic_head(in, out, &literals, &distances);
    }
    put_body(in, out, &literals, &distances);
}

/* As many bytes as zlib gets out of it, good or bad. */
static size_t measure_by_zlib(const uint8_t *data, size_t len)
{
    static uint8_t all[WANT_MAX];
    z_stream z;

    memset(&z, 0, sizeof z);
    FUZZ_REQUIRE(inflateInit2(&z, -15) == Z_OK, "no memory");
    z.next_in   = (z_const Bytef *)(uintptr_t)data;
    z.avail_in  = (uInt)len;
    z.next_out  = all;
    z.avail_out = sizeof all;
    (void)inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    return sizeof all - z.avail_out;
}

void fuzz_inflate_built(struct fuzz_input *in)
{
    static struct bits out;
    struct fuzz_input steps = steps_take(in);
    uint8_t how             = fuzz_u8(in);
    size_t want;

    memset(&out, 0, sizeof out);
    for (int left = how % BLOCKS_MAX; left >= 0; left--) put_block(in, &out, left == 0);
    want = measure_by_zlib(out.bytes, (out.count + 7) / 8);
    if (how >= 240) want += how % 2 == 0 ? 1 : (size_t)-1;
    if (want == 0 || want > WANT_MAX) return;
    check_engines(steps, out.bytes, (out.count + 7) / 8, want, 0);
}
