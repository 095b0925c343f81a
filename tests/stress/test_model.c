/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a channel beside a plain model of a queue, in one thread: the model is the list of lengths of
 * the records that were accepted and have not come out yet; their bytes follow from their numbers. After each step the
 * two must agree: what comes out is the model's front, nothing comes out only when the model is empty, the books are
 * true, budgets are kept, and views handed out before are unchanged by what was sent since.
 *
 * HOPPER_TEST_STEPS sets how many steps, HOPPER_TEST_SEED repeats a run. In a quarter of the runs the channel has a
 * thread of its own, which the model does not see.
 */
#include "chan.h"
#include "mem_disk.h"
#include "rng.h"
#include "suite.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_DEFAULT  400000
#define STEPS_OF_A_RUN 3000
#define BATCH_MAX      40
#define SENDERS_MAX    4

struct model {
    uint32_t *lens; /* of the records with sequence numbers first to next - 1 */
    size_t room;
    uint64_t first, next;
};

static struct {
    struct chan c;
    struct rng rng;
    struct model model;
    hopper_sender *senders[SENDERS_MAX];
    struct hopper_record views[BATCH_MAX]; /* of the last receive, still valid */
    size_t view_count;
    uint64_t handed_out, acknowledged; /* records, not gaps */
    uint64_t lost;
    uint64_t steps;
    uint64_t spell_left; /* of records of spell_len */
    size_t spell_len;
    bool is_failing; /* a fault plan is armed */
    bool has_failed; /* one was: what could not be cut off a file then takes up disk until the file goes */
    unsigned char *buf;
} w;

/* ---- the model ---- */

static void model_push(uint32_t len)
{
    struct model *m = &w.model;
    size_t count    = (size_t)(m->next - m->first);

    if (count == m->room) {
        uint32_t *lens = mem_must_alloc(m->room * 2 * sizeof *lens);

        for (size_t i = 0; i < count; i++) lens[(m->first + i) % (m->room * 2)] = m->lens[(m->first + i) % m->room];
        free(m->lens);
        m->lens = lens;
        m->room *= 2;
    }
    m->lens[m->next++ % m->room] = len;
}

static unsigned char byte_of(uint64_t seq, uint64_t i)
{
    return (unsigned char)("etaoin shrdlu"[(seq * 7 + i + i / 13) % 13] + (i == 0 ? (int)(seq % 100) : 0));
}

static void fill(unsigned char *buf, uint64_t seq, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) buf[i] = byte_of(seq, i);
}

static bool is_record(const struct hopper_record *rec)
{
    const unsigned char *bytes = rec->data;

    for (uint64_t i = 0; i < rec->len; i++)
        if (bytes[i] != byte_of(rec->seq, i)) return false;
    return true;
}

/* ---- one run ---- */

static void say_where(const char *what)
{
    ck_abort_msg("step %" PRIu64 " (seq %" PRIu64 " to %" PRIu64 "): %s", w.steps, w.model.first, w.model.next, what);
}

static void start(void)
{
    static const uint32_t policies[] = { HOPPER_FULL_BLOCK, HOPPER_FULL_REFUSE, HOPPER_FULL_DROP_NEWEST,
                                         HOPPER_FULL_DROP_OLDEST };

    const bool has_thread = rng_below(&w.rng, 4) == 0; /* a run that the seed does not repeat to the step */

    chan_init_flags(&w.c, has_thread ? 0 : MEM_SINGLE_THREAD);
    w.c.is_tampered              = has_thread; /* files are made while they are counted */
    w.c.options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN + rng_below(&w.rng, 2) * rng_below(&w.rng, 200000);
    w.c.options.disk_bytes       = HOPPER_DISK_BYTES_MIN + rng_below(&w.rng, 2) * rng_below(&w.rng, 500000);
    w.c.options.file_bytes       = rng_between(&w.rng, 4096, 100000);
    w.c.options.record_bytes_max = rng_below(&w.rng, 3) ? 0 : rng_between(&w.rng, 1, 60000);
    w.c.options.when_full        = policies[rng_below(&w.rng, 4)];
    w.c.options.compression      = rng_below(&w.rng, 3) ? HOPPER_COMPRESSION_NONE : (uint32_t)rng_below(&w.rng, 10);
    w.c.options.compress_threads = has_thread;
    w.c.options.decompress_threads =
        has_thread && w.c.options.when_full != HOPPER_FULL_DROP_OLDEST && rng_below(&w.rng, 2);
    if (w.c.options.decompress_threads) w.c.options.memory_bytes += 1 << 20;
    if (rng_below(&w.rng, 4) == 0) { /* with blocks as large as they ever are */
        w.c.options.memory_bytes += 2 << 20;
        w.c.options.disk_bytes += 4 << 20;
        w.c.options.file_bytes *= 10;
    }
    chan_open(&w.c);
    memset(w.senders, 0, sizeof w.senders);
    w.senders[0]  = w.c.snd;
    w.model.first = w.model.next = 1;
    w.view_count                 = 0;
    w.handed_out = w.acknowledged = w.lost = 0;
    w.is_failing = w.has_failed = false;
}

