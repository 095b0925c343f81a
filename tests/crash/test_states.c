/* SPDX-License-Identifier: MIT */
/*
 * Every scenario under both profiles of the disk, crashed after every call; and canaries: the same on disks that do not
 * keep their word, which must be found out. Each job is a process of its own, as many at a time as HOPPER_CRASH_JOBS
 * says (2).
 *
 *   HOPPER_CRASH_SAMPLES=N   states for each point; the time it takes grows with it (nightly: 300)
 *   HOPPER_CRASH_EVERY=N     one point in N, drawn (1: all)
 *   HOPPER_CRASH_ONLY=TEXT   only scenarios with TEXT in their names, no canaries
 *   HOPPER_CRASH_DUMP=DIR    write the files of the first state that fails into DIR
 *   HOPPER_TEST_SEED=N       the same states again
 */
#include "scenarios.h"

#include "rng.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* States for each point, and of how many points one is tried. Sanitizers make each state cost ten times as much; races,
 * which TSan looks for, are not this test's business: nearly all of it is one thread. */
#if defined __SANITIZE_THREAD__
#define THREADS_CHECKED
#elif defined __SANITIZE_ADDRESS__
#define MEMORY_CHECKED
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define THREADS_CHECKED
#elif __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define MEMORY_CHECKED
#endif
#endif
#if defined THREADS_CHECKED
#define SAMPLES 1
#define EVERY   16
#elif defined MEMORY_CHECKED
#define SAMPLES 2
#define EVERY   1
#else
#define SAMPLES 12
#define EVERY   1
#endif

#define WHY_BYTES   2000
#define JOBS_MAX    256
#define JOB_SECONDS 1800 /* a job that takes longer hangs */

struct job {
    const struct crash_scenario *scenario;
    enum crash_profile profile;
    enum crash_lie lie; /* other than none: must be found */
    pid_t pid;
    struct crash_counts counts;
    double seconds; /* of its CPU */
    char why[WHY_BYTES];
};

static const struct {
    enum crash_lie lie;
    const char *what, *scenario;
} canaries[] = {
    { CRASH_LIE_DATA, "queue files are not synced", "power: few records" },
    { CRASH_LIE_DIR, "the channel's directory is not synced", "power: several files" },
    { CRASH_LIE_PARENT, "the directory above is not synced", "power: one record" },
    { CRASH_LIE_STATE, "STATE is not synced", "power: files removed" },
    { CRASH_LIE_REMOVE_FIRST, "removals reach the device before STATE", "power: files removed" },
    { CRASH_LIE_SIZE, "sizes are not synced", "power: few records" },
    { CRASH_LIE_SILENT, "a failed sync is taken for good", "power: a sync fails" },
    { CRASH_LIE_MAP, "maps are not synced at closing", "crash: cut after closing" },
    { CRASH_LIE_MEMORY, "a kill loses what is in the map", "crash: few records" },
};
#define CANARIES (sizeof canaries / sizeof *canaries)

static struct job *jobs; /* shared with the children */
static size_t jobs_count;
static struct crash_effort effort;
/* For a disk that lies: no sample, which might miss what it has broken, but all systematic states of each point. */
static const struct crash_effort lie_effort = {
    .exhaustive = 6, .samples = 0, .inner = 2, .watch = 1U << 31, .every = 1
};
static uint64_t seed;

static void add_job(const struct crash_scenario *scenario, enum crash_profile profile, enum crash_lie lie)
{
    if (jobs_count == JOBS_MAX) abort();
    jobs[jobs_count++] = (struct job){ .scenario = scenario, .profile = profile, .lie = lie };
}

static double now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void start(struct job *job)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(99);
    }
    if (pid > 0) {
        job->pid = pid; /* by the parent only: the child shares it */
        return;
    }
    alarm(JOB_SECONDS);
    job->seconds = -now(CLOCK_PROCESS_CPUTIME_ID);
    crash_run_scenario(job->scenario, job->profile, job->lie, job->lie == CRASH_LIE_NONE ? &effort : &lie_effort, seed,
                       &job->counts, job->why);
    job->seconds += now(CLOCK_PROCESS_CPUTIME_ID);
    fflush(stdout);
    _exit(0);
}

