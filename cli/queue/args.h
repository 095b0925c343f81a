/* SPDX-License-Identifier: MIT */
/* The command line of hopper-queue. */
#ifndef QUEUE_ARGS_H
#define QUEUE_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct args;

/* What a record is followed by when it does not end in it anyway. */
enum args_end { ARGS_END_NONE, ARGS_END_LINE, ARGS_END_NUL };

struct args {
    int (*run)(const struct args *args); /* the command; returns the exit status */

    const char *dir;
    const char *name;    /* NULL: not given */
    const char *dest;    /* copy */
    uint64_t seq;        /* ack */
    uint64_t from;       /* 0: not given */
    uint64_t count;      /* UINT64_MAX: not given */
    uint64_t timeout_ms; /* 0: not given */
    uint64_t interval_ms;
    enum args_end end;
    bool is_json;
    bool is_frames;
    bool is_quick;
    bool is_unacked;
    bool is_dry_run;
    bool is_sure; /* --yes */
};

/* Read the command line. Returns true when ARGS is complete; else the status to exit with is in *STATUSP, and what is
 * to be said has been. */
bool args_parse(struct args *args, int argc, char **argv, int *statusp);

#endif
