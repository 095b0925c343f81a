/* SPDX-License-Identifier: MIT */
/*
 * Channels that survive, on good disks: what is acknowledged and what comes again, in which order, with which marks and
 * numbers, after closing and after a kill; what is durable when; other options at the next open. Each test runs for
 * HOPPER_SURVIVE_CRASH and for HOPPER_SURVIVE_POWER_LOSS, unless it is about one of them. The judge is in survive.h.
 */
#include "suite.h"
#include "survive.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define BOTH(tc, test) tcase_add_loop_test(tc, test, HOPPER_SURVIVE_CRASH, HOPPER_SURVIVE_POWER_LOSS + 1)

static struct surv s;

static void init(int survive, uint32_t acknowledge)
{
    surv_init(&s, (uint32_t)survive);
    s.where               = survive == HOPPER_SURVIVE_CRASH ? "crash" : "power loss";
    s.options.acknowledge = acknowledge;
}

static uint64_t record_max(void)
{
    struct hopper_stats stats;

    surv_stats(&s, &stats);
    return stats.record_bytes_max;
}

static void again(bool by_kill)
{
    if (by_kill) surv_kill(&s);
    else surv_close(&s);
    surv_open(&s);
}

/* ---- options ---- */

static void refused(const struct hopper_options *options, const char *word)
{
    hopper_receiver *rcv;
    hopper_sender *snd;
    struct hopper_error err;

    require_int(hopper_open(SURV_DIR, SURV_NAME, options, &snd, &rcv, &err), HOPPER_EINVAL);
    require(err.op && strstr(err.op, word), "\"%s\" does not tell of %s", err.op ? err.op : "", word);
    require(!snd && !rcv && !mem_exists(s.mem, SURV_PATH), "something was made");
}

START_TEST(options_that_make_no_sense_are_refused_by_name)
{
    struct hopper_options o;

    init(_i, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.disk_bytes += SURV_KEPT + 2 * s.options.memory_bytes;
    o         = s.options;
    o.survive = 3;
    refused(&o, "options.survive");
    o             = s.options;
    o.acknowledge = 2;
    refused(&o, "options.acknowledge");
    o      = s.options;
    o.sync = 3;
    refused(&o, "options.sync");
    o         = s.options;
    o.sync_ms = 5;
    refused(&o, "options.sync_ms");
    o           = s.options;
    o.when_full = HOPPER_FULL_DROP_OLDEST;
    refused(&o, "options.when_full");
    o              = s.options;
    o.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE - 1;
    refused(&o, "options.memory_bytes");
    o            = s.options;
    o.disk_bytes = HOPPER_DISK_BYTES_MIN + SURV_KEPT - 1 + (_i == HOPPER_SURVIVE_CRASH ? 2 * o.memory_bytes : 0);
    refused(&o, "options.disk_bytes");
    o         = s.options;
    o.spin_us = 1000001;
    refused(&o, "options.spin_us");
    o                  = s.options;
    o.compress_threads = _i == HOPPER_SURVIVE_POWER_LOSS ? 1 : 2;
    refused(&o, "options.compress_threads");
    o         = s.options;
    o.sync    = HOPPER_SYNC_INTERVAL;
    o.sync_ms = _i == HOPPER_SURVIVE_CRASH ? 10 : 0;
    refused(&o, _i == HOPPER_SURVIVE_CRASH ? "options.sync (only" : "options.sync_ms");
    o.sync_ms = 86400001;
    refused(&o, "options.sync");
    surv_free(&s);
}
END_TEST

START_TEST(sync_is_for_power_loss_only)
{
    struct hopper_options o;

    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    o         = s.options;
    o.survive = HOPPER_SURVIVE_NOTHING;
    o.sync    = HOPPER_SYNC_DEMAND;
    refused(&o, "options.sync");
    surv_free(&s);
}
END_TEST

static void largest_goes_in(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    require_int(hopper_sender_stats(s.snd, &stats), HOPPER_OK);
    surv_send_ok(&s, (size_t)stats.record_bytes_max);
    surv_take(&s, 1);
    surv_ack(&s);
}

/* A record of the size that is told to be the largest must not wait for room that never comes. */
/* surv_send_batch() sends every other batch of an odd number of records side by side. */
START_TEST(batches_survive_however_they_were_given)
{
    size_t lens[15], accepted;

    for (size_t i = 0; i < 15; i++) lens[i] = i * 7;
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 4; i++) ck_assert_int_eq(surv_send_batch(&s, lens, 15, &accepted), HOPPER_OK);
        (void)surv_receive(&s, 20);
        again(round % 2 == 0);
    }
    surv_finish(&s);
}
END_TEST

START_TEST(the_largest_record_has_room_in_an_empty_queue)
{
    static const uint64_t more[] = { 0, 1, 500, 1087, 1088, 5000, 70000 };

    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        init(_i, HOPPER_ACKNOWLEDGE_AUTO);
        s.options.record_bytes_max = 1 << 20;
        s.options.disk_bytes       = HOPPER_DISK_BYTES_MIN + more[i];
        surv_open(&s);
        for (int round = 0; round < 3; round++) largest_goes_in();
        again(true);
        largest_goes_in();
        surv_finish(&s);
    }
}
END_TEST

