/* SPDX-License-Identifier: MIT */
/*
 * Many threads on one channel: each sender's order kept, every record accounted for exactly, the books true whenever
 * somebody looks, whatever the budgets and the policy. Rounds with random settings; HOPPER_TEST_ROUNDS sets how many,
 * HOPPER_TEST_SEED repeats the settings (not the timing). Meant to be run under TSan as well.
 */
#include "crowd.h"
#include "platform_mem.h"
#include "rng.h"
#include "suite.h"
#include "tmpdir.h"
#include <hopper/platform.h>
#include <stdatomic.h>
#include <string.h>

#define ROUNDS_DEFAULT 60
#define BATCH          64

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

/* Looks at the books, flushes, makes and closes senders, all the time. */
struct meddler {
    hopper_sender *snd;
    atomic_bool is_to_stop;
    const char *fault;
    uint64_t looks;
    pthread_t thread;
};

static const char *judge_books(hopper_sender *snd)
{
    struct hopper_stats s;
    uint64_t gaps = 0;

    memset(&s, 0, sizeof s);
    s.size = sizeof s;
    if (hopper_sender_stats(snd, &s) != HOPPER_OK) return "no stats";
    for (int i = 0; i < HOPPER_GAP_REASONS; i++) gaps += s.gap_records[i];
    if (s.accepted != s.acknowledged + s.pending_memory + s.pending_disk + gaps) return "the books are wrong";
    if (s.pending_memory > s.accepted || s.pending_disk > s.accepted) return "the books are below zero";
    if (s.memory_bytes_used > s.memory_bytes) return "more memory than the budget";
    if (s.disk_bytes_used > s.disk_bytes) return "more disk than the budget";
    if (s.seq_delivered > s.seq_accepted) return "more delivered than accepted";
    return NULL;
}

static void *meddle(void *arg)
{
    struct meddler *m = arg;

    while (!atomic_load(&m->is_to_stop)) {
        hopper_sender *clone = NULL;
        const char *fault    = judge_books(m->snd);

        if (fault) m->fault = fault;
        m->looks++;
        if (m->looks % 8 == 0) (void)!hopper_flush(m->snd);
        if (m->looks % 4 == 0 && hopper_sender_clone(m->snd, &clone) == HOPPER_OK) hopper_sender_close(clone);
    }
    hopper_sender_close(m->snd);
    return NULL;
}

struct outcome {
    struct checker checker;
    struct crowd crowd;
    hopper_status received, sent;
    uint64_t looks;
};

/* Receive to the end in batches of random size. */
static hopper_status receive_all(hopper_receiver *rcv, struct checker *checker, uint64_t seed)
{
    struct hopper_record recs[BATCH];
    struct rng rng   = { seed };
    hopper_status st = HOPPER_OK;
    size_t count;

    while (st == HOPPER_OK) {
        st = hopper_receive_batch(rcv, recs, (size_t)rng_between(&rng, 1, BATCH), HOPPER_FOREVER, &count);
        for (size_t i = 0; st == HOPPER_OK && i < count; i++)
            if (!checker_take(checker, &recs[i])) return HOPPER_OK;
        if (rng_below(&rng, 16) == 0) hopper_acknowledge(rcv);
    }
    return st;
}

static void run(const char *dir, const struct hopper_options *options, unsigned senders,
                const struct crowd_member *model, struct outcome *out)
{
    struct meddler meddler = { .fault = NULL };
    struct crowd_watch watch;
    hopper_sender *snd;
    hopper_receiver *rcv;

    memset(out, 0, sizeof *out);
    checker_init(&out->checker);
    ck_assert_int_eq(hopper_open(dir, "q", options, &snd, &rcv, NULL), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_clone(snd, &meddler.snd), HOPPER_OK);
    ck_assert(crowd_start(&out->crowd, senders, model, snd));
    hopper_sender_close(snd);
    ck_assert_int_eq(pthread_create(&meddler.thread, NULL, meddle, &meddler), 0);
    crowd_watch(&watch, &out->crowd, &meddler.is_to_stop);
    out->received = receive_all(rcv, &out->checker, model->seed);
    ck_assert_msg(out->checker.fault[0] == '\0', "%s", out->checker.fault);
    crowd_unwatch(&watch);
    pthread_join(meddler.thread, NULL);
    out->sent = watch.st;
    hopper_receiver_close(rcv);
    ck_assert_msg(!meddler.fault, "%s", meddler.fault);
    out->looks = meddler.looks;
    ck_assert_int_eq(out->received, HOPPER_END);
    ck_assert_int_eq(out->sent, HOPPER_OK);
    ck_assert_msg(checker_finish(&out->checker, out->crowd.accepted, senders), "%s", out->checker.fault);
}

static void random_options(struct rng *rng, struct hopper_options *options, struct crowd_member *model)
{
    static const uint32_t policies[] = { HOPPER_FULL_BLOCK, HOPPER_FULL_REFUSE, HOPPER_FULL_DROP_NEWEST,
                                         HOPPER_FULL_DROP_OLDEST };

    options->memory_bytes = HOPPER_MEMORY_BYTES_MIN + rng_below(rng, 2) * rng_below(rng, 1500000);
    options->disk_bytes   = HOPPER_DISK_BYTES_MIN + rng_below(rng, 2) * rng_below(rng, 2000000);
    options->file_bytes   = rng_between(rng, 4096, 300000);
    options->when_full    = policies[rng_below(rng, 4)];
    options->compression  = rng_below(rng, 3) ? HOPPER_COMPRESSION_NONE : 1;

    options->compress_threads   = (uint32_t)rng_below(rng, 2);
    options->decompress_threads = options->when_full != HOPPER_FULL_DROP_OLDEST && options->memory_bytes >= 1 << 20 &&
                                  rng_below(rng, 2);
    model->len_min            = CHECKER_LEN_MIN;
    model->len_max            = (size_t)(rng_below(rng, 4) ? rng_between(rng, 24, 400) : rng_between(rng, 24, 20000));
    model->count              = (model->len_max > 1000 ? 400 : 6000) / (1 + rng_below(rng, 4));
    model->batch              = (size_t)rng_between(rng, 1, 40);
    model->seed               = rng_next(rng);
    model->keep_trying        = true;
    model->never_waits        = rng_below(rng, 2);
}

