/* SPDX-License-Identifier: MIT */
/*
 * Many threads that send checker messages, each through a sender of its own. They assert nothing: they count, and the
 * test's thread looks at the counts after crowd_join().
 */
#ifndef TESTS_CROWD_H
#define TESTS_CROWD_H

#include "checker.h"
#include <pthread.h>
#include <stdatomic.h>

struct crowd_member {
    hopper_sender *snd; /* the thread closes it at its end */
    unsigned producer;
    uint64_t count; /* messages to send */
    size_t len_min, len_max;
    size_t batch; /* up to so many at once; 0 or 1: one by one */
    uint64_t seed;
    bool never_waits; /* send with HOPPER_NOW, otherwise with HOPPER_FOREVER */
    bool keep_trying; /* send what was refused again; otherwise it is counted and left out */

    uint64_t accepted, refused;
    hopper_status last; /* what ended it: HOPPER_OK when all were sent */
    pthread_t thread;
};

struct crowd {
    struct crowd_member members[CHECKER_PRODUCERS_MAX];
    unsigned count;
    uint64_t accepted[CHECKER_PRODUCERS_MAX]; /* after crowd_join, for checker_finish */
};

/* Start COUNT threads like MODEL, each with a clone of SND; SND itself stays the caller's. False when not all
 * clones were to be had: then there are fewer. */
bool crowd_start(struct crowd *crowd, unsigned count, const struct crowd_member *model, hopper_sender *snd);
/* Wait for all. HOPPER_OK, or the first other thing that ended one. */
hopper_status crowd_join(struct crowd *crowd);

/* A thread that waits for all, and then tells whoever else holds a sender to end: the end of the stream comes after
 * both. */
struct crowd_watch {
    struct crowd *crowd;
    atomic_bool *is_to_stop; /* set when all have ended */
    hopper_status st;        /* after crowd_unwatch(): what crowd_join() said */
    pthread_t thread;
};

void crowd_watch(struct crowd_watch *watch, struct crowd *crowd, atomic_bool *is_to_stop);
void crowd_unwatch(struct crowd_watch *watch);

#endif
