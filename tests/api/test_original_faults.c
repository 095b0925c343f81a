/* SPDX-License-Identifier: MIT */
/*
 * Fourteen faults that the original has, each as its user met it; none of them may come back here. The comment above a
 * test says what the original did.
 */
#include "chan.h"

#include "suite.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Arm the fault platform with one plan. */
static void arm(struct chan *c, unsigned kinds, uint64_t at, int error, enum fault_mode mode)
{
    const struct fault_plan plan = { .kinds = kinds, .at = at, .error = error, .mode = mode, .effect = FAULT_FAIL };

    fault_arm(c->fault, &plan);
}

/* 1. On a full disk the records that had been accepted were never seen again, and the channel stayed full for ever,
 * unless the application called flush. */
START_TEST(full_disk_never_strands_what_was_accepted)
{
    struct chan c;
    hopper_status st;
    uint64_t accepted;

    chan_init(&c);
    chan_open(&c);
    accepted = chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(chan_send(&c, 1000), HOPPER_EFULL);
    chan_books(&c);
    chan_take(&c, accepted);
    ck_assert_uint_eq(chan_pending(&c), 0);
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(chan_send(&c, 1000), HOPPER_OK);
        chan_take(&c, 1);
    }
    chan_finish(&c);
}
END_TEST

/* 2. Each refused try to begin a new file used up its number; the receiver then looked for a file that never was, and
 * everything behind it was lost. */
START_TEST(refused_sends_use_up_no_file_numbers_and_lose_no_file)
{
    struct chan c;
    char path[300];
    long last = 0;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    for (int round = 0; round < 20; round++) {
        chan_fill(&c, 3000, UINT64_MAX, &st);
        for (int i = 0; i < 50; i++) ck_assert_int_eq(chan_send(&c, 3000), HOPPER_EFULL);
        for (int i = 0; chan_queue_file(&c, i, path); i++) {
            long number = strtol(path + strlen(CHAN_PATH "/"), NULL, 10);

            if (i > 0) ck_assert_int_eq(number, last + 1);
            last = number;
        }
        chan_take(&c, chan_pending(&c) / 2);
        chan_books(&c);
    }
    ck_assert_int_gt(last, 8);
    ck_assert_uint_eq(c.checker.lost, 0);
    chan_finish(&c);
}
END_TEST

/* 3. When the next file could not be opened for a moment (no descriptor left), the receiver took the file after it for
 * the finished one and deleted it unread, one file for each try. */
START_TEST(a_file_that_cannot_be_opened_for_a_moment_is_not_lost)
{
    struct hopper_record rec;
    struct hopper_stats stats;
    struct chan c;
    hopper_status st;
    int failures = 0;

    chan_init(&c);
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_gt(chan_queue_files(&c), 3);
    arm(&c, FAULT_OPEN, 1, EMFILE, FAULT_STICKY);
    while ((st = chan_receive(&c, &rec)) == HOPPER_OK) ck_assert_int_eq(rec.gap, HOPPER_GAP_NONE);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(st, HOPPER_EIO);
        ck_assert_int_eq(hopper_receiver_error(c.rcv)->sys_errno, EMFILE);
        ck_assert_int_eq(hopper_receiver_error(c.rcv)->status, HOPPER_EIO);
        failures++;
        st = chan_receive(&c, &rec);
    }
    ck_assert_int_eq(failures, 10);
    chan_stats(&c, &stats);
    ck_assert_uint_ge(stats.read_errors, 10);
    fault_disarm(c.fault);
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_eq(c.checker.records, c.sent);
    chan_finish(&c);
}
END_TEST

/* 4. The record that overflowed first stayed in a buffer, invisible, until another send or a flush; when the sender
 * went away, for ever. */
START_TEST(the_first_record_that_overflows_arrives_without_another_send)
{
    struct hopper_stats stats;
    struct chan c;

    chan_init(&c);
    chan_open(&c);
    do {
        ck_assert_int_eq(chan_send(&c, 500), HOPPER_OK);
        chan_stats(&c, &stats);
    } while (stats.overflowed == 0);
    chan_take(&c, c.sent);
    ck_assert_uint_eq(chan_pending(&c), 0);
    chan_finish(&c);
}
END_TEST

