/* SPDX-License-Identifier: MIT */
/*
 * What gcc and clang call in code compiled with -fsanitize=thread. Here every atomic access is a visible step, taken in
 * full before anybody else runs: sequentially consistent, whatever order was asked for. Volatile accesses are steps
 * too; plain ones only where a plan says so. What a weaker memory order would allow is not seen: that is the work of
 * ThreadSanitizer itself, on other tests.
 *
 * The compilers do not declare these functions, hence the prototypes; "mo" is a memory order.
 */
#include "core.h"

#define HERE __builtin_return_address(0)

/* ---- program ---- */

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);

void __tsan_init(void)
{
}
void __tsan_func_entry(void *pc)
{
    (void)pc;
}
void __tsan_func_exit(void)
{
}

/* ---- plain and volatile accesses ---- */

static void plain(const volatile void *address, bool is_write, const void *pc)
{
    if (sched_is_concurrent() && sched_plain_counts())
        sched_access(address, is_write, is_write ? "plain write" : "plain read", pc);
}

/* clang-format off */
#define PLAIN(name, is_write) \
    void __tsan_##name(void *address); \
    void __tsan_##name(void *address) { plain(address, is_write, HERE); }
#define PLAIN_SIZES(name, is_write) \
    PLAIN(name##1, is_write) PLAIN(name##2, is_write) PLAIN(name##4, is_write) PLAIN(name##8, is_write) \
    PLAIN(name##16, is_write)

#define VOLATILE(name, is_write) \
    void __tsan_##name(void *address); \
    void __tsan_##name(void *address) \
    { \
        sched_access(address, is_write, is_write ? "volatile write" : "volatile read", HERE); \
    }
#define VOLATILE_SIZES(name, is_write) \
    VOLATILE(name##1, is_write) VOLATILE(name##2, is_write) VOLATILE(name##4, is_write) VOLATILE(name##8, is_write) \
    VOLATILE(name##16, is_write)
/* clang-format on */

PLAIN_SIZES(read, false)
PLAIN_SIZES(write, true)
PLAIN_SIZES(unaligned_read, false)
PLAIN_SIZES(unaligned_write, true)
PLAIN_SIZES(read_write, true)
PLAIN_SIZES(unaligned_read_write, true)
VOLATILE_SIZES(volatile_read, false)
VOLATILE_SIZES(volatile_write, true)
VOLATILE_SIZES(unaligned_volatile_read, false)
VOLATILE_SIZES(unaligned_volatile_write, true)

void __tsan_read_range(void *address, unsigned long bytes);
void __tsan_write_range(void *address, unsigned long bytes);

void __tsan_read_range(void *address, unsigned long bytes)
{
    if (bytes > 0) plain(address, false, HERE);
}

void __tsan_write_range(void *address, unsigned long bytes)
{
    if (bytes > 0) plain(address, true, HERE);
}

/* Newer clang calls these where it would call the C library. */
void *__tsan_memcpy(void *to, const void *from, unsigned long bytes);
void *__tsan_memmove(void *to, const void *from, unsigned long bytes);
void *__tsan_memset(void *to, int byte, unsigned long bytes);

void *__tsan_memcpy(void *to, const void *from, unsigned long bytes)
{
    return __builtin_memcpy(to, from, bytes);
}
void *__tsan_memmove(void *to, const void *from, unsigned long bytes)
{
    return __builtin_memmove(to, from, bytes);
}
void *__tsan_memset(void *to, int byte, unsigned long bytes)
{
    return __builtin_memset(to, byte, bytes);
}

/* ---- atomic accesses ---- */

void __tsan_atomic_thread_fence(int mo);
void __tsan_atomic_signal_fence(int mo);

void __tsan_atomic_thread_fence(int mo)
{
    (void)mo;
}
void __tsan_atomic_signal_fence(int mo)
{
    (void)mo;
}

/* clang-format off */
#define ATOMIC_ACCESS(bits, type) \
    type __tsan_atomic##bits##_load(const volatile type *a, int mo); \
    void __tsan_atomic##bits##_store(volatile type *a, type v, int mo); \
    type __tsan_atomic##bits##_load(const volatile type *a, int mo) \
    { \
        (void)mo; \
        sched_access(a, false, "atomic load", HERE); \
        return *a; \
    } \
    void __tsan_atomic##bits##_store(volatile type *a, type v, int mo) \
    { \
        (void)mo; \
        sched_access(a, true, "atomic store", HERE); \
        *a = v; \
    }

#define ATOMIC_UPDATE(bits, type, name, new_value) \
    type __tsan_atomic##bits##_##name(volatile type *a, type v, int mo); \
    type __tsan_atomic##bits##_##name(volatile type *a, type v, int mo) \
    { \
        type old; \
        (void)mo; \
        sched_access(a, true, "atomic " #name, HERE); \
        old = *a; \
        *a = (type)(new_value); \
        return old; \
    }

/* The weak form never fails here without a reason. */
#define ATOMIC_COMPARE(bits, type, name) \
    int __tsan_atomic##bits##_##name(volatile type *a, type *expected, type v, int mo, int fail_mo); \
    int __tsan_atomic##bits##_##name(volatile type *a, type *expected, type v, int mo, int fail_mo) \
    { \
        type old; \
        (void)mo, (void)fail_mo; \
        sched_access(a, true, "atomic compare and exchange", HERE); \
        old = *a; \
        if (old == *expected) { \
            *a = v; \
            return 1; \
        } \
        *expected = old; \
        return 0; \
    }

#define ATOMIC_COMPARE_VALUE(bits, type) \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *a, type expected, type v, int mo, int fail_mo); \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *a, type expected, type v, int mo, int fail_mo) \
    { \
        type old; \
        (void)mo, (void)fail_mo; \
        sched_access(a, true, "atomic compare and exchange", HERE); \
        old = *a; \
        if (old == expected) \
            *a = v; \
        return old; \
    }

#define ATOMIC(bits, type) \
    ATOMIC_ACCESS(bits, type) \
    ATOMIC_UPDATE(bits, type, exchange, v) \
    ATOMIC_UPDATE(bits, type, fetch_add, old + v) \
    ATOMIC_UPDATE(bits, type, fetch_sub, old - v) \
    ATOMIC_UPDATE(bits, type, fetch_and, old & v) \
    ATOMIC_UPDATE(bits, type, fetch_or, old | v) \
    ATOMIC_UPDATE(bits, type, fetch_xor, old ^ v) \
    ATOMIC_UPDATE(bits, type, fetch_nand, ~(old & v)) \
    ATOMIC_COMPARE(bits, type, compare_exchange_strong) \
    ATOMIC_COMPARE(bits, type, compare_exchange_weak) \
    ATOMIC_COMPARE_VALUE(bits, type)
/* clang-format on */

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
