/* SPDX-License-Identifier: MIT */
/* The texts of statuses and gaps, and the record of a failure. */
#include "error.h"

#include <errno.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *text;
} statuses[] = {
    [HOPPER_OK]        = { "HOPPER_OK", "done" },
    [HOPPER_EINVAL]    = { "HOPPER_EINVAL", "an argument or an option makes no sense" },
    [HOPPER_ENOMEM]    = { "HOPPER_ENOMEM", "there is no memory, or none left in the memory budget" },
    [HOPPER_EIO]       = { "HOPPER_EIO", "a file operation failed" },
    [HOPPER_EFULL]     = { "HOPPER_EFULL", "memory and disk budgets are spent" },
    [HOPPER_ENOSPC]    = { "HOPPER_ENOSPC", "the device is full" },
    [HOPPER_EAGAIN]    = { "HOPPER_EAGAIN", "nothing to receive before the deadline" },
    [HOPPER_END]       = { "HOPPER_END", "all senders are closed and everything has been received" },
    [HOPPER_ECLOSED]   = { "HOPPER_ECLOSED", "the receiver has closed" },
    [HOPPER_ETOOBIG]   = { "HOPPER_ETOOBIG", "the record is larger than the channel takes" },
    [HOPPER_EBUSY]     = { "HOPPER_EBUSY", "the channel has another owner" },
    [HOPPER_EMISMATCH] = { "HOPPER_EMISMATCH", "the directory holds something of another kind" },
    [HOPPER_EPACK]     = { "HOPPER_EPACK", "the item could not be packed" },
    [HOPPER_ENOENT]    = { "HOPPER_ENOENT", "the directory does not exist" },
    [HOPPER_EVERSION]  = { "HOPPER_EVERSION", "the directory was written by a newer version" },
};

static const char *const gaps[HOPPER_GAP_REASONS] = {
    [HOPPER_GAP_NONE]           = "none",
    [HOPPER_GAP_DROPPED_NEWEST] = "dropped-newest",
    [HOPPER_GAP_DROPPED_OLDEST] = "dropped-oldest",
    [HOPPER_GAP_CORRUPT]        = "corrupt",
    [HOPPER_GAP_TRUNCATED]      = "truncated",
    [HOPPER_GAP_VANISHED]       = "vanished",
    [HOPPER_GAP_UNREADABLE]     = "unreadable",
    [HOPPER_GAP_UNPACK]         = "unpack",
    [HOPPER_GAP_MACHINE_DOWN]   = "machine-down",
};

static bool is_known(hopper_status status)
{
    return (size_t)status < sizeof statuses / sizeof *statuses && statuses[status].name != NULL;
}

const char *hopper_status_text(hopper_status status)
{
    return is_known(status) ? statuses[status].text : "unknown status";
}

const char *hopper_status_name(hopper_status status)
{
    return is_known(status) ? statuses[status].name : "HOPPER_UNKNOWN";
}

const char *hopper_gap_name(unsigned gap)
{
    return gap < HOPPER_GAP_REASONS ? gaps[gap] : "unknown";
}

int hopper_error_format(const struct hopper_error *err, char *buf, size_t len)
{
    char owner[40] = "";
    const char *why;

    if (!err) return snprintf(buf, len, "%s", hopper_status_text(HOPPER_OK));
    why = err->sys_errno ? strerror(err->sys_errno) : hopper_status_text(err->status);
    if (err->owner_pid > 0) (void)snprintf(owner, sizeof owner, " (process %ld)", err->owner_pid);
    if (!err->op) return snprintf(buf, len, "%s%s", why, owner);
    return snprintf(buf, len, "cannot %s%s%s%s: %s%s", err->op, err->path[0] ? " '" : "", err->path,
                    err->path[0] ? "'" : "", why, owner);
}

hopper_status hpr_error_set(struct hopper_error *err, hopper_status status, int sys_errno, const char *op,
                            const char *path)
{
    if (!err) return status;
    memset(err, 0, sizeof *err);
    err->status    = status;
    err->sys_errno = sys_errno;
    err->op        = op;
    if (path) {
        size_t len = hpr_min_size(strlen(path), sizeof err->path - 1);

        memcpy(err->path, path, len);
    }
    return status;
}

hopper_status hpr_error_io(struct hopper_error *err, int result, const char *op, const char *path)
{
    hopper_status status = HOPPER_EIO;

    if (result == -ENOSPC || result == -EDQUOT) status = HOPPER_ENOSPC;
    else if (result == -ENOMEM) status = HOPPER_ENOMEM;
    return hpr_error_set(err, status, -result, op, path);
}
