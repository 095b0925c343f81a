/* SPDX-License-Identifier: MIT */
/*
 * Walks through queue files and tells what stands where, as "Reading" in docs/format.md has it: one event for each
 * file, frame, damaged place, incomplete tail, zeros at the end and footer. Memory is the same for any directory; every length is checked
 * against the file before it is used; and each step moves forward, so that it ends.
 *
 *     scan_init(&scan, &place, payload);
 *     while (scan_next(&scan, &ev)) switch (ev.kind) ...
 *     scan_fini(&scan);
 *
 * scan_file_*() does the same within one file, for those who go their own way from file to file.
 */
#ifndef QUEUE_SCAN_H
#define QUEUE_SCAN_H

#include "payload.h"
#include "place.h"

enum scan_kind {
    SCAN_FILE,   /* a queue file begins; FAULT_HEADER: its header is damaged, it is read all the same */
    SCAN_FRAME,  /* a frame with a good header; the fault is its payload's */
    SCAN_DAMAGE, /* from `offset` on there are `bytes` bytes of nothing good */
    SCAN_TAIL,   /* the same at the end of the last file: an incomplete write */
    SCAN_ZEROS,  /* nothing but zeros from `offset` to the end of a file: room for frames, which is nothing wrong */
    SCAN_FOOTER, /* the file is sealed */
    SCAN_END,    /* the file is at its end */
    SCAN_REFUSED /* a file that is not read at all; the fault says why */
};

struct scan_event {
    enum scan_kind kind;
    enum fault fault;
    int res;         /* negated errno when the fault is FAULT_UNREADABLE */
    uint64_t number; /* of the file */
    uint64_t offset;
    uint64_t bytes;  /* SCAN_FILE, SCAN_END: of the whole file */
    bool has_header; /* SCAN_FILE: the next field */
    struct hpr_file_header file;
    struct hpr_frame_header frame; /* SCAN_FRAME */
    uint32_t good;                 /* SCAN_FRAME: records that can be read; all of them when payloads are not checked */
    struct hpr_footer footer;      /* SCAN_FOOTER */
};

struct scan_file {
    const struct place *place;
    struct payload *payload; /* NULL: payloads are not read */
    int fd;
    uint64_t number;
    uint64_t bytes;
    uint64_t offset; /* of what comes next */
    bool is_last;    /* what is incomplete at its end is a tail, not damage */
    bool is_done;    /* its footer or its tail was told */
    bool is_told;    /* its end was told */
};

struct scan {
    struct scan_file file;
    size_t index; /* of the next file in place->numbers */
    size_t last;  /* of the last one that is not somebody else's */
};

/* Look only at headers when PAYLOAD is NULL. */
void scan_init(struct scan *scan, const struct place *place, struct payload *payload);
void scan_fini(struct scan *scan);

/* The next event; false when all files were told. After a SCAN_FRAME with good records scan->file.payload can be
 * rewound and read. */
bool scan_next(struct scan *scan, struct scan_event *ev);

/* Open NUMBER and tell SCAN_FILE, or SCAN_REFUSED: then it is not open. */
void scan_file_open(struct scan_file *file, const struct place *place, struct payload *payload, uint64_t number,
                    bool is_last, struct scan_event *ev);
void scan_file_close(struct scan_file *file);

/* What stands at file->offset; moves on behind it, but not behind a tail or zeros. False: SCAN_END was told before. */
bool scan_file_next(struct scan_file *file, struct scan_event *ev);

/* After SCAN_END: see whether there is more by now, from the same place on. A negated errno or 0. */
int scan_file_again(struct scan_file *file);

/* Whether EV is of a frame of which records can be read. */
static inline bool scan_has_records(const struct scan_event *ev)
{
    return ev->kind == SCAN_FRAME && ev->good > 0;
}

#endif
