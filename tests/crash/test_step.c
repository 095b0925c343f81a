/* SPDX-License-Identifier: MIT */
/*
 * A kill at every single instruction of a send, a batch, a receive with its acknowledgement, an overflow, a flush, a
 * close. The child is single-stepped; a process that is stopped leaves exactly what it would leave if it were killed
 * there: what is in the page cache. So after each instruction that has changed the mapped memory, made a system call,
 * or after which the ledger promises more, the parent copies the directory into a platform_mem, opens it there and
 * judges what comes.
 *
 * With TSan, which makes of each instruction some ten, and whose races are not this test's business, a sample: the
 * beginning of each section, in which the child is looked at only every so many instructions. Elsewhere all of it,
 * after each.
 *
 *   HOPPER_STEP_EVERY=N    look after every N-th instruction
 *   HOPPER_STEP_ONLY=NAME  this section only
 *
 * Skipped (77) where ptrace is not permitted or cannot step.
 */
#include "crash_disk.h"
#include "life.h"
#include "rng.h"
#include "tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined __SANITIZE_THREAD__
#define THREADS_CHECKED
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define THREADS_CHECKED
#endif
#endif
#if defined THREADS_CHECKED
#define EVERY       97
#define STEPS_TAKEN 25000
#else
#define EVERY       1
#define STEPS_TAKEN UINT64_MAX
#endif

#define ENTRIES   4096
#define STEPS_MAX 20000000 /* more, and the section does not end */
#define SKIPPED   77

struct shared {
    struct ledger ledger;
    struct ledger_entry entries[ENTRIES];
    volatile int is_done;
    char fault[LIFE_FAULT_BYTES];
};

struct section {
    const char *name;
    uint32_t survive;
    void (*prepare)(struct life *life);
    void (*act)(struct life *life);
};

static struct shared *shared;
static uint64_t every; /* so many instructions the child is looked at */

/* ---- what is stepped through ---- */

static void prepare_nothing(struct life *life)
{
    (void)life;
}

static void prepare_three(struct life *life)
{
    life_send(life, 3, 100);
}

static void prepare_received(struct life *life)
{
    life_send(life, 5, 200);
    life_receive(life, 3);
}

/* The ring is full but for less than a message of 3000. */
static void prepare_full_ring(struct life *life)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    for (int i = 0; i < 100 && stats.overflowed == 0; i++) {
        life_send(life, 1, 3000);
        (void)hopper_sender_stats(life->snd, &stats);
    }
}

/* Some in files, some in blocks, and room in the ring again. */
static void prepare_on_disk(struct life *life)
{
    prepare_full_ring(life);
    life_send(life, 30, 3000);
    life_receive_batch(life, 20);
}

static void prepare_file_done(struct life *life)
{
    prepare_full_ring(life);
    life_send(life, 30, 3000);
    life_flush(life);
    while (life->ledger->received < life->ledger->count - 2 && !life->fault[0]) life_receive_batch(life, 10);
}

/* Behind a block of short records of one length, so that the next one but one opens a block in which they stand bare:
 * the first block begins with the record for which the ring had no room, the second one has one place left. */
static void prepare_bare(struct life *life)
{
    const unsigned block = 8192, header = 2, large = 3000 + 3, len = 64 + header;

    prepare_full_ring(life);
    life_send(life, (block - large) / len + block / len - 1, 64);
}

/* docs/format.md, MEMORY: a block that is in use and says how long its records are. */
static bool has_bare_block(const struct life *life)
{
    unsigned char bytes[4096] = { 0 };
    bool has_one              = false;
    char path[400];
    int fd;

    (void)snprintf(path, sizeof path, "%s/" LIFE_NAME "/MEMORY", life->dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, bytes, sizeof bytes, 0) < 0) return false;
    (void)close(fd);
    for (size_t at = 1024; at < 3072; at += 64) {
        uint64_t fill;
        uint32_t record_bytes;

        memcpy(&fill, bytes + at, sizeof fill);
        memcpy(&record_bytes, bytes + at + 32, sizeof record_bytes);
        has_one |= fill > 0 && record_bytes > 0;
    }
    return has_one;
}

