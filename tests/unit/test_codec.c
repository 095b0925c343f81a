/* SPDX-License-Identifier: MIT */
/* Deflate in memory that is given once: the slab is exactly as large as needed and never overrun, everything comes
 * back, what does not shrink is said not to, and no stream gives more bytes than it may. */
#include "codec.h"

#include <stdlib.h>

#ifdef HPR_LIBDEFLATE
#include <libdeflate.h>
#endif

#include "platform_mem.h"
#include "rng.h"
#include "suite.h"

#define GUARD_BYTES 64
#define GUARD       0x5a

static const size_t block_sizes[] = {1024, 2048, 4096, 8192, 16384, 32768, 65536};
#define BLOCK_SIZES (sizeof block_sizes / sizeof *block_sizes)

/* A piece of memory of exactly BYTES with guards behind it. */
static void *guarded_new(size_t bytes)
{
    unsigned char *p = malloc(bytes + GUARD_BYTES);

    ck_assert_ptr_nonnull(p);
    memset(p, 0xee, bytes);
    memset(p + bytes, GUARD, GUARD_BYTES);
    return p;
}

static void guarded_free(void *p, size_t bytes)
{
    const unsigned char *guard = (unsigned char *)p + bytes;

    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (guard[i] != GUARD)
            ck_abort_msg("byte %zu behind the slab was written", i);
    free(p);
}

/* Those of this build. Tests are loops over them; _i is a place here. */
static int engines[HPR_ENGINES], engine_count;

static void find_engines(void)
{
    for (int engine = 0; engine < HPR_ENGINES; engine++)
        if (hpr_codec_has((enum hpr_engine)engine))
            engines[engine_count++] = engine;
}

struct pair {
    struct hpr_codec_params params;
    struct hpr_deflater d;
    struct hpr_inflater i;
    void *d_slab, *i_slab;
    size_t d_bytes, i_bytes;
};

/* LEVEL is zlib's; ISA-L has three, libdeflate is asked for one. Whatever hpr_codec_params() would take: each engine does blocks of all sizes. */
static void pair_open(struct pair *p, int engine, int level, size_t block_bytes)
{
    const enum hpr_engine which = (enum hpr_engine)engines[engine];
    int window_bits;

    if (which != HPR_ENGINE_ZLIB)
        level = which == HPR_ENGINE_ISAL ? 1 + level % 3 : 1;
    p->params = hpr_codec_params(level, block_bytes, SIZE_MAX);
    p->params.engine = which;
    window_bits = which == HPR_ENGINE_LIBDEFLATE ? 15 : p->params.window_bits; /* its window cannot be set */
    p->d_bytes = hpr_deflater_bytes(&p->params).slab;
    p->i_bytes = hpr_inflater_bytes(which, window_bits).slab;
    p->d_slab = guarded_new(p->d_bytes);
    p->i_slab = guarded_new(p->i_bytes);
    ck_assert_int_eq(hpr_deflater_init(&p->d, &p->params, p->d_slab, p->d_bytes), HOPPER_OK);
    ck_assert_int_eq(hpr_inflater_init(&p->i, which, window_bits, p->i_slab, p->i_bytes), HOPPER_OK);
}

static void pair_close(struct pair *p)
{
    hpr_deflater_fini(&p->d);
    hpr_inflater_fini(&p->i);
    guarded_free(p->d_slab, p->d_bytes);
    guarded_free(p->i_slab, p->i_bytes);
}

/* Inflate LEN bytes at IN, PIECE at a time, to RAW of RAW_LEN bytes. */
static enum hpr_inflate_result inflate_all(struct hpr_inflater *i, const unsigned char *in, size_t len, size_t piece,
                                           unsigned char *raw, size_t raw_len)
{
    enum hpr_inflate_result res = HPR_INFLATE_BAD;

    hpr_inflate_begin(i, raw, raw_len);
    for (size_t at = 0; at < len; at += piece) {
        piece = hpr_min_size(piece, len - at);
        res = hpr_inflate_step(i, in + at, piece, at + piece == len);
        if (res != HPR_INFLATE_MORE)
            break;
    }
    return res;
}

/* Text-like bytes: they shrink. */
static void fill_text(struct rng *rng, unsigned char *out, size_t len)
{
    static const char words[8][8] = {"record ", "channel", " of the", "memory ", "12345, ", "disk\n..", "abcdefg",
                                     " frame "};

    for (size_t i = 0; i < len; i += 7)
        memcpy(out + i, words[rng_below(rng, 8)], hpr_min_size(7, len - i));
}

