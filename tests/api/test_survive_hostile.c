/* SPDX-License-Identifier: MIT */
/*
 * Channels that survive, in directories that somebody else has been at, and on file systems that cannot do what is
 * needed: a clear refusal that changes nothing, or going on with what is good. And items, which are packed when they
 * are sent.
 */
#include "suite.h"
#include "survive.h"
#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOTH(tc, test) tcase_add_loop_test(tc, test, HOPPER_SURVIVE_CRASH, HOPPER_SURVIVE_POWER_LOSS + 1)

static struct surv s;

static void init(int survive)
{
    surv_init(&s, (uint32_t)survive);
    s.where               = survive == HOPPER_SURVIVE_CRASH ? "crash" : "power loss";
    s.options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
}

/* A closed channel with three records. */
static void init_filled(int survive)
{
    init(survive);
    surv_open(&s);
    for (int i = 0; i < 3; i++) surv_send_ok(&s, 100);
    surv_close(&s);
}

static void refused(hopper_status wanted, const char *word)
{
    hopper_status st = surv_try_open(&s);

    require(st == wanted, "open: %s, not %s (%s)", hopper_status_name(st), hopper_status_name(wanted),
            s.err.op ? s.err.op : "");
    require(s.err.op && strstr(s.err.op, word), "\"%s\" does not tell of %s", s.err.op ? s.err.op : "", word);
    require(!s.snd && !s.rcv, "handles");
    require(!mem_platform_leaks(s.mem), "%s", mem_platform_leaks(s.mem));
}

/* Opening failed in a directory that had nothing: it has nothing now. */
static void nothing_is_left(void)
{
    static const char *const files[] = { SURV_PATH "/STATE", SURV_PATH "/MEMORY", SURV_PATH "/MEMORY.spare" };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        require(!mem_exists(s.mem, files[i]), "%s was left behind", files[i]);
}

/* ---- what stands under our names ---- */

static const char *const names[] = { SURV_PATH "/STATE", SURV_PATH "/MEMORY" };

static void put_in_place(const char *path, int kind)
{
    (void)mem_remove(s.mem, path);
    switch (kind) {
    case 0: require_int(mem_symlink(s.mem, path, "/spool/other"), 0); break;
    case 1: require_int(mem_fifo(s.mem, path), 0); break;
    case 2: require_int(mem_mkdir(s.mem, path, 0700), 0); break;
    default: require_int(mem_link(s.mem, "/spool/other", path), 0); break;
    }
}

START_TEST(what_is_no_file_of_ours_is_refused_and_left_alone)
{
    void *data;
    size_t len;

    for (int name = 0; name < 2; name++) {
        init_filled(HOPPER_SURVIVE_CRASH);
        require_int(mem_write_file(s.mem, "/spool/other", "precious", 8), 0);
        put_in_place(names[name], _i);
        require(surv_try_open(&s) != HOPPER_OK, "%s of kind %d was used", names[name], _i);
        require(s.err.status == HOPPER_EMISMATCH || s.err.status == HOPPER_EIO, "%s", hopper_status_name(s.err.status));
        require(mem_exists(s.mem, names[name]), "it was removed");
        require_int(mem_read_file(s.mem, "/spool/other", &data, &len), 0);
        require(len == 8 && memcmp(data, "precious", 8) == 0, "the other file was changed");
        free(data);
        require_int(mem_remove(s.mem, names[name]), 0);
        s.is_unjudged = true;
        surv_open(&s); /* without it, all is well */
        surv_close(&s);
        surv_free(&s);
    }
}
END_TEST

