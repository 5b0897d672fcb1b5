/*
 * pop3.h - libpop3, a blocking POP3 client library: the whole public API
 * SPDX-License-Identifier: MIT
 *
 * One opaque handle, `pop3 *c`, is one connection (and the settings for it).
 * Every function that can fail returns a pop3_code, POP3_OK being 0, and leaves
 * a sentence for people in pop3_error(c). A result is filled only on POP3_OK.
 *
 *     pop3 *c = pop3_new();
 *     if (pop3_connect_ssl(c, "mail.example.org", 0) ||
 *         pop3_login(c, "me", password) || pop3_stat(c, &totals))
 *         fprintf(stderr, "%s\n", pop3_error(c));
 *     pop3_shutdown(c);
 *     pop3_free(c);
 *
 * Threads: a handle is used by one thread at a time; any number of handles are
 * used by any number of threads at once. There is no global state.
 *
 * Processes: a child made by fork may close or free its copy of a handle, which
 * says nothing to the server; the session stays its parent's.
 *
 * Strings that come in end in NUL. Strings that go out are bytes with a length
 * and a NUL behind, in whatever character set the server sent. Message numbers
 * count from 1; deleted messages leave gaps.
 *
 * Ownership is told in two ways: "free with pop3_x_free" or "belongs to c,
 * until the next call on c", where calls that take a const pop3 * do not count.
 * Freeing NULL does nothing.
 */
#ifndef POP3_H
#define POP3_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POP3_VERSION "0.1.0"

/* The ports of POP3 (RFC 1939) and of POP3 under TLS (RFC 8314). */
enum { POP3_PORT = 110, POP3_SSL_PORT = 995 };

typedef struct pop3 pop3;

/*
 * What a function came to. After the codes marked (dead) the stream can not be
 * trusted any more: the connection is dead, says so at every later call with
 * the same code, and is good for pop3_close alone. After all others it goes on.
 *
 * "The codes of every command", which the functions below do not list again:
 * STATE when not connected or while queued commands are not answered, ARGUMENT
 * for an argument with CR, LF or a command over its limit, PROTO, MALFORMED,
 * TOO_LONG, CLOSED, TIMEOUT, TLS, MEMORY, and IO where the caller's own stream
 * failed.
 */
typedef enum {
    POP3_OK = 0,
    POP3_ERROR_PROTO = 1,     /* refused by the server with -ERR */
    POP3_ERROR_MALFORMED = 2, /* a reply that breaks the protocol (dead), or a
                                 challenge of AUTH that does (not dead) */
    POP3_ERROR_TOO_LONG = 3,  /* a line or a list over its limit (dead) */
    POP3_ERROR_CLOSED = 4,    /* closed or reset by the server (dead) */
    POP3_ERROR_TIMEOUT = 5,   /* nothing came in time (dead) */
    POP3_ERROR_RESOLVE = 6,   /* the host name does not resolve */
    POP3_ERROR_CONNECT = 7,   /* connection refused or host unreachable */
    POP3_ERROR_TLS = 8,       /* the TLS handshake or a record failed (dead) */
    POP3_ERROR_CERTIFICATE = 9,  /* the certificate could not be verified */
    POP3_ERROR_INSECURE = 10,    /* would have revealed a password; not sent */
    POP3_ERROR_UNSUPPORTED = 11, /* the server (or this library) lacks it */
    POP3_ERROR_ARGUMENT = 12,    /* an argument that can not be; nothing sent */
    POP3_ERROR_STATE = 13,       /* not connected, or connected already, or
                                    queued commands wait for their replies */
    POP3_ERROR_MEMORY = 14,      /* out of memory (dead, if within a line) */
    POP3_ERROR_IO = 15, /* a local file failed, or a caller's stream (dead) */
    POP3_ERROR_STOPPED = 16 /* stopped by a callback */
} pop3_code;

/* Where the connection stands (RFC 1939, 3). */
typedef enum {
    POP3_STATE_CLOSED = 0,        /* not connected */
    POP3_STATE_AUTHORIZATION = 1, /* connected, not logged in */
    POP3_STATE_TRANSACTION = 2,   /* logged in; the maildrop is locked */
    POP3_STATE_DEAD = 3           /* lost; pop3_close and connect anew */
} pop3_conn_state;

/* What is expected from the server next. */
typedef enum {
    POP3_AWAITING_NOTHING = 0,
    POP3_AWAITING_GREETING = 1,
    POP3_AWAITING_SHORT = 2, /* the status line of a one-line reply */
    POP3_AWAITING_LONG = 3,  /* the status line of a multi-line reply */
    POP3_AWAITING_BODY = 4   /* the lines behind that status line */
} pop3_await;

/* The shape of a reply: a status line alone, or with a body behind +OK. */
typedef enum { POP3_SHORT = 0, POP3_LONG = 1 } pop3_shape;

/* Line ends of a message that is written to a descriptor. */
typedef enum {
    POP3_CRLF = 0, /* as on the wire */
    POP3_LF = 1    /* CRLF becomes LF; a CR elsewhere stays */
} pop3_line_end;

/* Whether pop3_login goes over to TLS first. */
typedef enum {
    POP3_STLS_IF_OFFERED = 0,
    POP3_STLS_NEVER = 1,
    POP3_STLS_REQUIRED = 2
} pop3_stls_policy;

/* Versions of TLS. */
typedef enum {
    POP3_TLS_1_0 = 0,
    POP3_TLS_1_1 = 1,
    POP3_TLS_1_2 = 2,
    POP3_TLS_1_3 = 3
} pop3_tls_version;

/* What a response code says (RFC 2449, 8; RFC 3206; RFC 6856, 5). */
typedef enum {
    POP3_RESP_NONE = 0,
    POP3_RESP_UNKNOWN = 1,     /* one that is not listed here */
    POP3_RESP_IN_USE = 2,      /* another session has the maildrop locked */
    POP3_RESP_LOGIN_DELAY = 3, /* logged in too soon after the last time */
    POP3_RESP_SYS_TEMP = 4,    /* out of order: try again later */
    POP3_RESP_SYS_PERM = 5,    /* out of order until somebody mends it */
    POP3_RESP_AUTH = 6,        /* the credentials are wrong */
    POP3_RESP_UTF8 = 7         /* to be had in UTF8 mode alone */
} pop3_resp_kind;

/* Limits, see pop3_set_limit. */
typedef enum {
    POP3_LIMIT_REPLY = 0,    /* octets of a status line or of a listing's line,
                                its end included; 2048 */
    POP3_LIMIT_LINE = 1,     /* octets of a message's line handed out whole,
                                its end included; none */
    POP3_LIMIT_ROWS = 2,     /* lines of a listing (LIST, UIDL, CAPA); 2^20 */
    POP3_LIMIT_BAD_ROWS = 3, /* lines of a listing that do not parse; 1000 */
    POP3_LIMIT_BODY = 4,     /* octets of a message's body; none */
    POP3_LIMIT_COMMAND = 5   /* octets of a command line, CRLF included; none */
} pop3_limit;

/* ---- The handle -------------------------------------------------------- */

