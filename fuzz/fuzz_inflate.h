/* SPDX-License-Identifier: MIT */
/* Raw deflate for the target `frame`: each engine of lib/codec.c, in pieces and whole, beside zlib itself. */
#ifndef FUZZ_FUZZ_INFLATE_H
#define FUZZ_FUZZ_INFLATE_H

#include "codec.h"
#include "fuzz.h"

/* Inflate LEN bytes at DATA to WANT bytes at *INFLATEDP, in pieces whose sizes STEPS gives, and whole where it says
 * nothing. MEASURE: in no more memory than the codec says it needs; that costs a call of zlib and is not done each
 * time. */
enum hpr_inflate_result fuzz_inflate(enum hpr_engine engine, struct fuzz_input *steps, const uint8_t *data, size_t len,
                                     size_t want, int measure, const uint8_t **inflatedp);

/* Are the engines of one mind about a stream: the bytes of the input, or one that is built of its decisions? */
void fuzz_inflate_bytes(struct fuzz_input *in, int measure);
void fuzz_inflate_built(struct fuzz_input *in);

#endif