START_TEST(a_hard_link_as_spare_is_not_written_through)
{
    const char *spare = SURV_PATH "/MEMORY.spare";
    void *data;
    size_t len;

    init_filled(HOPPER_SURVIVE_CRASH);
    require_int(mem_write_file(s.mem, "/spool/other", "precious", 8), 0);
    (void)mem_remove(s.mem, spare);
    require_int(mem_link(s.mem, "/spool/other", spare), 0);
    require(surv_try_open(&s) != HOPPER_OK, "it was used");
    require_int(mem_read_file(s.mem, "/spool/other", &data, &len), 0);
    require(len == 8 && memcmp(data, "precious", 8) == 0, "the other file was changed");
    free(data);
    require_int(mem_remove(s.mem, spare), 0);
    surv_open(&s);
    surv_take(&s, 3);
    surv_finish(&s);
}
END_TEST

START_TEST(memory_of_another_channel_is_refused)
{
    void *data;
    size_t len;

    init_filled(HOPPER_SURVIVE_CRASH);
    require_int(mem_read_file(s.mem, SURV_PATH "/MEMORY", &data, &len), 0);
    require_int(mem_mkdir(s.mem, "/spool/kept", 0700), 0);
    for (int i = 0; i < 2; i++) require_int(mem_remove(s.mem, names[i]), 0);
    (void)mem_remove(s.mem, SURV_PATH "/MEMORY.spare");
    s.is_unjudged = true;
    s.next        = 1;
    surv_open(&s); /* a new id */
    surv_close(&s);
    require_int(mem_write_file(s.mem, SURV_PATH "/MEMORY", data, len), 0);
    free(data);
    refused(HOPPER_EMISMATCH, "another channel");
    surv_free(&s);
}
END_TEST

/* The error names the file, and so the advice can be about it. */
START_TEST(the_name_of_the_file_that_is_in_the_way_is_told)
{
    static const char *const parts[] = { SURV_PATH "/STATE", SURV_PATH "/MEMORY", SURV_PATH "/MEMORY.spare",
                                         SURV_PATH "/PRODUCERS" };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        init_filled(HOPPER_SURVIVE_CRASH);
        require_int(mem_write_file(s.mem, "/spool/other", "precious", 8), 0);
        put_in_place(parts[i], _i);
        refused(HOPPER_EMISMATCH, "not a plain file");
        require(strcmp(s.err.path, parts[i]) == 0, "%s is told, not %s", s.err.path, parts[i]);
        require_int(mem_remove(s.mem, parts[i]), 0);
        s.is_unjudged = true;
        surv_open(&s);
        surv_close(&s);
        surv_free(&s);
    }
}
END_TEST

START_TEST(memory_that_begins_with_anything_is_told_by_its_name)
{
    init_filled(HOPPER_SURVIVE_CRASH);
    for (uint64_t at = 0; at < 4096; at++) require_int(mem_poke(s.mem, names[1], at, 1 + (unsigned)(at * 7 % 255)), 0);
    refused(HOPPER_EMISMATCH, "not made by libhopper");
    require(strcmp(s.err.path, names[1]) == 0, "%s is told", s.err.path);
    surv_free(&s);
}
END_TEST

/* ---- queue files of others, with numbers that lead far away ---- */

static const uint64_t far_numbers[] = {
    UINT64_C(1000000000000), (UINT64_C(1) << 62) - 1, UINT64_C(1) << 62,       (UINT64_C(1) << 62) + 1,
    (UINT64_C(1) << 63) - 1, UINT64_C(1) << 63,       (UINT64_C(1) << 63) + 1, UINT64_MAX,
};

#define FAR_COUNT  (sizeof far_numbers / sizeof far_numbers[0])
#define CALLS_MAX  20000 /* for a life with some dozen files */
#define FIRST_FILE SURV_PATH "/00000000000000000001.hq"

static char far_path[64];

enum { FAR_COPY, FAR_EMPTY, FAR_ZEROS, FAR_KINDS };

