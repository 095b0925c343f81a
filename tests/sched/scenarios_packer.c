/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of a channel with a thread of its own that compresses and writes (options.compress_threads). The least
 * memory has four blocks and one lane, so the thread works while three or four blocks are in use, and a sender that
 * needs a block can be left without a lane; 1 MiB has two lanes. Nothing may wait for the thread, nothing may be lost
 * or come twice when it, a sender and the receiver are at the same blocks; it has to begin by itself, to rest when
 * there is nothing to do or when a write has failed, and to end with the channel, whatever it is at.
 */
#include <errno.h>
#include <sched.h>

#include "scenarios.h"

static struct hopper_stats stats_now(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(rig_sender(0)->snd, &stats) == HOPPER_OK);
    return stats;
}

/* The ring is full, nothing is in blocks; what was written until now. */
static uint64_t open_full(const struct rig_options *options)
{
    rig_open(options);
    rig_fill_ring();
    return stats_now().written_bytes;
}

static void send_blocks(unsigned records)
{
    while (records-- > 0) rig_send_ok(rig_sender(0), 1500);
}

/* No more is sent; all comes. */
static void end(void)
{
    rig_close_sender(rig_sender(1));
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- it begins by itself ---- */

/* Three blocks in use, and no sender that needs one: what is written, the thread has written. A wakeup that is lost is
 * a livelock here. */
static void packer_works(void)
{
    uint64_t written = open_full(&(struct rig_options){ .senders = 1, .compress_threads = 1 });

    send_blocks(5);
    while (stats_now().written_bytes == written) sched_yield();
    end();
}

/* ---- it rests ---- */

/* Neither what goes through memory nor two blocks of four wake it, and nothing is written. */
static void packer_idle(void)
{
    uint64_t written;

    rig_open(&(struct rig_options){ .senders = 1, .compress_threads = 1 });
    for (int i = 0; i < 3; i++) rig_send_ok(rig_sender(0), 300);
    rig_receive_count(3);
    rig_fill_ring();
    written = stats_now().written_bytes;
    send_blocks(4);
    rig_rest();
    SCHED_CHECK(stats_now().written_bytes == written);
    rig_receive_count(rig.accepted - 3);
    SCHED_CHECK(sched_waits(RIG_THREAD) == 1);
    end();
}

/* On a device that is full it tries once, and then only when something has been won; each send that is refused has
 * tried itself. */
static void packer_rests(void)
{
    struct rig_sender *s = NULL;
    unsigned waits;

    (void)open_full(&(struct rig_options){ .senders = 1, .compress_threads = 1, .when_full = HOPPER_FULL_REFUSE });
    s = rig_sender(0);
    rig_break_device();
    while (rig_send(s, 1500, HOPPER_NOW) == HOPPER_OK) continue;
    rig_rest();
    waits = sched_waits(RIG_THREAD);
    for (int i = 0; i < 3; i++) SCHED_CHECK(rig_send(s, 1500, HOPPER_NOW) == HOPPER_ENOSPC);
    rig_rest();
    SCHED_CHECK(sched_waits(RIG_THREAD) == waits);
    SCHED_CHECK(stats_now().disk_errno == ENOSPC);
    rig_heal();
    rig_send_ok(s, 1500);
    end();
}

/* ---- blocks that it packs are wanted by others ---- */

static void packer_receive(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .compress_threads = 1 });
    send_blocks(7);
    end();
}

static void send_six(struct rig_sender *s)
{
    for (int i = 0; i < 6; i++) rig_send_ok(s, 1500);
    rig_close_sender(s);
}