static hopper_sender *some_sender(void)
{
    hopper_sender *snd;

    do snd = w.senders[rng_below(&w.rng, SENDERS_MAX)];
    while (!snd);
    return snd;
}

static uint64_t record_max(void)
{
    struct hopper_stats stats;

    chan_stats(&w.c, &stats);
    return stats.record_bytes_max;
}

/* At times many records of one short length, which stand bare in blocks, with another one now and then. */
static bool is_in_spell(size_t *lenp)
{
    if (w.spell_left == 0 && rng_below(&w.rng, 60) == 0) {
        w.spell_left = rng_between(&w.rng, 100, 3000);
        w.spell_len  = (size_t)rng_between(&w.rng, 1, 70);
    }
    if (w.spell_left == 0) return false;
    w.spell_left--;
    *lenp = w.spell_len;
    return rng_below(&w.rng, 300) > 0;
}

static size_t some_length(void)
{
    size_t len;

    if (is_in_spell(&len) && len <= record_max()) return len;
    switch (rng_below(&w.rng, 12)) {
    case 0: return 0;
    case 1: return (size_t)rng_below(&w.rng, 4);
    case 2: return (size_t)rng_below(&w.rng, 20000);
    case 3: return (size_t)rng_below(&w.rng, record_max() + 2);
    default: return (size_t)rng_below(&w.rng, 1000);
    }
}

/* May a send of LEN end with ST? */
static void judge_send(hopper_status st, size_t len, bool was_empty)
{
    uint32_t policy = w.c.options.when_full;

    switch (st) {
    case HOPPER_OK: return;
    case HOPPER_ETOOBIG:
        if (len <= record_max()) say_where("a record of allowed length was too big");
        return;
    case HOPPER_EFULL:
        if (policy == HOPPER_FULL_DROP_NEWEST) say_where("full, although the newest may be dropped");
        if (was_empty && !w.is_failing) say_where("full, although nothing waits");
        return;
    case HOPPER_ENOSPC:
    case HOPPER_EIO:
        if (!w.is_failing) say_where("a device error without a fault");
        return;
    default: say_where(hopper_status_name(st));
    }
}

static void acknowledge(void)
{
    hopper_acknowledge(w.c.rcv);
    w.acknowledged = w.handed_out;
    w.view_count   = 0;
}

static void step_send(void)
{
    size_t len     = some_length();
    bool was_empty = w.model.first == w.model.next;
    hopper_status st;

    if (was_empty) acknowledge();
    fill(w.buf, w.model.next, len);
    st = hopper_send_until(some_sender(), w.buf, len, HOPPER_NOW);
    judge_send(st, len, was_empty);
    if (st == HOPPER_OK) model_push((uint32_t)len);
}

