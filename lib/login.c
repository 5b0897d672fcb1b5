/*
 * login.c - which way to log in, and why not
 * SPDX-License-Identifier: MIT
 *
 * Owns the policy of pop3_login: TLS first, then what both sides have, by
 * strength; and pop3_auth, one SASL mechanism by its name. Knows auth.c (the
 * dialogue), sasl.c and gsasl.c (the mechanisms) and the capabilities. To add a
 * way: one of the two lists.
 */
#include "auth.h"
#include "listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- One mechanism ----------------------------------------------------- */

/* What would end a field of a response early, or be another one's. */
static int has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return 1;
    return 0;
}

static pop3_code check_login(pop3 *c, const struct p3_sasl_login *login)
{
    if (has_control(login->user))
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "the user name contains a control character");
    if (has_control(login->password))
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "the password contains a control character");
    return POP3_OK;
}

/* Only the mechanisms that are named for it bind the login to the TLS session:
 * to offer it to the others would say that the server cannot (RFC 5802, 6). */
static pop3_code add_binding(pop3 *c, const char *mechanism,
                             struct p3_buf *room, struct p3_sasl_login *login)
{
    size_t len = strlen(mechanism);
    unsigned char data[P3_BINDING_SIZE];
    size_t n;

    if (len < 5 || strcasecmp(mechanism + len - 5, "-PLUS") != 0)
        return POP3_OK;
    n = p3_stream_binding(&c->stream, data, &login->binding_name);
    if (!n)
        return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                       "%s: there is no TLS session here to bind it to",
                       mechanism);
    if (!p3_base64_encode((const char *)data, n, room))
        return p3_error_memory(&c->error);
    login->binding = room->data;
    return POP3_OK;
}

static pop3_code begin_mechanism(pop3 *c, struct p3_sasl *s, const char *name)
{
    s->mechanism = p3_sasl_find(name);
    if (s->mechanism || p3_gsasl_begin(s, name))
        return POP3_OK;
    if (c->error.code)
        return c->error.code;
    return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                   "this library cannot log in by \"%s\"", name);
}

static void end_mechanism(struct p3_sasl *s)
{
    if (s->mechanism && s->mechanism->end)
        s->mechanism->end(s);
}

/* Initial responses came with the SASL capability (RFC 5034, 3). */
static pop3_code run_mechanism(pop3 *c, struct p3_sasl *s)
{
    int offered;
    pop3_code rc;

    if (s->mechanism->reveals && !p3_may_reveal(c))
        return p3_insecure(c, s->mechanism->name);
    rc = p3_offers(c, "SASL", &offered);
    return rc ? rc : p3_dialogue(c, s, offered);
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static pop3_code authenticate(pop3 *c, const char *name, const char *user,
                              const char *password)
{
    struct p3_sasl s = {.login = {.user = or_empty(user),
                                  .password = or_empty(password),
                                  .host = p3_server_name(c),
                                  .port = c->port},
                        .error = &c->error};
    struct p3_buf binding;
    pop3_code rc = check_login(c, &s.login);

    p3_buf_init(&binding, 0, 1);
    if (!rc)
        rc = add_binding(c, name, &binding, &s.login);
    if (!rc)
        rc = begin_mechanism(c, &s, name);
    if (!rc)
        rc = run_mechanism(c, &s);
    end_mechanism(&s);
    p3_buf_release(&binding);
    return rc;
}

pop3_code pop3_auth(pop3 *c, const char *mechanism, const char *user,
                    const char *password)
{
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the mechanism", mechanism);
    return rc ? rc : authenticate(c, mechanism, user, password);
}

/* ---- A caller's mechanism ---------------------------------------------- */

struct callers {
    pop3_sasl_callback callback;
    void *arg;
};

static int callers_step(struct p3_sasl *s, struct p3_text challenge,
                        struct p3_buf *out)
{
    const struct callers *to = s->state;
    const char *response = NULL;
    size_t len = 0;
    int initial = s->mechanism->client_first && !s->steps;

    if (to->callback(to->arg, initial ? NULL : challenge.data,
                     initial ? 0 : challenge.len, &response, &len)) {
        p3_error_set(s->error, POP3_ERROR_STOPPED, "stopped by the callback");
        return 0;
    }
    if (p3_buf_add(out, response ? response : "", response ? len : 0))
        return 1;
    p3_error_memory(s->error);
    return 0;
}

pop3_code pop3_auth_callback(pop3 *c, const char *mechanism, int flags,
                             pop3_sasl_callback callback, void *arg)
{
    struct callers to = {callback, arg};
    struct p3_mechanism own = {.name = mechanism,
                               .reveals = flags & POP3_SASL_REVEALS,
                               .client_first = flags & POP3_SASL_CLIENT_FIRST,
                               .waits = flags & POP3_SASL_WAITS,
                               .step = callers_step};
    struct p3_sasl s = {.mechanism = &own, .state = &to, .error = &c->error};
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = p3_check_given(c, "the mechanism", mechanism);
    return rc ? rc : run_mechanism(c, &s);
}

/* ---- The policy -------------------------------------------------------- */

/* By strength. None of these shows the password to who listens. */
static const char *const proving[] = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",        "APOP",          "CRAM-MD5",
};

