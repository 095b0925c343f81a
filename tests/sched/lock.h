/* SPDX-License-Identifier: MIT */
/* The scenarios of the library's own mutex and condition variable. */
#ifndef LOCK_H
#define LOCK_H

#include "sched.h"

#define LOCK_SCENARIOS_MAX 16

/* Puts all into SCENARIOS; how many. */
size_t lock_scenarios(const struct sched_scenario *scenarios[LOCK_SCENARIOS_MAX]);

#endif
