/* SPDX-License-Identifier: MIT */
/* Records that stand side by side in one buffer, sent at once: what comes out, where they go when memory is full, what
 * a call that did not get through says, and how they mix with records that are sent in other ways. */
#include "chan.h"

#include "rng.h"
#include "suite.h"
#include <string.h>

#define TEXT_BYTES  (4u << 20)
#define RECORDS_MAX 100000

static struct chan c;
static unsigned char text[TEXT_BYTES];
static size_t offsets[RECORDS_MAX + 1];

static void set_up(void)
{
    chan_init(&c);
}

/* COUNT messages of the checker, of LEN_MIN to LEN_MAX bytes, numbered from FIRST on, that begin at AT. */
static void build(struct rng *rng, size_t at, size_t count, size_t len_min, size_t len_max, uint64_t first)
{
    offsets[0] = at;
    for (size_t i = 0; i < count; i++) {
        offsets[i + 1] = offsets[i] + (size_t)rng_between(rng, len_min, len_max);
        ck_assert_uint_le(offsets[i + 1], sizeof text);
        checker_fill(text + offsets[i], offsets[i + 1] - offsets[i], 0, first + i);
    }
}

static hopper_status send_joined(size_t first, size_t count, size_t *acceptedp)
{
    hopper_status st = hopper_send_joined(c.snd, text, offsets + first, count, HOPPER_NOW, acceptedp);

    ck_assert_uint_le(*acceptedp, count);
    ck_assert_int_eq(st == HOPPER_OK, *acceptedp == count);
    if (*acceptedp > 0) ck_assert_uint_eq(hopper_sender_seq(c.snd), c.sent + *acceptedp);
    c.sent += *acceptedp;
    return st;
}

