/* SPDX-License-Identifier: MIT */
/*
 * Which way to go where a schedule has a choice: depth first with a bound on preemptions, at random, by priorities, or
 * as a recorded schedule says. Knows nothing of pthreads; core.c asks, the runner sets up.
 *
 * A recorded schedule is text, such as "a12.b.Tb.c3.V1": thread a goes on at twelve choices, thread b at one, the timed
 * wait of b times out, c goes on three times, and a choice of a number is 1. `S` is a spurious wakeup.
 */
#ifndef SCHED_EXPLORE_H
#define SCHED_EXPLORE_H

#include <stdio.h>

#include "sched.h"

#define EXPLORE_OPTIONS_MAX 32

enum explore_how { HOW_RUN = 0, HOW_TIMEOUT, HOW_SPURIOUS, HOW_VALUE };

/* One way to go on: THREAD runs, or its wait ends; or a number. */
struct explore_option {
    unsigned char how;    /* enum explore_how */
    unsigned char thread; /* or the number */
};

struct explore_question {
    struct explore_option option[EXPLORE_OPTIONS_MAX];
    unsigned count;      /* at least 2 */
    bool can_stay;       /* option[0] is the thread that has run last: the others preempt it */
    int current;         /* that thread */
    uint64_t state_hash; /* what the threads are in: see core.h */
    uint64_t step;       /* of this schedule */
};

#define EXPLORE_STOP     (-1) /* everything that could follow has been seen */
#define EXPLORE_DIVERGED (-2) /* the choice that was to be repeated is not there */

struct explore_setup {
    const struct sched_plan *plan;
    uint64_t seed;
    uint64_t first;     /* number of the first schedule */
    uint64_t steps;     /* SCHED_PCT: of an ordinary schedule; changes of priority are spread over them */
    bool cache;         /* SCHED_DFS: leave out what follows a state that has been seen */
    const char *replay; /* NULL, or a recorded schedule: then PLAN's mode is not used */
};

/* Begin a plan. False when the recorded schedule makes no sense. */
bool explore_start(const struct explore_setup *setup);
/* Begin the next schedule. */
void explore_begin(void);
/* The index of the option to take, or EXPLORE_STOP, or EXPLORE_DIVERGED. */
int explore_ask(const struct explore_question *question);
/* After a schedule: false when there is nothing more to run. */
bool explore_next(void);

struct explore_report {
    uint64_t schedules; /* begun */
    uint64_t pruned;    /* of them stopped early */
    uint64_t states;    /* remembered */
    bool is_exhausted;  /* nothing is left within the bound */
    uint64_t number;    /* of the last schedule; its seed is made of the plan's seed and this */
};

void explore_get_report(struct explore_report *report);
void explore_print_schedule(FILE *out);
/* The recorded choices of the last schedule as text, to be freed. */
char *explore_schedule_text(void);

#endif
