/* SPDX-License-Identifier: MIT */
/*
 * Random lives of channels that survive, in one thread, beside the model of survive.h: sends one by one and in batches,
 * receives, acknowledgements in every place, flushes, waits for durability, a device that fails or is full for a while;
 * and again and again the channel is closed or killed and opened with other budgets, another compression, another
 * policy, another way of acknowledging and syncing. After each step what came out, the books and the budgets must be
 * the model's.
 *
 * HOPPER_TEST_STEPS sets how many steps, HOPPER_TEST_SEED repeats a run.
 */
#include "rng.h"
#include "suite.h"
#include "survive.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEPS_DEFAULT      150000
#define STEPS_OF_A_LIFE    400 /* at most, between opening and closing or killing */
#define LIVES_OF_A_CHANNEL 12

static struct surv s;
static struct rng rng;
static bool is_failing; /* a fault plan is armed, or the device is full */
static bool has_failed; /* one was, since the last acknowledgement on a device that works */
static uint64_t opens, kills;

static void require_status(bool condition, const char *what, hopper_status st)
{
    require(condition, "%s, step %" PRIu64 ": %s: %s (next %" PRIu64 ")", s.where, s.step, what, hopper_status_name(st),
            s.next);
}

/* ---- other options at each open ---- */

static void random_options(void)
{
    static const uint32_t policies[] = { HOPPER_FULL_BLOCK, HOPPER_FULL_REFUSE, HOPPER_FULL_DROP_NEWEST };
    struct hopper_options *o         = &s.options;

    o->memory_bytes     = HOPPER_MEMORY_BYTES_MIN_SURVIVE + rng_below(&rng, 2) * rng_below(&rng, 1400000);
    o->disk_bytes       = HOPPER_DISK_BYTES_MIN + rng_below(&rng, 2) * rng_below(&rng, 500000);
    o->file_bytes       = rng_between(&rng, 4096, 100000);
    o->record_bytes_max = rng_below(&rng, 3) ? 0 : rng_between(&rng, 2000, 60000);
    o->when_full        = policies[rng_below(&rng, 3)];
    o->compression      = rng_below(&rng, 3) ? HOPPER_COMPRESSION_NONE : (uint32_t)rng_below(&rng, 10);
    o->acknowledge      = (uint32_t)rng_below(&rng, 2);
    o->sync             = HOPPER_SYNC_GROUP;
    o->compress_threads = o->survive == HOPPER_SURVIVE_CRASH && rng_below(&rng, 3) == 0;
    /* with HOPPER_SURVIVE_POWER_LOSS the platform is of one thread */
    o->decompress_threads =
        o->survive == HOPPER_SURVIVE_CRASH && o->memory_bytes >= 1 << 20 && rng_below(&rng, 2) == 0;
    if (o->survive == HOPPER_SURVIVE_POWER_LOSS && rng_below(&rng, 3) == 0) o->sync = HOPPER_SYNC_DEMAND;
    if (rng_below(&rng, 4) > 0) return;
    o->memory_bytes += 1 << 20; /* with blocks as large as they ever are */
    o->disk_bytes += 4 << 20;
    o->file_bytes *= 10;
}

/* ---- steps ---- */

static uint64_t record_max(void)
{
    struct hopper_stats stats;

    surv_stats(&s, &stats);
    return stats.record_bytes_max;
}

/* At times many records of one short length, which stand bare in blocks, with another one now and then. */
static bool is_in_spell(size_t *lenp)
{
    static uint64_t left;
    static size_t len;

    if (left == 0 && rng_below(&rng, 60) == 0) {
        left = rng_between(&rng, 100, 3000);
        len  = (size_t)rng_between(&rng, 1, 70);
    }
    if (left == 0) return false;
    left--;
    *lenp = len;
    return rng_below(&rng, 300) > 0;
}

