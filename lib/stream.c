/* SPDX-License-Identifier: MIT */
/* See stream.h. A pass sends header and record through a writer that deflates (or not), sums up and writes whenever the
 * lane's buffer is full. */
#include "stream.h"

#include <msgpack.h>

#include "error.h"
#include "record.h"

struct writer {
    struct hpr_dir *dir;
    struct hpr_lane *lane;
    unsigned char *buf; /* lane's, behind the room for a header */
    size_t buf_bytes;
    bool is_deflating;
    uint64_t raw_left; /* bytes that may still come */
    uint64_t stored_max;
    uint64_t stored; /* bytes written to the file */
    uint32_t crc;
    hopper_status status;
    struct hopper_error *err;
};

#define SKIPS_MAX 16

bool hpr_tries_next(struct hpr_tries *tries, uint64_t bytes)
{
    if (bytes > tries->skip_bytes) return true;
    tries->skip_bytes -= bytes;
    return false;
}

void hpr_tries_note(struct hpr_tries *tries, uint64_t bytes, bool has_shrunk)
{
    tries->misses     = has_shrunk ? 0 : tries->misses + 1;
    tries->skip_bytes = 0;
    if (tries->misses >= 2) tries->skip_bytes = bytes * (tries->misses < 6 ? 1U << (tries->misses - 2) : SKIPS_MAX);
}

uint64_t hpr_source_packed_bytes(const struct hpr_source *source)
{
    return source->producer ? hpr_record_numbered_bytes(source->len) : hpr_record_packed_bytes(source->len);
}

size_t hpr_source_put_header(const struct hpr_source *source, unsigned char *out)
{
    if (!source->producer) return hpr_record_put_header(out, (uint32_t)source->len);
    return hpr_record_put_numbered_header(out, (uint32_t)source->len, source->producer, source->number);
}

/* ---- items ---- */

struct counter {
    uint64_t bytes;
};

static int count_bytes(void *data, const char *buf, size_t len)
{
    struct counter *c = data;

    (void)buf;
    c->bytes += len;
    return 0;
}

hopper_status hpr_stream_measure(const struct hopper_item_type *type, const void *item, uint64_t *bytesp)
{
    struct counter c = { 0 };
    msgpack_packer packer;

    *bytesp = 0;
    msgpack_packer_init(&packer, &c, count_bytes);
    if (type->pack(type->ctx, item, &packer) != 0) return HOPPER_EPACK;
    *bytesp = c.bytes;
    return HOPPER_OK;
}

struct filler {
    unsigned char *at;
    size_t left;
    bool is_over; /* more was written than there is room for: pack functions seldom look, so it is kept */
};

static int fill_bytes(void *data, const char *buf, size_t len)
{
    struct filler *f = data;

    f->is_over |= len > f->left;
    if (f->is_over) return -1;
    memcpy(f->at, buf, len);
    f->at += len;
    f->left -= len;
    return 0;
}

hopper_status hpr_stream_pack(const struct hopper_item_type *type, const void *item, void *out, size_t len)
{
    struct filler f = { out, len, false };
    msgpack_packer packer;

    msgpack_packer_init(&packer, &f, fill_bytes);
    return type->pack(type->ctx, item, &packer) == 0 && f.left == 0 && !f.is_over ? HOPPER_OK : HOPPER_EPACK;
}

/* ---- bytes to the file ---- */

static bool write_out(struct writer *w, const void *buf, size_t len)
{
    if (w->stored + len >= w->stored_max && w->is_deflating) {
        w->status = HOPPER_EFULL; /* does not shrink: the caller stores instead */
        return false;
    }
    w->crc    = hpr_crc32(w->crc, buf, len);
    w->status = hpr_dir_write(w->dir, buf, len, HPR_FRAME_HEADER_BYTES + w->stored, w->err);
    w->stored += len;
    return w->status == HOPPER_OK;
}

