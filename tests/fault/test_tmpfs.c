/* SPDX-License-Identifier: MIT */
/*
 * A real device that is really full: a tmpfs of 256 KiB, mounted in a mount namespace of this process alone, so that
 * it is gone with it. Needs the right to mount; without it the test says SKIPPED and ends with 77.
 */
#include "checker.h"

#include "suite.h"
#include "tmpdir.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define DEVICE_BYTES "256k"
#define LEN          1000

static char *dir;
static hopper_sender *snd;
static hopper_receiver *rcv;
static struct checker checker;
static uint64_t accepted;

static void open_channel(uint32_t when_full)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;
    char text[400];

    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    options.file_bytes   = 64 << 10;
    options.when_full    = when_full;
    options.compression  = HOPPER_COMPRESSION_NONE;
    checker_init(&checker);
    accepted = 0;
    if (hopper_open(dir, "q", &options, &snd, &rcv, &err) != HOPPER_OK) {
        hopper_error_format(&err, text, sizeof text);
        ck_abort_msg("%s", text);
    }
}

static hopper_status send_one(void)
{
    unsigned char buf[LEN];
    hopper_status st;

    checker_fill(buf, sizeof buf, 0, accepted);
    st = hopper_send_until(snd, buf, sizeof buf, HOPPER_NOW);
    if (st == HOPPER_OK) accepted++;
    return st;
}

static hopper_status take_one(void)
{
    struct hopper_record rec;
    hopper_status st = hopper_receive(rcv, &rec, HOPPER_NOW);

    if (st == HOPPER_OK) ck_assert_msg(checker_take(&checker, &rec), "%s", checker.fault);
    return st;
}

static void finish(void)
{
    hopper_status st;

    hopper_sender_close(snd);
    while ((st = take_one()) == HOPPER_OK) {
    }
    ck_assert_int_eq(st, HOPPER_END);
    ck_assert_msg(checker_finish(&checker, &accepted, 1), "%s", checker.fault);
    ck_assert_uint_eq(checker.lost, 0);
    hopper_receiver_close(rcv);
}

static void path_of(char path[1100], const char *name)
{
    snprintf(path, 1100, "%s/%s", dir, name);
}

/* Take up all that is free on the device but KEEP bytes. */
static void hog(uint64_t keep)
{
    char path[1100], block[4096];
    int fd;
    off_t bytes = 0;

    path_of(path, "hog");
    fd = open(path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    memset(block, 'x', sizeof block);
    while (write(fd, block, sizeof block) > 0) bytes += (off_t)sizeof block;
    ck_assert_int_eq(errno, ENOSPC);
    if (keep > 0) ck_assert_int_eq(ftruncate(fd, bytes - (off_t)keep), 0);
    close(fd);
}

static void unhog(void)
{
    char path[1100];

    path_of(path, "hog");
    ck_assert_int_eq(unlink(path), 0);
}

START_TEST(a_full_device_is_enospc_and_everything_accepted_comes_out)
{
    struct hopper_stats stats;
    hopper_status st;

    open_channel(HOPPER_FULL_REFUSE);
    for (int round = 0; round < 5; round++) {
        while ((st = send_one()) == HOPPER_OK) {
        }
        ck_assert_int_eq(st, HOPPER_ENOSPC);
        for (int i = 0; i < 20; i++) ck_assert_int_eq(send_one(), HOPPER_ENOSPC);
        memset(&stats, 0, sizeof stats);
        stats.size = sizeof stats;
        ck_assert_int_eq(hopper_sender_stats(snd, &stats), HOPPER_OK);
        ck_assert_int_eq(stats.disk_errno, ENOSPC);
        while ((st = take_one()) == HOPPER_OK) {
        }
        ck_assert_int_eq(st, HOPPER_EAGAIN);
        ck_assert_uint_eq(checker.records, accepted);
    }
    finish();
}
END_TEST

START_TEST(a_device_that_somebody_else_fills_and_empties_is_used_as_it_comes)
{
    hopper_status st;

    open_channel(HOPPER_FULL_REFUSE);
    for (uint64_t keep = 0; keep < 40000; keep += 4096) {
        hog(keep);
        while ((st = send_one()) == HOPPER_OK) {
        }
        ck_assert_int_eq(st, HOPPER_ENOSPC);
        unhog();
        for (int i = 0; i < 10; i++) ck_assert_int_eq(send_one(), HOPPER_OK);
        while ((st = take_one()) == HOPPER_OK) {
        }
        ck_assert_uint_eq(checker.records, accepted);
    }
    finish();
}
END_TEST

static void *free_device(void *arg)
{
    (void)arg;
    unhog();
    return NULL;
}

/* The device tells nobody when it has room again: a sender that waits must look by itself. */
START_TEST(a_sender_that_waits_for_a_full_device_goes_on_when_it_has_room)
{
    unsigned char buf[LEN];
    pthread_t thread;
    hopper_status st;

    open_channel(HOPPER_FULL_BLOCK);
    hog(8192);
    while ((st = send_one()) == HOPPER_OK) {
    }
    ck_assert_int_eq(st, HOPPER_ENOSPC);
    ck_assert_int_eq(pthread_create(&thread, NULL, free_device, NULL), 0);
    checker_fill(buf, sizeof buf, 0, accepted);
    ck_assert_int_eq(hopper_send(snd, buf, sizeof buf), HOPPER_OK);
    accepted++;
    pthread_join(thread, NULL);
    finish();
}
END_TEST

START_TEST(opening_on_a_full_device_fails_cleanly_and_works_when_there_is_room)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error err;
    hopper_status st;

    hog(0);
    st = hopper_open(dir, "q", &options, &snd, &rcv, &err);
    if (st != HOPPER_OK) { /* the lock file's one line may find room in a page that is there */
        ck_assert_int_eq(st, HOPPER_ENOSPC);
        ck_assert_int_eq(err.sys_errno, ENOSPC);
        ck_assert_ptr_null(snd);
        ck_assert_ptr_null(rcv);
    } else {
        hopper_sender_close(snd);
        hopper_receiver_close(rcv);
    }
    unhog();
    open_channel(HOPPER_FULL_REFUSE);
    ck_assert_int_eq(send_one(), HOPPER_OK);
    finish();
}
END_TEST

static bool mount_device(void)
{
    dir = tmpdir_new();
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", dir, "tmpfs", 0, "size=" DEVICE_BYTES ",mode=0700") == 0)
        return true;
    printf("SKIPPED: test_tmpfs needs the right to mount (%s)\n", strerror(errno));
    return false;
}

int main(void)
{
    Suite *suite;
    TCase *tc;
    int rc;

    if (!mount_device()) {
        tmpdir_remove(dir);
        return 77;
    }
    suite = suite_create("tmpfs");
    tc    = tcase_create("tmpfs");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_full_device_is_enospc_and_everything_accepted_comes_out);
    tcase_add_test(tc, a_device_that_somebody_else_fills_and_empties_is_used_as_it_comes);
    tcase_add_test(tc, a_sender_that_waits_for_a_full_device_goes_on_when_it_has_room);
    tcase_add_test(tc, opening_on_a_full_device_fails_cleanly_and_works_when_there_is_room);
    suite_add_tcase(suite, tc);
    rc = suite_run(suite);
    umount2(dir, MNT_DETACH);
    tmpdir_remove(dir);
    return rc;
}
