/*
 * gsasl.c - the mechanisms that libgsasl brings: SCRAM and more
 * SPDX-License-Identifier: MIT
 *
 * The only file that knows libgsasl. It is compiled in where configure found
 * it; without it p3_gsasl_begin has nothing. What libgsasl does not prove (that
 * the server knows the password too, in SCRAM) is not taken for success.
 */
#include "sasl.h"

#if HAVE_GSASL

#include <ctype.h>
#include <gsasl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* A library handle and a session of it. */
struct gsasl {
    Gsasl *library;
    Gsasl_session *session;
    struct p3_mechanism mechanism; /* named as asked for */
    char name[64];
};

static int failed(struct p3_sasl *s, const char *name, int why)
{
    if (why == GSASL_MALLOC_ERROR)
        p3_error_memory(s->error);
    else
        p3_error_set(s->error, POP3_ERROR_UNSUPPORTED, "AUTH %s: %s", name,
                     gsasl_strerror(why));
    return 0;
}

/* A challenge that does not fit is the server's fault, or somebody's between. */
static int distrusted(struct p3_sasl *s, int why)
{
    p3_error_set(s->error, POP3_ERROR_MALFORMED,
                 "AUTH %s: the server's challenge is not to be trusted: %s",
                 s->mechanism->name, gsasl_strerror(why));
    return 0;
}

/* More would keep this side busy for minutes; servers have 4096 (RFC 7677, 4) to
 * a million. libgsasl takes any number. */
enum { MOST_ITERATIONS = 2000000 };

/* Whether SCRAM's first challenge, "r=...,s=...,i=4096", is over it. */
static int wants_too_much(struct p3_text left)
{
    while (left.len) {
        const char *comma = memchr(left.data, ',', left.len);
        size_t len = comma ? (size_t)(comma - left.data) : left.len;
        struct p3_text field = {left.data, len};
        uint64_t n;

        if (len > 2 && !memcmp(field.data, "i=", 2)) {
            field = (struct p3_text){left.data + 2, len - 2};
            if (!p3_reply_number(&field, &n) || n > MOST_ITERATIONS)
                return 1;
        }
        len += comma != NULL;
        left = (struct p3_text){left.data + len, left.len - len};
    }
    return 0;
}

static int step(struct p3_sasl *s, struct p3_text challenge, struct p3_buf *out)
{
    struct gsasl *g = s->state;
    char *response = NULL;
    size_t len = 0;
    int why, ok;

    if (!strncmp(g->name, "SCRAM-", 6) && wants_too_much(challenge)) {
        p3_error_set(s->error, POP3_ERROR_MALFORMED,
                     "AUTH %s: an iteration count that cannot be", g->name);
        return 0;
    }
    why = gsasl_step(g->session, challenge.data, challenge.len, &response,
                     &len);
    s->incomplete = why != GSASL_OK;
    if (why == GSASL_MALLOC_ERROR)
        return failed(s, g->name, why);
    /* Nothing was heard of the server yet: it is this side that cannot. */
    if (why != GSASL_OK && why != GSASL_NEEDS_MORE && !s->steps &&
        s->mechanism->client_first)
        return failed(s, g->name, why);
    if (why != GSASL_OK && why != GSASL_NEEDS_MORE)
        return distrusted(s, why);
    ok = p3_buf_add(out, response ? response : "", len);
    gsasl_free(response);
    if (!ok)
        p3_error_memory(s->error);
    return ok;
}

/* libgsasl frees what it copied without wiping it. */
static void wipe(Gsasl_session *session)
{
    const char *password = gsasl_property_fast(session, GSASL_PASSWORD);

    if (password)
        OPENSSL_cleanse((char *)(uintptr_t)password, strlen(password));
}

static void end(struct p3_sasl *s)
{
    struct gsasl *g = s->state;

    if (g->session) {
        wipe(g->session);
        gsasl_finish(g->session);
    }
    if (g->library)
        gsasl_done(g->library);
    free(g);
    s->state = NULL;
}

static int set(struct gsasl *g, Gsasl_property what, const char *value)
{
    return value ? gsasl_property_set(g->session, what, value) : GSASL_OK;
}

/* Who, where, and, under TLS, what ties the login to this very session. */
static int describe(struct gsasl *g, const struct p3_sasl_login *login)
{
    int exporter = login->binding_name &&
                   !strcmp(login->binding_name, "tls-exporter");
    int why = set(g, GSASL_AUTHID, login->user);

    if (!why)
        why = set(g, GSASL_PASSWORD, login->password);
    if (!why)
        why = set(g, GSASL_SERVICE, "pop");
    if (!why)
        why = set(g, GSASL_HOSTNAME, login->host);
    if (!why)
        why = set(g, exporter ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
                  login->binding);
    return why;
}

static int start(struct p3_sasl *s, struct gsasl *g)
{
    int why = gsasl_init(&g->library);

    if (why)
        return failed(s, g->name, why);
    if (!gsasl_client_support_p(g->library, g->name))
        return 0; /* no error: there is no such mechanism */
    why = gsasl_client_start(g->library, g->name, &g->session);
    if (!why)
        why = describe(g, &s->login);
    return why ? failed(s, g->name, why) : 1;
}

/* Names in capitals, as libgsasl has them. */
static void copy_name(struct gsasl *g, const char *name)
{
    size_t i;

    for (i = 0; name[i] && i + 1 < sizeof g->name; i++)
        g->name[i] = (char)toupper((unsigned char)name[i]);
    if (name[i])
        g->name[0] = '\0'; /* longer than any */
}

int p3_gsasl_has(const char *name)
{
    struct gsasl g = {.library = NULL};
    int has;

    copy_name(&g, name);
    if (gsasl_init(&g.library) != GSASL_OK)
        return 0;
    has = gsasl_client_support_p(g.library, g.name);
    gsasl_done(g.library);
    return has;
}

/* These prove that they know the password; whatever else libgsasl has may as
 * well send it. */
static int is_proving(const char *name)
{
    return !strncmp(name, "SCRAM-", 6) || !strncmp(name, "GS2-", 4) ||
           !strcmp(name, "GSSAPI") || !strcmp(name, "DIGEST-MD5");
}

/* Whoever speaks first in it (RFC 5802, RFC 4752, RFC 2831). */
static int is_client_first(const char *name)
{
    return strncmp(name, "DIGEST-", 7) != 0 && strncmp(name, "CRAM-", 5) != 0;
}

int p3_gsasl_begin(struct p3_sasl *s, const char *name)
{
    struct gsasl *g = calloc(1, sizeof *g);

    if (!g) {
        p3_error_memory(s->error);
        return 0;
    }
    copy_name(g, name);
    g->mechanism = (struct p3_mechanism){
        .name = g->name,
        .reveals = !is_proving(g->name),
        .client_first = is_client_first(g->name),
        .step = step,
        .end = end};
    s->mechanism = &g->mechanism;
    s->state = g;
    s->incomplete = 1;
    if (start(s, g))
        return 1;
    end(s);
    s->mechanism = NULL;
    return 0;
}

#else

int p3_gsasl_has(const char *name)
{
    (void)name;
    return 0;
}

int p3_gsasl_begin(struct p3_sasl *s, const char *name)
{
    (void)s;
    (void)name;
    return 0;
}

#endif
