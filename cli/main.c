/* SPDX-License-Identifier: MIT */
/*
 * hopper-cat: lines from standard input or files, through a channel that overflows to disk, to standard output.
 *
 * This file is the order of work and the exit status. Normal path:
 *
 *     arguments -> signals -> directory -> channel -> two threads
 *         producer: read, find lines, send          (produce.c, lines.c)
 *         consumer: receive, write                  (consume.c, output.c)
 *         main:     signals, progress, full disk    (watch.c)
 *     (and a fourth one writes what is said: report.c)
 *     -> books -> close -> remove the directory -> exit status, or death by the signal that asked for it
 *
 * The consumer ends first: with the last record, or because the output is gone. What remains then is the producer's
 * end. A channel that survives nothing loses what the consumer cannot deliver, and counts it; its receiver is closed,
 * which brings the producer's end about. Where the queue stays (-P), the producer is told to read no more, what it has
 * read is still taken in if there is room, and only then the receiver is closed; persist.c says what stays. --drain has
 * a producer that finds nothing to read, --fill no consumer. A thread that hangs in the kernel (a dead disk, a dead
 * mount) is left alone after a few seconds: then the directory is removed under it, and the process ends.
 */
#include "args.h"
#include "books.h"
#include "consume.h"
#include "control.h"
#include "persist.h"
#include "produce.h"
#include "report.h"
#include "signals.h"
#include "status.h"
#include "tempdir.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <hopper/hopper.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LAST_SEND_MS  500  /* for the producer to send what it has read, when all else has ended */
#define LAST_WORDS_MS 2000 /* for standard error to take what is said, when it is time to die */

struct session {
    struct args args;
    struct control control;
    struct signals signals;
    struct producer producer;
    struct consumer consumer;
    struct watch watch;
    struct books books;
    char *private_dir; /* NULL: the user's */
    hopper_receiver *rcv;
    struct hopper_recovery recovery;
    struct hopper_stats before; /* the books when the channel was opened */
};

static bool keeps(const struct session *s)
{
    return s->args.survive != HOPPER_SURVIVE_NOTHING;
}

/* When a standard descriptor is closed, the next file opened would get its number, and records might end up in a queue
 * file. Open something there that fails as a closed descriptor does. */
static int guard_standard_descriptors(void)
{
    static const int wrong_way[] = { O_WRONLY, O_RDONLY, O_WRONLY };

    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", wrong_way[fd]) != fd) return -1;
    return 0;
}

static int open_status(hopper_status st)
{
    if (st == HOPPER_EBUSY) return STATUS_BUSY;
    return st == HOPPER_EINVAL ? STATUS_USAGE : STATUS_ERROR;
}

static int open_channel(struct session *s, const char *dir, hopper_sender **sndp)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;
    hopper_status st;
    char text[512];

    options.memory_bytes       = s->args.memory_bytes;
    options.disk_bytes         = s->args.disk_bytes;
    options.file_bytes         = s->args.file_bytes;
    options.record_bytes_max   = s->args.record_bytes_max + 1; /* and the terminator */
    options.when_full          = s->args.when_full;
    options.compression        = s->args.compression;
    options.compress_threads   = s->args.compress_threads;
    options.decompress_threads = s->args.decompress_threads;
    persist_options(&s->args, &options);
    st = hopper_open(dir, s->args.name, &options, sndp, &s->rcv, &err);
    if (st == HOPPER_OK) return -1;
    hopper_error_format(&err, text, sizeof text);
    report_error("%s%s", text, persist_hint(&s->args, &err));
    return open_status(st);
}

/* The channel's books; once its receiver is closed, those that the producer has taken. */
static void take_books(struct session *s)
{
    struct books *books = &s->books;

    books->channel = (struct hopper_stats){ .size = sizeof(struct hopper_stats) };
    if (s->rcv != NULL) (void)hopper_receiver_stats(s->rcv, &books->channel);
    else books->channel = s->producer.last_books;
    books->delivered_records = atomic_load(&s->control.written_records);
    books->delivered_bytes   = atomic_load(&s->control.written_bytes);
    books->elapsed_ms        = watch_now_ms() - s->watch.start_ms;
}

static void close_receiver(struct session *s)
{
    hopper_receiver_close(s->rcv);
    s->rcv = s->watch.rcv = NULL;
}

static void tell_start(struct session *s, const char *dir)
{
    const struct hopper_stats *stats = &s->books.channel;

    report_note(
        "queue in %s/%s: at most %llu bytes in memory and %llu on disk, in files of %llu; records of at most %llu", dir,
        s->args.name, (unsigned long long)stats->memory_bytes, (unsigned long long)stats->disk_bytes,
        (unsigned long long)stats->file_bytes, (unsigned long long)stats->record_bytes_max);
}

