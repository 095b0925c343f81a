/* SPDX-License-Identifier: MIT */
/*
 * bench-run: goes through the plan in rounds. In each round every piece of work is done by all of its peers one after
 * the other, so that a machine that is slow for a while is slow for all of them. Before the first round each peer is
 * tried once: that leaves out those that are not built or do not do the work, and says how many passes take the time
 * that was asked for. Each sample goes to the TSV file at once, the tables to standard output at the end.
 *
 *   bench-run [--quick] [--rounds N] [--budget SECONDS] [--run-ms N] [--mib N] [--bin DIR] [--dir DIR] [--out FILE]
 *             [--only TEXT]
 *
 * Ends with 1 when a peer failed or one of its checks did: then its numbers mean nothing.
 */
#include "run.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNSUPPORTED 77
#define PEERS_MAX   16
#define COLUMNS_MAX 16
#define GROUPS_MAX  16
#define PASSES_MAX  5000

struct settings {
    bool        quick;
    unsigned    rounds;
    unsigned    run_ms;   /* what a run of the mem work should take */
    unsigned    mib;      /* of payload for the overflow work */
    unsigned    budget_s; /* no round begins that would not end within it; 0: none */
    const char *bin;      /* where the programs are */
    const char *dir;      /* where queue files go: a real disk, not a tmpfs */
    const char *out;
    const char *only; /* a part of a table's title */
};

/* What the trial found out; passes 0: leave it out. */
static unsigned passes[GROUPS_MAX][COLUMNS_MAX][PEERS_MAX];

static double seconds_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- one run ---- */

/* One piece of work by one peer. */
struct job {
    const struct plan_group  *group;
    const struct plan_column *column;
    const struct plan_peer   *peer;
    unsigned                 *passes;
};

static int job_run(const struct settings *set, const struct job *job, unsigned count, struct child_result *results,
                   size_t *got)
{
    char        path[PATH_MAX];
    char        own[PATH_MAX + 128];
    const char *args[] = {job->column->args, job->peer->args, own, NULL};

    snprintf(path, sizeof path, "%s/bench-%s", set->bin, job->peer->program);
    snprintf(own, sizeof own, " --passes %u --bytes %llu --dir %s", count, (unsigned long long)set->mib << 20,
             set->dir);
    *got = 0;
    if (access(path, X_OK) != 0) return UNSUPPORTED;
    return child_run(path, args, results, got);
}

static bool job_failed(const struct job *job, int status, const struct child_result *results, size_t count)
{
    bool failed = status != 0;

    for (size_t i = 0; i < count; i++) failed = failed || !results[i].ok;
    if (failed)
        fprintf(stderr, "bench-run: FAILED (status %d): bench-%s %s %s\n", status, job->peer->program,
                job->column->args, job->peer->args);
    return failed;
}

/* Find out whether JOB can be done and how many passes it needs. Returns false when it failed. */
static bool job_try(const struct settings *set, const struct job *job)
{
    struct child_result results[CHILD_RESULTS_MAX];
    size_t              count;
    int                 status = job_run(set, job, 1, results, &count);
    double              wanted;

    *job->passes = 0;
    if (status == UNSUPPORTED) return true;
    if (job_failed(job, status, results, count) || count == 0) return false;
    wanted = job->group->calibrate ? set->run_ms / 1000.0 / results[0].seconds : 1;
    *job->passes = wanted < 1 ? 1 : wanted > PASSES_MAX ? PASSES_MAX : (unsigned)wanted;
    return true;
}

static bool job_measure(const struct settings *set, const struct job *job, unsigned round, FILE *tsv)
{
    struct child_result results[CHILD_RESULTS_MAX];
    struct sample       sample = {.group = job->group, .column = job->column, .peer = job->peer, .round = round};
    struct load_mark    mark;
    size_t              count;
    int                 status;

    if (*job->passes == 0) return true;
    sample.line_ns = load_line_ns();
    load_mark(&mark);
    status = job_run(set, job, *job->passes, results, &count);
    load_since(&mark, &sample.load);
    for (size_t i = 0; i < count; i++) {
        sample.result = results[i];
        report_add(&sample);
        report_tsv(tsv, &sample);
    }
    return !job_failed(job, status, results, count);
}

