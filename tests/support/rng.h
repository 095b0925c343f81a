/* SPDX-License-Identifier: MIT */
/*
 * Random numbers for tests that can be run again: one 64-bit seed decides everything. A test takes its seed from
 * rng_seed(), which prints it; HOPPER_TEST_SEED=N runs the same again.
 */
#ifndef TESTS_RNG_H
#define TESTS_RNG_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct rng {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to BOUND - 1, evenly enough for tests; BOUND > 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return (rng_next(rng) >> 11) % bound;
}

/* LOW to HIGH, both possible. */
static inline uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high)
{
    return low + rng_below(rng, high - low + 1);
}

/* The seed of this run of TEST: HOPPER_TEST_SEED if set, else a new one; printed either way. */
static inline uint64_t rng_seed(const char *test)
{
    const char *text = getenv("HOPPER_TEST_SEED");
    struct timespec now;
    uint64_t seed;

    if (text && *text) {
        seed = strtoull(text, NULL, 0);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        seed = ((uint64_t)now.tv_sec << 20 ^ (uint64_t)now.tv_nsec) + ((uint64_t)getpid() << 44);
    }
    printf("%s: HOPPER_TEST_SEED=%" PRIu64 "\n", test, seed);
    fflush(stdout);
    return seed;
}

/* A number from the environment, such as how many steps to take. */
static inline uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

#endif
