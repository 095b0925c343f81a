/* SPDX-License-Identifier: MIT */
/* See spill.h. All functions here are called with `back` held; work() and write_big() drop it around compressing and
 * writing, so whoever calls them looks at everything again. */
#include "spill.h"

#include "error.h"
#include "record.h"
#include "stream.h"

/* ---- blocks and lanes ---- */

static void queue_block(struct hpr_spill *sp, struct hpr_block *block)
{
    block->next = NULL;
    if (sp->youngest) sp->youngest->next = block;
    else sp->oldest = block;
    sp->youngest = block;
}

static void unqueue_oldest(struct hpr_spill *sp)
{
    sp->oldest = sp->oldest->next;
    if (!sp->oldest) sp->youngest = NULL;
}

static void free_block(struct hpr_spill *sp, struct hpr_block *block)
{
    if (block->kept) hpr_memory_fill_block(block->kept, 0, 0);
    sp->dir->promised -= block->promise;
    block->promise  = 0;
    block->state    = HPR_BLOCK_FREE;
    block->next     = sp->free_blocks;
    sp->free_blocks = block;
    sp->blocks_busy--;
    sp->gains++;
}

static void free_lane(struct hpr_spill *sp, struct hpr_lane *lane)
{
    lane->next     = sp->free_lanes;
    sp->free_lanes = lane;
}

static struct hpr_block *oldest_sealed(const struct hpr_spill *sp)
{
    struct hpr_block *block = sp->oldest;

    while (block && block->state != HPR_BLOCK_SEALED) block = block->next;
    return block;
}

/* ---- the channel's own thread ---- */

/* What hpr_spill_work_locked() would do something about, so that whoever calls it then does not come back with nothing
 * done. */
static bool has_work(const struct hpr_spill *sp)
{
    if (sp->oldest && sp->oldest->state == HPR_BLOCK_PACKED && !sp->is_writing) return true;
    return sp->free_lanes && oldest_sealed(sp);
}

bool hpr_spill_needs_packer_locked(const struct hpr_spill *sp)
{
    const struct hpr_packer *p = &sp->packer;

    HPR_ASSERT_HELD(sp->back);
    return p->is_on && sp->blocks_busy > p->blocks_kept && has_work(sp) &&
           !(p->has_failed && p->failed_gains == sp->gains);
}

/* After each change that may have made work for it. */
static inline void wake_packer(struct hpr_spill *sp)
{
    if (HPR_LIKELY(!sp->packer.is_asleep) || !hpr_spill_needs_packer_locked(sp)) return;
    sp->packer.is_asleep = false; /* told once */
    hpr_cond_broadcast(&sp->packer.wake);
}

/* ---- records into blocks ---- */

bool hpr_spill_is_small(const struct hpr_spill *sp, const struct hpr_source *source)
{
    return hpr_source_packed_bytes(source) <= sp->block_bytes;
}

/* Records of one length need no headers, which are a fifth of what 8 bytes take, and a sixth of the work where these are
 * deflated and inflated. Whether all of a block will be as long nobody knows when it is opened: it is believed of what
 * comes behind a block in which all seem to have been. A record that is not as long then ends the block early, and the
 * next one is with headers again; so of two blocks at most one is short, and nothing but that comes of a wrong guess. */
#define BARE_BYTES_MAX   64 /* of a record: headers of longer ones cost next to nothing */
#define BARE_RECORDS_MIN 32 /* fewer tell nothing */

/* The length of all records in BLOCK, by what is seen at a glance: the first one, and the sum. 0: they differ, or are
 * few, empty, long or numbered. */
static uint32_t bare_bytes(const struct hpr_block *block)
{
    const uint32_t len = block->raw[1]; /* of a bin 8 */

    if (block->records < BARE_RECORDS_MIN || block->record_bytes) return block->record_bytes;
    if (block->raw[0] != HPR_RECORD_BIN_8 || len > BARE_BYTES_MAX) return 0;
    return block->raw_bytes == block->records * hpr_record_packed_bytes(len) ? len : 0;
}

void hpr_spill_seal_locked(struct hpr_spill *sp)
{
    HPR_ASSERT_HELD(sp->back);
    if (!sp->open) return;
    sp->bare_bytes  = bare_bytes(sp->open);
    sp->open->state = HPR_BLOCK_SEALED;
    queue_block(sp, sp->open);
    sp->open = NULL;
    wake_packer(sp);
}

