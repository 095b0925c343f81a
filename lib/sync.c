/* SPDX-License-Identifier: MIT */
/* A channel's own threads; see sync.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setname_np() */
#endif

#include "sync.h"

#include <errno.h>
#include <signal.h>

static void *run_thread(void *arg)
{
    const struct hpr_thread *t = arg;

    (void)pthread_setname_np(pthread_self(), t->name);
    t->run(t->arg);
    return NULL;
}

/* With a stack of our size; where that cannot hold the program's thread-local storage as well, with the usual one. */
static int create(struct hpr_thread *t)
{
    pthread_attr_t attr;
    int res = pthread_attr_init(&attr);

    if (res != 0) return res;
    res = pthread_attr_setstacksize(&attr, HPR_THREAD_STACK_BYTES);
    if (res == 0) res = pthread_create(&t->id, &attr, run_thread, t);
    (void)pthread_attr_destroy(&attr);
    return res == EINVAL ? pthread_create(&t->id, NULL, run_thread, t) : res;
}

int hpr_thread_start(struct hpr_thread *t, const char *name, void (*run)(void *arg), void *arg)
{
    sigset_t all, before;
    int res;

    t->name = name;
    t->run  = run;
    t->arg  = arg;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread begins with the mask of its maker */
    res = create(t);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    t->is_running = res == 0;
    return res;
}

void hpr_thread_join(struct hpr_thread *t)
{
    if (!t->is_running) return;
    (void)pthread_join(t->id, NULL);
    t->is_running = false;
}
