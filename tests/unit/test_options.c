/* SPDX-License-Identifier: MIT */
/* Options of callers of any age are taken, every value that makes no sense is refused by name, and the budgets are
 * divided so that the parts add up. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

#include "frame.h"
#include "record.h"
#include "rng.h"
#include "suite.h"

#define MIB (UINT64_C(1) << 20)

static int pack(void *ctx, const void *item, struct msgpack_packer *packer)
{
    (void)ctx, (void)item, (void)packer;
    return 0;
}

static int unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    (void)ctx, (void)data, (void)len, (void)itemp;
    return 0;
}

static size_t weigh(void *ctx, const void *item)
{
    (void)ctx, (void)item;
    return 0;
}

static void release(void *ctx, void *item)
{
    (void)ctx, (void)item;
}

static struct hopper_item_type item_type;
static struct hopper_platform platform;

static void reset(void)
{
    item_type = (struct hopper_item_type){sizeof item_type, pack, unpack, weigh, release, NULL};
    platform = *hopper_platform_posix();
}

/* ---- import ---- */

static void check_defaults(const struct hopper_options *o)
{
    ck_assert_uint_eq(o->memory_bytes, MIB);
    ck_assert_uint_eq(o->disk_bytes, 4096 * MIB);
    ck_assert_uint_eq(o->file_bytes, 256 * MIB);
    ck_assert_uint_eq(o->record_bytes_max, MIB / 4);
    ck_assert_uint_eq(o->survive, HOPPER_SURVIVE_NOTHING);
    ck_assert_uint_eq(o->when_full, HOPPER_FULL_BLOCK);
    ck_assert_uint_eq(o->compression, 1);
    ck_assert_ptr_null(o->item_type);
    ck_assert_ptr_eq(o->platform, hopper_platform_posix());
}

START_TEST(no_options_and_empty_options_mean_the_defaults)
{
    const struct hopper_options init = HOPPER_OPTIONS_INIT;
    struct hopper_options out;

    ck_assert_int_eq(hpr_options_import(&out, NULL, NULL), HOPPER_OK);
    check_defaults(&out);
    ck_assert_int_eq(hpr_options_import(&out, &init, NULL), HOPPER_OK);
    check_defaults(&out);
}
END_TEST

START_TEST(values_that_are_given_are_kept)
{
    const struct hopper_options in = {sizeof in, 3 * MIB, 5 * MIB, 2 * MIB, 12345, HOPPER_SURVIVE_NOTHING,
                                      HOPPER_FULL_DROP_OLDEST, 9, 0, &item_type, &platform, 0, 0, 0, 0, 0, 0};
    struct hopper_options out;

    ck_assert_int_eq(hpr_options_import(&out, &in, NULL), HOPPER_OK);
    ck_assert_mem_eq(&out, &in, sizeof in);
}
END_TEST

START_TEST(a_quarter_of_memory_is_the_default_for_a_record)
{
    struct hopper_options in = HOPPER_OPTIONS_INIT, out;

    in.memory_bytes = 12 * MIB;
    ck_assert_int_eq(hpr_options_import(&out, &in, NULL), HOPPER_OK);
    ck_assert_uint_eq(out.record_bytes_max, 3 * MIB);
}
END_TEST

