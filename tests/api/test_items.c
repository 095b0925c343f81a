/* SPDX-License-Identifier: MIT */
/*
 * Typed items: they travel by pointer, are packed only when they overflow, and belong to exactly one side at any time.
 * Every item is on a list of the test with who owns it; a callback that is called once too often, or once too little,
 * shows at once or at the end.
 */
#include "chan.h"

#include "suite.h"
#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct thing {
    uint64_t number;
    size_t text_bytes;
    char *text;
    bool is_freed; /* kept for the test to look at */
    bool was_unpacked;
    struct thing *next;
};

static struct {
    struct thing *all;
    uint64_t packs, unpacks, weights, frees;
    uint64_t live; /* made and not freed */
    uint64_t live_bytes;
    bool pack_fails, unpack_fails, pack_is_fickle;
    uint64_t unpack_fails_at; /* this item only, 0: none */
    const char *fault;
} world;

static struct chan c;
static struct hopper_item_type type;

static struct thing *thing_new(uint64_t number, size_t text_bytes)
{
    struct thing *t = calloc(1, sizeof *t);

    t->number     = number;
    t->text_bytes = text_bytes;
    t->text       = malloc(text_bytes + 1);
    for (size_t i = 0; i < text_bytes; i++) t->text[i] = (char)('a' + (number + i) % 26);
    t->next   = world.all;
    world.all = t;
    world.live++;
    world.live_bytes += sizeof *t + text_bytes;
    return t;
}

static void thing_free(struct thing *t)
{
    if (t->is_freed) {
        world.fault = "an item was freed twice";
        return;
    }
    t->is_freed = true;
    world.live--;
    world.live_bytes -= sizeof *t + t->text_bytes;
    free(t->text);
    t->text = NULL;
}

static bool thing_is(const struct thing *t, uint64_t number, size_t text_bytes)
{
    if (t->is_freed || t->number != number || t->text_bytes != text_bytes) return false;
    for (size_t i = 0; i < text_bytes; i++)
        if (t->text[i] != (char)('a' + (number + i) % 26)) return false;
    return true;
}

static int pack(void *ctx, const void *item, struct msgpack_packer *packer)
{
    const struct thing *t = item;

    if (ctx != &world || t->is_freed) world.fault = "pack of what is not there";
    world.packs++;
    if (world.pack_fails) return 1;
    msgpack_pack_array(packer, 2);
    msgpack_pack_uint64(packer, t->number);
    msgpack_pack_str(packer, t->text_bytes);
    msgpack_pack_str_body(packer, t->text, t->text_bytes - (world.pack_is_fickle && world.packs % 2 == 0));
    return 0;
}

static int unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    msgpack_unpacked result;
    struct thing *t;
    size_t off = 0;

    world.unpacks++;
    if (ctx != &world || world.unpack_fails) return 1;
    msgpack_unpacked_init(&result);
    if (msgpack_unpack_next(&result, data, len, &off) != MSGPACK_UNPACK_SUCCESS || off != len ||
        result.data.type != MSGPACK_OBJECT_ARRAY || result.data.via.array.size != 2) {
        world.fault = "unpack got other bytes than pack wrote";
        msgpack_unpacked_destroy(&result);
        return 1;
    }
    if (world.unpack_fails_at > 0 && result.data.via.array.ptr[0].via.u64 == world.unpack_fails_at) {
        msgpack_unpacked_destroy(&result);
        return 1;
    }
    t               = thing_new(result.data.via.array.ptr[0].via.u64, result.data.via.array.ptr[1].via.str.size);
    t->was_unpacked = true;
    memcpy(t->text, result.data.via.array.ptr[1].via.str.ptr, t->text_bytes);
    msgpack_unpacked_destroy(&result);
    *itemp = t;
    return 0;
}

static size_t weight(void *ctx, const void *item)
{
    const struct thing *t = item;

    if (ctx != &world || t->is_freed) world.fault = "weight of what is not there";
    world.weights++;
    return sizeof *t + t->text_bytes;
}

