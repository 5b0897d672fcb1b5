/*
 * reader.c - one buffer over a stream: lines, and the body of a reply
 * SPDX-License-Identifier: MIT
 *
 * Owns the receive buffer, where lines end, dot-stuffing and the end of a body
 * (RFC 1939, 3). Knows stream. Not here: what a line says (reply.c).
 */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

/* About the size of a second-level cache's share; more gains nothing. */
enum { BUFFER_SIZE = 65536 };

pop3_code p3_reader_init(struct p3_reader *r, struct p3_stream *stream)
{
    memset(r, 0, sizeof *r);
    r->stream = stream;
    p3_buf_init(&r->spill, 0, 0);
    r->buf = malloc(BUFFER_SIZE);
    if (!r->buf)
        return p3_error_memory(stream->error);
    p3_reader_expect(r, P3_FRAMING_STATUS);
    return POP3_OK;
}

void p3_reader_release(struct p3_reader *r)
{
    free(r->buf);
    p3_buf_release(&r->spill);
    memset(r, 0, sizeof *r);
}

void p3_reader_expect(struct p3_reader *r, enum p3_framing framing)
{
    r->framing = framing;
    r->at_line_start = 1;
    r->after_cr = 0;
}

size_t p3_reader_waiting(const struct p3_reader *r)
{
    return r->end - r->start;
}

void p3_reader_drop(struct p3_reader *r)
{
    r->start = r->end = 0;
}

/* Reads more. What is not taken, a few octets at most, moves to the front.
 * *got 0: the end of the stream. */
static pop3_code fill(struct p3_reader *r, size_t *got)
{
    size_t rest = r->end - r->start;
    pop3_code rc;

    if (r->start) {
        memmove(r->buf, r->buf + r->start, rest);
        r->start = 0;
        r->end = rest;
    }
    rc = p3_stream_read(r->stream, r->buf + rest, BUFFER_SIZE - rest, got);
    if (!rc)
        r->end += *got;
    return rc;
}

static pop3_code fill_or_closed(struct p3_reader *r)
{
    size_t got;
    pop3_code rc = fill(r, &got);

    if (!rc && !got)
        rc = p3_error_set(r->stream->error, POP3_ERROR_CLOSED,
                          "the connection was closed by the server");
    return rc;
}

/* ---- Slices ------------------------------------------------------------ */

enum dot { DOT_TEXT, DOT_STUFFED, DOT_END, DOT_NEEDS_MORE };

/* What the dot at a line's start is, p[0] being it. *len: of the body's end. */
static enum dot judge_dot(const struct p3_reader *r, const char *p,
                          size_t avail, size_t *len)
{
    if (avail < 2)
        return DOT_NEEDS_MORE;
    if (p[1] == '.')
        return DOT_STUFFED;
    if (p[1] == '\n' && r->framing == P3_FRAMING_BODY_LF) {
        *len = 2;
        return DOT_END;
    }
    if (p[1] != '\r')
        return DOT_TEXT;
    if (avail < 3)
        return DOT_NEEDS_MORE;
    *len = 3;
    return p[2] == '\n' ? DOT_END : DOT_TEXT;
}

static int is_line_end(const struct p3_reader *r, const char *start,
                       const char *lf)
{
    if (r->framing != P3_FRAMING_BODY_CRLF)
        return 1;
    return lf > start ? lf[-1] == '\r' : r->after_cr;
}

/* How much of n octets may go out at once: up to a line's end behind which a
 * dot needs judging, or, by_line, the first line's end. */
static size_t run_length(const struct p3_reader *r, const char *start, size_t n,
                         int by_line, int *ends_line)
{
    const char *p = start, *end = start + n, *lf;

    *ends_line = 1;
    while ((lf = memchr(p, '\n', (size_t)(end - p)))) {
        p = lf + 1;
        if ((by_line || p == end || *p == '.') && is_line_end(r, start, lf))
            return (size_t)(p - start);
    }
    *ends_line = 0;
    return n;
}

/* Takes the dot that stuffing put in, or the end of the body, at the start of a
 * line; reads more where it cannot tell yet. */
static pop3_code take_dot(struct p3_reader *r, int *ended)
{
    size_t len = 0;
    enum dot dot;
    pop3_code rc;

    *ended = 0;
    if (!r->at_line_start || r->framing == P3_FRAMING_STATUS ||
        r->buf[r->start] != '.')
        return POP3_OK;
    while ((dot = judge_dot(r, r->buf + r->start, r->end - r->start, &len)) ==
           DOT_NEEDS_MORE) {
        rc = fill_or_closed(r);
        if (rc)
            return rc;
    }
    if (dot == DOT_STUFFED)
        r->start++;
    if (dot == DOT_END) {
        r->start += len;
        *ended = 1;
    }
    return POP3_OK;
}

pop3_code p3_reader_slice(struct p3_reader *r, int by_line,
                          struct p3_slice *out)
{
    pop3_code rc = POP3_OK;
    int ended;

