/* SPDX-License-Identifier: MIT */
/* Scenarios about ends and waiting: handles that close while the other side sleeps, deadlines, and the event. */
#include "scenarios.h"

#define DEADLINE UINT64_C(60000000000)

/* ---- the senders end while the receiver sleeps ---- */

static void close_only(struct rig_sender *s)
{
    rig_close_sender(s);
}

static void close_senders(void)
{
    rig_open(&(struct rig_options){ .senders = 3 });
    rig_start_all(close_only);
    rig_close_first();
    rig_receive_all();
    SCHED_CHECK(rig.received == 0);
    rig_finish();
}

/* ---- the receiver ends while senders wait for room ---- */

static void send_until_closed(struct rig_sender *s)
{
    hopper_status st;

    while ((st = rig_send(s, 3000, HOPPER_FOREVER)) == HOPPER_OK) continue;
    SCHED_CHECK(st == HOPPER_ECLOSED);
    rig_close_sender(s);
}

static void close_receiver(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(send_until_closed);
    rig_receive_count(1);
    rig_close_receiver();
    SCHED_CHECK(hopper_send(rig.first, "x", 1) == HOPPER_ECLOSED);
    rig_finish();
}

/* Both sides end at once: the last one, whichever it is, clears away. */
static void send_and_close(struct rig_sender *s)
{
    hopper_status st = rig_send(s, 100, HOPPER_FOREVER);

    SCHED_CHECK(st == HOPPER_OK || st == HOPPER_ECLOSED);
    rig_close_sender(s);
}

static void close_both(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start_all(send_and_close);
    rig_close_first();
    rig_close_receiver();
    rig_finish();
}

/* The receiver ends while blocks are on their way to disk and back. */
static void send_blocks_until_closed(struct rig_sender *s)
{
    hopper_status st = HOPPER_OK;

    for (int i = 0; i < 3 && st == HOPPER_OK; i++) st = rig_send(s, 1500, HOPPER_FOREVER);
    SCHED_CHECK(st == HOPPER_OK || st == HOPPER_ECLOSED);
    rig_close_sender(s);
}

static void close_overflow(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192, .compression = 1 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_start_all(send_blocks_until_closed);
    rig_close_first();
    rig_receive_count(6);
    rig_close_receiver();
    rig_finish();
}

/* ---- a receiver with a deadline: it may end with nothing only when there is nothing ---- */

static void send_ok_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 100);
    rig_close_sender(s);
}

static void deadline_receive(void)
{
    hopper_status st;
    unsigned empty = 0;

    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start_all(send_ok_and_close);
    rig_close_first();
    while ((st = rig_receive(DEADLINE)) == HOPPER_OK || st == HOPPER_EAGAIN) {
        empty += st == HOPPER_EAGAIN;
        SCHED_CHECK(st == HOPPER_OK || sched_now_ns() >= DEADLINE);
        if (st == HOPPER_EAGAIN) break;
    }
    if (sched_timeouts() == SCHED_TIMEOUTS_LATE) SCHED_CHECK(empty == 0);
    if (empty > 0) rig_receive_all();
    SCHED_CHECK(rig.received == 2);
    rig_finish();
}

/* ---- the event: readable while something can be received, quiet after HOPPER_EAGAIN ---- */

static void event_loop(void)
{
    hopper_status st = HOPPER_EAGAIN;

    SCHED_CHECK(hopper_receiver_fd(rig.rcv, &rig.event_fd) == HOPPER_OK);
    while (st == HOPPER_EAGAIN) {
        rig_poll(); /* what is lost here is lost for ever: a deadlock */
        while ((st = rig_receive_batch(2, HOPPER_NOW)) == HOPPER_OK) continue;
    }
    SCHED_CHECK(st == HOPPER_END);
    SCHED_CHECK(rig_event_is_set()); /* the end can be received for ever */
}

static void event(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start_all(send_ok_and_close);
    rig_close_first();
    event_loop();
    rig_finish();
}

static void send_two_ok_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 300);
    rig_send_ok(s, 300);
    rig_close_sender(s);
}

/* The same over the disk; and when all is quiet the event is, too. */
static void event_overflow(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    SCHED_CHECK(hopper_receiver_fd(rig.rcv, &rig.event_fd) == HOPPER_OK);
    while (rig_receive_batch(4, HOPPER_NOW) == HOPPER_OK) continue;
    SCHED_CHECK(!rig_event_is_set());
    rig_fill_ring();
    SCHED_CHECK(rig_event_is_set());
    rig_start_all(send_two_ok_and_close);
    rig_close_first();
    event_loop();
    rig_finish();
}

const struct sched_scenario scenario_close_senders  = { "close_senders", close_senders, SCHED_CLEAN,
                                                        RIG_PLANS(2, 5000) };
const struct sched_scenario scenario_close_both     = { "close_both", close_both, SCHED_CLEAN, RIG_PLANS(2, 5000) };
const struct sched_scenario scenario_close_receiver = {
    "close_receiver",
    close_receiver,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2, .timeouts = SCHED_TIMEOUTS_NEVER },
      { .mode = SCHED_RANDOM, .schedules = 3000, .timeouts = SCHED_TIMEOUTS_NEVER } },
};
const struct sched_scenario scenario_deadline_receive = {
    "deadline_receive",
    deadline_receive,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_DFS, .bound = 1, .timeouts = SCHED_TIMEOUTS_LATE },
      { .mode = SCHED_RANDOM, .schedules = 5000 } },
};
const struct sched_scenario scenario_event = {
    "event",
    event,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2, .timeouts = SCHED_TIMEOUTS_NEVER },
      { .mode = SCHED_RANDOM, .schedules = 5000 },
      { .mode = SCHED_PCT, .schedules = 5000, .bound = 4 } },
};
const struct sched_scenario scenario_event_overflow = {
    "event_overflow",
    event_overflow,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2, .timeouts = SCHED_TIMEOUTS_NEVER },
      { .mode = SCHED_RANDOM, .schedules = 3000 } },
};
const struct sched_scenario scenario_close_overflow = {
    "close_overflow",
    close_overflow,
    SCHED_CLEAN,
    { { .mode = SCHED_RANDOM, .schedules = 1000, .timeouts = SCHED_TIMEOUTS_NEVER },
      { .mode = SCHED_PCT, .schedules = 1000, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER } },
};
