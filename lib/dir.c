/* SPDX-License-Identifier: MIT */
/* See dir.h. Opening goes: parent directory, own directory, lock, then what is there; from then on every name is looked
 * up below the kept descriptor, and links are never followed. Files that do not look like ours are left alone. */
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"

#define LOCK_NAME "LOCK"

hopper_status hpr_dir_error(const struct hpr_dir *dir, const char *name, hopper_status st, int res, const char *op,
                            struct hopper_error *err)
{
    char path[sizeof dir->path];

    (void)snprintf(path, sizeof path, "%.*s/%s", (int)(sizeof path - strlen(name) - 2), dir->path, name);
    return st == HOPPER_EIO ? hpr_error_io(err, res, op, path) : hpr_error_set(err, st, 0, op, path);
}

/* ---- one file ---- */

int hpr_dir_read_header(const struct hpr_dir *dir, uint64_t number, struct hpr_file_header *header)
{
    const struct hopper_io *io = dir->io;
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    size_t got = 0;
    int fd, res;

    hpr_queue_file_name(name, number);
    fd = io->open_at(io->ctx, dir->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    res = hpr_io_read(io, fd, bytes, sizeof bytes, 0, &got);
    (void)io->close(io->ctx, fd);
    if (res < 0) return res;
    if (hpr_frame_get_file_header(bytes, got, header) != HPR_FILE_OURS || header->number != number ||
        memcmp(header->channel_id, dir->channel_id, sizeof header->channel_id) != 0)
        return -EINVAL;
    return 0;
}

/* Remove the file of NUMBER. What stands there now and was not made here stays; so does nothing else. SQUATTERS: how many
 * entries of that table the caller may look at. A negated errno when it could not be removed, -ENOENT when there is none. */
static int remove_file(const struct hpr_dir *dir, uint64_t number, size_t squatters)
{
    const struct hopper_io *io = dir->io;
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    struct hpr_file_header header;
    struct hopper_io_stat st;
    int res;

    for (size_t i = 0; i < squatters; i++)
        if (dir->squatters[i] == number) return 0;
    hpr_queue_file_name(name, number);
    res = io->stat_at(io->ctx, dir->fd, name, &st);
    if (res == 0 && st.kind != HOPPER_IO_FILE) return 0;
    if (res == 0 && number >= HPR_NUMBER_FOREIGN_MAX && dir->survive != HOPPER_SURVIVE_NOTHING &&
        hpr_dir_read_header(dir, number, &header) == -EINVAL)
        return 0; /* others' with such numbers are in no table */
    return res == 0 ? io->unlink_at(io->ctx, dir->fd, name) : res;
}

/* A file whose creation failed half-way and that could not be removed then: its number has not been used. */
static int remove_cut_short(struct hpr_dir *dir)
{
    int res;

    if (dir->fresh.fd >= 0 || dir->fresh.number == 0) return 0;
    res = remove_file(dir, dir->fresh.number, 0);
    if (res < 0 && res != -ENOENT) return res;
    dir->fresh = HPR_QUEUE_FILE_NONE;
    return 0;
}

/* ---- opening ---- */

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
    (void)remove_cut_short(dir);
    hpr_io_close(dir->io, dir->state_fd);
    (void)dir->io->truncate(dir->io->ctx, dir->lock_fd, 0);
    hpr_io_close(dir->io, dir->lock_fd);
    hpr_io_close(dir->io, dir->fd);
    dir->fd = dir->lock_fd = -1;
}

/* ---- the budget ---- */

uint64_t hpr_dir_used_locked(const struct hpr_dir *dir)
{
    /* the footer of the active file is owed from the moment the file is there */
    return HPR_LOCK_FILE_BYTES + dir->kept_bytes + dir->written - dir->removed + dir->promised +
           (dir->end.number ? HPR_FOOTER_BYTES : 0);
}

bool hpr_dir_promise_locked(struct hpr_dir *dir, uint64_t bytes)
{
    if (bytes > dir->disk_bytes || hpr_dir_used_locked(dir) > dir->disk_bytes - bytes) return false;
    dir->promised += bytes;
    return true;
}

