/*
 * signals.c - what a run is born with made sane; a download that is told to end
 * SPDX-License-Identifier: MIT
 *
 * Owns signals and their handlers, but for those of the password prompt
 * (secret.c). Not here: what is to be done when a signal was caught.
 */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The contract says two seconds in all; the rest of the second one is for
 * cleaning up. */
enum { GRACE_SECONDS = 1, CLEANUP_US = 800000 };

static volatile sig_atomic_t caught;
static volatile sig_atomic_t cut;
static volatile sig_atomic_t held_fd = -1;

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

enum { ENDING = sizeof ending / sizeof *ending };

static void on_end(int signal_number)
{
    if (caught)
        return;
    caught = signal_number;
    alarm(GRACE_SECONDS);
}

static void die_of(int signal_number)
{
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/*
 * Every wait of the library ends, and it cleans up as after any lost link. What
 * has not ended a moment later hangs elsewhere, as where nobody reads what is
 * written: nothing can be half-stored by dying there.
 */
static void on_alarm(int signal_number)
{
    static const struct itimerval soon = {.it_value = {.tv_usec = CLEANUP_US}};
    int saved = errno;

    (void)signal_number;
    if (cut)
        die_of(caught);
    cut = 1;
    shutdown(held_fd, SHUT_RDWR);
    setitimer(ITIMER_REAL, &soon, NULL);
    errno = saved;
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

static int is_ignored(int signal_number)
{
    struct sigaction action;

    return sigaction(signal_number, NULL, &action) == 0 &&
           action.sa_handler == SIG_IGN;
}

/* Else the next socket or file would become 0, 1 or 2, and be written to. What
 * is written to these fails, and so is told. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

/* SIGHUP stays ignored where it is: that is what nohup is for. */
void signals_prepare(void)
{
    sigset_t set;

    fill_standard_descriptors();
    handle(SIGPIPE, SIG_IGN);
    handle(SIGXFSZ, SIG_IGN);
    handle(SIGCHLD, SIG_DFL);
    handle(SIGALRM, SIG_DFL);
    handle(SIGINT, SIG_DFL);
    handle(SIGTERM, SIG_DFL);
    alarm(0);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
}

void signals_restore(void)
{
    handle(SIGPIPE, SIG_DFL);
    handle(SIGXFSZ, SIG_DFL);
}

void signals_hold(int fd)
{
    size_t i;

    held_fd = fd;
    handle(SIGALRM, on_alarm);
    for (i = 0; i < ENDING; i++)
        if (!is_ignored(ending[i]))
            handle(ending[i], on_end);
}

int signals_caught(void)
{
    return caught != 0;
}

void signals_let_go(void)
{
    size_t i;

    held_fd = -1;
    for (i = 0; i < ENDING; i++)
        if (!is_ignored(ending[i]))
            handle(ending[i], SIG_DFL);
    if (caught)
        raise(caught);
    handle(SIGALRM, SIG_DFL);
}
