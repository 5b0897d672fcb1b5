/*
 * check_stream.c - the suite over stream, dial and tls: sockets, time and TLS
 * SPDX-License-Identifier: MIT
 *
 * Owns a far end for each need: a script behind a pop3_stream, the other socket
 * of a pair in the same thread, and, where both ends must act at once, that of
 * tls_peer.h. The race of addresses runs on a clock and sockets of its own.
 * Certificates are those of make_certs.sh.
 */
#include "conn.h"
#include "faults.h"
#include "peer.h"
#include "tls_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

enum {
    SHORT_MS = 30,   /* a timeout that is meant to be met */
    LONG_MS = 10000, /* one that is not */
    MEGABYTE = 1 << 20
};

/* ---- Fixtures ------------------------------------------------------------ */

static int descriptors_before;
static volatile sig_atomic_t pipe_signals;

static void count_pipe_signal(int number)
{
    (void)number;
    pipe_signals++;
}

static void setup(void)
{
    struct sigaction action = {.sa_handler = count_pipe_signal};

    ck_assert_int_eq(sigaction(SIGPIPE, &action, NULL), 0);
    pipe_signals = 0;
    descriptors_before = open_descriptors();
    c = pop3_new();
    ck_assert_ptr_nonnull(c);
    pop3_set_timeout(c, LONG_MS);
}

static void stop_alarms(void);

/* A test that failed may have left something running. */
static void teardown(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    stop_alarms();
    pop3_free(c);
    c = NULL;
    end_server();
    ck_assert_int_eq(open_descriptors(), descriptors_before);
    ck_assert_int_eq(pipe_signals, 0);
    ck_assert_int_eq(sigaction(SIGPIPE, &action, NULL), 0);
}

static char *run_of(char ch, size_t n, const char *end)
{
    char *s = malloc(n + strlen(end) + 1);

    ck_assert_ptr_nonnull(s);
    memset(s, ch, n);
    memcpy(s + n, end, strlen(end) + 1);
    return s;
}

/* ---- The race of addresses, on a clock of its own ------------------------ */

enum { NEVER = -1, MOST_CANDIDATES = 6, NO_SOCKETS = 1000 };

/* An address: how long after connect() it answers, and with what. */
struct candidate {
    int family;
    int after_ms; /* 0: at once */
    int why;      /* 0: connected */
};

static struct {
    const struct candidate *candidates;
    struct addrinfo list[MOST_CANDIDATES];
    struct sockaddr_in address[MOST_CANDIDATES]; /* its port is its number */
    int64_t now;
    int64_t answers[NO_SOCKETS]; /* by descriptor */
    int why[NO_SOCKETS];
    int candidate_of[NO_SOCKETS];
    int family_of[NO_SOCKETS];
    char started[200]; /* "number@time " each */
} track;

static int64_t race_now_ms(void)
{
    return track.now;
}

static int race_getaddrinfo(const char *host, const char *service,
                            const struct addrinfo *hints, struct addrinfo **out)
{
    int i;

    *out = track.list;
    ck_assert_str_eq(host, "many.example");
    ck_assert_str_eq(service, "995");
    ck_assert_int_eq(hints->ai_socktype, SOCK_STREAM);
    for (i = 0; track.candidates[i].family; i++) {
        track.address[i].sin_port = (in_port_t)i;
        track.list[i] = (struct addrinfo){
            .ai_family = track.candidates[i].family,
            .ai_addr = (struct sockaddr *)(void *)&track.address[i],
            .ai_addrlen = sizeof track.address[i]};
        if (i)
            track.list[i - 1].ai_next = &track.list[i];
    }
    return 0;
}

static void race_freeaddrinfo(struct addrinfo *list)
{
    ck_assert_ptr_eq(list, track.list);
}

static int race_socket(int family, int type, int protocol)
{
    int fd;

    (void)protocol;
    ck_assert_int_eq(type, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (family == AF_UNSPEC + 99) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(fd, NO_SOCKETS);
    track.family_of[fd] = family;
    return fd;
}

static int race_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    int i = ((const struct sockaddr_in *)(const void *)to)->sin_port;
    const struct candidate *a = &track.candidates[i];
    size_t used = strlen(track.started);

    ck_assert_uint_eq(len, sizeof(struct sockaddr_in));
    ck_assert_int_eq(track.family_of[fd], a->family);
    snprintf(track.started + used, sizeof track.started - used, "%d@%d ", i,
             (int)track.now);
    track.candidate_of[fd] = i;
    track.why[fd] = a->why;
    track.answers[fd] = a->after_ms == NEVER ? INT64_MAX
                                             : track.now + a->after_ms;
    errno = a->after_ms ? EINPROGRESS : a->why;
    return a->after_ms || a->why ? -1 : 0;
}

static int race_poll(struct pollfd *fds, nfds_t count, int ms)
{
    int64_t until = ms < 0 ? INT64_MAX : track.now + ms, first = INT64_MAX;
    nfds_t i;
    int n = 0;

    ck_assert_uint_gt(count, 0);
    for (i = 0; i < count; i++)
        if (track.answers[fds[i].fd] < first)
            first = track.answers[fds[i].fd];
    ck_assert_int_ne(first < until ? first : until, INT64_MAX);
    if (first > until) {
        track.now = until;
    } else if (first > track.now) {
        track.now = first;
    }
    for (i = 0; i < count; i++) {
        ck_assert_int_eq(fds[i].events, POLLOUT);
        fds[i].revents = track.answers[fds[i].fd] <= track.now ? POLLOUT : 0;
        n += fds[i].revents != 0;
    }
    return n;
}

static int race_getsockopt(int fd, int level, int name, void *value,
                           socklen_t *len)
{
    ck_assert_int_eq(level, SOL_SOCKET);
    ck_assert_int_eq(name, SO_ERROR);
    ck_assert_uint_eq(*len, sizeof(int));
    memcpy(value, &track.why[fd], sizeof(int));
    return 0;
}

/* dial.c once more, with these for the system's. */
static pop3_code race_dial(const char *host, int port, int64_t deadline_ms,
                           struct p3_error *error, int *fd);
#define p3_dial race_dial
#define p3_now_ms race_now_ms
#define getaddrinfo race_getaddrinfo
#define freeaddrinfo race_freeaddrinfo
#define socket race_socket
#define connect race_connect
#define poll race_poll
#define getsockopt race_getsockopt
/* For the analyzer, which takes the list for one that may be empty. */
#define calloc(n, size) calloc((n) ? (n) : 1, size)
#include "dial.c" /* NOLINT(bugprone-suspicious-include) */
#undef p3_dial
#undef p3_now_ms
#undef getaddrinfo
#undef freeaddrinfo
#undef socket
#undef connect
#undef poll
#undef getsockopt
#undef calloc

#define V4 AF_INET
#define V6 AF_INET6
#define NO_FAMILY (AF_UNSPEC + 99) /* has no sockets */

static const struct {
    struct candidate candidates[MOST_CANDIDATES];
    int64_t deadline;
    const char *started;
    pop3_code code;
    int winner;
    int64_t took;
} races[] = {
    /* one */
    {{{V4, 0, 0}}, 0, "0@0 ", POP3_OK, 0, 0},
    {{{V4, 10, 0}}, 0, "0@0 ", POP3_OK, 0, 10},
    {{{V4, 5000, 0}}, 0, "0@0 ", POP3_OK, 0, 5000},
    {{{V4, 0, ECONNREFUSED}}, 0, "0@0 ", POP3_ERROR_CONNECT, 0, 0},
    {{{V4, 10, ECONNREFUSED}}, 0, "0@0 ", POP3_ERROR_CONNECT, 0, 10},
    {{{V4, NEVER, 0}}, 700, "0@0 ", POP3_ERROR_TIMEOUT, 0, 700},
    {{{V4, 800, 0}}, 700, "0@0 ", POP3_ERROR_TIMEOUT, 0, 700},
    {{{V4, 90000, 0}}, 0, "0@0 ", POP3_OK, 0, 90000},
    /* a dead one costs a quarter of a second */
    {{{V6, NEVER, 0}, {V4, 5, 0}}, 0, "0@0 1@250 ", POP3_OK, 1, 255},
    {{{V6, NEVER, 0}, {V6, NEVER, 0}, {V4, NEVER, 0}, {V6, 5, 0}},
     0,
     "0@0 2@250 1@500 3@750 ",
     POP3_OK,
     3,
     755},
    {{{V6, NEVER, 0}, {V4, NEVER, 0}},
     600,
     "0@0 1@250 ",
     POP3_ERROR_TIMEOUT,
     0,
     600},
    {{{V6, NEVER, 0}, {V4, 5, 0}}, 100, "0@0 ", POP3_ERROR_TIMEOUT, 0, 100},
    /* one that refuses costs nothing */
    {{{V6, 0, EHOSTUNREACH}, {V4, 5, 0}}, 0, "0@0 1@0 ", POP3_OK, 1, 5},
    {{{V6, 20, ECONNREFUSED}, {V4, 5, 0}}, 0, "0@0 1@20 ", POP3_OK, 1, 25},
    {{{V6, NEVER, 0}, {V4, 10, ECONNREFUSED}, {V6, 5, 0}},
     0,
     "0@0 1@250 2@260 ",
     POP3_OK,
     2,
     265},
    {{{NO_FAMILY, 5, 0}, {V4, 5, 0}}, 0, "1@0 ", POP3_OK, 1, 5},
    {{{V6, 0, ENETUNREACH}, {V4, 30, ECONNREFUSED}, {V6, 0, ENETUNREACH}},
     0,
     "0@0 1@0 2@30 ",
     POP3_ERROR_CONNECT,
     0,
     30},
    /* a slow one may win yet */
    {{{V6, 300, 0}, {V4, NEVER, 0}}, 0, "0@0 1@250 ", POP3_OK, 0, 300},
    {{{V6, 400, ECONNREFUSED}, {V4, 100, 0}}, 0, "0@0 1@250 ", POP3_OK, 1, 350},
    {{{V6, 260, 0}, {V4, 10, 0}}, 0, "0@0 1@250 ", POP3_OK, 0, 260},
    /* families in turn, beginning with the resolver's first */
    {{{V6, NEVER, 0},
      {V6, NEVER, 0},
      {V6, NEVER, 0},
      {V4, NEVER, 0},
      {V4, NEVER, 0}},
     2000,
     "0@0 3@250 1@500 4@750 2@1000 ",
     POP3_ERROR_TIMEOUT,
     0,
     2000},
    {{{V4, 0, EIO}, {V4, 0, EIO}, {V6, 0, EIO}},
     0,
     "0@0 2@0 1@0 ",
     POP3_ERROR_CONNECT,
     0,
     0},
};

