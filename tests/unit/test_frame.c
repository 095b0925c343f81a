/* SPDX-License-Identifier: MIT */
/* The fixed parts of a queue file: each field stands where docs/format.md says, one changed bit is noticed, a header in
 * another place is none, and a header that makes no sense is refused whatever its checksum says. */
#include "frame.h"

#include "bytes.h"
#include "suite.h"

static const uint8_t id[HPR_CHANNEL_ID_BYTES] = "a channel's id.";
static const struct hpr_frame_place place = {id, 7, 4096};

static struct hpr_file_header some_file_header(void)
{
    struct hpr_file_header h = {0, HPR_CONTENT_ITEMS, {0}, 0x0102030405060708, 0x1112131415161718, 0x2122232425262728,
                                0x3132333435363738, 0x41424344, false};

    memcpy(h.channel_id, id, sizeof id);
    return h;
}

static struct hpr_frame_header some_header(void)
{
    return (struct hpr_frame_header){.codec = HPR_CODEC_DEFLATE, .records = 0x01020304, .raw_bytes = 0x31323334,
                                     .stored_bytes = 0x21222324, .first_seq = 0x4142434445464748,
                                     .dropped_total = 0x3132333435363738, .opened_ms = 0x5152535455565758,
                                     .payload_crc = 0x61626364};
}

static enum hpr_verdict judge(const unsigned char *in, size_t len, const struct hpr_frame_place *where)
{
    struct hpr_frame_header h;
    struct hpr_footer f;

    return hpr_frame_get(in, len, where, &h, &f);
}

