/*
 * gather.h - a multi-line reply in memory: rows, and the text they point to
 * SPDX-License-Identifier: MIT
 *
 * Layer 4. A result that goes to the caller stands at the front of a structure
 * with its struct p3_gathered behind, and is freed with it.
 */
#ifndef P3_GATHER_H
#define P3_GATHER_H

#include "conn.h"

#pragma GCC visibility push(hidden)

struct p3_gathered {
    struct p3_buf status;
    struct p3_buf rows; /* an array of whatever a row is */
    struct p3_buf
        text; /* the rows' strings, in their order, a NUL behind each */
    size_t count;
};

void p3_gather_init(struct p3_gathered *g);
void p3_gather_release(struct p3_gathered *g);

/* Keeps c's status line. MEMORY. */
pop3_code p3_gather_status(pop3 *c, struct p3_gathered *g);

/* Adds a row, and a string for it: its bytes and a NUL. 0: out of memory. The
 * string's place is known at the end only, for text moves while it grows. */
int p3_gather_row(struct p3_gathered *g, const void *row, size_t size);
int p3_gather_text(struct p3_gathered *g, const char *data, size_t len);

#pragma GCC visibility pop

#endif
