/*
 * conn.c - struct pop3: its life, its state, and the replies to its commands
 * SPDX-License-Identifier: MIT
 *
 * Owns connecting, the greeting, the one path that every command takes (queue,
 * then await) and the only places where the state changes. Knows stream, reader
 * and reply. Not here: sending (queue.c), settings (settings.c), bodies
 * (body.c), what a command says (command.c, listing.c, auth.c).
 */
#include "conn.h"
#include "idn.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Errors ------------------------------------------------------------ */

pop3_code p3_fail(pop3 *c, pop3_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    p3_error_vset(&c->error, code, fmt, ap);
    va_end(ap);
    return code;
}

pop3_code p3_kill(pop3 *c, pop3_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    p3_error_vset(&c->error, code, fmt, ap);
    va_end(ap);
    /* It may announce PIPELINING and mix up the answers all the same. */
    c->out_of_step = code == POP3_ERROR_MALFORMED && c->pipelined;
    return p3_die(c);
}

pop3_code p3_die(pop3 *c)
{
    c->state = POP3_STATE_DEAD;
    c->death = c->error;
    c->in_body = 0;
    return c->error.code;
}

pop3_code p3_enter(pop3 *c)
{
    p3_error_clear(&c->error);
    if (c->state == POP3_STATE_CLOSED)
        return p3_fail(c, POP3_ERROR_STATE, "not connected");
    if (c->state == POP3_STATE_DEAD)
        c->error = c->death;
    return c->error.code;
}

const char *p3_server_name(const pop3 *c)
{
    if (c->server_name)
        return c->server_name;
    return c->spec_name ? c->spec_name : c->host;
}

const char *p3_peer_name(const pop3 *c, char *buf, size_t size)
{
    int v6 = strchr(c->host, ':') != NULL;

    if (c->port)
        snprintf(buf, size, v6 ? "[%s]:%d" : "%s:%d", c->host, c->port);
    else
        snprintf(buf, size, "%s", c->host);
    return buf;
}

void p3_debug(pop3 *c, int level, int from_server, const char *line,
              size_t length)
{
    if (c->debug && c->debug_level >= level)
        c->debug(c->debug_arg, from_server, line, length);
}

/* ---- Replies ----------------------------------------------------------- */

static void start_clock(pop3 *c)
{
    c->stream.deadline_ms = c->command_timeout_ms > 0
                                ? p3_now_ms() + c->command_timeout_ms
                                : 0;
}

static pop3_code read_line(pop3 *c, uint64_t limit, struct p3_line *out)
{
    pop3_code rc = c->poplib ? p3_reader_poplib_line(&c->reader, limit, out)
                             : p3_reader_line(&c->reader, limit, out);

    if (rc && !(c->poplib && rc == POP3_ERROR_TOO_LONG))
        return p3_die(c);
    return rc;
}

pop3_code p3_read_line(pop3 *c, uint64_t limit, struct p3_line *out)
{
    pop3_code rc = read_line(c, limit, out);

    if (!rc && out->data)
        p3_debug(c, 2, 1, out->data, out->len);
    return rc;
}

struct p3_text p3_reply_rest(const pop3 *c)
{
    return (struct p3_text){p3_buf_text(&c->status) + c->text_at,
                            c->status.len - c->text_at};
}

/* Keeps a status line. */
static pop3_code keep_status(pop3 *c, const struct p3_line *line,
                             const struct p3_status *status)
{
    p3_buf_truncate(&c->status, 0);
    p3_buf_truncate(&c->resp_code, 0);
    c->text_at = 0;
    if (!p3_buf_add(&c->status, line->data, line->len) ||
        !p3_buf_add(&c->resp_code, status->code.data, status->code.len)) {
        p3_error_memory(&c->error);
        return p3_die(c);
    }
    if (status->text.data)
        c->text_at = (size_t)(status->text.data - line->data);
    return POP3_OK;
}

/* The challenge of a dialogue, which is a status line there alone. */
static int is_challenge(const pop3 *c, const struct p3_line *line,
                        struct p3_text *text)
{
    return c->first && c->first->verb.dialogue &&
           p3_reply_continuation(line->data, line->len, text);
}

/* Reads a status line and keeps it, whatever it is. *known: it is one. */
static pop3_code read_status(pop3 *c, struct p3_status *status,
                             struct p3_line *line, int *known)
{
    pop3_code rc;

