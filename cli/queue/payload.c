/* SPDX-License-Identifier: MIT */
/* See payload.h. Stored bytes come through `input` (deflated) or straight (stored) into `window`; records are views of
 * the window. The first pass finds faults, the second one gives the records out. */
#include "payload.h"

#include <errno.h>
#include <stdlib.h>

#include "bytes.h"
#include "io.h"

#define NUMBERED_TYPE  1
#define NUMBERED_BYTES 16
#define DEFLATE_RATIO  1032 /* no deflate stream gives more bytes than this for one of its own */

struct payload *payload_new(void)
{
    struct payload *p = malloc(sizeof *p);

    if (!p) return NULL;
    memset(p, 0, offsetof(struct payload, window));
    return p;
}

void payload_free(struct payload *p)
{
    if (!p) return;
    if (p->has_z) (void)inflateEnd(&p->z);
    free(p);
}

static void fail(struct payload *p, enum fault fault)
{
    if (p->fault == FAULT_NONE) p->fault = fault;
    p->raw_left = 0;
}

/* LEN stored bytes, the next ones, to OUT. */
static bool read_stored(struct payload *p, unsigned char *out, size_t len)
{
    size_t got;

    p->res = hpr_io_read(p->io, p->fd, out, len, p->at + (p->header.stored_bytes - p->stored_left), &got);
    if (p->res < 0 || got < len) {
        fail(p, p->res < 0 ? FAULT_UNREADABLE : FAULT_PAYLOAD);
        return false;
    }
    p->crc = hpr_crc32(p->crc, out, len);
    p->stored_left -= len;
    return true;
}

/* Inflate up to LEN bytes to OUT. Returns how many came; fewer only where the stream or the input ends, or is wrong. */
static size_t inflate_some(struct payload *p, unsigned char *out, size_t len)
{
    int res = Z_OK;

    p->z.next_out  = out;
    p->z.avail_out = (uInt)len;
    while (p->z.avail_out > 0 && !p->is_ended) {
        if (p->z.avail_in == 0 && p->stored_left > 0) {
            size_t piece = hpr_min_size(sizeof p->input, (size_t)p->stored_left);

            if (!read_stored(p, p->input, piece)) break;
            p->z.next_in  = p->input;
            p->z.avail_in = (uInt)piece;
        }
        res         = inflate(&p->z, Z_NO_FLUSH);
        p->is_ended = res == Z_STREAM_END;
        if (res != Z_OK && res != Z_STREAM_END) break;
    }
    return len - p->z.avail_out;
}

/* All raw bytes are out: the stream has to end here, with the input, and with the right checksum. */
static void end_payload(struct payload *p)
{
    if (p->header.codec == HPR_CODEC_DEFLATE) {
        unsigned char beyond;

        if (!p->is_ended && inflate_some(p, &beyond, 1) > 0) fail(p, FAULT_PAYLOAD);
        if (!p->is_ended || p->z.avail_in > 0 || p->stored_left > 0) fail(p, FAULT_PAYLOAD);
    }
    if (!p->is_unchecked && p->crc != p->header.payload_crc) fail(p, FAULT_PAYLOAD);
}

/* The window anew; false at the end of the payload or after a fault. */
static bool fill_window(struct payload *p)
{
    size_t len = (size_t)hpr_min_u64(sizeof p->window, p->raw_left);

    if (len == 0) return false;
    p->window_at = p->window_used = 0;
    p->is_window_whole            = len == p->header.raw_bytes;
    if (p->header.codec == HPR_CODEC_STORED) {
        if (!read_stored(p, p->window, len)) return false;
    } else if (inflate_some(p, p->window, len) < len) {
        fail(p, FAULT_PAYLOAD);
        return false;
    }
    p->window_used = len;
    p->raw_left -= len;
    if (p->raw_left == 0) end_payload(p);
    return p->fault == FAULT_NONE;
}

static void begin(struct payload *p)
{
    p->stored_left = p->header.stored_bytes;
    p->raw_left    = p->header.raw_bytes;
    p->window_used = p->window_at = 0;
    p->crc                        = 0;
    p->is_ended                   = false;
    p->record_left                = 0;
    p->fault                      = FAULT_NONE;
    p->z.avail_in                 = 0;
    if (p->header.codec != HPR_CODEC_DEFLATE) return;
    if (p->has_z) {
        (void)inflateReset(&p->z);
    } else if (inflateInit2(&p->z, -15) == Z_OK) {
        p->has_z = true;
    } else {
        p->res = -ENOMEM;
        fail(p, FAULT_UNREADABLE);
    }
}

void payload_rewind(struct payload *p)
{
    if (p->is_window_whole && p->fault == FAULT_NONE) {
        p->window_at   = 0;
        p->record_left = 0;
        return;
    }
    begin(p);
}

