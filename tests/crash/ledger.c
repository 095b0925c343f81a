/* SPDX-License-Identifier: MIT */
/* The books of the crash tests, kept apart from the library's: a plain array. */
#include "ledger.h"

#include "checker.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ledger_init(struct ledger *ledger, const struct hopper_options *options)
{
    memset(ledger, 0, sizeof *ledger);
    ledger->survive = options->survive;
    ledger->sync    = options->sync;
    ledger->cap     = UINT64_MAX;
}

static void reserve(struct ledger *ledger, uint64_t room)
{
    if (room <= ledger->room) return;
    ledger->room = room + 64;
    ledger->sent = realloc(ledger->sent, ledger->room * sizeof *ledger->sent);
    if (!ledger->sent) abort();
}

void ledger_copy(struct ledger *to, const struct ledger *from)
{
    *to      = *from;
    to->sent = NULL;
    to->room = 0;
    reserve(to, from->count);
    if (from->count > 0) memcpy(to->sent, from->sent, from->count * sizeof *to->sent);
}

void ledger_fini(struct ledger *ledger)
{
    free(ledger->sent);
    ledger->sent = NULL;
}

uint64_t ledger_add(struct ledger *ledger, size_t len)
{
    reserve(ledger, ledger->count + 1);
    ledger->sent[ledger->count] = (struct ledger_entry){ .len = (uint32_t)len };
    return ledger->count++;
}

uint64_t ledger_hash(const struct ledger *ledger)
{
    const uint64_t words[] = { ledger->acked,   ledger->acking, ledger->acked_durable,
                               ledger->durable, ledger->count,  ledger->is_closed };
    uint64_t hash          = ledger->survive;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 31;
    }
    if (ledger->count > 0) hash ^= (uint64_t)ledger->sent[ledger->count - 1].fate << 60;
    return hash;
}

/* ---- the judge ---- */

#define FAULT_BYTES      256
#define FAIL(judge, ...) (snprintf((judge)->fault, FAULT_BYTES, __VA_ARGS__), false)

/* With HOPPER_SYNC_GROUP all that was accepted is on the device. */
void ledger_killed(struct ledger *ledger)
{
    uint64_t upto = ledger->durable;

    if (!ledger->has_failed) return;
    for (uint64_t i = 0; i < ledger->count && ledger->sync == HOPPER_SYNC_GROUP; i++)
        if (ledger->sent[i].fate == LEDGER_ACCEPTED) upto = ledger->sent[i].seq > upto ? ledger->sent[i].seq : upto;
    ledger->fragile    = ledger->is_fragile && ledger->fragile < upto ? ledger->fragile : upto;
    ledger->is_fragile = true;
}

void ledger_power_cut(struct ledger *ledger)
{
    uint64_t upto = UINT64_MAX;

    ledger->is_cut = true;
    if (ledger->acked > ledger->acked_durable) ledger->acked = ledger->acked_durable;
    if (ledger->is_closed) return;
    if (ledger->survive == HOPPER_SURVIVE_CRASH) upto = 0;
    else if (ledger->sync != HOPPER_SYNC_GROUP) upto = ledger->durable;
    if (ledger->is_fragile && ledger->fragile < upto) upto = ledger->fragile;
    if (upto < ledger->cap) ledger->cap = upto;
}

void judge_begin(struct judge *judge, struct ledger *ledger, bool is_power_cut, uint64_t first_seq, char *fault)
{
    *judge   = (struct judge){ .ledger       = ledger,
                               .is_power_cut = is_power_cut,
                               .must_upto    = ledger->cap,
                               .excused      = ledger->acking,
                               .first_seq    = first_seq,
                               .next_seq     = first_seq,
                               .fault        = fault };
    fault[0] = '\0';
    for (uint64_t i = 0; i < ledger->count; i++) ledger->sent[i].has_come = 0;
    if (first_seq <= ledger->acked)
        (void)FAIL(judge, "begins again at %" PRIu64 ", acknowledged %s to %" PRIu64, first_seq,
                   is_power_cut ? "for good" : "before the kill", ledger->acked);
}

/* A gap that an earlier recovery has handed out already, as one or as several. */
static bool is_known(const struct ledger *ledger, const struct hopper_record *rec)
{
    uint64_t seq = rec->seq;
    unsigned i   = 0;

    while (i < ledger->gaps_count && seq < rec->seq + rec->lost) {
        if (seq >= ledger->gaps[i].from && seq <= ledger->gaps[i].to) {
            seq = ledger->gaps[i].to + 1;
            i   = 0;
        } else {
            i++;
        }
    }
    return seq >= rec->seq + rec->lost;
}

static void remember(struct ledger *ledger, const struct hopper_record *rec)
{
    const unsigned i = ledger->gaps_count < LEDGER_GAPS_MAX ? ledger->gaps_count++ : LEDGER_GAPS_MAX - 1;

    ledger->gaps[i].from = rec->seq;
    ledger->gaps[i].to   = rec->seq + rec->lost - 1;
}

/* A gap for what was being written when the power was cut, with whole frames behind it: two frames that were not synced
 * reached the device in the other order. Or for what a failing device did not let the channel take back. Nothing in it
 * was promised. */
static bool is_torn(const struct judge *judge, const struct hopper_record *rec)
{
    for (uint64_t i = 0; i < judge->ledger->count; i++)
        if (judge->ledger->sent[i].fate == LEDGER_ACCEPTED && judge->ledger->sent[i].seq >= rec->seq) return false;
    return judge->ledger->is_cut || judge->ledger->has_failed;
}

