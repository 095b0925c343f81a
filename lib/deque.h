/* SPDX-License-Identifier: MIT */
/* The in-memory deque: the ring, the two locks, sleeping and waking.
 *
 * Senders put entries under `back` and publish them; the receiver takes entries without a lock. Each side writes its
 * own positions and remembers the other's, so that a record costs no shared counter. Two sleeps are possible:
 *
 *   the receiver finds nothing   says so in `attention`, looks once more, sleeps on `not_empty` under `front`
 *   a sender finds no room       says in `wake_at` how much must be free, looks once more, sleeps on `room` under `back`
 *
 * and each side, after it has changed what the other waits for, looks whether the other said that it sleeps. The stores
 * and loads that this rests on are sequentially consistent: of "I sleep" and "there is something", one side sees the
 * other's. Whoever wakes clears the word; whoever sleeps sets it again before each wait. */
#ifndef HPR_DEQUE_H
#define HPR_DEQUE_H

#include <stdatomic.h>

#include "annotate.h"
#include "ring.h"
#include "sync.h"

/* How often the receiver looks before it sleeps, and for how long it pauses before each look; and how long between two
 * looks when it was told to look on (options.spin_us). Tests that walk through schedules set the first to 0. */
#ifndef HPR_POLL_ROUNDS
#define HPR_POLL_ROUNDS 10
#endif
#define HPR_POLL_PAUSES 20
#define HPR_SPIN_PAUSES 4

/* A look that brought fewer bytes than this, and less than a sixteenth of the ring, brought little;
 * hpr_deque_let_come(). */
#define HPR_LOOK_LITTLE 65536
#define HPR_LOOK_PAUSES 80

#define HPR_ATTENTION_SLEEPS 1U /* the receiver waits on not_empty */
#define HPR_ATTENTION_EVENT  2U /* the receiver wants its event set */

struct hpr_deque {
    struct hpr_ring ring;             /* [const after open] */
    const struct hopper_io *io;       /* [const after open] */
    const struct hopper_clock *clock; /* [const after open] */
    uint64_t spin_ns;                 /* [const after open] how long the receiver looks on before it sleeps */

    uint64_t limit;                   /* [const after open] the most that bytes and weights may come to */
    size_t plain_bytes_max;           /* [const after open] a record of so many bytes may go into the ring */
    _Atomic uint64_t *kept_published; /* [const after open] a copy of `published` that survives, or NULL */

    /* senders: what each send writes is one line, that goes from CPU to CPU with the lock */
    alignas(HPR_CACHE_LINE) struct hpr_mutex back; /* rank 1 */
    struct hpr_cursor tail;                        /* [back] */
    uint64_t weights;                              /* [back] ever put, beside the bytes */
    size_t plain_room; /* [back] so many bytes fit at the tail, and do not reach the ring's end: as far as was looked */

    alignas(HPR_CACHE_LINE) uint64_t freed_seen; /* [back] last known value of freed */
    struct hpr_cond room;                        /* [back] something that a sender may wait for has changed */

    alignas(
        HPR_CACHE_LINE) _Atomic uint64_t published; /* tail.pos that the receiver may read up to; written under back */
    _Atomic uint64_t aside; /* not 0: something beside the ring wants the receiver; written under back */

    /* receiver */
    alignas(HPR_CACHE_LINE) struct hpr_cursor head; /* [receiver] */
    uint64_t published_seen;                        /* [receiver] last known value of published */
    uint64_t taken;                                 /* [receiver] bytes and weights ever passed */
    uint64_t looked_from;                           /* [receiver] head.pos at the last look that found some */
    int event_fd;                                   /* [front] -1: none */

    alignas(HPR_CACHE_LINE) _Atomic uint64_t freed; /* bytes and weights given back; written by the receiver only */
    _Atomic uint64_t wake_at;                       /* value of freed that senders wait for; UINT64_MAX: none waits */

    alignas(HPR_CACHE_LINE) _Atomic uint32_t attention; /* HPR_ATTENTION_ bits; set under front */
    struct hpr_mutex front;                             /* rank 2 */
    struct hpr_cond not_empty;                          /* [front] */
};

/* LIMIT: the most that entries and weights together may come to; the ring's bytes where there are no weights. */
hopper_status hpr_deque_init(struct hpr_deque *dq, const struct hpr_ring *ring, uint64_t limit,
                             uint64_t record_bytes_max, const struct hopper_options *options);
void hpr_deque_fini(struct hpr_deque *dq);

/* ---- senders: with `back` held ---- */

