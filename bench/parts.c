/* SPDX-License-Identifier: MIT */
/*
 * One part of the library alone, in one thread, nothing waiting and nothing on disk: what it costs by itself, beside the
 * least that the same work can cost.
 *
 *     bench-parts --work part --variant PART [--data KIND] [--level N] [--bytes N] [--passes N]
 *
 *     deque     records through the deque in groups of 64: in, and out as views      copy      the same bytes copied only
 *     record    records packed into a block, and found in it again                   msgpack   by msgpack-c
 *     frame     a block deflated, summed up and given a header; checked and inflated codec     the engine alone
 *
 * All work goes group by group (what fits a block), so that it stays in the caches as it does in use; the clock runs
 * around each half of a group. The first pass warms up. Each pass is checked: every record there, in order, its bytes
 * where they should be. A line as from harness.c for each half: phase "in" and "out".
 */
#include "bench.h"

#include <msgpack.h>
#include <stdlib.h>

#include "codec.h"
#include "deque.h"
#include "frame.h"
#include "record.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define RING_BYTES  ((size_t)256 << 10)
#define GROUP       64

/* Records of one group, and where they are between its two halves. */
struct group {
    const struct iovec *records;
    size_t count;
    size_t bytes;
    size_t used; /* bytes between the halves */
};

struct part {
    const char *name;
    size_t records_max;                          /* of a group; 0: as many as fit a block */
    bool (*open)(const struct bench_work *work); /* false: does not do this */
    void (*in)(struct group *group);
    uint64_t (*out)(struct group *group); /* a sum over what was found: digest() of each */
};

static struct {
    unsigned char block[BLOCK_BYTES + HPR_FRAME_HEADER_BYTES];
    unsigned char packed[2 * BLOCK_BYTES];
    unsigned char ring[RING_BYTES];
    struct hpr_deque deque;
    struct hpr_deflater deflater;
    struct hpr_inflater inflater;
    msgpack_packer packer;
} state;

/* Cheap, so that it is not what is measured: a record's length, first and last byte. */
static inline uint64_t digest(const unsigned char *data, size_t len)
{
    return len > 0 ? (uint64_t)len << 16 | (uint64_t)data[0] << 8 | data[len - 1] : 1;
}

static bool open_any(const struct bench_work *work)
{
    (void)work;
    return true;
}

/* ---- the deque, and a copy ---- */

static bool deque_open(const struct bench_work *work)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hpr_ring ring          = { state.ring, RING_BYTES };

    (void)work;
    options.platform = hopper_platform_posix();
    return hpr_deque_init(&state.deque, &ring, RING_BYTES, RING_BYTES, &options) == HOPPER_OK;
}

/* As admit.c does it for a batch: the short way, else the long one. */
static void deque_in(struct group *group)
{
    struct hpr_deque *dq = &state.deque;

    hpr_mutex_lock(&dq->back);
    for (size_t i = 0; i < group->count;) {
        const struct iovec *record = &group->records[i];
        uint64_t bytes;
        size_t n = hpr_deque_put_plains_locked(dq, record, group->count - i, &bytes);

        if (n == 0) {
            if (!hpr_deque_has_room_locked(dq, BLOCK_BYTES)) bench_die("deque", "is full");
            hpr_deque_put_locked(dq, HPR_PLACE_RECORD, record->iov_len, record->iov_base, 0);
            n = 1;
        }
        i += n;
    }
    hpr_deque_publish_locked(dq);
    hpr_mutex_unlock(&dq->back);
    hpr_deque_wake(dq);
}

static uint64_t deque_out(struct group *group)
{
    struct hpr_deque *dq = &state.deque;
    uint64_t sum         = 0, word;

    for (size_t i = 0; i < group->count && hpr_deque_has_entry(dq); i++) {
        if (hpr_ring_is_record(&dq->ring, &dq->head, &word)) {
            const unsigned char *data = hpr_deque_take_plain(dq, word);

            sum += digest(data, (size_t)(word >> 3));
        } else {
            struct hpr_entry entry;

            hpr_deque_take(dq, &entry);
            sum += digest(entry.data, (size_t)entry.value);
        }
    }
    if (hpr_deque_give_back(dq)) hpr_deque_wake_senders(dq);
    return sum;
}

/* Round and round through as many bytes as the deque has. */
static size_t copied_to;

