/*
 * queue.c - commands on their way: what is to be sent, and how much at once
 * SPDX-License-Identifier: MIT
 *
 * Owns the making of a command line, the queue from the moment that it is
 * appended until it is answered, and the window: how many may be in flight.
 * Knows stream. Not here: replies (conn.c), what a command says (command.c).
 *
 * Without PIPELINING (RFC 2449, 6.6) the window is one. With it a command goes
 * as soon as there is room, but for what a barrier holds back: some servers hand
 * the link over to another program at PASS or AUTH, and what had come behind is
 * lost.
 */
#include "conn.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The line ---------------------------------------------------------- */

static pop3_code over_limit(pop3 *c, const char *what)
{
    return p3_fail(c, POP3_ERROR_ARGUMENT,
                   "%s makes a command line of more than %llu octets", what,
                   (unsigned long long)c->limits[POP3_LIMIT_COMMAND]);
}

/* POP3 has no quoting: a line end in an argument would be another command. */
pop3_code p3_check_octets(pop3 *c, const char *what, const char *line,
                          size_t length)
{
    uint64_t limit = c->limits[POP3_LIMIT_COMMAND];

    if (line[strcspn(line, "\r\n")])
        return p3_fail(c, POP3_ERROR_ARGUMENT, "%s contains CR or LF", what);
    if (limit && length + 2 > limit)
        return over_limit(c, what);
    return POP3_OK;
}

pop3_code p3_check_given(pop3 *c, const char *what, const char *argument)
{
    if (!argument)
        return p3_fail(c, POP3_ERROR_ARGUMENT, "%s is missing", what);
    return POP3_OK;
}

pop3_code p3_check_line(pop3 *c, const char *what, const char *verb,
                        const char *argument)
{
    return p3_check_octets(c, what, argument,
                           strlen(verb) + 1 + strlen(argument));
}

/* Makes the command line in c->line, without its end. */
P3_PRINTF(3, 0)
static pop3_code compose(pop3 *c, const struct p3_verb *verb, const char *fmt,
                         va_list ap)
{
    struct p3_buf *line = &c->line;
    int ok = 1;

    p3_buf_truncate(line, 0);
    if (!verb->raw)
        ok = p3_buf_add_str(line, verb->name) &&
             (!fmt || p3_buf_add_str(line, " "));
    if (ok && fmt)
        ok = p3_buf_vaddf(line, fmt, ap);
    if (!ok)
        return p3_error_memory(&c->error);
    return p3_check_octets(c, verb->name, line->data, line->len);
}

/* ---- In and out -------------------------------------------------------- */

static struct p3_command *new_command(const struct p3_verb *verb,
                                      const char *line, size_t length)
{
    struct p3_command *command = length <= UINT32_MAX
                                     ? malloc(sizeof *command + length)
                                     : NULL;

    if (!command)
        return NULL;
    command->verb = *verb;
    command->next = NULL;
    command->tag = NULL;
    command->octets = 0;
    command->length = (uint32_t)length;
    memcpy(command->line, line, length);
    return command;
}

static void append(pop3 *c, struct p3_command *command)
{
    if (c->last)
        c->last->next = command;
    else
        c->first = command;
    c->last = command;
    if (!c->unsent)
        c->unsent = command;
    c->outstanding++;
}

pop3_code p3_vqueue(pop3 *c, const struct p3_verb *verb, const char *fmt,
                    va_list ap)
{
    struct p3_command *command = NULL;
    pop3_code rc = compose(c, verb, fmt, ap);

    if (!rc) {
        command = new_command(verb, c->line.data, c->line.len);
        if (!command)
            rc = p3_error_memory(&c->error);
    }
    p3_buf_truncate(&c->line, 0); /* wipes what may be a password */
    if (command)
        append(c, command);
    return rc;
}

pop3_code p3_queue(pop3 *c, const struct p3_verb *verb, const char *fmt, ...)
{
    va_list ap;
    pop3_code rc;

    va_start(ap, fmt);
    rc = p3_vqueue(c, verb, fmt, ap);
    va_end(ap);
    return rc;
}

pop3_code p3_enter_queue(pop3 *c)
{
    pop3_code rc = p3_enter(c);

    if (!rc && c->quitting)
        rc = p3_fail(c, POP3_ERROR_STATE, "nothing can follow QUIT");
    return rc;
}

pop3_code p3_tagged(pop3 *c, pop3_code rc, void *tag)
{
    if (!rc)
        c->last->tag = tag;
    return rc;
}

pop3_code p3_queue_alone(pop3 *c, const struct p3_verb *verb, void *tag)
{
    pop3_code rc = p3_enter_queue(c);

    if (!rc)
        rc = p3_queue(c, verb, NULL);
    return p3_tagged(c, rc, tag);
}

