/* SPDX-License-Identifier: MIT */
/* See json.h. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void json_init(struct json *j, FILE *out)
{
    *j = (struct json){ .out = out, .is_first = true };
}

/* ---- strings ---- */

/* Bytes of the UTF-8 character at the start of the LEN bytes at TEXT; 0: there is none. No overlong forms, no
 * surrogates, nothing above U+10FFFF. */
static size_t character_bytes(const unsigned char *text, size_t len)
{
    const unsigned c = text[0];
    size_t bytes = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    if (bytes == 0 || bytes > len) return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] >= 0xa0) || (c == 0xf0 && text[1] < 0x90) ||
        (c == 0xf4 && text[1] >= 0x90))
        return 0;
    return bytes;
}

bool json_is_text(const unsigned char *text, size_t len)
{
    while (len > 0) {
        size_t bytes = character_bytes(text, len);

        if (bytes == 0) return false;
        text += bytes;
        len -= bytes;
    }
    return true;
}

static void put_escaped(struct json *j, unsigned char c)
{
    static const char plain[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *at = c != '\0' ? strchr(plain, c) : NULL;

    if (at) (void)fprintf(j->out, "\\%c", letters[at - plain]);
    else (void)fprintf(j->out, "\\u%04x", c);
}

static void put_text(struct json *j, const unsigned char *text, size_t len)
{
    (void)putc('"', j->out);
    while (len > 0) {
        size_t bytes = character_bytes(text, len);

        if (bytes == 0) (void)fputs("\xef\xbf\xbd", j->out);
        else if (text[0] < 0x20 || text[0] == '"' || text[0] == '\\' || text[0] == 0x7f) put_escaped(j, text[0]);
        else (void)fwrite(text, 1, bytes, j->out);
        text += bytes > 0 ? bytes : 1;
        len -= bytes > 0 ? bytes : 1;
    }
    (void)putc('"', j->out);
}

/* ---- structure ---- */

static void begin(struct json *j, const char *key)
{
    if (!j->is_first) (void)putc(',', j->out);
    j->is_first = false;
    if (!key) return;
    put_text(j, (const unsigned char *)key, strlen(key));
    (void)putc(':', j->out);
}

void json_key(struct json *j, const unsigned char *text, size_t len)
{
    begin(j, NULL);
    put_text(j, text, len);
    (void)putc(':', j->out);
    j->is_first = true; /* no comma before the value */
}

static void open_one(struct json *j, const char *key, char opener, char closer)
{
    begin(j, key);
    (void)putc(opener, j->out);
    if (j->depth < JSON_DEPTH_MAX) j->closers[j->depth++] = closer; /* callers keep below */
    j->is_first = true;
}

void json_open_object(struct json *j, const char *key)
{
    open_one(j, key, '{', '}');
}

void json_open_array(struct json *j, const char *key)
{
    open_one(j, key, '[', ']');
}

void json_close(struct json *j)
{
    if (j->depth > 0) (void)putc(j->closers[--j->depth], j->out);
    j->is_first = false;
}

void json_end_line(struct json *j)
{
    (void)putc('\n', j->out);
    j->is_first = true;
}

/* ---- values ---- */

void json_number(struct json *j, const char *key, uint64_t value)
{
    begin(j, key);
    (void)fprintf(j->out, "%" PRIu64, value);
}

void json_signed(struct json *j, const char *key, int64_t value)
{
    begin(j, key);
    (void)fprintf(j->out, "%" PRId64, value);
}

void json_real(struct json *j, const char *key, double value)
{
    begin(j, key);
    if (isnan(value)) (void)fputs("\"nan\"", j->out);
    else if (isinf(value)) (void)fputs(value > 0 ? "\"inf\"" : "\"-inf\"", j->out);
    else (void)fprintf(j->out, "%.17g", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    begin(j, key);
    (void)fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
    begin(j, key);
    (void)fputs("null", j->out);
}

void json_string(struct json *j, const char *key, const char *text)
{
    json_text(j, key, (const unsigned char *)text, strlen(text));
}

void json_text(struct json *j, const char *key, const unsigned char *text, size_t len)
{
    begin(j, key);
    put_text(j, text, len);
}

/* ---- base64 ---- */

static void put_group(struct json *j)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *c     = j->carry;
    unsigned bits              = (unsigned)c[0] << 16 | (unsigned)c[1] << 8 | c[2];
    char group[4] = { digits[bits >> 18], digits[bits >> 12 & 63], digits[bits >> 6 & 63], digits[bits & 63] };

    if (j->carried < 3) group[3] = '=';
    if (j->carried < 2) group[2] = '=';
    (void)fwrite(group, 1, sizeof group, j->out);
    memset(j->carry, 0, sizeof j->carry);
    j->carried = 0;
}

void json_open_base64(struct json *j, const char *key)
{
    begin(j, key);
    (void)putc('"', j->out);
    j->carried = 0;
    memset(j->carry, 0, sizeof j->carry);
}

void json_base64(struct json *j, const unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        j->carry[j->carried++] = data[i];
        if (j->carried == 3) put_group(j);
    }
}

void json_close_base64(struct json *j)
{
    if (j->carried > 0) put_group(j);
    (void)putc('"', j->out);
}
