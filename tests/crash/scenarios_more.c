/* SPDX-License-Identifier: MIT */
/* Scenarios with zeros ahead of the frames, with producers that number their records, with items, and with syncs that come later. After each crash of
 * one with numbers the producers send again what they sent last (life_use()). */
#include "scenarios_more.h"

#include "items.h"
#include "numbers.h"
#include "tick.h"

/* ---- zeros ahead of the frames ---- */

/* Files of 4 KiB, as the other scenarios have, are too small for any; these get 8 KiB with the first group. */
void set_zeros(struct hopper_options *options)
{
    options->file_bytes = 12 << 10;
}

/* Groups on zeros, across their end, and one for which the file is left before they are used up. */
void run_zeros(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 3, 700);
    life_receive(life, 2);
    life_acknowledge(life);
    life_batch(life, 4, 1500);
    life_send(life, 2, 300);
    life_send(life, 1, 3000);
    life_send(life, 1, 100);
    life_send(life, 1, 11000);
    life_receive(life, 9);
    life_acknowledge_until(life, 8);
    life_send(life, 1, 500);
    life_close(life);
}

void run_zeros_ends(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 2, 700);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_send(life, 3, 400);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 2, 2500);
    life_acknowledge_until(life, 3);
    life_close(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_send(life, 1, 100);
}

/* The sync that was to bring them to the device, and one behind it. */
void run_zeros_fail(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    crash_run_fail_syncs(run, 1, 1);
    life_send(life, 2, 700);
    crash_run_heal(run);
    while (life->fault[0] == '\0' && life->ledger->count < 24) life_send(life, 1, 1200);
    crash_run_fail_syncs(run, 1, 2);
    life_send(life, 2, 700);
    crash_run_heal(run);
    life_send(life, 2, 700);
    life_receive(life, 4);
    life_acknowledge(life);
    life_close(life);
}

/* ---- syncs at intervals and on demand ---- */

void set_interval(struct hopper_options *options)
{
    options->sync    = HOPPER_SYNC_INTERVAL;
    options->sync_ms = TICK_NEVER_MS;
}

void run_interval(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 4, 300);
    life_tick(life);
    life_send(life, 3, 1500);
    life_receive(life, 6);
    life_acknowledge_until(life, 5);
    life_tick(life);
    life_batch(life, 5, 700);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 1, 100);
    life_tick(life);
    life_acknowledge(life);
    life_send(life, 2, 2000);
    life_close(life);
}

void run_interval_fails(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 3, 600);
    life_tick(life);
    life_send(life, 3, 600);
    crash_run_fail_syncs(run, 1, 1);
    life_tick(life);
    crash_run_heal(run);
    life_send(life, 2, 600);
    life_tick(life);
    life_receive(life, 4);
    life_acknowledge(life);
}

void run_demand_batches(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 6, 300);
    life_batch(life, 8, 1200);
    life_wait_durable(life);
    life_receive_batch(life, 9);
    life_acknowledge(life);
    life_batch(life, 4, 900);
    life_flush(life);
    life_batch(life, 3, 900);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_batch(life, 3, 900);
    life_wait_durable(life);
}

/* ---- items ---- */

void set_power_items(struct hopper_options *options)
{
    options->survive   = HOPPER_SURVIVE_POWER_LOSS;
    options->item_type = &items_type;
}

void set_crash_items(struct hopper_options *options)
{
    options->survive    = HOPPER_SURVIVE_CRASH;
    options->disk_bytes = 1 << 20;
    options->file_bytes = 64 << 10;
    options->item_type  = &items_type;
}

void run_items(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 4, 100);
    life_receive(life, 2);
    life_acknowledge(life);
    life_send(life, 3, 1700);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge_until(life, 5);
    life_send(life, 2, 300);
    life_close(life);
    life_recover(life, false);
    life_receive_batch(life, 3);
    life_acknowledge(life);
    life_close(life);
}

void run_items_spill(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 56, 4000);
    life_receive_batch(life, 12);
    life_acknowledge_until(life, 10);
    life_send(life, 6, 4000);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge_until(life, 40);
    life_send(life, 2, 4000);
    life_close(life);
}

