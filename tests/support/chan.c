/* SPDX-License-Identifier: MIT */
/*
 * The channel fixture. Besides what a test asserts itself, each run ends with the same questions: was the disk budget
 * ever exceeded, was the memory budget, is anything still allocated, mapped or open, and do the books agree with what
 * was sent and received.
 */
#include "chan.h"

#include "mem_disk.h"
#include "suite.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE_BYTES_MAX 320

/* The platform of the channel before: sweeps make tens of thousands, and mapping memory anew costs most of that. */
static struct {
    struct mem_platform *mem;
    unsigned flags;
} spare;

void chan_init_flags(struct chan *c, unsigned flags)
{
    const struct mem_platform_options mem_options = { .flags = flags, .random_seed = 1 };
    const struct hopper_options options           = HOPPER_OPTIONS_INIT;

    memset(c, 0, sizeof *c);
    if (spare.mem && spare.flags == flags) {
        c->mem    = spare.mem;
        spare.mem = NULL;
        mem_platform_reset(c->mem);
    } else {
        c->mem = mem_platform_new(&mem_options);
    }
    c->flags = flags;
    c->fault = fault_platform_new(mem_platform_table(c->mem));
    require(mem_mkdir(c->mem, CHAN_DIR, 0755) == 0, "no " CHAN_DIR);
    c->options                  = options;
    c->options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN;
    c->options.disk_bytes       = 512 << 10;
    c->options.file_bytes       = 64 << 10;
    c->options.record_bytes_max = 16 << 10;
    c->options.when_full        = HOPPER_FULL_REFUSE;
    c->options.compression      = HOPPER_COMPRESSION_NONE;
    c->options.platform         = fault_platform_table(c->fault);
    checker_init(&c->checker);
}

void chan_init(struct chan *c)
{
    chan_init_flags(c, 0);
}

void chan_free(struct chan *c)
{
    require(!c->snd && !c->rcv, "a handle is still open");
    fault_platform_free(c->fault);
    mem_platform_free(spare.mem);
    spare.mem   = c->mem;
    spare.flags = c->flags;
    free(c->buf);
    c->fault = NULL;
    c->mem   = NULL;
    c->buf   = NULL;
}

hopper_status chan_try_open(struct chan *c)
{
    uint64_t disk_bytes = c->options.disk_bytes > 0 ? c->options.disk_bytes : HOPPER_DISK_BYTES_DEFAULT;

    mem_watch_dir(c->mem, CHAN_PATH, disk_bytes);
    checker_init(&c->checker);
    c->sent = 0;
    return hopper_open(CHAN_DIR, CHAN_NAME, &c->options, &c->snd, &c->rcv, &c->err);
}

void chan_open(struct chan *c)
{
    hopper_status st = chan_try_open(c);
    char text[512];

    hopper_error_format(&c->err, text, sizeof text);
    require(st == HOPPER_OK, "open: %s: %s", hopper_status_name(st), text);
    require(c->snd && c->rcv, "open: a handle is missing");
}

hopper_status chan_send(struct chan *c, size_t len)
{
    hopper_status st;

    if (c->buf_bytes < len) {
        free(c->buf);
        c->buf       = mem_must_alloc(len);
        c->buf_bytes = len;
    }
    checker_fill(c->buf, len, 0, c->sent);
    st = hopper_send_until(c->snd, c->buf, len, HOPPER_NOW);
    if (st == HOPPER_OK) c->sent++;
    return st;
}

uint64_t chan_fill(struct chan *c, size_t len, uint64_t max, hopper_status *stp)
{
    uint64_t count   = 0;
    hopper_status st = HOPPER_OK;

    while (count < max && (st = chan_send(c, len)) == HOPPER_OK) count++;
    *stp = st;
    return count;
}

void chan_fill_to_disk(struct chan *c, size_t len)
{
    struct hopper_stats stats;
    uint64_t tries = 0;

    do {
        require(chan_send(c, len) == HOPPER_OK, "a send failed");
        chan_stats(c, &stats);
        require(++tries < 1000000, "nothing overflows");
    } while (stats.overflowed == 0);
    require(hopper_flush(c->snd) == HOPPER_OK, "flush failed");
    chan_stats(c, &stats);
    require(stats.disk_files > 0, "nothing is on disk");
}

