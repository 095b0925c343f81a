/* SPDX-License-Identifier: MIT */
/* See items.h. Any bytes can be packed, so what comes back is equal or it is not; the judge of bytes tells. */
#include "items.h"

#include <msgpack.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct item {
    size_t len;
    unsigned char bytes[];
};

static _Atomic int64_t live;

void *items_new(const void *bytes, size_t len)
{
    struct item *item = malloc(sizeof *item + len);

    if (!item) abort();
    item->len = len;
    memcpy(item->bytes, bytes, len);
    live++;
    return item;
}

void items_free(void *item)
{
    if (item) live--;
    free(item);
}

int64_t items_live(void)
{
    return live;
}

struct hopper_record items_look_into(const struct hopper_record *rec)
{
    struct hopper_record seen = *rec;
    const struct item *item   = rec->data;

    if (rec->gap) return seen;
    seen.data = item->bytes;
    seen.len  = item->len;
    return seen;
}

static int pack(void *ctx, const void *object, msgpack_packer *packer)
{
    const struct item *item = object;

    (void)ctx;
    return msgpack_pack_bin(packer, item->len) || msgpack_pack_bin_body(packer, item->bytes, item->len);
}

static int unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    msgpack_unpacked whole;
    int res = -1;

    (void)ctx;
    msgpack_unpacked_init(&whole);
    if (msgpack_unpack_next(&whole, data, len, NULL) == MSGPACK_UNPACK_SUCCESS &&
        whole.data.type == MSGPACK_OBJECT_BIN) {
        *itemp = items_new(whole.data.via.bin.ptr, whole.data.via.bin.size);
        res    = 0;
    }
    msgpack_unpacked_destroy(&whole);
    return res;
}

static size_t weight(void *ctx, const void *object)
{
    const struct item *item = object;

    (void)ctx;
    return sizeof *item + item->len;
}

static void release(void *ctx, void *object)
{
    (void)ctx;
    items_free(object);
}

const struct hopper_item_type items_type = { sizeof items_type, pack, unpack, weight, release, NULL };
