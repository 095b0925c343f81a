/* SPDX-License-Identifier: MIT */
/* A channel's directory: the owner's lock, the files in order of their numbers, and the disk budget.
 *
 * Files have numbers that only grow. The one with the highest is written (`active`), the reader is in one of those from
 * `oldest` on. Bytes are counted along one stream, file after file: `written` is where the stream ends, `removed` where
 * it begins; each file's header says where in it the file stands, so that the disk in use is known without a table.
 *
 * Budget: a block gets a promise of its worst case before its first record. What is used and what is promised never
 * exceed disk_bytes, and a write only turns a promise into use. Zeros that the active file has behind its last frame
 * are room for what is promised, so of the two only the larger one counts: they never make a promise fail that there
 * would be room for without them. They are cut off before anything is written elsewhere. A removed file takes its
 * room for as long as somebody has it open: so the receiver closes a file when it has all that is in it, and what is
 * removed while it reads counts as used until it has read. */
#ifndef HPR_DIR_H
#define HPR_DIR_H

#include "numbers.h"
#include "options.h"
#include "producers.h"
#include "queue_file.h"
#include "sync.h"

#define HPR_SQUATTERS_MAX 8

struct hpr_dir_end {
    uint64_t number;        /* 0: there is no active file */
    uint64_t start;         /* stream offset of its first byte */
    uint64_t bytes;         /* end of its last frame */
    uint64_t first_seq;     /* of its first record */
    uint64_t record_offset; /* records in all files before it */
};

struct hpr_dir {
    const struct hopper_io *io;               /* [const after open] */
    const struct hopper_clock *clock;         /* [const after open] */
    const struct hopper_allocator *allocator; /* [const after open] for what recovery needs for a while */
    int fd;                                   /* [const after open] */
    int lock_fd;                              /* [const after open] */
    uint64_t disk_bytes;                      /* [const after open] options.disk_bytes, or more: see hpr_dir_keep() */
    uint64_t file_bytes;                      /* [const after open] */
    uint8_t channel_id[HPR_CHANNEL_ID_BYTES]; /* [const after open] */
    uint8_t content;                          /* [const after open] enum hpr_content */
    uint8_t survive;                          /* [const after open] enum hopper_survive */
    uint32_t raw_max;                         /* [const after open] the largest raw frame that is written */
    uint64_t kept_bytes;                      /* [const after open] STATE, MEMORY and its spare */
    int state_fd;                             /* [const after open] -1: none */
    bool state_is_new;                        /* [const after open] */
    char path[256];                           /* [const after open] for messages */

    uint64_t written;    /* [back] end of the stream */
    uint64_t removed;    /* [back] beginning of the stream: all before it is off the disk */
    uint64_t promised;   /* [back] to blocks in memory */
    uint64_t zeros;      /* [back] behind the last frame of the active file, or about to be written there */
    uint64_t oldest;     /* [back] number of the first file that may exist */
    bool wants_room;     /* [back] a sender found none: the last file of a channel that survives goes as well, however
                            short, when all in it is acknowledged */
    bool removal_is_due; /* [back] files that may go could not be, the last time */
    bool is_removing;    /* [back] a thread is removing files from `oldest` on */
    bool is_read;      /* [back] the receiver is reading, without the lock, and may have files open that are removed */
    uint64_t held;     /* [back] bytes of files that were removed meanwhile: they take their room until it is done */
    uint64_t unwanted; /* [back] number below which no file is wanted: those from `oldest` on are still to be removed */
    uint64_t unwanted_offset;   /* [back] where the stream begins when they are, 0: not known */
    struct hpr_dir_end end;     /* [back] the active file as the reader may see it */
    uint64_t rewrites;          /* [back] begun and ended: odd while what could not be synced is moved to the next file,
                                   and the active one cut back below `end` */
    uint64_t numbers_seen;      /* [back] next_number, as published */
    uint64_t holes;             /* [back] of the numbers from `oldest` on, those that no file had at open */
    struct hpr_numbers numbers; /* [back] */
    bool has_cut_short;         /* [back] the file of that number is there: its creation failed half-way */
    uint64_t abandoned;         /* [back] number of an active file that is not to be written any more, 0: none */

    struct hpr_queue_file active; /* [writer] none at first, and after it was discarded */
    struct hpr_queue_file fresh;  /* [writer] the next active file while its first frame is written */
    uint64_t next_number;         /* [writer] */
    uint64_t waste;            /* [writer] file with a frame whose write failed, that could neither be removed nor cut
                                     off; no new file is made before that is done. 0: none */
    bool active_is_abandoned;  /* [writer] the reader has given it up */
    bool has_written;          /* [writer] some of the frame that was begun */
    uint64_t writer_written;   /* [writer] end of the stream, ahead of `written` until published */
    uint64_t active_first_seq; /* [writer] */
    uint64_t active_record_offset;         /* [writer] */
    uint64_t fresh_first_seq;              /* [writer] */
    bool fresh_is_hidden;                  /* [writer] its name is HPR_REWRITE_NAME still */
    uint64_t writer_records;               /* [writer] in all files so far */
    uint64_t squatters[HPR_SQUATTERS_MAX]; /* [writer] numbers whose names were taken by files not ours */
    size_t squatter_count;                 /* [writer] */
    size_t squatters_seen;                 /* [back] those of them that the remover may look at */