/* The machine was started again: what was in memory is gone, and told as that, whether queue files were there or not. */
START_TEST(what_the_machine_took_is_told_as_that)
{
    const uint64_t records = _i == 0 ? 20 : 3000;
    uint64_t lost = 0, came = 0;
    struct hopper_record rec;

    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.disk_bytes = 16 << 20;
    surv_open(&s);
    for (uint64_t i = 0; i < records; i++) surv_send_ok(&s, 100);
    surv_kill(&s);
    mem_reboot(s.mem);
    s.is_unjudged = true;
    surv_open(&s);
    while (hopper_receive(s.rcv, &rec, HOPPER_NOW) == HOPPER_OK) {
        if (rec.gap == HOPPER_GAP_NONE) {
            came++;
            continue;
        }
        require_int(rec.gap, HOPPER_GAP_MACHINE_DOWN);
        lost += rec.lost;
    }
    require_eq(came + lost, records);
    require(lost > 0 && (came > 0) == (_i == 1), "%d came", (int)came);
    surv_close(&s);
    surv_free(&s);
}
END_TEST

/* ---- acknowledging ---- */

/* The next receive acknowledges what the one before returned; the last one's is not, after a kill. */
START_TEST(the_next_receive_acknowledges)
{
    init(_i, HOPPER_ACKNOWLEDGE_AUTO);
    surv_open(&s);
    for (int i = 0; i < 10; i++) surv_send_ok(&s, 100);
    surv_take(&s, 4);
    again(true);
    require_eq(s.report.seq_first, 4);
    require_eq(s.report.records, 7);
    surv_take(&s, 1);
    surv_ack(&s);
    again(true);
    require_eq(s.report.seq_first, 5);
    surv_take(&s, 2);
    again(false); /* closing acknowledges as well */
    require_eq(s.report.seq_first, 7);
    surv_finish(&s);
}
END_TEST

/* Blocks are handed out from memory, and what comes behind them through the ring is received and acknowledged. */
START_TEST(what_is_acknowledged_holds_no_memory)
{
    struct hopper_stats before, after;

    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    surv_open(&s);
    surv_stats(&s, &before);
    do {
        surv_send_ok(&s, 500);
        surv_stats(&s, &after);
    } while (after.overflowed == 0);
    for (int round = 0; round < 3; round++) {
        surv_drain(&s);
        surv_send_ok(&s, 100);
    }
    surv_drain(&s);
    surv_ack(&s);
    surv_stats(&s, &after);
    require_eq(after.memory_bytes_used, before.memory_bytes_used);
    surv_finish(&s);
}
END_TEST

START_TEST(with_automatic_acknowledging_no_number_can_be_given)
{
    init(_i, HOPPER_ACKNOWLEDGE_AUTO);
    surv_open(&s);
    surv_send_ok(&s, 100);
    surv_take(&s, 1);
    require_int(hopper_acknowledge_until(s.rcv, 1), HOPPER_EINVAL);
    require_int(hopper_acknowledge_until(NULL, 1), HOPPER_EINVAL);
    surv_books(&s);
    surv_finish(&s);
}
END_TEST

START_TEST(nothing_but_acknowledging_acknowledges_when_it_is_explicit)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    for (int i = 0; i < 10; i++) surv_send_ok(&s, 100);
    surv_take(&s, 10);
    again(false);
    require_eq(s.report.records, 10);
    surv_take(&s, 10);
    again(true);
    require_eq(s.report.records, 10);
    surv_take(&s, 6);
    surv_ack(&s);
    again(true);
    require_eq(s.report.seq_first, 7);
    surv_finish(&s);
}
END_TEST

/* In the middle of a batch, twice the same, less than before, more than received. */
START_TEST(a_number_acknowledges_up_to_it)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    for (int i = 0; i < 20; i++) surv_send_ok(&s, 100);
    require_int(surv_receive(&s, 12), HOPPER_OK);
    require_eq(s.received, 12);
    surv_ack_until(&s, 5);
    surv_books(&s);
    surv_ack_until(&s, 5);
    surv_ack_until(&s, 2);
    surv_ack_until(&s, 0);
    surv_books(&s);
    require_int(hopper_acknowledge_until(s.rcv, 13), HOPPER_EINVAL);
    require_int(hopper_acknowledge_until(s.rcv, UINT64_MAX), HOPPER_EINVAL);
    surv_books(&s);
    again(true);
    require_eq(s.report.seq_first, 6);
    require_int(hopper_acknowledge_until(s.rcv, 6), HOPPER_EINVAL); /* not received by this run */
    surv_finish(&s);
}
END_TEST

/* Each number in turn, with most records in queue files, many to a frame, some in blocks and some in the ring. */
START_TEST(any_number_in_files_can_be_acknowledged)
{
    uint64_t last;

    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.file_bytes = 16 << 10;
    surv_open(&s);
    while (s.next <= 500) surv_send_ok(&s, 700);
    last = s.next - 1;
    while (s.received < last) (void)surv_receive(&s, SURV_BATCH_MAX);
    for (uint64_t seq = 3; seq < last; seq += 41) {
        surv_ack_until(&s, seq);
        surv_books(&s);
        again(seq % 2);
        while (s.received < last) (void)surv_receive(&s, 1 + seq % SURV_BATCH_MAX);
    }
    surv_finish(&s);
}
END_TEST

