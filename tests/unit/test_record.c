/* SPDX-License-Identifier: MIT */
/* Records as msgpack bin objects: the shortest form is written, every form is read, msgpack-c agrees, and nothing is
 * read beyond what is there. */
#include "record.h"

#include <msgpack.h>
#include <stdlib.h>

#include "suite.h"

static const size_t lengths[] = {0, 1, 2, 254, 255, 256, 257, 65534, 65535, 65536, 65537, 1000000};
#define LENGTHS (sizeof lengths / sizeof *lengths)

/* A record of LEN bytes in a buffer of exactly its size, so that reading beyond is noticed by sanitizers. */
static unsigned char *make_record(size_t len, size_t *bytesp)
{
    unsigned char head[HPR_RECORD_HEADER_MAX], *out;
    size_t header = hpr_record_put_header(head, (uint32_t)len);

    *bytesp = header + len;
    out = malloc(*bytesp);
    memcpy(out, head, header);
    for (size_t i = 0; i < len; i++)
        out[header + i] = (unsigned char)(i * 7 + len);
    return out;
}

START_TEST(a_record_takes_as_many_bytes_as_promised_and_comes_back_in_place)
{
    for (size_t i = 0; i < LENGTHS; i++) {
        const unsigned char *data = NULL;
        size_t bytes, got = 0;
        unsigned char *in = make_record(lengths[i], &bytes);

        ck_assert_uint_eq(bytes, hpr_record_packed_bytes(lengths[i]));
        ck_assert_uint_eq(hpr_record_get(in, bytes, &data, &got), bytes);
        ck_assert_uint_eq(got, lengths[i]);
        ck_assert_ptr_eq(data, in + bytes - lengths[i]);
        free(in);
    }
}
END_TEST

START_TEST(the_shortest_form_is_written)
{
    static const struct {
        uint32_t len;
        size_t header;
        unsigned char bytes[5];
    } forms[] = {
        {0, 2, {0xc4, 0}},
        {255, 2, {0xc4, 255}},
        {256, 3, {0xc5, 1, 0}},
        {65535, 3, {0xc5, 255, 255}},
        {65536, 5, {0xc6, 0, 1, 0, 0}},
        {(uint32_t)HPR_RECORD_BYTES_LIMIT, 5, {0xc6, 0xff, 0xff, 0xef, 0xff}},
    };
    unsigned char out[HPR_RECORD_HEADER_MAX];

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        ck_assert_uint_eq(hpr_record_put_header(out, forms[i].len), forms[i].header);
        ck_assert_mem_eq(out, forms[i].bytes, forms[i].header);
        ck_assert_uint_eq(hpr_record_packed_bytes(forms[i].len), forms[i].len + (uint64_t)forms[i].header);
    }
}
END_TEST

START_TEST(msgpack_c_reads_what_is_written)
{
    for (size_t i = 0; i < LENGTHS; i++) {
        size_t bytes, offset = 0;
        unsigned char *in = make_record(lengths[i], &bytes);
        msgpack_unpacked result;

        msgpack_unpacked_init(&result);
        ck_assert_int_eq(msgpack_unpack_next(&result, (const char *)in, bytes, &offset), MSGPACK_UNPACK_SUCCESS);
        ck_assert_uint_eq(offset, bytes);
        ck_assert_int_eq(result.data.type, MSGPACK_OBJECT_BIN);
        ck_assert_uint_eq(result.data.via.bin.size, lengths[i]);
        if (lengths[i] > 0)
            ck_assert(memcmp(result.data.via.bin.ptr, in + bytes - lengths[i], lengths[i]) == 0);
        msgpack_unpacked_destroy(&result);
        free(in);
    }
}
END_TEST

/* Every length near the ends, some between. */
static size_t step_after(size_t len, size_t bytes)
{
    return len < 300 || len + 10 > bytes ? 1 : hpr_min_size(9973, bytes - 9 - len);
}

START_TEST(a_record_that_is_cut_short_is_none)
{
    for (size_t i = 0; i < LENGTHS; i++) {
        const unsigned char *data;
        size_t bytes, got;
        unsigned char *in = make_record(lengths[i], &bytes);

        for (size_t len = 0; len < bytes; len += step_after(len, bytes)) {
            unsigned char *cut = malloc(len ? len : 1);

            memcpy(cut, in, len);
            ck_assert_msg(hpr_record_get(cut, len, &data, &got) == 0, "%zu bytes of %zu", len, bytes);
            free(cut);
        }
        free(in);
    }
}
END_TEST

