/* SPDX-License-Identifier: MIT */
/* The runner's parts: plan.c says what is measured, added.c what besides, child.c runs one program, load.c watches
 * the machine, report.c keeps the samples and prints the tables, run.c goes through the rounds. */
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
    bool        quick; /* part of a quick run */
};

/* One piece of work, the same for all peers of the group. */
struct plan_column {
    const char *title; /* NULL ends a list */
    const char *args;
    bool        quick; /* part of a quick run */
};

/* What a table's programs measure; report.c says which phases their result lines have. */
enum plan_kind {
    PLAN_MEM,      /* "mem": messages sent and received at once */
    PLAN_OVERFLOW, /* "in", "out": all in, then all out */
    PLAN_DURABLE,  /* "durable": sends that return when the record is on the disk */
    PLAN_LATENCY,  /* "latency": how long it takes to wake a receiver */
    PLAN_PIPE,     /* "pipe": a file through a program */
    PLAN_BURST     /* "stall", "return": a burst while the receiver stands still */
};

/* One table: peers down, work across. */
struct plan_group {
    const char               *title; /* NULL ends the plan */
    const char               *unit;  /* "M/s", "k/s": messages; "MB/s": million bytes; "us": lower is better */
    const struct plan_peer   *peers; /* the first one is ours: ratios are its rate divided by the other's */
    const struct plan_column *columns;
    enum plan_kind            kind;
};

extern const struct plan_group plan[];

/* ---- added.c ---- */

#define PLAN_ADDED_MAX 8

/* Take TEXT, "NAME=PROGRAM ARGUMENTS", as a peer of every table but that of the pipe. Returns false, and has said why,
 * when it is not that or there is no such program. */
bool added_take(const char *text);

/* What the row of PEER is called, or NULL when it is the plan's, which is called what its program calls itself. PROGRAM
 * of an added peer is the path of a file. */
const char *added_name(const struct plan_peer *peer);

/* The peers of GROUP, the plan's and then the added ones; NULL beyond the last. */
const struct plan_peer *group_peer(const struct plan_group *group, size_t number);

/* ---- child.c ---- */

/* A result line: see harness.c. */
struct child_result {
    char               peer[48];
    char               phase[16];
    unsigned long long messages;
    unsigned long long bytes;
    double             seconds;
    double             cpu;
    int                ok;
    double             wall;       /* what a run took where that is not seconds; negative: not said */
    double             disk_bytes; /* the same for these */
    double             overflowed;
    char               more[640]; /* all else that the line said, as it did */
};

#define CHILD_RESULTS_MAX 4

/* What takes the time series of a program: NAME was VALUE SECONDS after its start. */
struct child_series {
    void (*add)(void *arg, double seconds, const char *name, double value);
    void *arg;
};

/* Run PATH with the arguments in the blank-separated texts of ARGS (NULL ends) and read its result lines. Returns its
 * exit status, or -1 when it could not be run, died of a signal, or said something else. SERIES may be NULL. */
int child_run(const char *path, const char *const *args, const struct child_series *series,
              struct child_result *results, size_t *countp);

/* The number that TEXT, "key=value" words, has for KEY, or OTHERWISE. */
double child_number(const char *text, const char *key, double otherwise);

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
bool   sample_is_cost(const struct sample *sample); /* less is better */
void   report_add(const struct sample *sample);
void   report_tsv_head(FILE *out);
void   report_tsv(FILE *out, const struct sample *sample);
void   report_series_head(FILE *out);
void   report_series(FILE *out, const struct sample *sample, double seconds, const char *name, double value);
void   report_tables(FILE *out);
void   report_machine(FILE *out, const char *prefix);

#endif
