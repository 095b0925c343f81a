/* SPDX-License-Identifier: MIT */
/*
 * A channel's directory that somebody has filled before it is opened: files under the names that the library uses and
 * under others, with contents that are queue files of an earlier run, of a newer version, of a channel that survives,
 * cut short or anything; links, FIFOs and directories under those names; a lock that another process holds.
 *
 * Required: the open says yes or why not. What the library did not make is as it was, whatever the open said and
 * however the channel was used then: only a LOCK of its kind, queue files of a volatile channel and beginnings of such
 * may be changed or removed. An open channel works: it overflows past the names that are taken and loses nothing.
 */
#include "fuzz_channel.h"

#include "bytes.h"
#include "frame.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 12, CONTENT_BYTES_MAX = 300 };

enum entry_kind { ENTRY_FILE, ENTRY_LINKED_FILE, ENTRY_SYMLINK, ENTRY_FIFO, ENTRY_DIRECTORY };

struct entry {
    char path[64];
    const char *name;
    enum entry_kind kind;
    size_t len;
    uint8_t bytes[CONTENT_BYTES_MAX];
};

static const char *const names[] = {
    "LOCK",
    "STATE",
    "MEMORY",
    "00000000000000000001.hq",
    "00000000000000000002.hq",
    "00000000000000000003.hq",
    "00000000000000000007.hq",
    "00000000000000000000.hq",
    "18446744073709551615.hq",
    "18446744073709551614.hq",
    "18446744073709551616.hq",
    "0000000000000000001.hq",
    "00000000000000000001.HQ",
    "+0000000000000000001.hq",
    "notes.txt",
    ".hq",
};

/* ---- filling --------------------------------------------------------------------------------------------------- */

/* A queue file's header with right checksum; WHAT says of whom. Returns its bytes. */
static size_t put_header(uint8_t *bytes, uint8_t what, const char *name)
{
    struct hpr_file_header header = { .number = strtoull(name, NULL, 10), .first_seq = 1 };

    memcpy(header.channel_id, "somebody else's", sizeof header.channel_id);
    header.survive = what & 3;
    hpr_frame_put_file_header(bytes, &header);
    if ((what & 4) != 0) { /* of a later version */
        hpr_put_u16(bytes + 8, (uint16_t)(HOPPER_FORMAT_VERSION + 1));
        hpr_put_u32(bytes + HPR_FILE_HEADER_BYTES - 4, hpr_crc32(0, bytes, HPR_FILE_HEADER_BYTES - 4));
    }
    if ((what & 8) != 0) bytes[40] ^= 0x10; /* damaged */
    return HPR_FILE_HEADER_BYTES;
}

static void entry_read(struct entry *entry, struct fuzz_input *in)
{
    uint8_t name = fuzz_u8(in);
    uint8_t what = fuzz_u8(in);
    size_t len;
    const uint8_t *bytes;

    memset(entry, 0, sizeof *entry);
    entry->name = names[name % (sizeof names / sizeof names[0])];
    memcpy(entry->path, FUZZ_PATH "/", sizeof FUZZ_PATH + 1);
    strcat(entry->path, entry->name);
    entry->kind = (what & 7) < 4 ? ENTRY_FILE : (enum entry_kind)((what & 7) - 3);
    if ((what & 8) != 0) entry->len = put_header(entry->bytes, what >> 4, entry->name);
    bytes = fuzz_bytes(in, fuzz_u8(in) % (CONTENT_BYTES_MAX - HPR_FILE_HEADER_BYTES), &len);
    memcpy(entry->bytes + entry->len, bytes, len);
    entry->len += len;
    if ((what & 0x88) == 0x88) entry->len %= HPR_FILE_HEADER_BYTES; /* cut short */
}

/* The other name of a file with two. */
static void link_path(char *out, const struct entry *entry)
{
    memcpy(out, FUZZ_DIR "/", sizeof FUZZ_DIR + 1);
    strcat(out, entry->name);
}

/* Returns whether it was made: names come once. */
static int entry_make(const struct entry *entry, struct mem_platform *mem)
{
    char other[sizeof entry->path];

    if (mem_exists(mem, entry->path)) return 0;
    switch (entry->kind) {
    case ENTRY_FILE: return mem_write_file(mem, entry->path, entry->bytes, entry->len) == 0;
    case ENTRY_LINKED_FILE:
        link_path(other, entry);
        return mem_write_file(mem, entry->path, entry->bytes, entry->len) == 0 &&
               mem_link(mem, entry->path, other) == 0;
    case ENTRY_SYMLINK: return mem_symlink(mem, entry->path, FUZZ_DIR "/target") == 0;
    case ENTRY_FIFO: return mem_fifo(mem, entry->path) == 0;
    case ENTRY_DIRECTORY: break;
    }
    return mem_mkdir(mem, entry->path, 0700) == 0;
}

