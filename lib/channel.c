/* SPDX-License-Identifier: MIT */
/* The life of a channel: its memory is taken and divided, its directory opened, its handles counted, and all of it
 * released with the last of them. How records get in is admit.c's business, how they come back fetch.c's. */
#include "channel.h"

#include <errno.h>

#include "annotate.h"
#include "cleanup.h"
#include "error.h"
#include "packer.h"
#include "recover.h"
#include "restore.h"
#include "settle.h"

#define DEQUE_BYTES_MIN 4096 /* less is no budget to work with */

/* ---- opening ---- */

static hopper_status make_lane(struct hpr_channel *ch, const struct hpr_codec_bytes *bytes)
{
    struct hpr_lane *lane = hpr_arena_take(&ch->arena, sizeof *lane);

    if (!lane) return HOPPER_ENOMEM;
    lane->other = ch->lanes;
    ch->lanes   = lane;
    if (ch->plan.has_codec) {
        void *slab = hpr_arena_take(&ch->arena, bytes->slab);

        lane->frame = hpr_arena_take(&ch->arena, HPR_FRAME_HEADER_BYTES + ch->plan.block_bytes);
        if (!slab || !lane->frame) return HOPPER_ENOMEM;
        if (hpr_deflater_init(&lane->deflater, &ch->plan.codec, slab, bytes->slab) != HOPPER_OK) return HOPPER_ENOMEM;
        ch->codec_own_bytes += bytes->own;
    }
    lane->next           = ch->spill.free_lanes;
    ch->spill.free_lanes = lane;
    return HOPPER_OK;
}

/* Block I. Where memory is to survive, its records are in the mapped file. */
static hopper_status make_block(struct hpr_channel *ch, size_t i)
{
    struct hpr_block *block = hpr_arena_take(&ch->arena, sizeof *block);

    if (!block) return HOPPER_ENOMEM;
    if (ch->memory.header) {
        block->frame = hpr_memory_block_frame(&ch->memory, i);
        block->kept  = &ch->memory.header->blocks[i];
    } else if (!(block->frame = hpr_arena_take(&ch->arena, HPR_FRAME_HEADER_BYTES + ch->plan.block_bytes))) {
        return HOPPER_ENOMEM;
    }
    block->raw            = block->frame + HPR_FRAME_HEADER_BYTES;
    block->next           = ch->spill.free_blocks;
    ch->spill.free_blocks = block;
    return HOPPER_OK;
}

static hopper_status make_spill(struct hpr_channel *ch)
{
    struct hpr_codec_bytes deflater = { 0, 0 };
    struct hpr_spill *sp            = &ch->spill;
    hopper_status st                = HOPPER_OK;

    if (ch->plan.has_codec) deflater = hpr_deflater_bytes(&ch->plan.codec);
    if (ch->plan.has_codec && deflater.slab == 0) return HOPPER_ENOMEM;
    sp->dir         = &ch->dir;
    sp->back        = &ch->deque.back;
    sp->room        = &ch->deque.room;
    sp->block_bytes = ch->plan.block_bytes;
    sp->has_codec   = ch->plan.has_codec;
    sp->end_seq = sp->claimed_seq = 1;
    sp->holds_written             = ch->options.survive == HOPPER_SURVIVE_POWER_LOSS;
    for (size_t i = 0; i < ch->plan.lanes && st == HOPPER_OK; i++) st = make_lane(ch, &deflater);
    if (st == HOPPER_OK && ch->options.item_type && !(ch->scratch = hpr_arena_take(&ch->arena, ch->plan.block_bytes)))
        st = HOPPER_ENOMEM;
    return st;
}

static hopper_status make_inflater(struct hpr_channel *ch, struct hpr_inflater *inflater)
{
    const struct hpr_plan *plan        = &ch->plan;
    const struct hpr_codec_bytes bytes = hpr_inflater_bytes(plan->inflate_engine, plan->inflate_window_bits);
    void *slab                         = hpr_arena_take(&ch->arena, bytes.slab);

    if (!slab) return HOPPER_ENOMEM;
    ch->inflaters[ch->inflaters[0] ? 1 : 0] = inflater;
    ch->codec_own_bytes += bytes.own;
    return hpr_inflater_init(inflater, plan->inflate_engine, plan->inflate_window_bits, slab, bytes.slab);
}

