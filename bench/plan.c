/* SPDX-License-Identifier: MIT */
/*
 * What is measured: tables of peers and work. To add a peer, write its program and name it here; to add work, add a
 * column. The numbers of messages make a pass of some 10 MB, so that a channel with room for all of a pass stays in
 * the processor's caches as well as it does in use.
 */
#include "plan_disk.h"
#include "plan_parts.h"

#define HOPPER {"hopper", "", true}
#define CRASH  {"hopper", "--survive 1", true}
#define JOINED {"hopper", "--variant joined", true}
#define END    {NULL, NULL, false}

/* Eight bytes, one by one. The last two rows are limits, not channels. */
static const struct plan_peer words_single[] = {HOPPER,
                                                CRASH,
                                                {"std", "--variant channel", true},
                                                {"std", "--variant sync", true},
                                                {"crossbeam", "--variant unbounded", true},
                                                {"crossbeam", "--variant bounded", true},
                                                {"go", "", true},
                                                {"queue", "", true},
                                                {"queue", "--variant blocking", false},
                                                {"gasync", "", true},
                                                {"zmq", "", false},
                                                {"urcu", "", false},
                                                {"ck", "", false},
                                                {"pipe", "", true},
                                                {"spsc", "", true},
                                                END};

/* The same with few slots: those without a bound do not care. 128 KiB hold some 4096 records of eight bytes. */
static const struct plan_peer words_few[] = {HOPPER,
                                             {"hopper", "--memory 131072", true},
                                             {"std", "--variant sync", true},
                                             {"crossbeam", "--variant bounded", true},
                                             {"go", "", true},
                                             {"zmq", "", false},
                                             {"ck", "", false},
                                             {"spsc", "", true},
                                             END};

static const struct plan_peer words_batch[] = {HOPPER,
                                               JOINED,
                                               CRASH,
                                               {"std", "--variant channel", false},
                                               {"std", "--variant sync", true},
                                               {"crossbeam", "--variant unbounded", false},
                                               {"crossbeam", "--variant bounded", true},
                                               {"go", "", true},
                                               {"queue", "", true},
                                               {"queue", "--variant blocking", true},
                                               {"gasync", "", false},
                                               {"gasync", "--variant chunk", true},
                                               {"zmq", "", false},
                                               {"urcu", "", false},
                                               {"ck", "", false},
                                               {"pipe", "", true},
                                               {"spsc", "", true},
                                               END};

static const struct plan_peer bytes_single[] = {HOPPER,
                                                CRASH,
                                                {"std", "--variant channel", false},
                                                {"std", "--variant sync", true},
                                                {"std", "--variant sync-array", false},
                                                {"crossbeam", "--variant unbounded", false},
                                                {"crossbeam", "--variant bounded", true},
                                                {"crossbeam", "--variant unbounded-array", false},
                                                {"crossbeam", "--variant bounded-array", true},
                                                {"go", "", true},
                                                {"go", "--variant array", false},
                                                {"queue", "", false},
                                                {"queue", "--variant array", true},
                                                {"queue", "--variant blocking", false},
                                                {"gasync", "", true},
                                                {"zmq", "", false},
                                                {"urcu", "", false},
                                                {"ck", "", false},
                                                {"ck", "--variant array", false},
                                                {"pipe", "", false},
                                                {"spsc", "", true},
                                                END};

static const struct plan_peer bytes_batch[] = {HOPPER,
                                               JOINED,
                                               CRASH,
                                               {"std", "--variant sync", false},
                                               {"crossbeam", "--variant unbounded", false},
                                               {"crossbeam", "--variant bounded", true},
                                               {"crossbeam", "--variant bounded-array", true},
                                               {"go", "", false},
                                               {"go", "--variant array", false},
                                               {"queue", "", false},
                                               {"queue", "--variant array", true},
                                               {"queue", "--variant blocking-array", false},
                                               {"gasync", "", false},
                                               {"gasync", "--variant chunk", true},
                                               {"zmq", "", false},
                                               {"urcu", "", false},
                                               {"ck", "", false},
                                               {"pipe", "", false},
                                               {"spsc", "", true},
                                               END};