    struct hpr_producers *producers;        /* [writer] as of all that was written; NULL where nothing survives */
    struct hpr_producers *producers_synced; /* [writer] as of what is on the device */
    uint64_t synced_bytes;                  /* [writer] of the active file: up to here it is on the device */
    uint64_t synced_records;                /* [writer] records in them */
    uint64_t synced_last_seq;               /* [writer] of the last of these */
    uint64_t zeros_from;                    /* [writer] no zeros in files with lower numbers: writing them has failed */
    bool active_is_spent;    /* [writer] syncing the active file failed once: nothing more is written to it */
    bool active_is_full;     /* [writer] the system does not let it grow (EFBIG): the next frame begins another */
    uint64_t synced_seq;     /* [writer] of the last record on the device, in whatever file */
    bool has_unsynced_names; /* [writer] files were made since the directory was last synced */
    uint64_t unsynced;       /* [writer] number of the first file that may hold what is not on the device, 0: none */
    _Atomic uint64_t syncs;  /* [atomic: written by the writer] */
    _Atomic uint64_t removable_seq; /* [atomic: written under back] of a channel that survives: when all below it is
                                       acknowledged, files may go. UINT64_MAX: none for now */
};

/* Open DIR/NAME, make it if need be, lock it, and for a channel that survives nothing clear it of what an earlier such
 * run left. */
hopper_status hpr_dir_open(struct hpr_dir *dir, const char *path, const char *name,
                           const struct hopper_options *options, const struct hpr_plan *plan, struct hopper_error *err);

/* What OP was about is the file NAME in DIR. ST is told, for HOPPER_EIO the negated errno RES as well. */
hopper_status hpr_dir_error(const struct hpr_dir *dir, const char *name, hopper_status st, int res, const char *op,
                            struct hopper_error *err);

/* The header of the file of NUMBER, when it is one of this channel's. -ENOENT: there is no file. Another negated errno:
 * nothing of it can be used. */
HPR_MUST_CHECK int hpr_dir_read_header(const struct hpr_dir *dir, uint64_t number, struct hpr_file_header *header);

/* Remove all queue files unless they are to survive, give the lock back. */
void hpr_dir_close(struct hpr_dir *dir);

/* ---- the budget; all with `back` held ---- */

#define HPR_FRAME_PROMISE(raw_bytes) \
    ((uint64_t)(raw_bytes) + HPR_FRAME_HEADER_BYTES + HPR_FILE_HEADER_BYTES + HPR_FOOTER_BYTES)

/* What a frame of RAW_BYTES may take, with all that a file of its own would. */
static inline uint64_t hpr_dir_frame_promise(const struct hpr_dir *dir, uint64_t raw_bytes)
{
    return HPR_FRAME_PROMISE(raw_bytes) + (dir->survive == HOPPER_SURVIVE_NOTHING ? 0 : HPR_TABLE_BYTES_MAX);
}

/* Before anything is promised: BYTES are taken beside queue files for as long as the channel is open. They may be more
 * than these options would take, where an earlier run left more in MEMORY; whatever they are, one frame has room. */
void hpr_dir_keep(struct hpr_dir *dir, uint64_t bytes);

bool hpr_dir_promise_locked(struct hpr_dir *dir, uint64_t bytes);
uint64_t hpr_dir_used_locked(const struct hpr_dir *dir);
uint64_t hpr_dir_files_locked(const struct hpr_dir *dir);

/* ---- writing; by the one thread that is the writer, `back` not held ---- */

/* Choose the file for a frame of at most FRAME_BYTES whose first record is FIRST_SEQ; a new one is created when the
 * active file has no room. */
hopper_status hpr_dir_begin_frame(struct hpr_dir *dir, uint64_t frame_bytes, uint64_t first_seq,
                                  struct hopper_error *err);

/* The place of the frame that was begun. */
struct hpr_frame_place hpr_dir_frame_place(struct hpr_dir *dir);

/* Write LEN bytes of the frame at OFFSET from its start. After a failure: roll back. */
hopper_status hpr_dir_write(struct hpr_dir *dir, const void *buf, size_t len, uint64_t offset,
                            struct hopper_error *err);

/* Write the frame of LEN bytes that was begun, with its header. Where it lies on zeros the header comes last: whoever
 * reads meanwhile, or after a kill, finds it with all of its payload or not at all. */
hopper_status hpr_dir_write_frame(struct hpr_dir *dir, const unsigned char *frame, size_t len,
                                  struct hopper_error *err);

/* The frame is whole. Cannot fail; a new file becomes the active one and the old one is sealed. *SEAL_ERRORP: a negated
 * errno when that went wrong, which costs nothing but the footer. */
void hpr_dir_commit_frame(struct hpr_dir *dir, uint64_t frame_bytes, uint64_t records, uint64_t last_seq,
                          int *seal_errorp);