/*
 * Makes a handle: default settings, not connected. NULL when out of memory.
 * Free with pop3_free.
 */
pop3 *pop3_new(void);

/* Closes without a word to the server (deleting nothing) and frees c. */
void pop3_free(pop3 *c);

/* The version of the library that is linked, "0.1.0". A static string. */
const char *pop3_version(void);

/* ---- Errors and the server's words ------------------------------------- */

/*
 * What went wrong last, one line for people, without a full stop; "" after
 * success, and after pop3_close and pop3_shutdown. The server's words in it have
 * control characters made harmless. Belongs to c, until the next call on c.
 */
const char *pop3_error(const pop3 *c);

/* The code that the last call on c returned. */
pop3_code pop3_error_code(const pop3 *c);

/* A code's own name, "POP3_ERROR_PROTO". A static string. */
const char *pop3_code_name(pop3_code code);

/* What a code means in general, for people. A static string. */
const char *pop3_strerror(pop3_code code);

/*
 * The server's last status line, after success too, without its line end.
 * length: NULL, or given its length. "" before the greeting. After a malformed
 * reply it is that line. Belongs to c, until the next call on c.
 */
const char *pop3_reply(const pop3 *c, size_t *length);

/* The same without "+OK " or "-ERR ". */
const char *pop3_reply_text(const pop3 *c, size_t *length);

/*
 * The response code right behind the last reply's "-ERR ", as sent and without
 * its brackets: "IN-USE", "SYS/TEMP" (RFC 2449, 8; RFC 3206); "" for none.
 * Believed whether or not the server announced RESP-CODES. Belongs to c, until
 * the next call on c.
 */
const char *pop3_resp_code(const pop3 *c);

/* The same as a number, whatever its case; a detail that is not known counts as
 * what it is a detail of. */
pop3_resp_kind pop3_resp(const pop3 *c);

/* The greeting's line, without its line end; "" before. Belongs to c. */
const char *pop3_getwelcome(const pop3 *c, size_t *length);

/*
 * The APOP timestamp of the greeting with its angle brackets, an RFC 822
 * msg-id in printable ASCII; NULL where there is none, or after STLS, for what
 * came before TLS is not to be believed (RFC 2595, 4). Belongs to c.
 */
const char *pop3_challenge(const pop3 *c);

/* Where c stands. */
pop3_conn_state pop3_state(const pop3 *c);

/* What c waits for; between two calls, a body or nothing, or, where commands are
 * queued, what the oldest of them waits for. */
pop3_await pop3_awaiting(const pop3 *c);

/* How many queued commands are not yet answered. */
size_t pop3_pending(const pop3 *c);

/* 1 where the link is under TLS, but for a caller's stream that is so itself. */
int pop3_is_tls(const pop3 *c);

/* The socket's descriptor, -1 where there is none. It stays c's. */
int pop3_fd(const pop3 *c);

/* ---- Settings: before connecting, or any time where said --------------- */

/*
 * The longest wait for the server, in milliseconds, each time that there is
 * nothing to do but wait; 60000 at first; 0 or less: for ever. Changeable at
 * any time.
 */
void pop3_set_timeout(pop3 *c, int ms);

/*
 * The longest that connecting may take in all, over every address and the TLS
 * handshake (not the name's resolution: the system's resolver has limits of
 * its own); 0 or less, as at first: as pop3_set_timeout says.
 */
void pop3_set_connect_timeout(pop3 *c, int ms);

/*
 * The longest that one command may take in all, from its sending to the end of
 * its reply, body included, however steadily bytes drip in; 0 or less, as at
 * first: no limit. Holds from the next command on.
 */
void pop3_set_command_timeout(pop3 *c, int ms);

/*
 * Sets a limit; 0 for none. Changeable at any time.
 *   POP3_ERROR_ARGUMENT  no such limit
 */
pop3_code pop3_set_limit(pop3 *c, pop3_limit which, uint64_t n);

/*
 * The certificates of the authorities that are believed: a PEM file, or a
 * folder as c_rehash makes it. Each replaces the system's store (and is added
 * to the other, where both are set); NULL: the system's again. Read at the
 * first handshake after a setting of TLS: a file that is not there is
 * POP3_ERROR_TLS then, never silently another store.  POP3_ERROR_MEMORY
 */
pop3_code pop3_set_ca_file(pop3 *c, const char *path);
pop3_code pop3_set_ca_path(pop3 *c, const char *path);

/*
 * A client certificate: chain is a PEM file that begins with it, key a PEM file
 * with its key, or NULL where chain holds that too. NULL, NULL: none.
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_set_cert(pop3 *c, const char *chain, const char *key);

/*
 * Asks for the passphrase of an encrypted key: into buf, at most size bytes,
 * their count being returned; -1: none. NULL, as at first: nobody is asked, and
 * such a key is POP3_ERROR_TLS. It must not call anything on c.
 */
typedef int (*pop3_passphrase_callback)(void *arg, char *buf, size_t size);
void pop3_set_passphrase(pop3 *c, pop3_passphrase_callback callback, void *arg);

/*
 * The server's key must be one of these besides: "sha256//" and the SHA-256 of
 * its SubjectPublicKeyInfo in base64, several with ";" between them, as curl
 * has it; else POP3_ERROR_CERTIFICATE at the handshake. NULL, as at first: any.
 *   POP3_ERROR_ARGUMENT  no such thing
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_set_pin(pop3 *c, const char *pins);

/*
 * The lowest version of TLS that is spoken; 1.2 at first, for the ones before
 * are broken (RFC 8996). What the system forbids stays forbidden.
 *   POP3_ERROR_ARGUMENT  no such version
 */
pop3_code pop3_set_tls_floor(pop3 *c, pop3_tls_version version);

/*
 * 1, as at first: the certificate's chain and name are verified. 0: nothing is,
 * and anybody on the way can read the mail and the password.
 */
void pop3_set_verify(pop3 *c, int verify);

/*
 * The name for SNI and for the certificate, where it is not the host that is
 * connected to, nor what a specification says; NULL: those.
 *   POP3_ERROR_ARGUMENT  no name that can be
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_set_server_name(pop3 *c, const char *name);

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/*
 * The caller's own SSL_CTX, instead of the settings above but for
 * pop3_set_server_name and pop3_set_pin: what it verifies is verified, and the
 * name too where it verifies at all. c takes a reference. NULL: none.
 */
void pop3_set_ssl_ctx(pop3 *c, struct ssl_ctx_st *ctx);

/*
 * 1 lets a password cross a link that is not private: neither TLS, nor to a
 * loopback address, nor a local socket. 0 at first. Changeable at any time.
 */
void pop3_set_allow_insecure_login(pop3 *c, int allow);

/*
 * Whether pop3_login goes over to TLS by STLS first: if the server offers it,
 * as at first; never; or else nothing is logged in at all. A caller's stream
 * that is private counts as TLS. Changeable at any time.
 */
void pop3_set_stls(pop3 *c, pop3_stls_policy policy);

/*
 * 0: pop3_login, pop3_stls and pop3_auth never ask for capabilities, for a
 * server that hangs or hangs up at CAPA; what they would have told counts as not
 * offered, but pop3_stls tries. 1 at first. Changeable at any time.
 */
