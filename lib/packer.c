/* SPDX-License-Identifier: MIT */
/* See packer.h. The thread does what a sender does that finds no free block, hpr_spill_work_locked(), only earlier: as
 * soon as more than half of the blocks are in use and one is sealed, until half of them are free. Half, because then
 * the sender has as many to fill while the first is compressed, and what the others hold may be taken by the receiver
 * in memory: a short burst never reaches the disk, as without the thread.
 *
 * Nothing waits for the thread alone: a sender that finds no free block, a flush and a big record work as ever. What
 * waits for a block that it is at (HPR_WAIT) is woken when it is done, as with any other thread.
 *
 * It sleeps on a condition of its own, which is signalled only when hpr_spill_needs_packer_locked() has become true
 * while it sleeps: not for each record, not for each block. When a write fails, the block stays where it is, and the
 * thread sleeps until something has been won (spill.gains): by the receiver, or by a sender whose own try succeeded. So
 * a device that fails is tried as often as somebody needs it, and no oftener.
 *
 * channel.c calls this. The thread is started before anything on disk is changed, as that may fail, and works only when
 * the channel is whole; it has ended before anything of the channel goes. */
#include "packer.h"

#include "error.h"

static void pack_and_write(void *arg)
{
    struct hpr_spill *sp = arg;
    struct hpr_packer *p = &sp->packer;

    hpr_mutex_lock(sp->back);
    while (!p->is_stopping) {
        struct hopper_error ignored; /* counted in write_errors; whoever finds no room tries again, and is told */
        enum hpr_result res;

        if (!hpr_spill_needs_packer_locked(sp)) {
            p->is_asleep = true;
            hpr_cond_wait(&p->wake, sp->back, UINT64_MAX);
            p->is_asleep = false;
            continue;
        }
        res             = hpr_spill_work_locked(sp, &ignored);
        p->has_failed   = res == HPR_FULL || res == HPR_FAILED;
        p->failed_gains = sp->gains;
    }
    hpr_mutex_unlock(sp->back);
}

hopper_status hpr_packer_open(struct hpr_spill *sp, size_t blocks, struct hopper_error *err)
{
    struct hpr_packer *p = &sp->packer;
    hopper_status st;
    int res;

    p->blocks_kept = blocks / 2;
    if ((st = hpr_cond_init(&p->wake)) != HOPPER_OK) return hpr_error_set(err, st, 0, "make a condition", NULL);
    if ((res = hpr_thread_start(&p->thread, "hopper-pack", pack_and_write, sp)) == 0) return HOPPER_OK;
    hpr_cond_fini(&p->wake);
    return hpr_error_set(err, HOPPER_ENOMEM, res, "start the thread that compresses", NULL);
}

void hpr_packer_begin(struct hpr_spill *sp)
{
    struct hpr_packer *p = &sp->packer;

    if (!p->thread.is_running) return;
    hpr_mutex_lock(sp->back);
    p->is_on = true;
    if (hpr_spill_needs_packer_locked(sp)) hpr_cond_broadcast(&p->wake); /* an earlier run left blocks */
    hpr_mutex_unlock(sp->back);
}

void hpr_packer_close(struct hpr_spill *sp)
{
    struct hpr_packer *p = &sp->packer;

    if (!p->thread.is_running) return;
    hpr_mutex_lock(sp->back);
    p->is_stopping = true;
    hpr_cond_broadcast(&p->wake);
    hpr_mutex_unlock(sp->back);
    hpr_thread_join(&p->thread);
    hpr_cond_fini(&p->wake);
}