    if (r->start == r->end)
        rc = fill_or_closed(r);
    if (!rc)
        rc = take_dot(r, &ended);
    if (rc)
        return rc;
    memset(out, 0, sizeof *out);
    if (ended)
        return POP3_OK;
    out->data = r->buf + r->start;
    out->len = run_length(r, out->data, r->end - r->start, by_line,
                          &out->ends_line);
    out->octets = out->len;
    r->start += out->len;
    r->at_line_start = out->ends_line;
    r->after_cr = out->data[out->len - 1] == '\r';
    return POP3_OK;
}

/* ---- Lines ------------------------------------------------------------- */

static pop3_code too_long(struct p3_reader *r, uint64_t limit)
{
    return p3_error_set(r->stream->error, POP3_ERROR_TOO_LONG,
                        "a line of more than %llu octets",
                        (unsigned long long)limit);
}

static pop3_code spill(struct p3_reader *r, const void *data, size_t len)
{
    if (!p3_buf_add(&r->spill, data, len))
        return p3_error_memory(r->stream->error);
    return POP3_OK;
}

/* Drops the line end of data[0..len) and puts a NUL there. */
static void cut_line_end(struct p3_line *line, char *data, size_t len)
{
    line->data = data;
    line->octets = len;
    line->crlf = len > 1 && data[len - 2] == '\r';
    line->len = len - 1 - (size_t)line->crlf;
    data[line->len] = '\0';
}

pop3_code p3_reader_line(struct p3_reader *r, uint64_t limit,
                         struct p3_line *out)
{
    struct p3_slice s;
    pop3_code rc;

    p3_buf_truncate(&r->spill, 0);
    do {
        rc = p3_reader_slice(r, 1, &s);
        if (rc)
            return rc;
        if (!s.data) {
            memset(out, 0, sizeof *out);
            return POP3_OK;
        }
        if (limit && r->spill.len + s.len > limit)
            return too_long(r, limit);
        if (s.ends_line && !r->spill.len) {
            cut_line_end(out, s.data, s.len);
            return POP3_OK;
        }
        rc = spill(r, s.data, s.len);
        if (rc)
            return rc;
    } while (!s.ends_line);
    cut_line_end(out, r->spill.data, r->spill.len);
    return POP3_OK;
}

/* Takes up to most octets, as far as the first LF, into spill. */
static pop3_code take_raw(struct p3_reader *r, uint64_t most)
{
    size_t n = r->end - r->start;
    const char *from = r->buf + r->start;
    const char *lf;

    if (n > most)
        n = (size_t)most;
    lf = memchr(from, '\n', n);
    if (lf)
        n = (size_t)(lf - from) + 1;
    r->start += n;
    return spill(r, from, n);
}

static int has_lf(const struct p3_buf *b)
{
    return b->len && b->data[b->len - 1] == '\n';
}

/* As readline(most) of a Python file does: up to LF, most octets, or the end. */
static pop3_code read_raw_line(struct p3_reader *r, uint64_t most)
{
    size_t got = 1;
    pop3_code rc = POP3_OK;

    p3_buf_truncate(&r->spill, 0);
    while (!rc && got && !has_lf(&r->spill) && r->spill.len < most) {
        if (r->start == r->end)
            rc = fill(r, &got);
        if (!rc)
            rc = take_raw(r, most - r->spill.len);
    }
    return rc;
}

/* The same, without a copy, where all of the line is in the buffer. */
static int raw_line_in_place(struct p3_reader *r, uint64_t most,
                             struct p3_line *out)
{
    size_t n = r->end - r->start;
    char *from = r->buf + r->start;
    const char *lf = memchr(from, '\n', n > most ? (size_t)most : n);

    if (!lf)
        return 0;
    out->data = from;
    out->octets = (size_t)(lf - from) + 1;
    r->start += out->octets;
    return 1;
}

/* Strips line->octets octets at line->data, of which there is one at least. */
static void strip_as_poplib(struct p3_line *line)
{
    size_t len = line->octets;

    line->crlf = len > 1 && memcmp(line->data + len - 2, "\r\n", 2) == 0;
    if (!line->crlf && *line->data == '\r' && len > 1) {
        line->data++;
        len--;
    }
    line->len = len - 1 - (size_t)line->crlf;
    line->data[line->len] = '\0';
}

pop3_code p3_reader_poplib_line(struct p3_reader *r, uint64_t limit,
                                struct p3_line *out)
{
    int limited = limit && limit < UINT64_MAX;
    uint64_t most = limited ? limit + 1 : UINT64_MAX;
    pop3_code rc = POP3_OK;

    if (!raw_line_in_place(r, most, out)) {
        rc = read_raw_line(r, most);
        out->data = r->spill.data;
        out->octets = r->spill.len;
    }
    if (rc)
        return rc;
    if (limited && out->octets > limit)
        return too_long(r, limit);
    if (!out->octets)
        return p3_error_set(r->stream->error, POP3_ERROR_CLOSED,
                            "the connection was closed by the server");
    strip_as_poplib(out);
    return POP3_OK;
}
