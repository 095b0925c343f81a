/* SPDX-License-Identifier: MIT */
/* See ahead.h. Frames of a file stand one behind the other, and where one begins is known when the header of the one
 * before has been read. So there is one that is `next`: receiver and thread take turns in taking it, as each comes to
 * it, read it, say what is next now (its header is read with the payload), and then inflate, both at the same time. The
 * thread goes on as long as it has a free slot; the receiver takes one where it has to wait for the thread's, and where
 * nobody has what it needs. What a queue file holds before its limit does not change, so that what was loaded is right
 * whenever the receiver comes to it; and if that goes another way (frames that it passes over, another file), all that
 * is ahead is dropped, and it begins anew.
 *
 * The receiver waits for the thread only while that loads the very frame that it needs, or one that is dropped, whose
 * file may be closed then; what has not been begun, as where all CPUs are busy, it loads itself. Nobody holds a lock
 * while reading and inflating. What is stored is next for nobody: the receiver has it sooner by copying it itself than
 * from another CPU's cache. */
#include "ahead.h"

#include <sched.h>
#include <stdatomic.h>

#include "error.h"

static bool is_at(const struct hpr_ahead_place *place, const struct hpr_ahead_place *wanted)
{
    return place->number == wanted->number && place->offset == wanted->offset;
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
    return a->is_chore_due || (a->has_next && a->ready + a->is_held < HPR_AHEAD_SLOTS);
}

/* The slot that the thread fills, or will fill. */
static struct hpr_ahead_slot *slot_to_fill_locked(struct hpr_ahead *a)
{
    return &a->slots[(a->first + a->ready) % HPR_AHEAD_SLOTS];
}

/* What the thread has to do has changed. */
static void tell_thread_locked(struct hpr_ahead *a)
{
    atomic_fetch_add_explicit(&a->asked, 1, memory_order_relaxed);
    if (a->is_asleep && has_work_locked(a)) hpr_cond_broadcast(&a->wake);
}

static void tell_receiver_locked(struct hpr_ahead *a)
{
    atomic_fetch_add_explicit(&a->loaded, 1, memory_order_relaxed);
    if (a->is_waited_for) hpr_cond_broadcast(&a->done);
}

static bool is_worth_it(const struct hpr_ahead *a, const struct hpr_frame_header *header)
{
    return header->codec != HPR_CODEC_STORED && hpr_payload_fits(&a->slots[0].buffer, header); /* none is smaller */
}

/* What stands behind the frame in SLOT is next. */
static void go_on_locked(struct hpr_ahead *a, const struct hpr_ahead_slot *slot)
{
    const uint64_t offset              = slot->place.offset + slot->place.header.stored_bytes;
    const struct hpr_frame_place place = { a->channel_id, slot->place.number, offset };
    struct hpr_ahead_place next        = { slot->place.number, offset + HPR_FRAME_HEADER_BYTES, { 0 } };
    struct hpr_footer footer;

    if (a->is_forgetting ||
        hpr_frame_get(slot->next, HPR_FRAME_HEADER_BYTES, &place, &next.header, &footer) != HPR_VERDICT_FRAME ||
        !is_worth_it(a, &next.header))
        return;
    a->next     = next;
    a->has_next = true;
    if (slot == &a->own) tell_thread_locked(a);
    else tell_receiver_locked(a);
}

/* Load into SLOT what is next, with the lock dropped meanwhile. */
static enum hpr_load load_next_locked(struct hpr_ahead *a, struct hpr_ahead_slot *slot, struct hpr_inflater *inflater,
                                      uint64_t *read_errors, int *resp)
{
    struct hpr_payload_file file = a->file;
    enum hpr_load load;

    file.read_errors = read_errors;
    slot->place      = a->next;
    a->has_next      = false;
    hpr_mutex_unlock(&a->mutex);
    load = hpr_payload_fetch(&file, &slot->buffer, &slot->place.header, slot->place.offset, &slot->next, resp);
    if (load == HPR_LOAD_OK && slot->next) {
        hpr_mutex_lock(&a->mutex);
        go_on_locked(a, slot);
        hpr_mutex_unlock(&a->mutex);
    }
    if (load == HPR_LOAD_OK) load = hpr_payload_unpack(inflater, &slot->buffer, &slot->place.header);
    hpr_mutex_lock(&a->mutex);
    return load;
}

/* What goes wrong is not looked at: the receiver comes upon it itself. */
static void load_one_locked(struct hpr_ahead *a)
{
    uint64_t read_errors = 0;
    enum hpr_load load;
    int ignored;

    a->is_at_work = true;
    load          = load_next_locked(a, slot_to_fill_locked(a), &a->inflater, &read_errors, &ignored);
    a->is_at_work = false;
    a->has_loaded = true;
    if (load == HPR_LOAD_OK) a->ready++;
    tell_receiver_locked(a);
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
    a->is_forgetting = true;
    a->has_next      = false;
    while (a->is_at_work) wait_locked(a);
    a->is_forgetting = false;
    a->ready         = 0;
    a->own_is_ready  = false;
}

/* What is loaded of PLACE, from now on in the receiver's hands; NULL: nothing. */
static const struct hpr_ahead_slot *take_locked(struct hpr_ahead *a, const struct hpr_ahead_place *place)
{
    const struct hpr_ahead_slot *slot = &a->slots[a->first];

    if (a->own_is_ready && is_at(&a->own.place, place)) {
        a->own_is_ready = false;
        return &a->own;
    }
    if (a->ready == 0 || !is_at(&slot->place, place)) return NULL;
    a->is_held = true;
    a->first   = (a->first + 1) % HPR_AHEAD_SLOTS;
    a->ready--;
    return slot;
}

/* Nothing that was loaded or is being loaded stands before PLACE. */
static bool is_next_in_turn_locked(const struct hpr_ahead *a, const struct hpr_ahead_place *place)
{
    return a->has_next && is_at(&a->next, place) && a->ready == 0 && !a->is_at_work && !a->own_is_ready;
}

/* While the thread loads what the receiver needs. */
static void help_or_wait_locked(struct hpr_ahead *a)
{
    uint64_t read_errors = 0;
    int ignored;

    if (!a->has_next || a->own_is_ready) wait_locked(a);
    else a->own_is_ready = load_next_locked(a, &a->own, a->own_inflater, &read_errors, &ignored) == HPR_LOAD_OK;
}

enum hpr_load hpr_ahead_load(struct hpr_ahead *a, const struct hpr_ahead_place *place,
                             const struct hpr_payload_file *file, const unsigned char **rawp,
                             const unsigned char **nextp, int *resp)
{
    const struct hpr_ahead_slot *slot;
    enum hpr_load load = HPR_LOAD_OK;

    assert(hpr_payload_fits(&a->own.buffer, &place->header));
    *resp = 0;
    hpr_mutex_lock(&a->mutex);
    while (!(slot = take_locked(a, place)) && a->is_at_work && is_at(&slot_to_fill_locked(a)->place, place))
        help_or_wait_locked(a);
    if (!slot) {
        if (!is_next_in_turn_locked(a, place)) forget_locked(a);
        a->next = *place;
        a->file = *file;
        slot    = &a->own;
        load    = load_next_locked(a, &a->own, a->own_inflater, file->read_errors, resp);
    }
    hpr_mutex_unlock(&a->mutex);
    *rawp  = slot->buffer.raw;
    *nextp = slot->next;
    return load;
}

void hpr_ahead_give_back(struct hpr_ahead *a)
{
    if (!a->is_held) return; /* nobody else changes it */
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
