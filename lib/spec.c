/*
 * spec.c - a specification: where to connect, and as whom
 * SPDX-License-Identifier: MIT
 *
 * Owns the grammar [tcp:|ssl:|stls:][user@][tcp_host!]server_name[:port], and
 * what an account of the netrc file stands for. Knows no connection. Not here:
 * which entry has the password (netrc.c), connecting (open.c).
 */
#include "spec.h"

#include <stdlib.h>
#include <string.h>

/* A run of the text. at NULL: not given. */
struct part {
    const char *at;
    size_t len;
};

struct parts {
    pop3_mode mode;
    struct part user;
    struct part tcp_host;
    struct part server_name;
    struct part account;
    int port;            /* 0: not given */
    const char *machine; /* of the netrc entry that gave all this */
};

static const struct {
    const char *prefix;
    pop3_mode mode;
    int port;
} modes[] = {
    {"ssl:", POP3_MODE_SSL, POP3_SSL_PORT},
    {"stls:", POP3_MODE_STLS, POP3_PORT},
    {"tcp:", POP3_MODE_TCP, POP3_PORT},
};

enum { MODES = sizeof modes / sizeof *modes };

/* ---- Pieces ------------------------------------------------------------ */

static struct part whole(const char *text)
{
    return (struct part){text, strlen(text)};
}

static int has(struct part p, char ch)
{
    return p.len && memchr(p.at, ch, p.len) != NULL;
}

static int is_control(char ch)
{
    return (unsigned char)ch < 0x20 || ch == 0x7F;
}

static int has_control(struct part p)
{
    size_t i;

    for (i = 0; i < p.len; i++)
        if (is_control(p.at[i]))
            return 1;
    return 0;
}

/* What stands before the last ch of rest, taken off it with that ch; at NULL
 * where there is none. */
static struct part take_before_last(struct part *rest, char ch)
{
    struct part before = {NULL, 0};
    size_t i = rest->len;

    while (i && rest->at[i - 1] != ch)
        i--;
    if (!i)
        return before;
    before = (struct part){rest->at, i - 1};
    *rest = (struct part){rest->at + i, rest->len - i};
    return before;
}

/* A strict number, 1 to 65535: digits alone. 0: it is none. */
static int parse_port(struct part digits)
{
    int n = 0;
    size_t i;

    for (i = 0; i < digits.len && n <= 65535; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return 0;
        n = n * 10 + (digits.at[i] - '0');
    }
    return n <= 65535 ? n : 0;
}

/* ---- Hosts: each says what is wrong, NULL for nothing ------------------ */

/* A name, an IPv4 address, or what stands in brackets. */
static const char *bad_host(struct part host)
{
    size_t i;

    if (!host.len)
        return "a host name is missing";
    for (i = 0; i < host.len; i++)
        if (strchr(" !@[]/\\\"", host.at[i]))
            return "a host name with a character that none has";
    return NULL;
}

static const char *bad_bracketed(struct part inside)
{
    if (!has(inside, ':'))
        return "only an IPv6 address stands in brackets";
    return bad_host(inside);
}

/* Takes "[::1]" off rest. */
static const char *take_bracketed(struct part *rest, struct part *host)
{
    const char *close = memchr(rest->at, ']', rest->len);

    if (!close)
        return "the closing bracket is missing";
    *host = (struct part){rest->at + 1, (size_t)(close - rest->at) - 1};
    rest->len -= host->len + 2;
    rest->at = close + 1;
    return bad_bracketed(*host);
}

/* Takes a host off rest, up to the colon of a port. */
static const char *take_host(struct part *rest, struct part *host)
{
    const char *colon;

    if (rest->len && *rest->at == '[')
        return take_bracketed(rest, host);
    colon = rest->len ? memchr(rest->at, ':', rest->len) : NULL;
    *host = *rest;
    if (colon)
        host->len = (size_t)(colon - rest->at);
    rest->at += host->len;
    rest->len -= host->len;
    if (has(*rest, ':') && memchr(rest->at + 1, ':', rest->len - 1))
        return "an IPv6 address stands in brackets, as in [::1]:110";
    return bad_host(*host);
}

/* A host and nothing behind it. */
static const char *take_tcp_host(struct part text, struct part *host)
{
    const char *why = take_host(&text, host);

    if (!why && text.len)
        return "a port stands at the end alone, not before the \"!\"";
    return why;
}

static const char *take_port(struct part rest, int *port)
{
    if (!rest.len)
        return NULL;
    if (*rest.at != ':')
        return "only \":\" and a port may follow the bracket";
    *port = parse_port((struct part){rest.at + 1, rest.len - 1});
    return *port ? NULL : "the port is not a number from 1 to 65535";
}

