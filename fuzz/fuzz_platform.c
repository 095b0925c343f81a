/* SPDX-License-Identifier: MIT */
/* See fuzz_platform.h. Each function is: count the call, fail it if the fault says so, else hand on to the base. */
#include "fuzz_platform.h"
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* ---- counting and failing -------------------------------------------------------------------------------------- */

/* Count a call of KIND; returns a negated errno value if it is to fail, 0 if it goes through. */
static int call_begin_named(struct fuzz_platform *fp, enum fuzz_fault_kind kind, const char *name)
{
    struct fuzz_fault *fault = &fp->fault;
    int is_hit               = fault->kind == kind || (fault->kind == FUZZ_FAULT_SHORT && kind == FUZZ_FAULT_WRITE);

    fp->calls++;
    FUZZ_REQUIRE(fp->calls_max == 0 || fp->calls <= fp->calls_max, "the library does not come back: %llu calls",
                 (unsigned long long)fp->calls);
    is_hit = is_hit && kind != FUZZ_FAULT_NONE && fault->repeats > 0;
    if (is_hit && fault->skip > 0) {
        fault->skip--;
        is_hit = 0;
    }
    if (fuzz_trace) printf("%8llu %s%s\n", (unsigned long long)fp->calls, name, is_hit ? ": fails" : "");
    if (!is_hit) return 0;
    if (fault->repeats != UINT32_MAX) fault->repeats--;
    fp->hits++;
    return -fault->error;
}

#define call_begin(fp, kind) call_begin_named(fp, kind, __func__ + sizeof "wrap_" - 1)

/* ---- files ----------------------------------------------------------------------------------------------------- */

#define BASE(fp) ((fp)->base->io)

static int wrap_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, (flags & (O_CREAT | O_TRUNC)) != 0 ? FUZZ_FAULT_WRITE : FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).open_at(BASE(fp).ctx, dirfd, name, flags, mode);
}

static int wrap_close(void *ctx, int fd)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).close(BASE(fp).ctx, fd);
}

static ssize_t wrap_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).pread(BASE(fp).ctx, fd, buf, len, offset);
}

static ssize_t wrap_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    if (err != 0 && (fp->fault.kind != FUZZ_FAULT_SHORT || len < 2)) return err;
    return BASE(fp).pwrite(BASE(fp).ctx, fd, buf, err != 0 ? len / 2 : len, offset);
}

static int wrap_fdatasync(void *ctx, int fd)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).fdatasync(BASE(fp).ctx, fd);
}

static int wrap_fsync(void *ctx, int fd)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).fsync(BASE(fp).ctx, fd);
}

static int wrap_truncate(void *ctx, int fd, uint64_t bytes)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).truncate(BASE(fp).ctx, fd, bytes);
}

static int wrap_allocate(void *ctx, int fd, uint64_t offset, uint64_t bytes)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    if (err != 0 && fp->fault.kind == FUZZ_FAULT_SHORT && bytes > 1)
        (void)BASE(fp).allocate(BASE(fp).ctx, fd, offset, bytes / 2);
    return err != 0 ? err : BASE(fp).allocate(BASE(fp).ctx, fd, offset, bytes);
}

static int wrap_chmod(void *ctx, int fd, unsigned mode)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).chmod(BASE(fp).ctx, fd, mode);
}

static int wrap_stat(void *ctx, int fd, struct hopper_io_stat *st)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).stat(BASE(fp).ctx, fd, st);
}

static int wrap_space(void *ctx, int fd, struct hopper_io_space *space)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).space(BASE(fp).ctx, fd, space);
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static int wrap_stat_at(void *ctx, int dirfd, const char *name, struct hopper_io_stat *st)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).stat_at(BASE(fp).ctx, dirfd, name, st);
}

static int wrap_rename_at(void *ctx, int dirfd, const char *from, const char *to)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).rename_at(BASE(fp).ctx, dirfd, from, to);
}

static int wrap_unlink_at(void *ctx, int dirfd, const char *name)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).unlink_at(BASE(fp).ctx, dirfd, name);
}

