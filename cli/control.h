/* SPDX-License-Identifier: MIT */
/*
 * What the three threads of hopper-cat tell each other.
 *
 *     main       signals, progress, books; opens and closes everything but the first sender
 *     producer   reads the inputs and sends; closes its sender when it ends
 *     consumer   receives and writes the output
 *
 * Two levels of ending early: `stop` means read no more, but deliver what has been read; `abandon` (with stop) means
 * deliver no more either. Where the queue stays (-P), the second follows by itself when the producer has sent what it
 * had read. A thread looks at them before each call that may block on a descriptor, and such a call is interrupted by
 * signals_kick() (signals.h): main repeats it until the thread is done, so that a kick that comes just before the call
 * is not lost. This needs no poll() before each read and write, and works for open() of a FIFO as well. Calls that wait
 * inside the library end otherwise: a receiver when the last sender closes, a sender when the receiver closes.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct control {
    atomic_bool stop;
    atomic_bool abandon;
    int done_fd; /* eventfd: readable once a thread has ended */

    /* what the consumer has written so far; relaxed: numbers to look at, nothing depends on their order */
    atomic_uint_least64_t written_records;
    atomic_uint_least64_t written_bytes; /* of them, and of one that was begun */
    atomic_uint_least64_t older_records; /* of those written: accepted by an earlier run */
    atomic_uint_least64_t older_bytes;
};

static inline bool control_stops(struct control *ctl)
{
    return atomic_load(&ctl->stop);
}

static inline bool control_abandons(struct control *ctl)
{
    return atomic_load(&ctl->abandon);
}

#endif
