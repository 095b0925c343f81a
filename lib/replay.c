/* SPDX-License-Identifier: MIT */
/* See replay.h. One file after the other, in it one frame after the other:
 *
 *   good header, good payload     the frame
 *   good header, bad payload      passed over by its length
 *   bad header                    look for the next good header behind it: headers carry their own place in their
 *                                 checksum, so a frame inside a record's bytes is not taken for one
 *   footer, or nothing more       the next file
 *   cannot be opened              the next file, unless the reason is a passing one
 *   no file of this number        the next number that has one: there may be a hole wider than could be walked through
 *
 * Every length is checked against the buffer and against what the file can hold before it is used. */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>

#include "error.h"

/* What is passed over where the device cannot be read: twice as much each time, until something can be read again. */
#define LOOK_AHEAD    16 /* files, some of which may be others' or spent */
#define READ_STEP     4096
#define READ_STEP_MAX (1 << 20)

#define BRIEF_SEARCH_BYTES (1 << 18) /* searched in a step, where it is to be brief */

/* Damage that was seen. */
static void note(struct hpr_replay *rp, uint32_t reason)
{
    if (rp->reason == HOPPER_GAP_NONE || rp->is_guess) rp->reason = reason;
    rp->is_guess = false;
}

/* What may have cost records, and mostly has not: files that a run before left are not sealed, and between numbers
 * there are holes. Damage that is seen behind it, before the next good frame, is the better reason. */
static void note_guess(struct hpr_replay *rp, uint32_t reason)
{
    if (rp->reason != HOPPER_GAP_NONE) return;
    rp->reason   = reason;
    rp->is_guess = true;
}

void hpr_replay_pause(struct hpr_replay *rp)
{
    if (rp->ahead && rp->fd >= 0) hpr_ahead_forget(rp->ahead);
    hpr_io_close(rp->io, rp->fd);
    rp->fd       = -1;
    rp->limit    = 0;
    rp->has_next = false;
}

static void leave_file(struct hpr_replay *rp)
{
    rp->void_seq         = UINT64_MAX;
    rp->has_looked_ahead = false;
    hpr_replay_pause(rp);
    rp->offset = 0;
    rp->start  = 0;
}

static void go_to_file(struct hpr_replay *rp, uint64_t number)
{
    leave_file(rp);
    rp->number = number;
}

void hpr_replay_close(struct hpr_replay *rp)
{
    leave_file(rp);
}

void hpr_replay_leave_below(struct hpr_replay *rp, uint64_t number)
{
    if (rp->number < number) go_to_file(rp, number);
}

static struct hpr_payload_file present_file(struct hpr_replay *rp, uint64_t limit)
{
    return (struct hpr_payload_file){ rp->io, rp->fd, limit, &rp->read_errors };
}

static int read_at(struct hpr_replay *rp, void *buf, size_t len, uint64_t offset, size_t *gotp)
{
    const struct hpr_payload_file file = present_file(rp, 0);

    return hpr_payload_read(&file, buf, len, offset, gotp);
}

static hopper_status passing_error(int res, const char *op, const struct hpr_replay *rp, struct hopper_error *err)
{
    return hpr_error_set(err, HOPPER_EIO, -res, op, rp->dir->path);
}

/* ---- files ---- */

static int open_once(struct hpr_replay *rp)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    struct hopper_io_stat st;
    int fd, res;

    hpr_queue_file_name(name, rp->number);
    fd = rp->io->open_at(rp->io->ctx, rp->dir->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    res = rp->io->stat(rp->io->ctx, fd, &st);
    if (res == 0 && st.kind == HOPPER_IO_FILE) return fd;
    (void)rp->io->close(rp->io->ctx, fd);
    return res < 0 ? res : -ENOTSUP;
}