uint64_t hpr_dir_files_locked(const struct hpr_dir *dir)
{
    uint64_t files = dir->numbers_seen > dir->oldest ? dir->numbers_seen - dir->oldest : 0;

    for (size_t i = 0; i < dir->squatters_seen; i++)
        files -= dir->squatters[i] >= dir->oldest && dir->squatters[i] < dir->numbers_seen;
    return files - hpr_min_u64(files, dir->holes) + dir->has_cut_short;
}

/* ---- writing ---- */

static struct hpr_queue_file *frame_file(struct hpr_dir *dir)
{
    return dir->fresh.fd >= 0 ? &dir->fresh : &dir->active;
}

/* What a failed frame left in a file of its own, that could not be cut off then. */
static int cut_off_waste(struct hpr_dir *dir)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    int fd, res;

    if (dir->waste == 0) return 0;
    hpr_queue_file_name(name, dir->waste);
    fd = dir->io->open_at(dir->io->ctx, dir->fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0 && fd != -ENOENT) return fd;
    res = fd < 0 ? 0 : dir->io->truncate(dir->io->ctx, fd, 0);
    if (fd >= 0) (void)dir->io->close(dir->io->ctx, fd);
    if (res == 0) dir->waste = 0;
    return res;
}

/* NAME, with the name that the fresh file has now in it. */
static const char *fresh_name(const struct hpr_dir *dir, char *name)
{
    if (dir->fresh_is_hidden) return HPR_REWRITE_NAME;
    hpr_queue_file_name(name, dir->fresh.number);
    return name;
}

/* Behind the fresh file's header; on failure there is no fresh file. */
static int write_table(struct hpr_dir *dir)
{
    const struct hpr_frame_place place = { dir->channel_id, dir->fresh.number, dir->fresh.bytes };
    unsigned char bytes[HPR_TABLE_BYTES_MAX];
    size_t len = hpr_producers_put_table(bytes, dir->producers, &place);
    int res    = hpr_queue_file_write(&dir->fresh, dir->io, bytes, len, 0);
    char name[HPR_QUEUE_FILE_NAME_BYTES];

    if (res == 0) {
        dir->fresh.begin += len;
        dir->fresh.bytes += len;
        return 0;
    }
    if (dir->io->unlink_at(dir->io->ctx, dir->fd, fresh_name(dir, name)) < 0 && !dir->fresh_is_hidden)
        dir->next_number++; /* it is read, and has nothing */
    hpr_queue_file_close(&dir->fresh, dir->io);
    return res;
}

/* -EEXIST: something has the name that the file's number stands for. */
static int create_hidden(struct hpr_dir *dir, const struct hpr_file_header *header)
{
    const struct hopper_io *io = dir->io;
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    struct hopper_io_stat st;
    int res;

    hpr_queue_file_name(name, header->number);
    if ((res = io->stat_at(io->ctx, dir->fd, name, &st)) != -ENOENT) return res < 0 ? res : -EEXIST;
    if ((res = hpr_dir_remove_hidden(dir)) < 0) return res; /* of a try before */
    res = hpr_queue_file_create_as(&dir->fresh, io, dir->fd, HPR_REWRITE_NAME, header);
    if (res < 0) dir->fresh.number = 0; /* what may be left does not have that number's name */
    return res;
}

