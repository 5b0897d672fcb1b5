/*
 * open.c - from a specification to a session: parse, find the login, connect
 * SPDX-License-Identifier: MIT
 *
 * Owns the order of these steps, and which name TLS asks for. Knows spec, netrc
 * and what is public. Not here: the grammar (spec.c), the netrc file and its
 * lookups (netrc.c), connecting (conn.c), the ways to log in (auth.c).
 */
#include "auth.h"
#include "conn.h"
#include "idn.h"
#include "local.h"
#include "spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More than any system lets a login name have. */
enum { USER_ROOM = 256 };

pop3_code pop3_spec_parse(pop3 *c, const char *text, const pop3_netrc *netrc,
                          pop3_spec **out)
{
    p3_error_clear(&c->error);
    return p3_spec_parse(text, netrc, &c->error, out);
}

pop3_code pop3_netrc_load(pop3 *c, const char *path, pop3_netrc **out)
{
    p3_error_clear(&c->error);
    return p3_netrc_load(path, &c->error, out);
}

/* ---- The user ---------------------------------------------------------- */

static pop3_code local_user(pop3 *c, char *name, size_t size)
{
    int err = p3_local_user(name, size);

    if (err == ENOMEM)
        return p3_error_memory(&c->error);
    if (err)
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "no user name given, and this system knows none for "
                       "who runs this: put \"user@\" before the host");
    return POP3_OK;
}

static const char *given_user(const pop3_spec *spec,
                              const pop3_netrc_entry *entry)
{
    if (spec->user)
        return spec->user;
    return entry ? entry->login : NULL;
}

pop3_code pop3_spec_user(pop3 *c, const pop3_spec *spec,
                         const pop3_netrc_entry *entry, const char **user)
{
    const char *given = given_user(spec, entry);
    char local[USER_ROOM];
    pop3_code rc;

    p3_error_clear(&c->error);
    if (given) {
        *user = given;
        return POP3_OK;
    }
    rc = local_user(c, local, sizeof local);
    if (rc)
        return rc;
    p3_buf_truncate(&c->local_user, 0);
    if (!p3_buf_add_str(&c->local_user, local))
        return p3_error_memory(&c->error);
    *user = p3_buf_text(&c->local_user);
    return POP3_OK;
}

/* ---- Connecting -------------------------------------------------------- */

/* A mode that is none of the three is taken for STLS, the one that can not end
 * in cleartext by mistake. */
static pop3_code connect_by_mode(pop3 *c, const char *host,
                                 const pop3_spec *spec)
{
    pop3_code rc;

    if (spec->mode == POP3_MODE_SSL)
        return pop3_connect_ssl(c, host, spec->port);
    rc = pop3_connect(c, host, spec->port);
    if (rc || spec->mode == POP3_MODE_TCP)
        return rc;
    return pop3_stls(c) ? p3_close_keeping_error(c) : POP3_OK;
}

/* The specification's name counts as long as the connection lasts, but for a
 * caller's who has set a name of his own. */
static pop3_code connect_under_name(pop3 *c, const char *host,
                                    const pop3_spec *spec)
{
    pop3_code rc = p3_idn_to_ascii(spec->server_name, &c->error,
                                   &c->next_spec_name);

    if (!rc)
        rc = connect_by_mode(c, host, spec);
    free(c->next_spec_name); /* where it did not come to a connection */
    c->next_spec_name = NULL;
    return rc;
}

pop3_code pop3_connect_spec(pop3 *c, const pop3_spec *spec)
{
    const char *name = spec->server_name;
    const char *host = spec->tcp_host ? spec->tcp_host : name;

    p3_error_clear(&c->error);
    if (name && strcmp(host, name) != 0)
        return connect_under_name(c, host, spec);
    return connect_by_mode(c, host, spec);
}

/* ---- All at once ------------------------------------------------------- */

struct login {
    const char *user;
    const char *password;
    char local[USER_ROOM]; /* where user is the local one */
};

static pop3_code check_password(pop3 *c, const pop3_spec *spec,
                                const pop3_netrc *netrc,
                                const struct login *login)
{
    if (!login->password)
        return p3_fail(c, POP3_ERROR_ARGUMENT,
                       "no password for \"%.100s\" at \"%.100s\" in \"%.200s\"",
                       login->user, spec->server_name, p3_netrc_path(netrc));
    if (!pop3_netrc_is_private(netrc))
        return p3_fail(c, POP3_ERROR_INSECURE,
                       "\"%.300s\" has the password, and others may read or "
                       "write it: make its mode 600",
                       p3_netrc_path(netrc));
    return POP3_OK;
}

static pop3_code find_login(pop3 *c, const pop3_spec *spec,
                            const pop3_netrc *netrc, struct login *out)
{
    const pop3_netrc_entry *entry = pop3_netrc_for_spec(netrc, spec);
    pop3_code rc = POP3_OK;

    out->password = entry ? entry->password : NULL;
    out->user = given_user(spec, entry);
    if (!out->user) {
        rc = local_user(c, out->local, sizeof out->local);
        out->user = out->local;
    }
    return rc ? rc : check_password(c, spec, netrc, out);
}

/* "tcp:" says that cleartext is meant, as through a port forward. */
static pop3_stls_policy stls_policy(const pop3 *c, const pop3_spec *spec)
{
    if (spec->mode == POP3_MODE_TCP && c->stls == POP3_STLS_IF_OFFERED)
        return POP3_STLS_NEVER;
    return c->stls;
}

static pop3_code open_spec(pop3 *c, const pop3_spec *spec,
                           const pop3_netrc *netrc)
{
    struct login login;
    pop3_code rc = find_login(c, spec, netrc, &login);

    if (!rc)
        rc = pop3_connect_spec(c, spec);
    if (rc)
        return rc;
    rc = p3_login(c, stls_policy(c, spec), login.user, login.password);
    return rc ? p3_close_keeping_error(c) : POP3_OK;
}

static pop3_code open_text(pop3 *c, const char *text, const pop3_netrc *netrc)
{
    pop3_spec *spec;
    pop3_code rc = p3_spec_parse(text, netrc, &c->error, &spec);

    if (rc)
        return rc;
    rc = open_spec(c, spec, netrc);
    pop3_spec_free(spec);
    return rc;
}

pop3_code pop3_open(pop3 *c, const char *spec, const pop3_netrc *netrc)
{
    pop3_netrc *own = NULL;
    pop3_code rc = POP3_OK;

    p3_error_clear(&c->error);
    if (!netrc)
        rc = p3_netrc_load(NULL, &c->error, &own);
    if (!rc)
        rc = open_text(c, spec, netrc ? netrc : own);
    pop3_netrc_free(own);
    return rc;
}
