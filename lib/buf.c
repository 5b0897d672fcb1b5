/*
 * buf.c - bytes that grow up to a limit, wiped when they were secret
 * SPDX-License-Identifier: MIT
 *
 * Owns growing memory. Knows nothing of what the bytes mean.
 */
#include "buf.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void p3_buf_init(struct p3_buf *b, size_t limit, int secret)
{
    memset(b, 0, sizeof *b);
    b->limit = limit ? limit : SIZE_MAX;
    b->secret = secret;
}

static void discard(struct p3_buf *b)
{
    if (b->secret && b->data)
        OPENSSL_cleanse(b->data, b->cap);
    free(b->data);
    b->data = NULL;
}

void p3_buf_release(struct p3_buf *b)
{
    discard(b);
    b->len = b->cap = 0;
}

/* realloc would leave a copy of a secret behind, so the bytes are moved here. */
static int grow(struct p3_buf *b, size_t cap)
{
    char *data = b->secret ? malloc(cap) : realloc(b->data, cap);

    if (!data)
        return 0;
    if (b->secret) {
        if (b->len)
            memcpy(data, b->data, b->len);
        discard(b);
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return 1;
}

int p3_buf_reserve(struct p3_buf *b, size_t more)
{
    size_t cap = b->cap;

    if (more > b->limit - b->len || more > SIZE_MAX / 2 - b->len)
        return 0;
    if (b->len + more < cap)
        return 1;
    cap = cap < 64 ? 64 : cap;
    while (cap <= b->len + more)
        cap += cap / 2;
    return grow(b, cap);
}

int p3_buf_add(struct p3_buf *b, const void *data, size_t len)
{
    if (!p3_buf_reserve(b, len))
        return 0;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 1;
}

int p3_buf_add_str(struct p3_buf *b, const char *s)
{
    return p3_buf_add(b, s, strlen(s));
}

int p3_buf_vaddf(struct p3_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int need;

    va_copy(again, ap);
    need = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (need < 0 || !p3_buf_reserve(b, (size_t)need))
        return 0;
    vsnprintf(b->data + b->len, (size_t)need + 1, fmt, ap);
    b->len += (size_t)need;
    return 1;
}

int p3_buf_addf(struct p3_buf *b, const char *fmt, ...)
{
    va_list ap;
    int ok;

    va_start(ap, fmt);
    ok = p3_buf_vaddf(b, fmt, ap);
    va_end(ap);
    return ok;
}

void p3_buf_consume(struct p3_buf *b, size_t len)
{
    size_t rest = b->len - len;

    if (!len)
        return;
    memmove(b->data, b->data + len, rest);
    p3_buf_truncate(b, rest); /* wipes what was moved, too */
}

void p3_buf_truncate(struct p3_buf *b, size_t len)
{
    if (len >= b->len)
        return;
    if (b->secret)
        OPENSSL_cleanse(b->data + len, b->len - len);
    b->len = len;
    b->data[len] = '\0';
}

const char *p3_buf_text(const struct p3_buf *b)
{
    return b->data ? b->data : "";
}

char *p3_strndup(const char *s, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *p3_strdup(const char *s)
{
    return p3_strndup(s, strlen(s));
}

void p3_free_secret(char *s)
{
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}
