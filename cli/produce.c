/* SPDX-License-Identifier: MIT */
/*
 * The producer: for each input in turn, read large chunks, find the records in them (lines.h) and send them in batches.
 * Nothing is copied or allocated for a record on this side; the channel copies.
 *
 * Everything complete is sent before the next read, which may block: a slow input's line comes out at once. The head of
 * a line waits for its rest. Whatever was read when the input ends, fails or is to be stopped is sent too, so that what
 * this program has taken it also delivers.
 *
 * What can go wrong: an input that cannot be opened or read is told and the next one is read, as cat does; a record
 * that is too long (--long-records=error), a full queue (--full=fail) and a failing disk end the reading. What had been
 * read when the disk failed is still sent, from memory as the reader makes room there. A closed receiver ends it
 * silently: the consumer has told why.
 *
 * With --fill nobody makes room: a queue that has used up its budgets is an error then, with block as well, and so is a
 * failing disk; only a full device is waited for.
 */
#include "produce.h"

#include "pipe.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES       (128u << 10)
#define RETRY_MS         100 /* between tries when nothing can be dropped and nothing accepted */
#define ROOM_MS_MAX      16  /* between looks at how full the queue is */
#define STEP_MS          2   /* between looks at the reader's progress while the disk fails */
#define DISK_RETRY_MS    200
#define INPUT_NAME(file) (strcmp((file), "-") == 0 ? "standard input" : (file))

int producer_init(struct producer *prod, const struct args *args, struct control *control, hopper_sender *snd,
                  const struct hopper_stats *stats)
{
    struct lines_options options = { .record_bytes_max = (size_t)args->record_bytes_max,
                                     .read_bytes       = READ_BYTES,
                                     .long_records     = args->long_records,
                                     .terminator       = args->terminator };

    if (args->survive != HOPPER_SURVIVE_NOTHING) options.read_bytes = ROOM_READ_BYTES_MAX;
    if (options.record_bytes_max >= stats->record_bytes_max)
        options.record_bytes_max = (size_t)stats->record_bytes_max - 1;
    pace_init(&prod->pace, control, stats->memory_bytes - stats->memory_bytes_used,
              args->survive != HOPPER_SURVIVE_NOTHING);
    room_init(&prod->room, args);
    prod->reads_by_room = args->survive != HOPPER_SURVIVE_NOTHING && args->when_full != HOPPER_FULL_DROP_NEWEST;
    prod->args          = args;
    prod->control       = control;
    prod->snd           = snd;
    prod->has_failed = prod->is_disk_bad = false;
    prod->unsent                         = 0;
    atomic_init(&prod->is_done, false);
    if (fstat(STDOUT_FILENO, &prod->output) != 0 || !S_ISREG(prod->output.st_mode)) prod->output.st_nlink = 0;
    return lines_init(&prod->lines, &options);
}

void producer_fini(struct producer *prod)
{
    hopper_sender_close(prod->snd);
    prod->snd = NULL;
    lines_fini(&prod->lines);
}

static bool fails(struct producer *prod)
{
    prod->has_failed = true;
    return false;
}

/* How long a send may wait for room before the policy decides. */
static uint64_t send_deadline(const struct producer *prod, hopper_status last)
{
    if (prod->args->only_fills && prod->args->when_full == HOPPER_FULL_BLOCK) return hopper_after_ms(RETRY_MS);
    if (prod->args->when_full == HOPPER_FULL_BLOCK) return HOPPER_FOREVER;
    if (prod->args->when_full == HOPPER_FULL_REFUSE || last == HOPPER_OK) return HOPPER_NOW;
    return hopper_after_ms(RETRY_MS); /* drop-old found nothing to drop: room comes when the reader takes something */
}

static bool reads_on(const struct producer *prod)
{
    return !control_stops(prod->control) && !prod->is_disk_bad;
}

/* Nobody reads any more: a program that still writes to us is to learn that now, not when the queue is drained. */
static void close_standard_input(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd < 0) return;
    (void)dup2(fd, STDIN_FILENO); /* the number stays taken */
    (void)close(fd);
}

/* The disk fails, for the first time or still. What goes on to the reader makes room in memory: wait for that, or for a
 * disk that has come back. False: nothing is on its way that could make room, or it is time to end. */
static bool wait_for_memory(struct producer *prod)
{
    const struct timespec step = { 0, STEP_MS * 1000000 };
    struct hopper_stats stats  = HOPPER_STATS_INIT;
    uint64_t written           = atomic_load_explicit(&prod->control->written_records, memory_order_relaxed);

    if (hopper_sender_stats(prod->snd, &stats) != HOPPER_OK) return false;
    if (stats.pending_memory + stats.pending_disk == 0) {
        if (prod->is_last_try) return false;
        prod->is_last_try = true; /* the reader may have made the room only after the send */
        return true;
    }
    for (unsigned waited_ms = 0; waited_ms < DISK_RETRY_MS && !control_abandons(prod->control); waited_ms += STEP_MS) {
        (void)nanosleep(&step, NULL);
        if (atomic_load_explicit(&prod->control->written_records, memory_order_relaxed) != written) break;
    }
    return !control_abandons(prod->control);
}

