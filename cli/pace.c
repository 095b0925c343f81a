/* SPDX-License-Identifier: MIT */
/*
 * How much waits in the channel is known here without asking it: what was sent less what the consumer says it has
 * written of it (what an earlier run had left is not of it). Dropped records are in neither; with a policy that drops,
 * the queue then never seems empty, and patience just ends. Called by the producer only.
 */
#include "pace.h"

#include <time.h>

/* what a record in memory takes beside its bytes, on average */
#define ENTRY_BYTES_JOINED 2
#define ENTRY_BYTES_KEPT   12 /* where the queue stays, each has an entry of its own */
#define STEP_US            50
#define PATIENCE_MS        5

void pace_init(struct pace *pace, struct control *control, uint64_t room_bytes, bool keeps)
{
    *pace = (struct pace){ .control     = control,
                           .room_bytes  = room_bytes,
                           .entry_bytes = keeps ? ENTRY_BYTES_KEPT : ENTRY_BYTES_JOINED };
}

/* SENT less what of it was written. The consumer may be between two counts: never less than 0. */
static uint64_t difference(uint64_t sent, atomic_uint_least64_t *writtenp, atomic_uint_least64_t *olderp)
{
    uint64_t written = atomic_load_explicit(writtenp, memory_order_relaxed);
    uint64_t ours    = written - atomic_load_explicit(olderp, memory_order_relaxed);

    return ours <= sent ? sent - ours : 0;
}

static uint64_t waiting_bytes(const struct pace *pace)
{
    struct control *ctl = pace->control;

    return difference(pace->sent_bytes, &ctl->written_bytes, &ctl->older_bytes) +
           difference(pace->sent_records, &ctl->written_records, &ctl->older_records) * pace->entry_bytes;
}

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void wait_for_reader(struct pace *pace)
{
    const struct timespec step = { 0, STEP_US * 1000 };
    uint64_t waiting           = waiting_bytes(pace);
    uint64_t until_us;

    if (pace->is_reader_slow && waiting > pace->room_bytes / 8) return;
    pace->is_reader_slow = false;
    if (waiting <= pace->room_bytes / 2) return;
    until_us = now_us() + PATIENCE_MS * 1000;
    do {
        (void)nanosleep(&step, NULL);
        if (waiting_bytes(pace) <= pace->room_bytes / 4) return;
    } while (now_us() < until_us && !control_stops(pace->control));
    pace->is_reader_slow = true;
}

/* Of the first COUNT records, with what they take beside their bytes. */
static uint64_t bytes_of(const struct pace *pace, const size_t *offsets, size_t count)
{
    return offsets[count] - offsets[0] + count * pace->entry_bytes;
}

size_t pace_next(struct pace *pace, const size_t *offsets, size_t count)
{
    const uint64_t most = pace->room_bytes / 2;
    size_t next         = count;

    if (bytes_of(pace, offsets, count) > most)
        for (next = 1; next < count && bytes_of(pace, offsets, next) < most; next++) continue;
    wait_for_reader(pace);
    pace->sent_records += next;
    pace->sent_bytes += offsets[next] - offsets[0];
    return next;
}
