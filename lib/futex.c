/* SPDX-License-Identifier: MIT */
/* See futex.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syscall() */
#endif

#include "futex.h"

#ifdef HPR_FUTEX
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex /* architectures of 32 bits that never had another time_t */
#define SYS_futex SYS_futex_time64
#endif

#define NS_PER_S UINT64_C(1000000000)

/* Far enough to be for ever, near enough that no time_t overflows. */
#define WAIT_S_MAX (UINT64_C(3600) * 24 * 365)

static void futex(const _Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
#ifdef SYS_futex_time64 /* where a long has 32 bits, time_t may have 64 */
    const long number = sizeof timeout->tv_sec > sizeof(long) ? SYS_futex_time64 : SYS_futex;
#else
    const long number = SYS_futex;
#endif

    /* what it returns says nothing that the callers would not find out from the word itself */
    (void)syscall(number, word, op, value, timeout, NULL, 0);
}

void hpr_futex_wait(const _Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec timeout;

    if (timeout_ns == UINT64_MAX) {
        futex(word, FUTEX_WAIT_PRIVATE, expected, NULL);
        return;
    }
    timeout.tv_sec  = (time_t)hpr_min_u64(timeout_ns / NS_PER_S, WAIT_S_MAX);
    timeout.tv_nsec = (long)(timeout_ns % NS_PER_S);
    futex(word, FUTEX_WAIT_PRIVATE, expected, &timeout); /* relative times are of the monotonic clock */
}

void hpr_futex_wake_one(const _Atomic uint32_t *word)
{
    futex(word, FUTEX_WAKE_PRIVATE, 1, NULL);
}

void hpr_futex_wake_all(const _Atomic uint32_t *word)
{
    futex(word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
}

#else

/* ISO C wants something in every file. */
typedef int hpr_no_futex;

#endif
