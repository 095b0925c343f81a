/* SPDX-License-Identifier: MIT */
/*
 * The private directory. Normal path: the library has removed its queue files when the channel is closed, and what is
 * left is an almost empty directory. On a second signal a thread may be stuck in a system call and the channel cannot
 * be closed: then everything is removed under it. It may create a file between our looking and our rmdir(), so that is
 * tried again; once the directory is gone, creating fails.
 */
#include "tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REMOVE_TRIES 200 /* of 5 ms */

const char *tempdir_parent(void)
{
    const char *parent = getenv("TMPDIR");

    return parent != NULL && *parent != '\0' ? parent : "/tmp";
}

int tempdir_make(char **pathp)
{
    static const char pattern[] = "/hopper-cat.XXXXXX";
    const char *parent          = tempdir_parent();
    size_t len;
    char *path;
    int err;

    *pathp = NULL;
    len     = strlen(parent);
    if ((path = malloc(len + sizeof pattern)) == NULL) return -ENOMEM;
    memcpy(path, parent, len);
    memcpy(path + len, pattern, sizeof pattern);
    if (mkdtemp(path) == NULL || chmod(path, 0700) != 0) { /* the umask may have taken bits away */
        err = errno;
        free(path);
        return -err;
    }
    *pathp = path;
    return 0;
}

static int remove_below(int dirfd, const char *name, int depth);

static int remove_entry(int dirfd, const char *name, int depth)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
    if (depth > 0) (void)remove_below(dirfd, name, depth - 1);
    return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Remove what is in the directory NAME, not the directory itself. Symbolic links are removed, not followed. */
static int remove_below(int dirfd, const char *name, int depth)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir;
    struct dirent *entry;
    int err, first = 0;

    if (fd < 0) return errno == ENOENT ? 0 : -errno;
    if ((dir = fdopendir(fd)) == NULL) {
        err = -errno;
        (void)close(fd);
        return err;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if ((err = remove_entry(fd, entry->d_name, depth)) != 0 && first == 0) first = err;
    }
    (void)closedir(dir);
    return first;
}

int tempdir_remove(const char *path)
{
    const struct timespec pause = { 0, 5000000 };
    int err                     = 0;

    for (int tries = 0; tries < REMOVE_TRIES; tries++) {
        (void)remove_below(AT_FDCWD, path, 1);
        err = rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
        if (err != -ENOTEMPTY && err != -EEXIST) break;
        (void)nanosleep(&pause, NULL);
    }
    return err;
}
