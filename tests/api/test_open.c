/* SPDX-License-Identifier: MIT */
/* Opening and closing: every status, every bound of the options, what is created and with which mode. Directories in
 * which somebody has planted something: test_hostile.c. */
#include "chan.h"

#include "suite.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct chan c;

static void set_up(void)
{
    chan_init(&c);
}

/* Opening fails with ST, says so in err, and leaves nothing held. */
static void refuses(hopper_status st)
{
    hopper_status got = chan_try_open(&c);
    const char *leaks = mem_platform_leaks(c.mem);

    ck_assert_msg(got == st, "%s instead of %s", hopper_status_name(got), hopper_status_name(st));
    ck_assert_ptr_null(c.snd);
    ck_assert_ptr_null(c.rcv);
    ck_assert_int_eq(c.err.status, st);
    ck_assert_msg(!leaks, "%s", leaks);
}

static void opens_and_works(void)
{
    hopper_status st;

    chan_open(&c);
    chan_fill(&c, 1000, 400, &st);
    ck_assert_int_eq(st, HOPPER_OK);
    chan_take(&c, c.sent);
    ck_assert_uint_eq(c.checker.lost, 0);
    chan_finish(&c);
}

START_TEST(names_that_could_leave_the_directory_are_refused)
{
    static const char *const names[] = { "",    ".",        "..",  "a/b", "/", "../x", "a b",
                                         "a\n", "\xc3\xa4", "a:b", "*",   "~", "a\\" };
    char longest[202];
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(hopper_open(CHAN_DIR, names[i], &c.options, &snd, &rcv, &err), HOPPER_EINVAL);
        ck_assert_ptr_null(snd);
        ck_assert_ptr_null(rcv);
    }
    memset(longest, 'n', 201);
    longest[201] = '\0';
    ck_assert_int_eq(hopper_open(CHAN_DIR, longest, &c.options, &snd, &rcv, &err), HOPPER_EINVAL);
    ck_assert_int_eq(hopper_open(CHAN_DIR, NULL, &c.options, &snd, &rcv, &err), HOPPER_EINVAL);
    longest[200] = '\0';
    ck_assert_int_eq(hopper_open(CHAN_DIR, longest, &c.options, &snd, &rcv, &err), HOPPER_OK);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    ck_assert_int_eq(hopper_open(CHAN_DIR, "...", &c.options, &snd, &rcv, &err), HOPPER_OK);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    ck_assert_int_eq(hopper_open(CHAN_DIR, "-Az09._", &c.options, &snd, &rcv, NULL), HOPPER_OK);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    chan_free(&c);
}
END_TEST

START_TEST(null_arguments_are_the_callers_mistake)
{
    hopper_sender *snd   = (hopper_sender *)&c;
    hopper_receiver *rcv = (hopper_receiver *)&c;

    ck_assert_int_eq(hopper_open(NULL, "q", &c.options, &snd, &rcv, NULL), HOPPER_EINVAL);
    ck_assert_ptr_null(snd);
    ck_assert_ptr_null(rcv);
    rcv = (hopper_receiver *)&c;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "q", &c.options, NULL, &rcv, NULL), HOPPER_EINVAL);
    ck_assert_ptr_null(rcv);
    snd = (hopper_sender *)&c;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "q", &c.options, &snd, NULL, NULL), HOPPER_EINVAL);
    ck_assert_ptr_null(snd);
    hopper_sender_close(NULL);
    hopper_receiver_close(NULL);
    hopper_acknowledge(NULL);
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    chan_free(&c);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_enoent_and_is_not_made)
{
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err;

    ck_assert_int_eq(hopper_open("/none", "q", &c.options, &snd, &rcv, &err), HOPPER_ENOENT);
    ck_assert_int_eq(err.status, HOPPER_ENOENT);
    ck_assert_int_eq(err.sys_errno, ENOENT);
    ck_assert_ptr_nonnull(strstr(err.path, "/none"));
    ck_assert(!mem_exists(c.mem, "/none"));
    ck_assert_int_eq(hopper_open("", "q", &c.options, &snd, &rcv, &err), HOPPER_EINVAL);
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    chan_free(&c);
}
END_TEST

START_TEST(a_directory_that_is_a_file_is_an_error)
{
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_error err;

    ck_assert_int_eq(mem_write_file(c.mem, "/file", "x", 1), 0);
    ck_assert_int_eq(hopper_open("/file", "q", &c.options, &snd, &rcv, &err), HOPPER_EIO);
    ck_assert_int_eq(err.sys_errno, ENOTDIR);
    ck_assert_ptr_null(snd);
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    chan_free(&c);
}
END_TEST

