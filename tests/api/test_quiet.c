/* SPDX-License-Identifier: MIT */
/*
 * The hot path asks the system for nothing: once open, sending and receiving through memory make no allocation, look at
 * no clock and make no system call unless somebody must be woken. One thread exchanges records with itself, so nobody
 * ever must. What comes from disk makes no allocation either, and one call for each block. The first is judged twice:
 *
 *   by tables   every function of the platform is counted, none may be called
 *   by kernel   a child on the real platform gives up all system calls but write and exit (seccomp), goes on exchanging,
 *               and the first other call ends it with the call's number. That sees mutexes and the C library as well
 *
 * Where the kernel knows no such filter the second half is left out, and the program says so.
 */
#include "chan.h"

#include "suite.h"
#include "tmpdir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#define WARM_UP 20000 /* records: the ring has gone round, every page was touched, every function was bound */
#define RECORDS 100000
#define BATCH   50

/* ---- the exchanges: NULL, or what went wrong; they themselves ask the system for nothing ---- */

static const char *one_by_one(hopper_sender *snd, hopper_receiver *rcv, uint64_t count)
{
    static const unsigned char bytes[300];
    struct hopper_record rec;

    for (uint64_t i = 0; i < count; i++) {
        size_t len = i % sizeof bytes;

        if (hopper_send(snd, bytes, len) != HOPPER_OK) return "a send failed";
        if (hopper_receive(rcv, &rec, HOPPER_FOREVER) != HOPPER_OK || rec.len != len) return "a receive failed";
    }
    return NULL;
}

static const char *polling(hopper_sender *snd, hopper_receiver *rcv, uint64_t count)
{
    struct hopper_record rec;

    for (uint64_t i = 0; i < count; i++) {
        if (hopper_receive(rcv, &rec, HOPPER_NOW) != HOPPER_EAGAIN) return "something came of nothing";
        if (hopper_send_until(snd, &i, sizeof i, HOPPER_NOW) != HOPPER_OK) return "a send failed";
        if (hopper_receive(rcv, &rec, HOPPER_NOW) != HOPPER_OK || rec.len != sizeof i) return "a receive failed";
        if (i % 7 == 0) hopper_acknowledge(rcv);
    }
    return NULL;
}

static const char *in_batches(hopper_sender *snd, hopper_receiver *rcv, uint64_t count)
{
    static unsigned char bytes[100];
    struct hopper_record recs[BATCH];
    struct iovec vec[BATCH];
    size_t done;

    for (size_t i = 0; i < BATCH; i++) vec[i] = (struct iovec){ bytes, i * 2 };
    for (uint64_t i = 0; i < count; i += BATCH) {
        if (hopper_send_batch(snd, vec, BATCH, HOPPER_FOREVER, &done) != HOPPER_OK) return "a batch was not sent";
        if (hopper_receive_batch(rcv, recs, BATCH, HOPPER_FOREVER, &done) != HOPPER_OK) return "no batch was received";
        for (size_t left = BATCH - done; left > 0; left -= done) /* a batch ends where the ring begins anew */
            if (hopper_receive_batch(rcv, recs, left, HOPPER_NOW, &done) != HOPPER_OK) return "a record is missing";
    }
    return NULL;
}

static const char *items(hopper_sender *snd, hopper_receiver *rcv, uint64_t count)
{
    struct hopper_record rec;
    static int item;

    for (uint64_t i = 0; i < count; i++) {
        if (hopper_send_item(snd, &item, HOPPER_FOREVER) != HOPPER_OK) return "an item was not sent";
        if (hopper_receive(rcv, &rec, HOPPER_FOREVER) != HOPPER_OK || rec.data != &item) return "no item was received";
    }
    return NULL;
}

static const struct {
    const char *(*exchange)(hopper_sender *snd, hopper_receiver *rcv, uint64_t count);
    const struct hopper_item_type *type;
    uint32_t survive;
    uint32_t threads; /* of its own, for each way; they sleep: nobody wakes them, and they call nothing */
} ways[] = {
    { one_by_one, NULL, HOPPER_SURVIVE_NOTHING, 0 }, { polling, NULL, HOPPER_SURVIVE_NOTHING, 0 },
    { in_batches, NULL, HOPPER_SURVIVE_NOTHING, 0 }, { items, &chan_item_type, HOPPER_SURVIVE_NOTHING, 0 },
    { one_by_one, NULL, HOPPER_SURVIVE_CRASH, 0 },   { in_batches, NULL, HOPPER_SURVIVE_CRASH, 0 },
    { one_by_one, NULL, HOPPER_SURVIVE_NOTHING, 1 }, { in_batches, NULL, HOPPER_SURVIVE_CRASH, 1 },
};
#define WAYS ((int)(sizeof ways / sizeof *ways))

