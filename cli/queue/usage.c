/* SPDX-License-Identifier: MIT */
/* --help and --version. The manual page hopper-queue(1) says more; the two must name the same options. */
#include "usage.h"

#include <hopper/hopper.h>
#include <stdio.h>

#include "say.h"
#include "status.h"

static const char help[] =
    "Usage: hopper-queue COMMAND [OPTION]... DIR\n"
    "Look at the queue in DIR, also while it is in use, or mend it. DIR is the queue's own directory or the one above it.\n"
    "\n"
    "Looking; nothing is changed and nobody is disturbed:\n"
    "  info DIR                   what is there: owner, files, sequence numbers, the books\n"
    "  ls DIR                     a line for each queue file\n"
    "  cat DIR                    write the records to standard output\n"
    "  follow DIR                 write records as they reach the files of a queue in use\n"
    "  verify DIR                 read and check everything: status 0 sound, 1 damaged, 2 cannot tell\n"
    "  copy DIR DEST              make a consistent copy in the new directory DEST\n"
    "Changing; the queue must not be in use:\n"
    "  repair DIR                 cut off torn tails, put damaged files aside and save what is good in them\n"
    "  ack DIR SEQ                acknowledge all records up to the sequence number SEQ\n"
    "  purge DIR                  acknowledge and remove everything\n"
    "\n"
    "      --name=NAME            the channel within DIR, when there are several\n"
    "  -j, --json                 JSON instead of text (info, ls, cat, follow, verify, repair)\n"
    "  -F, --frames               a line for each frame (ls)\n"
    "      --quick                look only at headers, not at what is in the frames (ls)\n"
    "      --from=SEQ             begin with the record SEQ (cat, follow)\n"
    "  -n, --count=N              end after N records (cat, follow)\n"
    "  -u, --unacked              only what is not acknowledged (cat, follow)\n"
    "  -l, --lines                end each record in a line end, unless it does so itself (cat, follow)\n"
    "  -0, --null                 the same with a NUL byte\n"
    "  -t, --timeout=SEC          end after SEC seconds (follow)\n"
    "  -i, --interval=SEC         look every SEC seconds (follow; default 0.2)\n"
    "      --dry-run              only say what would be done (repair, ack, purge)\n"
    "  -y, --yes                  also when records are not acknowledged (purge)\n"
    "  -h, --help                 print this and exit\n"
    "  -V, --version              print the versions of library and format and exit\n"
    "\n"
    "Exit status: 0 done (verify: sound), 1 error (verify: damaged), 2 done, but records are missing (verify: cannot\n"
    "tell), 64 wrong usage, 75 the queue has an owner.\n";

static int finish(void)
{
    return say_end_output() == 0 ? STATUS_OK : STATUS_ERROR;
}

int usage_help(void)
{
    (void)fputs(help, stdout);
    return finish();
}

int usage_version(void)
{
    (void)printf("hopper-queue " HOPPER_VERSION "\n%s\n", hopper_version());
    return finish();
}
