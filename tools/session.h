/*
 * session.h - a run's one connection, and what the run came to
 * SPDX-License-Identifier: MIT
 *
 * Opened as the arguments say, logged in with a password from where they say,
 * ended by QUIT. What goes wrong is told on standard error at once and kept as
 * the exit status.
 */
#ifndef SESSION_H
#define SESSION_H

#include "options.h"
#include "pop3.h"
#include "show.h"

/* The exit statuses. Those from 64 on are sysexits.h's. */
enum status {
    STATUS_DONE = 0,
    STATUS_NO_MAIL = 1,
    STATUS_USAGE = 64,
    STATUS_REFUSED = 65,
    STATUS_NO_HOST = 68,
    STATUS_NO_SERVICE = 69,
    STATUS_MAILDIR = 73,
    STATUS_IO = 74, /* and all else that fails on this side: no memory */
    STATUS_TRY_LATER = 75,
    STATUS_PROTOCOL = 76,
    STATUS_NO_LOGIN = 77
};

/* Where a code came from, for one means different things. */
enum stage {
    STAGE_SETUP,   /* settings, arguments, files; nothing was sent */
    STAGE_CONNECT, /* up to the greeting */
    STAGE_TLS,     /* behind the greeting, STLS */
    STAGE_LOGIN,
    STAGE_SESSION,
    STAGE_MAILDIR
};

/* The table in pop3.c. resp: of the reply that it is about. */
enum status status_of(pop3_code code, enum stage stage, pop3_resp_kind resp);

struct session {
    pop3 *c;
    const struct options *o;
    struct show *out;
    pop3_netrc *netrc;
    pop3_spec *spec;
    enum status status;
    int ended; /* what ended the session has set the status: it stays */

    /* NULL, or called before connecting, when it is known as whom: 0; or -1,
     * told, and nobody connects. */
    int (*ready)(struct session *s, const char *user);
    void *ready_arg;
};

/* How far session_open goes. */
enum reach { CONNECTED, LOGGED_IN };

/* The argument that says what to do, SPEC, and those behind it. */
enum { ARG_COMMAND = 0, ARG_SPEC = 1, ARG_FIRST = 2 };

/* 0; or -1, out of memory. */
int session_init(struct session *s, const struct options *o, struct show *out);
void session_release(struct session *s);

/* Connects, and logs in: 0; or -1, told. */
int session_open(struct session *s, enum reach reach);

/* The same once more, with one command at a time, for a server that answers out
 * of step. */
int session_reopen(struct session *s);

/* QUIT, where the link still stands; what it says counts. session_quit_failed:
 * it was queued, and that is what the last call on s->c came to. */
void session_quit(struct session *s);
void session_quit_failed(struct session *s);

/*
 * Tells what the last call on s->c came to, as "pop3: WHAT: WHY". 1: it was
 * refused by the server alone, and the session goes on; 0: that was its end.
 */
int session_failed(struct session *s, enum stage stage, const char *what);

/* The same for a message of that number. */
int session_message_failed(struct session *s, enum stage stage, uint64_t n);

/* Told already: keeps a status that the session goes on after, or ends with. */
void session_note(struct session *s, enum status status);
void session_end(struct session *s, enum status status);

/* Says so where lines of the last listing were skipped. */
void session_check_skipped(struct session *s, const char *what);

#endif
