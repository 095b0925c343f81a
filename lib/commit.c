/* SPDX-License-Identifier: MIT */
/* See commit.h. When a round fails, what of it is on the device is accepted; of the rest, and of what was staged behind
 * it, nothing is: the files are cut back, and every sender concerned is told. When only the sync fails, what was
 * written is first written again to a fresh file (dir_sync.c).
 *
 * With HOPPER_SYNC_INTERVAL and _DEMAND a round ends with the write; the sync comes later, and what it fails for was
 * accepted: it stays, is not called durable, and is written again at the next try. */
#include "commit.h"

#include "admit.h"
#include "channel.h"
#include "error.h"
#include "record.h"

static bool syncs_groups(const struct hpr_channel *ch)
{
    return ch->options.sync == HOPPER_SYNC_GROUP;
}

/* ---- the end of a round ---- */

/* Into the ring if there is room, else it is overflow: the file has it in any case. */
static void accept_record(struct hpr_channel *ch, const void *data, size_t len)
{
    struct hpr_send send = { .source = { .data = data, .len = len } };

    if ((ch->overflow > 0 && !hpr_deque_is_half_free_locked(&ch->deque)) || !hpr_admit_put_in_ring(ch, &send))
        hpr_admit_note_overflow(ch, &send);
    ch->next_seq++;
    ch->accepted_bytes += len;
}

static void accept_block(struct hpr_channel *ch, const struct hpr_block *block)
{
    struct hpr_records records = hpr_block_records(block);
    const unsigned char *data  = NULL;
    size_t bytes               = 0;

    assert(block->first_seq == ch->next_seq);
    while (hpr_records_take(&records, &data, &bytes)) accept_record(ch, data, bytes);
    if (block->has_numbers) hpr_producers_note_raw(ch->producers, block->raw, block->raw_bytes);
}

/* Whoever waits for a record below next_seq has it; with ST, the others do not get theirs. */
static void tell_waiters(struct hpr_channel *ch, hopper_status st)
{
    struct hpr_commit *c = &ch->commit;

    for (struct hpr_commit_waiter **link = &c->waiters, *w; (w = *link) != NULL;) {
        if (w->seq >= ch->next_seq && st == HOPPER_OK) {
            link = &w->next;
            continue;
        }
        w->status  = w->seq < ch->next_seq ? HOPPER_OK : st;
        w->end_seq = ch->next_seq;
        w->is_done = true;
        *link      = w->next;
    }
    hpr_cond_broadcast(&c->done);
    hpr_cond_broadcast(&ch->deque.room);
}

static void set_durable(struct hpr_channel *ch, uint64_t end_seq)
{
    atomic_store_explicit(&ch->commit.durable_seq, end_seq - 1, memory_order_release);
}

/* Of what is written, all that is to be on the device is. */
static void accept_written(struct hpr_channel *ch)
{
    struct hpr_spill *sp = &ch->spill;

    while (sp->written &&
           (!syncs_groups(ch) || sp->written->first_seq + sp->written->records - 1 <= ch->dir.synced_seq)) {
        accept_block(ch, sp->written);
        hpr_spill_free_written_locked(sp);
    }
    if (syncs_groups(ch)) set_durable(ch, ch->next_seq);
    hpr_admit_show_receiver(ch);
}

/* Nothing staged is accepted. */
static void forget_staged(struct hpr_channel *ch, hopper_status st, const struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;

    if (syncs_groups(ch)) {
        sp->is_writing = true;
        hpr_mutex_unlock(sp->back);
        hpr_dir_forget_unsynced(&ch->dir);
        hpr_mutex_lock(sp->back);
        sp->is_writing = false;
        (void)hpr_dir_publish_locked(&ch->dir);
    }
    hpr_spill_forget_all_locked(sp);
    sp->end_seq           = ch->next_seq;
    ch->commit.staged_seq = ch->next_seq;
    ch->commit.failure    = *err;
    hpr_producers_forget_staged(ch->producers);
    sp->failed_errno = err->sys_errno;
    tell_waiters(ch, st);
}

/* ---- syncing ---- */

/* As the writer, the lock dropped around it. Where each group is synced the next ones are to find the file as long as it
 * will be, see dir_sync.c. */
static hopper_status sync_active(struct hpr_channel *ch, struct hopper_error *err)
{
    struct hpr_dir *dir = &ch->dir;
    uint64_t zeros_end  = syncs_groups(ch) ? hpr_dir_plan_zeros_locked(dir) : 0;
    hopper_status st;

    hpr_mutex_unlock(ch->spill.back);
    if (zeros_end > 0) hpr_dir_put_zeros(dir, zeros_end);
    st = hpr_dir_sync(dir, err);
    hpr_mutex_lock(ch->spill.back);
    (void)hpr_dir_publish_locked(dir);
    return st;
}

