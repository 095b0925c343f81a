/* SPDX-License-Identifier: MIT */
/* See survive.h. */
#include "survive.h"

#include "mem_disk.h"
#include "suite.h"
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX    1024
#define LOCK_BYTES   104 /* and a footer that is promised */
#define RECORD_MAX   (4 << 20)
#define TEXT_STARTS  4099
#define BLOCK_MAX    131072
#define BLOCKS_BYTES (3 * BLOCK_MAX + 4096) /* beside a ring that an earlier run had filled, or the least one */

static unsigned char scratch[RECORD_MAX];

#define surv_require(s, condition, ...)                      \
    do {                                                     \
        if (!(condition)) fail_at(s, __LINE__, __VA_ARGS__); \
    } while (0)

__attribute__((format(printf, 3, 4), noreturn)) static void fail_at(const struct surv *s, int line, const char *fmt,
                                                                    ...)
{
    char what[400];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    ck_abort_msg("survive.c:%d: %s, step %" PRIu64 ": %s (next %" PRIu64 ", received %" PRIu64 ", acknowledged %" PRIu64
                 ", earlier %" PRIu64 ")",
                 line, s->where ? s->where : "test", s->step, what, s->next, s->received, s->acked, s->earlier);
    abort();
}

/* HOPPER_TEST_TRACE=1: each verb on stdout. */
__attribute__((format(printf, 2, 3))) static void trace(const struct surv *s, const char *fmt, ...)
{
    static int is_on = -1;
    va_list args;

    if (is_on < 0) is_on = getenv("HOPPER_TEST_TRACE") != NULL;
    if (!is_on) return;
    va_start(args, fmt);
    printf("%" PRIu64 ": ", s->step);
    (void)vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

/* ---- the model ---- */

static struct surv_fate *fate(struct surv *s, uint64_t seq)
{
    surv_require(s, seq > 0 && seq < s->next, "sequence number %" PRIu64 " was never given", seq);
    return &s->fates[seq];
}

static void note_accepted(struct surv *s, size_t len, bool is_dropped)
{
    if (s->next == s->room) {
        struct surv_fate *fates = mem_must_alloc(2 * s->room * sizeof *fates);

        memcpy(fates, s->fates, s->room * sizeof *fates);
        free(s->fates);
        s->fates = fates;
        s->room *= 2;
    }
    s->fates[s->next++] = (struct surv_fate){ (uint32_t)len, is_dropped };
    s->dropped += is_dropped;
}

static uint64_t dropped_up_to(struct surv *s, uint64_t seq)
{
    uint64_t sum = 0;

    if (s->dropped == 0) return 0;
    for (uint64_t i = 1; i <= seq; i++) sum += s->fates[i].is_dropped;
    return sum;
}

/* Hexadecimal digits, which deflate to about half, from a place of the number's own. */
static const unsigned char *text_of(uint64_t seq)
{
    static unsigned char text[RECORD_MAX + TEXT_STARTS];
    static bool is_made;
    uint64_t x = 1;

    for (size_t i = 0; !is_made && i < sizeof text; i++) {
        x       = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = (unsigned char)"0123456789abcdef"[x >> 60];
    }
    is_made = true;
    return text + seq * 7 % TEXT_STARTS;
}

void surv_fill_bytes(void *buf, uint64_t seq, uint64_t len)
{
    memcpy(buf, text_of(seq), len);
}

static bool is_record(const struct hopper_record *rec)
{
    return memcmp(rec->data, text_of(rec->seq), rec->len) == 0;
}

/* ---- life ---- */

void surv_init_flags(struct surv *s, uint32_t survive, unsigned flags)
{
    const struct mem_platform_options mem_options = { .flags = flags, .random_seed = 1 };
    const struct hopper_options options           = HOPPER_OPTIONS_INIT;

    memset(s, 0, sizeof *s);
    s->mem   = mem_platform_new(&mem_options);
    s->fault = fault_platform_new(mem_platform_table(s->mem));
    require(mem_mkdir(s->mem, SURV_DIR, 0755) == 0, "no " SURV_DIR);
    s->options                  = options;
    s->options.survive          = survive;
    s->options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    s->options.disk_bytes       = 512 << 10;
    s->options.file_bytes       = 64 << 10;
    s->options.record_bytes_max = 16 << 10;
    s->options.when_full        = HOPPER_FULL_REFUSE;
    s->options.compression      = HOPPER_COMPRESSION_NONE;
    s->options.platform         = fault_platform_table(s->fault);
    s->room                     = 64;
    s->fates                    = mem_must_alloc(s->room * sizeof *s->fates);
    s->next                     = 1;
}

void surv_init(struct surv *s, uint32_t survive)
{
    surv_init_flags(s, survive, 0);
}

void surv_free(struct surv *s)
{
    require(!s->snd && !s->rcv, "a handle is still open");
    fault_platform_free(s->fault);
    mem_platform_free(s->mem);
    free(s->fates);
    s->fates = NULL;
}

/* ---- what is on disk ---- */

static char names[NAMES_MAX][256];

static bool is_queue_file(const char *name)
{
    return strlen(name) == 23 && strspn(name, "0123456789") == 20 && strcmp(name + 20, ".hq") == 0;
}

uint64_t surv_queue_files(struct surv *s, uint64_t *bytesp)
{
    int count      = mem_list(s->mem, SURV_PATH, names, NAMES_MAX);
    uint64_t files = 0, bytes = 0;
    char path[300];

    for (int i = 0; i < count; i++) {
        if (!is_queue_file(names[i])) continue;
        snprintf(path, sizeof path, SURV_PATH "/%.255s", names[i]);
        files++;
        bytes += (uint64_t)mem_file_size(s->mem, path);
    }
    if (bytesp) *bytesp = bytes;
    return files;
}

static uint64_t all_bytes(struct surv *s)
{
    int count      = mem_list(s->mem, SURV_PATH, names, NAMES_MAX);
    uint64_t bytes = 0;
    char path[300];

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, SURV_PATH "/%.255s", names[i]);
        bytes += (uint64_t)mem_file_size(s->mem, path);
    }
    return bytes;
}

