/* SPDX-License-Identifier: MIT */
/* The program of the canaries: each planted fault has to be found in each of its plans, and none in the sound deque. */
#include "canaries.h"

int main(int argc, char **argv)
{
    static const struct sched_scenario *const scenarios[] = {
        &deque_sound,       &canary_signal_unlocked, &canary_if_full,    &canary_if_empty,     &canary_lock_order,
        &canary_late_clear, &canary_no_second_look,  &canary_signal_one, &canary_unlock_twice, &canary_destroy_early,
        &canary_leak,       &canary_plain_counter,   &canary_timeout,
    };

    return sched_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
