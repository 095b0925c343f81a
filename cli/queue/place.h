/* SPDX-License-Identifier: MIT */
/*
 * A channel's directory as a stranger finds it: which queue files are there, whether it has an owner, what STATE and
 * MEMORY say, and which channel it is. Looking opens everything for reading only, follows no link, waits for no FIFO
 * and takes no lock.
 */
#ifndef QUEUE_PLACE_H
#define QUEUE_PLACE_H

#include "frame.h"
#include "memory_old.h"
#include "state.h"

#define PLACE_PATH_BYTES 4096
#define PLACE_LOCK_NAME  "LOCK"

enum place_owner {
    PLACE_FREE,   /* nobody has it open */
    PLACE_OWNED,  /* somebody has */
    PLACE_UNKNOWN /* LOCK cannot be asked */
};

/* What became of one of the two files that are not queue files. */
enum place_part { PART_ABSENT, PART_GOOD, PART_DAMAGED, PART_NEWER, PART_UNREADABLE };

struct place {
    const struct hopper_io *io;
    int fd; /* -1: not open */
    char path[PLACE_PATH_BYTES];

    uint64_t *numbers; /* of the queue files, in order */
    size_t count;
    size_t room;
    size_t kept;   /* files that hopper-queue repair kept beside */
    size_t others; /* names that are not ours, with those that only look like a queue file's */

    bool is_ours; /* this process holds the lock */
    enum place_owner owner;
    long owner_pid; /* 0: not known */

    enum place_part state_part;
    struct hpr_state state; /* PART_GOOD */
    unsigned state_slots;   /* good ones */
    bool is_state_odd;      /* it is good, but of another kind of queue than all else here: PART_DAMAGED */
    enum place_part memory_part;
    struct hpr_memory_old memory; /* PART_GOOD; its fd is open */

    bool has_id; /* the three below are known */
    uint8_t channel_id[HPR_CHANNEL_ID_BYTES];
    uint8_t survive;
    uint8_t content;
};

/* Open DIR, or the channel NAME in it (NULL: DIR itself, or the one channel in it), and look. 0; else a negated errno,
 * and the reason was said. Close in either case. */
int place_open(struct place *place, const char *dir, const char *name);
void place_close(struct place *place);

/* Look again at what changes: files, owner, STATE, MEMORY. A negated errno (said) or 0. */
int place_look(struct place *place);
int place_list(struct place *place); /* the numbers only */
void place_ask_owner(struct place *place);

/* Open the file NAME for reading when it is a plain file, and say how large it is. The descriptor or a negated errno;
 * -ENOTSUP: something else has the name. */
int place_open_file(const struct place *place, const char *name, uint64_t *bytesp);
int place_open_number(const struct place *place, uint64_t number, uint64_t *bytesp);

/* The header of NUMBER's file; foreign when it is not of this number. */
enum hpr_file_verdict place_read_header(const struct place *place, uint64_t number, struct hpr_file_header *header);

/* Where bytes that are not in a hole of FD's file begin, from AT on; END when there are none before it. A file of holes
 * may seem to be larger than anybody could read. */
uint64_t place_next_data(int fd, uint64_t at, uint64_t end);

/* Names that the library needs for plain files of its own, STATE and MEMORY aside; and whether something else has
 * NAME. */
#define PLACE_WAYS 3
extern const char *const place_ways[PLACE_WAYS];
bool place_is_in_way(const struct place *place, const char *name);

/* NUMBER's file as "repair" keeps it when it is damaged: "NUMBER.hq.damaged". */
#define PLACE_KEPT_SUFFIX     ".damaged"
#define PLACE_KEPT_NAME_BYTES 48
bool place_has_kept(const struct place *place, uint64_t number);
bool place_has_kept_memory(const struct place *place);

#endif
