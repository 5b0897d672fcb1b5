/*
 * command.c - the commands of RFC 1939, one function each
 * SPDX-License-Identifier: MIT
 *
 * Owns the wording of a command and the shape of its answer, whether the answer
 * is awaited at once or the command is queued with others. Knows conn (queue,
 * await) and reply (parse). Not here: bytes and deadlines (stream), listings
 * (listing.c), logging in (auth.c). To add one: pop3.h, libpop3.map, the manual.
 */
#include "conn.h"
#include "listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct p3_verb STAT = {.name = "STAT"};
static const struct p3_verb LIST_ONE = {.name = "LIST"};
static const struct p3_verb UIDL_ONE = {.name = "UIDL"};
static const struct p3_verb RETR = {.name = "RETR", .shape = POP3_LONG};
static const struct p3_verb TOP = {.name = "TOP", .shape = POP3_LONG};
static const struct p3_verb DELE = {.name = "DELE", .marks = 1};
static const struct p3_verb RSET = {.name = "RSET"};
static const struct p3_verb NOOP = {.name = "NOOP"};
static const struct p3_verb LANG = {.name = "LANG"};
static const struct p3_verb LANG_LIST = {.name = "LANG", .shape = POP3_LONG};
static const struct p3_verb UTF8 = {.name = "UTF8"};
static const struct p3_verb QUIT = {.name = "QUIT", .barrier = 1};

/* ---- The maildrop ------------------------------------------------------ */

/* A refusal has no contents. */
static pop3_code enter_reply(pop3 *c)
{
    pop3_code rc = p3_enter(c);

    if (!rc && *p3_buf_text(&c->status) != '+')
        rc = p3_fail(c, POP3_ERROR_STATE, "the last command was refused");
    return rc;
}

pop3_code pop3_reply_totals(pop3 *c, pop3_totals *out)
{
    struct p3_text text;
    pop3_totals t;
    pop3_code rc = enter_reply(c);

    if (rc)
        return rc;
    text = p3_reply_rest(c);
    /* Anything after the two numbers is allowed, and ignored. */
    if (!p3_reply_number(&text, &t.messages) ||
        !p3_reply_number(&text, &t.octets))
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "STAT: two numbers expected: \"%s\"",
                       p3_buf_text(&c->status));
    *out = t;
    return POP3_OK;
}

pop3_code pop3_reply_size(pop3 *c, pop3_size *out)
{
    pop3_size row;
    pop3_code rc = enter_reply(c);

    if (rc)
        return rc;
    if (!p3_reply_size(p3_reply_rest(c), &row))
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "LIST of a message: two numbers expected: \"%s\"",
                       p3_buf_text(&c->status));
    *out = row;
    return POP3_OK;
}

/* Some servers leave the number out of their answer: "+OK uid". */
static int lone_uid(struct p3_text text, pop3_uid *out)
{
    struct p3_text word, more;

    if (!p3_reply_word(&text, &word) || p3_reply_word(&text, &more))
        return 0;
    out->uid = word.data;
    out->length = word.len;
    return 1;
}

pop3_code pop3_reply_uid(pop3 *c, uint64_t number, pop3_uid *out)
{
    struct p3_text text;
    pop3_uid row = {.number = number};
    pop3_code rc = enter_reply(c);

    if (rc)
        return rc;
    text = p3_reply_rest(c);
    if (!p3_reply_uid(text, &row) && !lone_uid(text, &row))
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "UIDL %" PRIu64 ": a unique-id expected: \"%s\"", number,
                       p3_buf_text(&c->status));
    p3_buf_truncate(&c->scratch, 0);
    if (!p3_buf_add(&c->scratch, row.uid, row.length))
        return p3_error_memory(&c->error);
    row.uid = c->scratch.data;
    *out = row;
    return POP3_OK;
}

pop3_code pop3_stat(pop3 *c, pop3_totals *out)
{
    pop3_code rc = p3_call(c, &STAT, NULL);

    return rc ? rc : pop3_reply_totals(c, out);
}

/* An answer about what was not asked for: somebody is out of step. */
static pop3_code another_message(pop3 *c, const char *what, uint64_t number)
{
    return p3_kill(c, POP3_ERROR_MALFORMED,
                   "%s %" PRIu64 ": the answer is another message's: \"%s\"",
                   what, number, p3_buf_text(&c->status));
}

pop3_code pop3_list_one(pop3 *c, uint64_t number, pop3_size *out)
{
    pop3_size row = {0, 0};
    pop3_code rc = p3_call(c, &LIST_ONE, "%" PRIu64, number);

    if (!rc)
        rc = pop3_reply_size(c, &row);
    if (!rc && row.number != number)
        rc = another_message(c, "LIST", number);
    if (!rc)
        *out = row;
    return rc;
}

