/* SPDX-License-Identifier: MIT */
/* The progress line: numbers in, text out. Pure: the caller has the clock and the books. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <hopper/hopper.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_LINE_BYTES 256
#define PROGRESS_SAMPLES    128

struct progress_sample {
    uint64_t time_ms;
    uint64_t accepted; /* records, since the channel is there */
    uint64_t delivered;
};

struct progress {
    uint64_t start_ms;
    struct progress_sample last;
    double in_rate; /* records per second, between the last two samples */
    double out_rate;
    uint64_t before;    /* records accepted by earlier runs */
    uint64_t recovered; /* of them: still to be delivered when this one began */

    /* when records were accepted that are still on their way, oldest first; thinned out when it is full */
    struct progress_sample history[PROGRESS_SAMPLES];
    size_t history_count;
};

/* BEFORE are the books at the start, RECOVERED the records of earlier runs that come again. */
void progress_init(struct progress *prog, uint64_t now_ms, const struct hopper_stats *before, uint64_t recovered);

/* Look at the books, at least a few times in the life of a record that is to have a lag. DELIVERED: records written. */
void progress_sample(struct progress *prog, uint64_t now_ms, const struct hopper_stats *stats, uint64_t delivered);

/* The line, such as
 *   1.20M rec 118MiB 0:00:12 [in 98.1k/s out 40.2k/s] mem[#####...] 61% disk 412MiB/9 files lag 4.1s
 * without a line end, into LINE of PROGRESS_LINE_BYTES bytes. Records and bytes are those taken in by this run; those
 * of earlier runs are told beside them, as in "1.20M rec +3.1k old". Lag, for these since the start, is how long ago
 * the oldest record that is still on its way was accepted, as far as the samples tell. What does not fit into COLUMNS
 * is left out, the less useful parts first: bytes, time, memory, rates, records. Disk and lag stay. */
void progress_format(const struct progress *prog, uint64_t now_ms, const struct hopper_stats *stats, size_t columns,
                     char *line);

#endif
