/* SPDX-License-Identifier: MIT */
/*
 * The wrapper around each function of the table: count the call, ask the plan, then do it, do less of it, or fail.
 * One mutex guards the plan and the counts; the wrapped call is made outside of it.
 */
#include "platform_fault.h"

#include "mem_disk.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct fault_platform {
    const struct hopper_platform *inner;
    struct hopper_platform table;
    pthread_mutex_t mutex;
    struct fault_plan plan;
    bool is_armed;
    uint64_t matched; /* calls of the plan's kinds since armed */
    uint64_t hits;
    uint64_t counts[FAULT_KINDS];
    int first_hit; /* bit number, -1: none */
};

static const char *const kind_names[FAULT_KINDS] = {
    "open",  "close",      "pread",     "pwrite",      "fdatasync", "fsync",  "truncate", "allocate", "chmod",
    "stat",  "space",      "stat_at",   "rename",      "unlink",    "mkdir",  "list",     "lock",     "map",
    "unmap", "event_open", "event_set", "event_clear", "random",    "create", "alloc",
    "sync_map", "boot_id",
};

static int bit_of(unsigned kind)
{
    int bit = 0;

    while (kind >> bit != 1) bit++;
    return bit;
}

/* Is this call of KIND to be hit? *PLAN is then what the plan says. */
static bool hit(struct fault_platform *fault, unsigned kind, struct fault_plan *plan)
{
    bool is_hit = false;

    pthread_mutex_lock(&fault->mutex);
    fault->counts[bit_of(kind)]++;
    if (fault->is_armed && (fault->plan.kinds & kind)) {
        uint64_t n = ++fault->matched, at = fault->plan.at;

        is_hit = fault->plan.mode == FAULT_ONCE     ? n == at
                 : fault->plan.mode == FAULT_STICKY ? n >= at
                                                    : n >= at && n - at < fault->plan.heal_after;
        if (is_hit && fault->hits++ == 0) fault->first_hit = bit_of(kind);
        *plan = fault->plan;
    }
    pthread_mutex_unlock(&fault->mutex);
    return is_hit;
}

/* For kinds that cannot be short: is it to fail, and with what? */
static bool fails(struct fault_platform *fault, unsigned kind, int *rcp)
{
    struct fault_plan plan;

    if (!hit(fault, kind, &plan) || plan.effect != FAULT_FAIL) return false;
    *rcp = -plan.error;
    return true;
}

/* For reads and writes: 0 when the call shall fail with *RCP, else how many bytes of LEN to move. */
static size_t bytes_to_move(struct fault_platform *fault, unsigned kind, size_t len, ssize_t *rcp)
{
    struct fault_plan plan;

    *rcp = 0;
    if (len == 0 || !hit(fault, kind, &plan)) return len;
    switch (plan.effect) {
    case FAULT_SHORT_ONE: return 1;
    case FAULT_SHORT_LESS: return len > 1 ? len - 1 : 1;
    case FAULT_FAIL: break;
    }
    *rcp = -plan.error;
    return 0;
}

#define IO(fault)     (&(fault)->inner->io)
#define IO_CTX(fault) ((fault)->inner->io.ctx)

static ssize_t fault_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    struct fault_platform *fault = ctx;
    ssize_t rc;

    len = bytes_to_move(fault, FAULT_PREAD, len, &rc);
    return rc < 0 ? rc : IO(fault)->pread(IO_CTX(fault), fd, buf, len, offset);
}

static ssize_t fault_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    struct fault_platform *fault = ctx;
    ssize_t rc;

    len = bytes_to_move(fault, FAULT_PWRITE, len, &rc);
    return rc < 0 ? rc : IO(fault)->pwrite(IO_CTX(fault), fd, buf, len, offset);
}

static int fault_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, flags & O_CREAT ? FAULT_CREATE : FAULT_OPEN, &rc)
               ? rc
               : IO(fault)->open_at(IO_CTX(fault), dirfd, name, flags, mode);
}

static int fault_fdatasync(void *ctx, int fd)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_FDATASYNC, &rc) ? rc : IO(fault)->fdatasync(IO_CTX(fault), fd);
}

