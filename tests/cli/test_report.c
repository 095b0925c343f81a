/* SPDX-License-Identifier: MIT */
/* What hopper-cat tells: the progress line and its lag, and the books. */
#include "books.h"
#include "progress.h"

#include "suite.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static struct progress prog;
static struct hopper_stats stats;
static char line[PROGRESS_LINE_BYTES];

static void set_up(void)
{
    stats = (struct hopper_stats){ .size = sizeof stats, .memory_bytes = 1000 };
    progress_init(&prog, 5000, &stats, 0);
}

static const char *format_at(uint64_t now_ms)
{
    progress_format(&prog, now_ms, &stats, SIZE_MAX, line);
    return line;
}

START_TEST(a_line_shows_both_sides_and_both_tiers)
{
    stats.accepted     = 1000000;
    stats.pending_disk = 1000;
    progress_sample(&prog, 15000, &stats, 500000);
    stats.accepted          = 1200000;
    stats.accepted_bytes    = UINT64_C(118) << 20;
    stats.memory_bytes_used = 610;
    stats.disk_bytes_used   = UINT64_C(412) << 20;
    stats.disk_files        = 9;
    stats.pending_disk      = 100000;
    progress_sample(&prog, 17000, &stats, 580400);
    ck_assert_str_eq(format_at(17000), "1.20M rec 118MiB 0:00:12 [in 100k/s out 40.2k/s] mem[#####...] 61% "
                                       "disk 412MiB/9 files lag 1.0s");
}
END_TEST

START_TEST(nothing_yet_is_a_line_too)
{
    ck_assert_str_eq(format_at(5000), "0 rec 0B 0:00:00 [in 0/s out 0/s] mem[........] 0% disk 0B/0 files lag 0.0s");
}
END_TEST

START_TEST(a_narrow_line_keeps_disk_and_lag)
{
    static const char *const lines[] = { "0 rec [in 0/s out 0/s] disk 0B/0 files lag 0.0s",
                                         "0 rec disk 0B/0 files lag 0.0s", "disk 0B/0 files lag 0.0s" };

    progress_format(&prog, 5000, &stats, 50, line);
    ck_assert_str_eq(line, lines[0]);
    progress_format(&prog, 5000, &stats, strlen(lines[0]), line);
    ck_assert_str_eq(line, lines[0]);
    progress_format(&prog, 5000, &stats, strlen(lines[0]) - 1, line);
    ck_assert_str_eq(line, lines[1]);
    progress_format(&prog, 5000, &stats, 10, line);
    ck_assert_str_eq(line, lines[2]);
}
END_TEST

START_TEST(one_file_is_not_files_and_full_is_a_hundred)
{
    stats.disk_files        = 1;
    stats.memory_bytes_used = 1000;
    ck_assert_ptr_nonnull(strstr(format_at(5000), "mem[########] 100% disk 0B/1 file lag"));
}
END_TEST

START_TEST(numbers_have_three_digits_and_change_their_unit_in_time)
{
    static const struct {
        uint64_t accepted;
        const char *text;
    } cases[] = { { 999, "999 rec" },     { 1000, "1.00k rec" },   { 9994, "9.99k rec" },
                  { 9996, "10.0k rec" },  { 99949, "99.9k rec" },  { 99951, "100k rec" },
                  { 999499, "999k rec" }, { 999501, "1.00M rec" }, { 12345678, "12.3M rec" } };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stats.accepted = cases[i].accepted;
        ck_assert_msg(strncmp(format_at(5000), cases[i].text, strlen(cases[i].text)) == 0, "%s, not %s", line,
                      cases[i].text);
    }
}
END_TEST

START_TEST(lag_is_the_age_of_the_oldest_record_on_its_way)
{
    for (uint64_t second = 1; second <= 10; second++) { /* 100 records a second, none delivered */
        stats.accepted = stats.pending_disk = second * 100;
        progress_sample(&prog, 5000 + second * 1000, &stats, 0);
    }
    ck_assert_ptr_nonnull(strstr(format_at(15000), "lag 10.0s"));
    stats.pending_disk = 350; /* the next one is record 651, from 6.5 s after the start */
    progress_sample(&prog, 16000, &stats, 650);
    ck_assert_ptr_nonnull(strstr(format_at(16000), "lag 4.5s"));
    stats.pending_disk = 0;
    progress_sample(&prog, 17000, &stats, 1000);
    ck_assert_ptr_nonnull(strstr(format_at(17000), "lag 0.0s"));
}
END_TEST

START_TEST(records_of_earlier_runs_are_told_apart)
{
    stats.accepted = 5000;
    progress_init(&prog, 5000, &stats, 3100);
    stats.accepted = 5250;
    progress_sample(&prog, 6000, &stats, 0);
    ck_assert_ptr_nonnull(strstr(format_at(6000), "250 rec +3.10k old 0B 0:00:01 [in 250/s out 0/s]"));
    progress_format(&prog, 6000, &stats, 50, line);
    ck_assert_str_eq(line, "250 rec +3.10k old disk 0B/0 files lag 0.0s");
}
END_TEST