START_TEST(many_senders_with_random_settings_lose_nothing_that_no_gap_counts)
{
    const struct mem_platform_options mem_options = { .flags = MEM_REAL_CLOCK };
    struct mem_platform *mem                      = mem_platform_new(&mem_options);
    struct rng rng                                = { rng_seed("test_threads") };
    uint64_t rounds = env_number("HOPPER_TEST_ROUNDS", ROUNDS_DEFAULT), records = 0, lost = 0;
    static struct outcome out;

    for (uint64_t i = 0; i < rounds; i++) {
        struct hopper_options options = HOPPER_OPTIONS_INIT;
        struct crowd_member model     = { .snd = NULL };
        unsigned senders              = (unsigned)rng_between(&rng, 1, 12);

        mem_platform_reset(mem);
        ck_assert_int_eq(mem_mkdir(mem, "/spool", 0700), 0);
        random_options(&rng, &options, &model);
        options.platform = mem_platform_table(mem);
        mem_watch_dir(mem, "/spool/q", options.disk_bytes);
        run("/spool", &options, senders, &model, &out);
        ck_assert_uint_eq(mem_watch_excess(mem), 0);
        ck_assert_msg(!mem_platform_leaks(mem), "%s", mem_platform_leaks(mem));
        if (options.when_full == HOPPER_FULL_BLOCK || options.when_full == HOPPER_FULL_REFUSE)
            ck_assert_uint_eq(out.checker.lost, 0);
        records += out.checker.records;
        lost += out.checker.lost;
    }
    printf("test_threads: %" PRIu64 " rounds, %" PRIu64 " records received, %" PRIu64 " dropped and counted\n", rounds,
           records, lost);
    mem_platform_free(mem);
}
END_TEST

START_TEST(many_senders_on_the_real_file_system_lose_nothing)
{
    struct hopper_options options   = HOPPER_OPTIONS_INIT;
    const struct crowd_member model = {
        .count = 5000, .len_min = 24, .len_max = 300, .batch = 10, .seed = 7, .keep_trying = true
    };
    static struct outcome out;

    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    options.disk_bytes   = 1 << 20;
    options.file_bytes   = 128 << 10;
    run(real_dir, &options, 16, &model, &out);
    ck_assert_uint_eq(out.checker.records, 16 * 5000);
}
END_TEST

/* The receiver goes in the middle: every sender, waiting or not, ends with ECLOSED, and all is given back. */
START_TEST(all_senders_end_when_the_receiver_goes_in_the_middle)
{
    const struct mem_platform_options mem_options = { .flags = MEM_REAL_CLOCK };
    struct mem_platform *mem                      = mem_platform_new(&mem_options);
    struct rng rng                                = { rng_seed("test_threads (closing)") };

    for (int round = 0; round < 60; round++) {
        struct hopper_options options   = HOPPER_OPTIONS_INIT;
        const struct crowd_member model = { .count       = UINT64_MAX,
                                            .len_min     = 24,
                                            .len_max     = 2000,
                                            .batch       = (size_t)rng_between(&rng, 1, 10),
                                            .keep_trying = true };
        struct hopper_record recs[BATCH];
        struct checker checker;
        struct crowd crowd;
        hopper_sender *snd;
        hopper_receiver *rcv;
        size_t count;

        mem_platform_reset(mem);
        ck_assert_int_eq(mem_mkdir(mem, "/spool", 0700), 0);
        options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
        options.disk_bytes   = 256 << 10;
        options.when_full    = (uint32_t)rng_below(&rng, 4);

        options.compress_threads = (uint32_t)round % 2;
        options.platform         = mem_platform_table(mem);
        checker_init(&checker);
        ck_assert_int_eq(hopper_open("/spool", "q", &options, &snd, &rcv, NULL), HOPPER_OK);
        ck_assert(crowd_start(&crowd, 6, &model, snd));
        for (uint64_t left = rng_below(&rng, 60); left > 0; left--) {
            ck_assert_int_eq(hopper_receive_batch(rcv, recs, BATCH, HOPPER_FOREVER, &count), HOPPER_OK);
            for (size_t i = 0; i < count; i++) ck_assert_msg(checker_take(&checker, &recs[i]), "%s", checker.fault);
        }
        hopper_receiver_close(rcv);
        ck_assert_int_eq(crowd_join(&crowd), HOPPER_ECLOSED);
        hopper_sender_close(snd);
        ck_assert_msg(!mem_platform_leaks(mem), "%s", mem_platform_leaks(mem));
    }
    mem_platform_free(mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads");
    TCase *tc    = tcase_create("threads");

    tcase_add_unchecked_fixture(tc, make_real_dir, remove_real_dir);
    tcase_set_timeout(tc, (double)(120 + env_number("HOPPER_TEST_ROUNDS", ROUNDS_DEFAULT)));
    tcase_add_test(tc, many_senders_with_random_settings_lose_nothing_that_no_gap_counts);
    tcase_add_test(tc, many_senders_on_the_real_file_system_lose_nothing);
    tcase_add_test(tc, all_senders_end_when_the_receiver_goes_in_the_middle);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
