/*
 * storing.c - what is written into the record of stored messages
 * SPDX-License-Identifier: MIT
 *
 * Owns what counts from when on: a line is written first, and counted then.
 * Knows journal, tally and the batch. Not here: opening (stored.c), the lines'
 * grammar (record.c).
 */
#include "record.h"
#include "stored.h"

#include <errno.h>
#include <string.h>

static size_t count_keys(const struct p3_buf *keys)
{
    return keys->len / sizeof(struct p3_tally_key);
}

static struct p3_tally_key key_at(const struct p3_buf *keys, size_t i)
{
    struct p3_tally_key key;

    memcpy(&key, keys->data + i * sizeof key, sizeof key);
    return key;
}

/* ---- Writing ----------------------------------------------------------- */

/* One line of the block in the making, and the key that it is of. */
static int put_line(pop3_stored *s, const struct p3_tally_key *key)
{
    int err;

    if (!p3_buf_reserve(&s->keys, sizeof *key))
        return ENOMEM;
    err = p3_journal_add(&s->journal, s->line.data, s->line.len);
    if (!err)
        (void)p3_buf_add(&s->keys, key, sizeof *key);
    return err;
}

int p3_stored_put_gone(pop3_stored *s, struct p3_tally_key key)
{
    return p3_record_gone(&s->line, key) ? put_line(s, &key) : ENOMEM;
}

int p3_stored_put_done(pop3_stored *s)
{
    if (!p3_record_done(&s->line))
        return ENOMEM;
    return p3_journal_add(&s->journal, s->line.data, s->line.len);
}

void p3_stored_drop(pop3_stored *s)
{
    p3_journal_drop(&s->journal);
    p3_buf_truncate(&s->keys, 0);
    s->adding = 0;
}

/* What is written counts; it was met in the listing, if there was one. */
static void count_stored(pop3_stored *s)
{
    size_t n = count_keys(&s->keys);
    size_t i;

    for (i = 0; i < n; i++) {
        struct p3_tally_key key = key_at(&s->keys, i);
        struct p3_tally_row *row;

        (void)p3_tally_raise(&s->tally, key); /* p3_stored_add made room */
        row = p3_tally_find(&s->tally, key);
        if (row && row->seen < row->stored)
            row->seen = row->stored;
    }
    s->records += n;
}

static void count_gone(pop3_stored *s)
{
    size_t n = count_keys(&s->keys);
    size_t i;

    for (i = 0; i < n; i++)
        p3_tally_lower(&s->tally, key_at(&s->keys, i));
    s->records += n;
}

int p3_stored_write_gone(pop3_stored *s, int durably)
{
    int err = p3_journal_commit(&s->journal, durably);

    if (!err)
        count_gone(s);
    p3_stored_drop(s);
    return err;
}

/* ---- Storing ----------------------------------------------------------- */

int p3_stored_is_name(const char *name)
{
    return *name && strlen(name) < P3_MAILDIR_NAME && !strchr(name, '/');
}

static int is_uid(size_t len)
{
    return len && len <= P3_LONGEST_UID;
}

int p3_stored_add(pop3_stored *s, const char *uid, size_t len, const char *name)
{
    struct p3_tally_key key;
    int err;

    if (!is_uid(len) || !p3_stored_is_name(name))
        return EINVAL;
    /* Now, so that what is written counts for certain. */
    if (!p3_tally_reserve(&s->tally, count_keys(&s->keys) + 1))
        return ENOMEM;
    err = p3_stored_key(s, uid, len, &key);
    if (!err && !p3_record_stored(&s->line, uid, len, name))
        err = ENOMEM;
    if (!err)
        err = put_line(s, &key);
    if (!err)
        s->adding = 1;
    return err;
}

/* done needs to know which is which. */
static void keep_keys(pop3_stored *s)
{
    struct p3_buf keys = s->last;

    s->last = s->keys;
    s->keys = keys;
}

int p3_stored_commit(pop3_stored *s, struct p3_batch *b)
{
    int err = count_keys(&s->keys) == b->count ? 0 : EINVAL;

    if (!err)
        err = p3_journal_commit(&s->journal, 1);
    if (!err) {
        count_stored(s);
        keep_keys(s);
        b->kept = s->undone = 1;
    }
    p3_stored_drop(s);
    return err;
}

/* Of each message that is not in new/, for it has to be fetched again. */
static int put_failed(pop3_stored *s, const struct p3_batch *b)
{
    int err = 0;
    size_t i;

    for (i = 0; i < b->count && !err; i++)
        if (p3_batch_error(b, i))
            err = p3_stored_put_gone(s, key_at(&s->last, i));
    return err;
}

/*
 * A message that could not be moved is in tmp/ and counts, until it is written
 * here that it does not; so a file is unlinked only when nothing counts on it.
 * Where that cannot be written, a later "done" must not say it of this batch:
 * none is written any more, and the next one who opens the record looks for
 * every message where it may be. As he does where new/ could not be synced.
 */
int p3_stored_done(pop3_stored *s, struct p3_batch *b)
{
    int err = 0;

    if (s->adding || b->count != count_keys(&s->last))
        return EINVAL;
    s->stuck |= b->unsynced;
    if (s->stuck)
        return 0;
    err = put_failed(s, b);
    if (!err)
        err = p3_stored_put_done(s);
    if (!err)
        err = p3_stored_write_gone(s, count_keys(&s->keys) > 0);
    if (err) {
        p3_stored_drop(s);
        s->stuck = 1;
        return err;
    }
    b->kept = s->undone = 0;
    return 0;
}

/* ---- Gone from the server ---------------------------------------------- */

int p3_stored_commit_gone(pop3_stored *s)
{
    return s->adding ? EINVAL : p3_stored_write_gone(s, 1);
}

/* However many there are, they need not all be in memory at once: each of them
 * is certain. */
int p3_stored_forget(pop3_stored *s, struct p3_tally_key key)
{
    int err = p3_stored_put_gone(s, key);

    if (!err && s->journal.block.len >= P3_STORED_BLOCK)
        err = p3_stored_write_gone(s, 0);
    return err;
}

int p3_stored_gone(pop3_stored *s, const char *uid, size_t len)
{
    struct p3_tally_key key;
    int err;

    if (s->adding || !is_uid(len))
        return EINVAL;
    err = p3_stored_key(s, uid, len, &key);
    return err ? err : p3_stored_forget(s, key);
}
