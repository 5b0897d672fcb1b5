/*
 * stream.c - a connected socket or TLS session: bytes in and out, deadlines
 * SPDX-License-Identifier: MIT
 *
 * Owns the socket's reading, writing and waiting, and the loop that sends while
 * it waits to read. Knows nothing of POP3. Not here: making a connection
 * (dial.c), TLS (tls.c), lines (reader.c).
 */
#include "stream.h"
#include "local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct p3_socket {
    int fd;
    pid_t opener; /* the process whose session it is */
    int muted;    /* nothing goes out any more */
    struct p3_error *error;
};

int64_t p3_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- The socket as a pop3_stream --------------------------------------- */

/* Says what errno means for a link that was up. */
static int link_failed(struct p3_socket *sock)
{
    char text[P3_ERRNO_TEXT];

    if (errno == EPIPE || errno == ECONNRESET || errno == ECONNABORTED)
        p3_error_set(sock->error, POP3_ERROR_CLOSED,
                     "the connection was reset by the server");
    else
        p3_error_set(sock->error, POP3_ERROR_CLOSED,
                     "the connection was lost: %s",
                     p3_errno_text(errno, text, sizeof text));
    return POP3_STREAM_FAILED;
}

/*
 * Many servers write a reply in two small segments with Nagle's algorithm on,
 * which a delayed ACK on this side holds back for 40 ms a message. The kernel
 * falls back to delaying after each read, so it is told again before the wait
 * for the next: what is read without waiting needs no acknowledgement of its
 * own.
 */
static void acknowledge_at_once(int fd)
{
#ifdef TCP_QUICKACK
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)fd;
#endif
}