static void act_send_bare(struct life *life)
{
    life_send(life, 4, 64);
    if (!has_bare_block(life)) (void)snprintf(life->fault, sizeof life->fault, "no block has bare records");
    life_send(life, 1, 70);
}

static void act_send(struct life *life)
{
    life_send(life, 1, 100);
}

static void act_send_large(struct life *life)
{
    life_send(life, 2, 3000);
}

static void act_batch(struct life *life)
{
    life_batch(life, 5, 120);
}

static void act_receive(struct life *life)
{
    life_receive(life, 2);
    life_acknowledge(life);
}

static void act_acknowledge_until(struct life *life)
{
    life_acknowledge_until(life, 2);
    life_acknowledge_until(life, 3);
}

static void act_flush(struct life *life)
{
    life_flush(life);
}

static void act_close(struct life *life)
{
    life_close(life);
}

static const struct section sections[] = {
    { "send", HOPPER_SURVIVE_CRASH, prepare_three, act_send },
    { "first send", HOPPER_SURVIVE_CRASH, prepare_nothing, act_send },
    { "batch", HOPPER_SURVIVE_CRASH, prepare_three, act_batch },
    { "receive, acknowledge", HOPPER_SURVIVE_CRASH, prepare_three, act_receive },
    { "acknowledge until", HOPPER_SURVIVE_CRASH, prepare_received, act_acknowledge_until },
    { "first overflow", HOPPER_SURVIVE_CRASH, prepare_full_ring, act_send_large },
    { "overflow", HOPPER_SURVIVE_CRASH, prepare_on_disk, act_send_large },
    { "overflow without headers", HOPPER_SURVIVE_CRASH, prepare_bare, act_send_bare },
    { "flush", HOPPER_SURVIVE_CRASH, prepare_on_disk, act_flush },
    { "receive from a file", HOPPER_SURVIVE_CRASH, prepare_on_disk, act_receive },
    { "acknowledge a file", HOPPER_SURVIVE_CRASH, prepare_file_done, act_receive },
    { "close", HOPPER_SURVIVE_CRASH, prepare_on_disk, act_close },
    { "send", HOPPER_SURVIVE_POWER_LOSS, prepare_three, act_send },
    { "batch", HOPPER_SURVIVE_POWER_LOSS, prepare_three, act_batch },
    { "receive, acknowledge", HOPPER_SURVIVE_POWER_LOSS, prepare_three, act_receive },
    { "close", HOPPER_SURVIVE_POWER_LOSS, prepare_received, act_close },
};
#define SECTIONS (sizeof sections / sizeof *sections)

static void set_options(struct hopper_options *options, uint32_t survive)
{
    *options              = (struct hopper_options)HOPPER_OPTIONS_INIT;
    options->memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    options->disk_bytes   = 1 << 20;
    options->file_bytes   = 32 << 10;
    options->when_full    = HOPPER_FULL_REFUSE;
    options->compression  = HOPPER_COMPRESSION_NONE;
    options->acknowledge  = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options->survive      = survive;
}

static void child(const struct section *section, const char *dir)
{
    struct hopper_options options;
    struct life life;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) _exit(SKIPPED);
    set_options(&options, section->survive);
    life_init(&life, &shared->ledger, &options, hopper_platform_posix());
    life.dir = dir;
    life_open(&life);
    section->prepare(&life);
    raise(SIGSTOP);
    section->act(&life);
    snprintf(shared->fault, sizeof shared->fault, "%s", life.fault);
    shared->is_done = 1;
    raise(SIGSTOP);
    _exit(0);
}

/* ---- looking ---- */

