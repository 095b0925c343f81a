/* SPDX-License-Identifier: MIT */
/*
 * bench-run: goes through the plan in rounds. In each round every piece of work is done by all of its peers one after
 * the other, so that a machine that is slow for a while is slow for all of them. Peers that are not built or do not do
 * the work are left out. Before the first round each peer is tried once where the number of passes can be chosen: that
 * says how many take the time that was asked for. Each sample goes to the TSV file at once, the tables to standard
 * output at the end. Time series go to a second file, FILE.series.tsv for FILE.tsv, once for each peer and work.
 *
 *   bench-run [--quick] [--rounds N] [--budget SECONDS] [--run-ms N] [--mib N] [--pipe-mib N] [--bin DIR] [--dir DIR]
 *             [--out FILE] [--only TEXT] [--peer NAME=PROGRAM]...
 *
 * Ends with 1 when a peer failed or one of its checks did: then its numbers mean nothing.
 */
#include "run.h"

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNSUPPORTED 77
#define PEERS_MAX   32
#define COLUMNS_MAX 16
#define GROUPS_MAX  32
#define PASSES_MAX  5000

struct settings {
    bool        quick;
    unsigned    rounds;
    unsigned    run_ms;   /* what a run of the mem work should take */
    unsigned    mib;      /* of payload for the overflow work */
    unsigned    pipe_mib; /* of the file that goes through the pipe */
    unsigned    budget_s; /* no round begins that would not end within it; 0: none */
    const char *bin;      /* where the programs are */
    const char *dir;      /* where queue files go: a real disk, not a tmpfs */
    const char *out;
    const char *only; /* a part of a table's title */
};

/* What the trial or the first run found out; passes 0: leave it out. */
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

/* The runner's own arguments come first: the plan's may say otherwise. */
static int job_run(const struct settings *set, const struct job *job, unsigned count,
                   const struct child_series *series, struct child_result *results, size_t *got)
{
    char        path[PATH_MAX];
    char        own[PATH_MAX + 128];
    const char *args[] = {own, job->column->args, job->peer->args, NULL};
    unsigned    mib = job->group->kind == PLAN_PIPE ? set->pipe_mib : set->mib;
    const char *name = added_name(job->peer);
    int         status;

    if (name != NULL) snprintf(path, sizeof path, "%s", job->peer->program);
    else snprintf(path, sizeof path, "%s/bench-%s", set->bin, job->peer->program);
    snprintf(own, sizeof own, "--passes %u --bytes %llu --dir %s ", count, (unsigned long long)mib << 20, set->dir);
    *got = 0;
    if (access(path, X_OK) != 0) return UNSUPPORTED;
    status = child_run(path, args, series, results, got);
    for (size_t i = 0; name != NULL && i < *got; i++)
        snprintf(results[i].peer, sizeof results[i].peer, "%s", name);
    return status;
}

static bool job_failed(const struct job *job, int status, const struct child_result *results, size_t count)
{
    bool failed = status != 0;

    for (size_t i = 0; i < count; i++) failed = failed || !results[i].ok;
    if (failed)
        fprintf(stderr, "bench-run: FAILED (status %d): %s%s %s %s\n", status,
                added_name(job->peer) != NULL ? "" : "bench-", job->peer->program, job->column->args, job->peer->args);
    return failed;
}

/* Work whose passes can be many or few. */
static bool kind_calibrates(enum plan_kind kind)
{
    return kind == PLAN_MEM || kind == PLAN_DURABLE || kind == PLAN_LATENCY;
}

/* Find out whether JOB can be done and how many passes it needs. Returns false when it failed. */
static bool job_try(const struct settings *set, const struct job *job)
{
    struct child_result results[CHILD_RESULTS_MAX];
    size_t              count;
    int                 status;
    double              wanted;

    *job->passes = 1;
    if (!kind_calibrates(job->group->kind)) return true;
    *job->passes = 0;
    status = job_run(set, job, 1, NULL, results, &count);
    if (status == UNSUPPORTED) return true;
    if (job_failed(job, status, results, count) || count == 0) return false;
    wanted = set->run_ms / 1000.0 / (results[0].wall > 0 ? results[0].wall : results[0].seconds);
    *job->passes = wanted < 1 ? 1 : wanted > PASSES_MAX ? PASSES_MAX : (unsigned)wanted;
    return true;
}

/* What was told before the result line that names the peer; written with it. */
struct series {
    struct {
        double seconds, value;
        char   name[32];
    } * point;
    size_t count, room;
};

static void series_add(void *arg, double seconds, const char *name, double value)
{
    struct series *series = arg;

    if (series->count == series->room) {
        size_t room = series->room == 0 ? 1024 : 2 * series->room;
        void  *grown = realloc(series->point, room * sizeof *series->point);

        if (grown == NULL) return;
        series->point = grown;
        series->room = room;
    }
    series->point[series->count].seconds = seconds;
    series->point[series->count].value = value;
    snprintf(series->point[series->count++].name, sizeof series->point->name, "%s", name);
}

static void series_write(struct series *series, const struct sample *sample, FILE *out)
{
    for (size_t i = 0; i < series->count; i++)
        report_series(out, sample, series->point[i].seconds, series->point[i].name, series->point[i].value);
    fflush(out);
    free(series->point);
}

