/* SPDX-License-Identifier: MIT */
/*
 * Losses are delivered in their place: what happens to queue files behind the channel's back, one kind of damage at a
 * time. That the count is exact is asserted by the fixture (delivered + gaps = accepted, no record wrong, none twice);
 * here it is asserted that the reason is right and that nothing around the damage is lost with it.
 */
#include "chan.h"

#include "suite.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN 1000

static struct chan c;
static uint64_t in_memory; /* records in the ring, before those on disk */

/* Open, fill until refused, everything that has overflowed in files. */
static void set_up(void)
{
    struct hopper_stats stats;
    hopper_status st;

    chan_init(&c);
    chan_open(&c);
    chan_fill(&c, LEN, UINT64_MAX, &st);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_int_gt(chan_queue_files(&c), 5);
    chan_stats(&c, &stats);
    in_memory = c.sent - stats.pending_disk;
    ck_assert_uint_gt(in_memory, 10);
}

static void path_of(int i, char path[300])
{
    ck_assert(chan_queue_file(&c, i, path));
}

/* Drain; all that is lost is lost for REASON, and it is AT_LEAST to AT_MOST records. */
static void drain_lost(unsigned reason, uint64_t at_least, uint64_t at_most)
{
    struct hopper_stats stats;
    hopper_status st;

    c.is_tampered = true;
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_eq(c.checker.records + c.checker.lost, c.sent);
    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++)
        ck_assert_msg(i == reason || c.checker.lost_by[i] == 0, "%d lost as %s", (int)c.checker.lost_by[i],
                      hopper_gap_name(i));
    ck_assert_uint_ge(c.checker.lost, at_least);
    ck_assert_uint_le(c.checker.lost, at_most);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.gap_records[reason], c.checker.lost);
    for (int i = 0; i < 500; i++) { /* and it goes on as if nothing had been */
        ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
        if (i % 10 == 9) chan_take(&c, 10);
    }
    chan_finish(&c);
}

START_TEST(one_changed_byte_costs_one_frame)
{
    char path[300];

    path_of(_i, path);
    ck_assert_int_eq(mem_poke(c.mem, path, (uint64_t)mem_file_size(c.mem, path) / 2, 1), 0);
    drain_lost(HOPPER_GAP_CORRUPT, 1, 16);
}
END_TEST

START_TEST(a_changed_file_header_costs_nothing)
{
    char path[300];

    for (uint64_t i = 0; i < 16; i++) {
        path_of(1, path);
        ck_assert_int_eq(mem_poke(c.mem, path, i, 0xff), 0);
    }
    drain_lost(HOPPER_GAP_CORRUPT, 0, 0);
}
END_TEST

START_TEST(a_file_cut_off_loses_what_was_behind_the_cut)
{
    char path[300];

    path_of(2, path);
    ck_assert_int_eq(mem_truncate(c.mem, path, (uint64_t)mem_file_size(c.mem, path) / 2), 0);
    drain_lost(HOPPER_GAP_TRUNCATED, 10, 50);
}
END_TEST

START_TEST(an_empty_file_loses_what_it_held)
{
    char path[300];

    path_of(2, path);
    ck_assert_int_eq(mem_truncate(c.mem, path, 0), 0);
    drain_lost(HOPPER_GAP_TRUNCATED, 40, 70);
}
END_TEST

START_TEST(a_file_that_has_vanished_loses_what_it_held)
{
    char path[300];

    path_of(_i, path);
    ck_assert_int_eq(mem_remove(c.mem, path), 0);
    drain_lost(HOPPER_GAP_VANISHED, 1, 70);
}
END_TEST

START_TEST(all_files_vanished_loses_what_they_held_and_not_what_is_in_memory)
{
    char path[300];
    uint64_t lost = c.sent - in_memory;

    while (chan_queue_file(&c, 0, path)) ck_assert_int_eq(mem_remove(c.mem, path), 0);
    drain_lost(HOPPER_GAP_VANISHED, lost, lost);
}
END_TEST

START_TEST(a_file_that_may_not_be_opened_is_unreadable)
{
    char path[300];

    path_of(1, path);
    ck_assert_int_eq(mem_chmod(c.mem, path, 0), 0);
    drain_lost(HOPPER_GAP_UNREADABLE, 40, 70);
}
END_TEST

START_TEST(something_else_in_place_of_a_file_is_unreadable_and_not_followed)
{
    char path[300];

    path_of(1, path);
    ck_assert_int_eq(mem_remove(c.mem, path), 0);
    ck_assert_int_eq(mem_write_file(c.mem, "/precious", "precious", 8), 0);
    if (_i == 0) ck_assert_int_eq(mem_symlink(c.mem, path, "/precious"), 0);
    if (_i == 1) ck_assert_int_eq(mem_fifo(c.mem, path), 0);
    if (_i == 2) ck_assert_int_eq(mem_mkdir(c.mem, path, 0700), 0);
    drain_lost(HOPPER_GAP_UNREADABLE, 40, 70);
}
END_TEST

