/* SPDX-License-Identifier: MIT */
/*
 * Producers that number their records: what was sent twice comes once, and the channel knows the last number after a
 * close and after a kill, also when the records that told it are long gone.
 */
#include <string.h>

#include "chan.h"
#include "suite.h"

#define ID 4711

static struct chan c;
static const uint32_t survives[] = { HOPPER_SURVIVE_CRASH, HOPPER_SURVIVE_POWER_LOSS };

static void set_up(void)
{
    chan_init(&c);
    c.options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    c.options.disk_bytes       = 8 << 20;
    c.options.file_bytes       = 32 << 10;
    c.options.record_bytes_max = 0; /* a quarter of memory */
}

static void close_both(void)
{
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
}

static uint64_t open_and_tell(uint32_t survive)
{
    uint64_t last = 99;

    c.options.survive = survive;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "numbered", &c.options, &c.snd, &c.rcv, &c.err), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_set_producer(c.snd, ID, &last), HOPPER_OK);
    return last;
}

static void send_up_to(uint64_t from, uint64_t to, size_t len)
{
    static unsigned char data[100000];

    for (uint64_t n = from; n <= to; n++) {
        memcpy(data, &n, sizeof n);
        ck_assert_int_eq(hopper_send_numbered(c.snd, n, data, len, HOPPER_NOW), HOPPER_OK);
    }
}

/* All that waits, which are the numbers FROM to TO; acknowledged. */
static void take(uint64_t from, uint64_t to)
{
    struct hopper_record rec;

    for (uint64_t n = from; n <= to; n++) {
        uint64_t got = 0;

        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        ck_assert_uint_eq(rec.gap, HOPPER_GAP_NONE);
        memcpy(&got, rec.data, sizeof got);
        ck_assert_uint_eq(got, n);
    }
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
}

static uint64_t duplicates(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    ck_assert_int_eq(hopper_sender_stats(c.snd, &stats), HOPPER_OK);
    return stats.duplicates;
}

START_TEST(what_is_sent_again_is_not_stored_again)
{
    uint64_t seq;

    ck_assert_uint_eq(open_and_tell(survives[_i]), 0);
    send_up_to(1, 10, 100);
    seq = hopper_sender_seq(c.snd);
    send_up_to(5, 10, 100);
    ck_assert_uint_eq(duplicates(), 6);
    ck_assert_uint_eq(hopper_sender_seq(c.snd), seq);
    send_up_to(12, 13, 100); /* numbers may have holes */
    ck_assert_int_eq(hopper_send_numbered(c.snd, 11, "late", 4, HOPPER_NOW), HOPPER_OK);
    ck_assert_uint_eq(duplicates(), 7);
    close_both();
}
END_TEST

START_TEST(the_last_number_is_known_after_a_close_with_records_waiting)
{
    ck_assert_uint_eq(open_and_tell(survives[_i]), 0);
    send_up_to(1, 2000, 300);
    close_both();
    ck_assert_uint_eq(open_and_tell(survives[_i]), 2000);
    send_up_to(1990, 2010, 300);
    take(1, 2010);
    close_both();
}
END_TEST

START_TEST(the_last_number_is_known_when_all_records_and_files_are_gone)
{
    ck_assert_uint_eq(open_and_tell(survives[_i]), 0);
    send_up_to(1, 1000, 300);
    take(1, 1000);
    close_both();
    ck_assert_uint_eq(open_and_tell(survives[_i]), 1000);
    close_both();
    ck_assert_uint_eq(open_and_tell(survives[_i]), 1000);
    take(1, 0);
    close_both();
}
END_TEST

START_TEST(big_numbered_records_are_numbered_too)
{
    ck_assert_uint_eq(open_and_tell(survives[_i]), 0);
    send_up_to(1, 3, HOPPER_MEMORY_BYTES_MIN_SURVIVE / 4); /* the longest that there may be */
    send_up_to(2, 3, HOPPER_MEMORY_BYTES_MIN_SURVIVE / 4);
    close_both();
    ck_assert_uint_eq(open_and_tell(survives[_i]), 3);
    take(1, 3);
    close_both();
}
END_TEST

START_TEST(misuse_is_refused)
{
    uint64_t last;

    (void)open_and_tell(survives[_i]);
    ck_assert_int_eq(hopper_sender_set_producer(c.snd, 0, &last), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_sender_set_producer(NULL, 1, &last), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_sender_set_producer(c.snd, 1, NULL), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_numbered(c.snd, 0, "x", 1, HOPPER_NOW), HOPPER_EINVAL);
    for (uint64_t id = 1; id < HOPPER_PRODUCERS_MAX; id++)
        ck_assert_int_eq(hopper_sender_set_producer(c.snd, id, &last), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_set_producer(c.snd, 100000, &last), HOPPER_ENOMEM);
    close_both();
}
END_TEST

START_TEST(a_channel_that_survives_nothing_numbers_nothing)
{
    uint64_t last;

    chan_open(&c);
    ck_assert_int_eq(hopper_sender_set_producer(c.snd, ID, &last), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_numbered(c.snd, 1, "x", 1, HOPPER_NOW), HOPPER_EINVAL);
    chan_finish(&c);
}
END_TEST

static void clean_up(void)
{
    chan_free(&c);
}

int main(void)
{
    Suite *suite = suite_create("producers");
    TCase *tc    = tcase_create("numbers");

    tcase_add_checked_fixture(tc, set_up, clean_up);
    tcase_add_loop_test(tc, what_is_sent_again_is_not_stored_again, 0, 2);
    tcase_add_loop_test(tc, the_last_number_is_known_after_a_close_with_records_waiting, 0, 2);
    tcase_add_loop_test(tc, the_last_number_is_known_when_all_records_and_files_are_gone, 0, 2);
    tcase_add_loop_test(tc, big_numbered_records_are_numbered_too, 0, 2);
    tcase_add_loop_test(tc, misuse_is_refused, 0, 2);
    tcase_add_test(tc, a_channel_that_survives_nothing_numbers_nothing);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