START_TEST(a_gap_can_be_acknowledged_in_its_middle)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.when_full  = HOPPER_FULL_DROP_NEWEST;
    s.options.disk_bytes = HOPPER_DISK_BYTES_MIN;
    surv_open(&s);
    while (s.dropped < 9) surv_send_ok(&s, 3000);
    while (s.received < 8) surv_take(&s, 1);
    surv_ack(&s);
    while (surv_send(&s, 3000) == HOPPER_OK && s.fates[s.next - 1].is_dropped) surv_take(&s, 1), surv_ack(&s);
    for (int way = 0; way < 4; way++) {
        uint64_t seq = s.acked + 1;

        while (!s.fates[seq].is_dropped) seq++;
        while (s.received < seq) surv_take(&s, 1);
        require(s.received > seq, "the gap at %" PRIu64 " has one record only", seq);
        surv_ack_until(&s, seq);
        surv_books(&s);
        again(way % 2);
        if (s.acked + 2 >= s.next || !s.fates[s.acked + 1].is_dropped) break;
    }
    surv_finish(&s);
}
END_TEST

/* ---- what comes again ---- */

START_TEST(what_comes_again_is_marked_and_what_is_new_is_not)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    for (int i = 0; i < 5; i++) surv_send_ok(&s, 100);
    surv_take(&s, 2);
    again(true);
    for (int i = 0; i < 5; i++) surv_send_ok(&s, 100);
    require_eq(hopper_sender_seq(s.snd), 10);
    surv_take(&s, 10);
    require_eq(s.redelivered, 5);
    surv_finish(&s);
}
END_TEST

START_TEST(a_new_directory_and_an_empty_channel_report_themselves)
{
    init(_i, HOPPER_ACKNOWLEDGE_AUTO);
    surv_open(&s);
    require_eq(s.report.is_new, 1);
    require_eq(s.report.seq_next, 1);
    require_eq(hopper_sender_seq(s.snd), 0);
    again(true);
    require_eq(s.report.was_closed, 0);
    again(false);
    require_eq(s.report.was_closed, 1);
    require_eq(s.report.seq_next, 1);
    surv_finish(&s);
}
END_TEST

/* A receiver has taken a block of which it has acknowledged a part, or nothing; younger blocks go to files; then the
 * kill. */
START_TEST(a_block_in_the_receivers_hands_survives_while_younger_ones_are_written)
{
    init(HOPPER_SURVIVE_CRASH, _i ? HOPPER_ACKNOWLEDGE_EXPLICIT : HOPPER_ACKNOWLEDGE_AUTO);
    s.options.memory_bytes = 1 << 20;
    s.options.disk_bytes   = 2 << 20;
    surv_open(&s);
    for (struct hopper_stats b = HOPPER_STATS_INIT; b.overflowed < 20; surv_stats(&s, &b)) surv_send_ok(&s, 500);
    while (s.next - s.received > 15) surv_take(&s, 1); /* into the overflow, which is in memory still */
    if (_i) surv_ack_until(&s, s.received - 2);
    while (surv_queue_files(&s, NULL) < 2 && s.next < 10000) surv_send_ok(&s, 500);
    again(true);
    surv_drain(&s);
    surv_finish(&s);
}
END_TEST

/* The same, by faults: the receiver holds what could not be written, and what comes after it is. */
START_TEST(what_was_handed_out_while_the_disk_failed_comes_again_before_what_was_written_later)
{
    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    for (struct hopper_stats b = HOPPER_STATS_INIT; b.overflowed < 12; surv_stats(&s, &b)) surv_send_ok(&s, 900);
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_PWRITE, .at = 1, .error = EIO, .mode = FAULT_STICKY });
    surv_drain(&s);
    fault_disarm(s.fault);
    while (surv_queue_files(&s, NULL) == 0 && s.next < 10000) surv_send_ok(&s, 900);
    require(s.next < 10000, "nothing was written");
    again(true);
    surv_drain(&s);
    surv_ack_until(&s, s.received / 2);
    again(false);
    surv_finish(&s);
}
END_TEST

/* ---- other options at the next open ---- */

static void fill_half(void)
{
    while (surv_queue_files(&s, NULL) < 4) surv_send_ok(&s, 900);
}

START_TEST(budgets_and_the_rest_may_be_others_at_the_next_open)
{
    static const struct {
        uint64_t memory_bytes, disk_bytes, file_bytes;
        uint32_t compression;
    } others[] = {
        { 1 << 20, 1 << 20, 64 << 10, HOPPER_COMPRESSION_NONE },
        { 256 << 10, 1 << 20, 4 << 10, 9 },
        { 4 << 20, 4 << 20, 1 << 20, 1 },
        { 256 << 10, 512 << 10, 32 << 10, 6 },
        { 600000, 700000, 5000, HOPPER_COMPRESSION_NONE },
        { 256 << 10, 1 << 20, 1 << 20, 0 },
    };

    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    fill_half();
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        s.options.memory_bytes = others[i].memory_bytes;
        s.options.disk_bytes   = others[i].disk_bytes;
        s.options.file_bytes   = others[i].file_bytes;
        s.options.compression  = others[i].compression;
        again(i % 2);
        for (int k = 0; k < 30; k++)
            if (surv_send(&s, 300) != HOPPER_OK) break;
        surv_take(&s, 40);
        surv_ack(&s);
        surv_books(&s);
    }
    surv_finish(&s);
}
END_TEST