/* Both threads, with --fill the producer alone, or none. 0, or -1 after telling why. */
static int start_threads(struct session *s)
{
    int err = 0;

    if (!s->args.only_fills) {
        err = pthread_create(&s->watch.consumer_thread, NULL, consumer_run, &s->consumer);
    } else {
        s->consumer.is_complete = true;
        atomic_store(&s->consumer.is_done, true);
    }
    if (err != 0) {
        report_failure(err, "cannot start a thread");
        return -1;
    }
    if ((err = pthread_create(&s->watch.producer_thread, NULL, producer_run, &s->producer)) != 0) {
        report_failure(err, "cannot start a thread");
        hopper_sender_close(s->producer.snd); /* ends the consumer */
        s->producer.snd = NULL;
        if (!s->args.only_fills) (void)pthread_join(s->watch.consumer_thread, NULL);
        return -1;
    }
    return 0;
}

/* The consumer has ended early, or there was none. See to it that the producer ends. -1: it does not. */
static int end_producer(struct session *s)
{
    struct watch *w = &s->watch;

    if (!s->consumer.is_complete && !keeps(s)) {
        take_books(s);
        watch_abandon(w);
        close_receiver(s); /* a sender that waits for room wakes up */
    } else if (!s->consumer.is_complete) {
        watch_stop(w);
        if (watch_until(w, &s->control.abandon) != 0) return -1;
        if (watch_for(w, &s->producer.is_done, LAST_SEND_MS)) return 0;
        close_receiver(s); /* the device is full, or fails: there is no room for what it has read */
    }
    return watch_until(w, &s->producer.is_done);
}

/* From running threads to none; afterwards the books are complete. -1: one of them does not end. */
static int run_threads(struct session *s)
{
    struct watch *w = &s->watch;

    watch_init(w);
    if (watch_until(w, s->args.only_fills ? &s->producer.is_done : &s->consumer.is_done) != 0) return -1;
    watch_finish(w);
    if (end_producer(s) != 0) return -1;
    if (!s->args.only_fills) (void)pthread_join(w->consumer_thread, NULL);
    (void)pthread_join(w->producer_thread, NULL);
    if (s->rcv != NULL || keeps(s)) take_books(s);
    s->books.unsent_records    = s->producer.unsent;
    s->books.truncated_records = s->producer.lines.truncated;
    return 0;
}

/* 0, or the signal to die by. */
static int death_signal(const struct session *s)
{
    if (s->watch.signal != 0) return s->watch.signal;
    return s->consumer.error == -EPIPE && !s->signals.pipe_is_ignored ? SIGPIPE : 0;
}

static uint64_t tell_lost(const struct session *s)
{
    uint64_t dropped = s->before.gap_records[HOPPER_GAP_DROPPED_NEWEST];
    uint64_t lost    = s->books.truncated_records;

    if (lost > 0)
        report_warning("%llu records were shortened to %zu bytes", (unsigned long long)lost,
                       s->producer.lines.options.record_bytes_max);
    for (unsigned reason = 0; reason < HOPPER_GAP_REASONS; reason++) {
        if (s->consumer.lost[reason] == 0) continue;
        lost += s->consumer.lost[reason];
        report_warning("%llu records are missing: %s", (unsigned long long)s->consumer.lost[reason],
                       reason == 0 ? "unknown" : hopper_gap_name(reason));
    }
    if (!s->args.only_fills || s->books.channel.gap_records[HOPPER_GAP_DROPPED_NEWEST] == dropped) return lost;
    dropped = s->books.channel.gap_records[HOPPER_GAP_DROPPED_NEWEST] - dropped;
    report_warning("%llu records were dropped", (unsigned long long)dropped);
    return lost + dropped;
}

static void print_books(const struct session *s)
{
    char text[4096];

    if (s->args.books == BOOKS_NONE) return;
    (void)books_format(&s->books, s->args.books, text, sizeof text);
    report_text(text);
}

static void tell_undelivered(const struct session *s, int sig)
{
    uint64_t undelivered = books_undelivered(&s->books);

    if (undelivered > 0 && sig == SIGPIPE)
        report_note("%llu records were not delivered", (unsigned long long)undelivered);
    else if (undelivered > 0) report_error("%llu records were not delivered", (unsigned long long)undelivered);
}

