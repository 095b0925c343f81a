/* SPDX-License-Identifier: MIT */
/* The ring of placements: what is put comes back the same at every offset, an entry never wraps, the room that is asked
 * for is the room that is taken, and nothing outside of the ring is written. */
#include "ring.h"

#include <stdint.h>
#include <stdlib.h>

#include "rng.h"
#include "suite.h"

#define RING_BYTES  512
#define GUARD_BYTES 64
#define GUARD       0xa5
#define ENTRIES_MAX (RING_BYTES / 8)

/* Check's own assertions report each time that they hold, which takes longer than what is tested here. */
#define MUST(condition) \
    do { \
        if (!(condition)) \
            ck_abort_msg("%s", #condition); \
    } while (0)

static unsigned char memory[GUARD_BYTES + RING_BYTES + GUARD_BYTES] __attribute__((aligned(8)));
static struct hpr_ring ring = {memory + GUARD_BYTES, RING_BYTES};

static void reset(void)
{
    memset(memory, GUARD, sizeof memory);
}

static void check_guards(void)
{
    bool is_whole = true;

    for (size_t i = 0; i < GUARD_BYTES; i++)
        is_whole = is_whole && memory[i] == GUARD && memory[sizeof memory - 1 - i] == GUARD;
    MUST(is_whole);
}

/* Bytes for entry number N. */
static const unsigned char *content(uint64_t n)
{
    static unsigned char bytes[RING_BYTES + 251];

    if (bytes[1] == 0)
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)(i % 251 * 7);
    return bytes + n % 251;
}

/* Put entry number N, of KIND and SIZE, with content that follows from N. */
static void put(struct hpr_cursor *cursor, enum hpr_place kind, uint64_t size, uint64_t n)
{
    uint64_t dropped = n * 3;

    switch (kind) {
    case HPR_PLACE_RECORD:
        hpr_ring_put(&ring, cursor, kind, size, content(n));
        break;
    case HPR_PLACE_ITEM:
        hpr_ring_put(&ring, cursor, kind, size, (const void *)(uintptr_t)(n * 16));
        break;
    default:
        hpr_ring_put(&ring, cursor, kind, size, &dropped);
        break;
    }
}

static void get_and_check(struct hpr_cursor *cursor, enum hpr_place kind, uint64_t size, uint64_t n)
{
    struct hpr_entry entry;

    memset(&entry, 0, sizeof entry);
    hpr_ring_get(&ring, cursor, &entry);
    MUST(entry.kind == kind && entry.value == size);
    if (kind == HPR_PLACE_RECORD) {
        MUST(entry.data >= ring.base && entry.data + size <= ring.base + ring.bytes &&
                  memcmp(entry.data, content(n), (size_t)size) == 0);
    } else if (kind == HPR_PLACE_ITEM) {
        MUST(entry.item == (void *)(uintptr_t)(n * 16));
    } else if (kind == HPR_PLACE_DISK) {
        MUST(entry.dropped == n * 3);
    }
}

START_TEST(an_entry_takes_its_head_and_its_bytes_rounded_up_to_eight)
{
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_RECORD, 0), 8);
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_RECORD, 1), 16);
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_RECORD, 8), 16);
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_RECORD, 9), 24);
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_ITEM, 0), 16);
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_DISK, 0), 16);
    ck_assert_uint_eq(hpr_ring_entry_bytes(HPR_PLACE_GAP, 0), 8);
}
END_TEST

/* Every kind and every record length, beginning at every offset; the room announced is the room taken. */
static void check_at(size_t offset, enum hpr_place kind, size_t len)
{
    struct hpr_cursor tail = {1000 * RING_BYTES + offset, offset}, head = tail;
    size_t entry_bytes = hpr_ring_entry_bytes(kind, len), need;

    need = hpr_ring_need(&ring, &tail, entry_bytes);
    if (need > RING_BYTES) { /* there is no room for it at this offset, however empty the ring is */
        MUST(entry_bytes > RING_BYTES - offset);
        return;
    }
    reset();
    put(&tail, kind, len, offset + len);
    check_guards();
    MUST(tail.pos - head.pos == need && tail.offset == (offset + need) % RING_BYTES);
    get_and_check(&head, kind, len, offset + len);
    MUST(head.pos == tail.pos && head.offset == tail.offset);
}

