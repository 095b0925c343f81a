/* SPDX-License-Identifier: MIT */
/* See dir.h. Files go from the oldest on, in order of their numbers, as far as that can be done: what cannot be removed
 * stays unwanted and is tried again when the next is to go. One thread at a time removes, and where its caller allows
 * that, `back` is dropped meanwhile. From a number that has no file it goes on to the next one that has, and a file
 * that is somebody else's is passed over. Called by spill.c for what is dropped, by cleanup.c for what the receiver is
 * done with, and at close. */
#include <errno.h>

#include "dir.h"

/* ---- one file ---- */

/* Remove the file of NUMBER. What stands there now and was not made here stays; so does nothing else. SQUATTERS: how
 * many entries of that table the caller may look at. A negated errno when it could not be removed, -ENOENT when there
 * is none. */
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

int hpr_dir_remove_cut_short(struct hpr_dir *dir)
{
    int res;

    if (dir->fresh.fd >= 0 || dir->fresh.number == 0) return 0;
    res = remove_file(dir, dir->fresh.number, 0);
    if (res < 0 && res != -ENOENT) return res;
    dir->fresh = HPR_QUEUE_FILE_NONE;
    return 0;
}

/* ---- all below a number ---- */

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

/* The offset may come from a file's header, which somebody may have written anew: no more can be gone than was
 * written. */
bool hpr_dir_remove_unwanted_locked(struct hpr_dir *dir, struct hpr_mutex *back)
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
    if (dir->is_read) dir->held += dir->unwanted_offset - dir->removed;
    dir->removed = dir->unwanted_offset;
    return true;
}

void hpr_dir_give_up_below_locked(struct hpr_dir *dir, uint64_t number, uint64_t stream_offset)
{
    if (number <= dir->unwanted) return;
    dir->unwanted        = number;
    dir->unwanted_offset = hpr_max_u64(dir->unwanted_offset, stream_offset);
}

void hpr_dir_give_up_all_locked(struct hpr_dir *dir)
{
    /* zeros are room for what is promised, but nothing more goes there, and the file may stay for a while */
    if (hpr_queue_file_cut_zeros(&dir->active, dir->io) < 0)
        hpr_dir_count_waste(dir, hpr_queue_file_zeros(&dir->active));
    dir->written = dir->writer_written;
    hpr_queue_file_close(&dir->active, dir->io);
    dir->end   = (struct hpr_dir_end){ 0 };
    dir->zeros = 0;
    hpr_dir_give_up_below_locked(dir, dir->next_number, dir->written);
}

uint64_t hpr_dir_first_wanted_locked(const struct hpr_dir *dir)
{
    return hpr_max_u64(dir->oldest, dir->unwanted);
}

bool hpr_dir_has_unwanted_locked(const struct hpr_dir *dir)
{
    return dir->oldest < dir->unwanted;
}

bool hpr_dir_discard_all_locked(struct hpr_dir *dir)
{
    const uint64_t before = dir->removed;

    if (dir->is_removing) return false;
    hpr_dir_give_up_all_locked(dir);
    (void)hpr_dir_remove_unwanted_locked(dir, NULL);
    return dir->removed > before;
}

void hpr_dir_begin_read_locked(struct hpr_dir *dir)
{
    dir->is_read = true;
}

bool hpr_dir_end_read_locked(struct hpr_dir *dir)
{
    const bool has_held = dir->held > 0;

    dir->is_read = false;
    dir->held    = 0;
    return has_held;
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
