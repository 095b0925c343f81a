/* SPDX-License-Identifier: MIT */
/* Calls of the library, each with its entries in the ledger: what may be true before it, what is promised after it. */
#include "life.h"

#include "checker.h"
#include "items.h"
#include "numbers.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FAIL LIFE_FAIL

void life_init(struct life *life, struct ledger *ledger, const struct hopper_options *options,
               const struct hopper_platform *platform)
{
    memset(life, 0, sizeof *life);
    life->ledger           = ledger;
    life->options          = *options;
    life->options.platform = platform;
    life->dir              = LIFE_DIR;
}

static bool is_over(const struct life *life)
{
    return life->fault[0] != '\0' || !life->snd;
}

void life_step(struct life *life)
{
    if (life->step && !life->fault[0]) life->step(life->step_arg);
}

/* ---- opening and closing ---- */

void life_open(struct life *life)
{
    struct hopper_error err;
    hopper_status st;
    char text[160];

    if (life->fault[0]) return;
    life->snd = NULL;
    life->rcv = NULL;
    if (life->options.survive == HOPPER_SURVIVE_CRASH)
        life->ledger->is_closed = false; /* what was closed is open again */
    st = hopper_open(life->dir, LIFE_NAME, &life->options, &life->snd, &life->rcv, &err);
    if (st != HOPPER_OK) {
        hopper_error_format(&err, text, sizeof text);
        if (!life->may_fail) FAIL(life, "open: %s: %s", hopper_status_name(st), text);
        life->snd = NULL;
        life->rcv = NULL;
        return;
    }
    life->report           = (struct hopper_recovery)HOPPER_RECOVERY_INIT;
    life->ledger->received = 0;
    if (hopper_recovery_report(life->rcv, &life->report) != HOPPER_OK) FAIL(life, "no recovery report");
    if (life->report.seq_next < life->report.seq_first ||
        life->report.records != life->report.seq_next - life->report.seq_first)
        FAIL(life, "report: %" PRIu64 " records from %" PRIu64 " to %" PRIu64, life->report.records,
             life->report.seq_first, life->report.seq_next);
    life->ledger->is_closed = false;
    life->ledger->durable   = hopper_durable_seq(life->snd);
    life_step(life);
}

void life_close(struct life *life)
{
    struct ledger *ledger = life->ledger;

    if (!life->snd) return;
    if (life->options.acknowledge == HOPPER_ACKNOWLEDGE_AUTO && ledger->received > ledger->acking)
        ledger->acking = ledger->received;
    hopper_sender_close(life->snd);
    hopper_receiver_close(life->rcv);
    life->snd = NULL;
    life->rcv = NULL;
    if (life->may_fail) return;
    ledger->acked = ledger->acked_durable = ledger->acking;
    ledger->is_closed                     = true;
    life_step(life);
}

/* ---- sending ---- */

static bool is_dropped(struct life *life, uint64_t *droppedp)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    uint64_t before           = *droppedp;

    (void)hopper_sender_stats(life->snd, &stats);
    *droppedp = stats.gap_records[HOPPER_GAP_DROPPED_NEWEST];
    return *droppedp > before;
}

static void accepted(struct life *life, uint64_t counter, uint64_t seq, bool dropped)
{
    struct ledger_entry *entry = &life->ledger->sent[counter];

    entry->seq    = seq;
    entry->fate   = dropped ? LEDGER_DROPPED : LEDGER_ACCEPTED;
    entry->counts = entry->producer > 0;
}

/* A send that returned ST did not take the message. */
static void not_accepted(struct life *life, uint64_t counter, hopper_status st)
{
    if (st == HOPPER_EIO) life->ledger->has_failed = true;
    if (st == HOPPER_EFULL || st == HOPPER_ENOSPC) life->ledger->sent[counter].fate = LEDGER_NEVER;
    else if (st != HOPPER_EIO || !life->may_fail)
        FAIL(life, "send of message %" PRIu64 ": %s, errno %d", counter, hopper_status_name(st),
             hopper_sender_error(life->snd)->sys_errno);
}

