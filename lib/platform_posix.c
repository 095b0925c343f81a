/* SPDX-License-Identifier: MIT */
/*
 * The real platform: POSIX system calls, the system's clocks, malloc.
 *
 * Each function is one system call and what belongs to it: errno becomes the result, -1 as a directory becomes the
 * working directory, and a call that a signal interrupted is made again where that is safe. It is not made again for
 * close (the descriptor is gone) and for changes of names (the first try may have worked). Reads and writes may be
 * short; the callers loop.
 *
 * Nothing here trusts what it finds under a channel's name: links are not followed, opening a FIFO does not wait for
 * its other end, no terminal becomes ours, and no descriptor leaks into a child. Only the directory that the
 * application names itself (dirfd -1) may be reached through a link, as with any other program.
 *
 * Called through the table by dir, queue_file, arena, channel and sync; knows nothing of them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_OFD_SETLK, fallocate, MAP_NORESERVE */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <hopper/platform.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h> /* renameat */
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#if defined __linux__ || defined HAVE_SYS_EVENTFD_H
#define POSIX_HAS_EVENTFD 1
#include <sys/eventfd.h>
#else
#define POSIX_HAS_EVENTFD 0
#endif

#if defined __linux__ || defined HAVE_SYS_RANDOM_H
#define POSIX_HAS_GETRANDOM 1
#include <sys/random.h>
#else
#define POSIX_HAS_GETRANDOM 0
#endif

_Static_assert(sizeof(off_t) == 8, "queue files may be larger than 2 GiB");

static int at(int dirfd)
{
    return dirfd < 0 ? AT_FDCWD : dirfd;
}

