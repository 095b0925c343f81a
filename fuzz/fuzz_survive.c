/* SPDX-License-Identifier: MIT */
/*
 * What a channel that survives finds when it is opened: STATE, MEMORY, MEMORY.spare, PRODUCERS and queue files. The
 * input chooses a real queue (fuzz_base.c), and edits its files: bytes and numbers put anywhere, whole files replaced
 * by bytes of the input, zeroed, cut, grown, removed, copied over each other. Then, if it says so, the checksums that
 * stand in these four and in the headers of queue files are made right, so that the edits get past them; and the
 * machine is started again.
 *
 * Required: the open says yes or why not. An open channel hands everything out and comes to an end, in order, within
 * memory; its report and its books are true; it takes records, numbered ones too, and gives them back; closed and
 * opened again it is closed and empty. Where nothing was edited all records and numbers are there; in a channel of
 * POWER_LOSS, whose queue files were not edited, no record is other than it was, whatever the other files say.
 */
#include "fuzz_base.h"
#include "fuzz_platform.h"

#include "bytes.h"
#include "frame.h"
#include "memory.h"
#include "producers.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull; /* for messages */

enum {
    EDITS_MAX    = 64,
    FILE_MAX     = 1 << 20,
    RECEIVES_MAX = 500000,  /* more, and it does not end */
    CALLS_MAX    = 3000000, /* of the platform */
    HELD_MAX = 4 << 20 /* bytes that the library may ever hold: the budget, and twice what a MEMORY that was kept had */
};

enum { MODE_POWER = 1, MODE_REPAIR = 2, MODE_RESTART = 4, MODE_KILLED = 8 };

struct target {
    struct mem_platform *mem;
    struct fuzz_platform fp;
    uint8_t mode;
    unsigned script;
    uint32_t survive;
    const struct fuzz_base *base;
    struct fuzz_base_file file[FUZZ_BASE_FILES_MAX];
    size_t count;
    int is_edited, queue_is_edited;

    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_recovery report;
    uint64_t next_seq, records, gap_records;
};

/* ---- the files ------------------------------------------------------------------------------------------------- */

static const char *const own_names[] = { "STATE", "MEMORY", "MEMORY.spare", "PRODUCERS" };

static struct fuzz_base_file *find(struct target *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->file[i].name, name) == 0) return &t->file[i];
    if (t->count == FUZZ_BASE_FILES_MAX) return NULL;
    memset(&t->file[t->count], 0, sizeof t->file[0]);
    strcpy(t->file[t->count].name, name);
    return &t->file[t->count++];
}

static int is_queue_file(const struct fuzz_base_file *file)
{
    return strchr(file->name, 'h') != NULL;
}

/* WHICH: 0 to 3 the four, above that queue files, round about. */
static struct fuzz_base_file *choose(struct target *t, unsigned which)
{
    unsigned queue_files = 0;

    if (which < 4) return find(t, own_names[which]);
    for (size_t i = 0; i < t->count; i++) queue_files += is_queue_file(&t->file[i]) != 0;
    if (queue_files == 0) return find(t, own_names[which - 4]);
    which = (which - 4) % queue_files;
    for (size_t i = 0; i < t->count; i++)
        if (is_queue_file(&t->file[i]) && which-- == 0) return &t->file[i];
    return NULL;
}

static void resize(struct fuzz_base_file *file, size_t len)
{
    if (len > FILE_MAX) len = FILE_MAX;
    if (len > file->room || !file->bytes) {
        file->room  = len + 4096;
        file->bytes = realloc(file->bytes, file->room);
        FUZZ_REQUIRE(file->bytes != NULL, "no memory for a file");
    }
    if (len > file->len) memset(file->bytes + file->len, 0, len - file->len);
    file->len = len;
}

static void copy_base(struct target *t)
{
    t->count = t->base->count;
    for (size_t i = 0; i < t->count; i++) {
        const struct fuzz_base_file *from = &t->base->file[i];

        t->file[i]       = *from;
        t->file[i].len   = 0;
        t->file[i].room  = 0;
        t->file[i].bytes = NULL;
        resize(&t->file[i], from->len);
        if (from->len > 0) memcpy(t->file[i].bytes, from->bytes, from->len);
    }
}