/* ---- afterwards ------------------------------------------------------------------------------------------------ */

/* Whether NAME is that of a queue file, told in another way than the library does it. */
static int is_queue_file_name(const char *name)
{
    return strlen(name) == 23 && strspn(name, "0123456789") == 20 && strcmp(name + 20, ".hq") == 0 &&
           strcmp(name, "18446744073709551615.hq") <= 0;
}

/* Whether the library may take ENTRY for its own: a LOCK, a volatile channel's queue file, the beginning of one. Of a
 * file with a second name it may take the name away, but for LOCK. */
static int may_change(const struct entry *entry)
{
    uint8_t mark[HPR_FILE_HEADER_BYTES];
    struct hpr_file_header header;

    if (entry->kind != ENTRY_FILE && entry->kind != ENTRY_LINKED_FILE) return 0;
    if (strcmp(entry->name, "LOCK") == 0) return entry->kind == ENTRY_FILE && entry->len <= 64;
    if (!is_queue_file_name(entry->name)) return 0;
    if (hpr_frame_get_file_header(entry->bytes, entry->len, &header) == HPR_FILE_OURS) return header.survive == 0;
    put_header(mark, 0, entry->name);
    return entry->len < HPR_FILE_HEADER_BYTES && memcmp(entry->bytes, mark, entry->len < 8 ? entry->len : 8) == 0;
}

/* The file at PATH still holds what ENTRY says. */
static void check_contents(const struct entry *entry, struct mem_platform *mem, const char *path)
{
    void *data = NULL;
    size_t len = 0;

    FUZZ_REQUIRE(mem_read_file(mem, path, &data, &len) == 0, "%s cannot be read any more", path);
    FUZZ_REQUIRE(len == entry->len && memcmp(data, entry->bytes, len) == 0, "%s was changed, and was not ours", path);
    free(data);
}

static void check_entry(const struct entry *entry, struct mem_platform *mem)
{
    char other[sizeof entry->path];

    link_path(other, entry);
    if (entry->kind == ENTRY_LINKED_FILE) check_contents(entry, mem, other);
    if (may_change(entry)) return;
    FUZZ_REQUIRE(mem_exists(mem, entry->path), "%s is gone, and was not ours", entry->name);
    if (entry->kind == ENTRY_FILE || entry->kind == ENTRY_LINKED_FILE) check_contents(entry, mem, entry->path);
}

static void use(struct fuzz_channel *ch, struct fuzz_input *in)
{
    uint8_t shape = fuzz_u8(in);
    hopper_status st;

    for (int i = 0; i < 24 + (shape & 31); i++) {
        (void)fuzz_channel_send(ch, 0, 6000, 0);
        if ((shape & 32) != 0 && i > 20) (void)fuzz_channel_flush(ch, 0);
        if ((shape & 64) != 0) (void)fuzz_channel_receive(ch, 1);
    }
    fuzz_channel_check(ch);
    fuzz_channel_close_sender(ch, 0);
    st = fuzz_channel_drain(ch);
    FUZZ_REQUIRE(st == HOPPER_END, "at the end: %s", hopper_status_name(st));
    fuzz_channel_check(ch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct entry entries[ENTRIES_MAX];
    struct hopper_options options = { .size = sizeof options };
    struct fuzz_input in          = { data, size };
    struct fuzz_channel ch;
    uint8_t mode = fuzz_u8(&in);
    size_t count = 0;

    fuzz_channel_begin(&ch);
    FUZZ_REQUIRE(mem_mkdir(ch.mem, FUZZ_PATH, 0700) == 0, "no directory");
    FUZZ_REQUIRE(mem_write_file(ch.mem, FUZZ_DIR "/target", "linked", 6) == 0, "no file");
    for (unsigned n = mode % ENTRIES_MAX; n > 0; n--) {
        entry_read(&entries[count], &in);
        if (entry_make(&entries[count], ch.mem)) count++;
    }
    if ((mode & 0x40) != 0) (void)mem_lock_by_other(ch.mem, FUZZ_PATH "/LOCK", true);

    ch.files_touched     = 1;
    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    options.disk_bytes   = 1 << 20;
    options.file_bytes   = (mode & 0x80) != 0 ? 8192 : 0;
    options.when_full    = HOPPER_FULL_REFUSE;
    if (fuzz_channel_open(&ch, &options, 0, NULL) == HOPPER_OK) {
        use(&ch, &in);
        fuzz_channel_close(&ch, 1);
    }
    for (size_t i = 0; i < count; i++) check_entry(&entries[i], ch.mem);
    if (mem_exists(ch.mem, FUZZ_PATH "/LOCK")) (void)mem_lock_by_other(ch.mem, FUZZ_PATH "/LOCK", false);
    return 0;
}
