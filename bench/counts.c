/* SPDX-License-Identifier: MIT */
/*
 * bench-counts: the hot paths of the library, one at a time and in one thread, for callgrind to count.
 *
 *   bench-counts WORK SIZE      do it; everything between the call and the return of measured() counts
 *   bench-counts --about        compiler and library, one line each
 *   bench-counts --list         every WORK, SIZE and how many records measured() moves
 *
 * The script `counts` is the usual caller. It counts what runs in libraries, not the loops here, and divides by the
 * records moved. Everything is done a few times before it is measured, so that what happens once per channel, per page
 * or per file does not count; nobody ever waits, so that no path depends on time. Sizes are what a record has; the
 * bytes are text that deflates well or (8 bytes) a counter, the same in every run.
 *
 * All with the default budget of memory; "kept": in a channel that survives a crash. In memory: 64 times a thousand
 * records go in and come out, with room for all of them. overflow: the memory is full, so that every record goes to a
 * block and a file; replay: what then comes back from files.
 */
#include <errno.h>
#include <hopper/hopper.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH       64
#define PASS        ((size_t)16 * BATCH) /* records of one pass in memory */
#define PASSES      64
#define WARM_PASSES 8
#define DISK_BYTES  ((size_t)2 << 20) /* payload that overflows and comes back */
#define SIZE_MAX_   100

enum path { SEND, RECEIVE, OVERFLOW, REPLAY };

struct work {
    const char *name;
    enum path path;
    size_t batch;
    uint32_t compression;
    bool is_joined; /* sent by hopper_send_joined() */
    bool is_kept;   /* HOPPER_SURVIVE_CRASH */
};

static const struct work works[] = {
    { "send", SEND, 1, 0, false, false },
    { "send-batch", SEND, BATCH, 0, false, false },
    { "send-joined", SEND, BATCH, 0, true, false },
    { "receive", RECEIVE, 1, 0, false, false },
    { "receive-batch", RECEIVE, BATCH, 0, false, false },
    { "receive-joined", RECEIVE, BATCH, 0, true, false },
    { "send-kept", SEND, 1, 0, false, true },
    { "receive-kept", RECEIVE, 1, 0, false, true },
    { "overflow", OVERFLOW, BATCH, 1, false, false },
    { "overflow-stored", OVERFLOW, BATCH, HOPPER_COMPRESSION_NONE, false, false },
    { "replay", REPLAY, BATCH, 1, false, false },
    { "replay-stored", REPLAY, BATCH, HOPPER_COMPRESSION_NONE, false, false },
};
static const size_t sizes[] = { 8, SIZE_MAX_ };

#define ARRAY_SIZE(array) (sizeof(array) / sizeof *(array))

static struct {
    hopper_sender *sender;
    hopper_receiver *receiver;
    size_t size;
    uint64_t sent;
    char bytes[BATCH * SIZE_MAX_]; /* the records side by side, each given in all three ways */
    struct iovec records[BATCH];
    size_t offsets[BATCH + 1];
    char dir[64];
} run;

static void must(hopper_status status, const char *what)
{
    if (status == HOPPER_OK) return;
    fprintf(stderr, "bench-counts: %s: %s\n", what, hopper_status_text(status));
    exit(1);
}

/* The next BATCH records: a counter, and text that repeats itself as log lines do. */
static void records_make(void)
{
    static const char text[] =
        "GET /articles/harbour-winter HTTP/1.1 200 5310 \"https://www.example.org/\" \"curl/7.88.1\" 0.013";

    for (size_t i = 0; i < BATCH; i++) {
        uint64_t number = run.sent + i;
        char *bytes     = run.bytes + i * run.size;

        if (run.size > sizeof number) {
            memcpy(bytes, text, run.size - sizeof number);
            bytes[number % 40] = (char)('a' + number % 26);
        }
        memcpy(bytes + run.size - sizeof number, &number, sizeof number);
        run.records[i]     = (struct iovec){ bytes, run.size };
        run.offsets[i + 1] = (i + 1) * run.size;
    }
    run.sent += BATCH;
}

/* ---- the paths; what is sent is a multiple of BATCH ---- */

static void records_send(const struct work *work, size_t count)
{
    size_t accepted;

    for (; count > 0; count -= BATCH) {
        records_make();
        if (work->is_joined) {
            must(hopper_send_joined(run.sender, run.bytes, run.offsets, BATCH, HOPPER_NOW, &accepted),
                 "hopper_send_joined");
        } else if (work->batch > 1) {
            must(hopper_send_batch(run.sender, run.records, BATCH, HOPPER_NOW, &accepted), "hopper_send_batch");
        } else {
            for (size_t i = 0; i < BATCH; i++)
                must(hopper_send(run.sender, run.records[i].iov_base, run.size), "hopper_send");
        }
    }
}

