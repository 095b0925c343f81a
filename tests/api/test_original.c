/* SPDX-License-Identifier: MIT */
/*
 * What the original's own tests asked of it, asked of this library: one sender and one receiver keep the order, up to
 * ten senders lose nothing, the same case 2,500 times over, shedding when full and going on afterwards, and all that
 * over random budgets. HOPPER_TEST_SEED repeats a run, HOPPER_TEST_CASES sets how many random cases there are.
 */
#include "crowd.h"
#include "platform_mem.h"
#include "rng.h"
#include "suite.h"
#include "tmpdir.h"
#include <hopper/platform.h>
#include <string.h>

#define BATCH 32

struct round_trip {
    uint64_t memory_bytes, disk_bytes, file_bytes;
    unsigned senders;
    uint64_t values; /* of each sender */
    size_t len_min, len_max, batch;
    enum hopper_when_full when_full;
    unsigned compression;
    uint64_t seed;
};

static char *real_dir;

static void make_real_dir(void)
{
    real_dir = tmpdir_new();
}

static void remove_real_dir(void)
{
    tmpdir_remove(real_dir);
    real_dir = NULL;
}

/* Receive to the end. Returns what the last receive returned. */
static hopper_status receive_all(hopper_receiver *rcv, struct checker *checker)
{
    struct hopper_record recs[BATCH];
    hopper_status st;
    size_t count;

    while ((st = hopper_receive_batch(rcv, recs, BATCH, HOPPER_FOREVER, &count)) == HOPPER_OK)
        for (size_t i = 0; i < count; i++)
            if (!checker_take(checker, &recs[i])) return HOPPER_OK;
    return st;
}

static void run(const struct round_trip *trip, const struct hopper_platform *platform, const char *dir)
{
    struct hopper_options options   = HOPPER_OPTIONS_INIT;
    const struct crowd_member model = { .count       = trip->values,
                                        .len_min     = trip->len_min,
                                        .len_max     = trip->len_max,
                                        .batch       = trip->batch,
                                        .seed        = trip->seed,
                                        .keep_trying = true,
                                        .never_waits = trip->when_full == HOPPER_FULL_REFUSE };
    struct checker checker;
    struct crowd crowd;
    hopper_sender *snd;
    hopper_receiver *rcv;
    hopper_status received, sent;

    options.memory_bytes = trip->memory_bytes;
    options.disk_bytes   = trip->disk_bytes;
    options.file_bytes   = trip->file_bytes;
    options.when_full    = trip->when_full;
    options.compression  = trip->compression;
    options.platform     = platform;
    checker_init(&checker);
    ck_assert_int_eq(hopper_open(dir, "q", &options, &snd, &rcv, NULL), HOPPER_OK);
    ck_assert(crowd_start(&crowd, trip->senders, &model, snd));
    hopper_sender_close(snd);
    received = receive_all(rcv, &checker);
    ck_assert_msg(checker.fault[0] == '\0', "%s", checker.fault);
    sent = crowd_join(&crowd);
    hopper_receiver_close(rcv);
    ck_assert_int_eq(received, HOPPER_END);
    ck_assert_int_eq(sent, HOPPER_OK);
    ck_assert_msg(checker_finish(&checker, crowd.accepted, trip->senders), "%s", checker.fault);
    ck_assert_uint_eq(checker.records, trip->values * trip->senders);
}

/* On the simulated disk, where budgets are watched. */
static void run_simulated(struct mem_platform *mem, const struct round_trip *trip)
{
    struct mem_usage usage;
    const char *leaks;

    mem_platform_reset(mem);
    ck_assert_int_eq(mem_mkdir(mem, "/spool", 0700), 0);
    mem_watch_dir(mem, "/spool/q", trip->disk_bytes);
    run(trip, mem_platform_table(mem), "/spool");
    leaks = mem_platform_leaks(mem);
    ck_assert_msg(!leaks, "%s", leaks);
    ck_assert_uint_eq(mem_watch_excess(mem), 0);
    mem_usage(mem, &usage);
    ck_assert_uint_le(usage.map_bytes_peak, trip->memory_bytes);
}

START_TEST(one_sender_and_one_receiver_keep_the_order)
{
    const struct round_trip trip = { .memory_bytes = 256 << 10,
                                     .disk_bytes   = 64 << 20,
                                     .file_bytes   = 1 << 20,
                                     .senders      = 1,
                                     .values       = 50000,
                                     .len_min      = 24,
                                     .len_max      = 200,
                                     .seed         = 1 };

    run(&trip, NULL, real_dir);
}
END_TEST

