/* SPDX-License-Identifier: MIT */
/*
 * Changes to a directory, each whole or not at all: what is new is written under a name of its own, synced, and then
 * renamed. All return 0 or a negated errno, which was said with the name of the file.
 */
#ifndef QUEUE_CHANGE_H
#define QUEUE_CHANGE_H

#include "place.h"

#define CHANGE_NAME_BYTES 64
#define CHANGE_SUFFIX     ".repair" /* what is being written */

/* The name of NUMBER's file with SUFFIX behind it, into NAME of CHANGE_NAME_BYTES. */
void change_name(char *name, uint64_t number, const char *suffix);

/* Create NAME + CHANGE_SUFFIX, in place of what an earlier run may have left of it. The descriptor, or a negated
 * errno. */
int change_begin(const struct place *place, const char *name);

/* Sync it, close it and give it the name NAME. MODE: as chmod. FD is closed in any case. */
int change_end(const struct place *place, const char *name, int fd, unsigned mode);

/* It is not wanted after all: close and remove it. */
void change_drop(const struct place *place, const char *name, int fd);

/* Copy LEN bytes at OFFSET of FROM to the end of TO, which has *AT bytes so far. */
int change_copy(const struct place *place, int from, uint64_t offset, uint64_t len, int to, uint64_t *at);

/* Keep LEN bytes at OFFSET of the file NAME under NAME + SUFFIX, or NAME + SUFFIX + ".2" and so on when that name is
 * taken by something else; what is there already with these bytes is not made again. */
int change_keep(const struct place *place, const char *name, const char *suffix, uint64_t offset, uint64_t len);

int change_cut(const struct place *place, const char *name, uint64_t bytes);
int change_remove(const struct place *place, const char *name);
int change_sync_dir(const struct place *place);

/* Write STATE as the next generation, on the device when it returns. */
int change_write_state(const struct place *place, struct hpr_state *state);

#endif
