/* SPDX-License-Identifier: MIT */
/* See item.h. The bytes are walked twice: once to see that they are an object from end to end, then to write it. */
#include "item.h"

#include <string.h>

#include "bytes.h"

enum token_kind {
    TOKEN_NIL,
    TOKEN_BOOL,
    TOKEN_UNSIGNED,
    TOKEN_SIGNED,
    TOKEN_REAL,
    TOKEN_STR,
    TOKEN_BIN,
    TOKEN_EXT,
    TOKEN_ARRAY,
    TOKEN_MAP
};

struct token {
    enum token_kind kind;
    uint64_t number; /* value; of arrays and maps how many elements or pairs; of a boolean 0 or 1 */
    int64_t negative;
    double real;
    int8_t type; /* of an ext */
    const unsigned char *bytes;
    size_t len;
};

struct walk {
    const unsigned char *at;
    size_t left;
};

/* An integer of WIDTH bytes, 1, 2, 4 or 8. */
static bool get_number(struct walk *w, unsigned width, uint64_t *valuep)
{
    if (w->left < width) return false;
    *valuep = width == 1   ? w->at[0]
              : width == 2 ? hpr_get_u16(w->at)
              : width == 4 ? hpr_get_u32(w->at)
                           : hpr_get_u64(w->at);
    w->at += width;
    w->left -= width;
    return true;
}

static bool get_bytes(struct walk *w, uint64_t len, struct token *t)
{
    if (len > w->left) return false;
    t->bytes = w->at;
    t->len   = (size_t)len;
    w->at += t->len;
    w->left -= t->len;
    return true;
}

static bool get_sized(struct walk *w, unsigned width, enum token_kind kind, struct token *t)
{
    uint64_t len, type = 0;

    t->kind = kind;
    if (!get_number(w, width, &len) || (kind == TOKEN_EXT && !get_number(w, 1, &type))) return false;
    t->type = (int8_t)(uint8_t)type;
    return get_bytes(w, len, t);
}

static bool get_fixed_ext(struct walk *w, uint64_t len, struct token *t)
{
    uint64_t type;

    t->kind = TOKEN_EXT;
    if (!get_number(w, 1, &type)) return false;
    t->type = (int8_t)(uint8_t)type;
    return get_bytes(w, len, t);
}

static bool get_real(struct walk *w, unsigned width, struct token *t)
{
    uint64_t bits;
    uint32_t short_bits;
    float single;

    t->kind = TOKEN_REAL;
    if (!get_number(w, width, &bits)) return false;
    short_bits = (uint32_t)bits;
    if (width == 8) memcpy(&t->real, &bits, sizeof t->real);
    if (width == 8) return true;
    memcpy(&single, &short_bits, sizeof single);
    t->real = (double)single;
    return true;
}

static bool get_signed(struct walk *w, unsigned width, struct token *t)
{
    const unsigned shift = 64 - 8 * width;
    uint64_t value;

    t->kind = TOKEN_SIGNED;
    if (!get_number(w, width, &value)) return false;
    value <<= shift; /* the sign to the top, and back */
    memcpy(&t->negative, &value, sizeof value);
    t->negative /= (int64_t)1 << (shift == 0 ? 0 : shift);
    return true;
}

/* First bytes 0xc0 to 0xdf. */
static bool get_marked(struct walk *w, unsigned mark, struct token *t)
{
    switch (mark) {
    case 0xc0: t->kind = TOKEN_NIL; return true;
    case 0xc2:
    case 0xc3:
        t->kind   = TOKEN_BOOL;
        t->number = mark & 1;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6: return get_sized(w, 1U << (mark - 0xc4), TOKEN_BIN, t);
    case 0xc7:
    case 0xc8:
    case 0xc9: return get_sized(w, 1U << (mark - 0xc7), TOKEN_EXT, t);
    case 0xca: return get_real(w, 4, t);
    case 0xcb: return get_real(w, 8, t);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: t->kind = TOKEN_UNSIGNED; return get_number(w, 1U << (mark - 0xcc), &t->number);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: return get_signed(w, 1U << (mark - 0xd0), t);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8: return get_fixed_ext(w, UINT64_C(1) << (mark - 0xd4), t);
    case 0xd9:
    case 0xda:
    case 0xdb: return get_sized(w, 1U << (mark - 0xd9), TOKEN_STR, t);
    case 0xdc:
    case 0xdd: t->kind = TOKEN_ARRAY; return get_number(w, mark == 0xdc ? 2 : 4, &t->number);
    case 0xde:
    case 0xdf: t->kind = TOKEN_MAP; return get_number(w, mark == 0xde ? 2 : 4, &t->number);
    default: return false; /* 0xc1 is never used */
    }
}

