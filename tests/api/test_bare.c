/* SPDX-License-Identifier: MIT */
/*
 * Records of one short length, which overflow without headers: which frames have them so, and that each record comes
 * out as what it was, whatever came before and behind it, whoever handed it out, and after kills.
 */
#include "chan.h"
#include "suite.h"
#include "survive.h"
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_HEADER  72
#define FRAME_HEADER 52
#define FRAMES_MAX   512
#define FEW          31 /* records that tell nothing of those behind them */

/* What the header of a frame says. */
struct frame {
    uint32_t codec, records, raw_bytes;
};

static struct frame frames[FRAMES_MAX];
static size_t frame_count;

static uint64_t number_at(const unsigned char *in, int bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0) value = value << 8 | *in++;
    return value;
}

static void look_into_file(struct mem_platform *mem, const char *path)
{
    unsigned char *bytes;
    size_t len, at;
    void *data;

    ck_assert_int_eq(mem_read_file(mem, path, &data, &len), 0);
    bytes = data;
    ck_assert_uint_gt(len, FILE_HEADER);
    at = FILE_HEADER + (bytes[15] & 1 ? 4 + (size_t)number_at(bytes + FILE_HEADER, 4) : 0);
    while (at + FRAME_HEADER <= len && memcmp(bytes + at + 4, "HQFR", 4) == 0) {
        ck_assert_uint_lt(frame_count, FRAMES_MAX);
        frames[frame_count++] =
            (struct frame){ (uint32_t)number_at(bytes + at + 8, 4), (uint32_t)number_at(bytes + at + 12, 4),
                            (uint32_t)number_at(bytes + at + 16, 4) };
        at += 4 + (size_t)number_at(bytes + at, 4);
    }
    free(data);
}

/* All frames of the queue files in DIR. */
static void look(struct mem_platform *mem, const char *dir)
{
    static char names[300][256];
    int count = mem_list(mem, dir, names, 300);
    char path[600];

    frame_count = 0;
    for (int i = 0; i < count; i++) {
        if (!strstr(names[i], ".hq")) continue;
        (void)snprintf(path, sizeof path, "%s/%.255s", dir, names[i]);
        look_into_file(mem, path);
    }
}

/* The length of frame I's records, if they are bare; else 0. */
static uint32_t bare_bytes(size_t i)
{
    const struct frame *f = &frames[i];

    ck_assert_uint_lt(i, frame_count);
    if ((f->codec & 2) == 0) return 0;
    ck_assert_uint_eq(f->raw_bytes % f->records, 0);
    return f->raw_bytes / f->records;
}

static size_t count_bare(void)
{
    size_t count = 0;

    for (size_t i = 0; i < frame_count; i++) count += bare_bytes(i) > 0;
    return count;
}

/* ---- a channel whose memory is full, so that all that is sent goes to blocks ---- */

static struct chan c;

static void open_full(void)
{
    chan_fill_to_disk(&c, 1000);
}

static void set_up(void)
{
    chan_init(&c);
    c.options.disk_bytes = 4 << 20;
}

static void send_some(size_t count, size_t len)
{
    for (size_t i = 0; i < count; i++) ck_assert_int_eq(chan_send(&c, len), HOPPER_OK);
}

static void end_frame(void)
{
    ck_assert_int_eq(hopper_flush(c.snd), HOPPER_OK);
}

/* The frames behind the first, which is what made the channel full. */
static void look_behind_first(void)
{
    end_frame();
    look(c.mem, CHAN_PATH);
    ck_assert_uint_gt(frame_count, 1);
    frame_count--;
    memmove(frames, frames + 1, frame_count * sizeof *frames);
}

static void finish_in_batches(size_t most)
{
    struct hopper_record recs[200];
    size_t count, max = 1;

    for (; hopper_receive_batch(c.rcv, recs, max, HOPPER_NOW, &count) == HOPPER_OK; max = max % most + 1)
        for (size_t i = 0; i < count; i++) ck_assert_msg(checker_take(&c.checker, &recs[i]), "%s", c.checker.fault);
    chan_finish(&c);
}

