/* SPDX-License-Identifier: MIT */
/*
 * What threads meet at, and the histories: see core.h. Objects are found by address in a hash table whose slots carry
 * the number of their schedule, so nothing is cleared between schedules. Addresses never enter a history: a heap that
 * is laid out otherwise does not make another state.
 */
#include "objects.h"

#define SLOTS 65536u /* a power of two */

static struct sched_object slots[SLOTS];
static uint64_t schedule;
static unsigned objects;
static uint64_t state_hash;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9E3779B97F4A7C15) + b;

    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 29;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ (x >> 32);
}

void objects_begin(void)
{
    schedule++;
    objects    = 0;
    state_hash = 0;
}

uint64_t sched_state_hash(void)
{
    return state_hash;
}

static struct sched_object *object_find(uintptr_t key)
{
    size_t at = (size_t)mix(key, 1) & (SLOTS - 1);

    while (slots[at].schedule == schedule && slots[at].key != key) at = (at + 1) & (SLOTS - 1);
    if (slots[at].schedule == schedule) return &slots[at];
    if (++objects > SLOTS / 2) sched_end(SCHED_FAILED, "more than %u objects in one schedule", SLOTS / 2);
    slots[at] = (struct sched_object){ .key = key, .schedule = schedule, .owner = SCHED_NOBODY, .number = objects };
    return &slots[at];
}

/* Memory is told apart by words of eight bytes, and from a mutex at the same address: the library may well write to the
 * bytes of a mutex before it initialises it. */
static uintptr_t key_of(const void *address, enum object_kind kind)
{
    return kind == OBJECT_MEMORY ? ((uintptr_t)address & ~(uintptr_t)7) | 1 : (uintptr_t)address;
}

struct sched_object *sched_object(const void *address, enum object_kind kind)
{
    static const char *const name[] = { "unknown", "memory", "a mutex", "a condition variable", "destroyed" };
    struct sched_object *object     = object_find(key_of(address, kind));

    if (object->kind == OBJECT_UNKNOWN) object->kind = kind;
    if (object->kind != kind) sched_end(SCHED_MISUSE, "used as %s, but it is %s", name[kind], name[object->kind]);
    return object;
}

struct sched_object *objects_reinit(const void *address, enum object_kind kind)
{
    struct sched_object *object = object_find(key_of(address, kind));

    if (object->kind == OBJECT_MUTEX && object->owner != SCHED_NOBODY)
        sched_end(SCHED_MISUSE, "a locked mutex is initialised again");
    object->kind  = kind;
    object->owner = SCHED_NOBODY;
    return object;
}

/* ---- histories ---- */

static void set_history(int id, uint64_t history)
{
    struct sched_thread *thread = sched_thread(id);

    state_hash -= mix(thread->history, (uint64_t)id + 1);
    thread->history = history;
    state_hash += mix(thread->history, (uint64_t)id + 1);
}

void objects_thread_new(int id, uint64_t parent)
{
    sched_thread(id)->history = mix(parent, 7);
    state_hash += mix(sched_thread(id)->history, (uint64_t)id + 1);
}

void sched_learned(int id, uint64_t value)
{
    set_history(id, mix(sched_thread(id)->history, value));
}

void sched_saw(struct sched_object *object)
{
    int id = sched_self();

    set_history(id, mix(sched_thread(id)->history, object->written));
    object->readers += mix(sched_thread(id)->history, 3);
}

void objects_changed_by(int id, struct sched_object *object)
{
    set_history(id, mix(mix(sched_thread(id)->history, object->written), object->readers));
    object->written = sched_thread(id)->history;
    object->readers = 0;
}

void sched_changed(struct sched_object *object)
{
    objects_changed_by(sched_self(), object);
}
