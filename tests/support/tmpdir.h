/* SPDX-License-Identifier: MIT */
/* A directory of its own for a test on the real file system, and its removal. */
#ifndef TESTS_TMPDIR_H
#define TESTS_TMPDIR_H

/* Make an empty directory below $TMPDIR or /tmp. The path is the caller's to free by tmpdir_remove(). Ends the test
 * when that is not possible. Meant for unchecked fixtures, so that a child that dies leaves nothing behind. */
char *tmpdir_new(void);

/* Remove the directory with all that is in it, and free the path. NULL is fine. */
void tmpdir_remove(char *path);

#endif