/* As vectors or, what they are, side by side. */
static void step_send_batch(void)
{
    struct iovec vec[BATCH_MAX];
    size_t offsets[BATCH_MAX + 1] = { 0 };
    size_t count = (size_t)rng_below(&w.rng, BATCH_MAX + 1), accepted, at = 0;
    size_t most = rng_below(&w.rng, 2) ? 2000 : 60;
    hopper_status st;

    for (size_t i = 0; i < count; i++) {
        vec[i].iov_base = w.buf + at;
        if (!is_in_spell(&vec[i].iov_len)) vec[i].iov_len = (size_t)rng_below(&w.rng, most);
        fill(w.buf + at, w.model.next + i, vec[i].iov_len);
        at += vec[i].iov_len;
        offsets[i + 1] = at;
    }
    if (rng_below(&w.rng, 2)) st = hopper_send_batch(some_sender(), vec, count, HOPPER_NOW, &accepted);
    else st = hopper_send_joined(some_sender(), w.buf, offsets, count, HOPPER_NOW, &accepted);
    if (accepted > count || (st == HOPPER_OK) != (accepted == count)) say_where("a batch was not counted right");
    for (size_t i = 0; i < accepted; i++) model_push((uint32_t)vec[i].iov_len);
    if (st != HOPPER_OK) judge_send(st, vec[accepted].iov_len, false);
}

static void take_one(const struct hopper_record *rec)
{
    struct model *m = &w.model;

    if (rec->seq != m->first) say_where("not the sequence number that was due");
    if (m->first == m->next) say_where("something came out of an empty channel");
    if (rec->gap == HOPPER_GAP_NONE) {
        if (rec->len != m->lens[m->first % m->room]) say_where("a record has another length");
        if (!is_record(rec)) say_where("a record has other bytes");
        m->first++;
        w.handed_out++;
        return;
    }
    if (rec->lost == 0 || rec->lost > m->next - m->first) say_where("a gap is larger than what is missing");
    if (!(rec->gap == HOPPER_GAP_DROPPED_NEWEST && w.c.options.when_full == HOPPER_FULL_DROP_NEWEST) &&
        !(rec->gap == HOPPER_GAP_DROPPED_OLDEST && w.c.options.when_full == HOPPER_FULL_DROP_OLDEST))
        say_where("a gap for a reason that there was not");
    m->first += rec->lost;
    w.lost += rec->lost;
}

static void step_receive(size_t max)
{
    hopper_status st;
    size_t count = 0;

    if (max == 1) {
        st    = hopper_receive(w.c.rcv, w.views, HOPPER_NOW);
        count = st == HOPPER_OK;
    } else {
        st = hopper_receive_batch(w.c.rcv, w.views, max, HOPPER_NOW, &count);
    }
    w.acknowledged = w.handed_out;
    w.view_count   = count;
    if (st == HOPPER_EAGAIN && w.model.first != w.model.next) say_where("nothing came out, but something waits");
    if (st != HOPPER_OK && st != HOPPER_EAGAIN) say_where(hopper_status_name(st));
    for (size_t i = 0; i < count; i++) take_one(&w.views[i]);
}

static void check_views(void)
{
    for (size_t i = 0; i < w.view_count; i++)
        if (w.views[i].gap == HOPPER_GAP_NONE && !is_record(&w.views[i])) say_where("a view has changed");
}

static void check_books(void)
{
    struct hopper_stats s;
    struct mem_usage usage;
    uint64_t gaps = 0;

    chan_stats(&w.c, &s);
    for (int i = 0; i < HOPPER_GAP_REASONS; i++) gaps += s.gap_records[i];
    if (s.accepted != s.acknowledged + s.pending_memory + s.pending_disk + gaps) say_where("the books are wrong");
    if (s.pending_memory > s.accepted || s.pending_disk > s.accepted || gaps < w.lost)
        say_where("the books are below zero");
    if (s.accepted != w.model.next - 1 || s.seq_accepted != s.accepted) say_where("another number was accepted");
    if (s.seq_delivered != w.model.first - 1) say_where("another number was delivered");
    if (s.acknowledged != w.acknowledged) say_where("another number was acknowledged");
    if (s.memory_bytes_used > s.memory_bytes || s.disk_bytes_used > s.disk_bytes) say_where("a budget is exceeded");
    if (mem_watch_excess(w.c.mem) > 0) say_where("the disk budget was exceeded");
    mem_usage(w.c.mem, &usage);
    if (!w.c.options.compress_threads && s.disk_bytes_used < usage.disk_bytes)
        say_where("the disk is used more than the books say");
}