/* A child has ended: which, and whether it is as it should be. */
static bool reap(void)
{
    int status = 0;
    pid_t pid  = wait(&status);
    struct job *job;

    for (job = jobs; job->pid != pid; job++) continue;
    job->pid = 0;
    if (status != 0)
        snprintf(job->why + strlen(job->why), WHY_BYTES - strlen(job->why), "the process ended with status 0x%x\n",
                 (unsigned)status);
    if ((job->why[0] != '\0' && status == 0) == (job->lie != CRASH_LIE_NONE) && status == 0) return true;
    printf("FAIL \"%s\", %s, disk %d: %s\n", job->scenario->name, job->profile == CRASH_EXT4 ? "ext4" : "strict",
           (int)job->lie, job->why[0] ? job->why : "the fault was not found\n");
    return false;
}

static unsigned run_jobs(unsigned at_once)
{
    unsigned failed = 0, running = 0;

    for (size_t next = 0; next < jobs_count || running > 0;) {
        if (next < jobs_count && running < at_once) {
            start(&jobs[next++]);
            running++;
        } else {
            failed += !reap();
            running--;
        }
    }
    return failed;
}

static void print_counts(void)
{
    struct crash_counts sum = { 0 };

    for (size_t i = 0; i < jobs_count; i++) {
        const struct crash_counts *counts = &jobs[i].counts;

        if (getenv("HOPPER_CRASH_VERBOSE"))
            printf("%-45s %-6s %d: %6" PRIu64 " points, %8" PRIu64 " states, %7" PRIu64 " recovered, %5.1f s\n",
                   jobs[i].scenario->name, jobs[i].profile == CRASH_EXT4 ? "ext4" : "strict", (int)jobs[i].lie,
                   counts->points, counts->states, counts->recovered, jobs[i].seconds);
        if (jobs[i].lie != CRASH_LIE_NONE) continue;
        sum.points += counts->points;
        sum.points_in += counts->points_in;
        sum.states += counts->states;
        sum.recovered += counts->recovered;
        sum.kills += counts->kills;
        sum.watched += counts->watched;
    }
    printf("test_states: %" PRIu64 " crash points (%" PRIu64 " of them during %" PRIu64 " recoveries), %" PRIu64
           " states, %" PRIu64 " different ones recovered (%" PRIu64 " kills), seed %" PRIu64 "\n",
           sum.points, sum.points_in, sum.watched, sum.states, sum.recovered, sum.kills, seed);
}

int main(void)
{
    const char *only    = getenv("HOPPER_CRASH_ONLY");
    const double start  = now(CLOCK_MONOTONIC);
    const unsigned many = (unsigned)env_number("HOPPER_CRASH_SAMPLES", SAMPLES);
    unsigned failed, chosen = 0;

    effort = (struct crash_effort){ many >= 100 ? 9 : 4, many, many / 4 + 2, many >= 100 ? 32 : 64,
                                    (unsigned)env_number("HOPPER_CRASH_EVERY", EVERY) };
    seed   = rng_seed("test_states");
    jobs   = mmap(NULL, JOBS_MAX * sizeof *jobs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED) return 99;
    for (size_t i = 0; i < CANARIES && !only; i++)
        add_job(crash_scenario_find(canaries[i].scenario), CRASH_STRICT, canaries[i].lie);
    for (size_t i = 0; i < crash_scenarios_count; i++) {
        if (only && !strstr(crash_scenarios[i].name, only)) continue;
        chosen++;
        add_job(&crash_scenarios[i], CRASH_STRICT, CRASH_LIE_NONE);
        add_job(&crash_scenarios[i], CRASH_EXT4, CRASH_LIE_NONE);
    }
    failed = run_jobs((unsigned)env_number("HOPPER_CRASH_JOBS", 2));
    print_counts();
    printf("test_states: %u scenarios, %zu canaries, %u failed, %.1f s\n", chosen, only ? 0 : CANARIES, failed,
           now(CLOCK_MONOTONIC) - start);
    return failed > 0 || chosen == 0;
}
