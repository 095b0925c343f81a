/* SPDX-License-Identifier: MIT */
/* See record.h. Both ways by hand: msgpack-c writes through a callback for each piece, and unpacks into a tree that it
 * allocates, where a header of at most five bytes and a view of the bytes behind it are wanted for each record. */
#include "record.h"

#define EXT_8  0xc7
#define EXT_16 0xc8
#define EXT_32 0xc9

#define EXT_NUMBERED 1 /* the msgpack ext type */

size_t hpr_record_put_numbered_header(unsigned char *out, uint32_t len, uint64_t id, uint64_t number)
{
    uint32_t whole = len + HPR_RECORD_NUMBER_BYTES;
    size_t at;

    if (whole < 256) {
        out[0] = EXT_8;
        out[1] = (unsigned char)whole;
        at     = 2;
    } else if (whole < 65536) {
        out[0] = EXT_16;
        hpr_put_u16(out + 1, (uint16_t)whole);
        at = 3;
    } else {
        out[0] = EXT_32;
        hpr_put_u32(out + 1, whole);
        at = 5;
    }
    out[at] = EXT_NUMBERED;
    hpr_put_u64(out + at + 1, id);
    hpr_put_u64(out + at + 9, number);
    return at + 1 + HPR_RECORD_NUMBER_BYTES;
}

/* The bytes of IN's header and the length that it says; 0: it is none. */
static size_t get_header(const unsigned char *in, size_t len, uint32_t *bytesp)
{
    if (len < 2) return 0;
    switch (in[0]) {
    case HPR_RECORD_BIN_8: *bytesp = in[1]; return 2;
    case HPR_RECORD_BIN_16: *bytesp = len < 3 ? 0 : hpr_get_u16(in + 1); return len < 3 ? 0 : 3;
    case HPR_RECORD_BIN_32: *bytesp = len < 5 ? 0 : hpr_get_u32(in + 1); return len < 5 ? 0 : 5;
    case EXT_8: *bytesp = in[1]; return len < 3 || in[2] != EXT_NUMBERED ? 0 : 3;
    case EXT_16: *bytesp = len < 4 ? 0 : hpr_get_u16(in + 1); return len < 4 || in[3] != EXT_NUMBERED ? 0 : 4;
    case EXT_32: *bytesp = len < 6 ? 0 : hpr_get_u32(in + 1); return len < 6 || in[5] != EXT_NUMBERED ? 0 : 6;
    default: return 0;
    }
}

static bool is_numbered(const unsigned char *in)
{
    return in[0] >= EXT_8;
}

size_t hpr_record_get(const unsigned char *in, size_t len, const unsigned char **datap, size_t *bytesp)
{
    uint32_t bytes = 0;
    size_t header  = get_header(in, len, &bytes);
    size_t before  = header > 0 && is_numbered(in) ? HPR_RECORD_NUMBER_BYTES : 0;

    if (header == 0 || bytes > len - header || bytes < before) return 0;
    *datap  = in + header + before;
    *bytesp = bytes - before;
    return header + bytes;
}

bool hpr_record_get_number(const unsigned char *in, size_t len, uint64_t *idp, uint64_t *numberp)
{
    uint32_t bytes = 0;
    size_t header  = get_header(in, len, &bytes);

    if (header == 0 || !is_numbered(in) || bytes > len - header || bytes < HPR_RECORD_NUMBER_BYTES) return false;
    *idp     = hpr_get_u64(in + header);
    *numberp = hpr_get_u64(in + header + 8);
    return true;
}
