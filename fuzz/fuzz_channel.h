/* SPDX-License-Identifier: MIT */
/*
 * A channel beside a plain model of it: an array of what was accepted, in order. Every send and receive of a target
 * goes through here and is compared at once; fuzz_channel_check() compares the books. Nothing in here waits.
 */
#ifndef FUZZ_FUZZ_CHANNEL_H
#define FUZZ_FUZZ_CHANNEL_H

#include "fuzz.h"
#include "fuzz_platform.h"

#include "platform_mem.h"

#include <hopper/hopper.h>

enum {
    FUZZ_SENDERS_MAX = 12,
    FUZZ_BATCH_MAX   = 96,
    FUZZ_RECORDS_MAX = 40000 /* accepted in one run; sends are not tried beyond */
};

/* An item: what it holds is fuzz_content(id, len), which it does not carry with it. */
struct fuzz_item {
    uint32_t id;
    uint32_t len;
    uint32_t flags; /* FUZZ_ITEM_... */
    uint32_t packs; /* how often it was packed */
};

enum {
    FUZZ_ITEM_PACK_FAILS   = 1,
    FUZZ_ITEM_PACK_DIFFERS = 2, /* writes more bytes the second time */
    FUZZ_ITEM_UNPACK_FAILS = 4
};

/* A record that was accepted: [seq - 1] of the model. */
struct fuzz_expected {
    uint32_t id;
    uint32_t len;
    uint32_t flags; /* of an item */
};

struct fuzz_channel {
    struct mem_platform *mem; /* the disk, kept from one input to the next and emptied for each */
    struct fuzz_platform fp;  /* around it */
    struct hopper_options options;
    struct hopper_item_type item_type;
    int carries_items;
    int64_t items; /* live */

    hopper_sender *snd[FUZZ_SENDERS_MAX];
    size_t senders;       /* open: snd[0 .. senders - 1] */
    hopper_receiver *rcv; /* NULL once it is closed */

    struct fuzz_expected *expected; /* FUZZ_RECORDS_MAX of them */
    uint64_t accepted;
    uint64_t delivered;                /* sequence number of the last record or gap handed out */
    uint64_t received;                 /* records handed out */
    uint64_t acknowledged;             /* of them */
    uint64_t gaps[HOPPER_GAP_REASONS]; /* records missing in gaps handed out */
    uint64_t refused;
    uint64_t record_bytes_max; /* in force */
    unsigned fault_kinds;      /* bit for each enum fuzz_fault_kind that was set */
    unsigned gaps_allowed;     /* bit for each enum hopper_gap that may come */
    int files_touched;         /* the target has been at the channel's files */
    int files_may_stay;        /* a fault hit when a handle was closed */
    int contents_forged;       /* and has put records of its own in */
    uint32_t next_id;

    struct hopper_record views[FUZZ_BATCH_MAX]; /* of the last receive, still valid */
    size_t view_count;
};

/* Start anew: an empty disk with FUZZ_DIR on it. */
void fuzz_channel_begin(struct fuzz_channel *ch);

/* Open a channel with OPTIONS, whose platform and item type are filled in here. Returns hopper_open()'s status;
 * anything but HOPPER_OK leaves nothing to close. FAULT, if not NULL, is in force during the open and after it. */
hopper_status fuzz_channel_open(struct fuzz_channel *ch, const struct hopper_options *options, int carries_items,
                                const struct fuzz_fault *fault);

/* Close everything, in an order that RECEIVER_FIRST chooses, and require that nothing is left. */
void fuzz_channel_close(struct fuzz_channel *ch, int receiver_first);

/* Send one record of LEN bytes (FLAGS: for an item) through sender WHICH. Returns the status. */
hopper_status fuzz_channel_send(struct fuzz_channel *ch, size_t which, size_t len, uint32_t flags);

/* Send COUNT records of LEN, LEN + STEP, ... bytes as a batch, of vectors or side by side. Items go one by one. */
void fuzz_channel_send_batch(struct fuzz_channel *ch, size_t which, size_t count, size_t len, size_t step,
                             int is_joined);

hopper_status fuzz_channel_flush(struct fuzz_channel *ch, size_t which);
void fuzz_channel_clone(struct fuzz_channel *ch, size_t which);
void fuzz_channel_close_sender(struct fuzz_channel *ch, size_t which);
void fuzz_channel_close_receiver(struct fuzz_channel *ch);
void fuzz_channel_acknowledge(struct fuzz_channel *ch);
void fuzz_channel_poll_fd(struct fuzz_channel *ch);

/* Receive up to MAX records at once without waiting; 0: with the call for one. Returns the status. */
hopper_status fuzz_channel_receive(struct fuzz_channel *ch, size_t max);

/* Receive until there is nothing more; returns the status that ended it. Bounded: each call has to get on. */
hopper_status fuzz_channel_drain(struct fuzz_channel *ch);

/* The books and the budgets, as they must be between any two calls. */
void fuzz_channel_check(struct fuzz_channel *ch);

#define FUZZ_DIR  "/spool"   /* on ch->mem */
#define FUZZ_NAME "q"        /* of the channel */
#define FUZZ_PATH "/spool/q" /* the channel's directory */

#endif
