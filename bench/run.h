/* SPDX-License-Identifier: MIT */
/* The runner's parts: plan.c says what is measured, child.c runs one program, load.c watches the machine, report.c
 * keeps the samples and prints the tables, run.c goes through the rounds. */
#ifndef HOPPER_BENCH_RUN_H
#define HOPPER_BENCH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- plan.c ---- */

/* One program of bench/, with what is its own in the arguments; BENCH-PROGRAM is the file. */
struct plan_peer {
    const char *program; /* NULL ends a list */
    const char *args;
};

/* One piece of work, the same for all peers of the group. */
struct plan_column {
    const char *title; /* NULL ends a list */
    const char *args;
    bool        quick; /* part of a quick run */
};

/* One table: peers down, work across. */
struct plan_group {
    const char               *title; /* NULL ends the plan */
    const char               *unit;  /* "M/s": million messages; "MB/s": million bytes */
    const struct plan_peer   *peers; /* the first one is ours: ratios are its rate divided by the other's */
    const struct plan_column *columns;
    bool                      calibrate; /* passes are chosen so that a run takes the time that was asked for */
};

extern const struct plan_group plan[];

/* ---- child.c ---- */

/* A result line: see harness.c. */
struct child_result {
    char               peer[48];
    char               phase[8];
    unsigned long long messages;
    unsigned long long bytes;
    double             seconds;
    double             cpu;
    int                ok;
    double             disk_bytes; /* negative: not said */
    double             overflowed; /* the same */
};

#define CHILD_RESULTS_MAX 4

/* Run PATH with the arguments in the blank-separated texts of ARGS (NULL ends) and read its result lines. Returns its
 * exit status, or -1 when it could not be run, died of a signal, or said something else. */
int child_run(const char *path, const char *const *args, struct child_result *results, size_t *countp);

/* ---- load.c ---- */

/* What the machine had done up to some moment. */
struct load_mark {
    double busy;  /* seconds of all CPUs together, this program and its children included */
    double own;   /* of them: this program and those of its children that have ended */
    double steal; /* seconds that the host kept from us */
    double wall;  /* seconds */
};

struct load {
    double average;   /* of the last minute, as in /proc/loadavg */
    double steal_pct; /* of all CPUs' time */
    double other_pct; /* used by neither this program nor its children */
};

void load_mark(struct load_mark *mark);
void load_since(const struct load_mark *mark, struct load *load);

/* Nanoseconds for a cache line to go from the first CPU to the last and back; 0 where there is only one. */
double load_line_ns(void);

/* ---- report.c ---- */

struct sample {
    const struct plan_group  *group;
    const struct plan_column *column;
    const struct plan_peer   *peer;
    unsigned                  round;
    struct child_result       result;
    struct load               load;
    double                    line_ns;
};

double sample_rate(const struct sample *sample);
void   report_add(const struct sample *sample);
void   report_tsv_head(FILE *out);
void   report_tsv(FILE *out, const struct sample *sample);
void   report_tables(FILE *out);
void   report_machine(FILE *out, const char *prefix);

#endif
