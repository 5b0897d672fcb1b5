/*
 * maildir.h - a Maildir: unique names, and delivery that survives a crash
 * SPDX-License-Identifier: MIT
 *
 * Layer 7. Open to the tests alone, which put a namer of their own in.
 */
#ifndef P3_MAILDIR_H
#define P3_MAILDIR_H

#include "sink.h"

#pragma GCC visibility push(hidden)

enum {
    P3_MAILDIR_NAME = 256, /* NAME_MAX and a NUL */
    P3_MAILDIR_HOST = 128  /* of which so much, escaped, is the host's */
};

struct pop3_maildir {
    char *path;
    int tmp_dir, new_dir; /* descriptors, -1 where not open */
    char host[P3_MAILDIR_HOST];
    uint64_t random; /* of this handle, in each of its names */
    uint64_t count;  /* names made */
    void (*next_name)(pop3_maildir *m, char *name); /* P3_MAILDIR_NAME bytes */
    struct p3_sink sink;
};

/* time.MmicrosecondsPpidQcountRrandom.host: never the same twice. */
void p3_maildir_next_name(pop3_maildir *m, char *name);

/* A host's name as it may stand in a file's: / and : become \057 and \072. */
void p3_maildir_escape_host(const char *host, char *out, size_t size);

#pragma GCC visibility pop

#endif
