/* SPDX-License-Identifier: MIT */
/*
 * The thread that reads ahead, by itself: what the receiver loads and what stands behind it comes in order, each frame
 * read once, by one or the other; the thread goes up to the limit, and two frames ahead at most; whoever goes another
 * way gets nothing wrong; what cannot be read or is damaged is for the receiver to find out, and what is stored the
 * thread does not even read; after hpr_ahead_forget() the descriptor is not in use any more; and its chore is done
 * whenever that was asked for, at the end as well. Its reads go through a gate that a test can close.
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

#define FRAMES    6
#define RAW       600 /* bytes of a frame's payload, inflated: the same letter so many times */
#define RAW_LARGE (8 << 20)
#define BYTES_MAX 40000 /* as zlib makes it */
#define FILE_FD   77
#define NUMBER    5

static const uint8_t channel_id[HPR_CHANNEL_ID_BYTES] = { 1, 2, 3 };
static unsigned char file_bytes[FRAMES * (BYTES_MAX + HPR_FRAME_HEADER_BYTES)];
static size_t raw_bytes, stored_bytes, frame_bytes; /* of each frame */
static struct hpr_ahead_place places[FRAMES];
static struct hpr_ahead *ahead;
static struct hopper_io io;
static void *slab, *own_slab;
static struct hpr_inflater own_inflater;
static uint64_t read_errors;

static pthread_t receiver;
static _Atomic unsigned reads_of[FRAMES]; /* by whoever */
static _Atomic unsigned reads;            /* of the thread, that have begun */
static _Atomic bool is_closed;            /* the gate */
static _Atomic bool is_in_read;
static _Atomic int error; /* that reads of the thread fail with */
static _Atomic int own_error;
static _Atomic unsigned chores;
static _Atomic bool chore_waits;

static void pass_gate(void)
{
    is_in_read = true;
    reads++;
    while (is_closed) sched_yield();
    is_in_read = false;
}

static ssize_t gated_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    const bool is_own = pthread_equal(pthread_self(), receiver);

    (void)ctx;
    ck_assert_int_eq(fd, FILE_FD);
    ck_assert(offset + len <= FRAMES * frame_bytes);
    reads_of[offset / frame_bytes]++;
    if (!is_own) pass_gate();
    memcpy(buf, file_bytes + offset, len);
    if (is_own ? own_error : error) return -(is_own ? own_error : error);
    return (ssize_t)len;
}

static void do_chore(void *ctx)
{
    ck_assert_ptr_eq(ctx, file_bytes);
    chores++;
    while (chore_waits) sched_yield();
}