/* A bad file header costs nothing: frames prove themselves. */
static void read_file_header(struct hpr_replay *rp)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    struct hpr_file_header header;
    size_t got = 0;

    if (read_at(rp, bytes, sizeof bytes, 0, &got) == 0 &&
        hpr_frame_get_file_header(bytes, got, &header) == HPR_FILE_OURS && header.number == rp->number &&
        memcmp(header.channel_id, rp->dir->channel_id, sizeof header.channel_id) == 0)
        rp->start = header.stream_offset;
}

static int next_number(struct hpr_replay *rp, const struct hpr_replay_end *end, uint64_t number, uint64_t *nextp)
{
    return hpr_numbers_next(&rp->numbers, rp->io, rp->dir->fd, number, end->file.number + 1, nextp);
}

/* Records whose syncing failed are written again to the next file, and may stand here as well: what the next file's
 * header says it begins with does not count here any more. Known once the next file is there, so asked until then. */
static void look_ahead(struct hpr_replay *rp, const struct hpr_replay_end *end)
{
    uint64_t number = rp->number + 1;

    if (rp->dir->survive != HOPPER_SURVIVE_POWER_LOSS || rp->has_looked_ahead || rp->number >= end->file.number) return;
    rp->has_looked_ahead = true;
    for (int i = 0; i < LOOK_AHEAD && number <= end->file.number && rp->void_seq == UINT64_MAX; i++) {
        struct hpr_file_header header;
        int res = hpr_dir_read_header(rp->dir, number, &header);

        if (res != -ENOENT) number++;
        else if (next_number(rp, end, number + 1, &number) < 0) return;
        if (res == 0) rp->void_seq = header.first_seq;
    }
}

/* HOPPER_OK: open, or noted why not and left. */
static hopper_status open_file(struct hpr_replay *rp, const struct hpr_replay_end *end, struct hopper_error *err)
{
    uint64_t next = rp->number + 1;
    int res       = open_once(rp), listed;

    if (res < 0) {
        rp->read_errors += res != -ENOENT; /* which is a hole between numbers, and as a rule nothing wrong */
        if (!hpr_payload_is_passing(res) && res != -ENOENT) res = open_once(rp);
    }
    if (hpr_payload_is_passing(res)) return passing_error(res, "open a queue file in", rp, err);
    if (res == -ENOENT && (listed = next_number(rp, end, next, &next)) < 0)
        return passing_error(listed, "look for the next queue file in", rp, err);
    if (res < 0) {
        if (res == -ENOENT) note_guess(rp, HOPPER_GAP_VANISHED);
        else note(rp, HOPPER_GAP_UNREADABLE);
        go_to_file(rp, next);
        return HOPPER_OK;
    }
    rp->fd = res;
    if (rp->offset == 0) {
        rp->offset = HPR_FILE_HEADER_BYTES;
        read_file_header(rp);
    }
    return HOPPER_OK;
}

enum step { STEP_FRAME, STEP_ON, STEP_FILE_DONE, STEP_PASSING, STEP_END };

/* ---- looking for the next header ---- */

/* Where in the LEN bytes at BUF the mark of a header may stand, from FROM on; LEN when nowhere. */
static size_t find_mark(const unsigned char *buf, size_t len, size_t from)
{
    while (from + 4 <= len) {
        const unsigned char *hit = memchr(buf + from, 'H', len - from - 3);

        if (!hit) return len;
        from = (size_t)(hit - buf);
        if (hit[1] == 'Q' && hit[2] == 'F' && (hit[3] == 'R' || hit[3] == 'T')) return from;
        from++;
    }
    return len;
}

static enum hpr_verdict judge_at(struct hpr_replay *rp, uint64_t offset, struct hpr_frame_header *header, int *resp)
{
    const struct hpr_frame_place place = { rp->dir->channel_id, rp->number, offset };
    unsigned char bytes[HPR_FRAME_HEADER_BYTES];
    struct hpr_footer footer;
    size_t got = 0;

    *resp = read_at(rp, bytes, sizeof bytes, offset, &got);
    return *resp < 0 ? HPR_VERDICT_BAD : hpr_frame_get(bytes, got, &place, header, &footer);
}

