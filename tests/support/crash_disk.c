/* SPDX-License-Identifier: MIT */
/*
 * The table of crash_disk: each call goes to platform_mem, which is what the system shows, and leaves a note of what
 * the device does not have yet. A write leaves one unit for each sector it touched, holding the whole sector as it is
 * seen then, and units for the sizes that the file may have meanwhile; a change of a name leaves one unit. Syncs apply
 * the units that they cover to the durable tree. What is stored through a shared map is found by comparing pages.
 */
#include "crash_impl.h"
#include "mem_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZES_MAX 3 /* sizes between the old and the new one that a single write may leave */

/* ---- units ---- */

static struct crash_unit *unit_add(struct crash_disk *disk, enum crash_kind kind, uint32_t inode)
{
    struct crash_unit *unit;

    if (disk->units_count == disk->units_room) {
        disk->units_room = disk->units_room > 0 ? disk->units_room * 2 : 64;
        disk->units      = realloc(disk->units, disk->units_room * sizeof *disk->units);
        if (!disk->units) abort();
    }
    unit  = &disk->units[disk->units_count++];
    *unit = (struct crash_unit){ .kind = kind, .inode = inode, .call = disk->calls };
    return unit;
}

static void unit_remove(struct crash_disk *disk, size_t i)
{
    free(disk->units[i].data);
    memmove(&disk->units[i], &disk->units[i + 1], (disk->units_count - i - 1) * sizeof *disk->units);
    disk->units_count--;
}

static bool is_name(const struct crash_unit *unit)
{
    return unit->kind >= CRASH_CREATE;
}

/* A stuck unit that NEWER, now durable, has made meaningless. */
static bool is_covered(const struct crash_unit *unit, const struct crash_unit *newer)
{
    if (unit->inode != newer->inode || unit->kind != newer->kind) return false;
    return unit->kind != CRASH_DATA || (unit->offset == newer->offset && unit->len <= newer->len);
}

/* Unit I reaches the device. */
static void retire(struct crash_disk *disk, size_t i)
{
    struct crash_unit unit = disk->units[i];

    crash_tree_apply(&disk->durable, &unit);
    disk->units[i].data = NULL;
    unit_remove(disk, i);
    for (size_t k = 0; k < i;) {
        if (disk->units[k].is_stuck && is_covered(&disk->units[k], &unit)) {
            unit_remove(disk, k);
            i--;
        } else {
            k++;
        }
    }
    free(unit.data);
}

static void retire_names(struct crash_disk *disk, uint32_t dir)
{
    for (size_t i = 0; i < disk->units_count;) {
        const struct crash_unit *unit = &disk->units[i];

        if (is_name(unit) && (disk->profile == CRASH_EXT4 || unit->dir == dir)) retire(disk, i);
        else i++;
    }
}

static void retire_file(struct crash_disk *disk, uint32_t inode, bool with_size)
{
    size_t before;

    for (size_t i = 0; i < disk->units_count;) {
        const struct crash_unit *unit = &disk->units[i];

        before = disk->units_count;
        if (!is_name(unit) && unit->inode == inode && !unit->is_stuck && (with_size || unit->kind != CRASH_SIZE)) {
            retire(disk, i);
            i -= before - disk->units_count - 1; /* stuck ones before it may be gone as well */
        } else {
            i++;
        }
    }
    if (disk->profile == CRASH_EXT4) retire_names(disk, CRASH_NONE);
}

/* ---- what is open ---- */

static uint32_t fd_inode(const struct crash_disk *disk, int fd)
{
    return fd >= MEM_FD_FIRST && fd < MEM_FD_FIRST + CRASH_FDS ? disk->fds[fd - MEM_FD_FIRST] : CRASH_NONE;
}

static void note_fd(struct crash_disk *disk, int fd, uint32_t inode)
{
    if (fd >= MEM_FD_FIRST + CRASH_FDS) abort(); /* a test with so many has lost its way */
    if (fd >= MEM_FD_FIRST) disk->fds[fd - MEM_FD_FIRST] = inode;
}