START_TEST(every_kind_and_length_comes_back_at_every_offset)
{
    for (size_t offset = 0; offset < RING_BYTES; offset += 8) {
        for (size_t len = 0; len <= RING_BYTES - 8; len++)
            check_at(offset, HPR_PLACE_RECORD, len);
        check_at(offset, HPR_PLACE_ITEM, 12345);
        check_at(offset, HPR_PLACE_DISK, 54321);
        check_at(offset, HPR_PLACE_GAP, 999);
    }
}
END_TEST

START_TEST(an_entry_that_ends_exactly_at_the_end_needs_no_padding)
{
    struct hpr_cursor tail = {RING_BYTES - 64, RING_BYTES - 64};

    ck_assert_uint_eq(hpr_ring_need(&ring, &tail, 64), 64);
    ck_assert_uint_eq(hpr_ring_need(&ring, &tail, 72), 64 + 72);
    put(&tail, HPR_PLACE_RECORD, 56, 1);
    ck_assert_uint_eq(tail.offset, 0);
    ck_assert_uint_eq(tail.pos, RING_BYTES);
}
END_TEST

START_TEST(the_largest_values_come_back)
{
    struct hpr_cursor tail = {0, 0}, head = {0, 0};

    reset();
    put(&tail, HPR_PLACE_GAP, HPR_RING_VALUE_MAX, 0);
    put(&tail, HPR_PLACE_DISK, HPR_RING_VALUE_MAX, 0);
    put(&tail, HPR_PLACE_ITEM, HPR_RING_VALUE_MAX, 0);
    get_and_check(&head, HPR_PLACE_GAP, HPR_RING_VALUE_MAX, 0);
    get_and_check(&head, HPR_PLACE_DISK, HPR_RING_VALUE_MAX, 0);
    get_and_check(&head, HPR_PLACE_ITEM, HPR_RING_VALUE_MAX, 0);
}
END_TEST

/* ---- runs ---- */

/* Records from here and there make the same entry as the TAKEN of COUNT side by side made at OFFSET, which is there. */
static void check_gathered(size_t offset, size_t room, const size_t *lens, size_t count, size_t record_bytes_max,
                           size_t taken)
{
    struct hpr_cursor tail = { 5 * RING_BYTES + offset, offset };
    unsigned char joined[RING_BYTES];
    struct iovec records[60];
    uint64_t bytes = 0;
    size_t entry = 0, at = 20;

    for (size_t i = 0; i < count; at += lens[i++]) records[i] = (struct iovec){ (void *)content(at), lens[i] };
    if (taken > 0) entry = hpr_ring_run_bytes(ring.base + offset + HPR_RING_HEAD_BYTES, taken);
    memcpy(joined, ring.base, sizeof joined);
    reset();
    MUST(hpr_ring_put_gathered(&ring, &tail, room, records, count, record_bytes_max, &bytes) == taken);
    check_guards();
    MUST(tail.pos == 5 * RING_BYTES + offset + entry);
    if (taken == 0) return;
    entry = HPR_RING_HEAD_BYTES + 2 * taken + (size_t)bytes; /* and padding, which says nothing */
    MUST(memcmp(joined + offset, ring.base + offset, entry) == 0);
}

/* A run of the COUNT records that LENS make, put at OFFSET into ROOM bytes: how many went in, and they are what they
 * were. */
