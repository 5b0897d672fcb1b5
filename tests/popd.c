/*
 * popd.c - a small but true POP3 server, for tests, demo and benchmarks
 * SPDX-License-Identifier: MIT
 *
 * Owns RFC 1939 from the server's side, with CAPA (RFC 2449), STLS (RFC 2595)
 * and the response codes IN-USE, AUTH, SYS/TEMP (RFC 2449, 3206), over Maildirs
 * or over a mailbox made up in memory. One process a connection, on 127.0.0.1
 * only; it ends itself after --lifetime. Not here: SASL, UTF8, and nonsense,
 * which scriptd speaks. It shares no code with the library that it tests.
 *
 *   --user NAME:PASSWORD:MAILDIR  an account; may be repeated. Without MAILDIR
 *                                 (NAME:PASSWORD:) its mailbox is synthetic
 *   --synthetic COUNT:SIZE        that mailbox: COUNT messages of SIZE octets,
 *                                 the same again in every session
 *   --port N, --ssl-port N        0: any free one; no POP3S without --ssl-port
 *   --cert FILE, --key FILE       PEM; with them STLS is offered
 *   --no-apop --no-capa --no-uidl --no-top --no-pipelining --no-stls
 *                                 a server without that
 *   --autologout SECONDS          default 600
 *   --delay MS                    a slow link: what is sent arrives that late
 *   --log FILE                    appends a line a session, before the reply to
 *                                 QUIT or after any other end: user=NAME
 *                                 commands=N round_trips=N pipelined=N
 *                                 end=quit|autologout|eof|tls|cut
 *   --trace FILE                  appends each command line as it was received
 *   --port-file FILE              "plain PORT", "ssl PORT", when all is ready
 *   --lifetime SECONDS            default 3600
 *
 * Links that die:
 *   --cut N[:reset]               each session ends when N octets have been sent,
 *                                 the greeting's too, under TLS those within it;
 *                                 by FIN, or by RST. What its commands had done by
 *                                 then counts: messages are deleted if the reply
 *                                 to QUIT was begun
 *   --cut in:N[:reset]            the same when N octets have been received; what
 *                                 is whole of them is carried out and answered
 *   --cut-file FILE               read when a session begins: its --cut, none
 *                                 where there is no such file, or nothing in it
 *   --rate OCTETS                 sends no more than that in a second
 *   --small-buffers               sockets with buffers of a few KB
 *
 * Servers as there are, and their faults:
 *   --no-lock                     several sessions at once have one mailbox
 *   --uid-prefix TEXT             begins each UID: as if by another server
 *   --same-uids                   messages of the same content have the same UID
 *                                 (popa3d); not in a synthetic mailbox
 *   --no-uid N[,N...]             those messages are missing in UIDL
 *   --refuse VERB[:N[,N...]]      -ERR to that command, or where it is about those
 *                                 messages; may be repeated. A QUIT refused
 *                                 deletes nothing, and the session ends
 *   --drop-behind VERB            throws away what came in one read behind that
 *                                 command (Courier: PASS), "any": behind each
 *                                 after login; may be repeated
 *   --out-of-step                 where a RETR has come before the reply to the
 *                                 one before it has left, its status line goes
 *                                 out too early: before the dot that ends the
 *                                 other's message (WildDuck)
 *
 * round_trips counts the waits for input after something was sent, a handshake
 * as one; pipelined the commands that came before the last reply had left. With
 * --delay only a wait of half of it or more counts. SIGTERM ends all at once,
 * and sessions that it ends are not logged.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

enum {
    LINE_LIMIT = 255, /* octets of a command with its CRLF (RFC 2449, 4) */
    IN_SIZE = 16384,
    OUT_SIZE = 65536,
    FILE_SIZE = 65536,
    TEXT_COLUMNS = 72,
    TEXT_LINE = TEXT_COLUMNS + 2, /* with CRLF */
    TEXT_LINES = 3500,            /* of the block synthetic bodies are cut of */
    HEADER_MAX = 256,
    HELD_LIMIT = 64 << 20, /* octets on the slow link before it pushes back */
    LINGER_MS = 1000,
    CHILDREN_MAX = 256,
    RATE_SLICES = 20, /* a second of --rate is cut into that many */
    EX_USAGE = 64
};

/* What --no-... takes away. */
enum {
    NO_APOP = 1,
    NO_CAPA = 2,
    NO_UIDL = 4,
    NO_TOP = 8,
    NO_PIPELINING = 16,
    NO_STLS = 32,
    NO_LOCK = 64
};

struct user {
    char *name;
    char *password;
    char *maildir; /* empty: the synthetic mailbox */
};

/* The values of an option that may be repeated. */
struct texts {
    char **list;
    size_t count;
};

/* When a session's link dies; all ones: never. */
struct cut {
    uint64_t sent;
    uint64_t received;
    bool reset; /* by RST */
};

struct config {
    struct user *users;
    size_t user_count;
    uint64_t port;
    uint64_t ssl_port;
    bool ssl; /* --ssl-port was given */
    char *cert;
    char *key;
    char *log_name;
    char *trace_name;
    char *port_file;
    char *synthetic;
    uint64_t synthetic_count;
    uint64_t synthetic_size;
    uint64_t autologout; /* seconds */
    uint64_t delay_ms;
    uint64_t lifetime; /* seconds */
    uint64_t rate;     /* octets a second; 0: as fast as it goes */
    char *cut;
    char *cut_file;
    char *uid_prefix;
    char *no_uid; /* numbers, apart by commas */
    struct texts refused;
    struct texts drop_behind;
    unsigned without; /* of NO_... */
    bool same_uids;
    bool out_of_step;
    bool small_buffers;

    SSL_CTX *tls; /* NULL: no TLS at all */
    char *text;   /* TEXT_LINES lines of synthetic body */
    FILE *lock;   /* unlinked; its octet i is locked for user i */
    int log;      /* -1: none */
    int trace;    /* -1: none */
};

struct message {
    char *name;      /* its file's; NULL when synthetic */
    size_t uid_len;  /* of name, up to the colon */
    uint64_t octets; /* as sent, without the stuffed dots */
    uint64_t hash;   /* of those octets, where UIDs are made of it */
    int dir;         /* index of drop.dirs */
    bool deleted;
};

struct drop {
    struct message *list;
    size_t count;
    size_t room;
    int dirs[2]; /* new/ and cur/; -1 when closed */
    bool hashed; /* its messages' content, too */
};

enum end { END_NONE, END_QUIT, END_AUTOLOGOUT, END_EOF, END_TLS, END_CUT };

struct session {
    const struct config *cfg;
    const struct user *user; /* logged in: the state is TRANSACTION */
    struct drop drop;
    int fd;
    SSL *ssl; /* NULL: cleartext */
    enum end end;
    struct cut left;     /* octets until the link dies */
    int64_t deadline_ms; /* autologout */
    bool logged;         /* its line is written; QUIT's is before the reply */
    bool status_sent;    /* out of step: that of the next RETR, already */
    bool sent;           /* something went out since the last round trip */
    uint64_t commands;
    uint64_t round_trips;
    uint64_t pipelined; /* commands that came before the last reply left */
    char stamp[80];     /* of APOP */
    char name[LINE_LIMIT + 1]; /* of USER; empty: none given */
    size_t in_start;
    size_t in_end;
    size_t out_len;
    char in[IN_SIZE];
    char out[OUT_SIZE];
};

