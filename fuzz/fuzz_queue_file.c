/* SPDX-License-Identifier: MIT */
/*
 * Queue files of any bytes, read to their end. A channel on the platform in memory overflows a known number of records
 * and flushes; then the input edits the files: replaces one whole, patches bytes, takes one apart into frames and
 * changes header fields, payloads or the order of frames with all checksums right, cuts off, removes, puts something
 * else in its place. Then everything is received.
 *
 * Required beside what fuzz_channel.c requires always: the end comes; every record is delivered or in a gap; as long as
 * no frame was forged, what is delivered is what was sent, and no more is lost than was in the frames that were
 * touched.
 */
#include "fuzz_channel.h"
#include "fuzz_image.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    FILES_MAX  = 12,
    EDITS_MAX  = 24,
    PATH_BYTES = 300,
    DAMAGE_GAPS =
        1 << HOPPER_GAP_CORRUPT | 1 << HOPPER_GAP_TRUNCATED | 1 << HOPPER_GAP_VANISHED | 1 << HOPPER_GAP_UNREADABLE
};

/* The files as they were and as they are now, scratch for edits. None of it is read before it is written. */
static struct fuzz_image was[FILES_MAX];
static struct fuzz_image edited;
static struct fuzz_frames frames;
static uint8_t payload[FUZZ_IMAGE_BYTES_MAX];

struct edit {
    struct fuzz_channel *ch;
    size_t files;
    char path[FILES_MAX][PATH_BYTES];
    uint8_t channel_id[HPR_CHANNEL_ID_BYTES];
    int is_unbounded; /* a file cannot be opened any more: all of it may be lost */
};

/* ---- the files ------------------------------------------------------------------------------------------------- */

static void image_load(struct mem_platform *mem, const char *path, struct fuzz_image *image)
{
    void *data = NULL;
    size_t len = 0;

    image->len = 0;
    if (mem_read_file(mem, path, &data, &len) != 0) return;
    image->len = len < sizeof image->bytes ? len : sizeof image->bytes;
    memcpy(image->bytes, data, image->len);
    free(data);
}

static void find_files(struct edit *edit)
{
    struct mem_platform *mem = edit->ch->mem;
    char names[FILES_MAX + 4][256];
    int count = mem_list(mem, FUZZ_PATH, names, FILES_MAX + 4);

    edit->files = 0;
    for (int i = 0; i < count && edit->files < FILES_MAX; i++) {
        struct fuzz_image *image = &was[edit->files];

        if (strstr(names[i], ".hq") == NULL) continue;
        memcpy(edit->path[edit->files], FUZZ_PATH "/", sizeof FUZZ_PATH + 1);
        strcat(edit->path[edit->files], names[i]);
        image_load(mem, edit->path[edit->files], image);
        image->number = strtoull(names[i], NULL, 10);
        memcpy(edit->channel_id, image->bytes + 16, sizeof edit->channel_id);
        edit->files++;
    }
}

/* ---- edits ----------------------------------------------------------------------------------------------------- */

static void edit_replace(struct edit *edit, size_t file, struct fuzz_input *in)
{
    size_t len;
    const uint8_t *bytes = fuzz_bytes(in, fuzz_u16(in), &len);

    (void)mem_write_file(edit->ch->mem, edit->path[file], bytes, len);
}

/* Up to 16 bytes at a place, xored or overwritten. */
static void edit_patch(struct edit *edit, size_t file, struct fuzz_input *in)
{
    size_t at   = fuzz_u16(in);
    uint8_t how = fuzz_u8(in);
    size_t len;
    const uint8_t *bytes = fuzz_bytes(in, 1 + (size_t)(how & 15), &len);

    image_load(edit->ch->mem, edit->path[file], &edited);
    if (edited.len == 0 || len == 0) return;
    at = (how & 16) != 0 && at < edited.len ? edited.len - 1 - at : at % edited.len; /* from either end */
    for (size_t i = 0; i < len && at + i < edited.len; i++)
        edited.bytes[at + i] = (how & 32) != 0 ? bytes[i] : edited.bytes[at + i] ^ bytes[i];
    (void)mem_write_file(edit->ch->mem, edit->path[file], edited.bytes, edited.len);
}

