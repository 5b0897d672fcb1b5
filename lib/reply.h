/*
 * reply.h - what a line of a reply says
 * SPDX-License-Identifier: MIT
 *
 * Layer 3. Pure parsing: bytes in, value or 0 out, no connection.
 */
#ifndef P3_REPLY_H
#define P3_REPLY_H

#include "error.h"

#pragma GCC visibility push(hidden)

/* Bytes still to be parsed; each parser takes what it read off the front. */
struct p3_text {
    const char *data;
    size_t len;
};

/* A status line (RFC 1939, 3; RFC 2449, 8). text and code point into it. */
struct p3_status {
    int ok;
    struct p3_text text; /* behind "+OK " or "-ERR " */
    struct p3_text code; /* within "[...]" right behind "-ERR "; len 0: none */
};

/* Exactly +OK or -ERR, in capitals, then a space or the end. */
int p3_reply_status(const char *line, size_t len, struct p3_status *out);

/* poplib's rule: what begins with + is success, all else a refusal. */
void p3_reply_poplib_status(const char *line, size_t len,
                            struct p3_status *out);

/* "+" alone or "+ ...": AUTH goes on (RFC 5034, 4). text: the challenge. */
int p3_reply_continuation(const char *line, size_t len, struct p3_text *text);

/* The next word; words are apart by any run of blanks and tabs. 0: none left. */
int p3_reply_word(struct p3_text *text, struct p3_text *word);

/* The next word as a number: digits alone, no overflow. */
int p3_reply_number(struct p3_text *text, uint64_t *out);

/* "1 120": a row of LIST. What stands behind the two numbers is ignored. */
int p3_reply_size(struct p3_text text, pop3_size *out);

/* "1 whqtswO00WBw418f9t5JxYwZ": a row of UIDL; the UID is the rest of the line,
 * not empty. It points into text. */
int p3_reply_uid(struct p3_text text, pop3_uid *out);

/* The APOP timestamp of a greeting: <...@...> in printable ASCII, as RFC 822's
 * msg-id. 0: none. */
int p3_reply_challenge(const char *line, size_t len, struct p3_text *out);

#pragma GCC visibility pop

#endif