static void records_receive(const struct work *work, size_t count)
{
    struct hopper_record record[BATCH];
    size_t got;

    for (; count > 0; count -= got) {
        if (work->batch > 1) {
            size_t most = count < BATCH ? count : BATCH;

            must(hopper_receive_batch(run.receiver, record, most, HOPPER_NOW, &got), "hopper_receive_batch");
        } else {
            got = 1;
            must(hopper_receive(run.receiver, record, HOPPER_NOW), "hopper_receive");
        }
        if (record[0].gap != HOPPER_GAP_NONE || record[0].len != run.size) {
            fprintf(stderr, "bench-counts: received something else\n");
            exit(1);
        }
    }
}

/* The name that callgrind is told. */
__attribute__((noinline)) static void measured(void (*path)(const struct work *work, size_t count),
                                               const struct work *work, size_t count)
{
    path(work, count);
    __asm__ volatile(""); /* no tail call: it would leave measured() */
}

static void memory_run(const struct work *work)
{
    for (unsigned pass = 0; pass < WARM_PASSES + PASSES; pass++) {
        bool counts = pass >= WARM_PASSES;

        if (counts && work->path == SEND) measured(records_send, work, PASS);
        else records_send(work, PASS);
        if (counts && work->path == RECEIVE) measured(records_receive, work, PASS);
        else records_receive(work, PASS);
        hopper_acknowledge(run.receiver);
    }
}

static struct hopper_stats books(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    must(hopper_sender_stats(run.sender, &stats), "hopper_sender_stats");
    return stats;
}

static size_t disk_records(void)
{
    return DISK_BYTES / run.size / BATCH * BATCH;
}

static void disk_run(const struct work *work)
{
    uint64_t before;

    while (books().written_bytes == 0) records_send(work, PASS);
    records_send(work, 64 * PASS / 4);
    must(hopper_flush(run.sender), "hopper_flush");
    before = books().accepted;
    if (work->path == OVERFLOW) measured(records_send, work, disk_records());
    else records_send(work, disk_records());
    must(hopper_flush(run.sender), "hopper_flush");
    for (; before > 0; before -= BATCH) records_receive(work, BATCH);
    if (work->path == REPLAY) measured(records_receive, work, disk_records());
}

/* ---- opening and closing ---- */

static void channel_open(const struct work *work)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;

    options.compression = work->compression;
    options.survive     = work->is_kept ? HOPPER_SURVIVE_CRASH : HOPPER_SURVIVE_NOTHING;
    snprintf(run.dir, sizeof run.dir, "/tmp/bench-counts-XXXXXX");
    if (mkdtemp(run.dir) == NULL) {
        perror(run.dir);
        exit(1);
    }
    must(hopper_open(run.dir, "counts", &options, &run.sender, &run.receiver, NULL), "hopper_open");
}

static void channel_close(void)
{
    static const char *const names[] = { "LOCK", "STATE", "MEMORY", "MEMORY.spare" };
    char path[128];

    hopper_sender_close(run.sender);
    hopper_receiver_close(run.receiver);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/counts/%s", run.dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/counts", run.dir);
    rmdir(path);
    rmdir(run.dir);
}

static size_t records_counted(const struct work *work, size_t size)
{
    run.size = size;
    return work->path == SEND || work->path == RECEIVE ? PASSES * PASS : disk_records();
}

static void about_print(void)
{
#ifdef __clang__
    printf("clang %d.%d.%d\n", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    printf("gcc %s\n", __VERSION__);
#endif
    puts(hopper_version());
}

static void list_print(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(works); i++)
        for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
            printf("%s %zu %zu\n", works[i].name, sizes[k], records_counted(&works[i], sizes[k]));
}

int main(int argc, char **argv)
{
    const struct work *work = NULL;

    if (argc == 2 && strcmp(argv[1], "--about") == 0) {
        about_print();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_print();
        return 0;
    }
    for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(works); i++)
        if (strcmp(argv[1], works[i].name) == 0) work = &works[i];
    for (size_t k = 0; work != NULL && k < ARRAY_SIZE(sizes); k++)
        if ((size_t)atol(argv[2]) == sizes[k]) run.size = sizes[k];
    if (work == NULL || run.size == 0) {
        fputs("usage: bench-counts WORK SIZE | --list | --about\n", stderr);
        return 2;
    }
    channel_open(work);
    if (work->path == SEND || work->path == RECEIVE) memory_run(work);
    else disk_run(work);
    channel_close();
    return 0;
}
