/* SPDX-License-Identifier: MIT */
/* The life of a channel: its memory is taken and divided, its directory opened, its handles counted, and all of it released
 * with the last of them. How records get in is admit.c's business, how they come back fetch.c's. */
#include "channel.h"

#include "annotate.h"
#include "error.h"

#define DEQUE_BYTES_MIN 4096 /* less is no budget to work with */

/* ---- opening ---- */

static hopper_status make_lane(struct hpr_channel *ch, size_t deflater_bytes)
{
    struct hpr_lane *lane = hpr_arena_take(&ch->arena, sizeof *lane);

    if (!lane) return HOPPER_ENOMEM;
    if (ch->plan.has_codec) {
        void *slab = hpr_arena_take(&ch->arena, deflater_bytes);

        lane->frame = hpr_arena_take(&ch->arena, HPR_FRAME_HEADER_BYTES + ch->plan.block_bytes);
        if (!slab || !lane->frame) return HOPPER_ENOMEM;
        if (hpr_deflater_init(&lane->deflater, &ch->plan.codec, slab, deflater_bytes) != HOPPER_OK)
            return HOPPER_ENOMEM;
    }
    lane->next           = ch->spill.free_lanes;
    ch->spill.free_lanes = lane;
    return HOPPER_OK;
}

static hopper_status make_block(struct hpr_channel *ch)
{
    struct hpr_block *block = hpr_arena_take(&ch->arena, sizeof *block);

    if (!block || !(block->frame = hpr_arena_take(&ch->arena, HPR_FRAME_HEADER_BYTES + ch->plan.block_bytes)))
        return HOPPER_ENOMEM;
    block->raw            = block->frame + HPR_FRAME_HEADER_BYTES;
    block->next           = ch->spill.free_blocks;
    ch->spill.free_blocks = block;
    return HOPPER_OK;
}

static hopper_status make_spill(struct hpr_channel *ch)
{
    struct hpr_spill *sp  = &ch->spill;
    size_t deflater_bytes = ch->plan.has_codec ? hpr_deflater_bytes(&ch->plan.codec) : 0;
    hopper_status st      = HOPPER_OK;

    if (ch->plan.has_codec && deflater_bytes == 0) return HOPPER_ENOMEM;
    sp->dir         = &ch->dir;
    sp->back        = &ch->deque.back;
    sp->room        = &ch->deque.room;
    sp->block_bytes = ch->plan.block_bytes;
    sp->has_codec   = ch->plan.has_codec;
    sp->end_seq = sp->claimed_seq = 1;
    for (size_t i = 0; i < ch->plan.lanes && st == HOPPER_OK; i++) st = make_lane(ch, deflater_bytes);
    for (size_t i = 0; i < ch->plan.blocks && st == HOPPER_OK; i++) st = make_block(ch);
    if (st == HOPPER_OK && ch->options.item_type && !(ch->scratch = hpr_arena_take(&ch->arena, ch->plan.block_bytes)))
        st = HOPPER_ENOMEM;
    return st;
}

static hopper_status make_receiver(struct hpr_channel *ch, struct hopper_receiver **rcvp)
{
    struct hopper_receiver *rcv = hpr_arena_take(&ch->arena, sizeof *rcv);
    size_t inflater_bytes       = hpr_inflater_bytes(ch->plan.codec.window_bits);
    struct hpr_replay *rp;
    void *slab;

    if (!rcv) return HOPPER_ENOMEM;
    rp               = &rcv->replay;
    rcv->channel     = ch;
    rcv->next_seq    = 1;
    rp->dir          = &ch->dir;
    rp->io           = ch->dir.io;
    rp->fd           = -1;
    rp->raw_bytes    = ch->plan.read_raw_bytes;
    rp->raw          = hpr_arena_take(&ch->arena, rp->raw_bytes);
    rp->big          = ch->big;
    rp->big_bytes    = ch->plan.big_raw_bytes;
    rp->stored_bytes = ch->plan.block_bytes;
    rp->stored       = hpr_arena_take(&ch->arena, rp->stored_bytes);
    slab             = hpr_arena_take(&ch->arena, inflater_bytes);
    if (!rp->raw || !rp->stored || !slab) return HOPPER_ENOMEM;
    *rcvp = rcv;
    return hpr_inflater_init(&rp->inflater, ch->plan.codec.window_bits, slab, inflater_bytes);
}

/* The deque gets what is left of memory_bytes when the handles' part is set aside, which the allocator gives. For bytes
 * all of it is ring. Items hold memory of their own: the ring of their pointers gets a quarter, the rest of the arena is
 * never touched, and what the items weigh is counted for it. */
static hopper_status make_deque(struct hpr_channel *ch)
{
    size_t left = ch->arena.bytes - ch->arena.used;
    struct hpr_ring ring;
    uint64_t limit;

    if (left < ch->plan.handle_bytes + DEQUE_BYTES_MIN) return HOPPER_ENOMEM;
    left       = (left - ch->plan.handle_bytes) & ~(size_t)(HPR_CACHE_LINE - 1);
    ring.bytes = ch->options.item_type ? left / 4 & ~(size_t)(HPR_CACHE_LINE - 1) : left;
    limit      = ch->options.item_type ? left - ring.bytes : left;
    ring.base  = hpr_arena_take(&ch->arena, ring.bytes);
    ch->fixed_bytes =
        (size_t)(ch->options.memory_bytes - limit) - ch->plan.handle_bytes - ch->plan.blocks * ch->plan.block_bytes;
    return hpr_deque_init(&ch->deque, &ring, limit, ch->options.platform);
}