void hpr_spill_describe_kept(const struct hpr_block *block)
{
    if (!block->kept) return;
    hpr_memory_fill_block(block->kept, 0, 0);
    block->kept->first_seq     = block->first_seq;
    block->kept->dropped_total = block->dropped_total;
    block->kept->opened_ms     = block->opened_ms;
    block->kept->record_bytes  = block->record_bytes;
    hpr_memory_fill_block(block->kept, block->records, block->raw_bytes);
}

struct hpr_block *hpr_spill_restore_block(struct hpr_spill *sp, uint64_t first_seq, uint32_t records, size_t raw_bytes,
                                          bool is_early)
{
    struct hpr_block *block = sp->free_blocks, **end = &sp->early;

    assert(block && raw_bytes <= sp->block_bytes);
    sp->free_blocks = block->next;
    sp->blocks_busy++;
    block->state     = is_early ? HPR_BLOCK_TAKEN : HPR_BLOCK_SEALED;
    block->first_seq = first_seq;
    block->records   = records;
    block->raw_bytes = raw_bytes;
    if (is_early) {
        while (*end) end = &(*end)->next;
        *end        = block;
        block->next = NULL;
        return block;
    }
    block->promise = hpr_dir_frame_promise(sp->dir, sp->block_bytes);
    sp->dir->promised += block->promise; /* its room was promised by the run that filled it */
    queue_block(sp, block);
    return block;
}

struct hpr_block *hpr_spill_take_early_locked(struct hpr_spill *sp)
{
    struct hpr_block *block = sp->early;

    HPR_ASSERT_HELD(sp->back);
    sp->early   = block->next;
    block->next = NULL;
    return block;
}

static enum hpr_result open_block(struct hpr_spill *sp, uint64_t seq, uint64_t dropped_total, uint32_t record_bytes)
{
    struct hpr_block *block = sp->free_blocks;
    uint64_t promise        = hpr_dir_frame_promise(sp->dir, sp->block_bytes);

    if (!block) return HPR_WAIT;
    if (!hpr_dir_promise_locked(sp->dir, promise))
        return sp->oldest ? HPR_WAIT : HPR_FULL; /* a block that is written needs less than it was promised */
    sp->free_blocks = block->next;
    sp->blocks_busy++;
    block->state         = HPR_BLOCK_OPEN;
    block->promise       = promise;
    block->first_seq     = seq;
    block->dropped_total = dropped_total;
    block->opened_ms     = sp->dir->clock->realtime_ms(sp->dir->clock->ctx);
    block->records       = 0;
    block->raw_bytes     = 0;
    block->record_bytes  = record_bytes;
    block->has_numbers   = false;
    sp->open             = block;
    hpr_spill_describe_kept(block);
    wake_packer(sp);
    return HPR_DONE;
}

/* Whether SOURCE may stand in a block whose records are bare and of RECORD_BYTES; 0: have headers. */
static bool suits(const struct hpr_source *source, uint32_t record_bytes)
{
    return record_bytes == 0 || (source->len == record_bytes && !source->producer);
}

/* One record at the end of BLOCK, which has room for it. */
static void append(struct hpr_block *block, const struct hpr_source *source)
{
    unsigned char *at = block->raw + block->raw_bytes;
    size_t len        = (size_t)source->len;

    block->raw_bytes += len + (block->record_bytes ? 0 : hpr_source_put_header(source, at));
    if (len > 0) memcpy(block->raw + block->raw_bytes - len, source->data, len);
    block->has_numbers |= source->producer != 0;
    block->records++;
    if (block->kept) hpr_memory_fill_block(block->kept, block->records, block->raw_bytes);
}

enum hpr_result hpr_spill_append_locked(struct hpr_spill *sp, uint64_t seq, uint64_t dropped_total,
                                        const struct hpr_source *source)
{
    size_t bytes            = (size_t)hpr_source_packed_bytes(source);
    struct hpr_block *block = sp->open;

    HPR_ASSERT_HELD(sp->back);
    assert(bytes <= sp->block_bytes);
    /* a block's sequence numbers have no holes: behind other placements or dropped records comes a new one */
    if (block && (block->raw_bytes + bytes > sp->block_bytes || block->first_seq + block->records != seq ||
                  !suits(source, block->record_bytes)))
        hpr_spill_seal_locked(sp);
    if (!sp->open) {
        const uint32_t record_bytes = suits(source, sp->bare_bytes) ? sp->bare_bytes : 0;
        enum hpr_result res         = open_block(sp, seq, dropped_total, record_bytes);

        if (res != HPR_DONE) return res;
    }
    append(sp->open, source);
    return HPR_DONE;
}

