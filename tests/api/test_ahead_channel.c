/* SPDX-License-Identifier: MIT */
/*
 * options.decompress_threads as a program sees it: a thread that is there while the channel is and takes no signals; it
 * does the reading of what comes from files, all but the first frame of each and what is stored, where the receiver has
 * something else to do, and else shares it, and nothing is read twice; it removes the files; whatever is wrong with the
 * files, the receiver gets the same records and the same gaps for the same reasons as without it; its memory is in the
 * budget; and the channel may be closed whatever it is at. The thread by itself is tested by unit/test_ahead, who waits
 * for whom by tests/sched, that it does nothing while all goes through memory by test_quiet.
 */
#include "chan.h"

#include "rng.h"
#include "suite.h"
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN       6000
#define PER_FRAME 10 /* so many to a block, of 64 KiB with 2 MiB of memory; stored it has twice as many */

static struct chan c;

/* ---- whose reads ---- */

static struct hopper_platform platform;
static const struct hopper_platform *inner;
static pthread_t receiver;
static _Atomic uint64_t own_reads, thread_reads, own_removals, thread_removals;

static ssize_t counting_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    if (pthread_equal(pthread_self(), receiver)) own_reads++;
    else thread_reads++;
    return inner->io.pread(ctx, fd, buf, len, offset);
}

static int counting_unlink_at(void *ctx, int dirfd, const char *name)
{
    if (pthread_equal(pthread_self(), receiver)) own_removals++;
    else thread_removals++;
    return inner->io.unlink_at(ctx, dirfd, name);
}

static void init(uint32_t threads)
{
    chan_init(&c);
    inner                        = c.options.platform;
    platform                     = *inner;
    platform.io.pread            = counting_pread;
    platform.io.unlink_at        = counting_unlink_at;
    receiver                     = pthread_self();
    own_reads                    = 0;
    thread_reads                 = 0;
    own_removals                 = 0;
    thread_removals              = 0;
    c.is_tampered                = true; /* files are read while they are counted, and damaged */
    c.options.platform           = &platform;
    c.options.memory_bytes       = 2 << 20;
    c.options.disk_bytes         = 64 << 20;
    c.options.file_bytes         = 16 << 20;
    c.options.decompress_threads = threads;
}

