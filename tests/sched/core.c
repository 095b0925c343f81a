/* SPDX-License-Identifier: MIT */
/*
 * See core.h. The normal path: sched_run() makes thread 0, which runs the scenario on its own fiber. At each visible
 * step a thread calls sched_point(): it says what it is about to do, and pick() finds out who can go on, asks
 * explore.c when there is more than one way, and switches. A thread that comes back from sched_point() takes its step
 * at once, so whatever made the step possible (a free mutex) still holds.
 *
 * A schedule ends in sched_end(): when the scenario is over, when something is wrong, or when all that could follow has
 * been seen. The fibers that are still under way are simply left; memory is given back by heap.c.
 */
#include "core.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explore.h"
#include "heap.h"
#include "objects.h"

#define CLOCK_START_NS UINT64_C(1000000000)

static struct {
    struct sched_settings settings;
    struct fiber outside;
    struct sched_thread thread[SCHED_THREADS_MAX];
    int threads;
    int current;
    bool is_on;
    uint64_t steps;
    uint64_t now_ns;
    unsigned spurious_left;
    int refused; /* what pthread_create() fails with */
    enum sched_outcome outcome;
    char text[512];
    void (*body)(void);
} sched;

bool sched_is_on(void)
{
    return sched.is_on;
}
bool sched_is_concurrent(void)
{
    return sched.is_on && sched.threads > 1;
}
int sched_self(void)
{
    return sched.current;
}
struct sched_thread *sched_thread(int id)
{
    return &sched.thread[id];
}
int sched_thread_count(void)
{
    return sched.threads;
}
const char *sched_failure_text(void)
{
    return sched.text;
}
uint64_t sched_step_count(void)
{
    return sched.steps;
}
enum sched_timeouts sched_timeouts(void)
{
    return sched.settings.plan->timeouts;
}
void sched_refuse_threads(int error)
{
    sched.refused = error;
}
int sched_threads_refused(void)
{
    return sched.refused;
}
bool sched_plain_counts(void)
{
    return sched.settings.plan->plain;
}

/* As addr2line wants it: from the program's start, where the program may be loaded anywhere. */
unsigned long sched_pc(const void *pc)
{
#ifdef __PIE__
    extern const char __executable_start; /* the linker's */

    return pc == NULL ? 0 : (unsigned long)((const char *)pc - &__executable_start);
#else
    return (unsigned long)pc;
#endif
}

/* ---- the end of a schedule ---- */

_Noreturn void sched_end(enum sched_outcome outcome, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(sched.text, sizeof sched.text, fmt, args);
    va_end(args);
    sched.outcome = outcome;
    sched.is_on   = false;
    fiber_jump(&sched.outside);
}

_Noreturn void sched_fail(const char *fmt, ...)
{
    char text[sizeof sched.text];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sched_end(SCHED_FAILED, "thread %c: %s", 'a' + sched.current, text);
}

void sched_print_threads(void)
{
    static const char *const state[] = { "can go on at",          "has given way at", "locks a mutex at",
                                         "waits for a signal at", "joins another at", "has ended at" };

    for (int id = 0; id < sched.threads; id++) {
        const struct sched_thread *t = &sched.thread[id];

        printf("#   thread %c %s %s (pc 0x%lx)", 'a' + id, state[t->state], t->what, sched_pc(t->pc));
        if (t->state == THREAD_LOCKING && t->object->owner != SCHED_NOBODY)
            printf(", held by thread %c", 'a' + t->object->owner);
        if (t->state == THREAD_LOCKING || t->state == THREAD_WAITING) printf(", object %u", t->object->number);
        if (t->state == THREAD_JOINING) printf(", thread %c", 'a' + t->joined);
        printf("\n");
    }
}

/* ---- who can go on ---- */

static bool can_run(const struct sched_thread *t)
{
    switch (t->state) {
    case THREAD_READY: return true;
    case THREAD_LOCKING: return t->object->owner == SCHED_NOBODY;
    case THREAD_JOINING: return sched.thread[t->joined].state == THREAD_ENDED;
    case THREAD_YIELDED:
    case THREAD_WAITING:
    case THREAD_ENDED: break;
    }
    return false;
}

static void add_option(struct explore_question *q, enum explore_how how, int thread)
{
    q->option[q->count].how    = (unsigned char)how;
    q->option[q->count].thread = (unsigned char)thread;
    q->count++;
}