static int wrap_mkdir_at(void *ctx, int dirfd, const char *name, unsigned mode)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).mkdir_at(BASE(fp).ctx, dirfd, name, mode);
}

static int wrap_list(void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).list(BASE(fp).ctx, dirfd, each, arg);
}

static int wrap_lock(void *ctx, int fd)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).lock(BASE(fp).ctx, fd);
}

/* ---- memory, events, the process ------------------------------------------------------------------------------- */

static void *wrap_map(void *ctx, int fd, size_t bytes)
{
    struct fuzz_platform *fp = ctx;

    return call_begin(fp, FUZZ_FAULT_ALLOC) != 0 ? NULL : BASE(fp).map(BASE(fp).ctx, fd, bytes);
}

static int wrap_unmap(void *ctx, void *addr, size_t bytes)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).unmap(BASE(fp).ctx, addr, bytes);
}

static int wrap_sync_map(void *ctx, void *addr, size_t bytes)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_WRITE);

    return err != 0 ? err : BASE(fp).sync_map(BASE(fp).ctx, addr, bytes);
}

static int wrap_event_open(void *ctx)
{
    struct fuzz_platform *fp = ctx;
    int err                  = call_begin(fp, FUZZ_FAULT_READ);

    return err != 0 ? err : BASE(fp).event_open(BASE(fp).ctx);
}

static int wrap_event_set(void *ctx, int fd)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).event_set(BASE(fp).ctx, fd);
}

static int wrap_event_clear(void *ctx, int fd)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).event_clear(BASE(fp).ctx, fd);
}

static int wrap_random(void *ctx, void *buf, size_t len)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).random(BASE(fp).ctx, buf, len);
}

static int wrap_boot_id(void *ctx, void *id16)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).boot_id(BASE(fp).ctx, id16);
}

static long wrap_process_id(void *ctx)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    return BASE(fp).process_id(BASE(fp).ctx);
}

/* ---- allocator ------------------------------------------------------------------------------------------------- */

static void *wrap_alloc(void *ctx, size_t bytes)
{
    struct fuzz_platform *fp = ctx;

    if (call_begin(fp, FUZZ_FAULT_ALLOC) != 0) return NULL;
    return fp->base->allocator.alloc(fp->base->allocator.ctx, bytes);
}

static void wrap_free(void *ctx, void *ptr)
{
    struct fuzz_platform *fp = ctx;

    call_begin(fp, FUZZ_FAULT_NONE);
    fp->base->allocator.free(fp->base->allocator.ctx, ptr);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static const struct hopper_io wrap_io = {
    .size        = sizeof(struct hopper_io),
    .open_at     = wrap_open_at,
    .close       = wrap_close,
    .pread       = wrap_pread,
    .pwrite      = wrap_pwrite,
    .fdatasync   = wrap_fdatasync,
    .fsync       = wrap_fsync,
    .truncate    = wrap_truncate,
    .allocate    = wrap_allocate,
    .chmod       = wrap_chmod,
    .stat        = wrap_stat,
    .space       = wrap_space,
    .stat_at     = wrap_stat_at,
    .rename_at   = wrap_rename_at,
    .unlink_at   = wrap_unlink_at,
    .mkdir_at    = wrap_mkdir_at,
    .list        = wrap_list,
    .lock        = wrap_lock,
    .map         = wrap_map,
    .unmap       = wrap_unmap,
    .sync_map    = wrap_sync_map,
    .event_open  = wrap_event_open,
    .event_set   = wrap_event_set,
    .event_clear = wrap_event_clear,
    .random      = wrap_random,
    .process_id  = wrap_process_id,
    .boot_id     = wrap_boot_id,
};

void fuzz_platform_init(struct fuzz_platform *fp, const struct hopper_platform *base)
{
    memset(fp, 0, sizeof *fp);
    fp->base                  = base;
    fp->table                 = *base;
    fp->table.io              = wrap_io;
    fp->table.io.ctx          = fp;
    fp->table.allocator.ctx   = fp;
    fp->table.allocator.alloc = wrap_alloc;
    fp->table.allocator.free  = wrap_free;
}
