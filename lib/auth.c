/*
 * auth.c - logging in, and STLS before it
 * SPDX-License-Identifier: MIT
 *
 * Owns USER, PASS, APOP, RPOP, STLS and the policy of pop3_login. Everything
 * that reveals a password asks may_reveal first. To add a way to log in: the
 * table of ways, pop3.h, the manual.
 */
#include "listing.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

static const struct p3_verb USER = {.name = "USER"};
static const struct p3_verb PASS = {.name = "PASS", .authenticates = 1};
static const struct p3_verb APOP = {.name = "APOP", .authenticates = 1};
static const struct p3_verb RPOP = {.name = "RPOP"};
static const struct p3_verb STLS = {.name = "STLS"};

/* ---- The commands ---------------------------------------------------------------- */

static int may_reveal(const pop3 *c)
{
    return c->allow_insecure || p3_stream_is_private(&c->stream);
}

static pop3_code insecure(pop3 *c, const char *what)
{
    char peer[300];

    return p3_fail(c, POP3_ERROR_INSECURE,
                   "%s: %s would reveal the password on a link that is not "
                   "encrypted",
                   p3_peer_name(c, peer, sizeof peer), what);
}

pop3_code pop3_user(pop3 *c, const char *name)
{
    return p3_call(c, &USER, "%s", name);
}

pop3_code pop3_pass(pop3 *c, const char *password)
{
    pop3_code rc = p3_enter(c);

    if (rc)
        return rc;
    if (!may_reveal(c))
        return insecure(c, "PASS");
    return p3_call(c, &PASS, "%s", password);
}

pop3_code pop3_rpop(pop3 *c, const char *user)
{
    return p3_call(c, &RPOP, "%s", user);
}

pop3_code pop3_apop_digest(pop3 *c, const char *user, const char *digest)
{
    return p3_call(c, &APOP, "%s %s", user, digest);
}

/* MD5 of the timestamp and the password, in hexadecimal (RFC 1939, 7). */
static int apop_digest(const char *stamp, const char *password, char hex[33])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0, i;
    int ok = md && EVP_DigestInit_ex(md, EVP_md5(), NULL) &&
             EVP_DigestUpdate(md, stamp, strlen(stamp)) &&
             EVP_DigestUpdate(md, password, strlen(password)) &&
             EVP_DigestFinal_ex(md, digest, &len);

    EVP_MD_CTX_free(md);
    for (i = 0; ok && i < len && i < 16; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[32] = '\0';
    return ok && len == 16;
}

pop3_code pop3_apop(pop3 *c, const char *user, const char *password)
{
    char hex[33];
    pop3_code rc = p3_enter(c);

    if (rc)
        return rc;
    if (!c->challenge)
        return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                       "APOP: the greeting has no timestamp");
    if (!apop_digest(c->challenge, password, hex))
        return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                       "APOP: OpenSSL does not do MD5 here");
    return pop3_apop_digest(c, user, hex);
}

/*
 * Bytes behind the reply came in clear: somebody on the way put them there, to
 * be read as if they had come through TLS. poplib drops them.
 */
pop3_code pop3_stls(pop3 *c)
{
    int offered;
    pop3_code rc = p3_enter(c);

    if (rc)
        return rc;
    if (c->stream.is_tls)
        return p3_fail(c, POP3_ERROR_STATE, "under TLS already");
    rc = p3_offers(c, "STLS", &offered);
    if (!rc && !offered)
        return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                       "the server does not offer STLS");
    if (!rc)
        rc = p3_call(c, &STLS, NULL);
    if (rc)
        return rc;
    if (c->poplib)
        p3_reader_drop(&c->reader);
    if (p3_reader_waiting(&c->reader))
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "STLS: bytes came in clear behind its reply: somebody "
                       "is between here and the server");
    return p3_go_tls(c);
}

/* ---- The policy ---------------------------------------------------------------------- */

static pop3_code log_in_by_user(pop3 *c, const char *user, const char *password)
{
    pop3_code rc;

    if (!may_reveal(c))
        return insecure(c, "USER and PASS");
    rc = pop3_user(c, user);
    return rc ? rc : pop3_pass(c, password);
}

struct way {
    const char *name;
    pop3_code (*log_in)(pop3 *c, const char *user, const char *password);
};

static const struct way ways[] = {
    {"USER", log_in_by_user},
    {"APOP", pop3_apop},
};

static const struct way *find_way(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcasecmp(ways[i].name, name))
            return &ways[i];
    return NULL;
}

pop3_code pop3_set_login_method(pop3 *c, const char *method)
{
    const struct way *way = method ? find_way(method) : NULL;

    p3_error_clear(&c->error);
    if (method && !way)
        return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                       "this library cannot log in by \"%s\"", method);
    c->login_wanted = way ? way->name : NULL;
    return POP3_OK;
}

/* Under TLS nothing is gained by APOP, whose MD5 is weak and for which the
 * server must keep the password in clear. */
static const struct way *choose_way(const pop3 *c)
{
    if (c->login_wanted)
        return find_way(c->login_wanted);
    if (c->challenge && !c->stream.is_tls)
        return find_way("APOP");
    return find_way("USER");
}

pop3_code pop3_login(pop3 *c, const char *user, const char *password)
{
    const struct way *way;
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_line(c, "the user name", "USER", user);
    if (!rc)
        rc = p3_check_line(c, "the password", "PASS", password);
    if (rc)
        return rc;
    way = choose_way(c);
    c->login_method = way->name;
    return way->log_in(c, user, password);
}