/* Read for the search from *ATP on, up to LIMIT: a buffer full, or if that cannot be read what is left of one step, so
 * that a bad place does not hide the good ones before it; else from behind it. Returns the bytes read, 0 when there are
 * none. */
static size_t read_on(struct hpr_replay *rp, uint64_t *atp, uint64_t limit)
{
    size_t step   = READ_STEP, got;
    bool is_small = false;

    while (*atp < limit) {
        const size_t rest = READ_STEP - (size_t)(*atp % READ_STEP);
        size_t want       = rp->stored_bytes;

        if (is_small) want = hpr_min_size(want, rest < 8 ? rest + READ_STEP : rest);
        if (read_at(rp, rp->stored, (size_t)hpr_min_u64(want, limit - *atp), *atp, &got) == 0) return got;
        if (is_small) {
            *atp += rest + step - READ_STEP;
            step = hpr_min_size(step * 2, READ_STEP_MAX);
        }
        is_small = true;
    }
    return 0;
}

/* Move to the next good header behind the present offset; false: there is none before LIMIT. */
static bool find_header(struct hpr_replay *rp, uint64_t limit)
{
    uint64_t at = rp->offset + 1;
    struct hpr_frame_header header;

    while (at < limit) {
        size_t got = read_on(rp, &at, limit), mark;
        int res;

        if (got < 8) return false;
        for (mark = find_mark(rp->stored, got, 4); mark < got; mark = find_mark(rp->stored, got, mark + 1)) {
            if (judge_at(rp, at + mark - 4, &header, &res) != HPR_VERDICT_BAD) {
                rp->offset = at + mark - 4;
                return true;
            }
        }
        at += got - 7; /* a mark may stand across the end of what was read */
    }
    return false;
}

/* What is at the present offset is no header. */
static enum step search(struct hpr_replay *rp, uint64_t limit)
{
    const uint64_t most = rp->offset + BRIEF_SEARCH_BYTES;

    if (!rp->is_brief || limit <= most) return find_header(rp, limit) ? STEP_ON : STEP_FILE_DONE;
    if (!find_header(rp, most)) rp->offset = most - 8; /* a header may begin there */
    return STEP_ON;
}

/* ---- payloads ---- */

/* Through the buffer, in pieces. */
static enum hpr_load inflate_pieces(struct hpr_replay *rp, const struct hpr_frame_header *h, unsigned char *raw,
                                    int *resp)
{
    uint64_t at  = rp->offset + HPR_FRAME_HEADER_BYTES;
    size_t left  = h->stored_bytes;
    uint32_t crc = 0;

    hpr_inflate_begin(&rp->inflater, raw, h->raw_bytes);
    while (left > 0) {
        const size_t piece = hpr_min_size(left, rp->stored_bytes);
        enum hpr_inflate_result res;
        size_t got;

        *resp = read_at(rp, rp->stored, piece, at, &got);
        if (*resp < 0) return hpr_payload_is_passing(*resp) ? HPR_LOAD_PASSING : HPR_LOAD_UNREADABLE;
        if (got < piece) return HPR_LOAD_SHORT;
        crc = hpr_crc32(crc, rp->stored, piece);
        at += piece;
        left -= piece;
        res = hpr_inflate_step(&rp->inflater, rp->stored, piece, left == 0);
        if (res != (left == 0 ? HPR_INFLATE_DONE : HPR_INFLATE_MORE)) return HPR_LOAD_BAD;
    }
    return crc == h->payload_crc ? HPR_LOAD_OK : HPR_LOAD_BAD;
}

static struct hpr_payload_buffer buffer_for(const struct hpr_replay *rp, uint32_t raw_bytes)
{
    if (raw_bytes <= rp->raw_bytes) return (struct hpr_payload_buffer){ rp->raw, rp->raw_bytes };
    return (struct hpr_payload_buffer){ raw_bytes <= rp->big_bytes ? rp->big : NULL, rp->big_bytes };
}

