/* SPDX-License-Identifier: MIT */
/*
 * Standard error: messages of all threads, and the progress line that stands at the bottom of a terminal.
 *
 * Nobody but a thread of its own writes to it, because a write may block for ever (a full pipe that nobody reads, a
 * terminal stopped with ^S) and the threads that move records and attend to signals must not. Each call puts its text
 * together and appends it, whole or not at all, to a buffer under a lock, so that lines of different threads do not
 * mix. What does not fit into the buffer is left out; progress is left out as soon as anything waits. Before the thread
 * is started texts are written directly.
 *
 * A message that comes while a progress line is shown wipes the line out; the next progress line appears below. Errors
 * of writing are ignored: there is nobody left to tell.
 */
#include "report.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROGRAM        "hopper-cat: "
#define LINE_MAX_BYTES 8192
#define BUFFER_BYTES   (64u << 10)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* the thread: there is something to write, or the end */
    pthread_t thread;
    int ended_fd;    /* eventfd: readable when the thread has ended */
    bool is_started; /* constant while there are other threads */
    bool is_ending;
    char buffer[BUFFER_BYTES]; /* the first USED bytes wait, in the thread's hands or not */
    size_t used;
    bool is_quiet;
    bool is_verbose;
    bool is_terminal;
    size_t shown; /* columns that the progress line covers now */
} report = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .ended_fd = -1 };

void report_init(bool is_quiet, bool is_verbose)
{
    report.is_quiet    = is_quiet;
    report.is_verbose  = is_verbose;
    report.is_terminal = isatty(STDERR_FILENO) == 1;
}

static void write_all(const char *text, size_t len)
{
    struct pollfd writable = { .fd = STDERR_FILENO, .events = POLLOUT };

    while (len > 0) {
        ssize_t put = write(STDERR_FILENO, text, len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) { /* somebody has made it non-blocking */
            (void)poll(&writable, 1, -1);
            continue;
        }
        if (put <= 0) return;
        text += put;
        len -= (size_t)put;
    }
}

/* The thread. Its text stays in the buffer until it is written: others append behind it. */
static void *write_reports(void *unused)
{
    static char text[BUFFER_BYTES];
    size_t len;

    (void)unused;
    pthread_mutex_lock(&report.lock);
    for (;;) {
        while (report.used == 0 && !report.is_ending) pthread_cond_wait(&report.wake, &report.lock);
        if ((len = report.used) == 0) break;
        memcpy(text, report.buffer, len);
        pthread_mutex_unlock(&report.lock);
        write_all(text, len);
        pthread_mutex_lock(&report.lock);
        report.used -= len;
        memmove(report.buffer, report.buffer + len, report.used);
    }
    pthread_mutex_unlock(&report.lock);
    (void)eventfd_write(report.ended_fd, 1);
    return NULL;
}

int report_start(void)
{
    int err;

    if ((report.ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) return -errno;
    if ((err = pthread_create(&report.thread, NULL, write_reports, NULL)) != 0) return -err;
    report.is_started = true;
    return 0;
}

bool report_end(int fd, int patience_ms)
{
    struct pollfd events[] = { { .fd = report.ended_fd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

    if (!report.is_started) return true;
    pthread_mutex_lock(&report.lock);
    report.is_ending = true;
    pthread_cond_signal(&report.wake);
    pthread_mutex_unlock(&report.lock);
    while (poll(events, 2, patience_ms) < 0 && errno == EINTR) {}
    if (!(events[0].revents & POLLIN)) return false;
    (void)pthread_join(report.thread, NULL);
    report.is_started = false;
    return true;
}

/* True: TEXT is on its way. False: nothing of it is. [report.lock] */
static bool put_locked(const char *text, size_t len)
{
    if (!report.is_started) {
        write_all(text, len);
        return true;
    }
    if (len > BUFFER_BYTES - report.used) return false;
    memcpy(report.buffer + report.used, text, len);
    report.used += len;
    pthread_cond_signal(&report.wake);
    return true;
}

/* Blanks over the progress line, then the start of the line again. [report.lock] */
static void wipe_locked(void)
{
    char blank[LINE_MAX_BYTES];

    if (report.shown == 0) return;
    memset(blank, ' ', sizeof blank);
    blank[0] = blank[report.shown + 1] = '\r';
    if (put_locked(blank, report.shown + 2)) report.shown = 0;
}

static void put_line(const char *line, size_t len)
{
    pthread_mutex_lock(&report.lock);
    wipe_locked();
    (void)put_locked(line, len);
    pthread_mutex_unlock(&report.lock);
}

/* The program's name, the text, the text of ERRNUM unless that is 0, a line end; cut when it is too long. */
REPORT_FORMAT(2, 0) static void put_message(int errnum, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES] = PROGRAM;
    size_t room               = sizeof line - 1; /* for the line end */
    size_t len                = sizeof PROGRAM - 1;
    int added                 = vsnprintf(line + len, room - len, format, args);

    if (added < 0) return;
    len = (size_t)added < room - len ? len + (size_t)added : room - 1;
    if (errnum != 0) {
        added = snprintf(line + len, room - len, ": %s", strerror(errnum));
        if (added > 0) len = (size_t)added < room - len ? len + (size_t)added : room - 1;
    }
    line[len++] = '\n';
    put_line(line, len);
}

void report_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_message(0, format, args);
    va_end(args);
}

void report_warning(const char *format, ...)
{
    va_list args;

    if (report.is_quiet) return;
    va_start(args, format);
    put_message(0, format, args);
    va_end(args);
}

void report_note(const char *format, ...)
{
    va_list args;

    if (!report.is_verbose) return;
    va_start(args, format);
    put_message(0, format, args);
    va_end(args);
}

void report_failure(int errnum, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_message(errnum, format, args);
    va_end(args);
}

void report_text(const char *text)
{
    put_line(text, strlen(text));
}

size_t report_columns(void)
{
    struct winsize size;

    if (!report.is_terminal) return SIZE_MAX;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 79;
    return size.ws_col - 1u < LINE_MAX_BYTES / 4 ? size.ws_col - 1u : LINE_MAX_BYTES / 4;
}

/* In place of the line before, padded with blanks where that covered more. [report.lock] */
static void show_on_terminal_locked(const char *text)
{
    char line[LINE_MAX_BYTES];
    size_t len = strlen(text);
    int written;

    if (len > report_columns()) len = report_columns();
    written = snprintf(line, sizeof line, "\r%-*.*s", (int)(report.shown > len ? report.shown : len), (int)len, text);
    if (written <= 0 || (size_t)written >= sizeof line || !put_locked(line, (size_t)written)) return;
    report.shown = len;
}

void report_progress(const char *text)
{
    char line[LINE_MAX_BYTES];
    int written;

    pthread_mutex_lock(&report.lock);
    if (report.used > 0) {
        /* older text still waits: this line would be out of date when its turn comes */
    } else if (report.is_terminal) {
        show_on_terminal_locked(text);
    } else {
        written = snprintf(line, sizeof line, "%s\n", text);
        if (written > 0 && (size_t)written < sizeof line) (void)put_locked(line, (size_t)written);
    }
    pthread_mutex_unlock(&report.lock);
}

void report_progress_end(void)
{
    pthread_mutex_lock(&report.lock);
    if (report.shown > 0) (void)put_locked("\n", 1);
    report.shown = 0;
    pthread_mutex_unlock(&report.lock);
}