/* Take back what was written of the frame. True: it could not be, and stays on the disk as waste. */
bool hpr_dir_roll_back_frame(struct hpr_dir *dir);

/* Remove a file whose creation failed half-way and that could not be removed then: its number has not been used. A
 * negated errno or 0. */
int hpr_dir_remove_cut_short(struct hpr_dir *dir);

/* For dir_sync.c: create the next file (a negated errno or 0), and make it the active one. */
int hpr_dir_create_fresh(struct hpr_dir *dir, uint64_t first_seq, bool is_hidden);

/* Remove what a run that ended, or a try that failed, left under HPR_REWRITE_NAME. A negated errno or 0. */
HPR_MUST_CHECK int hpr_dir_remove_hidden(const struct hpr_dir *dir);
void hpr_dir_adopt_fresh(struct hpr_dir *dir);

/* With `back` held: write no more to the active file, the next frame goes to a new one. */
void hpr_dir_abandon_locked(struct hpr_dir *dir);

/* With `back` held, by the thread that becomes the writer. */
void hpr_dir_enter_writer_locked(struct hpr_dir *dir);

/* With `back` held, after a roll-back that left waste of at most BYTES, or for zeros that stay: count them as
 * written. */
void hpr_dir_count_waste(struct hpr_dir *dir, uint64_t bytes);

/* With `back` held, after a commit or a roll-back: let the others see it. Returns the bytes written. */
uint64_t hpr_dir_publish_locked(struct hpr_dir *dir);

/* With `back` held, of a channel that survives, all records below END_SEQ being in files: say when files may go. */
void hpr_dir_note_removable_locked(struct hpr_dir *dir, uint64_t end_seq);

/* The same; and there is no room for what is to be written. */
void hpr_dir_want_room_locked(struct hpr_dir *dir, uint64_t end_seq);

/* ---- zeros ahead of the frames; by the writer ---- */

/* With `back` held, before a sync: how far the active file is to have zeros, and count them. 0: it needs none now, or
 * there is no room for them in the budget or in the file. */
uint64_t hpr_dir_plan_zeros_locked(struct hpr_dir *dir);

/* `back` not held: write them, up to END. What fails costs nothing but the zeros. Then publish. */
void hpr_dir_put_zeros(struct hpr_dir *dir, uint64_t end);

/* ---- syncing; by the writer, `back` not held ---- */

/* Bring to the device what was committed, and the names of new files. */
hopper_status hpr_dir_sync(struct hpr_dir *dir, struct hopper_error *err);

/* After hpr_dir_sync() has failed: write the frames that it was about again, to a fresh file, which becomes the active
 * one, and sync that. On failure they are where they were, in a file that is not written to any more. */
hopper_status hpr_dir_rewrite_unsynced(struct hpr_dir *dir, struct hopper_error *err);

/* Forget the committed frames that are not on the device: cut the active file back to what is. */
void hpr_dir_forget_unsynced(struct hpr_dir *dir);

/* Bytes of files that hpr_dir_rewrite_unsynced() may make. */
uint64_t hpr_dir_unsynced_bytes(const struct hpr_dir *dir);

/* At close, nobody being the writer: bring all that this run wrote to the device. */
int hpr_dir_sync_all(struct hpr_dir *dir);

/* ---- removing; with `back` held ---- */

/* Files below NUMBER are not wanted any more; when all are gone the stream begins at STREAM_OFFSET (0: not known). */
void hpr_dir_give_up_below_locked(struct hpr_dir *dir, uint64_t number, uint64_t stream_offset);

/* No file is; and the active one is closed, nobody being the writer. */
void hpr_dir_give_up_all_locked(struct hpr_dir *dir);

/* Remove what is not wanted. Stops at what cannot be removed and goes on from there the next time. BACK is dropped
 * around the file operations unless it is NULL. True when all is gone and room was won. */
bool hpr_dir_remove_unwanted_locked(struct hpr_dir *dir, struct hpr_mutex *back);

/* Whether files are there, or may be, that are not wanted; the number of the first one that is, if it exists. */
bool hpr_dir_has_unwanted_locked(const struct hpr_dir *dir);
uint64_t hpr_dir_first_wanted_locked(const struct hpr_dir *dir);

/* Around what the receiver reads without the lock. A file that is removed meanwhile may be open, and counts as used
 * until the end: true when there was one, and its room is there now. */
void hpr_dir_begin_read_locked(struct hpr_dir *dir);
bool hpr_dir_end_read_locked(struct hpr_dir *dir);

/* Give up all, and remove it now. True when room was won. */
bool hpr_dir_discard_all_locked(struct hpr_dir *dir);

/* The next number from NUMBER on under which something stands, LIMIT when there is none below it; all files below LIMIT
 * are there. A negated errno or 0. */
HPR_MUST_CHECK int hpr_dir_next_number_locked(struct hpr_dir *dir, uint64_t number, uint64_t limit, uint64_t *nextp);

/* Where the file after NUMBER begins that can be read, at the latest the active one; its first record and its place in
 * the stream. False: there is none. */
bool hpr_dir_next_file_locked(struct hpr_dir *dir, uint64_t number, struct hpr_dir_end *next);

#endif
