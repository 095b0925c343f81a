/* SPDX-License-Identifier: MIT */
/*
 * options.compress_threads as a program sees it: a thread that is there while the channel is, takes no signals, writes
 * by itself once more than half of the blocks are in use and not before, changes neither order nor books nor budgets,
 * tells of writes that fail, and is gone after the close, whatever it was at. Who wakes whom, and that nothing waits
 * for it, is shown by tests/sched; that it costs nothing while nothing overflows, by test_quiet.
 *
 * Waits are for the thread to have done what it has to do, without a limit: a test that is wrong ends by its timeout.
 */
#include "chan.h"

#include "suite.h"
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096 /* of the least memory, which has four */

static struct chan c;

static void init(void)
{
    chan_init(&c);
    c.is_tampered              = true; /* files are made while they are counted */
    c.options.compress_threads = 1;
}

static struct hopper_stats stats_now(void)
{
    struct hopper_stats stats;

    chan_stats(&c, &stats);
    return stats;
}

/* Records of 1300 bytes, three to a block, until BLOCKS are in use behind a ring that is full. */
static void fill_blocks(unsigned blocks)
{
    uint64_t before;

    while (stats_now().overflowed == 0) ck_assert_int_eq(chan_send(&c, 1300), HOPPER_OK);
    before = stats_now().overflowed;
    while (stats_now().overflowed < before + 3 * (blocks - 1)) ck_assert_int_eq(chan_send(&c, 1300), HOPPER_OK);
}

/* Also of a channel that survives, which has a file mapped besides its memory. */
static void close_channel(void)
{
    if (c.options.survive == HOPPER_SURVIVE_NOTHING) {
        chan_close(&c);
        return;
    }
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    ck_assert_msg(!mem_platform_leaks(c.mem), "%s", mem_platform_leaks(c.mem));
    ck_assert_uint_eq(mem_watch_excess(c.mem), 0);
}

/* ---- the thread ---- */

START_TEST(the_thread_is_there_while_the_channel_is_and_takes_no_signals)
{
    static const int signals[] = { SIGHUP, SIGINT, SIGUSR1, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGPROF };
    char blocked[64]           = "";

    init();
    c.options.compress_threads = 0;
    chan_open(&c);
    ck_assert(!chan_thread_status("hopper-pack", "SigBlk:", blocked));
    chan_close(&c);
    c.options.compress_threads = 1;
    chan_open(&c);
    while (!chan_thread_status("hopper-pack", "SigBlk:", blocked)) sched_yield(); /* it names itself */
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        ck_assert_msg(strtoull(blocked, NULL, 16) >> (signals[i] - 1) & 1, "signal %d", signals[i]);
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
    chan_take(&c, 1);
    chan_finish(&c);
    while (chan_thread_status("hopper-pack", "SigBlk:", blocked)) sched_yield(); /* /proc has it a moment longer than join */
}
END_TEST

START_TEST(more_than_half_of_the_blocks_are_written_by_the_thread_alone)
{
    init();
    c.options.compression = _i ? 1 : HOPPER_COMPRESSION_NONE;
    chan_open(&c);
    fill_blocks(3);
    while (stats_now().pending_disk == 0) sched_yield();
    ck_assert_uint_eq(stats_now().write_errors, 0);
    chan_finish(&c);
}
END_TEST

START_TEST(half_of_the_blocks_stay_in_memory)
{
    init();
    chan_open(&c);
    fill_blocks(2);
    for (int i = 0; i < 2000; i++) sched_yield(); /* time for a thread that does not wait */
    chan_books(&c);
    chan_take(&c, 1);
    ck_assert_uint_eq(stats_now().written_bytes, 0);
    ck_assert_uint_eq(stats_now().disk_files, 0);
    chan_finish(&c);
}
END_TEST

START_TEST(what_overflows_comes_in_order_with_true_books)
{
    static const uint32_t policies[] = { HOPPER_FULL_BLOCK, HOPPER_FULL_REFUSE, HOPPER_FULL_DROP_NEWEST,
                                         HOPPER_FULL_DROP_OLDEST };

    init();
    c.options.when_full    = policies[_i % 4];
    c.options.compression  = _i < 4 ? 1 : HOPPER_COMPRESSION_NONE;
    c.options.memory_bytes = _i % 2 ? 0 : HOPPER_MEMORY_BYTES_MIN;
    c.options.disk_bytes   = 1 << 20;
    chan_open(&c);
    for (uint64_t i = 0; i < 20000; i++) {
        hopper_status st = chan_send(&c, (size_t)(24 + i * 7919 % 3000));

        ck_assert(st == HOPPER_OK || st == HOPPER_EFULL);
        if (i % 3 == 0 && chan_pending(&c) > 50) chan_take(&c, 3);
        if (i % 500 == 0) chan_books(&c);
    }
    chan_finish(&c);
}
END_TEST

