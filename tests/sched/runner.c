/* SPDX-License-Identifier: MIT */
/*
 * The program around scenarios: reads the arguments, runs plans, and prints one TAP line for each. Without arguments it
 * runs what `make check` runs. A schedule that comes to something else than expected is run a second time from its
 * record, to prove that it can be replayed, and everything needed to do so is printed. README.md explains the
 * arguments.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "explore.h"

#define STEP_CAP 6000

static struct {
    const char *program;
    const char *name;       /* a pattern for names of scenarios; NULL: all */
    struct sched_plan plan; /* from the arguments; used when has_plan */
    bool has_plan;
    bool no_cache;
    bool trace;
    uint64_t seed;
    uint64_t first;
    uint64_t times; /* multiplies the counts of the plans that are built in */
    uint64_t step_cap;
    const char *replay;
    unsigned done;
    unsigned failed;
} run = { .seed = 1, .times = 1, .step_cap = STEP_CAP };

struct result {
    enum sched_outcome outcome; /* of the last schedule that was not clean or pruned, else SCHED_CLEAN */
    char text[512];
    uint64_t steps_max;
    struct explore_report report;
    double seconds;
};

static const char *const mode_name[]     = { "dfs", "random", "pct" };
static const char *const timeouts_name[] = { "any", "late", "never" };

static const char *outcome_name(enum sched_outcome outcome)
{
    static const char *const name[] = { "clean",  "failed", "deadlock", "livelock",
                                        "misuse", "leak",   "pruned",   "not deterministic" };

    return name[outcome];
}

/* ---- running ---- */

/* Processor time: what others do on the machine is not in the figures. */
static double now_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool is_bad(enum sched_outcome outcome)
{
    return outcome != SCHED_CLEAN && outcome != SCHED_PRUNED;
}

/* The steps of the schedule in which nobody is preempted: the scale for PCT. */
static uint64_t measure_steps(const struct sched_scenario *scenario, const struct sched_settings *settings)
{
    struct explore_setup setup  = { .plan = settings->plan, .replay = "" };
    struct sched_settings quiet = *settings;

    quiet.trace = false;
    (void)explore_start(&setup);
    explore_begin();
    (void)sched_run(scenario->body, &quiet);
    return sched_step_count();
}

/* Schedules of SCENARIO as PLAN and REPLAY say, until one is bad or all have been run. */
static bool explore(const struct sched_scenario *scenario, const struct sched_plan *plan, const char *replay,
                    struct result *res)
{
    struct sched_settings settings = { .plan = plan, .step_cap = run.step_cap, .trace = run.trace };
    struct explore_setup setup     = {
            .plan = plan, .seed = run.seed, .first = run.first, .cache = !run.no_cache, .replay = replay
    };
    double start = now_s();

    *res = (struct result){ .outcome = SCHED_CLEAN };
    if (plan->mode == SCHED_PCT && replay == NULL) setup.steps = measure_steps(scenario, &settings);
    if (!explore_start(&setup)) return false;
    do {
        enum sched_outcome outcome;

        explore_begin();
        outcome = sched_run(scenario->body, &settings);
        if (sched_step_count() > res->steps_max) res->steps_max = sched_step_count();
        if (is_bad(outcome)) {
            res->outcome = outcome;
            (void)snprintf(res->text, sizeof res->text, "%s", sched_failure_text());
            break;
        }
    } while (explore_next());
    explore_get_report(&res->report);
    res->seconds = now_s() - start;
    return true;
}

/* ---- reporting ---- */

static void print_plan(const struct sched_plan *plan)
{
    if (run.replay != NULL) printf(" replay");
    else if (plan->mode == SCHED_DFS && plan->bound >= SCHED_ALL_PREEMPTIONS) printf(" dfs bound all");
    else if (plan->mode == SCHED_RANDOM) printf(" random seed %llu", (unsigned long long)run.seed);
    else if (plan->mode == SCHED_PCT) printf(" pct bound %u seed %llu", plan->bound, (unsigned long long)run.seed);
    else printf(" dfs bound %u", plan->bound);
    if (plan->spurious > 0) printf(" spurious %u", plan->spurious);
    if (plan->timeouts != SCHED_TIMEOUTS_ANY) printf(" timeouts %s", timeouts_name[plan->timeouts]);
    if (plan->plain) printf(" plain");
}

static void print_counts(const struct sched_plan *plan, const struct result *res)
{
    const struct explore_report *r = &res->report;

    printf(": %llu schedules%s", (unsigned long long)r->schedules, r->is_exhausted ? ", exhausted" : "");
    if (plan->mode == SCHED_DFS && r->states > 0) printf(", %llu states", (unsigned long long)r->states);
    printf(", longest %llu steps, %.2f s\n", (unsigned long long)res->steps_max, res->seconds);
}