static void put_far_file(uint64_t number, int kind)
{
    static const char zeros[100];
    void *data = NULL;
    size_t len = 0;

    snprintf(far_path, sizeof far_path, SURV_PATH "/%020" PRIu64 ".hq", number);
    if (kind == FAR_COPY) require_int(mem_read_file(s.mem, FIRST_FILE, &data, &len), 0);
    require_int(
        mem_write_file(s.mem, far_path, kind == FAR_COPY ? data : zeros, kind == FAR_ZEROS ? sizeof zeros : len), 0);
    free(data);
}

static void send_files(uint64_t files)
{
    struct hopper_stats stats;
    uint64_t before;

    surv_stats(&s, &stats);
    before = stats.disk_files;
    do {
        surv_send_ok(&s, 900);
        surv_stats(&s, &stats);
    } while (stats.disk_files < before + files);
}

/* Records are there before it is, behind the hole it makes, and behind the next; after closing and after a kill, in
 * files that are read, removed, and synced. None is missing, what is whose is seen, and nobody walks through the
 * hole. */
START_TEST(a_far_number_costs_nothing)
{
    const uint64_t number = far_numbers[_i / FAR_KINDS / 2];
    const int kind        = _i / 2 % FAR_KINDS;
    const bool is_left    = number >= UINT64_C(1) << 62 || kind == FAR_COPY;
    struct hopper_stats stats;

    init(_i % 2 == 0 ? HOPPER_SURVIVE_CRASH : HOPPER_SURVIVE_POWER_LOSS);
    s.options.disk_bytes = 1 << 20;
    s.options.file_bytes = 8192;
    surv_open(&s);
    send_files(4);
    surv_close(&s);
    put_far_file(number, kind);
    s.is_unjudged = true;
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_ANY_IO, .at = UINT64_MAX, .error = EIO });
    for (int life = 0; life < 3; life++) {
        surv_open(&s);
        surv_stats(&s, &stats);
        require_eq(stats.disk_files, surv_queue_files(&s, NULL) - (is_left ? 1 : 0));
        require_eq(s.report.files_foreign, is_left ? 1 : 0);
        send_files(2);
        surv_take(&s, (s.next - s.acked) / 3);
        surv_ack(&s);
        if (life == 1) surv_kill(&s);
        else surv_close(&s);
        require(mem_exists(s.mem, far_path) == is_left || kind == FAR_ZEROS, "the far file");
    }
    surv_open(&s);
    surv_drain(&s);
    surv_ack(&s);
    surv_stats(&s, &stats);
    for (int reason = 0; reason < HOPPER_GAP_SLOTS; reason++) require_eq(stats.gap_records[reason], 0);
    surv_close(&s);
    require(mem_exists(s.mem, far_path) == is_left, "the far file");
    require(fault_count(s.fault, FAULT_ANY_IO) < CALLS_MAX, "%" PRIu64 " calls", fault_count(s.fault, FAULT_ANY_IO));
    surv_free(&s);
}
END_TEST

/* All of them; nothing of what they hold is taken for ours. */
START_TEST(far_numbers_together_cost_nothing)
{
    init(_i);
    s.options.disk_bytes = 1 << 20;
    s.options.file_bytes = 8192;
    surv_open(&s);
    send_files(4);
    surv_close(&s);
    s.is_unjudged = true;
    for (size_t i = 0; i < FAR_COUNT; i++) put_far_file(far_numbers[i], FAR_COPY);
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_ANY_IO, .at = UINT64_MAX, .error = EIO });
    surv_open(&s);
    require_eq(s.report.files_foreign, FAR_COUNT);
    send_files(3);
    surv_drain(&s);
    surv_ack(&s);
    surv_close(&s);
    surv_open(&s);
    require_eq(s.report.records, 0);
    surv_close(&s);
    require(fault_count(s.fault, FAULT_ANY_IO) < CALLS_MAX, "%" PRIu64 " calls", fault_count(s.fault, FAULT_ANY_IO));
    require_eq(surv_queue_files(&s, NULL), FAR_COUNT);
    surv_free(&s);
}
END_TEST

/* ---- versions ---- */