START_TEST(addresses_are_raced_a_quarter_of_a_second_apart)
{
    struct p3_error error = {0};
    int fd = -1;
    enum { START = 1000000 };

    memset(&track, 0, sizeof track);
    track.candidates = races[_i].candidates;
    ck_assert_int_eq(
        race_dial("many.example", 995, races[_i].deadline, &error, &fd),
        races[_i].code);
    ck_assert_str_eq(track.started, races[_i].started);
    ck_assert_int_eq(track.now, races[_i].took);
    ck_assert_int_eq(error.code, races[_i].code);
    if (races[_i].code) {
        ck_assert_int_eq(fd, -1);
        ck_assert_ptr_nonnull(strstr(error.text, "many.example:995"));
        return;
    }
    ck_assert_int_eq(track.candidate_of[fd], races[_i].winner);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- A caller's stream that follows a script ----------------------------- */

enum { TAKES_ALL = 1000 };

static struct script {
    const char *says;
    int64_t read_end; /* what read returns when all is said */
    int64_t write;    /* what write returns; TAKES_ALL */
    int wait;         /* what wait returns */
    int tls;          /* what start_tls returns */
    int waits, want, timeout_ms;
    int closed;
    char tls_name[64];
    char heard[256];
} script;

static int64_t script_read(void *arg, void *data, size_t size)
{
    struct script *s = arg;
    size_t n = strlen(s->says);

    if (!n)
        return s->read_end;
    n = n < size ? n : size;
    memcpy(data, s->says, n);
    s->says += n;
    return (int64_t)n;
}

static int64_t script_write(void *arg, const void *data, size_t size)
{
    struct script *s = arg;
    size_t used = strlen(s->heard);

    if (s->write != TAKES_ALL)
        return s->write;
    ck_assert_uint_lt(size, sizeof s->heard - used);
    memcpy(s->heard + used, data, size);
    return (int64_t)size;
}

static int script_wait(void *arg, int want, int timeout_ms)
{
    struct script *s = arg;

    s->waits++;
    s->want = want;
    s->timeout_ms = timeout_ms;
    return s->wait;
}

static void script_close(void *arg)
{
    struct script *s = arg;

    s->closed++;
}

static int script_start_tls(void *arg, const char *server_name)
{
    struct script *s = arg;

    snprintf(s->tls_name, sizeof s->tls_name, "%s", server_name);
    return s->tls;
}

static const pop3_stream script_stream = {.read = script_read,
                                          .write = script_write,
                                          .wait = script_wait,
                                          .close = script_close};

static pop3_code connect_script(const char *says)
{
    memset(&script, 0, sizeof script);
    script.says = says;
    script.write = TAKES_ALL;
    return pop3_connect_stream(c, &script_stream, &script, "scripted", 0);
}

static const struct {
    int64_t read_end, write;
    int wait, can_wait;
    pop3_code code;
    int tells_greeting; /* it befalls while a greeting is awaited too */
} stream_failures[] = {
    {0, TAKES_ALL, 0, 1, POP3_ERROR_CLOSED, 1},
    {POP3_STREAM_FAILED, TAKES_ALL, 0, 1, POP3_ERROR_IO, 1},
    {POP3_STREAM_TIMED_OUT, TAKES_ALL, 0, 1, POP3_ERROR_TIMEOUT, 1},
    {-99, TAKES_ALL, 0, 1, POP3_ERROR_IO, 1},
    {POP3_STREAM_WANT_READ, TAKES_ALL, 0, 1, POP3_ERROR_TIMEOUT, 1},
    {POP3_STREAM_WANT_WRITE, TAKES_ALL, 0, 1, POP3_ERROR_TIMEOUT, 1},
    {POP3_STREAM_WANT_READ, TAKES_ALL, POP3_STREAM_FAILED, 1, POP3_ERROR_IO, 1},
    {POP3_STREAM_WANT_READ, TAKES_ALL, POP3_STREAM_TIMED_OUT, 1,
     POP3_ERROR_TIMEOUT, 1},
    {POP3_STREAM_WANT_READ, TAKES_ALL, 0, 0, POP3_ERROR_IO, 1},
    {POP3_STREAM_WANT_READ, POP3_STREAM_FAILED, 0, 1, POP3_ERROR_IO, 0},
    {POP3_STREAM_WANT_READ, POP3_STREAM_TIMED_OUT, 0, 1, POP3_ERROR_TIMEOUT, 0},
    {POP3_STREAM_WANT_READ, 0, 0, 1, POP3_ERROR_IO, 0},
    {POP3_STREAM_WANT_READ, POP3_STREAM_WANT_WRITE, 0, 1, POP3_ERROR_TIMEOUT,
     0},
    {POP3_STREAM_WANT_READ, POP3_STREAM_WANT_WRITE, 0, 0, POP3_ERROR_IO, 0},
};

/* The script fails from now on as the table says. */
static void script_fails(int i)
{
    script.read_end = stream_failures[i].read_end;
    script.write = stream_failures[i].write;
    script.wait = stream_failures[i].wait;
    if (!stream_failures[i].can_wait)
        c->stream.bottom.wait = NULL;
}

START_TEST(a_stream_that_fails_in_a_command_is_dead_and_closed_once)
{
    const char *heard = stream_failures[_i].write == TAKES_ALL ? "NOOP\r\n"
                                                               : "";

    ck_assert_int_eq(connect_script(GREETING), POP3_OK);
    script_fails(_i);
    ck_assert_int_eq(pop3_noop(c), stream_failures[_i].code);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_str_eq(script.heard, heard);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(script.closed, 0);
    ck_assert_int_eq(pop3_noop(c), stream_failures[_i].code);
    ck_assert_str_eq(script.heard, heard);
    pop3_close(c);
    ck_assert_int_eq(script.closed, 1);
    pop3_close(c);
    pop3_shutdown(c);
    ck_assert_int_eq(script.closed, 1);
    ck_assert_str_eq(script.heard, heard);
    ck_assert_int_eq(connect_script(GREETING), POP3_OK);
}
END_TEST

START_TEST(a_stream_that_fails_before_its_greeting_is_closed_once)
{
    pop3_stream stream = script_stream;

    if (!stream_failures[_i].tells_greeting)
        return;
    memset(&script, 0, sizeof script);
    script.says = "+OK";
    script.read_end = stream_failures[_i].read_end;
    script.write = TAKES_ALL;
    script.wait = stream_failures[_i].wait;
    if (!stream_failures[_i].can_wait)
        stream.wait = NULL;
    ck_assert_int_eq(pop3_connect_stream(c, &stream, &script, "x", 0),
                     stream_failures[_i].code);
    ck_assert_int_eq(pop3_error_code(c), stream_failures[_i].code);
    ck_assert_int_eq(script.closed, 1);
    ck_assert_str_eq(script.heard, "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

START_TEST(a_stream_that_is_not_taken_is_not_closed)
{
    static const char *const names[] = {NULL, "", "a\nb", "a\r"};
    int i;

    memset(&script, 0, sizeof script);
    for (i = 0; i < COUNT(names); i++) {
        ck_assert_int_eq(
            pop3_connect_stream(c, &script_stream, &script, names[i], 0),
            POP3_ERROR_ARGUMENT);
        ck_assert_int_eq(pop3_connect_fd(c, -1, names[i], 0),
                         POP3_ERROR_ARGUMENT);
        ck_assert_int_eq(pop3_connect(c, names[i], 0), POP3_ERROR_ARGUMENT);
        ck_assert_int_eq(pop3_connect_ssl(c, names[i], 0), POP3_ERROR_ARGUMENT);
    }
    ck_assert_int_eq(connect_script(GREETING), POP3_OK);
    ck_assert_int_eq(
        pop3_connect_stream(c, &script_stream, &script, "again", 0),
        POP3_ERROR_STATE);
    ck_assert_int_eq(script.closed, 0);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

START_TEST(a_stream_may_have_nothing_to_close_and_nothing_to_wait_with)
{
    static const pop3_stream stream = {.read = script_read,
                                       .write = script_write};

    memset(&script, 0, sizeof script);
    script.says = GREETING "+OK\r\n";
    script.write = TAKES_ALL;
    ck_assert_int_eq(pop3_connect_stream(c, &stream, &script, "x", 0), POP3_OK);
    ck_assert_int_eq(pop3_fd(c), -1);
    ck_assert_int_eq(pop3_is_tls(c), 0);
    pop3_close(c);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

static const struct {
    int tls; /* what start_tls returns */
    pop3_code code;
    const char *server_name; /* pop3_set_server_name */
    const char *asked;
} hooks[] = {
    {1, POP3_OK, NULL, "named.example"},
    {1, POP3_OK, "other.example", "other.example"},
    {POP3_STREAM_FAILED, POP3_ERROR_TLS, NULL, "named.example"},
    {0, POP3_ERROR_TLS, NULL, "named.example"},
};

START_TEST(a_stream_may_start_tls_itself)
{
    pop3_stream stream = script_stream;

    stream.start_tls = script_start_tls;
    memset(&script, 0, sizeof script);
    script.says = GREETING;
    script.write = TAKES_ALL;
    script.tls = hooks[_i].tls;
    ck_assert_int_eq(pop3_set_server_name(c, hooks[_i].server_name), POP3_OK);
    ck_assert_int_eq(
        pop3_connect_stream(c, &stream, &script, "named.example", 1),
        hooks[_i].code);
    ck_assert_str_eq(script.tls_name, hooks[_i].asked);
    ck_assert_str_eq(script.heard, "");
    ck_assert_int_eq(pop3_is_tls(c), hooks[_i].code == POP3_OK);
    ck_assert_int_eq(script.closed, hooks[_i].code != POP3_OK);
    pop3_close(c);
    ck_assert_int_eq(script.closed, 1);
    ck_assert_int_eq(pop3_is_tls(c), 0);
}
END_TEST

static const struct {
    int timeout_ms, command_ms;
    int least, most; /* what a wait is allowed */
} waits[] = {
    {1234, 0, 1234, 1234},
    {1234, -1, 1234, 1234},
    {0, 0, -1, -1},
    {-7, 0, -1, -1},
    {1234, 60000, 1234, 1234},
    {60000, 5000, 1, 5000},
    {0, 5000, 1, 5000},
    {2147483647, 0, 2147483647, 2147483647},
};

START_TEST(a_wait_is_as_long_as_both_timeouts_allow)
{
    ck_assert_int_eq(connect_script(GREETING), POP3_OK);
    pop3_set_timeout(c, waits[_i].timeout_ms); /* from now on */
    pop3_set_command_timeout(c, waits[_i].command_ms);
    script.read_end = POP3_STREAM_WANT_READ;
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(script.waits, 1);
    ck_assert_int_eq(script.want, POP3_STREAM_READ);
    ck_assert_int_ge(script.timeout_ms, waits[_i].least);
    ck_assert_int_le(script.timeout_ms, waits[_i].most);
    ck_assert_str_eq(script.heard, "NOOP\r\n");
}
END_TEST

START_TEST(a_command_that_does_not_leave_is_waited_for_both_ways)
{
    ck_assert_int_eq(connect_script(GREETING), POP3_OK);
    script.read_end = POP3_STREAM_WANT_READ;
    script.write = POP3_STREAM_WANT_WRITE;
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(script.want, POP3_STREAM_READ | POP3_STREAM_WRITE);
}
END_TEST

/* Drips without end, a byte a millisecond, and never asks to wait. */
static int drops;

static int64_t dripping_read(void *arg, void *data, size_t size)
{
    (void)arg;
    ck_assert_uint_gt(size, 0);
    if (++drops > 2000)
        return POP3_STREAM_FAILED;
    usleep(1000);
    *(char *)data = 'x';
    return 1;
}

START_TEST(a_command_has_its_time_however_steadily_a_stream_drips)
{
    ck_assert_int_eq(connect_script(GREETING), POP3_OK);
    drops = 0;
    c->stream.io.read = dripping_read;
    pop3_set_command_timeout(c, SHORT_MS);
    pop3_set_limit(c, POP3_LIMIT_REPLY, 0);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TIMEOUT);
    ck_assert_str_eq(script.heard, "NOOP\r\n");
    ck_assert_int_lt(drops, 2000);
}
END_TEST

/* ---- A socket whose other end is held in the same thread ----------------- */

static int far = -1;

static void far_says(const char *text)
{
    ck_assert_int_eq(write(far, text, strlen(text)), (ssize_t)strlen(text));
}

/* All that has come, as far as it fits. */
static const char *far_heard(void)
{
    static char heard[1000];
    ssize_t n = recv(far, heard, sizeof heard - 1, MSG_DONTWAIT);

    heard[n < 0 ? 0 : n] = '\0';
    return heard;
}

static void far_closes(void)
{
    if (far >= 0)
        ck_assert_int_eq(close(far), 0);
    far = -1;
}

/* A socket that belongs to c as soon as it is given to it. */
static int new_pair(void)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    far = fds[1];
    return fds[0];
}

static int connect_pair(void)
{
    int fd = new_pair();

    far_says(GREETING);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "mail.example.org", 0), POP3_OK);
    return fd;
}

START_TEST(a_socket_is_taken_over_and_made_safe)
{
    int fd = connect_pair();

    ck_assert_int_eq(pop3_fd(c), fd);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(pop3_is_tls(c), 0);
    far_says("+OK\r\n");
    ck_assert_int_eq(pop3_pass(c, "secret"), POP3_OK); /* it is private */
    ck_assert_str_eq(far_heard(), "PASS secret\r\n");
    far_says("+OK\r\n");
    ck_assert_int_eq(pop3_quit(c), POP3_OK);
    ck_assert_str_eq(far_heard(), "QUIT\r\n");
    ck_assert_int_eq(pop3_fd(c), -1);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(recv(far, &fd, 1, 0), 0); /* it is told the end */
    far_closes();
}
END_TEST

START_TEST(a_socket_that_is_not_taken_stays_open)
{
    int fd = new_pair();

    ck_assert_int_eq(pop3_connect_fd(c, fd, "", 0), POP3_ERROR_ARGUMENT);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    far_says(GREETING);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "x", 0), POP3_OK);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "x", 0), POP3_ERROR_STATE);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    far_says("+OK\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    far_closes();
}
END_TEST

