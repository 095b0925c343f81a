/* SPDX-License-Identifier: MIT */
/* See dir.h. What is on the device, of a channel that survives a power loss: the active file up to synced_bytes, and
 * all files before it. A sync that fails says that what it was about may be gone for ever, even if a later one
 * succeeds: the file is not written to any more, and what was not on the device yet is written again to a fresh
 * file.
 *
 * A sync of bytes behind the end of the file, or in blocks that were never written, also has the file system bring its
 * own notes to the device, which takes about as long again. So where every group is synced the active file gets zeros
 * ahead of its frames: with the sync that found none left, enough for many groups, which then lie on them. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "dir.h"
#include "error.h"

#define COPY_BYTES 16384

static void count_sync(struct hpr_dir *dir)
{
    atomic_fetch_add_explicit(&dir->syncs, 1, memory_order_relaxed);
}

static void note_synced(struct hpr_dir *dir)
{
    dir->synced_bytes       = dir->active.bytes;
    dir->synced_records     = dir->active.records;
    dir->synced_last_seq    = dir->active.last_seq;
    dir->synced_seq         = hpr_max_u64(dir->synced_seq, dir->active.last_seq);
    *dir->producers_synced  = *dir->producers;
    dir->has_unsynced_names = false;
    dir->unsynced           = 0;
}

static int sync_data(struct hpr_dir *dir, int fd)
{
    int res = dir->io->fdatasync(dir->io->ctx, fd);

    if (res == 0) count_sync(dir);
    return res;
}

static int sync_names(struct hpr_dir *dir)
{
    int res = dir->io->fsync(dir->io->ctx, dir->fd);

    if (res == 0) count_sync(dir);
    return res;
}

static uint64_t first_unsynced(const struct hpr_dir *dir)
{
    return hpr_max_u64(dir->synced_bytes, dir->active.begin);
}

/* ---- zeros ahead of the frames ---- */

#define PAGE_BYTES   4096
#define ZEROS_SHARE  8 /* they take at most one part in so many of what the budget has left */
#define ZEROS_GROUPS 4 /* and are written when so many groups like the present one fit: each byte is written twice */

uint64_t hpr_dir_plan_zeros_locked(struct hpr_dir *dir)
{
    const struct hpr_queue_file *file = &dir->active;
    const uint64_t group              = file->bytes - hpr_min_u64(first_unsynced(dir), file->bytes);
    uint64_t used, end;

    if (file->fd < 0 || file->is_broken || dir->active_is_spent || file->number < dir->zeros_from) return 0;
    if (group == 0 || hpr_queue_file_zeros(file) > 0) return 0;
    used = hpr_dir_used_locked(dir) - dir->promised;
    if (used >= dir->disk_bytes) return 0;
    end = file->bytes + hpr_min_u64((dir->disk_bytes - used) / ZEROS_SHARE, HPR_ZEROS_BYTES);
    end = hpr_min_u64(end, dir->file_bytes - HPR_FOOTER_BYTES);
    end -= end % PAGE_BYTES;
    if (end <= file->bytes || (end - file->bytes) / ZEROS_GROUPS < group) return 0;
    dir->zeros = end - file->bytes;
    return end;
}

void hpr_dir_put_zeros(struct hpr_dir *dir, uint64_t end)
{
    if (hpr_queue_file_put_zeros(&dir->active, dir->io, end) < 0) dir->zeros_from = dir->active.number + 1;
}

/* ---- the sync ---- */

hopper_status hpr_dir_sync(struct hpr_dir *dir, struct hopper_error *err)
{
    int res;

    if (dir->active.fd < 0 || dir->active.bytes <= dir->synced_bytes) return HOPPER_OK;
    res = sync_data(dir, dir->active.fd);
    if (res == 0 && dir->has_unsynced_names) res = sync_names(dir);
    if (res < 0) {
        dir->active_is_spent = true;
        if (hpr_queue_file_zeros(&dir->active) > 0) dir->zeros_from = dir->next_number + 1; /* had they no room? */
        return hpr_error_io(err, res, "sync the queue file being written in", dir->path);
    }
    note_synced(dir);
    return HOPPER_OK;
}

