/* SPDX-License-Identifier: MIT */
/* See memory_old.h. Nothing here is believed: sizes must fit the file and each other, positions the ring, entries each
 * other. What fails is left out, from there on. */
#include "memory_old.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static const unsigned char magic[8] = { 0x89, 'H', 'Q', 'M', '\r', '\n', 0x1a, '\n' };

static bool fits(uint64_t offset, uint64_t bytes, uint64_t file_bytes)
{
    return offset <= file_bytes && bytes <= file_bytes - offset;
}

static bool is_shape_sensible(const struct hpr_memory_shape *s, uint64_t file_bytes)
{
    return s->file_bytes <= file_bytes && s->ring_bytes % 8 == 0 && s->ring_bytes > 0 &&
           fits(s->ring_offset, s->ring_bytes, file_bytes) && s->blocks <= HPR_MEMORY_BLOCKS_MAX &&
           s->block_bytes <= HPR_MEMORY_BLOCK_MAX && s->block_stride <= file_bytes &&
           s->block_stride >= HPR_FRAME_HEADER_BYTES + s->block_bytes &&
           fits(s->blocks_offset, s->blocks * s->block_stride, file_bytes);
}

static enum hpr_file_verdict judge_shape(const struct hpr_memory_shape *s, size_t got, uint64_t file_bytes)
{
    if (got < sizeof magic || hpr_is_zero(s, sizeof *s)) return HPR_FILE_DAMAGED;
    if (memcmp(s->magic, magic, sizeof magic) != 0) return HPR_FILE_FOREIGN;
    if (got < HPR_MEMORY_HEADER_BYTES || s->byte_order != 0x01020304) return HPR_FILE_DAMAGED;
    if (s->version > HPR_MEMORY_VERSION) return HPR_FILE_NEWER;
    if (s->crc != hpr_crc32(0, s, offsetof(struct hpr_memory_shape, crc))) return HPR_FILE_DAMAGED;
    return is_shape_sensible(s, file_bytes) ? HPR_FILE_OURS : HPR_FILE_DAMAGED;
}

static bool is_place_sensible(const struct hpr_memory_old *old)
{
    const struct hpr_passed *p = &old->place.passed;
    uint64_t sum               = p->records;

    for (size_t i = 0; i < HOPPER_GAP_SLOTS; i++)
        if (HPR_ADD_OVERFLOWS(sum, p->gap_records[i], &sum)) return false;
    return sum == p->seq && old->published >= old->place.start &&
           old->published - old->place.start <= old->shape.ring_bytes && old->place.start % 8 == 0 &&
           old->published % 8 == 0 && old->place.start_seq <= UINT64_MAX >> 1 && p->dropped_total <= p->seq &&
           old->place.start_dropped < old->place.start_seq;
}

static int by_seq(const void *a, const void *b)
{
    const struct hpr_memory_old_block *x = a, *y = b;

    return (x->first_seq > y->first_seq) - (x->first_seq < y->first_seq);
}

static bool is_block_sensible(const struct hpr_memory_old *old, const struct hpr_memory_old_block *block)
{
    const bool fits_records = block->record_bytes ? block->bytes == (uint64_t)block->records * block->record_bytes
                                                  : block->bytes / 2 >= block->records;

    return block->records > 0 && block->bytes <= old->shape.block_bytes && fits_records && block->first_seq > 0 &&
           block->first_seq <= HPR_RING_SEQS_MAX && block->dropped_total < block->first_seq;
}

static void take_blocks(struct hpr_memory_old *old, struct hpr_memory_header *h)
{
    for (size_t i = 0; i < old->shape.blocks; i++) {
        const struct hpr_memory_block *block = &h->blocks[i];
        uint64_t fill                        = atomic_load(&h->blocks[i].fill);
        struct hpr_memory_old_block found    = {
               .records       = (uint32_t)(fill >> 32),
               .bytes         = (uint32_t)fill,
               .record_bytes  = block->record_bytes,
               .first_seq     = block->first_seq,
               .dropped_total = block->dropped_total,
               .opened_ms     = block->opened_ms,
               .offset        = old->shape.blocks_offset + i * old->shape.block_stride + HPR_FRAME_HEADER_BYTES,
        };

        if (is_block_sensible(old, &found)) old->blocks[old->block_count++] = found;
    }
    qsort(old->blocks, old->block_count, sizeof old->blocks[0], by_seq);
}

