/* SPDX-License-Identifier: MIT */
/*
 * What is measured: tables of peers and work. To add a peer, write its program and name it here; to add work, add a
 * column. The numbers of messages make a pass of some 10 MB, so that a channel with room for all of a pass stays in
 * the processor's caches as well as it does in use.
 */
#include "run.h"

static const struct plan_peer words[] = {{"hopper", ""},
                                         {"hopper", "--survive 1"},
                                         {"std", "--variant channel"},
                                         {"std", "--variant sync"},
                                         {"gasync", ""},
                                         {"gasync", "--variant chunk"},
                                         {"pipe", ""},
                                         {"spsc", ""},
                                         {NULL, NULL}};

static const struct plan_peer bytes[] = {{"hopper", ""},
                                         {"hopper", "--survive 1"},
                                         {"std", "--variant channel"},
                                         {"std", "--variant sync"},
                                         {"std", "--variant channel-array"},
                                         {"std", "--variant sync-array"},
                                         {"gasync", ""},
                                         {"gasync", "--variant chunk"},
                                         {"pipe", ""},
                                         {"spsc", ""},
                                         {NULL, NULL}};

static const struct plan_peer swapping[] = {{"hopper", "--memory 131072"},
                                            {"hopper", ""},
                                            {"std", "--variant channel"},
                                            {"std", "--variant sync"},
                                            {"gasync", ""},
                                            {"pipe", ""},
                                            {NULL, NULL}};

static const struct plan_peer deflating[] = {{"hopper", "--level 1"}, {"codec", "--level 1"}, {NULL, NULL}};
static const struct plan_peer storing[] = {{"hopper", "--level 0"}, {"file", "--level 0"}, {NULL, NULL}};

#define WORDS  "--work mem --size 8 "
#define SHORT  "--work mem --size 100 --messages 100000 "
#define LONG   "--work mem --size 1024 --messages 16000 "
#define SINGLE "--batch 1 "
#define BATCH  "--batch 64 "

static const struct plan_column words_single[] = {
    {"1 sender", WORDS SINGLE "--messages 250000 --senders 1", true},
    {"4 senders", WORDS SINGLE "--messages 250000 --senders 4", true},
    {"16 senders", WORDS SINGLE "--messages 250000 --senders 16", false},
    {"4 senders, not pinned", WORDS SINGLE "--messages 250000 --senders 4 --pin 0", false},
    {NULL, NULL, false}};

static const struct plan_column words_batch[] = {
    {"1 sender", WORDS BATCH "--messages 500000 --senders 1", true},
    {"4 senders", WORDS BATCH "--messages 500000 --senders 4", true},
    {"16 senders", WORDS BATCH "--messages 500000 --senders 16", false},
    {NULL, NULL, false}};

static const struct plan_column bytes_single[] = {{"100 B, 1 sender", SHORT SINGLE "--senders 1", true},
                                                  {"100 B, 4 senders", SHORT SINGLE "--senders 4", true},
                                                  {"1 KiB, 1 sender", LONG SINGLE "--senders 1", true},
                                                  {"1 KiB, 4 senders", LONG SINGLE "--senders 4", true},
                                                  {NULL, NULL, false}};

static const struct plan_column bytes_batch[] = {{"100 B, 1 sender", SHORT BATCH "--senders 1", true},
                                                 {"100 B, 4 senders", SHORT BATCH "--senders 4", true},
                                                 {"1 KiB, 1 sender", LONG BATCH "--senders 1", true},
                                                 {"1 KiB, 4 senders", LONG BATCH "--senders 4", true},
                                                 {NULL, NULL, false}};

static const struct plan_column swapping_columns[] = {
    {"4 senders, one by one", WORDS SINGLE "--messages 250000 --senders 4", true},
    {"4 senders, batches of 64", WORDS BATCH "--messages 250000 --senders 4", true},
    {NULL, NULL, false}};

static const struct plan_column overflow_columns[] = {
    {"log lines, batches of 64", "--work overflow --data log " BATCH, true},
    {"log lines, one by one", "--work overflow --data log " SINGLE, true},
    {"8 B integers, batches of 64", "--work overflow --data int " BATCH, true},
    {NULL, NULL, false}};

const struct plan_group plan[] = {
    {"8 bytes, all in memory, one by one", "M/s", words, words_single, true},
    {"8 bytes, all in memory, batches of 64", "M/s", words, words_batch, true},
    {"More bytes, all in memory, one by one", "M/s", bytes, bytes_single, true},
    {"More bytes, all in memory, batches of 64", "M/s", bytes, bytes_batch, true},
    {"8 bytes, swapping to disk while it is received (the others: all in memory)", "M/s", swapping, swapping_columns,
     true},
    {"Overflow, all in and then all out, zlib level 1", "MB/s", deflating, overflow_columns, false},
    {"Overflow, all in and then all out, stored", "MB/s", storing, overflow_columns, false},
    {NULL, NULL, NULL, NULL, false}};
