/* SPDX-License-Identifier: MIT */
/* One queue file on a simulated disk that fails: what is in the file afterwards is whole frames, whatever failed. */
#include "queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "platform_fault.h"
#include "platform_mem.h"
#include "suite.h"

#define PATH   "/q/00000000000000000007.hq"
#define HEADER HPR_FILE_HEADER_BYTES

static struct mem_platform *mem;
static struct fault_platform *fault;
static const struct hopper_io *io;
static int dirfd;
static struct hpr_queue_file file;

static const struct hpr_file_header header = {
    .channel_id = "a channel's id.", .number = 7, .first_seq = 100, .stream_offset = 5000, .record_offset = 60};

static void make_disk(void)
{
    mem = mem_platform_new(NULL);
    fault = fault_platform_new(mem_platform_table(mem));
    io = &fault_platform_table(fault)->io;
    ck_assert_int_eq(mem_mkdir(mem, "/q", 0700), 0);
    dirfd = io->open_at(io->ctx, -1, "/q", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(dirfd, 0);
    file = HPR_QUEUE_FILE_NONE;
}

static void remove_disk(void)
{
    fault_disarm(fault);
    hpr_queue_file_close(&file, io);
    hpr_io_close(io, dirfd);
    ck_assert_ptr_null(mem_platform_leaks(mem));
    fault_platform_free(fault);
    mem_platform_free(mem);
}

static void arm(unsigned kinds, uint64_t at, int error, enum fault_mode mode)
{
    const struct fault_plan plan = {.kinds = kinds, .at = at, .error = error, .mode = mode};

    fault_arm(fault, &plan);
}

static void create(void)
{
    ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), 0);
}

/* Something of LEN bytes that stands for a frame, as far as a queue file cares. */
static int write_frame(const char *bytes, size_t len)
{
    return hpr_queue_file_write(&file, io, bytes, len, 0);
}

static void add_frame(const char *bytes, size_t len, uint64_t last_seq)
{
    ck_assert_int_eq(write_frame(bytes, len), 0);
    hpr_queue_file_commit(&file, len, 2, last_seq);
}

/* The file is its header, BODY, and a good footer if IS_SEALED. */
static void check_content(const char *body, bool is_sealed, uint64_t records, uint64_t last_seq)
{
    const struct hpr_frame_place place = {header.channel_id, 7, HPR_FILE_HEADER_BYTES + strlen(body)};
    struct hpr_file_header got;
    struct hpr_frame_header frame;
    struct hpr_footer footer;
    unsigned char *data;
    void *bytes;
    size_t len;

    ck_assert_int_eq(mem_read_file(mem, PATH, &bytes, &len), 0);
    data = bytes;
    ck_assert_uint_eq(len, place.offset + (is_sealed ? HPR_FOOTER_BYTES : 0));
    ck_assert_int_eq(hpr_frame_get_file_header(data, len, &got), HPR_FILE_OURS);
    ck_assert(got.number == 7 && got.first_seq == 100 && got.stream_offset == 5000 && got.record_offset == 60);
    ck_assert(memcmp(data + HPR_FILE_HEADER_BYTES, body, strlen(body)) == 0);
    if (is_sealed) {
        ck_assert_int_eq(hpr_frame_get(data + place.offset, HPR_FOOTER_BYTES, &place, &frame, &footer),
                         HPR_VERDICT_FOOTER);
        ck_assert_uint_eq(footer.records, records);
        ck_assert_uint_eq(footer.last_seq, last_seq);
    }
    free(bytes);
}

/* ---- names ---- */

START_TEST(names_are_twenty_digits_and_come_back_as_numbers)
{
    static const struct {
        uint64_t number;
        const char *name;
    } names[] = {
        {1, "00000000000000000001.hq"},
        {12345, "00000000000000012345.hq"},
        {UINT64_MAX, "18446744073709551615.hq"},
    };
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    uint64_t number;

    for (size_t i = 0; i < 3; i++) {
        hpr_queue_file_name(name, names[i].number);
        ck_assert_str_eq(name, names[i].name);
        ck_assert(hpr_queue_file_parse_name(name, &number));
        ck_assert_uint_eq(number, names[i].number);
    }
}
END_TEST

