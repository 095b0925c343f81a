/* SPDX-License-Identifier: MIT */
/*
 * How busy the machine was, and how far its CPUs are apart. The reader of a result has to know both: on a shared or
 * virtual machine the same program differs by a factor of five between an hour when two virtual CPUs are on one core
 * of the host and an hour when they are not.
 */
#include "run.h"

#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TRIPS 2000

static double wall_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_of(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage) != 0) return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void load_mark(struct load_mark *mark)
{
    unsigned long long user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    double             ticks = (double)sysconf(_SC_CLK_TCK);
    FILE              *in = fopen("/proc/stat", "r");

    *mark = (struct load_mark){.wall = wall_now(), .own = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN)};
    if (in == NULL) return;
    if (fscanf(in, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq, &softirq,
               &steal) == 8) {
        mark->busy = (double)(user + nice + system + irq + softirq) / ticks;
        mark->steal = (double)steal / ticks;
    }
    fclose(in);
}

void load_since(const struct load_mark *mark, struct load *load)
{
    struct load_mark now;
    double           all;
    FILE            *in = fopen("/proc/loadavg", "r");

    *load = (struct load){0};
    if (in != NULL) {
        if (fscanf(in, "%lf", &load->average) != 1) load->average = 0;
        fclose(in);
    }
    load_mark(&now);
    all = (now.wall - mark->wall) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (all <= 0) return;
    load->steal_pct = 100 * (now.steal - mark->steal) / all;
    load->other_pct = 100 * (now.busy - mark->busy - (now.own - mark->own)) / all;
    if (load->other_pct < 0) load->other_pct = 0; /* the clock of /proc/stat is coarse */
}

/* ---- a cache line between two CPUs ---- */

static struct {
    alignas(128) _Atomic unsigned turn; /* even: the first CPU's, odd: the other's */
    int cpu;                            /* of the answering thread */
} table_tennis;

static void cpu_bind(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* Returns when the second half of the trips began: by then both threads are awake. */
static double turns_play(unsigned mine)
{
    double half = 0;

    for (unsigned trip = 0; trip < TRIPS; trip++) {
        if (trip == TRIPS / 2) half = wall_now();
        while (atomic_load_explicit(&table_tennis.turn, memory_order_acquire) != 2 * trip + mine) continue;
        atomic_store_explicit(&table_tennis.turn, 2 * trip + mine + 1, memory_order_release);
    }
    return half;
}

static void *answer(void *arg)
{
    (void)arg;
    cpu_bind(table_tennis.cpu);
    turns_play(1);
    return NULL;
}

double load_line_ns(void)
{
    cpu_set_t all;
    int       first = -1;
    int       last = -1;
    double    took = 0;
    pthread_t thread;

    if (sched_getaffinity(0, sizeof all, &all) != 0) return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &all)) continue;
        if (first < 0) first = cpu;
        last = cpu;
    }
    if (first == last) return 0;
    atomic_store(&table_tennis.turn, 0);
    table_tennis.cpu = last;
    cpu_bind(first);
    if (pthread_create(&thread, NULL, answer, NULL) == 0) {
        took = turns_play(0);
        took = wall_now() - took;
        pthread_join(thread, NULL);
    }
    sched_setaffinity(0, sizeof all, &all);
    return took * 1e9 / (TRIPS - TRIPS / 2);
}
