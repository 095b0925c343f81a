/* SPDX-License-Identifier: MIT */
/*
 * platform_mem from the test's side: limits, clock, what is held, and the disk as another process sees it. Changes made
 * here are not counted as the library's: no limit stops them and the observer does not look.
 */
#include "mem_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *mem_platform_leaks(struct mem_platform *mem)
{
    const struct mem_usage *usage = &mem->usage;
    const char *leaks             = NULL;

    mem_enter(mem);
    if (usage->alloc_count > 0 || usage->map_count > 0 || mem->fds_open > 0) {
        snprintf(mem->leaks, sizeof mem->leaks,
                 "%" PRIu64 " allocations (%" PRIu64 " bytes), %" PRIu64 " maps (%" PRIu64 " bytes), %u descriptors",
                 usage->alloc_count, usage->alloc_bytes, usage->map_count, usage->map_bytes, mem->fds_open);
        leaks = mem->leaks;
    }
    mem_leave(mem);
    return leaks;
}

uint64_t mem_bad_fds(struct mem_platform *mem)
{
    uint64_t calls;

    mem_enter(mem);
    calls = mem->bad_fds;
    mem_leave(mem);
    return calls;
}

/* ---- limits and clock ---- */

void mem_set_capacity(struct mem_platform *mem, uint64_t bytes)
{
    mem_enter(mem);
    mem->disk.capacity_bytes = bytes;
    mem_leave(mem);
}

void mem_set_fds_max(struct mem_platform *mem, unsigned fds)
{
    mem_enter(mem);
    mem->fds_max = fds;
    mem_leave(mem);
}

void mem_set_alloc_max(struct mem_platform *mem, uint64_t bytes)
{
    mem_enter(mem);
    mem->alloc_max = bytes;
    mem_leave(mem);
}

void mem_set_umask(struct mem_platform *mem, unsigned umask)
{
    mem_enter(mem);
    mem->umask = umask & 0777;
    mem_leave(mem);
}

void mem_set_process_id(struct mem_platform *mem, long pid)
{
    mem_enter(mem);
    mem->process_id = pid;
    mem_leave(mem);
}

void mem_reboot(struct mem_platform *mem)
{
    mem_enter(mem);
    mem->boots++;
    mem_leave(mem);
}

uint64_t mem_clock_ns(struct mem_platform *mem)
{
    uint64_t now;

    mem_enter(mem);
    now = mem->now_ns;
    mem_leave(mem);
    return now;
}

void mem_clock_advance(struct mem_platform *mem, uint64_t ns)
{
    mem_enter(mem);
    mem->now_ns += ns;
    mem_leave(mem);
}

/* ---- what is held ---- */

static uint64_t touched_bytes(const struct mem_map *map)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (map->bytes + page - 1) / page;
    unsigned char *resident = mem_must_alloc(pages);
    uint64_t bytes          = 0;

    if (mincore(map->addr, map->bytes, resident) == 0)
        for (size_t i = 0; i < pages; i++) bytes += (resident[i] & 1) * page;
    free(resident);
    return bytes;
}

void mem_usage(struct mem_platform *mem, struct mem_usage *usage)
{
    mem_enter(mem);
    *usage = mem->usage;
    for (const struct mem_map *map = mem->maps; map; map = map->next)
        if (!map->inode) usage->touched_bytes += touched_bytes(map);
    usage->disk_bytes      = mem->disk.used_bytes;
    usage->disk_bytes_peak = mem->disk_bytes_peak;
    usage->fds_open        = mem->fds_open;
    mem_leave(mem);
}

void mem_reset_peaks(struct mem_platform *mem)
{
    mem_enter(mem);
    mem->usage.alloc_bytes_peak = mem->usage.alloc_bytes;
    mem->usage.map_bytes_peak   = mem->usage.map_bytes;
    mem->usage.held_bytes_peak  = mem->usage.alloc_bytes + mem->usage.map_bytes;
    mem->disk_bytes_peak        = mem->disk.used_bytes;
    mem_leave(mem);
}