static const struct {
    const char *what;
    uint64_t memory, disk, file, record;
    uint32_t survive, when_full, compression, compress_threads, spin_us;
} bad_options[] = {
    { "memory", HOPPER_MEMORY_BYTES_MIN - 1, 0, 0, 0, 0, 0, 0, 0, 0 },
    { "memory", 1, 0, 0, 0, 0, 0, 0, 0, 0 },
    { "memory", UINT64_MAX, 0, 0, 0, 0, 0, 0, 0, 0 },
    { "disk", 0, HOPPER_DISK_BYTES_MIN - 1, 0, 0, 0, 0, 0, 0, 0 },
    { "disk", 0, 1, 0, 0, 0, 0, 0, 0, 0 },
    { "survive", 0, 0, 0, 0, 3, 0, 0, 0, 0 },
    { "survive", 0, 0, 0, 0, UINT32_MAX, 0, 0, 0, 0 },
    { "when_full", 0, 0, 0, 0, 0, 4, 0, 0, 0 },
    { "when_full", 0, 0, 0, 0, 0, UINT32_MAX, 0, 0, 0 },
    { "compression", 0, 0, 0, 0, 0, 0, 11, 0, 0 },
    { "compression", 0, 0, 0, 0, 0, 0, UINT32_MAX, 0, 0 },
    { "compress_threads", 0, 0, 0, 0, 0, 0, 0, 2, 0 },
    { "compress_threads", 0, 0, 0, 0, 0, 0, 0, UINT32_MAX, 0 },
    { "compress_threads", 0, 0, 0, 0, HOPPER_SURVIVE_POWER_LOSS, 0, 0, 1, 0 },
    { "spin_us", 0, 0, 0, 0, 0, 0, 0, 0, 1000001 },
};

START_TEST(an_option_out_of_range_is_refused_by_name)
{
    c.options.memory_bytes     = bad_options[_i].memory;
    c.options.disk_bytes       = bad_options[_i].disk;
    c.options.file_bytes       = bad_options[_i].file;
    c.options.record_bytes_max = bad_options[_i].record;
    c.options.survive          = bad_options[_i].survive;
    c.options.when_full        = bad_options[_i].when_full;
    c.options.compression      = bad_options[_i].compression;
    c.options.spin_us          = bad_options[_i].spin_us;
    c.options.compress_threads = bad_options[_i].compress_threads;
    /* memory that cannot exist may be refused by the option check or by the map */
    if (bad_options[_i].memory == UINT64_MAX && chan_try_open(&c) == HOPPER_ENOMEM) {
        ck_assert_ptr_null(mem_platform_leaks(c.mem));
        chan_free(&c);
        return;
    }
    refuses(HOPPER_EINVAL);
    ck_assert_ptr_nonnull(c.err.op);
    ck_assert_msg(strstr(c.err.op, bad_options[_i].what) != NULL, "\"%s\" does not name %s", c.err.op,
                  bad_options[_i].what);
    ck_assert(!mem_exists(c.mem, CHAN_PATH));
    chan_free(&c);
}
END_TEST

START_TEST(options_of_an_older_and_of_a_newer_program_are_understood)
{
    struct {
        struct hopper_options known;
        uint64_t unknown[4];
    } newer;
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_stats stats;

    memset(&newer, 0, sizeof newer);
    newer.known      = c.options;
    newer.known.size = sizeof newer;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "q", &newer.known, &snd, &rcv, NULL), HOPPER_OK);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    newer.unknown[3] = 1;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "q", &newer.known, &snd, &rcv, NULL), HOPPER_EINVAL);
    newer.known.size = 0;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "q", &newer.known, &snd, &rcv, NULL), HOPPER_EINVAL);
    newer.known.size = SIZE_MAX;
    ck_assert_int_eq(hopper_open(CHAN_DIR, "q", &newer.known, &snd, &rcv, NULL), HOPPER_EINVAL);
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    chan_open(&c);
    memset(&stats, 0xff, sizeof stats);
    stats.size = offsetof(struct hopper_stats, refused); /* an older program's: nothing beyond it is written */
    ck_assert_int_eq(hopper_sender_stats(c.snd, &stats), HOPPER_OK);
    ck_assert_uint_eq(stats.accepted, 0);
    ck_assert_uint_eq(stats.refused, UINT64_MAX);
    chan_finish(&c);
}
END_TEST