START_TEST(crc32_is_the_one_of_zlib_whole_or_in_pieces)
{
    ck_assert_uint_eq(hpr_crc32(0, "123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(hpr_crc32(hpr_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
    ck_assert_uint_eq(hpr_crc32(0, "", 0), 0);
}
END_TEST

/* ---- file header ---- */

START_TEST(file_header_has_each_field_where_the_format_says)
{
    static const unsigned char begin[] = {0x89, 'H', 'Q', 'F', 0x0d, 0x0a, 0x1a, 0x0a, 0, 1, 0, 72, 0, 1, 0, 0};
    struct hpr_file_header h = some_file_header();
    unsigned char out[HPR_FILE_HEADER_BYTES];

    memset(out, 0xee, sizeof out);
    hpr_frame_put_file_header(out, &h);
    ck_assert_mem_eq(out, begin, sizeof begin);
    ck_assert_mem_eq(out + 16, id, 16);
    ck_assert_uint_eq(hpr_get_u64(out + 32), 0x0102030405060708);
    ck_assert_uint_eq(out[32], 1); /* big-endian */
    ck_assert_uint_eq(hpr_get_u64(out + 40), 0x1112131415161718);
    ck_assert_uint_eq(hpr_get_u64(out + 48), 0x2122232425262728);
    ck_assert_uint_eq(hpr_get_u64(out + 56), 0x3132333435363738);
    ck_assert_uint_eq(hpr_get_u32(out + 64), 0x41424344);
    ck_assert_uint_eq(hpr_get_u32(out + 68), hpr_crc32(0, out, 68));
}
END_TEST

START_TEST(file_header_comes_back_as_it_was_put)
{
    struct hpr_file_header h = some_file_header(), got;
    unsigned char out[HPR_FILE_HEADER_BYTES];

    h.survive = 3;
    hpr_frame_put_file_header(out, &h);
    ck_assert_int_eq(hpr_frame_get_file_header(out, sizeof out, &got), HPR_FILE_OURS);
    ck_assert_uint_eq(got.survive, 3);
    ck_assert_uint_eq(got.content, HPR_CONTENT_ITEMS);
    ck_assert_mem_eq(got.channel_id, id, sizeof id);
    ck_assert_uint_eq(got.number, h.number);
    ck_assert_uint_eq(got.first_seq, h.first_seq);
    ck_assert_uint_eq(got.stream_offset, h.stream_offset);
    ck_assert_uint_eq(got.record_offset, h.record_offset);
    ck_assert_uint_eq(got.raw_max, h.raw_max);
}
END_TEST

START_TEST(file_header_with_any_bit_changed_is_not_ours)
{
    struct hpr_file_header h = some_file_header(), got;
    unsigned char out[HPR_FILE_HEADER_BYTES];

    hpr_frame_put_file_header(out, &h);
    for (size_t bit = 0; bit < sizeof out * 8; bit++) {
        enum hpr_file_verdict wanted = bit < 64 ? HPR_FILE_FOREIGN : HPR_FILE_DAMAGED;

        out[bit / 8] ^= (unsigned char)(1U << bit % 8);
        if (bit >= 64 && bit < 80 && hpr_get_u16(out + 8) > 1)
            wanted = HPR_FILE_NEWER;
        ck_assert_msg(hpr_frame_get_file_header(out, sizeof out, &got) == wanted, "bit %zu", bit);
        ck_assert_uint_eq(got.number, 0); /* nothing of it is used */
        out[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}
END_TEST

START_TEST(file_header_that_is_cut_short_is_not_ours_and_a_newer_version_is_known_by_ten_bytes)
{
    struct hpr_file_header h = some_file_header(), got;
    unsigned char out[HPR_FILE_HEADER_BYTES];

    hpr_frame_put_file_header(out, &h);
    for (size_t len = 0; len < sizeof out; len++)
        ck_assert_int_eq(hpr_frame_get_file_header(out, len, &got), len < 10 ? HPR_FILE_FOREIGN : HPR_FILE_DAMAGED);
    hpr_put_u16(out + 8, 2);
    for (size_t len = 0; len <= sizeof out; len++)
        ck_assert_int_eq(hpr_frame_get_file_header(out, len, &got), len < 10 ? HPR_FILE_FOREIGN : HPR_FILE_NEWER);
}
END_TEST

START_TEST(only_what_begins_as_the_magic_does_may_be_the_beginning_of_a_file)
{
    struct hpr_file_header h = some_file_header();
    unsigned char out[HPR_FILE_HEADER_BYTES];

    hpr_frame_put_file_header(out, &h);
    for (size_t len = 0; len < sizeof out; len++)
        ck_assert(hpr_frame_is_beginning(out, len));
    for (size_t at = 0; at < 8; at++) {
        out[at] ^= 1;
        for (size_t len = 0; len < sizeof out; len++)
            ck_assert(hpr_frame_is_beginning(out, len) == (len <= at));
        out[at] ^= 1;
    }
}
END_TEST

/* ---- frame header ---- */

START_TEST(frame_header_has_each_field_where_the_format_says)
{
    struct hpr_frame_header h = some_header();
    unsigned char out[HPR_FRAME_HEADER_BYTES], placed[32 + 48];

    hpr_frame_put_header(out, &h, &place);
    ck_assert_uint_eq(hpr_get_u32(out), 48 + 0x21222324);
    ck_assert_mem_eq(out + 4, "HQFR", 4);
    ck_assert_uint_eq(hpr_get_u32(out + 8), 1);
    ck_assert_uint_eq(hpr_get_u32(out + 12), 0x01020304);
    ck_assert_uint_eq(hpr_get_u32(out + 16), 0x31323334);
    ck_assert_uint_eq(hpr_get_u64(out + 20), 0x4142434445464748);
    ck_assert_uint_eq(hpr_get_u64(out + 28), 0x3132333435363738);
    ck_assert_uint_eq(hpr_get_u64(out + 36), 0x5152535455565758);
    ck_assert_uint_eq(hpr_get_u32(out + 44), 0x61626364);
    memcpy(placed, id, 16);
    hpr_put_u64(placed + 16, place.number);
    hpr_put_u64(placed + 24, place.offset);
    memcpy(placed + 32, out, 48);
    ck_assert_uint_eq(hpr_get_u32(out + 48), hpr_crc32(0, placed, sizeof placed));
}
END_TEST

START_TEST(frame_header_comes_back_as_it_was_put)
{
    struct hpr_frame_header h = some_header(), got;
    unsigned char out[HPR_FRAME_HEADER_BYTES];
    struct hpr_footer f;

    hpr_frame_put_header(out, &h, &place);
    ck_assert_int_eq(hpr_frame_get(out, sizeof out, &place, &got, &f), HPR_VERDICT_FRAME);
    ck_assert_uint_eq(got.codec, h.codec);
    ck_assert_uint_eq(got.records, h.records);
    ck_assert_uint_eq(got.raw_bytes, h.raw_bytes);
    ck_assert_uint_eq(got.stored_bytes, h.stored_bytes);
    ck_assert_uint_eq(got.first_seq, h.first_seq);
    ck_assert_uint_eq(got.dropped_total, h.dropped_total);
    ck_assert_uint_eq(got.opened_ms, h.opened_ms);
    ck_assert_uint_eq(got.payload_crc, h.payload_crc);
}
END_TEST

START_TEST(header_of_bare_records_says_so_in_its_codec_and_their_length_follows)
{
    for (uint32_t codec = HPR_CODEC_STORED; codec <= HPR_CODEC_DEFLATE; codec++) {
        struct hpr_frame_header h = {.codec = codec, .record_bytes = 8, .records = 50, .raw_bytes = 400,
                                     .stored_bytes = codec ? 99 : 400, .first_seq = 1}, got;
        unsigned char out[HPR_FRAME_HEADER_BYTES];
        struct hpr_footer f;

        hpr_frame_put_header(out, &h, &place);
        ck_assert_uint_eq(hpr_get_u32(out + 8), 2 + codec);
        ck_assert_int_eq(hpr_frame_get(out, sizeof out, &place, &got, &f), HPR_VERDICT_FRAME);
        ck_assert_uint_eq(got.codec, codec);
        ck_assert_uint_eq(got.record_bytes, 8);
        ck_assert_uint_eq(got.records, 50);
        ck_assert_uint_eq(got.raw_bytes, 400);
    }
}
END_TEST

START_TEST(frame_header_with_any_bit_changed_or_any_byte_missing_is_bad)
{
    struct hpr_frame_header h = some_header();
    unsigned char out[HPR_FRAME_HEADER_BYTES];

    hpr_frame_put_header(out, &h, &place);
    for (size_t bit = 0; bit < sizeof out * 8; bit++) {
        out[bit / 8] ^= (unsigned char)(1U << bit % 8);
        ck_assert_msg(judge(out, sizeof out, &place) == HPR_VERDICT_BAD, "bit %zu", bit);
        out[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    for (size_t len = 0; len < sizeof out; len++)
        ck_assert_int_eq(judge(out, len, &place), HPR_VERDICT_BAD);
}
END_TEST

static void check_only_here(const unsigned char *in, size_t len, enum hpr_verdict verdict)
{
    uint8_t other_id[HPR_CHANNEL_ID_BYTES];
    struct hpr_frame_place other = place;

    ck_assert_int_eq(judge(in, len, &place), verdict);
    other.offset++;
    ck_assert_int_eq(judge(in, len, &other), HPR_VERDICT_BAD);
    other = place;
    other.number++;
    ck_assert_int_eq(judge(in, len, &other), HPR_VERDICT_BAD);
    other = place;
    memcpy(other_id, id, sizeof id);
    other_id[15] ^= 1;
    other.channel_id = other_id;
    ck_assert_int_eq(judge(in, len, &other), HPR_VERDICT_BAD);
}

START_TEST(header_or_footer_at_another_place_is_bad)
{
    const struct hpr_footer f = {10, 20};
    struct hpr_frame_header h = some_header();
    unsigned char out[HPR_FRAME_HEADER_BYTES];

    hpr_frame_put_header(out, &h, &place);
    check_only_here(out, HPR_FRAME_HEADER_BYTES, HPR_VERDICT_FRAME);
    hpr_frame_put_footer(out, &f, &place);
    check_only_here(out, HPR_FOOTER_BYTES, HPR_VERDICT_FOOTER);
}
END_TEST

/* ---- sense ---- */

struct sense {
    const char *what;
    struct hpr_frame_header h;
    enum hpr_verdict verdict;
};

#define HEADER(codec_, records_, raw_, stored_, seq_, dropped_) \
    {.codec = codec_, .records = records_, .raw_bytes = raw_, .stored_bytes = stored_, .first_seq = seq_, \
     .dropped_total = dropped_}

#define BARE(codec_, record_, records_, raw_, stored_) \
    {.codec = codec_, .record_bytes = record_, .records = records_, .raw_bytes = raw_, .stored_bytes = stored_, \
     .first_seq = 1}

static const struct sense senses[] = {
    {"the smallest frame", HEADER(0, 1, 2, 2, 1, 0), HPR_VERDICT_FRAME},
    {"no records", HEADER(0, 0, 2, 2, 1, 0), HPR_VERDICT_BAD},
    {"sequence number 0", HEADER(0, 1, 2, 2, 0, 0), HPR_VERDICT_BAD},
    {"as many records as fit", HEADER(0, 50, 100, 100, 1, 0), HPR_VERDICT_FRAME},
    {"one record more than fits", HEADER(0, 51, 101, 101, 1, 0), HPR_VERDICT_BAD},
    {"2^32 - 1 records", HEADER(0, UINT32_MAX, 100, 100, 1, 0), HPR_VERDICT_BAD},
    {"no payload", HEADER(0, 1, 0, 0, 1, 0), HPR_VERDICT_BAD},
    {"the last sequence numbers", HEADER(0, 1, 2, 2, UINT64_MAX - 1, 0), HPR_VERDICT_FRAME},
    {"past the last sequence number", HEADER(0, 1, 2, 2, UINT64_MAX, 0), HPR_VERDICT_BAD},
    {"past it by several records", HEADER(0, 3, 6, 6, UINT64_MAX - 2, 0), HPR_VERDICT_BAD},
    {"all before it dropped", HEADER(0, 1, 2, 2, 10, 9), HPR_VERDICT_FRAME},
    {"more dropped than there were", HEADER(0, 1, 2, 2, 10, 10), HPR_VERDICT_BAD},
    {"stored, shorter than raw", HEADER(0, 1, 100, 99, 1, 0), HPR_VERDICT_BAD},
    {"stored, longer than raw", HEADER(0, 1, 100, 101, 1, 0), HPR_VERDICT_BAD},
    {"deflated to one byte less", HEADER(1, 1, 100, 99, 1, 0), HPR_VERDICT_FRAME},
    {"deflated to the same", HEADER(1, 1, 100, 100, 1, 0), HPR_VERDICT_BAD},
    {"deflated to nothing", HEADER(1, 1, 100, 0, 1, 0), HPR_VERDICT_FRAME}, /* the inflater finds out */
    {"an unknown codec", HEADER(4, 1, 100, 99, 1, 0), HPR_VERDICT_BAD},
    {"an unknown codec with bare records", BARE(4, 20, 5, 100, 99), HPR_VERDICT_BAD},
    {"the smallest frame of bare records", BARE(0, 1, 1, 1, 1), HPR_VERDICT_FRAME},
    {"as many bare records as bytes", BARE(0, 1, 100, 100, 100), HPR_VERDICT_FRAME},
    {"more bare records than bytes", HEADER(HPR_CODEC_BARE, 101, 100, 100, 1, 0), HPR_VERDICT_BAD},
    {"no bare records", HEADER(HPR_CODEC_BARE, 0, 100, 100, 1, 0), HPR_VERDICT_BAD},
    {"bare records that leave a rest", BARE(0, 33, 3, 100, 100), HPR_VERDICT_BAD},
    {"deflated bare records", BARE(1, 20, 5, 100, 99), HPR_VERDICT_FRAME},
    {"bare records deflated to the same", BARE(1, 20, 5, 100, 100), HPR_VERDICT_BAD},
    {"a length that leaves no room for the header", HEADER(1, 1, UINT32_MAX, UINT32_MAX, 1, 0), HPR_VERDICT_BAD},
    {"the longest stored frame", HEADER(0, 1, UINT32_MAX - 48, UINT32_MAX - 48, 1, 0), HPR_VERDICT_FRAME},
};

START_TEST(header_that_makes_no_sense_is_bad_though_its_checksum_is_right)
{
    unsigned char out[HPR_FRAME_HEADER_BYTES];

    for (size_t i = 0; i < sizeof senses / sizeof *senses; i++) {
        hpr_frame_put_header(out, &senses[i].h, &place);
        ck_assert_msg(judge(out, sizeof out, &place) == senses[i].verdict, "%s", senses[i].what);
    }
}
END_TEST

/* ---- footer ---- */

START_TEST(footer_has_each_field_where_the_format_says_and_comes_back)
{
    const struct hpr_footer f = {0x0102030405060708, 0x1112131415161718};
    unsigned char out[HPR_FOOTER_BYTES], placed[32 + 36];
    struct hpr_frame_header h;
    struct hpr_footer got;

    memset(out, 0xee, sizeof out);
    hpr_frame_put_footer(out, &f, &place);
    ck_assert_uint_eq(hpr_get_u32(out), 36);
    ck_assert_mem_eq(out + 4, "HQFT", 4);
    ck_assert_uint_eq(hpr_get_u64(out + 8), f.records);
    ck_assert_uint_eq(hpr_get_u64(out + 16), f.last_seq);
    ck_assert_uint_eq(hpr_get_u64(out + 24), place.offset);
    ck_assert_uint_eq(hpr_get_u32(out + 32), 0);
    memcpy(placed, id, 16);
    hpr_put_u64(placed + 16, place.number);
    hpr_put_u64(placed + 24, place.offset);
    memcpy(placed + 32, out, 36);
    ck_assert_uint_eq(hpr_get_u32(out + 36), hpr_crc32(0, placed, sizeof placed));
    ck_assert_int_eq(hpr_frame_get(out, sizeof out, &place, &h, &got), HPR_VERDICT_FOOTER);
    ck_assert_uint_eq(got.records, f.records);
    ck_assert_uint_eq(got.last_seq, f.last_seq);
}
END_TEST

START_TEST(footer_with_any_bit_changed_or_any_byte_missing_is_bad)
{
    const struct hpr_footer f = {10, 20};
    unsigned char out[HPR_FRAME_HEADER_BYTES] = {0};

    hpr_frame_put_footer(out, &f, &place);
    for (size_t bit = 0; bit < HPR_FOOTER_BYTES * 8; bit++) {
        out[bit / 8] ^= (unsigned char)(1U << bit % 8);
        ck_assert_msg(judge(out, sizeof out, &place) == HPR_VERDICT_BAD, "bit %zu", bit);
        out[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    for (size_t len = 0; len < HPR_FOOTER_BYTES; len++)
        ck_assert_int_eq(judge(out, len, &place), HPR_VERDICT_BAD);
    ck_assert_int_eq(judge(out, sizeof out, &place), HPR_VERDICT_FOOTER); /* what follows does not matter */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tc = tcase_create("bytes");

    tcase_add_test(tc, crc32_is_the_one_of_zlib_whole_or_in_pieces);
    tcase_add_test(tc, file_header_has_each_field_where_the_format_says);
    tcase_add_test(tc, file_header_comes_back_as_it_was_put);
    tcase_add_test(tc, file_header_with_any_bit_changed_is_not_ours);
    tcase_add_test(tc, file_header_that_is_cut_short_is_not_ours_and_a_newer_version_is_known_by_ten_bytes);
    tcase_add_test(tc, only_what_begins_as_the_magic_does_may_be_the_beginning_of_a_file);
    tcase_add_test(tc, frame_header_has_each_field_where_the_format_says);
    tcase_add_test(tc, frame_header_comes_back_as_it_was_put);
    tcase_add_test(tc, header_of_bare_records_says_so_in_its_codec_and_their_length_follows);
    tcase_add_test(tc, frame_header_with_any_bit_changed_or_any_byte_missing_is_bad);
    tcase_add_test(tc, header_or_footer_at_another_place_is_bad);
    tcase_add_test(tc, header_that_makes_no_sense_is_bad_though_its_checksum_is_right);
    tcase_add_test(tc, footer_has_each_field_where_the_format_says_and_comes_back);
    tcase_add_test(tc, footer_with_any_bit_changed_or_any_byte_missing_is_bad);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
