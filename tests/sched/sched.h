/* SPDX-License-Identifier: MIT */
/*
 * A deterministic scheduler for pthread code, as a scenario and its runner see it.
 *
 * A scenario is a function that makes threads with pthread_create(), joins them, and checks what came out. The same
 * function is run again and again, each time under another schedule: the order in which the threads take their visible
 * steps (a mutex, a condition variable, an atomic access, a call of sched_touch()). All threads are fibers of one real
 * thread, so a schedule is a list of decisions, and the same list gives the same run.
 *
 * The code under test is not changed: its calls of pthread_*() and malloc() come here because the program is linked
 * with --wrap, and its atomic accesses because it was compiled with -fsanitize=thread and linked with our own hooks.
 * README.md says what is explored and how a failure is replayed.
 */
#ifndef SCHED_H
#define SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one schedule came to. */
enum sched_outcome {
    SCHED_CLEAN,    /* the scenario returned and every thread had been joined */
    SCHED_FAILED,   /* a check or an assertion failed, or the program crashed */
    SCHED_DEADLOCK, /* no thread can go on: locks in a circle, or a wakeup that was lost */
    SCHED_LIVELOCK, /* more steps than the cap */
    SCHED_MISUSE,   /* unlock by a stranger, destroyed while in use, locked twice, thread not joined */
    SCHED_LEAK,     /* the run ended with memory still allocated */
    SCHED_PRUNED,   /* stopped early: everything that could follow has been run before */
    SCHED_DIVERGED /* a replay, or a repeated prefix, did not meet the same choices: the scenario is not deterministic */
};

enum sched_mode {
    SCHED_DFS,    /* every schedule with at most `bound` preemptions, one after the other */
    SCHED_RANDOM, /* each choice at random, with a rate of switching that differs from schedule to schedule */
    SCHED_PCT     /* random priorities with `bound` - 1 random changes (probabilistic concurrency testing) */
};

/* When a timed wait may time out. */
enum sched_timeouts {
    SCHED_TIMEOUTS_ANY,  /* at any point; SCHED_DFS: costs one preemption while some thread can go on */
    SCHED_TIMEOUTS_LATE, /* only when no thread can go on, the earliest first */
    SCHED_TIMEOUTS_NEVER /* never: a wakeup that is lost stays lost */
};

#define SCHED_ALL_PREEMPTIONS 1000000 /* as the bound of SCHED_DFS: no bound */

/* One way of running a scenario. */
struct sched_plan {
    enum sched_mode mode;
    uint64_t schedules; /* at most; 0 with SCHED_DFS: until everything has been run */
    unsigned bound;     /* see enum sched_mode */
    unsigned spurious;  /* at most so many wakeups per schedule that nobody sent */
    enum sched_timeouts timeouts;
    bool plain; /* plain memory accesses of the code under test are steps as well */
};

#define SCHED_PLANS_MAX 6

struct sched_scenario {
    const char *name;
    void (*body)(void);
    enum sched_outcome expect;                /* SCHED_CLEAN; for a canary: what has to be found, in every plan */
    struct sched_plan plans[SCHED_PLANS_MAX]; /* run by `make check`; the first with neither schedules nor bound ends */
};

/* The program around a list of scenarios: reads the arguments, runs, prints TAP. Returns the exit status. */
int sched_main(int argc, char **argv, const struct sched_scenario *const *scenarios, size_t count);

/* ---- for the body of a scenario, while a schedule runs ----------------------------------------------------------- */

/* End this schedule as failed. */
_Noreturn void sched_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define SCHED_CHECK(cond)                                                              \
    do {                                                                               \
        if (!(cond)) sched_fail("%s:%d: check failed: %s", __FILE__, __LINE__, #cond); \
    } while (0)

/* A number below COUNT, chosen as part of the schedule: SCHED_DFS runs all of them. For faults and for variants. */
unsigned sched_choose(unsigned count);

/* A visible step on OBJECT: for what threads share without a lock or an atomic of their own, such as a file system.
 * WHAT is for traces; static text. */
void sched_touch(const void *object, const char *what);

/* The virtual clock, in nanoseconds. It moves only when a timed wait times out, to that wait's deadline, and by
 * sched_advance(). */
uint64_t sched_now_ns(void);
void sched_advance_ns(uint64_t ns);

/* Visible steps taken so far in this schedule by all threads: the order of events, for a history. */
uint64_t sched_step_count(void);

/* How often thread ID (0 is the scenario's own, then in order of creation) has gone to wait in a condition variable. */
unsigned sched_waits(int id);

/* Whether it waits in one now. */
bool sched_is_waiting(int id);

/* From now on, in this schedule, pthread_create() fails with ERROR; 0: no longer. */
void sched_refuse_threads(int error);

/* When timed waits time out in this schedule. */
enum sched_timeouts sched_timeouts(void);

#endif
