/* SPDX-License-Identifier: MIT */
/*
 * Output: records become pieces for writev(2). A large record is a piece of its own, written from where it lies; small
 * ones are copied side by side into a buffer, because a piece costs the kernel more than a short copy costs us. All
 * that one call of output_write() was given is written when it returns: the records' memory ends with the next receive.
 *
 * What can go wrong: short writes (go on behind them), EINTR (look whether to go on), EAGAIN on a descriptor that
 * somebody has made non-blocking (wait with poll), and real errors, after which nothing more is written.
 */
#include "output.h"

#include "pipe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define SMALL_BYTES 512 /* records below this are copied */

void output_init(struct output *out, int fd, struct control *control)
{
    out->fd          = fd;
    out->control     = control;
    out->bytes       = 0;
    out->piece_count = out->buffer_used = 0;
    pipe_enlarge(fd);
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

/* Add the record to what the next writev() writes. False when there is no room for it: flush first. */
static bool output_add(struct output *out, const struct hopper_record *rec)
{
    struct iovec *last = out->piece_count > 0 ? &out->pieces[out->piece_count - 1] : NULL;
    char *copy         = out->buffer + out->buffer_used;

    if (rec->len < SMALL_BYTES) {
        if (rec->len > OUTPUT_BUFFER_BYTES - out->buffer_used) return false;
        if (last == NULL || (char *)last->iov_base + last->iov_len != copy) {
            if (out->piece_count == OUTPUT_PIECES) return false;
            last  = &out->pieces[out->piece_count++];
            *last = (struct iovec){ copy, 0 };
        }
        memcpy(copy, rec->data, rec->len);
        last->iov_len += rec->len;
        out->buffer_used += rec->len;
        return true;
    }
    if (out->piece_count == OUTPUT_PIECES) return false;
    out->pieces[out->piece_count++] = (struct iovec){ (void *)(uintptr_t)rec->data, rec->len };
    return true;
}

/* Of RECORDS, how many are among the first LEN bytes to their last byte. */
static size_t records_within(const struct hopper_record *records, size_t count, uint64_t len)
{
    size_t within = 0;

    for (size_t i = 0; i < count; i++) {
        if (records[i].gap != HOPPER_GAP_NONE) continue;
        if (records[i].len > len) break;
        len -= records[i].len;
        within++;
    }
    return within;
}

int output_write(struct output *out, const struct hopper_record *records, size_t count, size_t *writtenp)
{
    uint64_t before = out->bytes;
    size_t gaps     = 0;
    int err;

    out->piece_count = out->buffer_used = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].gap != HOPPER_GAP_NONE) {
            gaps++;
            continue;
        }
        if (output_add(out, &records[i])) continue;
        if ((err = output_flush(out)) != 0) goto cut;
        (void)output_add(out, &records[i]); /* fits: everything is empty now */
    }
    if ((err = output_flush(out)) != 0) goto cut;
    *writtenp = count - gaps;
    return 0;
cut:
    *writtenp = records_within(records, count, out->bytes - before);
    return err;
}