START_TEST(what_overflowed_last_arrives_after_the_sender_is_gone)
{
    struct hopper_stats stats;
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    do {
        ck_assert_int_eq(chan_send(&c, 500), HOPPER_OK);
        chan_stats(&c, &stats);
    } while (stats.overflowed == 0);
    hopper_sender_close(c.snd);
    c.snd = NULL;
    ck_assert_uint_eq(chan_drain(&c, &st), c.sent);
    ck_assert_int_eq(st, HOPPER_END);
    chan_finish(&c);
}
END_TEST

/* 5. Nobody learned that the other side had gone: receivers waited for ever, senders filled the disk for nobody. */
START_TEST(each_side_learns_that_the_other_has_gone)
{
    hopper_sender *other;
    struct hopper_record rec;
    struct chan c;

    chan_init(&c);
    chan_open(&c);
    c.clones = 1;
    ck_assert_int_eq(hopper_sender_clone(c.snd, &other), HOPPER_OK);
    hopper_sender_close(c.snd);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    hopper_sender_close(other);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_FOREVER), HOPPER_END);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_FOREVER), HOPPER_END);
    c.snd = NULL;
    chan_close(&c);

    chan_open(&c);
    hopper_receiver_close(c.rcv);
    c.rcv = NULL;
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_ECLOSED);
    ck_assert_int_eq(hopper_send(c.snd, "x", 1), HOPPER_ECLOSED);
    ck_assert_int_eq(chan_queue_files(&c), 0);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* 6. A full device was a panic, with small records from the flush, with large ones from a short write. */
START_TEST(a_full_device_is_a_status_and_ends_when_there_is_room)
{
    static const size_t lens[] = { 100, 5000, 12000 };
    struct hopper_stats stats;
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    mem_set_capacity(c.mem, 100000);
    chan_fill(&c, lens[_i], UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_ENOSPC);
    ck_assert_int_eq(hopper_sender_error(c.snd)->status, HOPPER_ENOSPC);
    ck_assert_int_eq(hopper_sender_error(c.snd)->sys_errno, ENOSPC);
    chan_stats(&c, &stats);
    ck_assert_int_eq(stats.disk_errno, ENOSPC);
    ck_assert_uint_gt(stats.refused, 0);
    chan_books(&c);
    mem_set_capacity(c.mem, MEM_UNLIMITED);
    for (int i = 0; i < 10; i++) ck_assert_int_eq(chan_send(&c, lens[_i]), HOPPER_OK);
    chan_stats(&c, &stats);
    ck_assert_int_eq(stats.disk_errno, 0);
    ck_assert_uint_eq(c.checker.lost, 0);
    chan_finish(&c);
}
END_TEST

START_TEST(a_full_device_does_not_keep_the_receiver_from_making_room)
{
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    mem_set_capacity(c.mem, 100000);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_ENOSPC);
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_eq(c.checker.records, c.sent);
    for (int i = 0; i < 240; i++) ck_assert_int_eq(chan_send(&c, 500), HOPPER_OK);
    chan_finish(&c);
}
END_TEST

/* 7. A write that failed midway left a header without its record in the file, and all after it was read wrongly. */
START_TEST(a_write_that_ends_midway_leaves_nothing_of_itself)
{
    for (uint64_t capacity = 20000; capacity < 24200; capacity += 60) {
        struct hopper_stats stats;
        uint64_t bytes = 0;
        char path[300];
        struct chan c;
        hopper_status st;

        chan_init(&c);
        c.options.record_bytes_max = 4000;
        chan_open(&c);
        mem_set_capacity(c.mem, capacity);
        chan_fill(&c, 1000, UINT64_MAX, &st);
        ck_assert_int_eq(st, HOPPER_ENOSPC);
        chan_stats(&c, &stats);
        for (int i = 0; chan_queue_file(&c, i, path); i++) bytes += (uint64_t)mem_file_size(c.mem, path);
        ck_assert_uint_eq(bytes, stats.written_bytes); /* whole frames and nothing else */
        mem_set_capacity(c.mem, MEM_UNLIMITED);
        chan_fill(&c, 1000, 100, &st);
        ck_assert_uint_eq(c.checker.lost, 0);
        chan_finish(&c);
        ck_assert_uint_eq(c.checker.records, c.sent);
    }
}
END_TEST

