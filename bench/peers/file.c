/* SPDX-License-Identifier: MIT */
/*
 * The file limit: records copied into blocks of 128 KiB, each with its length in front, write(2) for each block into
 * one file, then read(2) and a look at each record. No checksum, no sequence numbers, no rotation, no other thread:
 * what a queue that stores without compressing cannot be faster than.
 *
 * In the durable work: one write(2) and one fdatasync(2) for each group of messages (commit.c), each with its length in
 * front, appended to the file; variant "preallocated": over a file that was written before, which leaves the file
 * system nothing to note but the data.
 */
#include "bench.h"
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)128 << 10)

static struct {
    int fd;
    size_t written;
    char block[BLOCK_BYTES];
} file;

static bool is_preallocated(const struct bench_work *work)
{
    return strcmp(work->variant, "preallocated") == 0;
}

static const char *peer_name(const struct bench_work *work)
{
    switch (work->kind) {
    case BENCH_OVERFLOW: return work->level == 0 ? "bare-write-limit" : NULL;
    case BENCH_DURABLE: return is_preallocated(work) ? "bare-fdatasync-preallocated" : "bare-fdatasync-append";
    default: return NULL;
    }
}

static void block_write(size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = write(file.fd, file.block + done, len - done);

        if (got < 0 && errno != EINTR) bench_die("write", strerror(errno));
        if (got > 0) done += (size_t)got;
    }
    file.written += len;
}

/* ---- durable ---- */

/* Groups of 64 messages of at most BLOCK_BYTES go through the same block. */
static void group_write(const struct iovec *messages, size_t count)
{
    size_t filled = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t len = (uint32_t)messages[i].iov_len;

        if (filled + sizeof len + len > BLOCK_BYTES) {
            block_write(filled);
            filled = 0;
        }
        memcpy(file.block + filled, &len, sizeof len);
        memcpy(file.block + filled + sizeof len, messages[i].iov_base, len);
        filled += sizeof len + len;
    }
    block_write(filled);
    if (fdatasync(file.fd) != 0) bench_die("fdatasync", strerror(errno));
}

static void preallocate(const struct bench_work *work)
{
    uint64_t bytes = (work->passes + 1) * work->messages * (work->size + sizeof(uint32_t)) + BLOCK_BYTES;

    for (uint64_t done = 0; done < bytes; done += BLOCK_BYTES) block_write(BLOCK_BYTES);
    if (fsync(file.fd) != 0) bench_die("fsync", strerror(errno));
    if (lseek(file.fd, 0, SEEK_SET) != 0) bench_die("lseek", strerror(errno));
    file.written = 0;
}

/* ---- opening and closing ---- */

static void peer_open(const struct bench_work *work)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s/bench-file-XXXXXX", work->dir) >= (int)sizeof path)
        bench_die("--dir", "too long");
    file.fd = mkstemp(path);
    if (file.fd < 0) bench_die(path, strerror(errno));
    unlink(path);
    commit_init(group_write);
    if (work->kind == BENCH_DURABLE && is_preallocated(work)) preallocate(work);
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    close(file.fd);
}

/* ---- in ---- */

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    char message[BENCH_SIZE_MAX / 2] = { 0 };

    for (; count > 0; count--, first++) {
        bench_message_fill(message, work->size, bench_value(sender, first));
        commit_send(message, work->size);
    }
}

static void peer_fill(const struct bench_work *work, const struct iovec *records, size_t count)
{
    size_t filled = 0;

    (void)work;
    if (ftruncate(file.fd, 0) != 0 || lseek(file.fd, 0, SEEK_SET) != 0) bench_die("ftruncate", strerror(errno));
    file.written = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t len = (uint32_t)records[i].iov_len;

        if (filled + sizeof len + len > BLOCK_BYTES) {
            block_write(filled);
            filled = 0;
        }
        memcpy(file.block + filled, &len, sizeof len);
        memcpy(file.block + filled + sizeof len, records[i].iov_base, len);
        filled += sizeof len + len;
    }
    block_write(filled);
}

/* ---- out ---- */

/* Check the whole records in the block's first FILLED bytes, up to COUNT in all; the bytes that they take. */
static size_t block_check(const struct bench_work *work, struct bench_check *check, size_t filled, size_t count)
{
    size_t at = 0;

    while (check->count < count) {
        uint32_t len;

        if (filled - at < sizeof len) return at;
        memcpy(&len, file.block + at, sizeof len);
        if (filled - at - sizeof len < len) return at;
        if (work->kind == BENCH_OVERFLOW) {
            bench_record_check(check, file.block + at + sizeof len, len);
        } else {
            bench_message_check(check, file.block + at + sizeof len, len, work->size);
        }
        at += sizeof len + len;
    }
    return at;
}

static void peer_drain(const struct bench_work *work, struct bench_check *check, size_t count)
{
    size_t filled = 0;

    if (lseek(file.fd, 0, SEEK_SET) != 0) bench_die("lseek", strerror(errno));
    while (check->count < count) {
        ssize_t got = read(file.fd, file.block + filled, BLOCK_BYTES - filled);
        size_t taken;

        if (got <= 0) bench_die("read", got == 0 ? "end of file" : strerror(errno));
        filled += (size_t)got;
        taken = block_check(work, check, filled, count);
        filled -= taken;
        memmove(file.block, file.block + taken, filled);
    }
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    peer_drain(work, check, (size_t)count);
}

static void peer_report(const struct bench_work *work, FILE *out)
{
    (void)work;
    fprintf(out, " disk_bytes=%zu", file.written);
}

const struct bench_peer bench_peer = { .name    = peer_name,
                                       .open    = peer_open,
                                       .close   = peer_close,
                                       .send    = peer_send,
                                       .receive = peer_receive,
                                       .fill    = peer_fill,
                                       .drain   = peer_drain,
                                       .report  = peer_report };