/* The most that one entry may take of the ring, padding aside, or weigh. */
static inline size_t hpr_deque_entry_limit(const struct hpr_deque *dq)
{
    return hpr_min_size(dq->ring.bytes, (size_t)dq->limit) / 4;
}
static inline uint64_t hpr_deque_weight_limit(const struct hpr_deque *dq)
{
    return dq->limit / 4;
}

/* Whether BYTES more, padding and weight included, fit. */
bool hpr_deque_has_room_locked(struct hpr_deque *dq, uint64_t bytes);

/* Whether half of the ring is free. */
bool hpr_deque_is_half_free_locked(struct hpr_deque *dq);

/* Put one entry, WEIGHT more than its bytes; there must be room. Not seen by the receiver before it is published. */
void hpr_deque_put_locked(struct hpr_deque *dq, enum hpr_place kind, uint64_t value, const void *data, uint64_t weight);

/* The same for a numbered record; see hpr_ring_put_numbered(). */
void hpr_deque_put_numbered_locked(struct hpr_deque *dq, const unsigned char *number, const void *data, size_t len);

/* Bytes and weights ever put. */
static inline uint64_t hpr_deque_put_total(const struct hpr_deque *dq)
{
    return dq->tail.pos + dq->weights;
}

/* Whether it is plain that a record of LEN bytes fits: no padding, and room without asking the receiver. False: not
 * known, hpr_deque_look_for_plain_room_locked() may help. */
static inline bool hpr_deque_has_plain_room(const struct hpr_deque *dq, size_t len)
{
    return len <= dq->plain_bytes_max && hpr_ring_record_bytes(len) <= dq->plain_room;
}

/* Whether there is plain room for LEN bytes, after a look at what is known of the ring. False:
 * hpr_deque_has_room_locked() has to tell. */
bool hpr_deque_look_for_plain_room_locked(struct hpr_deque *dq, size_t len);

/* Begin an entry of a record of LEN bytes, for which there is plain room; returns where its bytes are to be put. What a
 * send in memory costs is decided here. */
static inline unsigned char *hpr_deque_put_plain_locked(struct hpr_deque *dq, size_t len)
{
    assert(hpr_deque_has_plain_room(dq, len));
    dq->plain_room -= hpr_ring_record_bytes(len);
    return hpr_ring_begin_record(&dq->ring, &dq->tail, len);
}

/* Put as many of COUNT records as there is plain room for; *BYTESP: theirs. One without an address is not put. */
size_t hpr_deque_put_plains_locked(struct hpr_deque *dq, const struct iovec *records, size_t count, uint64_t *bytesp);

/* As many as fit of COUNT records that stand side by side, as a run: hpr_ring_put_run(), with a limit that lets the
 * receiver give room back often enough, and up to the ring's end. */
size_t hpr_deque_put_run_locked(struct hpr_deque *dq, const unsigned char *data, const size_t *offsets, size_t count);

/* The same for records from anywhere: hpr_ring_put_gathered(). */
size_t hpr_deque_put_gathered_locked(struct hpr_deque *dq, const struct iovec *records, size_t count, uint64_t *bytesp);

/* Let the receiver see all entries put so far: there are some that it does not see yet. Where memory survives,
 * `kept_published` says so already. */
static inline void hpr_deque_publish_new_locked(struct hpr_deque *dq)
{
    HPR_ORDERS_BEFORE(&dq->published);
    atomic_store(&dq->published, dq->tail.pos);
}

/* Let the receiver see all entries put so far. */
static inline void hpr_deque_publish_locked(struct hpr_deque *dq)
{
    HPR_ASSERT_HELD(&dq->back);
    if (atomic_load_explicit(&dq->published, memory_order_relaxed) == dq->tail.pos) return;
    /* first: the receiver's place, which survives as well, is never ahead of it */
    if (dq->kept_published) atomic_store_explicit(dq->kept_published, dq->tail.pos, memory_order_release);
    hpr_deque_publish_new_locked(dq);
}

/* Say whether something beside the ring waits for the receiver. */
void hpr_deque_set_aside_locked(struct hpr_deque *dq, bool is_waiting);

/* Wake the receiver if it sleeps. With or without `back`. */
void hpr_deque_wake_sleeper(struct hpr_deque *dq);

static inline bool hpr_deque_has_sleeper(const struct hpr_deque *dq)
{
    return HPR_UNLIKELY(atomic_load(&dq->attention) != 0);
}

static inline void hpr_deque_wake(struct hpr_deque *dq)
{
    if (hpr_deque_has_sleeper(dq)) hpr_deque_wake_sleeper(dq);
}

