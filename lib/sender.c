/* SPDX-License-Identifier: MIT */
/* The public verbs of a sender: arguments are checked here, the work is the channel's. */
#include <time.h>

#include "admit.h"
#include "error.h"
#include "settle.h"

#define ITEM_WEIGHT_MIN 128

hopper_status hopper_open(const char *dir, const char *name, const struct hopper_options *options, hopper_sender **sndp,
                          hopper_receiver **rcvp, struct hopper_error *err)
{
    if (err) memset(err, 0, sizeof *err);
    if (sndp) *sndp = NULL;
    if (rcvp) *rcvp = NULL;
    if (!dir || dir[0] == '\0' || !sndp || !rcvp)
        return hpr_error_set(err, HOPPER_EINVAL, 0, "open a channel (an argument is NULL or empty)", NULL);
    return hpr_channel_open(dir, name, options, sndp, rcvp, err);
}

hopper_status hopper_channel(const char *dir, const char *name, hopper_sender **sndp, hopper_receiver **rcvp,
                             struct hopper_error *err)
{
    return hopper_open(dir, name, NULL, sndp, rcvp, err);
}

hopper_status hopper_sender_clone(hopper_sender *snd, hopper_sender **sndp)
{
    const struct hopper_allocator *al;
    struct hpr_channel *ch;
    hopper_sender *clone;
    bool has_room;

    if (sndp) *sndp = NULL;
    if (!snd || !sndp) return HOPPER_EINVAL;
    ch    = snd->channel;
    al    = &ch->options.platform->allocator;
    clone = al->alloc(al->ctx, sizeof *clone);
    if (!clone) return HOPPER_ENOMEM;
    memset(clone, 0, sizeof *clone);
    clone->channel = ch;
    hpr_mutex_lock(&ch->deque.back);
    has_room = ch->senders < ch->plan.handle_bytes / sizeof *clone;
    ch->senders += has_room;
    hpr_mutex_unlock(&ch->deque.back);
    if (!has_room) {
        al->free(al->ctx, clone);
        return HOPPER_ENOMEM;
    }
    *sndp = clone;
    return HOPPER_OK;
}

void hopper_sender_close(hopper_sender *snd)
{
    const struct hopper_allocator *al;
    struct hpr_channel *ch;

    if (!snd) return;
    ch = snd->channel;
    al = &ch->options.platform->allocator;
    al->free(al->ctx, snd);
    hpr_mutex_lock(&ch->deque.back);
    if (--ch->senders == 0) {
        hpr_deque_set_aside_locked(&ch->deque, true);
        hpr_deque_wake(&ch->deque); /* before the receiver can find out by itself and release the channel */
    }
    hpr_channel_release_locked(ch);
}

static uint64_t policy_deadline(const struct hpr_channel *ch)
{
    return ch->options.when_full == HOPPER_FULL_BLOCK ? HOPPER_FOREVER : HOPPER_NOW;
}

static inline hopper_status send_one(hopper_sender *snd, const void *data, size_t len, uint64_t deadline_ns)
{
    if (HPR_UNLIKELY(snd->channel->options.item_type != NULL))
        return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "send bytes on a channel of items", NULL);
    return hpr_admit_record(snd->channel, data, len, deadline_ns, &snd->last_seq, &snd->error);
}

hopper_status hopper_send(hopper_sender *snd, const void *data, size_t len)
{
    return snd ? send_one(snd, data, len, policy_deadline(snd->channel)) : HOPPER_EINVAL;
}

hopper_status hopper_send_until(hopper_sender *snd, const void *data, size_t len, uint64_t deadline_ns)
{
    return snd ? send_one(snd, data, len, deadline_ns) : HOPPER_EINVAL;
}

hopper_status hopper_send_batch(hopper_sender *snd, const struct iovec *records, size_t count, uint64_t deadline_ns,
                                size_t *acceptedp)
{
    const struct hpr_batch batch = { .records = records, .count = count };

    if (acceptedp) *acceptedp = 0;
    if (!snd || !acceptedp || (!records && count > 0))
        return snd ? hpr_error_set(&snd->error, HOPPER_EINVAL, 0, NULL, NULL) : HOPPER_EINVAL;
    if (snd->channel->options.item_type)
        return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "send bytes on a channel of items", NULL);
    return hpr_admit_batch(snd->channel, &batch, deadline_ns, acceptedp, &snd->last_seq, &snd->error);
}

hopper_status hopper_send_joined(hopper_sender *snd, const void *data, const size_t *offsets, size_t count,
                                 uint64_t deadline_ns, size_t *acceptedp)
{
    const struct hpr_batch batch = { .joined = data, .offsets = offsets, .count = count };

    if (acceptedp) *acceptedp = 0;
    if (!snd || !acceptedp || ((!data || !offsets) && count > 0))
        return snd ? hpr_error_set(&snd->error, HOPPER_EINVAL, 0, NULL, NULL) : HOPPER_EINVAL;
    if (snd->channel->options.item_type)
        return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "send bytes on a channel of items", NULL);
    return hpr_admit_batch(snd->channel, &batch, deadline_ns, acceptedp, &snd->last_seq, &snd->error);
}

