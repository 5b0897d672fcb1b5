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
#include <openssl/evp.h>
#include <stdio.h>
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

static int is_scram(const struct gsasl *g)
{
    return !strncmp(g->name, "SCRAM-", 6);
}

static int set(struct gsasl *g, Gsasl_property what, const char *value)
{
    return value ? gsasl_property_set(g->session, what, value) : GSASL_OK;
}

/* ---- SCRAM's salted password ------------------------------------------- */

/* More would keep this side busy for minutes; servers have 4096 (RFC 7677, 4) to
 * a million. libgsasl takes any number. */
enum { MOST_ITERATIONS = 2000000 };

/* The value of "k=" in SCRAM's "r=...,s=...,i=4096"; data NULL: not there. */
static struct p3_text field(struct p3_text left, char key)
{
    while (left.len) {
        const char *comma = memchr(left.data, ',', left.len);
        size_t len = comma ? (size_t)(comma - left.data) : left.len;

        if (len > 2 && left.data[0] == key && left.data[1] == '=')
            return (struct p3_text){left.data + 2, len - 2};
        len += comma != NULL;
        left = (struct p3_text){left.data + len, left.len - len};
    }
    return (struct p3_text){NULL, 0};
}

/* What SASLprep (RFC 4013) leaves as it is. */
static int is_plain_ascii(const char *s)
{
    for (; *s; s++)
        if (*s < 0x20 || *s > 0x7E)
            return 0;
    return 1;
}

static int set_salted(struct p3_sasl *s, const struct p3_buf *salt,
                      uint64_t iterations)
{
    struct gsasl *g = s->state;
    const EVP_MD *md = strstr(g->name, "SHA-256") ? EVP_sha256() : EVP_sha1();
    const char *password = s->login.password;
    unsigned char key[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    int size = EVP_MD_get_size(md);
    int why, i;

    if (!PKCS5_PBKDF2_HMAC(password, (int)strlen(password),
                           (const unsigned char *)salt->data, (int)salt->len,
                           (int)iterations, md, size, key))
        return GSASL_CRYPTO_ERROR;
    for (i = 0; i < size; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", key[i]);
    why = set(g, GSASL_SCRAM_SALTED_PASSWORD, hex);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(hex, sizeof hex);
    return why;
}

/*
 * Takes the salt and the count of the first challenge. libgsasl would leave
 * copies of a password behind, so it is given the salted one; but for what
 * SASLprep might change, which takes tables that it has.
 */
static int salt_password(struct p3_sasl *s, struct p3_text challenge)
{
    struct p3_text count = field(challenge, 'i');
    struct p3_buf salt;
    uint64_t n;
    int why = GSASL_OK;

    if (!count.data)
        return GSASL_OK;
    if (!p3_reply_number(&count, &n) || !n || n > MOST_ITERATIONS)
        return GSASL_MECHANISM_PARSE_ERROR;
    if (!is_plain_ascii(s->login.password))
        return set(s->state, GSASL_PASSWORD, s->login.password);
    p3_buf_init(&salt, 0, 0);
    if (p3_base64_decode(field(challenge, 's'), &salt) && salt.len)
        why = set_salted(s, &salt, n);
    else
        why = GSASL_MECHANISM_PARSE_ERROR;
    p3_buf_release(&salt);
    return why;
}

/* ---- A step ------------------------------------------------------------ */

static int step(struct p3_sasl *s, struct p3_text challenge, struct p3_buf *out)
{
    struct gsasl *g = s->state;
    char *response = NULL;
    size_t len = 0;
    int why, ok;

    why = is_scram(g) ? salt_password(s, challenge) : GSASL_OK;
    if (!why)
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
static void wipe(Gsasl_session *session, Gsasl_property what)
{
    const char *secret = gsasl_property_fast(session, what);

    if (secret)
        OPENSSL_cleanse((char *)(uintptr_t)secret, strlen(secret));
}

static void end(struct p3_sasl *s)
{
    struct gsasl *g = s->state;

    if (g->session) {
        wipe(g->session, GSASL_PASSWORD);
        wipe(g->session, GSASL_SCRAM_SALTED_PASSWORD);
        gsasl_finish(g->session);
    }
    if (g->library)
        gsasl_done(g->library);
    free(g);
    s->state = NULL;
}

/* Who, where, and, under TLS, what ties the login to this very session. */
static int describe(struct gsasl *g, const struct p3_sasl_login *login)
{
    int exporter = login->binding_name &&
                   !strcmp(login->binding_name, "tls-exporter");
    int why = set(g, GSASL_AUTHID, login->user);

    if (!why && !is_scram(g))
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