/* Those that can run: the one that has run last comes first, so that taking option 0 preempts nobody. */
static void add_runnable(struct explore_question *q)
{
    q->can_stay = can_run(&sched.thread[sched.current]);
    if (q->can_stay) add_option(q, HOW_RUN, sched.current);
    for (int id = 0; id < sched.threads; id++) {
        if (id != sched.current && can_run(&sched.thread[id])) add_option(q, HOW_RUN, id);
    }
    if (q->count > 0) return;
    for (int id = 0; id < sched.threads; id++) {
        if (sched.thread[id].state == THREAD_YIELDED) add_option(q, HOW_RUN, id);
    }
}

/* Whether the timed wait of T may end now: with late timeouts only when its time has come, or when nobody can run and
 * it is the first in time. */
static bool may_time_out(const struct sched_thread *t, bool is_idle)
{
    enum sched_timeouts timeouts = sched_timeouts();

    if (t->state != THREAD_WAITING || !t->is_timed || timeouts == SCHED_TIMEOUTS_NEVER) return false;
    if (timeouts == SCHED_TIMEOUTS_ANY || t->deadline_ns <= sched.now_ns) return true;
    if (!is_idle) return false;
    for (int id = 0; id < sched.threads; id++) {
        const struct sched_thread *o = &sched.thread[id];

        if (o->state == THREAD_WAITING && o->is_timed && o->deadline_ns < t->deadline_ns) return false;
    }
    return true;
}

static void add_wakeups(struct explore_question *q)
{
    bool is_idle = q->count == 0;

    for (int id = 0; id < sched.threads; id++) {
        if (may_time_out(&sched.thread[id], is_idle)) add_option(q, HOW_TIMEOUT, id);
    }
    for (int id = 0; id < sched.threads && sched.spurious_left > 0 && q->count > 0; id++) {
        if (sched.thread[id].state == THREAD_WAITING) add_option(q, HOW_SPURIOUS, id);
    }
}

static int ask(struct explore_question *q)
{
    int index;

    q->current    = sched.current;
    q->state_hash = sched_state_hash();
    q->step       = sched.steps;
    index         = explore_ask(q);
    if (index == EXPLORE_STOP) sched_end(SCHED_PRUNED, "nothing new follows");
    if (index == EXPLORE_DIVERGED)
        sched_end(SCHED_DIVERGED, "the choices differ from those of the run before: not deterministic");
    return index;
}

unsigned sched_choose(unsigned count)
{
    struct explore_question q = { .count = 0 };
    unsigned value;

    if (count > EXPLORE_OPTIONS_MAX) sched_end(SCHED_FAILED, "sched_choose(%u): too many", count);
    if (count < 2) return 0;
    for (unsigned i = 0; i < count; i++) add_option(&q, HOW_VALUE, (int)i);
    value = q.option[ask(&q)].thread;
    sched_learned(sched.current, value + 1);
    return value;
}

static struct sched_object *clock_object(void)
{
    return sched_object(&sched.now_ns, OBJECT_MEMORY);
}

/* The wait of thread ID ends without a signal: it is to take its mutex again. */
static void end_wait(int id, enum explore_how how)
{
    struct sched_thread *t = &sched.thread[id];

    if (how == HOW_TIMEOUT) {
        t->wake = ETIMEDOUT;
        if (t->deadline_ns > sched.now_ns) sched.now_ns = t->deadline_ns;
    } else {
        t->wake = 0;
        sched.spurious_left--;
    }
    if (sched.settings.trace)
        printf("#   %c: %s\n", 'a' + id, how == HOW_TIMEOUT ? "times out" : "wakes up for no reason");
    sched_learned(id, how == HOW_TIMEOUT ? 11 : 13);
    objects_changed_by(id, t->object);
    if (how == HOW_TIMEOUT) objects_changed_by(id, clock_object());
    t->state  = THREAD_LOCKING;
    t->object = t->mutex;
}

static int pick(void)
{
    for (;;) {
        struct explore_question q = { .count = 0 };
        const struct explore_option *chosen;

        if (++sched.steps > sched.settings.step_cap)
            sched_end(SCHED_LIVELOCK, "more than %llu steps", (unsigned long long)sched.settings.step_cap);
        add_runnable(&q);
        add_wakeups(&q);
        if (q.count == 0) sched_end(SCHED_DEADLOCK, "no thread can go on");
        chosen = &q.option[q.count == 1 ? 0 : ask(&q)];
        if (chosen->how == HOW_RUN) return chosen->thread;
        end_wait(chosen->thread, (enum explore_how)chosen->how);
    }
}

