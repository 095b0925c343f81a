/* SPDX-License-Identifier: MIT */
/*
 * The pipe: `cat FILE | X > /dev/null`, from the start of both to the end of both. --variant is X: hopper-cat, cat, pv,
 * mbuffer, buffer, or floor: read, memchr for each line, write, which is the least that a program can do that has to
 * know where lines end.
 *
 * --data is what the lines are: log (as in the overflow work), short (one letter and the newline), huge (1 MiB), and
 * --bytes how much of it, in a file in --dir that is made once and used again (the runner removes it). --cpus 1: all of
 * it on one CPU. Before the clock runs, the file goes through X once more and what comes out is compared with it byte
 * by byte; a difference fails the run. cpu_seconds is what X used, cat not counted.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES  (1 << 20)
#define FLOOR_BYTES ((size_t)256 << 10)
#define HUGE_BYTES  ((uint64_t)1 << 20)

struct input {
    char path[4096];
    uint64_t bytes;
    uint64_t lines;
    char *text; /* all of it, mapped */
};

/* ---- the file ---- */

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, bytes, len);

        if (done < 0 && errno != EINTR) bench_die("write", strerror(errno));
        if (done > 0) {
            bytes += done;
            len -= (size_t)done;
        }
    }
}

/* Eight MiB of lines of the kind that is asked for, ending with a newline; LEN says how much it is. */
static char *piece_make(const struct bench_work *work, size_t *len)
{
    struct bench_work lines = *work;
    struct bench_data data;
    size_t at   = 0;
    char *piece = bench_alloc((size_t)16 << 20, 1);

    lines.bytes = 8 << 20;
    lines.data  = "log";
    bench_data_make(&data, &lines);
    for (size_t i = 0; i < data.count; i++) {
        memcpy(piece + at, data.records[i].iov_base, data.records[i].iov_len);
        at += data.records[i].iov_len;
        piece[at++] = '\n';
    }
    bench_data_free(&data);
    if (strcmp(work->data, "short") == 0)
        for (size_t i = 0; i < at; i++) piece[i] = i % 2 == 0 ? (char)('a' + i / 2 % 26) : '\n';
    if (strcmp(work->data, "short") == 0) at -= at % 2;
    if (strcmp(work->data, "huge") == 0) {
        at -= at % HUGE_BYTES;
        for (size_t i = 0; i < at; i++)
            if ((i + 1) % HUGE_BYTES == 0) piece[i] = '\n';
            else if (piece[i] == '\n') piece[i] = ' ';
    }
    *len = at;
    return piece;
}

/* Written under another name first, so that a file under its own name is whole. */
static void input_make(const struct bench_work *work, const struct input *input)
{
    char path[sizeof input->path + 8];
    size_t len;
    char *piece   = piece_make(work, &len);
    uint64_t done = 0;
    int fd;

    snprintf(path, sizeof path, "%s-new", input->path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) bench_die(path, strerror(errno));
    for (; done < work->bytes; done += len) write_all(fd, piece, len);
    if (close(fd) != 0 || rename(path, input->path) != 0) bench_die(path, strerror(errno));
    free(piece);
}