    p3_reader_expect(&c->reader, P3_FRAMING_STATUS);
    rc = p3_read_line(c, c->limits[POP3_LIMIT_REPLY], line);
    if (rc)
        return rc;
    *known = 1;
    memset(status, 0, sizeof *status);
    c->challenged = is_challenge(c, line, &status->text);
    if (c->challenged)
        return keep_status(c, line, status);
    if (c->poplib)
        p3_reply_poplib_status(line->data, line->len, status);
    else
        *known = p3_reply_status(line->data, line->len, status);
    return keep_status(c, line, status);
}

static void begin_body(pop3 *c, const struct p3_verb *verb,
                       const struct p3_line *status_line)
{
    enum p3_framing framing = status_line->crlf ? P3_FRAMING_BODY_CRLF
                                                : P3_FRAMING_BODY_LF;

    p3_reader_expect(&c->reader, c->poplib ? P3_FRAMING_BODY_POPLIB : framing);
    c->in_body = 1;
    c->body_limit = verb->rows ? 0 : c->limits[POP3_LIMIT_BODY];
}

/* The only place where a reply changes the state. */
static void apply_effect(pop3 *c, const struct p3_verb *verb)
{
    int ok = !strncmp(c->status.data, "+OK", 3); /* to poplib, "+" is too */

    c->marked |= verb->marks;
    if (!verb->authenticates || verb->shape != POP3_SHORT || !ok)
        return;
    c->state = POP3_STATE_TRANSACTION;
    c->capa_stale = c->capa_state == P3_CAPA_KNOWN;
}

static pop3_code refused(pop3 *c, const char *what)
{
    const char *text = p3_reply_rest(c).data;

    return p3_fail(c, POP3_ERROR_PROTO, "%s refused: %s", what,
                   *text ? text : "the server gave no reason");
}

static pop3_code malformed(pop3 *c, const char *what)
{
    return p3_kill(c, POP3_ERROR_MALFORMED,
                   "%s: the reply is neither +OK nor -ERR: \"%.300s\"%s", what,
                   c->status.data,
                   c->pipelined ? ": a server that announces PIPELINING and "
                                  "answers out of step"
                                : "");
}

/* What a reply that was read comes to. rc: poplib's line too long is one. */
static pop3_code take_reply(pop3 *c, const struct p3_verb *verb,
                            const struct p3_status *status,
                            const struct p3_line *line, pop3_code rc, int known)
{
    if (rc && verb->dialogue) /* nobody knows whose turn it is */
        return p3_die(c);
    if (rc)
        return rc;
    if (!known)
        return malformed(c, verb->name);
    if (!status->ok)
        return refused(c, verb->name);
    apply_effect(c, verb);
    if (verb->shape == POP3_LONG)
        begin_body(c, verb, line);
    return POP3_OK;
}

/* Without memory for more there are still the replies to what was sent. */
static pop3_code let_go(pop3 *c)
{
    pop3_code rc = p3_let_go(c);

    if (rc == POP3_ERROR_MEMORY && c->in_flight) {
        p3_error_clear(&c->error);
        rc = POP3_OK;
    }
    return rc;
}

static pop3_code await_reply(pop3 *c, struct p3_verb *verb)
{
    struct p3_status status;
    struct p3_line line;
    pop3_code rc;
    int known = 0, unsent;

    if (!c->challenged) /* else AUTH goes on, on the clock that runs */
        start_clock(c);
    c->body_octets = 0;
    c->skipped = 0;
    rc = let_go(c);
    if (!rc)
        rc = read_status(c, &status, &line, &known);
    *verb = c->first->verb;
    if (!rc && c->challenged)
        return POP3_OK;
    /* So long a line is rather a message's than a reply. */
    if (rc == POP3_ERROR_TOO_LONG && c->state == POP3_STATE_DEAD)
        c->out_of_step = c->pipelined;
    unsent = c->first == c->unsent;
    p3_dequeue(c);
    if (c->state == POP3_STATE_DEAD || unsent)
        return rc;
    return take_reply(c, verb, &status, &line, rc, known);
}

/*
 * What the server says unasked would be taken for the answer to what is asked
 * next. poplib takes it so.
 */