START_TEST(a_descriptor_that_is_no_socket_is_closed_and_told)
{
    int fds[2];

    ck_assert_int_eq(pop3_connect_fd(c, -1, "x", _i), POP3_ERROR_IO);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_ne(pop3_connect_fd(c, fds[0], "x", _i), POP3_OK);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    ck_assert_int_eq(close(fds[1]), 0);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

/* ---- Time ---------------------------------------------------------------- */

static pop3_code call_noop(void)
{
    return pop3_noop(c);
}

static pop3_code call_retr(void)
{
    pop3_lines *lines = NULL;
    pop3_code rc = pop3_retr(c, 1, &lines);

    pop3_lines_free(lines);
    return rc;
}

static pop3_code call_list(void)
{
    pop3_sizes *sizes = NULL;
    pop3_code rc = pop3_list(c, &sizes);

    pop3_sizes_free(sizes);
    return rc;
}

static pop3_code call_read_line(void)
{
    pop3_line line;

    return pop3_read_line(c, &line);
}

static pop3_code call_quit(void)
{
    return pop3_quit(c);
}

static const struct {
    pop3_code (*call)(void);
    const char *says;
    const char *heard;
} stalls[] = {
    {call_noop, "", "NOOP\r\n"},
    {call_noop, "+OK", "NOOP\r\n"},
    {call_noop, "+OK\r", "NOOP\r\n"},
    {call_retr, "+OK\r\n", "RETR 1\r\n"},
    {call_retr, "+OK\r\nhalf a li", "RETR 1\r\n"},
    {call_retr, "+OK\r\nline\r\n.", "RETR 1\r\n"},
    {call_list, "+OK\r\n1 2\r\n", "LIST\r\n"},
    {call_read_line, "half", ""},
    {call_quit, "", "QUIT\r\n"},
};

/* Of each stall: by the timeout of a wait, or by that of the whole command. */
static void set_timeouts(int whole)
{
    pop3_set_timeout(c, whole ? 0 : SHORT_MS);
    pop3_set_command_timeout(c, whole ? SHORT_MS : 0);
}

START_TEST(a_server_that_stalls_is_not_waited_for_for_ever)
{
    int i = _i / 2;

    connect_pair();
    set_timeouts(_i % 2);
    far_says(stalls[i].says);
    ck_assert_int_eq(stalls[i].call(), POP3_ERROR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "timed out"));
    ck_assert_str_eq(far_heard(), stalls[i].heard);
    ck_assert_int_eq(pop3_state(c), stalls[i].call == call_quit
                                        ? POP3_STATE_CLOSED
                                        : POP3_STATE_DEAD);
    if (stalls[i].call != call_quit)
        far_says(".\r\n+OK too late\r\n");
    ck_assert_int_ne(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(far_heard(), "");
    far_closes();
}
END_TEST

START_TEST(a_server_that_does_not_greet_is_not_waited_for_for_ever)
{
    static const char *const says[] = {"", "+OK hel"};
    int fd = new_pair();

    set_timeouts(_i % 2);
    far_says(says[_i / 2]);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "x", 0), POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_str_eq(far_heard(), "");
    far_closes();
}
END_TEST

