/* SPDX-License-Identifier: MIT */
/*
 * What a channel costs as the work grows: the same work with more bytes queued, with more queue files, at a greater
 * age, with more senders, and with nothing to do. Each sample is a process of its own, so that its peak memory is its
 * own.
 *
 *     bench-growth [--dir DIR] [--largest GIB] [--samples N]
 *
 * Tables in Markdown go to standard output: medians of N samples (3), least and most in brackets. Time to open is that
 * of a channel that survives a kill, closed and opened again with all of the backlog in it. Payloads compress well (a
 * disk of 100 GB is not needed for 100 GB queued); what the receiver gets is checked: every record counted, in order,
 * with the right length. A check that fails ends it with status 1.
 */
#include <errno.h>
#include <hopper/hopper.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH       64
#define SENDERS_MAX 64
#define MEMORY      (UINT64_C(1) << 20)
#define SAMPLES_MAX 64
#define ROUNDS      60 /* of a channel whose age is looked at */
#define AGES        6  /* that they are divided into */

struct result {
    double in_ns, out_ns; /* for each record */
    double open_ms, first_ms;
    double cpu_ms;
    double round_ns[ROUNDS]; /* for each message */
    uint64_t disk_bytes, files;
};

struct samples {
    double values[SAMPLES_MAX];
    unsigned count;
};

struct work {
    uint64_t records;
    size_t len;
    uint64_t file_bytes;
    uint32_t compression; /* 0: the default */
    uint64_t take;        /* of the records, from the front; then it ends */
};

static char dir[4096];
static struct result *shared;
static unsigned sample_count = 3;

/* ---- small things ---- */

