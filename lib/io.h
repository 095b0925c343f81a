/* SPDX-License-Identifier: MIT */
/* Whole reads and writes on top of the platform's single calls: short results and EINTR end here. */
#ifndef HPR_IO_H
#define HPR_IO_H

#include "base.h"

/* Write all LEN bytes at OFFSET. 0, or a negated errno; then an unknown part may have been written. */
HPR_MUST_CHECK int hpr_io_write(const struct hopper_io *io, int fd, const void *buf, size_t len, uint64_t offset);

/* Read up to LEN bytes at OFFSET; fewer only where the file ends. The count in *gotp. 0, or a negated errno. */
HPR_MUST_CHECK int hpr_io_read(const struct hopper_io *io, int fd, void *buf, size_t len, uint64_t offset,
                               size_t *gotp);

/* Whether RES, of opening a file without following links or of a look at it, says that the name is something else's: a
 * directory, a link, a FIFO, a socket, or a file with other names. (-ENOTSUP and -EMLINK are our own words for
 * that.) */
bool hpr_io_is_no_file(int res);

/* Close FD unless it is -1. */
void hpr_io_close(const struct hopper_io *io, int fd);

#endif