static void copy_in(struct group *group)
{
    unsigned char *at;

    copied_to = copied_to + 2 * BLOCK_BYTES > RING_BYTES ? 0 : copied_to + BLOCK_BYTES / 4;
    at        = state.ring + copied_to;
    for (size_t i = 0; i < group->count; i++) {
        memcpy(at, group->records[i].iov_base, group->records[i].iov_len);
        at += group->records[i].iov_len;
    }
}

static uint64_t copy_out(struct group *group)
{
    const unsigned char *at = state.ring + copied_to;
    uint64_t sum            = 0;

    for (size_t i = 0; i < group->count; i++) {
        sum += digest(at, group->records[i].iov_len);
        at += group->records[i].iov_len;
    }
    return sum;
}

/* ---- records in a block ---- */

static void record_in(struct group *group)
{
    unsigned char *at = state.block;

    for (size_t i = 0; i < group->count; i++) {
        const struct iovec *record = &group->records[i];

        at += hpr_record_put_header(at, (uint32_t)record->iov_len);
        memcpy(at, record->iov_base, record->iov_len);
        at += record->iov_len;
    }
    group->used = (size_t)(at - state.block);
}

static uint64_t record_out(struct group *group)
{
    const unsigned char *at = state.block, *data = NULL;
    uint64_t sum = 0;
    size_t len   = 0, taken;

    for (size_t left = group->used; left > 0; left -= taken, at += taken) {
        taken = hpr_record_get_short(at, left, &data, &len);
        if (taken == 0 && (taken = hpr_record_get(at, left, &data, &len)) == 0) return 0;
        sum += digest(data, len);
    }
    return sum;
}

static int msgpack_put(void *arg, const char *bytes, size_t len)
{
    struct group *group = arg;

    memcpy(state.block + group->used, bytes, len);
    group->used += len;
    return 0;
}

static void msgpack_in(struct group *group)
{
    group->used = 0;
    msgpack_packer_init(&state.packer, group, msgpack_put);
    for (size_t i = 0; i < group->count; i++)
        msgpack_pack_bin_with_body(&state.packer, group->records[i].iov_base, group->records[i].iov_len);
}

static uint64_t msgpack_out(struct group *group)
{
    msgpack_unpacked record;
    uint64_t sum = 0;
    size_t at    = 0;

    msgpack_unpacked_init(&record);
    while (at < group->used &&
           msgpack_unpack_next(&record, (const char *)state.block, group->used, &at) == MSGPACK_UNPACK_SUCCESS)
        sum += digest((const unsigned char *)record.data.via.bin.ptr, record.data.via.bin.size);
    msgpack_unpacked_destroy(&record);
    return sum;
}

/* ---- frames ---- */

static const struct hpr_frame_place place = { (const unsigned char *)"0123456789abcdef", 1, 4096 };
static int level;

static bool frame_open(const struct bench_work *work)
{
    struct hpr_codec_params params = hpr_codec_params(work->level > 0 ? work->level : 1, BLOCK_BYTES, SIZE_MAX);
    size_t out                     = hpr_deflater_bytes(&params).slab;
    enum hpr_engine engine         = hpr_codec_inflate_engine(BLOCK_BYTES);
    size_t in                      = hpr_inflater_bytes(engine, 15).slab;

    level = work->level;
    return hpr_deflater_init(&state.deflater, &params, bench_alloc(1, out), out) == HOPPER_OK &&
           hpr_inflater_init(&state.inflater, engine, 15, bench_alloc(1, in), in) == HOPPER_OK;
}

static bool codec_open(const struct bench_work *work)
{
    return work->level > 0 && frame_open(work);
}

static void codec_in(struct group *group)
{
    group->used = hpr_deflate(&state.deflater, state.block, group->used, state.packed + HPR_FRAME_HEADER_BYTES,
                              sizeof state.packed - HPR_FRAME_HEADER_BYTES);
    if (group->used == 0) bench_die("codec", "does not shrink");
}

static uint64_t codec_out(struct group *group)
{
    hpr_inflate_begin(&state.inflater, state.block, group->bytes);
    if (hpr_inflate_step(&state.inflater, state.packed + HPR_FRAME_HEADER_BYTES, group->used, true) != HPR_INFLATE_DONE)
        bench_die("codec", "says that it is damaged");
    return digest(state.block, group->bytes);
}

