/* SPDX-License-Identifier: MIT */
/* A channel that survives takes over what was found in its directory; part of opening it. */
#ifndef HPR_RESTORE_H
#define HPR_RESTORE_H

#include "channel.h"
#include "recover.h"

/* CH and RCV are made and empty. Ring and blocks are filled from the earlier run's MEMORY, the rest is counted, the new
 * MEMORY and STATE are put in place. On failure the directory is as it was found. Results: hopper_open(). */
hopper_status hpr_restore(struct hpr_channel *ch, struct hopper_receiver *rcv, const struct hpr_found *found,
                          struct hopper_error *err);

#endif
