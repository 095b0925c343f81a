/* SPDX-License-Identifier: MIT */
/*
 * The progress line. Rates are those between two samples. The channel does not keep times, so the lag is worked out
 * here: each sample says how many records had been accepted when; the oldest record still on its way was accepted
 * between the two samples around its number. The history holds the samples from there on, and every second one is
 * dropped when it is full, so a long lag is only known less finely.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_BYTES 32
#define BAR_CELLS    8

void progress_init(struct progress *prog, uint64_t now_ms, const struct hopper_stats *before, uint64_t recovered)
{
    memset(prog, 0, sizeof *prog);
    prog->start_ms = prog->last.time_ms = now_ms;
    prog->before = prog->last.accepted = before->accepted;
    prog->recovered                    = recovered;
    prog->history[0]                   = prog->last;
    prog->history_count                = 1;
}

/* Records that are no longer on their way: written, dropped or lost. */
static uint64_t records_gone(const struct hopper_stats *stats)
{
    uint64_t pending = stats->pending_memory + stats->pending_disk;

    return stats->accepted > pending ? stats->accepted - pending : 0;
}

static void history_forget(struct progress *prog, uint64_t gone)
{
    size_t first = 0;

    while (first + 1 < prog->history_count && prog->history[first + 1].accepted <= gone) first++;
    prog->history_count -= first;
    memmove(prog->history, prog->history + first, prog->history_count * sizeof prog->history[0]);
}

static void history_thin(struct progress *prog)
{
    size_t kept = 0;

    for (size_t i = 0; i < prog->history_count; i += 2) prog->history[kept++] = prog->history[i];
    prog->history_count = kept;
}

void progress_sample(struct progress *prog, uint64_t now_ms, const struct hopper_stats *stats, uint64_t delivered)
{
    struct progress_sample now = { now_ms, stats->accepted, delivered };

    if (now_ms > prog->last.time_ms) {
        double seconds = (double)(now_ms - prog->last.time_ms) / 1000.0;
        prog->in_rate  = (double)(now.accepted - prog->last.accepted) / seconds;
        prog->out_rate = (double)(now.delivered - prog->last.delivered) / seconds;
        prog->last     = now;
    }
    history_forget(prog, records_gone(stats));
    if (prog->history_count == PROGRESS_SAMPLES) history_thin(prog);
    prog->history[prog->history_count++] = now;
}

/* Seconds since the oldest record on its way was accepted; between two samples as if the rate had been even. */
static double lag_seconds(const struct progress *prog, uint64_t now_ms, const struct hopper_stats *stats)
{
    uint64_t gone                        = records_gone(stats);
    const struct progress_sample *before = &prog->history[0];
    double since_ms;

    if (gone >= stats->accepted) return 0;
    for (size_t i = 1; i < prog->history_count && prog->history[i].accepted <= gone; i++) before = &prog->history[i];
    since_ms = (double)before->time_ms;
    if (gone > before->accepted && before + 1 < prog->history + prog->history_count &&
        before[1].accepted > before->accepted)
        since_ms += (double)(before[1].time_ms - before->time_ms) * (double)(gone - before->accepted) /
                    (double)(before[1].accepted - before->accepted);
    return (double)now_ms > since_ms ? ((double)now_ms - since_ms) / 1000.0 : 0;
}

/* VALUE with three digits and the unit that leaves it below STEP. Returns TEXT. */
static const char *number_format(double value, double step, const char *const *units, char *text)
{
    size_t unit = 0;

    while (value >= step * 0.9995 && units[unit + 1] != NULL) {
        value /= step;
        unit++;
    }
    snprintf(text, NUMBER_BYTES, "%.*f%s",
             unit == 0 || value >= 99.95 ? 0
             : value >= 9.995            ? 1
                                         : 2,
             value, units[unit]);
    return text;
}

static const char *count_format(double value, char *text)
{
    static const char *const units[] = { "", "k", "M", "G", "T", "P", NULL };

    return number_format(value, 1000, units, text);
}

