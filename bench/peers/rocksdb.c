/* SPDX-License-Identifier: MIT */
/*
 * RocksDB through its C interface: a log-structured store with a group commit of its own.
 *
 * Keys are numbers, big-endian. Overflow: no write-ahead log, no compaction (keys only grow, so there is nothing to
 * merge), 64 MiB memtables, a flush at the end; zlib for --level 1 to 9 as its block compression, none for 0, blocks of
 * 64 KiB as ours. Durable: each write synced (fdatasync), log space allocated ahead, concurrent writes grouped by
 * RocksDB itself.
 */
#include "store.h"

#include <rocksdb/c.h>

static struct {
    rocksdb_t *handle;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table;
    rocksdb_writeoptions_t *write;
} db;

static void must(char *problem, const char *what)
{
    if (problem != NULL) bench_die(what, problem);
}

static void key_store(char key[8], uint64_t number)
{
    for (unsigned i = 0; i < 8; i++) key[i] = (char)(number >> (56 - 8 * i));
}

static const char *store_name(const struct bench_work *work)
{
    if (work->kind == BENCH_DURABLE) return work->variant[0] == '\0' ? "rocksdb" : NULL;
    if (work->kind != BENCH_OVERFLOW) return NULL;
    if (work->level > 0) return store_is(work, "large") ? "rocksdb-zlib-4096" : "rocksdb-zlib";
    return store_is(work, "large") ? "rocksdb-4096" : "rocksdb";
}

static void store_open(const struct bench_work *work, const char *dir)
{
    bool is_overflow = work->kind == BENCH_OVERFLOW;
    char *problem    = NULL;

    db.options = rocksdb_options_create();
    db.table   = rocksdb_block_based_options_create();
    rocksdb_options_set_create_if_missing(db.options, 1);
    rocksdb_options_increase_parallelism(db.options, (int)sysconf(_SC_NPROCESSORS_ONLN));
    rocksdb_options_set_disable_auto_compactions(db.options, 1);
    rocksdb_options_set_level0_slowdown_writes_trigger(db.options, 1 << 20);
    rocksdb_options_set_level0_stop_writes_trigger(db.options, 1 << 20);
    rocksdb_options_set_max_write_buffer_number(db.options, 4);
    rocksdb_options_set_allow_concurrent_memtable_write(db.options, !is_overflow); /* one writer: faster without */
    rocksdb_block_based_options_set_block_size(db.table, 64 << 10);
    rocksdb_options_set_block_based_table_factory(db.options, db.table);
    if (is_overflow && work->level > 0) {
        rocksdb_options_set_compression(db.options, rocksdb_zlib_compression);
        rocksdb_options_set_compression_options(db.options, -15, work->level, 0, 0);
    } else {
        rocksdb_options_set_compression(db.options, rocksdb_no_compression);
    }
    db.write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(db.write, is_overflow);
    rocksdb_writeoptions_set_sync(db.write, !is_overflow);
    db.handle = rocksdb_open(db.options, dir, &problem);
    must(problem, "rocksdb_open");
}

static void store_close(void)
{
    rocksdb_close(db.handle);
    rocksdb_writeoptions_destroy(db.write);
    rocksdb_block_based_options_destroy(db.table);
    rocksdb_options_destroy(db.options);
}

static void batch_put(uint64_t first, const struct iovec *records, size_t count)
{
    static rocksdb_writebatch_t *batch; /* overflow: one thread */
    char *problem = NULL;

    if (batch == NULL) batch = rocksdb_writebatch_create();
    rocksdb_writebatch_clear(batch);
    for (size_t i = 0; i < count; i++) {
        char key[8];

        key_store(key, first + i);
        rocksdb_writebatch_put(batch, key, sizeof key, records[i].iov_base, records[i].iov_len);
    }
    rocksdb_write(db.handle, db.write, batch, &problem);
    must(problem, "rocksdb_write");
}

static void store_put(uint64_t first, const struct iovec *records, size_t count)
{
    char *problem = NULL;
    char key[8];

    if (count > 1) {
        batch_put(first, records, count);
        return;
    }
    key_store(key, first);
    rocksdb_put(db.handle, db.write, key, sizeof key, records->iov_base, records->iov_len, &problem);
    must(problem, "rocksdb_put");
}

static void store_flush(void)
{
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    char *problem                 = NULL;

    rocksdb_flushoptions_set_wait(flush, 1);
    rocksdb_flush(db.handle, flush, &problem);
    must(problem, "rocksdb_flush");
    rocksdb_flushoptions_destroy(flush);
}

static void store_read(uint64_t first, size_t count, struct bench_check *check)
{
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_iterator_t *at;
    char key[8];

    rocksdb_readoptions_set_fill_cache(read, 0);
    rocksdb_readoptions_set_readahead_size(read, 1 << 20);
    at = rocksdb_create_iterator(db.handle, read);
    key_store(key, first);
    rocksdb_iter_seek(at, key, sizeof key);
    for (size_t i = 0; i < count; i++, rocksdb_iter_next(at)) {
        const char *data;
        size_t len;

        if (!rocksdb_iter_valid(at)) bench_die("rocksdb_iter_next", "too few records");
        data = rocksdb_iter_value(at, &len);
        store_take(check, data, len);
    }
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_destroy(read);
}

STORE_PEER;
