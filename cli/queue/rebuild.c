/* SPDX-License-Identifier: MIT */
/* See rebuild.h. Payloads are copied as they are; only headers are made anew, as the place where one stands is part of
 * its checksum. A frame with fewer records than its header says keeps the number of those that are there. The new file
 * always has a footer: nobody writes to it any more. */
#include "rebuild.h"

#include "change.h"
#include "queue_file.h"
#include "say.h"

struct copy {
    const struct place *place;
    int from;
    int to;
    uint64_t at;
    uint64_t number;
    struct hpr_footer footer;
    uint64_t frames;
};

static int write_header(struct copy *c, struct hpr_frame_header *h)
{
    const struct hpr_frame_place place = { c->place->channel_id, c->number, c->at };
    unsigned char bytes[HPR_FRAME_HEADER_BYTES];

    hpr_frame_put_header(bytes, h, &place);
    c->at += sizeof bytes;
    return hpr_io_write(c->place->io, c->to, bytes, sizeof bytes, place.offset);
}

static int copy_frame(struct copy *c, const struct scan_event *ev)
{
    struct hpr_frame_header header = ev->frame;
    int res;

    header.records = ev->good;
    res            = write_header(c, &header);
    if (res == 0)
        res = change_copy(c->place, c->from, ev->offset + HPR_FRAME_HEADER_BYTES, header.stored_bytes, c->to, &c->at);
    c->footer.records += ev->good;
    c->footer.last_seq = header.first_seq + ev->good - 1;
    c->frames++;
    return res;
}

static int write_footer(struct copy *c)
{
    const struct hpr_frame_place place = { c->place->channel_id, c->number, c->at };
    unsigned char bytes[HPR_FOOTER_BYTES];

    hpr_frame_put_footer(bytes, &c->footer, &place);
    return hpr_io_write(c->place->io, c->to, bytes, sizeof bytes, c->at);
}

static int write_table(struct copy *c, const struct hpr_producers *numbers)
{
    const struct hpr_frame_place place = { c->place->channel_id, c->number, c->at };
    unsigned char bytes[HPR_TABLE_BYTES_MAX];
    size_t len = hpr_producers_put_table(bytes, numbers, &place);

    c->at += len;
    return hpr_io_write(c->place->io, c->to, bytes, len, place.offset);
}

/* Without its table of producers where that is damaged. */
static int copy_all(struct copy *c, struct scan_file *file, struct hpr_file_header header)
{
    struct hpr_producers numbers = { .count = 0 };
    const bool has_numbers = hpr_queue_file_get_table(c->place->io, c->from, c->place->channel_id, c->number, &numbers);
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    struct scan_event ev;
    int res;

    header.has_table |= has_numbers; /* said, and not there: the library looks for the numbers in older files */
    hpr_frame_put_file_header(bytes, &header);
    res   = hpr_io_write(c->place->io, c->to, bytes, sizeof bytes, 0);
    c->at = sizeof bytes;
    if (res == 0 && has_numbers) res = write_table(c, &numbers);
    while (res == 0 && scan_file_next(file, &ev))
        if (scan_has_records(&ev)) res = copy_frame(c, &ev);
    return res == 0 ? write_footer(c) : res;
}

int rebuild_file(const struct place *place, struct payload *payload, const struct rebuild_source *source,
                 uint64_t *framesp, uint64_t *recordsp)
{
    struct copy c = { .place = place, .number = source->number };
    char name[CHANGE_NAME_BYTES];
    struct scan_file file;
    struct scan_event ev;
    int res;

    *framesp = *recordsp = 0;
    change_name(name, source->number, "");
    scan_file_open(&file, place, payload, source->number, source->is_last, &ev);
    if (file.fd < 0) {
        say("%s/%s: cannot be read any more", place->path, name);
        return -1;
    }
    c.from = file.fd;
    c.to   = change_begin(place, name);
    if (c.to < 0) {
        scan_file_close(&file);
        return c.to;
    }
    res = copy_all(&c, &file, source->header);
    scan_file_close(&file);
    if (res < 0) {
        say_failure(res, "%s/%s: cannot write it anew", place->path, name);
        change_drop(place, name, c.to);
        return res;
    }
    *framesp  = c.frames;
    *recordsp = c.footer.records;
    return change_end(place, name, c.to, 0400);
}
