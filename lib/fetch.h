/* SPDX-License-Identifier: MIT */
/* How records come back from beside the ring. Used by the receiver. */
#ifndef HPR_FETCH_H
#define HPR_FETCH_H

#include "channel.h"

/* For the receiver, which has found the ring empty: take over what waits beside it.
 * HOPPER_OK: RCV may have something due or a gap now, or the ring an entry; HOPPER_END: nothing will ever come
 * again. */
hopper_status hpr_fetch_aside(struct hpr_channel *ch, struct hopper_receiver *rcv);

/* For the receiver, which has something due: load the next frame of it, and the gaps before it, into RCV.
 *   HOPPER_OK, or what hpr_replay_next() says is passing */
hopper_status hpr_fetch_due(struct hpr_channel *ch, struct hopper_receiver *rcv);

/* Records of the frame at hand that turn out to be lost only now. */
void hpr_fetch_count_lost(struct hpr_channel *ch, uint64_t records, uint32_t reason);

#endif
