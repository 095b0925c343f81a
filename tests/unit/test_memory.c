/* SPDX-License-Identifier: MIT */
/* MEMORY, the writing side and the reading one: a run that is killed is read as it was; whatever else stands in the
 * file is refused or bounded; ring entries that may be anything are walked without a step beside them; and what is put
 * in order for the next run agrees with a plain list of sequence numbers. */
#include "memory_old.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "dir_fixture.h"
#include "rng.h"
#include "suite.h"

#define FILE_BYTES  (64 << 10)
#define BLOCK_BYTES 1024
#define BLOCKS      4
#define SEQS_MAX    512

/* ---- a file ---- */

/* A MEMORY with a position, two blocks in use and 160 bytes of ring from 40 on; closed, or as a kill leaves it. */
static void make_file(bool is_closed)
{
    struct hpr_passed passed = { .seq = 4, .records = 3 };
    struct hpr_memory_shape shape;
    struct hpr_memory m;

    passed.gap_records[HOPPER_GAP_CORRUPT] = 1;
    hpr_memory_plan(&shape, FILE_BYTES, BLOCK_BYTES, BLOCKS);
    memcpy(shape.channel_id, "sixteen letters!", sizeof shape.channel_id);
    ck_assert_int_eq(hpr_memory_make(&m, io, dirfd, &shape), 0);
    for (int i = 0; i < BLOCKS; i++) memset(hpr_memory_block_frame(&m, (size_t)i), 'a' + i, 52 + BLOCK_BYTES);
    hpr_memory_set_place(&m, 40, 5, 0, &passed, true);
    m.header->blocks[2].first_seq = 30;
    hpr_memory_fill_block(&m.header->blocks[2], 10, 500);
    m.header->blocks[0].first_seq = 40;
    hpr_memory_fill_block(&m.header->blocks[0], 3, BLOCK_BYTES);
    atomic_store(&m.header->next_seq, 43);
    for (uint64_t i = 0; i < shape.ring_bytes; i++)
        ((unsigned char *)m.header)[shape.ring_offset + i] = (unsigned char)i;
    hpr_memory_publish(&m, 200);
    ck_assert_int_eq(hpr_memory_put_in_place(&m, dirfd), 0);
    hpr_memory_keep_spare(&m, dirfd);
    ck_assert_int_eq(hpr_memory_close(&m, is_closed), 0);
}

START_TEST(what_a_killed_run_left_is_read)
{
    struct hpr_memory_old old;
    unsigned char bytes[BLOCK_BYTES];
    int res;

    make_file(_i);
    ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_OURS);
    ck_assert_int_eq(old.is_closed, _i);
    ck_assert(old.is_same_boot && hpr_memory_old_is_trusted(&old));
    ck_assert_mem_eq(old.shape.channel_id, "sixteen letters!", 16);
    ck_assert_uint_eq(old.place.start_seq, 5);
    ck_assert_uint_eq(old.place.passed.gap_records[HOPPER_GAP_CORRUPT], 1);
    ck_assert_uint_eq(old.next_seq, 43);
    ck_assert_uint_eq(hpr_memory_old_ring_bytes(&old), 160);
    ck_assert_int_eq(hpr_memory_old_read_ring(&old, old.place.start, bytes, 160), 0);
    for (int i = 0; i < 160; i++) ck_assert_uint_eq(bytes[i], (unsigned char)(40 + i));
    ck_assert_uint_eq(old.block_count, 2);
    ck_assert_uint_eq(old.blocks[0].first_seq, 30); /* in order */
    ck_assert_uint_eq(old.blocks[0].records, 10);
    ck_assert_uint_eq(old.blocks[0].bytes, 500);
    ck_assert_int_eq(hpr_memory_old_read_block(&old, 0, bytes), 0);
    ck_assert_uint_eq(bytes[499], 'c');
    ck_assert_int_eq(hpr_memory_old_read_block(&old, 1, bytes), 0);
    ck_assert_uint_eq(bytes[0], 'a');
    hpr_memory_old_close(&old);
}
END_TEST

