/* SPDX-License-Identifier: MIT */
/* What the main thread does while the others work: signals, the progress line, the warning about a full disk. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "args.h"
#include "consume.h"
#include "control.h"
#include "produce.h"
#include "progress.h"
#include "signals.h"

#include <hopper/hopper.h>
#include <pthread.h>

struct watch {
    /* set before watch_init() */
    const struct args *args;
    struct control *control;
    struct signals *signals;
    struct producer *producer;
    struct consumer *consumer;
    pthread_t producer_thread;
    pthread_t consumer_thread;
    hopper_receiver *rcv;              /* for the books; NULL once it is closed */
    const char *dir;                   /* where the queue files are */
    const struct hopper_stats *before; /* the books when the channel was opened */
    uint64_t recovered;                /* records of earlier runs that were in it then */

    /* results */
    int signal;        /* the last signal that asked for an end, 0: none did */
    uint64_t start_ms; /* of the monotonic clock */

    /* watch.c's own */
    struct progress progress;
    bool shows_progress;
    bool is_full_told;
    uint64_t sample_at_ms;
    uint64_t show_at_ms;
    uint64_t kick_at_ms; /* UINT64_MAX: nobody is to be interrupted */
    uint64_t kick_pause_ms;
    uint64_t second_at_ms; /* from here on another signal counts as the second one */
    uint64_t drain_note_at_ms;
    uint64_t give_up_at_ms;
    uint64_t patience_at_ms; /* a queue that stays: what was read has to be in it by then, or something has moved */
    uint64_t patience_delivered;
};

/* Both threads run. Start the clock. */
void watch_init(struct watch *w);

/* Attend to everything until *IS_DONE, which is one of the two threads'. Returns 0, or -1 when the thread was told to
 * abandon its work and does not come back: it hangs in a system call that cannot be interrupted. Also until
 * control.abandon, for the end of a queue that stays: then all that was read is in it, or nobody makes room any
 * more. */
int watch_until(struct watch *w, atomic_bool *is_done);

/* The same for MS milliseconds at the most, or a little longer; *IS_DONE. */
bool watch_for(struct watch *w, atomic_bool *is_done, uint64_t ms);

/* Ask both threads to read no more, or also to write no more. */
void watch_stop(struct watch *w);
void watch_abandon(struct watch *w);

/* A last progress line, when one is shown. */
void watch_finish(struct watch *w);

uint64_t watch_now_ms(void);

#endif