/* FRAMES full blocks in files behind all that memory holds. */
static void open_with_frames(unsigned frames)
{
    struct hopper_stats stats;

    chan_open(&c);
    do {
        ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
        chan_stats(&c, &stats);
    } while (stats.overflowed == 0);
    for (unsigned i = 0; i < PER_FRAME * frames; i++) ck_assert_int_eq(chan_send(&c, LEN), HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
}

/* Of a channel that survives. */
static void close_handles(void)
{
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    ck_assert_msg(!mem_platform_leaks(c.mem), "%s", mem_platform_leaks(c.mem));
    ck_assert_uint_eq(mem_bad_fds(c.mem), 0);
    chan_free(&c);
}

/* ---- the thread ---- */

START_TEST(the_thread_is_there_while_the_channel_is)
{
    char blocked[64] = "";

    init(0);
    chan_open(&c);
    ck_assert(!chan_thread_status("hopper-ahead", "SigBlk:", blocked));
    chan_close(&c);
    c.options.decompress_threads = 1;
    chan_open(&c);
    while (!chan_thread_status("hopper-ahead", "SigBlk:", blocked)) sched_yield(); /* it names itself */
    ck_assert((strtoull(blocked, NULL, 16) & 1U << (SIGTERM - 1)) != 0); /* as all others: they start the same way */
    chan_finish(&c);
    while (chan_thread_status("hopper-ahead", "SigBlk:", blocked))
        sched_yield(); /* /proc has it a moment longer than join */
}
END_TEST

/* Until it sleeps, as it does when it has loaded all that it has room for. */
static void let_it_load(void)
{
    char state[64] = "";

    while (!chan_thread_status("hopper-ahead", "State:", state) || !strchr(state, 'S')) sched_yield();
}

/* The receiver reads the file's header, the first frame, and what stands behind the last. It is given time to find each
 * other one loaded: what is not, it does not wait for, or helps. Frames that are stored it reads all by itself. */
START_TEST(all_frames_of_a_file_but_the_first_are_read_by_the_thread)
{
    struct hopper_stats stats;
    uint64_t frames;

    init(1);
    c.options.compression = _i ? 1 : HOPPER_COMPRESSION_NONE;
    open_with_frames(20);
    chan_stats(&c, &stats);
    frames = stats.pending_disk / PER_FRAME;
    chan_take(&c, chan_pending(&c) - stats.pending_disk);
    own_reads = 0;
    for (uint64_t i = 1; i < frames; i++) {
        chan_take(&c, PER_FRAME);
        if (c.options.compression == 1) let_it_load();
    }
    chan_drain(&c, NULL);
    ck_assert_uint_ge(frames, 20);
    if (c.options.compression == 1) ck_assert_uint_le(own_reads, 8);
    else ck_assert_uint_eq(thread_reads, 0);
    chan_finish(&c);
}
END_TEST

/* Without a pause each takes what the other has not, and none is read twice: one read for each, and a few of headers. */
START_TEST(no_frame_is_read_twice)
{
    struct hopper_stats stats;
    uint64_t frames;

    init(1);
    c.options.compression = 1;
    open_with_frames(40);
    chan_stats(&c, &stats);
    frames = stats.pending_disk / PER_FRAME;
    chan_take(&c, chan_pending(&c) - stats.pending_disk);
    own_reads = 0;
    chan_drain(&c, NULL);
    ck_assert_uint_ge(frames, 40);
    ck_assert_uint_ge(own_reads + thread_reads, frames);
    ck_assert_uint_le(own_reads + thread_reads, frames + 8);
    chan_finish(&c);
}
END_TEST

/* ---- files that are done with ---- */

static uint64_t disk_bytes_used(void)
{
    struct hopper_stats stats;

    chan_stats(&c, &stats);
    return stats.disk_bytes_used;
}

START_TEST(files_are_removed_by_the_thread)
{
    init(1);
    c.options.compression = _i ? 1 : HOPPER_COMPRESSION_NONE;
    c.options.file_bytes  = 256 << 10;
    open_with_frames(40);
    chan_drain(&c, NULL);
    while (chan_queue_files(&c) > 1 || disk_bytes_used() > 1 << 20) sched_yield();
    ck_assert_uint_eq(own_removals, 0);
    ck_assert_uint_gt(thread_removals, 0);
    chan_finish(&c);
}
END_TEST

START_TEST(files_of_a_channel_that_survives_are_removed_by_the_thread)
{
    init(1);
    c.options.survive     = _i ? HOPPER_SURVIVE_POWER_LOSS : HOPPER_SURVIVE_CRASH;
    c.options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    c.options.file_bytes  = 256 << 10;
    open_with_frames(40);
    own_removals = 0; /* of what was made at open */
    for (uint64_t left = chan_pending(&c); left > 0; left--) {
        chan_take(&c, 1);
        if (left % 7 == 1) hopper_acknowledge(c.rcv);
    }
    while (chan_queue_files(&c) > 1) sched_yield();
    ck_assert_uint_eq(own_removals, 0);
    ck_assert_uint_gt(thread_removals, 0);
    close_handles();
}
END_TEST

/* ---- the same comes out ---- */

static uint64_t mix(uint64_t digest, uint64_t word)
{
    return (digest ^ word) * UINT64_C(0x100000001b3);
}

static void damage(struct rng *rng)
{
    for (uint64_t i = rng_between(rng, 1, 3); i > 0; i--) {
        uint64_t bytes;
        char path[300];

        ck_assert(chan_queue_file(&c, (int)rng_below(rng, (uint64_t)chan_queue_files(&c)), path));
        bytes = (uint64_t)mem_file_size(c.mem, path);
        if (rng_below(rng, 4) == 0) ck_assert_int_eq(mem_truncate(c.mem, path, rng_below(rng, bytes)), 0);
        else if (bytes > 0) ck_assert_int_eq(mem_poke(c.mem, path, rng_below(rng, bytes), 0x40), 0);
    }
}

/* Of all records and gaps, from files that are damaged as SEED says. All records of a channel that survives a power loss
 * go through files, which are the same each time. */
static uint64_t digest_of(uint32_t threads, uint64_t seed, uint32_t compression)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    struct rng rng  = { seed };
    static unsigned char record[LEN];
    struct hopper_record rec;

    init(threads);
    c.options.survive     = HOPPER_SURVIVE_POWER_LOSS;
    c.options.sync        = HOPPER_SYNC_DEMAND;
    c.options.compression = compression;
    c.options.file_bytes  = rng_between(&rng, 20000, 100000);
    ck_assert_int_eq(chan_try_open(&c), HOPPER_OK);
    for (unsigned i = 0; i < 100; i++) {
        for (size_t at = 0; at < LEN / 2; at++) record[at] = (unsigned char)rng_below(&rng, 256);
        ck_assert_int_eq(hopper_send(c.snd, record, 1 + (size_t)rng_below(&rng, sizeof record)), HOPPER_OK);
    }
    damage(&rng);
    while (hopper_receive(c.rcv, &rec, HOPPER_NOW) == HOPPER_OK) {
        for (int i = 0; i < 5; i++) sched_yield(); /* time for the thread */
        digest = mix(mix(digest, rec.seq), rec.gap);
        if (rec.gap != HOPPER_GAP_NONE) digest = mix(digest, rec.lost);
        for (size_t i = 0; rec.gap == HOPPER_GAP_NONE && i < rec.len; i++)
            digest = mix(digest, ((const unsigned char *)rec.data)[i]);
    }
    if (threads == 0) ck_assert_uint_eq(thread_reads, 0);
    close_handles();
    return digest;
}