/* ---- budgets ---- */

#define MEMORY_FOR_TWO (512 << 10) /* codecs; and blocks are as large with and without a thread */

START_TEST(its_memory_is_a_part_of_the_budget)
{
    uint64_t used[2];

    init();
    c.options.memory_bytes = MEMORY_FOR_TWO;
    c.options.disk_bytes = c.options.file_bytes = 0;
    c.options.compression                       = 1;
    for (uint32_t threads = 0; threads < 2; threads++) {
        c.options.compress_threads = threads;
        chan_open(&c);
        used[threads] = stats_now().memory_bytes_used;
        chan_close(&c); /* and the peak was kept */
    }
    ck_assert_uint_gt(used[1], used[0] + 50000); /* another codec */
    ck_assert_uint_lt(used[1], MEMORY_FOR_TWO * 3 / 4);
    chan_free(&c);
}
END_TEST

/* A second codec is in the budget where it fits; the ring keeps room for records whichever codec it is. */
START_TEST(each_level_leaves_room_for_records_in_memory)
{
    static const uint64_t budgets[] = { HOPPER_MEMORY_BYTES_MIN_SURVIVE, 512 << 10, 1 << 20, 2 << 20, (4 << 20) - 1 };

    for (uint32_t level = 1; level <= HOPPER_COMPRESSION_NONE; level++) {
        init();
        c.options.compression      = level;
        c.options.survive          = _i % 2 ? HOPPER_SURVIVE_CRASH : HOPPER_SURVIVE_NOTHING;
        c.options.memory_bytes     = budgets[_i / 2];
        c.options.record_bytes_max = 0;
        c.options.disk_bytes = c.options.file_bytes = 64 << 20;
        chan_open(&c);
        for (int i = 0; i < 10; i++) ck_assert_int_eq(chan_send(&c, 1000), HOPPER_OK);
        ck_assert_uint_eq(stats_now().overflowed, 0);
        chan_drain(&c, NULL);
        close_channel();
        c.options.item_type = &chan_item_type; /* for items there is a buffer more */
        ck_assert_int_eq(mem_mkdir(c.mem, "/items", 0755), 0);
        ck_assert_int_eq(hopper_open("/items", "q", &c.options, &c.snd, &c.rcv, NULL), HOPPER_OK);
        close_channel();
        chan_free(&c);
    }
}
END_TEST

/* ---- writes that fail ---- */

/* The thread's failure shows in the books; sends go on while there are blocks, then each is told. */
START_TEST(a_write_of_the_thread_that_fails_is_told_and_loses_nothing)
{
    const struct fault_plan plan = { .kinds = FAULT_PWRITE, .at = 1, .error = _i ? ENOSPC : EIO, .mode = FAULT_STICKY };
    hopper_status st;
    uint64_t errors;

    init();
    chan_open(&c);
    fill_blocks(2);
    fault_arm(c.fault, &plan);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(chan_send(&c, 1300), HOPPER_OK);
    while (stats_now().write_errors == 0) sched_yield();
    ck_assert_int_eq(stats_now().disk_errno, plan.error);
    (void)chan_fill(&c, 1300, 1000, &st);
    ck_assert_int_eq(st, _i ? HOPPER_ENOSPC : HOPPER_EIO);
    ck_assert_int_eq(hopper_sender_error(c.snd)->sys_errno, plan.error);
    errors = stats_now().write_errors;
    for (int i = 0; i < 1000; i++) sched_yield();            /* time for a thread that does not rest */
    ck_assert_uint_le(stats_now().write_errors, errors + 1); /* its one try may have come after the send's */
    chan_books(&c);
    fault_disarm(c.fault);
    ck_assert_int_eq(chan_send(&c, 1300), HOPPER_OK);
    while (stats_now().disk_errno != 0) sched_yield();
    chan_finish(&c);
}
END_TEST

static struct hopper_platform failing;
static const struct hopper_platform *inner;
static _Atomic unsigned writes;

/* Every other write of a frame. */
static ssize_t failing_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    if (len > 600 && ++writes % 2 == 0) return -ENOSPC;
    return inner->io.pwrite(ctx, fd, buf, len, offset);
}

/* A receiver that wants its block in a file first may write the one before it as well, and fail with the second: what
 * it needs is in a file then, and not missing. */
