/* SPDX-License-Identifier: MIT */
/* See record.h. Packing goes through msgpack-c. Reading is by hand: msgpack-c unpacks into a tree of its own that it
 * allocates, and here a view of the bytes is wanted, for each record, without an allocation. */
#include "record.h"

#include <msgpack.h>

#include "bytes.h"

struct sink {
    unsigned char *at;
};

static int sink_write(void *data, const char *buf, size_t len)
{
    struct sink *sink = data;

    memcpy(sink->at, buf, len);
    sink->at += len;
    return 0;
}

size_t hpr_record_put_header(unsigned char *out, uint32_t len)
{
    struct sink sink = {out};
    msgpack_packer packer;

    msgpack_packer_init(&packer, &sink, sink_write);
    (void)msgpack_pack_bin(&packer, len); /* the sink cannot fail */
    return (size_t)(sink.at - out);
}

size_t hpr_record_get(const unsigned char *in, size_t len, const unsigned char **datap, size_t *bytesp)
{
    size_t header;
    uint32_t bytes;

    if (len >= 2 && in[0] == 0xc4) {
        header = 2;
        bytes = in[1];
    } else if (len >= 3 && in[0] == 0xc5) {
        header = 3;
        bytes = hpr_get_u16(in + 1);
    } else if (len >= 5 && in[0] == 0xc6) {
        header = 5;
        bytes = hpr_get_u32(in + 1);
    } else {
        return 0;
    }
    if (bytes > len - header)
        return 0;
    *datap = in + header;
    *bytesp = bytes;
    return header + bytes;
}