/* ---- by tables ---- */

static struct {
    const struct hopper_clock *clock;
    uint64_t looks;
} watch;

static uint64_t look_monotonic(void *ctx)
{
    (void)ctx;
    watch.looks++;
    return watch.clock->monotonic_ns(watch.clock->ctx);
}

static uint64_t look_realtime(void *ctx)
{
    (void)ctx;
    watch.looks++;
    return watch.clock->realtime_ms(watch.clock->ctx);
}

START_TEST(memory_needs_no_function_of_the_platform)
{
    struct mem_usage before, after;
    struct hopper_platform platform;
    const char *fault;
    struct chan c;

    chan_init_flags(&c, MEM_SINGLE_THREAD);
    platform                     = *c.options.platform;
    watch.clock                  = &c.options.platform->clock;
    platform.clock.monotonic_ns  = look_monotonic;
    platform.clock.realtime_ms   = look_realtime;
    c.options.platform           = &platform;
    c.options.item_type          = ways[_i].type;
    c.options.survive            = ways[_i].survive;
    c.options.compress_threads   = ways[_i].threads;
    c.options.decompress_threads = ways[_i].threads;
    c.options.memory_bytes       = 1 << 20;
    c.options.disk_bytes         = 8 << 20;
    chan_open(&c);
    fault = ways[_i].exchange(c.snd, c.rcv, WARM_UP);
    ck_assert_msg(!fault, "warming up: %s", fault);
    mem_usage(c.mem, &before);
    watch.looks = 0;
    fault       = ways[_i].exchange(c.snd, c.rcv, RECORDS);
    mem_usage(c.mem, &after);
    ck_assert_msg(!fault, "%s", fault);
    ck_assert_uint_eq(after.calls_total, before.calls_total);
    ck_assert_uint_eq(after.allocs_total, before.allocs_total);
    ck_assert_uint_eq(watch.looks, 0);
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    chan_free(&c);
}
END_TEST

/* ---- on the way from disk ---- */

#define LARGE_BYTES  1000
#define BLOCK_OF_MIN 4096 /* bytes of a block where memory_bytes is HOPPER_MEMORY_BYTES_MIN */

/* A block comes back by one read, in which the next one's header comes as well. Besides, a file is opened, looked at
 * and removed. */
START_TEST(a_block_from_disk_costs_one_call)
{
    const uint64_t count = 8000, blocks = count / (BLOCK_OF_MIN / LARGE_BYTES);
    static const unsigned char bytes[LARGE_BYTES];
    struct mem_usage before, after;
    struct hopper_record recs[BATCH];
    uint64_t left = count;
    size_t done;
    struct chan c;

    chan_init_flags(&c, MEM_SINGLE_THREAD);
    c.options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    c.options.disk_bytes   = 64 << 20;
    c.options.file_bytes   = 16 << 20;
    c.options.compression  = _i == 0 ? HOPPER_COMPRESSION_NONE : 1;
    chan_open(&c);
    for (uint64_t i = 0; i < count; i++)
        ck_assert_int_eq(hopper_send_until(c.snd, bytes, sizeof bytes, HOPPER_NOW), HOPPER_OK);
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
    mem_usage(c.mem, &before);
    for (; left > 0; left -= done)
        ck_assert_int_eq(hopper_receive_batch(c.rcv, recs, BATCH, HOPPER_NOW, &done), HOPPER_OK);
    mem_usage(c.mem, &after);
    ck_assert_uint_eq(after.allocs_total, before.allocs_total);
    ck_assert_msg(after.calls_total - before.calls_total <= blocks + 50, "%llu calls for %llu blocks at the most",
                  (unsigned long long)(after.calls_total - before.calls_total), (unsigned long long)blocks);
    chan_close(&c);
    chan_free(&c);
}
END_TEST