/* An older caller knows fewer options: what is behind them is not looked at. */
START_TEST(a_shorter_struct_leaves_the_rest_at_its_defaults)
{
    const size_t least = offsetof(struct hopper_options, disk_bytes);
    struct hopper_options out;

    for (size_t size = least; size <= sizeof out; size += alignof(struct hopper_options)) {
        unsigned char *in = malloc(size); /* exactly so much: sanitizers see a read beyond */
        struct hopper_options whole = {size, 2 * MIB, 8 * MIB, MIB, 77, 0, 1, 3, 0, NULL, &platform, 0, 0, 0, 0, 0, 0};

        memcpy(in, &whole, size);
        ck_assert_int_eq(hpr_options_import(&out, (struct hopper_options *)(void *)in, NULL), HOPPER_OK);
        ck_assert_uint_eq(out.size, sizeof out);
        ck_assert_uint_eq(out.memory_bytes, 2 * MIB);
        if (size == least)
            ck_assert_uint_eq(out.disk_bytes, 4096 * MIB);
        if (size >= offsetof(struct hopper_options, file_bytes))
            ck_assert_uint_eq(out.disk_bytes, 8 * MIB);
        if (size == offsetof(struct hopper_options, record_bytes_max))
            ck_assert_uint_eq(out.record_bytes_max, MIB / 2);
        if (size <= offsetof(struct hopper_options, platform))
            ck_assert_ptr_eq(out.platform, hopper_platform_posix());
        free(in);
    }
}
END_TEST

START_TEST(a_longer_struct_is_taken_when_what_is_unknown_is_zero_and_refused_when_not)
{
    struct {
        struct hopper_options known;
        unsigned char more[40];
    } in = {HOPPER_OPTIONS_INIT, {0}};
    struct hopper_options out;
    struct hopper_error err;

    for (size_t more = 1; more <= sizeof in.more; more++) {
        in.known.size = sizeof in.known + more;
        ck_assert_int_eq(hpr_options_import(&out, &in.known, NULL), HOPPER_OK);
        check_defaults(&out);
        in.more[more - 1] = 1;
        ck_assert_int_eq(hpr_options_import(&out, &in.known, &err), HOPPER_EINVAL);
        ck_assert_str_eq(err.op, "use an option that this version does not know");
        in.more[more - 1] = 0;
    }
}
END_TEST

START_TEST(a_size_that_makes_no_sense_is_refused)
{
    const size_t bad[] = {0, 1, 8, offsetof(struct hopper_options, disk_bytes) - 1,
                          offsetof(struct hopper_options, platform) + 1, sizeof(struct hopper_options) - 1, 4097,
                          SIZE_MAX};
    struct hopper_options in = HOPPER_OPTIONS_INIT, out;
    struct hopper_error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        in.size = bad[i];
        ck_assert_int_eq(hpr_options_import(&out, &in, &err), HOPPER_EINVAL);
        ck_assert_ptr_nonnull(strstr(err.op, "options.size"));
    }
}
END_TEST

struct attempt {
    const char *word; /* in err.op when refused; NULL: taken */
    struct hopper_options in;
};

#define WITH(...) {.size = sizeof(struct hopper_options), __VA_ARGS__}