START_TEST(damaged_files_give_the_same_records_and_gaps_as_without_the_thread)
{
    struct rng rng = { rng_seed("test_ahead_channel") };

    for (int i = 0; i < 40; i++) {
        const uint64_t seed        = rng_below(&rng, UINT64_MAX);
        const uint32_t compression = i % 2 ? 1 : HOPPER_COMPRESSION_NONE;
        const uint64_t without     = digest_of(0, seed, compression);

        ck_assert_msg(digest_of(1, seed, compression) == without, "with damage of seed %" PRIu64, seed);
    }
}
END_TEST

/* ---- budgets and the end ---- */

START_TEST(each_level_leaves_room_for_records_in_memory)
{
    static const uint64_t budgets[] = { 1 << 20, 1200000, 2 << 20, (4 << 20) - 1, 4 << 20 };

    for (uint32_t level = 1; level <= HOPPER_COMPRESSION_NONE; level++) {
        struct hopper_stats stats;

        init(1);
        c.options.compression      = level;
        c.options.survive          = (uint32_t)(_i % 3);
        c.options.compress_threads = c.options.survive != HOPPER_SURVIVE_POWER_LOSS;
        c.options.memory_bytes     = budgets[_i / 3];
        ck_assert_int_eq(chan_try_open(&c), HOPPER_OK);
        chan_stats(&c, &stats);
        ck_assert_uint_le(stats.memory_bytes_used, stats.memory_bytes * 7 / 8);
        close_handles();
        init(1);
        c.options.compression      = level;
        c.options.survive          = (uint32_t)(_i % 3);
        c.options.compress_threads = c.options.survive != HOPPER_SURVIVE_POWER_LOSS;
        c.options.memory_bytes     = budgets[_i / 3];
        c.options.item_type        = &chan_item_type; /* for items there is a buffer more */
        ck_assert_int_eq(chan_try_open(&c), HOPPER_OK);
        close_handles();
    }
}
END_TEST

START_TEST(it_may_be_closed_whatever_the_thread_is_at)
{
    for (unsigned i = 0; i < 60; i++) {
        init(1);
        c.options.compression = i % 2 ? 1 : HOPPER_COMPRESSION_NONE;
        c.options.file_bytes  = 65536 + 10000 * i;
        open_with_frames(6);
        chan_take(&c, chan_pending(&c) - 60 + i);
        chan_close(&c);
        chan_free(&c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channels that read ahead");
    TCase *tc    = tcase_create("ahead");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_thread_is_there_while_the_channel_is);
    tcase_add_loop_test(tc, all_frames_of_a_file_but_the_first_are_read_by_the_thread, 0, 2);
    tcase_add_test(tc, no_frame_is_read_twice);
    tcase_add_loop_test(tc, files_are_removed_by_the_thread, 0, 2);
    tcase_add_loop_test(tc, files_of_a_channel_that_survives_are_removed_by_the_thread, 0, 2);
    tcase_add_test(tc, damaged_files_give_the_same_records_and_gaps_as_without_the_thread);
    tcase_add_loop_test(tc, each_level_leaves_room_for_records_in_memory, 0, 15);
    tcase_add_test(tc, it_may_be_closed_whatever_the_thread_is_at);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
