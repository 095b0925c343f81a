/* SPDX-License-Identifier: MIT */
/* See advance.h. The receiver's position in MEMORY goes to the slot that does not hold, and then that one is made to
 * hold, each on the device before the next step; docs/format.md. */
#include "advance.h"

#include <fcntl.h>

#include "change.h"
#include "merge.h"
#include "ring_walk.h"
#include "say.h"
#include "tally.h"

/* ---- counting ---- */

static void pass_gap(struct hpr_passed *passed, uint64_t count, enum hopper_gap reason)
{
    passed->gap_records[reason] += count;
    passed->seq += count;
    if (reason == HOPPER_GAP_DROPPED_NEWEST) passed->dropped_total += count;
}

/* Up to FIRST nothing was told: it is not there, and nobody knows why. */
static void pass_hole(const struct place *place, struct hpr_passed *passed, uint64_t first)
{
    bool is_down = place->survive == HOPPER_SURVIVE_CRASH && !tally_trusts_memory(place);

    if (first > passed->seq + 1)
        pass_gap(passed, first - passed->seq - 1, is_down ? HOPPER_GAP_MACHINE_DOWN : HOPPER_GAP_VANISHED);
}

bool advance_count(const struct place *place, uint64_t seq, struct hpr_passed *passed)
{
    struct merge_piece piece;
    struct merge merge;
    bool is_ready;

    tally_passed(place, passed);
    is_ready = merge_init(&merge, place);
    while (is_ready && passed->seq < seq && merge_next(&merge, &piece)) {
        uint64_t end = hpr_min_u64(piece.seq + piece.count, seq + 1);

        if (end <= passed->seq + 1) continue;
        pass_hole(place, passed, hpr_min_u64(hpr_max_u64(piece.seq, passed->seq + 1), seq + 1));
        if (passed->seq >= seq) break;
        if (piece.kind == MERGE_GAP) {
            pass_gap(passed, end - passed->seq - 1, piece.reason);
        } else {
            passed->records += end - passed->seq - 1;
            passed->seq = end - 1;
        }
    }
    merge_fini(&merge);
    if (is_ready) pass_hole(place, passed, seq + 1);
    return is_ready;
}

/* ---- writing ---- */

/* Where in the ring the receiver stands then: entries are passed as long as they begin at or below PASSED. */
static void find_place(const struct hpr_memory_old *old, const struct hpr_passed *passed, struct hpr_memory_place *to)
{
    struct ring_walk walk;
    struct ring_entry entry;

    *to        = old->place;
    to->passed = *passed;
    ring_walk_init(&walk, old);
    while (to->start_seq <= passed->seq && ring_walk_next(&walk, &entry)) {
        to->start     = walk.pos;
        to->start_seq = walk.seq;
        to->start_dropped += entry.dropped;
    }
    if (to->start_seq > passed->seq) return;
    to->start_seq     = passed->seq + 1; /* all of it is behind, also what was dropped beside the ring */
    to->start_dropped = hpr_max_u64(to->start_dropped, passed->dropped_total);
}

static int write_and_sync(const struct place *place, int fd, const void *buf, size_t len, uint64_t offset)
{
    int res = hpr_io_write(place->io, fd, buf, len, offset);

    return res < 0 ? res : place->io->fdatasync(place->io->ctx, fd);
}

static int write_memory(const struct place *place, const struct hpr_passed *passed)
{
    const struct hopper_io *io = place->io;
    struct hpr_memory_place to;
    uint32_t slot = 0;
    size_t got;
    int fd, res;

    find_place(&place->memory, passed, &to);
    fd = io->open_at(io->ctx, place->fd, HPR_MEMORY_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    res  = hpr_io_read(io, fd, &slot, sizeof slot, offsetof(struct hpr_memory_header, slot), &got);
    slot = (slot & 1) ^ 1;
    if (res == 0)
        res = write_and_sync(place, fd, &to, sizeof to,
                             slot ? offsetof(struct hpr_memory_header, places[1])
                                  : offsetof(struct hpr_memory_header, places[0]));
    if (res == 0) res = write_and_sync(place, fd, &slot, sizeof slot, offsetof(struct hpr_memory_header, slot));
    hpr_io_close(io, fd);
    return res;
}

int advance_write(const struct place *place, const struct hpr_passed *passed, uint64_t next_seq, uint64_t dropped_total)
{
    struct hpr_state state = place->state;
    int res                = 0;

    if (tally_trusts_memory(place)) res = write_memory(place, passed);
    if (res < 0) {
        say_failure(res, "%s/%s: cannot write", place->path, HPR_MEMORY_NAME);
        return res;
    }
    state.passed        = *passed;
    state.next_seq      = hpr_max_u64(hpr_max_u64(state.next_seq, next_seq), passed->seq + 1);
    state.dropped_total = hpr_max_u64(hpr_max_u64(state.dropped_total, dropped_total), passed->dropped_total);
    return change_write_state(place, &state);
}
