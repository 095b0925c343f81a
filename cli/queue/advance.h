/* SPDX-License-Identifier: MIT */
/* Acknowledging for a receiver that is not there: how far it has come, noted where the library will look for it. */
#ifndef QUEUE_ADVANCE_H
#define QUEUE_ADVANCE_H

#include "place.h"

/* What is behind the receiver when all up to SEQ is acknowledged, counted from what is in PLACE. False: no memory,
 * said. */
bool advance_count(const struct place *place, uint64_t seq, struct hpr_passed *passed);

/* Note PASSED: in MEMORY, when that counts, and then in STATE, where the next record is at least NEXT_SEQ and
 * DROPPED_TOTAL were dropped below it. A negated errno (said) or 0. A stop between the two is harmless: MEMORY
 * counts. */
int advance_write(const struct place *place, const struct hpr_passed *passed, uint64_t next_seq,
                  uint64_t dropped_total);

#endif
