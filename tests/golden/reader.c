/* SPDX-License-Identifier: MIT */
/* See reader.h. The section names in comments are those of docs/format.md. Files are in memory as a whole, which keeps
 * the reading plain; nothing is ever looked at that lies outside of them. */
#include "reader.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FILE_HEADER 72
#define FRAME_HEADER 52
#define FOOTER 40
#define RAW_MAX (1U << 20) /* "a limit of your own" */

struct frame {
    uint64_t offset, first, dropped;
    uint32_t stored, codec, records, raw, crc;
};

struct reader {
    FILE                *out;
    const unsigned char *data; /* of the file at hand */
    size_t               len;
    uint64_t             number;
    unsigned char        id[16];
    bool                 has_id;
    bool                 is_last; /* the file at hand is */
    uint64_t             records; /* read from it */
    uint64_t             records_before;  /* read from the files before it */
    uint64_t             record_offset;   /* of the first file that had a good header */

    bool     has_next;    /* something was read or promised: `next` is known */
    uint64_t next;        /* sequence number expected next */
    bool     has_dropped; /* a good frame was read */
    uint64_t dropped;     /* its dropped total */
    uint64_t last_seq;    /* what the last footer says */
};

static uint64_t number_at(const unsigned char *p, int bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | *p++;
    return value;
}

static uint32_t word_at(const unsigned char *p)
{
    return (uint32_t)number_at(p, 4);
}

static uint32_t crc_of(uint32_t crc, const unsigned char *p, size_t len)
{
    return (uint32_t)crc32(crc, p, (uInt)len);
}

/* "placed CRC-32" */
static uint32_t placed_crc(const struct reader *r, uint64_t offset, size_t len)
{
    unsigned char where[32];

    memcpy(where, r->id, 16);
    for (int i = 0; i < 8; i++) {
        where[16 + i] = (unsigned char)(r->number >> (56 - 8 * i));
        where[24 + i] = (unsigned char)(offset >> (56 - 8 * i));
    }
    return crc_of(crc_of(0, where, sizeof where), r->data + offset, len);
}

/* "Frame": checksum and sense of the header at OFFSET. */
static bool is_frame(const struct reader *r, uint64_t offset, struct frame *f)
{
    const unsigned char *p = r->data + offset;
    uint32_t length;

    if (r->len - offset < FRAME_HEADER || memcmp(p + 4, "HQFR", 4) != 0 || word_at(p + 48) != placed_crc(r, offset, 48))
        return false;
    length = word_at(p);
    *f = (struct frame){.offset = offset, .first = number_at(p + 20, 8), .dropped = number_at(p + 28, 8),
                        .stored = length - 48, .codec = word_at(p + 8), .records = word_at(p + 12),
                        .raw = word_at(p + 16), .crc = word_at(p + 44)};
    if (length < 48 || f->records == 0 || f->first == 0 || f->first > UINT64_MAX - f->records)
        return false;
    if (f->dropped >= f->first || (f->codec < 2 && f->records > f->raw / 2))
        return false;
    if ((f->codec & ~1U) == 2 && (f->raw == 0 || f->raw % f->records != 0))
        return false;
    return f->codec > 3 || (f->codec & 1 ? f->stored < f->raw : f->stored == f->raw);
}

/* "Footer" */
static bool is_footer(const struct reader *r, uint64_t offset)
{
    const unsigned char *p = r->data + offset;

    return r->len - offset >= FOOTER && word_at(p) == 36 && memcmp(p + 4, "HQFT", 4) == 0 &&
           number_at(p + 24, 8) == offset && word_at(p + 36) == placed_crc(r, offset, 36);
}

/* "Finding the next header": its offset, or the file's length. */
static uint64_t find_header(const struct reader *r, uint64_t damaged)
{
    struct frame f;

    for (uint64_t at = damaged + 1; at < r->len; at++)
        if (is_frame(r, at, &f) || is_footer(r, at))
            return at;
    return r->len;
}

/* "The end of a file": whether it is zeros from OFFSET on. */
static bool is_zero(const struct reader *r, uint64_t offset)
{
    while (offset < r->len && r->data[offset] == 0)
        offset++;
    return offset == r->len;
}

/* "Counting what is missing": all before sequence number B, where the dropped total is DROPPED. */
static void tell_gap(struct reader *r, uint64_t b, uint64_t dropped)
{
    uint64_t missing, of_policy = 0;

    if (r->has_next && b > r->next) {
        missing = b - r->next;
        if (r->has_dropped && dropped > r->dropped)
            of_policy = dropped - r->dropped < missing ? dropped - r->dropped : missing;
        fprintf(r->out, "gap %" PRIu64 " %" PRIu64 " dropped %" PRIu64 "\n", r->next, missing, of_policy);
    }
    r->next = b;
    r->has_next = true;
}

static void tell_damage(struct reader *r, uint64_t offset, const char *what)
{
    fprintf(r->out, "damage %" PRIu64 " %" PRIu64 " %s\n", r->number, offset, what);
}

/* "Payload": one msgpack bin object; the bytes it takes, 0 when there is none. */
static size_t get_bin(const unsigned char *p, size_t len, size_t *headerp)
{
    size_t header = len > 0 && p[0] >= 0xc4 && p[0] <= 0xc6 ? 1 + ((size_t)1 << (p[0] - 0xc4)) : 0;

    *headerp = header;
    if (header == 0 || len < header || number_at(p + 1, (int)header - 1) > len - header)
        return 0;
    return header + (size_t)number_at(p + 1, (int)header - 1);
}

