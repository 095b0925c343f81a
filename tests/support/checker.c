/* SPDX-License-Identifier: MIT */
/*
 * A message is: magic, producer, counter, length, checksum of all the rest; then filler made from producer and counter,
 * so that any two messages differ all over. The checksum is our own sum, not the library's: a fault they share must not
 * hide.
 */
#include "checker.h"

#include "rng.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC UINT32_C(0x6d736731)

struct head {
    uint32_t magic;
    uint32_t producer;
    uint64_t counter;
    uint32_t len;
    uint32_t sum;
};
_Static_assert(sizeof(struct head) == CHECKER_LEN_MIN, "a message begins with its head");

void checker_init(struct checker *checker)
{
    memset(checker, 0, sizeof *checker);
    checker->next_seq = 1;
}

static uint32_t sum_of(const struct head *head, const unsigned char *filler, size_t len)
{
    uint64_t sum =
        head->magic * UINT64_C(31) + head->producer * UINT64_C(1000003) + head->counter * UINT64_C(8191) + head->len;

    for (; len >= 8; filler += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, filler, 8);
        sum = (sum ^ word) * UINT64_C(1099511628211);
        sum ^= sum >> 29;
    }
    for (size_t i = 0; i < len; i++) sum = sum * UINT64_C(1099511628211) + filler[i];
    return (uint32_t)(sum ^ sum >> 32);
}

void checker_fill(void *buf, size_t len, unsigned producer, uint64_t counter)
{
    struct head head      = { MAGIC, producer, counter, (uint32_t)len, 0 };
    unsigned char *filler = (unsigned char *)buf + sizeof head;
    struct rng rng        = { counter * 64 + producer };

    for (size_t left = len - sizeof head; left > 0;) {
        const uint64_t word =
            UINT64_C(0x6161616161616161) + (rng_next(&rng) & UINT64_C(0x0f0f0f0f0f0f0f0f)); /* a to p */
        size_t n = left < 8 ? left : 8;

        memcpy(filler, &word, n);
        filler += n;
        left -= n;
    }
    head.sum = sum_of(&head, (unsigned char *)buf + sizeof head, len - sizeof head);
    memcpy(buf, &head, sizeof head);
}

bool checker_read(const void *buf, size_t len, unsigned *producerp, uint64_t *counterp)
{
    struct head head;

    if (!buf || len < sizeof head) return false;
    memcpy(&head, buf, sizeof head);
    if (head.magic != MAGIC || head.len != len) return false;
    if (head.sum != sum_of(&head, (const unsigned char *)buf + sizeof head, len - sizeof head)) return false;
    *producerp = head.producer;
    *counterp  = head.counter;
    return true;
}

static bool take_gap(struct checker *checker, const struct hopper_record *rec)
{
    if (rec->data || rec->lost == 0 || rec->gap >= HOPPER_GAP_REASONS) {
        snprintf(checker->fault, sizeof checker->fault,
                 "seq %" PRIu64 ": a gap of %" PRIu64 " for reason %u with data %p", rec->seq, rec->lost, rec->gap,
                 rec->data);
        return false;
    }
    checker->gaps++;
    checker->lost += rec->lost;
    checker->lost_by[rec->gap] += rec->lost;
    checker->next_seq += rec->lost;
    return true;
}

static bool take_record(struct checker *checker, const struct hopper_record *rec)
{
    unsigned producer = 0;
    uint64_t counter  = 0;

    if (!checker_read(rec->data, rec->len, &producer, &counter) || producer >= CHECKER_PRODUCERS_MAX) {
        snprintf(checker->fault, sizeof checker->fault, "seq %" PRIu64 ": %" PRIu64 " bytes that nobody sent", rec->seq,
                 rec->len);
        return false;
    }
    if (counter < checker->next[producer]) {
        snprintf(checker->fault, sizeof checker->fault,
                 "seq %" PRIu64 ": producer %u: message %" PRIu64 " came after %" PRIu64, rec->seq, producer, counter,
                 checker->next[producer] - 1);
        return false;
    }
    checker->missing[producer] += counter - checker->next[producer];
    checker->next[producer] = counter + 1;
    checker->records++;
    checker->bytes += rec->len;
    checker->next_seq++;
    if (checker->lost == 0 && checker->missing[producer] > 0) {
        snprintf(checker->fault, sizeof checker->fault,
                 "seq %" PRIu64 ": producer %u: %" PRIu64 " messages before %" PRIu64 " are missing without a gap",
                 rec->seq, producer, checker->missing[producer], counter);
        return false;
    }
    return true;
}

bool checker_take(struct checker *checker, const struct hopper_record *rec)
{
    if (checker->fault[0]) return false;
    if (rec->seq != checker->next_seq) {
        snprintf(checker->fault, sizeof checker->fault,
                 "seq %" PRIu64 " where %" PRIu64 " was due (gap %u, %" PRIu64 ")", rec->seq, checker->next_seq,
                 rec->gap, rec->lost);
        return false;
    }
    return rec->gap != HOPPER_GAP_NONE ? take_gap(checker, rec) : take_record(checker, rec);
}

bool checker_finish(struct checker *checker, const uint64_t *accepted, unsigned producers)
{
    uint64_t total = 0, missing = 0;

    if (checker->fault[0]) return false;
    for (unsigned p = 0; p < producers; p++) {
        total += accepted[p];
        if (checker->next[p] > accepted[p]) {
            snprintf(checker->fault, sizeof checker->fault,
                     "producer %u: message %" PRIu64 " came, %" PRIu64 " were accepted", p, checker->next[p] - 1,
                     accepted[p]);
            return false;
        }
        missing += checker->missing[p] + accepted[p] - checker->next[p];
    }
    if (missing != checker->lost || checker->records + checker->lost != total) {
        snprintf(checker->fault, sizeof checker->fault,
                 "%" PRIu64 " accepted, %" PRIu64 " received, %" PRIu64 " missing, but gaps say %" PRIu64, total,
                 checker->records, missing, checker->lost);
        return false;
    }
    return true;
}