void pop3_set_use_capa(pop3 *c, int use);

/*
 * The one way that pop3_login may take, in any case of letters: "USER", "APOP"
 * or a SASL mechanism (see pop3_auth); NULL, as at first: what is best.
 *   POP3_ERROR_UNSUPPORTED  a way that this library lacks
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_set_login_method(pop3 *c, const char *method);

/*
 * 1: poplib's own laxness, for a drop-in replacement of it alone: a reply that
 * begins with "+" is success, any other a refusal; a body ends at "." before
 * any LF; lines are cut as poplib cuts them; a line over POP3_LIMIT_REPLY (in a
 * body too) is POP3_ERROR_TOO_LONG, kills nothing and leaves its rest. 0 at
 * first. Not to be changed while a body is being read.
 */
void pop3_set_poplib_rules(pop3 *c, int on);

/*
 * Takes a line of what is said, without its line end. arg: as given to
 * pop3_set_debug.  from_server: 0 for a line sent, 1 for one received.
 * It must not call anything on c.
 */
typedef void (*pop3_debug_sink)(void *arg, int from_server, const char *line,
                                size_t length);

/* Where the lines of pop3_set_debuglevel go; NULL, as at first: nowhere. */
void pop3_set_debug(pop3 *c, pop3_debug_sink sink, void *arg);

/*
 * 0, as at first: nothing; 1: a line a request; 2 or more: every line both
 * ways. What PASS, APOP and AUTH say is shown as stars. Changeable at any time.
 */
void pop3_set_debuglevel(pop3 *c, int level);

/* ---- Connecting -------------------------------------------------------- */

/*
 * Connects by TCP, all addresses of host raced as RFC 8305 does, and reads the
 * greeting (RFC 1939, 4). port 0: POP3_PORT. Not encrypted.
 *   POP3_ERROR_RESOLVE, POP3_ERROR_CONNECT
 *   POP3_ERROR_TIMEOUT   no connection, or no greeting, in time
 *   POP3_ERROR_CLOSED    closed before a greeting
 *   POP3_ERROR_PROTO     a greeting of -ERR: its words are kept, c is closed
 *   POP3_ERROR_MALFORMED or TOO_LONG: no greeting of POP3's
 *   POP3_ERROR_STATE     connected already
 *   POP3_ERROR_ARGUMENT  no host, or a port beyond 65535
 *   POP3_ERROR_MEMORY
 * After an error c is closed and may connect anew.
 */
pop3_code pop3_connect(pop3 *c, const char *host, int port);

/*
 * The same under TLS from the first byte (POP3S, RFC 8314). port 0:
 * POP3_SSL_PORT. Besides:
 *   POP3_ERROR_TLS          the handshake failed, or a CA or key file is bad
 *   POP3_ERROR_CERTIFICATE  untrusted, expired, or another name's
 */
pop3_code pop3_connect_ssl(pop3 *c, const char *host, int port);

/*
 * The same over a socket that is connected already: one from a proxy, one of a
 * socketpair. name: what the server is called in messages and, under TLS, must
 * be certified as. tls: 1 for TLS from the first byte. fd becomes non-blocking
 * and belongs to c from now on: closed by pop3_close, and when this fails, save
 * with ARGUMENT and STATE. Errors as above.
 */
pop3_code pop3_connect_fd(pop3 *c, int fd, const char *name, int tls);

/* What the functions of a pop3_stream return instead of a count. */
enum {
    POP3_STREAM_WANT_READ = -1,  /* nothing now: wait to read */
    POP3_STREAM_WANT_WRITE = -2, /* nothing now: wait to write */
    POP3_STREAM_TIMED_OUT = -3,
    POP3_STREAM_FAILED = -4
};

/* What a pop3_stream's wait is asked for, or'ed. */
enum { POP3_STREAM_READ = 1, POP3_STREAM_WRITE = 2 };

/*
 * A caller's own stream: a proxy's, a test's in memory, another TLS library's.
 * Each function gets the arg of pop3_connect_stream. A stream whose read and
 * write block returns no WANT_ and needs no wait.
 */
typedef struct {
    /* Reads 1 to size bytes: their count; 0 at the end; or POP3_STREAM_... */
    int64_t (*read)(void *arg, void *data, size_t size);
    /* Writes 1 to size bytes: their count; or POP3_STREAM_... */
    int64_t (*write)(void *arg, const void *data, size_t size);
    /*
     * Waits at most timeout_ms (-1: for ever) until the stream can do what is
     * in want: 1 when it can, 0 when time ran out, POP3_STREAM_FAILED.
     */
    int (*wait)(void *arg, int want, int timeout_ms);
    /* Closes. NULL: nothing to close. */
    void (*close)(void *arg);
    /*
     * Starts TLS after STLS and verifies server_name: 1, or
     * POP3_STREAM_FAILED. NULL: OpenSSL runs over the stream.
     */
    int (*start_tls)(void *arg, const char *server_name);
    /* 1: private already, passwords may cross it; 0: counts as cleartext. */
    int is_private;
} pop3_stream;

/*
 * The same over a caller's own stream. stream is copied; close is called once,
 * by pop3_close or when this fails, save with ARGUMENT and STATE.
 *   POP3_ERROR_IO  read, write or wait returned POP3_STREAM_FAILED
 */
pop3_code pop3_connect_stream(pop3 *c, const pop3_stream *stream, void *arg,
                              const char *name, int tls);

/*
 * Ends the session (QUIT, RFC 1939, 5 and 6): the server deletes what is marked
 * and unlocks the maildrop. c is closed whatever comes back, and three outcomes
 * are told apart: POP3_OK, deletions done; POP3_ERROR_PROTO, refused, some or
 * all messages are still there; any other: no answer, nobody knows.
 * Under pop3_set_poplib_rules a refusal leaves c open, as in poplib. So does
 * POP3_ERROR_STATE, queued commands not being answered: pop3_queue_quit can end
 * them.
 */
pop3_code pop3_quit(pop3 *c);

/*
 * Closes at once, without QUIT: most servers then delete nothing. Settings stay
 * and c may connect anew. Closing what is closed does nothing.
 */
void pop3_close(pop3 *c);

/* QUIT where the link still stands, which deletes what is marked; then close,
 * whatever QUIT says. While queued commands are not answered: closes alone. */
void pop3_shutdown(pop3 *c);

/* ---- Logging in -------------------------------------------------------- */

/*
 * USER (RFC 1939, 7). The name goes out as the octets it is.
 * The codes of every command; +OK does not say that there is such a user.
 */
pop3_code pop3_user(pop3 *c, const char *name);

/*
 * PASS (RFC 1939, 7). From +OK on the maildrop is locked, until QUIT.
 *   POP3_ERROR_INSECURE  the link is not private; nothing was sent, see
 *                        pop3_set_allow_insecure_login
 * and the codes of every command; PROTO: wrong, or locked, see pop3_resp_code.
 */
pop3_code pop3_pass(pop3 *c, const char *password);