/* Set a field of a frame header or of the footer to what the input says, or change it by so much. */
static void change_field(struct fuzz_frame *frame, struct fuzz_input *in)
{
    uint8_t which              = fuzz_u8(in);
    uint64_t value             = fuzz_u32(in);
    struct hpr_frame_header *h = &frame->header;
    uint64_t base;

    if ((which & 0x80) != 0) value |= value << 32;
    if ((which & 0x40) != 0) /* a little less or more */
        value = (uint64_t)(int64_t)(int8_t)value;
    base = (which & 0x40) != 0 ? UINT64_MAX : 0;
    switch (which & 7) {
    case 0:
        h->codec        = (uint32_t)((hpr_frame_codec(h) & base) + value);
        h->record_bytes = 0;
        break;
    case 1: h->records = (uint32_t)((h->records & base) + value); break;
    case 2: h->raw_bytes = (uint32_t)((h->raw_bytes & base) + value); break;
    case 3: h->first_seq = (h->first_seq & base) + value; break;
    case 4: h->dropped_total = (h->dropped_total & base) + value; break;
    case 5: h->opened_ms = (h->opened_ms & base) + value; break;
    case 6: frames.footer.records = (frames.footer.records & base) + value; break;
    default: frames.footer.last_seq = (frames.footer.last_seq & base) + value; break;
    }
}

/* The LEN bytes at DATA deflated to PAYLOAD; what does not fit is cut off. */
static size_t deflate_to_payload(const uint8_t *data, size_t len)
{
    z_stream z;

    memset(&z, 0, sizeof z);
    FUZZ_REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK, "no memory");
    z.next_in   = (z_const Bytef *)(uintptr_t)data;
    z.avail_in  = (uInt)len;
    z.next_out  = payload;
    z.avail_out = (uInt)sizeof payload;
    (void)deflate(&z, Z_FINISH);
    (void)deflateEnd(&z);
    return sizeof payload - z.avail_out;
}

/* A new payload: bytes of the input as they are, the same deflated, or the old payload with a few bytes changed. */
static void change_payload(struct fuzz_frame *frame, struct fuzz_input *in)
{
    uint8_t how = fuzz_u8(in);
    size_t len;
    const uint8_t *bytes       = fuzz_bytes(in, fuzz_u8(in), &len);
    struct hpr_frame_header *h = &frame->header;

    if ((how & 3) == 0) {
        memcpy(payload, frame->payload, h->stored_bytes);
        for (size_t i = 0; i + 1 < len && h->stored_bytes > 0; i += 2)
            payload[bytes[i] * (size_t)(1 + (how >> 4) * 17) % h->stored_bytes] ^= bytes[i + 1];
    } else if ((how & 3) == 1) {
        h->codec = HPR_CODEC_STORED;
        memcpy(payload, bytes, len);
        h->raw_bytes = h->stored_bytes = (uint32_t)len;
    } else if ((how & 3) == 2) { /* a deflate stream of the fuzzer's own; raw_bytes stays, often wrong */
        h->codec = HPR_CODEC_DEFLATE;
        memcpy(payload, bytes, len);
        h->stored_bytes = (uint32_t)len;
        if ((how & 4) != 0) h->raw_bytes = fuzz_u16(in);
    } else {
        h->codec        = HPR_CODEC_DEFLATE;
        h->raw_bytes    = (uint32_t)len;
        h->stored_bytes = (uint32_t)deflate_to_payload(bytes, len);
    }
    if ((how & 8) != 0) h->records = 1 + fuzz_u8(in);
    frame->payload = payload;
}

/* Leave a frame out, have it twice, or exchange two. */
static void change_order(size_t index, struct fuzz_input *in)
{
    uint8_t how            = fuzz_u8(in);
    size_t other           = (how >> 2) % frames.count;
    struct fuzz_frame kept = frames.frame[index];

    switch (how & 3) {
    case 0:
        frames.count--;
        memmove(&frames.frame[index], &frames.frame[index + 1], (frames.count - index) * sizeof kept);
        break;
    case 1:
        if (frames.count < FUZZ_FRAMES_MAX) frames.frame[frames.count++] = kept;
        break;
    case 2:
        frames.frame[index] = frames.frame[other];
        frames.frame[other] = kept;
        break;
    default: frames.has_footer = !frames.has_footer; break;
    }
}