START_TEST(a_device_that_cannot_read_a_place_costs_that_place)
{
    const struct fault_plan plan = {
        .kinds = FAULT_PREAD, .at = 12, .error = EIO, .mode = FAULT_HEALS, .heal_after = 2
    };

    fault_arm(c.fault, &plan);
    drain_lost(HOPPER_GAP_UNREADABLE, 0, 40);
}
END_TEST

START_TEST(a_device_that_reads_nothing_any_more_loses_the_files_and_not_the_memory)
{
    const struct fault_plan plan = { .kinds = FAULT_PREAD, .at = 1, .error = EIO, .mode = FAULT_STICKY };
    uint64_t lost                = c.sent - in_memory;
    hopper_status st;

    fault_arm(c.fault, &plan);
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_eq(c.checker.lost, lost);
    ck_assert_uint_eq(c.checker.lost_by[HOPPER_GAP_UNREADABLE], lost);
    chan_finish(&c);
}
END_TEST

/* ---- bad places on the device: reads stop before them, and fail in them, as the kernel does it ---- */

static struct {
    const struct hopper_io *io;
    uint64_t begin[3], end[3]; /* the same in each file */
    uint64_t failures;
} bad;

static ssize_t pread_with_bad_places(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    (void)ctx;
    for (int i = 0; i < 3; i++) {
        if (offset >= bad.end[i] || offset + len <= bad.begin[i]) continue;
        if (offset >= bad.begin[i]) {
            bad.failures++;
            return -EIO;
        }
        len = (size_t)(bad.begin[i] - offset);
    }
    return bad.io->pread(bad.io->ctx, fd, buf, len, offset);
}

/* A channel on a device that will have bad places, of blocks large enough that one read covers several frames. */
static void open_on_bad_device(struct hopper_platform *platform)
{
    memset(&bad, 0, sizeof bad);
    chan_init(&c);
    bad.io                 = &c.options.platform->io;
    *platform              = *c.options.platform;
    platform->io.pread     = pread_with_bad_places;
    c.options.platform     = platform;
    c.options.memory_bytes = 2 << 20;
    c.options.disk_bytes   = 64 << 20;
    c.options.file_bytes   = 16 << 20;
    chan_open(&c);
}

/* Frames of ten records each, some 10 KB. */
static void write_small_frames(int count)
{
    struct hopper_stats stats;

    chan_fill_to_disk(&c, LEN);
    for (int i = 0; i < count * 10; i++) {
        ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
        if (i % 10 == 9) ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    }
    chan_stats(&c, &stats);
    ck_assert_uint_ge(stats.pending_disk, (uint64_t)count * 10);
}

/* The first place takes a frame's header away, so that the next is looked for; the second one costs its own frame and
 * not those before it, which one large read would have brought; after the long one the search is as close as before. */
START_TEST(bad_places_do_not_cost_the_frames_between_them)
{
    struct hopper_platform platform;

    open_on_bad_device(&platform);
    write_small_frames(60);
    for (uint64_t i = 0; i < 3; i++) bad.begin[i] = (4 + i * 10) * 10240 / 4096 * 4096;
    bad.end[0] = bad.begin[0] + 12288; /* more than a frame: a header is in it */
    bad.end[1] = bad.begin[1] + 65536;
    bad.end[2] = bad.begin[2] + 12288;
    drain_lost(HOPPER_GAP_UNREADABLE, 100, 130);
    ck_assert_uint_gt(bad.failures, 0);
}
END_TEST

