/* SPDX-License-Identifier: MIT */
/*
 * The codec limit: raw deflate on blocks of 64 KiB of the records, from memory to memory, one codec state for all. No
 * lengths, no checksum, no file: what any queue that deflates with this codec cannot be faster than on one CPU. In:
 * each block is deflated. Out: each is inflated and its records are looked at, as a receiver would.
 *
 * A codec's file includes this one, defines the functions declared below, and ends with `CODEC_PEER`.
 */
#ifndef HOPPER_BENCH_CODEC_H
#define HOPPER_BENCH_CODEC_H

#include "bench.h"

#include <stdlib.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define ROOM_BYTES  (BLOCK_BYTES + (BLOCK_BYTES >> 8) + 128) /* more than deflate ever needs */

/* ---- what a codec defines ---- */

static const char *codec_name(int level); /* NULL: has no such level */
static void codec_open(int level);
static void codec_close(void);

/* Deflate the RAW bytes at IN to OUT, which has ROOM_BYTES; how many it took. */
static size_t codec_deflate(const char *in, size_t raw, char *out);

/* Inflate LEN bytes at IN to OUT, which has BLOCK_BYTES, and of which RAW bytes are known to come. */
static void codec_inflate(const char *in, size_t len, char *out, size_t raw);

/* ---- what they share ---- */

struct block {
    size_t raw;      /* bytes inflated */
    size_t deflated; /* bytes */
    size_t records;
    char *bytes;
};

static struct {
    struct block *block;
    size_t count; /* blocks filled */
    size_t *len;  /* of each record: what a length in the block would say */
    char raw[BLOCK_BYTES];
    char packed[ROOM_BYTES];
} codec;

static const char *codec_peer_name(const struct bench_work *work)
{
    return work->kind == BENCH_OVERFLOW && work->level > 0 ? codec_name(work->level) : NULL;
}

static void codec_peer_open(const struct bench_work *work)
{
    size_t blocks = (size_t)(work->bytes / (BLOCK_BYTES / 2)) + 2;

    codec.block = bench_alloc(blocks, sizeof *codec.block);
    codec.len   = bench_alloc((size_t)(work->bytes / sizeof(uint64_t)) + 2, sizeof *codec.len);
    codec_open(work->level);
}

static void codec_peer_close(const struct bench_work *work)
{
    (void)work;
    codec_close();
    free(codec.block);
    free(codec.len);
}

static void block_deflate(size_t raw, size_t records)
{
    struct block *block = &codec.block[codec.count++];

    *block = (struct block){ .raw = raw, .records = records, .deflated = codec_deflate(codec.raw, raw, codec.packed) };
    block->bytes = bench_alloc(block->deflated, 1);
    memcpy(block->bytes, codec.packed, block->deflated);
}

static void codec_peer_fill(const struct bench_work *work, const struct iovec *records, size_t count)
{
    size_t raw  = 0;
    size_t held = 0;

    (void)work;
    codec.count = 0;
    for (size_t i = 0; i < count; i++) {
        if (raw + records[i].iov_len > BLOCK_BYTES) {
            block_deflate(raw, held);
            raw = held = 0;
        }
        memcpy(codec.raw + raw, records[i].iov_base, records[i].iov_len);
        raw += records[i].iov_len;
        held++;
        codec.len[i] = records[i].iov_len;
    }
    if (held > 0) block_deflate(raw, held);
}

static void codec_peer_drain(const struct bench_work *work, struct bench_check *check, size_t count)
{
    const size_t *len = codec.len;

    (void)work;
    (void)count;
    for (size_t i = 0; i < codec.count; i++) {
        struct block *block = &codec.block[i];
        const char *at      = codec.raw;

        codec_inflate(block->bytes, block->deflated, codec.raw, block->raw);
        free(block->bytes);
        for (size_t k = 0; k < block->records; k++, len++) {
            bench_record_check(check, at, *len);
            at += *len;
        }
    }
}

static void codec_peer_report(const struct bench_work *work, FILE *out)
{
    size_t bytes = 0;

    (void)work;
    for (size_t i = 0; i < codec.count; i++) bytes += codec.block[i].deflated;
    fprintf(out, " disk_bytes=%zu", bytes);
}

#define CODEC_PEER                                                     \
    const struct bench_peer bench_peer = { .name   = codec_peer_name,  \
                                           .open   = codec_peer_open,  \
                                           .close  = codec_peer_close, \
                                           .fill   = codec_peer_fill,  \
                                           .drain  = codec_peer_drain, \
                                           .report = codec_peer_report }

#endif
