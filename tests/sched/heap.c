/* SPDX-License-Identifier: MIT */
/*
 * malloc() and its kin, linked in with --wrap. While a schedule runs, memory is cut from one region from its start and
 * never used twice, so that schedules can be abandoned anywhere, addresses do not depend on what ran before, and the
 * use of freed memory meets a pattern instead of somebody else's data. Outside schedules, and for memory that came from
 * there, the system's heap does the work.
 */
#include "heap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core.h"

#define REGION_BYTES ((size_t)1 << 30) /* of address space */
#define PATTERN_MAX  ((size_t)4096)    /* bytes of a block that get a pattern: enough to be noticed, cheap */
#define LIVE         UINT64_C(0x6c697665626c6f63)
#define FREED        UINT64_C(0x6672656564626c6b)

struct header {
    uint64_t mark; /* LIVE or FREED */
    size_t bytes;
    const void *pc;
    struct header *next; /* the block allocated after this one */
};

_Static_assert(sizeof(struct header) % 16 == 0, "blocks stay aligned");

static char *region;
static size_t used;
static size_t live_blocks;
static struct header *first;
static struct header *last;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *ptr, size_t bytes);
void __real_free(void *ptr);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *ptr, size_t bytes);
void __wrap_free(void *ptr);

void heap_begin(void)
{
    if (region == NULL) {
        region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (region == MAP_FAILED) {
            perror("sched: the heap of schedules");
            exit(99);
        }
    }
    used        = 0;
    live_blocks = 0;
    first = last = NULL;
}

size_t heap_live_blocks(void)
{
    return live_blocks;
}

const char *heap_live_text(void)
{
    static char text[100];

    for (const struct header *h = first; h != NULL; h = h->next) {
        if (h->mark == LIVE) {
            (void)snprintf(text, sizeof text, "the first one: %zu bytes, allocated at pc 0x%lx", h->bytes,
                           sched_pc(h->pc));
            return text;
        }
    }
    return "";
}

static bool is_ours(const void *ptr)
{
    return region != NULL && (const char *)ptr >= region && (const char *)ptr < region + REGION_BYTES;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void *take(size_t bytes, const void *pc)
{
    size_t need = (bytes + sizeof(struct header) + 15) & ~(size_t)15;
    struct header *h;

    if (bytes > REGION_BYTES / 2 || need > REGION_BYTES - used) return NULL;
    h = (struct header *)(void *)(region + used);
    used += need;
    *h = (struct header){ LIVE, bytes, pc, NULL };
    if (last != NULL) last->next = h;
    else first = h;
    last = h;
    live_blocks++;
    return h + 1;
}

void *__wrap_malloc(size_t bytes)
{
    void *ptr;

    if (!sched_is_on()) return __real_malloc(bytes);
    ptr = take(bytes, __builtin_return_address(0));
    return ptr == NULL ? NULL : memset(ptr, 0xA5, smaller(bytes, PATTERN_MAX)), ptr;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    size_t all;
    void *ptr;

    if (!sched_is_on()) return __real_calloc(count, bytes);
    if (__builtin_mul_overflow(count, bytes, &all)) return NULL;
    ptr = take(all, __builtin_return_address(0));
    return ptr == NULL ? NULL : memset(ptr, 0, all);
}

void __wrap_free(void *ptr)
{
    struct header *h;

    if (!is_ours(ptr)) {
        __real_free(ptr);
        return;
    }
    h = (struct header *)ptr - 1;
    if (h->mark != LIVE)
        sched_end(SCHED_MISUSE, h->mark == FREED ? "memory freed twice" : "freed what was never allocated");
    h->mark = FREED;
    live_blocks--;
    memset(ptr, 0xDB, smaller(h->bytes, PATTERN_MAX));
}

void *__wrap_realloc(void *ptr, size_t bytes)
{
    void *bigger;

    if (!is_ours(ptr) && (ptr != NULL || !sched_is_on())) return __real_realloc(ptr, bytes);
    bigger = take(bytes, __builtin_return_address(0));
    if (bigger != NULL && ptr != NULL) {
        memcpy(bigger, ptr, smaller(((struct header *)ptr - 1)->bytes, bytes));
        __wrap_free(ptr);
    }
    return bigger;
}
