/* SPDX-License-Identifier: MIT */
/* Futexes under the scheduler, in place of lib/futex.c: made of the mutexes and condition variables that it knows. */
#ifndef FUTEX_MODEL_H
#define FUTEX_MODEL_H

/* At the beginning of a schedule. */
void futex_model_begin(void);

/* At its end: fails it when a thread sleeps on. */
void futex_model_end(void);

#endif
