/* SPDX-License-Identifier: MIT */
/*
 * The platform's life, and what it gives that is not files: memory, events, random numbers, the clock, the allocator.
 * Files are in mem_files.c, looking at the disk from outside in mem_look.c.
 */
#include "mem_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined __SANITIZE_ADDRESS__
#define MEM_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif
#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#define HIDE(addr, bytes) ASAN_POISON_MEMORY_REGION(addr, bytes)
#define SHOW(addr, bytes) ASAN_UNPOISON_MEMORY_REGION(addr, bytes)
#else
#define HIDE(addr, bytes) ((void)(addr), (void)(bytes))
#define SHOW(addr, bytes) ((void)(addr), (void)(bytes))
#endif

#define START_NS    (UINT64_C(3600) * 1000000000)
#define START_MS    UINT64_C(1700000000000) /* realtime at the start */
#define FDS_DEFAULT 1024U

/* ---- memory, events, the process ---- */

static void held_more(struct mem_platform *mem)
{
    uint64_t held = mem->usage.alloc_bytes + mem->usage.map_bytes;

    if (held > mem->usage.held_bytes_peak) mem->usage.held_bytes_peak = held;
    if (mem->usage.alloc_bytes > mem->usage.alloc_bytes_peak) mem->usage.alloc_bytes_peak = mem->usage.alloc_bytes;
    if (mem->usage.map_bytes > mem->usage.map_bytes_peak) mem->usage.map_bytes_peak = mem->usage.map_bytes;
}

static bool may_hold(const struct mem_platform *mem, size_t bytes)
{
    uint64_t held = mem->usage.alloc_bytes + mem->usage.map_bytes;

    return held <= mem->alloc_max && bytes <= mem->alloc_max - held;
}

static void *private_pages(struct mem_platform *mem, size_t bytes)
{
    void *addr;

    for (int i = 0; i < MAP_CACHE_MAX; i++) {
        if (!mem->cache[i].addr || mem->cache[i].bytes != bytes) continue;
        addr               = mem->cache[i].addr;
        mem->cache[i].addr = NULL;
        SHOW(addr, bytes);
        memset(addr, 0, bytes);
        return addr;
    }
    addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return addr == MAP_FAILED ? NULL : addr;
}

static void private_pages_free(struct mem_platform *mem, void *addr, size_t bytes)
{
    for (int i = 0; i < MAP_CACHE_MAX && bytes <= MAP_CACHE_BYTES_MAX; i++) {
        if (mem->cache[i].addr) continue;
        HIDE(addr, bytes);
        mem->cache[i].addr  = addr;
        mem->cache[i].bytes = bytes;
        return;
    }
    munmap(addr, bytes);
}

static void *mem_map(void *ctx, int fd, size_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_inode *inode  = NULL;
    void *addr               = NULL;

    mem_called(mem);
    if (bytes > 0 && may_hold(mem, bytes)) {
        if (fd < 0) addr = private_pages(mem, bytes);
        else if (mem_fd_inode(mem, fd, 6, &inode) == 0 && inode->kind == MEM_FILE && inode->size >= bytes)
            addr = inode->data;
    }
    if (addr) {
        struct mem_map *map = mem_must_alloc(sizeof *map);

        *map      = (struct mem_map){ addr, bytes, inode, mem->maps };
        mem->maps = map;
        if (inode) inode->maps++;
        mem->usage.map_bytes += bytes;
        mem->usage.map_count++;
        held_more(mem);
    }
    mem_leave(mem);
    return addr;
}

static void unmap(struct mem_platform *mem, struct mem_map **link)
{
    struct mem_map *map = *link;

    *link = map->next;
    mem->usage.map_bytes -= map->bytes;
    mem->usage.map_count--;
    if (map->inode) {
        map->inode->maps--;
        map->inode->opens++; /* the map may have been the last that held the inode: let close see to it */
        mem_disk_closed(&mem->disk, map->inode);
    } else {
        private_pages_free(mem, map->addr, map->bytes);
    }
    free(map);
}

