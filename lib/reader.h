/*
 * reader.h - one buffer over a stream: lines, and the body of a reply
 * SPDX-License-Identifier: MIT
 *
 * Layer 2. Everything stands on p3_reader_slice: the next run of octets,
 * straight from the buffer.
 *
 * Where a body ends is decided by its own status line. Where that ended in
 * CRLF, only CRLF.CRLF ends the body, for a bare LF around a dot is a sender's
 * trick to end a message early and have the rest read as the server's replies.
 */
#ifndef P3_READER_H
#define P3_READER_H

#include "stream.h"

#pragma GCC visibility push(hidden)

/* How octets are cut into lines, and whether dots are stuffed. */
enum p3_framing {
    P3_FRAMING_STATUS,    /* any LF ends a line; dots are just dots */
    P3_FRAMING_BODY_CRLF, /* CRLF ends a line, CRLF.CRLF the body */
    P3_FRAMING_BODY_LF,   /* LF ends a line, and a CR before it goes with it */
    P3_FRAMING_BODY_POPLIB
};

struct p3_reader {
    struct p3_stream *stream;
    char *buf;
    size_t start, end; /* of what is not taken yet */
    enum p3_framing framing;
    int at_line_start;
    int after_cr;        /* the last octet taken was a CR */
    struct p3_buf spill; /* a line that did not lie in the buffer whole */
};

/* A run of octets, unstuffed. data NULL: the body has ended. */
struct p3_slice {
    char *data;
    size_t len;
    size_t octets; /* that it counts for: len, but for poplib's lines */
    int ends_line;
};

/* A line without its end, a NUL behind it. data NULL: the body has ended. */
struct p3_line {
    char *data;
    size_t len;
    size_t octets; /* on the wire, its end included, a stuffed dot not */
    int crlf;      /* it ended in CRLF */
};

/* Takes a buffer of its own. Fails with MEMORY alone. */
pop3_code p3_reader_init(struct p3_reader *r, struct p3_stream *stream);
void p3_reader_release(struct p3_reader *r);

/* What comes next: a status line, or a body of that kind. */
void p3_reader_expect(struct p3_reader *r, enum p3_framing framing);

/* How many octets have come and are not taken yet; drops them. */
size_t p3_reader_waiting(const struct p3_reader *r);
void p3_reader_drop(struct p3_reader *r);

/*
 * The next run of a body, cut anywhere, or, with by_line, at every line's end.
 * It stays until the next call. Fails as p3_stream_read, and with CLOSED at the
 * end of the stream.
 */
pop3_code p3_reader_slice(struct p3_reader *r, int by_line,
                          struct p3_slice *out);

/* The next line, of at most limit octets with its end (0: any number); else
 * TOO_LONG. It stays until the next call. */
pop3_code p3_reader_line(struct p3_reader *r, uint64_t limit,
                         struct p3_line *out);

/* The same by poplib's rules: a line too long leaves its rest, CRLF goes, or
 * else one leading CR and one last octet, and at the end of the stream what is
 * there is a line. Dots are left alone. */
pop3_code p3_reader_poplib_line(struct p3_reader *r, uint64_t limit,
                                struct p3_line *out);

#pragma GCC visibility pop

#endif
