/* SPDX-License-Identifier: MIT */
/* The simulated platform: it must be as strict as the real one, or what the tests on it say is worth nothing. */
#include "platform_mem.h"

#include "suite.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct mem_platform *mem;
static const struct hopper_io *io;
static int dir;

static void set_up(void)
{
    mem = mem_platform_new(NULL);
    io  = &mem_platform_table(mem)->io;
    ck_assert_int_eq(mem_mkdir(mem, "/d", 0700), 0);
    dir = io->open_at(io->ctx, -1, "/d", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(dir, MEM_FD_FIRST);
}

static void tear_down(void)
{
    mem_platform_free(mem);
}

static int make_file(const char *name)
{
    int fd = io->open_at(io->ctx, dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);

    ck_assert_int_ge(fd, MEM_FD_FIRST);
    return fd;
}

START_TEST(written_bytes_are_read_back_at_their_offset)
{
    struct hopper_io_stat st;
    char buf[8] = "";
    int fd      = make_file("f");

    ck_assert_int_eq(io->pwrite(io->ctx, fd, "hello", 5, 1000), 5);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 8, 1002), 3);
    ck_assert_str_eq(buf, "llo");
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 8, 1005), 0);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 1002), 0);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 1005), 0);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 5, 1000), 5);
    ck_assert_mem_eq(buf, "he\0\0\0", 5);
    ck_assert_int_eq(io->stat(io->ctx, fd, &st), 0);
    ck_assert_uint_eq(st.bytes, 1005);
    ck_assert_uint_eq(st.uid, MEM_UID);
}
END_TEST

START_TEST(a_full_device_takes_what_fits_and_then_nothing)
{
    char buf[100];
    int fd = make_file("f");

    memset(buf, 'x', sizeof buf);
    mem_set_capacity(mem, 150);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 0), 100);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 100), 50);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 150), -ENOSPC);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 20), 100); /* over what is there already */
    ck_assert_int_eq(io->allocate(io->ctx, fd, 0, 151), -ENOSPC);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 0), 0);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 0), 100);
}
END_TEST

START_TEST(an_unlinked_file_takes_space_until_it_is_closed)
{
    struct mem_usage usage;
    char buf[100] = "";
    int fd        = make_file("f");

    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 0), 100);
    ck_assert_int_eq(io->unlink_at(io->ctx, dir, "f"), 0);
    ck_assert(!mem_exists(mem, "/d/f"));
    mem_usage(mem, &usage);
    ck_assert_uint_eq(usage.disk_bytes, 100);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 100, 0), 100);
    ck_assert_int_eq(io->close(io->ctx, fd), 0);
    mem_usage(mem, &usage);
    ck_assert_uint_eq(usage.disk_bytes, 0);
}
END_TEST

START_TEST(links_fifos_and_directories_are_not_opened_as_files)
{
    ck_assert_int_eq(mem_write_file(mem, "/d/real", "x", 1), 0);
    ck_assert_int_eq(mem_symlink(mem, "/d/link", "/d/real"), 0);
    ck_assert_int_eq(mem_fifo(mem, "/d/fifo"), 0);
    ck_assert_int_eq(mem_mkdir(mem, "/d/sub", 0700), 0);
    ck_assert_int_eq(mem_chown(mem, "/d/fifo", MEM_UID), 0);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "link", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "link", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "fifo", O_WRONLY, 0), -ENXIO);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "sub", O_RDWR, 0), -EISDIR);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "real", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "sub/x", O_RDONLY, 0), -EINVAL);
    ck_assert_int_eq(io->unlink_at(io->ctx, dir, "sub"), -EISDIR);
    ck_assert_int_ge(io->open_at(io->ctx, -1, "/d/link", O_RDONLY, 0), MEM_FD_FIRST);
}
END_TEST

