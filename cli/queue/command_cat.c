/* SPDX-License-Identifier: MIT */
/* cat: the records, in order, to standard output. Gaps are told on standard error and by the exit status. */
#include "commands.h"

#include <inttypes.h>

#include "emit.h"
#include "merge.h"
#include "say.h"
#include "status.h"
#include "tally.h"

struct writer {
    struct merge merge;
    struct emit emit;
    uint64_t from;
    uint64_t left; /* records still wanted */
    bool has_gaps;
};

static void tell_gap(struct writer *w, const struct merge_piece *piece)
{
    uint64_t first = hpr_max_u64(piece->seq, w->from);

    if (piece->seq + piece->count <= first) return;
    emit_gap(&w->emit, first, piece->seq + piece->count - first, hopper_gap_name(piece->reason));
    w->has_gaps = true;
}

/* 0, or what emit_record() says. */
static int write_piece(struct writer *w, const struct merge_piece *piece)
{
    struct payload_record rec;
    int res = 0;

    for (uint64_t i = 0; i < piece->count && w->left > 0 && res == 0; i++) {
        if (!merge_record(&w->merge, &rec)) {
            emit_gap(&w->emit, piece->seq + i, piece->count - i, hopper_gap_name(HOPPER_GAP_UNREADABLE));
            w->has_gaps = true;
            return 0;
        }
        if (piece->seq + i < w->from) continue;
        res = emit_record(&w->emit, piece->seq + i, &rec, w->merge.current);
        w->left--;
    }
    return res;
}

static int write_all(struct writer *w)
{
    struct merge_piece piece;
    int res = 0;

    while (w->left > 0 && res >= 0 && merge_next(&w->merge, &piece)) {
        if (piece.kind == MERGE_GAP) tell_gap(w, &piece);
        else res = write_piece(w, &piece);
        if (res > 0) w->has_gaps = true;
    }
    if (res < 0) return STATUS_ERROR;
    if (w->merge.is_newer) say("a queue file is of a newer version of the format: its records are not here");
    if (w->merge.unreadable > 0) say("%" PRIu64 " queue files could not be read", w->merge.unreadable);
    return w->has_gaps || w->merge.unreadable > 0 ? STATUS_UNSURE : STATUS_OK;
}

int command_cat(const struct args *args)
{
    struct writer w = { .from = args->from, .left = args->count };
    int status      = STATUS_ERROR;
    struct hpr_passed passed;
    struct place place;

    if (place_open(&place, args->dir, args->name) == 0) {
        if (place.state_part == PART_NEWER) {
            say("%s: STATE is of a newer version of the format", place.path);
            status = STATUS_UNSURE;
        } else {
            tally_passed(&place, &passed);
            if (args->is_unacked) w.from = hpr_max_u64(w.from, passed.seq + 1);
            emit_init(&w.emit, args, place.content == HPR_CONTENT_ITEMS);
            if (merge_init(&w.merge, &place)) status = write_all(&w);
            merge_fini(&w.merge);
            emit_fini(&w.emit);
        }
    }
    place_close(&place);
    return status;
}
