/* SPDX-License-Identifier: MIT */
/* See file_scan.h. Frames are walked from the file's header on, as in replay.c:
 *
 *   good header, good payload       counts
 *   good header, bad payload        counts, as a gap; but where the machine may have stopped in the middle of a write,
 *                                   and neither a good frame nor a footer comes behind it, it is a part of that write
 *   good header, payload cut short  the end
 *   bad header                      damage, where a good header comes behind it; else the end
 *   footer, or nothing more         the end
 *
 * What is behind the end of a file that was not sealed is a write that nobody was told had succeeded: the tail. Zeros
 * are no part of it: a file that is written may have them ahead of its frames. Every length is checked against what the
 * file holds before it is used. What cannot be read does not end the file: it fails the scan. */
#include "file_scan.h"

#include <errno.h>
#include <fcntl.h>

#include "codec.h"
#include "error.h"

#define WINDOW_BITS_MAX 15

/* ---- whose it is ---- */

static int open_file(const struct hpr_dir *dir, uint64_t number, int flags)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];

    hpr_queue_file_name(name, number);
    return dir->io->open_at(dir->io->ctx, dir->fd, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
}

static hopper_status file_error(const struct hpr_dir *dir, uint64_t number, int res, const char *op,
                                struct hopper_error *err)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];

    hpr_queue_file_name(name, number);
    return hpr_dir_error(dir, name, res < 0 ? HOPPER_EIO : HOPPER_EVERSION, res, op, err);
}

hopper_status hpr_file_scan_look(const struct hpr_dir *dir, uint64_t number, struct hpr_file_look *look,
                                 struct hopper_error *err)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    struct hopper_io_stat st;
    size_t got = 0;
    int fd     = open_file(dir, number, O_RDONLY), res;

    *look = (struct hpr_file_look){ .verdict = HPR_FILE_FOREIGN };
    if (fd == -ELOOP || fd == -ENXIO || fd == -ENOENT) return HOPPER_OK; /* a link; a socket; gone */
    if (fd < 0) return file_error(dir, number, fd, "open queue file", err);
    res = dir->io->stat(dir->io->ctx, fd, &st);
    if (res == 0 && st.kind == HOPPER_IO_FILE) res = hpr_io_read(dir->io, fd, bytes, sizeof bytes, 0, &got);
    hpr_io_close(dir->io, fd);
    if (res < 0) return file_error(dir, number, res, "read queue file", err);
    if (st.kind != HOPPER_IO_FILE) return HOPPER_OK;
    look->bytes   = st.bytes;
    look->verdict = hpr_frame_get_file_header(bytes, got, &look->header);
    if (look->verdict == HPR_FILE_NEWER)
        return file_error(dir, number, 0, "use a queue file of a newer format version", err);
    look->is_cut_short =
        st.bytes < HPR_FILE_HEADER_BYTES && (hpr_frame_is_beginning(bytes, got) || hpr_is_zero(bytes, got));
    if (look->verdict == HPR_FILE_FOREIGN && got == sizeof bytes && hpr_is_zero(bytes, got))
        look->verdict = HPR_FILE_DAMAGED; /* its header never reached the device */
    if (look->verdict == HPR_FILE_OURS && look->header.number != number)
        *look = (struct hpr_file_look){ .verdict = HPR_FILE_FOREIGN, .bytes = st.bytes };
    return HOPPER_OK;
}

/* What cannot be read is not what ends a file: it fails the scan (read_error). */
static enum hpr_verdict judge(struct hpr_file_scan *s, uint64_t at, struct hpr_frame_header *h)
{
    const struct hpr_frame_place place = { s->dir->channel_id, s->number, at };
    unsigned char bytes[HPR_FRAME_HEADER_BYTES];
    struct hpr_footer footer;
    size_t got;

    if (s->read_error == 0) s->read_error = hpr_io_read(s->dir->io, s->fd, bytes, sizeof bytes, at, &got);
    if (s->read_error < 0) return HPR_VERDICT_BAD;
    return hpr_frame_get(bytes, got, &place, h, &footer);
}

