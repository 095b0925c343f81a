/* SPDX-License-Identifier: MIT */
/* One rotating file that is being written: header, frames, and when it is sealed a footer. docs/format.md. */
#ifndef HPR_QUEUE_FILE_H
#define HPR_QUEUE_FILE_H

#include "frame.h"
#include "producers.h"

#define HPR_QUEUE_FILE_NAME_BYTES 24 /* 20 digits, ".hq", NUL */

/* What could not be synced is written again under this name: a run that ends meanwhile leaves nothing that counts. */
#define HPR_REWRITE_NAME "REWRITE"

struct hpr_queue_file {
    int fd; /* -1: no file */
    uint64_t number;
    uint64_t start;     /* stream offset of its first byte */
    uint64_t begin;     /* of its first frame */
    uint64_t bytes;     /* end of the last good frame */
    uint64_t zeros_end; /* when above `bytes`: the file has zeros from there to here, for the next frames to lie on */
    uint64_t records;
    uint64_t last_seq;
    bool is_broken; /* bytes behind the last good frame could not be cut off: nothing more is written here */
};

/* Zeros that are written at once, at most. A sync is as fast with a quarter of it and no faster with more; with four
 * times as many the one sync that brings them to the device is noticed. */
#define HPR_ZEROS_BYTES (UINT64_C(256) << 10)

#define HPR_QUEUE_FILE_NONE ((struct hpr_queue_file){ .fd = -1 })

/* NUMBER's file name into NAME of HPR_QUEUE_FILE_NAME_BYTES. */
void hpr_queue_file_name(char *name, uint64_t number);

/* The number in NAME; false when NAME is not that of a queue file. */
bool hpr_queue_file_parse_name(const char *name, uint64_t *numberp);

/* Create the file of HEADER->number in DIRFD, which must not exist, and write its header. On failure FILE is none, and
 * no file is left, unless it could not be removed either: then FILE->number says so. A negated errno or 0. */
HPR_MUST_CHECK int hpr_queue_file_create(struct hpr_queue_file *file, const struct hopper_io *io, int dirfd,
                                         const struct hpr_file_header *header);

/* The same under the name NAME, by which nobody reads it yet. */
HPR_MUST_CHECK int hpr_queue_file_create_as(struct hpr_queue_file *file, const struct hopper_io *io, int dirfd,
                                            const char *name, const struct hpr_file_header *header);

/* Write LEN bytes at OFFSET behind the last good frame, without making them part of the file yet. */
HPR_MUST_CHECK int hpr_queue_file_write(struct hpr_queue_file *file, const struct hopper_io *io, const void *buf,
                                        size_t len, uint64_t offset);

/* Make the FRAME_BYTES behind the last good frame the last good frame. */
void hpr_queue_file_commit(struct hpr_queue_file *file, uint64_t frame_bytes, uint64_t records, uint64_t last_seq);

/* Zeros behind the last good frame. */
static inline uint64_t hpr_queue_file_zeros(const struct hpr_queue_file *file)
{
    return file->zeros_end > file->bytes ? file->zeros_end - file->bytes : 0;
}

/* Write zeros behind the last good frame, up to END: at most HPR_ZEROS_BYTES. On failure they are cut off again, if
 * that can be done. A negated errno or 0. */
HPR_MUST_CHECK int hpr_queue_file_put_zeros(struct hpr_queue_file *file, const struct hopper_io *io, uint64_t end);

/* Cut them off. A negated errno or 0. */
HPR_MUST_CHECK int hpr_queue_file_cut_zeros(struct hpr_queue_file *file, const struct hopper_io *io);

/* Cut off what is behind the last good frame, zeros as well. */
void hpr_queue_file_roll_back(struct hpr_queue_file *file, const struct hopper_io *io);

/* Write the footer, mark the file read-only and close it. Closed in any case; a negated errno when no footer was
 * written: a file without one is read just as well. */
HPR_MUST_CHECK int hpr_queue_file_seal(struct hpr_queue_file *file, const struct hopper_io *io,
                                       const uint8_t *channel_id);

void hpr_queue_file_close(struct hpr_queue_file *file, const struct hopper_io *io);

/* Note what the table at the head of FD, the file of NUMBER, says of producers, whatever became of the file's header.
 * False: there is no good one. */
bool hpr_queue_file_get_table(const struct hopper_io *io, int fd, const uint8_t *channel_id, uint64_t number,
                              struct hpr_producers *p);

/* Note what queue file NUMBER in DIRFD says of producers in the files before it. False: it cannot be read. */
bool hpr_queue_file_read_table(const struct hopper_io *io, int dirfd, const uint8_t *channel_id, uint64_t number,
                               struct hpr_producers *p);

#endif
