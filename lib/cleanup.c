/* SPDX-License-Identifier: MIT */
/* See cleanup.h. The receiver notes what is not wanted any more, dir.unwanted, and whoever removes it goes on until all
 * that was noted is gone or cannot be removed. A sender that needs the room before the thread has begun removes it
 * itself (admit.c, hpr_admit_make_disk_room()); one that has come too late for that waits, also where it would not wait
 * for the receiver, and is woken here. */
#include "cleanup.h"

/* Unless the thread is at it: it looks for more before it ends. */
static void hand_over(struct hpr_channel *ch)
{
    if (hpr_dir_has_unwanted_locked(&ch->dir) && !ch->dir.is_removing) hpr_ahead_do_chore(ch->ahead);
}

void hpr_cleanup_below_locked(struct hpr_channel *ch, uint64_t number, uint64_t stream_offset)
{
    hpr_dir_give_up_below_locked(&ch->dir, number, stream_offset);
    if (ch->ahead) hand_over(ch);
    else (void)hpr_dir_remove_unwanted_locked(&ch->dir, &ch->deque.back);
}

void hpr_cleanup_all_locked(struct hpr_channel *ch)
{
    if (!ch->ahead) {
        (void)hpr_dir_discard_all_locked(&ch->dir);
        return;
    }
    hpr_dir_give_up_all_locked(&ch->dir);
    hand_over(ch);
}

void hpr_cleanup_run(void *ctx)
{
    struct hpr_channel *ch = ctx;
    struct hpr_dir *dir    = &ch->dir;
    uint64_t before;

    hpr_mutex_lock(&ch->deque.back);
    do {
        before = dir->oldest;
        (void)hpr_dir_remove_unwanted_locked(dir, &ch->deque.back); /* more may be noted meanwhile */
    } while (dir->oldest > before && hpr_dir_has_unwanted_locked(dir));
    ch->spill.gains++;
    hpr_cond_broadcast(&ch->deque.room);
    hpr_mutex_unlock(&ch->deque.back);
}
