/* SPDX-License-Identifier: MIT */
/*
 * The thread that reads ahead, by itself: what it is asked for and what stands behind that comes in order, up to the
 * limit and two at most; whoever goes another way gets nothing wrong; what cannot be read or is damaged is not given
 * out; and after hpr_ahead_forget() the descriptor is not in use any more. Its reads go through a gate that a test can
 * close.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "suite.h"

#define FRAMES  6
#define BYTES   600 /* of a frame's payload */
#define FILE_FD 77
#define NUMBER  5

static const uint8_t channel_id[HPR_CHANNEL_ID_BYTES] = { 1, 2, 3 };
static unsigned char file_bytes[FRAMES * (BYTES + HPR_FRAME_HEADER_BYTES)];
static struct hpr_ahead_place places[FRAMES];
static struct hpr_ahead *ahead;
static struct hopper_io io;

static _Atomic unsigned reads_of[FRAMES];
static _Atomic unsigned reads; /* that have begun */
static _Atomic bool is_closed; /* the gate */
static _Atomic bool is_in_read;
static _Atomic int error; /* that reads fail with */

static ssize_t gated_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    (void)ctx;
    ck_assert_int_eq(fd, FILE_FD);
    ck_assert(offset + len <= sizeof file_bytes);
    is_in_read = true;
    reads++;
    reads_of[offset / (BYTES + HPR_FRAME_HEADER_BYTES)]++;
    while (is_closed) sched_yield();
    memcpy(buf, file_bytes + offset, len);
    is_in_read = false;
    return error ? -error : (ssize_t)len;
}

static void make_file(void)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        const uint64_t at                  = i * (uint64_t)(BYTES + HPR_FRAME_HEADER_BYTES);
        const struct hpr_frame_place place = { channel_id, NUMBER, at };
        unsigned char *payload             = file_bytes + at + HPR_FRAME_HEADER_BYTES;

        memset(payload, 'a' + (int)i, BYTES);
        places[i] = (struct hpr_ahead_place){ NUMBER,
                                              at + HPR_FRAME_HEADER_BYTES,
                                              { .codec        = HPR_CODEC_STORED,
                                                .records      = 1,
                                                .raw_bytes    = BYTES,
                                                .stored_bytes = BYTES,
                                                .first_seq    = i + 1,
                                                .payload_crc  = hpr_crc32(0, payload, BYTES) } };
        hpr_frame_put_header(file_bytes + at, &places[i].header, &place);
    }
}

static void init(void)
{
    make_file();
    reads     = 0;
    is_closed = false;
    error     = 0;
    io.pread  = gated_pread;
    ahead     = aligned_alloc(HPR_CACHE_LINE, hpr_round_up(sizeof *ahead, HPR_CACHE_LINE));
    memset(ahead, 0, sizeof *ahead);
    ahead->io         = &io;
    ahead->channel_id = channel_id;
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) {
        ahead->slots[i].buffer.bytes = 2 * BYTES + HPR_FRAME_HEADER_BYTES;
        ahead->slots[i].buffer.raw   = malloc(ahead->slots[i].buffer.bytes);
    }
    ck_assert_int_eq(hpr_ahead_open(ahead, NULL), HOPPER_OK);
}

static void fini(void)
{
    hpr_ahead_close(ahead);
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) free(ahead->slots[i].buffer.raw);
    free(ahead);
}

static void ask(unsigned frame)
{
    hpr_ahead_ask(ahead, &places[frame], FILE_FD, sizeof file_bytes);
}

/* And it has begun. */
static void ask_for(unsigned frame)
{
    const unsigned before = reads_of[frame];

    ask(frame);
    while (reads_of[frame] == before) sched_yield();
}

static bool take(unsigned frame)
{
    const unsigned char *raw = NULL, *next = NULL;
    bool has_it = hpr_ahead_take(ahead, NUMBER, places[frame].offset, &raw, &next);

    if (!has_it) return false;
    ck_assert_int_eq(raw[0], 'a' + (int)frame);
    ck_assert_int_eq(raw[BYTES - 1], 'a' + (int)frame);
    ck_assert(frame + 1 < FRAMES
                  ? next && memcmp(next, file_bytes + places[frame].offset + BYTES, HPR_FRAME_HEADER_BYTES) == 0
                  : !next);
    return true;
}

static void let_it_read(unsigned count)
{
    while (reads < count) sched_yield();
    for (int i = 0; i < 1000; i++) sched_yield(); /* time for one that reads too many */
    ck_assert_uint_eq(reads, count);
}

START_TEST(all_that_stands_behind_the_one_asked_for_comes_in_order)
{
    init();
    ask(0);
    for (unsigned i = 0; i < FRAMES; i++) {
        while (reads <= i) sched_yield(); /* what it has not begun, it will not be waited for */
        ck_assert(take(i));
        if (i + 1 < FRAMES) ask(i + 1); /* which it does already */
        hpr_ahead_give_back(ahead);
    }
    ck_assert_uint_eq(reads, FRAMES);
    ck_assert(!take(0));
    fini();
}
END_TEST

