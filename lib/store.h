/*
 * store.h - where downloaded messages go: a Maildir, a descriptor, a caller
 * SPDX-License-Identifier: MIT
 *
 * Layer 7. One message at a time is begun, written, and ended or dropped; those
 * that were ended are safe once they are committed, many at once:
 *
 *     begin, write..., end or drop
 *     ... p3_store_is_full: commit, then p3_store_error of each, then clear
 *
 * Functions that return an int return 0 or say what failed in c->error, of which
 * the code is IO or MEMORY, or STOPPED where it was the caller's own function.
 */
#ifndef P3_STORE_H
#define P3_STORE_H

#include "maildir.h"
#include "plan.h"
#include "stored.h"

#pragma GCC visibility push(hidden)

struct p3_store {
    pop3 *c;
    const pop3_plan *plan;
    size_t count; /* of messages ended and not committed */
    int failed;   /* the last commit, all of it */

    struct p3_batch batch; /* of a Maildir */
    int recorded;          /* its messages go into the record */
    int broken;            /* but not all of them: there was no memory */

    struct p3_sink sink; /* of a descriptor */
    int writing;
    int64_t start; /* of the message being written; -1: it cannot be undone */
    int64_t safe;  /* what comes behind it is not committed; -1 likewise */
};

void p3_store_init(struct p3_store *s, pop3 *c, const pop3_plan *plan);
void p3_store_release(struct p3_store *s);

int p3_store_begin(struct p3_store *s, const pop3_message *m);
int p3_store_write(struct p3_store *s, const char *data, size_t length);
int p3_store_end(struct p3_store *s, const pop3_message *m);
void p3_store_drop(struct p3_store *s);

/* Whether it is time to commit: before that message, if it is not NULL. */
int p3_store_is_full(const struct p3_store *s, const pop3_message *next);

/* Makes all that was ended safe, as far as that can be. */
void p3_store_commit(struct p3_store *s);

/* Of the messages committed, in order: 0 where the i-th is safe. */
int p3_store_error(struct p3_store *s, size_t i);

/* Forgets what was committed; and what was not, of which nothing stays. */
void p3_store_clear(struct p3_store *s);

#pragma GCC visibility pop

#endif
