/* SPDX-License-Identifier: MIT */
/* See recover.h. In this order: STATE, MEMORY, the header of each file, the end of the last file.
 *
 * The end is found from the data: the last frame whose header is good and whose payload is all there. What stands behind it
 * in a file that was not sealed is a write that nobody was told had succeeded; it is cut off. The file is not written to
 * again: the next frame goes to a new one. */
#include "recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "codec.h"
#include "error.h"

#define SCAN_BYTES 16384
#define NUMBER_STATE_MAX \
    (HPR_NUMBER_END / 4 * 3) /* STATE is believed up to here: above, numbers are left for a long life */
#define WINDOW_BITS_MAX 15

/* ---- one file ---- */

struct look {
    enum hpr_file_verdict verdict;
    bool is_cut_short; /* not even a whole header was written: made, and never used */
    struct hpr_file_header header;
    uint64_t bytes;
};

static bool is_zero(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0) return false;
    return true;
}

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

/* STATE, MEMORY or PRODUCERS could not be used: something else has the name, or RES is why. */
static hopper_status part_error(const struct hpr_dir *dir, const char *name, int res, const char *op,
                                struct hopper_error *err)
{
    if (hpr_io_is_no_file(res))
        return hpr_dir_error(dir, name, HOPPER_EMISMATCH, 0, "use what is not a plain file of its own", err);
    return hpr_dir_error(dir, name, HOPPER_EIO, res, op, err);
}

/* What stands under the name of file NUMBER. What is no file is foreign: it is left alone. */
static hopper_status look_at(const struct hpr_dir *dir, uint64_t number, struct look *look, struct hopper_error *err)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    struct hopper_io_stat st;
    size_t got = 0;
    int fd     = open_file(dir, number, O_RDONLY), res;

    *look = (struct look){ .verdict = HPR_FILE_FOREIGN };
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
        st.bytes < HPR_FILE_HEADER_BYTES && (hpr_frame_is_beginning(bytes, got) || is_zero(bytes, got));
    if (look->verdict == HPR_FILE_FOREIGN && got == sizeof bytes && is_zero(bytes, got))
        look->verdict = HPR_FILE_DAMAGED; /* its header never reached the device */
    if (look->verdict == HPR_FILE_OURS && look->header.number != number)
        *look = (struct look){ .verdict = HPR_FILE_FOREIGN, .bytes = st.bytes };
    return HOPPER_OK;
}

/* ---- what stands in a file ---- */

struct scan {
    const struct hpr_dir *dir;
    int fd;
    uint64_t number;
    uint64_t bytes;     /* size of the file */
    uint64_t at;        /* where the next frame is looked for */
    uint64_t end;       /* behind the last frame that is all there */
    uint64_t first_seq; /* of the first frame; 0: none seen */
    uint64_t end_seq;   /* 0: no frame seen */
    uint64_t void_seq;  /* from there on records were written again in a newer file; 0: none were */
    uint64_t dropped_total;
    uint64_t records;
    struct hpr_found *found;
    bool is_sealed;
    bool lacks_table; /* its header says that a table of producers follows, and none does */
    bool may_be_torn;
    bool has_passed_bad; /* while it may be torn: frames whose payload is not good */
    int read_error;      /* a negated errno */
    unsigned char buf[SCAN_BYTES];
};

/* What cannot be read is not what ends a file: it fails the scan (read_error). */
static enum hpr_verdict judge(struct scan *s, uint64_t at, struct hpr_frame_header *h)
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
static bool skip_to_header(struct scan *s)
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

/* A file whose header is damaged is ours when anything in it proves to be: no other has headers that are good in this channel,
 * under this number and at their place. Replay looks for them no further either. */