START_TEST(other_names_are_none)
{
    static const char *const names[] = {
        "", "LOCK", ".hq", "1.hq", "0000000000000000001.hq", "000000000000000000001.hq", "00000000000000000001.HQ",
        "00000000000000000001.hqx", "00000000000000000001", "0000000000000000000x.hq", "+0000000000000000001.hq",
        " 0000000000000000001.hq", "-0000000000000000001.hq", "18446744073709551616.hq", "99999999999999999999.hq",
        "00000000000000000001.hq ", "0000000000000000001\n.hq",
    };
    uint64_t number;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_msg(!hpr_queue_file_parse_name(names[i], &number), "%s", names[i]);
}
END_TEST

/* ---- a good disk ---- */

START_TEST(a_file_is_its_header_its_frames_and_a_footer)
{
    create();
    ck_assert_int_eq(mem_mode(mem, PATH), 0600);
    ck_assert_uint_eq(file.start, 5000);
    check_content("", false, 0, 0);
    add_frame("first frame.", 12, 101);
    ck_assert_uint_eq(file.bytes, HEADER + 12);
    add_frame("second", 6, 103);
    check_content("first frame.second", false, 0, 0);
    ck_assert_int_eq(hpr_queue_file_seal(&file, io, header.channel_id), 0);
    ck_assert_int_eq(file.fd, -1);
    check_content("first frame.second", true, 4, 103);
    ck_assert_int_eq(mem_mode(mem, PATH), 0400);
}
END_TEST

START_TEST(a_frame_that_is_not_committed_is_written_over_by_the_next)
{
    create();
    ck_assert_int_eq(write_frame("12345678", 8), 0);
    ck_assert_uint_eq(file.bytes, HEADER);
    ck_assert_int_eq(hpr_queue_file_write(&file, io, "XY", 2, 6), 0);
    add_frame("abcdefgh", 8, 101);
    check_content("abcdefgh", false, 0, 0);
}
END_TEST

START_TEST(a_file_that_is_there_already_is_not_touched)
{
    void *data;
    size_t len;

    ck_assert_int_eq(mem_write_file(mem, PATH, "somebody else's", 15), 0);
    ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), -EEXIST);
    ck_assert_int_eq(file.fd, -1);
    ck_assert_int_eq(mem_read_file(mem, PATH, &data, &len), 0);
    ck_assert_uint_eq(len, 15);
    ck_assert_mem_eq(data, "somebody else's", 15);
    free(data);
}
END_TEST

START_TEST(a_link_in_the_place_of_a_file_is_not_followed)
{
    ck_assert_int_eq(mem_symlink(mem, PATH, "/elsewhere"), 0);
    ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), -EEXIST);
    ck_assert(!mem_exists(mem, "/elsewhere"));
}
END_TEST

/* ---- a disk that fails ---- */

START_TEST(a_file_that_cannot_be_created_leaves_nothing_behind)
{
    static const int errors[] = {ENOSPC, EIO, EMFILE, EACCES, EDQUOT};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        arm(FAULT_GROWS, 1, errors[i], FAULT_ONCE); /* the first of them is its creation */
        ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), -errors[i]);
        ck_assert_int_eq(file.fd, -1);
        arm(FAULT_PWRITE, 1, errors[i], FAULT_ONCE);
        ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), -errors[i]);
        ck_assert_int_eq(file.fd, -1);
        ck_assert(!mem_exists(mem, PATH));
    }
    create(); /* and then it can */
    check_content("", false, 0, 0);
}
END_TEST

/* Not even removed: emptied, and its number is kept for the next try. */
START_TEST(a_file_that_can_neither_be_written_nor_removed_is_left_empty)
{
    mem_set_capacity(mem, 30);
    arm(FAULT_UNLINK, 1, EIO, FAULT_ONCE);
    ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), -ENOSPC);
    ck_assert_int_eq(file.fd, -1);
    ck_assert_uint_eq(file.number, 7);
    ck_assert_int_eq(mem_file_size(mem, PATH), 0);
}
END_TEST

