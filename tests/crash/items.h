/* SPDX-License-Identifier: MIT */
/* Items for the crash tests: each holds the bytes of one message (checker.h), which are what is packed of it. */
#ifndef TESTS_ITEMS_H
#define TESTS_ITEMS_H

#include <hopper/hopper.h>
#include <stdint.h>

extern const struct hopper_item_type items_type;

void *items_new(const void *bytes, size_t len); /* never NULL */
void items_free(void *item);
int64_t items_live(void); /* that nobody has freed */

/* REC, whose data is an item, as if it had come as bytes; a gap stays as it is. Valid until the item is freed. */
struct hopper_record items_look_into(const struct hopper_record *rec);

#endif