/* Here, or by turns with the thread that reads ahead. *RAWP: where it is. */
static enum hpr_load load_payload(struct hpr_replay *rp, const struct hpr_frame_header *h, uint64_t limit,
                                  const unsigned char **rawp, int *resp)
{
    const struct hpr_payload_file file     = present_file(rp, limit);
    const struct hpr_payload_buffer buffer = buffer_for(rp, h->raw_bytes);
    const struct hpr_ahead_place place     = { rp->number, rp->offset + HPR_FRAME_HEADER_BYTES, *h };
    const unsigned char *next              = NULL;
    const bool is_whole                    = hpr_payload_fits(&buffer, h);
    enum hpr_load res;

    *rawp = buffer.raw;
    if (rp->ahead && is_whole && buffer.raw == rp->raw && limit > 0) {
        res = hpr_ahead_load(rp->ahead, &place, &file, rawp, &next, resp);
    } else {
        if (rp->ahead) hpr_ahead_forget(rp->ahead);
        res = is_whole ? hpr_payload_load(&file, &rp->inflater, &buffer, h, place.offset, &next, resp)
                       : inflate_pieces(rp, h, buffer.raw, resp);
    }
    rp->has_next = res == HPR_LOAD_OK && next;
    if (rp->has_next) memcpy(rp->next, next, sizeof rp->next);
    return res;
}

/* ---- frames ---- */

static enum step step_frame(struct hpr_replay *rp, const struct hpr_replay_end *end, const struct hpr_frame_header *h,
                            uint64_t limit, uint64_t seq, struct hpr_replay_frame *frame, int *resp)
{
    const uint64_t next = rp->offset + HPR_FRAME_HEADER_BYTES + h->stored_bytes;
    const unsigned char *raw;
    const bool is_kept = rp->dir->survive != HOPPER_SURVIVE_NOTHING; /* memory may have parts of a frame as well */

    if ((h->first_seq < seq && (!is_kept || h->first_seq + h->records <= seq)) || /* delivered or dropped already */
        h->first_seq >= rp->void_seq) {                                           /* written again in a later file */
        rp->offset = next;
        return STEP_ON;
    }
    if (h->first_seq >= end->due_seq && h->first_seq + h->records <= end->seq) return STEP_END; /* not its turn yet */
    if (h->first_seq + h->records > (is_kept ? end->seq : hpr_min_u64(end->seq, end->due_seq)) ||
        !buffer_for(rp, h->raw_bytes).raw) {
        note(rp, HOPPER_GAP_CORRUPT);
        rp->offset = next;
        return STEP_ON;
    }
    if (rp->dir->survive == HOPPER_SURVIVE_POWER_LOSS && rp->number == end->file.number)
        limit = 0; /* a sync that fails may cut it back */
    switch (load_payload(rp, h, limit, &raw, resp)) {
    case HPR_LOAD_OK: break;
    case HPR_LOAD_BAD:
        note(rp, HOPPER_GAP_CORRUPT);
        rp->offset = next;
        return STEP_ON;
    case HPR_LOAD_UNREADABLE:
        note(rp, HOPPER_GAP_UNREADABLE);
        rp->offset = next;
        return STEP_ON;
    case HPR_LOAD_SHORT: note(rp, HOPPER_GAP_TRUNCATED); return STEP_FILE_DONE;
    case HPR_LOAD_PASSING: return STEP_PASSING;
    }
    if (h->first_seq + h->records <= end->due_seq) rp->offset = next;
    else rp->has_next = false; /* the rest of it may be due later */
    *frame = (struct hpr_replay_frame){
        { raw, h->raw_bytes, h->record_bytes }, h->first_seq, h->records, h->dropped_total, rp->reason
    };
    rp->reason = HOPPER_GAP_NONE;
    return STEP_FRAME;
}