/* A name that is taken by a file not ours is passed over; there are not many, or somebody is at work here who should not. */
int hpr_dir_create_fresh(struct hpr_dir *dir, uint64_t first_seq, bool is_hidden)
{
    struct hpr_file_header header = { .survive   = dir->survive,
                                      .content   = dir->content,
                                      .raw_max   = dir->raw_max,
                                      .first_seq = first_seq,
                                      .has_table = dir->producers && dir->producers->count > 0 };
    int res;

    memcpy(header.channel_id, dir->channel_id, sizeof header.channel_id);
    header.record_offset = dir->writer_records;
    header.stream_offset = dir->writer_written + (dir->active.fd >= 0 ? HPR_FOOTER_BYTES : 0);
    if ((res = remove_cut_short(dir)) < 0) return res;
    if ((res = cut_off_waste(dir)) < 0) return res;
    for (;;) {
        header.number = dir->next_number;
        if (header.number >= HPR_NUMBER_END) return -EOVERFLOW;
        res = is_hidden ? create_hidden(dir, &header) : hpr_queue_file_create(&dir->fresh, dir->io, dir->fd, &header);
        if (res == 0) {
            dir->fresh_first_seq = first_seq;
            dir->fresh_is_hidden = is_hidden;
            return header.has_table ? write_table(dir) : 0;
        }
        if (res != -EEXIST || dir->squatter_count == HPR_SQUATTERS_MAX) return res;
        dir->squatters[dir->squatter_count++] = dir->next_number++;
    }
}

/* A frame whose write failed may be whole on the disk all the same. While it stands there, no frame of its sequence number
 * is written elsewhere: the reader would take the first. (A file that was abandoned is not read any more.) */
static int mend_active(struct hpr_dir *dir)
{
    int res;

    if (dir->active.fd < 0 || !dir->active.is_broken || dir->active_is_abandoned) return 0;
    res                   = dir->io->truncate(dir->io->ctx, dir->active.fd, dir->active.bytes);
    dir->active.is_broken = res < 0;
    return res;
}

static bool has_room(const struct hpr_dir *dir, uint64_t frame_bytes)
{
    return dir->active.fd >= 0 && !dir->active.is_broken && !dir->active_is_spent &&
           dir->active.bytes + frame_bytes + HPR_FOOTER_BYTES <= dir->file_bytes;
}

hopper_status hpr_dir_begin_frame(struct hpr_dir *dir, uint64_t frame_bytes, uint64_t first_seq,
                                  struct hopper_error *err)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    int res;

    dir->has_written = false;
    if ((res = mend_active(dir)) < 0)
        return hpr_error_io(err, res, "cut off what a failed write left in a queue file in", dir->path);
    if (has_room(dir, frame_bytes)) return HOPPER_OK;
    if (dir->survive == HOPPER_SURVIVE_POWER_LOSS) { /* all files but the active one are on the device */
        hopper_status st = hpr_dir_sync(dir, err);

        if (st != HOPPER_OK) return st;
    }
    res = hpr_dir_create_fresh(dir, first_seq, false);
    if (res == 0) return HOPPER_OK;
    hpr_queue_file_name(name, dir->next_number);
    return hpr_dir_error(dir, name, HOPPER_EIO, res, "create queue file", err);
}

struct hpr_frame_place hpr_dir_frame_place(struct hpr_dir *dir)
{
    const struct hpr_queue_file *file = frame_file(dir);

    return (struct hpr_frame_place){ dir->channel_id, file->number, file->bytes };
}

hopper_status hpr_dir_write(struct hpr_dir *dir, const void *buf, size_t len, uint64_t offset, struct hopper_error *err)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    struct hpr_queue_file *file = frame_file(dir);
    int res;

    dir->has_written = true;
    res              = hpr_queue_file_write(file, dir->io, buf, len, offset);
    if (res == 0) return HOPPER_OK;
    hpr_queue_file_name(name, file->number);
    return hpr_dir_error(dir, name, HOPPER_EIO, res, "write queue file", err);
}

void hpr_dir_commit_frame(struct hpr_dir *dir, uint64_t frame_bytes, uint64_t records, uint64_t last_seq,
                          int *seal_errorp)
{
    const uint64_t fresh_bytes = dir->fresh.fd >= 0 ? dir->fresh.begin : 0;

    *seal_errorp = 0;
    hpr_queue_file_commit(frame_file(dir), frame_bytes, records, last_seq);
    dir->writer_written += frame_bytes;
    if (dir->fresh.fd >= 0) {
        dir->writer_written += fresh_bytes;
        if (dir->active.fd >= 0) {
            *seal_errorp = hpr_queue_file_seal(&dir->active, dir->io, dir->channel_id);
            dir->writer_written += HPR_FOOTER_BYTES; /* also when there is none: places in the stream are fixed */
        }
        hpr_dir_adopt_fresh(dir);
    }
    dir->writer_records += records;
}

