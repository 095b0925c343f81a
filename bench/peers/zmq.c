/* SPDX-License-Identifier: MIT */
/*
 * ZeroMQ within a process: one PUSH socket for each sender, one PULL socket for the receiver, inproc. Messages have any
 * length; small ones lie in the message itself, others on the heap. Both high-water marks together make --slots for all
 * senders, so that a sender sleeps when they are used up. A batch is one message.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#define ADDRESS "inproc://bench"

static struct {
    void *context;
    void *push[BENCH_SENDERS_MAX];
    void *pull;
} sockets;

static const char *peer_name(const struct bench_work *work)
{
    return work->kind == BENCH_MEM || work->kind == BENCH_WAKE || work->kind == BENCH_BURST ? "zeromq-inproc" : NULL;
}

static void must(int result, const char *what)
{
    if (result < 0) bench_die(what, zmq_strerror(errno));
}

static void *socket_make(int type, int mark)
{
    const int none = 0;
    void *made     = zmq_socket(sockets.context, type);

    if (made == NULL) bench_die("zmq_socket", zmq_strerror(errno));
    must(zmq_setsockopt(made, ZMQ_SNDHWM, &mark, sizeof mark), "ZMQ_SNDHWM");
    must(zmq_setsockopt(made, ZMQ_RCVHWM, &mark, sizeof mark), "ZMQ_RCVHWM");
    must(zmq_setsockopt(made, ZMQ_LINGER, &none, sizeof none), "ZMQ_LINGER");
    return made;
}

static void peer_open(const struct bench_work *work)
{
    uint64_t slots = work->slots != 0 ? work->slots : work->messages;
    uint64_t mark  = slots / work->batch / work->senders / 2;

    if (mark == 0) mark = 1;
    if (work->kind == BENCH_BURST) mark = 0; /* no bound */
    sockets.context = zmq_ctx_new();
    if (sockets.context == NULL) bench_die("zmq_ctx_new", zmq_strerror(errno));
    sockets.pull = socket_make(ZMQ_PULL, (int)mark);
    must(zmq_bind(sockets.pull, ADDRESS), "zmq_bind");
    for (unsigned i = 0; i < work->senders; i++) {
        sockets.push[i] = socket_make(ZMQ_PUSH, (int)mark);
        must(zmq_connect(sockets.push[i], ADDRESS), "zmq_connect");
    }
}

static void peer_close(const struct bench_work *work)
{
    for (unsigned i = 0; i < work->senders; i++) zmq_close(sockets.push[i]);
    zmq_close(sockets.pull);
    zmq_ctx_term(sockets.context);
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    struct iovec records[BENCH_BATCH_MAX];
    char *group = bench_group_alloc(work, first);

    while (count > 0) {
        size_t some = bench_group(work, count);
        char *end;

        bench_records_fill(work, group, records, sender, first, some);
        end = (char *)records[some - 1].iov_base + records[some - 1].iov_len;
        if (work->batch > 1) {
            must(zmq_send(sockets.push[sender], group, (size_t)(end - group), 0), "zmq_send");
        } else {
            for (size_t i = 0; i < some; i++)
                must(zmq_send(sockets.push[sender], records[i].iov_base, records[i].iov_len, 0), "zmq_send");
        }
        first += some;
        count -= some;
    }
    free(group);
}

/* Check the messages in BYTES. Returns how many there are; a broken one ends them. */
static uint64_t messages_check(const struct bench_work *work, struct bench_check *check, const char *bytes, size_t len)
{
    uint64_t count = 0;
    size_t at      = 0;

    do {
        size_t size = work->batch == 1 ? len : bench_message_size(work, bench_load(bytes + at));

        if (size > len - at) size = len - at;
        bench_any_check(work, check, bytes + at, size);
        at += size;
        count++;
    } while (at < len);
    return count;
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    zmq_msg_t message;

    must(zmq_msg_init(&message), "zmq_msg_init");
    while (count > 0) {
        must(zmq_msg_recv(&message, sockets.pull, 0), "zmq_msg_recv");
        count -= messages_check(work, check, zmq_msg_data(&message), zmq_msg_size(&message));
    }
    zmq_msg_close(&message);
}

const struct bench_peer bench_peer = {
    .name = peer_name, .open = peer_open, .close = peer_close, .send = peer_send, .receive = peer_receive
};