static void deliver(struct reader *r, const struct frame *f, const unsigned char *raw)
{
    size_t left = f->raw;

    tell_gap(r, f->first, f->dropped);
    r->has_dropped = true;
    r->dropped = f->dropped;
    for (uint32_t i = 0; i < f->records; i++) {
        size_t header = 0, taken = f->codec & 2 ? f->raw / f->records : get_bin(raw, left, &header);

        if (taken == 0) {
            tell_damage(r, f->offset, "records");
            tell_gap(r, f->first + f->records, f->dropped);
            return;
        }
        fprintf(r->out, "record %" PRIu64 " %zu %08" PRIx32 "\n", r->next, taken - header,
                crc_of(0, raw + header, taken - header));
        raw += taken;
        left -= taken;
        r->next++;
        r->records++;
    }
}

static bool inflate_to(unsigned char *raw, const struct frame *f, const unsigned char *stored)
{
    z_stream z;
    int res;

    memset(&z, 0, sizeof z);
    if (inflateInit2(&z, -15) != Z_OK)
        abort();
    z.next_in = (z_const Bytef *)(uintptr_t)stored;
    z.avail_in = f->stored;
    z.next_out = raw;
    z.avail_out = f->raw;
    res = inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    return res == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
}

/* The payload of a frame that is whole in the file. */
static void read_payload(struct reader *r, const struct frame *f)
{
    const unsigned char *stored = r->data + f->offset + FRAME_HEADER;
    unsigned char *raw;

    if (f->codec > 3) {
        tell_damage(r, f->offset, "codec");
    } else if (f->raw > RAW_MAX) {
        tell_damage(r, f->offset, "raw-length");
    } else if (crc_of(0, stored, f->stored) != f->crc) {
        tell_damage(r, f->offset, "payload");
    } else if ((f->codec & 1) == 0) {
        deliver(r, f, stored);
    } else {
        if (!(raw = malloc(f->raw)))
            abort();
        if (inflate_to(raw, f, stored))
            deliver(r, f, raw);
        else
            tell_damage(r, f->offset, "payload");
        free(raw);
    }
}

/* "Reading": what stands at OFFSET; where to go on, or the file's length. */
static uint64_t read_at(struct reader *r, uint64_t offset, bool *is_sealedp)
{
    struct frame f;
    uint64_t next;

    if (is_footer(r, offset)) {
        *is_sealedp = true;
        r->last_seq = number_at(r->data + offset + 16, 8);
        fprintf(r->out, "end %" PRIu64 " sealed %" PRIu64 " of %" PRIu64 "\n", r->number, r->records,
                number_at(r->data + offset + 8, 8));
        return r->len;
    }
    if (is_frame(r, offset, &f)) {
        if (f.stored <= r->len - offset - FRAME_HEADER) {
            if (!r->has_next || f.first >= r->next)
                read_payload(r, &f);
            return offset + FRAME_HEADER + f.stored;
        }
        next = r->len;
    } else {
        next = find_header(r, offset);
    }
    if (next == r->len && is_zero(r, offset))
        return next;
    if (next == r->len && r->is_last)
        fprintf(r->out, "tail %" PRIu64 " %" PRIu64 "\n", r->number, offset);
    else
        tell_damage(r, offset, "header");
    return next;
}

static void take_file_header(struct reader *r)
{
    const unsigned char *p = r->data;

    if (!r->has_id) {
        tell_gap(r, number_at(p + 40, 8), 0);
        r->record_offset = number_at(p + 56, 8);
        memcpy(r->id, p + 16, 16);
        r->has_id = true;
    }
    fprintf(r->out, "file %" PRIu64 " %s %" PRIu64 " after %" PRIu64 " of %" PRIu64 "\n", r->number,
            p[13] == 1 ? "items" : "bytes", number_at(p + 40, 8), r->records_before,
            number_at(p + 56, 8) - r->record_offset);
}

/* "File header"; false: the file cannot be read. */
static bool read_file_header(struct reader *r)
{
    static const unsigned char magic[8] = {0x89, 'H', 'Q', 'F', 0x0d, 0x0a, 0x1a, 0x0a};
    const unsigned char *p = r->data;

    if (r->len < 10 || memcmp(p, magic, 8) != 0) {
        fprintf(r->out, "refused %" PRIu64 " magic\n", r->number);
        return false;
    }
    if (number_at(p + 8, 2) > 1) {
        fprintf(r->out, "refused %" PRIu64 " version %" PRIu64 "\n", r->number, number_at(p + 8, 2));
        return false;
    }
    if (r->len >= FILE_HEADER && word_at(p + 68) == crc_of(0, p, 68) && number_at(p + 8, 2) == 1 &&
        number_at(p + 10, 2) == 72 && number_at(p + 32, 8) == r->number) {
        take_file_header(r);
        return true;
    }
    if (r->has_id) { /* "A damaged file header": the file before has the channel id */
        tell_damage(r, 0, "header");
        return true;
    }
    fprintf(r->out, "refused %" PRIu64 " header\n", r->number);
    return false;
}

static void read_file(struct reader *r, const struct reader_file *file)
{
    uint64_t offset = FILE_HEADER;
    bool is_sealed = false;

    r->data = file->data;
    r->len = file->len;
    r->number = file->number;
    r->records_before += r->records;
    r->records = 0;
    if (!read_file_header(r))
        return;
    while (offset < r->len)
        offset = read_at(r, offset, &is_sealed);
    if (!is_sealed)
        fprintf(r->out, "end %" PRIu64 " open\n", r->number);
}

void reader_run(const struct reader_file *files, size_t count, FILE *out)
{
    struct reader r = {.out = out};

    for (size_t i = 0; i < count; i++) {
        r.is_last = i + 1 == count;
        read_file(&r, &files[i]);
    }
    if (r.last_seq >= r.next && r.has_next && r.last_seq < UINT64_MAX)
        tell_gap(&r, r.last_seq + 1, r.dropped);
}
