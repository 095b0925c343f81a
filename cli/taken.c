/* SPDX-License-Identifier: MIT */
/* See taken.h. There is no event for "the pipe is empty", so who waits for that has to look again and again. */
#include "taken.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

void taken_init(struct taken *taken, int fd)
{
    struct stat output;

    taken->fd      = fd;
    taken->is_pipe = fstat(fd, &output) == 0 && S_ISFIFO(output.st_mode);
    taken->count   = 0;
}

void taken_mark(struct taken *taken, uint64_t bytes, uint64_t seq)
{
    if (taken->count == TAKEN_MARKS) taken->count--;
    taken->marks[taken->count++] = (struct taken_mark){ bytes, seq };
}

uint64_t taken_bytes(const struct taken *taken, uint64_t written)
{
    int unread = 0;

    if (!taken->is_pipe || ioctl(taken->fd, FIONREAD, &unread) != 0 || unread <= 0) return written;
    return (uint64_t)unread < written ? written - (uint64_t)unread : 0;
}

uint64_t taken_until(struct taken *taken, uint64_t bytes)
{
    uint64_t seq = 0;
    size_t gone  = 0;

    for (; gone < taken->count && taken->marks[gone].bytes <= bytes; gone++) seq = taken->marks[gone].seq;
    taken->count -= gone;
    memmove(taken->marks, taken->marks + gone, taken->count * sizeof taken->marks[0]);
    return seq;
}

bool taken_wait(const struct taken *taken, int ms)
{
    struct pollfd reader = { .fd = taken->fd, .events = 0 };

    return poll(&reader, 1, ms) <= 0 || !(reader.revents & POLLERR);
}
