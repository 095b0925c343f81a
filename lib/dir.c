/* SPDX-License-Identifier: MIT */
/* See dir.h. Writing: a frame goes to the active file, or to a fresh one where that has no room, and counts when it is
 * whole; what was written of one that failed is taken back, or stays as waste that is counted. What the others may know
 * of it is published under `back`. Opening is in dir_open.c, syncing in dir_sync.c, removing in dir_remove.c. */
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>

#include "error.h"

hopper_status hpr_dir_error(const struct hpr_dir *dir, const char *name, hopper_status st, int res, const char *op,
                            struct hopper_error *err)
{
    char path[sizeof dir->path];

    (void)snprintf(path, sizeof path, "%.*s/%s", (int)(sizeof path - strlen(name) - 2), dir->path, name);
    return st == HOPPER_EIO ? hpr_error_io(err, res, op, path) : hpr_error_set(err, st, 0, op, path);
}

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

/* ---- the budget ---- */

void hpr_dir_keep(struct hpr_dir *dir, uint64_t bytes)
{
    const uint64_t frame = hpr_dir_frame_promise(dir, dir->raw_max) + HPR_FOOTER_BYTES;

    dir->kept_bytes += bytes;
    dir->disk_bytes = hpr_max_u64(dir->disk_bytes, HPR_LOCK_FILE_BYTES + dir->kept_bytes + frame);
}

uint64_t hpr_dir_used_locked(const struct hpr_dir *dir)
{
    /* the footer of the active file is owed from the moment the file is there */
    return HPR_LOCK_FILE_BYTES + dir->kept_bytes + dir->written - dir->removed +
           hpr_max_u64(dir->promised, dir->zeros) + (dir->end.number ? HPR_FOOTER_BYTES : 0) + dir->held;
}

bool hpr_dir_promise_locked(struct hpr_dir *dir, uint64_t bytes)
{
    uint64_t used;

    if (bytes > dir->disk_bytes) return false;
    dir->promised += bytes;
    used = hpr_dir_used_locked(dir);
    if (used <= dir->disk_bytes) return true;
    dir->promised -= bytes;
    return false;
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

/* A name that is taken by a file not ours is passed over; there are not many, or somebody is at work here who should
 * not. */
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
    if ((res = hpr_dir_remove_cut_short(dir)) < 0) return res;
    if ((res = cut_off_waste(dir)) < 0) return res;
    if ((res = hpr_queue_file_cut_zeros(&dir->active, dir->io)) < 0) return res; /* their room is needed here */
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

/* A frame whose write failed may be whole on the disk all the same. While it stands there, no frame of its sequence
 * number is written elsewhere: the reader would take the first. (A file that was abandoned is not read any more.) */
static int mend_active(struct hpr_dir *dir)
{
    int res;

    if (dir->active.fd < 0 || !dir->active.is_broken || dir->active_is_abandoned) return 0;
    res                   = dir->io->truncate(dir->io->ctx, dir->active.fd, dir->active.bytes);
    dir->active.is_broken = res < 0;
    if (res == 0) dir->active.zeros_end = 0;
    return res;
}

static bool has_room(const struct hpr_dir *dir, uint64_t frame_bytes)
{
    return dir->active.fd >= 0 && !dir->active.is_broken && !dir->active_is_spent && !dir->active_is_full &&
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
    if (res == -EFBIG && file == &dir->active) dir->active_is_full = true;
    hpr_queue_file_name(name, file->number);
    return hpr_dir_error(dir, name, HOPPER_EIO, res, "write queue file", err);
}

hopper_status hpr_dir_write_frame(struct hpr_dir *dir, const unsigned char *frame, size_t len, struct hopper_error *err)
{
    const size_t head = HPR_FRAME_HEADER_BYTES;
    hopper_status st;

    if (hpr_queue_file_zeros(frame_file(dir)) == 0) return hpr_dir_write(dir, frame, len, 0, err);
    st = hpr_dir_write(dir, frame + head, len - head, head, err);
    return st == HOPPER_OK ? hpr_dir_write(dir, frame, head, 0, err) : st;
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
    dir->active_is_full       = false;
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

/* Where it lies on zeros, these do not count a second time. */
void hpr_dir_count_waste(struct hpr_dir *dir, uint64_t bytes)
{
    dir->writer_written += bytes;
    dir->active.zeros_end -= hpr_min_u64(bytes, hpr_queue_file_zeros(&dir->active));
}

uint64_t hpr_dir_publish_locked(struct hpr_dir *dir)
{
    uint64_t bytes = dir->writer_written > dir->written ? dir->writer_written - dir->written : 0;

    dir->written        = dir->writer_written;
    dir->zeros          = hpr_queue_file_zeros(&dir->active);
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
    if (hpr_dir_first_wanted_locked(dir) < dir->end.number) now = hpr_min_u64(now, dir->end.first_seq);
    else now = dir->wants_room || dir->end.bytes >= dir->file_bytes / 2 ? end_seq : UINT64_MAX;
    atomic_store_explicit(&dir->removable_seq, now, memory_order_release);
}

/* Either the receiver sees this when it has acknowledged, or whoever calls this sees what it has acknowledged,
 * afterwards. */
void hpr_dir_want_room_locked(struct hpr_dir *dir, uint64_t end_seq)
{
    if (dir->survive == HOPPER_SURVIVE_NOTHING) return;
    dir->wants_room = true;
    atomic_store(&dir->removable_seq, hpr_min_u64(atomic_load(&dir->removable_seq), end_seq));
}
