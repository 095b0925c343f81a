/* SPDX-License-Identifier: MIT */
/* Acknowledging, in channels that survive: what the receiver is done with is noted where it survives, and then its room
 * in ring, blocks and files is given back; in this order, so that a kill in between costs nothing. */
#ifndef HPR_SETTLE_H
#define HPR_SETTLE_H

#include "channel.h"

/* A gap is handed out: it is acknowledged with the records around it. */
void hpr_settle_note_gap(struct hopper_receiver *rcv, uint64_t lost, uint32_t reason);

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