static hopper_status prove(const struct hpr_dir *dir, uint64_t number, struct look *look, struct hopper_error *err)
{
    struct scan s = { .dir = dir, .number = number, .at = HPR_FILE_HEADER_BYTES };
    struct hpr_frame_header h;

    s.bytes = hpr_min_u64(look->bytes, dir->disk_bytes);
    if (look->verdict != HPR_FILE_FOREIGN || s.bytes <= s.at || number >= HPR_NUMBER_FOREIGN_MAX) return HOPPER_OK;
    if ((s.fd = open_file(dir, number, O_RDONLY)) < 0) return file_error(dir, number, s.fd, "open queue file", err);
    if (judge(&s, s.at, &h) != HPR_VERDICT_BAD || (s.read_error == 0 && skip_to_header(&s)))
        look->verdict = HPR_FILE_DAMAGED;
    hpr_io_close(dir->io, s.fd);
    return s.read_error < 0 ? file_error(dir, number, s.read_error, "read queue file", err) : HOPPER_OK;
}

/* ---- all files ---- */

struct survey {
    struct hpr_dir *dir;
    struct hpr_found *found;
    struct hopper_error *err;
    hopper_status status;
    bool has_id;     /* the channel's id is known */
    uint64_t newest; /* of ours */
    uint64_t below;  /* newest_below(): only numbers below this */
    bool has_claims; /* files whose headers do not say that their frames are as small as those of this run */
};

static bool is_squatter(const struct hpr_dir *dir, uint64_t number)
{
    for (size_t i = 0; i < dir->squatter_count; i++)
        if (dir->squatters[i] == number) return true;
    return false;
}

/* The same, once it is known which channel it is. */
static hopper_status look_into(const struct survey *s, uint64_t number, struct look *look)
{
    hopper_status st = look_at(s->dir, number, look, s->err);

    return st == HOPPER_OK && !is_squatter(s->dir, number) ? prove(s->dir, number, look, s->err) : st;
}

static bool is_ours(const struct survey *s, uint64_t number, const struct look *look)
{
    return (look->verdict == HPR_FILE_DAMAGED && number < HPR_NUMBER_FOREIGN_MAX) ||
           (look->verdict == HPR_FILE_OURS &&
            memcmp(look->header.channel_id, s->dir->channel_id, HPR_CHANNEL_ID_BYTES) == 0);
}

/* Without STATE and MEMORY: the newest file that tells gives the id. */
static int find_id(void *arg, const char *name)
{
    struct survey *s = arg;
    struct look look;
    uint64_t number;

    if (!hpr_queue_file_parse_name(name, &number) || number == 0 || number >= HPR_NUMBER_END || number < s->newest)
        return 0;
    if ((s->status = look_at(s->dir, number, &look, s->err)) != HOPPER_OK) return 1;
    if (look.verdict != HPR_FILE_OURS || look.header.survive == HOPPER_SURVIVE_NOTHING) return 0;
    s->newest = number;
    s->has_id = true;
    memcpy(s->dir->channel_id, look.header.channel_id, HPR_CHANNEL_ID_BYTES);
    return 0;
}

static hopper_status remove_remains(const struct survey *s, uint64_t number, const char *name)
{
    int res;

    s->dir->next_number = hpr_max_u64(s->dir->next_number, number + 1);
    res                 = s->dir->io->unlink_at(s->dir->io->ctx, s->dir->fd, name);

    return res < 0 && res != -ENOENT ? hpr_error_io(s->err, res, "remove queue file", name) : HOPPER_OK;
}

/* Those with the highest numbers are in nobody's way. */
static hopper_status leave_alone(struct survey *s, uint64_t number)
{
    struct hpr_dir *dir = s->dir;

    s->found->report.files_foreign++;
    if (number >= HPR_NUMBER_FOREIGN_MAX) return HOPPER_OK;
    dir->next_number = hpr_max_u64(dir->next_number, number + 1);
    if (dir->squatter_count == HPR_SQUATTERS_MAX)
        return hpr_error_set(s->err, HOPPER_EMISMATCH, 0, "use a directory with so many queue files of others",
                             dir->path);
    dir->squatters[dir->squatter_count++] = number;
    dir->squatters_seen                   = dir->squatter_count;
    return HOPPER_OK;
}