static const char *inode_name(const struct crash_disk *disk, uint32_t inode)
{
    for (size_t i = 0; i < disk->live.entries_count; i++)
        if (disk->live.entries[i].inode == inode) return disk->live.entries[i].name;
    return "(no name)";
}

/* The directory of NAME below DIRFD, and its last component. */
static uint32_t find_dir(const struct crash_disk *disk, int dirfd, const char *name, const char **lastp)
{
    uint32_t dir = dirfd < 0 ? CRASH_ROOT_DIR : fd_inode(disk, dirfd);
    const char *slash;
    char part[CRASH_NAME_MAX];

    for (;;) {
        const struct crash_entry *entry;

        while (*name == '/') name++;
        slash = strchr(name, '/');
        if (!slash || slash[strspn(slash, "/")] == '\0') break;
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        entry = crash_tree_find(&disk->live, dir, part);
        if (!entry) return CRASH_NONE;
        dir  = entry->inode;
        name = slash;
    }
    *lastp = name;
    return dir;
}

/* ---- begin and end of a call ---- */

static void begin(struct crash_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
}

static void end(struct crash_disk *disk)
{
    pthread_mutex_unlock(&disk->mutex);
}

/* The call has changed or synced something. */
static void end_looked_at(struct crash_disk *disk, const char *what, uint32_t inode)
{
    snprintf(disk->last, sizeof disk->last, "%s %s", what, inode_name(disk, inode));
    disk->calls++;
    if (disk->is_traced) fprintf(stderr, "%p %4" PRIu64 " %s\n", (void *)disk, disk->calls, disk->last);
    crash_disk_settle(disk);
    if (disk->look) disk->look(disk->look_arg);
    pthread_mutex_unlock(&disk->mutex);
}

/* ---- maps ---- */

/* Another version of the page at OFFSET; of a page's versions that may be left only the first and the last are kept. */
static void page_unit(struct crash_disk *disk, uint32_t inode, uint64_t offset, const unsigned char *data, uint64_t len)
{
    struct crash_unit *newest = NULL;
    unsigned versions         = 0;

    for (size_t i = 0; i < disk->units_count; i++) {
        struct crash_unit *unit = &disk->units[i];

        if (unit->kind != CRASH_DATA || unit->inode != inode || unit->offset != offset || unit->len != len) continue;
        newest = unit;
        versions++;
    }
    if (versions < 2) {
        newest         = unit_add(disk, CRASH_DATA, inode);
        newest->offset = offset;
        newest->len    = (uint32_t)len;
        newest->data   = mem_must_alloc((size_t)len);
    }
    memcpy(newest->data, data, (size_t)len);
}

__attribute__((no_sanitize("thread"))) void crash_disk_settle(struct crash_disk *disk)
{
    for (int m = 0; m < CRASH_MAPS; m++) {
        struct crash_map *map = &disk->maps[m];

        for (uint64_t at = 0; map->addr && at < map->bytes; at += CRASH_PAGE_BYTES) {
            uint64_t len = map->bytes - at < CRASH_PAGE_BYTES ? map->bytes - at : CRASH_PAGE_BYTES;

            if (memcmp(map->shadow + at, map->addr + at, (size_t)len) == 0) continue;
            memcpy(map->shadow + at, map->addr + at, (size_t)len);
            page_unit(disk, map->inode, at, map->shadow + at, len);
        }
    }
}

static void *cd_map(void *ctx, int fd, size_t bytes)
{
    struct crash_disk *disk = ctx;
    void *addr;

    begin(disk);
    addr = disk->inner.io.map(disk->inner.io.ctx, fd, bytes);
    if (addr && fd >= 0) {
        int m = 0;

        while (m < CRASH_MAPS && disk->maps[m].addr) m++;
        if (m == CRASH_MAPS) abort();
        disk->maps[m] = (struct crash_map){ fd_inode(disk, fd), addr, bytes, mem_must_alloc(bytes) };
        memcpy(disk->maps[m].shadow, addr, bytes);
    }
    end(disk);
    return addr;
}

static struct crash_map *find_map(struct crash_disk *disk, const void *addr)
{
    for (int m = 0; m < CRASH_MAPS; m++)
        if (disk->maps[m].addr == addr) return &disk->maps[m];
    return NULL;
}

