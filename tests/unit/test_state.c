/* SPDX-License-Identifier: MIT */
/* STATE: what is written comes back; of two slots the newer good one holds; a torn or damaged slot costs that one only;
 * sums that make no sense are not believed, whatever the checksum says. */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

#include "bytes.h"
#include "dir_fixture.h"
#include "platform_fault.h"
#include "suite.h"

#define SLOT_STEP 4096

static struct hpr_state sample(uint64_t seq)
{
    struct hpr_state s = { .survive = HOPPER_SURVIVE_CRASH, .content = 1, .next_number = 77 };

    memcpy(s.channel_id, "sixteen letters!", sizeof s.channel_id);
    memcpy(s.boot_id, "another sixteen!", sizeof s.boot_id);
    s.passed.seq                                    = seq;
    s.passed.records                                = seq - 5;
    s.passed.gap_records[HOPPER_GAP_DROPPED_NEWEST] = 3;
    s.passed.gap_records[HOPPER_GAP_SLOTS - 1]      = 2;
    s.passed.dropped_total                          = 3;
    s.next_seq                                      = seq + 10;
    s.dropped_total                                 = 4;
    return s;
}

static void same_state(const struct hpr_state *a, const struct hpr_state *b)
{
    unsigned char x[HPR_STATE_SLOT_BYTES], y[HPR_STATE_SLOT_BYTES];

    hpr_state_put(x, a);
    hpr_state_put(y, b);
    ck_assert_mem_eq(x, y, sizeof x);
}

START_TEST(what_is_put_comes_back)
{
    struct hpr_state in = sample(100), out;
    unsigned char bytes[HPR_STATE_SLOT_BYTES];

    in.generation = 9;
    in.is_closed  = true;
    hpr_state_put(bytes, &in);
    ck_assert_int_eq(hpr_state_get(bytes, sizeof bytes, &out), HPR_FILE_OURS);
    same_state(&in, &out);
    ck_assert(out.is_closed);
    ck_assert_uint_eq(out.next_number, 77);
    ck_assert_uint_eq(out.passed.gap_records[HOPPER_GAP_SLOTS - 1], 2);
}
END_TEST

/* The places that docs/format.md names. */
START_TEST(the_layout_is_the_one_that_is_specified)
{
    struct hpr_state in = sample(100);
    unsigned char bytes[HPR_STATE_SLOT_BYTES];

    in.generation = 9;
    in.is_closed  = true;
    hpr_state_put(bytes, &in);
    ck_assert_mem_eq(bytes, "\x89HQS\r\n\x1a\n", 8);
    ck_assert_uint_eq(hpr_get_u16(bytes + 8), 1);
    ck_assert_uint_eq(hpr_get_u16(bytes + 10), 512);
    ck_assert_uint_eq(bytes[12], HOPPER_SURVIVE_CRASH);
    ck_assert_uint_eq(bytes[13], 1);
    ck_assert_uint_eq(hpr_get_u16(bytes + 14), 1);
    ck_assert_mem_eq(bytes + 16, "sixteen letters!", 16);
    ck_assert_uint_eq(hpr_get_u64(bytes + 32), 9);
    ck_assert_uint_eq(hpr_get_u64(bytes + 40), 100);
    ck_assert_uint_eq(hpr_get_u64(bytes + 48), 95);
    ck_assert_uint_eq(hpr_get_u64(bytes + 56), 110);
    ck_assert_uint_eq(hpr_get_u64(bytes + 64), 3);
    ck_assert_uint_eq(hpr_get_u64(bytes + 72), 4);
    ck_assert_uint_eq(hpr_get_u64(bytes + 80 + 8 * HOPPER_GAP_DROPPED_NEWEST), 3);
    ck_assert_mem_eq(bytes + 208, "another sixteen!", 16);
    ck_assert_uint_eq(hpr_get_u64(bytes + 224), 77);
    ck_assert_uint_eq(hpr_get_u32(bytes + 508), hpr_crc32(0, bytes, 508));
}
END_TEST

