/*
 * session.c - a run's one connection, and what the run came to
 * SPDX-License-Identifier: MIT
 *
 * Knows the order of things: settings, netrc, SPEC, user, password, connection,
 * login, QUIT; and how one exit status comes of many events. Not here: what is
 * done in between (commands.c), which code means which status (pop3.c).
 */
#include "session.h"

#include "secret.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* RFC 2449, 4: a command line, its CRLF included. After a failed login nothing
 * hangs on the answer to QUIT, which is polite and no more. */
enum { LONGEST_COMMAND = 255, PARTING_MS = 1000 };

/* ---- The status -------------------------------------------------------- */

void session_note(struct session *s, enum status status)
{
    if (!s->ended && status > s->status)
        s->status = status;
}

void session_end(struct session *s, enum status status)
{
    if (!s->ended)
        s->status = status;
    s->ended = 1;
}

int session_failed(struct session *s, enum stage stage, const char *what)
{
    pop3_code code = pop3_error_code(s->c);
    enum status status = status_of(code, stage, pop3_resp(s->c));

    show_error(what, "%s", pop3_error(s->c));
    if (code == POP3_ERROR_PROTO && stage == STAGE_SESSION) {
        session_note(s, status);
        return 1;
    }
    session_end(s, status);
    return 0;
}

int session_message_failed(struct session *s, enum stage stage, uint64_t n)
{
    char what[40];

    snprintf(what, sizeof what, "message %llu", (unsigned long long)n);
    return session_failed(s, stage, what);
}

void session_check_skipped(struct session *s, const char *what)
{
    uint64_t n = pop3_skipped(s->c);

    if (!n)
        return;
    show_error(what, "skipped what does not parse, lines: %llu",
               (unsigned long long)n);
    session_note(s, STATUS_PROTOCOL);
}

/* Tells of what the program finds wrong by itself. */
static int fail(struct session *s, enum status status, const char *what,
                const char *why)
{
    show_error(what, "%s", why);
    session_end(s, status);
    return -1;
}

static int failed(struct session *s, enum stage stage, const char *what)
{
    session_failed(s, stage, what);
    return -1;
}

/* ---- Settings ---------------------------------------------------------- */

static void show_debug(void *arg, int from_server, const char *line,
                       size_t length)
{
    (void)arg;
    show_dialogue(from_server, line, length);
}

/* Told here by its name; else it would show as a failed handshake. */
static int check_readable(struct session *s, const char *path)
{
    if (path && access(path, R_OK))
        return fail(s, STATUS_IO, path, strerror(errno));
    return 0;
}

static int check_files(struct session *s)
{
    const struct options *o = s->o;

    if (o->key && !o->cert)
        return fail(s, STATUS_USAGE, "--key", "it needs --cert");
    if (check_readable(s, o->cacert) || check_readable(s, o->capath) ||
        check_readable(s, o->cert) || check_readable(s, o->key))
        return -1;
    return 0;
}

static int apply_options(struct session *s)
{
    const struct options *o = s->o;
    pop3 *c = s->c;

    if (o->pin && pop3_set_pin(c, o->pin))
        return failed(s, STAGE_SETUP, "--pin");
    if (o->auth && pop3_set_login_method(c, o->auth))
        return failed(s, STAGE_SETUP, "--auth");
    if (check_files(s))
        return -1;
    pop3_set_timeout(c, o->timeout_ms);
    pop3_set_allow_insecure_login(c, o->allow_insecure_login);
    pop3_set_debug(c, show_debug, NULL);
    pop3_set_debuglevel(c, o->verbose);
    if ((o->no_pipelining && pop3_set_window(c, 1, 0)) ||
        pop3_set_limit(c, POP3_LIMIT_COMMAND, LONGEST_COMMAND) ||
        pop3_set_ca_file(c, o->cacert) || pop3_set_ca_path(c, o->capath) ||
        pop3_set_cert(c, o->cert, o->key))
        return failed(s, STAGE_SETUP, "settings");
    return 0;
}

/* ---- Where to, and as whom --------------------------------------------- */

static int has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            return 1;
    return 0;
}

static const char *netrc_name(const struct session *s)
{
    return s->o->netrc ? s->o->netrc : "netrc";
}

static int read_spec(struct session *s)
{
    const char *text = s->o->args[ARG_SPEC];

    if (has_control(text))
        return fail(s, STATUS_USAGE, text, "control characters in it");
    if (pop3_netrc_load(s->c, s->o->netrc, &s->netrc))
        return failed(s, STAGE_SETUP, netrc_name(s));
    if (pop3_spec_parse(s->c, text, s->netrc, &s->spec))
        return failed(s, STAGE_SETUP, text);
    return 0;
}

/* Whether a command of a name and an argument is short enough. */
static int fits(const char *verb, const char *argument, size_t more)
{
    return strlen(verb) + 1 + strlen(argument) + more + 2 <= LONGEST_COMMAND;
}

static int wanted(const struct session *s, const char *way)
{
    return s->o->auth && !strcasecmp(s->o->auth, way);
}

/* Before anything is sent: can a command line carry that name? APOP's has a
 * blank and a digest of 32 digits behind it; SASL's may have any length. */
