/* SPDX-License-Identifier: MIT */
/*
 * How does my program behave when the disk is full? Found out without filling one.
 *
 * The platform table is everything the library asks of the system. This program takes a copy of the real one and puts
 * its own pwrite in: while disk_is_full is set, each write fails as on a full disk. What is to be seen: records are
 * taken while memory has room, then hopper_send() returns HOPPER_ENOSPC and nothing is lost; when the disk has room
 * again sending goes on by itself; and the receiver gets exactly the accepted records.
 *
 *     overload [DIR]     DIR: where the channel's directory is made; default $TMPDIR or /tmp
 */
#include <errno.h>
#include <hopper/platform.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk {
    int      is_full;
    unsigned writes_refused;
};

/* The tables' CTX is ours, so the real functions must not need theirs: those of hopper_platform_posix() do not. */
static ssize_t full_pwrite(void *ctx, int fd, const void *buf, size_t len, uint64_t offset)
{
    struct disk *disk = ctx;

    if (disk->is_full) {
        disk->writes_refused++;
        return -ENOSPC;
    }
    return hopper_platform_posix()->io.pwrite(NULL, fd, buf, len, offset);
}

/* Send numbered records, from *NEXTP on, until COUNT are accepted or one is refused. */
static hopper_status send_up_to(hopper_sender *snd, uint64_t *nextp, uint64_t count)
{
    char payload[1000] = { 0 };

    while (*nextp < count) {
        hopper_status st;

        memcpy(payload, nextp, sizeof *nextp);
        st = hopper_send(snd, payload, sizeof payload);
        if (st != HOPPER_OK) return st; /* not taken: *NEXTP is sent again later */
        ++*nextp;
    }
    return HOPPER_OK;
}

/* Returns how many records arrive, all numbered in order, or 0. */
static uint64_t receive_in_order(hopper_receiver *rcv)
{
    struct hopper_record rec;
    uint64_t             next = 0;

    while (hopper_receive(rcv, &rec, HOPPER_FOREVER) == HOPPER_OK) {
        if (rec.gap != HOPPER_GAP_NONE || memcmp(rec.data, &next, sizeof next) != 0) return 0;
        next++;
    }
    return next;
}

int main(int argc, char **argv)
{
    const char            *dir      = argc > 1 ? argv[1] : getenv("TMPDIR");
    struct disk            disk     = { 0 };
    struct hopper_platform platform = *hopper_platform_posix();
    struct hopper_options  options  = HOPPER_OPTIONS_INIT;
    struct hopper_error    err;
    hopper_sender         *snd;
    hopper_receiver       *rcv;
    uint64_t               accepted = 0, arrived;
    hopper_status          when_full, afterwards;

    platform.io.ctx      = &disk;
    platform.io.pwrite   = full_pwrite;
    options.platform     = &platform;
    options.memory_bytes = 256 << 10;
    options.when_full    = HOPPER_FULL_REFUSE;
    if (hopper_open(dir != NULL ? dir : "/tmp", "example-overload", &options, &snd, &rcv, &err) != HOPPER_OK) {
        fprintf(stderr, "overload: %s\n", hopper_status_text(err.status));
        return 1;
    }

    disk.is_full = 1;
    when_full    = send_up_to(snd, &accepted, 5000);
    printf("disk full: %s after %" PRIu64 " records, %u writes refused\n", hopper_status_name(when_full), accepted,
           disk.writes_refused);
    disk.is_full = 0;
    afterwards   = send_up_to(snd, &accepted, 5000);
    printf("disk back: %s, %" PRIu64 " records accepted\n", hopper_status_name(afterwards), accepted);

    hopper_sender_close(snd);
    arrived = receive_in_order(rcv);
    hopper_receiver_close(rcv);
    printf("received:  %" PRIu64 " records in order\n", arrived);
    return when_full == HOPPER_ENOSPC && afterwards == HOPPER_OK && arrived == 5000 ? 0 : 1;
}
