/* SPDX-License-Identifier: MIT */
/*
 * The burst work: what happens to memory, disk and the sender while the receiver stands still, and after it.
 *
 *   0 ms        STEADY_MS          STEADY_MS + STALL_MS          caught up     + STEADY_MS
 *   | steady    | receiver stalls; the sender sends a burst,   | receiver      | steady      | end
 *   |           | --bytes at full speed, then steadily again   | returns       |             |
 *
 * Steadily means STEADY_RATE messages a second, in groups of 64. A sender that has to wait for the receiver waits, and
 * the burst takes as long as that. Two result lines: phase "stall", the sender's burst; phase "return", what the
 * receiver took from its return until it had all. Every SAMPLE_MS lines for a picture go before them:
 *   series SECONDS NAME VALUE      sent, received, pending: messages; memory_bytes: resident in the process; disk_bytes
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STEADY_MS   300
#define STALL_MS    1500
#define STEADY_RATE 64000
#define SAMPLE_MS   10
#define PIECE       64

static struct {
    struct bench_work work;
    uint64_t start_ns;
    uint64_t burst; /* messages */
    _Atomic uint64_t sent;
    _Atomic uint64_t received;
    _Atomic bool is_over; /* the sender may stop */
    _Atomic bool is_done; /* the receiver has all that the sender sent */
    _Atomic bool is_sent; /* nothing more comes */
    uint64_t burst_ns;
    uint64_t return_ns;
    uint64_t returned; /* messages that the receiver took meanwhile */
    struct bench_check check;
} burst;

static uint64_t since_start_ns(void)
{
    return bench_now_ns() - burst.start_ns;
}

static void sleep_until(uint64_t ns)
{
    uint64_t at        = burst.start_ns + ns;
    struct timespec ts = { (time_t)(at / 1000000000), (long)(at % 1000000000) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0) continue;
}

/* ---- the two sides ---- */

static void piece_send(void)
{
    uint64_t sent = atomic_load_explicit(&burst.sent, memory_order_relaxed);

    bench_peer.send(&burst.work, 0, sent, PIECE);
    atomic_store_explicit(&burst.sent, sent + PIECE, memory_order_release);
}

/* At STEADY_RATE until UNTIL_NS, or until it is over. */
static void steady_send(uint64_t until_ns)
{
    for (uint64_t at = since_start_ns(); at < until_ns && !atomic_load(&burst.is_over);) {
        piece_send();
        at += UINT64_C(1000000000) / STEADY_RATE * PIECE;
        sleep_until(at);
    }
}

static void *sender_run(void *arg)
{
    uint64_t start_ns;

    (void)arg;
    bench_pin(&burst.work, 0);
    steady_send(STEADY_MS * UINT64_C(1000000));
    start_ns = since_start_ns();
    for (uint64_t i = 0; i < burst.burst; i += PIECE) piece_send();
    burst.burst_ns = since_start_ns() - start_ns;
    steady_send(UINT64_MAX);
    atomic_store(&burst.is_sent, true);
    return NULL;
}

/* Take what has been sent, a piece at most. Returns false when there is nothing. */
static bool piece_receive(void)
{
    uint64_t received = atomic_load_explicit(&burst.received, memory_order_relaxed);
    uint64_t some     = atomic_load_explicit(&burst.sent, memory_order_acquire) - received;

    if (some == 0) return false;
    if (some > 16 * PIECE) some = 16 * PIECE;
    bench_peer.receive(&burst.work, &burst.check, some);
    atomic_store_explicit(&burst.received, received + some, memory_order_release);
    return true;
}

static void steady_receive(uint64_t until_ns)
{
    while (since_start_ns() < until_ns)
        if (!piece_receive()) sleep_until(since_start_ns() + 200000);
}