/* ---- compressing and writing ---- */

/* 0: it is to be stored. */
static size_t deflate_block(struct hpr_lane *lane, const struct hpr_block *block)
{
    size_t stored;

    if (!lane->frame || !hpr_tries_next(&lane->blocks, block->raw_bytes)) return 0;
    stored = hpr_deflate(&lane->deflater, block->raw, block->raw_bytes, lane->frame + HPR_FRAME_HEADER_BYTES,
                         block->raw_bytes);
    hpr_tries_note(&lane->blocks, block->raw_bytes, stored > 0);
    return stored;
}

/* Without the lock: make the frame of BLOCK in LANE; only the place in the file, and with it the header, is missing. */
static void pack_block(struct hpr_lane *lane, const struct hpr_block *block)
{
    struct hpr_frame_header *h = &lane->header;
    size_t stored              = deflate_block(lane, block);

    assert(block->record_bytes == 0 || block->raw_bytes == (uint64_t)block->records * block->record_bytes);
    *h = (struct hpr_frame_header){
        .codec         = stored ? HPR_CODEC_DEFLATE : HPR_CODEC_STORED,
        .record_bytes  = block->record_bytes,
        .records       = block->records,
        .raw_bytes     = (uint32_t)block->raw_bytes,
        .stored_bytes  = (uint32_t)(stored ? stored : block->raw_bytes),
        .first_seq     = block->first_seq,
        .dropped_total = block->dropped_total,
        .opened_ms     = block->opened_ms,
    };
    lane->out      = stored ? lane->frame : block->frame;
    h->payload_crc = hpr_crc32(0, lane->out + HPR_FRAME_HEADER_BYTES, h->stored_bytes);
}

static void take_lane(struct hpr_spill *sp, struct hpr_block *block)
{
    block->lane       = sp->free_lanes;
    sp->free_lanes    = block->lane->next;
    block->state      = HPR_BLOCK_PACKING;
    block->is_packing = true;
}

/* After packing: back in the queue, unless the receiver has taken the block meanwhile. */
static void finish_packing(struct hpr_spill *sp, struct hpr_block *block)
{
    block->is_packing = false;
    if (block->state == HPR_BLOCK_PACKING) {
        block->state = HPR_BLOCK_PACKED;
        return;
    }
    free_lane(sp, block->lane);
    block->lane = NULL;
    if (block->state == HPR_BLOCK_FREE) /* given back already, but we were still reading it */
        free_block(sp, block);
}

static void become_writer(struct hpr_spill *sp)
{
    sp->is_writing = true;
    hpr_dir_enter_writer_locked(sp->dir);
}

/* The writer's part, without the lock. */
static hopper_status write_frame(struct hpr_dir *dir, struct hpr_lane *lane, int *seal_errorp, struct hopper_error *err)
{
    const struct hpr_frame_header *h = &lane->header;
    uint64_t bytes                   = HPR_FRAME_HEADER_BYTES + (uint64_t)h->stored_bytes;
    struct hpr_frame_place place;
    hopper_status st;

    *seal_errorp = 0;
    if ((st = hpr_dir_begin_frame(dir, bytes, h->first_seq, err)) != HOPPER_OK) return st;
    place = hpr_dir_frame_place(dir);
    hpr_frame_put_header((unsigned char *)(uintptr_t)lane->out, h, &place);
    if ((st = hpr_dir_write_frame(dir, lane->out, (size_t)bytes, err)) != HOPPER_OK) return st;
    hpr_dir_commit_frame(dir, bytes, h->records, h->first_seq + h->records - 1, seal_errorp);
    return HOPPER_OK;
}

