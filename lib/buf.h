/*
 * buf.h - bytes that grow up to a limit, wiped when they were secret
 * SPDX-License-Identifier: MIT
 *
 * Layer 0. There is always a NUL behind the bytes once anything was added.
 * Every function that can run out of memory or over the limit returns 0 then
 * and leaves the buffer as it was; 1 on success.
 */
#ifndef P3_BUF_H
#define P3_BUF_H

#include "error.h"

#pragma GCC visibility push(hidden)

struct p3_buf {
    char *data;
    size_t len;
    size_t cap;   /* bytes allocated, the NUL's included */
    size_t limit; /* most bytes that it may hold; SIZE_MAX for none */
    int secret;   /* wipe what is freed, consumed or moved away from */
};

/* Starts with nothing allocated. limit 0: none. */
void p3_buf_init(struct p3_buf *b, size_t limit, int secret);
void p3_buf_release(struct p3_buf *b);

int p3_buf_reserve(struct p3_buf *b, size_t more);
int p3_buf_add(struct p3_buf *b, const void *data, size_t len);
int p3_buf_add_str(struct p3_buf *b, const char *s);
int p3_buf_addf(struct p3_buf *b, const char *fmt, ...) P3_PRINTF(2, 3);
int p3_buf_vaddf(struct p3_buf *b, const char *fmt, va_list ap) P3_PRINTF(2, 0);

/* Drops the first len bytes, or all but the first len. */
void p3_buf_consume(struct p3_buf *b, size_t len);
void p3_buf_truncate(struct p3_buf *b, size_t len);

/* The text, never NULL: "" where nothing was added. */
const char *p3_buf_text(const struct p3_buf *b);

/* A copy of a string on the heap; NULL when out of memory. */
char *p3_strdup(const char *s);
char *p3_strndup(const char *s, size_t len);

/* Frees a string and wipes it first; NULL does nothing. */
void p3_free_secret(char *s);

#pragma GCC visibility pop

#endif
