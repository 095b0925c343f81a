/* SPDX-License-Identifier: MIT */
/* See recover.h. In this order: STATE, MEMORY, the header of each file, the end of the last file; and, of files whose
 * headers do not say that there is memory for their frames in any case, how large these are.
 *
 * The end is found from the data (file_scan.c). Where the last file's header says nothing, or no frame follows it that
 * would tell how many records were dropped so far, the files before it tell as well. What is behind the end of a file
 * that was not sealed is cut off. The file is not written to again: the next frame goes to a new one. */
#include "recover.h"

#include <errno.h>

#include "error.h"
#include "file_scan.h"

#define NUMBER_STATE_MAX \
    (HPR_NUMBER_END / 4 * 3) /* STATE is believed up to here: above, numbers are left for a long life */

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

/* ---- STATE and MEMORY ---- */

/* STATE, MEMORY or PRODUCERS could not be used: something else has the name, or RES is why. */
static hopper_status part_error(const struct hpr_dir *dir, const char *name, int res, const char *op,
                                struct hopper_error *err)
{
    if (hpr_io_is_no_file(res))
        return hpr_dir_error(dir, name, HOPPER_EMISMATCH, 0, "use what is not a plain file of its own", err);
    return hpr_dir_error(dir, name, HOPPER_EIO, res, op, err);
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

/* ---- all files ---- */

static bool is_squatter(const struct hpr_dir *dir, uint64_t number)
{
    for (size_t i = 0; i < dir->squatter_count; i++)
        if (dir->squatters[i] == number) return true;
    return false;
}

/* What stands under the name of file NUMBER, once it is known which channel this is. */
static hopper_status look_into(const struct survey *s, uint64_t number, struct hpr_file_look *look)
{
    hopper_status st = hpr_file_scan_look(s->dir, number, look, s->err);

    return st == HOPPER_OK && !is_squatter(s->dir, number) ? hpr_file_scan_prove(s->dir, number, look, s->err) : st;
}

static bool is_ours(const struct survey *s, uint64_t number, const struct hpr_file_look *look)
{
    return (look->verdict == HPR_FILE_DAMAGED && number < HPR_NUMBER_FOREIGN_MAX) ||
           (look->verdict == HPR_FILE_OURS &&
            memcmp(look->header.channel_id, s->dir->channel_id, HPR_CHANNEL_ID_BYTES) == 0);
}

/* Without STATE and MEMORY: the newest file that tells gives the id. */
static int find_id(void *arg, const char *name)
{
    struct survey *s = arg;
    struct hpr_file_look look;
    uint64_t number;

    if (!hpr_queue_file_parse_name(name, &number) || number == 0 || number >= HPR_NUMBER_END || number < s->newest)
        return 0;
    if ((s->status = hpr_file_scan_look(s->dir, number, &look, s->err)) != HOPPER_OK) return 1;
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
static bool may_be_large(const struct survey *s, const struct hpr_file_look *look)
{
    return look->verdict != HPR_FILE_OURS || look->header.raw_max == 0 || look->header.raw_max > s->found->raw_max;
}

static hopper_status add_ours(struct survey *s, uint64_t number, const struct hpr_file_look *look)
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
    struct hpr_file_look look;
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

/* ---- the end ---- */

/* Where the newest file stands in the stream: its own header tells, or that of a file before it, of which all is
 * known. */
static void set_offsets(struct hpr_dir *dir, const struct hpr_found *found, const struct hpr_file_scan *s,
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

/* S, which is open, to where the records end; what is behind goes. */
static hopper_status scan_open_file(struct hpr_file_scan *s, struct hpr_found *found, struct hopper_error *err)
{
    const uint64_t bytes = s->bytes;
    uint64_t torn_bytes  = 0;
    hopper_status st     = hpr_file_scan_frames(s, err);

    if (st == HOPPER_OK && found->end_seq == 0) /* newer files say nothing */
        st = hpr_file_scan_cut_tail(s, &torn_bytes, err);
    found->report.file_bytes -= bytes - s->bytes;
    if (torn_bytes > 0) {
        found->report.torn_file  = s->number;
        found->report.torn_bytes = torn_bytes;
    }
    return st == HOPPER_OK ? hpr_file_scan_sync(s, err) : st;
}

/* The frame that was to follow, and is not there, would have told it. Where all records go to files, each number below
 * the file's first one was stored in a file before or was dropped. */
static void note_dropped(const struct hpr_dir *dir, struct hpr_found *found, const struct hpr_file_header *h)
{
    if (dir->survive == HOPPER_SURVIVE_POWER_LOSS && h->first_seq > h->record_offset)
        found->header_dropped = h->first_seq - 1 - h->record_offset;
}

/* File NUMBER from its header to its end. *IS_ENDP: it tells where the records end. */
static hopper_status scan_file(struct hpr_dir *dir, struct hpr_found *found, uint64_t number, uint64_t *void_seqp,
                               bool *is_endp, struct hopper_error *err)
{
    bool is_newest = dir->end.number == 0;
    struct hpr_file_look look;
    struct hpr_file_scan s;
    hopper_status st;

    if ((st = hpr_file_scan_look(dir, number, &look, err)) != HOPPER_OK) return st;
    if ((st = hpr_file_scan_open(&s, dir, number, &look, err)) != HOPPER_OK) return st;
    s.producers   = &found->producers;
    s.void_seq    = *void_seqp;
    s.may_be_torn = found->may_be_torn;
    st            = scan_open_file(&s, found, err);
    hpr_file_scan_close(&s);
    if (st != HOPPER_OK) return st;
    found->report.scanned_bytes += s.bytes;
    found->end_seq    = hpr_max_u64(found->end_seq, hpr_max_u64(s.end_seq, look.header.first_seq));
    found->frames_end = hpr_max_u64(found->frames_end, s.end_seq);
    if (s.end_seq > 0) found->end_dropped_total = hpr_max_u64(found->end_dropped_total, s.dropped_total);
    if (is_newest && look.verdict == HPR_FILE_OURS && s.end_seq == 0) note_dropped(dir, found, &look.header);
    if (is_newest) dir->end = (struct hpr_dir_end){ .number = number, .bytes = s.bytes, .first_seq = s.first_seq };
    *is_endp = look.verdict == HPR_FILE_OURS && !s.lacks_table && s.end_seq > 0;
    if (look.verdict == HPR_FILE_OURS && dir->survive == HOPPER_SURVIVE_POWER_LOSS) *void_seqp = look.header.first_seq;
    if (look.verdict == HPR_FILE_OURS && dir->end.start == 0) set_offsets(dir, found, &s, &look.header);
    return HOPPER_OK;
}

static int newest_below(void *arg, const char *name)
{
    struct survey *s = arg;
    struct hpr_file_look look;
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
        s->below  = s->newest; /* it does not tell all: what comes before does */
        s->newest = 0;
        if ((st = list_all(s, newest_below)) != HOPPER_OK) return st;
    }
    if (s->dir->end.number != 0 && s->dir->end.first_seq == 0)
        s->dir->end.first_seq = hpr_max_u64(s->found->end_seq, 1);
    return HOPPER_OK;
}

/* ---- the largest frame ---- */

/* The receiver's memory grows for frames that are there and are still wanted. Of one that cannot be read now, a gap
 * will tell. */
static int measure_one(void *arg, const char *name)
{
    struct survey *s = arg;
    struct hpr_file_look look;
    struct hpr_file_scan scan;
    uint64_t number;

    if (!hpr_queue_file_parse_name(name, &number) || number == 0 || number >= HPR_NUMBER_END) return 0;
    if ((s->status = look_into(s, number, &look)) != HOPPER_OK) return 1;
    if (!is_ours(s, number, &look) || !may_be_large(s, &look)) return 0;
    if ((s->status = hpr_file_scan_open(&scan, s->dir, number, &look, s->err)) != HOPPER_OK) return 1;
    s->found->raw_max = hpr_file_scan_largest(&scan, s->found->passed.seq + 1, s->found->raw_max);
    hpr_file_scan_close(&scan);
    return 0;
}

/* ---- what it all comes to ---- */

/* Without STATE: all that is in files comes again. */
static hopper_status assume_passed(struct survey *s)
{
    struct hpr_passed *passed = &s->found->passed;
    struct hpr_file_look look;
    hopper_status st;

    if (s->found->has_state || s->found->has_memory || !s->found->has_files) return HOPPER_OK;
    s->found->report.state_was_lost = 1;
    if ((st = hpr_file_scan_look(s->dir, s->dir->oldest, &look, s->err)) != HOPPER_OK) return st;
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
