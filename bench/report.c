/* SPDX-License-Identifier: MIT */
/*
 * Keeps the samples of all rounds, writes each as a row of a TSV file, and prints tables: medians, the spread from the
 * smallest to the largest, and how many times faster ours was. A ratio is taken in each round and its median printed,
 * since peers that ran within the same seconds had the same machine; medians of different rounds did not.
 */
#include "run.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static struct {
    struct sample *sample;
    size_t         count;
    size_t         room;
} all;

void report_add(const struct sample *sample)
{
    if (all.count == all.room) {
        size_t         room = all.room == 0 ? 256 : 2 * all.room;
        struct sample *grown = realloc(all.sample, room * sizeof *grown);

        if (grown == NULL) {
            perror("bench-run");
            exit(1);
        }
        all.sample = grown;
        all.room = room;
    }
    all.sample[all.count++] = *sample;
}

bool sample_is_cost(const struct sample *sample)
{
    return strcmp(sample->group->unit, "us") == 0;
}

double sample_rate(const struct sample *sample)
{
    const struct child_result *result = &sample->result;
    const char                *unit = sample->group->unit;

    if (sample_is_cost(sample)) return result->seconds * 1e6;
    if (strcmp(unit, "MB/s") == 0) return (double)result->bytes / 1e6 / result->seconds;
    return (double)result->messages / (strcmp(unit, "k/s") == 0 ? 1e3 : 1e6) / result->seconds;
}

/* ---- raw ---- */

void report_machine(FILE *out, const char *prefix)
{
    struct utsname system;
    cpu_set_t      cpus;
    char           date[64];
    time_t         now = time(NULL);
    struct tm      when;

    gmtime_r(&now, &when);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &when);
    if (uname(&system) != 0 || sched_getaffinity(0, sizeof cpus, &cpus) != 0) return;
    fprintf(out, "%s%s, %s %s on %s, %d CPUs, compiled with %s %s\n", prefix, date, system.sysname, system.release,
            system.machine, CPU_COUNT(&cpus),
#ifdef __clang__
            "clang",
#else
            "gcc",
#endif
            __VERSION__);
}

void report_tsv_head(FILE *out)
{
    report_machine(out, "# ");
    fputs("round\ttable\twork\tpeer\tphase\tmessages\tbytes\tseconds\tcpu_seconds\trate\tunit\tok\tdisk_bytes\t"
          "overflowed\tload_average\tsteal_pct\tother_pct\tline_ns\targuments\tmore\n",
          out);
}

void report_tsv(FILE *out, const struct sample *s)
{
    const struct child_result *r = &s->result;

    fprintf(out,
            "%u\t%s\t%s\t%s\t%s\t%llu\t%llu\t%.9f\t%.6f\t%.4f\t%s\t%d\t%.0f\t%.0f\t%.2f\t%.1f\t%.1f\t%.0f\t%s "
            "%s\t%s\n",
            s->round, s->group->title, s->column->title, r->peer, r->phase, r->messages, r->bytes, r->seconds, r->cpu,
            sample_rate(s), s->group->unit, r->ok, r->disk_bytes, r->overflowed, s->load.average, s->load.steal_pct,
            s->load.other_pct, s->line_ns, s->column->args, s->peer->args, r->more);
    fflush(out);
}

void report_series_head(FILE *out)
{
    report_machine(out, "# ");
    fputs("table\twork\tpeer\tseconds\tname\tvalue\n", out);
}

void report_series(FILE *out, const struct sample *s, double seconds, const char *name, double value)
{
    fprintf(out, "%s\t%s\t%s\t%.6f\t%s\t%.0f\n", s->group->title, s->column->title, s->result.peer, seconds, name,
            value);
}

/* ---- medians ---- */

struct spread {
    double median, min, max;
    size_t count;
};

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct spread spread_of(double *value, size_t count)
{
    struct spread spread = {0, 0, 0, count};

    if (count == 0) return spread;
    qsort(value, count, sizeof *value, double_compare);
    spread.min = value[0];
    spread.max = value[count - 1];
    spread.median = count % 2 == 1 ? value[count / 2] : (value[count / 2 - 1] + value[count / 2]) / 2;
    return spread;
}

