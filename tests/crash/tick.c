/* SPDX-License-Identifier: MIT */
/* See tick.h. The thread waits at a condition until the interval is over or somebody signals it, so it is signalled.
 * Every crash during what it does then is tried by the thread itself, in its calls of the disk; the caller only looks
 * at hopper_durable_seq() and leaves everything else alone. */
#include "tick.h"

#include "channel.h"
#include <sched.h>

void life_tick(struct life *life)
{
    struct hpr_channel *ch;
    uint64_t seq;

    if (life->fault[0] || !life->snd || (seq = hopper_sender_seq(life->snd)) == 0) return;
    ch = life->snd->channel;
    while (hopper_durable_seq(life->snd) < seq) {
        hpr_mutex_lock(&ch->deque.back); /* again and again: the thread may not have begun to wait */
        hpr_cond_broadcast(&ch->commit.tick);
        hpr_mutex_unlock(&ch->deque.back);
        sched_yield();
    }
    hpr_mutex_lock(&ch->deque.back); /* it has ended its round when it can be had */
    hpr_mutex_unlock(&ch->deque.back);
    life->ledger->durable = hopper_durable_seq(life->snd);
    life_step(life);
}
