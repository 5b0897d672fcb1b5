/*
 * body.c - the body of the current reply: slices, lines, and where they go
 * SPDX-License-Identifier: MIT
 *
 * Owns pulling: every way to take a body stands on p3_next_slice or
 * p3_next_line, in constant memory. Knows conn, sink and gather. Not here:
 * dot-stuffing and the body's end (reader.c), the Maildir (maildir.c).
 */
#include "gather.h"
#include "local.h"
#include "sink.h"

#include <string.h>

/* ---- Pulling ----------------------------------------------------------- */

static pop3_code no_body(pop3 *c)
{
    return p3_fail(c, POP3_ERROR_STATE, "no body is being read");
}

static void end_body(pop3 *c)
{
    c->in_body = 0;
    p3_debug(c, 2, 1, ".", 1);
}

static pop3_code count_octets(pop3 *c, size_t n)
{
    c->body_octets += n;
    if (c->body_limit && c->body_octets > c->body_limit)
        return p3_kill(c, POP3_ERROR_TOO_LONG,
                       "a body of more than %llu octets",
                       (unsigned long long)c->body_limit);
    return POP3_OK;
}

/* poplib's lines: "." ends the body whatever its line end, ".." loses a dot. */
static void unstuff_as_poplib(struct p3_line *line)
{
    if (line->len == 1 && *line->data == '.') {
        line->data = NULL;
        return;
    }
    if (line->len > 1 && line->data[0] == '.' && line->data[1] == '.') {
        line->data++;
        line->len--;
        line->octets--;
    }
}

pop3_code p3_next_line(pop3 *c, uint64_t limit, pop3_line *out)
{
    struct p3_line line;
    pop3_code rc;

    if (!c->in_body)
        return no_body(c);
    rc = p3_read_line(c, c->poplib ? c->limits[POP3_LIMIT_REPLY] : limit,
                      &line);
    if (rc)
        return rc;
    if (c->poplib)
        unstuff_as_poplib(&line);
    if (!line.data) {
        end_body(c);
        memset(out, 0, sizeof *out);
        return POP3_OK;
    }
    rc = count_octets(c, line.octets);
    if (rc)
        return rc;
    out->text = line.data;
    out->length = line.len;
    out->octets = line.octets;
    return POP3_OK;
}

/* poplib knows lines alone, so a slice is one of them, with LF behind it. */
static pop3_code slice_as_poplib(pop3 *c, struct p3_slice *out)
{
    struct p3_line line;
    pop3_code rc = p3_read_line(c, c->limits[POP3_LIMIT_REPLY], &line);

    if (rc)
        return rc;
    unstuff_as_poplib(&line);
    out->data = line.data;
    out->len = line.data ? line.len + 1 : 0;
    out->octets = line.data ? line.octets : 0;
    if (line.data)
        line.data[line.len] = '\n'; /* where the NUL was put */
    return POP3_OK;
}

/* Whole lines for the debug output, where somebody reads along. */
static pop3_code take_slice(pop3 *c, struct p3_slice *out)
{
    int by_line = c->debug && c->debug_level >= 2;
    size_t len;
    pop3_code rc;

    if (c->poplib)
        return slice_as_poplib(c, out);
    rc = p3_reader_slice(&c->reader, by_line, out);
    if (rc)
        return p3_die(c);
    if (!by_line || !out->data)
        return POP3_OK;
    len = out->len - (out->ends_line ? 1 : 0);
    if (len && out->ends_line && out->data[len - 1] == '\r')
        len--;
    p3_debug(c, 2, 1, out->data, len);
    return POP3_OK;
}

pop3_code p3_next_slice(pop3 *c, const char **data, size_t *length)
{
    struct p3_slice s;
    pop3_code rc;

    if (!c->in_body)
        return no_body(c);
    rc = take_slice(c, &s);
    if (rc)
        return rc;
    if (!s.data)
        end_body(c);
    rc = count_octets(c, s.octets);
    if (rc)
        return rc;
    *data = s.data;
    *length = s.len;
    return POP3_OK;
}

