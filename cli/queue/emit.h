/* SPDX-License-Identifier: MIT */
/* Records to standard output: their bytes as they were stored, or a line of JSON for each. */
#ifndef QUEUE_EMIT_H
#define QUEUE_EMIT_H

#include "args.h"
#include "json.h"
#include "payload.h"

struct emit {
    const struct args *args;
    bool is_items; /* records are msgpack objects */
    struct json json;
    unsigned char *buf; /* of a whole record, for JSON */
    size_t room;
    uint64_t records; /* written */
};

void emit_init(struct emit *emit, const struct args *args, bool is_items);
void emit_fini(struct emit *emit);

/* Write the record REC with number SEQ, whose bytes come from PAYLOAD. 0; a negated errno when standard output failed
 * (said at the end by say_end_output()); 1 when the bytes cannot be read any more, which is said. */
int emit_record(struct emit *emit, uint64_t seq, const struct payload_record *rec, struct payload *payload);

/* Say that COUNT records from FIRST on are not there, with the word WHY: on standard error, or in JSON also as a
 * line. */
void emit_gap(struct emit *emit, uint64_t first, uint64_t count, const char *why);

#endif