/* One cell of a table. */
struct cell {
    const struct plan_group  *group;
    const struct plan_column *column;
    const struct plan_peer   *peer;
    const char               *phase;
};

static bool is_in(const struct sample *sample, const struct cell *cell)
{
    return sample->group == cell->group && sample->column == cell->column && sample->peer == cell->peer &&
           strcmp(sample->result.phase, cell->phase) == 0;
}

static const struct sample *sample_find(const struct cell *cell, unsigned round)
{
    for (size_t i = 0; i < all.count; i++)
        if (all.sample[i].round == round && is_in(&all.sample[i], cell)) return &all.sample[i];
    return NULL;
}

static struct spread cell_rates(const struct cell *cell, double *value)
{
    size_t count = 0;

    for (size_t i = 0; i < all.count; i++)
        if (is_in(&all.sample[i], cell)) value[count++] = sample_rate(&all.sample[i]);
    return spread_of(value, count);
}

/* How many times better the first peer was than CELL's, round by round. */
static struct spread cell_ratios(const struct cell *cell, double *value)
{
    struct cell ours = *cell;
    size_t      count = 0;

    ours.peer = cell->group->peers;
    for (size_t i = 0; i < all.count; i++) {
        const struct sample *mine;

        if (!is_in(&all.sample[i], cell)) continue;
        mine = sample_find(&ours, all.sample[i].round);
        if (mine == NULL) continue;
        value[count++] = sample_is_cost(mine) ? sample_rate(&all.sample[i]) / sample_rate(mine)
                                              : sample_rate(mine) / sample_rate(&all.sample[i]);
    }
    return spread_of(value, count);
}

/* ---- tables ---- */

static void number_print(char *text, size_t room, double number)
{
    snprintf(text, room, number < 10 ? "%.2f" : number < 100 ? "%.1f" : "%.0f", number);
}

static void cell_print(FILE *out, const struct cell *cell, double *value)
{
    struct spread rate = cell_rates(cell, value);
    char          median[32], min[32], max[32], ratio[32] = "";

    if (rate.count == 0) {
        fprintf(out, " - |");
        return;
    }
    number_print(median, sizeof median, rate.median);
    number_print(min, sizeof min, rate.min);
    number_print(max, sizeof max, rate.max);
    if (cell->peer != cell->group->peers) {
        struct spread ratios = cell_ratios(cell, value);

        if (ratios.count > 0) snprintf(ratio, sizeof ratio, " **%.2fx**", ratios.median);
    }
    fprintf(out, " %s [%s-%s]%s |", median, min, max, ratio);
}

static const struct sample *any_sample(const struct plan_group *group, const struct plan_column *column,
                                       const struct plan_peer *peer)
{
    for (size_t i = 0; i < all.count; i++) {
        const struct sample *sample = &all.sample[i];

        if (sample->group != group || (column != NULL && sample->column != column)) continue;
        if (peer == NULL || sample->peer == peer) return sample;
    }
    return NULL;
}

/* What a table shows of a piece of work, one column for each. */
struct figure {
    const char *head;  /* NULL: the work's title is enough */
    const char *phase; /* NULL ends a list */
    const char *key;   /* of the number in what the line said; NULL: the rate */
    double      unit;  /* that the number is divided by; 0: the payload in bytes */
};

static const struct figure figures[][5] = {
    [PLAN_MEM] = {{NULL, "mem", NULL, 1}},
    [PLAN_OVERFLOW] = {{"in", "in", NULL, 1}, {"out", "out", NULL, 1}, {"on disk / input", "in", "disk_bytes", 0}},
    [PLAN_DURABLE] = {{NULL, "durable", NULL, 1}},
    [PLAN_LATENCY] = {{"p50", "latency", NULL, 1}, {"p99", "latency", "p99_us", 1}, {"max", "latency", "max_us", 1}},
    [PLAN_PIPE] = {{NULL, "pipe", NULL, 1}},
    [PLAN_BURST] = {{"sent while it stalls", "stall", NULL, 1},
                    {"received after it", "return", NULL, 1},
                    {"process at most, MiB", "return", "memory_max", 1048576},
                    {"disk at most, MiB", "return", "disk_max", 1048576}},
};