START_TEST(up_to_ten_senders_lose_nothing)
{
    const struct round_trip trip = { .memory_bytes = 256 << 10,
                                     .disk_bytes   = 64 << 20,
                                     .file_bytes   = 1 << 20,
                                     .senders      = (unsigned)_i,
                                     .values       = 4000,
                                     .len_min      = 24,
                                     .len_max      = 200,
                                     .batch        = _i % 2 ? 1 : 20,
                                     .seed         = 2 };

    run(&trip, NULL, real_dir);
}
END_TEST

START_TEST(the_same_case_2500_times_is_right_2500_times)
{
    const struct round_trip trip              = { .memory_bytes = HOPPER_MEMORY_BYTES_MIN,
                                                  .disk_bytes   = 1 << 20,
                                                  .file_bytes   = 64 << 10,
                                                  .senders      = 4,
                                                  .values       = 60,
                                                  .len_min      = 500,
                                                  .len_max      = 900,
                                                  .seed         = 3 };
    const struct mem_platform_options options = { .flags = MEM_REAL_CLOCK };
    struct mem_platform *mem                  = mem_platform_new(&options);

    for (int i = 0; i < 2500; i++) run_simulated(mem, &trip);
    mem_platform_free(mem);
}
END_TEST

/* Fill to the brim, be refused, make room, go on: the books of ten such rounds come out even. */
START_TEST(a_full_channel_sheds_and_goes_on_afterwards)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_record rec;
    struct checker checker;
    uint64_t accepted = 0, shed = 0;
    hopper_sender *snd;
    hopper_receiver *rcv;
    unsigned char buf[300];
    hopper_status st;

    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    options.disk_bytes   = 256 << 10;
    options.when_full    = HOPPER_FULL_REFUSE;
    checker_init(&checker);
    ck_assert_int_eq(hopper_open(real_dir, "shed", &options, &snd, &rcv, NULL), HOPPER_OK);
    for (int round = 0; round < 10; round++) {
        for (int refused = 0; refused < 100;) {
            checker_fill(buf, sizeof buf, 0, accepted);
            st = hopper_send(snd, buf, sizeof buf);
            if (st == HOPPER_OK) {
                accepted++;
            } else {
                ck_assert_int_eq(st, HOPPER_EFULL);
                refused++;
                shed++;
            }
        }
        ck_assert_uint_gt(accepted, checker.records);
        for (uint64_t n = (accepted - checker.records) * 3 / 4; n > 0; n--) {
            ck_assert_int_eq(hopper_receive(rcv, &rec, HOPPER_NOW), HOPPER_OK);
            ck_assert_msg(checker_take(&checker, &rec), "%s", checker.fault);
        }
    }
    hopper_sender_close(snd);
    ck_assert_int_eq(receive_all(rcv, &checker), HOPPER_END);
    hopper_receiver_close(rcv);
    ck_assert_msg(checker_finish(&checker, &accepted, 1), "%s", checker.fault);
    ck_assert_uint_eq(shed, 1000);
    ck_assert_uint_eq(checker.lost, 0);
}
END_TEST

START_TEST(random_budgets_and_value_counts_lose_nothing)
{
    const struct mem_platform_options options = { .flags = MEM_REAL_CLOCK };
    struct mem_platform *mem                  = mem_platform_new(&options);
    struct rng rng                            = { rng_seed("test_original") };
    uint64_t cases                            = env_number("HOPPER_TEST_CASES", 100);

    for (uint64_t i = 0; i < cases; i++) {
        const struct round_trip trip = {
            .memory_bytes = rng_between(&rng, HOPPER_MEMORY_BYTES_MIN, 1 << 20),
            .disk_bytes   = rng_between(&rng, HOPPER_DISK_BYTES_MIN, 1 << 22),
            .file_bytes   = rng_between(&rng, 32 << 10, 1 << 20),
            .senders      = (unsigned)rng_between(&rng, 1, 10),
            .values       = rng_between(&rng, 0, 2000),
            .len_min      = 24,
            .len_max      = (size_t)rng_between(&rng, 24, 1000),
            .batch        = (size_t)rng_between(&rng, 1, 40),
            .when_full    = rng_below(&rng, 2) ? HOPPER_FULL_BLOCK : HOPPER_FULL_REFUSE,
            .compression  = (unsigned)rng_below(&rng, 11),
            .seed         = rng_next(&rng),
        };

        run_simulated(mem, &trip);
    }
    mem_platform_free(mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("original");
    TCase *tc    = tcase_create("round trips");

    tcase_add_unchecked_fixture(tc, make_real_dir, remove_real_dir);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, one_sender_and_one_receiver_keep_the_order);
    tcase_add_loop_test(tc, up_to_ten_senders_lose_nothing, 1, 11);
    tcase_add_test(tc, the_same_case_2500_times_is_right_2500_times);
    tcase_add_test(tc, a_full_channel_sheds_and_goes_on_afterwards);
    tcase_add_test(tc, random_budgets_and_value_counts_lose_nothing);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
