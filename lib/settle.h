/* SPDX-License-Identifier: MIT */
/* Acknowledging, in channels that survive: what the receiver is done with is noted where it survives, and then its room
 * in ring, blocks and files is given back; in this order, so that a kill in between costs nothing. */
#ifndef HPR_SETTLE_H
#define HPR_SETTLE_H

#include "channel.h"

/* A gap is handed out: it is acknowledged with the records around it. */
void hpr_settle_note_gap(struct hopper_receiver *rcv, uint64_t lost, uint32_t reason);

/* Whether an acknowledgement of all that was handed out, of which some was not acknowledged yet, concerns the ring,
 * which survives, and nothing else; for a receiver that has nothing at hand. */
static inline bool hpr_settle_is_plain(const struct hopper_receiver *rcv)
{
    return rcv->channel->memory.header && (rcv->noted_count | rcv->aside_untold | rcv->aside_untold_dropped) == 0 &&
           !rcv->held && rcv->kept_from.pos != rcv->channel->deque.head.pos;
}

/* It then: what nearly every acknowledgement comes to where memory survives. True: hpr_settle_rest() has to follow.
 *
 * Taking an entry has just stored the two halves of the ring's head, each by itself: one load of both, as compilers
 * like to make of a copy, would wait for the stores to leave the CPU, longer than all the rest takes. */
static inline bool hpr_settle_plain(struct hopper_receiver *rcv)
{
    struct hpr_channel *ch = rcv->channel;
    const uint64_t seq     = rcv->next_seq - 1;

    rcv->passed.records += seq - rcv->passed.seq;
    rcv->passed.seq       = seq;
    rcv->kept_from.pos    = ch->deque.head.pos;
    rcv->kept_from.offset = *(const volatile size_t *)&ch->deque.head.offset;
    rcv->kept_seq         = rcv->next_seq;
    rcv->kept_dropped     = rcv->dropped_seen;
    hpr_memory_set_place(&ch->memory, rcv->kept_from.pos, rcv->kept_seq, rcv->kept_dropped, &rcv->passed, false);
    atomic_store_explicit(&ch->acknowledged, rcv->passed.records, memory_order_release);
    atomic_store_explicit(&ch->passed_seq, seq, memory_order_release); /* seen by who sees the next: can_make_room() */
    return hpr_deque_set_freed(&ch->deque, rcv->kept_from.pos) || seq + 1 >= atomic_load(&ch->dir.removable_seq);
}

/* Wake who waits for the room that was given back, remove files that may go. */
void hpr_settle_rest(struct hopper_receiver *rcv);

/* Acknowledge all up to SEQ, which was handed out. */
void hpr_settle_until(struct hopper_receiver *rcv, uint64_t seq);

/* Once more to note what could not be noted before. */
void hpr_settle_again(struct hopper_receiver *rcv);

/* The receiver comes back: views are over. What is kept elsewhere gives its room back, blocks wait for
 * acknowledgement. */
void hpr_settle_views(struct hopper_receiver *rcv);

/* Remove files that hold nothing unacknowledged, the active one as well if IS_WANTED. */
void hpr_settle_files(struct hopper_receiver *rcv, bool is_wanted);

/* At which acknowledgement files may go next. */
void hpr_settle_find_removable_locked(struct hpr_channel *ch);

/* What STATE is to say next. */
void hpr_settle_fill_state(struct hpr_channel *ch, const struct hpr_passed *passed, uint64_t next_seq,
                           uint64_t dropped_total);

/* Put into PRODUCERS what NUMBERS has and it has not: numbers of records that are acknowledged, or 0. 0 or a negated
 * errno. */
HPR_MUST_CHECK int hpr_settle_note_numbers_locked(struct hpr_channel *ch, const struct hpr_producers *numbers);

/* With the last handle: all to the device, STATE says that the channel was closed, and MEMORY goes if it is empty. */
void hpr_settle_close(struct hpr_channel *ch);

#endif
