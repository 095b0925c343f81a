/* SPDX-License-Identifier: MIT */
/*
 * A channel on a disk in memory, under the scheduler, with a judge: what scenarios of the library are made of.
 *
 *     rig_open(&(struct rig_options){ .senders = 2 });  two clones of the channel's first sender
 *     rig_start(1, body);                               a thread for the first of them; body calls rig_send()
 *     rig_start(2, body);
 *     rig_close_first();                                the channel ends when the clones are closed
 *     rig_receive_all();                                until the end of the stream
 *     rig_finish();                                     joins; order, conservation, books; closes everything
 *
 * There is one rig at a time, and it is made anew in each schedule. The platform's calls are visible steps, its clock
 * is the scheduler's. Every send and every record received is noted; rig_finish() then knows
 *   - that nothing was received that was not accepted, nothing twice, nothing changed;
 *   - that each sender's records came in its order, and that a record whose send ended before another's began came
 * first;
 *   - that accepted = received + what gaps stand for, and that the channel's own books say the same.
 */
#ifndef SCHED_RIG_H
#define SCHED_RIG_H

#include <hopper/hopper.h>
#include <hopper/platform.h>
#include <pthread.h>
#include <stdbool.h>

#include "sched.h"

#define RIG_SENDERS_MAX 6
#define RIG_SENDS_MAX   256
#define RIG_BATCH_MAX   16
#define RIG_LEN_MIN     16
#define RIG_LEN_SMALL   64
#define RIG_RING_LEN    9000  /* of a message: larger than a block, and four of them fit into the least ring */
#define RIG_LEN_MAX     65536
#define RIG_THREAD      1 /* for sched_waits(): the channel's own thread, the one that compresses if there are two */

struct rig_options {
    unsigned senders;          /* clones of the first sender, made at once: a full channel has no room for them */
    uint64_t memory_bytes;     /* 0: the least, 128 KiB */
    uint64_t disk_bytes;       /* 0: the least, 64 KiB */
    uint64_t file_bytes;       /* 0: 16 KiB */
    uint64_t record_bytes_max; /* 0: the library's default, a quarter of memory_bytes */
    uint32_t when_full;        /* enum hopper_when_full; 0: block */
    uint32_t compression;      /* 0: not compressed */
    uint32_t survive;          /* enum hopper_survive; then the least budgets are larger */
    uint32_t sync;             /* enum hopper_sync */
    uint32_t acknowledge;      /* enum hopper_acknowledge */
    uint32_t compress_threads; /* such threads are the first that are made: RIG_THREAD */
    uint32_t decompress_threads;
    const struct hopper_item_type *item_type;
    hopper_status fails_with;  /* if not HOPPER_OK, how opening has to fail; then there is no rig */
};

struct rig_sender {
    hopper_sender *snd;
    unsigned id;   /* 0: the channel's first sender */
    unsigned next; /* number of its next message */
    bool is_started;
    pthread_t thread;
    void (*body)(struct rig_sender *self);
    unsigned char message[RIG_LEN_MAX];
};

struct rig {
    hopper_sender *first; /* NULL once closed */
    hopper_receiver *rcv; /* NULL once closed */
    uint64_t received;    /* records */
    uint64_t lost;        /* for which gaps were received */
    uint64_t lost_by[HOPPER_GAP_REASONS];
    unsigned accepted; /* sends that returned HOPPER_OK */
    bool is_at_end;    /* the receiver was told so */
    uint64_t room_kept; /* of disk_bytes_used: for a file that is made when it is needed */
    int event_fd;      /* of hopper_receiver_fd(); -1: none */
};
extern struct rig rig;

void rig_open(const struct rig_options *options);

/* ---- sending ---- */

/* The channel's first sender is number 0, for filling the channel before threads start; the clones follow. */
struct rig_sender *rig_sender(unsigned id);
void rig_start(unsigned id, void (*body)(struct rig_sender *self));
void rig_start_all(void (*body)(struct rig_sender *self)); /* all clones */
/* Send the next message of S, LEN bytes, and note what came of it. */
hopper_status rig_send(struct rig_sender *s, size_t len, uint64_t deadline_ns);
void rig_send_ok(struct rig_sender *s, size_t len); /* waits; must be accepted */
/* COUNT messages of LEN bytes at once. */
hopper_status rig_send_batch(struct rig_sender *s, size_t len, size_t count, uint64_t deadline_ns, size_t *acceptedp);
hopper_status rig_send_joined(struct rig_sender *s, size_t len, size_t count, uint64_t deadline_ns, size_t *acceptedp);
void rig_close_sender(struct rig_sender *s);
void rig_close_first(void);
/* Let the channel's own threads do what they have to do, until they wait. */
void rig_rest(void);
/* Fill the ring: messages of RIG_RING_LEN until one has overflowed to disk (that one is in the channel too). */
void rig_fill_ring(void);
/* Then fill the blocks on their way to disk: messages of LEN bytes until the first of them has been written. */
void rig_fill_blocks(size_t len);
/* Fill ring and disk: messages of RIG_RING_LEN until one is refused; then shorter ones, down to LEAST bytes, until none
 * fits. */
void rig_fill_all(size_t least);

/* ---- receiving ---- */

/* Receive one record or gap and judge it. Anything but HOPPER_OK is returned as it is. */
hopper_status rig_receive(uint64_t deadline_ns);
hopper_status rig_receive_batch(size_t max, uint64_t deadline_ns);
void rig_receive_all(void);             /* until HOPPER_END */
void rig_receive_count(unsigned count); /* COUNT records or gaps */
void rig_acknowledge(void);
void rig_close_receiver(void);
/* Wait until the event of hopper_receiver_fd() is readable, as poll() would; and whether it is. */
void rig_poll(void);
bool rig_event_is_set(void);

/* ---- the disk ---- */

enum { RIG_FAULT_WRITE = 1, RIG_FAULT_READ = 2, RIG_FAULT_OPEN = 4, RIG_FAULT_SYNC = 8, RIG_FAULT_REMOVE = 16 };

/* From now on each call of KINDS may fail with ERROR, COUNT times at most per schedule, which of them being part of the
 * schedule; STICKY: once one has failed all do, until rig_heal(). */
void rig_allow_faults(unsigned kinds, int error, unsigned count, bool sticky);
/* From now on no write succeeds: the device is full, until rig_heal(). */
void rig_break_device(void);
void rig_heal(void);
unsigned rig_faults(void); /* that have happened */

/* ---- judging ---- */

/* The channel's books must be true now, as far as they can be judged while threads run; on a sender's handle, from any
 * thread. */
void rig_check_books_of(hopper_sender *snd);
/* Wait until all threads have returned, as the receiver that does nothing else meanwhile. */
void rig_join_all(void);
/* Join all threads, receive nothing more, judge, close what is open. */
void rig_finish(void);

#endif
