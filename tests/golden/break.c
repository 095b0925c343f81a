/* SPDX-License-Identifier: MIT */
/* The golden files that are damaged, hostile, or of another version: copies of the valid ones with some bytes changed.
 * Damage leaves checksums wrong; what somebody who means harm would write gets right ones. */
#include "golden.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define HEADER_BYTES 52
#define FOOTER_BYTES 40
#define ZEROS_BYTES  3000

static uint32_t crc_of(uint32_t crc, const void *data, size_t len)
{
    return (uint32_t)crc32(crc, data, (uInt)len);
}

static struct golden_case *copy(struct golden_set *set, const char *from, const char *name, const char *proves,
                                bool is_exact)
{
    const struct golden_case *base = golden_find(set, from);
    struct golden_case *c = golden_add(set, name, proves, is_exact);

    *c = *base;
    c->name = name;
    c->proves = proves;
    c->is_exact = is_exact;
    c->expect = NULL;
    for (size_t i = 0; i < c->file_count; i++) {
        c->files[i].data = malloc(c->files[i].len + 8192); /* room to add to it */
        golden_check(c->files[i].data != NULL, "memory");
        memcpy(c->files[i].data, base->files[i].data, c->files[i].len);
    }
    return c;
}

static FILE *expect_open(struct golden_case *c, size_t *len)
{
    FILE *out = open_memstream(&c->expect, len);

    golden_check(out != NULL, "memory");
    return out;
}

/* All is as in the valid case but frame LOST, and the text AFTER follows. */
static void expect(struct golden_case *c, int lost, const char *damage, const char *after)
{
    size_t len;
    FILE *out = expect_open(c, &len);

    golden_tell(c, lost, damage, out);
    fputs(after, out);
    fclose(out);
}

/* In what a reader says, the text from FROM to the end of line UNTIL (NULL: of that line) is TO instead. */
static void expect_instead(struct golden_case *c, const char *from, const char *until, const char *to)
{
    char *at = strstr(c->expect, from), *end, *text;
    size_t len = strlen(c->expect) + strlen(to) + 1;

    golden_check(at != NULL, from);
    end = until ? strstr(at, until) : at;
    golden_check(end != NULL, until);
    end = strchr(end, '\n') + 1;
    golden_check((text = malloc(len)) != NULL, "memory");
    snprintf(text, len, "%.*s%s%s", (int)(at - c->expect), c->expect, to, end);
    free(c->expect);
    c->expect = text;
}

static unsigned char *frame_at(const struct golden_case *c, size_t index)
{
    return c->files[c->frames[index].file].data + c->frames[index].offset;
}

static uint32_t placed_crc(const struct golden_file *file, size_t offset, size_t len)
{
    unsigned char place[8];
    uint32_t crc = crc_of(0, file->data + 16, 24); /* channel id and file number */

    golden_put(place, 8, offset);
    return crc_of(crc_of(crc, place, 8), file->data + offset, len);
}

/* Make the checksum of a changed header right. */
static void sign_frame(struct golden_case *c, size_t index)
{
    const struct golden_frame *f = &c->frames[index];

    golden_put(frame_at(c, index) + 48, 4, placed_crc(&c->files[f->file], f->offset, 48));
}

static void add_footer(struct golden_file *file, uint64_t records, uint64_t last_seq)
{
    unsigned char *p = file->data + file->len;

    memset(p, 0, FOOTER_BYTES);
    golden_put(p, 4, FOOTER_BYTES - 4);
    memcpy(p + 4, "HQFT", 4);
    golden_put(p + 8, 8, records);
    golden_put(p + 16, 8, last_seq);
    golden_put(p + 24, 8, file->len);
    golden_put(p + 36, 4, placed_crc(file, file->len, 36));
    file->len += FOOTER_BYTES;
}

/* ---- damage ---- */

static void break_bytes(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-bytes-stored", "broken-payload-byte",
        "a byte of a payload is wrong: that frame is lost, with an exact count, and no other", true);

    frame_at(c, 1)[HEADER_BYTES + 20] ^= 0x04;
    expect(c, 1, "payload", "");
    c = copy(set, "valid-bytes-stored", "broken-header-byte",
        "a byte of a frame header is wrong: the next header is found, past a record that looks like one", true);
    frame_at(c, 2)[22] ^= 0x80;
    expect(c, 2, "header", "");
    c = copy(set, "valid-bytes-stored", "broken-length-prefix",
        "the length of a frame is wrong: it is not followed, the next header is found", true);
    frame_at(c, 1)[1] ^= 0x10;
    expect(c, 1, "header", "");
}

