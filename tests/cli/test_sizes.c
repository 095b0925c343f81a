/* SPDX-License-Identifier: MIT */
/* Sizes and seconds on the command line: what is taken means exactly what it says, and nothing else is taken. */
#include "sizes.h"

#include "rng.h"
#include "suite.h"

#include <string.h>

#define WHOLE UINT64_C(16000000000)

static const struct {
    const char *text;
    uint64_t bytes;
} taken[] = {
    { "0", 0 },
    { "1", 1 },
    { "007", 7 },
    { "18446744073709551615", UINT64_MAX },
    { "1K", 1024 },
    { "1KiB", 1024 },
    { "1KB", 1000 },
    { "3M", UINT64_C(3) << 20 },
    { "3MiB", UINT64_C(3) << 20 },
    { "3MB", 3000000 },
    { "2G", UINT64_C(2) << 30 },
    { "2GB", 2000000000 },
    { "5T", UINT64_C(5) << 40 },
    { "5TiB", UINT64_C(5) << 40 },
    { "5TB", UINT64_C(5000000000000) },
    { "1.5G", UINT64_C(3) << 29 },
    { "0.5K", 512 },
    { "1.3K", 1331 },
    { "1.25KB", 1250 },
    { "0.001KB", 1 },
    { "0.0009KB", 0 },
    { "1.99999999999999999999999999999999999999999999999K", 2047 },
    { "16777215T", UINT64_C(16777215) << 40 },
    { "16777215.5T", (UINT64_C(16777215) << 40) + (UINT64_C(1) << 39) },
    { "10%", 1600000000 },
    { "12.5%", 2000000000 },
    { "100%", WHOLE },
    { "0.000000001%", 0 },
};

static const char *const refused[] = {
    "",
    " ",
    "-1",
    "+1",
    "foo",
    "K",
    "1k",
    "1m",
    "1g",
    "1KK",
    "1Kib",
    "1KIB",
    "1kB",
    "1Ki",
    "1B",
    "1P",
    "1E",
    "1.5",
    "1.",
    ".5",
    "1.K",
    ".5K",
    "1..5K",
    "1.5.5K",
    "1,5K",
    "1 K",
    " 1K",
    "1K ",
    "0x10",
    "1e3",
    "1K\n",
    "inf",
    "nan",
    "%",
    "101%",
    "100.5%",
    "-1%",
    "1%%",
    "1K%",
    "18446744073709551616",
    "16777216T",
    "99999999999999999999999999K",
    "184467440737095516151",
};

START_TEST(each_form_of_a_size_means_its_bytes)
{
    uint64_t bytes = 1;

    ck_assert_msg(size_parse(taken[_i].text, WHOLE, &bytes) == 0, "'%s' was refused", taken[_i].text);
    ck_assert_msg(bytes == taken[_i].bytes, "'%s' was taken for %llu", taken[_i].text, (unsigned long long)bytes);
}
END_TEST

START_TEST(anything_else_is_refused)
{
    uint64_t bytes = 1;

    ck_assert_msg(size_parse(refused[_i], WHOLE, &bytes) == -1, "'%s' was taken", refused[_i]);
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(percent_is_refused_where_there_is_no_whole)
{
    uint64_t bytes = 1;

    ck_assert_int_eq(size_parse("10%", 0, &bytes), -1);
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

/* Any number of any unit, written with decimals: the parser agrees with arithmetic on the digits. */
START_TEST(random_sizes_are_exact)
{
    static const char *const suffixes[] = { "K", "M", "G", "T", "KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB" };
    struct rng rng                      = { rng_seed("random_sizes_are_exact") };

    for (int round = 0; round < 20000; round++) {
        unsigned which    = (unsigned)rng_below(&rng, 12);
        uint64_t unit     = which < 8 ? UINT64_C(1) << 10 * (which % 4 + 1) : 1000;
        uint64_t integer  = rng_below(&rng, 1000000);
        uint64_t thousand = rng_below(&rng, 1000);
        uint64_t bytes;
        char text[64];

        for (unsigned i = 8; i < which; i++) unit *= 1000;
        snprintf(text, sizeof text, "%" PRIu64 ".%03u%s", integer, (unsigned)thousand, suffixes[which]);
        ck_assert_int_eq(size_parse(text, 0, &bytes), 0);
        ck_assert_msg(bytes == integer * unit + thousand * unit / 1000, "'%s' was taken for %" PRIu64, text, bytes);
    }
}
END_TEST

START_TEST(seconds_are_milliseconds_and_bounded)
{
    uint64_t ms;

    ck_assert(seconds_parse("1", &ms) == 0 && ms == 1000);
    ck_assert(seconds_parse("0.1", &ms) == 0 && ms == 100);
    ck_assert(seconds_parse("2.5", &ms) == 0 && ms == 2500);
    ck_assert(seconds_parse("0.001", &ms) == 0 && ms == 1);
    ck_assert(seconds_parse("0", &ms) == -1 && ms == 0);
    ck_assert(seconds_parse("0.0009", &ms) == -1 && ms == 0);
    ck_assert(seconds_parse("-1", &ms) == -1 && ms == 0);
    ck_assert(seconds_parse("1s", &ms) == -1 && ms == 0);
    ck_assert(seconds_parse("", &ms) == -1 && ms == 0);
    ck_assert(seconds_parse("99999999999", &ms) == -1 && ms == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli sizes");
    TCase *tcase = tcase_create("sizes");

    tcase_add_loop_test(tcase, each_form_of_a_size_means_its_bytes, 0, (int)(sizeof taken / sizeof taken[0]));
    tcase_add_loop_test(tcase, anything_else_is_refused, 0, (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(tcase, percent_is_refused_where_there_is_no_whole);
    tcase_add_test(tcase, random_sizes_are_exact);
    tcase_add_test(tcase, seconds_are_milliseconds_and_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
