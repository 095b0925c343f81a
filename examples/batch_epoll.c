/* SPDX-License-Identifier: MIT */
/*
 * A channel in an event loop: batches in, batches out, and no thread that blocks.
 *
 * hopper_receiver_fd() is readable while records wait, so it sits in epoll beside the program's other descriptors; here
 * a timer stands for those. On each wake-up a batch is taken without waiting, as views that stay valid until the next
 * receive. What is not taken leaves the descriptor readable, so a busy channel does not starve the others.
 *
 *     batch_epoll [DIR]     DIR: where the channel's directory is made; default $TMPDIR or /tmp
 */
#include <hopper/hopper.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BATCH = 64, BATCHES = 500 };

struct loop {
    int              epoll_fd;
    int              timer_fd;
    int              queue_fd; /* the receiver's; not ours to close */
    hopper_sender   *snd;
    hopper_receiver *rcv;
    unsigned         batches_sent;
    uint64_t         records;
    uint64_t         wakeups;
    int              has_ended;
};

static int watch(int epoll_fd, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* The timer fired: something happened that makes records. The last batch closes the sender. */
static int on_timer(struct loop *loop)
{
    static char  words[BATCH][16];
    struct iovec records[BATCH];
    size_t       accepted;
    uint64_t     ticks;

    if (read(loop->timer_fd, &ticks, sizeof ticks) < 0) return -1;
    for (int i = 0; i < BATCH; i++) {
        int len    = snprintf(words[i], sizeof words[i], "%u/%d", loop->batches_sent, i);
        records[i] = (struct iovec){ words[i], (size_t)len };
    }
    if (hopper_send_batch(loop->snd, records, BATCH, HOPPER_NOW, &accepted) != HOPPER_OK) return -1;
    if (++loop->batches_sent == BATCHES) {
        hopper_sender_close(loop->snd);
        loop->snd = NULL;
        return close(loop->timer_fd); /* leaves the epoll set by itself */
    }
    return 0;
}

/* Records wait: take one batch and go back to the loop. */
static int on_records(struct loop *loop)
{
    struct hopper_record records[BATCH];
    size_t               count;
    hopper_status        st = hopper_receive_batch(loop->rcv, records, BATCH, HOPPER_NOW, &count);

    loop->wakeups++;
    if (st == HOPPER_END) loop->has_ended = 1;
    for (size_t i = 0; i < count; i++) {
        if (records[i].gap != HOPPER_GAP_NONE) return -1;
        loop->records++;
    }
    return st == HOPPER_OK || st == HOPPER_END || st == HOPPER_EAGAIN ? 0 : -1;
}

static int run(struct loop *loop)
{
    while (!loop->has_ended) {
        struct epoll_event events[2];
        int                count = epoll_wait(loop->epoll_fd, events, 2, -1);

        if (count < 0) return -1;
        for (int i = 0; i < count; i++) {
            int failed = events[i].data.fd == loop->timer_fd ? on_timer(loop) : on_records(loop);
            if (failed) return -1;
        }
    }
    return 0;
}

static int open_loop(struct loop *loop)
{
    struct itimerspec every = { { 0, 100000 }, { 0, 100000 } }; /* 0.1 ms */

    if (hopper_receiver_fd(loop->rcv, &loop->queue_fd) != HOPPER_OK) return -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0) return -1;
    if (watch(loop->epoll_fd, loop->queue_fd) != 0 || watch(loop->epoll_fd, loop->timer_fd) != 0) return -1;
    return timerfd_settime(loop->timer_fd, 0, &every, NULL);
}

int main(int argc, char **argv)
{
    const char         *dir  = argc > 1 ? argv[1] : getenv("TMPDIR");
    struct loop         loop = { .epoll_fd = -1, .timer_fd = -1 };
    struct hopper_error err;

    if (hopper_channel(dir != NULL ? dir : "/tmp", "example-batch-epoll", &loop.snd, &loop.rcv, &err) != HOPPER_OK) {
        fprintf(stderr, "batch_epoll: %s\n", hopper_status_text(err.status));
        return 1;
    }
    if (open_loop(&loop) != 0 || run(&loop) != 0) {
        fprintf(stderr, "batch_epoll: the loop failed\n");
        return 1;
    }
    printf("%u batches sent, %" PRIu64 " records received in %" PRIu64 " wake-ups\n", loop.batches_sent, loop.records,
           loop.wakeups);
    close(loop.epoll_fd);
    hopper_receiver_close(loop.rcv);
    return loop.records == (uint64_t)BATCH * BATCHES ? 0 : 1;
}