/* The header alone is not believed: it says what the options of its time allowed, or what somebody wrote there. */
static bool may_be_large(const struct survey *s, const struct look *look)
{
    return look->verdict != HPR_FILE_OURS || look->header.raw_max == 0 || look->header.raw_max > s->found->raw_max;
}

static hopper_status other_kind(const struct hpr_dir *dir, uint8_t survive, uint8_t content, struct hopper_error *err)
{
    if (survive != dir->survive)
        return hpr_error_set(err, HOPPER_EMISMATCH, 0, "go on with a queue of another value of options.survive",
                             dir->path);
    if (content != dir->content)
        return hpr_error_set(err, HOPPER_EMISMATCH, 0, "go on with a queue of the other kind of records (bytes, items)",
                             dir->path);
    return HOPPER_OK;
}

static hopper_status add_ours(struct survey *s, uint64_t number, const struct look *look)
{
    hopper_status st = HOPPER_OK;

    if (look->verdict == HPR_FILE_OURS) st = other_kind(s->dir, look->header.survive, look->header.content, s->err);
    if (st != HOPPER_OK) return st;
    if (!s->found->has_files || number < s->dir->oldest) s->dir->oldest = number;
    if (!s->found->has_files || number > s->newest) s->newest = number;
    s->found->has_files = true;
    s->dir->next_number = hpr_max_u64(s->dir->next_number, number + 1);
    s->has_claims |= may_be_large(s, look);
    s->found->report.files++;
    s->found->report.file_bytes += look->bytes;
    return HOPPER_OK;
}

static int survey_one(void *arg, const char *name)
{
    struct survey *s = arg;
    struct look look;
    uint64_t number;

    if (!hpr_queue_file_parse_name(name, &number) || number == 0) return 0;
    if (number >= HPR_NUMBER_END) {
        s->found->report.files_foreign++;
        return 0;
    }
    if ((s->status = look_into(s, number, &look)) != HOPPER_OK) return 1;
    if (number < HPR_NUMBER_FOREIGN_MAX &&
        (look.is_cut_short || (look.verdict == HPR_FILE_OURS && look.header.survive == HOPPER_SURVIVE_NOTHING)))
        s->status = remove_remains(s, number, name);
    else if (is_ours(s, number, &look)) s->status = add_ours(s, number, &look);
    else s->status = leave_alone(s, number);
    return s->status != HOPPER_OK;
}

static hopper_status list_all(struct survey *s, int (*each)(void *arg, const char *name))
{
    int res = s->dir->io->list(s->dir->io->ctx, s->dir->fd, each, s);

    if (s->status != HOPPER_OK) return s->status;
    return res < 0 ? hpr_error_io(s->err, res, "list the channel's directory", s->dir->path) : HOPPER_OK;
}

/* ---- the end of a file ---- */

/* Whether the payload is all there, and whether it is good. If not, its records are a gap; but where the machine may have
 * stopped in the middle of a write, and nothing good comes behind it, it is a part of that write. */
static int check_payload(struct scan *s, const struct hpr_frame_header *h, bool *is_goodp)
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

/* ---- producers' numbers ---- */

static int read_table(struct scan *s, const struct hpr_frame_header *h)
{
    size_t got;
    int res = hpr_io_read(s->dir->io, s->fd, s->buf, h->stored_bytes, s->at + HPR_TABLE_HEAD_BYTES, &got);

    if (res < 0) return res;
    s->lacks_table = !hpr_producers_get_table(s->buf, got, h->records, &s->found->producers);
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
    const size_t slab_bytes = hpr_inflater_bytes(HPR_ENGINE_ZLIB, WINDOW_BITS_MAX);

    if (hpr_inflater_init(&u->inflater, HPR_ENGINE_ZLIB, WINDOW_BITS_MAX, u->slab, slab_bytes) != HOPPER_OK)
        return false;
    hpr_inflate_begin(&u->inflater, u->raw, h->raw_bytes);
    return hpr_inflate_step(&u->inflater, u->stored, h->stored_bytes, true) == HPR_INFLATE_DONE;
}

