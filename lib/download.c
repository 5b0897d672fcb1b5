/*
 * download.c - many messages at once: listed, fetched, stored, then deleted
 * SPDX-License-Identifier: MIT
 *
 * Owns the order of things, so that few round trips do and nothing is lost: LIST
 * and UIDL; every RETR, as the window lets them go; what has come is committed
 * by batches; then the deletions, with the next RETRs or, the last, with QUIT.
 * Knows the queue (conn), the walk over listings (listing) and the stores. Not
 * here: what makes a message safe (store.c), what a caller wants (plan.c).
 *
 * A message is believed when the reply behind it has begun as a reply does: a
 * server that answers out of step puts one into the middle of another. Where the
 * link is lost before that, it is, unless a line of it looks like that reply.
 */
#include "listing.h"
#include "record.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

/* What is known of a message, in as few octets as can be. */
struct entry {
    uint64_t number;
    uint64_t octets;     /* by LIST */
    uint32_t uid_at;     /* in the text of all unique-ids */
    uint16_t uid_length; /* 0: it has none */
    uint8_t what;        /* enum what */
};

enum what {
    UNKNOWN, /* whether it was stored before */
    WANTED,  /* to be fetched */
    KNOWN,   /* stored by an earlier run */
    ASKED,   /* RETR is on its way, or it waits to be committed */
    SAFE, /* stored, by this run or an earlier one; to be deleted if at all */
    GONE, /* DELE was accepted */
    OVER  /* nothing further is to be done about it */
};

/* What a reply answers: in the lowest bits of its command's tag. */
enum kind {
    KIND_LIST,
    KIND_UIDL,
    KIND_RETR,
    KIND_DELE,
    KIND_QUIT,
    KIND_BITS = 3
};

struct download {
    pop3 *c;
    const pop3_plan *plan;
    pop3_downloaded *result;
    struct p3_store store;
    pop3_progress progress;