static int mem_unmap(void *ctx, void *addr, size_t bytes)
{
    struct mem_platform *mem = ctx;
    struct mem_map **link    = &mem->maps;
    int rc                   = -EINVAL;

    mem_called(mem);
    while (*link && ((*link)->addr != addr || (*link)->bytes != bytes)) link = &(*link)->next;
    if (*link) {
        unmap(mem, link);
        rc = 0;
    }
    mem_leave(mem);
    return rc;
}

/* What is in a shared map is in the file at once, as it is in a page cache. */
static int mem_sync_map(void *ctx, void *addr, size_t bytes)
{
    struct mem_platform *mem = ctx;
    const struct mem_map *map;

    mem_called(mem);
    for (map = mem->maps; map && (map->addr != addr || map->bytes != bytes); map = map->next) continue;
    mem_leave(mem);
    return map && map->inode ? 0 : -EINVAL;
}

static int mem_event_open(void *ctx)
{
    struct mem_platform *mem = ctx;
    struct mem_fd *slot;
    int fd;

    mem_called(mem);
    fd = mem_fd_new(mem, &slot);
    if (fd >= 0) slot->is_event = true;
    mem_leave(mem);
    return fd;
}

static int event_put(struct mem_platform *mem, int fd, bool is_set)
{
    struct mem_fd *slot;
    int rc = -EBADF;

    mem_called(mem);
    slot = mem_fd_find(mem, fd);
    if (slot && slot->is_event) {
        slot->is_set = is_set;
        rc           = 0;
    }
    mem_leave(mem);
    return rc;
}

static int mem_event_set(void *ctx, int fd)
{
    return event_put(ctx, fd, true);
}

static int mem_event_clear(void *ctx, int fd)
{
    return event_put(ctx, fd, false);
}

static int mem_random(void *ctx, void *buf, size_t len)
{
    struct mem_platform *mem = ctx;
    unsigned char *bytes     = buf;

    mem_called(mem);
    for (size_t i = 0; i < len; i++) { /* splitmix64, a byte of each */
        uint64_t z = mem->random_state += UINT64_C(0x9e3779b97f4a7c15);

        z        = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z        = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        bytes[i] = (unsigned char)(z >> 56);
    }
    mem_leave(mem);
    return 0;
}

static long mem_process_id(void *ctx)
{
    struct mem_platform *mem = ctx;
    long pid;

    mem_called(mem);
    pid = mem->process_id;
    mem_leave(mem);
    return pid;
}

static int mem_boot_id(void *ctx, void *id16)
{
    struct mem_platform *mem = ctx;

    mem_called(mem);
    memset(id16, 0, 16);
    memcpy(id16, &mem->boots, sizeof mem->boots);
    mem_leave(mem);
    return 0;
}

/* ---- clock and allocator ---- */

static uint64_t mem_monotonic_ns(void *ctx)
{
    struct mem_platform *mem = ctx;

    if (mem->options.flags & MEM_REAL_CLOCK) return hopper_platform_posix()->clock.monotonic_ns(NULL);
    return mem_clock_ns(mem);
}

static uint64_t mem_realtime_ms(void *ctx)
{
    return START_MS + mem_clock_ns(ctx) / 1000000;
}

struct mem_block {
    struct mem_platform *owner;
    size_t bytes;
};
#define BLOCK_HEAD \
    ((sizeof(struct mem_block) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t))

static void *mem_alloc(void *ctx, size_t bytes)
{
    struct mem_platform *mem = ctx;
    unsigned char *whole     = NULL;

    mem_enter(mem);
    if (bytes < SIZE_MAX - BLOCK_HEAD && may_hold(mem, bytes)) whole = malloc(BLOCK_HEAD + bytes);
    if (whole) {
        const struct mem_block block = { mem, bytes };

        memcpy(whole, &block, sizeof block);
        memset(whole + BLOCK_HEAD, 0xa5, bytes); /* nobody may count on zeros */
        mem->usage.alloc_bytes += bytes;
        mem->usage.alloc_count++;
        mem->usage.allocs_total++;
        held_more(mem);
    }
    mem_leave(mem);
    return whole ? whole + BLOCK_HEAD : NULL;
}