/* Change one frame and make all that guards it right again. */
static void edit_frames(struct edit *edit, size_t file, struct fuzz_input *in, uint8_t op)
{
    static struct fuzz_image old;
    size_t index = fuzz_u8(in);

    image_load(edit->ch->mem, edit->path[file], &old);
    old.number = was[file].number;
    if (old.len < HPR_FILE_HEADER_BYTES) return;
    fuzz_image_take_apart(&old, edit->channel_id, &frames);
    if (frames.count == 0) return;
    index %= frames.count;
    if (op % 3 == 0) change_field(&frames.frame[index], in);
    else if (op % 3 == 1) change_payload(&frames.frame[index], in);
    else change_order(index, in);
    fuzz_image_put_together(&edited, &old, edit->channel_id, &frames, 0);
    (void)mem_write_file(edit->ch->mem, edit->path[file], edited.bytes, edited.len);
    edit->ch->contents_forged = 1;
}

/* Change the file header and make its checksum right. */
static void edit_file_header(struct edit *edit, size_t file, struct fuzz_input *in)
{
    const size_t last = HPR_FILE_HEADER_BYTES - 4; /* the checksum ends the header */
    size_t at         = fuzz_u8(in) % last;

    image_load(edit->ch->mem, edit->path[file], &edited);
    if (edited.len < HPR_FILE_HEADER_BYTES) return;
    edited.bytes[at] = fuzz_u8(in);
    edited.bytes[last - 1 - at] ^= fuzz_u8(in);
    hpr_put_u32(edited.bytes + last, hpr_crc32(0, edited.bytes, last));
    (void)mem_write_file(edit->ch->mem, edit->path[file], edited.bytes, edited.len);
}

/* Not a directory, which must not get a second name. */
static int is_file(struct mem_platform *mem, const char *path)
{
    void *data = NULL;
    size_t len = 0;
    int result = mem_read_file(mem, path, &data, &len) == 0;

    free(data);
    return result;
}

/* What the library finds is another file, or no file. */
static void edit_name(struct edit *edit, size_t file, struct fuzz_input *in)
{
    struct mem_platform *mem = edit->ch->mem;
    const char *path         = edit->path[file];
    uint8_t how              = fuzz_u8(in);
    const char *other        = edit->path[(size_t)(how >> 3) % edit->files];

    edit->is_unbounded = 1;
    switch (how & 7) {
    case 0: (void)mem_remove(mem, path); break;
    case 1: (void)mem_rename(mem, path, other); break;
    case 2:
        if (mem_remove(mem, path) == 0) (void)mem_symlink(mem, path, other);
        break;
    case 3:
        if (mem_remove(mem, path) == 0) (void)mem_fifo(mem, path);
        break;
    case 4:
        if (mem_remove(mem, path) == 0) (void)mem_mkdir(mem, path, 0700);
        break;
    case 5:
        if (is_file(mem, path)) (void)mem_link(mem, path, FUZZ_DIR "/link");
        break;
    case 6: (void)mem_chmod(mem, path, 0); break;
    default: /* what stands in one file also in the other */
        image_load(mem, path, &edited);
        (void)mem_write_file(mem, other, edited.bytes, edited.len);
        break;
    }
}

static void edit_once(struct edit *edit, struct fuzz_input *in)
{
    uint8_t op  = fuzz_u8(in);
    size_t file = (size_t)(op >> 4) % edit->files;

    switch (op & 15) {
    case 0: edit_replace(edit, file, in); break;
    case 1:
    case 2:
    case 3: edit_patch(edit, file, in); break;
    case 4: (void)mem_truncate(edit->ch->mem, edit->path[file], fuzz_u16(in)); break;
    case 5: edit_file_header(edit, file, in); break;
    case 6: edit_name(edit, file, in); break;
    default: edit_frames(edit, file, in, op & 15); break;
    }
}

/* After the edits: what may be lost at the most, and whether frames were forged that nobody forged on purpose. */
static uint64_t damage(struct edit *edit)
{
    uint64_t lost = 0;

    for (size_t i = 0; i < edit->files; i++) {
        edited.number = was[i].number;
        image_load(edit->ch->mem, edit->path[i], &edited);
        lost += fuzz_image_records_lost(&was[i], &edited, edit->channel_id);
        if (!edit->ch->contents_forged && fuzz_image_is_forged(&was[i], &edited, edit->channel_id))
            edit->ch->contents_forged = 1;
    }
    return edit->is_unbounded ? UINT64_MAX : lost;
}

