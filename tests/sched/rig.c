/* SPDX-License-Identifier: MIT */
/*
 * See rig.h. A message says who sent it and as which, and its filler is a piece of one fixed text, different for each
 * message, so that it is checked by comparing. Sends are noted with the number of steps taken when they began and ended:
 * that is the real time against which the order of records is judged.
 */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "rig_platform.h"

#define NAME      "q"
#define TEXT_LEN  (2 * RIG_LEN_MAX)
#define NOT_HERE  UINT64_MAX
#define DISK_SLACK 128 /* the footer to come, and the lock file at its largest */

struct head {
    uint32_t sender;
    uint32_t number;
    uint64_t len;
};
_Static_assert(sizeof(struct head) == RIG_LEN_MIN, "a message begins with its head");

struct send {
    uint32_t      sender;
    uint32_t      number;
    uint64_t      begin; /* steps */
    uint64_t      end;
    uint64_t      seq; /* as received, NOT_HERE before that */
    hopper_status status;
};

struct rig rig;

static struct rig_sender senders[RIG_SENDERS_MAX];
static unsigned          sender_count;
static struct send       sends[RIG_SENDS_MAX];
static unsigned          send_count;
static uint64_t          next_seq;
static uint64_t          memory_at_open;   /* memory_bytes_used with one sender */
static uint64_t          memory_of_sender; /* what a clone adds to it */

/* ---- messages ---- */

static const unsigned char *text(void)
{
    static unsigned char bytes[TEXT_LEN];
    static bool is_made;
    uint64_t x = 1;

    for (size_t i = 0; !is_made && i < TEXT_LEN; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (unsigned char)("0123456789abcdef"[x >> 60]);
    }
    is_made = true;
    return bytes;
}

static const unsigned char *filler(uint32_t sender, uint32_t number)
{
    return text() + (sender * 1009 + number * 31) % RIG_LEN_MAX;
}

static void fill_message(struct rig_sender *s, unsigned char *at, size_t len, uint32_t number)
{
    struct head head = { s->id, number, len };

    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, filler(s->id, number), len - sizeof head);
}

static struct send *find_send(uint32_t sender, uint32_t number)
{
    for (unsigned i = 0; i < send_count; i++) {
        if (sends[i].sender == sender && sends[i].number == number)
            return &sends[i];
    }
    return NULL;
}

/* ---- open ---- */

static struct hopper_stats stats_of_sender(hopper_sender *snd)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(snd, &stats) == HOPPER_OK);
    return stats;
}

static void add_sender(hopper_sender *snd)
{
    struct rig_sender *s = &senders[sender_count];

    SCHED_CHECK(sender_count < RIG_SENDERS_MAX);
    s->snd = snd;
    s->id = sender_count++;
    s->next = 0;
    s->is_started = false;
}

void rig_open(const struct rig_options *o)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;
    hopper_status st;

    memset(&rig, 0, sizeof rig);
    rig.event_fd = -1;
    sender_count = 0;
    send_count = 0;
    next_seq = 1;
    options.memory_bytes = o->memory_bytes ? o->memory_bytes : HOPPER_MEMORY_BYTES_MIN;
    options.disk_bytes = o->disk_bytes ? o->disk_bytes : HOPPER_DISK_BYTES_MIN;
    options.file_bytes = o->file_bytes ? o->file_bytes : 16384;
    options.record_bytes_max = o->record_bytes_max;
    options.when_full = o->when_full;
    options.compression = o->compression ? o->compression : HOPPER_COMPRESSION_NONE;
    options.item_type = o->item_type;
    options.platform = rig_platform_new(NAME, options.disk_bytes);
    st = hopper_open(RIG_PLATFORM_DIR, NAME, &options, &rig.first, &rig.rcv, &err);
    if (st != HOPPER_OK)
        sched_fail("hopper_open: %s: %s", hopper_status_name(st), err.op ? err.op : "");
    add_sender(rig.first);
    memory_at_open = stats_of_sender(rig.first).memory_bytes_used;
    for (unsigned i = 0; i < o->senders; i++) {
        hopper_sender *snd;

        SCHED_CHECK(hopper_sender_clone(rig.first, &snd) == HOPPER_OK);
        add_sender(snd);
    }
    if (o->senders > 0)
        memory_of_sender = (stats_of_sender(rig.first).memory_bytes_used - memory_at_open) / o->senders;
}

