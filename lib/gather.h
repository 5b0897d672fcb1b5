/*
 * gather.h - a multi-line reply in memory: rows, and the text they point to
 * SPDX-License-Identifier: MIT
 *
 * Layer 4. What the caller gets stands at the front of a struct p3_gathered,
 * and is freed with it.
 */
#ifndef P3_GATHER_H
#define P3_GATHER_H

#include "conn.h"

#pragma GCC visibility push(hidden)

struct p3_gathered {
    union {
        pop3_lines lines;
        pop3_sizes sizes;
        pop3_uids uids;
        pop3_capas capas;
    } pub;
    struct p3_buf status;
    struct p3_buf rows; /* an array of whatever a row is */
    struct p3_buf
        text; /* the rows' strings, in their order, a NUL behind each */
    struct p3_buf words;  /* of capabilities: an array of pointers into text */
    struct p3_buf joined; /* of capabilities: IMPLEMENTATION's in one */
    size_t count;
    int ascending; /* the rows' numbers rise */
};

/* Empty, with a status line; NULL where out of memory, which c is told. */
struct p3_gathered *p3_gather_new(pop3 *c, const struct p3_buf *status);

/* Frees all of it; pub is what the caller got, or NULL. */
void p3_gather_free(void *pub);

/* Adds a row, and a string for it: its bytes and a NUL. 0: out of memory. The
 * string's place is known at the end only, for text moves while it grows. */
int p3_gather_row(struct p3_gathered *g, const void *row, size_t size);
int p3_gather_text(struct p3_gathered *g, const char *data, size_t len);

#pragma GCC visibility pop

#endif