static int fault_fsync(void *ctx, int fd)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_FSYNC, &rc) ? rc : IO(fault)->fsync(IO_CTX(fault), fd);
}

static int fault_truncate(void *ctx, int fd, uint64_t bytes)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_TRUNCATE, &rc) ? rc : IO(fault)->truncate(IO_CTX(fault), fd, bytes);
}

static int fault_allocate(void *ctx, int fd, uint64_t offset, uint64_t bytes)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_ALLOCATE, &rc) ? rc : IO(fault)->allocate(IO_CTX(fault), fd, offset, bytes);
}

static int fault_chmod(void *ctx, int fd, unsigned mode)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_CHMOD, &rc) ? rc : IO(fault)->chmod(IO_CTX(fault), fd, mode);
}

static int fault_stat(void *ctx, int fd, struct hopper_io_stat *st)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_STAT, &rc) ? rc : IO(fault)->stat(IO_CTX(fault), fd, st);
}

static int fault_space(void *ctx, int fd, struct hopper_io_space *space)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_SPACE, &rc) ? rc : IO(fault)->space(IO_CTX(fault), fd, space);
}

static int fault_stat_at(void *ctx, int dirfd, const char *name, struct hopper_io_stat *st)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_STAT_AT, &rc) ? rc : IO(fault)->stat_at(IO_CTX(fault), dirfd, name, st);
}

static int fault_rename_at(void *ctx, int dirfd, const char *from, const char *to)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_RENAME, &rc) ? rc : IO(fault)->rename_at(IO_CTX(fault), dirfd, from, to);
}

static int fault_unlink_at(void *ctx, int dirfd, const char *name)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_UNLINK, &rc) ? rc : IO(fault)->unlink_at(IO_CTX(fault), dirfd, name);
}

static int fault_mkdir_at(void *ctx, int dirfd, const char *name, unsigned mode)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_MKDIR, &rc) ? rc : IO(fault)->mkdir_at(IO_CTX(fault), dirfd, name, mode);
}

static int fault_list(void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_LIST, &rc) ? rc : IO(fault)->list(IO_CTX(fault), dirfd, each, arg);
}

static int fault_lock(void *ctx, int fd)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_LOCK, &rc) ? rc : IO(fault)->lock(IO_CTX(fault), fd);
}

static int fault_event_open(void *ctx)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_EVENT_OPEN, &rc) ? rc : IO(fault)->event_open(IO_CTX(fault));
}

static int fault_event_set(void *ctx, int fd)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_EVENT_SET, &rc) ? rc : IO(fault)->event_set(IO_CTX(fault), fd);
}

static int fault_event_clear(void *ctx, int fd)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_EVENT_CLEAR, &rc) ? rc : IO(fault)->event_clear(IO_CTX(fault), fd);
}

static int fault_random(void *ctx, void *buf, size_t len)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_RANDOM, &rc) ? rc : IO(fault)->random(IO_CTX(fault), buf, len);
}

/* A close that fails has closed: so it is on Linux. */
static int fault_close(void *ctx, int fd)
{
    struct fault_platform *fault = ctx;
    int rc = 0, real = IO(fault)->close(IO_CTX(fault), fd);

    return fails(fault, FAULT_CLOSE, &rc) ? rc : real;
}

static void *fault_map(void *ctx, int fd, size_t bytes)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_MAP, &rc) ? NULL : IO(fault)->map(IO_CTX(fault), fd, bytes);
}

static int fault_unmap(void *ctx, void *addr, size_t bytes)
{
    struct fault_platform *fault = ctx;
    int rc = 0, real = IO(fault)->unmap(IO_CTX(fault), addr, bytes);

    return fails(fault, FAULT_UNMAP, &rc) ? rc : real;
}

static int fault_sync_map(void *ctx, void *addr, size_t bytes)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_SYNC_MAP, &rc) ? rc : IO(fault)->sync_map(IO_CTX(fault), addr, bytes);
}

static int fault_boot_id(void *ctx, void *id16)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_BOOT_ID, &rc) ? rc : IO(fault)->boot_id(IO_CTX(fault), id16);
}

