/* SPDX-License-Identifier: MIT */
/* The platform of a rig: tests/support's disk in memory, each call a visible step. */
#ifndef SCHED_RIG_PLATFORM_H
#define SCHED_RIG_PLATFORM_H

#include <hopper/platform.h>
#include <stdbool.h>

#define RIG_PLATFORM_DIR "/spool"

/* Channel NAME will be made in the directory; its files may never add up to more than DISK_BYTES. */
const struct hopper_platform *rig_platform_new(const char *name, uint64_t disk_bytes);
void rig_platform_free(void);           /* nothing may be left open or locked */
uint64_t rig_platform_disk_bytes(void); /* sizes of all files in the channel's directory */

/* The event with descriptor FD: wait until it is set, or look. */
void rig_platform_poll(int fd);
bool rig_platform_event_is_set(int fd);

/* KINDS: RIG_FAULT_... of rig.h. */
void rig_platform_allow_faults(unsigned kinds, int error, unsigned count, bool sticky);
void rig_platform_break_device(void);
void rig_platform_heal(void);
unsigned rig_platform_faults(void);

#endif
