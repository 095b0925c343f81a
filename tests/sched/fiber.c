/* SPDX-License-Identifier: MIT */
/*
 * See fiber.h. ucontext makes the first entry on a new stack; it costs a system call, so it happens once per fiber.
 * After that a switch is _setjmp and _longjmp, and a fiber is started anew by jumping to the frame at the bottom of its
 * stack, which never returns and is therefore always there. glibc's fortified longjmp takes a jump to another stack for
 * an attack: it is turned off in this file.
 */
#undef _FORTIFY_SOURCE
#include "fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

static struct fiber *starting; /* handed to bottom() */

static void bottom(void)
{
    struct fiber *const self = starting;

    (void)_setjmp(self->top);
    self->entry();
    abort();
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(99);
}

/* Stack with a page below it that may not be touched. */
static void *stack_new(void)
{
    const size_t guard = 4096;
    char *mem = mmap(NULL, guard + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED || mprotect(mem, guard, PROT_NONE) != 0) die("sched: a fiber's stack");
    return mem + guard;
}

static _Noreturn void first_entry(struct fiber *fiber)
{
    ucontext_t context;

    if (getcontext(&context) != 0) die("sched: getcontext");
    context.uc_stack.ss_sp   = stack_new();
    context.uc_stack.ss_size = FIBER_STACK_BYTES;
    context.uc_link          = NULL;
    makecontext(&context, bottom, 0);
    fiber->is_made = true;
    starting       = fiber;
    (void)setcontext(&context);
    die("sched: setcontext");
}

void fiber_reset(struct fiber *fiber, void (*entry)(void))
{
    fiber->entry    = entry;
    fiber->is_fresh = true;
}

_Noreturn void fiber_jump(struct fiber *to)
{
    if (!to->is_fresh) _longjmp(to->resume, 1);
    to->is_fresh = false;
    if (!to->is_made) first_entry(to);
    _longjmp(to->top, 1);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
    if (_setjmp(from->resume) == 0) fiber_jump(to);
}
