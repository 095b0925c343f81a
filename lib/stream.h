/* SPDX-License-Identifier: MIT */
/* One frame written piece by piece, for a record that is larger than a block: never whole in memory of the channel. */
#ifndef HPR_STREAM_H
#define HPR_STREAM_H

#include "codec.h"
#include "dir.h"

/* Data that does not shrink costs as much as any other to try, so after two of it one is not tried, then two, four and so
 * on, up to sixteen; one that shrinks ends this. By bytes: what is not tried is no more than that many times what did not
 * shrink. */
struct hpr_tries {
    unsigned misses;     /* in a row that did not shrink */
    uint64_t skip_bytes; /* so many are stored without being tried */
};

/* Whether the next, of BYTES, is to be tried; and whether it shrank. */
bool hpr_tries_next(struct hpr_tries *tries, uint64_t bytes);
void hpr_tries_note(struct hpr_tries *tries, uint64_t bytes, bool has_shrunk);

/* What compressing needs: one block, or one large record, at a time. */
struct hpr_lane {
    struct hpr_lane *next;  /* [back] next free one */
    struct hpr_lane *other; /* [const after open] of the same channel */
    struct hpr_deflater deflater;
    struct hpr_tries blocks, large;
    unsigned char *frame;     /* room for a frame header and block_bytes; NULL: blocks are stored */
    const unsigned char *out; /* the frame to write: `frame` or the block's own */
    struct hpr_frame_header header;
};

/* A record to be written. */
struct hpr_source {
    const void *data;                    /* the bytes; NULL for an item */
    uint64_t len;                        /* bytes, packed ones for an item */
    const struct hopper_item_type *type; /* an item's */
    const void *item;
    uint64_t producer; /* its id, 0: none */
    uint64_t number;   /* what the producer calls it */
};

/* Bytes of SOURCE when it is packed; its header at OUT, of HPR_RECORD_NUMBERED_HEAD_MAX, the bytes of which are
 * returned. */
uint64_t hpr_source_packed_bytes(const struct hpr_source *source);
size_t hpr_source_put_header(const struct hpr_source *source, unsigned char *out);

/* Write SOURCE as a frame at the place that was begun in DIR, through LANE, and fill in HEADER (its sequence number is
 * there already). With MAY_DEFLATE tries to deflate; what does not shrink is written again, stored. On failure the frame is to be rolled
 * back. HOPPER_EPACK when an item's pack function fails or writes another number of bytes than before. */
hopper_status hpr_stream_write(struct hpr_dir *dir, struct hpr_lane *lane, size_t lane_bytes,
                               const struct hpr_source *source, bool may_deflate, struct hpr_frame_header *header,
                               struct hopper_error *err);

/* The bytes that SOURCE's item packs to. HOPPER_EPACK when its pack function fails. */
hopper_status hpr_stream_measure(const struct hopper_item_type *type, const void *item, uint64_t *bytesp);

/* Pack an item into the LEN bytes at OUT, which it must fill. HOPPER_EPACK when it does not. */
hopper_status hpr_stream_pack(const struct hopper_item_type *type, const void *item, void *out, size_t len);

#endif
