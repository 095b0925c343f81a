/* SPDX-License-Identifier: MIT */
/* Small on purpose: a crash is tried after each call, so what matters is which calls there are, not how many. */
#include "scenarios.h"

#include "scenarios_more.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- options, over crash_run.c's: POWER_LOSS, 128 KiB, files of 4 KiB, explicit acknowledgement, refuse when full
 * ---- */

static void set_power(struct hopper_options *options)
{
    options->survive = HOPPER_SURVIVE_POWER_LOSS;
}

static void set_auto(struct hopper_options *options)
{
    options->acknowledge = HOPPER_ACKNOWLEDGE_AUTO;
}

static void set_deflate(struct hopper_options *options)
{
    options->compression = 1;
}

static void set_demand(struct hopper_options *options)
{
    options->sync = HOPPER_SYNC_DEMAND;
}

static void set_little_disk(struct hopper_options *options)
{
    options->disk_bytes = HOPPER_DISK_BYTES_MIN + (32 << 10);
    options->file_bytes = 16 << 10;
}

static void set_drop_newest(struct hopper_options *options)
{
    set_little_disk(options);
    options->when_full = HOPPER_FULL_DROP_NEWEST;
}

static void set_crash(struct hopper_options *options)
{
    options->survive    = HOPPER_SURVIVE_CRASH;
    options->disk_bytes = 1 << 20;
    options->file_bytes = 64 << 10;
}

static void set_crash_auto(struct hopper_options *options)
{
    set_crash(options);
    options->acknowledge = HOPPER_ACKNOWLEDGE_AUTO;
}

static void set_crash_deflate(struct hopper_options *options)
{
    set_crash(options);
    options->compression = 1;
}

static void set_crash_little_disk(struct hopper_options *options)
{
    set_crash(options);
    options->disk_bytes = 2 * HOPPER_MEMORY_BYTES_MIN_SURVIVE + HOPPER_DISK_BYTES_MIN + (64 << 10);
    options->file_bytes = 32 << 10;
}

static void set_crash_drop_newest(struct hopper_options *options)
{
    set_crash_little_disk(options);
    options->when_full = HOPPER_FULL_DROP_NEWEST;
}

/* ---- both kinds ---- */

static void run_nothing(struct crash_run *run)
{
    for (int i = 0; i < 3; i++) {
        life_open(&run->life);
        life_close(&run->life);
    }
}

static void run_one(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 1, 100);
    life_receive(life, 2);
    life_acknowledge(life);
    life_close(life);
}

static void run_few(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 4, 100);
    life_receive(life, 2);
    life_acknowledge(life);
    life_send(life, 2, 600);
    life_receive(life, 3);
    life_acknowledge_until(life, 3);
    life_acknowledge_until(life, 4);
    life_send(life, 1, 24);
}

static void run_close_pending(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 6, 300);
    life_receive(life, 2);
    life_acknowledge_until(life, 1);
    life_close(life);
}

static void run_in_turn(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    for (int i = 0; i < 12; i++) {
        life_send(life, 1, 150 + 40 * (unsigned)i);
        life_receive(life, 1);
        if (i % 3 == 2) life_acknowledge(life);
    }
    life_close(life);
}

static void run_auto(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 8, 900);
    life_receive(life, 5);
    life_send(life, 3, 900);
    life_receive_batch(life, 4);
    life_receive_batch(life, 4);
    life_close(life);
}

static void run_batches(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 10, 100);
    life_batch(life, 5, 700);
    life_receive_batch(life, 12);
    life_acknowledge(life);
    life_batch(life, 20, 30);
    life_receive_batch(life, 30);
    life_acknowledge_until(life, 20);
    life_batch(life, 3, 2000);
}

static void run_again(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 5, 500);
    life_receive(life, 2);
    life_acknowledge(life);
    life_close(life);
    life_recover(life, false);
    life_send(life, 4, 500);
    life_acknowledge_until(life, life->ledger->received > 3 ? life->ledger->received - 2 : 0);
    life_close(life);
    life_recover(life, false);
    life_acknowledge(life);
    life_close(life);
}

