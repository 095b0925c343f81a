/* SPDX-License-Identifier: MIT */
/* ack and purge: the receiver has come so far, says somebody else; files that hold nothing more that is wanted go.
 * First the position is on the device, then files are removed, the oldest first: a stop anywhere loses nothing. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "advance.h"
#include "change.h"
#include "keep_numbers.h"
#include "own.h"
#include "say.h"
#include "status.h"
#include "tally.h"

/* ---- files ---- */

/* What removing needs to know of the file at hand. */
struct candidate {
    uint64_t number;
    uint64_t last_seq;
    bool is_damaged;
};

struct removal {
    const struct args *args;
    const struct place *place;
    uint64_t seq;
    bool is_all; /* nothing is wanted any more */
    bool has_candidate;
    struct candidate candidate; /* what comes behind it decides */
    bool is_over;               /* something wanted was met */
    uint64_t removed;
    int res;
};

static void remove_candidate(struct removal *r)
{
    char name[CHANGE_NAME_BYTES];

    change_name(name, r->candidate.number, "");
    (void)printf("%s %s\n", r->args->is_dry_run ? "would remove" : "removed", name);
    if (!r->args->is_dry_run) r->res = change_remove(r->place, name);
    r->removed++;
}

/* Another file begins with record FIRST_SEQ (0: there is none): the one before may go when all before that is
 * behind. */
static void decide(struct removal *r, uint64_t first_seq)
{
    bool is_behind = r->is_all || (first_seq > 0 && first_seq <= r->seq + 1) ||
                     (first_seq == 0 && !r->candidate.is_damaged && r->candidate.last_seq <= r->seq);

    if (!r->has_candidate || r->is_over) return;
    r->has_candidate = false;
    r->is_over       = !is_behind;
    if (is_behind) remove_candidate(r);
}

static void take_event(struct removal *r, const struct scan_event *ev)
{
    switch (ev->kind) {
    case SCAN_FILE:
        if (!ev->has_header && !r->is_all) { /* where it begins is not known: it stays, with all behind it */
            r->is_over = true;
            break;
        }
        decide(r, ev->has_header ? ev->file.first_seq : 0);
        r->has_candidate = true;
        r->candidate     = (struct candidate){ .number = ev->number, .is_damaged = ev->fault != FAULT_NONE };
        break;
    case SCAN_FRAME:
        r->candidate.last_seq = hpr_max_u64(r->candidate.last_seq, ev->frame.first_seq + ev->frame.records - 1);
        break;
    case SCAN_DAMAGE: r->candidate.is_damaged = true; break;
    default: break;
    }
}

/* Remove the files in which all is behind SEQ. A negated errno (said) or 0. */
static int remove_files(const struct args *args, const struct place *place, uint64_t seq, bool is_all)
{
    struct removal r = { .args = args, .place = place, .seq = seq, .is_all = is_all };
    struct scan_event ev;
    struct scan scan;

    scan_init(&scan, place, NULL);
    while (r.res == 0 && !r.is_over && scan_next(&scan, &ev)) take_event(&r, &ev);
    scan_fini(&scan);
    if (r.res == 0) decide(&r, 0);
    if (r.res == 0 && r.removed > 0 && !args->is_dry_run) r.res = change_sync_dir(place);
    return r.res;
}

/* ---- both commands ---- */

static bool is_usable(const struct place *place, const struct tally *tally)
{
    if (tally->is_newer) {
        say("%s: some of it is of a newer version of the format", place->path);
    } else if (place->survive != HOPPER_SURVIVE_NOTHING && place->state_part != PART_GOOD) {
        say("%s: there is no good STATE (try 'hopper-queue repair')", place->path);
    } else if (place->memory_part == PART_DAMAGED || place->memory_part == PART_UNREADABLE) {
        say("%s: MEMORY cannot be read (try 'hopper-queue repair')", place->path);
    } else {
        return true;
    }
    return false;
}