START_TEST(records_of_one_length_are_bare_from_the_second_frame_on)
{
    static const size_t lens[] = { 24, 25, 63, 64 };

    set_up();
    c.options.compression = _i & 1 ? 1 : HOPPER_COMPRESSION_NONE;
    chan_open(&c);
    open_full();
    send_some(1500, lens[_i / 2 % 4]);
    look_behind_first();
    ck_assert_uint_eq(frames[0].codec & 2, 0);
    for (size_t i = 1; i < frame_count; i++) {
        ck_assert_uint_eq(bare_bytes(i), lens[_i / 2 % 4]);
        ck_assert_uint_eq(frames[i].codec & 1, _i & 1); /* what checker_fill() makes can be deflated */
    }
    ck_assert_uint_gt(frame_count, 5);
    if (_i < 8) chan_finish(&c);
    else finish_in_batches(_i < 16 ? 7 : 200);
}
END_TEST

START_TEST(longer_records_keep_their_headers)
{
    set_up();
    chan_open(&c);
    open_full();
    send_some(600, 65);
    look_behind_first();
    ck_assert_uint_eq(count_bare(), 0);
    chan_finish(&c);
}
END_TEST

START_TEST(few_records_tell_nothing_of_those_behind_them)
{
    set_up();
    chan_open(&c);
    open_full();
    send_some(FEW, 24);
    end_frame();
    send_some(FEW + 1, 24);
    end_frame();
    send_some(1, 24);
    end_frame();
    look_behind_first();
    ck_assert_uint_eq(frame_count, 3);
    ck_assert_uint_eq(bare_bytes(0) + bare_bytes(1), 0);
    ck_assert_uint_eq(bare_bytes(2), 24);
    finish_in_batches(60);
}
END_TEST

START_TEST(as_many_bytes_of_other_lengths_are_not_records_of_one)
{
    set_up();
    chan_open(&c);
    open_full();
    for (int i = 0; i < 50; i++) send_some(1, 30 + (size_t)(i % 3)); /* a mean of nearly that of the first */
    send_some(51, 30 + 1);
    end_frame();
    send_some(10, 30);
    look_behind_first();
    ck_assert_uint_eq(count_bare(), 0);
    chan_finish(&c);
}
END_TEST

START_TEST(a_record_of_another_length_ends_a_bare_frame_and_is_no_worse_for_it)
{
    set_up();
    chan_open(&c);
    open_full();
    send_some(100, 24);
    end_frame();
    send_some(40, 24);
    send_some(1, _i ? 23 + 2 : 700);
    send_some(20, 24);
    end_frame();
    send_some(3, 24);
    look_behind_first();
    ck_assert_uint_eq(frame_count, 4);
    ck_assert_uint_eq(bare_bytes(1), 24);
    ck_assert_uint_eq(frames[1].records, 40);
    ck_assert_uint_eq(bare_bytes(2), 0);
    ck_assert_uint_eq(frames[2].records, 21);
    ck_assert_uint_eq(bare_bytes(3), 0); /* behind a frame in which they differed */
    finish_in_batches(9);
}
END_TEST

#define TOGETHER 40

/* TOGETHER messages of 24 bytes at once, but for the one at ODD, if there is such a one. */
static void send_together(size_t odd, bool is_joined)
{
    static unsigned char bytes[TOGETHER * 100];
    size_t offsets[TOGETHER + 1] = { 0 }, accepted;
    struct iovec vec[TOGETHER];
    hopper_status st;

    for (size_t i = 0; i < TOGETHER; i++) {
        const size_t len = i == odd ? 60 : 24;

        offsets[i + 1] = offsets[i] + len;
        vec[i]         = (struct iovec){ bytes + offsets[i], len };
        checker_fill(bytes + offsets[i], len, 0, c.sent + i);
    }
    st = is_joined ? hopper_send_joined(c.snd, bytes, offsets, TOGETHER, HOPPER_NOW, &accepted)
                   : hopper_send_batch(c.snd, vec, TOGETHER, HOPPER_NOW, &accepted);
    ck_assert_int_eq(st, HOPPER_OK);
    ck_assert_uint_eq(accepted, TOGETHER);
    c.sent += TOGETHER;
}

START_TEST(batches_are_bare_as_far_as_their_records_are_as_long)
{
    set_up();
    chan_open(&c);
    open_full();
    for (size_t i = 0; i < 60; i++) send_together(i % 13 == 12 ? i % TOGETHER : TOGETHER, (bool)_i);
    look_behind_first();
    ck_assert_uint_gt(count_bare(), 5);
    finish_in_batches(50);
}
END_TEST