/* 8. A file cut short or changed was a panic; a length field was believed, up to 4 GiB. */
START_TEST(a_file_cut_by_ten_bytes_costs_its_last_records_only)
{
    char path[300];
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert(chan_queue_file(&c, 1, path));
    ck_assert_int_eq(mem_truncate(c.mem, path, (uint64_t)mem_file_size(c.mem, path) - 10), 0);
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_eq(c.checker.records + c.checker.lost, c.sent);
    ck_assert_uint_gt(c.checker.records, c.sent - 70); /* a file holds about 64 */
    chan_finish(&c);
}
END_TEST

START_TEST(lengths_that_make_no_sense_allocate_nothing)
{
    char path[300];
    struct chan c;
    hopper_status st;

    for (uint64_t offset = 0; offset < 400; offset++) {
        chan_init(&c);
        chan_open(&c);
        chan_fill(&c, 1000, 300, &st);
        ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
        ck_assert(chan_queue_file(&c, 0, path));
        for (uint64_t i = 0; i < 4; i++) ck_assert_int_eq(mem_poke(c.mem, path, offset + i, 0xff), 0);
        chan_drain(&c, &st);
        ck_assert_int_eq(st, HOPPER_EAGAIN);
        ck_assert_uint_eq(c.checker.records + c.checker.lost, c.sent);
        chan_memory(&c);
        chan_finish(&c);
    }
}
END_TEST

/* 9. Data missing from a file that was not marked as finished made the receiver spin for ever; and on a file system
 * without permission bits, or with umask 0222, the mark was wrong from the beginning. */
START_TEST(a_file_emptied_behind_our_back_is_a_gap_and_not_a_busy_loop)
{
    struct mem_usage before, after;
    char path[300];
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    for (int i = 0; chan_queue_file(&c, i, path); i++) ck_assert_int_eq(mem_truncate(c.mem, path, 0), 0);
    mem_usage(c.mem, &before);
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_gt(c.checker.lost, 100);
    for (int i = 0; i < 10; i++) {
        struct hopper_record rec;

        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    }
    mem_usage(c.mem, &after);
    ck_assert_uint_lt(after.calls_total - before.calls_total, 1000);
    chan_finish(&c);
}
END_TEST

START_TEST(without_permission_bits_everything_still_arrives)
{
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    arm(&c, FAULT_CHMOD, 1, EPERM, FAULT_STICKY);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    chan_take(&c, c.sent);
    fault_disarm(c.fault);
    chan_finish(&c);
}
END_TEST

START_TEST(with_umask_0222_everything_still_arrives)
{
    struct chan c;
    hopper_status st;

    chan_init(&c);
    mem_set_umask(c.mem, 0222);
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    chan_take(&c, c.sent);
    chan_finish(&c);
}
END_TEST

/* 10. A file that was not the channel's made the receiver panic, a directory made opening fail, and opening a channel
 * that was in use deleted its files. */
START_TEST(foreign_files_in_the_directory_are_neither_read_nor_removed)
{
    static const char *const foreign[] = { ".DS_Store",
                                           "core",
                                           "1",
                                           "0",
                                           "x.hq",
                                           "00000000000000000001.hq.bak",
                                           "99999999999999999999.hq",
                                           "000000000000000000001.hq" };
    struct chan c;
    hopper_status st;
    char path[300];
    void *data;
    size_t len;

    chan_init(&c);
    ck_assert_int_eq(mem_mkdir(c.mem, CHAN_PATH, 0700), 0);
    ck_assert_int_eq(mem_mkdir(c.mem, CHAN_PATH "/lost+found", 0700), 0);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        snprintf(path, sizeof path, CHAN_PATH "/%s", foreign[i]);
        ck_assert_int_eq(mem_write_file(c.mem, path, "mine", 4), 0);
    }
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    chan_take(&c, c.sent);
    ck_assert_uint_eq(c.checker.lost, 0);
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        snprintf(path, sizeof path, CHAN_PATH "/%s", foreign[i]);
        ck_assert_msg(mem_read_file(c.mem, path, &data, &len) == 0, "%s is gone", path);
        ck_assert_uint_eq(len, 4);
        ck_assert_mem_eq(data, "mine", 4);
        free(data);
    }
    ck_assert(mem_exists(c.mem, CHAN_PATH "/lost+found"));
    chan_free(&c);
}
END_TEST