/* Behind damage: on to the next good header. False: there is none. */
static bool skip_to_header(struct hpr_file_scan *s)
{
    struct hpr_frame_header h;

    for (uint64_t at = s->at + 1; at + 8 <= s->bytes;) {
        size_t got;

        s->read_error = hpr_io_read(s->dir->io, s->fd, s->buf, sizeof s->buf, at, &got);
        if (s->read_error < 0 || got < 8) return false;
        for (size_t i = 0; i + 8 <= got; i++) {
            if (s->buf[i + 4] != 'H' || s->buf[i + 5] != 'Q' || s->buf[i + 6] != 'F') continue;
            if (judge(s, at + i, &h) == HPR_VERDICT_BAD) continue;
            s->at = at + i;
            return true;
        }
        at += got - 7;
    }
    return false;
}

/* Replay looks for headers no further either. */
hopper_status hpr_file_scan_prove(const struct hpr_dir *dir, uint64_t number, struct hpr_file_look *look,
                                  struct hopper_error *err)
{
    struct hpr_file_scan s = { .dir = dir, .number = number, .at = HPR_FILE_HEADER_BYTES };
    struct hpr_frame_header h;

    s.bytes = hpr_min_u64(look->bytes, dir->disk_bytes);
    if (look->verdict != HPR_FILE_FOREIGN || s.bytes <= s.at || number >= HPR_NUMBER_FOREIGN_MAX) return HOPPER_OK;
    if ((s.fd = open_file(dir, number, O_RDONLY)) < 0) return file_error(dir, number, s.fd, "open queue file", err);
    if (judge(&s, s.at, &h) != HPR_VERDICT_BAD || (s.read_error == 0 && skip_to_header(&s)))
        look->verdict = HPR_FILE_DAMAGED;
    hpr_io_close(dir->io, s.fd);
    return s.read_error < 0 ? file_error(dir, number, s.read_error, "read queue file", err) : HOPPER_OK;
}

/* ---- its frames ---- */

hopper_status hpr_file_scan_open(struct hpr_file_scan *s, const struct hpr_dir *dir, uint64_t number,
                                 const struct hpr_file_look *look, struct hopper_error *err)
{
    *s             = (struct hpr_file_scan){ .dir = dir, .number = number, .bytes = look->bytes };
    s->lacks_table = look->header.has_table;
    if ((s->fd = open_file(dir, number, O_RDONLY)) < 0) return file_error(dir, number, s->fd, "open queue file", err);
    return HOPPER_OK;
}

void hpr_file_scan_close(struct hpr_file_scan *s)
{
    hpr_io_close(s->dir->io, s->fd);
    s->fd = -1;
}

/* Whether the payload is all there, and whether it is good. If not, its records are a gap; but where the machine may
 * have stopped in the middle of a write, and nothing good comes behind it, it is a part of that write. */
static int check_payload(struct hpr_file_scan *s, const struct hpr_frame_header *h, bool *is_goodp)
{
    uint64_t at = s->at + HPR_FRAME_HEADER_BYTES, left = h->stored_bytes;
    uint32_t crc = 0;

    while (left > 0) {
        size_t got, piece = (size_t)hpr_min_u64(left, sizeof s->buf);
        int res = hpr_io_read(s->dir->io, s->fd, s->buf, piece, at, &got);

        if (res < 0) return res;
        if (got < piece) return -ENODATA;
        crc = hpr_crc32(crc, s->buf, piece);
        at += piece;
        left -= piece;
    }
    *is_goodp = crc == h->payload_crc;
    return 0;
}

static int read_table(struct hpr_file_scan *s, const struct hpr_frame_header *h)
{
    size_t got;
    int res = hpr_io_read(s->dir->io, s->fd, s->buf, h->stored_bytes, s->at + HPR_TABLE_HEAD_BYTES, &got);

    if (res < 0) return res;
    s->lacks_table = !hpr_producers_get_table(s->buf, got, h->records, s->producers);
    s->at += HPR_TABLE_HEAD_BYTES + h->stored_bytes;
    s->end = hpr_min_u64(s->at, s->bytes);
    return 0;
}

/* What a frame's payload is inflated with; memory that is held while the last file is scanned only. */
struct unpacking {
    unsigned char *stored, *raw;
    void *slab;
    struct hpr_inflater inflater;
};

