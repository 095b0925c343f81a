/* SPDX-License-Identifier: MIT */
/*
 * Signals, by signalfd(2): main.c polls the descriptor beside its other events. The only handler in the program is an
 * empty one, for the real-time signal with which one thread interrupts another's system call (no SA_RESTART).
 */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SIGNAL_KICK (SIGRTMIN + 3)

static void do_nothing(int sig)
{
    (void)sig;
}

static bool is_ignored(int sig)
{
    struct sigaction old;

    return sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

static int prepare_kick(void)
{
    struct sigaction action = { .sa_handler = do_nothing };
    sigset_t kick;

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGNAL_KICK, &action, NULL) != 0) return -errno;
    sigemptyset(&kick);
    sigaddset(&kick, SIGNAL_KICK);
    return -pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
}

void signals_hold(void)
{
    sigset_t only;

    sigemptyset(&only);
    sigaddset(&only, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &only, NULL);
}

int signals_init(struct signals *sg)
{
    static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 };
    sigset_t wanted, blocked;
    int err;

    sg->fd              = -1;
    sg->pipe_is_ignored = is_ignored(SIGPIPE);
    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++)
        if (!is_ignored(handled[i])) sigaddset(&wanted, handled[i]);
    blocked = wanted;
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGXFSZ);
    if ((err = prepare_kick()) != 0) return err;
    if ((err = pthread_sigmask(SIG_BLOCK, &blocked, NULL)) != 0) return -err;
    sg->fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return sg->fd < 0 ? -errno : 0;
}

int signals_next(struct signals *sg)
{
    struct signalfd_siginfo info;
    ssize_t got;

    do got = read(sg->fd, &info, sizeof info);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void signals_kick(pthread_t thread)
{
    (void)pthread_kill(thread, SIGNAL_KICK); /* fails only for a thread that has ended, which is as good */
}

void signals_die(int sig)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t only;

    sigemptyset(&action.sa_mask);
    (void)sigaction(sig, &action, NULL);
    sigemptyset(&only);
    sigaddset(&only, sig);
    (void)raise(sig);
    (void)pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    _exit(128 + sig); /* the first process of a container is not killed by default actions */
}
