/* SPDX-License-Identifier: MIT */
/* The parts of the table of scenarios that stand in scenarios_more.c: zeros ahead, producers' numbers, items, and syncs at
 * intervals. */
#ifndef TESTS_SCENARIOS_MORE_H
#define TESTS_SCENARIOS_MORE_H

#include "crash_run.h"

void set_zeros(struct hopper_options *options);
void set_interval(struct hopper_options *options);
void set_power_items(struct hopper_options *options);
void set_crash_items(struct hopper_options *options);

void run_zeros(struct crash_run *run);
void run_zeros_ends(struct crash_run *run);
void run_zeros_fail(struct crash_run *run);
void run_interval(struct crash_run *run);
void run_interval_fails(struct crash_run *run);
void run_demand_batches(struct crash_run *run);
void run_items(struct crash_run *run);
void run_items_spill(struct crash_run *run);

void run_numbers(struct crash_run *run);
void run_numbers_kills(struct crash_run *run);
void run_numbers_cuts(struct crash_run *run);
void run_numbers_files(struct crash_run *run);
void run_numbers_closed(struct crash_run *run);
void run_numbers_demand(struct crash_run *run);
void run_numbers_fail(struct crash_run *run);
void run_numbers_fail_kill(struct crash_run *run);
void run_numbers_fail_long(struct crash_run *run);
void run_numbers_spill(struct crash_run *run);

#endif