/* The ring is published before what it says is counted, by each call that sends: entries may be ahead by as much as one
 * batch has. */
static uint64_t most_seqs(const struct hpr_memory_old *old)
{
    const uint64_t end = old->next_seq + (UINT64_C(1) << 32), start = old->place.start_seq;

    if (old->next_seq == 0) return HPR_RING_SEQS_MAX;
    return start < end ? end - start : 0;
}

static enum hpr_file_verdict read_header(struct hpr_memory_old *old, int *resp)
{
    union {
        struct hpr_memory_header header;
        unsigned char bytes[HPR_MEMORY_HEADER_BYTES];
    } page = { .bytes = { 0 } };
    unsigned char boot_id[16];
    struct hopper_io_stat st;
    enum hpr_file_verdict verdict;
    size_t got = 0;

    *resp = old->io->stat(old->io->ctx, old->fd, &st);
    if (*resp == 0 && st.kind != HOPPER_IO_FILE) {
        *resp = -ENOTSUP;
        return HPR_FILE_FOREIGN;
    }
    if (*resp == 0) *resp = hpr_io_read(old->io, old->fd, page.bytes, sizeof page.bytes, 0, &got);
    if (*resp == 0) *resp = old->io->boot_id(old->io->ctx, boot_id);
    if (*resp < 0) return HPR_FILE_DAMAGED;
    old->shape = page.header.shape;
    verdict    = judge_shape(&old->shape, got, st.bytes);
    if (verdict != HPR_FILE_OURS) return verdict;
    old->published     = atomic_load(&page.header.published);
    old->next_seq      = atomic_load(&page.header.next_seq);
    old->dropped_total = atomic_load(&page.header.dropped_total);
    old->is_closed     = atomic_load(&page.header.closed) == 1;
    old->is_same_boot  = memcmp(boot_id, old->shape.boot_id, sizeof boot_id) == 0;
    old->place         = page.header.places[atomic_load(&page.header.slot) & 1].place;
    if (old->next_seq > HPR_RING_SEQS_MAX)
        old->next_seq = 0; /* ring and blocks tell as well, if not of what is missing */
    old->dropped_total = hpr_min_u64(old->dropped_total, old->next_seq);
    old->seqs_max      = most_seqs(old);
    if (!is_place_sensible(old)) return HPR_FILE_DAMAGED;
    take_blocks(old, &page.header);
    for (size_t i = 0; i < HOPPER_PRODUCERS_MAX; i++)
        hpr_producers_note(&old->producers, atomic_load(&page.header.producers[i].id),
                           atomic_load(&page.header.producers[i].number));
    return HPR_FILE_OURS;
}

enum hpr_file_verdict hpr_memory_old_open(struct hpr_memory_old *old, const struct hopper_io *io, int dirfd, int *resp)
{
    enum hpr_file_verdict verdict;