/* [user@][tcp_host!]server_name[:port] */
static const char *parse_address(struct part text, struct parts *p)
{
    const char *why = NULL;
    struct part first;

    if (has_control(text))
        return "a control character";
    p->user = take_before_last(&text, '@');
    if (p->user.at && !p->user.len)
        return "the user before the \"@\" is missing";
    first = take_before_last(&text, '!');
    if (first.at)
        why = take_tcp_host(first, &p->tcp_host);
    if (!why)
        why = take_host(&text, &p->server_name);
    return why ? why : take_port(text, &p->port);
}

/* ---- Accounts ---------------------------------------------------------- */

/* The host of an account of the form user@host is the server's name, unless
 * machine itself has one beside the host to connect to. */
static void apply_account(const char *account, struct parts *p)
{
    struct part host = whole(account);
    struct part user = take_before_last(&host, '@');

    if (!user.len || bad_host(host) || has(host, ':'))
        return;
    if (!p->user.at)
        p->user = user;
    if (!p->tcp_host.at) {
        p->tcp_host = p->server_name;
        p->server_name = host;
    }
}

static const char *parse_account(const pop3_netrc_entry *entry, struct parts *p)
{
    const char *why;

    if (!entry->machine)
        return "the netrc entry of this account has no machine";
    p->machine = entry->machine;
    why = parse_address(whole(entry->machine), p);
    if (why)
        return why;
    p->account = whole(entry->account);
    if (!p->user.at && entry->login && *entry->login)
        p->user = whole(entry->login);
    apply_account(entry->account, p);
    return has_control(p->user) || has_control(p->server_name)
               ? "a control character in its netrc entry"
               : NULL;
}

/* ---- The result -------------------------------------------------------- */

/* One block: the specification, and its strings behind it. */
struct block {
    pop3_spec spec;
    char text[];
};

/* Copies a part to *to, which goes on behind it; NULL where it is not given. */
static const char *store(char **to, struct part p)
{
    char *copy = *to;

    if (!p.at)
        return NULL;
    memcpy(copy, p.at, p.len);
    copy[p.len] = '\0';
    *to += p.len + 1;
    return copy;
}

static struct block *build(const struct parts *p)
{
    struct block *b = malloc(sizeof *b + p->user.len + p->tcp_host.len +
                             p->server_name.len + p->account.len + 4);
    char *to;

    if (!b)
        return NULL;
    to = b->text;
    b->spec.mode = p->mode;
    b->spec.port = p->port;
    b->spec.user = store(&to, p->user);
    b->spec.server_name = store(&to, p->server_name);
    b->spec.tcp_host = p->tcp_host.at ? store(&to, p->tcp_host)
                                      : b->spec.server_name;
    b->spec.account = store(&to, p->account);
    return b;
}

/* The mode of the prefix, TLS where there is none; and the text behind it. */
static const char *take_mode(const char *text, size_t *mode)
{
    size_t i;

    for (i = 0; i < MODES; i++) {
        size_t n = strlen(modes[i].prefix);

        if (strncmp(text, modes[i].prefix, n) == 0) {
            *mode = i;
            return text + n;
        }
    }
    *mode = 0;
    return text;
}

static const char *parse(const char *text, const pop3_netrc *netrc,
                         struct parts *p)
{
    const pop3_netrc_entry *entry = pop3_netrc_account(netrc, text);

    return entry && *text ? parse_account(entry, p)
                          : parse_address(whole(text), p);
}

static pop3_code refuse(struct p3_error *e, const char *text,
                        const char *machine, const char *why)
{
    if (!machine)
        return p3_error_set(e, POP3_ERROR_ARGUMENT, "\"%.300s\": %s", text,
                            why);
    return p3_error_set(e, POP3_ERROR_ARGUMENT,
                        "\"%.100s\", the netrc machine \"%.200s\": %s", text,
                        machine, why);
}

pop3_code p3_spec_parse(const char *text, const pop3_netrc *netrc,
                        struct p3_error *e, pop3_spec **out)
{
    struct parts p;
    struct block *b;
    const char *why;
    size_t mode;

    memset(&p, 0, sizeof p);
    why = parse(take_mode(text, &mode), netrc, &p);
    if (why)
        return refuse(e, text, p.machine, why);
    p.mode = modes[mode].mode;
    if (!p.port)
        p.port = modes[mode].port;
    b = build(&p);
    if (!b)
        return p3_error_memory(e);
    *out = &b->spec;
    return POP3_OK;
}

/* The specification is its block's first member. */
void pop3_spec_free(pop3_spec *spec)
{
    free(spec);
}
