/* SPDX-License-Identifier: MIT */
/*
 * A user's program in C, compiled against the installed library: more goes in than memory holds, and comes out in
 * order. It also keeps the promise of the options struct: a program built with a shorter one, of an older release,
 * still runs.
 *
 *     consumer DIR
 */
#include <hopper/hopper.h>
#include <hopper/platform.h>
#include <stdio.h>
#include <string.h>

#define RECORDS 100000u

static int fail(const char *what, hopper_status status)
{
    fprintf(stderr, "consumer: %s: %s\n", what, hopper_status_text(status));
    return 1;
}

static int check_in_order(hopper_receiver *rcv)
{
    struct hopper_record rec;
    hopper_status        st;
    unsigned             next = 0;

    while ((st = hopper_receive(rcv, &rec, HOPPER_FOREVER)) == HOPPER_OK) {
        if (rec.gap != HOPPER_GAP_NONE || rec.len != sizeof next || memcmp(rec.data, &next, sizeof next) != 0)
            return fail("a wrong record", st);
        next++;
    }
    if (st != HOPPER_END || next != RECORDS) return fail("the end", st);
    return 0;
}

int main(int argc, char **argv)
{
    struct hopper_options options = HOPPER_OPTIONS_INIT;
    struct hopper_error   err;
    hopper_sender        *snd;
    hopper_receiver      *rcv;
    hopper_status         st;
    int                   failed;

    if (argc != 2) return 64;
    options.size         = offsetof(struct hopper_options, disk_bytes);
    options.memory_bytes = HOPPER_MEMORY_BYTES_MIN;
    st                   = hopper_open(argv[1], "consumer-c", &options, &snd, &rcv, &err);
    if (st != HOPPER_OK) return fail("open", st);
    for (unsigned i = 0; i < RECORDS; i++)
        if ((st = hopper_send(snd, &i, sizeof i)) != HOPPER_OK) return fail("send", st);
    hopper_sender_close(snd);
    failed = check_in_order(rcv);
    hopper_receiver_close(rcv);
    if (strstr(hopper_version(), HOPPER_VERSION) == NULL) return fail("version of header and library", HOPPER_OK);
    puts(hopper_version());
    return failed;
}
