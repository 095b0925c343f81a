/* SPDX-License-Identifier: MIT */
/*
 * As test_sweep, for channels that survive: every call that a scenario makes is failed in turn, once, for a while and
 * for ever, and then, in turn,
 *   - the device is well again: the channel goes on, and everything accepted comes, in this run or after closing
 *   - the process is killed, or the power is cut: what is left is recovered and judged by the ledger of tests/crash
 * And the same for the calls of a recovery: an open that fails has changed nothing that the next one would miss.
 *
 *   HOPPER_SWEEP_EVERY=N   only every N-th call (1, all of them, is the default without sanitizers)
 */
#include "crash_disk.h"
#include "life.h"
#include "platform_fault.h"
#include "rng.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define EVERY 7
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define EVERY 7
#endif
#endif
#ifndef EVERY
#define EVERY 1
#endif

#define CALLS_MAX 5000 /* more in one run, and the scenario has lost its way */

struct scenario {
    const char *name;
    uint32_t survive;
    void (*run)(struct life *life);
    uint64_t file_bytes; /* 0: the least for POWER_LOSS, which has no room for zeros ahead of the frames */
};

struct fault_kind {
    unsigned kinds;
    int error;
    enum fault_mode mode;
    enum fault_effect effect;
};

/* One run: the fault lies over the disk, the disk over the memory. */
struct rig {
    const struct scenario *scenario;
    struct fault_plan plan;
    struct mem_platform *mem, *other; /* OTHER: where what is left is recovered */
    struct crash_disk *disk;
    struct fault_platform *fault;
    struct hopper_options options;
    struct ledger ledger;
    struct life life;
    const char *kind; /* of the call that was hit */
    char why[LIFE_FAULT_BYTES + 64];
};

static struct {
    uint64_t runs, hits, recovered;
} total;

/* ---- scenarios ---- */

static void run_small(struct life *life)
{
    life_open(life);
    life_send(life, 3, 300);
    life_receive(life, 2);
    life_acknowledge(life);
    life_send(life, 2, 900);
}

static void run_files(struct life *life)
{
    life_open(life);
    life_send(life, 10, 1500);
    life_receive(life, 8);
    life_acknowledge(life);
    life_send(life, 4, 1500);
    life_receive(life, 3);
    life_acknowledge(life);
}

static void run_batches(struct life *life)
{
    life_open(life);
    life_batch(life, 12, 700);
    life_receive_batch(life, 10);
    life_acknowledge_until(life, life->ledger->received > 4 ? 4 : life->ledger->received);
    life_batch(life, 12, 700);
}

static void run_twice(struct life *life)
{
    life_open(life);
    life_send(life, 4, 700);
    life_close(life);
    life_open(life);
    life_send(life, 3, 700);
    life_receive(life, 5);
    life_acknowledge(life);
}

static void run_overflow(struct life *life)
{
    life_open(life);
    life_batch(life, 20, 4000);
    life_batch(life, 20, 4000);
    life_receive_batch(life, 30);
    life_acknowledge(life);
    life_flush(life);
    life_send(life, 2, 4000);
}

