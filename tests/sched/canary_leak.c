/* SPDX-License-Identifier: MIT */
/* Planted: memory is not freed in some of the orders. */
#define FAULT_LEAK
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_leak = {
    "canary_leak",
    deque_body,
    SCHED_LEAK,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
