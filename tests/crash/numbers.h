/* SPDX-License-Identifier: MIT */
/*
 * Producers that number their records, in the life of a channel: what they send is in the ledger with its number, and
 * what hopper_sender_set_producer() says is held against it. docs/durability.md, O7.
 */
#ifndef TESTS_NUMBERS_H
#define TESTS_NUMBERS_H

#include "life.h"

#define NUMBERS_PRODUCERS 2U

/* COUNT messages of LEN bytes of PRODUCER (1, 2), each under a number behind the last one that the channel knows. */
void numbers_send(struct life *life, unsigned producer, unsigned count, size_t len);

/* As a producer after a crash: the last COUNT numbers that the channel knows once more, with other contents, which must
 * never come. */
void numbers_send_again(struct life *life, unsigned producer, unsigned count);

/* All producers that the ledger knows: is it told the right number, are old ones refused, is a new one taken? */
void numbers_use(struct life *life);

/* A recovery has been judged: what is promised of numbers from now on, and no number came twice. MUST_UPTO: the
 * judge's. */
void numbers_recovered(struct life *life, uint64_t must_upto);

#endif