START_TEST(after_another_start_of_the_machine_only_a_closed_one_is_trusted)
{
    struct hpr_memory_old old;
    int res;

    make_file(_i);
    mem_reboot(mem);
    ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_OURS);
    ck_assert(!old.is_same_boot);
    ck_assert_int_eq(hpr_memory_old_is_trusted(&old), _i);
    hpr_memory_old_close(&old);
}
END_TEST

/* Around the end of the ring. */
START_TEST(the_ring_is_read_across_its_end)
{
    struct hpr_memory_old old;
    unsigned char bytes[64];
    uint64_t from;
    int res;

    make_file(true);
    ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_OURS);
    from = old.shape.ring_bytes - 24;
    ck_assert_int_eq(hpr_memory_old_read_ring(&old, from, bytes, 64), 0);
    for (uint64_t i = 0; i < 64; i++) ck_assert_uint_eq(bytes[i], (unsigned char)((from + i) % old.shape.ring_bytes));
    hpr_memory_old_close(&old);
}
END_TEST

/* ---- whatever else ---- */

/* What is called ours is within its bounds, so that reading it is possible. */
static void check_bounds(const struct hpr_memory_old *old)
{
    static unsigned char bytes[FILE_BYTES];

    require_le(hpr_memory_old_ring_bytes(old), old->shape.ring_bytes);
    require_le(old->shape.ring_bytes, FILE_BYTES);
    require_int(hpr_memory_old_read_ring(old, old->place.start, bytes, (size_t)hpr_memory_old_ring_bytes(old)), 0);
    require_le(old->block_count, HPR_MEMORY_BLOCKS_MAX);
    for (size_t i = 0; i < old->block_count; i++) {
        require_le(old->blocks[i].bytes, old->shape.block_bytes);
        require_le(2 * (uint64_t)old->blocks[i].records, old->blocks[i].bytes);
        require_that(old->blocks[i].records > 0 && old->blocks[i].first_seq > 0);
        require_int(hpr_memory_old_read_block(old, i, bytes), 0);
    }
}

/* Each bit of the head's used part: the shape is guarded by its checksum, the rest by sense. */
START_TEST(any_bit_of_the_head_may_be_wrong)
{
    make_file(false);
    for (uint64_t at = 0; at < 1024 + 64 * (BLOCKS + 1); at++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            struct hpr_memory_old old;
            enum hpr_file_verdict verdict;
            int res;

            require_int(mem_poke(mem, "/q/" HPR_MEMORY_NAME, at, bit), 0);
            verdict = hpr_memory_old_open(&old, io, dirfd, &res);
            if (at < 104) require(verdict != HPR_FILE_OURS, "bit %u of byte %" PRIu64 " was not seen", bit, at);
            if (verdict == HPR_FILE_OURS) {
                check_bounds(&old);
                hpr_memory_old_close(&old);
            }
            require_int(mem_poke(mem, "/q/" HPR_MEMORY_NAME, at, bit), 0);
        }
    }
}
END_TEST

START_TEST(any_length_may_be_left)
{
    void *data;
    size_t len;

    make_file(false);
    ck_assert_int_eq(mem_read_file(mem, "/q/" HPR_MEMORY_NAME, &data, &len), 0);
    for (size_t left = 0; left < len; left += left < 4200 ? 7 : 997) {
        struct hpr_memory_old old;
        enum hpr_file_verdict verdict;
        int res;

        require_int(mem_write_file(mem, "/q/" HPR_MEMORY_NAME, data, left), 0);
        verdict = hpr_memory_old_open(&old, io, dirfd, &res);
        require(verdict == HPR_FILE_DAMAGED, "%zu bytes: verdict %d", left, verdict);
    }
    free(data);
}
END_TEST

