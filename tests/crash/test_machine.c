/* SPDX-License-Identifier: MIT */
/*
 * The machine of the crash tests itself, tried on a toy: a log in two files and an acknowledged position, written
 * straight to the table of a crash_disk. Written with care it survives every state; with one sync left out, with a
 * record believed without a checksum, with an order turned round, or on a disk that lies, a state must be found that
 * loses or invents something. A machine that finds nothing in these proves nothing elsewhere.
 */
#include "crash_disk.h"

#include "rng.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mistake {
    NO_MISTAKE,
    NO_DATA_SYNC,       /* accepted before it is synced */
    NO_NAME_SYNC,       /* a new file's name is not synced */
    NO_DIR_SYNC,        /* nor the directory's own */
    NO_CHECKSUM,        /* a record is believed by its length */
    STATE_AFTER_REMOVE, /* files go before the position that lets them go is synced */
    STATE_IN_PLACE,     /* one slot, emptied and written again */
    SYNC_TRIED_AGAIN,   /* a failed sync is tried again and then believed */
    MISTAKES
};

#define RECORD_BYTES 704 /* more than a sector */
#define PER_FILE     4
#define RECORDS      12

struct toy {
    const struct hopper_io *io;
    enum mistake mistake;
    int top, dir, file, state;
    uint64_t next, accepted, acked;
    uint64_t slot;
};

struct record {
    uint64_t number, sum;
    unsigned char bytes[RECORD_BYTES - 16];
};