static int acknowledge(const struct args *args, const struct place *place, const struct tally *tally, uint64_t seq)
{
    struct hpr_passed passed;

    if (seq <= tally->passed.seq) {
        (void)printf("acknowledged up to %" PRIu64 " already\n", tally->passed.seq);
        return STATUS_OK;
    }
    if (!advance_count(place, seq, &passed)) return STATUS_ERROR;
    if (!args->is_dry_run && keep_numbers(place, seq) < 0) return STATUS_ERROR;
    if (!args->is_dry_run && advance_write(place, &passed, tally->next_seq, tally->dropped_total) < 0)
        return STATUS_ERROR;
    (void)printf("%s %" PRIu64 " records and gaps of %" PRIu64 " up to number %" PRIu64 "\n",
                 args->is_dry_run ? "would acknowledge" : "acknowledged", passed.records - tally->passed.records,
                 (seq - tally->passed.seq) - (passed.records - tally->passed.records), seq);
    return STATUS_OK;
}

static int run_ack(const struct args *args, struct place *place)
{
    struct tally tally;
    int status;

    tally_take(&tally, place, NULL);
    if (!is_usable(place, &tally)) return STATUS_ERROR;
    if (place->survive == HOPPER_SURVIVE_NOTHING) {
        say("%s: a queue that survives nothing has nothing to acknowledge", place->path);
        return STATUS_ERROR;
    }
    if (args->seq >= tally.next_seq) {
        say("%s: there is no record %" PRIu64 ", the last one is %" PRIu64, place->path, args->seq, tally.next_seq - 1);
        return STATUS_ERROR;
    }
    status = acknowledge(args, place, &tally, args->seq);
    if (status == STATUS_OK && remove_files(args, place, args->seq, args->seq + 1 == tally.next_seq) < 0)
        return STATUS_ERROR;
    return status;
}

static uint64_t unacknowledged(const struct tally *tally)
{
    return tally->has_books ? tally->next_seq - 1 - tally->passed.seq : tally->records;
}

static int run_purge(const struct args *args, struct place *place)
{
    struct tally tally;

    tally_take(&tally, place, NULL);
    if (!is_usable(place, &tally)) return STATUS_ERROR;
    if (unacknowledged(&tally) > 0 && !args->is_sure && !args->is_dry_run) {
        say("%s: %" PRIu64 " records are not acknowledged (--yes removes them all the same)", place->path,
            unacknowledged(&tally));
        return STATUS_ERROR;
    }
    if (tally.has_books && tally.next_seq > 1 && acknowledge(args, place, &tally, tally.next_seq - 1) != STATUS_OK)
        return STATUS_ERROR;
    if (remove_files(args, place, UINT64_MAX - 1, true) < 0) return STATUS_ERROR;
    if (place->memory_part != PART_GOOD) return STATUS_OK;
    (void)printf("%s %s\n", args->is_dry_run ? "would remove" : "removed", HPR_MEMORY_NAME);
    if (args->is_dry_run) return STATUS_OK;
    return change_remove(place, HPR_MEMORY_NAME) < 0 || change_remove(place, HPR_MEMORY_SPARE_NAME) < 0 ||
                   change_sync_dir(place) < 0
               ? STATUS_ERROR
               : STATUS_OK;
}

static int run_owned(const struct args *args, int (*run)(const struct args *args, struct place *place))
{
    int status = STATUS_ERROR, lock = -1;
    struct place place;

    if (place_open(&place, args->dir, args->name) == 0) {
        status = args->is_dry_run ? own_ask(&place) : own_take(&place, &lock);
        if (status == STATUS_OK) status = run(args, &place);
        own_give_back(&place, lock);
    }
    place_close(&place);
    return status;
}

int command_ack(const struct args *args)
{
    return run_owned(args, run_ack);
}

int command_purge(const struct args *args)
{
    return run_owned(args, run_purge);
}