/* ---- writing again ---- */

uint64_t hpr_dir_unsynced_bytes(const struct hpr_dir *dir)
{
    if (dir->active.fd < 0 || dir->active.bytes <= first_unsynced(dir)) return 0;
    return dir->active.bytes - first_unsynced(dir) + HPR_FILE_HEADER_BYTES + HPR_TABLE_BYTES_MAX + HPR_FOOTER_BYTES;
}

static int read_whole(const struct hpr_dir *dir, void *out, size_t len, uint64_t at)
{
    size_t got;
    int res = hpr_io_read(dir->io, dir->active.fd, out, len, at, &got);

    return res < 0 ? res : got < len ? -EIO : 0;
}

static int get_header(const struct hpr_dir *dir, uint64_t at, struct hpr_frame_header *h)
{
    const struct hpr_frame_place place = { dir->channel_id, dir->active.number, at };
    unsigned char bytes[HPR_FRAME_HEADER_BYTES];
    struct hpr_footer footer;
    int res = read_whole(dir, bytes, sizeof bytes, at);

    if (res < 0) return res;
    return hpr_frame_get(bytes, sizeof bytes, &place, h, &footer) == HPR_VERDICT_FRAME ? 0 : -EIO;
}

/* The frame at AT of the active file to the end of the fresh one. What cannot be read as it was written fails. */
static int copy_frame(struct hpr_dir *dir, uint64_t at, const struct hpr_frame_header *h)
{
    const struct hpr_frame_place place = { dir->channel_id, dir->fresh.number, dir->fresh.bytes };
    unsigned char buf[COPY_BYTES];
    uint64_t done = 0;
    uint32_t crc  = 0;
    int res;

    hpr_frame_put_header(buf, h, &place);
    if ((res = hpr_queue_file_write(&dir->fresh, dir->io, buf, HPR_FRAME_HEADER_BYTES, 0)) < 0) return res;
    while (done < h->stored_bytes) {
        size_t piece = (size_t)hpr_min_u64(h->stored_bytes - done, sizeof buf);

        if ((res = read_whole(dir, buf, piece, at + HPR_FRAME_HEADER_BYTES + done)) < 0) return res;
        crc = hpr_crc32(crc, buf, piece);
        res = hpr_queue_file_write(&dir->fresh, dir->io, buf, piece, HPR_FRAME_HEADER_BYTES + done);
        if (res < 0) return res;
        done += piece;
    }
    if (crc != h->payload_crc) return -EIO;
    hpr_queue_file_commit(&dir->fresh, HPR_FRAME_HEADER_BYTES + done, h->records, h->first_seq + h->records - 1);
    return 0;
}

/* The fresh file, which is hidden and on the device, gets the name that its number has. */
static int show_fresh(struct hpr_dir *dir)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    int res;

    hpr_queue_file_name(name, dir->fresh.number);
    if ((res = dir->io->rename_at(dir->io->ctx, dir->fd, HPR_REWRITE_NAME, name)) < 0) return res;
    dir->fresh_is_hidden = false;
    return 0;
}

static int copy_frames(struct hpr_dir *dir)
{
    struct hpr_frame_header h;
    uint64_t at = first_unsynced(dir);
    int res;

    if ((res = get_header(dir, at, &h)) < 0 || (res = hpr_dir_create_fresh(dir, h.first_seq, true)) < 0) return res;
    while (res == 0 && at < dir->active.bytes) {
        if ((res = get_header(dir, at, &h)) == 0) res = copy_frame(dir, at, &h);
        at += HPR_FRAME_HEADER_BYTES + (uint64_t)h.stored_bytes;
    }
    /* from the moment it has its name, what the other file has of these records does not count */
    if (res == 0) res = sync_data(dir, dir->fresh.fd);
    if (res == 0) res = show_fresh(dir);
    dir->has_unsynced_names = true;
    return res == 0 ? sync_names(dir) : res;
}

