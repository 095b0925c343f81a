/* SPDX-License-Identifier: MIT */
/*
 * The crash scenarios on a real file system that is cut in the middle: tests/crash/real_fs.sh makes the images, this
 * program runs on them.
 *
 *     real_fs shutdown DEVICE MOUNTPOINT FSTYPE ROUNDS SEED [no-sync]
 *         In each round a channel in MOUNTPOINT is used, and before its N-th call that changes or syncs something the file
 *         system is shut down as a power cut would: nothing more reaches the device, not even the journal that is in memory.
 *         Then it is mounted again, and what is there is judged by the ledger.
 *     real_fs snapshot IMAGE CLONE MOUNTPOINT FSTYPE ROUNDS SEED [no-sync]
 *         A child uses a channel in the file system of IMAGE without end; IMAGE is cloned (FICLONE) at some moment, the clone
 *         is mounted at MOUNTPOINT and judged. IMAGE itself is mounted at MOUNTPOINT.live.
 *
 * With no-sync all syncs do nothing: the control. It has to lose something, or the whole proves nothing.
 */
#include "life.h"
#include "rng.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FS_IOC_SHUTDOWN_ _IOR('X', 125, uint32_t) /* ext4 and xfs have the same */
#define NO_LOG_FLUSH     2U
#define FICLONE_         _IOW(0x94, 9, int)
#define ENTRIES          65536

/* ---- a platform that cuts ---- */

struct cutter {
    struct hopper_platform table;
    const char *mountpoint;
    uint64_t calls, cut_at; /* before that call; 0: never */
    uint64_t boots;
    bool no_sync, is_cut;
};

static const struct hopper_io *posix_io(void)
{
    return &hopper_platform_posix()->io;
}

