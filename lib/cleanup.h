/* SPDX-License-Identifier: MIT */
/* Queue files that the receiver is done with are removed: by it, or, as that takes long for a large file, by the thread
 * that reads ahead where there is one. */
#ifndef HPR_CLEANUP_H
#define HPR_CLEANUP_H

#include "channel.h"

/* By the receiver, with `back` held, which may be dropped meanwhile: all below NUMBER is done with, the stream begins at
 * STREAM_OFFSET then (0: not known); or all there is, nobody being the writer. */
void hpr_cleanup_below_locked(struct hpr_channel *ch, uint64_t number, uint64_t stream_offset);
void hpr_cleanup_all_locked(struct hpr_channel *ch);

/* The chore of the thread that reads ahead; CTX: the channel. */
void hpr_cleanup_run(void *ctx);

#endif
