/* SPDX-License-Identifier: MIT */
/* Producers that number their records: what the files that are about to be removed say of them is kept in PRODUCERS, so
 * that a producer that sends again is known. docs/format.md. */
#ifndef QUEUE_KEEP_NUMBERS_H
#define QUEUE_KEEP_NUMBERS_H

#include "place.h"

/* Note the numbers of all records up to SEQ, before any of them goes. A negated errno (said) or 0. */
int keep_numbers(const struct place *place, uint64_t seq);

#endif
