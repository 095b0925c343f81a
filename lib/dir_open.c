/* SPDX-License-Identifier: MIT */
/* See dir.h. Opening goes: parent directory, own directory, lock, and in a channel that survives nothing the files of
 * an earlier run are removed; from then on every name is looked up below the kept descriptor, and links are never
 * followed. Files that do not look like ours are left alone; those of a queue that survives, or of a newer format, are
 * a reason not to open. What a channel that survives finds is looked at by recover.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "annotate.h"
#include "dir.h"
#include "error.h"

#define LOCK_NAME "LOCK"

static hopper_status open_own(struct hpr_dir *dir, const char *path, const char *name, struct hopper_error *err)
{
    const struct hopper_io *io = dir->io;
    int parent, res;

    parent = io->open_at(io->ctx, -1, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (parent == -ENOENT) return hpr_error_set(err, HOPPER_ENOENT, ENOENT, "open directory", path);
    if (parent < 0) return hpr_error_io(err, parent, "open directory", path);
    res = io->mkdir_at(io->ctx, parent, name, 0700);
    if ((res == 0 || res == -EEXIST) && dir->survive != HOPPER_SURVIVE_NOTHING) {
        int synced = io->fsync(io->ctx, parent); /* also where a run that was killed has made it */

        if (synced < 0) res = synced;
    }
    if (res == 0 || res == -EEXIST)
        res = io->open_at(io->ctx, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    (void)io->close(io->ctx, parent);
    if (res < 0) return hpr_error_io(err, res, "make or open the channel's directory", dir->path);
    dir->fd = res;
    return HOPPER_OK;
}

/* ---- the owner's lock ---- */

static long read_owner(const struct hpr_dir *dir)
{
    char text[HPR_LOCK_FILE_BYTES + 1] = "";
    size_t got;

    if (hpr_io_read(dir->io, dir->lock_fd, text, sizeof text - 1, 0, &got) < 0) return 0;
    text[got] = '\0';
    return strncmp(text, "pid ", 4) == 0 ? strtol(text + 4, NULL, 10) : 0;
}

static hopper_status write_owner(const struct hpr_dir *dir, struct hopper_error *err)
{
    const struct hopper_io *io = dir->io;
    char text[HPR_LOCK_FILE_BYTES];
    int len = snprintf(text, sizeof text, "pid %ld\n", io->process_id(io->ctx));
    int res = io->truncate(io->ctx, dir->lock_fd, 0);

    if (res == 0) res = hpr_io_write(io, dir->lock_fd, text, (size_t)len, 0);
    /* a full disk: the lock holds, only its owner's name is not told */
    if (res == 0 || res == -ENOSPC || res == -EDQUOT) return HOPPER_OK;
    return hpr_dir_error(dir, LOCK_NAME, HOPPER_EIO, res, "write lock file", err);
}