bool surv_last_file(struct surv *s, char path[300])
{
    int count = mem_list(s->mem, SURV_PATH, names, NAMES_MAX);

    while (count > 0 && !is_queue_file(names[count - 1])) count--;
    if (count > 0) snprintf(path, 300, SURV_PATH "/%.255s", names[count - 1]);
    return count > 0;
}

/* ---- opening ---- */

static uint64_t kept_bytes(const struct surv *s, uint64_t memory_bytes)
{
    return SURV_KEPT + (s->options.survive == HOPPER_SURVIVE_CRASH ? 2 * memory_bytes : 0);
}

/* There is room for it, whatever MEMORY takes: a block, or a record, with headers and the table of numbers. */
static uint64_t largest_frame(const struct hopper_options *o)
{
    const uint64_t record = o->record_bytes_max ? o->record_bytes_max : o->memory_bytes / 4;

    return (record < BLOCK_MAX ? BLOCK_MAX : record) + 8192;
}

/* A budget that is smaller than before is not exceeded further than by what is there already; MEMORY of a killed run is
 * replaced by one that has room for what was in it. */
static uint64_t most_on_disk(struct surv *s, uint64_t budget)
{
    const bool had_more = s->memory_before > s->options.memory_bytes;
    uint64_t queue_bytes, most = all_bytes(s) + LOCK_BYTES, kept;

    surv_queue_files(s, &queue_bytes);
    if (had_more && queue_bytes < largest_frame(&s->options)) queue_bytes = largest_frame(&s->options);
    kept = kept_bytes(s, had_more ? s->memory_before + BLOCK_MAX : s->options.memory_bytes);
    if (most < kept + queue_bytes + LOCK_BYTES) most = kept + queue_bytes + LOCK_BYTES;
    return most < budget ? budget : most;
}

hopper_status surv_try_open(struct surv *s)
{
    struct hopper_options options = s->options;

    trace(s,
          "to open: memory %" PRIu64 ", disk %" PRIu64 ", files %" PRIu64 ", records %" PRIu64
          ", full %u, compression %u, "
          "ack %u, sync %u",
          options.memory_bytes, options.disk_bytes, options.file_bytes, options.record_bytes_max, options.when_full,
          options.compression, options.acknowledge, options.sync);
    options.disk_bytes += kept_bytes(s, options.memory_bytes);
    s->disk_floor = most_on_disk(s, options.disk_bytes);
    mem_watch_dir(s->mem, SURV_PATH, s->disk_floor);
    return hopper_open(SURV_DIR, SURV_NAME, &options, &s->snd, &s->rcv, &s->err);
}