/* All but the thread, which is started when nothing else can fail. */
static hopper_status make_ahead(struct hpr_channel *ch, struct hpr_replay *rp)
{
    struct hpr_ahead *a = hpr_arena_take(&ch->arena, sizeof *a);

    if (!a) return HOPPER_ENOMEM;
    ch->ahead     = a;
    a->channel_id = ch->dir.channel_id;
    a->chore      = hpr_cleanup_run;
    a->chore_ctx  = ch;
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) {
        struct hpr_payload_buffer *buffer = &a->slots[i].buffer;

        buffer->bytes = hpr_options_read_bytes(ch->plan.block_bytes);
        if (!(buffer->raw = hpr_arena_take(&ch->arena, buffer->bytes))) return HOPPER_ENOMEM;
    }
    a->own.buffer   = (struct hpr_payload_buffer){ rp->raw, rp->raw_bytes };
    a->own_inflater = &rp->inflater;
    rp->ahead       = a;
    return make_inflater(ch, &a->inflater);
}

static hopper_status make_receiver(struct hpr_channel *ch, struct hopper_receiver **rcvp)
{
    struct hopper_receiver *rcv = hpr_arena_take(&ch->arena, sizeof *rcv);
    struct hpr_replay *rp;
    hopper_status st;

    if (!rcv) return HOPPER_ENOMEM;
    rp               = &rcv->replay;
    rcv->channel     = ch;
    rcv->next_seq    = 1;
    rp->dir          = &ch->dir;
    rp->io           = ch->dir.io;
    rp->fd           = -1;
    rp->is_brief     = ch->options.when_full == HOPPER_FULL_DROP_OLDEST;
    rp->void_seq     = UINT64_MAX;
    rp->raw_bytes    = ch->plan.read_raw_bytes;
    rp->raw          = hpr_arena_take(&ch->arena, rp->raw_bytes);
    rp->big          = ch->big;
    rp->big_bytes    = ch->plan.big_raw_bytes;
    rp->stored_bytes = ch->plan.read_piece_bytes;
    rp->stored       = hpr_arena_take(&ch->arena, rp->stored_bytes);
    if (!rp->raw || !rp->stored) return HOPPER_ENOMEM;
    *rcvp = rcv;
    if ((st = make_inflater(ch, &rp->inflater)) != HOPPER_OK || ch->options.decompress_threads == 0) return st;
    return make_ahead(ch, rp);
}

/* What is left of memory_bytes when the parts of the handles, which the allocator gives, and of codecs that allocate by
 * themselves are set aside; 0: too little. */
static size_t bytes_left(const struct hpr_channel *ch)
{
    size_t left = ch->arena.bytes - ch->arena.used;
    size_t kept = ch->plan.handle_bytes + ch->plan.extra_bytes + ch->codec_own_bytes;

    if (left < kept + DEQUE_BYTES_MIN) return 0;
    return (left - kept) & ~(size_t)(HPR_CACHE_LINE - 1);
}

/* Ring and blocks in a file of all that is left, and more of it if what an earlier run left there needs more. */
static hopper_status make_memory(struct hpr_channel *ch, const struct hpr_found *found, uint64_t *limitp,
                                 struct hopper_error *err)
{
    uint64_t bytes  = bytes_left(ch) & ~(uint64_t)(HPR_MEMORY_HEADER_BYTES - 1);
    uint64_t wanted = found->has_memory ? hpr_memory_old_ring_bytes(&found->old) : 0;
    struct hpr_memory_shape shape;
    int res;