START_TEST(a_handshake_that_stalls_is_not_waited_for_for_ever)
{
    int fd = new_pair();

    pop3_set_timeout(c, _i ? 0 : SHORT_MS);
    pop3_set_connect_timeout(c, _i ? SHORT_MS : 0);
    pop3_set_verify(c, 0);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1),
                     POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(far_heard()[0], 0x16); /* a handshake was begun */
    far_closes();
}
END_TEST

START_TEST(a_handshake_behind_stls_is_not_waited_for_for_ever)
{
    pop3_capas *capas = NULL;

    connect_pair();
    pop3_set_timeout(c, _i ? 0 : SHORT_MS);
    pop3_set_connect_timeout(c, _i ? SHORT_MS : 0);
    far_says("+OK\r\nSTLS\r\n.\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    pop3_capas_free(capas);
    ck_assert_str_eq(far_heard(), "CAPA\r\n");
    pop3_set_verify(c, 0);
    far_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_str_eq(pop3_challenge(c) ? "kept" : "forgotten", "forgotten");
    ck_assert_int_eq(strncmp(far_heard(), "STLS\r\n\x16", 7), 0);
    ck_assert_int_eq(pop3_user(c, "me"), POP3_ERROR_TIMEOUT);
    pop3_close(c);
    ck_assert_str_eq(far_heard(), "");
    far_closes();
}
END_TEST

/* The far end reads nothing: a line of a megabyte gets stuck. */
START_TEST(a_command_that_does_not_leave_is_not_waited_for_for_ever)
{
    char *line = run_of('X', MEGABYTE, "");

    connect_pair();
    set_timeouts(_i);
    ck_assert_int_eq(pop3_command(c, line, POP3_SHORT), POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(far_heard()[0], 'X');
    free(line);
    far_closes();
}
END_TEST

/* ---- Signals ------------------------------------------------------------- */

static volatile sig_atomic_t alarms;
static volatile sig_atomic_t speak_at; /* the alarm at which far speaks */

/* Speaks where it is told to, and hangs up where the library waits for ever. */
static void on_alarm(int number)
{
    static const char reply[] = "+OK\r\n";
    int saved = errno;

    (void)number;
    if (++alarms == speak_at && write(far, reply, sizeof reply - 1) < 0)
        alarms = 0;
    if (alarms == 1000)
        shutdown(far, SHUT_RDWR);
    errno = saved;
}

static void start_alarms(int speak)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every = {.it_interval = {0, 2000}, .it_value = {0, 2000}};

    alarms = 0;
    speak_at = speak;
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void stop_alarms(void)
{
    struct itimerval never = {.it_value = {0, 0}};
    struct sigaction action = {.sa_handler = SIG_DFL};

    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
}

START_TEST(a_signal_does_not_end_a_wait)
{
    connect_pair();
    start_alarms(10);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    stop_alarms();
    ck_assert_int_ge(alarms, 10);
    ck_assert_str_eq(far_heard(), "NOOP\r\n");
    far_closes();
}
END_TEST

START_TEST(signals_do_not_make_a_wait_longer)
{
    pop3_code rc;

    connect_pair();
    set_timeouts(_i);
    start_alarms(0);
    rc = pop3_noop(c);
    stop_alarms();
    ck_assert_int_eq(rc, POP3_ERROR_TIMEOUT);
    ck_assert_str_eq(far_heard(), "NOOP\r\n");
    far_closes();
}
END_TEST

/* The teardown sees whether SIGPIPE came. */
START_TEST(a_server_that_has_gone_is_told_and_raises_no_signal)
{
    int i;

    connect_pair();
    far_closes();
    for (i = 0; i < 3; i++)
        ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    pop3_shutdown(c);
}
END_TEST

START_TEST(a_server_that_goes_in_a_long_command_raises_no_signal)
{
    char *line = run_of('X', MEGABYTE, "");

    connect_pair();
    ck_assert_int_eq(shutdown(far, SHUT_RD), 0);
    far_says("-ERR line too long\r\n");
    ck_assert_int_eq(pop3_command(c, line, POP3_SHORT), POP3_ERROR_PROTO);
    ck_assert_str_eq(pop3_reply_text(c, NULL), "line too long");
    far_closes();
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
    free(line);
}
END_TEST

START_TEST(the_last_words_of_a_server_are_heard)
{
    connect_pair();
    far_says("-ERR [SYS/TEMP] autologout\r\n");
    far_closes();
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_PROTO);
    ck_assert_str_eq(pop3_resp_code(c), "SYS/TEMP");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
}
END_TEST

/* ---- Connecting by TCP --------------------------------------------------- */

static const struct {
    int family;
    const char *host;
    int tls;
} hosts[] = {
    {AF_INET, "127.0.0.1", 0}, {AF_INET6, "::1", 0},
    {AF_INET, "localhost", 0}, {AF_INET, "::ffff:127.0.0.1", 0},
    {AF_INET, "127.0.0.1", 1}, {AF_INET6, "::1", 1},
    {AF_INET, "localhost", 1},
};

START_TEST(a_session_goes_over_tcp_of_either_family)
{
    pop3_totals totals;
    int fd, port;

    prepare_server(hosts[_i].tls ? talk_tls : talk_politely);
    port = start_listener(hosts[_i].family);
    if (!port)
        return; /* no IPv6 here */
    ck_assert_int_eq(pop3_set_ca_file(c, cert_path("ca", ".pem")), POP3_OK);
    ck_assert_int_eq((hosts[_i].tls ? pop3_connect_ssl
                                    : pop3_connect)(c, hosts[_i].host, port),
                     POP3_OK);
    fd = pop3_fd(c);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(pop3_is_tls(c), hosts[_i].tls);
    ck_assert_int_eq(pop3_pass(c, "secret"), POP3_OK); /* loopback is private */
    ck_assert_int_eq(pop3_stat(c, &totals), POP3_OK);
    ck_assert_uint_eq(totals.octets, 320);
    ck_assert_int_eq(pop3_quit(c), POP3_OK);
    ck_assert_int_eq(pop3_fd(c), -1);
    end_server();
    ck_assert_str_eq(server.heard, "PASS secret\r\nSTAT\r\nQUIT\r\n");
}
END_TEST

START_TEST(a_refused_connection_is_told_with_host_and_port)
{
    struct sockaddr_storage a;
    socklen_t len;
    int fd = loopback(_i ? AF_INET6 : AF_INET, &a, &len);
    char peer[40];

    if (fd < 0)
        return; /* no IPv6 here */
    snprintf(peer, sizeof peer, ":%d", port_of(&a));
    ck_assert_int_eq(pop3_connect(c, _i ? "::1" : "127.0.0.1", port_of(&a)),
                     POP3_ERROR_CONNECT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), peer));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), strerror(ECONNREFUSED)));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(pop3_fd(c), -1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_is_told)
{
    static const char *const names[] = {
        "nobody.invalid", "no such host.invalid", "-.invalid",
        "a.label.of.more.than.63.octets."
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        ".invalid"};

    /* Without a name server the answer is to come soon, too. */
    ck_assert_int_eq(setenv("RES_OPTIONS", "timeout:1 attempts:1", 1), 0);
    ck_assert_int_eq(
        (_i % 2 ? pop3_connect_ssl : pop3_connect)(c, names[_i / 2], 0),
        POP3_ERROR_RESOLVE);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), names[_i / 2]));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(unsetenv("RES_OPTIONS"), 0);
}
END_TEST

