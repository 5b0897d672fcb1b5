/*
 * plan.h - what is to be downloaded, and where to
 * SPDX-License-Identifier: MIT
 *
 * Layer 7. What a caller has said of a download, before it begins.
 */
#ifndef P3_PLAN_H
#define P3_PLAN_H

#include "buf.h"

#pragma GCC visibility push(hidden)

/* Where messages go: one of these. */
enum p3_target {
    P3_TARGET_NONE,
    P3_TARGET_MAILDIR,
    P3_TARGET_FD,
    P3_TARGET_SINK
};

struct pop3_plan {
    enum p3_target target;
    pop3_maildir *maildir;
    pop3_stored *stored; /* or NULL */
    int fd;
    pop3_line_end ends;
    pop3_sink sink;
    void *sink_arg;

    struct p3_buf numbers; /* uint64_t each; empty: all */
    uint64_t newest;       /* 0: all */
    uint64_t max_octets;   /* 0: any */
    pop3_select_callback select;
    void *select_arg;

    int deletes;
    int quits;
    pop3_outcome_callback outcome;
    void *outcome_arg;
    pop3_progress_callback progress;
    void *progress_arg;
};

#pragma GCC visibility pop

#endif