START_TEST(a_shape_with_a_good_checksum_is_not_believed_either)
{
    struct rng rng = { rng_seed("test_memory (shapes)") };

    make_file(false);
    for (int round = 0; round < 20000; round++) {
        struct hpr_memory_shape shape;
        uint64_t *const fields[] = { &shape.file_bytes,    &shape.ring_offset,  &shape.ring_bytes,
                                     &shape.blocks_offset, &shape.block_stride, &shape.block_bytes };
        const uint64_t values[]  = {
             0, 8, 4096, FILE_BYTES, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, rng_next(&rng)
        };
        struct hpr_memory_old old;
        int res, fd = io->open_at(io->ctx, dirfd, HPR_MEMORY_NAME, O_RDWR, 0);

        hpr_memory_plan(&shape, FILE_BYTES, BLOCK_BYTES, BLOCKS);
        for (uint64_t n = rng_below(&rng, 3); n < 3; n++) *fields[rng_below(&rng, 6)] = values[rng_below(&rng, 8)];
        if (rng_below(&rng, 4) == 0) shape.blocks = (uint32_t)rng_next(&rng);
        shape.crc = hpr_crc32(0, &shape, offsetof(struct hpr_memory_shape, crc));
        require_int(io->pwrite(io->ctx, fd, &shape, sizeof shape, 0), sizeof shape);
        io->close(io->ctx, fd);
        if (hpr_memory_old_open(&old, io, dirfd, &res) != HPR_FILE_OURS) continue;
        check_bounds(&old);
        hpr_memory_old_close(&old);
    }
}
END_TEST

START_TEST(what_is_not_ours_is_foreign)
{
    struct hpr_memory_old old;
    int res;

    ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_FOREIGN);
    ck_assert_int_eq(res, -ENOENT);
    ck_assert_int_eq(mem_write_file(mem, "/q/" HPR_MEMORY_NAME, "somebody's notes", 16), 0);
    ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_FOREIGN);
    ck_assert_int_eq(res, 0);
    make_file(false); /* takes the name */
    ck_assert_int_eq(mem_poke(mem, "/q/" HPR_MEMORY_NAME, 12, 3), 0);
    ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_NEWER);
}
END_TEST

/* ---- ring entries ---- */

static size_t put(unsigned char *at, unsigned kind, uint64_t value, uint64_t dropped)
{
    const uint64_t head = value << 3 | kind;

    memcpy(at, &head, 8);
    if (kind == HPR_PLACE_DISK || kind == HPR_PLACE_SKIP) memcpy(at + 8, &dropped, 8);
    if (kind == HPR_PLACE_RECORD || kind == HPR_PLACE_NUMBERED) return 8 + (size_t)((value + 7) & ~UINT64_C(7));
    if (kind == HPR_PLACE_PAD) return (size_t)value;
    return kind == HPR_PLACE_GAP ? 8 : 16;
}

START_TEST(bytes_that_may_be_anything_are_added_up_within_bounds)
{
    struct rng rng = { rng_seed("test_memory (bytes)") };

    for (int round = 0; round < 200000; round++) {
        size_t len = 8 * (size_t)rng_below(&rng, 33), at = 0;
        unsigned char *bytes = malloc(len + 1); /* exactly, so that sanitizers see a step beside it */
        struct hpr_ring_sum sum;

        for (size_t i = 0; i < len; i++) bytes[i] = (unsigned char)rng_next(&rng);
        while (at + 8 <= len && rng_below(&rng, 4) > 0) { /* likely heads */
            uint64_t head = rng_below(&rng, 80) << 3 | rng_below(&rng, 8);

            memcpy(bytes + at, &head, 8);
            at += 8 + 8 * (size_t)rng_below(&rng, 3);
        }
        hpr_ring_add_up(bytes, len, HPR_RING_SEQS_MAX, &sum);
        require_le(sum.bytes, len);
        require_int(sum.is_whole, sum.bytes == len);
        require_le(sum.records, sum.seqs);
        require_le(sum.elsewhere, sum.seqs);
        require_le(sum.elsewhere_dropped, sum.elsewhere);
        require_le(sum.dropped, sum.seqs);
        free(bytes);
    }
}
END_TEST

