/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of a channel that survives a kill: the ring is in a file, what the receiver has stays in it until it is
 * acknowledged, and the receiver is the one who removes queue files. So a sender may wait for an acknowledgement, be it for
 * room in the ring, for a block that was handed out, or for a file; and each of these is another way to be missed.
 */
#include <errno.h>

#include "scenarios.h"

static void open_channel(unsigned senders, uint32_t acknowledge)
{
    rig_open(&(struct rig_options){ .senders = senders, .survive = HOPPER_SURVIVE_CRASH, .acknowledge = acknowledge });
}

static size_t largest(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(rig_sender(0)->snd, &stats) == HOPPER_OK);
    return (size_t)stats.record_bytes_max;
}

/* ---- through the ring ---- */

static void send_two(struct rig_sender *s)
{
    rig_send_ok(s, 40);
    rig_send_ok(s, 100);
    rig_close_sender(s);
}

static void survive_2x2(void)
{
    open_channel(2, HOPPER_ACKNOWLEDGE_AUTO);
    rig_start_all(send_two);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- the ring is full of what was received and not acknowledged ---- */

static void send_ring(struct rig_sender *s)
{
    rig_send_ok(s, RIG_RING_LEN);
    rig_send_ok(s, 40);
    rig_close_sender(s);
}

static void survive_acknowledge(void)
{
    open_channel(1, HOPPER_ACKNOWLEDGE_EXPLICIT);
    rig_fill_all(40);
    rig_start_all(send_ring);
    rig_close_first();
    while (rig_receive(HOPPER_FOREVER) == HOPPER_OK) rig_acknowledge();
    SCHED_CHECK(rig.is_at_end);
    rig_finish();
}

/* The same: all of it is in the receiver's hands when the sender comes, and the acknowledgement may come before it waits. */
static void survive_acknowledge_late(void)
{
    open_channel(1, HOPPER_ACKNOWLEDGE_EXPLICIT);
    rig_fill_all(40);
    while (rig_receive(HOPPER_NOW) == HOPPER_OK) continue;
    rig_start_all(send_ring);
    rig_close_first();
    rig_acknowledge();
    while (rig_receive(HOPPER_FOREVER) == HOPPER_OK) rig_acknowledge();
    SCHED_CHECK(rig.is_at_end);
    rig_finish();
}

/* The same, and STATE, which has to be synced before files go, may not be: the ring has room all the same, and no block
 * that is given back hides whether the sender sees that. */
static void survive_acknowledge_unnoted(void)
{
    open_channel(1, HOPPER_ACKNOWLEDGE_EXPLICIT);
    rig_fill_all(40);
    SCHED_CHECK(hopper_flush(rig_sender(0)->snd) == HOPPER_OK);
    while (rig_send(rig_sender(0), 40, HOPPER_NOW) == HOPPER_OK) continue;
    while (rig_receive(HOPPER_NOW) == HOPPER_OK) continue;
    rig_allow_faults(RIG_FAULT_SYNC, EIO, 1, true);
    rig_start_all(send_ring);
    rig_close_first();
    rig_acknowledge();
    while (rig_receive(HOPPER_FOREVER) == HOPPER_OK) rig_acknowledge();
    SCHED_CHECK(rig.is_at_end);
    rig_heal();
    rig_finish();
}

/* ---- the disk is full of what the receiver has had ---- */

static size_t big_len;

static void send_small_and_largest(struct rig_sender *s)
{
    rig_send_ok(s, 12000); /* larger than a block: it has a file, which is kept for more */
    rig_send_ok(s, big_len);
    rig_close_sender(s);
}

static void survive_full_of_small(void)
{
    rig_open(&(struct rig_options){ .senders = 1, .survive = HOPPER_SURVIVE_CRASH, .record_bytes_max = RIG_LEN_MAX });
    big_len = largest();
    rig_fill_ring();
    rig_start_all(send_small_and_largest);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void send_largest(struct rig_sender *s)
{
    rig_send_ok(s, big_len);
    rig_close_sender(s);
}

/* And the files cannot go at first: that is tried again, though nobody calls. */
static void survive_full_unnoted(void)
{
    rig_open(&(struct rig_options){ .senders          = 1,
                                    .survive          = HOPPER_SURVIVE_CRASH,
                                    .acknowledge      = HOPPER_ACKNOWLEDGE_EXPLICIT,
                                    .record_bytes_max = RIG_LEN_MAX });
    big_len = largest();
    rig_fill_all(600);
    while (rig_receive(HOPPER_NOW) == HOPPER_OK) continue;
    rig_allow_faults(RIG_FAULT_SYNC, EIO, 1, false);
    rig_start_all(send_largest);
    rig_close_first();
    rig_acknowledge();
    while (rig_receive(HOPPER_FOREVER) == HOPPER_OK) rig_acknowledge();
    SCHED_CHECK(rig.is_at_end);
    rig_finish();
}

/* ---- full, with two senders and what goes through all of it ---- */

static void send_mixed(struct rig_sender *s)
{
    rig_send_ok(s, RIG_RING_LEN);
    rig_send_ok(s, 700);
    rig_close_sender(s);
}

static void survive_full(void)
{
    open_channel(2, HOPPER_ACKNOWLEDGE_AUTO);
    rig_fill_all(600);
    rig_start_all(send_mixed);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

const struct sched_scenario scenario_survive_2x2 = { "survive_2x2", survive_2x2, SCHED_CLEAN, RIG_PLANS(2, 500) };
const struct sched_scenario scenario_survive_acknowledge = { "survive_acknowledge", survive_acknowledge, SCHED_CLEAN,
                                                             RIG_PLANS(1, 200) };
const struct sched_scenario scenario_survive_acknowledge_late = { "survive_acknowledge_late", survive_acknowledge_late,
                                                                  SCHED_CLEAN, RIG_PLANS(1, 200) };
const struct sched_scenario scenario_survive_full_of_small    = { "survive_full_of_small", survive_full_of_small,
                                                                  SCHED_CLEAN, RIG_PLANS(1, 200) };
const struct sched_scenario scenario_survive_acknowledge_unnoted = { "survive_acknowledge_unnoted",
                                                                     survive_acknowledge_unnoted, SCHED_CLEAN,
                                                                     RIG_PLANS(2, 1000) };
const struct sched_scenario scenario_survive_full_unnoted = { "survive_full_unnoted", survive_full_unnoted, SCHED_CLEAN,
                                                              RIG_PLANS_WITH(SCHED_TIMEOUTS_LATE, 1, 200) };
const struct sched_scenario scenario_survive_full = { "survive_full", survive_full, SCHED_CLEAN, RIG_PLANS(1, 200) };