static void packer_send(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .file_bytes = 8192, .compress_threads = 1 });
    send_blocks(4);
    rig_start_all(send_six);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void packer_send_two(void)
{
    (void)open_full(&(struct rig_options){ .senders = 2, .file_bytes = 8192, .compress_threads = 1 });
    send_blocks(4);
    rig_start_all(send_six);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* Deflated, with two lanes: blocks that are packed wait for the one that is older. */
static void send_large(struct rig_sender *s)
{
    for (int i = 0; i < 6; i++) rig_send_ok(s, 16000);
    rig_close_sender(s);
}

static void packer_lanes(void)
{
    (void)open_full(&(struct rig_options){ .senders          = 1,
                                           .memory_bytes     = 1 << 20,
                                           .disk_bytes       = 1 << 20,
                                           .file_bytes       = 128 << 10,
                                           .compression      = 1,
                                           .compress_threads = 1 });
    for (int i = 0; i < 4; i++) rig_send_ok(rig_sender(0), 16000);
    rig_start_all(send_large);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void flush_and_close(struct rig_sender *s)
{
    hopper_status st = hopper_flush(s->snd);

    if (st != HOPPER_OK) sched_fail("flush: %s", hopper_status_name(st));
    rig_close_sender(s);
}

static void packer_flush(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .compress_threads = 1 });
    send_blocks(6);
    rig_start_all(flush_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* A record that is larger than a block waits until all blocks are written. */
static void send_big(struct rig_sender *s)
{
    rig_send_ok(s, 9000);
    rig_close_sender(s);
}

static void packer_big(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .compress_threads = 1 });
    send_blocks(5);
    rig_start_all(send_big);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* Files go while it writes. */
static void send_many_now(struct rig_sender *s)
{
    for (int i = 0; i < 8; i++) SCHED_CHECK(rig_send(s, 3500, HOPPER_NOW) == HOPPER_OK);
    rig_close_sender(s);
}

static void packer_drop_oldest(void)
{
    rig_open(&(struct rig_options){ .senders = 1, .when_full = HOPPER_FULL_DROP_OLDEST, .compress_threads = 1 });
    do SCHED_CHECK(rig_send(rig_sender(0), 3500, HOPPER_NOW) == HOPPER_OK);
    while (stats_now().gap_records[HOPPER_GAP_DROPPED_OLDEST] == 0);
    rig_start_all(send_many_now);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void read_books(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) rig_check_books_of(s->snd);
    rig_close_sender(s);
}

static void packer_books(void)
{
    (void)open_full(&(struct rig_options){ .senders = 2, .file_bytes = 8192, .compress_threads = 1 });
    send_blocks(4);
    rig_start(1, send_six);
    rig_start(2, read_books);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- writes that fail ---- */

static void send_six_or_fail(struct rig_sender *s)
{
    for (int i = 0; i < 6; i++) {
        hopper_status st = rig_send(s, 1500, HOPPER_FOREVER);

        SCHED_CHECK(st == HOPPER_OK || st == HOPPER_EIO);
    }
    rig_close_sender(s);
}

static void packer_fails_once(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .file_bytes = 8192, .compress_threads = 1 });
    send_blocks(4);
    rig_allow_faults(RIG_FAULT_WRITE, EIO, 2, false);
    rig_start_all(send_six_or_fail);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* From some write on the device is full, until it has room again. */
static void packer_fails_full(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .file_bytes = 8192, .compress_threads = 1 });
    send_blocks(4);
    rig_allow_faults(RIG_FAULT_WRITE, ENOSPC, 1, true);
    rig_start_all(send_six);
    rig_close_first();
    rig_receive_count(2);
    rig_heal();
    rig_receive_all();
    rig_finish();
}

/* ---- the end, while it packs ---- */

static void send_until_closed(struct rig_sender *s)
{
    hopper_status st = HOPPER_OK;

    for (int i = 0; i < 6 && st == HOPPER_OK; i++) st = rig_send(s, 1500, HOPPER_FOREVER);
    SCHED_CHECK(st == HOPPER_OK || st == HOPPER_ECLOSED);
    rig_close_sender(s);
}

static void packer_close(void)
{
    (void)open_full(&(struct rig_options){ .senders = 1, .compress_threads = 1 });
    send_blocks(5);
    rig_start_all(send_until_closed);
    rig_close_first();
    rig_close_receiver();
    rig_finish();
}

/* ---- a channel whose memory survives ---- */

