/* SPDX-License-Identifier: MIT */
/*
 * See fuzz_channel.h. What is required here, of every target that goes through a channel:
 *
 *   order       the record with sequence number N is the Nth that was accepted, whole, once; sequence numbers have no holes
 *   views       what a receive returned is still the same when the next one is about to be made
 *   books       accepted = acknowledged + pending + gaps, and each of these is what the model has counted
 *   gaps        only of the reasons that the target allows at the time
 *   status      a send is refused only for a reason that exists
 *   budgets     memory by the platform's count of what is held, disk by its watch over the directory, after every call
 *   progress    an empty channel on a disk without faults takes a record; a receive that gives EIO without a fault is wrong
 *   release     after the last close nothing is allocated, mapped or open, and no queue file is left
 */
#include "fuzz_channel.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull; /* for messages */

/* A sender's handle is allocated beside the arena, and as much of the arena is left unused: memory in use keeps to the
 * budget, address space goes beyond it by the handles. */
enum { HANDLE_BYTES = 512 };

/* ---- items ----------------------------------------------------------------------------------------------------- */

/* What the item type's callbacks see of the channel. */
static int item_pack(void *ctx, const void *object, msgpack_packer *packer)
{
    const struct fuzz_item *item = object;
    uint32_t *packs              = (uint32_t *)(uintptr_t)&item->packs; /* the one thing that packing changes */
    size_t len                   = item->len;

    (void)ctx;
    if ((item->flags & FUZZ_ITEM_PACK_FAILS) != 0) return -1;
    if ((item->flags & FUZZ_ITEM_PACK_DIFFERS) != 0 && *packs > 0) len++;
    ++*packs;
    if (msgpack_pack_array(packer, 3) != 0 || msgpack_pack_uint32(packer, item->id) != 0 ||
        msgpack_pack_uint32(packer, item->flags) != 0 || msgpack_pack_bin(packer, len) != 0)
        return -1;
    return len == 0 ? 0 : msgpack_pack_bin_body(packer, fuzz_content(item->id, len), len);
}

static struct fuzz_item *item_new(struct fuzz_channel *ch, uint32_t id, uint32_t len, uint32_t flags)
{
    struct fuzz_item *item = malloc(sizeof *item);

    FUZZ_REQUIRE(item != NULL, "no memory for an item");
    *item = (struct fuzz_item){ id, len, flags, 0 };
    ch->items++;
    return item;
}

static void item_free(void *ctx, void *object)
{
    struct fuzz_channel *ch = ctx;

    FUZZ_REQUIRE(ch->items > 0, "an item is freed twice");
    ch->items--;
    free(object);
}

