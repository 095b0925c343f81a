/* SPDX-License-Identifier: MIT */
/* The valid golden files but those of engines.c. A channel writes to disk only what finds no room in memory, and how
 * much room there is depends on the machine; so each channel of bytes first fills its memory to the last byte, always
 * with six records, and what is sent after them overflows, from sequence number 7 on. Items say that they weigh more
 * than memory holds, and overflow from the first on. Files are taken from the simulated disk before the channel is
 * closed, as closing removes them. */
#include "golden.h"

#include <errno.h>
#include <hopper/hopper.h>
#include <hopper/platform.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "platform_mem.h"

#define FILLERS 6

struct rig {
    struct golden_case    *c;
    struct mem_platform   *mem;
    struct hopper_platform platform;
    struct hopper_options  options;
    hopper_sender         *snd;
    hopper_receiver       *rcv;
    uint64_t               seq; /* of the last record sent */
};

static uint64_t clock_ms;
static bool     is_disk_full;
static const struct hopper_platform *inner;

void golden_check(bool is_fine, const char *what)
{
    if (is_fine)
        return;
    fprintf(stderr, "golden files: this did not go as planned: %s\n", what);
    exit(1);
}

uint64_t golden_get(const unsigned char *p, int bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | *p++;
    return value;
}

void golden_put(unsigned char *p, int bytes, uint64_t value)
{
    while (bytes-- > 0) {
        p[bytes] = (unsigned char)value;
        value >>= 8;
    }
}

/* ---- a platform that stands still ---- */

static int fixed_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    golden_check(len == 16, "the channel id");
    memcpy(buf, "hopper-golden-01", 16);
    return 0;
}

/* One second per block, from 2023-11-14 22:13:21 UTC on. */
static uint64_t fixed_realtime(void *ctx)
{
    (void)ctx;
    clock_ms += 1000;
    return clock_ms;
}

static ssize_t fixed_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    return is_disk_full ? -ENOSPC : inner->io.pwrite(ctx, fd, buf, len, offset);
}

static void rig_open(struct rig *rig)
{
    struct mem_platform_options mem_options = {.random_seed = 1};

    rig->mem = mem_platform_new(&mem_options);
    golden_check(mem_mkdir(rig->mem, "/spool", 0700) == 0, "mkdir");
    inner = mem_platform_table(rig->mem);
    rig->platform = *inner;
    rig->platform.io.random = fixed_random;
    rig->platform.io.pwrite = fixed_pwrite;
    rig->platform.clock.realtime_ms = fixed_realtime;
    rig->options.platform = &rig->platform;
    clock_ms = UINT64_C(1700000000000);
    is_disk_full = false;
    rig->seq = 0;
    golden_check(hopper_open("/spool", "q", &rig->options, &rig->snd, &rig->rcv, NULL) == HOPPER_OK, "open");
}

static void rig_close(struct rig *rig)
{
    hopper_sender_close(rig->snd);
    hopper_receiver_close(rig->rcv);
    golden_check(mem_platform_leaks(rig->mem) == NULL, "nothing leaked");
    mem_platform_free(rig->mem);
}

static struct rig rig_for(struct golden_case *c)
{
    struct rig rig = {.c = c, .options = HOPPER_OPTIONS_INIT};

    rig.options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    rig.options.disk_bytes = 1 << 20;
    rig.options.file_bytes = 16384;
    rig.options.when_full = HOPPER_FULL_REFUSE;
    rig.options.compression = HOPPER_COMPRESSION_NONE;
    return rig;
}

/* ---- sending ---- */

static void note(struct rig *rig, const void *data, size_t len)
{
    rig->seq++;
    golden_check(rig->seq < GOLDEN_SENT_MAX, "number of records");
    rig->c->sent[rig->seq] = (struct golden_sent){len, (uint32_t)crc32(0, len ? data : (const void *)"", (uInt)len)};
}

static void store(struct rig *rig, const void *data, size_t len)
{
    golden_check(hopper_send(rig->snd, data, len) == HOPPER_OK, "send");
    note(rig, data, len);
}

static void end_frame(struct rig *rig)
{
    golden_check(hopper_flush(rig->snd) == HOPPER_OK, "flush");
}

static bool has_overflowed(struct rig *rig)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    golden_check(hopper_sender_stats(rig->snd, &stats) == HOPPER_OK, "stats");
    return stats.overflowed > 0;
}

/* How many records of LEN bytes go into memory, after five of FIRST_LEN (if that is not 0). */
static size_t count_until_full(struct rig probe, size_t first_len, size_t len)
{
    static const char zeros[65536];
    size_t count = 0;

    rig_open(&probe);
    for (int i = 0; first_len > 0 && i < FILLERS - 1; i++)
        golden_check(hopper_send(probe.snd, zeros, first_len) == HOPPER_OK, "send");
    golden_check(!has_overflowed(&probe), "fillers fit");
    for (; !has_overflowed(&probe); count++)
        golden_check(hopper_send(probe.snd, zeros, len) == HOPPER_OK, "send");
    rig_close(&probe);
    return count - 1;
}

