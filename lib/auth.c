/*
 * auth.c - the commands of the AUTHORIZATION state, and the dialogue of AUTH
 * SPDX-License-Identifier: MIT
 *
 * Owns USER, PASS, APOP, RPOP, STLS and AUTH (RFC 5034). Everything that reveals
 * a password asks p3_may_reveal first. Not here: what a SASL mechanism says
 * (sasl.c, gsasl.c), which way to take (login.c).
 */
#include "auth.h"
#include "listing.h"

#include <openssl/evp.h>
#include <string.h>

static const struct p3_verb USER = {.name = "USER"};
static const struct p3_verb PASS = {.name = "PASS", .authenticates = 1};
static const struct p3_verb APOP = {.name = "APOP", .authenticates = 1};
static const struct p3_verb RPOP = {.name = "RPOP"};
static const struct p3_verb AUTH = {
    .name = "AUTH", .authenticates = 1, .dialogue = 1};
static const struct p3_verb STLS = {.name = "STLS", .barrier = 1};

/* ---- The commands ------------------------------------------------------ */

int p3_may_reveal(const pop3 *c)
{
    return c->allow_insecure || p3_stream_is_private(&c->stream);
}

pop3_code p3_insecure(pop3 *c, const char *what)
{
    char peer[300];

    return p3_fail(c, POP3_ERROR_INSECURE,
                   "%s: %s would reveal the password on a link that is not "
                   "encrypted",
                   p3_peer_name(c, peer, sizeof peer), what);
}

pop3_code pop3_user(pop3 *c, const char *name)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the user name", name);
    return rc ? rc : p3_call(c, &USER, "%s", name);
}

pop3_code pop3_pass(pop3 *c, const char *password)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the password", password);
    if (rc)
        return rc;
    if (!p3_may_reveal(c))
        return p3_insecure(c, "PASS");
    return p3_call(c, &PASS, "%s", password);
}

/* The reply to PASS, USER having been refused, which is what the caller is to
 * hear of. A server that goes on to accept PASS has logged him in. */
static pop3_code pass_after_refusal(pop3 *c)
{
    struct p3_said refusal;

    p3_put_aside(c, &refusal);
    if (p3_await(c)) {
        p3_take_back(c, &refusal);
        return c->error.code;
    }
    p3_forget_said(&refusal);
    return POP3_OK;
}

/* Both or neither. */
static pop3_code queue_user_and_pass(pop3 *c, const char *user,
                                     const char *password)
{
    pop3_code rc = p3_queue(c, &USER, "%s", user);

    if (rc)
        return rc;
    rc = p3_queue(c, &PASS, "%s", password);
    if (rc)
        p3_drop_unsent(c);
    return rc;
}

pop3_code p3_user_and_pass(pop3 *c, const char *user, const char *password)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_idle(c);
    if (!rc)
        rc = p3_settle(c);
    if (!rc)
        rc = queue_user_and_pass(c, user, password);
    if (rc)
        return rc;
    rc = p3_await(c);
    if (!rc)
        return p3_await(c);
    if (c->unsent) { /* no memory for the lines: PASS must not go alone */
        p3_drop_unsent(c);
        return rc;
    }
    if (c->state == POP3_STATE_DEAD) {
        p3_dequeue(c);
        return rc;
    }
    return pass_after_refusal(c);
}

pop3_code pop3_rpop(pop3 *c, const char *user)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the user name", user);
    return rc ? rc : p3_call(c, &RPOP, "%s", user);
}

pop3_code pop3_apop_digest(pop3 *c, const char *user, const char *digest)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the user name", user);
    if (!rc)
        rc = p3_check_given(c, "the digest", digest);
    return rc ? rc : p3_call(c, &APOP, "%s %s", user, digest);
}

/* MD5 of the timestamp and the password, in hexadecimal (RFC 1939, 7). */
static int apop_digest(const char *stamp, const char *password, char hex[33])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t i;
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

    if (!rc)
        rc = p3_check_given(c, "the password", password);
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
    if (p3_stream_is_tls(&c->stream))
        return p3_fail(c, POP3_ERROR_STATE, "under TLS already");
    if (c->utf8)
        return p3_fail(c, POP3_ERROR_STATE, "STLS is forbidden after UTF8");
    rc = p3_offers(c, "STLS", &offered);
    if (!rc && !offered && !c->no_capa)
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

/* ---- AUTH -------------------------------------------------------------- */

/* More challenges than any mechanism has. */
enum { MOST_CHALLENGES = 16 };

/* A command line with an initial response is no longer than this, CRLF
 * included; a longer one waits for the server's "+" (RFC 5034, 4). */
enum { LINE_LIMIT = 255 };

/* A challenge or a response that cannot be: the server is told (RFC 5034, 4),
 * and what the caller hears of is why, not what the server says to that. */
