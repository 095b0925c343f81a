/* SPDX-License-Identifier: MIT */
/*
 * A disk that knows what a crash may leave of it: platform_mem with, for each file and name, what is on the device
 * beside what the system shows. docs/durability.md, "The model", has the rules; L1 to L5 in here are its names for
 * them.
 *
 *     struct crash_disk *disk = crash_disk_new(mem, NULL, CRASH_STRICT);
 *     options.platform = crash_disk_table(disk);
 *     crash_disk_watch(disk, look, arg);             // LOOK is called after every call that changes or syncs something
 *     ... the library at work; in look(): ...
 *         crash_disk_each_state(disk, &how, try, arg);   // TRY gets images of what may be left after a power cut
 *         crash_disk_killed(disk, image);                // or what is left when only the process is killed
 *             crash_image_load(image, other_mem); hopper_open() there ...
 *
 * What was written, cut, named or removed and not yet synced is a list of pending units; a state is the durable image
 * with some of them applied. One thread at a time looks; calls of the table may come from several.
 */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include "platform_mem.h"

#define CRASH_SECTOR_BYTES 512
#define CRASH_PAGE_BYTES   4096
#define CRASH_ROOT         "/spool" /* a directory that is there and durable from the start */

enum crash_profile {
    CRASH_STRICT, /* L3: names in any order that is possible; fsync of a file says nothing of its name */
    CRASH_EXT4    /* L3': names in the order of the calls; any sync brings those before it to the device */
};

/* Disks that do not keep their word, for canaries: what a library that forgets the call would look like. */
enum crash_lie {
    CRASH_LIE_NONE,
    CRASH_LIE_DATA,         /* syncs of queue files do nothing */
    CRASH_LIE_DIR,          /* syncs of the channel's directory do nothing */
    CRASH_LIE_PARENT,       /* syncs of the directory above do nothing */
    CRASH_LIE_STATE,        /* syncs of STATE do nothing */
    CRASH_LIE_REMOVE_FIRST, /* as before, and removals are on the device at once: STATE comes after them */
    CRASH_LIE_SIZE,         /* fdatasync leaves the size out */
    CRASH_LIE_SILENT,       /* a sync that fails says that it succeeded */
    CRASH_LIE_MAP,          /* syncs of maps do nothing */
    CRASH_LIE_MEMORY,       /* a kill loses what was stored through a map since the last sync */
    CRASH_LIES
};

struct crash_disk;
struct crash_image;

/* Over MEM, into which START has been loaded; all of it is durable. START NULL: MEM is new and empty, it gets
 * CRASH_ROOT and nothing in it. MEM stays the caller's and must outlive the disk. Never NULL. */
struct crash_disk *crash_disk_new(struct mem_platform *mem, const struct crash_image *start,
                                  enum crash_profile profile);
void crash_disk_free(struct crash_disk *disk); /* NULL is fine */
/* The same disk, as it is seen and with what is pending, under the process that comes after a kill: over MEM, which is
 * new or reset. FROM stays as it is. */
struct crash_disk *crash_disk_after_kill(struct crash_disk *from, struct mem_platform *mem, uint64_t seed);
const struct hopper_platform *crash_disk_table(struct crash_disk *disk);

/* LOOK is called, with the disk's mutex held, after each call that changed or synced something. It must not use the
 * table of this disk. NULL: nobody looks. */
void crash_disk_watch(struct crash_disk *disk, void (*look)(void *arg), void *arg);
void crash_disk_lie(struct crash_disk *disk, enum crash_lie lie);
/* The AT-th sync from now on, and COUNT - 1 after it, fail with EIO: what was pending for the file stays pending for
 * ever, whatever later syncs say (L5). */
void crash_disk_fail_syncs(struct crash_disk *disk, uint64_t at, uint64_t count);

uint64_t crash_disk_calls(const struct crash_disk *disk);       /* that changed or synced something, so far */
uint64_t crash_disk_state_syncs(const struct crash_disk *disk); /* syncs of STATE that kept their word, so far */
const char *crash_disk_last(const struct crash_disk *disk);     /* the last such call, in words */

/* ---- states ---- */

struct crash_how {
    uint64_t seed;
    unsigned exhaustive; /* up to so many units: all subsets */
    unsigned samples;    /* beyond: about so many states, half of them systematic, half drawn; 0: all systematic ones */
};

/* Call EACH with every state that HOW asks for, until it returns false. IMAGE is valid during the call. Returns how
 * many were made. For use in LOOK, or while no call of the table is under way. */
uint64_t crash_disk_each_state(struct crash_disk *disk, const struct crash_how *how,
                               bool (*each)(void *arg, const struct crash_image *image), void *arg);

/* What there is when the process is killed now: all that the system shows. The image is the caller's. */
struct crash_image *crash_disk_killed(struct crash_disk *disk);
/* What there is after a power cut that lost everything pending. The image is the caller's, valid until DISK is used. */
struct crash_image *crash_disk_cut(struct crash_disk *disk);
void crash_image_free(struct crash_image *image); /* NULL is fine */

uint64_t crash_image_hash(const struct crash_image *image);
bool crash_image_is_power_cut(const struct crash_image *image);
/* Put everything into MEM, which is new or reset; a machine that was started as often as the image says. Its random
 * numbers come from SEED. */
void crash_image_load(const struct crash_image *image, struct mem_platform *mem, uint64_t seed);
/* One line for each file to stdout, and the files themselves into the real directory DIR unless that is NULL. */
void crash_image_dump(const struct crash_image *image, const char *dir);

#endif
