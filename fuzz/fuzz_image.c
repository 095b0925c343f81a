/* SPDX-License-Identifier: MIT */
/* See fuzz_image.h and docs/format.md. */
#include "fuzz_image.h"

#include "bytes.h"

#include <string.h>

/* Judge what stands at OFFSET. */
static enum hpr_verdict judge(const struct fuzz_image *image, const uint8_t *channel_id, size_t offset,
                              struct hpr_frame_header *header, struct hpr_footer *footer)
{
    struct hpr_frame_place place = { channel_id, image->number, offset };

    return hpr_frame_get(image->bytes + offset, image->len - offset, &place, header, footer);
}

void fuzz_image_take_apart(const struct fuzz_image *image, const uint8_t *channel_id, struct fuzz_frames *frames)
{
    size_t at = HPR_FILE_HEADER_BYTES;

    memset(frames, 0, sizeof *frames);
    while (at < image->len && frames->count < FUZZ_FRAMES_MAX) {
        struct fuzz_frame *frame = &frames->frame[frames->count];
        enum hpr_verdict verdict = judge(image, channel_id, at, &frame->header, &frames->footer);

        frames->has_footer = verdict == HPR_VERDICT_FOOTER;
        if (verdict != HPR_VERDICT_FRAME || frame->header.stored_bytes > image->len - at - HPR_FRAME_HEADER_BYTES)
            break;
        frame->offset  = at;
        frame->payload = image->bytes + at + HPR_FRAME_HEADER_BYTES;
        at += HPR_FRAME_HEADER_BYTES + (size_t)frame->header.stored_bytes;
        frames->count++;
    }
}

void fuzz_image_put_together(struct fuzz_image *image, const struct fuzz_image *old, const uint8_t *channel_id,
                             const struct fuzz_frames *frames, int keep_crc)
{
    struct hpr_frame_place place = { channel_id, old->number, 0 };
    size_t at                    = HPR_FILE_HEADER_BYTES;

    image->number = old->number;
    memcpy(image->bytes, old->bytes, at);
    for (size_t i = 0; i < frames->count; i++) {
        const struct fuzz_frame *frame = &frames->frame[i];
        struct hpr_frame_header header = frame->header;

        if (header.stored_bytes > sizeof image->bytes - at - HPR_FRAME_HEADER_BYTES - HPR_FOOTER_BYTES) break;
        if (!keep_crc) header.payload_crc = hpr_crc32(0, frame->payload, header.stored_bytes);
        place.offset = at;
        hpr_frame_put_header(image->bytes + at, &header, &place);
        memcpy(image->bytes + at + HPR_FRAME_HEADER_BYTES, frame->payload, header.stored_bytes);
        at += HPR_FRAME_HEADER_BYTES + (size_t)header.stored_bytes;
    }
    if (frames->has_footer) {
        place.offset = at;
        hpr_frame_put_footer(image->bytes + at, &frames->footer, &place);
        at += HPR_FOOTER_BYTES;
    }
    image->len = at;
}

uint64_t fuzz_image_records_lost(const struct fuzz_image *was, const struct fuzz_image *is, const uint8_t *channel_id)
{
    static struct fuzz_frames frames;
    uint64_t lost = 0;

    fuzz_image_take_apart(was, channel_id, &frames);
    for (size_t i = 0; i < frames.count; i++) {
        const struct fuzz_frame *frame = &frames.frame[i];
        size_t bytes                   = HPR_FRAME_HEADER_BYTES + (size_t)frame->header.stored_bytes;

        if (is == NULL || is->len < frame->offset + bytes ||
            memcmp(was->bytes + frame->offset, is->bytes + frame->offset, bytes) != 0)
            lost += frame->header.records;
    }
    return lost;
}

int fuzz_image_is_forged(const struct fuzz_image *was, const struct fuzz_image *is, const uint8_t *channel_id)
{
    struct hpr_frame_header header;
    struct hpr_footer footer;

    for (size_t at = 0; at + HPR_FRAME_HEADER_BYTES <= is->len; at++) {
        size_t bytes;

        if (is->bytes[at + 4] != 'H' || judge(is, channel_id, at, &header, &footer) != HPR_VERDICT_FRAME) continue;
        bytes = HPR_FRAME_HEADER_BYTES;
        if (at + bytes > was->len || memcmp(was->bytes + at, is->bytes + at, bytes) != 0) return 1;
        if (header.stored_bytes > is->len - at - bytes) continue;
        bytes += header.stored_bytes;
        if (memcmp(was->bytes + at, is->bytes + at, bytes) != 0 &&
            hpr_crc32(0, is->bytes + at + HPR_FRAME_HEADER_BYTES, header.stored_bytes) == header.payload_crc)
            return 1;
    }
    return 0;
}
