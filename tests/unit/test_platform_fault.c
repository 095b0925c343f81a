/* SPDX-License-Identifier: MIT */
/* The failing platform fails exactly the calls that its plan says. */
#include "platform_fault.h"

#include "platform_mem.h"
#include "suite.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct mem_platform *mem;
static struct fault_platform *fault;
static const struct hopper_io *io;
static int fd;

static void set_up(void)
{
    mem   = mem_platform_new(NULL);
    fault = fault_platform_new(mem_platform_table(mem));
    io    = &fault_platform_table(fault)->io;
    fd    = io->open_at(io->ctx, -1, "/f", O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
}

static void tear_down(void)
{
    fault_platform_free(fault);
    mem_platform_free(mem);
}

static void arm(unsigned kinds, uint64_t at, int error, enum fault_mode mode, enum fault_effect effect,
                uint64_t heal_after)
{
    const struct fault_plan plan = { kinds, at, error, mode, effect, heal_after };

    fault_arm(fault, &plan);
}

static bool write_fails(void)
{
    ssize_t rc = io->pwrite(io->ctx, fd, "abcdefgh", 8, 0);

    ck_assert(rc == 8 || rc == -EIO);
    return rc < 0;
}

START_TEST(once_fails_that_call_only)
{
    arm(FAULT_PWRITE, 2, EIO, FAULT_ONCE, FAULT_FAIL, 0);
    ck_assert(!write_fails());
    ck_assert(write_fails());
    ck_assert(!write_fails());
    ck_assert_uint_eq(fault_hits(fault), 1);
    ck_assert_uint_eq(fault_count(fault, FAULT_PWRITE), 3);
    ck_assert_str_eq(fault_hit_kind(fault), "pwrite");
}
END_TEST

START_TEST(sticky_fails_until_disarmed)
{
    arm(FAULT_PWRITE, 2, EIO, FAULT_STICKY, FAULT_FAIL, 0);
    ck_assert(!write_fails());
    for (int i = 0; i < 5; i++) ck_assert(write_fails());
    fault_disarm(fault);
    ck_assert(!write_fails());
    ck_assert_uint_eq(fault_hits(fault), 5);
}
END_TEST

START_TEST(heals_after_as_many_failures_as_said)
{
    arm(FAULT_PWRITE | FAULT_FSYNC, 1, EIO, FAULT_HEALS, FAULT_FAIL, 2);
    ck_assert(write_fails());
    ck_assert_int_eq(io->fsync(io->ctx, fd), -EIO);
    ck_assert(!write_fails());
}
END_TEST

START_TEST(kinds_that_the_plan_does_not_name_are_not_counted)
{
    struct hopper_io_stat st;

    arm(FAULT_STAT, 1, EIO, FAULT_ONCE, FAULT_FAIL, 0);
    ck_assert(!write_fails());
    ck_assert_int_eq(io->stat_at(io->ctx, -1, "/f", &st), 0);
    ck_assert_int_eq(io->stat(io->ctx, fd, &st), -EIO);
}
END_TEST

START_TEST(a_failed_write_writes_nothing_and_a_short_one_as_much_as_it_says)
{
    char buf[16];

    arm(FAULT_PWRITE | FAULT_PREAD, 1, EIO, FAULT_ONCE, FAULT_FAIL, 0);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, "abcd", 4, 0), -EIO);
    ck_assert_int_eq(mem_file_size(mem, "/f"), 0);
    arm(FAULT_PWRITE | FAULT_PREAD, 1, 0, FAULT_STICKY, FAULT_SHORT_LESS, 0);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, "abcd", 4, 0), 3);
    ck_assert_int_eq(mem_file_size(mem, "/f"), 3);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 3, 0), 2);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 1, 0), 1);
    arm(FAULT_PWRITE | FAULT_PREAD, 1, 0, FAULT_STICKY, FAULT_SHORT_ONE, 0);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 3, 0), 1);
}
END_TEST

START_TEST(a_failed_close_has_closed)
{
    arm(FAULT_CLOSE, 1, EIO, FAULT_ONCE, FAULT_FAIL, 0);
    ck_assert_int_eq(io->close(io->ctx, fd), -EIO);
    ck_assert_ptr_null(mem_platform_leaks(mem));
}
END_TEST

