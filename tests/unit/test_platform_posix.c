/* SPDX-License-Identifier: MIT */
/* The real platform on the real file system: results are what the table promises, and nothing hostile is followed. */
#include <hopper/platform.h>

#include "suite.h"
#include "tmpdir.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir_path;
static const struct hopper_io *io;
static int dir;

static void make_dir(void)
{
    dir_path = tmpdir_new();
    io       = &hopper_platform_posix()->io;
}

static void remove_dir(void)
{
    tmpdir_remove(dir_path);
    dir_path = NULL;
}

static void open_dir(void)
{
    dir = io->open_at(io->ctx, -1, dir_path, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(dir, 0);
}

static void close_dir(void)
{
    ck_assert_int_eq(io->close(io->ctx, dir), 0);
}

static int make_file(const char *name)
{
    int fd = io->open_at(io->ctx, dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);

    ck_assert_int_ge(fd, 0);
    return fd;
}

START_TEST(written_bytes_are_read_back_at_their_offset)
{
    struct hopper_io_stat st;
    char buf[8] = "";
    int fd      = make_file("f");

    ck_assert_int_eq(io->pwrite(io->ctx, fd, "hello", 5, 10), 5);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 8, 12), 3);
    ck_assert_str_eq(buf, "llo");
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 8, 15), 0);
    ck_assert_int_eq(io->fdatasync(io->ctx, fd), 0);
    ck_assert_int_eq(io->fsync(io->ctx, fd), 0);
    ck_assert_int_eq(io->fsync(io->ctx, dir), 0);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 12), 0);
    ck_assert_int_eq(io->stat(io->ctx, fd, &st), 0);
    ck_assert_uint_eq(st.bytes, 12);
    ck_assert_uint_eq(st.links, 1);
    ck_assert_uint_eq(st.kind, HOPPER_IO_FILE);
    ck_assert_uint_eq(st.uid, geteuid());
    ck_assert_int_eq(io->close(io->ctx, fd), 0);
}
END_TEST

