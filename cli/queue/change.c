/* SPDX-License-Identifier: MIT */
/* See change.h. */
#include "change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "queue_file.h"
#include "say.h"

#define COPY_BYTES (64u << 10)
#define KEPT_MAX   100

void change_name(char *name, uint64_t number, const char *suffix)
{
    char base[HPR_QUEUE_FILE_NAME_BYTES];

    hpr_queue_file_name(base, number);
    (void)snprintf(name, CHANGE_NAME_BYTES, "%s%s", base, suffix);
}

static int failed(const struct place *place, int res, const char *what, const char *name)
{
    say_failure(res, "%s/%s: cannot %s", place->path, name, what);
    return res;
}

int change_sync_dir(const struct place *place)
{
    int res = place->io->fsync(place->io->ctx, place->fd);

    return res < 0 ? failed(place, res, "sync the directory", ".") : 0;
}

/* ---- new files ---- */

static void make_name(char *out, const char *name, const char *suffix)
{
    (void)snprintf(out, CHANGE_NAME_BYTES, "%.40s%s", name, suffix);
}

int change_begin(const struct place *place, const char *name)
{
    const struct hopper_io *io = place->io;
    char made[CHANGE_NAME_BYTES];
    int fd;

    make_name(made, name, CHANGE_SUFFIX);
    (void)io->unlink_at(io->ctx, place->fd, made);
    fd = io->open_at(io->ctx, place->fd, made, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? failed(place, fd, "create", made) : fd;
}

void change_drop(const struct place *place, const char *name, int fd)
{
    char made[CHANGE_NAME_BYTES];

    make_name(made, name, CHANGE_SUFFIX);
    hpr_io_close(place->io, fd);
    (void)place->io->unlink_at(place->io->ctx, place->fd, made);
}

/* Give what was begun as NAME the name TO. */
static int end_as(const struct place *place, const char *name, const char *to, int fd, unsigned mode)
{
    const struct hopper_io *io = place->io;
    char made[CHANGE_NAME_BYTES];
    int res;

    make_name(made, name, CHANGE_SUFFIX);
    (void)io->chmod(io->ctx, fd, mode);
    res = io->fsync(io->ctx, fd);
    if (res == 0) res = io->rename_at(io->ctx, place->fd, made, to);
    if (res < 0) {
        change_drop(place, name, fd);
        return failed(place, res, "write", to);
    }
    hpr_io_close(io, fd);
    return change_sync_dir(place);
}

int change_end(const struct place *place, const char *name, int fd, unsigned mode)
{
    return end_as(place, name, name, fd, mode);
}

int change_copy(const struct place *place, int from, uint64_t offset, uint64_t len, int to, uint64_t *at)
{
    const uint64_t end = offset + len;
    unsigned char buf[COPY_BYTES];
    uint64_t read = offset;
    int res;

    while ((read = place_next_data(from, read, end)) < end) {
        size_t got;

        res = hpr_io_read(place->io, from, buf, (size_t)hpr_min_u64(end - read, sizeof buf), read, &got);
        if (res == 0 && got == 0) break; /* it has become shorter */
        if (res == 0) res = hpr_io_write(place->io, to, buf, got, *at + (read - offset));
        if (res < 0) return failed(place, res, "copy", "a file");
        read += got;
    }
    *at += hpr_min_u64(read, end) - offset;
    res = read < end ? 0 : place->io->truncate(place->io->ctx, to, *at); /* a hole at the end */
    return res < 0 ? failed(place, res, "copy", "a file") : 0;
}

/* ---- keeping ---- */

static bool has_same_bytes(const struct place *place, int a, uint64_t offset, uint64_t len, const char *kept)
{
    unsigned char x[4096], y[4096];
    uint64_t bytes, at = 0;
    bool is_same = true;
    int b        = place_open_file(place, kept, &bytes);

    if (b < 0 || bytes != len) is_same = false;
    while (is_same && (at = hpr_min_u64(place_next_data(a, offset + at, offset + len) - offset,
                                        place_next_data(b, at, len))) < len) {
        size_t got_x = 0, got_y = 0, piece = (size_t)hpr_min_u64(sizeof x, len - at);

        is_same = hpr_io_read(place->io, a, x, piece, offset + at, &got_x) == 0 &&
                  hpr_io_read(place->io, b, y, piece, at, &got_y) == 0 && got_x == piece && got_y == piece &&
                  memcmp(x, y, piece) == 0;
        at += piece;
    }
    hpr_io_close(place->io, b < 0 ? -1 : b);
    return is_same;
}

/* A free name, or one under which the bytes are already: then *IS_THEREP. */
static int find_kept_name(const struct place *place, int fd, const char *name, const char *suffix, uint64_t offset,
                          uint64_t len, char *kept, bool *is_therep)
{
    struct hopper_io_stat st;

    *is_therep = false;
    for (unsigned i = 1; i <= KEPT_MAX; i++) {
        if (i == 1) (void)snprintf(kept, CHANGE_NAME_BYTES, "%.30s%s", name, suffix);
        else (void)snprintf(kept, CHANGE_NAME_BYTES, "%.30s%s.%u", name, suffix, i);
        if (place->io->stat_at(place->io->ctx, place->fd, kept, &st) == -ENOENT) return 0;
        if ((*is_therep = has_same_bytes(place, fd, offset, len, kept))) return 0;
    }
    return -EEXIST;
}

int change_keep(const struct place *place, const char *name, const char *suffix, uint64_t offset, uint64_t len)
{
    char kept[CHANGE_NAME_BYTES];
    uint64_t bytes, at = 0;
    bool is_there;
    int from = place_open_file(place, name, &bytes), to, res;

    if (from < 0) return failed(place, from, "open", name);
    res = find_kept_name(place, from, name, suffix, offset, len, kept, &is_there);
    if (res < 0) (void)failed(place, res, "keep", name);
    if (res == 0 && !is_there) {
        to  = change_begin(place, name);
        res = to;
        if (to >= 0) res = change_copy(place, from, offset, len, to, &at);
        if (to >= 0 && res < 0) change_drop(place, name, to);
        if (to >= 0 && res == 0) res = end_as(place, name, kept, to, 0600);
    }
    hpr_io_close(place->io, from);
    return res < 0 ? res : 0;
}

/* ---- what is there ---- */

int change_cut(const struct place *place, const char *name, uint64_t bytes)
{
    const struct hopper_io *io = place->io;
    int fd = io->open_at(io->ctx, place->fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0), res;

    if (fd < 0) return failed(place, fd, "open", name);
    res = io->truncate(io->ctx, fd, bytes);
    if (res == 0) res = io->fsync(io->ctx, fd);
    hpr_io_close(io, fd);
    return res < 0 ? failed(place, res, "cut", name) : 0;
}

int change_remove(const struct place *place, const char *name)
{
    int res = place->io->unlink_at(place->io->ctx, place->fd, name);

    return res < 0 && res != -ENOENT ? failed(place, res, "remove", name) : 0;
}

int change_write_state(const struct place *place, struct hpr_state *state)
{
    bool is_new;
    int fd = hpr_state_open(place->io, place->fd, &is_new), res;

    if (fd < 0) return failed(place, fd, "open", HPR_STATE_NAME);
    res = hpr_state_write(place->io, fd, state);
    if (res == 0) res = place->io->fdatasync(place->io->ctx, fd);
    hpr_io_close(place->io, fd);
    if (res < 0) return failed(place, res, "write", HPR_STATE_NAME);
    return is_new ? change_sync_dir(place) : 0;
}
