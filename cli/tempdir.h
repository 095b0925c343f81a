/* SPDX-License-Identifier: MIT */
/* The private directory that holds a queue nobody asked to keep. */
#ifndef CLI_TEMPDIR_H
#define CLI_TEMPDIR_H

/* Make a directory of mode 0700 under $TMPDIR, or /tmp when that is not set. *PATHP is its name, to be given to
 * tempdir_remove() and free(); on failure it is NULL. 0, or a negated errno. */
int tempdir_make(char **pathp);

/* Remove the directory PATH with the files in it and in its directories. Works while another thread still creates files
 * there. 0, or a negated errno when something is left. */
int tempdir_remove(const char *path);

/* The directory to make it in: TMPDIR or /tmp. */
const char *tempdir_parent(void);

#endif