/* What a kill may take: drops by policy that no record followed. */
static void forget_dropped_tail(struct surv *s, uint64_t next)
{
    surv_require(s, next <= s->next && next > s->acked, "the next number is %" PRIu64, next);
    for (; s->next > next; s->next--, s->dropped--)
        surv_require(s, s->was_killed && s->fates[s->next - 1].is_dropped, "%" PRIu64 " was not dropped, and is gone",
                     s->next - 1);
}

static void check_report(struct surv *s, bool is_first)
{
    const struct hopper_recovery *r = &s->report;

    forget_dropped_tail(s, r->seq_next);
    surv_require(s, r->seq_first == s->acked + 1, "recovery begins at %" PRIu64, r->seq_first);
    surv_require(s, r->records == s->next - s->acked - 1, "recovery counts %" PRIu64, r->records);
    surv_require(s, r->memory_lost == 0 && r->state_was_lost == 0 && r->files_foreign == 0 && r->torn_file == 0,
                 "recovery tells of damage");
    surv_require(s, (r->is_new != 0) == is_first, "is_new is %" PRIu64, r->is_new);
    if (!is_first) surv_require(s, (r->was_closed != 0) == !s->was_killed, "was_closed is %" PRIu64, r->was_closed);
}

void surv_open(struct surv *s)
{
    bool is_first                    = !s->has_opened;
    const struct hopper_recovery nil = HOPPER_RECOVERY_INIT;
    hopper_status st                 = surv_try_open(s);
    struct hopper_stats stats;
    char text[512];

    hopper_error_format(&s->err, text, sizeof text);
    surv_require(s, st == HOPPER_OK, "open: %s: %s", hopper_status_name(st), text);
    s->report = nil;
    surv_require(s, hopper_recovery_report(s->rcv, &s->report) == HOPPER_OK, "no report");
    if (!s->is_unjudged) check_report(s, is_first);
    s->received   = s->acked;
    s->earlier    = s->next;
    s->view_count = 0;
    surv_stats(s, &stats);
    s->memory_floor      = stats.memory_bytes_used + BLOCKS_BYTES;
    s->has_other_options = s->options.survive == HOPPER_SURVIVE_CRASH && !is_first &&
                           memcmp(&s->options, &s->options_before, sizeof s->options) != 0;
    s->options_before = s->options;
    s->has_opened     = true;
    s->memory_before =
        stats.memory_bytes_used > s->options.memory_bytes ? stats.memory_bytes_used : s->options.memory_bytes;
    trace(s, "open: first %" PRIu64 ", next %" PRIu64 ", in memory %" PRIu64 ", files %" PRIu64 ", closed %" PRIu64,
          s->report.seq_first, s->report.seq_next, s->report.memory_records, s->report.files, s->report.was_closed);
    surv_books(s);
}

static void close_handles(struct surv *s)
{
    const char *leaks;

    hopper_sender_close(s->snd);
    hopper_receiver_close(s->rcv);
    s->snd        = NULL;
    s->rcv        = NULL;
    s->view_count = 0;
    leaks         = mem_platform_leaks(s->mem);
    surv_require(s, !leaks, "after close: %s", leaks);
    surv_require(s, mem_bad_fds(s->mem) == 0, "a descriptor was used that was not open");
}

void surv_close(struct surv *s)
{
    trace(s, "close");
    surv_check_views(s);
    if (s->options.acknowledge == HOPPER_ACKNOWLEDGE_AUTO) s->acked = s->received;
    close_handles(s);
    surv_require(s, mem_watch_excess(s->mem) == 0, "disk budget exceeded by %" PRIu64, mem_watch_excess(s->mem));
    s->was_killed = false;
}

/* ---- a kill ---- */

struct image_file {
    char path[300];
    void *data;
    size_t len;
    int mode;
};

struct image {
    struct image_file files[NAMES_MAX];
    int count;
};

