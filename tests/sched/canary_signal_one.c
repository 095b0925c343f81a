/* SPDX-License-Identifier: MIT */
/* Planted: only the first of two waiting senders is woken. */
#define FAULT_SIGNAL_ONE
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_signal_one = {
    "canary_signal_one",
    deque_body,
    SCHED_DEADLOCK,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
