/* SPDX-License-Identifier: MIT */
/* The record splitter: each rule by an example, then random inputs in random pieces against a plain loop, and every
 * length at every place of the windows in which it looks for ends. Built twice: test_lines_plain has the search in
 * plain C, which other machines use. */
#include "lines.h"

#include "rng.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static struct lines ln;

/* lines_take(), as views; MAX is at most 600. */
static size_t take(struct iovec *records, size_t max)
{
    size_t offsets[601], count = lines_take(&ln, offsets, max);

    ck_assert_uint_le(count, max);
    for (size_t i = 0; i < count; i++) records[i] = (struct iovec){ ln.buf + offsets[i], offsets[i + 1] - offsets[i] };
    return count;
}

static void begin(size_t record_bytes_max, size_t read_bytes, enum lines_long long_records, char terminator)
{
    struct lines_options options = { record_bytes_max, read_bytes, long_records, terminator };

    ck_assert_int_eq(lines_init(&ln, &options), 0);
    lines_begin(&ln);
}

static void tear_down(void)
{
    lines_fini(&ln);
}

static void feed(const void *bytes, size_t len)
{
    const char *next = bytes;
    size_t room_len;
    char *room;

    while (len > 0) {
        ck_assert_ptr_nonnull(room = lines_space(&ln, &room_len));
        if (room_len > len) room_len = len;
        memcpy(room, next, room_len);
        lines_fill(&ln, room_len);
        next += room_len;
        len -= room_len;
    }
}

static void expect_record(const char *text)
{
    struct iovec record;

    ck_assert_uint_eq(take(&record, 1), 1);
    ck_assert_uint_eq(record.iov_len, strlen(text));
    ck_assert_mem_eq(record.iov_base, text, strlen(text));
}

static void expect_nothing(void)
{
    struct iovec record;

    ck_assert_uint_eq(take(&record, 1), 0);
}

START_TEST(records_carry_their_terminator_and_the_last_may_lack_it)
{
    begin(100, 64, LINES_REFUSE, '\n');
    feed("one\n\ntwo\nthr", 12);
    expect_record("one\n");
    expect_record("\n");
    expect_record("two\n");
    expect_nothing();
    feed("ee", 2);
    expect_nothing();
    lines_end(&ln);
    expect_record("three");
    expect_nothing();
    ck_assert_uint_eq(ln.records, 4);
}
END_TEST

START_TEST(an_empty_input_has_no_record_and_a_last_terminator_makes_none)
{
    begin(100, 64, LINES_REFUSE, '\n');
    lines_end(&ln);
    expect_nothing();
    lines_begin(&ln);
    feed("x\n", 2);
    lines_end(&ln);
    expect_record("x\n");
    expect_nothing();
}
END_TEST

START_TEST(a_record_of_the_longest_length_is_not_long)
{
    begin(4, 64, LINES_REFUSE, '\n');
    feed("1234\n1234", 9);
    expect_record("1234\n");
    lines_end(&ln);
    expect_record("1234");
    ck_assert(!ln.is_refused);
}
END_TEST

START_TEST(a_refused_record_ends_everything_after_what_was_before_it)
{
    begin(4, 64, LINES_REFUSE, '\n');
    feed("a\n12345\nb\n", 10);
    expect_record("a\n");
    expect_nothing();
    ck_assert(ln.is_refused);
    ck_assert_uint_eq(ln.records + 1, 2);
    expect_nothing();
}
END_TEST

START_TEST(a_long_record_is_refused_before_its_end_is_there)
{
    begin(4, 64, LINES_REFUSE, '\n');
    feed("1234", 4);
    expect_nothing();
    ck_assert(!ln.is_refused);
    feed("5", 1);
    expect_nothing();
    ck_assert(ln.is_refused);
}
END_TEST

START_TEST(split_gives_pieces_and_the_terminator_to_the_last)
{
    begin(3, 64, LINES_SPLIT, '\n');
    feed("1234567\nabc\nxyzxyz", 18);
    expect_record("123");
    expect_record("456");
    expect_record("7\n");
    expect_record("abc\n");
    expect_record("xyz");
    expect_nothing();
    lines_end(&ln);
    expect_record("xyz");
    expect_nothing();
}
END_TEST

START_TEST(truncate_keeps_the_beginning_and_the_terminator)
{
    begin(3, 64, LINES_TRUNCATE, '\n');
    feed("1234567\nab\nxyz", 14);
    expect_record("123\n");
    expect_record("ab\n");
    expect_nothing();
    for (int i = 0; i < 10000; i++) {
        feed("more and more", 13);
        expect_nothing();
    }
    ck_assert_uint_le(ln.capacity, 2 * 64);
    feed("\nlast one", 9);
    expect_record("xyz\n");
    lines_end(&ln);
    expect_record("las");
    expect_nothing();
    ck_assert_uint_eq(ln.truncated, 3);
}
END_TEST

START_TEST(a_record_cut_at_the_very_end_counts_as_shortened)
{
    struct iovec record;

    begin(3, 64, LINES_TRUNCATE, '\n');
    feed("abcd", 4);
    ck_assert_uint_eq(take(&record, 1), 0);
    lines_end(&ln);
    expect_record("abc");
    ck_assert_uint_eq(ln.truncated, 1);
}
END_TEST

