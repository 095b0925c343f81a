/* SPDX-License-Identifier: MIT */
/* See queue_file.h. A failed write leaves nothing behind: the file is cut back to its last good frame, and when even
 * that fails the file is called broken and the next frame goes to another. Zeros behind the last good frame are there
 * for frames to be written over; they are nothing that a reader would take for one. */
#include "queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define NUMBER_DIGITS 20

void hpr_queue_file_name(char *name, uint64_t number)
{
    (void)snprintf(name, HPR_QUEUE_FILE_NAME_BYTES, "%0*llu.hq", NUMBER_DIGITS, (unsigned long long)number);
}

bool hpr_queue_file_parse_name(const char *name, uint64_t *numberp)
{
    uint64_t number = 0;

    *numberp = 0;
    if (strlen(name) != NUMBER_DIGITS + 3 || strcmp(name + NUMBER_DIGITS, ".hq") != 0) return false;
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || HPR_MUL_OVERFLOWS(number, 10U, &number) ||
            HPR_ADD_OVERFLOWS(number, (uint64_t)(name[i] - '0'), &number))
            return false;
    }
    *numberp = number;
    return true;
}

int hpr_queue_file_create(struct hpr_queue_file *file, const struct hopper_io *io, int dirfd,
                          const struct hpr_file_header *header)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];

    hpr_queue_file_name(name, header->number);
    return hpr_queue_file_create_as(file, io, dirfd, name, header);
}

int hpr_queue_file_create_as(struct hpr_queue_file *file, const struct hopper_io *io, int dirfd, const char *name,
                             const struct hpr_file_header *header)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    int fd, res;

    *file = HPR_QUEUE_FILE_NONE;
    fd    = io->open_at(io->ctx, dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fd;
    (void)io->chmod(io->ctx, fd, 0600); /* with umask 0777 it could not even be read back */
    hpr_frame_put_file_header(bytes, header);
    res = hpr_io_write(io, fd, bytes, sizeof bytes, 0);
    if (res < 0) {
        if (io->unlink_at(io->ctx, dirfd, name) < 0) {
            (void)io->truncate(io->ctx, fd, 0);
            file->number = header->number;
        }
        (void)io->close(io->ctx, fd);
        return res;
    }
    file->fd     = fd;
    file->number = header->number;
    file->start  = header->stream_offset;
    file->begin = file->bytes = sizeof bytes;
    return 0;
}

int hpr_queue_file_write(struct hpr_queue_file *file, const struct hopper_io *io, const void *buf, size_t len,
                         uint64_t offset)
{
    return hpr_io_write(io, file->fd, buf, len, file->bytes + offset);
}

void hpr_queue_file_commit(struct hpr_queue_file *file, uint64_t frame_bytes, uint64_t records, uint64_t last_seq)
{
    file->bytes += frame_bytes;
    file->records += records;
    file->last_seq = last_seq;
}

/* What could not be cut off keeps at least no header: it may be whole, and was refused. Nothing to do when this fails
 * too. */
static void forget_frame(struct hpr_queue_file *file, const struct hopper_io *io)
{
    static const unsigned char zeros[HPR_FRAME_HEADER_BYTES];
    int res = hpr_queue_file_write(file, io, zeros, sizeof zeros, 0);

    (void)res;
}

static int cut(struct hpr_queue_file *file, const struct hopper_io *io)
{
    int res;

    do res = io->truncate(io->ctx, file->fd, file->bytes);
    while (res == -EINTR);
    if (res == 0) file->zeros_end = 0;
    return res;
}

void hpr_queue_file_roll_back(struct hpr_queue_file *file, const struct hopper_io *io)
{
    if (cut(file, io) < 0) {
        file->is_broken = true;
        forget_frame(file, io);
    }
}

int hpr_queue_file_put_zeros(struct hpr_queue_file *file, const struct hopper_io *io, uint64_t end)
{
    static unsigned char zeros[HPR_ZEROS_BYTES]; /* never written to, so it takes no memory */
    int res = hpr_io_write(io, file->fd, zeros, (size_t)(end - file->bytes), file->bytes);

    file->zeros_end = end; /* some of them may be there in any case */
    if (res < 0) (void)cut(file, io);
    return res;
}

int hpr_queue_file_cut_zeros(struct hpr_queue_file *file, const struct hopper_io *io)
{
    return hpr_queue_file_zeros(file) > 0 ? cut(file, io) : 0;
}

int hpr_queue_file_seal(struct hpr_queue_file *file, const struct hopper_io *io, const uint8_t *channel_id)
{
    const struct hpr_footer footer     = { file->records, file->last_seq };
    const struct hpr_frame_place place = { channel_id, file->number, file->bytes };
    unsigned char bytes[HPR_FOOTER_BYTES];
    int res = 0;

    if (!file->is_broken) {
        hpr_frame_put_footer(bytes, &footer, &place);
        res = hpr_queue_file_write(file, io, bytes, sizeof bytes, 0);
        if (res < 0) hpr_queue_file_roll_back(file, io);
    }
    (void)io->chmod(io->ctx, file->fd, 0400); /* for people only: the footer is what counts */
    hpr_queue_file_close(file, io);
    return res;
}

void hpr_queue_file_close(struct hpr_queue_file *file, const struct hopper_io *io)
{
    hpr_io_close(io, file->fd);
    *file = HPR_QUEUE_FILE_NONE;
}

bool hpr_queue_file_get_table(const struct hopper_io *io, int fd, const uint8_t *channel_id, uint64_t number,
                              struct hpr_producers *p)
{
    const struct hpr_frame_place place = { channel_id, number, HPR_FILE_HEADER_BYTES };
    unsigned char bytes[HPR_TABLE_BYTES_MAX];
    struct hpr_frame_header h;
    struct hpr_footer footer;
    size_t got;

    return hpr_io_read(io, fd, bytes, sizeof bytes, place.offset, &got) == 0 &&
           hpr_frame_get(bytes, got, &place, &h, &footer) == HPR_VERDICT_TABLE && got >= HPR_TABLE_HEAD_BYTES &&
           hpr_producers_get_table(bytes + HPR_TABLE_HEAD_BYTES, got - HPR_TABLE_HEAD_BYTES, h.records, p);
}

bool hpr_queue_file_read_table(const struct hopper_io *io, int dirfd, const uint8_t *channel_id, uint64_t number,
                               struct hpr_producers *p)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    struct hpr_file_header header;
    size_t got = 0;
    bool is_good;
    int fd;

    hpr_queue_file_name(name, number);
    fd = io->open_at(io->ctx, dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return false;
    is_good = hpr_io_read(io, fd, bytes, sizeof bytes, 0, &got) == 0 &&
              hpr_frame_get_file_header(bytes, got, &header) == HPR_FILE_OURS &&
              (!header.has_table || hpr_queue_file_get_table(io, fd, channel_id, number, p));
    hpr_io_close(io, fd);
    return is_good;
}