START_TEST(a_port_that_can_not_be_is_refused)
{
    static const int ports[] = {-1, 65536, -2147483647, 2147483647};

    ck_assert_int_eq(pop3_connect(c, "localhost", ports[_i]),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_connect_ssl(c, "localhost", ports[_i]),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

/* A queue that is full drops what knocks: nobody answers. */
START_TEST(connecting_is_not_waited_for_for_ever)
{
    struct sockaddr_storage a;
    socklen_t len;
    int i, fd = loopback(AF_INET, &a, &len), knocking[8];

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (i = 0; i < COUNT(knocking); i++) {
        knocking[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        ck_assert_int_ge(knocking[i], 0);
        if (connect(knocking[i], (struct sockaddr *)&a, len) < 0)
            ck_assert_int_eq(errno, EINPROGRESS);
    }
    pop3_set_timeout(c, _i ? 0 : SHORT_MS);
    pop3_set_connect_timeout(c, _i ? SHORT_MS : 0);
    ck_assert_int_eq(pop3_connect(c, "127.0.0.1", port_of(&a)),
                     POP3_ERROR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "timed out"));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    for (i = 0; i < COUNT(knocking); i++)
        ck_assert_int_eq(close(knocking[i]), 0);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Resets the connection instead of ending it. */
static void talk_and_reset(struct server *s)
{
    struct linger at_once = {.l_onoff = 1};

    server_says(s, GREETING);
    server_hears(s);
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

START_TEST(a_connection_that_is_reset_is_closed_by_the_server)
{
    int port;

    prepare_server(talk_and_reset);
    port = start_listener(AF_INET);
    ck_assert_int_eq(pop3_connect(c, "127.0.0.1", port), POP3_OK);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
    end_server();
    ck_assert_str_eq(server.heard, "NOOP\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

/* ---- Much at once, in both directions ------------------------------------ */

static void talk_bulk(struct server *s)
{
    if (s->ctx)
        server_shakes(s);
    server_says(s, GREETING);
    server_hears_bulk(s);
    server_says(s, "+OK got it\r\n");
}

/* Says a megabyte before it reads the first octet. */
/* The first octet of a command: now an answer is an answer. */
static int server_hears_an_x(struct server *s)
{
    char x = 0;

    if (server_reads(s, &x, 1) != 1 || x != 'X')
        return 0;
    s->bulk++;
    return 1;
}

static void talk_bulk_first(struct server *s)
{
    char *lines = malloc(MEGABYTE + 6);
    int i;

    if (s->ctx)
        server_shakes(s);
    for (i = 0; lines && i < MEGABYTE; i++)
        lines[i] = "0123456789abcde\n"[i % 16];
    for (i = 14; lines && i < MEGABYTE; i += 16)
        lines[i] = '\r';
    if (lines)
        memcpy(lines + MEGABYTE, ".\r\n", 4);
    if (lines && server_says(s, GREETING) && server_hears_an_x(s) &&
        server_says(s, "+OK a lot\r\n") && server_says(s, lines))
        server_hears_bulk(s);
    server_says(s, "+OK after all\r\n");
    free(lines);
}

static void connect_bulk(void (*talk)(struct server *), int tls)
{
    int tiny = 4096, fd;

    prepare_server(talk);
    server.cert = tls ? "server" : NULL;
    fd = start_server();
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny),
                     0);
    ck_assert_int_eq(pop3_set_ca_file(c, cert_path("ca", ".pem")), POP3_OK);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", tls), POP3_OK);
}

START_TEST(a_command_of_a_megabyte_leaves_in_small_pieces)
{
    char *line = run_of('X', MEGABYTE, "");

    connect_bulk(talk_bulk, _i);
    ck_assert_int_eq(pop3_command(c, line, POP3_SHORT), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK got it");
    end_server();
    ck_assert_uint_eq(server.bulk, MEGABYTE);
    ck_assert_int_eq(server.bulk_is_wrong, 0);
    free(line);
}
END_TEST

START_TEST(a_server_that_talks_before_it_reads_is_no_deadlock)
{
    char *line = run_of('X', MEGABYTE, "");
    pop3_line got;
    size_t n = 0;

    connect_bulk(talk_bulk_first, _i);
    ck_assert_int_eq(pop3_command(c, line, POP3_LONG), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK a lot");
    while (pop3_next_line(c, &got) == POP3_OK && got.text) {
        ck_assert_str_eq(got.text, "0123456789abcd");
        n++;
    }
    ck_assert_int_eq(pop3_error_code(c), POP3_OK);
    ck_assert_uint_eq(n, MEGABYTE / 16);
    ck_assert_uint_eq(pop3_body_octets(c), MEGABYTE);
    ck_assert_int_eq(call_read_line(), POP3_OK);
    end_server();
    ck_assert_uint_eq(server.bulk, MEGABYTE);
    ck_assert_int_eq(server.bulk_is_wrong, 0);
    free(line);
}
END_TEST

/* A byte of an endless line each millisecond. */
static void talk_drop_by_drop(struct server *s)
{
    int i;

    server_says(s, GREETING);
    server_hears(s);
    for (i = 0; i < 1000 && server_says(s, "x"); i++)
        usleep(1000);
}

START_TEST(a_command_has_its_time_however_steadily_bytes_drip_in)
{
    int fd;

    prepare_server(talk_drop_by_drop);
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, "x", 0), POP3_OK);
    pop3_set_timeout(c, _i ? 0 : LONG_MS);
    pop3_set_command_timeout(c, SHORT_MS);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TIMEOUT);
    pop3_close(c);
    end_server();
    ck_assert_str_eq(server.heard, "NOOP\r\n");
}
END_TEST

/* ---- TLS: whom to believe ------------------------------------------------ */

static const struct {
    const char *cert; /* the server's */
    const char *ca;   /* NULL: the system's */
    int verify;
    const char *name;
    pop3_code code;
    const char *says, *says_too; /* in the message */
} verifications[] = {
    {"server", "ca", 1, "localhost", POP3_OK, "", ""},
    {"server", "ca", 1, "LocalHost", POP3_OK, "", ""},
    {"server", "ca", 1, "localhost.", POP3_OK, "", ""},
    {"server", "ca", 1, "127.0.0.1", POP3_OK, "", ""},
    {"server", "ca", 1, "::1", POP3_OK, "", ""},
    {"server", "ca", 1, "0:0:0:0:0:0:0:1", POP3_OK, "", ""},
    {"server", "ca", 1, "mail.example.org", POP3_ERROR_CERTIFICATE, "localhost",
     "mail.example.org"},
    {"server", "ca", 1, "localhost.example", POP3_ERROR_CERTIFICATE,
     "localhost, 127.0.0.1", "localhost.example"},
    {"server", "ca", 1, "local", POP3_ERROR_CERTIFICATE, "localhost", ""},
    {"server", "ca", 1, "server", POP3_ERROR_CERTIFICATE, "localhost",
     ""}, /* its CN is not believed */
    {"server", "ca", 1, "127.0.0.2", POP3_ERROR_CERTIFICATE, "127.0.0.1",
     "127.0.0.2"},
    {"server", "ca", 1, "::2", POP3_ERROR_CERTIFICATE, "::1", "::2"},
    {"other", "ca", 1, "localhost", POP3_ERROR_CERTIFICATE, "other.example",
     "localhost"},
    {"other", "ca", 1, "other.example", POP3_OK, "", ""},
    {"other", "ca", 1, "a.other.example", POP3_ERROR_CERTIFICATE,
     "other.example", "a.other.example"},
    {"expired", "ca", 1, "localhost", POP3_ERROR_CERTIFICATE, "expired", ""},
    {"server", "other", 1, "localhost", POP3_ERROR_CERTIFICATE, "issuer", ""},
    {"server", NULL, 1, "localhost", POP3_ERROR_CERTIFICATE, "issuer", ""},
    {"server", NULL, 0, "localhost", POP3_OK, "", ""},
    {"other", NULL, 0, "localhost", POP3_OK, "", ""},
    {"expired", NULL, 0, "127.0.0.2", POP3_OK, "", ""},
    {"server", "missing", 0, "localhost", POP3_OK, "", ""}, /* is not read */
    {"server", "missing", 1, "localhost", POP3_ERROR_TLS, "missing.pem", ""},
};

START_TEST(a_certificate_is_verified_by_chain_date_and_name)
{
    int trusted = verifications[_i].code == POP3_OK;
    int fd;

    prepare_server(talk_tls);
    server.cert = verifications[_i].cert;
    fd = start_server();
    if (verifications[_i].ca)
        ck_assert_int_eq(
            pop3_set_ca_file(c, cert_path(verifications[_i].ca, ".pem")),
            POP3_OK);
    pop3_set_verify(c, verifications[_i].verify);
    ck_assert_int_eq(pop3_connect_fd(c, fd, verifications[_i].name, 1),
                     verifications[_i].code);
    ck_assert_int_eq(pop3_error_code(c), verifications[_i].code);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), verifications[_i].says));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), verifications[_i].says_too));
    ck_assert_int_eq(*pop3_error(c) == '\0', trusted);
    ck_assert_int_eq(pop3_is_tls(c), trusted);
    ck_assert_int_eq(pop3_state(c),
                     trusted ? POP3_STATE_AUTHORIZATION : POP3_STATE_CLOSED);
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, trusted ? "QUIT\r\n" : "");
}
END_TEST

