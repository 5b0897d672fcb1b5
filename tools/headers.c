/*
 * headers.c - the module that decodes headers, and what to do without
 * SPDX-License-Identifier: MIT
 *
 * Knows RFC 5322's header fields as far as to find and unfold them. Not here:
 * encoded words, dates, addresses (headers_gmime.c), getting a header.
 */
#include "headers.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef PKGLIBDIR
#define PKGLIBDIR "/usr/local/lib/libpop3"
#endif

static void leave_as_they_are(struct headers *h)
{
    (void)h;
}

headers_decode_function *headers_load(void)
{
    const char *path = getenv("POP3_HEADERS_MODULE");
    headers_decode_function *decode = leave_as_they_are;
    void *module;
    void *symbol;

    if (!path || !*path)
        path = PKGLIBDIR "/headers_gmime.so";
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    symbol = module ? dlsym(module, "pop3_headers_decode") : NULL;
    /* ISO C has no cast from an object's address to a function's. */
    if (symbol)
        memcpy(&decode, &symbol, sizeof decode);
    return decode;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of the field at p: its first line and those that begin blank. */
static size_t field_length(const char *p, const char *end)
{
    const char *at = p;

    do {
        const char *lf = memchr(at, '\n', (size_t)(end - at));

        at = lf ? lf + 1 : end;
    } while (at < end && is_blank(*at));
    return (size_t)(at - p);
}

/* A field's body, unfolded: line ends dropped, tabs as blanks, trimmed; a NUL,
 * which would end it, as a question mark. */
static char *unfold(const char *p, size_t length)
{
    char *out = malloc(length + 1);
    size_t n = 0;
    size_t i;

    if (!out)
        return NULL;
    for (i = 0; i < length; i++) {
        if (p[i] == '\n' ||
            (p[i] == '\r' && i + 1 < length && p[i + 1] == '\n'))
            continue;
        if (n || !is_blank(p[i]))
            out[n++] = is_blank(p[i]) ? ' ' : p[i] ? p[i] : '?';
    }
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

/* Where out keeps the field of that name; NULL: nowhere, or it has it already.
 * The first of equal ones counts. */
static char **place(struct headers *out, const char *name, size_t length)
{
    const struct {
        const char *name;
        char **at;
    } places[] = {
        {"Date", &out->date}, {"From", &out->from}, {"Subject", &out->subject}};
    size_t i;

    for (i = 0; i < sizeof places / sizeof *places; i++)
        if (strlen(places[i].name) == length &&
            strncasecmp(places[i].name, name, length) == 0)
            return *places[i].at ? NULL : places[i].at;
    return NULL;
}

/* Takes a field if it is one that is wanted: 0 when out of memory. */
static int take_field(struct headers *out, const char *p, size_t length)
{
    const char *colon = memchr(p, ':', length);
    const char *name_end = colon;
    char **at;

    if (!colon)
        return 1;
    while (name_end > p && is_blank(name_end[-1]))
        name_end--;
    at = place(out, p, (size_t)(name_end - p));
    if (!at)
        return 1;
    *at = unfold(colon + 1, length - (size_t)(colon + 1 - p));
    return *at != NULL;
}

int headers_find(const char *header, size_t length, struct headers *out)
{
    const char *end = header + length;
    const char *p = header;

    memset(out, 0, sizeof *out);
    while (p < end && *p != '\n' && *p != '\r') {
        size_t n = field_length(p, end);

        if (!take_field(out, p, n)) {
            headers_release(out);
            return 0;
        }
        p += n;
    }
    return 1;
}

void headers_release(struct headers *h)
{
    free(h->date);
    free(h->from);
    free(h->subject);
    memset(h, 0, sizeof *h);
}
