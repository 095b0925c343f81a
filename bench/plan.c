/* SPDX-License-Identifier: MIT */
/*
 * What is measured: tables of peers and work. To add a peer, write its program and name it here; to add work, add a
 * column. The numbers of messages make a pass of some 10 MB, so that a channel with room for all of a pass stays in
 * the processor's caches as well as it does in use.
 */
#include "run.h"

static const struct plan_peer words[] = {{"hopper", "", true},
                                         {"hopper", "--survive 1", true},
                                         {"std", "--variant channel", true},
                                         {"std", "--variant sync", true},
                                         {"gasync", "", true},
                                         {"gasync", "--variant chunk", true},
                                         {"pipe", "", true},
                                         {"spsc", "", true},
                                         {NULL, NULL, false}};

static const struct plan_peer bytes[] = {{"hopper", "", true},
                                         {"hopper", "--survive 1", true},
                                         {"std", "--variant channel", true},
                                         {"std", "--variant sync", true},
                                         {"std", "--variant channel-array", true},
                                         {"std", "--variant sync-array", true},
                                         {"gasync", "", true},
                                         {"gasync", "--variant chunk", true},
                                         {"pipe", "", true},
                                         {"spsc", "", true},
                                         {NULL, NULL, false}};

static const struct plan_peer swapping[] = {{"hopper", "--memory 131072", true},
                                            {"hopper", "", true},
                                            {"std", "--variant channel", true},
                                            {"std", "--variant sync", true},
                                            {"gasync", "", true},
                                            {"pipe", "", true},
                                            {NULL, NULL, false}};

static const struct plan_peer deflating[] = {{"hopper", "--level 1", true}, {"codec", "--level 1", true}, {NULL, NULL, false}};
static const struct plan_peer storing[] = {{"hopper", "--level 0", true}, {"file", "--level 0", true}, {NULL, NULL, false}};

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
    {"8 bytes, all in memory, one by one", "M/s", words, words_single, PLAN_MEM},
    {"8 bytes, all in memory, batches of 64", "M/s", words, words_batch, PLAN_MEM},
    {"More bytes, all in memory, one by one", "M/s", bytes, bytes_single, PLAN_MEM},
    {"More bytes, all in memory, batches of 64", "M/s", bytes, bytes_batch, PLAN_MEM},
    {"8 bytes, swapping to disk while it is received (the others: all in memory)", "M/s", swapping, swapping_columns,
     PLAN_MEM},
    {"Overflow, all in and then all out, zlib level 1", "MB/s", deflating, overflow_columns, PLAN_OVERFLOW},
    {"Overflow, all in and then all out, stored", "MB/s", storing, overflow_columns, PLAN_OVERFLOW},
    {NULL, NULL, NULL, NULL, PLAN_MEM}};