static void shut_down(struct cutter *cutter)
{
    uint32_t how = NO_LOG_FLUSH;
    int fd       = open(cutter->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if ((fd < 0 || ioctl(fd, FS_IOC_SHUTDOWN_, &how) < 0) && errno != EIO) { /* EIO: it is down already */
        perror("real_fs: shutdown");
        exit(99);
    }
    if (fd >= 0) close(fd);
    cutter->is_cut = true;
}

static const struct hopper_io *counted(void *ctx)
{
    struct cutter *cutter = ctx;

    if (++cutter->calls == cutter->cut_at) shut_down(cutter);
    return posix_io();
}

#define COUNT(result, name, parameters, ...)       \
    static result cut_##name parameters            \
    {                                              \
        const struct hopper_io *io = counted(ctx); \
                                                   \
        return io->name(io->ctx, __VA_ARGS__);     \
    }
COUNT(int, open_at, (void *ctx, int dirfd, const char *name, int flags, unsigned mode), dirfd, name, flags, mode)
COUNT(ssize_t, pwrite, (void *ctx, int fd, const void *buf, size_t len, uint64_t offset), fd, buf, len, offset)
COUNT(int, truncate, (void *ctx, int fd, uint64_t bytes), fd, bytes)
COUNT(int, allocate, (void *ctx, int fd, uint64_t offset, uint64_t bytes), fd, offset, bytes)
COUNT(int, rename_at, (void *ctx, int dirfd, const char *from, const char *to), dirfd, from, to)
COUNT(int, unlink_at, (void *ctx, int dirfd, const char *name), dirfd, name)
COUNT(int, mkdir_at, (void *ctx, int dirfd, const char *name, unsigned mode), dirfd, name, mode)
#undef COUNT

#define SYNC(name, parameters, ...)                                                  \
    static int cut_##name parameters                                                 \
    {                                                                                \
        const struct hopper_io *io = counted(ctx);                                   \
                                                                                     \
        return ((struct cutter *)ctx)->no_sync ? 0 : io->name(io->ctx, __VA_ARGS__); \
    }
SYNC(fdatasync, (void *ctx, int fd), fd)
SYNC(fsync, (void *ctx, int fd), fd)
SYNC(sync_map, (void *ctx, void *addr, size_t bytes), addr, bytes)
#undef SYNC

static int cut_boot_id(void *ctx, void *id16)
{
    memset(id16, 0, 16);
    memcpy(id16, &((struct cutter *)ctx)->boots, sizeof(uint64_t));
    return 0;
}

static void cutter_init(struct cutter *cutter, const char *mountpoint, bool no_sync)
{
    struct hopper_io *io;

    memset(cutter, 0, sizeof *cutter);
    cutter->table      = *hopper_platform_posix();
    cutter->mountpoint = mountpoint;
    cutter->no_sync    = no_sync;
    cutter->boots      = 1;
    io                 = &cutter->table.io;
    io->ctx            = cutter;
    io->open_at        = cut_open_at;
    io->pwrite         = cut_pwrite;
    io->fdatasync      = cut_fdatasync;
    io->fsync          = cut_fsync;
    io->truncate       = cut_truncate;
    io->allocate       = cut_allocate;
    io->rename_at      = cut_rename_at;
    io->unlink_at      = cut_unlink_at;
    io->mkdir_at       = cut_mkdir_at;
    io->sync_map       = cut_sync_map;
    io->boot_id        = cut_boot_id;
}

/* ---- what is done on it ---- */

static void set_options(struct hopper_options *options, uint32_t survive)
{
    *options              = (struct hopper_options)HOPPER_OPTIONS_INIT;
    options->memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    options->disk_bytes   = 2 << 20;
    options->file_bytes   = 16 << 10;
    options->when_full    = HOPPER_FULL_REFUSE;
    options->compression  = HOPPER_COMPRESSION_NONE;
    options->acknowledge  = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options->survive      = survive;
}

static void one_step(struct life *life, struct rng *rng)
{
    const uint64_t received = life->ledger->received;

    switch (rng_below(rng, 6)) {
    case 0: life_batch(life, (unsigned)rng_between(rng, 2, 12), (size_t)rng_between(rng, 24, 1500)); break;
    case 1: life_receive_batch(life, (unsigned)rng_between(rng, 1, 12)); break;
    case 2:
        if (received > life->ledger->acking)
            life_acknowledge_until(life, rng_between(rng, life->ledger->acking, received));
        break;
    default: life_send(life, 1, (size_t)rng_between(rng, 24, 3000)); break;
    }
}

/* What the control is for: not that something else is wrong. */
static bool is_loss(const char *why)
{
    return strstr(why, "missing") != NULL || strstr(why, "gap") != NULL;
}

/* ---- cut by the shutdown ioctl ---- */

static void must_mount(const char *device, const char *mountpoint, const char *type)
{
    if (mount(device, mountpoint, type, 0, strcmp(type, "xfs") == 0 ? "nouuid" : NULL) == 0) return;
    fprintf(stderr, "real_fs: mount %s: %s\n", device, strerror(errno));
    exit(99);
}

static void must_unmount(const char *mountpoint)
{
    if (umount(mountpoint) == 0) return;
    fprintf(stderr, "real_fs: umount %s: %s\n", mountpoint, strerror(errno));
    exit(99);
}

struct cut_args {
    const char *device, *mountpoint, *type;
    bool no_sync;
};

/* One round: whether what was promised is there. */
static bool cut_round(const struct cut_args *args, uint32_t survive, struct ledger *ledger, struct rng *rng,
                      uint64_t boots, char *why)
{
    struct hopper_options options;
    struct cutter cutter;
    struct life life;
    bool is_well;

    set_options(&options, survive);
    cutter_init(&cutter, args->mountpoint, args->no_sync);
    cutter.boots  = boots;
    cutter.cut_at = rng_between(rng, 1, 120);
    life_init(&life, ledger, &options, &cutter.table);
    life.dir      = args->mountpoint;
    life.may_fail = true; /* after the cut everything does; before it nothing may, which O1 sees to */
    life.may_gap  = true; /* what cannot be read from a dead device is a gap in this run, and comes in the next */
    life_open(&life);
    for (int i = 0; i < 60 && !cutter.is_cut && life.snd; i++) one_step(&life, rng);
    if (!cutter.is_cut) shut_down(&cutter);
    life_close(&life);
    snprintf(why, LIFE_FAULT_BYTES, "%s", life.fault);
    must_unmount(args->mountpoint);
    must_mount(args->device, args->mountpoint, args->type);

    cutter_init(&cutter, args->mountpoint, args->no_sync);
    cutter.boots = boots + 1;
    life_init(&life, ledger, &options, &cutter.table);
    life.dir = args->mountpoint;
    life_recover(&life, true);
    if (rng_below(rng, 3) == 0) life_acknowledge(&life);
    life_send(&life, 1, 100);
    is_well = !life.fault[0] && !why[0];
    if (life.fault[0]) snprintf(why, LIFE_FAULT_BYTES, "%s", life.fault);
    life.may_fail = false;
    life_close(&life);
    return is_well;
}

/* The next round begins with an empty channel, so that one fault is reported once. */
static void empty_channel(const char *mountpoint)
{
    char command[400];

    snprintf(command, sizeof command, "rm -rf '%s/q'", mountpoint);
    if (system(command) != 0) exit(99);
    sync(); /* or the old one could be back after the next cut */
}

static int run_cuts(const struct cut_args *args, uint64_t rounds, uint64_t seed)
{
    struct rng rng = { seed };
    char why[LIFE_FAULT_BYTES];
    uint64_t lost = 0, records = 0;

    must_mount(args->device, args->mountpoint, args->type);
    for (uint64_t round = 0, boots = 1; round < rounds; round++, boots += 2) {
        const uint32_t survive = args->no_sync || round % 4 != 3 ? HOPPER_SURVIVE_POWER_LOSS : HOPPER_SURVIVE_CRASH;
        struct hopper_options options;
        struct ledger ledger;

        set_options(&options, survive);
        ledger_init(&ledger, &options);
        for (int cut = 0; cut < 3; cut++) { /* one after the other in the same directory */
            if (cut_round(args, survive, &ledger, &rng, boots++, why)) continue;
            lost++;
            if (!args->no_sync)
                printf("real_fs: FAIL: %s, round %" PRIu64 ", cut %d: %s\n", args->type, round, cut, why);
            break;
        }
        records += ledger.count;
        ledger_fini(&ledger);
        empty_channel(args->mountpoint);
    }
    must_unmount(args->mountpoint);
    printf("real_fs: %s, shutdown%s: %" PRIu64 " rounds of up to 3 cuts, %" PRIu64 " records, %" PRIu64
           " rounds lost something\n",
           args->type, args->no_sync ? ", no syncs" : "", rounds, records, lost);
    return args->no_sync ? lost == 0 : lost > 0;
}

/* ---- cut by a snapshot of the image ---- */

struct shared {
    struct ledger ledger;
    struct ledger_entry entries[ENTRIES];
    volatile int is_open;
    char fault[LIFE_FAULT_BYTES];
};

static void use_for_ever(struct shared *shared, const char *dir, bool no_sync, uint64_t seed)
{
    struct hopper_options options;
    struct cutter cutter;
    struct rng rng = { seed };
    struct life life;

    set_options(&options, HOPPER_SURVIVE_POWER_LOSS);
    cutter_init(&cutter, dir, no_sync);
    life_init(&life, &shared->ledger, &options, &cutter.table);
    life.dir = dir;
    life_open(&life);
    shared->is_open = 1;
    while (!life.fault[0] && shared->ledger.count < ENTRIES - 64) one_step(&life, &rng);
    snprintf(shared->fault, sizeof shared->fault, "%s", life.fault);
    pause();
    _exit(0);
}

static void must_clone(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (in < 0 || out < 0 || ioctl(out, FICLONE_, in) < 0) {
        perror("real_fs: clone");
        exit(99);
    }
    close(in);
    close(out);
}

static void must_mount_image(const char *image, const char *dir, bool is_xfs)
{
    char command[800];

    snprintf(command, sizeof command, "mount -o loop%s '%s' '%s'", is_xfs ? ",nouuid" : "", image, dir);
    if (system(command) != 0) exit(99);
}

/* The ledger of a child that is stopped; what is in it now may be on the device, what was in BEFORE has to be. */
static void merge(struct ledger *now, const struct ledger *before)
{
    now->acked = now->acked_durable = 0;
    for (uint64_t i = 0; i < now->count; i++) {
        if (i < before->count && before->sent[i].fate == LEDGER_ACCEPTED) continue;
        if (now->sent[i].fate == LEDGER_ACCEPTED) now->sent[i].fate = LEDGER_MAYBE;
    }
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGSTOP);
    waitpid(pid, &status, WUNTRACED);
}

