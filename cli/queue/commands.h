/* SPDX-License-Identifier: MIT */
/* The commands, one file each. All return the status to exit with; what went wrong has been said. */
#ifndef QUEUE_COMMANDS_H
#define QUEUE_COMMANDS_H

#include "args.h"

int command_info(const struct args *args);
int command_ls(const struct args *args);
int command_cat(const struct args *args);
int command_verify(const struct args *args);
int command_repair(const struct args *args);
int command_ack(const struct args *args);
int command_purge(const struct args *args);
int command_copy(const struct args *args);
int command_follow(const struct args *args);

#endif