pop3_code p3_settle(pop3 *c)
{
    pop3_code rc = c->in_body ? p3_skip_body(c) : POP3_OK;

    if (rc || c->in_flight || c->poplib || !p3_reader_waiting(&c->reader))
        return rc;
    return p3_kill(c, POP3_ERROR_MALFORMED,
                   "the server sent a reply that nothing asked for");
}

pop3_code p3_await(pop3 *c)
{
    struct p3_verb verb;
    pop3_code rc;

    do {
        rc = await_reply(c, &verb);
        if (!verb.absorb)
            return rc;
        verb.absorb(c, rc);
    } while (c->state != POP3_STATE_DEAD && !p3_settle(c));
    p3_dequeue(c); /* the caller's, behind the library's own */
    return c->error.code;
}

pop3_code p3_check_idle(pop3 *c)
{
    if (!c->outstanding)
        return POP3_OK;
    return p3_fail(c, POP3_ERROR_STATE,
                   "queued commands whose replies were not taken: %zu",
                   c->outstanding);
}

pop3_code p3_call(pop3 *c, const struct p3_verb *verb, const char *fmt, ...)
{
    va_list ap;
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_idle(c);
    if (!rc)
        rc = p3_settle(c);
    if (rc)
        return rc;
    c->challenged = 0;
    va_start(ap, fmt);
    rc = p3_vqueue(c, verb, fmt, ap);
    va_end(ap);
    return rc ? rc : p3_await(c);
}

pop3_code p3_answer(pop3 *c, const struct p3_buf *line)
{
    if (!p3_put_line(c, line->data, line->len)) {
        p3_dequeue(c);
        p3_error_memory(&c->error);
        return p3_die(c); /* the server waits for an answer */
    }
    p3_debug(c, 2, 0, "****", 4);
    return p3_await(c);
}

void p3_put_aside(pop3 *c, struct p3_said *said)
{
    said->status = c->status;
    said->resp_code = c->resp_code;
    said->text_at = c->text_at;
    said->error = c->error;
    p3_buf_init(&c->status, 0, 0);
    p3_buf_init(&c->resp_code, 0, 0);
    c->text_at = 0;
    p3_error_clear(&c->error);
}

void p3_forget_said(struct p3_said *said)
{
    p3_buf_release(&said->status);
    p3_buf_release(&said->resp_code);
}

void p3_take_back(pop3 *c, struct p3_said *said)
{
    p3_buf_release(&c->status);
    p3_buf_release(&c->resp_code);
    c->status = said->status;
    c->resp_code = said->resp_code;
    c->text_at = said->text_at;
    c->error = said->error;
}

/* ---- Dialogues --------------------------------------------------------- */

pop3_code p3_send_raw(pop3 *c, const char *line)
{
    pop3_code rc = p3_check_octets(c, "the line", line, strlen(line));

    if (rc)
        return rc;
    if (!p3_put_line(c, line, strlen(line)))
        return p3_error_memory(&c->error);
    start_clock(c);
    return p3_stream_push(&c->stream) ? p3_die(c) : POP3_OK;
}

pop3_code p3_read_raw(pop3 *c, struct p3_line *out)
{
    start_clock(c);
    p3_reader_expect(&c->reader, P3_FRAMING_STATUS);
    return read_line(c, c->limits[POP3_LIMIT_REPLY], out);
}

/* ---- Connecting -------------------------------------------------------- */

static void start_connect_clock(pop3 *c)
{
    int ms = c->connect_timeout_ms > 0 ? c->connect_timeout_ms : c->timeout_ms;

    c->stream.deadline_ms = ms > 0 ? p3_now_ms() + ms : 0;
}

static void forget_session(pop3 *c)
{
    p3_buf_truncate(&c->status, 0);
    p3_buf_truncate(&c->resp_code, 0);
    p3_buf_truncate(&c->welcome, 0);
    c->text_at = 0;
    c->body_octets = 0;
    c->skipped = 0;
    c->login_method[0] = '\0';
    c->utf8 = 0;
    c->window = c->window_commands;
    c->window_full = c->window_short = 0;
    c->marked = 0;
    c->pipelined = 0;
    c->out_of_step = 0;
}

