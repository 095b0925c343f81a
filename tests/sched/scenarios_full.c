/* SPDX-License-Identifier: MIT */
/*
 * Scenarios in which memory and disk are full when the threads start: senders wait for room and are woken, are refused,
 * or records are dropped. Few big records fill the least budgets, so that a schedule stays short.
 */
#include "scenarios.h"

static void send_one_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 2000);
    rig_close_sender(s);
}

/* ---- block: both must get room, whoever is woken first ---- */

static void full_block(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(send_one_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* A big record that waits beside small ones: neither may starve or pass what came before it. */
static void send_big_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 30000);
    rig_close_sender(s);
}

static void full_block_mixed(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start(1, send_big_and_close);
    rig_start(2, send_one_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* Records that never fit into the ring, in a channel that holds nothing else: the room of a file that was read is all
 * that they wait for. */
static void full_big(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(5000);
    rig_start_all(send_big_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* The device is full from the start and nothing is on it: senders wait for the ring alone, and the receiver, which
 * takes no lock there, is all that can wake them. With timeouts out of the game, a wakeup that is lost stays lost. */
static void send_of_ring_size(struct rig_sender *s)
{
    rig_send_ok(s, s->id == 1 ? RIG_RING_LEN : RIG_RING_LEN / 2);
    rig_close_sender(s);
}

static void full_ring(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_break_device();
    while (rig_send(rig_sender(0), RIG_RING_LEN, HOPPER_NOW) == HOPPER_OK) continue;
    rig_start_all(send_of_ring_size);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* The receiver takes what there is, one by one, and then does not come back before the sender is through: what it has
 * given back until then is enough. */
static void take_all_and_stay_away(uint32_t survive)
{
    unsigned count = 0;

    rig_open(&(struct rig_options){ .senders = 1, .survive = survive });
    rig_break_device();
    while (rig_send(rig_sender(0), RIG_RING_LEN, HOPPER_NOW) == HOPPER_OK) count++;
    rig_start_all(send_of_ring_size);
    rig_close_first();
    rig_receive_count(count);
    rig_join_all();
    rig_receive_all();
    rig_finish();
}

static void full_taken(void)
{
    take_all_and_stay_away(HOPPER_SURVIVE_NOTHING);
}

static void full_taken_kept(void)
{
    take_all_and_stay_away(HOPPER_SURVIVE_CRASH);
}

/* Three wait, of different sizes. */
static void send_small_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 100);
    rig_close_sender(s);
}

static void full_block_three(void)
{
    rig_open(&(struct rig_options){ .senders = 3 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start(1, send_small_and_close);
    rig_start(2, send_one_and_close);
    rig_start(3, send_big_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* A batch gets in piece by piece; the receiver takes batches as well. */
static void send_batch_and_close(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_batch(s, 6000, 4, HOPPER_FOREVER, &accepted) == HOPPER_OK && accepted == 4);
    rig_close_sender(s);
}

static void full_batches(void)
{
    hopper_status st;

    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(send_batch_and_close);
    rig_close_first();
    while ((st = rig_receive_batch(3, HOPPER_FOREVER)) == HOPPER_OK) continue;
    SCHED_CHECK(st == HOPPER_END);
    rig_finish();
}

/* The same side by side, small enough for runs: what there is room for is a run, the rest waits. */
static void send_joined_and_close(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_joined(s, 500, RIG_BATCH_MAX, HOPPER_FOREVER, &accepted) == HOPPER_OK);
    rig_close_sender(s);
}

static void full_joined(void)
{
    hopper_status st;

    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(send_joined_and_close);
    rig_close_first();
    while ((st = rig_receive_batch(3, HOPPER_FOREVER)) == HOPPER_OK) continue;
    SCHED_CHECK(st == HOPPER_END);
    rig_finish();
}

/* Room comes back by acknowledgement, without a further receive: senders that wait for it go on. */
static void full_acknowledge(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(send_one_and_close);
    rig_close_first();
    for (hopper_status st = HOPPER_OK; st != HOPPER_END;) {
        st = rig_receive(HOPPER_FOREVER);
        rig_acknowledge();
    }
    rig_finish();
}

/* ---- refuse ---- */

static void try_two_and_close(struct rig_sender *s)
{
    for (int i = 0; i < 2; i++) {
        hopper_status st = rig_send(s, 2000, HOPPER_NOW);

        SCHED_CHECK(st == HOPPER_OK || st == HOPPER_EFULL);
    }
    rig_close_sender(s);
}

static void full_refuse(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .when_full = HOPPER_FULL_REFUSE });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(try_two_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- drop ---- */

/* Every send is accepted at once; what is missing at the end is what the gaps count. */
static void send_two_now_and_close(struct rig_sender *s)
{
    SCHED_CHECK(rig_send(s, 2000, HOPPER_NOW) == HOPPER_OK);
    SCHED_CHECK(rig_send(s, 3000, HOPPER_NOW) == HOPPER_OK);
    rig_close_sender(s);
}

/* Full, but not by dropping: nothing is sent that does not fit. */
static void fill_without_dropping(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    do {
        SCHED_CHECK(rig_send(rig_sender(0), 8000, HOPPER_NOW) == HOPPER_OK);
        SCHED_CHECK(hopper_sender_stats(rig.first, &stats) == HOPPER_OK);
    } while (stats.gap_records[HOPPER_GAP_DROPPED_NEWEST] + stats.gap_records[HOPPER_GAP_DROPPED_OLDEST] == 0);
}

static void full_drop_newest(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .when_full = HOPPER_FULL_DROP_NEWEST });
    fill_without_dropping();
    rig_start_all(send_two_now_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* More than the ring holds, so that files are dropped also while the receiver, past the ring, is reading them. */
static void send_many_and_close(struct rig_sender *s)
{
    for (int i = 0; i < 7; i++) SCHED_CHECK(rig_send(s, 8000, HOPPER_NOW) == HOPPER_OK);
    rig_close_sender(s);
}

static void full_drop_oldest(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .when_full = HOPPER_FULL_DROP_OLDEST });
    fill_without_dropping();
    rig_start_all(send_many_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* The books at any instant, while the oldest files are dropped under the receiver's hands. */
static void read_books(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) rig_check_books_of(s->snd);
    rig_close_sender(s);
}

static void send_six_and_close(struct rig_sender *s)
{
    for (int i = 0; i < 6; i++) SCHED_CHECK(rig_send(s, 3500, HOPPER_NOW) == HOPPER_OK);
    rig_close_sender(s);
}

static void full_drop_oldest_books(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .when_full = HOPPER_FULL_DROP_OLDEST, .file_bytes = 8192 });
    fill_without_dropping();
    rig_start(1, send_six_and_close);
    rig_start(2, read_books);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void full_drop_newest_books(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .when_full = HOPPER_FULL_DROP_NEWEST });
    fill_without_dropping();
    rig_start(1, send_two_now_and_close);
    rig_start(2, read_books);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- until a deadline ---- */

static void send_until_and_close(struct rig_sender *s)
{
    hopper_status st = rig_send(s, 2000, UINT64_C(60000000000));

    SCHED_CHECK(st == HOPPER_OK || st == HOPPER_EFULL);
    if (sched_timeouts() == SCHED_TIMEOUTS_LATE)
        SCHED_CHECK(st == HOPPER_OK); /* the receiver makes room for all, so no deadline may pass */
    rig_close_sender(s);
}

static void full_deadline(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_all(RIG_LEN_SMALL);
    rig_start_all(send_until_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* clang-format off */
#define PLANS(dfs_bound) \
    { { .mode = SCHED_DFS, .bound = dfs_bound, .timeouts = SCHED_TIMEOUTS_NEVER }, \
      { .mode = SCHED_RANDOM, .schedules = 3000, .timeouts = SCHED_TIMEOUTS_NEVER, .spurious = 2 }, \
      { .mode = SCHED_PCT, .schedules = 3000, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER } }
/* clang-format on */

const struct sched_scenario scenario_full_block       = { "full_block", full_block, SCHED_CLEAN, PLANS(2) };
const struct sched_scenario scenario_full_block_mixed = { "full_block_mixed", full_block_mixed, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_refuse      = { "full_refuse", full_refuse, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_drop_newest = { "full_drop_newest", full_drop_newest, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_drop_oldest = { "full_drop_oldest", full_drop_oldest, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_big         = { "full_big", full_big, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_ring        = { "full_ring", full_ring, SCHED_CLEAN, PLANS(2) };
const struct sched_scenario scenario_full_deadline    = {
       "full_deadline",
       full_deadline,
       SCHED_CLEAN,
       { { .mode = SCHED_DFS, .bound = 1, .timeouts = SCHED_TIMEOUTS_LATE },
         { .mode = SCHED_RANDOM, .schedules = 3000, .timeouts = SCHED_TIMEOUTS_LATE },
         { .mode = SCHED_RANDOM, .schedules = 3000 } },
};
const struct sched_scenario scenario_full_taken = {
    "full_taken",
    full_taken,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2, .timeouts = SCHED_TIMEOUTS_NEVER } },
};
const struct sched_scenario scenario_full_taken_kept = {
    "full_taken_kept",
    full_taken_kept,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2, .timeouts = SCHED_TIMEOUTS_NEVER } },
};
const struct sched_scenario scenario_full_block_three = { "full_block_three", full_block_three, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_batches     = { "full_batches", full_batches, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_joined      = { "full_joined", full_joined, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_acknowledge = { "full_acknowledge", full_acknowledge, SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_drop_oldest_books = { "full_drop_oldest_books", full_drop_oldest_books,
                                                                SCHED_CLEAN, PLANS(1) };
const struct sched_scenario scenario_full_drop_newest_books = { "full_drop_newest_books", full_drop_newest_books,
                                                                SCHED_CLEAN, PLANS(1) };
