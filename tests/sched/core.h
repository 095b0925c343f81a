/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's inside: threads, the objects they meet at, and the point at which one of them is chosen to go on.
 * Used by core.c, the wrappers (wrap_pthread.c, tsan_hooks.c) and the runner.
 *
 * Histories. Each thread carries a hash of everything that has ever influenced it: its own steps, and at each step the
 * history of what it met. Two runs that led all threads to the same histories are the same partial order of events, so
 * the threads are in the same state, whatever the order in which independent steps were taken. SCHED_DFS therefore
 * runs what follows such a state only once. This is right as long as all that threads share is met in visible steps.
 */
#ifndef SCHED_CORE_H
#define SCHED_CORE_H

#include "fiber.h"
#include "sched.h"

#define SCHED_THREADS_MAX 8
#define SCHED_NOBODY      (-1)

enum thread_state {
    THREAD_READY,   /* at a step that is always possible */
    THREAD_YIELDED, /* has given way: goes on when somebody else has, or nobody else can */
    THREAD_LOCKING, /* at a mutex: possible when it is free */
    THREAD_WAITING, /* in a condition variable: signal, timeout or spurious wakeup lead to THREAD_LOCKING */
    THREAD_JOINING, /* possible when the other has ended */
    THREAD_ENDED
};

enum object_kind { OBJECT_UNKNOWN, OBJECT_MEMORY, OBJECT_MUTEX, OBJECT_COND, OBJECT_DESTROYED };

/* What threads meet at, found by its address. Valid for one schedule. */
struct sched_object {
    uintptr_t key;
    uint64_t schedule; /* the schedule it belongs to; another: the slot is free */
    enum object_kind kind;
    int owner;        /* mutex: thread, or SCHED_NOBODY */
    unsigned number;  /* in order of first use, for traces */
    uint64_t written; /* history of the last step that changed it */
    uint64_t readers; /* sum of the histories that have looked since */
};

struct sched_thread {
    struct fiber fiber;
    enum thread_state state;
    struct sched_object *object; /* LOCKING: the mutex; WAITING: the condition variable */
    struct sched_object *mutex;  /* WAITING: to be taken again */
    int joined;                  /* JOINING: the other thread */
    bool is_timed;               /* WAITING: has a deadline */
    bool was_joined;
    int wake; /* what the wait returns: 0 or ETIMEDOUT */
    int saved_errno;
    uint64_t deadline_ns;
    uint64_t history;
    unsigned waits;         /* how often it has gone to wait in a condition variable */
    uint64_t waiting_since; /* order of arrival in the condition variable */
    void *(*start)(void *);
    void *arg;
    void *result;
    const char *what; /* the step it is at, for traces */
    const void *pc;   /* where in the code */
};

/* ---- one schedule ------------------------------------------------------------------------------------------------ */

struct sched_settings {
    const struct sched_plan *plan;
    uint64_t step_cap;
    bool trace; /* print each step */
};

/* Run BODY under one schedule, decided by explore.h. The text of a failure: sched_failure_text(). */
enum sched_outcome sched_run(void (*body)(void), const struct sched_settings *settings);
const char *sched_failure_text(void);
void sched_print_threads(void);
uint64_t sched_state_hash(void);
unsigned long sched_pc(const void *pc); /* an address in the code, for people */

/* ---- for the wrappers -------------------------------------------------------------------------------------------- */

/* True on a fiber of a schedule; the wrappers call the real function otherwise. */
bool sched_is_on(void);
/* True when other threads exist, so that steps can matter. */
bool sched_is_concurrent(void);

int sched_self(void);
struct sched_thread *sched_thread(int id);
int sched_thread_count(void);
int sched_threads_refused(void); /* as sched_refuse_threads() has it */
int sched_thread_new(void *(*start)(void *), void *arg);

/* The object at ADDRESS, new if it is met for the first time; ends the schedule when it is of another kind. */
struct sched_object *sched_object(const void *address, enum object_kind kind);

/* Let the calling thread, in STATE, wait to be chosen. Everything that STATE needs is set in the thread before. */
void sched_point(enum thread_state state, const char *what, const void *pc);

/* Note that the calling thread has looked at, or changed, OBJECT. */
void sched_saw(struct sched_object *object);
void sched_changed(struct sched_object *object);
/* Note that thread ID has been influenced by VALUE. */
void sched_learned(int id, uint64_t value);

/* A step on memory at ADDRESS, and whether plain accesses count. */
void sched_access(const volatile void *address, bool is_write, const char *what, const void *pc);
bool sched_plain_counts(void);

/* End the schedule. */
_Noreturn void sched_end(enum sched_outcome outcome, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
