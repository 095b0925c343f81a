/* SPDX-License-Identifier: MIT */
/* See own.h. The same lock, in the same file and with the same text as the library takes it. */
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "options.h" /* HPR_LOCK_FILE_BYTES */
#include "say.h"
#include "status.h"

static int say_busy(const struct place *place)
{
    if (place->owner_pid > 0) say("%s: in use by process %ld", place->path, place->owner_pid);
    else say("%s: in use", place->path);
    return STATUS_BUSY;
}

int own_ask(struct place *place)
{
    place_ask_owner(place);
    return place->owner == PLACE_OWNED ? say_busy(place) : STATUS_OK;
}

static int fail(const struct place *place, int res, const char *what)
{
    say_failure(res, "%s: %s", place->path, what);
    return STATUS_ERROR;
}

static int write_owner(const struct place *place, int fd)
{
    const struct hopper_io *io = place->io;
    char text[HPR_LOCK_FILE_BYTES];
    int len = snprintf(text, sizeof text, "pid %ld\n", io->process_id(io->ctx));
    int res = io->truncate(io->ctx, fd, 0);

    if (res == 0) res = hpr_io_write(io, fd, text, (size_t)len, 0);
    return res == -ENOSPC || res == -EDQUOT ? 0 : res; /* the lock holds all the same */
}

static int lock_file(struct place *place, int fd)
{
    const struct hopper_io *io = place->io;
    struct hopper_io_stat st;
    int res = io->stat(io->ctx, fd, &st);

    if (res < 0) return fail(place, res, "cannot look at LOCK");
    if (st.kind != HOPPER_IO_FILE || st.links != 1 || st.bytes > HPR_LOCK_FILE_BYTES) {
        say("%s: LOCK was not made by libhopper: look at it, and rename or remove it", place->path);
        return STATUS_ERROR;
    }
    res = io->lock(io->ctx, fd);
    if (res == -EAGAIN || res == -EACCES) {
        place_ask_owner(place);
        return say_busy(place);
    }
    if (res == 0) res = write_owner(place, fd);
    return res < 0 ? fail(place, res, "cannot take the lock") : STATUS_OK;
}

int own_take(struct place *place, int *fdp)
{
    const struct hopper_io *io = place->io;
    int status, fd;

    *fdp = -1;
    fd = io->open_at(io->ctx, place->fd, PLACE_LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0) return fail(place, fd, "cannot open LOCK (when it is no file of its own: rename or remove it)");
    status = lock_file(place, fd);
    if (status != STATUS_OK) {
        hpr_io_close(io, fd);
        return status;
    }
    *fdp           = fd;
    place->is_ours = true;
    return place_look(place) == 0 ? STATUS_OK : STATUS_ERROR;
}

void own_give_back(struct place *place, int fd)
{
    if (fd < 0) return;
    (void)place->io->truncate(place->io->ctx, fd, 0);
    hpr_io_close(place->io, fd);
    place->is_ours = false;
}
