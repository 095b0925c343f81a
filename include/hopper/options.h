/* SPDX-License-Identifier: MIT */
/* Options of a channel. Included by <hopper/hopper.h>, not alone. */
#ifndef HOPPER_OPTIONS_H
#define HOPPER_OPTIONS_H

struct msgpack_packer;  /* msgpack-c's; <msgpack.h> is needed only by those who write a pack function */
struct hopper_platform; /* <hopper/platform.h> */

/* What a channel's records survive; docs/durability.md states each promise in full.
 *
 *                               clean close   kill -9           power loss          cost of a send
 *   HOPPER_SURVIVE_NOTHING      -             -                 -                   memory speed
 *   HOPPER_SURVIVE_CRASH        everything    every accepted    what had reached    memory speed
 *                                             record            the disk
 *   HOPPER_SURVIVE_POWER_LOSS   everything    every accepted    every accepted      one fdatasync for each group of
 *                                             record            record              senders (enum hopper_sync)
 *
 * "Accepted" means that a send returned HOPPER_OK. A channel opened again with the same value goes on where the one
 * before ended: what was not acknowledged is received again, in order, before what is new (enum hopper_acknowledge). */
enum hopper_survive {
    HOPPER_SURVIVE_NOTHING    = 0, /* the directory is emptied of an earlier run's queue files at open */
    HOPPER_SURVIVE_CRASH      = 1, /* memory is a mapped file, preallocated at open; counts in disk_bytes, twice */
    HOPPER_SURVIVE_POWER_LOSS = 2  /* every record is in a queue file, and synced, before its send returns */
};

/* When a channel of HOPPER_SURVIVE_POWER_LOSS syncs its files. With the latter two a send returns when its record is in
 * a queue file, which survives a kill; what survives a power loss is told by hopper_durable_seq() and
 * hopper_wait_durable(). */
enum hopper_sync {
    HOPPER_SYNC_GROUP    = 0, /* before a send returns; senders that come meanwhile share the next sync */
    HOPPER_SYNC_INTERVAL = 1, /* every sync_ms, by a thread of the channel */
    HOPPER_SYNC_DEMAND   = 2  /* when hopper_wait_durable() or hopper_flush() asks for it */
};

/* When a record that was received counts as done with. In a channel that survives, only then is its room given back,
 * and only what is not acknowledged comes again after a restart. */
enum hopper_acknowledge {
    HOPPER_ACKNOWLEDGE_AUTO     = 0, /* by the next receive (or hopper_acknowledge(), or closing after either) */
    HOPPER_ACKNOWLEDGE_EXPLICIT = 1  /* by hopper_acknowledge() and hopper_acknowledge_until() only. Where nothing
                                        survives it is as _AUTO: there is nothing that could come again */
};

/* compress_threads. With 0 the channel has no such thread: a send that finds no free block compresses one and writes
 * it. With 1 a thread begins as soon as more than half of the blocks are in use, and ends when half of them are free
 * again, so that a sender alone only copies as long as there are free ones, and what half of the blocks hold (some
 * memory_bytes / 16) can still come and go in memory. A send that finds none free helps, as ever: nothing waits for the
 * thread alone. For a process with a CPU to spare; with one CPU, or with many senders, who share this work anyway, it
 * brings nothing, and little with HOPPER_COMPRESSION_NONE, where there is only the writing. Not with
 * HOPPER_SURVIVE_POWER_LOSS, where senders write what they wait for.
 *   The thread is started by hopper_open(), sleeps while there is nothing to do, and is gone when the call that closes
 * the last handle returns. It has all signals blocked, 256 KiB of stack, and the name "hopper-pack"; it calls functions
 * of the platform, and none of item_type. With memory_bytes from 512 KiB to 4 MiB what it takes to compress a second
 * block at the same time comes out of the waiting records' share, if that is a fifth of memory_bytes at the most (a
 * tenth with decompress_threads); where there is no second one, senders that are faster than the thread wait for it,
 * and it makes them slower, not faster.
 *   A write of the thread that fails leaves its block where it is, counts in write_errors and shows in disk_errno. The
 * thread tries again when the receiver has made room or a sender's own write has succeeded; senders are told when they
 * find no room. */

