/* SPDX-License-Identifier: MIT */
/* See copy_memory.h. */
#include "copy_memory.h"

#include <errno.h>
#include <fcntl.h>

#include "change.h"
#include "queue_file.h"
#include "ring_walk.h"
#include "say.h"
#include "scan.h"

#define TRIES 10000

static int failed(const struct place *place, int res, const char *what)
{
    say_failure(res, "%s/%s: cannot %s", place->path, HPR_MEMORY_NAME, what);
    return res;
}

static struct hpr_memory_place *place_of(union copy_memory_page *page)
{
    return &page->header.places[atomic_load(&page->header.slot) & 1].place;
}

static int read_page(const struct place *place, int fd, union copy_memory_page *page)
{
    size_t got;
    int res = hpr_io_read(place->io, fd, page->bytes, sizeof page->bytes, 0, &got);

    return res < 0 ? res : got < sizeof page->bytes ? -ENODATA : 0;
}

/* The page, with a position that was not being written while it was read. */
static int read_steady(const struct place *place, int fd, union copy_memory_page *page)
{
    union copy_memory_page again;
    int res = read_page(place, fd, page);

    for (int i = 0; i < TRIES && res == 0; i++) {
        if ((res = read_page(place, fd, &again)) < 0) break;
        if (atomic_load(&again.header.slot) == atomic_load(&page->header.slot) &&
            memcmp(place_of(&again), place_of(page), sizeof *place_of(page)) == 0)
            return 0;
        *page = again;
    }
    return res < 0 ? res : -EAGAIN;
}

/* ---- before the files ---- */

/* In this order: all below the `next_seq` that is read first was published before it was told. */
static int copy_all(struct copy_memory *m, const struct place *from, uint64_t bytes)
{
    unsigned char next[8];
    uint64_t at = 0;
    size_t got;
    int res = hpr_io_read(from->io, m->from_fd, next, sizeof next, offsetof(struct hpr_memory_header, next_seq), &got);

    if (res == 0 && got < sizeof next) res = -ENODATA;
    if (res == 0) res = read_page(from, m->from_fd, &m->page);
    if (res == 0) res = change_copy(from, m->from_fd, 0, bytes, m->fd, &at);
    if (res == 0) res = read_page(from, m->from_fd, &m->later);
    if (res == 0) memcpy(&m->end_seq, next, sizeof m->end_seq);
    return res;
}

int copy_memory_take(struct copy_memory *m, const struct place *from, const struct place *to)
{
    uint64_t bytes;
    int res;

    m->from_fd = place_open_file(from, HPR_MEMORY_NAME, &bytes);
    if (m->from_fd < 0) return failed(from, m->from_fd, "open");
    m->fd =
        to->io->open_at(to->io->ctx, to->fd, HPR_MEMORY_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    res = m->fd < 0 ? m->fd : copy_all(m, from, bytes);
    return res < 0 ? failed(to, res, "copy what changes all the time") : 0;
}

/* ---- after the files ---- */

/* Of the ring nothing is left when the receiver is where it ended: what waits is in blocks and files. */
static void set_place(struct copy_memory *m, struct hpr_memory_place place)
{
    struct hpr_memory_header *h = &m->page.header;

    m->passed = place.passed;
    if (place.start >= atomic_load(&h->published)) {
        atomic_store(&h->published, place.start);
        place.start_seq     = place.passed.seq + 1;
        place.start_dropped = place.passed.dropped_total;
    }
    for (int slot = 0; slot < 2; slot++) h->places[slot].place = place;
    atomic_store(&h->slot, 0);
}

/* A block that had gone when all had been copied is in a file, or behind the receiver's position. */
static void keep_blocks(struct copy_memory *m)
{
    struct hpr_memory_block *was = m->page.header.blocks, *is = m->later.header.blocks;

    for (size_t i = 0; i < HPR_MEMORY_BLOCKS_MAX; i++)
        if (atomic_load(&is[i].fill) < atomic_load(&was[i].fill) || is[i].first_seq != was[i].first_seq)
            atomic_store(&was[i].fill, 0);
}

static int combine(struct copy_memory *m, const struct place *from)
{
    struct hpr_memory_header *h = &m->page.header;
    union copy_memory_page now;
    int res = read_steady(from, m->from_fd, &now);

    if (res < 0) return res;
    set_place(m, *place_of(&now));
    keep_blocks(m);
    memcpy(h->producers, now.header.producers, sizeof h->producers);
    atomic_store(&h->closed, 1); /* it is not going to change any more */
    m->dropped_total = hpr_max_u64(atomic_load(&h->dropped_total), m->passed.dropped_total);
    m->end_seq       = hpr_max_u64(m->end_seq, m->passed.seq + 1);
    return 0;
}

/* ---- how far the copy goes ---- */

static int add_ring(struct copy_memory *m, const struct place *to)
{
    struct hpr_memory_old old;
    struct ring_entry entry;
    struct ring_walk walk;
    int res;

    if (hpr_memory_old_open(&old, to->io, to->fd, &res) != HPR_FILE_OURS) return res < 0 ? res : -EIO;
    ring_walk_init(&walk, &old);
    while (ring_walk_next(&walk, &entry)) m->end_seq = hpr_max_u64(m->end_seq, entry.seq + entry.seqs);
    hpr_memory_old_close(&old);
    return walk.is_broken ? -EIO : 0;
}

/* From now on the file NUMBER ends before OFFSET. */
static int cut_file(const struct place *to, uint64_t number, uint64_t offset)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];
    int fd;

    hpr_queue_file_name(name, number);
    if (offset <= HPR_FILE_HEADER_BYTES) return change_remove(to, name);
    fd = to->io->open_at(to->io->ctx, to->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    (void)to->io->chmod(to->io->ctx, fd, 0600);
    hpr_io_close(to->io, fd);
    return change_cut(to, name, offset);
}

