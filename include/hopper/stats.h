/* SPDX-License-Identifier: MIT */
/* The books of a channel. Included by <hopper/hopper.h>, not alone. */
#ifndef HOPPER_STATS_H
#define HOPPER_STATS_H

/* Why records are missing at a place in the stream. Values are never reused. */
enum hopper_gap {
    HOPPER_GAP_NONE           = 0, /* not a gap: a record */
    HOPPER_GAP_DROPPED_NEWEST = 1, /* dropped by HOPPER_FULL_DROP_NEWEST */
    HOPPER_GAP_DROPPED_OLDEST = 2, /* dropped by HOPPER_FULL_DROP_OLDEST */
    HOPPER_GAP_CORRUPT        = 3, /* a frame on disk failed its checksum or makes no sense */
    HOPPER_GAP_TRUNCATED      = 4, /* a queue file ends before its records do */
    HOPPER_GAP_VANISHED       = 5, /* a queue file is no longer there */
    HOPPER_GAP_UNREADABLE     = 6, /* a queue file or a part of it could not be read */
    HOPPER_GAP_UNPACK         = 7, /* an item's unpack function refused the bytes */
    HOPPER_GAP_MACHINE_DOWN   = 8, /* in memory, or not yet on the device, when the machine stopped; the count is a lower
                                      bound, the only one that is not exact */
    HOPPER_GAP_REASONS        = 9  /* number of values; grows in later versions, up to HOPPER_GAP_SLOTS */
};
#define HOPPER_GAP_SLOTS 16

/* A lower-case word for GAP, such as "corrupt"; "unknown" for a value this library does not know. Any thread. */
HOPPER_API const char *hopper_gap_name(unsigned gap);

/* At every instant:
 *   accepted = acknowledged + pending_memory + pending_disk + the sum of gap_records
 * All counts are of this channel since it was opened; in a channel that survives, those of records (accepted to
 * gap_records) are for the life of its directory. */
struct hopper_stats {
    size_t size; /* set by HOPPER_STATS_INIT; do not touch */

    /* records */
    uint64_t accepted;                       /* records that senders have given away, each of a batch */
    uint64_t acknowledged;                   /* received, and the receiver has come back for more */
    uint64_t pending_memory;                 /* waiting in memory, or handed out and not yet acknowledged */
    uint64_t pending_disk;                   /* waiting in queue files only */
    uint64_t gap_records[HOPPER_GAP_SLOTS];  /* [enum hopper_gap]: dropped by policy, or found lost; [0] is 0 */
    uint64_t refused;                        /* sends that returned HOPPER_EFULL or HOPPER_ENOSPC (or _EIO) */
    uint64_t overflowed;                     /* records that went the way of the disk, whether or not they got there */

    /* bytes */
    uint64_t memory_bytes;      /* the budget in force */
    uint64_t memory_bytes_used; /* of it: taken by waiting records and blocks, and by what is always there */
    uint64_t disk_bytes;        /* the budget in force */
    uint64_t disk_bytes_used;   /* of it: sizes of the channel's files, and room promised to blocks in memory
                                 that is not in them as zeros already */
    uint64_t file_bytes;        /* the limit of a queue file in force */
    uint64_t record_bytes_max;  /* the largest record that is accepted */
    uint64_t accepted_bytes;    /* payload of accepted records; for items the packed size of those that overflowed */
    uint64_t written_bytes;     /* written to queue files, headers included */

    /* files and errors */
    uint64_t disk_files;   /* queue files that exist now */
    uint64_t write_errors; /* failed writes, creations and seals, each try counted */
    uint64_t read_errors;  /* failed reads of queue files, each try counted */
    int64_t  disk_errno;   /* errno of the last write that failed, until a write succeeds or nothing on its way to disk
                               waits for one; else 0 */

    /* sequence numbers */
    uint64_t seq_accepted;  /* of the last accepted record, 0 when there was none */
    uint64_t seq_delivered; /* of the last record or gap handed out, 0 when there was none */
    uint64_t senders;       /* sender handles that are open */

    /* channels that survive */
    uint64_t seq_acknowledged; /* all up to it are acknowledged or passed gaps; where nothing survives: as acknowledged,
                                  gaps not counted */
    uint64_t seq_durable;      /* all up to it survive what options.survive says */
    uint64_t duplicates;       /* hopper_send_numbered(): numbers that had been taken before, not stored again */
    uint64_t syncs;            /* fdatasync and fsync calls that succeeded */
};

/* What opening a channel that survives has found. REPORT->size: start from HOPPER_RECOVERY_INIT. */
struct hopper_recovery {
    size_t size; /* set by HOPPER_RECOVERY_INIT; do not touch */

    uint64_t is_new;         /* 1: the directory held no queue */
    uint64_t was_closed;     /* 1: the run before had closed the channel; 0: it was killed, or the machine stopped */
    uint64_t seq_first;      /* of the first record that will be received again */
    uint64_t seq_next;       /* the next record accepted gets this one */
    uint64_t records;        /* seq_next - seq_first: to be received again, gaps included */
    uint64_t memory_records; /* of them: taken over from the memory of a killed run */
    uint64_t memory_lost;    /* HOPPER_SURVIVE_CRASH after a power loss: at least so many were in memory and are gone */
    uint64_t files;          /* queue files found */
    uint64_t file_bytes;     /* sum of their sizes */
    uint64_t files_foreign;  /* files under names of queue files that are not of this channel, left alone */
    uint64_t torn_file;      /* number of the file with an incomplete tail that was cut off, 0: none */
    uint64_t torn_bytes;     /* bytes cut off: writes that no send had returned for; without zeros behind them */
    uint64_t state_was_lost; /* 1: no good STATE though there were files: acknowledged records may come again */
    uint64_t scanned_bytes;  /* read to find the end */
};
#define HOPPER_RECOVERY_INIT { sizeof(struct hopper_recovery), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define HOPPER_STATS_INIT \
    { sizeof(struct hopper_stats), 0, 0, 0, 0, { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#endif
