/* SPDX-License-Identifier: MIT */
/* See record.h. Both ways by hand: msgpack-c writes through a callback for each piece, and unpacks into a tree that it
 * allocates, where a header of at most five bytes and a view of the bytes behind it are wanted for each record. */
#include "record.h"

#include "bytes.h"

#define BIN_8  0xc4
#define BIN_16 0xc5
#define BIN_32 0xc6

size_t hpr_record_put_header(unsigned char *out, uint32_t len)
{
    if (len < 256) {
        out[0] = BIN_8;
        out[1] = (unsigned char)len;
        return 2;
    }
    if (len < 65536) {
        out[0] = BIN_16;
        hpr_put_u16(out + 1, (uint16_t)len);
        return 3;
    }
    out[0] = BIN_32;
    hpr_put_u32(out + 1, len);
    return 5;
}

size_t hpr_record_get(const unsigned char *in, size_t len, const unsigned char **datap, size_t *bytesp)
{
    size_t header;
    uint32_t bytes;

    if (len >= 2 && in[0] == BIN_8) {
        header = 2;
        bytes  = in[1];
    } else if (len >= 3 && in[0] == BIN_16) {
        header = 3;
        bytes  = hpr_get_u16(in + 1);
    } else if (len >= 5 && in[0] == BIN_32) {
        header = 5;
        bytes  = hpr_get_u32(in + 1);
    } else {
        return 0;
    }
    if (bytes > len - header) return 0;
    *datap  = in + header;
    *bytesp = bytes;
    return header + bytes;
}