static const struct attempt attempts[] = {
    {"memory_bytes", WITH(.memory_bytes = HOPPER_MEMORY_BYTES_MIN - 1)},
    {NULL, WITH(.memory_bytes = HOPPER_MEMORY_BYTES_MIN)},
    {"memory_bytes", WITH(.memory_bytes = 1)},
    {"memory_bytes", WITH(.memory_bytes = UINT64_MAX)},
    {"memory_bytes", WITH(.memory_bytes = (uint64_t)(SIZE_MAX / 4) + 1)},
    {"disk_bytes", WITH(.disk_bytes = HOPPER_DISK_BYTES_MIN - 1)},
    {NULL, WITH(.disk_bytes = HOPPER_DISK_BYTES_MIN)},
    {"disk_bytes", WITH(.disk_bytes = (uint64_t)INT64_MAX + 1)},
    {NULL, WITH(.disk_bytes = INT64_MAX)},
    {"file_bytes", WITH(.file_bytes = 4095)},
    {NULL, WITH(.file_bytes = 4096)},
    {"file_bytes", WITH(.file_bytes = UINT64_MAX)},
    {"record_bytes_max", WITH(.record_bytes_max = HPR_RECORD_BYTES_LIMIT + 1)},
    {"record_bytes_max", WITH(.record_bytes_max = UINT64_MAX)},
    {NULL, WITH(.record_bytes_max = 1)},
    {"survive", WITH(.survive = 3)},
    {"survive", WITH(.survive = UINT32_MAX)},
    {"when_full", WITH(.when_full = HOPPER_FULL_DROP_OLDEST + 1)},
    {NULL, WITH(.when_full = HOPPER_FULL_DROP_OLDEST)},
    {"when_full", WITH(.when_full = UINT32_MAX)},
    {"compression", WITH(.compression = HOPPER_COMPRESSION_NONE + 1)},
    {NULL, WITH(.compression = HOPPER_COMPRESSION_NONE)},
    {NULL, WITH(.compression = 9)},
    {"compression", WITH(.compression = UINT32_MAX)},
    {"spin_us", WITH(.spin_us = 1000001)},
    {NULL, WITH(.spin_us = 1000000)},
    {"compress_threads", WITH(.compress_threads = 2)},
    {"compress_threads", WITH(.compress_threads = UINT32_MAX)},
    {NULL, WITH(.compress_threads = 1)},
    {NULL, WITH(.compress_threads = 1, .survive = HOPPER_SURVIVE_CRASH)},
    {"compress_threads", WITH(.compress_threads = 1, .survive = HOPPER_SURVIVE_POWER_LOSS)},
    {"decompress_threads", WITH(.decompress_threads = 2)},
    {"decompress_threads", WITH(.decompress_threads = UINT32_MAX)},
    {NULL, WITH(.decompress_threads = 1)},
    {NULL, WITH(.decompress_threads = 1, .survive = HOPPER_SURVIVE_POWER_LOSS)},
    {NULL, WITH(.decompress_threads = 1, .memory_bytes = MIB)},
    {"decompress_threads", WITH(.decompress_threads = 1, .memory_bytes = MIB - 1)},
    {NULL, WITH(.decompress_threads = 1, .when_full = HOPPER_FULL_DROP_NEWEST)},
    {"decompress_threads", WITH(.decompress_threads = 1, .when_full = HOPPER_FULL_DROP_OLDEST)},
    {"reserved", WITH(.reserved = 1)},
};

START_TEST(each_value_out_of_range_is_refused_by_name_and_the_ones_at_its_edge_are_taken)
{
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const char *word = attempts[i].word;
        struct hopper_error err = {0};
        struct hopper_options out;
        hopper_status st = hpr_options_import(&out, &attempts[i].in, &err);

        ck_assert_msg(st == (word ? HOPPER_EINVAL : HOPPER_OK), "attempt %zu, %s", i, word);
        ck_assert_msg(!word || (err.status == HOPPER_EINVAL && strstr(err.op, word)), "attempt %zu: %s", i, err.op);
    }
}
END_TEST

static void check_refused(const char *word)
{
    const struct hopper_options in = WITH(.item_type = &item_type, .platform = &platform);
    struct hopper_options out;
    struct hopper_error err;

    ck_assert_msg(hpr_options_import(&out, &in, &err) == HOPPER_EINVAL && strstr(err.op, word), "%s", word);
    reset();
    ck_assert_int_eq(hpr_options_import(&out, &in, &err), HOPPER_OK);
}

START_TEST(tables_with_something_missing_are_refused)
{
    item_type.pack = NULL;
    check_refused("item_type");
    item_type.unpack = NULL;
    check_refused("item_type");
    item_type.weight = NULL;
    check_refused("item_type");
    item_type.free = NULL;
    check_refused("item_type");
    item_type.size--;
    check_refused("item_type");
    platform.size = 0;
    check_refused("platform");
    platform.io.size++;
    check_refused("platform");
    platform.clock.size = 0;
    check_refused("platform");
    platform.allocator.size = 1;
    check_refused("platform");
}
END_TEST

/* ---- names ---- */