static void run_kills(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 4, 400);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 3, 400);
    life_acknowledge_until(life, 2);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 2, 400);
    life_acknowledge(life);
    life_close(life);
}

static void run_cuts(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 4, 400);
    life_receive(life, 2);
    life_acknowledge(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_send(life, 3, 400);
    life_receive(life, 1);
    life_acknowledge(life);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 1, 400);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_send(life, 2, 400);
    life_close(life);
}

static void run_cut_after_close(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 8, 700);
    life_receive(life, 3);
    life_acknowledge(life);
    life_close(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_acknowledge_until(life, 5);
    life_send(life, 2, 700);
    life_close(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_close(life);
}

/* ---- every record in a file ---- */

static void run_big(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 1, 100);
    life_send(life, 1, 20000);
    life_send(life, 2, 100);
    life_receive(life, 2);
    life_acknowledge(life);
    life_send(life, 1, 30000);
    life_receive(life, 3);
    life_acknowledge(life);
    life_close(life);
}

static void run_rotate(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 14, 800);
    life_receive(life, 14);
}

/* Frames that just fill a file, or just not. */
static void run_brim(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    for (unsigned len = 3925; len <= 3935; len++) life_send(life, 1, len);
    life_receive(life, 7);
    life_acknowledge(life);
}

static void run_acknowledge_in_the_middle(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 12, 200);
    life_batch(life, 12, 200);
    life_batch(life, 12, 200);
    life_receive_batch(life, 30);
    for (uint64_t seq = 5; seq <= 30; seq += 6) life_acknowledge_until(life, seq);
    life_send(life, 2, 200);
}

static void run_remove(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 12, 1500);
    life_receive(life, 12);
    life_acknowledge_until(life, 9);
    life_acknowledge(life);
    life_send(life, 3, 1500);
    life_receive(life, 3);
    life_acknowledge(life);
    life_close(life);
}

static void run_full(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 20, 5000);
    life_receive(life, 6);
    life_acknowledge(life);
    life_send(life, 5, 5000);
    life_receive(life, 20);
    life_acknowledge_until(life, 10);
    life_send(life, 8, 4000);
    life_close(life);
}

static void run_other_budgets(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 24, 4000);
    life_close(life);
    life->options.disk_bytes   = HOPPER_DISK_BYTES_MIN + (32 << 10); /* less than what is queued */
    life->options.file_bytes   = 16 << 10;
    life->options.memory_bytes = 2 * HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    life_recover(life, false);
    life_send(life, 2, 4000); /* full */
    life_acknowledge_until(life, 20);
    life_send(life, 2, 4000);
    life->options.compression = 1;
    life->options.disk_bytes  = 1 << 20;
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 3, 4000);
    life_close(life);
}

static void run_demand(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 5, 300);
    life_wait_durable(life);
    life_send(life, 6, 1500);
    life_receive(life, 7);
    life_acknowledge_until(life, 6);
    life_wait_durable(life);
    life_acknowledge_until(life, 7);
    life_send(life, 2, 100);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 2, 100);
    life_wait_durable(life);
    life_send(life, 3, 2000);
    life_close(life);
}

/* ---- syncs that fail ---- */

static void fail_then_go_on(struct crash_run *run, uint64_t at, uint64_t count)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 3, 600);
    crash_run_fail_syncs(run, at, count);
    life_send(life, 4, 600);
    crash_run_heal(run);
    life_send(life, 3, 600);
    life_receive(life, 4);
    life_acknowledge(life);
    life_send(life, 3, 600);
    life_close(life);
}

static void run_fail_once(struct crash_run *run)
{
    fail_then_go_on(run, 1, 1);
}

static void run_fail_second(struct crash_run *run)
{
    fail_then_go_on(run, 2, 1);
}

static void run_fail_twice(struct crash_run *run)
{
    fail_then_go_on(run, 1, 2);
}

static void run_fail_long(struct crash_run *run)
{
    fail_then_go_on(run, 1, 100);
}

static void run_fail_batch(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 6, 600);
    crash_run_fail_syncs(run, 1, 1);
    life_batch(life, 6, 600);
    crash_run_heal(run);
    life_batch(life, 6, 600);
    life_receive(life, 9);
    life_acknowledge(life);
}