static void free_item(void *ctx, void *item)
{
    if (ctx != &world) world.fault = "free with another ctx";
    world.frees++;
    thing_free(item);
}

static void set_up(void)
{
    const struct hopper_item_type init = { sizeof init, pack, unpack, weight, free_item, &world };

    memset(&world, 0, sizeof world);
    chan_init(&c);
    type                = init;
    c.options.item_type = &type;
}

static void tear_down(void)
{
    ck_assert_msg(!world.fault, "%s", world.fault);
    ck_assert_uint_eq(world.live, 0);
    while (world.all) {
        struct thing *t = world.all;

        world.all = t->next;
        free(t);
    }
}

/* Send thing number C.SENT + 1. */
static hopper_status send_thing(size_t text_bytes)
{
    struct thing *t  = thing_new(c.sent + 1, text_bytes);
    hopper_status st = hopper_send_item(c.snd, t, HOPPER_NOW);

    if (st == HOPPER_OK) c.sent++;
    else thing_free(t); /* ours, so this must be the first time */
    return st;
}

static uint64_t fill(size_t text_bytes, uint64_t max, hopper_status *stp)
{
    uint64_t count = 0;

    while (count < max && (*stp = send_thing(text_bytes)) == HOPPER_OK) count++;
    return count;
}

/* Receive one thing or gap; the checker is not used here, the numbers say all. Returns how many are accounted for. */
static uint64_t take(uint64_t number, size_t text_bytes, unsigned *gapp)
{
    struct hopper_record rec;

    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    ck_assert_uint_eq(rec.seq, number);
    *gapp = rec.gap;
    if (rec.gap != HOPPER_GAP_NONE) {
        ck_assert_ptr_null(rec.data);
        ck_assert_uint_gt(rec.lost, 0);
        return rec.lost;
    }
    ck_assert_uint_eq(rec.len, 0);
    ck_assert(thing_is(rec.data, number, text_bytes));
    thing_free((struct thing *)(uintptr_t)rec.data);
    return 1;
}

static void take_all(uint64_t from, size_t text_bytes)
{
    unsigned gap;

    while (from <= c.sent) {
        ck_assert_uint_eq(take(from, text_bytes, &gap), 1);
        ck_assert_uint_eq(gap, HOPPER_GAP_NONE);
        from++;
    }
}

static void finish(void)
{
    struct hopper_record rec;

    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
    chan_close(&c);
    chan_free(&c);
}

START_TEST(items_that_stay_in_memory_are_never_packed)
{
    hopper_status st;

    chan_open(&c);
    ck_assert_uint_eq(fill(100, 100, &st), 100);
    take_all(1, 100);
    ck_assert_uint_eq(world.packs, 0);
    ck_assert_uint_eq(world.unpacks, 0);
    ck_assert_uint_eq(world.frees, 0);
    ck_assert_uint_eq(world.weights, 100);
    finish();
}
END_TEST