/* ---- sending ---- */

struct rig_sender *rig_sender(unsigned id)
{
    SCHED_CHECK(id < sender_count);
    return &senders[id];
}

static void *run_sender(void *arg)
{
    struct rig_sender *s = arg;

    s->body(s);
    return NULL;
}

void rig_start(unsigned id, void (*body)(struct rig_sender *self))
{
    struct rig_sender *s = rig_sender(id);

    s->body = body;
    s->is_started = true;
    SCHED_CHECK(pthread_create(&s->thread, NULL, run_sender, s) == 0);
}

void rig_start_all(void (*body)(struct rig_sender *self))
{
    for (unsigned id = 1; id < sender_count; id++)
        rig_start(id, body);
}

static unsigned note_begin(struct rig_sender *s)
{
    SCHED_CHECK(send_count < RIG_SENDS_MAX);
    sends[send_count] = (struct send){ .sender = s->id, .number = s->next++, .begin = sched_step_count(),
                                       .end = UINT64_MAX, .seq = NOT_HERE, .status = HOPPER_OK };
    return send_count++;
}

static void note_end(unsigned index, hopper_status st)
{
    sends[index].end = sched_step_count();
    sends[index].status = st;
    rig.accepted += st == HOPPER_OK;
    if (st != HOPPER_OK && sends[index].seq != NOT_HERE)
        sched_fail("message %u of sender %u was received, but its send returned %s", sends[index].number,
                   sends[index].sender, hopper_status_name(st));
}

hopper_status rig_send(struct rig_sender *s, size_t len, uint64_t deadline_ns)
{
    unsigned index = note_begin(s);
    hopper_status st;

    fill_message(s, s->message, len, sends[index].number);
    st = hopper_send_until(s->snd, s->message, len, deadline_ns);
    note_end(index, st);
    return st;
}

void rig_send_ok(struct rig_sender *s, size_t len)
{
    hopper_status st = rig_send(s, len, HOPPER_FOREVER);

    if (st != HOPPER_OK)
        sched_fail("send: %s", hopper_status_name(st));
}

hopper_status rig_send_batch(struct rig_sender *s, size_t len, size_t count, uint64_t deadline_ns, size_t *acceptedp)
{
    struct iovec vec[RIG_BATCH_MAX];
    unsigned index[RIG_BATCH_MAX];
    hopper_status st;

    SCHED_CHECK(count <= RIG_BATCH_MAX && count * len <= RIG_LEN_MAX);
    for (size_t i = 0; i < count; i++) {
        index[i] = note_begin(s);
        vec[i] = (struct iovec){ s->message + i * len, len };
        fill_message(s, s->message + i * len, len, sends[index[i]].number);
    }
    st = hopper_send_batch(s->snd, vec, count, deadline_ns, acceptedp);
    SCHED_CHECK(*acceptedp <= count && (st == HOPPER_OK) == (*acceptedp == count));
    for (size_t i = 0; i < count; i++)
        note_end(index[i], i < *acceptedp ? HOPPER_OK : st);
    return st;
}

void rig_close_sender(struct rig_sender *s)
{
    hopper_sender *snd = s->snd;

    if (s == &senders[0])
        rig.first = NULL;
    s->snd = NULL;
    hopper_sender_close(snd);
}

void rig_close_first(void)
{
    rig_close_sender(&senders[0]);
}

void rig_fill_ring(void)
{
    unsigned count = 0;

    do {
        rig_send_ok(&senders[0], RIG_RING_LEN);
        count++;
    } while (stats_of_sender(rig.first).overflowed == 0);
    SCHED_CHECK(count > 4);
}

void rig_fill_blocks(size_t len)
{
    uint64_t written = stats_of_sender(rig.first).written_bytes;

    do
        rig_send_ok(&senders[0], len);
    while (stats_of_sender(rig.first).written_bytes == written);
}

/* The refused messages are noted as such; that is what they are. */
void rig_fill_all(size_t least)
{
    size_t len = RIG_RING_LEN;

    rig_fill_ring();
    while (len >= least) {
        hopper_status st = rig_send(&senders[0], len, HOPPER_NOW);

        if (st == HOPPER_EFULL)
            len /= 2;
        else
            SCHED_CHECK(st == HOPPER_OK);
    }
}