START_TEST(any_byte_that_is_wrong_is_found)
{
    struct hpr_state in = sample(100), out;
    unsigned char bytes[HPR_STATE_SLOT_BYTES];

    for (size_t at = 0; at < sizeof bytes; at++) {
        enum hpr_file_verdict verdict;

        hpr_state_put(bytes, &in);
        bytes[at] ^= 0x20;
        verdict = hpr_state_get(bytes, sizeof bytes, &out);
        ck_assert_msg(verdict == (at < 8    ? HPR_FILE_FOREIGN
                                  : at < 10 ? HPR_FILE_NEWER
                                            : HPR_FILE_DAMAGED),
                      "byte %zu: verdict %d", at, verdict);
    }
}
END_TEST

START_TEST(any_length_but_the_whole_is_damage)
{
    struct hpr_state in = sample(100), out;
    unsigned char bytes[HPR_STATE_SLOT_BYTES];

    hpr_state_put(bytes, &in);
    for (size_t len = 0; len < sizeof bytes; len++)
        ck_assert_int_eq(hpr_state_get(bytes, len, &out), len < 10 ? HPR_FILE_FOREIGN : HPR_FILE_DAMAGED);
}
END_TEST

START_TEST(sums_that_make_no_sense_are_damage)
{
    struct hpr_state good = sample(100), in, out;
    unsigned char bytes[HPR_STATE_SLOT_BYTES];

    for (int what = 0; what < 7; what++) {
        in = good;
        switch (what) {
        case 0: in.passed.records++; break;
        case 1: in.passed.gap_records[7] = UINT64_MAX; break;
        case 2: in.next_seq = in.passed.seq; break;
        case 3: in.dropped_total = in.next_seq; break;
        case 4: in.passed.dropped_total = in.dropped_total + 1; break;
        case 5: in.next_seq = 0; break;
        default: in.passed.seq = UINT64_MAX; break;
        }
        hpr_state_put(bytes, &in);
        ck_assert_msg(hpr_state_get(bytes, sizeof bytes, &out) == HPR_FILE_DAMAGED, "case %d", what);
    }
}
END_TEST

/* ---- the file ---- */

START_TEST(slots_are_written_in_turn_and_the_newer_holds)
{
    struct hpr_state state = sample(100), got;
    bool is_new;
    int fd = hpr_state_open(io, dirfd, &is_new), res;

    ck_assert(fd >= 0 && is_new);
    ck_assert_int_eq(mem_file_size(mem, "/q/" HPR_STATE_NAME), HPR_STATE_FILE_BYTES);
    ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_DAMAGED); /* zeros */
    for (uint64_t i = 0; i < 5; i++) {
        state.passed.seq     = 100 + i;
        state.passed.records = 95 + i;
        ck_assert_int_eq(hpr_state_write(io, fd, &state), 0);
        ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_OURS);
        same_state(&state, &got);
        ck_assert_uint_eq(got.generation, i + 1);
    }
    io->close(io->ctx, fd);
    fd = hpr_state_open(io, dirfd, &is_new);
    ck_assert(fd >= 0 && !is_new);
    io->close(io->ctx, fd);
}
END_TEST

/* Torn at every length: the other slot holds. */
START_TEST(a_torn_slot_costs_that_slot)
{
    struct hpr_state older = sample(100), newer, got;
    unsigned char bytes[HPR_STATE_SLOT_BYTES], before[HPR_STATE_SLOT_BYTES];
    bool is_new;
    int fd = hpr_state_open(io, dirfd, &is_new), res;
    uint64_t place;

    ck_assert_int_eq(hpr_state_write(io, fd, &older), 0);
    ck_assert_int_eq(hpr_state_write(io, fd, &older), 0);
    newer                = older;
    newer.passed.seq     = 105;
    newer.passed.records = 100;
    newer.generation++;
    place = newer.generation % HPR_STATE_SLOTS * SLOT_STEP;
    hpr_state_put(bytes, &newer);
    ck_assert_int_eq(io->pread(io->ctx, fd, before, sizeof before, place), sizeof before);
    for (size_t len = 0; len < sizeof bytes; len++) {
        ck_assert_int_eq(io->pwrite(io->ctx, fd, before, sizeof before, place), sizeof before);
        if (len > 0) ck_assert_int_eq(io->pwrite(io->ctx, fd, bytes, len, place), (ssize_t)len);
        ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_OURS);
        ck_assert_uint_eq(got.passed.seq, 100);
    }
    ck_assert_int_eq(io->pwrite(io->ctx, fd, bytes, sizeof bytes, place), sizeof bytes);
    ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_OURS);
    ck_assert_uint_eq(got.passed.seq, 105);
    io->close(io->ctx, fd);
}
END_TEST

