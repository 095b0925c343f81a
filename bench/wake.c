/* SPDX-License-Identifier: MIT */
/*
 * The wake work: one message at a time for a receiver that has had time to go to sleep. The latency runs from before
 * the sender's call to after the receiver's, so it contains both calls, the wake-up, and what the CPU needs to leave
 * idle.
 *
 * The sender waits until the receiver has the last message, then GAP_US more: longer than any peer polls before it
 * parks. --messages of them are a pass; the first pass warms up. One result line, phase "latency": seconds is the
 * median, the points of the distribution follow in microseconds, wall is what the measured passes took.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define GAP_US 400

static struct {
    const struct bench_work *work;
    uint64_t count;
    uint64_t *stamp_ns; /* when each was sent, published by the channel itself */
    uint64_t *took_ns;
    _Atomic uint64_t received;
    struct bench_check check; /* the receiver's until it has ended */
} wake;

static void *receiver_run(void *arg)
{
    (void)arg;
    bench_pin(wake.work, wake.work->senders);
    for (uint64_t i = 0; i < wake.count; i++) {
        bench_peer.receive(wake.work, &wake.check, 1);
        wake.took_ns[i] = bench_now_ns() - wake.stamp_ns[i];
        atomic_store_explicit(&wake.received, i + 1, memory_order_release);
    }
    return NULL;
}

static void send_all(void)
{
    const struct timespec gap = { .tv_nsec = GAP_US * 1000 };

    for (uint64_t i = 0; i < wake.count; i++) {
        while (atomic_load_explicit(&wake.received, memory_order_acquire) != i)
            clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL);
        wake.stamp_ns[i] = bench_now_ns();
        bench_peer.send(wake.work, 0, i, 1);
    }
}

static int number_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void result_print(uint64_t wall_ns, uint64_t cpu_ns, int ok)
{
    static const struct {
        const char *name;
        double share;
    } points[]     = { { "p1", .01 }, { "p10", .1 },  { "p25", .25 }, { "p50", .5 },   { "p75", .75 },
                       { "p90", .9 }, { "p95", .95 }, { "p99", .99 }, { "p999", .999 } };
    uint64_t count = wake.count - wake.work->messages;
    uint64_t *took = wake.took_ns + wake.work->messages;

    qsort(took, (size_t)count, sizeof *took, number_compare);
    printf("peer=%s phase=latency messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=%d wall=%.6f",
           bench_peer.name(wake.work), (unsigned long long)count, (unsigned long long)(count * wake.work->size),
           (double)took[count / 2] / 1e9, (double)cpu_ns / 1e9, ok, (double)wall_ns / 1e9);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        printf(" %s_us=%.3f", points[i].name, (double)took[(size_t)((double)count * points[i].share)] / 1e3);
    printf(" max_us=%.3f\n", (double)took[count - 1] / 1e3);
}

int bench_wake_run(const struct bench_work *work)
{
    pthread_t receiver;
    uint64_t wall_ns;
    uint64_t cpu_ns = bench_cpu_ns();
    int ok;

    wake.work     = work;
    wake.count    = work->messages * (work->passes + 1);
    wake.stamp_ns = bench_alloc((size_t)wake.count, sizeof *wake.stamp_ns);
    wake.took_ns  = bench_alloc((size_t)wake.count, sizeof *wake.took_ns);
    bench_peer.open(work);
    if (pthread_create(&receiver, NULL, receiver_run, NULL) != 0) bench_die("pthread_create", "failed");
    bench_pin(work, 0);
    wall_ns = bench_now_ns();
    send_all();
    pthread_join(receiver, NULL);
    wall_ns = (bench_now_ns() - wall_ns) * work->passes / (work->passes + 1);
    cpu_ns  = bench_cpu_ns() - cpu_ns;
    ok =
        wake.check.count == wake.count && wake.check.errors == 0 && wake.check.sum == wake.count * (wake.count - 1) / 2;
    result_print(wall_ns, cpu_ns, ok);
    bench_peer.close(work);
    free(wake.stamp_ns);
    free(wake.took_ns);
    return ok ? BENCH_OK : BENCH_FAILED;
}
