/* SPDX-License-Identifier: MIT */
/*
 * How far the reader of a pipe is: what is called taken is what a reader that counts bytes has, to the record. A real
 * pipe, a reader that reads any number of bytes at any time, and beside it an array with the end of each record.
 */
#include "taken.h"

#include "rng.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORDS_MAX (1u << 20)
#define BATCH_MAX   1024

static int reader, writer;
static struct taken taken;
static uint64_t *ends; /* by sequence number: where the record, or its gap, ends in the output */
static uint64_t last_seq, written, were_read, acknowledged;
static bool is_quick; /* the reader reads all that is written, at once */

static void setup(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    reader = fds[0];
    writer = fds[1];
    ck_assert(fcntl(reader, F_SETFL, O_NONBLOCK) == 0 && fcntl(writer, F_SETFL, O_NONBLOCK) == 0);
    ck_assert((ends = calloc(RECORDS_MAX + BATCH_MAX * 16, sizeof *ends)) != NULL);
    last_seq = written = were_read = acknowledged = 0;
    is_quick                                      = false;
    taken_init(&taken, writer);
}

static void teardown(void)
{
    if (reader >= 0) close(reader);
    close(writer);
    free(ends);
}

static bool read_some(uint64_t most)
{
    static char buf[1 << 20];
    ssize_t got = read(reader, buf, most < sizeof buf ? most : sizeof buf);

    ck_assert(got > 0 || errno == EAGAIN);
    if (got > 0) were_read += (uint64_t)got;
    return got > 0;
}

/* The highest number of a record that has been read to its end. */
static uint64_t wanted(void)
{
    uint64_t seq = acknowledged;

    while (seq < last_seq && ends[seq + 1] <= were_read) seq++;
    return seq;
}

static void note(uint64_t seq)
{
    if (seq == 0) return;
    ck_assert_msg(seq > acknowledged, "%llu again", (unsigned long long)seq);
    acknowledged = seq;
    ck_assert_msg(ends[seq] <= were_read, "%llu is taken, and was not read", (unsigned long long)seq);
}

static void look_exactly(void)
{
    uint64_t want = wanted();

    note(taken_look(&taken, written));
    ck_assert_uint_eq(acknowledged, want);
}

/* As hopper-cat does: all of it, however long that takes, with a reader that reads now and then. */
static void write_all(struct rng *rng, uint64_t len)
{
    static char buf[BATCH_MAX * 1024];
    ssize_t put;

    ck_assert_uint_le(len, sizeof buf);
    while (len > 0) {
        put = write(writer, buf, len);
        ck_assert(put > 0 || errno == EAGAIN);
        if (put > 0) len -= (uint64_t)put, written += (uint64_t)put;
        else (void)read_some(rng_below(rng, 50000) + 1);
    }
}

/* COUNT records of LEAST to MOST bytes; about one in GAPS is a gap, unless that is 0. */
static void add_batch(struct rng *rng, size_t count, uint64_t least, uint64_t most, uint64_t gaps)
{
    static struct hopper_record batch[BATCH_MAX];
    uint64_t len = 0, start = written;

    for (size_t i = 0; i < count; i++) {
        struct hopper_record *rec = &batch[i];
        *rec                      = (struct hopper_record){ .seq = last_seq + 1 };
        if (gaps > 0 && rng_below(rng, gaps) == 0) {
            rec->gap  = HOPPER_GAP_CORRUPT;
            rec->lost = rng_below(rng, 10) + 1;
            for (uint64_t lost = 0; lost < rec->lost; lost++) ends[++last_seq] = start + len;
        } else {
            len += rec->len  = least + rng_below(rng, most - least + 1);
            ends[++last_seq] = start + len;
        }
    }
    write_all(rng, len);
    while (is_quick && read_some(UINT64_MAX)) continue;
    note(taken_add(&taken, batch, count, written));
}

static void drain(void)
{
    while (read_some(UINT64_MAX)) continue;
    look_exactly();
    ck_assert_uint_eq(acknowledged, last_seq);
    ck_assert_uint_eq(taken.count, 0);
    ck_assert_uint_eq(taken.length_count, 0);
}

START_TEST(a_record_is_taken_with_its_last_byte)
{
    struct rng rng = { rng_seed("a_record_is_taken_with_its_last_byte") };

    while (last_seq < 200000) {
        is_quick = rng_below(&rng, 4) == 0;
        add_batch(&rng, rng_below(&rng, BATCH_MAX) + 1, rng_below(&rng, 2), rng_below(&rng, 300) + 1,
                  rng_below(&rng, 2) * 100);
        look_exactly();
        for (uint64_t reads = rng_below(&rng, 8); reads > 0; reads--) {
            (void)read_some(rng_below(&rng, 2) == 0 ? rng_below(&rng, 500) + 1 : rng_below(&rng, 20000) + 1);
            look_exactly();
        }
        if (rng_below(&rng, 20) == 0) drain();
    }
    drain();
}
END_TEST