void life_sent(struct life *life, uint64_t counter, hopper_status st)
{
    if (st == HOPPER_OK) accepted(life, counter, hopper_sender_seq(life->snd), false);
    else not_accepted(life, counter, st);
    life->ledger->durable = hopper_durable_seq(life->snd);
    life_step(life);
}

/* The bytes themselves, or an item that holds them. */
static hopper_status send_message(struct life *life, const void *message, size_t len)
{
    void *item;
    hopper_status st;

    if (!life->options.item_type) return hopper_send(life->snd, message, len);
    item = items_new(message, len);
    st   = hopper_send_item(life->snd, item, HOPPER_NOW);
    if (st != HOPPER_OK) items_free(item);
    return st;
}

void life_send(struct life *life, unsigned count, size_t len)
{
    unsigned char message[LIFE_MESSAGE_MAX];
    uint64_t dropped = 0;

    for (unsigned i = 0; i < count && !is_over(life); i++) {
        bool drops       = life->options.when_full == HOPPER_FULL_DROP_NEWEST;
        uint64_t counter = ledger_add(life->ledger, len);
        hopper_status st;

        checker_fill(message, len, 0, counter);
        if (drops) (void)is_dropped(life, &dropped);
        st = send_message(life, message, len);
        if (st == HOPPER_OK) accepted(life, counter, hopper_sender_seq(life->snd), drops && is_dropped(life, &dropped));
        else not_accepted(life, counter, st);
        life->ledger->durable = hopper_durable_seq(life->snd);
        life_step(life);
    }
}

#define BATCH_MAX 64

void life_batch(struct life *life, unsigned count, size_t len)
{
    static _Thread_local unsigned char messages[BATCH_MAX][LIFE_MESSAGE_MAX / 8];
    struct iovec records[BATCH_MAX];
    uint64_t first;
    size_t taken = 0;
    hopper_status st;

    if (is_over(life) || count > BATCH_MAX || len > sizeof messages[0]) return;
    if (life->options.item_type) { /* there are no batches of them */
        life_send(life, count, len);
        return;
    }
    first = life->ledger->count;
    for (unsigned i = 0; i < count; i++) {
        checker_fill(messages[i], len, 0, ledger_add(life->ledger, len));
        records[i] = (struct iovec){ messages[i], len };
    }
    st = hopper_send_batch(life->snd, records, count, HOPPER_NOW, &taken);
    for (unsigned i = 0; i < taken; i++) accepted(life, first + i, hopper_sender_seq(life->snd) - taken + 1 + i, false);
    for (uint64_t i = first + taken; i < first + count; i++) not_accepted(life, i, st);
    life->ledger->durable = hopper_durable_seq(life->snd);
    life_step(life);
}

void life_flush(struct life *life)
{
    hopper_status st;

    if (is_over(life)) return;
    st = hopper_flush(life->snd);
    if (st != HOPPER_OK && st != HOPPER_EFULL && !((st == HOPPER_EIO || st == HOPPER_ENOSPC) && life->may_fail))
        FAIL(life, "flush: %s", hopper_status_name(st));
    life_step(life);
}

void life_wait_durable(struct life *life)
{
    uint64_t seq;
    hopper_status st;

    if (is_over(life) || (seq = hopper_sender_seq(life->snd)) == 0) return;
    st = hopper_wait_durable(life->snd, seq, HOPPER_FOREVER);
    if (st != HOPPER_OK && !((st == HOPPER_EIO || st == HOPPER_ENOSPC) && life->may_fail))
        FAIL(life, "wait: %s", hopper_status_name(st));
    if (st == HOPPER_OK && hopper_durable_seq(life->snd) < seq)
        FAIL(life, "durable to %" PRIu64 " after waiting for %" PRIu64, hopper_durable_seq(life->snd), seq);
    life->ledger->durable = hopper_durable_seq(life->snd);
    life_step(life);
}

/* ---- receiving ---- */

/* On a failing device the position may not have been written: then it is promised with the next one. */
static void acknowledged(struct life *life)
{
    if (life->may_fail && life->options.survive == HOPPER_SURVIVE_POWER_LOSS) return;
    if (life->ledger->acking > life->ledger->acked) life->ledger->acked = life->ledger->acking;
}

static void coming_back(struct life *life)
{
    if (life->options.acknowledge == HOPPER_ACKNOWLEDGE_AUTO && life->ledger->received > life->ledger->acking)
        life->ledger->acking = life->ledger->received;
}