static bool outlives_disk(struct producer *prod)
{
    char text[512];

    if (!prod->is_disk_bad) {
        hopper_error_format(hopper_sender_error(prod->snd), text, sizeof text);
        report_error("%s; reading stops", text);
        prod->has_failed = prod->is_disk_bad = true;
        close_standard_input();
    }
    return !prod->args->only_fills && wait_for_memory(prod);
}

static bool tell_full(struct producer *prod, hopper_status st)
{
    report_error("the queue is full: %s%s", hopper_status_text(st), prod->args->only_fills ? "; reading stops" : "");
    return fails(prod);
}

static bool outlives_full_queue(struct producer *prod, hopper_status st)
{
    const struct args *args = prod->args;

    if (args->when_full != HOPPER_FULL_REFUSE && !args->only_fills) return !control_abandons(prod->control);
    if (args->when_full != HOPPER_FULL_REFUSE && st == HOPPER_ENOSPC && !control_stops(prod->control)) return true;
    return tell_full(prod, st);
}

/* What a send that did not take everything means. True: try again with the rest. */
static bool send_goes_on(struct producer *prod, hopper_status st)
{
    char text[512];

    if (st == HOPPER_ECLOSED) return false;
    if (st == HOPPER_EIO || prod->is_disk_bad) return outlives_disk(prod);
    if (st == HOPPER_EFULL || st == HOPPER_ENOSPC) return outlives_full_queue(prod, st);
    hopper_error_format(hopper_sender_error(prod->snd), text, sizeof text);
    report_error("%s; reading stops", text);
    return fails(prod);
}

/* The channel takes no more: count what it did not get of what has been read. */
static bool count_unsent(struct producer *prod)
{
    size_t count;

    lines_end(&prod->lines);
    while ((count = lines_take(&prod->lines, prod->offsets, PRODUCER_BATCH)) > 0) prod->unsent += count;
    return false;
}

static bool send_part(struct producer *prod, const size_t *offsets, size_t count)
{
    const char *data = prod->lines.buf;
    hopper_status st = HOPPER_OK;
    size_t accepted;

    while ((st = hopper_send_joined(prod->snd, data, offsets, count, send_deadline(prod, st), &accepted)) !=
           HOPPER_OK) {
        offsets += accepted;
        count -= accepted;
        if (accepted > 0) prod->is_last_try = false;
        if (send_goes_on(prod, st)) continue;
        prod->unsent += count;
        return false;
    }
    return true;
}

static bool send_batch(struct producer *prod, const size_t *offsets, size_t count)
{
    for (size_t part; count > 0; offsets += part, count -= part) {
        part = pace_next(&prod->pace, offsets, count);
        if (send_part(prod, offsets, part)) continue;
        prod->unsent += count - part;
        return count_unsent(prod);
    }
    return true;
}

/* Send all records that are complete. False: the channel takes no more, or there is one that is too long. */
static bool send_lines(struct producer *prod, const char *file)
{
    struct lines *ln = &prod->lines;
    size_t count;

    while ((count = lines_take(ln, prod->offsets, PRODUCER_BATCH)) > 0)
        if (!send_batch(prod, prod->offsets, count)) return false;
    if (!ln->is_refused) return true;
    report_error("%s: record %llu is longer than %zu bytes (%s); reading stops", INPUT_NAME(file),
                 (unsigned long long)ln->records + 1, ln->options.record_bytes_max,
                 ln->options.record_bytes_max < prod->args->record_bytes_max
                     ? "all that --max-disk allows: raise that, or see --long-records"
                     : "raise --max-record, or see --long-records");
    return fails(prod);
}

/* read(2) that waits on a non-blocking descriptor and can be stopped. 0 at the end and when no more is to be
 * read; else a negated errno or the bytes read. */
static ssize_t read_some(struct producer *prod, int fd, void *buf, size_t len)
{
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    ssize_t got;

    while (reads_on(prod)) {
        if ((got = read(fd, buf, len)) >= 0) return got;
        if (errno == EAGAIN) (void)poll(&readable, 1, -1);
        else if (errno != EINTR) return -errno;
    }
    return 0;
}

/* Whether read() would return 0 at once, as far as that can be told without reading. */
static bool has_ended(int fd)
{
    struct pollfd input = { .fd = fd, .events = POLLIN };
    struct stat st;
    off_t at;

    if (fstat(fd, &st) != 0) return true; /* read() says why */
    if (S_ISREG(st.st_mode)) return (at = lseek(fd, 0, SEEK_CUR)) < 0 || at >= st.st_size;
    return poll(&input, 1, 0) == 1 && (input.revents & POLLIN) == 0;
}