/* Files that a thread of the channel removes meanwhile are in it or not. */
static void take_image(struct surv *s, struct image *image)
{
    int count = mem_list(s->mem, SURV_PATH, names, NAMES_MAX);

    surv_require(s, count >= 0 && count < NAMES_MAX, "too many files");
    image->count = 0;
    for (int i = 0; i < count; i++) {
        struct image_file *file = &image->files[image->count];

        snprintf(file->path, sizeof file->path, SURV_PATH "/%.255s", names[i]);
        file->mode = mem_mode(s->mem, file->path);
        if (mem_read_file(s->mem, file->path, &file->data, &file->len) == 0) image->count++;
        else surv_require(s, s->options.decompress_threads > 0, "no %s", file->path);
    }
}

static void put_image(struct surv *s, struct image *image)
{
    char path[300];
    int count = mem_list(s->mem, SURV_PATH, names, NAMES_MAX);

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, SURV_PATH "/%.255s", names[i]);
        surv_require(s, mem_remove(s->mem, path) == 0, "cannot remove %s", path);
    }
    for (int i = 0; i < image->count; i++) {
        struct image_file *file = &image->files[i];

        surv_require(s, mem_write_file(s->mem, file->path, file->data, file->len) == 0, "cannot put %s", file->path);
        surv_require(s, mem_chmod(s->mem, file->path, (unsigned)file->mode) == 0, "cannot chmod %s", file->path);
        free(file->data);
    }
}

void surv_kill(struct surv *s)
{
    static struct image image;

    trace(s, "kill");
    surv_check_views(s);
    surv_require(s, mem_watch_excess(s->mem) == 0, "disk budget exceeded by %" PRIu64, mem_watch_excess(s->mem));
    take_image(s, &image);
    fault_disarm(s->fault);
    mem_set_capacity(s->mem, MEM_UNLIMITED);
    mem_watch_dir(s->mem, NULL, 0);
    close_handles(s);
    put_image(s, &image);
    s->was_killed = true;
}

/* All of it comes out, and nothing is left at the next open. */
void surv_finish(struct surv *s)
{
    fault_disarm(s->fault);
    surv_drain(s);
    surv_ack(s);
    surv_close(s);
    surv_open(s);
    surv_require(s, s->report.records == 0, "%" PRIu64 " records come again", s->report.records);
    while (s->options.decompress_threads > 0 && surv_queue_files(s, NULL) > 0) sched_yield(); /* the thread is at it */
    surv_require(s, surv_queue_files(s, NULL) == 0, "files are left");
    surv_close(s);
    surv_free(s);
}

/* ---- sending ---- */

static uint64_t dropped_now(struct surv *s)
{
    struct hopper_stats stats;

    surv_stats(s, &stats);
    return stats.gap_records[HOPPER_GAP_DROPPED_NEWEST];
}

hopper_status surv_send(struct surv *s, size_t len)
{
    bool may_drop   = s->options.when_full == HOPPER_FULL_DROP_NEWEST;
    uint64_t before = may_drop ? dropped_now(s) : 0;
    hopper_status st;

    surv_require(s, len <= RECORD_MAX, "too long for the test");
    surv_fill_bytes(scratch, s->next, len);
    st = hopper_send_until(s->snd, scratch, len, HOPPER_NOW);
    if (st == HOPPER_OK) note_accepted(s, len, may_drop && dropped_now(s) > before);
    trace(s, "send %zu: %s%s", len, hopper_status_name(st), s->fates[s->next - 1].is_dropped ? " (or dropped)" : "");
    if (st != HOPPER_OK) return st;
    surv_require(s, hopper_sender_seq(s->snd) == s->next - 1, "the sender was told number %" PRIu64,
                 hopper_sender_seq(s->snd));
    return st;
}

void surv_send_ok(struct surv *s, size_t len)
{
    hopper_status st = surv_send(s, len);
    char text[512];

    hopper_error_format(hopper_sender_error(s->snd), text, sizeof text);
    surv_require(s, st == HOPPER_OK, "send: %s: %s", hopper_status_name(st), text);
}

/* With HOPPER_FULL_DROP_NEWEST nothing may be dropped of a batch: which it was could not be told. Every other time the
 * records are sent as what they are, side by side. */