static int note_payload(struct scan *s, const struct hpr_frame_header *h, struct unpacking *u)
{
    size_t got;
    int res = hpr_io_read(s->dir->io, s->fd, u->stored, h->stored_bytes, s->at + HPR_FRAME_HEADER_BYTES, &got);

    if (res < 0 || got < h->stored_bytes) return res;
    if (h->codec == HPR_CODEC_STORED) hpr_producers_note_raw(&s->found->producers, u->stored, h->stored_bytes);
    else if (inflate_payload(u, h)) hpr_producers_note_raw(&s->found->producers, u->raw, h->raw_bytes);
    return 0;
}

/* The numbers of the frame at hand, whose payload is good. */
static int note_numbers(struct scan *s, const struct hpr_frame_header *h)
{
    const struct hopper_allocator *al = s->dir->allocator;
    struct unpacking u                = { 0 };
    int res                           = -ENOMEM;

    if (!hpr_frame_is_possible(h)) return 0;
    u.stored = al->alloc(al->ctx, h->stored_bytes);
    u.raw    = al->alloc(al->ctx, h->raw_bytes);
    u.slab   = al->alloc(al->ctx, hpr_inflater_bytes(HPR_ENGINE_ZLIB, WINDOW_BITS_MAX));
    if (u.stored && u.raw && u.slab) res = note_payload(s, h, &u);
    al->free(al->ctx, u.slab);
    al->free(al->ctx, u.raw);
    al->free(al->ctx, u.stored);
    return res;
}

static void start_scan(struct scan *s)
{
    s->at = s->end = HPR_FILE_HEADER_BYTES;
    s->first_seq = s->end_seq = s->dropped_total = s->records = 0;
    s->has_passed_bad                                         = false;
}

static hopper_status scan_frames(struct scan *s, struct hopper_error *err)
{
    start_scan(s);
    while (s->at < s->bytes) {
        struct hpr_frame_header h;
        bool is_good = false, is_void;
        int res;

        switch (judge(s, s->at, &h)) {
        case HPR_VERDICT_FOOTER:
            s->is_sealed = true;
            if (!s->has_passed_bad) return HOPPER_OK;
            start_scan(s); /* the footer was written behind them: they were frames, and count */
            s->may_be_torn = false;
            continue;
        case HPR_VERDICT_BAD:
            if (s->read_error == 0 && skip_to_header(s)) continue;
            if (s->read_error == 0) return HOPPER_OK;
            return file_error(s->dir, s->number, s->read_error, "read queue file", err);
        case HPR_VERDICT_TABLE:
            if ((res = read_table(s, &h)) < 0) return file_error(s->dir, s->number, res, "read queue file", err);
            continue;
        case HPR_VERDICT_FRAME: break;
        }
        if (h.stored_bytes > s->bytes - s->at - HPR_FRAME_HEADER_BYTES) return HOPPER_OK;
        if ((res = check_payload(s, &h, &is_good)) < 0)
            return file_error(s->dir, s->number, res, "read queue file", err);
        is_void = s->void_seq > 0 && h.first_seq >= s->void_seq;
        if (is_good && !is_void && s->found->producers.count > 0 && (res = note_numbers(s, &h)) < 0)
            return file_error(s->dir, s->number, res, "read queue file", err);
        s->at += HPR_FRAME_HEADER_BYTES + h.stored_bytes;
        if (is_void) continue;
        if (!is_good && s->may_be_torn) {
            s->has_passed_bad = true;
            continue;
        }
        s->end = s->at;
        if (s->first_seq == 0) s->first_seq = h.first_seq;
        s->end_seq       = hpr_max_u64(s->end_seq, h.first_seq + h.records);
        s->dropped_total = h.dropped_total;
        s->records += h.records;
    }
    return HOPPER_OK;
}

