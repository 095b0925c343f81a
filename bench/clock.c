/* SPDX-License-Identifier: MIT */
/*
 * What all benchmark programs need whatever they measure: the clock, the CPUs, memory, and a way out. Apart from
 * harness.c, so that a program with a main() of its own can have it.
 */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static cpu_set_t cpus; /* that the process may use */

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(BENCH_FAILED);
}

void *bench_alloc(size_t count, size_t size)
{
    void *ptr = calloc(count, size);

    if (ptr == NULL) bench_die("calloc", "no memory");
    return ptr;
}

uint64_t bench_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static uint64_t timeval_ns(struct timeval tv)
{
    return (uint64_t)tv.tv_sec * UINT64_C(1000000000) + (uint64_t)tv.tv_usec * 1000;
}

uint64_t bench_cpu_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

/* ---- CPUs ---- */

void bench_cpus(const struct bench_work *work)
{
    unsigned left = work->cpus;

    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) bench_die("sched_getaffinity", strerror(errno));
    if (left == 0) return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &cpus)) continue;
        if (left == 0) CPU_CLR(cpu, &cpus);
        else left--;
    }
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) bench_die("sched_setaffinity", strerror(errno));
}

/* Which of the COUNT CPUs is for thread NUMBER. */
static int cpu_choose(const struct bench_work *work, unsigned number, int count)
{
    if (number == work->senders || count == 1) return count - 1;
    return (int)(number % (unsigned)(count - 1));
}

void bench_pin(const struct bench_work *work, unsigned number)
{
    cpu_set_t one;
    int chosen = cpu_choose(work, number, CPU_COUNT(&cpus));

    if (!work->pin) return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &cpus) || chosen-- > 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}
