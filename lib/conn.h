/*
 * conn.h - struct pop3: settings, state, queue of commands, capability cache
 * SPDX-License-Identifier: MIT
 *
 * Layer 4: conn.c (life, state, replies), queue.c (what is to be sent, and how
 * much of it at once), settings.c (what is set and asked) and body.c (the body
 * of the current reply). The files above see struct pop3; they change its state
 * through p3_ functions alone.
 */
#ifndef P3_CONN_H
#define P3_CONN_H

#include "reader.h"
#include "reply.h"
#include "stream.h"

#pragma GCC visibility push(hidden)

enum { P3_LIMITS = POP3_LIMIT_COMMAND + 1 };

/* Commands in flight, as somebody may set it; it grows from there. */
enum { P3_LARGEST_WINDOW = 1 << 20 };

/* Octets of a host's name (RFC 1035, 2.3.4). */
enum { P3_LONGEST_NAME = 255 };

/* A command and the shape of its answer; small, for thousands may be in flight. */
struct p3_verb {
    char name[12]; /* what the line begins with; all of it in messages */
    pop3_shape shape;
    unsigned char authenticates; /* +OK logs in, and its arguments are stars */
    unsigned char raw;           /* the arguments are the whole line already */
    unsigned char dialogue;      /* "+" is a challenge, to be answered */
    unsigned char rows;          /* its body is a listing, not a message */
    unsigned char marks;         /* +OK marks a message for deletion */
    unsigned char barrier;       /* nothing goes behind it before its reply */
    /* Not NULL: the library asks on its own, and this takes the answer, rc being
     * what came of the command; the caller never hears of it. */
    void (*absorb)(pop3 *c, pop3_code rc);
};

/* A command whose reply is not yet read. */
struct p3_command {
    struct p3_verb verb;
    struct p3_command *next;
    void *tag;       /* the caller's */
    uint64_t octets; /* that its reply may have; 0: not known */
    uint32_t length;
    char line[]; /* without its end; wiped once it is sent */
};

/* What is known of the server's capabilities. */
enum p3_capa_state { P3_CAPA_UNKNOWN, P3_CAPA_KNOWN, P3_CAPA_REFUSED };

struct pop3 {
    /* settings */
    int timeout_ms;
    int connect_timeout_ms;
    int command_timeout_ms;
    uint64_t limits[P3_LIMITS];
    char *ca_file, *ca_path, *cert, *key;
    char *server_name; /* pop3_set_server_name, or NULL */
    int verify;
    struct ssl_ctx_st *ctx;
    int allow_insecure;
    int poplib;
    char *login_wanted; /* in capitals, or NULL: what is best */
    pop3_stls_policy stls;
    int no_capa;            /* never ask for capabilities */
    size_t window_commands; /* in flight at first; 1: never more */
    uint64_t window_octets; /* of replies on their way; 0: any number */
    char *pin;
    pop3_tls_version tls_floor;
    pop3_passphrase_callback passphrase;
    void *passphrase_arg;
    struct p3_tls_cache *tls_cache; /* of these settings, for resumption */
    int tls_stale;                  /* which have changed since */
    pop3_debug_sink debug;
    void *debug_arg;
    int debug_level;

    /* the connection */
    struct p3_stream stream;
    struct p3_reader reader;
    pop3_conn_state state;
    struct p3_error death; /* why, where state is DEAD */
    int greeted;
    char *host;      /* the name connected to, for messages and certificates */
    char *spec_name; /* the server's, where a specification tells it apart */
    char *next_spec_name; /* the same for the connection being begun */
    int port;             /* 0 where unknown */

    /* the queue: commands not yet answered, oldest first */
    struct p3_command *first, *last;
    struct p3_command *unsent; /* the first that was not sent; NULL: none */
    size_t outstanding;        /* those of the caller */
    size_t in_flight;          /* those sent, the library's own too */
    uint64_t octets_in_flight; /* that their replies may have */
    size_t window;             /* how many may be in flight by now */
    int window_full;           /* no more would go, and half is not answered */
    int window_short;          /* for want of commands in it, not of octets */
    int barred;                /* by a barrier in flight */
    int quitting;              /* QUIT is the last of them */
    int marked;                /* DELE was accepted in this session */
    int pipelined;             /* the last to be sent went behind another */
    int out_of_step;           /* which this server did not survive */
    struct p3_buf line;        /* a command line in the making */
    void *tag;                 /* of the command answered last */

    /* the last reply */
    struct p3_buf status; /* its status line, without the line end */
    size_t text_at;       /* in it: behind "+OK " or "-ERR " */
    struct p3_buf resp_code;
    int challenged; /* it is "+": the command goes on */
    int in_body;    /* its body is not read to the end */
    uint64_t body_octets;
    uint64_t body_limit;   /* octets; 0: none */
    uint64_t skipped;      /* rows of it that did not parse */
    struct p3_buf scratch; /* what belongs to c until its next call */

    /* what is kept of the session */
    struct p3_buf welcome;
    char *challenge;
    enum p3_capa_state capa_state;
    struct p3_buf capa_status;
    struct p3_buf capa_text; /* CAPA's body, each line ended by LF */
    uint64_t capa_octets;
    int capa_stale; /* what is known was told before login */
    int capa_asked; /* by the library itself, for what is in the queue */
    int pipelining; /* the server offers it */
    char login_method[32];
    int utf8; /* UTF8 was accepted, after which STLS may not be (RFC 6856, 2.1) */

    struct p3_buf local_user; /* what pop3_spec_user found */
    struct p3_error error;
};

/* Every public call on a connection begins here: the last error is forgotten.
 * Fails where c is not connected, or dead. */
pop3_code p3_enter(pop3 *c);