hopper_status surv_send_batch(struct surv *s, const size_t *lens, size_t count, size_t *acceptedp)
{
    size_t offsets[SURV_BATCH_MAX + 1] = { 0 };
    struct iovec vec[SURV_BATCH_MAX];
    hopper_status st;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        surv_require(s, i < SURV_BATCH_MAX && at + lens[i] <= RECORD_MAX, "too long for the test");
        offsets[i + 1] = at + lens[i];
        vec[i]         = (struct iovec){ scratch + at, lens[i] };
        surv_fill_bytes(scratch + at, s->next + i, lens[i]);
        at += lens[i];
    }
    st = s->next % 2 ? hopper_send_batch(s->snd, vec, count, HOPPER_NOW, acceptedp)
                     : hopper_send_joined(s->snd, scratch, offsets, count, HOPPER_NOW, acceptedp);
    trace(s, "send %zu at once: %zu %s", count, *acceptedp, hopper_status_name(st));
    surv_require(s, *acceptedp <= count && (st == HOPPER_OK) == (*acceptedp == count),
                 "the batch was not counted right");
    for (size_t i = 0; i < *acceptedp; i++) note_accepted(s, lens[i], false);
    if (*acceptedp > 0)
        surv_require(s, hopper_sender_seq(s->snd) == s->next - 1, "the sender was told number %" PRIu64,
                     hopper_sender_seq(s->snd));
    return st;
}

uint64_t surv_fill(struct surv *s, size_t len)
{
    uint64_t count = 0;

    for (hopper_status st; (st = surv_send(s, len)) != HOPPER_EFULL; count++)
        surv_require(s, st == HOPPER_OK && count < 1000000, "filling: %s", hopper_status_name(st));
    return count;
}

/* ---- receiving ---- */

static void take_one(struct surv *s, const struct hopper_record *rec)
{
    bool is_again = rec->seq < s->earlier;

    surv_require(s, rec->seq == s->received + 1, "number %" PRIu64 " came", rec->seq);
    if (rec->gap != HOPPER_GAP_NONE) {
        surv_require(s, rec->gap == HOPPER_GAP_DROPPED_NEWEST && rec->lost > 0 && !rec->data,
                     "a gap of %" PRIu64 ": %s", rec->lost, hopper_gap_name(rec->gap));
        for (uint64_t i = 0; i < rec->lost; i++)
            surv_require(s, fate(s, rec->seq + i)->is_dropped, "%" PRIu64 " is in a gap and was not dropped",
                         rec->seq + i);
        s->received += rec->lost;
        return;
    }
    surv_require(s, !fate(s, rec->seq)->is_dropped, "%" PRIu64 " was dropped, and came", rec->seq);
    surv_require(s, rec->len == fate(s, rec->seq)->len, "a record of %" PRIu64 " bytes, not %" PRIu32, rec->len,
                 fate(s, rec->seq)->len);
    surv_require(s, is_record(rec), "a record has other bytes");
    surv_require(s, ((rec->flags & HOPPER_RECORD_REDELIVERED) != 0) == is_again, "%" PRIu64 " has flags %" PRIu32,
                 rec->seq, rec->flags);
    s->redelivered += is_again;
    s->received++;
}

hopper_status surv_receive(struct surv *s, size_t max)
{
    hopper_status st;
    size_t count = 0;

    surv_check_views(s);
    if (s->options.acknowledge == HOPPER_ACKNOWLEDGE_AUTO) s->acked = s->received;
    if (max == 1) {
        st    = hopper_receive(s->rcv, s->views, HOPPER_NOW);
        count = st == HOPPER_OK;
    } else {
        st = hopper_receive_batch(s->rcv, s->views, max, HOPPER_NOW, &count);
    }
    trace(s, "receive %zu: %zu from %" PRIu64 " %s", max, count, s->received + 1, hopper_status_name(st));
    surv_require(s, (st == HOPPER_OK) == (count > 0) && count <= max, "%s with %zu", hopper_status_name(st), count);
    s->view_count = count;
    for (size_t i = 0; i < count; i++) take_one(s, &s->views[i]);
    if (st == HOPPER_EAGAIN) surv_require(s, s->received + 1 == s->next, "nothing came, but something waits");
    return st;
}