/* ---- edits ----------------------------------------------------------------------------------------------------- */

/* Where something may be put: anywhere near the start, or coarsely in all of the file, or near the ring of MEMORY. */
static size_t read_offset(struct fuzz_input *in, const struct fuzz_base_file *file)
{
    const uint8_t how = fuzz_u8(in);
    const uint16_t at = fuzz_u16(in);

    switch (how & 3) {
    case 0: return at % 5120;
    case 1: return (size_t)at * 8;
    case 2: return HPR_MEMORY_HEADER_BYTES + (size_t)at * 8;
    default: return file->len > 0 ? at % file->len : 0;
    }
}

static void put_bytes(struct fuzz_base_file *file, size_t at, const uint8_t *bytes, size_t len)
{
    if (len == 0 || at + len > FILE_MAX) return;
    if (at + len > file->len) resize(file, at + len);
    memcpy(file->bytes + at, bytes, len);
}

/* Offsets of numbers of 8 bytes in each of the four files. */
static const uint16_t fields[4][24] = {
    { 32, 40, 48, 56, 64, 72, 80, 88, 104, 208, 224, 4128, 4136, 4144, 4152, 4160, 4168, 4176, 4184, 4304, 4320 },
    { 48,  56,  64,  72,  80,  88,  96,   256,  264,  272,  280,  320,
      384, 392, 400, 408, 416, 424, 1024, 1032, 1040, 1088, 3072, 3080 },
    { 48, 56, 64, 72, 80, 88, 96, 256, 264, 272, 280, 320, 384, 392, 400, 408, 416, 424, 1024, 1032, 1040, 3072 },
    { 32, 64, 72, 80, 88, 4128, 4160, 4168, 4176, 4184, 12, 4108 },
};

static void edit_field(struct fuzz_input *in, unsigned which, struct fuzz_base_file *file)
{
    const uint8_t field = fuzz_u8(in) % 24, how = fuzz_u8(in);
    const int is_native = which == 1 || which == 2;
    const size_t at     = fields[which][field];
    uint64_t value;

    if (at + 8 > file->len) return;
    if (is_native) memcpy(&value, file->bytes + at, 8);
    else value = hpr_get_u64(file->bytes + at);
    switch (how & 3) {
    case 0: value += (uint64_t)(int64_t)(int8_t)fuzz_u8(in); break;
    case 1: value = fuzz_u16(in); break;
    case 2: value = (UINT64_C(1) << (how >> 2)) - 1 + (uint64_t)(int64_t)(int8_t)fuzz_u8(in); break;
    default: value = fuzz_u32(in) | (uint64_t)fuzz_u32(in) << 32;
    }
    if (is_native) memcpy(file->bytes + at, &value, 8);
    else hpr_put_u64(file->bytes + at, value);
}

static void replace(struct fuzz_input *in, struct fuzz_base_file *file, size_t pages)
{
    size_t len;
    const uint8_t *bytes = fuzz_bytes(in, fuzz_u16(in), &len);

    resize(file, 0);
    put_bytes(file, 0, bytes, len);
    if (pages > 0) resize(file, pages * 4096);
}

static void edit(struct target *t, struct fuzz_input *in)
{
    const uint8_t what          = fuzz_u8(in);
    struct fuzz_base_file *file = choose(t, what & 7), *other;
    size_t at, len;
    const uint8_t *bytes;

    if (!file) return;
    t->is_edited = 1;
    t->queue_is_edited |= is_queue_file(file);
    switch (what >> 3 & 7) {
    case 0:
        at    = read_offset(in, file);
        bytes = fuzz_bytes(in, fuzz_u8(in), &len);
        put_bytes(file, at, bytes, len);
        break;
    case 1:
    case 2:
        if (!is_queue_file(file)) edit_field(in, what & 3, file);
        break;
    case 3: replace(in, file, fuzz_u8(in)); break;
    case 4: resize(file, read_offset(in, file)); break;
    case 5:
        other = choose(t, fuzz_u8(in) & 7);
        if (!other || other == file || !other->bytes) break;
        resize(file, other->len);
        memcpy(file->bytes, other->bytes, other->len);
        break;
    case 6:
        if (file->len > 0) memset(file->bytes, 0, file->len);
        break;
    default:
        free(file->bytes);
        file->bytes = NULL;
        file->len = file->room = 0;
    }
}

