/* SPDX-License-Identifier: MIT */
/*
 * Zeros ahead of the frames: where every group is synced the file that is written gets them for many groups at once.
 * They cost no record its room and no send its success, they are gone when nobody needs them, and whoever finds them
 * after a kill finds nothing wrong.
 */
#include "survive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define STEP  (256 << 10) /* zeros that are written at once */
#define HEAD  52          /* header of a frame */
#define FRAME (HEAD + 2 + 100)

static struct surv s;

/* ---- the platform, with an eye on what is written and a hand in it ---- */

static struct {
    struct hopper_platform table;
    const struct hopper_io *io;
    int error;           /* of writing zeros, 0: none */
    bool is_half;        /* half of them are written before that */
    bool cannot_cut;     /* nor can a file be cut */
    bool cannot_remove;
    bool fails_at_sync;  /* it is the sync behind them that fails, with ERROR */
    bool has_zeros;      /* some were written since the last sync */
    uint64_t zeros;      /* writes of them */
    uint64_t last[3][2]; /* offset and length of the last three writes, the last one first */
} hand;

static bool is_zeros(const unsigned char *buf, size_t len)
{
    size_t i = 0;

    while (i < len && buf[i] == 0) i++;
    return i == len && len >= 64;
}

static ssize_t hand_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    memmove(hand.last[1], hand.last[0], sizeof hand.last - sizeof hand.last[0]);
    hand.last[0][0] = offset;
    hand.last[0][1] = len;
    if (!is_zeros(buf, len)) return hand.io->pwrite(ctx, fd, buf, len, offset);
    hand.zeros++;
    hand.has_zeros = true;
    if (hand.error == 0 || hand.fails_at_sync) return hand.io->pwrite(ctx, fd, buf, len, offset);
    if (hand.is_half && len > 8192) return hand.io->pwrite(ctx, fd, buf, len / 2, offset);
    return -hand.error;
}

static int hand_truncate(void *ctx, int fd, uint64_t bytes)
{
    return hand.cannot_cut ? -EIO : hand.io->truncate(ctx, fd, bytes);
}

static int hand_unlink_at(void *ctx, int dirfd, const char *name)
{
    return hand.cannot_remove ? -EIO : hand.io->unlink_at(ctx, dirfd, name);
}

static int hand_fdatasync(void *ctx, int fd)
{
    const bool fails = hand.fails_at_sync && hand.has_zeros;

    hand.has_zeros = false;
    return fails ? -hand.error : hand.io->fdatasync(ctx, fd);
}

static void init(uint64_t disk_bytes, uint64_t file_bytes)
{
    memset(&hand, 0, sizeof hand);
    surv_init(&s, HOPPER_SURVIVE_POWER_LOSS);
    s.options.disk_bytes    = disk_bytes;
    s.options.file_bytes    = file_bytes;
    hand.table              = *s.options.platform;
    hand.io                 = &s.options.platform->io;
    hand.table.io.pwrite    = hand_pwrite;
    hand.table.io.truncate  = hand_truncate;
    hand.table.io.fdatasync = hand_fdatasync;
    hand.table.io.unlink_at = hand_unlink_at;
    s.options.platform      = &hand.table;
}

/* STATE begins with zeros as well, which are none of these. */
static void begin(void)
{
    surv_open(&s);
    hand.zeros     = 0;
    hand.has_zeros = false;
}

/* ---- the files from outside ---- */

/* The size of the file at PATH; *ENDP: behind its last byte that is not zero, which no frame here ends with. */
static uint64_t look(const char *path, uint64_t *endp)
{
    unsigned char *data;
    size_t len, end;

    require_int(mem_read_file(s.mem, path, (void **)&data, &len), 0);
    for (end = len; end > 0 && data[end - 1] == 0; end--) continue;
    free(data);
    *endp = end;
    return len;
}

static uint64_t look_last(uint64_t *endp)
{
    char path[300];

    require_that(surv_last_file(&s, path));
    return look(path, endp);
}

static uint64_t zeros_of_last(void)
{
    uint64_t end, size = look_last(&end);

    return size - end;
}