START_TEST(it_holds_two_frames_with_the_one_that_was_taken)
{
    init();
    ask(0);
    let_it_read(2);
    ck_assert(take(0));
    let_it_read(2);
    hpr_ahead_give_back(ahead);
    let_it_read(3);
    ck_assert(take(1));
    fini();
}
END_TEST

START_TEST(whoever_goes_another_way_gets_what_he_asks_for_then)
{
    init();
    ask(0);
    let_it_read(2);
    ck_assert(!take(3));
    ask_for(3);
    ck_assert(take(3));
    hpr_ahead_give_back(ahead);
    ask_for(1); /* backwards */
    ck_assert(take(1));
    hpr_ahead_forget(ahead);
    ck_assert(!take(2));
    fini();
}
END_TEST

/* The frame whatever stands behind it. */
static bool take_alone(unsigned frame, bool *has_nextp)
{
    const unsigned char *raw = NULL, *next = NULL;
    bool has_it = hpr_ahead_take(ahead, NUMBER, places[frame].offset, &raw, &next);

    *has_nextp = next != NULL;
    return has_it && raw[0] == 'a' + (int)frame;
}

START_TEST(it_reads_to_the_limit_and_no_further)
{
    bool has_next;

    init();
    hpr_ahead_ask(ahead, &places[0], FILE_FD, places[2].offset + BYTES);
    for (unsigned i = 0; i < 3; i++) {
        while (reads <= i) sched_yield();
        ck_assert(take_alone(i, &has_next));
        ck_assert_int_eq(has_next, i < 2);
        hpr_ahead_give_back(ahead);
    }
    ck_assert(!take_alone(3, &has_next));
    ck_assert_uint_eq(reads, 3);
    fini();
}
END_TEST

START_TEST(what_is_damaged_or_cannot_be_read_is_not_given_out)
{
    bool has_next;

    init();
    file_bytes[places[1].offset + 7] ^= 1;
    ask_for(0);
    ck_assert(take(0));
    hpr_ahead_give_back(ahead);
    while (reads < 2) sched_yield();
    ck_assert(!take(1));
    ask_for(2);
    ck_assert(take(2));
    hpr_ahead_forget(ahead);
    hpr_ahead_give_back(ahead);
    error = EIO;
    ask_for(4);
    ck_assert(!take(4));
    error = 0;
    file_bytes[places[5].offset - 9] ^= 1; /* the header of the last */
    ask_for(4);
    ck_assert(take_alone(4, &has_next));
    hpr_ahead_give_back(ahead);
    ck_assert(!take(5));
    fini();
}
END_TEST

START_TEST(a_frame_that_fits_into_no_slot_is_not_loaded)
{
    const uint64_t at                  = 2 * (BYTES + HPR_FRAME_HEADER_BYTES);
    const struct hpr_frame_place place = { channel_id, NUMBER, at };
    bool has_next;

    init();
    places[2].header.raw_bytes = places[2].header.stored_bytes = 2 * BYTES + HPR_FRAME_HEADER_BYTES + 1;
    hpr_frame_put_header(file_bytes + place.offset, &places[2].header, &place);
    ask(2);
    ck_assert(!take(2));
    ck_assert_uint_eq(reads, 0);
    ask_for(1); /* behind which it stands */
    ck_assert(take_alone(1, &has_next));
    ck_assert(has_next);
    hpr_ahead_give_back(ahead);
    ck_assert(!take(2));
    ck_assert_uint_eq(reads, 1);
    fini();
}
END_TEST

static void *open_gate(void *arg)
{
    for (int i = 0; i < 1000; i++) sched_yield(); /* time for one that does not wait */
    is_closed = false;
    return arg;
}

START_TEST(after_forget_the_descriptor_is_not_in_use)
{
    pthread_t opener;

    for (int i = 0; i < 20; i++) {
        init();
        is_closed = true;
        ask(0);
        while (!is_in_read) sched_yield();
        ck_assert_int_eq(pthread_create(&opener, NULL, open_gate, NULL), 0);
        if (i % 2) hpr_ahead_forget(ahead);
        else ask_for(3); /* something else, from another file for all it knows */
        ck_assert(i % 2 == 0 || !is_in_read);
        pthread_join(opener, NULL);
        if (i % 2 == 0) ck_assert(take(3));
        fini();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reading ahead");
    TCase *tc    = tcase_create("ahead");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, all_that_stands_behind_the_one_asked_for_comes_in_order);
    tcase_add_test(tc, it_holds_two_frames_with_the_one_that_was_taken);
    tcase_add_test(tc, whoever_goes_another_way_gets_what_he_asks_for_then);
    tcase_add_test(tc, it_reads_to_the_limit_and_no_further);
    tcase_add_test(tc, what_is_damaged_or_cannot_be_read_is_not_given_out);
    tcase_add_test(tc, a_frame_that_fits_into_no_slot_is_not_loaded);
    tcase_add_test(tc, after_forget_the_descriptor_is_not_in_use);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
