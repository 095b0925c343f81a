/* SPDX-License-Identifier: MIT */
/* Planted: the sender signals without the receiver's lock. */
#define FAULT_SIGNAL_UNLOCKED
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_signal_unlocked = {
    "canary_signal_unlocked",
    deque_body,
    SCHED_DEADLOCK,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
