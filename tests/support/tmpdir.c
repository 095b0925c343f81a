/* SPDX-License-Identifier: MIT */
/* Temporary directories. Removal follows no links and leaves other file systems alone, whatever a test has put in. */
#include "tmpdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *tmpdir_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[1024], *copy;

    if (!base || !*base) base = "/tmp";
    snprintf(path, sizeof path, "%s/hopper-test-XXXXXX", base);
    if (!mkdtemp(path)) {
        perror(path);
        abort();
    }
    copy = malloc(strlen(path) + 1);
    if (!copy) abort();
    memcpy(copy, path, strlen(path) + 1);
    return copy;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (type == FTW_DP || type == FTW_D || type == FTW_DNR) return rmdir(path);
    return unlink(path);
}

void tmpdir_remove(char *path)
{
    if (!path) return;
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0) perror(path);
    free(path);
}