/* What a finished frame changes for everybody. */
static void account_frame(struct hpr_spill *sp, const struct hpr_frame_header *h, int seal_error)
{
    sp->written_bytes += hpr_dir_publish_locked(sp->dir);
    sp->end_seq           = h->first_seq + h->records;
    sp->end_dropped_total = h->dropped_total;
    sp->records_written += h->records;
    if (sp->claimed_seq > h->first_seq) /* an earlier run had filled the block, and received its first records */
        hpr_spill_claim_locked(sp, hpr_min_u64(sp->claimed_seq - h->first_seq, h->records));
    sp->failed_errno = 0;
    sp->gains++;
    if (seal_error) sp->write_errors++;
    hpr_dir_note_removable_locked(sp->dir, sp->end_seq);
}

/* What a frame that could not be written leaves: nothing, or waste on the disk that takes up what was promised. True
 * when the promise is gone. */
static bool account_failure(struct hpr_spill *sp, uint64_t promise, bool has_waste, const struct hopper_error *err)
{
    sp->write_errors += err->sys_errno != 0;
    if (has_waste) {
        sp->dir->promised -= promise;
        hpr_dir_count_waste(sp->dir, promise);
    }
    (void)hpr_dir_publish_locked(sp->dir);
    return has_waste;
}

/* Its frame is part of a file now, which needs no promise any more. */
static void hold_written(struct hpr_spill *sp, struct hpr_block *block)
{
    struct hpr_block **end = &sp->written;

    sp->dir->promised -= block->promise;
    block->promise = 0;
    block->state   = HPR_BLOCK_WRITTEN;
    block->next    = NULL;
    while (*end) end = &(*end)->next;
    *end = block;
}

void hpr_spill_free_written_locked(struct hpr_spill *sp)
{
    struct hpr_block *block = sp->written;

    HPR_ASSERT_HELD(sp->back);
    sp->written = block->next;
    free_block(sp, block);
}

void hpr_spill_forget_all_locked(struct hpr_spill *sp)
{
    HPR_ASSERT_HELD(sp->back);
    hpr_spill_seal_locked(sp);
    while (sp->written) hpr_spill_free_written_locked(sp);
    while (sp->oldest) {
        struct hpr_block *block = sp->oldest;

        assert(block->state == HPR_BLOCK_SEALED || block->state == HPR_BLOCK_PACKED);
        if (block->state == HPR_BLOCK_PACKED) free_lane(sp, block->lane);
        block->lane = NULL;
        unqueue_oldest(sp);
        free_block(sp, block);
    }
    hpr_cond_broadcast(sp->room);
}

/* Write the oldest block, which is packed; the caller has become the writer. */
static enum hpr_result write_oldest(struct hpr_spill *sp, struct hopper_error *err)
{
    struct hpr_block *block = sp->oldest;
    struct hpr_lane *lane   = block->lane;
    struct hopper_error failure;
    hopper_status st;
    int seal_error;
    bool has_waste = false;

    if (block->promise == 0) { /* spent on waste by a try before */
        uint64_t promise = hpr_dir_frame_promise(sp->dir, sp->block_bytes);

        if (!hpr_dir_promise_locked(sp->dir, promise)) {
            block->state = HPR_BLOCK_SEALED;
            free_lane(sp, lane);
            return HPR_FULL;
        }
        block->promise = promise;
    }
    block->state = HPR_BLOCK_WRITING;
    become_writer(sp);
    hpr_mutex_unlock(sp->back);
    st = write_frame(sp->dir, lane, &seal_error, &failure);
    if (st == HOPPER_OK && block->has_numbers) hpr_producers_note_raw(sp->dir->producers, block->raw, block->raw_bytes);
    if (st != HOPPER_OK) has_waste = hpr_dir_roll_back_frame(sp->dir);
    hpr_mutex_lock(sp->back);
    sp->is_writing = false;
    hpr_cond_broadcast(sp->room);
    block->lane = NULL;
    free_lane(sp, lane);
    if (st == HOPPER_OK) {
        account_frame(sp, &lane->header, seal_error);
        unqueue_oldest(sp);
        if (sp->holds_written) hold_written(sp, block);
        else free_block(sp, block);
        return HPR_AGAIN;
    }
    block->state     = HPR_BLOCK_SEALED;
    sp->failed_errno = failure.sys_errno;
    if (account_failure(sp, block->promise, has_waste, &failure)) block->promise = 0;
    *err = failure;
    return HPR_FAILED;
}

