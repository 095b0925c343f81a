/* SPDX-License-Identifier: MIT */
/* Receiving: each status, batches of views, acknowledging, the descriptor for event loops, the books at each step. */
#include "chan.h"

#include "suite.h"
#include "tmpdir.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct chan c;
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

static void set_up(void)
{
    chan_init(&c);
}

START_TEST(null_arguments_are_the_callers_mistake)
{
    struct hopper_record recs[2];
    struct hopper_stats stats;
    size_t count = 99;
    int fd       = 99;

    chan_open(&c);
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
    ck_assert_int_eq(hopper_receive(NULL, recs, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_receive(c.rcv, NULL, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_receive_batch(NULL, recs, 2, HOPPER_NOW, &count), HOPPER_EINVAL);
    ck_assert_uint_eq(count, 0);
    count = 99;
    ck_assert_int_eq(hopper_receive_batch(c.rcv, NULL, 2, HOPPER_NOW, &count), HOPPER_EINVAL);
    ck_assert_uint_eq(count, 0);
    count = 99;
    ck_assert_int_eq(hopper_receive_batch(c.rcv, recs, 0, HOPPER_NOW, &count), HOPPER_EINVAL);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(hopper_receive_batch(c.rcv, recs, 2, HOPPER_NOW, NULL), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_receiver_fd(NULL, &fd), HOPPER_EINVAL);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, NULL), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_receiver_stats(NULL, &stats), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_receiver_stats(c.rcv, NULL), HOPPER_EINVAL);
    chan_take(&c, 1); /* nothing of that took the record */
    chan_finish(&c);
}
END_TEST

START_TEST(an_empty_channel_is_eagain_at_once_and_at_any_past_deadline)
{
    struct hopper_record rec;
    size_t count = 99;

    chan_open(&c);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, 1), HOPPER_EAGAIN);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, mem_clock_ns(c.mem)), HOPPER_EAGAIN);
    ck_assert_int_eq(hopper_receive_batch(c.rcv, &rec, 1, HOPPER_NOW, &count), HOPPER_EAGAIN);
    ck_assert_uint_eq(count, 0);
    chan_finish(&c);
}
END_TEST

/* ---- a receiver that looks on before it sleeps ---- */

#define SENDS_AT 20

/* A clock that goes on by a microsecond each time it is looked at, and sends at the SENDS_AT-th look. */
static struct {
    uint64_t ns;
    int looks;
} spun;

static uint64_t look_and_send(void *ctx)
{
    (void)ctx;
    if (++spun.looks == SENDS_AT) ck_assert_int_eq(hopper_send(c.snd, "spun", 4), HOPPER_OK);
    return spun.ns += 1000;
}

static void open_spinning(struct hopper_platform *platform, uint32_t spin_us)
{
    *platform                    = *c.options.platform;
    platform->clock.monotonic_ns = look_and_send;
    c.options.platform           = platform;
    c.options.spin_us            = spin_us;
    chan_open(&c);
    spun.ns    = 1000000;
    spun.looks = 0;
}

START_TEST(a_receiver_that_spins_sees_what_comes_meanwhile_without_sleeping)
{
    struct hopper_platform platform;
    struct hopper_record rec;

    open_spinning(&platform, 50);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    ck_assert_int_lt(spun.looks, 2);
    spun.looks = 0;
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, spun.ns + 60000), HOPPER_OK);
    ck_assert_int_eq(spun.looks, SENDS_AT);
    ck_assert_uint_eq(rec.len, 4);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

START_TEST(a_receiver_spins_no_longer_than_its_deadline)
{
    struct hopper_platform platform;
    struct hopper_record rec;

    open_spinning(&platform, 1000000);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, spun.ns + 10000), HOPPER_EAGAIN);
    ck_assert_int_ge(spun.looks, 10);
    ck_assert_int_le(spun.looks, 12);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

START_TEST(a_batch_is_views_that_stay_valid_together)
{
    static const size_t maxes[] = { 1, 2, 7, 100, 4096 };
    static struct hopper_record recs[4096];
    hopper_status st;
    size_t count;

    chan_open(&c);
    for (int round = 0; round < 20; round++) {
        chan_fill(&c, 50 + (size_t)round * 30, 300, &st);
        while ((st = hopper_receive_batch(c.rcv, recs, maxes[round % 5], HOPPER_NOW, &count)) == HOPPER_OK) {
            ck_assert_uint_ge(count, 1);
            ck_assert_uint_le(count, maxes[round % 5]);
            for (size_t i = 0; i < count; i++) ck_assert_msg(checker_take(&c.checker, &recs[i]), "%s", c.checker.fault);
            chan_books(&c);
        }
        ck_assert_int_eq(st, HOPPER_EAGAIN);
        ck_assert_uint_eq(count, 0);
        ck_assert_uint_eq(c.checker.records, c.sent);
    }
    chan_finish(&c);
}
END_TEST

