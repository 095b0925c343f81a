/* SPDX-License-Identifier: MIT */
/*
 * How far the reader of the output has come, for acknowledging.
 *
 * What has been written to a pipe is not yet with its reader: a reader that is killed takes the pipe's content with it,
 * some thousands of lines. But the system tells how much of the pipe is unread, also after the reader has gone. So each
 * batch that was written leaves a mark here, and counts as taken when the pipe holds nothing of it any more. With any other
 * output what was written is taken.
 */
#ifndef CLI_TAKEN_H
#define CLI_TAKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAKEN_MARKS 64

struct taken {
    int fd;
    bool is_pipe;
    size_t count;
    struct taken_mark {
        uint64_t bytes;   /* of the output, up to the end of a batch */
        uint64_t seq;     /* of the batch's last record */
    } marks[TAKEN_MARKS]; /* oldest first */
};

void taken_init(struct taken *taken, int fd);

/* The first BYTES of the output end with the record SEQ. When there are too many marks, the last one moves. */
void taken_mark(struct taken *taken, uint64_t bytes, uint64_t seq);

/* Of WRITTEN bytes, how many have left the pipe; other writers' bytes in it count against us. */
uint64_t taken_bytes(const struct taken *taken, uint64_t written);

/* Forget the marks that lie within the first BYTES. Returns the highest sequence number among them, 0 when there is none. */
uint64_t taken_until(struct taken *taken, uint64_t bytes);

/* Wait for MS milliseconds, less when interrupted by a signal. False, at once: the reader has gone. */
bool taken_wait(const struct taken *taken, int ms);

#endif