/* Say what there is to say at the end, and what that makes the exit status. */
static int tell_end(const struct session *s)
{
    bool stays = keeps(s) && books_staying(&s->books) > 0;
    int sig    = death_signal(s);
    uint64_t lost;

    if (s->consumer.error != 0 && s->consumer.error != -ECANCELED && sig != SIGPIPE)
        report_failure(-s->consumer.error, "write error");
    if (keeps(s)) persist_tell_end(&s->books, s->args.only_fills && sig == 0);
    else tell_undelivered(s, sig);
    lost = tell_lost(s);
    print_books(s);
    if (stays && s->consumer.error == -EPIPE && !s->producer.has_failed && s->books.unsent_records == 0)
        return STATUS_KEPT;
    if (s->producer.has_failed || !s->consumer.is_complete) return STATUS_ERROR;
    return lost > 0 ? STATUS_INCOMPLETE : STATUS_DELIVERED;
}

static void remove_private_dir(struct session *s)
{
    int err;

    if (s->private_dir == NULL) return;
    if ((err = tempdir_remove(s->private_dir)) != 0) report_failure(-err, "cannot remove %s", s->private_dir);
    free(s->private_dir);
    s->private_dir = NULL;
}

/* Everything said is written. Standard error that takes nothing must not keep a program that was told to end; another
 * one waits, as it would with any program, until the signal comes. */
static void end_reports(struct session *s)
{
    int sig;

    while (death_signal(s) == 0 && !report_end(s->signals.fd, -1))
        if ((sig = signals_next(&s->signals)) != 0 && sig != SIGUSR1) s->watch.signal = sig;
    if (death_signal(s) != 0) (void)report_end(-1, LAST_WORDS_MS);
}

/* A thread hangs in the kernel: nothing it uses can be released, but the directory must not stay. */
static int leave(struct session *s)
{
    report_error("a system call does not return; leaving");
    remove_private_dir(s);
    (void)report_end(-1, LAST_WORDS_MS);
    if (death_signal(s) != 0) signals_die(death_signal(s));
    _exit(STATUS_ERROR);
}

static int run_channel(struct session *s, const char *dir, hopper_sender *snd)
{
    int status = STATUS_ERROR;

    take_books(s);
    s->before   = s->books.channel;
    s->recovery = (struct hopper_recovery){ .size = sizeof(struct hopper_recovery) };
    tell_start(s, dir);
    if (hopper_recovery_report(s->rcv, &s->recovery) == HOPPER_OK && keeps(s)) persist_tell_recovery(&s->recovery);
    s->books.recovered_records = s->watch.recovered = s->recovery.records;
    consumer_init(&s->consumer, &s->control, s->rcv, STDOUT_FILENO, keeps(s));
    if (producer_init(&s->producer, &s->args, &s->control, snd, &s->books.channel) != 0) {
        report_failure(ENOMEM, "cannot read");
    } else if (start_threads(s) == 0) {
        if (run_threads(s) != 0) return leave(s);
        status = tell_end(s);
    }
    producer_fini(&s->producer);
    close_receiver(s);
    return status;
}

static int run(struct session *s)
{
    hopper_sender *snd;
    const char *dir = s->args.dir;
    int err, status;

    if ((err = signals_init(&s->signals)) != 0 || (s->control.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        report_failure(err != 0 ? -err : errno, "cannot watch for signals");
        return STATUS_ERROR;
    }
    if ((err = report_start()) != 0) {
        report_failure(-err, "cannot start a thread");
        return STATUS_ERROR;
    }
    if (dir == NULL && (err = tempdir_make(&s->private_dir)) != 0) {
        report_failure(-err, "cannot make a temporary directory in %s (TMPDIR)", tempdir_parent());
        return STATUS_ERROR;
    }
    if (dir == NULL) dir = s->private_dir;
    if ((status = open_channel(s, dir, &snd)) == -1) {
        s->watch = (struct watch){ .args     = &s->args,
                                   .control  = &s->control,
                                   .signals  = &s->signals,
                                   .producer = &s->producer,
                                   .consumer = &s->consumer,
                                   .rcv      = s->rcv,
                                   .before   = &s->before,
                                   .dir      = dir };
        status   = run_channel(s, dir, snd);
    }
    remove_private_dir(s);
    return status;
}

int main(int argc, char **argv)
{
    static struct session session; /* has the batches and buffers of both threads: too large for a stack */
    int status;

    signals_hold();
    if (guard_standard_descriptors() != 0) return STATUS_ERROR;
    if ((status = args_parse(argc, argv, &session.args)) != -1) return status;
    report_init(session.args.is_quiet, session.args.is_verbose);
    status = run(&session);
    end_reports(&session);
    if (death_signal(&session) != 0) signals_die(death_signal(&session));
    return status;
}
