/* SPDX-License-Identifier: MIT */
/*
 * A store (a key-value or SQL database) as a peer of the overflow and the durable work: what all of them have in
 * common. A store's file includes this one, defines the functions declared below, and ends with `STORE_PEER`.
 *
 * Keys are numbers that grow, from 1: what comes in goes to the end, as in a queue. Reading goes on where it ended and
 * deletes nothing, which a queue would have to do: in the store's favour. Records are looked at where the store shows
 * them; nothing is copied but by the store itself. One transaction for each batch of the work; variant "large": for
 * STORE_LARGE records, whatever the batch. In the durable work a message is a transaction of its own, or (variant
 * "group") shares one with those of the other threads that wait, by commit.c; a store that has a group commit of its
 * own needs no variant.
 */
#ifndef HOPPER_BENCH_STORE_H
#define HOPPER_BENCH_STORE_H

#include "bench.h"
#include "commit.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_LARGE 4096

/* ---- what a store defines ---- */

static const char *store_name(const struct bench_work *work); /* NULL: not this work */
static void store_open(const struct bench_work *work, const char *dir);
static void store_close(void);

/* Add COUNT records with the keys FIRST, FIRST + 1, ... in one transaction. Durable work: on the device on return, and
 * called by several threads at once unless the variant is "group". */
static void store_put(uint64_t first, const struct iovec *records, size_t count);

/* Everything to files, synced or not. */
static void store_flush(void);

/* Give COUNT records from key FIRST on to store_take(). */
static void store_read(uint64_t first, size_t count, struct bench_check *check);

/* ---- what they share ---- */

static struct {
    const struct bench_work *work;
    char dir[4096];
    _Atomic uint64_t next_in; /* key of the next record */
    uint64_t next_out;
    uint64_t bytes_before; /* in files, before the last fill */
} store;

static inline void store_take(struct bench_check *check, const void *data, size_t len)
{
    if (store.work->kind == BENCH_OVERFLOW) {
        bench_record_check(check, data, len);
    } else {
        bench_message_check(check, data, len, store.work->size);
    }
}

static inline bool store_is(const struct bench_work *work, const char *variant)
{
    return strcmp(work->variant, variant) == 0;
}

/* Go through the files; returns the bytes that they take on disk, and removes them if asked to. */
static uint64_t store_files(bool remove)
{
    uint64_t bytes = 0;
    DIR *dir       = opendir(store.dir);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[sizeof store.dir + sizeof entry->d_name + 1];
        struct stat info;

        snprintf(path, sizeof path, "%s/%s", store.dir, entry->d_name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) bytes += (uint64_t)info.st_blocks * 512;
        if (remove && entry->d_name[0] != '.') unlink(path);
    }
    if (dir != NULL) closedir(dir);
    return bytes;
}

static void store_group_bring(const struct iovec *messages, size_t count)
{
    store_put(atomic_fetch_add(&store.next_in, count), messages, count);
}

static void store_peer_open(const struct bench_work *work)
{
    store.work = work;
    atomic_store(&store.next_in, 1);
    store.next_out = 1;
    commit_init(store_group_bring);
    if (snprintf(store.dir, sizeof store.dir, "%s/bench-store-XXXXXX", work->dir) >= (int)sizeof store.dir)
        bench_die("--dir", "too long");
    if (mkdtemp(store.dir) == NULL) bench_die(store.dir, strerror(errno));
    store_open(work, store.dir);
}

static void store_peer_close(const struct bench_work *work)
{
    (void)work;
    store_close();
    store_files(true);
    rmdir(store.dir);
}

static void store_peer_fill(const struct bench_work *work, const struct iovec *records, size_t count)
{
    size_t batch = store_is(work, "large") ? STORE_LARGE : work->batch;

    store.bytes_before = store_files(false);
    for (size_t i = 0; i < count; i += batch) {
        size_t some = count - i < batch ? count - i : batch;

        store_put(atomic_fetch_add(&store.next_in, some), records + i, some);
    }
    store_flush();
}

static void store_peer_drain(const struct bench_work *work, struct bench_check *check, size_t count)
{
    (void)work;
    store_read(store.next_out, count, check);
    store.next_out += count;
}

static void store_peer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count)
{
    char message[BENCH_SIZE_MAX] = { 0 };
    struct iovec record          = { message, work->size };

    for (; count > 0; count--, first++) {
        bench_message_fill(message, work->size, bench_value(sender, first));
        if (store_is(work, "group")) {
            commit_send(message, work->size);
        } else {
            store_put(atomic_fetch_add(&store.next_in, 1), &record, 1);
        }
    }
}

static void store_peer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count)
{
    store_peer_drain(work, check, (size_t)count);
}

static void store_peer_report(const struct bench_work *work, FILE *out)
{
    uint64_t bytes = store_files(false);

    (void)work;
    fprintf(out, " disk_bytes=%llu", (unsigned long long)(bytes > store.bytes_before ? bytes - store.bytes_before : 0));
}

#define STORE_PEER                                                        \
    const struct bench_peer bench_peer = { .name    = store_name,         \
                                           .open    = store_peer_open,    \
                                           .close   = store_peer_close,   \
                                           .send    = store_peer_send,    \
                                           .receive = store_peer_receive, \
                                           .fill    = store_peer_fill,    \
                                           .drain   = store_peer_drain,   \
                                           .report  = store_peer_report }

#endif
