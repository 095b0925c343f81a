/* SPDX-License-Identifier: MIT */
/*
 * The tree of files of platform_mem. An inode lives while it has a name, a descriptor or a map; its bytes count as
 * used for as long. Names are kept in arrays and searched from the front: channels have few files.
 *
 * Data and names are apart on purpose: a later simulation of power loss keeps for each of them what has been synced
 * beside what is seen.
 */
#include "mem_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_DEPTH_MAX 8
#define FILE_BYTES_MAX (UINT64_C(1) << 34) /* a test that goes beyond it has lost its way */

void *mem_must_alloc(size_t bytes)
{
    void *ptr = calloc(1, bytes > 0 ? bytes : 1);

    if (!ptr) {
        fprintf(stderr, "test out of memory\n");
        abort();
    }
    return ptr;
}

static struct mem_inode *inode_new(enum mem_kind kind, unsigned mode, unsigned uid)
{
    struct mem_inode *inode = mem_must_alloc(sizeof *inode);

    inode->kind    = kind;
    inode->mode    = mode;
    inode->uid     = uid;
    inode->lock_fd = MEM_LOCK_NONE;
    return inode;
}

/* Free INODE if nothing refers to it any more. */
static void inode_release(struct mem_disk *disk, struct mem_inode *inode)
{
    if (inode->links > 0 || inode->opens > 0 || inode->maps > 0) return;
    if (inode->kind == MEM_FILE) disk->used_bytes -= inode->size;
    free(inode->data);
    free(inode->names);
    free(inode);
}

void mem_disk_init(struct mem_disk *disk, uint64_t capacity_bytes, unsigned uid)
{
    disk->root           = inode_new(MEM_DIR, 0755, uid);
    disk->root->links    = 1;
    disk->used_bytes     = 0;
    disk->capacity_bytes = capacity_bytes;
    disk->uid            = uid;
    disk->as_root        = false;
}

static void tree_free(struct mem_disk *disk, struct mem_inode *dir)
{
    for (size_t i = 0; i < dir->count; i++) {
        struct mem_inode *inode = dir->names[i].inode;

        free(dir->names[i].text);
        inode->links--;
        if (inode->kind == MEM_DIR) tree_free(disk, inode);
        else inode_release(disk, inode);
    }
    dir->count = 0;
    dir->links = 0;
    inode_release(disk, dir);
}

void mem_disk_fini(struct mem_disk *disk)
{
    if (disk->root) tree_free(disk, disk->root);
    disk->root = NULL;
}

bool mem_disk_may(const struct mem_disk *disk, const struct mem_inode *inode, unsigned rwx)
{
    unsigned shift = inode->uid == disk->uid ? 6 : 0;

    return disk->as_root || (inode->mode >> shift & rwx) == rwx;
}

static struct mem_name *find_name(const struct mem_inode *dir, const char *name, size_t len)
{
    for (size_t i = 0; i < dir->count; i++)
        if (strncmp(dir->names[i].text, name, len) == 0 && dir->names[i].text[len] == '\0') return &dir->names[i];
    return NULL;
}

struct mem_inode *mem_disk_child(const struct mem_inode *dir, const char *name)
{
    struct mem_name *entry = find_name(dir, name, strlen(name));

    return entry ? entry->inode : NULL;
}

static int find(struct mem_disk *disk, struct mem_inode *dir, const char *path, bool follow, int depth,
                struct mem_inode **foundp)
{
    struct mem_inode *at = *path == '/' ? disk->root : dir;

    if (depth > LINK_DEPTH_MAX) return -ELOOP;
    for (;;) {
        const char *rest;
        struct mem_name *entry;
        size_t len;

        while (*path == '/') path++;
        if (*path == '\0') break;
        len  = strcspn(path, "/");
        rest = path + len + strspn(path + len, "/");
        if (len > 255) return -ENAMETOOLONG;
        if (at->kind != MEM_DIR) return -ENOTDIR;
        if (!mem_disk_may(disk, at, 1)) return -EACCES;
        if (len == 1 && *path == '.') {
            path = rest;
            continue;
        }
        entry = find_name(at, path, len);
        if (!entry) return -ENOENT;
        if (entry->inode->kind == MEM_SYMLINK && (follow || *rest)) {
            int rc = find(disk, at, (const char *)entry->inode->data, true, depth + 1, &at);

            if (rc < 0) return rc;
        } else {
            at = entry->inode;
        }
        path = rest;
    }
    *foundp = at;
    return 0;
}

int mem_disk_find(struct mem_disk *disk, struct mem_inode *dir, const char *path, bool follow,
                  struct mem_inode **foundp)
{
    *foundp = NULL;
    return *path ? find(disk, dir, path, follow, 0, foundp) : -ENOENT;
}

int mem_disk_parent(struct mem_disk *disk, struct mem_inode *dir, const char *path, struct mem_inode **parentp,
                    const char **lastp)
{
    const char *slash = strrchr(path, '/');
    char before[1024];
    size_t len;
    int rc;

    *parentp = NULL;
    *lastp   = slash ? slash + 1 : path;
    if (**lastp == '\0') return -EINVAL;
    if (!slash) {
        *parentp = dir;
        return 0;
    }
    len = (size_t)(slash - path);
    if (len >= sizeof before) return -ENAMETOOLONG;
    memcpy(before, path, len);
    before[len] = '\0';
    rc          = find(disk, dir, len > 0 ? before : "/", true, 0, parentp);
    if (rc < 0) return rc;
    return (*parentp)->kind == MEM_DIR ? 0 : -ENOTDIR;
}

