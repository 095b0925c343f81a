/* SPDX-License-Identifier: MIT */
/* Planted: the sender takes back, then front; the receiver front, then back. */
#define FAULT_LOCK_ORDER
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_lock_order = {
    "canary_lock_order",
    deque_body,
    SCHED_DEADLOCK,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 5 } },
};