/* LIMIT: where the file's frames end; UINT64_MAX where only its footer says so. */
static enum step step_in_file(struct hpr_replay *rp, const struct hpr_replay_end *end, uint64_t limit, uint64_t seq,
                              struct hpr_replay_frame *frame, int *resp)
{
    const struct hpr_frame_place place = { rp->dir->channel_id, rp->number, rp->offset };
    unsigned char bytes[HPR_FRAME_HEADER_BYTES];
    const unsigned char *in = rp->has_next ? rp->next : NULL;
    struct hpr_frame_header header;
    struct hpr_footer footer;
    size_t got = sizeof bytes;

    if (rp->offset >= limit) return STEP_FILE_DONE;
    rp->has_next = false;
    *resp        = in ? 0 : read_at(rp, bytes, sizeof bytes, rp->offset, &got);
    if (hpr_payload_is_passing(*resp)) return STEP_PASSING;
    if (*resp < 0) {
        note(rp, HOPPER_GAP_UNREADABLE);
        return search(rp, limit);
    }
    switch (hpr_frame_get(in ? in : bytes, got, &place, &header, &footer)) {
    case HPR_VERDICT_FRAME: return step_frame(rp, end, &header, limit, seq, frame, resp);
    case HPR_VERDICT_FOOTER: return STEP_FILE_DONE;
    case HPR_VERDICT_TABLE: rp->offset += HPR_TABLE_HEAD_BYTES + header.stored_bytes; return STEP_ON;
    case HPR_VERDICT_BAD: break;
    }
    if (got == 0) { /* no footer either: cut off here, if anything was cut off at all */
        note_guess(rp, HOPPER_GAP_TRUNCATED);
        return STEP_FILE_DONE;
    }
    note(rp, got < HPR_FOOTER_BYTES ? HOPPER_GAP_TRUNCATED : HOPPER_GAP_CORRUPT);
    return search(rp, limit);
}

/* Where frames of the present file may stand: up to the active file's last frame, else up to the file's end. Whatever
 * the system says of the size, or if it says nothing, a queue file is not larger than the budgets: the search for a
 * header behind damage has to end. */
static uint64_t file_limit(struct hpr_replay *rp, const struct hpr_replay_end *end)
{
    struct hopper_io_stat st;
    uint64_t bytes = rp->dir->file_bytes;

    if (rp->number == end->file.number) return end->file.bytes;
    if (rp->limit == 0) {
        if (rp->io->stat(rp->io->ctx, rp->fd, &st) == 0) bytes = hpr_min_u64(st.bytes, rp->dir->disk_bytes);
        rp->limit = bytes;
    }
    return hpr_max_u64(rp->limit, rp->offset + 1); /* reading at the end says that it is the end */
}

hopper_status hpr_replay_next(struct hpr_replay *rp, const struct hpr_replay_end *end, uint64_t seq,
                              struct hpr_replay_frame *frame, struct hopper_error *err)
{
    int res = 0;

    memset(frame, 0, sizeof *frame);
    if (rp->ahead) hpr_ahead_give_back(rp->ahead);
    hpr_replay_leave_below(rp, end->oldest);
    if (rp->number > end->file.number)
        note(rp, HOPPER_GAP_VANISHED); /* the active file was given up before these were written to it */
    while (rp->number <= end->file.number) {
        enum step step;
        hopper_status st;

        if (rp->fd < 0) {
            if ((st = open_file(rp, end, err)) != HOPPER_OK) return st;
            if (rp->fd < 0 && rp->is_brief) return HOPPER_EAGAIN;
            continue;
        }
        look_ahead(rp, end);
        step = step_in_file(rp, end, file_limit(rp, end), seq, frame, &res);
        if (step == STEP_FRAME) return HOPPER_OK;
        if (step == STEP_END) break;
        if (step == STEP_PASSING) return passing_error(res, "read a queue file in", rp, err);
        if (step == STEP_FILE_DONE) {
            if (rp->number == end->file.number) break;
            go_to_file(rp, rp->number + 1);
        }
        if (rp->is_brief) return HOPPER_EAGAIN;
    }
    frame->reason = rp->reason;
    if (end->seq <= end->due_seq) /* else what is due next may be missing for the same reason */
        rp->reason = HOPPER_GAP_NONE;
    return HOPPER_END;
}
