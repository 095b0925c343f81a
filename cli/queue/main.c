/* SPDX-License-Identifier: MIT */
/*
 * hopper-queue: looks at the directory of a queue, and mends it. The command line first (args.c), then the command
 * (command_*.c), whose result is the exit status.
 *
 *     command_*     the commands, one file each
 *        |  emit    records to standard output, as bytes or JSON          tally  the books of what is there
 *        |  merge   records of files and MEMORY in one order              own    the lock, for those that change things
 *     scan          file by file, frame by frame, what is good and what is not
 *     payload       a frame's records, in memory of fixed size            place  the directory as a stranger finds it
 *     lib/          frame, state, memory_old, io: the format itself
 */
#include <stdio.h>

#include "args.h"
#include "say.h"
#include "status.h"

#define OUTPUT_BUFFER_BYTES (64u << 10)

int main(int argc, char **argv)
{
    static char buffer[OUTPUT_BUFFER_BYTES];
    struct args args;
    int status;

    if (!args_parse(&args, argc, argv, &status)) return status;
    (void)setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    status = args.run(&args);
    if (say_end_output() != 0 && status == STATUS_OK) status = STATUS_ERROR;
    return status;
}
