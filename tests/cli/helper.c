/* SPDX-License-Identifier: MIT */
/*
 * What the shell tests of hopper-cat need and a bare machine has no tool for.
 *
 *     helper random SEED BYTES          any bytes
 *     helper lines SEED COUNT MAX       lines of 0 to MAX bytes, all values but the line end among them, NUL as well
 *     helper nonblock COMMAND...        run COMMAND with O_NONBLOCK on standard input and output
 *     helper hang COMMAND...            run COMMAND on a disk that does not answer: each pwrite() of 1000 bytes and more
 *                                       never returns, as on a dead mount. Exit status 77 when that cannot be had
 */
#include "rng.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

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

static int run(char **command)
{
    execvp(command[0], command);
    fprintf(stderr, "helper: %s: %s\n", command[0], strerror(errno));
    return 127;
}

static int run_nonblocking(char **command)
{
    for (int fd = 0; fd <= 1; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return 1;
    }
    return run(command);
}

/* The kernel asks a listener about these calls, and the listener, which COMMAND inherits, never answers. A signal ends
 * the call with EINTR, and the library makes it again. */
static int run_on_dead_disk(char **command)
{
#if defined SECCOMP_FILTER_FLAG_NEW_LISTENER && defined SECCOMP_RET_USER_NOTIF && defined SYS_pwrite64
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1000, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof code / sizeof *code, code };
    long listener;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 77;
    listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0 || fcntl((int)listener, F_SETFD, 0) != 0) return 77;
    return run(command);
#else
    (void)command;
    return 77;
#endif
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
    if (argc > 2 && strcmp(argv[1], "hang") == 0) return run_on_dead_disk(argv + 2);
    fprintf(stderr, "usage: helper random SEED BYTES | lines SEED COUNT MAX | nonblock COMMAND... | hang COMMAND...\n");
    return 2;
}