static void print_replay(const struct sched_scenario *scenario, const struct sched_plan *plan, const char *record)
{
    printf("# replay: %s --scenario=%s", run.program, scenario->name);
    if (plan->spurious > 0) printf(" --spurious=%u", plan->spurious);
    if (plan->timeouts != SCHED_TIMEOUTS_ANY) printf(" --timeouts=%s", timeouts_name[plan->timeouts]);
    if (plan->plain) printf(" --plain");
    printf(" --trace --replay=%s\n", record);
    if (plan->mode != SCHED_DFS && run.replay == NULL)
        printf(
            "# or by seed: --mode=%s --bound=%u --seed=%llu --first=N --schedules=1, N being the schedule's number\n",
            mode_name[plan->mode], plan->bound, (unsigned long long)run.seed);
}

/* Run it again from its record: it has to come to the same. */
static bool repeats(const struct sched_scenario *scenario, const struct sched_plan *plan, const struct result *res,
                    const char *record)
{
    struct result again;
    bool had_trace = run.trace;
    bool is_same;

    run.trace = false;
    is_same =
        explore(scenario, plan, record, &again) && again.outcome == res->outcome && strcmp(again.text, res->text) == 0;
    run.trace = had_trace;
    return is_same;
}

/* Say what went wrong, in full unless it is what a canary had to show. Returns whether it can be replayed. */
static bool report_bad(const struct sched_scenario *scenario, const struct sched_plan *plan, const struct result *res)
{
    char *record = explore_schedule_text();
    bool is_same;

    printf("# %s in schedule number %llu: %s\n", outcome_name(res->outcome), (unsigned long long)res->report.number,
           res->text);
    if (res->outcome != scenario->expect || run.has_plan) {
        sched_print_threads();
        print_replay(scenario, plan, record);
    }
    is_same = repeats(scenario, plan, res, record);
    printf("# run again from its record: %s\n", is_same ? "the same" : "NOT the same");
    free(record);
    return is_same;
}

static bool is_expected(const struct sched_scenario *scenario, const struct sched_plan *plan, const struct result *res)
{
    bool must_exhaust = plan->mode == SCHED_DFS && plan->schedules == 0 && run.replay == NULL;

    if (res->outcome != scenario->expect) return false;
    return scenario->expect != SCHED_CLEAN || !must_exhaust || res->report.is_exhausted;
}

static void run_plan(const struct sched_scenario *scenario, const struct sched_plan *plan)
{
    struct result res;
    bool is_ok;

    if (!explore(scenario, plan, run.replay, &res)) {
        fprintf(stderr, "%s: the schedule to be replayed makes no sense\n", run.program);
        exit(2);
    }
    is_ok = is_expected(scenario, plan, &res);
    if (is_bad(res.outcome) && !report_bad(scenario, plan, &res)) is_ok = false;
    run.done++;
    run.failed += !is_ok;
    printf("%s %u - %s", is_ok ? "ok" : "not ok", run.done, scenario->name);
    print_plan(plan);
    print_counts(plan, &res);
    if (scenario->expect != SCHED_CLEAN && !is_ok)
        printf("# this fault is planted and had to be found: %s\n", outcome_name(scenario->expect));
    (void)fflush(stdout);
}

static void run_scenario(const struct sched_scenario *scenario)
{
    if (run.has_plan) {
        run_plan(scenario, &run.plan);
        return;
    }
    for (size_t i = 0; i < SCHED_PLANS_MAX; i++) {
        struct sched_plan plan = scenario->plans[i];

        if (plan.schedules == 0 && plan.bound == 0) break;
        plan.schedules *= run.times;
        run_plan(scenario, &plan);
    }
}

/* ---- crashes ---- */

/* A crash on a fiber is the end of the schedule like any other failure. The handler has a stack of its own. */
static void on_crash(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (!sched_is_on()) {
        (void)signal(sig, SIG_DFL);
        return;
    }
    sched_fail("crash by signal %d at address %p", sig, info->si_addr);
}

static void catch_crashes(void)
{
    static char stack[64 * 1024];
    static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    stack_t alt             = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

    (void)sigaltstack(&alt, NULL);
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) (void)sigaction(sigs[i], &action, NULL);
}

/* ---- arguments ---- */

static _Noreturn void usage(int status)
{
    fprintf(status == 0 ? stdout : stderr,
            "usage: %s [options]\n"
            "Without options: the schedules that `make check` runs.\n"
            "  --list             names of the scenarios\n"
            "  --scenario=NAME    only those of that name; NAME is a pattern as for files\n"
            "  --mode=MODE        dfs, random or pct, instead of the plans that are built in\n"
            "  --schedules=N      run at most N schedules (dfs: 0, until exhausted; else 10000)\n"
            "  --bound=N          dfs: preemptions, or `all` (2); pct: depth (3)\n"
            "  --seed=N           random and pct (1)\n"
            "  --first=N          random and pct: number of the first schedule (0)\n"
            "  --spurious=N       wakeups per schedule that nobody sent (0)\n"
            "  --timeouts=WHEN    any: timed waits may time out at any point; late: only when no thread can go on;\n"
            "                     never (any)\n"
            "  --plain            plain memory accesses are steps as well\n"
            "  --no-cache         dfs: follow also what leads to a state that has been seen\n"
            "  --times=N          the plans that are built in, with N times as many random schedules\n"
            "  --step-cap=N       a longer schedule is a livelock (%d)\n"
            "  --replay=SCHEDULE  repeat a recorded schedule\n"
            "  --trace            print every step\n",
            run.program, STEP_CAP);
    exit(status);
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n     = strtoull(text, &end, 0);
    if (end == text || *end != '\0' || errno != 0) {
        fprintf(stderr, "%s: not a number: %s\n", run.program, text);
        exit(2);
    }
    return n;
}