/* Open, and fill the memory: five large records, and one that takes what is left. A record of LEN bytes takes 8 more,
 * rounded up to eight. */
static void open_full(struct rig *rig)
{
    static const char zeros[65536];
    size_t large = count_until_full(*rig, 0, 1000) * 1008 / (FILLERS - 1) / 8 * 8 - 16;
    size_t last = count_until_full(*rig, large, 0) * 8 - 8;

    rig_open(rig);
    for (int i = 0; i < FILLERS; i++)
        golden_check(hopper_send(rig->snd, zeros, i < FILLERS - 1 ? large : last) == HOPPER_OK, "send");
    golden_check(!has_overflowed(rig), "memory takes the fillers");
    rig->seq = FILLERS;
}

/* ---- what there is on disk, and what a reader says of it ---- */

static void take_files(struct rig *rig)
{
    struct golden_case *c = rig->c;
    char names[16][256], path[300];
    int count = mem_list(rig->mem, "/spool/q", names, 16);

    for (int i = 0; i < count; i++) {
        struct golden_file *file = &c->files[c->file_count];
        void *data;

        if (strcmp(names[i], "LOCK") == 0)
            continue;
        golden_check(c->file_count < GOLDEN_FILES_MAX, "number of files");
        snprintf(path, sizeof path, "/spool/q/%.255s", names[i]);
        golden_check(mem_read_file(rig->mem, path, &data, &file->len) == 0, "read a queue file");
        file->data = data;
        file->number = strtoull(names[i], NULL, 10);
        c->file_count++;
    }
}

static void find_frames(struct golden_case *c, size_t index)
{
    const struct golden_file *file = &c->files[index];
    size_t at = 72;

    while (at < file->len && memcmp(file->data + at + 4, "HQFR", 4) == 0) {
        const unsigned char *p = file->data + at;

        golden_check(c->frame_count < GOLDEN_FRAMES_MAX, "number of frames");
        c->frames[c->frame_count++] = (struct golden_frame){
            .file = index, .offset = at, .bytes = 4 + (size_t)golden_get(p, 4), .first_seq = golden_get(p + 20, 8),
            .records = (uint32_t)golden_get(p + 12, 4), .dropped_total = golden_get(p + 28, 8)};
        at += 4 + (size_t)golden_get(p, 4);
    }
    golden_check(at == file->len || at + 40 == file->len, "a whole number of frames");
}

/* The frames of one file; the state of the reader is NEXT and DROPPED. */
struct telling {
    uint64_t next, dropped;
};

static void tell_frame(const struct golden_case *c, const struct golden_frame *f, struct telling *t, FILE *out)
{
    if (f->first_seq > t->next)
        fprintf(out, "gap %" PRIu64 " %" PRIu64 " dropped %" PRIu64 "\n", t->next, f->first_seq - t->next,
                f->dropped_total - t->dropped);
    for (uint64_t seq = f->first_seq; seq < f->first_seq + f->records; seq++)
        fprintf(out, "record %" PRIu64 " %zu %08" PRIx32 "\n", seq, c->sent[seq].len, c->sent[seq].crc);
    t->next = f->first_seq + f->records;
    t->dropped = f->dropped_total;
}

void golden_tell(const struct golden_case *c, int lost, const char *damage, FILE *out)
{
    struct telling t = {c->frames[0].first_seq, c->frames[0].dropped_total};
    uint64_t total = 0;

    for (size_t i = 0; i < c->file_count; i++) {
        const struct golden_file *file = &c->files[i];
        uint64_t end = 72, records = 0;

        fprintf(out, "file %" PRIu64 " %s %" PRIu64 " after %" PRIu64 " of %" PRIu64 "\n", file->number,
                file->data[13] ? "items" : "bytes", golden_get(file->data + 40, 8), total,
                golden_get(file->data + 56, 8) - golden_get(c->files[0].data + 56, 8));
        for (size_t k = 0; k < c->frame_count; k++) {
            const struct golden_frame *f = &c->frames[k];

            if (f->file != i)
                continue;
            end = f->offset + f->bytes;
            if ((int)k == lost) {
                fprintf(out, "damage %" PRIu64 " %zu %s\n", file->number, f->offset, damage);
                continue;
            }
            tell_frame(c, f, &t, out);
            records += f->records;
        }
        total += records;
        if (end == file->len)
            fprintf(out, "end %" PRIu64 " open\n", file->number);
        else
            fprintf(out, "end %" PRIu64 " sealed %" PRIu64 " of %" PRIu64 "\n", file->number, records,
                    golden_get(file->data + end + 8, 8));
    }
}