/* What is behind the last frame goes. The file stays without a footer, and is not written to any more. */
static hopper_status cut_tail(struct scan *s, struct hpr_found *found, struct hopper_error *err)
{
    const struct hopper_io *io = s->dir->io;
    int fd, res;

    if (s->is_sealed || s->end >= s->bytes) return HOPPER_OK;
    (void)io->chmod(io->ctx, s->fd, 0600); /* it may have been sealed, and its footer not have reached the device */
    if ((fd = open_file(s->dir, s->number, O_RDWR)) < 0)
        return file_error(s->dir, s->number, fd, "open queue file to cut off an incomplete tail", err);
    res = io->truncate(io->ctx, fd, s->end);
    hpr_io_close(io, fd);
    if (res < 0) return file_error(s->dir, s->number, res, "cut off the incomplete tail of queue file", err);
    found->report.torn_file  = s->number;
    found->report.torn_bytes = s->bytes - s->end;
    found->report.file_bytes -= s->bytes - s->end;
    s->bytes = s->end;
    return HOPPER_OK;
}

/* What is in the page cache only is about to be called durable. */
static hopper_status sync_last(struct scan *s, struct hopper_error *err)
{
    const struct hopper_io *io = s->dir->io;
    int res;

    if (s->dir->survive != HOPPER_SURVIVE_POWER_LOSS) return HOPPER_OK;
    if ((res = io->fdatasync(io->ctx, s->fd)) < 0 || (res = io->fsync(io->ctx, s->dir->fd)) < 0)
        return file_error(s->dir, s->number, res, "sync queue file", err);
    return HOPPER_OK;
}

/* Where the newest file stands in the stream: its own header tells, or that of a file before it, of which all is known. */
static void set_offsets(struct hpr_dir *dir, const struct hpr_found *found, const struct scan *s,
                        const struct hpr_file_header *header)
{
    struct hpr_dir_end *end = &dir->end;

    dir->writer_records = header->record_offset + s->records;
    end->record_offset  = header->record_offset;
    end->start          = header->stream_offset;
    if (end->number == s->number) {
        end->first_seq = header->first_seq;
        return;
    }
    end->record_offset += s->records;
    end->start += s->bytes + HPR_FOOTER_BYTES;
    if (end->first_seq == 0) end->first_seq = found->end_seq;
}

/* File NUMBER from its header to its end. *IS_ENDP: it tells where the records end. */
static hopper_status scan_file(struct hpr_dir *dir, struct hpr_found *found, uint64_t number, uint64_t *void_seqp,
                               bool *is_endp, struct hopper_error *err)
{
    struct scan s  = { .dir = dir, .found = found, .number = number, .may_be_torn = found->may_be_torn };
    bool is_newest = dir->end.number == 0;
    struct look look;
    hopper_status st;

    if ((st = look_at(dir, number, &look, err)) != HOPPER_OK) return st;
    if ((s.fd = open_file(dir, number, O_RDONLY)) < 0) return file_error(dir, number, s.fd, "open queue file", err);
    s.bytes       = look.bytes;
    s.void_seq    = *void_seqp;
    s.lacks_table = look.header.has_table;
    st            = scan_frames(&s, err);
    if (st == HOPPER_OK && found->end_seq == 0) st = cut_tail(&s, found, err); /* newer files say nothing */
    if (st == HOPPER_OK) st = sync_last(&s, err);
    hpr_io_close(dir->io, s.fd);
    if (st != HOPPER_OK) return st;
    found->report.scanned_bytes += s.bytes;
    found->end_seq = hpr_max_u64(found->end_seq, hpr_max_u64(s.end_seq, look.header.first_seq));
    if (s.end_seq > 0) found->end_dropped_total = hpr_max_u64(found->end_dropped_total, s.dropped_total);
    if (is_newest) dir->end = (struct hpr_dir_end){ .number = number, .bytes = s.bytes, .first_seq = s.first_seq };
    *is_endp = look.verdict == HPR_FILE_OURS && !s.lacks_table;
    if (look.verdict == HPR_FILE_OURS && dir->survive == HOPPER_SURVIVE_POWER_LOSS) *void_seqp = look.header.first_seq;
    if (look.verdict == HPR_FILE_OURS && dir->end.start == 0) set_offsets(dir, found, &s, &look.header);
    return HOPPER_OK;
}

