/* SPDX-License-Identifier: MIT */
/*
 * One run of a channel that survives, from open to close or to a crash, with everything it promises put into a ledger.
 * A scenario is a function over it. Nothing here asserts: the first thing that is wrong is kept in life.fault, and
 * every step after it does nothing.
 */
#ifndef TESTS_LIFE_H
#define TESTS_LIFE_H

#include "ledger.h"
#include <hopper/platform.h>

#define LIFE_DIR         "/spool"
#define LIFE_NAME        "q"
#define LIFE_FAULT_BYTES 256
#define LIFE_MESSAGE_MAX 65536

struct life {
    struct ledger *ledger;
    struct hopper_options options; /* with the platform */
    const char *dir;
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_recovery report; /* of the last open */
    bool may_fail;                 /* the device is failing: sends may return HOPPER_EIO, and so on */
    bool may_gap;                  /* and what it cannot read may be a gap */
    void (*step)(void *arg);       /* called after each call of the library has returned and is in the ledger */
    void *step_arg;
    char fault[LIFE_FAULT_BYTES];
};

void life_init(struct life *life, struct ledger *ledger, const struct hopper_options *options,
               const struct hopper_platform *platform);

void life_open(struct life *life);
/* Take all that an earlier run left, as it has to be after a crash. In between it is acknowledged as the options
 * say. */
void life_recover(struct life *life, bool is_power_cut);

void life_send(struct life *life, unsigned count, size_t len); /* one by one */
void life_batch(struct life *life, unsigned count, size_t len);
void life_receive(struct life *life, unsigned count); /* as many as there are, up to COUNT */
void life_receive_batch(struct life *life, unsigned max);
void life_acknowledge(struct life *life);
void life_acknowledge_until(struct life *life, uint64_t seq); /* or to the last one received */
void life_flush(struct life *life);
void life_wait_durable(struct life *life); /* all that was accepted */
void life_close(struct life *life);
void life_books(struct life *life); /* the books are true */

/* For calls that are not here (numbers.c): the send of message COUNTER has returned ST; a call that is in the ledger
 * already has returned; the first fault is kept. */
void life_sent(struct life *life, uint64_t counter, hopper_status st);
void life_step(struct life *life);
#define LIFE_FAIL(life, ...) (void)((life)->fault[0] || snprintf((life)->fault, sizeof(life)->fault, __VA_ARGS__))

/* After a recovery: acknowledge all; sending, receiving and closing work. Then it is closed. */
void life_use(struct life *life);
/* And once more: what was closed is found closed, and empty. */
void life_use_again(struct life *life);

#endif