START_TEST(a_header_that_is_written_in_part_is_removed)
{
    mem_set_capacity(mem, 30);
    ck_assert_int_eq(hpr_queue_file_create(&file, io, dirfd, &header), -ENOSPC);
    ck_assert(!mem_exists(mem, PATH));
    mem_set_capacity(mem, MEM_UNLIMITED);
    create();
}
END_TEST

/* A device with room for LEFT bytes more takes part of a frame. */
START_TEST(a_frame_that_is_written_in_part_is_cut_off)
{
    for (uint64_t left = 0; left < 20; left++) {
        create();
        add_frame("good", 4, 101);
        mem_set_capacity(mem, HEADER + 4 + left);
        ck_assert_int_eq(write_frame("a frame of 20 bytes.", 20), -ENOSPC);
        ck_assert_int_eq(mem_file_size(mem, PATH), (int64_t)(HEADER + 4 + left));
        hpr_queue_file_roll_back(&file, io);
        ck_assert(!file.is_broken && file.bytes == HEADER + 4);
        check_content("good", false, 0, 0);
        mem_set_capacity(mem, MEM_UNLIMITED);
        add_frame("again", 5, 103);
        check_content("goodagain", false, 0, 0);
        hpr_queue_file_close(&file, io);
        ck_assert_int_eq(mem_remove(mem, PATH), 0);
    }
}
END_TEST

START_TEST(a_file_that_cannot_be_cut_back_is_broken_and_gets_no_footer)
{
    create();
    add_frame("good", 4, 101);
    mem_set_capacity(mem, HEADER + 6);
    ck_assert_int_eq(write_frame("too long", 8), -ENOSPC);
    arm(FAULT_TRUNCATE, 1, EIO, FAULT_STICKY);
    hpr_queue_file_roll_back(&file, io);
    ck_assert(file.is_broken);
    mem_set_capacity(mem, MEM_UNLIMITED);
    ck_assert_int_eq(hpr_queue_file_seal(&file, io, header.channel_id), 0);
    ck_assert_int_eq(file.fd, -1);
    ck_assert_int_eq(mem_file_size(mem, PATH), HEADER + 6); /* as it was */
}
END_TEST

START_TEST(a_footer_that_cannot_be_written_is_cut_off_and_the_file_is_closed)
{
    for (uint64_t left = 0; left < HPR_FOOTER_BYTES; left++) {
        create();
        add_frame("good", 4, 101);
        mem_set_capacity(mem, HEADER + 4 + left);
        ck_assert_int_eq(hpr_queue_file_seal(&file, io, header.channel_id), -ENOSPC);
        ck_assert_int_eq(file.fd, -1);
        check_content("good", false, 0, 0);
        mem_set_capacity(mem, MEM_UNLIMITED);
        ck_assert_int_eq(mem_remove(mem, PATH), 0);
    }
}
END_TEST

START_TEST(a_mode_that_cannot_be_changed_does_not_matter)
{
    create();
    add_frame("good", 4, 101);
    arm(FAULT_CHMOD, 1, EPERM, FAULT_ONCE);
    ck_assert_int_eq(hpr_queue_file_seal(&file, io, header.channel_id), 0);
    ck_assert_uint_eq(fault_hits(fault), 1);
    check_content("good", true, 2, 101);
}
END_TEST

START_TEST(interrupted_and_short_calls_are_gone_on_with)
{
    static const struct fault_plan plans[] = {
        {.kinds = FAULT_PWRITE | FAULT_TRUNCATE, .at = 1, .error = EINTR, .mode = FAULT_HEALS, .heal_after = 3},
        {.kinds = FAULT_PWRITE, .at = 1, .mode = FAULT_STICKY, .effect = FAULT_SHORT_ONE},
        {.kinds = FAULT_PWRITE, .at = 1, .mode = FAULT_STICKY, .effect = FAULT_SHORT_LESS},
    };

    for (size_t i = 0; i < 3; i++) {
        fault_arm(fault, &plans[i]);
        create();
        add_frame("first frame.", 12, 101);
        ck_assert_int_eq(write_frame("junk", 4), 0);
        fault_arm(fault, &plans[i]);
        hpr_queue_file_roll_back(&file, io);
        ck_assert(!file.is_broken);
        ck_assert_int_eq(hpr_queue_file_seal(&file, io, header.channel_id), 0);
        ck_assert_uint_gt(fault_hits(fault), 0);
        fault_disarm(fault);
        check_content("first frame.", true, 2, 101);
        ck_assert_int_eq(mem_remove(mem, PATH), 0);
    }
}
END_TEST