static bool get_token(struct walk *w, struct token *t)
{
    uint64_t mark;

    memset(t, 0, sizeof *t);
    if (!get_number(w, 1, &mark)) return false;
    t->number = mark;
    if (mark < 0x80) {
        t->kind = TOKEN_UNSIGNED;
    } else if (mark < 0x90) {
        t->kind   = TOKEN_MAP;
        t->number = mark & 0x0f;
    } else if (mark < 0xa0) {
        t->kind   = TOKEN_ARRAY;
        t->number = mark & 0x0f;
    } else if (mark < 0xc0) {
        t->kind = TOKEN_STR;
        return get_bytes(w, mark & 0x1f, t);
    } else if (mark >= 0xe0) {
        t->kind     = TOKEN_SIGNED;
        t->negative = (int64_t)mark - 256;
    } else {
        return get_marked(w, (unsigned)mark, t);
    }
    return true;
}

/* Pass over one object; a claimed count is believed as far as there are bytes, as each element takes one at least. */
static bool skip(struct walk *w, unsigned depth)
{
    struct token t;

    if (depth > ITEM_DEPTH_MAX || !get_token(w, &t)) return false;
    if (t.kind != TOKEN_ARRAY && t.kind != TOKEN_MAP) return true;
    for (uint64_t n = t.kind == TOKEN_MAP ? 2 * t.number : t.number; n > 0; n--)
        if (!skip(w, depth + 1)) return false;
    return true;
}

/* Whether all keys of the PAIRS of a map at W, which is known to be good, are strings of UTF-8. */
static bool has_text_keys(struct walk w, uint64_t pairs)
{
    struct token t;

    for (; pairs > 0; pairs--)
        if (!get_token(&w, &t) || t.kind != TOKEN_STR || !json_is_text(t.bytes, t.len) || !skip(&w, 0)) return false;
    return true;
}

static void put(struct json *j, const char *key, struct walk *w);

static void put_map(struct json *j, const char *key, struct walk *w, uint64_t pairs)
{
    struct token t;

    json_open_object(j, key);
    if (has_text_keys(*w, pairs)) {
        for (; pairs > 0 && get_token(w, &t); pairs--) {
            json_key(j, t.bytes, t.len);
            put(j, NULL, w);
        }
    } else {
        json_open_array(j, "map");
        for (; pairs > 0; pairs--) {
            json_open_array(j, NULL);
            put(j, NULL, w);
            put(j, NULL, w);
            json_close(j);
        }
        json_close(j);
    }
    json_close(j);
}

static void put_bytes(struct json *j, const char *key, const struct token *t)
{
    if (t->kind == TOKEN_STR && json_is_text(t->bytes, t->len)) {
        json_text(j, key, t->bytes, t->len);
        return;
    }
    json_open_object(j, key);
    if (t->kind == TOKEN_EXT) json_signed(j, "ext", t->type);
    json_open_base64(j, "base64");
    json_base64(j, t->bytes, t->len);
    json_close_base64(j);
    json_close(j);
}

/* One object, known to be good. */
static void put(struct json *j, const char *key, struct walk *w)
{
    struct token t;

    if (!get_token(w, &t)) return;
    switch (t.kind) {
    case TOKEN_NIL: json_null(j, key); break;
    case TOKEN_BOOL: json_bool(j, key, t.number != 0); break;
    case TOKEN_UNSIGNED: json_number(j, key, t.number); break;
    case TOKEN_SIGNED: json_signed(j, key, t.negative); break;
    case TOKEN_REAL: json_real(j, key, t.real); break;
    case TOKEN_STR:
    case TOKEN_BIN:
    case TOKEN_EXT: put_bytes(j, key, &t); break;
    case TOKEN_MAP: put_map(j, key, w, t.number); break;
    case TOKEN_ARRAY:
        json_open_array(j, key);
        for (; t.number > 0; t.number--) put(j, NULL, w);
        json_close(j);
        break;
    }
}

bool item_put(struct json *j, const char *key, const unsigned char *data, size_t len)
{
    struct walk w = { data, len };

    if (!skip(&w, 0) || w.left > 0) return false;
    w = (struct walk){ data, len };
    put(j, key, &w);
    return true;
}