/*
 * APOP (RFC 1939, 7): proves the password by an MD5 digest over the greeting's
 * timestamp and it, and so does not reveal it.
 *   POP3_ERROR_UNSUPPORTED  no timestamp in the greeting; nothing was sent
 * and the codes of every command.
 */
pop3_code pop3_apop(pop3 *c, const char *user, const char *password);

/* The same with a digest made elsewhere, in lower-case hexadecimal. */
pop3_code pop3_apop_digest(pop3 *c, const char *user, const char *digest);

/* RPOP (RFC 1081): historic; few servers know it, none should. */
pop3_code pop3_rpop(pop3 *c, const char *user);

/*
 * SASL (AUTH, RFC 5034) by PLAIN, LOGIN, CRAM-MD5, EXTERNAL, XOAUTH2 or
 * OAUTHBEARER, and, where the library was built with libgsasl, by SCRAM-SHA-1,
 * SCRAM-SHA-256, both -PLUS (bound to the TLS session), and what else that has.
 * mechanism: in any case of letters. password: for XOAUTH2 and OAUTHBEARER the
 * token, for EXTERNAL NULL. Sends an initial response where the server has the
 * SASL capability and the line fits 255 octets, but no token before it is asked
 * for one.
 *   POP3_ERROR_PROTO        refused; what an OAuth server complained of, in
 *                           JSON, is in pop3_error
 *   POP3_ERROR_INSECURE     it reveals the password, and the link is not
 *                           private; nothing was sent
 *   POP3_ERROR_UNSUPPORTED  this library lacks the mechanism
 *   POP3_ERROR_ARGUMENT     a control character in user or password
 *   POP3_ERROR_MALFORMED    a challenge that cannot be, the login cancelled
 *                           with "*"; or +OK before the server proved itself
 *                           (dead)
 * and the codes of every command.
 */
pop3_code pop3_auth(pop3 *c, const char *mechanism, const char *user,
                    const char *password);

/* What a caller's own mechanism is like, or'ed. */
enum {
    POP3_SASL_CLIENT_FIRST = 1, /* it has an initial response */
    POP3_SASL_WAITS = 2,        /* which goes out only when it is asked for */
    POP3_SASL_REVEALS = 4       /* it shows the password to who listens */
};

/*
 * Gives the response to a challenge, both as they are before base64. challenge
 * is NULL where the initial response is wanted. *response belongs to the caller
 * and stays until the next call or the end; it is not wiped here. Returns 0;
 * any other value cancels. It must not call anything on c.
 */
typedef int (*pop3_sasl_callback)(void *arg, const char *challenge,
                                  size_t length, const char **response,
                                  size_t *response_length);

/* SASL by a mechanism that the caller brings. Errors as for pop3_auth;
 * POP3_ERROR_STOPPED: cancelled by the callback. */
pop3_code pop3_auth_callback(pop3 *c, const char *mechanism, int flags,
                             pop3_sasl_callback callback, void *arg);

/*
 * Logs in the best way that both sides have. On a link that is not under TLS:
 * STLS first where the server offers it (see pop3_set_stls), and a failure of
 * that is final; then SCRAM, APOP or CRAM-MD5, the first that both have; then
 * USER and PASS, or PLAIN, where the link is private or that is allowed. Under
 * TLS: USER and PASS, or PLAIN, else what both have. pop3_set_login_method picks
 * one. A refusal is never followed by a way that reveals more.
 *   POP3_ERROR_INSECURE     only a way that reveals the password is left
 *   POP3_ERROR_UNSUPPORTED  APOP was asked for and the greeting has no
 *                           timestamp, or STLS is required and not offered
 *   POP3_ERROR_ARGUMENT     a name or password that no line can carry
 * those of pop3_stls and pop3_auth, and the codes of every command; PROTO:
 * refused.
 */
pop3_code pop3_login(pop3 *c, const char *user, const char *password);

/*
 * The way that pop3_login took, or tried last: "USER", "APOP" or a SASL
 * mechanism; "" before. Belongs to c, until its next login.
 */
const char *pop3_login_method(const pop3 *c);

/* ---- Capabilities and what they offer ---------------------------------- */

/* A capability: its name as sent, and its arguments, words as sent. */
typedef struct {
    const char *name;
    size_t count;
    const char *const *args;
} pop3_capability;

/* The answer to CAPA. octets: of the body, as poplib counts. */
typedef struct {
    const char *status;
    size_t status_length;
    size_t count;
    const pop3_capability *items;
    uint64_t octets;
} pop3_capas;

/*
 * The server's capabilities (CAPA, RFC 2449, 5), asked for once and remembered
 * until STLS. out: free with pop3_capas_free.
 *   POP3_ERROR_PROTO  the server has no CAPA
 * and the codes of every command.
 */
pop3_code pop3_capa(pop3 *c, pop3_capas **out);

/* The same, asked for anew, as after login. */
pop3_code pop3_capa_refresh(pop3 *c, pop3_capas **out);

/* The capability of that name, whatever its case; of equal ones the last; NULL
 * for none. Belongs to capas. */
const pop3_capability *pop3_capa_find(const pop3_capas *capas,
                                      const char *name);
void pop3_capas_free(pop3_capas *capas);

/* 1 where SASL is among them with that mechanism, whatever its case. */
int pop3_capa_sasl(const pop3_capas *capas, const char *mechanism);

/* What pop3_capa_expire returns for EXPIRE NEVER. */
enum { POP3_EXPIRE_NEVER = -2 };

/*
 * The seconds between two logins (LOGIN-DELAY, RFC 2449, 6.5), and the days that
 * messages are kept (EXPIRE, 6.7), 0: not once read; -1 where the server does
 * not say. per_user: NULL, or given 1 where it may be another after login.
 */
int64_t pop3_capa_login_delay(const pop3_capas *capas, int *per_user);
int64_t pop3_capa_expire(const pop3_capas *capas, int *per_user);

/* What the server says it is, for people alone (IMPLEMENTATION, 6.9); NULL where
 * it does not say. Belongs to capas. */
const char *pop3_capa_implementation(const pop3_capas *capas);

/*
 * Goes over to TLS (STLS, RFC 2595, 4) and verifies the certificate. What the
 * server said before, capabilities and APOP timestamp, is forgotten.
 *   POP3_ERROR_STATE        under TLS already, or after UTF8
 *   POP3_ERROR_UNSUPPORTED  not among the capabilities; STLS was not sent
 *   POP3_ERROR_MALFORMED    bytes came behind the reply: somebody on the way
 *                           injects them (dead)
 *   POP3_ERROR_TLS, POP3_ERROR_CERTIFICATE  (dead)
 * and the codes of every command.
 */
pop3_code pop3_stls(pop3 *c);

/* UTF8 (RFC 6856, 2.1), before login only, and after STLS, which it forbids. The
 * codes of every command. */
pop3_code pop3_utf8(pop3 *c);

/* ---- The maildrop ------------------------------------------------------ */

/* The answer to STAT. */
typedef struct {
    uint64_t messages; /* in the maildrop, without those marked deleted */
    uint64_t octets;   /* of all of them, as the server counts: a hint */
} pop3_totals;

