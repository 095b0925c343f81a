/* SPDX-License-Identifier: MIT */
/* The way back: queue files to frames, one whole frame in memory at a time, checked. What cannot be read is passed
 * over, with the reason noted; how many records that cost follows from the sequence number of the next good frame. Used
 * by the receiver's thread only. */
#ifndef HPR_REPLAY_H
#define HPR_REPLAY_H

#include "ahead.h"
#include "dir.h"
#include "record.h"

struct hpr_replay {
    const struct hpr_dir *dir;  /* [const after open]; its constant fields only */
    const struct hopper_io *io; /* [const after open] */

    unsigned char *raw; /* [const after open] inflated payload of the frame at hand, for frames up to raw_bytes; behind
                           it, where there is room, its stored bytes and the next frame's header */
    size_t raw_bytes;
    unsigned char *big; /* the same for larger ones, NULL: there are none */
    size_t big_bytes;
    unsigned char *stored; /* pieces of stored bytes that find no room behind `raw`, and a window when looking for a
                              header */
    size_t stored_bytes;
    struct hpr_inflater inflater;
    struct hpr_ahead *ahead; /* [const after open] NULL: no thread reads ahead; it has `raw` and `inflater` for the
                                receiver's own slot */

    bool is_brief; /* [const after open] files are dropped under it, and a sender may wait for what it has open: it
                      comes back after each step that finds no frame */

    int fd;          /* -1: none open */
    uint64_t number; /* of the file in which the next frame is looked for */
    uint64_t start;  /* stream offset of its first byte, 0: not known */
    uint64_t offset; /* of the next frame, 0: the file was not opened yet */
    uint64_t limit;  /* where its frames end, 0: not known, or the file still grows */
    bool has_next;   /* `next` is the header of the frame at `offset`, read with the one before */
    unsigned char next[HPR_FRAME_HEADER_BYTES];
    uint32_t reason;       /* enum hopper_gap: why something since the last good frame was passed over */
    bool is_guess;         /* `reason` is what may have cost records, not damage that was seen */
    uint64_t void_seq;     /* frames of this file from here on do not count */
    bool has_looked_ahead; /* void_seq is known */
    uint64_t read_errors;
    struct hpr_numbers numbers;
};

/* How far there is something to read; a copy made under `back`. */
struct hpr_replay_end {
    struct hpr_dir_end file; /* the active file */
    uint64_t oldest;         /* number of the first file that is wanted */
    uint64_t seq;            /* first sequence number that is not in a file */
    uint64_t due_seq;        /* first one that is not wanted now: memory has what comes there */
};

struct hpr_replay_frame {
    struct hpr_records payload; /* valid until the next call */
    uint64_t first_seq;
    uint32_t records;
    uint64_t dropped_total;
    uint32_t reason; /* enum hopper_gap: why frames before it are missing, if any are */
};

/* Load the next good frame that ends behind sequence number SEQ.
 *   HOPPER_OK     *FRAME is it
 *   HOPPER_END    there is none before END's due_seq; frame->reason says why, if some should have been there
 *   HOPPER_EAGAIN nothing yet, with is_brief: call again
 *   HOPPER_EIO, HOPPER_ENOMEM   something passing; nothing was skipped, call again */
hopper_status hpr_replay_next(struct hpr_replay *rp, const struct hpr_replay_end *end, uint64_t seq,
                              struct hpr_replay_frame *frame, struct hopper_error *err);

/* Hold no descriptor while there is nothing to read; goes on at the same place. Also after each call where files are
 * dropped under the reader: a file that is held keeps its space, on a full device all that senders wait for. */
void hpr_replay_pause(struct hpr_replay *rp);

void hpr_replay_close(struct hpr_replay *rp);

/* Nothing in files below NUMBER is wanted: hold none of them. */
void hpr_replay_leave_below(struct hpr_replay *rp, uint64_t number);

#endif
