/* SPDX-License-Identifier: MIT */
/*
 * A moment's patience before the queue overflows to disk.
 *
 * A reader that is as fast as the writer still stops for a few milliseconds now and then, because the machine has other
 * things to do. Without more, a writer fills a small memory budget in that time, and what overflows costs much more
 * than the pause. So before a batch that would find memory more than half full, the producer waits for the reader, but
 * only for a few milliseconds (what compressing the default memory takes), and only once: a reader that does not catch
 * up in that time is a slow one, and then the producer goes on at its own speed until the queue has been nearly empty.
 */
#ifndef CLI_PACE_H
#define CLI_PACE_H

#include "control.h"

#include <stddef.h>
#include <stdint.h>

struct pace {
    struct control *control;
    uint64_t room_bytes;  /* for waiting records in memory, with their bookkeeping */
    uint64_t entry_bytes; /* of a record's bookkeeping */
    uint64_t sent_records;
    uint64_t sent_bytes;
    bool is_reader_slow;
};

/* KEEPS: the queue stays. */
void pace_init(struct pace *pace, struct control *control, uint64_t room_bytes, bool keeps);

/* How many of COUNT records, which begin and end at OFFSETS, to send next, at least one: as many as make up a part of
 * what memory holds. They count as sent. Waits for at most a few milliseconds. */
size_t pace_next(struct pace *pace, const size_t *offsets, size_t count);

#endif