static pop3_code begin(pop3 *c, const char *name, int port)
{
    p3_error_clear(&c->error);
    if (c->state != POP3_STATE_CLOSED)
        return p3_fail(c, POP3_ERROR_STATE,
                       "connected already: close it first");
    if (!name || !*name)
        return p3_fail(c, POP3_ERROR_ARGUMENT, "no host name");
    if (name[strcspn(name, "\r\n")])
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "the host name contains CR or LF");
    if (strlen(name) > P3_LONGEST_NAME)
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "a host name of more than %d octets", P3_LONGEST_NAME);
    if (port < 0 || port > 65535)
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "port %d is not between 1 and 65535", port);
    forget_session(c);
    free(c->spec_name);
    c->spec_name = c->next_spec_name;
    c->next_spec_name = NULL;
    free(c->host);
    c->host = NULL;
    c->port = port;
    return p3_idn_to_ascii(name, &c->error, &c->host);
}

static pop3_code keep_greeting(pop3 *c)
{
    struct p3_text stamp;

    c->greeted = 1;
    if (!p3_buf_add(&c->welcome, c->status.data, c->status.len))
        return p3_error_memory(&c->error);
    if (!p3_reply_challenge(c->status.data, c->status.len, &stamp))
        return POP3_OK;
    c->challenge = p3_strndup(stamp.data, stamp.len);
    return c->challenge ? POP3_OK : p3_error_memory(&c->error);
}

static pop3_code read_greeting(pop3 *c)
{
    struct p3_status status;
    struct p3_line line;
    char peer[300];
    pop3_code rc;
    int known;

    start_clock(c);
    rc = read_status(c, &status, &line, &known);
    if (!rc)
        rc = keep_greeting(c);
    if (rc)
        return rc;
    p3_peer_name(c, peer, sizeof peer);
    if (!known)
        return p3_fail(c, POP3_ERROR_MALFORMED, "%s: not a POP3 server: \"%s\"",
                       peer, c->status.data);
    return status.ok ? POP3_OK : refused(c, peer);
}

/* From a stream to a session in AUTHORIZATION state. */
static pop3_code open_session(pop3 *c, int tls)
{
    pop3_code rc = p3_reader_init(&c->reader, &c->stream);

    c->stream.timeout_ms = c->timeout_ms;
    c->state = POP3_STATE_AUTHORIZATION;
    if (!rc && tls)
        rc = p3_go_tls(c);
    return rc ? rc : read_greeting(c);
}

/* A session that could not be opened leaves nothing but what was said. */
static pop3_code opened(pop3 *c, pop3_code rc)
{
    return rc ? p3_close_keeping_error(c) : POP3_OK;
}

static pop3_code connect_tcp(pop3 *c, const char *host, int port, int tls)
{
    int fd;
    pop3_code rc = begin(c, host, port);

    if (rc)
        return rc;
    start_connect_clock(c);
    rc = p3_dial(c->host, port, c->stream.deadline_ms, &c->error, &fd);
    if (!rc)
        rc = p3_stream_open_fd(&c->stream, fd);
    if (!rc)
        rc = open_session(c, tls);
    return opened(c, rc);
}

pop3_code pop3_connect(pop3 *c, const char *host, int port)
{
    return connect_tcp(c, host, port ? port : POP3_PORT, 0);
}

pop3_code pop3_connect_ssl(pop3 *c, const char *host, int port)
{
    return connect_tcp(c, host, port ? port : POP3_SSL_PORT, 1);
}

pop3_code pop3_connect_fd(pop3 *c, int fd, const char *name, int tls)
{
    pop3_code rc = begin(c, name, 0);

    if (rc == POP3_ERROR_MEMORY)
        close(fd);
    if (rc)
        return rc;
    start_connect_clock(c);
    rc = p3_stream_open_fd(&c->stream, fd);
    if (!rc)
        rc = open_session(c, tls);
    return opened(c, rc);
}

pop3_code pop3_connect_stream(pop3 *c, const pop3_stream *stream, void *arg,
                              const char *name, int tls)
{
    pop3_code rc = begin(c, name, 0);

    if (rc == POP3_ERROR_MEMORY && stream->close)
        stream->close(arg);
    if (rc)
        return rc;
    start_connect_clock(c);
    p3_stream_open_io(&c->stream, stream, arg);
    return opened(c, open_session(c, tls));
}