hopper_status chan_receive(struct chan *c, struct hopper_record *rec)
{
    hopper_status st = hopper_receive(c->rcv, rec, HOPPER_NOW);

    if (st == HOPPER_OK) require(checker_take(&c->checker, rec), "%s", c->checker.fault);
    return st;
}

void chan_take(struct chan *c, uint64_t count)
{
    struct hopper_record rec;

    for (uint64_t i = 0; i < count; i++) {
        hopper_status st = chan_receive(c, &rec);

        require(st == HOPPER_OK, "receive %" PRIu64 " of %" PRIu64 ": %s", i + 1, count, hopper_status_name(st));
    }
}

uint64_t chan_drain(struct chan *c, hopper_status *stp)
{
    struct hopper_record rec;
    uint64_t count = 0;
    hopper_status st;

    while ((st = chan_receive(c, &rec)) == HOPPER_OK) count++;
    if (stp) *stp = st;
    return count;
}

void chan_stats(struct chan *c, struct hopper_stats *stats)
{
    hopper_status st;

    memset(stats, 0, sizeof *stats);
    stats->size = sizeof *stats;
    st          = c->snd ? hopper_sender_stats(c->snd, stats) : hopper_receiver_stats(c->rcv, stats);
    require(st == HOPPER_OK, "no stats: %s", hopper_status_name(st));
}

uint64_t chan_pending(struct chan *c)
{
    struct hopper_stats stats;

    chan_stats(c, &stats);
    return stats.seq_accepted - stats.seq_delivered;
}

void chan_books(struct chan *c)
{
    struct hopper_stats s;
    uint64_t gaps = 0, sum;

    chan_stats(c, &s);
    require_eq(s.gap_records[HOPPER_GAP_NONE], 0);
    for (int i = 0; i < HOPPER_GAP_REASONS; i++) gaps += s.gap_records[i];
    sum = s.acknowledged + s.pending_memory + s.pending_disk + gaps;
    require(s.accepted == sum,
            "accepted %" PRIu64 " != acknowledged %" PRIu64 " + memory %" PRIu64 " + disk %" PRIu64 " + gaps %" PRIu64,
            s.accepted, s.acknowledged, s.pending_memory, s.pending_disk, gaps);
    require(s.pending_memory <= s.accepted && s.pending_disk <= s.accepted && gaps <= s.accepted,
            "books below zero: memory %" PRId64 ", disk %" PRId64 ", gaps %" PRIu64 " of %" PRIu64 " accepted",
            (int64_t)s.pending_memory, (int64_t)s.pending_disk, gaps, s.accepted);
    require_eq(s.accepted, c->sent);
    require_eq(s.seq_accepted, c->sent);
    require_eq(s.seq_delivered, c->checker.next_seq - 1);
    require_le(s.acknowledged, c->checker.records);
    require_le(s.memory_bytes_used, s.memory_bytes);
    require_le(s.disk_bytes_used, s.disk_bytes);
    for (int i = 0; i < HOPPER_GAP_REASONS; i++) require_le(c->checker.lost_by[i], s.gap_records[i]);
    require_eq(mem_watch_excess(c->mem), 0);
    if (!c->is_tampered && c->options.decompress_threads == 0)
        require_eq((uint64_t)chan_queue_files(c), s.disk_files);
    else if (!c->is_tampered) require_le((uint64_t)chan_queue_files(c), s.disk_files); /* removed between two looks */
}

static uint64_t memory_limit(const struct chan *c)
{
    uint64_t budget = c->options.memory_bytes > 0 ? c->options.memory_bytes : HOPPER_MEMORY_BYTES_DEFAULT;

    return c->options.record_bytes_max > budget / 4 ? budget + c->options.record_bytes_max + 32 : budget;
}

/* Handles of senders come from the allocator: charged to the budget, but beside the one piece that is mapped. */
void chan_memory(struct chan *c)
{
    struct mem_usage usage;

    mem_usage(c->mem, &usage);
    require(usage.map_bytes_peak <= memory_limit(c), "memory: %" PRIu64 " bytes mapped, %" PRIu64 " allowed",
            usage.map_bytes_peak, memory_limit(c));
    require(usage.alloc_bytes_peak <= (c->clones + 1) * HANDLE_BYTES_MAX, "memory: %" PRIu64 " bytes allocated",
            usage.alloc_bytes_peak);
}