START_TEST(items_that_overflow_are_packed_twice_and_freed_and_unpacked_once)
{
    struct hopper_stats stats;
    hopper_status st;

    chan_open(&c);
    fill(500, 600, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    chan_stats(&c, &stats);
    ck_assert_uint_gt(stats.overflowed, 100);
    ck_assert_uint_eq(world.packs, 2 * stats.overflowed);
    ck_assert_uint_eq(world.frees, stats.overflowed);
    ck_assert_uint_eq(world.live, 600 - stats.overflowed);
    take_all(1, 500);
    ck_assert_uint_eq(world.unpacks, stats.overflowed);
    ck_assert_uint_eq(world.frees, stats.overflowed);
    finish();
}
END_TEST

START_TEST(what_items_hold_counts_in_the_memory_budget)
{
    hopper_status st;

    c.options.record_bytes_max = 0;
    chan_open(&c);
    for (int round = 0; round < 4; round++) {
        uint64_t from = c.sent + 1;

        fill((size_t)1000 + (size_t)round * 5000, UINT64_MAX, &st);
        ck_assert_int_eq(st, HOPPER_EFULL);
        ck_assert_uint_le(world.live_bytes, c.options.memory_bytes);
        take_all(from, (size_t)1000 + (size_t)round * 5000);
    }
    finish();
}
END_TEST

START_TEST(items_and_touched_pages_together_stay_within_the_memory_budget)
{
    struct mem_usage usage = { .touched_bytes = 0 };
    uint64_t most = 0;
    hopper_status st;

    c.options.memory_bytes = 1 << 20;
    c.options.disk_bytes   = 8 << 20;
    c.options.compression  = 1; /* the codec's memory is to be touched as well */
    chan_open(&c);
    for (int round = 0; round < 3; round++) {
        uint64_t from = c.sent + 1;

        do {
            st = send_thing(100);
            if (c.sent % 16 == 0) mem_usage(c.mem, &usage);
            if (world.live_bytes > most) most = world.live_bytes;
            ck_assert_uint_le(usage.touched_bytes + usage.alloc_bytes_peak + world.live_bytes,
                              c.options.memory_bytes + (uint64_t)sysconf(_SC_PAGESIZE));
        } while (st == HOPPER_OK && c.sent - from < 20000);
        take_all(from, 100);
    }
    ck_assert_uint_gt(most, c.options.memory_bytes / 4);
    finish();
}
END_TEST

START_TEST(an_item_that_is_refused_is_still_the_senders)
{
    hopper_status st;
    struct thing *t;

    chan_open(&c);
    fill(1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EFULL);
    t = thing_new(c.sent + 1, 1000);
    ck_assert_int_eq(hopper_send_item(c.snd, t, HOPPER_NOW), HOPPER_EFULL);
    ck_assert(thing_is(t, c.sent + 1, 1000));
    take_all(1, 1000);
    ck_assert_int_eq(hopper_send_item(c.snd, t, HOPPER_NOW), HOPPER_OK);
    c.sent++;
    take_all(c.sent, 1000);
    finish();
}
END_TEST

START_TEST(an_item_whose_pack_fails_is_still_the_senders_and_the_channel_goes_on)
{
    hopper_status st;
    uint64_t accepted;

    chan_open(&c);
    world.pack_fails = true;
    accepted         = fill(1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EPACK);
    ck_assert_uint_gt(accepted, 10);
    ck_assert_int_eq(hopper_sender_error(c.snd)->status, HOPPER_EPACK);
    world.pack_fails = false;
    fill(1000, 50, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    take_all(1, 1000);
    finish();
}
END_TEST

START_TEST(a_pack_that_writes_other_bytes_the_second_time_is_found_out)
{
    hopper_status st;

    chan_open(&c);
    world.pack_is_fickle = true;
    fill(_i ? 12000 : 1000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_EPACK);
    world.pack_is_fickle = false;
    world.packs          = 0;
    fill(_i ? 12000 : 1000, 3, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    take_all(1, _i ? 12000 : 1000);
    finish();
}
END_TEST

START_TEST(an_item_that_packs_too_large_is_too_big_only_when_it_must_be_packed)
{
    hopper_status st;

    c.options.record_bytes_max = 2000;
    chan_open(&c);
    ck_assert_int_eq(send_thing(3000), HOPPER_OK); /* by pointer */
    fill(3000, UINT64_MAX, &st);
    ck_assert_int_eq(st, HOPPER_ETOOBIG);
    ck_assert_int_eq(hopper_sender_error(c.snd)->status, HOPPER_ETOOBIG);
    take_all(1, 3000);
    ck_assert_int_eq(send_thing(3000), HOPPER_OK);
    take_all(c.sent, 3000);
    finish();
}
END_TEST

START_TEST(large_items_go_to_disk_in_pieces_and_come_back_whole)
{
    unsigned gap;
    hopper_status st;
    uint64_t from = 1;

    c.options.record_bytes_max = 100 << 10; /* larger than a block, larger than a quarter of memory */
    c.options.disk_bytes       = 4 << 20;
    c.options.file_bytes       = 0;
    c.options.compression      = _i ? 0 : HOPPER_COMPRESSION_NONE;
    chan_open(&c);
    fill(60000, 20, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    fill(90, 20, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    for (; from <= 20; from++) {
        ck_assert_uint_eq(take(from, 60000, &gap), 1);
        ck_assert_uint_eq(gap, HOPPER_GAP_NONE);
    }
    take_all(from, 90);
    finish();
}
END_TEST

START_TEST(an_item_that_cannot_be_unpacked_is_a_gap_of_one)
{
    struct hopper_stats stats;
    unsigned gap;
    hopper_status st;

    chan_open(&c);
    fill(500, 400, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    ck_assert_uint_gt(world.packs, 0);
    world.unpack_fails_at = 390;
    for (uint64_t n = 1; n <= c.sent; n++) {
        ck_assert_uint_eq(take(n, 500, &gap), 1);
        ck_assert_uint_eq(gap, n == 390 ? HOPPER_GAP_UNPACK : HOPPER_GAP_NONE);
    }
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.gap_records[HOPPER_GAP_UNPACK], 1);
    finish();
}
END_TEST

START_TEST(undelivered_items_are_freed_by_whichever_end_closes_last)
{
    hopper_status st;

    chan_open(&c);
    fill(500, 400, &st);
    if (_i) {
        hopper_sender_close(c.snd);
        c.snd = NULL;
        hopper_receiver_close(c.rcv);
        c.rcv = NULL;
    } else {
        hopper_receiver_close(c.rcv);
        c.rcv = NULL;
        ck_assert_int_eq(send_thing(100), HOPPER_ECLOSED);
    }
    chan_close(&c);
    ck_assert_uint_eq(world.live, 0);
    chan_free(&c);
}
END_TEST

START_TEST(drop_newest_frees_what_it_drops)
{
    unsigned gap;
    uint64_t number = 1, lost = 0;
    hopper_status st;

    c.options.when_full = HOPPER_FULL_DROP_NEWEST;
    chan_open(&c);
    fill(1000, 3000, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    while (number <= 3000) {
        uint64_t n = take(number, 1000, &gap);

        ck_assert(gap == HOPPER_GAP_NONE || gap == HOPPER_GAP_DROPPED_NEWEST);
        if (gap) lost += n;
        number += n;
    }
    ck_assert_uint_gt(lost, 1000);
    finish();
}
END_TEST

START_TEST(drop_oldest_gives_gaps_for_what_it_dropped)
{
    unsigned gap;
    uint64_t number = 1, lost = 0;
    hopper_status st;

    c.options.when_full = HOPPER_FULL_DROP_OLDEST;
    chan_open(&c);
    fill(1000, 3000, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    while (number <= 3000) {
        uint64_t n = take(number, 1000, &gap);

        ck_assert(gap == HOPPER_GAP_NONE || gap == HOPPER_GAP_DROPPED_OLDEST);
        if (gap) lost += n;
        number += n;
    }
    ck_assert_uint_gt(lost, 1000);
    finish();
}
END_TEST

START_TEST(misuse_is_refused_and_the_item_stays_the_callers)
{
    struct iovec vec = { (void *)(uintptr_t) "x", 1 };
    size_t accepted  = 99;
    struct thing *t  = thing_new(1, 10);

    chan_open(&c);
    ck_assert_int_eq(hopper_send_item(NULL, t, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_item(c.snd, NULL, HOPPER_NOW), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send(c.snd, "x", 1), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_send_batch(c.snd, &vec, 1, HOPPER_NOW, &accepted), HOPPER_EINVAL);
    ck_assert_uint_eq(accepted, 0);
    ck_assert_uint_eq(world.weights + world.packs + world.frees, 0);
    thing_free(t);
    finish();
}
END_TEST

START_TEST(an_item_type_without_a_function_is_refused_at_open)
{
    for (int i = 0; i < 5; i++) {
        const struct hopper_item_type whole = type;

        if (i == 0) type.pack = NULL;
        if (i == 1) type.unpack = NULL;
        if (i == 2) type.weight = NULL;
        if (i == 3) type.free = NULL;
        if (i == 4) type.size = 0;
        ck_assert_int_eq(chan_try_open(&c), HOPPER_EINVAL);
        ck_assert_ptr_null(c.snd);
        type = whole;
    }
    chan_free(&c);
}
END_TEST

START_TEST(the_item_type_is_copied_at_open)
{
    hopper_status st;

    chan_open(&c);
    memset(&type, 0xee, sizeof type);
    fill(500, 400, &st);
    take_all(1, 500);
    finish();
}
END_TEST

/* Every call of the way to disk failed in turn: an item must be owned by exactly one side whatever happens. */
START_TEST(no_item_is_lost_or_freed_twice_when_the_disk_fails)
{
    bool was_hit = true;

    for (uint64_t at = 1; was_hit; at++) {
        const struct fault_plan plan = {
            .kinds = FAULT_GROWS, .at = at, .error = _i ? ENOSPC : EIO, .mode = FAULT_HEALS, .heal_after = 3
        };
        hopper_status st;
        unsigned gap;

        set_up();
        chan_open(&c);
        fault_arm(c.fault, &plan);
        for (int i = 0; i < 60; i++) st = send_thing(i % 10 == 0 ? 12000 : 2500);
        (void)st;
        was_hit = fault_hits(c.fault) > 0;
        fault_disarm(c.fault);
        ck_assert_uint_lt(at, 2000);
        for (uint64_t n = 1; n <= c.sent; n++) {
            struct hopper_record rec;

            ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
            ck_assert_uint_eq(rec.seq, n);
            gap = rec.gap;
            ck_assert_msg(gap == HOPPER_GAP_NONE, "%s failed as call %d: a gap of %d (%s) at %d of %d",
                          fault_hit_kind(c.fault), (int)at, (int)rec.lost, hopper_gap_name(gap), (int)n, (int)c.sent);
            ck_assert_uint_eq(((const struct thing *)rec.data)->number, n);
            thing_free((struct thing *)(uintptr_t)rec.data);
        }
        finish();
        tear_down();
    }
    memset(&world, 0, sizeof world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("items");
    TCase *tc = tcase_create("items"), *sweep = tcase_create("sweep");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, items_that_stay_in_memory_are_never_packed);
    tcase_add_test(tc, items_that_overflow_are_packed_twice_and_freed_and_unpacked_once);
    tcase_add_test(tc, what_items_hold_counts_in_the_memory_budget);
    tcase_add_test(tc, items_and_touched_pages_together_stay_within_the_memory_budget);
    tcase_add_test(tc, an_item_that_is_refused_is_still_the_senders);
    tcase_add_test(tc, an_item_whose_pack_fails_is_still_the_senders_and_the_channel_goes_on);
    tcase_add_loop_test(tc, a_pack_that_writes_other_bytes_the_second_time_is_found_out, 0, 2);
    tcase_add_test(tc, an_item_that_packs_too_large_is_too_big_only_when_it_must_be_packed);
    tcase_add_loop_test(tc, large_items_go_to_disk_in_pieces_and_come_back_whole, 0, 2);
    tcase_add_test(tc, an_item_that_cannot_be_unpacked_is_a_gap_of_one);
    tcase_add_loop_test(tc, undelivered_items_are_freed_by_whichever_end_closes_last, 0, 2);
    tcase_add_test(tc, drop_newest_frees_what_it_drops);
    tcase_add_test(tc, drop_oldest_gives_gaps_for_what_it_dropped);
    tcase_add_test(tc, misuse_is_refused_and_the_item_stays_the_callers);
    tcase_add_test(tc, an_item_type_without_a_function_is_refused_at_open);
    tcase_add_test(tc, the_item_type_is_copied_at_open);
    suite_add_tcase(suite, tc);
    tcase_set_timeout(sweep, 60);
    tcase_add_loop_test(sweep, no_item_is_lost_or_freed_twice_when_the_disk_fails, 0, 2);
    suite_add_tcase(suite, sweep);
    return suite_run(suite);
}
