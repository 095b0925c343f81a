/* SPDX-License-Identifier: MIT */
/* Scenarios in which everything goes through the ring: sleeping, waking, order, clones, the books at every instant. */
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"

static void send_one_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 40);
    rig_close_sender(s);
}

static void send_two_and_close(struct rig_sender *s)
{
    rig_send_ok(s, 40);
    rig_send_ok(s, 100);
    rig_close_sender(s);
}

static void memory_2x2(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start_all(send_two_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void memory_3x1(void)
{
    rig_open(&(struct rig_options){ .senders = 3 });
    rig_start_all(send_one_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- batches ---- */

static void send_batch_and_close(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_batch(s, 32, 3, HOPPER_FOREVER, &accepted) == HOPPER_OK);
    rig_close_sender(s);
}

static void memory_batches(void)
{
    hopper_status st;

    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start_all(send_batch_and_close);
    rig_close_first();
    while ((st = rig_receive_batch(4, HOPPER_FOREVER)) == HOPPER_OK) continue;
    SCHED_CHECK(st == HOPPER_END);
    rig_finish();
}

/* A run is received in parts, with another sender's before or behind it. */
static void send_joined_and_close(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_joined(s, 32, 3, HOPPER_FOREVER, &accepted) == HOPPER_OK);
    rig_close_sender(s);
}

static void memory_joined(void)
{
    hopper_status st;

    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start(1, send_joined_and_close);
    rig_start(2, send_two_and_close);
    rig_close_first();
    while ((st = rig_receive_batch(2, HOPPER_FOREVER)) == HOPPER_OK) continue;
    SCHED_CHECK(st == HOPPER_END);
    rig_finish();
}

static void send_joined_and_stay(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_joined(s, 32, 3, HOPPER_FOREVER, &accepted) == HOPPER_OK);
}

static void memory_joined_wakes(void)
{
    rig_open(&(struct rig_options){ .senders = 1 });
    rig_start_all(send_joined_and_stay);
    rig_receive_count(3);
    rig_finish();
}

/* Nothing comes after the batch that would wake the receiver in its place. */
static void send_batch_and_stay(struct rig_sender *s)
{
    size_t accepted;

    SCHED_CHECK(rig_send_batch(s, 32, 3, HOPPER_FOREVER, &accepted) == HOPPER_OK);
}

static void memory_batch_wakes(void)
{
    rig_open(&(struct rig_options){ .senders = 1 });
    rig_start_all(send_batch_and_stay);
    rig_receive_count(3);
    rig_finish();
}

/* ---- one record, the first, which goes the long way; its sender stays ---- */

static void send_one_and_stay(struct rig_sender *s)
{
    rig_send_ok(s, 32);
}

static void memory_first_wakes(void)
{
    rig_open(&(struct rig_options){ .senders = 1 });
    rig_start_all(send_one_and_stay);
    rig_receive_count(1);
    rig_finish();
}

/* ---- a sender is cloned while another thread uses it, and closed while the clone is made ---- */

static hopper_sender *made;

static void clone_and_close(struct rig_sender *s)
{
    hopper_status st = hopper_sender_clone(rig_sender(0)->snd, &made);

    SCHED_CHECK(st == HOPPER_OK && made != NULL);
    hopper_sender_close(made);
    rig_send_ok(s, 24);
    rig_close_sender(s);
}

static void memory_clone(void)
{
    rig_open(&(struct rig_options){ .senders = 1 });
    rig_start_all(clone_and_close);
    rig_send_ok(rig_sender(0), 24);
    rig_receive_count(2);
    rig_finish();
}

/* ---- the books, read by a third thread at any instant ---- */

static void read_books(struct rig_sender *s)
{
    rig_check_books_of(s->snd);
    rig_check_books_of(s->snd);
    rig_close_sender(s);
}

static void memory_books(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_start(1, send_two_and_close);
    rig_start(2, read_books);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- items: each is received or freed by the library, none twice ---- */

struct item {
    unsigned sender;
    unsigned number;
};

static int pack(void *ctx, const void *item, struct msgpack_packer *packer)
{
    (void)ctx, (void)item, (void)packer;
    return -1; /* nothing overflows here */
}

static int unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    (void)ctx, (void)data, (void)len;
    *itemp = NULL;
    return -1;
}

static size_t weight(void *ctx, const void *item)
{
    (void)ctx, (void)item;
    return sizeof(struct item);
}

static void free_item(void *ctx, void *item)
{
    (void)ctx;
    free(item);
}

static void send_items(struct rig_sender *s)
{
    for (unsigned i = 0; i < 2; i++) {
        struct item *item = malloc(sizeof *item);
        hopper_status st;

        SCHED_CHECK(item != NULL);
        *item = (struct item){ s->id, i };
        st    = hopper_send_item(s->snd, item, HOPPER_FOREVER);
        if (st != HOPPER_OK) free(item);
        SCHED_CHECK(st == HOPPER_OK || st == HOPPER_ECLOSED);
    }
    rig_close_sender(s);
}

/* Two items are taken; then the receiver goes, and what is there or comes is freed by the library or stays the
 * sender's: the heap of the schedule knows. */
static void memory_items(void)
{
    static const struct hopper_item_type type = { sizeof type, pack, unpack, weight, free_item, NULL };
    unsigned next[RIG_SENDERS_MAX]            = { 0 };

    rig_open(&(struct rig_options){ .senders = 2, .item_type = &type });
    rig_start_all(send_items);
    rig_close_first();
    for (int i = 0; i < 2; i++) {
        struct hopper_record rec;
        struct item *item;

        SCHED_CHECK(hopper_receive(rig.rcv, &rec, HOPPER_FOREVER) == HOPPER_OK && rec.gap == HOPPER_GAP_NONE);
        memcpy(&item, &rec.data, sizeof item);
        SCHED_CHECK(item->sender < RIG_SENDERS_MAX && item->number == next[item->sender]);
        next[item->sender]++;
        free(item);
    }
    rig_close_receiver();
    rig_finish();
}

const struct sched_scenario scenario_memory_2x2 = {
    "memory_2x2",
    memory_2x2,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 },
      { .mode = SCHED_RANDOM, .schedules = 10000, .spurious = 2 },
      { .mode = SCHED_PCT, .schedules = 10000, .bound = 4 } },
};
const struct sched_scenario scenario_memory_3x1 = {
    "memory_3x1",
    memory_3x1,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 1 }, { .mode = SCHED_RANDOM, .schedules = 10000 } },
};
const struct sched_scenario scenario_memory_batches = {
    "memory_batches",
    memory_batches,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 }, { .mode = SCHED_RANDOM, .schedules = 10000 } },
};
const struct sched_scenario scenario_memory_batch_wakes = {
    "memory_batch_wakes",
    memory_batch_wakes,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 3 } },
};
const struct sched_scenario scenario_memory_first_wakes = {
    "memory_first_wakes",
    memory_first_wakes,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 3 } },
};
const struct sched_scenario scenario_memory_joined = {
    "memory_joined",
    memory_joined,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 }, { .mode = SCHED_RANDOM, .schedules = 10000 } },
};
const struct sched_scenario scenario_memory_joined_wakes = {
    "memory_joined_wakes",
    memory_joined_wakes,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 3 } },
};
const struct sched_scenario scenario_memory_clone = {
    "memory_clone",
    memory_clone,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 }, { .mode = SCHED_RANDOM, .schedules = 10000 } },
};
const struct sched_scenario scenario_memory_books = {
    "memory_books",
    memory_books,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 }, { .mode = SCHED_RANDOM, .schedules = 10000 } },
};
const struct sched_scenario scenario_memory_items = {
    "memory_items",
    memory_items,
    SCHED_CLEAN,
    { { .mode = SCHED_DFS, .bound = 2 }, { .mode = SCHED_RANDOM, .schedules = 10000 } },
};