static void make_payload(unsigned char *at, int letter)
{
    unsigned char *raw = malloc(raw_bytes);
    z_stream z         = { .next_in = raw, .avail_in = (unsigned)raw_bytes, .next_out = at, .avail_out = BYTES_MAX };

    memset(raw, letter, raw_bytes);
    ck_assert_int_eq(deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert(stored_bytes == 0 || stored_bytes == z.total_out);
    stored_bytes = z.total_out;
    ck_assert_int_eq(deflateEnd(&z), Z_OK);
    free(raw);
}

static void make_file(size_t raw)
{
    raw_bytes    = raw;
    stored_bytes = 0;
    make_payload(file_bytes, 'a');
    frame_bytes = stored_bytes + HPR_FRAME_HEADER_BYTES;
    for (unsigned i = 0; i < FRAMES; i++) {
        const uint64_t at                  = i * (uint64_t)frame_bytes;
        const struct hpr_frame_place place = { channel_id, NUMBER, at };
        unsigned char *payload             = file_bytes + at + HPR_FRAME_HEADER_BYTES;

        make_payload(payload, 'a' + (int)i);
        places[i] = (struct hpr_ahead_place){ NUMBER,
                                              at + HPR_FRAME_HEADER_BYTES,
                                              { .codec        = HPR_CODEC_DEFLATE,
                                                .records      = 1,
                                                .raw_bytes    = (uint32_t)raw_bytes,
                                                .stored_bytes = (uint32_t)stored_bytes,
                                                .first_seq    = i + 1,
                                                .payload_crc  = hpr_crc32(0, payload, stored_bytes) } };
        hpr_frame_put_header(file_bytes + at, &places[i].header, &place);
    }
}

static void init_with(size_t raw)
{
    const size_t slab_bytes = hpr_inflater_bytes(HPR_ENGINE_ZLIB, 15).slab;

    make_file(raw);
    receiver = pthread_self();
    for (unsigned i = 0; i < FRAMES; i++) reads_of[i] = 0;
    reads       = 0;
    is_closed   = false;
    error       = 0;
    own_error   = 0;
    chores      = 0;
    chore_waits = false;
    io.pread    = gated_pread;
    ahead       = aligned_alloc(HPR_CACHE_LINE, hpr_round_up(sizeof *ahead, HPR_CACHE_LINE));
    memset(ahead, 0, sizeof *ahead);
    ahead->channel_id = channel_id;
    ahead->chore      = do_chore;
    ahead->chore_ctx  = file_bytes;
    slab              = malloc(slab_bytes);
    own_slab          = malloc(slab_bytes);
    ck_assert_int_eq(hpr_inflater_init(&ahead->inflater, HPR_ENGINE_ZLIB, 15, slab, slab_bytes), HOPPER_OK);
    ck_assert_int_eq(hpr_inflater_init(&own_inflater, HPR_ENGINE_ZLIB, 15, own_slab, slab_bytes), HOPPER_OK);
    ahead->own_inflater     = &own_inflater;
    ahead->own.buffer.bytes = raw_bytes + frame_bytes;
    ahead->own.buffer.raw   = malloc(raw_bytes + frame_bytes);
    read_errors             = 0;
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) {
        ahead->slots[i].buffer.bytes = raw_bytes + frame_bytes;
        ahead->slots[i].buffer.raw   = malloc(ahead->slots[i].buffer.bytes);
    }
    ck_assert_int_eq(hpr_ahead_open(ahead, NULL), HOPPER_OK);
}

static void init(void)
{
    init_with(RAW);
}

static void fini(void)
{
    hpr_ahead_close(ahead);
    for (unsigned i = 0; i < HPR_AHEAD_SLOTS; i++) free(ahead->slots[i].buffer.raw);
    free(ahead->own.buffer.raw);
    hpr_inflater_fini(&ahead->inflater);
    hpr_inflater_fini(&own_inflater);
    free(slab);
    free(own_slab);
    free(ahead);
}

/* When it was changed. */
static void put_header_anew(unsigned frame)
{
    const struct hpr_frame_place place = { channel_id, NUMBER, frame * (uint64_t)frame_bytes };

    hpr_frame_put_header(file_bytes + place.offset, &places[frame].header, &place);
}

/* The frame with what stands behind it, if anything does: *HAS_NEXTP. */
static enum hpr_load load_to(unsigned frame, uint64_t limit, bool *has_nextp)
{
    const struct hpr_payload_file file = { &io, FILE_FD, limit, &read_errors };
    const unsigned char *raw = NULL, *next = NULL;
    enum hpr_load load;
    int res;

    hpr_ahead_give_back(ahead);
    load       = hpr_ahead_load(ahead, &places[frame], &file, &raw, &next, &res);
    *has_nextp = next != NULL;
    if (load != HPR_LOAD_OK) return load;
    ck_assert_int_eq(raw[0], 'a' + (int)frame);
    ck_assert_int_eq(raw[places[frame].header.raw_bytes - 1], 'a' + (int)frame);
    if (next) ck_assert_mem_eq(next, file_bytes + places[frame].offset + stored_bytes, HPR_FRAME_HEADER_BYTES);
    return load;
}

static enum hpr_load load(unsigned frame)
{
    bool has_next;
    const enum hpr_load load = load_to(frame, FRAMES * frame_bytes, &has_next);

