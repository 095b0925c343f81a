/* SPDX-License-Identifier: MIT */
/* See deque.h for how the two sides sleep and wake. */
#include "deque.h"

hopper_status hpr_deque_init(struct hpr_deque *dq, const struct hpr_ring *ring, uint64_t limit,
                             uint64_t record_bytes_max, const struct hopper_options *options)
{
    hopper_status st;

    dq->ring            = *ring;
    dq->limit           = limit;
    dq->io              = &options->platform->io;
    dq->clock           = &options->platform->clock;
    dq->spin_ns         = (uint64_t)options->spin_us * 1000;
    dq->plain_bytes_max = (size_t)hpr_min_u64(record_bytes_max, hpr_deque_entry_limit(dq) - HPR_RING_HEAD_BYTES - 8);
    dq->event_fd        = -1;
    atomic_init(&dq->published, 0);
    atomic_init(&dq->aside, 0);
    atomic_init(&dq->freed, 0);
    atomic_init(&dq->wake_at, UINT64_MAX);
    atomic_init(&dq->attention, 0);
    HPR_IS_ATOMIC(&dq->published);
    HPR_IS_ATOMIC(&dq->aside);
    HPR_IS_ATOMIC(&dq->freed);
    HPR_IS_ATOMIC(&dq->wake_at);
    HPR_IS_ATOMIC(&dq->attention);
    if ((st = hpr_mutex_init(&dq->back)) != HOPPER_OK) return st;
    if ((st = hpr_mutex_init(&dq->front)) != HOPPER_OK) goto no_front;
    if ((st = hpr_cond_init(&dq->room)) != HOPPER_OK) goto no_room;
    if ((st = hpr_cond_init(&dq->not_empty)) != HOPPER_OK) goto no_not_empty;
    return HOPPER_OK;
no_not_empty:
    hpr_cond_fini(&dq->room);
no_room:
    hpr_mutex_fini(&dq->front);
no_front:
    hpr_mutex_fini(&dq->back);
    return st;
}

void hpr_deque_fini(struct hpr_deque *dq)
{
    if (dq->event_fd >= 0) (void)dq->io->close(dq->io->ctx, dq->event_fd);
    hpr_cond_fini(&dq->not_empty);
    hpr_cond_fini(&dq->room);
    hpr_mutex_fini(&dq->front);
    hpr_mutex_fini(&dq->back);
}

/* ---- senders ---- */

bool hpr_deque_has_room_locked(struct hpr_deque *dq, uint64_t bytes)
{
    HPR_ASSERT_HELD(&dq->back);
    if (HPR_LIKELY(hpr_deque_put_total(dq) - dq->freed_seen + bytes <= dq->limit)) return true;
    dq->freed_seen = hpr_deque_freed(dq);
    return hpr_deque_put_total(dq) - dq->freed_seen + bytes <= dq->limit;
}

bool hpr_deque_look_for_plain_room_locked(struct hpr_deque *dq, size_t len)
{
    const uint64_t used = hpr_min_u64(hpr_deque_put_total(dq) - dq->freed_seen, dq->limit);
    const size_t to_end = dq->ring.bytes - dq->tail.offset;

    HPR_ASSERT_HELD(&dq->back);
    /* less than what is left to the end: an entry that ended there would have to begin the ring anew */
    dq->plain_room = (size_t)hpr_min_u64(dq->limit - used, to_end - 8);
    return hpr_deque_has_plain_room(dq, len);
}

bool hpr_deque_is_half_free_locked(struct hpr_deque *dq)
{
    return hpr_deque_has_room_locked(dq, dq->limit / 2);
}

void hpr_deque_put_locked(struct hpr_deque *dq, enum hpr_place kind, uint64_t value, const void *data, uint64_t weight)
{
    HPR_ASSERT_HELD(&dq->back);
    hpr_ring_put(&dq->ring, &dq->tail, kind, value, data);
    dq->weights += weight;
    dq->plain_room = 0;
    assert(hpr_deque_put_total(dq) - dq->freed_seen <= dq->limit);
}

void hpr_deque_put_numbered_locked(struct hpr_deque *dq, const unsigned char *number, const void *data, size_t len)
{
    HPR_ASSERT_HELD(&dq->back);
    hpr_ring_put_numbered(&dq->ring, &dq->tail, number, data, len);
    dq->plain_room = 0;
}

