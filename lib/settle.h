/* SPDX-License-Identifier: MIT */
/* Acknowledging, in channels that survive: what the receiver is done with is noted where it survives, and then its room
 * in ring, blocks and files is given back; in this order, so that a kill in between costs nothing. */
#ifndef HPR_SETTLE_H
#define HPR_SETTLE_H

#include "channel.h"

/* A gap is handed out: it is acknowledged with the records around it. */
void hpr_settle_note_gap(struct hopper_receiver *rcv, uint64_t lost, uint32_t reason);

/* Whether an acknowledgement of all that was handed out, of which some was not acknowledged yet, concerns records in
 * the ring, which survives, and nothing else; for a receiver that has nothing at hand. */
static inline bool hpr_settle_is_plain(const struct hopper_receiver *rcv)
{
    const struct hpr_memory *memory = &rcv->channel->memory;

    return memory->header && memory->stale_places == 0 &&
           (rcv->noted_count | rcv->aside_untold | rcv->aside_untold_dropped) == 0 && !rcv->held &&
           rcv->kept_dropped == rcv->dropped_seen && rcv->passed.seq + 1 != rcv->next_seq;
}

/* It then: what nearly every acknowledgement comes to where memory survives. True: hpr_settle_rest() has to follow.
 *
 * What costs here is stores, and what their addresses wait for: giving back does not begin before all of them have left
 * the CPU. So kept_from, which only acknowledgements of a part need, is set by hpr_settle_until(). */
static inline bool hpr_settle_plain(struct hopper_receiver *rcv)
{
    struct hpr_channel *ch = rcv->channel;
    const uint64_t pos     = ch->deque.head.pos;
    const uint64_t seq     = rcv->next_seq - 1;
    const uint64_t records = rcv->passed.records + (seq - rcv->passed.seq);

    rcv->passed.records = records;
    rcv->passed.seq     = seq;
    hpr_memory_move_place(&ch->memory, pos, seq + 1, seq, records);
    atomic_store_explicit(&ch->acknowledged, records, memory_order_release);
    atomic_store_explicit(&ch->passed_seq, seq, memory_order_release); /* seen by who sees the next: can_make_room() */
    return hpr_deque_set_freed(&ch->deque, pos) || seq + 1 >= atomic_load(&ch->dir.removable_seq);
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