/* ---- every call fails in turn ---- */

/* The life of a file; BODY: what was committed to it. False: it was never there. */
static bool live(char *body)
{
    body[0] = '\0';
    if (hpr_queue_file_create(&file, io, dirfd, &header) != 0)
        return false;
    for (int i = 0; i < 3 && !file.is_broken; i++) {
        static const char *const frames[3] = {"first frame.", "second", "the third frame"};

        if (write_frame(frames[i], strlen(frames[i])) == 0) {
            hpr_queue_file_commit(&file, strlen(frames[i]), 2, 100);
            strcat(body, frames[i]);
        } else {
            hpr_queue_file_roll_back(&file, io);
        }
    }
    return hpr_queue_file_seal(&file, io, header.channel_id) <= 0;
}

/* Whole frames at the front, whatever is behind them in a broken file. */
static void check_front(const char *body)
{
    void *data;
    size_t len;

    ck_assert_int_eq(mem_read_file(mem, PATH, &data, &len), 0);
    ck_assert_uint_ge(len, HEADER + strlen(body));
    ck_assert(memcmp((char *)data + HEADER, body, strlen(body)) == 0);
    free(data);
}

START_TEST(whatever_call_fails_the_committed_frames_are_whole)
{
    static const int errors[] = {ENOSPC, EIO};

    for (int e = 0; e < 2; e++) {
        for (int mode = FAULT_ONCE; mode <= FAULT_STICKY; mode++) {
            for (uint64_t k = 1;; k++) {
                char body[64];

                arm(FAULT_ANY_IO, k, errors[e], (enum fault_mode)mode);
                if (live(body))
                    check_front(body);
                else if (mode == FAULT_ONCE)
                    ck_assert(!mem_exists(mem, PATH));
                fault_disarm(fault);
                ck_assert_int_eq(file.fd, -1);
                (void)mem_remove(mem, PATH);
                if (fault_hits(fault) == 0)
                    break;
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_file");
    TCase *tc = tcase_create("one file");

    tcase_add_checked_fixture(tc, make_disk, remove_disk);
    tcase_add_test(tc, names_are_twenty_digits_and_come_back_as_numbers);
    tcase_add_test(tc, other_names_are_none);
    tcase_add_test(tc, a_file_is_its_header_its_frames_and_a_footer);
    tcase_add_test(tc, a_frame_that_is_not_committed_is_written_over_by_the_next);
    tcase_add_test(tc, a_file_that_is_there_already_is_not_touched);
    tcase_add_test(tc, a_link_in_the_place_of_a_file_is_not_followed);
    tcase_add_test(tc, a_file_that_cannot_be_created_leaves_nothing_behind);
    tcase_add_test(tc, a_file_that_can_neither_be_written_nor_removed_is_left_empty);
    tcase_add_test(tc, a_header_that_is_written_in_part_is_removed);
    tcase_add_test(tc, a_frame_that_is_written_in_part_is_cut_off);
    tcase_add_test(tc, a_file_that_cannot_be_cut_back_is_broken_and_gets_no_footer);
    tcase_add_test(tc, a_footer_that_cannot_be_written_is_cut_off_and_the_file_is_closed);
    tcase_add_test(tc, a_mode_that_cannot_be_changed_does_not_matter);
    tcase_add_test(tc, interrupted_and_short_calls_are_gone_on_with);
    tcase_add_test(tc, whatever_call_fails_the_committed_frames_are_whole);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
