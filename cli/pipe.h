/* SPDX-License-Identifier: MIT */
#ifndef CLI_PIPE_H
#define CLI_PIPE_H

#include <fcntl.h>

#define PIPE_BYTES (1 << 20)

/* Let the pipe FD hold more than the usual 64 KiB, so that both of its ends do more between two switches. Does nothing
 * when FD is not a pipe, holds as much already, or the system does not allow it. */
static inline void pipe_enlarge(int fd)
{
    int bytes = fcntl(fd, F_GETPIPE_SZ);

    if (bytes > 0 && bytes < PIPE_BYTES) (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

#endif