START_TEST(a_write_that_fails_is_tried_on_the_same_slot)
{
    struct fault_platform *fault    = fault_platform_new(mem_platform_table(mem));
    const struct hopper_io *failing = &fault_platform_table(fault)->io;
    struct hpr_state state          = sample(100), got;
    bool is_new;
    int fd = hpr_state_open(io, dirfd, &is_new), res;

    ck_assert_int_eq(hpr_state_write(io, fd, &state), 0);
    state.passed.seq++;
    state.passed.records++;
    fault_arm(fault, &(struct fault_plan){ .kinds = FAULT_PWRITE, .at = 1, .error = ENOSPC, .mode = FAULT_STICKY });
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(hpr_state_write(failing, fd, &state), -ENOSPC);
        ck_assert_uint_eq(state.generation, 1);
        ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_OURS);
        ck_assert_uint_eq(got.passed.seq, 100);
    }
    fault_disarm(fault);
    ck_assert_int_eq(hpr_state_write(failing, fd, &state), 0);
    ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_OURS);
    ck_assert_uint_eq(got.passed.seq, 101);
    io->close(io->ctx, fd);
    fault_platform_free(fault);
}
END_TEST

START_TEST(a_newer_slot_is_told_wherever_it_is)
{
    struct hpr_state state = sample(100), got;
    bool is_new;
    int fd = hpr_state_open(io, dirfd, &is_new), res;

    for (uint64_t slot = 0; slot < HPR_STATE_SLOTS; slot++) {
        ck_assert_int_eq(hpr_state_write(io, fd, &state), 0);
        ck_assert_int_eq(hpr_state_write(io, fd, &state), 0);
        ck_assert_int_eq(mem_poke(mem, "/q/" HPR_STATE_NAME, slot * SLOT_STEP + 9, 3), 0);
        ck_assert_int_eq(hpr_state_read(io, fd, &got, &res), HPR_FILE_NEWER);
        ck_assert_int_eq(mem_poke(mem, "/q/" HPR_STATE_NAME, slot * SLOT_STEP + 9, 3), 0);
    }
    io->close(io->ctx, fd);
}
END_TEST

START_TEST(what_is_no_plain_file_is_not_opened)
{
    bool is_new;

    ck_assert_int_eq(mem_symlink(mem, "/q/" HPR_STATE_NAME, "/q/else"), 0);
    ck_assert_int_lt(hpr_state_open(io, dirfd, &is_new), 0);
    ck_assert_int_eq(mem_remove(mem, "/q/" HPR_STATE_NAME), 0);
    ck_assert_int_eq(mem_mkdir(mem, "/q/" HPR_STATE_NAME, 0700), 0);
    ck_assert_int_lt(hpr_state_open(io, dirfd, &is_new), 0);
    ck_assert_int_eq(mem_remove(mem, "/q/" HPR_STATE_NAME), 0);
    ck_assert_int_eq(mem_write_file(mem, "/q/else", "x", 1), 0);
    ck_assert_int_eq(mem_link(mem, "/q/else", "/q/" HPR_STATE_NAME), 0);
    ck_assert_int_eq(hpr_state_open(io, dirfd, &is_new), -EMLINK);
    ck_assert_int_eq(mem_file_size(mem, "/q/else"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("STATE");
    TCase *tc    = tcase_create("state");

    tcase_add_checked_fixture(tc, dir_fixture_setup, dir_fixture_teardown);
    tcase_add_test(tc, what_is_put_comes_back);
    tcase_add_test(tc, the_layout_is_the_one_that_is_specified);
    tcase_add_test(tc, any_byte_that_is_wrong_is_found);
    tcase_add_test(tc, any_length_but_the_whole_is_damage);
    tcase_add_test(tc, sums_that_make_no_sense_are_damage);
    tcase_add_test(tc, slots_are_written_in_turn_and_the_newer_holds);
    tcase_add_test(tc, a_torn_slot_costs_that_slot);
    tcase_add_test(tc, a_write_that_fails_is_tried_on_the_same_slot);
    tcase_add_test(tc, a_newer_slot_is_told_wherever_it_is);
    tcase_add_test(tc, what_is_no_plain_file_is_not_opened);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