START_TEST(byte_by_byte)
{
    struct rng rng = { rng_seed("byte_by_byte") };

    for (int round = 0; round < 20; round++) add_batch(&rng, 50, 0, 5, 20);
    while (read_some(1)) look_exactly();
    drain();
}
END_TEST

START_TEST(many_small_batches_stay_exact)
{
    struct rng rng = { rng_seed("many_small_batches_stay_exact") };

    while (last_seq < 20000) {
        for (uint64_t batches = rng_below(&rng, 3 * TAKEN_MARKS); batches > 0; batches--)
            add_batch(&rng, rng_below(&rng, 3) + 1, 1, 9, 0);
        look_exactly();
        for (uint64_t reads = rng_below(&rng, 8); reads > 0 && read_some(rng_below(&rng, 800) + 1); reads--)
            look_exactly();
    }
    drain();
}
END_TEST

/* More than there is room to note: late is allowed, too early never. */
START_TEST(what_cannot_be_noted_is_not_taken_too_early)
{
    struct rng rng = { rng_seed("what_cannot_be_noted_is_not_taken_too_early") };
    uint64_t bar   = _i == 0 ? TAKEN_LENGTHS : 4 * TAKEN_MARKS; /* nothing is read before there is too much */
    uint64_t most  = 0;

    if (fcntl(writer, F_SETPIPE_SZ, 1 << 20) < (1 << 20)) return; /* the system does not allow it */
    while (last_seq < RECORDS_MAX) {
        add_batch(&rng, _i == 0 || rng_below(&rng, 8) == 0 ? BATCH_MAX : rng_below(&rng, 4) + 1, 0, 2, _i == 2 ? 3 : 0);
        if (last_seq - acknowledged > most) most = last_seq - acknowledged;
        if (most > bar && rng_below(&rng, 50) == 0) (void)read_some(rng_below(&rng, 1 << 17) + 1);
        note(taken_look(&taken, written));
    }
    ck_assert_uint_gt(most, bar);
    drain();
}
END_TEST

/* What others write to the pipe cannot be told from ours: late again, and then right. */
START_TEST(bytes_of_others_count_against_us)
{
    struct rng rng  = { rng_seed("bytes_of_others_count_against_us") };
    uint64_t others = 0;

    for (int round = 0; round < 200; round++) {
        add_batch(&rng, rng_below(&rng, 40) + 1, 0, 20, 10);
        (void)read_some(rng_below(&rng, 600) + 1);
        note(taken_look(&taken, written));
        if (write(writer, "other", 5) == 5) others += 5;
        note(taken_look(&taken, written));
    }
    while (read_some(UINT64_MAX)) continue;
    ck_assert_uint_eq(were_read, written + others);
    drain();
}
END_TEST

START_TEST(what_a_reader_had_counts_when_it_has_gone)
{
    struct rng rng = { rng_seed("what_a_reader_had_counts_when_it_has_gone") };

    for (int round = 0; round < 10; round++) add_batch(&rng, 100, 1, 20, 0);
    ck_assert(taken_wait(&taken, 0));
    ck_assert(read_some(4321));
    close(reader);
    reader = -1;
    look_exactly();
    ck_assert_uint_gt(acknowledged, 0);
    ck_assert_uint_gt(taken.count, 0);
    ck_assert(!taken_wait(&taken, 1000));
    ck_assert_uint_eq(taken_look(&taken, written), 0);
}
END_TEST

START_TEST(the_beginning_of_a_record_is_not_taken)
{
    struct rng rng = { rng_seed("the_beginning_of_a_record_is_not_taken") };

    add_batch(&rng, 10, 5, 5, 0);
    write_all(&rng, 3); /* of an eleventh one */
    while (read_some(7)) look_exactly();
    ck_assert_uint_eq(acknowledged, 10);
}
END_TEST

START_TEST(what_is_written_elsewhere_is_taken)
{
    static const struct hopper_record records[] = { { .len = 3, .seq = 7 }, { .len = 0, .seq = 8 } };
    FILE *file                                  = tmpfile();

    ck_assert_ptr_nonnull(file);
    taken_init(&taken, fileno(file));
    ck_assert_uint_eq(taken_add(&taken, records, 2, 3), 8);
    ck_assert_uint_eq(taken.count, 0);
    ck_assert_uint_eq(taken_add(&taken, NULL, 0, 4), 0); /* the beginning of one more */
    fclose(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli taken");
    TCase *tcase = tcase_create("taken");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_record_is_taken_with_its_last_byte);
    tcase_add_test(tcase, byte_by_byte);
    tcase_add_test(tcase, many_small_batches_stay_exact);
    tcase_add_loop_test(tcase, what_cannot_be_noted_is_not_taken_too_early, 0, 3);
    tcase_add_test(tcase, bytes_of_others_count_against_us);
    tcase_add_test(tcase, what_a_reader_had_counts_when_it_has_gone);
    tcase_add_test(tcase, the_beginning_of_a_record_is_not_taken);
    tcase_add_test(tcase, what_is_written_elsewhere_is_taken);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
