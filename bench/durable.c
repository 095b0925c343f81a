/* SPDX-License-Identifier: MIT */
/*
 * The durable work: every send returns when its message would survive a power loss, so that all that counts is how many
 * senders share one sync of the device.
 *
 * All senders meet at a barrier, send their share one by one, and meet again: that is a pass, and the clock runs from
 * the first to leave the barrier to the last to come back. The first pass warms up. When all passes are done the
 * receiver takes everything, outside the clock, and checks it as in the mem work. Nobody is pinned: threads that wait
 * for a device most of the time gain nothing from it.
 *
 * What a peer's flush is worth is the device's affair, and the same for all peers of a run: a virtual disk may say
 * "done" when its host's memory has it.
 */
#include "bench.h"

#include <pthread.h>

struct run {
    const struct bench_work *work;
    pthread_barrier_t start;
    pthread_barrier_t end;
    uint64_t start_ns[BENCH_SENDERS_MAX];
    uint64_t end_ns[BENCH_SENDERS_MAX];
};

struct thread {
    pthread_t id;
    struct run *run;
    unsigned number;
};

/* What each sender sends in one pass. */
static uint64_t share(const struct bench_work *work)
{
    return work->messages / work->senders > 0 ? work->messages / work->senders : 1;
}

static void *sender_run(void *arg)
{
    struct thread *self           = arg;
    struct run *run               = self->run;
    const struct bench_work *work = run->work;

    for (uint64_t pass = 0; pass <= work->passes; pass++) {
        pthread_barrier_wait(&run->start);
        run->start_ns[self->number] = bench_now_ns();
        bench_peer.send(work, self->number, pass * share(work), share(work));
        run->end_ns[self->number] = bench_now_ns();
        pthread_barrier_wait(&run->end);
    }
    return NULL;
}

static uint64_t pass_ns(const struct run *run)
{
    uint64_t start = run->start_ns[0];
    uint64_t end   = run->end_ns[0];

    for (unsigned i = 1; i < run->work->senders; i++) {
        if (run->start_ns[i] < start) start = run->start_ns[i];
        if (run->end_ns[i] > end) end = run->end_ns[i];
    }
    return end - start;
}

/* All that was sent has to come, each sender's in order. */
static int all_received(const struct bench_work *work)
{
    static struct bench_check check;
    uint64_t each = share(work) * (work->passes + 1);
    int ok;

    bench_peer.receive(work, &check, each * work->senders);
    ok = check.count == each * work->senders && check.errors == 0;
    for (unsigned i = 0; i < work->senders; i++) ok = ok && check.next[i] == each;
    return ok;
}

static void result_print(const struct bench_work *work, uint64_t wall_ns, double cpu, int ok)
{
    uint64_t messages = share(work) * work->senders * work->passes;

    printf("peer=%s phase=durable messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=%d", bench_peer.name(work),
           (unsigned long long)messages, (unsigned long long)(messages * work->size), (double)wall_ns / 1e9, cpu, ok);
    if (bench_peer.report != NULL) bench_peer.report(work, stdout);
    putchar('\n');
}

int bench_durable_run(const struct bench_work *work)
{
    static struct run run;
    struct thread thread[BENCH_SENDERS_MAX];
    uint64_t wall_ns = 0;
    uint64_t cpu_ns  = 0;
    int ok;

    run.work = work;
    bench_peer.open(work);
    pthread_barrier_init(&run.start, NULL, work->senders + 1);
    pthread_barrier_init(&run.end, NULL, work->senders + 1);
    for (unsigned i = 0; i < work->senders; i++) {
        thread[i] = (struct thread){ .run = &run, .number = i };
        if (pthread_create(&thread[i].id, NULL, sender_run, &thread[i]) != 0) bench_die("pthread_create", "failed");
    }
    for (uint64_t pass = 0; pass <= work->passes; pass++) {
        if (pass == 1) cpu_ns = bench_cpu_ns();
        pthread_barrier_wait(&run.start);
        pthread_barrier_wait(&run.end);
        if (pass > 0) wall_ns += pass_ns(&run);
    }
    cpu_ns = bench_cpu_ns() - cpu_ns;
    for (unsigned i = 0; i < work->senders; i++) pthread_join(thread[i].id, NULL);
    ok = all_received(work);
    result_print(work, wall_ns, (double)cpu_ns / 1e9, ok);
    bench_peer.close(work);
    return ok ? BENCH_OK : BENCH_FAILED;
}
