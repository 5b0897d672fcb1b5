/*
 * settings.c - what a caller sets on a connection, and may ask of it
 * SPDX-License-Identifier: MIT
 *
 * Owns the pop3_set_ functions and the accessors. They only store and tell:
 * what a setting does stands where it is used.
 */
#include "conn.h"
#include "idn.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *pop3_version(void)
{
    return POP3_VERSION;
}

/* ---- Settings ---------------------------------------------------------- */

void pop3_set_timeout(pop3 *c, int ms)
{
    c->timeout_ms = ms;
    c->stream.timeout_ms = ms;
}

void pop3_set_connect_timeout(pop3 *c, int ms)
{
    c->connect_timeout_ms = ms;
}

void pop3_set_command_timeout(pop3 *c, int ms)
{
    c->command_timeout_ms = ms;
}

pop3_code pop3_set_limit(pop3 *c, pop3_limit which, uint64_t n)
{
    p3_error_clear(&c->error);
    if ((size_t)which >= P3_LIMITS)
        return p3_fail(c, POP3_ERROR_ARGUMENT, "no limit %d", (int)which);
    c->limits[which] = n;
    return POP3_OK;
}

pop3_code pop3_set_window(pop3 *c, size_t commands, uint64_t octets)
{
    p3_error_clear(&c->error);
    if (!commands || commands > P3_LARGEST_WINDOW)
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "a window of %zu commands is not between 1 and %d",
                       commands, P3_LARGEST_WINDOW);
    c->window = c->window_commands = commands;
    c->window_octets = octets;
    c->window_full = c->window_short = 0; /* as it was before */
    return POP3_OK;
}

/* Keeps a copy of value, or NULL. */
static pop3_code set_string(pop3 *c, char **where, const char *value)
{
    char *copy = value ? p3_strdup(value) : NULL;

    p3_error_clear(&c->error);
    if (value && !copy)
        return p3_error_memory(&c->error);
    free(*where);
    *where = copy;
    return POP3_OK;
}

/* The same for TLS: what was made by the old setting is of no use any more. */
static pop3_code set_tls_string(pop3 *c, char **where, const char *value)
{
    c->tls_stale = 1;
    return set_string(c, where, value);
}

pop3_code pop3_set_ca_file(pop3 *c, const char *path)
{
    return set_tls_string(c, &c->ca_file, path);
}

pop3_code pop3_set_ca_path(pop3 *c, const char *path)
{
    return set_tls_string(c, &c->ca_path, path);
}

pop3_code pop3_set_cert(pop3 *c, const char *chain, const char *key)
{
    pop3_code rc = set_tls_string(c, &c->cert, chain);

    return rc ? rc : set_tls_string(c, &c->key, key);
}

void pop3_set_passphrase(pop3 *c, pop3_passphrase_callback callback, void *arg)
{
    c->tls_stale = 1;
    c->passphrase = callback;
    c->passphrase_arg = arg;
}

void pop3_set_verify(pop3 *c, int verify)
{
    c->tls_stale = 1;
    c->verify = verify;
}

/* "sha256//" and the 44 digits of a SHA-256 in base64, one or several. */
static int is_pin_list(const char *pins)
{
    static const char prefix[] = "sha256//";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { DIGITS = 43 };

    for (;; pins++) {
        if (strncmp(pins, prefix, sizeof prefix - 1) != 0)
            return 0;
        pins += sizeof prefix - 1;
        if (strspn(pins, digits) != DIGITS || pins[DIGITS] != '=')
            return 0;
        pins += DIGITS + 1;
        if (*pins != ';')
            return !*pins;
    }
}

pop3_code pop3_set_pin(pop3 *c, const char *pins)
{
    p3_error_clear(&c->error);
    if (pins && !is_pin_list(pins))
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "a pin is sha256// and a SHA-256 in base64");
    return set_tls_string(c, &c->pin, pins);
}

pop3_code pop3_set_tls_floor(pop3 *c, pop3_tls_version version)
{
    p3_error_clear(&c->error);
    if ((size_t)version > POP3_TLS_1_3)
        return p3_fail(c, POP3_ERROR_ARGUMENT, "no version %d of TLS",
                       (int)version);
    c->tls_stale = 1;
    c->tls_floor = version;
    return POP3_OK;
}

pop3_code pop3_set_server_name(pop3 *c, const char *name)
{
    char *ascii = NULL;

    p3_error_clear(&c->error);
    if (name && (!*name || strlen(name) > P3_LONGEST_NAME))
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "a server's name has 1 to %d octets", P3_LONGEST_NAME);
    if (name && p3_idn_to_ascii(name, &c->error, &ascii))
        return c->error.code;
    free(c->server_name);
    c->server_name = ascii;
    return POP3_OK;
}

