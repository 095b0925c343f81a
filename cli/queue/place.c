/* SPDX-License-Identifier: MIT */
/* See place.h. The channel's id comes from STATE, else from MEMORY, else from the first queue file with a good
 * header. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "numbers.h"
#include "options.h" /* HPR_LOCK_FILE_BYTES */
#include "queue_file.h"
#include "say.h"

/* ---- files ---- */

int place_open_file(const struct place *place, const char *name, uint64_t *bytesp)
{
    const struct hopper_io *io = place->io;
    struct hopper_io_stat st;
    int fd, res;

    *bytesp = 0;
    res     = io->stat_at(io->ctx, place->fd, name, &st); /* first: to open a device may do something */
    if (res < 0) return res;
    if (st.kind != HOPPER_IO_FILE) return -ENOTSUP;
    fd = io->open_at(io->ctx, place->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    res = io->stat(io->ctx, fd, &st);
    if (res == 0 && st.kind == HOPPER_IO_FILE) {
        *bytesp = st.bytes;
        return fd;
    }
    hpr_io_close(io, fd);
    return res < 0 ? res : -ENOTSUP;
}

int place_open_number(const struct place *place, uint64_t number, uint64_t *bytesp)
{
    char name[HPR_QUEUE_FILE_NAME_BYTES];

    hpr_queue_file_name(name, number);
    return place_open_file(place, name, bytesp);
}

bool place_has_kept_memory(const struct place *place)
{
    struct hopper_io_stat st;

    return place->io->stat_at(place->io->ctx, place->fd, HPR_MEMORY_NAME PLACE_KEPT_SUFFIX, &st) == 0;
}

bool place_has_kept(const struct place *place, uint64_t number)
{
    char name[PLACE_KEPT_NAME_BYTES];
    struct hopper_io_stat st;

    hpr_queue_file_name(name, number);
    memcpy(name + strlen(name), PLACE_KEPT_SUFFIX, sizeof PLACE_KEPT_SUFFIX);
    return place->io->stat_at(place->io->ctx, place->fd, name, &st) == 0 && st.kind == HOPPER_IO_FILE;
}

/* Not in the platform's table, as the library does without: only a hint, and none where the system knows no holes. */
uint64_t place_next_data(int fd, uint64_t at, uint64_t end)
{
#ifdef SEEK_DATA
    off_t found;

    if (at >= end || at > INT64_MAX) return end;
    found = lseek(fd, (off_t)at, SEEK_DATA);
    if (found < 0) return errno == ENXIO ? end : at;
    return hpr_min_u64((uint64_t)found, end);
#else
    (void)fd;
    return hpr_min_u64(at, end);
#endif
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool is_kept_name(const char *name)
{
    size_t len = strlen(name), suffix = sizeof PLACE_KEPT_SUFFIX - 1;
    char base[HPR_QUEUE_FILE_NAME_BYTES];
    uint64_t number;

    if (strcmp(name, HPR_STATE_NAME PLACE_KEPT_SUFFIX) == 0 || strcmp(name, HPR_MEMORY_NAME PLACE_KEPT_SUFFIX) == 0)
        return true;
    if (len != sizeof base - 1 + suffix || strcmp(name + len - suffix, PLACE_KEPT_SUFFIX) != 0) return false;
    memcpy(base, name, sizeof base - 1);
    base[sizeof base - 1] = '\0';
    return hpr_queue_file_parse_name(base, &number);
}

const char *const place_ways[PLACE_WAYS] = { HPR_MEMORY_SPARE_NAME, HPR_PRODUCERS_NAME, HPR_REWRITE_NAME };

bool place_is_in_way(const struct place *place, const char *name)
{
    struct hopper_io_stat st;

    if (place->io->stat_at(place->io->ctx, place->fd, name, &st) != 0) return false;
    if (strcmp(name, PLACE_LOCK_NAME) == 0)
        return st.kind != HOPPER_IO_FILE || st.links != 1 || st.bytes > HPR_LOCK_FILE_BYTES;
    if (!place->has_id || place->survive == HOPPER_SURVIVE_NOTHING) return false;
    if (strcmp(name, HPR_REWRITE_NAME) == 0) return st.kind == HOPPER_IO_DIR; /* all else is removed at open */
    if (strcmp(name, HPR_MEMORY_SPARE_NAME) == 0 && place->survive != HOPPER_SURVIVE_CRASH) return false;
    return st.kind != HOPPER_IO_FILE || st.links != 1;
}

/* What repair has put out of the way. */
static bool is_put_aside(const char *name)
{
    for (size_t i = 0; i < PLACE_WAYS; i++) {
        size_t len = strlen(place_ways[i]), suffix = sizeof PLACE_KEPT_SUFFIX - 1;

        if (strncmp(name, place_ways[i], len) == 0 && strncmp(name + len, PLACE_KEPT_SUFFIX, suffix) == 0) return true;
    }
    return false;
}

static bool is_our_name(const char *name)
{
    static const char *const names[] = { PLACE_LOCK_NAME,       HPR_STATE_NAME,     HPR_MEMORY_NAME,
                                         HPR_MEMORY_SPARE_NAME, HPR_PRODUCERS_NAME, HPR_REWRITE_NAME };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

enum hpr_file_verdict place_read_header(const struct place *place, uint64_t number, struct hpr_file_header *header)
{
    unsigned char bytes[HPR_FILE_HEADER_BYTES];
    enum hpr_file_verdict verdict = HPR_FILE_FOREIGN;
    uint64_t size;
    size_t got;
    int fd = place_open_number(place, number, &size);

    if (fd < 0) return HPR_FILE_FOREIGN;
    if (hpr_io_read(place->io, fd, bytes, sizeof bytes, 0, &got) == 0)
        verdict = hpr_frame_get_file_header(bytes, got, header);
    hpr_io_close(place->io, fd);
    return verdict == HPR_FILE_OURS && header->number != number ? HPR_FILE_FOREIGN : verdict;
}

/* With the highest numbers there is somebody else's file, whatever is in it, unless it says itself that it is not. */
static bool is_nobodys_number(const struct place *place, uint64_t number)
{
    struct hpr_file_header header;
    enum hpr_file_verdict verdict;

    if (number < HPR_NUMBER_FOREIGN_MAX || number >= HPR_NUMBER_END) return number >= HPR_NUMBER_FOREIGN_MAX;
    verdict = place_read_header(place, number, &header);
    return verdict != HPR_FILE_OURS && verdict != HPR_FILE_NEWER;
}

static int take_name(void *arg, const char *name)
{
    struct place *place = arg;
    uint64_t number;

    if (!hpr_queue_file_parse_name(name, &number)) {
        if (is_kept_name(name)) place->kept++;
        else if (!is_our_name(name) && !is_put_aside(name)) place->others++;
        return 0;
    }
    if (is_nobodys_number(place, number)) {
        place->others++;
        return 0;
    }
    if (place->count == place->room) {
        size_t room       = place->room * 2 + 64;
        uint64_t *numbers = realloc(place->numbers, room * sizeof *numbers);

        if (!numbers) return -ENOMEM;
        place->numbers = numbers;
        place->room    = room;
    }
    place->numbers[place->count++] = number;
    return 0;
}

int place_list(struct place *place)
{
    int res;

    place->count = place->kept = place->others = 0;
    res                                        = place->io->list(place->io->ctx, place->fd, take_name, place);
    if (res < 0) {
        say_failure(res, "%s: cannot list the directory", place->path);
        return res;
    }
    if (place->count > 0) qsort(place->numbers, place->count, sizeof place->numbers[0], compare_numbers);
    return 0;
}

/* ---- the owner ---- */

/* The platform's table can only take the lock. To ask who holds it without taking it needs open file description locks;
 * where the system has none the answer is "unknown". */
static enum place_owner ask_lock(int fd)
{
#ifdef F_OFD_GETLK
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0, .l_pid = 0 };
    int res;

    do res = fcntl(fd, F_OFD_GETLK, &whole);
    while (res < 0 && errno == EINTR);
    if (res < 0) return PLACE_UNKNOWN;
    return whole.l_type == F_UNLCK ? PLACE_FREE : PLACE_OWNED;
#else
    (void)fd;
    return PLACE_UNKNOWN;
#endif
}

void place_ask_owner(struct place *place)
{
    char text[HPR_LOCK_FILE_BYTES + 1] = "";
    uint64_t bytes;
    size_t got;
    int fd;

    place->owner     = PLACE_FREE;
    place->owner_pid = 0;
    if (place->is_ours) return;
    fd = place_open_file(place, PLACE_LOCK_NAME, &bytes);
    if (fd == -ENOENT) return;
    place->owner = PLACE_UNKNOWN;
    if (fd < 0) return;
    place->owner = ask_lock(fd);
    if (place->owner != PLACE_FREE && hpr_io_read(place->io, fd, text, sizeof text - 1, 0, &got) == 0 &&
        strncmp(text, "pid ", 4) == 0)
        place->owner_pid = strtol(text + 4, NULL, 10);
    hpr_io_close(place->io, fd);
}

/* ---- STATE and MEMORY ---- */

static enum place_part part_of(enum hpr_file_verdict verdict, int res)
{
    if (res == -ENOENT) return PART_ABSENT;
    switch (verdict) {
    case HPR_FILE_OURS: return PART_GOOD;
    case HPR_FILE_NEWER: return PART_NEWER;
    case HPR_FILE_DAMAGED:
    case HPR_FILE_FOREIGN: break;
    }
    return res < 0 && res != -ENOTSUP ? PART_UNREADABLE : PART_DAMAGED;
}

static unsigned count_state_slots(const struct place *place, int fd)
{
    unsigned char bytes[HPR_STATE_SLOT_BYTES];
    struct hpr_state state;
    unsigned good = 0;
    size_t got;

    for (uint64_t slot = 0; slot < HPR_STATE_SLOTS; slot++)
        if (hpr_io_read(place->io, fd, bytes, sizeof bytes, slot * (HPR_STATE_FILE_BYTES / HPR_STATE_SLOTS), &got) ==
                0 &&
            hpr_state_get(bytes, got, &state) == HPR_FILE_OURS)
            good++;
    return good;
}

/* As it is made: whoever opened the channel was killed before anything was in it. */
static bool is_zeros(const struct place *place, int fd)
{
    unsigned char bytes[HPR_STATE_FILE_BYTES];
    size_t got, i = 0;

    if (hpr_io_read(place->io, fd, bytes, sizeof bytes, 0, &got) < 0) return false;
    while (i < got && bytes[i] == 0) i++;
    return i == got;
}

static void look_at_state(struct place *place)
{
    enum hpr_file_verdict verdict = HPR_FILE_FOREIGN;
    bool is_blank                 = false;
    uint64_t bytes;
    int fd = place_open_file(place, HPR_STATE_NAME, &bytes), res = fd;

    place->state_slots = 0;
    memset(&place->state, 0, sizeof place->state);
    if (fd >= 0) {
        verdict            = hpr_state_read(place->io, fd, &place->state, &res);
        place->state_slots = count_state_slots(place, fd);
        is_blank           = is_zeros(place, fd);
        hpr_io_close(place->io, fd);
    }
    place->state_part = part_of(verdict, res);
    if (place->state_part == PART_DAMAGED && place->count == 0 && is_blank) place->state_part = PART_ABSENT;
}

static void look_at_memory(struct place *place)
{
    enum hpr_file_verdict verdict = HPR_FILE_FOREIGN;
    uint64_t bytes;
    int fd = place_open_file(place, HPR_MEMORY_NAME, &bytes), res = fd;

    hpr_memory_old_close(&place->memory);
    if (fd >= 0) {
        hpr_io_close(place->io, fd);
        verdict = hpr_memory_old_open(&place->memory, place->io, place->fd, &res);
    }
    place->memory_part = part_of(verdict, res);
}

/* ---- a STATE that was put here from somewhere else ---- */

static bool is_id(const struct place *place, const uint8_t *id)
{
    return memcmp(id, place->state.channel_id, sizeof place->state.channel_id) == 0;
}

/* The library goes on with no queue whose files are of another kind than STATE says. That is STATE's fault when nothing
 * here is of its channel and kind: each file tells of itself, and MEMORY is of a queue that survives a crash. */
static bool is_state_odd(const struct place *place)
{
    const struct hpr_state *state = &place->state;
    const bool has_memory         = place->memory_part == PART_GOOD;
    bool is_odd                   = has_memory && state->survive != HOPPER_SURVIVE_CRASH;
    struct hpr_file_header h;

    if (has_memory && !is_odd && is_id(place, place->memory.shape.channel_id)) return false;
    for (size_t i = 0; i < place->count; i++) {
        if (place_read_header(place, place->numbers[i], &h) != HPR_FILE_OURS || h.survive == HOPPER_SURVIVE_NOTHING)
            continue;
        if (h.survive != state->survive || h.content != state->content) is_odd = true;
        else if (is_id(place, h.channel_id)) return false;
    }
    return is_odd;
}

static void refuse_odd_state(struct place *place)
{
    place->is_state_odd = place->state_part == PART_GOOD && is_state_odd(place);
    if (!place->is_state_odd) return;
    memset(&place->state, 0, sizeof place->state);
    place->state_part = PART_DAMAGED;
}

/* As the library: the newest file that tells. SURVIVES: only of a queue that does. OF_ID: only of the channel that is
 * known. */
static bool take_id_of_file(struct place *place, bool survives, bool of_id)
{
    struct hpr_file_header header;

    for (size_t i = place->count; i-- > 0;) {
        if (place_read_header(place, place->numbers[i], &header) != HPR_FILE_OURS ||
            (survives && header.survive == HOPPER_SURVIVE_NOTHING) ||
            (of_id && memcmp(place->channel_id, header.channel_id, sizeof header.channel_id) != 0))
            continue;
        memcpy(place->channel_id, header.channel_id, sizeof header.channel_id);
        place->survive = header.survive;
        place->content = header.content;
        return true;
    }
    return false;
}

static void find_id(struct place *place)
{
    if (place->state_part == PART_GOOD) {
        memcpy(place->channel_id, place->state.channel_id, sizeof place->channel_id);
        place->survive = place->state.survive;
        place->content = place->state.content;
        place->has_id  = true;
    } else if (place->memory_part == PART_GOOD) {
        memcpy(place->channel_id, place->memory.shape.channel_id, sizeof place->channel_id);
        place->survive = HOPPER_SURVIVE_CRASH;
        place->content = HPR_CONTENT_BYTES;
        (void)take_id_of_file(place, true, true);
        place->has_id = true;
    } else {
        place->has_id = take_id_of_file(place, true, false) || take_id_of_file(place, false, false);
    }
}

/* What STATE says of the channel counts: a MEMORY of another one is as good as none. */
static void refuse_others_memory(struct place *place)
{
    if (place->memory_part != PART_GOOD || place->state_part != PART_GOOD ||
        memcmp(place->memory.shape.channel_id, place->channel_id, sizeof place->channel_id) == 0)
        return;
    hpr_memory_old_close(&place->memory);
    place->memory_part = PART_DAMAGED;
}

int place_look(struct place *place)
{
    int res = place_list(place);

    place_ask_owner(place);
    look_at_state(place);
    look_at_memory(place);
    refuse_odd_state(place);
    find_id(place);
    refuse_others_memory(place);
    return res;
}

/* ---- which directory ---- */

struct candidates {
    struct place *place;
    size_t count;
    char name[256];
    bool is_channel; /* the directory itself */
    int denied;      /* why one of the others could not be looked into; 0: all could */
    char denied_name[256];
};

static bool looks_like_channel(const char *name)
{
    uint64_t number;

    return hpr_queue_file_parse_name(name, &number) || is_our_name(name);
}

static int find_sign(void *arg, const char *name)
{
    (void)arg;
    return looks_like_channel(name) ? 1 : 0;
}

static int open_below(const struct place *place, const char *name)
{
    return place->io->open_at(place->io->ctx, place->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

static int take_candidate(void *arg, const char *name)
{
    struct candidates *c       = arg;
    const struct hopper_io *io = c->place->io;
    struct hopper_io_stat st;
    int fd, res;

    if (looks_like_channel(name)) {
        c->is_channel = true;
        return 1;
    }
    if (strlen(name) >= sizeof c->name || io->stat_at(io->ctx, c->place->fd, name, &st) != 0 ||
        st.kind != HOPPER_IO_DIR)
        return 0;
    fd  = open_below(c->place, name);
    res = fd < 0 ? fd : io->list(io->ctx, fd, find_sign, NULL);
    hpr_io_close(io, fd < 0 ? -1 : fd);
    if (res < 0 && c->denied == 0) {
        c->denied = res;
        memcpy(c->denied_name, name, strlen(name) + 1);
    }
    if (res == 1) {
        c->count++;
        memcpy(c->name, name, strlen(name) + 1);
    }
    return 0;
}

/* From the directory that is open to the channel NAME in it. */
static int go_below(struct place *place, const char *name)
{
    size_t len = strlen(place->path);
    int fd     = open_below(place, name);

    (void)snprintf(place->path + len, sizeof place->path - len, "%s%s", place->path[len - 1] == '/' ? "" : "/", name);
    if (fd < 0) {
        say_failure(fd, "%s: cannot open the directory", place->path);
        return fd;
    }
    hpr_io_close(place->io, place->fd);
    place->fd = fd;
    return 0;
}

/* The directory itself when anything in it is a channel's, else the only one in it that has such things. */
static int choose(struct place *place)
{
    struct candidates c = { .place = place };
    int res             = place->io->list(place->io->ctx, place->fd, take_candidate, &c);

    if (res < 0) {
        say_failure(res, "%s: cannot list the directory", place->path);
        return res;
    }
    if (c.is_channel) return 0;
    if (c.count == 1) return go_below(place, c.name);
    if (c.count == 0 && c.denied < 0)
        say_failure(c.denied, "%s/%s: cannot open the directory", place->path, c.denied_name);
    else if (c.count == 0) say("%s: there is no queue in this directory", place->path);
    else say("%s: there are %zu queues in this directory (choose one with --name)", place->path, c.count);
    return -ENOENT;
}

int place_open(struct place *place, const char *dir, const char *name)
{
    int fd, res;

    memset(place, 0, sizeof *place);
    place->io        = &hopper_platform_posix()->io;
    place->fd        = -1;
    place->memory.io = place->io;
    place->memory.fd = -1;
    if (strlen(dir) + 300 > sizeof place->path) {
        say("the name of the directory is too long");
        return -ENAMETOOLONG;
    }
    memcpy(place->path, dir, strlen(dir) + 1);
    fd = place->io->open_at(place->io->ctx, -1, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        say_failure(fd, "%s: cannot open the directory", dir);
        return fd;
    }
    place->fd = fd;
    res       = name ? go_below(place, name) : choose(place);
    return res < 0 ? res : place_look(place);
}

void place_close(struct place *place)
{
    hpr_memory_old_close(&place->memory);
    hpr_io_close(place->io, place->fd);
    place->fd = -1;
    free(place->numbers);
    place->numbers = NULL;
    place->count = place->room = 0;
}
