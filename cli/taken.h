/* SPDX-License-Identifier: MIT */
/*
 * How far the reader of the output has come, for acknowledging.
 *
 * What has been written to a pipe is not yet with its reader: a reader that is killed takes the pipe's content with it,
 * some thousands of lines. But the system tells how much of the pipe is unread, also after the reader has gone. So what
 * was written is noted here, and a record counts as taken when the pipe holds nothing of it any more. With any other
 * output what was written is taken.
 *
 * A mark is made for each batch, with the length of each of its records, so that one look at the pipe tells how far the
 * reader is to the record:
 *
 *     output   |..taken..|.........unread.........|
 *     marks    ....][ 3 3 5 3 ][ 3 8 3 3 ][ 4 4 4 ]
 *                        ^ of this batch the first two are taken
 *
 * There is room for as many lengths as the usual pipe of 64 KiB can hold records, twice. With more, of very short
 * records in a pipe that somebody has enlarged, a mark has no lengths, and counts as a whole.
 */
#ifndef CLI_TAKEN_H
#define CLI_TAKEN_H

#include <hopper/hopper.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAKEN_MARKS   256
#define TAKEN_LENGTHS 131072u /* a power of 2 */

struct taken {
    int fd;
    bool is_pipe;
    uint64_t bytes; /* of the output, that are taken: up to the end of a record */
    size_t count;
    struct taken_mark {
        uint64_t bytes; /* of the output, up to the end of its last record */
        uint64_t seq;   /* of its last record, or of the last one of a gap */
        size_t lengths; /* its records that are not taken, one number after the other; 0: their lengths are not known */
    } marks[TAKEN_MARKS]; /* oldest first */
    size_t length_first;  /* counts on for ever; where it is in the ring: modulo TAKEN_LENGTHS */
    size_t length_count;  /* of all marks together */
    uint32_t lengths[TAKEN_LENGTHS];
};

void taken_init(struct taken *taken, int fd);

/* See how much of WRITTEN bytes, all that were written, has left the pipe; other writers' bytes in it count against us.
 * Forgets the records that are taken and returns the highest sequence number among them, 0 when there is none. */
uint64_t taken_look(struct taken *taken, uint64_t written);

/* The same, and note COUNT records before, which follow those that were noted last, and were written to the last byte.
 * Behind them may be the beginning of one more in WRITTEN, if nothing else is ever written. */
uint64_t taken_add(struct taken *taken, const struct hopper_record *records, size_t count, uint64_t written);

/* Wait for MS milliseconds, less when interrupted by a signal. False, at once: the reader has gone. */
bool taken_wait(const struct taken *taken, int ms);

#endif
