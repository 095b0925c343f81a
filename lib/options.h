/* SPDX-License-Identifier: MIT */
/* A channel's options: defaults, import of a caller's struct of any age, checks, and the sizes that follow from them.
 * Pure. */
#ifndef HPR_OPTIONS_H
#define HPR_OPTIONS_H

#include "base.h"
#include "codec.h"

/* Fill *OUT with the caller's options (NULL: none), defaults put in. HOPPER_EINVAL names the option in *ERR. */
hopper_status hpr_options_import(struct hopper_options *out, const struct hopper_options *in, struct hopper_error *err);

/* HOPPER_EINVAL unless NAME may be a channel's name. */
hopper_status hpr_options_check_name(const char *name, struct hopper_error *err);

/* How the budgets are divided. Everything but the ring has a fixed size; the ring gets the rest of memory_bytes. */
struct hpr_plan {
    size_t block_bytes;    /* raw bytes of a block */
    size_t blocks;         /* block buffers */
    size_t lanes;          /* blocks that can be compressed at once */
    size_t read_raw_bytes; /* buffer for a frame that was read, inside the arena: inflated, and before if it is small */
    size_t read_piece_bytes;   /* buffer for pieces of others */
    size_t handle_bytes;       /* for senders' handles, which come from the allocator */
    size_t big_raw_bytes;      /* the same outside the arena, when record_bytes_max asks for it; else 0 */
    uint64_t file_bytes;       /* limit of a queue file */
    uint64_t record_bytes_max; /* the largest record taken */
    uint64_t raw_max;          /* the largest frame that is written, inflated */
    size_t extra_bytes;        /* beyond memory_bytes: for blocks that a killed run with a larger budget had filled */
    bool has_codec;
    struct hpr_codec_params codec;
    enum hpr_engine inflate_engine;
    int inflate_window_bits;
};

/* The most that one block takes of the budget. */
size_t hpr_options_block_bytes_max(const struct hopper_options *options);

/* What reads frames of blocks of BLOCK_BYTES: a block inflated, and behind it as it was stored with one more header. */
size_t hpr_options_read_bytes(size_t block_bytes);

void hpr_options_plan(const struct hopper_options *options, struct hpr_plan *plan);

/* plan->lanes, where PLAN has block_bytes and codec. */
size_t hpr_options_lanes(const struct hopper_options *options, const struct hpr_plan *plan);

/* What the files of a channel take beside queue files: LOCK holds one short line. */
#define HPR_LOCK_FILE_BYTES 64

#endif
