/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at random moments, on real files. A child opens the channel, takes what the child before left, then several
 * threads send and it receives and acknowledges; the parent kills it, and starts the next one in the same directory,
 * for many rounds. What each child promised stands in memory that it shares with the parent, so it survives the child
 * as a log on another disk would. Every child first judges what the one before left:
 *   - what was accepted and not acknowledged comes, under the sequence number that its send was told
 *   - nothing acknowledged comes again, nothing comes twice, nothing comes that nobody sent; no gap
 *   - each sender's messages in its order
 *   - of the two senders that are producers and number their messages: what the channel says is the last number is that
 *     of the last message that came, not below one that was accepted; they go on behind it, and send some once more before.
 *     No number comes under two sequence numbers, and none is left out (docs/durability.md, O7)
 * Some children are killed while they do that, some are asked to close in peace.
 *
 *   HOPPER_KILL_ROUNDS=N   rounds of each kind (nightly: 20000)
 *   HOPPER_TEST_SEED=N     the same choices again; when exactly a kill comes is the machine's affair
 */
#include "checker.h"
#include "rng.h"
#include "tmpdir.h"

#include <hopper/hopper.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SENDERS        4
#define SLOTS          (1U << 17) /* more than the channel can hold */
#define SURE           (1U << 16)
#define BATCH          16
#define LEN_MAX        3000
#define FAULT          300
#define NO_MESSAGE     UINT64_MAX
#define IS_NUMBERED(p) ((p) % 2 == 1) /* the senders that are producers; message C has number C + 1 */
#define RESENT_MAX     3

struct slot { /* what is known of a sequence number */
    _Atomic uint64_t seq;
    _Atomic uint64_t message; /* counter * SENDERS + sender */
};

struct place { /* where a numbered message came */
    _Atomic uint64_t number, seq;
};

struct shared {
    struct slot slots[SLOTS];
    struct place places[SENDERS][SURE];   /* [counter % SURE] */
    _Atomic uint64_t came[SENDERS];       /* the highest number that came */
    _Atomic uint64_t told[SENDERS];       /* the highest whose send returned HOPPER_OK */
    _Atomic uint64_t resent;              /* sends of numbers that the channel knew */
    _Atomic uint64_t begun[SENDERS];      /* messages whose send was called */
    _Atomic uint64_t sure[SENDERS][SURE]; /* [counter % SURE]: counter + 1 of a message that was accepted */
    _Atomic uint64_t acked, acking;       /* by calls that returned, and by one that may not have */
    _Atomic uint64_t accepted;            /* sends, for the report */
    _Atomic uint32_t ready;               /* this child has judged what it found */
    _Atomic uint32_t stop;                /* this child is to close */
    uint64_t redelivered, unknown;        /* of the latter nobody knew whether they were accepted */
    uint64_t judged, closed;
    uint32_t was_closed;
    char fault[FAULT];
};

static struct shared *shared;

__attribute__((format(printf, 1, 2))) static bool blame(const char *format, ...)
{
    va_list args;

    if (shared->fault[0]) return false;
    va_start(args, format);
    vsnprintf(shared->fault, FAULT, format, args);
    va_end(args);
    return false;
}

/* ---- the child: senders ---- */

struct sender {
    hopper_sender *snd;
    unsigned number;
    uint64_t next; /* of a producer: the counter that is sent next, */
    uint64_t last; /* and the last number that the channel knows from earlier children */
    uint64_t seed;
    pthread_t thread;
};

static void note(uint64_t seq, uint64_t message)
{
    struct slot *slot = &shared->slots[seq % SLOTS]; /* the receiver may note the same before its sender comes to it */

    atomic_store(&slot->message, message);
    atomic_store(&slot->seq, seq);
}

/* COUNT messages of sender P from counter C on were accepted, the last one as SEQ. */
static void note_accepted(unsigned p, uint64_t c, size_t count, uint64_t seq)
{
    for (size_t i = 0; i < count; i++) atomic_store(&shared->sure[p][(c + i) % SURE], c + i + 1);
    note(seq, (c + count - 1) * SENDERS + p); /* of the others: others' messages may stand between them */
    atomic_fetch_add(&shared->accepted, count);
}