void golden_describe(struct golden_case *c)
{
    size_t len;
    FILE *out;

    for (size_t i = 0; i < c->file_count; i++)
        find_frames(c, i);
    golden_check(c->frame_count > 0 && c->frames[0].first_seq == golden_get(c->files[0].data + 40, 8), "frames");
    golden_check((out = open_memstream(&c->expect, &len)) != NULL, "memory");
    golden_tell(c, -1, NULL, out);
    fclose(out);
}

static void finish(struct rig *rig)
{
    end_frame(rig);
    take_files(rig);
    rig_close(rig);
    golden_describe(rig->c);
}

/* ---- the cases ---- */

struct golden_case *golden_add(struct golden_set *set, const char *name, const char *proves, bool is_exact)
{
    struct golden_case *c = &set->cases[set->count++];

    golden_check(set->count <= GOLDEN_CASES_MAX, "number of cases");
    c->name = name;
    c->proves = proves;
    c->is_exact = is_exact;
    return c;
}

struct golden_case *golden_find(struct golden_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->cases[i].name, name) == 0)
            return &set->cases[i];
    golden_check(false, name);
    return NULL;
}

/* Bytes that deflate does not make smaller. */
static void fill_noise(unsigned char *out, size_t len)
{
    uint32_t x = 2463534242U;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        out[i] = (unsigned char)(x >> 24);
    }
}

/* The header of the first frame as a record, so that there is something that looks like a header and is none. */
static void store_copy_of_header(struct rig *rig)
{
    size_t len;
    void *data;

    golden_check(mem_read_file(rig->mem, "/spool/q/00000000000000000001.hq", &data, &len) == 0 && len > 116, "read");
    store(rig, (unsigned char *)data + 72, 52);
    free(data);
}

static void make_bytes_stored(struct golden_set *set)
{
    struct rig rig = rig_for(golden_add(set, "valid-bytes-stored",
        "records of 0, 1, 5, 255 and 256 bytes, frames of one record and of several, a record that looks like a header",
        true));
    unsigned char all[256];

    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    open_full(&rig);
    store(&rig, "hello", 5);
    end_frame(&rig);
    store(&rig, NULL, 0);
    store(&rig, "", 1);
    store(&rig, all, 255);
    store(&rig, all, 256);
    end_frame(&rig);
    store_copy_of_header(&rig);
    store(&rig, "behind the copy of a header", 27);
    end_frame(&rig);
    store(&rig, "the last frame", 14);
    store(&rig, "its second record", 17);
    finish(&rig);
}

static void make_bytes_deflate(struct golden_set *set)
{
    struct rig rig = rig_for(golden_add(set, "valid-bytes-deflate",
        "raw deflate, and a frame stored between two deflated ones because deflating does not help", false));
    unsigned char noise[300];
    char line[80];

    rig.options.compression = 6;
    open_full(&rig);
    for (int i = 0; i < 40; i++)
        store(&rig, line, (size_t)snprintf(line, sizeof line, "2023-11-14 22:13:%02d app[99]: a line like others", i));
    end_frame(&rig);
    fill_noise(noise, sizeof noise);
    store(&rig, noise, sizeof noise);
    end_frame(&rig);
    store(&rig, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 64);
    finish(&rig);
}

/* An item is the number of the object that it packs to. */
static int pack_item(void *ctx, const void *item, msgpack_packer *packer)
{
    (void)ctx;
    switch (*(const int *)item) {
    case 0:
        return msgpack_pack_nil(packer);
    case 1:
        return msgpack_pack_int64(packer, -1234567890123);
    case 2:
        return msgpack_pack_str_with_body(packer, "an item", 7);
    case 3:
        msgpack_pack_map(packer, 2);
        msgpack_pack_str_with_body(packer, "pi", 2);
        msgpack_pack_double(packer, 3.25);
        msgpack_pack_str_with_body(packer, "list", 4);
        msgpack_pack_array(packer, 3);
        msgpack_pack_true(packer);
        msgpack_pack_uint64(packer, 65536);
        return msgpack_pack_bin_with_body(packer, "\0\1\2", 3);
    default:
        return -1;
    }
}

static int unpack_item(void *ctx, const void *data, size_t len, void **itemp)
{
    (void)ctx, (void)data, (void)len;
    *itemp = NULL;
    return -1;
}

static size_t weigh_item(void *ctx, const void *item)
{
    (void)ctx, (void)item;
    return HOPPER_MEMORY_BYTES_MIN;
}

static void free_item(void *ctx, void *item)
{
    (void)ctx, (void)item;
}