static void *receiver_run(void *arg)
{
    uint64_t start_ns;
    uint64_t before;

    (void)arg;
    bench_pin(&burst.work, burst.work.senders);
    steady_receive(STEADY_MS * UINT64_C(1000000));
    sleep_until((STEADY_MS + STALL_MS) * UINT64_C(1000000));
    start_ns = since_start_ns();
    before   = atomic_load(&burst.received);
    while (piece_receive()) continue;
    burst.return_ns = since_start_ns() - start_ns;
    burst.returned  = atomic_load(&burst.received) - before;
    steady_receive(since_start_ns() + STEADY_MS * UINT64_C(1000000));
    atomic_store(&burst.is_over, true);
    while (!atomic_load(&burst.is_sent)) piece_receive();
    while (piece_receive()) continue;
    atomic_store(&burst.is_done, true);
    return NULL;
}

/* ---- the picture ---- */

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *in = fopen("/proc/self/statm", "r");

    if (in == NULL) return 0;
    if (fscanf(in, "%llu %llu", &size, &resident) != 2) resident = 0;
    fclose(in);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The largest of what was seen. */
struct most {
    uint64_t memory, disk;
};

static void sample_print(struct most *most)
{
    double seconds    = (double)since_start_ns() / 1e9;
    uint64_t received = atomic_load(&burst.received); /* before sent: never more than that */
    uint64_t sent     = atomic_load(&burst.sent);
    uint64_t memory   = resident_bytes();
    uint64_t disk     = bench_peer.disk != NULL ? bench_peer.disk(&burst.work) : 0;

    if (memory > most->memory) most->memory = memory;
    if (disk > most->disk) most->disk = disk;
    printf("series %.6f sent %llu\nseries %.6f received %llu\nseries %.6f pending %llu\n"
           "series %.6f memory_bytes %llu\nseries %.6f disk_bytes %llu\n",
           seconds, (unsigned long long)sent, seconds, (unsigned long long)received, seconds,
           (unsigned long long)(sent - received), seconds, (unsigned long long)memory, seconds,
           (unsigned long long)disk);
}

static void line_print(const char *phase, uint64_t messages, uint64_t ns, const struct most *most, int ok)
{
    uint64_t mean = burst.work.mix ? BENCH_MIX_MEAN : burst.work.size;

    printf(
        "peer=%s phase=%s messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=%d wall=%.6f memory_max=%llu disk_max=%llu",
        bench_peer.name(&burst.work), phase, (unsigned long long)messages, (unsigned long long)(messages * mean),
        (double)ns / 1e9, (double)bench_cpu_ns() / 1e9, ok, (double)since_start_ns() / 1e9,
        (unsigned long long)most->memory, (unsigned long long)most->disk);
    if (bench_peer.report != NULL) bench_peer.report(&burst.work, stdout);
    putchar('\n');
}

int bench_burst_run(const struct bench_work *work)
{
    pthread_t sender, receiver;
    struct most most = { 0, 0 };
    uint64_t sent;
    int ok;

    burst.work         = *work;
    burst.work.senders = 1;
    burst.burst        = work->bytes / (work->mix ? BENCH_MIX_MEAN : work->size) / PIECE * PIECE;
    free(bench_group_alloc(&burst.work, 0)); /* its text is made before the clock runs */
    bench_peer.open(&burst.work);
    burst.start_ns = bench_now_ns();
    if (pthread_create(&sender, NULL, sender_run, NULL) != 0 ||
        pthread_create(&receiver, NULL, receiver_run, NULL) != 0)
        bench_die("pthread_create", "failed");
    for (uint64_t at = 0; !atomic_load(&burst.is_done); at += SAMPLE_MS * UINT64_C(1000000)) {
        sleep_until(at);
        sample_print(&most);
    }
    pthread_join(sender, NULL);
    pthread_join(receiver, NULL);
    sent = atomic_load(&burst.sent);
    ok   = burst.check.count == sent && burst.check.errors == 0 && burst.check.sum == sent * (sent - 1) / 2;
    line_print("stall", burst.burst, burst.burst_ns, &most, 1);
    line_print("return", burst.returned, burst.return_ns, &most, ok);
    bench_peer.close(&burst.work);
    return ok ? BENCH_OK : BENCH_FAILED;
}