static void break_file_headers(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-bytes-stored", "broken-only-file-header",
        "a damaged file header and no other file to have the channel id from: refused", true);

    c->files[0].data[44] ^= 1;
    expect(c, -1, NULL, "");
    expect_instead(c, "file 1", "end 1", "refused 1 header\n");
    c = copy(set, "valid-rotated", "broken-file-header",
        "a damaged file header among others: the frames prove themselves, nothing is lost", true);
    c->files[1].data[44] ^= 1;
    expect(c, -1, NULL, "");
    expect_instead(c, "file 2", NULL, "damage 2 0 header\n");
    c = copy(set, "valid-bytes-stored", "future-version", "format version 2, all else as in version 1: refused", true);
    golden_put(c->files[0].data + 8, 2, 2);
    golden_put(c->files[0].data + 68, 4, crc_of(0, c->files[0].data, 68));
    expect(c, -1, NULL, "");
    expect_instead(c, "file 1", "end 1", "refused 1 version 2\n");
}

static size_t last_frame(const struct golden_case *c, size_t file)
{
    size_t last = 0;

    for (size_t i = 0; i < c->frame_count; i++)
        if (c->frames[i].file == file)
            last = i;
    return last;
}

static void break_tails(struct golden_set *set)
{
    const size_t last = golden_find(set, "valid-bytes-stored")->frame_count - 1;
    char text[100];
    struct golden_case *c = copy(set, "valid-bytes-stored", "broken-cut-tail",
        "the last frame is cut off in its payload: an incomplete tail, no damage", true);

    c->files[0].len -= 5;
    expect(c, (int)last, "x", "");
    snprintf(text, sizeof text, "tail 1 %zu\nend 1 open\n", c->frames[last].offset);
    expect_instead(c, "damage", "end 1", text);
    c = copy(set, "valid-bytes-stored", "broken-cut-header", "the last frame is cut off in its header", true);
    c->files[0].len = c->frames[last].offset + 30;
    expect(c, (int)last, "x", "");
    expect_instead(c, "damage", "end 1", text);
    c = copy(set, "valid-bytes-stored", "broken-zero-tail",
        "the last frame has zeros for its header, as when its payload is written first: an incomplete tail", true);
    memset(frame_at(c, last), 0, HEADER_BYTES);
    expect(c, (int)last, "x", "");
    expect_instead(c, "damage", "end 1", text);
}

static void put_zeros_behind(struct golden_file *file)
{
    memset(file->data + file->len, 0, ZEROS_BYTES);
    file->len += ZEROS_BYTES;
}

static void put_zeros(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-rotated", "broken-zeros-behind",
        "zeros behind the last frame, of the last file and of one before it that has no footer: nothing is wrong", true);

    c->files[0].len -= FOOTER_BYTES;
    expect(c, -1, NULL, "");
    put_zeros_behind(&c->files[0]);
    put_zeros_behind(&c->files[c->file_count - 1]);
}

static void break_footers(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-rotated", "broken-no-footer",
        "a file that is not the last has no footer: read all the same", true);
    char text[100];

    c->files[0].len -= FOOTER_BYTES;
    expect(c, -1, NULL, "");
    c = copy(set, "valid-rotated", "broken-footer-byte",
        "a byte of a footer is wrong: damage, but no record is missing", true);
    c->files[0].data[c->files[0].len - 30] ^= 1;
    expect(c, -1, NULL, "");
    snprintf(text, sizeof text, "damage 1 %zu header\nend 1 open\n", c->files[0].len - FOOTER_BYTES);
    expect_instead(c, "end 1", NULL, text);
}