    memset(old, 0, sizeof *old);
    old->io = io;
    old->fd = io->open_at(io->ctx, dirfd, HPR_MEMORY_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    *resp   = old->fd < 0 ? old->fd : 0;
    if (old->fd < 0) {
        old->fd = -1;
        return HPR_FILE_FOREIGN;
    }
    verdict = read_header(old, resp);
    if (verdict != HPR_FILE_OURS) hpr_memory_old_close(old);
    return verdict;
}

void hpr_memory_old_close(struct hpr_memory_old *old)
{
    hpr_io_close(old->io, old->fd);
    old->fd = -1;
}

static int read_all(const struct hpr_memory_old *old, uint64_t offset, void *out, size_t len)
{
    size_t got;
    int res = hpr_io_read(old->io, old->fd, out, len, offset, &got);

    return res < 0 ? res : got < len ? -EIO : 0;
}

int hpr_memory_old_read_ring(const struct hpr_memory_old *old, uint64_t pos, void *out, size_t len)
{
    uint64_t at  = pos % old->shape.ring_bytes;
    size_t first = (size_t)hpr_min_u64(len, old->shape.ring_bytes - at);
    int res      = read_all(old, old->shape.ring_offset + at, out, first);

    if (res < 0 || first == len) return res;
    return read_all(old, old->shape.ring_offset, (unsigned char *)out + first, len - first);
}

int hpr_memory_old_read_block(const struct hpr_memory_old *old, size_t i, void *out)
{
    return read_all(old, old->blocks[i].offset, out, old->blocks[i].bytes);
}

uint64_t hpr_memory_old_get_entry(const unsigned char *at, uint64_t left, struct hpr_memory_old_entry *entry)
{
    uint64_t head, value;

    if (left < HPR_RING_HEAD_BYTES) return 0;
    memcpy(&head, at, sizeof head);
    value  = head >> 3;
    *entry = (struct hpr_memory_old_entry){ .kind = (unsigned)(head & 7), .value = value };
    switch (entry->kind) {
    case HPR_PLACE_RECORD:
    case HPR_PLACE_NUMBERED:
        if (value > left - HPR_RING_HEAD_BYTES || value > HPR_RECORD_BYTES_LIMIT + HPR_RING_NUMBER_BYTES) return 0;
        if (entry->kind == HPR_PLACE_NUMBERED && value < HPR_RING_NUMBER_BYTES) return 0;
        entry->seqs = 1;
        return HPR_RING_HEAD_BYTES + hpr_round_up((size_t)value, 8);
    case HPR_PLACE_DISK:
    case HPR_PLACE_SKIP:
        if (left < HPR_RING_PEEK_BYTES || value == 0) return 0;
        memcpy(&entry->dropped, at + HPR_RING_HEAD_BYTES, sizeof entry->dropped);
        entry->seqs = value;
        return entry->dropped > value ? 0 : HPR_RING_PEEK_BYTES;
    case HPR_PLACE_GAP: entry->seqs = entry->dropped = value; return value == 0 ? 0 : HPR_RING_HEAD_BYTES;
    case HPR_PLACE_PAD: return value < HPR_RING_HEAD_BYTES || value % 8 != 0 || value > left ? 0 : value;
    default: return 0;
    }
}

static bool is_beside(const struct hpr_memory_old_entry *entry)
{
    return entry->kind == HPR_PLACE_DISK || entry->kind == HPR_PLACE_SKIP;
}

static void add_entry(struct hpr_ring_sum *sum, const struct hpr_memory_old_entry *entry)
{
    sum->seqs += entry->seqs;
    sum->dropped += entry->dropped;
    if (is_beside(entry)) {
        sum->elsewhere += entry->seqs;
        sum->elsewhere_dropped += entry->dropped;
    } else if (entry->kind != HPR_PLACE_GAP) {
        sum->records++;
    }
}

void hpr_ring_add_up(const unsigned char *base, size_t len, uint64_t seqs_max, struct hpr_ring_sum *sum)
{
    bool is_padded = false;
    size_t at      = 0;

    memset(sum, 0, sizeof *sum);
    while (at < len) {
        struct hpr_memory_old_entry entry;
        uint64_t taken = hpr_memory_old_get_entry(base + at, len - at, &entry);

        if (taken == 0 || taken > len - at || entry.seqs > seqs_max - sum->seqs) return;
        if (is_padded && entry.kind == HPR_PLACE_PAD) return;
        at += (size_t)taken;
        is_padded = entry.kind == HPR_PLACE_PAD;
        if (is_padded) continue;
        add_entry(sum, &entry);
        sum->bytes = at;
    }
    sum->is_whole = !is_padded;
}

void hpr_memory_old_place_blocks(const struct hpr_memory_old *old, uint64_t seq, uint64_t passed_seq,
                                 struct hpr_memory_old_beside (*next)(void *ctx), void *ctx,
                                 bool has_place[HPR_MEMORY_BLOCKS_MAX])
{
    struct hpr_memory_old_beside beside = { passed_seq + 1, hpr_max_u64(seq, passed_seq + 1) };
    uint64_t free                       = passed_seq + 1; /* no block so far has this number */

    for (size_t i = 0; i < old->block_count; i++) {
        const struct hpr_memory_old_block *block = &old->blocks[i];
        const uint64_t begin = hpr_max_u64(block->first_seq, passed_seq + 1), end = block->first_seq + block->records;

        while (beside.end <= begin) beside = next(ctx);
        has_place[i] = begin < end && begin >= free && begin >= beside.begin && end <= beside.end;
        if (has_place[i]) free = end;
    }
}

struct in_ring {
    const unsigned char *base;
    size_t len, at;
    uint64_t seq; /* of the entry at AT */
};

static struct hpr_memory_old_beside find_beside(void *ctx)
{
    struct in_ring *r = ctx;
    struct hpr_memory_old_entry entry;