enum { PATH_ROOM = 300 };

static void temporary_path(char *path)
{
    const char *folder = getenv("TMPDIR");
    int n = snprintf(path, PATH_ROOM, "%s/libpop3.XXXXXX",
                     folder && *folder ? folder : "/tmp");

    ck_assert_int_lt(n, PATH_ROOM);
}

/* A folder as c_rehash makes it, of the authority alone. */
static void make_hashed_folder(char *folder, char *link)
{
    FILE *f = fopen(cert_path("ca", ".pem"), "r");
    X509 *ca = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    char *here = realpath(cert_path("ca", ".pem"), NULL);

    ck_assert_ptr_nonnull(ca);
    ck_assert_ptr_nonnull(here);
    temporary_path(folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(link, PATH_ROOM + 20, "%s/%08lx.0", folder,
             X509_subject_name_hash(ca));
    ck_assert_int_eq(symlink(here, link), 0);
    X509_free(ca);
    free(here);
    fclose(f);
}

static const struct {
    const char *ca_file; /* NULL: none */
    int hashed;          /* the folder holds the authority; 2: is none */
    pop3_code code;
} folders[] = {
    {NULL, 1, POP3_OK},
    {NULL, 0, POP3_ERROR_CERTIFICATE},
    {NULL, 2, POP3_ERROR_TLS},
    {"other", 1, POP3_OK},
    {"ca", 0, POP3_OK},
    {"ca", 2, POP3_ERROR_TLS},
    {"missing", 1, POP3_ERROR_TLS},
};

START_TEST(a_folder_of_authorities_is_believed)
{
    char folder[PATH_ROOM], link[PATH_ROOM + 20];
    int fd;

    prepare_server(talk_tls);
    make_hashed_folder(folder, link);
    if (!folders[_i].hashed)
        ck_assert_int_eq(unlink(link), 0);
    if (folders[_i].ca_file)
        pop3_set_ca_file(c, cert_path(folders[_i].ca_file, ".pem"));
    pop3_set_ca_path(c, folders[_i].hashed == 2 ? link : folder);
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1), folders[_i].code);
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, folders[_i].code ? "" : "QUIT\r\n");
    unlink(link);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(authorities_that_are_unset_are_the_systems_again)
{
    int fd;

    prepare_server(talk_tls);
    fd = start_server();
    ck_assert_int_eq(pop3_set_ca_file(c, cert_path("ca", ".pem")), POP3_OK);
    ck_assert_int_eq(pop3_set_ca_file(c, NULL), POP3_OK);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1),
                     POP3_ERROR_CERTIFICATE);
    end_server();
    ck_assert_str_eq(server.heard, "");
}
END_TEST

static const struct {
    const char *name;        /* connected to */
    const char *server_name; /* pop3_set_server_name */
    const char *sni;
    pop3_code code;
} names[] = {
    {"localhost", NULL, "localhost", POP3_OK},
    {"localhost.", NULL, "localhost", POP3_OK},
    {"127.0.0.1", NULL, "", POP3_OK},
    {"::1", NULL, "", POP3_OK},
    {"10.1.2.3", "localhost", "localhost", POP3_OK},
    {"localhost", "127.0.0.1", "", POP3_OK},
    {"localhost", "wrong.example", "wrong.example", POP3_ERROR_CERTIFICATE},
};

START_TEST(sni_is_the_servers_name_and_never_an_address)
{
    int fd;

    prepare_server(talk_tls);
    fd = start_server();
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    pop3_set_verify(c, names[_i].code == POP3_OK);
    pop3_set_server_name(c, names[_i].server_name);
    ck_assert_int_eq(pop3_connect_fd(c, fd, names[_i].name, 1), POP3_OK);
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.sni, names[_i].sni);
    ck_assert_str_eq(server.heard, "QUIT\r\n");
}
END_TEST

START_TEST(the_server_name_is_what_is_verified)
{
    int fd;

    prepare_server(talk_tls);
    fd = start_server();
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    pop3_set_server_name(c, names[_i].server_name);
    ck_assert_int_eq(pop3_connect_fd(c, fd, names[_i].name, 1), names[_i].code);
    if (names[_i].code)
        ck_assert_ptr_nonnull(strstr(pop3_error(c), names[_i].server_name));
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, names[_i].code ? "" : "QUIT\r\n");
}
END_TEST

/* ---- TLS: a context and a certificate of one's own ----------------------- */

static const struct {
    int verifies;
    const char *name, *server_name;
    pop3_code code;
} contexts[] = {
    {1, "localhost", NULL, POP3_OK},
    {1, "10.1.2.3", "localhost", POP3_OK},
    {1, "mail.example.org", NULL, POP3_ERROR_CERTIFICATE},
    {1, "localhost", "mail.example.org", POP3_ERROR_CERTIFICATE},
    {0, "mail.example.org", NULL, POP3_OK},
};

START_TEST(a_context_of_the_callers_is_used_instead_of_the_settings)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int fd;

    ck_assert_ptr_nonnull(ctx);
    if (contexts[_i].verifies)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    ck_assert_int_eq(SSL_CTX_load_verify_file(ctx, cert_path("ca", ".pem")), 1);
    pop3_set_ssl_ctx(c, ctx);
    SSL_CTX_free(ctx); /* c has a reference of its own */
    pop3_set_ca_file(c, cert_path("missing", ".pem"));
    pop3_set_server_name(c, contexts[_i].server_name);
    prepare_server(talk_tls);
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, contexts[_i].name, 1),
                     contexts[_i].code);
    if (contexts[_i].code)
        ck_assert_ptr_nonnull(
            strstr(pop3_error(c), "not for mail.example.org"));
    ck_assert_ptr_null(strstr(pop3_error(c), "for ,")); /* names it has none */
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, contexts[_i].code ? "" : "QUIT\r\n");
}
END_TEST

START_TEST(a_context_that_is_unset_leaves_the_settings)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method()); /* verifies nothing */
    int fd;

    ck_assert_ptr_nonnull(ctx);
    pop3_set_ssl_ctx(c, ctx);
    pop3_set_ssl_ctx(c, ctx);
    pop3_set_ssl_ctx(c, NULL);
    SSL_CTX_free(ctx);
    prepare_server(talk_tls);
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1),
                     POP3_ERROR_CERTIFICATE);
    end_server();
    ck_assert_str_eq(server.heard, "");
}
END_TEST

/* A file with a certificate and its key, the key under a passphrase or not. */
static void make_chain_with_key(char *path, int encrypted)
{
    FILE *key_file = fopen(cert_path("other", ".key"), "r");
    FILE *cert_file = fopen(cert_path("other", ".pem"), "r");
    EVP_PKEY *key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
    X509 *cert = PEM_read_X509(cert_file, NULL, NULL, NULL);
    FILE *f;
    int fd;

    temporary_path(path);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(key);
    ck_assert_ptr_nonnull(cert);
    ck_assert_int_eq(PEM_write_X509(f, cert), 1);
    ck_assert_int_eq(PEM_write_PrivateKey(f, key,
                                          encrypted ? EVP_aes_128_cbc() : NULL,
                                          (const unsigned char *)"sesame",
                                          encrypted ? 6 : 0, NULL, NULL),
                     1);
    EVP_PKEY_free(key);
    X509_free(cert);
    ck_assert_int_eq(fclose(f), 0);
    fclose(key_file);
    fclose(cert_file);
}

enum own_cert {
    NONE,
    TWO_FILES,
    ONE_FILE,
    NO_CHAIN,
    NO_KEY,
    OTHERS_KEY,
    SECRET
};

static const struct {
    enum own_cert given;
    int wanted;
    pop3_code code;
} own_certs[] = {
    {NONE, 0, POP3_OK},          {NONE, 1, POP3_ERROR_TLS},
    {TWO_FILES, 0, POP3_OK},     {TWO_FILES, 1, POP3_OK},
    {ONE_FILE, 1, POP3_OK},      {NO_CHAIN, 1, POP3_ERROR_TLS},
    {NO_KEY, 1, POP3_ERROR_TLS}, {OTHERS_KEY, 1, POP3_ERROR_TLS},
    {SECRET, 1, POP3_ERROR_TLS}, /* nobody is asked for a passphrase */
};