static void mem_free(void *ctx, void *ptr)
{
    struct mem_platform *mem = ctx;
    struct mem_block block;
    unsigned char *whole;

    if (!ptr) return;
    whole = (unsigned char *)ptr - BLOCK_HEAD;
    memcpy(&block, whole, sizeof block);
    if (block.owner != mem) {
        fprintf(stderr, "platform_mem: free of %p, which is not allocated here\n", ptr);
        abort();
    }
    mem_enter(mem);
    mem->usage.alloc_bytes -= block.bytes;
    mem->usage.alloc_count--;
    mem_leave(mem);
    memset(whole, 0x5a, BLOCK_HEAD + block.bytes);
    free(whole);
}

/* ---- life ---- */

static void fill_table(struct mem_platform *mem)
{
    mem->table = (struct hopper_platform){
        .size      = sizeof(struct hopper_platform),
        .io        = { .size        = sizeof(struct hopper_io),
                       .ctx         = mem,
                       .map         = mem_map,
                       .unmap       = mem_unmap,
                       .sync_map    = mem_sync_map,
                       .event_open  = mem_event_open,
                       .event_set   = mem_event_set,
                       .event_clear = mem_event_clear,
                       .random      = mem_random,
                       .process_id  = mem_process_id,
                       .boot_id     = mem_boot_id },
        .clock     = { .size         = sizeof(struct hopper_clock),
                       .ctx          = mem,
                       .monotonic_ns = mem_monotonic_ns,
                       .realtime_ms  = mem_realtime_ms },
        .allocator = { .size = sizeof(struct hopper_allocator), .ctx = mem, .alloc = mem_alloc, .free = mem_free },
    };
    mem_files_fill(&mem->table.io);
}

/* Everything to where a new platform stands; what it had allocated for descriptors and maps stays. */
static void start(struct mem_platform *mem)
{
    const struct mem_platform_options *options = &mem->options;

    mem_disk_init(&mem->disk, options->capacity_bytes > 0 ? options->capacity_bytes : MEM_UNLIMITED, MEM_UID);
    mem->disk_bytes_peak = 0;
    mem->fds_open        = 0;
    mem->fds_max         = options->fds_max > 0 ? options->fds_max : FDS_DEFAULT;
    memset(&mem->usage, 0, sizeof mem->usage);
    mem->alloc_max    = MEM_UNLIMITED;
    mem->now_ns       = START_NS;
    mem->random_state = options->random_seed;
    mem->process_id   = 4242;
    mem->boots        = 1;
    mem->umask        = options->umask;
    mem->watched      = NULL;
    mem->watch_budget = mem->watch_excess = mem->watch_peak = 0;
}

static void stop(struct mem_platform *mem)
{
    while (mem->maps) unmap(mem, &mem->maps);
    for (unsigned i = 0; i < mem->fds_room && mem->fds_open > 0; i++) mem_fd_close(mem, MEM_FD_FIRST + (int)i);
    mem_disk_fini(&mem->disk);
    free(mem->watched);
    mem->watched = NULL;
}

struct mem_platform *mem_platform_new(const struct mem_platform_options *options)
{
    struct mem_platform *mem = mem_must_alloc(sizeof *mem);

    if (options) mem->options = *options;
    pthread_mutex_init(&mem->mutex, NULL);
    fill_table(mem);
    start(mem);
    return mem;
}

void mem_platform_reset(struct mem_platform *mem)
{
    stop(mem);
    start(mem);
}

void mem_platform_free(struct mem_platform *mem)
{
    if (!mem) return;
    stop(mem);
    for (int i = 0; i < MAP_CACHE_MAX; i++) {
        if (!mem->cache[i].addr) continue;
        SHOW(mem->cache[i].addr, mem->cache[i].bytes);
        munmap(mem->cache[i].addr, mem->cache[i].bytes);
    }
    free(mem->fds);
    pthread_mutex_destroy(&mem->mutex);
    free(mem);
}

const struct hopper_platform *mem_platform_table(struct mem_platform *mem)
{
    return &mem->table;
}