void surv_take(struct surv *s, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        hopper_status st = surv_receive(s, 1);

        surv_require(s, st == HOPPER_OK, "receive %" PRIu64 " of %" PRIu64 ": %s", i + 1, count,
                     hopper_status_name(st));
    }
}

void surv_drain(struct surv *s)
{
    hopper_status st;

    while ((st = surv_receive(s, SURV_BATCH_MAX)) == HOPPER_OK) surv_books(s);
    surv_require(s, st == HOPPER_EAGAIN, "drained to %s", hopper_status_name(st));
}

void surv_ack(struct surv *s)
{
    surv_check_views(s);
    trace(s, "acknowledge: %" PRIu64, s->received);
    hopper_acknowledge(s->rcv);
    s->acked      = s->received;
    s->view_count = 0;
}

void surv_ack_until(struct surv *s, uint64_t seq)
{
    hopper_status st;

    surv_check_views(s);
    trace(s, "acknowledge until %" PRIu64, seq);
    st = hopper_acknowledge_until(s->rcv, seq);
    surv_require(s, st == HOPPER_OK, "acknowledge until %" PRIu64 ": %s", seq, hopper_status_name(st));
    if (seq > s->acked) s->acked = seq;
    s->view_count = 0;
}

void surv_check_views(struct surv *s)
{
    for (size_t i = 0; i < s->view_count; i++)
        surv_require(s, s->views[i].gap != HOPPER_GAP_NONE || is_record(&s->views[i]), "a view has changed");
}

/* ---- looking ---- */

void surv_stats(struct surv *s, struct hopper_stats *stats)
{
    const struct hopper_stats nil = HOPPER_STATS_INIT;
    hopper_status st;

    *stats = nil;
    st     = s->snd ? hopper_sender_stats(s->snd, stats) : hopper_receiver_stats(s->rcv, stats);
    surv_require(s, st == HOPPER_OK, "no stats: %s", hopper_status_name(st));
}

#define same(s, got, wanted)                                                                            \
    surv_require(s, (got) == (wanted), "books: %s is %" PRIu64 ", not %" PRIu64, #got, (uint64_t)(got), \
                 (uint64_t)(wanted))
#define at_most(s, got, most)                                                                               \
    surv_require(s, (got) <= (most), "books: %s is %" PRIu64 ", more than %" PRIu64, #got, (uint64_t)(got), \
                 (uint64_t)(most))

/* What an earlier run with other options had in MEMORY is kept, also beyond the budget of this one. */
static uint64_t memory_limit(const struct surv *s, const struct hopper_stats *b)
{
    return s->has_other_options && s->memory_floor > b->memory_bytes ? s->memory_floor : b->memory_bytes;
}

void surv_books(struct surv *s)
{
    struct hopper_stats b;
    uint64_t files;

    if (s->is_unjudged) return;
    surv_stats(s, &b);
    files = surv_queue_files(s, NULL);
    same(s, b.accepted, s->next - 1);
    same(s, b.seq_accepted, s->next - 1);
    same(s, b.seq_delivered, s->received);
    same(s, b.seq_acknowledged, s->acked);
    same(s, b.acknowledged, s->acked - dropped_up_to(s, s->acked));
    for (unsigned i = 0; i < HOPPER_GAP_SLOTS; i++)
        same(s, b.gap_records[i], i == HOPPER_GAP_DROPPED_NEWEST ? s->dropped : 0);
    at_most(s, b.pending_memory, b.accepted);
    at_most(s, b.pending_disk, b.accepted);
    if (s->options.survive == HOPPER_SURVIVE_CRASH) at_most(s, b.pending_disk, b.seq_accepted - b.seq_delivered);
    same(s, b.acknowledged + b.pending_memory + b.pending_disk + s->dropped, b.accepted);
    if (s->options.compress_threads == 0) { /* else files are made and written between the two looks */
        if (s->options.decompress_threads == 0) same(s, b.disk_files, files);
        else at_most(s, files, b.disk_files); /* removed between the two looks */
        at_most(s, all_bytes(s), b.disk_bytes_used);
    }
    at_most(s, b.disk_bytes_used, s->disk_floor);
    at_most(s, b.memory_bytes_used, memory_limit(s, &b));
    same(s, mem_watch_excess(s->mem), 0);
}
