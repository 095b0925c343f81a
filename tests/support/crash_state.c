/* SPDX-License-Identifier: MIT */
/*
 * What may be left: from the durable tree of a crash_disk and a choice of its pending units an image is made, and
 * loaded into a fresh platform_mem for the library to be opened there.
 *
 * With few units every subset is made. With many: none, all; the first k, all but one, one only (these find what
 * forgets one sync); groups by kind, by file, all but one call; and subsets drawn with a bias that changes from draw to
 * draw. Drawn ones may also have a sector torn at a byte, or garbage where a file has grown and its data has not come.
 */
#include "crash_impl.h"
#include "mem_impl.h"
#include "rng.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- hashes ---- */

static uint64_t hash_bytes(uint64_t hash, const unsigned char *data, uint64_t len)
{
    for (; len >= 8; data += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, data, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    while (len-- > 0) hash = (hash ^ *data++) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t inode_hash(struct crash_inode *inode)
{
    if (!inode->is_hashed) {
        inode->hash      = inode->size > 0 ? hash_bytes(inode->size, inode->data, inode->size) : 7;
        inode->is_hashed = true;
    }
    return inode->hash;
}

/* ---- making one state ---- */

struct choice {
    struct crash_disk *disk;
    const size_t *units; /* those that matter: indices into disk->units */
    size_t count;
    bool *picked;
    size_t torn; /* index into UNITS of a DATA unit that is cut, SIZE_MAX: none */
    uint32_t torn_at;
    uint64_t garbage; /* seed; 0: zeros */
};

static void borrow(struct crash_tree *tree, const struct crash_tree *from)
{
    tree->inodes        = mem_must_alloc(from->inodes_count * sizeof *tree->inodes);
    tree->inodes_count  = from->inodes_count;
    tree->inodes_room   = from->inodes_count;
    tree->entries       = mem_must_alloc((from->entries_count + 1) * sizeof *tree->entries);
    tree->entries_count = from->entries_count;
    tree->entries_room  = from->entries_count + 1;
    memcpy(tree->inodes, from->inodes, from->inodes_count * sizeof *tree->inodes);
    if (from->entries_count > 0) memcpy(tree->entries, from->entries, from->entries_count * sizeof *tree->entries);
    for (size_t i = 0; i < tree->inodes_count; i++) tree->inodes[i].is_borrowed = true;
}

/* Garbage where the picked sizes make files longer; the picked data goes over it. */
static void fill_garbage(const struct choice *choice, struct crash_tree *tree)
{
    struct rng rng = { choice->garbage };
    unsigned char bytes[CRASH_SECTOR_BYTES];

    for (size_t i = 0; i < choice->count; i++) {
        const struct crash_unit *unit = &choice->disk->units[choice->units[i]];
        struct crash_inode *inode     = &tree->inodes[unit->inode];

        if (!choice->picked[i] || unit->kind != CRASH_SIZE || unit->is_allocated) continue;
        for (uint64_t at = choice->disk->durable.inodes[unit->inode].size; at < unit->offset; at += sizeof bytes) {
            uint64_t len = unit->offset - at < sizeof bytes ? unit->offset - at : sizeof bytes;

            for (size_t b = 0; b < sizeof bytes; b++) bytes[b] = (unsigned char)rng_next(&rng);
            crash_inode_write(inode, at, bytes, len);
        }
    }
}

static void make_tree(const struct choice *choice, struct crash_tree *tree)
{
    bool names_end = false;

    borrow(tree, &choice->disk->durable);
    if (choice->garbage) fill_garbage(choice, tree);
    for (size_t i = 0; i < choice->count; i++) {
        struct crash_unit unit = choice->disk->units[choice->units[i]];

        if (unit.kind >= CRASH_CREATE && choice->disk->profile == CRASH_EXT4) {
            names_end = names_end || !choice->picked[i];
            if (names_end) continue;
        }
        if (!choice->picked[i]) continue;
        if (i == choice->torn) unit.len = choice->torn_at;
        crash_tree_apply(tree, &unit);
    }
}

/* ---- which units matter ---- */

/* Could INODE have a name after a crash? */
static bool may_be_named(const struct crash_disk *disk, uint32_t inode)
{
    for (size_t i = 0; i < disk->durable.entries_count; i++)
        if (disk->durable.entries[i].inode == inode) return true;
    for (size_t i = 0; i < disk->units_count; i++)
        if (disk->units[i].kind == CRASH_CREATE && disk->units[i].inode == inode) return true;
    return false;
}

static size_t *units_that_matter(const struct crash_disk *disk, size_t *countp)
{
    size_t *units = mem_must_alloc((disk->units_count + 1) * sizeof *units);

    *countp = 0;
    for (size_t i = 0; i < disk->units_count; i++)
        if (disk->units[i].kind >= CRASH_CREATE || may_be_named(disk, disk->units[i].inode)) units[(*countp)++] = i;
    return units;
}

/* ---- which states ---- */

struct states {
    struct choice choice;
    bool (*each)(void *arg, const struct crash_image *image);
    void *arg;
    uint64_t made;
    bool goes_on;
    struct rng rng;
    uint64_t systematic, wanted; /* of the systematic ones so many are made */
};

static void make_one(struct states *states)
{
    struct crash_image image = { .boot = states->choice.disk->boot + 1, .is_power_cut = true };

    if (!states->goes_on) return;
    make_tree(&states->choice, &image.tree);
    states->made++;
    states->goes_on = states->each(states->arg, &image);
    crash_tree_fini(&image.tree);
}

/* One of the systematic states: PICKED is filled in. Made if it is among those that are wanted. */
static void maybe_one(struct states *states)
{
    if (rng_below(&states->rng, states->systematic) < states->wanted) make_one(states);
}

static const struct crash_unit *unit_of(const struct states *states, size_t i)
{
    return &states->choice.disk->units[states->choice.units[i]];
}

static void all_subsets(struct states *states)
{
    const size_t n = states->choice.count;

    for (uint64_t mask = 0; mask < UINT64_C(1) << n; mask++) {
        for (size_t i = 0; i < n; i++) states->choice.picked[i] = mask >> i & 1;
        make_one(states);
    }
}

static bool in_group(const struct crash_unit *unit, unsigned group)
{
    switch (group) {
    case 0: return true;
    case 1: return false;
    case 2: return unit->kind == CRASH_DATA;
    case 3: return unit->kind != CRASH_DATA;
    case 4: return unit->kind >= CRASH_CREATE;
    case 5: return unit->kind < CRASH_CREATE;
    case 6: return unit->kind != CRASH_UNLINK;
    case 7: return unit->kind == CRASH_SIZE || unit->kind >= CRASH_CREATE;
    case 8: return !unit->is_stuck;
    default: return unit->kind != CRASH_RENAME;
    }
}
#define GROUPS 10U

static void groups(struct states *states)
{
    bool *picked = states->choice.picked;

    for (unsigned group = 0; group < GROUPS; group++) {
        for (size_t i = 0; i < states->choice.count; i++) picked[i] = in_group(unit_of(states, i), group);
        make_one(states);
    }
}

static void systematic(struct states *states)
{
    const size_t n = states->choice.count;
    bool *picked   = states->choice.picked;

    for (size_t k = 0; k < n; k++) {
        const struct crash_unit *one = unit_of(states, k);

        for (size_t i = 0; i < n; i++) picked[i] = i < k;
        maybe_one(states);
        for (size_t i = 0; i < n; i++) picked[i] = i != k;
        maybe_one(states);
        for (size_t i = 0; i < n; i++) picked[i] = i == k;
        maybe_one(states);
        if (k > 0 && unit_of(states, k - 1)->call == one->call) continue; /* the rest: once for each call */
        for (size_t i = 0; i < n; i++) picked[i] = unit_of(states, i)->call != one->call;
        maybe_one(states);
        for (size_t i = 0; i < n; i++) picked[i] = unit_of(states, i)->inode != one->inode;
        maybe_one(states);
        for (size_t i = 0; i < n; i++) picked[i] = unit_of(states, i)->inode == one->inode;
        maybe_one(states);
    }
}

static void draw(struct states *states, unsigned samples)
{
    struct choice *choice = &states->choice;
    struct rng *rng       = &states->rng;

    while (samples-- > 0) {
        const uint64_t bias = rng_between(rng, 1, 7);

        for (size_t i = 0; i < choice->count; i++) choice->picked[i] = rng_below(rng, 8) < bias;
        if (rng_below(rng, 4) == 0) choice->garbage = rng_next(rng) | 1;
        if (rng_below(rng, 4) == 0) {
            choice->torn = (size_t)rng_below(rng, choice->count);
            choice->torn_at =
                (uint32_t)rng_below(rng, rng_below(rng, 2) ? 64 : CRASH_SECTOR_BYTES); /* heads are what matters */
            if (unit_of(states, choice->torn)->kind != CRASH_DATA) choice->torn = SIZE_MAX;
            choice->garbage = 0; /* one or the other */
        }
        make_one(states);
        choice->garbage = 0;
        choice->torn    = SIZE_MAX;
    }
}

/* STATE is written in place, so each head of its sector counts: the new one's beginning before the old one's rest. */
static void torn_state_file(struct states *states)
{
    struct choice *choice             = &states->choice;
    const struct crash_tree *live     = &choice->disk->live;
    const struct crash_entry *entries = live->entries;

    for (size_t i = 0; i < choice->count; i++) {
        bool is_state = false;

        for (size_t e = 0; e < live->entries_count && !is_state; e++)
            is_state = entries[e].inode == unit_of(states, i)->inode && strcmp(entries[e].name, "STATE") == 0;
        if (!is_state || unit_of(states, i)->kind != CRASH_DATA) continue;
        for (size_t k = 0; k < choice->count; k++) choice->picked[k] = true;
        choice->torn = i;
        for (choice->torn_at = 40; choice->torn_at <= 64; choice->torn_at += 12)
            make_one(states); /* within its numbers */
        choice->torn = SIZE_MAX;
    }
}

uint64_t crash_disk_each_state(struct crash_disk *disk, const struct crash_how *how,
                               bool (*each)(void *arg, const struct crash_image *image), void *arg)
{
    struct states states = { .choice = { .disk = disk, .torn = SIZE_MAX }, .each = each, .arg = arg, .goes_on = true };
    size_t *units;

    crash_disk_settle(disk);
    for (size_t i = 0; i < disk->durable.inodes_count; i++) (void)inode_hash(&disk->durable.inodes[i]);
    units                = units_that_matter(disk, &states.choice.count);
    states.choice.units  = units;
    states.choice.picked = mem_must_alloc(states.choice.count + 1);
    states.rng.state     = how->seed;
    if (states.choice.count <= how->exhaustive) {
        all_subsets(&states);
        if (states.choice.count > 0) draw(&states, how->samples / 8);
    } else {
        states.systematic = states.choice.count * 4;
        states.wanted     = how->samples > 0 ? how->samples / 2 : states.systematic;
        groups(&states);
        systematic(&states);
        draw(&states, how->samples / 2);
    }
    torn_state_file(&states);
    free(states.choice.picked);
    free(units);
    return states.made;
}

/* ---- images ---- */

struct crash_image *crash_disk_killed(struct crash_disk *disk)
{
    struct crash_image *image = mem_must_alloc(sizeof *image);
    char path[600];

    crash_disk_settle(disk);
    image->boot = disk->boot;
    borrow(&image->tree, &disk->live);
    for (uint32_t i = 0; i < image->tree.inodes_count; i++) {
        struct crash_inode *inode = &image->tree.inodes[i];
        void *data                = NULL;
        size_t len                = 0;

        inode->size        = 0;
        inode->is_borrowed = false;
        if (inode->is_dir || !crash_tree_path(&disk->live, i, path, sizeof path)) continue;
        if (mem_read_file(disk->mem, path, &data, &len) < 0) abort();
        if (len > 0) crash_inode_write(inode, 0, data, len);
        inode->size = len;
        free(data);
        inode->mode = (unsigned)mem_mode(disk->mem, path);
    }
    for (int m = 0; m < CRASH_MAPS && disk->lie == CRASH_LIE_MEMORY; m++) {
        const struct crash_inode *durable = &disk->durable.inodes[disk->maps[m].inode];
        struct crash_inode *inode         = &image->tree.inodes[disk->maps[m].inode];

        if (!disk->maps[m].addr) continue;
        memset(inode->data, 0, (size_t)inode->size);
        if (durable->data)
            memcpy(inode->data, durable->data, (size_t)(durable->room < inode->size ? durable->room : inode->size));
    }
    return image;
}

struct crash_image *crash_disk_cut(struct crash_disk *disk)
{
    struct crash_image *image = mem_must_alloc(sizeof *image);

    image->boot         = disk->boot + 1;
    image->is_power_cut = true;
    borrow(&image->tree, &disk->durable);
    return image;
}

void crash_image_free(struct crash_image *image)
{
    if (!image) return;
    crash_tree_fini(&image->tree);
    free(image);
}

bool crash_image_is_power_cut(const struct crash_image *image)
{
    return image->is_power_cut;
}

uint64_t crash_image_hash(const struct crash_image *image)
{
    uint64_t sum = image->boot * UINT64_C(0x2545f4914f6cdd1d);
    char path[600];

    for (size_t i = 0; i < image->tree.entries_count; i++) {
        const uint32_t inode = image->tree.entries[i].inode;
        uint64_t hash;

        if (!crash_tree_path(&image->tree, inode, path, sizeof path)) continue;
        hash = hash_bytes(inode_hash(&image->tree.inodes[inode]), (const unsigned char *)path, strlen(path));
        sum += (hash ^ image->tree.inodes[inode].mode) * UINT64_C(0xff51afd7ed558ccd);
    }
    return sum;
}

/* Directories before what is in them: as many rounds as they are deep. */
static void load_depth(const struct crash_image *image, struct mem_platform *mem, int depth)
{
    char path[600];

    for (size_t i = 0; i < image->tree.entries_count; i++) {
        const uint32_t inode             = image->tree.entries[i].inode;
        const struct crash_inode *loaded = &image->tree.inodes[inode];
        int slashes                      = 0;

        if (!crash_tree_path(&image->tree, inode, path, sizeof path)) continue;
        for (const char *c = path; *c; c++) slashes += *c == '/';
        if (slashes != depth) continue;
        if (loaded->is_dir ? mem_mkdir(mem, path, loaded->mode) < 0
                           : mem_write_file(mem, path, loaded->data, (size_t)loaded->size) < 0)
            abort();
        if (!loaded->is_dir && mem_chmod(mem, path, loaded->mode) < 0) abort();
    }
}

void crash_image_load(const struct crash_image *image, struct mem_platform *mem, uint64_t seed)
{
    for (int depth = 1; depth <= 3; depth++) load_depth(image, mem, depth);
    for (uint64_t boot = 1; boot < image->boot; boot++) mem_reboot(mem);
    mem->random_state = seed;
}

static void dump_file(const struct crash_inode *inode, const char *dir, const char *path)
{
    char name[1200];
    FILE *out;

    snprintf(name, sizeof name, "%s/%s", dir, strrchr(path, '/') + 1);
    out = fopen(name, "wb");
    if (!out) return;
    if (inode->size > 0) fwrite(inode->data, 1, (size_t)inode->size, out);
    fclose(out);
}

void crash_image_dump(const struct crash_image *image, const char *dir)
{
    char path[600];

    if (dir) mkdir(dir, 0700);
    for (size_t i = 0; i < image->tree.entries_count; i++) {
        const uint32_t inode = image->tree.entries[i].inode;

        if (!crash_tree_path(&image->tree, inode, path, sizeof path)) continue;
        printf("    %s%s %" PRIu64 " bytes, mode %o\n", path, image->tree.inodes[inode].is_dir ? "/" : "",
               image->tree.inodes[inode].size, image->tree.inodes[inode].mode);
        if (dir && !image->tree.inodes[inode].is_dir) dump_file(&image->tree.inodes[inode], dir, path);
    }
}