static void put_version(const char *path, uint64_t offset, unsigned xor_with)
{
    require_int(mem_poke(s.mem, path, offset, xor_with), 0);
}

START_TEST(a_newer_version_is_refused_clearly_and_nothing_is_changed)
{
    const uint32_t one = 1;
    char path[300];

    init(_i);
    surv_open(&s);
    while (surv_queue_files(&s, NULL) == 0) surv_send_ok(&s, 900);
    surv_close(&s);
    require_that(surv_last_file(&s, path));
    put_version(path, 9, 3); /* version 2 */
    refused(HOPPER_EVERSION, "newer");
    put_version(path, 9, 3);
    put_version(names[0], 9, 3);
    put_version(names[0], 4096 + 9, 3);
    refused(HOPPER_EVERSION, "STATE");
    put_version(names[0], 9, 3);
    put_version(names[0], 4096 + 9, 3);
    if (_i == HOPPER_SURVIVE_CRASH) {
        put_version(names[1], *(const char *)&one ? 12 : 15, 3); /* in the machine's byte order */
        refused(HOPPER_EVERSION, "MEMORY");
        put_version(names[1], *(const char *)&one ? 12 : 15, 3);
    }
    surv_open(&s);
    surv_finish(&s);
}
END_TEST

/* ---- the kind of channel ---- */

START_TEST(another_value_of_survive_is_refused)
{
    init_filled(_i);
    for (uint32_t other = 0; other <= HOPPER_SURVIVE_POWER_LOSS; other++) {
        if (other == (uint32_t)_i) continue;
        s.options.survive     = other;
        s.options.acknowledge = HOPPER_ACKNOWLEDGE_AUTO;
        require_int(surv_try_open(&s), HOPPER_EMISMATCH);
    }
    s.options.survive     = (uint32_t)_i;
    s.options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    surv_open(&s);
    surv_take(&s, 3);
    surv_finish(&s);
}
END_TEST

START_TEST(remains_of_a_run_that_survives_nothing_are_removed)
{
    struct hopper_options o;
    void *data;
    size_t len;

    init(_i);
    o             = s.options;
    o.survive     = HOPPER_SURVIVE_NOTHING;
    o.acknowledge = HOPPER_ACKNOWLEDGE_AUTO;
    o.file_bytes  = 4096;
    require_int(hopper_open(SURV_DIR, SURV_NAME, &o, &s.snd, &s.rcv, NULL), HOPPER_OK);
    while (surv_queue_files(&s, NULL) < 3) require_int(hopper_send(s.snd, &o, sizeof o), HOPPER_OK);
    require_int(mem_read_file(s.mem, SURV_PATH "/00000000000000000002.hq", &data, &len), 0);
    hopper_sender_close(s.snd);
    hopper_receiver_close(s.rcv);
    s.snd = NULL;
    s.rcv = NULL;
    require_int(mem_write_file(s.mem, SURV_PATH "/00000000000000000002.hq", data, len), 0);
    free(data);
    surv_open(&s);
    require_eq(surv_queue_files(&s, NULL), 0);
    surv_send_ok(&s, 100);
    surv_take(&s, 1);
    surv_finish(&s);
}
END_TEST

/* ---- file systems that cannot ---- */

START_TEST(a_file_system_that_cannot_preallocate_is_told_and_left_clean)
{
    init(HOPPER_SURVIVE_CRASH);
    fault_arm(s.fault,
              &(struct fault_plan){ .kinds = FAULT_ALLOCATE, .at = 1, .error = EOPNOTSUPP, .mode = FAULT_STICKY });
    refused(HOPPER_EIO, "preallocate");
    require_int(s.err.sys_errno, EOPNOTSUPP);
    nothing_is_left();
    fault_disarm(s.fault);
    surv_open(&s);
    surv_finish(&s);
}
END_TEST

