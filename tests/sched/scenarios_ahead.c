/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of a channel with a thread of its own that reads and inflates ahead of the receiver
 * (options.decompress_threads), which takes 1 MiB of memory: blocks of 32 KiB, two messages of 15,000 bytes in each.
 * What comes from disk is the same as without the thread, whoever is faster and wherever the receiver goes next; reads
 * that fail in the thread cost nothing that they would not cost the receiver; the thread sleeps while nothing comes from
 * disk, and ends with the channel whatever it is at. And it removes the files that the receiver is done with: a sender
 * that waits for the room gets it, though a removal may fail.
 */
#include <errno.h>

#include <sched.h>

#include "scenarios.h"

#define LEN 15000

static struct rig_options options_for(uint64_t file_bytes)
{
    return (struct rig_options){
        .senders = 1, .memory_bytes = 1 << 20, .disk_bytes = 4 << 20, .file_bytes = file_bytes, .compression = 1,
        .decompress_threads = 1
    };
}

/* FRAMES of two messages each in files behind a ring that has been emptied again. */
static void open_with_frames(const struct rig_options *options, unsigned frames)
{
    unsigned in_ring;

    rig_open(options);
    rig_fill_ring();
    in_ring = rig.accepted - 1;
    for (unsigned i = 0; i < 2 * frames; i++) rig_send_ok(rig_sender(0), LEN);
    SCHED_CHECK(hopper_flush(rig_sender(0)->snd) == HOPPER_OK);
    rig_receive_count(in_ring);
}

