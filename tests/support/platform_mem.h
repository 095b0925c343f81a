/* SPDX-License-Identifier: MIT */
/*
 * A whole platform in memory: file system, descriptors, locks, events, clock, allocator. Tests give it to hopper_open()
 * in hopper_options.platform, and look at the "disk" from outside, change it, make it small, count what is held.
 *
 *     struct mem_platform *mem = mem_platform_new(NULL);
 *     mem_mkdir(mem, "/spool", 0700);
 *     mem_watch_dir(mem, "/spool/q", 64 << 10);        // from now on: at most 64 KiB there, after every call
 *     options.platform = mem_platform_table(mem);
 *     hopper_open("/spool", "q", &options, &snd, &rcv, NULL) ...
 *     ... close both ...
 *     mem_platform_leaks(mem) == NULL;                 // nothing allocated, mapped or open any more
 *     mem_watch_excess(mem) == 0;
 *     mem_platform_free(mem);
 *
 * Paths start at the root, which is also the working directory: "/spool/q/LOCK". Nothing here touches the real file
 * system. Every call takes one mutex, so threads may use it; MEM_SINGLE_THREAD leaves the mutex out, for schedulers
 * that run threads as fibers. Descriptors start at MEM_FD_FIRST: a library that goes past the table with one of them
 * gets EBADF from the system.
 *
 * The process acts as user MEM_UID, not as root: modes count.
 */
#ifndef TESTS_PLATFORM_MEM_H
#define TESTS_PLATFORM_MEM_H

#include <hopper/platform.h>
#include <stdbool.h>

#define MEM_FD_FIRST      100000
#define MEM_UID           1000U
#define MEM_UNLIMITED     UINT64_MAX
#define MEM_SINGLE_THREAD 1U /* flag: no mutex */
#define MEM_REAL_CLOCK    2U /* flag: the system's monotonic clock, for tests whose threads wait until deadlines */

struct mem_platform;

struct mem_platform_options {
    unsigned flags;          /* MEM_... */
    uint64_t random_seed;    /* of the bytes that io.random gives */
    uint64_t capacity_bytes; /* sum of file sizes at which writing returns -ENOSPC; 0: unlimited */
    unsigned fds_max;        /* open descriptors at which opening returns -EMFILE; 0: 1024 */
    unsigned umask;          /* of the process */
};

/* OPTIONS: NULL for all zero. Never NULL: without memory the test ends. */
struct mem_platform *mem_platform_new(const struct mem_platform_options *options);
void mem_platform_free(struct mem_platform *mem); /* NULL is fine */

/* Back to an empty disk with the same options, keeping what is allocated: for fuzzers. Nothing may be in use. */
void mem_platform_reset(struct mem_platform *mem);

const struct hopper_platform *mem_platform_table(struct mem_platform *mem);

/* What is still held, in words: allocations, maps, descriptors; NULL when nothing is. Valid until the next call. */
const char *mem_platform_leaks(struct mem_platform *mem);

/* Calls so far with descriptors that were not open. */
uint64_t mem_bad_fds(struct mem_platform *mem);

/* ---- limits that a test may move at any time ---- */
void mem_set_capacity(struct mem_platform *mem, uint64_t bytes); /* MEM_UNLIMITED: none */
void mem_set_fds_max(struct mem_platform *mem, unsigned fds);
void mem_set_alloc_max(struct mem_platform *mem, uint64_t bytes); /* alloc and map beyond it fail */
void mem_set_umask(struct mem_platform *mem, unsigned umask);
void mem_set_process_id(struct mem_platform *mem, long pid);
void mem_reboot(struct mem_platform *mem); /* io.boot_id tells another id from now on; nothing else changes */

/* ---- the clock: stands still unless a test advances it; starts at one hour ---- */
uint64_t mem_clock_ns(struct mem_platform *mem);
void mem_clock_advance(struct mem_platform *mem, uint64_t ns);

/* ---- what is held ---- */
struct mem_usage {
    uint64_t alloc_bytes, alloc_count; /* live */
    uint64_t map_bytes, map_count;     /* live */
    uint64_t held_bytes_peak;          /* most that alloc and map together ever held */
    uint64_t alloc_bytes_peak;         /* most that each of them ever held */
    uint64_t map_bytes_peak;
    uint64_t touched_bytes;            /* of the maps: whole pages that were ever used. Exact for a platform's first maps;
                                          pages of a map that is used again count from the start */
    uint64_t allocs_total; /* calls of alloc that gave memory */
    uint64_t calls_total;  /* calls of any function of the io table */
    uint64_t disk_bytes;   /* file sizes now, unlinked open files included */
    uint64_t disk_bytes_peak;
    unsigned fds_open;
};
void mem_usage(struct mem_platform *mem, struct mem_usage *usage);
void mem_reset_peaks(struct mem_platform *mem); /* peaks begin again at what is held now */

/* ---- the observer: after every call, the sizes of the files in DIR (that may not exist yet), and of those that were
 * removed and are still open, add up to no more than BUDGET. One directory at a time; NULL ends it. ---- */
void mem_watch_dir(struct mem_platform *mem, const char *dir, uint64_t budget_bytes);
uint64_t mem_watch_excess(struct mem_platform *mem); /* the most that the budget was ever exceeded by, 0: never */
uint64_t mem_watch_peak(struct mem_platform *mem);   /* the most there ever was */

/* ---- the disk as another process sees it. Those that return int: 0, or a negated errno. ---- */
int mem_mkdir(struct mem_platform *mem, const char *path, unsigned mode);
int mem_write_file(struct mem_platform *mem, const char *path, const void *data, size_t len); /* same inode if there */
int mem_read_file(struct mem_platform *mem, const char *path, void **datap, size_t *lenp);    /* free(*datap) */
int mem_poke(struct mem_platform *mem, const char *path, uint64_t offset, unsigned xor_with); /* change one byte */
int mem_truncate(struct mem_platform *mem, const char *path, uint64_t bytes);
int mem_remove(struct mem_platform *mem, const char *path);                 /* any kind; a directory only when empty */
int mem_rename(struct mem_platform *mem, const char *from, const char *to); /* within one directory or across */
int mem_symlink(struct mem_platform *mem, const char *path, const char *target);
int mem_link(struct mem_platform *mem, const char *from, const char *to); /* a second name for a file */
int mem_fifo(struct mem_platform *mem, const char *path);
int mem_chmod(struct mem_platform *mem, const char *path, unsigned mode);
int mem_chown(struct mem_platform *mem, const char *path, unsigned uid);
int mem_lock_by_other(struct mem_platform *mem, const char *path, bool held); /* the file's lock, as another process */
bool mem_exists(struct mem_platform *mem, const char *path);
int mem_mode(struct mem_platform *mem, const char *path); /* permission bits */
int64_t mem_file_size(struct mem_platform *mem, const char *path);
/* The names in a directory in byte order, each once; returns how many. NAMES has room for MAX. */
int mem_list(struct mem_platform *mem, const char *path, char (*names)[256], int max);

/* ---- events ---- */
bool mem_event_is_set(struct mem_platform *mem, int fd);

#endif