/* All memory is taken here. */
static hopper_status make_parts(struct hpr_channel *ch, struct hopper_receiver **rcvp)
{
    hopper_status st;

    if ((st = make_spill(ch)) != HOPPER_OK || (st = make_receiver(ch, rcvp)) != HOPPER_OK) return st;
    return make_deque(ch);
}

static void unmap_all(struct hpr_channel *ch)
{
    struct hpr_arena arena = ch->arena; /* the channel is in it */

    if (ch->big) (void)arena.io->unmap(arena.io->ctx, ch->big, ch->plan.big_raw_bytes);
    hpr_arena_close(&arena);
}

static hopper_status make_channel(const struct hopper_options *options, const struct hpr_plan *plan,
                                  struct hpr_channel **chp, struct hopper_receiver **rcvp)
{
    const struct hopper_io *io = &options->platform->io;
    struct hpr_arena arena;
    struct hpr_channel *ch;
    hopper_status st;

    if ((st = hpr_arena_open(&arena, io, (size_t)options->memory_bytes)) != HOPPER_OK) return st;
    ch          = hpr_arena_take(&arena, sizeof *ch);
    ch->arena   = arena;
    ch->options = *options;
    ch->plan    = *plan;
    if (options->item_type) {
        ch->item_type         = *options->item_type;
        ch->options.item_type = &ch->item_type;
    }
    ch->next_seq = 1;
    HPR_IS_ATOMIC(&ch->acknowledged);
    HPR_IS_ATOMIC(&ch->delivered_seq);
    HPR_IS_ATOMIC(&ch->read_errors);
    if (plan->big_raw_bytes > 0 && !(ch->big = io->map(io->ctx, -1, plan->big_raw_bytes))) st = HOPPER_ENOMEM;
    ch->dir.io = io;
    if (st == HOPPER_OK) st = make_parts(ch, rcvp);
    if (st != HOPPER_OK) {
        unmap_all(ch);
        return st;
    }
    *chp = ch;
    return HOPPER_OK;
}

static struct hopper_sender *make_sender(struct hpr_channel *ch)
{
    const struct hopper_allocator *al = &ch->options.platform->allocator;
    struct hopper_sender *snd         = al->alloc(al->ctx, sizeof *snd);

    if (snd) {
        memset(snd, 0, sizeof *snd);
        snd->channel = ch;
    }
    return snd;
}

hopper_status hpr_channel_open(const char *dir, const char *name, const struct hopper_options *options,
                               struct hopper_sender **sndp, struct hopper_receiver **rcvp, struct hopper_error *err)
{
    struct hopper_receiver *rcv = NULL;
    struct hpr_channel *ch      = NULL;
    struct hopper_sender *snd;
    struct hopper_options known;
    struct hpr_plan plan;
    hopper_status st;

    if ((st = hpr_options_import(&known, options, err)) != HOPPER_OK) return st;
    if ((st = hpr_options_check_name(name, err)) != HOPPER_OK) return st;
    hpr_options_plan(&known, &plan);
    if ((st = make_channel(&known, &plan, &ch, &rcv)) != HOPPER_OK)
        return hpr_error_set(err, st, 0, "get the channel's memory", NULL);
    if (!(snd = make_sender(ch))) {
        st = hpr_error_set(err, HOPPER_ENOMEM, 0, "get memory for a sender", NULL);
        goto failed;
    }
    if ((st = hpr_dir_open(&ch->dir, dir, name, &known, &plan, err)) != HOPPER_OK) goto failed;
    ch->senders          = 1;
    ch->receiver_is_open = true;
    *sndp                = snd;
    *rcvp                = rcv;
    return HOPPER_OK;
failed:
    known.platform->allocator.free(known.platform->allocator.ctx, snd);
    hpr_deque_fini(&ch->deque);
    unmap_all(ch);
    return st;
}

/* ---- closing ---- */

static void destroy(struct hpr_channel *ch)
{
    hpr_dir_close(&ch->dir);
    hpr_deque_fini(&ch->deque);
    unmap_all(ch);
}

void hpr_channel_release_locked(struct hpr_channel *ch)
{
    bool is_last = ch->senders == 0 && !ch->receiver_is_open;

    hpr_mutex_unlock(&ch->deque.back);
    if (is_last) destroy(ch);
}

/* ---- flushing ---- */

hopper_status hpr_channel_flush(struct hpr_channel *ch, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    hopper_status st     = HOPPER_OK;
    uint64_t until;

    hpr_mutex_lock(&ch->deque.back);
    until = ch->next_seq;
    hpr_spill_seal_locked(sp);
    while (st == HOPPER_OK && sp->oldest && sp->oldest->first_seq < until) {
        switch (hpr_spill_work_locked(sp, err)) {
        case HPR_WAIT: hpr_cond_wait(sp->room, sp->back, UINT64_MAX); break;
        case HPR_FULL: st = hpr_error_set(err, HOPPER_EFULL, 0, "flush", NULL); break;
        case HPR_FAILED: st = err->status; break;
        case HPR_DONE:
        case HPR_AGAIN: break;
        }
    }
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

/* ---- the word to the receiver ---- */

void hpr_channel_update_aside_locked(struct hpr_channel *ch)
{
    hpr_deque_set_aside_locked(&ch->deque, ch->overflow > 0 || ch->tail_gap > 0 || ch->senders == 0);
}
