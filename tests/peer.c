/*
 * peer.c - the far end of a connection, in memory and in the same thread
 * SPDX-License-Identifier: MIT
 *
 * Owns what the server says and heard. Knows pop3.h alone.
 */
#include "peer.h"

#include <stdio.h>
#include <string.h>

enum { ROOM_TO_SAY = 16 << 20, ROOM_TO_HEAR = 1 << 20, SEGMENTS = 65536 };

/* What stands behind the last octet. */
enum ending { MORE_MAY_COME, END_OF_STREAM, FAILURE };

pop3 *c;

static char said[ROOM_TO_SAY];
static size_t said_len, read_len;
static size_t ends[SEGMENTS]; /* in said: of each peer_says not yet read */
static size_t first_end, last_end;
static enum ending ending;
static int ending_met;
static size_t chunk;

static char heard[ROOM_TO_HEAR + 1];
static size_t heard_len;
static int was_asked;        /* peer_heard gave that already */
static size_t accepts, room; /* room: what is left of it */

static int opened, closed;
static int tls_result;
static char tls_name[256];

/* ---- The stream ---- */

static int64_t read_ending(void)
{
    if (ending == MORE_MAY_COME)
        return POP3_STREAM_WANT_READ;
    ending_met = 1;
    return ending == FAILURE ? POP3_STREAM_FAILED : 0;
}

static int64_t peer_read(void *arg, void *data, size_t size)
{
    size_t n;

    (void)arg;
    if (read_len == said_len)
        return read_ending();
    n = ends[first_end] - read_len;
    n = n < size ? n : size;
    n = chunk && n > chunk ? chunk : n;
    memcpy(data, said + read_len, n);
    read_len += n;
    if (read_len == ends[first_end])
        first_end++;
    return (int64_t)n;
}

static void forget_heard(void)
{
    heard_len = 0;
    heard[0] = '\0';
    was_asked = 0;
}

static int64_t peer_write(void *arg, const void *data, size_t size)
{
    (void)arg;
    if (accepts && !room)
        return POP3_STREAM_WANT_WRITE;
    if (accepts && size > room)
        size = room;
    if (was_asked)
        forget_heard();
    if (size > ROOM_TO_HEAR - heard_len)
        ck_abort_msg("the peer hears more than it has room for");
    memcpy(heard + heard_len, data, size);
    heard_len += size;
    heard[heard_len] = '\0';
    room -= accepts ? size : 0;
    return (int64_t)size;
}

static int peer_wait(void *arg, int want, int timeout_ms)
{
    (void)arg;
    (void)timeout_ms;
    if (want & POP3_STREAM_WRITE) {
        room = accepts;
        return 1;
    }
    return read_len < said_len || ending != MORE_MAY_COME;
}

static void peer_close(void *arg)
{
    (void)arg;
    closed++;
}

static int peer_start_tls(void *arg, const char *server_name)
{
    (void)arg;
    snprintf(tls_name, sizeof tls_name, "%s", server_name);
    return tls_result;
}

const pop3_stream peer_stream = {.read = peer_read,
                                 .write = peer_write,
                                 .wait = peer_wait,
                                 .close = peer_close};

/* ---- What it says and heard ---- */

static void say_nothing(void)
{
    said_len = read_len = 0;
    first_end = last_end = 0;
}

void peer_says_bytes(const void *data, size_t len)
{
    if (!len)
        return;
    if (read_len == said_len)
        say_nothing();
    if (len > sizeof said - said_len || last_end == SEGMENTS)
        ck_abort_msg("the peer says more than it has room for");
    memcpy(said + said_len, data, len);
    said_len += len;
    ends[last_end++] = said_len;
}

void peer_says(const char *text)
{
    peer_says_bytes(text, strlen(text));
}

const char *peer_heard(void)
{
    if (was_asked)
        forget_heard();
    was_asked = 1;
    return heard;
}

void peer_closes(void)
{
    ending = END_OF_STREAM;
}

void peer_fails(void)
{
    ending = FAILURE;
}

void peer_chunk(size_t n)
{
    chunk = n;
}

void peer_accepts(size_t n)
{
    accepts = room = n;
}

void peer_starts_tls(int result)
{
    tls_result = result;
}

const char *peer_tls_name(void)
{
    return tls_name;
}

int peer_closings(void)
{
    return closed;
}

/* ---- Sessions ---- */

static void forget_session(void)
{
    say_nothing();
    forget_heard();
}

void peer_reset(void)
{
    forget_session();
    ending = MORE_MAY_COME;
    ending_met = 0;
    chunk = 0;
    peer_accepts(0);
    peer_starts_tls(0);
    tls_name[0] = '\0';
    opened = closed = 0;
}

pop3_code peer_connect(const char *greeting, int is_private)
{
    pop3_stream stream = peer_stream;

    if (ending_met)
        ending = MORE_MAY_COME;
    ending_met = 0;
    pop3_close(c);
    forget_session();
    peer_says(greeting);
    stream.is_private = is_private;
    stream.start_tls = tls_result ? peer_start_tls : NULL;
    opened++;
    return pop3_connect_stream(c, &stream, NULL, "mail.example.org", 0);
}

void peer_setup(void)
{
    peer_reset();
    c = pop3_new();
    ck_assert_ptr_nonnull(c);
    ck_assert_int_eq(
        peer_connect("+OK ready <1896.697170952@dbc.example.org>\r\n", 1),
        POP3_OK);
}

void peer_teardown(void)
{
    pop3_free(c);
    c = NULL;
    ck_assert_int_eq(closed, opened);
}