pop3_code p3_queue_ahead(pop3 *c, const struct p3_verb *verb)
{
    struct p3_command **at = &c->first;
    struct p3_command *command = new_command(verb, verb->name,
                                             strlen(verb->name));

    if (!command)
        return p3_error_memory(&c->error);
    while (*at != c->unsent)
        at = &(*at)->next;
    command->next = *at;
    *at = command;
    c->unsent = command;
    if (!command->next)
        c->last = command;
    return POP3_OK;
}

static void free_command(struct p3_command *command)
{
    if (command->verb.authenticates)
        OPENSSL_cleanse(command->line, command->length);
    free(command);
}

static int is_barrier(const struct p3_verb *verb)
{
    return verb->barrier || verb->authenticates;
}

void p3_dequeue(pop3 *c)
{
    struct p3_command *command = c->first;

    c->first = command->next;
    if (!c->first) {
        c->last = NULL;
        c->capa_asked = 0;
    }
    if (command == c->unsent) {
        c->unsent = command->next;
    } else {
        c->in_flight--;
        c->octets_in_flight -= command->octets;
        if (is_barrier(&command->verb))
            c->barred = 0;
    }
    if (!command->verb.absorb)
        c->outstanding--;
    c->tag = command->tag;
    free_command(command);
}

void p3_drop_unsent(pop3 *c)
{
    struct p3_command **at = &c->first;

    if (c->unsent)
        c->quitting = 0; /* QUIT is the last of them */
    c->last = NULL;
    while (*at != c->unsent) {
        c->last = *at;
        at = &(*at)->next;
    }
    while (*at) {
        struct p3_command *command = *at;

        *at = command->next;
        if (command->verb.absorb)
            c->capa_asked = 0;
        else
            c->outstanding--;
        free_command(command);
    }
    c->unsent = NULL;
}

/* ---- The window -------------------------------------------------------- */

/* The window grows to so many times what it was at first. */
enum { GROWTH = 16 };

int p3_pipelines(const pop3 *c)
{
    return c->pipelining && c->window_commands > 1;
}

static int is_half_answered(const pop3 *c)
{
    return c->in_flight <= c->window / 2 &&
           (!c->window_octets || c->octets_in_flight <= c->window_octets / 2);
}

/*
 * A window that was full is filled again when half of it is answered, so that
 * many lines go in one write; and where it was too small in commands it is twice
 * as large from then on, for it may have kept the server waiting.
 */
static void reopen(pop3 *c)
{
    if (!c->window_full || !is_half_answered(c))
        return;
    if (c->window_short && c->window < c->window_commands * GROWTH)
        c->window *= 2;
    c->window_full = c->window_short = 0;
}

static int has_room_for(const pop3 *c, const struct p3_command *command)
{
    if (c->in_flight >= c->window)
        return 0;
    if (!c->window_octets || !c->in_flight)
        return 1;
    return c->octets_in_flight <= c->window_octets &&
           command->octets <= c->window_octets - c->octets_in_flight;
}

/* Whether the next command may go. Without pipelining the one before must be
 * answered to its last line. */
static int may_go(pop3 *c)
{
    if (c->barred)
        return 0;
    if (!p3_pipelines(c))
        return !c->in_flight && !c->in_body;
    if (!c->window_full && !has_room_for(c, c->unsent))
        c->window_full = 1;
    return !c->window_full;
}

size_t p3_room(pop3 *c)
{
    reopen(c);
    if (c->unsent || c->barred || c->window_full)
        return 0;
    if (!p3_pipelines(c))
        return !c->in_flight;
    return c->window > c->in_flight ? c->window - c->in_flight : 0;
}

/* ---- Sending ----------------------------------------------------------- */

static void show_command(pop3 *c, const struct p3_command *command)
{
    char stars[32];

    if (!command->verb.authenticates) {
        p3_debug(c, 1, 0, command->line, command->length);
        return;
    }
    snprintf(stars, sizeof stars, "%s ****", command->verb.name);
    p3_debug(c, 1, 0, stars, strlen(stars));
}

int p3_put_line(pop3 *c, const char *line, size_t length)
{
    struct p3_buf *out = &c->stream.out;

    return p3_buf_reserve(out, length + 2) && p3_buf_add(out, line, length) &&
           p3_buf_add(out, "\r\n", 2);
}

static int send_next(pop3 *c)
{
    struct p3_command *command = c->unsent;

    if (!p3_put_line(c, command->line, command->length))
        return 0;
    show_command(c, command);
    if (command->verb.authenticates)
        OPENSSL_cleanse(command->line, command->length);
    c->unsent = command->next;
    c->pipelined = c->in_flight > 0;
    c->in_flight++;
    c->octets_in_flight += command->octets;
    c->barred = is_barrier(&command->verb);
    if (c->in_flight >= c->window)
        c->window_full = c->window_short = 1;
    return 1;
}

pop3_code p3_let_go(pop3 *c)
{
    reopen(c);
    while (c->unsent && may_go(c))
        if (!send_next(c))
            return p3_error_memory(&c->error);
    return p3_stream_push(&c->stream) ? p3_die(c) : POP3_OK;
}
