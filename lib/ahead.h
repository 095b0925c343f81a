/* SPDX-License-Identifier: MIT */
/* The thread of options.decompress_threads: it reads and inflates frames that the receiver will come to, while that
 * inflates another one or its caller works; and it does what else would keep the receiver waiting (its chore). One
 * for a channel. Of the frames, nothing but speed depends on it: what it has not, or could not get, the receiver loads
 * itself, and only what the receiver finds counts. */
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

#define HPR_AHEAD_SLOTS 2 /* of the thread: one in the receiver's hands, one being filled */

/* Frame HEADER whose payload is at OFFSET of file NUMBER. */
struct hpr_ahead_place {
    uint64_t number;
    uint64_t offset;
    struct hpr_frame_header header;
};

/* A frame that is loaded or being loaded. */
struct hpr_ahead_slot {
    struct hpr_payload_buffer buffer;
    struct hpr_ahead_place place;
    const unsigned char *next; /* the header behind it, in the buffer; NULL: not known */
};

struct hpr_ahead {
    const uint8_t *channel_id;    /* [const after open] */
    struct hpr_thread thread;     /* [const after open] */
    struct hpr_inflater inflater; /* [the thread] */
    void (*chore)(void *ctx);     /* [const after open] */
    void *chore_ctx;              /* [const after open] */
    struct hpr_mutex mutex;
    struct hpr_cond wake; /* the thread waits for something to do */
    struct hpr_cond done; /* the receiver waits for the thread */

    struct hpr_ahead_slot slots[HPR_AHEAD_SLOTS]; /* [their holder, see first, ready, is_held; place: mutex] */
    unsigned first; /* [mutex] of the slots, the oldest that is ready; the one before it is the receiver's if is_held */
    unsigned ready; /* [mutex] so many from there on, then what the thread fills */
    bool is_held;   /* [mutex] */

    struct hpr_ahead_slot own;         /* [the receiver] what it loads itself */
    bool own_is_ready;                 /* [the receiver] ahead of its turn: it has to come to it yet */
    struct hpr_inflater *own_inflater; /* [const after open] */

    /* What each side looks at for a while before it sleeps. */
    alignas(HPR_CACHE_LINE) _Atomic unsigned loaded; /* [atomic; written under mutex] by the thread: a frame, or the
                                                        header of the next */
    alignas(HPR_CACHE_LINE) _Atomic unsigned asked;  /* [atomic; written under mutex] by the receiver: there is more to
                                                        load, or a slot given back */

    bool has_next;                /* [mutex] `next` is there, and whoever comes first loads it */
    struct hpr_ahead_place next;  /* [mutex] what stands behind all that was taken to be loaded */
    struct hpr_payload_file file; /* [mutex] of `next` */
    bool is_at_work;              /* [mutex] the thread, loading with the lock dropped */
    bool has_loaded;              /* [the thread] since it last slept */
    bool is_asleep;               /* [mutex] the thread */
    bool is_waited_for;           /* [mutex] by the receiver */
    bool is_forgetting;           /* [mutex] the receiver waits for the thread to leave the file alone */
    bool is_stopping;             /* [mutex] */
    bool is_chore_due;            /* [mutex] */
};

/* Start the thread, with the buffers of all slots, the inflaters, the channel's id and the chore set by the caller.
 * HOPPER_ENOMEM: it could not be had. */
hopper_status hpr_ahead_open(struct hpr_ahead *a, struct hopper_error *err);

/* End it, when it has done its chore if that is due. Nothing where there is none. */
void hpr_ahead_close(struct hpr_ahead *a);

/* Have the chore done, once more if it has begun: by the thread, with no lock held, before it loads another frame. */
void hpr_ahead_do_chore(struct hpr_ahead *a);

/* The rest by the receiver's thread. */

/* The frame at PLACE of FILE, which fits into the receiver's own slot: loaded already, or loaded here, as by
 * hpr_payload_load(). While the thread is at it the receiver loads the frame behind it. *RAWP, its raw bytes, and
 * *NEXTP, the header behind it or NULL, are there until hpr_ahead_give_back(). */
HPR_MUST_CHECK enum hpr_load hpr_ahead_load(struct hpr_ahead *a, const struct hpr_ahead_place *place,
                                            const struct hpr_payload_file *file, const unsigned char **rawp,
                                            const unsigned char **nextp, int *resp);
void hpr_ahead_give_back(struct hpr_ahead *a);

/* Forget what is ahead, and use no descriptor any more, nor the own slot. What the receiver holds stays. */
void hpr_ahead_forget(struct hpr_ahead *a);

#endif