START_TEST(allocations_and_maps_fail_with_null)
{
    const struct hopper_allocator *allocator = &fault_platform_table(fault)->allocator;
    void *ptr;

    arm(FAULT_MEMORY, 2, ENOMEM, FAULT_HEALS, FAULT_FAIL, 2);
    ptr = allocator->alloc(allocator->ctx, 10);
    ck_assert_ptr_nonnull(ptr);
    ck_assert_ptr_null(allocator->alloc(allocator->ctx, 10));
    ck_assert_ptr_null(io->map(io->ctx, -1, 4096));
    allocator->free(allocator->ctx, ptr);
}
END_TEST

static int no_name(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 0;
}

/* Each kind at its own function: a wrapper that counts as another would leave holes in the sweeps. */
START_TEST(every_function_of_the_table_is_counted_as_its_own_kind)
{
    struct hopper_io_stat st;
    struct hopper_io_space space;
    char byte = 0, id[16];

    arm(FAULT_ANY_IO, 1, EINTR, FAULT_STICKY, FAULT_FAIL, 0);
    ck_assert_int_eq(io->open_at(io->ctx, -1, "/f", O_RDONLY, 0), -EINTR);
    ck_assert_int_eq(io->open_at(io->ctx, -1, "/f", O_RDONLY | O_CREAT, 0600), -EINTR);
    ck_assert_int_eq(io->pread(io->ctx, fd, &byte, 1, 0), -EINTR);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, &byte, 1, 0), -EINTR);
    ck_assert_int_eq(io->fdatasync(io->ctx, fd), -EINTR);
    ck_assert_int_eq(io->fsync(io->ctx, fd), -EINTR);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 0), -EINTR);
    ck_assert_int_eq(io->allocate(io->ctx, fd, 0, 1), -EINTR);
    ck_assert_int_eq(io->chmod(io->ctx, fd, 0600), -EINTR);
    ck_assert_int_eq(io->stat(io->ctx, fd, &st), -EINTR);
    ck_assert_int_eq(io->space(io->ctx, fd, &space), -EINTR);
    ck_assert_int_eq(io->stat_at(io->ctx, -1, "/f", &st), -EINTR);
    ck_assert_int_eq(io->rename_at(io->ctx, -1, "/f", "/g"), -EINTR);
    ck_assert_int_eq(io->unlink_at(io->ctx, -1, "/f"), -EINTR);
    ck_assert_int_eq(io->mkdir_at(io->ctx, -1, "/d", 0700), -EINTR);
    ck_assert_int_eq(io->list(io->ctx, -1, no_name, NULL), -EINTR);
    ck_assert_int_eq(io->lock(io->ctx, fd), -EINTR);
    ck_assert_ptr_null(io->map(io->ctx, -1, 4096));
    ck_assert_int_eq(io->unmap(io->ctx, &byte, 1), -EINTR);
    ck_assert_int_eq(io->event_open(io->ctx), -EINTR);
    ck_assert_int_eq(io->event_set(io->ctx, fd), -EINTR);
    ck_assert_int_eq(io->event_clear(io->ctx, fd), -EINTR);
    ck_assert_int_eq(io->random(io->ctx, &byte, 1), -EINTR);
    ck_assert_int_eq(io->sync_map(io->ctx, &byte, 1), -EINTR);
    ck_assert_int_eq(io->boot_id(io->ctx, id), -EINTR);
    ck_assert_int_eq(io->close(io->ctx, fd), -EINTR);
    for (int bit = 0; bit < FAULT_KINDS; bit++)
        if (FAULT_ANY_IO & 1 << bit) ck_assert_uint_eq(fault_count(fault, 1U << bit), 1);
    ck_assert(mem_exists(mem, "/f"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("platform_fault");
    TCase *tc    = tcase_create("plans");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, once_fails_that_call_only);
    tcase_add_test(tc, sticky_fails_until_disarmed);
    tcase_add_test(tc, heals_after_as_many_failures_as_said);
    tcase_add_test(tc, kinds_that_the_plan_does_not_name_are_not_counted);
    tcase_add_test(tc, a_failed_write_writes_nothing_and_a_short_one_as_much_as_it_says);
    tcase_add_test(tc, a_failed_close_has_closed);
    tcase_add_test(tc, allocations_and_maps_fail_with_null);
    tcase_add_test(tc, every_function_of_the_table_is_counted_as_its_own_kind);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