/* The ring's reader passes over one padding and then takes what it finds. */
START_TEST(padding_is_good_when_an_entry_follows)
{
    unsigned char bytes[128];
    struct hpr_ring_sum sum;
    size_t record = put(bytes, HPR_PLACE_RECORD, 5, 0), padded, end;

    padded = record + put(bytes + record, HPR_PLACE_PAD, 24, 0);
    hpr_ring_add_up(bytes, padded, HPR_RING_SEQS_MAX, &sum);
    ck_assert(!sum.is_whole && sum.bytes == record && sum.seqs == 1); /* nothing follows */
    end = padded + put(bytes + padded, HPR_PLACE_GAP, 2, 0);
    hpr_ring_add_up(bytes, end, HPR_RING_SEQS_MAX, &sum);
    ck_assert(sum.is_whole && sum.bytes == end && sum.seqs == 3);
    put(bytes + padded, HPR_PLACE_PAD, 8, 0); /* another one */
    put(bytes + padded + 8, HPR_PLACE_GAP, 2, 0);
    hpr_ring_add_up(bytes, padded + 16, HPR_RING_SEQS_MAX, &sum);
    ck_assert(!sum.is_whole && sum.bytes == record && sum.seqs == 1);
}
END_TEST

/* ---- the spare ---- */

static uint64_t spare_bytes(void)
{
    struct hopper_io_stat st;

    return io->stat_at(io->ctx, dirfd, HPR_MEMORY_SPARE_NAME, &st) == 0 ? st.bytes : 0;
}

/* A run that asks for more than the device has leaves to the next one what was there for it. */
START_TEST(a_spare_stays_where_a_larger_one_cannot_be_had)
{
    struct hpr_memory_shape shape;
    struct hpr_memory m;

    make_file(true);
    ck_assert_uint_eq(spare_bytes(), FILE_BYTES);
    hpr_memory_plan(&shape, 4 * FILE_BYTES, BLOCK_BYTES, BLOCKS);
    mem_set_capacity(mem, 3 * FILE_BYTES);
    ck_assert_int_eq(hpr_memory_make(&m, io, dirfd, &shape), -ENOSPC);
    ck_assert_uint_eq(spare_bytes(), FILE_BYTES);
    ck_assert_int_eq(io->unlink_at(io->ctx, dirfd, HPR_MEMORY_SPARE_NAME), 0);
    ck_assert_int_eq(hpr_memory_make(&m, io, dirfd, &shape), -ENOSPC);
    ck_assert_uint_eq(spare_bytes(), 0);
}
END_TEST

/* ---- blocks beside the ring ---- */

/* The receiver had 10; 11 to 19 are before the ring, which has 20, then 21 to 30 and 31 to 35 elsewhere, 36 and 37;
 * what is behind has no end. */
static size_t put_places(unsigned char *bytes)
{
    size_t at = put(bytes, HPR_PLACE_RECORD, 3, 0);

    at += put(bytes + at, HPR_PLACE_DISK, 10, 0);
    at += put(bytes + at, HPR_PLACE_DISK, 5, 0);
    at += put(bytes + at, HPR_PLACE_GAP, 1, 0);
    return at + put(bytes + at, HPR_PLACE_RECORD, 0, 0);
}

START_TEST(a_block_has_a_place_where_the_ring_has_none_of_its_numbers)
{
    static const struct {
        uint64_t first;
        uint32_t records;
        bool has_place;
    } cases[] = {
        { 11, 9, true },  { 15, 5, true },   { 4, 8, true },    { 4, 7, false },  { 11, 10, false }, { 20, 1, false },
        { 21, 10, true }, { 21, 11, false }, { 31, 5, true },   { 31, 6, false }, { 36, 1, false },  { 37, 2, false },
        { 38, 1, true },  { 500, 9, true },  { 20, 30, false }, { 1, 90, false },
    };
    struct hpr_memory_old old = { .block_count = 1 };
    bool has_place[HPR_MEMORY_BLOCKS_MAX];
    unsigned char bytes[128];
    size_t len = put_places(bytes);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        old.blocks[0] = (struct hpr_memory_old_block){ .first_seq = cases[i].first, .records = cases[i].records };
        hpr_ring_place_blocks(bytes, len, &old, 20, 10, has_place);
        ck_assert_msg(has_place[0] == cases[i].has_place, "%" PRIu64 ", %u records", cases[i].first, cases[i].records);
    }
}
END_TEST

