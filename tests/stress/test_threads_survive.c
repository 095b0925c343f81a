/* SPDX-License-Identifier: MIT */
/*
 * Many threads on channels that survive: a crowd of senders, one that looks at the books, flushes and waits for
 * durability, and a receiver that acknowledges now and then; with each way of surviving and of syncing. Every record
 * comes once, in each sender's order; then the channel is closed with some of it unacknowledged, and exactly that comes
 * again. Meant to be run under TSan as well. HOPPER_TEST_ROUNDS sets how many rounds, HOPPER_TEST_SEED repeats the
 * settings (not the timing).
 */
#include "crowd.h"
#include "platform_mem.h"
#include "rng.h"
#include "suite.h"
#include <stdatomic.h>
#include <string.h>

#define ROUNDS_DEFAULT 24
#define BATCH          32

struct meddler {
    hopper_sender *snd;
    atomic_bool is_to_stop;
    const char *fault;
    pthread_t thread;
};

static const char *look(hopper_sender *snd, uint64_t turn)
{
    struct hopper_stats s = HOPPER_STATS_INIT;
    uint64_t durable      = hopper_durable_seq(snd);
    hopper_status st;

    if (hopper_sender_stats(snd, &s) != HOPPER_OK) return "no stats";
    if (s.accepted != s.acknowledged + s.pending_memory + s.pending_disk) return "the books are wrong";
    if (s.pending_memory > s.accepted || s.pending_disk > s.accepted) return "the books are below zero";
    if (s.memory_bytes_used > s.memory_bytes || s.disk_bytes_used > s.disk_bytes) return "a budget is exceeded";
    if (durable > s.seq_accepted || s.seq_durable < durable) return "durable is wrong";
    if (turn % 4 == 0 && s.seq_accepted > 0) {
        st = hopper_wait_durable(snd, s.seq_accepted, HOPPER_FOREVER);
        if (st != HOPPER_OK) return hopper_status_name(st);
        if (hopper_durable_seq(snd) < s.seq_accepted) return "waited, and not durable";
    }
    if (turn % 16 == 0 && (st = hopper_flush(snd)) != HOPPER_OK && st != HOPPER_EFULL) return hopper_status_name(st);
    return NULL;
}

static void *meddle(void *arg)
{
    struct meddler *m = arg;

    for (uint64_t turn = 0; !atomic_load(&m->is_to_stop) && !m->fault; turn++) m->fault = look(m->snd, turn);
    hopper_sender_close(m->snd);
    return NULL;
}

/* Receive to the end; the last number that was acknowledged. */
static uint64_t receive_all(hopper_receiver *rcv, struct checker *checker, struct rng *rng, bool is_explicit)
{
    struct hopper_record recs[BATCH];
    uint64_t acked = 0;
    hopper_status st;
    size_t count;

    while ((st = hopper_receive_batch(rcv, recs, (size_t)rng_between(rng, 1, BATCH), HOPPER_FOREVER, &count)) ==
           HOPPER_OK) {
        for (size_t i = 0; i < count; i++) ck_assert_msg(checker_take(checker, &recs[i]), "%s", checker->fault);
        if (!is_explicit || rng_below(rng, 4)) continue;
        acked = rng_between(rng, acked, checker->next_seq - 1);
        ck_assert_int_eq(hopper_acknowledge_until(rcv, acked), HOPPER_OK);
    }
    ck_assert_int_eq(st, HOPPER_END);
    return is_explicit ? acked : checker->next_seq - 1;
}

static void receive_again(const struct hopper_options *options, uint64_t from, uint64_t to)
{
    hopper_receiver *rcv;
    hopper_sender *snd;
    struct hopper_record rec;

    ck_assert_int_eq(hopper_open("/spool", "q", options, &snd, &rcv, NULL), HOPPER_OK);
    hopper_sender_close(snd);
    for (uint64_t seq = from; seq <= to; seq++) {
        ck_assert_int_eq(hopper_receive(rcv, &rec, HOPPER_FOREVER), HOPPER_OK);
        ck_assert_uint_eq(rec.seq, seq);
        ck_assert_uint_eq(rec.gap, HOPPER_GAP_NONE);
        ck_assert_uint_eq(rec.flags, HOPPER_RECORD_REDELIVERED);
    }
    ck_assert_int_eq(hopper_receive(rcv, &rec, HOPPER_FOREVER), HOPPER_END);
    hopper_acknowledge(rcv);
    hopper_receiver_close(rcv);
}