void p3_forget_capas(pop3 *c)
{
    c->capa_state = P3_CAPA_UNKNOWN;
    c->capa_stale = 0;
    c->pipelining = 0;
    p3_buf_truncate(&c->capa_status, 0);
    p3_buf_truncate(&c->capa_text, 0);
}

static void forget_challenge(pop3 *c)
{
    free(c->challenge);
    c->challenge = NULL;
}

pop3_code p3_go_tls(pop3 *c)
{
    char peer[300];
    struct p3_tls_settings settings = {.ca_file = c->ca_file,
                                       .ca_path = c->ca_path,
                                       .cert = c->cert,
                                       .key = c->key,
                                       .verify = c->verify,
                                       .pin = c->pin,
                                       .floor = c->tls_floor,
                                       .passphrase = c->passphrase,
                                       .passphrase_arg = c->passphrase_arg,
                                       .cache = &c->tls_cache,
                                       .ctx = c->ctx};

    p3_forget_capas(c);
    forget_challenge(c);
    if (c->tls_stale) {
        p3_tls_cache_free(c->tls_cache);
        c->tls_cache = NULL;
        c->tls_stale = 0;
    }
    settings.peer = p3_peer_name(c, peer, sizeof peer);
    if (c->greeted) /* STLS; else the time of connecting runs already */
        start_connect_clock(c);
    if (p3_stream_start_tls(&c->stream, &settings, p3_server_name(c)))
        return p3_die(c);
    return POP3_OK;
}

/* ---- Life -------------------------------------------------------------- */

/*
 * In flight at first: a thousand messages in one round trip, and then their
 * deletions and QUIT in another. 64 MiB on their way fill a link of 100 MB/s and
 * 600 ms.
 */
enum { FIRST_WINDOW = 1024, WINDOW_OCTETS = 64 << 20 };

pop3 *pop3_new(void)
{
    pop3 *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    p3_stream_init(&c->stream, &c->error);
    p3_buf_init(&c->line, 0, 1);
    p3_buf_init(&c->status, 0, 0);
    p3_buf_init(&c->resp_code, 0, 0);
    p3_buf_init(&c->scratch, 0, 0);
    p3_buf_init(&c->local_user, 0, 0);
    p3_buf_init(&c->welcome, 0, 0);
    p3_buf_init(&c->capa_status, 0, 0);
    p3_buf_init(&c->capa_text, 0, 0);
    c->timeout_ms = 60000;
    c->verify = 1;
    c->stls = POP3_STLS_IF_OFFERED;
    c->tls_floor = POP3_TLS_1_2;
    c->window_commands = FIRST_WINDOW;
    c->window_octets = WINDOW_OCTETS;
    c->limits[POP3_LIMIT_REPLY] = 2048;
    c->limits[POP3_LIMIT_ROWS] = 1 << 20;
    c->limits[POP3_LIMIT_BAD_ROWS] = 1000;
    return c;
}

void pop3_close(pop3 *c)
{
    p3_stream_close(&c->stream);
    p3_error_clear(&c->error); /* of a goodbye that could not go, too */
    p3_reader_release(&c->reader);
    while (c->first)
        p3_dequeue(c);
    c->quitting = 0;
    c->capa_asked = 0;
    p3_forget_capas(c);
    forget_challenge(c);
    c->in_body = 0;
    c->challenged = 0;
    c->greeted = 0;
    c->state = POP3_STATE_CLOSED;
}

pop3_code p3_close_keeping_error(pop3 *c)
{
    struct p3_error error = c->error;

    pop3_close(c);
    c->error = error;
    return error.code;
}

void pop3_free(pop3 *c)
{
    if (!c)
        return;
    pop3_close(c);
    pop3_set_ssl_ctx(c, NULL);
    p3_stream_release(&c->stream);
    p3_buf_release(&c->line);
    p3_buf_release(&c->status);
    p3_buf_release(&c->resp_code);
    p3_buf_release(&c->scratch);
    p3_buf_release(&c->local_user);
    p3_buf_release(&c->welcome);
    p3_buf_release(&c->capa_status);
    p3_buf_release(&c->capa_text);
    p3_tls_cache_free(c->tls_cache);
    free(c->login_wanted);
    free(c->pin);
    free(c->ca_file);
    free(c->ca_path);
    free(c->cert);
    free(c->key);
    free(c->server_name);
    free(c->spec_name);
    free(c->host);
    free(c);
}