/* A view must outlast sends that would like to have its place. */
START_TEST(a_view_is_not_overwritten_by_sends_that_follow)
{
    struct hopper_record rec;
    unsigned producer;
    uint64_t counter;
    hopper_status st;

    chan_open(&c);
    for (int round = 0; round < 30; round++) {
        chan_fill(&c, 1500, UINT64_MAX, &st);
        ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_OK);
        chan_fill(&c, 1500, UINT64_MAX, &st);
        ck_assert(checker_read(rec.data, rec.len, &producer, &counter));
        ck_assert_uint_eq(counter, rec.seq - 1);
        for (int i = 0; i < 50 * (round % 4); i++) chan_receive(&c, &rec);
    }
    chan_finish(&c);
}
END_TEST

START_TEST(coming_back_acknowledges_what_was_handed_out_before)
{
    struct hopper_record rec;
    struct hopper_stats stats;
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 100, 3, &st);
    ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_OK);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.acknowledged, 0);
    ck_assert_uint_eq(stats.pending_memory, 3);
    ck_assert_uint_eq(stats.seq_delivered, 1);
    ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_OK);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.acknowledged, 1);
    hopper_acknowledge(c.rcv);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.acknowledged, 2);
    ck_assert_uint_eq(stats.pending_memory, 1);
    hopper_acknowledge(c.rcv);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.acknowledged, 2);
    chan_finish(&c);
}
END_TEST

START_TEST(acknowledging_gives_room_back)
{
    struct hopper_record rec;
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 10000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    while (chan_receive(&c, &rec) == HOPPER_OK) {
    }
    hopper_acknowledge(c.rcv);
    ck_assert_int_le(chan_queue_files(&c), 1); /* the one that is written may wait to be of use */
    ck_assert_uint_gt(chan_fill(&c, 10000, UINT64_MAX, &st), 20);
    chan_finish(&c);
}
END_TEST

START_TEST(files_are_removed_as_they_are_read)
{
    int files, last;
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    last = files = chan_queue_files(&c);
    ck_assert_int_gt(files, 4);
    while (chan_pending(&c) > 0) {
        chan_take(&c, 1);
        chan_books(&c);
        ck_assert_int_le(chan_queue_files(&c), last);
        last = chan_queue_files(&c);
    }
    hopper_acknowledge(c.rcv);
    ck_assert_int_le(chan_queue_files(&c), 1);
    chan_finish(&c);
}
END_TEST

/* A file that is removed keeps its room while somebody has it open. The receiver has the one record of a file, and is
 * long in coming back; the observer of the budget sees what a sender then writes in its place. */
START_TEST(a_file_that_a_sender_removes_is_not_open)
{
    const size_t len = _i ? 600000 : 120000; /* too large for memory */

    c.options.disk_bytes         = len * 3 / 2;
    c.options.record_bytes_max   = len;
    c.options.decompress_threads = (uint32_t)_i;
    if (_i) c.options.memory_bytes = 1 << 20;
    chan_open(&c);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(chan_send(&c, len), HOPPER_OK);
        ck_assert_int_eq(chan_send(&c, len), HOPPER_EFULL);
        chan_take(&c, chan_pending(&c));
        chan_books(&c);
    }
    chan_finish(&c);
}
END_TEST

START_TEST(after_the_last_sender_everything_comes_and_then_the_end)
{
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 1000, (uint64_t)_i, &st);
    hopper_sender_close(c.snd);
    c.snd = NULL;
    ck_assert_uint_eq(chan_drain(&c, &st), (uint64_t)_i);
    ck_assert_int_eq(st, HOPPER_END);
    for (int i = 0; i < 3; i++) {
        struct hopper_record rec;

        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_FOREVER), HOPPER_END);
    }
    chan_finish(&c);
}
END_TEST

START_TEST(the_books_are_true_after_every_step)
{
    static const size_t lens[] = { 24, 3000, 100, 16000, 500 };
    struct hopper_record rec;

    c.options.disk_bytes  = 128 << 10;
    c.options.compression = _i % 2 ? 0 : HOPPER_COMPRESSION_NONE;
    chan_open(&c);
    for (int i = 0; i < 1500; i++) {
        (void)!chan_send(&c, lens[i % 5]);
        chan_books(&c);
        if (i % (2 + _i) == 0) {
            (void)!chan_receive(&c, &rec);
            chan_books(&c);
        }
        if (i % 300 == 299) {
            (void)!hopper_flush(c.snd);
            chan_books(&c);
        }
    }
    chan_finish(&c);
}
END_TEST

