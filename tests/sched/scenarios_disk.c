/* SPDX-License-Identifier: MIT */
/*
 * Scenarios in which the ring is full when the threads start and records overflow: into the open block, through
 * compressing and writing to files, back to the receiver from memory or from disk, and back to memory mode; with big
 * records, flushes, and writes that fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "scenarios.h"

/* ---- small records: the open block goes to the receiver in memory, or is written ---- */

static void send_three_small(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) rig_send_ok(s, 300);
    rig_close_sender(s);
}

static void disk_overflow(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_ring();
    rig_start_all(send_three_small);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- records of which one or two make a block: sealing, writing, rotating files ---- */

static void send_three_blocks(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) rig_send_ok(s, 1500);
    rig_close_sender(s);
}

static void disk_blocks(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_start_all(send_three_blocks);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* The same with deflate: compressing goes on while others send and the receiver may take the block away. */
static void disk_deflate(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192, .compression = 1 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_start_all(send_three_blocks);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- a record that is larger than a block against small ones ---- */

static void send_big(struct rig_sender *s)
{
    rig_send_ok(s, 9000);
    rig_close_sender(s);
}

static void disk_big(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_start(1, send_big);
    rig_start(2, send_three_small);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- flush ---- */

static void flush_and_close(struct rig_sender *s)
{
    hopper_status st = hopper_flush(s->snd);

    if (st != HOPPER_OK) sched_fail("flush: %s", hopper_status_name(st));
    rig_send_ok(s, 300);
    rig_close_sender(s);
}

static void disk_flush(void)
{
    rig_open(&(struct rig_options){ .senders = 2 });
    rig_fill_ring();
    rig_start(1, send_three_small);
    rig_start(2, flush_and_close);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- writes that fail ---- */

/* Some writes fail. A send that hits one may be refused, and then its record never comes; nothing else is lost. */
static void send_three_or_fail(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) {
        hopper_status st = rig_send(s, 1500, HOPPER_FOREVER);

        SCHED_CHECK(st == HOPPER_OK || st == HOPPER_EIO);
    }
    rig_close_sender(s);
}

static void disk_fails_once(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_allow_faults(RIG_FAULT_WRITE, EIO, 2, false);
    rig_start_all(send_three_or_fail);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* The device is full from some write on. Senders that wait for it go on when it has room again, or when the receiver
 * has taken what they wait behind. */
static void disk_fails_full(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_allow_faults(RIG_FAULT_WRITE, ENOSPC, 1, true);
    rig_start_all(send_three_blocks);
    rig_close_first();
    rig_receive_count(2);
    rig_heal();
    rig_receive_all();
    rig_finish();
}

/* ---- flushing and reading that fail ---- */

/* A flush that fails loses nothing: what it could not write waits in memory. */
static void flush_twice(struct rig_sender *s)
{
    for (int i = 0; i < 2; i++) {
        hopper_status st = hopper_flush(s->snd);

        SCHED_CHECK(st == HOPPER_OK || st == HOPPER_EIO);
    }
    rig_close_sender(s);
}

static void disk_flush_fails(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192 });
    rig_fill_ring();
    rig_send_ok(rig_sender(0), 300);
    rig_allow_faults(RIG_FAULT_WRITE, EIO, 2, false);
    rig_start(1, send_three_or_fail);
    rig_start(2, flush_twice);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* No descriptor is to be had now and then. The receiver is told and calls again, and nothing is lost; a sender that
 * needs a new file may be told so as well. */
static void disk_open_fails(void)
{
    hopper_status st;

    rig_open(&(struct rig_options){ .senders = 1, .file_bytes = 8192 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_allow_faults(RIG_FAULT_OPEN, EMFILE, 2, false);
    rig_start(1, send_three_or_fail);
    rig_close_first();
    while ((st = rig_receive(HOPPER_FOREVER)) == HOPPER_OK || st == HOPPER_EIO) continue;
    SCHED_CHECK(st == HOPPER_END && rig.lost == 0);
    rig_finish();
}

/* A file that cannot be read costs what is in it, and each record of it is counted. */
static void disk_read_fails(void)
{
    hopper_status st;

    rig_open(&(struct rig_options){ .senders = 1, .file_bytes = 8192 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_allow_faults(RIG_FAULT_READ, EIO, 1, false);
    rig_start(1, send_three_blocks);
    rig_close_first();
    while ((st = rig_receive(HOPPER_FOREVER)) == HOPPER_OK || st == HOPPER_EIO) continue;
    SCHED_CHECK(st == HOPPER_END);
    SCHED_CHECK(rig.lost == 0 || rig_faults() > 0);
    rig_finish();
}

/* ---- the books at any instant, while records go over the disk ---- */

static void read_books(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) rig_check_books_of(s->snd);
    rig_close_sender(s);
}

static void disk_books(void)
{
    rig_open(&(struct rig_options){ .senders = 2, .file_bytes = 8192 });
    rig_fill_ring();
    rig_fill_blocks(1500);
    rig_start(1, send_three_blocks);
    rig_start(2, read_books);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* ---- items that overflow: packed by the sender, unpacked for the receiver ---- */

struct item {
    unsigned sender;
    unsigned number;
};

static int pack(void *ctx, const void *data, struct msgpack_packer *packer)
{
    const struct item *item = data;
    char filler[1000];

    (void)ctx;
    memset(filler, 'x', sizeof filler);
    if (msgpack_pack_array(packer, 3) || msgpack_pack_uint32(packer, item->sender) ||
        msgpack_pack_uint32(packer, item->number) || msgpack_pack_bin(packer, sizeof filler))
        return -1;
    return msgpack_pack_bin_body(packer, filler, sizeof filler);
}

/* Both numbers are below 128, so each is one byte. */
static int unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    const unsigned char *bytes = data;
    struct item *item          = malloc(sizeof *item);

    (void)ctx;
    SCHED_CHECK(item != NULL && len > 3 && bytes[0] == 0x93);
    *item  = (struct item){ bytes[1], bytes[2] };
    *itemp = item;
    return 0;
}

static size_t weight(void *ctx, const void *item)
{
    (void)item;
    return *(const size_t *)ctx;
}

static void free_item(void *ctx, void *item)
{
    (void)ctx;
    free(item);
}

static hopper_status send_item(hopper_sender *snd, unsigned sender, unsigned number)
{
    struct item *item = malloc(sizeof *item);
    hopper_status st;

    SCHED_CHECK(item != NULL);
    *item = (struct item){ sender, number };
    st    = hopper_send_item(snd, item, HOPPER_FOREVER);
    if (st != HOPPER_OK) free(item);
    return st;
}

static void send_items(struct rig_sender *s)
{
    for (unsigned i = 0; i < 3; i++) SCHED_CHECK(send_item(s->snd, s->id, i) == HOPPER_OK);
    rig_close_sender(s);
}

static struct hopper_stats stats_now(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(rig.first, &stats) == HOPPER_OK);
    return stats;
}

/* Everything that was sent comes, each sender's items in order. */
static void receive_items(unsigned filled)
{
    unsigned next[3] = { 0 };
    struct hopper_record rec;
    hopper_status st;

    while ((st = hopper_receive(rig.rcv, &rec, HOPPER_FOREVER)) == HOPPER_OK) {
        struct item *item;

        SCHED_CHECK(rec.gap == HOPPER_GAP_NONE);
        memcpy(&item, &rec.data, sizeof item);
        SCHED_CHECK(item->sender < 3 && item->number == next[item->sender]);
        next[item->sender]++;
        free(item);
    }
    SCHED_CHECK(st == HOPPER_END && next[0] == filled && next[1] == 3 && next[2] == 3);
    rig_close_receiver();
}

static void disk_items(void)
{
    static size_t item_weight                 = RIG_RING_LEN;
    static const struct hopper_item_type type = { sizeof type, pack, unpack, weight, free_item, &item_weight };
    unsigned filled                           = 0;

    rig_open(&(struct rig_options){ .senders = 2, .item_type = &type });
    do SCHED_CHECK(send_item(rig.first, 0, filled++) == HOPPER_OK);
    while (stats_now().overflowed == 0);
    rig_start_all(send_items);
    rig_close_first();
    receive_items(filled);
    rig_finish();
}

/* More memory, so that two threads compress and write at once: blocks that are packed and wait for their turn, a writer
 * that goes on with what others have packed, and a receiver that takes any of it. Items are heavy, so few fill the
 * ring. */
static void disk_lanes(void)
{
    static size_t item_weight                 = 900000;
    static const struct hopper_item_type type = { sizeof type, pack, unpack, weight, free_item, &item_weight };
    unsigned filled                           = 0;

    rig_open(
        &(struct rig_options){ .senders = 2, .memory_bytes = 4 << 20, .disk_bytes = 256 << 10, .item_type = &type });
    do SCHED_CHECK(send_item(rig.first, 0, filled++) == HOPPER_OK);
    while (stats_now().written_bytes == 0);
    rig_start_all(send_items);
    rig_close_first();
    receive_items(filled);
    rig_finish();
}

/* clang-format off */
#define PLANS(dfs_bound, timeouts_) \
    { { .mode = SCHED_DFS, .bound = dfs_bound, .timeouts = timeouts_ }, \
      { .mode = SCHED_RANDOM, .schedules = 3000, .timeouts = timeouts_, .spurious = 1 }, \
      { .mode = SCHED_PCT, .schedules = 3000, .bound = 4, .timeouts = timeouts_ } }
/* clang-format on */

const struct sched_scenario scenario_disk_overflow = { "disk_overflow", disk_overflow, SCHED_CLEAN,
                                                       PLANS(2, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_blocks   = { "disk_blocks", disk_blocks, SCHED_CLEAN,
                                                       PLANS(2, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_deflate  = {
     "disk_deflate",
     disk_deflate,
     SCHED_CLEAN,
     { { .mode = SCHED_RANDOM, .schedules = 2000, .timeouts = SCHED_TIMEOUTS_NEVER },
       { .mode = SCHED_PCT, .schedules = 2000, .bound = 4, .timeouts = SCHED_TIMEOUTS_NEVER } },
};
const struct sched_scenario scenario_disk_big   = { "disk_big", disk_big, SCHED_CLEAN, PLANS(1, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_flush = { "disk_flush", disk_flush, SCHED_CLEAN,
                                                    PLANS(2, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_fails_once  = { "disk_fails_once", disk_fails_once, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_LATE) };
const struct sched_scenario scenario_disk_fails_full  = { "disk_fails_full", disk_fails_full, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_LATE) };
const struct sched_scenario scenario_disk_items       = { "disk_items", disk_items, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_flush_fails = { "disk_flush_fails", disk_flush_fails, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_open_fails  = { "disk_open_fails", disk_open_fails, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_read_fails  = { "disk_read_fails", disk_read_fails, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_books       = { "disk_books", disk_books, SCHED_CLEAN,
                                                          PLANS(1, SCHED_TIMEOUTS_NEVER) };
const struct sched_scenario scenario_disk_lanes       = {
          "disk_lanes",
          disk_lanes,
          SCHED_CLEAN,
          { { .mode = SCHED_DFS, .bound = 1, .timeouts = SCHED_TIMEOUTS_NEVER },
            { .mode = SCHED_RANDOM, .schedules = 1000, .timeouts = SCHED_TIMEOUTS_NEVER } },
};