/* With no block in memory: LOCK, and a footer that is owed. */
static void require_true_use(void)
{
    struct hopper_stats stats;
    uint64_t bytes;

    surv_stats(&s, &stats);
    (void)surv_queue_files(&s, &bytes);
    require_eq(stats.disk_bytes_used, bytes + SURV_KEPT + 104);
}

static uint64_t send_until_refused(size_t len)
{
    uint64_t count = 0;

    while (surv_send(&s, len) == HOPPER_OK) count++;
    return count;
}

/* ---- what they are for ---- */

START_TEST(many_groups_lie_on_zeros_that_were_written_once)
{
    uint64_t first, end, size;

    init(64 << 20, 16 << 20);
    begin();
    surv_send_ok(&s, 100);
    first = look_last(&end);
    require_le(STEP, first + 4096);
    require_eq(first % 4096, 0);
    require_eq(hand.zeros, 1);
    while (end + FRAME <= first) {
        surv_send_ok(&s, 100);
        size = look_last(&end);
        require_eq(size, first);
        require_true_use();
    }
    require_eq(hand.zeros, 1);
    surv_send_ok(&s, 100); /* lies on the rest of them, and beyond */
    require_le(first + STEP / 2, look_last(&end));
    require_eq(hand.zeros, 2);
    surv_close(&s);
    require_eq(zeros_of_last(), 0);
    surv_open(&s);
    surv_finish(&s);
}
END_TEST

/* Whoever reads the file meanwhile finds a frame with all of its payload, or no header. */
START_TEST(on_zeros_the_header_comes_last)
{
    uint64_t end;

    init(64 << 20, 16 << 20);
    begin();
    surv_send_ok(&s, 100);
    for (int i = 0; i < 3; i++) {
        (void)look_last(&end);
        surv_send_ok(&s, 5000);
        require_eq(hand.last[1][0], end + HEAD);
        require_eq(hand.last[1][1], 3 + 5000);
        require_eq(hand.last[0][0], end);
        require_eq(hand.last[0][1], HEAD);
    }
    surv_finish(&s);
}
END_TEST

START_TEST(where_groups_are_not_synced_there_are_none)
{
    init(64 << 20, 16 << 20);
    s.options.sync = HOPPER_SYNC_DEMAND;
    begin();
    for (int i = 0; i < 10; i++) surv_send_ok(&s, 100);
    require_int(hopper_wait_durable(s.snd, s.next - 1, HOPPER_FOREVER), HOPPER_OK);
    require_eq(hand.zeros, 0);
    surv_finish(&s);
}
END_TEST

/* Each byte of such a group would be written twice, to save few syncs. */
START_TEST(a_large_group_gets_none)
{
    init(64 << 20, 16 << 20);
    s.options.record_bytes_max = 1 << 20;
    begin();
    surv_send_ok(&s, 100 << 10);
    require_eq(hand.zeros, 0);
    surv_send_ok(&s, 1000);
    require_eq(hand.zeros, 1);
    surv_send_ok(&s, 500 << 10); /* larger than what there is of them */
    require_eq(zeros_of_last(), 0);
    surv_finish(&s);
}
END_TEST

/* As long as a file is there that nobody wants, its zeros are no room for anything else. */
START_TEST(a_file_that_cannot_be_removed_keeps_none)
{
    init(1200000, 400000);
    s.options.when_full   = HOPPER_FULL_REFUSE;
    s.options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    begin();
    do surv_send_ok(&s, 1000);
    while (s.next < 195 || zeros_of_last() < 60000);
    surv_drain(&s);
    hand.cannot_remove = true;
    hand.cannot_cut    = _i == 1;
    surv_ack(&s);
    hand.cannot_cut = false;
    for (size_t len = 20000; len > 100; len /= 2) (void)send_until_refused(len);
    require_eq(mem_watch_excess(s.mem), 0);
    hand.cannot_remove = false;
    surv_finish(&s);
}
END_TEST

