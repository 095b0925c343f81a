/* SPDX-License-Identifier: MIT */
/* See numbers.h. An entry's number is promised once its send has returned or its record has come in a recovery, until a
 * power cut that spares neither. */
#include "numbers.h"

#include "checker.h"
#include <inttypes.h>
#include <stdio.h>

static bool is_over(const struct life *life)
{
    return life->fault[0] != '\0' || !life->snd;
}

/* The highest number that the channel has to know. */
static uint64_t promised(const struct ledger *ledger, unsigned producer)
{
    uint64_t number = 0;

    for (uint64_t i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = &ledger->sent[i];

        if (entry->producer == producer && entry->counts && entry->number > number) number = entry->number;
    }
    return number;
}

/* May the channel say that it accepted this? Else the producer would leave it out, and nobody ever get it. Where
 * records may be lost, a number may survive its record, but only one before the end of what was found. */
static bool is_accepted(const struct life *life, const struct ledger_entry *entry)
{
    const struct ledger *ledger = life->ledger;
    const bool may_lose         = ledger->survive == HOPPER_SURVIVE_CRASH || ledger->sync != HOPPER_SYNC_GROUP;

    if (entry->fate == LEDGER_ACCEPTED || entry->fate == LEDGER_DONE || entry->has_come) return true;
    if (ledger->is_fragile && (entry->fate == LEDGER_MAYBE || entry->fate == LEDGER_GONE))
        return true; /* a recovery has seen it where the device never had it, whether it came out then or not */
    if (entry->came_as > 0 && (ledger->is_fragile || entry->came_as < life->report.seq_first))
        return true; /* and was acknowledged then */
    return may_lose && entry->fate == LEDGER_GONE && entry->seq > 0 && entry->seq < life->report.seq_next;
}

static void check_last(struct life *life, unsigned producer, uint64_t last)
{
    const struct ledger *ledger = life->ledger;
    bool is_known               = last == 0;

    if (last < promised(ledger, producer))
        LIFE_FAIL(life, "producer %u: the last number is %" PRIu64 ", but %" PRIu64 " was accepted", producer, last,
                  promised(ledger, producer));
    for (uint64_t i = 0; i < ledger->count && !is_known; i++)
        is_known = ledger->sent[i].producer == producer && ledger->sent[i].number == last &&
                   is_accepted(life, &ledger->sent[i]);
    if (!is_known) LIFE_FAIL(life, "producer %u: the last number is %" PRIu64 ", which is not there", producer, last);
}

/* PRODUCER sends now; its last number. False: it cannot. */
static bool begin(struct life *life, unsigned producer, uint64_t *lastp)
{
    hopper_status st;

    if (is_over(life)) return false;
    if (life->ledger->producers < producer) life->ledger->producers = producer;
    st = hopper_sender_set_producer(life->snd, 1000 + producer, lastp);
    if (st != HOPPER_OK && !(st == HOPPER_EIO && life->may_fail))
        LIFE_FAIL(life, "set producer: %s", hopper_status_name(st));
    if (st == HOPPER_OK) check_last(life, producer, *lastp);
    life_step(life);
    return st == HOPPER_OK && !is_over(life);
}

void numbers_send(struct life *life, unsigned producer, unsigned count, size_t len)
{
    unsigned char message[LIFE_MESSAGE_MAX];
    uint64_t number = 0;

    if (!begin(life, producer, &number)) return;
    for (unsigned i = 0; i < count && !is_over(life); i++) {
        const uint64_t counter = ledger_add(life->ledger, len);
        hopper_status st;

        number += 1 + counter % 3 / 2; /* they need not follow each other */
        life->ledger->sent[counter].producer = (uint16_t)producer;
        life->ledger->sent[counter].number   = (uint32_t)number;
        checker_fill(message, len, 0, counter);
        st = hopper_send_numbered(life->snd, number, message, len, HOPPER_NOW);
        life_sent(life, counter, st);
    }
}

void numbers_send_again(struct life *life, unsigned producer, unsigned count)
{
    unsigned char message[100];
    uint64_t last = 0;

    if (!begin(life, producer, &last)) return;
    for (uint64_t number = last > count ? last - count + 1 : 1; number <= last && !is_over(life); number++) {
        const uint64_t before = hopper_sender_seq(life->snd), counter = ledger_add(life->ledger, sizeof message);
        hopper_status st;

        life->ledger->sent[counter].fate = LEDGER_NEVER;
        checker_fill(message, sizeof message, 0, counter);
        st = hopper_send_numbered(life->snd, number, message, sizeof message, HOPPER_NOW);
        if (st != HOPPER_OK || hopper_sender_seq(life->snd) != before)
            LIFE_FAIL(life, "producer %u: number %" PRIu64 " again, the last is %" PRIu64 ": %s, seq %" PRIu64,
                      producer, number, last, hopper_status_name(st), hopper_sender_seq(life->snd));
        life_step(life);
    }
}

void numbers_use(struct life *life)
{
    for (unsigned producer = 1; producer <= life->ledger->producers; producer++) {
        numbers_send_again(life, producer, 3);
        numbers_send(life, producer, 1, 60);
        if (!is_over(life) && life->ledger->sent[life->ledger->count - 1].fate != LEDGER_ACCEPTED)
            LIFE_FAIL(life, "producer %u: the next number is not accepted", producer);
    }
}

static bool is_delivered(const struct ledger_entry *entry)
{
    return entry->has_come || (entry->fate == LEDGER_DONE && entry->counts);
}

static void check_once(struct life *life, uint64_t i)
{
    const struct ledger_entry *sent = life->ledger->sent;

    for (uint64_t k = 0; k < i; k++)
        if (sent[k].producer == sent[i].producer && sent[k].number == sent[i].number && is_delivered(&sent[k]))
            LIFE_FAIL(life, "producer %u: number %u came as message %" PRIu64 " and as %" PRIu64, sent[i].producer,
                      sent[i].number, k, i);
}

void numbers_recovered(struct life *life, uint64_t must_upto)
{
    if (life->ledger->producers == 0) return;
    for (uint64_t i = 0; i < life->ledger->count; i++) {
        struct ledger_entry *entry = &life->ledger->sent[i];

        if (entry->producer == 0) continue;
        if (entry->has_come) {
            entry->counts = 1;
            check_once(life, i);
        } else if ((entry->seq > 0 ? entry->seq : entry->came_as) > must_upto) {
            entry->counts = 0;
        }
    }
}
