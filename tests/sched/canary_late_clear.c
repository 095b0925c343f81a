/* SPDX-License-Identifier: MIT */
/* Planted: the sender clears the receiver's sleep flag after it has woken it. */
#define FAULT_LATE_CLEAR
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_late_clear = {
    "canary_late_clear",
    deque_body,
    SCHED_DEADLOCK,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