static int check_user(struct session *s, const char *user)
{
    int apop = wanted(s, "APOP");

    if (has_control(user))
        return fail(s, STATUS_USAGE, "user name", "control characters in it");
    if (s->o->auth && !apop && !wanted(s, "USER"))
        return 0;
    if (apop ? !fits("APOP", user, 33) : !fits("USER", user, 0))
        return fail(s, STATUS_USAGE, "user name",
                    "too long for a line of 255 octets");
    return 0;
}

static char *find_password(struct session *s, const pop3_netrc_entry *entry,
                           const char *user)
{
    if (wanted(s, "EXTERNAL")) /* the certificate says it all */
        return strdup("");
    if (s->o->password_command)
        return secret_from_command(s->o->password_command);
    if (entry && entry->password)
        return secret_from_netrc(s->netrc, entry, netrc_name(s));
    return secret_from_terminal(user, s->spec->server_name);
}

/* ---- Connecting and logging in ----------------------------------------- */

/* A greeting of -ERR is no service; behind one of +OK, it was STLS that was
 * refused. */
static enum stage connect_stage(const struct session *s)
{
    const char *greeting = pop3_getwelcome(s->c, NULL);

    return strncmp(greeting, "+OK", 3) == 0 ? STAGE_TLS : STAGE_CONNECT;
}

static int connect_to(struct session *s)
{
    /* "tcp:" means cleartext, as through a port forward. */
    pop3_set_stls(s->c, s->spec->mode == POP3_MODE_TCP ? POP3_STLS_NEVER
                                                       : POP3_STLS_IF_OFFERED);
    if (pop3_connect_spec(s->c, s->spec))
        return failed(s, connect_stage(s), s->o->args[ARG_SPEC]);
    return 0;
}

/* What cannot be sent is the password's fault, or else the name's: APOP's line
 * is longer than USER's. The link is cut without a further word. */
static int not_carried(struct session *s, const char *password)
{
    int carried = fits("PASS", password, 0) && !has_control(password);

    show_error("login", "%s", pop3_error(s->c));
    session_end(s, carried ? STATUS_USAGE : STATUS_NO_LOGIN);
    pop3_close(s->c);
    return -1;
}

static int log_in(struct session *s, const char *user, const char *password)
{
    pop3_code rc = pop3_login(s->c, user, password);

    if (rc == POP3_ERROR_ARGUMENT)
        return not_carried(s, password);
    if (rc)
        return failed(s, STAGE_LOGIN, "login");
    return 0;
}

static int open_mailbox(struct session *s)
{
    const pop3_netrc_entry *entry = pop3_netrc_for_spec(s->netrc, s->spec);
    const char *user;
    char *password;
    int rc;

    if (pop3_spec_user(s->c, s->spec, entry, &user))
        return failed(s, STAGE_SETUP, s->o->args[ARG_SPEC]);
    if (check_user(s, user))
        return -1;
    password = find_password(s, entry, user);
    if (!password) {
        session_end(s, STATUS_NO_LOGIN);
        return -1;
    }
    rc = s->ready ? s->ready(s, user) : 0;
    if (!rc)
        rc = connect_to(s);
    if (!rc)
        rc = log_in(s, user, password);
    secret_free(password);
    return rc;
}

int session_open(struct session *s, enum reach reach)
{
    int rc;

    if (apply_options(s) || read_spec(s))
        return -1;
    rc = reach == LOGGED_IN ? open_mailbox(s) : connect_to(s);
    pop3_netrc_free(s->netrc); /* and the passwords in it */
    s->netrc = NULL;
    return rc;
}

/* The password is not kept in memory for this: it is looked up again. */
int session_reopen(struct session *s)
{
    pop3_close(s->c);
    pop3_spec_free(s->spec);
    s->spec = NULL;
    s->ready = NULL;
    if (pop3_set_window(s->c, 1, 0))
        return failed(s, STAGE_SETUP, "settings");
    return session_open(s, LOGGED_IN);
}

/* ---- From beginning to end --------------------------------------------- */

int session_init(struct session *s, const struct options *o, struct show *out)
{
    memset(s, 0, sizeof *s);
    s->o = o;
    s->out = out;
    s->c = pop3_new();
    if (!s->c)
        return fail(s, STATUS_IO, "start", "out of memory");
    return 0;
}

void session_quit_failed(struct session *s)
{
    session_failed(s, STAGE_SESSION, "QUIT");
    session_end(
        s, status_of(pop3_error_code(s->c), STAGE_SESSION, pop3_resp(s->c)));
}

void session_quit(struct session *s)
{
    pop3_conn_state state = pop3_state(s->c);

    if (state != POP3_STATE_AUTHORIZATION && state != POP3_STATE_TRANSACTION)
        return;
    if (s->ended && state == POP3_STATE_AUTHORIZATION) {
        pop3_set_timeout(s->c, PARTING_MS);
        pop3_shutdown(s->c);
    } else if (pop3_quit(s->c)) {
        session_quit_failed(s);
    }
}

void session_release(struct session *s)
{
    pop3_spec_free(s->spec);
    pop3_netrc_free(s->netrc);
    pop3_free(s->c);
}
