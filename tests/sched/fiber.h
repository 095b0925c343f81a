/* SPDX-License-Identifier: MIT */
/* Fibers: stacks of their own, switched by hand. Made with ucontext once, then switched without system calls. */
#ifndef SCHED_FIBER_H
#define SCHED_FIBER_H

#include <setjmp.h>
#include <stdbool.h>

#define FIBER_STACK_BYTES (256 * 1024)

struct fiber {
    jmp_buf resume;      /* where it goes on */
    jmp_buf top;         /* the bottom of its stack, from where it is started again; valid once is_made */
    void (*entry)(void); /* never returns */
    bool is_made;        /* it has a stack, and has run at least once */
    bool is_fresh;       /* start at `top`, not at `resume` */
};

/* Let FIBER begin at ENTRY when it is next switched to; what it was doing is forgotten. */
void fiber_reset(struct fiber *fiber, void (*entry)(void));

/* Go on with TO; returns when somebody switches back to FROM. */
void fiber_switch(struct fiber *from, struct fiber *to);

/* Go on with TO and forget the caller. */
_Noreturn void fiber_jump(struct fiber *to);

#endif