static uint64_t sum_of(const struct record *record)
{
    uint64_t sum = record->number * 31 + 7;

    for (size_t i = 0; i < sizeof record->bytes; i++) sum = (sum ^ record->bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static void fill(struct record *record, uint64_t number)
{
    struct rng rng = { number };

    record->number = number;
    for (size_t i = 0; i < sizeof record->bytes; i++) record->bytes[i] = (unsigned char)rng_next(&rng);
    record->sum = sum_of(record);
}

static const char *file_name(uint64_t number, char name[32])
{
    snprintf(name, 32, "%" PRIu64 ".hq", number / PER_FILE);
    return name;
}

static bool sync_fd(const struct toy *toy, int fd)
{
    int rc = toy->io->fdatasync(toy->io->ctx, fd);

    if (rc < 0 && toy->mistake == SYNC_TRIED_AGAIN) rc = toy->io->fdatasync(toy->io->ctx, fd);
    return rc == 0;
}

static bool toy_open(struct toy *toy, const struct hopper_io *io, enum mistake mistake)
{
    memset(toy, 0, sizeof *toy);
    toy->io      = io;
    toy->mistake = mistake;
    toy->file    = -1;
    toy->top     = io->open_at(io->ctx, -1, CRASH_ROOT, O_RDONLY | O_DIRECTORY, 0);
    if (io->mkdir_at(io->ctx, toy->top, "q", 0700) < 0) return false;
    if (mistake != NO_DIR_SYNC && io->fsync(io->ctx, toy->top) < 0) return false;
    toy->dir   = io->open_at(io->ctx, toy->top, "q", O_RDONLY | O_DIRECTORY, 0);
    toy->state = io->open_at(io->ctx, toy->dir, "STATE", O_RDWR | O_CREAT, 0600);
    return io->fsync(io->ctx, toy->dir) == 0;
}

static void toy_close(struct toy *toy)
{
    if (toy->file >= 0) toy->io->close(toy->io->ctx, toy->file);
    toy->io->close(toy->io->ctx, toy->state);
    toy->io->close(toy->io->ctx, toy->dir);
    toy->io->close(toy->io->ctx, toy->top);
}

static bool toy_push(struct toy *toy)
{
    const struct hopper_io *io = toy->io;
    struct record record;
    char name[32];

    if (toy->next % PER_FILE == 0) {
        if (toy->file >= 0) io->close(io->ctx, toy->file);
        toy->file = io->open_at(io->ctx, toy->dir, file_name(toy->next, name), O_RDWR | O_CREAT | O_EXCL, 0600);
        if (toy->mistake != NO_NAME_SYNC && io->fsync(io->ctx, toy->dir) < 0) return false;
    }
    fill(&record, toy->next);
    if (io->pwrite(io->ctx, toy->file, &record, sizeof record, toy->next % PER_FILE * sizeof record) !=
        (ssize_t)sizeof record)
        return false;
    if (toy->mistake != NO_DATA_SYNC && !sync_fd(toy, toy->file)) return false;
    toy->accepted = ++toy->next;
    return true;
}

static void remove_files(const struct toy *toy, uint64_t upto)
{
    char name[32];

    for (uint64_t first = 0; first + PER_FILE <= upto; first += PER_FILE)
        (void)toy->io->unlink_at(toy->io->ctx, toy->dir, file_name(first, name));
}

static bool toy_ack(struct toy *toy, uint64_t upto)
{
    const struct hopper_io *io = toy->io;
    const uint64_t words[3]    = { toy->slot + 1, upto, (toy->slot + 1) * 31 ^ upto * 1000003 };
    const uint64_t place       = toy->mistake == STATE_IN_PLACE ? 0 : toy->slot % 2 * 4096;

    toy->slot++;
    toy->acked = upto; /* from now on */
    if (toy->mistake == STATE_IN_PLACE && io->truncate(io->ctx, toy->state, 0) < 0) return false;
    if (toy->mistake == STATE_AFTER_REMOVE) remove_files(toy, upto);
    if (toy->mistake == STATE_AFTER_REMOVE) (void)io->fsync(io->ctx, toy->dir);
    if (io->pwrite(io->ctx, toy->state, words, sizeof words, place) < 0 || !sync_fd(toy, toy->state)) return false;
    remove_files(toy, upto);
    return true;
}

/* ---- what is left ---- */

static uint64_t read_ack(const void *data, size_t len, bool in_place)
{
    uint64_t best = 0, upto = 0, words[3];

    if (in_place) {
        if (len >= sizeof words) memcpy(words, data, sizeof words);
        return len >= sizeof words ? words[1] : 0;
    }
    for (size_t at = 0; at <= 4096; at += 4096) {
        if (len < at + sizeof words) continue;
        memcpy(words, (const char *)data + at, sizeof words);
        if (words[0] <= best || words[2] != (words[0] * 31 ^ words[1] * 1000003)) continue;
        best = words[0];
        upto = words[1];
    }
    return upto;
}

struct finding {
    const struct toy *toy;
    struct crash_disk *disk;
    struct mem_platform *mem;
    uint64_t states, points, seed;
    char why[160];
};

static bool found(struct finding *finding, uint64_t number, const char *what)
{
    snprintf(finding->why, sizeof finding->why, "record %" PRIu64 " of %" PRIu64 " (acknowledged %" PRIu64 ") %s",
             number, finding->toy->accepted, finding->toy->acked, what);
    return false;
}

/* Is record NUMBER there, whole? 1; not there or torn: 0; believed, but wrong: -1. */
static int read_record(const struct finding *finding, uint64_t number)
{
    struct record record, wanted;
    char name[32], path[64];
    size_t len = 0;
    void *data = NULL;
    int rc     = 0;

    snprintf(path, sizeof path, CRASH_ROOT "/q/%s", file_name(number, name));
    if (mem_read_file(finding->mem, path, &data, &len) == 0 && len >= (number % PER_FILE + 1) * sizeof record) {
        memcpy(&record, (const char *)data + number % PER_FILE * sizeof record, sizeof record);
        fill(&wanted, number);
        if (finding->toy->mistake == NO_CHECKSUM || record.sum == sum_of(&record))
            rc = memcmp(&record, &wanted, sizeof record) == 0 ? 1 : -1;
    }
    free(data);
    return rc;
}

static bool judge(void *arg, const struct crash_image *image)
{
    struct finding *finding = arg;
    size_t len              = 0;
    void *data              = NULL;
    uint64_t ack;

    finding->states++;
    mem_platform_reset(finding->mem);
    crash_image_load(image, finding->mem, 1);
    (void)mem_read_file(finding->mem, CRASH_ROOT "/q/STATE", &data, &len);
    ack = read_ack(data, len, finding->toy->mistake == STATE_IN_PLACE);
    free(data);
    if (ack > finding->toy->acked) return found(finding, ack, "acknowledged by nobody");
    for (uint64_t number = ack; number < RECORDS; number++) {
        int there = read_record(finding, number);

        if (there < 0) return found(finding, number, "is garbage that is believed");
        if (there == 0 && number < finding->toy->accepted) return found(finding, number, "is lost");
    }
    return true;
}

static void look(void *arg)
{
    struct finding *finding = arg;
    struct crash_how how    = { .seed = finding->seed + finding->points++, .exhaustive = 9, .samples = 300 };
    struct crash_image *image;

    if (finding->why[0]) return;
    image = crash_disk_killed(finding->disk);
    (void)judge(finding, image);
    crash_image_free(image);
    if (!finding->why[0]) crash_disk_each_state(finding->disk, &how, judge, finding);
}

static uint64_t try_toy(enum mistake mistake, enum crash_lie lie, enum crash_profile profile, uint64_t seed, char *why,
                        uint64_t *pointsp)
{
    struct mem_platform *mem = mem_platform_new(NULL), *other = mem_platform_new(NULL);
    struct crash_disk *disk = crash_disk_new(mem, NULL, profile);
    struct toy toy          = { .io = NULL };
    struct finding finding  = { .toy = &toy, .disk = disk, .mem = other, .seed = seed };

    crash_disk_lie(disk, lie);
    if (mistake == SYNC_TRIED_AGAIN || lie == CRASH_LIE_SILENT) crash_disk_fail_syncs(disk, 9, 1);
    crash_disk_watch(disk, look, &finding);
    if (toy_open(&toy, &crash_disk_table(disk)->io, mistake)) {
        for (int i = 0; i < RECORDS && toy_push(&toy); i++) {
            look(&finding); /* what has been accepted by now */
            if (i % 5 == 4 && !toy_ack(&toy, toy.accepted - 1)) break;
        }
    }
    crash_disk_watch(disk, NULL, NULL);
    toy_close(&toy);
    strcpy(why, finding.why);
    *pointsp += finding.points;
    crash_disk_free(disk);
    mem_platform_free(mem);
    mem_platform_free(other);
    return finding.states;
}

int main(void)
{
    static const char *const mistakes[] = { "none",
                                            "no sync of data",
                                            "no sync of a name",
                                            "no sync of the directory above",
                                            "no checksum",
                                            "removed before the position is synced",
                                            "position in one place",
                                            "failed sync tried again" };
    static const enum crash_lie lies[]  = { CRASH_LIE_DATA,         CRASH_LIE_DIR,  CRASH_LIE_PARENT,
                                            CRASH_LIE_REMOVE_FIRST, CRASH_LIE_SIZE, CRASH_LIE_SILENT };
    const uint64_t seed                 = rng_seed("test_machine");
    uint64_t states = 0, points = 0;
    char why[160];
    int failed = 0;

    for (int profile = CRASH_STRICT; profile <= CRASH_EXT4; profile++) {
        for (int m = NO_MISTAKE; m < MISTAKES; m++) {
            states += try_toy((enum mistake)m, CRASH_LIE_NONE, (enum crash_profile)profile, seed, why, &points);
            if ((m == NO_MISTAKE) == (why[0] == '\0')) continue;
            if (profile == CRASH_EXT4 && m == NO_NAME_SYNC) continue; /* there a sync of the file does that too */
            if (profile == CRASH_EXT4 && m == NO_DIR_SYNC) continue;
            printf("profile %d, mistake \"%s\": %s\n", profile, mistakes[m], why[0] ? why : "not found");
            failed++;
        }
        for (size_t l = 0; l < sizeof lies / sizeof *lies; l++) {
            states += try_toy(NO_MISTAKE, lies[l], (enum crash_profile)profile, seed, why, &points);
            if (why[0]) continue;
            if (profile == CRASH_EXT4 && (lies[l] == CRASH_LIE_DIR || lies[l] == CRASH_LIE_PARENT)) continue;
            printf("profile %d, lie %d: not found\n", profile, (int)lies[l]);
            failed++;
        }
    }
    printf("test_machine: %" PRIu64 " points, %" PRIu64 " states, %d planted faults and %zu lies, %d wrong\n", points,
           states, MISTAKES - 1, sizeof lies / sizeof *lies, failed);
    return failed > 0;
}
