/* SPDX-License-Identifier: MIT */
/* See keep_numbers.h. They stand in PRODUCERS, in MEMORY (of all records that were accepted, whoever has them), in the
 * tables at the head of queue files (of all files before them), and with the records themselves. PRODUCERS outlives a
 * power loss, so it may tell only of what is acknowledged: a producer is to send again what the power loss took. */
#include "keep_numbers.h"

#include <errno.h>

#include "merge.h"
#include "producers.h"
#include "queue_file.h"
#include "say.h"
#include "tally.h"

static void note_records(struct merge *merge, const struct merge_piece *piece, uint64_t seq, struct hpr_producers *p)
{
    struct payload_record rec;

    if (piece->kind != MERGE_RECORDS) return;
    for (uint64_t i = 0; i < piece->count && piece->seq + i <= seq && merge_record(merge, &rec); i++)
        if (rec.is_numbered) hpr_producers_note(p, rec.producer, rec.number);
}

/* The tables of files that begin at or below SEQ. */
static void note_tables(const struct place *place, uint64_t seq, struct hpr_producers *p)
{
    struct scan_event ev;
    struct scan scan;

    scan_init(&scan, place, NULL);
    while (scan_next(&scan, &ev)) {
        if (ev.kind != SCAN_FILE || !ev.has_header || ev.file.first_seq > seq) continue;
        (void)hpr_queue_file_read_table(place->io, place->fd, place->channel_id, ev.number, p);
    }
    scan_fini(&scan);
}

int keep_numbers(const struct place *place, uint64_t seq)
{
    struct hpr_producers p = { .count = 0 };
    struct merge_piece piece;
    struct merge merge;
    int res = hpr_producers_read(&p, place->io, place->fd, place->channel_id);

    if (res == 0) {
        if (tally_trusts_memory(place) && seq + 1 >= place->memory.next_seq)
            hpr_producers_merge(&p, &place->memory.producers);
        note_tables(place, seq, &p);
        if (!merge_init(&merge, place)) return -ENOMEM;
        while (merge_next(&merge, &piece) && piece.seq <= seq) note_records(&merge, &piece, seq, &p);
        merge_fini(&merge);
        if (p.count > 0) res = hpr_producers_write(&p, place->io, place->fd, place->channel_id);
    }
    if (res < 0) say_failure(res, "%s/%s: cannot keep the numbers of producers", place->path, HPR_PRODUCERS_NAME);
    return res;
}
