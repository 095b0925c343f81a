/* SPDX-License-Identifier: MIT */
/* The part of the plan that looks at one part of the library alone: plan_parts.c. */
#ifndef HOPPER_BENCH_PLAN_PARTS_H
#define HOPPER_BENCH_PLAN_PARTS_H

#include "run.h"

extern const struct plan_peer   plan_deque[];
extern const struct plan_peer   plan_packing[];
extern const struct plan_peer   plan_framing[];
extern const struct plan_peer   plan_splitting[];
extern const struct plan_column plan_part_columns[];      /* records */
extern const struct plan_column plan_framing_columns[];   /* blocks of them */
extern const struct plan_column plan_splitting_columns[]; /* lines */

#endif
