/* SPDX-License-Identifier: MIT */
/* --help and --version. The manual page hopper-cat(1) says more; the two must name the same options. */
#include "usage.h"

#include "status.h"

#include <errno.h>
#include <hopper/hopper.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: hopper-cat [OPTION]... [FILE]...\n"
    "Copy lines from FILEs to standard output through a queue that overflows to disk, so that what writes the input\n"
    "goes on while what reads the output is slow. Without FILE, or when FILE is -, read standard input.\n"
    "\n"
    "The queue:\n"
    "  -m, --memory=SIZE          at most SIZE in memory, bookkeeping included; also in % of RAM (default 1M)\n"
    "  -d, --dir=DIR              overflow to files in DIR (default $HOPPER_DIR, else a private directory in $TMPDIR)\n"
    "      --name=NAME            the channel within DIR (default \"default\")\n"
    "  -P, --persist[=WHAT]       keep the queue in DIR over runs, what survives: crash or power-loss (default crash)\n"
    "  -y, --sync=SEC             with -P power-loss: sync every SEC seconds, not before each acceptance\n"
    "      --drain                with -P: only deliver what is queued, read no input\n"
    "      --fill                 with -P: only take in, write no output\n"
    "      --max-disk=SIZE        at most SIZE on disk (default 4G)\n"
    "  -s, --file-size=SIZE       begin a new queue file before one grows beyond SIZE (default 256M)\n"
    "      --full=WHAT            when memory and disk are full: block, drop-new, drop-old or fail (default block)\n"
    "  -z, --compress=LEVEL       compress what overflows: 1 fastest to 9 smallest, 0 not at all\n"
    "      --compress-threads=N   compress in so many threads besides: 0 or 1 (default 1 with --fill, else 0)\n"
    "      --decompress-threads=N the same on the way back: 0 or 1 (default 1 with --drain, else 0)\n"
    "Records:\n"
    "  -0, --null                 records end in a NUL byte instead of a line end\n"
    "      --max-record=SIZE      the longest record, without its end (default 16M)\n"
    "      --long-records=WHAT    what to do with longer ones: error, split or truncate (default error)\n"
    "Looking:\n"
    "  -p, --progress             show progress on standard error when that is a terminal\n"
    "  -f, --force                show progress also when it is not\n"
    "  -i, --interval=SEC         renew the progress line every SEC seconds (default 1)\n"
    "  -S, --stats[=FORM]         print the books at the end, as text or json\n"
    "  -q, --quiet                no warnings, only errors\n"
    "  -v, --verbose              say what is being done\n"
    "  -h, --help                 print this and exit\n"
    "  -V, --version              print the versions of library and format and exit\n"
    "\n"
    "SIZE is a number with an optional suffix: K M G T and KiB MiB GiB TiB are powers of 1024, KB MB GB TB of 1000.\n"
    "Exit status: 0 all delivered, 1 error, 2 finished but records were dropped or shortened, 3 records stay in the\n"
    "queue, 64 wrong usage, 75 the queue has another owner.\n";

static int finish(int failed)
{
    if (failed != 0 || fflush(stdout) != 0) {
        fprintf(stderr, "hopper-cat: write error: %s\n", strerror(errno));
        return STATUS_ERROR;
    }
    return STATUS_DELIVERED;
}

int usage_help(void)
{
    return finish(fputs(help, stdout) < 0);
}

int usage_version(void)
{
    return finish(printf("hopper-cat " HOPPER_VERSION "\n%s\n", hopper_version()) < 0);
}
