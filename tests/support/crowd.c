/* SPDX-License-Identifier: MIT */
/* Sending threads. A message that is not accepted keeps its number for the next try, so that the numbers of accepted
 * messages have no holes and the checker can demand them all. */
#include "crowd.h"

#include "mem_disk.h"
#include "rng.h"
#include <sched.h>
#include <stdlib.h>

#define BATCH_MAX 64

static bool is_refusal(hopper_status st)
{
    return st == HOPPER_EFULL || st == HOPPER_ENOSPC || st == HOPPER_EIO;
}

/* Build up to BATCH messages in BUF, one behind the other, each of at most LEN_MAX bytes. */
static size_t build(const struct crowd_member *m, struct rng *rng, unsigned char *buf, struct iovec *vec, uint64_t left)
{
    unsigned char *at = buf;
    size_t n          = m->batch > 1 ? (size_t)rng_between(rng, 1, m->batch) : 1;

    if (n > left) n = (size_t)left;
    if (n > BATCH_MAX) n = BATCH_MAX;
    for (size_t i = 0; i < n; i++) {
        vec[i].iov_base = at;
        vec[i].iov_len  = (size_t)rng_between(rng, m->len_min, m->len_max);
        at += vec[i].iov_len;
        checker_fill(vec[i].iov_base, vec[i].iov_len, m->producer, m->accepted + i);
    }
    return n;
}

static hopper_status send_joined(struct crowd_member *m, const struct iovec *vec, size_t n, uint64_t deadline,
                                 size_t *takenp)
{
    size_t offsets[BATCH_MAX + 1] = { 0 };

    for (size_t i = 0; i < n; i++) offsets[i + 1] = offsets[i] + vec[i].iov_len;
    return hopper_send_joined(m->snd, vec[0].iov_base, offsets, n, deadline, takenp);
}

static void *member_main(void *arg)
{
    struct crowd_member *m = arg;
    struct rng rng         = { m->seed + m->producer };
    unsigned char *buf     = mem_must_alloc((m->batch > 1 ? BATCH_MAX : 1) * m->len_max);
    struct iovec vec[BATCH_MAX];
    uint64_t left = m->count;

    while (left > 0) {
        uint64_t deadline = m->never_waits ? HOPPER_NOW : HOPPER_FOREVER;
        size_t n = build(m, &rng, buf, vec, left), taken = 0;

        if (m->batch > 1 && rng_below(&rng, 2)) {
            m->last = send_joined(m, vec, n, deadline, &taken);
        } else if (m->batch > 1) {
            m->last = hopper_send_batch(m->snd, vec, n, deadline, &taken);
        } else {
            m->last = hopper_send_until(m->snd, vec[0].iov_base, vec[0].iov_len, deadline);
            taken   = m->last == HOPPER_OK;
        }
        m->accepted += taken;
        left -= taken;
        if (m->last == HOPPER_OK) continue;
        if (!is_refusal(m->last)) break;
        m->refused++;
        m->last = HOPPER_OK;
        if (m->keep_trying) sched_yield();
        else left--;
    }
    hopper_sender_close(m->snd);
    m->snd = NULL;
    free(buf);
    return NULL;
}

bool crowd_start(struct crowd *crowd, unsigned count, const struct crowd_member *model, hopper_sender *snd)
{
    crowd->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct crowd_member *m = &crowd->members[i];

        *m          = *model;
        m->producer = i;
        if (hopper_sender_clone(snd, &m->snd) != HOPPER_OK) break;
        crowd->count++;
    }
    for (unsigned i = 0; i < crowd->count; i++)
        if (pthread_create(&crowd->members[i].thread, NULL, member_main, &crowd->members[i]) != 0) abort();
    return crowd->count == count;
}

hopper_status crowd_join(struct crowd *crowd)
{
    hopper_status st = HOPPER_OK;

    for (unsigned i = 0; i < crowd->count; i++) {
        pthread_join(crowd->members[i].thread, NULL);
        crowd->accepted[i] = crowd->members[i].accepted;
        if (st == HOPPER_OK) st = crowd->members[i].last;
    }
    return st;
}

static void *watch_main(void *arg)
{
    struct crowd_watch *watch = arg;

    watch->st = crowd_join(watch->crowd);
    atomic_store(watch->is_to_stop, true);
    return NULL;
}

void crowd_watch(struct crowd_watch *watch, struct crowd *crowd, atomic_bool *is_to_stop)
{
    watch->crowd      = crowd;
    watch->is_to_stop = is_to_stop;
    watch->st         = HOPPER_OK;
    if (pthread_create(&watch->thread, NULL, watch_main, watch) != 0) abort();
}

void crowd_unwatch(struct crowd_watch *watch)
{
    pthread_join(watch->thread, NULL);
}