/* ---- checksums made right -------------------------------------------------------------------------------------- */

static void repair_slots(struct fuzz_base_file *file, size_t slot_bytes)
{
    for (size_t slot = 0; slot + slot_bytes <= file->len && slot <= 4096; slot += 4096)
        hpr_put_u32(file->bytes + slot + slot_bytes - 4, hpr_crc32(0, file->bytes + slot, slot_bytes - 4));
}

static void repair_file(struct fuzz_base_file *file)
{
    if (!file->bytes) return;
    if (strcmp(file->name, "STATE") == 0) repair_slots(file, HPR_STATE_SLOT_BYTES);
    else if (strcmp(file->name, "PRODUCERS") == 0) repair_slots(file, HPR_PRODUCERS_SLOT_BYTES);
    else if (is_queue_file(file) && file->len >= HPR_FILE_HEADER_BYTES)
        hpr_put_u32(file->bytes + HPR_FILE_HEADER_BYTES - 4, hpr_crc32(0, file->bytes, HPR_FILE_HEADER_BYTES - 4));
    else if (strncmp(file->name, "MEMORY", 6) == 0 && file->len >= HPR_MEMORY_HEADER_BYTES) {
        const uint32_t crc = hpr_crc32(0, file->bytes, offsetof(struct hpr_memory_shape, crc));

        memcpy(file->bytes + offsetof(struct hpr_memory_shape, crc), &crc, sizeof crc);
    }
}

static void put_files(struct target *t)
{
    char path[64];

    mem_platform_reset(t->mem);
    FUZZ_REQUIRE(mem_mkdir(t->mem, "/spool", 0700) == 0 && mem_mkdir(t->mem, "/spool/q", 0700) == 0, "no directory");
    for (size_t i = 0; i < t->count; i++) {
        if ((t->mode & MODE_REPAIR) != 0) repair_file(&t->file[i]);
        if (!t->file[i].bytes) continue;
        strcpy(path, "/spool/q/");
        strcat(path, t->file[i].name);
        FUZZ_REQUIRE(mem_write_file(t->mem, path, t->file[i].bytes, t->file[i].len) == 0, "no file");
    }
    if ((t->mode & MODE_RESTART) != 0) mem_reboot(t->mem);
}

/* ---- what has to hold ------------------------------------------------------------------------------------------ */

static hopper_status open_channel(struct target *t)
{
    struct hopper_options options;
    struct hopper_error err;
    hopper_status st;

    fuzz_base_options(&options, t->survive, t->script);
    options.platform = &t->fp.table;
    st               = hopper_open("/spool", "q", &options, &t->snd, &t->rcv, &err);
    if (st != HOPPER_OK) {
        FUZZ_REQUIRE(st == HOPPER_EMISMATCH || st == HOPPER_EVERSION || st == HOPPER_EIO || st == HOPPER_ENOMEM,
                     "opened with %s, %s, errno %d", hopper_status_name(st), err.op, err.sys_errno);
        FUZZ_REQUIRE(!t->snd && !t->rcv && !mem_platform_leaks(t->mem), "held after an open that failed: %s",
                     mem_platform_leaks(t->mem));
        return st;
    }
    t->report = (struct hopper_recovery)HOPPER_RECOVERY_INIT;
    FUZZ_REQUIRE(hopper_recovery_report(t->rcv, &t->report) == HOPPER_OK, "no report");
    FUZZ_REQUIRE(t->report.seq_first >= 1 && t->report.seq_next >= t->report.seq_first &&
                     t->report.records == t->report.seq_next - t->report.seq_first,
                 "the report: %llu records from %llu to %llu", (ull)t->report.records, (ull)t->report.seq_first,
                 (ull)t->report.seq_next);
    t->next_seq = t->report.seq_first;
    t->records = t->gap_records = 0;
    return st;
}