START_TEST(failures_are_negated_errno_values)
{
    struct hopper_io_stat st;
    struct hopper_io_space space;
    char byte = 0;

    ck_assert_int_eq(io->open_at(io->ctx, dir, "none", O_RDONLY, 0), -ENOENT);
    ck_assert_int_eq(io->close(io->ctx, -1), -EBADF);
    ck_assert_int_eq(io->pread(io->ctx, -1, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(io->pwrite(io->ctx, -1, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(io->fdatasync(io->ctx, -1), -EBADF);
    ck_assert_int_eq(io->fsync(io->ctx, -1), -EBADF);
    ck_assert_int_eq(io->truncate(io->ctx, -1, 0), -EBADF);
    ck_assert_int_eq(io->allocate(io->ctx, -1, 0, 1), -EBADF);
    ck_assert_int_eq(io->chmod(io->ctx, -1, 0600), -EBADF);
    ck_assert_int_eq(io->stat(io->ctx, -1, &st), -EBADF);
    ck_assert_int_eq(io->space(io->ctx, -1, &space), -EBADF);
    ck_assert_int_eq(io->stat_at(io->ctx, dir, "none", &st), -ENOENT);
    ck_assert_int_eq(io->rename_at(io->ctx, dir, "none", "other"), -ENOENT);
    ck_assert_int_eq(io->unlink_at(io->ctx, dir, "none"), -ENOENT);
    ck_assert_int_eq(io->mkdir_at(io->ctx, 1 << 20, "x", 0700), -EBADF);
    ck_assert_int_eq(io->lock(io->ctx, -1), -EBADF);
    ck_assert_int_eq(io->event_set(io->ctx, -1), -EBADF);
    ck_assert_int_eq(io->event_clear(io->ctx, -1), -EBADF);
}
END_TEST

START_TEST(offsets_beyond_the_largest_file_are_refused)
{
    char byte = 0;
    int fd    = make_file("huge");

    ck_assert_int_eq(io->pread(io->ctx, fd, &byte, 1, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(io->pwrite(io->ctx, fd, &byte, 1, UINT64_MAX), -EFBIG);
    ck_assert_int_eq(io->truncate(io->ctx, fd, UINT64_MAX), -EFBIG);
    ck_assert_int_eq(io->allocate(io->ctx, fd, UINT64_MAX, 1), -EFBIG);
    ck_assert_int_eq(io->allocate(io->ctx, fd, INT64_MAX, INT64_MAX), -EFBIG);
    io->close(io->ctx, fd);
}
END_TEST

START_TEST(allocate_makes_the_file_as_large_as_asked)
{
    struct hopper_io_stat st;
    int fd = make_file("reserved"), rc = io->allocate(io->ctx, fd, 0, 100000);

    if (rc != -EOPNOTSUPP) {
        ck_assert_int_eq(rc, 0);
        ck_assert_int_eq(io->stat(io->ctx, fd, &st), 0);
        ck_assert_uint_eq(st.bytes, 100000);
    }
    io->close(io->ctx, fd);
}
END_TEST

START_TEST(a_link_below_the_directory_is_not_followed)
{
    struct hopper_io_stat st;
    char target[1100];
    int fd = make_file("target");

    io->close(io->ctx, fd);
    snprintf(target, sizeof target, "%s/target", dir_path);
    ck_assert_int_eq(symlinkat(target, dir, "link"), 0);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "link", O_RDWR, 0), -ELOOP);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "link", O_RDWR | O_CREAT, 0600), -ELOOP);
    ck_assert_int_eq(io->stat_at(io->ctx, dir, "link", &st), 0);
    ck_assert_uint_eq(st.kind, HOPPER_IO_OTHER);
}
END_TEST

START_TEST(the_directory_that_the_user_names_may_be_a_link)
{
    char link[1100];
    int fd;

    snprintf(link, sizeof link, "%s/way", dir_path);
    ck_assert_int_eq(symlink(dir_path, link), 0);
    fd = io->open_at(io->ctx, -1, link, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(fd, 0);
    io->close(io->ctx, fd);
}
END_TEST

START_TEST(opening_a_fifo_without_a_peer_returns_at_once)
{
    struct hopper_io_stat st;
    int fd;

    ck_assert_int_eq(mkfifoat(dir, "fifo", 0600), 0);
    fd = io->open_at(io->ctx, dir, "fifo", O_RDONLY, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->stat(io->ctx, fd, &st), 0);
    ck_assert_uint_eq(st.kind, HOPPER_IO_OTHER);
    io->close(io->ctx, fd);
    ck_assert_int_eq(io->open_at(io->ctx, dir, "fifo", O_WRONLY, 0), -ENXIO);
}
END_TEST

START_TEST(descriptors_are_closed_on_exec)
{
    int fd = make_file("cloexec"), event = io->event_open(io->ctx);

    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(event, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    io->close(io->ctx, fd);
    io->close(io->ctx, event);
}
END_TEST

START_TEST(a_new_directory_has_exactly_the_mode_asked_for)
{
    static const mode_t umasks[] = { 0, 022, 0777 };
    struct stat sb;
    char name[16];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "dir%d", i);
        umask(umasks[i]);
        ck_assert_int_eq(io->mkdir_at(io->ctx, dir, name, 0700), 0);
        umask(022);
        ck_assert_int_eq(fstatat(dir, name, &sb, 0), 0);
        ck_assert_uint_eq(sb.st_mode & 07777, 0700);
    }
    ck_assert_int_eq(io->mkdir_at(io->ctx, dir, "dir0", 0700), -EEXIST);
    ck_assert_int_eq(io->unlink_at(io->ctx, dir, "dir0"), -EISDIR);
}
END_TEST

static int count_name(void *arg, const char *name)
{
    ck_assert_str_ne(name, ".");
    ck_assert_str_ne(name, "..");
    ++*(int *)arg;
    return 0;
}

static int stop_at_once(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
    return 7;
}

START_TEST(a_listing_gives_every_name_once_and_can_be_repeated)
{
    char name[16];
    int count = 0, stopped = 0;

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d", i);
        io->close(io->ctx, make_file(name));
    }
    ck_assert_int_eq(io->mkdir_at(io->ctx, dir, "sub", 0700), 0);
    for (int round = 1; round <= 2; round++) {
        count = 0;
        ck_assert_int_eq(io->list(io->ctx, dir, count_name, &count), 0);
        ck_assert_int_ge(count, 21);
    }
    ck_assert_int_eq(io->list(io->ctx, dir, stop_at_once, &stopped), 7);
    ck_assert_int_eq(stopped, 1);
}
END_TEST

START_TEST(rename_takes_the_place_of_what_was_there)
{
    struct hopper_io_stat st;
    int from = make_file("from");

    ck_assert_int_eq(io->pwrite(io->ctx, from, "abc", 3, 0), 3);
    io->close(io->ctx, from);
    io->close(io->ctx, make_file("to"));
    ck_assert_int_eq(io->rename_at(io->ctx, dir, "from", "to"), 0);
    ck_assert_int_eq(io->stat_at(io->ctx, dir, "from", &st), -ENOENT);
    ck_assert_int_eq(io->stat_at(io->ctx, dir, "to", &st), 0);
    ck_assert_uint_eq(st.bytes, 3);
}
END_TEST

START_TEST(a_second_open_of_a_locked_file_cannot_lock_it_even_in_the_same_process)
{
    int first = make_file("LOCK"), second = io->open_at(io->ctx, dir, "LOCK", O_RDWR, 0);

    ck_assert_int_eq(io->lock(io->ctx, first), 0);
    ck_assert_int_eq(io->lock(io->ctx, second), -EAGAIN);
    io->close(io->ctx, second);
    second = io->open_at(io->ctx, dir, "LOCK", O_RDWR, 0);
    ck_assert_int_eq(io->lock(io->ctx, second), -EAGAIN); /* that close did not give the lock away */
    io->close(io->ctx, first);
    ck_assert_int_eq(io->lock(io->ctx, second), 0);
    io->close(io->ctx, second);
}
END_TEST

START_TEST(private_memory_is_zero_and_shared_memory_is_the_file)
{
    unsigned char *map = io->map(io->ctx, -1, 1 << 20);
    char buf[4]        = "";
    int fd             = make_file("map");

    ck_assert_ptr_nonnull(map);
    for (size_t i = 0; i < 1 << 20; i += 4096) ck_assert_uint_eq(map[i], 0);
    ck_assert_int_eq(io->unmap(io->ctx, map, 1 << 20), 0);
    ck_assert_int_eq(io->truncate(io->ctx, fd, 4096), 0);
    map = io->map(io->ctx, fd, 4096);
    ck_assert_ptr_nonnull(map);
    memcpy(map + 100, "xyz", 3);
    ck_assert_int_eq(io->pread(io->ctx, fd, buf, 3, 100), 3);
    ck_assert_str_eq(buf, "xyz");
    ck_assert_int_eq(io->unmap(io->ctx, map, 4096), 0);
    io->close(io->ctx, fd);
    ck_assert_ptr_null(io->map(io->ctx, -1, SIZE_MAX - 4096));
}
END_TEST

static bool readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN, .revents = 0 };

    return poll(&p, 1, 0) == 1;
}