static bool inflate_payload(struct unpacking *u, const struct hpr_frame_header *h)
{
    const size_t slab_bytes = hpr_inflater_bytes(HPR_ENGINE_ZLIB, WINDOW_BITS_MAX).slab;

    if (hpr_inflater_init(&u->inflater, HPR_ENGINE_ZLIB, WINDOW_BITS_MAX, u->slab, slab_bytes) != HOPPER_OK)
        return false;
    hpr_inflate_begin(&u->inflater, u->raw, h->raw_bytes);
    return hpr_inflate_step(&u->inflater, u->stored, h->stored_bytes, true) == HPR_INFLATE_DONE;
}

static int note_payload(struct hpr_file_scan *s, const struct hpr_frame_header *h, struct unpacking *u)
{
    size_t got;
    int res = hpr_io_read(s->dir->io, s->fd, u->stored, h->stored_bytes, s->at + HPR_FRAME_HEADER_BYTES, &got);

    if (res < 0 || got < h->stored_bytes) return res;
    if (h->codec == HPR_CODEC_STORED) hpr_producers_note_raw(s->producers, u->stored, h->stored_bytes);
    else if (inflate_payload(u, h)) hpr_producers_note_raw(s->producers, u->raw, h->raw_bytes);
    return 0;
}

/* The numbers of the frame at hand, whose payload is good. */
static int note_numbers(struct hpr_file_scan *s, const struct hpr_frame_header *h)
{
    const struct hopper_allocator *al = s->dir->allocator;
    struct unpacking u                = { 0 };
    int res                           = -ENOMEM;

    if (!hpr_frame_is_possible(h) || h->record_bytes > 0) return 0; /* bare records have no numbers */
    u.stored = al->alloc(al->ctx, h->stored_bytes);
    u.raw    = al->alloc(al->ctx, h->raw_bytes);
    u.slab   = al->alloc(al->ctx, hpr_inflater_bytes(HPR_ENGINE_ZLIB, WINDOW_BITS_MAX).slab);
    if (u.stored && u.raw && u.slab) res = note_payload(s, h, &u);
    al->free(al->ctx, u.slab);
    al->free(al->ctx, u.raw);
    al->free(al->ctx, u.stored);
    return res;
}

static void start_scan(struct hpr_file_scan *s)
{
    s->at = s->end = HPR_FILE_HEADER_BYTES;
    s->first_seq = s->end_seq = s->dropped_total = s->records = 0;
    s->has_passed_bad                                         = false;
}

/* The frame at hand, which is all there. */
static int take_frame(struct hpr_file_scan *s, const struct hpr_frame_header *h)
{
    const bool is_void = s->void_seq > 0 && h->first_seq >= s->void_seq;
    bool is_good       = false;
    int res            = check_payload(s, h, &is_good);

    if (res < 0) return res;
    if (is_good && !is_void && s->producers->count > 0 && (res = note_numbers(s, h)) < 0) return res;
    s->at += HPR_FRAME_HEADER_BYTES + (uint64_t)h->stored_bytes;
    if (is_void) return 0;
    if (!is_good && s->may_be_torn) {
        s->has_passed_bad = true;
        return 0;
    }
    s->end = s->at;
    if (s->first_seq == 0) s->first_seq = h->first_seq;
    s->end_seq       = hpr_max_u64(s->end_seq, h->first_seq + h->records);
    s->dropped_total = h->dropped_total;
    s->records += h->records;
    return 0;
}

static int scan_frames(struct hpr_file_scan *s)
{
    start_scan(s);
    while (s->at < s->bytes) {
        struct hpr_frame_header h;
        int res = 0;

        switch (judge(s, s->at, &h)) {
        case HPR_VERDICT_FOOTER:
            s->is_sealed = true;
            if (!s->has_passed_bad) return 0;
            start_scan(s); /* the footer was written behind them: they were frames, and count */
            s->may_be_torn = false;
            break;
        case HPR_VERDICT_BAD:
            if (s->read_error < 0 || !skip_to_header(s)) return s->read_error;
            break;
        case HPR_VERDICT_TABLE: res = read_table(s, &h); break;
        case HPR_VERDICT_FRAME:
            if (h.stored_bytes > s->bytes - s->at - HPR_FRAME_HEADER_BYTES) return 0;
            res = take_frame(s, &h);
            break;
        }
        if (res < 0) return res;
    }
    return 0;
}