/* Many small blocks that no file would take, and then options that ask for large ones. */
START_TEST(blocks_in_memory_fit_into_the_same_budget_under_other_options)
{
    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.file_bytes = 4096;
    surv_open(&s);
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_CREATE, .at = 1, .error = ENOSPC, .mode = FAULT_STICKY });
    while (surv_send(&s, 400) == HOPPER_OK) continue;
    fault_disarm(s.fault);
    for (int way = 0; way < 4; way++) {
        struct hopper_stats b;

        s.options.file_bytes  = way % 2 ? 4096 : 1 << 20;
        s.options.compression = way < 2 ? HOPPER_COMPRESSION_NONE : 9;
        again(way % 2);
        surv_stats(&s, &b);
        require_le(b.memory_bytes_used, s.options.memory_bytes + s.options.memory_bytes / 2);
    }
    surv_finish(&s);
}
END_TEST

/* Sends are full until enough has been received and acknowledged. */
START_TEST(a_disk_budget_below_what_is_queued_is_full_until_it_has_drained)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.file_bytes = 16 << 10;
    surv_open(&s);
    (void)surv_fill(&s, 900);
    s.options.disk_bytes = HOPPER_DISK_BYTES_MIN;
    again(_i == HOPPER_SURVIVE_CRASH);
    (void)surv_fill(&s, 900); /* memory may have room */
    while (surv_send(&s, 900) == HOPPER_EFULL) {
        uint64_t before = s.received;

        require(s.received + 1 < s.next, "drained, and still full");
        (void)surv_receive(&s, 10);
        require(s.received > before, "nothing comes");
        surv_ack(&s);
        surv_books(&s);
    }
    surv_finish(&s);
}
END_TEST

/* MEMORY is as large as the run before left it for the whole run, here larger than all of disk_bytes; once it is drained
 * that keeps not even the largest record out, again and again. */
START_TEST(a_memory_budget_below_what_was_in_memory_takes_every_length_again_when_it_has_drained)
{
    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.memory_bytes = 4 << 20;
    surv_open(&s);
    for (int i = 0; i < 2500; i++) surv_send_ok(&s, 1000);
    s.options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    s.options.disk_bytes       = 1 << 20;
    s.options.record_bytes_max = 200000;
    again(true);
    surv_drain(&s);
    surv_ack(&s);
    for (int i = 0; i < 20; i++) {
        if (surv_send(&s, (size_t)record_max()) == HOPPER_EFULL) { /* the next receive removes the last file */
            surv_drain(&s);
            surv_send_ok(&s, (size_t)record_max());
        }
        surv_fill(&s, 1000);
        surv_drain(&s);
        surv_ack(&s);
    }
    again(false);
    surv_finish(&s);
}
END_TEST

START_TEST(a_record_larger_than_the_new_limit_still_comes_out)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.record_bytes_max = 200000;
    surv_open(&s);
    surv_send_ok(&s, 200000);
    surv_send_ok(&s, 10);
    surv_send_ok(&s, 60000);
    s.options.record_bytes_max = 1000;
    again(true);
    require_int(surv_send(&s, 1001), HOPPER_ETOOBIG);
    surv_send_ok(&s, 1000);
    surv_take(&s, 4);
    again(false);
    surv_finish(&s);
}
END_TEST

/* ---- drops ---- */

START_TEST(what_was_dropped_stays_a_gap_in_its_place)
{
    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.when_full  = HOPPER_FULL_DROP_NEWEST;
    s.options.disk_bytes = HOPPER_DISK_BYTES_MIN;
    surv_open(&s);
    for (int round = 0; round < 6; round++) {
        uint64_t dropped = s.dropped;

        while (s.dropped < dropped + 5) surv_send_ok(&s, 2000);
        while (surv_receive(&s, 8) == HOPPER_OK && s.received + 60 < s.next) continue;
        surv_ack_until(&s, s.received - 3);
        while (s.fates[s.next - 1].is_dropped) { /* a record behind the gap, which a kill would forget else */
            surv_send_ok(&s, 1);
            if (surv_receive(&s, 4) == HOPPER_OK) surv_ack(&s);
        }
        again(round % 2);
    }
    require(s.dropped >= 30, "only %" PRIu64 " dropped", s.dropped);
    surv_finish(&s);
}
END_TEST

/* Memory is full, a few records are in blocks; the next one is dropped, for the device is full too at that moment. */
static void drop_one_in_overflow(void)
{
    const uint64_t before = s.dropped;

    for (struct hopper_stats b = HOPPER_STATS_INIT; b.overflowed < 3; surv_stats(&s, &b)) surv_send_ok(&s, 900);
    fault_arm(s.fault, &(struct fault_plan){
                           .kinds = FAULT_PWRITE | FAULT_CREATE, .at = 1, .error = ENOSPC, .mode = FAULT_STICKY });
    surv_send_ok(&s, 16 << 10);
    fault_disarm(s.fault);
    require(s.dropped == before + 1 && s.fates[s.next - 1].is_dropped, "%" PRIu64 " were dropped", s.dropped - before);
}

