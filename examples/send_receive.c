/* SPDX-License-Identifier: MIT */
/*
 * The smallest whole program: four threads send, one receives.
 *
 * The senders are faster than the receiver could ever be required to be: what does not fit in 128 KiB of memory goes to
 * disk and comes back in order. Each thread has a sender of its own (hopper_sender_clone); when the last one closes,
 * the receiver gets what is left and then HOPPER_END.
 *
 *     send_receive [DIR]     DIR: where the channel's directory is made; default $TMPDIR or /tmp
 */
#include <hopper/hopper.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, RECORDS_EACH = 50000 };

struct line {
    unsigned thread;
    unsigned number;
};

struct producer {
    pthread_t      thread;
    hopper_sender *sender;
    unsigned       id;
    hopper_status  status;
};

static void *produce(void *arg)
{
    struct producer *self = arg;

    for (unsigned i = 0; i < RECORDS_EACH && self->status == HOPPER_OK; i++) {
        struct line line = { self->id, i };
        self->status     = hopper_send(self->sender, &line, sizeof line);
    }
    hopper_sender_close(self->sender);
    return NULL;
}

/* Returns how many records arrived in their sender's order, and prints the first fault. */
static unsigned consume(hopper_receiver *rcv)
{
    unsigned             next[THREADS] = { 0 };
    unsigned             count         = 0;
    struct hopper_record rec;
    hopper_status        st;

    while ((st = hopper_receive(rcv, &rec, HOPPER_FOREVER)) == HOPPER_OK) {
        struct line line;

        if (rec.gap != HOPPER_GAP_NONE) {
            printf("%" PRIu64 " records lost: %s\n", rec.lost, hopper_gap_name(rec.gap));
            continue;
        }
        memcpy(&line, rec.data, sizeof line); /* a record may stand at any address */
        if (line.thread >= THREADS || line.number != next[line.thread]) {
            printf("record %" PRIu64 " is out of order\n", rec.seq);
            return count;
        }
        next[line.thread]++;
        count++;
    }
    if (st != HOPPER_END) printf("receive: %s\n", hopper_status_text(st));
    return count;
}

/* Start the threads, each with a clone of FIRST, and close FIRST: the channel ends when the last of them has closed.
 * The clones are made before anything is sent, while memory has room for them. Returns how many threads run. */
static int start(struct producer *producers, hopper_sender *first)
{
    int started = 0, cloned = 0;

    for (; cloned < THREADS; cloned++) {
        producers[cloned] = (struct producer){ .id = (unsigned)cloned };
        if (hopper_sender_clone(first, &producers[cloned].sender) != HOPPER_OK) break;
    }
    hopper_sender_close(first);
    for (; started < cloned; started++)
        if (pthread_create(&producers[started].thread, NULL, produce, &producers[started]) != 0) break;
    for (int i = started; i < cloned; i++) hopper_sender_close(producers[i].sender);
    return started;
}

int main(int argc, char **argv)
{
    const char            *dir     = argc > 1 ? argv[1] : getenv("TMPDIR");
    struct hopper_options  options = HOPPER_OPTIONS_INIT;
    struct hopper_stats    stats   = HOPPER_STATS_INIT;
    struct producer        producers[THREADS];
    struct hopper_error    err;
    hopper_sender         *snd;
    hopper_receiver       *rcv;
    unsigned               count;
    int                    started;

    options.memory_bytes = 128 << 10;
    if (hopper_open(dir != NULL ? dir : "/tmp", "example-send-receive", &options, &snd, &rcv, &err) != HOPPER_OK) {
        char text[400];
        hopper_error_format(&err, text, sizeof text);
        fprintf(stderr, "send_receive: %s\n", text);
        return 1;
    }
    started = start(producers, snd);
    count   = consume(rcv);
    for (int i = 0; i < started; i++) pthread_join(producers[i].thread, NULL);

    (void)hopper_receiver_stats(rcv, &stats);
    printf("%u records from %d threads, each thread's in order; %" PRIu64 " of them went the way of the disk\n", count,
           started, stats.overflowed);
    hopper_receiver_close(rcv);
    return started == THREADS && count == THREADS * RECORDS_EACH ? 0 : 1;
}
