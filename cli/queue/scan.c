/* SPDX-License-Identifier: MIT */
/* See scan.h. The table of cases is the one of docs/format.md:
 *
 *   good frame header, payload within the file   SCAN_FRAME, go on behind it
 *   good frame header, less payload than that    the file is at its end: SCAN_TAIL in the last file, else SCAN_DAMAGE
 *   good footer                                  SCAN_FOOTER, then SCAN_END
 *   nothing                                      SCAN_END
 *   zeros up to the end                          SCAN_ZEROS: the file was to go on there
 *   anything else                                look for the next good header: SCAN_DAMAGE up to there; none: as above
 *
 * Whose file it is, its header says; where that is damaged, its frames do: one header that is good in this channel,
 * under this number and at this place is enough, since nobody else's is.
 */
#include "scan.h"

#include <errno.h>

#include "bytes.h"
#include "io.h"

#define WINDOW_BYTES (64u << 10)
#define READ_STEP    4096 /* what is passed over where the device cannot be read */
#define FRAME_MAGIC  0x48514652U

static struct scan_event event_at(const struct scan_file *file, enum scan_kind kind, uint64_t bytes)
{
    return (struct scan_event){ .kind = kind, .number = file->number, .offset = file->offset, .bytes = bytes };
}

/* ---- headers ---- */

/* A header that is right in all but its codec, which docs/format.md keeps for later versions: its length can be
 * trusted. */
static bool is_unknown_codec(const unsigned char *in, size_t got, const struct hpr_frame_place *place,
                             struct hpr_frame_header *h)
{
    unsigned char where[HPR_CHANNEL_ID_BYTES + 16];
    uint32_t length, crc;

    if (got < HPR_FRAME_HEADER_BYTES || hpr_get_u32(in + 4) != FRAME_MAGIC) return false;
    memcpy(where, place->channel_id, HPR_CHANNEL_ID_BYTES);
    hpr_put_u64(where + HPR_CHANNEL_ID_BYTES, place->number);
    hpr_put_u64(where + HPR_CHANNEL_ID_BYTES + 8, place->offset);
    crc    = hpr_crc32(hpr_crc32(0, where, sizeof where), in, 48);
    length = hpr_get_u32(in);
    if (hpr_get_u32(in + 48) != crc || length < HPR_FRAME_HEADER_BYTES - 4) return false;
    *h = (struct hpr_frame_header){
        .codec         = hpr_get_u32(in + 8),
        .records       = hpr_get_u32(in + 12),
        .raw_bytes     = hpr_get_u32(in + 16),
        .stored_bytes  = length - (HPR_FRAME_HEADER_BYTES - 4),
        .first_seq     = hpr_get_u64(in + 20),
        .dropped_total = hpr_get_u64(in + 28),
        .opened_ms     = hpr_get_u64(in + 36),
        .payload_crc   = hpr_get_u32(in + 44),
    };
    return h->codec > (HPR_CODEC_DEFLATE | HPR_CODEC_BARE) && h->records > 0 && h->first_seq > 0 &&
           h->first_seq <= UINT64_MAX - h->records && h->dropped_total < h->first_seq;
}

/* What the GOT bytes from AT on begin with: a frame, a footer or neither. EV->fault is FAULT_CODEC where it is that. */
static enum hpr_verdict judge_bytes(const struct scan_file *file, uint64_t at, const unsigned char *bytes, size_t got,
                                    struct scan_event *ev)
{
    const struct hpr_frame_place place = { file->place->channel_id, file->number, at };
    enum hpr_verdict verdict           = hpr_frame_get(bytes, got, &place, &ev->frame, &ev->footer);

    ev->fault = FAULT_NONE;
    if (verdict != HPR_VERDICT_BAD || !is_unknown_codec(bytes, got, &place, &ev->frame)) return verdict;
    ev->fault = FAULT_CODEC;
    return HPR_VERDICT_FRAME;
}

/* The same for what stands at AT in the file. EV->fault is FAULT_UNREADABLE where it cannot be read. */
static enum hpr_verdict judge_at(const struct scan_file *file, uint64_t at, struct scan_event *ev)
{
    unsigned char bytes[HPR_FRAME_HEADER_BYTES];
    size_t got;

    ev->res = hpr_io_read(file->place->io, file->fd, bytes, sizeof bytes, at, &got);
    if (ev->res == 0) return judge_bytes(file, at, bytes, got, ev);
    ev->fault = FAULT_UNREADABLE;
    return HPR_VERDICT_BAD;
}

/* The same for the mark at I of the GOT bytes from AT on in WINDOW. */
static bool is_header(const struct scan_file *file, uint64_t at, const unsigned char *window, size_t i, size_t got)
{
    struct scan_event ev;

    if (window[i] != 'H' || window[i + 1] != 'Q' || window[i + 2] != 'F' ||
        (window[i + 3] != 'R' && window[i + 3] != 'T'))
        return false;
    if (got - (i - 4) >= HPR_FRAME_HEADER_BYTES)
        return judge_bytes(file, at + i - 4, window + i - 4, HPR_FRAME_HEADER_BYTES, &ev) != HPR_VERDICT_BAD;
    return judge_at(file, at + i - 4, &ev) != HPR_VERDICT_BAD;
}

