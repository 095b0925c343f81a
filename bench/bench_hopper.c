/* SPDX-License-Identifier: MIT */
/*
 * libhopper as a peer, through its public interface only.
 *
 * mem: memory_bytes is --memory, or else room for all messages of a pass, whatever --slots says, as nobody here waits;
 * the result line says how many records did. overflow: memory_bytes is --memory, or else the library's default of
 * 1 MiB (as in the burst work); all goes in and hopper_flush() writes the rest before the clock of "in" stops. Batches
 * go both ways; with --variant joined they go in by hopper_send_joined(), as they stand side by side. durable:
 * HOPPER_SURVIVE_POWER_LOSS with its default, a sync for each group of sends.
 * Bytes go in and come out as views; nothing is copied here.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <hopper/hopper.h>
#include <stdlib.h>
#include <unistd.h>

/* What a message takes in memory beside its bytes, at most, and what a channel needs before the first. */
#define RECORD_OVERHEAD  32
#define CHANNEL_OVERHEAD (UINT64_C(4) << 20)

#define SPIN_US 5000 /* longer than between two messages of the wake work */

static struct {
    hopper_sender   *sender[BENCH_SENDERS_MAX];
    hopper_receiver *receiver;
    char             dir[4096];      /* a private one in --dir */
    uint64_t         written_before; /* bytes in queue files before the last fill */
} channel;

/* The engine that the library, of those that it says it has, deflates with. See options.compression. */
static const char *engine_name(const struct bench_work *work)
{
    if (work->level <= 3 && strstr(hopper_version(), "isa-l ") != NULL) return "isal";
    return work->level == 1 && strstr(hopper_version(), "libdeflate ") != NULL ? "libdeflate" : "zlib";
}

/* And which threads the channel has. */
static const char *overflow_name(const struct bench_work *work)
{
    static char name[64];

    snprintf(name, sizeof name, "libhopper-%s%s%s", work->level == 0 ? "stored" : engine_name(work),
             work->compress_threads ? "-thread" : "", work->decompress_threads ? "-ahead" : "");
    return name;
}

static bool is_spinning(const struct bench_work *work)
{
    return strcmp(work->variant, "spinning") == 0;
}

static bool is_joined(const struct bench_work *work)
{
    return strcmp(work->variant, "joined") == 0;
}

static const char *peer_name(const struct bench_work *work)
{
    if (work->kind == BENCH_OVERFLOW) return overflow_name(work);
    if (work->kind == BENCH_DURABLE) return work->variant[0] == '\0' ? "libhopper-power-loss" : NULL;
    if (is_joined(work)) return work->kind == BENCH_MEM && work->batch > 1 ? "libhopper-joined" : NULL;
    if (work->survive == HOPPER_SURVIVE_CRASH) return "libhopper-crash";
    if (work->kind == BENCH_BURST && work->memory != 0) return "libhopper-large-memory";
    if (work->kind == BENCH_BURST && work->level == 0) return "libhopper-stored";
    if (work->kind == BENCH_WAKE && is_spinning(work)) return "libhopper-spinning";
    return work->memory != 0 ? "libhopper-swapping" : "libhopper";
}

static void must(hopper_status status, const char *what)
{
    if (status != HOPPER_OK) bench_die(what, hopper_status_text(status));
}

/* ---- opening and closing ---- */

static void directory_make(const char *parent)
{
    if (snprintf(channel.dir, sizeof channel.dir, "%s/bench-hopper-XXXXXX", parent) >= (int)sizeof channel.dir)
        bench_die("--dir", "too long");
    if (mkdtemp(channel.dir) == NULL) bench_die(channel.dir, strerror(errno));
}

/* Remove what a closed channel leaves behind: its lock file and such, one level deep. */
static void directory_remove(void)
{
    char           path[8192];
    DIR           *dir;
    struct dirent *entry;

    snprintf(path, sizeof path, "%s/bench", channel.dir);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/bench/%s", channel.dir, entry->d_name);
        unlink(path);
    }
    if (dir != NULL) closedir(dir);
    snprintf(path, sizeof path, "%s/bench", channel.dir);
    rmdir(path);
    rmdir(channel.dir);
}

