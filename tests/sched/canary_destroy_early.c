/* SPDX-License-Identifier: MIT */
/* Planted: everything is destroyed while the receiver is still at work. */
#define FAULT_DESTROY_EARLY
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_destroy_early = {
    "canary_destroy_early",
    deque_body,
    SCHED_MISUSE,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