/* A block that was written meanwhile is in the file. */
static void forget_block(struct copy_memory *m, uint64_t first_seq)
{
    for (size_t i = 0; i < HPR_MEMORY_BLOCKS_MAX; i++)
        if (m->page.header.blocks[i].first_seq == first_seq) atomic_store(&m->page.header.blocks[i].fill, 0);
}

/* Frames in order: those that go on where the copy ends belong to it, from the first that does not all is cut off. */
static int fit_files(struct copy_memory *m, const struct place *to)
{
    uint64_t cut_number = 0, cut_offset = 0;
    struct scan_event ev;
    struct scan scan;
    int res = 0;

    scan_init(&scan, to, NULL);
    while (scan_next(&scan, &ev) && cut_number == 0) {
        if (ev.kind != SCAN_FRAME) continue;
        forget_block(m, ev.frame.first_seq);
        if (ev.frame.first_seq > m->end_seq) {
            cut_number = ev.number;
            cut_offset = ev.offset;
        } else if (ev.frame.first_seq + ev.frame.records > m->end_seq) {
            m->end_seq       = ev.frame.first_seq + ev.frame.records;
            m->dropped_total = hpr_max_u64(m->dropped_total, ev.frame.dropped_total);
        }
    }
    scan_fini(&scan);
    for (size_t i = 0; i < to->count && cut_number != 0 && res == 0; i++)
        if (to->numbers[i] >= cut_number)
            res = cut_file(to, to->numbers[i], to->numbers[i] == cut_number ? cut_offset : 0);
    return res;
}

static void fit_blocks(struct copy_memory *m)
{
    bool has_grown = true;

    while (has_grown) {
        has_grown = false;
        for (size_t i = 0; i < HPR_MEMORY_BLOCKS_MAX; i++) {
            const struct hpr_memory_block *block = &m->page.header.blocks[i];
            uint64_t end = block->first_seq + (atomic_load(&m->page.header.blocks[i].fill) >> 32);

            if (end <= m->end_seq || block->first_seq > m->end_seq) continue;
            m->end_seq = end;
            has_grown  = true;
        }
    }
    for (size_t i = 0; i < HPR_MEMORY_BLOCKS_MAX; i++)
        if (m->page.header.blocks[i].first_seq >= m->end_seq) atomic_store(&m->page.header.blocks[i].fill, 0);
}

int copy_memory_fit(struct copy_memory *m, const struct place *from, struct place *to)
{
    int res = combine(m, from);

    if (res == 0) res = hpr_io_write(to->io, m->fd, m->page.bytes, sizeof m->page.bytes, 0);
    if (res == 0) res = add_ring(m, to);
    if (res == 0) fit_blocks(m);
    if (res == 0) res = fit_files(m, to);
    fit_blocks(m);
    atomic_store(&m->page.header.next_seq, m->end_seq);
    atomic_store(&m->page.header.dropped_total, hpr_min_u64(m->dropped_total, m->end_seq - 1));
    if (res == 0) res = hpr_io_write(to->io, m->fd, m->page.bytes, sizeof m->page.bytes, 0);
    if (res == 0) res = to->io->fsync(to->io->ctx, m->fd);
    return res < 0 ? failed(to, res, "make it fit the files") : 0;
}

void copy_memory_close(struct copy_memory *m, const struct hopper_io *io)
{
    if (m->from_fd >= 0) hpr_io_close(io, m->from_fd);
    if (m->fd >= 0) hpr_io_close(io, m->fd);
    m->from_fd = m->fd = -1;
}
