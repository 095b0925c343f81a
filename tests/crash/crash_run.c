/* SPDX-License-Identifier: MIT */
/*
 * Each level of crashes has a platform of its own: level 0 runs the scenario, level 1 recovers what a crash of it left,
 * level 2 what a crash of that recovery left. The library has no global state, so a recovery can run while the channel
 * that "crashed" is in the middle of a call; nothing is torn down or run twice.
 */
#include "crash_run.h"

#include "items.h"
#include "rng.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS     3
#define WHY_BYTES  2000
#define KILLS_MAX  4 /* in one scenario */
#define SEEN_SLOTS (1U << 20)

struct crash_job {
    const struct crash_scenario *scenario;
    enum crash_profile profile;
    const struct crash_effort *effort;
    struct crash_counts *counts;
    struct mem_platform *mems[LEVELS];
    uint64_t *seen; /* hashes of what was judged, by open addressing; 0: free */
    uint64_t seen_count;
    uint64_t seed;
    char *why;
    /* processes that were killed in the middle: closed at the end, when nobody looks any more */
    struct {
        hopper_sender *snd;
        hopper_receiver *rcv;
        struct crash_disk *disk;
        struct mem_platform *mem;
    } killed[KILLS_MAX];
    int killed_count;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    struct rng rng = { a ^ (b + 1) * UINT64_C(0xd6e8feb86659fd93) };

    return rng_next(&rng);
}

/* False when it was there. A full table forgets, which costs time only. */
static bool is_new(struct crash_job *job, uint64_t hash)
{
    size_t i = (size_t)hash % SEEN_SLOTS;

    hash |= 1;
    while (job->seen[i] != 0) {
        if (job->seen[i] == hash) return false;
        i = (i + 1) % SEEN_SLOTS;
    }
    if (job->seen_count < SEEN_SLOTS / 2) {
        job->seen[i] = hash;
        job->seen_count++;
    }
    return true;
}

__attribute__((format(printf, 2, 3))) static void blame(struct crash_run *run, const char *format, ...)
{
    struct crash_job *job = run->job;
    size_t len            = strlen(job->why);
    va_list args;

    if (len + 1 >= WHY_BYTES) return;
    va_start(args, format);
    vsnprintf(job->why + len, WHY_BYTES - len, format, args);
    va_end(args);
}

/* ---- recovering ---- */

static void point(struct crash_run *run);

static void look(void *arg)
{
    point(arg);
}

static void watch(struct crash_run *run)
{
    crash_disk_watch(run->disk, look, run);
    run->life.step     = look;
    run->life.step_arg = run;
}

/* Open what is left at LEVEL and judge it. FROM: the disk under a kill, so that what is pending goes on to be; NULL:
 * IMAGE is all there is. */
static void recover(const struct crash_run *crashed, struct crash_disk *from, const struct crash_image *image,
                    uint64_t seed)
{
    struct crash_job *job    = crashed->job;
    struct mem_platform *mem = job->mems[crashed->level + 1];
    const bool is_watched    = crashed->level + 2 < LEVELS && seed % job->effort->watch == 0;
    struct crash_run run     = { .job = job, .level = crashed->level + 1, .seed = seed };
    const char *leaks;
    struct ledger ledger;

    ledger_copy(&ledger, crashed->life.ledger);
    mem_platform_reset(mem);
    if (is_watched && from) {
        run.disk = crash_disk_after_kill(from, mem, seed);
    } else {
        crash_image_load(image, mem, seed);
        if (is_watched) run.disk = crash_disk_new(mem, image, job->profile);
    }
    life_init(&run.life, &ledger, &crashed->life.options,
              run.disk ? crash_disk_table(run.disk) : mem_platform_table(mem));
    if (is_watched) {
        job->counts->watched++;
        watch(&run);
    }
    life_recover(&run.life, !from);
    life_use(&run.life);
    if (seed % 8 == 0) life_use_again(&run.life);
    if (run.life.snd) { /* a fault has ended it */
        if (run.disk) crash_disk_watch(run.disk, NULL, NULL);
        run.life.step = NULL;
        life_close(&run.life);
    } else if (!run.life.fault[0] && (leaks = mem_platform_leaks(mem)) != NULL) {
        snprintf(run.life.fault, sizeof run.life.fault, "left behind: %s", leaks);
    }
    if (run.life.fault[0] && !job->why[0]) {
        blame(&run, "%s\n", run.life.fault);
        if (getenv("HOPPER_CRASH_DUMP")) crash_image_dump(image, getenv("HOPPER_CRASH_DUMP"));
    }
    crash_disk_free(run.disk);
    ledger_fini(&ledger);
}

