/* SPDX-License-Identifier: MIT */
/* What platform_mem.c, mem_files.c and mem_look.c share: the platform's state and its lock. Not for tests. */
#ifndef TESTS_MEM_IMPL_H
#define TESTS_MEM_IMPL_H

#include "mem_disk.h"
#include "platform_mem.h"
#include <pthread.h>

struct mem_fd {
    struct mem_inode *inode; /* NULL: an event, or not open */
    int flags;               /* of open */
    bool is_event, is_set;
};

struct mem_map {
    void *addr;
    size_t bytes;
    struct mem_inode *inode; /* NULL: private */
    struct mem_map *next;
};

#define MAP_CACHE_MAX       4
#define MAP_CACHE_BYTES_MAX (256U << 10) /* larger ones come fresh from the system, which is quicker than clearing */

struct mem_platform {
    struct mem_platform_options options;
    struct hopper_platform table;
    pthread_mutex_t mutex;

    struct mem_disk disk;
    uint64_t disk_bytes_peak;
    struct mem_fd *fds;
    unsigned fds_room, fds_open, fds_max;
    uint64_t bad_fds;

    struct mem_map *maps;
    struct {
        void *addr;
        size_t bytes;
    } cache[MAP_CACHE_MAX]; /* unmapped, to be used again */
    struct mem_usage usage;
    uint64_t alloc_max;

    uint64_t now_ns, random_state;
    long process_id;
    uint64_t boots; /* starts of the machine so far */
    unsigned umask;

    char *watched; /* path, NULL when none */
    uint64_t watch_budget, watch_excess, watch_peak;
    char leaks[160];
};

/* Begin a call of the table: take the mutex, count. */
void mem_called(struct mem_platform *mem);
/* End a call that may have changed the disk: the observer looks, then the mutex is given back. */
void mem_changed(struct mem_platform *mem);

struct mem_fd *mem_fd_find(struct mem_platform *mem, int fd); /* NULL: not open */
/* A slot, not yet in use; the result is the descriptor's number. */
int mem_fd_new(struct mem_platform *mem, struct mem_fd **slotp);
int mem_fd_close(struct mem_platform *mem, int fd);
/* The inode behind FD; what for: 4 to read, 2 to write, 0 either. */
int mem_fd_inode(struct mem_platform *mem, int fd, unsigned rw, struct mem_inode **inodep);

/* Put the functions for files and names into IO. */
void mem_files_fill(struct hopper_io *io);

static inline void mem_enter(struct mem_platform *mem)
{
    if (!(mem->options.flags & MEM_SINGLE_THREAD)) pthread_mutex_lock(&mem->mutex);
}

static inline void mem_leave(struct mem_platform *mem)
{
    if (!(mem->options.flags & MEM_SINGLE_THREAD)) pthread_mutex_unlock(&mem->mutex);
}

#endif