static size_t some_length(void)
{
    size_t len;

    if (is_in_spell(&len)) return len;
    switch (rng_below(&rng, 12)) {
    case 0: return 0;
    case 1: return (size_t)rng_below(&rng, 4);
    case 2: return (size_t)rng_below(&rng, 20000);
    case 3: return (size_t)rng_below(&rng, record_max() + 2);
    default: return (size_t)rng_below(&rng, 1000);
    }
}

static void judge_send(hopper_status st, size_t len)
{
    bool may_fail = is_failing;

    switch (st) {
    case HOPPER_OK: return;
    case HOPPER_ETOOBIG: require_status(len > record_max(), "a record of allowed length was too big", st); return;
    case HOPPER_EFULL:
        require_status(s.options.when_full != HOPPER_FULL_DROP_NEWEST, "full, although the newest may be dropped", st);
        return;
    case HOPPER_ENOSPC:
    case HOPPER_EIO: require_status(may_fail, "a device error without a fault", st); return;
    default: require_status(false, "send", st);
    }
}

static void step_send(void)
{
    size_t len = some_length();

    judge_send(surv_send(&s, len), len);
}

static void step_batch(void)
{
    size_t lens[SURV_BATCH_MAX], count = (size_t)rng_below(&rng, 41), accepted;
    hopper_status st;

    if (s.options.when_full == HOPPER_FULL_DROP_NEWEST) return; /* which one was dropped could not be told */
    for (size_t i = 0; i < count; i++)
        if (!is_in_spell(&lens[i])) lens[i] = (size_t)rng_below(&rng, 1900);
    st = surv_send_batch(&s, lens, count, &accepted);
    if (st != HOPPER_OK) judge_send(st, lens[accepted]);
}

static void step_receive(size_t max)
{
    hopper_status st = surv_receive(&s, max);

    require_status(st == HOPPER_OK || st == HOPPER_EAGAIN, "receive", st);
}

static void step_acknowledge(void)
{
    uint64_t seq;

    if (s.options.acknowledge == HOPPER_ACKNOWLEDGE_AUTO || rng_below(&rng, 3) == 0) {
        surv_ack(&s);
        return;
    }
    seq = rng_below(&rng, 4) ? rng_between(&rng, s.acked, s.received) : rng_below(&rng, s.received + 1);
    surv_ack_until(&s, seq);
    require_status(hopper_acknowledge_until(s.rcv, s.received + 1 + rng_below(&rng, 3)) == HOPPER_EINVAL,
                   "more than was received was acknowledged", HOPPER_OK);
}

static void step_durable(void)
{
    uint64_t durable = hopper_durable_seq(s.snd), last = s.next - 1, seq = rng_between(&rng, durable, last);
    hopper_status st;

    require_status(durable <= last, "more is durable than was accepted", HOPPER_OK);
    if (s.options.sync != HOPPER_SYNC_DEMAND) require_status(durable == last, "accepted, and not durable", HOPPER_OK);
    require_status(hopper_wait_durable(s.snd, last + 1, HOPPER_FOREVER) == HOPPER_EINVAL, "wait for what is to come",
                   HOPPER_OK);
    st = hopper_wait_durable(s.snd, seq, rng_below(&rng, 2) ? HOPPER_FOREVER : HOPPER_NOW);
    if (st == HOPPER_OK) require_status(hopper_durable_seq(s.snd) >= seq, "waited, and not durable", st);
    else require_status(st == HOPPER_EAGAIN || st == HOPPER_EFULL || is_failing, "wait for durability", st);
}

static void step_flush(void)
{
    hopper_status st = hopper_flush(s.snd);

    require_status(st == HOPPER_OK || is_failing || st == HOPPER_EFULL, "flush", st);
}

/* The device refuses writes, or syncs, for a while, or is full. Cutting files back always works, so that what was
 * refused stays refused. */
