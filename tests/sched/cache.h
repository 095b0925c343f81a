/* SPDX-License-Identifier: MIT */
/* The set of states that a depth-first exploration has followed, each with the fewest preemptions used on the way. */
#ifndef SCHED_CACHE_H
#define SCHED_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* True when STATE is there with at most PREEMPTIONS; else it is noted. */
bool cache_seen(uint64_t state, unsigned preemptions);
uint64_t cache_count(void);
void cache_clear(void);

#endif
