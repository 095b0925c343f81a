/* SPDX-License-Identifier: MIT */
/*
 * The tree of files behind platform_mem: inodes with their data, and names apart from them. No descriptors, no locks,
 * no limits on how many; platform_mem adds those. Functions that can fail return a negated errno value.
 */
#ifndef TESTS_MEM_DISK_H
#define TESTS_MEM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mem_kind { MEM_FILE, MEM_DIR, MEM_SYMLINK, MEM_FIFO };

struct mem_inode;

struct mem_name {
    char *text;
    struct mem_inode *inode;
};

struct mem_inode {
    enum mem_kind kind;
    unsigned mode;
    unsigned uid;
    unsigned links; /* names */
    unsigned opens; /* descriptors */
    unsigned maps;  /* while mapped the data may not move */
    int lock_fd;    /* the descriptor that holds the lock, MEM_LOCK_... otherwise */

    unsigned char *data; /* a file's bytes, a link's target */
    uint64_t size;
    uint64_t room; /* of data */

    struct mem_name *names; /* a directory's */
    size_t count, names_room;
};

#define MEM_LOCK_NONE  (-1)
#define MEM_LOCK_OTHER (-2) /* another process */

struct mem_disk {
    struct mem_inode *root;
    uint64_t used_bytes; /* sizes of all files that have a name or a descriptor */
    uint64_t capacity_bytes;
    unsigned uid;
    bool as_root; /* no modes and no capacity: a test is at work, not the library */
};

void mem_disk_init(struct mem_disk *disk, uint64_t capacity_bytes, unsigned uid);
void mem_disk_fini(struct mem_disk *disk);

/* Find what PATH names, beginning at DIR. Links on the way are followed, one at the end only when FOLLOW. */
int mem_disk_find(struct mem_disk *disk, struct mem_inode *dir, const char *path, bool follow,
                  struct mem_inode **foundp);
/* Find the directory that PATH's last component is in, or would be, and that component. */
int mem_disk_parent(struct mem_disk *disk, struct mem_inode *dir, const char *path, struct mem_inode **parentp,
                    const char **lastp);

int mem_disk_create(struct mem_disk *disk, struct mem_inode *dir, const char *name, enum mem_kind kind, unsigned mode,
                    struct mem_inode **madep);
int mem_disk_link(struct mem_inode *dir, const char *name, struct mem_inode *inode);
int mem_disk_unlink(struct mem_disk *disk, struct mem_inode *dir, const char *name); /* an empty directory too */
int mem_disk_rename(struct mem_disk *disk, struct mem_inode *from_dir, const char *from, struct mem_inode *to_dir,
                    const char *to);
void mem_disk_opened(struct mem_inode *inode);
void mem_disk_closed(struct mem_disk *disk, struct mem_inode *inode);

int mem_disk_resize(struct mem_disk *disk, struct mem_inode *inode, uint64_t bytes);
/* As much of it as the capacity allows; -ENOSPC when not one byte. */
int64_t mem_disk_write(struct mem_disk *disk, struct mem_inode *inode, const void *data, uint64_t len, uint64_t offset);
int64_t mem_disk_read(const struct mem_inode *inode, void *data, uint64_t len, uint64_t offset);

struct mem_inode *mem_disk_child(const struct mem_inode *dir, const char *name); /* NULL: no such name */
bool mem_disk_may(const struct mem_disk *disk, const struct mem_inode *inode, unsigned rwx);
uint64_t mem_disk_dir_bytes(const struct mem_inode *dir); /* sizes of the files named in it */

/* Test memory: ends the test when there is none. */
void *mem_must_alloc(size_t bytes);

#endif