static void fill_noise(struct rng *rng, unsigned char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)rng_next(rng);
}

/* ---- sizes ---- */

START_TEST(the_window_is_half_a_block_and_a_deflater_fits_small_budgets)
{
    static const int bits[BLOCK_SIZES] = {10, 10, 11, 12, 13, 14, 15};

    for (size_t i = 0; i < BLOCK_SIZES; i++) {
        struct hpr_codec_params p = hpr_codec_params(6, block_sizes[i], SIZE_MAX);

        ck_assert_int_eq(p.level, 6);
        ck_assert_int_eq(p.window_bits, bits[i]);
        ck_assert(p.memory_level >= 1 && p.memory_level <= 9);
        ck_assert_uint_le(hpr_deflater_bytes(&p).slab, 16 * block_sizes[i] + 16384);
        p = hpr_codec_params(6, block_sizes[i], 4096);
        ck_assert_int_eq(p.window_bits, bits[i] < 12 ? bits[i] : 12);
        ck_assert_uint_le(hpr_deflater_bytes(&p).slab, 16 * 4096);
        ck_assert_int_eq(hpr_codec_params(6, block_sizes[i], 0).window_bits, 10);
        p = hpr_codec_params(6, block_sizes[i], 16384);
        ck_assert_int_eq(p.window_bits, bits[i]);
        ck_assert_int_eq(p.memory_level, bits[i] < 14 ? bits[i] - 7 : 7);
    }
}
END_TEST

START_TEST(a_deflater_takes_exactly_the_slab_that_was_asked_for)
{
    for (size_t i = 0; i < BLOCK_SIZES; i++) {
        struct pair p;

        pair_open(&p, _i, 9, block_sizes[i]);
        ck_assert_uint_eq(p.d.slab.used, p.d_bytes);
        hpr_deflater_fini(&p.d);
        ck_assert_int_eq(hpr_deflater_init(&p.d, &p.params, p.d_slab, p.d_bytes - 1), HOPPER_ENOMEM);
        pair_close(&p);
    }
}
END_TEST

START_TEST(zlib_is_asked_and_its_refusal_is_passed_on)
{
    struct hpr_codec_params bad_level = {HPR_ENGINE_ZLIB, 99, 15, 8};
    struct hpr_codec_params bad_window = {HPR_ENGINE_ZLIB, 6, 20, 8}, bad_memory = {HPR_ENGINE_ZLIB, 6, 15, 77};

    ck_assert_uint_eq(hpr_deflater_bytes(&bad_level).slab, 0);
    ck_assert_uint_eq(hpr_deflater_bytes(&bad_window).slab, 0);
    ck_assert_uint_eq(hpr_deflater_bytes(&bad_memory).slab, 0);
    ck_assert_uint_eq(hpr_inflater_bytes(HPR_ENGINE_ZLIB, 20).slab, 0);
}
END_TEST

START_TEST(an_inflater_needs_no_more_than_its_slab_however_its_input_comes)
{
    struct rng rng = {1};
    unsigned char *raw = malloc(65536), *out = malloc(65536), *back = malloc(65536);

    for (size_t i = 0; i < BLOCK_SIZES; i++) {
        size_t stored, used = 0;
        struct pair p;

        pair_open(&p, _i, 6, block_sizes[i]);
        fill_text(&rng, raw, block_sizes[i]);
        stored = hpr_deflate(&p.d, raw, block_sizes[i], out, block_sizes[i]);
        ck_assert_uint_gt(stored, 0);
        for (size_t piece = 1; piece <= stored; piece = piece * 3 + 1) {
            memset(back, 0, block_sizes[i]);
            ck_assert_int_eq(inflate_all(&p.i, out, stored, piece, back, block_sizes[i]), HPR_INFLATE_DONE);
            ck_assert(memcmp(back, raw, block_sizes[i]) == 0);
            ck_assert_uint_le(p.i.slab.used, p.i_bytes);
            ck_assert(used == 0 || used == p.i.slab.used); /* no more with each frame */
            used = p.i.slab.used;
        }
        pair_close(&p);
    }
    free(raw);
    free(out);
    free(back);
}
END_TEST

/* ---- there and back ---- */