START_TEST(null_arguments_and_records_that_end_before_they_begin_are_the_callers_mistake)
{
    static const size_t backwards[] = { 10, 20, 30, 29, 40 }, before[] = { 10, 9 };
    size_t accepted = 99;
    struct hopper_record rec;

    chan_open(&c);
    ck_assert_int_eq(hopper_send_joined(NULL, text, backwards, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_uint_eq(accepted, 0);
    ck_assert_int_eq(hopper_send_joined(c.snd, NULL, backwards, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_joined(c.snd, text, NULL, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_joined(c.snd, text, backwards, 1, HOPPER_NOW, NULL), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_joined(c.snd, NULL, NULL, 0, HOPPER_NOW, &accepted), HOPPER_OK);
    ck_assert_int_eq(hopper_send_joined(c.snd, text, before, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_uint_eq(accepted, 0);
    ck_assert_uint_eq(chan_pending(&c), 0);
    memset(text, 'x', 64);
    ck_assert_int_eq(hopper_send_joined(c.snd, text, backwards, 4, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_uint_eq(accepted, 2);
    ck_assert_int_eq(hopper_sender_error(c.snd)->status, HOPPER_EINVAL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        ck_assert_uint_eq(rec.len, 10);
    }
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* From a batch of one to more than a run can hold; the first at any place of the buffer. */
START_TEST(records_come_out_one_by_one_in_order_and_are_counted)
{
    struct rng rng = { rng_seed("records_come_out_one_by_one_in_order_and_are_counted") };
    struct hopper_stats stats;
    uint64_t bytes = 0;
    size_t accepted;

    c.options.memory_bytes = 4 << 20;
    chan_open(&c);
    for (size_t count = 1; count < 12000; count += 1 + count / 3) {
        build(&rng, (size_t)rng_below(&rng, 9), count, CHECKER_LEN_MIN, 40, c.sent);
        ck_assert_int_eq(send_joined(0, count, &accepted), HOPPER_OK);
        bytes += offsets[count] - offsets[0];
        chan_stats(&c, &stats);
        ck_assert_uint_eq(stats.accepted, c.sent);
        ck_assert_uint_eq(stats.accepted_bytes, bytes);
        ck_assert_uint_eq(stats.pending_memory, count);
        ck_assert_uint_eq(stats.overflowed, 0);
        memset(text, 'x', offsets[count]); /* it was copied */
        chan_take(&c, count);
        hopper_acknowledge(c.rcv);
        chan_books(&c);
    }
    chan_finish(&c);
}
END_TEST

/* Short ones cost less of the memory budget than a head of eight bytes each. */
START_TEST(short_records_side_by_side_take_two_bytes_each_beside_their_own)
{
    struct hopper_stats idle, full;
    struct hopper_record recs[64];
    size_t accepted, count;
    uint64_t taken = 0;

    chan_open(&c);
    chan_stats(&c, &idle);
    for (size_t i = 0; i <= 3000; i++) offsets[i] = 2 * i;
    for (size_t i = 0; i < 6000; i++) text[i] = (unsigned char)(i % 251);
    ck_assert_int_eq(send_joined(0, 3000, &accepted), HOPPER_OK);
    chan_stats(&c, &full);
    ck_assert_uint_eq(full.overflowed, 0);
    ck_assert_uint_lt(full.memory_bytes_used - idle.memory_bytes_used, (size_t)3000 * 5);
    while (hopper_receive_batch(c.rcv, recs, 64, HOPPER_NOW, &count) == HOPPER_OK)
        for (size_t i = 0; i < count; i++, taken++) {
            ck_assert_uint_eq(recs[i].seq, taken + 1);
            ck_assert_uint_eq(recs[i].len, 2);
            ck_assert_mem_eq(recs[i].data, text + 2 * taken, 2);
        }
    ck_assert_uint_eq(taken, 3000);
    chan_stats(&c, &full);
    ck_assert_uint_eq(full.memory_bytes_used, idle.memory_bytes_used);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* Records of a batch from anywhere as well; and the room of a run comes back whole, also to who takes one at a time: many
 * times as many as the ring holds never overflow. */
START_TEST(short_records_of_a_batch_are_kept_so_too_and_give_all_their_room_back)
{
    struct hopper_stats idle, full;
    struct hopper_record rec;
    struct iovec records[50];
    size_t accepted;

    chan_open(&c);
    chan_stats(&c, &idle);
    for (size_t i = 0; i < 50; i++) records[i] = (struct iovec){ text + 100 * (i * 7 % 50), 1 + i % 9 };
    for (size_t i = 0; i < 5000; i++) text[i] = (unsigned char)(i % 251);
    for (uint64_t round = 0; round < 2000; round++) {
        ck_assert_int_eq(hopper_send_batch(c.snd, records, 50, HOPPER_NOW, &accepted), HOPPER_OK);
        chan_stats(&c, &full);
        ck_assert_uint_eq(full.overflowed, 0);
        ck_assert_uint_lt(full.memory_bytes_used - idle.memory_bytes_used, (size_t)50 * 8);
        for (size_t i = 0; i < 50; i++) {
            ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
            ck_assert_uint_eq(rec.seq, 50 * round + i + 1);
            ck_assert_uint_eq(rec.len, records[i].iov_len);
            ck_assert_mem_eq(rec.data, records[i].iov_base, rec.len);
        }
        hopper_acknowledge(c.rcv);
        chan_stats(&c, &full);
        ck_assert_uint_eq(full.memory_bytes_used, idle.memory_bytes_used);
        ck_assert_uint_eq(full.acknowledged, 50 * (round + 1));
    }
    chan_close(&c);
    chan_free(&c);
}
END_TEST

START_TEST(empty_records_are_records)
{
    static const size_t lens[] = { 0, 0, 3, 0, 5, 0, 0 };
    struct hopper_record recs[8];
    size_t accepted, count;

    chan_open(&c);
    offsets[0] = 7;
    for (size_t i = 0; i < 7; i++) offsets[i + 1] = offsets[i] + lens[i];
    ck_assert_int_eq(send_joined(0, 7, &accepted), HOPPER_OK);
    ck_assert_int_eq(hopper_receive_batch(c.rcv, recs, 8, HOPPER_NOW, &count), HOPPER_OK);
    ck_assert_uint_eq(count, 7);
    for (size_t i = 0; i < 7; i++) ck_assert_uint_eq(recs[i].len, lens[i]);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

START_TEST(what_memory_does_not_hold_goes_to_disk_in_order)
{
    struct rng rng = { rng_seed("what_memory_does_not_hold_goes_to_disk_in_order") };
    struct hopper_stats stats;
    size_t accepted;

    c.options.disk_bytes = 8 << 20;
    chan_open(&c);
    build(&rng, 0, 30000, CHECKER_LEN_MIN, 100, 0);
    ck_assert_int_eq(send_joined(0, 30000, &accepted), HOPPER_OK);
    chan_books(&c);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.pending_disk, 10000);
    ck_assert_uint_gt(stats.accepted - stats.overflowed, 100); /* and some are in memory */
    chan_take(&c, 30000);
    chan_finish(&c);
}
END_TEST

START_TEST(a_full_channel_says_how_many_fitted_and_the_rest_can_follow)
{
    struct rng rng = { rng_seed("a_full_channel_says_how_many_fitted_and_the_rest_can_follow") };
    size_t accepted, done = 0, calls = 0;

    chan_open(&c);
    build(&rng, 3, 5000, CHECKER_LEN_MIN, 700, 0);
    for (; done < 5000; done += accepted, calls++) {
        hopper_status st = send_joined(done, 5000 - done, &accepted);

        ck_assert(st == HOPPER_OK || st == HOPPER_EFULL);
        chan_books(&c);
        chan_take(&c, chan_pending(&c) - rng_below(&rng, chan_pending(&c)));
    }
    ck_assert_uint_gt(calls, 2);
    chan_finish(&c);
}
END_TEST

START_TEST(a_record_that_is_too_long_ends_what_is_accepted)
{
    struct rng rng = { rng_seed("a_record_that_is_too_long_ends_what_is_accepted") };
    size_t accepted;

    c.options.record_bytes_max = 100;
    chan_open(&c);
    build(&rng, 0, 50, CHECKER_LEN_MIN, 100, 0);
    offsets[51] = offsets[50] + 101;
    offsets[52] = offsets[51] + 30;
    ck_assert_int_eq(send_joined(0, 52, &accepted), HOPPER_ETOOBIG);
    ck_assert_uint_eq(accepted, 50);
    chan_take(&c, 50);
    ck_assert_uint_eq(chan_pending(&c), 0);
    chan_finish(&c);
}
END_TEST

/* Whatever fits into no run, or not into memory, goes its own way between the others. */
START_TEST(long_records_between_short_ones_keep_the_order)
{
    struct rng rng = { rng_seed("long_records_between_short_ones_keep_the_order") };
    size_t accepted;

    c.options.disk_bytes = 16 << 20;
    chan_open(&c);
    for (int round = 0; round < 30; round++) {
        offsets[0] = 0;
        for (size_t i = 0; i < 200; i++) {
            size_t len = (size_t)rng_between(&rng, CHECKER_LEN_MIN, rng_below(&rng, 30) == 0 ? 16 << 10 : 60);

            offsets[i + 1] = offsets[i] + len;
            checker_fill(text + offsets[i], len, 0, c.sent + i);
        }
        ck_assert_int_eq(send_joined(0, 200, &accepted), HOPPER_OK);
        chan_take(&c, rng_below(&rng, 300) % (chan_pending(&c) + 1));
        chan_books(&c);
    }
    chan_finish(&c);
}
END_TEST

/* A run is left when its last record is: until then its room is not given to others, however often is received. */
START_TEST(a_run_received_in_part_stays_as_it_was_while_senders_fill_the_channel)
{
    struct rng rng = { rng_seed("a_run_received_in_part_stays_as_it_was_while_senders_fill_the_channel") };
    size_t accepted;
    hopper_status st;

    chan_open(&c);
    for (int round = 0; round < 200; round++) {
        size_t count = (size_t)rng_between(&rng, 2, 60);

        build(&rng, 0, count, CHECKER_LEN_MIN, 60, c.sent);
        ck_assert_int_eq(send_joined(0, count, &accepted), HOPPER_OK);
        for (size_t left = count; left > 1; left--) {
            chan_take(&c, 1);
            (void)chan_fill(&c, 30, rng_below(&rng, 2000), &st);
            if (rng_below(&rng, 4) == 0) hopper_acknowledge(c.rcv);
        }
        (void)chan_drain(&c, &st);
        ck_assert_int_eq(st, HOPPER_EAGAIN);
        chan_books(&c);
    }
    chan_finish(&c);
}
END_TEST

START_TEST(joined_and_single_records_come_in_the_order_in_which_they_were_sent)
{
    struct rng rng = { rng_seed("joined_and_single_records_come_in_the_order_in_which_they_were_sent") };
    size_t accepted;

    c.options.disk_bytes = 16 << 20;
    chan_open(&c);
    for (int round = 0; round < 2000; round++) {
        size_t count = (size_t)rng_below(&rng, 100);

        build(&rng, 0, count, CHECKER_LEN_MIN, 50, c.sent);
        ck_assert_int_eq(send_joined(0, count, &accepted), HOPPER_OK);
        if (rng_below(&rng, 2)) ck_assert_int_eq(chan_send(&c, (size_t)rng_between(&rng, 24, 500)), HOPPER_OK);
        chan_take(&c, rng_below(&rng, 120) % (chan_pending(&c) + 1));
    }
    chan_finish(&c);
}
END_TEST

/* Dropped ones are accepted; what comes in their place is a gap (the checker adds up). */
static void drop(uint32_t policy)
{
    struct rng rng = { rng_seed(policy == HOPPER_FULL_DROP_NEWEST ? "drop newest" : "drop oldest") };
    struct hopper_stats stats;
    size_t accepted;

    c.options.when_full = policy;
    chan_open(&c);
    for (int round = 0; round < 10; round++) {
        build(&rng, 0, 6000, CHECKER_LEN_MIN, 400, c.sent);
        ck_assert_int_eq(send_joined(0, 6000, &accepted), HOPPER_OK);
        chan_books(&c);
        chan_take(&c, rng_below(&rng, 5)); /* of what is left at least some hundred are there */
    }
    chan_stats(&c, &stats);
    ck_assert_uint_gt(
        stats.gap_records[policy == HOPPER_FULL_DROP_NEWEST ? HOPPER_GAP_DROPPED_NEWEST : HOPPER_GAP_DROPPED_OLDEST],
        1000);
    chan_finish(&c);
}

START_TEST(drop_newest_accepts_all_and_leaves_gaps)
{
    drop(HOPPER_FULL_DROP_NEWEST);
}
END_TEST

START_TEST(drop_oldest_accepts_all_and_leaves_gaps)
{
    drop(HOPPER_FULL_DROP_OLDEST);
}
END_TEST

START_TEST(a_closed_receiver_is_told_and_nothing_is_accepted)
{
    size_t accepted = 99;

    chan_open(&c);
    for (size_t i = 0; i <= 10; i++) offsets[i] = i;
    hopper_receiver_close(c.rcv);
    c.rcv = NULL;
    ck_assert_int_eq(hopper_send_joined(c.snd, text, offsets, 10, HOPPER_FOREVER, &accepted), HOPPER_ECLOSED);
    ck_assert_uint_eq(accepted, 0);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* The receiver closes with a run in its hand, and with one in the ring. */
START_TEST(closing_in_the_middle_of_a_run_leaves_nothing_behind)
{
    struct hopper_record rec;
    size_t accepted;

    chan_open(&c);
    for (size_t i = 0; i <= 100; i++) offsets[i] = i;
    ck_assert_int_eq(send_joined(0, 100, &accepted), HOPPER_OK);
    ck_assert_int_eq(send_joined(0, 100, &accepted), HOPPER_OK);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("joined");
    TCase *tc    = tcase_create("joined");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, null_arguments_and_records_that_end_before_they_begin_are_the_callers_mistake);
    tcase_add_test(tc, records_come_out_one_by_one_in_order_and_are_counted);
    tcase_add_test(tc, short_records_side_by_side_take_two_bytes_each_beside_their_own);
    tcase_add_test(tc, short_records_of_a_batch_are_kept_so_too_and_give_all_their_room_back);
    tcase_add_test(tc, empty_records_are_records);
    tcase_add_test(tc, what_memory_does_not_hold_goes_to_disk_in_order);
    tcase_add_test(tc, a_full_channel_says_how_many_fitted_and_the_rest_can_follow);
    tcase_add_test(tc, a_record_that_is_too_long_ends_what_is_accepted);
    tcase_add_test(tc, long_records_between_short_ones_keep_the_order);
    tcase_add_test(tc, a_run_received_in_part_stays_as_it_was_while_senders_fill_the_channel);
    tcase_add_test(tc, joined_and_single_records_come_in_the_order_in_which_they_were_sent);
    tcase_add_test(tc, drop_newest_accepts_all_and_leaves_gaps);
    tcase_add_test(tc, drop_oldest_accepts_all_and_leaves_gaps);
    tcase_add_test(tc, a_closed_receiver_is_told_and_nothing_is_accepted);
    tcase_add_test(tc, closing_in_the_middle_of_a_run_leaves_nothing_behind);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
