/* SPDX-License-Identifier: MIT */
/* A platform around another one that fails the calls that the input chooses, and notices a library that goes on for
 * ever. */
#ifndef FUZZ_FUZZ_PLATFORM_H
#define FUZZ_FUZZ_PLATFORM_H

#include <hopper/platform.h>

/* Which calls a fault hits. Creating a file is a write, opening one is a read. */
enum fuzz_fault_kind {
    FUZZ_FAULT_NONE  = 0,
    FUZZ_FAULT_WRITE = 1, /* pwrite, allocate, truncate, chmod, sync, creating, renaming, removing */
    FUZZ_FAULT_SHORT = 2, /* as WRITE, but a pwrite or allocate of more than a byte does half of it */
    FUZZ_FAULT_READ  = 3, /* pread, open, stat, list */
    FUZZ_FAULT_ALLOC = 4, /* the allocator and map */
    FUZZ_FAULT_KINDS = 5
};

struct fuzz_fault {
    enum fuzz_fault_kind kind;
    int error;        /* errno, positive */
    uint32_t skip;    /* calls of this kind that still go through first */
    uint32_t repeats; /* calls that fail then; UINT32_MAX: until told otherwise */
};

struct fuzz_platform {
    struct hopper_platform table; /* give this one to hopper_open() */
    const struct hopper_platform *base;

    struct fuzz_fault fault; /* change it at any time */
    uint64_t hits;           /* calls that were failed */

    uint64_t calls;     /* all calls: bounds how long the library may go on without returning */
    uint64_t calls_max; /* 0: none; beyond it the run is a finding: the library hangs */
};

/* Fill in FP around BASE, which has to stay. Clock and all that never fails are BASE's. */
void fuzz_platform_init(struct fuzz_platform *fp, const struct hopper_platform *base);

#endif
