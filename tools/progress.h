/*
 * progress.h - how far a download is, in one line on a terminal
 * SPDX-License-Identifier: MIT
 *
 * Shown on standard error, where that is a terminal; else nothing ever is.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "pop3.h"

struct progress {
    int wanted;       /* there is somebody to see it */
    int shown;        /* it is on the screen now */
    int64_t begun_ms; /* the download, monotonic */
    int64_t drawn_ms; /* the line, last */
};

/* quiet: nothing is to be shown. */
void progress_begin(struct progress *p, int quiet);

/* Shows how far it is, a few times a second. */
void progress_show(struct progress *p, const pop3_progress *at);

/* Takes the line away: before anything else is written, and at the end. */
void progress_clear(struct progress *p);

#endif
