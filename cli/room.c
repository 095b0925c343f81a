/* SPDX-License-Identifier: MIT */
/*
 * What a queue that stays could not take would be lost when the reader of the output goes, or a signal comes, while the
 * queue is full. So it is not read in the first place: it stays with whoever writes it, until there is room for
 * certain. That is a matter of the disk budget; what memory takes is a gift.
 *
 * What N bytes may take of it at most. (See "The life of a record" in docs/architecture.md.)
 *
 *     packed         3 N          each record has up to 5 bytes before it; worst are empty lines, with 2 for each
 *     blocks         twice that   two blocks that follow one another are more than one block full
 *     batches        N            each send may end a frame, of at least 4096 lines
 *     heads          FRAME_BYTES for each block: frame, and file with its table and footer
 *     and 3 blocks   begun, closed because memory has room again, closed before a large record
 *
 * The beginning of a line that waits for its end is one record more: in a block of its own, or as a frame of its own.
 *
 * A block is as large as options.c makes it, and that is no more than the formula here, which takes a channel for one
 * without threads, and no less than its `least`. One that an earlier run with more memory left may be up to 128 KiB,
 * and where that is little beside the whole budget, it is counted.
 */
#include "room.h"

#define FRAME_BYTES     1280u /* more than all heads together */
#define BLOCK_BYTES_MIN 1024u
#define BLOCK_BYTES_MAX 131072u
#define READ_BYTES_MIN  512u /* less is not worth a call */

/* Blocks may be a thirty-second of memory; from here on a sixteenth, or an eighth when they are stored. */
#define MEMORY_IS_AMPLE (UINT64_C(1) << 20)

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* What is to be certain before the first byte is read. */
static uint64_t fixed_bytes(const struct room *room, uint64_t held)
{
    return 3 * room->block_bytes + (held > 0 ? room->block_bytes + FRAME_BYTES + held : 0);
}

void room_init(struct room *room, const struct args *args)
{
    uint64_t memory = args->memory_bytes != 0 ? args->memory_bytes : HOPPER_MEMORY_BYTES_DEFAULT;
    uint64_t disk   = args->disk_bytes != 0 ? args->disk_bytes : HOPPER_DISK_BYTES_DEFAULT;
    uint64_t file   = args->file_bytes != 0 ? args->file_bytes : HOPPER_FILE_BYTES_DEFAULT;
    uint64_t kept   = 16384 + (args->survive == HOPPER_SURVIVE_CRASH ? 2 * memory : 0);
    uint64_t share  = memory / 32;
    uint64_t block, least;

    if (memory >= MEMORY_IS_AMPLE) share *= args->compression == HOPPER_COMPRESSION_NONE ? 4 : 2;
    *room              = (struct room){ .queue_bytes = less(disk, kept) };
    file               = smaller(file, room->queue_bytes / 4);
    block              = smaller(larger(smaller(share, file / 4), BLOCK_BYTES_MIN), BLOCK_BYTES_MAX);
    least              = larger(smaller(block / 2, memory / 128), BLOCK_BYTES_MIN);
    room->rate         = 7 + (7 * FRAME_BYTES + least - 1) / least;
    room->block_bytes  = larger(block, smaller(room->queue_bytes / 48, BLOCK_BYTES_MAX)) + FRAME_BYTES;
    /* in an empty queue up to half a file is left */
    room->record_bytes = less(room->queue_bytes,
                              file / 2 + fixed_bytes(room, READ_BYTES_MIN) + FRAME_BYTES + READ_BYTES_MIN * room->rate);
    room->record_bytes = larger(room->record_bytes, READ_BYTES_MIN);
}

size_t room_grant(const struct room *room, size_t held, size_t wanted)
{
    uint64_t bytes = less(room->certain, fixed_bytes(room, held)) / room->rate;

    if (bytes >= wanted) return wanted;
    return bytes >= READ_BYTES_MIN ? (size_t)bytes : 0;
}

void room_look(struct room *room, const struct hopper_stats *stats)
{
    room->certain = less(stats->disk_bytes, stats->disk_bytes_used);
    if (stats->pending_memory + stats->pending_disk == 0) /* nobody has to make room; the library finds it */
        room->certain = larger(room->certain, room->queue_bytes);
}

void room_take(struct room *room, size_t bytes)
{
    room->certain = less(room->certain, bytes * room->rate + room->block_bytes);
}