START_TEST(names_are_plain_and_cannot_leave_the_directory)
{
    static const char *const good[] = {"a", "q", "...", ".hidden", "a..b", "A-Z_09.x", "-", "LOCK"};
    static const char *const bad[] = {"", ".", "..", "/", "a/b", "../a", "a/..", "a b", "a\n", "\xc3\xa4", "a:b", "~"};
    char longest[202];

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(hpr_options_check_name(good[i], NULL) == HOPPER_OK, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(hpr_options_check_name(bad[i], NULL) == HOPPER_EINVAL, "%s", bad[i]);
    ck_assert_int_eq(hpr_options_check_name(NULL, NULL), HOPPER_EINVAL);
    memset(longest, 'n', sizeof longest);
    longest[200] = '\0';
    ck_assert_int_eq(hpr_options_check_name(longest, NULL), HOPPER_OK);
    longest[200] = 'n';
    longest[201] = '\0';
    ck_assert_int_eq(hpr_options_check_name(longest, NULL), HOPPER_EINVAL);
}
END_TEST

START_TEST(only_the_characters_of_the_contract_are_taken)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char name[3] = "xx";

    for (int c = 1; c < 256; c++) {
        name[1] = (char)c;
        ck_assert_msg((hpr_options_check_name(name, NULL) == HOPPER_OK) == (strchr(allowed, c) != NULL), "%d", c);
    }
}
END_TEST

/* ---- dividing the budgets ---- */

static void check_plan(const struct hopper_options *o)
{
    struct hpr_plan p;

    hpr_options_plan(o, &p);
    ck_assert(p.block_bytes >= 1024 && p.block_bytes <= 131072 && (p.block_bytes & (p.block_bytes - 1)) == 0);
    ck_assert(p.blocks >= 3 && p.blocks <= 16 && p.lanes >= 1 && p.lanes <= 4);
    ck_assert(p.blocks * p.block_bytes <= o->memory_bytes / 8 || p.blocks == 3);
    ck_assert(p.file_bytes <= o->file_bytes && p.file_bytes <= o->disk_bytes / 4);
    ck_assert(p.record_bytes_max <= o->record_bytes_max && p.record_bytes_max < o->disk_bytes);
    /* a block, and the largest record, can be read back */
    ck_assert(p.block_bytes <= hpr_options_block_bytes_max(o));
    ck_assert(p.read_raw_bytes >= 2 * p.block_bytes + HPR_FRAME_HEADER_BYTES);
    ck_assert(hpr_max_size(p.read_raw_bytes, p.big_raw_bytes) >= hpr_record_packed_bytes(p.record_bytes_max));
    /* within the arena, and what is outside of it as the header says */
    ck_assert(p.read_raw_bytes <= o->memory_bytes / 4 + 5);
    ck_assert(p.big_raw_bytes <= o->record_bytes_max + 32);
    ck_assert(p.big_raw_bytes == 0 || p.record_bytes_max > o->memory_bytes / 4);
    ck_assert_int_eq(p.has_codec, o->compression != HOPPER_COMPRESSION_NONE);
}

START_TEST(the_parts_of_any_budget_fit_together)
{
    struct rng rng = {rng_seed("options")};

    for (int i = 0; i < 20000; i++) {
        struct hopper_options in = HOPPER_OPTIONS_INIT, out;

        in.memory_bytes = HOPPER_MEMORY_BYTES_MIN + rng_below(&rng, UINT64_C(1) << rng_below(&rng, 33));
        in.disk_bytes = HOPPER_DISK_BYTES_MIN + rng_below(&rng, UINT64_C(1) << rng_below(&rng, 40));
        in.file_bytes = 4096 + rng_below(&rng, UINT64_C(1) << rng_below(&rng, 40));
        in.record_bytes_max = rng_below(&rng, UINT64_C(1) << rng_below(&rng, 30));
        in.compression = (uint32_t)rng_below(&rng, 11);
        in.compress_threads = (uint32_t)rng_below(&rng, 2);
        in.decompress_threads = in.memory_bytes >= MIB && rng_below(&rng, 2);
        ck_assert_int_eq(hpr_options_import(&out, &in, NULL), HOPPER_OK);
        check_plan(&out);
    }
}
END_TEST