int hpr_dir_remove_hidden(const struct hpr_dir *dir)
{
    int res = dir->io->unlink_at(dir->io->ctx, dir->fd, HPR_REWRITE_NAME);

    return res == -ENOENT ? 0 : res;
}

static void give_up_fresh(struct hpr_dir *dir)
{
    if (dir->fresh.fd < 0) return;
    dir->has_written = true;
    if (hpr_dir_roll_back_frame(dir)) hpr_dir_count_waste(dir, dir->active.bytes); /* at least as much as was copied */
}

/* Cut off what is not on the device; when that fails too, it is tried again before anything is written. */
static void cut_active(struct hpr_dir *dir)
{
    uint64_t end = first_unsynced(dir), zeros = hpr_queue_file_zeros(&dir->active);

    dir->writer_records -= dir->active.records - dir->synced_records;
    dir->active.bytes     = end;
    dir->active.records   = dir->synced_records;
    dir->active.last_seq  = dir->synced_last_seq;
    dir->active.zeros_end = end + zeros; /* as many as before are counted, should they stay */
    hpr_queue_file_roll_back(&dir->active, dir->io);
}

void hpr_dir_forget_unsynced(struct hpr_dir *dir)
{
    uint64_t before = dir->active.bytes;

    if (dir->active.fd < 0 || before <= first_unsynced(dir)) return;
    *dir->producers = *dir->producers_synced;
    cut_active(dir);
    if (!dir->active.is_broken) dir->writer_written -= before - dir->active.bytes;
}

hopper_status hpr_dir_rewrite_unsynced(struct hpr_dir *dir, struct hopper_error *err)
{
    uint64_t records = dir->active.records - dir->synced_records;
    int res;

    if (dir->active.fd < 0 || dir->active.bytes <= first_unsynced(dir)) return HOPPER_OK;
    dir->writer_records -= records; /* they count in the file that is made now */
    res = copy_frames(dir);
    dir->writer_records += records;
    if (res < 0) {
        give_up_fresh(dir);
        return hpr_error_io(err, res, "write again what could not be synced in", dir->path);
    }
    cut_active(dir); /* the reader goes by the numbers in the fresh file's header, should this fail */
    hpr_queue_file_close(&dir->active, dir->io);
    dir->writer_written += HPR_FOOTER_BYTES + dir->fresh.bytes;
    hpr_dir_adopt_fresh(dir);
    dir->writer_records += records;
    note_synced(dir);
    return HOPPER_OK;
}

/* ---- at close ---- */

/* -ENOENT: there is no such file. */
static int sync_number(struct hpr_dir *dir, uint64_t number)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    int fd, res;

    hpr_queue_file_name(name, number);
    fd = dir->io->open_at(dir->io->ctx, dir->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    res = dir->io->fdatasync(dir->io->ctx, fd);
    hpr_io_close(dir->io, fd);
    if (res == 0) count_sync(dir);
    return res;
}

/* The first failure is told; the other files are synced all the same. */
static int sync_files(struct hpr_dir *dir)
{
    uint64_t number = dir->unsynced;
    int first       = 0;

    while (number != 0 && number < dir->next_number) {
        int res = sync_number(dir, number);

        if (res == -ENOENT) {
            res = hpr_dir_next_number_locked(dir, number + 1, dir->next_number, &number);
            if (res < 0) return first == 0 ? res : first;
            continue;
        }
        if (res < 0 && first == 0) first = res;
        number++;
    }
    return first;
}

int hpr_dir_sync_all(struct hpr_dir *dir)
{
    struct hopper_error error;
    int first = hpr_queue_file_cut_zeros(&dir->active, dir->io);

    (void)first; /* what stays, the next run cuts off */
    if (dir->survive == HOPPER_SURVIVE_POWER_LOSS && hpr_dir_sync(dir, &error) != HOPPER_OK &&
        hpr_dir_rewrite_unsynced(dir, &error) != HOPPER_OK)
        return -error.sys_errno;
    first = sync_files(dir);
    if (first == 0) first = dir->io->fsync(dir->io->ctx, dir->fd);
    if (first == 0) dir->unsynced = 0;
    return first;
}
