/*
 * sink.c - a buffered writer to a descriptor, which converts line ends
 * SPDX-License-Identifier: MIT
 *
 * Owns write(2): interrupted, short and not ready writes, and the SIGPIPE that
 * a broken pipe would raise. Knows CR and LF. Not here: opening, syncing and
 * closing (maildir.c), messages about it (body.c, maildir.c).
 */
#include "sink.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- SIGPIPE ----------------------------------------------------------- */

static void only_sigpipe(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

static int is_sigpipe_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* A regular file breaks no pipe, so a Maildir pays for one fstat alone. */
static int may_raise_sigpipe(int fd)
{
    struct stat st;

    return fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
}

/*
 * MSG_NOSIGNAL is for sockets alone, and to ignore the signal would change the
 * whole process; a mask is this thread's own.
 */
static void guard(struct p3_sink *s)
{
    sigset_t set;

    s->guarded = may_raise_sigpipe(s->fd);
    if (!s->guarded)
        return;
    only_sigpipe(&set);
    s->was_pending = is_sigpipe_pending();
    pthread_sigmask(SIG_BLOCK, &set, &s->before);
}

/* The signal of a failed write waits for this thread; unless it is taken away
 * it would come as soon as the mask is the old one. */
static void unguard(struct p3_sink *s)
{
    static const struct timespec at_once = {0, 0};
    sigset_t set;

    if (!s->guarded)
        return;
    only_sigpipe(&set);
    if (s->error == EPIPE && !s->was_pending)
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &s->before, NULL);
    s->guarded = 0;
}

/* ---- Writing ----------------------------------------------------------- */

/* As long as it takes: whoever gave a descriptor that does not block is slow,
 * not gone. What is wrong with it the next write says. */
static void wait_until_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    (void)poll(&p, 1, -1);
}

/* What a write that gave n asks for: the errno to give up with, or 0. */
static int reason(int fd, ssize_t n)
{
    if (n == 0)
        return EIO; /* never, but it would never end */
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        wait_until_ready(fd);
    else if (errno != EINTR)
        return errno;
    return 0;
}

static void write_all(struct p3_sink *s, const char *data, size_t len)
{
    while (len && !s->error) {
        ssize_t n = write(s->fd, data, len);

        if (n <= 0) {
            s->error = reason(s->fd, n);
            continue;
        }
        data += n;
        len -= (size_t)n;
    }
}

static void flush(struct p3_sink *s)
{
    write_all(s, s->buf, s->used);
    s->used = 0;
}

/* What does not fit goes out; half a buffer or more, without being copied. */
static void put_much(struct p3_sink *s, const char *data, size_t len)
{
    flush(s);
    if (len >= P3_SINK_ROOM / 2) {
        write_all(s, data, len);
        return;
    }
    memcpy(s->buf, data, len);
    s->used = len;
}

static void put(struct p3_sink *s, const char *data, size_t len)
{
    if (len > P3_SINK_ROOM - s->used) {
        put_much(s, data, len);
        return;
    }
    memcpy(s->buf + s->used, data, len);
    s->used += len;
}

/* ---- Line ends --------------------------------------------------------- */

/* A CR was the last octet: it stays, unless this slice shows it as CRLF's. */
static void settle_cr(struct p3_sink *s, char next)
{
    if (s->held_cr && next != '\n')
        put(s, "\r", 1);
    s->held_cr = 0;
}

/* Up to the next CR that ends a line: each piece begins where the last such CR
 * stood, with its LF. */
static void put_lf(struct p3_sink *s, const char *data, size_t len)
{
    const char *end = data + len;

    settle_cr(s, *data);
    while (data < end) {
        const char *cr = memchr(data, '\r', (size_t)(end - data));

        if (!cr) {
            put(s, data, (size_t)(end - data));
            return;
        }
        s->held_cr = cr + 1 == end;
        if (!s->held_cr && cr[1] != '\n')
            put(s, data, (size_t)(cr + 1 - data));
        else
            put(s, data, (size_t)(cr - data));
        data = cr + 1;
    }
}

/* ---- What others call -------------------------------------------------- */

void p3_sink_init(struct p3_sink *s, int fd, pop3_line_end ends)
{
    s->fd = fd;
    s->ends = ends;
    s->error = s->held_cr = s->was_pending = 0;
    s->used = 0;
    guard(s);
}

int p3_sink_write(struct p3_sink *s, const void *data, size_t len)
{
    if (!len || s->error)
        return s->error;
    if (s->ends == POP3_LF)
        put_lf(s, data, len);
    else
        put(s, data, len);
    return s->error;
}

int p3_sink_finish(struct p3_sink *s)
{
    if (s->held_cr)
        put(s, "\r", 1);
    s->held_cr = 0;
    flush(s);
    unguard(s);
    return s->error;
}

void p3_sink_drop(struct p3_sink *s)
{
    unguard(s);
}