/* The tail is kept in registers meanwhile: for all that the compiler knows, what is put may change it. */
size_t hpr_deque_put_plains_locked(struct hpr_deque *dq, const struct iovec *records, size_t count, uint64_t *bytesp)
{
    struct hpr_cursor tail = dq->tail;
    size_t room            = dq->plain_room, n;
    uint64_t bytes         = 0;

    HPR_ASSERT_HELD(&dq->back);
    for (n = 0; n < count; n++) {
        const void *data = records[n].iov_base;
        const size_t len = records[n].iov_len;
        unsigned char *at;

        if (!data || len > dq->plain_bytes_max) break;
        if (HPR_UNLIKELY(hpr_ring_record_bytes(len) > room)) {
            bool has_room;

            dq->tail = tail;
            has_room = hpr_deque_look_for_plain_room_locked(dq, len);
            room     = dq->plain_room;
            if (!has_room) break;
        }
        room -= hpr_ring_record_bytes(len);
        at = hpr_ring_begin_record(&dq->ring, &tail, len);
        hpr_copy_record(at, data, len);
        bytes += len;
    }
    dq->tail       = tail;
    dq->plain_room = room;
    *bytesp        = bytes;
    return n;
}

#define RUNS_IN_RING 16 /* at least */

/* Room for a run, up to the ring's end. */
static size_t run_room(struct hpr_deque *dq)
{
    const size_t room = hpr_min_size(dq->ring.bytes - dq->tail.offset, dq->ring.bytes / RUNS_IN_RING);

    if (hpr_deque_has_room_locked(dq, room)) return room;
    return (size_t)(dq->limit - hpr_min_u64(dq->limit, hpr_deque_put_total(dq) - dq->freed_seen));
}

size_t hpr_deque_put_run_locked(struct hpr_deque *dq, const unsigned char *data, const size_t *offsets, size_t count)
{
    const size_t room = run_room(dq);
    const size_t n    = hpr_ring_put_run(&dq->ring, &dq->tail, room, data, offsets, count, dq->plain_bytes_max);

    dq->plain_room = 0;
    return n;
}

size_t hpr_deque_put_gathered_locked(struct hpr_deque *dq, const struct iovec *records, size_t count, uint64_t *bytesp)
{
    const size_t room = run_room(dq);
    const size_t n    = hpr_ring_put_gathered(&dq->ring, &dq->tail, room, records, count, dq->plain_bytes_max, bytesp);

    dq->plain_room = 0;
    return n;
}

void hpr_deque_set_aside_locked(struct hpr_deque *dq, bool is_waiting)
{
    HPR_ASSERT_HELD(&dq->back);
    if (atomic_load_explicit(&dq->aside, memory_order_relaxed) != is_waiting) atomic_store(&dq->aside, is_waiting);
}

void hpr_deque_wake_sleeper(struct hpr_deque *dq)
{
    uint32_t attention;

    hpr_mutex_lock(&dq->front);
    attention = atomic_exchange(&dq->attention, 0);
    if (attention & HPR_ATTENTION_SLEEPS) hpr_cond_broadcast(&dq->not_empty);
    if (attention & HPR_ATTENTION_EVENT)
        (void)dq->io->event_set(dq->io->ctx, dq->event_fd); /* can fail only for a descriptor that is not an event */
    hpr_mutex_unlock(&dq->front);
}

uint64_t hpr_deque_time_left(const struct hpr_deque *dq, uint64_t deadline_ns)
{
    uint64_t now;

    if (deadline_ns == HOPPER_NOW || deadline_ns == HOPPER_FOREVER) return deadline_ns;
    now = dq->clock->monotonic_ns(dq->clock->ctx);
    return deadline_ns > now ? deadline_ns - now : 0;
}

/* Senders are woken when half of the ring is free: waking one for each record's room costs a switch per record. */
void hpr_deque_wait_room_locked(struct hpr_deque *dq, uint64_t need, uint64_t seen, uint64_t deadline_ns)
{
    const uint64_t limit = dq->limit;
    uint64_t wanted      = hpr_deque_put_total(dq) + hpr_min_u64(hpr_max_u64(limit / 2, need), limit);
    uint64_t wait_ns     = hpr_deque_time_left(dq, deadline_ns);
    uint64_t others      = atomic_load(&dq->wake_at);

    HPR_ASSERT_HELD(&dq->back);
    if (wait_ns == 0) return;
    wanted = wanted > limit ? wanted - limit : 0;
    atomic_store(&dq->wake_at, hpr_min_u64(wanted, others));
    if (wanted > seen && hpr_deque_freed(dq) >= wanted) {
        dq->freed_seen =
            hpr_max_u64(dq->freed_seen, wanted); /* it looks again, and is not sent back for the same room */
        return;
    }
    hpr_cond_wait(&dq->room, &dq->back, wait_ns);
}

uint64_t hpr_deque_used_locked(struct hpr_deque *dq)
{
    HPR_ASSERT_HELD(&dq->back);
    dq->freed_seen = hpr_deque_freed(dq);
    return hpr_deque_put_total(dq) - dq->freed_seen;
}