void hpr_dir_adopt_fresh(struct hpr_dir *dir)
{
    dir->active               = dir->fresh;
    dir->active_is_abandoned  = false;
    dir->active_is_spent      = false;
    dir->active_first_seq     = dir->fresh_first_seq;
    dir->active_record_offset = dir->writer_records;
    dir->fresh                = HPR_QUEUE_FILE_NONE;
    dir->synced_bytes = dir->synced_records = dir->synced_last_seq = 0;
    dir->has_unsynced_names                                        = true;
    if (dir->unsynced == 0) dir->unsynced = dir->active.number;
    dir->next_number++;
}

bool hpr_dir_roll_back_frame(struct hpr_dir *dir)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];

    if (dir->fresh.fd < 0) {
        if (dir->active.fd < 0 || !dir->has_written) return false; /* nothing new: waste is counted once */
        hpr_queue_file_roll_back(&dir->active, dir->io);
        return dir->active.is_broken;
    }
    if (dir->io->unlink_at(dir->io->ctx, dir->fd, fresh_name(dir, name)) == 0) {
        hpr_queue_file_close(&dir->fresh, dir->io);
        return false;
    }
    if (dir->fresh_is_hidden) { /* nobody reads it, and the next try removes it */
        (void)dir->io->truncate(dir->io->ctx, dir->fresh.fd, 0);
        hpr_queue_file_close(&dir->fresh, dir->io);
        return true;
    }
    /* without its header too: frames that still go to the file before it make what that says of their number wrong */
    if (dir->io->truncate(dir->io->ctx, dir->fresh.fd, 0) != 0) dir->waste = dir->fresh.number;
    hpr_queue_file_close(&dir->fresh, dir->io);
    dir->next_number++; /* the number is spent; the reader finds nothing good in the file and passes on */
    return true;
}

void hpr_dir_abandon_locked(struct hpr_dir *dir)
{
    dir->abandoned = dir->end.number;
}

void hpr_dir_enter_writer_locked(struct hpr_dir *dir)
{
    if (dir->abandoned != 0 && dir->active.fd >= 0 && dir->active.number == dir->abandoned)
        dir->active.is_broken = dir->active_is_abandoned = true;
}

void hpr_dir_count_waste(struct hpr_dir *dir, uint64_t bytes)
{
    dir->writer_written += bytes;
}

uint64_t hpr_dir_publish_locked(struct hpr_dir *dir)
{
    uint64_t bytes = dir->writer_written > dir->written ? dir->writer_written - dir->written : 0;

    dir->written        = dir->writer_written;
    dir->squatters_seen = dir->squatter_count;
    dir->numbers_seen   = dir->next_number;
    dir->has_cut_short  = dir->fresh.fd < 0 && dir->fresh.number != 0;
    if (dir->active.fd >= 0)
        dir->end = (struct hpr_dir_end){ dir->active.number, dir->active.start, dir->active.bytes,
                                         dir->active_first_seq, dir->active_record_offset };
    return bytes;
}

void hpr_dir_note_removable_locked(struct hpr_dir *dir, uint64_t end_seq)
{
    uint64_t now = atomic_load_explicit(&dir->removable_seq, memory_order_relaxed);

    if (dir->survive == HOPPER_SURVIVE_NOTHING) return;
    if (dir->oldest < dir->end.number) now = hpr_min_u64(now, dir->end.first_seq);
    else now = dir->wants_room || dir->end.bytes >= dir->file_bytes / 2 ? end_seq : UINT64_MAX;
    atomic_store_explicit(&dir->removable_seq, now, memory_order_release);
}

/* Either the receiver sees this when it has acknowledged, or whoever calls this sees what it has acknowledged, afterwards. */
void hpr_dir_want_room_locked(struct hpr_dir *dir, uint64_t end_seq)
{
    if (dir->survive == HOPPER_SURVIVE_NOTHING) return;
    dir->wants_room = true;
    atomic_store(&dir->removable_seq, hpr_min_u64(atomic_load(&dir->removable_seq), end_seq));
}

