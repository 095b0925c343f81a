/* SPDX-License-Identifier: MIT */
/*
 * Group commit, as a careful user would write it around a store that has none: threads put their message into the open
 * group and wait; the first of them that finds nobody at work closes the group, brings it to the device with one call,
 * and wakes its members. Meanwhile the next group fills. Members of two groups that follow each other wait on two
 * condition variables, so that nobody wakes for a group that is not its own, except the one that leads it.
 */
#include "commit.h"

#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t done[2]; /* [group % 2]: the group is on the device, or wants a leader */
    struct iovec message[2][BENCH_SENDERS_MAX];
    size_t count;      /* messages in the open group */
    uint64_t open;     /* number of the group that fills, from 1 */
    uint64_t finished; /* all groups up to it are on the device */
    bool is_busy;      /* somebody brings a group to the device */
    commit_fn *bring;
} commit = { .lock = PTHREAD_MUTEX_INITIALIZER,
             .done = { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER },
             .open = 1 };

void commit_init(commit_fn *bring)
{
    commit.bring = bring;
}

/* Called and returns with the lock held. */
static void group_lead(void)
{
    uint64_t group = commit.open++;
    size_t count   = commit.count;

    commit.count   = 0;
    commit.is_busy = true;
    pthread_mutex_unlock(&commit.lock);
    commit.bring(commit.message[group % 2], count);
    pthread_mutex_lock(&commit.lock);
    commit.is_busy  = false;
    commit.finished = group;
    pthread_cond_broadcast(&commit.done[group % 2]);
    pthread_cond_signal(&commit.done[(group + 1) % 2]);
}

void commit_send(const void *message, size_t len)
{
    uint64_t group;

    pthread_mutex_lock(&commit.lock);
    group                                     = commit.open;
    commit.message[group % 2][commit.count++] = (struct iovec){ (void *)message, len };
    while (commit.finished < group) {
        if (!commit.is_busy) {
            group_lead();
        } else {
            pthread_cond_wait(&commit.done[group % 2], &commit.lock);
        }
    }
    pthread_mutex_unlock(&commit.lock);
}
