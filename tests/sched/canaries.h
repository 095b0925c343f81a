/* SPDX-License-Identifier: MIT */
/* The scenarios that prove that the scheduler finds what it is there to find. */
#ifndef SCHED_CANARIES_H
#define SCHED_CANARIES_H

#include "sched.h"

extern const struct sched_scenario deque_sound;
extern const struct sched_scenario canary_signal_unlocked;
extern const struct sched_scenario canary_if_full;
extern const struct sched_scenario canary_if_empty;
extern const struct sched_scenario canary_lock_order;
extern const struct sched_scenario canary_late_clear;
extern const struct sched_scenario canary_no_second_look;
extern const struct sched_scenario canary_signal_one;
extern const struct sched_scenario canary_unlock_twice;
extern const struct sched_scenario canary_destroy_early;
extern const struct sched_scenario canary_leak;
extern const struct sched_scenario canary_plain_counter;
extern const struct sched_scenario canary_timeout;

#endif
