/* SPDX-License-Identifier: MIT */
/*
 * The main thread's loop. It sleeps in poll() until a signal comes, a thread ends, or it is time for one of: looking at
 * the books (once a second, or as often as the progress line changes), showing progress, interrupting a thread that is
 * to end (control.h), and giving up on one.
 *
 * Signals: the first INT, TERM or HUP stops the reading, and the loop goes on until everything has been delivered; the
 * second one, and QUIT at once, abandons that. One wish may arrive as several signals: timeout(1) and some shells send
 * to the process and then to its group. So what comes within half a second of the first one is part of it. USR1 prints
 * one line.
 *
 * A queue that stays (-P) is not drained: delivering ends as soon as the producer has put into it what it had read.
 * When the queue is full that needs a reader that makes room, and it is waited for only as long as that reader moves.
 */
#include "watch.h"

#include "report.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS       1000 /* between two looks at the books */
#define KICK_MS       5    /* after the first interruption; then twice as long each time */
#define KICK_MS_MAX   500
#define SAME_WISH_MS  500  /* from a first signal; another one within that time says nothing new */
#define DRAIN_NOTE_MS 1000 /* a drain that takes longer is told */
#define GIVE_UP_MS    3000 /* from abandoning to leaving a thread alone */
#define PATIENCE_MS   2000 /* for a reader to make room in a full queue that stays */

uint64_t watch_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t look_interval_ms(const struct watch *w)
{
    return w->shows_progress && w->args->interval_ms < LOOK_MS ? w->args->interval_ms : LOOK_MS;
}

void watch_init(struct watch *w)
{
    const struct args *args = w->args;

    w->signal         = 0;
    w->start_ms       = watch_now_ms();
    w->shows_progress = args->forces_progress || (args->shows_progress && isatty(STDERR_FILENO) == 1);
    w->is_full_told   = false;
    w->sample_at_ms   = w->start_ms + look_interval_ms(w);
    w->show_at_ms     = w->shows_progress ? w->start_ms + args->interval_ms : UINT64_MAX;
    w->second_at_ms   = 0;
    w->kick_at_ms = w->drain_note_at_ms = w->give_up_at_ms = w->patience_at_ms = UINT64_MAX;
    w->kick_pause_ms                                                           = KICK_MS;
    progress_init(&w->progress, w->start_ms, w->before, w->recovered);
}

static int get_books(struct watch *w, struct hopper_stats *stats)
{
    *stats = (struct hopper_stats){ .size = sizeof(struct hopper_stats) };
    return w->rcv != NULL && hopper_receiver_stats(w->rcv, stats) == HOPPER_OK ? 0 : -1;
}

static uint64_t delivered(const struct watch *w)
{
    return atomic_load_explicit(&w->control->written_records, memory_order_relaxed);
}

static const char *full_means(uint32_t when_full)
{
    switch (when_full) {
    case HOPPER_FULL_DROP_NEWEST: return "dropping new records";
    case HOPPER_FULL_DROP_OLDEST: return "dropping the oldest records";
    case HOPPER_FULL_REFUSE: return "reading stops";
    default: return "waiting for room";
    }
}

/* Full is a state that ends by itself: it is told once. */
static void tell_full_disk(struct watch *w, int disk_errno)
{
    struct statvfs space = { 0 };

    if (w->is_full_told || (disk_errno != ENOSPC && disk_errno != EDQUOT)) return;
    w->is_full_told = true;
    (void)statvfs(w->dir, &space);
    report_warning("%s: %s, %llu bytes free; %s", w->dir, strerror(disk_errno),
                   (unsigned long long)space.f_bavail * space.f_frsize, full_means(w->args->when_full));
}

static void look(struct watch *w, uint64_t now_ms)
{
    struct hopper_stats stats;

    if (get_books(w, &stats) != 0) return;
    progress_sample(&w->progress, now_ms, &stats, delivered(w));
    tell_full_disk(w, (int)stats.disk_errno);
}

/* One progress line, by SHOW. */
static void show(struct watch *w, uint64_t now_ms, void (*put)(const char *line))
{
    struct hopper_stats stats;
    char line[PROGRESS_LINE_BYTES + 1];

    if (get_books(w, &stats) != 0) return;
    progress_format(&w->progress, now_ms, &stats, put == report_progress ? report_columns() : SIZE_MAX, line);
    put(line);
}

static void put_line(const char *line)
{
    char text[PROGRESS_LINE_BYTES + 2];
    size_t len = strlen(line);

    memcpy(text, line, len);
    memcpy(text + len, "\n", 2);
    report_text(text);
}

void watch_finish(struct watch *w)
{
    uint64_t now_ms = watch_now_ms();

    if (!w->shows_progress) return;
    look(w, now_ms);
    show(w, now_ms, report_progress);
    report_progress_end();
}

/* Interrupt from now on, at shortening, then lengthening intervals. */
static void start_kicking(struct watch *w)
{
    w->kick_at_ms    = 0;
    w->kick_pause_ms = KICK_MS;
}

