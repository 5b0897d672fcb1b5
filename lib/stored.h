/*
 * stored.h - the record of what is stored from one account in one Maildir
 * SPDX-License-Identifier: MIT
 *
 * Layer 7. A message counts as stored from p3_stored_commit on, whatever
 * crashes then: the next pop3_stored_open finishes its delivery. In order:
 *
 *     p3_stored_begin_listing, p3_stored_meet for each row of UIDL
 *     p3_batch_end, then p3_stored_add with the file's name, for each message
 *     p3_batch_sync; p3_stored_commit; p3_batch_publish; p3_stored_done
 *     p3_batch_clear, and the next batch
 *     after QUIT's +OK: p3_stored_gone for each message deleted, then
 *     p3_stored_commit_gone
 *     p3_stored_compact, if the listing was complete
 *
 * Where p3_stored_add or p3_batch_sync fails: p3_stored_drop and p3_batch_clear;
 * where p3_stored_commit fails: p3_batch_clear.
 *
 * Functions that return an int return 0 or an errno, which p3_stored_fail puts
 * into words. After each of them the record is whole: what could not be written
 * is not there, and did not happen. A UID is any octets, up to 2048 of them.
 */
#ifndef P3_STORED_H
#define P3_STORED_H

#include "journal.h"
#include "maildir.h"
#include "tally.h"

#pragma GCC visibility push(hidden)

struct pop3_stored {
    pop3_maildir *maildir;
    char file[40];        /* in its folder */
    char *path;           /* of all of it, for messages */
    struct p3_buf header; /* the first line, with its LF */
    struct p3_journal journal;
    struct p3_tally tally;
    struct evp_md_st *sha256;
    struct evp_md_ctx_st *digest;
    uint64_t records;     /* lines "stored" and "gone" in the file */
    struct p3_buf line;   /* in the making */
    struct p3_buf keys;   /* of the block in the making, one a line */
    int adding;           /* which is of p3_stored_add */
    struct p3_buf last;   /* keys of the last commit, until it is done */
    struct p3_buf on_way; /* struct p3_delivery, while opening */
    int undone;           /* a delivery is on its way */
    int stuck;            /* and no "done" may be written any more */
    int listing;          /* one has begun */
};

/* Begins a listing: none of its rows was met yet. */
void p3_stored_begin_listing(pop3_stored *s);

/* Whether the next row of the listing, of that UID, is of a message stored
 * already. Of equal UIDs so many are as were stored. */
int p3_stored_meet(pop3_stored *s, const char *uid, size_t len);

/* How many messages of that UID are stored, and how many of all. */
uint64_t p3_stored_count(pop3_stored *s, const char *uid, size_t len);
uint64_t p3_stored_total(const pop3_stored *s);

/* The next commit will have that message too: of that UID, in that file. In the
 * order of the batch. EINVAL where that is no UID, or no name. */
int p3_stored_add(pop3_stored *s, const char *uid, size_t len,
                  const char *name);

/* Forgets what was added since the last commit. */
void p3_stored_drop(pop3_stored *s);

/*
 * Writes what was added, durably: from now on it counts as stored. b: the batch
 * that it is, synced; its files are the record's now, see p3_batch_publish.
 * Where this fails nothing of it counts, and what was added is forgotten.
 */
int p3_stored_commit(pop3_stored *s, struct p3_batch *b);

/*
 * Writes that the deliveries of the last commit are over, b being published.
 * Those that failed do not count any more, so that they are fetched again, and
 * p3_batch_clear may unlink their files. Where this fails the next
 * pop3_stored_open sees to all of them.
 */
int p3_stored_done(pop3_stored *s, struct p3_batch *b);

/* A message of that UID is deleted from the server for certain: it counts no
 * more, from p3_stored_commit_gone on, which writes all of them. */
int p3_stored_gone(pop3_stored *s, const char *uid, size_t len);
int p3_stored_commit_gone(pop3_stored *s);

/*
 * After a complete listing, before or behind what was stored of it: forgets what
 * the server lists no more, for it may use the UID again; and writes the record
 * anew where most of it is of no use any more. Where this fails the record is as
 * it was, which does no harm. The listing is over then.
 */
int p3_stored_compact(pop3_stored *s);

/* Sets c's error, err being the errno that a function here returned:
 * POP3_ERROR_IO, or MEMORY. The connection goes on. */
pop3_code p3_stored_fail(pop3 *c, const pop3_stored *s, int err);

/* ---- Between stored.c, storing.c, recover.c and compact.c -------------- */

/* Where others return an errno: the file is no record of this account. */
enum { P3_NOT_OURS = -1 };

/* Octets at which a block may as well end, of those that may end anywhere. */
enum { P3_STORED_BLOCK = 32768 };

/* A message that was on its way to new/ when an earlier run ended. */
struct p3_delivery {
    struct p3_tally_key key;
    int found;
    char name[P3_MAILDIR_NAME];
};

/* The key of a UID, or the digest of anything. */
int p3_stored_key(pop3_stored *s, const char *data, size_t len,
                  struct p3_tally_key *out);

/* The row of a UID, or NULL. */
struct p3_tally_row *p3_stored_row(pop3_stored *s, const char *uid, size_t len);

/* Whether that may be the name of a message's file. */
int p3_stored_is_name(const char *name);

/* Adds a line to the block in the making: one of that key counts no more; no
 * delivery is on its way. */
int p3_stored_put_gone(pop3_stored *s, struct p3_tally_key key);
int p3_stored_put_done(pop3_stored *s);

/* Writes such a block; what could not be written did not happen. */
int p3_stored_write_gone(pop3_stored *s, int durably);

/* Puts gone and, where the block is long, writes it. */
int p3_stored_forget(pop3_stored *s, struct p3_tally_key key);

/* Finishes the deliveries of s->on_way. */
int p3_stored_recover(pop3_stored *s);

#pragma GCC visibility pop

#endif
