/* SPDX-License-Identifier: MIT */
/*
 * See explore.h. Each strategy answers one question: which option. What has been answered is recorded, so that every
 * schedule, whatever found it, can be printed and repeated.
 *
 * Depth first: `path` holds the open choices of the schedule that is running. A new schedule repeats the path up to its
 * last choice, takes the next option there, and always the first option after it. Leaving a thread that could go on
 * costs one preemption of the bound, and so does a wait that times out early; chosen numbers cost nothing. A state that
 * has been met before with at most as many preemptions used need not be followed again: see core.h on histories and
 * cache.c on the set.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#include "cache.h"

#define CHANGES_MAX 16
#define CHOICES_MAX 65536

struct choice {
    uint8_t how;
    uint8_t thread;
    uint8_t index;    /* depth first: the option taken */
    uint8_t count;    /* of options */
    uint32_t allowed; /* depth first: bit for each option within the bound */
};

static struct {
    struct explore_setup setup;
    struct explore_report report;
    struct choice choice[CHOICES_MAX]; /* of the running schedule; at its start those to be repeated */
    size_t choices;                    /* of the running schedule, so far */
    size_t repeat;                     /* how many are to be repeated */
    unsigned preemptions;
    uint64_t rng;
    unsigned rate;                /* random: one in so many choices may switch */
    unsigned priority[256];       /* pct, by thread */
    uint64_t change[CHANGES_MAX]; /* pct: steps at which the running thread falls back */
    unsigned changes;
} ex;

static uint64_t rnd(void)
{
    ex.rng ^= ex.rng << 13;
    ex.rng ^= ex.rng >> 7;
    ex.rng ^= ex.rng << 17;
    return ex.rng >> 11;
}

static unsigned rnd_below(unsigned n)
{
    return (unsigned)(rnd() % n);
}

/* ---- recorded schedules as text ---- */

static const char *const how_prefix[] = { "", "T", "S", "V" };

static bool same_label(const struct choice *a, const struct choice *b)
{
    return a->how == b->how && a->thread == b->thread;
}

static void print_item(FILE *out, const struct choice *c, size_t times, const char *separator)
{
    if (c->how == HOW_VALUE) fprintf(out, "%sV%u", separator, c->thread);
    else fprintf(out, "%s%s%c", separator, how_prefix[c->how], 'a' + c->thread);
    if (times > 1) fprintf(out, "x%zu", times);
}

void explore_print_schedule(FILE *out)
{
    const char *separator = "";

    for (size_t i = 0; i < ex.choices;) {
        size_t times = 1;

        while (i + times < ex.choices && same_label(&ex.choice[i], &ex.choice[i + times])) times++;
        print_item(out, &ex.choice[i], times, separator);
        separator = ".";
        i += times;
    }
    if (ex.choices == 0) fprintf(out, ".");
}

char *explore_schedule_text(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out  = open_memstream(&text, &len); /* called between schedules: this is the system's heap */

    if (out == NULL) return NULL;
    explore_print_schedule(out);
    if (fclose(out) != 0) return NULL;
    return text;
}

static bool parse_item(const char **atp, struct choice *c, size_t *timesp)
{
    const char *at = *atp;
    char *end;

    *timesp = 1;
    c->how  = *at == 'T' ? HOW_TIMEOUT : *at == 'S' ? HOW_SPURIOUS : *at == 'V' ? HOW_VALUE : HOW_RUN;
    at += c->how != HOW_RUN;
    if (c->how == HOW_VALUE) {
        c->thread = (uint8_t)strtoul(at, &end, 10);
        if (end == at) return false;
        at = end;
    } else if (*at >= 'a' && *at <= 'z') {
        c->thread = (uint8_t)(*at++ - 'a');
    } else {
        return false;
    }
    if (*at == 'x') {
        *timesp = strtoul(at + 1, &end, 10);
        at      = end;
    }
    *atp = at;
    return *at == '\0' || *at == '.';
}

/* The recorded schedule into ex.choice, to be repeated. */
static bool parse_schedule(const char *text)
{
    ex.repeat = 0;
    while (*text != '\0') {
        struct choice c = { .index = 0 };
        size_t times;

        if (*text == '.') {
            text++;
            continue;
        }
        if (!parse_item(&text, &c, &times) || times > CHOICES_MAX - ex.repeat) return false;
        while (times-- > 0) ex.choice[ex.repeat++] = c;
    }
    return true;
}

/* ---- strategies ---- */

static int find_label(const struct explore_question *q, const struct choice *c)
{
    for (unsigned i = 0; i < q->count; i++) {
        if (q->option[i].how == c->how && q->option[i].thread == c->thread) return (int)i;
    }
    return EXPLORE_DIVERGED;
}

/* Threads run; waits end by themselves now and then. Where only waits can end, one of them does. */
static unsigned random_option(const struct explore_question *q)
{
    for (;;) {
        unsigned i        = rnd_below(q->count);
        unsigned char how = q->option[i].how;

        if (how == HOW_RUN || how == HOW_VALUE || rnd_below(8) == 0) return i;
    }
}

static int ask_random(const struct explore_question *q)
{
    if (q->can_stay && rnd_below(ex.rate) != 0) return 0;
    return (int)random_option(q);
}

