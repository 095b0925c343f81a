/* SPDX-License-Identifier: MIT */
/* Exit statuses of hopper-queue. */
#ifndef QUEUE_STATUS_H
#define QUEUE_STATUS_H

enum status {
    STATUS_OK     = 0,  /* done; verify: sound */
    STATUS_ERROR  = 1,  /* something went wrong; verify: damaged */
    STATUS_UNSURE = 2,  /* verify: cannot tell; cat, follow: done, but records are missing */
    STATUS_USAGE  = 64, /* the command line makes no sense (EX_USAGE) */
    STATUS_BUSY   = 75  /* the queue has an owner (EX_TEMPFAIL) */
};

#endif
