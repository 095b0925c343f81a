/* SPDX-License-Identifier: MIT */
/* A queue file written anew with the frames of a damaged one that are good, each with a header for its new place. */
#ifndef QUEUE_REBUILD_H
#define QUEUE_REBUILD_H

#include "scan.h"

/* What a scan of the damaged file has found. */
struct rebuild_source {
    uint64_t number;
    bool is_last;
    struct hpr_file_header header; /* its own, or what it must have been */
};

/* Write the file under its name with what repair adds while it is written (change.h), and put it in place of the old
 * one. *FRAMESP, *RECORDSP: what was saved. A negated errno (said) or 0. */
int rebuild_file(const struct place *place, struct payload *payload, const struct rebuild_source *source,
                 uint64_t *framesp, uint64_t *recordsp);

#endif
