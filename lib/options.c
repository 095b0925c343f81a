/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "options.h"

#include <errno.h>

#include "error.h"
#include "frame.h"
#include "producers.h"
#include "record.h"
#include "state.h"

#define FILE_BYTES_MIN   4096
#define BLOCK_BYTES_MIN  1024
#define BLOCK_BYTES_MAX  131072
#define PIECE_BYTES_MAX  16384
#define MEMORY_IS_AMPLE  (UINT64_C(1) << 20) /* from here on blocks of a sixteenth leave enough for the ring */
#define BLOCKS_MIN       3                   /* one open, one on its way to disk, one in the receiver's hands */
#define BLOCKS_MAX       16
#define NAME_CHARS_MAX   200
#define WINDOW_BITS_MAX  15
#define SYNC_MS_MAX      86400000U /* a day */
#define SPIN_US_MAX      1000000U
#define HANDLE_BYTES_MIN 8192 /* some 27 senders */

#define COMPRESS_THREADS_MAX   1
#define DECOMPRESS_THREADS_MAX 1
#define DECOMPRESS_MEMORY_MIN  (UINT64_C(1) << 20) /* what the thread takes is a quarter of it */

/* Room on disk that no record can use: LOCK, a file header, a footer, a frame header, a record's own header; and in a
 * file of a channel that survives the table of producers. */
#define DISK_OVERHEAD_BYTES 512

static hopper_status bad(struct hopper_error *err, const char *what)
{
    return hpr_error_set(err, HOPPER_EINVAL, 0, what, NULL);
}

/* Copy what both sides know. A longer struct is taken only when the part unknown here says nothing. */
static hopper_status copy_known(struct hopper_options *out, const struct hopper_options *in, struct hopper_error *err)
{
    const unsigned char *bytes = (const unsigned char *)in;

    if (in->size < offsetof(struct hopper_options, disk_bytes) || in->size > 4096 ||
        (in->size < sizeof *out && in->size % alignof(struct hopper_options) != 0)) /* half a pointer is none */
        return bad(err, "use options.size (start from HOPPER_OPTIONS_INIT)");
    for (size_t i = sizeof *out; i < in->size; i++)
        if (bytes[i] != 0) return bad(err, "use an option that this version does not know");
    memcpy(out, in, hpr_min_size(in->size, sizeof *out));
    out->size = sizeof *out;
    return HOPPER_OK;
}

static void put_defaults(struct hopper_options *o)
{
    if (o->memory_bytes == 0) o->memory_bytes = HOPPER_MEMORY_BYTES_DEFAULT;
    if (o->disk_bytes == 0) o->disk_bytes = HOPPER_DISK_BYTES_DEFAULT;
    if (o->file_bytes == 0) o->file_bytes = HOPPER_FILE_BYTES_DEFAULT;
    if (o->record_bytes_max == 0) o->record_bytes_max = o->memory_bytes / 4;
    if (o->compression == 0) o->compression = 1;
    if (!o->platform) o->platform = hopper_platform_posix();
}

static hopper_status check_item_type(const struct hopper_item_type *type, struct hopper_error *err)
{
    if (!type) return HOPPER_OK;
    if (type->size != sizeof *type || !type->pack || !type->unpack || !type->weight || !type->free)
        return bad(err, "use options.item_type (a function is missing)");
    return HOPPER_OK;
}

static hopper_status check_platform(const struct hopper_platform *p, struct hopper_error *err)
{
    if (p->size != sizeof *p || p->io.size != sizeof p->io || p->clock.size != sizeof p->clock ||
        p->allocator.size != sizeof p->allocator)
        return bad(err, "use options.platform (start from a copy of hopper_platform_posix())");
    return HOPPER_OK;
}

/* Room on disk for STATE, MEMORY and its spare, of channels that survive. */
static uint64_t kept_bytes(const struct hopper_options *o)
{
    uint64_t state = o->survive == HOPPER_SURVIVE_NOTHING ? 0 : HPR_STATE_FILE_BYTES + HPR_PRODUCERS_FILE_BYTES;

    return o->survive == HOPPER_SURVIVE_CRASH ? state + 2 * o->memory_bytes : state;
}

