/*
 * sink.h - a buffered writer to a descriptor, which converts line ends
 * SPDX-License-Identifier: MIT
 *
 * Layer 1. Knows a descriptor and nothing else; the descriptor stays its
 * owner's. Between p3_sink_init and p3_sink_finish or p3_sink_drop the calling
 * thread has SIGPIPE blocked, so one of these two must follow, in that thread.
 */
#ifndef P3_SINK_H
#define P3_SINK_H

#include "pop3.h"

#include <signal.h>

#pragma GCC visibility push(hidden)

/* More saves no time; and a sink may stand on the stack of a small thread. */
enum { P3_SINK_ROOM = 32768 };

struct p3_sink {
    int fd;
    pop3_line_end ends;
    int error;       /* errno of the first failure; nothing is written after */
    int held_cr;     /* a CR came last, and whether LF follows is not known */
    int guarded;     /* SIGPIPE is blocked, before says what was */
    int was_pending; /* a SIGPIPE waited already: not ours to take away */
    sigset_t before;
    size_t used;
    char buf[P3_SINK_ROOM];
};

/* Writes to fd, with ends as asked for. */
void p3_sink_init(struct p3_sink *s, int fd, pop3_line_end ends);

/* Writes, now or later: 0, or the errno of the first failure. */
int p3_sink_write(struct p3_sink *s, const void *data, size_t len);

/* Writes what is held back and ends the use of s: 0, or an errno likewise. */
int p3_sink_finish(struct p3_sink *s);

/* Ends the use of s; what is held back is lost. */
void p3_sink_drop(struct p3_sink *s);

#pragma GCC visibility pop

#endif