static void step_fault(void)
{
    static const int errors[]    = { ENOSPC, EIO, EDQUOT };
    const bool is_sync           = rng_below(&rng, 3) == 0;
    const struct fault_plan plan = { .kinds = is_sync ? FAULT_FDATASYNC | FAULT_FSYNC : FAULT_PWRITE | FAULT_CREATE,
                                     .at    = rng_between(&rng, 1, 5),
                                     .error = is_sync ? EIO : errors[rng_below(&rng, 3)],
                                     .mode  = (enum fault_mode)rng_below(&rng, 3),
                                     .heal_after = rng_between(&rng, 1, 6) };
    struct mem_usage usage;

    if (is_failing) {
        fault_disarm(s.fault);
        mem_set_capacity(s.mem, MEM_UNLIMITED);
        is_failing = false;
    } else if (rng_below(&rng, 3) == 0) {
        mem_usage(s.mem, &usage);
        mem_set_capacity(s.mem, usage.disk_bytes + rng_below(&rng, 5000));
        is_failing = has_failed = true;
    } else {
        fault_arm(s.fault, &plan);
        is_failing = has_failed = true;
    }
}

static void step(bool is_filling)
{
    uint64_t dice = rng_below(&rng, 1000);

    if (dice < (is_filling ? 500U : 200U)) step_send();
    else if (dice < (is_filling ? 600U : 250U)) step_batch();
    else if (dice < 750) step_receive(1);
    else if (dice < 900) step_receive((size_t)rng_between(&rng, 2, SURV_BATCH_MAX));
    else if (dice < 960) step_acknowledge();
    else if (dice < 975) step_durable();
    else if (dice < 990) step_flush();
    else step_fault();
}

static void heal(void)
{
    fault_disarm(s.fault);
    mem_set_capacity(s.mem, MEM_UNLIMITED);
    is_failing = false;
}

/* Acknowledgements that a failing device did not take may come again: heal and acknowledge before a kill. */
static void settle_before_kill(void)
{
    if (!has_failed) return;
    heal();
    surv_ack(&s);
    surv_books(&s);
}

static void one_life(void)
{
    uint64_t steps = rng_between(&rng, 1, STEPS_OF_A_LIFE);

    random_options();
    surv_open(&s);
    has_failed = false;
    opens++;
    for (uint64_t i = 0; i < steps; i++, s.step++) {
        step(i / 60 % 2 == 0);
        surv_check_views(&s);
        surv_books(&s);
    }
    /* with a thread at work there is no instant at which to copy all files; tests/crash/test_kill does kill it */
    if (s.options.compress_threads == 0 && rng_below(&rng, 2)) {
        settle_before_kill();
        surv_kill(&s);
        kills++;
    } else {
        heal();
        surv_close(&s);
    }
}

static void one_channel(uint32_t survive)
{
    uint64_t step = s.step;

    surv_init_flags(&s, survive, survive == HOPPER_SURVIVE_CRASH ? 0 : MEM_SINGLE_THREAD);
    s.where = survive == HOPPER_SURVIVE_CRASH ? "crash" : "power loss";
    s.step  = step;
    for (uint64_t lives = rng_between(&rng, 1, LIVES_OF_A_CHANNEL); lives > 0; lives--) one_life();
    random_options();
    surv_open(&s);
    surv_finish(&s);
}

START_TEST(random_lives_agree_with_a_plain_queue)
{
    uint64_t steps = env_number("HOPPER_TEST_STEPS", STEPS_DEFAULT), records = 0;

    rng.state = rng_seed("test_model_survive");
    for (s.step = 0; s.step < steps;) {
        one_channel(rng_below(&rng, 2) ? HOPPER_SURVIVE_CRASH : HOPPER_SURVIVE_POWER_LOSS);
        records += s.next - 1;
    }
    printf("test_model_survive: %" PRIu64 " steps, %" PRIu64 " opens, %" PRIu64 " kills, %" PRIu64 " records\n", s.step,
           opens, kills, records);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model of channels that survive");
    TCase *tc    = tcase_create("model");

    tcase_set_timeout(tc, (double)(60 + env_number("HOPPER_TEST_STEPS", STEPS_DEFAULT) / 500));
    tcase_add_test(tc, random_lives_agree_with_a_plain_queue);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