/* Long runs of one length, each ended by another one: of two frames at most one is short. */
START_TEST(mixed_lengths_cost_no_more_frames_than_before)
{
    uint64_t rng = 1;

    set_up();
    chan_open(&c);
    open_full();
    for (int i = 0; i < 4000; i++) {
        rng = rng * 6364136223846793005U + 1442695040888963407U;
        send_some(1, (rng >> 33) % 500 == 0 ? 60 : 24);
    }
    look_behind_first();
    ck_assert_uint_gt(count_bare(), 0);
    ck_assert_uint_lt(frame_count, 2 * (4000 * 26 / 4096 + 1));
    finish_in_batches(100);
}
END_TEST

/* ---- blocks that the receiver takes from memory ---- */

START_TEST(bare_blocks_that_never_reach_a_file_come_out_the_same)
{
    set_up();
    chan_open(&c);
    while (chan_pending(&c) < 6000) send_some(1, 24);
    for (int i = 0; i < 20000; i++) { /* the receiver is always behind, now and then in memory */
        send_some(1, i % 900 ? 24 : 31);
        chan_take(&c, i % 50 ? 1 : 2);
    }
    chan_finish(&c);
}
END_TEST

/* ---- items ---- */

static int pack_number(void *ctx, const void *item, struct msgpack_packer *packer)
{
    (void)ctx;
    return msgpack_pack_fix_uint64(packer, *(const uint64_t *)item);
}

static int unpack_number(void *ctx, const void *data, size_t len, void **itemp)
{
    uint64_t *number = malloc(sizeof *number);

    (void)ctx;
    ck_assert_uint_eq(len, 9);
    *number = number_at((const unsigned char *)data + 1, 8);
    *itemp  = number;
    return 0;
}

static size_t weigh_number(void *ctx, const void *item)
{
    (void)ctx, (void)item;
    return HOPPER_MEMORY_BYTES_MIN; /* each overflows */
}

static void free_number(void *ctx, void *item)
{
    (void)ctx;
    free(item);
}

START_TEST(items_that_pack_to_one_length_are_bare_as_well)
{
    static const struct hopper_item_type type = { sizeof type,  pack_number, unpack_number,
                                                  weigh_number, free_number, NULL };
    struct hopper_record rec;

    set_up();
    c.options.item_type = &type;
    chan_open(&c);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t *number = malloc(sizeof *number);

        *number = i;
        ck_assert_int_eq(hopper_send_item(c.snd, number, HOPPER_NOW), HOPPER_OK);
    }
    end_frame();
    look(c.mem, CHAN_PATH);
    ck_assert_uint_eq(bare_bytes(0), 0);
    ck_assert_uint_eq(bare_bytes(1), 9);
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        ck_assert_uint_eq(*(const uint64_t *)rec.data, i);
        free_number(NULL, (void *)(uintptr_t)rec.data);
    }
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    ck_assert_msg(!mem_platform_leaks(c.mem), "%s", mem_platform_leaks(c.mem));
    chan_free(&c);
}
END_TEST

/* ---- channels that survive ---- */

#define MEMORY_BLOCKS      1024 /* docs/format.md: where MEMORY describes its blocks */
#define MEMORY_BLOCK_BYTES 64

/* How many blocks of MEMORY have bare records of LEN bytes. */
static int count_bare_blocks(struct surv *s, uint32_t len)
{
    unsigned char *bytes;
    int count = 0;
    size_t file_len;
    void *data;

    ck_assert_int_eq(mem_read_file(s->mem, SURV_PATH "/MEMORY", &data, &file_len), 0);
    bytes = data;
    for (int i = 0; i < 32; i++) {
        const unsigned char *block = bytes + MEMORY_BLOCKS + i * MEMORY_BLOCK_BYTES;
        uint64_t fill;
        uint32_t record_bytes;

        memcpy(&fill, block, sizeof fill);
        memcpy(&record_bytes, block + 32, sizeof record_bytes);
        if (fill > 0 && record_bytes == len) {
            ck_assert_uint_eq((uint32_t)fill, (fill >> 32) * len);
            count++;
        }
    }
    free(data);
    return count;
}

static void close_both(struct surv *s)
{
    hopper_sender_close(s->snd);
    hopper_receiver_close(s->rcv);
    s->snd = NULL;
    s->rcv = NULL;
}

static void send_surviving(struct surv *s, size_t count, size_t len)
{
    for (size_t i = 0; i < count; i++) surv_send_ok(s, len);
}