static const struct plan_peer swapping[] = {{"hopper", "--memory 131072", true},
                                            HOPPER,
                                            {"std", "--variant sync", true},
                                            {"crossbeam", "--variant bounded", false},
                                            {"go", "", false},
                                            {"gasync", "", false},
                                            {"pipe", "", false},
                                            END};

/* Those whose receiver can sleep, and two that do not. */
static const struct plan_peer waking[] = {HOPPER,
                                          {"hopper", "--variant spinning", true},
                                          {"futex", "", true},
                                          {"std", "--variant channel", true},
                                          {"crossbeam", "--variant bounded", true},
                                          {"go", "", true},
                                          {"queue", "--variant blocking", true},
                                          {"gasync", "", true},
                                          {"zmq", "", true},
                                          {"pipe", "", true},
                                          {"spsc", "", true},
                                          END};

static const struct plan_peer through[] = {{"through", "--variant hopper-cat", true}, {"through", "--variant floor", true},
                                           {"through", "--variant cat", true},        {"through", "--variant pv", true},
                                           {"through", "--variant mbuffer", true},    {"through", "--variant buffer", true},
                                           END};

/* A budget smaller than the burst, deflated and stored; one that the burst fits; and channels without a bound. */
static const struct plan_peer bursting[] = {{"hopper", "--batch 64", true},
                                            {"hopper", "--batch 64 --level 0", false},
                                            {"hopper", "--batch 64 --memory 536870912", true},
                                            {"gasync", "--variant chunk --batch 64", true},
                                            {"queue", "--variant blocking --batch 64", false},
                                            {"zmq", "--batch 64", false},
                                            END};

#define WORDS  "--work mem --size 8 "
#define SHORT  "--work mem --size 100 --messages 100000 "
#define LONG   "--work mem --size 1024 --messages 16000 "
#define MIX    "--work mem --size mix --messages 32000 "
#define SINGLE "--batch 1 --messages 250000 "
#define BATCH  "--batch 64 --messages 500000 "
#define MANY   "--slots 131072 "
#define FEW    "--slots 4096 "

static const struct plan_column words_single_columns[] = {
    {"1 sender", WORDS SINGLE MANY "--senders 1", true},
    {"4 senders", WORDS SINGLE MANY "--senders 4", true},
    {"16 senders", WORDS SINGLE MANY "--senders 16", false},
    {"4 senders, not pinned", WORDS SINGLE MANY "--senders 4 --pin 0", false},
    END};

static const struct plan_column words_few_columns[] = {
    {"1 sender", WORDS SINGLE FEW "--senders 1", true},
    {"4 senders", WORDS SINGLE FEW "--senders 4", false},
    {"16 senders", WORDS SINGLE FEW "--senders 16", false},
    {"1 sender, batches of 64", WORDS BATCH FEW "--senders 1", false},
    {"4 senders, batches of 64", WORDS BATCH FEW "--senders 4", false},
    END};

static const struct plan_column words_batch_columns[] = {
    {"1 sender", WORDS BATCH MANY "--senders 1", true},
    {"4 senders", WORDS BATCH MANY "--senders 4", true},
    {"16 senders", WORDS BATCH MANY "--senders 16", false},
    END};

static const struct plan_column bytes_single_columns[] = {
    {"100 B, 1 sender", SINGLE SHORT FEW "--senders 1", true},
    {"100 B, 4 senders", SINGLE SHORT FEW "--senders 4", true},
    {"100 B, 16 senders", SINGLE SHORT FEW "--senders 16", false},
    {"1 KiB, 1 sender", SINGLE LONG FEW "--senders 1", true},
    {"1 KiB, 4 senders", SINGLE LONG FEW "--senders 4", false},
    {"1 KiB, 16 senders", SINGLE LONG FEW "--senders 16", false},
    {"mix of sizes, 1 sender", SINGLE MIX FEW "--senders 1", true},
    {"mix of sizes, 4 senders", SINGLE MIX FEW "--senders 4", false},
    {"mix of sizes, 16 senders", SINGLE MIX FEW "--senders 16", false},
    END};

