/*
 * store.c - where downloaded messages go: a Maildir, a descriptor, a caller
 * SPDX-License-Identifier: MIT
 *
 * Owns the order in which messages become safe: in a Maildir synced, recorded,
 * published, and the record told; elsewhere synced. Knows maildir, stored and
 * sink. Not here: when (download.c).
 */
#include "store.h"
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many as a batch of a Maildir has room for. */
enum { MOST = P3_BATCH_MESSAGES };

void p3_store_init(struct p3_store *s, pop3 *c, const pop3_plan *plan)
{
    memset(s, 0, sizeof *s);
    s->c = c;
    s->plan = plan;
    if (plan->target == P3_TARGET_MAILDIR)
        p3_batch_init(&s->batch, plan->maildir);
}

void p3_store_release(struct p3_store *s)
{
    p3_store_drop(s);
    if (s->plan->target == P3_TARGET_MAILDIR)
        p3_batch_release(&s->batch);
}

/* ---- A Maildir --------------------------------------------------------- */

static int batch_failed(struct p3_store *s, int err)
{
    return err ? p3_batch_fail(s->c, &s->batch, err) != POP3_OK : 0;
}

static int record_failed(struct p3_store *s, int err)
{
    return err ? p3_stored_fail(s->c, s->plan->stored, err) != POP3_OK : 0;
}

static int is_recorded(const struct p3_store *s, const pop3_message *m)
{
    return s->plan->stored && m->uid;
}

static int end_maildir(struct p3_store *s, const pop3_message *m)
{
    struct p3_batch *b = &s->batch;
    int err = p3_batch_end(b);

    s->recorded = is_recorded(s, m);
    if (!err && s->recorded)
        s->broken |= p3_stored_add(s->plan->stored, m->uid, m->uid_length,
                                   p3_batch_name(b, b->count - 1)) != 0;
    return batch_failed(s, err);
}

/* What a record lacks is not to be published: it would be fetched again. */
static int make_durable(struct p3_store *s)
{
    if (s->broken)
        return p3_error_memory(&s->c->error) != POP3_OK;
    if (batch_failed(s, p3_batch_sync(&s->batch)))
        return 1;
    if (!s->recorded)
        return 0;
    return record_failed(s, p3_stored_commit(s->plan->stored, &s->batch));
}

static void commit_maildir(struct p3_store *s)
{
    s->failed = make_durable(s);
    if (s->failed)
        return;
    p3_batch_publish(&s->batch);
    if (s->recorded) /* where it fails, it is told at the next opening */
        (void)p3_stored_done(s->plan->stored, &s->batch);
}

/* ---- A descriptor ------------------------------------------------------ */

static int descriptor_failed(struct p3_store *s, int err)
{
    char text[P3_ERRNO_TEXT];

    if (!err)
        return 0;
    p3_fail(s->c, POP3_ERROR_IO, "descriptor %d: %s", s->plan->fd,
            p3_errno_text(err, text, sizeof text));
    return 1;
}

/* Where the next octet goes, if that is the end of a file: what is written in
 * the middle of one cannot be taken away again. */
static int64_t end_of_file(int fd)
{
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    int64_t at = lseek(fd, 0, appends ? SEEK_END : SEEK_CUR);
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && at == st.st_size ? at
                                                                          : -1;
}

static void begin_descriptor(struct p3_store *s)
{
    s->start = end_of_file(s->plan->fd);
    if (!s->count)
        s->safe = s->start;
    p3_sink_init(&s->sink, s->plan->fd, s->plan->ends);
}

/* What is half of a message in a file goes again, or is not safe; down a pipe it
 * is gone. */
static void undo_descriptor(const struct p3_store *s, int64_t from)
{
    if (from >= 0 && ftruncate(s->plan->fd, from) == 0)
        (void)lseek(s->plan->fd, from, SEEK_SET);
}

static int end_descriptor(struct p3_store *s)
{
    int err = p3_sink_finish(&s->sink);

    s->writing = 0;
    if (err)
        undo_descriptor(s, s->start);
    return descriptor_failed(s, err);
}

/* A pipe or a terminal cannot be synced, and says EINVAL or EROFS. */
static void commit_descriptor(struct p3_store *s)
{
    int err;

    do
        err = fsync(s->plan->fd) ? errno : 0;
    while (err == EINTR);
    if (err == EINVAL || err == EROFS || err == ENOTSUP)
        err = 0;
    s->failed = descriptor_failed(s, err);
    if (!err)
        s->safe = -1;
}

