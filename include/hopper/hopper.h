/* SPDX-License-Identifier: MIT */
/*
 * libhopper: a multi-producer, single-consumer channel that overflows to disk.
 *
 * Records wait in a bounded piece of memory. When that is full they overflow, in order, to compressed queue files, and
 * come back in order. One channel lives in one directory, DIR/NAME, and has one owner at a time.
 *
 *     hopper_sender *snd; hopper_receiver *rcv; struct hopper_record rec;
 *     if (hopper_channel("/var/spool/app", "events", &snd, &rcv, NULL) != HOPPER_OK) ...
 *     hopper_send(snd, "hello", 5);
 *     while (hopper_receive(rcv, &rec, HOPPER_FOREVER) == HOPPER_OK) ...
 *
 * Processes: a child made by fork() must not use or close the handles of its parent, and as long as it lives it keeps
 * the lock of the directory; exec() gives it up.
 *
 * Threads: any number of threads send, each through a sender of its own (hopper_sender_clone); one thread receives. A
 * handle is used by one thread at a time; handing it to another thread needs the usual synchronisation. Functions that
 * may be called from any thread on any handle say so. The library starts a thread only where an option asks for it
 * (compress_threads, decompress_threads, HOPPER_SYNC_INTERVAL), with all signals blocked; it ends before the call that
 * closes the last handle returns.
 *
 * Deadlines are absolute times of the monotonic clock in nanoseconds: HOPPER_NOW never waits, HOPPER_FOREVER waits
 * without limit, hopper_after_ms(N) is N milliseconds from now.
 */
#ifndef HOPPER_HOPPER_H
#define HOPPER_HOPPER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#if defined __GNUC__
#define HOPPER_API        __attribute__((visibility("default")))
#define HOPPER_MUST_CHECK __attribute__((warn_unused_result))
#else
#define HOPPER_API
#define HOPPER_MUST_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

#include <hopper/error.h>
#include <hopper/options.h>
#include <hopper/stats.h>
#include <hopper/version.h>

typedef struct hopper_sender   hopper_sender;
typedef struct hopper_receiver hopper_receiver;

#define HOPPER_NOW     UINT64_C(0)
#define HOPPER_FOREVER UINT64_MAX

/* ---- opening and closing --------------------------------------------------------------------------------------- */

/* Open the channel NAME in the existing directory DIR and make its first sender and its receiver. Creates DIR/NAME
 * (mode 0700) when it is not there and locks it for this process until the last handle is closed.
 * NAME: 1 to 200 characters of A-Z a-z 0-9 . _ - that is not "." or "..".
 * OPTIONS: NULL for the defaults. ERR: NULL, or filled in on failure.
 * With HOPPER_SURVIVE_NOTHING queue files that an earlier such run left behind are removed; any other file is left
 * alone. With the other values of survive the channel goes on where the run before ended, also one that was killed, and
 * hopper_recovery_report() tells what was found; this takes time by the number of files and the size of the last one.
 * Budgets, compression and sync may be others than before. What that run left is taken up as a whole: a budget that is
 * less makes sends full until enough has been received, what was in memory is kept as it is, for this run also beyond
 * memory_bytes, and disk_bytes_used is above disk_bytes where what that run left, and MEMORY with room for it, take
 * more than that; beside such a MEMORY queue files may take what the largest record needs, even if that is more.
 * survive and the kind of records must be the same. On failure *SNDP and *RCVP are NULL and nothing is held. Blocks on
 * file operations only. Any thread.
 *   HOPPER_OK        both handles are the caller's, each to be closed
 *   HOPPER_EINVAL    DIR is NULL or empty, a bad name, or an option out of range (err->op says which)
 *   HOPPER_ENOENT    DIR does not exist
 *   HOPPER_EBUSY     another channel object has it open, in this process or another: err->owner_pid
 *   HOPPER_EMISMATCH the directory holds a queue with another value of survive (which these options might destroy) or
 *                    with the other kind of records (bytes, items); or files under our names that are not ours
 *   HOPPER_ENOSPC    HOPPER_SURVIVE_CRASH: the memory file cannot be preallocated; nothing was changed
 *   HOPPER_EVERSION  a newer version of the format than this library knows
 *   HOPPER_ENOMEM    memory_bytes, or the thread that an option asks for, could not be had
 *   HOPPER_EIO       a file operation failed: err->sys_errno, err->op, err->path */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_open(const char *dir, const char *name,
                                                       const struct hopper_options *options, hopper_sender **sndp,
                                                       hopper_receiver **rcvp, struct hopper_error *err);

