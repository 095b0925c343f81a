/* SPDX-License-Identifier: MIT */
/*
 * A scenario on a crash_disk, and after every call that changes the disk and after every call of the library: the
 * process is killed, and the power is cut in all the ways that are asked for; each time the library opens what is left,
 * the ledger judges what comes, and then sending, receiving and closing have to work. Some of these recoveries are
 * watched in the same way themselves: a crash during recovery. docs/durability.md has the rules.
 */
#ifndef TESTS_CRASH_RUN_H
#define TESTS_CRASH_RUN_H

#include "crash_disk.h"
#include "life.h"

struct crash_run {
    struct life life;
    struct crash_disk *disk;
    /* the rest is crash_run.c's */
    struct crash_job *job;
    unsigned level;
    uint64_t state_syncs;
    uint64_t seed;
};

struct crash_scenario {
    const char *name;
    void (*set)(struct hopper_options *options); /* over small budgets, refuse when full, not compressed */
    void (*run)(struct crash_run *run);          /* begins with nothing open, may end in any way */
};

/* What a scenario may do besides using run->life. */
void crash_run_kill(struct crash_run *run);      /* the process is gone; the next one has not opened anything yet */
void crash_run_power_cut(struct crash_run *run); /* with nothing but what was synced left */
void crash_run_fail_syncs(struct crash_run *run, uint64_t at, uint64_t count); /* crash_disk_fail_syncs */
void crash_run_heal(struct crash_run *run);                                    /* and no more */

struct crash_counts {
    uint64_t points;    /* at which a crash was tried */
    uint64_t points_in; /* of them: during a recovery */
    uint64_t states;    /* made */
    uint64_t recovered; /* that were different, and recovered and judged */
    uint64_t kills;     /* of them: of the process only */
    uint64_t watched;   /* recoveries during which crashes were tried */
};

struct crash_effort {
    unsigned exhaustive; /* crash_how */
    unsigned samples;    /* crash_how */
    unsigned inner;      /* samples during a recovery */
    unsigned watch;      /* one recovery in so many is watched */
    unsigned every;      /* one point in so many is tried */
};

/* Run one scenario. WHY, of 2000 bytes: "" or what was wrong, with how to see it again. */
void crash_run_scenario(const struct crash_scenario *scenario, enum crash_profile profile, enum crash_lie lie,
                        const struct crash_effort *effort, uint64_t seed, struct crash_counts *counts, char *why);

#endif