START_TEST(of_blocks_with_the_same_numbers_the_first_has_the_place)
{
    static const uint64_t firsts[] = { 12, 14, 15, 22, 25, 40, 40, 43, 44 };
    static const bool wanted[]     = { true, false, true, true, true, true, false, true, false };
    struct hpr_memory_old old      = { .block_count = sizeof firsts / sizeof *firsts };
    bool has_place[HPR_MEMORY_BLOCKS_MAX];
    unsigned char bytes[128];
    size_t len = put_places(bytes);

    for (size_t i = 0; i < old.block_count; i++)
        old.blocks[i] = (struct hpr_memory_old_block){ .first_seq = firsts[i], .records = 3 };
    hpr_ring_place_blocks(bytes, len, &old, 20, 10, has_place);
    for (size_t i = 0; i < old.block_count; i++) ck_assert_msg(has_place[i] == wanted[i], "block %zu", i);
}
END_TEST

START_TEST(a_block_that_makes_no_sense_is_left_out)
{
    static const struct {
        uint64_t first, dropped, fill;
    } cases[] = {
        { UINT64_C(1) << 61, 0, 0 },
        { 0, 0, 0 },
        { 30, 30, 0 },
        { 30, 0, UINT64_C(10) << 32 | 19 },
        { 30, 0, UINT64_C(10) << 32 | (BLOCK_BYTES + 1) },
    };
    const uint64_t good = UINT64_C(10) << 32 | 500;
    struct hpr_memory_old old;
    int res;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint64_t block[3] = { cases[i].fill ? cases[i].fill : good, cases[i].first, cases[i].dropped };
        int fd;

        make_file(true);
        fd = io->open_at(io->ctx, dirfd, HPR_MEMORY_NAME, O_RDWR, 0);
        ck_assert_int_eq(io->pwrite(io->ctx, fd, block, sizeof block, 1024 + 2 * 64), sizeof block);
        io->close(io->ctx, fd);
        ck_assert_int_eq(hpr_memory_old_open(&old, io, dirfd, &res), HPR_FILE_OURS);
        ck_assert_msg(old.block_count == 1 && old.blocks[0].first_seq == 40, "case %zu", i);
        hpr_memory_old_close(&old);
    }
}
END_TEST

/* What stands at each sequence number; the numbers of the list are the oracle. */
struct numbers {
    unsigned char
        kinds[SEQS_MAX]; /* 'r' a record in the ring, 'e' elsewhere, 'd' dropped, 'E' dropped, told by an entry */
    size_t count;
};

static size_t random_ring(struct rng *rng, unsigned char *bytes, size_t room, struct numbers *list)
{
    size_t at = 0;

    list->count = 0;
    while (at + 64 < room && list->count + 16 < SEQS_MAX) {
        uint64_t n = rng_between(rng, 1, 9), dropped = rng_below(rng, n + 1);
        unsigned kind = rng_below(rng, 2) ? HPR_PLACE_DISK : HPR_PLACE_SKIP;

        switch (rng_below(rng, 4)) {
        case 0:
            if (rng_below(rng, 2)) at += put(bytes + at, HPR_PLACE_RECORD, n, 0);
            else at += put(bytes + at, HPR_PLACE_NUMBERED, HPR_RING_NUMBER_BYTES + n, 0);
            list->kinds[list->count++] = 'r';
            break;
        case 1:
            at += put(bytes + at, HPR_PLACE_GAP, n, 0);
            while (n-- > 0) list->kinds[list->count++] = 'd';
            break;
        case 2: /* what goes before an entry that did not fit at the ring's end */
            at += put(bytes + at, HPR_PLACE_PAD, 8 * rng_between(rng, 1, 3), 0);
            at += put(bytes + at, HPR_PLACE_RECORD, n, 0);
            list->kinds[list->count++] = 'r';
            break;
        default:
            at += put(bytes + at, kind, n, dropped);
            for (uint64_t i = 0; i < n; i++) list->kinds[list->count + i] = 'e';
            for (uint64_t left = dropped; left > 0;) { /* anywhere among them */
                unsigned char *one = &list->kinds[list->count + rng_below(rng, n)];

                if (*one == 'e') *one = 'E', left--;
            }
            list->count += n;
        }
    }
    return at;
}

