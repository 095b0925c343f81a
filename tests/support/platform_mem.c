/* SPDX-License-Identifier: MIT */
/*
 * The functions of the platform table over mem_disk, and the platform's life. Looking at the disk from outside is in
 * mem_look.c.
 *
 * Each function: take the mutex, find the descriptor, do the work on the tree, let the observer look, give the mutex
 * back. The results are those that Linux gives an unprivileged process for the same call on ext4, as far as the library
 * could notice; links are not followed below a directory descriptor, as in the real platform.
 */
#include "mem_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#if defined __SANITIZE_ADDRESS__
#define MEM_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif
#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(addr, bytes) ASAN_POISON_MEMORY_REGION(addr, bytes)
#define SHOW(addr, bytes) ASAN_UNPOISON_MEMORY_REGION(addr, bytes)
#else
#define HIDE(addr, bytes) ((void)(addr), (void)(bytes))
#define SHOW(addr, bytes) ((void)(addr), (void)(bytes))
#endif

#define START_NS    (UINT64_C(3600) * 1000000000)
#define START_MS    UINT64_C(1700000000000) /* realtime at the start */
#define FDS_DEFAULT 1024U

static void called(struct mem_platform *mem)
{
    mem_enter(mem);
    mem->usage.calls_total++;
}

/* End of a call that may have changed the disk: the observer looks. */
static void changed(struct mem_platform *mem)
{
    struct mem_inode *dir = NULL;

    if (mem->disk.used_bytes > mem->disk_bytes_peak) mem->disk_bytes_peak = mem->disk.used_bytes;
    if (mem->watched && mem_disk_find(&mem->disk, mem->disk.root, mem->watched, true, &dir) == 0) {
        uint64_t bytes = mem_disk_dir_bytes(dir);

        if (bytes > mem->watch_peak) mem->watch_peak = bytes;
        if (bytes > mem->watch_budget && bytes - mem->watch_budget > mem->watch_excess)
            mem->watch_excess = bytes - mem->watch_budget;
    }
    mem_leave(mem);
}

/* ---- descriptors ---- */

static struct mem_fd *fd_find(struct mem_platform *mem, int fd)
{
    unsigned i = (unsigned)(fd - MEM_FD_FIRST);

    if (fd < MEM_FD_FIRST || i >= mem->fds_room) return NULL;
    return mem->fds[i].inode || mem->fds[i].is_event ? &mem->fds[i] : NULL;
}

/* A slot, not yet in use; the result is the descriptor's number. */
static int fd_new(struct mem_platform *mem, struct mem_fd **slotp)
{
    unsigned i = 0;

    *slotp = NULL;
    if (mem->fds_open >= mem->fds_max) return -EMFILE;
    while (i < mem->fds_room && (mem->fds[i].inode || mem->fds[i].is_event)) i++;
    if (i == mem->fds_room) {
        unsigned room = mem->fds_room > 0 ? mem->fds_room * 2 : 16;
        struct mem_fd *fds = mem_must_alloc(room * sizeof *fds);

        if (mem->fds_room > 0) memcpy(fds, mem->fds, mem->fds_room * sizeof *fds);
        free(mem->fds);
        mem->fds = fds;
        mem->fds_room = room;
    }
    memset(&mem->fds[i], 0, sizeof mem->fds[i]);
    *slotp = &mem->fds[i];
    mem->fds_open++;
    return MEM_FD_FIRST + (int)i;
}

static int fd_close(struct mem_platform *mem, int fd)
{
    struct mem_fd *slot = fd_find(mem, fd);

    if (!slot) return -EBADF;
    if (slot->inode) {
        if (slot->inode->lock_fd == fd) slot->inode->lock_fd = MEM_LOCK_NONE;
        mem_disk_closed(&mem->disk, slot->inode);
    }
    memset(slot, 0, sizeof *slot);
    mem->fds_open--;
    return 0;
}

/* The inode behind FD; what for: 4 to read, 2 to write, 0 either. */
static int fd_inode(struct mem_platform *mem, int fd, unsigned rw, struct mem_inode **inodep)
{
    struct mem_fd *slot = fd_find(mem, fd);

    *inodep = NULL;
    if (!slot) return -EBADF;
    if (!slot->inode) return -EINVAL;
    if ((rw & 4) && (slot->flags & O_ACCMODE) == O_WRONLY) return -EBADF;
    if ((rw & 2) && (slot->flags & O_ACCMODE) == O_RDONLY) return -EBADF;
    *inodep = slot->inode;
    return 0;
}