/* What the receiver has given back. Who sees it sees what the receiver stored before. */
static inline uint64_t hpr_deque_freed(struct hpr_deque *dq)
{
    const uint64_t freed = atomic_load(&dq->freed);

    HPR_ORDERS_AFTER(&dq->freed);
    return freed;
}

/* Wait until something changed that senders wait for, NEED bytes are free, or DEADLINE passed. May return early. SEEN:
 * `freed_seen` before the caller found that it cannot go on; others may have looked since, and what they saw does not
 * tell whether it can. */
void hpr_deque_wait_room_locked(struct hpr_deque *dq, uint64_t need, uint64_t seen, uint64_t deadline_ns);

uint64_t hpr_deque_used_locked(struct hpr_deque *dq);

/* ---- the receiver ---- */

/* Whether the ring has an entry to take, by looking at what is published. */
bool hpr_deque_look(struct hpr_deque *dq);

static inline bool hpr_deque_has_entry(struct hpr_deque *dq)
{
    return HPR_LIKELY(dq->head.pos != dq->published_seen) || hpr_deque_look(dq);
}

/* Take the next entry, which is there. Its bytes stay until hpr_deque_give_back(). Those of a run stay beyond that:
 * returned is how many bytes hpr_deque_leave_run() is to be told when all of it has been handed out; else 0. */
uint64_t hpr_deque_take(struct hpr_deque *dq, struct hpr_entry *entry);

/* Entries up to HEAD, of bytes only, have been taken as hpr_deque_take() would. */
static inline void hpr_deque_take_to(struct hpr_deque *dq, const struct hpr_cursor *head)
{
    dq->taken += head->pos - dq->head.pos;
    dq->head = *head;
}

/* Take the next entry, which is a plain record of this WORD: what a receive in memory costs. Its bytes. */
static inline const void *hpr_deque_take_plain(struct hpr_deque *dq, uint64_t word)
{
    dq->taken += hpr_ring_record_bytes((size_t)(word >> 3));
    return hpr_ring_take_record(&dq->ring, &dq->head, word);
}

/* A run's last record is about to be handed out: from now on the run is as any entry taken. */
static inline void hpr_deque_leave_run(struct hpr_deque *dq, uint64_t bytes)
{
    dq->taken += bytes;
}

/* Wake senders that wait for room. */
void hpr_deque_wake_senders(struct hpr_deque *dq);

static inline bool hpr_deque_is_awaited(const struct hpr_deque *dq, uint64_t freed)
{
    return HPR_UNLIKELY(freed >= atomic_load(&dq->wake_at));
}

/* FREED bytes and weights have been given back. True: senders wait for that, and hpr_deque_wake_senders() has to
 * follow. */
static inline bool hpr_deque_set_freed(struct hpr_deque *dq, uint64_t freed)
{
    HPR_ORDERS_BEFORE(&dq->freed);
    atomic_store(&dq->freed, freed);
    return hpr_deque_is_awaited(dq, freed);
}

/* Give back the room of all entries taken so far. Result: hpr_deque_set_freed(). */
static inline bool hpr_deque_give_back(struct hpr_deque *dq)
{
    return dq->taken != atomic_load_explicit(&dq->freed, memory_order_relaxed) && hpr_deque_set_freed(dq, dq->taken);
}

/* The same for entries below ring position POS only, where nothing has weight; wakes. */
static inline void hpr_deque_give_back_to(struct hpr_deque *dq, uint64_t pos)
{
    if (pos > atomic_load_explicit(&dq->freed, memory_order_relaxed) && hpr_deque_set_freed(dq, pos))
        hpr_deque_wake_senders(dq);
}

/* Before a look that is not urgent: a receiver as fast as the senders would find one entry each time, and take the line
 * of `published` away from them for each. When the last look brought little, they get a moment to put some more. */
void hpr_deque_let_come(const struct hpr_deque *dq);

/* Sleep until there is an entry or something aside, or DEADLINE has passed: then false. */
bool hpr_deque_sleep(struct hpr_deque *dq, uint64_t deadline_ns);

/* Create the event if there is none; the descriptor or a negated errno. */
int hpr_deque_event(struct hpr_deque *dq);

/* With an event: make it quiet until something comes. False: something has come meanwhile, look again. */
bool hpr_deque_arm_event(struct hpr_deque *dq);

/* Nanoseconds until DEADLINE, 0 when it has passed, UINT64_MAX for HOPPER_FOREVER. */
uint64_t hpr_deque_time_left(const struct hpr_deque *dq, uint64_t deadline_ns);

#endif