static void check_block(struct pair *p, const unsigned char *raw, size_t len, bool must_shrink, bool must_not)
{
    unsigned char *out = guarded_new(len), *back = guarded_new(len);
    size_t stored = hpr_deflate(&p->d, raw, len, out, len);

    ck_assert(stored < len || len == 0);
    ck_assert(!must_shrink || stored > 0);
    ck_assert(!must_not || stored == 0);
    if (stored > 0) {
        ck_assert_int_eq(inflate_all(&p->i, out, stored, 1000, back, len), HPR_INFLATE_DONE);
        ck_assert(memcmp(back, raw, len) == 0);
    }
    guarded_free(out, len);
    guarded_free(back, len);
}

START_TEST(blocks_come_back_and_what_does_not_shrink_is_said_not_to)
{
    static const size_t parts[] = {1, 2, 3, 7, 100, 1000};
    struct rng rng = {rng_seed("codec")};
    unsigned char *raw = malloc(65536);

    for (size_t i = 0; i < BLOCK_SIZES; i++) {
        for (int level = 1; level <= 9; level += 4) {
            struct pair p;

            pair_open(&p, _i, level, block_sizes[i]);
            memset(raw, 'x', block_sizes[i]);
            check_block(&p, raw, block_sizes[i], true, false);
            fill_text(&rng, raw, block_sizes[i]);
            check_block(&p, raw, block_sizes[i], true, false);
            fill_noise(&rng, raw, block_sizes[i]);
            check_block(&p, raw, block_sizes[i], false, true);
            memcpy(raw + block_sizes[i] / 2, raw, block_sizes[i] / 2); /* noise that comes again from afar */
            check_block(&p, raw, block_sizes[i], false, false);
            for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
                check_block(&p, raw, parts[k], false, parts[k] < 4);
            pair_close(&p);
        }
    }
    free(raw);
}
END_TEST

START_TEST(a_result_that_only_just_does_not_fit_is_refused_and_nothing_is_written_behind)
{
    unsigned char raw[1000], out[1000];
    const size_t slack = engines[_i] == HPR_ENGINE_ZLIB ? 0 : HPR_DEFLATE_SLACK;
    struct rng rng = {7};
    size_t stored;
    struct pair p;

    pair_open(&p, _i, 6, 1024);
    fill_text(&rng, raw, sizeof raw);
    stored = hpr_deflate(&p.d, raw, sizeof raw, out, sizeof out);
    ck_assert_uint_gt(stored, 20);
    for (size_t room = 0; room <= stored + HPR_DEFLATE_SLACK + 1; room++) {
        unsigned char *small = guarded_new(room);
        size_t got = hpr_deflate(&p.d, raw, sizeof raw, small, room);

        if (room > stored && room <= stored + slack)
            ck_assert(got == 0 || got == stored);
        else
            ck_assert_uint_eq(got, room > stored ? stored : 0);
        guarded_free(small, room);
    }
    pair_close(&p);
}
END_TEST

/* Deflate RAW in pieces of PIECE to OUT, with ROOM bytes of output at a time. */
static size_t deflate_pieces(struct hpr_deflater *d, const unsigned char *raw, size_t len, size_t piece,
                             unsigned char *out, size_t room)
{
    size_t stored = 0;
    bool is_done;

    hpr_deflate_begin(d);
    for (size_t at = 0; at <= len; at += piece) {
        bool is_last = at == len;

        piece = is_last ? 1 : hpr_min_size(piece, len - at);
        d->flow.in = raw + at;
        d->flow.in_bytes = is_last ? 0 : piece;
        do {
            d->flow.out = out + stored;
            d->flow.out_bytes = room;
            is_done = hpr_deflate_step(d, is_last);
            stored += room - d->flow.out_bytes;
        } while (!is_done);
    }
    return stored;
}

START_TEST(pieces_of_any_size_make_a_stream_that_inflates_to_the_whole)
{
    static const size_t sizes[] = {1, 3, 64, 1000, 100000};
    unsigned char *raw = malloc(100000), *out = malloc(200000), *back = malloc(100000);
    struct rng rng = {3};
    struct pair p;

    pair_open(&p, _i, 6, 4096);
    fill_text(&rng, raw, 50000);
    fill_noise(&rng, raw + 50000, 50000);
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            size_t stored = deflate_pieces(&p.d, raw, 100000, sizes[i], out, sizes[k]);

            ck_assert_int_eq(inflate_all(&p.i, out, stored, sizes[4 - i], back, 100000), HPR_INFLATE_DONE);
            ck_assert(memcmp(back, raw, 100000) == 0);
        }
    }
    ck_assert_uint_eq(p.d.slab.used, p.d_bytes);
    pair_close(&p);
    free(raw);
    free(out);
    free(back);
}
END_TEST

