/* SPDX-License-Identifier: MIT */
/* How much a run whose queue stays may read, so that all of it certainly has room in the queue. */
#ifndef CLI_ROOM_H
#define CLI_ROOM_H

#include "args.h"

#include <hopper/hopper.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOM_READ_BYTES_MAX (64u << 10) /* in one go: a kill may cost as much */

struct room {
    uint64_t queue_bytes;  /* of the disk budget, what queue files may take */
    uint64_t block_bytes;  /* a block and what a frame needs beside it, at most */
    uint64_t rate;         /* disk bytes that a byte read may take in the end, at most */
    uint64_t record_bytes; /* the longest record that always fits some time; with the terminator */
    uint64_t certain;      /* bytes on disk that nothing else will take */
};

/* From ARGS alone, before the channel is opened. */
void room_init(struct room *room, const struct args *args);

/* Of WANTED bytes, how many may be read behind HELD bytes of a line that waits for its end, by what is known; 0: look.
 * They count as read when room_take() says so. */
size_t room_grant(const struct room *room, size_t held, size_t wanted);

/* The books of the channel as they are when all that was read, but for the beginning of a line, has been sent. */
void room_look(struct room *room, const struct hopper_stats *stats);

void room_take(struct room *room, size_t bytes);

#endif
