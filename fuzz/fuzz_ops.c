/* SPDX-License-Identifier: MIT */
/*
 * A channel against a model, steered by the input: sends of one and of many, of bytes and of items, large and small;
 * receives; flushes; clones and closes; writes, reads and allocations that fail at the n-th call. fuzz_channel.c says
 * what is required after each step.
 *
 * Three kinds of input, told apart by the first byte:
 *
 *   0 to 0x2f, 0x3a to 0xff   options, then one step after another, see do_step()
 *   '0' to '9'                "CAP THREADS MAX_BYTES" as text, as the original hopper's list of crashes had them: CAP
 *                             records from THREADS senders in turn, MAX_BYTES of memory
 *   '!'                       the original's 22 bytes: four numbers that seed a generator, memory bytes, disk bytes; then
 *                             the generator sends or receives until it says stop
 *
 * The sizes of the originals are raised to the least that this library takes.
 */
#include "fuzz_channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 250, SENT_BYTES_MAX = 1 << 19 };

static size_t sent_bytes; /* of this input: bounds its time */

/* ---- the end of each run --------------------------------------------------------------------------------------- */

/* Whatever happened, what was accepted comes out: drain, take one more record, close, drain to the end. */
static void finish(struct fuzz_channel *ch, int leave)
{
    hopper_status st;

    ch->fp.fault.kind = FUZZ_FAULT_NONE;
    if (leave || ch->rcv == NULL) {
        fuzz_channel_close(ch, leave & 1);
        return;
    }
    if (ch->senders > 0) {
        st = fuzz_channel_drain(ch);
        FUZZ_REQUIRE(st == HOPPER_EAGAIN, "drained: %s", hopper_status_name(st));
        fuzz_channel_acknowledge(ch);
        (void)fuzz_channel_send(ch, 0, ch->record_bytes_max / 3, 0); /* an empty channel takes it: check_refusal() */
        fuzz_channel_check(ch);
    }
    while (ch->senders > 0) fuzz_channel_close_sender(ch, 0);
    fuzz_channel_poll_fd(ch);
    st = fuzz_channel_drain(ch);
    FUZZ_REQUIRE(st == HOPPER_END, "at the end: %s", hopper_status_name(st));
    fuzz_channel_check(ch);
    fuzz_channel_close(ch, 1);
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

static hopper_status send_one(struct fuzz_channel *ch, size_t which, size_t len, uint32_t flags)
{
    if (sent_bytes > SENT_BYTES_MAX) return HOPPER_EFULL;
    len = len < FUZZ_CONTENT_BYTES_MAX ? len : FUZZ_CONTENT_BYTES_MAX;
    sent_bytes += len + 64;
    return fuzz_channel_send(ch, which, len, flags);
}

/* The same length COUNT times, until one is refused: fills memory and disk with two bytes of input. */
static void send_many(struct fuzz_channel *ch, size_t which, size_t count, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (send_one(ch, which, len, 0) != HOPPER_OK) return;
}

static void set_fault(struct fuzz_channel *ch, struct fuzz_input *in)
{
    /* not ENOENT, which would be a lie about a name that is there */
    static const int errors[8] = { ENOSPC, EIO, ENOSPC, EDQUOT, EMFILE, EACCES, EROFS, EIO };
    uint8_t what               = fuzz_u8(in);
    uint8_t repeats            = fuzz_u8(in);

    ch->fp.fault.kind    = (enum fuzz_fault_kind)(what % FUZZ_FAULT_KINDS);
    ch->fp.fault.error   = errors[what >> 5];
    ch->fp.fault.skip    = fuzz_u8(in);
    ch->fp.fault.repeats = repeats == 255 ? UINT32_MAX : repeats;
    ch->fault_kinds |= 1U << ch->fp.fault.kind;
    if ((ch->fault_kinds & 1U << FUZZ_FAULT_READ) != 0) /* only then may what is on disk be lost */
        ch->gaps_allowed |= 1U << HOPPER_GAP_UNREADABLE | 1U << HOPPER_GAP_VANISHED;
    if ((ch->fault_kinds & 1U << FUZZ_FAULT_READ) != 0 && (ch->fault_kinds & ~(1U << FUZZ_FAULT_READ)) > 1)
        ch->gaps_allowed |= /* what a write that failed left behind may be taken for the cause */
            1U << HOPPER_GAP_CORRUPT | 1U << HOPPER_GAP_TRUNCATED;
}

static void step_send(struct fuzz_channel *ch, struct fuzz_input *in, uint8_t op)
{
    size_t which                   = op >> 4;
    uint8_t len                    = fuzz_u8(in);
    static const uint32_t flags[4] = { 0, FUZZ_ITEM_PACK_FAILS, FUZZ_ITEM_PACK_DIFFERS, FUZZ_ITEM_UNPACK_FAILS };

    switch (op & 15) {
    case 0: (void)send_one(ch, which, len, 0); break;
    case 1: (void)send_one(ch, which, (size_t)len << 8 | fuzz_u8(in), flags[which & 3]); break;
    case 2: /* about the limit */ (void)send_one(ch, which, (size_t)ch->record_bytes_max + len - 128, 0); break;
    case 3: send_many(ch, which, fuzz_u8(in), (size_t)len * 16); break;
    case 4: send_many(ch, which, (size_t)fuzz_u8(in) * 16, len); break;
    default: {
        size_t count = fuzz_u8(in) % FUZZ_BATCH_MAX;
        size_t step  = fuzz_u8(in);

        sent_bytes += count * (len + 64 + count * step / 2);
        if (sent_bytes < SENT_BYTES_MAX) fuzz_channel_send_batch(ch, which, count, len, step, op >= 128);
        break;
    }
    }
}

static void do_step(struct fuzz_channel *ch, struct fuzz_input *in)
{
    uint8_t op = fuzz_u8(in);

    if (fuzz_trace)
        printf("step %02x, %llu accepted, %llu delivered\n", op, (unsigned long long)ch->accepted,
               (unsigned long long)ch->delivered);
    switch (op & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5: step_send(ch, in, op); break;
    case 6: (void)fuzz_channel_receive(ch, 0); break;
    case 7: (void)fuzz_channel_receive(ch, 1 + (size_t)fuzz_u8(in)); break;
    case 8:
        for (size_t i = fuzz_u8(in); i > 0 && fuzz_channel_receive(ch, 1 + (op >> 4)) == HOPPER_OK; i--) continue;
        break;
    case 9: (void)fuzz_channel_flush(ch, op >> 4); break;
    case 10: fuzz_channel_clone(ch, op >> 4); break;
    case 11:
        if (ch->senders > 1 || op == 0xfb) fuzz_channel_close_sender(ch, op >> 4);
        break;
    case 12: fuzz_channel_acknowledge(ch); break;
    case 13: set_fault(ch, in); break;
    case 14: ch->fp.fault.kind = FUZZ_FAULT_NONE; break;
    default:
        if (op == 0xff) fuzz_channel_close_receiver(ch);
        else fuzz_channel_poll_fd(ch);
        break;
    }
    fuzz_channel_check(ch);
}

static void run_steps(struct fuzz_input *in)
{
    static const uint64_t records_max[4] = { 0, 0, 4096, 96 << 10 };
    static const uint32_t levels[4]      = { HOPPER_COMPRESSION_NONE, 0, HOPPER_COMPRESSION_NONE, 6 };
    struct hopper_options options        = { .size = sizeof options };
    struct fuzz_fault fault              = { FUZZ_FAULT_NONE, EIO, 0, 0 };
    struct fuzz_channel ch;
    uint8_t mode  = fuzz_u8(in);
    uint8_t sizes = fuzz_u8(in);

    options.when_full        = mode & 3;
    options.compression      = levels[mode >> 6];
    options.memory_bytes     = HOPPER_MEMORY_BYTES_MIN + (uint64_t)(sizes & 3) * 50000;
    options.record_bytes_max = records_max[sizes >> 2 & 3];
    options.disk_bytes       = HOPPER_DISK_BYTES_MIN + (uint64_t)fuzz_u8(in) * 3000;
    options.file_bytes       = (sizes & 16) != 0 ? 0 : 4096 + (uint64_t)(sizes >> 5) * 5000;
    if ((mode & 8) != 0) { /* the open itself meets a fault */
        fault.kind    = (enum fuzz_fault_kind)(1 + fuzz_u8(in) % (FUZZ_FAULT_KINDS - 1));
        fault.skip    = fuzz_u8(in) % 32;
        fault.repeats = 1;
    }
    fuzz_channel_begin(&ch);
    if (fuzz_channel_open(&ch, &options, (mode & 4) != 0, &fault) != HOPPER_OK) return;
    ch.fault_kinds = 1U << fault.kind;
    if (options.when_full == HOPPER_FULL_DROP_NEWEST) ch.gaps_allowed |= 1U << HOPPER_GAP_DROPPED_NEWEST;
    if (options.when_full == HOPPER_FULL_DROP_OLDEST) ch.gaps_allowed |= 1U << HOPPER_GAP_DROPPED_OLDEST;
    for (int i = 0; i < STEPS_MAX && in->left > 0; i++) do_step(&ch, in);
    finish(&ch, (sizes & 0x80) != 0 && (mode & 8) == 0 ? 2 + (mode & 1) : 0);
}

/* ---- the original's inputs ------------------------------------------------------------------------------------- */

static void raise_to_least(struct hopper_options *options)
{
    if (options->memory_bytes < HOPPER_MEMORY_BYTES_MIN) options->memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    if (options->disk_bytes < HOPPER_DISK_BYTES_MIN) options->disk_bytes = HOPPER_DISK_BYTES_MIN;
}

static uint32_t read_number(struct fuzz_input *in)
{
    uint32_t number = 0;

    while (in->left > 0 && (*in->next < '0' || *in->next > '9')) (void)fuzz_u8(in);
    while (in->left > 0 && *in->next >= '0' && *in->next <= '9' && number < 10000000)
        number = number * 10 + (uint32_t)(fuzz_u8(in) - '0');
    return number;
}

/* CAP values of eight bytes from THREADS senders that take turns; all of them have to come out. */
static void run_text(struct fuzz_input *in)
{
    struct hopper_options options = { .size = sizeof options };
    struct fuzz_channel ch;
    uint32_t cap     = read_number(in) % (FUZZ_RECORDS_MAX + 1);
    uint32_t threads = read_number(in) % FUZZ_SENDERS_MAX;

    options.memory_bytes = read_number(in) % 4000000;
    options.disk_bytes   = 1 << 20;
    options.when_full    = HOPPER_FULL_REFUSE;
    raise_to_least(&options);
    fuzz_channel_begin(&ch);
    FUZZ_REQUIRE(fuzz_channel_open(&ch, &options, 0, NULL) == HOPPER_OK, "no channel");
    for (uint32_t i = 1; i < threads; i++) fuzz_channel_clone(&ch, 0);
    for (uint32_t i = 0; i < cap; i++) {
        while (fuzz_channel_send(&ch, i, 8, 0) == HOPPER_EFULL)
            FUZZ_REQUIRE(fuzz_channel_receive(&ch, 16) == HOPPER_OK, "full and empty");
        if (i % 64 == 0) fuzz_channel_check(&ch);
    }
    finish(&ch, 0);
}

/* xorshift128, the generator the original's four numbers seed. */
static uint32_t next_random(uint32_t seed[4])
{
    uint32_t t = seed[0] ^ seed[0] << 11;

    seed[0]        = seed[1];
    seed[1]        = seed[2];
    seed[2]        = seed[3];
    return seed[3] = seed[3] ^ seed[3] >> 19 ^ t ^ t >> 8;
}

static void run_original(struct fuzz_input *in)
{
    struct hopper_options options = { .size = sizeof options };
    struct fuzz_channel ch;
    uint32_t seed[4];
    uint32_t random;

    (void)fuzz_u8(in);
    for (int i = 0; i < 4; i++) seed[i] = fuzz_u32(in);
    if ((seed[0] | seed[1] | seed[2] | seed[3]) == 0) seed[0] = 1;
    options.memory_bytes = fuzz_u32(in) % 2000000;
    options.disk_bytes   = fuzz_u16(in);
    options.when_full    = HOPPER_FULL_REFUSE;
    raise_to_least(&options);
    fuzz_channel_begin(&ch);
    FUZZ_REQUIRE(fuzz_channel_open(&ch, &options, 0, NULL) == HOPPER_OK, "no channel");
    do {
        random = next_random(seed);
        if (random % 102 < 51) (void)send_one(&ch, 0, random >> 8 & 0x3fff, 0);
        else if (random % 102 < 101) (void)fuzz_channel_receive(&ch, 0);
        fuzz_channel_check(&ch);
    } while (random % 102 != 101);
    finish(&ch, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };

    sent_bytes = 0;
    if (size > 0 && data[0] >= '0' && data[0] <= '9') run_text(&in);
    else if (size > 0 && data[0] == '!') run_original(&in);
    else run_steps(&in);
    return 0;
}
