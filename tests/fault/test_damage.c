/* SPDX-License-Identifier: MIT */
/*
 * Queue files damaged at every place: each byte changed, the file cut at each length, and random combinations. No
 * crash, no record that was not sent, and exactly as many records in gaps as do not come. What comes right after the
 * damage is there: a changed byte costs one frame at most.
 *
 * HOPPER_TEST_MASKS=all tries every one of 255 changes of each byte instead of one of four in turn.
 */
#include "chan.h"

#include "rng.h"
#include "suite.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_FRAME 5
#define TAIL      3 /* records behind the damaged ones, in memory */

struct layout {
    const char *name;
    uint32_t compression;
    uint64_t file_bytes; /* large: all in one file that is still written; small: sealed files */
    int frames;          /* of small records */
};

static const struct layout layouts[] = {
    { "stored, one file", HOPPER_COMPRESSION_NONE, 64 << 10, 6 },
    { "deflated, one file", 6, 64 << 10, 6 },
    { "stored, sealed files", HOPPER_COMPRESSION_NONE, 4096, 24 },
    { "deflated, sealed files", 6, 4096, 36 },
};
#define LAYOUTS ((int)(sizeof layouts / sizeof *layouts))

/* Memory full of large records, then small ones in frames of PER_FRAME, all in files. Every run makes the same
 * bytes: channel ids come from the platform's random numbers, times from its clock. */
static void prepare(struct chan *c, const struct layout *layout)
{
    struct hopper_stats stats;

    chan_init_flags(c, MEM_SINGLE_THREAD);
    c->options.compression = layout->compression;
    c->options.file_bytes  = layout->file_bytes;
    c->is_tampered         = true;
    chan_open(c);
    do {
        chan_stats(c, &stats);
        require_int(chan_send(c, stats.memory_bytes_used + 8000 < stats.memory_bytes ? 4000 : 300), HOPPER_OK);
        chan_stats(c, &stats);
    } while (stats.overflowed == 0);
    require_int(hopper_flush(c->snd), HOPPER_OK);
    for (int i = 0; i < layout->frames * PER_FRAME; i++) {
        require_int(chan_send(c, 60 + (size_t)i % 30), HOPPER_OK);
        if (i % PER_FRAME == PER_FRAME - 1) require_int(hopper_flush(c->snd), HOPPER_OK);
    }
    for (int i = 0; i < TAIL; i++) require_int(chan_send(c, 50), HOPPER_OK);
}

/* The file with the small records that is damaged; its size. */
static uint64_t victim(struct chan *c, const struct layout *layout, char path[300])
{
    int count = chan_queue_files(c), i = layout->file_bytes > 4096 ? count - 1 : count / 2;

    require_le(layout->file_bytes > 4096 ? 1 : 3, (uintmax_t)count);

    require_that(chan_queue_file(c, i, path));
    return (uint64_t)mem_file_size(c->mem, path);
}

/* Drain; exact by the fixture's own asserts. Returns how many records were lost. */
static uint64_t drain(struct chan *c)
{
    uint64_t lost;
    hopper_status st;

    chan_drain(c, &st);
    require(st == HOPPER_EAGAIN, "drained to %s", hopper_status_name(st));
    require_eq(c->checker.records + c->checker.lost, c->sent);
    require_eq(c->checker.next[0], c->sent); /* what was behind the damage is there */
    lost = c->checker.lost;
    chan_finish(c);
    return lost;
}