static void trace_step(const struct sched_thread *t, int id)
{
    printf("#   %c: %s", 'a' + id, t->what);
    if (t->state == THREAD_LOCKING || t->state == THREAD_WAITING) printf(" (object %u)", t->object->number);
    printf(" pc 0x%lx\n", sched_pc(t->pc));
}

void sched_point(enum thread_state state, const char *what, const void *pc)
{
    int me = sched.current;
    int next;

    sched.thread[me].state = state;
    sched.thread[me].what  = what;
    sched.thread[me].pc    = pc;
    next                   = pick();
    sched_learned(next, 5); /* every step makes another state */
    if (sched.settings.trace) trace_step(&sched.thread[next], next);
    if (next == me) return;
    sched.thread[me].saved_errno = errno;
    sched.current                = next;
    fiber_switch(&sched.thread[me].fiber, &sched.thread[next].fiber);
    errno = sched.thread[me].saved_errno;
}

/* ---- threads ---- */

static void thread_main(void)
{
    int me                 = sched.current;
    struct sched_thread *t = &sched.thread[me];

    t->result = t->start(t->arg);
    sched_learned(me, 17);
    sched_point(THREAD_ENDED, "end of thread", NULL);
    sched_end(SCHED_FAILED, "a thread that had ended went on");
}

int sched_thread_new(void *(*start)(void *), void *arg)
{
    int id = sched.threads;
    struct sched_thread *t;

    if (id == SCHED_THREADS_MAX) sched_end(SCHED_FAILED, "more than %d threads", SCHED_THREADS_MAX);
    t              = &sched.thread[id];
    t->state       = THREAD_READY;
    t->start       = start;
    t->arg         = arg;
    t->was_joined  = false;
    t->saved_errno = 0;
    t->waits       = 0;
    t->what        = "start of thread";
    t->pc          = NULL;
    fiber_reset(&t->fiber, thread_main);
    objects_thread_new(id, id == 0 ? 0 : sched.thread[sched.current].history + (uint64_t)id);
    sched.threads++;
    return id;
}

static void *scenario_main(void *unused)
{
    sched.body();
    for (int id = 1; id < sched.threads; id++) {
        if (!sched.thread[id].was_joined) sched_end(SCHED_MISUSE, "thread %c was never joined", 'a' + id);
    }
    if (heap_live_blocks() > 0)
        sched_end(SCHED_LEAK, "%zu blocks of memory are still allocated; %s", heap_live_blocks(), heap_live_text());
    sched_end(SCHED_CLEAN, "clean");
    return unused;
}

enum sched_outcome sched_run(void (*body)(void), const struct sched_settings *settings)
{
    sched.settings      = *settings;
    sched.body          = body;
    sched.threads       = 0;
    sched.current       = 0;
    sched.steps         = 0;
    sched.now_ns        = CLOCK_START_NS;
    sched.refused       = 0;
    sched.spurious_left = settings->plan->spurious;
    sched.text[0]       = '\0';
    objects_begin();
    heap_begin();
    sched_thread_new(scenario_main, NULL);
    sched.is_on = true;
    fiber_switch(&sched.outside, &sched.thread[0].fiber);
    sched.is_on = false;
    return sched.outcome;
}

/* ---- steps that are not pthread calls ---- */

void sched_access(const volatile void *address, bool is_write, const char *what, const void *pc)
{
    struct sched_object *object;

    if (!sched_is_concurrent()) return;
    sched_point(THREAD_READY, what, pc);
    object = sched_object((const void *)(uintptr_t)address, OBJECT_MEMORY);
    if (is_write) sched_changed(object);
    else sched_saw(object);
}

void sched_touch(const void *object, const char *what)
{
    sched_access(object, true, what, __builtin_return_address(0));
}

uint64_t sched_now_ns(void)
{
    sched_access(&sched.now_ns, false, "read the clock", __builtin_return_address(0));
    return sched.now_ns;
}

void sched_advance_ns(uint64_t ns)
{
    sched_access(&sched.now_ns, true, "advance the clock", __builtin_return_address(0));
    sched.now_ns += ns;
}
