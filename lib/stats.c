/* SPDX-License-Identifier: MIT */
/* The books at one instant: `back` is held, so the receiver's count of acknowledgements is the only thing that moves,
 * and it is read once. What is pending in memory is what is left of the equation in stats.h; the tests count it. */
#include <stdatomic.h>

#include "channel.h"

static void fill_records(struct hpr_channel *ch, struct hopper_stats *s)
{
    uint64_t gone = 0;

    s->accepted     = ch->next_seq - 1;
    s->acknowledged = atomic_load_explicit(&ch->acknowledged, memory_order_acquire);
    for (int i = 0; i < HOPPER_GAP_REASONS; i++) {
        s->gap_records[i] = ch->gap_records[i];
        gone += ch->gap_records[i];
    }
    s->pending_disk   = ch->options.survive == HOPPER_SURVIVE_POWER_LOSS ? s->accepted - s->acknowledged - gone
                                                                         : hpr_spill_records_on_disk(&ch->spill);
    s->pending_memory = s->accepted - s->acknowledged - gone - s->pending_disk;
    s->refused        = ch->refused;
    s->overflowed     = ch->overflowed;
    s->seq_accepted   = ch->next_seq - 1;
    s->seq_delivered  = atomic_load_explicit(&ch->delivered_seq, memory_order_relaxed);
    s->senders        = ch->senders;
    s->duplicates     = ch->duplicates;
    s->seq_acknowledged =
        hpr_channel_survives(ch) ? atomic_load_explicit(&ch->passed_seq, memory_order_relaxed) : s->acknowledged;
    if (ch->options.survive == HOPPER_SURVIVE_POWER_LOSS)
        s->seq_durable = atomic_load_explicit(&ch->commit.durable_seq, memory_order_relaxed);
    else if (ch->options.survive == HOPPER_SURVIVE_CRASH) s->seq_durable = ch->next_seq - 1;
    s->syncs = atomic_load_explicit(&ch->dir.syncs, memory_order_relaxed);
}

static void fill_bytes(struct hpr_channel *ch, struct hopper_stats *s)
{
    s->memory_bytes      = ch->options.memory_bytes;
    s->memory_bytes_used = ch->fixed_bytes + ch->senders * sizeof(struct hopper_sender) +
                           hpr_deque_used_locked(&ch->deque) + ch->spill.blocks_busy * ch->plan.block_bytes;
    s->disk_bytes       = ch->options.disk_bytes;
    s->disk_bytes_used  = hpr_dir_used_locked(&ch->dir);
    s->file_bytes       = ch->plan.file_bytes;
    s->record_bytes_max = ch->plan.record_bytes_max;
    s->accepted_bytes   = ch->accepted_bytes;
    s->written_bytes    = ch->spill.written_bytes;
    s->disk_files       = hpr_dir_files_locked(&ch->dir);
    s->write_errors     = ch->spill.write_errors;
    s->read_errors      = atomic_load_explicit(&ch->read_errors, memory_order_relaxed);
    s->disk_errno       = ch->spill.failed_errno;
}

hopper_status hpr_channel_stats(struct hpr_channel *ch, struct hopper_stats *stats)
{
    struct hopper_stats s = HOPPER_STATS_INIT;
    size_t size;

    if (!stats || stats->size < offsetof(struct hopper_stats, acknowledged) || stats->size > 65536)
        return HOPPER_EINVAL;
    size = stats->size;
    hpr_mutex_lock(&ch->deque.back);
    fill_records(ch, &s);
    fill_bytes(ch, &s);
    hpr_mutex_unlock(&ch->deque.back);
    memset(stats, 0, size);
    s.size = size;
    memcpy(stats, &s, hpr_min_size(size, sizeof s));
    return HOPPER_OK;
}
