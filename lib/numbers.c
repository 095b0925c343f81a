/* SPDX-License-Identifier: MIT */
/* See numbers.h. */
#include "numbers.h"

#include "queue_file.h"

/* Keep NUMBER if it is wanted. Where there is no room for all, the highest is left out, and what is known ends
 * there. */
static void keep(struct hpr_numbers *n, uint64_t number)
{
    size_t at = n->count;

    if (number < n->from || number >= n->until) return;
    while (at > 0 && n->kept[at - 1] > number) at--;
    if (n->count == HPR_NUMBERS_KEPT) {
        n->until = at == n->count ? number : n->kept[--n->count];
        if (n->until == number) return;
    }
    memmove(n->kept + at + 1, n->kept + at, (n->count - at) * sizeof n->kept[0]);
    n->kept[at] = number;
    n->count++;
}

static int keep_name(void *arg, const char *name)
{
    uint64_t number;

    if (hpr_queue_file_parse_name(name, &number)) keep(arg, number);
    return 0;
}

static int look(struct hpr_numbers *n, const struct hopper_io *io, int fd, uint64_t from, uint64_t limit)
{
    int res;

    n->from  = from;
    n->until = limit;
    n->count = 0;
    res      = io->list(io->ctx, fd, keep_name, n);
    if (res < 0) n->from = n->until = n->count = 0;
    return res < 0 ? res : 0;
}

int hpr_numbers_next(struct hpr_numbers *n, const struct hopper_io *io, int fd, uint64_t number, uint64_t limit,
                     uint64_t *nextp)
{
    *nextp = limit;
    while (number < limit) {
        if (number < n->from || number >= n->until) {
            int res = look(n, io, fd, number, limit);

            if (res < 0) return res;
        }
        for (size_t i = 0; i < n->count; i++) {
            if (n->kept[i] < number) continue;
            *nextp = hpr_min_u64(n->kept[i], limit);
            return 0;
        }
        number = n->until;
    }
    return 0;
}
