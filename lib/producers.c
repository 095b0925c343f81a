/* SPDX-License-Identifier: MIT */
/* See producers.h and docs/format.md. */
#include "producers.h"

#include <errno.h>
#include <fcntl.h>

#include "bytes.h"
#include "record.h"

#define SLOT_STEP   4096
#define SLOT_ENTRY0 64
#define ENTRY_BYTES 16

static const unsigned char magic[8] = { 0x89, 'H', 'Q', 'P', '\r', '\n', 0x1a, '\n' };

/* ---- the table in memory ---- */

struct hpr_producer *hpr_producers_find(struct hpr_producers *p, uint64_t id)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->known[i].id == id) return &p->known[i];
    return NULL;
}

struct hpr_producer *hpr_producers_add(struct hpr_producers *p, uint64_t id)
{
    struct hpr_producer *known = hpr_producers_find(p, id);

    if (known || p->count == HOPPER_PRODUCERS_MAX || id == 0) return known;
    known  = &p->known[p->count++];
    *known = (struct hpr_producer){ .id = id };
    return known;
}

void hpr_producers_note(struct hpr_producers *p, uint64_t id, uint64_t number)
{
    struct hpr_producer *known = hpr_producers_add(p, id);

    if (!known) return;
    known->accepted = hpr_max_u64(known->accepted, number);
    known->staged   = hpr_max_u64(known->staged, number);
}

void hpr_producers_note_raw(struct hpr_producers *p, const unsigned char *raw, size_t len)
{
    while (len > 0) {
        const unsigned char *data;
        uint64_t id, number;
        size_t bytes, taken = hpr_record_get(raw, len, &data, &bytes);

        if (taken == 0) return;
        if (hpr_record_get_number(raw, len, &id, &number)) hpr_producers_note(p, id, number);
        raw += taken;
        len -= taken;
    }
}

void hpr_producers_forget_staged(struct hpr_producers *p)
{
    for (size_t i = 0; i < p->count; i++) p->known[i].staged = p->known[i].accepted;
}

void hpr_producers_merge(struct hpr_producers *p, const struct hpr_producers *from)
{
    for (size_t i = 0; i < from->count; i++) hpr_producers_note(p, from->known[i].id, from->known[i].accepted);
}

/* ---- entries in bytes ---- */

static void put_entries(unsigned char *out, const struct hpr_producers *p)
{
    for (size_t i = 0; i < p->count; i++, out += ENTRY_BYTES) {
        hpr_put_u64(out, p->known[i].id);
        hpr_put_u64(out + 8, p->known[i].accepted);
    }
}

static void get_entries(const unsigned char *in, size_t count, struct hpr_producers *p)
{
    for (size_t i = 0; i < count; i++, in += ENTRY_BYTES) hpr_producers_note(p, hpr_get_u64(in), hpr_get_u64(in + 8));
}

size_t hpr_producers_put_table(unsigned char *out, const struct hpr_producers *p, const struct hpr_frame_place *place)
{
    size_t entries = p->count * ENTRY_BYTES;

    hpr_frame_put_table_head(out, (uint32_t)p->count, place);
    put_entries(out + HPR_TABLE_HEAD_BYTES, p);
    hpr_put_u32(out + HPR_TABLE_HEAD_BYTES + entries, hpr_crc32(0, out + HPR_TABLE_HEAD_BYTES, entries));
    return HPR_TABLE_HEAD_BYTES + entries + 4;
}

bool hpr_producers_get_table(const unsigned char *in, size_t len, size_t count, struct hpr_producers *p)
{
    size_t entries = count * ENTRY_BYTES;

    if (len < entries + 4 || hpr_get_u32(in + entries) != hpr_crc32(0, in, entries)) return false;
    get_entries(in, count, p);
    return true;
}

/* ---- the file ---- */

static void put_slot(unsigned char *out, const struct hpr_producers *p, const uint8_t *channel_id)
{
    memset(out, 0, HPR_PRODUCERS_SLOT_BYTES);
    memcpy(out, magic, sizeof magic);
    hpr_put_u16(out + 8, HOPPER_FORMAT_VERSION);
    hpr_put_u16(out + 10, HPR_PRODUCERS_SLOT_BYTES);
    hpr_put_u32(out + 12, (uint32_t)p->count);
    memcpy(out + 16, channel_id, HPR_CHANNEL_ID_BYTES);
    hpr_put_u64(out + 32, p->generation);
    put_entries(out + SLOT_ENTRY0, p);
    hpr_put_u32(out + HPR_PRODUCERS_SLOT_BYTES - 4, hpr_crc32(0, out, HPR_PRODUCERS_SLOT_BYTES - 4));
}

