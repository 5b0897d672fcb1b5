/*
 * maildir.c - a Maildir: unique names, and delivery that survives a crash
 * SPDX-License-Identifier: MIT
 *
 * Owns the three folders and what happens between a body's first octet and a
 * message in new/. Knows conn (the body) and sink (the file). Not here: which
 * messages to fetch, and deleting them from the server: the caller's.
 *
 * The order is Maildir's: write to tmp/, sync, move to new/, sync new/. What is
 * in new/ is whole at any moment, whatever crashes.
 */
#include "maildir.h"
#include "conn.h"
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A name that is taken is somebody's mistake; so many in a row are a fault. */
enum { TRIES = 16 };

/* ---- Names ------------------------------------------------------------- */

void p3_maildir_escape_host(const char *host, char *out, size_t size)
{
    size_t len = 0;

    for (; *host && len + 5 <= size; host++) {
        if (*host == '/' || *host == ':')
            len += (size_t)snprintf(out + len, size - len, "\\%03o", *host);
        else
            out[len++] = *host;
    }
    out[len] = '\0';
}

/* Seconds, microseconds, process and count tell deliveries of one host apart,
 * the random number those of hosts with one name, and containers. */
void p3_maildir_next_name(pop3_maildir *m, char *name)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, P3_MAILDIR_NAME, "%lld.M%06ldP%ldQ%lluR%016llx.%s",
             (long long)now.tv_sec, now.tv_nsec / 1000, (long)getpid(),
             (unsigned long long)++m->count, (unsigned long long)m->random,
             m->host);
}

static void find_host(pop3_maildir *m)
{
    char host[256];

    if (gethostname(host, sizeof host) != 0)
        host[0] = '\0';
    host[sizeof host - 1] = '\0';
    p3_maildir_escape_host(*host ? host : "localhost", m->host, sizeof m->host);
}

/* Without random bits a name is unique all the same but for rare cases, which
 * O_EXCL catches. */
static void find_random(pop3_maildir *m)
{
    if (getentropy(&m->random, sizeof m->random) != 0)
        m->random = 0;
}

/* ---- Opening ----------------------------------------------------------- */

static pop3_code cannot(pop3 *c, const pop3_maildir *m, const char *what,
                        int err)
{
    char text[P3_ERRNO_TEXT];

    return p3_fail(c, POP3_ERROR_IO, "cannot %s \"%.300s\": %s", what, m->path,
                   p3_errno_text(err, text, sizeof text));
}

static int open_folder(int at, const char *path)
{
    return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Some file systems can not sync a folder, and say EINVAL: nothing is to be
 * had from them, and mail is not to be refused for it. */
static int sync_folder(int fd)
{
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return errno == EINVAL ? 0 : errno;
    return 0;
}

/* The name of a folder just made is as durable as its parent; where that may
 * not be read, nothing can be done. */
static int sync_parent(int fd)
{
    int parent = open_folder(fd, "..");
    int err;

    if (parent < 0)
        return errno == EACCES ? 0 : errno;
    err = sync_folder(parent);
    close(parent);
    return err;
}

/* Opens a folder, which is made where it is missing: a descriptor, or -1 with
 * errno. */
static int open_or_make(int at, const char *path)
{
    int fd = open_folder(at, path);
    int err;

    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdirat(at, path, 0700) != 0 && errno != EEXIST)
        return -1;
    fd = open_folder(at, path);
    err = fd < 0 ? 0 : sync_parent(fd);
    if (err) {
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

/* Makes cur/, which nothing here writes to; mail readers do. */
static int make_cur(int folder)
{
    int cur = open_or_make(folder, "cur");

    if (cur < 0)
        return errno;
    close(cur);
    return 0;
}

static int check_writable(int folder)
{
    return faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) ? errno : 0;
}

static int open_folders(pop3_maildir *m, int folder)
{
    int err = make_cur(folder);

    if (err)
        return err;
    m->new_dir = open_or_make(folder, "new");
    if (m->new_dir < 0)
        return errno;
    m->tmp_dir = open_or_make(folder, "tmp");
    if (m->tmp_dir < 0)
        return errno;
    err = check_writable(m->tmp_dir);
    return err ? err : check_writable(m->new_dir);
}

static int open_path(pop3_maildir *m)
{
    int folder = open_or_make(AT_FDCWD, m->path);
    int err;

    if (folder < 0)
        return errno;
    err = open_folders(m, folder);
    close(folder);
    return err;
}

static pop3_maildir *new_maildir(const char *path)
{
    pop3_maildir *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->tmp_dir = m->new_dir = -1;
    m->next_name = p3_maildir_next_name;
    m->path = p3_strdup(path);
    if (!m->path) {
        pop3_maildir_close(m);
        return NULL;
    }
    find_host(m);
    find_random(m);
    return m;
}

pop3_code pop3_maildir_open(pop3 *c, const char *path, pop3_maildir **out)
{
    pop3_maildir *m;
    int err;

    p3_error_clear(&c->error);
    m = new_maildir(path);
    if (!m)
        return p3_error_memory(&c->error);
    err = open_path(m);
    if (err) {
        cannot(c, m, "use the Maildir", err);
        pop3_maildir_close(m);
        return c->error.code;
    }
    *out = m;
    return POP3_OK;
}

void pop3_maildir_close(pop3_maildir *maildir)
{
    if (!maildir)
        return;
    if (maildir->tmp_dir >= 0)
        close(maildir->tmp_dir);
    if (maildir->new_dir >= 0)
        close(maildir->new_dir);
    free(maildir->path);
    free(maildir);
}

/* ---- Delivery ---------------------------------------------------------- */

/* A message on its way. */
struct delivery {
    pop3_maildir *m;
    int fd;
    int err;          /* the first local failure; 0: none */
    const char *what; /* could not be done, where err is not 0 */
    char tmp_name[P3_MAILDIR_NAME];
    char new_name[P3_MAILDIR_NAME];
};

static void failed(struct delivery *d, const char *what, int err)
{
    if (d->err || !err)
        return;
    d->what = what;
    d->err = err;
}

static void create(struct delivery *d)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int tries = 0;

    do {
        d->m->next_name(d->m, d->tmp_name);
        d->fd = openat(d->m->tmp_dir, d->tmp_name, flags, 0600);
    } while (d->fd < 0 &&
             (errno == EINTR || (errno == EEXIST && ++tries < TRIES)));
    if (d->fd < 0)
        failed(d, "create a message in tmp/ of", errno);
}

