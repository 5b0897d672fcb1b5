/*
 * stored.c - the record of what is stored from one account in one Maildir
 * SPDX-License-Identifier: MIT
 *
 * Owns the file: its name, its lock, reading it. Knows journal (blocks that are
 * there whole or not), record (what their lines say), tally (the counts in
 * memory) and maildir. Not here: writing (storing.c), what a crash interrupted
 * (recover.c), forgetting (compact.c), which messages to fetch.
 */
#include "stored.h"
#include "local.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COMMIT_ROOM = 64,    /* the first block's last line is shorter */
    LONGEST_NAP_MS = 100 /* between two looks at the lock */
};

/* ---- Keys -------------------------------------------------------------- */

int p3_stored_key(pop3_stored *s, const char *data, size_t len,
                  struct p3_tally_key *out)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    int i;

    if (!EVP_DigestInit_ex2(s->digest, s->sha256, NULL) ||
        !EVP_DigestUpdate(s->digest, data, len) ||
        !EVP_DigestFinal_ex(s->digest, sum, NULL))
        return ENOMEM;
    out->high = out->low = 0;
    for (i = 0; i < 8; i++)
        out->high = out->high << 8 | sum[i];
    for (i = 8; i < 12; i++)
        out->low = out->low << 8 | sum[i];
    return 0;
}

/* ---- Asking ------------------------------------------------------------ */

void p3_stored_begin_listing(pop3_stored *s)
{
    p3_tally_unsee(&s->tally);
    s->listing = 1;
}

struct p3_tally_row *p3_stored_row(pop3_stored *s, const char *uid, size_t len)
{
    struct p3_tally_key key;

    return p3_stored_key(s, uid, len, &key) ? NULL
                                            : p3_tally_find(&s->tally, key);
}

int p3_stored_meet(pop3_stored *s, const char *uid, size_t len)
{
    struct p3_tally_row *row = p3_stored_row(s, uid, len);

    if (!row || row->seen >= row->stored)
        return 0;
    row->seen++;
    return 1;
}

uint64_t p3_stored_count(pop3_stored *s, const char *uid, size_t len)
{
    const struct p3_tally_row *row = p3_stored_row(s, uid, len);

    return row ? row->stored : 0;
}

uint64_t p3_stored_total(const pop3_stored *s)
{
    return s->tally.total;
}

/* ---- The name of the file, and its first line -------------------------- */

/* Of a host's name the case does not count (RFC 4343). */
static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static int make_path(pop3_stored *s, const char *user, const char *server,
                     int port)
{
    struct p3_buf *b = &s->line;
    struct p3_tally_key key;

    p3_buf_truncate(b, 0);
    if (!p3_buf_add(b, user, strlen(user) + 1) ||
        !p3_buf_add(b, server, strlen(server) + 1) ||
        !p3_buf_addf(b, "%d", port) || p3_stored_key(s, b->data, b->len, &key))
        return 0;
    snprintf(s->file, sizeof s->file, "libpop3-%016" PRIx64, key.high);
    p3_buf_truncate(b, 0);
    if (!p3_buf_addf(b, "%s/%s", s->maildir->path, s->file))
        return 0;
    s->path = p3_strdup(b->data);
    return s->path != NULL;
}

static int make_names(pop3_stored *s, const char *user, const char *server,
                      int port)
{
    char *host = p3_strdup(server);
    int ok;

    if (!host)
        return 0;
    lower(host);
    ok = p3_record_first(&s->header, user, host, port) &&
         make_path(s, user, host, port);
    free(host);
    return ok;
}

/* ---- Reading the file -------------------------------------------------- */

static int add_delivery(pop3_stored *s, struct p3_text name,
                        struct p3_tally_key key)
{
    struct p3_delivery d = {.key = key};
    size_t len = p3_record_decode(name, d.name, sizeof d.name - 1);