static int dir_inode(struct mem_platform *mem, int dirfd, struct mem_inode **dirp)
{
    int rc = 0;

    if (dirfd < 0)
        *dirp = mem->disk.root;
    else if ((rc = fd_inode(mem, dirfd, 0, dirp)) == 0 && (*dirp)->kind != MEM_DIR)
        rc = -ENOTDIR;
    return rc;
}

/* The directory that NAME is in, and its last component, for a change of names: the directory must be writable. */
static int name_parent(struct mem_platform *mem, int dirfd, const char *name, struct mem_inode **dirp, const char **lastp)
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
    rc = mem_disk_find(&mem->disk, dir, name, dirfd < 0 && !(flags & O_NOFOLLOW), inodep);
    if (rc == 0) return check_open(mem, *inodep, flags);
    if (rc != -ENOENT || !(flags & O_CREAT)) return rc;
    if ((rc = name_parent(mem, dirfd, name, &dir, &last)) < 0) return rc;
    return mem_disk_create(&mem->disk, dir, last, MEM_FILE, mode & ~mem->umask & 07777, inodep);
}

static int mem_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode = NULL;
    struct mem_fd *slot;
    int fd, rc;

    called(mem);
    fd = fd_new(mem, &slot);
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
    changed(mem);
    return fd;
}

static int mem_close(void *ctx, int fd)
{
    struct mem_platform *mem = ctx;
    int rc;

    called(mem);
    rc = fd_close(mem, fd);
    mem_leave(mem);
    return rc;
}

static ssize_t mem_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    ssize_t got;

    called(mem);
    got = fd_inode(mem, fd, 4, &inode);
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

    called(mem);
    put = fd_inode(mem, fd, 2, &inode);
    if (put == 0 && inode->kind != MEM_FILE) put = -ESPIPE;
    if (put == 0) put = (ssize_t)mem_disk_write(&mem->disk, inode, buf, len, offset);
    changed(mem);
    return put;
}

static int mem_sync(void *ctx, int fd)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    called(mem);
    rc = fd_inode(mem, fd, 0, &inode);
    mem_leave(mem);
    return rc;
}

static int mem_resize(void *ctx, int fd, uint64_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    called(mem);
    rc = fd_inode(mem, fd, 2, &inode);
    if (rc == 0 && inode->kind != MEM_FILE) rc = -EINVAL;
    if (rc == 0) rc = mem_disk_resize(&mem->disk, inode, bytes);
    changed(mem);
    return rc;
}

static int mem_allocate(void *ctx, int fd, uint64_t offset, uint64_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    uint64_t end;
    int rc;

    called(mem);
    rc = fd_inode(mem, fd, 2, &inode);
    if (rc == 0 && inode->kind != MEM_FILE) rc = -ENODEV;
    if (rc == 0 && bytes == 0) rc = -EINVAL;
    if (rc == 0 && __builtin_add_overflow(offset, bytes, &end)) rc = -EFBIG;
    if (rc == 0 && end > inode->size) rc = mem_disk_resize(&mem->disk, inode, end);
    changed(mem);
    return rc;
}

static int mem_fchmod(void *ctx, int fd, unsigned mode)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    called(mem);
    rc = fd_inode(mem, fd, 0, &inode);
    if (rc == 0 && inode->uid != mem->disk.uid) rc = -EPERM;
    if (rc == 0) inode->mode = mode & 07777;
    mem_leave(mem);
    return rc;
}

static void fill_stat(struct hopper_io_stat *st, const struct mem_inode *inode)
{
    st->bytes = inode->size;
    st->links = inode->links;
    st->kind = inode->kind == MEM_FILE ? HOPPER_IO_FILE : inode->kind == MEM_DIR ? HOPPER_IO_DIR : HOPPER_IO_OTHER;
    st->uid = inode->uid;
}

static int mem_stat(void *ctx, int fd, struct hopper_io_stat *st)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    called(mem);
    rc = fd_inode(mem, fd, 0, &inode);
    if (rc == 0) fill_stat(st, inode);
    mem_leave(mem);
    return rc;
}