/* The first place from AT on where a good header stands, else the file's end. */
static uint64_t find_header(const struct scan_file *file, uint64_t at)
{
    unsigned char window[WINDOW_BYTES];

    while ((at = place_next_data(file->fd, at, file->bytes)) < file->bytes) {
        size_t want = (size_t)hpr_min_u64(sizeof window, file->bytes - at), got;

        if (hpr_io_read(file->place->io, file->fd, window, want, at, &got) < 0) {
            at = (at / READ_STEP + 1) * READ_STEP;
            continue;
        }
        if (got < 8) break;
        for (size_t i = 4; i + 4 <= got; i++)
            if (is_header(file, at, window, i, got)) return at + i - 4;
        at += got - 7; /* a header's first eight bytes may stand across the end of what was read */
    }
    return file->bytes;
}

/* ---- one file ---- */

static enum fault fault_of_open(int res)
{
    return res == -ENOENT ? FAULT_GONE : res == -ENOTSUP || res == -ELOOP ? FAULT_NO_FILE : FAULT_UNREADABLE;
}

/* Whether anything in the file proves to be of this channel. */
static bool has_own_header(const struct scan_file *file)
{
    struct scan_event ev;

    if (!file->place->has_id || file->bytes <= HPR_FILE_HEADER_BYTES) return false;
    return judge_at(file, HPR_FILE_HEADER_BYTES, &ev) != HPR_VERDICT_BAD ||
           find_header(file, HPR_FILE_HEADER_BYTES + 1) < file->bytes;
}

/* What a writer that was stopped may have left of a header: the beginning of one, or zeros. */
static enum fault judge_beginning(const struct scan_file *file, const unsigned char *bytes, size_t got)
{
    if (!hpr_frame_is_beginning(bytes, got) && !hpr_is_zero(bytes, got))
        return has_own_header(file) ? FAULT_HEADER : FAULT_MAGIC;
    return file->bytes < HPR_FILE_HEADER_BYTES ? FAULT_NONE : FAULT_HEADER;
}

static enum fault judge_file_header(struct scan_file *file, struct scan_event *ev)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    size_t got;

    ev->res = hpr_io_read(file->place->io, file->fd, bytes, sizeof bytes, 0, &got);
    if (ev->res < 0) return FAULT_UNREADABLE;
    switch (hpr_frame_get_file_header(bytes, got, &ev->file)) {
    case HPR_FILE_NEWER: return FAULT_VERSION;
    case HPR_FILE_DAMAGED:
    case HPR_FILE_FOREIGN: return judge_beginning(file, bytes, got);
    case HPR_FILE_OURS: break;
    }
    ev->has_header = true;
    if (file->place->has_id && memcmp(ev->file.channel_id, file->place->channel_id, sizeof ev->file.channel_id) != 0)
        return FAULT_CHANNEL;
    if (ev->file.number == file->number) return FAULT_NONE;
    ev->has_header = false;
    return FAULT_HEADER;
}

void scan_file_open(struct scan_file *file, const struct place *place, struct payload *payload, uint64_t number,
                    bool is_last, struct scan_event *ev)
{
    *file    = (struct scan_file){ .place = place, .payload = payload, .number = number, .is_last = is_last };
    file->fd = place_open_number(place, number, &file->bytes);
    *ev      = event_at(file, SCAN_FILE, file->bytes);
    if (file->fd < 0) {
        ev->res   = file->fd;
        ev->fault = fault_of_open(file->fd);
        file->fd  = -1;
    } else {
        ev->fault = judge_file_header(file, ev);
    }
    if (ev->fault == FAULT_NONE || (ev->fault == FAULT_HEADER && place->has_id)) {
        file->offset = ev->fault == FAULT_NONE && !ev->has_header ? 0 : HPR_FILE_HEADER_BYTES;
        return;
    }
    ev->kind = SCAN_REFUSED;
    scan_file_close(file);
}

void scan_file_close(struct scan_file *file)
{
    hpr_io_close(file->place->io, file->fd);
    file->fd = -1;
}

/* Whether zeros stand from file->offset to the end of the file, and nothing else. */
static bool has_zeros_to_end(const struct scan_file *file)
{
    unsigned char window[WINDOW_BYTES];
    uint64_t at = file->offset;

    while ((at = place_next_data(file->fd, at, file->bytes)) < file->bytes) {
        size_t want = (size_t)hpr_min_u64(sizeof window, file->bytes - at), got;

        if (hpr_io_read(file->place->io, file->fd, window, want, at, &got) < 0 || !hpr_is_zero(window, got))
            return false;
        if (got == 0) break;
        at += got;
    }
    return true;
}

