/* SPDX-License-Identifier: MIT */
/* The program of the library's own mutex and condition variable. */
#include "lock.h"

int main(int argc, char **argv)
{
    const struct sched_scenario *scenarios[LOCK_SCENARIOS_MAX];
    const size_t count = lock_scenarios(scenarios);

    return sched_main(argc, argv, scenarios, count);
}
