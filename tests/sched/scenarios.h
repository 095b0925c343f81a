/* SPDX-License-Identifier: MIT */
/* The scenarios of the library, by what they are about; scenarios.c lists them all. */
#ifndef SCHED_SCENARIOS_H
#define SCHED_SCENARIOS_H

#include "rig.h"
#include "sched.h"

/* Exhaustively up to DFS_BOUND preemptions, then COUNT schedules at random, twice; no timeout hides a wakeup that was lost. */
/* clang-format off */
#define RIG_PLANS(dfs_bound, count) \
    { { .mode = SCHED_DFS, .bound = dfs_bound, .timeouts = SCHED_TIMEOUTS_NEVER }, \
      { .mode = SCHED_RANDOM, .schedules = count, .timeouts = SCHED_TIMEOUTS_NEVER, .spurious = 1 }, \
      { .mode = SCHED_PCT, .schedules = count, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER } }
/* The same with other TIMEOUTS and no wakeups from nowhere; and what is too large to be exhausted. */
#define RIG_PLANS_WITH(timeouts_, dfs_bound, count) \
    { { .mode = SCHED_DFS, .bound = dfs_bound, .timeouts = timeouts_ }, \
      { .mode = SCHED_RANDOM, .schedules = count, .timeouts = timeouts_ }, \
      { .mode = SCHED_PCT, .schedules = count, .bound = 4, .timeouts = timeouts_ } }
#define RIG_AT_RANDOM(count) \
    { { .mode = SCHED_RANDOM, .schedules = count, .timeouts = SCHED_TIMEOUTS_NEVER }, \
      { .mode = SCHED_PCT, .schedules = count, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER } }
/* clang-format on */

/* scenarios_memory.c: through the ring */
extern const struct sched_scenario scenario_memory_2x2;
extern const struct sched_scenario scenario_memory_3x1;
extern const struct sched_scenario scenario_memory_batches;
extern const struct sched_scenario scenario_memory_joined;
extern const struct sched_scenario scenario_memory_joined_wakes;
extern const struct sched_scenario scenario_memory_batch_wakes;
extern const struct sched_scenario scenario_memory_first_wakes;
extern const struct sched_scenario scenario_memory_clone;
extern const struct sched_scenario scenario_memory_books;
extern const struct sched_scenario scenario_memory_items;

/* scenarios_full.c: no room */
extern const struct sched_scenario scenario_full_block;
extern const struct sched_scenario scenario_full_block_mixed;
extern const struct sched_scenario scenario_full_big;
extern const struct sched_scenario scenario_full_ring;
extern const struct sched_scenario scenario_full_taken;
extern const struct sched_scenario scenario_full_taken_kept;
extern const struct sched_scenario scenario_full_block_three;
extern const struct sched_scenario scenario_full_batches;
extern const struct sched_scenario scenario_full_joined;
extern const struct sched_scenario scenario_full_acknowledge;
extern const struct sched_scenario scenario_full_refuse;
extern const struct sched_scenario scenario_full_drop_newest;
extern const struct sched_scenario scenario_full_drop_newest_books;
extern const struct sched_scenario scenario_full_drop_oldest;
extern const struct sched_scenario scenario_full_drop_oldest_books;
extern const struct sched_scenario scenario_full_deadline;

/* scenarios_disk.c: the way over the disk and back */
extern const struct sched_scenario scenario_disk_overflow;
extern const struct sched_scenario scenario_disk_blocks;
extern const struct sched_scenario scenario_disk_deflate;
extern const struct sched_scenario scenario_disk_big;
extern const struct sched_scenario scenario_disk_flush;
extern const struct sched_scenario scenario_disk_flush_fails;
extern const struct sched_scenario scenario_disk_fails_once;
extern const struct sched_scenario scenario_disk_fails_full;
extern const struct sched_scenario scenario_disk_open_fails;
extern const struct sched_scenario scenario_disk_read_fails;
extern const struct sched_scenario scenario_disk_books;
extern const struct sched_scenario scenario_disk_items;
extern const struct sched_scenario scenario_disk_lanes;

