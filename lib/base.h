/* SPDX-License-Identifier: MIT */
/* What every file of lib/ may use: attributes, checked arithmetic, rounding. Knows nothing of the queue. */
#ifndef HPR_BASE_H
#define HPR_BASE_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <hopper/hopper.h>
#include <hopper/platform.h>

#define HPR_CACHE_LINE 64

#define HPR_MUST_CHECK  __attribute__((warn_unused_result))
#define HPR_SELDOM      __attribute__((noinline, cold)) /* what nearly every call goes past */
#define HPR_APART       __attribute__((noinline))       /* so that who calls it in place of returning needs no stack */
#define HPR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define HPR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HPR_FORGET(x)   __asm__("" : "+r"(x)) /* what the compiler knows of a variable's value */

/* A + B or A * B in *R; true when the result does not fit. */
#define HPR_ADD_OVERFLOWS(a, b, r) __builtin_add_overflow(a, b, r)
#define HPR_MUL_OVERFLOWS(a, b, r) __builtin_mul_overflow(a, b, r)

static inline uint64_t hpr_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t hpr_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static inline bool hpr_is_zero(const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((const unsigned char *)bytes)[i] != 0) return false;
    return true;
}
static inline size_t hpr_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline size_t hpr_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* A record's LEN bytes, FROM some address: one store for eight, where memcpy() would be a call. That clang would make of
 * it again, did it know that what is stored is what was loaded. */
static inline void hpr_copy_record(unsigned char *to, const void *from, size_t len)
{
    if (len == 8) {
        uint64_t word;

        memcpy(&word, from, sizeof word);
        HPR_FORGET(word);
        memcpy(to, &word, sizeof word);
    } else {
        memcpy(to, from, len);
    }
}

/* N rounded up to a multiple of ALIGN, a power of two. N is far from the type's end wherever this is used. */
static inline size_t hpr_round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* The largest power of two that is not above N; N is not 0. */
static inline uint64_t hpr_floor_pow2(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n));
}

#endif