static int cd_unmap(void *ctx, void *addr, size_t bytes)
{
    struct crash_disk *disk = ctx;
    struct crash_map *map;
    int rc;

    begin(disk);
    crash_disk_settle(disk);
    if ((map = find_map(disk, addr)) != NULL) {
        free(map->shadow);
        memset(map, 0, sizeof *map);
    }
    rc = disk->inner.io.unmap(disk->inner.io.ctx, addr, bytes);
    end(disk);
    return rc;
}

/* ---- syncs ---- */

/* Does this sync fail? Then what is pending for the file is stuck. */
static bool sync_fails(struct crash_disk *disk, uint32_t inode)
{
    disk->syncs++;
    if (disk->fail_at == 0 || disk->syncs < disk->fail_at || disk->syncs - disk->fail_at >= disk->fail_count)
        return false;
    for (size_t i = 0; i < disk->units_count; i++)
        if (!is_name(&disk->units[i]) && disk->units[i].inode == inode) disk->units[i].is_stuck = true;
    return true;
}

static bool is_lie(const struct crash_disk *disk, uint32_t inode, bool is_map)
{
    const char *name = inode_name(disk, inode);

    switch (disk->lie) {
    case CRASH_LIE_DATA: return strstr(name, ".hq") != NULL;
    case CRASH_LIE_DIR: return disk->live.inodes[inode].is_dir && inode != CRASH_TOP_DIR;
    case CRASH_LIE_PARENT: return inode == CRASH_TOP_DIR;
    case CRASH_LIE_STATE:
    case CRASH_LIE_REMOVE_FIRST: return strcmp(name, "STATE") == 0;
    case CRASH_LIE_MAP: return is_map;
    default: return false;
    }
}

static int sync_inode(struct crash_disk *disk, uint32_t inode, bool is_map, bool with_size)
{
    if (inode == CRASH_NONE) return 0;
    crash_disk_settle(disk);
    if (sync_fails(disk, inode)) return disk->lie == CRASH_LIE_SILENT ? 0 : -EIO;
    if (is_lie(disk, inode, is_map)) return 0;
    if (disk->live.inodes[inode].is_dir) retire_names(disk, inode);
    else retire_file(disk, inode, with_size);
    if (strcmp(inode_name(disk, inode), "STATE") == 0) disk->state_syncs++;
    return 0;
}

static int cd_fsync(void *ctx, int fd)
{
    struct crash_disk *disk = ctx;
    int rc;

    begin(disk);
    rc = disk->inner.io.fsync(disk->inner.io.ctx, fd);
    if (rc == 0) rc = sync_inode(disk, fd_inode(disk, fd), false, true);
    end_looked_at(disk, "fsync", fd_inode(disk, fd));
    return rc;
}

static int cd_fdatasync(void *ctx, int fd)
{
    struct crash_disk *disk = ctx;
    int rc;

    begin(disk);
    rc = disk->inner.io.fdatasync(disk->inner.io.ctx, fd);
    if (rc == 0) rc = sync_inode(disk, fd_inode(disk, fd), false, disk->lie != CRASH_LIE_SIZE);
    end_looked_at(disk, "fdatasync", fd_inode(disk, fd));
    return rc;
}

static int cd_sync_map(void *ctx, void *addr, size_t bytes)
{
    struct crash_disk *disk = ctx;
    const struct crash_map *map;
    int rc;

    begin(disk);
    rc  = disk->inner.io.sync_map(disk->inner.io.ctx, addr, bytes);
    map = find_map(disk, addr);
    if (rc == 0 && map) rc = sync_inode(disk, map->inode, true, true);
    end_looked_at(disk, "sync_map", map ? map->inode : CRASH_NONE);
    return rc;
}

/* ---- data ---- */

static void size_unit(struct crash_disk *disk, uint32_t inode, uint64_t size, bool is_allocated)
{
    struct crash_unit *unit = unit_add(disk, CRASH_SIZE, inode);

    unit->offset       = size;
    unit->is_allocated = is_allocated;
}

