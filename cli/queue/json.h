/* SPDX-License-Identifier: MIT */
/*
 * JSON to a stream, piece by piece: nothing is held, whatever the size of what is written. (Not jansson: it builds a
 * value in memory before it prints it, and its integers are signed, too short for sequence numbers.) Bytes that are not
 * UTF-8 come out as U+FFFD.
 */
#ifndef QUEUE_JSON_H
#define QUEUE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 256

struct json {
    FILE *out;
    size_t depth;
    char closers[JSON_DEPTH_MAX];
    bool is_first;          /* of what is open */
    unsigned char carry[3]; /* of base64 */
    size_t carried;
};

void json_init(struct json *j, FILE *out);

/* Each value has a KEY in an object and NULL in an array or alone. */
void json_open_object(struct json *j, const char *key);
void json_open_array(struct json *j, const char *key);
void json_close(struct json *j);
void json_number(struct json *j, const char *key, uint64_t value);
void json_signed(struct json *j, const char *key, int64_t value);
void json_real(struct json *j, const char *key, double value); /* "nan", "inf" and "-inf" as strings */
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
void json_string(struct json *j, const char *key, const char *text);
void json_text(struct json *j, const char *key, const unsigned char *text, size_t len);

/* What comes next has the LEN bytes at TEXT for a key, and is written with KEY NULL. */
void json_key(struct json *j, const unsigned char *text, size_t len);

/* A string of base64 in any number of pieces. */
void json_open_base64(struct json *j, const char *key);
void json_base64(struct json *j, const unsigned char *data, size_t len);
void json_close_base64(struct json *j);

/* End the line, when nothing is open. */
void json_end_line(struct json *j);

/* Whether the LEN bytes at TEXT are UTF-8. */
bool json_is_text(const unsigned char *text, size_t len);

#endif