/* What there is from file->offset on up to UNTIL, where nothing is good. */
static enum scan_kind judge_bad(const struct scan_file *file, uint64_t until, enum fault fault)
{
    if (until < file->bytes || fault == FAULT_UNREADABLE) return SCAN_DAMAGE;
    if (has_zeros_to_end(file)) return SCAN_ZEROS;
    return file->is_last ? SCAN_TAIL : SCAN_DAMAGE;
}

static void tell_damage(struct scan_file *file, uint64_t until, struct scan_event *ev)
{
    enum fault fault    = ev->fault == FAULT_UNREADABLE ? FAULT_UNREADABLE : FAULT_HEADER;
    enum scan_kind kind = judge_bad(file, until, fault);
    int res             = ev->res;

    *ev       = event_at(file, kind, until - file->offset);
    ev->fault = kind == SCAN_DAMAGE ? fault : FAULT_NONE;
    ev->res   = res;
    if (kind == SCAN_DAMAGE) file->offset = until;
    else file->is_done = true;
}

static void tell_frame(struct scan_file *file, struct scan_event *ev)
{
    struct hpr_frame_header header = ev->frame;
    enum fault fault               = ev->fault;

    *ev       = event_at(file, SCAN_FRAME, HPR_FRAME_HEADER_BYTES + (uint64_t)header.stored_bytes);
    ev->frame = header;
    ev->fault = fault;
    ev->good  = fault == FAULT_NONE ? header.records : 0;
    if (file->payload && fault == FAULT_NONE) {
        ev->fault = payload_check(file->payload, file->place->io, file->fd, file->offset, &header, &ev->good);
        ev->res   = file->payload->res;
    }
    file->offset += ev->bytes;
}

static void tell_end(struct scan_file *file, struct scan_event *ev)
{
    *ev           = event_at(file, SCAN_END, file->bytes);
    file->is_told = true;
}

/* What stands at file->offset, which is within the file. */
static void tell_next(struct scan_file *file, struct scan_event *ev)
{
    struct hpr_footer footer;

    switch (judge_at(file, file->offset, ev)) {
    case HPR_VERDICT_FRAME:
        if (ev->frame.stored_bytes <= file->bytes - file->offset - HPR_FRAME_HEADER_BYTES) tell_frame(file, ev);
        else tell_damage(file, file->bytes, ev);
        break;
    case HPR_VERDICT_FOOTER:
        footer        = ev->footer;
        *ev           = event_at(file, SCAN_FOOTER, HPR_FOOTER_BYTES);
        ev->footer    = footer;
        file->is_done = true;
        break;
    case HPR_VERDICT_TABLE: /* stands at one place only */
        file->offset += HPR_TABLE_HEAD_BYTES + ev->frame.stored_bytes;
        memset(ev, 0, sizeof *ev);
        if (file->offset >= file->bytes) tell_end(file, ev);
        else tell_next(file, ev);
        break;
    case HPR_VERDICT_BAD: tell_damage(file, find_header(file, file->offset + 1), ev); break;
    }
}

bool scan_file_next(struct scan_file *file, struct scan_event *ev)
{
    if (file->fd < 0 || file->is_told) return false;
    memset(ev, 0, sizeof *ev);
    if (file->is_done || file->offset >= file->bytes) tell_end(file, ev);
    else tell_next(file, ev);
    return true;
}

int scan_file_again(struct scan_file *file)
{
    struct hopper_io_stat st;
    int res = file->place->io->stat(file->place->io->ctx, file->fd, &st);

    if (res < 0) return res;
    file->bytes   = st.bytes;
    file->is_done = file->is_told = false;
    return 0;
}

/* ---- all files ---- */

/* Somebody else's file may have a higher number than the file that was written last. */
static size_t find_last(const struct place *place)
{
    struct scan_file file;
    struct scan_event ev;

    for (size_t i = place->count; i > 0; i--) {
        scan_file_open(&file, place, NULL, place->numbers[i - 1], true, &ev);
        scan_file_close(&file);
        if (ev.fault != FAULT_MAGIC && ev.fault != FAULT_NO_FILE && ev.fault != FAULT_CHANNEL) return i - 1;
    }
    return 0;
}

void scan_init(struct scan *scan, const struct place *place, struct payload *payload)
{
    *scan = (struct scan){ .file = { .place = place, .payload = payload, .fd = -1 }, .last = find_last(place) };
}

void scan_fini(struct scan *scan)
{
    scan_file_close(&scan->file);
}

bool scan_next(struct scan *scan, struct scan_event *ev)
{
    const struct place *place = scan->file.place;
    size_t index              = scan->index;

    if (scan_file_next(&scan->file, ev)) return true;
    scan_file_close(&scan->file);
    if (index == place->count) return false;
    scan->index++;
    scan_file_open(&scan->file, place, scan->file.payload, place->numbers[index], index == scan->last, ev);
    return true;
}