static void end(void)
{
    rig_close_sender(rig_sender(1));
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* All clones send what BODY says while the receiver takes it. */
static void run_to_end(void (*body)(struct rig_sender *s))
{
    rig_start_all(body);
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

/* What goes through memory does not wake it. */
static void ahead_idle(void)
{
    const struct rig_options options = options_for(1 << 20);

    rig_open(&options);
    for (int i = 0; i < 3; i++) rig_send_ok(rig_sender(0), 300);
    rig_receive_count(3);
    rig_rest();
    SCHED_CHECK(sched_waits(RIG_THREAD) == 1);
    end();
}

/* Asked for once, it loads what it can without another word, and sleeps again. A wakeup that is lost is a livelock
 * here. */
static void ahead_works(void)
{
    const struct rig_options options = options_for(1 << 20);
    unsigned waits;

    open_with_frames(&options, 5);
    rig_rest();
    waits = sched_waits(RIG_THREAD);
    rig_receive_count(1);
    while (sched_waits(RIG_THREAD) == waits) sched_yield();
    end();
}

static void ahead_file(void)
{
    const struct rig_options options = options_for(1 << 20);

    open_with_frames(&options, 5);
    end();
}

/* Two frames in each file: what is read ahead ends with it, and begins again in the next. */
static void ahead_files(void)
{
    const struct rig_options options = options_for(40000);

    open_with_frames(&options, 5);
    end();
}

static void send_six(struct rig_sender *s)
{
    for (int i = 0; i < 6; i++) rig_send_ok(s, LEN);
    rig_close_sender(s);
}

/* The file goes on growing behind what has been asked for. */
static void ahead_growing(void)
{
    const struct rig_options options = options_for(1 << 20);

    open_with_frames(&options, 3);
    run_to_end(send_six);
}

static void flush_two(struct rig_sender *s)
{
    for (int i = 0; i < 2; i++) {
        rig_send_ok(s, LEN);
        SCHED_CHECK(hopper_flush(s->snd) == HOPPER_OK);
    }
    rig_close_sender(s);
}

static uint64_t overflowed(void)
{
    struct hopper_stats stats = HOPPER_STATS_INIT;

    SCHED_CHECK(hopper_sender_stats(rig_sender(0)->snd, &stats) == HOPPER_OK);
    return stats.overflowed;
}

static void overflow_again(void)
{
    const uint64_t before = overflowed();

    while (overflowed() < before + 4) rig_send_ok(rig_sender(0), RIG_RING_LEN);
    SCHED_CHECK(hopper_flush(rig_sender(0)->snd) == HOPPER_OK);
}

/* The receiver finds nothing, closes the file and sleeps; then there is more on disk. */
static void ahead_pauses(void)
{
    const struct rig_options options = options_for(1 << 20);

    open_with_frames(&options, 2);
    rig_receive_count(rig.accepted - (unsigned)rig.received);
    SCHED_CHECK(rig_receive(HOPPER_NOW) == HOPPER_EAGAIN);
    overflow_again();
    run_to_end(flush_two);
}

/* The receiver reads again what the thread could not, and only what fails twice there is lost. */
static void ahead_fails(void)
{
    const struct rig_options options = options_for(70000);

    open_with_frames(&options, 4);
    rig_allow_faults(RIG_FAULT_READ, EIO, 2, false);
    end();
    SCHED_CHECK(rig.lost == 0 || rig_faults() > 1);
}

static void ahead_close(void)
{
    const struct rig_options options = options_for(1 << 20);

    open_with_frames(&options, 5);
    rig_receive_count(3);
    rig_close_receiver();
    rig_finish();
}

static void ahead_both(void)
{
    struct rig_options options = options_for(70000);

    options.compress_threads = 1;
    open_with_frames(&options, 3);
    run_to_end(send_six);
}

static void receive_and_acknowledge(void)
{
    hopper_status st;

    while ((st = rig_receive(HOPPER_FOREVER)) == HOPPER_OK) rig_acknowledge();
    SCHED_CHECK(st == HOPPER_END);
    rig_finish();
}

static void ahead_survive(void)
{
    struct rig_options options = options_for(70000);

    options.survive     = HOPPER_SURVIVE_CRASH;
    options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options.disk_bytes  = 8 << 20;
    open_with_frames(&options, 4);
    rig_start_all(send_six);
    rig_close_first();
    receive_and_acknowledge();
}

static void send_three(struct rig_sender *s)
{
    for (int i = 0; i < 3; i++) rig_send_ok(s, 4000);
    rig_close_sender(s);
}

/* Each send is a frame. */
static void ahead_power_loss(void)
{
    struct rig_options options = options_for(20000);

    options.survive     = HOPPER_SURVIVE_POWER_LOSS;
    options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    rig_open(&options);
    for (int i = 0; i < 8; i++) rig_send_ok(rig_sender(0), 4000);
    rig_start_all(send_three);
    rig_close_first();
    receive_and_acknowledge();
}

static void ahead_refused(void)
{
    struct rig_options options = options_for(1 << 20);

    options.senders    = 0;
    options.fails_with = HOPPER_ENOMEM;
    sched_refuse_threads(EAGAIN);
    rig_open(&options);
    options.survive    = HOPPER_SURVIVE_CRASH;
    options.disk_bytes = 8 << 20;
    rig_open(&options);
    sched_refuse_threads(0);
    options.fails_with = HOPPER_OK;
    options.survive    = HOPPER_SURVIVE_NOTHING;
    options.senders    = 1;
    rig_open(&options);
    end();
}

static void send_four(struct rig_sender *s)
{
    for (int i = 0; i < 4; i++) rig_send_ok(s, LEN);
    rig_close_sender(s);
}

/* Files go while the receiver reads on and a sender makes more. */
static void ahead_cleans(void)
{
    const struct rig_options options = options_for(40000);

    open_with_frames(&options, 6);
    run_to_end(send_four);
}

/* All is full: there is room when the receiver has got on in memory, or when a file has gone. */
static void ahead_makes_room(void)
{
    struct rig_options options = options_for(40000);

    options.disk_bytes = 200000;
    rig_open(&options);
    rig_fill_all(RIG_RING_LEN / 2);
    run_to_end(send_six);
}

static void ahead_cannot_clean(void)
{
    struct rig_options options = options_for(40000);
    unsigned all;

    options.disk_bytes = 200000;
    rig_open(&options);
    rig_fill_all(RIG_RING_LEN / 2);
    rig_allow_faults(RIG_FAULT_REMOVE, EIO, 3, false);
    all = rig.accepted + 6;
    rig_start_all(send_six);
    rig_receive_count(all);
    rig_heal();
    overflow_again(); /* what could not be removed is tried again when more comes from disk */
    rig_close_first();
    rig_receive_all();
    rig_finish();
}

static void ahead_makes_room_survive(void)
{
    struct rig_options options = options_for(40000);

    options.survive    = HOPPER_SURVIVE_CRASH;
    options.disk_bytes = (2 << 20) + 300000;
    rig_open(&options);
    rig_fill_ring();
    for (int i = 0; i < 20; i++) rig_send_ok(rig_sender(0), LEN);
    run_to_end(send_six);
}

static void send_one(struct rig_sender *s)
{
    rig_send_ok(s, 4000);
    rig_close_sender(s);
}

/* With several files, and no room for another record. */
static void open_full_power_loss(unsigned senders)
{
    struct rig_options options = options_for(20000);

    options.senders     = senders;
    options.survive     = HOPPER_SURVIVE_POWER_LOSS;
    options.acknowledge = HOPPER_ACKNOWLEDGE_EXPLICIT;
    options.disk_bytes  = 150000;
    rig_open(&options);
    while (rig_send(rig_sender(0), 4000, HOPPER_NOW) == HOPPER_OK) continue;
    SCHED_CHECK(rig.accepted > 10);
}

/* All of it goes through files, and the receiver, which has acknowledged, does nothing more: only the thread can wake
 * the sender. */
static void ahead_makes_room_power_loss(void)
{
    open_full_power_loss(1);
    rig_start_all(send_one);
    rig_receive_count(rig.accepted - 3);
    rig_acknowledge();
    rig_join_all();
    rig_close_first();
    receive_and_acknowledge();
}

/* What has been acknowledged is no reason to refuse anything, though its file may be there still. */
static void ahead_refuses_nothing(void)
{
    open_full_power_loss(0);
    for (int i = 0; i < 3; i++) {
        rig_receive_count(rig.accepted - (unsigned)rig.received);
        rig_acknowledge();
        for (int j = 0; j < 4; j++) SCHED_CHECK(rig_send(rig_sender(0), 4000, HOPPER_NOW) == HOPPER_OK);
    }
    rig_close_first();
    receive_and_acknowledge();
}

/* clang-format off */
#define SCENARIO(name, ...) const struct sched_scenario scenario_##name = { #name, name, SCHED_CLEAN, __VA_ARGS__ }
SCENARIO(ahead_idle, RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 2, 200));
SCENARIO(ahead_works, RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 2, 500));
SCENARIO(ahead_file, RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 2, 500));
SCENARIO(ahead_files, RIG_AT_RANDOM(500));
SCENARIO(ahead_growing, RIG_AT_RANDOM(500));
SCENARIO(ahead_pauses, RIG_AT_RANDOM(300));
SCENARIO(ahead_fails, RIG_AT_RANDOM(500));
SCENARIO(ahead_close, RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 2, 500));
SCENARIO(ahead_both, RIG_AT_RANDOM(300));
SCENARIO(ahead_survive, RIG_AT_RANDOM(300));
SCENARIO(ahead_power_loss, RIG_AT_RANDOM(300));
SCENARIO(ahead_refused, RIG_PLANS_WITH(SCHED_TIMEOUTS_NEVER, 1, 20));
SCENARIO(ahead_cleans, RIG_AT_RANDOM(300));
SCENARIO(ahead_makes_room, RIG_AT_RANDOM(300));
SCENARIO(ahead_cannot_clean, { { .mode = SCHED_RANDOM, .schedules = 300, .timeouts = SCHED_TIMEOUTS_LATE } });
SCENARIO(ahead_makes_room_survive, RIG_AT_RANDOM(300));
SCENARIO(ahead_makes_room_power_loss, RIG_AT_RANDOM(300));
SCENARIO(ahead_refuses_nothing, RIG_AT_RANDOM(300));
/* clang-format on */