START_TEST(nul_can_be_the_terminator_and_a_line_end_a_byte)
{
    struct iovec records[3];

    begin(100, 64, LINES_REFUSE, '\0');
    feed("a\nb\0\0c", 6);
    lines_end(&ln);
    ck_assert_uint_eq(take(records, 3), 3);
    ck_assert_uint_eq(records[0].iov_len, 4);
    ck_assert_mem_eq(records[0].iov_base, "a\nb", 4);
    ck_assert_uint_eq(records[1].iov_len, 1);
    ck_assert_uint_eq(records[2].iov_len, 1);
}
END_TEST

START_TEST(the_buffer_stays_within_its_bound)
{
    char bytes[1000];
    struct iovec record;

    memset(bytes, 'x', sizeof bytes);
    begin(5000, 64, LINES_SPLIT, '\n');
    for (int i = 0; i < 1000; i++) {
        feed(bytes, sizeof bytes);
        while (take(&record, 1) > 0) ck_assert_uint_eq(record.iov_len, 5000);
        ck_assert_uint_le(ln.capacity, 5000 + 1000 + 1 + 64);
        ck_assert_uint_le(lines_held(&ln), 5000);
    }
}
END_TEST

/* What the records must be, found the slow way. Returns the length of the record that begins at TEXT, with its
 * terminator; *MISSINGP is how many bytes after that (and before its terminator) are left out. */
static size_t plain_record(const char *text, size_t len, size_t max, enum lines_long policy, size_t *missingp)
{
    size_t body = 0;

    *missingp = 0;
    while (body < len && text[body] != '\n') body++;
    if (body <= max) return body < len ? body + 1 : body;
    if (policy == LINES_SPLIT) return max;
    *missingp = body - max;
    return body < len ? max + 1 : max;
}

static void check_random_input(struct rng *rng, enum lines_long policy)
{
    size_t len = rng_below(rng, 4000), max = rng_between(rng, 1, 200), read_bytes = rng_between(rng, 1, 300);
    size_t line = rng_between(rng, 1, 100), most = rng_below(rng, 2) ? 7 : 600, fed = 0, at = 0, missing;
    char *text = malloc(len + 1);
    struct iovec records[600];

    for (size_t i = 0; i < len; i++) text[i] = rng_below(rng, line) == 0 ? '\n' : (char)rng_below(rng, 256);
    begin(max, read_bytes, policy, '\n');
    while (!ln.is_ended) {
        size_t piece = rng_between(rng, 0, most == 7 ? 200 : 1500);
        size_t count;

        if (piece > len - fed) piece = len - fed;
        if (piece == 0 && fed == len) lines_end(&ln);
        else feed(text + fed, piece);
        fed += piece;
        while ((count = take(records, rng_between(rng, 1, most))) > 0) {
            for (size_t i = 0; i < count; i++) {
                size_t wanted = plain_record(text + at, len - at, max, policy, &missing);
                size_t body   = missing > 0 && records[i].iov_len > max ? max : wanted;
                ck_assert_uint_eq(records[i].iov_len, wanted);
                ck_assert_mem_eq(records[i].iov_base, text + at, body);
                if (body < wanted) ck_assert_int_eq(((char *)records[i].iov_base)[max], '\n');
                at += wanted + missing;
            }
        }
    }
    ck_assert_uint_eq(at, len);
    lines_fini(&ln);
    free(text);
}

START_TEST(random_inputs_in_random_pieces_give_the_same_records)
{
    struct rng rng = { rng_seed("random_inputs_in_random_pieces_give_the_same_records") };

    for (int round = 0; round < 3000; round++) check_random_input(&rng, round % 2 ? LINES_SPLIT : LINES_TRUNCATE);
}
END_TEST

/* ---- the search in windows ---- */

#define WINDOWS_BYTES 700

/* The ends that LN gives out must be those that a plain loop finds in TEXT. */
static void check_ends(const char *text, size_t len, char terminator)
{
    size_t offsets[WINDOWS_BYTES + 1], count = lines_take(&ln, offsets, WINDOWS_BYTES), found = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] != terminator) continue;
        found++;
        if (found > count || offsets[found] != i + 1) ck_abort_msg("end %zu of %zu bytes, at %zu", found, len, i);
    }
    ck_assert_uint_eq(found, count);
    ck_assert_uint_eq(offsets[0], 0);
    ck_assert_uint_eq(lines_held(&ln), found > 0 ? len - offsets[found] : len);
}

/* LEN bytes of TEXT at the very end of LN's buffer, behind which nothing may be read: there is no page. */
static void scan(char *room_end, const char *text, size_t len, char terminator)
{
    char *own           = ln.buf;
    size_t own_capacity = ln.capacity;

    memcpy(room_end - len, text, len);
    lines_begin(&ln);
    ln.buf      = room_end - len;
    ln.capacity = len;
    lines_fill(&ln, len);
    check_ends(text, len, terminator);
    ln.buf      = own;
    ln.capacity = own_capacity;
}

