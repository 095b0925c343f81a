/* SPDX-License-Identifier: MIT */
/* Group commit for peers that have none of their own: see commit.c. */
#ifndef HOPPER_BENCH_COMMIT_H
#define HOPPER_BENCH_COMMIT_H

#include "bench.h"

/* Bring the COUNT messages of one group to the device. Called by one thread at a time, with no lock held. */
typedef void commit_fn(const struct iovec *messages, size_t count);

void commit_init(commit_fn *bring);

/* Returns when the LEN bytes at MESSAGE are on the device. Any thread. */
void commit_send(const void *message, size_t len);

#endif