static void break_files(struct golden_set *set)
{
    static const char foreign[] = "This is not a queue file, whatever its name says.\n"
                                  "It is longer than a file header, a frame header and a footer together, so that a\n"
                                  "reader that goes by lengths alone would find room for all of them in here.\n";
    struct golden_case *c = copy(set, "valid-rotated", "broken-file-missing",
        "a file is gone: a gap with an exact count between the files around it", true);
    const struct golden_frame after = c->frames[last_frame(c, 1) + 1];
    uint64_t before = c->frames[last_frame(c, 0)].first_seq + c->frames[last_frame(c, 0)].records;
    char gap[100], text[200];

    snprintf(gap, sizeof gap, "gap %" PRIu64 " %" PRIu64 " dropped 0\n", before, after.first_seq - before);
    expect(c, -1, NULL, "");
    expect_instead(c, "file 2", "end 2", "");
    snprintf(text, sizeof text, "file 3 bytes %" PRIu64 " after %" PRIu64 " of %" PRIu64 "\n%s", after.first_seq,
             before - c->frames[0].first_seq, after.first_seq - c->frames[0].first_seq, gap);
    expect_instead(c, "file 3", NULL, text);
    free(c->files[1].data);
    c->files[1] = c->files[2];
    c->file_count = 2;

    c = copy(set, "valid-rotated", "broken-not-a-queue-file",
        "something else has the name of a queue file: refused, a gap, the rest is read", true);
    expect(c, -1, NULL, "");
    expect_instead(c, "file 2", "end 2", "refused 2 magic\n");
    expect_instead(c, "file 3", NULL, text);
    memcpy(c->files[1].data, foreign, sizeof foreign - 1);
    c->files[1].len = sizeof foreign - 1;
}

static void break_rotation(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-rotated", "broken-cut-inside",
        "a file that is not the last ends in the middle of a frame: damage, and an exact gap", true);
    const struct golden_frame *f = &c->frames[last_frame(c, 0)];
    char text[200];

    c->files[0].len = f->offset + HEADER_BYTES + 7;
    expect(c, (int)last_frame(c, 0), "header", "");
    expect_instead(c, "end 1", NULL, "end 1 open\n");
    c = copy(set, "valid-rotated", "broken-copied-file",
        "a file with the bytes of another one: its frames do not stand where they were written, not taken", true);
    memcpy(c->files[2].data, c->files[1].data, c->files[1].len < c->files[2].len ? c->files[1].len : c->files[2].len);
    expect(c, -1, NULL, "");
    snprintf(text, sizeof text, "damage 3 0 header\ntail 3 72\nend 3 open\n");
    expect_instead(c, "file 3", "end 3", text);
}

/* ---- harm ---- */

static void forge_lengths(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-bytes-stored", "broken-raw-length",
        "a right checksum over a raw length of 4 GiB: refused before anything is allocated", true);
    size_t last;

    golden_put(frame_at(c, 1) + 8, 4, 1);
    golden_put(frame_at(c, 1) + 16, 4, 0xfffffff0);
    sign_frame(c, 1);
    expect(c, 1, "raw-length", "");
    c = copy(set, "valid-rotated", "broken-stored-length",
        "a right checksum over a length that goes beyond the file: the file ends there, an exact gap", true);
    last = last_frame(c, 0);
    golden_put(frame_at(c, last), 4, 0x7ffffff0);
    golden_put(frame_at(c, last) + 8, 4, 1);
    golden_put(frame_at(c, last) + 16, 4, 0x7ffffff1);
    sign_frame(c, last);
    expect(c, (int)last, "header", "");
    expect_instead(c, "end 1", NULL, "end 1 open\n");
}

static void forge_counts(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-bytes-stored", "broken-record-count",
        "a right checksum over more records than the payload has room for: makes no sense, passed over", true);
    const size_t last = c->frame_count - 1;
    const uint64_t ahead = UINT64_C(1) << 63;
    uint64_t end = c->frames[last].first_seq + c->frames[last].records;
    char text[300], first[40];

    golden_put(frame_at(c, 1) + 12, 4, 0x40000000);
    sign_frame(c, 1);
    expect(c, 1, "header", "");

    c = copy(set, "valid-bytes-stored", "broken-record-short",
        "a right checksum over one record more than there is: those that are there are delivered, a gap of one", true);
    golden_put(frame_at(c, last) + 12, 4, c->frames[last].records + 1);
    sign_frame(c, last);
    expect(c, -1, NULL, "");
    snprintf(text, sizeof text, "damage 1 %zu records\ngap %" PRIu64 " 1 dropped 0\nend 1 open\n",
         c->frames[last].offset, end);
    expect_instead(c, "end 1", NULL, text);

    c = copy(set, "valid-bytes-stored", "broken-first-seq-ahead",
        "a right checksum over a sequence number of 2^63: a gap as large, and no time or memory spent on it", true);
    golden_put(frame_at(c, last) + 20, 8, ahead);
    sign_frame(c, last);
    expect(c, -1, NULL, "");
    snprintf(text, sizeof text,
             "gap %" PRIu64 " %" PRIu64 " dropped 0\nrecord %" PRIu64 " %zu %08" PRIx32 "\nrecord %" PRIu64
             " %zu %08" PRIx32 "\n", end - 2, ahead - (end - 2), ahead, c->sent[end - 2].len, c->sent[end - 2].crc,
             ahead + 1, c->sent[end - 1].len, c->sent[end - 1].crc);
    snprintf(first, sizeof first, "record %" PRIu64 " ", end - 2);
    expect_instead(c, first, "record", text);
    snprintf(first, sizeof first, "record %" PRIu64 " ", end - 1);
    expect_instead(c, first, NULL, "");
}

