/* SPDX-License-Identifier: MIT */
/*
 * See rig_platform.h. Each call of the io table is one visible step on one object, "the disk", and then goes on to the
 * single-threaded disk in memory; calls that only look are told apart from those that change something, so that two
 * looks need no order. The event is a mutex and a condition variable of the scheduler's: waiting for it is a wait in
 * which a lost wakeup shows as a deadlock. Memory comes from the schedule's heap, where leaks are seen.
 */
#include "rig_platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "platform_mem.h"
#include "rig.h"

#define EVENT_FD 77777

static struct {
    struct mem_platform *mem;
    struct hopper_io inner;
    struct hopper_platform table;
    char path[100]; /* of the channel */
    char disk;      /* the object that steps are on */
    void *mapped;   /* MEMORY, of a channel that survives kills */
    pthread_mutex_t event_lock;
    pthread_cond_t event_cond;
    bool event_is_open;
    bool event_is_set;
    unsigned fault_kinds;
    int fault_error;
    unsigned faults_left;
    unsigned faults;
    bool is_sticky;
    bool is_broken; /* sticky, and one has failed */
} rp;

static void looks(const char *what)
{
    sched_access(&rp.disk, false, what, __builtin_return_address(0));
}

static void changes(const char *what)
{
    sched_access(&rp.disk, true, what, __builtin_return_address(0));
}

/* ---- calls that go through ---- */

#define FORWARD(step, type, name, params, args) \
    static type rp_##name params                \
    {                                           \
        step(#name);                            \
        return rp.inner.name args;              \
    }

FORWARD(changes, int, fsync, (void *ctx, int fd), (ctx, fd))
FORWARD(changes, int, truncate, (void *ctx, int fd, uint64_t bytes), (ctx, fd, bytes))
FORWARD(changes, int, allocate, (void *ctx, int fd, uint64_t offset, uint64_t bytes), (ctx, fd, offset, bytes))
FORWARD(changes, int, chmod, (void *ctx, int fd, unsigned mode), (ctx, fd, mode))
FORWARD(looks, int, stat, (void *ctx, int fd, struct hopper_io_stat *st), (ctx, fd, st))
FORWARD(looks, int, space, (void *ctx, int fd, struct hopper_io_space *space), (ctx, fd, space))
FORWARD(looks, int, stat_at, (void *ctx, int dirfd, const char *name, struct hopper_io_stat *st),
        (ctx, dirfd, name, st))
FORWARD(changes, int, rename_at, (void *ctx, int dirfd, const char *from, const char *to), (ctx, dirfd, from, to))
FORWARD(changes, int, mkdir_at, (void *ctx, int dirfd, const char *name, unsigned mode), (ctx, dirfd, name, mode))
FORWARD(looks, int, list, (void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg),
        (ctx, dirfd, each, arg))
FORWARD(changes, int, lock, (void *ctx, int fd), (ctx, fd))

/* ---- calls that may fail ---- */

static bool fails(unsigned kind)
{
    if ((rp.fault_kinds & kind) == 0) return false;
    if (rp.is_broken) return true;
    if (rp.faults_left == 0 || sched_choose(2) == 0) return false;
    rp.faults_left--;
    rp.faults++;
    rp.is_broken = rp.is_sticky;
    return true;
}

static int rp_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    changes("open_at");
    return fails(RIG_FAULT_OPEN) ? -rp.fault_error : rp.inner.open_at(ctx, dirfd, name, flags, mode);
}

static int rp_unlink_at(void *ctx, int dirfd, const char *name)
{
    changes("unlink_at");
    return fails(RIG_FAULT_REMOVE) ? -rp.fault_error : rp.inner.unlink_at(ctx, dirfd, name);
}

static int rp_fdatasync(void *ctx, int fd)
{
    changes("fdatasync");
    return fails(RIG_FAULT_SYNC) ? -rp.fault_error : rp.inner.fdatasync(ctx, fd);
}

static ssize_t rp_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    if (rp.fault_kinds & RIG_FAULT_READ) changes("pread");
    else looks("pread");
    return fails(RIG_FAULT_READ) ? -rp.fault_error : rp.inner.pread(ctx, fd, buf, len, offset);
}

static ssize_t rp_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    changes("pwrite");
    return fails(RIG_FAULT_WRITE) ? -rp.fault_error : rp.inner.pwrite(ctx, fd, buf, len, offset);
}

void rig_platform_allow_faults(unsigned kinds, int error, unsigned count, bool sticky)
{
    changes("allow faults");
    rp.fault_kinds = kinds;
    rp.fault_error = error;
    rp.faults_left = count;
    rp.is_sticky   = sticky;
}

void rig_platform_break_device(void)
{
    rig_platform_allow_faults(RIG_FAULT_WRITE, ENOSPC, 0, true);
    rp.is_broken = true;
}

void rig_platform_heal(void)
{
    changes("heal the disk");
    rp.faults_left = 0;
    rp.is_broken   = false;
}

unsigned rig_platform_faults(void)
{
    return rp.faults;
}

/* ---- events ---- */

static int rp_event_open(void *ctx)
{
    (void)ctx;
    rp.event_is_open = true;
    return EVENT_FD;
}

static int rp_close(void *ctx, int fd)
{
    if (fd != EVENT_FD) {
        changes("close");
        return rp.inner.close(ctx, fd);
    }
    rp.event_is_open = false;
    return 0;
}

