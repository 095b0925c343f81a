/* SPDX-License-Identifier: MIT */
/* What verify and repair tell: one line, or one JSON object, for each thing found. */
#ifndef QUEUE_FINDING_H
#define QUEUE_FINDING_H

#include "fault.h"
#include "json.h"

enum severity {
    SEVERITY_NOTE,   /* worth knowing, nothing is wrong */
    SEVERITY_UNSURE, /* cannot be told: no access, a newer version, changing while it is read */
    SEVERITY_DAMAGE
};

struct finding {
    enum severity severity;
    enum fault fault;
    const char *text;   /* NULL: the fault's own */
    const char *object; /* a file that is no queue file, or NULL */
    uint64_t number;    /* of the queue file, 0: none */
    bool has_offset;
    uint64_t offset;
    uint64_t bytes; /* from there on; 0: does not say */
    bool has_records;
    bool is_at_most;    /* not known exactly */
    uint64_t records;   /* lost by it */
    uint64_t first_seq; /* 0: not known */
    int res;            /* negated errno, 0: none */
};

struct findings {
    struct json *json; /* NULL: text; else an array is open */
    uint64_t notes;
    uint64_t unsure;
    uint64_t damage;
    uint64_t lost; /* records, where it is known exactly */
};

void finding_put(struct findings *all, const struct finding *f);

#endif
