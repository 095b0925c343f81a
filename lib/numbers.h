/* SPDX-License-Identifier: MIT */
/* Which file number comes next in a directory. Numbers only grow, but not one by one: behind a file of somebody else's,
 * whatever number it has, ours go on, so that between two files there may be more numbers than anybody could try.
 * Whoever finds nothing under a number asks here instead of trying the one behind it.
 *
 * The answer is read from the directory, the least numbers of all that are there at a time; the next questions are
 * answered from these. So a hole costs no more than a look into the directory, however wide it is, many holes cost few
 * looks, and memory is the same for any number of files. */
#ifndef HPR_NUMBERS_H
#define HPR_NUMBERS_H

#include "base.h"

/* A file of somebody else's moves our numbers behind its own, but not one with this number or above: that was put there
 * to exhaust the numbers. It is left as it is, and our numbers go on as if it were not there. */
#define HPR_NUMBER_FOREIGN_MAX (UINT64_C(1) << 62)

/* No file of ours has this number or a higher one. */
#define HPR_NUMBER_END (UINT64_C(1) << 63)

#define HPR_NUMBERS_KEPT 64

struct hpr_numbers { /* all 0: nothing is known */
    uint64_t from;   /* from here on ... */
    uint64_t until;  /* ... to below here, these are all the numbers under which something stood */
    size_t count;
    uint64_t kept[HPR_NUMBERS_KEPT]; /* in order */
};

/* The least number from NUMBER on and below LIMIT under which something stands in the directory FD, else LIMIT. All
 * files below LIMIT must have been there at the first call: none is made any more, they only go. What is told may be
 * gone by now. 0, or a negated errno: the directory could not be read. */
HPR_MUST_CHECK int hpr_numbers_next(struct hpr_numbers *numbers, const struct hopper_io *io, int fd, uint64_t number,
                                    uint64_t limit, uint64_t *nextp);

#endif