START_TEST(an_event_is_readable_from_set_to_clear)
{
    int fd = io->event_open(io->ctx);

    ck_assert_int_ge(fd, 0);
    ck_assert(!readable(fd));
    ck_assert_int_eq(io->event_clear(io->ctx, fd), 0);
    ck_assert_int_eq(io->event_set(io->ctx, fd), 0);
    ck_assert_int_eq(io->event_set(io->ctx, fd), 0);
    ck_assert(readable(fd));
    ck_assert_int_eq(io->event_clear(io->ctx, fd), 0);
    ck_assert(!readable(fd));
    io->close(io->ctx, fd);
}
END_TEST

START_TEST(random_bytes_differ_and_fill_the_whole_buffer)
{
    unsigned char a[512], b[512];
    int zeros = 0;

    memset(a, 0, sizeof a);
    ck_assert_int_eq(io->random(io->ctx, a, sizeof a), 0);
    ck_assert_int_eq(io->random(io->ctx, b, sizeof b), 0);
    ck_assert_mem_ne(a, b, sizeof a);
    for (size_t i = sizeof a - 64; i < sizeof a; i++) zeros += a[i] == 0;
    ck_assert_int_lt(zeros, 16);
}
END_TEST

START_TEST(clock_space_process_and_allocator_answer)
{
    const struct hopper_platform *p = hopper_platform_posix();
    struct hopper_io_space space;
    uint64_t before = p->clock.monotonic_ns(p->clock.ctx);
    void *ptr       = p->allocator.alloc(p->allocator.ctx, 0);

    ck_assert_uint_ge(p->clock.monotonic_ns(p->clock.ctx), before);
    ck_assert_uint_gt(p->clock.realtime_ms(p->clock.ctx), UINT64_C(1600000000000));
    ck_assert_int_eq(io->space(io->ctx, dir, &space), 0);
    ck_assert_uint_gt(space.bytes_total, 0);
    ck_assert_uint_le(space.bytes_free, space.bytes_total);
    ck_assert_int_eq(io->process_id(io->ctx), getpid());
    ck_assert_ptr_nonnull(ptr);
    p->allocator.free(p->allocator.ctx, ptr);
    p->allocator.free(p->allocator.ctx, NULL);
    ck_assert_uint_eq(p->size, sizeof *p);
    ck_assert_uint_eq(p->io.size, sizeof p->io);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("platform_posix");
    TCase *tc    = tcase_create("calls");

    tcase_add_unchecked_fixture(tc, make_dir, remove_dir);
    tcase_add_checked_fixture(tc, open_dir, close_dir);
    tcase_add_test(tc, written_bytes_are_read_back_at_their_offset);
    tcase_add_test(tc, failures_are_negated_errno_values);
    tcase_add_test(tc, offsets_beyond_the_largest_file_are_refused);
    tcase_add_test(tc, allocate_makes_the_file_as_large_as_asked);
    tcase_add_test(tc, a_link_below_the_directory_is_not_followed);
    tcase_add_test(tc, the_directory_that_the_user_names_may_be_a_link);
    tcase_add_test(tc, opening_a_fifo_without_a_peer_returns_at_once);
    tcase_add_test(tc, descriptors_are_closed_on_exec);
    tcase_add_test(tc, a_new_directory_has_exactly_the_mode_asked_for);
    tcase_add_test(tc, a_listing_gives_every_name_once_and_can_be_repeated);
    tcase_add_test(tc, rename_takes_the_place_of_what_was_there);
    tcase_add_test(tc, a_second_open_of_a_locked_file_cannot_lock_it_even_in_the_same_process);
    tcase_add_test(tc, private_memory_is_zero_and_shared_memory_is_the_file);
    tcase_add_test(tc, an_event_is_readable_from_set_to_clear);
    tcase_add_test(tc, random_bytes_differ_and_fill_the_whole_buffer);
    tcase_add_test(tc, clock_space_process_and_allocator_answer);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