/* hopper_open() with default options: 1 MiB of memory, queue files of 256 MiB, 4 GiB of disk, block when full. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_channel(const char *dir, const char *name, hopper_sender **sndp,
                                                          hopper_receiver **rcvp, struct hopper_error *err);

/* Make another sender of SND's channel. Handles count in memory_bytes, of which a part is set aside for them: some 26
 * for the least budget, 107 for the default, 1,700 for 16 MiB, the first among them. May be called by any thread, also
 * while another thread uses SND.
 *   HOPPER_OK      *SNDP is the caller's, to be closed
 *   HOPPER_EINVAL  SND or SNDP is NULL
 *   HOPPER_ENOMEM  no memory, or none left in the budget; *SNDP is NULL */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_sender_clone(hopper_sender *snd, hopper_sender **sndp);

/* Close a handle; NULL is allowed. When the last sender is closed the receiver gets what is still waiting and then
 * HOPPER_END. When the receiver is closed, sends return HOPPER_ECLOSED, and senders that wait for room wake up with it;
 * undelivered items are freed. With the last handle of a channel everything is released, and the queue files of a
 * channel that survives nothing are removed; of another channel everything not acknowledged is brought to the device.
 * hopper_receiver_close() acknowledges what was received when acknowledging is automatic, and nothing when it is
 * explicit. No other thread may be using the handle. Blocks on file operations only. */
HOPPER_API void hopper_sender_close(hopper_sender *snd);
HOPPER_API void hopper_receiver_close(hopper_receiver *rcv);

/* ---- sending --------------------------------------------------------------------------------------------------- */

/* Add one record of LEN bytes at the back of the channel. DATA is copied and stays the caller's, whatever the result;
 * it may be NULL when LEN is 0. Order: after everything accepted before, so also after what this sender sent before.
 * Blocks on other senders and on disk; for the receiver to make room only with HOPPER_FULL_BLOCK, and until it has read
 * the frame that it is at with HOPPER_FULL_DROP_OLDEST, where that is in what is dropped.
 *   HOPPER_OK       accepted (with HOPPER_FULL_DROP_NEWEST: or dropped, counted, and a gap in its place)
 *   HOPPER_EINVAL   SND is NULL, DATA is NULL with LEN > 0, or the channel carries items
 *   HOPPER_ETOOBIG  LEN is larger than the record_bytes_max in force
 *   HOPPER_EFULL    memory and disk budgets are spent; nothing stored, safe to retry (HOPPER_FULL_REFUSE; with
 *                   HOPPER_FULL_DROP_OLDEST when there is nothing on disk to drop)
 *   HOPPER_ENOSPC   as HOPPER_EFULL, but the device or a quota is full before the budget is
 *   HOPPER_EIO      the disk failed; this record will never be delivered; every policy; hopper_sender_error()
 *   HOPPER_ECLOSED  the receiver has closed
 * Full memory and a full device are states that end by themselves: senders that wait try again. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_send(hopper_sender *snd, const void *data, size_t len);

/* As hopper_send(), but waits for room until DEADLINE, whatever the policy is, and then does what the policy says:
 * block and refuse return HOPPER_EFULL or HOPPER_ENOSPC. With HOPPER_FULL_DROP_NEWEST and _OLDEST a record is dropped
 * only when DEADLINE has passed. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_send_until(hopper_sender *snd, const void *data, size_t len,
                                                             uint64_t deadline_ns);

/* Add COUNT records in order, taking the channel's lock once where it can. The first *ACCEPTEDP of them were accepted;
 * the status speaks of the first that was not. Records of other senders may come between them only where the batch had
 * to wait, or has compressed or written what had overflowed. Blocks and results as hopper_send_until(); HOPPER_OK means
 * all were accepted. ACCEPTEDP may not be NULL. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_send_batch(hopper_sender *snd, const struct iovec *records,
                                                             size_t count, uint64_t deadline_ns, size_t *acceptedp);

/* As hopper_send_batch(), for records that stand side by side: number i is the bytes from OFFSETS[i] up to
 * OFFSETS[i + 1] of DATA, so that there are COUNT + 1 offsets, of which none may be less than the one before it. (Arrow
 * has arrays of bytes of any length in this form.) Where the channel's memory has room, many short records cost little
 * more than one copy of all their bytes. After a part was accepted, go on with OFFSETS + *ACCEPTEDP. DATA and OFFSETS
 * stay the caller's; they may be NULL when COUNT is 0. Blocks and results as there; HOPPER_EINVAL also for a record that
 * ends before it begins. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_send_joined(hopper_sender *snd, const void *data,
                                                              const size_t *offsets, size_t count,
                                                              uint64_t deadline_ns, size_t *acceptedp);

/* Add one item to a channel opened with an item_type. On HOPPER_OK the library owns ITEM (it may already have been
 * packed and freed); on any other result it is still the caller's. Blocks and results as hopper_send_until(); and
 *   HOPPER_EINVAL   also when the channel carries bytes
 *   HOPPER_EPACK    pack failed, or wrote other bytes the second time
 *   HOPPER_ETOOBIG  the packed item is larger than record_bytes_max */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_send_item(hopper_sender *snd, void *item, uint64_t deadline_ns);