/* ---- the descriptor ---- */

START_TEST(the_descriptor_is_readable_exactly_while_something_can_be_received)
{
    struct hopper_stats stats;
    struct hopper_record rec;
    hopper_status st;
    int fd, again;

    chan_open(&c);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, &fd), HOPPER_OK);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, &again), HOPPER_OK);
    ck_assert_int_eq(fd, again);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
        ck_assert(!mem_event_is_set(c.mem, fd));
        for (int i = 0; i < 200 * round + 1; i++) {
            ck_assert_int_eq(chan_send(&c, 1000), HOPPER_OK);
            ck_assert(mem_event_is_set(c.mem, fd));
        }
        do {
            ck_assert(mem_event_is_set(c.mem, fd));
        } while ((st = chan_receive(&c, &rec)) == HOPPER_OK);
        ck_assert_int_eq(st, HOPPER_EAGAIN);
        ck_assert(!mem_event_is_set(c.mem, fd));
    }
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.overflowed, 0);
    hopper_sender_close(c.snd);
    c.snd = NULL;
    ck_assert(mem_event_is_set(c.mem, fd));
    ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_END);
    ck_assert(mem_event_is_set(c.mem, fd)); /* the end can be received again and again */
    chan_finish(&c);
}
END_TEST

START_TEST(a_descriptor_asked_for_late_is_readable_at_once)
{
    struct hopper_record rec;
    int fd;

    chan_open(&c);
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, &fd), HOPPER_OK);
    ck_assert(mem_event_is_set(c.mem, fd));
    ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_OK);
    ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_EAGAIN);
    ck_assert(!mem_event_is_set(c.mem, fd));
    chan_finish(&c);
}
END_TEST

START_TEST(a_gap_makes_the_descriptor_readable)
{
    char path[300];
    int fd;
    hopper_status st;

    chan_open(&c);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, &fd), HOPPER_OK);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    for (int i = 0; chan_queue_file(&c, i, path); i++) ck_assert_int_eq(mem_truncate(c.mem, path, 0), 0);
    chan_drain(&c, &st);
    ck_assert_int_eq(st, HOPPER_EAGAIN);
    ck_assert_uint_gt(c.checker.lost, 0);
    ck_assert(!mem_event_is_set(c.mem, fd));
    chan_finish(&c);
}
END_TEST

START_TEST(no_descriptor_left_is_an_error_and_the_channel_goes_on)
{
    struct hopper_record rec;
    int fd = 99;

    chan_open(&c);
    mem_set_fds_max(c.mem, 0);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, &fd), HOPPER_EIO);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(hopper_receiver_error(c.rcv)->sys_errno, EMFILE);
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
    ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_OK);
    mem_set_fds_max(c.mem, 100);
    ck_assert_int_eq(hopper_receiver_fd(c.rcv, &fd), HOPPER_OK);
    ck_assert_int_ge(fd, MEM_FD_FIRST);
    chan_finish(&c);
}
END_TEST

static void *send_some(void *arg)
{
    hopper_sender *snd = arg;
    unsigned char buf[100];
    hopper_status st = HOPPER_OK;

    for (uint64_t i = 0; i < 20000 && st == HOPPER_OK; i++) {
        checker_fill(buf, sizeof buf, 0, i);
        st = hopper_send(snd, buf, sizeof buf);
    }
    hopper_sender_close(snd);
    return NULL;
}

/* The documented loop, on a real descriptor, with a sender that runs beside it: if it ever went quiet with something to
 * receive, poll would never return. */
START_TEST(an_event_loop_that_polls_gets_everything)
{
    const uint64_t accepted[1]    = { 20000 };
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_record recs[64];
    struct pollfd p = { .fd = -1, .events = POLLIN, .revents = 0 };
    struct checker checker;
    hopper_sender *snd;
    hopper_receiver *rcv;
    pthread_t thread;
    hopper_status st = HOPPER_OK;
    size_t count;

    chan_free(&c);
    checker_init(&checker);
    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    ck_assert_int_eq(hopper_open(real_dir, "poll", &options, &snd, &rcv, NULL), HOPPER_OK);
    ck_assert_int_eq(hopper_receiver_fd(rcv, &p.fd), HOPPER_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_some, snd), 0);
    while (st != HOPPER_END) {
        ck_assert_int_eq(poll(&p, 1, -1), 1);
        while ((st = hopper_receive_batch(rcv, recs, 64, HOPPER_NOW, &count)) == HOPPER_OK)
            for (size_t i = 0; i < count; i++) ck_assert_msg(checker_take(&checker, &recs[i]), "%s", checker.fault);
        ck_assert(st == HOPPER_EAGAIN || st == HOPPER_END);
    }
    pthread_join(thread, NULL);
    ck_assert_msg(checker_finish(&checker, accepted, 1), "%s", checker.fault);
    hopper_receiver_close(rcv);
}
END_TEST