START_TEST(a_dead_device_is_not_asked_for_each_page)
{
    struct hopper_platform platform;
    hopper_status st;
    int files;

    open_on_bad_device(&platform);
    chan_fill(&c, 16000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    files = chan_queue_files(&c);
    ck_assert_int_ge(files, 4);
    bad.end[0] = UINT64_MAX / 2;
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_ge(c.checker.lost_by[HOPPER_GAP_UNREADABLE], 3000);
    ck_assert_uint_le(bad.failures,
                      (uint64_t)files * 80); /* 16 MiB: nine steps to 1 MiB, then 15 more, each tried twice */
    memset(bad.end, 0, sizeof bad.end);
    chan_finish(&c);
}
END_TEST

START_TEST(a_copy_of_another_file_in_place_of_one_is_not_believed)
{
    char from[300], to[300];
    void *data;
    size_t len;

    path_of(1, from);
    path_of(3, to);
    ck_assert_int_eq(mem_read_file(c.mem, from, &data, &len), 0);
    ck_assert_int_eq(mem_write_file(c.mem, to, data, len), 0);
    free(data);
    drain_lost(HOPPER_GAP_CORRUPT, 40, 70);
}
END_TEST

START_TEST(two_files_exchanged_are_not_read_in_the_wrong_order)
{
    char first[300], second[300];

    path_of(1, first);
    path_of(2, second);
    ck_assert_int_eq(mem_rename(c.mem, first, "/t"), 0);
    ck_assert_int_eq(mem_rename(c.mem, second, first), 0);
    ck_assert_int_eq(mem_rename(c.mem, "/t", second), 0);
    drain_lost(HOPPER_GAP_CORRUPT, 80, 140);
}
END_TEST

START_TEST(zeros_in_place_of_a_page_cost_the_frames_in_it)
{
    char path[300];
    void *data;
    size_t len;

    path_of(1, path);
    ck_assert_int_eq(mem_read_file(c.mem, path, &data, &len), 0);
    memset((char *)data + 8192, 0, 4096);
    ck_assert_int_eq(mem_write_file(c.mem, path, data, len), 0);
    free(data);
    drain_lost(HOPPER_GAP_CORRUPT, 1, 40);
}
END_TEST

START_TEST(garbage_appended_to_a_file_costs_nothing)
{
    char path[300];
    void *data;
    size_t len;
    unsigned char *longer;

    path_of(1, path);
    ck_assert_int_eq(mem_read_file(c.mem, path, &data, &len), 0);
    longer = calloc(1, len + 5000);
    memcpy(longer, data, len);
    memset(longer + len, 'H', 5000);
    ck_assert_int_eq(mem_write_file(c.mem, path, longer, len + 5000), 0);
    mem_watch_dir(c.mem, CHAN_PATH, c.options.disk_bytes + 5000); /* ours, not the library's */
    free(longer);
    free(data);
    drain_lost(HOPPER_GAP_CORRUPT, 0, 0);
}
END_TEST

START_TEST(damage_while_a_frame_is_being_read_out_does_not_reach_its_views)
{
    char path[300];

    chan_take(&c, in_memory + 2);
    path_of(0, path);
    ck_assert_int_eq(mem_truncate(c.mem, path, 0), 0);
    drain_lost(HOPPER_GAP_TRUNCATED, 30, 70);
}
END_TEST

START_TEST(short_reads_are_continued)
{
    const struct fault_plan plan = {
        .kinds = FAULT_PREAD, .at = 1, .mode = FAULT_STICKY, .effect = _i ? FAULT_SHORT_LESS : FAULT_SHORT_ONE
    };

    fault_arm(c.fault, &plan);
    chan_take(&c, c.sent);
    ck_assert_uint_eq(c.checker.lost, 0);
    ck_assert_uint_gt(fault_hits(c.fault), 0);
    chan_finish(&c);
}
END_TEST

START_TEST(interrupted_reads_lose_nothing)
{
    for (uint64_t at = 1; at < 40; at++) {
        const struct fault_plan plan = {
            .kinds = FAULT_PREAD | FAULT_OPEN | FAULT_STAT, .at = at, .error = EINTR, .mode = FAULT_ONCE
        };

        fault_arm(c.fault, &plan);
        for (int i = 0; i < 6; i++) {
            struct hopper_record rec;

            (void)!chan_receive(&c, &rec);
        }
        fault_disarm(c.fault);
    }
    drain_lost(HOPPER_GAP_NONE, 0, 0);
}
END_TEST

START_TEST(no_memory_or_descriptor_for_a_moment_is_told_and_loses_nothing)
{
    static const int errors[]    = { EMFILE, ENFILE, ENOMEM };
    const struct fault_plan plan = {
        .kinds = FAULT_OPEN, .at = 1, .error = errors[_i], .mode = FAULT_HEALS, .heal_after = 5
    };
    struct hopper_record rec;
    hopper_status st;
    int told = 0;

    fault_arm(c.fault, &plan);
    while ((st = chan_receive(&c, &rec)) == HOPPER_OK || st == HOPPER_EIO) {
        if (st != HOPPER_EIO) continue;
        ck_assert_int_eq(hopper_receiver_error(c.rcv)->sys_errno, errors[_i]);
        told++;
    }
    ck_assert_int_ge(told, 1);
    ck_assert_uint_eq(c.checker.lost, 0);
    ck_assert_uint_eq(c.checker.records, c.sent);
    chan_finish(&c);
}
END_TEST

/* A write that failed and could not be removed leaves a file behind that holds nothing, and meanwhile smaller frames
 * have gone to the file before it. When that one is dropped, so are they: nothing was lost, all of it was the
 * policy. */
START_TEST(what_went_to_the_file_before_a_failed_one_is_counted_as_dropped_with_it)
{
    const struct fault_plan plan = { .kinds = FAULT_PWRITE | FAULT_UNLINK,
                                     .at    = 2, /* the file's header gets there */
                                     .error = EIO,
                                     .mode  = FAULT_STICKY };
    struct hopper_stats stats;

    chan_init(&c);
    c.options.file_bytes = 16 << 10;
    c.options.when_full  = HOPPER_FULL_DROP_OLDEST;
    chan_open(&c);
    chan_fill_to_disk(&c, LEN);
    fault_arm(c.fault, &plan);
    ck_assert_int_eq(chan_send(&c, 16000), HOPPER_EIO); /* too large for the rest of the first file */
    fault_disarm(c.fault);
    ck_assert_int_eq(chan_queue_files(&c), 2);
    chan_stats(&c, &stats);
    for (uint64_t before = stats.overflowed; stats.overflowed < before + 8; chan_stats(&c, &stats))
        ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_int_eq(chan_queue_files(&c), 2);
    do { /* one file only: with the next, what came with it would be counted all the same */
        ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
        chan_stats(&c, &stats);
    } while (stats.gap_records[HOPPER_GAP_DROPPED_OLDEST] == 0);
    drain_lost(HOPPER_GAP_DROPPED_OLDEST, 9, 16);
}
END_TEST

/* The receiver has read a frame of a file and is busy elsewhere; the file is dropped. On a full device its space is
 * needed at once, and a descriptor would keep it. */
START_TEST(a_receiver_that_is_busy_keeps_no_dropped_file_on_a_full_device)
{
    struct hopper_stats stats;

    chan_init(&c);
    c.options.disk_bytes = 64 << 20;
    c.options.file_bytes = 16 << 20;
    c.options.when_full  = HOPPER_FULL_DROP_OLDEST;
    chan_open(&c);
    mem_set_capacity(c.mem, 100000); /* one file */
    chan_fill_to_disk(&c, LEN);
    for (int i = 0; i < 20; i++) ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    chan_stats(&c, &stats);
    chan_take(&c, c.sent - stats.pending_disk + 1);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.pending_disk, 10);
    do {
        ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
        chan_stats(&c, &stats);
    } while (stats.gap_records[HOPPER_GAP_DROPPED_OLDEST] < 200);
    drain_lost(HOPPER_GAP_DROPPED_OLDEST, 200, c.sent);
}
END_TEST