START_TEST(records_of_earlier_runs_lag_since_the_start)
{
    stats.accepted = stats.pending_disk = 5000;
    progress_init(&prog, 5000, &stats, 5000);
    stats.accepted = 6000; /* one a millisecond */
    progress_sample(&prog, 6000, &stats, 0);
    stats.pending_disk = 3000; /* the next one is number 3001, an old one */
    ck_assert_ptr_nonnull(strstr(format_at(9000), "lag 4.0s"));
    stats.pending_disk = 500; /* number 5501 */
    ck_assert_ptr_nonnull(strstr(format_at(9000), "lag 3.5s"));
}
END_TEST

START_TEST(lag_is_known_after_more_samples_than_are_kept)
{
    for (uint64_t second = 1; second <= 50 * PROGRESS_SAMPLES; second++) {
        stats.accepted = stats.pending_disk = second;
        progress_sample(&prog, 5000 + second * 1000, &stats, 0);
    }
    ck_assert_ptr_nonnull(strstr(format_at(5000 + UINT64_C(6400000)), "lag 1:46:40"));
}
END_TEST

static struct books some_books(void)
{
    struct books books = { .channel = { .size = sizeof books.channel, .accepted = 100, .acknowledged = 90 } };

    books.channel.gap_records[HOPPER_GAP_DROPPED_OLDEST] = 3;
    books.channel.disk_errno                             = -1;
    books.delivered_records                              = 90;
    books.unsent_records                                 = 5;
    return books;
}

START_TEST(undelivered_is_what_is_neither_written_nor_a_gap)
{
    struct books books = some_books();

    ck_assert_uint_eq(books_undelivered(&books), 7 + 5);
    books.delivered_records = 97;
    books.unsent_records    = 0;
    ck_assert_uint_eq(books_undelivered(&books), 0);
}
END_TEST

START_TEST(staying_is_what_is_in_the_queue)
{
    struct books books = some_books();

    books.channel.pending_memory = 3;
    books.channel.pending_disk   = 4;
    ck_assert_uint_eq(books_staying(&books), 7);
}
END_TEST

START_TEST(json_is_one_object_and_has_all_the_names_of_the_text)
{
    struct books books = some_books();
    char text[4096], json[4096], key[64];
    int names = 0;

    ck_assert_int_lt(books_format(&books, BOOKS_TEXT, text, sizeof text), (int)sizeof text);
    ck_assert_int_lt(books_format(&books, BOOKS_JSON, json, sizeof json), (int)sizeof json);
    ck_assert(json[0] == '{' && strcmp(json + strlen(json) - 2, "}\n") == 0);
    ck_assert_ptr_nonnull(strstr(json, "\"gap_dropped_oldest_records\":3,"));
    ck_assert_ptr_nonnull(strstr(json, "\"disk_errno\":-1,"));
    for (char *next, *at = text; *at != '\0'; at = next + 1, names++) {
        ck_assert_ptr_nonnull(next = strchr(at, '\n'));
        snprintf(key, sizeof key, "\"%.*s\":", (int)strcspn(at, " "), at);
        ck_assert_msg(strstr(json, key) != NULL, "no %s", key);
    }
    for (char *at = json; (at = strchr(at, ':')) != NULL; at++) names--;
    ck_assert_int_eq(names, 0);
}
END_TEST

START_TEST(books_are_cut_where_the_buffer_ends)
{
    struct books books = some_books();
    char text[4096], part[100];
    int len = books_format(&books, BOOKS_JSON, text, sizeof text);

    ck_assert_int_eq(books_format(&books, BOOKS_JSON, part, sizeof part), len);
    ck_assert_mem_eq(part, text, sizeof part - 1);
    ck_assert_int_eq(part[sizeof part - 1], '\0');
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli report");
    TCase *tcase = tcase_create("report");

    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, a_line_shows_both_sides_and_both_tiers);
    tcase_add_test(tcase, nothing_yet_is_a_line_too);
    tcase_add_test(tcase, a_narrow_line_keeps_disk_and_lag);
    tcase_add_test(tcase, one_file_is_not_files_and_full_is_a_hundred);
    tcase_add_test(tcase, numbers_have_three_digits_and_change_their_unit_in_time);
    tcase_add_test(tcase, lag_is_the_age_of_the_oldest_record_on_its_way);
    tcase_add_test(tcase, records_of_earlier_runs_are_told_apart);
    tcase_add_test(tcase, records_of_earlier_runs_lag_since_the_start);
    tcase_add_test(tcase, lag_is_known_after_more_samples_than_are_kept);
    tcase_add_test(tcase, undelivered_is_what_is_neither_written_nor_a_gap);
    tcase_add_test(tcase, staying_is_what_is_in_the_queue);
    tcase_add_test(tcase, json_is_one_object_and_has_all_the_names_of_the_text);
    tcase_add_test(tcase, books_are_cut_where_the_buffer_ends);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
