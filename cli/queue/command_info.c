/* SPDX-License-Identifier: MIT */
/* info: what is there, from headers alone. One list of names and values serves text and JSON, so that they cannot
 * differ. */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "say.h"
#include "status.h"
#include "tally.h"

struct printer {
    struct json json;
    bool is_json;
};

static void put_word(struct printer *out, const char *key, const char *word)
{
    if (out->is_json) json_string(&out->json, key, word);
    else (void)printf("%-28s %s\n", key, word);
}

static void put_number(struct printer *out, const char *key, uint64_t value)
{
    if (out->is_json) json_number(&out->json, key, value);
    else (void)printf("%-28s %" PRIu64 "\n", key, value);
}

static void put_bytes(struct printer *out, const char *key, uint64_t bytes)
{
    char text[SAY_BYTES_LEN];

    if (out->is_json) json_number(&out->json, key, bytes);
    else put_word(out, key, say_bytes(text, bytes));
}

static void put_flag(struct printer *out, const char *key, bool is_so)
{
    if (out->is_json) json_bool(&out->json, key, is_so);
    else put_word(out, key, is_so ? "yes" : "no");
}

static const char *survive_word(uint8_t survive)
{
    static const char *const words[] = { "nothing", "crash", "power-loss" };

    return survive < sizeof words / sizeof words[0] ? words[survive] : "unknown";
}

static const char *part_word(enum place_part part)
{
    switch (part) {
    case PART_ABSENT: return "absent";
    case PART_GOOD: return "good";
    case PART_DAMAGED: return "damaged";
    case PART_NEWER: return "newer version";
    case PART_UNREADABLE: break;
    }
    return "unreadable";
}

static void put_channel(struct printer *out, const struct place *place)
{
    static const char *const owners[] = { "none", "in use", "unknown" };
    char id[2 * HPR_CHANNEL_ID_BYTES + 1];

    put_word(out, "directory", place->path);
    if (place->has_id) {
        for (size_t i = 0; i < HPR_CHANNEL_ID_BYTES; i++)
            (void)snprintf(id + 2 * i, sizeof id - 2 * i, "%02x", place->channel_id[i]);
        put_word(out, "survives", survive_word(place->survive));
        put_word(out, "content", place->content == HPR_CONTENT_ITEMS ? "items" : "bytes");
        put_word(out, "channel_id", id);
    }
    put_word(out, "owner", owners[place->owner]);
    if (place->owner_pid > 0) put_number(out, "owner_pid", (uint64_t)place->owner_pid);
}

static void put_files(struct printer *out, const struct place *place, const struct tally *t)
{
    char time[SAY_TIME_LEN];

    put_number(out, "files", t->files);
    put_number(out, "files_sealed", t->sealed);
    put_bytes(out, "files_bytes", t->bytes);
    if (t->refused > 0) put_number(out, "files_refused", t->refused);
    if (place->kept > 0) put_number(out, "files_kept_by_repair", place->kept);
    if (place->others > 0) put_number(out, "files_of_others", place->others);
    put_number(out, "frames", t->frames);
    put_number(out, "records_in_files", t->records);
    if (t->first_seq > 0) {
        put_number(out, "first_sequence", t->first_seq);
        put_number(out, "last_sequence", t->last_seq);
        put_word(out, "first_time", say_time(time, t->first_ms));
    }
    if (t->tail_file > 0) {
        put_number(out, "incomplete_tail_file", t->tail_file);
        put_bytes(out, "incomplete_tail_bytes", t->tail_bytes);
    }
    put_number(out, "damaged_places", t->damaged);
}

static void put_parts(struct printer *out, const struct place *place, const struct tally *t)
{
    put_word(out, "state", part_word(place->state_part));
    if (place->state_part == PART_GOOD) put_flag(out, "closed", place->state.is_closed);
    put_word(out, "memory", part_word(place->memory_part));
    if (place->memory_part != PART_GOOD) return;
    put_bytes(out, "memory_bytes", place->memory.shape.file_bytes);
    put_flag(out, "memory_of_this_boot", place->memory.is_same_boot);
    put_flag(out, "memory_closed", place->memory.is_closed);
    put_flag(out, "memory_counts", tally_trusts_memory(place));
    if (tally_trusts_memory(place)) {
        put_number(out, "memory_ring_records", t->memory_ring);
        put_number(out, "memory_block_records", t->memory_blocks);
    }
}

static void put_books(struct printer *out, const struct tally *t)
{
    char key[64];

    if (!t->has_books) return;
    put_flag(out, "books_exact", t->is_exact);
    put_number(out, "next_sequence", t->next_seq);
    put_number(out, "acknowledged_sequence", t->passed.seq);
    put_number(out, "accepted_records", t->accepted);
    put_number(out, "acknowledged_records", t->passed.records);
    put_number(out, "pending_memory_records", t->pending_memory);
    put_number(out, "pending_disk_records", t->pending_disk);
    for (unsigned reason = 1; reason < HOPPER_GAP_SLOTS; reason++) {
        if (reason >= HOPPER_GAP_REASONS && t->gap_records[reason] == 0) continue;
        (void)snprintf(key, sizeof key, "gap_%s_records", hopper_gap_name(reason));
        for (char *c = key; *c != '\0'; c++)
            if (*c == '-' || *c == ' ') *c = '_';
        put_number(out, key, t->gap_records[reason]);
    }
    put_number(out, "missing_records", t->missing);
}

int command_info(const struct args *args)
{
    struct printer out = { .is_json = args->is_json };
    int status         = STATUS_ERROR;
    struct place place;
    struct tally tally;

    if (place_open(&place, args->dir, args->name) == 0) {
        tally_take(&tally, &place, NULL);
        json_init(&out.json, stdout);
        if (args->is_json) json_open_object(&out.json, NULL);
        put_channel(&out, &place);
        put_files(&out, &place, &tally);
        put_parts(&out, &place, &tally);
        put_books(&out, &tally);
        if (args->is_json) {
            json_close(&out.json);
            json_end_line(&out.json);
        }
        status = STATUS_OK;
        if (tally.is_newer) {
            say("%s: some of it is of a newer version of the format, and not counted", place.path);
            status = STATUS_UNSURE;
        }
    }
    place_close(&place);
    return status;
}