pop3_code pop3_uidl_one(pop3 *c, uint64_t number, pop3_uid *out)
{
    pop3_uid row = {0, 0, NULL};
    pop3_code rc = p3_call(c, &UIDL_ONE, "%" PRIu64, number);

    if (!rc)
        rc = pop3_reply_uid(c, number, &row);
    if (!rc && row.number != number)
        rc = another_message(c, "UIDL", number);
    if (!rc)
        *out = row;
    return rc;
}

pop3_code pop3_dele(pop3 *c, uint64_t number)
{
    return p3_call(c, &DELE, "%" PRIu64, number);
}

pop3_code pop3_rset(pop3 *c)
{
    return p3_call(c, &RSET, NULL);
}

pop3_code pop3_noop(pop3 *c)
{
    return p3_call(c, &NOOP, NULL);
}

pop3_code pop3_utf8(pop3 *c)
{
    pop3_code rc = p3_call(c, &UTF8, NULL);

    c->utf8 = c->utf8 || !rc;
    return rc;
}

pop3_code pop3_lang(pop3 *c, const char *tag)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the language", tag);
    if (!rc && !*tag) /* which would be answered with a list */
        rc = p3_fail(c, POP3_ERROR_ARGUMENT, "LANG: no language");
    return rc ? rc : p3_call(c, &LANG, "%s", tag);
}

pop3_code pop3_lang_list(pop3 *c, pop3_lines **out)
{
    pop3_code rc = p3_call(c, &LANG_LIST, NULL);

    return rc ? rc : pop3_body_lines(c, out);
}

/* ---- Messages ---------------------------------------------------------- */

pop3_code pop3_retr_begin(pop3 *c, uint64_t number)
{
    return p3_call(c, &RETR, "%" PRIu64, number);
}

pop3_code pop3_top_begin(pop3 *c, uint64_t number, uint64_t lines)
{
    return p3_call(c, &TOP, "%" PRIu64 " %" PRIu64, number, lines);
}

pop3_code pop3_retr(pop3 *c, uint64_t number, pop3_lines **out)
{
    pop3_code rc = pop3_retr_begin(c, number);

    return rc ? rc : pop3_body_lines(c, out);
}

pop3_code pop3_top(pop3 *c, uint64_t number, uint64_t lines, pop3_lines **out)
{
    pop3_code rc = pop3_top_begin(c, number, lines);

    return rc ? rc : pop3_body_lines(c, out);
}

/* ---- Leaving ----------------------------------------------------------- */

pop3_code pop3_quit(pop3 *c)
{
    pop3_code rc = p3_call(c, &QUIT, NULL);

    if (rc == POP3_ERROR_STATE && c->outstanding) /* nothing was sent */
        return rc;
    if (c->poplib && rc == POP3_ERROR_PROTO)
        return rc;
    return p3_close_keeping_error(c);
}

/* With replies outstanding something went wrong, and nobody knows what QUIT
 * would delete. */
void pop3_shutdown(pop3 *c)
{
    int stands = c->state == POP3_STATE_AUTHORIZATION ||
                 c->state == POP3_STATE_TRANSACTION;

    if (stands && !c->outstanding)
        pop3_quit(c);
    pop3_close(c);
}

/* ---- What the library does not know ------------------------------------ */

static int authenticates(const char *name)
{
    return !strcasecmp(name, "PASS") || !strcasecmp(name, "APOP") ||
           !strcasecmp(name, "AUTH");
}

static int ends_flight(const char *name)
{
    return !strcasecmp(name, "STLS") || !strcasecmp(name, "QUIT");
}

/* What is known of a line that the caller wrote. */
static pop3_code raw_verb(pop3 *c, const char *line, pop3_shape shape,
                          struct p3_verb *out)
{
    struct p3_verb verb = {.shape = shape, .raw = 1};
    const char *name;
    size_t n;

    if (!line || !*line)
        return p3_fail(c, POP3_ERROR_ARGUMENT, "the command is missing");
    name = line + strspn(line, " \t");
    n = strcspn(name, " \t");
    snprintf(verb.name, sizeof verb.name, "%.*s", (int)n, name);
    /* "AUTH" alone asks for a list. */
    verb.authenticates = authenticates(verb.name) && name[n];
    verb.barrier = authenticates(verb.name) || ends_flight(verb.name);
    verb.marks = !strcasecmp(verb.name, "DELE");
    *out = verb;
    return POP3_OK;
}

pop3_code pop3_command(pop3 *c, const char *line, pop3_shape shape)
{
    struct p3_verb verb;
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = raw_verb(c, line, shape, &verb);
    return rc ? rc : p3_call(c, &verb, "%s", line);
}

/* Part of a dialogue: no answer of its own is awaited. */
pop3_code pop3_send_line(pop3 *c, const char *line)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_idle(c);
    if (!rc && c->in_body)
        rc = p3_skip_body(c);
    return rc ? rc : p3_send_raw(c, line);
}