START_TEST(every_byte_changed_costs_one_frame_at_most)
{
    static const unsigned masks[] = { 0x01, 0x80, 0xff, 0x10 };
    const char *text              = getenv("HOPPER_TEST_MASKS");
    unsigned count                = text && strcmp(text, "all") == 0 ? 255 : 1;
    const struct layout *layout   = &layouts[_i];
    uint64_t bytes, runs = 0, harmless = 0, offset = 0;
    char path[300];
    struct chan c;

    do {
        for (unsigned i = 0; i < count; i++) {
            unsigned mask = count == 255 ? i + 1 : masks[offset % 4];
            uint64_t lost;

            prepare(&c, layout);
            bytes = victim(&c, layout, path);
            require_int(mem_poke(c.mem, path, offset, mask), 0);
            lost = drain(&c);
            require(lost <= PER_FRAME, "byte %" PRIu64 " changed by %#x: %" PRIu64 " lost", offset, mask, lost);
            harmless += lost == 0;
            runs++;
        }
    } while (++offset < bytes);
    require_le(harmless, runs / 2); /* the records were where the damage was */
    printf("test_damage: %s: %" PRIu64 " bytes, %" PRIu64 " runs\n", layout->name, bytes, runs);
}
END_TEST

START_TEST(a_file_cut_at_every_length_loses_what_was_behind_the_cut)
{
    const struct layout *layout = &layouts[_i];
    uint64_t bytes, last_lost = UINT64_MAX, cut = 0;
    char path[300];
    struct chan c;

    do {
        uint64_t lost;

        prepare(&c, layout);
        bytes = victim(&c, layout, path);
        require_int(mem_truncate(c.mem, path, cut), 0);
        lost = drain(&c);
        require(lost <= last_lost, "cut at %" PRIu64 ": %" PRIu64 " lost, %" PRIu64 " when cut before", cut, lost,
                last_lost);
        last_lost = lost;
    } while (++cut <= bytes);
    require_eq(last_lost, 0);
}
END_TEST

/* Several bytes, ranges of zeros, pieces of the file moved to other places, all files at once. */
static void damage(struct chan *c, struct rng *rng)
{
    char path[300];

    for (int i = 0; chan_queue_file(c, i, path); i++) {
        unsigned char *data;
        uint64_t at, from, len;
        void *copy;
        size_t bytes;

        if (rng_below(rng, 3) == 0) continue;
        require_int(mem_read_file(c->mem, path, &copy, &bytes), 0);
        data = copy;
        for (uint64_t n = rng_between(rng, 1, 4); n > 0 && bytes > 0; n--) {
            at   = rng_below(rng, bytes);
            from = rng_below(rng, bytes);
            len  = rng_between(rng, 1, bytes - (at > from ? at : from));
            switch (rng_below(rng, 4)) {
            case 0: data[at] ^= (unsigned char)rng_between(rng, 1, 255); break;
            case 1: memset(data + at, (int)rng_below(rng, 2) * 0xff, (size_t)len); break;
            case 2: memmove(data + at, data + from, (size_t)len); break;
            default: bytes = (size_t)(at + 1); break;
            }
        }
        require_int(mem_write_file(c->mem, path, data, bytes), 0);
        free(copy);
    }
}

START_TEST(any_damage_to_all_files_is_counted_exactly)
{
    struct rng rng = { rng_seed("test_damage") };
    uint64_t runs = env_number("HOPPER_TEST_DAMAGES", 1500), lost = 0;

    for (uint64_t i = 0; i < runs; i++) {
        struct chan c;
        hopper_status st;

        prepare(&c, &layouts[rng_below(&rng, LAYOUTS)]);
        damage(&c, &rng);
        chan_drain(&c, &st);
        require(st == HOPPER_EAGAIN, "drained to %s", hopper_status_name(st));
        require_eq(c.checker.records + c.checker.lost, c.sent);
        lost += c.checker.lost;
        chan_finish(&c);
    }
    require_le(runs, lost);
    printf("test_damage: %" PRIu64 " random damages, %" PRIu64 " records lost and counted\n", runs, lost);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("damage");
    TCase *tc    = tcase_create("damage");

    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, every_byte_changed_costs_one_frame_at_most, 0, LAYOUTS);
    tcase_add_loop_test(tc, a_file_cut_at_every_length_loses_what_was_behind_the_cut, 0, LAYOUTS);
    tcase_add_test(tc, any_damage_to_all_files_is_counted_exactly);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
