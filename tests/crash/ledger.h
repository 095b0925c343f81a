/* SPDX-License-Identifier: MIT */
/*
 * What a channel that survives has promised so far, and the judge of what comes out after a crash: docs/durability.md,
 * "What must be true after recovery", O1 to O4.
 *
 * A message's counter (checker.h, producer 0) is its place in the ledger. The ledger is written at the moment a promise
 * begins or ends: an entry before its send is called, its fate when the send has returned.
 */
#ifndef TESTS_LEDGER_H
#define TESTS_LEDGER_H

#include <hopper/hopper.h>
#include <stdbool.h>

#define LEDGER_GAPS_MAX 32

enum ledger_fate {
    LEDGER_MAYBE,    /* its send has not returned, or with HOPPER_EIO: may come, in its place */
    LEDGER_ACCEPTED, /* has to come until it is acknowledged */
    LEDGER_DROPPED,  /* accepted and dropped by policy: a gap in its place, unless it was behind all records */
    LEDGER_DONE,     /* was acknowledged when a recovery looked: may come once more after a power cut */
    LEDGER_GONE, /* was not promised (any more), and a recovery did not find it: may come after a further power cut, as long
                        as nothing that was accepted stands in its place */
    LEDGER_NEVER /* refused: must not come */
};

struct ledger_entry {
    uint64_t seq; /* 0: not known */
    uint32_t len;
    uint16_t fate;
    uint16_t has_come; /* in the recovery at hand */
    uint32_t number;   /* of a numbered one: what its producer calls it */
    uint16_t producer; /* 0: it is not numbered */
    uint16_t counts;   /* the channel has promised to remember the number */
    uint64_t came_as;  /* the number under which a recovery last handed it out, 0: none has */
};

struct ledger {
    uint32_t survive, sync;
    struct ledger_entry *sent;
    uint64_t count, room;
    uint64_t acked;         /* acknowledged by calls that have returned */
    uint64_t acking;        /* and by one that has not */
    uint64_t acked_durable; /* what was acknowledged when STATE was synced last */
    uint64_t durable;       /* hopper_durable_seq() has said so */
    uint64_t received;      /* sequence number of the last record handed out in this life */
    uint64_t cap;           /* of a power cut that nobody has recovered from yet: no more than up to this is promised */
    unsigned producers;     /* that have numbered records: 1 to this */
    bool is_cut;            /* there was one */
    bool is_fragile; /* killed where a sync had failed: behind `fragile` the page cache may know what the device never
                               will, and nobody can tell */
    uint64_t fragile;
    bool has_failed; /* the device has failed: what nobody was promised may be there in parts, or seem to be */
    bool is_closed;  /* cleanly, and not opened since */
    struct {
        uint64_t from, to;
    } gaps[LEDGER_GAPS_MAX]; /* that a recovery has handed out: until they are acknowledged they come again */
    unsigned gaps_count;
};

void ledger_init(struct ledger *ledger, const struct hopper_options *options);
void ledger_copy(struct ledger *to, const struct ledger *from);
void ledger_fini(struct ledger *ledger);
uint64_t ledger_add(struct ledger *ledger, size_t len); /* a send begins: the counter of its message */
uint64_t ledger_hash(const struct ledger *ledger);

/* The judge of one recovery. */
struct judge {
    struct ledger *ledger;
    bool is_power_cut;
    uint64_t must_upto; /* all accepted ones up to this sequence number have to come, and no gap is allowed there */
    uint64_t excused;   /* those up to this one were acknowledged, or just being */
    uint64_t first_seq, next_seq, next_counter;
    uint64_t records, lost;
    bool in_doubt; /* the last thing was a gap that stands for nothing promised */
    char *fault;   /* of 256 bytes, "" when nothing is wrong */
};

/* Killed: the same. */
void ledger_killed(struct ledger *ledger);

/* The power is cut: what is promised from now on. Before the recovery begins. */
void ledger_power_cut(struct ledger *ledger);

/* FAULT: where to put what is wrong. FIRST_SEQ: what the recovery report promises to be the first. */
void judge_begin(struct judge *judge, struct ledger *ledger, bool is_power_cut, uint64_t first_seq, char *fault);
bool judge_take(struct judge *judge, const struct hopper_record *rec);
/* All has been received: what was accepted and has not come is missing, or gone for good. The ledger goes on from
 * here. */
bool judge_end(struct judge *judge);

#endif
