/* SPDX-License-Identifier: MIT */
/* Sizes and times as people write them on a command line. Pure. */
#ifndef CLI_SIZES_H
#define CLI_SIZES_H

#include <stdint.h>

/* Read TEXT as a number of bytes into *BYTESP. Returns 0, or -1 (and *BYTESP is 0) when it is anything else than:
 *
 *     DIGITS[.DIGITS][SUFFIX]     K M G T, KiB MiB GiB TiB: powers of 1024; KB MB GB TB: powers of 1000
 *     DIGITS[.DIGITS]%            of WHOLE, at most 100%; refused when WHOLE is 0
 *
 * in ASCII, without blanks and signs, small enough for 64 bits. A number without a suffix is bytes and has no decimals.
 * What decimals leave below one byte is dropped: 1.3K is 1331. */
int size_parse(const char *text, uint64_t whole, uint64_t *bytesp);

/* Read TEXT, seconds such as 10 or 0.5, as milliseconds. At least 1 ms, at most a year; else -1 and *MSP is 0. */
int seconds_parse(const char *text, uint64_t *msp);

#endif
