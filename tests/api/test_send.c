/* SPDX-License-Identifier: MIT */
/* Sending: each status, batches, deadlines, what each policy does when there is no room, flush. */
#include "chan.h"

#include "rng.h"
#include "suite.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static struct chan c;

static void set_up(void)
{
    chan_init(&c);
}

START_TEST(null_arguments_are_the_callers_mistake)
{
    struct hopper_stats stats;
    struct iovec vec = { NULL, 1 };
    size_t accepted  = 99;

    chan_open(&c);
    ck_assert_int_eq(hopper_send(NULL, "x", 1), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send(c.snd, NULL, 1), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_until(NULL, "x", 1, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_until(c.snd, NULL, 1, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_batch(NULL, &vec, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_batch(c.snd, NULL, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_uint_eq(accepted, 0);
    ck_assert_int_eq(hopper_send_batch(c.snd, &vec, 1, HOPPER_NOW, NULL), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_batch(c.snd, &vec, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_uint_eq(accepted, 0);
    ck_assert_int_eq(hopper_send_item(NULL, &vec, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_item(c.snd, &vec, HOPPER_NOW), HOPPER_EINVAL); /* this channel carries bytes */
    ck_assert_int_eq(hopper_flush(NULL), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_sender_stats(NULL, &stats), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_sender_stats(c.snd, NULL), HOPPER_EINVAL);
    stats.size = 3;
    ck_assert_int_eq(hopper_sender_stats(c.snd, &stats), HOPPER_EINVAL);
    ck_assert_uint_eq(chan_pending(&c), 0);
    chan_finish(&c);
}
END_TEST

START_TEST(records_of_every_length_come_out_as_they_went_in)
{
    chan_open(&c);
    for (size_t len = CHECKER_LEN_MIN; len <= 16 << 10; len += 1 + len / 50) {
        ck_assert_int_eq(chan_send(&c, len), HOPPER_OK);
        if (len % 3 == 0) chan_take(&c, chan_pending(&c) / 2);
        chan_books(&c);
    }
    ck_assert_int_eq(chan_send(&c, 16 << 10), HOPPER_OK);
    ck_assert_int_eq(chan_send(&c, (16 << 10) + 1), HOPPER_ETOOBIG);
    chan_finish(&c);
    ck_assert_uint_eq(c.checker.records, c.sent);
}
END_TEST

START_TEST(the_data_is_copied_and_may_be_changed_at_once)
{
    struct hopper_record rec;
    char data[4] = "abc";

    chan_open(&c);
    ck_assert_int_eq(hopper_send(c.snd, data, 3), HOPPER_OK);
    memcpy(data, "xyz", 3);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    ck_assert_uint_eq(rec.len, 3);
    ck_assert_mem_eq(rec.data, "abc", 3);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

START_TEST(a_batch_is_accepted_in_order_and_whole)
{
    struct hopper_stats stats;
    unsigned char data[100][64];
    struct iovec vec[100];
    size_t accepted;

    chan_open(&c);
    for (size_t i = 0; i < 100; i++) {
        checker_fill(data[i], sizeof data[i], 0, i);
        vec[i].iov_base = data[i];
        vec[i].iov_len  = sizeof data[i];
    }
    ck_assert_int_eq(hopper_send_batch(c.snd, vec, 100, HOPPER_NOW, &accepted), HOPPER_OK);
    ck_assert_uint_eq(accepted, 100);
    c.sent = 100;
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.accepted, 100);
    ck_assert_uint_eq(stats.accepted_bytes, 6400);
    accepted = 99;
    ck_assert_int_eq(hopper_send_batch(c.snd, vec, 0, HOPPER_NOW, &accepted), HOPPER_OK);
    ck_assert_uint_eq(accepted, 0);
    ck_assert_int_eq(hopper_send_batch(c.snd, NULL, 0, HOPPER_NOW, &accepted), HOPPER_OK);
    chan_take(&c, 100);
    chan_finish(&c);
}
END_TEST

/* Batches larger than the ring, than the block, than memory. */
START_TEST(a_batch_larger_than_memory_goes_to_disk_in_order)
{
    static unsigned char data[3000][100];
    struct iovec vec[3000];
    size_t accepted;

    chan_open(&c);
    for (size_t i = 0; i < 3000; i++) {
        checker_fill(data[i], sizeof data[i], 0, i);
        vec[i].iov_base = data[i];
        vec[i].iov_len  = sizeof data[i];
    }
    ck_assert_int_eq(hopper_send_batch(c.snd, vec, 3000, HOPPER_NOW, &accepted), HOPPER_OK);
    ck_assert_uint_eq(accepted, 3000);
    c.sent = 3000;
    chan_books(&c);
    chan_take(&c, 3000);
    chan_finish(&c);
}
END_TEST

START_TEST(a_batch_stops_at_the_first_record_that_is_not_accepted)
{
    static unsigned char data[5][100], large[20000];
    struct iovec vec[5];
    size_t accepted;

    chan_open(&c);
    for (size_t i = 0; i < 5; i++) {
        checker_fill(data[i], sizeof data[i], 0, i);
        vec[i].iov_base = data[i];
        vec[i].iov_len  = sizeof data[i];
    }
    vec[3].iov_base = large;
    vec[3].iov_len  = sizeof large;
    ck_assert_int_eq(hopper_send_batch(c.snd, vec, 5, HOPPER_NOW, &accepted), HOPPER_ETOOBIG);
    ck_assert_uint_eq(accepted, 3);
    vec[3].iov_base = NULL;
    c.sent          = 3;
    chan_take(&c, 3);
    ck_assert_uint_eq(chan_pending(&c), 0);
    chan_finish(&c);
}
END_TEST

START_TEST(a_batch_that_fills_the_channel_says_how_much_fitted)
{
    static unsigned char data[1000][1000];
    struct iovec vec[1000];
    size_t accepted;
    hopper_status st;

    chan_open(&c);
    for (size_t i = 0; i < 1000; i++) {
        checker_fill(data[i], sizeof data[i], 0, i);
        vec[i].iov_base = data[i];
        vec[i].iov_len  = sizeof data[i];
    }
    st = hopper_send_batch(c.snd, vec, 1000, HOPPER_NOW, &accepted);
    ck_assert_int_eq(st, HOPPER_EFULL);
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_lt(accepted, 1000);
    c.sent = accepted;
    chan_books(&c);
    chan_take(&c, accepted);
    ck_assert_uint_eq(chan_pending(&c), 0);
    st = hopper_send_batch(c.snd, vec + accepted, 1000 - accepted, HOPPER_NOW, &accepted);
    ck_assert(st == HOPPER_OK || st == HOPPER_EFULL);
    c.sent += accepted;
    chan_finish(&c);
}
END_TEST

/* ---- full ---- */

START_TEST(a_refused_record_leaves_no_trace_but_the_count)
{
    struct hopper_stats before, after;
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    ck_assert_int_eq(hopper_sender_error(c.snd)->status, HOPPER_EFULL);
    chan_stats(&c, &before);
    ck_assert_int_eq(hopper_send(c.snd, c.buf, 1000), HOPPER_EFULL); /* refuse: hopper_send does not wait either */
    chan_stats(&c, &after);
    ck_assert_uint_eq(after.refused, before.refused + 1);
    ck_assert_uint_eq(after.accepted, before.accepted);
    ck_assert_uint_eq(after.seq_accepted, before.seq_accepted);
    chan_finish(&c);
}
END_TEST

START_TEST(block_with_a_deadline_in_the_past_is_efull)
{
    hopper_status st;

    c.options.when_full = HOPPER_FULL_BLOCK;
    chan_open(&c);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    ck_assert_int_eq(hopper_send_until(c.snd, c.buf, 1000, 1), HOPPER_EFULL);
    ck_assert_int_eq(hopper_send_until(c.snd, c.buf, 1000, mem_clock_ns(c.mem) - 1), HOPPER_EFULL);
    chan_take(&c, c.sent);
    chan_finish(&c);
}
END_TEST

START_TEST(drop_newest_accepts_drops_and_leaves_a_gap_of_exactly_that)
{
    struct hopper_stats stats;
    hopper_status st;

    c.options.when_full = HOPPER_FULL_DROP_NEWEST;
    chan_open(&c);
    chan_fill(&c, 1000, 2000, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    chan_books(&c);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.gap_records[HOPPER_GAP_DROPPED_NEWEST], 1000);
    ck_assert_uint_eq(stats.refused, 0);
    chan_drain(&c, &st);
    ck_assert_uint_eq(c.checker.lost, stats.gap_records[HOPPER_GAP_DROPPED_NEWEST]);
    ck_assert_uint_eq(c.checker.lost, c.checker.lost_by[HOPPER_GAP_DROPPED_NEWEST]);
    ck_assert_uint_eq(c.checker.records + c.checker.lost, 2000);
    ck_assert_uint_eq(c.checker.next[0], c.checker.records); /* the oldest were kept */
    chan_fill(&c, 1000, 50, &st);
    chan_take(&c, 50);
    chan_finish(&c);
}
END_TEST

START_TEST(drop_newest_in_turn_with_receiving_keeps_every_gap_in_its_place)
{
    hopper_status st;

    c.options.when_full = HOPPER_FULL_DROP_NEWEST;
    chan_open(&c);
    for (int round = 0; round < 200; round++) {
        chan_fill(&c, 1000, 20, &st);
        if (round % 3 == 2) chan_take(&c, 10);
        chan_books(&c);
    }
    ck_assert_uint_gt(c.sent - chan_pending(&c), 0);
    chan_finish(&c);
    ck_assert_uint_gt(c.checker.lost, 0);
    ck_assert_uint_eq(c.checker.lost, c.checker.lost_by[HOPPER_GAP_DROPPED_NEWEST]);
}
END_TEST

START_TEST(drop_oldest_makes_room_for_every_new_record)
{
    struct hopper_stats stats;
    hopper_status st;

    c.options.when_full = HOPPER_FULL_DROP_OLDEST;
    chan_open(&c);
    chan_fill(&c, 1000, 5000, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    chan_books(&c);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.gap_records[HOPPER_GAP_DROPPED_OLDEST], 3000);
    chan_drain(&c, &st);
    ck_assert_uint_eq(c.checker.lost, stats.gap_records[HOPPER_GAP_DROPPED_OLDEST]);
    ck_assert_uint_eq(c.checker.records + c.checker.lost, 5000);
    ck_assert_uint_eq(c.checker.next[0], 5000); /* the newest is there */
    ck_assert_uint_gt(c.checker.records, 300);  /* and so is about as much as the disk holds */
    chan_finish(&c);
}
END_TEST

START_TEST(drop_oldest_in_turn_with_receiving_counts_exactly)
{
    hopper_status st;

    c.options.when_full = HOPPER_FULL_DROP_OLDEST;
    chan_open(&c);
    for (int round = 0; round < 400; round++) {
        chan_fill(&c, 900, 20, &st);
        ck_assert_int_eq(st, HOPPER_OK);
        if (round % 2 == 1) {
            struct hopper_record rec;

            for (int i = 0; i < 7; i++) ck_assert_int_eq(chan_receive(&c, &rec), HOPPER_OK);
        }
        chan_books(&c);
    }
    chan_finish(&c);
    ck_assert_uint_gt(c.checker.lost, 0);
    ck_assert_uint_eq(c.checker.lost, c.checker.lost_by[HOPPER_GAP_DROPPED_OLDEST]);
}
END_TEST

START_TEST(drop_oldest_with_the_largest_records_still_finds_room)
{
    hopper_status st;

    c.options.when_full  = HOPPER_FULL_DROP_OLDEST;
    c.options.disk_bytes = 128 << 10;
    c.options.file_bytes = 0;
    chan_open(&c);
    for (int i = 0; i < 300; i++) {
        st = chan_send(&c, i % 5 == 0 ? 16 << 10 : 2000);
        ck_assert_msg(st == HOPPER_OK, "send %d: %s", i, hopper_status_name(st));
        chan_books(&c);
    }
    chan_finish(&c);
    ck_assert_uint_gt(c.checker.lost, 0);
}
END_TEST

/* While the receiver walks through files that are damaged, one after the other, a sender drops the one that is open. */
static struct {
    struct hopper_platform platform;
    const struct hopper_platform *inner;
    pthread_t receiver, sender;
    bool is_walking;
    int opened;
    uint64_t dropped_before;
    atomic_bool has_sent;
} walk;

static const char walk_bytes[1000];

static uint64_t dropped_oldest(void)
{
    struct hopper_stats stats;

    chan_stats(&c, &stats);
    return stats.gap_records[HOPPER_GAP_DROPPED_OLDEST];
}

static void *send_until_one_is_dropped(void *arg)
{
    pthread_setname_np(pthread_self(), "late-sender");
    for (int i = 0; i < 10000 && dropped_oldest() == walk.dropped_before; i++)
        ck_assert_int_eq(hopper_send_until(c.snd, walk_bytes, sizeof walk_bytes, HOPPER_NOW), HOPPER_OK);
    atomic_store(&walk.has_sent, true);
    return arg;
}

/* It has dropped a file, and sleeps. */
static bool is_sender_waiting(void)
{
    char state[64] = "";

    return dropped_oldest() > walk.dropped_before && chan_thread_status("late-sender", "State:", state) &&
           strchr(state, 'S');
}

static int open_in_walk(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    const int fd = walk.inner->io.open_at(ctx, dirfd, name, flags, mode);

    if (!walk.is_walking || !pthread_equal(pthread_self(), walk.receiver) || !strstr(name, ".hq")) return fd;
    if (walk.opened++ == 0) {
        ck_assert_int_eq(pthread_create(&walk.sender, NULL, send_until_one_is_dropped, NULL), 0);
        while (!is_sender_waiting() && !atomic_load(&walk.has_sent)) sched_yield();
        ck_assert(!atomic_load(&walk.has_sent));
    }
    for (int ms = 0; walk.opened == 2 && !atomic_load(&walk.has_sent) && ms < 10000; ms++) usleep(1000);
    if (walk.opened == 2) ck_assert(atomic_load(&walk.has_sent));
    return fd;
}

START_TEST(drop_oldest_waits_for_one_file_of_a_walk_through_damage)
{
    static const char zeros[64 << 10];
    struct hopper_record rec;
    char path[300];

    walk.inner               = c.options.platform;
    walk.platform            = *walk.inner;
    walk.platform.io.open_at = open_in_walk;
    walk.receiver            = pthread_self();
    c.options.platform       = &walk.platform;
    c.options.when_full      = HOPPER_FULL_DROP_OLDEST;
    c.is_tampered            = true;
    chan_open(&c);
    while (dropped_oldest() == 0)
        ck_assert_int_eq(hopper_send_until(c.snd, walk_bytes, sizeof walk_bytes, HOPPER_NOW), HOPPER_OK);
    for (int i = 0; chan_queue_file(&c, i, path); i++)
        ck_assert_int_eq(mem_write_file(c.mem, path, zeros, (size_t)mem_file_size(c.mem, path)), 0);
    walk.dropped_before = dropped_oldest();
    walk.is_walking     = true;
    while (walk.opened < 2) ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    ck_assert_int_eq(pthread_join(walk.sender, NULL), 0);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* ---- errors of the device ---- */

START_TEST(a_write_error_is_told_to_the_sender_whatever_the_policy)
{
    const struct fault_plan plan     = { .kinds = FAULT_PWRITE, .at = 1, .error = EIO, .mode = FAULT_STICKY };
    static const uint32_t policies[] = { HOPPER_FULL_BLOCK, HOPPER_FULL_REFUSE, HOPPER_FULL_DROP_NEWEST,
                                         HOPPER_FULL_DROP_OLDEST };
    struct hopper_stats stats;
    hopper_status st;

    c.options.when_full = policies[_i];
    chan_open(&c);
    chan_fill_to_disk(&c, 1000);
    fault_arm(c.fault, &plan);
    chan_fill(&c, 1000, 2000, &st);
    ck_assert_int_eq(st, HOPPER_EIO);
    ck_assert_int_eq(hopper_sender_error(c.snd)->sys_errno, EIO);
    ck_assert_ptr_nonnull(hopper_sender_error(c.snd)->op);
    ck_assert_ptr_nonnull(strstr(hopper_sender_error(c.snd)->path, ".hq"));
    chan_stats(&c, &stats);
    ck_assert_int_eq(stats.disk_errno, EIO);
    ck_assert_uint_gt(stats.write_errors, 0);
    chan_books(&c);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_EIO);
    fault_disarm(c.fault);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_int_eq(chan_send(&c, 1000), HOPPER_OK);
    chan_finish(&c);
    ck_assert_uint_eq(c.checker.records, c.sent);
}
END_TEST

/* A limit on the size of files that is below file_bytes. */
START_TEST(a_file_that_may_not_grow_is_followed_by_another)
{
    const struct fault_plan plan = { .kinds = FAULT_PWRITE, .at = 1, .error = EFBIG, .mode = FAULT_ONCE };
    struct hopper_stats stats;

    c.options.survive      = _i == 0 ? HOPPER_SURVIVE_NOTHING : HOPPER_SURVIVE_POWER_LOSS;
    c.options.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    c.options.disk_bytes   = 4 << 20;
    c.options.file_bytes   = 1 << 20;
    chan_open(&c);
    chan_fill_to_disk(&c, 1000);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.disk_files, 1);
    fault_arm(c.fault, &plan);
    for (int i = 0; i < 100 && fault_hits(c.fault) == 0; i++) (void)chan_send(&c, 1000);
    ck_assert_uint_eq(fault_hits(c.fault), 1);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(chan_send(&c, 1000), HOPPER_OK);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.disk_files, 2);
    ck_assert_int_eq(stats.disk_errno, 0);
    chan_finish(&c);
    ck_assert_uint_eq(c.checker.records, c.sent);
}
END_TEST

START_TEST(short_writes_are_continued)
{
    const struct fault_plan plan = {
        .kinds = FAULT_PWRITE, .at = 1, .mode = FAULT_STICKY, .effect = _i ? FAULT_SHORT_LESS : FAULT_SHORT_ONE
    };
    hopper_status st;

    chan_open(&c);
    fault_arm(c.fault, &plan);
    chan_fill(&c, 1000, 150, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_uint_gt(fault_hits(c.fault), 0);
    chan_take(&c, 150);
    chan_finish(&c);
}
END_TEST

/* ---- flush ---- */

START_TEST(flush_writes_what_has_overflowed_and_only_that)
{
    struct hopper_stats stats;
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 1000, 10, &st);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_int_eq(chan_queue_files(&c), 0); /* nothing had overflowed */
    chan_fill(&c, 1000, 200, &st);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_int_gt(chan_queue_files(&c), 0);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.pending_disk, stats.overflowed);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    chan_take(&c, c.sent);
    chan_finish(&c);
}
END_TEST

/* ---- waiting, with threads ---- */

static void *drain_later(void *arg)
{
    struct chan *chan = arg;
    struct hopper_record rec;
    hopper_status st;

    while ((st = hopper_receive(chan->rcv, &rec, HOPPER_FOREVER)) == HOPPER_OK)
        if (!checker_take(&chan->checker, &rec)) break;
    return NULL;
}

static uint64_t written(void)
{
    struct hopper_stats stats;

    chan_stats(&c, &stats);
    return stats.written_bytes;
}

/* And throw away what is in the channel. */
static void close_both(void)
{
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    chan_free(&c);
}

START_TEST(after_data_that_does_not_shrink_data_that_does_is_deflated_again)
{
    struct rng rng = { 1 };
    struct hopper_record rec;
    unsigned char buf[1000];
    uint64_t before, sent = 0;

    c.options.disk_bytes  = 4 << 20;
    c.options.compression = 1;
    chan_open(&c);
    for (; sent < 500; sent++) {
        for (size_t i = 0; i < sizeof buf; i++) buf[i] = (unsigned char)rng_next(&rng);
        ck_assert_int_eq(hopper_send(c.snd, buf, sizeof buf), HOPPER_OK);
    }
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    before = written();
    ck_assert_uint_gt(before, 400000); /* all but what is in memory */
    memset(buf, 'x', sizeof buf);
    for (; sent < 1000; sent++) ck_assert_int_eq(hopper_send(c.snd, buf, sizeof buf), HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    ck_assert_uint_lt(written() - before, 150000);
    for (rng = (struct rng){ 1 }; sent > 0; sent--) {
        if (sent > 500)
            for (size_t i = 0; i < sizeof buf; i++) buf[i] = (unsigned char)rng_next(&rng);
        else memset(buf, 'x', sizeof buf);
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        ck_assert_uint_eq(rec.len, sizeof buf);
        ck_assert_mem_eq(rec.data, buf, sizeof buf);
    }
    close_both();
}
END_TEST

#define LARGE (48 << 10) /* bytes: too many for the ring */

/* Send a large record of equal bytes, or of noise; how many bytes were written to files for it. */
static uint64_t written_for_large(struct rng *noise)
{
    static unsigned char buf[LARGE];
    const uint64_t before = written();

    memset(buf, 'x', sizeof buf);
    for (size_t i = 0; noise && i < sizeof buf; i++) buf[i] = (unsigned char)rng_next(noise);
    ck_assert_int_eq(hopper_send(c.snd, buf, sizeof buf), HOPPER_OK);
    return written() - before;
}

static void open_for_large(uint32_t survive, uint64_t disk_bytes)
{
    c.options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    c.options.disk_bytes       = disk_bytes;
    c.options.file_bytes       = disk_bytes / 4; /* room for all of them */
    c.options.record_bytes_max = LARGE;
    c.options.compression      = 1;
    c.options.survive          = survive;
    chan_open(&c);
}

static void receive_large(void)
{
    static unsigned char wanted[LARGE];
    struct hopper_record rec;

    memset(wanted, 'x', sizeof wanted);
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    ck_assert_uint_eq(rec.len, LARGE);
    ck_assert(memcmp(rec.data, wanted, LARGE) == 0);
}

START_TEST(large_records_are_deflated_only_when_the_receiver_falls_behind)
{
    open_for_large(HOPPER_SURVIVE_NOTHING, 16 << 20);
    for (int round = 0; round < 3; round++) {
        ck_assert_uint_gt(written_for_large(NULL), LARGE);
        receive_large();
    }
    ck_assert_uint_gt(written_for_large(NULL), LARGE);
    ck_assert_uint_gt(written_for_large(NULL), LARGE);
    for (int i = 0; i < 3; i++) ck_assert_uint_lt(written_for_large(NULL), LARGE / 16);
    for (int i = 0; i < 5; i++) receive_large();
    ck_assert_uint_gt(written_for_large(NULL), LARGE);
    receive_large();
    close_both();
}
END_TEST

START_TEST(large_records_that_are_to_survive_are_always_deflated)
{
    open_for_large((uint32_t)_i, 16 << 20);
    for (int round = 0; round < 3; round++) {
        const uint64_t bytes = written_for_large(NULL);

        ck_assert(bytes > 0 && bytes < LARGE / 16);
        receive_large();
    }
    close_both();
}
END_TEST

/* They would fill it sooner. */
START_TEST(large_records_are_deflated_where_the_disk_has_little_room)
{
    static const uint32_t policies[] = { HOPPER_FULL_REFUSE, HOPPER_FULL_DROP_OLDEST };
    struct hopper_stats stats;

    c.options.when_full = policies[_i];
    open_for_large(HOPPER_SURVIVE_NOTHING, 8 * LARGE);
    for (int i = 0; i < 200; i++) ck_assert_uint_lt(written_for_large(NULL), LARGE / 16);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.refused + stats.gap_records[HOPPER_GAP_DROPPED_OLDEST], 0);
    for (int i = 0; i < 200; i++) receive_large();
    close_both();
}
END_TEST

/* Much noise in small records does not keep a large one from being deflated. */
START_TEST(large_records_are_tried_whatever_blocks_did)
{
    struct rng rng = { 1 };
    unsigned char buf[1000];

    open_for_large(HOPPER_SURVIVE_NOTHING, 16 << 20);
    for (int round = 0; round < 4; round++) {
        for (int k = 0; k < 1000; k++) {
            for (size_t i = 0; i < sizeof buf; i++) buf[i] = (unsigned char)rng_next(&rng);
            ck_assert_int_eq(hopper_send(c.snd, buf, sizeof buf), HOPPER_OK);
        }
        ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
        ck_assert_uint_lt(written_for_large(NULL), LARGE / 16);
    }
    close_both();
}
END_TEST

/* Trying shows in calls: what deflating makes of noise is written before it is found not to be less. */
START_TEST(large_records_that_do_not_shrink_are_not_tried_each_time)
{
    const struct fault_plan none = { .kinds = FAULT_PWRITE, .at = UINT64_MAX, .error = EIO };
    struct rng rng               = { 1 };
    unsigned tried               = 0;

    open_for_large(HOPPER_SURVIVE_NOTHING, 16 << 20);
    for (int i = 0; i < 2; i++) (void)written_for_large(&rng); /* stored without a try */
    for (int i = 0; i < 40; i++) {
        fault_arm(c.fault, &none);
        ck_assert_uint_gt(written_for_large(&rng), LARGE);
        tried += fault_count(c.fault, FAULT_PWRITE) > 4;
    }
    ck_assert_uint_ge(tried, 3);
    ck_assert_uint_le(tried, 8);
    close_both();
}
END_TEST

START_TEST(a_sender_that_waits_for_room_goes_on_when_there_is_some)
{
    unsigned char buf[1000];
    pthread_t thread;
    hopper_status st;

    chan_free(&c);
    chan_init_flags(&c, MEM_REAL_CLOCK);
    c.options.when_full  = HOPPER_FULL_BLOCK;
    c.options.disk_bytes = HOPPER_DISK_BYTES_MIN;
    chan_open(&c);
    chan_fill(&c, sizeof buf, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, drain_later, &c), 0);
    for (int i = 0; i < 3000; i++) {
        checker_fill(buf, sizeof buf, 0, c.sent);
        ck_assert_int_eq(i % 2 ? hopper_send(c.snd, buf, sizeof buf)
                               : hopper_send_until(c.snd, buf, sizeof buf, HOPPER_FOREVER),
                         HOPPER_OK);
        c.sent++;
    }
    hopper_sender_close(c.snd);
    c.snd = NULL;
    pthread_join(thread, NULL);
    ck_assert_msg(c.checker.fault[0] == '\0', "%s", c.checker.fault);
    ck_assert_uint_eq(c.checker.records, c.sent);
    chan_finish(&c);
}
END_TEST

static void *send_until_closed(void *arg)
{
    hopper_sender *snd = arg;
    char buf[1000]     = "";
    hopper_status st;

    while ((st = hopper_send(snd, buf, sizeof buf)) == HOPPER_OK) {
    }
    hopper_sender_close(snd);
    return (void *)(intptr_t)st;
}

START_TEST(senders_that_wait_for_room_learn_that_the_receiver_has_gone)
{
    hopper_sender *clones[4];
    pthread_t threads[4];
    hopper_status st;

    chan_free(&c);
    chan_init_flags(&c, MEM_REAL_CLOCK);
    c.options.when_full = HOPPER_FULL_BLOCK;
    chan_open(&c);
    c.clones = 4;
    for (int i = 0; i < 4; i++) ck_assert_int_eq(hopper_sender_clone(c.snd, &clones[i]), HOPPER_OK);
    chan_fill(&c, 1000, UINT64_MAX, &st);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, send_until_closed, clones[i]), 0);
    hopper_receiver_close(c.rcv);
    c.rcv = NULL;
    for (int i = 0; i < 4; i++) {
        void *result;

        pthread_join(threads[i], &result);
        ck_assert_int_eq((int)(intptr_t)result, HOPPER_ECLOSED);
    }
    chan_close(&c);
    chan_free(&c);
}
END_TEST

START_TEST(a_sender_that_waits_until_a_deadline_gives_up_at_it)
{
    uint64_t deadline;
    hopper_status st;

    chan_free(&c);
    chan_init_flags(&c, MEM_REAL_CLOCK);
    c.options.when_full = (uint32_t)_i;
    chan_open(&c);
    chan_fill(&c, 1000, 800, &st);
    deadline = hopper_after_ms(20);
    checker_fill(c.buf, 1000, 0, c.sent);
    st = hopper_send_until(c.snd, c.buf, 1000, deadline);
    ck_assert_uint_ge(hopper_after_ms(0), deadline);
    if (_i == HOPPER_FULL_DROP_NEWEST) {
        ck_assert_int_eq(st, HOPPER_OK);
        c.sent++;
    } else {
        ck_assert_int_eq(st, HOPPER_EFULL);
    }
    chan_finish(&c);
}
END_TEST

START_TEST(nothing_old_is_dropped_before_the_deadline)
{
    struct hopper_stats stats;
    uint64_t dropped, deadline;
    hopper_status st;

    chan_free(&c);
    chan_init_flags(&c, MEM_REAL_CLOCK);
    c.options.when_full = HOPPER_FULL_DROP_OLDEST;
    chan_open(&c);
    chan_fill(&c, 1000, 800, &st);
    chan_stats(&c, &stats);
    dropped = stats.gap_records[HOPPER_GAP_DROPPED_OLDEST];
    ck_assert_uint_gt(dropped, 0);
    do { /* what was dropped has made room for some */
        checker_fill(c.buf, 1000, 0, c.sent);
        deadline = hopper_after_ms(20);
        ck_assert_int_eq(hopper_send_until(c.snd, c.buf, 1000, deadline), HOPPER_OK);
        c.sent++;
        chan_stats(&c, &stats);
    } while (stats.gap_records[HOPPER_GAP_DROPPED_OLDEST] == dropped);
    ck_assert_uint_ge(hopper_after_ms(0), deadline);
    chan_finish(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("send");
    TCase *tc    = tcase_create("send");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, null_arguments_are_the_callers_mistake);
    tcase_add_test(tc, records_of_every_length_come_out_as_they_went_in);
    tcase_add_test(tc, the_data_is_copied_and_may_be_changed_at_once);
    tcase_add_test(tc, a_batch_is_accepted_in_order_and_whole);
    tcase_add_test(tc, a_batch_larger_than_memory_goes_to_disk_in_order);
    tcase_add_test(tc, a_batch_stops_at_the_first_record_that_is_not_accepted);
    tcase_add_test(tc, a_batch_that_fills_the_channel_says_how_much_fitted);
    tcase_add_test(tc, a_refused_record_leaves_no_trace_but_the_count);
    tcase_add_test(tc, block_with_a_deadline_in_the_past_is_efull);
    tcase_add_test(tc, drop_newest_accepts_drops_and_leaves_a_gap_of_exactly_that);
    tcase_add_test(tc, drop_newest_in_turn_with_receiving_keeps_every_gap_in_its_place);
    tcase_add_test(tc, drop_oldest_makes_room_for_every_new_record);
    tcase_add_test(tc, drop_oldest_in_turn_with_receiving_counts_exactly);
    tcase_add_test(tc, drop_oldest_with_the_largest_records_still_finds_room);
    tcase_add_test(tc, drop_oldest_waits_for_one_file_of_a_walk_through_damage);
    tcase_add_loop_test(tc, a_write_error_is_told_to_the_sender_whatever_the_policy, 0, 4);
    tcase_add_loop_test(tc, a_file_that_may_not_grow_is_followed_by_another, 0, 2);
    tcase_add_loop_test(tc, short_writes_are_continued, 0, 2);
    tcase_add_test(tc, flush_writes_what_has_overflowed_and_only_that);
    tcase_add_test(tc, after_data_that_does_not_shrink_data_that_does_is_deflated_again);
    tcase_add_test(tc, large_records_are_deflated_only_when_the_receiver_falls_behind);
    tcase_add_loop_test(tc, large_records_that_are_to_survive_are_always_deflated, HOPPER_SURVIVE_CRASH,
                        HOPPER_SURVIVE_POWER_LOSS + 1);
    tcase_add_loop_test(tc, large_records_are_deflated_where_the_disk_has_little_room, 0, 2);
    tcase_add_test(tc, large_records_are_tried_whatever_blocks_did);
    tcase_add_test(tc, large_records_that_do_not_shrink_are_not_tried_each_time);
    tcase_add_test(tc, a_sender_that_waits_for_room_goes_on_when_there_is_some);
    tcase_add_test(tc, senders_that_wait_for_room_learn_that_the_receiver_has_gone);
    tcase_add_loop_test(tc, a_sender_that_waits_until_a_deadline_gives_up_at_it, HOPPER_FULL_BLOCK,
                        HOPPER_FULL_DROP_NEWEST + 1);
    tcase_add_test(tc, nothing_old_is_dropped_before_the_deadline);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
