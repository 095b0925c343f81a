/* SPDX-License-Identifier: MIT */
/*
 * A channel of structs. In memory an item travels by pointer; only one that overflows to disk is packed, with msgpack.
 *
 * The channel is given four functions: pack (item to msgpack), unpack (back), weight (the bytes an item holds, which
 * count in the memory budget) and free. After HOPPER_OK the library owns the item; after anything else it is still the
 * sender's. The receiver owns what it gets and cannot tell which way an item came.
 *
 *     typed_items [DIR]     DIR: where the channel's directory is made; default $TMPDIR or /tmp
 */
#include <hopper/hopper.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READINGS = 20000 };

/* One measurement: msgpack [time, value, place]. */
struct reading {
    uint64_t time;
    double   value;
    char     place[32];
};

static int reading_pack(void *ctx, const void *item, struct msgpack_packer *packer)
{
    const struct reading *reading = item;
    size_t                len     = strlen(reading->place);
    int                   failed  = 0;

    (void)ctx;
    failed |= msgpack_pack_array(packer, 3);
    failed |= msgpack_pack_uint64(packer, reading->time);
    failed |= msgpack_pack_double(packer, reading->value);
    failed |= msgpack_pack_str(packer, len);
    failed |= msgpack_pack_str_body(packer, reading->place, len);
    return failed;
}

/* Fill READING from OBJECT. Returns -1 when that is not [time, value, place]: bytes from disk are not to be trusted. */
static int reading_from(const msgpack_object *object, struct reading *reading)
{
    const msgpack_object *part = object->via.array.ptr;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 3) return -1;
    if (part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[1].type != MSGPACK_OBJECT_FLOAT64) return -1;
    if (part[2].type != MSGPACK_OBJECT_STR || part[2].via.str.size >= sizeof reading->place) return -1;
    reading->time  = part[0].via.u64;
    reading->value = part[1].via.f64;
    memcpy(reading->place, part[2].via.str.ptr, part[2].via.str.size);
    return 0;
}

static int reading_unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    struct reading  *reading = calloc(1, sizeof *reading);
    msgpack_unpacked message;
    int              result = -1;

    (void)ctx;
    msgpack_unpacked_init(&message);
    if (reading != NULL && msgpack_unpack_next(&message, data, len, NULL) == MSGPACK_UNPACK_SUCCESS)
        result = reading_from(&message.data, reading);
    msgpack_unpacked_destroy(&message);
    if (result == 0)
        *itemp = reading;
    else
        free(reading);
    return result;
}

static size_t reading_weight(void *ctx, const void *item)
{
    (void)ctx;
    (void)item;
    return sizeof(struct reading);
}

static void reading_free(void *ctx, void *item)
{
    (void)ctx;
    free(item);
}

static int send_all(hopper_sender *snd)
{
    for (uint64_t i = 0; i < READINGS; i++) {
        struct reading *reading = calloc(1, sizeof *reading);

        if (reading == NULL) return -1;
        reading->time  = i;
        reading->value = (double)i / 8;
        snprintf(reading->place, sizeof reading->place, "sensor-%" PRIu64, i % 7);
        if (hopper_send_item(snd, reading, HOPPER_NOW) != HOPPER_OK) {
            free(reading); /* refused: still ours */
            return -1;
        }
    }
    return 0;
}

/* Returns how many readings came back as they were sent. */
static uint64_t receive_all(hopper_receiver *rcv)
{
    struct hopper_record rec;
    uint64_t             good = 0;

    while (hopper_receive(rcv, &rec, HOPPER_FOREVER) == HOPPER_OK) {
        const struct reading *reading = rec.data;
        char                  place[32];

        if (rec.gap != HOPPER_GAP_NONE) continue;
        snprintf(place, sizeof place, "sensor-%" PRIu64, reading->time % 7);
        if (reading->time == rec.seq - 1 && reading->value * 8 == (double)reading->time &&
            strcmp(reading->place, place) == 0)
            good++;
        free((void *)(uintptr_t)rec.data); /* received: ours */
    }
    return good;
}

int main(int argc, char **argv)
{
    const char             *dir     = argc > 1 ? argv[1] : getenv("TMPDIR");
    struct hopper_item_type type    = HOPPER_ITEM_TYPE_INIT;
    struct hopper_options   options = HOPPER_OPTIONS_INIT;
    struct hopper_stats     stats   = HOPPER_STATS_INIT;
    struct hopper_error     err;
    hopper_sender          *snd;
    hopper_receiver        *rcv;
    uint64_t                good;
    int                     failed;

    type.pack            = reading_pack;
    type.unpack          = reading_unpack;
    type.weight          = reading_weight;
    type.free            = reading_free;
    options.item_type    = &type;
    options.memory_bytes = 256 << 10;
    if (hopper_open(dir != NULL ? dir : "/tmp", "example-typed-items", &options, &snd, &rcv, &err) != HOPPER_OK) {
        fprintf(stderr, "typed_items: %s\n", hopper_status_text(err.status));
        return 1;
    }
    failed = send_all(snd);
    (void)hopper_sender_stats(snd, &stats);
    hopper_sender_close(snd);
    good = receive_all(rcv);
    hopper_receiver_close(rcv);
    printf("%" PRIu64 " of %d readings came back as they were sent; %" PRIu64 " were packed, the others went by pointer\n",
           good, READINGS, stats.overflowed);
    return failed || good != READINGS ? 1 : 0;
}
