/* SPDX-License-Identifier: MIT */
/*
 * What the shell tests of hopper-cat need and a bare machine has no tool for.
 *
 *     helper random SEED BYTES          any bytes
 *     helper lines SEED COUNT MAX       lines of 0 to MAX bytes, all values but the line end among them, NUL as well
 *     helper nonblock COMMAND...        run COMMAND with O_NONBLOCK on standard input and output
 */
#include "rng.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int put_random(struct rng rng, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        if (putchar((int)(rng_next(&rng) >> 56)) == EOF) return 1;
    return fflush(stdout) != 0;
}

static int put_lines(struct rng rng, uint64_t count, uint64_t max)
{
    for (uint64_t i = 0; i < count; i++) {
        for (uint64_t len = rng_below(&rng, max + 1); len > 0; len--) {
            int byte = (int)(rng_next(&rng) >> 56);
            if (putchar(byte == '\n' ? 0 : byte) == EOF) return 1;
        }
        if (putchar('\n') == EOF) return 1;
    }
    return fflush(stdout) != 0;
}

static int run_nonblocking(char **command)
{
    for (int fd = 0; fd <= 1; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return 1;
    }
    execvp(command[0], command);
    fprintf(stderr, "helper: %s: %s\n", command[0], strerror(errno));
    return 127;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "random") == 0)
        return put_random((struct rng){ number(argv[2]) }, number(argv[3]));
    if (argc == 5 && strcmp(argv[1], "lines") == 0)
        return put_lines((struct rng){ number(argv[2]) }, number(argv[3]), number(argv[4]));
    if (argc > 2 && strcmp(argv[1], "nonblock") == 0) return run_nonblocking(argv + 2);
    fprintf(stderr, "usage: helper random SEED BYTES | lines SEED COUNT MAX | nonblock COMMAND...\n");
    return 2;
}