START_TEST(defaults_are_those_of_the_header_and_can_be_read_back)
{
    struct hopper_stats stats;
    struct hopper_options options = HOPPER_OPTIONS_INIT;

    options.platform = c.options.platform;
    c.options        = options;
    chan_open(&c);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.memory_bytes, HOPPER_MEMORY_BYTES_DEFAULT);
    ck_assert_uint_eq(stats.disk_bytes, HOPPER_DISK_BYTES_DEFAULT);
    ck_assert_uint_eq(stats.file_bytes, HOPPER_FILE_BYTES_DEFAULT);
    ck_assert_uint_eq(stats.record_bytes_max, HOPPER_MEMORY_BYTES_DEFAULT / 4);
    ck_assert_uint_eq(stats.senders, 1);
    chan_finish(&c);
}
END_TEST

START_TEST(budgets_in_force_can_be_read_back)
{
    struct hopper_stats stats;

    c.options.memory_bytes     = 300001;
    c.options.disk_bytes       = 400003;
    c.options.file_bytes       = UINT64_C(1) << 40;
    c.options.record_bytes_max = UINT64_C(1) << 30;
    chan_open(&c);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.memory_bytes, 300001);
    ck_assert_uint_eq(stats.disk_bytes, 400003);
    ck_assert_uint_le(stats.file_bytes, 400003 / 4);
    ck_assert_uint_le(stats.record_bytes_max, 400003);
    ck_assert_uint_ge(stats.record_bytes_max, 400003 / 4);
    ck_assert_int_eq(chan_send(&c, (size_t)stats.record_bytes_max + 1), HOPPER_ETOOBIG);
    c.options.record_bytes_max = stats.record_bytes_max;
    ck_assert_int_eq(chan_send(&c, (size_t)stats.record_bytes_max), HOPPER_OK);
    chan_take(&c, 1);
    chan_finish(&c);
}
END_TEST

START_TEST(everything_made_is_private_whatever_the_umask)
{
    static const unsigned umasks[] = { 0, 022, 077, 0777 };
    char names[64][256], path[300];
    int count;

    mem_set_umask(c.mem, umasks[_i]);
    chan_open(&c);
    chan_fill_to_disk(&c, 1000);
    ck_assert_int_eq(mem_mode(c.mem, CHAN_PATH), 0700);
    count = mem_list(c.mem, CHAN_PATH, names, 64);
    ck_assert_int_ge(count, 2);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, CHAN_PATH "/%.255s", names[i]);
        ck_assert_msg(mem_mode(c.mem, path) == 0600 || mem_mode(c.mem, path) == 0400, "%s has mode 0%o", path,
                      (unsigned)mem_mode(c.mem, path));
    }
    chan_finish(&c);
}
END_TEST

START_TEST(queue_files_of_an_earlier_run_are_removed)
{
    void *lock;
    size_t lock_bytes;
    char path[300];
    void *data;
    size_t len;

    /* a run that was killed: its files are copied, then put back after it has closed */
    chan_open(&c);
    chan_fill_to_disk(&c, 1000);
    ck_assert(chan_queue_file(&c, 0, path));
    ck_assert_int_eq(mem_read_file(c.mem, path, &data, &len), 0);
    ck_assert_int_eq(mem_read_file(c.mem, CHAN_PATH "/LOCK", &lock, &lock_bytes), 0);
    chan_close(&c);
    ck_assert_int_eq(mem_write_file(c.mem, path, data, len), 0);
    ck_assert_int_eq(mem_chmod(c.mem, path, 0400), 0);
    ck_assert_int_eq(mem_chown(c.mem, path, MEM_UID), 0);
    ck_assert_int_eq(mem_write_file(c.mem, CHAN_PATH "/LOCK", lock, lock_bytes), 0);
    free(data);
    free(lock);
    chan_open(&c);
    ck_assert_int_eq(chan_queue_files(&c), 0);
    ck_assert_uint_eq(chan_pending(&c), 0);
    ck_assert_int_eq(chan_send(&c, 100), HOPPER_OK);
    chan_take(&c, 1);
    chan_finish(&c);
}
END_TEST

START_TEST(a_lock_that_another_process_holds_is_busy_and_names_it)
{
    mem_set_process_id(c.mem, 31337);
    chan_open(&c);
    chan_close(&c);
    chan_open(&c); /* leaves its pid in the file */
    hopper_sender_close(c.snd);
    c.snd = NULL;
    mem_set_process_id(c.mem, 5);
    {
        hopper_sender *snd;
        hopper_receiver *rcv;
        struct hopper_error err;
        char text[400];

        ck_assert_int_eq(hopper_open(CHAN_DIR, CHAN_NAME, &c.options, &snd, &rcv, &err), HOPPER_EBUSY);
        ck_assert_int_eq(err.owner_pid, 31337);
        ck_assert_int_gt(hopper_error_format(&err, text, sizeof text), 0);
        ck_assert_msg(strstr(text, "31337") != NULL, "\"%s\" does not name the owner", text);
        mem_reset_peaks(c.mem); /* the second channel's memory is not the first one's */
    }
    hopper_receiver_close(c.rcv);
    c.rcv = NULL;
    opens_and_works(); /* free with the last handle */
}
END_TEST