    hpr_memory_plan(&shape, bytes, ch->plan.block_bytes, (uint32_t)ch->plan.blocks);
    if (shape.ring_bytes < DEQUE_BYTES_MIN && ch->plan.extra_bytes == 0)
        return hpr_error_set(err, HOPPER_ENOMEM, 0, "divide memory_bytes", NULL);
    *limitp = hpr_max_u64(shape.ring_bytes, DEQUE_BYTES_MIN);
    wanted  = hpr_max_u64(wanted, *limitp);
    if (shape.ring_bytes < wanted) {
        /* no larger than that run's file, so that its spare does on a full device */
        wanted = hpr_round_up((size_t)wanted, HPR_CACHE_LINE);
        bytes  = hpr_round_up((size_t)(shape.ring_offset + wanted), HPR_MEMORY_HEADER_BYTES);
        hpr_memory_plan(&shape, bytes, ch->plan.block_bytes, (uint32_t)ch->plan.blocks);
    }
    memcpy(shape.channel_id, ch->dir.channel_id, sizeof shape.channel_id);
    res = hpr_memory_make(&ch->memory, ch->dir.io, ch->dir.fd, &shape);
    hpr_dir_keep(&ch->dir, 2 * bytes);
    if (res == -ENOMEM) return hpr_error_set(err, HOPPER_ENOMEM, 0, "map memory_bytes of MEMORY", NULL);
    if (res == -EOPNOTSUPP)
        return hpr_error_set(err, HOPPER_EIO, EOPNOTSUPP, "preallocate and map MEMORY on the file system of",
                             ch->dir.path);
    if (hpr_io_is_no_file(res))
        return hpr_dir_error(&ch->dir, HPR_MEMORY_SPARE_NAME, HOPPER_EMISMATCH, 0,
                             "use what is not a plain file of its own", err);
    if (res < 0) return hpr_dir_error(&ch->dir, HPR_MEMORY_SPARE_NAME, HOPPER_EIO, res, "preallocate and map", err);
    return HOPPER_OK;
}

/* For bytes all of what is left is ring. Items hold memory of their own: the ring of their pointers gets a quarter, the
 * rest of the arena is never touched, and what the items weigh is counted for it. (Where records survive, items are
 * packed when they are sent, and count as bytes.) */
static hopper_status make_deque(struct hpr_channel *ch, uint64_t limit)
{
    size_t left = bytes_left(ch);
    struct hpr_ring ring;

    if (ch->memory.header) {
        ring.base                = (unsigned char *)ch->memory.header + ch->memory.header->shape.ring_offset;
        ring.bytes               = (size_t)ch->memory.header->shape.ring_bytes;
        ch->deque.kept_published = &ch->memory.header->published;
        ch->fixed_bytes          = ch->arena.used + ch->codec_own_bytes + HPR_MEMORY_HEADER_BYTES;
    } else {
        if (left == 0) return HOPPER_ENOMEM;
        limit = ring.bytes = left;
        if (ch->options.item_type && !hpr_channel_survives(ch)) {
            ring.bytes = left / 4 & ~(size_t)(HPR_CACHE_LINE - 1);
            limit      = left - ring.bytes;
        }
        ring.base = hpr_arena_take(&ch->arena, ring.bytes);
        ch->fixed_bytes =
            (size_t)(ch->options.memory_bytes - limit) - ch->plan.handle_bytes - ch->plan.blocks * ch->plan.block_bytes;
    }
    return hpr_deque_init(&ch->deque, &ring, limit, ch->plan.record_bytes_max, &ch->options);
}

/* What only channels that survive need. */
static hopper_status make_records(struct hpr_channel *ch, struct hopper_receiver *rcv)
{
    if (!hpr_channel_survives(ch)) return HOPPER_OK;
    ch->producers            = hpr_arena_take(&ch->arena, sizeof *ch->producers);
    ch->dir.producers        = hpr_arena_take(&ch->arena, sizeof *ch->dir.producers);
    ch->dir.producers_synced = hpr_arena_take(&ch->arena, sizeof *ch->dir.producers_synced);
    rcv->noted               = hpr_arena_take(&ch->arena, HPR_GAPS_NOTED_MAX * sizeof *rcv->noted);
    return ch->producers && ch->dir.producers && ch->dir.producers_synced && rcv->noted ? HOPPER_OK : HOPPER_ENOMEM;
}

