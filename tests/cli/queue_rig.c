/* SPDX-License-Identifier: MIT */
/*
 * Makes queues for the tests of hopper-queue, through the public API:
 *
 *     queue_rig DIR SURVIVE COMMAND...       the channel "q" in DIR; SURVIVE: nothing, crash, power-loss, crash-automatic (each
 *                                            receive acknowledges what came before it)
 *
 * Commands, in order:
 *     send N BYTES    N lines of BYTES bytes, each with its sequence number in front
 *     number ID N     N lines of producer ID, which goes on behind the last number that the channel knows of it
 *     last ID         print the last number that the channel knows of producer ID
 *     flush           what has overflowed goes to files
 *     take N          receive N records or gaps and acknowledge them
 *     all             receive and print everything that is there: records as they are, gaps as "gap SEQ LOST REASON"
 *     books           print the books, in the words of `hopper-queue info`
 *     wait            print "ready" and wait for a line on standard input
 *     kill            end at once by SIGKILL; otherwise the channel is closed at the end
 *
 * Memory is the least there is and files are of 16 KiB, so that few records suffice.
 */
#include <hopper/hopper.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hopper_sender *snd;
static hopper_receiver *rcv;

static void check(hopper_status status, const char *what, const struct hopper_error *err)
{
    char text[512];

    if (status == HOPPER_OK) return;
    if (err) (void)hopper_error_format(err, text, sizeof text);
    fprintf(stderr, "queue_rig: %s: %s\n", what, err ? text : hopper_status_text(status));
    exit(1);
}

static void send_lines(uint64_t count, size_t bytes)
{
    static char line[65536];

    for (uint64_t i = 0; i < count; i++) {
        struct hopper_stats stats = HOPPER_STATS_INIT;
        int len;

        check(hopper_sender_stats(snd, &stats), "stats", NULL);
        memset(line, 'a' + (int)(i % 26), sizeof line);
        len       = snprintf(line, sizeof line, "%" PRIu64 " ", stats.seq_accepted + 1);
        line[len] = 'x';
        if (bytes < (size_t)len + 2 || bytes > sizeof line) bytes = (size_t)len + 2;
        line[bytes - 1] = '\n';
        check(hopper_send(snd, line, bytes), "send", hopper_sender_error(snd));
    }
}

static uint64_t last_number(uint64_t id)
{
    uint64_t last = 0;

    check(hopper_sender_set_producer(snd, id, &last), "set producer", hopper_sender_error(snd));
    return last;
}

static void send_numbered(uint64_t id, uint64_t count)
{
    uint64_t number = last_number(id);
    char line[64];

    for (uint64_t i = 0; i < count; i++) {
        int len = snprintf(line, sizeof line, "producer %" PRIu64 " number %" PRIu64 "\n", id, ++number);

        check(hopper_send_numbered(snd, number, line, (size_t)len, HOPPER_NOW), "send", hopper_sender_error(snd));
    }
}

static void take(uint64_t count)
{
    struct hopper_record rec;

    for (uint64_t i = 0; i < count; i++)
        check(hopper_receive(rcv, &rec, HOPPER_NOW), "receive", hopper_receiver_error(rcv));
    hopper_acknowledge(rcv);
}

static void print_all(void)
{
    struct hopper_record rec;

    while (hopper_receive(rcv, &rec, HOPPER_NOW) == HOPPER_OK) {
        if (rec.gap != HOPPER_GAP_NONE)
            printf("gap %" PRIu64 " %" PRIu64 " %s\n", rec.seq, rec.lost, hopper_gap_name(rec.gap));
        else (void)fwrite(rec.data, 1, (size_t)rec.len, stdout);
    }
}

static void print_books(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    check(hopper_receiver_stats(rcv, &stats), "stats", NULL);
    printf("accepted_records %" PRIu64 "\nacknowledged_records %" PRIu64 "\npending_memory_records %" PRIu64
           "\npending_disk_records %" PRIu64 "\n",
           stats.accepted, stats.acknowledged, stats.pending_memory, stats.pending_disk);
    for (unsigned reason = 1; reason < HOPPER_GAP_REASONS; reason++) {
        char name[64];

        (void)snprintf(name, sizeof name, "gap_%s_records", hopper_gap_name(reason));
        for (char *c = name; *c != '\0'; c++)
            if (*c == '-' || *c == ' ') *c = '_';
        printf("%s %" PRIu64 "\n", name, stats.gap_records[reason]);
    }
}

static void open_channel(const char *dir, const char *survive)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;

    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    options.file_bytes   = 16384;
    options.disk_bytes   = 8 << 20;
    options.when_full    = HOPPER_FULL_REFUSE;
    options.compression  = HOPPER_COMPRESSION_NONE;
    options.survive      = strncmp(survive, "crash", 5) == 0    ? HOPPER_SURVIVE_CRASH
                           : strcmp(survive, "power-loss") == 0 ? HOPPER_SURVIVE_POWER_LOSS
                                                                : HOPPER_SURVIVE_NOTHING;
    if (options.survive != HOPPER_SURVIVE_NOTHING) {
        if (strcmp(survive, "crash-automatic") != 0) options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
        options.memory_bytes = HOPPER_MEMORY_BYTES_MIN_SURVIVE;
    }
    check(hopper_open(dir, "q", &options, &snd, &rcv, &err), "open", &err);
}

static void close_channel(void)
{
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    snd = NULL;
    rcv = NULL;
}

static uint64_t number_of(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

static void wait_for_line(void)
{
    char line[16];

    puts("ready");
    (void)fflush(stdout);
    (void)!fgets(line, sizeof line, stdin); /* at its end nobody waits */
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    open_channel(argv[1], argv[2]);
    for (char **at = argv + 3; *at; at++) {
        if (strcmp(*at, "send") == 0 && at[1] && at[2]) {
            send_lines(number_of(at[1]), (size_t)number_of(at[2]));
            at += 2;
        } else if (strcmp(*at, "number") == 0 && at[1] && at[2]) {
            send_numbered(number_of(at[1]), number_of(at[2]));
            at += 2;
        } else if (strcmp(*at, "last") == 0 && at[1]) {
            printf("%" PRIu64 "\n", last_number(number_of(*++at)));
        } else if (strcmp(*at, "take") == 0 && at[1]) {
            take(number_of(*++at));
        } else if (strcmp(*at, "flush") == 0) {
            check(hopper_flush(snd), "flush", hopper_sender_error(snd));
        } else if (strcmp(*at, "all") == 0) {
            print_all();
        } else if (strcmp(*at, "books") == 0) {
            print_books();
        } else if (strcmp(*at, "wait") == 0) {
            wait_for_line();
        } else if (strcmp(*at, "kill") == 0) {
            (void)fflush(stdout);
            (void)raise(SIGKILL);
        } else {
            fprintf(stderr, "queue_rig: %s: what is that?\n", *at);
            return 2;
        }
    }
    if (snd) close_channel();
    return 0;
}