static size_t check_run(size_t offset, size_t room, const size_t *lens, size_t count, size_t record_bytes_max)
{
    struct hpr_cursor tail = { 5 * RING_BYTES + offset, offset }, head = tail;
    size_t offsets[RING_BYTES + 1] = { 17 }, taken, at = 0;
    struct hpr_entry entry;

    for (size_t i = 0; i < count; i++) offsets[i + 1] = offsets[i] + lens[i];
    reset();
    taken = hpr_ring_put_run(&ring, &tail, room, content(3), offsets, count, record_bytes_max);
    check_guards();
    MUST(taken <= count && taken != 1 && tail.pos - head.pos <= room && (tail.pos - head.pos) % 8 == 0);
    for (size_t i = offset + room; i < RING_BYTES; i++) MUST(ring.base[i] == GUARD);
    if (taken == 0) {
        check_gathered(offset, room, lens, count, record_bytes_max, 0);
        return 0;
    }
    MUST(tail.offset == (offset + (size_t)(tail.pos - head.pos)) % RING_BYTES);
    hpr_ring_get(&ring, &head, &entry);
    MUST(entry.kind == HPR_PLACE_RUN && entry.value == taken && head.pos == tail.pos && head.offset == tail.offset);
    for (size_t i = 0; i < taken; i++, at += lens[i - 1])
        MUST(hpr_ring_run_end(entry.data, i) == at + lens[i] && lens[i] <= record_bytes_max);
    MUST(memcmp(entry.data + 2 * taken, content(20), at) == 0);
    check_gathered(offset, room, lens, count, record_bytes_max, taken);
    return taken;
}

START_TEST(a_run_takes_as_many_as_fit_and_no_byte_more)
{
    struct rng rng = { rng_seed("a_run_takes_as_many_as_fit_and_no_byte_more") };

    for (int round = 0; round < 20000; round++) {
        size_t offset = 8 * (size_t)rng_below(&rng, RING_BYTES / 8);
        size_t room = (size_t)rng_below(&rng, RING_BYTES - offset + 1);
        size_t most = (size_t)rng_below(&rng, 60), count = (size_t)rng_between(&rng, 1, 60), lens[60];
        size_t max = rng_below(&rng, 4) ? RING_BYTES : (size_t)rng_below(&rng, 60), wanted = 0, bytes = 8;

        for (size_t i = 0; i < count; i++) lens[i] = (size_t)rng_below(&rng, most + 1);
        while (wanted < count && lens[wanted] <= max && ((bytes + 2 + lens[wanted] + 7) & ~(size_t)7) <= room)
            bytes += 2 + lens[wanted++];
        MUST(check_run(offset, room, lens, count, max) == (wanted < 2 ? 0 : wanted));
    }
}
END_TEST

START_TEST(a_run_ends_before_a_record_that_ends_before_it_begins)
{
    static const size_t offsets[] = { 30, 33, 36, 35, 40 };
    struct hpr_cursor tail        = { 0, 0 };

    reset();
    ck_assert_uint_eq(hpr_ring_put_run(&ring, &tail, RING_BYTES, content(0), offsets, 4, RING_BYTES), 2);
    ck_assert_uint_eq(hpr_ring_put_run(&ring, &tail, RING_BYTES / 2, content(0), offsets + 2, 2, RING_BYTES), 0);
    check_guards();
}
END_TEST

START_TEST(no_record_without_an_address_and_no_long_ones_are_gathered)
{
    static unsigned char base[8 * HPR_RING_RUN_MEAN_MAX] __attribute__((aligned(8))), data[HPR_RING_RUN_MEAN_MAX + 1];
    const struct hpr_ring large = { base, sizeof base };
    struct iovec records[]      = { { data, sizeof data }, { data, sizeof data - 2 }, { NULL, 0 }, { data, 1 } };
    struct hpr_cursor tail      = { 0, 0 };
    uint64_t bytes              = 0;

    ck_assert_uint_eq(hpr_ring_put_gathered(&large, &tail, sizeof base, records, 4, SIZE_MAX / 2, &bytes), 2);
    ck_assert_uint_eq(bytes, 2 * HPR_RING_RUN_MEAN_MAX);
    tail = (struct hpr_cursor){ 0, 0 };
    records[1].iov_len++;
    ck_assert_uint_eq(hpr_ring_put_gathered(&large, &tail, sizeof base, records, 4, SIZE_MAX / 2, &bytes), 0);
    ck_assert_uint_eq(hpr_ring_put_gathered(&large, &tail, sizeof base, records + 2, 2, SIZE_MAX / 2, &bytes), 0);
    ck_assert_uint_eq(tail.pos, 0);
}
END_TEST