static bool is_slot(const unsigned char *in, size_t len, const uint8_t *channel_id)
{
    return len == HPR_PRODUCERS_SLOT_BYTES && memcmp(in, magic, sizeof magic) == 0 &&
           hpr_get_u16(in + 8) == HOPPER_FORMAT_VERSION && hpr_get_u32(in + 12) <= HOPPER_PRODUCERS_MAX &&
           memcmp(in + 16, channel_id, HPR_CHANNEL_ID_BYTES) == 0 &&
           hpr_get_u32(in + HPR_PRODUCERS_SLOT_BYTES - 4) == hpr_crc32(0, in, HPR_PRODUCERS_SLOT_BYTES - 4);
}

static int open_file(const struct hopper_io *io, int dirfd, int flags)
{
    return io->open_at(io->ctx, dirfd, HPR_PRODUCERS_NAME, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

/* Numbers only grow, so both slots may be noted: the younger one has the higher ones. */
int hpr_producers_read(struct hpr_producers *p, const struct hopper_io *io, int dirfd, const uint8_t *channel_id)
{
    unsigned char bytes[HPR_PRODUCERS_SLOT_BYTES];
    struct hopper_io_stat st;
    int fd = open_file(io, dirfd, O_RDONLY), res;

    if (fd < 0) return fd == -ENOENT ? 0 : fd;
    res = io->stat(io->ctx, fd, &st);
    if (res == 0 && st.kind != HOPPER_IO_FILE) res = -ENOTSUP;
    for (uint64_t slot = 0; slot < 2 && res == 0; slot++) {
        size_t got;

        res = hpr_io_read(io, fd, bytes, sizeof bytes, slot * SLOT_STEP, &got);
        if (res < 0 || !is_slot(bytes, got, channel_id)) continue;
        get_entries(bytes + SLOT_ENTRY0, hpr_get_u32(bytes + 12), p);
        p->generation = hpr_max_u64(p->generation, hpr_get_u64(bytes + 32));
    }
    hpr_io_close(io, fd);
    return res;
}

static int make_file(const struct hopper_io *io, int dirfd)
{
    static const unsigned char zeros[HPR_PRODUCERS_FILE_BYTES];
    int fd = open_file(io, dirfd, O_RDWR | O_CREAT | O_EXCL), res;

    if (fd < 0) return fd;
    (void)io->chmod(io->ctx, fd, 0600);
    res = hpr_io_write(io, fd, zeros, sizeof zeros, 0); /* no write to it needs room later */
    if (res == 0) res = io->fsync(io->ctx, dirfd);
    if (res == 0) return fd;
    (void)io->unlink_at(io->ctx, dirfd, HPR_PRODUCERS_NAME);
    (void)io->close(io->ctx, fd);
    return res;
}

int hpr_producers_write(struct hpr_producers *p, const struct hopper_io *io, int dirfd, const uint8_t *channel_id)
{
    unsigned char bytes[HPR_PRODUCERS_SLOT_BYTES];
    struct hopper_io_stat st;
    int fd = open_file(io, dirfd, O_RDWR), res;

    if (fd == -ENOENT) fd = make_file(io, dirfd);
    if (fd < 0) return fd;
    res = io->stat(io->ctx, fd, &st);
    if (res == 0 && (st.kind != HOPPER_IO_FILE || st.links != 1)) res = -EMLINK;
    /* what a run that was killed wrote may not be on the device, and then the slot that is about to be overwritten is
     * all there is */
    if (res == 0 && p->generation != p->synced_generation) res = io->fdatasync(io->ctx, fd);
    p->generation++;
    put_slot(bytes, p, channel_id);
    if (res == 0) res = hpr_io_write(io, fd, bytes, sizeof bytes, p->generation % 2 * SLOT_STEP);
    if (res == 0) res = io->fdatasync(io->ctx, fd);
    hpr_io_close(io, fd);
    if (res < 0) p->generation--;
    else p->synced_generation = p->generation;
    return res;
}
