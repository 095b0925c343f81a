/* SPDX-License-Identifier: MIT */
/* The thread that reads the inputs and sends their records into the channel. */
#ifndef CLI_PRODUCE_H
#define CLI_PRODUCE_H

#include "args.h"
#include "control.h"
#include "lines.h"
#include "pace.h"
#include "room.h"

#include <hopper/hopper.h>
#include <sys/stat.h>

#define PRODUCER_BATCH 32768

struct producer {
    /* set by producer_init() */
    const struct args *args;
    struct control *control;
    hopper_sender *snd; /* the thread's own; closed when it ends */
    struct lines lines;
    struct pace pace;
    struct room room;                   /* what may be read, where the queue stays */
    bool reads_by_room;                 /* it stays, and waits when it is full */
    size_t offsets[PRODUCER_BATCH + 1]; /* of the records that are being sent */
    bool is_disk_bad;   /* the disk has failed: read no more, and send what has been read as memory has room */
    bool is_last_try;   /* while it fails: nothing was on its way when the next send was begun */
    struct stat output; /* st_nlink is 0 unless standard output is a regular file */

    /* the thread's results, for others when is_done */
    bool has_failed;                /* told on standard error; the exit status is not 0 */
    uint64_t unsent;                /* records read that the channel did not take */
    struct hopper_stats last_books; /* of the channel, before the sender was closed */
    atomic_bool is_done;
};

/* SND becomes the producer's, also on failure. STATS are the books of the channel as it was opened. 0, or -1 when
 * there is no memory. producer_fini() may follow either way, when the thread has ended or was never started. */
int producer_init(struct producer *prod, const struct args *args, struct control *control, hopper_sender *snd,
                  const struct hopper_stats *stats);
void producer_fini(struct producer *prod);

/* The thread's function; ARG is the struct producer. */
void *producer_run(void *arg);

#endif