/* ---- receiving ---- */

static void take_record(const struct hopper_record *rec)
{
    struct head head;
    struct send *send;

    SCHED_CHECK(rec->data != NULL && rec->len >= sizeof head);
    memcpy(&head, rec->data, sizeof head);
    send = find_send(head.sender, head.number);
    if (send == NULL || rec->len != head.len
        || memcmp((const unsigned char *)rec->data + sizeof head, filler(head.sender, head.number),
                  rec->len - sizeof head) != 0)
        sched_fail("sequence number %llu: %llu bytes that nobody sent", (unsigned long long)rec->seq,
                   (unsigned long long)rec->len);
    if (send->seq != NOT_HERE)
        sched_fail("message %u of sender %u came twice", head.number, head.sender);
    if (send->end != UINT64_MAX && send->status != HOPPER_OK)
        sched_fail("message %u of sender %u came, but its send returned %s", head.number, head.sender,
                   hopper_status_name(send->status));
    send->seq = rec->seq;
    rig.received++;
}

static void take(const struct hopper_record *rec)
{
    if (rec->seq != next_seq)
        sched_fail("sequence number %llu where %llu was due", (unsigned long long)rec->seq,
                   (unsigned long long)next_seq);
    if (rec->gap == HOPPER_GAP_NONE) {
        take_record(rec);
        next_seq++;
        return;
    }
    SCHED_CHECK(rec->data == NULL && rec->lost > 0 && rec->gap < HOPPER_GAP_REASONS);
    rig.lost += rec->lost;
    rig.lost_by[rec->gap] += rec->lost;
    next_seq += rec->lost;
}

hopper_status rig_receive(uint64_t deadline_ns)
{
    struct hopper_record rec;
    hopper_status st = hopper_receive(rig.rcv, &rec, deadline_ns);

    if (st == HOPPER_OK)
        take(&rec);
    rig.is_at_end = st == HOPPER_END;
    return st;
}

hopper_status rig_receive_batch(size_t max, uint64_t deadline_ns)
{
    struct hopper_record recs[RIG_BATCH_MAX];
    size_t count = 99;
    hopper_status st;

    SCHED_CHECK(max <= RIG_BATCH_MAX);
    st = hopper_receive_batch(rig.rcv, recs, max, deadline_ns, &count);
    SCHED_CHECK(count <= max && (st == HOPPER_OK) == (count > 0));
    for (size_t i = 0; i < count; i++)
        take(&recs[i]);
    rig.is_at_end = st == HOPPER_END;
    return st;
}

void rig_receive_all(void)
{
    hopper_status st;

    while ((st = rig_receive(HOPPER_FOREVER)) == HOPPER_OK)
        continue;
    if (st != HOPPER_END)
        sched_fail("receive: %s", hopper_status_name(st));
}

void rig_receive_count(unsigned count)
{
    while (count-- > 0) {
        hopper_status st = rig_receive(HOPPER_FOREVER);

        if (st != HOPPER_OK)
            sched_fail("receive: %s", hopper_status_name(st));
    }
}

void rig_close_receiver(void)
{
    hopper_receiver *rcv = rig.rcv;

    rig.rcv = NULL;
    hopper_receiver_close(rcv);
}

void rig_poll(void)
{
    if (rig.event_fd < 0)
        SCHED_CHECK(hopper_receiver_fd(rig.rcv, &rig.event_fd) == HOPPER_OK);
    rig_platform_poll(rig.event_fd);
}

bool rig_event_is_set(void)
{
    return rig_platform_event_is_set(rig.event_fd);
}

/* ---- the disk ---- */

void rig_allow_faults(unsigned kinds, int error, unsigned count, bool sticky)
{
    rig_platform_allow_faults(kinds, error, count, sticky);
}

void rig_break_device(void)
{
    rig_platform_break_device();
}

void rig_heal(void)
{
    rig_platform_heal();
}

unsigned rig_faults(void)
{
    return rig_platform_faults();
}

/* ---- judging ---- */

static uint64_t gap_sum(const struct hopper_stats *stats)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++)
        sum += stats->gap_records[i];
    return sum;
}