void mem_watch_dir(struct mem_platform *mem, const char *dir, uint64_t budget_bytes)
{
    char *copy = NULL;

    if (dir) {
        copy = mem_must_alloc(strlen(dir) + 1);
        memcpy(copy, dir, strlen(dir) + 1);
    }
    mem_enter(mem);
    free(mem->watched);
    mem->watched      = copy;
    mem->watch_budget = budget_bytes;
    mem->watch_excess = mem->watch_peak = 0;
    mem_leave(mem);
}

uint64_t mem_watch_excess(struct mem_platform *mem)
{
    uint64_t bytes;

    mem_enter(mem);
    bytes = mem->watch_excess;
    mem_leave(mem);
    return bytes;
}

uint64_t mem_watch_peak(struct mem_platform *mem)
{
    uint64_t bytes;

    mem_enter(mem);
    bytes = mem->watch_peak;
    mem_leave(mem);
    return bytes;
}

bool mem_event_is_set(struct mem_platform *mem, int fd)
{
    unsigned i = (unsigned)(fd - MEM_FD_FIRST);
    bool is_set;

    mem_enter(mem);
    is_set = fd >= MEM_FD_FIRST && i < mem->fds_room && mem->fds[i].is_event && mem->fds[i].is_set;
    mem_leave(mem);
    return is_set;
}

/* ---- the disk ---- */

static void enter_root(struct mem_platform *mem)
{
    mem_enter(mem);
    mem->disk.as_root = true;
}

static void leave_root(struct mem_platform *mem)
{
    mem->disk.as_root = false;
    mem_leave(mem);
}

/* Find PATH itself, not what a link at its end points to. Ends with the platform entered, whatever the result. */
static int enter_at(struct mem_platform *mem, const char *path, struct mem_inode **inodep)
{
    enter_root(mem);
    return mem_disk_find(&mem->disk, mem->disk.root, path, false, inodep);
}

/* Make an inode of KIND at PATH. Ends with the platform entered. */
static int enter_create(struct mem_platform *mem, const char *path, enum mem_kind kind, unsigned mode,
                        struct mem_inode **inodep)
{
    struct mem_inode *dir;
    const char *last;
    int rc;

    enter_root(mem);
    rc = mem_disk_parent(&mem->disk, mem->disk.root, path, &dir, &last);
    if (rc == 0) rc = mem_disk_create(&mem->disk, dir, last, kind, mode, inodep);
    return rc;
}

static int put_data(struct mem_platform *mem, struct mem_inode *inode, const void *data, size_t len)
{
    int64_t put = mem_disk_resize(&mem->disk, inode, 0);

    if (put == 0) put = mem_disk_write(&mem->disk, inode, data, len, 0);
    return put < 0 ? (int)put : 0;
}

int mem_mkdir(struct mem_platform *mem, const char *path, unsigned mode)
{
    struct mem_inode *made;
    int rc = enter_create(mem, path, MEM_DIR, mode, &made);

    leave_root(mem);
    return rc;
}

int mem_write_file(struct mem_platform *mem, const char *path, const void *data, size_t len)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == -ENOENT) {
        leave_root(mem);
        rc = enter_create(mem, path, MEM_FILE, 0644, &inode);
    }
    if (rc == 0) rc = inode->kind == MEM_FILE ? put_data(mem, inode, data, len) : -EISDIR;
    leave_root(mem);
    return rc;
}

int mem_read_file(struct mem_platform *mem, const char *path, void **datap, size_t *lenp)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    *datap = NULL;
    *lenp  = 0;
    if (rc == 0 && inode->kind != MEM_FILE) rc = -EISDIR;
    if (rc == 0) {
        *lenp  = (size_t)inode->size;
        *datap = mem_must_alloc(*lenp);
        if (*lenp > 0) memcpy(*datap, inode->data, *lenp);
    }
    leave_root(mem);
    return rc;
}

int mem_poke(struct mem_platform *mem, const char *path, uint64_t offset, unsigned xor_with)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == 0 && offset >= inode->size) rc = -EINVAL;
    if (rc == 0) inode->data[offset] ^= (unsigned char)xor_with;
    leave_root(mem);
    return rc;
}