/* ---- by kernel ---- */

#if defined __linux__ && defined PR_SET_NO_NEW_PRIVS && defined SECCOMP_MODE_FILTER && defined SYS_exit_group
#define HAS_FILTER 1

static bool is_told;

/* Not by _exit(): a sanitizer puts a system call of its own before what does not return. */
static void quit(int status)
{
    (void)syscall(SYS_exit_group, status);
}

static void write_number(const char *text, int number)
{
    char line[80], digits[16];
    size_t len = 0, n = 0;

    while (*text) line[len++] = *text++;
    do digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0) line[len++] = digits[--n];
    line[len++] = '\n';
    (void)!write(STDERR_FILENO, line, len);
}

static void on_forbidden(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    if (is_told) write_number("test_quiet: the library made system call ", info->si_syscall);
    quit(3);
}

/* This thread makes no system call any more but write and exit. A negated errno when that cannot be had. */
static int forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof code / sizeof *code, code };
    struct sigaction action         = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO };

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return -errno;
    return 0;
}

/* The exit status of a child that does WORK; -1: there was no child. */
static int status_of_child(void (*work)(int i, const char *dir), int i, const char *dir)
{
    int status = 0;
    pid_t pid  = fork();

    if (pid == 0) {
        work(i, dir);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Whether all other threads of this process sleep: the channel's own has come to where it waits for work. */
static bool others_sleep(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    bool sleep = true;

    if (!tasks) return true; /* no such thing here: then they may be heard */
    while (sleep && (entry = readdir(tasks)) != NULL) {
        char path[300], line[400] = "", *state;
        FILE *file;

        if (entry->d_name[0] == '.' || atol(entry->d_name) == (long)getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        if ((file = fopen(path, "r")) == NULL) continue;
        if (fgets(line, sizeof line, file) && (state = strrchr(line, ')')) != NULL && state[1] == ' ')
            sleep = state[2] == 'S';
        fclose(file);
    }
    closedir(tasks);
    return sleep;
}

static void exchange_in_silence(int i, const char *dir)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    hopper_receiver *rcv;
    hopper_sender *snd;
    const char *fault;

    is_told           = true;
    options.item_type = ways[i].type;
    options.survive   = ways[i].survive;

    options.compress_threads   = ways[i].threads;
    options.decompress_threads = ways[i].threads;
    if (hopper_open(dir, CHAN_NAME, &options, &snd, &rcv, NULL) != HOPPER_OK) _exit(4);
    if (ways[i].exchange(snd, rcv, WARM_UP)) _exit(5);
    while (!others_sleep()) sched_yield();
    if (forbid_system_calls() != 0) _exit(5);
    fault = ways[i].exchange(snd, rcv, RECORDS);
    if (fault) (void)!write(STDERR_FILENO, fault, strlen(fault));
    quit(fault ? 6 : 0);
}

static void make_a_system_call(int i, const char *dir)
{
    (void)i, (void)dir;
    if (forbid_system_calls() != 0) _exit(5);
    (void)getppid();
}

static bool filter_is_there(void)
{
    return status_of_child(make_a_system_call, 0, NULL) != 5;
}

START_TEST(the_filter_ends_who_makes_a_system_call)
{
    ck_assert_int_eq(status_of_child(make_a_system_call, 0, NULL), 3);
}
END_TEST

START_TEST(memory_needs_no_system_call)
{
    char *dir  = tmpdir_new();
    int status = status_of_child(exchange_in_silence, _i, dir);

    tmpdir_remove(dir);
    ck_assert_int_eq(status, 0);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("quiet");
    TCase *tc    = tcase_create("quiet");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, memory_needs_no_function_of_the_platform, 0, WAYS);
    tcase_add_loop_test(tc, a_block_from_disk_costs_one_call, 0, 2);
#ifdef HAS_FILTER
    if (filter_is_there()) {
        tcase_add_test(tc, the_filter_ends_who_makes_a_system_call);
        tcase_add_loop_test(tc, memory_needs_no_system_call, 0, WAYS);
    } else {
        puts("test_quiet: this kernel takes no filter: system calls are not looked at");
    }
#else
    puts("test_quiet: system calls are not looked at on this system");
#endif
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