    if (strlen(d.name) != len || !p3_stored_is_name(d.name))
        return P3_NOT_OURS;
    return p3_buf_add(&s->on_way, &d, sizeof d) ? 0 : ENOMEM;
}

static int load_stored(pop3_stored *s, const struct p3_record *line)
{
    char uid[P3_LONGEST_UID];
    struct p3_tally_key key;
    size_t len = p3_record_decode(line->uid, uid, sizeof uid);

    if (!len)
        return P3_NOT_OURS;
    if (p3_stored_key(s, uid, len, &key) || !p3_tally_raise(&s->tally, key))
        return ENOMEM;
    s->records++;
    return line->name.len ? add_delivery(s, line->name, key) : 0;
}

static int load_record(pop3_stored *s, const char *text, size_t len)
{
    struct p3_record line;

    p3_record_parse(text, len, &line);
    switch (line.kind) {
    case P3_RECORD_STORED:
        return load_stored(s, &line);
    case P3_RECORD_GONE:
        p3_tally_lower(&s->tally, line.key);
        s->records++;
        return 0;
    case P3_RECORD_DONE:
        p3_buf_truncate(&s->on_way, 0);
        return 0;
    case P3_RECORD_OTHER:
        break;
    }
    return P3_NOT_OURS;
}

struct loading {
    pop3_stored *s;
    int past_first;
};

static int load_line(void *arg, const char *text, size_t len)
{
    struct loading *l = arg;
    const struct p3_buf *first = &l->s->header;

    if (l->past_first)
        return load_record(l->s, text, len);
    l->past_first = 1;
    return len + 1 == first->len && memcmp(text, first->data, len) == 0
               ? 0
               : P3_NOT_OURS;
}

/* ---- The file ---------------------------------------------------------- */

/* Whether the file, which has no whole block, is all that a crash left of its
 * first one: octets of it, or NULs where nothing was written yet. */
static int is_unwritten(const pop3_stored *s)
{
    char room[P3_JOURNAL_LINE];
    ssize_t n = pread(s->journal.fd, room, sizeof room, 0);
    size_t i;

    if (n < 0 || (size_t)n >= s->header.len + COMMIT_ROOM)
        return 0;
    for (i = 0; i < (size_t)n && i < s->header.len; i++)
        if (room[i] && room[i] != s->header.data[i])
            return 0;
    return 1;
}

static int begin_file(pop3_stored *s)
{
    int err = p3_journal_cut(&s->journal);

    if (!err)
        err = p3_journal_add(&s->journal, s->header.data, s->header.len);
    if (!err)
        err = p3_journal_commit(&s->journal, 1);
    return err ? err : p3_maildir_sync(s->maildir->folder);
}

static int load_file(pop3_stored *s)
{
    struct loading l = {.s = s};
    int err = p3_journal_load(&s->journal);

    if (err)
        return err;
    if (!s->journal.end)
        return is_unwritten(s) ? begin_file(s) : P3_NOT_OURS;
    err = p3_journal_each(&s->journal, load_line, &l);
    if (!err)
        err = p3_journal_cut(&s->journal);
    return err ? err : p3_stored_recover(s);
}

/* ---- The lock ---------------------------------------------------------- */

static int open_file(const pop3_stored *s)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

    return openat(s->maildir->folder, s->file, flags, 0600);
}

/* A short nap, not past the deadline: 0 where that has come. */
static int nap(int64_t deadline_ms, int *nap_ms)
{
    int64_t left = deadline_ms ? deadline_ms - p3_now_ms() : LONGEST_NAP_MS;

    if (left <= 0)
        return 0;
    (void)poll(NULL, 0, left < *nap_ms ? (int)left : *nap_ms);
    *nap_ms = *nap_ms * 2 < LONGEST_NAP_MS ? *nap_ms * 2 : LONGEST_NAP_MS;
    return 1;
}

static int lock(int fd, int64_t deadline_ms)
{
    int nap_ms = 1;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return errno;
        if (!nap(deadline_ms, &nap_ms))
            return ETIMEDOUT;
    }
    return 0;
}