static int64_t socket_read(void *arg, void *data, size_t size)
{
    struct p3_socket *sock = arg;
    ssize_t n;

    do
        n = recv(sock->fd, data, size, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return POP3_STREAM_WANT_READ;
    return link_failed(sock);
}

static int64_t socket_write(void *arg, const void *data, size_t size)
{
    struct p3_socket *sock = arg;
    ssize_t n;

    if (sock->muted)
        return POP3_STREAM_FAILED;
    do
        n = send(sock->fd, data, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return POP3_STREAM_WANT_WRITE;
    return link_failed(sock);
}

static int left_until(int64_t until_ms)
{
    int64_t left = until_ms - p3_now_ms();

    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int socket_wait(void *arg, int want, int timeout_ms)
{
    struct p3_socket *sock = arg;
    struct pollfd p = {.fd = sock->fd};
    int64_t until = p3_now_ms() + timeout_ms;
    int n;

    if (want & POP3_STREAM_READ) {
        acknowledge_at_once(sock->fd);
        p.events |= POLLIN;
    }
    if (want & POP3_STREAM_WRITE)
        p.events |= POLLOUT;
    while ((n = poll(&p, 1, timeout_ms)) < 0 && errno == EINTR)
        if (timeout_ms > 0) /* a signal makes no wait longer */
            timeout_ms = left_until(until);
    return n < 0 ? link_failed(sock) : n;
}

/*
 * A process made by fork shares the connection of its parent: it lets go of its
 * descriptor, but neither TLS's goodbye nor a shutdown ends what goes on there.
 */
static void mute_if_inherited(struct p3_socket *sock)
{
    sock->muted = sock->opener != getpid();
}

static void socket_close(void *arg)
{
    struct p3_socket *sock = arg;

    if (!sock->muted)
        shutdown(sock->fd, SHUT_RDWR);
    close(sock->fd);
    free(sock);
}

static int peer_is_local(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } a;
    socklen_t len = sizeof a;
    const unsigned char *v4_in_v6 = a.v6.sin6_addr.s6_addr + 12;

    memset(&a, 0, sizeof a);
    if (getpeername(fd, &a.any, &len) < 0)
        return 0;
    if (a.any.sa_family == AF_UNIX)
        return 1;
    if (a.any.sa_family == AF_INET)
        return ntohl(a.v4.sin_addr.s_addr) >> 24 == 127;
    if (a.any.sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr))
        return v4_in_v6[0] == 127;
    return IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
}

static int prepare_socket(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int on = 1;

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return 0;
    /* Fails on what is not TCP, where it is not needed. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 1;
}

/* ---- Opening and closing ----------------------------------------------- */

void p3_stream_init(struct p3_stream *s, struct p3_error *error)
{
    memset(s, 0, sizeof *s);
    s->error = error;
    p3_buf_init(&s->out, 0, 1); /* passwords pass through it */
}

void p3_stream_release(struct p3_stream *s)
{
    p3_stream_close(s);
    p3_buf_release(&s->out);
}

void p3_stream_open_io(struct p3_stream *s, const pop3_stream *io, void *arg)
{
    s->io = s->bottom = *io;
    s->arg = s->bottom_arg = arg;
    s->socket = NULL;
    s->tls = NULL;
    s->is_tls = 0;
    s->open = 1;
}

pop3_code p3_stream_open_fd(struct p3_stream *s, int fd)
{
    pop3_stream io = {.read = socket_read,
                      .write = socket_write,
                      .wait = socket_wait,
                      .close = socket_close};
    struct p3_socket *sock = malloc(sizeof *sock);
    char text[P3_ERRNO_TEXT];

    if (!sock) {
        close(fd);
        return p3_error_memory(s->error);
    }
    if (!prepare_socket(fd)) {
        p3_error_set(s->error, POP3_ERROR_IO, "descriptor %d: %s", fd,
                     p3_errno_text(errno, text, sizeof text));
        close(fd);
        free(sock);
        return POP3_ERROR_IO;
    }
    sock->fd = fd;
    sock->opener = getpid();
    sock->muted = 0;
    sock->error = s->error;
    io.is_private = peer_is_local(fd);
    p3_stream_open_io(s, &io, sock);
    s->socket = sock;
    return POP3_OK;
}

void p3_stream_close(struct p3_stream *s)
{
    if (!s->open)
        return;
    if (s->socket)
        mute_if_inherited(s->socket);
    p3_tls_free(s->tls);
    if (s->bottom.close)
        s->bottom.close(s->bottom_arg);
    p3_buf_truncate(&s->out, 0);
    s->tls = NULL;
    s->socket = NULL;
    s->open = 0;
    s->is_tls = 0;
}

/* ---- Waiting ----------------------------------------------------------- */

/* How long a wait may be: the timeout or what is left until the deadline,
 * whichever is shorter; -1 for ever. */
static int wait_ms(const struct p3_stream *s)
{
    int timeout = s->timeout_ms > 0 ? s->timeout_ms : -1;
    int left;

    if (!s->deadline_ms)
        return timeout;
    left = left_until(s->deadline_ms);
    return timeout < 0 || left < timeout ? left : timeout;
}

static int is_over(const struct p3_stream *s)
{
    return s->deadline_ms && p3_now_ms() >= s->deadline_ms;
}

static pop3_code timed_out(struct p3_stream *s)
{
    if (is_over(s))
        return p3_error_set(s->error, POP3_ERROR_TIMEOUT,
                            "timed out: the time for all of it is over");
    if (s->timeout_ms <= 0) /* a caller's stream has a time of its own */
        return p3_error_set(s->error, POP3_ERROR_TIMEOUT, "timed out");
    return p3_error_set(s->error, POP3_ERROR_TIMEOUT,
                        "timed out: nothing came for %d.%03d s",
                        s->timeout_ms / 1000, s->timeout_ms % 1000);
}

/* The streams of the library set the error themselves, a caller's does not. */
static pop3_code failed(struct p3_stream *s, int64_t status)
{
    if (status == POP3_STREAM_TIMED_OUT)
        return timed_out(s);
    if (s->error->code == POP3_OK)
        p3_error_set(s->error, POP3_ERROR_IO, "the caller's stream failed");
    return s->error->code;
}

/* Waits until the stream can do what is in want, of POP3_STREAM_READ and
 * POP3_STREAM_WRITE. A signal may end it earlier. */
static pop3_code await_stream(struct p3_stream *s, int want)
{
    int ms = wait_ms(s);
    int n;

    if (!s->bottom.wait)
        return p3_error_set(s->error, POP3_ERROR_IO,
                            "the caller's stream would block and cannot wait");
    if (ms == 0)
        return timed_out(s);
    n = s->bottom.wait(s->bottom_arg, want, ms);
    if (n < 0)
        return failed(s, n);
    return n ? POP3_OK : timed_out(s);
}

static int wanted(int64_t status)
{
    if (status == POP3_STREAM_WANT_READ)
        return POP3_STREAM_READ;
    return status == POP3_STREAM_WANT_WRITE ? POP3_STREAM_WRITE : 0;
}

/* ---- Bytes ------------------------------------------------------------- */

/* A caller's stream that tells of more than it was asked for is not believed. */
static int64_t in_range(int64_t n, size_t size)
{
    return n > 0 && (uint64_t)n > size ? POP3_STREAM_FAILED : n;
}

/*
 * Sends what can go now; *want says what the rest waits for, 0 where nothing is
 * left. A link that takes no more may still hold the server's last words, so
 * that it is closed is left for reading to find out.
 */
static pop3_code push(struct p3_stream *s, int *want)
{
    int64_t n = 0;

    *want = 0;
    while (s->out.len) {
        n = in_range(s->io.write(s->arg, s->out.data, s->out.len), s->out.len);
        if (n <= 0)
            break;
        p3_buf_consume(&s->out, (size_t)n);
    }
    if (!s->out.len)
        return POP3_OK;
    *want = wanted(n);
    if (*want)
        return POP3_OK;
    if (failed(s, n) != POP3_ERROR_CLOSED)
        return s->error->code;
    p3_error_clear(s->error);
    p3_buf_truncate(&s->out, 0);
    return POP3_OK;
}

pop3_code p3_stream_push(struct p3_stream *s)
{
    int want;

    return push(s, &want);
}

pop3_code p3_stream_read(struct p3_stream *s, void *data, size_t size,
                         size_t *got)
{
    int want;
    int64_t n;
    pop3_code rc;

    for (;;) {
        if (is_over(s)) /* however steadily it drips */
            return timed_out(s);
        rc = push(s, &want);
        if (rc)
            return rc;
        n = in_range(s->io.read(s->arg, data, size), size);
        if (n >= 0)
            break;
        if (!wanted(n))
            return failed(s, n);
        rc = await_stream(s, want | wanted(n));
        if (rc)
            return rc;
    }
    *got = (size_t)n;
    return POP3_OK;
}

/* ---- TLS and what the outside may know --------------------------------- */

static pop3_code handshake(struct p3_stream *s, struct p3_tls *tls)
{
    int n;
    pop3_code rc;

    while ((n = p3_tls_handshake(tls)) != 1) {
        if (!wanted(n))
            return failed(s, n);
        rc = await_stream(s, wanted(n));
        if (rc)
            return rc;
    }
    return POP3_OK;
}

static pop3_code start_callers_tls(struct p3_stream *s, const char *pin,
                                   const char *name)
{
    if (pin)
        return p3_error_set(s->error, POP3_ERROR_TLS,
                            "a pin cannot be checked over the caller's own "
                            "TLS");
    if (s->bottom.start_tls(s->bottom_arg, name) != 1)
        return p3_error_set(s->error, POP3_ERROR_TLS,
                            "the caller's stream could not start TLS");
    s->is_tls = 1;
    return POP3_OK;
}

pop3_code p3_stream_start_tls(struct p3_stream *s,
                              const struct p3_tls_settings *settings,
                              const char *name)
{
    struct p3_tls *tls;
    pop3_code rc;

    if (s->bottom.start_tls)
        return start_callers_tls(s, settings->pin, name);
    rc = p3_tls_new(&s->bottom, s->bottom_arg, settings, name, s->error, &tls);
    if (rc)
        return rc;
    rc = handshake(s, tls);
    if (rc) {
        p3_tls_free(tls);
        return rc;
    }
    s->tls = tls;
    s->io = p3_tls_io;
    s->arg = tls;
    s->is_tls = 1;
    return POP3_OK;
}

int p3_stream_is_private(const struct p3_stream *s)
{
    return s->open && (s->is_tls || s->bottom.is_private);
}

int p3_stream_is_tls(const struct p3_stream *s)
{
    return s->is_tls;
}

int p3_stream_is_protected(const struct p3_stream *s)
{
    return s->is_tls || (s->bottom.is_private && !s->socket);
}

size_t p3_stream_binding(const struct p3_stream *s, unsigned char *data,
                         const char **kind)
{
    return s->tls ? p3_tls_binding(s->tls, data, kind) : 0;
}

int p3_stream_fd(const struct p3_stream *s)
{
    return s->socket ? s->socket->fd : -1;
}
