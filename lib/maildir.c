/*
 * maildir.c - a Maildir: unique names, and delivery that survives a crash
 * SPDX-License-Identifier: MIT
 *
 * Owns the three folders, the names in them, and the way from tmp/ to new/.
 * Not here: what is in a message's file (batch.c), and which messages were
 * stored before (stored.c).
 */
#include "maildir.h"
#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/utsname.h>
#endif

/* A name that is taken is somebody's mistake; so many in a row are a fault. */
enum { TRIES = 16 };

/* Seconds after which nobody writes to a file in tmp/ any more; Maildir's. */
enum { STALE = 36 * 60 * 60 };

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

/* ---- Folders ----------------------------------------------------------- */

pop3_code p3_maildir_cannot(pop3 *c, const pop3_maildir *m, const char *what,
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
int p3_maildir_sync(int folder)
{
    while (fsync(folder) != 0)
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
    err = p3_maildir_sync(parent);
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

static int check_writable(int folder)
{
    return faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) ? errno : 0;
}

/* Nothing here writes to cur/; mail readers do. */
static int open_folders(pop3_maildir *m)
{
    int err;

    m->folder = open_or_make(AT_FDCWD, m->path);
    if (m->folder < 0)
        return errno;
    m->cur_dir = open_or_make(m->folder, "cur");
    if (m->cur_dir < 0)
        return errno;
    m->new_dir = open_or_make(m->folder, "new");
    if (m->new_dir < 0)
        return errno;
    m->tmp_dir = open_or_make(m->folder, "tmp");
    if (m->tmp_dir < 0)
        return errno;
    err = check_writable(m->tmp_dir);
    return err ? err : check_writable(m->new_dir);
}

/* ---- What the system can do -------------------------------------------- */

/* The number that text begins with; what is too large is large enough. */
static int take_number(const char **text)
{
    int n = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++)
        n = n < 10000 ? n * 10 + (**text - '0') : n;
    return n;
}

int p3_maildir_trusts_syncfs(const char *release)
{
    int major = take_number(&release);
    int minor = 0;

    if (*release == '.') {
        release++;
        minor = take_number(&release);
    }
    return major > 5 || (major == 5 && minor >= 8);
}

#ifdef __linux__

static int find_syncfs(void)
{
    struct utsname name;

    return uname(&name) == 0 && p3_maildir_trusts_syncfs(name.release);
}

int p3_maildir_sync_all(const pop3_maildir *m)
{
    while (syncfs(m->tmp_dir) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

#else

static int find_syncfs(void)
{
    return 0;
}

int p3_maildir_sync_all(const pop3_maildir *m)
{
    (void)m;
    return ENOSYS;
}

#endif

/* ---- Opening and closing ----------------------------------------------- */

static pop3_maildir *new_maildir(const char *path)
{
    pop3_maildir *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->folder = m->tmp_dir = m->new_dir = m->cur_dir = -1;
    m->has_syncfs = find_syncfs();
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
    err = open_folders(m);
    if (err) {
        p3_maildir_cannot(c, m, "use the Maildir", err);
        pop3_maildir_close(m);
        return c->error.code;
    }
    *out = m;
    return POP3_OK;
}

static void close_folder(int fd)
{
    if (fd >= 0)
        close(fd);
}

void pop3_maildir_close(pop3_maildir *maildir)
{
    if (!maildir)
        return;
    close_folder(maildir->tmp_dir);
    close_folder(maildir->new_dir);
    close_folder(maildir->cur_dir);
    close_folder(maildir->folder);
    free(maildir->path);
    free(maildir);
}

/* ---- In tmp/ ----------------------------------------------------------- */

/* Neither written to nor read for so long; a folder is not a message. */
static int is_stale(const struct stat *st, time_t now)
{
    return S_ISREG(st->st_mode) && now - st->st_mtime > STALE &&
           now - st->st_atime > STALE;
}

static void sweep_one(int folder, const char *name, time_t now)
{
    struct stat st;

    if (*name != '.' && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_stale(&st, now))
        (void)unlinkat(folder, name, 0);
}

DIR *p3_maildir_list(int folder)
{
    int fd = open_folder(folder, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

void p3_maildir_sweep(pop3_maildir *m)
{
    DIR *dir = p3_maildir_list(m->tmp_dir);
    const struct dirent *entry;
    time_t now = time(NULL);

    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL)
        sweep_one(m->tmp_dir, entry->d_name, now);
    closedir(dir);
}

int p3_maildir_create(pop3_maildir *m, char *name)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int tries = 0;
    int fd;

    do {
        m->next_name(m, name);
        fd = openat(m->tmp_dir, name, flags, 0600);
    } while (fd < 0 &&
             (errno == EINTR || (errno == EEXIST && ++tries < TRIES)));
    return fd;
}

/* ---- From tmp/ to new/ ------------------------------------------------- */

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
    if (errno == EEXIST || errno == ENOENT)
        return errno;
#endif
    err = link_and_unlink(from, old, to, name);
    if (err == EPERM || err == EOPNOTSUPP || err == ENOSYS)
        err = renameat(from, old, to, name) ? errno : 0;
    return err;
}

/* A crash between link and unlink leaves one file with two names. */
static int is_linked_already(const pop3_maildir *m, const char *old,
                             const char *name)
{
    struct stat a, b;

    return fstatat(m->tmp_dir, old, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(m->new_dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int p3_maildir_deliver(pop3_maildir *m, const char *old, char *name)
{
    int tries = 0;
    int err;

    snprintf(name, P3_MAILDIR_NAME, "%s", old);
    while ((err = move(m->tmp_dir, old, m->new_dir, name)) == EEXIST &&
           ++tries < TRIES) {
        if (is_linked_already(m, old, name)) {
            (void)unlinkat(m->tmp_dir, old, 0);
            return 0;
        }
        m->next_name(m, name);
    }
    return err;
}
