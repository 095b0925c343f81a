/* SPDX-License-Identifier: MIT */
/* The books that -S prints at the end. */
#ifndef CLI_BOOKS_H
#define CLI_BOOKS_H

#include "args.h"

#include <hopper/hopper.h>
#include <stdint.h>

/* What the program has counted itself, beside the channel's books. */
struct books {
    struct hopper_stats channel;
    uint64_t recovered_records; /* of earlier runs, to be delivered when this one began */
    uint64_t delivered_records; /* written to their last byte */
    uint64_t delivered_bytes;   /* written, with those of a record that was begun */
    uint64_t unsent_records;    /* read, but the channel did not take them */
    uint64_t truncated_records; /* shortened by --long-records=truncate */
    uint64_t elapsed_ms;
};

/* Records that are in the queue: a queue that stays keeps them. */
uint64_t books_staying(const struct books *books);

/* Records that were read and are not delivered, gaps not counted: what is on its way and what was not sent. */
uint64_t books_undelivered(const struct books *books);

/* Write BOOKS in FORM, a line for each number or one line of JSON, into BUF of LEN bytes. Returns the length of the
 * whole text, as snprintf does. */
int books_format(const struct books *books, enum books_form form, char *buf, size_t len);

#endif