START_TEST(a_write_that_fails_behind_another_makes_no_gap)
{
    static unsigned char record[3000];
    struct hopper_record rec;
    uint64_t sent = 0, received = 0;

    init();
    inner                  = c.options.platform;
    failing                = *inner;
    failing.io.pwrite      = failing_pwrite;
    c.options.platform     = &failing;
    c.options.survive      = HOPPER_SURVIVE_CRASH;
    c.options.acknowledge  = HOPPER_ACKNOWLEDGE_EXPLICIT;
    c.options.memory_bytes = 1 << 20;
    c.options.disk_bytes = c.options.file_bytes = 64 << 20;
    c.options.when_full                         = HOPPER_FULL_REFUSE;
    c.options.compression                       = 9;
    ck_assert_int_eq(chan_try_open(&c), HOPPER_OK);
    for (int round = 0; round < 400; round++) {
        for (unsigned i = 0; i < 60; i++) {
            for (size_t k = 0; k < sizeof record; k++)
                record[k] = (unsigned char)((sent * 2654435761U + k * k) >> 13 & 31);
            if (hopper_send_until(c.snd, record, sizeof record, HOPPER_NOW) == HOPPER_OK) sent++;
        }
        for (unsigned i = 0; i < 40 && hopper_receive(c.rcv, &rec, HOPPER_NOW) == HOPPER_OK; i++) {
            ck_assert_msg(rec.gap == HOPPER_GAP_NONE, "gap %s at %" PRIu64, hopper_gap_name(rec.gap), rec.seq);
            ck_assert_uint_eq(rec.seq, ++received);
        }
        if (round % 3 == 0) hopper_acknowledge(c.rcv);
    }
    hopper_acknowledge(c.rcv);
    close_channel();
    chan_free(&c);
}
END_TEST

/* ---- the end ---- */

START_TEST(it_may_be_closed_whatever_the_thread_is_at)
{
    for (unsigned i = 0; i < 200; i++) {
        init();
        c.options.compression = i % 2 ? 1 : HOPPER_COMPRESSION_NONE;
        c.options.survive     = _i ? HOPPER_SURVIVE_CRASH : HOPPER_SURVIVE_NOTHING;
        if (_i) c.options.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
        if (_i) c.options.disk_bytes = 1 << 20;
        chan_open(&c);
        for (unsigned n = 0; n < 60 + i; n++) ck_assert_int_eq(chan_send(&c, 2000), HOPPER_OK);
        chan_take(&c, i % 5);
        close_channel();
        chan_free(&c);
    }
}
END_TEST

/* What the thread had written, or was about to, comes again after a close. */
START_TEST(a_channel_that_survives_goes_on_with_the_thread_and_without)
{
    static uint64_t record[150];
    uint64_t seq = 0;

    init();
    c.options.survive      = HOPPER_SURVIVE_CRASH;
    c.options.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    c.options.disk_bytes   = 2 << 20;
    c.options.compression  = 1;
    for (uint32_t run = 0; run < 6; run++) {
        struct hopper_record rec;
        uint64_t first;

        c.options.compress_threads = run % 2 == 0;
        ck_assert_int_eq(chan_try_open(&c), HOPPER_OK);
        first = stats_now().seq_accepted;
        for (uint64_t i = 1; i <= 150; i++) {
            record[0] = first + i;
            ck_assert_int_eq(hopper_send_until(c.snd, record, sizeof record, HOPPER_NOW), HOPPER_OK);
        }
        for (uint64_t i = 0; i < 100; i++) {
            ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
            ck_assert(rec.gap == HOPPER_GAP_NONE && rec.len == sizeof record && rec.seq == ++seq);
            ck_assert_mem_eq(rec.data, &rec.seq, sizeof rec.seq);
        }
        close_channel();
    }
    chan_free(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packer");
    TCase *tc    = tcase_create("packer");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_thread_is_there_while_the_channel_is_and_takes_no_signals);
    tcase_add_loop_test(tc, more_than_half_of_the_blocks_are_written_by_the_thread_alone, 0, 2);
    tcase_add_test(tc, half_of_the_blocks_stay_in_memory);
    tcase_add_loop_test(tc, what_overflows_comes_in_order_with_true_books, 0, 8);
    tcase_add_test(tc, its_memory_is_a_part_of_the_budget);
    tcase_add_loop_test(tc, each_level_leaves_room_for_records_in_memory, 0, 10);
    tcase_add_loop_test(tc, a_write_of_the_thread_that_fails_is_told_and_loses_nothing, 0, 2);
    tcase_add_test(tc, a_write_that_fails_behind_another_makes_no_gap);
    tcase_add_loop_test(tc, it_may_be_closed_whatever_the_thread_is_at, 0, 2);
    tcase_add_test(tc, a_channel_that_survives_goes_on_with_the_thread_and_without);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
