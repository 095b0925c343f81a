/* SPDX-License-Identifier: MIT */
/* The output: whatever records lie in memory side by side, apart or not at all (gaps), their bytes come out in order,
 * and are counted. */
#include "output.h"

#include "rng.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POOL_BYTES  (4u << 20)
#define RECORDS_MAX 5000

static struct output out;
static struct control control;
static struct hopper_record records[RECORDS_MAX];
static char pool[POOL_BYTES], wanted[POOL_BYTES], got[POOL_BYTES + 1];

/* COUNT records that lie in the pool behind one another, but now and then further on. Returns their bytes, put together
 * in `wanted`. */
static size_t make_records(struct rng *rng, size_t count, size_t len_max, unsigned apart)
{
    size_t at = 0, bytes = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len = rng_below(rng, len_max + 1);

        if (apart > 0 && rng_below(rng, apart) == 0) at += rng_below(rng, 40);
        if (at + len > POOL_BYTES) at = 0;
        if (bytes + len > POOL_BYTES) len = 0;
        records[i] = (struct hopper_record){ .data = pool + at, .len = len, .seq = i + 1 };
        if (rng_below(rng, 50) == 0) {
            records[i] = (struct hopper_record){ .lost = len, .seq = i + 1, .gap = HOPPER_GAP_CORRUPT };
            len        = 0;
        }
        memcpy(wanted + bytes, pool + at, len);
        at += len;
        bytes += len;
    }
    return bytes;
}

static bool has_gap(size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (records[i].gap != HOPPER_GAP_NONE) return true;
    return false;
}

static void check_round(struct rng *rng, int fd)
{
    static const size_t lengths[] = { 0, 1, 3, 40, 511, 513, 3000, 100000 };
    size_t count = rng_below(rng, RECORDS_MAX + 1), done = count + 1;
    size_t bytes = make_records(rng, count, lengths[rng_below(rng, 8)], (unsigned)rng_below(rng, 5));

    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_SET), 0);
    output_init(&out, fd, &control);
    ck_assert_int_eq(output_write(&out, records, count, &done), 0);
    ck_assert_uint_eq(done, count);
    ck_assert_uint_eq(out.bytes, bytes);
    ck_assert_int_eq(out.has_gaps, has_gap(count));
    ck_assert_int_eq((int)pread(fd, got, sizeof got, 0), (int)bytes);
    ck_assert(memcmp(got, wanted, bytes) == 0);
}

START_TEST(the_bytes_of_all_records_come_out_in_order)
{
    struct rng rng = { rng_seed("the_bytes_of_all_records_come_out_in_order") };
    int fd         = memfd_create("output", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < sizeof pool; i++) pool[i] = (char)rng_below(&rng, 256);
    for (int round = 0; round < 300; round++) check_round(&rng, fd);
    (void)close(fd);
}
END_TEST

/* Lines side by side are one piece, wherever they are cut. */
START_TEST(when_the_reader_goes_the_whole_records_that_it_can_have_are_counted)
{
    struct rng rng = { rng_seed("when_the_reader_goes_the_whole_records_that_it_can_have_are_counted") };
    size_t done, bytes;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    bytes = make_records(&rng, 300, 100, 4);
    output_init(&out, ends[1], &control);
    ck_assert_int_eq(output_write(&out, records, 300, &done), 0);
    ck_assert_uint_eq(done, 300);
    ck_assert_uint_eq(out.bytes, bytes);
    (void)close(ends[0]);
    ck_assert_int_eq(output_write(&out, records, 300, &done), -EPIPE);
    ck_assert_uint_eq(done, output_within(records, 300, 0));
    ck_assert_uint_eq(out.bytes, bytes);
    (void)close(ends[1]);
}
END_TEST

static void *read_some(void *arg)
{
    const int *fdp = arg;
    size_t left    = 100000;
    ssize_t part;

    while (left > 0 && (part = read(*fdp, got, left < 4096 ? left : 4096)) > 0) left -= (size_t)part;
    (void)close(*fdp);
    return NULL;
}

/* What the pipe took beyond what was read is written, and counts; nothing else does. */
START_TEST(a_reader_that_goes_in_the_middle_leaves_a_count_that_fits_the_bytes)
{
    struct rng rng = { rng_seed("a_reader_that_goes_in_the_middle_leaves_a_count_that_fits_the_bytes") };
    pthread_t reader;
    size_t done, bytes;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    bytes = make_records(&rng, RECORDS_MAX, 200, 3);
    output_init(&out, ends[1], &control);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_some, &ends[0]), 0);
    ck_assert_int_eq(output_write(&out, records, RECORDS_MAX, &done), -EPIPE);
    (void)pthread_join(reader, NULL);
    ck_assert_uint_ge(out.bytes, 100000);
    ck_assert_uint_lt(out.bytes, bytes);
    ck_assert_uint_eq(done, output_within(records, RECORDS_MAX, out.bytes));
    (void)close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli output");
    TCase *tcase = tcase_create("output");

    (void)signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_bytes_of_all_records_come_out_in_order);
    tcase_add_test(tcase, when_the_reader_goes_the_whole_records_that_it_can_have_are_counted);
    tcase_add_test(tcase, a_reader_that_goes_in_the_middle_leaves_a_count_that_fits_the_bytes);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
