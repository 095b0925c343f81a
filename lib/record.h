/* SPDX-License-Identifier: MIT */
/* One record <-> msgpack bytes. Pure. A record of bytes, and the packed form of an item, is one msgpack `bin` object,
 * so that the end of each is known without looking inside. Where all of a block are equally long that is known without
 * it, and they may stand bare, one after the other: struct hpr_records. */
#ifndef HPR_RECORD_H
#define HPR_RECORD_H

#include "base.h"
#include "bytes.h"

#define HPR_RECORD_HEADER_MAX  5 /* bytes before a record's own: bin 8 (2), bin 16 (3), bin 32 (5) */
#define HPR_RECORD_BYTES_LIMIT (UINT64_C(0xffffffff) - 4096) /* the longest record that the format can carry */

/* Bytes that a record of LEN bytes takes when packed. */
static inline uint64_t hpr_record_packed_bytes(uint64_t len)
{
    return len + (len < 256 ? 2U : len < 65536 ? 3U : 5U);
}

#define HPR_RECORD_BIN_8  0xc4
#define HPR_RECORD_BIN_16 0xc5
#define HPR_RECORD_BIN_32 0xc6

/* Write the header of a record of LEN bytes at OUT, which has room for HPR_RECORD_HEADER_MAX. Returns its bytes. */
static inline size_t hpr_record_put_header(unsigned char *out, uint32_t len)
{
    if (len < 256) {
        out[0] = HPR_RECORD_BIN_8;
        out[1] = (unsigned char)len;
        return 2;
    }
    if (len < 65536) {
        out[0] = HPR_RECORD_BIN_16;
        hpr_put_u16(out + 1, (uint16_t)len);
        return 3;
    }
    out[0] = HPR_RECORD_BIN_32;
    hpr_put_u32(out + 1, len);
    return 5;
}

#define HPR_RECORD_NUMBER_BYTES      16 /* before a numbered record: its producer's id, and the number */
#define HPR_RECORD_NUMBERED_HEAD_MAX (6 + HPR_RECORD_NUMBER_BYTES)

static inline uint64_t hpr_record_numbered_bytes(uint64_t len)
{
    uint64_t whole = len + HPR_RECORD_NUMBER_BYTES;

    return whole + (whole < 256 ? 3U : whole < 65536 ? 4U : 6U);
}

/* The same for a record of producer ID that it calls NUMBER; OUT has room for HPR_RECORD_NUMBERED_HEAD_MAX. */
size_t hpr_record_put_numbered_header(unsigned char *out, uint32_t len, uint64_t id, uint64_t number);

/* The id and number of the record at IN; false when it has none. */
bool hpr_record_get_number(const unsigned char *in, size_t len, uint64_t *idp, uint64_t *numberp);

/* Find the record at IN, of which LEN bytes are there: its bytes at *DATAP, *BYTESP of them. Returns the bytes it takes
 * with its header and number; 0 when there is no whole record. */
size_t hpr_record_get(const unsigned char *in, size_t len, const unsigned char **datap, size_t *bytesp);

/* The same for bin 8 and bin 16, and without a jump between the two, as lengths around 256 would have it guessed wrong.
 * 0: hpr_record_get() has to tell. */
static inline size_t hpr_record_get_short(const unsigned char *in, size_t len, const unsigned char **datap,
                                          size_t *bytesp)
{
    unsigned is_16;
    size_t header, bytes;

    if (HPR_UNLIKELY(len < 3)) return 0;
    is_16  = (unsigned)in[0] - HPR_RECORD_BIN_8;
    header = 2 + (size_t)is_16;
    if (HPR_UNLIKELY(is_16 > 1)) return 0;
    bytes = hpr_get_u16(in + 1) >> (8 & (is_16 - 1));
    if (HPR_UNLIKELY(bytes > len - header)) return 0;
    *datap  = in + header;
    *bytesp = bytes;
    return header + bytes;
}

/* Records one after the other, as they stand in a block or a frame's payload. */
struct hpr_records {
    const unsigned char *at; /* the next one */
    size_t left;
    uint32_t record_bytes; /* of each, none has a header; 0: each has its own */
};

/* Take the next record: its bytes are at *DATAP, *BYTESP of them. False: there is no whole one, and nothing changes. */
static inline bool hpr_records_take(struct hpr_records *r, const unsigned char **datap, size_t *bytesp)
{
    size_t taken = r->record_bytes;

    if (taken == 0) {
        taken = hpr_record_get(r->at, r->left, datap, bytesp);
        if (taken == 0) return false;
    } else {
        if (taken > r->left) return false;
        *datap  = r->at;
        *bytesp = taken;
    }
    r->at += taken;
    r->left -= taken;
    return true;
}

#endif
