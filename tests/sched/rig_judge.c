/* SPDX-License-Identifier: MIT */
/*
 * See rig_judge.h. A message says who sent it and as which, and its filler is a piece of one fixed text, different for
 * each message, so that it is checked by comparing. Sends are noted with the number of steps taken when they began and
 * ended: that is the real time against which the order of records is judged.
 */
#include "rig_judge.h"

#include <string.h>

#include "rig_platform.h"

#define TEXT_LEN   (2 * RIG_LEN_MAX)
#define NOT_HERE   UINT64_MAX
#define DISK_SLACK 128 /* the footer to come, and the lock file at its largest */

struct head {
    uint32_t sender;
    uint32_t number;
    uint64_t len;
};
_Static_assert(sizeof(struct head) == RIG_LEN_MIN, "a message begins with its head");

struct send {
    uint32_t sender;
    uint32_t number;
    uint64_t begin; /* steps */
    uint64_t end;
    uint64_t seq; /* as received, NOT_HERE before that */
    hopper_status status;
};

static struct send sends[RIG_SENDS_MAX];
static unsigned send_count;
static uint64_t next_seq;
static struct hopper_record held[RIG_BATCH_MAX]; /* the views that are still valid */
static size_t held_count;

void judge_start(void)
{
    send_count = 0;
    next_seq   = 1;
    held_count = 0;
}

/* ---- messages ---- */

static const unsigned char *text(void)
{
    static unsigned char bytes[TEXT_LEN];
    static bool is_made;
    uint64_t x = 1;

    for (size_t i = 0; !is_made && i < TEXT_LEN; i++) {
        x        = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (unsigned char)("0123456789abcdef"[x >> 60]);
    }
    is_made = true;
    return bytes;
}

static const unsigned char *filler(uint32_t sender, uint32_t number)
{
    return text() + (sender * 1009 + number * 31) % RIG_LEN_MAX;
}

static void fill_message(unsigned char *at, size_t len, uint32_t sender, uint32_t number)
{
    struct head head = { sender, number, len };

    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, filler(sender, number), len - sizeof head);
}

static struct send *find_send(uint32_t sender, uint32_t number)
{
    for (unsigned i = 0; i < send_count; i++) {
        if (sends[i].sender == sender && sends[i].number == number) return &sends[i];
    }
    return NULL;
}

/* ---- sends ---- */

unsigned judge_send_begins(struct rig_sender *s, unsigned char *at, size_t len)
{
    SCHED_CHECK(send_count < RIG_SENDS_MAX);
    fill_message(at, len, s->id, s->next);
    sends[send_count] = (struct send){ .sender = s->id,
                                       .number = s->next++,
                                       .begin  = sched_step_count(),
                                       .end    = UINT64_MAX,
                                       .seq    = NOT_HERE,
                                       .status = HOPPER_OK };
    return send_count++;
}

void judge_send_ends(unsigned index, hopper_status st)
{
    sends[index].end    = sched_step_count();
    sends[index].status = st;
    rig.accepted += st == HOPPER_OK;
    if (st != HOPPER_OK && sends[index].seq != NOT_HERE)
        sched_fail("message %u of sender %u was received, but its send returned %s", sends[index].number,
                   sends[index].sender, hopper_status_name(st));
}

/* ---- records ---- */

static bool is_whole(const struct hopper_record *rec, const struct head *head)
{
    return rec->len == head->len && memcmp((const unsigned char *)rec->data + sizeof *head,
                                           filler(head->sender, head->number), rec->len - sizeof *head) == 0;
}

static void take_record(const struct hopper_record *rec)
{
    struct head head;
    struct send *send;

    SCHED_CHECK(rec->data != NULL && rec->len >= sizeof head);
    memcpy(&head, rec->data, sizeof head);
    send = find_send(head.sender, head.number);
    if (send == NULL || !is_whole(rec, &head))
        sched_fail("sequence number %llu: %llu bytes that nobody sent", (unsigned long long)rec->seq,
                   (unsigned long long)rec->len);
    if (send->seq != NOT_HERE) sched_fail("message %u of sender %u came twice", head.number, head.sender);
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

void judge_take(const struct hopper_record *recs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        take(&recs[i]);
        held[i] = recs[i];
    }
    held_count = count;
}

