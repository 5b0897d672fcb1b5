/*
 * compact.c - forgets what a server lists no more
 * SPDX-License-Identifier: MIT
 *
 * Owns the end of a listing, and the file that takes the place of one that is
 * mostly of no use. Knows that a file is opened by its name and locked, and that
 * whoever waited for the lock looks at the name again (stored.c).
 */
#include "record.h"
#include "stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* Lines of no use, before a new file is worth it. */
enum { LEAST_STALE = 1000 };

/* ---- A new file -------------------------------------------------------- */

/* One that takes the old one's place. */
struct rewrite {
    pop3_stored *s;
    struct p3_journal to;
};

/* The row of a UID as it is written. */
static struct p3_tally_row *row_of(pop3_stored *s, struct p3_text uid)
{
    char octets[P3_LONGEST_UID];
    size_t len = p3_record_decode(uid, octets, sizeof octets);

    return len ? p3_stored_row(s, octets, len) : NULL;
}

static int add_delivered(struct rewrite *r, struct p3_text uid)
{
    struct p3_buf *line = &r->s->line;

    return p3_record_delivered(line, uid)
               ? p3_journal_add(&r->to, line->data, line->len)
               : ENOMEM;
}

/* Of each UID so many lines as count; seen says how many are still to come. */
static int copy_line(void *arg, const char *text, size_t len)
{
    struct rewrite *r = arg;
    struct p3_tally_row *row;
    struct p3_record line;
    int err;

    p3_record_parse(text, len, &line);
    row = line.kind == P3_RECORD_STORED ? row_of(r->s, line.uid) : NULL;
    if (!row || !row->seen)
        return 0;
    row->seen--;
    err = add_delivered(r, line.uid);
    if (!err && r->to.block.len >= P3_STORED_BLOCK)
        err = p3_journal_commit(&r->to, 0);
    return err;
}

static void expect_all(struct p3_tally *t)
{
    size_t i;

    for (i = 0; i < t->size; i++)
        t->rows[i].seen = t->rows[i].stored;
}

static int copy_all(struct rewrite *r)
{
    const struct p3_buf *header = &r->s->header;
    int err = p3_journal_add(&r->to, header->data, header->len);

    expect_all(&r->s->tally);
    if (!err)
        err = p3_journal_commit(&r->to, 0);
    if (!err)
        err = p3_journal_each(&r->s->journal, copy_line, r);
    return err ? err : p3_journal_commit(&r->to, 1);
}

/* Under the name that all others open only when it is locked already. */
static int put_in_place(struct rewrite *r, const char *name)
{
    const pop3_stored *s = r->s;
    int err = copy_all(r);

    if (!err && flock(r->to.fd, LOCK_EX | LOCK_NB) != 0)
        err = errno;
    if (!err &&
        renameat(s->maildir->folder, name, s->maildir->folder, s->file) != 0)
        err = errno;
    return err;
}

/* Closing the old file unlocks it; who waits for it sees that it is another. */
static int rewrite(pop3_stored *s)
{
    struct rewrite r = {.s = s};
    int flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    char name[sizeof s->file + 8];
    int fd, err;

    snprintf(name, sizeof name, "%s.new", s->file);
    fd = openat(s->maildir->folder, name, flags, 0600);
    if (fd < 0)
        return errno;
    p3_journal_init(&r.to, fd);
    err = put_in_place(&r, name);
    if (err) {
        p3_journal_release(&r.to);
        (void)unlinkat(s->maildir->folder, name, 0);
        return err;
    }
    p3_journal_release(&s->journal);
    s->journal = r.to;
    s->records = s->tally.total;
    return p3_maildir_sync(s->maildir->folder);
}

/* ---- The end of a listing ---------------------------------------------- */

/* A server may give a UID again once it lists no message of it (RFC 1939, 7). */
static int forget_unlisted(pop3_stored *s)
{
    int err = 0;
    size_t i;

    for (i = 0; i < s->tally.size && !err; i++) {
        const struct p3_tally_row *row = &s->tally.rows[i];
        uint32_t n = row->stored -
                     (row->seen < row->stored ? row->seen : row->stored);

        while (n-- && !err)
            err = p3_stored_forget(s, p3_tally_key_of(row));
    }
    if (!err)
        err = p3_stored_write_gone(s, 0);
    p3_stored_drop(s);
    return err;
}

static int is_worth_it(const pop3_stored *s)
{
    uint64_t live = s->tally.total;
    uint64_t stale = s->records - live;

    return stale && (!live || (stale > live && stale > LEAST_STALE));
}

int p3_stored_compact(pop3_stored *s)
{
    int err;

    if (s->adding || !s->listing)
        return EINVAL;
    s->listing = 0;
    err = forget_unlisted(s);
    /* A new file would not say where messages are that are on their way. */
    if (!err && !s->undone && is_worth_it(s))
        err = rewrite(s);
    return err;
}
