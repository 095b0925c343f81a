/* SPDX-License-Identifier: MIT */
/* See io.h. */
#include "io.h"

#include <errno.h>

int hpr_io_write(const struct hopper_io *io, int fd, const void *buf, size_t len, uint64_t offset)
{
    const unsigned char *at = buf;

    while (len > 0) {
        ssize_t n = io->pwrite(io->ctx, fd, at, len, offset);

        if (n == -EINTR) continue;
        if (n < 0) return (int)n;
        if (n == 0) return -EIO; /* no progress and no reason: never spin on it */
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int hpr_io_read(const struct hopper_io *io, int fd, void *buf, size_t len, uint64_t offset, size_t *gotp)
{
    unsigned char *at = buf;
    size_t got        = 0;

    *gotp = 0;
    while (got < len) {
        ssize_t n = io->pread(io->ctx, fd, at + got, len - got, offset + got);

        if (n == -EINTR) continue;
        if (n < 0) return (int)n;
        if (n == 0) break;
        got += (size_t)n;
    }
    *gotp = got;
    return 0;
}

bool hpr_io_is_no_file(int res)
{
    return res == -EISDIR || res == -ELOOP || res == -EMLINK || res == -ENOTSUP || res == -ENXIO;
}

void hpr_io_close(const struct hopper_io *io, int fd)
{
    if (fd >= 0) (void)io->close(io->ctx, fd);
}