static double now_s(clockid_t clock)
{
    struct timespec ts;

    (void)clock_gettime(clock, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void check(hopper_status st, const char *what, const struct hopper_error *err)
{
    char text[512] = "";

    if (st == HOPPER_OK) return;
    if (err) (void)hopper_error_format(err, text, sizeof text);
    fprintf(stderr, "bench-growth: %s: %s %s\n", what, hopper_status_text(st), text);
    _exit(1);
}

static void remove_channel(void)
{
    char command[sizeof dir + 32];

    (void)snprintf(command, sizeof command, "rm -rf '%s/growth'", dir);
    if (system(command) != 0) exit(1);
}

static void add(struct samples *s, double value)
{
    s->values[s->count++] = value;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median, and the least and most where they are others. */
static void print_cell(struct samples *s, int digits)
{
    const double *v = s->values;
    unsigned last   = s->count - 1;

    qsort(s->values, s->count, sizeof *v, compare);
    printf(" %.*f", digits, (v[last / 2] + v[s->count / 2]) / 2);
    if (v[0] < v[last]) printf(" [%.*f-%.*f]", digits, v[0], digits, v[last]);
    printf(" |");
}

/* Run WORK in a process of its own; its peak memory in KiB. */
static long run(void (*work)(const struct work *), const struct work *with)
{
    struct rusage usage;
    int status = 0;
    pid_t pid;

    memset(shared, 0, sizeof *shared);
    (void)fflush(stdout);
    if ((pid = fork()) < 0) exit(1);
    if (pid == 0) {
        work(with);
        _exit(0);
    }
    if (wait4(pid, &status, 0, &usage) != pid || status != 0) {
        fprintf(stderr, "bench-growth: a run failed\n");
        exit(1);
    }
    return usage.ru_maxrss;
}

/* ---- backlog ---- */

static void open_channel(const struct work *work, unsigned survive, hopper_sender **snd, hopper_receiver **rcv)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;

    options.memory_bytes = MEMORY;
    options.disk_bytes   = UINT64_C(1) << 40;
    options.file_bytes   = work->file_bytes;
    options.compression  = work->compression;
    options.survive      = survive;
    check(hopper_open(dir, "growth", &options, snd, rcv, &err), "open", &err);
}

/* Record N: the number, then what compresses well. */
static void fill(unsigned char *record, size_t len, uint64_t n)
{
    memset(record, 'a' + (int)(n % 26), len);
    memcpy(record, &n, sizeof n);
}

static void send_all(const struct work *work, hopper_sender *snd)
{
    unsigned char *buf = malloc(BATCH * work->len);
    struct iovec records[BATCH];
    uint64_t n = 0;

    if (!buf) _exit(1);
    while (n < work->records) {
        size_t count = work->records - n < BATCH ? (size_t)(work->records - n) : BATCH, sent;

        for (size_t i = 0; i < count; i++) {
            fill(buf + i * work->len, work->len, n + i);
            records[i] = (struct iovec){ buf + i * work->len, work->len };
        }
        check(hopper_send_batch(snd, records, count, HOPPER_FOREVER, &sent), "send", hopper_sender_error(snd));
        n += sent;
    }
    check(hopper_flush(snd), "flush", hopper_sender_error(snd));
    free(buf);
}

static void send_backlog(const struct work *work, hopper_sender *snd)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    double began              = now_s(CLOCK_MONOTONIC);

    send_all(work, snd);
    shared->in_ns = 1e9 * (now_s(CLOCK_MONOTONIC) - began) / (double)work->records;
    check(hopper_sender_stats(snd, &stats), "stats", NULL);
    shared->disk_bytes = stats.disk_bytes_used;
    shared->files      = stats.disk_files;
}

static void take_backlog(const struct work *work, hopper_receiver *rcv)
{
    struct hopper_record records[BATCH];
    const double first = now_s(CLOCK_MONOTONIC);
    uint64_t n         = 0;

    while (n < work->take) {
        size_t count, want = n == 0 ? 1 : BATCH;

        check(hopper_receive_batch(rcv, records, want, HOPPER_NOW, &count), "receive", hopper_receiver_error(rcv));
        for (size_t i = 0; i < count; i++, n++) {
            uint64_t got = UINT64_MAX;

            if (!records[i].gap && records[i].len == work->len) memcpy(&got, records[i].data, sizeof got);
            if (got != n) {
                fprintf(stderr, "bench-growth: record %" PRIu64 " is not what was sent\n", n);
                _exit(1);
            }
        }
        if (n == 1) shared->first_ms = 1e3 * (now_s(CLOCK_MONOTONIC) - first);
    }
    shared->out_ns = 1e9 * (now_s(CLOCK_MONOTONIC) - first) / (double)work->take;
}

/* In and out again; nothing survives. */
static void through(const struct work *work)
{
    hopper_sender *snd;
    hopper_receiver *rcv;

    open_channel(work, HOPPER_SURVIVE_NOTHING, &snd, &rcv);
    send_backlog(work, snd);
    take_backlog(work, rcv);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
}

static void leave(const struct work *work)
{
    hopper_sender *snd;
    hopper_receiver *rcv;

    open_channel(work, HOPPER_SURVIVE_CRASH, &snd, &rcv);
    send_backlog(work, snd);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
}

static void find(const struct work *work)
{
    hopper_sender *snd;
    hopper_receiver *rcv;
    double began = now_s(CLOCK_MONOTONIC);

    open_channel(work, HOPPER_SURVIVE_CRASH, &snd, &rcv);
    shared->open_ms = 1e3 * (now_s(CLOCK_MONOTONIC) - began);
    take_backlog(work, rcv);
}

static void backlog_row(struct work work)
{
    struct samples in = { .count = 0 }, out = in, mib = in, open = in, first = in;
    struct result passed = { .files = 0 };

    for (unsigned i = 0; i < sample_count; i++) {
        remove_channel();
        work.take = work.records;
        add(&mib, (double)run(through, &work) / 1024);
        passed = *shared;
        add(&in, passed.in_ns);
        add(&out, passed.out_ns);
        remove_channel();
        (void)run(leave, &work);
        work.take = 1;
        (void)run(find, &work);
        add(&open, shared->open_ms);
        add(&first, shared->first_ms);
        remove_channel();
    }
    printf("| %.3g | %.3g | %" PRIu64 " |", (double)work.records * (double)work.len / (1 << 30),
           (double)passed.disk_bytes / (1 << 30), passed.files);
    print_cell(&in, 0);
    print_cell(&out, 0);
    print_cell(&mib, 1);
    print_cell(&open, 1);
    print_cell(&first, 2);
    printf("\n");
}

static void backlog_table(const char *title)
{
    printf("\n### %s\n\n| GiB queued | GiB on disk | queue files | ns/record in | ns/record out | MiB peak | ms to "
           "open again | ms to the first record |\n|---|---|---|---|---|---|---|---|\n",
           title);
}

/* ---- in memory: age and senders ---- */

static hopper_sender *senders[SENDERS_MAX];
static uint64_t each;

static void *send_own(void *arg)
{
    hopper_sender *snd = arg;

    for (uint64_t n = 0; n < each; n++) check(hopper_send(snd, &n, sizeof n), "send", hopper_sender_error(snd));
    return NULL;
}

/* COUNT senders send EACH messages of 8 bytes, one by one; ns for each message. */
static double round_of(hopper_receiver *rcv, unsigned count)
{
    struct hopper_record records[BATCH];
    pthread_t threads[SENDERS_MAX];
    double began = now_s(CLOCK_MONOTONIC);
    uint64_t n   = 0;

    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, send_own, senders[i]) != 0) _exit(1);
    while (n < each * count) {
        size_t got;

        check(hopper_receive_batch(rcv, records, BATCH, HOPPER_FOREVER, &got), "receive", NULL);
        n += got;
    }
    for (unsigned i = 0; i < count; i++) (void)pthread_join(threads[i], NULL);
    return 1e9 * (now_s(CLOCK_MONOTONIC) - began) / (double)n;
}