/* ---- removing ---- */

int hpr_dir_next_number_locked(struct hpr_dir *dir, uint64_t number, uint64_t limit, uint64_t *nextp)
{
    return hpr_numbers_next(&dir->numbers, dir->io, dir->fd, number, limit, nextp);
}

/* There is no file of number *ATP. With `back` held. */
static int pass_hole(struct hpr_dir *dir, uint64_t *atp, uint64_t until)
{
    uint64_t next;
    int res = hpr_dir_next_number_locked(dir, *atp + 1, until, &next);

    if (res < 0) return res;
    dir->holes -= hpr_min_u64(dir->holes, next - *atp);
    *atp = next;
    return 0;
}

/* The file of number *ATP, and on to the next. A negated errno when that could not be done. */
static int remove_next(struct hpr_dir *dir, struct hpr_mutex *back, uint64_t *atp, uint64_t until, size_t squatters)
{
    int res = remove_file(dir, *atp, squatters);

    if (res == 0) ++*atp;
    if (res != -ENOENT) return res;
    if (back) hpr_mutex_lock(back);
    res = pass_hole(dir, atp, until);
    if (back) hpr_mutex_unlock(back);
    return res;
}

/* Remove what is not wanted, as far as that can be done. The offset may come from a file's header, which somebody may have
 * written anew: no more can be gone than was written. */
static bool remove_unwanted(struct hpr_dir *dir, struct hpr_mutex *back)
{
    const size_t squatters = dir->squatters_seen; /* a writer may publish more while `back` is dropped */
    const uint64_t until   = dir->unwanted;
    uint64_t at            = dir->oldest;

    if (dir->is_removing || at >= until) return false;
    dir->is_removing = true;
    if (back) hpr_mutex_unlock(back);
    while (at < until && remove_next(dir, back, &at, until, squatters) == 0) {
    }
    if (back) hpr_mutex_lock(back);
    dir->is_removing = false;
    dir->oldest      = at;
    if (at < dir->unwanted || dir->unwanted_offset <= dir->removed || dir->unwanted_offset > dir->written) return false;
    dir->removed = dir->unwanted_offset;
    return true;
}

bool hpr_dir_remove_below_locked(struct hpr_dir *dir, struct hpr_mutex *back, uint64_t number, uint64_t stream_offset)
{
    if (number > dir->unwanted) {
        dir->unwanted        = number;
        dir->unwanted_offset = hpr_max_u64(dir->unwanted_offset, stream_offset);
    }
    return remove_unwanted(dir, back);
}

bool hpr_dir_has_unwanted_locked(const struct hpr_dir *dir)
{
    return dir->oldest < dir->unwanted;
}

bool hpr_dir_remove_unwanted_locked(struct hpr_dir *dir)
{
    return remove_unwanted(dir, NULL);
}

bool hpr_dir_discard_all_locked(struct hpr_dir *dir)
{
    uint64_t before = dir->removed;

    if (dir->is_removing) return false;
    hpr_queue_file_close(&dir->active, dir->io);
    dir->end = (struct hpr_dir_end){ 0 };
    (void)hpr_dir_remove_below_locked(dir, NULL, dir->next_number, dir->written);
    return dir->removed > before;
}

bool hpr_dir_next_file_locked(struct hpr_dir *dir, uint64_t number, struct hpr_dir_end *next)
{
    const struct hpr_dir_end *end = &dir->end;
    struct hpr_file_header header;

    for (number++; number < end->number;) {
        int res = hpr_dir_read_header(dir, number, &header);

        if (res == 0 && header.first_seq <= end->first_seq && header.stream_offset <= end->start &&
            header.record_offset <= end->record_offset) {
            *next = (struct hpr_dir_end){ number, header.stream_offset, 0, header.first_seq, header.record_offset };
            return true;
        }
        if (res != -ENOENT) number++;
        else if (hpr_dir_next_number_locked(dir, number + 1, end->number, &number) < 0) return false;
    }
    *next = *end;
    return number == end->number;
}
