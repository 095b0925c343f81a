/* SPDX-License-Identifier: MIT */
/* Writes records to a descriptor with few system calls. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "control.h"

#include <hopper/hopper.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_PIECES       1024 /* as many as writev(2) takes at once on Linux */
#define OUTPUT_BUFFER_BYTES (256u << 10)

struct output {
    int fd;
    struct control *control;
    uint64_t bytes; /* written since output_init() */
    bool has_gaps;  /* some of what the last call of output_write() was given are gaps */
    size_t piece_count;
    size_t buffer_used;
    struct iovec pieces[OUTPUT_PIECES];
    char buffer[OUTPUT_BUFFER_BYTES]; /* small records, put side by side */
};

void output_init(struct output *out, int fd, struct control *control);

/* Of RECORDS, how many come before the first one that is not among the first LEN bytes to its last byte. Gaps have no
 * bytes, and are counted. */
size_t output_within(const struct hopper_record *records, size_t count, uint64_t len);

/* Write COUNT records in order; *DONEP is how many of them, as output_within() counts, were written. Waits for the
 * reader, also on a non-blocking descriptor. 0, or a negated errno: -EPIPE when the reader has gone, -ECANCELED when
 * control_abandons(). */
int output_write(struct output *out, const struct hopper_record *records, size_t count, size_t *donep);

#endif
