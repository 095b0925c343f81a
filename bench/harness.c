/* SPDX-License-Identifier: MIT */
/*
 * main() of a benchmark program: threads, CPUs, clock, checks and the result line, the same for every peer.
 *
 * mem: one thread for each sender and one for the receiver meet at a barrier, run a pass, and meet again when the
 * receiver has the last message; the first pass warms up, the others are measured. A pass begins with an empty channel
 * that has room for all of its messages (unless --slots says less). Its clock starts when the first thread leaves the
 * barrier and stops when the receiver has the last message. overflow: a sender's thread puts all in, then the
 * receiver's thread takes all out, each with its own time; before that a twentieth of the data goes the same way, not
 * measured. With --work-passes the receiver works on each record before it takes the next. With --pin 1 the receiver has
 * the last CPU for itself and the senders share the others in turn.
 *
 * One line on standard output for each phase, "key=value" separated by blanks:
 *   peer=NAME phase=mem|in|out messages=N bytes=N seconds=S cpu=S ok=1 [more=...]
 * cpu is what the process and the kernel on its behalf used meanwhile. ok=0 when a message was missing, came twice,
 * out of its sender's order or damaged; then the program fails as well.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>

/* Everything that the threads of one run share. */
struct run {
    struct bench_work  work;
    struct bench_data  data;
    pthread_barrier_t  start;
    pthread_barrier_t  end;
    struct bench_check check; /* the receiver's, read by main after the end barrier */
    uint64_t           sum;   /* what check.sum must come to */
    uint64_t           start_ns[BENCH_SENDERS_MAX + 1];
    uint64_t           end_ns;
    uint64_t           cpu_ns;    /* when the measured passes began */
    uint64_t           mix_bytes; /* of a mix: received in the measured passes */
};

struct thread {
    pthread_t   id;
    struct run *run;
    unsigned    number; /* of the sender; work.senders: the receiver */
};

/* ---- mem: all threads at once ---- */

/* What sender NUMBER sends in one pass; the first ones take what does not divide. */
static uint64_t share(const struct bench_work *work, unsigned number)
{
    return work->messages / work->senders + (number < work->messages % work->senders);
}

static void *thread_run(void *arg)
{
    struct thread     *self = arg;
    struct run        *run = self->run;
    struct bench_work *work = &run->work;
    uint64_t           first = 0;

    bench_pin(work, self->number);
    for (uint64_t pass = 0; pass <= work->passes; pass++) {
        pthread_barrier_wait(&run->start);
        run->start_ns[self->number] = bench_now_ns();
        if (self->number == work->senders) {
            bench_peer.receive(work, &run->check, work->messages);
            run->end_ns = bench_now_ns();
        } else {
            bench_peer.send(work, self->number, first, share(work, self->number));
            first += share(work, self->number);
        }
        pthread_barrier_wait(&run->end);
    }
    return NULL;
}

static uint64_t sum_expected(const struct bench_work *work)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < work->senders; i++) {
        uint64_t count = share(work, i) * (work->passes + 1);

        sum += ((uint64_t)i << BENCH_COUNTER_BITS) * count;
        sum += count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count;
    }
    return sum;
}

static uint64_t start_first(const struct run *run)
{
    uint64_t first = run->start_ns[0];

    for (unsigned i = 1; i <= run->work.senders; i++)
        if (run->start_ns[i] < first) first = run->start_ns[i];
    return first;
}

static int result_print(struct run *run, const char *phase, uint64_t messages, uint64_t bytes, uint64_t wall_ns, int ok)
{
    printf("peer=%s phase=%s messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=%d", bench_peer.name(&run->work), phase,
           (unsigned long long)messages, (unsigned long long)bytes, (double)wall_ns / 1e9,
           (double)(bench_cpu_ns() - run->cpu_ns) / 1e9, ok);
    if (bench_peer.report != NULL) bench_peer.report(&run->work, stdout);
    putchar('\n');
    return ok ? BENCH_OK : BENCH_FAILED;
}

