/* SPDX-License-Identifier: MIT */
/*
 * The consumer: receive a batch of views, write it, come back for more, until all senders have closed and everything
 * has been received. Each batch is written at once, so that a line is never held back while the channel waits for the
 * next one.
 *
 * Where the queue stays (-P), a record is acknowledged when all of it has been written and, if the output is a pipe,
 * its reader has taken it to the last byte (taken.h); one of which the reader has only the beginning comes again as a
 * whole. This is looked at after each batch, from time to time while nothing new comes, and when writing ends, by
 * whatever cause. So when the reader dies, the next run begins with the first record that it had not taken; and a kill
 * of this program at any moment costs no record, and brings twice at most what the pipe holds and a batch. At the end
 * the reader is waited for.
 *
 * What can go wrong: the output (told by main, which knows how the program is to die), and reading back queue files:
 * what is lost for good comes as a gap and is counted; what may pass (no descriptor, no memory) is told once and tried
 * again.
 */
#include "consume.h"

#include "pipe.h"
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define RETRY_MS      200
#define LOOK_MS       1 /* at what the reader has taken; then twice as long each time */
#define LOOK_MS_MAX   100
#define LAST_LOOKS_MS 200  /* how long a reader that does not move is waited for when it is time to end, */
#define LAST_WAIT_MS  1000 /* and one that does */

void consumer_init(struct consumer *cons, struct control *control, hopper_receiver *rcv, int fd, bool keeps)
{
    cons->control = control;
    cons->rcv     = rcv;
    cons->keeps = cons->is_older = keeps;
    taken_init(&cons->taken, fd);
    output_init(&cons->output, fd, control);
    if (!keeps) pipe_enlarge(fd); /* what is in a pipe is lost with its reader */
    memset(cons->lost, 0, sizeof cons->lost);
    cons->error       = 0;
    cons->is_complete = false;
    atomic_init(&cons->is_done, false);
}

/* How many of the first COUNT are gaps. */
static size_t count_gaps(struct consumer *cons, size_t count)
{
    size_t gaps = 0;

    if (!cons->output.has_gaps) return 0;
    for (size_t i = 0; i < count; i++) {
        const struct hopper_record *rec = &cons->batch[i];
        if (rec->gap == HOPPER_GAP_NONE) continue;
        cons->lost[rec->gap < HOPPER_GAP_REASONS ? rec->gap : 0] += rec->lost;
        gaps++;
    }
    return gaps;
}

/* A queue file could not be read this time. False when it is time to end. */
static bool wait_for_disk(struct consumer *cons, bool *is_toldp)
{
    char text[512];

    if (!*is_toldp) {
        hopper_error_format(hopper_receiver_error(cons->rcv), text, sizeof text);
        report_warning("%s; trying again", text);
        *is_toldp = true;
    }
    (void)poll(NULL, 0, RETRY_MS);
    return !control_abandons(cons->control);
}

/* Of the first COUNT records, now written, those of an earlier run are not what the producer has sent. */
static void count_older(struct consumer *cons, size_t count)
{
    uint64_t records = 0, bytes = 0;

    for (size_t i = 0; i < count && cons->is_older; i++) {
        const struct hopper_record *rec = &cons->batch[i];
        cons->is_older                  = (rec->flags & HOPPER_RECORD_REDELIVERED) != 0;
        if (!cons->is_older || rec->gap != HOPPER_GAP_NONE) continue;
        records++;
        bytes += rec->len;
    }
    atomic_fetch_add_explicit(&cons->control->older_records, records, memory_order_relaxed);
    atomic_fetch_add_explicit(&cons->control->older_bytes, bytes, memory_order_relaxed);
}

/* Up to SEQ the reader has all. No view is looked at after this. True: there was something new. */
static bool acknowledge_until(struct consumer *cons, uint64_t seq)
{
    if (seq == 0) return false;
    if (hopper_acknowledge_until(cons->rcv, seq) != HOPPER_OK)
        report_error("cannot acknowledge what was delivered: %s",
                     hopper_status_text(hopper_receiver_error(cons->rcv)->status));
    return true;
}

