/* SPDX-License-Identifier: MIT */
/* The scenarios of the crash tests: short runs of a channel that survives, each for one thing that a crash may meet. */
#ifndef TESTS_SCENARIOS_H
#define TESTS_SCENARIOS_H

#include "crash_run.h"

extern const struct crash_scenario crash_scenarios[];
extern const size_t crash_scenarios_count;

const struct crash_scenario *crash_scenario_find(const char *name); /* ends the test when there is none */

#endif
