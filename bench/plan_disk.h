/* SPDX-License-Identifier: MIT */
/* The part of the plan that has to do with disks: plan_disk.c. */
#ifndef HOPPER_BENCH_PLAN_DISK_H
#define HOPPER_BENCH_PLAN_DISK_H

#include "run.h"

extern const struct plan_peer   plan_deflating[]; /* overflow, compressed */
extern const struct plan_peer   plan_storing[];   /* overflow, stored */
extern const struct plan_column plan_overflow[];

extern const struct plan_peer   plan_deflating_worked[]; /* the same, the receiver works on its records */
extern const struct plan_peer   plan_storing_worked[];
extern const struct plan_column plan_worked[];

extern const struct plan_peer   plan_levels[]; /* overflow of log lines at each level */
extern const struct plan_column plan_level_columns[];

extern const struct plan_peer   plan_durable[]; /* sends that return when the record is on the device */
extern const struct plan_column plan_durable_columns[];

#endif
