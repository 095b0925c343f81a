/* SPDX-License-Identifier: MIT */
/* The thread that receives records from the channel and writes them to standard output. */
#ifndef CLI_CONSUME_H
#define CLI_CONSUME_H

#include "control.h"
#include "output.h"
#include "taken.h"

#include <hopper/hopper.h>

#define CONSUMER_BATCH      4096
#define CONSUMER_BATCH_KEPT 1024 /* of a queue that stays: as many may come twice when the program is killed */

struct consumer {
    /* set by consumer_init() */
    struct control *control;
    hopper_receiver *rcv; /* stays main's */
    struct output output;
    struct taken taken;
    bool keeps;    /* the queue stays: acknowledge what the reader has taken, and only that */
    bool is_older; /* records of earlier runs are still coming */

    struct hopper_record batch[CONSUMER_BATCH];

    /* the thread's results, for others when is_done */
    uint64_t lost[HOPPER_GAP_REASONS]; /* records missing in the output, by enum hopper_gap; others in [0] */
    int error;                         /* 0, or the negated errno with which output_write() ended */
    bool is_complete;                  /* everything that was accepted has been received and written, or was a gap */
    atomic_bool is_done;
};

/* KEEPS: the channel survives, and was opened for explicit acknowledgement. */
void consumer_init(struct consumer *cons, struct control *control, hopper_receiver *rcv, int fd, bool keeps);

/* The thread's function; ARG is the struct consumer. */
void *consumer_run(void *arg);

#endif
