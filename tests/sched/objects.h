/* SPDX-License-Identifier: MIT */
/* The table of objects, as core.c sees it. */
#ifndef SCHED_OBJECTS_H
#define SCHED_OBJECTS_H

#include "core.h"

/* Forget all objects and histories: a schedule begins. */
void objects_begin(void);
/* Thread ID has been made by one whose history is PARENT. */
void objects_thread_new(int id, uint64_t parent);
/* The object at ADDRESS becomes a new one of KIND. */
struct sched_object *objects_reinit(const void *address, enum object_kind kind);
/* sched_changed() for a thread that is not the running one. */
void objects_changed_by(int id, struct sched_object *object);

#endif