/*
 * How many messages and octets the maildrop holds (STAT, RFC 1939, 5).
 *   POP3_ERROR_MALFORMED  +OK without two numbers; the connection is dead
 * and the codes of every command.
 */
pop3_code pop3_stat(pop3 *c, pop3_totals *out);

/* A row of LIST. octets: a hint, never a length to read by. */
typedef struct {
    uint64_t number;
    uint64_t octets;
} pop3_size;

/* The answer to LIST. octets: of the body, as poplib counts. */
typedef struct {
    const char *status;
    size_t status_length;
    size_t count;
    const pop3_size *rows; /* in the server's order */
    uint64_t octets;
} pop3_sizes;

/*
 * The size of every message that is not marked deleted (LIST, RFC 1939, 5).
 * A line that does not parse is skipped and counted, see pop3_skipped. out:
 * free with pop3_sizes_free.
 *   POP3_ERROR_TOO_LONG   more rows than POP3_LIMIT_ROWS (dead)
 *   POP3_ERROR_MALFORMED  more bad ones than POP3_LIMIT_BAD_ROWS (dead)
 * and the codes of every command.
 */
pop3_code pop3_list(pop3 *c, pop3_sizes **out);

/*
 * The same for one message.
 *   POP3_ERROR_PROTO      no such message
 *   POP3_ERROR_MALFORMED  +OK without two numbers (dead)
 */
pop3_code pop3_list_one(pop3 *c, uint64_t number, pop3_size *out);

/* The row of a message; NULL for a gap. Belongs to sizes. */
const pop3_size *pop3_list_find(const pop3_sizes *sizes, uint64_t number);
void pop3_sizes_free(pop3_sizes *sizes);

/* A row of UIDL. uid: all that stands behind the number, usually 1 to 70
 * octets of 0x21 to 0x7E; data, never a path. Two messages may share one. */
typedef struct {
    uint64_t number;
    size_t length;
    const char *uid;
} pop3_uid;

/* The answer to UIDL. octets: of the body, as poplib counts. */
typedef struct {
    const char *status;
    size_t status_length;
    size_t count;
    const pop3_uid *rows; /* in the server's order */
    uint64_t octets;
} pop3_uids;

/*
 * The unique-id of every message (UIDL, RFC 1939, 7). Errors as for pop3_list;
 * POP3_ERROR_PROTO: the server has no UIDL. out: free with pop3_uids_free.
 */
pop3_code pop3_uidl(pop3 *c, pop3_uids **out);

/*
 * The same for one message. out->uid belongs to c, until the next call on c.
 *   POP3_ERROR_MALFORMED  +OK without a unique-id (dead)
 */
pop3_code pop3_uidl_one(pop3 *c, uint64_t number, pop3_uid *out);

/* The row of a message; NULL for a gap. Belongs to uids. */
const pop3_uid *pop3_uidl_find(const pop3_uids *uids, uint64_t number);
void pop3_uids_free(pop3_uids *uids);

/* How many lines of the last listing did not parse and were skipped. */
uint64_t pop3_skipped(const pop3 *c);

/*
 * LIST and UIDL with each row given to a callback as it comes, nothing stored.
 * A callback returns 0 to go on; else the call returns POP3_ERROR_STOPPED and
 * the rest is skipped. It must not call anything on c. Errors as for pop3_list.
 */
typedef int (*pop3_size_callback)(void *arg, const pop3_size *row);
typedef int (*pop3_uid_callback)(void *arg, const pop3_uid *row);
pop3_code pop3_each_size(pop3 *c, pop3_size_callback callback, void *arg);
pop3_code pop3_each_uid(pop3 *c, pop3_uid_callback callback, void *arg);

/* Marks a message for deletion at QUIT (DELE, RFC 1939, 5). The codes of every
 * command; PROTO: no such message, or marked already. */
pop3_code pop3_dele(pop3 *c, uint64_t number);

/* Takes back all marks (RSET, RFC 1939, 5). The codes of every command. */
pop3_code pop3_rset(pop3 *c);

/* Does nothing but keep the session alive (NOOP, RFC 1939, 5). */
pop3_code pop3_noop(pop3 *c);

/* ---- Messages ---------------------------------------------------------- */

/* A line: its text without the line end, NUL behind it; what it had on the
 * wire, its end included and a stuffed dot not. */
typedef struct {
    const char *text;
    size_t length;
    size_t octets;
} pop3_line;

/* A multi-line reply in memory. octets: the sum of its lines', as in poplib. The
 * texts of the lines stand in one piece, each right behind the NUL of the one
 * before it. */
typedef struct {
    const char *status;
    size_t status_length;
    size_t count;
    const pop3_line *lines;
    uint64_t octets;
} pop3_lines;

/*
 * A whole message as lines in memory (RETR, RFC 1939, 5); the server may mark
 * it seen. out: free with pop3_lines_free.
 *   POP3_ERROR_PROTO     no such message
 *   POP3_ERROR_TOO_LONG  over POP3_LIMIT_LINE or POP3_LIMIT_BODY (dead)
 * and the codes of every command. For large mail: pop3_retr_begin.
 */
pop3_code pop3_retr(pop3 *c, uint64_t number, pop3_lines **out);

/* The same for the header and the first lines of the body (TOP, RFC 1939, 7);
 * marks nothing seen, is optional, and broken on some servers. */
pop3_code pop3_top(pop3 *c, uint64_t number, uint64_t lines, pop3_lines **out);
void pop3_lines_free(pop3_lines *lines);

/*
 * LANG (RFC 6856, 3): the language of the server's texts from now on; tag as in
 * RFC 5646, "*" for the server's own choice. pop3_lang_list: a line for each
 * that it has, tag and description. out: free with pop3_lines_free.
 *   POP3_ERROR_PROTO     not one of its languages, or no LANG at all
 *   POP3_ERROR_ARGUMENT  no tag
 * and the codes of every command.
 */
pop3_code pop3_lang(pop3 *c, const char *tag);
pop3_code pop3_lang_list(pop3 *c, pop3_lines **out);

/*
 * RETR and TOP up to the status line; the body is then taken by one of the
 * functions below, in memory that does not grow with it. What is not read of
 * it is skipped by the next command. Errors as for pop3_retr.
 */
pop3_code pop3_retr_begin(pop3 *c, uint64_t number);
pop3_code pop3_top_begin(pop3 *c, uint64_t number, uint64_t lines);

/*
 * The next piece of the current body, unstuffed, as much as is there: cut
 * anywhere, its line ends as on the wire. *data NULL, *length 0: the body's
 * end. No NUL behind it. Belongs to c, until the next call on c.
 *   POP3_ERROR_STATE     no body is being read
 *   POP3_ERROR_TOO_LONG  over POP3_LIMIT_BODY (dead)
 * and CLOSED, TIMEOUT, TLS, MEMORY, IO (dead).
 */
pop3_code pop3_next_slice(pop3 *c, const char **data, size_t *length);

/*
 * The next line of the current body. A line ends where the server ends lines,
 * at CRLF (at LF where its status line ended so); a bare LF within stays.
 * out->text NULL: the body's end. Belongs to c, until the next call on c.
 *   POP3_ERROR_TOO_LONG  over POP3_LIMIT_LINE or POP3_LIMIT_BODY (dead)
 * else as pop3_next_slice.
 */