void chan_close(struct chan *c)
{
    const char *leaks;

    hopper_sender_close(c->snd);
    hopper_receiver_close(c->rcv);
    c->snd = NULL;
    c->rcv = NULL;
    leaks  = mem_platform_leaks(c->mem);
    require(!leaks, "after close: %s", leaks);
    require(mem_bad_fds(c->mem) == 0, "a descriptor was used that was not open");
    require(mem_watch_excess(c->mem) == 0, "disk budget exceeded by %" PRIu64 " bytes", mem_watch_excess(c->mem));
    chan_memory(c);
}

/* Everything has been received and the end been seen: nothing is pending, the gaps are those that were delivered. */
static void chan_settled(struct chan *c)
{
    struct hopper_stats s;

    chan_stats(c, &s);
    require_eq(s.pending_memory, 0);
    require_eq(s.pending_disk, 0);
    require_eq(s.acknowledged, c->checker.records);
    for (int i = 0; i < HOPPER_GAP_REASONS; i++)
        require(s.gap_records[i] == c->checker.lost_by[i], "books say %" PRIu64 " %s, received were %" PRIu64,
                s.gap_records[i], hopper_gap_name((unsigned)i), c->checker.lost_by[i]);
}

void chan_finish(struct chan *c)
{
    hopper_status st;

    fault_disarm(c->fault);
    chan_books(c);
    hopper_sender_close(c->snd);
    c->snd = NULL;
    chan_drain(c, &st);
    require(st == HOPPER_END, "drained to %s", hopper_status_name(st));
    require(checker_finish(&c->checker, &c->sent, 1), "%s", c->checker.fault);
    chan_books(c);
    chan_settled(c);
    chan_close(c);
    chan_free(c);
}

/* ---- the files ---- */

static bool is_queue_file(const char *name)
{
    return strlen(name) == 23 && strspn(name, "0123456789") == 20 && strcmp(name + 20, ".hq") == 0;
}

bool chan_queue_file(struct chan *c, int i, char path[300])
{
    static char names[4096][256];
    int count = mem_list(c->mem, CHAN_PATH, names, 4096);

    for (int k = 0; k < count; k++) {
        if (!is_queue_file(names[k])) continue;
        if (i-- > 0) continue;
        snprintf(path, 300, CHAN_PATH "/%.255s", names[k]);
        return true;
    }
    return false;
}

int chan_queue_files(struct chan *c)
{
    char path[300];
    int count = 0;

    while (chan_queue_file(c, count, path)) count++;
    return count;
}

/* ---- items that stay in memory ---- */

static int never_pack(void *ctx, const void *item, struct msgpack_packer *packer)
{
    (void)ctx, (void)item, (void)packer;
    return 1;
}

static int never_unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    (void)ctx, (void)data, (void)len, (void)itemp;
    return 1;
}

static size_t weigh(void *ctx, const void *item)
{
    (void)ctx, (void)item;
    return 40;
}

static void let_be(void *ctx, void *item)
{
    (void)ctx, (void)item;
}

const struct hopper_item_type chan_item_type = { sizeof chan_item_type, never_pack, never_unpack, weigh, let_be, NULL };

/* ---- threads of the channel's own ---- */

bool chan_thread_status(const char *name, const char *key, char value[64])
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    bool is_found = false;

    require(dir != NULL, "no list of threads");
    while (!is_found && (entry = readdir(dir)) != NULL) {
        char path[300], line[256], found[64] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        if (entry->d_name[0] == '.' || (file = fopen(path, "r")) == NULL) continue;
        while (fgets(line, sizeof line, file)) {
            if (sscanf(line, "Name: %63s", found) == 1) is_found = strcmp(found, name) == 0;
            if (strncmp(line, key, strlen(key)) == 0) snprintf(value, 64, "%.63s", line + strlen(key) + 1);
        }
        fclose(file);
    }
    closedir(dir);
    return is_found;
}
