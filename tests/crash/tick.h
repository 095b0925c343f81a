/* SPDX-License-Identifier: MIT */
/* The thread of HOPPER_SYNC_INTERVAL at the moment that a scenario chooses, not the clock. */
#ifndef TESTS_TICK_H
#define TESTS_TICK_H

#include "life.h"

#define TICK_NEVER_MS 86400000 /* options.sync_ms: the clock gives no tick while a test runs */

/* One tick; returns when all that was accepted is durable. Meanwhile that thread alone uses the disk. */
void life_tick(struct life *life);

#endif