enum hpr_result hpr_spill_work_locked(struct hpr_spill *sp, struct hopper_error *err)
{
    struct hpr_block *block = oldest_sealed(sp);
    enum hpr_result res     = HPR_WAIT;

    HPR_ASSERT_HELD(sp->back);
    if (!sp->oldest) return HPR_DONE;
    if (block && sp->free_lanes) {
        struct hpr_lane *lane;

        take_lane(sp, block);
        lane = block->lane;
        hpr_mutex_unlock(sp->back);
        pack_block(lane, block);
        hpr_mutex_lock(sp->back);
        finish_packing(sp, block);
        res = HPR_AGAIN;
    }
    while (!sp->is_writing && sp->oldest && sp->oldest->state == HPR_BLOCK_PACKED) {
        res = write_oldest(sp, err);
        if (res != HPR_AGAIN) break;
    }
    if (res == HPR_WAIT) return res;
    hpr_cond_broadcast(sp->room);
    wake_packer(sp);
    return res;
}

/* ---- big records ---- */

#define FEW_ON_DISK   1  /* while one is written, the receiver reads the one before */
#define SHARE_OF_ROOM 16 /* of the disk's room that is left, one that is stored takes so small a part */

/* A receiver that keeps up has each large record as soon as it is in the file, and the file is gone soon: deflating would
 * only make it wait. Not where records are to survive: what is written may get to the device, so it is made small. Nor for
 * items: they are written in small parts, which deflating gathers. Nor where the receiver's falling behind would find the
 * disk full sooner for it. */
static bool is_read_at_once(const struct hpr_spill *sp, const struct hpr_source *source)
{
    const uint64_t used = hpr_dir_used_locked(sp->dir);
    const uint64_t room = sp->dir->disk_bytes > used ? sp->dir->disk_bytes - used : 0;

    return sp->dir->survive == HOPPER_SURVIVE_NOTHING && !source->type && source->len <= room / SHARE_OF_ROOM &&
           hpr_spill_records_on_disk(sp) <= FEW_ON_DISK;
}

enum hpr_result hpr_spill_write_big_locked(struct hpr_spill *sp, uint64_t seq, uint64_t dropped_total,
                                           const struct hpr_source *source, struct hopper_error *err)
{
    const uint64_t raw_bytes       = hpr_source_packed_bytes(source);
    const uint64_t promise         = hpr_dir_frame_promise(sp->dir, raw_bytes);
    struct hpr_frame_header header = { .first_seq = seq, .dropped_total = dropped_total };
    struct hpr_lane *lane          = sp->free_lanes;
    const bool may_deflate         = !is_read_at_once(sp, source);
    struct hopper_error failure;
    bool has_waste = false;
    int seal_error = 0;
    hopper_status st;

    HPR_ASSERT_HELD(sp->back);
    assert(sp->is_exclusive && !sp->oldest && !sp->is_writing);
    if (!lane) return HPR_WAIT; /* a thread still compresses a block that the receiver has taken */
    if (!hpr_dir_promise_locked(sp->dir, promise)) return HPR_FULL;
    sp->free_lanes = lane->next;
    become_writer(sp);
    hpr_mutex_unlock(sp->back);
    header.opened_ms = sp->dir->clock->realtime_ms(sp->dir->clock->ctx);
    st               = hpr_dir_begin_frame(sp->dir, HPR_FRAME_HEADER_BYTES + raw_bytes, seq, &failure);
    if (st == HOPPER_OK) st = hpr_stream_write(sp->dir, lane, sp->block_bytes, source, may_deflate, &header, &failure);
    if (st == HOPPER_OK)
        hpr_dir_commit_frame(sp->dir, HPR_FRAME_HEADER_BYTES + (uint64_t)header.stored_bytes, 1, seq, &seal_error);
    else has_waste = hpr_dir_roll_back_frame(sp->dir);
    hpr_mutex_lock(sp->back);
    sp->is_writing = false;
    free_lane(sp, lane);
    if (st == HOPPER_OK) {
        sp->dir->promised -= promise;
        account_frame(sp, &header, seal_error);
        if (source->producer) hpr_producers_note(sp->dir->producers, source->producer, source->number);
        return HPR_DONE;
    }
    sp->failed_errno = failure.sys_errno;
    if (!account_failure(sp, promise, has_waste, &failure)) sp->dir->promised -= promise;
    *err = failure;
    return HPR_FAILED;
}