/* ---- crashing ---- */

struct attempt {
    struct crash_run *run;
    uint64_t seed, number;
};

static bool try_state(void *arg, const struct crash_image *image)
{
    struct attempt *attempt = arg;
    struct crash_run *run   = attempt->run;
    struct crash_job *job   = run->job;
    uint64_t hash           = crash_image_hash(image) ^ ledger_hash(run->life.ledger);

    job->counts->states++;
    attempt->number++;
    if (!is_new(job, hash)) return true;
    job->counts->recovered++;
    recover(run, NULL, image, mix(hash, attempt->seed));
    if (!job->why[0]) return true;
    blame(run, "  after a power cut, state %" PRIu64 " of point %" PRIu64 " (call %" PRIu64 ": %s), level %u\n",
          attempt->number, job->counts->points, crash_disk_calls(run->disk), crash_disk_last(run->disk), run->level);
    return false;
}

static void try_kill(struct crash_run *run, uint64_t seed)
{
    struct crash_job *job     = run->job;
    struct crash_image *image = crash_disk_killed(run->disk);
    uint64_t hash             = crash_image_hash(image) * 3 ^ ledger_hash(run->life.ledger);

    job->counts->states++;
    if (is_new(job, hash)) {
        job->counts->recovered++;
        job->counts->kills++;
        recover(run, run->disk, image, mix(hash, seed));
        if (job->why[0])
            blame(run, "  after a kill at point %" PRIu64 " (call %" PRIu64 ": %s), level %u\n", job->counts->points,
                  crash_disk_calls(run->disk), crash_disk_last(run->disk), run->level);
    }
    crash_image_free(image);
}

/* A crash happens now. */
static void point(struct crash_run *run)
{
    struct crash_job *job      = run->job;
    struct attempt attempt     = { run, mix(run->seed, crash_disk_calls(run->disk)), 0 };
    const struct crash_how how = {
        .seed       = attempt.seed,
        .exhaustive = run->level == 0 ? job->effort->exhaustive : 1,
        .samples    = run->level == 0 ? job->effort->samples : job->effort->inner,
    };

    if (job->why[0]) return;
    if (crash_disk_state_syncs(run->disk) != run->state_syncs) {
        run->state_syncs                = crash_disk_state_syncs(run->disk);
        run->life.ledger->acked_durable = run->life.ledger->acked;
    }
    if (attempt.seed % job->effort->every != 0) return;
    job->counts->points++;
    job->counts->points_in += run->level > 0;
    try_kill(run, attempt.seed);
    if (!job->why[0]) crash_disk_each_state(run->disk, &how, try_state, &attempt);
}

/* ---- what scenarios do ---- */

static struct mem_platform *new_platform(uint64_t seed)
{
    const struct mem_platform_options options = { .flags = MEM_SINGLE_THREAD, .random_seed = seed };

    return mem_platform_new(&options);
}

