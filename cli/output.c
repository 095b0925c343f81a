/* SPDX-License-Identifier: MIT */
/*
 * Output: records become pieces for writev(2). Those that lie side by side in memory, as lines do that were sent
 * together, are taken together. What is large then is a piece of its own, written from where it lies; what is small is
 * copied into a buffer, one behind the other, because a piece costs the kernel more than a short copy costs us. All
 * that one call of output_write() was given is written when it returns: the records' memory ends with the next receive.
 *
 * What can go wrong: short writes (go on behind them), EINTR (look whether to go on), EAGAIN on a descriptor that
 * somebody has made non-blocking (wait with poll), and real errors, after which nothing more is written.
 */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define SMALL_BYTES 512 /* records below this are copied */

void output_init(struct output *out, int fd, struct control *control)
{
    out->fd          = fd;
    out->control     = control;
    out->bytes       = 0;
    out->has_gaps    = false;
    out->piece_count = out->buffer_used = 0;
}

/* The unwritten pieces begin LEN bytes later. */
static struct iovec *pieces_advance(struct iovec *pieces, size_t *countp, size_t len)
{
    while (*countp > 0 && len >= pieces->iov_len) {
        len -= pieces->iov_len;
        pieces++;
        (*countp)--;
    }
    if (*countp > 0) {
        pieces->iov_base = (char *)pieces->iov_base + len;
        pieces->iov_len -= len;
    }
    return pieces;
}

static int output_flush(struct output *out)
{
    struct pollfd writable = { .fd = out->fd, .events = POLLOUT };
    struct iovec *pieces   = out->pieces;
    ssize_t put;

    while (out->piece_count > 0) {
        if (control_abandons(out->control)) return -ECANCELED;
        put = writev(out->fd, pieces, (int)out->piece_count);
        if (put >= 0) {
            out->bytes += (uint64_t)put;
            pieces = pieces_advance(pieces, &out->piece_count, (size_t)put);
        } else if (errno == EAGAIN) {
            (void)poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    out->buffer_used = 0;
    return 0;
}

/* memcpy() for a few bytes, without the call: two overlapping moves of a fixed size. */
static inline void copy_small(char *to, const char *from, size_t len)
{
    if (len > 32) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        memcpy(to, from, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len >= 2) {
        memcpy(to, from, 2);
        memcpy(to + len - 2, from + len - 2, 2);
    } else if (len == 1) {
        *to = *from;
    }
}

/* How many records from RECORDS on stand in memory one behind the other, as those do that were sent so. *BYTESP: of all
 * of them together. */
static size_t count_joined(const struct hopper_record *records, size_t count, size_t *bytesp)
{
    const char *first = records->data, *end = first;
    size_t joined = 0;

    for (; joined < count && records[joined].data == end && records[joined].gap == HOPPER_GAP_NONE; joined++)
        end += records[joined].len;
    *bytesp = (size_t)(end - first);
    return joined;
}

/* What was copied to TO, of LEN bytes, is to be written: as one piece with what was copied before, when nothing came
 * between. */
static void put_copied(struct output *out, char *to, size_t len)
{
    struct iovec *last = out->piece_count > 0 ? &out->pieces[out->piece_count - 1] : NULL;

    out->buffer_used += len;
    if (last != NULL && (char *)last->iov_base + last->iov_len == to) last->iov_len += len;
    else out->pieces[out->piece_count++] = (struct iovec){ to, len };
}

static bool is_small(const struct hopper_record *rec)
{
    return rec->gap == HOPPER_GAP_NONE && rec->len < SMALL_BYTES;
}

/* Copy the first of RECORDS, which is small, and those behind it that are small and lie apart, as long as there is
 * room. Returns how many. */
static size_t add_small(struct output *out, const struct hopper_record *records, size_t count)
{
    char *const first = out->buffer + out->buffer_used;
    char *const limit = out->buffer + OUTPUT_BUFFER_BYTES - SMALL_BYTES;
    const char *end   = NULL;
    char *to          = first;
    size_t added      = 0;

    for (; added < count && to <= limit && is_small(&records[added]); added++) {
        if (added > 0 && records[added].data == end) break;
        copy_small(to, records[added].data, records[added].len);
        to += records[added].len;
        end = (const char *)records[added].data + records[added].len;
    }
    put_copied(out, first, (size_t)(to - first));
    return added;
}

/* Make the next records part of what the next writev() writes. Returns how many; 0 when there is no room: flush. */
static size_t output_add(struct output *out, const struct hopper_record *records, size_t count)
{
    size_t bytes, added;

    if (records->gap != HOPPER_GAP_NONE) {
        out->has_gaps = true;
        return 1;
    }
    if (out->piece_count == OUTPUT_PIECES || OUTPUT_BUFFER_BYTES - out->buffer_used < SMALL_BYTES) return 0;
    added = count_joined(records, count, &bytes);
    if (added == 1 && bytes < SMALL_BYTES) return add_small(out, records, count);
    if (bytes < SMALL_BYTES) {
        char *to = out->buffer + out->buffer_used;

        copy_small(to, records->data, bytes);
        put_copied(out, to, bytes);
    } else {
        out->pieces[out->piece_count++] = (struct iovec){ (void *)(uintptr_t)records->data, bytes };
    }
    return added;
}

size_t output_within(const struct hopper_record *records, size_t count, uint64_t len)
{
    size_t within = 0;

    for (; within < count; within++) {
        if (records[within].gap != HOPPER_GAP_NONE) continue;
        if (records[within].len > len) break;
        len -= records[within].len;
    }
    return within;
}

int output_write(struct output *out, const struct hopper_record *records, size_t count, size_t *donep)
{
    uint64_t before = out->bytes;
    int err         = 0;

    out->has_gaps    = false;
    out->piece_count = out->buffer_used = 0;
    for (size_t i = 0, added = 0; i < count && err == 0; i += added)
        if ((added = output_add(out, records + i, count - i)) == 0) err = output_flush(out);
    if (err == 0) err = output_flush(out);
    *donep = err == 0 ? count : output_within(records, count, out->bytes - before);
    return err;
}
