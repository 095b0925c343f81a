/* SPDX-License-Identifier: MIT */
/* The owner's lock, for the commands that change something. */
#ifndef QUEUE_OWN_H
#define QUEUE_OWN_H

#include "place.h"

/* Take the lock of PLACE and look again, now that nobody changes it. STATUS_OK, with the descriptor to be given back in
 * *FDP; else the exit status, and the reason was said. */
int own_take(struct place *place, int *fdp);

/* For a dry run: only see that there is no owner. */
int own_ask(struct place *place);

/* Give it back; FD may be -1. */
void own_give_back(struct place *place, int fd);

#endif
