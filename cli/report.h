/* SPDX-License-Identifier: MIT */
/* What hopper-cat says on standard error. Any thread; each call writes whole lines. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>

#if defined __GNUC__
#define REPORT_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define REPORT_FORMAT(fmt, args)
#endif

/* Call once, before other threads exist. IS_QUIET: no warnings. IS_VERBOSE: notes. */
void report_init(bool is_quiet, bool is_verbose);

/* "hopper-cat: " and the text. Errors are always written; warnings not with -q; notes only with -v. */
void report_error(const char *format, ...) REPORT_FORMAT(1, 2);
void report_warning(const char *format, ...) REPORT_FORMAT(1, 2);
void report_note(const char *format, ...) REPORT_FORMAT(1, 2);

/* An error with the text of ERRNUM, an errno value, after it. */
void report_failure(int errnum, const char *format, ...) REPORT_FORMAT(2, 3);

/* TEXT, which ends in a line end where it needs one, as it is. */
void report_text(const char *text);

/* Show TEXT as the progress line: in place of the one before on a terminal, as a line of its own elsewhere. */
void report_progress(const char *text);

/* Leave the progress line, if one is shown, standing and go to the next line. */
void report_progress_end(void);

#endif
