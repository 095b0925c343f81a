/* SPDX-License-Identifier: MIT */
/* See dir_fixture.h. */
#include "dir_fixture.h"

#include <check.h>
#include <fcntl.h>

struct mem_platform *mem;
const struct hopper_io *io;
int dirfd;

void dir_fixture_setup(void)
{
    mem = mem_platform_new(NULL);
    io  = &mem_platform_table(mem)->io;
    ck_assert_int_eq(mem_mkdir(mem, "/q", 0700), 0);
    dirfd = io->open_at(io->ctx, -1, "/q", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(dirfd, 0);
}

void dir_fixture_teardown(void)
{
    io->close(io->ctx, dirfd);
    ck_assert_msg(!mem_platform_leaks(mem), "%s", mem_platform_leaks(mem));
    mem_platform_free(mem);
}
