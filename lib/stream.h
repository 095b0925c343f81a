/* SPDX-License-Identifier: MIT */
/* One frame written piece by piece, for a record that is larger than a block: never whole in memory of the channel. */
#ifndef HPR_STREAM_H
#define HPR_STREAM_H

#include "codec.h"
#include "dir.h"
#include "spill.h"

/* Write SOURCE as a frame at the place that was begun in DIR, through LANE, and fill in HEADER (its sequence number is
 * there already). Tries to deflate; what does not shrink is written again, stored. On failure the frame is to be rolled
 * back. HOPPER_EPACK when an item's pack function fails or writes another number of bytes than before. */
hopper_status hpr_stream_write(struct hpr_dir *dir, struct hpr_lane *lane, size_t lane_bytes,
                               const struct hpr_source *source, struct hpr_frame_header *header,
                               struct hopper_error *err);

/* The bytes that SOURCE's item packs to. HOPPER_EPACK when its pack function fails. */
hopper_status hpr_stream_measure(const struct hopper_item_type *type, const void *item, uint64_t *bytesp);

/* Pack an item into the LEN bytes at OUT, which it must fill. HOPPER_EPACK when it does not. */
hopper_status hpr_stream_pack(const struct hopper_item_type *type, const void *item, void *out, size_t len);

#endif
