/* SPDX-License-Identifier: MIT */
/*
 * Files and names as a device holds them: numbered inodes, entries that name them, and the units that change both. A
 * unit that cannot apply (the name it is about is not there, or names another inode) changes nothing: so any subset of
 * units gives a tree that some order of writing could have left.
 */
#include "crash_impl.h"
#include "mem_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more of SIZE bytes at the end of an array. */
static void *more(void *array, size_t count, size_t *room, size_t size)
{
    void *grown;

    if (count < *room) return array;
    *room = *room > 0 ? *room * 2 : 16;
    grown = realloc(array, *room * size);
    if (!grown) {
        fprintf(stderr, "test out of memory\n");
        abort();
    }
    return grown;
}

uint32_t crash_tree_add_inode(struct crash_tree *tree, bool is_dir, unsigned mode)
{
    tree->inodes                     = more(tree->inodes, tree->inodes_count, &tree->inodes_room, sizeof *tree->inodes);
    tree->inodes[tree->inodes_count] = (struct crash_inode){ .is_dir = is_dir, .mode = mode };
    return (uint32_t)tree->inodes_count++;
}

struct crash_entry *crash_tree_find(const struct crash_tree *tree, uint32_t dir, const char *name)
{
    for (size_t i = 0; i < tree->entries_count; i++)
        if (tree->entries[i].dir == dir && strcmp(tree->entries[i].name, name) == 0) return &tree->entries[i];
    return NULL;
}

static void unlink_entry(struct crash_tree *tree, struct crash_entry *entry)
{
    *entry = tree->entries[--tree->entries_count];
}

void crash_tree_link(struct crash_tree *tree, uint32_t dir, const char *name, uint32_t inode)
{
    struct crash_entry *entry = crash_tree_find(tree, dir, name);

    if (!entry) {
        tree->entries = more(tree->entries, tree->entries_count, &tree->entries_room, sizeof *tree->entries);
        entry         = &tree->entries[tree->entries_count++];
        entry->dir    = dir;
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->inode = inode;
}

void crash_tree_fini(struct crash_tree *tree)
{
    for (size_t i = 0; i < tree->inodes_count; i++)
        if (!tree->inodes[i].is_borrowed) free(tree->inodes[i].data);
    free(tree->inodes);
    free(tree->entries);
    memset(tree, 0, sizeof *tree);
}

/* Data of its own, with room for BYTES, zero beyond what there was. */
static void own(struct crash_inode *inode, uint64_t bytes)
{
    uint64_t room = inode->room > 0 ? inode->room : CRASH_SECTOR_BYTES;
    unsigned char *data;

    if (!inode->is_borrowed && bytes <= inode->room) return;
    while (room < bytes) room *= 2;
    data = mem_must_alloc((size_t)room);
    if (inode->data) memcpy(data, inode->data, (size_t)inode->room);
    if (!inode->is_borrowed) free(inode->data);
    inode->data        = data;
    inode->room        = room;
    inode->is_borrowed = false;
}

void crash_inode_write(struct crash_inode *inode, uint64_t offset, const void *data, uint64_t len)
{
    own(inode, offset + len);
    memcpy(inode->data + offset, data, (size_t)len);
    inode->is_hashed = false;
}

void crash_inode_resize(struct crash_inode *inode, uint64_t size)
{
    own(inode, size);
    if (size < inode->size) memset(inode->data + size, 0, (size_t)(inode->room - size));
    inode->size      = size;
    inode->is_hashed = false;
}

void crash_tree_apply(struct crash_tree *tree, const struct crash_unit *unit)
{
    struct crash_entry *entry;

    switch (unit->kind) {
    case CRASH_DATA: crash_inode_write(&tree->inodes[unit->inode], unit->offset, unit->data, unit->len); return;
    case CRASH_SIZE: crash_inode_resize(&tree->inodes[unit->inode], unit->offset); return;
    case CRASH_MODE: tree->inodes[unit->inode].mode = unit->mode; return;
    case CRASH_CREATE: crash_tree_link(tree, unit->dir, unit->name, unit->inode); return;
    case CRASH_UNLINK:
    case CRASH_RENAME:
        entry = crash_tree_find(tree, unit->dir, unit->name);
        if (!entry || entry->inode != unit->inode) return;
        unlink_entry(tree, entry);
        if (unit->kind == CRASH_RENAME) crash_tree_link(tree, unit->dir, unit->to, unit->inode);
        return;
    default: return;
    }
}

bool crash_tree_path(const struct crash_tree *tree, uint32_t inode, char *path, size_t len)
{
    char above[512];

    if (inode == CRASH_ROOT_DIR) {
        path[0] = '\0';
        return true;
    }
    for (size_t i = 0; i < tree->entries_count; i++) {
        if (tree->entries[i].inode != inode) continue;
        if (!crash_tree_path(tree, tree->entries[i].dir, above, sizeof above)) continue;
        snprintf(path, len, "%s/%s", above, tree->entries[i].name);
        return true;
    }
    return false;
}