/* The sequence number of the last record that SND's sends had accepted, 0 when there was none. The thread that uses
 * SND. */
HOPPER_API uint64_t hopper_sender_seq(const hopper_sender *snd);

/* The highest sequence number up to which all records survive what options.survive says: with HOPPER_SURVIVE_POWER_LOSS
 * those that were synced, with HOPPER_SURVIVE_CRASH all accepted ones, else 0. Any thread. */
HOPPER_API uint64_t hopper_durable_seq(hopper_sender *snd);

/* Wait until hopper_durable_seq() is SEQ or more, syncing now if nobody is about to. Blocks on disk and other senders.
 *   HOPPER_OK
 *   HOPPER_EAGAIN  not before DEADLINE
 *   HOPPER_EIO, HOPPER_ENOSPC   could not be synced, nor written again elsewhere: hopper_sender_error()
 *   HOPPER_EFULL   a sync failed before, and writing again what it was about has no room in disk_bytes yet
 *   HOPPER_EINVAL  SND is NULL, SEQ was not accepted yet, or the channel survives nothing */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_wait_durable(hopper_sender *snd, uint64_t seq, uint64_t deadline_ns);

/* ---- producers that send again --------------------------------------------------------------------------------- */

#define HOPPER_PRODUCERS_MAX 64 /* of one channel, for the life of its directory */

/* Say that SND sends for the producer ID (not 0), which numbers its records itself, increasing, from 1. *LASTP is the
 * highest number of it that the channel ever accepted, 0 when none was: after a crash the producer goes on behind it.
 * The channel remembers the number with the record, so it survives what the record survives; that of a record which
 * HOPPER_FULL_DROP_NEWEST dropped may be forgotten by a kill, and is then taken when it is sent again. Any number of
 * senders may send for one producer, as long as they keep its order. Blocks on file operations for a producer that is
 * new.
 *   HOPPER_OK, HOPPER_EINVAL (NULL, ID 0, or the channel survives nothing)
 *   HOPPER_EIO, HOPPER_ENOSPC  a new one could not be noted; hopper_sender_error()
 *   HOPPER_ENOMEM  the channel knows HOPPER_PRODUCERS_MAX others already */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_sender_set_producer(hopper_sender *snd, uint64_t id, uint64_t *lastp);

/* As hopper_send_until(), for the record that SND's producer calls NUMBER. A number not above the last one accepted was
 * sent before: HOPPER_OK, nothing is stored, and it counts in stats.duplicates. HOPPER_EINVAL also when SND has no
 * producer, NUMBER is 0, or the channel carries items. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_send_numbered(hopper_sender *snd, uint64_t number, const void *data,
                                                                size_t len, uint64_t deadline_ns);

/* ---- flushing -------------------------------------------------------------------------------------------------- */

/* Write everything that has overflowed up to now to queue files. Without it the last blocks wait in memory, where the
 * receiver finds them as well. Blocks on disk and other senders.
 *   HOPPER_OK      all that had overflowed is in files, or has been received meanwhile
 *   HOPPER_EFULL, HOPPER_ENOSPC, HOPPER_EIO   some could not be written; it waits in memory, still in its place
 *   HOPPER_EINVAL  SND is NULL */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_flush(hopper_sender *snd);

/* ---- receiving ------------------------------------------------------------------------------------------------- */

/* What the receiver gets: a record, or a gap that stands for records that are lost. */
struct hopper_record {
    const void *data; /* the bytes, at any alignment, or the item; NULL for a gap */
    union {
        uint64_t len;  /* a record: its bytes (0 for an item) */
        uint64_t lost; /* a gap: how many records are missing, seq being the first of them */
    };
    uint64_t seq; /* sequence number: 1 for the channel's first record, then without holes, gaps included */
    uint32_t gap; /* enum hopper_gap: HOPPER_GAP_NONE for a record, else why records are missing */
    uint32_t flags; /* HOPPER_RECORD_ bits */
};
#define HOPPER_RECORD_REDELIVERED 1U /* accepted by an earlier run, so it may have been received before */

