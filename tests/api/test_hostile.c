/* SPDX-License-Identifier: MIT */
/* Directories in which somebody has planted something under a name of ours: nothing is followed, nothing hangs, nothing
 * that the library did not make is changed. */
#include "chan.h"

#include "suite.h"
#include <stdlib.h>
#include <string.h>

static struct chan c;

static void set_up(void)
{
    chan_init(&c);
}

static const char *const planted[] = {
    CHAN_PATH,          CHAN_PATH "/LOCK",  CHAN_PATH "/00000000000000000001.hq", CHAN_PATH "/00000000000000000002.hq",
    CHAN_PATH "/STATE", CHAN_PATH "/MEMORY"
};

static void make_parent(int i)
{
    if (i > 0) ck_assert_int_eq(mem_mkdir(c.mem, CHAN_PATH, 0700), 0);
}

/* Whatever is planted, opening either works fully or fails with a status, and what a link points to stays as it was. */
static void survives(void)
{
    hopper_status st = chan_try_open(&c);
    void *data;
    size_t len;

    if (st == HOPPER_OK) {
        chan_fill(&c, 1000, 400, &st);
        chan_drain(&c, &st);
        ck_assert_uint_eq(c.checker.records + c.checker.lost, c.sent);
        hopper_sender_close(c.snd);
        hopper_receiver_close(c.rcv);
        c.snd = NULL;
        c.rcv = NULL;
    } else {
        ck_assert_int_eq(c.err.status, st);
        ck_assert(c.err.op != NULL || c.err.path[0] != '\0');
        ck_assert_ptr_null(c.snd);
    }
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    if (mem_exists(c.mem, "/precious")) {
        ck_assert_int_eq(mem_read_file(c.mem, "/precious", &data, &len), 0);
        ck_assert_uint_eq(len, 8);
        ck_assert_mem_eq(data, "precious", 8);
        ck_assert_int_eq(mem_mode(c.mem, "/precious"), 0644);
        free(data);
    }
    chan_free(&c);
}

START_TEST(a_link_planted_under_a_name_of_ours_is_not_followed)
{
    make_parent(_i);
    ck_assert_int_eq(mem_write_file(c.mem, "/precious", "precious", 8), 0);
    ck_assert_int_eq(mem_symlink(c.mem, planted[_i], "/precious"), 0);
    survives();
}
END_TEST

START_TEST(a_link_to_a_directory_in_place_of_the_channels_is_not_followed)
{
    ck_assert_int_eq(mem_mkdir(c.mem, "/elsewhere", 0777), 0);
    ck_assert_int_eq(mem_write_file(c.mem, "/elsewhere/00000000000000000001.hq", "mine", 4), 0);
    ck_assert_int_eq(mem_symlink(c.mem, CHAN_PATH, "/elsewhere"), 0);
    ck_assert_int_eq(chan_try_open(&c), HOPPER_EIO);
    ck_assert_ptr_null(c.snd);
    ck_assert_ptr_null(c.rcv);
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    ck_assert_int_eq(mem_file_size(c.mem, "/elsewhere/00000000000000000001.hq"), 4);
    ck_assert(!mem_exists(c.mem, "/elsewhere/LOCK"));
    chan_free(&c);
}
END_TEST

START_TEST(a_fifo_planted_under_a_name_of_ours_does_not_hang)
{
    make_parent(_i);
    ck_assert_int_eq(mem_fifo(c.mem, planted[_i]), 0);
    survives();
}
END_TEST

START_TEST(a_directory_planted_under_a_name_of_ours_does_not_hang)
{
    make_parent(_i);
    ck_assert_int_eq(mem_mkdir(c.mem, planted[_i], 0700), 0);
    survives();
}
END_TEST

START_TEST(a_hard_link_planted_under_a_name_of_ours_does_not_reach_the_file)
{
    if (_i == 0) {
        chan_free(&c);
        return; /* a directory has no second name */
    }
    make_parent(_i);
    ck_assert_int_eq(mem_write_file(c.mem, "/precious", "precious", 8), 0);
    ck_assert_int_eq(mem_link(c.mem, "/precious", planted[_i]), 0);
    survives();
}
END_TEST

START_TEST(garbage_in_the_lock_file_is_not_believed)
{
    char garbage[5000];
    struct hopper_error err;
    hopper_sender *snd;
    hopper_receiver *rcv;

    memset(garbage, '9', sizeof garbage);
    ck_assert_int_eq(mem_mkdir(c.mem, CHAN_PATH, 0700), 0);
    ck_assert_int_eq(mem_write_file(c.mem, CHAN_PATH "/LOCK", garbage, sizeof garbage), 0);
    ck_assert_int_eq(mem_lock_by_other(c.mem, CHAN_PATH "/LOCK", true), 0);
    ck_assert_int_eq(hopper_open(CHAN_DIR, CHAN_NAME, &c.options, &snd, &rcv, &err), HOPPER_EMISMATCH);
    ck_assert_int_eq(mem_file_size(c.mem, CHAN_PATH "/LOCK"), sizeof garbage); /* not made by us, not touched */
    ck_assert_int_eq(mem_write_file(c.mem, CHAN_PATH "/LOCK", "pid 99999999999999999999x", 25), 0);
    ck_assert_int_eq(hopper_open(CHAN_DIR, CHAN_NAME, &c.options, &snd, &rcv, &err), HOPPER_EBUSY);
    ck_assert_int_ge(err.owner_pid, 0);
    ck_assert_int_eq(mem_lock_by_other(c.mem, CHAN_PATH "/LOCK", false), 0);
    chan_open(&c);
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
    chan_take(&c, 1);
    chan_finish(&c);
}
END_TEST

/* While the channel runs: the name is passed over, its file neither counted nor removed. */
START_TEST(a_file_put_under_the_next_name_stays_and_is_not_counted_as_ours)
{
    static const char path[] = CHAN_PATH "/00000000000000000003.hq";
    struct hopper_stats stats;
    hopper_status st;
    void *data;
    size_t len;

    chan_open(&c);
    chan_fill_to_disk(&c, 1000);
    ck_assert_int_eq(mem_write_file(c.mem, path, "mine", 4), 0);
    c.is_tampered = true;
    chan_fill(&c, 1000, UINT64_MAX, &st);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.disk_files, 4);
    ck_assert_uint_eq(stats.disk_files, (uint64_t)chan_queue_files(&c) - 1);
    chan_take(&c, c.sent);
    ck_assert_uint_eq(c.checker.lost, 0);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.disk_files, (uint64_t)chan_queue_files(&c) - 1);
    ck_assert_int_eq(mem_read_file(c.mem, path, &data, &len), 0);
    ck_assert_uint_eq(len, 4);
    free(data);
    chan_finish(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tc    = tcase_create("hostile");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, a_link_planted_under_a_name_of_ours_is_not_followed, 0, 6);
    tcase_add_test(tc, a_link_to_a_directory_in_place_of_the_channels_is_not_followed);
    tcase_add_loop_test(tc, a_fifo_planted_under_a_name_of_ours_does_not_hang, 0, 6);
    tcase_add_loop_test(tc, a_directory_planted_under_a_name_of_ours_does_not_hang, 0, 6);
    tcase_add_loop_test(tc, a_hard_link_planted_under_a_name_of_ours_does_not_reach_the_file, 0, 6);
    tcase_add_test(tc, garbage_in_the_lock_file_is_not_believed);
    tcase_add_test(tc, a_file_put_under_the_next_name_stays_and_is_not_counted_as_ours);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