static void threads_start(struct run *run, struct thread *thread, unsigned count)
{
    pthread_barrier_init(&run->start, NULL, count + 1);
    pthread_barrier_init(&run->end, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        thread[i] = (struct thread){.run = run, .number = i};
        if (pthread_create(&thread[i].id, NULL, thread_run, &thread[i]) != 0) bench_die("pthread_create", "failed");
    }
}

static int mem_run(struct run *run)
{
    struct bench_work        *work = &run->work;
    const struct bench_check *check = &run->check;
    unsigned                  threads = work->senders + 1;
    struct thread            *thread = bench_alloc(threads, sizeof *thread);
    uint64_t                  measured = work->passes * work->messages;
    uint64_t                  wall_ns = 0;
    int                       status;
    int                       ok;

    bench_peer.open(work);
    threads_start(run, thread, threads);
    for (uint64_t pass = 0; pass <= work->passes; pass++) {
        if (pass == 1) run->cpu_ns = bench_cpu_ns();
        if (pass == 1) run->mix_bytes = check->bytes;
        pthread_barrier_wait(&run->start);
        pthread_barrier_wait(&run->end);
        if (pass > 0) wall_ns += run->end_ns - start_first(run);
    }
    run->mix_bytes = check->bytes - run->mix_bytes;
    ok = check->count == measured + work->messages && check->errors == 0 && check->sum == sum_expected(work);
    status = result_print(run, "mem", measured, work->mix ? run->mix_bytes : measured * work->size, wall_ns, ok);
    for (unsigned i = 0; i < threads; i++) pthread_join(thread[i].id, NULL);
    bench_peer.close(work);
    free(thread);
    return status;
}

/* ---- overflow: all in, then all out ---- */

/* The receiver's half, in a thread of its own, on its own CPU. */
static void *drain_run(void *arg)
{
    struct run *run = arg;

    bench_pin(&run->work, run->work.senders);
    run->start_ns[0] = bench_now_ns();
    bench_peer.drain(&run->work, &run->check, run->data.count);
    run->end_ns = bench_now_ns();
    return NULL;
}

static void drain_all(struct run *run)
{
    pthread_t receiver;

    run->check = (struct bench_check){.work_passes = run->work.work_passes};
    run->cpu_ns = bench_cpu_ns();
    if (pthread_create(&receiver, NULL, drain_run, run) != 0) bench_die("pthread_create", "failed");
    pthread_join(receiver, NULL);
}

static int overflow_run(struct run *run)
{
    struct bench_data *data = &run->data;
    size_t             count;
    uint64_t           wall_ns;
    int                status;
    int                ok;

    bench_data_make(data, &run->work);
    count = data->count;
    bench_peer.open(&run->work); /* not pinned yet: threads of the peer's own may be anywhere */
    bench_pin(&run->work, 0);

    data->count = count / 20; /* warm-up: the same way */
    bench_peer.fill(&run->work, data->records, data->count);
    drain_all(run);
    data->count = count;

    run->cpu_ns = bench_cpu_ns();
    wall_ns = bench_now_ns();
    bench_peer.fill(&run->work, data->records, count);
    wall_ns = bench_now_ns() - wall_ns;
    status = result_print(run, "in", count, data->bytes, wall_ns, 1);

    drain_all(run);
    ok = run->check.count == count && run->check.bytes == data->bytes && run->check.digest == data->digest &&
         run->check.work_sum == data->sum;
    status |= result_print(run, "out", count, data->bytes, run->end_ns - run->start_ns[0], ok);
    bench_peer.close(&run->work);
    bench_data_free(data);
    return status;
}

int main(int argc, char **argv)
{
    static struct run run; /* too large for the stack's taste */
    int               status = bench_args(argc, argv, &run.work);

    if (status != BENCH_OK) return status;
    if (bench_peer.name(&run.work) == NULL) return BENCH_UNSUPPORTED;
    bench_cpus(&run.work);
    if (run.work.kind == BENCH_WAKE) return bench_wake_run(&run.work);
    if (run.work.kind == BENCH_BURST) return bench_burst_run(&run.work);
    if (run.work.kind == BENCH_DURABLE) return bench_durable_run(&run.work);
    return run.work.kind == BENCH_MEM ? mem_run(&run) : overflow_run(&run);
}