/* LEN bytes to OUT, or passed over when that is NULL; false: there are not as many. */
static bool take(struct payload *p, unsigned char *out, uint64_t len)
{
    while (len > 0) {
        size_t piece = (size_t)hpr_min_u64(len, p->window_used - p->window_at);

        if (piece == 0) {
            if (!fill_window(p)) return false;
            continue;
        }
        if (out) {
            memcpy(out, p->window + p->window_at, piece);
            out += piece;
        }
        p->window_at += piece;
        len -= piece;
    }
    return true;
}

void payload_use(struct payload *p, const struct hopper_io *io, int fd, uint64_t at, uint32_t len,
                 uint32_t record_bytes)
{
    p->io     = io;
    p->fd     = fd;
    p->at     = at;
    p->header = (struct hpr_frame_header){
        .codec = HPR_CODEC_STORED, .record_bytes = record_bytes, .raw_bytes = len, .stored_bytes = len
    };
    p->is_window_whole = false;
    p->is_unchecked    = true;
    begin(p);
}

bool payload_use_single(struct payload *p, const struct hopper_io *io, int fd, uint64_t at, uint32_t len,
                        bool is_numbered, struct payload_record *rec)
{
    unsigned char who[NUMBERED_BYTES] = { 0 };

    memset(rec, 0, sizeof *rec);
    payload_use(p, io, fd, at, len, 0);
    if (is_numbered && !take(p, who, sizeof who)) return false;
    *rec           = (struct payload_record){ len - (is_numbered ? NUMBERED_BYTES : 0), is_numbered, hpr_get_u64(who),
                                              hpr_get_u64(who + 8) };
    p->record_left = rec->bytes;
    return true;
}

/* A msgpack bin, or an ext of type 1 with producer and number in front. */
static bool take_head(struct payload *p, struct payload_record *rec)
{
    unsigned char head[1 + NUMBERED_BYTES];
    unsigned width;

    if (!take(p, head, 1)) return false;
    if (head[0] < 0xc4 || head[0] > 0xc9) return false;
    rec->is_numbered = head[0] >= 0xc7;
    width            = 1U << (head[0] - (rec->is_numbered ? 0xc7 : 0xc4));
    if (!take(p, head, width)) return false;
    rec->bytes = width == 1 ? head[0] : width == 2 ? hpr_get_u16(head) : hpr_get_u32(head);
    if (rec->is_numbered) {
        if (rec->bytes < NUMBERED_BYTES || !take(p, head, 1 + NUMBERED_BYTES) || head[0] != NUMBERED_TYPE) return false;
        rec->producer = hpr_get_u64(head + 1);
        rec->number   = hpr_get_u64(head + 9);
        rec->bytes -= NUMBERED_BYTES;
    }
    return true;
}

bool payload_record(struct payload *p, struct payload_record *rec)
{
    *rec = (struct payload_record){ .bytes = p->header.record_bytes };
    if (!take(p, NULL, p->record_left)) return false;
    p->record_left = 0;
    if (p->header.record_bytes == 0 && !take_head(p, rec)) return false;
    p->record_left = rec->bytes;
    return rec->bytes <= p->raw_left + (p->window_used - p->window_at);
}

bool payload_bytes(struct payload *p, const unsigned char **datap, size_t *lenp)
{
    if (p->record_left == 0) return false;
    if (p->window_at == p->window_used && !fill_window(p)) return false;
    *datap = p->window + p->window_at;
    *lenp  = (size_t)hpr_min_u64(p->record_left, p->window_used - p->window_at);
    p->window_at += *lenp;
    p->record_left -= *lenp;
    return true;
}

enum fault payload_check(struct payload *p, const struct hopper_io *io, int fd, uint64_t offset,
                         const struct hpr_frame_header *header, uint32_t *goodp)
{
    struct payload_record rec;
    uint32_t good = 0;

    *goodp             = 0;
    p->io              = io;
    p->fd              = fd;
    p->at              = offset + HPR_FRAME_HEADER_BYTES;
    p->header          = *header;
    p->is_window_whole = false;
    p->is_unchecked    = false;
    if (header->codec == HPR_CODEC_DEFLATE && header->raw_bytes / DEFLATE_RATIO > header->stored_bytes)
        return FAULT_RAW_LENGTH;
    begin(p);
    while (good < header->records && payload_record(p, &rec)) good++;
    while (p->fault == FAULT_NONE && fill_window(p)) {
    } /* what follows the last record is passed over, but checked */
    if (p->fault != FAULT_NONE) return p->fault;
    *goodp = good;
    return good < header->records ? FAULT_RECORDS : FAULT_NONE;
}
