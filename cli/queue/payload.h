/* SPDX-License-Identifier: MIT */
/*
 * One frame's payload as a stream of records. Memory is two windows of fixed size, whatever the lengths in the frame
 * are: a record or a frame of 4 GiB goes through as one of 4 KiB does.
 *
 *     fault = payload_check(p, io, fd, offset, &header, &good);      reads it all: checksum, inflating, record count
 *     payload_rewind(p);
 *     while (good-- > 0 && payload_record(p, &rec))                  then again, now known to be what was written
 *         while (payload_bytes(p, &data, &len)) use(data, len);
 *
 * A frame whose records fit into the window is inflated once only.
 */
#ifndef QUEUE_PAYLOAD_H
#define QUEUE_PAYLOAD_H

#include <zlib.h>

#include "fault.h"
#include "frame.h"

#define PAYLOAD_WINDOW_BYTES (256u << 10)
#define PAYLOAD_INPUT_BYTES  (64u << 10)

struct payload {
    const struct hopper_io *io;
    int fd;
    uint64_t at; /* of the payload in the file */
    struct hpr_frame_header header;

    z_stream z;
    bool has_z;
    bool is_ended;        /* the deflate stream has ended */
    bool is_window_whole; /* all raw bytes are in the window */
    bool is_unchecked;    /* not a frame's: no checksum */
    uint64_t stored_left; /* stored bytes not yet read */
    uint64_t raw_left;    /* raw bytes not yet in the window */
    uint32_t crc;
    int res; /* negated errno of the read that failed */
    enum fault fault;

    size_t window_used;
    size_t window_at;
    uint64_t record_left; /* bytes of the record at hand not yet given out */
    unsigned char window[PAYLOAD_WINDOW_BYTES];
    unsigned char input[PAYLOAD_INPUT_BYTES];
};

/* A record at the payload's place; its bytes follow by payload_bytes(). */
struct payload_record {
    uint64_t bytes;
    bool is_numbered;
    uint64_t producer;
    uint64_t number;
};

/* On the heap: it is large. NULL when there is no memory. */
struct payload *payload_new(void);
void payload_free(struct payload *p);

/* Read the payload of the frame with HEADER at OFFSET of FD from end to end. *GOODP: the records that it has, which are
 * fewer than the header says with FAULT_RECORDS, and 0 with any other fault. */
enum fault payload_check(struct payload *p, const struct hopper_io *io, int fd, uint64_t offset,
                         const struct hpr_frame_header *header, uint32_t *goodp);

/* Back to the first record of what payload_check() has read. */
void payload_rewind(struct payload *p);

/* The same for LEN bytes at AT of FD that are in no frame: no header, no checksum. The first: records as in a raw
 * payload, RECORD_BYTES as in its frame's header. The other: one record as it stands in the ring of MEMORY, with no
 * header of its own; false: too short. */
void payload_use(struct payload *p, const struct hopper_io *io, int fd, uint64_t at, uint32_t len,
                 uint32_t record_bytes);
bool payload_use_single(struct payload *p, const struct hopper_io *io, int fd, uint64_t at, uint32_t len,
                        bool is_numbered, struct payload_record *rec);

/* The next record, passing over what is left of the one before; false: there is none, or it cannot be read any more. */
bool payload_record(struct payload *p, struct payload_record *rec);

/* Some of the record's bytes; false when there are no more (p->fault says whether something went wrong). */
bool payload_bytes(struct payload *p, const unsigned char **datap, size_t *lenp);

#endif
