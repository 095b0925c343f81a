/* SPDX-License-Identifier: MIT */
/* Recording what failed, where and why, at the place where it failed. */
#ifndef HPR_ERROR_H
#define HPR_ERROR_H

#include "base.h"

/* Fill *ERR (NULL is allowed) and return STATUS. OP is static text; PATH may be NULL. */
hopper_status hpr_error_set(struct hopper_error *err, hopper_status status, int sys_errno, const char *op,
                            const char *path);

/* As hpr_error_set() for a failed operation of the platform that returned the negated errno RESULT: HOPPER_ENOSPC for
 * a full device or quota, HOPPER_ENOMEM for none of the process's memory, else HOPPER_EIO. */
hopper_status hpr_error_io(struct hopper_error *err, int result, const char *op, const char *path);

#endif
