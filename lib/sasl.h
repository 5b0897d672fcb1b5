/*
 * sasl.h - SASL mechanisms as functions from challenge to response
 * SPDX-License-Identifier: MIT
 *
 * Layer 6. A mechanism knows no connection: challenges come decoded, responses
 * go out to be encoded; the dialogue of AUTH is auth.c's.
 */
#ifndef P3_SASL_H
#define P3_SASL_H

#include "buf.h"
#include "reply.h"

#pragma GCC visibility push(hidden)

/* As whom, and where: what a response is made of. Belongs to the caller. */
struct p3_sasl_login {
    const char *user;
    const char *password; /* or the token */
    const char *host;
    int port;
    const char *binding_name; /* "tls-exporter", "tls-unique", or NULL */
    const char *binding;      /* its data in base64 */
};

struct p3_mechanism;

/* A dialogue under way. */
struct p3_sasl {
    const struct p3_mechanism *mechanism;
    struct p3_sasl_login login;
    int steps;      /* responses given */
    int incomplete; /* the server has not proved itself yet */
    void *state;    /* the mechanism's own */
    struct p3_error *error;
};

struct p3_mechanism {
    const char *name;
    int reveals;      /* a password, or a token that is as good as one */
    int client_first; /* there is a response without a challenge */
    int waits;        /* which goes out only when it is asked for */
    /* The next response into out. 0: error is set, and AUTH is cancelled. */
    int (*step)(struct p3_sasl *s, struct p3_text challenge,
                struct p3_buf *out);
    void (*end)(struct p3_sasl *s); /* frees state; NULL: none */
};

/* The built-in mechanism of that name, whatever its case; NULL: none. */
const struct p3_mechanism *p3_sasl_find(const char *name);

/* What an OAuth mechanism was told went wrong, JSON; NULL: nothing. Belongs to
 * s. */
const char *p3_sasl_complaint(const struct p3_sasl *s);

/* Begins a dialogue with libgsasl, where it is built in: 1. 0: it lacks the
 * mechanism; s->error is set where it failed otherwise. */
int p3_gsasl_begin(struct p3_sasl *s, const char *name);

/* Whether libgsasl is built in and has the mechanism. */
int p3_gsasl_has(const char *name);

/* Strict base64 (RFC 4648, 4), of any length. 0: out of memory or malformed. */
int p3_base64_encode(const char *data, size_t len, struct p3_buf *out);
int p3_base64_decode(struct p3_text text, struct p3_buf *out);

#pragma GCC visibility pop

#endif