/* decompress_threads. With 0 the receiver reads and decompresses each block when it comes to it, and removes the queue
 * files that it is done with, some 0.3 ms for each MiB, 20 ms for a whole file of the usual size. With 1 a thread does
 * the removing, and shares the rest with the receiver: it reads what is compressed while the receiver works on the
 * block before, up to two blocks ahead and never beyond the end of a queue file; and a receiver that comes to a block
 * which the thread is still at decompresses the one behind it meanwhile. So a receiver that has something to do with
 * its records has them at hand, and one that has nothing to do empties a queue of many MiB 1.4 to 1.9 times as fast,
 * as two CPUs decompress. For a process with a CPU to spare: with one CPU it brings nothing. With
 * HOPPER_SURVIVE_POWER_LOSS the newest file is not read ahead, which a sync that fails cuts back; nor are blocks of an
 * earlier run with more memory than this one where they do not fit into the thread's buffers.
 *   What is not compressed the receiver reads itself, and so it tries again what the thread cannot read: what is wrong
 * with files shows the same (only what goes wrong once, for the thread, is not in read_errors). The room of files that
 * are done with may come back some milliseconds later than without the thread; a sender that finds none meanwhile
 * removes them itself, or waits until the thread is done with it, also one that else waits for nothing. It takes two
 * buffers of two blocks and the state of a decompressor out of memory_bytes, of which there must be at least 1 MiB;
 * below 4 MiB blocks are smaller with it (half, below 2 MiB for items a quarter), which makes overflowing a tenth
 * slower: it is at its best from 4 MiB on. Not with HOPPER_FULL_DROP_OLDEST, where files go under the reader.
 *   The thread is called "hopper-ahead", and is else as that of compress_threads; of the platform it calls pread, and
 * to remove files stat_at, open_at, close, unlink_at and list. Both sides look on for some 50 us before they sleep, as
 * long as blocks come, and yield their CPU meanwhile. */

/* What a send does when neither memory nor disk has room. */
enum hopper_when_full {
    HOPPER_FULL_BLOCK       = 0, /* hopper_send() waits until there is room */
    HOPPER_FULL_REFUSE      = 1, /* hopper_send() returns HOPPER_EFULL; the caller keeps its record */
    HOPPER_FULL_DROP_NEWEST = 2, /* the record is accepted, dropped and counted; a gap takes its place */
    HOPPER_FULL_DROP_OLDEST = 3  /* the oldest files on disk are dropped to make room; a gap takes their place. While the
                                    receiver reads a frame in one of them, or looks for one behind damage, 256 KiB at
                                    a time, the send waits for that, whatever its deadline. Only with
                                    HOPPER_SURVIVE_NOTHING */
};

/* Values of hopper_options.compression: 0 is the library's default, 1 (fastest) to 9 (smallest) are zlib's levels.
 * Where the library was built with ISA-L (see hopper_version()), 1 to 3 are its own; where with libdeflate, 1 is. They
 * are faster, and taken where memory_bytes is 1 MiB or more. What does not shrink is stored, and the more of
 * that comes in a row, the less often is the next tried. Stored as well are, with HOPPER_SURVIVE_NOTHING, records of bytes
 * that are too large for memory, while no more than one is in files that was not received, and where a record takes no
 * more than a sixteenth of the room that disk_bytes has left. */
#define HOPPER_COMPRESSION_NONE 10 /* store without compressing */

/* A channel of typed items carries pointers to the caller's structs instead of bytes. An item travels through memory
 * by pointer and is packed only when it overflows to disk. Callbacks are called with no lock of the channel held, by
 * the thread that sends or receives, several senders at once; they must not call back into the same channel. */
struct hopper_item_type {
    size_t size; /* sizeof(struct hopper_item_type); set by the initialiser */

    /* Write ITEM as one msgpack object through PACKER. Called several times for an item that overflows (to measure, to
     * write, and again when it has to be tried again) and must write the same bytes each time. Returns 0, or anything
     * else to fail the send with HOPPER_EPACK. ITEM stays the caller's. */
    int (*pack)(void *ctx, const void *item, struct msgpack_packer *packer);

    /* Make a new item from the LEN bytes that pack wrote and set *itemp. The bytes are valid during the call only.
     * Returns 0, or anything else when it cannot: the receiver then gets a gap of one with HOPPER_GAP_UNPACK. */
    int (*unpack)(void *ctx, const void *data, size_t len, void **itemp);

    /* The bytes of memory that ITEM holds, everything it points to included. Counted in memory_bytes while the item
     * waits in memory, as 128 at the least. Must not change while the channel holds the item. */
    size_t (*weight)(void *ctx, const void *item);

    /* Release ITEM. Called by the library for an item that it owns and that nobody will receive, and for one whose
     * packed form has taken its place. */
    void (*free)(void *ctx, void *item);

