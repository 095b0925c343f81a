/* SPDX-License-Identifier: MIT */
/* Exit statuses of hopper-cat. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

enum status {
    STATUS_DELIVERED  = 0,  /* everything that was read has been written */
    STATUS_ERROR      = 1,  /* something could not be read, queued or written */
    STATUS_INCOMPLETE = 2,  /* finished, but records were dropped, shortened or lost */
    STATUS_KEPT       = 3,  /* records stay in the queue */
    STATUS_USAGE      = 64, /* the command line makes no sense (EX_USAGE) */
    STATUS_BUSY       = 75  /* the queue has another owner (EX_TEMPFAIL) */
};

#endif