/* Sets the error and returns code; the connection goes on. */
pop3_code p3_fail(pop3 *c, pop3_code code, const char *fmt, ...)
    P3_PRINTF(3, 4);

/* The same, and the connection is dead. p3_die: with the error that is set. */
pop3_code p3_kill(pop3 *c, pop3_code code, const char *fmt, ...)
    P3_PRINTF(3, 4);
pop3_code p3_die(pop3 *c);

/* pop3_close, which forgets the error, but with the error kept: its code. */
pop3_code p3_close_keeping_error(pop3 *c);

/* The last reply and its error, put aside while others are read of which the
 * caller is not to hear. It is to be taken back, or forgotten. */
struct p3_said {
    struct p3_buf status, resp_code;
    size_t text_at;
    struct p3_error error;
};

void p3_put_aside(pop3 *c, struct p3_said *said);
void p3_take_back(pop3 *c, struct p3_said *said);
void p3_forget_said(struct p3_said *said);

/* Nothing is left of the last reply: what is, is skipped, and what came behind
 * it kills c. */
pop3_code p3_settle(pop3 *c);

/*
 * Queues a command line: the verb and, with fmt not NULL, its arguments, and
 * awaits its reply, once nothing is left of the one before. POP3_OK:
 * +OK, and c->in_body where a body follows. c need not have been entered.
 * STATE, nothing sent: replies to queued commands have not been taken yet.
 */
pop3_code p3_call(pop3 *c, const struct p3_verb *verb, const char *fmt, ...)
    P3_PRINTF(3, 4);

/* Awaits the reply of the oldest command, having sent what the window lets go,
 * and takes that command off the queue, but for one that was challenged. */
pop3_code p3_await(pop3 *c);

/* STATE where replies to queued commands have not been taken yet. */
pop3_code p3_check_idle(pop3 *c);

/* Answers a challenge, c->challenged, with a line as it is, and awaits what
 * comes of it. */
pop3_code p3_answer(pop3 *c, const struct p3_buf *line);

/* A line of a dialogue, sent at once; and one read, whatever it says. Neither is
 * shown. */
pop3_code p3_send_raw(pop3 *c, const char *line);
pop3_code p3_read_raw(pop3 *c, struct p3_line *out);

/* Reads a line by the rules in force. Kills c where it fails, but for poplib's
 * long line. */
pop3_code p3_read_line(pop3 *c, uint64_t limit, struct p3_line *out);

/* The last reply's text, to parse. */
struct p3_text p3_reply_rest(const pop3 *c);

/* Gives a line to the sink of pop3_set_debug, where the level is that high. */
void p3_debug(pop3 *c, int level, int from_server, const char *line,
              size_t length);

/* TLS from here on, within the time of connecting. Kills c where it fails.
 * What was learnt before is forgotten (RFC 2595, 4). */
pop3_code p3_go_tls(pop3 *c);

void p3_forget_capas(pop3 *c);

/* The server's name, for certificates and mechanisms: as set, or as the
 * specification says, or the host. */
const char *p3_server_name(const pop3 *c);

/* Who the server is, "mail.example.org:995", for messages. */
const char *p3_peer_name(const pop3 *c, char *buf, size_t size);

/* ---- queue.c ----------------------------------------------------------- */

/* Appends a command line, the verb and, with fmt not NULL, its arguments. */
pop3_code p3_queue(pop3 *c, const struct p3_verb *verb, const char *fmt, ...)
    P3_PRINTF(3, 4);
pop3_code p3_vqueue(pop3 *c, const struct p3_verb *verb, const char *fmt,
                    va_list ap) P3_PRINTF(3, 0);

/* For the public functions that queue: p3_enter, and nothing goes behind QUIT;
 * what was appended last, where rc says that it was, is tagged; and all of it
 * for a command without arguments. */
pop3_code p3_enter_queue(pop3 *c);
pop3_code p3_tagged(pop3 *c, pop3_code rc, void *tag);
pop3_code p3_queue_alone(pop3 *c, const struct p3_verb *verb, void *tag);

/* Puts a command without arguments before all that was not sent yet. */
pop3_code p3_queue_ahead(pop3 *c, const struct p3_verb *verb);

/* The oldest command has its answer; or is to have none. */
void p3_dequeue(pop3 *c);
void p3_drop_unsent(pop3 *c);

/* Sends what the window lets go, as far as the link takes it without waiting.
 * Where that fails c is dead, but for MEMORY: then something was not sent. */
pop3_code p3_let_go(pop3 *c);

/* How many more commands the window would let go now. */
size_t p3_room(pop3 *c);

/* Whether more than one command may be in flight. */
int p3_pipelines(const pop3 *c);

/* Puts a line and its end behind what is to be sent: 0, out of memory. */
int p3_put_line(pop3 *c, const char *line, size_t length);

/* ARGUMENT where a string is NULL. what: the argument, for the message. */
pop3_code p3_check_given(pop3 *c, const char *what, const char *argument);

/* ARGUMENT where "verb argument" is no line to send: CR, LF, over the limit.
 * what: the argument, for the message, which never shows it. */
pop3_code p3_check_line(pop3 *c, const char *what, const char *verb,
                        const char *argument);
pop3_code p3_check_octets(pop3 *c, const char *what, const char *line,
                          size_t length);

/* ---- body.c ------------------------------------------------------------ */

/* The next piece or line of the current body, as pop3_next_slice and
 * pop3_next_line, c having been entered. limit: octets of a line, 0 for none. */
pop3_code p3_next_slice(pop3 *c, const char **data, size_t *length);
pop3_code p3_next_line(pop3 *c, uint64_t limit, pop3_line *out);

/* Reads what is left of the current body and drops it. */
pop3_code p3_skip_body(pop3 *c);

#pragma GCC visibility pop

#endif