static hopper_status take_lock(struct hpr_dir *dir, struct hopper_error *err)
{
    const struct hopper_io *io = dir->io;
    struct hopper_io_stat st;
    int res;

    /* O_NONBLOCK: somebody may have put a FIFO there */
    res = io->open_at(io->ctx, dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (res < 0) return hpr_dir_error(dir, LOCK_NAME, HOPPER_EIO, res, "open lock file", err);
    dir->lock_fd = res;
    res          = io->stat(io->ctx, dir->lock_fd, &st);
    if (res < 0) return hpr_dir_error(dir, LOCK_NAME, HOPPER_EIO, res, "look at lock file", err);
    if (st.kind != HOPPER_IO_FILE || st.links != 1 || st.bytes > HPR_LOCK_FILE_BYTES)
        return hpr_dir_error(dir, LOCK_NAME, HOPPER_EMISMATCH, 0, "use as lock file what was not made by libhopper",
                             err);
    res = io->lock(io->ctx, dir->lock_fd);
    if (res == -EAGAIN || res == -EACCES) {
        hpr_error_set(err, HOPPER_EBUSY, 0, "lock the channel's directory", dir->path);
        if (err) err->owner_pid = read_owner(dir);
        return HOPPER_EBUSY;
    }
    if (res < 0) return hpr_error_io(err, res, "lock the channel's directory", dir->path);
    (void)io->chmod(io->ctx, dir->lock_fd, 0600); /* whatever the umask was: the next run has to open it again */
    return write_owner(dir, err);
}

/* ---- what an earlier run left ---- */

struct clearing {
    struct hpr_dir *dir;
    struct hopper_error *err;
    hopper_status status;
};

/* What stands under the name of a queue file: ours to remove (0), to be left alone (1), or a reason not to open. */
static hopper_status judge_file(struct hpr_dir *dir, const char *name, bool *is_oursp, struct hopper_error *err)
{
    const struct hopper_io *io = dir->io;
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    struct hpr_file_header header;
    struct hopper_io_stat st;
    size_t got = 0;
    int fd, res;

    *is_oursp = false;
    res       = io->stat_at(io->ctx, dir->fd, name, &st);
    if (res == -ENOENT || (res == 0 && st.kind != HOPPER_IO_FILE)) return HOPPER_OK;
    if (res < 0) return hpr_dir_error(dir, name, HOPPER_EIO, res, "look at queue file", err);
    fd = io->open_at(io->ctx, dir->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return hpr_dir_error(dir, name, HOPPER_EIO, fd, "open queue file", err);
    res = hpr_io_read(io, fd, bytes, sizeof bytes, 0, &got);
    (void)io->close(io->ctx, fd);
    if (res < 0) return hpr_dir_error(dir, name, HOPPER_EIO, res, "read queue file", err);
    switch (hpr_frame_get_file_header(bytes, got, &header)) {
    case HPR_FILE_NEWER:
        return hpr_dir_error(dir, name, HOPPER_EVERSION, 0, "use a queue file of a newer format version", err);
    case HPR_FILE_OURS:
        if (header.survive != HOPPER_SURVIVE_NOTHING)
            return hpr_dir_error(dir, name, HOPPER_EMISMATCH, 0, "remove a queue that survives restarts", err);
        *is_oursp = true;
        return HOPPER_OK;
    case HPR_FILE_DAMAGED:
    case HPR_FILE_FOREIGN: break;
    }
    *is_oursp = st.bytes < HPR_FILE_HEADER_BYTES && hpr_frame_is_beginning(bytes, got); /* creation was cut short */
    return HOPPER_OK;
}

static int clear_one(void *arg, const char *name)
{
    struct clearing *c         = arg;
    const struct hopper_io *io = c->dir->io;
    bool is_ours;
    uint64_t number;
    int res;

    if (!hpr_queue_file_parse_name(name, &number)) return 0;
    if ((c->status = judge_file(c->dir, name, &is_ours, c->err)) != HOPPER_OK) return 1;
    if (!is_ours) {
        if (number < HPR_NUMBER_FOREIGN_MAX) c->dir->next_number = hpr_max_u64(c->dir->next_number, number + 1);
        return 0;
    }
    res = io->unlink_at(io->ctx, c->dir->fd, name);
    if (res < 0 && res != -ENOENT) {
        c->status = hpr_error_io(c->err, res, "remove queue file", name);
        return 1;
    }
    return 0;
}

static hopper_status clear_earlier_run(struct hpr_dir *dir, struct hopper_error *err)
{
    struct clearing c = { dir, err, HOPPER_OK };
    struct hopper_io_stat st;
    int res;

    if (dir->io->stat_at(dir->io->ctx, dir->fd, "STATE", &st) == 0 ||
        dir->io->stat_at(dir->io->ctx, dir->fd, "MEMORY", &st) == 0)
        return hpr_error_set(err, HOPPER_EMISMATCH, 0, "remove a queue that survives restarts", dir->path);
    res = dir->io->list(dir->io->ctx, dir->fd, clear_one, &c);
    if (c.status != HOPPER_OK) return c.status;
    return res < 0 ? hpr_error_io(err, res, "list the channel's directory", dir->path) : HOPPER_OK;
}

/* ---- all of it ---- */

hopper_status hpr_dir_open(struct hpr_dir *dir, const char *path, const char *name,
                           const struct hopper_options *options, const struct hpr_plan *plan, struct hopper_error *err)
{
    hopper_status st;
    int res;

    dir->io        = &options->platform->io;
    dir->clock     = &options->platform->clock;
    dir->allocator = &options->platform->allocator;
    dir->fd = dir->lock_fd = dir->state_fd = -1;
    dir->survive                           = (uint8_t)options->survive;
    atomic_init(&dir->removable_seq, UINT64_MAX);
    HPR_IS_ATOMIC(&dir->removable_seq);
    dir->disk_bytes = options->disk_bytes;
    dir->file_bytes = plan->file_bytes;
    dir->content    = options->item_type ? HPR_CONTENT_ITEMS : HPR_CONTENT_BYTES;
    dir->active = dir->fresh = HPR_QUEUE_FILE_NONE;
    dir->next_number         = 1;
    (void)snprintf(dir->path, sizeof dir->path, "%s/%s", path, name);
    if ((st = open_own(dir, path, name, err)) != HOPPER_OK) goto failed;
    if ((st = take_lock(dir, err)) != HOPPER_OK) goto failed;
    if (dir->survive != HOPPER_SURVIVE_NOTHING) return HOPPER_OK;
    if ((st = clear_earlier_run(dir, err)) != HOPPER_OK) goto failed;
    res = dir->io->random(dir->io->ctx, dir->channel_id, sizeof dir->channel_id);
    if (res < 0) {
        st = hpr_error_io(err, res, "get random bytes", NULL);
        goto failed;
    }
    dir->oldest = dir->next_number;
    return HOPPER_OK;
failed:
    hpr_io_close(dir->io, dir->lock_fd);
    hpr_io_close(dir->io, dir->fd);
    dir->fd = dir->lock_fd = -1;
    return st;
}

void hpr_dir_close(struct hpr_dir *dir)
{
    if (dir->fd < 0) return;
    if (dir->survive == HOPPER_SURVIVE_NOTHING) (void)hpr_dir_discard_all_locked(dir);
    else hpr_queue_file_close(&dir->active, dir->io);
    (void)hpr_dir_remove_cut_short(dir);
    hpr_io_close(dir->io, dir->state_fd);
    (void)dir->io->truncate(dir->io->ctx, dir->lock_fd, 0);
    hpr_io_close(dir->io, dir->lock_fd);
    hpr_io_close(dir->io, dir->fd);
    dir->fd = dir->lock_fd = -1;
}