/* ---- bad streams ---- */

START_TEST(a_stream_that_is_cut_or_has_something_behind_it_or_gives_another_length_is_bad)
{
    unsigned char raw[1000], out[1100], *back = guarded_new(1000);
    struct rng rng = {11};
    struct pair p;
    size_t len;

    pair_open(&p, _i, 6, 1024);
    fill_text(&rng, raw, sizeof raw);
    len = hpr_deflate(&p.d, raw, sizeof raw, out, sizeof raw);
    ck_assert_uint_gt(len, 0);
    out[len] = 0;
    for (size_t piece = 1; piece <= 1000; piece *= 10) {
        for (size_t cut = 1; cut < len; cut++)
            ck_assert_int_eq(inflate_all(&p.i, out, cut, piece, back, 1000), HPR_INFLATE_BAD);
        ck_assert_int_eq(inflate_all(&p.i, out, len + 1, piece, back, 1000), HPR_INFLATE_BAD);
        ck_assert_int_eq(inflate_all(&p.i, out, len, piece, back, 999), HPR_INFLATE_BAD);
        ck_assert_int_eq(inflate_all(&p.i, out, len, piece, back, 1000), HPR_INFLATE_DONE);
    }
    guarded_free(back, 1000);
    back = guarded_new(1001);
    ck_assert_int_eq(inflate_all(&p.i, out, len, 100, back, 1001), HPR_INFLATE_BAD);
    guarded_free(back, 1001);
    pair_close(&p);
}
END_TEST

START_TEST(noise_and_bombs_do_no_harm_and_good_streams_work_after_them)
{
    unsigned char raw[1000], out[4096], good[1000], *back = guarded_new(1000);
    unsigned char *zeros = calloc(1, 1 << 20);
    struct rng rng = {rng_seed("codec")};
    struct pair p;
    size_t len, bomb;

    pair_open(&p, _i, 9, 1024);
    fill_text(&rng, raw, sizeof raw);
    len = hpr_deflate(&p.d, raw, sizeof raw, good, sizeof good);
    bomb = hpr_deflate(&p.d, zeros, 1 << 20, out, sizeof out);
    ck_assert_uint_gt(bomb, 0);
    ck_assert_int_eq(inflate_all(&p.i, out, bomb, 100, back, 1000), HPR_INFLATE_BAD);
    for (int i = 0; i < 20000; i++) {
        fill_noise(&rng, out, 100);
        (void)inflate_all(&p.i, out, 100, 1 + rng_below(&rng, 100), back, 1000);
    }
    ck_assert_int_eq(inflate_all(&p.i, good, len, 10, back, 1000), HPR_INFLATE_DONE);
    ck_assert_mem_eq(back, raw, sizeof raw);
    guarded_free(back, 1000);
    pair_close(&p);
    free(zeros);
}
END_TEST

/* ---- engines ---- */

START_TEST(what_one_engine_deflates_each_inflates)
{
    unsigned char *raw = malloc(65536), *out = malloc(65536), *back = malloc(65536);
    struct rng rng = {rng_seed("codec")};

    for (int level = 1; level <= 9; level += 2) {
        struct pair from, to;

        pair_open(&from, _i / engine_count, level, 65536);
        pair_open(&to, _i % engine_count, level, 65536);
        for (size_t len = 100; len <= 65536; len = len * 3 + 1) {
            size_t stored;

            fill_text(&rng, raw, len);
            stored = hpr_deflate(&from.d, raw, len, out, len);
            ck_assert_uint_gt(stored, 0);
            for (size_t piece = 65536; piece > 0; piece /= 16) {
                memset(back, 0, len);
                ck_assert_int_eq(inflate_all(&to.i, out, stored, piece, back, len), HPR_INFLATE_DONE);
                ck_assert(memcmp(back, raw, len) == 0);
            }
        }
        pair_close(&from);
        pair_close(&to);
    }
    free(raw);
    free(out);
    free(back);
}
END_TEST

/* Blocks of small budgets are zlib's. */
static enum hpr_engine expected_engine(int level, size_t block_bytes)
{
    if (block_bytes < 32768)
        return HPR_ENGINE_ZLIB;
    if (level <= 3 && hpr_codec_has(HPR_ENGINE_ISAL))
        return HPR_ENGINE_ISAL;
    return level == 1 && hpr_codec_has(HPR_ENGINE_LIBDEFLATE) ? HPR_ENGINE_LIBDEFLATE : HPR_ENGINE_ZLIB;
}