START_TEST(opening_a_channel_that_is_in_use_says_busy_and_touches_nothing)
{
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err;
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    mem_set_process_id(c.mem, 777);
    ck_assert_int_eq(hopper_open(CHAN_DIR, CHAN_NAME, &c.options, &snd, &rcv, &err), HOPPER_EBUSY);
    ck_assert_ptr_null(snd);
    ck_assert_ptr_null(rcv);
    ck_assert_int_eq(err.status, HOPPER_EBUSY);
    ck_assert_int_eq(err.owner_pid, 4242);
    mem_reset_peaks(c.mem); /* the second channel's memory is not the first one's */
    chan_take(&c, c.sent);
    ck_assert_uint_eq(c.checker.lost, 0);
    chan_finish(&c);
}
END_TEST

/* 11. The limit on disk was one file off, and a record more. */
START_TEST(the_disk_budget_is_kept_to_the_byte)
{
    for (uint64_t disk = HOPPER_DISK_BYTES_MIN; disk < 100 << 10; disk += 1777) {
        struct hopper_stats stats;
        struct chan c;
        hopper_status st;

        chan_init(&c);
        c.options.disk_bytes       = disk;
        c.options.file_bytes       = 16 << 10;
        c.options.record_bytes_max = 3000;
        chan_open(&c);
        chan_fill(&c, 1500, UINT64_MAX, &st);
        ck_assert_int_eq(st, HOPPER_EFULL);
        chan_stats(&c, &stats);
        ck_assert_uint_eq(stats.disk_bytes, disk);
        ck_assert_uint_le(mem_watch_peak(c.mem), disk);
        ck_assert_uint_ge(stats.disk_bytes_used, disk / 2); /* and it is used */
        ck_assert_uint_ge(stats.disk_bytes_used, mem_watch_peak(c.mem) / 2);
        chan_finish(&c);
    }
}
END_TEST

/* 12. Memory was counted in records of a guessed size; records of no size were a division by zero. */
START_TEST(memory_is_bounded_in_bytes_whatever_the_records_are)
{
    static const size_t lens[] = { 24, 1000, 16 << 10, 30000 };
    struct chan c;
    hopper_status st;

    chan_init(&c);
    c.options.record_bytes_max = 0;
    chan_open(&c);
    for (int i = 0; i < 4; i++) {
        chan_fill(&c, lens[i], UINT64_MAX, &st);
        ck_assert_int_eq(st, HOPPER_EFULL);
        chan_memory(&c);
        chan_drain(&c, &st);
    }
    chan_finish(&c);
}
END_TEST

