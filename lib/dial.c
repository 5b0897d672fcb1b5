/*
 * dial.c - host and port to a connected socket
 * SPDX-License-Identifier: MIT
 *
 * Owns getaddrinfo and the race of addresses (RFC 8305): they are tried a
 * quarter of a second apart, families in turn, and the first that connects
 * wins, so that a dead route costs that much and not a minute.
 */
#include "local.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ATTEMPT_DELAY_MS = 250 }; /* RFC 8305, 5 */

struct race {
    const struct addrinfo **addresses; /* in the order to try */
    struct pollfd *running;
    size_t count;   /* of addresses */
    size_t started; /* of them */
    size_t pending; /* entries of running */
    int64_t next_start_ms;
    int64_t deadline_ms; /* 0: none */
    int last_errno;
    int winner;
};

static size_t count_addresses(const struct addrinfo *list)
{
    size_t n = 0;

    do
        n++;
    while ((list = list->ai_next));
    return n;
}

static const struct addrinfo *next_of(const struct addrinfo *a, int family,
                                      int same)
{
    while (a && (a->ai_family == family) != same)
        a = a->ai_next;
    return a;
}

/* The resolver's order, but the family of its first address and the others in
 * turn (RFC 8305, 4). */
static void interleave(struct race *r, const struct addrinfo *list)
{
    int family = list->ai_family;
    const struct addrinfo *same = list;
    const struct addrinfo *other = next_of(list, family, 0);

    while (same || other) {
        if (same) {
            r->addresses[r->count++] = same;
            same = next_of(same->ai_next, family, 1);
        }
        if (other) {
            r->addresses[r->count++] = other;
            other = next_of(other->ai_next, family, 0);
        }
    }
}

static void lost(struct race *r, int fd, int why)
{
    if (fd >= 0)
        close(fd);
    if (r->last_errno != ECONNREFUSED) /* says the most: the host is there */
        r->last_errno = why;
    r->next_start_ms = 0; /* the next one need not wait */
}

static void start_next(struct race *r)
{
    const struct addrinfo *a = r->addresses[r->started++];
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    a->ai_protocol);

    r->next_start_ms = p3_now_ms() + ATTEMPT_DELAY_MS;
    if (fd < 0)
        lost(r, fd, errno);
    else if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        r->winner = fd;
    else if (errno == EINPROGRESS || errno == EINTR)
        r->running[r->pending++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    else
        lost(r, fd, errno);
}

static void look_at_running(struct race *r)
{
    size_t i = 0;

    while (i < r->pending && r->winner < 0) {
        int fd = r->running[i].fd;
        int why = 0;
        socklen_t len = sizeof why;

        if (!r->running[i].revents) {
            i++;
            continue;
        }
        r->running[i] = r->running[--r->pending];
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
            why = errno;
        if (why)
            lost(r, fd, why);
        else
            r->winner = fd;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

/* Until something happens, the next start or the deadline. */
static int race_wait_ms(const struct race *r)
{
    int more = r->started < r->count;
    int64_t until = earlier(more ? r->next_start_ms : 0, r->deadline_ms);
    int64_t ms = until - p3_now_ms();

    if (!until)
        return -1;
    return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

/* Returns POP3_OK with a winner, else why there is none. */
static pop3_code run_race(struct race *r)
{
    while (r->winner < 0) {
        int more = r->started < r->count;

        if (r->deadline_ms && p3_now_ms() >= r->deadline_ms)
            return POP3_ERROR_TIMEOUT;
        if (more && (!r->pending || p3_now_ms() >= r->next_start_ms)) {
            start_next(r);
            continue;
        }
        if (!r->pending)
            return POP3_ERROR_CONNECT;
        if (poll(r->running, r->pending, race_wait_ms(r)) > 0)
            look_at_running(r);
    }
    return POP3_OK;
}

static pop3_code race_all(const struct addrinfo *list, struct race *r)
{
    size_t n = count_addresses(list);
    pop3_code rc;

    r->addresses = calloc(n, sizeof *r->addresses);
    r->running = calloc(n, sizeof *r->running);
    if (!r->addresses || !r->running) {
        rc = POP3_ERROR_MEMORY;
    } else {
        interleave(r, list);
        rc = run_race(r);
    }
    while (r->pending)
        close(r->running[--r->pending].fd);
    free(r->addresses);
    free(r->running);
    return rc;
}

static pop3_code resolve(const char *host, int port, struct p3_error *error,
                         struct addrinfo **list)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    char text[P3_ERRNO_TEXT];
    char service[16];
    int why;

    snprintf(service, sizeof service, "%d", port);
    why = getaddrinfo(host, service, &hints, list);
    if (!why)
        return POP3_OK;
    if (why == EAI_MEMORY)
        return p3_error_memory(error);
    return p3_error_set(error, POP3_ERROR_RESOLVE, "%s: %s", host,
                        why == EAI_SYSTEM
                            ? p3_errno_text(errno, text, sizeof text)
                            : gai_strerror(why));
}

pop3_code p3_dial(const char *host, int port, int64_t deadline_ms,
                  struct p3_error *error, int *fd)
{
    struct race r = {.deadline_ms = deadline_ms, .winner = -1};
    char text[P3_ERRNO_TEXT];
    struct addrinfo *list;
    pop3_code rc = resolve(host, port, error, &list);

    if (rc)
        return rc;
    rc = race_all(list, &r);
    freeaddrinfo(list);
    if (rc == POP3_ERROR_MEMORY)
        return p3_error_memory(error);
    if (rc == POP3_ERROR_TIMEOUT)
        return p3_error_set(error, rc, "%s:%d: timed out while connecting",
                            host, port);
    if (rc)
        return p3_error_set(error, rc, "%s:%d: %s", host, port,
                            p3_errno_text(r.last_errno, text, sizeof text));
    *fd = r.winner;
    return POP3_OK;
}