static int event_becomes(int fd, bool is_set)
{
    if (fd != EVENT_FD || !rp.event_is_open) return -EBADF;
    pthread_mutex_lock(&rp.event_lock);
    rp.event_is_set = is_set;
    pthread_cond_broadcast(&rp.event_cond);
    pthread_mutex_unlock(&rp.event_lock);
    return 0;
}

static int rp_event_set(void *ctx, int fd)
{
    (void)ctx;
    return event_becomes(fd, true);
}

static int rp_event_clear(void *ctx, int fd)
{
    (void)ctx;
    return event_becomes(fd, false);
}

void rig_platform_poll(int fd)
{
    SCHED_CHECK(fd == EVENT_FD && rp.event_is_open);
    pthread_mutex_lock(&rp.event_lock);
    while (!rp.event_is_set) pthread_cond_wait(&rp.event_cond, &rp.event_lock);
    pthread_mutex_unlock(&rp.event_lock);
}

bool rig_platform_event_is_set(int fd)
{
    bool is_set;

    SCHED_CHECK(fd == EVENT_FD && rp.event_is_open);
    pthread_mutex_lock(&rp.event_lock);
    is_set = rp.event_is_set;
    pthread_mutex_unlock(&rp.event_lock);
    return is_set;
}

/* ---- memory, clock ---- */

static void *rp_map(void *ctx, int fd, size_t bytes)
{
    if (fd < 0) return calloc(1, bytes);
    changes("map");
    rp.mapped = rp.inner.map(ctx, fd, bytes);
    return rp.mapped;
}

static int rp_unmap(void *ctx, void *addr, size_t bytes)
{
    if (addr != rp.mapped) {
        free(addr);
        return 0;
    }
    changes("unmap");
    rp.mapped = NULL;
    return rp.inner.unmap(ctx, addr, bytes);
}

static int rp_sync_map(void *ctx, void *addr, size_t bytes)
{
    changes("sync_map");
    return rp.inner.sync_map(ctx, addr, bytes);
}

static uint64_t rp_monotonic_ns(void *ctx)
{
    (void)ctx;
    return sched_now_ns();
}

static uint64_t rp_realtime_ms(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static void *rp_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void rp_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

static void replace_io(struct hopper_io *io)
{
    io->open_at     = rp_open_at;
    io->close       = rp_close;
    io->pread       = rp_pread;
    io->pwrite      = rp_pwrite;
    io->fdatasync   = rp_fdatasync;
    io->fsync       = rp_fsync;
    io->truncate    = rp_truncate;
    io->allocate    = rp_allocate;
    io->chmod       = rp_chmod;
    io->stat        = rp_stat;
    io->space       = rp_space;
    io->stat_at     = rp_stat_at;
    io->rename_at   = rp_rename_at;
    io->unlink_at   = rp_unlink_at;
    io->mkdir_at    = rp_mkdir_at;
    io->list        = rp_list;
    io->lock        = rp_lock;
    io->map         = rp_map;
    io->unmap       = rp_unmap;
    io->sync_map    = rp_sync_map;
    io->event_open  = rp_event_open;
    io->event_set   = rp_event_set;
    io->event_clear = rp_event_clear;
}

const struct hopper_platform *rig_platform_new(const char *name, uint64_t disk_bytes)
{
    const struct mem_platform_options options = { .flags = MEM_SINGLE_THREAD, .random_seed = 1 };

    memset(&rp, 0, sizeof rp);
    (void)snprintf(rp.path, sizeof rp.path, "%s/%s", RIG_PLATFORM_DIR, name);
    rp.mem = mem_platform_new(&options);
    SCHED_CHECK(mem_mkdir(rp.mem, RIG_PLATFORM_DIR, 0700) == 0);
    mem_watch_dir(rp.mem, rp.path, disk_bytes);
    rp.table = *mem_platform_table(rp.mem);
    rp.inner = rp.table.io;
    replace_io(&rp.table.io);
    rp.table.clock.monotonic_ns = rp_monotonic_ns;
    rp.table.clock.realtime_ms  = rp_realtime_ms;
    rp.table.allocator.alloc    = rp_alloc;
    rp.table.allocator.free     = rp_free;
    pthread_mutex_init(&rp.event_lock, NULL);
    pthread_cond_init(&rp.event_cond, NULL);
    return &rp.table;
}

uint64_t rig_platform_disk_bytes(void)
{
    static char names[64][256];
    char path[sizeof rp.path + sizeof names[0]];
    int count      = mem_list(rp.mem, rp.path, names, 64);
    uint64_t bytes = 0;

    SCHED_CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        (void)snprintf(path, sizeof path, "%s/%.255s", rp.path, names[i]);
        bytes += (uint64_t)mem_file_size(rp.mem, path);
    }
    return bytes;
}

void rig_platform_free(void)
{
    const char *leaks = mem_platform_leaks(rp.mem);

    if (leaks != NULL) sched_fail("the platform still holds %s", leaks);
    if (mem_bad_fds(rp.mem) > 0) sched_fail("a descriptor was used that was not open");
    SCHED_CHECK(!rp.event_is_open);
    SCHED_CHECK(mem_watch_excess(rp.mem) == 0);
    pthread_cond_destroy(&rp.event_cond);
    pthread_mutex_destroy(&rp.event_lock);
    mem_platform_free(rp.mem);
    rp.mem = NULL;
}