START_TEST(plans_for_well_known_budgets_stay_as_documented)
{
    static const struct {
        uint64_t memory_bytes;
        uint32_t threads, decompress_threads;
        size_t block_bytes, blocks, lanes;
    } known[] = {
        {HOPPER_MEMORY_BYTES_MIN, 0, 0, 4096, 4, 1},
        {HOPPER_MEMORY_BYTES_MIN, 1, 0, 4096, 4, 1},
        {MIB - 1, 0, 0, 16384, 7, 1},
        {MIB / 2 - 1, 1, 0, 8192, 7, 1},
        {MIB / 2, 0, 0, 16384, 4, 1},
        {MIB / 2, 1, 0, 16384, 4, 2},
        {HOPPER_MEMORY_BYTES_DEFAULT, 0, 0, 65536, 3, 1},
        {HOPPER_MEMORY_BYTES_DEFAULT, 1, 0, 32768, 4, 2},
        {HOPPER_MEMORY_BYTES_DEFAULT, 0, 1, 32768, 4, 1},
        {HOPPER_MEMORY_BYTES_DEFAULT, 1, 1, 32768, 4, 1},
        {2 * MIB, 0, 0, 131072, 3, 1},
        {2 * MIB, 1, 0, 65536, 4, 2},
        {4 * MIB, 1, 0, 131072, 4, 2},
        {4 * MIB, 1, 1, 131072, 4, 2},
        {16 * MIB, 0, 0, 131072, 16, 4},
        {16 * MIB, 1, 0, 131072, 16, 4},
    };
    /* libdeflate's state for a second lane would take more than a fifth of a MiB */
    const bool is_lane_large = hpr_codec_has(HPR_ENGINE_LIBDEFLATE);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct hopper_options in = HOPPER_OPTIONS_INIT, out;
        struct hpr_plan p;

        in.memory_bytes = known[i].memory_bytes;
        in.compress_threads = known[i].threads;
        in.decompress_threads = known[i].decompress_threads;
        ck_assert_int_eq(hpr_options_import(&out, &in, NULL), HOPPER_OK);
        hpr_options_plan(&out, &p);
        ck_assert_uint_eq(p.block_bytes, known[i].block_bytes);
        ck_assert_uint_eq(p.blocks, known[i].blocks);
        ck_assert_uint_eq(p.lanes, is_lane_large && known[i].memory_bytes == MIB ? 1 : known[i].lanes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("import");

    tcase_add_checked_fixture(tc, reset, NULL);
    tcase_add_test(tc, no_options_and_empty_options_mean_the_defaults);
    tcase_add_test(tc, values_that_are_given_are_kept);
    tcase_add_test(tc, a_quarter_of_memory_is_the_default_for_a_record);
    tcase_add_test(tc, a_shorter_struct_leaves_the_rest_at_its_defaults);
    tcase_add_test(tc, a_longer_struct_is_taken_when_what_is_unknown_is_zero_and_refused_when_not);
    tcase_add_test(tc, a_size_that_makes_no_sense_is_refused);
    tcase_add_test(tc, each_value_out_of_range_is_refused_by_name_and_the_ones_at_its_edge_are_taken);
    tcase_add_test(tc, tables_with_something_missing_are_refused);
    tcase_add_test(tc, names_are_plain_and_cannot_leave_the_directory);
    tcase_add_test(tc, only_the_characters_of_the_contract_are_taken);
    tcase_add_test(tc, the_parts_of_any_budget_fit_together);
    tcase_add_test(tc, plans_for_well_known_budgets_stay_as_documented);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