int mem_truncate(struct mem_platform *mem, const char *path, uint64_t bytes)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == 0) rc = inode->kind == MEM_FILE ? mem_disk_resize(&mem->disk, inode, bytes) : -EINVAL;
    leave_root(mem);
    return rc;
}

int mem_remove(struct mem_platform *mem, const char *path)
{
    struct mem_inode *dir;
    const char *last;
    int rc;

    enter_root(mem);
    rc = mem_disk_parent(&mem->disk, mem->disk.root, path, &dir, &last);
    if (rc == 0) rc = mem_disk_unlink(&mem->disk, dir, last);
    leave_root(mem);
    return rc;
}

int mem_rename(struct mem_platform *mem, const char *from, const char *to)
{
    struct mem_inode *from_dir, *to_dir;
    const char *from_last, *to_last;
    int rc;

    enter_root(mem);
    rc = mem_disk_parent(&mem->disk, mem->disk.root, from, &from_dir, &from_last);
    if (rc == 0) rc = mem_disk_parent(&mem->disk, mem->disk.root, to, &to_dir, &to_last);
    if (rc == 0) rc = mem_disk_rename(&mem->disk, from_dir, from_last, to_dir, to_last);
    leave_root(mem);
    return rc;
}

int mem_symlink(struct mem_platform *mem, const char *path, const char *target)
{
    struct mem_inode *link;
    int rc = enter_create(mem, path, MEM_SYMLINK, 0777, &link);

    if (rc == 0) {
        link->size = strlen(target);
        link->data = mem_must_alloc((size_t)link->size + 1);
        memcpy(link->data, target, (size_t)link->size + 1);
    }
    leave_root(mem);
    return rc;
}

int mem_link(struct mem_platform *mem, const char *from, const char *to)
{
    struct mem_inode *inode, *dir;
    const char *last;
    int rc = enter_at(mem, from, &inode);

    if (rc == 0) rc = mem_disk_parent(&mem->disk, mem->disk.root, to, &dir, &last);
    if (rc == 0) rc = mem_disk_link(dir, last, inode);
    leave_root(mem);
    return rc;
}

int mem_fifo(struct mem_platform *mem, const char *path)
{
    struct mem_inode *made;
    int rc = enter_create(mem, path, MEM_FIFO, 0666, &made);

    leave_root(mem);
    return rc;
}

int mem_chmod(struct mem_platform *mem, const char *path, unsigned mode)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == 0) inode->mode = mode & 07777;
    leave_root(mem);
    return rc;
}

int mem_chown(struct mem_platform *mem, const char *path, unsigned uid)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == 0) inode->uid = uid;
    leave_root(mem);
    return rc;
}

int mem_lock_by_other(struct mem_platform *mem, const char *path, bool held)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == 0) inode->lock_fd = held ? MEM_LOCK_OTHER : MEM_LOCK_NONE;
    leave_root(mem);
    return rc;
}

bool mem_exists(struct mem_platform *mem, const char *path)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    leave_root(mem);
    return rc == 0;
}

int mem_mode(struct mem_platform *mem, const char *path)
{
    struct mem_inode *inode;
    int rc = enter_at(mem, path, &inode);

    if (rc == 0) rc = (int)inode->mode;
    leave_root(mem);
    return rc;
}

int64_t mem_file_size(struct mem_platform *mem, const char *path)
{
    struct mem_inode *inode;
    int64_t bytes = enter_at(mem, path, &inode);

    if (bytes == 0) bytes = (int64_t)inode->size;
    leave_root(mem);
    return bytes;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

int mem_list(struct mem_platform *mem, const char *path, char (*names)[256], int max)
{
    struct mem_inode *dir;
    int count = enter_at(mem, path, &dir);

    if (count == 0 && dir->kind != MEM_DIR) count = -ENOTDIR;
    if (count == 0)
        for (; count < max && (size_t)count < dir->count; count++)
            snprintf(names[count], sizeof names[count], "%s", dir->names[count].text);
    leave_root(mem);
    if (count > 1) qsort(names, (size_t)count, sizeof *names, by_text);
    return count;
}