/* ---- waiting, with threads ---- */

static void *send_one_and_close(void *arg)
{
    hopper_sender *snd = arg;
    unsigned char buf[100];
    hopper_status st;

    checker_fill(buf, sizeof buf, 0, 0);
    st = hopper_send(snd, buf, sizeof buf);
    hopper_sender_close(snd);
    return (void *)(intptr_t)st;
}

START_TEST(a_receiver_that_waits_gets_the_record_and_then_the_end)
{
    struct hopper_record rec;
    pthread_t thread;

    chan_free(&c);
    chan_init_flags(&c, MEM_REAL_CLOCK);
    for (int i = 0; i < 200; i++) {
        chan_open(&c);
        ck_assert_int_eq(pthread_create(&thread, NULL, send_one_and_close, c.snd), 0);
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_FOREVER), HOPPER_OK);
        ck_assert_msg(checker_take(&c.checker, &rec), "%s", c.checker.fault);
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_FOREVER), HOPPER_END);
        pthread_join(thread, NULL);
        c.snd = NULL;
        chan_close(&c);
    }
    chan_free(&c);
}
END_TEST

START_TEST(a_receiver_that_waits_until_a_deadline_gives_up_at_it)
{
    struct hopper_record rec;
    uint64_t deadline;

    chan_free(&c);
    chan_init_flags(&c, MEM_REAL_CLOCK);
    chan_open(&c);
    deadline = hopper_after_ms(20);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, deadline), HOPPER_EAGAIN);
    ck_assert_uint_ge(hopper_after_ms(0), deadline);
    chan_finish(&c);
}
END_TEST

START_TEST(errors_of_a_new_handle_are_all_zero)
{
    static const struct hopper_error none;

    chan_open(&c);
    ck_assert_int_eq(hopper_sender_error(c.snd)->status, none.status);
    ck_assert_int_eq(hopper_sender_error(c.snd)->sys_errno, 0);
    ck_assert_ptr_null(hopper_sender_error(c.snd)->op);
    ck_assert_str_eq(hopper_sender_error(c.snd)->path, "");
    ck_assert_int_eq(hopper_receiver_error(c.rcv)->status, none.status);
    ck_assert_ptr_nonnull(strstr(hopper_version(), "libhopper " HOPPER_VERSION));
    ck_assert_ptr_nonnull(strstr(hopper_version(), "format 1"));
    chan_finish(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("receive");
    TCase *tc    = tcase_create("receive");

    tcase_add_unchecked_fixture(tc, make_real_dir, remove_real_dir);
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, null_arguments_are_the_callers_mistake);
    tcase_add_test(tc, an_empty_channel_is_eagain_at_once_and_at_any_past_deadline);
    tcase_add_test(tc, a_receiver_that_spins_sees_what_comes_meanwhile_without_sleeping);
    tcase_add_test(tc, a_receiver_spins_no_longer_than_its_deadline);
    tcase_add_test(tc, a_batch_is_views_that_stay_valid_together);
    tcase_add_test(tc, a_view_is_not_overwritten_by_sends_that_follow);
    tcase_add_test(tc, coming_back_acknowledges_what_was_handed_out_before);
    tcase_add_test(tc, acknowledging_gives_room_back);
    tcase_add_test(tc, files_are_removed_as_they_are_read);
    tcase_add_loop_test(tc, a_file_that_a_sender_removes_is_not_open, 0, 2);
    tcase_add_loop_test(tc, after_the_last_sender_everything_comes_and_then_the_end, 0, 300);
    tcase_add_loop_test(tc, the_books_are_true_after_every_step, 0, 4);
    tcase_add_test(tc, the_descriptor_is_readable_exactly_while_something_can_be_received);
    tcase_add_test(tc, a_descriptor_asked_for_late_is_readable_at_once);
    tcase_add_test(tc, a_gap_makes_the_descriptor_readable);
    tcase_add_test(tc, no_descriptor_left_is_an_error_and_the_channel_goes_on);
    tcase_add_test(tc, an_event_loop_that_polls_gets_everything);
    tcase_add_test(tc, a_receiver_that_waits_gets_the_record_and_then_the_end);
    tcase_add_test(tc, a_receiver_that_waits_until_a_deadline_gives_up_at_it);
    tcase_add_test(tc, errors_of_a_new_handle_are_all_zero);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