static int newest_below(void *arg, const char *name)
{
    struct survey *s = arg;
    struct look look;
    uint64_t number;

    if (!hpr_queue_file_parse_name(name, &number) || number >= s->below || number <= s->newest) return 0;
    if ((s->status = look_into(s, number, &look)) != HOPPER_OK) return 1;
    if (is_ours(s, number, &look) && !look.is_cut_short) s->newest = number;
    return 0;
}

static hopper_status find_end(struct survey *s)
{
    uint64_t void_seq = 0;
    bool is_end       = false;
    hopper_status st;

    while (s->newest != 0) {
        st = scan_file(s->dir, s->found, s->newest, &void_seq, &is_end, s->err);
        if (st != HOPPER_OK || is_end) return st;
        s->below  = s->newest; /* its header says nothing: what comes before tells */
        s->newest = 0;
        if ((st = list_all(s, newest_below)) != HOPPER_OK) return st;
    }
    if (s->dir->end.number != 0 && s->dir->end.first_seq == 0)
        s->dir->end.first_seq = hpr_max_u64(s->found->end_seq, 1);
    return HOPPER_OK;
}

/* ---- the largest frame ---- */

/* The receiver's memory grows for frames that are there: still wanted, whole, with a good payload of a length that it can
 * make. What cannot be read now makes it no larger; a gap will say so. */
static void measure_frame(struct scan *s, const struct hpr_frame_header *h)
{
    bool is_good = false;

    if (h->raw_bytes <= s->found->raw_max || h->first_seq + h->records <= s->found->passed.seq + 1 ||
        !hpr_frame_is_possible(h) || h->stored_bytes > s->bytes - s->at - HPR_FRAME_HEADER_BYTES)
        return;
    if (check_payload(s, h, &is_good) == 0 && is_good) s->found->raw_max = h->raw_bytes;
}

static void measure_frames(struct scan *s)
{
    start_scan(s);
    while (s->at < s->bytes) {
        struct hpr_frame_header h;

        switch (judge(s, s->at, &h)) {
        case HPR_VERDICT_FOOTER: return;
        case HPR_VERDICT_BAD: /* replay looks no further for the next one either */
            s->bytes = hpr_min_u64(s->bytes, s->dir->disk_bytes);
            if (s->read_error < 0 || s->at >= s->bytes || !skip_to_header(s)) return;
            continue;
        case HPR_VERDICT_TABLE: s->at += HPR_TABLE_HEAD_BYTES + h.stored_bytes; continue;
        case HPR_VERDICT_FRAME: break;
        }
        measure_frame(s, &h);
        s->at += HPR_FRAME_HEADER_BYTES + (uint64_t)h.stored_bytes;
    }
}

static int measure_one(void *arg, const char *name)
{
    struct survey *s = arg;
    struct scan scan = { .dir = s->dir, .found = s->found };
    struct look look;

    if (!hpr_queue_file_parse_name(name, &scan.number) || scan.number == 0 || scan.number >= HPR_NUMBER_END) return 0;
    if ((s->status = look_into(s, scan.number, &look)) != HOPPER_OK) return 1;
    if (!is_ours(s, scan.number, &look) || !may_be_large(s, &look)) return 0;
    scan.bytes = look.bytes;
    if ((scan.fd = open_file(s->dir, scan.number, O_RDONLY)) < 0) {
        s->status = file_error(s->dir, scan.number, scan.fd, "open queue file", s->err);
        return 1;
    }
    measure_frames(&scan);
    hpr_io_close(s->dir->io, scan.fd);
    return 0;
}