/* As the writer, the lock dropped. Where syncing fails, what it was about is written again elsewhere, if the budget
 * lets it. */
static hopper_status sync_locked(struct hpr_channel *ch, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    struct hpr_dir *dir  = &ch->dir;
    uint64_t promise     = 0;
    hopper_status st     = HOPPER_EIO;

    while (sp->is_writing) hpr_cond_wait(sp->room, sp->back, UINT64_MAX);
    sp->is_writing = true;
    hpr_dir_enter_writer_locked(dir);
    if (!dir->active_is_spent) st = sync_active(ch, err);
    if (st != HOPPER_OK && (promise = hpr_dir_unsynced_bytes(dir)) == 0) st = HOPPER_OK; /* it was given up before */
    if (st != HOPPER_OK) {
        sp->write_errors++;
        if (dir->active_is_spent && err->sys_errno == 0)
            (void)hpr_error_set(err, HOPPER_EIO, 0, "write again what could not be synced in", dir->path);
        if (!hpr_dir_promise_locked(dir, promise)) promise = 0;
    }
    if (promise > 0) {
        dir->rewrites++;
        hpr_mutex_unlock(sp->back);
        st = hpr_dir_rewrite_unsynced(dir, err);
        hpr_mutex_lock(sp->back);
        dir->promised -= promise;
        (void)hpr_dir_publish_locked(dir);
        dir->rewrites++;
    }
    sp->is_writing = false;
    hpr_cond_broadcast(sp->room);
    if (st != HOPPER_OK) st = err->status = HOPPER_EIO; /* never HOPPER_ENOSPC: it was written, and may come */
    return st;
}

/* ---- a round ---- */

/* Write all blocks that begin below UNTIL. */
static hopper_status write_staged(struct hpr_channel *ch, uint64_t until, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    hopper_status st     = HOPPER_OK;
    bool was_given_up    = false;

    while (st == HOPPER_OK && sp->oldest && sp->oldest->first_seq < until) {
        switch (hpr_spill_work_locked(sp, err)) {
        case HPR_WAIT: hpr_cond_wait(sp->room, sp->back, UINT64_MAX); break;
        case HPR_FULL: st = hpr_error_set(err, HOPPER_EFULL, 0, "write a group of records", NULL); break;
        case HPR_FAILED: /* of a file that could not be synced before the next one */
            if (was_given_up || !ch->dir.active_is_spent || sync_locked(ch, err) != HOPPER_OK) st = err->status;
            was_given_up = true; /* once: a device that goes on failing ends the round */
            break;
        case HPR_DONE:
        case HPR_AGAIN: break;
        }
    }
    return st;
}

static void run_round(struct hpr_channel *ch)
{
    struct hpr_commit *c      = &ch->commit;
    uint64_t until            = c->staged_seq;
    struct hopper_error error = { .status = HOPPER_OK }, sync_error = error;
    hopper_status st;

    c->is_running = true;
    hpr_spill_seal_locked(&ch->spill);
    st = write_staged(ch, until, &error);
    if (syncs_groups(ch)) {
        hopper_status synced = sync_locked(ch, &sync_error);

        if (synced != HOPPER_OK) error = sync_error;
        if (synced != HOPPER_OK) st = synced;
    }
    accept_written(ch);
    if (st == HOPPER_OK) tell_waiters(ch, HOPPER_OK);
    else forget_staged(ch, st, &error); /* drops the lock: nobody may run a round meanwhile */
    c->is_running = false;
}

static void wait_for_round(struct hpr_channel *ch)
{
    hpr_cond_wait(&ch->commit.done, &ch->deque.back, UINT64_MAX);
}

/* Until all records up to SEQ, which is staged, are accepted or will never be. */
static hopper_status commit_until(struct hpr_channel *ch, uint64_t seq, uint64_t *end_seqp, struct hopper_error *err)
{
    struct hpr_commit *c            = &ch->commit;
    struct hpr_commit_waiter waiter = { .next = c->waiters, .seq = seq };

    c->waiters = &waiter;
    while (!waiter.is_done) {
        if (c->is_running) wait_for_round(ch);
        else run_round(ch);
    }
    *end_seqp = waiter.end_seq;
    if (waiter.status != HOPPER_OK) *err = c->failure;
    return waiter.status;
}

/* ---- sending ---- */