static void input_open(const struct bench_work *work, struct input *input)
{
    struct stat info;
    int fd;

    if (snprintf(input->path, sizeof input->path, "%s/bench-input-%s-%llu", work->dir, work->data,
                 (unsigned long long)work->bytes) >= (int)sizeof input->path)
        bench_die("--dir", "too long");
    if (access(input->path, R_OK) != 0) input_make(work, input);
    fd = open(input->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) bench_die(input->path, strerror(errno));
    input->bytes = (uint64_t)info.st_size;
    input->text  = mmap(NULL, (size_t)input->bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (input->text == MAP_FAILED) bench_die("mmap", strerror(errno));
    close(fd);
    for (const char *at = input->text, *end = at + input->bytes; at < end; input->lines++)
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
}

/* ---- X ---- */

/* Read, find the lines, write: as many whole lines as there are with each write. */
static int floor_run(void)
{
    char *buffer   = bench_alloc(FLOOR_BYTES + HUGE_BYTES, 1);
    size_t room    = FLOOR_BYTES + HUGE_BYTES;
    size_t filled  = 0;
    uint64_t lines = 0;
    ssize_t got;

    (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
    while ((got = read(STDIN_FILENO, buffer + filled, room - filled < FLOOR_BYTES ? room - filled : FLOOR_BYTES)) > 0) {
        size_t whole = 0;
        size_t at    = filled; /* no newline before it */
        char *newline;

        for (filled += (size_t)got; (newline = memchr(buffer + at, '\n', filled - at)) != NULL; lines++)
            whole = at = (size_t)(newline - buffer) + 1;
        write_all(STDOUT_FILENO, buffer, whole);
        memmove(buffer, buffer + whole, filled - whole);
        filled -= whole;
    }
    write_all(STDOUT_FILENO, buffer, filled);
    return got < 0 || lines == 0;
}

static void hopper_cat_exec(const char *dir)
{
    char path[4096];

    setenv("LD_LIBRARY_PATH", BENCH_BUILD "/lib/" BENCH_OBJDIR, 1);
    setenv("TMPDIR", dir, 1);
    snprintf(path, sizeof path, "%s/cli/%s/hopper-cat", BENCH_BUILD, BENCH_OBJDIR);
    execl(path, "hopper-cat", (char *)NULL);
    execl(BENCH_BUILD "/cli/hopper-cat", "hopper-cat", (char *)NULL); /* linked statically */
}

/* Become X, reading IN and writing OUT. */
_Noreturn static void tool_become(const struct bench_work *work, int in, int out)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (strcmp(work->variant, "mbuffer") == 0)
        dup2(null, STDERR_FILENO); /* it prints a summary, and its -q is not all */
    if (strcmp(work->variant, "floor") == 0) {
        for (int fd = STDERR_FILENO + 1; fd < 64; fd++) close(fd); /* or it would wait for its own end of the pipe */
        _exit(floor_run());
    }
    if (strcmp(work->variant, "hopper-cat") == 0) hopper_cat_exec(work->dir);
    if (strcmp(work->variant, "pv") == 0) execlp("pv", "pv", "-q", (char *)NULL);
    if (strcmp(work->variant, "mbuffer") == 0) execlp("mbuffer", "mbuffer", "-q", "-m", "16M", (char *)NULL);
    if (strcmp(work->variant, "buffer") == 0) execlp("buffer", "buffer", "-s", "256k", "-m", "8m", (char *)NULL);
    if (strcmp(work->variant, "cat") == 0) execlp("cat", "cat", (char *)NULL);
    _exit(127);
}

static pid_t cat_start(const struct input *input, int out)
{
    pid_t pid = fork();

    if (pid < 0) bench_die("fork", strerror(errno));
    if (pid > 0) return pid;
    dup2(out, STDOUT_FILENO);
    execlp("cat", "cat", input->path, (char *)NULL);
    _exit(127);
}

static pid_t tool_start(const struct bench_work *work, int in, int out)
{
    pid_t pid = fork();

    if (pid < 0) bench_die("fork", strerror(errno));
    if (pid == 0) tool_become(work, in, out);
    return pid;
}

/* Wait for PID, add what it used to CPU. Ends the program when it failed, or could not be run at all. */
static void tool_wait(const struct bench_work *work, pid_t pid, double *cpu)
{
    struct rusage usage;
    int status;

    if (wait4(pid, &status, 0, &usage) != pid) bench_die("wait4", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) exit(BENCH_UNSUPPORTED);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) bench_die(work->variant, "failed");
    *cpu += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- the runs ---- */

/* Compare what comes from IN with the file. Returns whether it is the same, to the last byte. */
static bool output_compare(const struct input *input, int in)
{
    char *buffer = bench_alloc(FLOOR_BYTES, 1);
    uint64_t at  = 0;
    bool is_same = true;
    ssize_t got;

    while ((got = read(in, buffer, FLOOR_BYTES)) > 0) {
        if (is_same && (uint64_t)got <= input->bytes - at) is_same = memcmp(buffer, input->text + at, (size_t)got) == 0;
        else is_same = false;
        at += (uint64_t)got;
    }
    free(buffer);
    return is_same && got == 0 && at == input->bytes;
}

/* One run of the pipe into OUT, or into a comparison when OUT is negative. */
static bool pipe_run(const struct bench_work *work, const struct input *input, int out, double *cpu)
{
    double other = 0;
    bool is_same = true;
    int front[2], back[2];
    pid_t cat, tool;

    if (pipe2(front, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) bench_die("pipe2", strerror(errno));
    cat  = cat_start(input, front[1]);
    tool = tool_start(work, front[0], out >= 0 ? out : back[1]);
    close(front[0]);
    close(front[1]);
    close(back[1]);
    if (out < 0) is_same = output_compare(input, back[0]);
    close(back[0]);
    tool_wait(work, tool, cpu);
    tool_wait(work, cat, &other);
    return is_same;
}

int main(int argc, char **argv)
{
    static struct bench_work work;
    static struct input input;
    int null;
    double cpu  = 0;
    uint64_t ns = 0;
    bool is_same;

    work.data = "log";
    if (bench_args(argc, argv, &work) != BENCH_OK) return BENCH_USAGE;
    bench_cpus(&work);
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    input_open(&work, &input);
    is_same = pipe_run(&work, &input, -1, &cpu);
    cpu     = 0;
    for (uint64_t i = 0; i < work.passes; i++) {
        uint64_t start_ns = bench_now_ns();

        pipe_run(&work, &input, null, &cpu);
        ns += bench_now_ns() - start_ns;
    }
    printf("peer=%s phase=pipe messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=%d\n", work.variant,
           (unsigned long long)(input.lines * work.passes), (unsigned long long)(input.bytes * work.passes),
           (double)ns / 1e9, cpu, is_same);
    return is_same ? BENCH_OK : BENCH_FAILED;
}
