/* SPDX-License-Identifier: MIT */
/* What crash_disk.c (the calls) and crash_state.c (the states) share. Not for tests. */
#ifndef TESTS_CRASH_IMPL_H
#define TESTS_CRASH_IMPL_H

#include "crash_disk.h"
#include <pthread.h>

#define CRASH_NAME_MAX 64
#define CRASH_FDS      256 /* descriptors that a disk keeps track of */
#define CRASH_NONE     UINT32_MAX
#define CRASH_ROOT_DIR 0U /* inode numbers that are always there */
#define CRASH_TOP_DIR  1U /* CRASH_ROOT */

struct crash_inode {
    bool is_dir;
    bool is_borrowed; /* DATA is another tree's */
    bool is_hashed;
    unsigned mode;
    unsigned char *data; /* room bytes; what is beyond size is not seen, but comes to light when the file grows */
    uint64_t size, room;
    uint64_t hash; /* of the first size bytes, if is_hashed */
};

struct crash_entry {
    uint32_t dir, inode;
    char name[CRASH_NAME_MAX];
};

struct crash_tree {
    struct crash_inode *inodes;
    size_t inodes_count, inodes_room;
    struct crash_entry *entries;
    size_t entries_count, entries_room;
};

enum crash_kind { CRASH_DATA, CRASH_SIZE, CRASH_MODE, CRASH_CREATE, CRASH_UNLINK, CRASH_RENAME, CRASH_KINDS };

struct crash_unit {
    enum crash_kind kind;
    uint32_t inode, dir;
    uint64_t offset; /* DATA; SIZE: the new size */
    uint32_t len;
    unsigned mode;
    unsigned char *data;
    char name[CRASH_NAME_MAX], to[CRASH_NAME_MAX];
    uint64_t call;     /* that made it */
    bool is_allocated; /* SIZE: what it adds is zeros for sure */
    bool is_stuck;     /* L5: a sync of it has failed */
};

struct crash_map {
    uint32_t inode;
    unsigned char *addr;
    uint64_t bytes;
    unsigned char *shadow; /* what it held when last looked at */
};

#define CRASH_MAPS 8

struct crash_disk {
    struct mem_platform *mem;
    struct hopper_platform inner, table;
    pthread_mutex_t mutex;
    enum crash_profile profile;
    enum crash_lie lie;
    uint64_t boot; /* as crash_image */

    struct crash_tree durable;
    struct crash_tree live; /* names and sizes, no data: that is in MEM */
    struct crash_unit *units;
    size_t units_count, units_room;
    uint32_t fds[CRASH_FDS]; /* inode by descriptor - MEM_FD_FIRST, CRASH_NONE */
    struct crash_map maps[CRASH_MAPS];

    void (*look)(void *arg);
    void *look_arg;
    uint64_t calls, syncs, state_syncs;
    uint64_t fail_at, fail_count;
    char last[96];
    bool is_traced; /* HOPPER_CRASH_TRACE is set: each call goes to stderr */
};

struct crash_image {
    struct crash_tree tree;
    uint64_t boot; /* starts of the machine, as platform_mem counts them */
    bool is_power_cut;
};

uint32_t crash_tree_add_inode(struct crash_tree *tree, bool is_dir, unsigned mode);
struct crash_entry *crash_tree_find(const struct crash_tree *tree, uint32_t dir, const char *name);
void crash_tree_link(struct crash_tree *tree, uint32_t dir, const char *name, uint32_t inode); /* replaces */
void crash_tree_fini(struct crash_tree *tree);
void crash_tree_apply(struct crash_tree *tree, const struct crash_unit *unit);
/* Where INODE is named, from the root; false: nowhere. */
bool crash_tree_path(const struct crash_tree *tree, uint32_t inode, char *path, size_t len);
void crash_inode_write(struct crash_inode *inode, uint64_t offset, const void *data, uint64_t len);
void crash_inode_resize(struct crash_inode *inode, uint64_t size);

/* What was stored through maps since the last look becomes units. */
void crash_disk_settle(struct crash_disk *disk);

#endif