static void refuses_without_map(enum fault_mode mode, hopper_status st, int sys_errno)
{
    init(HOPPER_SURVIVE_CRASH);
    fault_arm(s.fault, &(struct fault_plan){ .kinds = FAULT_MAP, .at = 2, .error = ENODEV, .mode = mode });
    refused(st, "map");
    require_int(s.err.sys_errno, sys_errno);
    nothing_is_left();
    fault_disarm(s.fault);
    surv_open(&s);
    surv_finish(&s);
}

START_TEST(a_file_system_that_cannot_map_is_told)
{
    refuses_without_map(FAULT_ONCE, HOPPER_EIO, EOPNOTSUPP);
}
END_TEST

START_TEST(a_process_without_address_space_is_not_told_of_the_file_system)
{
    refuses_without_map(FAULT_STICKY, HOPPER_ENOMEM, 0);
}
END_TEST

START_TEST(a_device_without_room_for_memory_is_told)
{
    init(HOPPER_SURVIVE_CRASH);
    mem_set_capacity(s.mem, 40000);
    require_int(surv_try_open(&s), HOPPER_ENOSPC);
    require(!mem_platform_leaks(s.mem), "%s", mem_platform_leaks(s.mem));
    nothing_is_left();
    mem_set_capacity(s.mem, MEM_UNLIMITED);
    surv_open(&s);
    surv_finish(&s);
}
END_TEST

/* ---- STATE and MEMORY that are damaged ---- */

/* Without STATE acknowledged records may come again; none is missing. */
START_TEST(without_state_records_come_again_and_none_is_missing)
{
    struct hopper_record rec;
    uint64_t expected = 1, last;

    init(HOPPER_SURVIVE_POWER_LOSS);
    surv_open(&s);
    for (int i = 0; i < 10; i++) surv_send_ok(&s, 100);
    surv_take(&s, 4);
    surv_ack(&s);
    last = s.next - 1;
    surv_kill(&s);
    if (_i == 0) require_int(mem_remove(s.mem, names[0]), 0);
    else require_int(mem_truncate(s.mem, names[0], _i == 1 ? 0 : 100), 0);
    s.is_unjudged = true;
    surv_open(&s);
    require_eq(s.report.state_was_lost, 1);
    while (hopper_receive(s.rcv, &rec, HOPPER_NOW) == HOPPER_OK) {
        require_int(rec.gap, HOPPER_GAP_NONE);
        require_eq(rec.seq, expected);
        expected++;
    }
    require_eq(expected, last + 1);
    surv_close(&s);
    surv_free(&s);
}
END_TEST

/* ---- queue files of several runs ---- */

static const char *const queue_files[] = { SURV_PATH "/00000000000000000002.hq", SURV_PATH "/00000000000000000003.hq" };

/* A file that a run left is not sealed, and behind it a number may be missing: neither is why a frame of the next file
 * is lost. */
