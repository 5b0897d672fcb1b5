/*
 * batch.c - messages from their first octet to new/, many at a time
 * SPDX-License-Identifier: MIT
 *
 * Owns the files in tmp/ that are being written, and when they are synced.
 * Knows conn (the body), sink (the file) and maildir (the folders). Not here:
 * which messages to fetch, and deleting them from the server: the caller's.
 *
 * The order is Maildir's: write to tmp/, sync, move to new/, sync new/. What is
 * in new/ is whole at any moment, whatever crashes. A sync costs more than all
 * the rest, so that the messages of a batch share theirs.
 */
#include "maildir.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- A message in the making ------------------------------------------- */

static int failed(struct p3_batch *b, const char *what, int err)
{
    if (err)
        b->what = what;
    return err;
}

pop3_code p3_batch_fail(pop3 *c, const struct p3_batch *b, int err)
{
    if (err == ENOMEM)
        return p3_error_memory(&c->error);
    return p3_maildir_cannot(c, b->m, b->what, err);
}

void p3_batch_init(struct p3_batch *b, pop3_maildir *m)
{
    memset(b, 0, sizeof *b);
    b->m = m;
    b->fd = -1;
    b->what = "deliver to";
    p3_buf_init(&b->names, 0, 0);
}

void p3_batch_release(struct p3_batch *b)
{
    p3_batch_drop(b);
    p3_batch_clear(b);
    p3_buf_release(&b->names);
}

int p3_batch_begin(struct p3_batch *b)
{
    static const char what[] = "create a message in tmp/ of";

    if (b->count == P3_BATCH_MESSAGES)
        return failed(b, what, ENOBUFS);
    /* Now, so that a message that is whole is never lost for want of memory. */
    if (!p3_buf_reserve(&b->names, P3_MAILDIR_NAME))
        return failed(b, what, ENOMEM);
    b->fd = p3_maildir_create(b->m, b->name);
    if (b->fd < 0)
        return failed(b, what, errno);
    if (!b->count) {
        b->begun_ms = p3_now_ms();
        b->octets = 0;
    }
    p3_sink_init(&b->m->sink, b->fd, POP3_LF);
    return 0;
}

int p3_batch_write(struct p3_batch *b, const char *data, size_t len)
{
    b->octets += len;
    return failed(b, "write a message to",
                  p3_sink_write(&b->m->sink, data, len));
}

/* Nothing half-written stays. */
void p3_batch_drop(struct p3_batch *b)
{
    if (b->fd < 0)
        return;
    p3_sink_drop(&b->m->sink);
    close(b->fd);
    b->fd = -1;
    (void)unlinkat(b->m->tmp_dir, b->name, 0);
}