pop3_code pop3_next_line(pop3 *c, pop3_line *out);

/*
 * Gives each line that is left of the current body to a callback, which returns
 * 0 to go on and must not call anything on c.
 *   POP3_ERROR_STOPPED  it returned another value; the rest can still be read
 * else as pop3_next_line.
 */
typedef int (*pop3_line_callback)(void *arg, const pop3_line *line);
pop3_code pop3_each_line(pop3 *c, pop3_line_callback callback, void *arg);

/* What is left of the current body as lines in memory. out: free with
 * pop3_lines_free. Errors as for pop3_next_line. */
pop3_code pop3_body_lines(pop3 *c, pop3_lines **out);

/*
 * Writes what is left of the current body to a descriptor, which stays the
 * caller's. octets: NULL, or given what was read, as on the wire.
 *   POP3_ERROR_IO  a write failed; the rest of the body is skipped
 * else as pop3_next_slice. No SIGPIPE is raised.
 */
pop3_code pop3_body_fd(pop3 *c, int fd, pop3_line_end ends, uint64_t *octets);

/* The octets of the current or last body so far, as on the wire, a stuffed dot
 * and the final one not counted. */
uint64_t pop3_body_octets(const pop3 *c);

/* ---- The queue: many commands on their way ----------------------------- */

/*
 * On a link with a long way there and back, commands that go together cost one
 * way for all of them. A pop3_queue_ function only appends its command, and the
 * replies come in the same order:
 *
 *     for (n = 1; n <= messages; n++)
 *         pop3_queue_retr(c, n, 0, NULL);
 *     while (pop3_pending(c)) {
 *         rc = pop3_next_reply(c, NULL);
 *         while (!rc && !(rc = pop3_next_slice(c, &data, &length)) && data)
 *             fwrite(data, 1, length, out);
 *     }
 *
 * Where the server does not offer PIPELINING (RFC 2449, 6.6) they go one by one;
 * the caller sees no difference. Whether it does is asked for where it is not
 * known, and again after login, by a CAPA of the library's own ahead of the
 * first two commands or more that wait. Nothing goes behind PASS, APOP, AUTH,
 * STLS or QUIT before its reply has come.
 *
 * tag: the caller's, given back with the reply; may be NULL.
 * octets: the message's size as LIST told it, for the window; 0: not known.
 * pop3_queue_command takes what pop3_command takes.
 *   POP3_ERROR_STATE     not connected, or QUIT is queued: nothing can follow it
 *   POP3_ERROR_ARGUMENT  CR or LF in the line, or the line over its limit
 *   POP3_ERROR_MEMORY
 * or what the connection died of; nothing is appended then.
 */
pop3_code pop3_queue_stat(pop3 *c, void *tag);
pop3_code pop3_queue_list(pop3 *c, void *tag);
pop3_code pop3_queue_list_one(pop3 *c, uint64_t number, void *tag);
pop3_code pop3_queue_uidl(pop3 *c, void *tag);
pop3_code pop3_queue_uidl_one(pop3 *c, uint64_t number, void *tag);
pop3_code pop3_queue_retr(pop3 *c, uint64_t number, uint64_t octets, void *tag);
pop3_code pop3_queue_top(pop3 *c, uint64_t number, uint64_t lines, void *tag);
pop3_code pop3_queue_dele(pop3 *c, uint64_t number, void *tag);
pop3_code pop3_queue_rset(pop3 *c, void *tag);
pop3_code pop3_queue_noop(pop3 *c, void *tag);
pop3_code pop3_queue_capa(pop3 *c, void *tag);
pop3_code pop3_queue_quit(pop3 *c, void *tag);
pop3_code pop3_queue_command(pop3 *c, const char *line, pop3_shape shape,
                             void *tag);

/*
 * The window: how many commands may be sent and not yet answered, and how many
 * octets the replies on their way may have, as far as they are known. 1024 and
 * 64 MiB at first. Where the number of commands was the limit it doubles, up to
 * 16 times what is set. commands 1: one at a time, whatever the server offers.
 * octets 0: any number. Changeable at any time.
 *   POP3_ERROR_ARGUMENT  no window at all, or one of more than 2^20
 */
pop3_code pop3_set_window(pop3 *c, size_t commands, uint64_t octets);

/*
 * Sends what was queued, as far as the window and the link take it without
 * waiting; the rest goes while replies are read, so it never waits for a server
 * that waits for this side to read.
 *   POP3_ERROR_MALFORMED  a reply came that nothing asked for (dead)
 * and the codes of every command, but for PROTO.
 */
pop3_code pop3_flush(pop3 *c);

/*
 * Sends what was queued, skips what is left of the last reply's body, and awaits
 * the reply to the oldest command: its code. tag: NULL, or given what that
 * command was queued with. What the reply says is then told by pop3_reply and
 * the functions below; a body is taken by pop3_next_slice and its kin. After
 * the reply to QUIT c is closed. One that dies answers every command that is
 * still queued with its error, so that pop3_pending comes to 0.
 *   POP3_ERROR_PROTO      that command was refused; the others go on
 *   POP3_ERROR_STATE      nothing is queued, or c is not connected
 *   POP3_ERROR_MALFORMED  as for every command, or a reply came that nothing
 *                         asked for (dead)
 * and the codes of every command. See pop3_out_of_step.
 */
pop3_code pop3_next_reply(pop3 *c, void **tag);

/*
 * 1 where c died of a malformed reply, or of a line too long for one, while
 * several commands were on their way, or in whatever way behind a message of
 * pop3_download with what looks like the next reply in it: a server that announces
 * PIPELINING and mixes up its answers. What came since the last good reply is
 * doubtful. With pop3_set_window(c, 1, 0) a new connection may do.
 */
int pop3_out_of_step(const pop3 *c);

/*
 * What the reply just read says: to STAT; to LIST and UIDL of one message (whose
 * number is given, for servers that leave it out); and the bodies of LIST, UIDL
 * and CAPA, the last remembered for pop3_capa too. Results and errors are those
 * of pop3_stat, pop3_list_one, pop3_uidl_one, pop3_list, pop3_uidl, pop3_capa,
 * but for POP3_ERROR_STATE: that command was refused, or no body is being read.
 */
pop3_code pop3_reply_totals(pop3 *c, pop3_totals *out);
pop3_code pop3_reply_size(pop3 *c, pop3_size *out);
pop3_code pop3_reply_uid(pop3 *c, uint64_t number, pop3_uid *out);
pop3_code pop3_body_sizes(pop3 *c, pop3_sizes **out);
pop3_code pop3_body_uids(pop3 *c, pop3_uids **out);
pop3_code pop3_body_capas(pop3 *c, pop3_capas **out);

/* ---- A Maildir --------------------------------------------------------- */

typedef struct pop3_maildir pop3_maildir;