START_TEST(modes_bind_the_owner_and_others)
{
    int fd = make_file("sealed");

    ck_assert_int_eq(io->chmod(io->ctx, fd, 0400), 0);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "sealed", O_RDWR, 0), -EACCES);
    ck_assert_int_ge(io->open_at(io->ctx, dir, "sealed", O_RDONLY, 0), MEM_FD_FIRST);
    ck_assert_int_eq(mem_chown(mem, "/d/sealed", 0), 0);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "sealed", O_RDONLY, 0), -EACCES);
    ck_assert_int_eq(io->chmod(io->ctx, fd, 0600), -EPERM);
    ck_assert_int_eq(mem_chmod(mem, "/d", 0500), 0);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "new", O_RDWR | O_CREAT, 0600), -EACCES);
    ck_assert_int_eq(io->unlink_at(io->ctx, dir, "sealed"), -EACCES);
    mem_set_umask(mem, 0777);
    ck_assert_int_eq(mem_chmod(mem, "/d", 0700), 0);
    ck_assert_int_ge(io->open_at(io->ctx, dir, "new", O_RDWR | O_CREAT, 0600), MEM_FD_FIRST);
    ck_assert_int_eq(mem_mode(mem, "/d/new"), 0);
}
END_TEST

START_TEST(descriptors_run_out_and_come_back)
{
    int fd, event;

    mem_set_fds_max(mem, 3); /* the directory is one */
    fd    = make_file("a");
    event = io->event_open(io->ctx);
    ck_assert_int_ge(event, MEM_FD_FIRST);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "a", O_RDONLY, 0), -EMFILE);
    ck_assert_int_eq(io->event_open(io->ctx), -EMFILE);
    ck_assert_int_eq(io->close(io->ctx, fd), 0);
    ck_assert_int_eq(io->close(io->ctx, fd), -EBADF);
    ck_assert_int_ge(io->open_at(io->ctx, dir, "a", O_RDONLY, 0), MEM_FD_FIRST);
}
END_TEST

START_TEST(a_descriptor_does_what_it_was_opened_for_only)
{
    char byte = 0;
    int fd = make_file("f"), reader = io->open_at(io->ctx, dir, "f", O_RDONLY, 0),
        writer = io->open_at(io->ctx, dir, "f", O_WRONLY, 0);

    ck_assert_int_eq(io->pwrite(io->ctx, reader, "x", 1, 0), -EBADF);
    ck_assert_int_eq(io->truncate(io->ctx, reader, 0), -EBADF);
    ck_assert_int_eq(io->pread(io->ctx, writer, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(io->pread(io->ctx, dir, &byte, 1, 0), -EISDIR);
    ck_assert_int_eq(io->pread(io->ctx, 3, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(io->close(io->ctx, fd), 0);
}
END_TEST

START_TEST(a_lock_has_one_holder_until_it_closes)
{
    int first = make_file("LOCK"), second = io->open_at(io->ctx, dir, "LOCK", O_RDWR, 0);

    ck_assert_int_eq(io->lock(io->ctx, first), 0);
    ck_assert_int_eq(io->lock(io->ctx, second), -EAGAIN);
    io->close(io->ctx, first);
    ck_assert_int_eq(io->lock(io->ctx, second), 0);
    io->close(io->ctx, second);
    ck_assert_int_eq(mem_lock_by_other(mem, "/d/LOCK", true), 0);
    first = io->open_at(io->ctx, dir, "LOCK", O_RDWR, 0);
    ck_assert_int_eq(io->lock(io->ctx, first), -EAGAIN);
}
END_TEST

START_TEST(the_observer_sees_a_budget_exceeded_for_one_call_only)
{
    char buf[100] = "";
    int fd;

    mem_watch_dir(mem, "/d", 150);
    fd = make_file("f");
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 50), 100);
    ck_assert_uint_eq(mem_watch_excess(mem), 0);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 1, 150), 1);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 0), 0);
    ck_assert_uint_eq(mem_watch_excess(mem), 1);
    ck_assert_uint_eq(mem_watch_peak(mem), 151);
}
END_TEST

START_TEST(the_observer_counts_what_is_removed_until_it_is_closed)
{
    char buf[100] = "";
    int fd, again, other;

    mem_watch_dir(mem, "/d", 150);
    fd    = make_file("f");
    again = io->open_at(io->ctx, dir, "f", O_RDONLY, 0);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, buf, 100, 0), 100);
    ck_assert_int_eq(io->unlink_at(io->ctx, dir, "f"), 0);
    other = make_file("g");
    ck_assert_int_eq(io->pwrite(io->ctx, other, buf, 50, 0), 50);
    ck_assert_uint_eq(mem_watch_excess(mem), 0);
    ck_assert_int_eq(io->close(io->ctx, fd), 0);
    ck_assert_int_eq(io->pwrite(io->ctx, other, buf, 1, 50), 1);
    ck_assert_uint_eq(mem_watch_excess(mem), 1);
    ck_assert_int_eq(io->close(io->ctx, again), 0);
    ck_assert_int_eq(io->pwrite(io->ctx, other, buf, 100, 50), 100);
    ck_assert_uint_eq(mem_watch_excess(mem), 1);
    ck_assert_int_eq(io->close(io->ctx, other), 0);
}
END_TEST