static struct hpr_source source_of(const struct hpr_batch *batch, size_t i)
{
    struct iovec record;

    if (batch->one) return *batch->one;
    record = hpr_batch_record(batch, i);
    return (struct hpr_source){ .data = record.iov_base, .len = record.iov_len };
}

static hopper_status check_source(const struct hpr_channel *ch, const struct hpr_source *source,
                                  struct hopper_error *err)
{
    if (ch->is_refusing) return hpr_error_set(err, HOPPER_ECLOSED, 0, NULL, NULL);
    if (source->len > ch->plan.record_bytes_max) return hpr_error_set(err, HOPPER_ETOOBIG, 0, NULL, NULL);
    if (!source->data && !source->type && source->len > 0) return hpr_error_set(err, HOPPER_EINVAL, 0, NULL, NULL);
    return HOPPER_OK;
}

/* Stage what goes in without waiting, from record FIRST on; *STAGEDP of them. HPR_DONE: all. HPR_WAIT: no block is
 * free, or it is a big record's turn. */
static enum hpr_result stage(struct hpr_channel *ch, const struct hpr_batch *batch, size_t first, size_t *stagedp,
                             struct hopper_error *err)
{
    enum hpr_result res = HPR_DONE;
    size_t i;

    if (ch->spill.is_exclusive) return HPR_WAIT;
    for (i = first; i < batch->count && res == HPR_DONE; i++) {
        const struct hpr_source source = source_of(batch, i);

        if (check_source(ch, &source, err) != HOPPER_OK) res = HPR_FAILED;
        else if (!hpr_spill_is_small(&ch->spill, &source)) res = HPR_WAIT;
        else res = hpr_spill_append_locked(&ch->spill, ch->commit.staged_seq, ch->dropped_total, &source);
        if (res != HPR_DONE) break;
        if (source.producer) hpr_producers_add(ch->producers, source.producer)->staged = source.number;
        ch->commit.staged_seq++;
        (*stagedp)++;
    }
    return res;
}

/* One record that no block can hold: alone, behind all that is staged. */
static hopper_status send_big(struct hpr_channel *ch, const struct hpr_source *source, struct hopper_error *err)
{
    struct hpr_spill *sp = &ch->spill;
    struct hpr_send send = { .source = *source };
    enum hpr_result res;
    hopper_status st = HOPPER_OK;

    while (sp->is_exclusive || ch->commit.is_running || ch->commit.staged_seq > ch->next_seq) {
        if (ch->commit.is_running) wait_for_round(ch);
        else if (sp->is_exclusive) hpr_cond_wait(sp->room, sp->back, UINT64_MAX);
        else run_round(ch);
    }
    if ((st = check_source(ch, source, err)) != HOPPER_OK) return st;
    ch->commit.is_running = sp->is_exclusive = true;
    while ((res = hpr_spill_write_big_locked(sp, ch->next_seq, ch->dropped_total, source, err)) == HPR_WAIT)
        hpr_cond_wait(sp->room, sp->back, UINT64_MAX);
    if (res == HPR_FAILED && ch->dir.active_is_spent && sync_locked(ch, err) == HOPPER_OK)
        res = hpr_spill_write_big_locked(sp, ch->next_seq, ch->dropped_total, source, err);
    if (res == HPR_FULL) st = hpr_error_set(err, HOPPER_EFULL, 0, NULL, NULL);
    else if (res != HPR_DONE) st = err->status;
    else if (syncs_groups(ch)) st = sync_locked(ch, err);
    if (st != HOPPER_OK) {
        struct hopper_error failure = *err;

        forget_staged(ch, st, &failure);
    }
    ch->commit.is_running = sp->is_exclusive = false;
    if (st != HOPPER_OK) return st;
    hpr_admit_note_overflow(ch, &send);
    ch->next_seq++;
    ch->accepted_bytes += source->len;
    if (source->producer) hpr_producers_note(ch->producers, source->producer, source->number);
    ch->commit.staged_seq = ch->next_seq;
    if (syncs_groups(ch)) set_durable(ch, ch->next_seq);
    hpr_admit_show_receiver(ch);
    tell_waiters(ch, HOPPER_OK);
    return HOPPER_OK;
}

/* HOPPER_FULL_DROP_NEWEST: it takes its number behind all that is staged. */
static void drop_one(struct hpr_channel *ch, const struct hpr_source *source)
{
    struct hpr_send send = { .source = *source, .is_measured = true };

    while (ch->commit.is_running || ch->commit.staged_seq > ch->next_seq) {
        if (ch->commit.is_running) wait_for_round(ch);
        else run_round(ch);
    }
    hpr_admit_drop(ch, &send);
    ch->commit.staged_seq = ch->next_seq;
    if (syncs_groups(ch)) set_durable(ch, ch->next_seq);
}

