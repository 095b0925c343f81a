/* SPDX-License-Identifier: MIT */
/*
 * Files, names and locks of platform_mem: the functions of the table over mem_disk.
 *
 * Each function: take the mutex, find the descriptor, do the work on the tree, let the observer look, give the mutex
 * back. The results are those that Linux gives an unprivileged process for the same call on ext4, as far as the library
 * could notice. Links are followed where O_NOFOLLOW is missing, although the real platform adds it itself: the library
 * must not count on that.
 */
#include "mem_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

void mem_called(struct mem_platform *mem)
{
    mem_enter(mem);
    mem->usage.calls_total++;
}

/* Files that were removed while somebody has them open: they keep their room. */
static uint64_t nameless_bytes(const struct mem_platform *mem)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < mem->fds_room; i++) {
        const struct mem_inode *inode = mem->fds[i].inode;

        if (!inode || inode->kind != MEM_FILE || inode->links > 0) continue;
        for (unsigned k = 0; inode && k < i; k++)
            if (mem->fds[k].inode == inode) inode = NULL; /* counted */
        if (inode) bytes += inode->size;
    }
    return bytes;
}

void mem_changed(struct mem_platform *mem)
{
    struct mem_inode *dir = NULL;

    if (mem->disk.used_bytes > mem->disk_bytes_peak) mem->disk_bytes_peak = mem->disk.used_bytes;
    if (mem->watched && mem_disk_find(&mem->disk, mem->disk.root, mem->watched, true, &dir) == 0) {
        uint64_t bytes = mem_disk_dir_bytes(dir) + nameless_bytes(mem);

        if (bytes > mem->watch_peak) mem->watch_peak = bytes;
        if (bytes > mem->watch_budget && bytes - mem->watch_budget > mem->watch_excess)
            mem->watch_excess = bytes - mem->watch_budget;
    }
    mem_leave(mem);
}

/* ---- descriptors ---- */

struct mem_fd *mem_fd_find(struct mem_platform *mem, int fd)
{
    unsigned i = (unsigned)(fd - MEM_FD_FIRST);

    if (fd < MEM_FD_FIRST || i >= mem->fds_room) return NULL;
    return mem->fds[i].inode || mem->fds[i].is_event ? &mem->fds[i] : NULL;
}

int mem_fd_new(struct mem_platform *mem, struct mem_fd **slotp)
{
    unsigned i = 0;

    *slotp = NULL;
    if (mem->fds_open >= mem->fds_max) return -EMFILE;
    while (i < mem->fds_room && (mem->fds[i].inode || mem->fds[i].is_event)) i++;
    if (i == mem->fds_room) {
        unsigned room      = mem->fds_room > 0 ? mem->fds_room * 2 : 16;
        struct mem_fd *fds = mem_must_alloc(room * sizeof *fds);

        if (mem->fds_room > 0) memcpy(fds, mem->fds, mem->fds_room * sizeof *fds);
        free(mem->fds);
        mem->fds      = fds;
        mem->fds_room = room;
    }
    memset(&mem->fds[i], 0, sizeof mem->fds[i]);
    *slotp = &mem->fds[i];
    mem->fds_open++;
    return MEM_FD_FIRST + (int)i;
}

static int mem_fd_bad(struct mem_platform *mem)
{
    mem->bad_fds++;
    return -EBADF;
}

int mem_fd_close(struct mem_platform *mem, int fd)
{
    struct mem_fd *slot = mem_fd_find(mem, fd);

    if (!slot) return mem_fd_bad(mem);
    if (slot->inode) {
        if (slot->inode->lock_fd == fd) slot->inode->lock_fd = MEM_LOCK_NONE;
        mem_disk_closed(&mem->disk, slot->inode);
    }
    memset(slot, 0, sizeof *slot);
    mem->fds_open--;
    return 0;
}

int mem_fd_inode(struct mem_platform *mem, int fd, unsigned rw, struct mem_inode **inodep)
{
    struct mem_fd *slot = mem_fd_find(mem, fd);

    *inodep = NULL;
    if (!slot) return mem_fd_bad(mem);
    if (!slot->inode) return -EINVAL;
    if ((rw & 4) && (slot->flags & O_ACCMODE) == O_WRONLY) return -EBADF;
    if ((rw & 2) && (slot->flags & O_ACCMODE) == O_RDONLY) return -EBADF;
    *inodep = slot->inode;
    return 0;
}

static int dir_inode(struct mem_platform *mem, int dirfd, struct mem_inode **dirp)
{
    int rc = 0;

    if (dirfd < 0) *dirp = mem->disk.root;
    else if ((rc = mem_fd_inode(mem, dirfd, 0, dirp)) == 0 && (*dirp)->kind != MEM_DIR) rc = -ENOTDIR;
    return rc;
}