static unsigned one_of(const char *text, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) return i;
    }
    usage(2);
}

/* What has not been given takes its default by mode. */
static void complete_plan(bool has_schedules, bool has_bound)
{
    struct sched_plan *plan = &run.plan;

    if (run.replay != NULL) run.has_plan = true;
    if (!has_schedules && plan->mode != SCHED_DFS) plan->schedules = 10000;
    if (!has_bound) plan->bound = plan->mode == SCHED_PCT ? 3 : 2;
    if (plan->mode == SCHED_DFS && plan->bound > 15 && plan->bound < SCHED_ALL_PREEMPTIONS) {
        fprintf(stderr, "%s: --bound is 0 to 15, or all\n", run.program);
        exit(2);
    }
}

enum {
    OPT_LIST = 256,
    OPT_SCENARIO,
    OPT_MODE,
    OPT_SCHEDULES,
    OPT_BOUND,
    OPT_SEED,
    OPT_FIRST,
    OPT_SPURIOUS,
    OPT_TIMEOUTS,
    OPT_PLAIN,
    OPT_NO_CACHE,
    OPT_TIMES,
    OPT_STEP_CAP,
    OPT_REPLAY,
    OPT_TRACE,
    OPT_HELP
};

static const struct option options[] = {
    { "list", no_argument, NULL, OPT_LIST },
    { "scenario", required_argument, NULL, OPT_SCENARIO },
    { "mode", required_argument, NULL, OPT_MODE },
    { "schedules", required_argument, NULL, OPT_SCHEDULES },
    { "bound", required_argument, NULL, OPT_BOUND },
    { "seed", required_argument, NULL, OPT_SEED },
    { "first", required_argument, NULL, OPT_FIRST },
    { "spurious", required_argument, NULL, OPT_SPURIOUS },
    { "timeouts", required_argument, NULL, OPT_TIMEOUTS },
    { "plain", no_argument, NULL, OPT_PLAIN },
    { "no-cache", no_argument, NULL, OPT_NO_CACHE },
    { "times", required_argument, NULL, OPT_TIMES },
    { "step-cap", required_argument, NULL, OPT_STEP_CAP },
    { "replay", required_argument, NULL, OPT_REPLAY },
    { "trace", no_argument, NULL, OPT_TRACE },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

/* Returns true when only a list is wanted. */
static bool parse(int argc, char **argv)
{
    bool has_schedules = false;
    bool has_bound     = false;
    bool wants_list    = false;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case OPT_LIST: wants_list = true; break;
        case OPT_SCENARIO: run.name = optarg; break;
        case OPT_MODE:
            run.plan.mode = (enum sched_mode)one_of(optarg, mode_name, 3);
            run.has_plan  = true;
            break;
        case OPT_SCHEDULES: run.plan.schedules = number(optarg), has_schedules = true; break;
        case OPT_BOUND:
            run.plan.bound = strcmp(optarg, "all") == 0 ? SCHED_ALL_PREEMPTIONS : (unsigned)number(optarg);
            has_bound      = true;
            break;
        case OPT_SEED: run.seed = number(optarg); break;
        case OPT_FIRST: run.first = number(optarg); break;
        case OPT_SPURIOUS: run.plan.spurious = (unsigned)number(optarg); break;
        case OPT_TIMEOUTS: run.plan.timeouts = (enum sched_timeouts)one_of(optarg, timeouts_name, 3); break;
        case OPT_PLAIN: run.plan.plain = true; break;
        case OPT_NO_CACHE: run.no_cache = true; break;
        case OPT_TIMES: run.times = number(optarg); break;
        case OPT_STEP_CAP: run.step_cap = number(optarg); break;
        case OPT_REPLAY: run.replay = optarg; break;
        case OPT_TRACE: run.trace = true; break;
        case OPT_HELP: usage(0);
        default: usage(2);
        }
    }
    if (optind < argc) usage(2);
    complete_plan(has_schedules, has_bound);
    return wants_list;
}

int sched_main(int argc, char **argv, const struct sched_scenario *const *scenarios, size_t count)
{
    size_t matched = 0;
    bool wants_list;

    run.program = argv[0];
    wants_list  = parse(argc, argv);
    catch_crashes();
    for (size_t i = 0; i < count; i++) {
        if (run.name != NULL && fnmatch(run.name, scenarios[i]->name, 0) != 0) continue;
        matched++;
        if (wants_list) printf("%s\n", scenarios[i]->name);
        else run_scenario(scenarios[i]);
    }
    if (matched == 0) fprintf(stderr, "%s: no scenario of that name\n", run.program);
    if (!wants_list) printf("1..%u\n# %u of %u failed\n", run.done, run.failed, run.done);
    return run.failed > 0 || matched == 0;
}