/* The next file may have been begun and no frame written to it: how many were dropped stands in the one before. */
START_TEST(what_was_dropped_is_known_behind_a_file_that_was_only_begun)
{
    for (uint64_t at = 1; at <= 8; at++) {
        const struct fault_plan plan = {
            .kinds = _i ? FAULT_PWRITE : FAULT_FDATASYNC | FAULT_FSYNC, .at = at, .error = EIO, .mode = FAULT_STICKY
        };

        init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_EXPLICIT);
        s.options.when_full  = HOPPER_FULL_DROP_NEWEST;
        s.options.disk_bytes = HOPPER_DISK_BYTES_MIN + 30000;
        s.options.file_bytes = HOPPER_DISK_BYTES_MIN;
        surv_open(&s);
        while (s.dropped == 0) (void)surv_send(&s, 16000);
        surv_send_ok(&s, 10); /* the large one had no room, this has */
        fault_arm(s.fault, &plan);
        for (int i = 0; i < 4; i++) (void)surv_send(&s, 300);
        fault_disarm(s.fault);
        again(true);
        surv_books(&s);
        surv_finish(&s);
    }
}
END_TEST

/* The same where no frame at all tells, as the one behind the drop was never whole: the file's header says how many
 * records were stored before it, and so how many were not. */
START_TEST(what_was_dropped_before_a_frame_that_was_never_whole_is_no_damage)
{
    for (uint64_t at = 1; at <= 2; at++) {
        const struct fault_plan plan = {
            .kinds = FAULT_PWRITE | FAULT_TRUNCATE | FAULT_UNLINK, .at = at, .error = EIO, .mode = FAULT_STICKY
        };

        init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_EXPLICIT);
        s.options.when_full  = HOPPER_FULL_DROP_NEWEST;
        s.options.disk_bytes = HOPPER_DISK_BYTES_MIN + 30000;
        s.options.file_bytes = HOPPER_DISK_BYTES_MIN;
        surv_open(&s);
        for (int i = 0; i < _i; i++) surv_send_ok(&s, 100);
        while (s.dropped < 2) (void)surv_send(&s, 16000);
        fault_arm(s.fault, &plan);
        (void)surv_send(&s, 9000); /* has room, in a new file, of which nothing but the header is written */
        fault_disarm(s.fault);
        again(true);
        surv_books(&s);
        surv_finish(&s);
    }
}
END_TEST

/* The gap was acknowledged where no entry of the ring tells of it; counted again among what is left, it would stand for
 * the last record. */
START_TEST(a_gap_that_was_acknowledged_takes_no_record_with_it)
{
    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.when_full = HOPPER_FULL_DROP_NEWEST;
    surv_open(&s);
    drop_one_in_overflow();
    for (int i = 0; i < 2; i++) surv_send_ok(&s, 900);
    while (s.received + 2 < s.next) surv_take(&s, 1);
    surv_ack(&s);
    again(true);
    surv_take(&s, 1);
    surv_finish(&s);
}
END_TEST

/* The same with nothing behind the gap: not counted at all, it would be missing from what later frames say was dropped
 * before them, and their gaps would be damage. */
START_TEST(a_gap_that_was_acknowledged_last_makes_later_ones_no_damage)
{
    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.when_full = HOPPER_FULL_DROP_NEWEST;
    surv_open(&s);
    drop_one_in_overflow();
    surv_drain(&s);
    surv_ack(&s);
    again(true);
    drop_one_in_overflow();
    surv_send_ok(&s, 900);
    surv_finish(&s);
}
END_TEST

/* The receiver has acknowledged a part of the block before the gap: that part is not among what is left, and leaves no
 * less room there for the gap. */
START_TEST(a_gap_behind_a_block_of_which_a_part_is_acknowledged_stays)
{
    uint64_t in_block;

    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.when_full = HOPPER_FULL_DROP_NEWEST;
    surv_open(&s);
    drop_one_in_overflow();
    in_block = s.next - 4; /* the first of three */
    surv_send_ok(&s, 900);
    while (s.acked < in_block) surv_take(&s, 1);
    require(surv_queue_files(&s, NULL) == 0, "there are files");
    again(true);
    surv_finish(&s);
}
END_TEST

/* Where the receiver is stands in two places, of which each acknowledgement writes the other one: both have the gap,
 * however many records were acknowledged behind it. */
START_TEST(a_gap_stays_counted_whatever_is_acknowledged_behind_it)
{
    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.when_full = HOPPER_FULL_DROP_NEWEST;
    surv_open(&s);
    for (int round = 0; round < 2; round++) {
        drop_one_in_overflow();
        surv_send_ok(&s, 10);
        surv_drain(&s);
        for (int i = 0; i < _i; i++) surv_send_ok(&s, 10);
        surv_take(&s, (uint64_t)_i); /* acknowledges all before the last */
        again(true);
        surv_books(&s);
    }
    surv_finish(&s);
}
END_TEST

/* ---- files ---- */

START_TEST(acknowledging_removes_files_on_a_full_device_too)
{
    struct mem_usage usage;
    uint64_t files;

    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.file_bytes = 8 << 10;
    surv_open(&s);
    while (surv_queue_files(&s, NULL) < 10) surv_send_ok(&s, 900);
    mem_usage(s.mem, &usage);
    mem_set_capacity(s.mem, usage.disk_bytes);
    surv_drain(&s);
    files = surv_queue_files(&s, NULL);
    surv_ack_until(&s, s.received - 2);
    require(surv_queue_files(&s, NULL) < files, "no file was removed");
    surv_books(&s);
    surv_ack(&s);
    require_le(surv_queue_files(&s, NULL), 1);
    surv_kill(&s);
    surv_open(&s);
    require_eq(s.report.records, 0);
    surv_finish(&s);
}
END_TEST