/* REC as bytes. An item has to be let go of behind it. */
static struct hopper_record look_at(const struct life *life, const struct hopper_record *rec)
{
    return life->options.item_type ? items_look_into(rec) : *rec;
}

static void let_go(const struct life *life, const struct hopper_record *rec)
{
    if (life->options.item_type && !rec->gap) items_free((void *)(uintptr_t)rec->data);
}

/* A record in the middle of a run: one that was sent, in its place. */
static void check_bytes(struct life *life, const struct hopper_record *rec)
{
    const struct ledger_entry *entry;
    unsigned producer = 0;
    uint64_t counter = 0, end = rec->gap ? rec->seq + rec->lost - 1 : rec->seq;

    if (life->ledger->received > 0 && rec->seq != life->ledger->received + 1)
        FAIL(life, "received seq %" PRIu64 " after %" PRIu64, rec->seq, life->ledger->received);
    life->ledger->received = end;
    if (rec->gap) {
        if (life->may_gap && rec->gap >= HOPPER_GAP_CORRUPT) return;
        if (rec->gap != HOPPER_GAP_DROPPED_NEWEST || life->options.when_full != HOPPER_FULL_DROP_NEWEST)
            FAIL(life, "received a gap (%s, %" PRIu64 ") at %" PRIu64, hopper_gap_name(rec->gap), rec->lost, rec->seq);
        return;
    }
    if (!checker_read(rec->data, rec->len, &producer, &counter) || counter >= life->ledger->count) {
        FAIL(life, "received seq %" PRIu64 ": bytes that nobody sent", rec->seq);
        return;
    }
    entry = &life->ledger->sent[counter];
    if (entry->fate != LEDGER_ACCEPTED || entry->seq != rec->seq)
        FAIL(life, "received message %" PRIu64 " as %" PRIu64 ", accepted as %" PRIu64 " (fate %u)", counter, rec->seq,
             entry->seq, entry->fate);
}

static void check_record(struct life *life, const struct hopper_record *rec)
{
    const struct hopper_record seen = look_at(life, rec);

    check_bytes(life, &seen);
    let_go(life, rec);
}

void life_receive(struct life *life, unsigned count)
{
    struct hopper_record rec;
    hopper_status st = HOPPER_OK;

    while (count-- > 0 && st == HOPPER_OK && !is_over(life)) {
        coming_back(life);
        st = hopper_receive(life->rcv, &rec, HOPPER_NOW);
        acknowledged(life);
        if (st == HOPPER_OK) check_record(life, &rec);
        else if (st != HOPPER_EAGAIN && !(st == HOPPER_EIO && life->may_fail))
            FAIL(life, "receive: %s", hopper_status_name(st));
        life_step(life);
    }
}

void life_receive_batch(struct life *life, unsigned max)
{
    struct hopper_record recs[BATCH_MAX];
    size_t count = 0;
    hopper_status st;

    if (is_over(life)) return;
    coming_back(life);
    st = hopper_receive_batch(life->rcv, recs, max < BATCH_MAX ? max : BATCH_MAX, HOPPER_NOW, &count);
    acknowledged(life);
    for (size_t i = 0; i < count; i++) check_record(life, &recs[i]);
    if (st != HOPPER_OK && st != HOPPER_EAGAIN && !(st == HOPPER_EIO && life->may_fail))
        FAIL(life, "receive: %s", hopper_status_name(st));
    life_step(life);
}

void life_acknowledge(struct life *life)
{
    if (is_over(life)) return;
    if (life->ledger->received > life->ledger->acking) life->ledger->acking = life->ledger->received;
    hopper_acknowledge(life->rcv);
    acknowledged(life);
    life_step(life);
}

void life_acknowledge_until(struct life *life, uint64_t seq)
{
    hopper_status st;

    if (is_over(life)) return;
    if (seq > life->ledger->received) seq = life->ledger->received; /* a batch may have been shorter than asked for */
    if (seq > life->ledger->acking) life->ledger->acking = seq;
    st = hopper_acknowledge_until(life->rcv, seq);
    acknowledged(life);
    if (st != HOPPER_OK) FAIL(life, "acknowledge until %" PRIu64 ": %s", seq, hopper_status_name(st));
    life_step(life);
}

