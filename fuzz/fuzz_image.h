/* SPDX-License-Identifier: MIT */
/* A queue file in memory that can be taken apart into its frames, changed, and put together again with right lengths
 * and checksums: so that what the fuzzer thinks of reaches the code behind the checksums. */
#ifndef FUZZ_FUZZ_IMAGE_H
#define FUZZ_FUZZ_IMAGE_H

#include "frame.h"
#include "fuzz.h"

enum { FUZZ_IMAGE_BYTES_MAX = 1 << 18, FUZZ_FRAMES_MAX = 48 };

struct fuzz_image {
    uint64_t number; /* of the file, from its name */
    size_t len;
    uint8_t bytes[FUZZ_IMAGE_BYTES_MAX];
};

struct fuzz_frame {
    struct hpr_frame_header header; /* stored_bytes: of PAYLOAD */
    size_t offset;                  /* where it stood */
    const uint8_t *payload;         /* in an image or in the input */
};

struct fuzz_frames {
    struct fuzz_frame frame[FUZZ_FRAMES_MAX];
    size_t count;
    int has_footer;
    struct hpr_footer footer;
};

/* The good frames of IMAGE, in order, up to the first that is not. CHANNEL_ID: of the channel that wrote it. */
void fuzz_image_take_apart(const struct fuzz_image *image, const uint8_t *channel_id, struct fuzz_frames *frames);

/* FRAMES behind the header of OLD as a new image, each with its place and checksum made right; what does not fit is
 * left out. KEEP_CRC: payload checksums stay as the frames have them. */
void fuzz_image_put_together(struct fuzz_image *image, const struct fuzz_image *old, const uint8_t *channel_id,
                             const struct fuzz_frames *frames, int keep_crc);

/* How many records of WAS, a sound image, are in frames that IS has no more, byte for byte and at the same place; 0 for
 * IS means that there is no such file any more. */
uint64_t fuzz_image_records_lost(const struct fuzz_image *was, const struct fuzz_image *is, const uint8_t *channel_id);

/* Whether IS has a frame with a good header at its place that WAS does not have there: then it is not known what its
 * records are. */
int fuzz_image_is_forged(const struct fuzz_image *was, const struct fuzz_image *is, const uint8_t *channel_id);

#endif