START_TEST(a_directory_without_rights_is_an_error_that_names_it)
{
    ck_assert_int_eq(mem_chmod(c.mem, CHAN_DIR, 0500), 0);
    refuses(HOPPER_EIO);
    ck_assert_int_eq(c.err.sys_errno, EACCES);
    ck_assert_ptr_nonnull(strstr(c.err.path, CHAN_NAME));
    ck_assert_ptr_nonnull(c.err.op);
    ck_assert_int_eq(mem_chmod(c.mem, CHAN_DIR, 0700), 0);
    opens_and_works();
}
END_TEST

START_TEST(memory_that_cannot_be_had_is_enomem)
{
    mem_set_alloc_max(c.mem, c.options.memory_bytes / 2);
    refuses(HOPPER_ENOMEM);
    mem_set_alloc_max(c.mem, MEM_UNLIMITED);
    opens_and_works();
}
END_TEST

START_TEST(the_platform_is_used_after_the_options_are_gone)
{
    struct hopper_options copy = c.options;
    hopper_status st           = hopper_open(CHAN_DIR, CHAN_NAME, &copy, &c.snd, &c.rcv, NULL);

    memset(&copy, 0xee, sizeof copy);
    ck_assert_int_eq(st, HOPPER_OK);
    mem_watch_dir(c.mem, CHAN_PATH, c.options.disk_bytes);
    chan_fill(&c, 1000, 300, &st);
    chan_take(&c, c.sent);
    chan_finish(&c);
}
END_TEST

/* ---- clones and closing ---- */

START_TEST(clones_count_and_the_last_to_close_ends_the_stream)
{
    hopper_sender *clones[20];
    struct hopper_record rec;
    struct hopper_stats stats;
    size_t made = 0;

    chan_open(&c);
    while (made < 20 && hopper_sender_clone(made > 0 ? clones[made - 1] : c.snd, &clones[made]) == HOPPER_OK) made++;
    ck_assert_uint_eq(made, 20);
    c.clones = made;
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.senders, 21);
    hopper_sender_close(c.snd);
    c.snd = NULL;
    for (size_t i = 0; i < made; i++) {
        ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_EAGAIN);
        hopper_sender_close(clones[i]);
    }
    ck_assert_int_eq(hopper_receive(c.rcv, &rec, HOPPER_NOW), HOPPER_END);
    chan_stats(&c, &stats);
    ck_assert_uint_eq(stats.senders, 0);
    chan_finish(&c);
}
END_TEST

START_TEST(clones_are_paid_from_the_memory_budget)
{
    hopper_sender *clones[20000];
    struct hopper_stats stats;
    hopper_status st = HOPPER_OK;
    size_t made      = 0;

    chan_open(&c);
    while (made < 20000 && (st = hopper_sender_clone(c.snd, &clones[made])) == HOPPER_OK) made++;
    ck_assert_int_eq(st, HOPPER_ENOMEM);
    ck_assert_ptr_null(clones[made]);
    c.clones = made;
    chan_stats(&c, &stats);
    ck_assert_uint_le(stats.memory_bytes_used, stats.memory_bytes);
    ck_assert_uint_lt(made, c.options.memory_bytes / sizeof(struct hopper_error));
    ck_assert_int_eq(chan_send(&c, 1000), HOPPER_OK); /* and the channel still works */
    chan_take(&c, 1);
    while (made > 0) hopper_sender_close(clones[--made]);
    chan_finish(&c);
}
END_TEST

/* All handles there may be, the ring used all round, blocks and buffers used: what was touched of the one piece of
 * memory and what the allocator gave are together no more than the budget (and the page that its end lies in). */