/* The whole sector at OFFSET as it is seen now. */
static void sector_unit(struct crash_disk *disk, int fd, uint32_t inode, uint64_t offset)
{
    struct crash_unit *unit = unit_add(disk, CRASH_DATA, inode);

    unit->offset = offset;
    unit->len    = CRASH_SECTOR_BYTES;
    unit->data   = mem_must_alloc(CRASH_SECTOR_BYTES);
    mem_enter(disk->mem); /* the descriptor may not be readable, so look from behind */
    (void)mem_disk_read(mem_fd_find(disk->mem, fd)->inode, unit->data, CRASH_SECTOR_BYTES, offset);
    mem_leave(disk->mem);
}

static void note_write(struct crash_disk *disk, int fd, uint64_t offset, uint64_t len)
{
    const uint32_t inode = fd_inode(disk, fd);
    const uint64_t size = disk->live.inodes[inode].size, end = offset + len;
    unsigned sizes = 0;

    for (uint64_t at = offset / CRASH_SECTOR_BYTES * CRASH_SECTOR_BYTES; at < end; at += CRASH_SECTOR_BYTES) {
        uint64_t upto = at + CRASH_SECTOR_BYTES;

        sector_unit(disk, fd, inode, at);
        if (upto > size && upto < end && sizes < SIZES_MAX &&
            (upto % CRASH_PAGE_BYTES == 0 || len < CRASH_PAGE_BYTES)) {
            size_unit(disk, inode, upto, false);
            sizes++;
        }
    }
    if (end > size) {
        size_unit(disk, inode, end, false);
        disk->live.inodes[inode].size = end;
    }
}

/* The lock file's text is for people, so it is not worth states of its own: it is on the device at once. */
static void forget_lock_text(struct crash_disk *disk, uint32_t inode)
{
    if (strcmp(inode_name(disk, inode), "LOCK") != 0) return;
    for (size_t i = 0; i < disk->units_count;) {
        if (!is_name(&disk->units[i]) && disk->units[i].inode == inode) retire(disk, i);
        else i++;
    }
}

static ssize_t cd_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    struct crash_disk *disk = ctx;
    ssize_t put;

    begin(disk);
    put = disk->inner.io.pwrite(disk->inner.io.ctx, fd, buf, len, offset);
    if (put <= 0) {
        end(disk);
        return put;
    }
    note_write(disk, fd, offset, (uint64_t)put);
    forget_lock_text(disk, fd_inode(disk, fd));
    end_looked_at(disk, "pwrite", fd_inode(disk, fd));
    return put;
}

static void note_resize(struct crash_disk *disk, uint32_t inode, uint64_t size, bool is_allocated)
{
    size_unit(disk, inode, size, is_allocated);
    disk->live.inodes[inode].size = size;
    forget_lock_text(disk, inode);
}

static int cd_truncate(void *ctx, int fd, uint64_t bytes)
{
    struct crash_disk *disk = ctx;
    int rc;

    begin(disk);
    rc = disk->inner.io.truncate(disk->inner.io.ctx, fd, bytes);
    if (rc == 0) note_resize(disk, fd_inode(disk, fd), bytes, true);
    end_looked_at(disk, "truncate", fd_inode(disk, fd));
    return rc;
}

static int cd_allocate(void *ctx, int fd, uint64_t offset, uint64_t bytes)
{
    struct crash_disk *disk = ctx;
    int rc;

    begin(disk);
    rc = disk->inner.io.allocate(disk->inner.io.ctx, fd, offset, bytes);
    if (rc == 0 && offset + bytes > disk->live.inodes[fd_inode(disk, fd)].size)
        note_resize(disk, fd_inode(disk, fd), offset + bytes, true);
    end_looked_at(disk, "allocate", fd_inode(disk, fd));
    return rc;
}

static int cd_chmod(void *ctx, int fd, unsigned mode)
{
    struct crash_disk *disk = ctx;
    int rc;

    begin(disk);
    rc = disk->inner.io.chmod(disk->inner.io.ctx, fd, mode);
    if (rc == 0) unit_add(disk, CRASH_MODE, fd_inode(disk, fd))->mode = mode;
    end_looked_at(disk, "chmod", fd_inode(disk, fd));
    return rc;
}

