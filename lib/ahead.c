/* SPDX-License-Identifier: MIT */
/* See ahead.h. The receiver asks for one frame; the thread loads it, finds the header behind it, and goes on with that
 * one as long as there is a free slot and the file's limit allows. Slots are used in turn, so they come to the receiver
 * in the order of the file. What a queue file holds before its limit does not change, so that what was loaded is right
 * whenever the receiver comes to it; and if it goes another way (frames that it passes over, another file), it asks
 * anew, and what was loaded is dropped.
 *
 * The receiver waits for the thread only while that loads the very frame that it needs; what has not been begun by then,
 * as where all CPUs are busy, it loads itself. The thread holds no lock while it reads and inflates. */
#include "ahead.h"

#include <sched.h>
#include <stdatomic.h>

#include "error.h"

static bool is_at(const struct hpr_ahead_place *place, uint64_t number, uint64_t offset)
{
    return place->number == number && place->offset == offset;
}

/* What is at hand for the receiver next, or will be; NULL: nothing. */
static const struct hpr_ahead_place *expected_locked(const struct hpr_ahead *a)
{
    if (a->ready > 0) return &a->slots[a->first].place;
    return a->is_wanted ? &a->next : NULL;
}

/* Look whether *COUNT goes on from what it is now, the lock dropped; false: not for a while. */
static bool poll_locked(struct hpr_ahead *a, const _Atomic unsigned *count)
{
    const unsigned before = atomic_load_explicit(count, memory_order_relaxed);

    hpr_mutex_unlock(&a->mutex);
    for (int round = 0; round < HPR_AHEAD_ROUNDS; round++) {
        if (round > 0) (void)sched_yield(); /* where there is one CPU for both, the other gets it */
        hpr_pause(HPR_AHEAD_PAUSES);
        if (atomic_load_explicit(count, memory_order_relaxed) != before) break;
    }
    hpr_mutex_lock(&a->mutex);
    return atomic_load_explicit(count, memory_order_relaxed) != before;
}

static bool has_work_locked(const struct hpr_ahead *a)
{
    return a->is_chore_due || (a->is_wanted && a->ready + a->is_held < HPR_AHEAD_SLOTS);
}

static bool is_worth_it(const struct hpr_ahead *a, const struct hpr_frame_header *header)
{
    return header->codec != HPR_CODEC_STORED && hpr_payload_fits(&a->slots[0].buffer, header); /* all are as large */
}

/* What the thread has to do has changed. */
static void tell_thread_locked(struct hpr_ahead *a)
{
    atomic_fetch_add_explicit(&a->asked, 1, memory_order_relaxed);
    if (a->is_asleep && has_work_locked(a)) hpr_cond_broadcast(&a->wake);
}

/* The frame behind the one at `next`, whose header is NEXT or NULL. */
static void go_on_locked(struct hpr_ahead *a, const unsigned char *next)
{
    const uint64_t offset              = a->next.offset + a->next.header.stored_bytes;
    const struct hpr_frame_place place = { a->channel_id, a->next.number, offset };
    struct hpr_footer footer;

    a->next.offset = offset + HPR_FRAME_HEADER_BYTES;
    a->is_wanted   = next &&
                   hpr_frame_get(next, HPR_FRAME_HEADER_BYTES, &place, &a->next.header, &footer) == HPR_VERDICT_FRAME &&
                   is_worth_it(a, &a->next.header);
}

static void load_one_locked(struct hpr_ahead *a)
{
    const unsigned slot        = (a->first + a->ready) % HPR_AHEAD_SLOTS;
    const unsigned char *next  = NULL;
    unsigned char *header      = a->slots[slot].next;
    struct hpr_payload_file *f = &a->file;
    enum hpr_load load;
    int ignored;

    a->is_at_work = true;
    hpr_mutex_unlock(&a->mutex);
    load = hpr_payload_load(f, &a->inflater, &a->slots[slot].buffer, &a->next.header, a->next.offset, &next, &ignored);
    if (load == HPR_LOAD_OK && next) memcpy(header, next, HPR_FRAME_HEADER_BYTES);
    hpr_mutex_lock(&a->mutex);
    a->is_at_work = false;
    a->has_loaded = true;
    atomic_fetch_add_explicit(&a->loaded, 1, memory_order_relaxed);
    if (a->is_wanted && load == HPR_LOAD_OK) { /* else forgotten meanwhile, or the receiver will see why not */
        a->slots[slot].place    = a->next;
        a->slots[slot].has_next = next != NULL;
        a->ready++;
        go_on_locked(a, next ? header : NULL);
    } else {
        a->is_wanted = false;
    }
    if (a->is_waited_for) hpr_cond_broadcast(&a->done);
}

static void do_chore_locked(struct hpr_ahead *a)
{
    a->is_chore_due = false;
    hpr_mutex_unlock(&a->mutex);
    a->chore(a->chore_ctx);
    hpr_mutex_lock(&a->mutex);
}