/* All memory is taken here. */
static hopper_status make_parts(struct hpr_channel *ch, struct hopper_receiver **rcvp, const struct hpr_found *found,
                                struct hopper_error *err)
{
    uint64_t limit = 0;
    hopper_status st;

    if ((st = make_spill(ch)) != HOPPER_OK || (st = make_receiver(ch, rcvp)) != HOPPER_OK ||
        (st = make_records(ch, *rcvp)) != HOPPER_OK)
        goto failed;
    if (ch->options.survive == HOPPER_SURVIVE_CRASH && (st = make_memory(ch, found, &limit, err)) != HOPPER_OK)
        return st;
    for (size_t i = 0; i < ch->plan.blocks && st == HOPPER_OK; i++) st = make_block(ch, i);
    if (st == HOPPER_OK && (st = make_deque(ch, limit)) == HOPPER_OK) return HOPPER_OK;
failed:
    return hpr_error_set(err, st, 0, "get the channel's memory", NULL);
}

static void release_all(struct hpr_channel *ch)
{
    struct hpr_arena arena = ch->arena; /* the channel is in it */

    for (struct hpr_lane *lane = ch->lanes; lane; lane = lane->other) hpr_deflater_fini(&lane->deflater);
    for (size_t i = 0; i < HPR_INFLATERS_MAX && ch->inflaters[i]; i++) hpr_inflater_fini(ch->inflaters[i]);
    if (ch->big) (void)arena.io->unmap(arena.io->ctx, ch->big, ch->plan.big_raw_bytes);
    (void)hpr_memory_close(&ch->memory, false);
    hpr_arena_close(&arena);
}

/* DIR's place is in the channel from now on. */
static hopper_status make_channel(const struct hopper_options *options, const struct hpr_plan *plan,
                                  const struct hpr_dir *dir, struct hpr_channel **chp, struct hopper_error *err)
{
    const struct hopper_io *io = &options->platform->io;
    struct hpr_arena arena;
    struct hpr_channel *ch;

    if (hpr_arena_open(&arena, io, (size_t)options->memory_bytes + plan->extra_bytes) != HOPPER_OK)
        return hpr_error_set(err, HOPPER_ENOMEM, 0, "get the channel's memory", NULL);
    ch              = hpr_arena_take(&arena, sizeof *ch);
    ch->arena       = arena;
    ch->options     = *options;
    ch->plan        = *plan;
    ch->dir         = *dir;
    ch->dir.raw_max = (uint32_t)plan->raw_max;
    if (options->item_type) {
        ch->item_type         = *options->item_type;
        ch->options.item_type = &ch->item_type;
    }
    ch->next_seq       = 1;
    ch->missing_reason = HOPPER_GAP_CORRUPT;
    ch->memory.fd      = -1;
    HPR_IS_ATOMIC(&ch->acknowledged);
    HPR_IS_ATOMIC(&ch->delivered_seq);
    HPR_IS_ATOMIC(&ch->read_errors);
    HPR_IS_ATOMIC(&ch->passed_seq);
    if (plan->big_raw_bytes > 0 && !(ch->big = io->map(io->ctx, -1, plan->big_raw_bytes))) {
        release_all(ch);
        return hpr_error_set(err, HOPPER_ENOMEM, 0, "get the channel's memory", NULL);
    }
    *chp = ch;
    return HOPPER_OK;
}

static struct hopper_sender *make_sender(const struct hopper_options *options)
{
    const struct hopper_allocator *al = &options->platform->allocator;
    struct hopper_sender *snd         = al->alloc(al->ctx, sizeof *snd);

    if (snd) memset(snd, 0, sizeof *snd);
    return snd;
}