struct watch {
    const struct section *section;
    const char *dir;
    struct mem_platform *mem;
    struct hopper_platform table; /* of mem, with the system's boot id */
    int fd;                       /* of MEMORY */
    unsigned char *memory, *seen; /* the mapped file, and what it held at the last look; NULL: there is none */
    size_t memory_bytes;
    uint64_t ledger_seen;
    uint64_t steps, judged;
    char fault[2 * LIFE_FAULT_BYTES];
};

static int system_boot_id(void *ctx, void *id16)
{
    const struct hopper_io *io = &hopper_platform_posix()->io;

    (void)ctx;
    return io->boot_id(io->ctx, id16);
}

static bool copy_file(struct watch *watch, int dirfd, const char *name)
{
    int fd         = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    struct stat st = { .st_size = 0 };
    void *data     = NULL;
    bool is_copied = false;
    char path[300];

    snprintf(path, sizeof path, LIFE_DIR "/" LIFE_NAME "/%s", name);
    if (fd >= 0 && fstat(fd, &st) == 0) {
        data      = calloc(1, (size_t)st.st_size + 1);
        is_copied = data && pread(fd, data, (size_t)st.st_size, 0) == st.st_size &&
                    mem_write_file(watch->mem, path, data, (size_t)st.st_size) == 0 &&
                    mem_chmod(watch->mem, path, st.st_mode & 07777) == 0;
    }
    free(data);
    if (fd >= 0) close(fd);
    return is_copied;
}

static bool copy_dir(struct watch *watch)
{
    char path[300];
    const struct dirent *entry;
    bool is_copied = true;
    DIR *dir;

    mem_platform_reset(watch->mem);
    (void)mem_mkdir(watch->mem, LIFE_DIR, 0700);
    (void)mem_mkdir(watch->mem, LIFE_DIR "/" LIFE_NAME, 0700);
    snprintf(path, sizeof path, "%s/" LIFE_NAME, watch->dir);
    if (!(dir = opendir(path))) return false;
    while (is_copied && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') is_copied = copy_file(watch, dirfd(dir), entry->d_name);
    closedir(dir);
    return is_copied;
}

/* As if the child had been killed where it stands. */
static void judge_now(struct watch *watch)
{
    struct hopper_options options;
    struct ledger ledger;
    struct life life;

    watch->judged++;
    if (!copy_dir(watch)) {
        snprintf(watch->fault, sizeof watch->fault, "the directory could not be copied: %s", strerror(errno));
        return;
    }
    set_options(&options, watch->section->survive);
    ledger_copy(&ledger, &shared->ledger);
    life_init(&life, &ledger, &options, &watch->table);
    life_recover(&life, false);
    life_use(&life);
    life_close(&life);
    if (life.fault[0]) snprintf(watch->fault, sizeof watch->fault, "%s, at step %" PRIu64, life.fault, watch->steps);
    ledger_fini(&ledger);
}

/* Is something else there than at the last look? HAS_CALLED: the child has made a system call. */
static bool has_changed(struct watch *watch, bool has_called)
{
    const uint64_t hash = ledger_hash(&shared->ledger);
    bool is_changed     = has_called || hash != watch->ledger_seen;

    watch->ledger_seen = hash;
    if (watch->memory && memcmp(watch->memory, watch->seen, watch->memory_bytes) != 0) {
        memcpy(watch->seen, watch->memory, watch->memory_bytes);
        is_changed = true;
    }
    return is_changed;
}

/* Is the next instruction a system call? Where that cannot be told: yes. */
static bool will_call(pid_t pid)
{
#if defined __x86_64__
    long pc   = ptrace(PTRACE_PEEKUSER, pid, (void *)offsetof(struct user_regs_struct, rip), NULL);
    long code = ptrace(PTRACE_PEEKTEXT, pid, (void *)pc, NULL);

    return (code & 0xffff) == 0x050f;
#else
    (void)pid;
    return true;
#endif
}

static void map_memory(struct watch *watch)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof path, "%s/" LIFE_NAME "/MEMORY", watch->dir);
    watch->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (watch->fd < 0 || fstat(watch->fd, &st) < 0) return;
    watch->memory_bytes = (size_t)st.st_size;
    watch->memory       = mmap(NULL, watch->memory_bytes, PROT_READ, MAP_SHARED, watch->fd, 0);
    if (watch->memory == MAP_FAILED) abort();
    watch->seen = malloc(watch->memory_bytes);
    if (!watch->seen) abort();
    memcpy(watch->seen, watch->memory, watch->memory_bytes);
}

