/*
 * download.c - many messages at once: fetched, stored, then deleted
 * SPDX-License-Identifier: MIT
 *
 * Owns the order of things, so that few round trips do and nothing is lost: what
 * is wanted; every RETR, as the window lets them go; what has come is committed
 * by batches; then the deletions, with the next RETRs or, the last, with QUIT.
 * Knows the queue (conn), the selection and the stores. Not here: what makes a
 * message safe (store.c), what is wanted (selection.c, plan.c).
 *
 * A message is believed when the reply behind it has begun as a reply does: a
 * server that answers out of step puts one into the middle of another. Where the
 * link is lost before that, it is, unless a line of it looks like that reply.
 */
#include "selection.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

/* What a reply answers: in the lowest bits of its command's tag. */
enum kind { KIND_RETR, KIND_DELE, KIND_QUIT };
enum { KIND_BITS = 2 };

struct download {
    pop3 *c;
    const pop3_plan *plan;
    pop3_downloaded *result;
    struct p3_selection messages;
    struct p3_store store;
    pop3_progress progress;

    size_t next_retr, next_dele; /* the first that was not looked at yet */
    size_t retrs;                /* on their way */
    size_t waiting[P3_BATCH_MESSAGES]; /* for the commit: their entries */

    int stopping; /* nothing further is asked for */
    int stopped;  /* by the callback */
    int quit_sent;
    int held;     /* the last message is written, and not believed yet */
    size_t holds; /* its entry */
    int mixed;    /* there may be another reply within it */
    int doubtful; /* what came last, for what should be a reply is none */
    struct p3_error local; /* the first failure on this side */
};

static void *tag_of(size_t i, enum kind kind)
{
    return (void *)(uintptr_t)(i << KIND_BITS | (size_t)kind);
}

static enum kind kind_of(const void *tag)
{
    return (enum kind)((uintptr_t)tag & ((1 << KIND_BITS) - 1));
}

