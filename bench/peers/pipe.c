/* SPDX-License-Identifier: MIT */
/*
 * pipe(2) as a channel: what one gets from the system without a library.
 *
 * Messages have one size, so that no length goes with them (in the pipe's favour). A write of at most PIPE_BUF bytes
 * is whole in the pipe whoever else writes; larger batches of several senders are cut to that, a single sender's are
 * not. The pipe has 1 MiB where the system allows it, and the receiver reads 256 KiB at once, also when senders write
 * one by one.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define READ_BYTES ((size_t)256 << 10)

static int ends[2];

static const char *peer_name(const struct bench_work *work)
{
    return (work->kind == BENCH_MEM || work->kind == BENCH_WAKE) && !work->mix ? "pipe" : NULL;
}

static void peer_open(const struct bench_work *work)
{
    (void)work;
    if (pipe(ends) != 0) bench_die("pipe", strerror(errno));
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller pipe works as well */
}

static void peer_close(const struct bench_work *work)
{
    (void)work;
    close(ends[0]);
    close(ends[1]);
}

static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t done = write(ends[1], bytes, len);

        if (done < 0 && errno != EINTR) bench_die("write", strerror(errno));
        if (done > 0) {
            bytes += done;
            len -= (size_t)done;
        }
    }
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    size_t size = work->size;
    size_t whole = size < PIPE_BUF ? PIPE_BUF / size : 1;
    size_t most = work->senders == 1 || work->batch < whole ? work->batch : whole;
    char  *group = bench_alloc(bench_group_max(work), size);

    if (work->senders > 1 && size > PIPE_BUF) bench_die("pipe", "messages larger than PIPE_BUF need a single sender");
    while (count > 0) {
        size_t some = bench_group(work, count);

        bench_group_fill(group, size, sender, first, some);
        for (size_t i = 0; i < some; i += most) write_all(group + i * size, (some - i < most ? some - i : most) * size);
        first += some;
        count -= some;
    }
    free(group);
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    size_t size = work->size;
    char  *buffer = bench_alloc(READ_BYTES, 1);
    size_t filled = 0;

    while (count > 0) {
        ssize_t got = read(ends[0], buffer + filled, READ_BYTES - filled);
        size_t  at = 0;

        if (got <= 0) {
            if (got < 0 && errno == EINTR) continue;
            bench_die("read", got == 0 ? "end of file" : strerror(errno));
        }
        for (filled += (size_t)got; filled - at >= size; at += size) {
            bench_message_check(check, buffer + at, size, size);
            count--;
        }
        filled -= at;
        memmove(buffer, buffer + at, filled);
    }
    free(buffer);
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive};