static void packer_survive(void)
{
    (void)open_full(&(struct rig_options){
        .senders = 1, .survive = HOPPER_SURVIVE_CRASH, .file_bytes = 8192, .compress_threads = 1 });
    send_blocks(8);
    rig_start_all(send_six);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void packer_survive_explicit(void)
{
    hopper_status st;

    (void)open_full(&(struct rig_options){ .senders          = 1,
                                           .survive          = HOPPER_SURVIVE_CRASH,
                                           .acknowledge      = HOPPER_ACKNOWLEDGE_EXPLICIT,
                                           .file_bytes       = 8192,
                                           .compress_threads = 1 });
    send_blocks(8);
    rig_start_all(send_six);
    rig_close_first();
    while ((st = rig_receive(HOPPER_FOREVER)) == HOPPER_OK) rig_acknowledge();
    SCHED_CHECK(st == HOPPER_END);
    rig_finish();
}

/* ---- no thread is to be had ---- */

static void packer_refused(void)
{
    sched_refuse_threads(EAGAIN);
    rig_open(&(struct rig_options){ .compress_threads = 1, .fails_with = HOPPER_ENOMEM });
    rig_open(
        &(struct rig_options){ .compress_threads = 1, .survive = HOPPER_SURVIVE_CRASH, .fails_with = HOPPER_ENOMEM });
    sched_refuse_threads(0);
    rig_open(&(struct rig_options){ .senders = 1, .compress_threads = 1 });
    end();
}

const struct sched_scenario scenario_packer_works    = { "packer_works", packer_works, SCHED_CLEAN,
                                                         RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 3, 1000) };
const struct sched_scenario scenario_packer_idle     = { "packer_idle", packer_idle, SCHED_CLEAN,
                                                         RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 2, 500) };
const struct sched_scenario scenario_packer_rests    = { "packer_rests", packer_rests, SCHED_CLEAN,
                                                         RIG_PLANS_WITH(SCHED_TIMEOUTS_LATE, 2, 1000) };
const struct sched_scenario scenario_packer_receive  = { "packer_receive", packer_receive, SCHED_CLEAN,
                                                         RIG_PLANS(3, 2000) };
const struct sched_scenario scenario_packer_send     = { "packer_send", packer_send, SCHED_CLEAN, RIG_PLANS(2, 3000) };
const struct sched_scenario scenario_packer_send_two = { "packer_send_two", packer_send_two, SCHED_CLEAN,
                                                         RIG_AT_RANDOM(1000) };
const struct sched_scenario scenario_packer_lanes = { "packer_lanes", packer_lanes, SCHED_CLEAN, RIG_AT_RANDOM(500) };
const struct sched_scenario scenario_packer_flush = { "packer_flush", packer_flush, SCHED_CLEAN, RIG_PLANS(2, 1000) };
const struct sched_scenario scenario_packer_big   = { "packer_big", packer_big, SCHED_CLEAN, RIG_PLANS(2, 1000) };
const struct sched_scenario scenario_packer_drop_oldest = { "packer_drop_oldest", packer_drop_oldest, SCHED_CLEAN,
                                                            RIG_AT_RANDOM(1000) };
const struct sched_scenario scenario_packer_books = { "packer_books", packer_books, SCHED_CLEAN, RIG_AT_RANDOM(1000) };
const struct sched_scenario scenario_packer_fails_once = { "packer_fails_once", packer_fails_once, SCHED_CLEAN,
                                                           RIG_PLANS_WITH(SCHED_TIMEOUTS_LATE, 1, 2000) };
const struct sched_scenario scenario_packer_fails_full = { "packer_fails_full", packer_fails_full, SCHED_CLEAN,
                                                           RIG_PLANS_WITH(SCHED_TIMEOUTS_LATE, 2, 2000) };
const struct sched_scenario scenario_packer_close   = { "packer_close", packer_close, SCHED_CLEAN, RIG_PLANS(3, 2000) };
const struct sched_scenario scenario_packer_survive = { "packer_survive", packer_survive, SCHED_CLEAN,
                                                        RIG_AT_RANDOM(1000) };
const struct sched_scenario scenario_packer_survive_explicit = { "packer_survive_explicit", packer_survive_explicit,
                                                                 SCHED_CLEAN, RIG_AT_RANDOM(1000) };
const struct sched_scenario scenario_packer_refused          = { "packer_refused", packer_refused, SCHED_CLEAN,
                                                                 RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 1, 20) };
