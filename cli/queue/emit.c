/* SPDX-License-Identifier: MIT */
/* See emit.h. Bytes go through as they come, whatever their number. JSON needs the whole record to see whether it is
 * text; one larger than JSON_RECORD_BYTES is not held for that but written as base64. */
#include "emit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "item.h"
#include "say.h"

#define JSON_RECORD_BYTES (16u << 20)

void emit_init(struct emit *emit, const struct args *args, bool is_items)
{
    *emit = (struct emit){ .args = args, .is_items = is_items };
    json_init(&emit->json, stdout);
}

void emit_fini(struct emit *emit)
{
    free(emit->buf);
    emit->buf = NULL;
}

static int broken_off(uint64_t seq)
{
    say("record %" PRIu64 ": it changed while it was read", seq);
    return 1;
}

/* ---- bytes ---- */

static int emit_bytes(struct emit *emit, uint64_t seq, const struct payload_record *rec, struct payload *payload)
{
    const int wanted = emit->args->end == ARGS_END_NUL ? '\0' : '\n';
    const unsigned char *data;
    int last = -1;
    size_t len;

    while (payload_bytes(payload, &data, &len)) {
        if (fwrite(data, 1, len, stdout) < len) return -EIO;
        last = data[len - 1];
    }
    if (payload->fault != FAULT_NONE || payload->record_left > 0) return broken_off(seq);
    if (emit->args->end != ARGS_END_NONE && (rec->bytes == 0 || last != wanted) && putchar(wanted) == EOF) return -EIO;
    return 0;
}

/* ---- JSON ---- */

static bool make_room(struct emit *emit, uint64_t bytes)
{
    size_t room = (size_t)bytes < 4096 ? 4096 : (size_t)bytes;
    unsigned char *buf;

    if (bytes > JSON_RECORD_BYTES) return false;
    if (emit->room >= bytes && emit->buf) return true;
    if (!(buf = realloc(emit->buf, room))) return false;
    emit->buf  = buf;
    emit->room = room;
    return true;
}

static bool collect(struct emit *emit, struct payload *payload)
{
    const unsigned char *data;
    size_t len, at = 0;

    while (payload_bytes(payload, &data, &len)) {
        memcpy(emit->buf + at, data, len);
        at += len;
    }
    return payload->fault == FAULT_NONE && payload->record_left == 0;
}

static void put_base64(struct json *j, const unsigned char *data, size_t len)
{
    json_open_base64(j, "base64");
    json_base64(j, data, len);
    json_close_base64(j);
}

static int emit_large(struct emit *emit, uint64_t seq, struct payload *payload)
{
    const unsigned char *data;
    size_t len;

    json_open_base64(&emit->json, "base64");
    while (payload_bytes(payload, &data, &len)) json_base64(&emit->json, data, len);
    json_close_base64(&emit->json);
    return payload->fault == FAULT_NONE && payload->record_left == 0 ? 0 : broken_off(seq);
}

static int emit_json(struct emit *emit, uint64_t seq, const struct payload_record *rec, struct payload *payload)
{
    struct json *j   = &emit->json;
    bool is_small    = make_room(emit, rec->bytes);
    const size_t len = (size_t)rec->bytes;
    int res          = 0;

    if (is_small && !collect(emit, payload)) return broken_off(seq);
    json_open_object(j, NULL);
    json_number(j, "seq", seq);
    json_number(j, "bytes", rec->bytes);
    if (rec->is_numbered) {
        json_number(j, "producer", rec->producer);
        json_number(j, "number", rec->number);
    }
    if (!is_small) res = emit_large(emit, seq, payload);
    else if (emit->is_items && item_put(j, "item", emit->buf, len)) res = 0;
    else if (!emit->is_items && json_is_text(emit->buf, len)) json_text(j, "text", emit->buf, len);
    else put_base64(j, emit->buf, len);
    json_close(j);
    json_end_line(j);
    return res != 0 ? res : ferror(stdout) ? -EIO : 0;
}

int emit_record(struct emit *emit, uint64_t seq, const struct payload_record *rec, struct payload *payload)
{
    int res = emit->args->is_json ? emit_json(emit, seq, rec, payload) : emit_bytes(emit, seq, rec, payload);

    if (res == 0) emit->records++;
    return res;
}

void emit_gap(struct emit *emit, uint64_t first, uint64_t count, const char *why)
{
    if (emit->args->is_json) {
        json_open_object(&emit->json, NULL);
        json_number(&emit->json, "seq", first);
        json_number(&emit->json, "lost", count);
        json_string(&emit->json, "gap", why);
        json_close(&emit->json);
        json_end_line(&emit->json);
    }
    say("gap: %" PRIu64 " records from number %" PRIu64 " on: %s", count, first, why);
}
