/* SPDX-License-Identifier: MIT */
/*
 * The codec limit: zlib's raw deflate on blocks of 64 KiB of the records, from memory to memory, one codec state for
 * all. No lengths, no checksum, no file: what any queue that deflates with zlib cannot be faster than on one CPU.
 * In: each block is deflated. Out: each is inflated and its records are looked at, as a receiver would.
 */
#include "bench.h"

#include <stdlib.h>
#include <zlib.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define ROOM_BYTES  (BLOCK_BYTES + (BLOCK_BYTES >> 8) + 128) /* more than deflateBound() says */

struct block {
    size_t raw;      /* bytes inflated */
    size_t deflated; /* bytes */
    size_t records;
    char  *bytes;
};

static struct {
    z_stream      deflate;
    z_stream      inflate;
    struct block *block;
    size_t        count; /* blocks filled */
    size_t       *len;   /* of each record: what a length in the block would say */
    char          raw[BLOCK_BYTES];
    char          packed[ROOM_BYTES];
} codec;

static const char *peer_name(const struct bench_work *work)
{
    return work->kind == BENCH_OVERFLOW && work->level > 0 ? "bare-zlib-limit" : NULL;
}

static void peer_open(const struct bench_work *work)
{
    size_t blocks = (size_t)(work->bytes / (BLOCK_BYTES / 2)) + 2;

    codec.block = bench_alloc(blocks, sizeof *codec.block);
    codec.len = bench_alloc((size_t)(work->bytes / sizeof(uint64_t)) + 2, sizeof *codec.len);
    if (deflateInit2(&codec.deflate, work->level, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL - 1,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        bench_die("deflateInit2", "failed");
    if (inflateInit2(&codec.inflate, -MAX_WBITS) != Z_OK) bench_die("inflateInit2", "failed");
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    deflateEnd(&codec.deflate);
    inflateEnd(&codec.inflate);
    free(codec.block);
    free(codec.len);
}

static void block_deflate(size_t raw, size_t records)
{
    struct block *block = &codec.block[codec.count++];
    z_stream     *z = &codec.deflate;

    deflateReset(z);
    z->next_in = (Bytef *)codec.raw;
    z->avail_in = (uInt)raw;
    z->next_out = (Bytef *)codec.packed;
    z->avail_out = ROOM_BYTES;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) bench_die("deflate", "no room");
    *block = (struct block){.raw = raw, .records = records, .deflated = ROOM_BYTES - z->avail_out};
    block->bytes = bench_alloc(block->deflated, 1);
    memcpy(block->bytes, codec.packed, block->deflated);
}

static void peer_fill(const struct bench_work *work, const struct iovec *records, size_t count)
{
    size_t raw = 0;
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

static void block_inflate(struct block *block)
{
    z_stream *z = &codec.inflate;

    inflateReset(z);
    z->next_in = (Bytef *)block->bytes;
    z->avail_in = (uInt)block->deflated;
    z->next_out = (Bytef *)codec.raw;
    z->avail_out = BLOCK_BYTES;
    if (inflate(z, Z_FINISH) != Z_STREAM_END) bench_die("inflate", "damaged");
    free(block->bytes);
}

static void peer_drain(const struct bench_work *work, struct bench_check *check, size_t count)
{
    const size_t *len = codec.len;

    (void)work;
    (void)count;
    for (size_t i = 0; i < codec.count; i++) {
        const char *at = codec.raw;

        block_inflate(&codec.block[i]);
        for (size_t k = 0; k < codec.block[i].records; k++, len++) {
            bench_record_check(check, at, *len);
            at += *len;
        }
    }
}

static void peer_report(const struct bench_work *work, FILE *out)
{
    size_t bytes = 0;

    (void)work;
    for (size_t i = 0; i < codec.count; i++) bytes += codec.block[i].deflated;
    fprintf(out, " disk_bytes=%zu", bytes);
}

const struct bench_peer bench_peer = {.name = peer_name,
                                      .open = peer_open,
                                      .close = peer_close,
                                      .fill = peer_fill,
                                      .drain = peer_drain,
                                      .report = peer_report};
