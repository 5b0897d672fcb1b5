/*
 * download.c - dl: all messages into a Maildir, each exactly once
 * SPDX-License-Identifier: MIT
 *
 * Knows the order of things: the Maildir and its record are opened and locked
 * before anything is connected, so that of two runs at once one waits; then one
 * download, or a second one where the server mixes up pipelined answers. Not
 * here: how mail is fetched and stored (the library), the status (session.c).
 */
#include "commands.h"

#include "progress.h"
#include "signals.h"

#include <stdio.h>
#include <string.h>

struct download {
    struct session *s;
    pop3_maildir *maildir;
    pop3_stored *stored;
    pop3_plan *plan;
    struct progress progress;
    pop3_totals stored_so_far;
    int told; /* that a message could not be stored: one of them is enough */
};

/* ---- What is told while it goes on ------------------------------------- */

static void show_event(struct download *d, const pop3_message *m,
                       const char *outcome)
{
    struct session *s = d->s;

    if (!s->o->json || s->o->quiet)
        return;
    progress_clear(&d->progress);
    show_json_begin(s->out);
    show_json_number(s->out, "number", m->number);
    show_json_number(s->out, "octets", m->octets);
    show_json_text(s->out, "uid", m->uid, m->uid_length);
    show_json_text(s->out, "outcome", outcome, strlen(outcome));
    show_json_end(s->out);
}

static void tell_failure(struct download *d, const pop3_message *m,
                         pop3_outcome outcome)
{
    char what[40];

    progress_clear(&d->progress);
    if (outcome == POP3_OUTCOME_NO_UID) {
        snprintf(what, sizeof what, "message %llu",
                 (unsigned long long)m->number);
        show_error(what, "UIDL leaves it out: it is not fetched");
        session_note(d->s, STATUS_PROTOCOL);
    } else if (outcome != POP3_OUTCOME_NOT_STORED) {
        session_message_failed(d->s, STAGE_SESSION, m->number);
    } else if (!d->told) {
        session_message_failed(d->s, STAGE_MAILDIR, m->number);
        d->told = 1;
    }
}

static void take_outcome(void *arg, const pop3_message *m, pop3_outcome outcome)
{
    static const char *const names[] = {
        [POP3_OUTCOME_STORED] = "stored",
        [POP3_OUTCOME_REFUSED] = "refused",
        [POP3_OUTCOME_NOT_STORED] = "not stored",
        [POP3_OUTCOME_DELETED] = "deleted",
        [POP3_OUTCOME_DELE_REFUSED] = "not deleted",
        [POP3_OUTCOME_NO_UID] = "not fetched",
        [POP3_OUTCOME_DOUBTFUL] = "doubtful",
    };
    struct download *d = arg;

    show_event(d, m, names[outcome]);
    if (outcome != POP3_OUTCOME_STORED && outcome != POP3_OUTCOME_DELETED &&
        outcome != POP3_OUTCOME_DOUBTFUL)
        tell_failure(d, m, outcome);
}

static int take_progress(void *arg, const pop3_progress *progress)
{
    struct download *d = arg;

    progress_show(&d->progress, progress);
    return signals_caught();
}

/* ---- The Maildir and its record ---------------------------------------- */

static int open_maildir(struct session *s, const char *user)
{
    struct download *d = s->ready_arg;
    const char *path = s->o->args[ARG_FIRST];

    if (pop3_maildir_open(s->c, path, &d->maildir) ||
        pop3_stored_open(s->c, d->maildir, user, s->spec->server_name,
                         s->spec->port, &d->stored)) {
        session_failed(s, STAGE_MAILDIR, path);
        return -1;
    }
    return 0;
}

static void close_maildir(struct download *d)
{
    pop3_stored_close(d->stored);
    pop3_maildir_close(d->maildir);
}

/* ---- The download ------------------------------------------------------ */

static pop3_plan *make_plan(struct download *d)
{
    pop3_plan *plan = pop3_plan_new();

    if (!plan)
        return NULL;
    pop3_plan_maildir(plan, d->maildir, d->stored);
    pop3_plan_delete(plan, !d->s->o->keep);
    pop3_plan_quit(plan, 1);
    pop3_plan_on_outcome(plan, take_outcome, d);
    pop3_plan_on_progress(plan, take_progress, d);
    return plan;
}

static pop3_code run_plan(struct download *d)
{
    pop3_downloaded result;
    pop3_code rc;

    signals_hold(pop3_fd(d->s->c));
    rc = pop3_download(d->s->c, d->plan, &result);
    progress_clear(&d->progress);
    show_flush(d->s->out); /* for a signal may end it all here */
    signals_let_go();
    d->stored_so_far.messages += result.messages;
    d->stored_so_far.octets += result.octets;
    if (result.skipped && !pop3_out_of_step(d->s->c)) {
        show_error("LIST and UIDL", "skipped what does not parse, lines: %llu",
                   (unsigned long long)result.skipped);
        session_note(d->s, STATUS_PROTOCOL);
    }
    return rc;
}

/* What ended it, unless it was told of a message already. */
static void tell_end(struct download *d, pop3_code rc)
{
    struct session *s = d->s;

    if (rc == POP3_ERROR_IO && d->told)
        return;
    session_failed(s, STAGE_MAILDIR, s->o->args[ARG_SPEC]);
    session_end(s, status_of(rc, STAGE_MAILDIR, pop3_resp(s->c)));
}

static void run_download(struct download *d)
{
    struct session *s = d->s;
    pop3_code rc;

    d->plan = make_plan(d);
    if (!d->plan) {
        show_error("dl", "out of memory");
        session_end(s, STATUS_IO);
        return;
    }
    rc = run_plan(d);
    if (rc && pop3_out_of_step(s->c)) {
        show_error(s->o->args[ARG_SPEC], "%s: trying again, one by one",
                   pop3_error(s->c));
        if (session_reopen(s))
            return;
        rc = run_plan(d);
    }
    if (rc)
        tell_end(d, rc);
}

void cmd_dl(struct session *s)
{
    struct download d = {.s = s};

    if (!*s->o->args[ARG_FIRST]) {
        show_error("MAILDIR", "no name");
        session_end(s, STATUS_USAGE);
        return;
    }
    s->ready = open_maildir;
    s->ready_arg = &d;
    if (session_open(s, LOGGED_IN) == 0) {
        progress_begin(&d.progress, s->o->quiet || s->o->verbose);
        run_download(&d);
        show_totals(s, d.stored_so_far.messages, d.stored_so_far.octets);
    }
    pop3_plan_free(d.plan);
    close_maildir(&d);
}