static size_t index_of(const void *tag)
{
    return (size_t)((uintptr_t)tag >> KIND_BITS);
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A command that waits in the queue is not to be sent after all. */
static void recall(struct download *d, const void *tag)
{
    size_t i = index_of(tag);

    if (kind_of(tag) == KIND_RETR) {
        d->messages.entries[i].what = P3_WANTED;
        d->next_retr = lesser(d->next_retr, i);
        d->retrs--;
    } else if (kind_of(tag) == KIND_DELE) {
        d->next_dele = lesser(d->next_dele, i);
    }
}

/* Nothing further is asked for; what is on its way comes to its end. */
static void stop(struct download *d)
{
    const struct p3_command *command;

    if (d->stopping)
        return;
    d->stopping = 1;
    for (command = d->c->unsent; command; command = command->next)
        recall(d, command->tag);
    p3_drop_unsent(d->c);
}

/* ---- What is asked for ------------------------------------------------- */

static pop3_code queue_retr(struct download *d)
{
    size_t i = d->next_retr;
    struct p3_entry *e = &d->messages.entries[i];
    pop3_code rc;

    rc = pop3_queue_retr(d->c, e->number, e->octets, tag_of(i, KIND_RETR));
    if (rc)
        return rc;
    e->what = P3_ASKED;
    d->retrs++;
    d->next_retr++;
    return POP3_OK;
}

static int has_retr(struct download *d)
{
    if (d->stopping)
        return 0;
    while (d->next_retr < d->messages.count &&
           d->messages.entries[d->next_retr].what != P3_WANTED)
        d->next_retr++;
    return d->next_retr < d->messages.count;
}

/* Up to the first whose outcome is not known yet. */
static int has_dele(struct download *d)
{
    while (d->next_dele < d->messages.count &&
           (d->messages.entries[d->next_dele].what == P3_OVER ||
            d->messages.entries[d->next_dele].what == P3_GONE))
        d->next_dele++;
    return d->plan->deletes && d->next_dele < d->messages.count &&
           d->messages.entries[d->next_dele].what == P3_SAFE;
}

static pop3_code queue_deles(struct download *d, size_t most)
{
    pop3_code rc = POP3_OK;

    while (!rc && most-- && has_dele(d)) {
        size_t i = d->next_dele;

        rc = pop3_queue_dele(d->c, d->messages.entries[i].number,
                             tag_of(i, KIND_DELE));
        d->next_dele += !rc;
    }
    return rc;
}

/* While there are RETRs to go, deletions go along with them: alone they would
 * cost a round trip more. */
static pop3_code queue_flight(struct download *d, size_t room)
{
    size_t before = d->c->outstanding;
    pop3_code rc = queue_deles(d, room / 2);

    while (!rc && d->c->outstanding - before < room && has_retr(d))
        rc = queue_retr(d);
    return rc;
}

/* What was not fetched holds up no deletion any more. */
static void give_up_wanted(struct download *d)
{
    for (; d->next_retr < d->messages.count; d->next_retr++)
        if (d->messages.entries[d->next_retr].what == P3_WANTED)
            d->messages.entries[d->next_retr].what = P3_OVER;
}

static pop3_code queue_last(struct download *d, size_t room)
{
    pop3_code rc = queue_deles(d, room);

    if (rc || !d->plan->quits || d->quit_sent || has_dele(d))
        return rc;
    d->quit_sent = 1;
    return pop3_queue_quit(d->c, tag_of(0, KIND_QUIT));
}

static void commit(struct download *d);
static void believe(struct download *d);

/* A reply that is none casts doubt on what came before it. */
static pop3_code doubt(struct download *d, pop3_code rc)
{
    d->doubtful = rc == POP3_ERROR_MALFORMED || rc == POP3_ERROR_TOO_LONG;
    return rc;
}

/* Behind the last message that was asked for there is nothing, or that was not
 * all of it. */
static pop3_code settle(struct download *d)
{
    pop3_code rc = doubt(d, p3_settle(d->c));

    if (!rc)
        believe(d);
    return rc;
}

/* Fills the window. With nothing left to ask for and nothing on its way, the
 * queue stays empty. */
static pop3_code ask(struct download *d)
{
    size_t room = p3_room(d->c);
    pop3_code rc;

    if (!room || d->quit_sent)
        return POP3_OK;
    if (has_retr(d))
        return queue_flight(d, room);
    if (d->retrs)
        return POP3_OK;
    rc = settle(d);
    if (rc)
        return rc;
    commit(d);
    give_up_wanted(d);
    return queue_last(d, room);
}

/* ---- What comes -------------------------------------------------------- */

static void not_stored(struct download *d, struct p3_entry *e)
{
    e->what = P3_OVER;
    d->result->not_stored++;
    p3_tell(&d->messages, e, POP3_OUTCOME_NOT_STORED);
    if (d->c->error.code == POP3_ERROR_STOPPED) /* a caller's sink */
        return;
    if (!d->local.code)
        d->local = d->c->error;
    stop(d);
}

static void is_stored(struct download *d, struct p3_entry *e, uint64_t octets)
{
    e->what = P3_SAFE;
    d->result->messages++;
    d->result->octets += octets;
    p3_tell(&d->messages, e, POP3_OUTCOME_STORED);
}

/* The error of the connection, if any, is not that of the commit. */
static void commit(struct download *d)
{
    struct p3_error before = d->c->error;
    size_t i, count = d->store.count;

    p3_store_commit(&d->store);
    for (i = 0; i < count; i++) {
        struct p3_entry *e = &d->messages.entries[d->waiting[i]];

        if (p3_store_error(&d->store, i))
            not_stored(d, e);
        else
            is_stored(d, e, e->octets);
    }
    p3_store_clear(&d->store);
    d->c->error = before;
}

static void report_progress(struct download *d)
{
    pop3_progress p = d->progress;

    if (!d->plan->progress || d->stopped)
        return;
    p.octets += d->c->in_body ? d->c->body_octets : 0;
    if (!d->plan->progress(d->plan->progress_arg, &p))
        return;
    d->stopped = 1;
    stop(d);
}

/* The last message was all of it. The error of the connection, if any, is not
 * that of the store. */
static void believe(struct download *d)
{
    struct p3_error before = d->c->error;
    struct p3_entry *e;
    pop3_message m;

    if (!d->held)
        return;
    d->held = 0;
    e = &d->messages.entries[d->holds];
    m = p3_message_of(&d->messages, e);
    if (p3_store_end(&d->store, &m))
        not_stored(d, e);
    else
        d->waiting[d->store.count - 1] = d->holds;
    d->c->error = before;
}

/* Whether a line of a body begins as a reply does. word: what it has still to go
 * on with; NULL: it does not. */
struct search {
    const char *word;
    int at_start; /* of a line */
    int found;
};

static void look_for_status(struct search *s, const char *data, size_t length)
{
    const char *end = data + length;

    while (data < end) {
        if (s->at_start)
            s->word = *data == '-' ? "-ERR" : "+OK";
        s->at_start = 0;
        if (s->word && *s->word && *data == *s->word) {
            data++;
            s->found |= !*++s->word;
            continue;
        }
        s->word = NULL;
        data = memchr(data, '\n', (size_t)(end - data));
        if (!data)
            return;
        data++;
        s->at_start = 1;
    }
}

/* Writes the current body; *failed: what could not be stored. */
static pop3_code pour(struct download *d, int *failed)
{
    struct search status = {.at_start = 1};
    const char *data;
    size_t length;
    pop3_code rc = p3_next_slice(d->c, &data, &length);

    while (!rc && data && !*failed) {
        *failed = p3_store_write(&d->store, data, length);
        if (d->c->in_flight)
            look_for_status(&status, data, length);
        report_progress(d);
        if (!*failed)
            rc = p3_next_slice(d->c, &data, &length);
    }
    d->mixed = status.found;
    return rc;
}

/* A message whose reply has begun. What it may not be stored for holds back no
 * other; the rest of it is skipped. */
static pop3_code receive(struct download *d, size_t i)
{
    struct p3_entry *e = &d->messages.entries[i];
    pop3_message m = p3_message_of(&d->messages, e);
    int failed = p3_store_begin(&d->store, &m);
    pop3_code rc = failed ? POP3_OK : pour(d, &failed);

    if (rc || failed)
        p3_store_drop(&d->store);
    if (rc)
        return rc;
    if (failed) {
        not_stored(d, e);
        return POP3_OK;
    }
    e->octets = d->c->body_octets; /* what it has in truth */
    d->held = 1;
    d->holds = i;
    d->progress.messages++;
    d->progress.octets += d->c->body_octets;
    report_progress(d);
    return d->c->in_flight ? POP3_OK : settle(d);
}

static pop3_code take_retr(struct download *d, size_t i, pop3_code rc)
{
    struct p3_entry *e = &d->messages.entries[i];
    pop3_message m = p3_message_of(&d->messages, e);

    d->retrs--;
    /* The reply has begun well: what came before it is believed. */
    believe(d);
    if (p3_store_is_full(&d->store, &m))
        commit(d);
    if (!rc)
        return receive(d, i);
    e->what = P3_OVER;
    d->result->refused++;
    p3_tell(&d->messages, e, POP3_OUTCOME_REFUSED);
    return POP3_OK;
}

static pop3_code take_dele(struct download *d, size_t i, pop3_code rc)
{
    struct p3_entry *e = &d->messages.entries[i];

    e->what = rc ? P3_OVER : P3_GONE;
    d->result->deleted += !rc;
    d->result->dele_refused += rc != 0;
    p3_tell(&d->messages, e,
            rc ? POP3_OUTCOME_DELE_REFUSED : POP3_OUTCOME_DELETED);
    return POP3_OK;
}

/* What is deleted for certain is forgotten: its unique-id may be used again. */
static void forget_deleted(struct download *d)
{
    size_t i;

    if (!d->plan->stored)
        return;
    for (i = 0; i < d->messages.count; i++) {
        pop3_message m = p3_message_of(&d->messages, &d->messages.entries[i]);

        if (d->messages.entries[i].what == P3_GONE && m.uid)
            (void)p3_stored_gone(d->plan->stored, m.uid, m.uid_length);
    }
    /* Where this fails the next listing says the same. */
    (void)p3_stored_commit_gone(d->plan->stored);
}

static pop3_code take_quit(struct download *d, pop3_code rc)
{
    d->result->quit = !rc;
    if (!rc)
        forget_deleted(d);
    return rc;
}

/* The next reply: refused or not, the session goes on, but for QUIT's. */
static pop3_code take_reply(struct download *d)
{
    void *tag;
    pop3_code rc = pop3_next_reply(d->c, &tag);

    if (kind_of(tag) == KIND_QUIT && d->c->state != POP3_STATE_DEAD)
        return take_quit(d, rc);
    if (rc && rc != POP3_ERROR_PROTO)
        return doubt(d, rc);
    if (kind_of(tag) == KIND_RETR)
        return take_retr(d, index_of(tag), rc);
    return take_dele(d, index_of(tag), rc);
}

static pop3_code transfer(struct download *d)
{
    pop3_code rc = ask(d);

    while (!rc && d->c->outstanding) {
        rc = take_reply(d);
        if (!rc && d->c->state != POP3_STATE_CLOSED)
            rc = ask(d);
    }
    return rc;
}

/* ---- All of it --------------------------------------------------------- */

static void forget_doubtful(struct download *d)
{
    size_t i;

    for (i = 0; i < d->store.count; i++)
        p3_tell(&d->messages, &d->messages.entries[d->waiting[i]],
                POP3_OUTCOME_DOUBTFUL);
    p3_store_clear(&d->store);
}

/* What has come whole when the link is lost is kept all the same; but for a last
 * message that the next reply may have begun within. */
static void save(struct download *d)
{
    int mixed = d->held && d->mixed;

    if (!d->doubtful && !mixed)
        believe(d);
    p3_store_drop(&d->store);
    if (d->doubtful)
        forget_doubtful(d);
    else
        commit(d);
    if (d->held)
        p3_tell(&d->messages, &d->messages.entries[d->holds],
                POP3_OUTCOME_DOUBTFUL);
    d->c->out_of_step |= mixed;
}

/* Nothing is left on its way, whatever ended it: of that the caller hears. */
static void drain(struct download *d)
{
    struct p3_said said;

    p3_drop_unsent(d->c);
    if (!d->c->outstanding)
        return;
    p3_put_aside(d->c, &said);
    while (d->c->outstanding)
        pop3_next_reply(d->c, NULL);
    p3_take_back(d->c, &said);
}

static pop3_code outcome(struct download *d, pop3_code rc)
{
    if (rc)
        return rc;
    if (d->local.code) {
        d->c->error = d->local;
        return d->local.code;
    }
    if (d->stopped)
        return p3_fail(d->c, POP3_ERROR_STOPPED, "stopped by the callback");
    p3_error_clear(&d->c->error); /* of a message that was refused */
    return POP3_OK;
}

static pop3_code run(struct download *d)
{
    pop3_code rc = p3_select(&d->messages);

    d->next_retr = d->next_dele = d->messages.first;
    d->progress.all_messages = d->messages.wanted;
    d->progress.all_octets = d->messages.wanted_octets;
    if (!rc)
        rc = transfer(d);
    save(d);
    drain(d);
    /* What the server lists no more it may use again; but only a whole listing
     * says so. Where the record cannot be written anew it does no harm. */
    if (!rc && d->messages.complete && d->plan->stored)
        (void)p3_stored_compact(d->plan->stored);
    return outcome(d, rc);
}

static pop3_code check(pop3 *c, const pop3_plan *plan)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_idle(c);
    if (!rc && plan->target == P3_TARGET_NONE)
        rc = p3_fail(c, POP3_ERROR_ARGUMENT, "the plan does not say where to");
    return rc;
}

pop3_code pop3_download(pop3 *c, const pop3_plan *plan, pop3_downloaded *out)
{
    struct download d = {.c = c, .plan = plan, .result = out};
    pop3_code rc;

    memset(out, 0, sizeof *out);
    rc = check(c, plan);
    if (rc)
        return rc;
    p3_selection_init(&d.messages, c, plan, out);
    p3_store_init(&d.store, c, plan);
    if (plan->target == P3_TARGET_MAILDIR)
        p3_maildir_sweep(plan->maildir);
    rc = run(&d);
    p3_store_release(&d.store);
    p3_selection_release(&d.messages);
    return rc;
}