/* ---- STATE and MEMORY ---- */

static hopper_status read_state(struct survey *s)
{
    struct hpr_dir *dir     = s->dir;
    struct hpr_found *found = s->found;
    enum hpr_file_verdict verdict;
    unsigned char boot_id[16];
    int res;

    found->may_be_torn = true;
    dir->state_fd      = hpr_state_open(dir->io, dir->fd, &dir->state_is_new);
    if (dir->state_fd < 0) return part_error(dir, HPR_STATE_NAME, dir->state_fd, "open", s->err);
    if (dir->state_is_new) return HOPPER_OK;
    verdict = hpr_state_read(dir->io, dir->state_fd, &found->state, &res);
    if (res < 0) return part_error(dir, HPR_STATE_NAME, res, "read", s->err); /* the other slot is older */
    switch (verdict) {
    case HPR_FILE_NEWER:
        return hpr_dir_error(dir, HPR_STATE_NAME, HOPPER_EVERSION, 0, "use STATE of a newer format version", s->err);
    case HPR_FILE_OURS: break;
    case HPR_FILE_FOREIGN:
    case HPR_FILE_DAMAGED: memset(&found->state, 0, sizeof found->state); return HOPPER_OK;
    }
    found->has_state         = true;
    found->passed            = found->state.passed;
    found->next_seq          = found->state.next_seq;
    found->dropped_total     = found->state.dropped_total;
    found->report.was_closed = found->state.is_closed;
    if ((res = dir->io->boot_id(dir->io->ctx, boot_id)) < 0)
        return hpr_error_io(s->err, res, "ask for the boot id", NULL);
    found->may_be_torn = !found->state.is_closed && memcmp(boot_id, found->state.boot_id, sizeof boot_id) != 0;
    s->has_id          = true;
    memcpy(dir->channel_id, found->state.channel_id, HPR_CHANNEL_ID_BYTES);
    return other_kind(dir, found->state.survive, found->state.content, s->err);
}

static hopper_status read_memory(struct survey *s)
{
    struct hpr_found *found    = s->found;
    struct hpr_memory_old *old = &found->old;
    struct hpr_dir *dir        = s->dir;
    int res;

    switch (hpr_memory_old_open(old, dir->io, dir->fd, &res)) {
    case HPR_FILE_NEWER:
        return hpr_dir_error(dir, HPR_MEMORY_NAME, HOPPER_EVERSION, 0, "use MEMORY of a newer format version", s->err);
    case HPR_FILE_OURS: break;
    case HPR_FILE_FOREIGN:
        if (res == -ENOENT) {
            found->is_machine_down =
                dir->survive == HOPPER_SURVIVE_CRASH && found->has_state && !found->state.is_closed;
            return HOPPER_OK;
        }
        if (res < 0) return part_error(dir, HPR_MEMORY_NAME, res, "open", s->err);
        return hpr_dir_error(dir, HPR_MEMORY_NAME, HOPPER_EMISMATCH, 0, "use as MEMORY what was not made by libhopper",
                             s->err);
    case HPR_FILE_DAMAGED:
        if (res < 0) return part_error(dir, HPR_MEMORY_NAME, res, "read", s->err);
        found->is_machine_down = true; /* only a power loss tears its header */
        return HOPPER_OK;
    }
    if (s->has_id && memcmp(old->shape.channel_id, dir->channel_id, HPR_CHANNEL_ID_BYTES) != 0) {
        hpr_memory_old_close(old);
        return hpr_dir_error(dir, HPR_MEMORY_NAME, HOPPER_EMISMATCH, 0, "use MEMORY of another channel", s->err);
    }
    s->has_id = true;
    memcpy(dir->channel_id, old->shape.channel_id, HPR_CHANNEL_ID_BYTES);
    if (old->place.passed.seq >= found->passed.seq) found->passed = old->place.passed;
    found->next_seq        = hpr_max_u64(found->next_seq, old->next_seq);
    found->dropped_total   = hpr_max_u64(found->dropped_total, old->dropped_total);
    found->has_memory      = hpr_memory_old_is_trusted(old);
    found->is_machine_down = !found->has_memory;
    if (!found->has_memory) hpr_memory_old_close(old);
    return HOPPER_OK;
}