/* ---- all of them ---- */

/* Round 0 tries, the others measure. Returns how many jobs failed. */
static unsigned round_run(const struct settings *set, unsigned round, FILE *tsv)
{
    unsigned failed = 0;

    for (size_t g = 0; plan[g].title != NULL; g++) {
        if (set->only != NULL && strstr(plan[g].title, set->only) == NULL) continue;
        for (size_t c = 0; plan[g].columns[c].title != NULL; c++) {
            if (set->quick && !plan[g].columns[c].quick) continue;
            for (size_t p = 0; plan[g].peers[p].program != NULL; p++) {
                struct job job = {&plan[g], &plan[g].columns[c], &plan[g].peers[p], &passes[g][c][p]};

                failed += !(round == 0 ? job_try(set, &job) : job_measure(set, &job, round, tsv));
            }
        }
    }
    return failed;
}

static unsigned rounds_run(const struct settings *set, FILE *tsv)
{
    double   start = seconds_now();
    unsigned failed = round_run(set, 0, tsv);
    double   first = seconds_now();

    fprintf(stderr, "bench-run: tried all peers in %.0f s\n", first - start);
    for (unsigned round = 1; round <= set->rounds; round++) {
        double each;

        failed += round_run(set, round, tsv);
        each = (seconds_now() - first) / round;
        fprintf(stderr, "bench-run: round %u of %u, %.0f s\n", round, set->rounds, seconds_now() - start);
        if (set->budget_s > 0 && seconds_now() - start + each > set->budget_s) break;
    }
    return failed;
}

/* ---- command line ---- */

static bool number_take(const char *text, unsigned *value)
{
    char         *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || number == 0 || number > 100000) return false;
    *value = (unsigned)number;
    return true;
}

static bool option_take(struct settings *set, const char *name, const char *text)
{
    if (strcmp(name, "--rounds") == 0) return number_take(text, &set->rounds);
    if (strcmp(name, "--run-ms") == 0) return number_take(text, &set->run_ms);
    if (strcmp(name, "--mib") == 0) return number_take(text, &set->mib);
    if (strcmp(name, "--budget") == 0) return number_take(text, &set->budget_s);
    if (strcmp(name, "--bin") == 0) set->bin = text;
    else if (strcmp(name, "--dir") == 0) set->dir = text;
    else if (strcmp(name, "--out") == 0) set->out = text;
    else if (strcmp(name, "--only") == 0) set->only = text;
    else return false;
    return true;
}

static bool settings_parse(int argc, char **argv, struct settings *set)
{
    *set = (struct settings){.rounds = 11, .run_ms = 400, .mib = 192};
    set->bin = "bench";
    set->dir = ".";
    set->out = "bench-results.tsv";
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        *set = (struct settings){true, 5, 120, 32, 110, set->bin, set->dir, set->out, NULL};
        argv++;
        argc--;
    }
    for (int i = 1; i < argc; i += 2)
        if (i + 1 == argc || !option_take(set, argv[i], argv[i + 1])) {
            fprintf(stderr, "bench-run: what is '%s'?\n", argv[i]);
            return false;
        }
    return true;
}

int main(int argc, char **argv)
{
    struct settings set;
    unsigned        failed;
    FILE           *tsv;

    if (!settings_parse(argc, argv, &set)) return 2;
    tsv = fopen(set.out, "w");
    if (tsv == NULL) {
        perror(set.out);
        return 1;
    }
    report_tsv_head(tsv);
    failed = rounds_run(&set, tsv);
    fclose(tsv);
    report_tables(stdout);
    fprintf(stderr, "bench-run: raw results in %s\n", set.out);
    if (failed > 0) fprintf(stderr, "bench-run: %u runs failed\n", failed);
    return failed > 0;
}