/* One message, or a few at once. */
static hopper_status send_some(struct sender *sender, struct rng *rng, unsigned char (*messages)[LEN_MAX])
{
    const unsigned p   = sender->number;
    const size_t count = rng_below(rng, 4) > 0 ? 1 : (size_t)rng_between(rng, 2, BATCH);
    const uint64_t c   = atomic_load(&shared->begun[p]);
    struct iovec records[BATCH];
    size_t taken = 0;
    hopper_status st;

    for (size_t i = 0; i < count; i++) {
        const size_t len = (size_t)rng_between(rng, CHECKER_LEN_MIN, rng_below(rng, 8) > 0 ? 200 : (uint64_t)LEN_MAX);

        checker_fill(messages[i], len, p, c + i);
        records[i] = (struct iovec){ messages[i], len };
    }
    atomic_store(&shared->begun[p], c + count);
    if (count == 1) {
        st    = hopper_send_until(sender->snd, messages[0], records[0].iov_len, hopper_after_ms(20));
        taken = st == HOPPER_OK;
    } else {
        st = hopper_send_batch(sender->snd, records, count, hopper_after_ms(20), &taken);
    }
    if (taken > 0) note_accepted(p, c, taken, hopper_sender_seq(sender->snd));
    return st;
}

/* The next number; the first ones of a child are numbers that the channel knows, and does not store again. */
static hopper_status send_numbered(struct sender *sender, struct rng *rng, unsigned char *message)
{
    const unsigned p      = sender->number;
    const size_t len      = (size_t)rng_between(rng, CHECKER_LEN_MIN, 200);
    const uint64_t c      = sender->next;
    const uint64_t before = hopper_sender_seq(sender->snd);
    hopper_status st;

    checker_fill(message, len, p, c);
    if (atomic_load(&shared->begun[p]) <= c) atomic_store(&shared->begun[p], c + 1);
    st = hopper_send_numbered(sender->snd, c + 1, message, len, hopper_after_ms(20));
    if (st != HOPPER_OK) return st;
    sender->next++;
    if (c < sender->last) {
        if (hopper_sender_seq(sender->snd) != before) blame("number %" PRIu64 " of %u was stored again", c + 1, p);
        atomic_fetch_add(&shared->resent, 1);
        return st;
    }
    atomic_store(&shared->told[p], c + 1);
    note_accepted(p, c, 1, hopper_sender_seq(sender->snd));
    return st;
}

/* Before anything is sent: does the channel know of the producer what it has to? */
static bool become_producer(struct sender *sender)
{
    const unsigned p       = sender->number;
    const hopper_status st = hopper_sender_set_producer(sender->snd, p + 1, &sender->last);

    if (st != HOPPER_OK) return blame("producer %u: %s", p, hopper_status_name(st));
    if (sender->last < atomic_load(&shared->told[p]))
        return blame("producer %u is told %" PRIu64 ", and %" PRIu64 " was accepted", p, sender->last,
                     atomic_load(&shared->told[p]));
    if (sender->last != atomic_load(&shared->came[p]))
        return blame("producer %u is told %" PRIu64 ", and %" PRIu64 " is the last that came", p, sender->last,
                     atomic_load(&shared->came[p]));
    sender->next = sender->last > RESENT_MAX ? sender->last - RESENT_MAX : 0;
    return true;
}

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    struct rng rng        = { sender->seed };
    unsigned char messages[BATCH][LEN_MAX];
    hopper_status st = HOPPER_OK;

    while (!atomic_load(&shared->stop) && (st == HOPPER_OK || st == HOPPER_EFULL))
        st = IS_NUMBERED(sender->number) ? send_numbered(sender, &rng, messages[0]) : send_some(sender, &rng, messages);
    if (st != HOPPER_OK && st != HOPPER_EFULL && st != HOPPER_ECLOSED)
        blame("sender %u: %s: errno %d, %s", sender->number, hopper_status_name(st),
              hopper_sender_error(sender->snd)->sys_errno, hopper_sender_error(sender->snd)->op);
    hopper_sender_close(sender->snd);
    return NULL;
}

/* ---- the child: the receiver ---- */

struct taking {
    uint64_t next_seq;
    uint64_t next[SENDERS]; /* the smallest counter that may come */
};

/* Message C of producer P has come as SEQ. */
static bool take_number(unsigned p, uint64_t c, uint64_t seq)
{
    struct place *place = &shared->places[p][c % SURE];

    if (atomic_load(&place->number) == c + 1 && atomic_load(&place->seq) != seq)
        return blame("number %" PRIu64 " of %u comes as %" PRIu64 " and as %" PRIu64, c + 1, p, seq,
                     atomic_load(&place->seq));
    if (c > atomic_load(&shared->came[p]))
        return blame("number %" PRIu64 " of %u comes as %" PRIu64 ", %" PRIu64 " never did", c + 1, p, seq, c);
    atomic_store(&place->seq, seq);
    atomic_store(&place->number, c + 1);
    if (c == atomic_load(&shared->came[p])) atomic_store(&shared->came[p], c + 1);
    return true;
}

