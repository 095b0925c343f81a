/* SPDX-License-Identifier: MIT */
/* The thread of options.compress_threads: it compresses and writes blocks before a sender has to. One for a channel. */
#ifndef HPR_PACKER_H
#define HPR_PACKER_H

#include "spill.h"

/* Start the thread, which does nothing yet, for a channel with BLOCKS blocks. HOPPER_ENOMEM: it could not be had. */
hopper_status hpr_packer_open(struct hpr_spill *sp, size_t blocks, struct hopper_error *err);

/* The channel is there: let the thread work. Nothing where there is none. */
void hpr_packer_begin(struct hpr_spill *sp);

/* End the thread, and wait for what it is at: a block, and what is ready to be written behind it. Nothing where there
 * is none. `back` is not held. */
void hpr_packer_close(struct hpr_spill *sp);

#endif
