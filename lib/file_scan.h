/* SPDX-License-Identifier: MIT */
/* What stands in one queue file that an earlier run left: whose it is, where its last good frame ends, how large the
 * frames get. Called by recover.c only, which knows what that comes to for the channel. */
#ifndef HPR_FILE_SCAN_H
#define HPR_FILE_SCAN_H

#include "dir.h"

#define HPR_FILE_SCAN_PIECE 16384

struct hpr_file_look {
    enum hpr_file_verdict verdict;
    bool is_cut_short; /* not even a whole header was written: made, and never used */
    struct hpr_file_header header;
    uint64_t bytes;
};

struct hpr_file_scan { /* while it is open */
    const struct hpr_dir *dir;
    int fd;
    uint64_t number;
    uint64_t bytes; /* size of the file */

    /* told before hpr_file_scan_frames() */
    struct hpr_producers *producers; /* what the file says of them is noted here */
    uint64_t void_seq;               /* from there on records were written again in a newer file; 0: none were */
    bool may_be_torn;                /* the machine may have stopped while the file was written */

    /* found by it */
    uint64_t end;       /* behind the last frame that is all there */
    uint64_t first_seq; /* of the first frame; 0: none seen */
    uint64_t end_seq;   /* 0: no frame seen */
    uint64_t dropped_total;
    uint64_t records;
    bool is_sealed;
    bool lacks_table; /* its header says that a table of producers follows, and none does */

    uint64_t at;         /* where the next frame is looked for */
    bool has_passed_bad; /* while it may be torn: frames whose payload is not good */
    int read_error;      /* a negated errno */
    unsigned char buf[HPR_FILE_SCAN_PIECE];
};

/* What stands under the name of file NUMBER. What is no file, and what is gone, is foreign: it is left alone.
 *   HOPPER_EVERSION   a queue file of a newer format
 *   HOPPER_EIO, ...   it cannot be looked at */
hopper_status hpr_file_scan_look(const struct hpr_dir *dir, uint64_t number, struct hpr_file_look *look,
                                 struct hopper_error *err);

/* A file whose header is damaged is ours when anything in it proves to be: no other has headers that are good in this
 * channel, under this number and at their place. LOOK, which says foreign, then says damaged. */
hopper_status hpr_file_scan_prove(const struct hpr_dir *dir, uint64_t number, struct hpr_file_look *look,
                                  struct hopper_error *err);

/* Open file NUMBER, of which LOOK is known. Close it also when what was done with it has failed. */
hopper_status hpr_file_scan_open(struct hpr_file_scan *s, const struct hpr_dir *dir, uint64_t number,
                                 const struct hpr_file_look *look, struct hopper_error *err);
void hpr_file_scan_close(struct hpr_file_scan *s);

/* All frames, from the file's header to the end of what is good. */
hopper_status hpr_file_scan_frames(struct hpr_file_scan *s, struct hopper_error *err);

/* Then: what is behind the last frame goes. *TORN_BYTESP of it were a write that did not end; the rest, or all of it,
 * are zeros that the file was given ahead of its frames. The file stays without a footer. */
hopper_status hpr_file_scan_cut_tail(struct hpr_file_scan *s, uint64_t *torn_bytesp, struct hopper_error *err);

/* And where a power loss is to be survived: what is in the page cache only is about to be called durable. */
hopper_status hpr_file_scan_sync(struct hpr_file_scan *s, struct hopper_error *err);

/* The raw bytes of the largest frame with a record from FROM_SEQ on that is whole, with a good payload of a length that
 * it can make, when that is more than RAW_MAX; else RAW_MAX. What cannot be read now counts for nothing. */
uint64_t hpr_file_scan_largest(struct hpr_file_scan *s, uint64_t from_seq, uint64_t raw_max);

#endif
