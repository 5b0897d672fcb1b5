/*
 * plan.c - what is to be downloaded, and where to
 * SPDX-License-Identifier: MIT
 *
 * Owns struct pop3_plan: it only stores what a caller says. Not here: what comes
 * of it (download.c).
 */
#include "plan.h"

#include <stdlib.h>

pop3_plan *pop3_plan_new(void)
{
    pop3_plan *plan = calloc(1, sizeof *plan);

    if (plan)
        p3_buf_init(&plan->numbers, 0, 0);
    return plan;
}

void pop3_plan_free(pop3_plan *plan)
{
    if (!plan)
        return;
    p3_buf_release(&plan->numbers);
    free(plan);
}

/* ---- Where to ---------------------------------------------------------- */

void pop3_plan_maildir(pop3_plan *plan, pop3_maildir *maildir,
                       pop3_stored *stored)
{
    plan->target = P3_TARGET_MAILDIR;
    plan->maildir = maildir;
    plan->stored = stored;
}

void pop3_plan_fd(pop3_plan *plan, int fd, pop3_line_end ends)
{
    plan->target = P3_TARGET_FD;
    plan->stored = NULL;
    plan->fd = fd;
    plan->ends = ends;
}

void pop3_plan_sink(pop3_plan *plan, const pop3_sink *sink, void *arg)
{
    plan->target = P3_TARGET_SINK;
    plan->stored = NULL;
    plan->sink = *sink;
    plan->sink_arg = arg;
}

/* ---- Which ------------------------------------------------------------- */

pop3_code pop3_plan_number(pop3_plan *plan, uint64_t number)
{
    if (!number)
        return POP3_ERROR_ARGUMENT;
    return p3_buf_add(&plan->numbers, &number, sizeof number)
               ? POP3_OK
               : POP3_ERROR_MEMORY;
}

void pop3_plan_newest(pop3_plan *plan, uint64_t n)
{
    plan->newest = n;
}

void pop3_plan_max_octets(pop3_plan *plan, uint64_t octets)
{
    plan->max_octets = octets;
}

void pop3_plan_on_select(pop3_plan *plan, pop3_select_callback callback,
                         void *arg)
{
    plan->select = callback;
    plan->select_arg = arg;
}

/* ---- What then --------------------------------------------------------- */

void pop3_plan_delete(pop3_plan *plan, int on)
{
    plan->deletes = on;
}

void pop3_plan_quit(pop3_plan *plan, int on)
{
    plan->quits = on;
}

void pop3_plan_on_outcome(pop3_plan *plan, pop3_outcome_callback callback,
                          void *arg)
{
    plan->outcome = callback;
    plan->outcome_arg = arg;
}

void pop3_plan_on_progress(pop3_plan *plan, pop3_progress_callback callback,
                           void *arg)
{
    plan->progress = callback;
    plan->progress_arg = arg;
}
