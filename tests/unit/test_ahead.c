/* SPDX-License-Identifier: MIT */
/*
 * The thread that reads ahead, by itself: what it is asked for and what stands behind that comes in order, up to the
 * limit and two at most; whoever goes another way gets nothing wrong; what cannot be read or is damaged is not given
 * out, and what is stored not even read; after hpr_ahead_forget() the descriptor is not in use any more; and its chore
 * is done whenever that was asked for, at the end as well. Its reads go through a gate that a test can close.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ahead.h"
#include "suite.h"

#define FRAMES     6
#define RAW        600 /* bytes of a frame's payload, inflated */
#define BYTES      11  /* and as zlib makes it of the same letter 600 times */
#define SLOT_BYTES (RAW + BYTES + HPR_FRAME_HEADER_BYTES)
#define FILE_FD    77
#define NUMBER     5

static const uint8_t channel_id[HPR_CHANNEL_ID_BYTES] = { 1, 2, 3 };
static unsigned char file_bytes[FRAMES * (BYTES + HPR_FRAME_HEADER_BYTES)];
static struct hpr_ahead_place places[FRAMES];
static struct hpr_ahead *ahead;
static struct hopper_io io;
static void *slab;

static _Atomic unsigned reads_of[FRAMES];
static _Atomic unsigned reads; /* that have begun */
static _Atomic bool is_closed; /* the gate */
static _Atomic bool is_in_read;
static _Atomic int error; /* that reads fail with */
static _Atomic unsigned chores;
static _Atomic bool chore_waits;

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

static void do_chore(void *ctx)
{
    ck_assert_ptr_eq(ctx, file_bytes);
    chores++;
    while (chore_waits) sched_yield();
}

static void make_payload(unsigned char *at, int letter)
{
    unsigned char raw[RAW], out[RAW];
    z_stream z = { .next_in = raw, .avail_in = RAW, .next_out = out, .avail_out = sizeof out };

    memset(raw, letter, RAW);
    ck_assert_int_eq(deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(z.total_out, BYTES);
    ck_assert_int_eq(deflateEnd(&z), Z_OK);
    memcpy(at, out, BYTES);
}

static void make_file(void)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        const uint64_t at                  = i * (uint64_t)(BYTES + HPR_FRAME_HEADER_BYTES);
        const struct hpr_frame_place place = { channel_id, NUMBER, at };
        unsigned char *payload             = file_bytes + at + HPR_FRAME_HEADER_BYTES;

        make_payload(payload, 'a' + (int)i);
        places[i] = (struct hpr_ahead_place){ NUMBER,
                                              at + HPR_FRAME_HEADER_BYTES,
                                              { .codec        = HPR_CODEC_DEFLATE,
                                                .records      = 1,
                                                .raw_bytes    = RAW,
                                                .stored_bytes = BYTES,
                                                .first_seq    = i + 1,
                                                .payload_crc  = hpr_crc32(0, payload, BYTES) } };
        hpr_frame_put_header(file_bytes + at, &places[i].header, &place);
    }
}

static void init(void)
{
    const size_t slab_bytes = hpr_inflater_bytes(HPR_ENGINE_ZLIB, 15).slab;

    make_file();
    reads       = 0;
    is_closed   = false;
    error       = 0;
    chores      = 0;
    chore_waits = false;
    io.pread    = gated_pread;
    ahead       = aligned_alloc(HPR_CACHE_LINE, hpr_round_up(sizeof *ahead, HPR_CACHE_LINE));
    memset(ahead, 0, sizeof *ahead);
    ahead->io         = &io;
    ahead->channel_id = channel_id;
    ahead->chore      = do_chore;
    ahead->chore_ctx  = file_bytes;
    slab              = malloc(slab_bytes);
    ck_assert_int_eq(hpr_inflater_init(&ahead->inflater, HPR_ENGINE_ZLIB, 15, slab, slab_bytes), HOPPER_OK);
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) {
        ahead->slots[i].buffer.bytes = SLOT_BYTES;
        ahead->slots[i].buffer.raw   = malloc(ahead->slots[i].buffer.bytes);
    }
    ck_assert_int_eq(hpr_ahead_open(ahead, NULL), HOPPER_OK);
}

static void fini(void)
{
    hpr_ahead_close(ahead);
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) free(ahead->slots[i].buffer.raw);
    hpr_inflater_fini(&ahead->inflater);
    free(slab);
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
    ck_assert_int_eq(raw[RAW - 1], 'a' + (int)frame);
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
    places[2].header.raw_bytes = RAW + 1;
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

START_TEST(a_frame_that_is_stored_is_left_to_the_receiver)
{
    const uint64_t at                  = 2 * (BYTES + HPR_FRAME_HEADER_BYTES);
    const struct hpr_frame_place place = { channel_id, NUMBER, at };
    bool has_next;

    init();
    places[2].header.codec     = HPR_CODEC_STORED;
    places[2].header.raw_bytes = BYTES;
    hpr_frame_put_header(file_bytes + place.offset, &places[2].header, &place);
    ask(2);
    ck_assert(!take(2));
    ck_assert_uint_eq(reads, 0);
    ask_for(1);
    ck_assert(take_alone(1, &has_next));
    ck_assert(has_next);
    hpr_ahead_give_back(ahead);
    ck_assert(!take(2));
    let_it_read(1);
    ask_for(3);
    ck_assert(take(3));
    fini();
}
END_TEST

START_TEST(the_chore_is_done_as_often_as_it_is_asked_for_anew)
{
    init();
    hpr_ahead_do_chore(ahead); /* it sleeps */
    while (chores < 1) sched_yield();
    ask_for(0);
    chore_waits = true;
    hpr_ahead_do_chore(ahead); /* it may be looking for more */
    while (chores < 2) sched_yield();
    hpr_ahead_do_chore(ahead); /* it has begun, and must come back to it */
    ck_assert(take(0));
    hpr_ahead_forget(ahead); /* waits for no chore */
    chore_waits = false;
    while (chores < 3) sched_yield();
    ask_for(4);
    ck_assert(take(4));
    fini();
    ck_assert_uint_eq(chores, 3);
}
END_TEST

START_TEST(what_is_due_at_the_end_is_done)
{
    for (unsigned i = 0; i < 50; i++) {
        init();
        if (i % 2) ask_for(0);
        hpr_ahead_do_chore(ahead);
        fini();
        ck_assert_uint_eq(chores, 1);
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
    tcase_add_test(tc, a_frame_that_is_stored_is_left_to_the_receiver);
    tcase_add_test(tc, the_chore_is_done_as_often_as_it_is_asked_for_anew);
    tcase_add_test(tc, what_is_due_at_the_end_is_done);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