void judge_views_end(void)
{
    for (size_t i = 0; i < held_count; i++) {
        struct head head;

        if (held[i].data == NULL) continue;
        memcpy(&head, held[i].data, sizeof head);
        if (find_send(head.sender, head.number) == NULL || !is_whole(&held[i], &head))
            sched_fail("sequence number %llu changed while its view was valid", (unsigned long long)held[i].seq);
    }
    held_count = 0;
}

/* ---- order and books ---- */

static uint64_t gap_sum(const struct hopper_stats *stats)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++) sum += stats->gap_records[i];
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

    for (unsigned i = 0; i < send_count; i++) count += sends[i].end == UINT64_MAX;
    return count;
}

/* The sum alone proves little, as one part of it may be what the others leave. What the judge knows before the call is
 * the least that the books must say, what it knows afterwards the most. */
void rig_check_books_of(hopper_sender *snd)
{
    const unsigned accepted_least = rig.accepted;
    const uint64_t seen_least     = rig.received + rig.lost;
    struct hopper_stats stats     = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(snd, &stats) == HOPPER_OK);
    check_stats(&stats);
    SCHED_CHECK(stats.accepted >= accepted_least && stats.accepted <= rig.accepted + sends_under_way());
    SCHED_CHECK(stats.acknowledged <= rig.received);
    SCHED_CHECK(stats.acknowledged + gap_sum(&stats) + RIG_BATCH_MAX >= seen_least);
    SCHED_CHECK(stats.seq_accepted == stats.accepted && stats.seq_delivered <= stats.seq_accepted);
}

/* A record whose send had ended before another's began has the smaller number. Each sender's own order follows. */
void judge_order(void)
{
    for (unsigned i = 0; i < send_count; i++) {
        for (unsigned k = 0; k < send_count; k++) {
            const struct send *a = &sends[i];
            const struct send *b = &sends[k];
            bool is_own          = a->sender == b->sender && a->number < b->number;

            if (a->seq == NOT_HERE || b->seq == NOT_HERE || (!is_own && a->end >= b->begin)) continue;
            if (a->seq > b->seq)
                sched_fail("message %u of sender %u was sent before message %u of sender %u, but came after it",
                           a->number, a->sender, b->number, b->sender);
        }
    }
}

/* With everything received and acknowledged, the books are those of the judge. */
void judge_final_books(uint64_t memory_expected)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    uint64_t disk;

    SCHED_CHECK(hopper_receiver_stats(rig.rcv, &stats) == HOPPER_OK);
    check_stats(&stats);
    SCHED_CHECK(stats.accepted == rig.accepted);
    if (!rig.is_at_end) return;
    SCHED_CHECK(stats.pending_memory == 0 && stats.pending_disk == 0);
    if (stats.memory_bytes_used != memory_expected)
        sched_fail("everything was received, but %llu bytes of memory are in use where %llu were at first",
                   (unsigned long long)stats.memory_bytes_used, (unsigned long long)memory_expected);
    disk = rig_platform_disk_bytes();
    if (stats.disk_bytes_used < disk || stats.disk_bytes_used > disk + rig.room_kept + DISK_SLACK)
        sched_fail("everything was received, but the books say %llu bytes on disk where %llu are",
                   (unsigned long long)stats.disk_bytes_used, (unsigned long long)disk);
    SCHED_CHECK(stats.acknowledged == rig.received);
    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++) SCHED_CHECK(stats.gap_records[i] == rig.lost_by[i]);
    if (rig.received + rig.lost != rig.accepted)
        sched_fail("%u accepted, but %llu received and %llu lost", rig.accepted, (unsigned long long)rig.received,
                   (unsigned long long)rig.lost);
}