static long fault_process_id(void *ctx)
{
    struct fault_platform *fault = ctx;

    return IO(fault)->process_id(IO_CTX(fault));
}

static void *fault_alloc(void *ctx, size_t bytes)
{
    struct fault_platform *fault = ctx;
    int rc;

    return fails(fault, FAULT_ALLOC, &rc) ? NULL : fault->inner->allocator.alloc(fault->inner->allocator.ctx, bytes);
}

static void fault_free(void *ctx, void *ptr)
{
    struct fault_platform *fault = ctx;

    fault->inner->allocator.free(fault->inner->allocator.ctx, ptr);
}

struct fault_platform *fault_platform_new(const struct hopper_platform *inner)
{
    struct fault_platform *fault = mem_must_alloc(sizeof *fault);

    fault->inner     = inner;
    fault->first_hit = -1;
    pthread_mutex_init(&fault->mutex, NULL);
    fault->table    = *inner; /* the clock stays the inner one's */
    fault->table.io = (struct hopper_io){
        .size        = sizeof(struct hopper_io),
        .ctx         = fault,
        .close       = fault_close,
        .pread       = fault_pread,
        .pwrite      = fault_pwrite,
        .open_at     = fault_open_at,
        .fdatasync   = fault_fdatasync,
        .fsync       = fault_fsync,
        .truncate    = fault_truncate,
        .allocate    = fault_allocate,
        .chmod       = fault_chmod,
        .stat        = fault_stat,
        .space       = fault_space,
        .stat_at     = fault_stat_at,
        .rename_at   = fault_rename_at,
        .unlink_at   = fault_unlink_at,
        .mkdir_at    = fault_mkdir_at,
        .list        = fault_list,
        .lock        = fault_lock,
        .event_open  = fault_event_open,
        .event_set   = fault_event_set,
        .event_clear = fault_event_clear,
        .random      = fault_random,
        .map         = fault_map,
        .unmap       = fault_unmap,
        .sync_map    = fault_sync_map,
        .boot_id     = fault_boot_id,
        .process_id  = fault_process_id,
    };
    fault->table.allocator =
        (struct hopper_allocator){ sizeof(struct hopper_allocator), fault, fault_alloc, fault_free };
    return fault;
}

void fault_platform_free(struct fault_platform *fault)
{
    if (!fault) return;
    pthread_mutex_destroy(&fault->mutex);
    free(fault);
}

const struct hopper_platform *fault_platform_table(struct fault_platform *fault)
{
    return &fault->table;
}

void fault_arm(struct fault_platform *fault, const struct fault_plan *plan)
{
    pthread_mutex_lock(&fault->mutex);
    fault->plan     = *plan;
    fault->is_armed = true;
    fault->matched = fault->hits = 0;
    memset(fault->counts, 0, sizeof fault->counts);
    fault->first_hit = -1;
    pthread_mutex_unlock(&fault->mutex);
}

void fault_disarm(struct fault_platform *fault)
{
    pthread_mutex_lock(&fault->mutex);
    fault->is_armed = false;
    pthread_mutex_unlock(&fault->mutex);
}

uint64_t fault_hits(struct fault_platform *fault)
{
    uint64_t hits;

    pthread_mutex_lock(&fault->mutex);
    hits = fault->hits;
    pthread_mutex_unlock(&fault->mutex);
    return hits;
}

uint64_t fault_count(struct fault_platform *fault, unsigned kinds)
{
    uint64_t count = 0;

    pthread_mutex_lock(&fault->mutex);
    for (int bit = 0; bit < FAULT_KINDS; bit++)
        if (kinds >> bit & 1) count += fault->counts[bit];
    pthread_mutex_unlock(&fault->mutex);
    return count;
}

const char *fault_hit_kind(struct fault_platform *fault)
{
    int bit;

    pthread_mutex_lock(&fault->mutex);
    bit = fault->first_hit;
    pthread_mutex_unlock(&fault->mutex);
    return bit < 0 ? "none" : kind_names[bit];
}

const char *fault_mode_name(enum fault_mode mode)
{
    return mode == FAULT_ONCE ? "once" : mode == FAULT_STICKY ? "sticky" : "heals";
}