static void unmap_memory(struct watch *watch)
{
    if (watch->memory) munmap(watch->memory, watch->memory_bytes);
    if (watch->fd >= 0) close(watch->fd);
    free(watch->seen);
}

/* Step PID to the end of its section. */
static void step_through(struct watch *watch, pid_t pid)
{
    int status = 0;

    while (!shared->is_done && !watch->fault[0] && watch->steps < STEPS_TAKEN) {
        const bool is_look = watch->steps % every == 0, has_called = is_look && will_call(pid);

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 || waitpid(pid, &status, __WALL) != pid ||
            !WIFSTOPPED(status)) {
            snprintf(watch->fault, sizeof watch->fault, "stepping ended with status 0x%x at step %" PRIu64,
                     (unsigned)status, watch->steps);
            return;
        }
        if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
            snprintf(watch->fault, sizeof watch->fault, "signal %d at step %" PRIu64, WSTOPSIG(status), watch->steps);
        if (++watch->steps == STEPS_MAX) snprintf(watch->fault, sizeof watch->fault, "does not end");
        if (is_look && has_changed(watch, has_called)) judge_now(watch);
    }
    if (!watch->fault[0]) judge_now(watch);
    if (shared->fault[0]) snprintf(watch->fault, sizeof watch->fault, "in the child: %s", shared->fault);
}

static void reset_ledger(uint32_t survive)
{
    struct hopper_options options;

    set_options(&options, survive);
    memset(shared, 0, sizeof *shared);
    ledger_init(&shared->ledger, &options);
    shared->ledger.sent = shared->entries; /* with room enough, so that it never moves */
    shared->ledger.room = ENTRIES;
}

/* Whether all is well; -1: no stepping here. */
static int run_section(const struct section *section, struct mem_platform *mem)
{
    struct watch watch = { .section = section, .mem = mem, .table = *mem_platform_table(mem), .fd = -1 };
    char *dir          = tmpdir_new();
    int status = 0, is_well = -1;
    pid_t pid;

    watch.dir              = dir;
    watch.table.io.boot_id = system_boot_id;
    reset_ledger(section->survive);
    fflush(stdout);
    if ((pid = fork()) == 0) child(section, dir);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        map_memory(&watch);
        judge_now(&watch);
        step_through(&watch, pid);
        kill(pid, SIGKILL);
        waitpid(pid, &status, __WALL);
        unmap_memory(&watch);
        is_well = !watch.fault[0];
        printf("test_step: %-10s %-22s %7" PRIu64 " instructions, %5" PRIu64 " states judged%s%s\n",
               section->survive == HOPPER_SURVIVE_CRASH ? "CRASH" : "POWER_LOSS", section->name, watch.steps,
               watch.judged, is_well ? "" : ": FAIL: ", watch.fault);
    }
    tmpdir_remove(dir);
    return is_well;
}

int main(void)
{
    struct mem_platform *mem = mem_platform_new(NULL);
    const char *only         = getenv("HOPPER_STEP_ONLY");
    int failed               = 0;

    every = env_number("HOPPER_STEP_EVERY", EVERY);
    if (every == 0) every = 1;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 99;
    for (size_t i = 0; i < SECTIONS; i++) {
        int is_well;

        if (only && strcmp(only, sections[i].name) != 0) continue;
        is_well = run_section(&sections[i], mem);
        if (is_well < 0) {
            printf("test_step: SKIPPED: ptrace is not permitted here\n");
            return SKIPPED;
        }
        failed += !is_well;
    }
    mem_platform_free(mem);
    return failed > 0;
}
