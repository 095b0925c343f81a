/* SPDX-License-Identifier: MIT */
/* What an earlier run of a channel that survives has left in its directory: found out at open, before anything is
 * changed but an incomplete tail that is cut off. Reads every file's header and the whole of the last file; of others
 * the headers of frames, where frames may be larger than what this run has memory for. */
#ifndef HPR_RECOVER_H
#define HPR_RECOVER_H

#include "dir.h"
#include "memory_old.h"
#include "state.h"

struct hpr_found {
    struct hopper_recovery report;
    bool has_files;
    uint64_t raw_max;           /* bytes that the largest frame still wanted makes, if more than RAW_HELD; else that */
    uint64_t end_seq;           /* behind the last record in files; 0: no file tells */
    uint64_t frames_end;        /* the same of the frames that were seen: what follows in files may have been dropped */
    uint64_t end_dropped_total; /* there */
    uint64_t header_dropped;    /* at end_seq, by the header of a newest file without frames; 0: none tells */
    bool may_be_torn;           /* the machine may have stopped while the last file was written */
    bool has_state;
    struct hpr_state state;         /* has the channel's id in any case */
    struct hpr_passed passed;       /* the best that STATE, MEMORY and the files tell */
    bool has_memory;                /* OLD counts: its records are taken over */
    struct hpr_memory_old old;      /* open while has_memory */
    bool is_machine_down;           /* there was a MEMORY, of another start of the machine */
    struct hpr_producers producers; /* numbers in STATE's companion and in the last file */
    uint64_t next_seq;              /* at least, by STATE and MEMORY */
    uint64_t dropped_total;         /* at next_seq */
};

/* Look at DIR, which is locked, and make it ready: numbers, files, budget in use, channel id, STATE. There will be
 * memory for frames of RAW_HELD bytes in any case. On failure nothing is held but what DIR holds. Results:
 * hopper_open(). */
hopper_status hpr_recover_scan(struct hpr_dir *dir, uint64_t raw_held, struct hpr_found *found,
                               struct hopper_error *err);

#endif