static void run_fail_acknowledge(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 12, 1500);
    life_receive(life, 8);
    crash_run_fail_syncs(run, 1, 2);
    life_acknowledge(life);
    life_receive(life, 2);
    life_acknowledge(life);
    crash_run_heal(run);
    life_send(life, 2, 1500);
    life_receive(life, 2);
    life_acknowledge(life);
    life_close(life);
}

static void run_fail_then_kill(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_send(life, 3, 600);
    crash_run_fail_syncs(run, 1, 3);
    life_send(life, 2, 600);
    crash_run_heal(run);
    crash_run_kill(run);
    life_recover(life, false);
    life_send(life, 2, 600);
    life_acknowledge_until(life, 2);
    life_send(life, 1, 600);
    life_close(life);
}

/* ---- memory that survives a kill ---- */

static void run_spill(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 20, 4000);
    life_batch(life, 20, 4000);
    life_receive_batch(life, 25);
    life_acknowledge_until(life, 20);
    life_acknowledge(life);
    life_batch(life, 6, 4000);
    life_receive_batch(life, 20);
    life_acknowledge(life);
    life_send(life, 2, 100);
    life_close(life);
}

static void run_spill_again(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 30, 4000);
    life_close(life);
    life_recover(life, false);
    life_acknowledge_until(life, 10);
    life_batch(life, 10, 4000);
    life_close(life);
}

static void run_spill_kill(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 30, 4000);
    life_receive(life, 3);
    life_acknowledge(life);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge_until(life, 12);
    life_batch(life, 10, 4000);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge(life);
    life_send(life, 1, 4000);
    life_close(life);
}

static void run_spill_cut(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    life_batch(life, 40, 4000);
    life_receive(life, 12);
    life_acknowledge(life);
    crash_run_power_cut(run);
    life_recover(life, true);
    life_batch(life, 30, 4000);
    crash_run_kill(run);
    life_recover(life, false);
    life_acknowledge(life);
    life_close(life);
}

static void run_smaller_memory(struct crash_run *run)
{
    struct life *life = &run->life;

    life->options.memory_bytes = 3 * HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    life->options.disk_bytes   = 2 << 20;
    life_open(life);
    life_batch(life, 40, 4000);
    life->options.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    crash_run_kill(run);
    life_recover(life, false);
    life_batch(life, 5, 4000);
    life_acknowledge_until(life, 20);
    life->options.memory_bytes = 2 * HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    life_close(life);
    life_recover(life, false);
    life_close(life);
}

/* So much in turn that the ring's end is passed twice. */
static void run_around(struct crash_run *run)
{
    struct life *life = &run->life;

    life_open(life);
    for (int i = 0; i < 12; i++) {
        life_batch(life, 6, 3000 + 100 * (unsigned)i);
        life_receive_batch(life, 5);
        life_acknowledge(life);
    }
}