static const struct scenario scenarios[] = {
    { "power: few", HOPPER_SURVIVE_POWER_LOSS, run_small, 0 },
    { "power: files", HOPPER_SURVIVE_POWER_LOSS, run_files, 0 },
    { "power: batches", HOPPER_SURVIVE_POWER_LOSS, run_batches, 0 },
    { "power: opened twice", HOPPER_SURVIVE_POWER_LOSS, run_twice, 0 },
    { "power: zeros ahead", HOPPER_SURVIVE_POWER_LOSS, run_small, 64 << 10 },
    { "power: zeros ahead, files", HOPPER_SURVIVE_POWER_LOSS, run_files, 12 << 10 },
    { "power: zeros ahead, opened twice", HOPPER_SURVIVE_POWER_LOSS, run_twice, 64 << 10 },
    { "crash: few", HOPPER_SURVIVE_CRASH, run_small, 64 << 10 },
    { "crash: batches", HOPPER_SURVIVE_CRASH, run_batches, 64 << 10 },
    { "crash: opened twice", HOPPER_SURVIVE_CRASH, run_twice, 64 << 10 },
    { "crash: overflow", HOPPER_SURVIVE_CRASH, run_overflow, 64 << 10 },
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

/* ---- one run ---- */

static void set_options(struct hopper_options *options, const struct scenario *scenario)
{
    *options              = (struct hopper_options)HOPPER_OPTIONS_INIT;
    options->memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    options->disk_bytes   = 1 << 20;
    options->file_bytes   = scenario->file_bytes ? scenario->file_bytes : 4096;
    options->when_full    = HOPPER_FULL_REFUSE;
    options->compression  = HOPPER_COMPRESSION_NONE;
    options->acknowledge  = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options->survive      = scenario->survive;
}

static bool reads_may_fail(const struct fault_plan *plan)
{
    return plan->effect == FAULT_FAIL && (plan->kinds & (FAULT_PREAD | FAULT_OPEN | FAULT_STAT)) != 0;
}

static void rig_open(struct rig *rig, const struct scenario *scenario, const struct fault_plan *plan)
{
    const struct mem_platform_options mem_options = { .flags = MEM_SINGLE_THREAD, .random_seed = plan->at };

    *rig = (struct rig){ .scenario = scenario, .plan = *plan };
    set_options(&rig->options, scenario);
    rig->mem   = mem_platform_new(&mem_options);
    rig->other = mem_platform_new(&mem_options);
    rig->disk  = crash_disk_new(rig->mem, NULL, plan->at % 2 ? CRASH_STRICT : CRASH_EXT4);
    rig->fault = fault_platform_new(crash_disk_table(rig->disk));
    ledger_init(&rig->ledger, &rig->options);
    life_init(&rig->life, &rig->ledger, &rig->options, fault_platform_table(rig->fault));
    rig->life.may_fail = true;
    rig->life.may_gap  = reads_may_fail(plan);
}

static void rig_close(struct rig *rig)
{
    const char *leaks;

    fault_disarm(rig->fault);
    life_close(&rig->life);
    leaks = mem_platform_leaks(rig->mem);
    if (leaks && !rig->why[0]) snprintf(rig->why, sizeof rig->why, "left behind: %s", leaks);
    ledger_fini(&rig->ledger);
    fault_platform_free(rig->fault);
    crash_disk_free(rig->disk);
    mem_platform_free(rig->mem);
    mem_platform_free(rig->other);
}

static void blame(struct rig *rig, const struct life *life, const char *when)
{
    if (life->fault[0] && !rig->why[0]) snprintf(rig->why, sizeof rig->why, "%s: %s", when, life->fault);
}

/* ---- what is done after the fault ---- */

/* The device is well: the channel goes on. */
static void go_on(struct rig *rig)
{
    struct life *life = &rig->life;

    fault_disarm(rig->fault);
    life->may_fail = false;
    if (!life->snd) {
        life_recover(life, false);
    } else {
        life_receive(life, 1000);
        life_books(life);
    }
    life_use(life);
    if (!life->fault[0] && life->snd == NULL) life_use_again(life);
    blame(rig, life, "going on");
}

/* Closed while the device is well, and opened again. */
static void close_and_open(struct rig *rig)
{
    struct life *life = &rig->life;

    fault_disarm(rig->fault);
    life->may_fail = false;
    life->may_gap  = false;
    life_close(life);
    life_recover(life, false);
    life_use(life);
    blame(rig, life, "closed and opened");
}

static bool recover_elsewhere(void *arg, const struct crash_image *image)
{
    struct rig *rig = arg;
    struct ledger ledger;
    struct life life;

    ledger_copy(&ledger, &rig->ledger);
    mem_platform_reset(rig->other);
    crash_image_load(image, rig->other, rig->plan.at + 7);
    life_init(&life, &ledger, &rig->options, mem_platform_table(rig->other));
    life_recover(&life, crash_image_is_power_cut(image));
    life_use(&life);
    if (life.fault[0] && getenv("HOPPER_CRASH_DUMP")) crash_image_dump(image, getenv("HOPPER_CRASH_DUMP"));
    blame(rig, &life, crash_image_is_power_cut(image) ? "power cut" : "killed");
    life_close(&life);
    ledger_fini(&ledger);
    total.recovered++;
    return !rig->why[0];
}

static void crash(struct rig *rig)
{
    const struct crash_how how = { .seed = rig->plan.at, .exhaustive = 3, .samples = 4 };
    struct crash_image *image  = crash_disk_killed(rig->disk);

    if (recover_elsewhere(rig, image)) crash_disk_each_state(rig->disk, &how, recover_elsewhere, rig);
    crash_image_free(image);
}

/* True when the fault was hit. */
static bool run_one(const struct scenario *scenario, const struct fault_plan *plan, unsigned after)
{
    struct rig rig;
    uint64_t hits;

    rig_open(&rig, scenario, plan);
    fault_arm(rig.fault, plan);
    scenario->run(&rig.life);
    blame(&rig, &rig.life, "with the fault");
    hits     = fault_hits(rig.fault);
    rig.kind = fault_hit_kind(rig.fault);
    if (!rig.why[0]) crash(&rig);
    if (!rig.why[0] && after == 0) go_on(&rig);
    if (!rig.why[0] && after == 1) close_and_open(&rig);
    rig_close(&rig);
    total.runs++;
    total.hits += hits > 0;
    if (rig.why[0]) {
        printf("test_sweep_survive: FAIL: %s: call %" PRIu64
               " of kinds 0x%x (%s), errno %d, %s, effect %d, then %u: %s\n",
               scenario->name, plan->at, plan->kinds, rig.kind, plan->error, fault_mode_name(plan->mode),
               (int)plan->effect, after, rig.why);
        exit(1);
    }
    return hits > 0;
}

/* The scenario without a fault, killed; then a recovery in which the fault is. */
static bool recover_one(const struct scenario *scenario, const struct fault_plan *plan)
{
    struct fault_platform *fault;
    struct crash_image *image;
    struct life life;
    struct rig rig;
    uint64_t hits;

    rig_open(&rig, scenario, plan);
    scenario->run(&rig.life);
    image = crash_disk_killed(rig.disk);
    crash_image_load(image, rig.other, plan->at + 3);
    crash_image_free(image);
    fault = fault_platform_new(mem_platform_table(rig.other));
    life_init(&life, &rig.ledger, &rig.options, fault_platform_table(fault));
    life.may_fail = true;
    fault_arm(fault, plan);
    life_open(&life);
    hits     = fault_hits(fault);
    rig.kind = fault_hit_kind(fault);
    fault_disarm(fault);
    life.may_fail = false;
    if (life.snd) life_close(&life);
    rig.ledger.is_closed = false;
    life_recover(&life, false);
    life_use(&life);
    life_close(&life);
    blame(&rig, &life, "after a recovery with the fault");
    fault_platform_free(fault);
    rig.life.may_fail = true; /* the ledger is another's now */
    rig_close(&rig);
    total.runs++;
    total.hits += hits > 0;
    if (rig.why[0]) {
        printf("test_sweep_survive: FAIL: %s, recovery: call %" PRIu64 " of kinds 0x%x (%s), errno %d, %s: %s\n",
               scenario->name, plan->at, plan->kinds, rig.kind, plan->error, fault_mode_name(plan->mode), rig.why);
        exit(1);
    }
    return hits > 0;
}

static const struct fault_kind faults[] = {
    { FAULT_GROWS, ENOSPC, FAULT_ONCE, FAULT_FAIL },
    { FAULT_GROWS, ENOSPC, FAULT_STICKY, FAULT_FAIL },
    { FAULT_ANY_IO, EIO, FAULT_ONCE, FAULT_FAIL },
    { FAULT_ANY_IO, EIO, FAULT_HEALS, FAULT_FAIL },
    { FAULT_ANY_IO, EIO, FAULT_STICKY, FAULT_FAIL },
    { FAULT_FDATASYNC | FAULT_FSYNC | FAULT_SYNC_MAP, EIO, FAULT_ONCE, FAULT_FAIL },
    { FAULT_FDATASYNC | FAULT_FSYNC | FAULT_SYNC_MAP, ENOSPC, FAULT_HEALS, FAULT_FAIL },
    { FAULT_FDATASYNC | FAULT_FSYNC | FAULT_SYNC_MAP, EIO, FAULT_STICKY, FAULT_FAIL },
    { FAULT_PWRITE | FAULT_TRUNCATE, EIO, FAULT_HEALS, FAULT_FAIL },
    { FAULT_PWRITE | FAULT_TRUNCATE | FAULT_UNLINK, ENOSPC, FAULT_STICKY, FAULT_FAIL },
    { FAULT_OPENS, EMFILE, FAULT_ONCE, FAULT_FAIL },
    { FAULT_OPENS, EMFILE, FAULT_STICKY, FAULT_FAIL },
    { FAULT_PREAD | FAULT_PWRITE, EINTR, FAULT_ONCE, FAULT_FAIL },
    { FAULT_PREAD | FAULT_PWRITE, 0, FAULT_ONCE, FAULT_SHORT_ONE },
    { FAULT_PREAD | FAULT_PWRITE, 0, FAULT_STICKY, FAULT_SHORT_LESS },
    { FAULT_CHMOD | FAULT_UNLINK | FAULT_CLOSE | FAULT_RENAME, EPERM, FAULT_STICKY, FAULT_FAIL },
    { FAULT_MEMORY, ENOMEM, FAULT_ONCE, FAULT_FAIL },
    { FAULT_MEMORY, ENOMEM, FAULT_STICKY, FAULT_FAIL },
};
#define FAULTS (sizeof faults / sizeof *faults)

static void sweep(const struct scenario *scenario, const struct fault_kind *kind, uint64_t every)
{
    struct fault_plan plan = { kind->kinds, 0, kind->error, kind->mode, kind->effect, 3 };

    for (plan.at = 1; run_one(scenario, &plan, (unsigned)(plan.at % 2)); plan.at += every)
        if (plan.at > CALLS_MAX) exit(1);
    for (plan.at = 1; recover_one(scenario, &plan); plan.at += every)
        if (plan.at > CALLS_MAX) exit(1);
}

int main(void)
{
    const uint64_t every = env_number("HOPPER_SWEEP_EVERY", EVERY);
    const char *only     = getenv("HOPPER_SWEEP_ONLY");

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t s = 0; s < SCENARIOS; s++) {
        if (only && strcmp(only, scenarios[s].name) != 0) continue;
        for (size_t f = 0; f < FAULTS; f++) sweep(&scenarios[s], &faults[f], every);
    }
    printf("test_sweep_survive: %" PRIu64 " runs, %" PRIu64 " with a fault, %" PRIu64 " recoveries after a crash\n",
           total.runs, total.hits, total.recovered);
    return total.hits == 0;
}