/* The limit of a body is the caller's who wants it, not of what is dropped. */
pop3_code p3_skip_body(pop3 *c)
{
    struct p3_slice s;
    pop3_code rc;

    while (c->in_body) {
        rc = take_slice(c, &s);
        if (rc)
            return rc;
        if (!s.data)
            end_body(c);
    }
    return POP3_OK;
}

pop3_code pop3_next_slice(pop3 *c, const char **data, size_t *length)
{
    pop3_code rc = p3_enter(c);

    return rc ? rc : p3_next_slice(c, data, length);
}

pop3_code pop3_next_line(pop3 *c, pop3_line *out)
{
    pop3_code rc = p3_enter(c);

    return rc ? rc : p3_next_line(c, c->limits[POP3_LIMIT_LINE], out);
}

/* ---- Into a callback --------------------------------------------------- */

pop3_code pop3_each_line(pop3 *c, pop3_line_callback callback, void *arg)
{
    pop3_line line = {NULL, 0, 0};
    pop3_code rc = p3_enter(c);

    while (!rc) {
        rc = p3_next_line(c, c->limits[POP3_LIMIT_LINE], &line);
        if (rc || !line.text)
            break;
        if (callback(arg, &line))
            return p3_fail(c, POP3_ERROR_STOPPED, "stopped by the callback");
    }
    return rc;
}

/* ---- Into memory ------------------------------------------------------- */

static pop3_code gather_lines(pop3 *c, struct p3_gathered *g)
{
    pop3_line line = {NULL, 0, 0};
    pop3_code rc = POP3_OK;

    while (!rc) {
        rc = p3_next_line(c, c->limits[POP3_LIMIT_LINE], &line);
        if (rc || !line.text)
            break;
        if (!p3_buf_add(&g->text, line.text, line.length + 1) || /* its NUL */
            !p3_gather_row(g, &line, sizeof line))
            rc = p3_error_memory(&c->error);
    }
    return rc;
}

static pop3_lines *publish_lines(const pop3 *c, struct p3_gathered *g)
{
    pop3_line *line = (pop3_line *)(void *)g->rows.data;
    const char *text = g->text.data;
    size_t i;

    for (i = 0; i < g->count; i++) {
        line[i].text = text;
        text += line[i].length + 1;
    }
    g->pub.lines = (pop3_lines){.status = p3_buf_text(&g->status),
                                .status_length = g->status.len,
                                .count = g->count,
                                .lines = line,
                                .octets = c->body_octets};
    return &g->pub.lines;
}

pop3_code pop3_body_lines(pop3 *c, pop3_lines **out)
{
    struct p3_gathered *g;
    pop3_code rc = p3_enter(c);

    if (rc)
        return rc;
    g = p3_gather_new(c, &c->status);
    if (!g)
        return c->error.code;
    rc = gather_lines(c, g);
    if (rc) {
        p3_gather_free(g);
        return rc;
    }
    *out = publish_lines(c, g);
    return POP3_OK;
}

void pop3_lines_free(pop3_lines *lines)
{
    p3_gather_free(lines);
}

/* ---- Into a descriptor ------------------------------------------------- */

/* Writes the body to its end or to the first write that fails. */
static pop3_code pour(pop3 *c, struct p3_sink *sink, int *why)
{
    const char *data;
    size_t len;
    pop3_code rc;

    do {
        rc = p3_next_slice(c, &data, &len);
        if (!rc && data)
            *why = p3_sink_write(sink, data, len);
    } while (!rc && data && !*why);
    return rc;
}

pop3_code pop3_body_fd(pop3 *c, int fd, pop3_line_end ends, uint64_t *octets)
{
    char text[P3_ERRNO_TEXT];
    struct p3_sink sink;
    int why = 0, at_close;
    pop3_code rc = p3_enter(c);

    if (rc)
        return rc;
    if (!c->in_body)
        return no_body(c);
    p3_sink_init(&sink, fd, ends);
    rc = pour(c, &sink, &why);
    at_close = p3_sink_finish(&sink);
    why = why ? why : at_close;
    if (!rc && why)
        rc = p3_skip_body(c);
    if (!rc && why)
        rc = p3_fail(c, POP3_ERROR_IO, "descriptor %d: %s", fd,
                     p3_errno_text(why, text, sizeof text));
    if (!rc && octets)
        *octets = c->body_octets;
    return rc;
}