    if (load == HPR_LOAD_OK) ck_assert_int_eq(has_next, frame + 1 < FRAMES);
    return load;
}

/* And no more. */
static void let_it_read(unsigned count)
{
    while (reads < count) sched_yield();
    for (int i = 0; i < 1000; i++) sched_yield(); /* time for one that reads too many */
    ck_assert_uint_eq(reads, count);
}

START_TEST(all_that_stands_behind_the_first_comes_in_order_and_is_read_once)
{
    for (unsigned run = 0; run < 200; run++) {
        init();
        for (unsigned i = 0; i < FRAMES; i++) {
            for (unsigned j = 0; j < run % 20; j++) sched_yield();
            ck_assert_int_eq(load(i), HPR_LOAD_OK);
        }
        for (unsigned i = 0; i < FRAMES; i++) ck_assert_uint_eq(reads_of[i], 1);
        ck_assert_uint_eq(read_errors, 0);
        fini();
    }
}
END_TEST

/* Inflating takes long here, so that the receiver comes in its midst, at the latest when it is given a CPU so often. */
START_TEST(a_receiver_that_would_wait_loads_the_next_frame_meanwhile)
{
    bool has_helped = false;

    for (unsigned run = 0; run < 100 && !has_helped; run++) {
        init_with(RAW_LARGE);
        ck_assert_int_eq(load(0), HPR_LOAD_OK);
        while (reads < 1) sched_yield();
        ck_assert_int_eq(load(1), HPR_LOAD_OK);
        has_helped = ahead->own_is_ready;
        if (has_helped) { /* it is dropped with all else, and may not be taken for what comes there then */
            hpr_ahead_forget(ahead);
            memset(ahead->own.buffer.raw, 'x', raw_bytes);
        }
        ck_assert_int_eq(load(2), HPR_LOAD_OK);
        fini();
    }
    ck_assert(has_helped);
}
END_TEST

START_TEST(it_reads_all_that_it_is_given_time_for)
{
    init();
    for (unsigned i = 0; i < FRAMES; i++) {
        ck_assert_int_eq(load(i), HPR_LOAD_OK);
        hpr_ahead_give_back(ahead);
        while (reads < (i + 2 < FRAMES ? i + 2 : FRAMES - 1)) sched_yield();
    }
    ck_assert_uint_eq(reads, FRAMES - 1); /* all but the first */
    fini();
}
END_TEST

START_TEST(it_holds_two_frames_with_the_one_that_was_taken)
{
    init();
    ck_assert_int_eq(load(0), HPR_LOAD_OK); /* in the receiver's own slot */
    let_it_read(2);
    ck_assert_int_eq(load(1), HPR_LOAD_OK);
    let_it_read(2);
    hpr_ahead_give_back(ahead);
    let_it_read(3);
    ck_assert_int_eq(load(2), HPR_LOAD_OK);
    fini();
}
END_TEST

START_TEST(whoever_goes_another_way_gets_what_he_asks_for_then)
{
    init();
    ck_assert_int_eq(load(0), HPR_LOAD_OK);
    let_it_read(2);
    ck_assert_int_eq(load(4), HPR_LOAD_OK);
    let_it_read(3);
    ck_assert_int_eq(load(1), HPR_LOAD_OK); /* backwards */
    while (reads_of[2] < 2) sched_yield();
    ck_assert_int_eq(load(2), HPR_LOAD_OK);
    ck_assert_int_eq(load(2), HPR_LOAD_OK); /* once more */
    hpr_ahead_forget(ahead);
    ck_assert_int_eq(load(3), HPR_LOAD_OK);
    fini();
}
END_TEST

START_TEST(what_is_passed_over_takes_no_slot)
{
    init();
    ck_assert_int_eq(load(0), HPR_LOAD_OK);
    let_it_read(2);
    ck_assert_int_eq(load(3), HPR_LOAD_OK); /* just what would be next */
    let_it_read(4);
    for (unsigned i = 4; i < FRAMES; i++) ck_assert_int_eq(load(i), HPR_LOAD_OK);
    for (unsigned i = 0; i < FRAMES; i++) ck_assert_uint_eq(reads_of[i], 1);
    fini();
}
END_TEST

