/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark's programs share: the description of one piece of work, the messages and their checks, and the
 * table of functions that makes a peer.
 *
 * One peer is one program: harness.c (main, threads, clock, result line), args.c, data.c, and one file with the peer's
 * table. A peer's functions contain whole loops, so that no indirect call stands between two messages; the functions
 * below that run once for each message are inline for the same reason and are the same for every peer.
 *
 * Kinds of work:
 *   mem       senders and the receiver run at once, each in its own thread; messages of one size or a mix of sizes
 *   overflow  all records go in, then all come out; records are log lines or integers, prepared before the clock runs
 *   durable   senders at once, messages of one size; no send returns before its message would survive a power loss
 *   wake      one message at a time to a receiver that has gone to sleep meanwhile: how long until it has it
 *   burst     one sender sends more than usual while the receiver stands still, which then comes back
 *   part      one part of the library alone (parts.c)
 *
 * A program ends with 0 (measured, every check passed), 1 (it failed), 2 (usage) or 77 (it does not do this work).
 */
#ifndef HOPPER_BENCH_H
#define HOPPER_BENCH_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#define _Noreturn [[noreturn]]
#endif

#define BENCH_SENDERS_MAX 64
#define BENCH_BATCH_MAX   1024
#define BENCH_SIZE_MAX    65536

enum bench_kind { BENCH_MEM, BENCH_OVERFLOW, BENCH_DURABLE, BENCH_WAKE, BENCH_BURST, BENCH_PART };
enum bench_status { BENCH_OK = 0, BENCH_FAILED = 1, BENCH_USAGE = 2, BENCH_UNSUPPORTED = 77 };

struct bench_work {
    enum bench_kind kind;
    const char     *data;     /* overflow: "log", "int", "json" or "packed" */
    const char     *variant;  /* which of a program's peers; "" is its first */
    const char     *dir;      /* where queue files go */
    unsigned        senders;
    size_t          size;     /* mem: bytes of a message, at least 8; the largest of them where they are a mix */
    bool            mix;      /* mem: sizes as bench_mix_size() says */
    size_t          batch;    /* messages for each call of the peer; 1: one by one, both ways */
    uint64_t        slots;    /* mem: messages that a bounded peer holds; 0: all of a pass */
    uint64_t        messages; /* mem: of one pass, all senders together */
    uint64_t        passes;   /* mem: measured; one more goes before them */
    uint64_t        bytes;    /* overflow: payload to prepare */
    uint64_t        memory;   /* the channel's memory budget in bytes; 0: what the work needs */
    uint64_t        seed;
    int             level;    /* overflow: 0 stored, 1 to 9 deflated */
    int             survive;  /* what a channel of ours survives: 0 nothing, 1 a kill */
    unsigned        compress_threads; /* of a channel of ours: 0 or 1 */
    unsigned        decompress_threads; /* the same */
    unsigned        work_passes; /* overflow: how often the receiver goes over the bytes of each record */
    unsigned        cpus;     /* how many CPUs all threads may use; 0: all */
    int             pin;      /* 1: the receiver has a CPU to itself; 0: wherever the system likes */
};

/* Prepared records of the overflow work. */
struct bench_data {
    struct iovec *records;
    size_t        count;
    uint64_t      bytes;  /* sum of their lengths */
    uint64_t      digest; /* bench_digest() over all, in order */
    uint64_t      sum;    /* what work_passes over them come to */
    char         *text;   /* where they live, one after the other */
};

/* What the receiver saw. */
struct bench_check {
    uint64_t next[BENCH_SENDERS_MAX]; /* the counter that each sender's next message must carry */
    uint64_t count;
    uint64_t sum;
    uint64_t digest;
    unsigned work_passes; /* as in the work */
    uint64_t work_sum;    /* what they came to */
    uint64_t bytes;
    uint64_t errors; /* out of order, wrong length, damaged */
};

struct bench_peer {
    /* The name to print for WORK, or NULL when the program does not do it. */
    const char *(*name)(const struct bench_work *work);
    void (*open)(const struct bench_work *work);
    void (*close)(const struct bench_work *work);
    /* mem: sender number SENDER sends its counters FIRST to FIRST + COUNT - 1; the receiver takes COUNT in all.
     * durable: the same; all senders send, then the receiver takes. */
    void (*send)(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count);
    void (*receive)(const struct bench_work *work, struct bench_check *check, uint64_t count);
    /* overflow: COUNT records in, and the same out */
    void (*fill)(const struct bench_work *work, const struct iovec *records, size_t count);
    void (*drain)(const struct bench_work *work, struct bench_check *check, size_t count);
    /* Append " key=value" pairs to the result line; NULL when there is nothing to say. Called before close. */
    void (*report)(const struct bench_work *work, FILE *out);
    /* burst: bytes on disk now, while others send and receive; NULL: never any. */
    uint64_t (*disk)(const struct bench_work *work);
};

