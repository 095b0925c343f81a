/* SPDX-License-Identifier: MIT */
/*
 * The command line of a benchmark program, the same for every peer (the Rust one has its own copy of it):
 *
 *   bench-PEER [--work mem|overflow|durable|wake|burst|part] [--variant NAME] [--senders N] [--size BYTES|mix] [--batch N]
 *              [--slots N] [--messages N] [--passes N] [--data log|int|json|packed] [--bytes N] [--memory N] [--level 0..9]
 *              [--dir DIR] [--seed N] [--pin 0|1] [--survive 0|1] [--cpus N]
 *              [--compress-threads 0|1] [--decompress-threads 0|1] [--work-passes N]
 *
 * The runner is the usual caller; by hand the defaults do something sensible.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>

struct number_option {
    const char *name;
    uint64_t   *value;
    uint64_t    min;
    uint64_t    max;
};

struct text_option {
    const char  *name;
    const char **value;
};

static int number_parse(const struct number_option *option, const char *text)
{
    unsigned long long value;
    char              *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < option->min || value > option->max) {
        fprintf(stderr, "bench: %s needs a number from %llu to %llu, not '%s'\n", option->name,
                (unsigned long long)option->min, (unsigned long long)option->max, text);
        return -1;
    }
    *option->value = value;
    return 0;
}

/* The values as numbers of one type, before they go to their fields. */
struct numbers {
    uint64_t senders, size, batch, level, pin, survive, cpus, compress_threads, decompress_threads, work_passes;
};

static int option_take(const char *name, const char *text, struct bench_work *work, struct numbers *numbers,
                       const char **kind)
{
    const struct number_option number[] = {
        {"--senders", &numbers->senders, 1, BENCH_SENDERS_MAX}, {"--size", &numbers->size, 8, BENCH_SIZE_MAX},
        {"--batch", &numbers->batch, 1, BENCH_BATCH_MAX},       {"--level", &numbers->level, 0, 9},
        {"--pin", &numbers->pin, 0, 1},                         {"--slots", &work->slots, 0, UINT32_MAX},
        {"--messages", &work->messages, 1, BENCH_COUNTER_MASK}, {"--passes", &work->passes, 1, UINT32_MAX},
        {"--bytes", &work->bytes, 1, UINT64_C(1) << 40},        {"--memory", &work->memory, 0, UINT64_C(1) << 40},
        {"--seed", &work->seed, 0, UINT64_MAX},               {"--survive", &numbers->survive, 0, 1},
        {"--cpus", &numbers->cpus, 0, 1024},                  {"--compress-threads", &numbers->compress_threads, 0, 1},
        {"--decompress-threads", &numbers->decompress_threads, 0, 1}, {"--work-passes", &numbers->work_passes, 0, 1000},
    };
    const struct text_option word[] = {
        {"--work", kind}, {"--variant", &work->variant}, {"--data", &work->data}, {"--dir", &work->dir}};

    if (strcmp(name, "--size") == 0) work->mix = strcmp(text, "mix") == 0;
    if (strcmp(name, "--size") == 0 && work->mix) {
        numbers->size = BENCH_MIX_MAX;
        return 0;
    }
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        if (strcmp(name, number[i].name) == 0) return number_parse(&number[i], text);
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        if (strcmp(name, word[i].name) == 0) {
            *word[i].value = text;
            return 0;
        }
    fprintf(stderr, "bench: unknown option '%s'\n", name);
    return -1;
}

static int kind_parse(const char *text, enum bench_kind *kindp)
{
    static const struct {
        const char     *name;
        enum bench_kind kind;
    } kinds[] = {{"mem", BENCH_MEM},
                 {"overflow", BENCH_OVERFLOW},
                 {"durable", BENCH_DURABLE},
                 {"wake", BENCH_WAKE},
                 {"burst", BENCH_BURST},
                 {"part", BENCH_PART}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(text, kinds[i].name) == 0) {
            *kindp = kinds[i].kind;
            return 0;
        }
    fprintf(stderr, "bench: --work is mem, overflow, durable, wake, burst or part, not '%s'\n", text);
    return -1;
}

int bench_args(int argc, char **argv, struct bench_work *work)
{
    struct numbers numbers = {.senders = 1, .size = 8, .batch = 1, .level = 1, .pin = 1};
    const char    *kind = "mem";

    *work = (struct bench_work){.data = "log", .variant = "", .dir = "/tmp", .messages = 500000, .passes = 5};
    work->seed = 1;
    work->bytes = UINT64_C(64) << 20;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            fprintf(stderr, "bench: '%s' needs a value\n", argv[i]);
            return BENCH_USAGE;
        }
        if (option_take(argv[i], argv[i + 1], work, &numbers, &kind) != 0) return BENCH_USAGE;
    }
    if (kind_parse(kind, &work->kind) != 0) return BENCH_USAGE;
    if (work->kind == BENCH_OVERFLOW && !bench_data_known(work->data)) {
        fprintf(stderr, "bench: --data is log, int, json or packed, not '%s'\n", work->data);
        return BENCH_USAGE;
    }
    work->senders = (unsigned)numbers.senders;
    work->size = (size_t)numbers.size;
    work->batch = (size_t)numbers.batch;
    work->level = (int)numbers.level;
    work->pin = (int)numbers.pin;
    work->survive = (int)numbers.survive;
    work->cpus = (unsigned)numbers.cpus;
    work->compress_threads = (unsigned)numbers.compress_threads;
    work->decompress_threads = (unsigned)numbers.decompress_threads;
    work->work_passes = (unsigned)numbers.work_passes;
    return BENCH_OK;
}