/* Take the next record. Bytes are a view that stays valid until the next receive on RCV, an acknowledgement, or
 * its close. An item becomes the caller's. Coming back for more acknowledges what the call before returned, unless
 * acknowledging is explicit. Waits for senders until DEADLINE; blocks on disk where records have overflowed, also with
 * HOPPER_NOW.
 *   HOPPER_OK      *REC is a record, or a gap (rec->gap != HOPPER_GAP_NONE)
 *   HOPPER_EAGAIN  nothing before DEADLINE
 *   HOPPER_END     all senders are closed and everything has been received
 *   HOPPER_EINVAL  RCV or REC is NULL
 *   HOPPER_EIO     something passing (no file descriptor, no memory) kept a queue file from being read; nothing is
 *                  lost, call again; hopper_receiver_error() */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_receive(hopper_receiver *rcv, struct hopper_record *rec,
                                                          uint64_t deadline_ns);

/* Take up to MAX records and gaps at once, at least one; does not wait for more than one. *COUNTP is how many. All are
 * valid as for hopper_receive(). Results as there; *COUNTP is 0 unless HOPPER_OK. MAX of 0 is HOPPER_EINVAL. */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_receive_batch(hopper_receiver *rcv, struct hopper_record *recs,
                                                                size_t max, uint64_t deadline_ns, size_t *countp);

/* Acknowledge everything received so far without taking more: its views are no longer valid. Never blocks for senders.
 * In a channel that survives, what is acknowledged does not come again after a kill; after a power loss it may. Files
 * that hold nothing else are removed, which works on a full disk as well. */
HOPPER_API void hopper_acknowledge(hopper_receiver *rcv);

/* Acknowledge up to and including the record (or gap) with sequence number SEQ, for HOPPER_ACKNOWLEDGE_EXPLICIT. Views
 * of the last receive are no longer valid, also of records behind SEQ. Less than what is acknowledged already changes
 * nothing.
 *   HOPPER_OK
 *   HOPPER_EINVAL  RCV is NULL, SEQ was not received yet, or acknowledging is automatic */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_acknowledge_until(hopper_receiver *rcv, uint64_t seq);

/* What opening the channel found; for one that survives nothing all 0 but is_new. Any thread that may use RCV.
 *   HOPPER_OK, HOPPER_EINVAL (NULL, or a size that makes no sense) */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_recovery_report(const hopper_receiver *rcv,
                                                                  struct hopper_recovery *report);

/* A descriptor that poll() reports readable while something can be received (a record, a gap or the end), for event
 * loops. When it is readable, call hopper_receive_batch(..., HOPPER_NOW, ...) until it returns HOPPER_EAGAIN: that
 * makes it quiet again. Do not read it or close it; it is closed with RCV. On the first call it is created.
 * *FDP is -1 on failure.
 *   HOPPER_OK, HOPPER_EINVAL, HOPPER_EIO (hopper_receiver_error()) */
HOPPER_API HOPPER_MUST_CHECK hopper_status hopper_receiver_fd(hopper_receiver *rcv, int *fdp);

/* ---- looking --------------------------------------------------------------------------------------------------- */

/* The books of the channel at one instant. STATS->size says how much the caller knows of the struct: start from
 * HOPPER_STATS_INIT. Takes the senders' lock for less than a microsecond. Any thread, also while others use the handle.
 *   HOPPER_OK, HOPPER_EINVAL (NULL, or a size that makes no sense) */
HOPPER_API hopper_status hopper_sender_stats(hopper_sender *snd, struct hopper_stats *stats);
HOPPER_API hopper_status hopper_receiver_stats(hopper_receiver *rcv, struct hopper_stats *stats);

/* The details of the last failure on this handle, owned by the handle and valid until the next call on it. A call
 * that returns HOPPER_OK may leave those of an earlier failure. Never NULL
 * for a valid handle. The thread that uses the handle. */
HOPPER_API const struct hopper_error *hopper_sender_error(const hopper_sender *snd);
HOPPER_API const struct hopper_error *hopper_receiver_error(const hopper_receiver *rcv);

/* The deadline MS milliseconds from now by the system's monotonic clock. Any thread. */
HOPPER_API uint64_t hopper_after_ms(uint64_t ms);

#ifdef __cplusplus
}
#endif

#endif
