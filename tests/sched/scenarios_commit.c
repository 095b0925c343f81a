/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of a channel that survives a power loss: senders stage their records, one of them writes and syncs for all,
 * and each returns when its own are on the device. A wakeup that is lost, a round that is run by nobody or by two, a
 * record that is told to be accepted and is not: all of them show here.
 */
#include <errno.h>

#include "scenarios.h"

static void open_channel(unsigned senders, uint32_t sync)
{
    rig_open(&(struct rig_options){
        .senders = senders, .survive = HOPPER_SURVIVE_POWER_LOSS, .sync = sync, .file_bytes = 8192 });
}

/* ---- one record each ---- */

/* What a send has returned for is durable. */
static void send_one(struct rig_sender *s)
{
    rig_send_ok(s, 300);
    SCHED_CHECK(hopper_sender_seq(s->snd) > 0);
    SCHED_CHECK(hopper_durable_seq(s->snd) >= hopper_sender_seq(s->snd));
    rig_close_sender(s);
}

static void commit_pair(void)
{
    open_channel(2, HOPPER_SYNC_GROUP);
    rig_start_all(send_one);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void commit_three(void)
{
    open_channel(3, HOPPER_SYNC_GROUP);
    rig_start_all(send_one);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- more than the blocks hold: several files, and senders that wait for a block ---- */

static void send_batch(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_batch(s, 1800, 5, HOPPER_FOREVER, &accepted) == HOPPER_OK);
    rig_close_sender(s);
}

static void commit_batches(void)
{
    open_channel(2, HOPPER_SYNC_GROUP);
    rig_start_all(send_batch);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- a record that no block can hold ---- */

static void send_big(struct rig_sender *s)
{
    rig_send_ok(s, 9000);
    rig_close_sender(s);
}

static void commit_big(void)
{
    open_channel(3, HOPPER_SYNC_GROUP);
    rig_start(1, send_big);
    rig_start(2, send_one);
    rig_start(3, send_one);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- the disk is full of what the receiver has had: a sender asks it to look for room, whenever it gets there ---- */

static size_t big_len;

static void send_two_big(struct rig_sender *s)
{
    rig_send_ok(s, big_len);
    rig_send_ok(s, big_len);
    rig_close_sender(s);
}

static void commit_full_of_big(void)
{
    rig_open(
        &(struct rig_options){ .senders = 1, .survive = HOPPER_SURVIVE_POWER_LOSS, .record_bytes_max = RIG_LEN_MAX });
    big_len = 40000;
    rig_start_all(send_two_big);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* The file of the small record is kept for more like it; the largest record that is ever taken has no room beside
 * it. */
static void send_small_and_largest(struct rig_sender *s)
{
    rig_send_ok(s, 300);
    rig_send_ok(s, big_len);
    rig_close_sender(s);
}

static void commit_full_of_small(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    rig_open(
        &(struct rig_options){ .senders = 1, .survive = HOPPER_SURVIVE_POWER_LOSS, .record_bytes_max = RIG_LEN_MAX });
    SCHED_CHECK(hopper_sender_stats(rig_sender(0)->snd, &stats) == HOPPER_OK);
    big_len = (size_t)stats.record_bytes_max;
    rig_start_all(send_small_and_largest);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- syncs that fail: twice at most, so also the one of what is written again ---- */

static void send_two_or_fail(struct rig_sender *s)
{
    for (int i = 0; i < 2; i++) {
        hopper_status st = rig_send(s, 300, HOPPER_FOREVER);

        SCHED_CHECK(st == HOPPER_OK || st == HOPPER_EIO);
    }
    rig_close_sender(s);
}

static void commit_sync_fails(void)
{
    open_channel(2, HOPPER_SYNC_GROUP);
    rig.room_kept += 4096; /* what was cut off a file that could not be synced counts until the file goes */
    rig_allow_faults(RIG_FAULT_SYNC, EIO, 2, false);
    rig_start_all(send_two_or_fail);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- durable on demand ---- */

static void send_and_wait(struct rig_sender *s)
{
    rig_send_ok(s, 300);
    SCHED_CHECK(hopper_wait_durable(s->snd, hopper_sender_seq(s->snd), HOPPER_FOREVER) == HOPPER_OK);
    SCHED_CHECK(hopper_durable_seq(s->snd) >= hopper_sender_seq(s->snd));
    rig_close_sender(s);
}

static void commit_durable(void)
{
    open_channel(2, HOPPER_SYNC_DEMAND);
    rig_start_all(send_and_wait);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- the receiver goes ---- */

static void send_until_closed(struct rig_sender *s)
{
    hopper_status st = rig_send(s, 300, HOPPER_FOREVER);

    SCHED_CHECK(st == HOPPER_OK || st == HOPPER_ECLOSED);
    rig_close_sender(s);
}

static void commit_close_receiver(void)
{
    open_channel(2, HOPPER_SYNC_GROUP);
    rig_start_all(send_until_closed);
    rig_close_first();
    rig_close_receiver();
    rig_finish();
}

const struct sched_scenario scenario_commit_pair    = { "commit_pair", commit_pair, SCHED_CLEAN, RIG_PLANS(3, 2000) };
const struct sched_scenario scenario_commit_three   = { "commit_three", commit_three, SCHED_CLEAN, RIG_PLANS(2, 2000) };
const struct sched_scenario scenario_commit_batches = { "commit_batches", commit_batches, SCHED_CLEAN,
                                                        RIG_PLANS(2, 1000) };
const struct sched_scenario scenario_commit_big     = { "commit_big", commit_big, SCHED_CLEAN, RIG_PLANS(1, 1000) };
const struct sched_scenario scenario_commit_full_of_big   = { "commit_full_of_big", commit_full_of_big, SCHED_CLEAN,
                                                              RIG_PLANS(2, 1000) };
const struct sched_scenario scenario_commit_full_of_small = { "commit_full_of_small", commit_full_of_small, SCHED_CLEAN,
                                                              RIG_PLANS(2, 1000) };
const struct sched_scenario scenario_commit_sync_fails    = { "commit_sync_fails", commit_sync_fails, SCHED_CLEAN,
                                                              RIG_PLANS(1, 2000) };
const struct sched_scenario scenario_commit_durable       = { "commit_durable", commit_durable, SCHED_CLEAN,
                                                              RIG_PLANS(2, 2000) };
const struct sched_scenario scenario_commit_close_receiver = { "commit_close_receiver", commit_close_receiver,
                                                               SCHED_CLEAN, RIG_PLANS(2, 1000) };