START_TEST(for_each_block_size_and_level_an_engine_is_taken_and_the_version_names_it)
{
    for (int level = 1; level <= 9; level++)
        for (size_t i = 0; i < BLOCK_SIZES; i++)
            ck_assert_int_eq(hpr_codec_params(level, block_sizes[i], SIZE_MAX).engine,
                             expected_engine(level, block_sizes[i]));
    ck_assert_int_eq(strstr(hopper_version(), "isa-l 2.") != NULL, hpr_codec_has(HPR_ENGINE_ISAL));
    ck_assert_int_eq(strstr(hopper_version(), "libdeflate 1.") != NULL, hpr_codec_has(HPR_ENGINE_LIBDEFLATE));
    ck_assert_ptr_nonnull(strstr(hopper_version(), "zlib 1."));
}
END_TEST

/* ---- what an engine allocates by itself ---- */

#ifdef HPR_LIBDEFLATE

#define MEMORY (64 << 20)
#define LANES  4 /* with so much */

static size_t allocated, allocations;
static size_t allowed = SIZE_MAX; /* at a time */

static void *counted_malloc(size_t bytes)
{
    if (allocations == allowed)
        return NULL;
    allocated += bytes;
    allocations++;
    return malloc(bytes);
}

static void counted_free(void *ptr)
{
    allocations -= ptr != NULL;
    free(ptr);
}

START_TEST(libdeflate_allocates_no_more_than_is_counted_once_and_gives_it_back)
{
    struct hpr_codec_params params = {HPR_ENGINE_LIBDEFLATE, 1, 12, 5};
    const struct hpr_codec_bytes d_bytes = hpr_deflater_bytes(&params);
    const struct hpr_codec_bytes i_bytes = hpr_inflater_bytes(HPR_ENGINE_LIBDEFLATE, 15);
    void *d_slab = malloc(d_bytes.slab), *i_slab = malloc(i_bytes.slab);
    unsigned char raw[4096], out[4096];
    struct hpr_deflater d;
    struct hpr_inflater i;
    size_t stored;

    memset(raw, 'x', sizeof raw);
    libdeflate_set_memory_allocator(counted_malloc, counted_free);
    allocated = 0;
    ck_assert_int_eq(hpr_deflater_init(&d, &params, d_slab, d_bytes.slab), HOPPER_OK);
    ck_assert(allocated > d_bytes.own / 2 && allocated <= d_bytes.own);
    allocated = 0;
    ck_assert_int_eq(hpr_inflater_init(&i, HPR_ENGINE_LIBDEFLATE, 15, i_slab, i_bytes.slab), HOPPER_OK);
    ck_assert(allocated > i_bytes.own / 2 && allocated <= i_bytes.own);
    ck_assert_uint_eq(allocations, 2);
    allocated = 0;
    stored = hpr_deflate(&d, raw, sizeof raw, out, sizeof out);
    ck_assert_int_eq(inflate_all(&i, out, stored, stored, raw, sizeof raw), HPR_INFLATE_DONE);
    ck_assert_uint_eq(allocated, 0);
    hpr_deflater_fini(&d);
    hpr_inflater_fini(&i);
    ck_assert_uint_eq(allocations, 0);
    free(d_slab);
    free(i_slab);
}
END_TEST

START_TEST(libdeflate_without_memory_is_said_and_leaves_nothing)
{
    struct hpr_codec_params params = {HPR_ENGINE_LIBDEFLATE, 1, 12, 5};
    size_t d_bytes = hpr_deflater_bytes(&params).slab;
    size_t i_bytes = hpr_inflater_bytes(HPR_ENGINE_LIBDEFLATE, 15).slab;
    void *d_slab = malloc(d_bytes), *i_slab = malloc(i_bytes);
    struct hpr_deflater d;
    struct hpr_inflater i;

    libdeflate_set_memory_allocator(counted_malloc, counted_free);
    allowed = 0;
    ck_assert_int_eq(hpr_deflater_init(&d, &params, d_slab, d_bytes), HOPPER_ENOMEM);
    ck_assert_int_eq(hpr_inflater_init(&i, HPR_ENGINE_LIBDEFLATE, 15, i_slab, i_bytes), HOPPER_ENOMEM);
    hpr_deflater_fini(&d);
    hpr_inflater_fini(&i);
    free(d_slab);
    free(i_slab);
}
END_TEST