static int mem_space(void *ctx, int fd, struct hopper_io_space *space)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode;
    int rc;

    called(mem);
    rc = fd_inode(mem, fd, 0, &inode);
    if (rc == 0) {
        uint64_t used = mem->disk.used_bytes;

        space->bytes_total = mem->disk.capacity_bytes;
        space->bytes_free = used < mem->disk.capacity_bytes ? mem->disk.capacity_bytes - used : 0;
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

    called(mem);
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

    called(mem);
    rc = name_parent(mem, dirfd, from, &from_dir, &from_last);
    if (rc == 0) rc = name_parent(mem, dirfd, to, &to_dir, &to_last);
    if (rc == 0) rc = mem_disk_rename(&mem->disk, from_dir, from_last, to_dir, to_last);
    changed(mem);
    return rc;
}

static int mem_unlink_at(void *ctx, int dirfd, const char *name)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *dir, *inode;
    const char *last;
    int rc;

    called(mem);
    rc = name_parent(mem, dirfd, name, &dir, &last);
    if (rc == 0) {
        inode = mem_disk_child(dir, last);
        rc = inode && inode->kind == MEM_DIR ? -EISDIR : mem_disk_unlink(&mem->disk, dir, last);
    }
    changed(mem);
    return rc;
}

static int mem_mkdir_at(void *ctx, int dirfd, const char *name, unsigned mode)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *dir, *made;
    const char *last;
    int rc;

    called(mem);
    rc = name_parent(mem, dirfd, name, &dir, &last);
    if (rc == 0) rc = mem_disk_create(&mem->disk, dir, last, MEM_DIR, mode & 07777, &made);
    changed(mem);
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

    called(mem);
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

    called(mem);
    rc = fd_inode(mem, fd, 2, &inode);
    if (rc == 0) {
        if (inode->lock_fd == MEM_LOCK_NONE || inode->lock_fd == fd)
            inode->lock_fd = fd;
        else
            rc = -EAGAIN;
    }
    mem_leave(mem);
    return rc;
}

/* ---- memory, events, the process ---- */

static void held_more(struct mem_platform *mem)
{
    uint64_t held = mem->usage.alloc_bytes + mem->usage.map_bytes;

    if (held > mem->usage.held_bytes_peak) mem->usage.held_bytes_peak = held;
    if (mem->usage.alloc_bytes > mem->usage.alloc_bytes_peak) mem->usage.alloc_bytes_peak = mem->usage.alloc_bytes;
    if (mem->usage.map_bytes > mem->usage.map_bytes_peak) mem->usage.map_bytes_peak = mem->usage.map_bytes;
}

static bool may_hold(const struct mem_platform *mem, size_t bytes)
{
    uint64_t held = mem->usage.alloc_bytes + mem->usage.map_bytes;

    return held <= mem->alloc_max && bytes <= mem->alloc_max - held;
}

static void *private_pages(struct mem_platform *mem, size_t bytes)
{
    void *addr;

    for (int i = 0; i < MAP_CACHE_MAX; i++) {
        if (!mem->cache[i].addr || mem->cache[i].bytes != bytes) continue;
        addr = mem->cache[i].addr;
        mem->cache[i].addr = NULL;
        SHOW(addr, bytes);
        memset(addr, 0, bytes);
        return addr;
    }
    addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return addr == MAP_FAILED ? NULL : addr;
}

static void private_pages_free(struct mem_platform *mem, void *addr, size_t bytes)
{
    for (int i = 0; i < MAP_CACHE_MAX && bytes <= MAP_CACHE_BYTES_MAX; i++) {
        if (mem->cache[i].addr) continue;
        HIDE(addr, bytes);
        mem->cache[i].addr = addr;
        mem->cache[i].bytes = bytes;
        return;
    }
    munmap(addr, bytes);
}

