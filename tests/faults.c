/*
 * faults.c - allocations that fail, and what is left behind
 * SPDX-License-Identifier: MIT
 *
 * Owns the wrappers that -Wl,--wrap in Makefile.am puts before the system's
 * functions; HAVE_WRAP says that it does. What they keep is in static tables,
 * for they cannot allocate.
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCKS = 4096, MOST_DESCRIPTORS = 1024 };

static int counting;
static long live;           /* blocks */
static long calls, fail_at; /* fail_at 0: nothing fails */
static int fail_on;         /* and so does all that comes after it */
static int met;

static const char *secret;
static long freed_secrets;

static void start(long n, int on)
{
    live = freed_secrets = calls = 0;
    met = 0;
    fail_at = n;
    fail_on = on;
    counting = 1;
}

void fail_nth_allocation(long n)
{
    start(n, 0);
}

void fail_from_nth_allocation(long n)
{
    start(n, 1);
}

void fail_no_more(void)
{
    fail_at = 0;
}

void stop_counting(void)
{
    fail_at = 0;
    counting = 0;
}

int failure_met(void)
{
    return met;
}

long live_blocks(void)
{
    return live;
}

void watch_for_secret(const char *text)
{
    secret = text;
}

long secrets_freed(void)
{
    return freed_secrets;
}

int open_descriptors(void)
{
    int fd, n = 0;

    for (fd = 0; fd < MOST_DESCRIPTORS; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

#ifndef HAVE_WRAP

int allocations_can_fail(void)
{
    return 0;
}

long secrets_live(void)
{
    return 0;
}

#else

static struct block {
    char *at;
    size_t size;
} blocks[MOST_BLOCKS];

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);

int allocations_can_fail(void)
{
    return 1;
}

static int fails(void)
{
    if (!fail_at)
        return 0;
    calls++;
    if (calls < fail_at || (calls > fail_at && !fail_on))
        return 0;
    met = 1;
    errno = ENOMEM;
    return 1;
}

/* Where a block is going to be searched it is filled from its used octets on,
 * so that valgrind sees nothing read that was never written. */
static void *remember(void *p, size_t used, size_t size)
{
    if (!counting || !p)
        return p;
    if (live == MOST_BLOCKS)
        abort();
    if (secret && used < size)
        memset((char *)p + used, 0xA5, size - used);
    blocks[live].at = p;
    blocks[live++].size = size;
    return p;
}

/* The newest are freed first, mostly. */
static struct block *find(const void *p)
{
    long i = counting && p ? live : 0;

    while (i--)
        if (blocks[i].at == p)
            return &blocks[i];
    return NULL;
}

static int holds_secret(const struct block *b)
{
    return b && secret && memmem(b->at, b->size, secret, strlen(secret));
}

long secrets_live(void)
{
    long i, n = 0;

    for (i = 0; i < live; i++)
        n += holds_secret(&blocks[i]);
    return n;
}

static void forget(struct block *b)
{
    if (b)
        *b = blocks[--live];
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : remember(__real_malloc(size), 0, size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    size_t all = count * size;

    return fails() ? NULL : remember(__real_calloc(count, size), all, all);
}

/* A block that moves leaves its old octets behind. */
void *__wrap_realloc(void *old, size_t size)
{
    struct block *b = find(old);
    size_t used = b ? b->size : 0;
    int secret_was_there = holds_secret(b);
    void *p = fails() ? NULL : __real_realloc(old, size);

    if (!p)
        return NULL;
    freed_secrets += secret_was_there && p != old;
    forget(b);
    return remember(p, used, size);
}

void __wrap_free(void *old)
{
    struct block *b = find(old);

    freed_secrets += holds_secret(b);
    forget(b);
    __real_free(old);
}

#endif