/* An item counts at least so much that the entries of as many as the budget allows fit into their ring
 * (make_deque()). */
static uint64_t item_weight(const struct hopper_item_type *type, const void *item)
{
    return hpr_max_u64(type->weight(type->ctx, item), ITEM_WEIGHT_MIN);
}

hopper_status hopper_send_item(hopper_sender *snd, void *item, uint64_t deadline_ns)
{
    const struct hopper_item_type *type;
    struct hpr_send send;

    if (!snd || !item) return snd ? hpr_error_set(&snd->error, HOPPER_EINVAL, 0, NULL, NULL) : HOPPER_EINVAL;
    type = snd->channel->options.item_type;
    if (!type) return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "send an item on a channel of bytes", NULL);
    send = (struct hpr_send){ .source = { .type = type, .item = item }, .weight = item_weight(type, item) };
    return hpr_admit_item(snd->channel, &send, deadline_ns, &snd->last_seq, &snd->error);
}

/* A producer that is new is noted where it survives before any record of it is: from then on recovery looks for
 * numbers. */
hopper_status hopper_sender_set_producer(hopper_sender *snd, uint64_t id, uint64_t *lastp)
{
    hopper_status st = HOPPER_OK;
    struct hpr_channel *ch;
    struct hpr_producer *known;

    if (lastp) *lastp = 0;
    if (!snd || !lastp || id == 0)
        return snd ? hpr_error_set(&snd->error, HOPPER_EINVAL, 0, NULL, NULL) : HOPPER_EINVAL;
    ch = snd->channel;
    if (!hpr_channel_survives(ch))
        return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "number records of a channel that survives nothing", NULL);
    hpr_mutex_lock(&ch->deque.back);
    known = hpr_producers_find(ch->producers, id);
    if (!known && (known = hpr_producers_add(ch->producers, id)) != NULL) {
        const struct hpr_producers one = { .count = 1, .known = { { .id = id } } };
        int res                        = hpr_settle_note_numbers_locked(ch, &one);

        if (res < 0) {
            ch->producers->count--;
            st = hpr_error_io(&snd->error, res, "write PRODUCERS in", ch->dir.path);
        }
    } else if (!known) {
        st = hpr_error_set(&snd->error, HOPPER_ENOMEM, 0, "know one more producer", NULL);
    }
    if (st == HOPPER_OK) {
        snd->producer = id;
        *lastp        = known->accepted;
    }
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

hopper_status hopper_send_numbered(hopper_sender *snd, uint64_t number, const void *data, size_t len,
                                   uint64_t deadline_ns)
{
    struct hpr_send send;

    if (!snd) return HOPPER_EINVAL;
    if (snd->producer == 0 || number == 0 || snd->channel->options.item_type)
        return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "send a numbered record (no producer, number 0, or items)",
                             NULL);
    send = (struct hpr_send){ .source = { .data = data, .len = len, .producer = snd->producer, .number = number } };
    return hpr_admit_numbered(snd->channel, &send, deadline_ns, &snd->last_seq, &snd->error);
}

uint64_t hopper_sender_seq(const hopper_sender *snd)
{
    return snd ? snd->last_seq : 0;
}

uint64_t hopper_durable_seq(hopper_sender *snd)
{
    uint64_t seq = 0;

    if (!snd) return 0;
    if (snd->channel->options.survive == HOPPER_SURVIVE_POWER_LOSS)
        return atomic_load_explicit(&snd->channel->commit.durable_seq, memory_order_acquire);
    if (snd->channel->options.survive == HOPPER_SURVIVE_CRASH) {
        hpr_mutex_lock(&snd->channel->deque.back);
        seq = snd->channel->next_seq - 1;
        hpr_mutex_unlock(&snd->channel->deque.back);
    }
    return seq;
}

hopper_status hopper_wait_durable(hopper_sender *snd, uint64_t seq, uint64_t deadline_ns)
{
    if (!snd) return HOPPER_EINVAL;
    if (snd->channel->options.survive == HOPPER_SURVIVE_POWER_LOSS)
        return hpr_commit_wait(snd->channel, seq, deadline_ns, &snd->error);
    if (seq <= hopper_durable_seq(snd) && hpr_channel_survives(snd->channel)) return HOPPER_OK;
    return hpr_error_set(&snd->error, HOPPER_EINVAL, 0, "wait for a record that was not accepted, or survives nothing",
                         NULL);
}

hopper_status hopper_flush(hopper_sender *snd)
{
    return snd ? hpr_channel_flush(snd->channel, &snd->error) : HOPPER_EINVAL;
}

hopper_status hopper_sender_stats(hopper_sender *snd, struct hopper_stats *stats)
{
    return snd ? hpr_channel_stats(snd->channel, stats) : HOPPER_EINVAL;
}

const struct hopper_error *hopper_sender_error(const hopper_sender *snd)
{
    return snd ? &snd->error : NULL;
}

uint64_t hopper_after_ms(uint64_t ms)
{
    struct timespec now;
    uint64_t ns, deadline;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    if (HPR_MUL_OVERFLOWS(ms, UINT64_C(1000000), &deadline) || HPR_ADD_OVERFLOWS(deadline, ns, &deadline))
        return HOPPER_FOREVER;
    return deadline;
}
