/* SPDX-License-Identifier: MIT */
/*
 * What is measured with disks: overflow and durable sends. Stores are given one transaction for each batch, and again
 * (--variant large) 4096 records for each, whatever the batch; both rows stand in the table. Work that takes a slow
 * peer long has its own --bytes, less than the runner's.
 */
#include "plan_disk.h"

#define OVERFLOW "--work overflow --level 1 "
#define SINGLE   "--batch 1 "
#define BATCH    "--batch 64 "
#define LESS     "--bytes 67108864 "
#define INTEGERS "--data int --bytes 33554432 "

/* A thread of the channel shares the receiver's work, with the memory that it is at its best with. Nobody is pinned:
 * beside a thread that is, a scheduler with two CPUs leaves it on that one for a while. */
#define SHARED " --decompress-threads 1 --memory 4194304 --pin 0"

const struct plan_peer plan_deflating[] = {
    {"hopper", "--level 1", true},
    {"hopper", "--level 1 --compress-threads 1", true},
    {"hopper-other", "--level 1", true}, /* of a build with another deflate engine */
    {"hopper-other", "--level 1 --compress-threads 1", true},
    {"hopper-other-2", "--level 1", true},
    {"hopper", "--level 1" SHARED, false},
    {"hopper-other", "--level 1" SHARED, false},
    {"codec", "--level 1", true},
    {"libdeflate", "--level 1", true},
    {"isal", "--level 1", true},
    {"rocksdb", "--level 1", false},
    {"rocksdb", "--level 1 --variant large", false},
    {"lmdb", "--variant large", true}, /* does not compress: the target names it all the same */
    {NULL, NULL, false}};

const struct plan_peer plan_storing[] = {{"hopper", "--level 0", true},
                                         {"hopper", "--level 0" SHARED, true},
                                         {"file", "--level 0", true},
                                         {"lmdb", "", true},
                                         {"lmdb", "--variant large", false},
                                         {"rocksdb", "--level 0", true},
                                         {"rocksdb", "--level 0 --variant large", false},
                                         {"sqlite", "", false},
                                         {"sqlite", "--variant large", false},
                                         {NULL, NULL, false}};

const struct plan_column plan_overflow[] = {
    {"log lines, batches of 64", OVERFLOW "--data log " BATCH, true},
    {"log lines, one by one", OVERFLOW "--data log " LESS SINGLE, false},
    {"8 B integers, batches of 64", OVERFLOW INTEGERS BATCH, true},
    {"JSON, batches of 64", OVERFLOW "--data json " LESS BATCH, false},
    {"compressed already, batches of 64", OVERFLOW "--data packed " LESS BATCH, false},
    {NULL, NULL, false}};

/* A receiver that goes over the bytes of each record once, or twice: what a thread beside it can take off it. */
const struct plan_peer plan_deflating_worked[] = {
    {"hopper", "--level 1", true},
    {"hopper", "--level 1" SHARED, true},
    {"hopper-other", "--level 1", true},
    {"hopper-other", "--level 1" SHARED, true},
    {"hopper-other-2", "--level 1", true},
    {"rocksdb", "--level 1 --variant large", false},
    {"lmdb", "--variant large", true},
    {NULL, NULL, false}};

const struct plan_peer plan_storing_worked[] = {{"hopper", "--level 0", true},
                                                {"hopper", "--level 0" SHARED, true},
                                                {"lmdb", "--variant large", true},
                                                {"rocksdb", "--level 0 --variant large", false},
                                                {NULL, NULL, false}};

#define WORKED OVERFLOW "--data log " BATCH "--work-passes "

const struct plan_column plan_worked[] = {{"log lines, no pass", WORKED "0", false},
                                          {"log lines, one pass", WORKED "1", true},
                                          {"log lines, two passes", WORKED "2", false},
                                          {NULL, NULL, false}};

const struct plan_peer plan_levels[] = {{"hopper", "", false}, {"codec", "", false}, {"libdeflate", "", false},
                                        {"isal", "", false},   {"file", "", false},  {NULL, NULL, false}};

#define LEVEL "--work overflow --data log --bytes 50331648 " BATCH "--level "

const struct plan_column plan_level_columns[] = {
    {"stored", LEVEL "0", false}, {"level 1", LEVEL "1", false}, {"level 2", LEVEL "2", false},
    {"level 3", LEVEL "3", false}, {"level 4", LEVEL "4", false}, {"level 5", LEVEL "5", false},
    {"level 6", LEVEL "6", false}, {"level 7", LEVEL "7", false}, {"level 8", LEVEL "8", false},
    {"level 9", LEVEL "9", false}, {NULL, NULL, false}};

const struct plan_peer plan_durable[] = {{"hopper", "", true},
                                         {"file", "", true},
                                         {"file", "--variant preallocated", true},
                                         {"rocksdb", "", true},
                                         {"sqlite", "", false},
                                         {"sqlite", "--variant group", true},
                                         {"lmdb", "", false},
                                         {"lmdb", "--variant group", false},
                                         {NULL, NULL, false}};

/* Enough messages in a pass that many groups follow one another between two barriers. */
const struct plan_column plan_durable_columns[] = {
    {"100 B, 1 sender", "--work durable --size 100 --messages 64 --senders 1", true},
    {"100 B, 8 senders", "--work durable --size 100 --messages 512 --senders 8", true},
    {"100 B, 64 senders", "--work durable --size 100 --messages 4096 --senders 64", true},
    {NULL, NULL, false}};