START_TEST(bare_blocks_in_memory_survive_kills)
{
    struct surv s;

    surv_init(&s, HOPPER_SURVIVE_CRASH);
    s.options.disk_bytes  = 4 << 20;
    s.options.acknowledge = _i & 1 ? HOPPER_ACKNOWLEDGE_EXPLICIT : HOPPER_ACKNOWLEDGE_AUTO;
    s.options.compression = _i & 2 ? 1 : HOPPER_COMPRESSION_NONE;
    surv_open(&s);
    while (count_bare_blocks(&s, 8) < 2) send_surviving(&s, 50, 8);
    surv_kill(&s);
    surv_open(&s);
    surv_take(&s, 1);
    if (_i & 1) surv_ack_until(&s, 1);
    send_surviving(&s, 3000, _i & 4 ? 8 : 9);
    surv_take(&s, s.next - s.received - 1000); /* into the middle of a block */
    if (_i & 1) surv_ack_until(&s, s.received - 100);
    surv_kill(&s);
    surv_open(&s);
    send_surviving(&s, 2, 0);
    surv_finish(&s);
}
END_TEST

START_TEST(groups_of_one_length_are_bare_on_the_device_and_come_again)
{
    size_t lens[SURV_BATCH_MAX], accepted;
    struct surv s;

    for (size_t i = 0; i < SURV_BATCH_MAX; i++) lens[i] = 8;
    surv_init(&s, HOPPER_SURVIVE_POWER_LOSS);
    surv_open(&s);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(surv_send_batch(&s, lens, SURV_BATCH_MAX, &accepted), HOPPER_OK);
    look(s.mem, SURV_PATH);
    ck_assert_uint_eq(frame_count, 3);
    ck_assert_uint_eq(bare_bytes(0), 0);
    ck_assert_uint_eq(bare_bytes(1), 8);
    ck_assert_uint_eq(bare_bytes(2), 8);
    surv_take(&s, 100);
    surv_kill(&s);
    surv_open(&s);
    surv_take(&s, 10);
    surv_finish(&s);
}
END_TEST

/* A block whose records do not fill it, or are longer than it, is none; nothing of the rest is lost. */
START_TEST(a_block_in_memory_that_says_another_length_is_left_out)
{
    static const uint32_t lies[] = { 7, 9, 1, 4096, UINT32_MAX, 0 };
    uint32_t found = 0, lie = lies[_i];
    uint64_t fill = 0;
    struct hopper_record rec;
    unsigned char *bytes;
    struct surv s;
    size_t len;
    void *data;

    surv_init(&s, HOPPER_SURVIVE_CRASH);
    s.options.disk_bytes = 4 << 20;
    surv_open(&s);
    while (count_bare_blocks(&s, 8) < 1) send_surviving(&s, 50, 8);
    send_surviving(&s, 50, 8);
    surv_kill(&s);
    ck_assert_int_eq(mem_read_file(s.mem, SURV_PATH "/MEMORY", &data, &len), 0);
    bytes = data;
    for (int i = 0; i < 32 && found != 8; i++) {
        memcpy(&found, bytes + MEMORY_BLOCKS + i * MEMORY_BLOCK_BYTES + 32, sizeof found);
        memcpy(&fill, bytes + MEMORY_BLOCKS + i * MEMORY_BLOCK_BYTES, sizeof fill);
        if (found == 8 && fill > 0) memcpy(bytes + MEMORY_BLOCKS + i * MEMORY_BLOCK_BYTES + 32, &lie, sizeof lie);
    }
    ck_assert_int_eq(mem_write_file(s.mem, SURV_PATH "/MEMORY", bytes, len), 0);
    free(data);
    s.is_unjudged = true;
    ck_assert_int_eq(surv_try_open(&s), HOPPER_OK);
    for (uint64_t seq = 1; seq < s.next && hopper_receive(s.rcv, &rec, HOPPER_NOW) == HOPPER_OK;
         seq += rec.gap ? rec.lost : 1) {
        unsigned char wanted[8];

        ck_assert_uint_eq(rec.seq, seq);
        if (rec.gap != HOPPER_GAP_NONE) continue;
        surv_fill_bytes(wanted, seq, sizeof wanted);
        if (lie != 0) { /* with headers it may be anything */
            ck_assert_uint_eq(rec.len, sizeof wanted);
            ck_assert_mem_eq(rec.data, wanted, sizeof wanted);
        }
    }
    close_both(&s);
    surv_free(&s);
}
END_TEST

/* ---- numbered records ---- */