/* As spill.c does it, without the file: what is stored goes from where it is. */
static void frame_in(struct group *group)
{
    struct hpr_frame_header h = {
        .codec = HPR_CODEC_STORED, .records = (uint32_t)group->count, .raw_bytes = (uint32_t)group->used, .first_seq = 1
    };
    const unsigned char *payload = state.block;

    if (level > 0) {
        codec_in(group);
        h.codec = HPR_CODEC_DEFLATE;
        payload = state.packed + HPR_FRAME_HEADER_BYTES;
    }
    h.stored_bytes = (uint32_t)group->used;
    h.payload_crc  = hpr_crc32(0, payload, group->used);
    hpr_frame_put_header(state.packed, &h, &place);
}

static uint64_t frame_out(struct group *group)
{
    struct hpr_frame_header h;
    struct hpr_footer footer;
    const unsigned char *payload = level > 0 ? state.packed + HPR_FRAME_HEADER_BYTES : state.block;

    if (hpr_frame_get(state.packed, HPR_FRAME_HEADER_BYTES, &place, &h, &footer) != HPR_VERDICT_FRAME ||
        h.payload_crc != hpr_crc32(0, payload, h.stored_bytes))
        bench_die("frame", "says that it is damaged");
    return level > 0 ? codec_out(group) : digest(state.block, group->bytes);
}

/* ---- going through the groups ---- */

static const struct part parts[] = {
    { "deque", GROUP, deque_open, deque_in, deque_out }, { "copy", GROUP, open_any, copy_in, copy_out },
    { "record", 0, open_any, record_in, record_out },    { "msgpack", 0, open_any, msgpack_in, msgpack_out },
    { "frame", 0, frame_open, frame_in, frame_out },     { "codec", 0, codec_open, codec_in, codec_out },
};

static void print_line(const struct bench_work *work, const char *phase, uint64_t messages, uint64_t bytes, uint64_t ns)
{
    printf("peer=part-%s phase=%s messages=%llu bytes=%llu seconds=%.9f cpu=%.6f ok=1\n", work->variant, phase,
           (unsigned long long)messages, (unsigned long long)bytes, (double)ns / 1e9, (double)ns / 1e9);
}

/* The next records of DATA from FIRST on that are a group. */
static struct group next_group(const struct part *part, const struct bench_data *data, size_t first)
{
    struct group group = { .records = data->records + first };

    while (first + group.count < data->count && (part->records_max == 0 || group.count < part->records_max)) {
        size_t need = data->records[first + group.count].iov_len + HPR_RECORD_HEADER_MAX;

        if (group.bytes + need > BLOCK_BYTES) break;
        group.bytes += need;
        group.count++;
    }
    if (group.count == 0) bench_die("--data", "has records larger than a block");
    return group;
}

static uint64_t digest_all(const struct group *group)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < group->count; i++) sum += digest(group->records[i].iov_base, group->records[i].iov_len);
    return sum;
}

static void pass(const struct part *part, const struct bench_data *data, uint64_t *in_nsp, uint64_t *out_nsp)
{
    const bool is_frame = part->in == frame_in || part->in == codec_in;
    size_t first        = 0;

    while (first < data->count) {
        struct group group = next_group(part, data, first);
        uint64_t start, sum, want = digest_all(&group);

        if (is_frame) {
            record_in(&group);
            group.bytes = group.used;
            want        = digest(state.block, group.bytes);
        }
        start = bench_now_ns();
        part->in(&group);
        *in_nsp += bench_now_ns() - start;
        if (is_frame && level > 0) memset(state.block, 0, group.bytes);
        start = bench_now_ns();
        sum   = part->out(&group);
        *out_nsp += bench_now_ns() - start;
        if (sum != want) bench_die(part->name, "did not give back what it was given");
        first += group.count;
    }
}

static int run_part(const struct part *part, const struct bench_work *work)
{
    struct bench_data data;
    uint64_t in_ns = 0, out_ns = 0;

    if (!bench_data_known(work->data) || !part->open(work)) return BENCH_UNSUPPORTED;
    bench_data_make(&data, work);
    for (uint64_t i = 0; i <= work->passes; i++) {
        if (i == 1) in_ns = out_ns = 0;
        pass(part, &data, &in_ns, &out_ns);
    }
    print_line(work, "in", data.count * work->passes, data.bytes * work->passes, in_ns);
    print_line(work, "out", data.count * work->passes, data.bytes * work->passes, out_ns);
    bench_data_free(&data);
    return BENCH_OK;
}

int main(int argc, char **argv)
{
    struct bench_work work;
    int status = bench_args(argc, argv, &work);

    if (status != BENCH_OK) return status;
    bench_cpus(&work);
    bench_pin(&work, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(work.variant, parts[i].name) == 0) return run_part(&parts[i], &work);
    return BENCH_UNSUPPORTED;
}