/* What a call that returned RC came to, as the table's functions say it. */
static int result(int rc)
{
    return rc < 0 ? -errno : rc;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

static int posix_open_at(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    int fd;

    (void)ctx;
    flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* O_NONBLOCK means nothing to a regular file, and FIFOs do not hang */
    if (dirfd >= 0) flags |= O_NOFOLLOW;
    do fd = openat(at(dirfd), name, flags, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return result(fd);
}

static int posix_close(void *ctx, int fd)
{
    (void)ctx;
    if (close(fd) == 0 || errno == EINTR) return 0; /* interrupted: closed all the same */
    return -errno;
}

static ssize_t posix_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    ssize_t got;

    (void)ctx;
    if (offset > INT64_MAX) return -EINVAL;
    if (len > SSIZE_MAX) len = SSIZE_MAX;
    do got = pread(fd, buf, len, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static ssize_t posix_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    ssize_t put;

    (void)ctx;
    if (offset > INT64_MAX) return -EFBIG;
    if (len > SSIZE_MAX) len = SSIZE_MAX;
    do put = pwrite(fd, buf, len, (off_t)offset);
    while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

static int posix_fdatasync(void *ctx, int fd)
{
    int rc;

    (void)ctx;
    do rc = fdatasync(fd);
    while (rc < 0 && errno == EINTR);
    return result(rc);
}

static int posix_fsync(void *ctx, int fd)
{
    int rc;

    (void)ctx;
    do rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    return result(rc);
}

static int posix_truncate(void *ctx, int fd, uint64_t bytes)
{
    int rc;

    (void)ctx;
    if (bytes > INT64_MAX) return -EFBIG;
    do rc = ftruncate(fd, (off_t)bytes);
    while (rc < 0 && errno == EINTR);
    return result(rc);
}

/* Where the file system cannot reserve, the answer is -EOPNOTSUPP; the C library's substitute, which writes a byte into
 * each block, is not wanted. */
static int posix_allocate(void *ctx, int fd, uint64_t offset, uint64_t bytes)
{
    int rc;

    (void)ctx;
    if (offset > INT64_MAX || bytes > INT64_MAX - offset) return -EFBIG;
#ifdef __linux__
    do rc = fallocate(fd, 0, (off_t)offset, (off_t)bytes);
    while (rc < 0 && errno == EINTR);
    return result(rc);
#else
    do rc = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
    while (rc == EINTR);
    return -rc;
#endif
}

static int posix_chmod(void *ctx, int fd, unsigned mode)
{
    (void)ctx;
    return result(fchmod(fd, (mode_t)mode));
}

static void import_stat(struct hopper_io_stat *to, const struct stat *from)
{
    to->bytes = from->st_size > 0 ? (uint64_t)from->st_size : 0;
    to->links = (uint64_t)from->st_nlink;
    to->kind  = S_ISREG(from->st_mode) ? HOPPER_IO_FILE : S_ISDIR(from->st_mode) ? HOPPER_IO_DIR : HOPPER_IO_OTHER;
    to->uid   = (uint32_t)from->st_uid;
}

static int posix_stat(void *ctx, int fd, struct hopper_io_stat *st)
{
    struct stat sb;

    (void)ctx;
    if (fstat(fd, &sb) < 0) return -errno;
    import_stat(st, &sb);
    return 0;
}

static int posix_space(void *ctx, int fd, struct hopper_io_space *space)
{
    struct statvfs vfs;
    int rc;

    (void)ctx;
    do rc = fstatvfs(fd, &vfs);
    while (rc < 0 && errno == EINTR);
    if (rc < 0) return -errno;
    if (__builtin_mul_overflow((uint64_t)vfs.f_bavail, (uint64_t)vfs.f_frsize, &space->bytes_free))
        space->bytes_free = UINT64_MAX;
    if (__builtin_mul_overflow((uint64_t)vfs.f_blocks, (uint64_t)vfs.f_frsize, &space->bytes_total))
        space->bytes_total = UINT64_MAX;
    return 0;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static int posix_stat_at(void *ctx, int dirfd, const char *name, struct hopper_io_stat *st)
{
    struct stat sb;

    (void)ctx;
    if (fstatat(at(dirfd), name, &sb, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    import_stat(st, &sb);
    return 0;
}

static int posix_rename_at(void *ctx, int dirfd, const char *from, const char *to)
{
    (void)ctx;
    return result(renameat(at(dirfd), from, at(dirfd), to));
}

static int posix_unlink_at(void *ctx, int dirfd, const char *name)
{
    (void)ctx;
    return result(unlinkat(at(dirfd), name, 0));
}

/* The mode is exact, whatever the umask: with umask 0777 a new directory could not even be opened to correct it. A
 * system without fchmodat(AT_SYMLINK_NOFOLLOW) keeps what mkdir made; who needs certainty opens it and asks for
 * chmod. */
static int posix_mkdir_at(void *ctx, int dirfd, const char *name, unsigned mode)
{
    (void)ctx;
    if (mkdirat(at(dirfd), name, (mode_t)mode) < 0) return -errno;
    if (fchmodat(at(dirfd), name, (mode_t)mode, AT_SYMLINK_NOFOLLOW) < 0) return 0; /* made, with what the umask left */
    return 0;
}

/* Opens the directory anew: a duplicate would share its position with DIRFD and with other listings. */
static int posix_list(void *ctx, int dirfd, int (*each)(void *arg, const char *name), void *arg)
{
    struct dirent *entry;
    DIR *dir = NULL;
    int fd, rc = 0;

    (void)ctx;
    fd = openat(at(dirfd), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    dir = fdopendir(fd);
    if (!dir) {
        rc = -errno;
        close(fd);
        return rc;
    }
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            rc = -errno; /* 0 at the end */
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        rc = each(arg, entry->d_name);
        if (rc != 0) break;
    }
    closedir(dir);
    return rc;
}

/* Both kinds of lock belong to the open file, not to the process: a second channel in the same process is refused too,
 * and closing another descriptor of the same file does not give the lock away. */
static int posix_lock(void *ctx, int fd)
{
    int rc;

    (void)ctx;
#ifdef F_OFD_SETLK
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0 };

    do rc = fcntl(fd, F_OFD_SETLK, &whole);
    while (rc < 0 && errno == EINTR);
#else
    do rc = flock(fd, LOCK_EX | LOCK_NB);
    while (rc < 0 && errno == EINTR);
#endif
    if (rc == 0) return 0;
    return errno == EACCES || errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

/* ---- memory, events, the process ------------------------------------------------------------------------------- */

/* Private memory is address space only: pages come when they are written to. */
static void *posix_map(void *ctx, int fd, size_t bytes)
{
    int flags  = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    void *addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd < 0 ? -1 : fd, 0);

    (void)ctx;
    return addr == MAP_FAILED ? NULL : addr;
}

static int posix_unmap(void *ctx, void *addr, size_t bytes)
{
    (void)ctx;
    return result(munmap(addr, bytes));
}

static int posix_sync_map(void *ctx, void *addr, size_t bytes)
{
    (void)ctx;
    return result(msync(addr, bytes, MS_SYNC));
}

#if POSIX_HAS_EVENTFD
static int posix_event_open(void *ctx)
{
    (void)ctx;
    return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static int posix_event_set(void *ctx, int fd)
{
    const uint64_t one = 1;
    ssize_t put;

    (void)ctx;
    do put = write(fd, &one, sizeof one);
    while (put < 0 && errno == EINTR);
    return put < 0 && errno != EAGAIN ? -errno : 0; /* EAGAIN: the counter is at its limit, so it is set */
}

static int posix_event_clear(void *ctx, int fd)
{
    uint64_t count;
    ssize_t got;

    (void)ctx;
    do got = read(fd, &count, sizeof count);
    while (got < 0 && errno == EINTR);
    return got < 0 && errno != EAGAIN ? -errno : 0; /* EAGAIN: it was clear */
}
#else
/* No other object of POSIX can be set, cleared and polled through one descriptor: hopper_receiver_fd() reports it. */
static int posix_event_open(void *ctx)
{
    (void)ctx;
    return -ENOSYS;
}

static int posix_event_set(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return -ENOSYS;
}

static int posix_event_clear(void *ctx, int fd)
{
    (void)ctx, (void)fd;
    return -ENOSYS;
}
#endif

/* Fill the rest of a buffer from the device: for kernels and sandboxes without getrandom. */
static int random_from_device(unsigned char *buf, size_t len)
{
    ssize_t got = 0;
    int fd, rc = 0;

    do fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return -errno;
    while (len > 0) {
        got = read(fd, buf, len);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            rc = got < 0 ? -errno : -EIO;
            break;
        }
        buf += got;
        len -= (size_t)got;
    }
    close(fd);
    return rc;
}

static int posix_random(void *ctx, void *buf, size_t len)
{
    unsigned char *at_byte = buf;

    (void)ctx;
#if POSIX_HAS_GETRANDOM
    while (len > 0) {
        ssize_t got = getrandom(at_byte, len, 0);

        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        at_byte += got;
        len -= (size_t)got;
    }
#endif
    return len > 0 ? random_from_device(at_byte, len) : 0;
}

static long posix_process_id(void *ctx)
{
    (void)ctx;
    return (long)getpid();
}

/* Linux tells it as a UUID in text; where nothing tells it, no two runs are of the same start of the machine. */
static int posix_boot_id(void *ctx, void *id16)
{
    unsigned char *out = id16;
    char text[64]      = "";
    int fd             = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    unsigned digits    = 0;
    ssize_t got;

    if (fd < 0) return posix_random(ctx, id16, 16);
    got = read(fd, text, sizeof text - 1);
    (void)close(fd);
    memset(out, 0, 16);
    for (ssize_t i = 0; i < got && digits < 32; i++) {
        const char *hex = "0123456789abcdef", *at = strchr(hex, text[i]);

        if (text[i] == '\0' || !at) continue;
        out[digits / 2] = (unsigned char)(out[digits / 2] << 4 | (at - hex));
        digits++;
    }
    return digits == 32 ? 0 : posix_random(ctx, id16, 16);
}

/* ---- clock and allocator --------------------------------------------------------------------------------------- */

static uint64_t posix_monotonic_ns(void *ctx)
{
    struct timespec now = { 0, 0 };

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t posix_realtime_ms(void *ctx)
{
    struct timespec now = { 0, 0 };

    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *posix_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes > 0 ? bytes : 1);
}

static void posix_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

static const struct hopper_platform posix_platform = {
    .size = sizeof(struct hopper_platform),
    .io = {
        .size = sizeof(struct hopper_io),
        .open_at = posix_open_at,
        .close = posix_close,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .fdatasync = posix_fdatasync,
        .fsync = posix_fsync,
        .truncate = posix_truncate,
        .allocate = posix_allocate,
        .chmod = posix_chmod,
        .stat = posix_stat,
        .space = posix_space,
        .stat_at = posix_stat_at,
        .rename_at = posix_rename_at,
        .unlink_at = posix_unlink_at,
        .mkdir_at = posix_mkdir_at,
        .list = posix_list,
        .lock = posix_lock,
        .map = posix_map,
        .unmap = posix_unmap,
        .sync_map = posix_sync_map,
        .event_open = posix_event_open,
        .event_set = posix_event_set,
        .event_clear = posix_event_clear,
        .random = posix_random,
        .process_id = posix_process_id,
        .boot_id = posix_boot_id,
    },
    .clock = {
        .size = sizeof(struct hopper_clock),
        .monotonic_ns = posix_monotonic_ns,
        .realtime_ms = posix_realtime_ms,
    },
    .allocator = {
        .size = sizeof(struct hopper_allocator),
        .alloc = posix_alloc,
        .free = posix_free,
    },
};

const struct hopper_platform *hopper_platform_posix(void)
{
    return &posix_platform;
}