/* Others take all the room that there is, each time: the spare has to be kept out of what the old MEMORY took. */
START_TEST(a_full_device_does_not_keep_a_channel_from_being_opened_again)
{
    struct mem_usage usage;

    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    surv_open(&s);
    for (int i = 0; i < 20; i++) surv_send_ok(&s, 900);
    for (int i = 0; i < 4; i++) {
        surv_kill(&s);
        mem_usage(s.mem, &usage);
        mem_set_capacity(s.mem, usage.disk_bytes);
        surv_open(&s);
    }
    surv_finish(&s);
}
END_TEST

static uint64_t bytes_named(void)
{
    static char names[200][256];
    int count    = mem_list(s.mem, SURV_PATH, names, 200);
    uint64_t sum = 0;
    char path[300];

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, SURV_PATH "/%.255s", names[i]);
        sum += (uint64_t)mem_file_size(s.mem, path);
    }
    return sum;
}

/* Or its room would come back later than it could. */
START_TEST(a_file_that_is_removed_is_not_held_open)
{
    uint64_t files = 0, removals = 0;
    struct mem_usage usage;

    init(_i, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.file_bytes = 8192;
    surv_open(&s);
    while (surv_queue_files(&s, NULL) < 6) surv_send_ok(&s, 1000);
    while (surv_receive(&s, 1) == HOPPER_OK) {
        surv_ack(&s);
        removals += surv_queue_files(&s, NULL) < files;
        files = surv_queue_files(&s, NULL);
        mem_usage(s.mem, &usage);
        require_eq(usage.disk_bytes, bytes_named());
    }
    require(removals >= 4, "files were removed %" PRIu64 " times", removals);
    surv_finish(&s);
}
END_TEST

/* All that is mapped and all that is touched of it: the arena, and MEMORY, which is a part of the budget. */
START_TEST(memory_is_kept_to_the_budget)
{
    struct mem_usage usage;
    int64_t mapped;

    init(HOPPER_SURVIVE_CRASH, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.memory_bytes = 1 << 20;
    surv_open(&s);
    (void)surv_fill(&s, 900);
    surv_drain(&s);
    mapped = mem_file_size(s.mem, SURV_PATH "/MEMORY");
    require(mapped > 0, "no MEMORY");
    require_eq((uint64_t)mem_file_size(s.mem, SURV_PATH "/MEMORY.spare"), (uint64_t)mapped);
    mem_usage(s.mem, &usage);
    require_le(usage.touched_bytes + (uint64_t)mapped, s.options.memory_bytes + 8192); /* two pages of rounding */
    require_le((uint64_t)mapped * 2, 2 * s.options.memory_bytes);
    surv_finish(&s);
}
END_TEST

/* ---- durable ---- */

START_TEST(without_a_promise_nothing_is_durable)
{
    init(HOPPER_SURVIVE_NOTHING, HOPPER_ACKNOWLEDGE_AUTO);
    require_int(surv_try_open(&s), HOPPER_OK);
    require_int(hopper_send(s.snd, "x", 1), HOPPER_OK);
    require_eq(hopper_durable_seq(s.snd), 0);
    require_eq(hopper_durable_seq(NULL), 0);
    require_eq(hopper_sender_seq(NULL), 0);
    require_int(hopper_wait_durable(s.snd, 1, HOPPER_FOREVER), HOPPER_EINVAL);
    require_int(hopper_wait_durable(NULL, 1, HOPPER_FOREVER), HOPPER_EINVAL);
    hopper_sender_close(s.snd);
    hopper_receiver_close(s.rcv);
    s.snd = NULL;
    s.rcv = NULL;
    surv_free(&s);
}
END_TEST

START_TEST(what_is_accepted_is_durable)
{
    init(_i, HOPPER_ACKNOWLEDGE_AUTO);
    surv_open(&s);
    require_eq(hopper_durable_seq(s.snd), 0);
    for (int i = 0; i < 5; i++) {
        surv_send_ok(&s, 100);
        require_eq(hopper_durable_seq(s.snd), s.next - 1);
        require_int(hopper_wait_durable(s.snd, s.next - 1, HOPPER_NOW), HOPPER_OK);
    }
    require_int(hopper_wait_durable(s.snd, s.next, HOPPER_FOREVER), HOPPER_EINVAL);
    again(true);
    require_eq(hopper_durable_seq(s.snd), 5);
    surv_finish(&s);
}
END_TEST

static uint64_t syncs(void)
{
    struct hopper_stats b;

    surv_stats(&s, &b);
    return b.syncs;
}

START_TEST(on_demand_a_record_is_durable_when_it_was_waited_for)
{
    uint64_t before;

    init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_AUTO);
    s.options.sync = HOPPER_SYNC_DEMAND;
    surv_open(&s);
    surv_send_ok(&s, 100);
    before = syncs();
    for (int i = 0; i < 4; i++) surv_send_ok(&s, 100);
    require_eq(syncs(), before);
    require_eq(hopper_durable_seq(s.snd), 0);
    require_int(hopper_wait_durable(s.snd, 3, HOPPER_NOW), HOPPER_EAGAIN);
    require_int(hopper_wait_durable(s.snd, 3, HOPPER_FOREVER), HOPPER_OK);
    require_eq(hopper_durable_seq(s.snd), 5);
    require(syncs() > before, "nothing was synced");
    before = syncs();
    require_int(hopper_wait_durable(s.snd, 5, HOPPER_NOW), HOPPER_OK);
    require_eq(syncs(), before);
    surv_send_ok(&s, 100);
    require_int(hopper_flush(s.snd), HOPPER_OK);
    require_eq(hopper_durable_seq(s.snd), 6);
    surv_finish(&s);
}
END_TEST

START_TEST(at_intervals_a_thread_makes_records_durable)
{
    surv_init_flags(&s, HOPPER_SURVIVE_POWER_LOSS, MEM_REAL_CLOCK);
    s.options.sync    = HOPPER_SYNC_INTERVAL;
    s.options.sync_ms = 1;
    surv_open(&s);
    for (int i = 0; i < 50; i++) surv_send_ok(&s, 100);
    while (hopper_durable_seq(s.snd) < 50) continue; /* nobody asks: the thread does it */
    surv_send_ok(&s, 100);
    require_int(hopper_wait_durable(s.snd, 51, hopper_after_ms(60000)), HOPPER_OK);
    surv_take(&s, 51);
    surv_finish(&s);
}
END_TEST

/* ---- syncs that fail ---- */

START_TEST(a_sync_that_fails_once_costs_a_fresh_file_and_nothing_else)
{
    char first[300], second[300];

    init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    surv_send_ok(&s, 100);
    require_that(surv_last_file(&s, first));
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_FDATASYNC, .at = 1, .error = EIO, .mode = FAULT_ONCE });
    surv_send_ok(&s, 200);
    require_eq(fault_hits(s.fault), 1);
    require_that(surv_last_file(&s, second));
    require(strcmp(first, second) != 0, "no fresh file");
    surv_send_ok(&s, 300);
    require_eq(hopper_durable_seq(s.snd), 3);
    surv_books(&s);
    again(true);
    require_eq(s.report.records, 3);
    surv_finish(&s);
}
END_TEST