/* The process that uses run->disk is no more; MEM and DISK take its place. */
static void replace(struct crash_run *run, struct mem_platform *mem, struct crash_disk *disk)
{
    struct crash_job *job = run->job;

    if (job->killed_count == KILLS_MAX) abort();
    crash_disk_watch(run->disk, NULL, NULL);
    job->killed[job->killed_count].snd   = run->life.snd;
    job->killed[job->killed_count].rcv   = run->life.rcv;
    job->killed[job->killed_count].disk  = run->disk;
    job->killed[job->killed_count++].mem = job->mems[0];

    job->mems[0]               = mem;
    run->disk                  = disk;
    run->state_syncs           = 0;
    run->life.snd              = NULL;
    run->life.rcv              = NULL;
    run->life.options.platform = crash_disk_table(disk);
    watch(run);
}

void crash_run_kill(struct crash_run *run)
{
    struct mem_platform *mem = new_platform(run->seed + 1);

    replace(run, mem, crash_disk_after_kill(run->disk, mem, mix(run->seed, 77)));
}

void crash_run_power_cut(struct crash_run *run)
{
    struct crash_image *image = crash_disk_cut(run->disk);
    struct mem_platform *mem  = new_platform(run->seed + 2);

    crash_image_load(image, mem, mix(run->seed, 78));
    replace(run, mem, crash_disk_new(mem, image, run->job->profile));
    crash_image_free(image);
}

void crash_run_fail_syncs(struct crash_run *run, uint64_t at, uint64_t count)
{
    run->life.may_fail           = true;
    run->life.ledger->has_failed = true;
    crash_disk_fail_syncs(run->disk, at, count);
}

void crash_run_heal(struct crash_run *run)
{
    run->life.may_fail = false;
    crash_disk_fail_syncs(run->disk, 1, 0);
}

/* ---- one scenario ---- */

static void set_small(struct hopper_options *options)
{
    *options              = (struct hopper_options)HOPPER_OPTIONS_INIT;
    options->memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    options->disk_bytes   = 512 << 10;
    options->file_bytes   = 4096;
    options->when_full    = HOPPER_FULL_REFUSE;
    options->compression  = HOPPER_COMPRESSION_NONE;
    options->acknowledge  = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options->survive      = HOPPER_SURVIVE_POWER_LOSS;
}

static void end_job(struct crash_job *job)
{
    for (int i = 0; i < job->killed_count; i++) {
        if (job->killed[i].snd) hopper_sender_close(job->killed[i].snd);
        if (job->killed[i].rcv) hopper_receiver_close(job->killed[i].rcv);
        crash_disk_free(job->killed[i].disk);
        mem_platform_free(job->killed[i].mem);
    }
    for (int i = 0; i < LEVELS; i++) mem_platform_free(job->mems[i]);
    free(job->seen);
}

void crash_run_scenario(const struct crash_scenario *scenario, enum crash_profile profile, enum crash_lie lie,
                        const struct crash_effort *effort, uint64_t seed, struct crash_counts *counts, char *why)
{
    struct crash_job job = { .scenario = scenario, .profile = profile, .effort = effort, .counts = counts, .why = why };
    struct crash_run run = { .job = &job, .seed = mix(seed, profile) };
    struct hopper_options options;
    struct ledger ledger;

    why[0]   = '\0';
    job.seen = calloc(SEEN_SLOTS, sizeof *job.seen);
    if (!job.seen) abort();
    for (int i = 0; i < LEVELS; i++) job.mems[i] = new_platform(seed + (uint64_t)i);
    set_small(&options);
    scenario->set(&options);
    ledger_init(&ledger, &options);
    run.disk = crash_disk_new(job.mems[0], NULL, profile);
    crash_disk_lie(run.disk, lie);
    life_init(&run.life, &ledger, &options, crash_disk_table(run.disk));
    watch(&run);
    scenario->run(&run);
    if (run.life.fault[0] && !why[0]) blame(&run, "%s\n  in the scenario itself\n", run.life.fault);
    crash_disk_watch(run.disk, NULL, NULL);
    run.life.step = NULL;
    life_close(&run.life);
    crash_disk_free(run.disk);
    end_job(&job);
    if (!why[0] && items_live() != 0) blame(&run, "%" PRId64 " items are neither delivered nor freed\n", items_live());
    ledger_fini(&ledger);
}