/* scenarios_close.c: ends, deadlines, the event */
extern const struct sched_scenario scenario_close_senders;
extern const struct sched_scenario scenario_close_receiver;
extern const struct sched_scenario scenario_close_overflow;
extern const struct sched_scenario scenario_close_both;
extern const struct sched_scenario scenario_deadline_receive;
extern const struct sched_scenario scenario_event;
extern const struct sched_scenario scenario_event_overflow;

/* scenarios_survive.c: memory in a file, acknowledgement */
extern const struct sched_scenario scenario_survive_2x2;
extern const struct sched_scenario scenario_survive_acknowledge;
extern const struct sched_scenario scenario_survive_acknowledge_late;
extern const struct sched_scenario scenario_survive_acknowledge_unnoted;
extern const struct sched_scenario scenario_survive_full_of_small;
extern const struct sched_scenario scenario_survive_full_unnoted;
extern const struct sched_scenario scenario_survive_full;

/* scenarios_commit.c: sends that share a sync */
extern const struct sched_scenario scenario_commit_pair;
extern const struct sched_scenario scenario_commit_three;
extern const struct sched_scenario scenario_commit_batches;
extern const struct sched_scenario scenario_commit_big;
extern const struct sched_scenario scenario_commit_full_of_big;
extern const struct sched_scenario scenario_commit_full_of_small;
extern const struct sched_scenario scenario_commit_sync_fails;
extern const struct sched_scenario scenario_commit_durable;
extern const struct sched_scenario scenario_commit_close_receiver;

/* scenarios_ahead.c: a thread of the channel reads and inflates ahead of the receiver */
extern const struct sched_scenario scenario_ahead_idle;
extern const struct sched_scenario scenario_ahead_works;
extern const struct sched_scenario scenario_ahead_file;
extern const struct sched_scenario scenario_ahead_files;
extern const struct sched_scenario scenario_ahead_growing;
extern const struct sched_scenario scenario_ahead_pauses;
extern const struct sched_scenario scenario_ahead_fails;
extern const struct sched_scenario scenario_ahead_close;
extern const struct sched_scenario scenario_ahead_both;
extern const struct sched_scenario scenario_ahead_survive;
extern const struct sched_scenario scenario_ahead_power_loss;
extern const struct sched_scenario scenario_ahead_refused;
extern const struct sched_scenario scenario_ahead_cleans;
extern const struct sched_scenario scenario_ahead_makes_room;
extern const struct sched_scenario scenario_ahead_cannot_clean;
extern const struct sched_scenario scenario_ahead_makes_room_survive;
extern const struct sched_scenario scenario_ahead_makes_room_power_loss;
extern const struct sched_scenario scenario_ahead_refuses_nothing;

/* scenarios_packer.c: a thread of the channel compresses and writes */
extern const struct sched_scenario scenario_packer_works;
extern const struct sched_scenario scenario_packer_idle;
extern const struct sched_scenario scenario_packer_rests;
extern const struct sched_scenario scenario_packer_receive;
extern const struct sched_scenario scenario_packer_send;
extern const struct sched_scenario scenario_packer_send_two;
extern const struct sched_scenario scenario_packer_lanes;
extern const struct sched_scenario scenario_packer_flush;
extern const struct sched_scenario scenario_packer_big;
extern const struct sched_scenario scenario_packer_drop_oldest;
extern const struct sched_scenario scenario_packer_books;
extern const struct sched_scenario scenario_packer_fails_once;
extern const struct sched_scenario scenario_packer_fails_full;
extern const struct sched_scenario scenario_packer_close;
extern const struct sched_scenario scenario_packer_survive;
extern const struct sched_scenario scenario_packer_survive_explicit;
extern const struct sched_scenario scenario_packer_refused;

#endif
