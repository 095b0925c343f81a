/* SPDX-License-Identifier: MIT */
/*
 * The limit of a wake-up: one word, a futex(2) call to sleep on it and one to wake. No channel that lets its receiver
 * sleep can be faster.
 */
#include "bench.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint32_t sent; /* how many messages there have been */
static uint64_t value;
static uint32_t received; /* the receiver's */

static const char *peer_name(const struct bench_work *work)
{
    return work->kind == BENCH_WAKE ? "bare-futex-limit" : NULL;
}

static void peer_nothing(const struct bench_work *work)
{
    (void)work;
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    (void)work;
    for (uint64_t i = 0; i < count; i++) {
        value = bench_value(sender, first + i);
        atomic_fetch_add_explicit(&sent, 1, memory_order_release);
        syscall(SYS_futex, &sent, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    (void)work;
    for (; count > 0; count--) {
        while (atomic_load_explicit(&sent, memory_order_acquire) == received)
            syscall(SYS_futex, &sent, FUTEX_WAIT_PRIVATE, received, NULL, NULL, 0);
        received++;
        bench_value_check(check, value);
    }
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_nothing, .close = peer_nothing, .send = peer_send, .receive = peer_receive
};
