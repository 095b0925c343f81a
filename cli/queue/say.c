/* SPDX-License-Identifier: MIT */
/* See say.h. */
#include "say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PROGRAM "hopper-queue: "

SAY_FORMAT(2, 0) static void say_line(int res, const char *format, va_list args)
{
    flockfile(stderr);
    (void)fputs(PROGRAM, stderr);
    (void)vfprintf(stderr, format, args);
    if (res != 0) (void)fprintf(stderr, ": %s", strerror(-res));
    (void)fputc('\n', stderr);
    funlockfile(stderr);
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(0, format, args);
    va_end(args);
}

void say_failure(int res, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(res, format, args);
    va_end(args);
}

const char *say_bytes(char *buf, uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    uint64_t tenths           = bytes;
    size_t unit               = 0;

    if (bytes < 1024) {
        (void)snprintf(buf, SAY_BYTES_LEN, "%" PRIu64, bytes);
        return buf;
    }
    for (; tenths >= UINT64_C(1024) * 1024; tenths /= 1024) unit++;
    tenths = tenths * 10 / 1024;
    (void)snprintf(buf, SAY_BYTES_LEN, "%" PRIu64 " (%" PRIu64 ".%" PRIu64 "%c)", bytes, tenths / 10, tenths % 10,
                   units[unit]);
    return buf;
}

const char *say_time(char *buf, uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    (void)snprintf(buf, SAY_TIME_LEN, "-");
    if (ms == 0 || ms / 1000 > UINT32_MAX * UINT64_C(64) || !gmtime_r(&seconds, &tm)) return buf;
    if (strftime(buf, SAY_TIME_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) (void)snprintf(buf, SAY_TIME_LEN, "-");
    return buf;
}

int say_end_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    say_failure(-errno, "standard output");
    return -1;
}