    while (r->at < r->len) {
        r->at += (size_t)hpr_memory_old_get_entry(r->base + r->at, r->len - r->at, &entry);
        r->seq += entry.seqs;
        if (is_beside(&entry)) return (struct hpr_memory_old_beside){ r->seq - entry.seqs, r->seq };
    }
    return (struct hpr_memory_old_beside){ r->seq, UINT64_MAX };
}

void hpr_ring_place_blocks(const unsigned char *base, size_t len, const struct hpr_memory_old *old, uint64_t seq,
                           uint64_t passed_seq, bool has_place[HPR_MEMORY_BLOCKS_MAX])
{
    struct in_ring ring = { .base = base, .len = len, .seq = hpr_max_u64(seq, passed_seq + 1) };

    hpr_memory_old_place_blocks(old, seq, passed_seq, find_beside, &ring, has_place);
}

/* The entry at AT stands from now on for the last LEFT of its numbers, of which DROPPED_LEFT were dropped. */
static void shorten(unsigned char *at, unsigned kind, uint64_t left, uint64_t dropped_left)
{
    uint64_t head = left << 3 | (kind == HPR_PLACE_SKIP ? HPR_PLACE_DISK : kind);

    memcpy(at, &head, sizeof head);
    if (kind != HPR_PLACE_GAP) memcpy(at + HPR_RING_HEAD_BYTES, &dropped_left, sizeof dropped_left);
}

/* Of an entry with N numbers, DROPPED of them dropped, the first PASSED are behind: how many of these were dropped,
 * when BEHIND dropped ones were counted behind in all from the entry's start. */
static uint64_t dropped_behind(uint64_t n, uint64_t dropped, uint64_t passed, uint64_t behind)
{
    uint64_t least = dropped > n - passed ? dropped - (n - passed) : 0;

    return hpr_min_u64(hpr_max_u64(behind, least), hpr_min_u64(dropped, passed));
}

uint64_t hpr_ring_normalise(unsigned char *base, size_t len, uint64_t passed_seq, uint64_t passed_dropped,
                            uint64_t *seqp, uint64_t *droppedp)
{
    uint64_t at = 0, start = 0, seq = *seqp, dropped_total = *droppedp;

    while (at < len) {
        struct hpr_memory_old_entry entry;
        const uint64_t taken = hpr_memory_old_get_entry(base + at, len - at, &entry);
        const uint64_t n = entry.seqs, dropped = entry.dropped;
        const uint64_t passed = passed_seq >= seq ? hpr_min_u64(passed_seq - seq + 1, n) : 0;
        uint64_t behind       = passed_dropped > dropped_total ? passed_dropped - dropped_total : 0;

        behind = dropped_behind(n, dropped, passed, behind);
        if (entry.kind == HPR_PLACE_SKIP || (passed > 0 && passed < n))
            shorten(base + at, entry.kind, n - (passed < n ? passed : 0), dropped - (passed < n ? behind : 0));
        if (start == at && passed == n) { /* all of it is behind, and all before it */
            start     = at + taken;
            *seqp     = seq + n;
            *droppedp = dropped_total + dropped;
        } else if (start == at && passed > 0) {
            *seqp     = seq + passed;
            *droppedp = dropped_total + behind;
        }
        seq += n;
        dropped_total += dropped;
        at += taken;
    }
    return start;
}
