/*
 * maildir.h - a Maildir: unique names, and delivery that survives a crash
 * SPDX-License-Identifier: MIT
 *
 * Layer 7. Many messages at once go through a struct p3_batch:
 *
 *     begin, write..., end      each message whole in tmp/, or not there
 *     sync                      all of them durable there
 *     [the record: commit]      see stored.h; from here on they count
 *     publish                   all of them in new/, and that durable
 *     [the record: done]
 *     clear                     and the next batch may begin
 *
 * Functions that return an int return 0 or an errno, which p3_batch_fail puts
 * into words. Of one Maildir one message at a time is in the making.
 */
#ifndef P3_MAILDIR_H
#define P3_MAILDIR_H

#include "conn.h"
#include "sink.h"

#include <dirent.h>

#pragma GCC visibility push(hidden)

enum {
    P3_MAILDIR_NAME = 256, /* NAME_MAX and a NUL */
    P3_MAILDIR_HOST = 128  /* of which so much, escaped, is the host's */
};

struct pop3_maildir {
    char *path;
    int folder, tmp_dir, new_dir, cur_dir; /* descriptors, -1 where not open */
    int has_syncfs; /* one that tells of errors: Linux 5.8 */
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

/* Whether syncfs tells of errors in a Linux of that release: from 5.8 on. */
int p3_maildir_trusts_syncfs(const char *release);

/*
 * Unlinks what crashed deliveries, anybody's, left in tmp/ 36 hours ago or
 * earlier; where that fails it is left to the next time. A record whose messages
 * may be there is to be opened first (pop3_stored_open), or they are fetched
 * once more.
 */
void p3_maildir_sweep(pop3_maildir *m);

/* Opens one of the folders to read what is in it; NULL with errno. */
DIR *p3_maildir_list(int folder);

/* Creates a file in tmp/ to write to: its descriptor, or -1 with errno. name: is
 * given its name, P3_MAILDIR_NAME octets. */
int p3_maildir_create(pop3_maildir *m, char *name);

/*
 * Moves a message from tmp/ to new/: 0, or an errno; ENOENT where tmp/ has none.
 * name: is given the one that it has there, P3_MAILDIR_NAME octets: old, or
 * another, should that be taken. new/ is not synced.
 */
int p3_maildir_deliver(pop3_maildir *m, const char *old, char *name);

/* Makes the names in one of the folders durable: 0, or an errno. */
int p3_maildir_sync(int folder);

/* Makes all durable that is on the Maildir's file system: 0, or an errno; for
 * where there is has_syncfs. */
int p3_maildir_sync_all(const pop3_maildir *m);

/* Sets c's error, POP3_ERROR_IO: cannot do what with the Maildir, by errno. */
pop3_code p3_maildir_cannot(pop3 *c, const pop3_maildir *m, const char *what,
                            int err);

/* ---- A batch ----------------------------------------------------------- */

/* A batch is full at any of these. */
enum {
    P3_BATCH_MESSAGES = 256,
    P3_BATCH_OCTETS = 16 << 20,
    P3_BATCH_MS = 1000, /* since its first message began */
    P3_BATCH_FEW = 3    /* messages at most that are synced one by one */
};

/* Messages that are whole in tmp/, and perhaps one in the making. */
struct p3_batch {
    pop3_maildir *m;
    size_t count;                     /* of whole messages */
    struct p3_buf names;              /* of their files, a NUL behind each */
    size_t starts[P3_BATCH_MESSAGES]; /* of each name in names */
    int errors[P3_BATCH_MESSAGES];    /* why it is not in new/; 0: it is */
    int fds[P3_BATCH_FEW];            /* of the first, open until synced */
    size_t open;                      /* so many of them are */
    uint64_t octets;                  /* written, as given */
    int64_t begun_ms;                 /* when the first began, monotonic */
    int fd;                           /* of the message in the making; or -1 */
    char name[P3_MAILDIR_NAME];       /* of its file */
    int kept;         /* a record has them: what is not in new/ stays in tmp/ */
    int published;    /* p3_batch_publish was called */
    int unsynced;     /* and new/ could not be synced */
    const char *what; /* could not be done last, for p3_batch_fail */
};

void p3_batch_init(struct p3_batch *b, pop3_maildir *m);

/* As p3_batch_drop and p3_batch_clear, and what b allocated is freed. */
void p3_batch_release(struct p3_batch *b);

/* Creates the next message's file in tmp/. ENOBUFS where b has its
 * P3_BATCH_MESSAGES; until p3_batch_end or p3_batch_drop SIGPIPE may be
 * blocked, see sink.h. */
int p3_batch_begin(struct p3_batch *b);

/* Writes a piece of it, now or later, with LF line ends. Where it fails only
 * p3_batch_drop is left to do. */
int p3_batch_write(struct p3_batch *b, const char *data, size_t len);

/* The message is whole, and b's last: its name is
 * p3_batch_name(b, b->count - 1). Where this fails it was dropped. */
int p3_batch_end(struct p3_batch *b);

/* Unlinks the message in the making, if there is one. */
void p3_batch_drop(struct p3_batch *b);

/* Whether it is time to sync and publish; never where b is empty. */
int p3_batch_is_full(const struct p3_batch *b);

/* The name of the i-th message's file, in tmp/ or, once published, in new/;
 * belongs to b. */
const char *p3_batch_name(const struct p3_batch *b, size_t i);

/* All whole messages are durable in tmp/, or the batch is to be cleared. None
 * may be in the making. */
int p3_batch_sync(struct p3_batch *b);

/*
 * Moves all to new/, and syncs that: 0 where all of them are there for good,
 * else the first errno. What became of each p3_batch_error says. A message that
 * failed is unlinked by p3_batch_clear; but one that a record has stays in tmp/
 * until the record says that it does not count (p3_stored_done).
 */
int p3_batch_publish(struct p3_batch *b);

/* Why the i-th is not in new/ for good: an errno; 0 where it is. */
int p3_batch_error(const struct p3_batch *b, size_t i);

/* Empties b. What was not published is unlinked from tmp/, unless a record has
 * it. */
void p3_batch_clear(struct p3_batch *b);

/* Sets c's error to what the last call that failed could not do, err being its
 * errno or p3_batch_error's: POP3_ERROR_IO, or MEMORY. The connection goes on. */
pop3_code p3_batch_fail(pop3 *c, const struct p3_batch *b, int err);

#pragma GCC visibility pop

#endif
