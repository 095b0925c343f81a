/* SPDX-License-Identifier: MIT */
/*
 * What libhopper asks of the system, as three tables that a test can replace: file operations, clock, allocator. An
 * application that wants to see how it behaves on a full or failing disk fills in hopper_options.platform with a copy
 * of hopper_platform_posix() in which single functions are its own.
 *
 * Every function gets the table's CTX first. Functions that can fail return a negated errno value (-ENOSPC), never
 * errno itself. They may be called by several threads at once.
 */
#ifndef HOPPER_PLATFORM_H
#define HOPPER_PLATFORM_H

#include <hopper/hopper.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hopper_io_kind { HOPPER_IO_FILE = 0, HOPPER_IO_DIR = 1, HOPPER_IO_OTHER = 2 }; /* OTHER: link, FIFO, device, socket */

struct hopper_io_stat {
    uint64_t bytes; /* size */
    uint64_t links; /* hard links */
    uint32_t kind;  /* enum hopper_io_kind */
    uint32_t uid;   /* owner */
};

struct hopper_io_space {
    uint64_t bytes_free; /* for unprivileged users */
    uint64_t bytes_total;
};

struct hopper_io {
    size_t size; /* sizeof(struct hopper_io) */
    void  *ctx;

    /* files; FLAGS and MODE as open(2), names never contain '/' except for the first directory */
    int (*open_at)(void *ctx, int dirfd, const char *name, int flags, unsigned mode); /* descriptor; -1 as DIRFD: cwd */
    int (*close)(void *ctx, int fd);
    ssize_t (*pread)(void *ctx, int fd, void *buf, size_t len, uint64_t offset);        /* may be short; 0 at the end */
    ssize_t (*pwrite)(void *ctx, int fd, const void *buf, size_t len, uint64_t offset); /* may be short */
    int (*fdatasync)(void *ctx, int fd);
    int (*fsync)(void *ctx, int fd); /* of a file or of a directory */
    int (*truncate)(void *ctx, int fd, uint64_t bytes);
    int (*allocate)(void *ctx, int fd, uint64_t offset, uint64_t bytes); /* as fallocate(2) with mode 0 */
    int (*chmod)(void *ctx, int fd, unsigned mode);
    int (*stat)(void *ctx, int fd, struct hopper_io_stat *st);
    int (*space)(void *ctx, int fd, struct hopper_io_space *space);

    /* names in a directory; links are never followed */
    int (*stat_at)(void *ctx, int dirfd, const char *name, struct hopper_io_stat *st);
    int (*rename_at)(void *ctx, int dirfd, const char *from, const char *to);
    int (*unlink_at)(void *ctx, int dirfd, const char *name);
    int (*mkdir_at)(void *ctx, int dirfd, const char *name, unsigned mode); /* MODE is meant exactly, whatever the umask;
                        the library needs that it gives no more than that, and that it can open and use the directory */
    int (*list)(void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg); /* stops on each() != 0 and
                                                                                               returns that value */
    int (*lock)(void *ctx, int fd); /* exclusive, does not wait, gone with the descriptor; -EAGAIN: held by another */

    /* memory, events, the process */
    void *(*map)(void *ctx, int fd, size_t bytes); /* FD -1: private zeroed memory; else shared; NULL on failure */
    int (*unmap)(void *ctx, void *addr, size_t bytes);
    int (*sync_map)(void *ctx, void *addr, size_t bytes); /* of a shared mapping: to the device; as msync(2), MS_SYNC */
    int (*event_open)(void *ctx);          /* a descriptor that poll() reports readable while it is set */
    int (*event_set)(void *ctx, int fd);   /* set it; setting twice is the same as once */
    int (*event_clear)(void *ctx, int fd); /* clear it */
    int (*random)(void *ctx, void *buf, size_t len);
    long (*process_id)(void *ctx);
    int (*boot_id)(void *ctx, void *id16); /* 16 bytes that are others after each start of the machine */
};

struct hopper_clock {
    size_t size; /* sizeof(struct hopper_clock) */
    void  *ctx;
    uint64_t (*monotonic_ns)(void *ctx); /* CLOCK_MONOTONIC; deadlines are times of this clock */
    uint64_t (*realtime_ms)(void *ctx);  /* since 1970 */
};

/* For handles and, for a moment, at open. (libdeflate, where the library was built with it, uses malloc.) */
struct hopper_allocator {
    size_t size; /* sizeof(struct hopper_allocator) */
    void  *ctx;
    void *(*alloc)(void *ctx, size_t bytes); /* aligned for any object; NULL when there is none */
    void (*free)(void *ctx, void *ptr);      /* NULL is allowed */
};

struct hopper_platform {
    size_t                  size; /* sizeof(struct hopper_platform) */
    struct hopper_io        io;
    struct hopper_clock     clock;
    struct hopper_allocator allocator;
};

/* The tables that are used when none are given: POSIX system calls, the system's clock, malloc. Static. Any thread. */
HOPPER_API const struct hopper_platform *hopper_platform_posix(void);

#ifdef __cplusplus
}
#endif

#endif