static bool take(struct taking *taking, const struct hopper_record *rec, bool is_old)
{
    const struct slot *slot = &shared->slots[rec->seq % SLOTS];
    const bool is_told      = atomic_load(&slot->seq) == rec->seq; /* first: its message was noted before it */
    const uint64_t told     = atomic_load(&slot->message);
    unsigned p              = 0;
    uint64_t c              = 0;

    if (rec->gap)
        return blame("seq %" PRIu64 ": a gap of %" PRIu64 ", %s", rec->seq, rec->lost, hopper_gap_name(rec->gap));
    if (taking->next_seq != 0 && rec->seq != taking->next_seq)
        return blame("seq %" PRIu64 " where %" PRIu64 " was due", rec->seq, taking->next_seq);
    if (rec->seq <= atomic_load(&shared->acked))
        return blame("seq %" PRIu64 " comes again, acknowledged to %" PRIu64, rec->seq, atomic_load(&shared->acked));
    if (!checker_read(rec->data, rec->len, &p, &c) || p >= SENDERS || c >= atomic_load(&shared->begun[p]))
        return blame("seq %" PRIu64 ": %" PRIu64 " bytes that nobody sent", rec->seq, rec->len);
    if (c < taking->next[p])
        return blame("seq %" PRIu64 ": message %" PRIu64 " of sender %u after %" PRIu64, rec->seq, c, p,
                     taking->next[p] - 1);
    if (is_told && told != c * SENDERS + p)
        return blame("seq %" PRIu64 " was told to message %" PRIu64 " of sender %" PRIu64 ", %" PRIu64 " of %u comes",
                     rec->seq, told / SENDERS, told % SENDERS, c, p);
    if (is_old != ((rec->flags & HOPPER_RECORD_REDELIVERED) != 0))
        return blame("seq %" PRIu64 ": old %d, flags %u", rec->seq, is_old, rec->flags);
    for (uint64_t i = taking->next[p]; i < c && taking->next[p] > 0; i++)
        if (atomic_load(&shared->sure[p][i % SURE]) == i + 1)
            return blame("seq %" PRIu64 ": message %" PRIu64 " of sender %u comes, %" PRIu64 " was accepted before it",
                         rec->seq, c, p, i);
    if (IS_NUMBERED(p) && !take_number(p, c, rec->seq)) return false;
    taking->next_seq = rec->seq + 1;
    taking->next[p]  = c + 1;
    shared->redelivered += is_old;
    if (atomic_load(&slot->seq) == rec->seq) return true;
    shared->unknown += is_old;
    note(rec->seq, c * SENDERS + p); /* its send has not returned, but from now on it is known */
    return true;
}

/* What was accepted and neither acknowledged nor taken between FIRST and NEXT is lost. */
static bool nothing_is_missing(uint64_t first, uint64_t next)
{
    const uint64_t acking = atomic_load(&shared->acking);

    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t seq = atomic_load(&shared->slots[i].seq);

        if (seq <= acking || (seq >= first && seq < next)) continue;
        return blame("seq %" PRIu64 " was accepted and is missing; came: %" PRIu64 " to %" PRIu64
                     ", acknowledged: %" PRIu64,
                     seq, first, next - 1, acking);
    }
    return true;
}

static bool acknowledge(hopper_receiver *rcv, uint64_t seq)
{
    if (seq <= atomic_load(&shared->acking)) return true;
    atomic_store(&shared->acking, seq);
    if (hopper_acknowledge_until(rcv, seq) != HOPPER_OK) return blame("acknowledge %" PRIu64 " failed", seq);
    atomic_store(&shared->acked, seq);
    return true;
}