START_TEST(a_file_that_is_left_keeps_none)
{
    char path[300];
    uint64_t end;

    init(4 << 20, 40000);
    begin();
    surv_send_ok(&s, 100);
    require_that(surv_last_file(&s, path));
    require_le(20000, zeros_of_last());
    require_le((uint64_t)mem_file_size(s.mem, path), 40000);
    for (int i = 0; i < 3; i++) surv_send_ok(&s, 15000); /* the third does not fit */
    require_eq(surv_queue_files(&s, NULL), 2);
    require_eq(look(path, &end), end);
    surv_finish(&s);
}
END_TEST

/* ---- the budget ---- */

static const uint64_t budgets[] = { 0, 777, 4096, 20000, 65536, 300000, 800000 };
#define BUDGETS (sizeof budgets / sizeof *budgets)
static const uint64_t limits[] = { 4096, 20000, 300000, 1 << 20 };
#define LIMITS (sizeof limits / sizeof *limits)

static uint64_t fill(uint32_t sync, uint64_t disk_bytes, uint64_t file_bytes, size_t len, uint64_t *zerosp)
{
    uint64_t count;

    init(disk_bytes, file_bytes);
    s.options.sync = sync;
    begin(); /* from here on surv_books() has an eye on the budget */
    count   = send_until_refused(len);
    *zerosp = hand.zeros;
    surv_finish(&s);
    return count;
}

START_TEST(a_full_budget_holds_as_many_records_as_without_them)
{
    const uint64_t disk_bytes = HOPPER_DISK_BYTES_MIN + budgets[(size_t)_i / LIMITS];
    const uint64_t file_bytes = limits[(size_t)_i % LIMITS];
    uint64_t none, some, sum = 0;

    for (size_t len = 200; len < 8000; len = len * 5 + 1) {
        const uint64_t wanted = fill(HOPPER_SYNC_DEMAND, disk_bytes, file_bytes, len, &none);

        require_eq(fill(HOPPER_SYNC_GROUP, disk_bytes, file_bytes, len, &some), wanted);
        require_eq(none, 0);
        sum += some;
    }
    require(file_bytes == 4096 || sum > 0, "no zeros were written");
}
END_TEST

/* The same for a device that is full before. */
START_TEST(a_full_device_holds_as_many_records_as_without_them)
{
    static const uint32_t syncs[] = { HOPPER_SYNC_DEMAND, HOPPER_SYNC_GROUP };
    uint64_t count[2], zeros = 0;

    for (int i = 0; i < 2; i++) {
        init(64 << 20, limits[(size_t)_i % LIMITS]);
        s.options.sync = syncs[i];
        begin();
        mem_set_capacity(s.mem, 30000 + budgets[(size_t)_i / LIMITS] / 8);
        count[i] = send_until_refused(1000);
        zeros += hand.zeros;
        mem_set_capacity(s.mem, MEM_UNLIMITED);
        surv_finish(&s);
    }
    require_eq(count[0], count[1]);
    require((size_t)_i % LIMITS == 0 || zeros > 0, "no zeros were written");
}
END_TEST

/* ---- when they cannot be written ---- */

START_TEST(a_send_does_not_fail_for_want_of_zeros)
{
    static const int errors[] = { ENOSPC, EIO, EDQUOT, EFBIG };
    uint64_t tries;

    init(4 << 20, 64 << 10);
    begin();
    hand.error      = errors[_i % 4];
    hand.is_half    = _i / 4 % 2;
    hand.cannot_cut = _i / 8 % 2;
    surv_send_ok(&s, 1000);
    if (_i < 8) require_true_use();
    tries = hand.zeros;
    for (int i = 0; i < 10; i++) surv_send_ok(&s, 1000);
    require(tries > 0 && hand.zeros == tries, "it was tried again in the same file");
    hand.cannot_cut = false;
    if (_i < 8) require_eq(zeros_of_last(), 0);
    hand.error = 0;
    while (surv_queue_files(&s, NULL) < 2) surv_send_ok(&s, 1000);
    require_le(20000, zeros_of_last()); /* and again in the next */
    surv_kill(&s);
    surv_open(&s);
    surv_finish(&s);
}
END_TEST