static void check_record(const struct target *t, const struct hopper_record *rec)
{
    volatile uint8_t sum = 0;
    size_t len;
    const uint8_t *bytes;

    for (uint64_t i = 0; i < rec->len; i++) sum = (uint8_t)(sum + ((const uint8_t *)rec->data)[i]);
    if (t->is_edited && (t->survive != HOPPER_SURVIVE_POWER_LOSS || t->queue_is_edited)) return;
    if ((rec->flags & HOPPER_RECORD_REDELIVERED) == 0) return; /* of this run */
    FUZZ_REQUIRE(rec->seq <= t->base->accepted, "record %llu was never sent", (ull)rec->seq);
    bytes = fuzz_base_record(rec->seq, t->script, &len);
    FUZZ_REQUIRE(rec->len == len && memcmp(rec->data, bytes, len) == 0, "record %llu is not what was sent",
                 (ull)rec->seq);
}

static void drain(struct target *t)
{
    hopper_status st = HOPPER_OK;
    struct hopper_record rec;

    for (unsigned i = 0; (st = hopper_receive(t->rcv, &rec, HOPPER_NOW)) == HOPPER_OK; i++) {
        FUZZ_REQUIRE(i < RECEIVES_MAX, "it does not end");
        FUZZ_REQUIRE(rec.seq == t->next_seq, "%llu comes where %llu is due", (ull)rec.seq, (ull)t->next_seq);
        FUZZ_REQUIRE(((rec.flags & HOPPER_RECORD_REDELIVERED) != 0) == (rec.seq < t->report.seq_next) || rec.gap,
                     "record %llu has flags %u, the first new one is %llu", (ull)rec.seq, rec.flags,
                     (ull)t->report.seq_next);
        if (rec.gap) {
            FUZZ_REQUIRE(rec.gap < HOPPER_GAP_REASONS && rec.lost > 0 && rec.lost <= UINT64_MAX - rec.seq, "gap");
            t->gap_records += rec.lost;
            t->next_seq += rec.lost;
        } else {
            check_record(t, &rec);
            t->records++;
            t->next_seq++;
        }
    }
    FUZZ_REQUIRE(st == HOPPER_EAGAIN, "at the end: %s", hopper_status_name(st));
}

static void check_books(struct target *t)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    struct mem_usage usage;
    uint64_t sum;

    FUZZ_REQUIRE(hopper_sender_stats(t->snd, &stats) == HOPPER_OK, "no books");
    sum = stats.acknowledged + stats.pending_memory + stats.pending_disk;
    for (int i = 0; i < HOPPER_GAP_SLOTS; i++) sum += stats.gap_records[i];
    FUZZ_REQUIRE(sum == stats.accepted, "%llu accepted, %llu acknowledged, %llu and %llu pending, %llu with gaps",
                 (ull)stats.accepted, (ull)stats.acknowledged, (ull)stats.pending_memory, (ull)stats.pending_disk,
                 (ull)sum);
    mem_usage(t->mem, &usage);
    FUZZ_REQUIRE(usage.held_bytes_peak <= HELD_MAX, "held: %llu", (ull)usage.held_bytes_peak);
}

static void check_old(struct target *t)
{
    const uint64_t pending = t->base->accepted - t->base->acknowledged;

    FUZZ_REQUIRE(t->next_seq == t->report.seq_next, "to %llu, the report says %llu", (ull)t->next_seq,
                 (ull)t->report.seq_next);
    if (t->is_edited || (t->survive == HOPPER_SURVIVE_CRASH && t->mode & MODE_RESTART && t->mode & MODE_KILLED)) return;
    FUZZ_REQUIRE(t->records == pending && t->gap_records == 0, "%llu records and %llu in gaps, %llu were there",
                 (ull)t->records, (ull)t->gap_records, (ull)pending);
}

/* A producer goes on: what it knows to be accepted is not stored again. */
static void check_producer(struct target *t, uint64_t id)
{
    uint64_t last    = 0, before;
    hopper_status st = hopper_sender_set_producer(t->snd, id, &last);

    if (st == HOPPER_ENOMEM && t->is_edited) return; /* 64 others */
    FUZZ_REQUIRE(st == HOPPER_OK, "set producer: %s", hopper_status_name(st));
    if (!t->is_edited && !(t->survive == HOPPER_SURVIVE_CRASH && t->mode & MODE_RESTART))
        FUZZ_REQUIRE(last == t->base->number[id - 1], "producer %llu is at %llu, was at %llu", (ull)id, (ull)last,
                     (ull)t->base->number[id - 1]);
    before = hopper_sender_seq(t->snd);
    if (last > 0) {
        st = hopper_send_numbered(t->snd, last, "again", 5, HOPPER_NOW);
        FUZZ_REQUIRE(st == HOPPER_OK && hopper_sender_seq(t->snd) == before, "%llu again: %s", (ull)last,
                     hopper_status_name(st));
    }
    if (last == UINT64_MAX) return;
    st = hopper_send_numbered(t->snd, last + 1, "next", 4, HOPPER_NOW);
    FUZZ_REQUIRE(st == HOPPER_OK || st == HOPPER_EFULL, "the next number: %s", hopper_status_name(st));
}