/* Where nobody makes room: is there something that would need it? Waits for it or the end of FD. */
static bool is_full_for(struct producer *prod, int fd)
{
    struct pollfd input = { .fd = fd, .events = POLLIN };

    while (reads_on(prod) && poll(&input, 1, -1) < 0) continue;
    return reads_on(prod) && !has_ended(fd);
}

/* How many of WANTED bytes may be read from FD now. Where the queue stays, as many as it certainly has room for; waits
 * for that, or with --fill and --full=fail fails. 0: read no more. */
static size_t may_read(struct producer *prod, int fd, size_t wanted)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    unsigned pause_ms         = 1;
    size_t granted;

    if (!prod->reads_by_room) return wanted;
    if (wanted > ROOM_READ_BYTES_MAX) wanted = ROOM_READ_BYTES_MAX;
    while ((granted = room_grant(&prod->room, lines_held(&prod->lines), wanted)) < wanted && reads_on(prod)) {
        const struct timespec pause = { 0, pause_ms * 1000000 };

        if (hopper_sender_stats(prod->snd, &stats) != HOPPER_OK) return 0;
        room_look(&prod->room, &stats);
        if ((granted = room_grant(&prod->room, lines_held(&prod->lines), wanted)) > 0) break;
        if (has_ended(fd)) return 1;
        if (prod->args->only_fills || prod->args->when_full == HOPPER_FULL_REFUSE) {
            if (!is_full_for(prod, fd)) return 1;
            (void)tell_full(prod, HOPPER_EFULL);
            return 0;
        }
        (void)nanosleep(&pause, NULL);
        if (pause_ms < ROOM_MS_MAX) pause_ms *= 2;
    }
    return reads_on(prod) ? granted : 0;
}

/* Read FD to its end. False: read nothing more at all. */
static bool copy_input(struct producer *prod, int fd, const char *file)
{
    struct lines *ln = &prod->lines;
    bool goes_on     = true;
    ssize_t got      = 0;
    size_t len;
    void *room;

    lines_begin(ln);
    while ((room = lines_space(ln, &len)) != NULL) {
        if (!(goes_on = (len = may_read(prod, fd, len)) > 0) || (got = read_some(prod, fd, room, len)) <= 0) break;
        lines_fill(ln, (size_t)got);
        room_take(&prod->room, (size_t)got);
        if (!send_lines(prod, file)) return false;
    }
    if (room == NULL) {
        report_error("%s: record %llu: no memory for its %zu bytes; reading stops", INPUT_NAME(file),
                     (unsigned long long)ln->records + 1, lines_held(ln));
        return fails(prod);
    }
    if (got < 0) {
        report_failure((int)-got, "%s", INPUT_NAME(file));
        prod->has_failed = true;
    }
    lines_end(ln);
    return send_lines(prod, file) && goes_on;
}

/* Copying a file to its own end would never come to an end. */
static bool is_output(const struct producer *prod, int fd, const struct stat *input)
{
    const struct stat *output = &prod->output;

    return output->st_nlink > 0 && S_ISREG(input->st_mode) && input->st_dev == output->st_dev &&
           input->st_ino == output->st_ino && lseek(fd, 0, SEEK_CUR) < input->st_size;
}

static bool copy_descriptor(struct producer *prod, int fd, const char *file)
{
    struct stat input;

    if (fstat(fd, &input) != 0) {
        report_failure(errno, "%s", INPUT_NAME(file));
        prod->has_failed = true;
        return true;
    }
    if (is_output(prod, fd, &input)) {
        report_error("%s: input file is output file", INPUT_NAME(file));
        prod->has_failed = true;
        return true;
    }
    if (prod->args->survive == HOPPER_SURVIVE_NOTHING) pipe_enlarge(fd); /* what is in a pipe is lost with us */
    if (S_ISREG(input.st_mode)) (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return copy_input(prod, fd, file);
}

/* False: read nothing more at all. */
static bool copy_file(struct producer *prod, const char *file)
{
    bool goes_on;
    int fd;

    if (strcmp(file, "-") == 0) return copy_descriptor(prod, STDIN_FILENO, file);
    do fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR && !control_stops(prod->control));
    if (fd < 0) {
        if (errno == EINTR) return false;
        report_failure(errno, "%s", file);
        prod->has_failed = true;
        return true;
    }
    goes_on = copy_descriptor(prod, fd, file);
    (void)close(fd);
    return goes_on;
}

void *producer_run(void *arg)
{
    struct producer *prod = arg;

    for (int i = 0; i < prod->args->file_count && reads_on(prod); i++)
        if (!copy_file(prod, prod->args->files[i])) break;
    close_standard_input();
    prod->last_books = (struct hopper_stats){ .size = sizeof(struct hopper_stats) };
    (void)hopper_sender_stats(prod->snd, &prod->last_books);
    hopper_sender_close(prod->snd);
    prod->snd = NULL;
    atomic_store(&prod->is_done, true);
    (void)eventfd_write(prod->control->done_fd, 1);
    return NULL;
}