START_TEST(it_reads_to_the_limit_and_no_further)
{
    bool has_next;

    init();
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(load_to(i, places[2].offset + stored_bytes, &has_next), HPR_LOAD_OK);
        ck_assert_int_eq(has_next, i < 2);
        hpr_ahead_give_back(ahead);
        let_it_read(2);
    }
    ck_assert_int_eq(load(3), HPR_LOAD_OK); /* the file has grown, and it goes on */
    let_it_read(4);
    fini();
}
END_TEST

START_TEST(what_is_damaged_is_for_the_receiver_to_find_out)
{
    bool has_next;

    init();
    file_bytes[places[1].offset + 7] ^= 1;
    ck_assert_int_eq(load(0), HPR_LOAD_OK);
    let_it_read(1);
    ck_assert_int_eq(load(1), HPR_LOAD_BAD);
    ck_assert_int_eq(load(2), HPR_LOAD_OK);
    ck_assert_int_eq(load(3), HPR_LOAD_OK);
    hpr_ahead_forget(ahead);
    file_bytes[places[5].offset - 9] ^= 1; /* the header of the last */
    reads = 0;
    ck_assert_int_eq(load_to(4, FRAMES * frame_bytes, &has_next), HPR_LOAD_OK);
    ck_assert(has_next);
    let_it_read(0);
    ck_assert_uint_eq(read_errors, 0);
    fini();
}
END_TEST

/* A payload with a good checksum that does not inflate: what is behind it may be loaded before that shows. */
START_TEST(what_does_not_inflate_costs_only_itself)
{
    for (unsigned run = 0; run < 100; run++) {
        init();
        memset(file_bytes + places[2].offset, 0xff, stored_bytes);
        places[2].header.payload_crc = hpr_crc32(0, file_bytes + places[2].offset, stored_bytes);
        put_header_anew(2);
        for (unsigned i = 0; i < FRAMES; i++) {
            for (unsigned j = 0; j < run % 20; j++) sched_yield();
            ck_assert_int_eq(load(i), i == 2 ? HPR_LOAD_BAD : HPR_LOAD_OK);
        }
        fini();
    }
}
END_TEST

START_TEST(what_the_thread_cannot_read_the_receiver_tries_itself)
{
    init();
    error = EIO;
    for (unsigned i = 0; i < FRAMES; i++) {
        ck_assert_int_eq(load(i), HPR_LOAD_OK);
        while (i + 1 < FRAMES && reads_of[i + 1] < 2) sched_yield(); /* the thread tries twice, as anyone */
    }
    ck_assert_uint_eq(read_errors, 0);
    own_error = EIO;
    ck_assert_int_eq(load(3), HPR_LOAD_UNREADABLE);
    ck_assert_uint_ge(read_errors, 1);
    own_error = EMFILE;
    ck_assert_int_eq(load(3), HPR_LOAD_PASSING);
    fini();
}
END_TEST

START_TEST(a_frame_that_fits_into_no_slot_is_not_loaded)
{
    init();
    places[2].header.raw_bytes = (uint32_t)raw_bytes + 1;
    put_header_anew(2);
    ck_assert_int_eq(load(1), HPR_LOAD_OK); /* behind which it stands */
    let_it_read(0);
    ck_assert_int_eq(load(3), HPR_LOAD_OK);
    let_it_read(2);
    fini();
}
END_TEST