START_TEST(longer_forms_than_needed_are_read)
{
    static const unsigned char form16[] = {0xc5, 0, 3, 'a', 'b', 'c'}, form32[] = {0xc6, 0, 0, 0, 3, 'a', 'b', 'c'};
    const unsigned char *data;
    size_t got;

    ck_assert_uint_eq(hpr_record_get(form16, sizeof form16, &data, &got), 6);
    ck_assert_uint_eq(got, 3);
    ck_assert_mem_eq(data, "abc", 3);
    ck_assert_uint_eq(hpr_record_get(form32, sizeof form32, &data, &got), 8);
    ck_assert_uint_eq(got, 3);
    ck_assert_mem_eq(data, "abc", 3);
}
END_TEST

START_TEST(anything_but_bin_is_no_record)
{
    unsigned char in[64] = {0};
    const unsigned char *data;
    size_t got;

    for (unsigned first = 0; first < 256; first++) {
        in[0] = (unsigned char)first;
        ck_assert_int_eq(hpr_record_get(in, sizeof in, &data, &got) != 0, first >= 0xc4 && first <= 0xc6);
    }
}
END_TEST

START_TEST(a_length_of_4_gib_in_a_few_bytes_is_none)
{
    static const unsigned char in[] = {0xc6, 0xff, 0xff, 0xff, 0xff, 'x'};
    const unsigned char *data;
    size_t got;

    ck_assert_uint_eq(hpr_record_get(in, sizeof in, &data, &got), 0);
}
END_TEST

START_TEST(what_follows_a_record_is_not_touched)
{
    static const unsigned char in[] = {0xc4, 2, 'a', 'b', 0xc4, 1, 'c'};
    const unsigned char *data;
    size_t got;

    ck_assert_uint_eq(hpr_record_get(in, sizeof in, &data, &got), 4);
    ck_assert_uint_eq(got, 2);
    ck_assert_uint_eq(hpr_record_get(in + 4, sizeof in - 4, &data, &got), 3);
    ck_assert_mem_eq(data, "c", 1);
}
END_TEST

/* All heads of three bytes, with as many bytes behind them as they say, with one less and with one more; each in a
 * buffer of exactly its size. */
START_TEST(the_short_way_reads_the_same_or_leaves_it)
{
    for (unsigned head = 0; head < 1U << 24; head += head < 0xc40000 || head >= 0xc60000 ? 9973 : 251) {
        const unsigned char bytes[] = {(unsigned char)(head >> 16), (unsigned char)(head >> 8), (unsigned char)head};
        const size_t whole = bytes[0] == 0xc4 ? 2U + bytes[1] : 3 + (head & 0xffff);

        for (size_t len = whole - 1; len <= whole + 1; len++) {
            const unsigned char *data = NULL, *short_data = NULL;
            size_t got = 0, short_got = 0, taken, short_taken;
            unsigned char *in = calloc(1, len);

            memcpy(in, bytes, hpr_min_size(len, sizeof bytes));
            taken = hpr_record_get(in, len, &data, &got);
            short_taken = hpr_record_get_short(in, len, &short_data, &short_got);
            if (len >= 3 && (bytes[0] == 0xc4 || bytes[0] == 0xc5)) ck_assert_uint_eq(short_taken, taken);
            else ck_assert_uint_eq(short_taken, 0);
            ck_assert(short_taken == 0 || (short_data == data && short_got == got));
            free(in);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("bytes");

    tcase_add_test(tc, a_record_takes_as_many_bytes_as_promised_and_comes_back_in_place);
    tcase_add_test(tc, the_shortest_form_is_written);
    tcase_add_test(tc, msgpack_c_reads_what_is_written);
    tcase_add_test(tc, a_record_that_is_cut_short_is_none);
    tcase_add_test(tc, longer_forms_than_needed_are_read);
    tcase_add_test(tc, anything_but_bin_is_no_record);
    tcase_add_test(tc, a_length_of_4_gib_in_a_few_bytes_is_none);
    tcase_add_test(tc, what_follows_a_record_is_not_touched);
    tcase_add_test(tc, the_short_way_reads_the_same_or_leaves_it);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