/* ---- names ---- */

static void name_unit(struct crash_disk *disk, enum crash_kind kind, uint32_t inode, uint32_t dir, const char *name,
                      const char *to)
{
    struct crash_unit *unit = unit_add(disk, kind, inode);

    unit->dir = dir;
    snprintf(unit->name, sizeof unit->name, "%s", name);
    snprintf(unit->to, sizeof unit->to, "%s", to);
    crash_tree_apply(&disk->live, unit);
}

/* A new inode with a name in DIR. */
static uint32_t note_create(struct crash_disk *disk, uint32_t dir, const char *name, bool is_dir, unsigned mode)
{
    uint32_t inode = crash_tree_add_inode(&disk->live, is_dir, mode);

    crash_tree_add_inode(&disk->durable, is_dir, mode);
    name_unit(disk, CRASH_CREATE, inode, dir, name, "");
    return inode;
}

static int cd_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    struct crash_disk *disk = ctx;
    const struct crash_entry *entry;
    const char *last = name;
    uint32_t dir, inode;
    int fd;

    begin(disk);
    fd  = disk->inner.io.open_at(disk->inner.io.ctx, dirfd, name, flags, mode);
    dir = find_dir(disk, dirfd, name, &last);
    if (fd < 0 || dir == CRASH_NONE) {
        end(disk);
        return fd;
    }
    entry = crash_tree_find(&disk->live, dir, last);
    if (!entry) {
        inode = *last ? note_create(disk, dir, last, false, mode) : dir;
        note_fd(disk, fd, inode);
        end_looked_at(disk, "create", inode);
        return fd;
    }
    note_fd(disk, fd, entry->inode);
    if (flags & O_TRUNC) note_resize(disk, entry->inode, 0, true);
    end(disk);
    return fd;
}

static int cd_mkdir_at(void *ctx, int dirfd, const char *name, unsigned mode)
{
    struct crash_disk *disk = ctx;
    const char *last        = name;
    uint32_t dir, inode = CRASH_NONE;
    int rc;

    begin(disk);
    rc  = disk->inner.io.mkdir_at(disk->inner.io.ctx, dirfd, name, mode);
    dir = find_dir(disk, dirfd, name, &last);
    if (rc == 0) inode = note_create(disk, dir, last, true, mode);
    end_looked_at(disk, "mkdir", inode);
    return rc;
}

static int cd_rename_at(void *ctx, int dirfd, const char *from, const char *to)
{
    struct crash_disk *disk = ctx;
    const char *from_last = from, *to_last = to;
    uint32_t dir;
    int rc;

    begin(disk);
    rc  = disk->inner.io.rename_at(disk->inner.io.ctx, dirfd, from, to);
    dir = find_dir(disk, dirfd, from, &from_last);
    if (rc == 0) {
        (void)find_dir(disk, dirfd, to, &to_last);
        name_unit(disk, CRASH_RENAME, crash_tree_find(&disk->live, dir, from_last)->inode, dir, from_last, to_last);
    }
    end_looked_at(disk, "rename", dir);
    return rc;
}

static int cd_unlink_at(void *ctx, int dirfd, const char *name)
{
    struct crash_disk *disk = ctx;
    const char *last        = name;
    uint32_t dir;
    int rc;

    begin(disk);
    rc  = disk->inner.io.unlink_at(disk->inner.io.ctx, dirfd, name);
    dir = find_dir(disk, dirfd, name, &last);
    if (rc == 0) {
        name_unit(disk, CRASH_UNLINK, crash_tree_find(&disk->live, dir, last)->inode, dir, last, "");
        if (disk->lie == CRASH_LIE_REMOVE_FIRST) retire_names(disk, dir);
    }
    end_looked_at(disk, "unlink", dir);
    return rc;
}

/* ---- calls that change nothing on the device ---- */

static int cd_close(void *ctx, int fd)
{
    struct crash_disk *disk = ctx;
    int rc;

    begin(disk);
    rc = disk->inner.io.close(disk->inner.io.ctx, fd);
    note_fd(disk, fd, CRASH_NONE);
    end(disk);
    return rc;
}

