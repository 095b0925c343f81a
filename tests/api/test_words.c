/* SPDX-License-Identifier: MIT */
/* The small functions that need no channel: statuses, gaps and errors in words, deadlines. */
#include <hopper/hopper.h>

#include "suite.h"
#include <errno.h>
#include <string.h>

START_TEST(every_status_has_a_name_and_a_sentence_of_its_own)
{
    for (int a = HOPPER_OK; a <= HOPPER_EVERSION; a++) {
        ck_assert_int_eq(strncmp(hopper_status_name((hopper_status)a), "HOPPER_", 7), 0);
        ck_assert_uint_gt(strlen(hopper_status_text((hopper_status)a)), 1);
        for (int b = HOPPER_OK; b < a; b++) {
            ck_assert_str_ne(hopper_status_name((hopper_status)a), hopper_status_name((hopper_status)b));
            ck_assert_str_ne(hopper_status_text((hopper_status)a), hopper_status_text((hopper_status)b));
        }
    }
    ck_assert_str_eq(hopper_status_name(HOPPER_EFULL), "HOPPER_EFULL");
    ck_assert_str_eq(hopper_status_name(HOPPER_EVERSION), "HOPPER_EVERSION");
    ck_assert_ptr_nonnull(hopper_status_name((hopper_status)15));
    ck_assert_ptr_nonnull(hopper_status_text((hopper_status)9999));
}
END_TEST

START_TEST(every_gap_has_a_lower_case_word_and_others_are_unknown)
{
    for (unsigned gap = 0; gap < HOPPER_GAP_REASONS; gap++) {
        const char *name = hopper_gap_name(gap);

        ck_assert_str_ne(name, "unknown");
        for (const char *p = name; *p; p++) ck_assert((*p >= 'a' && *p <= 'z') || *p == '_' || *p == '-');
    }
    ck_assert_str_eq(hopper_gap_name(HOPPER_GAP_CORRUPT), "corrupt");
    ck_assert_str_eq(hopper_gap_name(HOPPER_GAP_REASONS), "unknown");
    ck_assert_str_eq(hopper_gap_name(UINT32_MAX), "unknown");
}
END_TEST

START_TEST(an_error_line_names_what_where_and_why_and_is_cut_to_fit)
{
    struct hopper_error err = { HOPPER_EIO, ENOSPC, 0, "write queue file", "/spool/q/00000000000000000001.hq" };
    char whole[512], part[512];
    int len = hopper_error_format(&err, whole, sizeof whole);

    ck_assert_int_eq(len, (int)strlen(whole));
    ck_assert_ptr_nonnull(strstr(whole, "write queue file"));
    ck_assert_ptr_nonnull(strstr(whole, err.path));
    ck_assert_ptr_nonnull(strstr(whole, strerror(ENOSPC)));
    ck_assert_ptr_null(strchr(whole, '\n'));
    for (size_t room = 1; room <= (size_t)len + 1; room++) {
        memset(part, '#', sizeof part);
        ck_assert_int_eq(hopper_error_format(&err, part, room), len);
        ck_assert_uint_eq(strlen(part), room - 1);
        ck_assert_int_eq(memcmp(part, whole, room - 1), 0);
        ck_assert_int_eq(part[room], '#');
    }
    ck_assert_int_eq(hopper_error_format(&err, NULL, 0), len);
    memset(&err, 0, sizeof err);
    ck_assert_int_gt(hopper_error_format(&err, whole, sizeof whole), 0);
}
END_TEST

START_TEST(a_deadline_in_the_far_future_does_not_wrap_around)
{
    uint64_t soon = hopper_after_ms(0), later = hopper_after_ms(1000);

    ck_assert_uint_ge(later, soon + 1000000000);
    ck_assert_uint_lt(later, soon + UINT64_C(100000000000));
    ck_assert_uint_ge(hopper_after_ms(UINT64_MAX), later);
    ck_assert_uint_ge(hopper_after_ms(UINT64_MAX / 1000000), later);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("words");
    TCase *tc    = tcase_create("words");

    tcase_add_test(tc, every_status_has_a_name_and_a_sentence_of_its_own);
    tcase_add_test(tc, every_gap_has_a_lower_case_word_and_others_are_unknown);
    tcase_add_test(tc, an_error_line_names_what_where_and_why_and_is_cut_to_fit);
    tcase_add_test(tc, a_deadline_in_the_far_future_does_not_wrap_around);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