/* The bytes are those of some pack, unless the target has forged them. */
static int item_unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    struct fuzz_channel *ch = ctx;
    msgpack_unpacked whole;
    const msgpack_object *part;
    int is_good;
    int result = -1;

    msgpack_unpacked_init(&whole);
    is_good = msgpack_unpack_next(&whole, data, len, NULL) == MSGPACK_UNPACK_SUCCESS &&
              whole.data.type == MSGPACK_OBJECT_ARRAY && whole.data.via.array.size == 3;
    part = whole.data.via.array.ptr;
    if (is_good)
        is_good =
            part[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER && part[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
            part[2].type == MSGPACK_OBJECT_BIN && part[2].via.bin.size <= FUZZ_CONTENT_BYTES_MAX &&
            memcmp(part[2].via.bin.ptr, fuzz_content(part[0].via.u64, part[2].via.bin.size), part[2].via.bin.size) == 0;
    FUZZ_REQUIRE(is_good || ch->contents_forged, "unpack is given bytes that pack did not write");
    if (is_good && (part[1].via.u64 & FUZZ_ITEM_UNPACK_FAILS) == 0) {
        *itemp = item_new(ch, (uint32_t)part[0].via.u64, part[2].via.bin.size, (uint32_t)part[1].via.u64);
        result = 0;
    }
    msgpack_unpacked_destroy(&whole);
    return result;
}

static size_t item_weight(void *ctx, const void *object)
{
    const struct fuzz_item *item = object;

    (void)ctx;
    return sizeof *item + item->len;
}

/* ---- opening and closing --------------------------------------------------------------------------------------- */

static struct mem_platform *mem_fresh(void)
{
    static struct mem_platform *mem; /* empty whenever no input is running */

    if (mem == NULL) {
        const struct mem_platform_options options = { .flags = MEM_SINGLE_THREAD };

        mem = mem_platform_new(&options);
    } else {
        mem_platform_reset(mem);
    }
    FUZZ_REQUIRE(mem_mkdir(mem, FUZZ_DIR, 0700) == 0, "the platform in memory makes no directory");
    return mem;
}

static struct fuzz_expected *expected_room(void)
{
    static struct fuzz_expected room[FUZZ_RECORDS_MAX + FUZZ_BATCH_MAX];

    return room;
}

static void require_nothing_held(struct fuzz_channel *ch)
{
    const char *leaks = mem_platform_leaks(ch->mem);

    FUZZ_REQUIRE(leaks == NULL, "still held after the last close: %s", leaks);
    FUZZ_REQUIRE(ch->items == 0, "%lld items are neither delivered nor freed", (long long)ch->items);
}

void fuzz_channel_begin(struct fuzz_channel *ch)
{
    memset(ch, 0, sizeof *ch);
    ch->mem = mem_fresh();
}

hopper_status fuzz_channel_open(struct fuzz_channel *ch, const struct hopper_options *options, int carries_items,
                                const struct fuzz_fault *fault)
{
    struct hopper_stats stats = { .size = sizeof stats };
    struct hopper_error err;
    hopper_status st;

    ch->expected         = expected_room();
    ch->options          = *options;
    ch->options.platform = &ch->fp.table;
    ch->carries_items    = carries_items;
    ch->item_type =
        (struct hopper_item_type){ sizeof ch->item_type, item_pack, item_unpack, item_weight, item_free, ch };
    ch->options.item_type = carries_items ? &ch->item_type : NULL;
    fuzz_platform_init(&ch->fp, mem_platform_table(ch->mem));
    ch->fp.calls_max = 2000000;
    if (fault != NULL) ch->fp.fault = *fault;
    mem_watch_dir(ch->mem, FUZZ_PATH, options->disk_bytes);

    st = hopper_open(FUZZ_DIR, FUZZ_NAME, &ch->options, &ch->snd[0], &ch->rcv, &err);
    if (st != HOPPER_OK) {
        FUZZ_REQUIRE(ch->fp.hits > 0 || ch->files_touched || st == HOPPER_EINVAL, "open without a fault: %s",
                     hopper_status_name(st));
        FUZZ_REQUIRE(ch->snd[0] == NULL && ch->rcv == NULL && err.status == st, "open fails and leaves something");
        require_nothing_held(ch);
        return st;
    }
    ch->senders = 1;
    FUZZ_REQUIRE(hopper_receiver_stats(ch->rcv, &stats) == HOPPER_OK, "no stats after open");
    ch->record_bytes_max = stats.record_bytes_max;
    ch->gaps_allowed     = 1U << HOPPER_GAP_NONE;
    fuzz_channel_check(ch);
    return HOPPER_OK;
}

/* No queue file may stay, unless the target has put it there, or removing failed at the very end. */
static void require_files_removed(struct fuzz_channel *ch)
{
    char names[64][256];
    int count = mem_list(ch->mem, FUZZ_PATH, names, 64);

    for (int i = 0; i < count && !ch->files_touched && !ch->files_may_stay; i++)
        FUZZ_REQUIRE(strstr(names[i], ".hq") == NULL, "%s is left behind", names[i]);
}

void fuzz_channel_close(struct fuzz_channel *ch, int receiver_first)
{
    ch->fp.fault.kind = FUZZ_FAULT_NONE;
    if (receiver_first) fuzz_channel_close_receiver(ch);
    while (ch->senders > 0) fuzz_channel_close_sender(ch, ch->senders - 1);
    fuzz_channel_close_receiver(ch);
    require_nothing_held(ch);
    require_files_removed(ch);
    mem_watch_dir(ch->mem, NULL, 0);
}

void fuzz_channel_close_sender(struct fuzz_channel *ch, size_t which)
{
    uint64_t hits;

    if (ch->senders == 0) return;
    which %= ch->senders;
    hits = ch->fp.hits;
    hopper_sender_close(ch->snd[which]);
    ch->files_may_stay |= ch->fp.hits > hits;
    ch->snd[which] = ch->snd[--ch->senders];
}

/* ---- receiving ------------------------------------------------------------------------------------------------- */

static void check_contents(const struct fuzz_channel *ch, const struct hopper_record *rec)
{
    const struct fuzz_expected *want = &ch->expected[rec->seq - 1];

    if (ch->carries_items) {
        const struct fuzz_item *item = rec->data;

        FUZZ_REQUIRE(item != NULL && rec->len == 0, "record %llu is no item", (ull)rec->seq);
        FUZZ_REQUIRE(ch->contents_forged || (item->id == want->id && item->len == want->len),
                     "item %llu is %u of %u bytes, not %u of %u", (ull)rec->seq, (unsigned)item->id,
                     (unsigned)item->len, (unsigned)want->id, (unsigned)want->len);
    } else if (ch->contents_forged) {
        volatile int sink; /* look at each byte: they have to be there */

        FUZZ_REQUIRE(rec->len <= ch->record_bytes_max, "record %llu of %llu bytes", (ull)rec->seq, (ull)rec->len);
        sink = rec->len > 0 ? memcmp(rec->data, fuzz_content(0, (size_t)rec->len), (size_t)rec->len) : 0;
        (void)sink;
    } else {
        FUZZ_REQUIRE(rec->len == want->len, "record %llu has %llu bytes, not %u", (ull)rec->seq, (ull)rec->len,
                     (unsigned)want->len);
        FUZZ_REQUIRE(rec->len == 0 || memcmp(rec->data, fuzz_content(want->id, want->len), want->len) == 0,
                     "record %llu is not what was sent", (ull)rec->seq);
    }
}

static void check_gap(struct fuzz_channel *ch, const struct hopper_record *rec)
{
    unsigned allowed = ch->gaps_allowed;
    uint64_t last;

    FUZZ_REQUIRE(rec->data == NULL && rec->lost >= 1, "a gap of %llu with data", (ull)rec->lost);
    last = rec->seq + rec->lost - 1;
    FUZZ_REQUIRE(last >= rec->seq && last <= ch->accepted, "a gap to %llu, accepted were %llu", (ull)last,
                 (ull)ch->accepted);
    if (rec->lost == 1 && (ch->expected[rec->seq - 1].flags & FUZZ_ITEM_UNPACK_FAILS) != 0)
        allowed |= 1U << HOPPER_GAP_UNPACK;
    FUZZ_REQUIRE(rec->gap < HOPPER_GAP_REASONS && (allowed >> rec->gap & 1) != 0,
                 "a gap of %llu at %llu for no reason: %s", (ull)rec->lost, (ull)rec->seq, hopper_gap_name(rec->gap));
    ch->gaps[rec->gap] += rec->lost;
    ch->delivered = last;
}

static void check_delivered(struct fuzz_channel *ch, const struct hopper_record *rec)
{
    FUZZ_REQUIRE(rec->seq == ch->delivered + 1, "record %llu comes after %llu", (ull)rec->seq, (ull)ch->delivered);
    FUZZ_REQUIRE(rec->seq <= ch->accepted, "record %llu was never accepted", (ull)rec->seq);
    FUZZ_REQUIRE(rec->flags == 0, "flags of record %llu", (ull)rec->seq);
    if (rec->gap != HOPPER_GAP_NONE) {
        check_gap(ch, rec);
        return;
    }
    check_contents(ch, rec);
    ch->delivered = rec->seq;
    ch->received++;
}

/* The views of the last receive are about to go: they must have kept what they showed. Items are ours since then. */
static void views_end(struct fuzz_channel *ch)
{
    for (size_t i = 0; i < ch->view_count; i++) {
        if (ch->views[i].gap != HOPPER_GAP_NONE) continue;
        check_contents(ch, &ch->views[i]);
        if (ch->carries_items) item_free(ch, (void *)(uintptr_t)ch->views[i].data);
    }
    ch->view_count   = 0;
    ch->acknowledged = ch->received;
}

void fuzz_channel_acknowledge(struct fuzz_channel *ch)
{
    if (ch->rcv == NULL) return;
    views_end(ch);
    hopper_acknowledge(ch->rcv);
}

void fuzz_channel_close_receiver(struct fuzz_channel *ch)
{
    uint64_t hits = ch->fp.hits;

    views_end(ch);
    hopper_receiver_close(ch->rcv);
    ch->files_may_stay |= ch->fp.hits > hits;
    ch->rcv = NULL;
}

hopper_status fuzz_channel_receive(struct fuzz_channel *ch, size_t max)
{
    uint64_t hits = ch->fp.hits;
    size_t count  = 0;
    hopper_status st;

    if (ch->rcv == NULL) return HOPPER_END;
    views_end(ch);
    memset(ch->views, 0xa5, sizeof ch->views);
    max = max < FUZZ_BATCH_MAX ? max : FUZZ_BATCH_MAX;
    if (max == 0) {
        st    = hopper_receive(ch->rcv, &ch->views[0], HOPPER_NOW);
        count = st == HOPPER_OK;
    } else {
        st = hopper_receive_batch(ch->rcv, ch->views, max, HOPPER_NOW, &count);
        FUZZ_REQUIRE((count > 0) == (st == HOPPER_OK) && count <= max, "%s with %zu records", hopper_status_name(st),
                     count);
    }
    for (size_t i = 0; i < count; i++) check_delivered(ch, &ch->views[i]);
    ch->view_count = count;
    FUZZ_REQUIRE(st == HOPPER_OK || st == HOPPER_EAGAIN || st == HOPPER_END || (st == HOPPER_EIO && ch->fp.hits > hits),
                 "receive: %s", hopper_status_name(st));
    FUZZ_REQUIRE(st != HOPPER_END || (ch->senders == 0 && ch->delivered == ch->accepted), "the end at %llu of %llu",
                 (ull)ch->delivered, (ull)ch->accepted);
    FUZZ_REQUIRE(st != HOPPER_EAGAIN || (ch->senders > 0 && ch->delivered == ch->accepted),
                 "nothing to receive at %llu of %llu", (ull)ch->delivered, (ull)ch->accepted);
    return st;
}

hopper_status fuzz_channel_drain(struct fuzz_channel *ch)
{
    hopper_status st;

    while ((st = fuzz_channel_receive(ch, FUZZ_BATCH_MAX)) == HOPPER_OK) continue;
    return st;
}

void fuzz_channel_poll_fd(struct fuzz_channel *ch)
{
    hopper_status st;
    int fd = -2;

    if (ch->rcv == NULL) return;
    st = hopper_receiver_fd(ch->rcv, &fd);
    FUZZ_REQUIRE((st == HOPPER_OK && fd >= 0) || (st == HOPPER_EIO && fd == -1), "descriptor %d with %s", fd,
                 hopper_status_name(st));
    if (st == HOPPER_OK && (ch->delivered < ch->accepted || ch->senders == 0))
        FUZZ_REQUIRE(mem_event_is_set(ch->mem, fd), "the descriptor is quiet at %llu of %llu, %zu senders",
                     (ull)ch->delivered, (ull)ch->accepted, ch->senders);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static void model_accept(struct fuzz_channel *ch, uint32_t id, size_t len, uint32_t flags)
{
    ch->expected[ch->accepted++] = (struct fuzz_expected){ id, (uint32_t)len, flags };
}

/* ST refused something of LEN bytes (packed, for an item, a little more): is there a reason? HITS: faults before. */
static void check_refusal(struct fuzz_channel *ch, hopper_status st, uint64_t len, uint32_t flags)
{
    uint64_t overhead = ch->carries_items ? 32 : 0;
    int has_fault     = ch->fp.fault.kind != FUZZ_FAULT_NONE && ch->fp.hits > 0;
    int is_empty      = ch->rcv != NULL && ch->delivered == ch->accepted && ch->view_count == 0;

    switch (st) {
    case HOPPER_ECLOSED: FUZZ_REQUIRE(ch->rcv == NULL, "a send says closed with the receiver open"); break;
    case HOPPER_ETOOBIG:
        FUZZ_REQUIRE(len + overhead > ch->record_bytes_max, "%llu bytes are too big, the limit is %llu", (ull)len,
                     (ull)ch->record_bytes_max);
        break;
    case HOPPER_EPACK:
        FUZZ_REQUIRE((flags & (FUZZ_ITEM_PACK_FAILS | FUZZ_ITEM_PACK_DIFFERS)) != 0, "pack did not fail");
        break;
    case HOPPER_EFULL:
        FUZZ_REQUIRE(has_fault || !is_empty, "an empty channel is full for %llu bytes", (ull)len);
        ch->refused++;
        break;
    case HOPPER_ENOSPC:
    case HOPPER_EIO:
        FUZZ_REQUIRE(ch->fp.hits > 0 && (has_fault || !is_empty), "%s without a fault", hopper_status_name(st));
        ch->refused++;
        break;
    default: FUZZ_REQUIRE(0, "a send returns %s", hopper_status_name(st));
    }
}

static hopper_status send_bytes(struct fuzz_channel *ch, hopper_sender *snd, uint32_t id, size_t len)
{
    const uint8_t *data = len > 0 ? fuzz_content(id, len) : NULL;

    if (ch->options.when_full != HOPPER_FULL_BLOCK && (id & 2) != 0) return hopper_send(snd, data, len);
    return hopper_send_until(snd, data, len, HOPPER_NOW);
}

hopper_status fuzz_channel_send(struct fuzz_channel *ch, size_t which, size_t len, uint32_t flags)
{
    uint32_t id = ch->next_id++;
    hopper_status st;

    if (ch->senders == 0 || ch->accepted >= FUZZ_RECORDS_MAX) return HOPPER_ECLOSED;
    if (ch->carries_items) {
        struct fuzz_item *item = item_new(ch, id, (uint32_t)len, flags);

        st = hopper_send_item(ch->snd[which % ch->senders], item, HOPPER_NOW);
        if (st != HOPPER_OK) item_free(ch, item);
    } else {
        st = send_bytes(ch, ch->snd[which % ch->senders], id, len);
    }
    if (st == HOPPER_OK) {
        FUZZ_REQUIRE(ch->rcv != NULL, "a send is accepted that nobody can receive");
        FUZZ_REQUIRE(len <= ch->record_bytes_max || ch->carries_items, "%zu bytes are accepted", len);
        model_accept(ch, id, len, flags);
    } else {
        check_refusal(ch, st, len, flags);
    }
    return st;
}

/* RECORDS once more, side by side. */
static hopper_status send_joined(hopper_sender *snd, const struct iovec *records, size_t count, size_t *acceptedp)
{
    size_t offsets[FUZZ_BATCH_MAX + 1] = { 0 };
    unsigned char *data;
    hopper_status st;

    for (size_t i = 0; i < count; i++) offsets[i + 1] = offsets[i] + records[i].iov_len;
    data = malloc(offsets[count] + 1); /* exactly: nothing behind it may be read */
    FUZZ_REQUIRE(data != NULL, "no memory for a batch");
    for (size_t i = 0; i < count; i++)
        if (records[i].iov_len > 0) memcpy(data + 1 + offsets[i], records[i].iov_base, records[i].iov_len);
    st = hopper_send_joined(snd, data + 1, offsets, count, HOPPER_NOW, acceptedp);
    free(data);
    return st;
}

void fuzz_channel_send_batch(struct fuzz_channel *ch, size_t which, size_t count, size_t len, size_t step,
                             int is_joined)
{
    struct iovec records[FUZZ_BATCH_MAX];
    size_t accepted = SIZE_MAX;
    hopper_status st;

    if (ch->senders == 0 || ch->accepted >= FUZZ_RECORDS_MAX) return;
    count = count < FUZZ_BATCH_MAX ? count : FUZZ_BATCH_MAX;
    if (ch->carries_items) {
        for (size_t i = 0; i < count; i++) (void)fuzz_channel_send(ch, which, len + i * step, 0);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        records[i].iov_len  = len + i * step;
        records[i].iov_base = (void *)(uintptr_t)fuzz_content(ch->next_id + i, records[i].iov_len);
    }
    if (is_joined) st = send_joined(ch->snd[which % ch->senders], records, count, &accepted);
    else st = hopper_send_batch(ch->snd[which % ch->senders], records, count, HOPPER_NOW, &accepted);
    FUZZ_REQUIRE(accepted <= count && (st == HOPPER_OK) == (accepted == count), "%zu of %zu accepted with %s", accepted,
                 count, hopper_status_name(st));
    for (size_t i = 0; i < accepted; i++) model_accept(ch, ch->next_id + (uint32_t)i, records[i].iov_len, 0);
    ch->next_id += (uint32_t)count;
    if (st != HOPPER_OK) check_refusal(ch, st, records[accepted].iov_len, 0);
}

hopper_status fuzz_channel_flush(struct fuzz_channel *ch, size_t which)
{
    hopper_status st;

    if (ch->senders == 0) return HOPPER_ECLOSED;
    st = hopper_flush(ch->snd[which % ch->senders]);
    FUZZ_REQUIRE(st == HOPPER_OK || (st == HOPPER_ECLOSED && ch->rcv == NULL) || st == HOPPER_EFULL ||
                     ((st == HOPPER_ENOSPC || st == HOPPER_EIO) && ch->fp.hits > 0),
                 "flush: %s", hopper_status_name(st));
    return st;
}

void fuzz_channel_clone(struct fuzz_channel *ch, size_t which)
{
    uint64_t hits      = ch->fp.hits;
    hopper_sender *snd = NULL;
    hopper_status st;

    if (ch->senders == 0 || ch->senders == FUZZ_SENDERS_MAX) return;
    st = hopper_sender_clone(ch->snd[which % ch->senders], &snd);
    if (st == HOPPER_OK) ch->snd[ch->senders++] = snd;
    else
        FUZZ_REQUIRE(snd == NULL && st == HOPPER_ENOMEM, "clone: %s after %llu faults", hopper_status_name(st),
                     (ull)(ch->fp.hits - hits));
}

/* ---- the books ------------------------------------------------------------------------------------------------- */

static void check_budgets(struct fuzz_channel *ch, const struct hopper_stats *stats)
{
    uint64_t budget = stats->memory_bytes;
    struct mem_usage usage;

    if (stats->record_bytes_max > budget / 4) budget += stats->record_bytes_max + 32;
    mem_usage(ch->mem, &usage);
    FUZZ_REQUIRE(usage.held_bytes_peak <= budget + HANDLE_BYTES * FUZZ_SENDERS_MAX,
                 "%llu bytes of memory held, the budget is %llu", (ull)usage.held_bytes_peak, (ull)budget);
    FUZZ_REQUIRE(stats->memory_bytes_used <= budget, "%llu bytes of memory used, the budget is %llu",
                 (ull)stats->memory_bytes_used, (ull)budget);
    FUZZ_REQUIRE(stats->disk_bytes_used <= stats->disk_bytes, "%llu bytes of disk used, the budget is %llu",
                 (ull)stats->disk_bytes_used, (ull)stats->disk_bytes);
    FUZZ_REQUIRE(ch->files_touched || mem_watch_excess(ch->mem) == 0, "%llu bytes on disk beyond the budget of %llu",
                 (ull)mem_watch_excess(ch->mem), (ull)stats->disk_bytes);
}

static void check_counts(struct fuzz_channel *ch, const struct hopper_stats *stats)
{
    uint64_t gaps = 0;

    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++) {
        gaps += stats->gap_records[i];
        FUZZ_REQUIRE(stats->gap_records[i] >= ch->gaps[i], "%llu records lost as %s, %llu delivered as such",
                     (ull)stats->gap_records[i], hopper_gap_name(i), (ull)ch->gaps[i]);
    }
    FUZZ_REQUIRE(stats->accepted == ch->accepted && stats->seq_accepted == ch->accepted,
                 "%llu accepted, the last is %llu, but it was %llu", (ull)stats->accepted, (ull)stats->seq_accepted,
                 (ull)ch->accepted);
    FUZZ_REQUIRE(stats->seq_delivered == ch->delivered, "delivered to %llu, but it was %llu", (ull)stats->seq_delivered,
                 (ull)ch->delivered);
    FUZZ_REQUIRE(stats->acknowledged == ch->acknowledged, "%llu acknowledged, but it was %llu",
                 (ull)stats->acknowledged, (ull)ch->acknowledged);
    FUZZ_REQUIRE(stats->accepted == stats->acknowledged + stats->pending_memory + stats->pending_disk + gaps,
                 "%llu accepted, %llu acknowledged + %llu in memory + %llu on disk + %llu lost", (ull)stats->accepted,
                 (ull)stats->acknowledged, (ull)stats->pending_memory, (ull)stats->pending_disk, (ull)gaps);
    FUZZ_REQUIRE(stats->refused == ch->refused, "%llu refused, but it was %llu", (ull)stats->refused, (ull)ch->refused);
    FUZZ_REQUIRE(stats->senders == ch->senders, "%llu senders, but it was %zu", (ull)stats->senders, ch->senders);
    FUZZ_REQUIRE(stats->overflowed <= stats->accepted, "%llu overflowed of %llu", (ull)stats->overflowed,
                 (ull)stats->accepted);
    FUZZ_REQUIRE(stats->write_errors == 0 || ch->fp.hits > 0 || ch->files_touched, "write errors without a fault");
    FUZZ_REQUIRE(stats->read_errors == 0 || ch->fp.hits > 0 || ch->files_touched, "read errors without a fault");
}

void fuzz_channel_check(struct fuzz_channel *ch)
{
    struct hopper_stats stats = { .size = sizeof stats };

    if (ch->rcv != NULL) FUZZ_REQUIRE(hopper_receiver_stats(ch->rcv, &stats) == HOPPER_OK, "no stats");
    else if (ch->senders > 0) FUZZ_REQUIRE(hopper_sender_stats(ch->snd[0], &stats) == HOPPER_OK, "no stats");
    else return;
    check_budgets(ch, &stats);
    if (ch->rcv != NULL) /* what a closed receiver left undelivered is in no account */
        check_counts(ch, &stats);
}