/* The median of what the lines of CELL said for a figure's key. */
static void figure_print(FILE *out, const struct cell *cell, const struct figure *figure, double *value)
{
    size_t count = 0;
    char   median[32];

    for (size_t i = 0; i < all.count; i++) {
        const struct child_result *result = &all.sample[i].result;
        double                     number = child_number(result->more, figure->key, -1);

        if (!is_in(&all.sample[i], cell)) continue;
        if (strcmp(figure->key, "disk_bytes") == 0) number = result->disk_bytes;
        if (number >= 0) value[count++] = number / (figure->unit > 0 ? figure->unit : (double)result->bytes);
    }
    number_print(median, sizeof median, spread_of(value, count).median);
    fprintf(out, " %s |", count > 0 ? median : "-");
}

static void head_print(FILE *out, const struct plan_group *group)
{
    size_t columns = 0;

    fprintf(out, "| %s |", group->unit);
    for (const struct plan_column *column = group->columns; column->title != NULL; column++) {
        const char *title = column->title;

        if (any_sample(group, column, NULL) == NULL) continue;
        for (const struct figure *figure = figures[group->kind]; figure->phase != NULL; figure++, columns++) {
            fprintf(out, " %s%s%s |", title, *title != '\0' && figure->head != NULL ? ": " : "",
                    figure->head != NULL ? figure->head : "");
            title = "";
        }
    }
    fprintf(out, "\n|---|");
    while (columns-- > 0) fprintf(out, "---|");
    fprintf(out, "\n");
}

static void row_print(FILE *out, const struct plan_group *group, const struct plan_peer *peer, double *value)
{
    const struct sample *named = any_sample(group, NULL, peer);

    if (named == NULL) return;
    fprintf(out, "| %s |", named->result.peer);
    for (const struct plan_column *column = group->columns; column->title != NULL; column++) {
        if (any_sample(group, column, NULL) == NULL) continue;
        for (const struct figure *figure = figures[group->kind]; figure->phase != NULL; figure++) {
            struct cell cell = {group, column, peer, figure->phase};

            if (figure->key == NULL) cell_print(out, &cell, value);
            else figure_print(out, &cell, figure, value);
        }
    }
    fprintf(out, "\n");
}

/* How quiet the machine was over all samples. */
static void load_print(FILE *out, double *value)
{
    struct spread steal, other, line;

    for (size_t i = 0; i < all.count; i++) value[i] = all.sample[i].load.steal_pct;
    steal = spread_of(value, all.count);
    for (size_t i = 0; i < all.count; i++) value[i] = all.sample[i].load.other_pct;
    other = spread_of(value, all.count);
    for (size_t i = 0; i < all.count; i++) value[i] = all.sample[i].line_ns;
    line = spread_of(value, all.count);
    fprintf(out,
            "While it ran: steal %.1f %% of all CPUs' time (at most %.1f), other programs %.1f %% (at most %.1f);\n"
            "a cache line to the other CPU and back %.0f ns (%.0f to %.0f).\n",
            steal.median, steal.max, other.median, other.max, line.median, line.min, line.max);
}

void report_tables(FILE *out)
{
    const struct plan_peer *peer;
    double                 *value = calloc(all.count + 1, sizeof *value);

    if (value == NULL || all.count == 0) {
        free(value);
        return;
    }
    report_machine(out, "");
    fprintf(out, "%u rounds; each cell: median [smallest-largest] and, in bold, how many times faster ours was.\n",
            all.sample[all.count - 1].round);
    load_print(out, value);
    for (const struct plan_group *group = plan; group->title != NULL; group++) {
        if (any_sample(group, NULL, NULL) == NULL) continue;
        fprintf(out, "\n### %s\n\n", group->title);
        head_print(out, group);
        for (size_t i = 0; (peer = group_peer(group, i)) != NULL; i++) row_print(out, group, peer, value);
    }
    free(value);
}