static const struct plan_column bytes_batch_columns[] = {
    {"100 B, 1 sender", BATCH SHORT FEW "--senders 1", true},
    {"100 B, 4 senders", BATCH SHORT FEW "--senders 4", false},
    {"100 B, 16 senders", BATCH SHORT FEW "--senders 16", false},
    {"1 KiB, 1 sender", BATCH LONG FEW "--senders 1", true},
    {"1 KiB, 4 senders", BATCH LONG FEW "--senders 4", false},
    {"mix of sizes, 1 sender", BATCH MIX FEW "--senders 1", false},
    {"mix of sizes, 4 senders", BATCH MIX FEW "--senders 4", false},
    END};

static const struct plan_column swapping_columns[] = {
    {"4 senders, one by one", WORDS SINGLE MANY "--senders 4", true},
    {"4 senders, batches of 64", WORDS BATCH MANY "--messages 250000 --senders 4", false},
    END};

static const struct plan_column waking_columns[] = {{"8 bytes", "--work wake --size 8 --messages 100", true}, END};

static const struct plan_column through_columns[] = {
    {"log lines", "--data log", true},
    {"lines of 2 bytes", "--data short", true},
    {"lines of 1 MiB", "--data huge", false},
    {"log lines, one CPU", "--data log --cpus 1", false},
    {"lines of 2 bytes, one CPU", "--data short --cpus 1", false},
    {"lines of 1 MiB, one CPU", "--data huge --cpus 1", false},
    END};

static const struct plan_column bursting_columns[] = {{"mix of sizes", "--work burst --size mix", true}, END};

const struct plan_group plan[] = {
    {"8 bytes, one by one", "M/s", words_single, words_single_columns, PLAN_MEM},
    {"8 bytes, batches of 64", "M/s", words_batch, words_batch_columns, PLAN_MEM},
    {"8 bytes, room for 4096", "M/s", words_few, words_few_columns, PLAN_MEM},
    {"More bytes, one by one", "M/s", bytes_single, bytes_single_columns, PLAN_MEM},
    {"More bytes, batches of 64", "M/s", bytes_batch, bytes_batch_columns, PLAN_MEM},
    {"8 bytes, swapping to disk while it is received (the others: all in memory)", "M/s", swapping, swapping_columns,
     PLAN_MEM},
    {"Waking a receiver that sleeps", "us", waking, waking_columns, PLAN_LATENCY},
    {"The pipe: cat FILE | X > /dev/null", "MB/s", through, through_columns, PLAN_PIPE},
    {"A burst while the receiver stalls", "M/s", bursting, bursting_columns, PLAN_BURST},
    {"Overflow, all in and then all out, zlib level 1", "MB/s", plan_deflating, plan_overflow, PLAN_OVERFLOW},
    {"Overflow, all in and then all out, stored", "MB/s", plan_storing, plan_overflow, PLAN_OVERFLOW},
    {"Overflow, with a receiver that works on its records, zlib level 1", "MB/s", plan_deflating_worked, plan_worked,
     PLAN_OVERFLOW},
    {"Overflow, with a receiver that works on its records, stored", "MB/s", plan_storing_worked, plan_worked,
     PLAN_OVERFLOW},
    {"Overflow of log lines, by level", "MB/s", plan_levels, plan_level_columns, PLAN_OVERFLOW},
    {"Durable sends", "k/s", plan_durable, plan_durable_columns, PLAN_DURABLE},
    {"The deque alone, groups of 64", "M/s", plan_deque, plan_part_columns, PLAN_OVERFLOW},
    {"Packing of records alone", "M/s", plan_packing, plan_part_columns, PLAN_OVERFLOW},
    {"Frames alone, blocks of 64 KiB", "MB/s", plan_framing, plan_framing_columns, PLAN_OVERFLOW},
    {"Line ends alone", "MB/s", plan_splitting, plan_splitting_columns, PLAN_MEM},
    {NULL, NULL, NULL, NULL, PLAN_MEM}};
