/* SPDX-License-Identifier: MIT */
/*
 * A directory on a platform in memory, as a checked fixture: for tests of modules that are given file operations and
 * the descriptor of a directory. Nothing may have leaked at the end.
 */
#ifndef TESTS_DIR_FIXTURE_H
#define TESTS_DIR_FIXTURE_H

#include "platform_mem.h"

/* Of the test at hand, between the two functions. */
extern struct mem_platform *mem;
extern const struct hopper_io *io;
extern int dirfd; /* of "/q" */

void dir_fixture_setup(void);
void dir_fixture_teardown(void);

#endif