START_TEST(a_damaged_frame_behind_an_earlier_runs_file_is_told_as_that)
{
    struct hopper_record rec;

    init_filled(HOPPER_SURVIVE_POWER_LOSS);
    s.is_unjudged = true;
    surv_open(&s);
    for (int i = 0; i < 3; i++) surv_send_ok(&s, 100);
    surv_kill(&s);
    if (_i == 1) {
        require_int(mem_truncate(s.mem, queue_files[0], 20), 0);
        s.next -= 3;
        surv_open(&s);
        for (int i = 0; i < 3; i++) surv_send_ok(&s, 100);
        surv_close(&s);
        require(!mem_exists(s.mem, queue_files[0]), "the remains stay");
    }
    require_int(mem_poke(s.mem, queue_files[_i], 72 + 52 + 3, 1), 0); /* the payload of the first frame */
    surv_open(&s);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        require_int(hopper_receive(s.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        require_int(rec.gap, HOPPER_GAP_NONE);
        require_eq(rec.seq, seq);
    }
    require_int(hopper_receive(s.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    require_int(rec.gap, HOPPER_GAP_CORRUPT);
    require_eq(rec.seq, 4);
    require_eq(rec.lost, 1);
    require_int(hopper_receive(s.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    require_int(rec.gap, HOPPER_GAP_NONE);
    require_eq(rec.seq, 5);
    surv_close(&s);
    surv_free(&s);
}
END_TEST

/* ---- memory for frames ---- */

static uint32_t crc32_of(const unsigned char *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

/* In the newest queue file's header: what it says of the largest frame, with a right checksum. */
static void put_raw_max(uint32_t raw_max)
{
    unsigned char *bytes;
    char path[300];
    uint32_t crc;
    void *data;
    size_t len;

    require(surv_last_file(&s, path), "no queue file");
    require_int(mem_read_file(s.mem, path, &data, &len), 0);
    bytes = data;
    for (int i = 0; i < 4; i++) bytes[64 + i] = (unsigned char)(raw_max >> (24 - 8 * i));
    crc = crc32_of(bytes, 68);
    for (int i = 0; i < 4; i++) bytes[68 + i] = (unsigned char)(crc >> (24 - 8 * i));
    require_int(mem_write_file(s.mem, path, data, len), 0);
    free(data);
}

static void open_within(uint64_t bytes)
{
    struct mem_usage usage;

    mem_reset_peaks(s.mem);
    surv_open(&s);
    mem_usage(s.mem, &usage);
    require_le(usage.held_bytes_peak, bytes);
}

START_TEST(a_header_that_asks_for_memory_gets_none_without_frames)
{
    static const uint32_t claims[] = { 0, 200000, UINT32_C(1) << 30, UINT32_MAX };

    init(HOPPER_SURVIVE_POWER_LOSS);
    surv_open(&s);
    for (int i = 0; i < 20; i++) surv_send_ok(&s, 900);
    surv_close(&s);
    put_raw_max(claims[_i]);
    open_within(s.options.memory_bytes + 4096);
    surv_drain(&s);
    surv_finish(&s);
}
END_TEST

/* The run before allowed for records of 400000 bytes; the largest one left has 90000, a larger one is acknowledged. */
START_TEST(memory_grows_for_the_largest_record_left_and_no_further)
{
    init(HOPPER_SURVIVE_POWER_LOSS);
    s.options.disk_bytes       = 8 << 20;
    s.options.file_bytes       = 1 << 20; /* one file has them all */
    s.options.record_bytes_max = 400000;
    s.options.compression      = _i == 0 ? HOPPER_COMPRESSION_NONE : 1;
    surv_open(&s);
    surv_send_ok(&s, 120000);
    surv_send_ok(&s, 90000);
    surv_send_ok(&s, 100);
    surv_take(&s, 1);
    surv_ack(&s);
    surv_close(&s);
    s.options.record_bytes_max = 1000;
    open_within(s.options.memory_bytes + 90000 + 4096);
    surv_take(&s, 2);
    surv_finish(&s);
}
END_TEST

/* Each byte of what says where things are: opening ends, and what comes is what was sent, or a gap. */
START_TEST(any_byte_of_memorys_head_may_be_wrong)
{
    static unsigned char wanted[100];
    struct hopper_record rec;

    for (uint64_t at = (uint64_t)_i * 64; at < (uint64_t)_i * 64 + 64; at += at >= 1088 ? 2 : 1) {
        uint64_t next = 1;
        hopper_status st;

        init(HOPPER_SURVIVE_CRASH);
        surv_open(&s);
        for (int i = 0; i < 6; i++) surv_send_ok(&s, 100);
        surv_take(&s, 2);
        surv_ack(&s);
        surv_kill(&s);
        require_int(mem_poke(s.mem, names[1], at, 0x41), 0);
        s.is_unjudged = true;
        st            = surv_try_open(&s);
        if (st == HOPPER_OK) {
            while (next < 8 && hopper_receive(s.rcv, &rec, HOPPER_NOW) == HOPPER_OK) {
                require(rec.seq >= next, "byte %" PRIu64 ": number %" PRIu64 " after %" PRIu64, at, rec.seq, next - 1);
                next = rec.seq + (rec.gap == HOPPER_GAP_NONE ? 1 : rec.lost);
                if (rec.gap != HOPPER_GAP_NONE) continue;
                surv_fill_bytes(wanted, rec.seq, 100);
                require(rec.len != 100 || memcmp(rec.data, wanted, 100) == 0, "byte %" PRIu64 ": other bytes", at);
            }
            surv_close(&s);
        } else {
            require(st == HOPPER_EMISMATCH || st == HOPPER_EVERSION || st == HOPPER_ENOMEM, "byte %" PRIu64 ": %s", at,
                    hopper_status_name(st));
        }
        surv_free(&s);
    }
}
END_TEST

/* ---- items ---- */

struct item {
    uint32_t number;
    uint32_t bytes; /* of filler */
};

static unsigned items_alive;
static bool pack_fails, unpack_fails;

static int pack(void *ctx, const void *data, struct msgpack_packer *packer)
{
    static const char filler[20000];
    const struct item *item = data;

    (void)ctx;
    if (pack_fails) return -1;
    if (msgpack_pack_array(packer, 2) || msgpack_pack_uint32(packer, item->number) ||
        msgpack_pack_bin(packer, item->bytes))
        return -1;
    return msgpack_pack_bin_body(packer, filler, item->bytes);
}

static struct item *new_item(uint32_t number, uint32_t bytes)
{
    struct item *item = malloc(sizeof *item);

    require(item != NULL, "no memory");
    *item = (struct item){ number, bytes };
    items_alive++;
    return item;
}

static void free_item(void *ctx, void *item)
{
    (void)ctx;
    free(item);
    items_alive--;
}

static int unpack(void *ctx, const void *data, size_t len, void **itemp)
{
    msgpack_unpacked result;
    const msgpack_object *parts;

    (void)ctx;
    if (unpack_fails) return -1;
    msgpack_unpacked_init(&result);
    if (msgpack_unpack_next(&result, data, len, NULL) != MSGPACK_UNPACK_SUCCESS) return -1;
    parts  = result.data.via.array.ptr;
    *itemp = new_item((uint32_t)parts[0].via.u64, parts[1].via.bin.size);
    msgpack_unpacked_destroy(&result);
    return 0;
}

static size_t weigh(void *ctx, const void *item)
{
    (void)ctx, (void)item;
    return sizeof(struct item);
}

static const struct hopper_item_type type = { sizeof type, pack, unpack, weigh, free_item, NULL };

static void receive_items(uint32_t from, uint32_t to, bool is_again)
{
    struct hopper_record rec;

    for (uint32_t number = from; number <= to; number++) {
        struct item *item;

        require_int(hopper_receive(s.rcv, &rec, HOPPER_NOW), HOPPER_OK);
        require_eq(rec.seq, number);
        require_int(rec.gap, HOPPER_GAP_NONE);
        require_int((rec.flags & HOPPER_RECORD_REDELIVERED) != 0, is_again);
        memcpy(&item, &rec.data, sizeof item);
        require_eq(item->number, number);
        require_eq(item->bytes, number % 7 == 0 ? 12000 : number * 13 % 800);
        free_item(NULL, item);
    }
}

static void send_items(uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number <= to; number++) {
        struct item *item = new_item(number, number % 7 == 0 ? 12000 : number * 13 % 800);

        require_int(hopper_send_item(s.snd, item, HOPPER_NOW), HOPPER_OK);
        require_eq(items_alive, 0); /* packed, and given back at once */
    }
}

static void init_items(int survive)
{
    init(survive);
    s.options.item_type = &type;
    s.is_unjudged       = true;
    items_alive         = 0;
    pack_fails = unpack_fails = false;
}

START_TEST(items_are_packed_when_they_are_sent_and_come_again)
{
    init_items(_i);
    surv_open(&s);
    send_items(1, 60);
    receive_items(1, 40, false);
    require_int(hopper_acknowledge_until(s.rcv, 25), HOPPER_OK);
    surv_kill(&s);
    surv_open(&s);
    require_eq(s.report.seq_first, 26);
    send_items(61, 70);
    receive_items(26, 60, true);
    receive_items(61, 70, false);
    surv_ack(&s);
    surv_close(&s);
    require_eq(items_alive, 0);
    s.options.item_type = NULL;
    refused(HOPPER_EMISMATCH, "kind of records");
    surv_free(&s);
}
END_TEST

START_TEST(an_item_that_cannot_be_packed_stays_the_callers)
{
    struct hopper_record rec;
    struct item *item;

    init_items(_i);
    surv_open(&s);
    send_items(1, 3);
    item       = new_item(4, 5);
    pack_fails = true;
    require_int(hopper_send_item(s.snd, item, HOPPER_NOW), HOPPER_EPACK);
    require_eq(items_alive, 1);
    pack_fails  = false;
    item->bytes = 20000; /* packed, larger than record_bytes_max */
    require_int(hopper_send_item(s.snd, item, HOPPER_NOW), HOPPER_ETOOBIG);
    require_eq(items_alive, 1);
    free_item(NULL, item);
    unpack_fails = true;
    require_int(hopper_receive(s.rcv, &rec, HOPPER_NOW), HOPPER_OK);
    require_int(rec.gap, HOPPER_GAP_UNPACK);
    require_eq(rec.lost, 1);
    unpack_fails = false;
    receive_items(2, 3, false);
    surv_ack(&s);
    surv_close(&s);
    require_eq(items_alive, 0);
    surv_free(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channels that survive, and others at their files; items");
    TCase *tc    = tcase_create("hostile");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, what_is_no_file_of_ours_is_refused_and_left_alone, 0, 4);
    tcase_add_test(tc, a_hard_link_as_spare_is_not_written_through);
    tcase_add_test(tc, memory_of_another_channel_is_refused);
    tcase_add_loop_test(tc, the_name_of_the_file_that_is_in_the_way_is_told, 0, 3);
    tcase_add_test(tc, memory_that_begins_with_anything_is_told_by_its_name);
    tcase_add_loop_test(tc, a_far_number_costs_nothing, 0, FAR_COUNT * FAR_KINDS * 2);
    BOTH(tc, far_numbers_together_cost_nothing);
    BOTH(tc, a_newer_version_is_refused_clearly_and_nothing_is_changed);
    BOTH(tc, another_value_of_survive_is_refused);
    BOTH(tc, remains_of_a_run_that_survives_nothing_are_removed);
    tcase_add_test(tc, a_file_system_that_cannot_preallocate_is_told_and_left_clean);
    tcase_add_test(tc, a_file_system_that_cannot_map_is_told);
    tcase_add_test(tc, a_process_without_address_space_is_not_told_of_the_file_system);
    tcase_add_test(tc, a_device_without_room_for_memory_is_told);
    tcase_add_loop_test(tc, without_state_records_come_again_and_none_is_missing, 0, 3);
    tcase_add_loop_test(tc, a_damaged_frame_behind_an_earlier_runs_file_is_told_as_that, 0, 2);
    tcase_add_loop_test(tc, a_header_that_asks_for_memory_gets_none_without_frames, 0, 4);
    tcase_add_loop_test(tc, memory_grows_for_the_largest_record_left_and_no_further, 0, 2);
    tcase_add_loop_test(tc, any_byte_of_memorys_head_may_be_wrong, 0, 20);
    BOTH(tc, items_are_packed_when_they_are_sent_and_come_again);
    BOTH(tc, an_item_that_cannot_be_packed_stays_the_callers);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
