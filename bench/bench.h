/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark's programs share: the description of one piece of work, the messages and their checks, and the
 * table of functions that makes a peer.
 *
 * One peer is one program: harness.c (main, threads, clock, result line), args.c, data.c, and one file with the peer's
 * table. A peer's functions contain whole loops, so that no indirect call stands between two messages; the functions
 * below that run once for each message are inline for the same reason and are the same for every peer.
 *
 * Two kinds of work:
 *   mem       senders and the receiver run at once, each in its own thread; messages of one size
 *   overflow  all records go in, then all come out; records are log lines or integers, prepared before the clock runs
 *
 * A program ends with 0 (measured, every check passed), 1 (it failed), 2 (usage) or 77 (it does not do this work).
 */
#ifndef HOPPER_BENCH_H
#define HOPPER_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define BENCH_SENDERS_MAX 64
#define BENCH_BATCH_MAX   1024
#define BENCH_SIZE_MAX    65536

enum bench_kind { BENCH_MEM, BENCH_OVERFLOW };
enum bench_status { BENCH_OK = 0, BENCH_FAILED = 1, BENCH_USAGE = 2, BENCH_UNSUPPORTED = 77 };

struct bench_work {
    enum bench_kind kind;
    const char     *data;     /* overflow: "log" or "int" */
    const char     *variant;  /* which of a program's peers; "" is its first */
    const char     *dir;      /* where queue files go */
    unsigned        senders;
    size_t          size;     /* mem: bytes of a message, at least 8 */
    size_t          batch;    /* messages for each call of the peer; 1: one by one, both ways */
    uint64_t        slots;    /* mem: messages that a bounded peer holds; 0: all of a pass */
    uint64_t        messages; /* mem: of one pass, all senders together */
    uint64_t        passes;   /* mem: measured; one more goes before them */
    uint64_t        bytes;    /* overflow: payload to prepare */
    uint64_t        memory;   /* the channel's memory budget in bytes; 0: what the work needs */
    uint64_t        seed;
    int             level;    /* overflow: 0 stored, 1 to 9 deflated */
    int             survive;  /* what a channel of ours survives: 0 nothing, 1 a kill */
    int             pin;      /* 1: the receiver has a CPU to itself; 0: wherever the system likes */
};

/* Prepared records of the overflow work. */
struct bench_data {
    struct iovec *records;
    size_t        count;
    uint64_t      bytes;  /* sum of their lengths */
    uint64_t      digest; /* bench_digest() over all, in order */
    char         *text;   /* where they live, one after the other */
};

/* What the receiver saw. */
struct bench_check {
    uint64_t next[BENCH_SENDERS_MAX]; /* the counter that each sender's next message must carry */
    uint64_t count;
    uint64_t sum;
    uint64_t digest;
    uint64_t bytes;
    uint64_t errors; /* out of order, wrong length, damaged */
};

struct bench_peer {
    /* The name to print for WORK, or NULL when the program does not do it. */
    const char *(*name)(const struct bench_work *work);
    void (*open)(const struct bench_work *work);
    void (*close)(const struct bench_work *work);
    /* mem: sender number SENDER sends its counters FIRST to FIRST + COUNT - 1; the receiver takes COUNT in all. */
    void (*send)(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count);
    void (*receive)(const struct bench_work *work, struct bench_check *check, uint64_t count);
    /* overflow: COUNT records in, and the same out */
    void (*fill)(const struct bench_work *work, const struct iovec *records, size_t count);
    void (*drain)(const struct bench_work *work, struct bench_check *check, size_t count);
    /* Append " key=value" pairs to the result line; NULL when there is nothing to say. Called before close. */
    void (*report)(const struct bench_work *work, FILE *out);
};

/* Each peer's file defines this one. */
extern const struct bench_peer bench_peer;

int  bench_args(int argc, char **argv, struct bench_work *work);
void bench_data_make(struct bench_data *data, const struct bench_work *work);
void bench_data_free(struct bench_data *data);

/* Say what went wrong and end the program with BENCH_FAILED. */
_Noreturn void bench_die(const char *what, const char *why);

/* calloc or the end of the program. */
void *bench_alloc(size_t count, size_t size);

/* ---- messages of the mem work ---- */

#define BENCH_COUNTER_BITS 48
#define BENCH_COUNTER_MASK ((UINT64_C(1) << BENCH_COUNTER_BITS) - 1)

static inline uint64_t bench_load(const void *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline void bench_store(void *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof value);
}

static inline uint64_t bench_value(unsigned sender, uint64_t counter)
{
    return ((uint64_t)sender << BENCH_COUNTER_BITS) | counter;
}

/* A message: its value at the front and again at the end; what lies between is whatever the buffer holds. */
static inline void bench_message_fill(void *message, size_t size, uint64_t value)
{
    bench_store(message, value);
    bench_store((char *)message + size - sizeof value, value);
}

/* Messages are made in groups, also where they go one by one: a copy of bytes that were stored a moment ago would wait
 * for the stores before them, and that wait is nobody's but the benchmark's. */
#define BENCH_GROUP 64

static inline size_t bench_group_max(const struct bench_work *work)
{
    return work->batch == 1 ? BENCH_GROUP : work->batch;
}

/* How many messages the next group has. */
static inline size_t bench_group(const struct bench_work *work, uint64_t left)
{
    return left < bench_group_max(work) ? (size_t)left : bench_group_max(work);
}

/* The sender's next COUNT messages, one after the other in GROUP. */
static inline void bench_group_fill(char *group, size_t size, unsigned sender, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) bench_message_fill(group + i * size, size, bench_value(sender, first + i));
}

static inline void bench_value_check(struct bench_check *check, uint64_t value)
{
    uint64_t sender = value >> BENCH_COUNTER_BITS;

    check->count++;
    check->sum += value;
    if (sender >= BENCH_SENDERS_MAX || check->next[sender] != (value & BENCH_COUNTER_MASK)) {
        check->errors++;
        return;
    }
    check->next[sender]++;
}

static inline void bench_message_check(struct bench_check *check, const void *message, size_t len, size_t size)
{
    uint64_t value;

    if (len != size) {
        check->count++;
        check->errors++;
        return;
    }
    value = bench_load(message);
    check->errors += bench_load((const char *)message + size - sizeof value) != value;
    bench_value_check(check, value);
}

/* How many messages the next call carries. */
static inline size_t bench_batch(const struct bench_work *work, uint64_t left)
{
    return left < work->batch ? (size_t)left : work->batch;
}

/* ---- records of the overflow work ---- */

/* Depends on the length, the first and the last eight bytes and the order: cheap, and the same for all. */
static inline uint64_t bench_digest(uint64_t digest, const void *record, size_t len)
{
    uint64_t front = 0;
    uint64_t back = 0;

    if (len >= sizeof front) {
        front = bench_load(record);
        back = bench_load((const char *)record + len - sizeof back);
    } else if (len > 0) {
        memcpy(&front, record, len);
    }
    digest = (digest ^ front ^ len) * UINT64_C(0x9e3779b97f4a7c15);
    digest = (digest << 29 | digest >> 35) ^ back;
    return digest * UINT64_C(0xbf58476d1ce4e5b9);
}

static inline void bench_record_check(struct bench_check *check, const void *record, size_t len)
{
    check->count++;
    check->bytes += len;
    check->digest = bench_digest(check->digest, record, len);
}

#endif
