/* SPDX-License-Identifier: MIT */
/* Status values and the details behind a failure. Included by <hopper/hopper.h>, not alone. */
#ifndef HOPPER_ERROR_H
#define HOPPER_ERROR_H

/* What a call came to. Values are never reused or renumbered; new ones are added at the end. */
typedef enum hopper_status {
    HOPPER_OK        = 0,  /* done */
    HOPPER_EINVAL    = 1,  /* the caller's mistake: an argument or an option that makes no sense */
    HOPPER_ENOMEM    = 2,  /* the allocator refused, or the memory budget cannot hold what was asked */
    HOPPER_EIO       = 3,  /* a file operation failed; the error's sys_errno, op and path say which */
    HOPPER_EFULL     = 4,  /* memory and disk budgets are spent; nothing stored, safe to retry */
    HOPPER_ENOSPC    = 5,  /* the device or a quota is full, the budgets are not; nothing stored, safe to retry */
    HOPPER_EAGAIN    = 6,  /* nothing to receive before the deadline */
    HOPPER_END       = 7,  /* every sender has closed and everything has been received */
    HOPPER_ECLOSED   = 8,  /* the receiver has closed: nobody will ever take the record */
    HOPPER_ETOOBIG   = 9,  /* the record is larger than record_bytes_max */
    HOPPER_EBUSY     = 10, /* the channel has another owner; the error's owner_pid names it */
    HOPPER_EMISMATCH = 11, /* the directory holds a queue that these options would destroy or cannot read */
    HOPPER_EPACK     = 12, /* an item's pack function failed */
    HOPPER_ENOENT    = 13, /* the directory named at open does not exist */
    HOPPER_EVERSION  = 14  /* the directory was written by a newer format version */
} hopper_status;

/* The details of the last failure. All zero when there was none. */
struct hopper_error {
    hopper_status status;    /* the status that the call returned */
    int           sys_errno; /* errno of the operation that failed, 0 when none did */
    long          owner_pid; /* HOPPER_EBUSY: the owner's process id, 0 when unknown */
    const char   *op;        /* what was being done, such as "write queue file"; static text, NULL when none */
    char          path[256]; /* the file or directory concerned; "" when none; cut at the end when longer */
};

/* One short English sentence for STATUS, such as "memory and disk budgets are spent". Static text, never NULL, also
 * for a value that this library does not know. Any thread. */
HOPPER_API const char *hopper_status_text(hopper_status status);

/* The name of STATUS as in this header, such as "HOPPER_EFULL". Static text, never NULL. Any thread. */
HOPPER_API const char *hopper_status_name(hopper_status status);

/* Write ERR as one line without a line end into BUF of LEN bytes, cut to fit and always terminated when LEN > 0:
 * what failed, where, and why. Returns the length of the whole line, as snprintf does. Any thread. */
HOPPER_API int hopper_error_format(const struct hopper_error *err, char *buf, size_t len);

#endif