static void step_senders(void)
{
    size_t i = (size_t)rng_below(&w.rng, SENDERS_MAX - 1) + 1;

    if (w.senders[i]) {
        hopper_sender_close(w.senders[i]);
        w.senders[i] = NULL;
    } else if (hopper_sender_clone(w.senders[0], &w.senders[i]) == HOPPER_OK) {
        w.c.clones = SENDERS_MAX;
    }
}

/* The disk fails for some steps: reads never, as those would be losses. */
static void step_fault(void)
{
    static const int errors[]    = { ENOSPC, EIO, EMFILE, EDQUOT };
    const struct fault_plan plan = { .kinds      = rng_below(&w.rng, 2)
                                                       ? FAULT_PWRITE | FAULT_ALLOCATE
                                                       : FAULT_PWRITE | FAULT_TRUNCATE | FAULT_CHMOD | FAULT_UNLINK,
                                     .at         = rng_between(&w.rng, 1, 5),
                                     .error      = errors[rng_below(&w.rng, 4)],
                                     .mode       = (enum fault_mode)rng_below(&w.rng, 3),
                                     .heal_after = rng_between(&w.rng, 1, 6) };

    if (w.is_failing) {
        fault_disarm(w.c.fault);
        w.is_failing = false;
    } else {
        fault_arm(w.c.fault, &plan);
        w.is_failing = w.has_failed = true;
    }
}

static void step_flush(void)
{
    hopper_status st = hopper_flush(some_sender());

    if (st != HOPPER_OK && !w.is_failing && !(st == HOPPER_EFULL && w.has_failed)) say_where("flush failed");
}

static void step(bool is_filling)
{
    uint64_t dice = rng_below(&w.rng, 1000);

    if (dice < (is_filling ? 500U : 250U)) step_send();
    else if (dice < (is_filling ? 600U : 300U)) step_send_batch();
    else if (dice < 800) step_receive(1);
    else if (dice < 960) step_receive((size_t)rng_between(&w.rng, 2, BATCH_MAX));
    else if (dice < 975) acknowledge();
    else if (dice < 985) step_flush();
    else if (dice < 995) step_senders();
    else step_fault();
}

/* Close the senders, drain to the end, close the receiver; nothing may be left. */
static void finish(void)
{
    struct hopper_record rec;
    hopper_status st;

    fault_disarm(w.c.fault);
    for (size_t i = 0; i < SENDERS_MAX; i++) hopper_sender_close(w.senders[i]);
    w.c.snd = NULL;
    while ((st = hopper_receive(w.c.rcv, &rec, HOPPER_NOW)) == HOPPER_OK) take_one(&rec);
    w.acknowledged = w.handed_out;
    w.view_count   = 0;
    if (st != HOPPER_END || w.model.first != w.model.next) say_where("the end came too early or not at all");
    check_books();
    chan_close(&w.c);
    chan_free(&w.c);
}

START_TEST(random_operations_agree_with_a_plain_queue)
{
    uint64_t seed = rng_seed("test_model"), steps = env_number("HOPPER_TEST_STEPS", STEPS_DEFAULT), total = 0;

    w.rng.state  = seed;
    w.model.room = 64;
    w.model.lens = mem_must_alloc(w.model.room * sizeof *w.model.lens);
    w.buf        = mem_must_alloc(1 << 20);
    for (w.steps = 0; w.steps < steps;) {
        start();
        for (int i = 0; i < STEPS_OF_A_RUN; i++, w.steps++) {
            step(i / 300 % 2 == 0);
            check_views();
            check_books();
        }
        total += w.model.next - 1;
        finish();
    }
    printf("test_model: %" PRIu64 " steps, %" PRIu64 " records\n", w.steps, total);
    free(w.model.lens);
    free(w.buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model");
    TCase *tc    = tcase_create("model");

    tcase_set_timeout(tc, (double)(60 + env_number("HOPPER_TEST_STEPS", STEPS_DEFAULT) / 2000));
    tcase_add_test(tc, random_operations_agree_with_a_plain_queue);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