static void check_stats(const struct hopper_stats *stats)
{
    uint64_t parts = stats->acknowledged + stats->pending_memory + stats->pending_disk + gap_sum(stats);

    if (stats->accepted != parts)
        sched_fail("books: accepted %llu, but acknowledged %llu + memory %llu + disk %llu + gaps %llu",
                   (unsigned long long)stats->accepted, (unsigned long long)stats->acknowledged,
                   (unsigned long long)stats->pending_memory, (unsigned long long)stats->pending_disk,
                   (unsigned long long)gap_sum(stats));
    SCHED_CHECK(stats->pending_memory <= stats->accepted && stats->pending_disk <= stats->accepted);
    SCHED_CHECK(stats->memory_bytes_used <= stats->memory_bytes);
    SCHED_CHECK(stats->disk_bytes_used <= stats->disk_bytes);
}

static unsigned sends_under_way(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < send_count; i++)
        count += sends[i].end == UINT64_MAX;
    return count;
}

/* The sum alone proves little, as one part of it may be what the others leave. What the judge knows before the call is the
 * least that the books must say, what it knows afterwards the most. */
void rig_check_books_of(hopper_sender *snd)
{
    const unsigned accepted_least = rig.accepted;
    const uint64_t seen_least = rig.received + rig.lost;
    struct hopper_stats stats = stats_of_sender(snd);

    check_stats(&stats);
    SCHED_CHECK(stats.accepted >= accepted_least && stats.accepted <= rig.accepted + sends_under_way());
    SCHED_CHECK(stats.acknowledged <= rig.received);
    SCHED_CHECK(stats.acknowledged + gap_sum(&stats) + RIG_BATCH_MAX >= seen_least);
    SCHED_CHECK(stats.seq_accepted == stats.accepted && stats.seq_delivered <= stats.seq_accepted);
}

/* A record whose send had ended before another's began has the smaller number. Each sender's own order follows. */
static void check_order(void)
{
    for (unsigned i = 0; i < send_count; i++) {
        for (unsigned k = 0; k < send_count; k++) {
            const struct send *a = &sends[i];
            const struct send *b = &sends[k];
            bool is_own = a->sender == b->sender && a->number < b->number;

            if (a->seq == NOT_HERE || b->seq == NOT_HERE || (!is_own && a->end >= b->begin))
                continue;
            if (a->seq > b->seq)
                sched_fail("message %u of sender %u was sent before message %u of sender %u, but came after it",
                           a->number, a->sender, b->number, b->sender);
        }
    }
}

/* With everything received and acknowledged, the books are those of the judge. */
static void check_final_books(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    uint64_t disk;

    SCHED_CHECK(hopper_receiver_stats(rig.rcv, &stats) == HOPPER_OK);
    check_stats(&stats);
    SCHED_CHECK(stats.accepted == rig.accepted);
    if (!rig.is_at_end)
        return;
    SCHED_CHECK(stats.pending_memory == 0 && stats.pending_disk == 0);
    if (stats.memory_bytes_used != memory_at_open + stats.senders * memory_of_sender - memory_of_sender)
        sched_fail("everything was received, but %llu bytes of memory are in use where %llu were at first",
                   (unsigned long long)stats.memory_bytes_used, (unsigned long long)memory_at_open);
    disk = rig_platform_disk_bytes();
    if (stats.disk_bytes_used < disk || stats.disk_bytes_used > disk + DISK_SLACK)
        sched_fail("everything was received, but the books say %llu bytes on disk where %llu are",
                   (unsigned long long)stats.disk_bytes_used, (unsigned long long)disk);
    SCHED_CHECK(stats.acknowledged == rig.received);
    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++)
        SCHED_CHECK(stats.gap_records[i] == rig.lost_by[i]);
    if (rig.received + rig.lost != rig.accepted)
        sched_fail("%u accepted, but %llu received and %llu lost", rig.accepted, (unsigned long long)rig.received,
                   (unsigned long long)rig.lost);
}

static void join_all(void)
{
    for (unsigned i = 0; i < sender_count; i++) {
        if (senders[i].is_started)
            SCHED_CHECK(pthread_join(senders[i].thread, NULL) == 0);
    }
}

void rig_finish(void)
{
    join_all();
    check_order();
    if (rig.rcv != NULL) {
        check_final_books();
        rig_close_receiver();
    }
    for (unsigned i = 0; i < sender_count; i++) {
        if (senders[i].snd != NULL)
            rig_close_sender(&senders[i]);
    }
    rig_platform_free();
}