static int ask_pct(const struct explore_question *q)
{
    int best = -1;

    for (unsigned i = 0; i < ex.changes; i++) {
        if (ex.change[i] <= q->step && ex.change[i] != 0) {
            ex.change[i]            = 0;
            ex.priority[q->current] = i; /* below all that threads start with */
        }
    }
    if (q->option[0].how != HOW_RUN || rnd_below(64) == 0) return (int)random_option(q);
    for (unsigned i = 0; i < q->count; i++) {
        if (q->option[i].how == HOW_RUN &&
            (best < 0 || ex.priority[q->option[i].thread] > ex.priority[q->option[best].thread]))
            best = (int)i;
    }
    return best;
}

/* Whether option I costs one of the bound: it takes a thread from another that could go on, or lets time pass although
 * some thread could go on. */
static bool costs_one(const struct explore_question *q, unsigned i)
{
    if (q->option[i].how == HOW_RUN) return q->can_stay && i > 0;
    return q->option[i].how == HOW_TIMEOUT && q->option[0].how == HOW_RUN;
}

/* Bits of the options that the bound still allows. */
static uint32_t allowed_options(const struct explore_question *q)
{
    uint32_t allowed = 0;

    for (unsigned i = 0; i < q->count; i++) {
        if (!costs_one(q, i) || ex.preemptions < ex.setup.plan->bound) allowed |= UINT32_C(1) << i;
    }
    return allowed;
}

static bool was_seen(const struct explore_question *q)
{
    uint64_t key    = q->state_hash + (uint64_t)(q->current * 2 + q->can_stay) * UINT64_C(0x9E3779B97F4A7C15);
    bool is_bounded = ex.setup.plan->bound < SCHED_ALL_PREEMPTIONS;

    if (!ex.setup.cache) return false;
    return !is_bounded ? cache_seen(q->state_hash, 0) : cache_seen(key, ex.preemptions);
}

static int ask_dfs(const struct explore_question *q)
{
    struct choice *c = &ex.choice[ex.choices];

    if (ex.choices < ex.repeat) return c->count != q->count ? EXPLORE_DIVERGED : c->index;
    if (was_seen(q)) {
        ex.report.pruned++;
        return EXPLORE_STOP;
    }
    c->count   = (uint8_t)q->count;
    c->allowed = allowed_options(q);
    c->index   = 0; /* the first option costs nothing */
    return 0;
}

int explore_ask(const struct explore_question *q)
{
    struct choice *c = &ex.choice[ex.choices];
    bool is_replay   = ex.setup.replay != NULL;
    int index;

    if (ex.choices == CHOICES_MAX) return EXPLORE_DIVERGED;
    if (is_replay) index = ex.choices < ex.repeat ? find_label(q, c) : 0;
    else if (ex.setup.plan->mode == SCHED_DFS) index = ask_dfs(q);
    else index = ex.setup.plan->mode == SCHED_PCT ? ask_pct(q) : ask_random(q);
    if (index < 0) return index;
    ex.preemptions += costs_one(q, (unsigned)index);
    c->how    = q->option[index].how;
    c->thread = q->option[index].thread;
    ex.choices++;
    return index;
}

/* ---- from schedule to schedule ---- */

bool explore_start(const struct explore_setup *setup)
{
    ex.setup  = *setup;
    ex.report = (struct explore_report){ .number = setup->first };
    ex.repeat = 0;
    cache_clear();
    return setup->replay == NULL || parse_schedule(setup->replay);
}

/* The random numbers of a schedule depend on the seed and its number only, so that one can be run alone. */
void explore_begin(void)
{
    ex.choices     = 0;
    ex.preemptions = 0;
    ex.report.schedules++;
    ex.rng = ex.setup.seed * UINT64_C(0xD6E8FEB86659FD93) + 1;
    (void)rnd();
    ex.rng = (ex.rng + ex.report.number) * UINT64_C(0x9E3779B97F4A7C15) | 1;
    for (int i = 0; i < 4; i++) (void)rnd();
    ex.rate    = 1u << rnd_below(6);
    ex.changes = ex.setup.plan->bound > 0 ? ex.setup.plan->bound - 1 : 0;
    ex.changes = ex.changes > CHANGES_MAX ? CHANGES_MAX : ex.changes;
    for (unsigned i = 0; i < ex.changes; i++) ex.change[i] = 1 + rnd() % (ex.setup.steps > 0 ? ex.setup.steps : 100);
    for (unsigned i = 0; i < 256; i++) ex.priority[i] = CHANGES_MAX + rnd_below(1000000);
}

/* Depth first: the last choice that still has an option within the bound takes it; those after it are forgotten. */
static bool dfs_next(void)
{
    while (ex.choices > 0) {
        struct choice *c = &ex.choice[ex.choices - 1];
        uint32_t rest    = c->index >= 31 ? 0 : c->allowed >> (c->index + 1);

        if (rest != 0) {
            c->index  = (uint8_t)(c->index + 1 + __builtin_ctz(rest));
            ex.repeat = ex.choices;
            return true;
        }
        ex.choices--;
    }
    return false;
}

bool explore_next(void)
{
    const struct sched_plan *plan = ex.setup.plan;
    bool is_dfs                   = plan->mode == SCHED_DFS;

    ex.report.states = cache_count();
    if (ex.setup.replay != NULL) return false;
    if (is_dfs && !dfs_next()) {
        ex.report.is_exhausted = true;
        return false;
    }
    if ((plan->schedules > 0 || !is_dfs) && ex.report.schedules >= plan->schedules) return false;
    ex.report.number++;
    return true;
}

void explore_get_report(struct explore_report *report)
{
    *report = ex.report;
}
