/* SPDX-License-Identifier: MIT */
/* Planted: a counter under no lock; plain accesses have to be steps to show it. */
#define FAULT_PLAIN_COUNTER
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_plain_counter = {
    "canary_plain_counter",
    deque_body,
    SCHED_FAILED,
    { { .mode = SCHED_DFS, .bound = 2, .plain = true },
      { .mode = SCHED_RANDOM, .schedules = 50000, .plain = true },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3, .plain = true } },
};