/* All that was there at open, judged. Some of it may be acknowledged on the way. */
static bool take_old(hopper_receiver *rcv, struct taking *taking, struct rng *rng)
{
    struct hopper_recovery report = HOPPER_RECOVERY_INIT;
    struct hopper_record rec;

    if (hopper_recovery_report(rcv, &report) != HOPPER_OK) return blame("no report");
    if (shared->was_closed && !report.was_closed) return blame("closed in peace, and found otherwise");
    if (report.seq_first <= atomic_load(&shared->acked) || report.seq_first > atomic_load(&shared->acking) + 1)
        return blame("begins at %" PRIu64 ", acknowledged %" PRIu64 " or %" PRIu64, report.seq_first,
                     atomic_load(&shared->acked), atomic_load(&shared->acking));
    atomic_store(&shared->acked, report.seq_first - 1);
    atomic_store(&shared->acking, report.seq_first - 1);
    taking->next_seq = report.seq_first;
    while (taking->next_seq < report.seq_next) {
        hopper_status st = hopper_receive(rcv, &rec, HOPPER_NOW);

        if (st != HOPPER_OK)
            return blame("%s at %" PRIu64 ", due to %" PRIu64, hopper_status_name(st), taking->next_seq,
                         report.seq_next);
        if (!take(taking, &rec, true)) return false;
        if (rng_below(rng, 64) == 0 && !acknowledge(rcv, rec.seq)) return false;
    }
    if (!nothing_is_missing(report.seq_first, report.seq_next)) return false;
    shared->judged++;
    return true;
}

static bool receive_all(hopper_receiver *rcv, struct taking *taking, struct rng *rng)
{
    const uint64_t pace = rng_below(rng, 4); /* 0: as if it had died; else the slower the lower */
    struct hopper_record recs[BATCH];
    hopper_status st;
    size_t count;

    do {
        if (pace == 0 && !atomic_load(&shared->stop)) {
            const struct timespec ms = { 0, 1000000 };

            nanosleep(&ms, NULL);
            st = HOPPER_EAGAIN;
            continue;
        }
        st = hopper_receive_batch(rcv, recs, (size_t)rng_between(rng, 1, BATCH), hopper_after_ms(2), &count);
        for (size_t i = 0; i < count; i++)
            if (!take(taking, &recs[i], false)) return false;
        if (count > 0 && rng_below(rng, pace + 1) > 0 && !acknowledge(rcv, recs[rng_below(rng, count)].seq))
            return false;
        if (atomic_load(&shared->stop) && rng_below(rng, 4) == 0) break;
    } while (st == HOPPER_OK || st == HOPPER_EAGAIN);
    return st == HOPPER_OK || st == HOPPER_EAGAIN || st == HOPPER_END || blame("receive: %s", hopper_status_name(st));
}

static unsigned start_senders(hopper_sender *snd, struct sender *senders, struct rng *rng)
{
    unsigned started = 0;

    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .number = i, .seed = rng_next(rng) };
        if (hopper_sender_clone(snd, &senders[i].snd) != HOPPER_OK) return blame("no sender %u", i);
        if (IS_NUMBERED(i) && !become_producer(&senders[i])) return 0;
    }
    while (started < SENDERS && pthread_create(&senders[started].thread, NULL, send_all, &senders[started]) == 0)
        started++;
    return started;
}

static void child(const char *dir, const struct hopper_options *options, uint64_t seed)
{
    struct rng rng       = { seed };
    struct taking taking = { .next_seq = 0 };
    struct sender senders[SENDERS];
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err;
    char text[200];
    unsigned started = 0;

    if (hopper_open(dir, "q", options, &snd, &rcv, &err) != HOPPER_OK) {
        hopper_error_format(&err, text, sizeof text);
        blame("open: %s", text);
        _exit(1);
    }
    if (take_old(rcv, &taking, &rng)) {
        atomic_store(&shared->ready, 1);
        started = start_senders(snd, senders, &rng);
        if (started > 0) (void)receive_all(rcv, &taking, &rng);
        for (unsigned i = 0; i < started; i++) {
            while (atomic_load(&shared->stop) == 0 && !shared->fault[0]) sched_yield();
            atomic_store(&shared->stop, 1);
            pthread_join(senders[i].thread, NULL);
        }
    }
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    _exit(shared->fault[0] ? 1 : 0);
}

/* ---- the parent ---- */

static void sleep_us(uint64_t us)
{
    const struct timespec ts = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

    nanosleep(&ts, NULL);
}

/* One child, to its end. What the parent waits for is the child's own word, or a random time: when the kill comes is
 * the one thing here that must not be known. */
static bool run_round(const char *dir, const struct hopper_options *options, struct rng *rng)
{
    const bool in_peace = rng_below(rng, 12) == 0, early = rng_below(rng, 6) == 0;
    int status = 0;
    pid_t pid;

    atomic_store(&shared->ready, 0);
    atomic_store(&shared->stop, 0);
    if ((pid = fork()) == 0) child(dir, options, rng_next(rng));
    (void)rng_next(rng);
    while (!early && !atomic_load(&shared->ready) && waitpid(pid, &status, WNOHANG) == 0) sleep_us(100);
    sleep_us(rng_below(rng, rng_below(rng, 8) == 0 ? 20000 : 3000));
    if (in_peace) atomic_store(&shared->stop, 1);
    else kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) == pid && !in_peace && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        shared->was_closed = 0;
        return shared->fault[0] == '\0';
    }
    if (shared->fault[0]) return false;
    if (!in_peace && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return blame("the child ended with status 0x%x", (unsigned)status);
    if (in_peace && status != 0) return blame("closing, the child ended with status 0x%x", (unsigned)status);
    shared->was_closed = 1;
    shared->closed++;
    return true;
}