/* Whether SOURCE was accepted before; what is staged of its producer up to its number is waited for, to know. */
static bool was_sent_before(struct hpr_channel *ch, const struct hpr_source *source)
{
    for (;;) {
        const struct hpr_producer *known = hpr_producers_find(ch->producers, source->producer);

        if (!known || source->number > known->staged) return false;
        if (source->number <= known->accepted) break;
        if (ch->commit.is_running) wait_for_round(ch);
        else run_round(ch);
    }
    ch->duplicates++;
    return true;
}

/* Some of BATCH from record *DONEP on: as far as it goes without waiting for room. */
static hopper_status send_some(struct hpr_channel *ch, const struct hpr_batch *batch, size_t *donep, uint64_t *seqp,
                               struct hopper_error *err)
{
    const struct hpr_source source = source_of(batch, *donep);
    size_t staged                  = 0;
    enum hpr_result res;
    hopper_status st = check_source(ch, &source, err);

    if (st != HOPPER_OK) return st;
    if (source.producer && was_sent_before(ch, &source)) {
        (*donep)++;
        return HOPPER_OK;
    }
    if (!hpr_spill_is_small(&ch->spill, &source)) {
        if ((st = send_big(ch, &source, err)) != HOPPER_OK) return st;
        (*donep)++;
        *seqp = ch->next_seq - 1;
        return HOPPER_OK;
    }
    res = stage(ch, batch, *donep, &staged, err);
    if (staged > 0) {
        const uint64_t first = ch->commit.staged_seq - staged;
        uint64_t end;

        st  = commit_until(ch, first + staged - 1, &end, err);
        end = hpr_min_u64(end, first + staged);
        if (end <= first) return st;
        *donep += (size_t)(end - first);
        *seqp = end - 1;
        return st;
    }
    if (res == HPR_FULL) return hpr_error_set(err, HOPPER_EFULL, 0, NULL, NULL);
    if (res == HPR_FAILED) return err->status;
    if (ch->commit.is_running) wait_for_round(ch);
    else if (ch->spill.is_exclusive) hpr_cond_wait(ch->spill.room, ch->spill.back, UINT64_MAX);
    else run_round(ch); /* others' records have all blocks */
    return HOPPER_OK;
}

hopper_status hpr_commit_send(struct hpr_channel *ch, const struct hpr_batch *batch, uint64_t deadline_ns,
                              size_t *acceptedp, uint64_t *seqp, struct hopper_error *err)
{
    hopper_status st = HOPPER_OK;
    size_t done      = 0;

    hpr_mutex_lock(&ch->deque.back);
    while (done < batch->count) {
        struct hpr_send send;
        enum hpr_result made;

        st = send_some(ch, batch, &done, seqp, err);
        if (st == HOPPER_OK) continue;
        if (st != HOPPER_EFULL && st != HOPPER_ENOSPC) break;
        send = (struct hpr_send){ .source = source_of(batch, done), .freed_seen = ch->deque.freed_seen };
        made = hpr_admit_make_disk_room(ch, &send);
        if (made == HPR_WAIT) hpr_cond_wait(&ch->deque.room, &ch->deque.back, UINT64_MAX);
        if (made == HPR_AGAIN || made == HPR_WAIT) continue;
        if (hpr_deque_time_left(&ch->deque, deadline_ns) > 0) {
            hpr_admit_wait_for_change(ch, &send, st, deadline_ns);
            if (ch->is_refusing || hpr_deque_time_left(&ch->deque, deadline_ns) > 0) continue;
        }
        if (ch->options.when_full != HOPPER_FULL_DROP_NEWEST) break;
        drop_one(ch, &send.source);
        *seqp = ch->next_seq - 1;
        done++;
    }
    if (done == batch->count) {
        st = HOPPER_OK;
        memset(err, 0, sizeof *err);
    }
    ch->refused += st == HOPPER_EFULL || st == HOPPER_ENOSPC || st == HOPPER_EIO;
    hpr_admit_show_receiver(ch);
    hpr_mutex_unlock(&ch->deque.back);
    *acceptedp = done;
    return st;
}

/* ---- durability on demand ---- */

