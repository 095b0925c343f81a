/* SPDX-License-Identifier: MIT */
/*
 * Judge of a stream: messages that say who sent them, as which, and whether they are whole; and a checker that takes
 * what the receiver got and tells the first thing that is wrong: a lost, doubled, reordered, changed or invented
 * message, a hole in the sequence numbers, a gap that does not count exactly. No assertions in here: threads may use
 * it, and the test's own thread asserts that checker.fault is empty.
 *
 *     sender:   checker_fill(buf, len, producer, counter);  counter++ for each that was accepted
 *     receiver: checker_take(&checker, &rec);               for each record and gap
 *     at end:   checker_finish(&checker, accepted);         accepted[p]: how many of producer p were
 */
#ifndef TESTS_CHECKER_H
#define TESTS_CHECKER_H

#include <hopper/hopper.h>
#include <stdbool.h>

#define CHECKER_PRODUCERS_MAX 64
#define CHECKER_LEN_MIN       24 /* bytes; shorter messages could not be told apart */

struct checker {
    uint64_t next[CHECKER_PRODUCERS_MAX];    /* the smallest counter that may come */
    uint64_t missing[CHECKER_PRODUCERS_MAX]; /* counters passed over */
    uint64_t next_seq;
    uint64_t records, gaps, lost;
    uint64_t lost_by[HOPPER_GAP_REASONS];
    uint64_t bytes;
    char fault[256]; /* the first thing that was wrong, "" when nothing was */
};

void checker_init(struct checker *checker);

/* Fill a message of LEN bytes, at least CHECKER_LEN_MIN, as number COUNTER (from 0) of PRODUCER. It deflates to about
 * half. */
void checker_fill(void *buf, size_t len, unsigned producer, uint64_t counter);
/* Is it whole? Then who sent it and as which. */
bool checker_read(const void *buf, size_t len, unsigned *producerp, uint64_t *counterp);

/* Take the next thing received. Returns whether all is well so far. */
bool checker_take(struct checker *checker, const struct hopper_record *rec);

/* The stream has ended: is everything accounted for, ACCEPTED[p] messages of each producer p below PRODUCERS? */
bool checker_finish(struct checker *checker, const uint64_t *accepted, unsigned producers);

#endif