/* ---- the channel ----------------------------------------------------------------------------------------------- */

/* Fill memory with a few large records, so that what follows goes to disk. */
static void fill_memory(struct fuzz_channel *ch)
{
    struct hopper_stats stats = { .size = sizeof stats };

    do {
        FUZZ_REQUIRE(fuzz_channel_send(ch, 0, 6000, 0) == HOPPER_OK, "no room for %llu records",
                     (unsigned long long)ch->accepted + 1);
        FUZZ_REQUIRE(hopper_receiver_stats(ch->rcv, &stats) == HOPPER_OK, "no stats");
    } while (stats.overflowed == 0);
}

/* Groups of records, each flushed into a frame of its own. */
static void overflow(struct fuzz_channel *ch, struct fuzz_input *in)
{
    uint8_t groups = 1 + fuzz_u8(in) % 8;
    uint8_t shape  = fuzz_u8(in);

    for (uint8_t i = 0; i < groups; i++) {
        for (int n = 1 + (shape & 15); n > 0; n--)
            (void)fuzz_channel_send(ch, 0, (size_t)(shape >> 4) * 37 + (size_t)n * i, 0);
        if ((shape & 0xc0) == 0xc0 && i == 1)
            (void)fuzz_channel_send(ch, 0, ch->record_bytes_max - 64, 0); /* in a frame of its own */
        FUZZ_REQUIRE(fuzz_channel_flush(ch, 0) == HOPPER_OK, "flush");
    }
}

static void receive_all(struct fuzz_channel *ch, uint8_t mode, uint64_t lost_most)
{
    uint64_t lost = 0;
    hopper_status st;

    if ((mode & 0x80) != 0) { /* sending goes on over the damage */
        for (int i = 0; i < 40; i++) (void)fuzz_channel_send(ch, 0, 500, 0);
        (void)fuzz_channel_flush(ch, 0);
    }
    fuzz_channel_close_sender(ch, 0);
    do {
        st = fuzz_channel_receive(ch, mode >> 5 & 3);
        fuzz_channel_check(ch);
    } while (st == HOPPER_OK);
    FUZZ_REQUIRE(st == HOPPER_END, "at the end: %s", hopper_status_name(st));
    for (unsigned i = 0; i < HOPPER_GAP_REASONS; i++) lost += ch->gaps[i];
    FUZZ_REQUIRE(ch->contents_forged || (mode & 0x80) != 0 || lost <= lost_most,
                 "%llu records are lost, no more than %llu were touched", (unsigned long long)lost,
                 (unsigned long long)lost_most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t levels[4] = { HOPPER_COMPRESSION_NONE, 1, 6, 9 };
    struct hopper_options options   = { .size = sizeof options };
    struct fuzz_input in            = { data, size };
    struct fuzz_channel ch;
    struct edit edit;
    uint8_t mode = fuzz_u8(&in);
    uint64_t lost_most;

    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    options.disk_bytes   = 4 << 20;
    options.file_bytes   = (mode & 8) != 0 ? 4096 : 0;
    options.when_full    = HOPPER_FULL_REFUSE;
    options.compression  = levels[mode & 3];
    fuzz_channel_begin(&ch);
    FUZZ_REQUIRE(fuzz_channel_open(&ch, &options, (mode & 4) != 0, NULL) == HOPPER_OK, "no channel");
    fill_memory(&ch);
    overflow(&ch, &in);
    if ((mode & 16) != 0) /* the reader is already in the file */
        while (ch.delivered + 4 < ch.accepted && fuzz_channel_receive(&ch, 0) == HOPPER_OK && ch.views[0].len > 5000)
            continue;

    edit.ch           = &ch;
    edit.is_unbounded = 0;
    find_files(&edit);
    for (int i = 0; i < EDITS_MAX && in.left > 0 && edit.files > 0; i++) edit_once(&edit, &in);
    lost_most        = damage(&edit);
    ch.files_touched = 1;
    ch.gaps_allowed |= ch.contents_forged ? UINT32_MAX : DAMAGE_GAPS;
    receive_all(&ch, mode, lost_most);
    fuzz_channel_close(&ch, 1);
    return 0;
}
