/* SPDX-License-Identifier: MIT */
/* The heap of a schedule: what threads of a scenario get from malloc() while one runs. */
#ifndef SCHED_HEAP_H
#define SCHED_HEAP_H

#include <stddef.h>

/* Forget everything that was allocated: a schedule begins. */
void heap_begin(void);

size_t heap_live_blocks(void);
const char *heap_live_text(void); /* where the oldest live block was allocated; for a message */

#endif
