/* SPDX-License-Identifier: MIT */
/*
 * See cache.h. Open addressing; an entry is the hash of a state with the preemptions in its lowest 4 bits. 60 bits of
 * hash: with ten million states the odds of taking one for another are below 1 in 20,000. When the table cannot grow
 * any further new states are no longer noted, which costs time and nothing else. The memory does not come from
 * malloc(), which at that moment belongs to the schedule.
 */
#include "cache.h"

#include <stddef.h>
#include <sys/mman.h>

#define SLOTS_FIRST (UINT64_C(1) << 16)
#define SLOTS_MAX   (UINT64_C(1) << 28) /* 2 GiB */
#define LOW         UINT64_C(15)

static uint64_t *slots;
static uint64_t slot_count;
static uint64_t used;

uint64_t cache_count(void)
{
    return used;
}

static uint64_t *table_new(uint64_t count)
{
    void *mem = mmap(NULL, count * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mem == MAP_FAILED ? NULL : mem;
}

static void table_free(uint64_t *table, uint64_t count)
{
    if (table != NULL) (void)munmap(table, count * sizeof(uint64_t));
}

void cache_clear(void)
{
    table_free(slots, slot_count);
    slots      = NULL;
    slot_count = 0;
    used       = 0;
}

/* The slot of STATE, or the free one where it belongs. Free slots are 0, and no state is (see cache_seen()). */
static uint64_t *find(uint64_t *table, uint64_t count, uint64_t state)
{
    uint64_t at = (state >> 4) & (count - 1);

    while (table[at] != 0 && (table[at] | LOW) != (state | LOW)) at = (at + 1) & (count - 1);
    return &table[at];
}

static bool grow(void)
{
    uint64_t bigger = slot_count == 0 ? SLOTS_FIRST : slot_count * 2;
    uint64_t *table = bigger > SLOTS_MAX ? NULL : table_new(bigger);

    if (table == NULL) return false;
    for (uint64_t i = 0; i < slot_count; i++) {
        if (slots[i] != 0) *find(table, bigger, slots[i]) = slots[i];
    }
    table_free(slots, slot_count);
    slots      = table;
    slot_count = bigger;
    return true;
}

bool cache_seen(uint64_t state, unsigned preemptions)
{
    uint64_t level = preemptions > LOW ? LOW : preemptions;
    uint64_t *slot;

    if ((state & ~LOW) == 0) state |= LOW + 1;
    if (used >= slot_count / 4 * 3 && !grow() && used >= slot_count / 16 * 15) return false;
    slot = find(slots, slot_count, state);
    if (*slot != 0 && (*slot & LOW) <= level) return true;
    used += *slot == 0;
    *slot = (state & ~LOW) | level;
    return false;
}