static bool take_gap(struct judge *judge, const struct hopper_record *rec)
{
    const struct ledger *ledger = judge->ledger;
    const uint64_t end          = rec->seq + rec->lost;

    if (rec->data || rec->lost == 0 || rec->gap >= HOPPER_GAP_REASONS)
        return FAIL(judge, "seq %" PRIu64 ": a gap of %" PRIu64 " for reason %u", rec->seq, rec->lost, rec->gap);
    for (uint64_t i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = &ledger->sent[i];

        if (entry->fate == LEDGER_ACCEPTED && entry->seq >= rec->seq && entry->seq < end &&
            entry->seq <= judge->must_upto)
            return FAIL(judge, "seq %" PRIu64 ": a gap (%s, %" PRIu64 " from %" PRIu64 ") instead of a promised record",
                        entry->seq, hopper_gap_name(rec->gap), rec->lost, rec->seq);
    }
    judge->next_seq = end;
    judge->lost += rec->lost;
    if (is_known(ledger, rec)) return true;
    judge->in_doubt = rec->gap != HOPPER_GAP_DROPPED_NEWEST && judge->must_upto == UINT64_MAX;
    if (judge->in_doubt && !is_torn(judge, rec))
        return FAIL(judge, "seq %" PRIu64 ": a gap (%s, %" PRIu64 ") where nothing may be lost", rec->seq,
                    hopper_gap_name(rec->gap), rec->lost);
    if (rec->gap != HOPPER_GAP_DROPPED_NEWEST) remember(judge->ledger, rec);
    return true;
}

static bool take_record(struct judge *judge, const struct hopper_record *rec)
{
    struct ledger_entry *entry;
    unsigned producer = 0;
    uint64_t counter  = 0;

    if (!checker_read(rec->data, rec->len, &producer, &counter) || producer != 0 || counter >= judge->ledger->count)
        return FAIL(judge, "seq %" PRIu64 ": %" PRIu64 " bytes that nobody sent", rec->seq, rec->len);
    entry = &judge->ledger->sent[counter];
    if (entry->len != rec->len || entry->fate == LEDGER_NEVER || entry->fate == LEDGER_DROPPED)
        return FAIL(judge, "seq %" PRIu64 ": message %" PRIu64 " must not come (fate %u)", rec->seq, counter,
                    entry->fate);
    if (entry->fate == LEDGER_GONE && !judge->ledger->is_cut)
        return FAIL(judge, "seq %" PRIu64 ": message %" PRIu64 " comes, which was gone", rec->seq, counter);
    if (counter < judge->next_counter)
        return FAIL(judge, "seq %" PRIu64 ": message %" PRIu64 " came after %" PRIu64, rec->seq, counter,
                    judge->next_counter - 1);
    if ((entry->fate == LEDGER_ACCEPTED || entry->fate == LEDGER_DONE) && entry->seq != rec->seq)
        return FAIL(judge, "message %" PRIu64 " was accepted as %" PRIu64 " and comes as %" PRIu64, counter, entry->seq,
                    rec->seq);
    if (!(rec->flags & HOPPER_RECORD_REDELIVERED))
        return FAIL(judge, "seq %" PRIu64 ": accepted by an earlier run and not marked", rec->seq);
    for (uint64_t i = judge->next_counter; i < counter; i++)
        if (judge->ledger->sent[i].fate == LEDGER_MAYBE) judge->ledger->sent[i].fate = LEDGER_GONE;
    if (entry->fate != LEDGER_MAYBE || !judge->ledger->has_failed || judge->ledger->is_cut) {
        entry->fate = LEDGER_ACCEPTED; /* what a recovery has handed out has to stay */
        entry->seq  = rec->seq;
    }
    entry->has_come     = 1;
    entry->came_as      = rec->seq;
    judge->in_doubt     = false;
    judge->next_counter = counter + 1;
    judge->next_seq     = rec->seq + 1;
    judge->records++;
    return true;
}

bool judge_take(struct judge *judge, const struct hopper_record *rec)
{
    if (judge->fault[0]) return false;
    if (rec->seq != judge->next_seq)
        return FAIL(judge, "seq %" PRIu64 " where %" PRIu64 " was due", rec->seq, judge->next_seq);
    return rec->gap != HOPPER_GAP_NONE ? take_gap(judge, rec) : take_record(judge, rec);
}

bool judge_end(struct judge *judge)
{
    struct ledger *ledger = judge->ledger;

    if (judge->fault[0]) return false;
    if (judge->in_doubt && !ledger->has_failed)
        return FAIL(judge, "a gap of %" PRIu64 " to %" PRIu64 ", the last thing, stands for nothing that was promised",
                    judge->lost, judge->next_seq - 1);
    for (uint64_t i = 0; i < ledger->count; i++) {
        struct ledger_entry *entry = &ledger->sent[i];

        if (entry->fate == LEDGER_MAYBE && !entry->has_come) entry->fate = LEDGER_GONE;
        if (entry->fate != LEDGER_ACCEPTED || entry->has_come) continue;
        if (entry->seq <= judge->must_upto && entry->seq > judge->excused)
            return FAIL(judge,
                        "message %" PRIu64 " (seq %" PRIu64 ") was promised and is missing; came: %" PRIu64
                        " to %" PRIu64 ", acknowledged: %" PRIu64,
                        i, entry->seq, judge->first_seq, judge->next_seq - 1, judge->excused);
        entry->fate = entry->seq <= judge->excused ? LEDGER_DONE : LEDGER_GONE;
    }
    ledger->cap    = UINT64_MAX;
    ledger->is_cut = false;
    return true;
}
