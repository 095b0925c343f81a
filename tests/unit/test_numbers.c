/* SPDX-License-Identifier: MIT */
/* The next file number of a directory: always the right one, and few looks into the directory, whatever the numbers
 * are. */
#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "platform_fault.h"
#include "platform_mem.h"
#include "queue_file.h"
#include "suite.h"

#define COUNT (HPR_NUMBERS_KEPT * 5 + 3)

static struct mem_platform *mem;
static struct fault_platform *fault;
static const struct hopper_io *io;
static int dirfd;
static struct hpr_numbers numbers;

static void make_disk(void)
{
    mem   = mem_platform_new(NULL);
    fault = fault_platform_new(mem_platform_table(mem));
    io    = &fault_platform_table(fault)->io;
    ck_assert_int_eq(mem_mkdir(mem, "/q", 0700), 0);
    dirfd = io->open_at(io->ctx, -1, "/q", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(dirfd, 0);
    numbers = (struct hpr_numbers){ 0 };
}

static void remove_disk(void)
{
    fault_disarm(fault);
    hpr_io_close(io, dirfd);
    fault_platform_free(fault);
    mem_platform_free(mem);
}

static void path_of(uint64_t number, char *path)
{
    memcpy(path, "/q/", 3);
    hpr_queue_file_name(path + 3, number);
}

static void put(uint64_t number)
{
    char path[3 + HPR_QUEUE_FILE_NAME_BYTES];

    path_of(number, path);
    ck_assert_int_eq(mem_write_file(mem, path, "", 0), 0);
}

static void take_away(uint64_t number)
{
    char path[3 + HPR_QUEUE_FILE_NAME_BYTES];

    path_of(number, path);
    ck_assert_int_eq(mem_remove(mem, path), 0);
}

static uint64_t next(uint64_t number, uint64_t limit)
{
    uint64_t found = 1;

    ck_assert_int_eq(hpr_numbers_next(&numbers, io, dirfd, number, limit, &found), 0);
    return found;
}

START_TEST(an_empty_directory_has_nothing_before_the_limit)
{
    ck_assert_int_eq(mem_write_file(mem, "/q/STATE", "", 0), 0);
    ck_assert_uint_eq(next(1, UINT64_MAX), UINT64_MAX);
    ck_assert_uint_eq(next(7, 7), 7);
    ck_assert_uint_eq(next(UINT64_MAX, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(the_ends_count_as_they_should)
{
    put(5);
    put(1000000000000);
    put(UINT64_MAX);
    ck_assert_uint_eq(next(1, 100), 5);
    ck_assert_uint_eq(next(5, 100), 5);
    ck_assert_uint_eq(next(6, 100), 100);
    ck_assert_uint_eq(next(1, 5), 5);
    ck_assert_uint_eq(next(1, 3), 3);
    ck_assert_uint_eq(next(6, UINT64_MAX), 1000000000000);
    ck_assert_uint_eq(next(1000000000001, UINT64_MAX), UINT64_MAX);
    ck_assert_uint_eq(next(2, UINT64_MAX), 5); /* backwards as well */
}
END_TEST

/* In an order of the names that has nothing to do with the numbers: every STEP apart, made from both ends. */
START_TEST(all_are_found_in_order_with_few_looks)
{
    const uint64_t step = UINT64_C(1) << (_i * 10);
    uint64_t number     = 1;

    for (uint64_t i = 0; i < COUNT; i++) put(3 + (i % 2 ? COUNT - 1 - i / 2 : i / 2) * step);
    fault_arm(fault, &(struct fault_plan){ .kinds = FAULT_LIST, .at = UINT64_MAX, .error = EIO });
    for (uint64_t i = 0; i < COUNT; i++) {
        number = next(number, UINT64_MAX);
        ck_assert_msg(number == 3 + i * step, "number %" PRIu64 " is %" PRIu64, i, number);
        number++;
    }
    ck_assert_uint_eq(next(number, UINT64_MAX), UINT64_MAX);
    ck_assert_uint_le(fault_count(fault, FAULT_LIST), COUNT / HPR_NUMBERS_KEPT + 2);
}
END_TEST

START_TEST(what_went_and_what_came_behind_the_limit)
{
    put(10);
    put(20);
    ck_assert_uint_eq(next(1, 30), 10);
    take_away(10);
    ck_assert_uint_eq(next(11, 30), 20);
    put(30); /* it was not asked about */
    put(31);
    ck_assert_uint_eq(next(21, 30), 30);
    ck_assert_uint_eq(next(21, 40), 30);
    ck_assert_uint_eq(next(31, 40), 31);
}
END_TEST

START_TEST(a_directory_that_cannot_be_read_tells_nothing)
{
    uint64_t found;

    put(10);
    fault_arm(fault, &(struct fault_plan){ .kinds = FAULT_LIST, .at = 1, .error = EMFILE, .mode = FAULT_STICKY });
    ck_assert_int_eq(hpr_numbers_next(&numbers, io, dirfd, 1, 30, &found), -EMFILE);
    fault_disarm(fault);
    ck_assert_uint_eq(next(1, 30), 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file numbers");
    TCase *tc    = tcase_create("numbers");

    tcase_add_checked_fixture(tc, make_disk, remove_disk);
    tcase_add_test(tc, an_empty_directory_has_nothing_before_the_limit);
    tcase_add_test(tc, the_ends_count_as_they_should);
    tcase_add_loop_test(tc, all_are_found_in_order_with_few_looks, 0, 5);
    tcase_add_test(tc, what_went_and_what_came_behind_the_limit);
    tcase_add_test(tc, a_directory_that_cannot_be_read_tells_nothing);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
