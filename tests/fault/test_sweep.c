/* SPDX-License-Identifier: MIT */
/*
 * Every call that a scenario makes is failed in turn: k = 1, 2, ... until a run has no fault any more; with each errno
 * that such a call can give, once, for ever, and for some calls and then no more; reads and writes also short; and
 * allocations. After each run, whatever happened in it:
 *   - a send that was not accepted has said why, a receive that failed has lost nothing
 *   - what was accepted comes out, in order, whole, once; only where the device could not read is there a gap, which
 *     counts exactly
 *   - the books are true, the disk budget was never exceeded
 *   - when the fault is gone the channel works again, and so does a new one in the same directory
 *   - nothing is left allocated, mapped or open
 */
#include "chan.h"

#include "suite.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CALLS_MAX 5000 /* more in one run, and the scenario has lost its way */

struct scenario {
    const char *name;
    void (*set)(struct hopper_options *options);
    void (*run)(struct chan *c); /* with faults: no result is asserted */
};

struct total {
    uint64_t runs, hits;
    char where[200]; /* the run at hand, "" after the last */
};

static struct total *total; /* shared with the child that a test runs in, so that it can be said where it ended */

static void share_total(void)
{
    total = mmap(NULL, sizeof *total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (total == MAP_FAILED) abort();
}

static void say_where(void)
{
    if (total->where[0]) fprintf(stderr, "test_sweep: a test ended in %s\n", total->where);
    printf("test_sweep: %" PRIu64 " runs, %" PRIu64 " with a fault\n", total->runs, total->hits);
    munmap(total, sizeof *total);
}

/* ---- steps that tolerate anything that a failing device may cause ---- */

static void try_send(struct chan *c, uint64_t count, size_t len)
{
    while (count-- > 0) {
        hopper_status st = chan_send(c, len);

        require(st == HOPPER_OK || st == HOPPER_EFULL || st == HOPPER_ENOSPC || st == HOPPER_EIO, "send: %s",
                hopper_status_name(st));
        if (st == HOPPER_ENOSPC || st == HOPPER_EIO) {
            require_int(hopper_sender_error(c->snd)->status, st);
            require_that(hopper_sender_error(c->snd)->sys_errno != 0);
        }
    }
}

static void try_receive(struct chan *c, uint64_t count)
{
    struct hopper_record rec;

    while (count-- > 0) {
        hopper_status st = chan_receive(c, &rec);

        require(st == HOPPER_OK || st == HOPPER_EAGAIN || st == HOPPER_EIO, "receive: %s", hopper_status_name(st));
        if (st == HOPPER_EIO) require_that(hopper_receiver_error(c->rcv)->sys_errno != 0);
    }
}

static void try_flush(struct chan *c)
{
    hopper_status st = hopper_flush(c->snd);

    require(st == HOPPER_OK || st == HOPPER_EFULL || st == HOPPER_ENOSPC || st == HOPPER_EIO, "flush: %s",
            hopper_status_name(st));
}

/* ---- scenarios ---- */

static void set_none(struct hopper_options *options)
{
    options->compression = HOPPER_COMPRESSION_NONE;
}

static void set_small_files(struct hopper_options *options)
{
    options->file_bytes = 8 << 10;
    options->disk_bytes = 128 << 10;
}

static void set_drop_oldest(struct hopper_options *options)
{
    set_small_files(options);
    options->disk_bytes = HOPPER_DISK_BYTES_MIN;
    options->when_full  = HOPPER_FULL_DROP_OLDEST;
}

static void set_drop_newest(struct hopper_options *options)
{
    set_drop_oldest(options);
    options->when_full = HOPPER_FULL_DROP_NEWEST;
}

static void set_deflate(struct hopper_options *options)
{
    options->compression = 1;
    set_small_files(options);
}

static void set_big(struct hopper_options *options)
{
    options->record_bytes_max = 50000;
    options->compression      = 1;
}

static void run_spill(struct chan *c)
{
    try_send(c, 40, 4000);
    try_receive(c, 45);
}

static void run_rotate(struct chan *c)
{
    try_send(c, 60, 3000);
    try_receive(c, 30);
    try_send(c, 20, 3000);
    try_receive(c, 30);
}

static void run_full(struct chan *c)
{
    try_send(c, 60, 3000);
    try_receive(c, 10);
    try_send(c, 20, 3000);
    try_receive(c, 5);
    try_send(c, 10, 3000);
}

static void run_flush(struct chan *c)
{
    try_send(c, 30, 4000);
    for (int i = 0; i < 5; i++) {
        try_flush(c);
        try_send(c, 2, 1000);
        try_receive(c, 3);
    }
}

static void run_big(struct chan *c)
{
    try_send(c, 20, 4000);
    try_send(c, 2, 50000);
    try_send(c, 3, 500);
    try_receive(c, 22);
    try_send(c, 1, 40000);
}

static void run_event(struct chan *c)
{
    int fd           = 0;
    hopper_status st = hopper_receiver_fd(c->rcv, &fd);

    require_that(st == HOPPER_OK ? fd >= MEM_FD_FIRST : st == HOPPER_EIO && fd == -1);
    try_send(c, 30, 4000);
    try_receive(c, 40);
    try_send(c, 2, 100);
}

static void run_close(struct chan *c)
{
    try_send(c, 45, 4000);
    try_flush(c);
}

static void run_clones(struct chan *c)
{
    hopper_sender *clones[3] = { NULL, NULL, NULL };

    c->clones = 3;
    for (int i = 0; i < 3; i++) {
        hopper_status st = hopper_sender_clone(c->snd, &clones[i]);

        require_that(st == HOPPER_OK ? clones[i] != NULL : st == HOPPER_ENOMEM && clones[i] == NULL);
    }
    try_send(c, 35, 4000);
    for (int i = 0; i < 3; i++) hopper_sender_close(clones[i]);
}

/* The channel's own thread compresses and writes as well, so which call is the k-th depends on who comes first; what
 * has to hold afterwards does not. */
static void set_thread(struct hopper_options *options)
{
    set_deflate(options);
    options->compress_threads = 1;
}

/* On the way back as well: what the thread cannot read, the receiver reads itself. */
static void set_both_threads(struct hopper_options *options)
{
    set_thread(options);
    options->decompress_threads = 1;
    options->memory_bytes       = 1 << 20;
}

static void run_thread(struct chan *c)
{
    run_rotate(c);
    try_flush(c);
}

static void run_both_threads(struct chan *c)
{
    try_send(c, 150, 4000); /* more than what the ring has of a mebibyte */
    try_receive(c, 130);
    try_send(c, 20, 4000);
}

static const struct scenario scenarios[] = {
    { "spill", set_none, run_spill },
    { "rotate", set_small_files, run_rotate },
    { "deflate", set_deflate, run_rotate },
    { "drop oldest", set_drop_oldest, run_full },
    { "drop newest", set_drop_newest, run_full },
    { "refuse", set_small_files, run_full },
    { "flush", set_none, run_flush },
    { "big record", set_big, run_big },
    { "event", set_none, run_event },
    { "close with records pending", set_small_files, run_close },
    { "clones", set_none, run_clones },
    { "thread", set_thread, run_thread },
    { "both threads", set_both_threads, run_both_threads },
};
#define SCENARIOS ((int)(sizeof scenarios / sizeof *scenarios))

/* ---- one run ---- */

/* Opening failed: it has said so, and holds nothing. */
static void judge_failed_open(struct chan *c, hopper_status st, const struct fault_plan *plan)
{
    const char *leaks = mem_platform_leaks(c->mem);

    require(!leaks, "%s", leaks);
    require_that(!c->snd);
    require_that(!c->rcv);
    require_int(c->err.status, st);
    require_that(c->err.op != NULL);
    if (plan->kinds & (FAULT_MEMORY)) return;
    require_int(st, plan->error == ENOSPC || plan->error == EDQUOT ? HOPPER_ENOSPC : HOPPER_EIO);
    require_int(c->err.sys_errno, plan->error);
}

/* The device is well again: what was accepted comes out, then everything works. */
static void judge_recovered(struct chan *c, bool reads_may_fail)
{
    hopper_status st;
    uint64_t sent_before, lost = 0;

    chan_books(c);
    chan_drain(c, &st);
    require(st == HOPPER_EAGAIN, "drained to %s", hopper_status_name(st));
    require_eq(c->checker.records + c->checker.lost, c->sent);
    for (int i = 0; i < HOPPER_GAP_REASONS; i++) {
        if (i == HOPPER_GAP_DROPPED_NEWEST || i == HOPPER_GAP_DROPPED_OLDEST ||
            (reads_may_fail && i >= HOPPER_GAP_CORRUPT))
            continue;
        lost += c->checker.lost_by[i];
        require(lost == 0, "%" PRIu64 " records lost as %s", lost, hopper_gap_name((unsigned)i));
    }
    hopper_acknowledge(c->rcv);
    sent_before = c->sent;
    for (int i = 0; i < 12; i++) require_int(chan_send(c, 4000), HOPPER_OK);
    chan_drain(c, &st);
    require_eq(c->checker.next[0], c->sent);
    require_eq(c->sent, sent_before + 12);
}

/* True when the fault was hit. */
static bool run_one(const struct scenario *scenario, const struct fault_plan *plan)
{
    bool reads_may_fail = plan->effect == FAULT_FAIL && plan->error == EIO &&
                          (plan->kinds & (FAULT_PREAD | FAULT_OPEN | FAULT_STAT)) != 0;
    const bool has_thread = scenario->run == run_thread || scenario->run == run_both_threads;
    struct chan c;
    hopper_status st;
    uint64_t hits;

    chan_init_flags(&c, has_thread ? 0 : MEM_SINGLE_THREAD);
    c.is_tampered = has_thread; /* it makes files also while they are counted */
    scenario->set(&c.options);
    fault_arm(c.fault, plan);
    st = chan_try_open(&c);
    if (st == HOPPER_OK) {
        scenario->run(&c);
        hits = fault_hits(c.fault);
        if (scenario->run != run_close) {
            fault_disarm(c.fault);
            judge_recovered(&c, reads_may_fail);
        }
        chan_close(&c); /* for run_close with the fault still armed */
        hits += fault_hits(c.fault) > hits;
    } else {
        judge_failed_open(&c, st, plan);
        hits = fault_hits(c.fault);
        require_that(hits > 0);
    }
    fault_disarm(c.fault);
    chan_open(&c); /* the directory is good for another run */
    require_int(chan_send(&c, 100), HOPPER_OK);
    chan_take(&c, 1);
    chan_finish(&c);
    total->runs++;
    total->hits += hits > 0;
    return hits > 0;
}

static void sweep(unsigned kinds, int error, enum fault_mode mode, enum fault_effect effect)
{
    if (total->where[0]) fprintf(stderr, "test_sweep: a test ended in %s\n", total->where); /* the one before this */
    for (int s = 0; s < SCENARIOS; s++) {
        struct fault_plan plan = { kinds, 0, error, mode, effect, 3 };

        do {
            plan.at++;
            require_le(plan.at, CALLS_MAX);
            snprintf(total->where, sizeof total->where, "%s: call %" PRIu64 " of kinds 0x%x, errno %d, %s",
                     scenarios[s].name, plan.at, kinds, error, fault_mode_name(mode));
        } while (run_one(&scenarios[s], &plan));
        require_that(plan.at > 1);
    }
    total->where[0] = '\0';
}

static const struct {
    unsigned kinds;
    int error;
    enum fault_mode mode;
    enum fault_effect effect;
} faults[] = {
    { FAULT_GROWS, ENOSPC, FAULT_ONCE, FAULT_FAIL },
    { FAULT_GROWS, ENOSPC, FAULT_HEALS, FAULT_FAIL },
    { FAULT_GROWS, ENOSPC, FAULT_STICKY, FAULT_FAIL },
    { FAULT_ANY_IO, EIO, FAULT_ONCE, FAULT_FAIL },
    { FAULT_ANY_IO, EIO, FAULT_HEALS, FAULT_FAIL },
    { FAULT_ANY_IO, EIO, FAULT_STICKY, FAULT_FAIL },
    { FAULT_GROWS, EDQUOT, FAULT_HEALS, FAULT_FAIL },
    { FAULT_OPENS, EMFILE, FAULT_ONCE, FAULT_FAIL },
    { FAULT_OPENS, EMFILE, FAULT_HEALS, FAULT_FAIL },
    { FAULT_OPENS, EMFILE, FAULT_STICKY, FAULT_FAIL },
    { FAULT_PREAD | FAULT_PWRITE, EINTR, FAULT_ONCE, FAULT_FAIL },
    { FAULT_PREAD | FAULT_PWRITE, EINTR, FAULT_HEALS, FAULT_FAIL },
    { FAULT_PREAD | FAULT_PWRITE, 0, FAULT_ONCE, FAULT_SHORT_ONE },
    { FAULT_PREAD | FAULT_PWRITE, 0, FAULT_ONCE, FAULT_SHORT_LESS },
    { FAULT_PREAD | FAULT_PWRITE, 0, FAULT_STICKY, FAULT_SHORT_LESS },
    { FAULT_CHMOD | FAULT_UNLINK | FAULT_CLOSE, EPERM, FAULT_STICKY, FAULT_FAIL },
    { FAULT_PWRITE | FAULT_TRUNCATE, EIO, FAULT_HEALS, FAULT_FAIL },
    { FAULT_PWRITE | FAULT_TRUNCATE | FAULT_UNLINK, ENOSPC, FAULT_STICKY, FAULT_FAIL },
};

START_TEST(no_single_failing_call_loses_leaks_or_wedges)
{
    sweep(faults[_i].kinds, faults[_i].error, faults[_i].mode, faults[_i].effect);
}
END_TEST

START_TEST(no_single_failing_allocation_loses_leaks_or_wedges)
{
    sweep(FAULT_MEMORY, ENOMEM, (enum fault_mode)_i, FAULT_FAIL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sweep");
    TCase *tc    = tcase_create("sweep");

    tcase_add_unchecked_fixture(tc, share_total, say_where);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, no_single_failing_call_loses_leaks_or_wedges, 0, (int)(sizeof faults / sizeof *faults));
    tcase_add_loop_test(tc, no_single_failing_allocation_loses_leaks_or_wedges, FAULT_ONCE, FAULT_HEALS + 1);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