/* Each peer's file defines this one. */
extern const struct bench_peer bench_peer;

/* durable.c: the durable work from beginning to end; the program's exit status. */
int bench_durable_run(const struct bench_work *work);

int  bench_args(int argc, char **argv, struct bench_work *work);
bool bench_data_known(const char *name);
void bench_data_make(struct bench_data *data, const struct bench_work *work);
void bench_data_free(struct bench_data *data);

/* Say what went wrong and end the program with BENCH_FAILED. */
_Noreturn void bench_die(const char *what, const char *why);

/* clock.c: nanoseconds on a clock that only goes forward; user and system time of the process. */
uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void);

/* Remember which CPUs the process may use (--cpus), and bind the calling thread to the one for sender NUMBER, or for
 * the receiver when it is the number of senders: the last one is the receiver's, the others are shared in turn. */
void bench_cpus(const struct bench_work *work);
void bench_pin(const struct bench_work *work, unsigned number);

/* wake.c, burst.c: these kinds of work from beginning to end; the program's exit status. */
int bench_wake_run(const struct bench_work *work);
int bench_burst_run(const struct bench_work *work);

/* Room for a sender's group of messages. In the burst work it holds text from a log, other text for each FIRST, as its
 * messages may have to be compressed; else zeros. */
char *bench_group_alloc(const struct bench_work *work, uint64_t first);

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

/* ---- messages of many sizes ---- */

/* The mix: 64 sizes, each as likely as the others, from a metric's few bytes to a stack trace. Which one a message has
 * follows from its value, in a way that no branch predictor learns. */
#define BENCH_MIX_MAX  4096
#define BENCH_MIX_MEAN 311

static inline size_t bench_mix_size(uint64_t value)
{
    static const uint16_t sizes[64] = {
        16,  24,  24,  32,  32,  40,  40,  48,  52,  56,  60,  64,  68,  72,   76,   80,  /* metrics, short events */
        84,  88,  92,  96,  100, 104, 110, 116, 122, 128, 134, 140, 147, 154,  160,  166, /* syslog */
        172, 178, 185, 190, 196, 201, 207, 212, 218, 223, 229, 235, 242, 249,  257,  266, /* a web server's log */
        280, 298, 316, 337, 360, 388, 420, 460, 510, 570, 650, 760, 900, 1300, 2048, 4096 /* JSON, stack traces */
    };
    uint64_t mixed = (value + 1) * UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return sizes[mixed >> 58];
}

static inline size_t bench_message_size(const struct bench_work *work, uint64_t value)
{
    return work->mix ? bench_mix_size(value) : work->size;
}

/* The sender's next COUNT messages, one after the other in GROUP, which has room for as many of the largest; RECORDS
 * says where each is. */
static inline void bench_records_fill(const struct bench_work *work, char *group, struct iovec *records, unsigned sender,
                                      uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = bench_value(sender, first + i);
        size_t   size = bench_message_size(work, value);

        bench_message_fill(group, size, value);
        records[i].iov_base = group;
        records[i].iov_len = size;
        group += size;
    }
}

/* As bench_message_check(), for messages of any size. */
static inline void bench_any_check(const struct bench_work *work, struct bench_check *check, const void *message,
                                   size_t len)
{
    size_t size = work->size;

    if (work->mix && len >= sizeof(uint64_t)) size = bench_mix_size(bench_load(message));
    check->bytes += len;
    bench_message_check(check, message, len, size);
}

/* For those that cannot sleep: wait a little before looking at a position again, since each look takes its cache line
 * away from the one who writes it, and let others run now and then. */
static inline void bench_relax(unsigned *looks)
{
    for (int i = 0; i < 100; i++) __asm__ volatile("" ::: "memory");
    if (++*looks % 64 == 0) sched_yield();
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

/* What the receiver does with a record when it has something to do: PASSES times FNV-1a over its bytes, one after the
 * other, added to SUM. Some 0.7 to 1 GB/s for one pass; no compiler makes vectors of it. */
static inline uint64_t bench_work_on(uint64_t sum, const void *record, size_t len, unsigned passes)
{
    const unsigned char *byte = (const unsigned char *)record;

    for (unsigned pass = 0; pass < passes; pass++) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325) + pass;

        for (size_t i = 0; i < len; i++) hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
        sum += hash;
    }
    return sum;
}

static inline void bench_record_check(struct bench_check *check, const void *record, size_t len)
{
    check->count++;
    check->bytes += len;
    check->digest = bench_digest(check->digest, record, len);
    check->work_sum = bench_work_on(check->work_sum, record, len, check->work_passes);
}

#ifdef __cplusplus
}
#endif

#endif