START_TEST(the_longest_run_has_ends_of_sixteen_bits)
{
    static unsigned char base[4 * HPR_RING_RUN_BYTES_MAX] __attribute__((aligned(8))), data[2 * HPR_RING_RUN_BYTES_MAX];
    static size_t offsets[2 * HPR_RING_RUN_BYTES_MAX + 1];
    const struct hpr_ring large = { base, sizeof base };
    struct hpr_cursor tail = { 0, 0 }, head = { 0, 0 };
    struct hpr_entry entry;
    size_t taken;

    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i % 253);
    for (size_t len = 0; len < 16000; len += 1 + len) {
        for (size_t i = 0; i <= sizeof data; i++) offsets[i] = i * len < sizeof data ? i * len : sizeof data;
        head  = tail = (struct hpr_cursor){ 0, 0 };
        taken = hpr_ring_put_run(&large, &tail, sizeof base, data, offsets, sizeof data, SIZE_MAX / 2);
        MUST(tail.pos <= HPR_RING_RUN_BYTES_MAX && tail.pos > HPR_RING_RUN_BYTES_MAX - len - 16);
        hpr_ring_get(&large, &head, &entry);
        MUST(head.pos == tail.pos && entry.value == taken && hpr_ring_run_end(entry.data, taken - 1) == taken * len);
        MUST(memcmp(entry.data + 2 * taken, data, taken * len) == 0);
    }
}
END_TEST

/* ---- against a plain array ---- */

struct model {
    enum hpr_place kind[ENTRIES_MAX];
    uint64_t size[ENTRIES_MAX];
    uint64_t first, count; /* of entries, by number since the beginning */
};

static void step(struct rng *rng, struct model *m, struct hpr_cursor *tail, struct hpr_cursor *head)
{
    if (rng_below(rng, 2) == 0) {
        enum hpr_place kind = (enum hpr_place[]){ HPR_PLACE_RECORD, HPR_PLACE_ITEM, HPR_PLACE_DISK,
                                                  HPR_PLACE_GAP }[rng_below(rng, 4)];
        size_t len = (size_t)rng_below(rng, RING_BYTES / 4);
        size_t need = hpr_ring_need(&ring, tail, hpr_ring_entry_bytes(kind, len));

        if (tail->pos - head->pos + need > RING_BYTES)
            return;
        m->kind[(m->first + m->count) % ENTRIES_MAX] = kind;
        m->size[(m->first + m->count) % ENTRIES_MAX] = len;
        put(tail, kind, len, m->first + m->count);
        m->count++;
    } else if (m->count > 0) {
        get_and_check(head, m->kind[m->first % ENTRIES_MAX], m->size[m->first % ENTRIES_MAX], m->first);
        m->first++;
        m->count--;
    } else {
        MUST(head->pos == tail->pos);
    }
}

START_TEST(a_million_random_steps_agree_with_a_plain_queue)
{
    struct rng rng = {rng_seed("ring")};
    struct hpr_cursor tail = {0, 0}, head = {0, 0};
    struct model m = {.first = 1};

    reset();
    for (int i = 0; i < 1000000; i++) {
        step(&rng, &m, &tail, &head);
        MUST(tail.pos - head.pos <= RING_BYTES && tail.offset < RING_BYTES && tail.offset % 8 == 0);
    }
    check_guards();
    ck_assert_uint_gt(tail.pos, 1000 * RING_BYTES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *tc = tcase_create("placements");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_entry_takes_its_head_and_its_bytes_rounded_up_to_eight);
    tcase_add_test(tc, every_kind_and_length_comes_back_at_every_offset);
    tcase_add_test(tc, an_entry_that_ends_exactly_at_the_end_needs_no_padding);
    tcase_add_test(tc, the_largest_values_come_back);
    tcase_add_test(tc, a_run_takes_as_many_as_fit_and_no_byte_more);
    tcase_add_test(tc, a_run_ends_before_a_record_that_ends_before_it_begins);
    tcase_add_test(tc, no_record_without_an_address_and_no_long_ones_are_gathered);
    tcase_add_test(tc, the_longest_run_has_ends_of_sixteen_bits);
    tcase_add_test(tc, a_million_random_steps_agree_with_a_plain_queue);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