static uint64_t memory_choose(const struct bench_work *work)
{
    uint64_t size = work->mix ? BENCH_MIX_MEAN : work->size;

    if (work->memory != 0) return work->memory;
    if (work->kind == BENCH_OVERFLOW || work->kind == BENCH_DURABLE || work->kind == BENCH_BURST) return 0;
    return work->messages * (size + RECORD_OVERHEAD) + CHANNEL_OVERHEAD;
}

static void peer_open(const struct bench_work *work)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error   err;
    char                  text[512];

    options.memory_bytes = memory_choose(work);
    options.disk_bytes = (UINT64_C(1) << 30) + 2 * work->bytes + 2 * options.memory_bytes;
    options.survive = work->kind == BENCH_DURABLE ? HOPPER_SURVIVE_POWER_LOSS : (uint32_t)work->survive;
    options.spin_us = is_spinning(work) ? SPIN_US : 0;
    options.compress_threads = work->compress_threads;
    options.decompress_threads = work->decompress_threads;
    options.compression = work->level == 0 ? HOPPER_COMPRESSION_NONE : (uint32_t)work->level;
    directory_make(work->dir);
    if (hopper_open(channel.dir, "bench", &options, &channel.sender[0], &channel.receiver, &err) != HOPPER_OK) {
        hopper_error_format(&err, text, sizeof text);
        bench_die("hopper_open", text);
    }
    for (unsigned i = 1; i < work->senders; i++)
        must(hopper_sender_clone(channel.sender[0], &channel.sender[i]), "hopper_sender_clone");
}

static void peer_close(const struct bench_work *work)
{
    for (unsigned i = 0; i < work->senders; i++) hopper_sender_close(channel.sender[i]);
    hopper_receiver_close(channel.receiver);
    directory_remove();
}

/* ---- mem ---- */

static void group_send(const struct bench_work *work, hopper_sender *snd, const struct iovec *records, size_t count)
{
    size_t accepted;

    if (work->batch > 1) {
        must(hopper_send_batch(snd, records, count, HOPPER_FOREVER, &accepted), "hopper_send_batch");
        return;
    }
    for (size_t i = 0; i < count; i++) must(hopper_send(snd, records[i].iov_base, records[i].iov_len), "hopper_send");
}

/* The same for messages that stand side by side in GROUP. */
static void joined_send(hopper_sender *snd, const char *group, const size_t *offsets, size_t count)
{
    size_t accepted;

    must(hopper_send_joined(snd, group, offsets, count, HOPPER_FOREVER, &accepted), "hopper_send_joined");
}

static void offsets_set(size_t *offsets, const struct iovec *records, size_t count)
{
    offsets[0] = 0;
    for (size_t i = 0; i < count; i++) offsets[i + 1] = offsets[i] + records[i].iov_len;
}

static void peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    struct iovec records[BENCH_BATCH_MAX];
    size_t       offsets[BENCH_BATCH_MAX + 1];
    const bool   joined = is_joined(work);
    size_t       most = bench_group_max(work);
    char        *group = bench_group_alloc(work, first);

    for (size_t i = 0; i < most; i++) records[i] = (struct iovec){group + i * work->size, work->size};
    offsets_set(offsets, records, most);
    while (count > 0) {
        size_t some = bench_group(work, count);

        if (work->mix) bench_records_fill(work, group, records, sender, first, some);
        else bench_group_fill(group, work->size, sender, first, some);
        if (joined && work->mix) offsets_set(offsets, records, some);
        if (joined) joined_send(channel.sender[sender], group, offsets, some);
        else group_send(work, channel.sender[sender], records, some);
        first += some;
        count -= some;
    }
    free(group);
}