    void *ctx; /* given to each callback */
};
#define HOPPER_ITEM_TYPE_INIT { sizeof(struct hopper_item_type), 0, 0, 0, 0, 0 }

/* Budgets are exact. `memory_bytes` bounds everything that a channel holds in memory: waiting records, bookkeeping,
 * codec state, blocks on their way to and from disk, and the weight of items. It is taken as one piece of address
 * space at open; pages are used as records come. (Only libdeflate, where it is used, takes its part from malloc, at open
 * as well.) `disk_bytes` bounds the sum of the sizes of all files that the channel
 * makes in its directory; files of others are not counted. (With HOPPER_SURVIVE_POWER_LOSS and HOPPER_SYNC_GROUP a
 * file may have up to 256 KiB of zeros ahead of its records, which make syncs faster. They count, take no more than an
 * eighth of what is left, and cost no record its room.) A value of 0 means the default. Start from
 * HOPPER_OPTIONS_INIT. */
struct hopper_options {
    size_t size; /* set by the initialiser; do not touch */

    uint64_t memory_bytes;     /* bytes; default HOPPER_MEMORY_BYTES_DEFAULT, at least HOPPER_MEMORY_BYTES_MIN (_SURVIVE) */
    uint64_t disk_bytes;       /* bytes; default HOPPER_DISK_BYTES_DEFAULT, at least HOPPER_DISK_BYTES_MIN; in a channel
                                  that survives 16384 more, and with HOPPER_SURVIVE_CRASH twice memory_bytes more */
    uint64_t file_bytes;       /* bytes; default HOPPER_FILE_BYTES_DEFAULT, at least 4096; a queue file is sealed before
                                  it grows beyond this, or beyond a quarter of disk_bytes if that is less; a record too
                                  large for that gets a file of its own. Where the system allows only smaller files
                                  (RLIMIT_FSIZE), the write that meets its limit fails with EFBIG, as HOPPER_EIO, and
                                  the next begins another file */
    uint64_t record_bytes_max; /* bytes; default a quarter of memory_bytes. Larger records are refused. When set above a
                                  quarter of memory_bytes, the peak of memory is memory_bytes + record_bytes_max + 32.
                                  Lowered at open to what disk_bytes can hold: hopper_stats() tells the value in force */

    uint32_t survive;     /* enum hopper_survive */
    uint32_t when_full;   /* enum hopper_when_full */
    uint32_t compression; /* 0 default, 1 to 9, or HOPPER_COMPRESSION_NONE */
    uint32_t compress_threads; /* 0 or 1: threads of its own that compress and write what overflows; above */

    const struct hopper_item_type *item_type; /* NULL: records are bytes. Copied at open */
    const struct hopper_platform  *platform;  /* NULL: the system's files, clock and allocator. Used until the channel
                                                 is gone */

    uint32_t sync;        /* enum hopper_sync; other than 0 only with HOPPER_SURVIVE_POWER_LOSS */
    uint32_t sync_ms;     /* HOPPER_SYNC_INTERVAL: milliseconds, 1 to 86,400,000; else 0 */
    uint32_t acknowledge; /* enum hopper_acknowledge */
    uint32_t spin_us;     /* microseconds, at most 1,000,000: how long a receiver that finds nothing looks on before it
                             sleeps. 0: a few. Waking it takes some 25; while it looks on it has a record in less than
                             one, and its CPU does nothing else */

    uint32_t decompress_threads; /* 0 or 1: threads of its own that read and decompress beside the receiver; above */
    uint32_t reserved;           /* 0 */
};
#define HOPPER_OPTIONS_INIT { sizeof(struct hopper_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#define HOPPER_MEMORY_BYTES_DEFAULT (UINT64_C(1) << 20)   /* 1 MiB, as the original */
#define HOPPER_MEMORY_BYTES_MIN     (UINT64_C(128) << 10) /* 128 KiB */
#define HOPPER_MEMORY_BYTES_MIN_SURVIVE (UINT64_C(256) << 10) /* of a channel that survives: 256 KiB */
#define HOPPER_FILE_BYTES_DEFAULT   (UINT64_C(256) << 20) /* 256 MiB, as the original */
#define HOPPER_DISK_BYTES_DEFAULT   (UINT64_C(4) << 30)   /* 4 GiB: sixteen files */
#define HOPPER_DISK_BYTES_MIN       (UINT64_C(64) << 10)  /* 64 KiB */

#endif