static int sync_file(int fd)
{
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* The file is closed even where a signal interrupts that, and it is synced. */
static int close_file(int fd)
{
    return close(fd) != 0 && errno != EINTR ? errno : 0;
}

static void settle_file(struct delivery *d)
{
    failed(d, "write a message to", p3_sink_finish(&d->m->sink));
    if (!d->err)
        failed(d, "sync a message in", sync_file(d->fd));
    failed(d, "close a message in", close_file(d->fd));
    d->fd = -1;
}

/* For kernels and file systems without a rename that refuses. */
static int link_and_unlink(int from, const char *old, int to, const char *name)
{
    if (linkat(from, old, to, name, 0) != 0)
        return errno;
    /* It is delivered; what stays in tmp/ readers of Maildirs clear away. */
    (void)unlinkat(from, old, 0);
    return 0;
}

/*
 * A plain rename would silently replace a message of that name. It is one call
 * where the system can refuse that; else link refuses it, at the price of two.
 * Only where there are no hard links either (FAT, some network drives) are
 * the name's random bits all there is.
 */
static int move(int from, const char *old, int to, const char *name)
{
    int err;

#ifdef RENAME_NOREPLACE
    if (renameat2(from, old, to, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EEXIST)
        return EEXIST;
#endif
    err = link_and_unlink(from, old, to, name);
    if (err == EPERM || err == EOPNOTSUPP || err == ENOSYS)
        err = renameat(from, old, to, name) ? errno : 0;
    return err;
}

/* Under the name that it had in tmp/, or another, should that be taken. */
static void publish(struct delivery *d)
{
    int tries = 0;
    int err;

    memcpy(d->new_name, d->tmp_name, sizeof d->new_name);
    while ((err = move(d->m->tmp_dir, d->tmp_name, d->m->new_dir,
                       d->new_name)) == EEXIST &&
           ++tries < TRIES)
        d->m->next_name(d->m, d->new_name);
    if (err) {
        failed(d, "move a message to new/ of", err);
        return;
    }
    failed(d, "sync new/ of", sync_folder(d->m->new_dir));
    if (d->err)
        (void)unlinkat(d->m->new_dir, d->new_name, 0);
}

/* Nothing half-written stays. */
static void discard(struct delivery *d)
{
    if (d->fd >= 0) {
        p3_sink_drop(&d->m->sink);
        close(d->fd);
    }
    (void)unlinkat(d->m->tmp_dir, d->tmp_name, 0);
}

/* Writes the body to its end, which data is NULL at, or to the first write
 * that fails. */
static pop3_code pour(pop3 *c, struct delivery *d, const char *data, size_t len)
{
    pop3_code rc = POP3_OK;

    while (!rc && !d->err && data) {
        failed(d, "write a message to", p3_sink_write(&d->m->sink, data, len));
        if (!d->err)
            rc = p3_next_slice(c, &data, &len);
    }
    return rc;
}

/* From the body's first slice to the message in new/. Fails as the connection
 * does; what fails here is told in d. */
static pop3_code store(pop3 *c, struct delivery *d, const char *data,
                       size_t len)
{
    pop3_code rc;

    create(d);
    if (d->err)
        return POP3_OK;
    p3_sink_init(&d->m->sink, d->fd, POP3_LF);
    rc = pour(c, d, data, len);
    if (!rc && !d->err)
        settle_file(d);
    if (!rc && !d->err)
        publish(d);
    if (rc || d->err)
        discard(d);
    return rc;
}

pop3_code pop3_body_maildir(pop3 *c, pop3_maildir *maildir, uint64_t *octets)
{
    struct delivery d = {.m = maildir, .fd = -1};
    const char *data;
    size_t len;
    pop3_code rc = p3_enter(c);

    /* The first slice comes before the file: where there is no body there is
     * nothing to clear away. */
    if (!rc)
        rc = p3_next_slice(c, &data, &len);
    if (!rc)
        rc = store(c, &d, data, len);
    if (!rc && d.err)
        rc = p3_skip_body(c);
    if (rc)
        return rc;
    if (d.err)
        return cannot(c, maildir, d.what, d.err);
    if (octets)
        *octets = pop3_body_octets(c);
    return POP3_OK;
}
