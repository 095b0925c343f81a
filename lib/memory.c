/* SPDX-License-Identifier: MIT */
/* See memory.h. The file is made under the spare's name and renamed when everything is in it: a crash at any point
 * leaves the earlier run's file, or the whole new one. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>

static const unsigned char magic[8] = { 0x89, 'H', 'Q', 'M', '\r', '\n', 0x1a, '\n' };

void hpr_memory_plan(struct hpr_memory_shape *shape, uint64_t bytes, uint64_t block_bytes, uint32_t blocks)
{
    uint64_t ring_offset;

    memset(shape, 0, sizeof *shape);
    memcpy(shape->magic, magic, sizeof magic);
    shape->byte_order    = 0x01020304;
    shape->version       = HPR_MEMORY_VERSION;
    shape->file_bytes    = bytes;
    shape->blocks_offset = HPR_MEMORY_HEADER_BYTES;
    shape->block_stride  = hpr_round_up(HPR_FRAME_HEADER_BYTES + block_bytes, HPR_CACHE_LINE);
    shape->block_bytes   = block_bytes;
    shape->blocks        = blocks;
    ring_offset          = shape->blocks_offset + blocks * shape->block_stride;
    shape->ring_offset   = ring_offset;
    shape->ring_bytes    = bytes > ring_offset ? (bytes - ring_offset) & ~(uint64_t)(HPR_CACHE_LINE - 1) : 0;
}

static bool is_usable(const struct hopper_io *io, int fd)
{
    struct hopper_io_stat st;

    return io->stat(io->ctx, fd, &st) == 0 && st.kind == HOPPER_IO_FILE && st.links == 1;
}

/* The spare of an earlier run, whatever its size is, or a new file. */
static int open_spare(const struct hopper_io *io, int dirfd)
{
    const char *name = HPR_MEMORY_SPARE_NAME;
    int fd           = io->open_at(io->ctx, dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);

    if (fd >= 0 && is_usable(io, fd)) return fd;
    if (fd >= 0) (void)io->close(io->ctx, fd);
    if (fd >= 0) return -EMLINK;
    if (fd != -ENOENT) return fd;
    fd = io->open_at(io->ctx, dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) (void)io->chmod(io->ctx, fd, 0600);
    return fd;
}

/* BYTES exactly, with room on the device for each. */
static int reserve(const struct hopper_io *io, int fd, uint64_t bytes)
{
    struct hopper_io_stat st;
    int res = io->stat(io->ctx, fd, &st);

    if (res == 0 && st.bytes > bytes) res = io->truncate(io->ctx, fd, bytes);
    return res == 0 ? io->allocate(io->ctx, fd, 0, bytes) : res;
}

static void put_shape(struct hpr_memory *m, const struct hpr_memory_shape *shape)
{
    m->slot = 0;
    atomic_store(&m->header->slot, 0); /* whatever stood in the file: it counts only under its name */
    memset(m->header, 0, sizeof *m->header);
    m->header->shape     = *shape;
    m->header->shape.crc = hpr_crc32(0, &m->header->shape, offsetof(struct hpr_memory_shape, crc));
}

/* A mapping of BYTES of a file could not be had, and nobody says why: the file system cannot, or there is no room in the
 * address space, where memory of no file cannot be had either. */
static int why_not_mapped(const struct hopper_io *io, size_t bytes)
{
    void *addr = io->map(io->ctx, -1, bytes);

    if (!addr) return -ENOMEM;
    (void)io->unmap(io->ctx, addr, bytes);
    return -EOPNOTSUPP;
}

