/* SPDX-License-Identifier: MIT */
/*
 * Writes the golden directories of queues that survive: `generate_surviving DIR` makes DIR/CASE/ with queue files and
 * STATE for each case, and DIR/README.md. Made from the pure modules of lib/ (frame, state), byte for byte the same
 * everywhere; MEMORY is not among them, as it is in the byte order of the machine and counts in its boot only.
 *
 * All begin as the same queue, of HOPPER_SURVIVE_POWER_LOSS: files 3 to 5, records 11 to 34, 11 and 12 acknowledged,
 * two dropped by policy in between; then a case changes something. `expect` beside the files is what hopper-queue says,
 * and tests/cli/queue_golden.tap compares.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bytes.h"
#include "frame.h"
#include "record.h"
#include "state.h"

#define FILES 4
#define ROOM  8192

static const uint8_t channel_id[16] = "hopper-golden-02";
static const uint8_t other_id[16]   = "hopper-golden-03";

struct file {
    uint64_t number;
    unsigned char data[ROOM];
    size_t len;
    struct hpr_footer sum;
    const uint8_t *id;
};

struct queue {
    struct file files[FILES];
    size_t count;
    unsigned char state[HPR_STATE_FILE_BYTES];
    bool has_state;
    struct hpr_state said; /* in the slot that holds */
    bool has_notes;        /* files of somebody else */
    uint64_t seq;          /* next */
    uint64_t dropped;
    uint64_t records; /* in all files */
    uint64_t stream;
};

static void check(bool is_fine, const char *what)
{
    if (is_fine) return;
    fprintf(stderr, "generate_surviving: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- queue files ---- */

static struct file *begin_file(struct queue *q, uint64_t number)
{
    struct file *f                = &q->files[q->count++];
    struct hpr_file_header header = { .survive       = HOPPER_SURVIVE_POWER_LOSS,
                                      .number        = number,
                                      .first_seq     = q->seq,
                                      .stream_offset = q->stream,
                                      .record_offset = q->records };

    *f = (struct file){ .number = number, .len = HPR_FILE_HEADER_BYTES, .id = channel_id };
    memcpy(header.channel_id, channel_id, sizeof header.channel_id);
    hpr_frame_put_file_header(f->data, &header);
    return f;
}

static struct hpr_frame_place place_in(const struct file *f)
{
    return (struct hpr_frame_place){ f->id, f->number, f->len };
}

/* A frame of RECORDS records from SEQ on, each "record SEQ\n"; NUMBERED: of producer 7. */
static void put_frame(struct queue *q, struct file *f, uint64_t seq, uint32_t records, bool is_numbered)
{
    unsigned char *payload         = f->data + f->len + HPR_FRAME_HEADER_BYTES;
    struct hpr_frame_place place   = place_in(f);
    struct hpr_frame_header header = { .codec         = HPR_CODEC_STORED,
                                       .records       = records,
                                       .first_seq     = seq,
                                       .dropped_total = q->dropped,
                                       .opened_ms     = UINT64_C(1700000000000) + 1000 * seq };
    size_t len                     = 0;

    for (uint32_t i = 0; i < records; i++) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "record %" PRIu64 "\n", seq + i);

        if (is_numbered) {
            payload[len++] = 0xc7;
            payload[len++] = (unsigned char)(bytes + 16);
            payload[len++] = 1;
            hpr_put_u64(payload + len, 7);
            hpr_put_u64(payload + len + 8, 100 + seq + i);
            len += 16;
        } else {
            len += hpr_record_put_header(payload + len, (uint32_t)bytes);
        }
        memcpy(payload + len, text, (size_t)bytes);
        len += (size_t)bytes;
    }
    header.raw_bytes = header.stored_bytes = (uint32_t)len;
    header.payload_crc                     = hpr_crc32(0, payload, len);
    hpr_frame_put_header(f->data + f->len, &header, &place);
    f->len += HPR_FRAME_HEADER_BYTES + len;
    f->sum.records += records;
    f->sum.last_seq = seq + records - 1;
    check(f->len + 1024 < ROOM, "room in a file");
}

static void add_frame(struct queue *q, struct file *f, uint32_t records, bool is_numbered)
{
    put_frame(q, f, q->seq, records, is_numbered);
    q->seq += records;
    q->records += records;
}

