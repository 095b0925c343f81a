/* SPDX-License-Identifier: MIT */
/* The program of the library's scenarios. */
#include "scenarios.h"

int main(int argc, char **argv)
{
    static const struct sched_scenario *const scenarios[] = {
        &scenario_memory_2x2,
        &scenario_memory_3x1,
        &scenario_memory_batches,
        &scenario_memory_batch_wakes,
        &scenario_memory_clone,
        &scenario_memory_books,
        &scenario_memory_items,
        &scenario_full_block,
        &scenario_full_block_mixed,
        &scenario_full_big,
        &scenario_full_ring,
        &scenario_full_block_three,
        &scenario_full_batches,
        &scenario_full_acknowledge,
        &scenario_full_refuse,
        &scenario_full_drop_newest,
        &scenario_full_drop_newest_books,
        &scenario_full_drop_oldest,
        &scenario_full_drop_oldest_books,
        &scenario_full_deadline,
        &scenario_disk_overflow,
        &scenario_disk_blocks,
        &scenario_disk_deflate,
        &scenario_disk_big,
        &scenario_disk_flush,
        &scenario_disk_flush_fails,
        &scenario_disk_fails_once,
        &scenario_disk_fails_full,
        &scenario_disk_open_fails,
        &scenario_disk_read_fails,
        &scenario_disk_books,
        &scenario_disk_items,
        &scenario_disk_lanes,
        &scenario_close_senders,
        &scenario_close_receiver,
        &scenario_close_overflow,
        &scenario_close_both,
        &scenario_deadline_receive,
        &scenario_event,
        &scenario_event_overflow,
        &scenario_commit_pair,
        &scenario_commit_three,
        &scenario_commit_batches,
        &scenario_commit_big,
        &scenario_commit_sync_fails,
        &scenario_commit_durable,
        &scenario_commit_close_receiver,
    };

    return sched_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
