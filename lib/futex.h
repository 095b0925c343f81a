/* SPDX-License-Identifier: MIT */
/* Linux's wait on a word in memory, for sync_futex.c. Only between threads of one process. */
#ifndef HPR_FUTEX_H
#define HPR_FUTEX_H

#include <stdatomic.h>

#include "base.h"

_Static_assert(sizeof(_Atomic uint32_t) == 4 && ATOMIC_INT_LOCK_FREE == 2, "the kernel looks at 32 bits");

/* Sleep while *WORD is EXPECTED, until a wake or for TIMEOUT_NS nanoseconds (UINT64_MAX: without limit) of the
 * monotonic clock. May return early. A wake that comes after *WORD has changed finds this thread, or the thread finds
 * the change. */
void hpr_futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);

/* Wake one, or all, that sleep there. Only the address counts: the word may be gone already. */
void hpr_futex_wake_one(const _Atomic uint32_t *word);
void hpr_futex_wake_all(const _Atomic uint32_t *word);

#endif