static void make_items(struct golden_set *set)
{
    static const struct hopper_item_type type = {sizeof type, pack_item, unpack_item, weigh_item, free_item, NULL};
    static int items[4] = {0, 1, 2, 3};
    struct rig rig = rig_for(golden_add(set, "valid-items", "content 1: each record is one msgpack object", true));

    rig.options.item_type = &type;
    rig_open(&rig);
    for (size_t i = 0; i < 4; i++) {
        msgpack_sbuffer packed;
        msgpack_packer packer;

        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        golden_check(pack_item(NULL, &items[i], &packer) == 0, "pack");
        golden_check(hopper_send_item(rig.snd, &items[i], HOPPER_NOW) == HOPPER_OK, "send an item");
        note(&rig, packed.data, packed.size);
        msgpack_sbuffer_destroy(&packed);
    }
    finish(&rig);
}

static void make_rotated(struct golden_set *set)
{
    struct rig rig = rig_for(golden_add(set, "valid-rotated",
        "several files: the sealed ones end with a footer, the last one does not", true));
    char record[400];

    rig.options.file_bytes = 4096;
    open_full(&rig);
    for (int i = 0; i < 24; i++) {
        memset(record, 'a' + i, sizeof record);
        store(&rig, record, 300 + 4 * (size_t)i);
    }
    finish(&rig);
    golden_check(rig.c->file_count == 3, "three files");
}

static void make_big_record(struct golden_set *set)
{
    struct rig rig = rig_for(golden_add(set, "valid-big-record",
        "records larger than a block, one deflated, with a length of four bytes, and one stored, between small ones",
        false));
    static unsigned char big[70000];
    unsigned char noise[5000];

    rig.options.compression = 6;
    rig.options.record_bytes_max = 100000;
    open_full(&rig);
    store(&rig, "before", 6);
    store(&rig, "nobody reads, so that what follows is deflated", 46);
    end_frame(&rig);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (unsigned char)(i % 1000 / 4);
    store(&rig, big, sizeof big);
    fill_noise(noise, sizeof noise);
    store(&rig, noise, sizeof noise);
    store(&rig, "after", 5);
    finish(&rig);
}

/* On a full device the policy drops what has to be written at once: a record that is larger than a block. */
static void make_dropped_newest(struct golden_set *set)
{
    struct rig rig = rig_for(golden_add(set, "valid-dropped-newest",
        "dropped total: three records were dropped by policy before the second frame, two before the third", true));
    static const char large[6000];

    rig.options.when_full = HOPPER_FULL_DROP_NEWEST;
    open_full(&rig);
    store(&rig, "before the device is full", 25);
    end_frame(&rig);
    is_disk_full = true;
    for (int i = 0; i < 3; i++)
        golden_check(hopper_send(rig.snd, large, sizeof large) == HOPPER_OK, "drop");
    rig.seq += 3;
    is_disk_full = false;
    store(&rig, "after it was", 12);
    end_frame(&rig);
    is_disk_full = true;
    for (int i = 0; i < 2; i++)
        golden_check(hopper_send(rig.snd, large, sizeof large) == HOPPER_OK, "drop");
    rig.seq += 2;
    is_disk_full = false;
    store(&rig, "and once more", 13);
    finish(&rig);
}

/* Records of one length, with headers and then, where all of the block before were as long, without; one of another
 * length ends that. */
static void make_bare(struct golden_set *set, uint32_t compression, const char *name, const char *proves)
{
    struct rig rig = rig_for(golden_add(set, name, proves, compression == HOPPER_COMPRESSION_NONE));
    unsigned char value[8];

    rig.options.compression = compression;
    open_full(&rig);
    for (int i = 0; i < 88; i++) {
        golden_put(value, 8, 1000 + (uint64_t)i);
        store(&rig, value, sizeof value);
        if (i == 63)
            end_frame(&rig);
    }
    store(&rig, "of another length", 17);
    store(&rig, value, sizeof value);
    finish(&rig);
    golden_check(rig.c->frame_count == 3 && rig.c->frames[1].records == 24, "three frames");
}

struct golden_set *golden_make(void)
{
    struct golden_set *set = calloc(1, sizeof *set);

    golden_check(set != NULL, "memory");
    make_bytes_stored(set);
    make_bytes_deflate(set);
    make_items(set);
    make_rotated(set);
    make_big_record(set);
    make_dropped_newest(set);
    make_bare(set, HOPPER_COMPRESSION_NONE, "valid-bare-stored",
              "records of one length: with headers, then bare, then again with headers as one is longer");
    make_bare(set, 6, "valid-bare-deflate", "the same where deflating helps");
    golden_engines(set);
    golden_break(set);
    return set;
}

void golden_free(struct golden_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        for (size_t k = 0; k < set->cases[i].file_count; k++)
            free(set->cases[i].files[k].data);
        free(set->cases[i].expect);
    }
    free(set);
}