int hpr_memory_make(struct hpr_memory *m, const struct hopper_io *io, int dirfd, const struct hpr_memory_shape *shape)
{
    struct hpr_memory_shape own = *shape;
    struct hopper_io_stat was;
    int res;

    *m = (struct hpr_memory){ .io = io, .bytes = shape->file_bytes, .fd = -1 };
    if ((res = io->boot_id(io->ctx, own.boot_id)) < 0) return res;
    if ((m->fd = open_spare(io, dirfd)) < 0) return m->fd;
    if (io->stat(io->ctx, m->fd, &was) < 0) was.bytes = 0;
    res = reserve(io, m->fd, m->bytes);
    if (res == 0 && !(m->header = io->map(io->ctx, m->fd, (size_t)m->bytes)))
        res = why_not_mapped(io, (size_t)m->bytes);
    if (res == 0) {
        put_shape(m, &own);
        return 0;
    }
    if (was.bytes == 0 || reserve(io, m->fd, was.bytes) < 0) /* else it is there for a run with the budget of before */
        (void)io->unlink_at(io->ctx, dirfd, HPR_MEMORY_SPARE_NAME);
    hpr_io_close(io, m->fd);
    m->fd = -1;
    return res;
}

int hpr_memory_put_in_place(struct hpr_memory *m, int dirfd)
{
    int res = m->io->sync_map(m->io->ctx, m->header, (size_t)m->bytes); /* its name must not come before what it says */

    if (res == 0) res = m->io->fsync(m->io->ctx, m->fd);
    if (res == 0) res = m->io->rename_at(m->io->ctx, dirfd, HPR_MEMORY_SPARE_NAME, HPR_MEMORY_NAME);

    if (res < 0) return res;
    m->is_in_place = true;
    return 0;
}

void hpr_memory_keep_spare(const struct hpr_memory *m, int dirfd)
{
    int fd = open_spare(m->io, dirfd);

    if (fd >= 0 && reserve(m->io, fd, m->bytes) < 0) (void)m->io->unlink_at(m->io->ctx, dirfd, HPR_MEMORY_SPARE_NAME);
    hpr_io_close(m->io, fd);
}

unsigned char *hpr_memory_block_frame(const struct hpr_memory *m, size_t i)
{
    const struct hpr_memory_shape *shape = &m->header->shape;

    return (unsigned char *)m->header + shape->blocks_offset + i * shape->block_stride;
}

void hpr_memory_set_place(struct hpr_memory *m, uint64_t start, uint64_t start_seq, uint64_t start_dropped,
                          const struct hpr_passed *passed, bool has_new_gaps)
{
    const struct hpr_memory_place *before = &m->header->places[m->slot].place;
    struct hpr_memory_place *place        = hpr_memory_other_place(m);

    if (has_new_gaps || start_dropped != before->start_dropped) m->stale_places = 2;
    if (m->stale_places > 0) {
        memcpy(place->passed.gap_records, passed->gap_records, sizeof place->passed.gap_records);
        m->stale_places--;
    }
    place->start                = start;
    place->start_seq            = start_seq;
    place->start_dropped        = start_dropped;
    place->passed.seq           = passed->seq;
    place->passed.records       = passed->records;
    place->passed.dropped_total = passed->dropped_total;
    hpr_memory_turn_places(m);
}

void hpr_memory_note_number(const struct hpr_memory *m, uint64_t id, uint64_t number)
{
    for (size_t i = 0; i < HOPPER_PRODUCERS_MAX; i++) {
        uint64_t known = atomic_load_explicit(&m->header->producers[i].id, memory_order_relaxed);

        if (known != 0 && known != id) continue;
        if (number > atomic_load_explicit(&m->header->producers[i].number, memory_order_relaxed) || known == 0)
            atomic_store_explicit(&m->header->producers[i].number, number, memory_order_release);
        if (known == 0) atomic_store_explicit(&m->header->producers[i].id, id, memory_order_release);
        return;
    }
}

int hpr_memory_close(struct hpr_memory *m, bool is_closed)
{
    int res = 0;

    if (!m->header) return 0;
    if (is_closed) {
        res = m->io->sync_map(m->io->ctx, m->header, (size_t)m->bytes);
        if (res == 0) { /* and only then say so */
            atomic_store(&m->header->closed, 1);
            res = m->io->sync_map(m->io->ctx, m->header, (size_t)m->bytes);
        }
        if (res == 0) res = m->io->fsync(m->io->ctx, m->fd);
    }
    (void)m->io->unmap(m->io->ctx, m->header, (size_t)m->bytes);
    hpr_io_close(m->io, m->fd);
    m->header = NULL;
    m->fd     = -1;
    return res;
}