/* The directory that NAME is in, and its last component, for a change of names: the directory must be writable. */
static int name_parent(struct mem_platform *mem, int dirfd, const char *name, struct mem_inode **dirp,
                       const char **lastp)
{
    struct mem_inode *start;
    int rc;

    if ((rc = dir_inode(mem, dirfd, &start)) < 0) return rc;
    if (dirfd >= 0 && strchr(name, '/')) return -EINVAL; /* the table's contract */
    if ((rc = mem_disk_parent(&mem->disk, start, name, dirp, lastp)) < 0) return rc;
    return mem_disk_may(&mem->disk, *dirp, 3) ? 0 : -EACCES;
}

/* ---- files ---- */

static unsigned wanted_rights(int flags)
{
    switch (flags & O_ACCMODE) {
    case O_RDONLY: return 4;
    case O_WRONLY: return 2;
    default: return 6;
    }
}

/* May an existing INODE be opened with FLAGS? */
static int check_open(struct mem_platform *mem, const struct mem_inode *inode, int flags)
{
    unsigned rwx = wanted_rights(flags);

    if ((flags & O_CREAT) && (flags & O_EXCL)) return -EEXIST;
    if (inode->kind == MEM_SYMLINK) return (flags & O_DIRECTORY) ? -ENOTDIR : -ELOOP;
    if ((flags & O_DIRECTORY) && inode->kind != MEM_DIR) return -ENOTDIR;
    if (inode->kind == MEM_DIR && (rwx & 2)) return -EISDIR;
    if (!mem_disk_may(&mem->disk, inode, rwx)) return -EACCES;
    if (inode->kind == MEM_FIFO && rwx == 2) return -ENXIO; /* as with O_NONBLOCK and no reader */
    return 0;
}

static int find_or_create(struct mem_platform *mem, int dirfd, const char *name, int flags, unsigned mode,
                          struct mem_inode **inodep)
{
    struct mem_inode *dir;
    const char *last;
    int rc;

    if ((rc = dir_inode(mem, dirfd, &dir)) < 0) return rc;
    if (dirfd >= 0 && strchr(name, '/')) return -EINVAL;
    rc = mem_disk_find(&mem->disk, dir, name, !(flags & O_NOFOLLOW), inodep);
    if (rc == 0) return check_open(mem, *inodep, flags);
    if (rc != -ENOENT || !(flags & O_CREAT)) return rc;
    if ((rc = name_parent(mem, dirfd, name, &dir, &last)) < 0) return rc;
    return mem_disk_create(&mem->disk, dir, last, MEM_FILE, mode & ~mem->umask & 07777, inodep);
}

static int mem_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode  = NULL;
    struct mem_fd *slot;
    int fd, rc;

    mem_called(mem);
    fd = mem_fd_new(mem, &slot);
    if (fd >= 0) {
        rc = find_or_create(mem, dirfd, name, flags, mode, &inode);
        if (rc == 0 && (flags & O_TRUNC) && inode->kind == MEM_FILE) rc = mem_disk_resize(&mem->disk, inode, 0);
        if (rc < 0) {
            mem->fds_open--;
            fd = rc;
        } else {
            slot->inode = inode;
            slot->flags = flags;
            mem_disk_opened(inode);
        }
    }
    mem_changed(mem);
    return fd;
}

static int mem_close(void *ctx, int fd)
{
    struct mem_platform *mem = ctx;
    int rc;

    mem_called(mem);
    rc = mem_fd_close(mem, fd);
    mem_leave(mem);
    return rc;
}

static ssize_t mem_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    ssize_t got;

    mem_called(mem);
    got = mem_fd_inode(mem, fd, 4, &inode);
    if (got == 0 && inode->kind == MEM_DIR) got = -EISDIR;
    if (got == 0 && inode->kind == MEM_FIFO) got = -ESPIPE;
    if (got == 0) got = (ssize_t)mem_disk_read(inode, buf, len, offset);
    mem_leave(mem);
    return got;
}

static ssize_t mem_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    ssize_t put;

    mem_called(mem);
    put = mem_fd_inode(mem, fd, 2, &inode);
    if (put == 0 && inode->kind != MEM_FILE) put = -ESPIPE;
    if (put == 0) put = (ssize_t)mem_disk_write(&mem->disk, inode, buf, len, offset);
    mem_changed(mem);
    return put;
}

static int mem_sync(void *ctx, int fd)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 0, &inode);
    mem_leave(mem);
    return rc;
}

static int mem_resize(void *ctx, int fd, uint64_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 2, &inode);
    if (rc == 0 && inode->kind != MEM_FILE) rc = -EINVAL;
    if (rc == 0) rc = mem_disk_resize(&mem->disk, inode, bytes);
    mem_changed(mem);
    return rc;
}

static int mem_allocate(void *ctx, int fd, uint64_t offset, uint64_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    uint64_t end;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 2, &inode);
    if (rc == 0 && inode->kind != MEM_FILE) rc = -ENODEV;
    if (rc == 0 && bytes == 0) rc = -EINVAL;
    if (rc == 0 && __builtin_add_overflow(offset, bytes, &end)) rc = -EFBIG;
    if (rc == 0 && end > inode->size) rc = mem_disk_resize(&mem->disk, inode, end);
    mem_changed(mem);
    return rc;
}