static void load_ahead(void *arg)
{
    struct hpr_ahead *a = arg;

    hpr_mutex_lock(&a->mutex);
    while (!a->is_stopping || a->is_chore_due) {
        if (has_work_locked(a)) {
            if (a->is_chore_due) do_chore_locked(a);
            else load_one_locked(a);
            continue;
        }
        if (a->has_loaded && poll_locked(a, &a->asked)) continue;
        a->has_loaded = false;
        a->is_asleep  = true;
        hpr_cond_wait(&a->wake, &a->mutex, UINT64_MAX);
        a->is_asleep = false;
    }
    hpr_mutex_unlock(&a->mutex);
}

static void wait_locked(struct hpr_ahead *a)
{
    if (poll_locked(a, &a->loaded)) return;
    a->is_waited_for = true;
    hpr_cond_wait(&a->done, &a->mutex, UINT64_MAX);
    a->is_waited_for = false;
}

static void forget_locked(struct hpr_ahead *a)
{
    a->is_wanted = false;
    while (a->is_at_work) wait_locked(a);
    a->ready = 0;
}

void hpr_ahead_ask(struct hpr_ahead *a, const struct hpr_ahead_place *place, int fd, uint64_t limit)
{
    const struct hpr_ahead_place *expected;

    if (!is_worth_it(a, &place->header)) return;
    hpr_mutex_lock(&a->mutex);
    expected = expected_locked(a);
    if (!expected || !is_at(expected, place->number, place->offset)) {
        forget_locked(a);
        a->next      = *place;
        a->file      = (struct hpr_payload_file){ a->io, fd, limit, &a->read_errors };
        a->is_wanted = true;
        tell_thread_locked(a);
    }
    hpr_mutex_unlock(&a->mutex);
}

bool hpr_ahead_take(struct hpr_ahead *a, uint64_t number, uint64_t offset, const unsigned char **rawp,
                    const unsigned char **nextp)
{
    const struct hpr_ahead_place *expected;
    bool is_here, has_it;

    hpr_mutex_lock(&a->mutex);
    while (a->ready == 0 && a->is_at_work && is_at(&a->next, number, offset)) wait_locked(a);
    expected = expected_locked(a);
    is_here  = expected && is_at(expected, number, offset);
    has_it   = is_here && a->ready > 0;
    if (is_here && !has_it) a->is_wanted = false; /* it has not begun: it is not waited for */
    if (has_it) {
        *rawp      = a->slots[a->first].buffer.raw;
        *nextp     = a->slots[a->first].has_next ? a->slots[a->first].next : NULL;
        a->is_held = true;
        a->first   = (a->first + 1) % HPR_AHEAD_SLOTS;
        a->ready--;
    }
    hpr_mutex_unlock(&a->mutex);
    return has_it;
}

void hpr_ahead_give_back(struct hpr_ahead *a)
{
    hpr_mutex_lock(&a->mutex);
    a->is_held = false;
    tell_thread_locked(a);
    hpr_mutex_unlock(&a->mutex);
}

void hpr_ahead_forget(struct hpr_ahead *a)
{
    hpr_mutex_lock(&a->mutex);
    forget_locked(a);
    hpr_mutex_unlock(&a->mutex);
}

void hpr_ahead_do_chore(struct hpr_ahead *a)
{
    hpr_mutex_lock(&a->mutex);
    a->is_chore_due = true;
    tell_thread_locked(a);
    hpr_mutex_unlock(&a->mutex);
}

hopper_status hpr_ahead_open(struct hpr_ahead *a, struct hopper_error *err)
{
    hopper_status st;
    int res;

    if ((st = hpr_mutex_init(&a->mutex)) != HOPPER_OK) return hpr_error_set(err, st, 0, "make a mutex", NULL);
    if ((st = hpr_cond_init(&a->wake)) != HOPPER_OK) goto no_wake;
    if ((st = hpr_cond_init(&a->done)) != HOPPER_OK) goto no_done;
    if ((res = hpr_thread_start(&a->thread, "hopper-ahead", load_ahead, a)) == 0) return HOPPER_OK;
    hpr_cond_fini(&a->done);
    hpr_cond_fini(&a->wake);
    hpr_mutex_fini(&a->mutex);
    return hpr_error_set(err, HOPPER_ENOMEM, res, "start the thread that reads ahead", NULL);
no_done:
    hpr_cond_fini(&a->wake);
no_wake:
    hpr_mutex_fini(&a->mutex);
    return hpr_error_set(err, st, 0, "make a condition", NULL);
}

void hpr_ahead_close(struct hpr_ahead *a)
{
    if (!a->thread.is_running) return;
    hpr_mutex_lock(&a->mutex);
    a->is_stopping = true;
    atomic_fetch_add_explicit(&a->asked, 1, memory_order_relaxed);
    hpr_cond_broadcast(&a->wake);
    hpr_mutex_unlock(&a->mutex);
    hpr_thread_join(&a->thread);
    hpr_cond_fini(&a->done);
    hpr_cond_fini(&a->wake);
    hpr_mutex_fini(&a->mutex);
}