/* ---- room on disk ---- */

bool hpr_spill_is_done_locked(const struct hpr_spill *sp)
{
    HPR_ASSERT_HELD(sp->back);
    /* else settle.c says: what was read is not yet done with */
    return sp->dir->survive == HOPPER_SURVIVE_NOTHING && !sp->is_writing && hpr_spill_is_all_claimed_locked(sp);
}

bool hpr_spill_can_reclaim_locked(const struct hpr_spill *sp)
{
    return hpr_spill_is_done_locked(sp) && sp->dir->end.number != 0;
}

bool hpr_spill_reclaim_locked(struct hpr_spill *sp) /* without a file there may be waste still */
{
    return hpr_spill_is_done_locked(sp) && hpr_dir_discard_all_locked(sp->dir);
}

void hpr_spill_claim_locked(struct hpr_spill *sp, uint64_t records)
{
    HPR_ASSERT_HELD(sp->back);
    sp->records_gone += hpr_min_u64(records, hpr_spill_records_on_disk(sp));
}

/* All on disk below SEQ is given up, which are the first RECORD_OFFSET records ever written. How many of them the
 * receiver had not claimed. */
static uint64_t give_up_below(struct hpr_spill *sp, uint64_t seq, uint64_t record_offset)
{
    uint64_t dropped = record_offset > sp->records_gone ? record_offset - sp->records_gone : 0;

    sp->drop_floor_seq = hpr_max_u64(sp->drop_floor_seq, seq);
    sp->records_gone += dropped;
    return dropped;
}

enum hpr_result hpr_spill_drop_oldest_locked(struct hpr_spill *sp, uint64_t *droppedp)
{
    struct hpr_dir *dir = sp->dir;
    struct hpr_dir_end next;
    bool has_won;

    HPR_ASSERT_HELD(sp->back);
    *droppedp = 0;
    if (dir->end.number == 0) return HPR_FULL;
    if (dir->oldest == dir->end.number && sp->is_writing) return HPR_WAIT;
    if (dir->oldest == dir->end.number) {
        *droppedp = give_up_below(sp, sp->end_seq, sp->records_written);
        has_won   = hpr_dir_discard_all_locked(dir);
    } else {
        if (!hpr_dir_next_file_locked(dir, dir->oldest, &next)) return HPR_FULL;
        *droppedp = give_up_below(sp, next.first_seq, next.record_offset);
        hpr_dir_give_up_below_locked(dir, next.number, next.start);
        has_won = hpr_dir_remove_unwanted_locked(dir, NULL);
    }
    return has_won ? HPR_AGAIN : HPR_FULL;
}

/* ---- the receiver ---- */

enum hpr_result hpr_spill_take_block_locked(struct hpr_spill *sp, struct hpr_block **blockp)
{
    struct hpr_block *block;

    HPR_ASSERT_HELD(sp->back);
    *blockp = NULL;
    if (!sp->oldest) hpr_spill_seal_locked(sp);
    block = sp->oldest;
    if (!block) return HPR_AGAIN;
    if (block->state == HPR_BLOCK_WRITING) return HPR_WAIT;
    if (block->state == HPR_BLOCK_PACKED) {
        free_lane(sp, block->lane);
        block->lane = NULL;
    }
    unqueue_oldest(sp);
    sp->dir->promised -= block->promise; /* it will not need the disk any more */
    block->promise        = 0;
    block->state          = HPR_BLOCK_TAKEN;
    sp->end_seq           = block->first_seq + block->records;
    sp->end_dropped_total = block->dropped_total;
    if (!sp->oldest) sp->failed_errno = 0;
    sp->gains++;
    hpr_cond_broadcast(sp->room);
    wake_packer(sp);
    *blockp = block;
    return HPR_DONE;
}

void hpr_spill_give_back_locked(struct hpr_spill *sp, struct hpr_block *block)
{
    HPR_ASSERT_HELD(sp->back);
    if (block->is_packing) {
        block->state = HPR_BLOCK_FREE; /* finish_packing() does the rest */
        return;
    }
    free_block(sp, block);
    hpr_cond_broadcast(sp->room);
    wake_packer(sp);
}
