/* SPDX-License-Identifier: MIT */
/* The scan of one file: lengths that only just fit into 32 bits. The file is made up by the functions that read it,
 * because no disk here is that large. */
#include "file_scan.h"

#include <errno.h>

#include "suite.h"

#define NUMBER      7
#define LONG_AT     HPR_FILE_HEADER_BYTES
#define SHORT_AT    (LONG_AT + (UINT64_C(1) << 32))
#define SHORT_BYTES 8
#define FILE_BYTES  (SHORT_AT + HPR_FRAME_HEADER_BYTES + SHORT_BYTES)
#define READS_MAX   (3 * (FILE_BYTES / HPR_FILE_SCAN_PIECE)) /* to read it more often is to go round in it */

static struct {
    unsigned char long_header[HPR_FRAME_HEADER_BYTES], short_header[HPR_FRAME_HEADER_BYTES];
    uint64_t reads;
} made_up;

/* Of the LEN bytes at OFFSET those that PART, which stands at AT, covers. */
static void lay(unsigned char *buf, size_t len, uint64_t offset, const unsigned char *part, uint64_t at)
{
    for (uint64_t i = 0; i < HPR_FRAME_HEADER_BYTES; i++)
        if (at + i >= offset && at + i - offset < len) buf[at + i - offset] = part[i];
}

static ssize_t made_up_pread(void *ctx, int fd, void *buf, size_t len, uint64_t offset)
{
    (void)ctx;
    (void)fd;
    if (++made_up.reads > READS_MAX) return -EIO;
    if (offset >= FILE_BYTES) return 0;
    len = (size_t)hpr_min_u64(len, FILE_BYTES - offset);
    memset(buf, 0, len);
    lay(buf, len, offset, made_up.long_header, LONG_AT);
    lay(buf, len, offset, made_up.short_header, SHORT_AT);
    return (ssize_t)len;
}

static int made_up_open(void *ctx, int dirfd, const char *name, int flags, unsigned mode)
{
    (void)ctx;
    (void)dirfd;
    (void)name;
    (void)flags;
    (void)mode;
    return 5;
}

static int made_up_close(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    return 0;
}

static void put_frame(unsigned char *out, const struct hpr_dir *dir, uint64_t at, uint32_t bytes, uint64_t seq)
{
    const struct hpr_frame_place place   = { dir->channel_id, NUMBER, at };
    const struct hpr_frame_header header = {
        .codec = HPR_CODEC_STORED, .records = 1, .raw_bytes = bytes, .stored_bytes = bytes, .first_seq = seq
    };

    hpr_frame_put_header(out, &header, &place);
}

/* Its header and its payload are 4 GiB to the byte: in 32 bits that is no step at all. */
START_TEST(a_frame_of_4_gib_is_passed_over_by_its_length)
{
    const struct hopper_io io       = { .open_at = made_up_open, .close = made_up_close, .pread = made_up_pread };
    const struct hpr_file_look look = { .verdict = HPR_FILE_OURS, .bytes = FILE_BYTES };
    struct hpr_dir dir              = { .io = &io, .channel_id = "a channel's id." };
    struct hpr_producers producers  = { .count = 0 };
    struct hopper_error err;
    static struct hpr_file_scan scan;

    put_frame(made_up.long_header, &dir, LONG_AT, UINT32_MAX - (HPR_FRAME_HEADER_BYTES - 1), 1);
    put_frame(made_up.short_header, &dir, SHORT_AT, SHORT_BYTES, 2);
    ck_assert_int_eq(hpr_file_scan_open(&scan, &dir, NUMBER, &look, &err), HOPPER_OK);
    scan.producers = &producers;
    ck_assert_int_eq(hpr_file_scan_frames(&scan, &err), HOPPER_OK);
    hpr_file_scan_close(&scan);
    ck_assert_uint_eq(scan.end, FILE_BYTES);
    ck_assert_uint_eq(scan.records, 2);
    ck_assert_uint_eq(scan.first_seq, 1);
    ck_assert_uint_eq(scan.end_seq, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("one file of an earlier run");
    TCase *tc    = tcase_create("file_scan");

    tcase_set_timeout(tc, 120); /* for the checksum of what is between the two headers */
    tcase_add_test(tc, a_frame_of_4_gib_is_passed_over_by_its_length);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
