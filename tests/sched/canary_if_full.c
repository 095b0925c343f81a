/* SPDX-License-Identifier: MIT */
/* Planted: a sender that was woken does not look again whether there is room. */
#define FAULT_IF_FULL
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_if_full = {
    "canary_if_full",
    deque_body,
    SCHED_FAILED,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