static inline void record_check(const struct bench_work *work, struct bench_check *check,
                                const struct hopper_record *record)
{
    size_t len = record->gap == HOPPER_GAP_NONE ? (size_t)record->len : 0;

    if (work->mix) bench_any_check(work, check, record->data, len);
    else bench_message_check(check, record->data, len, work->size);
}

static void receive_single(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    struct hopper_record record;

    for (; count > 0; count--) {
        must(hopper_receive(channel.receiver, &record, HOPPER_FOREVER), "hopper_receive");
        record_check(work, check, &record);
    }
}

static void receive_batches(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    struct hopper_record records[BENCH_BATCH_MAX];
    size_t               got;

    for (; count > 0; count -= got) {
        must(hopper_receive_batch(channel.receiver, records, bench_batch(work, count), HOPPER_FOREVER, &got),
             "hopper_receive_batch");
        for (size_t i = 0; i < got; i++) record_check(work, check, &records[i]);
    }
}

static void peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    if (work->batch == 1) {
        receive_single(work, check, count);
    } else {
        receive_batches(work, check, count);
    }
    hopper_acknowledge(channel.receiver); /* the next pass finds all the room */
}

/* ---- overflow ---- */

static struct hopper_stats books(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    must(hopper_sender_stats(channel.sender[0], &stats), "hopper_sender_stats");
    return stats;
}

static void peer_fill(const struct bench_work *work, const struct iovec *records, size_t count)
{
    hopper_sender *snd = channel.sender[0];
    size_t         accepted;

    channel.written_before = books().written_bytes;
    if (work->batch == 1) {
        for (size_t i = 0; i < count; i++)
            must(hopper_send(snd, records[i].iov_base, records[i].iov_len), "hopper_send");
    } else {
        for (size_t i = 0; i < count; i += work->batch)
            must(hopper_send_batch(snd, records + i, bench_batch(work, count - i), HOPPER_FOREVER, &accepted),
                 "hopper_send_batch");
    }
    must(hopper_flush(snd), "hopper_flush");
}

static void drain_single(struct bench_check *check, size_t count)
{
    struct hopper_record record;

    for (; count > 0; count--) {
        must(hopper_receive(channel.receiver, &record, HOPPER_FOREVER), "hopper_receive");
        if (record.gap != HOPPER_GAP_NONE) bench_die("hopper_receive", hopper_gap_name(record.gap));
        bench_record_check(check, record.data, (size_t)record.len);
    }
}

static void peer_drain(const struct bench_work *work, struct bench_check *check, size_t count)
{
    struct hopper_record records[BENCH_BATCH_MAX];
    size_t               got;

    if (work->batch == 1) {
        drain_single(check, count);
        return;
    }
    for (; count > 0; count -= got) {
        must(hopper_receive_batch(channel.receiver, records, work->batch, HOPPER_FOREVER, &got),
             "hopper_receive_batch");
        for (size_t i = 0; i < got; i++) {
            if (records[i].gap != HOPPER_GAP_NONE) bench_die("hopper_receive_batch", hopper_gap_name(records[i].gap));
            bench_record_check(check, records[i].data, (size_t)records[i].len);
        }
    }
}

static uint64_t peer_disk(const struct bench_work *work)
{
    (void)work;
    return books().disk_bytes_used;
}

static void peer_report(const struct bench_work *work, FILE *out)
{
    struct hopper_stats stats = books();

    (void)work;
    fprintf(out, " memory_bytes=%llu overflowed=%llu disk_bytes=%llu", (unsigned long long)stats.memory_bytes,
            (unsigned long long)stats.overflowed, (unsigned long long)(stats.written_bytes - channel.written_before));
}

const struct bench_peer bench_peer = {.name = peer_name,
                                      .open = peer_open,
                                      .close = peer_close,
                                      .send = peer_send,
                                      .receive = peer_receive,
                                      .fill = peer_fill,
                                      .drain = peer_drain,
                                      .report = peer_report,
                                      .disk = peer_disk};
