/* SPDX-License-Identifier: MIT */
/*
 * Standard error: messages of all threads, and the progress line that stands at the bottom of a terminal.
 *
 * Each call puts its text together first and writes it with one write(2), under a lock, so that lines of different
 * threads (and, as far as the system allows, of different programs) do not mix. A message that comes while a progress
 * line is shown wipes the line out; the next progress line appears below. Errors of writing are ignored: there is
 * nobody left to tell.
 */
#include "report.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRAM        "hopper-cat: "
#define LINE_MAX_BYTES 8192

static struct {
    pthread_mutex_t lock;
    bool is_quiet;
    bool is_verbose;
    bool is_terminal;
    size_t shown; /* columns that the progress line covers now */
} report = { .lock = PTHREAD_MUTEX_INITIALIZER };

void report_init(bool is_quiet, bool is_verbose)
{
    report.is_quiet    = is_quiet;
    report.is_verbose  = is_verbose;
    report.is_terminal = isatty(STDERR_FILENO) == 1;
}

static void put(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(STDERR_FILENO, text, len);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return;
        text += put;
        len -= (size_t)put;
    }
}

/* Blanks over the progress line, then the start of the line again. [report.lock] */
static void wipe_locked(void)
{
    char blank[LINE_MAX_BYTES];

    if (report.shown == 0) return;
    memset(blank, ' ', sizeof blank);
    blank[0] = blank[report.shown + 1] = '\r';
    put(blank, report.shown + 2);
    report.shown = 0;
}

static void put_line(const char *line, size_t len)
{
    pthread_mutex_lock(&report.lock);
    wipe_locked();
    put(line, len);
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

/* Columns that a line may cover without moving the terminal on to the next. */
static size_t terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 79;
    return size.ws_col - 1u < LINE_MAX_BYTES / 4 ? size.ws_col - 1u : LINE_MAX_BYTES / 4;
}

void report_progress(const char *text)
{
    char line[LINE_MAX_BYTES];
    size_t len = strlen(text);
    int written;

    if (!report.is_terminal) {
        written = snprintf(line, sizeof line, "%s\n", text);
        if (written > 0 && (size_t)written < sizeof line) put_line(line, (size_t)written);
        return;
    }
    if (len > terminal_columns()) len = terminal_columns();
    pthread_mutex_lock(&report.lock);
    /* pad with blanks what the line before covered and this one does not */
    written = snprintf(line, sizeof line, "\r%-*.*s", (int)(report.shown > len ? report.shown : len), (int)len, text);
    if (written > 0 && (size_t)written < sizeof line) put(line, (size_t)written);
    report.shown = len;
    pthread_mutex_unlock(&report.lock);
}

void report_progress_end(void)
{
    pthread_mutex_lock(&report.lock);
    if (report.shown > 0) put("\n", 1);
    report.shown = 0;
    pthread_mutex_unlock(&report.lock);
}