/* What an idle channel holds. It has given all of it back when this returns. */
static uint64_t used_by_channel(const struct hopper_options *options)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    hopper_sender *snd;
    hopper_receiver *rcv;

    ck_assert_int_eq(hopper_open("/", "q", options, &snd, &rcv, NULL), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_stats(snd, &stats), HOPPER_OK);
    ck_assert_uint_eq(allocations, options->compression == 1 ? LANES + 1 : 1);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    ck_assert_uint_eq(allocations, 0);
    return stats.memory_bytes_used;
}

/* _i: hopper_options.survive. With compression a channel has a deflater and room for a block more for each lane. */
START_TEST(a_channel_counts_what_libdeflate_takes_and_gives_it_back)
{
    const struct hpr_codec_params params = hpr_codec_params(1, 65536, MEMORY / 64);
    const struct hpr_codec_bytes bytes = hpr_deflater_bytes(&params);
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct mem_platform *mem = mem_platform_new(NULL);
    uint64_t without;

    options.platform = mem_platform_table(mem);
    options.memory_bytes = MEMORY;
    options.survive = (uint32_t)_i;
    options.compression = HOPPER_COMPRESSION_NONE;
    libdeflate_set_memory_allocator(counted_malloc, counted_free);
    without = used_by_channel(&options);
    options.compression = 1;
    ck_assert_uint_ge(used_by_channel(&options) - without, LANES * (bytes.slab + bytes.own + 65536));
    mem_platform_free(mem);
}
END_TEST

START_TEST(a_channel_that_gets_no_memory_for_libdeflate_cannot_be_opened)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct mem_platform *mem = mem_platform_new(NULL);
    struct hopper_error err;
    hopper_receiver *rcv;
    hopper_sender *snd;

    options.platform = mem_platform_table(mem);
    libdeflate_set_memory_allocator(counted_malloc, counted_free);
    for (allowed = 0; allowed < 2; allowed++) {
        ck_assert_int_eq(hopper_open("/", "q", &options, &snd, &rcv, &err), HOPPER_ENOMEM);
        ck_assert_uint_eq(allocations, 0);
    }
    ck_assert_int_eq(hopper_open("/", "q", &options, &snd, &rcv, &err), HOPPER_OK);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    mem_platform_free(mem);
}
END_TEST

static void add_libdeflate(TCase *tc)
{
    tcase_add_test(tc, libdeflate_allocates_no_more_than_is_counted_once_and_gives_it_back);
    tcase_add_test(tc, libdeflate_without_memory_is_said_and_leaves_nothing);
    tcase_add_loop_test(tc, a_channel_counts_what_libdeflate_takes_and_gives_it_back, HOPPER_SURVIVE_NOTHING,
                        HOPPER_SURVIVE_POWER_LOSS + 1);
    tcase_add_test(tc, a_channel_that_gets_no_memory_for_libdeflate_cannot_be_opened);
}

#else

static void add_libdeflate(TCase *tc)
{
    (void)tc;
}

#endif

int main(void)
{
    Suite *suite = suite_create("codec");
    TCase *tc = tcase_create("deflate");
    int all;

    find_engines();
    all = engine_count;
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_window_is_half_a_block_and_a_deflater_fits_small_budgets);
    tcase_add_loop_test(tc, a_deflater_takes_exactly_the_slab_that_was_asked_for, 0, all);
    tcase_add_test(tc, zlib_is_asked_and_its_refusal_is_passed_on);
    tcase_add_loop_test(tc, an_inflater_needs_no_more_than_its_slab_however_its_input_comes, 0, all);
    tcase_add_loop_test(tc, blocks_come_back_and_what_does_not_shrink_is_said_not_to, 0, all);
    tcase_add_loop_test(tc, a_result_that_only_just_does_not_fit_is_refused_and_nothing_is_written_behind, 0, all);
    tcase_add_loop_test(tc, pieces_of_any_size_make_a_stream_that_inflates_to_the_whole, 0, all);
    tcase_add_loop_test(tc, a_stream_that_is_cut_or_has_something_behind_it_or_gives_another_length_is_bad, 0, all);
    tcase_add_loop_test(tc, noise_and_bombs_do_no_harm_and_good_streams_work_after_them, 0, all);
    tcase_add_loop_test(tc, what_one_engine_deflates_each_inflates, 0, all * all);
    tcase_add_test(tc, for_each_block_size_and_level_an_engine_is_taken_and_the_version_names_it);
    add_libdeflate(tc);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
