/* SPDX-License-Identifier: MIT */
/*
 * A platform that wraps another and fails chosen calls. Calls are counted by kind from the moment a plan is armed; the
 * plan says which of them fails, how, and whether it ends.
 *
 *     struct fault_platform *fault = fault_platform_new(mem_platform_table(mem));
 *     options.platform = fault_platform_table(fault);
 *     ... hopper_open() ...
 *     fault_arm(fault, &(struct fault_plan){ .kinds = FAULT_PWRITE, .at = 3, .error = ENOSPC, .mode = FAULT_STICKY });
 *     ... the third pwrite from here on and all after it return -ENOSPC and write nothing ...
 *     fault_disarm(fault);                     // the disk is well again
 *     ck_assert(fault_hits(fault) > 0);        // 0: the run had fewer such calls, a sweep is at its end
 *
 * A sweep runs a scenario with at = 1, 2, 3, ... until a run has no hit. Faults and what they do:
 *   FAULT_FAIL       the call does nothing and returns -error (map and alloc: NULL; close and unmap: done all the same)
 *   FAULT_SHORT_ONE  pread and pwrite move one byte only; other kinds are left alone
 *   FAULT_SHORT_LESS pread and pwrite move one byte less than asked, if that is not nothing
 */
#ifndef TESTS_PLATFORM_FAULT_H
#define TESTS_PLATFORM_FAULT_H

#include <hopper/platform.h>
#include <stdbool.h>

enum {
    FAULT_OPEN        = 1 << 0, /* of what is there */
    FAULT_CLOSE       = 1 << 1,
    FAULT_PREAD       = 1 << 2,
    FAULT_PWRITE      = 1 << 3,
    FAULT_FDATASYNC   = 1 << 4,
    FAULT_FSYNC       = 1 << 5,
    FAULT_TRUNCATE    = 1 << 6,
    FAULT_ALLOCATE    = 1 << 7,
    FAULT_CHMOD       = 1 << 8,
    FAULT_STAT        = 1 << 9,
    FAULT_SPACE       = 1 << 10,
    FAULT_STAT_AT     = 1 << 11,
    FAULT_RENAME      = 1 << 12,
    FAULT_UNLINK      = 1 << 13,
    FAULT_MKDIR       = 1 << 14,
    FAULT_LIST        = 1 << 15,
    FAULT_LOCK        = 1 << 16,
    FAULT_MAP         = 1 << 17,
    FAULT_UNMAP       = 1 << 18,
    FAULT_EVENT_OPEN  = 1 << 19,
    FAULT_EVENT_SET   = 1 << 20,
    FAULT_EVENT_CLEAR = 1 << 21,
    FAULT_RANDOM      = 1 << 22,
    FAULT_CREATE      = 1 << 23, /* open_at with O_CREAT */
    FAULT_ALLOC       = 1 << 24,
    FAULT_SYNC_MAP    = 1 << 25,
    FAULT_BOOT_ID     = 1 << 26,
    FAULT_KINDS       = 27,

    FAULT_ANY_IO = ((1 << 27) - 1) & ~FAULT_ALLOC,
    FAULT_MEMORY = FAULT_ALLOC | FAULT_MAP,
    /* what a full device can refuse */
    FAULT_GROWS  = FAULT_CREATE | FAULT_PWRITE | FAULT_TRUNCATE | FAULT_ALLOCATE | FAULT_RENAME | FAULT_MKDIR,
    /* what needs a descriptor */
    FAULT_OPENS  = FAULT_OPEN | FAULT_CREATE | FAULT_LIST | FAULT_EVENT_OPEN
};

enum fault_mode {
    FAULT_ONCE,   /* that one call */
    FAULT_STICKY, /* that call and all of the plan's kinds after it */
    FAULT_HEALS   /* that call and the next heal_after - 1 of the plan's kinds */
};

enum fault_effect { FAULT_FAIL, FAULT_SHORT_ONE, FAULT_SHORT_LESS };

struct fault_plan {
    unsigned kinds; /* of these calls ... */
    uint64_t at;    /* ... the at-th, from 1 */
    int error;      /* errno, for FAULT_FAIL */
    enum fault_mode mode;
    enum fault_effect effect;
    uint64_t heal_after; /* FAULT_HEALS: so many fail */
};

struct fault_platform;

/* INNER is used until the platform is freed. Never NULL. */
struct fault_platform *fault_platform_new(const struct hopper_platform *inner);
void fault_platform_free(struct fault_platform *fault);
const struct hopper_platform *fault_platform_table(struct fault_platform *fault);

void fault_arm(struct fault_platform *fault, const struct fault_plan *plan); /* counts from 0 again */
void fault_disarm(struct fault_platform *fault);                             /* hits and counts stay */
uint64_t fault_hits(struct fault_platform *fault);                           /* calls that the plan has hit */
uint64_t fault_count(struct fault_platform *fault, unsigned kinds);          /* calls of KINDS since armed, or ever */
const char *fault_hit_kind(struct fault_platform *fault);                    /* name of the first kind hit, "none" */
const char *fault_mode_name(enum fault_mode mode);

#endif