static bool deflate_piece(struct writer *w, const void *data, size_t len, bool is_last)
{
    struct hpr_flow *flow = &w->lane->deflater.flow;
    bool is_done;

    flow->in       = data;
    flow->in_bytes = len;
    do {
        flow->out       = w->buf;
        flow->out_bytes = w->buf_bytes;
        is_done         = hpr_deflate_step(&w->lane->deflater, is_last);
        if (flow->out_bytes < w->buf_bytes && !write_out(w, w->buf, w->buf_bytes - flow->out_bytes)) return false;
    } while (!is_done);
    return true;
}

/* Pieces of at most a gigabyte; see hpr_deflate_step(). */
static bool put(struct writer *w, const void *data, size_t len)
{
    const unsigned char *at = data;

    if (w->status != HOPPER_OK) /* pack functions seldom look whether the packer still takes what they write */
        return false;
    if (len > w->raw_left) {
        w->status = HOPPER_EPACK;
        return false;
    }
    w->raw_left -= len;
    while (len > 0) {
        size_t piece = hpr_min_size(len, (size_t)1 << 30);

        if (w->is_deflating ? !deflate_piece(w, at, piece, false) : !write_out(w, at, piece)) return false;
        at += piece;
        len -= piece;
    }
    return true;
}

static int put_packed(void *data, const char *buf, size_t len)
{
    return put(data, buf, len) ? 0 : -1;
}

static bool put_item(struct writer *w, const struct hpr_source *source)
{
    msgpack_packer packer;
    int res;

    msgpack_packer_init(&packer, w, put_packed);
    res = source->type->pack(source->type->ctx, source->item, &packer);
    if (w->status == HOPPER_OK && (res != 0 || w->raw_left != 0)) w->status = HOPPER_EPACK;
    return w->status == HOPPER_OK;
}

static bool run_pass(struct writer *w, const struct hpr_source *source, uint32_t raw_bytes, bool is_deflating)
{
    unsigned char head[HPR_RECORD_NUMBERED_HEAD_MAX];
    size_t head_bytes = hpr_source_put_header(source, head);

    w->is_deflating = is_deflating;
    w->raw_left = w->stored_max = raw_bytes;
    w->stored                   = 0;
    w->crc                      = 0;
    w->status                   = HOPPER_OK;
    if (is_deflating) hpr_deflate_begin(&w->lane->deflater);
    return put(w, head, head_bytes) &&
           (source->type ? put_item(w, source) : put(w, source->data, (size_t)source->len)) &&
           (!is_deflating || deflate_piece(w, NULL, 0, true));
}

hopper_status hpr_stream_write(struct hpr_dir *dir, struct hpr_lane *lane, size_t lane_bytes,
                               const struct hpr_source *source, bool may_deflate, struct hpr_frame_header *header,
                               struct hopper_error *err)
{
    const struct hpr_frame_place place = hpr_dir_frame_place(dir);
    unsigned char head[HPR_FRAME_HEADER_BYTES];
    struct writer w = { .dir = dir, .lane = lane, .buf_bytes = lane_bytes, .err = err };
    bool is_done    = false;

    header->records   = 1;
    header->raw_bytes = (uint32_t)hpr_source_packed_bytes(source);
    header->codec     = HPR_CODEC_DEFLATE;
    if (may_deflate && lane->frame && hpr_tries_next(&lane->large, header->raw_bytes)) {
        w.buf   = lane->frame + HPR_FRAME_HEADER_BYTES;
        is_done = run_pass(&w, source, header->raw_bytes, true);
        if (!is_done && w.status != HOPPER_EFULL) goto failed;
        hpr_tries_note(&lane->large, header->raw_bytes, is_done);
    }
    if (!is_done) {
        header->codec = HPR_CODEC_STORED;
        if (!run_pass(&w, source, header->raw_bytes, false)) goto failed;
    }
    header->stored_bytes = (uint32_t)w.stored;
    header->payload_crc  = w.crc;
    hpr_frame_put_header(head, header, &place);
    return hpr_dir_write(dir, head, sizeof head, 0, err);
failed:
    return w.status == HOPPER_EPACK ? hpr_error_set(err, HOPPER_EPACK, 0, "pack an item", NULL) : w.status;
}