static char *make_room(size_t *pagep)
{
    char *room;

    *pagep = (size_t)sysconf(_SC_PAGESIZE);
    room   = mmap(NULL, 2 * *pagep, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(room != MAP_FAILED);
    ck_assert_int_eq(mprotect(room + *pagep, *pagep, PROT_NONE), 0);
    return room;
}

/* Every length, so also every alignment; nothing that is looked at lies behind the bytes. */
START_TEST(every_length_up_to_a_page_that_is_not_there_gives_the_same_ends)
{
    struct rng rng = { rng_seed("every_length_up_to_a_page_that_is_not_there_gives_the_same_ends") };
    char text[WINDOWS_BYTES];
    size_t page;
    char *room = make_room(&page);

    begin(1u << 20, WINDOWS_BYTES, LINES_REFUSE, '\n');
    for (size_t len = 0; len <= WINDOWS_BYTES; len++) {
        for (size_t density = 1; density <= 256; density *= 2) {
            for (size_t i = 0; i < len; i++)
                text[i] = rng_below(&rng, density) == 0 ? '\n' : (char)rng_below(&rng, 256);
            scan(room + page, text, len, '\n');
        }
    }
    munmap(room, 2 * page);
}
END_TEST

/* Each byte value as terminator beside all other values, and one end at each place. */
START_TEST(every_byte_can_be_the_terminator_at_every_place)
{
    char text[256];
    size_t page;
    char *room = make_room(&page);

    for (int terminator = 0; terminator < 256; terminator++) {
        begin(1u << 20, WINDOWS_BYTES, LINES_REFUSE, (char)terminator);
        for (size_t i = 0; i < sizeof text; i++) text[i] = (char)i;
        scan(room + page, text, sizeof text, (char)terminator);
        memset(text, terminator ^ 0x80, sizeof text);
        for (size_t i = 0; i < sizeof text; i++) {
            text[i] = (char)terminator;
            scan(room + page, text, sizeof text, (char)terminator);
            text[i] = (char)(terminator ^ 1);
        }
        lines_fini(&ln);
    }
    munmap(room, 2 * page);
}
END_TEST

/* What is too long by one byte, or not, with its end at every place of a window. */
START_TEST(a_long_record_is_found_at_every_place_of_a_window)
{
    char text[400];
    size_t offsets[sizeof text + 1];

    for (size_t before = 0; before < 130; before++) {
        for (size_t body = 60; body <= 200; body++) {
            memset(text, 'x', sizeof text);
            for (size_t i = 0; i < before; i++) text[i] = '\n';
            text[before + body] = '\n';
            begin(130, sizeof text, LINES_REFUSE, '\n');
            feed(text, before + body + 1);
            ck_assert_uint_eq(lines_take(&ln, offsets, sizeof text), before + (body <= 130));
            ck_assert_int_eq(ln.is_refused, body > 130);
            lines_fini(&ln);
        }
    }
}
END_TEST

START_TEST(a_truncated_record_ends_what_stands_side_by_side)
{
    size_t offsets[8];

    begin(3, 64, LINES_TRUNCATE, '\n');
    feed("a\nbbbbbb\nc\nd\n", 13);
    ck_assert_uint_eq(lines_take(&ln, offsets, 7), 2);
    ck_assert_mem_eq(ln.buf + offsets[1], "bbb\n", 4);
    ck_assert_uint_eq(offsets[2] - offsets[1], 4);
    ck_assert_uint_eq(lines_take(&ln, offsets, 7), 2);
    ck_assert_mem_eq(ln.buf + offsets[0], "c\nd\n", 4);
    ck_assert_uint_eq(lines_take(&ln, offsets, 7), 0);
    ck_assert_uint_eq(ln.records, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli lines");
    TCase *tcase = tcase_create("lines");

    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, records_carry_their_terminator_and_the_last_may_lack_it);
    tcase_add_test(tcase, an_empty_input_has_no_record_and_a_last_terminator_makes_none);
    tcase_add_test(tcase, a_record_of_the_longest_length_is_not_long);
    tcase_add_test(tcase, a_refused_record_ends_everything_after_what_was_before_it);
    tcase_add_test(tcase, a_long_record_is_refused_before_its_end_is_there);
    tcase_add_test(tcase, split_gives_pieces_and_the_terminator_to_the_last);
    tcase_add_test(tcase, truncate_keeps_the_beginning_and_the_terminator);
    tcase_add_test(tcase, a_record_cut_at_the_very_end_counts_as_shortened);
    tcase_add_test(tcase, nul_can_be_the_terminator_and_a_line_end_a_byte);
    tcase_add_test(tcase, the_buffer_stays_within_its_bound);
    tcase_add_test(tcase, random_inputs_in_random_pieces_give_the_same_records);
    tcase_add_test(tcase, every_length_up_to_a_page_that_is_not_there_gives_the_same_ends);
    tcase_add_test(tcase, every_byte_can_be_the_terminator_at_every_place);
    tcase_add_test(tcase, a_long_record_is_found_at_every_place_of_a_window);
    tcase_add_test(tcase, a_truncated_record_ends_what_stands_side_by_side);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