static pop3_code cancel(pop3 *c)
{
    char star[] = "*";
    const struct p3_buf line = {.data = star, .len = 1};
    struct p3_error why = c->error;
    pop3_code rc;

    p3_error_clear(&c->error);
    rc = p3_answer(c, &line);
    if (!rc && c->challenged)
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "AUTH: the server goes on after it was cancelled");
    if (!rc)
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "AUTH: the server says +OK to a login that was "
                       "cancelled: %s",
                       why.text);
    if (c->state != POP3_STATE_DEAD)
        c->error = why;
    return c->error.code;
}

/* The response to a challenge, encoded, into line. */
static pop3_code make_response(pop3 *c, struct p3_sasl *s,
                               struct p3_text challenge, struct p3_buf *line)
{
    struct p3_buf plain;
    int ok;

    p3_buf_init(&plain, 0, 1);
    p3_buf_truncate(line, 0);
    ok = s->mechanism->step(s, challenge, &plain);
    s->steps++;
    if (ok && !p3_base64_encode(p3_buf_text(&plain), plain.len, line)) {
        p3_error_memory(&c->error);
        ok = 0;
    }
    p3_buf_release(&plain);
    return ok ? POP3_OK : c->error.code;
}

/* Answers the server's challenge. */
static pop3_code respond(pop3 *c, struct p3_sasl *s, struct p3_buf *line)
{
    struct p3_buf challenge;
    pop3_code rc;

    p3_buf_init(&challenge, 0, 1);
    if (p3_base64_decode(p3_reply_rest(c), &challenge))
        rc = make_response(
            c, s, (struct p3_text){p3_buf_text(&challenge), challenge.len},
            line);
    else
        rc = p3_fail(c, POP3_ERROR_MALFORMED,
                     "AUTH %s: a challenge that is no base64",
                     s->mechanism->name);
    p3_buf_release(&challenge);
    return rc ? cancel(c) : p3_answer(c, line);
}

/* The initial response, given on request: in answer to an empty challenge. */
static pop3_code answer_request(pop3 *c, const struct p3_sasl *s,
                                const struct p3_buf *initial)
{
    if (p3_reply_rest(c).len == 0)
        return p3_answer(c, initial);
    p3_fail(c, POP3_ERROR_MALFORMED,
            "AUTH %s: a challenge where an empty one was due",
            s->mechanism->name);
    return cancel(c);
}

/* An empty one is "=" there. */
static int fits_line(const struct p3_sasl *s, const struct p3_buf *initial)
{
    size_t len = strlen("AUTH  \r\n") + strlen(s->mechanism->name) +
                 (initial->len ? initial->len : 1);

    return len <= LINE_LIMIT;
}

/* "AUTH mechanism", with an initial response where there is one and it may. */
static pop3_code begin_auth(pop3 *c, struct p3_sasl *s, int at_once,
                            struct p3_buf *line)
{
    const char *name = s->mechanism->name;
    pop3_code rc = POP3_OK;

    if (!s->mechanism->client_first)
        return p3_call(c, &AUTH, "%s", name);
    rc = make_response(c, s, (struct p3_text){"", 0}, line);
    if (rc)
        return rc;
    if (at_once && !s->mechanism->waits && fits_line(s, line))
        return p3_call(c, &AUTH, "%s %s", name, line->len ? line->data : "=");
    rc = p3_call(c, &AUTH, "%s", name);
    return !rc && c->challenged ? answer_request(c, s, line) : rc;
}

/* Its -ERR says little; what the OAuth server complained of says more. */
static pop3_code complain(pop3 *c, const struct p3_sasl *s, pop3_code rc)
{
    const char *json = p3_sasl_complaint(s);
    struct p3_error said = c->error;

    if (rc != POP3_ERROR_PROTO || !json || !*json)
        return rc;
    return p3_fail(c, rc, "%.200s: %.250s", said.text, json);
}

pop3_code p3_dialogue(pop3 *c, struct p3_sasl *s, int at_once)
{
    struct p3_buf line;
    pop3_code rc;

    p3_buf_init(&line, 0, 1);
    rc = begin_auth(c, s, at_once, &line);
    while (!rc && c->challenged && s->steps < MOST_CHALLENGES)
        rc = respond(c, s, &line);
    p3_buf_release(&line);
    if (rc)
        return complain(c, s, rc);
    if (c->challenged) {
        p3_fail(c, POP3_ERROR_MALFORMED, "AUTH %s: challenge upon challenge",
                s->mechanism->name);
        return cancel(c);
    }
    /* A server that has not shown that it knows the password is another one. */
    if (s->incomplete)
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "AUTH %s: +OK before the server has proved itself",
                       s->mechanism->name);
    return POP3_OK;
}