/* ---- numbers ---- */

void run_numbers(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 3, 100);
    life_send(life, 1, 100);
    numbers_send(life, 2, 2, 700);
    numbers_send_again(life, 1, 2);
    life_receive(life, 4);
    life_acknowledge(life);
    numbers_send(life, 1, 2, 30);
    life_receive(life, 4);
    life_acknowledge(life);
    numbers_send(life, 2, 1, 30);
}

void run_numbers_kills(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 3, 400);
    crash_run_kill(run);
    life_recover(life, false);
    numbers_send_again(life, 1, 3);
    life_acknowledge(life);
    numbers_send(life, 2, 1, 400);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge(life);
    crash_run_kill(run);
    life_recover(life, false);
    numbers_send(life, 1, 2, 400);
    life_close(life);
}

void run_numbers_cuts(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 3, 400);
    numbers_send(life, 2, 2, 400);
    life_receive(life, 4);
    life_acknowledge(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    numbers_send_again(life, 1, 3);
    numbers_send(life, 1, 2, 400);
    life_acknowledge(life);
    crash_run_kill(run);
    life_recover(life, false);
    numbers_send(life, 2, 2, 400);
    crash_run_power_cut(run);
    life_recover(life, true);
    numbers_send(life, 1, 1, 400);
}

/* So many files that those with the first numbers are removed. */
void run_numbers_files(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 5, 1500);
    numbers_send(life, 2, 5, 1500);
    life_receive(life, 10);
    life_acknowledge_until(life, 8);
    life_send(life, 4, 1500);
    life_acknowledge(life);
    life_receive(life, 4);
    life_acknowledge(life);
    numbers_send(life, 2, 1, 1500);
    life_receive(life, 1);
    life_acknowledge(life);
    life_close(life);
}

/* Closed, and nothing left but numbers. */
void run_numbers_closed(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 2, 200);
    life_receive(life, 2);
    life_acknowledge(life);
    life_close(life);
    life_recover(life, false);
    life_send(life, 1, 200);
    life_close(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    numbers_send_again(life, 1, 2);
    numbers_send(life, 1, 1, 200);
    life_close(life);
}

void run_numbers_demand(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 3, 900);
    life_wait_durable(life);
    numbers_send(life, 1, 4, 900);
    numbers_send(life, 2, 2, 900);
    life_receive(life, 6);
    life_acknowledge(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    numbers_send_again(life, 1, 2);
    numbers_send(life, 1, 3, 900);
    life_wait_durable(life);
    numbers_send(life, 2, 1, 900);
    crash_run_kill(run);
    life_recover(life, false);
    numbers_send(life, 2, 1, 900);
}

/* What could not be synced is sent again under the same number. */
static void fail_then_send_again(struct crash_run *run, uint64_t count, bool is_killed)
{
    struct life *life = &run->life;

    life_open(life);
    numbers_send(life, 1, 2, 600);
    numbers_send(life, 2, 1, 600);
    crash_run_fail_syncs(run, 1, count);
    numbers_send(life, 1, 2, 600);
    crash_run_heal(run);
    if (is_killed) {
        crash_run_kill(run);
        life_recover(life, false);
    }
    numbers_send(life, 1, 2, 600);
    life_receive(life, 3);
    life_acknowledge(life);
    numbers_send(life, 2, 2, 600);
    life_close(life);
}

void run_numbers_fail(struct crash_run *run)
{
    fail_then_send_again(run, 1, false);
}

void run_numbers_fail_kill(struct crash_run *run)
{
    fail_then_send_again(run, 3, true);
}

void run_numbers_fail_long(struct crash_run *run)
{
    fail_then_send_again(run, 100, false);
}

/* Numbers in the ring, in blocks and in files at once. */
void run_numbers_spill(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 40, 4000);
    numbers_send(life, 1, 10, 4000);
    numbers_send(life, 2, 10, 4000);
    life_receive(life, 45);
    life_acknowledge(life);
    numbers_send(life, 2, 1, 4000);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge(life);
    numbers_send_again(life, 2, 2);
    numbers_send(life, 1, 2, 4000);
    life_receive(life, 2);
    life_acknowledge(life);
    life_close(life);
}