START_TEST(what_is_still_held_is_told_in_words)
{
    const struct hopper_allocator *allocator = &mem_platform_table(mem)->allocator;
    struct mem_usage usage;
    void *ptr, *map;

    ck_assert_int_eq(io->close(io->ctx, dir), 0);
    ck_assert_ptr_null(mem_platform_leaks(mem));
    ptr = allocator->alloc(allocator->ctx, 100);
    ck_assert_str_eq(mem_platform_leaks(mem), "1 allocations (100 bytes), 0 maps (0 bytes), 0 descriptors");
    map = io->map(io->ctx, -1, 4096);
    mem_usage(mem, &usage);
    ck_assert_uint_eq(usage.held_bytes_peak, 4196);
    allocator->free(allocator->ctx, ptr);
    ck_assert_int_eq(io->unmap(io->ctx, map, 4096), 0);
    ck_assert_int_eq(io->unmap(io->ctx, map, 4096), -EINVAL);
    ck_assert_ptr_null(mem_platform_leaks(mem));
    mem_set_alloc_max(mem, 50);
    ck_assert_ptr_null(allocator->alloc(allocator->ctx, 51));
    ck_assert_ptr_null(io->map(io->ctx, -1, 51));
}
END_TEST

START_TEST(pages_of_a_new_map_count_as_touched_once_they_are)
{
    unsigned char *map = io->map(io->ctx, -1, 1 << 20);
    struct mem_usage usage;

    mem_usage(mem, &usage);
    ck_assert_uint_eq(usage.touched_bytes, 0);
    map[5]          = 1;
    map[100 * 4096] = 1;
    mem_usage(mem, &usage);
    ck_assert_uint_eq(usage.touched_bytes, 2 * (uint64_t)sysconf(_SC_PAGESIZE));
    io->unmap(io->ctx, map, 1 << 20);
}
END_TEST

START_TEST(memory_mapped_again_is_zero_again)
{
    unsigned char *map = io->map(io->ctx, -1, 8192);

    memset(map, 0xff, 8192);
    io->unmap(io->ctx, map, 8192);
    map = io->map(io->ctx, -1, 8192);
    for (int i = 0; i < 8192; i++) ck_assert_uint_eq(map[i], 0);
    io->unmap(io->ctx, map, 8192);
}
END_TEST

START_TEST(the_clock_moves_only_when_told_to)
{
    const struct hopper_clock *clock = &mem_platform_table(mem)->clock;
    uint64_t ns = clock->monotonic_ns(clock->ctx), ms = clock->realtime_ms(clock->ctx);

    ck_assert_uint_eq(clock->monotonic_ns(clock->ctx), ns);
    mem_clock_advance(mem, 5000000);
    ck_assert_uint_eq(clock->monotonic_ns(clock->ctx), ns + 5000000);
    ck_assert_uint_eq(clock->realtime_ms(clock->ctx), ms + 5);
}
END_TEST

START_TEST(an_event_is_what_was_last_done_to_it)
{
    int fd = io->event_open(io->ctx), file = make_file("f");

    ck_assert(!mem_event_is_set(mem, fd));
    ck_assert_int_eq(io->event_set(io->ctx, fd), 0);
    ck_assert(mem_event_is_set(mem, fd));
    ck_assert_int_eq(io->event_clear(io->ctx, fd), 0);
    ck_assert(!mem_event_is_set(mem, fd));
    ck_assert_int_eq(io->event_set(io->ctx, file), -EBADF);
}
END_TEST

static int unlink_it(void *arg, const char *name)
{
    (void)arg;
    return io->unlink_at(io->ctx, dir, name);
}

START_TEST(files_may_be_removed_while_they_are_listed)
{
    char names[8][256];

    for (int i = 0; i < 5; i++) {
        char name[2] = { (char)('a' + i), '\0' };

        io->close(io->ctx, make_file(name));
    }
    ck_assert_int_eq(mem_list(mem, "/d", names, 8), 5);
    ck_assert_str_eq(names[4], "e");
    ck_assert_int_eq(io->list(io->ctx, dir, unlink_it, NULL), 0);
    ck_assert_int_eq(mem_list(mem, "/d", names, 8), 0);
}
END_TEST

