/* SPDX-License-Identifier: MIT */
/* The payload of one frame, where it fits into one buffer together with its stored bytes: read in one piece, checked
 * and inflated. Of one frame at a time, by the receiver (replay.c) and by the thread that reads ahead (ahead.c). */
#ifndef HPR_PAYLOAD_H
#define HPR_PAYLOAD_H

#include "codec.h"
#include "frame.h"
#include "io.h"

enum hpr_load { HPR_LOAD_OK, HPR_LOAD_BAD, HPR_LOAD_SHORT, HPR_LOAD_UNREADABLE, HPR_LOAD_PASSING };

/* A queue file that is being read. */
struct hpr_payload_file {
    const struct hopper_io *io;
    int fd;
    uint64_t limit;        /* frames end here; what is behind may still change */
    uint64_t *read_errors; /* counted up */
};

/* A place for a frame's raw bytes, and behind them, where there is room, for its stored ones and one more header. */
struct hpr_payload_buffer {
    unsigned char *raw;
    size_t bytes;
};

/* Whether RES, of a call on a file, is of the moment: nothing is wrong with the file. */
bool hpr_payload_is_passing(int res);

/* Read up to LEN bytes at OFFSET, as hpr_io_read(), with one more try where the device says that it cannot: some errors
 * are of the moment. */
HPR_MUST_CHECK int hpr_payload_read(const struct hpr_payload_file *file, void *buf, size_t len, uint64_t offset,
                                    size_t *gotp);

/* Whether the frame of header H fits into BUFFER whole. */
bool hpr_payload_fits(const struct hpr_payload_buffer *buffer, const struct hpr_frame_header *h);

/* Read the payload at OFFSET, of a frame that fits, into BUFFER and check it: what is stored as it was stands at
 * buffer->raw then, what is deflated at the buffer's end. *NEXTP, unless NULL: the header of the frame behind it, read
 * with it and standing in the buffer; NULL where FILE's limit says that there is none. *RESP: the error of the last
 * call on the file, or 0. */
HPR_MUST_CHECK enum hpr_load hpr_payload_fetch(const struct hpr_payload_file *file,
                                               const struct hpr_payload_buffer *buffer,
                                               const struct hpr_frame_header *h, uint64_t offset,
                                               const unsigned char **nextp, int *resp);

/* Then inflate to buffer->raw what is deflated. The next header stays where it stands. */
HPR_MUST_CHECK enum hpr_load hpr_payload_unpack(struct hpr_inflater *inflater, const struct hpr_payload_buffer *buffer,
                                                const struct hpr_frame_header *h);

/* Both. */
HPR_MUST_CHECK enum hpr_load hpr_payload_load(const struct hpr_payload_file *file, struct hpr_inflater *inflater,
                                              const struct hpr_payload_buffer *buffer, const struct hpr_frame_header *h,
                                              uint64_t offset, const unsigned char **nextp, int *resp);

#endif