START_TEST(empty_records_are_records_too_in_memory_and_on_disk)
{
    struct hopper_record rec;
    struct hopper_stats stats;
    uint64_t sent = 0;
    struct chan c;

    chan_init(&c);
    chan_open(&c);
    do {
        ck_assert_int_eq(hopper_send(c.snd, NULL, 0), HOPPER_OK);
        sent++;
        chan_stats(&c, &stats);
    } while (stats.overflowed < 1000);
    for (uint64_t seq = 1; seq <= sent; seq++) {
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        ck_assert_uint_eq(rec.seq, seq);
        ck_assert_uint_eq(rec.gap, HOPPER_GAP_NONE);
        ck_assert_uint_eq(rec.len, 0);
    }
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* 13. Write errors at the change to the next file were swallowed; part of what was in memory leaked at the end; lengths
 * above 4 GiB were cut to 32 bits. */
START_TEST(an_error_at_the_change_of_files_loses_nothing)
{
    for (uint64_t at = 1; at < 400; at++) {
        struct chan c;
        hopper_status st;
        bool is_hit;

        chan_init(&c);
        c.options.file_bytes = 16 << 10;
        c.options.disk_bytes = 128 << 10;
        chan_open(&c);
        arm(&c, FAULT_PWRITE | FAULT_CREATE | FAULT_CLOSE | FAULT_CHMOD, at, EIO, FAULT_ONCE);
        chan_fill(&c, 1000, 190, &st);
        chan_fill(&c, 1000, 10, &st);
        is_hit = fault_hits(c.fault) > 0;
        fault_disarm(c.fault);
        chan_drain(&c, &st);
        ck_assert_int_eq(st, HOPPER_EAGAIN);
        ck_assert_msg(c.checker.records == c.sent, "call %d", (int)at);
        chan_finish(&c);
        if (!is_hit) return;
    }
    ck_abort_msg("no run without a fault");
}
END_TEST

START_TEST(closing_a_full_channel_leaves_nothing_behind)
{
    struct chan c;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    chan_take(&c, 37);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    chan_close(&c);
    ck_assert_int_eq(chan_queue_files(&c), 0);
    chan_free(&c);
}
END_TEST

START_TEST(a_record_above_4_gib_is_refused_and_not_cut)
{
#if SIZE_MAX > UINT32_MAX
    struct chan c;
    char byte = 'x';

    chan_init(&c);
    chan_open(&c);
    ck_assert_int_eq(hopper_send(c.snd, &byte, (size_t)UINT32_MAX + 2), HOPPER_ETOOBIG);
    ck_assert_int_eq(hopper_send(c.snd, &byte, SIZE_MAX), HOPPER_ETOOBIG);
    chan_finish(&c);
#endif
}
END_TEST

/* 14. There was no way to look without waiting, to take several at once, to see what is there; every record on disk
 * cost a system call, and compressing made small ones larger. */
START_TEST(overflowing_small_records_costs_neither_a_call_each_nor_more_bytes_than_they_have)
{
    struct mem_usage before, after;
    struct hopper_stats stats;
    struct chan c;

    chan_init(&c);
    c.options.compression = 0;
    chan_open(&c);
    mem_usage(c.mem, &before);
    for (int i = 0; i < 20000; i++) ck_assert_int_eq(chan_send(&c, 32), HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    mem_usage(c.mem, &after);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.overflowed, 10000);
    ck_assert_uint_lt(after.calls_total - before.calls_total, stats.overflowed / 20);
    ck_assert_uint_lt(stats.written_bytes, stats.overflowed * 32);
    chan_finish(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("original_faults");
    TCase *tc    = tcase_create("faults");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, full_disk_never_strands_what_was_accepted);
    tcase_add_test(tc, refused_sends_use_up_no_file_numbers_and_lose_no_file);
    tcase_add_test(tc, a_file_that_cannot_be_opened_for_a_moment_is_not_lost);
    tcase_add_test(tc, the_first_record_that_overflows_arrives_without_another_send);
    tcase_add_test(tc, what_overflowed_last_arrives_after_the_sender_is_gone);
    tcase_add_test(tc, each_side_learns_that_the_other_has_gone);
    tcase_add_loop_test(tc, a_full_device_is_a_status_and_ends_when_there_is_room, 0, 3);
    tcase_add_test(tc, a_full_device_does_not_keep_the_receiver_from_making_room);
    tcase_add_test(tc, a_write_that_ends_midway_leaves_nothing_of_itself);
    tcase_add_test(tc, a_file_cut_by_ten_bytes_costs_its_last_records_only);
    tcase_add_test(tc, lengths_that_make_no_sense_allocate_nothing);
    tcase_add_test(tc, a_file_emptied_behind_our_back_is_a_gap_and_not_a_busy_loop);
    tcase_add_test(tc, without_permission_bits_everything_still_arrives);
    tcase_add_test(tc, with_umask_0222_everything_still_arrives);
    tcase_add_test(tc, foreign_files_in_the_directory_are_neither_read_nor_removed);
    tcase_add_test(tc, opening_a_channel_that_is_in_use_says_busy_and_touches_nothing);
    tcase_add_test(tc, the_disk_budget_is_kept_to_the_byte);
    tcase_add_test(tc, memory_is_bounded_in_bytes_whatever_the_records_are);
    tcase_add_test(tc, empty_records_are_records_too_in_memory_and_on_disk);
    tcase_add_test(tc, an_error_at_the_change_of_files_loses_nothing);
    tcase_add_test(tc, closing_a_full_channel_leaves_nothing_behind);
    tcase_add_test(tc, a_record_above_4_gib_is_refused_and_not_cut);
    tcase_add_test(tc, overflowing_small_records_costs_neither_a_call_each_nor_more_bytes_than_they_have);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
