/* SPDX-License-Identifier: MIT */
/*
 * A reader of queue files, written from docs/format.md alone: the C library and zlib, nothing of libhopper. It says in
 * lines of text what it finds, the lines of the `expect` files:
 *
 *     file NUMBER bytes|items FIRST after COUNT of COUNT
 *                                        a queue file with a good header, its first sequence number, and how many
 *                                        records were read before it of those written to the files before it
 *     record SEQ LENGTH CRC              a record, its length and the CRC-32 of its bytes in hex
 *     gap FIRST COUNT dropped COUNT      sequence numbers that are not in these files; of them dropped by policy
 *     damage NUMBER OFFSET WHAT          WHAT: header, payload, codec, raw-length, records
 *     tail NUMBER OFFSET                 an incomplete tail
 *     end NUMBER open                    the file has no footer
 *     end NUMBER sealed COUNT of COUNT   it has; so many records were read of those that it should hold
 *     refused NUMBER WHY                 WHY: version N, magic, header
 */
#ifndef GOLDEN_READER_H
#define GOLDEN_READER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct reader_file {
    uint64_t             number; /* from the file's name */
    const unsigned char *data;
    size_t               len;
};

/* Read the COUNT files, sorted by number, and say on OUT what is in them. */
void reader_run(const struct reader_file *files, size_t count, FILE *out);

#endif
