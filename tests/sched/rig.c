/* SPDX-License-Identifier: MIT */
/* See rig.h. Each verb calls the library once and tells the judge (rig_judge.c) what came of it. */
#include "rig.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "rig_judge.h"
#include "rig_platform.h"

#define NAME       "q"
#define KEPT_BYTES 16384 /* STATE and PRODUCERS, of which the latter is never made here */

struct rig rig;

static struct rig_sender senders[RIG_SENDERS_MAX];
static unsigned sender_count;
static uint64_t memory_at_open; /* memory_bytes_used with one sender */
static int own_threads;
static uint64_t memory_of_sender; /* what a clone adds to it */

/* ---- open ---- */

static struct hopper_stats stats_of_sender(hopper_sender *snd)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(snd, &stats) == HOPPER_OK);
    return stats;
}

static void add_sender(hopper_sender *snd)
{
    struct rig_sender *s = &senders[sender_count];

    SCHED_CHECK(sender_count < RIG_SENDERS_MAX);
    s->snd        = snd;
    s->id         = sender_count++;
    s->next       = 0;
    s->is_started = false;
}

void rig_open(const struct rig_options *o)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;
    hopper_status st;

    memset(&rig, 0, sizeof rig);
    rig.event_fd = -1;
    sender_count = 0;
    judge_start();
    options.memory_bytes = o->survive ? HOPPER_MEMORY_BYTES_MIN_SURVIVE : HOPPER_MEMORY_BYTES_MIN;
    options.disk_bytes   = HOPPER_DISK_BYTES_MIN + (o->survive ? KEPT_BYTES : 0);
    if (o->memory_bytes > 0) options.memory_bytes = o->memory_bytes;
    if (o->survive == HOPPER_SURVIVE_CRASH) options.disk_bytes += 2 * options.memory_bytes;
    if (o->disk_bytes > 0) options.disk_bytes = o->disk_bytes;
    options.survive            = o->survive;
    options.sync               = o->sync;
    options.acknowledge        = o->acknowledge;
    options.compress_threads   = o->compress_threads;
    options.decompress_threads = o->decompress_threads;
    rig.room_kept              = o->survive ? KEPT_BYTES / 2 : 0;
    options.file_bytes         = o->file_bytes ? o->file_bytes : 16384;
    options.record_bytes_max   = o->record_bytes_max;
    options.when_full          = o->when_full;
    options.compression        = o->compression ? o->compression : HOPPER_COMPRESSION_NONE;
    options.item_type          = o->item_type;
    options.platform           = rig_platform_new(NAME, options.disk_bytes);
    st                         = hopper_open(RIG_PLATFORM_DIR, NAME, &options, &rig.first, &rig.rcv, &err);
    if (o->fails_with != HOPPER_OK) {
        SCHED_CHECK(st == o->fails_with && rig.first == NULL && rig.rcv == NULL && err.sys_errno != 0);
        rig_platform_free();
        return;
    }
    if (st != HOPPER_OK) sched_fail("hopper_open: %s: %s", hopper_status_name(st), err.op ? err.op : "");
    own_threads = (int)(o->compress_threads + o->decompress_threads);
    rig_rest();
    add_sender(rig.first);
    memory_at_open = stats_of_sender(rig.first).memory_bytes_used;
    for (unsigned i = 0; i < o->senders; i++) {
        hopper_sender *snd;

        SCHED_CHECK(hopper_sender_clone(rig.first, &snd) == HOPPER_OK);
        add_sender(snd);
    }
    if (o->senders > 0) memory_of_sender = (stats_of_sender(rig.first).memory_bytes_used - memory_at_open) / o->senders;
}

/* ---- sending ---- */

struct rig_sender *rig_sender(unsigned id)
{
    SCHED_CHECK(id < sender_count);
    return &senders[id];
}

static void *run_sender(void *arg)
{
    struct rig_sender *s = arg;

    s->body(s);
    return NULL;
}

void rig_start(unsigned id, void (*body)(struct rig_sender *self))
{
    struct rig_sender *s = rig_sender(id);

    s->body       = body;
    s->is_started = true;
    SCHED_CHECK(pthread_create(&s->thread, NULL, run_sender, s) == 0);
}

void rig_start_all(void (*body)(struct rig_sender *self))
{
    for (unsigned id = 1; id < sender_count; id++) rig_start(id, body);
}

hopper_status rig_send(struct rig_sender *s, size_t len, uint64_t deadline_ns)
{
    unsigned index   = judge_send_begins(s, s->message, len);
    hopper_status st = hopper_send_until(s->snd, s->message, len, deadline_ns);

    judge_send_ends(index, st);
    return st;
}

void rig_send_ok(struct rig_sender *s, size_t len)
{
    hopper_status st = rig_send(s, len, HOPPER_FOREVER);

    if (st != HOPPER_OK) sched_fail("send: %s", hopper_status_name(st));
}

static hopper_status send_many(struct rig_sender *s, size_t len, size_t count, bool is_joined, uint64_t deadline_ns,
                               size_t *acceptedp)
{
    size_t offsets[RIG_BATCH_MAX + 1];
    struct iovec vec[RIG_BATCH_MAX];
    unsigned index[RIG_BATCH_MAX];
    hopper_status st;

    SCHED_CHECK(count <= RIG_BATCH_MAX && count * len <= RIG_LEN_MAX);
    for (size_t i = 0; i <= count; i++) offsets[i] = i * len;
    for (size_t i = 0; i < count; i++) {
        vec[i]   = (struct iovec){ s->message + i * len, len };
        index[i] = judge_send_begins(s, vec[i].iov_base, len);
    }
    st = is_joined ? hopper_send_joined(s->snd, s->message, offsets, count, deadline_ns, acceptedp)
                   : hopper_send_batch(s->snd, vec, count, deadline_ns, acceptedp);
    SCHED_CHECK(*acceptedp <= count && (st == HOPPER_OK) == (*acceptedp == count));
    for (size_t i = 0; i < count; i++) judge_send_ends(index[i], i < *acceptedp ? HOPPER_OK : st);
    return st;
}

