/* SPDX-License-Identifier: MIT */
/* What hopper-cat says on standard error. Any thread; each call is for whole lines. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#if defined __GNUC__
#define REPORT_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define REPORT_FORMAT(fmt, args)
#endif

/* Call once, before other threads exist. IS_QUIET: no warnings. IS_VERBOSE: notes. */
void report_init(bool is_quiet, bool is_verbose);

/* Write from a thread of its own from now on: none of the calls below blocks any more. Call when the
 * signals that others attend to are blocked. 0, or a negated errno; then the calls still write, and may block. */
int report_start(void);

/* No more calls from other threads: have what waits written and end the thread. Waits for PATIENCE_MS, -1 for ever, and
 * no longer once FD is readable (-1: nothing to look at). False: it is not all written; may be called again. */
bool report_end(int fd, int patience_ms);

/* "hopper-cat: " and the text. Errors are always written; warnings not with -q; notes only with -v. */
void report_error(const char *format, ...) REPORT_FORMAT(1, 2);
void report_warning(const char *format, ...) REPORT_FORMAT(1, 2);
void report_note(const char *format, ...) REPORT_FORMAT(1, 2);

/* An error with the text of ERRNUM, an errno value, after it. */
void report_failure(int errnum, const char *format, ...) REPORT_FORMAT(2, 3);

/* TEXT, which ends in a line end where it needs one, as it is. */
void report_text(const char *text);

/* Columns that a progress line may cover without moving the terminal on to the next line; SIZE_MAX when
 * standard error is none. */
size_t report_columns(void);

/* Show TEXT as the progress line: in place of the one before on a terminal, as a line of its own elsewhere.
 * Left out while older text is not yet written. */
void report_progress(const char *text);

/* Leave the progress line, if one is shown, standing and go to the next line; SIZE_MAX when
 * standard error is none. */
void report_progress_end(void);

#endif
