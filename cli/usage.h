/* SPDX-License-Identifier: MIT */
/* What --help and --version print. Both return the status to exit with. */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

int usage_help(void);
int usage_version(void);

#endif