static bool run_rounds(const char *what, const struct hopper_options *options, uint64_t rounds, uint64_t seed)
{
    char *dir      = tmpdir_new();
    struct rng rng = { seed };
    uint64_t done  = 0;
    bool is_well   = true;

    memset(shared, 0, sizeof *shared);
    while (is_well && done < rounds) {
        is_well = run_round(dir, options, &rng);
        done++;
    }
    printf("test_kill: %s: %" PRIu64 " rounds (%" PRIu64 " closed in peace), %" PRIu64 " judged, %" PRIu64
           " records accepted, %" PRIu64 " came again, %" PRIu64 " of them not known to their senders; %" PRIu64
           " numbers sent again\n",
           what, done, shared->closed, shared->judged, atomic_load(&shared->accepted), shared->redelivered,
           shared->unknown, atomic_load(&shared->resent));
    if (!is_well) printf("test_kill: FAIL: %s, round %" PRIu64 ": %s\n", what, done, shared->fault);
    fflush(stdout); /* what is left in it, each child of the next rounds would say again */
    if (is_well || !getenv("HOPPER_KILL_KEEP")) tmpdir_remove(dir);
    else printf("test_kill: files are in %s\n", dir);
    return is_well;
}

/* HOPPER_KILL_ONLY is the key of one. */
static const struct {
    const char *key, *what;
    uint32_t survive, sync, compress_threads, decompress_threads;
    uint64_t memory_bytes, disk_bytes;
    unsigned share; /* of the rounds */
} ways[] = {
    { "crash", "CRASH", HOPPER_SURVIVE_CRASH, 0, 0, 0, HOPPER_MEMORY_BYTES_MIN_SURVIVE, 2 << 20, 1 },
    { "thread", "CRASH, with a thread that compresses", HOPPER_SURVIVE_CRASH, 0, 1, 0, HOPPER_MEMORY_BYTES_MIN_SURVIVE,
      2 << 20, 2 },
    { "threads", "CRASH, with a thread each way", HOPPER_SURVIVE_CRASH, 0, 1, 1, 1 << 20, 6 << 20, 3 },
    { "power", "POWER_LOSS", HOPPER_SURVIVE_POWER_LOSS, 0, 0, 0, HOPPER_MEMORY_BYTES_MIN_SURVIVE, 2 << 20, 1 },
    { "demand", "POWER_LOSS, synced on demand", HOPPER_SURVIVE_POWER_LOSS, HOPPER_SYNC_DEMAND, 0, 0,
      HOPPER_MEMORY_BYTES_MIN_SURVIVE, 2 << 20, 2 },
    { "ahead", "POWER_LOSS, with a thread that reads ahead", HOPPER_SURVIVE_POWER_LOSS, HOPPER_SYNC_DEMAND, 0, 1,
      1 << 20, 2 << 20, 3 },
};
#define WAYS (sizeof ways / sizeof *ways)

int main(void)
{
    const uint64_t rounds = env_number("HOPPER_KILL_ROUNDS", 150);
    const char *only      = getenv("HOPPER_KILL_ONLY");
    uint64_t seed;
    int failed = 0;

    seed   = rng_seed("test_kill");
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 99;
    for (size_t i = 0; i < WAYS; i++) {
        struct hopper_options options = HOPPER_OPTIONS_INIT;

        options.memory_bytes       = ways[i].memory_bytes;
        options.disk_bytes         = ways[i].disk_bytes;
        options.file_bytes         = 64 << 10;
        options.acknowledge        = HOPPER_ACKNOWLEDGE_EXPLICIT;
        options.survive            = ways[i].survive;
        options.sync               = ways[i].sync;
        options.compress_threads   = ways[i].compress_threads;
        options.decompress_threads = ways[i].decompress_threads;
        if (!only || strcmp(only, ways[i].key) == 0)
            failed += !run_rounds(ways[i].what, &options, rounds / ways[i].share, seed + i);
    }
    return failed > 0;
}