static bool acknowledge(struct consumer *cons)
{
    return acknowledge_until(cons, taken_look(&cons->taken, cons->output.bytes));
}

static bool write_batch(struct consumer *cons, size_t count)
{
    size_t done, gaps;

    cons->error = output_write(&cons->output, cons->batch, count, &done);
    gaps        = count_gaps(cons, done);
    if (cons->is_older) count_older(cons, done);
    atomic_fetch_add_explicit(&cons->control->written_records, done - gaps, memory_order_relaxed);
    atomic_store_explicit(&cons->control->written_bytes, cons->output.bytes, memory_order_relaxed);
    if (cons->keeps) (void)acknowledge_until(cons, taken_add(&cons->taken, cons->batch, done, cons->output.bytes));
    return cons->error == 0;
}

/* Nothing new has come for a while: see what the reader has taken meanwhile. False: it has gone. */
static bool look(struct consumer *cons)
{
    (void)acknowledge(cons);
    if (cons->taken.count == 0 || taken_wait(&cons->taken, 0)) return true;
    (void)acknowledge(cons); /* what it took just before */
    if (cons->taken.count > 0) cons->error = -EPIPE;
    return cons->taken.count == 0;
}

/* Nothing more is written. Wait for the reader to take what is in the pipe; when the program is to end, only for as
 * long as it moves, and not for long: a reader that takes a line now and then may have thousands before it. */
static void wait_for_reader(struct consumer *cons)
{
    uint64_t still_until_ns = 0, until_ns = 0; /* of the monotonic clock; 0: not yet time to end */
    int pause_ms = LOOK_MS;

    while (cons->taken.count > 0 && look(cons) && cons->taken.count > 0) {
        if (!taken_wait(&cons->taken, pause_ms)) continue;
        if (acknowledge(cons)) still_until_ns = 0;
        if (pause_ms < LOOK_MS_MAX) pause_ms *= 2;
        if (!control_abandons(cons->control)) continue;
        if (still_until_ns == 0) still_until_ns = hopper_after_ms(LAST_LOOKS_MS);
        if (until_ns == 0) until_ns = hopper_after_ms(LAST_WAIT_MS);
        if (hopper_after_ms(0) >= still_until_ns || hopper_after_ms(0) >= until_ns) return;
    }
}

/* What the reader has in the end is acknowledged; all else stays. */
static void end_keeping(struct consumer *cons)
{
    if (cons->error == 0 || cons->error == -ECANCELED) wait_for_reader(cons);
    (void)acknowledge(cons);
    if (cons->taken.count > 0) cons->is_complete = false;
}

static void copy_records(struct consumer *cons)
{
    const size_t most = cons->keeps ? CONSUMER_BATCH_KEPT : CONSUMER_BATCH;
    uint64_t look_ms  = LOOK_MS;
    bool is_told      = false;
    hopper_status st;
    size_t count;

    for (;;) {
        st      = hopper_receive_batch(cons->rcv, cons->batch, most,
                                  cons->taken.count > 0 ? hopper_after_ms(look_ms) : HOPPER_FOREVER, &count);
        look_ms = st == HOPPER_OK ? LOOK_MS : look_ms < LOOK_MS_MAX ? 2 * look_ms : LOOK_MS_MAX;
        if (st == HOPPER_OK) {
            if (!write_batch(cons, count)) return;
        } else if (st == HOPPER_EAGAIN) {
            if (!look(cons)) return;
        } else if (st == HOPPER_END) {
            cons->is_complete = true;
            return;
        } else if (st != HOPPER_EIO || !wait_for_disk(cons, &is_told)) {
            return;
        }
    }
}

void *consumer_run(void *arg)
{
    struct consumer *cons = arg;

    copy_records(cons);
    if (cons->keeps) end_keeping(cons);
    atomic_store(&cons->is_done, true);
    (void)eventfd_write(cons->control->done_fd, 1);
    return NULL;
}
