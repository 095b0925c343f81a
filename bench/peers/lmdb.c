/* SPDX-License-Identifier: MIT */
/*
 * LMDB: a B+tree in a mapped file, one writer at a time.
 *
 * Integer keys, appended (MDB_APPEND: no search, full pages). Overflow: MDB_NOSYNC with MDB_WRITEMAP, which is its
 * fastest way and leaves nothing to flush. Durable: its default, pages and then the meta page synced by each commit
 * (MDB_NOMETASYNC would lose the last one). LMDB has no group commit: variant "group" puts ours in front.
 */
#include "store.h"

#include <lmdb.h>

#define MAP_SLACK (UINT64_C(1) << 30)

static struct {
    MDB_env *env;
    MDB_dbi dbi;
} db;

static void must(int status, const char *what)
{
    if (status != 0) bench_die(what, mdb_strerror(status));
}

static const char *store_name(const struct bench_work *work)
{
    switch (work->kind) {
    case BENCH_OVERFLOW: return store_is(work, "large") ? "lmdb-4096" : "lmdb";
    case BENCH_DURABLE: return store_is(work, "group") ? "lmdb-group" : "lmdb";
    default: return NULL;
    }
}

static void store_open(const struct bench_work *work, const char *dir)
{
    unsigned flags  = work->kind == BENCH_OVERFLOW ? MDB_NOSYNC | MDB_WRITEMAP : 0;
    uint64_t wanted = work->kind == BENCH_OVERFLOW ? 8 * work->bytes : 0;
    MDB_txn *txn;

    must(mdb_env_create(&db.env), "mdb_env_create");
    must(mdb_env_set_mapsize(db.env, (size_t)(MAP_SLACK + wanted)), "mdb_env_set_mapsize");
    must(mdb_env_open(db.env, dir, flags, 0600), "mdb_env_open");
    must(mdb_txn_begin(db.env, NULL, 0, &txn), "mdb_txn_begin");
    must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &db.dbi), "mdb_dbi_open");
    must(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void store_close(void)
{
    mdb_env_close(db.env);
}

static void store_put(uint64_t first, const struct iovec *records, size_t count)
{
    /* Threads get their keys before they get the writer's lock, so only a single writer appends. */
    unsigned flags = store.work->kind == BENCH_OVERFLOW ? MDB_APPEND : 0;
    MDB_txn *txn;

    must(mdb_txn_begin(db.env, NULL, 0, &txn), "mdb_txn_begin");
    for (size_t i = 0; i < count; i++) {
        size_t number = (size_t)(first + i);
        MDB_val key   = { sizeof number, &number };
        MDB_val value = { records[i].iov_len, records[i].iov_base };

        must(mdb_put(txn, db.dbi, &key, &value, flags), "mdb_put");
    }
    must(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void store_flush(void)
{
}

static void store_read(uint64_t first, size_t count, struct bench_check *check)
{
    size_t number = (size_t)first;
    MDB_val key   = { sizeof number, &number };
    MDB_val value;
    MDB_cursor *cursor;
    MDB_txn *txn;

    must(mdb_txn_begin(db.env, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
    must(mdb_cursor_open(txn, db.dbi, &cursor), "mdb_cursor_open");
    for (size_t i = 0; i < count; i++) {
        must(mdb_cursor_get(cursor, &key, &value, i == 0 ? MDB_SET_RANGE : MDB_NEXT), "mdb_cursor_get");
        store_take(check, value.mv_data, value.mv_size);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}

STORE_PEER;
