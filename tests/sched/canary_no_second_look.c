/* SPDX-License-Identifier: MIT */
/* Planted: the receiver says that it sleeps, and does not look again. */
#define FAULT_NO_SECOND_LOOK
#include "canaries.h"
#include "deque.h"

const struct sched_scenario canary_no_second_look = {
    "canary_no_second_look",
    deque_body,
    SCHED_DEADLOCK,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 50000 },
      { .mode = SCHED_PCT, .schedules = 50000, .bound = 3 } },
};
