/* SPDX-License-Identifier: MIT */
/*
 * copy: a snapshot in a new directory, also of a queue in use. What its owner may do meanwhile, and why the copy is
 * whole:
 *
 *   frames are added            the copy ends where the last file ended when it was copied; half a frame at its end is cut
 *   the end is cut and written  a failed write; then the copy of the last file has damage that the file has not, and the
 *   anew                        file is copied again
 *   files are removed           the oldest, when all in them is acknowledged and STATE says so: then STATE is read again,
 *                               after the files. Otherwise the STATE from before counts, whose records are all there
 *   records go through memory   copy_memory.h: the copy has those up to one instant, and nothing behind them
 *
 * STATE is written last. Until it is there the copy is no queue that survives, so that a copy that was cut short is
 * none.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "change.h"
#include "copy_memory.h"
#include "queue_file.h"
#include "say.h"
#include "scan.h"
#include "status.h"
#include "tally.h"

#define TRIES 10

struct copy {
    struct place *from;
    struct place to;
    struct payload *payload;
    bool is_in_use;
    bool has_memory; /* MEMORY is part of the copy */
    struct copy_memory memory;
    bool has_vanished; /* a file was removed while we were at it */
    uint64_t files;
};

/* ---- one file ---- */

static int failed(const struct copy *c, int res, const char *what, const char *name)
{
    say_failure(res, "%s/%s: cannot %s", c->to.path, name, what);
    return res;
}

/* The bytes of FROM that there are now, as NAME. */
static int copy_bytes(struct copy *c, int from, const char *name, unsigned mode)
{
    const struct hopper_io *io = c->to.io;
    struct hopper_io_stat st;
    uint64_t at = 0;
    int to, res;

    (void)io->unlink_at(io->ctx, c->to.fd, name); /* of an earlier try */
    to = io->open_at(io->ctx, c->to.fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) return failed(c, to, "create", name);
    res = io->stat(io->ctx, from, &st);
    if (res == 0) res = change_copy(c->from, from, 0, st.bytes, to, &at);
    if (res == 0) res = io->fsync(io->ctx, to);
    (void)io->chmod(io->ctx, to, mode);
    hpr_io_close(io, to);
    return res < 0 ? failed(c, res, "write", name) : 0;
}

/* Read the file NUMBER of PLACE: where its last good frame ends, and whether there is damage before. */
struct ending {
    uint64_t end;
    bool is_damaged;
    bool is_sealed;
    bool is_ours;
    uint64_t tail_bytes;
};

static void find_ending(const struct place *place, struct payload *payload, uint64_t number, struct ending *ending)
{
    struct scan_file file;
    struct scan_event ev;

    memset(ending, 0, sizeof *ending);
    scan_file_open(&file, place, payload, number, true, &ev);
    ending->is_ours = ev.kind == SCAN_FILE;
    if (ev.kind == SCAN_FILE && ev.fault != FAULT_NONE) ending->is_damaged = true;
    while (scan_file_next(&file, &ev)) {
        if (ev.kind == SCAN_DAMAGE || (ev.kind == SCAN_FRAME && ev.fault != FAULT_NONE)) ending->is_damaged = true;
        if (ev.kind == SCAN_FOOTER) ending->is_sealed = true;
        if (ev.kind != SCAN_TAIL && ev.kind != SCAN_ZEROS) continue;
        ending->tail_bytes = ev.bytes;
        ending->end        = ev.offset;
    }
    scan_file_close(&file);
}

/* The copy as it stands: cut what is incomplete at the end; true: as good as the file is. */
static bool accept_last(struct copy *c, uint64_t number, const char *name)
{
    struct ending copied, now;

    find_ending(&c->to, c->payload, number, &copied);
    if (copied.is_damaged) {
        find_ending(c->from, c->payload, number, &now);
        if (!now.is_damaged && now.is_ours) return false;
    }
    if (copied.tail_bytes > 0) (void)change_cut(&c->to, name, copied.end);
    return true;
}

