/* SPDX-License-Identifier: MIT */
/* What hopper-queue says on standard error, and words for people. */
#ifndef QUEUE_SAY_H
#define QUEUE_SAY_H

#include <stddef.h>
#include <stdint.h>

#if defined __GNUC__
#define SAY_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define SAY_FORMAT(fmt, args)
#endif

/* "hopper-queue: " and the text as one line. */
void say(const char *format, ...) SAY_FORMAT(1, 2);

/* The same, and the text of RES, a negated errno. */
void say_failure(int res, const char *format, ...) SAY_FORMAT(2, 3);

#define SAY_BYTES_LEN 32
#define SAY_TIME_LEN  32

/* Such as "131072 (128.0K)", or without the part in brackets below 1024. Returns BUF of SAY_BYTES_LEN. */
const char *say_bytes(char *buf, uint64_t bytes);

/* Milliseconds since 1970 as "2023-11-14T22:13:21Z"; "-" for 0. Returns BUF of SAY_TIME_LEN. */
const char *say_time(char *buf, uint64_t ms);

/* Ends standard output: 0, or -1 when not all of it could be written, which was said. */
int say_end_output(void);

#endif
