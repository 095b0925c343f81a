/* SPDX-License-Identifier: MIT */
/*
 * The consumer: receive a batch of views, write it, come back for more, until all senders have closed and everything
 * has been received. Each batch is written at once, so that a line is never held back while the channel waits for the
 * next one.
 *
 * What can go wrong: the output (told by main, which knows how the program is to die), and reading back queue files:
 * what is lost for good comes as a gap and is counted; what may pass (no descriptor, no memory) is told once and tried
 * again.
 */
#include "consume.h"

#include "report.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define RETRY_MS 200

void consumer_init(struct consumer *cons, struct control *control, hopper_receiver *rcv, int fd)
{
    cons->control = control;
    cons->rcv     = rcv;
    output_init(&cons->output, fd, control);
    memset(cons->lost, 0, sizeof cons->lost);
    cons->error       = 0;
    cons->is_complete = false;
    atomic_init(&cons->is_done, false);
}

static void count_gaps(struct consumer *cons, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct hopper_record *rec = &cons->batch[i];
        if (rec->gap != HOPPER_GAP_NONE) cons->lost[rec->gap < HOPPER_GAP_REASONS ? rec->gap : 0] += rec->lost;
    }
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

static bool write_batch(struct consumer *cons, size_t count)
{
    size_t written;

    cons->error = output_write(&cons->output, cons->batch, count, &written);
    if (written < count) count_gaps(cons, count);
    atomic_fetch_add_explicit(&cons->control->written_records, written, memory_order_relaxed);
    atomic_store_explicit(&cons->control->written_bytes, cons->output.bytes, memory_order_relaxed);
    return cons->error == 0;
}

static void copy_records(struct consumer *cons)
{
    bool is_told = false;
    hopper_status st;
    size_t count;

    for (;;) {
        st = hopper_receive_batch(cons->rcv, cons->batch, CONSUMER_BATCH, HOPPER_FOREVER, &count);
        if (st == HOPPER_OK) {
            if (!write_batch(cons, count)) return;
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
    atomic_store(&cons->is_done, true);
    (void)eventfd_write(cons->control->done_fd, 1);
    return NULL;
}