static const char *bytes_format(uint64_t bytes, char *text)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL };

    return number_format((double)bytes, 1024, units, text);
}

static const char *clock_format(uint64_t ms, char *text)
{
    uint64_t seconds = ms / 1000;

    snprintf(text, NUMBER_BYTES, "%" PRIu64 ":%02u:%02u", seconds / 3600, (unsigned)(seconds / 60 % 60),
             (unsigned)(seconds % 60));
    return text;
}

static const char *lag_format(double seconds, char *text)
{
    if (seconds >= 100) return clock_format((uint64_t)(seconds * 1000), text);
    snprintf(text, NUMBER_BYTES, "%.1fs", seconds);
    return text;
}

static const char *bar_format(uint64_t used, uint64_t whole, char *text)
{
    unsigned percent = whole > 0 ? (unsigned)((double)used / (double)whole * 100.0 + 0.5) : 0;
    unsigned cells   = (percent * BAR_CELLS + 99) / 100;

    if (cells > BAR_CELLS) cells = BAR_CELLS;
    snprintf(text, NUMBER_BYTES, "[%.*s%.*s] %u%%", (int)cells, "########", (int)(BAR_CELLS - cells), "........",
             percent);
    return text;
}

enum { PART_TAKEN, PART_OLD, PART_BYTES, PART_TIME, PART_RATES, PART_MEMORY, PART_DISK, PART_LAG, PARTS };

/* The parts with a blank between them; those of which nothing is left are not there. Returns the length. */
static size_t parts_join(char parts[][2 * NUMBER_BYTES + 16], char *line)
{
    size_t len = 0;

    *line = '\0';
    for (size_t i = 0; i < PARTS; i++)
        if (parts[i][0] != '\0')
            len += (size_t)snprintf(line + len, PROGRESS_LINE_BYTES - len, "%s%s", len > 0 ? " " : "", parts[i]);
    return len;
}

void progress_format(const struct progress *prog, uint64_t now_ms, const struct hopper_stats *stats, size_t columns,
                     char *line)
{
    static const unsigned dispensable[] = { PART_BYTES, PART_TIME, PART_MEMORY, PART_RATES, PART_OLD, PART_TAKEN };
    char parts[PARTS][2 * NUMBER_BYTES + 16];
    char a[NUMBER_BYTES], b[NUMBER_BYTES];

    snprintf(parts[PART_TAKEN], sizeof parts[0], "%s rec", count_format((double)(stats->accepted - prog->before), a));
    parts[PART_OLD][0] = '\0';
    if (prog->recovered > 0)
        snprintf(parts[PART_OLD], sizeof parts[0], "+%s old", count_format((double)prog->recovered, a));
    snprintf(parts[PART_BYTES], sizeof parts[0], "%s", bytes_format(stats->accepted_bytes, a));
    snprintf(parts[PART_TIME], sizeof parts[0], "%s", clock_format(now_ms - prog->start_ms, a));
    snprintf(parts[PART_RATES], sizeof parts[0], "[in %s/s out %s/s]", count_format(prog->in_rate, a),
             count_format(prog->out_rate, b));
    snprintf(parts[PART_MEMORY], sizeof parts[0], "mem%s",
             bar_format(stats->memory_bytes_used, stats->memory_bytes, a));
    snprintf(parts[PART_DISK], sizeof parts[0], "disk %s/%" PRIu64 " file%s", bytes_format(stats->disk_bytes_used, a),
             stats->disk_files, stats->disk_files == 1 ? "" : "s");
    snprintf(parts[PART_LAG], sizeof parts[0], "lag %s", lag_format(lag_seconds(prog, now_ms, stats), a));
    for (size_t i = 0; parts_join(parts, line) > columns && i < sizeof dispensable / sizeof dispensable[0]; i++)
        parts[dispensable[i]][0] = '\0';
    (void)parts_join(parts, line);
}
