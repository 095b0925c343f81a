/* SPDX-License-Identifier: MIT */
/* The command line of hopper-cat. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum books_form { BOOKS_NONE = 0, BOOKS_TEXT = 1, BOOKS_JSON = 2 };

struct args {
    const char *dir;  /* -d or HOPPER_DIR; NULL: a private directory */
    const char *name; /* the channel's */

    /* as in struct hopper_options; 0 is the library's default */
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t file_bytes;
    uint32_t when_full;
    uint32_t compression;
    uint32_t compress_threads;
    uint32_t decompress_threads;
    uint32_t survive; /* enum hopper_survive; not 0 with -P, and then dir is there */
    uint32_t sync_ms; /* -y, 0: before each acceptance */
    bool only_drains; /* --drain: there are no files */
    bool only_fills;

    char terminator;
    uint64_t record_bytes_max; /* without the terminator */
    enum lines_long long_records;

    bool shows_progress; /* when standard error is a terminal */
    bool forces_progress;
    uint64_t interval_ms;
    enum books_form books;
    bool is_quiet;
    bool is_verbose;

    char **files; /* "-" is standard input */
    int file_count;
};

/* Fill in ARGS, whose pointers lead into ARGV and the environment. Returns -1 to go on, or the status to exit with:
 * --help and --version have been answered on standard output, a mistake has been told on standard error. */
int args_parse(int argc, char **argv, struct args *args);

#endif