int main(void)
{
    Suite *suite   = suite_create("gaps");
    TCase *tc      = tcase_create("gaps");
    TCase *device  = tcase_create("device");
    TCase *dropped = tcase_create("dropped");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, one_changed_byte_costs_one_frame, 0, 6);
    tcase_add_test(tc, a_changed_file_header_costs_nothing);
    tcase_add_test(tc, a_file_cut_off_loses_what_was_behind_the_cut);
    tcase_add_test(tc, an_empty_file_loses_what_it_held);
    tcase_add_loop_test(tc, a_file_that_has_vanished_loses_what_it_held, 0, 6);
    tcase_add_test(tc, all_files_vanished_loses_what_they_held_and_not_what_is_in_memory);
    tcase_add_test(tc, a_file_that_may_not_be_opened_is_unreadable);
    tcase_add_loop_test(tc, something_else_in_place_of_a_file_is_unreadable_and_not_followed, 0, 3);
    tcase_add_test(tc, a_device_that_cannot_read_a_place_costs_that_place);
    tcase_add_test(tc, a_device_that_reads_nothing_any_more_loses_the_files_and_not_the_memory);
    tcase_add_test(tc, a_copy_of_another_file_in_place_of_one_is_not_believed);
    tcase_add_test(tc, two_files_exchanged_are_not_read_in_the_wrong_order);
    tcase_add_test(tc, zeros_in_place_of_a_page_cost_the_frames_in_it);
    tcase_add_test(tc, garbage_appended_to_a_file_costs_nothing);
    tcase_add_test(tc, damage_while_a_frame_is_being_read_out_does_not_reach_its_views);
    tcase_add_loop_test(tc, short_reads_are_continued, 0, 2);
    tcase_add_test(tc, interrupted_reads_lose_nothing);
    tcase_add_loop_test(tc, no_memory_or_descriptor_for_a_moment_is_told_and_loses_nothing, 0, 3);
    suite_add_tcase(suite, tc);
    tcase_add_test(device, bad_places_do_not_cost_the_frames_between_them);
    tcase_add_test(device, a_dead_device_is_not_asked_for_each_page);
    suite_add_tcase(suite, device);
    tcase_add_test(dropped, what_went_to_the_file_before_a_failed_one_is_counted_as_dropped_with_it);
    tcase_add_test(dropped, a_receiver_that_is_busy_keeps_no_dropped_file_on_a_full_device);
    suite_add_tcase(suite, dropped);
    return suite_run(suite);
}
