/*
 * record.h - the lines of the record of stored messages
 * SPDX-License-Identifier: MIT
 *
 * Layer 4. Pure: lines in and out, no file. Every octet of a UID, a name, a user
 * and a server that is not printable ASCII is %XX, as % is itself.
 *
 *     libpop3 stored 1 USER SERVER PORT    the first, with the format's number
 *     stored UID NAME                      in that file, on its way to new/
 *     stored UID                           and that is over
 *     gone KEY                             one of that UID counts no more; KEY:
 *                                          96 bits of the UID's SHA-256
 *     done                                 no delivery before is on its way
 */
#ifndef P3_RECORD_H
#define P3_RECORD_H

#include "buf.h"
#include "reply.h"
#include "tally.h"

#pragma GCC visibility push(hidden)

/* Octets of a UID; RFC 1939 has 70, servers have more. */
enum { P3_LONGEST_UID = 2048 };

enum p3_record_kind {
    P3_RECORD_OTHER, /* nothing that is written here */
    P3_RECORD_STORED,
    P3_RECORD_GONE,
    P3_RECORD_DONE
};

struct p3_record {
    enum p3_record_kind kind;
    struct p3_text uid;      /* of STORED, as it is written */
    struct p3_text name;     /* the same; len 0: none */
    struct p3_tally_key key; /* of GONE */
};

/* What a line but the first says; texts point into it. */
void p3_record_parse(const char *line, size_t len, struct p3_record *out);

/* The octets that a text stands for: how many; 0 where it is none, or longer
 * than size. */
size_t p3_record_decode(struct p3_text text, char *out, size_t size);

/* Each makes b a line, with its LF: 0 where out of memory. */
int p3_record_first(struct p3_buf *b, const char *user, const char *server,
                    int port);
int p3_record_stored(struct p3_buf *b, const char *uid, size_t len,
                     const char *name);
int p3_record_delivered(struct p3_buf *b, struct p3_text uid); /* as written */
int p3_record_gone(struct p3_buf *b, struct p3_tally_key key);
int p3_record_done(struct p3_buf *b);

#pragma GCC visibility pop

#endif
