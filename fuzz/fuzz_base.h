/* SPDX-License-Identifier: MIT */
/* The files of real queues, for targets that damage them: a few short runs of channels that survive, killed or
 * closed. */
#ifndef FUZZ_FUZZ_BASE_H
#define FUZZ_FUZZ_BASE_H

#include "fuzz.h"
#include "platform_mem.h"

#include <hopper/hopper.h>

enum { FUZZ_BASE_FILES_MAX = 48, FUZZ_BASE_SCRIPTS = 16, FUZZ_BASE_PRODUCERS = 2 };

struct fuzz_base_file {
    char name[32];
    uint8_t *bytes; /* NULL: there is no such file */
    size_t len, room;
};

struct fuzz_base {
    struct fuzz_base_file file[FUZZ_BASE_FILES_MAX]; /* queue files, oldest first, then the others; LOCK is left out */
    size_t count;
    uint64_t accepted; /* sequence number of the last record */
    uint64_t acknowledged;
    uint64_t number[FUZZ_BASE_PRODUCERS]; /* the highest of producers 1, 2 */
    int is_made;
};

/* Every option of a base: small budgets, refuse when full, explicit acknowledgement. */
void fuzz_base_options(struct hopper_options *options, uint32_t survive, unsigned script);

/* Record SEQ of any base: its bytes, *LENP of them. */
const uint8_t *fuzz_base_record(uint64_t seq, unsigned script, size_t *lenp);

/* What run SCRIPT leaves; made once, and constant. IS_KILLED: else it closed. Uses MEM, and leaves it empty. */
const struct fuzz_base *fuzz_base_get(struct mem_platform *mem, uint32_t survive, unsigned script, int is_killed);

#endif
