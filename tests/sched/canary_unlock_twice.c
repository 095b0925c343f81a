/* SPDX-License-Identifier: MIT */
/* Planted: a mutex is unlocked twice on a rare path. */
#define FAULT_UNLOCK_TWICE
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_unlock_twice = {
    "canary_unlock_twice",
    deque_body,
    SCHED_MISUSE,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