static void give_cert(enum own_cert given, const char *both)
{
    const char *chain = cert_path(given == NO_CHAIN ? "missing" : "other",
                                  ".pem");
    const char *key = cert_path(given == NO_KEY       ? "missing"
                                : given == OTHERS_KEY ? "server"
                                                      : "other",
                                ".key");

    if (given == NONE)
        return;
    if (given == ONE_FILE || given == SECRET)
        ck_assert_int_eq(pop3_set_cert(c, both, NULL), POP3_OK);
    else
        ck_assert_int_eq(pop3_set_cert(c, chain, key), POP3_OK);
}

START_TEST(a_client_certificate_is_shown_to_who_asks_for_it)
{
    char both[PATH_ROOM];
    int fd;

    make_chain_with_key(both, own_certs[_i].given == SECRET);
    give_cert(own_certs[_i].given, both);
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    prepare_server(talk_tls);
    server.wants_cert = own_certs[_i].wanted;
    fd = start_server();
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1),
                     own_certs[_i].code);
    ck_assert_int_eq(*pop3_error(c) == '\0', own_certs[_i].code == POP3_OK);
    pop3_shutdown(c);
    end_server();
    ck_assert_str_eq(server.heard, own_certs[_i].code ? "" : "QUIT\r\n");
    ck_assert_str_eq(server.subject, own_certs[_i].wanted && !own_certs[_i].code
                                         ? "/CN=other"
                                         : "");
    ck_assert_int_eq(unlink(both), 0);
}
END_TEST

/* ---- TLS that goes wrong ------------------------------------------------- */

static void talk_in_clear(struct server *s)
{
    char data[1000];

    server_says(s, GREETING);
    while (server_reads(s, data, sizeof data) > 0)
        ;
}

static void talk_not_at_all(struct server *s)
{
    char data[10000];

    server_reads(s, data, sizeof data);
}

static void talk_half_a_record(struct server *s)
{
    char data[10000];

    server_reads(s, data, sizeof data);
    server_writes(s, "\x16\x03\x03\x00\x7A\x02", 6);
}

static const struct {
    void (*talk)(struct server *);
    int version;
    pop3_code code;
    const char *says; /* in the message */
} bad_servers[] = {
    {talk_in_clear, 0, POP3_ERROR_TLS, "wrong version number"},
    {talk_not_at_all, 0, POP3_ERROR_CLOSED, "closed"},
    {talk_half_a_record, 0, POP3_ERROR_CLOSED, "closed"},
    {talk_tls, TLS1_1_VERSION, POP3_ERROR_TLS, "protocol version"},
};

START_TEST(a_handshake_that_fails_is_an_error_of_tls)
{
    int fd;

    prepare_server(bad_servers[_i].talk);
    server.version = bad_servers[_i].version;
    fd = start_server();
    pop3_set_verify(c, 0);
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1),
                     bad_servers[_i].code);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), bad_servers[_i].says));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "localhost"));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    end_server();
    ck_assert_int_eq(server.shaken, 0);
    ck_assert_str_eq(server.heard, "");
}
END_TEST

/* Says its text after the first line, and goes. */
static void talk_text(struct server *s)
{
    server_shakes(s);
    server_says(s, GREETING);
    if (server_hears(s))
        server_says(s, s->text);
}

static const struct {
    pop3_code (*call)(void);
    const char *text;
    pop3_code code;
    const char *heard;
} ends[] = {
    {call_noop, "", POP3_ERROR_CLOSED, "NOOP\r\n"},
    {call_noop, "+OK", POP3_ERROR_CLOSED, "NOOP\r\n"},
    {call_noop, "+OK\r", POP3_ERROR_CLOSED, "NOOP\r\n"},
    {call_noop, "+OK\r\n", POP3_OK, "NOOP\r\n"},
    {call_retr, "+OK\r\n", POP3_ERROR_CLOSED, "RETR 1\r\n"},
    {call_retr, "+OK\r\nline\r\n", POP3_ERROR_CLOSED, "RETR 1\r\n"},
    {call_retr, "+OK\r\nline\r\n.", POP3_ERROR_CLOSED, "RETR 1\r\n"},
    {call_retr, "+OK\r\nline\r\n.\r\n", POP3_OK, "RETR 1\r\n"},
    {call_quit, "+OK\r\n", POP3_OK, "QUIT\r\n"},
    {call_quit, "-ERR\r\n", POP3_ERROR_PROTO, "QUIT\r\n"},
    {call_quit, "", POP3_ERROR_CLOSED, "QUIT\r\n"},
};

START_TEST(an_end_with_or_without_a_close_notify_cuts_no_reply_short)
{
    int i = _i / 2, fd;

    prepare_server(talk_text);
    server.no_notify = _i % 2;
    server.text = ends[i].text;
    fd = start_server();
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1), POP3_OK);
    ck_assert_int_eq(ends[i].call(), ends[i].code);
    end_server();
    ck_assert_str_eq(server.heard, ends[i].heard);
    if (ends[i].call == call_quit)
        return;
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED); /* and no SIGPIPE */
    pop3_shutdown(c);
}
END_TEST

START_TEST(closing_says_so_to_tls)
{
    int fd;

    prepare_server(talk_tls);
    fd = start_server();
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 1), POP3_OK);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    pop3_close(c);
    end_server();
    ck_assert_str_eq(server.heard, "NOOP\r\n");
    ck_assert_int_eq(server.notified, 1);
}
END_TEST

/* ---- TLS behind STLS ----------------------------------------------------- */

/* Offers STLS, says its text to it, and shakes hands. */
static void talk_stls(struct server *s)
{
    if (!server_says(s, GREETING) || !server_hears(s) ||
        !server_says(s, "+OK\r\nSTLS\r\nTOP\r\n.\r\n") || !server_hears(s) ||
        !server_says(s, s->text))
        return;
    server_shakes(s);
    while (s->shaken && server_hears(s))
        server_says(s, "+OK\r\n.\r\n");
}

static void connect_stls(const char *cert, const char *text)
{
    int fd;

    prepare_server(talk_stls);
    server.cert = cert;
    server.text = text;
    fd = start_server();
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    ck_assert_int_eq(pop3_connect_fd(c, fd, "localhost", 0), POP3_OK);
    ck_assert_str_eq(pop3_challenge(c), STAMP);
    c->stream.bottom.is_private = 0; /* as if it came from afar */
}

START_TEST(stls_leads_to_a_session_under_tls)
{
    pop3_capas *capas = NULL;

    connect_stls("server", "+OK begin\r\n");
    ck_assert_int_eq(pop3_pass(c, "secret"), POP3_ERROR_INSECURE);
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_int_eq(pop3_is_tls(c), 1);
    ck_assert_ptr_null(pop3_challenge(c));
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_uint_eq(capas->count, 0);
    pop3_capas_free(capas);
    pop3_close(c);
    end_server();
    ck_assert_str_eq(server.heard, "CAPA\r\nSTLS\r\nCAPA\r\n");
    ck_assert_str_eq(server.sni, "localhost");
    ck_assert_int_eq(server.shaken, 1);
}
END_TEST

static const struct {
    const char *cert;
    const char *text; /* to STLS */
    pop3_code code;
} bad_stls[] = {
    {"other", "+OK\r\n", POP3_ERROR_CERTIFICATE},
    {"expired", "+OK\r\n", POP3_ERROR_CERTIFICATE},
    {"server", "+OK\r\n+OK injected\r\n", POP3_ERROR_MALFORMED},
    {"server", "-ERR no\r\n", POP3_ERROR_PROTO},
};

START_TEST(stls_that_fails_reveals_nothing)
{
    connect_stls(bad_stls[_i].cert, bad_stls[_i].text);
    ck_assert_int_eq(pop3_stls(c), bad_stls[_i].code);
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_int_eq(pop3_login(c, "me", "secret"),
                     bad_stls[_i].code == POP3_ERROR_PROTO ? POP3_ERROR_CLOSED
                                                           : bad_stls[_i].code);
    pop3_close(c);
    end_server();
    ck_assert_str_eq(server.heard, "CAPA\r\nSTLS\r\n");
}
END_TEST

/* ---- TLS over a caller's stream ------------------------------------------ */

static int stream_fd, stream_closed, stream_step;

/* A socket that blocks, as many streams of callers do. */
static int64_t blocking_read(void *arg, void *data, size_t size)
{
    ssize_t n = recv(*(int *)arg, data, size, 0);

    return n < 0 ? POP3_STREAM_TIMED_OUT : n;
}

static int64_t blocking_write(void *arg, const void *data, size_t size)
{
    ssize_t n = send(*(int *)arg, data, size, MSG_NOSIGNAL);

    return n < 0 ? POP3_STREAM_FAILED : n;
}

