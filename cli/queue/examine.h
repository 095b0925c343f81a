/* SPDX-License-Identifier: MIT */
/* Reads a queue from end to end and tells everything that is wrong with it. Changes nothing. */
#ifndef QUEUE_EXAMINE_H
#define QUEUE_EXAMINE_H

#include "finding.h"
#include "payload.h"
#include "place.h"

struct examined {
    uint64_t files;
    uint64_t frames;
    uint64_t records; /* that can be read */
    uint64_t tail_file;
    uint64_t tail_bytes;
};

void examine(const struct place *place, struct payload *payload, struct findings *all, struct examined *sum);

#endif