static void *mem_map(void *ctx, int fd, size_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode = NULL;
    void *addr = NULL;

    called(mem);
    if (bytes > 0 && may_hold(mem, bytes)) {
        if (fd < 0)
            addr = private_pages(mem, bytes);
        else if (fd_inode(mem, fd, 6, &inode) == 0 && inode->kind == MEM_FILE && inode->size >= bytes)
            addr = inode->data;
    }
    if (addr) {
        struct mem_map *map = mem_must_alloc(sizeof *map);

        *map = (struct mem_map){ addr, bytes, inode, mem->maps };
        mem->maps = map;
        if (inode) inode->maps++;
        mem->usage.map_bytes += bytes;
        mem->usage.map_count++;
        held_more(mem);
    }
    mem_leave(mem);
    return addr;
}

static void unmap(struct mem_platform *mem, struct mem_map **link)
{
    struct mem_map *map = *link;

    *link = map->next;
    mem->usage.map_bytes -= map->bytes;
    mem->usage.map_count--;
    if (map->inode) {
        map->inode->maps--;
        map->inode->opens++; /* the map may have been the last that held the inode: let close see to it */
        mem_disk_closed(&mem->disk, map->inode);
    } else {
        private_pages_free(mem, map->addr, map->bytes);
    }
    free(map);
}

static int mem_unmap(void *ctx, void *addr, size_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_map **link = &mem->maps;
    int rc = -EINVAL;

    called(mem);
    while (*link && ((*link)->addr != addr || (*link)->bytes != bytes)) link = &(*link)->next;
    if (*link) {
        unmap(mem, link);
        rc = 0;
    }
    mem_leave(mem);
    return rc;
}

static int mem_event_open(void *ctx)
{
    struct mem_platform *mem = ctx;
    struct mem_fd *slot;
    int fd;

    called(mem);
    fd = fd_new(mem, &slot);
    if (fd >= 0) slot->is_event = true;
    mem_leave(mem);
    return fd;
}

static int event_put(struct mem_platform *mem, int fd, bool is_set)
{
    struct mem_fd *slot;
    int rc = -EBADF;

    called(mem);
    slot = fd_find(mem, fd);
    if (slot && slot->is_event) {
        slot->is_set = is_set;
        rc = 0;
    }
    mem_leave(mem);
    return rc;
}

static int mem_event_set(void *ctx, int fd)
{
    return event_put(ctx, fd, true);
}

static int mem_event_clear(void *ctx, int fd)
{
    return event_put(ctx, fd, false);
}

static int mem_random(void *ctx, void *buf, size_t len)
{
    struct mem_platform *mem = ctx;
    unsigned char *bytes = buf;

    called(mem);
    for (size_t i = 0; i < len; i++) { /* splitmix64, a byte of each */
        uint64_t z = mem->random_state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        bytes[i] = (unsigned char)(z >> 56);
    }
    mem_leave(mem);
    return 0;
}

static long mem_process_id(void *ctx)
{
    struct mem_platform *mem = ctx;
    long pid;

    called(mem);
    pid = mem->process_id;
    mem_leave(mem);
    return pid;
}

/* ---- clock and allocator ---- */

static uint64_t mem_monotonic_ns(void *ctx)
{
    struct mem_platform *mem = ctx;

    if (mem->options.flags & MEM_REAL_CLOCK) return hopper_platform_posix()->clock.monotonic_ns(NULL);
    return mem_clock_ns(mem);
}

static uint64_t mem_realtime_ms(void *ctx)
{
    return START_MS + mem_clock_ns(ctx) / 1000000;
}

struct mem_block {
    struct mem_platform *owner;
    size_t bytes;
};
#define BLOCK_HEAD ((sizeof(struct mem_block) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t))

static void *mem_alloc(void *ctx, size_t bytes)
{
    struct mem_platform *mem = ctx;
    unsigned char *whole = NULL;

    mem_enter(mem);
    if (bytes < SIZE_MAX - BLOCK_HEAD && may_hold(mem, bytes)) whole = malloc(BLOCK_HEAD + bytes);
    if (whole) {
        const struct mem_block block = { mem, bytes };

        memcpy(whole, &block, sizeof block);
        memset(whole + BLOCK_HEAD, 0xa5, bytes); /* nobody may count on zeros */
        mem->usage.alloc_bytes += bytes;
        mem->usage.alloc_count++;
        mem->usage.allocs_total++;
        held_more(mem);
    }
    mem_leave(mem);
    return whole ? whole + BLOCK_HEAD : NULL;
}