START_TEST(while_no_sync_succeeds_sends_fail_and_then_all_is_well_again)
{
    init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_EXPLICIT);
    surv_open(&s);
    surv_send_ok(&s, 100);
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_FDATASYNC, .at = 1, .error = EIO, .mode = FAULT_STICKY });
    for (int i = 0; i < 20; i++) {
        require_int(surv_send(&s, 200), HOPPER_EIO);
        require_int(hopper_sender_error(s.snd)->sys_errno, EIO);
        require_eq(hopper_durable_seq(s.snd), 1);
        surv_books(&s);
    }
    fault_disarm(s.fault);
    surv_send_ok(&s, 300);
    require_eq(hopper_durable_seq(s.snd), 2);
    again(true);
    surv_take(&s, 2);
    surv_finish(&s);
}
END_TEST

/* ---- a reader while files are written again ---- */

static struct hopper_platform hooked;
static const struct hopper_platform *unhooked;
static _Atomic int is_armed, is_renamed, cuts, is_reading;

/* What was written again has its name. */
static int hooked_rename(void *ctx, int dirfd, const char *from, const char *to)
{
    is_renamed = is_armed;
    return unhooked->io.rename_at(ctx, dirfd, from, to);
}

/* The active file has been cut back to what is on the device; the reader gets time to look at it. */
static int hooked_truncate(void *ctx, int fd, uint64_t bytes)
{
    int res = unhooked->io.truncate(ctx, fd, bytes);

    if (!is_renamed) return res;
    cuts++;
    while (!is_reading) sched_yield();
    for (int i = 0; i < 2000; i++) sched_yield();
    return res;
}

static void *read_after_the_cut(void *arg)
{
    while (cuts == 0) sched_yield();
    is_reading            = 1;
    *(hopper_status *)arg = surv_receive(&s, 1);
    return NULL;
}

START_TEST(a_record_that_is_written_again_while_it_is_read_is_no_gap)
{
    /* the file's sync and that of the one that it is written to again; the next round cuts it */
    const struct fault_plan plan = {
        .kinds = FAULT_FDATASYNC, .at = 1, .error = EIO, .mode = FAULT_HEALS, .heal_after = 2
    };
    hopper_status received = HOPPER_EAGAIN;
    pthread_t reader;

    init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.file_bytes = 4096;
    s.options.sync       = HOPPER_SYNC_INTERVAL;
    s.options.sync_ms    = 1;
    unhooked             = s.options.platform;
    hooked               = *unhooked;
    hooked.io.truncate   = hooked_truncate;
    hooked.io.rename_at  = hooked_rename;
    s.options.platform   = &hooked;
    surv_open(&s);
    surv_send_ok(&s, 3500);
    ck_assert_int_eq(hopper_wait_durable(s.snd, 1, HOPPER_FOREVER), HOPPER_OK);
    surv_take(&s, 1);
    cuts = is_reading = is_renamed = 0;
    is_armed                       = 1;
    fault_arm(s.fault, &plan);
    surv_send_ok(&s, 3500); /* comes as soon as it is in the file, and that is synced later */
    ck_assert_int_eq(pthread_create(&reader, NULL, read_after_the_cut, &received), 0);
    while (hopper_wait_durable(s.snd, s.next - 1, HOPPER_FOREVER) != HOPPER_OK)
        continue; /* until the faults are spent */
    pthread_join(reader, NULL);
    is_armed = is_renamed = 0;
    ck_assert_int_eq(received, HOPPER_OK);
    ck_assert_int_ge(cuts, 1);
    s.options.platform = unhooked;
    surv_finish(&s);
}
END_TEST