/* Where results go. */
struct files {
    FILE *tsv;
    FILE *series;
};

static bool job_measure(const struct settings *set, const struct job *job, unsigned round, const struct files *files)
{
    struct child_result results[CHILD_RESULTS_MAX];
    struct sample       sample = {.group = job->group, .column = job->column, .peer = job->peer, .round = round};
    struct series       points = {NULL, 0, 0};
    struct child_series series = {series_add, &points};
    struct load_mark    mark;
    size_t              count;
    int                 status;

    if (*job->passes == 0) return true;
    sample.line_ns = load_line_ns();
    load_mark(&mark);
    status = job_run(set, job, *job->passes, round == 1 ? &series : NULL, results, &count);
    load_since(&mark, &sample.load);
    if (status == UNSUPPORTED) {
        *job->passes = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        sample.result = results[i];
        report_add(&sample);
        report_tsv(files->tsv, &sample);
    }
    series_write(&points, &sample, files->series);
    return !job_failed(job, status, results, count);
}

/* ---- all of them ---- */

/* Long runs are not repeated as often: their spread is small, or they are for the picture. */
static unsigned rounds_max(const struct settings *set, enum plan_kind kind)
{
    switch (kind) {
    case PLAN_PIPE: return set->quick ? 2 : 5;
    case PLAN_BURST: return set->quick ? 1 : 3;
    default: return UINT_MAX;
    }
}

/* Round 0 tries, the others measure. Returns how many jobs failed. */
static unsigned round_run(const struct settings *set, unsigned round, const struct files *files)
{
    unsigned failed = 0;

    for (size_t g = 0; plan[g].title != NULL; g++) {
        if (set->only != NULL && strstr(plan[g].title, set->only) == NULL) continue;
        if (round > rounds_max(set, plan[g].kind)) continue;
        for (size_t c = 0; plan[g].columns[c].title != NULL; c++) {
            if (set->quick && !plan[g].columns[c].quick) continue;
            const struct plan_peer *peer;

            for (size_t p = 0; (peer = group_peer(&plan[g], p)) != NULL; p++) {
                if (set->quick && !peer->quick) continue;
                struct job job = {&plan[g], &plan[g].columns[c], peer, &passes[g][c][p]};

                failed += !(round == 0 ? job_try(set, &job) : job_measure(set, &job, round, files));
            }
        }
    }
    return failed;
}

/* The files that bench-through keeps between its runs. */
static void inputs_remove(const struct settings *set)
{
    char   pattern[PATH_MAX];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/bench-input-*", set->dir);
    if (glob(pattern, GLOB_NOESCAPE, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc; i++) unlink(found.gl_pathv[i]);
    globfree(&found);
}

static unsigned rounds_run(const struct settings *set, const struct files *files)
{
    double   start = seconds_now();
    unsigned failed = round_run(set, 0, files);
    double   first = seconds_now();

    fprintf(stderr, "bench-run: tried all peers in %.0f s\n", first - start);
    for (unsigned round = 1; round <= set->rounds; round++) {
        double each;

        failed += round_run(set, round, files);
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
    if (strcmp(name, "--pipe-mib") == 0) return number_take(text, &set->pipe_mib);
    if (strcmp(name, "--budget") == 0) return number_take(text, &set->budget_s);
    if (strcmp(name, "--peer") == 0) return added_take(text);
    if (strcmp(name, "--bin") == 0) set->bin = text;
    else if (strcmp(name, "--dir") == 0) set->dir = text;
    else if (strcmp(name, "--out") == 0) set->out = text;
    else if (strcmp(name, "--only") == 0) set->only = text;
    else return false;
    return true;
}

static bool settings_parse(int argc, char **argv, struct settings *set)
{
    *set = (struct settings){.rounds = 7, .run_ms = 400, .mib = 192, .pipe_mib = 954};
    set->bin = "bench";
    set->dir = ".";
    set->out = "bench-results.tsv";
    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        *set = (struct settings){true, 5, 60, 16, 64, 110, set->bin, set->dir, set->out, NULL};
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

/* The name of the file for time series beside OUT. */
static void series_name(const char *out, char *name, size_t room)
{
    size_t len = strlen(out);

    if (len > 4 && strcmp(out + len - 4, ".tsv") == 0) len -= 4;
    snprintf(name, room, "%.*s.series.tsv", (int)len, out);
}

static bool files_open(const struct settings *set, struct files *files)
{
    char name[PATH_MAX];

    series_name(set->out, name, sizeof name);
    files->tsv = fopen(set->out, "w");
    files->series = fopen(name, "w");
    if (files->tsv == NULL || files->series == NULL) {
        perror(set->out);
        return false;
    }
    report_tsv_head(files->tsv);
    report_series_head(files->series);
    return true;
}

int main(int argc, char **argv)
{
    struct settings set;
    struct files    files;
    unsigned        failed;

    if (!settings_parse(argc, argv, &set)) return 2;
    if (!files_open(&set, &files)) return 1;
    failed = rounds_run(&set, &files);
    fclose(files.tsv);
    fclose(files.series);
    inputs_remove(&set);
    report_tables(stdout);
    fprintf(stderr, "bench-run: raw results in %s\n", set.out);
    if (failed > 0) fprintf(stderr, "bench-run: %u runs failed\n", failed);
    return failed > 0;
}