/* Blocks that an earlier run had filled are taken over as they are, all of them, so they may be smaller or larger now
 * than these options alone would make them. Only where this budget could never hold them, buffers for them come on
 * top. */
static void plan_for_found(struct hpr_plan *plan, const struct hpr_found *found, const struct hopper_options *options)
{
    const uint64_t memory_bytes = options->memory_bytes;
    const size_t count = found->old.block_count, most = hpr_options_block_bytes_max(options);
    const size_t share = hpr_max_size((size_t)(memory_bytes / 8), plan->blocks * plan->block_bytes);
    size_t largest     = 0;

    if (found->raw_max > hpr_max_size(plan->read_raw_bytes, plan->big_raw_bytes))
        plan->big_raw_bytes = (size_t)found->raw_max;
    if (!found->has_memory) return;
    for (size_t i = 0; i < count; i++) largest = hpr_max_size(largest, found->old.blocks[i].bytes);
    if (count > plan->blocks)
        plan->block_bytes = hpr_min_size(plan->block_bytes, share / count & ~(size_t)(HPR_CACHE_LINE - 1));
    plan->block_bytes    = hpr_max_size(plan->block_bytes, hpr_round_up(largest, HPR_CACHE_LINE));
    plan->read_raw_bytes = hpr_max_size(plan->read_raw_bytes, hpr_options_read_bytes(plan->block_bytes));
    plan->raw_max        = hpr_max_u64(plan->raw_max, plan->block_bytes);
    plan->codec          = hpr_codec_params(plan->codec.level, plan->block_bytes, (size_t)(memory_bytes / 64));
    plan->lanes          = hpr_options_lanes(options, plan);
    plan->blocks         = hpr_max_size(hpr_min_size(plan->blocks, share / plan->block_bytes), count);
    if (plan->block_bytes > most || plan->blocks * plan->block_bytes > share) {
        plan->blocks      = hpr_max_size(plan->blocks, 3);
        plan->extra_bytes = (plan->lanes + 3) * (plan->block_bytes + HPR_DEFLATER_BYTES_MAX);
    }
}

/* The channel with all its memory, in DIR, going on from what was FOUND there. */
static hopper_status make_all(const struct hopper_options *options, struct hpr_plan *plan, const struct hpr_dir *dir,
                              const struct hpr_found *found, struct hpr_channel **chp, struct hopper_receiver **rcvp,
                              struct hopper_error *err)
{
    struct hpr_channel *ch = NULL;
    hopper_status st;

    plan_for_found(plan, found, options);
    if ((st = make_channel(options, plan, dir, &ch, err)) != HOPPER_OK) return st;
    if ((st = make_parts(ch, rcvp, found, err)) != HOPPER_OK) goto no_parts;
    if (options->compress_threads > 0 && (st = hpr_packer_open(&ch->spill, plan->blocks, err)) != HOPPER_OK)
        goto no_packer;
    if (ch->ahead && (st = hpr_ahead_open(ch->ahead, err)) != HOPPER_OK) goto no_ahead;
    if (hpr_channel_survives(ch) && (st = hpr_restore(ch, *rcvp, found, err)) != HOPPER_OK) goto failed;
    if ((st = hpr_commit_open(ch, err)) != HOPPER_OK) goto failed;
    hpr_packer_begin(&ch->spill);
    *chp = ch;
    return HOPPER_OK;
failed:
    if (ch->ahead) hpr_ahead_close(ch->ahead);
no_ahead:
    hpr_packer_close(&ch->spill);
no_packer:
    hpr_deque_fini(&ch->deque);
no_parts:
    release_all(ch);
    return st;
}

/* The channel cannot be opened. What was made for it, and has nothing in it yet, goes. */
static void give_up(struct hpr_dir *dir)
{
    struct hpr_state state;
    int res;

    if (dir->fd >= 0 && dir->state_is_new && dir->state_fd >= 0 &&
        hpr_state_read(dir->io, dir->state_fd, &state, &res) != HPR_FILE_OURS) {
        (void)dir->io->unlink_at(dir->io->ctx, dir->fd, HPR_STATE_NAME);
        (void)dir->io->unlink_at(dir->io->ctx, dir->fd, HPR_MEMORY_SPARE_NAME);
    }
    hpr_dir_close(dir);
}