START_TEST(a_numbered_record_is_never_bare)
{
    uint64_t last = 0, n;
    struct surv s;

    surv_init(&s, HOPPER_SURVIVE_CRASH);
    s.options.disk_bytes = 4 << 20;
    surv_open(&s);
    while (count_bare_blocks(&s, 24) < 1) send_surviving(&s, 50, 24);
    ck_assert_int_eq(hopper_sender_set_producer(s.snd, 7, &last), HOPPER_OK);
    for (n = 0; n < 300; n++) {
        unsigned char data[24];

        surv_fill_bytes(data, s.next + n, sizeof data);
        ck_assert_int_eq(hopper_send_numbered(s.snd, n + 1, data, sizeof data, HOPPER_NOW), HOPPER_OK);
    }
    if (_i) ck_assert_int_eq(hopper_flush(s.snd), HOPPER_OK);
    surv_kill(&s);
    ck_assert_int_eq(surv_try_open(&s), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_set_producer(s.snd, 7, &last), HOPPER_OK);
    ck_assert_uint_eq(last, 300);
    for (uint64_t seq = 1; seq < s.next + n; seq++) {
        struct hopper_record rec;
        unsigned char wanted[24];

        ck_assert_int_eq(hopper_receive(s.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        surv_fill_bytes(wanted, seq, sizeof wanted);
        ck_assert_uint_eq(rec.seq, seq);
        ck_assert_uint_eq(rec.len, sizeof wanted);
        ck_assert_mem_eq(rec.data, wanted, sizeof wanted);
    }
    close_both(&s);
    surv_free(&s);
}
END_TEST

/* Nobody looks for a producer in what stands bare: it is the sender's bytes. */
START_TEST(bare_records_that_look_like_numbered_ones_are_none)
{
    /* an ext 8 of 21 bytes, type 1: producer 7, number 1000, and five bytes more */
    static const unsigned char data[24] = { 0xc7, 21, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 3, 0xe8 };
    uint64_t last                       = 0;
    struct surv s;

    surv_init(&s, HOPPER_SURVIVE_CRASH);
    s.options.disk_bytes  = 4 << 20;
    s.options.compression = _i & 2 ? 1 : HOPPER_COMPRESSION_NONE;
    surv_open(&s);
    ck_assert_int_eq(hopper_sender_set_producer(s.snd, 7, &last), HOPPER_OK);
    ck_assert_int_eq(hopper_send_numbered(s.snd, 5, data, sizeof data, HOPPER_NOW), HOPPER_OK);
    while (count_bare_blocks(&s, sizeof data) < 2) ck_assert_int_eq(hopper_send(s.snd, data, sizeof data), HOPPER_OK);
    if (_i & 1) ck_assert_int_eq(hopper_flush(s.snd), HOPPER_OK);
    surv_kill(&s);
    ck_assert_int_eq(surv_try_open(&s), HOPPER_OK);
    ck_assert_int_eq(hopper_sender_set_producer(s.snd, 7, &last), HOPPER_OK);
    ck_assert_uint_eq(last, 5);
    close_both(&s);
    surv_free(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bare");
    TCase *tc    = tcase_create("bare");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, records_of_one_length_are_bare_from_the_second_frame_on, 0, 24);
    tcase_add_test(tc, longer_records_keep_their_headers);
    tcase_add_test(tc, few_records_tell_nothing_of_those_behind_them);
    tcase_add_test(tc, as_many_bytes_of_other_lengths_are_not_records_of_one);
    tcase_add_loop_test(tc, a_record_of_another_length_ends_a_bare_frame_and_is_no_worse_for_it, 0, 2);
    tcase_add_loop_test(tc, batches_are_bare_as_far_as_their_records_are_as_long, 0, 2);
    tcase_add_test(tc, mixed_lengths_cost_no_more_frames_than_before);
    tcase_add_test(tc, bare_blocks_that_never_reach_a_file_come_out_the_same);
    tcase_add_test(tc, items_that_pack_to_one_length_are_bare_as_well);
    tcase_add_loop_test(tc, bare_blocks_in_memory_survive_kills, 0, 8);
    tcase_add_test(tc, groups_of_one_length_are_bare_on_the_device_and_come_again);
    tcase_add_loop_test(tc, a_block_in_memory_that_says_another_length_is_left_out, 0, 6);
    tcase_add_loop_test(tc, a_numbered_record_is_never_bare, 0, 2);
    tcase_add_loop_test(tc, bare_records_that_look_like_numbered_ones_are_none, 0, 4);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