START_TEST(a_frame_that_is_stored_is_left_to_the_receiver)
{
    init();
    memset(file_bytes + places[2].offset, 'c', stored_bytes);
    places[2].header.codec       = HPR_CODEC_STORED;
    places[2].header.raw_bytes   = (uint32_t)stored_bytes;
    places[2].header.payload_crc = hpr_crc32(0, file_bytes + places[2].offset, stored_bytes);
    put_header_anew(2);
    ck_assert_int_eq(load(1), HPR_LOAD_OK);
    let_it_read(0);
    ck_assert_int_eq(load(2), HPR_LOAD_OK);
    let_it_read(2); /* what is behind it */
    ck_assert_int_eq(load(3), HPR_LOAD_OK);
    ck_assert_uint_eq(reads_of[3], 1);
    fini();
}
END_TEST

static void *open_gate(void *arg)
{
    for (int i = 0; i < 1000; i++) sched_yield(); /* time for one that does not wait */
    is_closed = false;
    return arg;
}

/* By forgetting, by asking for what it has not, and by waiting for the very frame. */
START_TEST(after_forget_the_descriptor_is_not_in_use)
{
    pthread_t opener;

    for (int i = 0; i < 30; i++) {
        init();
        is_closed = true;
        ck_assert_int_eq(load(0), HPR_LOAD_OK);
        while (!is_in_read) sched_yield();
        ck_assert_int_eq(pthread_create(&opener, NULL, open_gate, NULL), 0);
        if (i % 3 == 0) hpr_ahead_forget(ahead); /* waits for this one frame, and no other is begun */
        else ck_assert_int_eq(load(i % 3 == 1 ? 3 : 1), HPR_LOAD_OK);
        ck_assert(i % 3 || (!is_in_read && reads == 1));
        ck_assert(!is_closed);
        pthread_join(opener, NULL);
        fini();
    }
}
END_TEST

START_TEST(the_chore_is_done_as_often_as_it_is_asked_for_anew)
{
    init();
    hpr_ahead_do_chore(ahead); /* it sleeps */
    while (chores < 1) sched_yield();
    ck_assert_int_eq(load(0), HPR_LOAD_OK);
    let_it_read(2);
    chore_waits = true;
    hpr_ahead_do_chore(ahead); /* it may be looking for more */
    while (chores < 2) sched_yield();
    hpr_ahead_do_chore(ahead); /* it has begun, and must come back to it */
    ck_assert_int_eq(load(1), HPR_LOAD_OK);
    hpr_ahead_forget(ahead); /* waits for no chore */
    chore_waits = false;
    while (chores < 3) sched_yield();
    ck_assert_int_eq(load(4), HPR_LOAD_OK);
    let_it_read(3);
    fini();
    ck_assert_uint_eq(chores, 3);
}
END_TEST

START_TEST(what_is_due_at_the_end_is_done)
{
    for (unsigned i = 0; i < 50; i++) {
        init();
        if (i % 2) ck_assert_int_eq(load(0), HPR_LOAD_OK);
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
    tcase_add_test(tc, all_that_stands_behind_the_first_comes_in_order_and_is_read_once);
    tcase_add_test(tc, a_receiver_that_would_wait_loads_the_next_frame_meanwhile);
    tcase_add_test(tc, it_reads_all_that_it_is_given_time_for);
    tcase_add_test(tc, it_holds_two_frames_with_the_one_that_was_taken);
    tcase_add_test(tc, whoever_goes_another_way_gets_what_he_asks_for_then);
    tcase_add_test(tc, what_is_passed_over_takes_no_slot);
    tcase_add_test(tc, it_reads_to_the_limit_and_no_further);
    tcase_add_test(tc, what_is_damaged_is_for_the_receiver_to_find_out);
    tcase_add_test(tc, what_does_not_inflate_costs_only_itself);
    tcase_add_test(tc, what_the_thread_cannot_read_the_receiver_tries_itself);
    tcase_add_test(tc, a_frame_that_fits_into_no_slot_is_not_loaded);
    tcase_add_test(tc, after_forget_the_descriptor_is_not_in_use);
    tcase_add_test(tc, a_frame_that_is_stored_is_left_to_the_receiver);
    tcase_add_test(tc, the_chore_is_done_as_often_as_it_is_asked_for_anew);
    tcase_add_test(tc, what_is_due_at_the_end_is_done);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