static hopper_status open_dir(struct hpr_dir *dir, const char *path, const char *name,
                              const struct hopper_options *options, const struct hpr_plan *plan,
                              struct hpr_found *found, struct hopper_error *err)
{
    hopper_status st = hpr_dir_open(dir, path, name, options, plan, err);

    memset(found, 0, sizeof *found);
    if (st != HOPPER_OK || options->survive == HOPPER_SURVIVE_NOTHING) return st;
    if ((st = hpr_recover_scan(dir, hpr_max_size(plan->read_raw_bytes, plan->big_raw_bytes), found, err)) != HOPPER_OK)
        give_up(dir);
    return st;
}

hopper_status hpr_channel_open(const char *path, const char *name, const struct hopper_options *options,
                               struct hopper_sender **sndp, struct hopper_receiver **rcvp, struct hopper_error *err)
{
    struct hopper_receiver *rcv = NULL;
    struct hpr_channel *ch      = NULL;
    struct hopper_sender *snd;
    struct hopper_options known;
    struct hpr_dir dir;
    struct hpr_found found;
    struct hpr_plan plan;
    hopper_status st;

    memset(&dir, 0, sizeof dir);
    if ((st = hpr_options_import(&known, options, err)) != HOPPER_OK) return st;
    if ((st = hpr_options_check_name(name, err)) != HOPPER_OK) return st;
    hpr_options_plan(&known, &plan);
    if ((st = open_dir(&dir, path, name, &known, &plan, &found, err)) != HOPPER_OK) return st;
    if (!(snd = make_sender(&known))) st = hpr_error_set(err, HOPPER_ENOMEM, 0, "get memory for a sender", NULL);
    else st = make_all(&known, &plan, &dir, &found, &ch, &rcv, err);
    if (found.has_memory) hpr_memory_old_close(&found.old);
    if (st == HOPPER_OK && ch->memory.header) hpr_memory_keep_spare(&ch->memory, ch->dir.fd);
    if (st != HOPPER_OK) {
        known.platform->allocator.free(known.platform->allocator.ctx, snd);
        give_up(&dir);
        return st;
    }
    snd->channel         = ch;
    ch->senders          = 1;
    ch->receiver_is_open = true;
    *sndp                = snd;
    *rcvp                = rcv;
    return HOPPER_OK;
}

/* ---- closing ---- */

static void destroy(struct hpr_channel *ch)
{
    if (ch->ahead) hpr_ahead_close(ch->ahead);
    hpr_packer_close(&ch->spill);
    hpr_commit_close(ch);
    if (hpr_channel_survives(ch)) hpr_settle_close(ch);
    hpr_dir_close(&ch->dir);
    hpr_deque_fini(&ch->deque);
    release_all(ch);
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

    if (ch->options.survive == HOPPER_SURVIVE_POWER_LOSS) return hpr_commit_flush(ch, err);
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

/* Room is wanted that only the receiver can make, and it has passed all that is in files. It looks at what is wanted,
 * `removable_seq`, after it has stored how far it is; here one looks at how far it is after storing what is wanted: one
 * of the two sees the other's. It stores `passed_seq` so that it is ordered, or gives back room in the ring behind it:
 * so that is looked at first. */
static bool can_make_room(struct hpr_channel *ch)
{
    if (!ch->dir.wants_room) return false;
    (void)hpr_deque_freed(&ch->deque);
    return atomic_load(&ch->passed_seq) + 1 >= ch->spill.end_seq;
}

void hpr_channel_update_aside_locked(struct hpr_channel *ch)
{
    hpr_deque_set_aside_locked(&ch->deque,
                               ch->overflow > 0 || ch->tail_gap > 0 || ch->senders == 0 || can_make_room(ch));
}