/* ---- small things ---- */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Ends the program that could not start. */
static void die(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

static void die(int status, const char *format, ...)
{
    va_list args;

    fputs("popd: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

static void *must(void *memory)
{
    if (!memory)
        die(1, "out of memory");
    return memory;
}

static char *copy_of(const char *text, size_t len)
{
    char *copy = must(malloc(len + 1));

    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

/* Digits alone, at *p, which moves behind them. */
static bool number(const char **p, uint64_t *value)
{
    const char *start = *p;
    uint64_t n = 0;

    for (; **p >= '0' && **p <= '9'; ++*p) {
        if (*p - start >= 18)
            return false;
        n = n * 10 + (uint64_t)(**p - '0');
    }
    *value = n;
    return *p > start;
}

/* Whether n is one of "N,N,...". */
static bool is_listed(const char *numbers, uint64_t n)
{
    uint64_t each;

    while (number(&numbers, &each)) {
        if (each == n)
            return true;
        numbers += *numbers == ',';
    }
    return false;
}

/* How many characters snprintf has really put there. */
static size_t printed(int len, size_t size)
{
    if (len < 0)
        return 0;
    return (size_t)len < size ? (size_t)len : size - 1;
}

static void append(int fd, const char *line, size_t len)
{
    /* A test that misses a line will say so; there is nobody to tell here. */
    if (fd >= 0 && write(fd, line, len) < 0)
        return;
}

/* ---- octets in and out, within the deadlines ---- */

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left;
    int rc;

    do {
        left = deadline_ms - now_ms();
        if (left < 0)
            left = 0;
        rc = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
    } while (rc < 0 && errno == EINTR);
    return rc > 0;
}

static void restart_autologout(struct session *s)
{
    s->deadline_ms = now_ms() + (int64_t)s->cfg->autologout * 1000;
}

/* What the TLS layer waits for; 0: it is over. */
static short tls_need(SSL *ssl, int rc)
{
    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

static short socket_need(ssize_t rc, short events)
{
    return rc < 0 && (errno == EAGAIN || errno == EINTR) ? events : 0;
}

/* Octets read; or 0: *need tells what to wait for; or -1: the end. */
static int read_now(struct session *s, char *to, size_t size, short *need)
{
    int got;

    if (size > s->left.received)
        size = (size_t)s->left.received;
    if (size == 0)
        return -1;
    if (s->ssl) {
        ERR_clear_error();
        got = SSL_read(s->ssl, to, (int)size);
        *need = got > 0 ? 0 : tls_need(s->ssl, got);
    } else {
        got = (int)read(s->fd, to, size);
        *need = socket_need(got, POLLIN);
    }
    if (got <= 0)
        return *need ? 0 : -1;
    s->left.received -= (uint64_t)got;
    return got;
}

static int write_now(struct session *s, const char *from, size_t len,
                     short *need)
{
    int put;

    if (s->ssl) {
        ERR_clear_error();
        put = SSL_write(s->ssl, from, (int)len);
        *need = put > 0 ? 0 : tls_need(s->ssl, put);
    } else {
        put = (int)write(s->fd, from, len);
        *need = socket_need(put, POLLOUT);
    }
    if (put > 0)
        return put;
    return *need ? 0 : -1;
}

/* How much may go out at once; the rest of its slice of time is slept away. */
static size_t slice(const struct session *s, size_t len)
{
    static const struct timespec pause = {.tv_nsec = 1000000000 / RATE_SLICES};
    size_t most = (size_t)s->cfg->rate / RATE_SLICES + 1;

    if (s->cfg->rate == 0)
        return len;
    nanosleep(&pause, NULL);
    return len < most ? len : most;
}

static void send_all(struct session *s, const char *from, size_t len)
{
    int64_t deadline_ms = now_ms() + (int64_t)s->cfg->autologout * 1000;
    short need = 0;
    int put;

    while (len > 0 && !s->end) {
        put = write_now(s, from, slice(s, len), &need);
        if (put < 0) {
            s->end = END_EOF;
        } else if (put > 0) {
            s->sent = true;
            from += put;
            len -= (size_t)put;
        } else if (!wait_for(s->fd, need, deadline_ms)) {
            s->end = END_AUTOLOGOUT;
        }
    }
}

/* The idle time counts from the last reply, not from the last octet. */
static void flush(struct session *s)
{
    if (s->out_len == 0)
        return;
    send_all(s, s->out, s->out_len);
    s->out_len = 0;
    restart_autologout(s);
}

static void put_out(struct session *s, const char *from, size_t len)
{
    if (len > OUT_SIZE - s->out_len)
        flush(s);
    if (len > OUT_SIZE) {
        send_all(s, from, len);
        return;
    }
    memcpy(s->out + s->out_len, from, len);
    s->out_len += len;
}

static void end_by(struct session *s, enum end end)
{
    if (!s->end)
        s->end = end;
}

/* Up to the cut, where the session ends before it does anything more. */
static void out(struct session *s, const char *from, size_t len)
{
    if (s->end)
        return;
    if (len < s->left.sent) {
        s->left.sent -= len;
        put_out(s, from, len);
        return;
    }
    put_out(s, from, (size_t)s->left.sent);
    s->left.sent = 0;
    flush(s);
    end_by(s, END_CUT);
}

static void outf(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void outf(struct session *s, const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    out(s, text, printed(len, sizeof(text)));
}

/*
 * A wait after something was sent is a round trip. On the slow link only one
 * that lasts is: what comes at once was under way before the reply left.
 */
static void wait_input(struct session *s, short need)
{
    int64_t began = now_ms();

    if (!wait_for(s->fd, need, s->deadline_ms)) {
        s->end = END_AUTOLOGOUT;
    } else if (s->sent && now_ms() - began >= (int64_t)s->cfg->delay_ms / 2) {
        s->round_trips++;
        s->sent = false;
    }
}

/*
 * Reads more. Replies leave only when nothing more has come: so those to one
 * batch of commands leave together, and the next input, having come after
 * them, is a new round trip. False: the end.
 */
static bool fill(struct session *s)
{
    short need = 0;
    int got;

    memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
    s->in_end -= s->in_start;
    s->in_start = 0;
    while (!s->end) {
        got = read_now(s, s->in + s->in_end, IN_SIZE - s->in_end, &need);
        if (got > 0) {
            s->in_end += (size_t)got;
            return true;
        }
        flush(s);
        if (got < 0)
            end_by(s, s->left.received ? END_EOF : END_CUT);
        if (!s->end)
            wait_input(s, need);
    }
    return false;
}

enum line { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG };

/* Copies up to a line's limit from the input; the line end is no part of it. */
static size_t copy_line(const char *from, size_t len, char *line)
{
    if (len > 0 && from[len - 1] == '\r')
        len--;
    if (len > LINE_LIMIT)
        len = LINE_LIMIT;
    memcpy(line, from, len);
    line[len] = '\0';
    return len;
}

/* Takes one line, of at most LINE_LIMIT octets with its end, or eats it up. */
static enum line next_line(struct session *s, char *line, size_t *len)
{
    bool too_long = false;
    const char *at, *lf;
    size_t have;

    for (;;) {
        at = s->in + s->in_start;
        have = s->in_end - s->in_start;
        lf = memchr(at, '\n', have);
        if (lf)
            have = (size_t)(lf - at) + 1;
        if (!too_long && (lf || have > LINE_LIMIT))
            *len = copy_line(at, lf ? have - 1 : have, line);
        too_long = too_long || have > LINE_LIMIT;
        if (lf || too_long)
            s->in_start += have;
        if (lf)
            return too_long ? LINE_TOO_LONG : LINE_WHOLE;
        if (!fill(s))
            return LINE_NONE;
    }
}

/* ---- TLS ---- */

/* A handshake is one round trip, and the way to it, after STLS, another. */
static bool start_tls(struct session *s)
{
    unsigned trips = s->sent ? 2 : 1;
    short need;
    int rc = -1;

    s->sent = false;
    s->ssl = SSL_new(s->cfg->tls);
    if (!s->ssl || SSL_set_fd(s->ssl, s->fd) != 1)
        s->end = END_TLS;
    while (!s->end && rc != 1) {
        ERR_clear_error();
        rc = SSL_accept(s->ssl);
        need = rc == 1 ? 0 : tls_need(s->ssl, rc);
        if (need)
            wait_input(s, need);
        else if (rc != 1)
            s->end = END_TLS;
    }
    s->round_trips += rc == 1 ? trips : 0;
    return rc == 1;
}

/* What came in the same read. */
static void forget_input(struct session *s)
{
    s->in_start = s->in_end = 0;
}

/* What came behind STLS in clear may be anybody's (RFC 2595, 4). */
static void discard_input(struct session *s)
{
    short need = 0;
    int i, got = 1;

    forget_input(s);
    for (i = 0; i < 64 && got > 0; i++)
        got = read_now(s, s->in, IN_SIZE, &need);
    if (got < 0)
        end_by(s, s->left.received ? END_EOF : END_CUT);
}

/* Waits for the other side to close, so that what is unread there stays. */
static void linger(int fd)
{
    int64_t deadline_ms = now_ms() + LINGER_MS;
    char waste[4096];
    ssize_t got = 1;

    shutdown(fd, SHUT_WR);
    while (got != 0 && wait_for(fd, POLLIN, deadline_ms)) {
        got = read(fd, waste, sizeof(waste));
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return;
    }
}

/* ---- a message on its way out ---- */

/* Turns stored lines into those of the wire; counts them when s is NULL. */
struct wire {
    struct session *s;
    uint64_t octets; /* without stuffed dots */
    uint64_t *hash;  /* of them (FNV-1a); NULL: not wanted */
    uint64_t column; /* octets of the current line so far */
    bool cr;         /* the last one was CR */
    bool body;       /* the empty line was there */
    bool whole;      /* all lines, else lines of the body */
    uint64_t lines;
    bool done;
};

static void wire_put(struct wire *w, const char *from, size_t len)
{
    size_t i;

    w->octets += len;
    if (w->s)
        out(w->s, from, len);
    for (i = 0; w->hash && i < len; i++)
        *w->hash = (*w->hash ^ (unsigned char)from[i]) * 1099511628211u;
}

static void wire_part(struct wire *w, const char *from, size_t len)
{
    if (len == 0)
        return;
    if (w->s && w->column == 0 && from[0] == '.')
        out(w->s, ".", 1);
    wire_put(w, from, len);
    w->column += len;
    w->cr = from[len - 1] == '\r';
}

static void wire_line_end(struct wire *w)
{
    bool empty = w->column == 0 || (w->column == 1 && w->cr);

    if (w->cr)
        wire_put(w, "\n", 1);
    else
        wire_put(w, "\r\n", 2);
    if (w->body)
        w->lines -= w->lines > 0;
    else
        w->body = empty;
    w->done = !w->whole && w->body && w->lines == 0;
    w->column = 0;
    w->cr = false;
}

static void wire_octets(struct wire *w, const char *from, size_t len)
{
    const char *lf;
    size_t part;

    while (len > 0 && !w->done) {
        lf = memchr(from, '\n', len);
        part = lf ? (size_t)(lf - from) : len;
        wire_part(w, from, part);
        if (lf) {
            wire_line_end(w);
            part++;
        }
        from += part;
        len -= part;
    }
}

/* A last line without an end gets one, else the lone dot would be of it. */
static bool wire_file(struct wire *w, int fd)
{
    char buffer[FILE_SIZE];
    ssize_t got = 1;

    while (got > 0 && !w->done && !(w->s && w->s->end)) {
        got = read(fd, buffer, sizeof(buffer));
        if (got > 0)
            wire_octets(w, buffer, (size_t)got);
    }
    if (got == 0 && w->column > 0)
        wire_line_end(w);
    return got >= 0;
}

static int synthetic_header(char *to, size_t number)
{
    return snprintf(to, HEADER_MAX,
                    "From: bench@example.org\r\nSubject: message %zu\r\n"
                    "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
                    "Message-ID: <%zu@example.org>\r\n\r\n",
                    number, number);
}

/* The body: whole lines, then one of what is left, 2 to 75 octets. */
static void synthetic_body(struct session *s, uint64_t octets, uint64_t lines)
{
    const char *text = s->cfg->text;
    uint64_t n, whole = (octets - 2) / TEXT_LINE;
    size_t rest = (size_t)(octets - whole * TEXT_LINE);

    for (; whole > 0 && lines > 0 && !s->end; whole -= n, lines -= n) {
        n = whole < TEXT_LINES ? whole : TEXT_LINES;
        n = n < lines ? n : lines;
        out(s, text, (size_t)n * TEXT_LINE);
    }
    if (lines == 0)
        return;
    if (rest > TEXT_LINE)
        out(s, "x", rest-- - TEXT_LINE);
    out(s, text, rest - 2);
    out(s, "\r\n", 2);
}

static void send_synthetic(struct session *s, const struct message *m,
                           uint64_t lines)
{
    char header[HEADER_MAX];
    size_t number = (size_t)(m - s->drop.list) + 1;
    size_t len = (size_t)synthetic_header(header, number);

    out(s, header, len);
    synthetic_body(s, m->octets - len, lines);
}

/* ---- the maildrop ---- */

static bool lock_drop(struct session *s, const struct user *u, short type)
{
    /* A lock of this process: gone when it ends, however it ends. */
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

    l.l_start = (off_t)(u - s->cfg->users);
    if (s->cfg->without & NO_LOCK)
        return true;
    return fcntl(fileno(s->cfg->lock), F_SETLK, &l) == 0;
}

static struct message *add_message(struct drop *d)
{
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : 64;
        d->list = must(realloc(d->list, d->room * sizeof(*d->list)));
    }
    return memset(&d->list[d->count++], 0, sizeof(*d->list));
}

/* Opens a message's file; -1: it is none, or gone. */
static int open_message(const struct drop *d, const struct message *m)
{
    int fd = openat(d->dirs[m->dir], m->name,
                    O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool measure(const struct drop *d, struct message *m)
{
    struct wire w = {.whole = true, .hash = d->hashed ? &m->hash : NULL};
    int fd = open_message(d, m);
    bool ok;

    if (fd < 0)
        return false;
    ok = wire_file(&w, fd);
    close(fd);
    m->octets = w.octets;
    return ok;
}

static void add_file(struct drop *d, int dir, const char *name)
{
    struct message *m = add_message(d);

    m->dir = dir;
    m->name = copy_of(name, strlen(name));
    m->uid_len = strcspn(name, ":");
    if (!measure(d, m)) {
        free(m->name);
        d->count--;
    }
}

static bool load_folder(struct drop *d, int dir, const char *path)
{
    struct dirent *e;
    DIR *list;

    d->dirs[dir] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    list = opendir(path);
    if (d->dirs[dir] < 0 || !list) {
        if (list)
            closedir(list);
        return false;
    }
    while ((e = readdir(list)) != NULL)
        if (e->d_name[0] != '.')
            add_file(d, dir, e->d_name);
    closedir(list);
    return true;
}

/* By unique name, so that a message that moves to cur/ keeps its number. */
static int by_uid(const void *one, const void *other)
{
    const struct message *a = one, *b = other;
    size_t least = a->uid_len < b->uid_len ? a->uid_len : b->uid_len;
    int order = memcmp(a->name, b->name, least);

    if (order)
        return order;
    return (a->uid_len > b->uid_len) - (a->uid_len < b->uid_len);
}

static bool load_maildir(struct drop *d, const char *maildir)
{
    static const char *const folders[2] = {"new", "cur"};
    char path[4096];
    int i;

    for (i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", maildir, folders[i]);
        if (!load_folder(d, i, path))
            return false;
    }
    if (d->count > 0)
        qsort(d->list, d->count, sizeof(*d->list), by_uid);
    return true;
}

static bool load_synthetic(struct drop *d, const struct config *cfg)
{
    char header[HEADER_MAX];
    struct message *m;
    uint64_t i, least = 0;

    for (i = 1; i <= cfg->synthetic_count; i++) {
        if (cfg->synthetic_size < HEADER_MAX)
            least = (uint64_t)synthetic_header(header, (size_t)i) + 2;
        m = add_message(d);
        m->octets = cfg->synthetic_size > least ? cfg->synthetic_size : least;
    }
    return true;
}

static void release_drop(struct drop *d)
{
    size_t i;

    for (i = 0; i < d->count; i++)
        free(d->list[i].name);
    free(d->list);
    for (i = 0; i < 2; i++)
        if (d->dirs[i] >= 0)
            close(d->dirs[i]);
    memset(d, 0, sizeof(*d));
    d->dirs[0] = d->dirs[1] = -1;
}

/* UPDATE: removes what is marked. False: some of it is still there. */
static bool update_drop(const struct drop *d)
{
    bool ok = true;
    size_t i;

    for (i = 0; i < d->count; i++) {
        const struct message *m = &d->list[i];

        if (m->deleted && m->name &&
            unlinkat(d->dirs[m->dir], m->name, 0) != 0 && errno != ENOENT)
            ok = false;
    }
    return ok;
}

/* ---- the commands; arg is what stands behind the verb and a blank ---- */

static void log_session(struct session *s, const char *end)
{
    char line[512];
    int len;

    if (s->logged)
        return;
    s->logged = true;
    len = snprintf(line, sizeof(line),
                   "user=%s commands=%llu round_trips=%llu "
                   "pipelined=%llu end=%s\n",
                   s->user ? s->user->name : "-",
                   (unsigned long long)s->commands,
                   (unsigned long long)s->round_trips,
                   (unsigned long long)s->pipelined, end);

    append(s->cfg->log, line, printed(len, sizeof(line)));
}

static void refuse(struct session *s, const char *why)
{
    outf(s, "-ERR %s\r\n", why);
}

/* Locks and reads the maildrop of a user who has proved to be that. */
static void enter(struct session *s, const struct user *u)
{
    bool ok;

    if (!lock_drop(s, u, F_WRLCK)) {
        refuse(s, "[IN-USE] another session has this maildrop");
        return;
    }
    s->drop.hashed = s->cfg->same_uids;
    ok = u->maildir[0] ? load_maildir(&s->drop, u->maildir)
                       : load_synthetic(&s->drop, s->cfg);
    if (!ok) {
        release_drop(&s->drop);
        lock_drop(s, u, F_UNLCK);
        refuse(s, "[SYS/TEMP] the maildrop cannot be read");
        return;
    }
    s->user = u;
    outf(s, "+OK %zu messages\r\n", s->drop.count);
}

static const struct user *find_user(const struct config *cfg, const char *name)
{
    size_t i;

    for (i = 0; i < cfg->user_count; i++)
        if (strcmp(cfg->users[i].name, name) == 0)
            return &cfg->users[i];
    return NULL;
}

static void cmd_user(struct session *s, char *arg)
{
    snprintf(s->name, sizeof(s->name), "%s", arg);
    /* Who exists here is nobody's business before the password. */
    outf(s, "+OK password, please\r\n");
}

static void cmd_pass(struct session *s, char *arg)
{
    const struct user *u;

    if (!s->name[0]) {
        refuse(s, "USER first");
        return;
    }
    u = find_user(s->cfg, s->name);
    s->name[0] = '\0';
    if (u && strcmp(u->password, arg) == 0)
        enter(s, u);
    else
        refuse(s, "[AUTH] wrong user name or password");
}

/* MD5 of timestamp and password, in lower-case hex (RFC 1939, 7). */
static bool apop_digest(const char *stamp, const char *password, char *hex)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned len = 0;
    size_t i;
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) &&
              EVP_DigestUpdate(ctx, stamp, strlen(stamp)) &&
              EVP_DigestUpdate(ctx, password, strlen(password)) &&
              EVP_DigestFinal_ex(ctx, md, &len);

    EVP_MD_CTX_free(ctx);
    for (i = 0; ok && i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", md[i]);
    return ok;
}

static void cmd_apop(struct session *s, char *arg)
{
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    char *digest = strrchr(arg, ' ');
    const struct user *u;

    if (!digest) {
        refuse(s, "name and digest expected");
        return;
    }
    *digest++ = '\0';
    u = find_user(s->cfg, arg);
    if (u && apop_digest(s->stamp, u->password, hex) &&
        strcmp(hex, digest) == 0)
        enter(s, u);
    else
        refuse(s, "[AUTH] wrong user name or digest");
}

static bool offers_stls(const struct session *s)
{
    return s->cfg->tls && !(s->cfg->without & NO_STLS) && !s->ssl && !s->user;
}

static void cmd_stls(struct session *s, char *arg)
{
    (void)arg;
    if (!offers_stls(s)) {
        refuse(s, "no TLS to begin here");
        return;
    }
    discard_input(s);
    outf(s, "+OK begin TLS\r\n");
    flush(s);
    s->name[0] = '\0';
    if (!s->end)
        start_tls(s);
}

static void cmd_capa(struct session *s, char *arg)
{
    unsigned without = s->cfg->without;

    (void)arg;
    outf(s,
         "+OK capabilities follow\r\nUSER\r\nRESP-CODES\r\n"
         "AUTH-RESP-CODE\r\n%s%s%s%sEXPIRE NEVER\r\n"
         "IMPLEMENTATION popd\r\n.\r\n",
         without & NO_TOP ? "" : "TOP\r\n", without & NO_UIDL ? "" : "UIDL\r\n",
         without & NO_PIPELINING ? "" : "PIPELINING\r\n",
         offers_stls(s) ? "STLS\r\n" : "");
}

static void end_session(struct session *s)
{
    flush(s);
    end_by(s, END_QUIT);
}

static void cmd_quit(struct session *s, char *arg)
{
    bool ok = true;

    (void)arg;
    if (s->user) {
        ok = update_drop(&s->drop);
        lock_drop(s, s->user, F_UNLCK);
    }
    /* Unlocked and logged before the reply: who has it may rely on both. */
    log_session(s, "quit");
    if (ok)
        outf(s, "+OK bye\r\n");
    else
        refuse(s, "[SYS/TEMP] some deleted messages not removed");
    end_session(s);
}

/* The message whose number begins arg, which moves behind it; or refuses. */
static struct message *pick(struct session *s, char **arg)
{
    const char *p = *arg;
    uint64_t n;

    if (!number(&p, &n) || (*p && *p != ' ')) {
        refuse(s, "message number expected");
        return NULL;
    }
    *arg += p - *arg;
    if (n == 0 || n > s->drop.count || s->drop.list[n - 1].deleted) {
        refuse(s, "no such message");
        return NULL;
    }
    return &s->drop.list[n - 1];
}

/* The same where nothing may follow. */
static struct message *pick_only(struct session *s, char *arg)
{
    struct message *m = pick(s, &arg);

    if (m && *arg) {
        refuse(s, "one argument expected");
        return NULL;
    }
    return m;
}

static size_t number_of(const struct session *s, const struct message *m)
{
    return (size_t)(m - s->drop.list) + 1;
}

static void totals(const struct session *s, size_t *count, uint64_t *octets)
{
    size_t i;

    *count = 0;
    *octets = 0;
    for (i = 0; i < s->drop.count; i++)
        if (!s->drop.list[i].deleted) {
            ++*count;
            *octets += s->drop.list[i].octets;
        }
}

static void cmd_stat(struct session *s, char *arg)
{
    uint64_t octets;
    size_t count;

    (void)arg;
    totals(s, &count, &octets);
    outf(s, "+OK %zu %llu\r\n", count, (unsigned long long)octets);
}

static void row_size(struct session *s, const struct message *m)
{
    outf(s, "%zu %llu\r\n", number_of(s, m), (unsigned long long)m->octets);
}

static bool has_uid(const struct session *s, const struct message *m)
{
    return !s->cfg->no_uid || !is_listed(s->cfg->no_uid, number_of(s, m));
}

static void row_uid(struct session *s, const struct message *m)
{
    const char *prefix = s->cfg->uid_prefix ? s->cfg->uid_prefix : "";
    size_t n = number_of(s, m);

    if (!has_uid(s, m))
        return;
    if (m->name && s->cfg->same_uids)
        outf(s, "%zu %s%016llx\r\n", n, prefix, (unsigned long long)m->hash);
    else if (m->name)
        outf(s, "%zu %s%.*s\r\n", n, prefix, (int)m->uid_len, m->name);
    else
        outf(s, "%zu %ssynthetic.%zu\r\n", n, prefix, n);
}

/* LIST and UIDL, of one message or of all. */
static void listing(struct session *s, char *arg,
                    void (*row)(struct session *, const struct message *))
{
    const struct message *m;
    size_t i;

    if (arg) {
        m = pick_only(s, arg);
        if (!m)
            return;
        out(s, "+OK ", 4);
        row(s, m);
        return;
    }
    outf(s, "+OK\r\n");
    for (i = 0; i < s->drop.count && !s->end; i++)
        if (!s->drop.list[i].deleted)
            row(s, &s->drop.list[i]);
    out(s, ".\r\n", 3);
}

static void cmd_list(struct session *s, char *arg)
{
    listing(s, arg, row_size);
}

static void cmd_uidl(struct session *s, char *arg)
{
    const char *p = arg;
    uint64_t n;

    if (arg && s->cfg->no_uid && number(&p, &n) && is_listed(s->cfg->no_uid, n))
        refuse(s, "no unique-id");
    else
        listing(s, arg, row_uid);
}

static void send_status(struct session *s, const struct message *m)
{
    if (!s->status_sent)
        outf(s, "+OK %llu octets\r\n", (unsigned long long)m->octets);
    s->status_sent = false;
}

/* The message that a RETR already read, and next in turn, asks for. */
static const struct message *asked_next(const struct session *s)
{
    const char *line = s->in + s->in_start;
    size_t len = s->in_end - s->in_start;
    const char *p;
    uint64_t n;

    if (!memchr(line, '\n', len) || strncasecmp(line, "RETR ", 5) != 0)
        return NULL;
    p = line + 5;
    if (!number(&p, &n) || n == 0 || n > s->drop.count ||
        s->drop.list[n - 1].deleted)
        return NULL;
    return &s->drop.list[n - 1];
}

/* The dot; a server out of step has begun the next reply by then. */
static void send_dot(struct session *s)
{
    const struct message *next = s->cfg->out_of_step ? asked_next(s) : NULL;

    if (next) {
        send_status(s, next);
        s->status_sent = true;
    }
    out(s, ".\r\n", 3);
}

/* RETR and TOP, from the file. */
static void send_file(struct session *s, struct message *m, struct wire *w)
{
    int fd = open_message(&s->drop, m);

    if (fd < 0) {
        refuse(s, "[SYS/TEMP] the message cannot be read");
        return;
    }
    send_status(s, m);
    w->s = s;
    /* Half a message cannot be taken back: no dot, and the line is cut. */
    if (!wire_file(w, fd))
        end_by(s, END_EOF);
    close(fd);
    send_dot(s);
}

static void send_message(struct session *s, struct message *m, bool whole,
                         uint64_t lines)
{
    struct wire w = {.whole = whole, .lines = lines};

    if (m->name) {
        send_file(s, m, &w);
        return;
    }
    send_status(s, m);
    send_synthetic(s, m, whole ? UINT64_MAX : lines);
    send_dot(s);
}

static void cmd_retr(struct session *s, char *arg)
{
    struct message *m = pick_only(s, arg);

    if (m)
        send_message(s, m, true, 0);
}

static void cmd_top(struct session *s, char *arg)
{
    struct message *m = pick(s, &arg);
    const char *p = arg;
    uint64_t lines;

    if (!m)
        return;
    if (*p++ != ' ' || !number(&p, &lines) || *p)
        refuse(s, "message number and number of lines expected");
    else
        send_message(s, m, false, lines);
}

static void cmd_dele(struct session *s, char *arg)
{
    struct message *m = pick_only(s, arg);

    if (!m)
        return;
    m->deleted = true;
    outf(s, "+OK marked\r\n");
}

static void cmd_rset(struct session *s, char *arg)
{
    size_t i;

    (void)arg;
    for (i = 0; i < s->drop.count; i++)
        s->drop.list[i].deleted = false;
    outf(s, "+OK nothing marked\r\n");
}

static void cmd_noop(struct session *s, char *arg)
{
    (void)arg;
    outf(s, "+OK\r\n");
}

/* ---- which command may stand where ---- */

enum { AUTHORIZATION = 1, TRANSACTION = 2 };
enum argument { ARG_NONE, ARG_MAY, ARG_MUST };

struct command {
    const char *verb;
    void (*run)(struct session *s, char *arg);
    unsigned states;
    unsigned without; /* the NO_... that takes it away */
    enum argument arg;
};

static const struct command commands[] = {
    {"USER", cmd_user, AUTHORIZATION, 0, ARG_MUST},
    {"PASS", cmd_pass, AUTHORIZATION, 0, ARG_MUST},
    {"APOP", cmd_apop, AUTHORIZATION, NO_APOP, ARG_MUST},
    {"STLS", cmd_stls, AUTHORIZATION, NO_STLS, ARG_NONE},
    {"CAPA", cmd_capa, AUTHORIZATION | TRANSACTION, NO_CAPA, ARG_NONE},
    {"QUIT", cmd_quit, AUTHORIZATION | TRANSACTION, 0, ARG_NONE},
    {"STAT", cmd_stat, TRANSACTION, 0, ARG_NONE},
    {"LIST", cmd_list, TRANSACTION, 0, ARG_MAY},
    {"UIDL", cmd_uidl, TRANSACTION, NO_UIDL, ARG_MAY},
    {"RETR", cmd_retr, TRANSACTION, 0, ARG_MUST},
    {"TOP", cmd_top, TRANSACTION, NO_TOP, ARG_MUST},
    {"DELE", cmd_dele, TRANSACTION, 0, ARG_MUST},
    {"NOOP", cmd_noop, TRANSACTION, 0, ARG_NONE},
    {"RSET", cmd_rset, TRANSACTION, 0, ARG_NONE},
};

static const struct command *find_command(const struct config *cfg,
                                          const char *verb)
{
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcasecmp(commands[i].verb, verb) == 0)
            return cfg->without & commands[i].without ? NULL : &commands[i];
    return NULL;
}

/* By --refuse: the verb alone, or that of the message that arg begins with. */
static bool is_refused(const struct config *cfg, const char *verb,
                       const char *arg)
{
    const char *each, *p;
    size_t i, len;
    uint64_t n;

    for (i = 0; i < cfg->refused.count; i++) {
        each = cfg->refused.list[i];
        len = strcspn(each, ":");
        if (strlen(verb) != len || strncasecmp(each, verb, len) != 0)
            continue;
        p = arg ? arg : "";
        if (!each[len] || (number(&p, &n) && is_listed(each + len + 1, n)))
            return true;
    }
    return false;
}

static void turn_down(struct session *s, const struct command *c)
{
    refuse(s, "refused");
    if (c->run == cmd_quit)
        end_session(s);
}

static bool drops_behind(const struct session *s, const char *verb)
{
    const struct texts *verbs = &s->cfg->drop_behind;
    size_t i;

    for (i = 0; i < verbs->count; i++)
        if (strcasecmp(verbs->list[i], verb) == 0 ||
            (s->user && strcmp(verbs->list[i], "any") == 0))
            return true;
    return false;
}

static void dispatch(struct session *s, char *line)
{
    char *arg = strchr(line, ' ');
    const struct command *c;

    if (arg)
        *arg++ = '\0';
    c = find_command(s->cfg, line);
    if (!c)
        refuse(s, "unknown command");
    else if (!(c->states & (s->user ? TRANSACTION : AUTHORIZATION)))
        refuse(s, s->user ? "not after login" : "not before login");
    else if (arg && c->arg == ARG_NONE)
        refuse(s, "no argument expected");
    else if ((!arg || !*arg) && c->arg == ARG_MUST)
        refuse(s, "argument expected");
    else if (is_refused(s->cfg, line, arg))
        turn_down(s, c);
    else
        c->run(s, arg);
    if (drops_behind(s, line))
        forget_input(s);
}

static void take_command(struct session *s, enum line kind, char *line,
                         size_t len)
{
    s->commands++;
    if (s->out_len > 0)
        s->pipelined++;
    if (kind == LINE_TOO_LONG)
        refuse(s, "line too long");
    else if (memchr(line, '\0', len))
        refuse(s, "NUL in a command");
    else
        dispatch(s, line);
}

static void trace(const struct session *s, const char *line, size_t len)
{
    char copy[LINE_LIMIT + 1];

    if (s->cfg->trace < 0)
        return;
    memcpy(copy, line, len);
    copy[len] = '\n';
    append(s->cfg->trace, copy, len + 1);
}

/* ---- a session ---- */

static void greet(struct session *s)
{
    struct timespec t;

    if (s->cfg->without & NO_APOP) {
        outf(s, "+OK popd ready\r\n");
        return;
    }
    clock_gettime(CLOCK_REALTIME, &t);
    snprintf(s->stamp, sizeof(s->stamp), "<%ld.%lld%09ld@localhost>",
             (long)getpid(), (long long)t.tv_sec, t.tv_nsec);
    outf(s, "+OK popd ready %s\r\n", s->stamp);
}

static void converse(struct session *s)
{
    char line[LINE_LIMIT + 1];
    enum line kind;
    size_t len = 0;

    greet(s);
    while (!s->end) {
        kind = next_line(s, line, &len);
        if (kind == LINE_NONE)
            return;
        trace(s, line, len);
        take_command(s, kind, line, len);
    }
}

static void part(struct session *s)
{
    static const char *const names[] = {"none", "quit", "autologout",
                                        "eof",  "tls",  "cut"};
    static const struct linger at_once = {.l_onoff = 1};

    /* The log's reader may count on it: the maildrop is free again. */
    if (s->user)
        lock_drop(s, s->user, F_UNLCK);
    log_session(s, names[s->end]);
    if (s->ssl && (s->end == END_QUIT || s->end == END_AUTOLOGOUT))
        SSL_shutdown(s->ssl);
    if (s->end == END_CUT && s->left.reset)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    else if (s->end == END_QUIT || s->end == END_CUT)
        linger(s->fd);
}

/* --- when its link dies --- */

static bool parse_cut(const char *text, struct cut *cut)
{
    uint64_t n;
    bool in = strncmp(text, "in:", 3) == 0;
    const char *p = text + (in ? 3 : 0);

    cut->sent = cut->received = UINT64_MAX;
    cut->reset = false;
    if (!*text)
        return true;
    if (!number(&p, &n))
        return false;
    *(in ? &cut->received : &cut->sent) = n;
    cut->reset = strcmp(p, ":reset") == 0;
    return cut->reset || !*p;
}

/* Its first line; empty, too, where there is none. */
static void read_line_of(const char *file, char *line, int size)
{
    FILE *f = fopen(file, "r");

    if (!f || !fgets(line, size, f))
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (f)
        fclose(f);
}

static void plan_end(struct session *s)
{
    const struct config *cfg = s->cfg;
    char line[64] = "";

    if (cfg->cut)
        snprintf(line, sizeof(line), "%s", cfg->cut);
    if (cfg->cut_file)
        read_line_of(cfg->cut_file, line, (int)sizeof(line));
    if (!parse_cut(line, &s->left))
        die(EX_USAGE, "%s: N, in:N, N:reset or in:N:reset expected", line);
}

static void run_session(const struct config *cfg, int fd, bool ssl)
{
    struct session *s = must(calloc(1, sizeof(*s)));

    s->cfg = cfg;
    s->fd = fd;
    s->drop.dirs[0] = s->drop.dirs[1] = -1;
    plan_end(s);
    restart_autologout(s);
    if (!ssl || start_tls(s))
        converse(s);
    part(s);
    release_drop(&s->drop);
    SSL_free(s->ssl);
    close(fd);
    free(s);
}

/* ---- the slow link: a process between the client and the session ---- */

struct piece {
    struct piece *next;
    int64_t due_ms;
    size_t len;
    size_t done;
    char data[];
};

struct link {
    int client;
    int server;
    int64_t delay_ms;
    struct piece *first; /* on its way to the client */
    struct piece **last;
    size_t held;      /* octets of all pieces */
    bool server_over; /* nothing more comes from it */
    bool client_over;
    bool server_deaf; /* it takes nothing more */
    bool lost;        /* the client takes nothing more */
    size_t up_len;
    size_t up_done;
    char up[IN_SIZE]; /* from the client, at once */
    char down[OUT_SIZE];
};

static void link_hold(struct link *l)
{
    ssize_t got = read(l->server, l->down, sizeof(l->down));
    struct piece *p;

    if (got <= 0) {
        l->server_over = !socket_need(got, POLLIN);
        return;
    }
    p = must(malloc(sizeof(*p) + (size_t)got));
    p->next = NULL;
    p->due_ms = now_ms() + l->delay_ms;
    p->len = (size_t)got;
    p->done = 0;
    memcpy(p->data, l->down, p->len);
    *l->last = p;
    l->last = &p->next;
    l->held += p->len;
}

static void link_drop(struct link *l)
{
    struct piece *p = l->first;

    l->held -= p->len;
    l->first = p->next;
    if (!l->first)
        l->last = &l->first;
    free(p);
}

static void link_deliver(struct link *l)
{
    struct piece *p = l->first;
    ssize_t put = write(l->client, p->data + p->done, p->len - p->done);

    if (put > 0)
        p->done += (size_t)put;
    else
        l->lost = !socket_need(put, POLLOUT);
    if (p->done == p->len)
        link_drop(l);
}

static void link_read_up(struct link *l)
{
    ssize_t got = read(l->client, l->up, sizeof(l->up));

    l->up_done = 0;
    l->up_len = got > 0 ? (size_t)got : 0;
    if (got > 0 || socket_need(got, POLLIN))
        return;
    l->client_over = true;
    shutdown(l->server, SHUT_WR);
}

static void link_write_up(struct link *l)
{
    ssize_t put = write(l->server, l->up + l->up_done, l->up_len - l->up_done);

    if (put > 0)
        l->up_done += (size_t)put;
    else
        l->server_deaf = !socket_need(put, POLLOUT);
    if (l->up_done == l->up_len)
        l->up_len = 0;
}

static bool link_due(const struct link *l)
{
    return l->first && l->first->due_ms <= now_ms();
}

static int link_timeout(const struct link *l)
{
    int64_t left = l->first ? l->first->due_ms - now_ms() : 1000;

    if (left < 0)
        return 0;
    return left > 1000 ? 1000 : (int)left;
}

/* A descriptor with nothing to ask is left out, or poll would spin on its
 * hang-up. */
static void link_turn(struct link *l)
{
    struct pollfd p[2] = {{.fd = -1}, {.fd = -1}};
    bool due = link_due(l);

    if (!l->client_over && !l->server_deaf && l->up_len == 0)
        p[0].events |= POLLIN;
    if (due)
        p[0].events |= POLLOUT;
    if (!l->server_over && l->held < HELD_LIMIT)
        p[1].events |= POLLIN;
    if (l->up_len > 0 && !l->server_deaf)
        p[1].events |= POLLOUT;
    p[0].fd = p[0].events ? l->client : -1;
    p[1].fd = p[1].events ? l->server : -1;
    if (poll(p, 2, due ? 1000 : link_timeout(l)) <= 0)
        return;
    if (p[0].revents && (p[0].events & POLLIN))
        link_read_up(l);
    if (p[0].revents && due)
        link_deliver(l);
    if (p[1].revents && (p[1].events & POLLIN))
        link_hold(l);
    if (p[1].revents && (p[1].events & POLLOUT) && l->up_len > 0)
        link_write_up(l);
}

static void run_link(const struct config *cfg, int client, int server)
{
    struct link *l = must(calloc(1, sizeof(*l)));

    l->client = client;
    l->server = server;
    l->delay_ms = (int64_t)cfg->delay_ms;
    l->last = &l->first;
    while (!l->lost && !(l->server_over && !l->first))
        link_turn(l);
    /* The session must learn of a client that is gone, at once. */
    close(server);
    if (!l->lost)
        linger(client);
    while (l->first)
        link_drop(l);
    close(client);
    free(l);
}

/* ---- options ---- */

enum kind {
    KIND_TEXT,
    KIND_TEXTS,
    KIND_NUMBER,
    KIND_FLAG,
    KIND_WITHOUT,
    KIND_USER
};

struct option {
    const char *name;
    enum kind kind;
    size_t offset; /* of its field in struct config */
    unsigned bit;
};

#define FIELD(f) offsetof(struct config, f)

static const struct option options[] = {
    {"--user", KIND_USER, 0, 0},
    {"--port", KIND_NUMBER, FIELD(port), 0},
    {"--ssl-port", KIND_NUMBER, FIELD(ssl_port), 0},
    {"--cert", KIND_TEXT, FIELD(cert), 0},
    {"--key", KIND_TEXT, FIELD(key), 0},
    {"--synthetic", KIND_TEXT, FIELD(synthetic), 0},
    {"--autologout", KIND_NUMBER, FIELD(autologout), 0},
    {"--delay", KIND_NUMBER, FIELD(delay_ms), 0},
    {"--log", KIND_TEXT, FIELD(log_name), 0},
    {"--trace", KIND_TEXT, FIELD(trace_name), 0},
    {"--port-file", KIND_TEXT, FIELD(port_file), 0},
    {"--lifetime", KIND_NUMBER, FIELD(lifetime), 0},
    {"--no-apop", KIND_WITHOUT, 0, NO_APOP},
    {"--no-capa", KIND_WITHOUT, 0, NO_CAPA},
    {"--no-uidl", KIND_WITHOUT, 0, NO_UIDL},
    {"--no-top", KIND_WITHOUT, 0, NO_TOP},
    {"--no-pipelining", KIND_WITHOUT, 0, NO_PIPELINING},
    {"--no-stls", KIND_WITHOUT, 0, NO_STLS},
    {"--no-lock", KIND_WITHOUT, 0, NO_LOCK},
    {"--cut", KIND_TEXT, FIELD(cut), 0},
    {"--cut-file", KIND_TEXT, FIELD(cut_file), 0},
    {"--rate", KIND_NUMBER, FIELD(rate), 0},
    {"--small-buffers", KIND_FLAG, FIELD(small_buffers), 0},
    {"--uid-prefix", KIND_TEXT, FIELD(uid_prefix), 0},
    {"--same-uids", KIND_FLAG, FIELD(same_uids), 0},
    {"--no-uid", KIND_TEXT, FIELD(no_uid), 0},
    {"--refuse", KIND_TEXTS, FIELD(refused), 0},
    {"--drop-behind", KIND_TEXTS, FIELD(drop_behind), 0},
    {"--out-of-step", KIND_FLAG, FIELD(out_of_step), 0},
};

static const struct option *find_option(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    die(EX_USAGE, "%s: unknown option", name);
}

/* The password is what stands between the first colon and the last. */
static void add_user(struct config *cfg, const char *value)
{
    const char *colon = strchr(value, ':'), *last = strrchr(value, ':');
    struct user *u;

    if (!colon || colon == last)
        die(EX_USAGE, "--user: NAME:PASSWORD:MAILDIR expected");
    cfg->users = must(realloc(cfg->users, (cfg->user_count + 1) * sizeof(*u)));
    u = &cfg->users[cfg->user_count++];
    u->name = copy_of(value, (size_t)(colon - value));
    u->password = copy_of(colon + 1, (size_t)(last - colon - 1));
    u->maildir = copy_of(last + 1, strlen(last + 1));
}

static void add_text(struct texts *texts, char *value)
{
    texts->list = must(
        realloc(texts->list, (texts->count + 1) * sizeof(char *)));
    texts->list[texts->count++] = value;
}

static void set_flag(struct config *cfg, const struct option *o)
{
    const bool on = true;

    if (o->kind == KIND_WITHOUT)
        cfg->without |= o->bit;
    else
        memcpy((char *)cfg + o->offset, &on, sizeof(on));
}

static void set_option(struct config *cfg, const struct option *o, char *value)
{
    char *field = (char *)cfg + o->offset;
    const char *p = value;
    uint64_t n;

    if (o->kind == KIND_USER) {
        add_user(cfg, value);
    } else if (o->kind == KIND_TEXT) {
        memcpy(field, &value, sizeof(value));
    } else if (o->kind == KIND_TEXTS) {
        add_text((struct texts *)(void *)field, value);
    } else {
        if (!number(&p, &n) || *p || n > INT32_MAX)
            die(EX_USAGE, "%s: a number expected", o->name);
        memcpy(field, &n, sizeof(n));
        cfg->ssl = cfg->ssl || o->offset == FIELD(ssl_port);
    }
}

static void parse_synthetic(struct config *cfg)
{
    const char *p = cfg->synthetic;

    if (!p)
        return;
    if (!number(&p, &cfg->synthetic_count) || *p++ != ':' ||
        !number(&p, &cfg->synthetic_size) || *p)
        die(EX_USAGE, "--synthetic: COUNT:SIZE expected");
}

/* "N[,N...]" */
static void check_numbers(const char *option, const char *numbers)
{
    uint64_t n;
    bool ok = number(&numbers, &n);

    while (ok && *numbers == ',') {
        numbers++;
        ok = number(&numbers, &n);
    }
    if (!ok || *numbers)
        die(EX_USAGE, "%s: N[,N...] expected", option);
}

static void check_lists(const struct config *cfg)
{
    const char *colon;
    size_t i;

    if (cfg->no_uid)
        check_numbers("--no-uid", cfg->no_uid);
    for (i = 0; i < cfg->refused.count; i++) {
        colon = strchr(cfg->refused.list[i], ':');
        if (colon)
            check_numbers("--refuse", colon + 1);
    }
}

static void check_options(const struct config *cfg)
{
    struct cut cut;
    size_t i;

    if (cfg->user_count == 0)
        die(EX_USAGE, "--user is missing");
    for (i = 0; i < cfg->user_count; i++)
        if (!cfg->users[i].maildir[0] && !cfg->synthetic)
            die(EX_USAGE, "--user without MAILDIR needs --synthetic");
    if (!cfg->cert != !cfg->key || (cfg->ssl && !cfg->cert))
        die(EX_USAGE, "--cert and --key are needed for TLS");
    if (cfg->port > 65535 || cfg->ssl_port > 65535)
        die(EX_USAGE, "a port is at most 65535");
    if (cfg->cut && !parse_cut(cfg->cut, &cut))
        die(EX_USAGE, "--cut: [in:]N[:reset] expected");
    check_lists(cfg);
    if (cfg->lifetime == 0)
        die(EX_USAGE, "--lifetime: at least 1");
}

static void parse_options(struct config *cfg, char **argv)
{
    const struct option *o;

    while (*++argv) {
        o = find_option(*argv);
        if (o->kind == KIND_WITHOUT || o->kind == KIND_FLAG) {
            set_flag(cfg, o);
            continue;
        }
        if (!argv[1])
            die(EX_USAGE, "%s: a value expected", o->name);
        set_option(cfg, o, *++argv);
    }
    parse_synthetic(cfg);
    check_options(cfg);
}

/* ---- the server ---- */

struct server {
    struct config cfg;
    int listeners[2]; /* plain, ssl; -1: none */
    pid_t children[CHILDREN_MAX];
    size_t child_count;
    sigset_t outside; /* the signal mask that we were started with */
};

static volatile sig_atomic_t ended;

static void on_end(int signo)
{
    (void)signo;
    ended = 1;
}

static void on_child(int signo)
{
    (void)signo; /* only to wake pselect up */
}

static void handle(int signo, void (*handler)(int))
{
    struct sigaction a;

    memset(&a, 0, sizeof(a));
    a.sa_handler = handler;
    sigemptyset(&a.sa_mask);
    sigaction(signo, &a, NULL);
}

static const int end_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};
enum { END_SIGNALS = sizeof(end_signals) / sizeof(end_signals[0]) };

/* Signals come in pselect only, so none is missed between look and sleep. */
static void take_signals(struct server *v)
{
    sigset_t set;
    size_t i;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (i = 0; i < END_SIGNALS; i++)
        sigaddset(&set, end_signals[i]);
    sigprocmask(SIG_BLOCK, &set, &v->outside);
    /* Whoever started us may have blocked them: an end must get through. */
    for (i = 0; i < END_SIGNALS; i++) {
        sigdelset(&v->outside, end_signals[i]);
        handle(end_signals[i], on_end);
    }
    sigdelset(&v->outside, SIGCHLD);
    handle(SIGCHLD, on_child);
    handle(SIGPIPE, SIG_IGN);
}

static void give_signals_back(const struct server *v)
{
    size_t i;

    for (i = 0; i < END_SIGNALS; i++)
        handle(end_signals[i], SIG_DFL);
    handle(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &v->outside, NULL);
}

/* Before it listens, for the window is settled when somebody connects. With less
 * than this Linux forgets to open it again, and a minute passes. */
static void shrink_buffers(int fd)
{
    static const int octets = 8192;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof(octets));
}

static int listen_on(uint64_t port, bool small_buffers)
{
    struct sockaddr_in a;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons((uint16_t)port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (small_buffers)
        shrink_buffers(fd);
    if (fd < 0 || fd >= FD_SETSIZE ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        listen(fd, 128) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die(1, "port %u: %s", (unsigned)port, strerror(errno));
    return fd;
}

static unsigned port_of(int fd)
{
    struct sockaddr_in a = {.sin_port = 0};
    socklen_t len = sizeof(a);

    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        die(1, "getsockname: %s", strerror(errno));
    return ntohs(a.sin_port);
}

/* Under its own name only when it is complete. */
static void write_port_file(const struct server *v)
{
    const char *name = v->cfg.port_file;
    char part[4096];
    FILE *f;

    if (!name)
        return;
    snprintf(part, sizeof(part), "%s.%ld", name, (long)getpid());
    f = fopen(part, "w");
    if (f)
        fprintf(f, "plain %u\n", port_of(v->listeners[0]));
    if (f && v->listeners[1] >= 0)
        fprintf(f, "ssl %u\n", port_of(v->listeners[1]));
    if (!f || fclose(f) != 0 || rename(part, name) != 0)
        die(1, "%s: %s", name, strerror(errno));
}

static void load_tls(struct config *cfg)
{
    if (!cfg->cert)
        return;
    cfg->tls = must(SSL_CTX_new(TLS_server_method()));
    if (SSL_CTX_use_certificate_chain_file(cfg->tls, cfg->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(cfg->tls, cfg->key, SSL_FILETYPE_PEM) !=
            1 ||
        SSL_CTX_check_private_key(cfg->tls) != 1)
        die(1, "cannot use %s with %s: %s", cfg->cert, cfg->key,
            ERR_error_string(ERR_get_error(), NULL));
}

/* A different start for each line, as in any text. */
static void make_text(struct config *cfg)
{
    static const char words[] = "the quick brown fox jumps over the lazy dog ";
    size_t i, column, len = (size_t)TEXT_LINES * TEXT_LINE;

    if (!cfg->synthetic)
        return;
    cfg->text = must(malloc(len));
    for (i = 0; i < len; i++) {
        column = i % TEXT_LINE;
        if (column < TEXT_COLUMNS)
            cfg->text[i] = words[(i - i / TEXT_LINE) % (sizeof(words) - 1)];
        else
            cfg->text[i] = column == TEXT_COLUMNS ? '\r' : '\n';
    }
}

static int open_append(const char *name)
{
    int fd;

    if (!name)
        return -1;
    fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        die(1, "%s: %s", name, strerror(errno));
    return fd;
}

static void start(struct server *v)
{
    struct config *cfg = &v->cfg;

    take_signals(v);
    alarm((unsigned)cfg->lifetime);
    load_tls(cfg);
    make_text(cfg);
    cfg->lock = must(tmpfile());
    cfg->log = open_append(cfg->log_name);
    cfg->trace = open_append(cfg->trace_name);
    v->listeners[0] = listen_on(cfg->port, cfg->small_buffers);
    v->listeners[1] = cfg->ssl ? listen_on(cfg->ssl_port, cfg->small_buffers)
                               : -1;
    write_port_file(v);
}

static void close_listeners(struct server *v)
{
    int i;

    for (i = 0; i < 2; i++) {
        if (v->listeners[i] >= 0)
            close(v->listeners[i]);
        v->listeners[i] = -1;
    }
}

static void release(struct server *v)
{
    struct config *cfg = &v->cfg;
    size_t i;

    close_listeners(v);
    for (i = 0; i < cfg->user_count; i++) {
        free(cfg->users[i].name);
        free(cfg->users[i].password);
        free(cfg->users[i].maildir);
    }
    free(cfg->users);
    free(cfg->refused.list);
    free(cfg->drop_behind.list);
    free(cfg->text);
    SSL_CTX_free(cfg->tls);
    fclose(cfg->lock);
    if (cfg->log >= 0)
        close(cfg->log);
    if (cfg->trace >= 0)
        close(cfg->trace);
}

/* True in the child, which ends itself too should the server be killed. */
static bool fork_child(struct server *v)
{
    pid_t pid = fork();

    if (pid > 0)
        v->children[v->child_count++] = pid;
    if (pid != 0)
        return false;
    give_signals_back(v);
    alarm((unsigned)v->cfg.lifetime);
    close_listeners(v);
    return true;
}

static void end_child(struct server *v)
{
    release(v);
    exit(0);
}

/* With a delay: client - link - session, else the two at once. */
static void serve(struct server *v, int client, bool ssl)
{
    int pair[2] = {client, -1};

    if (v->cfg.delay_ms > 0) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
            return;
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
        fcntl(pair[1], F_SETFL, O_NONBLOCK);
        if (fork_child(v)) {
            close(pair[0]);
            run_link(&v->cfg, client, pair[1]);
            end_child(v);
        }
        close(pair[1]);
    }
    if (fork_child(v)) {
        if (pair[0] != client)
            close(client);
        run_session(&v->cfg, pair[0], ssl);
        end_child(v);
    }
    if (pair[0] != client)
        close(pair[0]);
}

static void accept_one(struct server *v, int which)
{
    int fd = accept(v->listeners[which], NULL, NULL), on = 1;

    if (fd < 0)
        return;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    serve(v, fd, which == 1);
    close(fd);
}

static void reap(struct server *v)
{
    size_t i = 0;

    while (i < v->child_count) {
        if (waitpid(v->children[i], NULL, WNOHANG) != 0)
            v->children[i] = v->children[--v->child_count];
        else
            i++;
    }
}

/* Sleeps until somebody connects, a child ends, or it is time to end. */
static void turn(struct server *v)
{
    fd_set set;
    int i, last = -1;

    FD_ZERO(&set);
    for (i = 0; i < 2; i++) {
        if (v->listeners[i] < 0 || v->child_count + 2 > CHILDREN_MAX)
            continue;
        FD_SET(v->listeners[i], &set);
        last = v->listeners[i] > last ? v->listeners[i] : last;
    }
    if (pselect(last + 1, &set, NULL, NULL, NULL, &v->outside) <= 0)
        return;
    for (i = 0; i < 2; i++)
        if (v->listeners[i] >= 0 && FD_ISSET(v->listeners[i], &set) &&
            v->child_count + 2 <= CHILDREN_MAX)
            accept_one(v, i);
}

static void end_children(struct server *v)
{
    size_t i;

    for (i = 0; i < v->child_count; i++)
        kill(v->children[i], SIGTERM);
    for (i = 0; i < v->child_count; i++)
        waitpid(v->children[i], NULL, 0);
}

int main(int argc, char **argv)
{
    struct server v;

    (void)argc;
    memset(&v, 0, sizeof(v));
    v.cfg.autologout = 600;
    v.cfg.lifetime = 3600;
    parse_options(&v.cfg, argv);
    start(&v);
    while (!ended) {
        turn(&v);
        reap(&v);
    }
    end_children(&v);
    release(&v);
    return 0;
}