static void open_senders(const struct work *work, unsigned count, hopper_receiver **rcv)
{
    open_channel(work, HOPPER_SURVIVE_NOTHING, &senders[0], rcv);
    for (unsigned i = 1; i < count; i++) check(hopper_sender_clone(senders[0], &senders[i]), "clone", NULL);
}

static void age(const struct work *work)
{
    hopper_receiver *rcv;

    open_senders(work, 4, &rcv);
    each = 1000000 / 4;
    for (unsigned i = 0; i < ROUNDS; i++) shared->round_ns[i] = round_of(rcv, 4);
}

/* The first round warms up. */
static void crowd(const struct work *work)
{
    hopper_receiver *rcv;

    open_senders(work, (unsigned)work->records, &rcv);
    each = 4000000 / work->records;
    for (unsigned i = 0; i <= sample_count; i++) shared->round_ns[i] = round_of(rcv, (unsigned)work->records);
}

static void idle(const struct work *work)
{
    struct hopper_record rec;
    hopper_sender *snd;
    hopper_receiver *rcv;
    double began;

    open_channel(work, HOPPER_SURVIVE_CRASH, &snd, &rcv);
    began = now_s(CLOCK_PROCESS_CPUTIME_ID);
    if (hopper_receive(rcv, &rec, hopper_after_ms(5000)) == HOPPER_OK) _exit(1);
    shared->cpu_ms = 1e3 * (now_s(CLOCK_PROCESS_CPUTIME_ID) - began);
}

/* COUNT rounds from FIRST on. */
static void print_rates(unsigned first, unsigned count)
{
    struct samples rates = { .count = 0 };

    for (unsigned i = first; i < first + count; i++) add(&rates, 1e3 / shared->round_ns[i]);
    print_cell(&rates, 1);
    printf("\n");
}

static void memory_tables(void)
{
    struct work work          = { .file_bytes = 64 << 20 };
    const unsigned at_one_age = ROUNDS / AGES;

    printf("\n### Senders: 8 bytes, one by one, memory_bytes 1 MiB\n\n| senders | M/s |\n|---|---|\n");
    for (work.records = 1; work.records <= SENDERS_MAX; work.records *= 2) {
        (void)run(crowd, &work);
        printf("| %" PRIu64 " |", work.records);
        print_rates(1, sample_count);
    }
    (void)run(age, &work);
    printf("\n### Age: 8 bytes, 4 senders, one by one: ten rounds of a million each\n\n"
           "| millions of messages before | M/s |\n|---|---|\n");
    for (unsigned i = 0; i < AGES; i++) {
        printf("| %u |", i * at_one_age);
        print_rates(i * at_one_age, at_one_age);
    }
    (void)run(idle, &work);
    printf("\n### Idle\n\nA receiver that waits 5 s for a record uses %.2f ms of CPU time.\n", shared->cpu_ms);
    remove_channel();
}

int main(int argc, char **argv)
{
    static const double backlogs[] = { 1.0 / 16, 1, 16, 100, 1000 }; /* GiB */
    double largest                 = 16;

    (void)snprintf(dir, sizeof dir, ".");
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--dir") == 0) (void)snprintf(dir, sizeof dir, "%s", argv[i + 1]);
        else if (strcmp(argv[i], "--largest") == 0) largest = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--samples") == 0) sample_count = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else return 2;
    }
    if (sample_count < 1 || sample_count >= ROUNDS) return 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    backlog_table("Backlog: records of 4 KiB, queue files of 64 MiB");
    for (size_t i = 0; i < sizeof backlogs / sizeof *backlogs && backlogs[i] <= largest; i++)
        backlog_row((struct work){ (uint64_t)(backlogs[i] * (1 << 18)), 4096, 64 << 20, 0, 0 });
    backlog_table("Queue files: records of 3 KiB, not compressed, one to a file of 4 KiB");
    for (uint64_t records = 100; records <= 100000; records *= 10)
        backlog_row((struct work){ records, 3000, 4096, HOPPER_COMPRESSION_NONE, 0 });
    memory_tables();
    return 0;
}