START_TEST(tests_reach_the_disk_past_all_limits)
{
    void *data;
    size_t len;

    mem_set_capacity(mem, 0);
    ck_assert_int_eq(mem_chmod(mem, "/d", 0), 0);
    ck_assert_int_eq(mem_write_file(mem, "/d/f", "hello", 5), 0);
    ck_assert_int_eq(mem_poke(mem, "/d/f", 1, 'e' ^ 'a'), 0);
    ck_assert_int_eq(mem_truncate(mem, "/d/f", 4), 0);
    ck_assert_int_eq(mem_rename(mem, "/d/f", "/d/g"), 0);
    ck_assert_int_eq(mem_link(mem, "/d/g", "/d/h"), 0);
    ck_assert_int_eq(mem_remove(mem, "/d/g"), 0);
    ck_assert_int_eq(mem_read_file(mem, "/d/h", &data, &len), 0);
    ck_assert_uint_eq(len, 4);
    ck_assert_mem_eq(data, "hall", 4);
    free(data);
    ck_assert_int_eq(mem_file_size(mem, "/d/h"), 4);
    ck_assert_int_eq(mem_poke(mem, "/d/h", 4, 1), -EINVAL);
    ck_assert_int_eq(mem_remove(mem, "/d"), -ENOTEMPTY);
}
END_TEST

static void *append_many(void *arg)
{
    char name[2] = { (char)('a' + *(int *)arg), '\0' };

    for (int i = 0; i < 2000; i++) {
        int fd = io->open_at(io->ctx, dir, name, O_RDWR | O_CREAT, 0600);

        io->pwrite(io->ctx, fd, name, 1, (uint64_t)i);
        io->close(io->ctx, fd);
    }
    return NULL;
}

START_TEST(threads_may_use_it_at_once)
{
    pthread_t threads[4];
    int numbers[4];
    struct mem_usage usage;

    for (int i = 0; i < 4; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, append_many, &numbers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    mem_usage(mem, &usage);
    ck_assert_uint_eq(usage.disk_bytes, 8000);
    ck_assert_uint_eq(usage.fds_open, 1);
}
END_TEST

START_TEST(after_a_reset_the_disk_is_empty_and_random_bytes_repeat)
{
    unsigned char a[16], b[16];

    ck_assert_int_eq(io->random(io->ctx, a, sizeof a), 0);
    make_file("left_open");
    mem_platform_reset(mem);
    ck_assert_ptr_null(mem_platform_leaks(mem));
    ck_assert(!mem_exists(mem, "/d"));
    ck_assert_int_eq(io->random(io->ctx, b, sizeof b), 0);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("platform_mem");
    TCase *tc    = tcase_create("calls");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, written_bytes_are_read_back_at_their_offset);
    tcase_add_test(tc, a_full_device_takes_what_fits_and_then_nothing);
    tcase_add_test(tc, an_unlinked_file_takes_space_until_it_is_closed);
    tcase_add_test(tc, links_fifos_and_directories_are_not_opened_as_files);
    tcase_add_test(tc, modes_bind_the_owner_and_others);
    tcase_add_test(tc, descriptors_run_out_and_come_back);
    tcase_add_test(tc, a_descriptor_does_what_it_was_opened_for_only);
    tcase_add_test(tc, a_lock_has_one_holder_until_it_closes);
    tcase_add_test(tc, the_observer_sees_a_budget_exceeded_for_one_call_only);
    tcase_add_test(tc, the_observer_counts_what_is_removed_until_it_is_closed);
    tcase_add_test(tc, what_is_still_held_is_told_in_words);
    tcase_add_test(tc, pages_of_a_new_map_count_as_touched_once_they_are);
    tcase_add_test(tc, memory_mapped_again_is_zero_again);
    tcase_add_test(tc, the_clock_moves_only_when_told_to);
    tcase_add_test(tc, an_event_is_what_was_last_done_to_it);
    tcase_add_test(tc, files_may_be_removed_while_they_are_listed);
    tcase_add_test(tc, tests_reach_the_disk_past_all_limits);
    tcase_add_test(tc, threads_may_use_it_at_once);
    tcase_add_test(tc, after_a_reset_the_disk_is_empty_and_random_bytes_repeat);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