/*
 * Opens a Maildir; cur/, new/ and tmp/ are made where they are missing, and it
 * too (mode 700) where its parent is there. c takes the message of an error and
 * need not be connected. out: free with pop3_maildir_close.
 *   POP3_ERROR_IO      no Maildir can be there, or it is not writable
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_maildir_open(pop3 *c, const char *path, pop3_maildir **out);
void pop3_maildir_close(pop3_maildir *maildir);

/*
 * Delivers what is left of the current body into a Maildir: written to tmp/
 * with LF line ends, synced, moved to new/, and new/ synced. On POP3_OK the
 * message is whole and durable; else nothing of it is in new/ or tmp/.
 * octets: NULL, or given what was read, as on the wire.
 *   POP3_ERROR_IO  it could not be stored; the rest of the body is skipped
 * else as pop3_next_slice.
 */
pop3_code pop3_body_maildir(pop3 *c, pop3_maildir *maildir, uint64_t *octets);

typedef struct pop3_stored pop3_stored;

/*
 * Opens the record of the messages, by their UIDs, that are stored from one
 * account in one Maildir: a file in its folder, made where it is missing (mode
 * 600), and locked until pop3_stored_close. A message that was stored counts as
 * that whatever crashed afterwards: what an earlier run could not finish is
 * finished here. c takes the message of an error, gives the time to wait
 * (pop3_set_timeout), and need not be connected. maildir has to outlive the
 * record.
 * user, server, port: the account, whatever the case of the server's name.
 * out: free with pop3_stored_close.
 *   POP3_ERROR_ARGUMENT  user or server is NULL
 *   POP3_ERROR_TIMEOUT   somebody else had it locked all the time
 *   POP3_ERROR_IO        it cannot be read or written, or a file of that name is
 *                        none of that account; which is left as it is
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_stored_open(pop3 *c, pop3_maildir *maildir, const char *user,
                           const char *server, int port, pop3_stored **out);
void pop3_stored_close(pop3_stored *stored);

/* ---- Many messages at once --------------------------------------------- */

typedef struct pop3_plan pop3_plan;

/* A message, as the listings tell of it; once it has come, octets is what it has
 * on the wire. uid NULL: it has none, or it is not known any more. */
typedef struct {
    uint64_t number;
    uint64_t octets;
    size_t uid_length;
    const char *uid;
} pop3_message;

/* What became of a message. */
typedef enum {
    POP3_OUTCOME_STORED = 0,       /* safely stored */
    POP3_OUTCOME_REFUSED = 1,      /* RETR was refused */
    POP3_OUTCOME_NOT_STORED = 2,   /* it came, and could not be stored */
    POP3_OUTCOME_DELETED = 3,      /* marked for deletion at QUIT */
    POP3_OUTCOME_DELE_REFUSED = 4, /* stored, but DELE was refused */
    POP3_OUTCOME_NO_UID = 5, /* not fetched: UIDL leaves it out, so nobody knows
                                whether it was stored before */
    POP3_OUTCOME_DOUBTFUL = 6 /* it came from a server that answers out of step,
                                 and is not stored; see pop3_out_of_step */
} pop3_outcome;

/* How far a download is. The octets of all messages are LIST's: a hint. */
typedef struct {
    uint64_t messages; /* that have come so far */
    uint64_t octets;
    uint64_t all_messages; /* that are to come in all */
    uint64_t all_octets;
} pop3_progress;

/* What a download came to. */
typedef struct {
    uint64_t messages; /* safely stored */
    uint64_t octets;   /* of those, as on the wire */
    uint64_t known;    /* not fetched: stored by an earlier run */
    uint64_t deleted;  /* marked for deletion at QUIT, known ones too */
    uint64_t refused;
    uint64_t not_stored;
    uint64_t dele_refused;
    uint64_t no_uid;
    uint64_t skipped; /* lines of LIST and UIDL that did not parse */
    int quit;         /* 1: QUIT was answered +OK: the deletions are done */
} pop3_downloaded;

/*
 * A place for messages, a table of functions that all get what is given to
 * pop3_plan_sink; each but end returns 0, or else the message could not be
 * stored and stays on the server. begin and sync may be NULL. They must not call
 * anything on the connection.
 */
typedef struct {
    /* A message comes. */
    int (*begin)(void *arg, const pop3_message *message);
    /* A piece of it, unstuffed, cut anywhere, line ends as on the wire. */
    int (*slice)(void *arg, const char *data, size_t length);
    /* whole 1: that was all of it; 0: it is to be forgotten, for the link was
     * lost, or slice failed. Not called where begin failed. */
    int (*end)(void *arg, int whole);
    /* What has come whole since the last sync has to be safe now: it is about
     * to be deleted from the server. What no sync follows is not stored: the
     * server answered out of step, and it is doubtful. */
    int (*sync)(void *arg);
} pop3_sink;

/*
 * The callbacks of a download. In them pop3_error and the other functions that
 * take a const pop3 * may be called on the connection, and no others.
 *   outcome   what became of a message; pop3_error says why it failed
 *   progress  after each piece; another value than 0 stops the download: nothing
 *             further is asked for, what is on its way is still stored
 *   select    whether to fetch a message: 1; or 0
 */
typedef void (*pop3_outcome_callback)(void *arg, const pop3_message *message,
                                      pop3_outcome outcome);
typedef int (*pop3_progress_callback)(void *arg, const pop3_progress *progress);
typedef int (*pop3_select_callback)(void *arg, const pop3_message *message);

/*
 * A plan: what pop3_download is to do, told by the functions below. At first it
 * is all messages, to nowhere yet, none deleted, no QUIT. NULL when out of
 * memory. Free with pop3_plan_free. What it is told of must outlive its use.
 */
pop3_plan *pop3_plan_new(void);
void pop3_plan_free(pop3_plan *plan);

/*
 * Where the messages go; the last of these counts.
 *   maildir  a Maildir. With stored, not NULL, only what no earlier run has
 *            stored is fetched, and each message exactly once where the server
 *            has UIDL (without it, at least once)
 *   fd       a descriptor, one message behind the other. What is cut off by a
 *            lost link, or is not stored for another reason, is taken away again
 *            where the descriptor is at the end of a file
 *   sink     the caller's functions, which are copied
 */
void pop3_plan_maildir(pop3_plan *plan, pop3_maildir *maildir,
                       pop3_stored *stored);
void pop3_plan_fd(pop3_plan *plan, int fd, pop3_line_end ends);
void pop3_plan_sink(pop3_plan *plan, const pop3_sink *sink, void *arg);

/*
 * Which messages: those of these numbers, if any are given; of them the n with
 * the highest numbers (0: all), no larger than so many octets by LIST (0: of any
 * size), and those that the callback wants.
 * pop3_plan_number: POP3_ERROR_ARGUMENT for 0, POP3_ERROR_MEMORY.
 */
pop3_code pop3_plan_number(pop3_plan *plan, uint64_t number);
void pop3_plan_newest(pop3_plan *plan, uint64_t n);
void pop3_plan_max_octets(pop3_plan *plan, uint64_t octets);
void pop3_plan_on_select(pop3_plan *plan, pop3_select_callback callback,
                         void *arg);

/* 1: a message is marked for deletion once it is safely stored, now or by an
 * earlier run; 0: all stay. */