/* Dropping the oldest records would break the promise that each accepted one survives. */
static hopper_status check_survive(const struct hopper_options *o, struct hopper_error *err)
{
    if (o->survive > HOPPER_SURVIVE_POWER_LOSS) return bad(err, "use options.survive (unknown value)");
    if (o->acknowledge > HOPPER_ACKNOWLEDGE_EXPLICIT) return bad(err, "use options.acknowledge (unknown value)");
    if (o->sync > HOPPER_SYNC_DEMAND) return bad(err, "use options.sync (unknown value)");
    if (o->sync != HOPPER_SYNC_GROUP && o->survive != HOPPER_SURVIVE_POWER_LOSS)
        return bad(err, "use options.sync (only with HOPPER_SURVIVE_POWER_LOSS)");
    if (o->sync == HOPPER_SYNC_INTERVAL ? o->sync_ms < 1 || o->sync_ms > SYNC_MS_MAX : o->sync_ms != 0)
        return bad(err, "use options.sync_ms (1 to 86400000 with HOPPER_SYNC_INTERVAL, else 0)");
    if (o->compress_threads > 0 && o->survive == HOPPER_SURVIVE_POWER_LOSS)
        return bad(err, "use options.compress_threads (not with HOPPER_SURVIVE_POWER_LOSS)");
    if (o->survive != HOPPER_SURVIVE_NOTHING && o->when_full == HOPPER_FULL_DROP_OLDEST)
        return bad(err, "use options.when_full (HOPPER_FULL_DROP_OLDEST only with HOPPER_SURVIVE_NOTHING)");
    if (o->disk_bytes < HOPPER_DISK_BYTES_MIN + kept_bytes(o))
        return bad(err, o->survive == HOPPER_SURVIVE_CRASH
                            ? "use options.disk_bytes (at least HOPPER_DISK_BYTES_MIN + 16384 + twice memory_bytes)"
                            : "use options.disk_bytes (at least HOPPER_DISK_BYTES_MIN + 16384)");
    return HOPPER_OK;
}

static hopper_status check_decompress(const struct hopper_options *o, struct hopper_error *err)
{
    if (o->reserved != 0) return bad(err, "use options.reserved (must be 0)");
    if (o->decompress_threads == 0) return HOPPER_OK;
    if (o->decompress_threads > DECOMPRESS_THREADS_MAX) return bad(err, "use options.decompress_threads (0 or 1)");
    if (o->when_full == HOPPER_FULL_DROP_OLDEST)
        return bad(err, "use options.decompress_threads (not with HOPPER_FULL_DROP_OLDEST)");
    if (o->memory_bytes < DECOMPRESS_MEMORY_MIN)
        return bad(err, "use options.decompress_threads (memory_bytes must be at least 1048576)");
    return HOPPER_OK;
}

