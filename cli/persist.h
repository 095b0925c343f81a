/* SPDX-License-Identifier: MIT */
/* A queue that stays (-P): what it asks of the library, what went wrong at open, what is said at the start and at the
 * end. */
#ifndef CLI_PERSIST_H
#define CLI_PERSIST_H

#include "args.h"
#include "books.h"

#include <hopper/hopper.h>
#include <stdbool.h>

/* What -P and -y mean in OPTIONS. Without -P they stay as they are. */
void persist_options(const struct args *args, struct hopper_options *options);

/* What to do about hopper_open() having failed with ERR, to be put behind its text; "" when that says it all. */
const char *persist_hint(const struct args *args, const struct hopper_error *err);

/* What opening has found: a warning where something is not as it was left, else notes. */
void persist_tell_recovery(const struct hopper_recovery *found);

/* How many records stay, and how many that were read do not. IS_MEANT: that records stay is what was asked for. */
void persist_tell_end(const struct books *books, bool is_meant);

#endif
