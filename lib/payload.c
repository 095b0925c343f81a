/* SPDX-License-Identifier: MIT */
/* See payload.h. Stored bytes come straight to where they are wanted; deflated ones to the end of the buffer, and are
 * inflated to its beginning. */
#include "payload.h"

#include <errno.h>

#include "bytes.h"

bool hpr_payload_is_passing(int res)
{
    return res == -EMFILE || res == -ENFILE || res == -ENOMEM || res == -EAGAIN;
}

int hpr_payload_read(const struct hpr_payload_file *file, void *buf, size_t len, uint64_t offset, size_t *gotp)
{
    int res = hpr_io_read(file->io, file->fd, buf, len, offset, gotp);

    if (res == 0) return 0;
    ++*file->read_errors;
    if (!hpr_payload_is_passing(res)) res = hpr_io_read(file->io, file->fd, buf, len, offset, gotp);
    return res;
}

bool hpr_payload_fits(const struct hpr_payload_buffer *buffer, const struct hpr_frame_header *h)
{
    if (h->codec == HPR_CODEC_STORED) return h->raw_bytes <= buffer->bytes;
    return (uint64_t)h->raw_bytes + h->stored_bytes + HPR_FRAME_HEADER_BYTES <= buffer->bytes;
}

/* All stored bytes to BUF, and with them the next header, if ROOM is enough for both. */
static enum hpr_load read_whole(const struct hpr_payload_file *file, unsigned char *buf, size_t room,
                                const struct hpr_frame_header *h, uint64_t offset, const unsigned char **nextp,
                                int *resp)
{
    const size_t len = h->stored_bytes, both = len + HPR_FRAME_HEADER_BYTES;
    const size_t want = both <= room && file->limit >= offset + both ? both : len;
    size_t got;

    *resp = hpr_payload_read(file, buf, want, offset, &got);
    if (*resp < 0 && want > len)
        *resp = hpr_payload_read(file, buf, len, offset, &got); /* for what is asked it may be readable */
    if (*resp < 0) return hpr_payload_is_passing(*resp) ? HPR_LOAD_PASSING : HPR_LOAD_UNREADABLE;
    if (got < len) return HPR_LOAD_SHORT;
    if (hpr_crc32(0, buf, len) != h->payload_crc) return HPR_LOAD_BAD;
    *nextp = got == both ? buf + len : NULL;
    return HPR_LOAD_OK;
}

/* Where deflated bytes and the header behind them are put. */
static unsigned char *deflated_place(const struct hpr_payload_buffer *buffer, const struct hpr_frame_header *h)
{
    return buffer->raw + buffer->bytes - h->stored_bytes - HPR_FRAME_HEADER_BYTES;
}

enum hpr_load hpr_payload_fetch(const struct hpr_payload_file *file, const struct hpr_payload_buffer *buffer,
                                const struct hpr_frame_header *h, uint64_t offset, const unsigned char **nextp,
                                int *resp)
{
    assert(hpr_payload_fits(buffer, h));
    *nextp = NULL;
    if (h->codec == HPR_CODEC_STORED) return read_whole(file, buffer->raw, buffer->bytes, h, offset, nextp, resp);
    return read_whole(file, deflated_place(buffer, h), (size_t)h->stored_bytes + HPR_FRAME_HEADER_BYTES, h, offset,
                      nextp, resp);
}

enum hpr_load hpr_payload_unpack(struct hpr_inflater *inflater, const struct hpr_payload_buffer *buffer,
                                 const struct hpr_frame_header *h)
{
    if (h->codec == HPR_CODEC_STORED) return HPR_LOAD_OK;
    hpr_inflate_begin(inflater, buffer->raw, h->raw_bytes);
    if (hpr_inflate_step(inflater, deflated_place(buffer, h), h->stored_bytes, true) != HPR_INFLATE_DONE)
        return HPR_LOAD_BAD;
    return HPR_LOAD_OK;
}

enum hpr_load hpr_payload_load(const struct hpr_payload_file *file, struct hpr_inflater *inflater,
                               const struct hpr_payload_buffer *buffer, const struct hpr_frame_header *h,
                               uint64_t offset, const unsigned char **nextp, int *resp)
{
    const enum hpr_load load = hpr_payload_fetch(file, buffer, h, offset, nextp, resp);

    return load == HPR_LOAD_OK ? hpr_payload_unpack(inflater, buffer, h) : load;
}