/* One that does not, and gives some octets at a time. */
static int64_t stepping_read(void *arg, void *data, size_t size)
{
    size_t most = (size_t)stream_step;
    ssize_t n = recv(*(int *)arg, data, size < most ? size : most,
                     MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN)
        return POP3_STREAM_FAILED;
    return n < 0 ? POP3_STREAM_WANT_READ : n;
}

static int64_t stepping_write(void *arg, const void *data, size_t size)
{
    size_t most = (size_t)stream_step;
    ssize_t n = send(*(int *)arg, data, size < most ? size : most,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        return POP3_STREAM_FAILED;
    return n < 0 ? POP3_STREAM_WANT_WRITE : n;
}

static int stepping_wait(void *arg, int want, int timeout_ms)
{
    struct pollfd p = {.fd = *(int *)arg};

    p.events = (short)((want & POP3_STREAM_READ ? POLLIN : 0) |
                       (want & POP3_STREAM_WRITE ? POLLOUT : 0));
    return poll(&p, 1, timeout_ms);
}

static void close_stream(void *arg)
{
    close(*(int *)arg);
    stream_closed++;
}

static const pop3_stream own_streams[] = {
    {.read = blocking_read, .write = blocking_write, .close = close_stream},
    {.read = stepping_read,
     .write = stepping_write,
     .wait = stepping_wait,
     .close = close_stream},
};

START_TEST(tls_runs_over_any_stream)
{
    static const int steps[] = {1, 3, 100000};
    pop3_totals totals;

    prepare_server(talk_tls);
    stream_fd = start_server();
    bound_waits(stream_fd);
    stream_closed = 0;
    stream_step = steps[_i / 2];
    pop3_set_ca_file(c, cert_path("ca", ".pem"));
    ck_assert_int_eq(pop3_connect_stream(c, &own_streams[_i % 2], &stream_fd,
                                         "localhost", 1),
                     POP3_OK);
    ck_assert_int_eq(pop3_is_tls(c), 1);
    ck_assert_int_eq(pop3_fd(c), -1);
    ck_assert_int_eq(pop3_stat(c, &totals), POP3_OK);
    ck_assert_int_eq(pop3_pass(c, "secret"), POP3_OK); /* private by TLS */
    ck_assert_int_eq(pop3_quit(c), POP3_OK);
    ck_assert_int_eq(stream_closed, 1);
    end_server();
    ck_assert_str_eq(server.heard, "STAT\r\nPASS secret\r\nQUIT\r\n");
}
END_TEST

START_TEST(a_stream_whose_handshake_fails_is_closed_once)
{
    prepare_server(_i < 2 ? talk_in_clear : talk_not_at_all);
    stream_fd = start_server();
    bound_waits(stream_fd);
    stream_closed = 0;
    stream_step = 10000;
    ck_assert_int_eq(pop3_connect_stream(c, &own_streams[_i % 2], &stream_fd,
                                         "localhost", 1),
                     _i < 2 ? POP3_ERROR_TLS : POP3_ERROR_CLOSED);
    ck_assert_int_eq(stream_closed, 1);
    end_server();
    pop3_close(c);
    ck_assert_int_eq(stream_closed, 1);
    ck_assert_int_eq(server.shaken, 0);
}
END_TEST

/* ---- The suite ----------------------------------------------------------- */

static TCase *add_case(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return t;
}

static void add_streams(Suite *s)
{
    TCase *t = add_case(s, "a caller's stream");

    tcase_add_loop_test(
        t, a_stream_that_fails_in_a_command_is_dead_and_closed_once, 0,
        COUNT(stream_failures));
    tcase_add_loop_test(t,
                        a_stream_that_fails_before_its_greeting_is_closed_once,
                        0, COUNT(stream_failures));
    tcase_add_test(t, a_stream_that_is_not_taken_is_not_closed);
    tcase_add_test(t,
                   a_stream_may_have_nothing_to_close_and_nothing_to_wait_with);
    tcase_add_loop_test(t, a_stream_may_start_tls_itself, 0, COUNT(hooks));
    tcase_add_loop_test(t, a_wait_is_as_long_as_both_timeouts_allow, 0,
                        COUNT(waits));
    tcase_add_test(t, a_command_that_does_not_leave_is_waited_for_both_ways);
    tcase_add_test(t, a_command_has_its_time_however_steadily_a_stream_drips);
}

static void add_sockets(Suite *s)
{
    TCase *t = add_case(s, "sockets");

    tcase_add_test(t, a_socket_is_taken_over_and_made_safe);
    tcase_add_test(t, a_socket_that_is_not_taken_stays_open);
    tcase_add_loop_test(t, a_descriptor_that_is_no_socket_is_closed_and_told, 0,
                        2);
    tcase_add_test(t, a_signal_does_not_end_a_wait);
    tcase_add_loop_test(t, signals_do_not_make_a_wait_longer, 0, 2);
    tcase_add_test(t, a_server_that_has_gone_is_told_and_raises_no_signal);
    tcase_add_test(t, a_server_that_goes_in_a_long_command_raises_no_signal);
    tcase_add_test(t, the_last_words_of_a_server_are_heard);
    tcase_add_loop_test(t, a_command_of_a_megabyte_leaves_in_small_pieces, 0,
                        2);
    tcase_add_loop_test(t, a_server_that_talks_before_it_reads_is_no_deadlock,
                        0, 2);
}

static void add_time(Suite *s)
{
    TCase *t = add_case(s, "time");

    tcase_add_loop_test(t, a_server_that_stalls_is_not_waited_for_for_ever, 0,
                        2 * COUNT(stalls));
    tcase_add_loop_test(
        t, a_server_that_does_not_greet_is_not_waited_for_for_ever, 0, 4);
    tcase_add_loop_test(t, a_handshake_that_stalls_is_not_waited_for_for_ever,
                        0, 2);
    tcase_add_loop_test(t, a_handshake_behind_stls_is_not_waited_for_for_ever,
                        0, 2);
    tcase_add_loop_test(
        t, a_command_that_does_not_leave_is_not_waited_for_for_ever, 0, 2);
    tcase_add_loop_test(
        t, a_command_has_its_time_however_steadily_bytes_drip_in, 0, 2);
    tcase_add_loop_test(t, connecting_is_not_waited_for_for_ever, 0, 2);
}

static void add_dialing(Suite *s)
{
    TCase *t = add_case(s, "connecting");

    tcase_add_loop_test(t, addresses_are_raced_a_quarter_of_a_second_apart, 0,
                        COUNT(races));
    tcase_add_loop_test(t, a_session_goes_over_tcp_of_either_family, 0,
                        COUNT(hosts));
    tcase_add_loop_test(t, a_refused_connection_is_told_with_host_and_port, 0,
                        2);
    tcase_add_loop_test(t, a_name_that_does_not_resolve_is_told, 0, 8);
    tcase_add_loop_test(t, a_port_that_can_not_be_is_refused, 0, 4);
    tcase_add_test(t, a_connection_that_is_reset_is_closed_by_the_server);
}

static void add_tls(Suite *s)
{
    TCase *t = add_case(s, "TLS");

    tcase_add_loop_test(t, a_certificate_is_verified_by_chain_date_and_name, 0,
                        COUNT(verifications));
    tcase_add_loop_test(t, a_folder_of_authorities_is_believed, 0,
                        COUNT(folders));
    tcase_add_test(t, authorities_that_are_unset_are_the_systems_again);
    tcase_add_loop_test(t, sni_is_the_servers_name_and_never_an_address, 0,
                        COUNT(names));
    tcase_add_loop_test(t, the_server_name_is_what_is_verified, 0,
                        COUNT(names));
    tcase_add_loop_test(
        t, a_context_of_the_callers_is_used_instead_of_the_settings, 0,
        COUNT(contexts));
    tcase_add_test(t, a_context_that_is_unset_leaves_the_settings);
    tcase_add_loop_test(t, a_client_certificate_is_shown_to_who_asks_for_it, 0,
                        COUNT(own_certs));
    tcase_add_loop_test(t, a_handshake_that_fails_is_an_error_of_tls, 0,
                        COUNT(bad_servers));
    tcase_add_loop_test(
        t, an_end_with_or_without_a_close_notify_cuts_no_reply_short, 0,
        2 * COUNT(ends));
    tcase_add_test(t, closing_says_so_to_tls);
    tcase_add_test(t, stls_leads_to_a_session_under_tls);
    tcase_add_loop_test(t, stls_that_fails_reveals_nothing, 0, COUNT(bad_stls));
    tcase_add_loop_test(t, tls_runs_over_any_stream, 0, 6);
    tcase_add_loop_test(t, a_stream_whose_handshake_fails_is_closed_once, 0, 4);
}

Suite *stream_suite(void)
{
    Suite *s = suite_create("stream");

    add_streams(s);
    add_sockets(s);
    add_time(s);
    add_dialing(s);
    add_tls(s);
    return s;
}