hopper_status rig_send_batch(struct rig_sender *s, size_t len, size_t count, uint64_t deadline_ns, size_t *acceptedp)
{
    return send_many(s, len, count, false, deadline_ns, acceptedp);
}

hopper_status rig_send_joined(struct rig_sender *s, size_t len, size_t count, uint64_t deadline_ns, size_t *acceptedp)
{
    return send_many(s, len, count, true, deadline_ns, acceptedp);
}

void rig_close_sender(struct rig_sender *s)
{
    hopper_sender *snd = s->snd;

    if (s == &senders[0]) rig.first = NULL;
    s->snd = NULL;
    hopper_sender_close(snd);
}

void rig_close_first(void)
{
    rig_close_sender(&senders[0]);
}

void rig_rest(void)
{
    for (int i = 0; i < own_threads; i++)
        while (!sched_is_waiting(RIG_THREAD + i)) sched_yield();
}

void rig_fill_ring(void)
{
    unsigned count = 0;

    do {
        rig_send_ok(&senders[0], RIG_RING_LEN);
        count++;
    } while (stats_of_sender(rig.first).overflowed == 0);
    SCHED_CHECK(count > 4);
}

void rig_fill_blocks(size_t len)
{
    uint64_t written = stats_of_sender(rig.first).written_bytes;

    do rig_send_ok(&senders[0], len);
    while (stats_of_sender(rig.first).written_bytes == written);
}

/* The refused messages are noted as such; that is what they are. */
void rig_fill_all(size_t least)
{
    size_t len = RIG_RING_LEN;

    rig_fill_ring();
    while (len >= least) {
        hopper_status st = rig_send(&senders[0], len, HOPPER_NOW);

        if (st == HOPPER_EFULL) len /= 2;
        else SCHED_CHECK(st == HOPPER_OK);
    }
}

/* ---- receiving ---- */

hopper_status rig_receive(uint64_t deadline_ns)
{
    struct hopper_record rec;
    hopper_status st;

    judge_views_end();
    st = hopper_receive(rig.rcv, &rec, deadline_ns);
    judge_take(&rec, st == HOPPER_OK);
    rig.is_at_end = st == HOPPER_END;
    return st;
}

hopper_status rig_receive_batch(size_t max, uint64_t deadline_ns)
{
    struct hopper_record recs[RIG_BATCH_MAX];
    size_t count = 99;
    hopper_status st;

    SCHED_CHECK(max <= RIG_BATCH_MAX);
    judge_views_end();
    st = hopper_receive_batch(rig.rcv, recs, max, deadline_ns, &count);
    SCHED_CHECK(count <= max && (st == HOPPER_OK) == (count > 0));
    judge_take(recs, count);
    rig.is_at_end = st == HOPPER_END;
    return st;
}

void rig_receive_all(void)
{
    hopper_status st;

    while ((st = rig_receive(HOPPER_FOREVER)) == HOPPER_OK) continue;
    if (st != HOPPER_END) sched_fail("receive: %s", hopper_status_name(st));
}

void rig_receive_count(unsigned count)
{
    while (count-- > 0) {
        hopper_status st = rig_receive(HOPPER_FOREVER);

        if (st != HOPPER_OK) sched_fail("receive: %s", hopper_status_name(st));
    }
}

void rig_acknowledge(void)
{
    judge_views_end();
    hopper_acknowledge(rig.rcv);
}

void rig_close_receiver(void)
{
    hopper_receiver *rcv = rig.rcv;

    judge_views_end();
    rig.rcv = NULL;
    hopper_receiver_close(rcv);
}

void rig_poll(void)
{
    if (rig.event_fd < 0) SCHED_CHECK(hopper_receiver_fd(rig.rcv, &rig.event_fd) == HOPPER_OK);
    rig_platform_poll(rig.event_fd);
}

bool rig_event_is_set(void)
{
    return rig_platform_event_is_set(rig.event_fd);
}

/* ---- the disk ---- */

void rig_allow_faults(unsigned kinds, int error, unsigned count, bool sticky)
{
    rig_platform_allow_faults(kinds, error, count, sticky);
}

void rig_break_device(void)
{
    rig_platform_break_device();
}

void rig_heal(void)
{
    rig_platform_heal();
}

unsigned rig_faults(void)
{
    return rig_platform_faults();
}

void rig_join_all(void)
{
    for (unsigned i = 0; i < sender_count; i++) {
        if (senders[i].is_started) SCHED_CHECK(pthread_join(senders[i].thread, NULL) == 0);
        senders[i].is_started = false;
    }
}

void rig_finish(void)
{
    unsigned open = 0;

    rig_join_all();
    for (unsigned i = 0; i < sender_count; i++) open += senders[i].snd != NULL;
    judge_order();
    if (rig.rcv != NULL) {
        rig_rest(); /* a block that it was at when the receiver took it is in use until it has seen that */
        judge_final_books(memory_at_open + open * memory_of_sender - memory_of_sender);
        rig_close_receiver();
    }
    for (unsigned i = 0; i < sender_count; i++) {
        if (senders[i].snd != NULL) rig_close_sender(&senders[i]);
    }
    rig_platform_free();
}