static void forge_bare(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-bare-stored", "broken-bare-rest",
        "a right checksum over a number of bare records that do not divide their bytes: makes no sense, passed over", true);

    golden_put(frame_at(c, 1) + 12, 4, c->frames[1].records + 1);
    sign_frame(c, 1);
    expect(c, 1, "header", "");
}

static void forge_codec(struct golden_set *set)
{
    struct golden_case *c = copy(set, "valid-bytes-stored", "broken-codec-unknown",
        "a codec that version 1 does not know: that frame is lost, with an exact count", true);

    golden_put(frame_at(c, 1) + 8, 4, 7);
    sign_frame(c, 1);
    expect(c, 1, "codec", "");

    c = copy(set, "valid-bytes-stored", "broken-repeated-frame",
        "a frame whose sequence numbers were read already: passed over", true);
    expect(c, -1, NULL, "");
    memcpy(c->files[0].data + c->files[0].len, frame_at(c, 0), c->frames[0].bytes);
    c->frames[c->frame_count] = c->frames[0];
    c->frames[c->frame_count].offset = c->files[0].len;
    c->files[0].len += c->frames[0].bytes;
    sign_frame(c, c->frame_count);
}

static size_t deflate_zeros(unsigned char *out, size_t room, size_t len)
{
    unsigned char *zeros = calloc(1, len);
    z_stream z;

    memset(&z, 0, sizeof z);
    golden_check(zeros && deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK, "deflateInit2");
    z.next_in = zeros;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)room;
    golden_check(deflate(&z, Z_FINISH) == Z_STREAM_END, "deflate");
    deflateEnd(&z);
    free(zeros);
    return room - z.avail_out;
}

/* The last frame holds LEN zeros deflated and says that they are RAW_BYTES; a footer tells what is missing. */
static void forge_deflated(struct golden_set *set, const char *name, const char *proves, size_t len, uint32_t raw_bytes)
{
    struct golden_case *c = copy(set, "valid-bytes-stored", name, proves, false);
    struct golden_file *file = &c->files[0];
    const size_t last = c->frame_count - 1;
    uint64_t records = 0, end = c->frames[last].first_seq + c->frames[last].records;
    unsigned char *p = frame_at(c, last);
    size_t stored = deflate_zeros(p + HEADER_BYTES, 4096, len);
    char text[100];

    golden_put(p, 4, HEADER_BYTES - 4 + stored);
    golden_put(p + 8, 4, 1);
    golden_put(p + 16, 4, raw_bytes);
    golden_put(p + 44, 4, crc_of(0, p + HEADER_BYTES, stored));
    sign_frame(c, last);
    c->frames[last].bytes = HEADER_BYTES + stored;
    file->len = c->frames[last].offset + HEADER_BYTES + stored;
    for (size_t i = 0; i < c->frame_count; i++)
        records += c->frames[i].records;
    add_footer(file, records, end - 1);
    snprintf(text, sizeof text, "gap %" PRIu64 " %" PRIu64 " dropped 0\n", c->frames[last].first_seq,
             (uint64_t)c->frames[last].records);
    expect(c, (int)last, "payload", text);
}

void golden_break(struct golden_set *set)
{
    break_bytes(set);
    break_file_headers(set);
    break_tails(set);
    put_zeros(set);
    break_footers(set);
    break_files(set);
    break_rotation(set);
    forge_lengths(set);
    forge_counts(set);
    forge_bare(set);
    forge_codec(set);
    forge_deflated(set, "broken-deflate-bomb",
        "a deflated payload that goes on beyond its raw length for a megabyte: stopped", 1 << 20, 3000);
    forge_deflated(set, "broken-deflate-short",
        "a deflated payload that ends before its raw length: lost as a whole", 2000, 3000);
}
