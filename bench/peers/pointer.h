/* SPDX-License-Identifier: MIT */
/*
 * For channels that carry pointers: what a user does with them. Messages of eight bytes travel as the pointer itself
 * (plus one, as not all channels take NULL); all others as a copy on the heap with its length, which the receiver
 * frees. Where the channel has no batches of its own, a batch is one such copy of all its messages.
 */
#ifndef HOPPER_BENCH_POINTER_H
#define HOPPER_BENCH_POINTER_H

#include "bench.h"

#include <stdlib.h>

#define POINTER_INLINE static inline __attribute__((always_inline))

struct pointer_message {
    size_t len;
    size_t count; /* of messages, one after the other */
    char bytes[];
};

POINTER_INLINE bool pointer_is_word(const struct bench_work *work)
{
    return sizeof(void *) >= sizeof(uint64_t) && work->size == sizeof(uint64_t);
}

POINTER_INLINE void *pointer_word(uint64_t value)
{
    return (void *)(uintptr_t)(value + 1);
}

/* Copy COUNT records, which lie one after the other. */
POINTER_INLINE void *pointer_copy(const struct iovec *records, size_t count)
{
    const struct iovec *last        = &records[count - 1];
    const char *front               = records->iov_base;
    size_t len                      = (size_t)((const char *)last->iov_base - front) + last->iov_len;
    struct pointer_message *message = malloc(sizeof *message + len);

    if (message == NULL) bench_die("malloc", "no memory");
    message->len   = len;
    message->count = count;
    memcpy(message->bytes, front, len);
    return message;
}

/* Check and free a copy. Returns how many messages it has. */
POINTER_INLINE size_t pointer_take_copy(const struct bench_work *work, struct bench_check *check, void *pointer)
{
    struct pointer_message *message = pointer;
    size_t count                    = message->count;
    size_t at                       = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len = count == 1 ? message->len : bench_message_size(work, bench_load(message->bytes + at));

        bench_any_check(work, check, message->bytes + at, len);
        at += len;
    }
    check->errors += at != message->len;
    free(message);
    return count;
}

/* Check what came as one message: a word or a copy. */
POINTER_INLINE void pointer_take(const struct bench_work *work, struct bench_check *check, void *pointer)
{
    if (pointer_is_word(work)) bench_value_check(check, (uint64_t)(uintptr_t)pointer - 1);
    else pointer_take_copy(work, check, pointer);
}

/* The two halves of a peer whose batches are one pointer; PUSH and POP wait as long as they have to. */
POINTER_INLINE void pointer_send(const struct bench_work *work, unsigned sender, uint64_t first, uint64_t count,
                                 void (*push)(void *))
{
    struct iovec records[BENCH_BATCH_MAX];
    char *group = bench_group_alloc(work, first);

    while (count > 0) {
        size_t some = bench_group(work, count);

        if (work->batch == 1 && pointer_is_word(work)) {
            for (size_t i = 0; i < some; i++) push(pointer_word(bench_value(sender, first + i)));
        } else {
            bench_records_fill(work, group, records, sender, first, some);
            if (work->batch > 1) {
                push(pointer_copy(records, some));
            } else {
                for (size_t i = 0; i < some; i++) push(pointer_copy(&records[i], 1));
            }
        }
        first += some;
        count -= some;
    }
    free(group);
}

POINTER_INLINE void pointer_receive(const struct bench_work *work, struct bench_check *check, uint64_t count,
                                    void *(*pop)(void))
{
    if (work->batch > 1) {
        while (count > 0) count -= pointer_take_copy(work, check, pop());
    } else {
        for (; count > 0; count--) pointer_take(work, check, pop());
    }
}

#endif