pop3_code pop3_read_line(pop3 *c, pop3_line *out)
{
    struct p3_line line;
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_idle(c);
    if (!rc && c->in_body)
        rc = p3_skip_body(c);
    if (!rc)
        rc = p3_read_raw(c, &line);
    if (rc)
        return rc;
    out->text = line.data;
    out->length = line.len;
    out->octets = line.octets;
    return POP3_OK;
}

/* ---- Many at once ------------------------------------------------------ */

static pop3_code queue_number(pop3 *c, const struct p3_verb *verb,
                              uint64_t number, void *tag)
{
    pop3_code rc = p3_enter_queue(c);

    if (!rc)
        rc = p3_queue(c, verb, "%" PRIu64, number);
    return p3_tagged(c, rc, tag);
}

pop3_code pop3_queue_stat(pop3 *c, void *tag)
{
    return p3_queue_alone(c, &STAT, tag);
}

pop3_code pop3_queue_list_one(pop3 *c, uint64_t number, void *tag)
{
    return queue_number(c, &LIST_ONE, number, tag);
}

pop3_code pop3_queue_uidl_one(pop3 *c, uint64_t number, void *tag)
{
    return queue_number(c, &UIDL_ONE, number, tag);
}

pop3_code pop3_queue_retr(pop3 *c, uint64_t number, uint64_t octets, void *tag)
{
    pop3_code rc = queue_number(c, &RETR, number, tag);

    if (!rc)
        c->last->octets = octets;
    return rc;
}

pop3_code pop3_queue_top(pop3 *c, uint64_t number, uint64_t lines, void *tag)
{
    pop3_code rc = p3_enter_queue(c);

    if (!rc)
        rc = p3_queue(c, &TOP, "%" PRIu64 " %" PRIu64, number, lines);
    return p3_tagged(c, rc, tag);
}

pop3_code pop3_queue_dele(pop3 *c, uint64_t number, void *tag)
{
    return queue_number(c, &DELE, number, tag);
}

pop3_code pop3_queue_rset(pop3 *c, void *tag)
{
    return p3_queue_alone(c, &RSET, tag);
}

pop3_code pop3_queue_noop(pop3 *c, void *tag)
{
    return p3_queue_alone(c, &NOOP, tag);
}

pop3_code pop3_queue_quit(pop3 *c, void *tag)
{
    pop3_code rc = p3_queue_alone(c, &QUIT, tag);

    c->quitting |= !rc;
    return rc;
}

pop3_code pop3_queue_command(pop3 *c, const char *line, pop3_shape shape,
                             void *tag)
{
    struct p3_verb verb;
    pop3_code rc = p3_enter_queue(c);

    if (!rc)
        rc = raw_verb(c, line, shape, &verb);
    if (!rc)
        rc = p3_queue(c, &verb, "%s", line);
    return p3_tagged(c, rc, tag);
}

/* ---- Sending them, and what they come to ------------------------------- */

pop3_code pop3_flush(pop3 *c)
{
    pop3_code rc = p3_enter(c);

    if (!rc && !c->in_body)
        rc = p3_settle(c);
    if (rc)
        return rc;
    p3_renew_capas(c);
    return p3_let_go(c);
}

/* What is left of the reply before. A line too long kills nothing by poplib's
 * rules: the rest of that body is skipped all the same. */
static pop3_code settle_for_next(pop3 *c)
{
    pop3_code rc;

    do {
        p3_error_clear(&c->error);
        rc = p3_settle(c);
    } while (rc && c->state != POP3_STATE_DEAD);
    return rc;
}

/* The oldest of the caller's commands is to have no reply. */
static pop3_code answer_dead(pop3 *c)
{
    while (c->first->verb.absorb)
        p3_dequeue(c);
    p3_dequeue(c);
    return c->error.code;
}

static pop3_code next_reply(pop3 *c)
{
    if (c->state == POP3_STATE_DEAD || settle_for_next(c))
        return c->outstanding ? answer_dead(c) : c->error.code;
    if (!c->outstanding)
        return p3_fail(c, POP3_ERROR_STATE, "no reply is due");
    p3_renew_capas(c);
    return p3_await(c);
}

pop3_code pop3_next_reply(pop3 *c, void **tag)
{
    pop3_code rc = p3_enter(c);

    c->tag = NULL;
    if (c->state != POP3_STATE_CLOSED)
        rc = next_reply(c);
    if (tag)
        *tag = c->tag;
    if (!c->quitting || c->outstanding)
        return rc;
    c->quitting = 0; /* it was QUIT's, or was to be */
    return c->poplib && rc == POP3_ERROR_PROTO ? rc : p3_close_keeping_error(c);
}
