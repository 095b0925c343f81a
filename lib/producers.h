/* SPDX-License-Identifier: MIT */
/* Producers that number their records, so that one that sends again after a crash is not delivered twice: the highest
 * number accepted of each. A number stands with its record (record.h); so that not all files have to be read at open,
 * each queue file begins with the table as it was then, and the file PRODUCERS has it as it was when files were
 * removed. */
#ifndef HPR_PRODUCERS_H
#define HPR_PRODUCERS_H

#include "frame.h"
#include "io.h"

#define HPR_PRODUCERS_NAME       "PRODUCERS"
#define HPR_PRODUCERS_FILE_BYTES 8192
#define HPR_PRODUCERS_SLOT_BYTES 2048

struct hpr_producers {
    size_t count;
    struct hpr_producer {
        uint64_t id;       /* not 0 */
        uint64_t accepted; /* the highest number accepted */
        uint64_t staged;   /* the highest number staged (commit.h), at least ACCEPTED */
    } known[HOPPER_PRODUCERS_MAX];
    uint64_t generation;        /* of the slot of PRODUCERS that holds */
    uint64_t synced_generation; /* of the one that is on the device for certain, written here; 0: none */
};

/* The producer of ID; NULL when it is not known. With room for it, it is added. */
struct hpr_producer *hpr_producers_find(struct hpr_producers *p, uint64_t id);
struct hpr_producer *hpr_producers_add(struct hpr_producers *p, uint64_t id);

/* NUMBER of ID was accepted; an id that is not known and has no room is passed over. */
void hpr_producers_note(struct hpr_producers *p, uint64_t id, uint64_t number);

/* The same for all numbered records among the LEN bytes of packed records at RAW. */
void hpr_producers_note_raw(struct hpr_producers *p, const unsigned char *raw, size_t len);

void hpr_producers_merge(struct hpr_producers *p, const struct hpr_producers *from);

/* What was staged is not accepted. */
void hpr_producers_forget_staged(struct hpr_producers *p);

/* The table as it stands in a queue file; its bytes, at most HPR_TABLE_BYTES_MAX. */
size_t hpr_producers_put_table(unsigned char *out, const struct hpr_producers *p, const struct hpr_frame_place *place);

/* Note what the table of COUNT entries says, whose entries and their checksum are the LEN bytes at IN. False:
 * damaged. */
bool hpr_producers_get_table(const unsigned char *in, size_t len, size_t count, struct hpr_producers *p);

/* PRODUCERS in DIRFD: note what its better slot says (a missing file or slot: nothing); write and sync the next one,
 * making the file if need be. 0 or a negated errno. */
HPR_MUST_CHECK int hpr_producers_read(struct hpr_producers *p, const struct hopper_io *io, int dirfd,
                                      const uint8_t *channel_id);
HPR_MUST_CHECK int hpr_producers_write(struct hpr_producers *p, const struct hopper_io *io, int dirfd,
                                       const uint8_t *channel_id);

#endif