void pop3_plan_delete(pop3_plan *plan, int on);

/* 1: ends the session with QUIT, in one flight with the last deletions; c is
 * closed then. */
void pop3_plan_quit(pop3_plan *plan, int on);

/* Who is told what becomes of each message, and how far it is; NULL: nobody. */
void pop3_plan_on_outcome(pop3_plan *plan, pop3_outcome_callback callback,
                          void *arg);
void pop3_plan_on_progress(pop3_plan *plan, pop3_progress_callback callback,
                           void *arg);

/*
 * Downloads many messages, pipelined where the server offers it: LIST and UIDL
 * in one flight, then every RETR, then the deletions and QUIT. With greeting,
 * CAPA and login that makes six round trips for up to a thousand messages, and
 * one more each time that the window doubles, which it does four times. Memory
 * does not grow with the messages' sizes; each takes some 60 octets of it.
 *
 * A message is deleted only when it is durable where it goes. One that is
 * refused, or cannot be stored, stays on the server and holds back no other; but
 * where the Maildir or descriptor fails nothing further is asked for. Whatever
 * ends it, what has come whole is stored, and nothing else is.
 *
 * c: logged in, nothing queued; afterwards nothing is either. out: filled in any
 * case.
 *   POP3_ERROR_PROTO      LIST or QUIT was refused; or UIDL, where without it
 *                         nobody knows what is new: stored is set, and nothing
 *                         is to be deleted; or UIDL was refused for now alone,
 *                         as by [SYS/TEMP], and stored or select is set
 *   POP3_ERROR_IO         a message could not be stored (not of a sink's)
 *   POP3_ERROR_STOPPED    by the progress callback
 *   POP3_ERROR_ARGUMENT   the plan does not say where to
 *   POP3_ERROR_MALFORMED  see pop3_out_of_step: what was doubtful is not stored
 * and the codes of every command. Single messages that were refused are told in
 * out alone.
 */
pop3_code pop3_download(pop3 *c, const pop3_plan *plan, pop3_downloaded *out);

/* ---- What the library does not know ------------------------------------ */

/*
 * Sends any command, a line without its end, and reads its status line; the
 * body of a POP3_LONG reply is then taken by pop3_next_slice and its kin. It
 * goes out whatever it reveals: PASS here is not asked whether the link is
 * private.
 *   POP3_ERROR_ARGUMENT  CR or LF in it
 * and the codes of every command.
 */
pop3_code pop3_command(pop3 *c, const char *line, pop3_shape shape);

/*
 * For a dialogue: sends a line as it is, and reads one, whatever it says. Shown
 * in no debug output. Both skip the rest of a body first.
 *   pop3_read_line: out belongs to c, until the next call on c.
 */
pop3_code pop3_send_line(pop3 *c, const char *line);
pop3_code pop3_read_line(pop3 *c, pop3_line *out);

/* ---- Where to connect, and as whom ------------------------------------- */

typedef enum {
    POP3_MODE_SSL = 0,  /* TLS from the first byte */
    POP3_MODE_STLS = 1, /* cleartext, then STLS, required */
    POP3_MODE_TCP = 2   /* cleartext */
} pop3_mode;

/* A parsed specification. */
typedef struct {
    pop3_mode mode;
    const char *user;        /* NULL: not given */
    const char *tcp_host;    /* to connect to; server_name where not given */
    const char *server_name; /* for SNI and the certificate */
    int port;                /* the mode's own where not given */
    const char *account;     /* of the netrc entry that gave it, or NULL */
} pop3_spec;

typedef struct pop3_netrc pop3_netrc;

/* An entry of a netrc file; what it does not say is NULL, the machine of
 * `default` too. Belongs to its pop3_netrc. */
typedef struct {
    const char *machine;
    const char *login;
    const char *account;
    const char *password;
} pop3_netrc_entry;

/*
 * Parses [tcp:|ssl:|stls:][user@][tcp_host!]server_name[:port], the user ending
 * at the last "@" before the host and an IPv6 address standing in brackets; or,
 * before that, the account name of an entry of netrc (NULL: none), whose
 * machine is then what is parsed. c takes the message of an error and need not
 * be connected. out: free with pop3_spec_free.
 *   POP3_ERROR_ARGUMENT  malformed
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_spec_parse(pop3 *c, const char *text, const pop3_netrc *netrc,
                          pop3_spec **out);
void pop3_spec_free(pop3_spec *spec);

/*
 * Reads a netrc file. path NULL: $NETRC, else ~/.netrc, and where that is
 * missing an empty one. Words may stand in double quotes (\\ and \" within), #
 * begins a comment, a macdef ends at an empty line. out: free with
 * pop3_netrc_free, which wipes it.
 *   POP3_ERROR_IO        it cannot be read
 *   POP3_ERROR_ARGUMENT  it is malformed; the message names the line
 *   POP3_ERROR_MEMORY
 */
pop3_code pop3_netrc_load(pop3 *c, const char *path, pop3_netrc **out);
void pop3_netrc_free(pop3_netrc *netrc);

/* 1 where the file is its owner's alone: no right of group or others. */
int pop3_netrc_is_private(const pop3_netrc *netrc);

/* The first entry of exactly that machine, or account; NULL for none. */
const pop3_netrc_entry *pop3_netrc_machine(const pop3_netrc *netrc,
                                           const char *machine);
const pop3_netrc_entry *pop3_netrc_account(const pop3_netrc *netrc,
                                           const char *account);

/*
 * The entry for a specification; NULL for none. For one that an account gave:
 * that entry; else, wherever it stands in the file, `machine user@host:port`,
 * `machine user@host`, `machine host` with that login or none, `default`
 * likewise, host being the server's name. Where spec names no user, the first
 * `machine host` with a login says who it is, before the local user is tried.
 */
const pop3_netrc_entry *pop3_netrc_for_spec(const pop3_netrc *netrc,
                                            const pop3_spec *spec);

/*
 * The user to log in as: spec's, else entry's (which may be NULL), else the
 * local user. Belongs to spec, entry or c; if c, until its next pop3_spec_user.
 *   POP3_ERROR_ARGUMENT  no user given, and none known here
 */
pop3_code pop3_spec_user(pop3 *c, const pop3_spec *spec,
                         const pop3_netrc_entry *entry, const char **user);

/* Connects as spec says: TCP, TLS, or TCP and then STLS. Errors as for
 * pop3_connect_ssl and pop3_stls. After an error c is closed. */
pop3_code pop3_connect_spec(pop3 *c, const pop3_spec *spec);

/*
 * All at once: parses spec, finds user and password in netrc (NULL: the default
 * file is loaded), connects as its mode says, and logs in.
 *   POP3_ERROR_ARGUMENT  spec is malformed, or netrc has no password for it
 *   POP3_ERROR_INSECURE  others can read the netrc that holds the password
 * and those of pop3_netrc_load, pop3_connect_spec and pop3_login.
 * After an error c is closed.
 */
pop3_code pop3_open(pop3 *c, const char *spec, const pop3_netrc *netrc);

#ifdef __cplusplus
}
#endif

#endif /* POP3_H */
