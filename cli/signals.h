/* SPDX-License-Identifier: MIT */
/* Signals of hopper-cat: blocked in all threads and read from a descriptor, so that no work is done in a handler. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

struct signals {
    int fd;               /* poll() reports it readable while a signal waits; -1 when not open */
    bool pipe_is_ignored; /* SIGPIPE was ignored when the program started: a reader that goes is a plain error then */
};

/* The first thing of all: a USR1 that comes before signals_init() waits for it, instead of killing. The others may kill
 * until then: there is nothing yet to be delivered or removed. */
void signals_hold(void);

/* Block INT TERM HUP QUIT USR1, except those that are ignored (nohup, background jobs), and open the descriptor. Block
 * PIPE and XFSZ as well, so that write() returns EPIPE and EFBIG. Before the first thread. 0, or a negated errno. */
int signals_init(struct signals *sg);

/* The next waiting signal, 0 when there is none. */
int signals_next(struct signals *sg);

/* Make a system call in which THREAD is blocked return with EINTR. Nothing happens to a call that comes a moment later:
 * repeat until the thread says that it is done. The thread may have ended, but not been joined. */
void signals_kick(pthread_t thread);

/* Die by SIG, as if it had never been blocked. Does not return. */
void signals_die(int sig) __attribute__((noreturn));

#endif
