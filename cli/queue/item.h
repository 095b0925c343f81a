/* SPDX-License-Identifier: MIT */
/* A msgpack object as JSON. Not by msgpack-c: its unpacker makes room for as many elements as a header claims before it
 * has seen one, which is somebody else's number here. */
#ifndef QUEUE_ITEM_H
#define QUEUE_ITEM_H

#include "json.h"

#define ITEM_DEPTH_MAX 64

/* Write the LEN bytes at DATA as the value of KEY, when they are exactly one msgpack object, not nested deeper than
 * ITEM_DEPTH_MAX; else write nothing and return false.
 *
 *     nil, booleans, numbers      as they are (a float that is no number: "nan", "inf", "-inf")
 *     str                         a string; not UTF-8: as bin
 *     bin                         {"base64": "..."}
 *     ext                         {"ext": TYPE, "base64": "..."}
 *     array                       an array
 *     map                         an object when all keys are strings, else {"map": [[KEY, VALUE], ...]} */
bool item_put(struct json *j, const char *key, const unsigned char *data, size_t len);

#endif
