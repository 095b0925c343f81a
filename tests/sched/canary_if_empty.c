/* SPDX-License-Identifier: MIT */
/* Planted: the receiver takes any wakeup for a value; only a spurious one shows it. */
#define FAULT_IF_EMPTY
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_if_empty = {
    "canary_if_empty",
    deque_body,
    SCHED_FAILED,
    { { .mode = SCHED_DFS, .bound = 2, .spurious = 1 }, { .mode = SCHED_RANDOM, .schedules = 50000, .spurious = 2 } },
};