START_TEST(handles_and_touched_pages_together_stay_within_the_memory_budget)
{
    hopper_sender *clones[5000];
    struct mem_usage usage;
    size_t made = 0;
    hopper_status st;

    c.options.memory_bytes = (uint64_t)_i << 10;
    chan_open(&c);
    while (made < 5000 && hopper_sender_clone(c.snd, &clones[made]) == HOPPER_OK) made++;
    ck_assert_uint_lt(made, 5000);
    c.clones = made;
    for (int round = 0; round < 5; round++) {
        chan_fill(&c, 700, UINT64_MAX, &st);
        chan_fill(&c, 16 << 10, UINT64_MAX, &st);
        chan_drain(&c, &st);
    }
    mem_usage(c.mem, &usage);
    ck_assert_uint_gt(usage.touched_bytes, c.options.memory_bytes / 2);
    ck_assert_uint_le(usage.touched_bytes + usage.alloc_bytes_peak,
                      c.options.memory_bytes + (uint64_t)sysconf(_SC_PAGESIZE));
    while (made > 0) hopper_sender_close(clones[--made]);
    chan_finish(&c);
}
END_TEST

START_TEST(clone_refuses_null)
{
    hopper_sender *snd = (hopper_sender *)&c;

    chan_open(&c);
    ck_assert_int_eq(hopper_sender_clone(NULL, &snd), HOPPER_EINVAL);
    ck_assert_ptr_null(snd);
    ck_assert_int_eq(hopper_sender_clone(c.snd, NULL), HOPPER_EINVAL);
    chan_finish(&c);
}
END_TEST

START_TEST(a_channel_can_be_opened_again_a_thousand_times)
{
    for (int i = 0; i < 1000; i++) {
        hopper_status st;

        chan_open(&c);
        chan_fill(&c, 1000, (uint64_t)i % 200, &st);
        chan_close(&c);
    }
    chan_free(&c);
}
END_TEST

START_TEST(two_channels_in_one_directory_do_not_meet)
{
    hopper_sender *snd;
    hopper_receiver *rcv;
    struct hopper_record rec;
    hopper_status st;

    chan_open(&c);
    ck_assert_int_eq(hopper_open(CHAN_DIR, "other", &c.options, &snd, &rcv, NULL), HOPPER_OK);
    ck_assert_int_eq(hopper_send(snd, "theirs", 6), HOPPER_OK);
    c.clones = 1;
    chan_fill(&c, 1000, 200, &st);
    chan_take(&c, c.sent);
    ck_assert_int_eq(hopper_receive(rcv, &rec, HOPPER_NOW), HOPPER_OK);
    ck_assert_mem_eq(rec.data, "theirs", 6);
    ck_assert_uint_eq(rec.seq, 1);
    hopper_sender_close(snd);
    hopper_receiver_close(rcv);
    chan_drain(&c, &st);
    ck_assert_uint_eq(c.checker.records, c.sent);
    hopper_sender_close(c.snd);
    hopper_receiver_close(c.rcv);
    c.snd = NULL;
    c.rcv = NULL;
    ck_assert_ptr_null(mem_platform_leaks(c.mem));
    chan_free(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("open");
    TCase *tc    = tcase_create("open");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, names_that_could_leave_the_directory_are_refused);
    tcase_add_test(tc, null_arguments_are_the_callers_mistake);
    tcase_add_test(tc, a_directory_that_is_not_there_is_enoent_and_is_not_made);
    tcase_add_test(tc, a_directory_that_is_a_file_is_an_error);
    tcase_add_loop_test(tc, an_option_out_of_range_is_refused_by_name, 0,
                        (int)(sizeof bad_options / sizeof *bad_options));
    tcase_add_test(tc, options_of_an_older_and_of_a_newer_program_are_understood);
    tcase_add_test(tc, defaults_are_those_of_the_header_and_can_be_read_back);
    tcase_add_test(tc, budgets_in_force_can_be_read_back);
    tcase_add_loop_test(tc, everything_made_is_private_whatever_the_umask, 0, 4);
    tcase_add_test(tc, queue_files_of_an_earlier_run_are_removed);
    tcase_add_test(tc, a_lock_that_another_process_holds_is_busy_and_names_it);
    tcase_add_test(tc, a_directory_without_rights_is_an_error_that_names_it);
    tcase_add_test(tc, memory_that_cannot_be_had_is_enomem);
    tcase_add_test(tc, the_platform_is_used_after_the_options_are_gone);
    tcase_add_test(tc, clones_count_and_the_last_to_close_ends_the_stream);
    tcase_add_test(tc, clones_are_paid_from_the_memory_budget);
    tcase_add_loop_test(tc, handles_and_touched_pages_together_stay_within_the_memory_budget, 128, 129);
    tcase_add_loop_test(tc, handles_and_touched_pages_together_stay_within_the_memory_budget, 1024, 1025);
    tcase_add_test(tc, clone_refuses_null);
    tcase_add_test(tc, a_channel_can_be_opened_again_a_thousand_times);
    tcase_add_test(tc, two_channels_in_one_directory_do_not_meet);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
