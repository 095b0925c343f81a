/* SPDX-License-Identifier: MIT */
/* The thread of options.decompress_threads: it reads and inflates the next frames while the receiver works on one, and
 * does what else would keep the receiver waiting (its chore). One for a channel. Of the frames, nothing but speed
 * depends on it: what it has not, or could not get, the receiver loads itself, and only what the receiver finds
 * counts. */
#ifndef HPR_AHEAD_H
#define HPR_AHEAD_H

#include "payload.h"
#include "sync.h"

/* How often each side looks whether the other has got on, before it sleeps, and how long it pauses before each look:
 * some 50 us in all, what a wake-up costs on both sides, or a block to inflate. Between two looks it yields its CPU.
 * Tests that walk through schedules set the first to 1. */
#ifndef HPR_AHEAD_ROUNDS
#define HPR_AHEAD_ROUNDS 60
#endif
#define HPR_AHEAD_PAUSES 40

#define HPR_AHEAD_SLOTS 2 /* one in the receiver's hands, one being filled */

/* Frame HEADER whose payload is at OFFSET of file NUMBER. */
struct hpr_ahead_place {
    uint64_t number;
    uint64_t offset;
    struct hpr_frame_header header;
};

struct hpr_ahead {
    const struct hopper_io *io;   /* [const after open] */
    const uint8_t *channel_id;    /* [const after open] */
    struct hpr_thread thread;     /* [const after open] */
    struct hpr_inflater inflater; /* [the thread] */
    uint64_t read_errors;         /* [the thread] of no use: the receiver comes upon them itself */
    void (*chore)(void *ctx);     /* [const after open] */
    void *chore_ctx;              /* [const after open] */
    struct hpr_mutex mutex;
    struct hpr_cond wake; /* the thread waits for something to do */
    struct hpr_cond done; /* the receiver waits for the thread */

    struct {
        struct hpr_payload_buffer buffer;           /* [its holder, see first, ready, is_held] */
        struct hpr_ahead_place place;               /* [mutex] */
        unsigned char next[HPR_FRAME_HEADER_BYTES]; /* [its holder] the header behind it */
        bool has_next;                              /* [mutex] */
    } slots[HPR_AHEAD_SLOTS];
    unsigned first; /* [mutex] of the slots, the oldest that is ready; the one before it is the receiver's if is_held */
    unsigned ready; /* [mutex] so many from there on, then what the thread fills */
    bool is_held;   /* [mutex] */

    /* What each side looks at for a while before it sleeps. */
    alignas(HPR_CACHE_LINE) _Atomic unsigned loaded; /* [atomic; written under mutex] frames, by the thread */
    alignas(HPR_CACHE_LINE) _Atomic unsigned asked;  /* [atomic; written under mutex] asked for or given back, by the
                                                        receiver */

    bool is_wanted;               /* [mutex] `next` is to be loaded, or is being loaded */
    bool is_at_work;              /* [mutex] with the lock dropped */
    bool has_loaded;              /* [the thread] since it last slept */
    bool is_asleep;               /* [mutex] the thread */
    bool is_waited_for;           /* [mutex] by the receiver */
    bool is_stopping;             /* [mutex] */
    bool is_chore_due;            /* [mutex] */
    struct hpr_ahead_place next;  /* [mutex] */
    struct hpr_payload_file file; /* [mutex; const while is_at_work] of `next` */
};

/* Start the thread, with the slots' buffers, the inflater, io and the chore set by the caller. HOPPER_ENOMEM: it could
 * not be had. */
hopper_status hpr_ahead_open(struct hpr_ahead *a, struct hopper_error *err);

/* End it, when it has done its chore if that is due. Nothing where there is none. */
void hpr_ahead_close(struct hpr_ahead *a);

/* Have the chore done, once more if it has begun: by the thread, with no lock held, before it loads another frame. */
void hpr_ahead_do_chore(struct hpr_ahead *a);

/* The rest by the receiver's thread. */

/* PLACE comes after the frame that was loaded last: go on from there, unless that is what the thread does already. Its
 * payload is in the file of FD, whose frames end at LIMIT at the earliest. Nothing for a frame that is stored: the
 * receiver has it sooner by copying it itself than from another CPU's cache. */
void hpr_ahead_ask(struct hpr_ahead *a, const struct hpr_ahead_place *place, int fd, uint64_t limit);

/* The frame at OFFSET of file NUMBER, when it was asked for and could be loaded; waits for it when it is being loaded.
 * False: the caller has to load it, the thread will not. *RAWP: its raw bytes, *NEXTP: the header behind it or NULL;
 * both are there until hpr_ahead_give_back(). */
bool hpr_ahead_take(struct hpr_ahead *a, uint64_t number, uint64_t offset, const unsigned char **rawp,
                    const unsigned char **nextp);
void hpr_ahead_give_back(struct hpr_ahead *a);

/* Forget what was asked for, and use its descriptor no more. What was taken stays. */
void hpr_ahead_forget(struct hpr_ahead *a);

#endif