hopper_status hpr_file_scan_frames(struct hpr_file_scan *s, struct hopper_error *err)
{
    int res = scan_frames(s);

    return res < 0 ? file_error(s->dir, s->number, res, "read queue file", err) : HOPPER_OK;
}

/* Behind the last byte that is not zero; s->end when there is none behind that. */
static int find_last_byte(struct hpr_file_scan *s, uint64_t *endp)
{
    uint64_t end = s->bytes;

    while (end > s->end) {
        const size_t piece = (size_t)hpr_min_u64(end - s->end, sizeof s->buf);
        size_t got;
        int res = hpr_io_read(s->dir->io, s->fd, s->buf, piece, end - piece, &got);

        if (res < 0) return res;
        if (!hpr_is_zero(s->buf, got)) {
            while (s->buf[got - 1] == 0) got--;
            *endp = end - piece + got;
            return 0;
        }
        end -= piece;
    }
    *endp = s->end;
    return 0;
}

hopper_status hpr_file_scan_cut_tail(struct hpr_file_scan *s, uint64_t *torn_bytesp, struct hopper_error *err)
{
    const struct hopper_io *io = s->dir->io;
    uint64_t torn_end          = s->end;
    int fd, res;

    *torn_bytesp = 0;
    if (s->is_sealed || s->end >= s->bytes) return HOPPER_OK;
    if ((res = find_last_byte(s, &torn_end)) < 0) return file_error(s->dir, s->number, res, "read queue file", err);
    (void)io->chmod(io->ctx, s->fd, 0600); /* it may have been sealed, and its footer not have reached the device */
    if ((fd = open_file(s->dir, s->number, O_RDWR)) < 0)
        return file_error(s->dir, s->number, fd, "open queue file to cut off an incomplete tail", err);
    res = io->truncate(io->ctx, fd, s->end);
    hpr_io_close(io, fd);
    if (res < 0) return file_error(s->dir, s->number, res, "cut off the incomplete tail of queue file", err);
    *torn_bytesp = torn_end - s->end;
    s->bytes     = s->end;
    return HOPPER_OK;
}

hopper_status hpr_file_scan_sync(struct hpr_file_scan *s, struct hopper_error *err)
{
    const struct hopper_io *io = s->dir->io;
    int res;

    if (s->dir->survive != HOPPER_SURVIVE_POWER_LOSS) return HOPPER_OK;
    if ((res = io->fdatasync(io->ctx, s->fd)) < 0 || (res = io->fsync(io->ctx, s->dir->fd)) < 0)
        return file_error(s->dir, s->number, res, "sync queue file", err);
    return HOPPER_OK;
}

/* ---- how large its frames get ---- */

/* The frame at hand. */
static uint64_t larger_of(struct hpr_file_scan *s, const struct hpr_frame_header *h, uint64_t from_seq,
                          uint64_t raw_max)
{
    bool is_good = false;

    if (h->raw_bytes <= raw_max || h->first_seq + h->records <= from_seq || !hpr_frame_is_possible(h) ||
        h->stored_bytes > s->bytes - s->at - HPR_FRAME_HEADER_BYTES)
        return raw_max;
    return check_payload(s, h, &is_good) == 0 && is_good ? h->raw_bytes : raw_max;
}

uint64_t hpr_file_scan_largest(struct hpr_file_scan *s, uint64_t from_seq, uint64_t raw_max)
{
    start_scan(s);
    while (s->at < s->bytes) {
        struct hpr_frame_header h;

        switch (judge(s, s->at, &h)) {
        case HPR_VERDICT_FOOTER: return raw_max;
        case HPR_VERDICT_BAD: /* replay looks no further for the next one either */
            s->bytes = hpr_min_u64(s->bytes, s->dir->disk_bytes);
            if (s->read_error < 0 || s->at >= s->bytes || !skip_to_header(s)) return raw_max;
            continue;
        case HPR_VERDICT_TABLE: s->at += HPR_TABLE_HEAD_BYTES + h.stored_bytes; continue;
        case HPR_VERDICT_FRAME: break;
        }
        raw_max = larger_of(s, &h, from_seq, raw_max);
        s->at += HPR_FRAME_HEADER_BYTES + (uint64_t)h.stored_bytes;
    }
    return raw_max;
}