const struct crash_scenario crash_scenarios[] = {
    { "power: opened and closed", set_power, run_nothing },
    { "power: one record", set_power, run_one },
    { "power: few records", set_power, run_few },
    { "power: closed with records pending", set_power, run_close_pending },
    { "power: sent and received in turn", set_power, run_in_turn },
    { "power: acknowledged by the next receive", set_auto, run_auto },
    { "power: batches", set_power, run_batches },
    { "power: batches, deflated", set_deflate, run_batches },
    { "power: opened again", set_power, run_again },
    { "power: killed twice", set_power, run_kills },
    { "power: cut, killed, cut", set_power, run_cuts },
    { "power: cut after closing", set_power, run_cut_after_close },
    { "power: big records", set_power, run_big },
    { "power: several files", set_power, run_rotate },
    { "power: files filled to the brim", set_power, run_brim },
    { "power: acknowledged inside frames", set_power, run_acknowledge_in_the_middle },
    { "power: files removed", set_power, run_remove },
    { "power: full", set_little_disk, run_full },
    { "power: full, drop newest", set_drop_newest, run_full },
    { "power: other budgets", set_power, run_other_budgets },
    { "power: synced on demand", set_demand, run_demand },
    { "power: a sync fails", set_power, run_fail_once },
    { "power: the second sync fails", set_power, run_fail_second },
    { "power: two syncs fail", set_power, run_fail_twice },
    { "power: all syncs fail for a while", set_power, run_fail_long },
    { "power: the sync of a batch fails", set_power, run_fail_batch },
    { "power: syncs fail at acknowledging", set_power, run_fail_acknowledge },
    { "power: syncs fail, then killed", set_power, run_fail_then_kill },
    { "power: synced at intervals", set_interval, run_interval },
    { "power: synced at intervals, a sync fails", set_interval, run_interval_fails },
    { "power: synced on demand, batches", set_demand, run_demand_batches },
    { "power: zeros ahead", set_zeros, run_zeros },
    { "power: zeros ahead, cut, killed, cut", set_zeros, run_zeros_ends },
    { "power: zeros ahead, syncs fail", set_zeros, run_zeros_fail },
    { "power: zeros ahead, a batch's sync fails", set_zeros, run_fail_batch },
    { "power: zeros ahead, syncs fail, then killed", set_zeros, run_fail_then_kill },
    { "power: zeros ahead, numbers", set_zeros, run_numbers_files },
    { "power: items", set_power_items, run_items },
    { "power: numbers", set_power, run_numbers },
    { "power: numbers, deflated", set_deflate, run_numbers },
    { "power: numbers, killed three times", set_power, run_numbers_kills },
    { "power: numbers, cut, killed, cut", set_power, run_numbers_cuts },
    { "power: numbers of removed files", set_power, run_numbers_files },
    { "power: numbers and nothing else", set_power, run_numbers_closed },
    { "power: numbers, synced on demand", set_demand, run_numbers_demand },
    { "power: numbers, a sync fails", set_power, run_numbers_fail },
    { "power: numbers, syncs fail, then killed", set_power, run_numbers_fail_kill },
    { "power: numbers, all syncs fail for a while", set_power, run_numbers_fail_long },
    { "crash: opened and closed", set_crash, run_nothing },
    { "crash: one record", set_crash, run_one },
    { "crash: few records", set_crash, run_few },
    { "crash: closed with records pending", set_crash, run_close_pending },
    { "crash: sent and received in turn", set_crash, run_in_turn },
    { "crash: acknowledged by the next receive", set_crash_auto, run_auto },
    { "crash: batches", set_crash, run_batches },
    { "crash: opened again", set_crash, run_again },
    { "crash: killed twice", set_crash, run_kills },
    { "crash: cut, killed, cut", set_crash, run_cuts },
    { "crash: cut after closing", set_crash, run_cut_after_close },
    { "crash: overflow", set_crash, run_spill },
    { "crash: overflow, deflated", set_crash_deflate, run_spill },
    { "crash: overflow, opened again", set_crash, run_spill_again },
    { "crash: overflow, killed twice", set_crash, run_spill_kill },
    { "crash: overflow, cut, killed", set_crash, run_spill_cut },
    { "crash: full", set_crash_little_disk, run_spill },
    { "crash: full, drop newest", set_crash_drop_newest, run_spill_kill },
    { "crash: less memory after a kill", set_crash, run_smaller_memory },
    { "crash: twice around the ring", set_crash, run_around },
    { "crash: items", set_crash_items, run_items },
    { "crash: items, overflow", set_crash_items, run_items_spill },
    { "crash: numbers", set_crash, run_numbers },
    { "crash: numbers, killed three times", set_crash, run_numbers_kills },
    { "crash: numbers, cut, killed, cut", set_crash, run_numbers_cuts },
    { "crash: numbers of removed files", set_crash, run_numbers_files },
    { "crash: numbers and nothing else", set_crash, run_numbers_closed },
    { "crash: numbers, overflow", set_crash, run_numbers_spill },
};
const size_t crash_scenarios_count = sizeof crash_scenarios / sizeof *crash_scenarios;

const struct crash_scenario *crash_scenario_find(const char *name)
{
    for (size_t i = 0; i < crash_scenarios_count; i++)
        if (strcmp(crash_scenarios[i].name, name) == 0) return &crash_scenarios[i];
    fprintf(stderr, "there is no scenario \"%s\"\n", name);
    abort();
}
