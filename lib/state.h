/* SPDX-License-Identifier: MIT */
/* The file STATE of a channel that survives: how far the receiver has come, and the books of what it has left behind.
 * Two slots, written in turn, so that a torn write costs the newer one only; docs/format.md. Where records stand is
 * never taken from here: without STATE records come again, and none is lost. */
#ifndef HPR_STATE_H
#define HPR_STATE_H

#include "frame.h"
#include "io.h"

#define HPR_STATE_NAME       "STATE"
#define HPR_STATE_FILE_BYTES 8192
#define HPR_STATE_SLOT_BYTES 512
#define HPR_STATE_SLOTS      2

/* What is behind the receiver for good. */
struct hpr_passed {
    uint64_t seq;           /* all up to it is acknowledged */
    uint64_t records;       /* of them: records; the rest were gaps */
    uint64_t dropped_total; /* as in struct hpr_frame_header, of what is acknowledged */
    uint64_t gap_records[HOPPER_GAP_SLOTS];
};

struct hpr_state {
    uint8_t survive;
    uint8_t content;
    bool is_closed;
    uint8_t channel_id[HPR_CHANNEL_ID_BYTES];
    uint64_t generation;
    struct hpr_passed passed;
    uint64_t next_seq;      /* at least */
    uint64_t dropped_total; /* at next_seq */
    uint64_t next_number;   /* the next file made has at least this number */
    uint8_t boot_id[16];    /* of the start of the machine in which it was written */
};

void hpr_state_put(unsigned char *out, const struct hpr_state *state);
enum hpr_file_verdict hpr_state_get(const unsigned char *in, size_t len, struct hpr_state *state);

/* Open STATE in DIRFD, making it with room for both slots if it is not there. The descriptor, or a negated errno;
 * -EMLINK: what is there is not a plain file of one name. */
HPR_MUST_CHECK int hpr_state_open(const struct hopper_io *io, int dirfd, bool *is_newp);

/* The better of the two slots. OURS: *STATE is it. NEWER: of a later version. DAMAGED: neither is good. */
enum hpr_file_verdict hpr_state_read(const struct hopper_io *io, int fd, struct hpr_state *state, int *resp);

/* Write STATE as the next generation, into the slot that does not hold the present one. 0 or a negated errno. */
HPR_MUST_CHECK int hpr_state_write(const struct hopper_io *io, int fd, struct hpr_state *state);

#endif
