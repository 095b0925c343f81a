/* SPDX-License-Identifier: MIT */
/* What --help and --version print. Both return the status to exit with. */
#ifndef QUEUE_USAGE_H
#define QUEUE_USAGE_H

int usage_help(void);
int usage_version(void);

#endif
