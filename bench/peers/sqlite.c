/* SPDX-License-Identifier: MIT */
/*
 * SQLite: a table with an integer key and a blob, write-ahead log.
 *
 * One connection that holds the file alone (locking_mode=EXCLUSIVE, no shared memory), one prepared statement, pages of
 * 16 KiB, reads through a mapping. Overflow: synchronous=OFF. Durable: synchronous=FULL, one sync of the log for each
 * transaction; a connection carries one transaction at a time, so threads take turns at it under a lock, which is
 * faster than a connection for each and waiting in its busy handler. SQLite has no group commit: variant "group" puts
 * ours in front.
 */
#include "store.h"

#include <pthread.h>
#include <sqlite3.h>

static struct {
    pthread_mutex_t lock;
    sqlite3 *handle;
    sqlite3_stmt *begin;
    sqlite3_stmt *insert;
    sqlite3_stmt *commit;
} db = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void must(int status, const char *what)
{
    if (status != SQLITE_OK && status != SQLITE_DONE && status != SQLITE_ROW)
        bench_die(what, db.handle != NULL ? sqlite3_errmsg(db.handle) : sqlite3_errstr(status));
}

static void execute(const char *sql)
{
    must(sqlite3_exec(db.handle, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *statement;

    must(sqlite3_prepare_v2(db.handle, sql, -1, &statement, NULL), sql);
    return statement;
}

static void step(sqlite3_stmt *statement)
{
    must(sqlite3_step(statement), sqlite3_sql(statement));
    must(sqlite3_reset(statement), sqlite3_sql(statement));
}

static const char *store_name(const struct bench_work *work)
{
    switch (work->kind) {
    case BENCH_OVERFLOW: return store_is(work, "large") ? "sqlite-4096" : "sqlite";
    case BENCH_DURABLE: return store_is(work, "group") ? "sqlite-group" : "sqlite";
    default: return NULL;
    }
}

static void store_open(const struct bench_work *work, const char *dir)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/bench.db", dir);
    must(sqlite3_open_v2(path, &db.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL),
         "sqlite3_open_v2");
    execute("PRAGMA page_size=16384");
    execute("PRAGMA locking_mode=EXCLUSIVE");
    execute("PRAGMA journal_mode=WAL");
    execute(work->kind == BENCH_OVERFLOW ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL");
    execute("PRAGMA mmap_size=17179869184");
    execute("PRAGMA cache_size=-65536");
    execute("CREATE TABLE queue (number INTEGER PRIMARY KEY, data BLOB)");
    db.begin  = prepare("BEGIN");
    db.insert = prepare("INSERT INTO queue VALUES (?, ?)");
    db.commit = prepare("COMMIT");
}

static void store_close(void)
{
    sqlite3_finalize(db.begin);
    sqlite3_finalize(db.insert);
    sqlite3_finalize(db.commit);
    sqlite3_close(db.handle);
}

static void store_put(uint64_t first, const struct iovec *records, size_t count)
{
    pthread_mutex_lock(&db.lock);
    if (count > 1) step(db.begin);
    for (size_t i = 0; i < count; i++) {
        must(sqlite3_bind_int64(db.insert, 1, (sqlite3_int64)(first + i)), "sqlite3_bind_int64");
        must(sqlite3_bind_blob(db.insert, 2, records[i].iov_base, (int)records[i].iov_len, SQLITE_STATIC),
             "sqlite3_bind_blob");
        step(db.insert);
    }
    if (count > 1) step(db.commit);
    pthread_mutex_unlock(&db.lock);
}

static void store_flush(void)
{
}

static void store_read(uint64_t first, size_t count, struct bench_check *check)
{
    sqlite3_stmt *select = prepare("SELECT data FROM queue WHERE number >= ? ORDER BY number");

    must(sqlite3_bind_int64(select, 1, (sqlite3_int64)first), "sqlite3_bind_int64");
    for (size_t i = 0; i < count; i++) {
        if (sqlite3_step(select) != SQLITE_ROW) bench_die("SELECT", sqlite3_errmsg(db.handle));
        store_take(check, sqlite3_column_blob(select, 0), (size_t)sqlite3_column_bytes(select, 0));
    }
    sqlite3_finalize(select);
}

STORE_PEER;