/* NUMBER, of which there is one behind it unless IS_LAST. 0, a negated errno (said), or 1: removed meanwhile. */
static int copy_file(struct copy *c, uint64_t number, bool is_last)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    bool is_accepted = false;
    uint64_t bytes;
    int from, res = 0;

    hpr_queue_file_name(name, number);
    from = place_open_number(c->from, number, &bytes);
    if (from == -ENOENT) return 1;
    if (from == -ENOTSUP) return 0; /* somebody else's link or directory */
    if (from < 0) {
        say_failure(from, "%s/%s: cannot open", c->from->path, name);
        return from;
    }
    for (unsigned i = 0; i < TRIES && !is_accepted; i++) {
        if ((res = copy_bytes(c, from, name, is_last ? 0600 : 0400)) < 0) break;
        is_accepted = !is_last || accept_last(c, number, name);
    }
    hpr_io_close(c->from->io, from);
    if (res == 0 && !is_accepted) res = failed(c, -EAGAIN, "copy what changes all the time", name);
    c->files += res == 0;
    return res;
}

/* ---- all of it ---- */

/* The owner removes files in order: one that has vanished takes those before it, which were copied, along. */
static int forget_files(struct copy *c, size_t from, size_t until)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    int res = 0;

    for (size_t i = from; i < until && res == 0; i++) {
        hpr_queue_file_name(name, c->from->numbers[i]);
        res = change_remove(&c->to, name);
    }
    c->has_vanished = true;
    c->files        = 0;
    return res;
}

static int copy_files(struct copy *c)
{
    size_t first = 0, last;
    struct scan scan;
    int res = 0;

    scan_init(&scan, c->from, NULL); /* finds the last one that is not somebody else's */
    last = scan.last;
    scan_fini(&scan);
    for (size_t i = 0; i < c->from->count && res == 0; i++) {
        res = copy_file(c, c->from->numbers[i], i >= last);
        if (res > 0) {
            res   = forget_files(c, first, i);
            first = i + 1;
        }
    }
    return res;
}

static int copy_memory(struct copy *c)
{
    uint64_t bytes;
    int from, res;

    if (c->from->memory_part == PART_ABSENT) return 0;
    if (c->is_in_use) {
        res           = copy_memory_take(&c->memory, c->from, &c->to);
        c->has_memory = res == 0;
        return res == 0 ? place_look(c->from) : res; /* what was in memory no more may be in a file that is new */
    }
    from = place_open_file(c->from, HPR_MEMORY_NAME, &bytes);
    if (from < 0) return failed(c, from, "copy", HPR_MEMORY_NAME);
    res           = copy_bytes(c, from, HPR_MEMORY_NAME, 0600);
    c->has_memory = res == 0;
    hpr_io_close(c->from->io, from);
    return res;
}

/* First of all: it says only what was acknowledged, so its records are behind the position that the copy has, or in
 * it. */
static int copy_producers(struct copy *c)
{
    uint64_t bytes;
    int from = place_open_file(c->from, HPR_PRODUCERS_NAME, &bytes), res;

    if (from == -ENOENT) return 0;
    if (from < 0) return failed(c, from, "copy", HPR_PRODUCERS_NAME);
    res = copy_bytes(c, from, HPR_PRODUCERS_NAME, 0600);
    hpr_io_close(c->from->io, from);
    return res;
}

/* Which channel it is, and how its frames are checked, is known from the original alone until STATE is written. */
static void take_identity(struct copy *c)
{
    c->to.has_id  = c->from->has_id;
    c->to.survive = c->from->survive;
    c->to.content = c->from->content;
    memcpy(c->to.channel_id, c->from->channel_id, sizeof c->to.channel_id);
}

/* What STATE has to say of the files that are in the copy. */
static void fit_state(const struct copy *c, struct hpr_state *state)
{
    struct tally t;

    tally_take(&t, &c->to, NULL);
    *state            = c->from->state;
    state->generation = 0;
    if (c->from->state_part != PART_GOOD || c->is_in_use) tally_passed(c->from, &state->passed);
    if (!c->is_in_use) return;
    state->is_closed = false;
    if (c->memory.fd >= 0) {
        state->passed        = c->memory.passed;
        state->next_seq      = c->memory.end_seq;
        state->dropped_total = hpr_min_u64(c->memory.dropped_total, state->next_seq - 1);
        return;
    }
    state->next_seq      = hpr_max_u64(state->passed.seq, t.last_seq) + 1;
    state->dropped_total = hpr_max_u64(state->passed.dropped_total, t.dropped_total);
    state->dropped_total = hpr_min_u64(state->dropped_total, state->next_seq - 1);
}