static uint64_t one_round(struct hopper_options *options, struct rng *rng)
{
    struct crowd_member model = { .len_min = CHECKER_LEN_MIN, .keep_trying = true, .seed = rng_next(rng) };
    struct meddler meddler    = { .fault = NULL };
    unsigned senders          = (unsigned)rng_between(rng, 1, 8);
    static struct crowd crowd;
    struct crowd_watch watch;
    struct checker checker;
    hopper_receiver *rcv;
    hopper_sender *snd;
    uint64_t acked;

    model.count   = rng_between(rng, 50, 400);
    model.len_max = (size_t)rng_between(rng, 24, rng_below(rng, 4) ? 600 : 20000);
    model.batch   = (size_t)rng_between(rng, 1, 20);
    checker_init(&checker);
    ck_assert_int_eq(hopper_open("/spool", "q", options, &snd, &rcv, NULL), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_clone(snd, &meddler.snd), HOPPER_OK);
    ck_assert(crowd_start(&crowd, senders, &model, snd));
    hopper_sender_close(snd);
    ck_assert_int_eq(pthread_create(&meddler.thread, NULL, meddle, &meddler), 0);
    crowd_watch(&watch, &crowd, &meddler.is_to_stop);
    acked = receive_all(rcv, &checker, rng, options->acknowledge == HOPPER_ACKNOWLEDGE_EXPLICIT);
    crowd_unwatch(&watch);
    pthread_join(meddler.thread, NULL);
    hopper_receiver_close(rcv);
    ck_assert_msg(!meddler.fault, "%s", meddler.fault);
    ck_assert_int_eq(watch.st, HOPPER_OK);
    ck_assert_msg(checker_finish(&checker, crowd.accepted, senders), "%s", checker.fault);
    ck_assert_uint_eq(checker.lost, 0);
    receive_again(options, acked + 1, checker.next_seq - 1);
    return checker.records;
}

START_TEST(many_senders_lose_nothing_in_any_way_of_surviving)
{
    const struct mem_platform_options mem_options = { .flags = MEM_REAL_CLOCK };
    struct mem_platform *mem                      = mem_platform_new(&mem_options);
    struct rng rng                                = { rng_seed("test_threads_survive") };
    uint64_t rounds = env_number("HOPPER_TEST_ROUNDS", ROUNDS_DEFAULT), records = 0;

    for (uint64_t i = 0; i < rounds; i++) {
        struct hopper_options options = HOPPER_OPTIONS_INIT;

        mem_platform_reset(mem);
        ck_assert_int_eq(mem_mkdir(mem, "/spool", 0700), 0);
        options.survive      = i % 4 == 0 ? HOPPER_SURVIVE_CRASH : HOPPER_SURVIVE_POWER_LOSS;
        options.sync         = i % 4 == 0 ? HOPPER_SYNC_GROUP : (uint32_t)(i % 4 - 1);
        options.sync_ms      = options.sync == HOPPER_SYNC_INTERVAL ? 1 : 0;
        options.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE + rng_below(&rng, 2) * rng_below(&rng, 500000);
        options.disk_bytes   = 32 << 20;
        options.file_bytes   = rng_between(&rng, 8192, 300000);
        options.acknowledge  = (uint32_t)rng_below(&rng, 2);
        options.compression  = rng_below(&rng, 3) ? HOPPER_COMPRESSION_NONE : 1;
        options.platform     = mem_platform_table(mem);

        options.compress_threads   = i % 8 == 0; /* with HOPPER_SURVIVE_CRASH */
        options.decompress_threads = i % 3 == 0;
        if (options.decompress_threads) options.memory_bytes += 1 << 20;
        mem_watch_dir(mem, "/spool/q", options.disk_bytes);
        records += one_round(&options, &rng);
        ck_assert_uint_eq(mem_watch_excess(mem), 0);
        ck_assert_msg(!mem_platform_leaks(mem), "%s", mem_platform_leaks(mem));
    }
    printf("test_threads_survive: %" PRIu64 " rounds, %" PRIu64 " records\n", rounds, records);
    mem_platform_free(mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("threads on channels that survive");
    TCase *tc    = tcase_create("threads");

    tcase_set_timeout(tc, (double)(120 + 4 * env_number("HOPPER_TEST_ROUNDS", ROUNDS_DEFAULT)));
    tcase_add_test(tc, many_senders_lose_nothing_in_any_way_of_surviving);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