#define PASS(result, name, parameters, ...)                                 \
    static result cd_##name parameters                                      \
    {                                                                       \
        const struct hopper_io *io = &((struct crash_disk *)ctx)->inner.io; \
                                                                            \
        return io->name(io->ctx, __VA_ARGS__);                              \
    }
PASS(ssize_t, pread, (void *ctx, int fd, void *buf, size_t len, uint64_t offset), fd, buf, len, offset)
PASS(int, stat, (void *ctx, int fd, struct hopper_io_stat *st), fd, st)
PASS(int, space, (void *ctx, int fd, struct hopper_io_space *space), fd, space)
PASS(int, stat_at, (void *ctx, int dirfd, const char *name, struct hopper_io_stat *st), dirfd, name, st)
PASS(int, list, (void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg), dirfd, each, arg)
PASS(int, lock, (void *ctx, int fd), fd)
PASS(int, event_set, (void *ctx, int fd), fd)
PASS(int, event_clear, (void *ctx, int fd), fd)
PASS(int, random, (void *ctx, void *buf, size_t len), buf, len)
PASS(int, boot_id, (void *ctx, void *id16), id16)
#undef PASS

static int cd_event_open(void *ctx)
{
    const struct hopper_io *io = &((struct crash_disk *)ctx)->inner.io;

    return io->event_open(io->ctx);
}

static long cd_process_id(void *ctx)
{
    const struct hopper_io *io = &((struct crash_disk *)ctx)->inner.io;

    return io->process_id(io->ctx);
}

/* ---- life ---- */

static void fill_table(struct crash_disk *disk)
{
    disk->table    = disk->inner;
    disk->table.io = (struct hopper_io){ .size        = sizeof(struct hopper_io),
                                         .ctx         = disk,
                                         .open_at     = cd_open_at,
                                         .close       = cd_close,
                                         .pread       = cd_pread,
                                         .pwrite      = cd_pwrite,
                                         .fdatasync   = cd_fdatasync,
                                         .fsync       = cd_fsync,
                                         .truncate    = cd_truncate,
                                         .allocate    = cd_allocate,
                                         .chmod       = cd_chmod,
                                         .stat        = cd_stat,
                                         .space       = cd_space,
                                         .stat_at     = cd_stat_at,
                                         .rename_at   = cd_rename_at,
                                         .unlink_at   = cd_unlink_at,
                                         .mkdir_at    = cd_mkdir_at,
                                         .list        = cd_list,
                                         .lock        = cd_lock,
                                         .map         = cd_map,
                                         .unmap       = cd_unmap,
                                         .sync_map    = cd_sync_map,
                                         .event_open  = cd_event_open,
                                         .event_set   = cd_event_set,
                                         .event_clear = cd_event_clear,
                                         .random      = cd_random,
                                         .process_id  = cd_process_id,
                                         .boot_id     = cd_boot_id };
}

/* What START has is durable, and live. */
static void take_over(struct crash_disk *disk, const struct crash_image *start)
{
    struct crash_tree *durable = &disk->durable;

    for (size_t i = 0; i < start->tree.inodes_count; i++) {
        const struct crash_inode *from = &start->tree.inodes[i];
        uint32_t inode                 = crash_tree_add_inode(durable, from->is_dir, from->mode);

        crash_tree_add_inode(&disk->live, from->is_dir, from->mode);
        if (from->size > 0) crash_inode_write(&durable->inodes[inode], 0, from->data, from->size);
        durable->inodes[inode].size = disk->live.inodes[inode].size = from->size;
    }
    for (size_t i = 0; i < start->tree.entries_count; i++) {
        const struct crash_entry *entry = &start->tree.entries[i];

        crash_tree_link(durable, entry->dir, entry->name, entry->inode);
        crash_tree_link(&disk->live, entry->dir, entry->name, entry->inode);
    }
    disk->boot = start->boot;
}

struct crash_disk *crash_disk_new(struct mem_platform *mem, const struct crash_image *start, enum crash_profile profile)
{
    struct crash_disk *disk = mem_must_alloc(sizeof *disk);

