/* SPDX-License-Identifier: MIT */
/* The deque without a fault: all of it has to be clean, and all of it has to be run. */
#include "canaries.h"
#include "deque.h"

const struct sched_scenario deque_sound = {
    "deque_sound",
    deque_body,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_DFS, .bound = 1, .spurious = 1 },
      { .mode = SCHED_RANDOM, .schedules = 50000, .spurious = 1 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 4 } },
};
