/* SPDX-License-Identifier: MIT */
/* The judge of a rig: knows what was sent and what came, and what must follow. Used by rig.c. */
#ifndef SCHED_RIG_JUDGE_H
#define SCHED_RIG_JUDGE_H

#include "rig.h"

/* A run begins. */
void judge_start(void);

/* Write the next message of S, LEN bytes, to AT, and note that its send begins; what came of it, by the number
 * returned. */
unsigned judge_send_begins(struct rig_sender *s, unsigned char *at, size_t len);
void judge_send_ends(unsigned index, hopper_status st);

/* COUNT records or gaps were received; their views are looked at again when they end. */
void judge_take(const struct hopper_record *recs, size_t count);
void judge_views_end(void);

/* At the end: the order of all that came; and the books, MEMORY_EXPECTED bytes being in use when nothing is waiting. */
void judge_order(void);
void judge_final_books(uint64_t memory_expected);

#endif