/* ---- what it all comes to ---- */

/* Without STATE: all that is in files comes again. */
static hopper_status assume_passed(struct survey *s)
{
    struct hpr_passed *passed = &s->found->passed;
    struct look look;
    hopper_status st;

    if (s->found->has_state || s->found->has_memory || !s->found->has_files) return HOPPER_OK;
    s->found->report.state_was_lost = 1;
    if ((st = look_at(s->dir, s->dir->oldest, &look, s->err)) != HOPPER_OK) return st;
    if (look.verdict == HPR_FILE_OURS && look.header.first_seq > passed->seq + 1) {
        memset(passed, 0, sizeof *passed);
        passed->seq = passed->records = look.header.first_seq - 1;
    }
    return HOPPER_OK;
}

static void count_bytes(struct hpr_dir *dir, const struct hpr_found *found)
{
    const uint64_t bytes = found->report.file_bytes;

    dir->written        = hpr_max_u64(dir->end.start + dir->end.bytes, bytes);
    dir->removed        = dir->written - bytes;
    dir->writer_written = dir->written;
}

static void count_numbers(struct survey *s)
{
    struct hpr_dir *dir = s->dir;

    dir->next_number = hpr_max_u64(dir->next_number, hpr_min_u64(s->found->state.next_number, NUMBER_STATE_MAX));
    if (!s->found->has_files) dir->oldest = dir->next_number;
    dir->numbers_seen = dir->next_number;
    dir->holes        = dir->next_number - dir->oldest - s->found->report.files;
    for (size_t i = 0; i < dir->squatter_count; i++)
        dir->holes -= dir->squatters[i] >= dir->oldest && dir->squatters[i] < dir->next_number;
}

static hopper_status find_all(struct survey *s)
{
    struct hpr_dir *dir = s->dir;
    hopper_status st;
    int res;

    if ((st = read_state(s)) != HOPPER_OK || (st = read_memory(s)) != HOPPER_OK) return st;
    if (!s->has_id && (st = list_all(s, find_id)) != HOPPER_OK) return st;
    if (!s->has_id && (res = dir->io->random(dir->io->ctx, dir->channel_id, sizeof dir->channel_id)) < 0)
        return hpr_error_io(s->err, res, "get random bytes", NULL);
    if ((res = hpr_dir_remove_hidden(dir)) < 0) return part_error(dir, HPR_REWRITE_NAME, res, "remove", s->err);
    if ((res = hpr_producers_read(&s->found->producers, dir->io, dir->fd, dir->channel_id)) < 0)
        return part_error(dir, HPR_PRODUCERS_NAME, res, "read", s->err);
    s->newest = 0;
    if ((st = list_all(s, survey_one)) != HOPPER_OK || (st = find_end(s)) != HOPPER_OK) return st;
    s->found->report.is_new = !s->found->has_files && !s->found->has_state && !s->found->has_memory;
    count_numbers(s);
    count_bytes(dir, s->found);
    if ((st = assume_passed(s)) != HOPPER_OK) return st;
    return s->has_claims ? list_all(s, measure_one) : HOPPER_OK;
}

hopper_status hpr_recover_scan(struct hpr_dir *dir, uint64_t raw_held, struct hpr_found *found,
                               struct hopper_error *err)
{
    struct survey s = { .dir = dir, .found = found, .err = err };
    hopper_status st;

    memset(found, 0, sizeof *found);
    found->old.fd      = -1;
    found->raw_max     = raw_held;
    found->report.size = sizeof found->report;
    st                 = find_all(&s);
    if (st != HOPPER_OK && found->has_memory) hpr_memory_old_close(&found->old);
    return st;
}
