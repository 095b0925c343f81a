/* SPDX-License-Identifier: MIT */
/*
 * A main() for a fuzz target without an engine: gives it each file named on the command line, and each file below each
 * directory named, once. `make check` replays the corpora with it, under whatever sanitizer the tree was configured
 * with; a person replays a crash with it under a debugger, without clang. No argument: the directory of the target's
 * own corpus, as named at compile time. -v before the names: print each call of the library to its platform.
 *
 * Exit status 0 when every input went through; a finding aborts. 1 when an input cannot be read or none was found,
 * so that a lost corpus is not taken for a passed test.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 1 << 24, PATH_BYTES_MAX = 4096, DEPTH_MAX = 8 };

static int replay_stream(FILE *in, const char *path)
{
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    uint8_t *exact;
    size_t len;
    int result = -1;

    if (data == NULL) return -1;
    len   = fread(data, 1, INPUT_BYTES_MAX, in);
    exact = malloc(len > 0 ? len : 1); /* so that a read past the end is one that a sanitizer sees */
    if (exact != NULL && !ferror(in)) {
        memcpy(exact, data, len);
        printf("%s\n", path);
        fflush(stdout); /* before it runs: the last name in the log is the one that failed */
        LLVMFuzzerTestOneInput(exact, len);
        result = 1;
    }
    free(exact);
    free(data);
    return result;
}

static int replay(const char *path, int depth);

static int replay_directory(const char *path, int depth)
{
    struct dirent **names = NULL;
    int count             = scandir(path, &names, NULL, alphasort);
    int total             = 0;

    if (count < 0) return -1;
    for (int i = 0; i < count; i++) {
        char below[PATH_BYTES_MAX];
        int n = 0;

        if (names[i]->d_name[0] != '.' &&
            snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name) < (int)sizeof below)
            n = replay(below, depth + 1);
        total = n < 0 || total < 0 ? -1 : total + n;
        free(names[i]);
    }
    free(names);
    return total;
}

/* Returns how many inputs were replayed, or -1. */
static int replay(const char *path, int depth)
{
    struct stat st;
    FILE *in;
    int n = -1;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (depth < DEPTH_MAX) n = replay_directory(path, depth);
    } else if ((in = fopen(path, "rb")) != NULL) {
        n = replay_stream(in, path);
        fclose(in);
    }
    if (n < 0) fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(errno));
    return n;
}

int main(int argc, char **argv)
{
    const char *srcdir = getenv("srcdir"); /* automake's tests run in the build directory */
    char corpus[PATH_BYTES_MAX];
    int total = 0;
    int first = 1;

    if (argc > 1 && strcmp(argv[1], "-v") == 0) {
        fuzz_trace = 1;
        setvbuf(stdout, NULL, _IOLBF, 0); /* it may end in abort() */
        first++;
    }
    if (first >= argc) {
        snprintf(corpus, sizeof corpus, "%s/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".", FUZZ_TARGET);
        total = replay(corpus, 0);
    }
    for (int i = first; i < argc && total >= 0; i++) {
        int n = replay(argv[i], 0);

        total = n < 0 ? -1 : total + n;
    }
    if (total > 0) printf("%s: %d inputs replayed\n", argv[0], total);
    else if (total == 0) fprintf(stderr, "%s: no input found\n", argv[0]);
    return total > 0 ? 0 : 1;
}
