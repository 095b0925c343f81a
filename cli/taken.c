/* SPDX-License-Identifier: MIT */
/*
 * See taken.h. There is no event for "the pipe is empty", so who waits for that has to look again and again.
 *
 * Sequence numbers have no holes, so those of a mark's records follow from its last one. A gap has no bytes, and is a
 * mark of its own without lengths: it is done with when what is before it is taken.
 */
#include "taken.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

void taken_init(struct taken *taken, int fd)
{
    struct stat output;

    taken->fd           = fd;
    taken->is_pipe      = fstat(fd, &output) == 0 && S_ISFIFO(output.st_mode);
    taken->bytes        = 0;
    taken->count        = 0;
    taken->length_first = taken->length_count = 0;
}

/* MARK is the newest one. When there are too many, the last one is made longer; if one of the two has no lengths, all
 * of it has none. */
static void add_mark(struct taken *taken, struct taken_mark mark)
{
    struct taken_mark *last;

    if (taken->count < TAKEN_MARKS) {
        taken->marks[taken->count++] = mark;
        return;
    }
    last = &taken->marks[TAKEN_MARKS - 1];
    if (last->lengths == 0 || mark.lengths == 0) {
        taken->length_count -= last->lengths + mark.lengths;
        last->lengths = 0;
    } else {
        last->lengths += mark.lengths;
    }
    last->bytes = mark.bytes;
    last->seq   = mark.seq;
}

/* COUNT records, no gap among them, that begin behind the first START bytes of the output. Returns where they end. */
static uint64_t add_run(struct taken *taken, const struct hopper_record *records, size_t count, uint64_t start)
{
    bool is_exact = count <= TAKEN_LENGTHS - taken->length_count;
    size_t at     = taken->length_first + taken->length_count;
    uint64_t end  = start;

    for (size_t i = 0; i < count; i++) {
        end += records[i].len;
        if (is_exact) taken->lengths[(at + i) % TAKEN_LENGTHS] = (uint32_t)records[i].len;
    }
    if (is_exact) taken->length_count += count;
    add_mark(taken, (struct taken_mark){ end, records[count - 1].seq, is_exact ? count : 0 });
    return end;
}

static uint64_t bytes_that_left(const struct taken *taken, uint64_t written)
{
    int unread = 0;

    if (!taken->is_pipe || ioctl(taken->fd, FIONREAD, &unread) != 0 || unread <= 0) return written;
    return (uint64_t)unread < written ? written - (uint64_t)unread : 0;
}

static void drop_lengths(struct taken *taken, size_t count)
{
    taken->length_first += count;
    taken->length_count -= count;
}

/* MARK, the oldest one, is not taken to its end. The beginning of it that lies within the first BYTES of the output is.
 * The number of the last such record, or 0. */
static uint64_t take_part(struct taken *taken, struct taken_mark *mark, uint64_t bytes)
{
    size_t count = 0;

    for (uint32_t len; count < mark->lengths; count++) {
        len = taken->lengths[(taken->length_first + count) % TAKEN_LENGTHS];
        if (len > bytes - taken->bytes) break;
        taken->bytes += len;
    }
    drop_lengths(taken, count);
    mark->lengths -= count;
    return count > 0 ? mark->seq - mark->lengths : 0;
}

/* The first BYTES of the output are taken: forget what lies within, and return its highest number, or 0. */
static uint64_t take(struct taken *taken, uint64_t bytes)
{
    uint64_t seq = 0, part;
    size_t gone  = 0;

    for (; gone < taken->count && taken->marks[gone].bytes <= bytes; gone++) {
        seq          = taken->marks[gone].seq;
        taken->bytes = taken->marks[gone].bytes;
        drop_lengths(taken, taken->marks[gone].lengths);
    }
    taken->count -= gone;
    memmove(taken->marks, taken->marks + gone, taken->count * sizeof taken->marks[0]);
    if (taken->count == 0 || bytes < taken->bytes) return seq;
    return (part = take_part(taken, &taken->marks[0], bytes)) != 0 ? part : seq;
}

static void add_marks(struct taken *taken, const struct hopper_record *records, size_t count)
{
    uint64_t end = taken->count > 0 ? taken->marks[taken->count - 1].bytes : taken->bytes;

    for (size_t i = 0, run; i < count; i += run) {
        if (records[i].gap != HOPPER_GAP_NONE) {
            add_mark(taken, (struct taken_mark){ end, records[i].seq + records[i].lost - 1, 0 });
            run = 1;
        } else {
            for (run = 1; i + run < count && records[i + run].gap == HOPPER_GAP_NONE;) run++;
            end = add_run(taken, records + i, run, end);
        }
    }
}

static uint64_t last_seq(const struct hopper_record *rec)
{
    return rec->seq + (rec->gap != HOPPER_GAP_NONE ? rec->lost - 1 : 0);
}

/* A reader that keeps up has emptied the pipe when we look: then there is nothing to note, which is most of the
 * cost. */
uint64_t taken_add(struct taken *taken, const struct hopper_record *records, size_t count, uint64_t written)
{
    uint64_t bytes = bytes_that_left(taken, written);

    if (count > 0 && bytes == written) {
        taken->bytes = written;
        taken->count = taken->length_count = 0;
        return last_seq(&records[count - 1]);
    }
    add_marks(taken, records, count);
    return take(taken, bytes);
}

uint64_t taken_look(struct taken *taken, uint64_t written)
{
    return take(taken, bytes_that_left(taken, written));
}

bool taken_wait(const struct taken *taken, int ms)
{
    struct pollfd reader = { .fd = taken->fd, .events = 0 };

    return poll(&reader, 1, ms) <= 0 || !(reader.revents & POLLERR);
}