START_TEST(on_demand_what_could_not_be_synced_is_synced_later)
{
    init(HOPPER_SURVIVE_POWER_LOSS, HOPPER_ACKNOWLEDGE_EXPLICIT);
    s.options.sync = HOPPER_SYNC_DEMAND;
    surv_open(&s);
    for (int i = 0; i < 3; i++) surv_send_ok(&s, 100);
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_FDATASYNC, .at = 1, .error = EIO, .mode = FAULT_STICKY });
    require_int(hopper_wait_durable(s.snd, 3, HOPPER_FOREVER), HOPPER_EIO);
    require_eq(hopper_durable_seq(s.snd), 0);
    surv_books(&s);
    fault_disarm(s.fault);
    require_int(hopper_wait_durable(s.snd, 3, HOPPER_FOREVER), HOPPER_OK);
    require_eq(hopper_durable_seq(s.snd), 3);
    surv_take(&s, 3);
    again(true);
    surv_finish(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channels that survive");
    TCase *tc    = tcase_create("survive");

    tcase_set_timeout(tc, 60);
    BOTH(tc, options_that_make_no_sense_are_refused_by_name);
    tcase_add_test(tc, sync_is_for_power_loss_only);
    tcase_add_test(tc, what_is_acknowledged_holds_no_memory);
    BOTH(tc, batches_survive_however_they_were_given);
    BOTH(tc, the_largest_record_has_room_in_an_empty_queue);
    tcase_add_loop_test(tc, what_the_machine_took_is_told_as_that, 0, 2);
    BOTH(tc, the_next_receive_acknowledges);
    BOTH(tc, with_automatic_acknowledging_no_number_can_be_given);
    BOTH(tc, nothing_but_acknowledging_acknowledges_when_it_is_explicit);
    BOTH(tc, a_number_acknowledges_up_to_it);
    BOTH(tc, any_number_in_files_can_be_acknowledged);
    BOTH(tc, a_gap_can_be_acknowledged_in_its_middle);
    BOTH(tc, what_comes_again_is_marked_and_what_is_new_is_not);
    BOTH(tc, a_new_directory_and_an_empty_channel_report_themselves);
    tcase_add_loop_test(tc, a_block_in_the_receivers_hands_survives_while_younger_ones_are_written, 0, 2);
    tcase_add_test(tc, what_was_handed_out_while_the_disk_failed_comes_again_before_what_was_written_later);
    BOTH(tc, budgets_and_the_rest_may_be_others_at_the_next_open);
    tcase_add_test(tc, blocks_in_memory_fit_into_the_same_budget_under_other_options);
    BOTH(tc, a_disk_budget_below_what_is_queued_is_full_until_it_has_drained);
    tcase_add_test(tc, a_memory_budget_below_what_was_in_memory_takes_every_length_again_when_it_has_drained);
    BOTH(tc, a_record_larger_than_the_new_limit_still_comes_out);
    BOTH(tc, what_was_dropped_stays_a_gap_in_its_place);
    tcase_add_loop_test(tc, what_was_dropped_is_known_behind_a_file_that_was_only_begun, 0, 2);
    tcase_add_loop_test(tc, what_was_dropped_before_a_frame_that_was_never_whole_is_no_damage, 0, 2);
    tcase_add_test(tc, a_gap_that_was_acknowledged_takes_no_record_with_it);
    tcase_add_test(tc, a_gap_that_was_acknowledged_last_makes_later_ones_no_damage);
    tcase_add_test(tc, a_gap_behind_a_block_of_which_a_part_is_acknowledged_stays);
    tcase_add_loop_test(tc, a_gap_stays_counted_whatever_is_acknowledged_behind_it, 0, 5);
    BOTH(tc, acknowledging_removes_files_on_a_full_device_too);
    tcase_add_test(tc, a_full_device_does_not_keep_a_channel_from_being_opened_again);
    BOTH(tc, a_file_that_is_removed_is_not_held_open);
    tcase_add_test(tc, memory_is_kept_to_the_budget);
    tcase_add_test(tc, without_a_promise_nothing_is_durable);
    BOTH(tc, what_is_accepted_is_durable);
    tcase_add_test(tc, on_demand_a_record_is_durable_when_it_was_waited_for);
    tcase_add_test(tc, at_intervals_a_thread_makes_records_durable);
    tcase_add_test(tc, a_sync_that_fails_once_costs_a_fresh_file_and_nothing_else);
    tcase_add_test(tc, while_no_sync_succeeds_sends_fail_and_then_all_is_well_again);
    tcase_add_test(tc, a_record_that_is_written_again_while_it_is_read_is_no_gap);
    tcase_add_test(tc, on_demand_what_could_not_be_synced_is_synced_later);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