/* Sync now; what was accepted before is durable then. */
static hopper_status sync_now(struct hpr_channel *ch, struct hopper_error *err)
{
    uint64_t end_seq = ch->next_seq;
    hopper_status st;

    ch->commit.is_running = true;
    err->sys_errno        = 0;
    st                    = sync_locked(ch, err);
    ch->commit.is_running = false;
    if (st != HOPPER_OK && err->sys_errno == 0) /* nothing failed now; what did before waits for room */
        st = hpr_error_set(err, HOPPER_EFULL, 0, "write again what could not be synced in", ch->dir.path);
    if (st == HOPPER_OK) set_durable(ch, end_seq);
    tell_waiters(ch, HOPPER_OK);
    return st;
}

static uint64_t durable_seq(const struct hpr_channel *ch)
{
    return atomic_load_explicit(&ch->commit.durable_seq, memory_order_acquire);
}

static hopper_status wait_locked(struct hpr_channel *ch, uint64_t seq, uint64_t deadline_ns, struct hopper_error *err)
{
    hopper_status st = HOPPER_OK;

    while (st == HOPPER_OK && durable_seq(ch) < seq) {
        uint64_t left = hpr_deque_time_left(&ch->deque, deadline_ns);

        if (left == 0) return hpr_error_set(err, HOPPER_EAGAIN, 0, "wait until records are durable", NULL);
        if (ch->commit.is_running) hpr_cond_wait(&ch->commit.done, &ch->deque.back, left);
        else st = sync_now(ch, err);
    }
    return st;
}

hopper_status hpr_commit_wait(struct hpr_channel *ch, uint64_t seq, uint64_t deadline_ns, struct hopper_error *err)
{
    hopper_status st;

    hpr_mutex_lock(&ch->deque.back);
    st = seq >= ch->next_seq ? hpr_error_set(err, HOPPER_EINVAL, 0, "wait for a record that was not accepted yet", NULL)
                             : wait_locked(ch, seq, deadline_ns, err);
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

hopper_status hpr_commit_flush(struct hpr_channel *ch, struct hopper_error *err)
{
    hopper_status st;

    hpr_mutex_lock(&ch->deque.back);
    st = wait_locked(ch, ch->next_seq - 1, HOPPER_FOREVER, err);
    hpr_mutex_unlock(&ch->deque.back);
    return st;
}

/* ---- the thread of HOPPER_SYNC_INTERVAL ---- */

static void sync_at_intervals(void *arg)
{
    struct hpr_channel *ch = arg;
    struct hpr_commit *c   = &ch->commit;

    hpr_mutex_lock(&ch->deque.back);
    while (!c->is_stopping) {
        struct hopper_error ignored = {
            .status = HOPPER_OK
        }; /* counted in write_errors; whoever waits for durability is told */

        hpr_cond_wait(&c->tick, &ch->deque.back, (uint64_t)ch->options.sync_ms * 1000000U);
        if (!c->is_stopping && !c->is_running && durable_seq(ch) + 1 < ch->next_seq) (void)sync_now(ch, &ignored);
    }
    hpr_mutex_unlock(&ch->deque.back);
}

hopper_status hpr_commit_open(struct hpr_channel *ch, struct hopper_error *err)
{
    struct hpr_commit *c = &ch->commit;
    hopper_status st;
    int res;

    if (ch->options.survive != HOPPER_SURVIVE_POWER_LOSS) return HOPPER_OK;
    c->staged_seq = ch->next_seq;
    set_durable(ch, ch->next_seq);
    if ((st = hpr_cond_init(&c->done)) != HOPPER_OK) return hpr_error_set(err, st, 0, "make a condition", NULL);
    if ((st = hpr_cond_init(&c->tick)) != HOPPER_OK) {
        hpr_cond_fini(&c->done);
        return hpr_error_set(err, st, 0, "make a condition", NULL);
    }
    if (ch->options.sync != HOPPER_SYNC_INTERVAL) return HOPPER_OK;
    if ((res = hpr_thread_start(&c->thread, "hopper-sync", sync_at_intervals, ch)) == 0) return HOPPER_OK;
    hpr_cond_fini(&c->tick);
    hpr_cond_fini(&c->done);
    return hpr_error_set(err, HOPPER_ENOMEM, res, "start the thread that syncs", NULL);
}

void hpr_commit_close(struct hpr_channel *ch)
{
    struct hpr_commit *c = &ch->commit;

    if (ch->options.survive != HOPPER_SURVIVE_POWER_LOSS) return;
    hpr_mutex_lock(&ch->deque.back);
    c->is_stopping = true;
    hpr_cond_broadcast(&c->tick);
    hpr_mutex_unlock(&ch->deque.back);
    hpr_thread_join(&c->thread);
    hpr_cond_fini(&c->tick);
    hpr_cond_fini(&c->done);
}