hopper_status hpr_options_import(struct hopper_options *out, const struct hopper_options *in, struct hopper_error *err)
{
    hopper_status st;

    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    if (in && (st = copy_known(out, in, err)) != HOPPER_OK) return st;
    put_defaults(out);
    if (out->survive != HOPPER_SURVIVE_NOTHING && out->memory_bytes < HOPPER_MEMORY_BYTES_MIN_SURVIVE)
        return bad(err, "use options.memory_bytes (at least HOPPER_MEMORY_BYTES_MIN_SURVIVE)");
    if (out->memory_bytes < HOPPER_MEMORY_BYTES_MIN || out->memory_bytes > SIZE_MAX / 4)
        return bad(err, "use options.memory_bytes (from HOPPER_MEMORY_BYTES_MIN to SIZE_MAX / 4)");
    if (out->disk_bytes < HOPPER_DISK_BYTES_MIN || out->disk_bytes > INT64_MAX)
        return bad(err, "use options.disk_bytes (from HOPPER_DISK_BYTES_MIN to INT64_MAX)");
    if (out->file_bytes < FILE_BYTES_MIN || out->file_bytes > INT64_MAX)
        return bad(err, "use options.file_bytes (from 4096 to INT64_MAX)");
    if (out->record_bytes_max > HPR_RECORD_BYTES_LIMIT || out->record_bytes_max > SIZE_MAX / 4)
        return bad(err, "use options.record_bytes_max (4294963199 at the most)");
    if (out->when_full > HOPPER_FULL_DROP_OLDEST) return bad(err, "use options.when_full (unknown value)");
    if (out->compression > HOPPER_COMPRESSION_NONE)
        return bad(err, "use options.compression (1 to 9 or HOPPER_COMPRESSION_NONE)");
    if (out->spin_us > SPIN_US_MAX) return bad(err, "use options.spin_us (at most 1000000)");
    if (out->compress_threads > COMPRESS_THREADS_MAX) return bad(err, "use options.compress_threads (0 or 1)");
    if ((st = check_decompress(out, err)) != HOPPER_OK) return st;
    if ((st = check_survive(out, err)) != HOPPER_OK) return st;
    if ((st = check_platform(out->platform, err)) != HOPPER_OK) return st;
    return check_item_type(out->item_type, err);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

hopper_status hpr_options_check_name(const char *name, struct hopper_error *err)
{
    size_t len = 0;

    if (!name || name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return bad(err, "use this channel name (1 to 200 of A-Z a-z 0-9 . _ -)");
    for (; name[len] != '\0'; len++)
        if (len >= NAME_CHARS_MAX || !is_name_char(name[len]))
            return bad(err, "use this channel name (1 to 200 of A-Z a-z 0-9 . _ -)");
    return HOPPER_OK;
}

static size_t clamp_size(uint64_t n, size_t least, size_t most)
{
    return n < least ? least : n > most ? most : (size_t)n;
}

static uint64_t disk_overhead(const struct hopper_options *o)
{
    return DISK_OVERHEAD_BYTES + (o->survive == HOPPER_SURVIVE_NOTHING ? 0 : HPR_TABLE_BYTES_MAX);
}

size_t hpr_options_block_bytes_max(const struct hopper_options *o)
{
    const bool has_threads = o->compress_threads > 0 || o->decompress_threads > 0; /* which take memory of their own */
    uint64_t share         = o->memory_bytes / 32;

    if (o->memory_bytes >= MEMORY_IS_AMPLE && !has_threads) share = o->memory_bytes / 16;
    else if (o->memory_bytes < 2 * MEMORY_IS_AMPLE && o->decompress_threads > 0 && o->item_type)
        share = o->memory_bytes / 64; /* items need one more block to be packed in */
    if (o->memory_bytes >= MEMORY_IS_AMPLE && o->compression == HOPPER_COMPRESSION_NONE)
        share *= 2; /* no compressor takes any */
    return clamp_size(hpr_floor_pow2(share), BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
}

size_t hpr_options_read_bytes(size_t block_bytes)
{
    return hpr_round_up(2 * block_bytes + HPR_FRAME_HEADER_BYTES, HPR_CACHE_LINE);
}

/* The channel's thread and a sender that helps it need a lane each. The second one is had where the codec and buffer
 * that it takes from the ring are a fifth of the budget at the most, or a tenth where there is a thread for the way back
 * as well: else one of the two waits for the other's. */
size_t hpr_options_lanes(const struct hopper_options *o, const struct hpr_plan *plan)
{
    struct hpr_codec_bytes deflater = { 0, 0 };
    uint64_t bytes;

    if (o->memory_bytes >= UINT64_C(16) << 20) return 4;
    if (o->memory_bytes >= UINT64_C(4) << 20) return 2;
    if (o->compress_threads == 0 || o->memory_bytes < UINT64_C(512) << 10) return 1;
    if (plan->has_codec && (deflater = hpr_deflater_bytes(&plan->codec)).slab == 0) return 1; /* not known now */
    bytes = plan->has_codec ? plan->block_bytes + deflater.slab + deflater.own : 0;
    return bytes <= o->memory_bytes / (o->decompress_threads == 0 ? 5 : 10) ? 2 : 1;
}

void hpr_options_plan(const struct hopper_options *o, struct hpr_plan *plan)
{
    const uint64_t disk = o->disk_bytes - kept_bytes(o);
    uint64_t block      = hpr_min_u64(hpr_min_u64(hpr_options_block_bytes_max(o), disk / 16), o->file_bytes / 4);
    uint64_t packed_max;

    memset(plan, 0, sizeof *plan);
    plan->block_bytes      = clamp_size(hpr_floor_pow2(block), BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
    plan->blocks           = clamp_size(o->memory_bytes / 8 / plan->block_bytes, BLOCKS_MIN, BLOCKS_MAX);
    plan->file_bytes       = hpr_min_u64(o->file_bytes, disk / 4);
    plan->record_bytes_max = hpr_min_u64(o->record_bytes_max, disk - disk_overhead(o));
    packed_max             = o->survive == HOPPER_SURVIVE_NOTHING ? hpr_record_packed_bytes(plan->record_bytes_max)
                                                                  : hpr_record_numbered_bytes(plan->record_bytes_max);
    plan->raw_max          = hpr_max_u64(plan->block_bytes, packed_max);
    if (plan->record_bytes_max > o->memory_bytes / 4) {
        plan->read_raw_bytes = hpr_options_read_bytes(plan->block_bytes);
        plan->big_raw_bytes  = packed_max > plan->block_bytes ? (size_t)packed_max : 0;
    } else {
        plan->read_raw_bytes = hpr_max_size(hpr_options_read_bytes(plan->block_bytes), (size_t)packed_max);
    }
    plan->read_piece_bytes = clamp_size(plan->block_bytes / 4, BLOCK_BYTES_MIN, PIECE_BYTES_MAX);
    plan->handle_bytes     = hpr_max_size((size_t)(o->memory_bytes / 32), HANDLE_BYTES_MIN);
    plan->has_codec        = o->compression != HOPPER_COMPRESSION_NONE;
    plan->codec =
        hpr_codec_params(plan->has_codec ? (int)o->compression : 1, plan->block_bytes, (size_t)(o->memory_bytes / 64));
    plan->lanes               = hpr_options_lanes(o, plan);
    /* files of an earlier run may have been written with a larger budget, and so with a larger window */
    plan->inflate_engine      = hpr_codec_inflate_engine(plan->block_bytes);
    plan->inflate_window_bits = o->survive == HOPPER_SURVIVE_NOTHING ? plan->codec.window_bits : WINDOW_BITS_MAX;
}