static void seal(struct queue *q, struct file *f)
{
    struct hpr_frame_place place = place_in(f);

    hpr_frame_put_footer(f->data + f->len, &f->sum, &place);
    f->len += HPR_FOOTER_BYTES;
    q->stream += f->len;
}

/* ---- STATE ---- */

static void put_state(struct queue *q, uint64_t generation, uint64_t acknowledged, bool is_closed)
{
    struct hpr_state *s = &q->said;

    *s = (struct hpr_state){ .survive       = HOPPER_SURVIVE_POWER_LOSS,
                             .is_closed     = is_closed,
                             .generation    = generation,
                             .passed        = { .seq = acknowledged, .records = acknowledged },
                             .next_seq      = q->seq,
                             .dropped_total = q->dropped };
    memcpy(s->channel_id, channel_id, sizeof s->channel_id);
    hpr_state_put(q->state + generation % HPR_STATE_SLOTS * (HPR_STATE_FILE_BYTES / HPR_STATE_SLOTS), s);
    q->has_state = true;
}

static void make_base(struct queue *q)
{
    struct file *f;

    memset(q, 0, sizeof *q);
    q->seq     = 11;
    q->records = 10;
    q->stream  = 1000;
    f          = begin_file(q, 3);
    add_frame(q, f, 4, false);
    add_frame(q, f, 1, false);
    seal(q, f);
    f = begin_file(q, 4);
    add_frame(q, f, 3, false);
    q->seq += 2; /* dropped newest */
    q->dropped += 2;
    add_frame(q, f, 4, false);
    seal(q, f);
    f = begin_file(q, 5);
    add_frame(q, f, 6, false);
    add_frame(q, f, 4, false);
    put_state(q, 6, 10, false);
    put_state(q, 7, 12, true);
}

/* ---- the cases ---- */

static void valid(struct queue *q)
{
    (void)q;
}
static void valid_numbered(struct queue *q)
{
    add_frame(q, &q->files[2], 3, true);
    put_state(q, 8, 12, true);
}
static void valid_written_again(struct queue *q)
{
    struct file *last = &q->files[2], *f;

    q->stream += last->len;
    f = begin_file(q, 6);                  /* the last frame of file 5, after a sync that failed, and one more */
    hpr_put_u64(f->data + 40, q->seq - 4); /* its first sequence number */
    hpr_put_u32(f->data + 68, hpr_crc32(0, f->data, 68));
    put_frame(q, f, q->seq - 4, 4, false);
    q->records += 4;
    add_frame(q, f, 2, false);
    put_state(q, 8, 12, false);
}
static void torn_tail(struct queue *q)
{
    q->said.is_closed = false;
    q->files[2].len -= 9;
    q->seq -= 4;
    put_state(q, 8, 12, false);
}
static void torn_creation(struct queue *q)
{
    struct file *f = begin_file(q, 6);

    f->len = 30;
}
static void corrupt_payload(struct queue *q)
{
    q->files[1].data[HPR_FILE_HEADER_BYTES + HPR_FRAME_HEADER_BYTES + 5] ^= 0x10;
}
static void corrupt_file_header(struct queue *q)
{
    q->files[1].data[41] ^= 0x10;
}
static void missing_file(struct queue *q)
{
    q->files[1] = q->files[2];
    q->count    = 2;
}
static void missing_records(struct queue *q)
{
    q->count = 2;
}
static void state_torn(struct queue *q)
{
    memset(q->state + 4096 + 300, 0, 212); /* generation 7 */
}
static void state_lost(struct queue *q)
{
    q->state[50] ^= 1;
    q->state[4096 + 50] ^= 1;
}
static void state_missing(struct queue *q)
{
    q->has_state = false;
}
static void future_state(struct queue *q)
{
    hpr_put_u16(q->state + 4096 + 8, HOPPER_FORMAT_VERSION + 1);
    hpr_put_u32(q->state + 4096 + 508, hpr_crc32(0, q->state + 4096, 508));
}
static void future_file(struct queue *q)
{
    hpr_put_u16(q->files[2].data + 8, HOPPER_FORMAT_VERSION + 1);
    hpr_put_u32(q->files[2].data + 68, hpr_crc32(0, q->files[2].data, 68));
}
static void foreign(struct queue *q)
{
    static const char text[] = "This is not a queue file, whatever its name says.\n";
    struct file *f           = &q->files[q->count++];

    q->has_notes = true;
    *f           = (struct file){ .number = 9, .len = sizeof text - 1 };
    memcpy(f->data, text, f->len);
}
static void foreign_channel(struct queue *q)
{
    struct file *f = begin_file(q, 6);

    memcpy(f->data + 16, other_id, sizeof other_id);
    hpr_put_u32(f->data + 68, hpr_crc32(0, f->data, 68));
    f->id = other_id;
    put_frame(q, f, 100, 2, false);
}
static void hostile_state(struct queue *q)
{
    q->said.passed.seq     = UINT64_MAX - 1; /* a right checksum over a position beyond everything */
    q->said.passed.records = UINT64_MAX - 1;
    q->said.next_seq       = UINT64_MAX;
    hpr_state_put(q->state + 4096, &q->said);
}