/* ---- the receiver ---- */

bool hpr_deque_look(struct hpr_deque *dq)
{
    dq->published_seen = atomic_load(&dq->published);
    HPR_ORDERS_AFTER(&dq->published);
    if (dq->head.pos == dq->published_seen) return false;
    dq->looked_from = dq->head.pos;
    return true;
}

uint64_t hpr_deque_take(struct hpr_deque *dq, struct hpr_entry *entry)
{
    uint64_t before = dq->head.pos;

    assert(dq->head.pos != dq->published_seen);
    hpr_ring_get(&dq->ring, &dq->head, entry);
    if (entry->kind == HPR_PLACE_RUN) return dq->head.pos - before;
    dq->taken += dq->head.pos - before + (entry->kind == HPR_PLACE_ITEM ? entry->value : 0);
    return 0;
}

void hpr_deque_wake_senders(struct hpr_deque *dq)
{
    hpr_mutex_lock(&dq->back);
    atomic_store(&dq->wake_at, UINT64_MAX);
    hpr_cond_broadcast(&dq->room);
    hpr_mutex_unlock(&dq->back);
}

static bool is_ready(struct hpr_deque *dq)
{
    return hpr_deque_has_entry(dq) || atomic_load(&dq->aside) != 0;
}

void hpr_deque_let_come(const struct hpr_deque *dq)
{
    const uint64_t little = hpr_min_u64(HPR_LOOK_LITTLE, dq->ring.bytes / 16);

    if (dq->head.pos == dq->published_seen && dq->head.pos - dq->looked_from < little) hpr_pause(HPR_LOOK_PAUSES);
}

/* Before it sleeps, the receiver looks a few times, slowly: a wake-up costs some 25 us, a look that comes too often
 * takes the line of `published` away from the senders. Bounded: at most a few microseconds each time the channel runs
 * dry. */
static bool poll_a_little(struct hpr_deque *dq)
{
    for (int round = 0; round < HPR_POLL_ROUNDS; round++) {
        hpr_pause(HPR_POLL_PAUSES);
        if (is_ready(dq)) return true;
    }
    return false;
}

/* Where it was told to, it looks on: the caller pays a CPU for it. */
static bool spin(struct hpr_deque *dq, uint64_t deadline_ns)
{
    uint64_t until;

    if (dq->spin_ns == 0) return false;
    until = hpr_min_u64(dq->clock->monotonic_ns(dq->clock->ctx) + dq->spin_ns, deadline_ns);
    do {
        hpr_pause(HPR_SPIN_PAUSES);
        if (is_ready(dq)) return true;
    } while (dq->clock->monotonic_ns(dq->clock->ctx) < until);
    return false;
}

bool hpr_deque_sleep(struct hpr_deque *dq, uint64_t deadline_ns)
{
    bool ready;

    if (deadline_ns != HOPPER_NOW && (poll_a_little(dq) || spin(dq, deadline_ns))) return true;
    hpr_mutex_lock(&dq->front);
    for (;;) {
        uint64_t wait_ns;

        atomic_fetch_or(&dq->attention, HPR_ATTENTION_SLEEPS); /* again after each wake: it clears the bit */
        if ((ready = is_ready(dq)) || (wait_ns = hpr_deque_time_left(dq, deadline_ns)) == 0) break;
        hpr_cond_wait(&dq->not_empty, &dq->front, wait_ns);
    }
    atomic_fetch_and(&dq->attention, ~HPR_ATTENTION_SLEEPS);
    hpr_mutex_unlock(&dq->front);
    return ready;
}

int hpr_deque_event(struct hpr_deque *dq)
{
    int fd;

    hpr_mutex_lock(&dq->front);
    if (dq->event_fd < 0) {
        dq->event_fd = dq->io->event_open(dq->io->ctx);
        if (dq->event_fd >= 0)
            (void)dq->io->event_set(dq->io->ctx, dq->event_fd); /* until a receive has found nothing */
    }
    fd = dq->event_fd;
    if (fd < 0) dq->event_fd = -1;
    hpr_mutex_unlock(&dq->front);
    return fd;
}

bool hpr_deque_arm_event(struct hpr_deque *dq)
{
    bool ready;

    if (dq->event_fd < 0) return true;
    hpr_mutex_lock(&dq->front);
    (void)dq->io->event_clear(dq->io->ctx, dq->event_fd);
    atomic_fetch_or(&dq->attention, HPR_ATTENTION_EVENT);
    if ((ready = is_ready(dq))) {
        atomic_fetch_and(&dq->attention, ~HPR_ATTENTION_EVENT);
        (void)dq->io->event_set(dq->io->ctx, dq->event_fd);
    }
    hpr_mutex_unlock(&dq->front);
    return !ready;
}