/* ---- A caller's functions ---------------------------------------------- */

static int callers_failed(struct p3_store *s, int refused)
{
    if (refused)
        p3_fail(s->c, POP3_ERROR_STOPPED, "the caller did not take it");
    return refused != 0;
}

static int begin_callers(struct p3_store *s, const pop3_message *m)
{
    const pop3_sink *sink = &s->plan->sink;

    if (!sink->begin)
        return 0;
    return callers_failed(s, sink->begin(s->plan->sink_arg, m));
}

static int end_callers(struct p3_store *s, int whole)
{
    int refused = s->plan->sink.end(s->plan->sink_arg, whole);

    s->writing = 0;
    return whole ? callers_failed(s, refused) : 0;
}

static void commit_callers(struct p3_store *s)
{
    const pop3_sink *sink = &s->plan->sink;

    s->failed = sink->sync ? callers_failed(s, sink->sync(s->plan->sink_arg))
                           : 0;
}

/* ---- Any of them ------------------------------------------------------- */

int p3_store_begin(struct p3_store *s, const pop3_message *m)
{
    int failed = 0;

    if (s->plan->target == P3_TARGET_MAILDIR)
        failed = batch_failed(s, p3_batch_begin(&s->batch));
    else if (s->plan->target == P3_TARGET_FD)
        begin_descriptor(s);
    else
        failed = begin_callers(s, m);
    s->writing = !failed;
    return failed;
}

int p3_store_write(struct p3_store *s, const char *data, size_t length)
{
    if (s->plan->target == P3_TARGET_MAILDIR)
        return batch_failed(s, p3_batch_write(&s->batch, data, length));
    if (s->plan->target == P3_TARGET_FD)
        return descriptor_failed(s, p3_sink_write(&s->sink, data, length));
    return callers_failed(s,
                          s->plan->sink.slice(s->plan->sink_arg, data, length));
}

int p3_store_end(struct p3_store *s, const pop3_message *m)
{
    int failed;

    if (s->plan->target == P3_TARGET_MAILDIR)
        failed = end_maildir(s, m);
    else if (s->plan->target == P3_TARGET_FD)
        failed = end_descriptor(s);
    else
        failed = end_callers(s, 1);
    s->writing = 0;
    s->count += !failed;
    return failed;
}

void p3_store_drop(struct p3_store *s)
{
    if (!s->writing)
        return;
    s->writing = 0;
    if (s->plan->target == P3_TARGET_MAILDIR) {
        p3_batch_drop(&s->batch);
    } else if (s->plan->target == P3_TARGET_FD) {
        p3_sink_drop(&s->sink);
        undo_descriptor(s, s->start);
    } else {
        end_callers(s, 0);
    }
}

/* A batch is recorded or not, as a whole. */
int p3_store_is_full(const struct p3_store *s, const pop3_message *next)
{
    if (!s->count)
        return 0;
    if (s->plan->target != P3_TARGET_MAILDIR)
        return s->count >= MOST;
    if (s->broken || (next && is_recorded(s, next) != s->recorded))
        return 1;
    return p3_batch_is_full(&s->batch);
}

void p3_store_commit(struct p3_store *s)
{
    s->failed = 0;
    if (!s->count)
        return;
    if (s->plan->target == P3_TARGET_MAILDIR)
        commit_maildir(s);
    else if (s->plan->target == P3_TARGET_FD)
        commit_descriptor(s);
    else
        commit_callers(s);
}

int p3_store_error(struct p3_store *s, size_t i)
{
    if (s->failed || s->plan->target != P3_TARGET_MAILDIR)
        return s->failed;
    return batch_failed(s, p3_batch_error(&s->batch, i));
}

void p3_store_clear(struct p3_store *s)
{
    if (s->plan->target == P3_TARGET_MAILDIR)
        p3_batch_clear(&s->batch);
    if (s->recorded && s->plan->stored)
        p3_stored_drop(s->plan->stored);
    if (s->plan->target == P3_TARGET_FD && s->count)
        undo_descriptor(s, s->safe);
    s->count = 0;
    s->failed = 0;
    s->broken = 0;
}