/* These do; each server has the first, or else one of the others. */
static const char *const revealing[] = {"USER", "PLAIN", "LOGIN"};

enum { PROVING = sizeof proving / sizeof *proving };
enum { REVEALING = sizeof revealing / sizeof *revealing };

/* Whether this side can do a SASL mechanism. */
static int can_do(const char *name)
{
    return p3_sasl_find(name) || p3_gsasl_has(name);
}

static int can_bind(const pop3 *c, const char *name)
{
    unsigned char data[P3_BINDING_SIZE];
    const char *kind;

    return !strstr(name, "-PLUS") ||
           p3_stream_binding(&c->stream, data, &kind) > 0;
}

/* Whether both sides have it. capas NULL: the server told nothing. */
static int both_have(const pop3 *c, const pop3_capas *capas, const char *name)
{
    if (!strcmp(name, "APOP"))
        return c->challenge != NULL;
    if (!strcmp(name, "USER"))
        return !capas || pop3_capa_find(capas, "USER") != NULL;
    return capas && pop3_capa_sasl(capas, name) && can_bind(c, name) &&
           can_do(name);
}

static const char *first_of(const pop3 *c, const pop3_capas *capas,
                            const char *const *names, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (both_have(c, capas, names[i]))
            return names[i];
    return NULL;
}

/*
 * Under TLS the plain ways are as good as any, and the only ones that need not
 * have the password in clear on the server. A server that lists none of them
 * may have USER all the same: it is optional to tell.
 */
static const char *choose(const pop3 *c, const pop3_capas *capas)
{
    const char *safe = first_of(c, capas, proving, PROVING);
    const char *plain = first_of(c, capas, revealing, REVEALING);

    if (!p3_stream_is_tls(&c->stream))
        return safe ? safe : plain ? plain : "USER";
    return plain ? plain : safe ? safe : "USER";
}

static pop3_code log_in_by_user(pop3 *c, const char *user, const char *password)
{
    pop3_code rc = p3_check_line(c, "the user name", "USER", user);

    if (!rc)
        rc = p3_check_line(c, "the password", "PASS", password);
    if (!rc && !p3_may_reveal(c))
        rc = p3_insecure(c, "USER and PASS");
    if (!rc && p3_pipelines(c))
        return p3_user_and_pass(c, user, password);
    if (!rc)
        rc = pop3_user(c, user);
    return rc ? rc : pop3_pass(c, password);
}

static pop3_code log_in_by(pop3 *c, const char *way, const char *user,
                           const char *password)
{
    snprintf(c->login_method, sizeof c->login_method, "%s", way);
    if (!strcmp(way, "USER"))
        return log_in_by_user(c, or_empty(user), or_empty(password));
    if (!strcmp(way, "APOP"))
        return pop3_apop(c, or_empty(user), or_empty(password));
    return authenticate(c, way, user, password);
}

/* TLS first, for it protects the mail too. Where it fails there is no step
 * back: that is what an attacker would wish for (RFC 8314, 5.2). */
static pop3_code protect(pop3 *c, pop3_stls_policy policy)
{
    int offered;
    pop3_code rc;

    if (policy == POP3_STLS_NEVER || p3_stream_is_protected(&c->stream))
        return POP3_OK;
    rc = p3_offers(c, "STLS", &offered);
    if (rc)
        return rc;
    if (offered || policy == POP3_STLS_REQUIRED)
        return pop3_stls(c);
    return POP3_OK;
}

/* What no way can carry is found before anything is sent. */
static pop3_code check_line_ends(pop3 *c, const char *user,
                                 const char *password)
{
    if (user[strcspn(user, "\r\n")])
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "the user name contains CR or LF");
    if (password[strcspn(password, "\r\n")])
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "the password contains CR or LF");
    return POP3_OK;
}

pop3_code p3_login(pop3 *c, pop3_stls_policy policy, const char *user,
                   const char *password)
{
    pop3_capas *capas = NULL;
    const char *way = c->login_wanted;
    pop3_code rc = p3_enter(c);

    if (!rc)
        rc = check_line_ends(c, or_empty(user), or_empty(password));
    if (!rc)
        rc = protect(c, policy);
    if (!rc && !way)
        rc = p3_known_capas(c, &capas);
    if (rc)
        return rc;
    if (!way)
        way = choose(c, capas);
    pop3_capas_free(capas);
    return log_in_by(c, way, user, password);
}

pop3_code pop3_login(pop3 *c, const char *user, const char *password)
{
    return p3_login(c, c->stls, user, password);
}

pop3_code pop3_set_login_method(pop3 *c, const char *method)
{
    char *copy = NULL;
    size_t i;

    p3_error_clear(&c->error);
    if (method && strcasecmp(method, "USER") != 0 &&
        strcasecmp(method, "APOP") != 0 && !can_do(method))
        return p3_fail(c, POP3_ERROR_UNSUPPORTED,
                       "this library cannot log in by \"%s\"", method);
    if (method && !(copy = p3_strdup(method)))
        return p3_error_memory(&c->error);
    for (i = 0; copy && copy[i]; i++)
        if (copy[i] >= 'a' && copy[i] <= 'z')
            copy[i] = (char)(copy[i] - 'a' + 'A');
    free(c->login_wanted);
    c->login_wanted = copy;
    return POP3_OK;
}