/* The data, and of the inode what they are found by. */
static int sync_file(int fd)
{
    while (fdatasync(fd) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* The file is closed even where a signal interrupts that. */
static int close_file(int fd)
{
    return close(fd) != 0 && errno != EINTR ? errno : 0;
}

/* The first few stay open, to be synced one by one if no more come. */
static int close_few(struct p3_batch *b)
{
    int err = 0;

    while (b->open) {
        int failure = close_file(b->fds[--b->open]);

        err = err ? err : failure;
    }
    return err;
}

/* Either b holds the descriptor on, or it is closed. */
static int put_away(struct p3_batch *b)
{
    int fd = b->fd;

    if (!b->m->has_syncfs) {
        int err = failed(b, "sync a message in", sync_file(fd));

        if (err)
            return err;
    } else if (b->count < P3_BATCH_FEW) {
        b->fds[b->open++] = fd;
        b->fd = -1;
        return 0;
    }
    b->fd = -1;
    return failed(b, "close a message in", close_file(fd));
}

static void join(struct p3_batch *b)
{
    b->starts[b->count] = b->names.len;
    b->errors[b->count++] = 0;
    (void)p3_buf_add(&b->names, b->name, strlen(b->name) + 1);
}

int p3_batch_end(struct p3_batch *b)
{
    int err = failed(b, "write a message to", p3_sink_finish(&b->m->sink));

    if (!err)
        err = put_away(b);
    if (!err) {
        join(b);
        return 0;
    }
    if (b->fd < 0)
        (void)unlinkat(b->m->tmp_dir, b->name, 0);
    p3_batch_drop(b);
    return err;
}

/* ---- A batch ----------------------------------------------------------- */

const char *p3_batch_name(const struct p3_batch *b, size_t i)
{
    return b->names.data + b->starts[i];
}

int p3_batch_error(const struct p3_batch *b, size_t i)
{
    return b->errors[i];
}

int p3_batch_is_full(const struct p3_batch *b)
{
    return b->count &&
           (b->count == P3_BATCH_MESSAGES || b->octets >= P3_BATCH_OCTETS ||
            p3_now_ms() - b->begun_ms >= P3_BATCH_MS);
}

/* A sync of the whole file system waits for what others wrote to it, too: not
 * worth it for a few. */
static int sync_few(struct p3_batch *b)
{
    int err = 0;
    size_t i;

    for (i = 0; i < b->open && !err; i++)
        err = failed(b, "sync a message in", sync_file(b->fds[i]));
    return err ? err : failed(b, "close a message in", close_few(b));
}

int p3_batch_sync(struct p3_batch *b)
{
    int err;

    if (!b->m->has_syncfs)
        return 0; /* p3_batch_end did it */
    if (b->count <= P3_BATCH_FEW)
        return sync_few(b);
    err = failed(b, "close a message in", close_few(b));
    if (!err)
        err = failed(b, "sync the messages in", p3_maildir_sync_all(b->m));
    return err;
}

static int publish_one(struct p3_batch *b, size_t i)
{
    char name[P3_MAILDIR_NAME];
    int err;

    if (!p3_buf_reserve(&b->names, sizeof name))
        return ENOMEM;
    err = p3_maildir_deliver(b->m, p3_batch_name(b, i), name);
    if (err || strcmp(name, p3_batch_name(b, i)) == 0)
        return err;
    b->starts[i] = b->names.len;
    (void)p3_buf_add(&b->names, name, strlen(name) + 1);
    return 0;
}

/* They may be gone after a crash, so none of them is delivered. Those that a
 * record has stay: it finds them, wherever they are then. */
static void take_back(struct p3_batch *b, int err)
{
    size_t i;

    b->unsynced = 1;
    for (i = 0; i < b->count; i++) {
        if (b->errors[i])
            continue;
        b->errors[i] = err;
        if (!b->kept)
            (void)unlinkat(b->m->new_dir, p3_batch_name(b, i), 0);
    }
}

int p3_batch_publish(struct p3_batch *b)
{
    int first = 0;
    size_t i;
    int err;

    b->published = 1;
    for (i = 0; i < b->count; i++) {
        b->errors[i] = publish_one(b, i);
        first = first ? first : b->errors[i];
    }
    (void)failed(b, "move a message to new/ of", first);
    err = failed(b, "sync new/ of", p3_maildir_sync(b->m->new_dir));
    if (err)
        take_back(b, err);
    return first ? first : err;
}

void p3_batch_clear(struct p3_batch *b)
{
    size_t i;

    (void)close_few(b);
    for (i = 0; i < b->count && !b->kept; i++)
        if (!b->published || b->errors[i])
            (void)unlinkat(b->m->tmp_dir, p3_batch_name(b, i), 0);
    p3_buf_truncate(&b->names, 0);
    b->count = 0;
    b->octets = 0;
    b->kept = b->published = b->unsynced = 0;
}

/* ---- A body, alone ----------------------------------------------------- */

/* Writes the body to its end, which data is NULL at, or to the first write
 * that fails. */
static pop3_code pour(pop3 *c, struct p3_batch *b, const char *data, size_t len,
                      int *err)
{
    pop3_code rc = POP3_OK;

    while (!rc && !*err && data) {
        *err = p3_batch_write(b, data, len);
        if (!*err)
            rc = p3_next_slice(c, &data, &len);
    }
    return rc;
}

static int settle(struct p3_batch *b)
{
    int err = p3_batch_end(b);

    if (!err)
        err = p3_batch_sync(b);
    return err ? err : p3_batch_publish(b);
}

/* From the body's first slice to the message in new/. Fails as the connection
 * does; what fails here err tells. */
static pop3_code store(pop3 *c, struct p3_batch *b, const char *data,
                       size_t len, int *err)
{
    pop3_code rc;

    *err = p3_batch_begin(b);
    if (*err)
        return POP3_OK;
    rc = pour(c, b, data, len, err);
    if (!rc && !*err)
        *err = settle(b);
    return rc;
}

pop3_code pop3_body_maildir(pop3 *c, pop3_maildir *maildir, uint64_t *octets)
{
    struct p3_batch b;
    const char *data;
    size_t len;
    int err;
    pop3_code rc = p3_enter(c);

    /* The first slice comes before the file: where there is no body there is
     * nothing to clear away. */
    if (!rc)
        rc = p3_next_slice(c, &data, &len);
    if (rc)
        return rc;
    p3_batch_init(&b, maildir);
    rc = store(c, &b, data, len, &err);
    p3_batch_release(&b);
    if (!rc && err)
        rc = p3_skip_body(c);
    if (!rc && err)
        rc = p3_batch_fail(c, &b, err);
    if (!rc && octets)
        *octets = pop3_body_octets(c);
    return rc;
}