int mem_disk_link(struct mem_inode *dir, const char *name, struct mem_inode *inode)
{
    size_t len = strlen(name);

    if (len > 255) return -ENAMETOOLONG;
    if (find_name(dir, name, len)) return -EEXIST;
    if (dir->count == dir->names_room) {
        size_t room            = dir->names_room > 0 ? dir->names_room * 2 : 8;
        struct mem_name *names = mem_must_alloc(room * sizeof *names);

        if (dir->count > 0) memcpy(names, dir->names, dir->count * sizeof *names);
        free(dir->names);
        dir->names      = names;
        dir->names_room = room;
    }
    dir->names[dir->count].text = mem_must_alloc(len + 1);
    memcpy(dir->names[dir->count].text, name, len + 1);
    dir->names[dir->count].inode = inode;
    dir->count++;
    inode->links++;
    return 0;
}

int mem_disk_create(struct mem_disk *disk, struct mem_inode *dir, const char *name, enum mem_kind kind, unsigned mode,
                    struct mem_inode **madep)
{
    struct mem_inode *inode = inode_new(kind, mode, disk->uid);
    int rc                  = mem_disk_link(dir, name, inode);

    *madep = NULL;
    if (rc < 0) {
        inode_release(disk, inode);
        return rc;
    }
    *madep = inode;
    return 0;
}

static void remove_entry(struct mem_inode *dir, struct mem_name *entry)
{
    size_t i = (size_t)(entry - dir->names);

    free(entry->text);
    memmove(entry, entry + 1, (dir->count - i - 1) * sizeof *entry);
    dir->count--;
}

int mem_disk_unlink(struct mem_disk *disk, struct mem_inode *dir, const char *name)
{
    struct mem_name *entry = find_name(dir, name, strlen(name));
    struct mem_inode *inode;

    if (!entry) return -ENOENT;
    inode = entry->inode;
    if (inode->kind == MEM_DIR && inode->count > 0) return -ENOTEMPTY;
    remove_entry(dir, entry);
    inode->links--;
    inode_release(disk, inode);
    return 0;
}

int mem_disk_rename(struct mem_disk *disk, struct mem_inode *from_dir, const char *from, struct mem_inode *to_dir,
                    const char *to)
{
    struct mem_inode *moved = mem_disk_child(from_dir, from);
    struct mem_inode *there = mem_disk_child(to_dir, to);
    int rc;

    if (!moved) return -ENOENT;
    if (moved == there) return 0;
    if (there && (there->kind == MEM_DIR) != (moved->kind == MEM_DIR))
        return moved->kind == MEM_DIR ? -ENOTDIR : -EISDIR;
    if (there && (rc = mem_disk_unlink(disk, to_dir, to)) < 0) return rc;
    rc = mem_disk_link(to_dir, to, moved);
    if (rc < 0) return rc;
    return mem_disk_unlink(disk, from_dir, from);
}

void mem_disk_opened(struct mem_inode *inode)
{
    inode->opens++;
}

void mem_disk_closed(struct mem_disk *disk, struct mem_inode *inode)
{
    inode->opens--;
    inode_release(disk, inode);
}

/* Make room for BYTES of data, zero beyond what there was. */
static int inode_reserve(struct mem_inode *inode, uint64_t bytes)
{
    unsigned char *data;
    uint64_t room = inode->room > 0 ? inode->room : 512;

    if (bytes <= inode->room) return 0;
    if (bytes > FILE_BYTES_MAX) return -EFBIG;
    if (inode->maps > 0) return -EBUSY;
    while (room < bytes) room *= 2;
    data = realloc(inode->data, (size_t)room);
    if (!data) return -ENOSPC;
    memset(data + inode->room, 0, (size_t)(room - inode->room));
    inode->data = data;
    inode->room = room;
    return 0;
}

static uint64_t disk_free(const struct mem_disk *disk)
{
    if (disk->as_root) return UINT64_MAX;
    return disk->used_bytes < disk->capacity_bytes ? disk->capacity_bytes - disk->used_bytes : 0;
}

int mem_disk_resize(struct mem_disk *disk, struct mem_inode *inode, uint64_t bytes)
{
    int rc;

    if (bytes > inode->size) {
        if (bytes - inode->size > disk_free(disk)) return -ENOSPC;
        if ((rc = inode_reserve(inode, bytes)) < 0) return rc;
    } else if (inode->size > bytes) {
        memset(inode->data + bytes, 0, (size_t)(inode->size - bytes));
    }
    disk->used_bytes = disk->used_bytes - inode->size + bytes;
    inode->size      = bytes;
    return 0;
}

int64_t mem_disk_write(struct mem_disk *disk, struct mem_inode *inode, const void *data, uint64_t len, uint64_t offset)
{
    uint64_t end, limit;
    int rc;

    if (len == 0) return 0;
    if (__builtin_add_overflow(offset, len, &end)) return -EFBIG;
    if (__builtin_add_overflow(inode->size, disk_free(disk), &limit)) limit = UINT64_MAX;
    if (offset >= limit) return -ENOSPC;
    if (end > limit) end = limit;
    if (end > inode->size && (rc = mem_disk_resize(disk, inode, end)) < 0) return rc;
    memcpy(inode->data + offset, data, (size_t)(end - offset));
    return (int64_t)(end - offset);
}

int64_t mem_disk_read(const struct mem_inode *inode, void *data, uint64_t len, uint64_t offset)
{
    if (offset >= inode->size || len == 0) return 0;
    if (len > inode->size - offset) len = inode->size - offset;
    memcpy(data, inode->data + offset, (size_t)len);
    return (int64_t)len;
}

uint64_t mem_disk_dir_bytes(const struct mem_inode *dir)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < dir->count; i++)
        if (dir->names[i].inode->kind == MEM_FILE) bytes += dir->names[i].inode->size;
    return bytes;
}
