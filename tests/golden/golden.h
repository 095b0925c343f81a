/* SPDX-License-Identifier: MIT */
/*
 * The golden files in the making: each case is a channel's directory with its queue files, and what a reader has to say
 * about it (reader.h explains the lines).
 *
 * make.c makes the valid ones through the public API, on a simulated platform whose random bytes and clock stand still,
 * and engines.c those that show who deflated them. break.c makes the others from them by changing bytes, checksums put
 * right where somebody means harm. generate.c writes all of it to a directory; tests/unit/test_golden.c compares it
 * with what is in the tree.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define GOLDEN_FILES_MAX  6
#define GOLDEN_FRAMES_MAX 40
#define GOLDEN_SENT_MAX   128
#define GOLDEN_CASES_MAX  40

struct golden_file {
    uint64_t       number;
    unsigned char *data;
    size_t         len;
};

/* Where a frame stands. */
struct golden_frame {
    size_t   file;   /* index */
    size_t   offset;
    size_t   bytes;
    uint64_t first_seq;
    uint32_t records;
    uint64_t dropped_total;
};

struct golden_sent {
    size_t   len;
    uint32_t crc;
};

struct golden_case {
    const char        *name;
    const char        *proves;   /* one line for README.md */
    bool               is_exact; /* its bytes are the same with every version of zlib */
    struct golden_file files[GOLDEN_FILES_MAX];
    size_t             file_count;
    char              *expect; /* what a reader says */

    /* of a valid case, as it was made */
    struct golden_frame frames[GOLDEN_FRAMES_MAX];
    size_t              frame_count;
    struct golden_sent  sent[GOLDEN_SENT_MAX]; /* by sequence number */
};

struct golden_set {
    struct golden_case cases[GOLDEN_CASES_MAX];
    size_t             count;
};

/* Cases that are made only by a build with this engine, or where this library is; the others are the same in number. */
#define GOLDEN_ISAL            "valid-deflate-isal"
#define GOLDEN_LIBDEFLATE_CASE "valid-deflate-libdeflate"

struct golden_set *golden_make(void); /* all cases; ends the program when something does not go as planned */
void               golden_free(struct golden_set *set);

/* ---- between make.c, engines.c and break.c ---- */
void golden_engines(struct golden_set *set); /* add those by engine */
void golden_describe(struct golden_case *c); /* its files are there: find the frames, and what a reader says */
void golden_break(struct golden_set *set); /* add the broken ones; the valid ones are there */
struct golden_case *golden_find(struct golden_set *set, const char *name);
struct golden_case *golden_add(struct golden_set *set, const char *name, const char *proves, bool is_exact);
void golden_check(bool is_fine, const char *what);

/* Write to OUT what a reader says of C when all of it is good but frame LOST (-1: none is lost), which is DAMAGE. */
void golden_tell(const struct golden_case *c, int lost, const char *damage, FILE *out);

/* Read an integer of BYTES big-endian bytes, write one. */
uint64_t golden_get(const unsigned char *p, int bytes);
void     golden_put(unsigned char *p, int bytes, uint64_t value);

#endif