static int mem_fchmod(void *ctx, int fd, unsigned mode)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 0, &inode);
    if (rc == 0 && inode->uid != mem->disk.uid) rc = -EPERM;
    if (rc == 0) inode->mode = mode & 07777;
    mem_leave(mem);
    return rc;
}

static void fill_stat(struct hopper_io_stat *st, const struct mem_inode *inode)
{
    st->bytes = inode->size;
    st->links = inode->links;
    st->kind  = inode->kind == MEM_FILE ? HOPPER_IO_FILE : inode->kind == MEM_DIR ? HOPPER_IO_DIR : HOPPER_IO_OTHER;
    st->uid   = inode->uid;
}

static int mem_stat(void *ctx, int fd, struct hopper_io_stat *st)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 0, &inode);
    if (rc == 0) fill_stat(st, inode);
    mem_leave(mem);
    return rc;
}

static int mem_space(void *ctx, int fd, struct hopper_io_space *space)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 0, &inode);
    if (rc == 0) {
        uint64_t used = mem->disk.used_bytes;

        space->bytes_total = mem->disk.capacity_bytes;
        space->bytes_free  = used < mem->disk.capacity_bytes ? mem->disk.capacity_bytes - used : 0;
    }
    mem_leave(mem);
    return rc;
}

/* ---- names ---- */

static int mem_stat_at(void *ctx, int dirfd, const char *name, struct hopper_io_stat *st)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *dir, *inode;
    int rc;

    mem_called(mem);
    rc = dir_inode(mem, dirfd, &dir);
    if (rc == 0) rc = mem_disk_find(&mem->disk, dir, name, false, &inode);
    if (rc == 0) fill_stat(st, inode);
    mem_leave(mem);
    return rc;
}

static int mem_rename_at(void *ctx, int dirfd, const char *from, const char *to)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *from_dir, *to_dir;
    const char *from_last, *to_last;
    int rc;

    mem_called(mem);
    rc = name_parent(mem, dirfd, from, &from_dir, &from_last);
    if (rc == 0) rc = name_parent(mem, dirfd, to, &to_dir, &to_last);
    if (rc == 0) rc = mem_disk_rename(&mem->disk, from_dir, from_last, to_dir, to_last);
    mem_changed(mem);
    return rc;
}

static int mem_unlink_at(void *ctx, int dirfd, const char *name)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *dir, *inode;
    const char *last;
    int rc;

    mem_called(mem);
    rc = name_parent(mem, dirfd, name, &dir, &last);
    if (rc == 0) {
        inode = mem_disk_child(dir, last);
        rc    = inode && inode->kind == MEM_DIR ? -EISDIR : mem_disk_unlink(&mem->disk, dir, last);
    }
    mem_changed(mem);
    return rc;
}

static int mem_mkdir_at(void *ctx, int dirfd, const char *name, unsigned mode)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *dir, *made;
    const char *last;
    int rc;

    mem_called(mem);
    rc = name_parent(mem, dirfd, name, &dir, &last);
    if (rc == 0) rc = mem_disk_create(&mem->disk, dir, last, MEM_DIR, mode & 07777, &made);
    mem_changed(mem);
    return rc;
}

/* EACH may call back into the table, so it works on a copy of the names. */
static int mem_list_names(void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *dir;
    char **names = NULL;
    size_t count = 0;
    int rc;

    mem_called(mem);
    rc = dir_inode(mem, dirfd, &dir);
    if (rc == 0 && mem->fds_open >= mem->fds_max) rc = -EMFILE; /* the real one opens a descriptor for it */
    if (rc == 0 && !mem_disk_may(&mem->disk, dir, 4)) rc = -EACCES;
    if (rc == 0) {
        names = mem_must_alloc((dir->count + 1) * sizeof *names);
        for (; count < dir->count; count++) {
            size_t len = strlen(dir->names[count].text);

            names[count] = mem_must_alloc(len + 1);
            memcpy(names[count], dir->names[count].text, len + 1);
        }
    }
    mem_leave(mem);
    for (size_t i = 0; i < count; i++) {
        if (rc == 0) rc = each(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return rc;
}

static int mem_lock(void *ctx, int fd)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    mem_called(mem);
    rc = mem_fd_inode(mem, fd, 2, &inode);
    if (rc == 0) {
        if (inode->lock_fd == MEM_LOCK_NONE || inode->lock_fd == fd) inode->lock_fd = fd;
        else rc = -EAGAIN;
    }
    mem_leave(mem);
    return rc;
}

void mem_files_fill(struct hopper_io *io)
{
    io->open_at   = mem_open_at;
    io->close     = mem_close;
    io->pread     = mem_pread;
    io->pwrite    = mem_pwrite;
    io->fdatasync = mem_sync;
    io->fsync     = mem_sync;
    io->truncate  = mem_resize;
    io->allocate  = mem_allocate;
    io->chmod     = mem_fchmod;
    io->stat      = mem_stat;
    io->space     = mem_space;
    io->stat_at   = mem_stat_at;
    io->rename_at = mem_rename_at;
    io->unlink_at = mem_unlink_at;
    io->mkdir_at  = mem_mkdir_at;
    io->list      = mem_list_names;
    io->lock      = mem_lock;
}