static bool keeps(const struct watch *w)
{
    return w->args->survive != HOPPER_SURVIVE_NOTHING;
}

void watch_stop(struct watch *w)
{
    if (atomic_exchange(&w->control->stop, true)) return;
    if (keeps(w)) {
        w->patience_at_ms     = watch_now_ms() + PATIENCE_MS;
        w->patience_delivered = delivered(w);
    }
    start_kicking(w);
}

void watch_abandon(struct watch *w)
{
    atomic_store(&w->control->stop, true);
    if (atomic_exchange(&w->control->abandon, true)) return;
    w->patience_at_ms = UINT64_MAX;
    w->give_up_at_ms  = watch_now_ms() + GIVE_UP_MS;
    start_kicking(w);
}

/* Reading has stopped and the queue stays: is there still something to wait for? */
static void end_keeping(struct watch *w)
{
    uint64_t now_ms = watch_now_ms(), done = delivered(w);

    if (!keeps(w) || !control_stops(w->control) || control_abandons(w->control)) return;
    if (done != w->patience_delivered) {
        w->patience_delivered = done;
        w->patience_at_ms     = now_ms + PATIENCE_MS;
    }
    if (atomic_load(&w->producer->is_done) || now_ms >= w->patience_at_ms) watch_abandon(w);
}

static void kick(struct watch *w, uint64_t now_ms)
{
    if (!atomic_load(&w->producer->is_done)) signals_kick(w->producer_thread);
    if (control_abandons(w->control) && !atomic_load(&w->consumer->is_done)) signals_kick(w->consumer_thread);
    w->kick_at_ms = now_ms + w->kick_pause_ms;
    if (w->kick_pause_ms < KICK_MS_MAX) w->kick_pause_ms *= 2;
}

static void attend_signal(struct watch *w, int sig, uint64_t now_ms)
{
    if (sig == SIGUSR1) {
        show(w, now_ms, put_line);
        return;
    }
    if (sig != SIGQUIT && now_ms < w->second_at_ms) return;
    w->signal = sig;
    if (sig == SIGQUIT || control_stops(w->control)) {
        watch_abandon(w);
        return;
    }
    watch_stop(w);
    w->second_at_ms = now_ms + SAME_WISH_MS;
    if (!keeps(w)) w->drain_note_at_ms = now_ms + DRAIN_NOTE_MS;
}

/* A drain that takes its time: say why the program is still there, and what one can do. */
static void tell_drain(struct watch *w)
{
    struct hopper_stats stats;

    w->drain_note_at_ms = UINT64_MAX;
    if (control_abandons(w->control) || get_books(w, &stats) != 0) return;
    if (stats.pending_memory + stats.pending_disk > 0)
        report_warning("reading has stopped; %llu records are still to be delivered; a second signal drops them",
                       (unsigned long long)(stats.pending_memory + stats.pending_disk));
}

static void attend_clock(struct watch *w, uint64_t now_ms)
{
    if (now_ms >= w->sample_at_ms) {
        look(w, now_ms);
        w->sample_at_ms = now_ms + look_interval_ms(w);
    }
    if (now_ms >= w->show_at_ms) {
        show(w, now_ms, report_progress);
        w->show_at_ms = now_ms + w->args->interval_ms;
    }
    if (now_ms >= w->kick_at_ms) kick(w, now_ms);
    if (now_ms >= w->drain_note_at_ms) tell_drain(w);
}

static int poll_timeout_ms(const struct watch *w, uint64_t now_ms)
{
    const uint64_t times[] = { w->sample_at_ms,     w->show_at_ms,    w->kick_at_ms,
                               w->drain_note_at_ms, w->give_up_at_ms, w->patience_at_ms };
    uint64_t next          = now_ms + LOOK_MS;

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] < next) next = times[i];
    return next > now_ms ? (int)(next - now_ms) : 0;
}

/* Sleep until there is something to attend to, and do. */
static void attend(struct watch *w)
{
    struct pollfd events[] = { { .fd = w->signals->fd, .events = POLLIN },
                               { .fd = w->control->done_fd, .events = POLLIN } };
    eventfd_t ignored;
    uint64_t now_ms;
    int sig;

    (void)poll(events, 2, poll_timeout_ms(w, watch_now_ms()));
    if (events[1].revents & POLLIN) (void)eventfd_read(w->control->done_fd, &ignored);
    now_ms = watch_now_ms();
    while ((sig = signals_next(w->signals)) != 0) attend_signal(w, sig, now_ms);
    attend_clock(w, now_ms);
}

int watch_until(struct watch *w, atomic_bool *is_done)
{
    while (!atomic_load(is_done)) {
        end_keeping(w);
        if (watch_now_ms() >= w->give_up_at_ms) return -1;
        attend(w);
    }
    return 0;
}

bool watch_for(struct watch *w, atomic_bool *is_done, uint64_t ms)
{
    uint64_t until_ms = watch_now_ms() + ms;

    while (!atomic_load(is_done) && watch_now_ms() < until_ms) attend(w);
    return atomic_load(is_done);
}
