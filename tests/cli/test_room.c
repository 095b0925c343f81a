/* SPDX-License-Identifier: MIT */
/* What hopper-cat reckons that the queue can take, beside what the library makes of the same budgets (lib/options.c): where that
 * changes, cli/room.c has to follow. */
#include "room.h"

#include "error.h"
#include "options.h"
#include "suite.h"

#define FRAME_BYTES 1280u /* as in cli/room.c */

static const uint64_t memories[] = { HOPPER_MEMORY_BYTES_MIN_SURVIVE, 300000, 1u << 20, 5000000, 64u << 20, 1u << 30 };
static const uint64_t rooms[]    = { HOPPER_DISK_BYTES_MIN, 100000,           600000, 2u << 20, 10u << 20,
                                     UINT64_C(1) << 32,     UINT64_C(1) << 40 };
static const uint64_t files[]    = { 4096, 10000, 70000, 1u << 20, 256u << 20, UINT64_C(1) << 41 };

static void check(const struct args *args)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT, taken;
    struct hopper_error err;
    struct hpr_plan plan;
    struct room room;

    options.survive            = args->survive;
    options.memory_bytes       = args->memory_bytes;
    options.disk_bytes         = args->disk_bytes;
    options.file_bytes         = args->file_bytes;
    options.compression        = args->compression;
    options.decompress_threads = args->decompress_threads;
    ck_assert_msg(hpr_options_import(&taken, &options, &err) == HOPPER_OK, "%s", err.op);
    hpr_options_plan(&taken, &plan);
    room_init(&room, args);
    ck_assert_uint_ge(room.block_bytes, plan.block_bytes + FRAME_BYTES);
    ck_assert_uint_ge((room.rate - 7) * plan.block_bytes, 7 * FRAME_BYTES);
    ck_assert_uint_ge(plan.file_bytes * 4 + 3, args->file_bytes < room.queue_bytes / 4 ? 0 : room.queue_bytes);
    ck_assert_uint_le(plan.record_bytes_max, room.queue_bytes);
}

START_TEST(blocks_and_room_are_the_library_s)
{
    for (size_t m = 0; m < sizeof memories / sizeof *memories; m++)
        for (size_t d = 0; d < sizeof rooms / sizeof *rooms; d++)
            for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
                struct args args = { .memory_bytes = memories[m], .file_bytes = files[f], .survive = (uint32_t)_i };

                args.disk_bytes = rooms[d] + 16384 + (_i == HOPPER_SURVIVE_CRASH ? 2 * memories[m] : 0);
                check(&args);
                args.compression = HOPPER_COMPRESSION_NONE; /* blocks may be larger */
                check(&args);
                args.decompress_threads = 1; /* or smaller */
                if (args.memory_bytes < 1u << 20) continue;
                check(&args);
                args.compression = 0;
                check(&args);
            }
}
END_TEST

/* Without options: the library's own. */
START_TEST(defaults_are_the_library_s)
{
    struct hopper_options taken;
    struct hopper_error err;
    struct room given, defaults;

    ck_assert_int_eq(hpr_options_import(&taken, NULL, &err), HOPPER_OK);
    room_init(&defaults, &(struct args){ .survive = HOPPER_SURVIVE_CRASH });
    room_init(&given, &(struct args){ .survive      = HOPPER_SURVIVE_CRASH,
                                      .memory_bytes = taken.memory_bytes,
                                      .disk_bytes   = taken.disk_bytes,
                                      .file_bytes   = taken.file_bytes });
    ck_assert_mem_eq(&given, &defaults, sizeof given);
}
END_TEST

/* All that is granted is reckoned with, and in the end nothing is granted. */
START_TEST(what_is_granted_is_taken_off)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;
    struct room room;
    uint64_t all = 0;
    size_t got;

    room_init(&room, &(struct args){ .survive = HOPPER_SURVIVE_POWER_LOSS, .disk_bytes = 10u << 20 });
    stats.disk_bytes      = 10u << 20;
    stats.disk_bytes_used = 1u << 20;
    stats.pending_disk    = 1;
    room_look(&room, &stats);
    while ((got = room_grant(&room, 100, ROOM_READ_BYTES_MAX)) > 0) {
        ck_assert_uint_le(got, ROOM_READ_BYTES_MAX);
        room_take(&room, got);
        all += got;
    }
    ck_assert_uint_gt(all, 0);
    ck_assert_uint_lt(all * 7, 9u << 20);
    stats.disk_bytes_used = stats.disk_bytes + 1; /* other budgets before */
    room_look(&room, &stats);
    ck_assert_uint_eq(room_grant(&room, 0, 1000), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli room");
    TCase *tcase = tcase_create("room");

    tcase_add_loop_test(tcase, blocks_and_room_are_the_library_s, HOPPER_SURVIVE_CRASH, HOPPER_SURVIVE_POWER_LOSS + 1);
    tcase_add_test(tcase, defaults_are_the_library_s);
    tcase_add_test(tcase, what_is_granted_is_taken_off);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