static uint64_t dropped_in(const struct numbers *list, size_t from, size_t to)
{
    uint64_t sum = 0;

    for (size_t i = from; i < to; i++) sum += list->kinds[i] == 'd' || list->kinds[i] == 'E';
    return sum;
}

/* With each number as the last one behind: what is wanted begins behind it, and all counts are those of the list. */
START_TEST(a_ring_is_put_in_order_for_the_next_run)
{
    struct rng rng = { rng_seed("test_memory (rings)") };

    for (int round = 0; round < 3000; round++) {
        static unsigned char bytes[2048], work[2048];
        const uint64_t first = rng_between(&rng, 1, 1000), before = rng_below(&rng, first);
        struct numbers list;
        size_t len = random_ring(&rng, bytes, sizeof bytes, &list);

        for (size_t passed = 0; passed <= list.count; passed += 1 + rng_below(&rng, 5)) {
            uint64_t seq = first, dropped = before, start;
            struct hpr_ring_sum sum;

            memcpy(work, bytes, len);
            start = hpr_ring_normalise(work, len, first + passed - 1, before + dropped_in(&list, 0, passed), &seq,
                                       &dropped);
            require_le(start, len);
            require_eq(seq, first + passed);
            require_eq(dropped, before + dropped_in(&list, 0, passed));
            hpr_ring_add_up(work + start, len - (size_t)start, HPR_RING_SEQS_MAX, &sum);
            require_that(sum.is_whole);
            require_eq(sum.seqs, list.count - passed);
            require_eq(sum.dropped, dropped_in(&list, passed, list.count));
            for (uint64_t at = start; at < len;) {
                uint64_t head;

                memcpy(&head, work + at, 8);
                require((head & 7) != HPR_PLACE_SKIP, "what was taken from beside is not to be taken again");
                at += put((unsigned char[16]){ 0 }, head & 7, head >> 3, 0);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("MEMORY");
    TCase *tc    = tcase_create("memory");

    tcase_add_checked_fixture(tc, dir_fixture_setup, dir_fixture_teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_a_killed_run_left_is_read, 0, 2);
    tcase_add_loop_test(tc, after_another_start_of_the_machine_only_a_closed_one_is_trusted, 0, 2);
    tcase_add_test(tc, the_ring_is_read_across_its_end);
    tcase_add_test(tc, any_bit_of_the_head_may_be_wrong);
    tcase_add_test(tc, any_length_may_be_left);
    tcase_add_test(tc, a_shape_with_a_good_checksum_is_not_believed_either);
    tcase_add_test(tc, what_is_not_ours_is_foreign);
    tcase_add_test(tc, bytes_that_may_be_anything_are_added_up_within_bounds);
    tcase_add_test(tc, padding_is_good_when_an_entry_follows);
    tcase_add_test(tc, a_spare_stays_where_a_larger_one_cannot_be_had);
    tcase_add_test(tc, a_block_has_a_place_where_the_ring_has_none_of_its_numbers);
    tcase_add_test(tc, of_blocks_with_the_same_numbers_the_first_has_the_place);
    tcase_add_test(tc, a_block_that_makes_no_sense_is_left_out);
    tcase_add_test(tc, a_ring_is_put_in_order_for_the_next_run);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