void pop3_set_ssl_ctx(pop3 *c, struct ssl_ctx_st *ctx)
{
    if (ctx)
        p3_tls_ctx_hold(ctx);
    p3_tls_ctx_drop(c->ctx);
    c->ctx = ctx;
}

void pop3_set_stls(pop3 *c, pop3_stls_policy policy)
{
    c->stls = policy;
}

void pop3_set_use_capa(pop3 *c, int use)
{
    c->no_capa = !use;
}

void pop3_set_allow_insecure_login(pop3 *c, int allow)
{
    c->allow_insecure = allow;
}

void pop3_set_poplib_rules(pop3 *c, int on)
{
    c->poplib = on;
}

void pop3_set_debug(pop3 *c, pop3_debug_sink sink, void *arg)
{
    c->debug = sink;
    c->debug_arg = arg;
}

void pop3_set_debuglevel(pop3 *c, int level)
{
    c->debug_level = level;
}

/* ---- Accessors --------------------------------------------------------- */

const char *pop3_error(const pop3 *c)
{
    return c->error.text;
}

pop3_code pop3_error_code(const pop3 *c)
{
    return c->error.code;
}

static const char *text_of(const struct p3_buf *b, size_t at, size_t *length)
{
    if (length)
        *length = b->len - at;
    return p3_buf_text(b) + at;
}

const char *pop3_reply(const pop3 *c, size_t *length)
{
    return text_of(&c->status, 0, length);
}

const char *pop3_reply_text(const pop3 *c, size_t *length)
{
    return text_of(&c->status, c->text_at, length);
}

const char *pop3_resp_code(const pop3 *c)
{
    return p3_buf_text(&c->resp_code);
}

/* By level: "SYS/TEMP/FULL" is a detail of "SYS/TEMP". */
static int is_code(const char *code, const char *name)
{
    size_t n = strlen(name);

    return !strncasecmp(code, name, n) && (!code[n] || code[n] == '/');
}

pop3_resp_kind pop3_resp(const pop3 *c)
{
    static const struct {
        const char *name;
        pop3_resp_kind kind;
    } codes[] = {
        {"IN-USE", POP3_RESP_IN_USE},
        {"LOGIN-DELAY", POP3_RESP_LOGIN_DELAY},
        {"SYS/TEMP", POP3_RESP_SYS_TEMP},
        {"SYS/PERM", POP3_RESP_SYS_PERM},
        {"AUTH", POP3_RESP_AUTH},
        {"UTF8", POP3_RESP_UTF8},
    };
    const char *code = pop3_resp_code(c);
    size_t i;

    for (i = 0; i < sizeof codes / sizeof *codes; i++)
        if (is_code(code, codes[i].name))
            return codes[i].kind;
    return *code ? POP3_RESP_UNKNOWN : POP3_RESP_NONE;
}

const char *pop3_getwelcome(const pop3 *c, size_t *length)
{
    return text_of(&c->welcome, 0, length);
}

const char *pop3_challenge(const pop3 *c)
{
    return c->challenge;
}

pop3_conn_state pop3_state(const pop3 *c)
{
    return c->state;
}

int pop3_out_of_step(const pop3 *c)
{
    return c->out_of_step;
}

pop3_await pop3_awaiting(const pop3 *c)
{
    const struct p3_command *command = c->first;

    if (c->state == POP3_STATE_CLOSED || c->state == POP3_STATE_DEAD)
        return POP3_AWAITING_NOTHING;
    if (!c->greeted)
        return POP3_AWAITING_GREETING;
    if (c->in_body)
        return POP3_AWAITING_BODY;
    while (command && command->verb.absorb) /* is nobody else's */
        command = command->next;
    if (!command)
        return POP3_AWAITING_NOTHING;
    return command->verb.shape == POP3_LONG ? POP3_AWAITING_LONG
                                            : POP3_AWAITING_SHORT;
}

size_t pop3_pending(const pop3 *c)
{
    return c->outstanding;
}

int pop3_is_tls(const pop3 *c)
{
    return p3_stream_is_tls(&c->stream);
}

int pop3_fd(const pop3 *c)
{
    return p3_stream_fd(&c->stream);
}

uint64_t pop3_skipped(const pop3 *c)
{
    return c->skipped;
}

uint64_t pop3_body_octets(const pop3 *c)
{
    return c->body_octets;
}

const char *pop3_login_method(const pop3 *c)
{
    return c->login_method;
}