/* Whether what was locked is still what others open: while this one waited the
 * file may have been replaced. */
static int is_in_place(const pop3_stored *s, int fd)
{
    struct stat mine, there;

    return fstat(fd, &mine) == 0 &&
           fstatat(s->maildir->folder, s->file, &there, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int acquire(pop3_stored *s, int timeout_ms)
{
    int64_t deadline_ms = timeout_ms > 0 ? p3_now_ms() + timeout_ms : 0;

    for (;;) {
        int fd = open_file(s);
        int err;

        if (fd < 0)
            return errno;
        err = is_regular(fd) ? lock(fd, deadline_ms) : P3_NOT_OURS;
        if (!err && is_in_place(s, fd)) {
            s->journal.fd = fd;
            return 0;
        }
        close(fd);
        if (err)
            return err;
    }
}

/* ---- Opening and closing ----------------------------------------------- */

static pop3_stored *new_stored(pop3_maildir *maildir)
{
    pop3_stored *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->maildir = maildir;
    p3_journal_init(&s->journal, -1);
    p3_tally_init(&s->tally);
    p3_buf_init(&s->header, 0, 0);
    p3_buf_init(&s->line, 0, 0);
    p3_buf_init(&s->keys, 0, 0);
    p3_buf_init(&s->last, 0, 0);
    p3_buf_init(&s->on_way, 0, 0);
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->digest = EVP_MD_CTX_new();
    return s;
}

void pop3_stored_close(pop3_stored *stored)
{
    if (!stored)
        return;
    p3_journal_release(&stored->journal);
    p3_tally_release(&stored->tally);
    p3_buf_release(&stored->header);
    p3_buf_release(&stored->line);
    p3_buf_release(&stored->keys);
    p3_buf_release(&stored->last);
    p3_buf_release(&stored->on_way);
    EVP_MD_CTX_free(stored->digest);
    EVP_MD_free(stored->sha256);
    free(stored->path);
    free(stored);
}

pop3_code p3_stored_fail(pop3 *c, const pop3_stored *s, int err)
{
    char text[P3_ERRNO_TEXT];

    if (err == ENOMEM)
        return p3_error_memory(&c->error);
    if (err == ETIMEDOUT)
        return p3_fail(c, POP3_ERROR_TIMEOUT,
                       "\"%.300s\" is locked: another download of that "
                       "account goes on",
                       s->path);
    if (err == P3_NOT_OURS)
        return p3_fail(c, POP3_ERROR_IO,
                       "\"%.300s\" is damaged, or no record of this account; "
                       "move it away to begin another",
                       s->path);
    return p3_fail(c, POP3_ERROR_IO, "cannot use the record \"%.300s\": %s",
                   s->path, p3_errno_text(err, text, sizeof text));
}

static pop3_code open_stored(pop3 *c, pop3_stored *s, const char *user,
                             const char *server, int port)
{
    int err;

    if (!s->sha256 || !s->digest || !make_names(s, user, server, port))
        return p3_error_memory(&c->error);
    err = acquire(s, c->timeout_ms);
    if (!err)
        err = load_file(s);
    return err ? p3_stored_fail(c, s, err) : POP3_OK;
}

pop3_code pop3_stored_open(pop3 *c, pop3_maildir *maildir, const char *user,
                           const char *server, int port, pop3_stored **out)
{
    pop3_stored *s;
    pop3_code rc;

    p3_error_clear(&c->error);
    rc = p3_check_given(c, "the user", user);
    if (!rc)
        rc = p3_check_given(c, "the server", server);
    if (rc)
        return rc;
    s = new_stored(maildir);
    if (!s)
        return p3_error_memory(&c->error);
    rc = open_stored(c, s, user, server, port);
    if (rc)
        pop3_stored_close(s);
    else
        *out = s;
    return rc;
}