static bool snapshot_round(struct shared *shared, pid_t pid, char **args, const char *type, bool no_sync, char *why)
{
    struct ledger before, now;
    struct hopper_options options;
    struct cutter cutter;
    struct life life;

    stop(pid);
    ledger_copy(&before, &shared->ledger);
    kill(pid, SIGCONT);
    must_clone(args[0], args[1]);
    stop(pid);
    ledger_copy(&now, &shared->ledger);
    kill(pid, SIGCONT);
    merge(&now, &before);
    must_mount_image(args[1], args[2], strcmp(type, "xfs") == 0);
    set_options(&options, HOPPER_SURVIVE_POWER_LOSS);
    cutter_init(&cutter, args[2], no_sync);
    cutter.boots = 2;
    life_init(&life, &now, &options, &cutter.table);
    life.dir = args[2];
    life_recover(&life, true);
    life_use(&life);
    life_close(&life);
    must_unmount(args[2]);
    snprintf(why, LIFE_FAULT_BYTES, "%s", life.fault[0] ? life.fault : shared->fault);
    ledger_fini(&before);
    ledger_fini(&now);
    return !why[0];
}

static int run_snapshots(char **args, const char *type, uint64_t rounds, uint64_t seed, bool no_sync)
{
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct rng rng        = { seed };
    struct hopper_options options;
    char live[300], why[LIFE_FAULT_BYTES];
    uint64_t lost = 0;
    pid_t pid;

    if (shared == MAP_FAILED) return 99;
    snprintf(live, sizeof live, "%s.live", args[2]);
    mkdir(live, 0700);
    must_mount_image(args[0], live, false);
    set_options(&options, HOPPER_SURVIVE_POWER_LOSS);
    ledger_init(&shared->ledger, &options);
    shared->ledger.sent = shared->entries;
    shared->ledger.room = ENTRIES;
    fflush(stdout);
    if ((pid = fork()) == 0) use_for_ever(shared, live, no_sync, seed + 1);
    while (!shared->is_open && waitpid(pid, NULL, WNOHANG) == 0) usleep(1000);
    for (uint64_t round = 0; round < rounds; round++) {
        usleep((useconds_t)rng_below(&rng, 20000)); /* a random moment */
        if (snapshot_round(shared, pid, args, type, no_sync, why)) continue;
        lost += !no_sync || is_loss(why);
        if (!no_sync) printf("real_fs: FAIL: %s, snapshot %" PRIu64 ": %s\n", type, round, why);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    must_unmount(live);
    printf("real_fs: %s, snapshots%s: %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " lost something\n", type,
           no_sync ? ", no syncs" : "", rounds, shared->ledger.count, lost);
    return no_sync ? lost == 0 : lost > 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 7 && strcmp(argv[1], "shutdown") == 0) {
        const struct cut_args args = { argv[2], argv[3], argv[4], argc > 7 && strcmp(argv[7], "no-sync") == 0 };

        return run_cuts(&args, strtoull(argv[5], NULL, 0), strtoull(argv[6], NULL, 0));
    }
    if (argc >= 8 && strcmp(argv[1], "snapshot") == 0)
        return run_snapshots(argv + 2, argv[5], strtoull(argv[6], NULL, 0), strtoull(argv[7], NULL, 0),
                             argc > 8 && strcmp(argv[8], "no-sync") == 0);
    fprintf(stderr, "usage: see real_fs.sh\n");
    return 2;
}