    disk->mem       = mem;
    disk->inner     = *mem_platform_table(mem);
    disk->profile   = profile;
    disk->boot      = 1;
    disk->is_traced = getenv("HOPPER_CRASH_TRACE") != NULL;
    pthread_mutex_init(&disk->mutex, NULL);
    for (int i = 0; i < CRASH_FDS; i++) disk->fds[i] = CRASH_NONE;
    fill_table(disk);
    if (start) {
        take_over(disk, start);
        return disk;
    }
    if (mem_mkdir(mem, CRASH_ROOT, 0700) < 0) abort();
    for (uint32_t i = CRASH_ROOT_DIR; i <= CRASH_TOP_DIR; i++) {
        crash_tree_add_inode(&disk->durable, true, 0700);
        crash_tree_add_inode(&disk->live, true, 0700);
    }
    crash_tree_link(&disk->durable, CRASH_ROOT_DIR, &CRASH_ROOT[1], CRASH_TOP_DIR);
    crash_tree_link(&disk->live, CRASH_ROOT_DIR, &CRASH_ROOT[1], CRASH_TOP_DIR);
    return disk;
}

static void copy_tree(struct crash_tree *to, const struct crash_tree *from)
{
    for (size_t i = 0; i < from->inodes_count; i++) {
        const struct crash_inode *inode = &from->inodes[i];

        crash_tree_add_inode(to, inode->is_dir, inode->mode);
        if (inode->room > 0) crash_inode_write(&to->inodes[i], 0, inode->data, inode->room);
        to->inodes[i].size = inode->size;
    }
    for (size_t i = 0; i < from->entries_count; i++)
        crash_tree_link(to, from->entries[i].dir, from->entries[i].name, from->entries[i].inode);
}

struct crash_disk *crash_disk_after_kill(struct crash_disk *from, struct mem_platform *mem, uint64_t seed)
{
    struct crash_disk *disk   = mem_must_alloc(sizeof *disk);
    struct crash_image *image = crash_disk_killed(from); /* settles */

    crash_image_load(image, mem, seed);
    crash_image_free(image);
    disk->mem     = mem;
    disk->inner   = *mem_platform_table(mem);
    disk->profile = from->profile;
    disk->lie     = from->lie;
    disk->boot    = from->boot;
    pthread_mutex_init(&disk->mutex, NULL);
    for (int i = 0; i < CRASH_FDS; i++) disk->fds[i] = CRASH_NONE;
    fill_table(disk);
    copy_tree(&disk->durable, &from->durable);
    copy_tree(&disk->live, &from->live);
    for (size_t i = 0; i < from->units_count; i++) {
        struct crash_unit *unit = unit_add(disk, from->units[i].kind, from->units[i].inode);

        *unit = from->units[i];
        if (!unit->data) continue;
        unit->data = mem_must_alloc(unit->len);
        memcpy(unit->data, from->units[i].data, unit->len);
    }
    disk->calls = from->calls;
    return disk;
}

void crash_disk_free(struct crash_disk *disk)
{
    if (!disk) return;
    for (int m = 0; m < CRASH_MAPS; m++) free(disk->maps[m].shadow);
    while (disk->units_count > 0) unit_remove(disk, disk->units_count - 1);
    free(disk->units);
    crash_tree_fini(&disk->durable);
    crash_tree_fini(&disk->live);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

const struct hopper_platform *crash_disk_table(struct crash_disk *disk)
{
    return &disk->table;
}

void crash_disk_watch(struct crash_disk *disk, void (*look)(void *arg), void *arg)
{
    disk->look     = look;
    disk->look_arg = arg;
}

void crash_disk_lie(struct crash_disk *disk, enum crash_lie lie)
{
    disk->lie = lie;
}

void crash_disk_fail_syncs(struct crash_disk *disk, uint64_t at, uint64_t count)
{
    disk->fail_at    = disk->syncs + at;
    disk->fail_count = count;
}

uint64_t crash_disk_calls(const struct crash_disk *disk)
{
    return disk->calls;
}

uint64_t crash_disk_state_syncs(const struct crash_disk *disk)
{
    return disk->state_syncs;
}

const char *crash_disk_last(const struct crash_disk *disk)
{
    return disk->last;
}