/* Some file systems find out at the sync that there is no room for what was written. */
START_TEST(a_send_does_not_fail_when_the_sync_has_no_room_for_zeros)
{
    init(4 << 20, 64 << 10);
    begin();
    hand.error         = ENOSPC;
    hand.fails_at_sync = true;
    for (int i = 0; i < 10; i++) surv_send_ok(&s, 1000);
    require_eq(surv_queue_files(&s, NULL), 2);
    require_eq(hand.zeros, 1);
    surv_finish(&s);
}
END_TEST

/* ---- after a kill ---- */

START_TEST(after_a_kill_zeros_are_cut_off_and_nothing_is_told)
{
    char path[300];
    uint64_t end;

    init(4 << 20, 1 << 20);
    begin();
    for (int i = 0; i < _i; i++) surv_send_ok(&s, 300);
    require_that(surv_last_file(&s, path));
    require_le(100000, zeros_of_last());
    surv_kill(&s);
    surv_open(&s); /* the report tells of no tail */
    require_eq(look(path, &end), end);
    require_eq(s.report.file_bytes, end);
    surv_send_ok(&s, 300);
    surv_finish(&s);
}
END_TEST

START_TEST(a_frame_that_was_begun_on_zeros_is_told_by_its_length)
{
    char path[300];
    uint64_t end;

    init(4 << 20, 1 << 20);
    begin();
    for (int i = 0; i < 5; i++) surv_send_ok(&s, 300);
    (void)look_last(&end);
    surv_kill(&s);
    require_that(surv_last_file(&s, path));
    require_int(mem_poke(s.mem, path, end + HEAD + 20, 0x5a), 0);
    require_int(mem_poke(s.mem, path, end + HEAD + 30, 0x5a), 0);
    s.is_unjudged = true;
    surv_open(&s);
    require_eq(s.report.torn_file, 1);
    require_eq(s.report.torn_bytes, HEAD + 31);
    require_eq(s.report.file_bytes, end);
    s.is_unjudged = false;
    surv_finish(&s);
}
END_TEST

/* Its end was cut off, but that had not reached the device when the power went. */
START_TEST(zeros_in_a_file_before_the_last_are_no_gap)
{
    const char *path = SURV_PATH "/00000000000000000001.hq";
    unsigned char *data, *longer;
    size_t len;

    init(4 << 20, 20000);
    begin();
    while (surv_queue_files(&s, NULL) < 3) surv_send_ok(&s, 3000);
    surv_kill(&s);
    require_int(mem_read_file(s.mem, path, (void **)&data, &len), 0);
    require_that((longer = calloc(1, len + 9000)) != NULL);
    memcpy(longer, data, len - (_i == 0 ? 0 : 40)); /* with its footer, or without it as well */
    require_int(mem_chmod(s.mem, path, 0600), 0);
    require_int(mem_write_file(s.mem, path, longer, len + 9000), 0);
    free(longer);
    free(data);
    surv_open(&s);
    surv_finish(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zeros ahead of the frames");
    TCase *tc    = tcase_create("zeros");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, many_groups_lie_on_zeros_that_were_written_once);
    tcase_add_test(tc, on_zeros_the_header_comes_last);
    tcase_add_test(tc, where_groups_are_not_synced_there_are_none);
    tcase_add_test(tc, a_large_group_gets_none);
    tcase_add_loop_test(tc, a_file_that_cannot_be_removed_keeps_none, 0, 2);
    tcase_add_test(tc, a_file_that_is_left_keeps_none);
    tcase_add_loop_test(tc, a_full_budget_holds_as_many_records_as_without_them, 0, BUDGETS * LIMITS);
    tcase_add_loop_test(tc, a_full_device_holds_as_many_records_as_without_them, 0, BUDGETS * LIMITS);
    tcase_add_loop_test(tc, a_send_does_not_fail_for_want_of_zeros, 0, 16);
    tcase_add_test(tc, a_send_does_not_fail_when_the_sync_has_no_room_for_zeros);
    tcase_add_loop_test(tc, after_a_kill_zeros_are_cut_off_and_nothing_is_told, 1, 6);
    tcase_add_test(tc, a_frame_that_was_begun_on_zeros_is_told_by_its_length);
    tcase_add_loop_test(tc, zeros_in_a_file_before_the_last_are_no_gap, 0, 2);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