static void mem_free(void *ctx, void *ptr)
{
    struct mem_platform *mem = ctx;
    struct mem_block block;
    unsigned char *whole;

    if (!ptr) return;
    whole = (unsigned char *)ptr - BLOCK_HEAD;
    memcpy(&block, whole, sizeof block);
    if (block.owner != mem) {
        fprintf(stderr, "platform_mem: free of %p, which is not allocated here\n", ptr);
        abort();
    }
    mem_enter(mem);
    mem->usage.alloc_bytes -= block.bytes;
    mem->usage.alloc_count--;
    mem_leave(mem);
    memset(whole, 0x5a, BLOCK_HEAD + block.bytes);
    free(whole);
}

/* ---- life ---- */

static void fill_table(struct mem_platform *mem)
{
    mem->table = (struct hopper_platform){
        .size = sizeof(struct hopper_platform),
        .io = { .size = sizeof(struct hopper_io), .ctx = mem, .open_at = mem_open_at, .close = mem_close,
                .pread = mem_pread, .pwrite = mem_pwrite, .fdatasync = mem_sync, .fsync = mem_sync,
                .truncate = mem_resize, .allocate = mem_allocate, .chmod = mem_fchmod, .stat = mem_stat,
                .space = mem_space, .stat_at = mem_stat_at, .rename_at = mem_rename_at, .unlink_at = mem_unlink_at,
                .mkdir_at = mem_mkdir_at, .list = mem_list_names, .lock = mem_lock, .map = mem_map, .unmap = mem_unmap,
                .event_open = mem_event_open, .event_set = mem_event_set, .event_clear = mem_event_clear,
                .random = mem_random, .process_id = mem_process_id },
        .clock = { .size = sizeof(struct hopper_clock), .ctx = mem, .monotonic_ns = mem_monotonic_ns,
                   .realtime_ms = mem_realtime_ms },
        .allocator = { .size = sizeof(struct hopper_allocator), .ctx = mem, .alloc = mem_alloc, .free = mem_free },
    };
}

/* Everything to where a new platform stands; what it had allocated for descriptors and maps stays. */
static void start(struct mem_platform *mem)
{
    const struct mem_platform_options *options = &mem->options;

    mem_disk_init(&mem->disk, options->capacity_bytes > 0 ? options->capacity_bytes : MEM_UNLIMITED, MEM_UID);
    mem->disk_bytes_peak = 0;
    mem->fds_open = 0;
    mem->fds_max = options->fds_max > 0 ? options->fds_max : FDS_DEFAULT;
    memset(&mem->usage, 0, sizeof mem->usage);
    mem->alloc_max = MEM_UNLIMITED;
    mem->now_ns = START_NS;
    mem->random_state = options->random_seed;
    mem->process_id = 4242;
    mem->umask = options->umask;
    mem->watched = NULL;
    mem->watch_budget = mem->watch_excess = mem->watch_peak = 0;
}

static void stop(struct mem_platform *mem)
{
    while (mem->maps) unmap(mem, &mem->maps);
    for (unsigned i = 0; i < mem->fds_room && mem->fds_open > 0; i++) fd_close(mem, MEM_FD_FIRST + (int)i);
    mem_disk_fini(&mem->disk);
    free(mem->watched);
    mem->watched = NULL;
}

struct mem_platform *mem_platform_new(const struct mem_platform_options *options)
{
    struct mem_platform *mem = mem_must_alloc(sizeof *mem);

    if (options) mem->options = *options;
    pthread_mutex_init(&mem->mutex, NULL);
    fill_table(mem);
    start(mem);
    return mem;
}

void mem_platform_reset(struct mem_platform *mem)
{
    stop(mem);
    start(mem);
}

void mem_platform_free(struct mem_platform *mem)
{
    if (!mem) return;
    stop(mem);
    for (int i = 0; i < MAP_CACHE_MAX; i++) {
        if (!mem->cache[i].addr) continue;
        SHOW(mem->cache[i].addr, mem->cache[i].bytes);
        munmap(mem->cache[i].addr, mem->cache[i].bytes);
    }
    free(mem->fds);
    pthread_mutex_destroy(&mem->mutex);
    free(mem);
}

const struct hopper_platform *mem_platform_table(struct mem_platform *mem)
{
    return &mem->table;
}