/* ---- recovery ---- */

#define RECORDS_MAX 100000U /* more, and recovery does not end */

void life_recover(struct life *life, bool is_power_cut)
{
    struct ledger *ledger = life->ledger;
    struct hopper_record rec, seen;
    struct judge judge;
    hopper_status st = HOPPER_OK;

    if (is_power_cut) ledger_power_cut(ledger);
    else ledger_killed(ledger);
    life_open(life);
    if (is_over(life)) return;
    judge_begin(&judge, ledger, is_power_cut, life->report.seq_first, life->fault);
    ledger->acked = ledger->acking = life->report.seq_first - 1; /* as the run that has begun knows it */
    for (unsigned i = 0; i < RECORDS_MAX && !life->fault[0]; i++) {
        coming_back(life);
        st = hopper_receive(life->rcv, &rec, HOPPER_NOW);
        acknowledged(life);
        if (st != HOPPER_OK) break;
        seen = look_at(life, &rec);
        (void)judge_take(&judge, &seen);
        let_go(life, &rec);
        ledger->received = judge.next_seq - 1;
    }
    if (life->fault[0]) return;
    if (st != HOPPER_EAGAIN) FAIL(life, "recovery: receive: %s", hopper_status_name(st));
    if (judge.next_seq != life->report.seq_next)
        FAIL(life, "recovery: received to %" PRIu64 ", the report says next is %" PRIu64, judge.next_seq - 1,
             life->report.seq_next);
    (void)judge_end(&judge);
    numbers_recovered(life, judge.must_upto);
    life_step(life);
}

void life_books(struct life *life)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    uint64_t sum;

    if (is_over(life)) return;
    (void)hopper_sender_stats(life->snd, &stats);
    sum = stats.acknowledged + stats.pending_memory + stats.pending_disk;
    for (int i = 0; i < HOPPER_GAP_SLOTS; i++) sum += stats.gap_records[i];
    if (sum != stats.accepted)
        FAIL(life,
             "books: %" PRIu64 " accepted, but %" PRIu64 " acknowledged, %" PRIu64 " in memory, %" PRIu64
             " on disk, %" PRIu64 " with gaps in all",
             stats.accepted, stats.acknowledged, stats.pending_memory, stats.pending_disk, sum);
}

static void say_full(struct life *life, uint64_t which)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    if (is_over(life)) return;
    (void)hopper_sender_stats(life->snd, &stats);
    FAIL(life,
         "after recovery, all acknowledged, send %" PRIu64 " is not accepted: %" PRIu64 " of %" PRIu64 " in %" PRIu64
         " files, memory %" PRIu64 " of %" PRIu64 ", pending %" PRIu64 " and %" PRIu64,
         which, stats.disk_bytes_used, stats.disk_bytes, stats.disk_files, stats.memory_bytes_used, stats.memory_bytes,
         stats.pending_memory, stats.pending_disk);
}

void life_use(struct life *life)
{
    struct ledger *ledger = life->ledger;
    uint64_t before;

    life_acknowledge(life);
    life_books(life);
    before = ledger->count;
    life_send(life, 2, 100);
    life_send(life, 1, 700);
    for (uint64_t i = before; i < ledger->count; i++)
        if (ledger->sent[i].fate != LEDGER_ACCEPTED) say_full(life, i - before);
    numbers_use(life);
    life_receive(life, 10);
    if (!life->fault[0] && ledger->received != ledger->sent[ledger->count - 1].seq)
        FAIL(life, "after recovery sent to %" PRIu64 ", received to %" PRIu64, ledger->sent[ledger->count - 1].seq,
             ledger->received);
    life_books(life);
    life_acknowledge(life);
    life_close(life);
}

void life_use_again(struct life *life)
{
    life_open(life);
    if (!life->report.was_closed || life->report.records != 0)
        FAIL(life, "closed and opened again: closed %" PRIu64 ", %" PRIu64 " records", life->report.was_closed,
             life->report.records);
    life_receive(life, 1);
    if (life->ledger->received != 0) FAIL(life, "closed and opened again: a record comes");
    life_close(life);
}