static int write_state(struct copy *c)
{
    struct hpr_state state;

    if (c->has_vanished && place_look(c->from) < 0) return -1;
    if (c->from->state_part == PART_ABSENT) return 0;
    if (c->from->state_part != PART_GOOD) {
        say("%s: there is no good STATE, so there is none in the copy", c->from->path);
        return 0;
    }
    if (place_look(&c->to) < 0) return -1;
    take_identity(c);
    if (c->memory.fd >= 0 && copy_memory_fit(&c->memory, c->from, &c->to) < 0) return -1;
    fit_state(c, &state);
    return change_write_state(&c->to, &state);
}

/* Make DEST, which must not be there, or be empty. */
static int make_destination(struct copy *c, const char *dest)
{
    const struct hopper_io *io = c->from->io;
    int res;

    memset(&c->to, 0, sizeof c->to);
    c->to.io        = io;
    c->to.fd        = -1;
    c->to.memory.io = io;
    c->to.memory.fd = -1;
    (void)snprintf(c->to.path, sizeof c->to.path, "%s", dest);
    res = io->mkdir_at(io->ctx, -1, dest, 0700);
    if (res < 0 && res != -EEXIST) return failed(c, res, "make the directory", ".");
    c->to.fd = io->open_at(io->ctx, -1, dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (c->to.fd < 0) {
        res      = c->to.fd;
        c->to.fd = -1;
        return failed(c, res, "open the directory", ".");
    }
    if (place_look(&c->to) < 0) return -1;
    if (c->to.count + c->to.others + c->to.kept == 0 && c->to.state_part == PART_ABSENT &&
        c->to.memory_part == PART_ABSENT)
        return 0;
    say("%s: there is something in this directory", dest);
    return -EEXIST;
}

/* Its owner came while we copied what nobody had: part of it is from before, part from after. */
static bool has_changed_hands(struct copy *c)
{
    if (c->is_in_use) return false;
    place_ask_owner(c->from);
    if (c->from->owner == PLACE_FREE) return false;
    say("%s: it came into use while it was copied; try again", c->from->path);
    return true;
}

static int run(struct copy *c, const char *dest)
{
    int res = make_destination(c, dest);

    take_identity(c);
    c->is_in_use = c->from->owner != PLACE_FREE;
    if (c->from->state_part == PART_NEWER || c->from->memory_part == PART_NEWER) {
        say("%s: it is of a newer version of the format", c->from->path);
        return STATUS_UNSURE;
    }
    if (res == 0) res = copy_producers(c);
    if (res == 0) res = copy_memory(c);
    if (res == 0) res = copy_files(c);
    if (res == 0) res = write_state(c);
    if (res == 0) res = change_sync_dir(&c->to);
    if (res < 0) return STATUS_ERROR;
    if (has_changed_hands(c)) return STATUS_BUSY;
    (void)printf("copied %" PRIu64 " files%s to %s\n", c->files, c->has_memory ? " and MEMORY" : "", dest);
    return STATUS_OK;
}

int command_copy(const struct args *args)
{
    struct copy c = { .payload = payload_new() };
    int status    = STATUS_ERROR;
    struct place from;

    if (!c.payload) {
        say("no memory");
        return STATUS_ERROR;
    }
    c.from  = &from;
    c.to.fd = c.to.memory.fd = -1;
    c.to.io = c.to.memory.io = &hopper_platform_posix()->io;
    c.memory.from_fd = c.memory.fd = -1;
    if (place_open(&from, args->dir, args->name) == 0) status = run(&c, args->dest);
    copy_memory_close(&c.memory, c.to.io);
    place_close(&c.to);
    place_close(&from);
    payload_free(c.payload);
    return status;
}
