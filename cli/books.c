/* SPDX-License-Identifier: MIT */
/*
 * The books as text or JSON. One list of names and values serves both, so that they cannot differ. All names are plain
 * and all values are integers, so JSON needs no escaping. hopper-cat(1) lists the names.
 */
#include "books.h"

#include <inttypes.h>
#include <stdio.h>

#define ENTRY_NAME_BYTES 48

struct writer {
    enum books_form form;
    char *buf;
    size_t len;
    size_t used; /* may be more than len */
    unsigned entries;
};

static void put(struct writer *out, const char *name, int64_t negative, uint64_t value)
{
    size_t room = out->used < out->len ? out->len - out->used : 0;
    char *at    = room > 0 ? out->buf + out->used : NULL;
    char number[24];
    int written;

    if (negative < 0) snprintf(number, sizeof number, "%" PRId64, negative);
    else snprintf(number, sizeof number, "%" PRIu64, value);
    if (out->form == BOOKS_JSON)
        written = snprintf(at, room, "%s\"%s\":%s", out->entries == 0 ? "{" : ",", name, number);
    else written = snprintf(at, room, "%-28s %s\n", name, number);
    if (written > 0) out->used += (size_t)written;
    out->entries++;
}

static void put_count(struct writer *out, const char *name, uint64_t value)
{
    put(out, name, 0, value);
}

/* "gap_" and the reason's name, with an underscore for what is not a letter. */
static void put_gap(struct writer *out, unsigned reason, uint64_t value)
{
    char name[ENTRY_NAME_BYTES];

    snprintf(name, sizeof name, "gap_%s_records", hopper_gap_name(reason));
    for (char *c = name; *c != '\0'; c++)
        if (*c == '-' || *c == ' ') *c = '_';
    put_count(out, name, value);
}

static void put_records(struct writer *out, const struct books *books)
{
    const struct hopper_stats *ch = &books->channel;

    put_count(out, "accepted_records", ch->accepted);
    put_count(out, "acknowledged_records", ch->acknowledged);
    put_count(out, "pending_memory_records", ch->pending_memory);
    put_count(out, "pending_disk_records", ch->pending_disk);
    for (unsigned reason = 1; reason < HOPPER_GAP_REASONS; reason++) put_gap(out, reason, ch->gap_records[reason]);
    put_count(out, "refused_sends", ch->refused);
    put_count(out, "overflowed_records", ch->overflowed);
    put_count(out, "recovered_records", books->recovered_records);
    put_count(out, "delivered_records", books->delivered_records);
    put_count(out, "unsent_records", books->unsent_records);
    put_count(out, "truncated_records", books->truncated_records);
    put_count(out, "last_accepted_sequence", ch->seq_accepted);
    put_count(out, "last_received_sequence", ch->seq_delivered);
    put_count(out, "last_acknowledged_sequence", ch->seq_acknowledged);
    put_count(out, "last_durable_sequence", ch->seq_durable);
}

static void put_bytes(struct writer *out, const struct books *books)
{
    const struct hopper_stats *ch = &books->channel;

    put_count(out, "accepted_bytes", ch->accepted_bytes);
    put_count(out, "delivered_bytes", books->delivered_bytes);
    put_count(out, "written_bytes", ch->written_bytes);
    put_count(out, "memory_bytes", ch->memory_bytes);
    put_count(out, "memory_bytes_used", ch->memory_bytes_used);
    put_count(out, "disk_bytes", ch->disk_bytes);
    put_count(out, "disk_bytes_used", ch->disk_bytes_used);
    put_count(out, "file_bytes", ch->file_bytes);
    put_count(out, "record_bytes_max", ch->record_bytes_max);
}

uint64_t books_staying(const struct books *books)
{
    return books->channel.pending_memory + books->channel.pending_disk;
}

uint64_t books_undelivered(const struct books *books)
{
    uint64_t missing = books->delivered_records;

    for (unsigned reason = 1; reason < HOPPER_GAP_REASONS; reason++) missing += books->channel.gap_records[reason];
    return (books->channel.accepted > missing ? books->channel.accepted - missing : 0) + books->unsent_records;
}

int books_format(const struct books *books, enum books_form form, char *buf, size_t len)
{
    struct writer out = { .form = form, .buf = buf, .len = len };

    put_records(&out, books);
    put_bytes(&out, books);
    put_count(&out, "disk_files", books->channel.disk_files);
    put_count(&out, "write_errors", books->channel.write_errors);
    put_count(&out, "read_errors", books->channel.read_errors);
    put_count(&out, "syncs", books->channel.syncs);
    put(&out, "disk_errno", books->channel.disk_errno, (uint64_t)books->channel.disk_errno);
    put_count(&out, "senders", books->channel.senders);
    put_count(&out, "elapsed_milliseconds", books->elapsed_ms);
    if (form == BOOKS_JSON) {
        size_t room = out.used < len ? len - out.used : 0;
        out.used += (size_t)snprintf(room > 0 ? buf + out.used : NULL, room, "}\n");
    }
    return (int)out.used;
}
