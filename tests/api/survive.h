/* SPDX-License-Identifier: MIT */
/*
 * A channel that survives, on a simulated disk, beside a model of all that its directory ever accepted: what tests of
 * acknowledging, closing, killing and opening again begin with.
 *
 *     struct surv s;
 *     surv_init(&s, HOPPER_SURVIVE_CRASH);       // least budgets; refuse when full; not compressed
 *     surv_open(&s);
 *     surv_send_ok(&s, 100);
 *     surv_take(&s, 1);
 *     surv_kill(&s);                             // as kill -9 leaves it
 *     surv_open(&s);                             // the report must agree with the model
 *     surv_finish(&s);                           // drain, close, open again: nothing is left
 *
 * The model knows each sequence number's length and whether its record was dropped; the bytes follow from the number.
 * Each verb calls the library once, and requires that what comes out is what the model says: which record, its bytes,
 * whether it is marked as redelivered, and after each step the books (surv_books).
 *
 * A kill is an image: the files as they are at that moment, maps included, are put back after the run that is killed
 * has been closed in the usual way, so that nothing leaks and nothing that closing wrote counts.
 */
#ifndef TESTS_SURVIVE_H
#define TESTS_SURVIVE_H

#include "platform_fault.h"
#include "platform_mem.h"
#include <hopper/hopper.h>

#define SURV_DIR       "/spool"
#define SURV_NAME      "q"
#define SURV_PATH      "/spool/q"
#define SURV_BATCH_MAX 64
#define SURV_KEPT      16384 /* bytes of STATE and PRODUCERS */

struct surv_fate {
    uint32_t len;
    bool is_dropped;
};

struct surv {
    struct mem_platform *mem;
    struct fault_platform *fault;
    struct hopper_options options;
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err;       /* of the last surv_try_open */
    struct hopper_recovery report; /* of the last surv_open */

    struct surv_fate *fates; /* by sequence number */
    size_t room;
    uint64_t next;     /* sequence number of the next record accepted */
    uint64_t received; /* up to here by this run, or acknowledged before */
    uint64_t acked;
    uint64_t earlier; /* numbers below were accepted by an earlier run */
    uint64_t dropped;
    uint64_t redelivered; /* records received that were marked so */

    struct hopper_record views[SURV_BATCH_MAX]; /* of the last receive */
    size_t view_count;
    uint64_t memory_before; /* memory_bytes of the run before */
    uint64_t disk_floor;    /* what was on disk at open may be more than the budget now */
    uint64_t memory_floor;  /* the same of memory_bytes_used */
    bool has_other_options; /* than the run before, whose MEMORY is kept */
    struct hopper_options options_before;
    bool has_opened;
    bool was_killed;
    bool is_unjudged;  /* the test has damaged files: neither report nor books are compared */
    const char *where; /* told with each failure; may be NULL */
    uint64_t step;     /* the same */
};

/* disk_bytes is what is left for queue files and LOCK: the rest of what such a channel needs is added at open. */
void surv_init(struct surv *s, uint32_t survive);
void surv_init_flags(struct surv *s, uint32_t survive, unsigned flags); /* MEM_... */
void surv_free(struct surv *s);

hopper_status surv_try_open(struct surv *s);
void surv_open(struct surv *s);
void surv_close(struct surv *s); /* both ends; nothing is left behind in memory */
void surv_kill(struct surv *s);
void surv_finish(struct surv *s);

void surv_fill_bytes(void *buf, uint64_t seq, uint64_t len); /* what a record with this number says */

hopper_status surv_send(struct surv *s, size_t len); /* never waits */
void surv_send_ok(struct surv *s, size_t len);
hopper_status surv_send_batch(struct surv *s, const size_t *lens, size_t count, size_t *acceptedp);
uint64_t surv_fill(struct surv *s, size_t len); /* until one is refused; returns how many were accepted */

/* Up to MAX records and gaps; with 1, hopper_receive(). */
hopper_status surv_receive(struct surv *s, size_t max);
void surv_take(struct surv *s, uint64_t count); /* one by one, so many are there */
void surv_drain(struct surv *s);                /* all that there is */
void surv_ack(struct surv *s);
void surv_ack_until(struct surv *s, uint64_t seq);

void surv_stats(struct surv *s, struct hopper_stats *stats);
void surv_books(struct surv *s);
void surv_check_views(struct surv *s);
uint64_t surv_queue_files(struct surv *s, uint64_t *bytesp); /* how many, and their sizes */
bool surv_last_file(struct surv *s, char path[300]);

#endif
