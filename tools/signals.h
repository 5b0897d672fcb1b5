/*
 * signals.h - what a run is born with made sane; a download that is told to end
 * SPDX-License-Identifier: MIT
 *
 * Most commands store nothing: SIGINT, SIGTERM and SIGHUP kill them at once, as
 * they kill any program. A download holds them, so as to leave nothing
 * half-stored: signals_hold, then signals_caught while it goes on, then
 * signals_let_go, which dies of what was caught.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

/* At the start of main: closed descriptors 0 to 2 are opened on /dev/null;
 * SIGPIPE and SIGXFSZ are ignored, so that the write fails and is told; what a
 * parent has ignored or blocked acts again. */
void signals_prepare(void);

/* In a child, before exec: what signals_prepare has ignored acts again. */
void signals_restore(void);

/*
 * From now on the first of the three is remembered. A second later the socket
 * fd is shut down, which ends any wait for the server; until then what is under
 * way may still end well.
 */
void signals_hold(int fd);

/* Whether one was caught. */
int signals_caught(void);

/* Dies of the signal that was caught, if any; else they act again. */
void signals_let_go(void);

#endif