    struct entry *entries; /* by ascending number */
    size_t count;
    struct p3_buf room; /* where they are */
    struct p3_buf uids; /* the text of all of them */
    size_t cursor;      /* where the row of UIDL is looked for first */
    int has_uids;       /* UIDL was answered */
    int strange;        /* and tells of messages that LIST does not */
    int complete;       /* and leaves no message out */

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

static pop3_message message_of(const struct download *d, const struct entry *e)
{
    return (pop3_message){.number = e->number,
                          .octets = e->octets,
                          .uid = e->uid_length ? d->uids.data + e->uid_at
                                               : NULL,
                          .uid_length = e->uid_length};
}

static void tell(struct download *d, const struct entry *e,
                 pop3_outcome outcome)
{
    pop3_message m = message_of(d, e);

    if (d->plan->outcome)
        d->plan->outcome(d->plan->outcome_arg, &m, outcome);
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
        d->entries[i].what = WANTED;
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

/* ---- Listings ---------------------------------------------------------- */

static pop3_code take_size(pop3 *c, struct p3_text line, void *arg)
{
    struct download *d = arg;
    struct entry e = {.what = UNKNOWN};
    pop3_size row;

    if (!p3_reply_size(line, &row) || !row.number)
        return POP3_ERROR_MALFORMED;
    e.number = row.number;
    e.octets = row.octets;
    return p3_buf_add(&d->room, &e, sizeof e) ? POP3_OK
                                              : p3_error_memory(&c->error);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static int is_ascending(const struct download *d)
{
    size_t i;

    for (i = 1; i < d->count; i++)
        if (d->entries[i - 1].number >= d->entries[i].number)
            return 0;
    return 1;
}

/* Of two rows of one number, which no server should send, one counts. */
static void drop_doubles(struct download *d)
{
    size_t i, kept = 0;

    for (i = 0; i < d->count; i++)
        if (!kept || d->entries[kept - 1].number != d->entries[i].number)
            d->entries[kept++] = d->entries[i];
    d->count = kept;
}

static pop3_code take_list(struct download *d)
{
    pop3_code rc = p3_walk(d->c, "LIST", take_size, d);

    d->entries = (struct entry *)(void *)d->room.data;
    d->count = d->room.len / sizeof *d->entries;
    d->result->skipped += d->c->skipped;
    if (rc || is_ascending(d))
        return rc;
    qsort(d->entries, d->count, sizeof *d->entries, compare_entries);
    drop_doubles(d);
    return POP3_OK;
}

/* Servers list in order, so it is usually the next one. */
static struct entry *find_entry(struct download *d, uint64_t number)
{
    struct entry key = {.number = number};
    struct entry *e;

    if (d->cursor < d->count && d->entries[d->cursor].number == number)
        return &d->entries[d->cursor++];
    e = d->count
            ? bsearch(&key, d->entries, d->count, sizeof key, compare_entries)
            : NULL;
    if (e)
        d->cursor = (size_t)(e - d->entries) + 1;
    return e;
}

/* Whether unique-ids decide what is fetched. */
static int needs_uids(const struct download *d)
{
    return d->plan->stored || d->plan->select;
}

/* Whether somebody is told of them, at least. */
static int wants_uids(const struct download *d)
{
    return needs_uids(d) || d->plan->outcome ||
           d->plan->target == P3_TARGET_SINK;
}

/* The text of a unique-id is kept only as long as it may be written. */
static pop3_code remember_uid(struct download *d, struct entry *e,
                              const pop3_uid *row)
{
    if (!wants_uids(d) ||
        (e->what == KNOWN && !d->plan->deletes && !d->plan->select))
        return POP3_OK;
    e->uid_at = (uint32_t)d->uids.len;
    if (!p3_buf_reserve(&d->uids, row->length + 1))
        return p3_error_memory(&d->c->error);
    (void)p3_buf_add(&d->uids, row->uid, row->length);
    (void)p3_buf_add(&d->uids, "", 1);
    e->uid_length = (uint16_t)row->length;
    return POP3_OK;
}

static pop3_code take_uid(pop3 *c, struct p3_text line, void *arg)
{
    struct download *d = arg;
    pop3_stored *stored = d->plan->stored;
    struct entry *e;
    pop3_uid row;

    (void)c;
    if (!p3_reply_uid(line, &row) || !row.number ||
        row.length > P3_LONGEST_UID || d->uids.len > UINT32_MAX)
        return POP3_ERROR_MALFORMED;
    e = find_entry(d, row.number);
    if (!e || e->what != UNKNOWN) {
        d->strange = 1;
        return POP3_OK;
    }
    e->what = stored && p3_stored_meet(stored, row.uid, row.length) ? KNOWN
                                                                    : WANTED;
    return remember_uid(d, e, &row);
}

/* Without unique-ids all can be fetched and deleted, but not kept. */
static pop3_code no_uids(struct download *d)
{
    pop3_resp_kind resp = pop3_resp(d->c);
    struct p3_error said = d->c->error;

    if (needs_uids(d) &&
        (resp == POP3_RESP_SYS_TEMP || resp == POP3_RESP_IN_USE ||
         resp == POP3_RESP_LOGIN_DELAY))
        return said.code;
    if (d->plan->stored && !d->plan->deletes)
        return p3_fail(d->c, POP3_ERROR_PROTO,
                       "%.300s: without unique-ids nobody knows what is new",
                       said.text);
    p3_error_clear(&d->c->error);
    return POP3_OK;
}

static pop3_code take_uidl(struct download *d)
{
    pop3_code rc;

    if (d->plan->stored)
        p3_stored_begin_listing(d->plan->stored);
    rc = p3_walk(d->c, "UIDL", take_uid, d);
    d->result->skipped += d->c->skipped;
    d->has_uids = 1;
    return rc;
}

static int is_complete(const struct download *d)
{
    size_t i;

    for (i = 0; i < d->count; i++)
        if (d->entries[i].what == UNKNOWN)
            return 0;
    return !d->strange && !d->result->skipped;
}

/* UIDL in any case: of two commands at once the library learns whether the
 * server takes them so. */
static pop3_code queue_listings(struct download *d)
{
    pop3_code rc = pop3_queue_list(d->c, tag_of(0, KIND_LIST));

    if (!rc)
        rc = pop3_queue_uidl(d->c, tag_of(0, KIND_UIDL));
    return rc;
}

static pop3_code list(struct download *d)
{
    pop3_code rc = queue_listings(d);

    if (!rc)
        rc = pop3_next_reply(d->c, NULL);
    if (!rc)
        rc = take_list(d);
    if (rc)
        return rc;
    rc = pop3_next_reply(d->c, NULL);
    rc = rc == POP3_ERROR_PROTO ? no_uids(d) : rc ? rc : take_uidl(d);
    /* What was marked for deletion is listed no more, and may come back. */
    d->complete = !rc && d->has_uids && !d->c->marked && is_complete(d);
    return rc;
}

/* ---- Selection --------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The numbers of the plan, in order; 0 where there is no memory for them. */
static int copy_numbers(const pop3_plan *plan, struct p3_buf *out)
{
    p3_buf_init(out, 0, 0);
    if (!plan->numbers.len)
        return 1;
    if (!p3_buf_add(out, plan->numbers.data, plan->numbers.len))
        return 0;
    qsort(out->data, out->len / sizeof(uint64_t), sizeof(uint64_t),
          compare_numbers);
    return 1;
}

static int is_numbered(const struct p3_buf *numbers, uint64_t number)
{
    size_t count = numbers->len / sizeof number;

    return !count || bsearch(&number, numbers->data, count, sizeof number,
                             compare_numbers) != NULL;
}

static int is_selected(const struct download *d, size_t i,
                       const struct p3_buf *numbers)
{
    const pop3_plan *plan = d->plan;
    const struct entry *e = &d->entries[i];
    pop3_message m = message_of(d, e);

    if (!is_numbered(numbers, e->number) ||
        (plan->max_octets && e->octets > plan->max_octets))
        return 0;
    return !plan->select || plan->select(plan->select_arg, &m);
}

/* Whether a message that UIDL left out may be new cannot be known. */
static void settle_unknown(struct download *d, struct entry *e)
{
    if (e->what != UNKNOWN)
        return;
    e->what = WANTED;
    if (!d->has_uids || !d->plan->stored || d->plan->deletes)
        return;
    e->what = OVER;
    d->result->no_uid++;
    tell(d, e, POP3_OUTCOME_NO_UID);
}

/* What is stored already is left, or to be deleted. */
static void sort_out(struct download *d, struct entry *e)
{
    settle_unknown(d, e);
    if (e->what == KNOWN) {
        d->result->known++;
        e->what = SAFE;
    } else if (e->what == WANTED) {
        d->progress.all_messages++;
        d->progress.all_octets += e->octets;
    }
}

/* The place of the first of the newest: of those with a number of the plan. */
static size_t find_newest(const struct download *d,
                          const struct p3_buf *numbers)
{
    uint64_t left = d->plan->newest;
    size_t i = d->count;

    if (!left)
        return 0;
    while (i && left)
        left -= (uint64_t)is_numbered(numbers, d->entries[--i].number);
    return i;
}

static pop3_code choose(struct download *d)
{
    struct p3_buf numbers;
    size_t i;

    if (!copy_numbers(d->plan, &numbers))
        return p3_error_memory(&d->c->error);
    i = find_newest(d, &numbers);
    d->next_retr = d->next_dele = i;
    for (; i < d->count; i++)
        if (is_selected(d, i, &numbers))
            sort_out(d, &d->entries[i]);
        else
            d->entries[i].what = OVER;
    p3_buf_release(&numbers);
    return POP3_OK;
}

/* ---- What is asked for ------------------------------------------------- */

static pop3_code queue_retr(struct download *d)
{
    size_t i = d->next_retr;
    struct entry *e = &d->entries[i];
    pop3_code rc;

    rc = pop3_queue_retr(d->c, e->number, e->octets, tag_of(i, KIND_RETR));
    if (rc)
        return rc;
    e->what = ASKED;
    d->retrs++;
    d->next_retr++;
    return POP3_OK;
}

static int has_retr(struct download *d)
{
    if (d->stopping)
        return 0;
    while (d->next_retr < d->count && d->entries[d->next_retr].what != WANTED)
        d->next_retr++;
    return d->next_retr < d->count;
}

/* Up to the first whose outcome is not known yet. */
static int has_dele(struct download *d)
{
    while (d->next_dele < d->count && (d->entries[d->next_dele].what == OVER ||
                                       d->entries[d->next_dele].what == GONE))
        d->next_dele++;
    return d->plan->deletes && d->next_dele < d->count &&
           d->entries[d->next_dele].what == SAFE;
}

static pop3_code queue_deles(struct download *d, size_t most)
{
    pop3_code rc = POP3_OK;

    while (!rc && most-- && has_dele(d)) {
        size_t i = d->next_dele;

        rc = pop3_queue_dele(d->c, d->entries[i].number, tag_of(i, KIND_DELE));
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
    for (; d->next_retr < d->count; d->next_retr++)
        if (d->entries[d->next_retr].what == WANTED)
            d->entries[d->next_retr].what = OVER;
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

static void not_stored(struct download *d, struct entry *e)
{
    e->what = OVER;
    d->result->not_stored++;
    tell(d, e, POP3_OUTCOME_NOT_STORED);
    if (d->c->error.code == POP3_ERROR_STOPPED) /* a caller's sink */
        return;
    if (!d->local.code)
        d->local = d->c->error;
    stop(d);
}

static void is_stored(struct download *d, struct entry *e, uint64_t octets)
{
    e->what = SAFE;
    d->result->messages++;
    d->result->octets += octets;
    tell(d, e, POP3_OUTCOME_STORED);
}

/* The error of the connection, if any, is not that of the commit. */
static void commit(struct download *d)
{
    struct p3_error before = d->c->error;
    size_t i, count = d->store.count;

    p3_store_commit(&d->store);
    for (i = 0; i < count; i++) {
        struct entry *e = &d->entries[d->waiting[i]];

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
    struct entry *e = &d->entries[d->holds];
    pop3_message m;

    if (!d->held)
        return;
    d->held = 0;
    m = message_of(d, e);
    if (p3_store_end(&d->store, &m))
        not_stored(d, e);
    else
        d->waiting[d->store.count - 1] = d->holds;
    d->c->error = before;
}

/* A line of a body that begins as a reply does: so much of "+OK" was found at the
 * start of the line that is being looked at. */
struct search {
    size_t at;
    int found;
};

enum { WHOLE = 3, ELSEWHERE = 4 }; /* all of it; in the middle of a line */

static void look_for_status(struct search *s, const char *data, size_t length)
{
    const char *end = data + length;
    const char *lf;

    for (;;) {
        while (data < end && s->at < WHOLE && *data == "+OK"[s->at]) {
            data++;
            s->at++;
        }
        s->found |= s->at == WHOLE;
        if (data == end)
            return;
        lf = memchr(data, '\n', (size_t)(end - data));
        s->at = lf ? 0 : ELSEWHERE;
        if (!lf)
            return;
        data = lf + 1;
    }
}

/* Writes the current body; *failed: what could not be stored. */
static pop3_code pour(struct download *d, int *failed)
{
    struct search status = {.at = 0};
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
    struct entry *e = &d->entries[i];
    pop3_message m = message_of(d, e);
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
    struct entry *e = &d->entries[i];
    pop3_message m = message_of(d, e);

    d->retrs--;
    /* The reply has begun well: what came before it is believed. */
    believe(d);
    if (p3_store_is_full(&d->store, &m))
        commit(d);
    if (!rc)
        return receive(d, i);
    e->what = OVER;
    d->result->refused++;
    tell(d, e, POP3_OUTCOME_REFUSED);
    return POP3_OK;
}

static pop3_code take_dele(struct download *d, size_t i, pop3_code rc)
{
    struct entry *e = &d->entries[i];

    e->what = rc ? OVER : GONE;
    d->result->deleted += !rc;
    d->result->dele_refused += rc != 0;
    tell(d, e, rc ? POP3_OUTCOME_DELE_REFUSED : POP3_OUTCOME_DELETED);
    return POP3_OK;
}

/* What is deleted for certain is forgotten: its unique-id may be used again. */
static void forget_deleted(struct download *d)
{
    size_t i;

    if (!d->plan->stored)
        return;
    for (i = 0; i < d->count; i++) {
        pop3_message m = message_of(d, &d->entries[i]);

        if (d->entries[i].what == GONE && m.uid)
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

/* What has come whole when the link is lost is kept all the same; but for a last
 * message that the next reply may have begun within. */
static void save(struct download *d)
{
    if (!d->doubtful && !d->mixed)
        believe(d);
    p3_store_drop(&d->store);
    if (d->doubtful)
        p3_store_clear(&d->store);
    else
        commit(d);
}

/* Nothing is left on its way, whatever ended it. */
static void drain(struct download *d)
{
    struct p3_error why = d->c->error;

    p3_drop_unsent(d->c);
    while (d->c->outstanding)
        pop3_next_reply(d->c, NULL);
    if (why.code && d->c->state != POP3_STATE_DEAD)
        d->c->error = why;
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
    pop3_code rc = list(d);

    if (!rc)
        rc = choose(d);
    if (!rc)
        rc = transfer(d);
    save(d);
    drain(d);
    /* What the server lists no more it may use again; but only a whole listing
     * says so. Where the record cannot be written anew it does no harm. */
    if (!rc && d->complete && d->plan->stored)
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
    p3_buf_init(&d.room, 0, 0);
    p3_buf_init(&d.uids, 0, 0);
    p3_store_init(&d.store, c, plan);
    if (plan->target == P3_TARGET_MAILDIR)
        p3_maildir_sweep(plan->maildir);
    rc = run(&d);
    p3_store_release(&d.store);
    p3_buf_release(&d.room);
    p3_buf_release(&d.uids);
    return rc;
}