static const struct golden {
    const char *name;
    void (*change)(struct queue *q);
    const char *proves;
} cases[] = {
    { "valid", valid, "several files, a position, records dropped by policy, closed" },
    { "valid-numbered", valid_numbered, "records of a producer that numbers its own" },
    { "valid-written-again", valid_written_again, "a frame once more in the next file, as after a sync that failed" },
    { "torn-tail", torn_tail, "the last frame is cut off: an incomplete tail, no damage" },
    { "torn-creation", torn_creation, "a last file with the beginning of a header only" },
    { "corrupt-payload", corrupt_payload, "a byte of a payload is wrong: an exact loss" },
    { "corrupt-file-header", corrupt_file_header, "a byte of a file's header is wrong: nothing is lost" },
    { "missing-file", missing_file, "a file between others is gone: an exact loss" },
    { "missing-records", missing_records, "the last file is gone: STATE knows how many records there were" },
    { "state-torn", state_torn, "the newer slot is torn: the older one holds, two more records come again" },
    { "state-lost", state_lost, "no slot is good: everything in files comes again" },
    { "state-missing", state_missing, "no STATE: the same" },
    { "future-state", future_state, "a slot of format version 2: refused" },
    { "future-file", future_file, "a queue file of format version 2: refused" },
    { "foreign", foreign, "a file with the name of a queue file that is none, and others: left alone" },
    { "foreign-channel", foreign_channel, "a queue file of another channel: left alone, its records are not counted" },
    { "hostile-state", hostile_state,
      "a right checksum over a position of 2^64 - 2, which no channel reaches: it does not count" },
};

/* ---- writing ---- */

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *out = fopen(path, "wb");

    check(out && fwrite(data, 1, len, out) == len && fclose(out) == 0, path);
}

static void write_case(const char *dir, const struct golden *c)
{
    static struct queue q;
    char path[1024];

    make_base(&q);
    c->change(&q);
    snprintf(path, sizeof path, "%s/%s", dir, c->name);
    (void)mkdir(path, 0777);
    for (size_t i = 0; i < q.count; i++) {
        snprintf(path, sizeof path, "%s/%s/%020" PRIu64 ".hq", dir, c->name, q.files[i].number);
        write_file(path, q.files[i].data, q.files[i].len);
    }
    snprintf(path, sizeof path, "%s/%s/%s", dir, c->name, HPR_STATE_NAME);
    if (q.has_state) write_file(path, q.state, sizeof q.state);
    snprintf(path, sizeof path, "%s/%s/notes.txt", dir, c->name);
    if (q.has_notes) write_file(path, "mine\n", 5);
}

static void write_readme(const char *dir)
{
    char path[1024];
    FILE *out;

    snprintf(path, sizeof path, "%s/README.md", dir);
    check((out = fopen(path, "wb")) != NULL, path);
    fputs(
        "# Golden directories of queues that survive\n\n"
        "Queue files and `STATE` of format version 1 (docs/format.md), each case a channel's directory. `expect` is what\n"
        "`hopper-queue verify` says and exits with, then its `cat --unacked`; a tool in another language finds the same\n"
        "records, losses and verdict. Written by `tests/golden/generate_surviving tests/golden/surviving`;\n"
        "`make check` writes them anew and compares.\n\n| case | proves |\n|---|---|\n",
        out);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        fprintf(out, "| %s | %s |\n", cases[i].name, cases[i].proves);
    check(fclose(out) == 0, path);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: generate_surviving DIR\n");
        return 2;
    }
    (void)mkdir(argv[1], 0777);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) write_case(argv[1], &cases[i]);
    write_readme(argv[1]);
    return 0;
}
