/* SPDX-License-Identifier: MIT */
/*
 * A channel on a simulated disk, with everything watched: what most tests begin with.
 *
 *     struct chan c;
 *     chan_init(&c);                        // platform_mem under platform_fault; small budgets; refuse when full
 *     c.options.disk_bytes = 1 << 20;       // as the test wants it
 *     chan_open(&c);
 *     ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
 *     chan_take(&c, 1);
 *     chan_finish(&c);                      // close, drain, everything accounted for, nothing leaked, budgets kept
 *
 * Messages are checker's, of producer 0. All functions assert, so only the test's own thread calls them.
 */
#ifndef TESTS_CHAN_H
#define TESTS_CHAN_H

#include "checker.h"
#include "platform_fault.h"
#include "platform_mem.h"
#include <hopper/hopper.h>

#define CHAN_DIR  "/spool"
#define CHAN_NAME "q"
#define CHAN_PATH "/spool/q"

struct chan {
    struct mem_platform *mem;
    struct fault_platform *fault;
    struct hopper_options options;
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err; /* of the last chan_try_open */
    struct checker checker;
    uint64_t sent; /* messages accepted */
    void *buf;     /* for building messages */
    size_t buf_bytes;
    unsigned flags;   /* MEM_..., of mem */
    bool is_tampered; /* the test has put or removed queue files: their number is not compared */
    uint64_t clones;  /* sender handles that the test has made besides the first, at most at once */
};

/* Defaults: 128 KiB of memory, 512 KiB of disk, files of 64 KiB, records to 16 KiB, refuse, not compressed (so that
 * what fits is easily told). FLAGS: MEM_... */
void chan_init(struct chan *c);
void chan_init_flags(struct chan *c, unsigned flags);
void chan_free(struct chan *c); /* the platform; everything is closed already */

hopper_status chan_try_open(struct chan *c);
void chan_open(struct chan *c); /* succeeds */

hopper_status chan_send(struct chan *c, size_t len); /* never waits */
/* Send messages of LEN bytes until one is not accepted, at most MAX; returns how many were, *STP: why it ended. */
uint64_t chan_fill(struct chan *c, size_t len, uint64_t max, hopper_status *stp);
/* Send messages of LEN bytes until at least one is in a queue file. */
void chan_fill_to_disk(struct chan *c, size_t len);

hopper_status chan_receive(struct chan *c, struct hopper_record *rec); /* never waits; OK: through the checker */
void chan_take(struct chan *c, uint64_t count);                        /* COUNT records or gaps are there */
uint64_t chan_drain(struct chan *c, hopper_status *stp);               /* until not OK; returns records and gaps */

void chan_stats(struct chan *c, struct hopper_stats *stats);
void chan_books(struct chan *c);       /* the books are true now */
uint64_t chan_pending(struct chan *c); /* what a receiver would still get, in records */

void chan_memory(struct chan *c); /* the memory budget was kept until now */

void chan_close(struct chan *c);  /* both ends; nothing is left behind, budgets were kept */
void chan_finish(struct chan *c); /* the senders' end, drain, all accounted for, then chan_close and chan_free */

/* Name number I (from 0) of the queue files that exist, in order; false when there are not so many. */
bool chan_queue_file(struct chan *c, int i, char path[300]);
int chan_queue_files(struct chan *c);

/* The line "KEY:" of the status of this process's thread NAME, into VALUE; false when there is no such thread. */
bool chan_thread_status(const char *name, const char *key, char value[64]);

/* Items that are never packed, weigh the least, and are the test's own. */
extern const struct hopper_item_type chan_item_type;

#endif