static void use(struct target *t)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    uint64_t before;

    (void)hopper_sender_stats(t->snd, &stats);
    before = stats.accepted;
    for (int i = 0; i < 3; i++) {
        hopper_status st = hopper_send(t->snd, fuzz_content(7, 5000), i == 1 ? 5000 : 20);

        FUZZ_REQUIRE(st == HOPPER_OK || st == HOPPER_EFULL, "send: %s", hopper_status_name(st));
    }
    check_producer(t, 1);
    check_producer(t, 2);
    (void)hopper_sender_stats(t->snd, &stats);
    t->records = 0;
    drain(t);
    FUZZ_REQUIRE(t->records == stats.accepted - before, "%llu records of %llu come", (ull)t->records,
                 (ull)(stats.accepted - before));
    check_books(t);
    hopper_acknowledge(t->rcv);
    check_books(t);
}

static void close_channel(struct target *t)
{
    hopper_sender_close(t->snd);
    hopper_receiver_close(t->rcv);
    FUZZ_REQUIRE(mem_platform_leaks(t->mem) == NULL, "held after the last close: %s", mem_platform_leaks(t->mem));
}

static void run(struct target *t, uint8_t how)
{
    uint64_t next;

    if (open_channel(t) != HOPPER_OK) {
        FUZZ_REQUIRE(t->is_edited, "a queue that nobody touched is not opened");
        return;
    }
    if ((how & 1) != 0) close_channel(t); /* nothing received: all of it stays */
    if ((how & 1) != 0 && open_channel(t) != HOPPER_OK) FUZZ_REQUIRE(0, "closed at once, and not opened again");
    drain(t);
    check_old(t);
    check_books(t);
    if ((how & 2) != 0) hopper_acknowledge(t->rcv);
    use(t);
    next = t->next_seq;
    close_channel(t);
    if (next >= UINT64_C(1) << 59) return; /* numbers that no channel lives to see */
    FUZZ_REQUIRE(open_channel(t) == HOPPER_OK, "closed, and not opened again");
    FUZZ_REQUIRE(t->report.was_closed && t->report.records == 0 && t->report.seq_next == next,
                 "closed and empty at %llu; found: closed %llu, %llu records, %llu", (ull)next,
                 (ull)t->report.was_closed, (ull)t->report.records, (ull)t->report.seq_next);
    drain(t);
    close_channel(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_platform *mem; /* empty whenever no input is running */
    static struct target t;
    struct fuzz_input in                            = { data, size };
    static const struct mem_platform_options single = { .flags = MEM_SINGLE_THREAD };
    uint8_t how;

    if (!mem) mem = mem_platform_new(&single);
    memset(&t, 0, sizeof t);
    t.mem     = mem;
    t.mode    = fuzz_u8(&in);
    t.script  = t.mode >> 4;
    t.survive = (t.mode & MODE_POWER) != 0 ? HOPPER_SURVIVE_POWER_LOSS : HOPPER_SURVIVE_CRASH;
    t.base    = fuzz_base_get(mem, t.survive, t.script, t.mode & MODE_KILLED);
    how       = fuzz_u8(&in);
    copy_base(&t);
    for (int i = 0; i < EDITS_MAX && in.left > 0; i++) edit(&t, &in);
    put_files(&t);
    fuzz_platform_init(&t.fp, mem_platform_table(mem));
    t.fp.calls_max = CALLS_MAX;
    run(&t, how);
    for (size_t i = 0; i < t.count; i++) free(t.file[i].bytes);
    mem_platform_reset(mem);
    return 0;
}
